"""Structured arrays of events, as cameras and cochleas record them: fields t, x, p, perhaps y."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from sim.inputs.encoding import check_integer
from spiketheory.errors import InputError, check_finite, check_positive

Size = tuple[int, int, int]
"""(width, height, polarities) of a sensor."""


def check_size(size: Sequence[int]) -> Size:
    """The size of a sensor as three whole numbers."""
    if np.ndim(size) != 1 or len(size) != 3:
        raise InputError(
            f"Expected size (width, height, polarities) but got {size}; write 1 where there is "
            "one, as in (700, 1, 1)."
        )
    hint = "size is (width, height, polarities)"
    width, height, polarities = (
        check_integer("each number of size", n, low=1, high=2**31, hint=hint) for n in size
    )
    check_integer("the number of channels", width * height * polarities, low=1, high=2**31,
                  hint="it is the product of size")  # fmt: skip
    return width, height, polarities


def check_events(events: Sequence[np.ndarray]) -> None:
    """Raise `InputError` unless all trials are structured arrays with the field t."""
    for trial, array in enumerate(events):
        names = getattr(getattr(array, "dtype", None), "names", None) or ()
        if "t" not in names or array.ndim != 1:
            what = f"the fields {', '.join(names)}" if names else "no fields"
            raise InputError(
                "Expected for each trial a structured array of shape (n,) with the fields t, x and "
                f"p but got {what} and shape {np.shape(array)} in trial {trial}; "
                "Trials.from_pairs takes times and channels."
            )


def read_times(events: Sequence[np.ndarray], unit: float) -> np.ndarray:
    """The field t of all trials, one after the other, in units of time."""
    check_positive("unit", unit)
    counts = [_read_field(e, "t", "iuf").astype(np.float64) for e in events]
    return scale_counts(check_finite("t", np.concatenate(counts)), unit)


def scale_counts(counts: np.ndarray, unit: float) -> np.ndarray:
    """Counts of a unit of time, float64, as times.

    A unit such as 1e-6 stands for a millionth, which no float is: dividing by a million gives the
    floats that decimals are read as, so that 5 microseconds are the 5e-6 of other inputs.
    """
    parts = float(np.rint(1 / float(unit)))
    return counts / parts if parts and 1 / parts == unit else counts * unit


def read_channels(
    events: Sequence[np.ndarray], size: Size, channel: Callable[[np.ndarray], ArrayLike] | None
) -> np.ndarray:
    """Channel of each event: x + width (y + height p), or what ``channel`` finds."""
    if channel is not None:
        found = [np.asarray(channel(e)) for e in events]
        for trial, (array, own) in enumerate(zip(events, found, strict=True)):
            if own.shape != array.shape:
                raise InputError(
                    f"Expected a channel for each of the {len(array)} events of trial {trial} but "
                    f"got shape {own.shape}; return one whole number per event."
                )
        return np.concatenate(found)
    total = np.zeros(sum(map(len, events)), np.int64)
    for name, n, step in zip("xyp", size, (1, size[0], math.prod(size[:2])), strict=True):
        total += step * _read_coordinate(events, name, n)
    return total


def _read_coordinate(events: Sequence[np.ndarray], name: str, n: int) -> np.ndarray:
    """A coordinate of all events, counted from 0; all zeros if there is only one value."""
    if n == 1 and name != "x" and not any(name in (e.dtype.names or ()) for e in events):
        return np.zeros(1, np.int64)
    values = np.concatenate([_read_field(e, name, "iub").astype(np.int64) for e in events])
    low, high = values.min(initial=n), values.max(initial=-1)
    if n == 1 and name == "p":  # recordings without polarity have p = 1 everywhere, or 0
        if low < high:
            raise InputError(
                f"Expected one polarity, as size says, but got p from {low} to {high}; give 2 as "
                "the last number of size, or leave the field p out."
            )
        return np.zeros(1, np.int64)
    if len(values) and (low < 0 or high >= n):
        raise InputError(
            f"Expected {name} from 0 to {n - 1} but got values from {low} to {high}; correct "
            "size, or count from 0."
        )
    return values


def _read_field(array: np.ndarray, name: str, kinds: str) -> np.ndarray:
    names = array.dtype.names or ()
    if name not in names:
        raise InputError(
            f"Expected the field {name} in all trials but got {', '.join(names)}; add it, or give "
            "1 in size where there is only one."
        )
    if array[name].dtype.kind not in kinds:
        wanted = "numbers" if name == "t" else "whole numbers"
        raise InputError(
            f"Expected {wanted} in {name} but got the type {array[name].dtype}; convert the field."
        )
    return array[name]
