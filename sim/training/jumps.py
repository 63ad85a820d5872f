"""Count the spikes that appear or vanish in mid-trial when a network learns.

The network is followed along the straight line from the weights before a step to those after it.
Where a trial's spikes are not as many on both sides, the line is halved, down to `RESOLUTION` of
the step. A spike that is then on one side alone came or went through the trial's end if it is
within `END` of it there; else it appeared or vanished in mid-trial.
"""

from dataclasses import dataclass

import numpy as np

from sim.temporal.line import Line, Train

RESOLUTION = 1e-12
"""Of the step."""
END = 1e-3
"""A spike this close to T, in units of T, passes through it."""
MOST_FOLLOWED = 8
"""So many of the trials whose spikes change in number are followed; the others count as these."""
MOST_CHANGES = 32
"""Changes that are followed in one trial."""


@dataclass(frozen=True, kw_only=True)
class Jumps:
    """What was found.

    Attributes:
        appeared, vanished: Spikes in mid-trial, per 1,000 hidden spikes.
        through_end: Spikes that came or went through T, per 1,000 hidden spikes.
        resolution: Of the step, to which changes were located.
        n_followed: Number of trials followed.
        is_complete: Whether all changes that were seen were followed.
    """

    appeared: float
    vanished: float
    through_end: float
    resolution: float
    n_followed: int
    is_complete: bool


def count_jumps(line: Line, n_trials: int) -> Jumps:
    """Count the jumps of some trials along a line; see this module.

    Args:
        line: The networks from before to after a step.
        n_trials: How many trials it has.
    """
    ends = [(line.run(0.0, b), line.run(1.0, b)) for b in range(n_trials)]
    n_spikes = sum(len(before[0]) for before, _ in ends)
    changed = [b for b, (before, after) in enumerate(ends) if has_changed(line, before, after)]
    totals, complete = np.zeros(3), len(changed) <= MOST_FOLLOWED
    for b in changed[:MOST_FOLLOWED]:
        counter = Counter(line, b)
        counter.follow(0.0, 1.0, *ends[b])
        totals += counter.totals
        complete &= counter.left > 0
    share = max(1.0, len(changed) / MOST_FOLLOWED)
    rate = totals * share * 1000.0 / max(n_spikes, 1)
    return Jumps(
        appeared=float(rate[0]), vanished=float(rate[1]), through_end=float(rate[2]),
        resolution=RESOLUTION, n_followed=min(len(changed), MOST_FOLLOWED), is_complete=complete,
    )  # fmt: skip


class Counter:
    """Follows one trial.

    Attributes:
        totals: Spikes that appeared, vanished, and passed through T.
        left: How many more changes may be followed.
    """

    def __init__(self, line: Line, trial: int) -> None:
        self.line, self.trial = line, trial
        self.totals, self.left = np.zeros(3), MOST_CHANGES

    def follow(self, low: float, high: float, before: Train, after: Train) -> None:
        """Find the changes between two places whose spikes are not as many."""
        if self.left <= 0:
            return
        if high - low <= RESOLUTION:
            self.left -= 1
            self.classify(before, after)
            return
        middle = 0.5 * (low + high)
        between = self.line.run(middle, self.trial)
        if has_changed(self.line, before, between):
            self.follow(low, middle, before, between)
        if has_changed(self.line, between, after):
            self.follow(middle, high, between, after)

    def classify(self, before: Train, after: Train) -> None:
        """Count what is on one side alone."""
        counts = count_by_neuron(self.line, after) - count_by_neuron(self.line, before)
        for neuron in np.flatnonzero(counts):
            more, fewer = (after, before) if counts[neuron] > 0 else (before, after)
            extra = find_extra(more[0][more[1] == neuron], fewer[0][fewer[1] == neuron])
            at_end = extra >= self.line.duration * (1.0 - END)
            self.totals[2] += np.count_nonzero(at_end)
            self.totals[0 if counts[neuron] > 0 else 1] += np.count_nonzero(~at_end)


def count_by_neuron(line: Line, train: Train) -> np.ndarray:
    """Number of spikes of each neuron."""
    n = sum(layer.width for layer in line.ends[0])
    return np.bincount(train[1], minlength=n)


def has_changed(line: Line, before: Train, after: Train) -> bool:
    """Whether a neuron's number of spikes differs."""
    return not np.array_equal(count_by_neuron(line, before), count_by_neuron(line, after))


def find_extra(more: np.ndarray, fewer: np.ndarray) -> np.ndarray:
    """Spikes of the longer train that none of the shorter belongs to: pairs are closest first."""
    left = np.ones(len(more), bool)
    for time in fewer:
        distance = np.where(left, np.abs(more - time), np.inf)
        left[np.argmin(distance)] = False
    return np.asarray(more[left])
