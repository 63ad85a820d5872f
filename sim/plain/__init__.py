"""The plain engine: any network, event by event, forwards and backwards, written to be read.

Start with `sim.plain.loop`. Nothing here is shared with the other engines but the generated
functions and the form of the results, so that it can say whether they are right.
"""
