"""The spikes of the last layer, read as they are: times and neurons, and derivatives by the times.

In place of logits stand the times, in order, and behind them the neurons; `NO_TIME` and
`NO_NEURON` where there is no spike. What is wanted of a sample are the derivatives by its times.
"""

import numpy as np

from sim.kernels.types import Floats, Numbers
from sim.layers.spike_order import order_spikes
from sim.temporal.records import Batch, LayerMemory, Scratch, Sums
from spiketheory.machine.link import kernel

NO_TIME, NO_NEURON = np.inf, -1.0


@kernel()
def read_spikes(batch: Batch, memory: LayerMemory, scratch: Scratch, count: int) -> None:
    """Write the first spikes, by time and then by neuron."""
    order_spikes(
        memory.spikes, count, memory.order, scratch.spare, memory.sorted_times,
        memory.sorted_neurons,
    )  # fmt: skip
    found = scratch.logits
    room = found.shape[0] // 2
    for q in range(room):
        if q < count:
            found[q], found[room + q] = memory.sorted_times[q], memory.sorted_neurons[q]
        else:
            found[q], found[room + q] = NO_TIME, NO_NEURON


@kernel()
def read_spikes_vjp(
    batch: Batch, memory: LayerMemory, scratch: Scratch, count: int, sums: Sums
) -> None:
    """Hand derivatives by the spikes, in order, to the spikes as they were found."""
    by_spike, given = memory.by_spike, scratch.by_logit
    room = given.shape[0] // 2
    for q in range(count):
        by_spike[memory.order[q]] = given[q] if q < room else 0.0


def keep_slopes(times: Floats, slopes: Floats, settings: Numbers, gradient: Floats) -> float:
    """No loss: its derivatives are given."""
    for q in range(slopes.shape[0]):
        gradient[q] = slopes[q]
    return 0.0
