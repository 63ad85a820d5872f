"""Statistics of the populations of a run: what `spiketheory stats` tells."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sim.analysis.spike_data import SpikeData
from sim.analysis.spike_measures import (
    count_bins,
    measure_correlations,
    measure_cv,
    measure_fano,
    measure_rate,
    measure_spectrum,
    smooth_rate,
)
from spiketheory.errors import InputError
from spiketheory.shown import Short

BINS, WINDOWS = 500, 20
"""About so many bins and windows, if nobody says how wide they are."""
SAMPLE = 100


@dataclass(frozen=True, kw_only=True)
class MeasureSettings:
    """How spikes are looked at.

    Attributes:
        start: End of the transient that is left out [time].
        bin: Width of the bins of rates, correlations and spectra; None for about `BINS` [time].
        window: Width of the windows of Fano factors; None for about `WINDOWS` [time].
        smooth: Standard deviation of the kernel that rates are smoothed by; None for 3 bins [time].
        sample: Pairs are those of so many neurons of each population.
        seed: Draws them.
    """

    start: float = 0.0
    bin: float | None = None
    window: float | None = None
    smooth: float | None = None
    sample: int = SAMPLE
    seed: int = 0


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PopulationMeasures(Short):
    """Statistics of a population; NaN where there are none.

    Attributes:
        name: Its name.
        size: Its neurons.
        rates: Of each neuron that was recorded, shape (n_recorded,) [1/time].
        cv: Coefficient of variation of intervals, shape (n_recorded,).
        fano: Fano factor of counts in windows, shape (n_recorded,).
        correlations: Of binned counts of the pairs of a sample, shape (n_pairs,).
        rate: Of the population in bins, shape (n_bins,) [1/time].
        smooth_rate: The same, smoothed [1/time].
        frequencies: Of the spectrum, shape (n_frequencies,) [1/time].
        spectrum: Power density of the rate [1/time].
        width: Of the bins [time].
    """

    name: str
    size: int
    rates: np.ndarray
    cv: np.ndarray
    fano: np.ndarray
    correlations: np.ndarray
    rate: np.ndarray
    smooth_rate: np.ndarray
    frequencies: np.ndarray
    spectrum: np.ndarray
    width: float

    @property
    def synchrony(self) -> float:
        """Variance over mean of the population's counts in bins.

        1 for independent Poisson trains (T. C. Potjans and M. Diesmann, Cereb. Cortex 24, 785,
        2014, their synchrony index).
        """
        mean, variance = self.rate.mean(), self.rate.var()
        per_spike = 1 / (len(self.rates) * self.width)
        return float(variance / mean / per_spike) if mean > 0 else float("nan")

    @property
    def peak(self) -> float:
        """Frequency of the highest part of the spectrum [1/time]."""
        if not self.spectrum.any():
            return float("nan")
        return float(self.frequencies[self.spectrum.argmax()])

    def summarise(self, per: float = 1.0) -> dict[str, float | int | str]:
        """The same in a few numbers.

        Args:
            per: How many units of time make one that rates and frequencies are told by.
        """
        return {
            "name": self.name, "size": self.size, "recorded": len(self.rates),
            "spikes": round(float(self.rate.sum()) * len(self.rates) * self.width),
            "rate": mean(self.rates) * per, "rate_sd": spread(self.rates) * per,
            "cv": mean(self.cv), "neurons_with_cv": int(np.isfinite(self.cv).sum()),
            "fano": mean(self.fano), "correlation": mean(self.correlations),
            "pairs": len(self.correlations), "synchrony": self.synchrony, "peak": self.peak * per,
        }  # fmt: skip


def mean(values: np.ndarray) -> float:
    """Mean of what is known; NaN of nothing."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def spread(values: np.ndarray) -> float:
    """Standard deviation over the neurons; NaN of nothing."""
    return float(values.std()) if len(values) else float("nan")


def measure_populations(
    data: SpikeData, settings: MeasureSettings | None = None
) -> list[PopulationMeasures]:
    """Statistics of each population of which neurons were recorded.

    Raises:
        InputError: If nothing is left of the run, or bins and windows do not fit.
    """
    chosen = settings or MeasureSettings()
    widths = choose_widths(data, chosen)
    rng, found = np.random.default_rng(chosen.seed), []
    for place in range(len(data.sizes)):
        sample = rng.permutation(data.sizes[place])
        if len(data.select(place, chosen.start)[2]):
            found.append(measure_one(data, place, chosen, widths, sample))
    if not found:
        raise InputError("Expected neurons that were recorded but got none; simulate with others.")
    return found


class Widths(NamedTuple):
    """Widths of bins, of windows, and of the kernel that smooths [time]."""

    bin: float
    window: float
    kernel: float


def choose_widths(data: SpikeData, settings: MeasureSettings) -> Widths:
    """All widths, those that nobody said included."""
    span = data.time - settings.start
    if not (settings.start >= 0 and span > 0):
        raise InputError(
            f"Expected a start from 0 to below {data.time:g} but got {settings.start:g}; leave out "
            "less of the run."
        )
    width = round_width(span / BINS) if settings.bin is None else settings.bin
    window = round_width(span / WINDOWS) if settings.window is None else settings.window
    for each in (width, window):
        count_bins(settings.start, data.time, each)
    return Widths(width, window, 3 * width if settings.smooth is None else settings.smooth)


def round_width(width: float) -> float:
    """The nearest of 1, 2 and 5 times a power of ten, below."""
    power = 10.0 ** np.floor(np.log10(width))
    return float(max(f for f in (1, 2, 5) if f * power <= width * (1 + 1e-9)) * power)


def measure_one(
    data: SpikeData, place: int, settings: MeasureSettings, widths: Widths, order: np.ndarray
) -> PopulationMeasures:
    """Statistics of one population.

    Args:
        data: The spikes.
        place: Which population.
        settings: How spikes are looked at.
        widths: Of bins and windows.
        order: Its neurons, in the order in which a sample takes them.
    """
    start, stop, width = settings.start, data.time, widths.bin
    times, neurons, own = data.select(place, start)
    before, n = times < stop, len(own)
    times, neurons = times[before], neurons[before]
    chosen = np.sort(order[order < n][: settings.sample])
    rate = measure_rate(times, n, start, stop, width)
    frequencies, spectrum = measure_spectrum(rate, width)
    return PopulationMeasures(
        name=data.names[place], size=data.sizes[place],
        rates=np.bincount(neurons, minlength=n) / (stop - start),
        cv=measure_cv(times, neurons, n),
        fano=measure_fano(times, neurons, n, start, stop, widths.window),
        correlations=measure_correlations(times, neurons, chosen, start, stop, width),
        rate=rate, smooth_rate=smooth_rate(rate, width, widths.kernel), width=width,
        frequencies=frequencies, spectrum=spectrum,
    )  # fmt: skip
