"""The command ``report``: one page per training run."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spiketheory.commands.common import DATA_OPTION, show_progress

if TYPE_CHECKING:
    from sim.report.measure import Reader
    from sim.training.run_folder import Run

PAGE = "report.html"


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@DATA_OPTION
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE.html",
              help="Write to this file.  [default: report.html in RUN]")  # fmt: skip
@click.option("--steps", type=click.IntRange(min=1), default=100, show_default=True,
              help="Steps of a trial in the dense networks that costs are compared with."
              )  # fmt: skip
def report(run: Path, root: Path | None, out: Path | None, steps: int) -> None:
    """Write a page about RUN, a folder that `spiketheory train` wrote.

    Learning curves, what is taken for what, a sample through the layers with the moment of
    decision, when the network knows, what it costs, spikes that appear and vanish, settings. The
    page needs no network and no other file.

    \b
    Example:
      spiketheory report runs/digits-theta-seed0
    """  # noqa: D301
    from spiketheory.commands.trained.report_page import build_page
    from spiketheory.documents.html import render_html
    from spiketheory.files import write_text_atomically

    loaded = load(run, root)
    with show_progress() as show:
        show("Running the held-out samples")
        page = render_html(build_page(loaded, make_reader(loaded), steps=steps))
    path = loaded.folder / PAGE if out is None else out
    write_text_atomically(path, page)
    click.echo(f"Wrote {path}.", err=True)


def load(folder: Path, root: Path | None) -> "Run":
    """A run of layers; those of network files have no page."""
    from derivations import compile_model, compile_readout
    from sim.training.run_folder import load_run
    from spiketheory.commands.train_network import find_described
    from spiketheory.errors import InputError

    described = find_described(folder, compile_model=compile_model, compile_readout=compile_readout)
    if described is not None:
        raise InputError(
            f"Expected a run of layers but {folder} is that of a network file, which has no page; "
            "its figures are in the folder, and `spiketheory evaluate` prints how well it does."
        )
    return load_run(folder, compile_model=compile_model, compile_readout=compile_readout, root=root)


def make_reader(run: "Run") -> "Reader | None":
    """The network of a run with a readout of spike trains; None if its outputs spike."""
    from derivations import compile_readout
    from sim.report.measure import Reader, choose_potential
    from sim.training.temporal_train import TemporalTrainer

    if not isinstance(run.trainer, TemporalTrainer):
        return None
    constants: dict[str, Any] | None = choose_potential(run.trainer)
    potential = None if constants is None else compile_readout("maximum", **constants)
    return Reader(run.trainer, run.state, potential)
