"""Batches of input spikes: any number of spikes per channel and trial."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from sim.inputs.encoding import BinnedInput, LatencyInput, as_floats, check_integer, take_rows
from sim.inputs.event_arrays import (
    check_events,
    check_size,
    read_channels,
    read_times,
    scale_counts,
)
from spiketheory.errors import InputError, check_finite, check_positive, check_shape

NO_CHANNEL = -1
"""What stands in a padded array of channels where there is no spike."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Ragged:
    """Spikes of all trials, one trial after the other.

    Attributes:
        time: Sorted within each trial, shape (n_spikes,) [time].
        channel: Channel of each; simultaneous spikes come by channel.
        offsets: First spike of each trial, and the end, shape (n_trials + 1,).
    """

    time: np.ndarray
    channel: np.ndarray
    offsets: np.ndarray


class Trials:
    """A batch of trials: input spikes by trial, time and channel.

    Bins and latencies keep their compact form, and are spelt out when someone asks.

    Args:
        time: Spike times, >= 0, in any order within a trial, shape (n_spikes,) [time].
        channel: Channel of each, counted through the inputs of a network, shape (n_spikes,).
        offsets: First spike of each trial, and the end, shape (n_trials + 1,).
        n_channels: Number of channels; those without spikes count.

    Raises:
        InputError: If shapes, times, channels or offsets do not fit, or there is no trial.
    """

    def __init__(
        self, *, time: ArrayLike, channel: ArrayLike, offsets: ArrayLike, n_channels: int,
        compact: BinnedInput | LatencyInput | None = None,
    ) -> None:  # fmt: skip
        self.compact = compact
        self.n_channels = check_integer(
            "n_channels", n_channels, low=1, high=2**31, hint="those without spikes count"
        )
        if compact is None:
            self.ragged = check_ragged(time, channel, offsets, self.n_channels)
        check_not_empty(len(self))

    @cached_property
    def ragged(self) -> Ragged:
        """The spikes, spelt out."""
        assert self.compact is not None
        return spell_out(self.compact)

    @property
    def time(self) -> np.ndarray:
        """Spike times, sorted within each trial, shape (n_spikes,) [time]."""
        return self.ragged.time

    @property
    def channel(self) -> np.ndarray:
        """Channel of each spike, shape (n_spikes,)."""
        return self.ragged.channel

    @property
    def offsets(self) -> np.ndarray:
        """First spike of each trial, and the end, shape (n_trials + 1,)."""
        return self.ragged.offsets

    def __len__(self) -> int:
        return len(self.offsets) - 1 if self.compact is None else len(self.compact)

    def __repr__(self) -> str:
        return f"Trials({len(self)} trials of {self.n_channels} channels)"

    @classmethod
    def of_compact(cls, inputs: BinnedInput | LatencyInput) -> "Trials":
        """Trials of bins or latencies, which have at most one spike per channel."""
        return cls(time=(), channel=(), offsets=(0,), n_channels=inputs.n_inputs, compact=inputs)

    @classmethod
    def from_bins(cls, times: ArrayLike, bins: ArrayLike) -> "Trials":
        """Trials in which a channel spikes at one of a few times that all share, or not.

        Args:
            times: The times, increasing, shape (n_bins,) [time].
            bins: Bin of each trial and channel, shape (n_trials, n_channels), uint8; n_bins is no
                spike.
        """
        return cls.of_compact(BinnedInput(times=as_floats("times", times), bins=np.asarray(bins)))

    @classmethod
    def from_latencies(cls, times: ArrayLike) -> "Trials":
        """Trials in which each channel spikes at most once.

        Args:
            times: Shape (n_trials, n_channels); inf is no spike [time].
        """
        return cls.of_compact(LatencyInput(times=as_floats("times", times)))

    @classmethod
    def from_trains(cls, trains: Sequence[Sequence[ArrayLike]]) -> "Trials":
        """Trials of spike trains.

        Args:
            trains: For each trial the spike times of each channel [time].
        """
        check_not_empty(len(trains))
        counts = {len(trial) for trial in trains}
        if len(counts) > 1:
            raise InputError(
                f"Expected equally many channels in all trials but got {sorted(counts)}; give "
                "silent channels an empty train."
            )
        n_channels = counts.pop()
        parts = [np.atleast_1d(as_floats("a train", t)) for trial in trains for t in trial]
        sizes = [len(check_shape("a train", part, (None,))) for part in parts]
        channels = np.tile(np.arange(n_channels), len(trains))
        ends = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])[:: max(n_channels, 1)]
        return cls(
            time=np.concatenate([np.empty(0), *parts]), channel=np.repeat(channels, sizes),
            offsets=ends, n_channels=n_channels,
        )  # fmt: skip

    @classmethod
    def from_pairs(
        cls, pairs: Sequence[tuple[ArrayLike, ArrayLike]], *, n_channels: int
    ) -> "Trials":
        """Trials of times and channels.

        Args:
            pairs: For each trial the times [time] and channels of its spikes, in any order.
            n_channels: Number of channels.
        """
        check_not_empty(len(pairs))
        times = [np.atleast_1d(as_floats("times", time)) for time, _ in pairs]
        channels = [as_whole("channels", channel) for _, channel in pairs]
        for trial, (time, channel) in enumerate(zip(times, channels, strict=True)):
            check_shape(f"times of trial {trial}", time, (None,))
            check_shape(f"channels of trial {trial}", channel, time.shape)
        return cls(
            time=np.concatenate(times), channel=np.concatenate(channels),
            offsets=list_offsets(list(map(len, times))), n_channels=n_channels,
        )  # fmt: skip

    @classmethod
    def from_events(
        cls, events: Sequence[np.ndarray], *, size: Sequence[int], unit: float = 1e-6,
        channel: Callable[[np.ndarray], ArrayLike] | None = None,
    ) -> "Trials":  # fmt: skip
        """Trials of structured event arrays, as cameras and cochleas record them.

        The channel is x + width (y + height p).

        Args:
            events: For each trial a structured array with the fields t, x, p and, where the
                height is above 1, y; whole numbers, t in any order and of any kind.
            size: (width, height, polarities) of the sensor; their product is the number of
                channels. With one polarity p says nothing, must be the same everywhere, and may
                be missing.
            unit: What t counts [time]: 1e-6 for microseconds where time is in seconds.
            channel: Finds the channel of each event of a trial in some other way.
        """
        check_not_empty(len(events))
        check_events(events)
        size = check_size(size)
        return cls(
            time=read_times(events, unit), channel=read_channels(events, size, channel),
            offsets=list_offsets(list(map(len, events))), n_channels=size[0] * size[1] * size[2],
        )  # fmt: skip

    @classmethod
    def from_grid(cls, grid: ArrayLike, *, width: float, start: float = 0.0) -> "Trials":
        """Trials of dense grids; a count of k is k spikes at one instant.

        Args:
            grid: Counts, or whether there is a spike, shape (n_trials, n_steps, n_channels).
            width: Time from step to step [time].
            start: Time of the spikes of the first step [time], for example 0 or ``width / 2``.
        """
        counts = np.asarray(grid)
        if counts.dtype.kind not in "biu":
            counts = as_floats("grid", counts)
        check_shape("grid", counts, (None, None, None))
        check_not_empty(len(counts))
        trial, step, channel = np.nonzero(counts)
        found = counts[trial, step, channel].astype(np.float64)
        wrong = ~((found >= 1) & (found < 2**31) & (np.floor(found) == found))  # or NaN
        if wrong.any():
            k = int(wrong.argmax())
            raise InputError(
                f"Expected counts 0, 1, 2 and so on but got grid[{trial[k]}, {step[k]}, "
                f"{channel[k]}]={found[k]}; give whole numbers of spikes."
            )
        repeats = found.astype(np.int64)
        times = start + scale_counts(step.astype(np.float64), check_positive("width", width))
        sizes = np.bincount(trial, repeats, minlength=len(counts)).astype(np.int64)
        return cls(
            time=np.repeat(times, repeats), channel=np.repeat(channel, repeats),
            offsets=list_offsets(sizes), n_channels=counts.shape[2],
        )  # fmt: skip

    @classmethod
    def from_padded(cls, time: ArrayLike, channel: ArrayLike, *, n_channels: int) -> "Trials":
        """Trials from arrays with a row per trial, as other programs exchange them.

        Args:
            time: Shape (n_trials, most spikes); inf where there is none [time].
            channel: Shape as ``time``; `NO_CHANNEL` where there is none.
            n_channels: Number of channels.
        """
        time, channel = as_floats("time", time), np.asarray(channel)
        check_shape("channel", channel, check_shape("time", time, (None, None)).shape)
        there = channel != NO_CHANNEL
        wrong = ~(time > -np.inf)  # or NaN
        if wrong.any():
            row, column = map(int, np.argwhere(wrong)[0])
            raise InputError(
                f"Expected times but got time[{row}, {column}]={time[row, column]}; give inf, and "
                "channel -1, where there is no spike."
            )
        if np.any(there == np.isposinf(time)):
            raise InputError(
                "Expected time inf exactly where channel is -1 but got one without the other; "
                "give both where there is no spike."
            )
        return cls(
            time=time[there], channel=channel[there], offsets=list_offsets(there.sum(axis=1)),
            n_channels=n_channels,
        )  # fmt: skip

    def to_padded(self) -> tuple[np.ndarray, np.ndarray]:
        """The arrays of `from_padded`."""
        counts = np.diff(self.offsets)
        there = np.arange(counts.max(initial=0)) < counts[:, None]
        time = np.full(there.shape, np.inf)
        channel = np.full(there.shape, NO_CHANNEL)
        time[there], channel[there] = self.time, self.channel
        return time, channel

    def take(self, indices: ArrayLike) -> "Trials":
        """The trials at ``indices`` (whole numbers, shape (n,)), in that order."""
        if self.compact is not None:
            return Trials.of_compact(self.compact.take(indices))
        chosen = take_rows(np.arange(len(self)), indices)
        counts = np.diff(self.offsets)[chosen]
        offsets = list_offsets(counts)
        places = np.arange(offsets[-1]) + np.repeat(self.offsets[chosen] - offsets[:-1], counts)
        return Trials(
            time=self.time[places], channel=self.channel[places], offsets=offsets,
            n_channels=self.n_channels,
        )  # fmt: skip

    def select(self, trial: int) -> tuple[np.ndarray, np.ndarray]:
        """Times and channels of one trial."""
        own = slice(self.offsets[trial], self.offsets[trial + 1])
        return self.time[own], self.channel[own]


