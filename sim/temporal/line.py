"""Spike trains of single trials along a straight line between two networks of the same shape.

Used to see where spikes appear and vanish when weights change. Only arrays are mixed, so that a
point of the line takes little longer than its trial.
"""

import numpy as np

from sim.inputs.trials import Trials
from sim.status import raise_status
from sim.temporal.batch import make_batch
from sim.temporal.record import Forward
from sim.temporal.records import DenseLayer
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
        self.stack, self.duration, self.max_spikes = first, first.network.duration, max_spikes
        self.ends = first.layers, last.layers
        same = all(np.array_equal(a.table, b.table) for a, b in zip(*self.ends, strict=True))
        self.model = first.compiled if same else first.model
        self.merged = first.merge(trials)
        self.runner = Forward(self.model, first.layers, self.merged, is_uniform=first.is_uniform)

    def run(self, place: float, trial: int) -> Train:
        """Spikes of a trial at a place of the line, 0 at its begin and 1 at its end."""
        layers = [mix(a, b, place) for a, b in zip(*self.ends, strict=True)]
        batch = make_batch(self.stack, layers, self.merged, max_spikes=self.max_spikes)
        status = self.runner.run(self.model.pack(batch), trial)
        raise_status(status, sample=trial, limit=self.max_spikes)
        done = self.runner.read()
        return done.times, done.neurons


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
