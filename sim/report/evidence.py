"""What the spikes of the last layer have told by any time of a trial.

A readout with a kernel is a sum over spikes, so what is known at a time is the sum over those that
have come by then: each counts as it will at the end. Of the readout ``maximum`` it is the largest
potential until then, on a grid.
"""

from dataclasses import dataclass

import numpy as np

from sim.network.readouts import LinearReadout
from spiketheory.machine.readout import CompiledReadout

GRID = 100
"""In so many steps the trial is looked at."""
POTENTIALS = ("leaky_integrator", "potential_at_end", "maximum")
"""Readouts that are neurons without threshold, of the equations of ``maximum``."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Train:
    """Spikes of one trial that the readout hears.

    Attributes:
        times: Increasing, shape (n_spikes,) [time].
        neurons: Counted within the last layer, shape (n_spikes,).
        duration: The trial's end T [time].
    """

    times: np.ndarray
    neurons: np.ndarray
    duration: float


def make_grid(duration: float) -> np.ndarray:
    """Times from 0 to the trial's end, shape (GRID + 1,)."""
    return np.linspace(0.0, duration, GRID + 1)


def read_at(readout: LinearReadout, train: Train, places: np.ndarray) -> np.ndarray:
    """Logits by the spikes that have come until some times.

    Args:
        readout: The readout.
        train: What it hears.
        places: The times, increasing, shape (n_places,) [time].

    Returns:
        Shape (n_places, n_outputs).
    """
    if not readout.compiled.has_kernel:
        every = np.union1d(make_grid(train.duration), places)
        highest = np.maximum.accumulate(
            trace_potentials(readout, readout.compiled, train, every), axis=0
        )
        return np.asarray(readout.bias + highest[np.searchsorted(every, places)])
    parts = weigh_spikes(readout, train)
    sums = np.vstack([np.zeros((1, len(readout.bias))), np.cumsum(parts, axis=0)])
    return np.asarray(readout.bias + sums[np.searchsorted(train.times, places, side="right")])


def weigh_spikes(readout: LinearReadout, train: Train) -> np.ndarray:
    """What each spike adds to each logit, shape (n_spikes, n_outputs)."""
    compiled = readout.compiled
    kernel, values = compiled.functions.kernel, compiled.values
    heights = np.array(
        [
            [kernel(time, m, train.duration, *values) for m in range(compiled.n_features)]
            for time in train.times.tolist()
        ]
    ).reshape(len(train.times), compiled.n_features)
    weights = np.moveaxis(readout.cube, 1, 0)[train.neurons]
    return np.asarray(np.einsum("som,sm->so", weights, heights))


def trace_potentials(
    readout: LinearReadout, potential: CompiledReadout, train: Train, places: np.ndarray
) -> np.ndarray:
    """Potentials of the readout's neurons at some times, without the bias.

    Args:
        readout: The readout, with one feature.
        potential: What has the potential after one spike (``maximum``, with the same constants).
        train: What it hears.
        places: The times, shape (n_places,) [time].

    Returns:
        Shape (n_places, n_outputs).
    """
    response, values = potential.functions.response, potential.values
    heights = np.zeros((len(places), len(train.times)))
    for k, place in enumerate(places.tolist()):
        n = np.searchsorted(train.times, place, side="right")
        heights[k, :n] = [response(place - time, *values) for time in train.times[:n].tolist()]
    return np.asarray(heights @ readout.cube[:, train.neurons, 0].T)


def find_decision(logits: np.ndarray) -> int:
    """The first place from which the largest logit stays that of the last, shape (n_places, n)."""
    answers = logits.argmax(axis=1)
    others = np.flatnonzero(answers != answers[-1])
    return int(others[-1]) + 1 if len(others) else 0


def soften(logits: np.ndarray) -> np.ndarray:
    """Probabilities of logits, along the last axis."""
    likely = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(likely / likely.sum(axis=-1, keepdims=True))
