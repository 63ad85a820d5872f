"""The first spike of each output neuron, a pseudospike if it has none: no readout neuron."""

from spiketheory.language.readout import ReadoutModel

READOUT = ReadoutModel(
    name="first_spike",
    description="First spike of each output neuron: the earliest is the answer.",
    reads="spikes",
    notes="The output neurons are neurons of the network's own model, and one that has not spiked "
    "by the trial's end gets its spike from pseudodynamics after it: `derive --model NAME` shows "
    "them for the models that have them, and docs/mathematics.md derives them. The loss is "
    "`first_spike` of sim/losses.py.",
)
