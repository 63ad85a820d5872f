"""What a sample costs, in NeuroBench's terms, beside dense recurrent networks of the same size.

Synaptic operations are counted where they are not multiplications by 0: additions where a spike
arrives at a synapse, multiply-accumulates where it is weighted by a readout's kernel. A dense
network updates every neuron in every step. The footprint is the memory of all numbers of a network
at rest; activation sparsity is the share of steps in which a neuron is silent.

J. Yik and others, NeuroBench, Nature Communications 16, 1545 (2025).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from sim.training.energy import ADD_PJ, MULTIPLY_ACCUMULATE_PJ

BYTES = 4
"""Of a number, in all networks alike."""
GATES = {"dense recurrent network": 1, "GRU": 3}


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What one sample costs.

    Attributes:
        name: Of the network.
        accumulates: Effective additions.
        multiply_accumulates: Effective multiply-accumulates.
        footprint: Memory of its numbers [byte].
        activation_sparsity: Share of neurons and steps without a spike; 0 for a dense network.
        connection_sparsity: Share of weights that are 0.
    """

    name: str
    accumulates: float
    multiply_accumulates: float
    footprint: int
    activation_sparsity: float
    connection_sparsity: float

    @property
    def picojoules(self) -> float:
        """A lower bound of the energy, see `sim.training.energy` [pJ]."""
        return self.accumulates * ADD_PJ + self.multiply_accumulates * MULTIPLY_ACCUMULATE_PJ


def count_spiking(
    *, counts: np.ndarray, n_inputs: float, widths: Sequence[int], n_outputs: int, n_features: int,
    recurrent: bool, arrays: Sequence[np.ndarray], weights: Sequence[np.ndarray], steps: int,
) -> Costs:  # fmt: skip
    """Costs of a spiking network.

    Args:
        counts: Spikes of each hidden neuron, shape (n_samples, n_neurons).
        n_inputs: Input spikes of a sample, on average.
        widths: Neurons of each hidden layer.
        n_outputs: Outputs of the readout.
        n_features: Its features.
        recurrent: Whether layers are connected to themselves.
        arrays: All numbers of the network.
        weights: Those of them that connect hidden neurons.
        steps: Steps in which activity is looked at.
    """
    sent = np.add.reduceat(counts.sum(axis=0) / len(counts), np.cumsum([0, *widths])[:-1])
    adds = n_inputs * widths[0]
    for k, width in enumerate(widths):
        adds += sent[k] * ((widths[k + 1] if k + 1 < len(widths) else 0) + recurrent * width)
    n_weights = sum(w.size for w in weights)
    active = np.minimum(counts, steps).mean() / steps
    return Costs(
        name="this network", accumulates=float(adds),
        multiply_accumulates=float(sent[-1]) * n_outputs * n_features,
        footprint=BYTES * sum(a.size for a in arrays), activation_sparsity=1.0 - float(active),
        connection_sparsity=1.0 - sum(np.count_nonzero(w) for w in weights) / max(n_weights, 1),
    )  # fmt: skip


def count_dense(name: str, sizes: Sequence[int], *, steps: int) -> Costs:
    """Costs of a dense recurrent network that hears a frame in each step.

    Args:
        name: A key of `GATES`.
        sizes: Channels, hidden neurons of each layer, outputs.
        steps: Number of steps.
    """
    gates, hidden = GATES[name], sizes[1:-1]
    weights = sum(n * m + m * m for n, m in pairwise(sizes[:-1])) * gates
    last = hidden[-1] * sizes[-1]
    biases = gates * sum(hidden) + sizes[-1]
    return Costs(
        name=name, accumulates=0.0, multiply_accumulates=float(steps * weights + last),
        footprint=BYTES * (weights + last + biases), activation_sparsity=0.0,
        connection_sparsity=0.0,
    )  # fmt: skip
