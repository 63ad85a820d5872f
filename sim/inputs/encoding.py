"""Intensities to input spikes: binned latencies, latencies, and random changes for training.

An encoding turns intensities in [0, 1] into at most one spike per input and sample. `BinnedInput`
lets all samples share a few spike times (the digit task, docs/mathematics.md, 5); `LatencyInput`
gives every input its own time. `flip_bins`, `shift_images` and `transform_images` are the random
changes of the training samples.
"""

import operator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sim.threads import get_thread_count, run_on_threads
from spiketheory.errors import InputError, check_positive, check_shape
from spiketheory.machine.jit import Options, compile_function
from spiketheory.shown import Short

ROWS_AT_ONCE = 256
"""Samples encoded at once: few enough to stay in the processor's cache."""
MAX_BINS = 63
"""Most bins whose spikes all come before T: log(1/(1 - 0.01 V)) < 1 needs V <= 63."""

BIN_STEP = 0.01
"""Fraction of the level per bin in the spike times T log(c/(c - BIN_STEP V)); the paper's value."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class BinnedInput(Short):
    """At most one input spike per sample and input, at one of V times shared by all samples.

    Attributes:
        times: Spike time of each bin, strictly increasing, shape (V,) [tau], float64.
        bins: Bin of each sample and input, shape (B, M), uint8; V means no spike.

    Raises:
        InputError: If a shape is wrong, a time is negative, not finite or out of order, or a bin
            lies outside 0..V.
    """

    times: NDArray[np.float64]
    bins: NDArray[np.uint8]

    def __post_init__(self) -> None:
        times = as_floats("times", self.times)
        check_shape("times", times, (None,))
        if not 1 <= len(times) <= 255:
            raise InputError(
                f"Expected 1 to 255 spike times but got {len(times)}; give one time per bin."
            )
        _check_times(times)
        object.__setattr__(self, "times", times)
        object.__setattr__(self, "bins", _as_bins(self.bins, len(times)))

    def __len__(self) -> int:
        return len(self.bins)

    @property
    def n_inputs(self) -> int:
        """Number of inputs M."""
        return int(self.bins.shape[1])

    def take(self, indices: ArrayLike) -> "BinnedInput":
        """Return the samples at ``indices`` (whole numbers, shape (n,)), in that order."""
        return BinnedInput(times=self.times, bins=take_rows(self.bins, indices))


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LatencyInput(Short):
    """At most one input spike per sample and input, each at its own time.

    Attributes:
        times: Spike times, shape (B, M) [tau], float64, >= 0; ``inf`` means no spike.

    Raises:
        InputError: If the shape is wrong or a time is NaN or negative.
    """

    times: NDArray[np.float64]

    def __post_init__(self) -> None:
        times = as_floats("times", self.times)
        check_shape("times", times, (None, None))
        if not times.min(initial=np.inf) >= 0:
            at = tuple(int(i) for i in np.argwhere(~(times >= 0))[0])
            raise InputError(
                f"Expected spike times >= 0 but got times[{at[0]}, {at[1]}]={times[at]}; "
                "give inf where an input does not spike."
            )
        object.__setattr__(self, "times", times)

    def __len__(self) -> int:
        return len(self.times)

    @property
    def n_inputs(self) -> int:
        """Number of inputs M."""
        return int(self.times.shape[1])

    def take(self, indices: ArrayLike) -> "LatencyInput":
        """Return the samples at ``indices`` (whole numbers, shape (n,)), in that order."""
        return LatencyInput(times=take_rows(self.times, indices))


def encode_bins(inputs: ArrayLike, *, n_bins: int, T: float) -> BinnedInput:
    r"""Bin intensities; brighter inputs spike earlier, the darkest bin not at all.

    With $p = \operatorname{rint}(255 v)$ and V bins an input falls into bin
    $\min(V, \lfloor (255 - p) / \lfloor 256/(V + 1) \rfloor \rfloor)$. Bins 0..V-1 have the levels
    c = V..1 and spike at $T \log(c/(c - 0.01 V))$; bin V does not spike. One bin: intensities
    above 127/255 spike at 0.01005 T.

    Args:
        inputs: Intensities in [0, 1], shape (B, M).
        n_bins: Number of bins V, 1 to 63; with more the last ones would come after T.
        T: Trial length [tau].

    Returns:
        Times of shape (V,) [tau] and bins of shape (B, M).

    Raises:
        InputError: If an intensity or an option is out of range.

    References:
        Klos & Memmesheimer (2025), supplement; docs/mathematics.md, 5.
    """
    values = check_intensities("inputs", inputs)
    times = bin_times(n_bins=n_bins, T=T)
    n_bins = len(times)
    width = 256 // (n_bins + 1)
    bin_of_pixel = np.minimum(np.arange(255, -1, -1) // width, n_bins).astype(np.uint8)
    bins = np.empty(values.shape, np.uint8)
    for first in range(0, len(values), ROWS_AT_ONCE):
        pixels = values[first : first + ROWS_AT_ONCE] * values.dtype.type(255)
        np.rint(pixels, out=pixels)
        bins[first : first + ROWS_AT_ONCE] = bin_of_pixel[pixels.astype(np.uint8)]
    return BinnedInput(times=times, bins=bins)


def bin_times(*, n_bins: int, T: float) -> NDArray[np.float64]:
    """Spike times T log(c/(c - 0.01 V)) of the levels c = V..1, shape (V,) [tau].

    Raises:
        InputError: If ``n_bins`` is not in 1..63: the darkest level c = 1 would spike after T
            from V = 64 on, and never from V = 100 on. Or if T is not positive.
    """
    hint = "from 64 bins on the darkest would spike after T, from 100 on never"
    n_bins = check_integer("n_bins", n_bins, low=1, high=MAX_BINS, hint=hint)
    check_positive("T", T)
    level = np.arange(n_bins, 0, -1, dtype=np.float64)
    return np.asarray(T * np.log(level / (level - BIN_STEP * n_bins)), dtype=np.float64)


def encode_latency(
    inputs: ArrayLike, *, t_first: float, t_last: float, threshold: float
) -> LatencyInput:
    """Spike at t_first + (t_last - t_first) (1 - v), or never where v < threshold.

    Args:
        inputs: Intensities v in [0, 1], shape (B, M).
        t_first: Time of the brightest intensity, v = 1 [tau], >= 0.
        t_last: Time of the darkest intensity, v = 0 [tau], >= t_first.
        threshold: Least intensity that spikes, in [0, 1]; 0 lets every input spike.

    Returns:
        Times, shape (B, M) [tau]; ``inf`` where the input does not spike.

    Raises:
        InputError: If an intensity or an option is out of range.
    """
    if not 0 <= t_first <= t_last < np.inf:
        raise InputError(
            f"Expected 0 <= t_first <= t_last but got t_first={t_first}, t_last={t_last}; "
            "give finite times in this order."
        )
    _check_fraction("threshold", threshold)
    values = check_intensities("inputs", inputs)
    times = t_first + (t_last - t_first) * (1.0 - values.astype(np.float64))
    np.minimum(times, t_last, out=times)  # rounding must not carry a spike past t_last
    times[values < threshold] = np.inf
    return LatencyInput(times=times)


def flip_bins(
    bins: NDArray[np.uint8], n_bins: int, probability: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Mirror randomly chosen bins, b -> V - b: bright becomes dark and dark bright.

    Every entry flips independently with the given probability (exactly Bernoulli). Only the
    flipped entries are drawn: in a sequence of independent trials the distances between
    successes are independent and geometric.

    Args:
        bins: Bins 0..V, shape (B, M), uint8; left as they are.
        n_bins: Number of bins V.
        probability: Chance of each entry to flip, in [0, 1].
        rng: Source of randomness.

    Returns:
        New bins, shape (B, M), uint8.

    Raises:
        InputError: If a bin or the probability is out of range.
    """
    _check_fraction("probability", probability)
    n_bins = check_integer(
        "n_bins", n_bins, low=1, high=255, hint="it is the number of spike times"
    )
    flipped = np.array(_as_bins(bins, n_bins), order="C")
    flat = flipped.reshape(-1)
    chosen = _bernoulli_indices(flat.size, probability, rng)
    flat[chosen] = np.uint8(n_bins) - flat[chosen]
    return flipped


