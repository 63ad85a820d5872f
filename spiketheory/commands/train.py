"""Commands about training: train, evaluate."""

import shlex
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spiketheory.commands.common import (
    DATA_OPTION,
    DERIVE_TIMEOUT_OPTION,
    JSON_OPTION,
    compile_in_time,
    end_stopped,
    print_either,
)
from spiketheory.commands.spread.cluster_options import add_cluster_options, read_cluster_options
from spiketheory.commands.train_options import add_train_options

if TYPE_CHECKING:
    from sim.cluster.client import ClusterOptions
    from sim.training.networks.network_run import NetworkRun
    from sim.training.run_folder import Run


@click.command()
@click.option("--preset",
              type=click.Choice(
                  ["paper", "best", "sparse", "fsdd", "fsdd-best", "fsdd-speakers", "fsdd-lif",
                   "shd"]
              ),
              help="MNIST, paper: the experiment of Klos & Memmesheimer (2025), best: the most "
              "accurate network, sparse: few spikes. Speech, fsdd: spoken digits, fsdd-best: with "
              "more neurons, fsdd-speakers: for --fold, new speakers, fsdd-lif: with lif, shd: the "
              "Spiking Heidelberg Digits.  [default: values that suit the data set]")  # fmt: skip
@click.option("--config", "file", type=click.Path(path_type=Path), metavar="FILE.toml",
              help="Start from this configuration, such as another run's config.toml, or train "
              "the network that a network file describes.  [default: none]")  # fmt: skip
@add_train_options
@add_cluster_options("this process alone")
@DATA_OPTION
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR",
              help="Folder of the run.  [default: runs/DATASET-MODEL-seedSEED, with -2, -3, ... "
              "if it holds a run]")  # fmt: skip
@click.option("--overwrite", is_flag=True,
              help="Replace a run that is in the folder.  [default: keep it]")  # fmt: skip
@click.option("--resume", type=click.Path(path_type=Path), metavar="DIR",
              help="Continue the run in this folder; only --epochs may change.  "
              "[default: start a new run]")  # fmt: skip
@click.option("--log-json", is_flag=True,
              help="Print the metrics of every epoch as a line of JSON, for programs.  "
              "[default: no]")  # fmt: skip
@DERIVE_TIMEOUT_OPTION
@JSON_OPTION
def train(
    root: Path | None,
    out: Path | None,
    overwrite: bool,
    resume: Path | None,
    timeout: float,
    as_json: bool,
    log_json: bool,
    **options: Any,
) -> None:
    """Train a network of spiking neurons by exact gradient descent.

    Without options it learns 8x8 digits in a few seconds. Every option overrides
    the default of the data set, preset or configuration file.

    \b
    Examples:
      spiketheory train --hidden 50,50 --epochs 20
      spiketheory train --preset paper --data FOLDER
      spiketheory train --resume runs/digits-theta-seed0 --epochs 60
      spiketheory train --config examples/learning/recurrent_network.toml
      spiketheory train --preset fsdd --workers 4
    """  # noqa: D301
    from derivations import compile_model, compile_readout
    from sim.training.networks.network_run import NetworkRun
    from sim.training.run_folder import CONFIG
    from spiketheory.commands import train_network
    from spiketheory.files import check_apart

    compilers = {
        "compile_model": compile_in_time(compile_model, timeout),
        "compile_readout": compile_readout,
    }
    place = take_place(options)
    if out is not None and not overwrite:  # a run may be trained anew from its own configuration
        check_apart(out / CONFIG, options["file"])
    if resume is None:
        run = start_any(options, root=root, out=out, overwrite=overwrite, **compilers)
    else:
        check_resume_options({**options, "out": out, "overwrite": overwrite or None})
        run = resume_any(resume, root=root, epochs=options["epochs"], **compilers)
    with work_together(run, place, root):
        if isinstance(run, NetworkRun):
            train_network.train_run(run, as_json=as_json, program=name_program())
        else:
            train_run(run, as_json=as_json, log_json=log_json)


PLACE = ("workers", "threads", "memory", "scheduler", "cluster")
"""Options that say where a run's steps are done; the others say what it is."""


def take_place(options: dict[str, Any]) -> "ClusterOptions | None":
    """Take the options out that say where a run's steps are done; None for this process alone."""
    place = {name: options.pop(name) for name in PLACE}
    return read_cluster_options(**place) if any(place.values()) else None


def start_any(
    options: dict[str, Any], *, root: Path | None, out: Path | None, overwrite: bool,
    **compilers: Any,
) -> "Run | NetworkRun":  # fmt: skip
    """Start a run of a configuration, or of the network that a file describes."""
    from sim.training.config import make_config
    from sim.training.networks.network_run import is_network_config
    from sim.training.run_folder import start_run
    from spiketheory.commands import train_network

    file = options["file"]
    if file is not None and is_network_config(file):
        others = {name: value for name, value in options.items() if name != "file"} | {"root": root}
        return train_network.start_described(file, out, others, overwrite=overwrite, **compilers)
    config = make_config(**options)
    return start_run(config, root=root, folder=out, overwrite=overwrite, **compilers)


