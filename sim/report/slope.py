"""The loss of a trained network along a straight line of weights: jumps, and steep places.

A continuous loss is not a flat one. Where a neuron stays near its unstable point, its next spike
moves fast with the weights, and so does the loss. Steps of the line on which the loss changes by
more than `STEEP` times the median step are halved until they are as narrow as floating-point
numbers tell apart: what then still changes by as much jumps, everything else has a slope.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sim.training.temporal_train import TemporalTrainer
from sim.training.train import TrainState
from spiketheory.checking.discontinuities import find_jumps

STEEP = 20.0
NARROW = 1e-13
"""Width, in units of the line, of a piece that is not halved further."""
SHARE = 0.25
"""A change of at least so much of a step's is followed into it."""


@dataclass(frozen=True, kw_only=True)
class Steep:
    """A step in which the loss changes much.

    Attributes:
        place: Where it begins.
        change: Of the loss.
        slope: The steepest that was seen where the loss does not jump [1/length of the line].
        jumps: How often it jumps there.
    """

    place: float
    change: float
    slope: float
    jumps: int


@dataclass(frozen=True, kw_only=True, eq=False)
class LossLine:
    """The loss along a line.

    Attributes:
        model: Name of the neurons' model.
        places: From -1 to 1, shape (n + 1,).
        losses: Mean over samples, shape (n + 1,).
        steep: The steps in which it changes much.
        median: Change of a step, in the middle of all.
        reach: Length of either half, relative to the weights.
        n_samples: Of which the loss is the mean.
    """

    model: str
    places: np.ndarray
    losses: np.ndarray
    steep: list[Steep]
    median: float
    reach: float
    n_samples: int

    @property
    def n_jumps(self) -> int:
        """Jumps in all."""
        return sum(one.jumps for one in self.steep)


def follow_line(
    trainer: TemporalTrainer, state: TrainState, *, steps: int, samples: int, reach: float,
    seed: int,
) -> LossLine:  # fmt: skip
    """Compute the loss along a random line through a network's input weights.

    Args:
        trainer: Of the run.
        state: Where it stands: the middle of the line.
        steps: Into so many the line is cut.
        samples: So many of the held-out samples, the first ones.
        reach: Length of either half of the line, relative to the size of the weights.
        seed: Draws the direction; the same for every model whose layers have the same sizes.
    """
    arrays, scales = trainer.read_state(state)
    labels = trainer.watched.labels[:samples]
    trials = trainer.watched.events.take(np.arange(len(labels)))
    way = np.random.default_rng([seed, 8]).normal(size=arrays["W0"].shape)
    way *= reach * np.linalg.norm(arrays["W0"]) / np.linalg.norm(way)

    def find_loss(place: float) -> float:
        moved = arrays | {"W0": arrays["W0"] + place * way}
        return float(trainer.run(moved, scales, trials, labels).loss.mean())

    places = np.linspace(-1.0, 1.0, steps + 1)
    losses = np.array([find_loss(place) for place in places.tolist()])
    changes = np.abs(np.diff(losses))
    median = float(np.median(changes))
    steep = []
    for k in np.flatnonzero(changes > STEEP * median).tolist():
        known = {float(places[j]): float(losses[j]) for j in (k, k + 1)}

        def look(place: float, known: dict[float, float] = known) -> float:
            known[place] = find_loss(place)
            return known[place]

        steep.append(look_into(look, known))
    return LossLine(
        model=trainer.model.name, places=places, losses=losses, steep=steep, median=median,
        reach=reach, n_samples=len(labels),
    )  # fmt: skip


def look_into(find_loss: Callable[[float], float], known: dict[float, float]) -> Steep:
    """Follow the changes in a step.

    Args:
        find_loss: The loss at a place; adds it to ``known``.
        known: Losses at both ends, by place.
    """
    ends = sorted(known.items())
    change = abs(ends[1][1] - ends[0][1])
    jumps = find_jumps(find_loss, lambda a, b: abs(a - b), ends, flat=SHARE * change, narrow=NARROW)
    at = np.array(sorted(known))
    values = np.array([known[place] for place in at.tolist()])
    slopes = np.abs(np.diff(values)) / np.diff(at)
    smooth = slopes[~np.isin(at[:-1], [jump.low for jump in jumps])]
    return Steep(
        place=ends[0][0], change=change, slope=float(smooth.max(initial=0.0)), jumps=len(jumps)
    )
