"""The continuity figure: where spikes vanish, and where they only shift.

For each model a neuron at rest receives an excitatory input. Left: its potential for three weights.
Middle: its first spike over the weight. Right: over the time of a second, inhibitory input. Jumps
are found by bisection (`spiketheory.checking.discontinuities`); spikes that leave through T are
none. The concept is that of Klos & Memmesheimer, Phys. Rev. Lett. 134, 027301 (2025).
"""

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from spiketheory.checking.discontinuities import Step, find_jumps
from spiketheory.checking.figures.failure_figure import save, trace
from spiketheory.checking.subject import Subject
from spiketheory.checking.trial import Place, Trial
from spiketheory.documents.figure_svg import GREY, INK, SHADE, STYLE, VERMILION

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CELLS = 240
NARROW = 1e-12
FLAT = 5e-4
"""Changes of the spike time that are followed, relative to the trial."""
JUST = 1.02
COLORS = ("#9ecae1", "#4292c6", "#08306b")
HEIGHT, WIDTH = 2.75, 11.0
WEIGHT, INHIBITORY = Place("input_weights", (0, 0)), Place("input_times", (1,))


@dataclass(frozen=True, kw_only=True, eq=False)
class Curve:
    """First spike time over a parameter.

    Attributes:
        values: The parameter, increasing, shape (P,).
        times: First spike before T; ``inf`` if there is none, shape (P,).
        jumps: Where it jumps.
    """

    values: np.ndarray
    times: np.ndarray
    jumps: list[Step]


@dataclass(frozen=True, kw_only=True, eq=False)
class Panel:
    """What one row of the figure shows.

    Attributes:
        subject: The model.
        start: Time of the excitatory input.
        trials: The trials of the left panel.
        by_weight: The middle panel; weights in units of ``unit``.
        by_time: The right panel.
        unit: The weight that makes the neuron spike, or spike in half the time.
        strong: The trial of the right panel without its inhibitory input.
    """

    subject: Subject
    start: float
    trials: tuple[Trial, ...]
    by_weight: Curve
    by_time: Curve
    unit: float
    strong: Trial

    @property
    def shifts(self) -> bool:
        """Whether no spike vanishes or jumps in the panels."""
        return not self.by_weight.jumps and not self.by_time.jumps


def observe_model(subject: Subject) -> Panel:
    """Run the experiments of one row.

    Args:
        subject: The model.
    """
    loop, scales = subject.loop, subject.scales
    unit = scales.critical
    at_rest = loop.enter(scales.rest)
    silent = math.isinf(loop.wait(at_rest))
    wait = float(loop.wait(loop.jump(at_rest, JUST * unit)))
    longest = 2.2 * (wait if silent else float(loop.wait(at_rest)))
    if not 0 < longest < math.inf:
        longest = 12 * scales.time
    start = float(f"{0.15 * longest:.2g}")
    duration = float(f"{start + longest:.2g}")
    fractions = (0.85, JUST, 1.5) if silent else (-0.5, 0.3, 1.2)
    low, high = (0.4, 3.0) if silent else (-2.0, 3.0)
    plain = Trial(
        duration=duration, weights=((0.0,),), input_weights=((0.0, 0.0),),
        input_times=(start, 2 * duration), input_neurons=(0, 1), initial=(scales.rest,),
    )  # fmt: skip
    strong = plain.move(WEIGHT, 1.5 * unit)
    first = subject.run(strong).trains[0]
    inhibited = strong.move(Place("input_weights", (0, 1)), -unit)
    last = min((first[0] if first else duration) * 1.25, duration)
    return Panel(
        subject=subject,
        start=start,
        trials=tuple(plain.move(WEIGHT, f * unit) for f in fractions),
        by_weight=sweep(subject, lambda v: plain.move(WEIGHT, v * unit), low, high, duration),
        by_time=sweep(subject, lambda t: inhibited.move(INHIBITORY, t), 0.0, last, duration),
        unit=unit,
        strong=strong,
    )


