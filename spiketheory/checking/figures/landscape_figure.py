"""The landscape figure: the loss of a small network in weight space, with every jump counted.

All models get the same network in their own units: the weight that makes a neuron at rest spike,
and the time that it takes. Left: the loss along a line through a starting point in weight space.
Right: on a plane through the same point, which holds the line. Jumps along the line are found by
bisection (`spiketheory.checking.discontinuities`); the follow-up on the learning side is Wenig,
Memmesheimer & Klos, arXiv:2606.03935.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from spiketheory.checking.discontinuities import Step, find_jumps
from spiketheory.checking.figures.failure_figure import save
from spiketheory.checking.subject import Subject
from spiketheory.checking.trial import Trial
from spiketheory.documents.figure_svg import BLUE, GREY, INK, STYLE, VERMILION

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INPUTS, HIDDEN, OUTPUTS = 4, 4, 2
SPIKES_PER_INPUT = 2
REQUIRED = 3
"""Spikes per output neuron that the loss looks at."""
STEPS = 28
"""Length of the trial, in steps of the model's time scale."""
REACH = 1.5
"""The line runs this far to either side, as a fraction of the starting weights' size."""
CELLS = 800
NARROW = 1e-13
FLAT = 1e-3
"""Changes of the loss that are followed, relative to its range."""
MOST_EVENTS = 5000
WIDTH, HEIGHT = 9.6, 3.1


@dataclass(frozen=True, kw_only=True, eq=False)
class Landscape:
    """The loss of one model's network along a line and on a plane.

    Attributes:
        subject: The model.
        places: Positions on the line, increasing, shape (P,).
        losses: The loss there, shape (P,).
        jumps: Where it jumps along the line.
        axis: Positions on each axis of the plane, shape (G,).
        plane: The loss there, shape (G, G); the line is the row in the middle.
    """

    subject: Subject
    places: np.ndarray
    losses: np.ndarray
    jumps: list[Step]
    axis: np.ndarray
    plane: np.ndarray = field(repr=False)


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """A network, two directions in its weight space, and target times.

    Attributes:
        trial: The network at the starting point.
        directions: Changes of the weights, as (input_weights, weights), one pair per direction.
        targets: Target times of the output neurons' first spikes, (OUTPUTS, REQUIRED) [time].
    """

    trial: Trial
    directions: tuple[tuple[np.ndarray, np.ndarray], ...]
    targets: np.ndarray


def make_task(subject: Subject, seed: int) -> Task:
    """Draw the network; the same seed draws the same network for every model, in its own units."""
    rng = np.random.default_rng(seed)
    n = HIDDEN + OUTPUTS
    duration = float(f"{STEPS * subject.scales.time:.12g}")
    times = np.sort(rng.uniform(0, 0.7, INPUTS * SPIKES_PER_INPUT))
    inputs = np.tile(np.arange(INPUTS), SPIKES_PER_INPUT)
    first = np.zeros((n, INPUTS))
    first[:HIDDEN] = rng.normal(0.6, 0.6, (HIDDEN, INPUTS))
    between = np.zeros((n, n))
    between[HIDDEN:, :HIDDEN] = rng.normal(0.5, 0.6, (OUTPUTS, HIDDEN))
    ways = []
    for _ in range(2):
        way = rng.normal(0, 1, (HIDDEN, INPUTS)), rng.normal(0, 1, (OUTPUTS, HIDDEN))
        size = np.sqrt(sum(np.sum(w**2) for w in way))
        norm = np.sqrt(np.sum(first**2) + np.sum(between**2)) / size
        moved = np.zeros_like(first), np.zeros_like(between)
        moved[0][:HIDDEN], moved[1][HIDDEN:, :HIDDEN] = way[0] * norm, way[1] * norm
        ways.append((subject.scales.critical * moved[0], subject.scales.critical * moved[1]))
    unit = subject.scales.critical
    trial = Trial(
        duration=duration,
        weights=to_rows(unit * between),
        input_weights=to_rows(unit * first),
        input_times=tuple(map(float, times * duration)),
        input_neurons=tuple(map(int, inputs)),
        initial=(subject.scales.rest,) * n,
    )
    targets = duration * rng.uniform(0.3, 0.9, (OUTPUTS, REQUIRED))
    return Task(trial=trial, directions=(ways[0], ways[1]), targets=np.sort(targets, axis=1))


def to_rows(array: np.ndarray) -> tuple[tuple[float, ...], ...]:
    """A matrix as nested tuples."""
    return tuple(tuple(map(float, row)) for row in array)


def compute_loss(subject: Subject, task: Task, *moves: float) -> float:
    """Mean squared distance of the outputs' first spikes to their targets, relative to T.

    A spike that does not come counts as one at T, so that one leaving through T changes nothing.
    """
    inputs: np.ndarray = np.array(task.trial.input_weights)
    weights: np.ndarray = np.array(task.trial.weights)
    for move, (by_input, by_weight) in zip(moves, task.directions, strict=False):
        inputs, weights = inputs + move * by_input, weights + move * by_weight
    trial = replace(task.trial, input_weights=to_rows(inputs), weights=to_rows(weights))
    T = trial.duration
    trains = subject.run(trial).trains[HIDDEN:]
    times = [[*train, *[T] * REQUIRED][:REQUIRED] for train in trains]
    return float(np.mean((np.array(times, dtype=float) - task.targets) ** 2) / T**2)


