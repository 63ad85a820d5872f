"""What the opponent of a certificate is made of: its own simulators, what it draws and looks for.

`spiketheory.checking.opponent` runs it all. Nothing here uses derivations, generated code or the
prover.
"""
