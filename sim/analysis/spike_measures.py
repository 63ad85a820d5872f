r"""Statistics of spike trains: rates, intervals, counts, correlations, spectra.

Neurons are places 0 to n - 1; spikes of all are in one list, sorted by time. Bins and windows begin
at ``start``; what is left of the time to ``stop`` behind the last whole one is not looked at.
Definitions are those of Elephant (https://python-elephant.org) unless said otherwise.
"""

import numpy as np
import scipy.signal

from spiketheory.errors import InputError, check_positive
from spiketheory.memory import check_memory

REACH = 4.0
"""A Gaussian kernel ends at so many standard deviations."""
BYTES_PER_BIN = 100
EXACT = 1e-9
"""A span that is a multiple of the width but for so small a part of it is cut to all of it."""


def count_bins(start: float, stop: float, width: float) -> int:
    """How many whole bins there are.

    Raises:
        InputError: If there is none.
    """
    check_positive("width of bins", width)
    whole = np.floor((stop - start) / width + EXACT)
    check_memory(BYTES_PER_BIN * whole, "bins of this width")
    n = int(whole)
    if n < 1:
        raise InputError(
            f"Expected bins that fit between {start:g} and {stop:g} but got a width of {width:g}; "
            "choose narrower ones, or a longer run."
        )
    return n


def bin_spikes(times: np.ndarray, start: float, stop: float, width: float) -> np.ndarray:
    """Spikes in each bin, shape (n_bins,); a spike on an edge is in the later bin."""
    places = find_bins(times, start, width)
    n = count_bins(start, stop, width)
    return np.bincount(places[(places >= 0) & (places < n)], minlength=n)


def find_bins(times: np.ndarray, start: float, width: float) -> np.ndarray:
    """The bin of each time."""
    return np.floor((times - start) / width).astype(np.int64)


def measure_rate(times: np.ndarray, n: int, start: float, stop: float, width: float) -> np.ndarray:
    """Spikes per neuron and time in each bin, shape (n_bins,) [1/time]."""
    return bin_spikes(times, start, stop, width) / (n * width)


def smooth_rate(rate: np.ndarray, width: float, sigma: float) -> np.ndarray:
    """A binned rate, smoothed by a Gaussian kernel; near the ends by what of it lies within.

    Args:
        rate: Shape (n_bins,).
        width: Of the bins [time].
        sigma: Standard deviation of the kernel [time].
    """
    check_positive("width of the kernel", sigma)
    half = min(int(np.ceil(REACH * sigma / width)), len(rate) - 1)
    kernel = np.exp(-0.5 * (np.arange(-half, half + 1) * width / sigma) ** 2)
    inside = scipy.signal.fftconvolve(np.ones(len(rate)), kernel, mode="same")
    return np.asarray(scipy.signal.fftconvolve(rate, kernel, mode="same") / inside)


def list_intervals(times: np.ndarray, neurons: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Intervals between the spikes of each neuron, neuron by neuron, and whose they are [time]."""
    order = np.argsort(neurons, kind="stable")
    intervals, owners = np.diff(times[order]), neurons[order][1:]
    inside = owners == neurons[order][:-1]
    return intervals[inside], owners[inside]


def measure_cv(times: np.ndarray, neurons: np.ndarray, n_neurons: int) -> np.ndarray:
    """Standard deviation over mean of the intervals of each neuron; NaN below two intervals."""
    intervals, owners = list_intervals(times, neurons)
    counts = np.bincount(owners, minlength=n_neurons)
    safe = np.maximum(counts, 1)
    means = np.bincount(owners, intervals, minlength=n_neurons) / safe
    squares = np.bincount(owners, (intervals - means[owners]) ** 2, minlength=n_neurons) / safe
    cv = np.full(n_neurons, np.nan)
    known = (counts >= 2) & (means > 0)
    cv[known] = np.sqrt(squares[known]) / means[known]
    return cv


def measure_fano(
    times: np.ndarray, neurons: np.ndarray, n_neurons: int, start: float, stop: float, width: float
) -> np.ndarray:
    """Variance over mean of each neuron's counts in windows; NaN without spikes or a second window.

    The variance is that of a sample (n - 1 in the denominator), so that a Poisson train has 1 on
    average; Elephant divides by n.
    """
    n = count_bins(start, stop, width)
    places = find_bins(times, start, width)
    inside = (places >= 0) & (places < n)
    cells, counts = np.unique(neurons[inside] * n + places[inside], return_counts=True)
    sums = np.bincount(cells // n, counts, minlength=n_neurons)
    squares = np.bincount(cells // n, counts**2, minlength=n_neurons)
    fano = np.full(n_neurons, np.nan)
    known = (sums > 0) & (n > 1)
    mean = sums[known] / n
    fano[known] = (squares[known] - n * mean**2) / (n - 1) / mean
    return fano


def measure_correlations(
    times: np.ndarray, neurons: np.ndarray, chosen: np.ndarray, start: float, stop: float,
    width: float,
) -> np.ndarray:  # fmt: skip
    """Pearson's coefficients of binned counts of all pairs, shape (n_pairs,).

    Neurons whose count is the same in every bin have none, and are left out.

    Args:
        times: Spikes of all [time].
        neurons: Their neurons.
        chosen: Between which neurons, rising.
        start: Where bins begin [time].
        stop: Where they end [time].
        width: Of the bins [time].
    """
    n = count_bins(start, stop, width)
    places, rows = find_bins(times, start, width), np.searchsorted(chosen, neurons)
    rows = np.minimum(rows, len(chosen) - 1)
    own = (chosen[rows] == neurons) & (places >= 0) & (places < n)
    check_memory(16.0 * len(chosen) * n, "counts of neurons in bins of this width")
    counts = np.bincount(rows[own] * n + places[own], minlength=len(chosen) * n).reshape(-1, n)
    varying = counts[(counts != counts[:, :1]).any(axis=1)]
    if len(varying) < 2:
        return np.empty(0)
    return np.asarray(np.corrcoef(varying)[np.triu_indices(len(varying), 1)])


def measure_spectrum(
    rate: np.ndarray, width: float, segment: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Power spectrum of a binned rate without its mean, by Welch's method.

    Segments overlap by half, under Hann's window (P. D. Welch, IEEE Trans. Audio Electroacoust. 15,
    70, 1967). The density is one-sided: its integral over frequencies is the variance. n
    independent Poisson trains of rate r have 2 r / n at every frequency.

    Args:
        rate: Shape (n_bins,) [1/time].
        width: Of the bins [time].
        segment: Bins of a segment; None for an eighth of all, at least 16.

    Returns:
        Frequencies above 0 [1/time], and the density there [1/time].
    """
    length = min(max(len(rate) // 8, 16) if segment is None else segment, len(rate))
    frequencies, density = scipy.signal.welch(
        rate, fs=1 / width, window="hann", nperseg=length, noverlap=length // 2,
        detrend="constant", scaling="density",
    )  # fmt: skip
    return frequencies[1:], density[1:]
