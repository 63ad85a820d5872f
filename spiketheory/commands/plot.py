"""The commands of ``plot``: continuity, landscape, line."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spiketheory.commands.common import DATA_OPTION, JSON_OPTION, show_progress
from spiketheory.commands.group import Group
from spiketheory.commands.spread.cluster_options import (
    CLUSTER_OPTION,
    SCHEDULER_OPTION,
    WORKERS_OPTION,
    read_place,
)

if TYPE_CHECKING:
    from sim.report.slope import LossLine


@click.group(cls=Group)
def plot() -> None:
    """Draw figures of any models; SVG or PNG by the file's suffix."""


MODELS_OPTION = click.option(
    "--model", "models", multiple=True, required=True, metavar="NAME|FILE.toml",
    help="A built-in model or a model file; repeatable, one row each.",
)  # fmt: skip
FIGURE_OPTION = click.option(
    "--out", required=True, type=click.Path(path_type=Path), metavar="FILE",
    help="Write to this file, which ends in .svg, .png or .pdf.",
)  # fmt: skip


@plot.command()
@MODELS_OPTION
@FIGURE_OPTION
def continuity(models: tuple[str, ...], out: Path) -> None:
    """Draw where spikes vanish, and where they only shift.

    Membrane potential for three weights of an input, and the first spike over its weight and over
    the time of an inhibitory input.

    \b
    Example:
      spiketheory plot continuity --model qif --model lif --out continuity.svg
    """  # noqa: D301
    from spiketheory.checking.figures.continuity_figure import draw_continuity

    subjects = build_subjects(models, out)
    with show_progress() as show:
        show("Drawing")
        panels = draw_continuity(out, subjects)
    for panel in panels:
        jumps = len(panel.by_weight.jumps) + len(panel.by_time.jumps)
        click.echo(f"{panel.subject.neuron.name}: {jumps or 'no'} jump{'s' * (jumps != 1)}")
    click.echo(f"Wrote {out}.", err=True)


@plot.command()
@MODELS_OPTION
@FIGURE_OPTION
@click.option("--seed", default=2, show_default=True, help="Seed of the network.")
@click.option("--grid", type=click.IntRange(min=2), default=61, show_default=True,
              help="Points along each axis of the plane.")  # fmt: skip
@WORKERS_OPTION
@SCHEDULER_OPTION
@CLUSTER_OPTION
def landscape(
    models: tuple[str, ...], out: Path, seed: int, grid: int, workers: int | None,
    scheduler: str | None, cluster: Path | None,
) -> None:  # fmt: skip
    """Draw the loss of a small network in weight space, with its jumps found and counted.

    The loss along a line and on a plane through the same starting point; the same network for
    every model, in its own units of weight and time.

    \b
    Example:
      spiketheory plot landscape --model qif --model lif --out landscape.png
    """  # noqa: D301
    import numpy as np

    from spiketheory.checking.figures.landscape_figure import draw_landscape, explore
    from spiketheory.checking.figures.landscape_parts import explore_together, start_exploring
    from spiketheory.commands.spread.processes import open_processes

    where = read_place(workers=workers, scheduler=scheduler, cluster=cluster)
    recipes = list_recipes(models, out)
    subjects = [recipe.build() for recipe in recipes]
    with show_progress() as show:
        show("Computing losses")
        if where is None and (workers or 1) == 1:
            with np.errstate(all="ignore"):
                found = [explore(subject, seed=seed, grid=grid) for subject in subjects]
        else:
            with open_processes(where, workers or 1, start_exploring, (recipes,)) as pool:
                found = explore_together(subjects, pool.submit, seed=seed, grid=grid)
        draw_landscape(out, found)
    for one in found:
        jumps = len(one.jumps)
        click.echo(f"{one.subject.neuron.name}: {jumps or 'no'} jump{'s' * (jumps != 1)}")
    click.echo(f"Wrote {out}.", err=True)


