"""One file per way to solve a neuron model's equations."""
