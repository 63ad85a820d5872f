"""What experiments share that are programs of their own (examples/learning): options and files."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from sim.training.descent import descend
from spiketheory.commands.common import hold_folder
from spiketheory.commands.group import invoke_safely
from spiketheory.commands.terminal import make_console, protect_output
from spiketheory.errors import InputError
from spiketheory.files import write_text_atomically


class Program(click.Command):
    """A command that says in one paragraph what a user can mend, with exit code 2."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run the program with its output protected."""
        with protect_output():
            return super().main(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run it."""
        return invoke_safely(ctx, super().invoke)


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
    """Create a folder for results, which no other process writes to meanwhile.

    Raises:
        InputError: If it cannot be one.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        hold_folder(path)
    except OSError as err:
        raise InputError(
            f"Expected --out to be a folder that exists or can be made but got {path}: "
            f"{err.strerror}; choose another name."
        ) from err
    return path


def report(folder: Path, name: str, results: dict[str, Any], figure: Any) -> None:
    """Write ``name.json``, ``name.png`` and ``name.svg``, and print the results that are short.

    Args:
        folder: Where to.
        name: Stem of the files.
        results: Plain values.
        figure: The Matplotlib figure.
    """
    from sim.analysis.spike_figures import save_figure

    for suffix in ("png", "svg"):
        save_figure(figure, folder / f"{name}.{suffix}")
    write_text_atomically(folder / f"{name}.json", json.dumps(results, indent=1) + "\n")
    for key, value in results.items():
        if not isinstance(value, list | dict):
            click.echo(f"{key.replace('_', ' ')}: {value}")
    click.echo(f"Figures and results are in {folder}.")


def show_descent(
    parameters: Sequence[np.ndarray],
    evaluate: Callable[[int], tuple[float, Sequence[np.ndarray]]],
    *,
    steps: int,
    **options: Any,
) -> np.ndarray:
    """`sim.training.descent.descend` with a progress bar on the terminal."""
    from spiketheory.commands.display import make_progress

    console = make_console(stderr=True, quiet=not sys.stderr.isatty())
    with make_progress(console) as bar:
        task = bar.add_task("Learning", total=steps, note="")

        def on_step(step: int, loss: float) -> None:
            bar.update(task, completed=step, note=f"loss {loss:.3g}")

        return descend(parameters, evaluate, steps=steps, on_step=on_step, **options)