@plot.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@FIGURE_OPTION
@DATA_OPTION
@click.option("--steps", type=click.IntRange(min=2), default=2000, show_default=True,
              help="Steps of the line.")  # fmt: skip
@click.option("--samples", type=click.IntRange(min=1), default=4, show_default=True,
              help="The loss is the mean over so many held-out samples.")  # fmt: skip
@click.option("--reach", type=click.FloatRange(min=0, min_open=True), default=0.1,
              show_default=True,
              help="Length of either half of the line, relative to the weights.")  # fmt: skip
@click.option("--seed", default=0, show_default=True, help="Draws the direction.")
@JSON_OPTION
def line(
    runs: tuple[Path, ...], out: Path, root: Path | None, as_json: bool, **options: Any
) -> None:
    """Draw the loss of trained networks along a line of weights: jumps, and steep places.

    Each of RUNS, folders that `spiketheory train --readout ...` wrote, gets a row. Steps in which
    the loss changes by more than 20 times the median are halved down to 1e-13 of the line: what
    still changes there jumps. The others are steep, which is not the same.

    \b
    Example:
      spiketheory plot line runs/fsdd-qif-seed0 runs/fsdd-lif-seed0 --out line.png
    """  # noqa: D301
    from sim.report.slope import follow_line
    from sim.report.slope_figure import plot_lines
    from sim.training.temporal_train import TemporalTrainer
    from spiketheory.commands.display import format_json
    from spiketheory.commands.trained.report import load
    from spiketheory.errors import InputError, check_choice

    check_choice("the suffix of --out", out.suffix.lower(), (".svg", ".png"))
    found = []
    with show_progress() as show:
        for folder in runs:
            loaded = load(folder, root)
            if not isinstance(loaded.trainer, TemporalTrainer):
                raise InputError(
                    f"Expected networks with a readout of spike trains but the outputs of {folder} "
                    "spike themselves; train with --readout."
                )
            show(f"Following the loss of {folder}")
            found.append(follow_line(loaded.trainer, loaded.state, **options))
    plot_lines(found, out)
    rows = [describe_line(run, one) for run, one in zip(runs, found, strict=True)]
    click.echo(format_json(rows) if as_json else "\n".join(map(write_line, rows)))
    click.echo(f"Wrote {out}.", err=True)


def describe_line(run: Path, found: "LossLine") -> dict[str, Any]:
    """Jumps and steep places of a line, as plain values."""
    smooth = [one for one in found.steep if not one.jumps]
    return {
        "run": str(run), "model": found.model, "steps": len(found.places) - 1,
        "samples": found.n_samples, "reach": found.reach, "median_change": found.median,
        "steep_steps": len(found.steep), "steps_with_jumps": len(found.steep) - len(smooth),
        "jumps": found.n_jumps, "largest_slope": max((one.slope for one in smooth), default=0.0),
    }  # fmt: skip


def write_line(row: dict[str, Any]) -> str:
    """The same in words."""
    slope = f", slope up to {row['largest_slope']:.2g}" if row["largest_slope"] else ""
    return (
        f"{row['model']}: {row['steep_steps']} of {row['steps']} steps change the loss by more "
        f"than 20 medians; it jumps in {row['steps_with_jumps']} of them{slope}."
    )


def build_subjects(models: tuple[str, ...], out: Path) -> list[Any]:
    """The models of a figure, once its file name is known to be one of a figure."""
    return [recipe.build() for recipe in list_recipes(models, out)]


def list_recipes(models: tuple[str, ...], out: Path) -> list[Any]:
    """How to make them, in any process."""
    from spiketheory.checking.runner import make_recipe
    from spiketheory.errors import check_choice
    from spiketheory.files import check_apart

    check_apart(out, models=models)
    check_choice("the suffix of --out", out.suffix.lower(), (".svg", ".png", ".pdf"))
    return [make_recipe(model, parameters={}, assume=()) for model in models]
