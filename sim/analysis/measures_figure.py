"""Figure of the statistics of a run: raster, rates, intervals, spectra.

Matplotlib is imported only when something is drawn, and only its object-oriented part.
"""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.analysis.population_measures import PopulationMeasures
from sim.analysis.spike_data import SpikeData
from sim.analysis.spike_figures import save_figure
from sim.analysis.training_figures import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PURPLE,
    SKY,
    STYLE,
    VERMILION,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from spiketheory.documents.canvas import Figure

COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, INK, GREY)
MOST_NEURONS = 200
"""Of a population in a raster."""
MOST_SPIKES = 20_000
"""Of a raster: it ends where there would be more."""


def plot_measures(
    data: SpikeData, found: Sequence[PopulationMeasures], path: str | os.PathLike[str], *,
    start: float = 0.0, unit: str = "time",
) -> None:  # fmt: skip
    """Write the figure as PNG or SVG by its suffix, whole or not at all; see `draw_measures`."""
    save_figure(draw_measures(data, found, start=start, unit=unit), path)


def draw_measures(
    data: SpikeData, found: Sequence[PopulationMeasures], *, start: float = 0.0, unit: str = "time"
) -> "Figure":
    """Draw what the populations of a run do.

    Args:
        data: The spikes.
        found: Their statistics.
        start: End of the transient that was left out [time].
        unit: What a unit of time is called.
    """
    import matplotlib as mpl

    from spiketheory.documents.canvas import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.0, 8.0), layout="constrained")
        grid = figure.add_gridspec(3, 2, height_ratios=[1.6, 1.0, 1.0])
        raster = figure.add_subplot(grid[0, :])
        draw_raster(raster, data, found, start, unit)
        rates = figure.add_subplot(grid[1, :])
        for colour, one in zip(colours(found), found, strict=True):
            draw_rate(rates, one, start, colour)
        rates.set(xlabel=unit, ylabel=f"spikes per {unit}", title="population rates")
        rates.legend(ncols=4)
        draw_cv(figure.add_subplot(grid[2, 0]), found)
        draw_spectra(figure.add_subplot(grid[2, 1]), found, unit)
    return figure


def colours(found: Sequence[PopulationMeasures]) -> list[str]:
    """A colour for each population."""
    return [COLOURS[k % len(COLOURS)] for k in range(len(found))]


def draw_raster(
    axes: "Axes", data: SpikeData, found: Sequence[PopulationMeasures], start: float, unit: str
) -> None:
    """Draw the spikes of the first neurons of each population, for as long as they can be seen."""
    places = [data.names.index(one.name) for one in found]
    selected = [data.select(place, start) for place in places]
    shown = [min(len(own), MOST_NEURONS) for _, _, own in selected]
    inside = [neurons < n for (_, neurons, _), n in zip(selected, shown, strict=True)]
    times = np.sort(np.concatenate([s[0][i] for s, i in zip(selected, inside, strict=True)]))
    end = times[MOST_SPIKES] if len(times) > MOST_SPIKES else data.time
    ends = np.cumsum(shown[::-1])[::-1]
    for (own_times, neurons, _), own, top, colour in zip(
        selected, inside, ends, colours(found), strict=True
    ):
        seen: Any = own & (own_times < end)
        axes.scatter(own_times[seen], top - neurons[seen] - 0.5, s=1.5, color=colour, linewidths=0,
                     rasterized=True)  # fmt: skip
    middles = ends - np.array(shown) / 2
    axes.set_yticks(middles, [one.name for one in found])
    axes.set(xlim=(start, end), ylim=(0, max(ends[0], 1)), xlabel=unit)
    axes.set_title(f"spikes of up to {MOST_NEURONS} neurons of each population")


def draw_rate(axes: "Axes", one: PopulationMeasures, start: float, colour: str) -> None:
    """Draw the rate of a population, binned behind the smooth one."""
    middles = start + (np.arange(len(one.rate)) + 0.5) * one.width
    axes.plot(middles, one.rate, color=colour, linewidth=0.5, alpha=0.35)
    axes.plot(middles, one.smooth_rate, color=colour, linewidth=1.4, label=one.name)


def draw_cv(axes: "Axes", found: Sequence[PopulationMeasures]) -> None:
    """Draw how the coefficients of variation are distributed."""
    known = [one.cv[np.isfinite(one.cv)] for one in found]
    most = max((float(values.max()) for values in known if len(values)), default=1.0)
    edges = np.linspace(0.0, max(most, 1.0), 31)
    for values, colour in zip(known, colours(found), strict=True):
        if len(values):
            axes.hist(
                values, edges.tolist(), density=True, histtype="step", color=colour, linewidth=1.4
            )
    axes.set(xlabel="CV of the intervals", ylabel="density", title="irregularity of neurons")


def draw_spectra(axes: "Axes", found: Sequence[PopulationMeasures], unit: str) -> None:
    """Draw the power spectra of the rates."""
    for one, colour in zip(found, colours(found), strict=True):
        if one.spectrum.any():
            axes.plot(one.frequencies, one.spectrum, color=colour, linewidth=1.2)
    if any(one.spectrum.any() for one in found):
        axes.set_yscale("log")
    axes.set(xlabel=f"1/{unit}", ylabel="power density", title="spectra of population rates")
