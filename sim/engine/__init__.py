"""The engines behind one face: `sim.engine.choose` says which runs a network, and runs it."""
