"""Property tests of neuron models: trials, an event loop, what must hold, and the search for it.

`spiketheory.testing` is the public face; docs/checking.md explains what is checked and how.
"""
