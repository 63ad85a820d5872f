"""The command sweep: many trainings, on this machine or a cluster."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spiketheory.commands.common import DATA_OPTION, JSON_OPTION, end_stopped, print_either
from spiketheory.commands.spread.cluster_options import add_cluster_options, read_cluster_options
from spiketheory.commands.spread.processes import say_aside
from spiketheory.plain_text import replace_nonfinite

if TYPE_CHECKING:
    from rich.table import Table

    from sim.cluster.sweep import SweepRun
    from sim.cluster.sweep_table import Outcome, Setting

MOST_ROWS = 20
RUNS = Path("runs")


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path), metavar="[SWEEP.toml]")
@add_cluster_options("one per core")
@DATA_OPTION
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR",
              help="Folder of the sweep.  [default: runs/ and the file's name]")  # fmt: skip
@click.option("--overwrite", is_flag=True,
              help="Replace a sweep that is in the folder.  [default: keep it]")  # fmt: skip
@click.option("--resume", type=click.Path(path_type=Path), metavar="DIR",
              help="Do what is missing in the sweep of this folder.  "
              "[default: begin one]")  # fmt: skip
@click.option("--log-json", is_flag=True,
              help="Print every run that ends as a line of JSON, for programs.  "
              "[default: no]")  # fmt: skip
@JSON_OPTION
def sweep(
    file: Path | None,
    root: Path | None,
    out: Path | None,
    overwrite: bool,
    resume: Path | None,
    log_json: bool,
    as_json: bool,
    **where: Any,
) -> None:
    """Train many networks that differ in what SWEEP.toml says.

    Each is an ordinary run folder; runs.csv, settings.csv, sweep.json and a figure collect them.
    Numbers are the same for any number of workers.

    \b
    Example of a file:
      [base]
      dataset = "digits"
      epochs = 5
      [vary]
      learning_rate = {from = 1e-3, to = 1e-1, count = 3, scale = "log"}
      seed = [0, 1, 2]
    """  # noqa: D301
    from derivations import compile_model, compile_readout
    from sim.cluster.client import open_client
    from sim.cluster.sweep import start_sweep

    if (file is None) == (resume is None) or (resume is not None and (out or overwrite)):
        raise click.UsageError(
            "Expected SWEEP.toml with --out or --overwrite, or --resume DIR alone; give one."
        )
    options = read_cluster_options(**where)
    folder = resume or out or RUNS / (file or Path()).stem
    run = start_sweep(
        file or folder, folder, resume=resume is not None, overwrite=overwrite,
        compile_model=compile_model, compile_readout=compile_readout, root=root,
    )  # fmt: skip
    try:
        with open_client(options, say_aside) as client:
            outcomes = show_sweep(run, client, quiet=as_json or log_json, log_json=log_json)
    except KeyboardInterrupt:
        again = ""
        if run.has_begun:
            done = f"{len(run.ends)} of {len(run.points)} runs are done"
            again = f" {done}; go on with: spiketheory sweep --resume {folder}"
        end_stopped(f"Stopped.{again}")
    finally:
        run.close()
    print_sweep(run, outcomes, as_json=as_json, quiet=log_json)


def show_sweep(run: "SweepRun", client: Any, *, quiet: bool, log_json: bool) -> "list[Outcome]":
    """Run it, and show how many runs are done."""
    from sim.cluster.sweep_table import make_row
    from spiketheory.commands.display import make_progress
    from spiketheory.commands.terminal import make_console

    console = make_console(stderr=True, quiet=quiet)
    looking = f"; what the workers do: {client.dashboard_link}" if find_spec("bokeh") else ""
    console.print(f"{len(run.points)} runs in {run.folder}{looking}", highlight=False,
                  markup=False, soft_wrap=True)  # fmt: skip
    with make_progress(console) as bar:
        task = bar.add_task("Runs", total=len(run.points), note="")

        def show(outcome: "Outcome") -> None:
            bar.update(task, completed=len(run.ends))
            if log_json:
                line = replace_nonfinite(make_row(outcome))
                click.echo(json.dumps(line, allow_nan=False))

        run.on_end = show
        return run.run(client)


def print_sweep(run: "SweepRun", outcomes: "list[Outcome]", *, as_json: bool, quiet: bool) -> None:
    """Draw the figure, and print the settings."""
    from sim.cluster.sweep_table import TABLES_JSON, collect_settings, draw_table

    figure = draw_table(run.sweep, outcomes, run.folder)
    if as_json:
        click.echo(json.dumps(json.loads((run.folder / TABLES_JSON).read_text("utf-8")), indent=2))
        return
    if quiet:
        return
    print_either(draw_settings(run, collect_settings(run.sweep, outcomes)))
    for outcome in outcomes:
        if outcome.status == "failed":
            click.echo(f"Run {outcome.number} failed: {outcome.reason}")
    files = ["runs.csv", "settings.csv", "sweep.json"] + ([figure.name] if figure else [])
    click.echo(f"Wrote {', '.join(files)} to {run.folder}.")


def draw_settings(run: "SweepRun", settings: "list[Setting]") -> "Table":
    """The settings as a table, the best first."""
    from rich.table import Table

    sign = -1 if run.sweep.goal == "maximise" else 1
    ordered = sorted(settings, key=lambda s: (not s.values, sign * s.mean if s.values else 0.0))
    table = Table(title=f"{run.sweep.metric} of the last epoch")
    names = list(dict.fromkeys(name for s in settings for name in s.varied))
    for name in (*names, "runs", "mean", "spread", "stopped", "failed"):
        table.add_column(name, justify="right")
    for setting in ordered[:MOST_ROWS]:
        cells = [show_cell(setting.varied.get(name)) for name in names]
        spread = f"{setting.spread:.4f}" if len(setting.values) > 1 else "-"
        mean = f"{setting.mean:.4f}" if setting.values else "-"
        table.add_row(*cells, str(len(setting.values)), mean, spread, str(setting.stopped),
                      str(setting.failed))  # fmt: skip
    if len(ordered) > MOST_ROWS:
        table.caption = f"{len(ordered) - MOST_ROWS} more in settings.csv"
    return table


def show_cell(value: Any) -> str:
    """A value in few letters."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
