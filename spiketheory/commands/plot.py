"""The commands of ``plot``: continuity, landscape."""

from pathlib import Path
from typing import Any

import click

from spiketheory.commands.common import show_progress
from spiketheory.commands.group import Group


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
def landscape(models: tuple[str, ...], out: Path, seed: int, grid: int) -> None:
    """Draw the loss of a small network in weight space, with its jumps found and counted.

    The loss along a line and on a plane through the same starting point; the same network for
    every model, in its own units of weight and time.

    \b
    Example:
      spiketheory plot landscape --model qif --model lif --out landscape.png
    """  # noqa: D301
    from spiketheory.checking.figures.landscape_figure import draw_landscape

    subjects = build_subjects(models, out)
    with show_progress() as show:
        show("Computing losses")
        found = draw_landscape(out, subjects, seed=seed, grid=grid)
    for one in found:
        jumps = len(one.jumps)
        click.echo(f"{one.subject.neuron.name}: {jumps or 'no'} jump{'s' * (jumps != 1)}")
    click.echo(f"Wrote {out}.", err=True)


def build_subjects(models: tuple[str, ...], out: Path) -> list[Any]:
    """The models of a figure, once its file name is known to be one of a figure."""
    from spiketheory.checking.runner import make_recipe
    from spiketheory.errors import check_choice
    from spiketheory.files import check_apart

    check_apart(out, models=models)
    check_choice("the suffix of --out", out.suffix.lower(), (".svg", ".png", ".pdf"))
    return [make_recipe(model, parameters={}, assume=()).build() for model in models]