def shift_images(
    values: NDArray,
    image_shape: tuple[int, int],
    max_shift: int,
    rng: np.random.Generator,
    *,
    fill: float = 0,
) -> NDArray:
    """Shift every image by its own random number of whole pixels.

    The shifts down and to the right are independent and uniform on -max_shift..max_shift.

    Args:
        values: Intensities or bins, shape (B, rows * columns), any number type; left as they are.
        image_shape: (rows, columns).
        max_shift: Largest shift in either direction [pixels]; 0 changes nothing.
        rng: Source of randomness.
        fill: Value of the pixels that come in from outside: 0 for intensities, V for bins.

    Returns:
        New values, shape (B, rows * columns), of the same type.

    Raises:
        InputError: If the shapes disagree, ``max_shift`` is not smaller than the image, or
            ``fill`` does not fit the type of ``values``.
    """
    rows, columns = image_shape
    hint = "a larger shift moves the whole image out of sight"
    largest = min(rows, columns) - 1
    max_shift = check_integer("max_shift", max_shift, low=0, high=largest, hint=hint)
    check_shape("values", values, (None, rows * columns))
    n_samples = len(values)
    padded_shape = (n_samples, rows + 2 * max_shift, columns + 2 * max_shift)
    padded = np.full(padded_shape, _as_fill(fill, values.dtype))
    inside = padded[:, max_shift : max_shift + rows, max_shift : max_shift + columns]
    inside[...] = values.reshape(n_samples, rows, columns)
    top, left = rng.integers(0, 2 * max_shift + 1, size=(2, n_samples))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (rows, columns), axis=(1, 2))
    return windows[np.arange(n_samples), top, left].reshape(n_samples, rows * columns)


