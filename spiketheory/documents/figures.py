"""Figures of a document: SVG to stand inside a page, drawn from generated code.

Matplotlib is imported only when something is drawn, and only its object-oriented part: no pyplot,
no window, no global state. The same model gives the same text.
"""

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy as sp

from spiketheory.documents.blocks import Figure
from spiketheory.documents.figure_data import (
    Neuron,
    Response,
    Trajectory,
    choose_weights,
    find_unit,
    follow,
    make_neuron,
    respond,
)
from spiketheory.documents.figure_svg import (
    BLUE,
    GREEN,
    GREY,
    INK,
    SHADE,
    STYLE,
    VERMILION,
    make_canvas,
    write_svg,
)
from spiketheory.generation.kernel_ir import VerifiedKernel
from spiketheory.language.model import NeuronModel
from spiketheory.machine.compile import CompiledModel, load_compiled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """A model, its numbers, and how to label them.

    Attributes:
        model: The model.
        response: Spike times over weights.
        trajectories: What happens up to the spike.
        voltage: Place of the variable that spikes among the state variables.
        threshold: Where it spikes; ``inf`` for a blow-up.
        time_unit: Unit of times; empty if the model gives none.
    """

    model: NeuronModel
    response: Response
    trajectories: tuple[Trajectory, ...]
    voltage: int
    threshold: float
    time_unit: str

    @property
    def voltage_name(self) -> str:
        """Name of the variable that spikes."""
        return self.model.state[self.voltage].name

    def label_time(self, text: str) -> str:
        """An axis label with the unit of time."""
        return f"{text} [{self.time_unit}]" if self.time_unit else text

    @property
    def setting(self) -> str:
        """Default values of the parameters, for captions."""
        values = ", ".join(f"{p.name} = {p.default:g}" for p in self.model.parameters)
        return f" Parameters: {values}." if values else ""


def draw_figures(
    verified: VerifiedKernel, *, compiled: CompiledModel | None = None
) -> tuple[Figure, ...]:
    """Run a model's generated code, and draw what its neuron does.

    Args:
        verified: The derivation.
        compiled: The code generated from it, with the backend ``numpy``; None generates it.

    Returns:
        The figures; none for a model whose rest state no input makes spike.
    """
    from matplotlib import rc_context

    model = verified.derivation.shown
    with np.errstate(all="ignore"), rc_context(STYLE):
        scene = observe(model, compiled or compile_verified(verified))
        if scene is None:
            return ()
        drawers: list[Callable[[Scene], Figure]] = [draw_potential, draw_spike_time]
        if len(model.state) == 2:
            drawers.insert(1, draw_portrait)
        return tuple(draw(scene) for draw in drawers)


def compile_verified(verified: VerifiedKernel) -> CompiledModel:
    """The code generated from a derivation, interpreted by NumPy."""
    from spiketheory.generation.generate import generate
    from spiketheory.machine.generated_file import import_file

    with tempfile.TemporaryDirectory(prefix="spiketheory-") as folder:
        path = Path(folder) / f"figures_{verified.derivation.shown.digest[:16]}.py"
        path.write_text(generate(verified), encoding="utf-8")
        module = import_file(path)
        try:
            return load_compiled(module, backend="numpy")
        finally:
            del sys.modules[module.__name__]


def observe(model: NeuronModel, compiled: CompiledModel) -> Scene | None:
    """Run the experiments that the figures show; None if no weight makes a neuron spike."""
    values = {p.symbol: p.default for p in model.parameters}
    rest = [read_float(value, values) for value in model.rest]
    neuron = make_neuron(compiled, rest)
    unit = find_unit(neuron)
    if unit is None:
        return None
    response = respond(neuron, unit)
    return Scene(
        model=model,
        response=response,
        trajectories=follow_those_that_start(neuron, response),
        voltage=model.state.index(model.spike.variable),
        threshold=np.inf
        if model.spike.is_blowup
        else read_float(model.spike.value, values | dict(zip(model.state, rest, strict=True))),
        time_unit=next((p.unit for p in model.parameters if p.name.startswith("tau")), ""),
    )


