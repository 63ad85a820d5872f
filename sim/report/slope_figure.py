"""The loss along a line of weights, drawn for one run beside another."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sim.analysis.spike_figures import save_figure
from sim.analysis.training_figures import BLUE, GREY, ORANGE, STYLE, VERMILION
from sim.report.slope import STEEP, LossLine

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, HEIGHT = 9.6, 2.9


def plot_lines(lines: Sequence[LossLine], path: str | os.PathLike[str]) -> None:
    """Write the figure as PNG or SVG: a row for each run."""
    import matplotlib as mpl

    from spiketheory.documents.canvas import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, HEIGHT * len(lines)), layout="constrained")
        rows = figure.subplots(len(lines), 2, squeeze=False, width_ratios=(1.6, 1.0))
        for (left, right), line in zip(rows, lines, strict=True):
            draw_line(left, line)
            draw_changes(right, line)
        rows[-1, 0].set_xlabel("position on a line of input weights")
        rows[-1, 1].set_xlabel("change in a step, in medians")
    save_figure(figure, path)


def draw_line(axes: "Axes", line: LossLine) -> None:
    """The loss; jumps are red, steep places orange."""
    axes.plot(line.places, line.losses, color=BLUE, linewidth=1.2)
    low, high = float(line.losses.min()), float(line.losses.max())
    room = 0.08 * (high - low or 1.0)
    for one in line.steep:
        color = VERMILION if one.jumps else ORANGE
        axes.plot([one.place] * 2, [low - room, low - 0.3 * room], color=color, linewidth=1.2)
    axes.axvline(0, color=GREY, linewidth=0.8, linestyle=":")
    axes.set(ylabel="loss", xlim=(-1, 1))
    n = line.n_jumps
    said = f"{n} jump{'s' * (n != 1)}" if n else "no jump"
    smooth = sum(not one.jumps for one in line.steep)
    steep = f"{smooth or 'no'} steep place{'s' * (smooth != 1)} beside"
    axes.set_title(f"{line.model}: {said}, {steep}")


def draw_changes(axes: "Axes", line: LossLine) -> None:
    """How much the loss changes in a step: how many steps change by more."""
    changes = np.sort(np.abs(np.diff(line.losses))) / (line.median or 1.0)
    axes.step(changes, np.arange(len(changes), 0, -1), where="post", color=BLUE, linewidth=1.4)
    axes.axvline(STEEP, color=GREY, linewidth=0.8, linestyle=":")
    axes.set(xscale="log", yscale="log", ylabel="steps with more")
    positive = changes[changes > 0]
    if len(positive):
        axes.set_xlim(max(float(positive[0]), 1e-3), 2 * float(changes[-1]))