# Long: half of it says what it takes and returns.
def transform_images(
    values: NDArray,
    image_shape: tuple[int, int],
    *,
    max_shift: int,
    max_turn: float,
    max_zoom: float,
    rng: np.random.Generator,
    fill: float = 0,
) -> NDArray:
    """Turn, scale and shift every image by random amounts of its own.

    Angle, scale and shifts are independent and uniform, of either sign. A pixel gets the value of
    the pixel nearest to where it comes from, so that bins stay bins; without turns and zooms the
    shifts are therefore those of `shift_images`.

    Args:
        values: Intensities or bins, shape (B, rows * columns), any number type; left as they are.
        image_shape: (rows, columns).
        max_shift: Largest shift in either direction [pixels], plus half a pixel.
        max_turn: Largest angle about the centre [degrees].
        max_zoom: Largest relative change of the size, below 1.
        rng: Source of randomness.
        fill: Value of the pixels that come in from outside: 0 for intensities, V for bins.

    Returns:
        New values, shape (B, rows * columns), of the same type.

    Raises:
        InputError: If the shapes disagree, an amount is out of range, or ``fill`` does not fit the
            type of ``values``.
    """
    rows, columns = image_shape
    check_shape("values", values, (None, rows * columns))
    for name, value, largest in (
        ("max_shift", max_shift, min(rows, columns) - 1),
        ("max_turn", max_turn, 180.0),
        ("max_zoom", max_zoom, 0.99),
    ):
        if not 0 <= value <= largest:
            raise InputError(
                f"Expected 0 <= {name} <= {largest:g} but got {name}={value}; "
                "images should stay recognisable."
            )
    n = len(values)
    turn = np.deg2rad(rng.uniform(-max_turn, max_turn, n))
    size = 1.0 + rng.uniform(-max_zoom, max_zoom, n)
    places = np.array([
        np.cos(turn) / size, np.sin(turn) / size,
        *rng.uniform(-max_shift - 0.5, max_shift + 0.5, (2, n)),
    ])  # fmt: skip
    values = np.ascontiguousarray(values)
    moved = np.full_like(values, _as_fill(fill, values.dtype))
    n_threads = max(1, min(get_thread_count(), n))
    limits = np.linspace(0, n, n_threads + 1).astype(int)
    move = build_move()

    def run(thread: int) -> None:
        own = slice(limits[thread], limits[thread + 1])
        move(values[own], moved[own], rows, columns, places[:, own])

    run_on_threads(run, n_threads)
    return moved


@lru_cache(maxsize=1)
def build_move() -> Any:
    """The compiled loop over pixels."""
    middle = 0.5

    def move(values: Any, moved: Any, rows: int, columns: int, places: Any) -> None:
        """Copy each image's pixels from where they come from; leave those from outside alone."""
        for b in range(values.shape[0]):
            cosine, sine, down, right = places[0, b], places[1, b], places[2, b], places[3, b]
            for r in range(rows):
                y = r - middle * (rows - 1)
                for c in range(columns):
                    x = c - middle * (columns - 1)
                    row = np.rint(cosine * y - sine * x + middle * (rows - 1) - down)
                    column = np.rint(sine * y + cosine * x + middle * (columns - 1) - right)
                    if 0 <= row < rows and 0 <= column < columns:
                        moved[b, r * columns + c] = values[b, int(row) * columns + int(column)]

    return compile_function(move, key="", options=Options(allocates=False))