def follow_those_that_start(neuron: Neuron, response: Response) -> tuple[Trajectory, ...]:
    """Trajectories, without those that begin with a spike."""
    weights = [w for w in choose_weights(response) if neuron.spike_time(w) > 0]
    return follow(neuron, weights)


def read_float(value: sp.Basic, values: dict[sp.Symbol, float]) -> float:
    """A number of the model, with its parameters at their defaults."""
    return float(value.subs(values))


# Potential over time


def draw_potential(scene: Scene) -> Figure:
    """Membrane potential up to the spike, for several inputs."""
    canvas, (axes,) = make_canvas(height=3.9)
    lower, upper = frame_voltage(scene)
    for line, color in color_lines(scene):
        draw_line(axes, line.times, line.states[scene.voltage], line, color)
        if np.isfinite(line.spike_time):
            mark_spike(axes, line, color, scene, upper)
    if np.isfinite(scene.threshold):
        axes.axhline(scene.threshold, color=GREY, linewidth=1, linestyle=(0, (5, 3)))
    axes.set(ylim=(lower, upper), xlim=(0, None))
    axes.set_xlabel(scene.label_time("time t"))
    axes.set_ylabel(f"membrane potential {scene.voltage_name}")
    axes.legend(title="input weight w", loc="center left", bbox_to_anchor=(1.0, 0.5))
    where = f"{scene.voltage_name} = {scene.threshold:g}" if np.isfinite(scene.threshold) else (
        f"{scene.voltage_name} → ∞"
    )  # fmt: skip
    text = (
        "Membrane potential of a neuron at rest that receives an input of weight w at time 0, up "
        f"to its spike ({where}, triangles). Dashed grey lines never spike."
    )
    return finish(canvas, scene, "potential", text)


def frame_voltage(scene: Scene) -> tuple[float, float]:
    """Range of potentials to show."""
    starts = [line.states[scene.voltage][0] for line in scene.trajectories]
    quiet = [
        line.states[scene.voltage]
        for line in scene.trajectories
        if np.isinf(line.spike_time) or np.isfinite(scene.threshold)
    ]
    shown = np.concatenate([np.array(starts), *quiet])
    low, high = np.min(shown), np.max(shown)
    if np.isfinite(scene.threshold):
        high = max(high, scene.threshold)
        return low - 0.06 * (high - low), high + 0.1 * (high - low)
    size = max(high - low, scene.response.unit)
    return low - 0.06 * size, high + 0.7 * size


