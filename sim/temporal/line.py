"""Spike trains of single trials along a straight line between two networks of the same shape.

Used to see where spikes appear and vanish when weights change. Only arrays are mixed, so that a
point of the line takes little longer than its trial.
"""

import numpy as np

from sim.inputs.merged import merge_instants
from sim.inputs.trials import Trials
from sim.kernels.limits import LIMITS
from sim.status import NO_ROOM, raise_status
from sim.temporal import sample as sample_kernels
from sim.temporal.allocation import FIRST_ROOM, make_memory
from sim.temporal.batch import link_model
from sim.temporal.records import Batch, DenseLayer, pad_settings
from sim.temporal.stack import TemporalStack

Train = tuple[np.ndarray, np.ndarray]
"""Times and neurons of spikes, by time; neurons are counted through the layers."""


class Line:
    """The networks between two.

    Args:
        first, last: The networks at its ends.
        trials: What is run.
        max_spikes: More spikes of a layer in one trial are an error.
    """

    def __init__(
        self, first: TemporalStack, last: TemporalStack, trials: Trials, *, max_spikes: int
    ) -> None:
        self.duration, self.ticks = first.network.duration, first.ticks
        self.ends = first.layers, last.layers
        same = all(np.array_equal(a.table, b.table) for a, b in zip(*self.ends, strict=True))
        self.model = first.compiled if same else first.model
        self.merged = merge_instants(trials, self.duration)
        self.instants = int(np.diff(self.merged.instant_offsets).max(initial=0))
        self.kernels = link_model(self.model, not first.is_uniform).link(sample_kernels)
        self.max_spikes, self.room = max_spikes, FIRST_ROOM
        self.make()

    def make(self) -> None:
        """Allocate memory."""
        self.memory = make_memory(
            self.ends[0], n_instants=self.instants, room=self.room, shape=(1, 1, 1)
        )
        self.packed = self.model.pack(self.memory)

    def run(self, place: float, trial: int) -> Train:
        """Spikes of a trial at a place of the line, 0 at its begin and 1 at its end."""
        layers = [mix(a, b, place) for a, b in zip(*self.ends, strict=True)]
        empty = np.zeros((1, 1))
        batch = self.model.pack(
            Batch(
                layers=layers, n_layers=len(layers), duration=self.duration, ticks=self.ticks,
                limits=LIMITS["float64"], max_spikes=self.max_spikes,
                instant_times=self.merged.instant_time,
                instant_offsets=self.merged.instant_offsets, channels=self.merged.channel,
                spike_offsets=self.merged.spike_offsets, targets=empty,
                read_weights=np.zeros((1, 1, 1)), bias=np.zeros(1),
                read_settings=pad_settings(()),
                loss_settings=(0.0,),
            )
        )  # fmt: skip
        status = self.kernels.forward_sample(batch, self.packed, trial)
        while status == NO_ROOM:
            self.room *= 2
            self.make()
            status = self.kernels.forward_sample(batch, self.packed, trial)
        raise_status(status, sample=trial, limit=self.max_spikes)
        times, neurons, first = [], [], 0
        for layer, own, n in zip(layers, self.memory.layers, self.memory.n_spikes, strict=True):
            times.append(own.spikes.times[:n].copy())
            neurons.append(own.spikes.neurons[:n] + first)
            first += layer.width
        time, neuron = np.concatenate(times), np.concatenate(neurons)
        order = np.lexsort((neuron, time))
        return time[order], neuron[order]


def mix(a: DenseLayer, b: DenseLayer, place: float) -> DenseLayer:
    """A layer between two; delays are whole ticks."""
    if place in (0.0, 1.0):
        return a if place == 0.0 else b
    return a._replace(
        weights=a.weights + place * (b.weights - a.weights),
        recurrent=a.recurrent + place * (b.recurrent - a.recurrent),
        delays=np.rint(a.delays + place * (b.delays - a.delays)),
        delays_out=np.rint(a.delays_out + place * (b.delays_out - a.delays_out)),
        starts=a.starts + place * (b.starts - a.starts),
        table=a.table + place * (b.table - a.table),
        constants=tuple(x + place * (y - x) for x, y in zip(a.constants, b.constants, strict=True)),
    )