def resume_any(
    folder: Path, *, root: Path | None, epochs: int | None, **compilers: Any
) -> "Run | NetworkRun":
    """Go on with the run in a folder, of whichever kind it is."""
    from sim.training.run_folder import resume_run
    from spiketheory.commands import train_network

    found = train_network.resume_described(folder, epochs=epochs, **compilers)
    return resume_run(folder, root=root, epochs=epochs, **compilers) if found is None else found


@contextmanager
def work_together(
    run: "Run | NetworkRun", place: "ClusterOptions | None", root: Path | None
) -> Iterator[None]:
    """Have the steps of a run done by a cluster; without one by this process."""
    if place is None:
        yield
        return
    from derivations import compile_model, compile_readout
    from sim.cluster.client import check_workers, open_client
    from sim.cluster.data_parallel import train_on_cluster
    from spiketheory.commands.spread.processes import say_aside

    try:
        with open_client(place, say_aside) as client:
            check_workers(client)
            with train_on_cluster(run, client, root=root, compile_model=compile_model,
                                  compile_readout=compile_readout):  # fmt: skip
                yield
    finally:
        run.close()


def check_resume_options(options: dict[str, Any]) -> None:
    """Raise unless ``--epochs`` is the only option given."""
    flags = {"file": "--config", "parameters": "--param"}
    for name, value in options.items():
        if value is not None and name != "epochs":
            flag = flags.get(name, f"--{name.replace('_', '-')}")
            raise click.UsageError(
                f"Expected only --epochs, --data and --json beside --resume but got {flag}; "
                "a continued run keeps its configuration. Start a new run to change it."
            )


def train_run(run: "Run", *, as_json: bool, log_json: bool = False) -> None:
    """Train, draw the figures, and say what came out."""
    from sim.training.run_folder import draw_run
    from spiketheory.commands.display import format_end, format_stop, show_training
    from spiketheory.commands.terminal import make_console

    try:
        console = make_console(stderr=True, quiet=as_json or log_json)
        show_training(run, console, log_json=log_json)
        figures = draw_run(run.folder, run.trainer, run.state)
    except KeyboardInterrupt:
        end_stopped(format_stop(run, program=name_program()))
    finally:
        run.close()
    if not log_json or as_json:
        print_metrics(run, as_json=as_json)
    if not (as_json or log_json):
        click.echo(format_end(run, figures, program=name_program()))


def name_program() -> str:
    """What to type to run this program again: the way that it was called this time."""
    path = Path(sys.argv[0])
    if path.name == "cli.py":
        return shlex.join([sys.orig_argv[0], sys.argv[0]])
    found = shutil.which("spiketheory")
    if path.stem != "spiketheory" or (found and Path(found).absolute() == path.absolute()):
        return "spiketheory"
    return shlex.quote(sys.argv[0])


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...",
                type=click.Path(path_type=Path))  # fmt: skip
@DATA_OPTION
@JSON_OPTION
def evaluate(runs: tuple[Path, ...], root: Path | None, as_json: bool) -> None:
    """Test the network in RUN, a folder that `spiketheory train` wrote.

    It is tested on the test samples, which it did not learn from; nothing is written.
    Several runs are asked together: the mean of their probabilities decides.
    """
    from derivations import compile_model, compile_readout
    from sim.training.run_folder import load_run
    from spiketheory.commands import train_network

    compilers: dict[str, Any] = {"compile_model": compile_model, "compile_readout": compile_readout}
    described = [train_network.find_described(run, **compilers) for run in runs]
    if len(runs) > 1:
        for run, found in zip(runs, described, strict=True):
            check_for_many(run, found)
        print_together(runs, lambda k: load_run(runs[k], root=root, **compilers), as_json=as_json)
        return
    if described[0] is not None:
        train_network.print_run(described[0], as_json=as_json)
        return
    print_metrics(load_run(runs[0], root=root, **compilers), as_json=as_json)


def check_for_many(run: Path, described: "NetworkRun | None") -> None:
    """Raise `InputError` if a run is of a network file, which is asked alone."""
    from spiketheory.errors import InputError

    if described is not None:
        raise InputError(
            f"Expected runs of train without a network file to ask together but {run} is of one; "
            "evaluate it alone."
        )


def print_together(runs: Sequence[Path], load: "Callable[[int], Run]", *, as_json: bool) -> None:
    """Print how well several networks do together."""
    from sim.training.together import ask_together
    from spiketheory.commands.display import describe_together, draw_together, format_json

    row = describe_together(runs, *ask_together(runs, load))
    print_either(format_json(row) if as_json else draw_together(row))


def print_metrics(run: "Run", *, as_json: bool) -> None:
    """Print how well a run's network does."""
    from spiketheory.commands.display import describe_metrics, draw_metrics, format_json

    row = describe_metrics(run, run.trainer.evaluate(run.state, run.trainer.test))
    print_either(format_json(row) if as_json else draw_metrics(row))