def color_lines(scene: Scene) -> list[tuple[Trajectory, str]]:
    """Trajectories and their colours: the larger the weight, the warmer; grey without a spike."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    spiking = [line for line in scene.trajectories if np.isfinite(line.spike_time)]
    places = np.linspace(0.28, 0.8, max(len(spiking), 2))
    colors = {id(s): to_hex(colormaps["plasma"](p)) for s, p in zip(spiking, places, strict=False)}
    return [(line, colors.get(id(line), GREY)) for line in scene.trajectories]


def draw_line(axes: "Axes", x: Any, y: Any, line: Trajectory, color: str) -> None:
    """A trajectory."""
    silent = np.isinf(line.spike_time)
    axes.plot(
        x, y, color=color, label=f"{line.weight:.3g}".replace("-", "−"),
        linestyle=(0, (4, 2)) if silent else "-", linewidth=1.4 if silent else 1.8,
    )  # fmt: skip


def mark_spike(axes: "Axes", line: Trajectory, color: str, scene: Scene, upper: float) -> None:
    """A triangle where the neuron spikes; under one at infinity, the line that it tends to."""
    if np.isinf(scene.threshold):
        axes.axvline(line.spike_time, color=color, linewidth=0.9, linestyle=":", alpha=0.6)
    place = scene.threshold if np.isfinite(scene.threshold) else upper
    axes.plot(
        [line.spike_time], [place], color=color, marker="^", markersize=8, clip_on=False, zorder=5
    )


# Two state variables


def draw_portrait(scene: Scene) -> Figure:
    """Trajectories in the plane of the two state variables."""
    canvas, (axes,) = make_canvas(height=4.6)
    other = 1 - scene.voltage
    lower, upper = frame_voltage(scene)
    heights = np.concatenate([line.states[other] for line in scene.trajectories])
    heights = heights[np.isfinite(heights)]
    margin = 0.08 * (np.ptp(heights) or scene.response.unit)
    bottom, top = np.min(heights) - margin, np.max(heights) + margin
    axes.set(xlim=(lower, upper), ylim=(bottom, top))
    draw_field(axes, scene)
    for line, color in color_lines(scene):
        draw_line(axes, line.states[scene.voltage], line.states[other], line, color)
        axes.plot(
            line.states[scene.voltage][:1], line.states[other][:1], color=color, marker="o",
            markersize=5, clip_on=False,
        )  # fmt: skip
    edge = scene.threshold if np.isfinite(scene.threshold) else upper
    axes.axvline(edge, color=VERMILION, linewidth=2.5, label="spike")
    axes.set_xlabel(f"membrane potential {scene.voltage_name}")
    axes.set_ylabel(scene.model.state[other].name)
    axes.legend(title="input weight w", loc="center left", bbox_to_anchor=(1.0, 0.5))
    text = (
        "The same in the plane of both state variables. Dots: just after the input; arrows: the "
        "direction of the model's equations; thin lines: where "
        f"d{scene.voltage_name}/dt = 0 (blue) and d{scene.model.state[other].name}/dt = 0 (green)."
    )
    return finish(canvas, scene, "portrait", text)


def draw_field(axes: "Axes", scene: Scene) -> None:
    """Directions of the equations, and their nullclines."""
    velocity = make_velocity(scene.model)
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    grid = np.meshgrid(np.linspace(left, right, 22)[1:-1], np.linspace(bottom, top, 18)[1:-1])
    dx, dy = order(velocity(*order(grid, scene.voltage)), scene.voltage)
    dx, dy = dx / (right - left) * 1.5, dy / (top - bottom)  # as long on the page in any direction
    length = np.hypot(dx, dy)
    length[length == 0] = 1
    axes.quiver(
        *grid, dx / length / 1.5 * (right - left), dy / length * (top - bottom), color=GREY,
        alpha=0.5, angles="xy", scale_units="xy", scale=24, width=0.0022, pivot="mid",
    )  # fmt: skip
    fine = np.meshgrid(np.linspace(left, right, 200), np.linspace(bottom, top, 200))
    speeds = order(velocity(*order(fine, scene.voltage)), scene.voltage)
    for speed, color in zip(speeds, (BLUE, GREEN), strict=True):
        finite = np.ma.masked_invalid(speed)
        if finite.count() and finite.min() < 0 < finite.max():
            axes.contour(*fine, finite, levels=[0], colors=[color], linewidths=1.1)


def order(pair: Any, voltage: int) -> Any:
    """Two things in the order (potential, other variable), or back."""
    return (pair[0], pair[1]) if voltage == 0 else (pair[1], pair[0])


def make_velocity(model: NeuronModel) -> Callable[..., list[np.ndarray]]:
    """The right-hand sides of the model's equations, for arrays."""
    values = {p.symbol: p.default for p in model.parameters}
    function = sp.lambdify(
        model.state, [d.subs(values) for d in model.derivatives], "numpy", dummify=True
    )

    def velocity(*state: np.ndarray) -> list[np.ndarray]:
        return [np.broadcast_to(v, state[0].shape).astype(float) for v in function(*state)]

    return velocity


# Spike time over the input weight


