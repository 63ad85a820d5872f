"""The figure of a failure: the potential, and the spike time, on both sides of a jump."""

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from spiketheory.checking.failure import Failure
from spiketheory.checking.loop import Loop, Run
from spiketheory.checking.subject import NotApplicable, Subject
from spiketheory.documents.figure_svg import BLUE, GREY, INK, STYLE, VERMILION
from spiketheory.files import replace_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DPI = 150
SAMPLES = 400
POINTS = 241
REACH = 2.0
"""How far around the jump spike times are shown, in steps of the parameter's scale."""


def draw_failure(path: str | os.PathLike[str], subject: Subject, failure: Failure) -> None:
    """Draw a failure to a file, PNG or SVG by its suffix."""
    from matplotlib import rc_context

    from spiketheory.documents.canvas import Figure

    with np.errstate(all="ignore"), rc_context(STYLE):
        canvas = Figure(figsize=(9.0, 3.9), layout="constrained", facecolor="white")
        moved = failure.place is not None and failure.values is not None
        panels = canvas.subplots(1, 2 if moved else 1, squeeze=False)[0]
        neuron = failure.gap.neuron if failure.gap else 0
        draw_potentials(panels[0], subject, failure, neuron)
        if moved:
            draw_times(panels[1], subject, failure, neuron)
        title = f"{subject.neuron.name}: {shorten(failure.text)}"
        canvas.suptitle(title, fontsize=10.5, color=INK)
        save(canvas, path)


def shorten(text: str) -> str:
    """A text in lines of a figure's width."""
    import textwrap

    return "\n".join(textwrap.wrap(text, 92))


def save(canvas: Any, path: str | os.PathLike[str]) -> None:
    """Write a canvas, whole or not at all; the same canvas gives the same file."""
    from matplotlib import rc_context

    style = str(path).rsplit(".", 1)[-1].lower()
    nothing = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}.get(style)
    with replace_atomically(path) as temporary, rc_context({"svg.hashsalt": "spiketheory"}):
        canvas.savefig(temporary, format=style, dpi=DPI, metadata=nothing)


def draw_potentials(axes: "Axes", subject: Subject, failure: Failure, neuron: int) -> None:
    """The potential over time for both values."""
    scales = subject.scales
    name = subject.neuron.state[scales.voltage].name
    sides = failure.sides if failure.values else failure.sides[:1]
    looks = ((BLUE, "-", 2.4), (VERMILION, (0, (4, 2)), 1.8))
    low, high = find_range(subject, failure, neuron)
    for trial, (color, style, width) in zip(sides, looks, strict=False):
        run = subject.loop.run(trial)
        times, values = trace(subject.loop, run, neuron, scales.voltage)
        label = label_side(failure, trial)
        axes.plot(times, np.where(values <= high * 2 + 1e3, values, np.nan), color=color,
                  linestyle=style, linewidth=width, label=label)  # fmt: skip
        for time in run.trains[neuron]:
            axes.plot([time], [high], marker="v", color=color, clip_on=False, zorder=5)
    if np.isfinite(scales.ceiling):
        axes.axhline(scales.ceiling, color=GREY, linewidth=1, linestyle=(0, (5, 3)))
    axes.set(xlim=(0, failure.trial.duration), ylim=(low, high), xlabel="time t",
             ylabel=f"membrane potential {name} of neuron {neuron}")  # fmt: skip
    if failure.values:
        axes.legend(loc="best", fontsize=8.5, frameon=True, framealpha=0.85, edgecolor="none")


def label_side(failure: Failure, trial: Any) -> str:
    """The value of the moved parameter in a trial."""
    return "" if failure.place is None else f"{trial.read(failure.place):.14g}"


