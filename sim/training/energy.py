"""What a sample costs in energy, against a network that multiplies."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from spiketheory.errors import InputError

ADD_PJ = 0.9
"""Energy of a 32-bit floating-point addition in 45 nm technology [pJ]."""
MULTIPLY_ACCUMULATE_PJ = 4.6
"""Energy of a 32-bit multiplication (3.7 pJ) and addition (0.9 pJ) in 45 nm technology [pJ]."""


@dataclass(frozen=True, kw_only=True)
class EnergyEstimate:
    """Energy per sample of a spiking network and of a dense one of the same size.

    Attributes:
        synaptic_operations: Additions of the spiking network (mean over samples).
        multiply_accumulates: Multiply-accumulates of the dense network.
        spiking_pj: Energy of the spiking network, a lower bound [pJ].
        dense_pj: Energy of the dense network, a lower bound [pJ].
    """

    synaptic_operations: float
    multiply_accumulates: int
    spiking_pj: float
    dense_pj: float

    @property
    def ratio(self) -> float:
        """Spiking over dense energy; 0 for a network that receives no spike."""
        return self.spiking_pj / self.dense_pj


def estimate_energy(*, synaptic_operations: float, layer_sizes: Sequence[int]) -> EnergyEstimate:
    r"""Estimate the energy that one sample costs in arithmetic.

    Spiking: $E = n_\mathrm{syn} \cdot 0.9$ pJ, one 32-bit addition whenever a spike arrives at a
    synapse. Dense ReLU network: $E = \sum_l n_l n_{l+1} \cdot 4.6$ pJ, one multiply-accumulate
    per weight.

    Not counted: updates of neuron states between spikes and finding the next spike, biases and
    activation functions, and memory traffic, which on real hardware often costs more than the
    arithmetic. Both figures, and the spiking one above all, are therefore lower bounds; read the
    ratio as an order of magnitude.

    Args:
        synaptic_operations: Mean number per sample of spikes times the synapses each of them
            reaches, input spikes included, >= 0.
        layer_sizes: Number of neurons in each layer, input first, output last.

    Returns:
        Both energies and the counts that they stand on.

    Raises:
        InputError: If a count is negative or not finite, or there are fewer than two layers.

    References:
        Horowitz (2014), Computing's energy problem, ISSCC, figure 1.1.9.
    """
    if not (math.isfinite(synaptic_operations) and synaptic_operations >= 0):
        raise InputError(
            "Expected synaptic_operations >= 0 but got "
            f"synaptic_operations={synaptic_operations}; give the mean number per sample."
        )
    if len(layer_sizes) < 2 or min(layer_sizes) < 1:
        raise InputError(
            f"Expected at least two layers of at least one neuron but got {tuple(layer_sizes)}; "
            "give the sizes from the input to the output."
        )
    multiply_accumulates = sum(before * after for before, after in pairwise(layer_sizes))
    return EnergyEstimate(
        synaptic_operations=synaptic_operations,
        multiply_accumulates=multiply_accumulates,
        spiking_pj=synaptic_operations * ADD_PJ,
        dense_pj=multiply_accumulates * MULTIPLY_ACCUMULATE_PJ,
    )
