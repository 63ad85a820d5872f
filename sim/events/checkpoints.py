"""States at some times of a run, from which its events can be computed once more.

A tape of all arrivals of a long run does not fit into memory. So a run may keep checkpoints only,
each between two instants; to go back, the stretch from one to the next is run again with a tape,
the last one first. Numbers are those of the first time, bit for bit. There are at most
MOST_CHECKPOINTS: when they are used up, every second one is dropped, and stretches are twice as
long from then on.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from sim.events.tape import N_IN_FLIGHT, N_SPIKES, NEXT_PROBE, InFlight

CHECKPOINTS = "checkpoints"
SHARES = {"numba": 4_000_000, "numpy": 4_000}
"""About so many arrivals between two looks at the clock and the keyboard."""
MOST_CHECKPOINTS = 32


class Checkpoint(NamedTuple):
    """A run between two instants.

    Attributes:
        time: Of the last event [time].
        cells: The neurons (`sim.events.loop`).
        in_flight: Spikes under way, no more than there are.
        counts: As of the tape.
    """

    time: float
    cells: np.ndarray
    in_flight: InFlight
    counts: np.ndarray


@dataclass
class Checkpoints:
    """The checkpoints of a run.

    Attributes:
        share: About so many arrivals between two.
        kept: In order of time.
    """

    share: int
    kept: list[Checkpoint] = field(default_factory=list)

    def add(
        self, time: float, cells: np.ndarray, in_flight: InFlight, counts: np.ndarray
    ) -> None:  # fmt: skip
        """Keep a copy of a run's state (see `Checkpoint`); thin out if there are too many."""
        n = int(counts[N_IN_FLIGHT])
        under_way = InFlight(*(array[..., :n].copy(order="F") for array in in_flight))
        self.kept.append(Checkpoint(time, cells.copy(order="F"), under_way, counts.copy()))
        if len(self.kept) > MOST_CHECKPOINTS:
            self.kept = self.kept[::2]
            self.share *= 2


def number_senders(in_flight: InFlight, n_inputs: int) -> tuple[InFlight, np.ndarray]:
    """Spikes under way for a run that begins at a checkpoint.

    They are none of its spikes, whose numbers begin at 0, so each counts as one more input.

    Args:
        in_flight: Those of the checkpoint.
        n_inputs: Input spikes of the network.

    Returns:
        The same with events of that run, and the spike that each of the further inputs stands for.
    """
    events = in_flight.events.copy()
    is_spike = events >= 0
    senders = np.unique(events[is_spike])
    events[is_spike] = -1 - n_inputs - np.searchsorted(senders, events[is_spike])
    copy = InFlight(*(array.copy(order="F") for array in in_flight))
    return copy._replace(events=events), senders


def count_before(checkpoint: Checkpoint) -> tuple[int, int]:
    """Spikes and probes before a checkpoint."""
    return int(checkpoint.counts[N_SPIKES]), int(checkpoint.counts[NEXT_PROBE])