def sweep(
    subject: Subject, make: Callable[[float], Trial], low: float, high: float, duration: float
) -> Curve:
    """First spike times over a range, with their jumps."""
    pairs: dict[float, float] = {}

    def first(value: float) -> float:
        train = subject.run(make(value)).trains[0]
        pairs[value] = float(train[0]) if train else math.inf
        return pairs[value]

    def distance(a: float, b: float) -> float:
        return abs(min(a, duration) - min(b, duration))

    known = [(float(v), first(float(v))) for v in np.linspace(low, high, CELLS + 1)]
    jumps = find_jumps(first, distance, known, flat=FLAT * duration, narrow=NARROW)
    values = sorted(pairs)  # those of the bisections too: the curve is fine where it is steep
    return Curve(values=np.array(values), times=np.array([pairs[v] for v in values]), jumps=jumps)


def draw_continuity(path: str | os.PathLike[str], subjects: Sequence[Subject]) -> list[Panel]:
    """Draw the figure to a file, PNG or SVG by its suffix.

    Args:
        path: The file.
        subjects: The models, one row each.

    Returns:
        What the rows show.
    """
    from matplotlib import rc_context

    from spiketheory.documents.canvas import Figure

    with np.errstate(all="ignore"), rc_context({**STYLE, "font.size": 10}):
        panels = [observe_model(subject) for subject in subjects]
        height = HEIGHT * len(panels)
        canvas = Figure(figsize=(WIDTH, height), layout="constrained", facecolor="white")
        rows = canvas.subplots(len(panels), 3, squeeze=False, width_ratios=(1.25, 1, 1))
        for (left, middle, right), panel in zip(rows, panels, strict=True):
            said = f"no jump above {FLAT:.2%} of T" if panel.shifts else count_jumps(panel)
            left.set_title(
                f"{panel.subject.neuron.name}: {said}", loc="left", fontweight="bold",
                fontsize=11, color=INK, pad=12,
            )  # fmt: skip
            draw_potentials(left, panel)
            draw_weights(middle, panel)
            draw_times(right, panel)
            for axes in (left, middle, right):  # marks that stick out do not shrink the panels
                for artist in (*axes.texts, *axes.lines, *axes.patches):
                    artist.set_in_layout(False)
        save(canvas, path)
    return panels


def count_jumps(panel: Panel) -> str:
    """How often the first spike jumps or vanishes, in words."""
    number = len(panel.by_weight.jumps) + len(panel.by_time.jumps)
    return f"spikes vanish or jump ({number} jump{'s' if number > 1 else ''})"


def draw_potentials(axes: "Axes", panel: Panel) -> None:
    """Potentials for three weights, and spikes as triangles."""
    subject, scales = panel.subject, panel.subject.scales
    runs = [subject.run(trial) for trial in panel.trials]
    lines = [trace(subject.loop, run, 0, scales.voltage) for run in runs]
    low, high = frame(panel, [values for _, values in lines])
    for trial, run, (times, values), color in zip(panel.trials, runs, lines, COLORS, strict=True):
        inside = np.where((values < high + (high - low)) & (values > low - (high - low)), values,
                          np.nan)  # fmt: skip
        label = f"{trial.read(WEIGHT) / panel.unit:.3g}".replace("-", "−")
        axes.plot(times, inside, color=color, label=label)
        spikes = run.trains[0]
        axes.plot(spikes, [high] * len(spikes), linestyle="none", marker="v", color=color,
                  clip_on=False, zorder=5, markersize=7)  # fmt: skip
    axes.axvline(panel.start, color=GREY, linewidth=1, linestyle=":")
    if np.isfinite(scales.ceiling):
        axes.axhline(scales.ceiling, color=GREY, linewidth=1, linestyle=(0, (5, 3)))
    name = subject.neuron.state[scales.voltage].name
    axes.set(xlim=(0, panel.strong.duration), ylim=(low, high), xlabel="time t",
             ylabel=f"potential {name}")  # fmt: skip
    axes.legend(title="weight w/w₀", fontsize=8, title_fontsize=8, loc="center right",
                handlelength=1.2, frameon=True, framealpha=0.85, edgecolor="none")  # fmt: skip