def check_ragged(
    time: ArrayLike, channel: ArrayLike, offsets: ArrayLike, n_channels: int
) -> Ragged:
    """Check spikes and sort them within each trial."""
    time, channel, offsets = as_floats("time", time), np.asarray(channel), np.asarray(offsets)
    check_finite("time", check_shape("time", time, (None,)))
    check_shape("channel", channel, (len(time),))
    check_shape("offsets", offsets, (None,))
    channel, offsets = as_whole("channel", channel), as_whole("offsets", offsets)
    if (
        len(offsets) < 1
        or offsets[0] != 0
        or offsets[-1] != len(time)
        or np.any(np.diff(offsets) < 0)
    ):
        raise InputError(
            f"Expected offsets that rise from 0 to the number of spikes, {len(time)}, but got "
            f"{offsets.tolist() if len(offsets) < 8 else 'others'}; give the first spike of each "
            "trial, and the end."
        )
    if np.any(time < 0):
        raise InputError(
            f"Expected times >= 0 but got {time.min()}; shift the trials so that they start at 0."
        )
    if np.any((channel < 0) | (channel >= n_channels)):
        raise InputError(
            f"Expected channels 0 to {n_channels - 1} but got values from "
            f"{channel.min(initial=0)} to {channel.max(initial=0)}; count them from 0, or raise "
            "n_channels."
        )
    trial = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    if is_sorted(time, channel, trial):
        return Ragged(time=time, channel=channel, offsets=offsets)
    order = np.lexsort((channel, time, trial))
    return Ragged(time=time[order], channel=channel[order], offsets=offsets)


