"""Figures of what learning does to spikes: losses, rasters with targets, marks of pseudospikes.

Matplotlib is imported only when something is drawn, and only its object-oriented part.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.analysis.training_figures import BLUE, GREY, INK, ORANGE, SHADE, STYLE, VERMILION
from sim.events.recording import Recording
from spiketheory.files import replace_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from spiketheory.documents.canvas import Figure

HIGHEST = 50.0
"""Potentials beyond belong to a spike, whose time is known; traces have a gap there."""
PALE = "#c8c8c8"
MOST_NEURONS = 200
"""Rasters of more show dots in place of lines."""
LOSSES = (
    ("train_loss", "training", GREY, "-"),
    ("loss", "pseudospikes included", BLUE, "-"),
    ("test_loss", "held out", BLUE, "-"),
    ("loss_ordinary", "spikes alone", ORANGE, "--"),
    ("test_loss_ordinary", "held out, spikes alone", ORANGE, "--"),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class SpikePanel:
    """A trial to be drawn.

    Attributes:
        title: Headline.
        trains: Spike times of each neuron [time].
        targets: Target times by neuron; those that are not finite are not drawn [time].
        duration: The trial's end T [time].
    """

    title: str
    trains: Sequence[np.ndarray]
    targets: Mapping[int, np.ndarray] = field(default_factory=dict)
    duration: float


def save_figure(figure: "Figure", path: str | os.PathLike[str]) -> None:
    """Write a figure as PNG or SVG, by the suffix, whole or not at all."""
    import matplotlib as mpl

    kind = os.fspath(path).rsplit(".", 1)[-1].lower()
    nothing = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}.get(kind)
    style = {**STYLE, "svg.hashsalt": "spiketheory"}
    with replace_atomically(path) as temporary, mpl.rc_context(style):
        figure.savefig(temporary, format=kind, metadata=nothing)


def plot_losses(
    rows: Sequence[Mapping[str, float]], path: str | os.PathLike[str], *, unit: str
) -> None:
    """Write the loss over steps or epochs as a PNG; see `draw_losses`."""
    save_figure(draw_losses(rows, unit=unit), path)


def draw_losses(rows: Sequence[Mapping[str, float]], *, unit: str) -> "Figure":
    """Draw losses over steps or epochs; a loss of exactly 0 is not on the scale.

    Args:
        rows: Metrics with ``epoch`` and some of the losses that `LOSSES` names.
        unit: What epochs are called.
    """
    import matplotlib as mpl

    from spiketheory.documents.canvas import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 4.0), layout="constrained")
        axes = figure.subplots()
        epochs = np.array([row["epoch"] for row in rows]) + 1
        for key, label, color, style in LOSSES:
            if rows and key in rows[-1]:
                values = np.array([row[key] for row in rows], dtype=float)
                shown = np.where(values > 0, values, np.nan)
                axes.plot(epochs, shown, style, color=color, label=label)
        axes.set(xscale="log", yscale="log", xlabel=f"{unit} + 1", title="loss")
        axes.set_xlim(1, max(epochs.max(initial=1), 2))
        axes.legend()
    return figure


def plot_spike_panels(panels: Sequence[SpikePanel], path: str | os.PathLike[str]) -> None:
    """Write rasters side by side as a PNG; see `draw_spike_panels`."""
    save_figure(draw_spike_panels(panels), path)


def draw_spike_panels(panels: Sequence[SpikePanel]) -> "Figure":
    """Draw the spikes of all neurons, trial by trial; targets are wide bars behind them."""
    import matplotlib as mpl

    from spiketheory.documents.canvas import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.4 * len(panels), 4.0), layout="constrained")
        for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels,
                               strict=True):  # fmt: skip
            draw_spikes(axes, panel)
    return figure


def draw_spikes(axes: "Axes", panel: SpikePanel) -> None:
    """Draw one trial: neuron 1 on top, those with targets in colour."""
    n = len(panel.trains)
    offsets = np.arange(n, 0, -1)
    for k, (neuron, targets) in enumerate(panel.targets.items()):
        shown, y = targets[np.isfinite(targets)], offsets[neuron]
        axes.vlines(shown, y - 0.42, y + 0.42, color=PALE, linewidth=6, zorder=1,
                    label="" if k else "target")  # fmt: skip
    if n <= MOST_NEURONS:
        colors = [VERMILION if i in panel.targets else INK for i in range(n)]
        axes.eventplot(
            list(panel.trains), colors=colors, lineoffsets=offsets.tolist(), linelengths=0.7,
            linewidths=1.6,
        )  # fmt: skip
    else:
        for train, y in zip(panel.trains, offsets, strict=True):
            axes.plot(train, np.full(len(train), y), ".", color=INK, markersize=1)
    axes.set(xlim=(0, panel.duration), ylim=(0.3, n + 0.1 * n + 0.4), xlabel="time",
             ylabel="neuron", title=panel.title)  # fmt: skip
    if n <= 20:
        axes.set_yticks(offsets, map(str, range(1, n + 1)))
    else:
        axes.set_yticks([])
    axes.grid(visible=False, axis="y")
    if panel.targets:
        axes.legend(loc="upper right", borderaxespad=0.0)


def find_changes(counts: np.ndarray) -> list[dict[str, int]]:
    """Steps at which a number of spikes changed, and what it was from then on."""
    places = np.flatnonzero(np.diff(counts)) + 1
    return [{"step": int(k), "spikes": int(counts[k])} for k in places]


def trace_potential(recording: Recording) -> tuple[np.ndarray, np.ndarray]:
    """Times and potential of the probed neuron, with gaps (NaN) where it spikes."""
    times, values = recording.probe_times, recording.probed_state[0]["V"][:, 0].copy()
    values[np.abs(values) > HIGHEST] = np.nan
    places = np.searchsorted(times, recording.spike_time)
    return np.insert(times, places, recording.spike_time), np.insert(values, places, np.nan)


def shade_pseudospikes(
    axes: "Axes", duration: float, highest: float, *, side: Any = "right"
) -> None:
    """Shade the times after the trial's end on the vertical axis, named at one side."""
    axes.axhspan(duration, highest, color=SHADE, linewidth=0, zorder=0)
    axes.axhline(duration, color=GREY, linewidth=0.8)
    axes.set_ylim(0, highest)
    axes.text(
        0.98 if side == "right" else 0.02, 0.97, "pseudospikes", transform=axes.transAxes, ha=side,
        va="top", color=GREY, fontsize=8.5,
    )  # fmt: skip
