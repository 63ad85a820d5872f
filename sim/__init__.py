"""Runs and trains networks of any compiled neuron model."""
