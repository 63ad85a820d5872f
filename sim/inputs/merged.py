"""Trials instant by instant: what spikes at one time in one trial is one group."""

from dataclasses import dataclass

import numpy as np

from sim.inputs.trials import Trials
from spiketheory.errors import check_positive


@dataclass(frozen=True, kw_only=True, eq=False)
class MergedTrials:
    """Spikes before or at the trial's end, grouped by trial and time.

    Attributes:
        instant_time: Time of each instant, rising within each trial, shape (n_instants,) [time].
        instant_offsets: First instant of each trial, and the end, shape (n_trials + 1,).
        channel: Channel of each spike, by trial, time and channel, shape (n_spikes,); a channel
            that spikes k times at once is there k times.
        spike_offsets: First spike of each instant, and the end, shape (n_instants + 1,).
        source: Where each spike is in `Trials.time`, shape (n_spikes,).
        n_channels: Number of channels.
    """

    instant_time: np.ndarray
    instant_offsets: np.ndarray
    channel: np.ndarray
    spike_offsets: np.ndarray
    source: np.ndarray
    n_channels: int

    def __len__(self) -> int:
        return len(self.instant_offsets) - 1


def merge_instants(
    trials: Trials, duration: float, arrival: np.ndarray | None = None
) -> MergedTrials:
    """Group the spikes of each trial by their times; those after the trial's end are left out.

    Times are one instant only if they are equal to the last bit.

    Args:
        trials: The spikes, sorted by trial, time and channel as trials are.
        duration: The trial's end T [time]; spikes at T are kept.
        arrival: The times to group by; None for those of the spikes [time].

    Raises:
        InputError: If ``duration`` is not positive.
    """
    check_positive("duration", duration)
    when, n_trials = trials.time if arrival is None else arrival, len(trials)
    owner = np.repeat(np.arange(n_trials), np.diff(trials.offsets))
    source = np.flatnonzero(when <= duration)
    if arrival is not None:
        source = source[np.lexsort((trials.channel[source], when[source], owner[source]))]
    trial, time = owner[source], when[source]
    is_new = np.ones(len(source), dtype=bool)
    is_new[1:] = (time[1:] != time[:-1]) | (trial[1:] != trial[:-1])
    first = np.flatnonzero(is_new)
    return MergedTrials(
        instant_time=time[first],
        instant_offsets=np.searchsorted(trial[first], np.arange(n_trials + 1)),
        channel=trials.channel[source],
        spike_offsets=np.append(first, len(source)),
        source=source,
        n_channels=trials.n_channels,
    )