def is_sorted(time: np.ndarray, channel: np.ndarray, trial: np.ndarray) -> bool:
    """Whether spikes come by trial, time and channel already: many are made so."""
    later = (time[1:] > time[:-1]) | ((time[1:] == time[:-1]) & (channel[1:] >= channel[:-1]))
    return bool(np.all(later | (trial[1:] > trial[:-1])))


def spell_out(inputs: BinnedInput | LatencyInput) -> Ragged:
    """Bins or latencies as spikes."""
    if isinstance(inputs, BinnedInput):
        times = np.append(inputs.times, np.inf)[inputs.bins]
    else:
        times = inputs.times
    order = np.argsort(times, axis=1, kind="stable")
    ordered = np.take_along_axis(times, order, axis=1)
    there = np.isfinite(ordered)
    offsets = list_offsets(there.sum(axis=1))
    return Ragged(time=ordered[there], channel=order[there], offsets=offsets)


def list_offsets(sizes: ArrayLike) -> np.ndarray:
    """First spike of each trial, and the end, from the numbers of spikes."""
    return np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])


def as_whole(name: str, values: ArrayLike) -> np.ndarray:
    """Whole numbers as an array; an error if they are of another type."""
    array = np.atleast_1d(np.asarray(values))
    if array.size and array.dtype.kind not in "iu":
        raise InputError(f"Expected whole numbers in {name} but got {array.dtype}; store integers.")
    return array.astype(np.int64)


def check_not_empty(n_trials: int) -> None:
    """Raise `InputError` if a batch has no trials."""
    if n_trials == 0:
        raise InputError("Expected at least one trial but got none; add trials.")
