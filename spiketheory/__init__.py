"""The language of neuron models and their compiler: parse, derive, verify, lower, generate.

Import from the modules themselves; this file stays empty so that running a compiled model does
not load sympy.
"""