def draw_spike_time(scene: Scene) -> Figure:
    """Spike time over the weight, and its gradient below."""
    canvas, (above, below) = make_canvas(height=5.4, rows=2)
    response = scene.response
    spikes = np.isfinite(response.times)
    above.plot(response.weights, np.where(spikes, response.times, np.nan), color=BLUE)
    below.plot(response.weights, np.where(spikes, response.gradients, np.nan), color=BLUE)
    late = [b.weight for b in response.boundaries if b.late]
    frame(above, response.weights, np.where(spikes, response.times, np.nan), late)
    diverging = [b.weight for b in response.boundaries if b.diverges]
    frame(below, response.weights, response.gradients, diverging)
    shade_silence(above, below, response)
    mark_boundaries(above, below, response)
    above.set_ylabel(scene.label_time("spike time"))
    below.set_ylabel(scene.label_time("derivative by w"))
    below.set_xlabel("weight w of an input at time 0")
    above.set_xlim(response.weights[0], response.weights[-1])
    canvas.align_ylabels()
    text = (
        "Spike time of a neuron at rest that receives an input of weight w at time 0, and below "
        f"it its exact derivative by w. {describe_boundaries(response)}"
    )
    return finish(canvas, scene, "spike_time", text)


def describe_boundaries(response: Response) -> str:
    """What happens at the weights where spikes begin, in a sentence."""
    if not response.boundaries:
        if np.all(np.isfinite(response.times)):
            return "There is a spike for every weight shown."
        return "There is no spike in the shaded range."
    parts = []
    for boundary in response.boundaries:
        if boundary.at_once:
            parts.append(f"from w = {boundary.weight:.4g} on the input makes it spike at once")
            continue
        gradient = "diverges" if boundary.diverges else "stays finite"
        time = "grows without bound" if boundary.late else "stays finite"
        where = f"at w = {boundary.weight:.4g}"
        parts.append(f"{where} the spike time {time} and its gradient {gradient}")
    return f"There is no spike in the shaded range; {', '.join(parts)}."


def frame(axes: "Axes", weights: np.ndarray, values: np.ndarray, poles: list[float]) -> None:
    """Limits that show zero, and the curve away from where it diverges."""
    far = np.isfinite(values)
    for pole in poles:
        far &= np.abs(weights - pole) > 0.02 * (weights[-1] - weights[0])
    shown = values[far] if np.any(far) else np.zeros(1)
    low, high = min(np.min(shown), 0.0), max(np.max(shown), 0.0)
    high = high if high > low else 1.0
    margin = 0.08 * (high - low)
    axes.set_ylim(low - (margin if low < 0 else 0), high + (margin if high > 0 else 0))


def shade_silence(above: "Axes", below: "Axes", response: Response) -> None:
    """Grey where there is no spike."""
    weights, silent = response.weights, ~np.isfinite(response.times)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], silent.astype(int), [0]])))
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        left, right = weights[first], weights[min(last, len(weights) - 1)]
        for axes in (above, below):
            axes.axvspan(left, right, color=SHADE, linewidth=0, zorder=0)
        above.text(
            (left + right) / 2, 0.5, "no spike", transform=above.get_xaxis_transform(),
            ha="center", va="center", color=INK,
        )  # fmt: skip


def mark_boundaries(above: "Axes", below: "Axes", response: Response) -> None:
    """Lines where the gradient diverges."""
    for boundary in response.boundaries:
        if not boundary.diverges:
            continue
        for axes in (above, below):
            axes.axvline(boundary.weight, color=VERMILION, linewidth=1.3, linestyle=(0, (4, 2)))
        below.annotate(
            "gradient diverges", (boundary.weight, 0.08), color=VERMILION,
            xytext=(-7 if boundary.spikes_above else 7, 0), textcoords="offset points",
            ha="right" if boundary.spikes_above else "left", xycoords=below.get_xaxis_transform(),
        )  # fmt: skip


def finish(canvas: "Canvas", scene: Scene, name: str, text: str) -> Figure:
    """A block of a drawn canvas."""
    svg = write_svg(canvas, name=f"{scene.model.name}-{name.replace('_', '-')}")
    return Figure(svg=svg, caption=text + scene.setting, alt=text)