def check_intensities(name: str, values: ArrayLike) -> NDArray[np.floating]:
    """Return ``values`` as a float array (n, M); raise unless all of it lies in [0, 1]."""
    array = np.asarray(values)
    if array.dtype not in (np.float32, np.float64):
        array = as_floats(name, array)
    check_shape(name, array, (None, None))
    if not (array.min(initial=0) >= 0 and array.max(initial=0) <= 1):
        at = tuple(int(i) for i in np.argwhere(~((array >= 0) & (array <= 1)))[0])
        raise InputError(
            f"Expected intensities in [0, 1] but got {name}[{at[0]}, {at[1]}]={array[at]}; "
            "scale them first (8-bit images: divide by 255)."
        )
    return array


def check_integer(name: str, value: int, *, low: int, high: int, hint: str) -> int:
    """Return ``value`` as an int if it is a whole number in low..high, else raise with ``hint``.

    Go on with what it returns: arithmetic on NumPy's small integers overflows.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = low - 1
    if not low <= number <= high:
        raise InputError(
            f"Expected {name} to be a whole number from {low} to {high} but got "
            f"{name}={value!r}; {hint}."
        )
    return number


def _check_fraction(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise InputError(
            f"Expected 0 <= {name} <= 1 but got {name}={value}; give a fraction, not percent."
        )


def _check_times(times: NDArray[np.float64]) -> None:
    if not (np.isfinite(times).all() and times[0] >= 0 and (np.diff(times) > 0).all()):
        raise InputError(
            "Expected finite spike times >= 0 in strictly increasing order but got "
            f"times={times.tolist()}; sort them, and leave out bins that do not spike."
        )


def as_floats(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Values as float64, before any arithmetic; an error if they are no numbers."""
    try:
        return np.ascontiguousarray(values, dtype=np.float64)
    except (TypeError, ValueError) as err:
        raise InputError(
            f"Expected an array of numbers for {name} but got {type(values).__name__} that is "
            "none; give a rectangular array of real numbers."
        ) from err


def _as_bins(values: ArrayLike, n_bins: int) -> NDArray[np.uint8]:
    bins = np.asarray(values)
    if bins.dtype.kind not in "iu":
        raise InputError(
            f"Expected whole numbers in bins but got type {bins.dtype}; encode_bins makes them."
        )
    check_shape("bins", bins, (None, None))
    if bins.min(initial=0) < 0 or bins.max(initial=0) > n_bins:
        at = tuple(int(i) for i in np.argwhere((bins < 0) | (bins > n_bins))[0])
        raise InputError(
            f"Expected bins in 0..{n_bins} but got bins[{at[0]}, {at[1]}]={bins[at]}; "
            f"{n_bins} itself means no spike."
        )
    return np.ascontiguousarray(bins, dtype=np.uint8)


def take_rows(array: NDArray, indices: ArrayLike) -> NDArray:
    """Rows of an array at whole numbers, shape (n,), in their order."""
    rows = np.asarray(indices)
    if rows.size == 0:
        rows = rows.astype(np.intp)
    if rows.ndim != 1 or rows.dtype.kind not in "iu":
        raise InputError(
            f"Expected sample indices as whole numbers of shape (n,) but got {rows.dtype} of "
            f"shape {rows.shape}; np.flatnonzero turns a mask into indices."
        )
    try:
        return np.take(array, rows, axis=0)
    except IndexError as err:
        raise InputError(
            f"Expected sample indices below {len(array)} but got {rows.min()}..{rows.max()}; "
            "choose samples that exist."
        ) from err


def _as_fill(fill: float, dtype: np.dtype) -> np.generic:
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        if not (limits.min <= fill <= limits.max and fill == int(fill)):
            raise InputError(
                f"Expected fill to fit values of type {dtype} but got fill={fill}; "
                f"give a whole number from {limits.min} to {limits.max}."
            )
    return dtype.type(fill)


def _bernoulli_indices(
    size: int, probability: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Sorted indices of the successes among ``size`` independent trials."""
    if probability == 0:
        return np.empty(0, dtype=np.int64)
    expected = size * probability
    n_draws = int(expected + 4 * np.sqrt(expected) + 8)
    found: list[NDArray[np.int64]] = []
    last = -1
    while last < size:
        gaps = np.minimum(rng.geometric(probability, n_draws), size + 1)  # sums cannot overflow
        found.append(last + np.cumsum(gaps))
        last = int(found[-1][-1])
    indices = np.concatenate(found)
    return indices[: np.searchsorted(indices, size)]