def limit_events(subject: Subject) -> Subject:
    """The same model, which gives up a trial with very many events."""
    return replace(subject, loop=replace(subject.loop, most_events=MOST_EVENTS))


Line = tuple[np.ndarray, np.ndarray, list[Step]]


def follow_line(subject: Subject, seed: int) -> Line:
    """Places on the line, the loss there, and where it jumps."""
    subject, known = limit_events(subject), dict[float, float]()
    task = make_task(subject, seed)

    def loss(s: float) -> float:
        known[s] = compute_loss(subject, task, s)
        return known[s]

    start = [(float(s), loss(float(s))) for s in np.linspace(-REACH, REACH, CELLS + 1)]
    values = [value for _, value in start]
    flat = FLAT * (max(values) - min(values) or 1.0)
    jumps = find_jumps(loss, lambda a, b: abs(a - b), start, flat=flat, narrow=NARROW)
    places = np.array(sorted(known))
    return places, np.array([known[s] for s in places]), jumps


def compute_row(subject: Subject, seed: int, grid: int, row: int) -> list[float]:
    """The loss in a row of the plane."""
    subject, axis = limit_events(subject), np.linspace(-REACH, REACH, grid)
    task = make_task(subject, seed)
    return [compute_loss(subject, task, x, axis[row]) for x in axis]


def explore(subject: Subject, *, seed: int = 2, grid: int = 61) -> Landscape:
    """Compute the landscape of one model.

    Args:
        subject: The model.
        seed: Seed of the network.
        grid: Points along each axis of the plane.
    """
    rows = [compute_row(subject, seed, grid, row) for row in range(grid)]
    return join(subject, follow_line(subject, seed), rows)


def join(subject: Subject, line: Line, rows: list[list[float]]) -> Landscape:
    """A landscape from its line and the rows of its plane."""
    places, losses, jumps = line
    return Landscape(
        subject=subject, places=places, losses=losses, jumps=jumps,
        axis=np.linspace(-REACH, REACH, len(rows)), plane=np.array(rows),
    )  # fmt: skip


def draw_landscape(path: str | os.PathLike[str], found: Sequence[Landscape]) -> None:
    """Draw the figure to a file, PNG or SVG by its suffix; one row for each landscape."""
    from matplotlib import rc_context

    from spiketheory.documents.canvas import Figure

    with np.errstate(all="ignore"), rc_context({**STYLE, "font.size": 10}):
        canvas = Figure(
            figsize=(WIDTH, HEIGHT * len(found)), layout="constrained", facecolor="white"
        )
        rows = canvas.subplots(len(found), 2, squeeze=False, width_ratios=(1.75, 1))
        top = max(float(one.plane.max()) for one in found)
        for (left, right), one in zip(rows, found, strict=True):
            draw_line(left, one)
            image = draw_plane(right, one, top)
            canvas.colorbar(image, ax=right, label="loss")
        save(canvas, path)


def draw_line(axes: "Axes", landscape: Landscape) -> None:
    """The loss along the line; cut and marked where it jumps."""
    places, losses = landscape.places, landscape.losses
    cuts = np.searchsorted(places, [jump.high for jump in landscape.jumps])
    for piece in np.split(np.arange(len(places)), cuts):
        axes.plot(places[piece], losses[piece], color=BLUE, linewidth=1.6)
    for jump in landscape.jumps:
        axes.plot([jump.low, jump.high], [jump.left, jump.right], color=VERMILION, linewidth=1.3,
                  zorder=3)  # fmt: skip
    axes.axvline(0, color=GREY, linewidth=1, linestyle=":")
    number = len(landscape.jumps)
    said = "no jump" if not number else f"{number} jump{'s' if number > 1 else ''}"
    axes.set_title(
        f"{landscape.subject.neuron.name}: {said}", loc="left", fontweight="bold", fontsize=11,
        color=INK,
    )  # fmt: skip
    axes.set(xlim=(places[0], places[-1]), ylim=(0, None), ylabel="loss",
             xlabel="position on a line in weight space")  # fmt: skip


def draw_plane(axes: "Axes", landscape: Landscape, top: float) -> Any:
    """The loss on the plane, and the line."""
    ends = (landscape.axis[0], landscape.axis[-1])
    image = axes.imshow(
        landscape.plane, origin="lower", extent=(*ends, *ends), cmap="cividis", vmin=0, vmax=top,
        interpolation="nearest",
    )  # fmt: skip
    axes.axhline(0, color="white", linewidth=1.2, linestyle=(0, (4, 2)))
    axes.plot([0], [0], marker="o", markersize=5, markerfacecolor="white", color=INK)
    axes.set(xlabel="line", ylabel="second direction")
    axes.grid(False)
    return image