def frame(panel: Panel, lines: Sequence[np.ndarray]) -> tuple[float, float]:
    """Range of potentials to show."""
    scales = panel.subject.scales
    rest, step = scales.rest[scales.voltage], scales.state[scales.voltage]
    if not np.isfinite(scales.ceiling):
        return rest - 4 * step, rest + 8 * step
    lowest = min(float(np.nanmin(values)) for values in lines)
    return min(lowest, rest) - 0.05 * (scales.ceiling - rest), scales.ceiling + 0.12 * (
        scales.ceiling - rest
    )


def draw_weights(axes: "Axes", panel: Panel) -> None:
    """First spike over the weight of the input."""
    draw_curve(axes, panel.by_weight, panel.strong.duration)
    for trial, color in zip(panel.trials, COLORS, strict=True):
        train = panel.subject.run(trial).trains[0]
        if train:
            axes.plot([trial.read(WEIGHT) / panel.unit], [train[0]], marker="v", color=color,
                      markersize=7, zorder=6)  # fmt: skip
    axes.set(xlabel="input weight w/w₀", ylabel="first spike")


def draw_times(axes: "Axes", panel: Panel) -> None:
    """First spike over the time of the inhibitory input."""
    draw_curve(axes, panel.by_time, panel.strong.duration)
    first = panel.subject.run(panel.strong).trains[0]
    if first:
        axes.axhline(first[0], color=GREY, linewidth=1, linestyle=":")
        axes.annotate("without inhibition", (0.02, first[0]), color=GREY, fontsize=8,
                      xycoords=axes.get_yaxis_transform(), xytext=(0, -3), va="top",
                      textcoords="offset points")  # fmt: skip
    axes.set(xlabel="time of an inhibitory input", ylabel="first spike")


def draw_curve(axes: "Axes", curve: Curve, duration: float) -> None:
    """A curve that ends where it jumps; grey where there is no spike, T as a dashed line."""
    pieces = np.split(np.arange(len(curve.values)), find_breaks(curve))
    for piece in pieces:
        times = np.where(np.isfinite(curve.times[piece]), curve.times[piece], np.nan)
        axes.plot(curve.values[piece], times, color=INK, linewidth=1.7)
    silent = ~np.isfinite(curve.times)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], silent.astype(int), [0]])))
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        left, right = curve.values[first], curve.values[min(last, len(curve.values) - 1)]
        axes.axvspan(left, right, color=SHADE, linewidth=0, zorder=0)
        if right - left > 0.12 * np.ptp(curve.values):
            axes.text((left + right) / 2, 0.42 * duration, "no spike", ha="center", color=GREY,
                      fontsize=9)  # fmt: skip
    for jump in curve.jumps:
        ends = [min(v, duration) for v in (jump.left, jump.right)]
        axes.plot([jump.low, jump.high], ends, color=VERMILION, linewidth=1.2, zorder=4,
                  linestyle=(0, (2, 1.5)))  # fmt: skip
        real = [(x, y) for x, y in ((jump.low, jump.left), (jump.high, jump.right)) if y < math.inf]
        for x, y in real:
            axes.plot([x], [y], marker="o", markerfacecolor="white", color=VERMILION, markersize=5,
                      zorder=7)  # fmt: skip
        text = "jumps" if len(real) == 2 else "vanishes"
        inner = jump.low < curve.values[0] + 0.6 * np.ptp(curve.values)
        axes.annotate(text, (jump.low, max(ends) if len(real) == 2 else real[0][1]), fontsize=9,
                      color=VERMILION, xytext=(7 if inner else -7, 6), ha="left" if inner else
                      "right", textcoords="offset points")  # fmt: skip
    axes.axhline(duration, color=GREY, linewidth=1, linestyle=(0, (5, 3)))
    axes.annotate("T", (0.985, duration), xycoords=axes.get_yaxis_transform(), color=GREY,
                  xytext=(0, -3), va="top", ha="right", textcoords="offset points",
                  fontsize=9)  # fmt: skip
    axes.set(xlim=(curve.values[0], curve.values[-1]), ylim=(0, 1.08 * duration))


def find_breaks(curve: Curve) -> list[int]:
    """Where the curve is cut: between the two sides of a jump, or next to no spike."""
    highs = {jump.high for jump in curve.jumps}
    return [k for k, v in enumerate(curve.values) if v in highs]