def find_range(subject: Subject, failure: Failure, neuron: int) -> tuple[float, float]:
    """The range of potentials to show."""
    scales = subject.scales
    seen = []
    for trial in failure.sides:
        _, values = trace(subject.loop, subject.loop.run(trial), neuron, scales.voltage)
        seen.append(values[np.isfinite(values)])
    values = np.concatenate(seen)
    step = scales.state[scales.voltage] or 1.0
    if np.isfinite(scales.ceiling):
        low = max(float(values.min()), scales.rest[scales.voltage] - 30 * step)
        return low - 0.5 * step, scales.ceiling + step
    middle = scales.rest[scales.voltage]
    return middle - 8 * step, middle + 12 * step


def draw_times(axes: "Axes", subject: Subject, failure: Failure, neuron: int) -> None:
    """Spike times of the neuron over the parameter that is moved."""
    assert failure.place is not None
    assert failure.values is not None
    place = failure.place
    T = failure.trial.duration
    middle = failure.values[0]
    width = REACH * find_width(subject, failure)
    fine = np.concatenate([[0.0], np.logspace(-9, 0, POINTS // 2)])
    values = np.sort(np.concatenate([middle - width * fine, middle + width * fine]))
    if place.field in ("input_times", "duration"):
        values = values[values >= 0]
    trains = []
    for value in values:
        try:
            run: Run | None = subject.run(failure.trial.move(place, float(value)))
        except NotApplicable:
            run = None
        trains.append(run.trains[neuron] if run else [])
    most = max(map(len, trains), default=0)
    for k in range(most):
        times = np.array([t[k] if k < len(t) else np.nan for t in trains])
        axes.plot(values, break_line(values, times, middle), color=BLUE,
                  label="spike times" if k == 0 else None)  # fmt: skip
    axes.axvline(middle, color=VERMILION, linewidth=1.1, linestyle=(0, (4, 2)))
    axes.axhline(T, color=GREY, linewidth=1, linestyle=(0, (5, 3)))
    numbers = "".join(f"[{i}]" for i in place.index)
    axes.set(xlim=(values[0], values[-1]), ylim=(0, 1.06 * T), xlabel=f"{place.field}{numbers}",
             ylabel=f"spike times of neuron {neuron}")  # fmt: skip
    axes.annotate("T", (0.985, T), xycoords=axes.get_yaxis_transform(), color=GREY, va="top",
                  ha="right", xytext=(0, -3), textcoords="offset points")  # fmt: skip


def find_width(subject: Subject, failure: Failure) -> float:
    """The scale of the moved parameter."""
    from spiketheory.checking.shrink import find_step

    assert failure.place is not None
    return find_step(subject, failure.place)


def break_line(values: np.ndarray, times: np.ndarray, middle: float) -> np.ndarray:
    """Times with a gap at the jump, so that no line is drawn across it."""
    broken = times.copy()
    broken[np.argmin(np.abs(values - middle))] = np.nan
    return broken


def trace(
    loop: Loop, run: Run, neuron: int, variable: int, *, samples: int = SAMPLES
) -> tuple[np.ndarray, np.ndarray]:
    """A state variable over time.

    Args:
        loop: The event loop in floats.
        run: The trial.
        neuron: The neuron.
        variable: Place of the variable.
        samples: About how many points.

    Returns:
        Times and values, shape (P,) each; NaN breaks the line at the neuron's spikes.
    """
    T = float(run.trial.duration)
    times: list[float] = []
    values: list[float] = []
    pieces = [(e.starts[neuron], e.time, e.duration, e.neuron == neuron) for e in run.events]
    pieces.append((run.last[neuron], T, run.left, False))
    for start, end, duration, spikes in pieces:
        number = max(2, int(samples * duration / T))
        fractions = np.linspace(0, 1, number)
        if spikes:  # denser where the variable may blow up
            fractions = np.unique([*fractions[:-1], *(1 - np.logspace(-2, -9, 40))])
        for f in fractions:
            times.append(float(end - duration * (1 - f)))
            values.append(
                float(loop.leave(loop.step("flow", start, float(duration * f)))[variable])
            )
        if spikes:
            times.append(float(end))
            values.append(np.nan)
    return np.array(times), np.array(values)
