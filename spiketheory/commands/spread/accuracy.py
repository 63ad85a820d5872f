"""The command accuracy: errors of the generated functions."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spiketheory.commands.common import (
    DERIVE_TIMEOUT_OPTION,
    JSON_OPTION,
    MODEL_OPTION,
    hold_folder,
    print_either,
)
from spiketheory.commands.spread.cluster_options import (
    CLUSTER_OPTION,
    SCHEDULER_OPTION,
    WORKERS_OPTION,
    read_place,
)
from spiketheory.commands.train_options import parse_parameters

if TYPE_CHECKING:
    from sim.cluster.client import ClusterOptions
    from spiketheory.checking.accuracy.chunks import AccuracyJournal, Chunk


# Long: its options and its help.
@click.command()
@MODEL_OPTION
@click.option("--states", type=click.IntRange(min=1), default=1000, show_default=True,
              help="How many random states that lead to a spike to look at.")  # fmt: skip
@click.option("--seed", default=0, show_default=True, help="Seed of the random states.")
@click.option("--param", "parameters", multiple=True, metavar="NAME=VALUE",
              callback=parse_parameters, help="Fix a parameter; repeatable.  "
              "[default: drawn within 30 % of the model's default]")  # fmt: skip
@click.option("--backend", type=click.Choice(["numba", "numpy"]), default="numba",
              show_default=True, help="numba: compiled; numpy: interpreted.")  # fmt: skip
@WORKERS_OPTION
@SCHEDULER_OPTION
@CLUSTER_OPTION
@click.option("--resume", type=click.Path(path_type=Path), metavar="FILE.jsonl",
              help="Keep what is done in this file, and go on from it if it is there.  "
              "[default: keep nothing]")  # fmt: skip
@DERIVE_TIMEOUT_OPTION
@JSON_OPTION
def accuracy(
    model: str,
    states: int,
    seed: int,
    parameters: dict[str, float] | None,
    backend: str,
    workers: int | None,
    scheduler: str | None,
    cluster: Path | None,
    resume: Path | None,
    timeout: float,
    as_json: bool,
) -> None:
    """Measure the errors of generated spike times and their derivatives.

    Evaluates them at random states and compares with 50-digit arithmetic (closed forms) or with
    integration to 30 digits (all others, a few seconds per state). What counts are states at which
    relative changes of state and parameters are amplified less than 100 times. The numbers do not
    depend on how many processes share the work.
    """
    from derivations import read_neuron_model
    from spiketheory.checking.accuracy.chunks import AccuracyJournal, join, plan_chunks
    from spiketheory.commands.display import describe_accuracy, draw_accuracy, format_json, track
    from spiketheory.commands.terminal import make_console
    from spiketheory.route.driver import verify_model
    from spiketheory.time_limit import limit_time

    where = read_place(workers=workers, scheduler=scheduler, cluster=cluster)
    neuron, given = read_neuron_model(model), parameters or {}
    head = {"model": model, "digest": neuron.digest, "parameters": given, "states": states,
            "seed": seed, "backend": backend}  # fmt: skip
    if resume is not None:
        hold_folder(resume.absolute().parent, f".{resume.name}.lock")
    journal = AccuracyJournal(resume, head)
    with limit_time(timeout, f"the derivation of {model}"):
        verified = verify_model(neuron)
    chunks = plan_chunks(states, seed)
    todo = [chunk for chunk in chunks if chunk.number not in journal.known]
    steps = measure(todo, (model, verified, given, backend), journal, where, workers or 1)
    console = make_console(stderr=True, quiet=as_json or not sys.stderr.isatty())
    track(steps, total=len(chunks), console=console, what="chunks")
    results = join(journal.known[chunk.number] for chunk in chunks)
    rows = describe_accuracy(neuron.name, results)
    print_either(format_json(rows) if as_json else draw_accuracy(rows))


def measure(
    todo: "list[Chunk]", subject: tuple[Any, ...], journal: "AccuracyJournal",
    where: "ClusterOptions | None", workers: int,
) -> Iterator[tuple[int, None]]:  # fmt: skip
    """Measure what is missing; yields how many chunks are done."""
    from spiketheory.checking.accuracy.chunks import measure_chunk, start_measuring
    from spiketheory.commands.spread.processes import open_processes, run_ahead

    done = len(journal.known)
    yield done, None
    if not todo:
        return
    if where is None and workers == 1:
        start_measuring(*subject)
        for k, chunk in enumerate(todo):
            journal.add(chunk, measure_chunk(chunk))
            yield done + k + 1, None
        return
    with open_processes(where, workers, start_measuring, subject) as pool:
        for k, (chunk, found) in enumerate(run_ahead(pool, measure_chunk, todo)):
            journal.add(chunk, found)
            yield done + k + 1, None
