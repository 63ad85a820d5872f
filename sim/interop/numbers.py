"""What is handed over with a batch, and what it is called."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sim.files.network_file import Learnable
from sim.inputs.trials import Trials
from sim.network.network import Network, Projection


class Numbers(NamedTuple):
    """What is handed over with a batch.

    Attributes:
        times: Of input spikes: shape (n_trials, room), inf where there is none; (n_trials,
            n_channels), inf for never, without ``channels``; or those of bins, shape (n_bins,).
        channels: Of each spike, -1 where there is none; the bin of each channel, uint8, shape
            (n_trials, n_channels); or of no size.
        arrays: In the order of `HandedOver.names`.
    """

    times: np.ndarray
    channels: np.ndarray
    arrays: Sequence[np.ndarray]

    def equals(self, other: "Numbers") -> bool:
        """Whether others are the same, to the last bit."""
        pairs = zip((*self[:2], *self.arrays), (*other[:2], *other.arrays), strict=True)
        return all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in pairs)

    def copy(self) -> "Numbers":
        """The same in memory of their own."""
        return Numbers(self.times.copy(), self.channels.copy(), [a.copy() for a in self.arrays])


def list_learnable(network: Network, has_readout: bool, learn: Sequence[str]) -> list[Learnable]:
    """What is handed over, projections first."""
    found = [
        Learnable(kind, place)
        for kind in ("weights", "delays")
        for place, _ in enumerate(network.projections)
        if kind in learn
    ]
    for place, population in enumerate(network.populations):
        if "initial" in learn and population.initial_coordinate is not None:
            name = population.model.initial
            own = name if population.starts_at_phase else name.removesuffix("0")
            found.append(Learnable("initial", place, own))
        if "parameters" in learn:
            found += [Learnable("parameter", place, name) for name in population.model.parameters]
    if has_readout and "readout" in learn:
        found += [Learnable("readout", 0, name) for name in ("weights", "bias")]
    return found


def name_learnable(network: Network, one: Learnable) -> str:
    """A name for an array."""
    if one.kind in ("weights", "delays"):
        projection: Projection = network.projections[one.place]
        name = f"{one.kind}_{projection.pre}_{projection.post}"
    elif one.kind == "readout":
        name = f"readout_{one.name}"
    else:
        name = f"{one.kind}_{network.populations[one.place].name}_{one.name}"
    return name.replace(".", "_")


def read_numbers(numbers: Numbers, n_channels: int) -> Trials:
    """Trials of what was handed over."""
    times, channels = np.asarray(numbers.times, np.float64), numbers.channels
    if not channels.size and times.ndim == 2 and channels.ndim == 1:
        return Trials.from_latencies(times)
    if times.ndim == 1:
        return Trials.from_bins(times, channels)
    return Trials.from_padded(times, channels, n_channels=n_channels)


def place_times(values: np.ndarray, numbers: Numbers, trials: Trials) -> np.ndarray:
    """Derivatives by the times where these stand, 0 where there is no spike."""
    if trials.compact is not None:
        return values
    placed = np.zeros(numbers.times.shape)
    rows, columns = np.nonzero(numbers.channels >= 0)
    order = np.lexsort(
        (numbers.channels[rows, columns], np.asarray(numbers.times, float)[rows, columns], rows)
    )
    placed[rows[order], columns[order]] = values
    return placed
