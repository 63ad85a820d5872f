"""Spike times of output neurons, compared with those that they should have: no readout neuron."""

from spiketheory.language.readout import ReadoutModel

READOUT = ReadoutModel(
    name="target_times",
    description="Spike times of each output neuron, to be brought to given times.",
    reads="spikes",
    notes="The output neurons are neurons of the network's own model, and spikes that are missing "
    "at the trial's end come from pseudodynamics after it: `derive --model NAME` shows them for "
    "the models that have them, and docs/mathematics.md derives them. The loss is `target_time` of "
    "sim/losses.py.",
)
