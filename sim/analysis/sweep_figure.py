"""The figure of a sweep: the metric of every setting, with its runs and their spread."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.analysis.spike_figures import save_figure
from sim.analysis.training_figures import BLUE, GREY, STYLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_SETTINGS = 40
"""More are not drawn; the best are."""


@dataclass(frozen=True, kw_only=True)
class SettingPoint:
    """A setting to be drawn.

    Attributes:
        varied: What distinguishes it.
        mean: Mean of the metric over its runs.
        spread: Their standard deviation; NaN for a single one.
        values: The metric of each.
    """

    varied: Mapping[str, Any]
    mean: float
    spread: float
    values: Sequence[float]


def plot_sweep(points: Sequence[SettingPoint], metric: str, path: str | os.PathLike[str]) -> None:
    """Write the figure of a sweep as a PNG.

    Settings that differ in one number lie along it; others stand one below the other, the highest
    first.
    """
    from matplotlib import rc_context

    from spiketheory.documents.canvas import Figure

    names = list(points[0].varied)
    numbers = [[point.varied.get(name) for point in points] for name in names]
    is_curve = len(names) == 1 and len(points) > 1 and all(map(is_number, numbers[0]))
    with rc_context(STYLE):
        height = 3.4 if is_curve else 1.2 + 0.28 * min(len(points), MOST_SETTINGS)
        figure = Figure(figsize=(6.4, height), layout="constrained", dpi=150)
        axes = figure.subplots()
        if is_curve:
            draw_curve(axes, points, names[0], metric)
        else:
            draw_rows(axes, points, metric)
        save_figure(figure, path)


def is_number(value: Any) -> bool:
    """Whether a value has a place on an axis."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def draw_curve(axes: "Axes", points: Sequence[SettingPoint], name: str, metric: str) -> None:
    """The metric over one number that varies."""
    ordered = sorted(points, key=lambda point: point.varied[name])
    at = np.array([float(point.varied[name]) for point in ordered])
    means = np.array([point.mean for point in ordered])
    spreads = np.nan_to_num([point.spread for point in ordered])
    for x, point in zip(at, ordered, strict=True):
        axes.plot([x] * len(point.values), point.values, ".", color=GREY, markersize=5, zorder=3)
    axes.errorbar(at, means, spreads, color=BLUE, marker="o", markersize=4, capsize=3)
    if at[0] > 0 and at[-1] / at[0] >= 10:
        axes.set_xscale("log")
    axes.set_xlabel(name.replace("_", " "))
    axes.set_ylabel(metric.replace("_", " "))


def draw_rows(axes: "Axes", points: Sequence[SettingPoint], metric: str) -> None:
    """One row per setting, the highest first."""
    ordered = sorted(points, key=lambda point: -point.mean)[:MOST_SETTINGS]
    for row, point in enumerate(ordered):
        axes.plot(point.values, [row] * len(point.values), ".", color=GREY, markersize=4)
        spread = 0.0 if np.isnan(point.spread) else point.spread
        axes.errorbar(point.mean, row, xerr=spread, color=BLUE, marker="o", markersize=4, capsize=3)
    labels = [", ".join(f"{k} {show_value(v)}" for k, v in p.varied.items()) for p in ordered]
    axes.set_yticks(range(len(ordered)), [label or "all runs" for label in labels])
    axes.invert_yaxis()
    axes.set_xlabel(metric.replace("_", " "))


def show_value(value: Any) -> str:
    """A value in few letters."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
