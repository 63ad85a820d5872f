"""Input spikes that are drawn when they are needed: Poisson and regular trains whose rates change.

A channel's spikes depend on the seed and on the channel alone, see `sim.inputs.drawing`: a subset
of channels, a part of them per process, and any pieces of time give the same to the last bit.
"""

import hashlib
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from types import ModuleType

import numpy as np

from sim.inputs import drawing
from spiketheory.errors import InputError, check_choice, check_finite, check_positive, check_shape
from spiketheory.machine.link import Linker
from spiketheory.memory import check_memory
from spiketheory.shown import Short

PROCESSES = ("poisson", "regular")
BYTES_PER_SPIKE = 60
"""Time, channel, and what sorting them takes."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class DrawnTrains(Short):
    """Independent Poisson trains, or regular ones, with rates that are constant from step to step.

    Attributes:
        name: Its name.
        size: Number of channels.
        rates: Spikes per time: a number, one per channel, shape (size,); or, where ``starts`` is
            given, one per step, shape (n_steps,), or per step and channel, shape (n_steps, size)
            [1/time].
        starts: When the rates change, rising from 0 on, shape (n_steps,); None if they do not
            [time].
        process: ``poisson`` or ``regular``.
        phases: Of regular trains which part of the first interval has passed at 0, from 0 to below
            1: a number, or one per channel, shape (size,).
        seed: Of Poisson trains; `make_seed` makes one of a network's seed and a name.
        duration: The trial's end T: ``times`` has the spikes up to it [time].
    """

    name: str
    size: int
    rates: np.ndarray | float
    starts: np.ndarray | None = None
    process: str = "poisson"
    phases: np.ndarray | float = 0.0
    seed: int = 0
    duration: float
    table: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_choice(f"process of {self.name}", self.process, PROCESSES)
        check_positive("duration", self.duration)
        if self.size < 1:
            raise InputError(
                f"Expected at least one channel in {self.name} but got size={self.size}; "
                "remove the empty input."
            )
        if not 0 <= self.seed < 2**64:
            raise InputError(
                f"Expected a seed of {self.name} from 0 to 2^64 - 1 but got {self.seed}; choose "
                "another."
            )
        given = None if self.starts is None else np.array(self.starts, dtype=np.float64)
        object.__setattr__(self, "starts", given)
        object.__setattr__(self, "table", self.read_rates())
        phases = np.atleast_1d(np.array(self.phases, dtype=np.float64))
        check_shape(
            f"phases of {self.name}", phases, (1 if np.ndim(self.phases) == 0 else self.size,)
        )
        if not np.all((phases >= 0) & (phases < 1)):
            raise InputError(
                f"Expected phases of {self.name} from 0 to below 1 but got others; a phase is the "
                "part of the first interval that has passed."
            )
        object.__setattr__(self, "phases", phases)

    def read_rates(self) -> np.ndarray:
        """The rates as a table, shape (n_steps, 1 or size)."""
        what, rates = f"rates of {self.name}", np.array(self.rates, dtype=np.float64)
        check_finite(what, rates)
        if np.any(rates < 0):
            raise InputError(
                f"Expected rates >= 0 of {self.name} but got {rates.min()}; correct them."
            )
        if self.starts is None:
            if rates.ndim:
                check_shape(what, rates, (self.size,))
            return np.ascontiguousarray(rates.reshape(1, -1))
        starts = check_shape(f"starts of {self.name}", self.starts, (None,))
        if not len(starts) or starts[0] != 0 or np.any(np.diff(starts) <= 0):
            raise InputError(
                f"Expected times that rise from 0 on in the rates of {self.name} but got "
                f"{starts.tolist()}; begin with a rate at 0, which may be 0."
            )
        check_finite(f"starts of {self.name}", starts)
        if rates.ndim == 2:
            return np.ascontiguousarray(check_shape(what, rates, (len(starts), self.size)))
        return np.ascontiguousarray(check_shape(what, rates, (len(starts),))[:, None])

    @property
    def steps(self) -> np.ndarray:
        """When the rates change, 0 included [time]."""
        return np.zeros(1) if self.starts is None else self.starts

    def count_expected(self, end: float | None = None) -> float:
        """How many spikes all channels have on average up to a time, T if none is given."""
        until = self.duration if end is None else end
        lengths = np.diff(np.append(np.minimum(self.steps, until), until))
        totals = self.table.sum(axis=1) * (self.size if self.table.shape[1] == 1 else 1)
        with np.errstate(over="ignore"):
            return float(lengths @ totals)

    def find_busiest(self) -> float:
        """The largest rate of all channels together [1/time]."""
        totals = self.table.sum(axis=1) * (self.size if self.table.shape[1] == 1 else 1)
        return float(totals[self.steps < self.duration].max())

    def open(self, channels: np.ndarray | None = None) -> "TrainSource":
        """A source of the spikes, piece by piece; of some channels only if they are given."""
        chosen = np.arange(self.size) if channels is None else np.asarray(channels, np.int64)
        return TrainSource(self, chosen)

    @cached_property
    def spikes(self) -> tuple[np.ndarray, np.ndarray]:
        """Times and channels of all spikes up to T, sorted by time and then channel."""
        check_memory(BYTES_PER_SPIKE * self.count_expected(), f"the spikes of {self.name}")
        return self.open().draw_until(self.duration)

    @property
    def times(self) -> np.ndarray:
        """Times of all spikes up to T, shape (n_spikes,) [time]."""
        return self.spikes[0]

    @property
    def channels(self) -> np.ndarray:
        """Channel of each, shape (n_spikes,)."""
        return self.spikes[1]


class TrainSource:
    """Spikes of an input in the order of time, as many at once as one asks for.

    Args:
        trains: The input.
        channels: Which of its channels, shape (n,).
    """

    def __init__(self, trains: DrawnTrains, channels: np.ndarray) -> None:
        self.trains, self.wanted = trains, channels
        self.is_poisson, self.seed = trains.process == "poisson", np.uint64(trains.seed)
        self.time = 0.0
        self.state, self.counts = (
            np.zeros((3, len(channels))),
            np.zeros((2, len(channels)), np.int64),
        )
        with np.errstate(over="ignore"):
            link_drawing().begin(
                self.is_poisson, self.seed, channels, trains.phases, trains.steps, trains.table,
                self.state, self.counts,
            )  # fmt: skip

    def draw_until(self, end: float) -> tuple[np.ndarray, np.ndarray]:
        """Spikes after those drawn before, up to and at a time.

        Returns:
            Times, sorted, and their channels, those of one time in their order.
        """
        trains, before = self.trains, (self.state.copy(), self.counts.copy())
        share = len(self.wanted) / trains.size
        expected = share * (trains.count_expected(end) - trains.count_expected(self.time))
        room = int(expected + 8 * np.sqrt(expected)) + 2 * len(self.wanted) + 64
        while True:
            times, channels = np.empty(room), np.empty(room, np.int64)
            with np.errstate(over="ignore"):
                n = link_drawing().draw_until(
                    self.is_poisson, self.seed, self.wanted, trains.steps, trains.table, self.state,
                    self.counts, end, times, channels,
                )  # fmt: skip
            if n >= 0:
                break
            self.state, self.counts, room = before[0].copy(), before[1].copy(), 2 * room
        start, self.time = self.time, end
        return sort_spikes(times[:n], channels[:n], start, end)


def sort_spikes(
    times: np.ndarray, channels: np.ndarray, start: float, end: float
) -> tuple[np.ndarray, np.ndarray]:
    """Spikes between two times, sorted by time; those of one time stay in their order."""
    if len(times) > 1 and end > start:
        edges = np.zeros(len(times) + 1, np.int64)
        found = np.empty(len(times)), np.empty(len(times), np.int64)
        if link_drawing().sort_spikes(times, channels, start, end, edges, *found):
            return found
    order = np.argsort(times, kind="stable")
    return times[order], channels[order]


@lru_cache(maxsize=1)
def link_drawing() -> ModuleType:
    """The loops that draw, compiled."""
    return Linker(bound={}, key="drawing", compiles=True).link(drawing)


def make_seed(seed: int, name: str) -> int:
    """The seed of an input, from that of its network and its name."""
    text = f"{seed}:{name}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "little")
