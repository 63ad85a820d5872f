"""The commands of the command line: arguments -> one library call -> print. No mathematics here.

These modules belong to the layer of `cli`, above `sim`; nothing else imports them. At their top
they import click and what imports no more than click, so that ``--help`` answers at once; a command
imports what it needs when it runs.
"""
