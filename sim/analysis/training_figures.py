"""Figures and tables of a training: learning curves, spike rasters, metrics as CSV.

`draw_...` returns a Matplotlib figure, `plot_...` writes it as a PNG. Matplotlib is imported only
when something is drawn, and only its object-oriented part: no pyplot, no window, no global state.
"""

import csv
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from spiketheory.errors import InputError, check_positive, check_shape
from spiketheory.files import replace_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    from spiketheory.documents.canvas import Figure

    Rows = Sequence[Mapping[str, float]]

INK, GREY, SHADE = "#222222", "#7a7a7a", "#ececec"
# Okabe & Ito's colour-blind safe palette.
BLUE, ORANGE, GREEN = "#0072B2", "#E69F00", "#009E73"
VERMILION, PURPLE, SKY = "#D55E00", "#CC79A7", "#56B4E9"
STYLE: Any = {
    "axes.edgecolor": GREY,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "figure.constrained_layout.h_pad": 0.08,
    "figure.constrained_layout.w_pad": 0.08,
    "figure.dpi": 150,
    "figure.facecolor": "white",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.7,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "savefig.dpi": "figure",
    "xtick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.color": GREY,
    "ytick.labelcolor": INK,
}
# Key of a metric, label, colour, line.
_CURVES = (
    ("train_{}", "training", GREY, "-"),
    ("test_{}", "test", BLUE, "-"),
    ("test_{}_ordinary", "test without pseudospikes", ORANGE, "--"),
)
_WITH_VALIDATION = (
    ("train_{}", "training", GREY, "-"),
    ("validation_{}", "validation", BLUE, "-"),
    ("validation_{}_ordinary", "validation without pseudospikes", ORANGE, "--"),
    ("test_{}", "test", VERMILION, "o"),
)
CURVE_KEYS = (
    *("epoch", "spikes_per_hidden_neuron", "silent_fraction"),
    *(key.format(metric) for metric in ("accuracy", "loss") for key, *_ in _CURVES),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class RasterPanel:
    """One trial to be drawn: what every neuron did with one sample.

    Attributes:
        title: Headline, such as "before training".
        input_image: The sample, shape (H, W), larger is darker; None if it is no image.
        label: Index of the right output neuron.
        spike_time: Times of all spikes up to T, shape (S,) [tau].
        spike_neuron: Who spiked, counted over the layers in order, shape (S,).
        layer_sizes: Neurons in each layer without the input: hidden layers, then the output.
        output_time: First spike or pseudospike of each output, shape (n_out,) [tau]; may lie
            after T, or be inf (not drawn).
        T: End of the trial [tau].
        probabilities: Of each output, where they do not spike but are read from hidden spikes,
            shape (n_out,); None if they spike.
    """

    title: str
    input_image: np.ndarray | None
    label: int
    spike_time: np.ndarray
    spike_neuron: np.ndarray
    layer_sizes: Sequence[int]
    output_time: np.ndarray
    T: float
    probabilities: np.ndarray | None = None

    def __post_init__(self) -> None:
        check_positive("T", self.T)
        if not self.layer_sizes or min(self.layer_sizes) < 1:
            raise InputError(
                f"Expected layers of at least one neuron but got {tuple(self.layer_sizes)}; "
                "give the sizes of the hidden layers and of the output."
            )
        check_shape("spike_time", self.spike_time, (None,))
        check_shape("spike_neuron", self.spike_neuron, self.spike_time.shape)
        check_shape("output_time", self.output_time, (self.layer_sizes[-1],))
        if self.input_image is not None:
            check_shape("input_image", self.input_image, (None, None))
        _check_index("spike_neuron", self.spike_neuron, sum(self.layer_sizes))
        _check_index("label", np.array([self.label]), self.layer_sizes[-1])


def plot_learning_curves(rows: "Rows", path: str | os.PathLike[str]) -> None:
    """Write the learning curves of a training as a PNG; see `draw_learning_curves`."""
    _save(draw_learning_curves(rows), path)


def plot_rasters(panels: Sequence[RasterPanel], path: str | os.PathLike[str]) -> None:
    """Write spike rasters as a PNG; see `draw_rasters`."""
    _save(draw_rasters(panels), path)


def write_metrics_csv(rows: "Rows", path: str | os.PathLike[str]) -> None:
    """Write metrics as CSV, one line per row under a line of names, exact to the last bit.

    Raises:
        InputError: If there are no rows, their keys differ, or the file cannot be written.
    """
    keys = tuple(dict.fromkeys(key for row in rows for key in row))
    _check_rows(rows, keys)
    with replace_atomically(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=keys, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def draw_learning_curves(rows: "Rows") -> "Figure":
    """Draw error rate, loss and activity over the epochs.

    Args:
        rows: Metrics per epoch with (at least) the keys `CURVE_KEYS`; accuracies and the silent
            fraction between 0 and 1. A value that is not finite leaves a gap.

    Raises:
        InputError: If there are no rows or a key is missing.
    """
    from matplotlib import rc_context

    _check_rows(rows, CURVE_KEYS)
    with rc_context(STYLE):
        jumps = [row for row in rows if np.isfinite(row.get("spikes_appeared", np.nan))]
        figure = _new_figure(10.0, 7.2 if jumps else 5.4)
        grid = figure.add_gridspec(3 if jumps else 2, 2, width_ratios=[1.35, 1.0])
        error, loss = figure.add_subplot(grid[:, 0]), figure.add_subplot(grid[0, 1])
        _draw_curves(error, rows, "accuracy", "Error rate", "{:.3g} %", headroom=0.16)
        error.set(xlabel="epoch", ylabel="wrong decisions (%)")
        _draw_curves(loss, rows, "loss", "Loss", "{:.3g}", headroom=0.42)
        activity = figure.add_subplot(grid[1, 1], sharex=loss)
        _draw_activity(activity, rows)
        if jumps:
            _draw_jumps(figure.add_subplot(grid[2, 1], sharex=loss), jumps)
            activity.set_xlabel("")
            activity.tick_params(labelbottom=False)
        loss.tick_params(labelbottom=False)
    return figure


def _draw_curves(
    axes: "Axes", rows: "Rows", metric: str, title: str, form: str, *, headroom: float
) -> None:
    """Draw one metric of training and test on a logarithmic axis, final values in the legend.

    The fraction ``headroom`` of the axis stays free above the curves, for the legend.
    """
    epoch = _column(rows, "epoch")
    shown: list[np.ndarray] = []
    has_validation = f"validation_{metric}" in rows[0]
    for key, label, color, line in _WITH_VALIDATION if has_validation else _CURVES:
        value = _column(rows, key.format(metric))
        plain = key.format(metric).removesuffix("_ordinary")
        if "ordinary" in key and np.array_equal(value, _column(rows, plain)):
            continue  # there are no pseudospikes
        value = 100 * (1 - value) if metric == "accuracy" else value
        last = f" ({form.format(value[-1])})" if np.isfinite(value[-1]) else ""
        marker = {} if line == "o" else _marker(rows)
        axes.plot(epoch, value, line, color=color, label=label + last, **marker)
        shown.append(value)
    margin = max(0.5, 0.03 * (epoch[-1] - epoch[0]))
    axes.set_xlim(epoch[0] - margin, epoch[-1] + margin)
    axes.set_title(title)
    _scale_log(axes, np.concatenate(shown), headroom)
    axes.legend(loc="upper right")


def _scale_log(axes: "Axes", values: np.ndarray, headroom: float) -> None:
    """Make the axis logarithmic with plain numbers at 1, 2, 5; zeros fall off its lower end."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))
    positive = values[values > 0]
    if not len(positive):
        axes.set_ylim(bottom=0)
        return
    axes.set_yscale("log", nonpositive="clip")
    low, high = positive.min() / 1.25, positive.max() * 1.25
    axes.set_ylim(low, high)
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.set_yticks([tick for tick in axes.get_yticks() if low <= tick <= high])
    axes.set_ylim(low, high * (high / low) ** (headroom / (1 - headroom)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _draw_activity(axes: "Axes", rows: "Rows") -> None:
    """Draw spikes per hidden neuron (left axis) and the silent fraction (right axis)."""
    epoch, spikes = _column(rows, "epoch"), _column(rows, "spikes_per_hidden_neuron")
    silent = 100 * _column(rows, "silent_fraction")
    other = axes.twinx()
    axes.plot(epoch, spikes, color=GREEN, **_marker(rows))
    other.plot(epoch, silent, "--", color=VERMILION, **_marker(rows))
    axes.set(title="Activity", xlabel="epoch")
    axes.set_ylabel("spikes per\nhidden neuron", color=GREEN)
    other.set_ylabel("silent neurons (%)", color=VERMILION)
    other.grid(visible=False)
    other.spines["right"].set_visible(True)
    axes.set_ylim(0, 1.15 * max(np.nanmax(spikes, initial=0), 0.01))
    other.set_ylim(0, 105)


def _draw_jumps(axes: "Axes", rows: "Rows") -> None:
    """Draw how many spikes appear and vanish in mid-trial, per 1,000 hidden spikes."""
    epoch = _column(rows, "epoch")
    highest = 0.0
    for key, label, color, line in (
        ("spikes_appeared", "appear", VERMILION, "-"),
        ("spikes_vanished", "vanish", PURPLE, "--"),
    ):
        value = _column(rows, key)
        axes.plot(epoch, value, line, color=color, label=label, **_marker(rows))
        highest = max(highest, float(value.max()))
    axes.set(title="Spikes in mid-trial", xlabel="epoch", ylabel="per 1,000\nhidden spikes")
    axes.set_ylim(0, 1.25 * max(highest, 0.1))
    axes.legend(loc="upper right", ncols=2)


def draw_rasters(panels: Sequence[RasterPanel]) -> "Figure":
    """Draw spike rasters one above the other on a common time axis.

    Layers are stacked from the first hidden one at the bottom to the outputs at the top. Filled
    marks are spikes, hollow ones pseudospikes in the shaded time after T (compressed if it is
    long: see the ticks). The row of the right output is highlighted.

    Raises:
        InputError: If there are no panels.
    """
    from matplotlib import rc_context

    if not panels:
        raise InputError("Expected at least one raster panel but got none; pass a RasterPanel.")
    with rc_context(STYLE):
        heights = [2.6 + 0.42 * len(panel.layer_sizes) for panel in panels]
        figure = _new_figure(9.0, sum(heights) + 0.5)
        ratios = [1.0, 5.5] if any(panel.input_image is not None for panel in panels) else [1.0]
        shape = (len(panels), len(ratios))
        grid = figure.add_gridspec(*shape, width_ratios=ratios, height_ratios=heights)
        end = max(_last_time(panel) for panel in panels)
        for row, panel in enumerate(panels):
            axes = figure.add_subplot(grid[row, -1])
            _draw_raster(axes, panel, heights[row], end)
            _scale_time(axes, panel.T, end)
            if panel.input_image is not None:
                _draw_image(figure.add_subplot(grid[row, 0]), panel.input_image)
        squeezed = (
            ", compressed after the end of the trial" if axes.get_xscale() != "linear" else ""
        )
        axes.set_xlabel(f"time (in the model's unit of time{squeezed})")
        reads = any(panel.probabilities is not None for panel in panels)
        figure.legend(handles=_raster_key(reads), loc="outside lower center", ncols=4)
    return figure


def _draw_raster(axes: "Axes", panel: RasterPanel, inches: float, end: float) -> None:
    """Draw one trial: a band per layer, hidden layers in turn blue, green, purple, sky."""
    rows, edges = _place_rows(panel.layer_sizes)
    first_output = len(rows) - panel.layer_sizes[-1]
    pitch = np.diff(edges) / panel.layer_sizes * 72 * 0.8 * inches / edges[-1]  # points per neuron
    hidden_colors = (BLUE, GREEN, PURPLE, SKY)
    half = 0.5 * (edges[-1] - edges[-2]) / (panel.layer_sizes[-1] + 0.6)
    right = rows[first_output + panel.label]
    axes.axvspan(panel.T, end, color=SHADE, linewidth=0, zorder=0)
    axes.axhspan(right - half, right + half, color=ORANGE, alpha=0.3, linewidth=0, zorder=1)
    layer = np.searchsorted(np.cumsum(panel.layer_sizes), panel.spike_neuron, side="right")
    for index in range(len(panel.layer_sizes) - 1):
        chosen = layer == index
        axes.plot(
            panel.spike_time[chosen],
            rows[panel.spike_neuron[chosen]],
            "|",
            color=hidden_colors[index % len(hidden_colors)],
            markersize=float(np.clip(pitch[index], 4.5, 9.0)),
            markeredgewidth=1.3,
        )
        axes.axhline(edges[index + 1], color=GREY, linewidth=0.8)
    chosen = layer == len(panel.layer_sizes) - 1
    dot: Any = {"color": INK, "markersize": float(np.clip(0.75 * pitch[-1], 3.0, 8.0))}
    axes.plot(panel.spike_time[chosen], rows[panel.spike_neuron[chosen]], "o", **dot)
    pseudo = np.isfinite(panel.output_time) & (panel.output_time > panel.T)
    hollow = rows[first_output:][pseudo]
    axes.plot(panel.output_time[pseudo], hollow, "o", markerfacecolor="white", zorder=3, **dot)
    if panel.probabilities is not None:
        length, height = panel.T * panel.probabilities, 1.2 * half
        axes.barh(rows[first_output:], length, height, color=INK, alpha=0.75, zorder=2)
    _label_raster(axes, panel, rows, edges)


def _scale_time(axes: "Axes", T: float, end: float) -> None:
    """Show 0 to ``end``; compress what is after T to the width of 0.7 T if it would be wider."""
    squeeze = min(1.0, 0.7 * T / (end - T))
    if squeeze < 1:
        axes.set_xscale(
            "function",
            functions=(
                lambda t: np.where(t > T, T + (t - T) * squeeze, t),
                lambda x: np.where(x > T, T + (x - T) / squeeze, x),
            ),
        )
    axes.set_xlim(0, end)


def _place_rows(layer_sizes: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return each neuron's height and the layers' edges.

    Bands grow as the root of the layer's size, so that small layers stay visible; the output
    gets 40 % of the height above two hidden layers, less above more.
    """
    weight = np.sqrt(np.asarray(layer_sizes, dtype=float))
    if len(layer_sizes) > 1:
        weight[-1] = weight[:-1].sum() * 3 / (len(layer_sizes) + 1.5)
    edges = np.concatenate([[0.0], np.cumsum(weight / weight.sum())])
    bands = zip(edges[:-1], np.diff(edges), layer_sizes, strict=True)
    rows = [low + height * (np.arange(n) + 0.8) / (n + 0.6) for low, height, n in bands]
    return np.concatenate(rows), edges


def _label_raster(axes: "Axes", panel: RasterPanel, rows: np.ndarray, edges: np.ndarray) -> None:
    """Name the layers, the outputs, the decision and the end of the trial."""
    n_out = panel.layer_sizes[-1]
    decision = None
    if panel.probabilities is not None:
        decision = int(np.argmax(panel.probabilities))
    elif np.isfinite(panel.output_time).any():
        decision = int(np.argmin(panel.output_time))
    right = decision == panel.label
    verdict = "no decision" if decision is None else f"decides {decision}"
    axes.set_title(panel.title)
    color = GREEN if right else VERMILION
    axes.set_title(f"{verdict}, label {panel.label}", loc="right", color=color)
    step = math.ceil(n_out / 10)
    shown = [k for k in range(n_out) if k % step == 0 or k == panel.label]
    centres = (edges[:-2] + edges[1:-1]) / 2
    names = [f"hidden {k + 1} ({n})" for k, n in enumerate(panel.layer_sizes[:-1])]
    axes.set_yticks([*centres, *rows[len(rows) - n_out + np.array(shown)]])
    axes.set_yticklabels([*names, *map(str, shown)])
    axes.get_yticklabels()[len(names) + shown.index(panel.label)].set_fontweight("bold")
    axes.tick_params(axis="y", length=0, labelsize=9)
    axes.grid(visible=False)
    axes.set_ylim(0, 1)
    axes.axvline(panel.T, color=INK, linewidth=1.0, linestyle=":")
    if len(panel.spike_time) == 0 and len(names):
        axes.text(
            panel.T / 2, edges[-2] / 2, "no spikes", color=GREY, ha="center", va="center",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 2.0},
        )  # fmt: skip


def _draw_image(axes: "Axes", image: np.ndarray) -> None:
    axes.imshow(image, cmap="gray_r", interpolation="nearest")
    axes.set_title("input", fontweight="normal", fontsize=10, loc="center")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(True)


def _raster_key(reads: bool) -> list[Any]:
    """Return legend entries for the kinds of marks; ``reads`` if outputs do not spike."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    dot: Any = {"color": INK, "linestyle": "none", "marker": "o", "markersize": 6}
    spikes = [
        Line2D([], [], **dot, label="output spike"),
        Line2D([], [], **dot, markerfacecolor="white", label="pseudospike"),
    ]
    bar = Patch(color=INK, alpha=0.75, label="probability of the output (1: as long as the trial)")
    return [
        *([bar] if reads else spikes),
        Patch(color=SHADE, label="after the end of the trial"),
        Patch(color=ORANGE, alpha=0.3, linewidth=0, label="right output"),
    ]


def _last_time(panel: RasterPanel) -> float:
    """Return where the time axis ends: a little after T and after every pseudospike."""
    finite = panel.output_time[np.isfinite(panel.output_time)]
    return 1.04 * max(panel.T, float(finite.max(initial=0.0)))


def _new_figure(width: float, height: float) -> "Figure":
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from spiketheory.documents.canvas import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: "Figure", path: str | os.PathLike[str]) -> None:
    from matplotlib import rc_context

    with rc_context(STYLE), replace_atomically(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": "spiketheory"})


def _column(rows: "Rows", key: str) -> np.ndarray:
    """Return one metric of all rows; what is not finite becomes NaN, which is not drawn."""
    column = np.array([float(row[key]) for row in rows])
    column[~np.isfinite(column)] = np.nan
    return column


def _marker(rows: "Rows") -> dict[str, Any]:
    return {"marker": "o", "markersize": 4} if len(rows) <= 15 else {}


def _check_rows(rows: "Rows", keys: tuple[str, ...]) -> None:
    if not rows:
        raise InputError("Expected at least one row of metrics but got none; train for an epoch.")
    for index, row in enumerate(rows):
        missing = [key for key in keys if key not in row]
        if missing:
            raise InputError(
                f"Expected {', '.join(missing)} in row {index} of the metrics but got "
                f"{', '.join(row)}; give every row the same keys."
            )


def _check_index(name: str, index: np.ndarray, stop: int) -> None:
    if len(index) and (index.min() < 0 or index.max() >= stop):
        raise InputError(
            f"Expected {name} between 0 and {stop - 1} but got {index.min()} to {index.max()}; "
            "count from 0 over the layers in order, without the input."
        )
