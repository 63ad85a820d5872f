"""What the learning examples share: command line, descent, files, and marks in figures."""

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console

from sim.analysis.training_figures import GREY, SHADE, STYLE
from sim.events.recording import Recording
from sim.network.network import Projection
from sim.training.optim import Optimiser, Schedule
from spiketheory.checking.figure import save
from spiketheory.commands.display import make_progress
from spiketheory.errors import InputError, SpiketheoryError
from spiketheory.files import write_text_atomically

HIGHEST = 50.0
"""Potentials beyond belong to a spike, whose time is known; traces have a gap there."""


class Program(click.Command):
    """A command that says in one paragraph what a user can mend, with exit code 2."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run it."""
        try:
            return super().invoke(ctx)
        except SpiketheoryError as err:
            click.echo(f"Error: {err}", err=True)
            ctx.exit(2)


def program(
    *, steps: int, unit: str = "steps", seed: int = 0
) -> Callable[[Callable[..., None]], click.Command]:
    """Make a function of folder, steps (or ``unit``), seed and backend a command.

    Args:
        steps: Default number of steps.
        unit: Name of the option.
        seed: Default seed.
    """
    options = (
        click.option(
            "--out",
            type=click.Path(path_type=Path),
            required=True,
            metavar="FOLDER",
            help="Write figures and results to this folder.",
        ),
        click.option(
            f"--{unit}",
            type=click.IntRange(min=1),
            default=steps,
            show_default=True,
            help=f"Number of {unit} of gradient descent.",
        ),
        click.option(
            "--seed",
            type=click.IntRange(min=0),
            default=seed,
            show_default=True,
            help="Seed of everything that is drawn at random.",
        ),
        click.option(
            "--backend",
            type=click.Choice(["numba", "numpy"]),
            default="numba",
            show_default=True,
            help="numba compiles for 20 seconds on its first use; numpy is slow, but at once.",
        ),
    )

    def decorate(function: Callable[..., None]) -> click.Command:
        for option in reversed(options):
            function = option(function)
        help_names = {"help_option_names": ["-h", "--help"]}
        return click.command(cls=Program, context_settings=help_names)(function)

    return decorate


def open_folder(path: Path) -> Path:
    """Create a folder for results.

    Raises:
        InputError: If it cannot be one.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise InputError(
            f"Expected --out to be a folder that exists or can be made but got {path}: "
            f"{err.strerror}; choose another name."
        ) from err
    return path


def report(folder: Path, name: str, results: dict[str, Any], figure: Figure) -> None:
    """Write ``name.json``, ``name.png`` and ``name.svg``, and print the results that are short.

    Args:
        folder: Where to.
        name: Stem of the files.
        results: Plain values.
        figure: The figure.
    """
    with rc_context(STYLE):
        for suffix in ("png", "svg"):
            save(figure, folder / f"{name}.{suffix}")
    write_text_atomically(folder / f"{name}.json", json.dumps(results, indent=1) + "\n")
    for key, value in results.items():
        if not isinstance(value, list | dict):
            click.echo(f"{key.replace('_', ' ')}: {value}")
    click.echo(f"Figures and results are in {folder}.")


def descend(
    parameters: Sequence[np.ndarray],
    evaluate: Callable[[int], tuple[float, Sequence[np.ndarray]]],
    *,
    optimiser: Optimiser,
    schedule: Schedule,
    steps: int,
    constrain: Callable[[], None] = lambda: None,
) -> np.ndarray:
    """Gradient descent; ``parameters`` are changed in place.

    Args:
        parameters: The arrays that learn.
        evaluate: Returns loss and gradients after the given number of steps.
        optimiser: The optimiser.
        schedule: Its learning rate; what it calls an epoch is one step here.
        steps: Number of steps.
        constrain: Called after each step, to keep parameters within their bounds.

    Returns:
        The loss before each step and after the last, shape (steps + 1,).
    """
    state = optimiser.init(parameters)
    losses = np.empty(steps + 1)
    console = Console(stderr=True, quiet=not sys.stderr.isatty())
    with make_progress(console) as bar:
        task = bar.add_task("Learning", total=steps, note="")
        for step in range(steps + 1):
            losses[step], gradients = evaluate(step)
            if step < steps:
                optimiser.update(parameters, gradients, state, schedule(step, steps))
                constrain()
            bar.update(task, completed=step, note=f"loss {losses[step]:.3g}")
    return losses


def summarise(losses: np.ndarray, started: float) -> dict[str, Any]:
    """What a descent did, for the results.

    Args:
        losses: What `descend` returned.
        started: Reading of `time.perf_counter` at the start.
    """
    shown = np.unique(np.geomspace(1, len(losses), 60).astype(int)) - 1
    return {
        "steps": len(losses) - 1,
        "wall_seconds": round(time.perf_counter() - started, 2),
        "first_loss": float(losses[0]),
        "last_loss": float(losses[-1]),
        "loss_curve": {"step": shown.tolist(), "loss": losses[shown].tolist()},
    }


def read_entries(projection: Projection, values: Any) -> np.ndarray:
    """Derivatives by the weights of a sparse projection, in the order of its entries.

    Args:
        projection: The projection.
        values: Its matrix of derivatives (`Gradients.weights`).
    """
    found: np.ndarray = values.toarray()[projection.matrix.row, projection.matrix.col]
    return found


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


def shade_pseudospikes(axes: Axes, duration: float, highest: float, *, side: str = "right") -> None:
    """Shade the times after the trial's end on the vertical axis, named at one side."""
    axes.axhspan(duration, highest, color=SHADE, linewidth=0, zorder=0)
    axes.axhline(duration, color=GREY, linewidth=0.8)
    axes.set_ylim(0, highest)
    axes.text(
        0.98 if side == "right" else 0.02, 0.97, "pseudospikes", transform=axes.transAxes, ha=side,
        va="top", color=GREY, fontsize=8.5,
    )  # fmt: skip
