"""The command check: a search for trials in which spikes do not only shift."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spiketheory.commands.common import EXIT_CHECK_FAILED, JSON_OPTION, hold_folder
from spiketheory.commands.spread.cluster_options import CLUSTER_OPTION, SCHEDULER_OPTION, read_place
from spiketheory.commands.train_options import parse_parameters

if TYPE_CHECKING:
    from sim.cluster.client import ClusterOptions


# Long: its options and its help.
@click.command()
@click.option("--model", metavar="NAME|FILE.toml",
              help="A built-in model (see `spiketheory models`) or a model file.  "
              "[default: none; give it or --replay]")  # fmt: skip
@click.option("--examples", type=click.IntRange(min=1), default=100, show_default=True,
              help="Trials to draw for each property.")  # fmt: skip
@click.option("--seed", default=0, show_default=True,
              help="Seed of the search; the same seed finds the same.")  # fmt: skip
@click.option("--assume", multiple=True, metavar="RELATION",
              help='Draw only what keeps to it, such as "w >= 0"; repeatable.  '
              "[default: the assumptions of the model file]")  # fmt: skip
@click.option("--param", "parameters", multiple=True, metavar="NAME=VALUE",
              callback=parse_parameters,
              help="Value of a parameter; repeatable.  [default: the model's]")  # fmt: skip
@click.option("--workers", type=click.IntRange(min=1), metavar="N",
              help="Number of processes; what is found does not depend on it.  "
              "[default: the number of cores]")  # fmt: skip
@SCHEDULER_OPTION
@CLUSTER_OPTION
@click.option("--resume", type=click.Path(path_type=Path), metavar="FILE.jsonl",
              help="Keep what is done in this file, and go on from it if it is there.  "
              "[default: keep nothing]")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), metavar="FOLDER",
              help="Folder for the trials and figures of failures.  "
              "[default: checks]")  # fmt: skip
@click.option("--replay", type=click.Path(path_type=Path), metavar="FILE",
              help="Look again at a failure (.npz) or contradiction (.json) found before.  "
              "[default: search]")  # fmt: skip
@click.option(
    "--attack",
    is_flag=True,
    help="Try to break the model's certificate instead.  [default: search]",
)
@click.option("--minutes", type=click.FloatRange(min=0), default=5.0, show_default=True,
              help="How long to attack a model, about; rounds are counted.")  # fmt: skip
@click.option("--random", "count", type=click.IntRange(min=1), metavar="N",
              help="Attack certificates of N random models, from --seed on.  "
              "[default: --model]")  # fmt: skip
@click.option("--timeout", type=click.FloatRange(min=0), default=300, show_default=True,
              metavar="SECONDS", help="Give up a model file that takes longer to derive, or with "
              "--attack to certify; 0 is never.")  # fmt: skip
@JSON_OPTION
def check(
    model: str | None,
    examples: int,
    seed: int,
    assume: tuple[str, ...],
    parameters: dict[str, float] | None,
    workers: int | None,
    scheduler: str | None,
    cluster: Path | None,
    resume: Path | None,
    out: Path | None,
    replay: Path | None,
    attack: bool,
    minutes: float,
    count: int | None,
    timeout: float,
    as_json: bool,
) -> None:
    """Search for trials in which spikes do not only shift, or the code is wrong.

    Draws small networks, feedforward and recurrent, and moves their weights, input times and
    initial states; runs them in every engine, too. Reports smooth (every property holds),
    continuous (only gradients jump, where an input meets a spike) or broken. What fails is shrunk,
    written to a file and drawn. With --attack the certificate of `certify` is searched for
    contradictions instead, by simulators that know nothing of it.

    \b
    Exit codes: 0 smooth or continuous, 1 broken or contradicted, 2 bad usage or input.

    \b
    Examples:
      spiketheory check --model lif
      spiketheory check --model my_neuron.toml --assume "w >= 0" --examples 2000
      spiketheory check --model lif --examples 100000 --resume lif.jsonl
      spiketheory check --replay checks/lif-continuity.npz
      spiketheory check --attack --model my_neuron.toml --minutes 2
      spiketheory check --attack --random 300
    """  # noqa: D301
    searches = not (attack or count is not None or replay is not None)
    if not searches and (scheduler or cluster or resume):
        raise click.UsageError(
            "Expected --scheduler, --cluster and --resume with a search alone; leave them out with "
            "--attack, --random and --replay."
        )
    if attack or count is not None or (replay is not None and replay.suffix == ".json"):
        found = run_attack(
            model, attack=attack, assume=assume, minutes=minutes, seed=seed, count=count,
            workers=workers, out=out or Path("checks"), replay=replay, timeout=timeout,
            as_json=as_json,
        )  # fmt: skip
        click.get_current_context().exit(EXIT_CHECK_FAILED if found else 0)
    if (model is None) == (replay is None):
        raise click.UsageError(
            "Expected either --model or --replay but got "
            f"{'both' if model else 'neither'}; give one of them."
        )
    if replay is not None:
        failed = replay_failure(replay, as_json=as_json)
    else:
        failed = search_failures(
            str(model), examples=examples, seed=seed, assume=assume, parameters=parameters,
            workers=workers, out=out or Path("checks"), timeout=timeout, as_json=as_json,
            resume=resume,
            where=read_place(workers=workers, scheduler=scheduler, cluster=cluster),
        )  # fmt: skip
    click.get_current_context().exit(EXIT_CHECK_FAILED if failed else 0)


def run_attack(
    model: str | None,
    *,
    attack: bool,
    assume: tuple[str, ...],
    minutes: float,
    seed: int,
    count: int | None,
    workers: int | None,
    out: Path,
    replay: Path | None,
    timeout: float,
    as_json: bool,
) -> bool:
    """Attack a certificate, or many, or replay what was found; True if there is a contradiction."""
    from spiketheory.commands.attack import attack_many, attack_model, replay_attack

    given = [model is not None, count is not None, replay is not None]
    if sum(given) != 1 or (count is not None and not attack):
        raise click.UsageError(
            "Expected --attack with one of --model and --random, or --replay alone; give one of "
            "them."
        )
    if replay is not None:
        return replay_attack(replay, as_json=as_json)
    if count is not None:
        return attack_many(count, seed=seed, workers=workers, out=out, as_json=as_json)
    return attack_model(
        str(model), assume=assume, minutes=minutes, seed=seed, out=out, timeout=timeout,
        as_json=as_json,
    )  # fmt: skip


def search_failures(
    model: str,
    *,
    examples: int,
    seed: int,
    assume: tuple[str, ...],
    parameters: dict[str, float] | None,
    workers: int | None,
    out: Path,
    timeout: float,
    as_json: bool,
    resume: Path | None,
    where: "ClusterOptions | None",
) -> bool:
    """Check a model and print the report; True if it is broken."""
    from spiketheory.checking.report import describe_report, format_report, write_failures
    from spiketheory.checking.runner import make_recipe, run_check
    from spiketheory.commands.display import format_json, track
    from spiketheory.commands.terminal import make_console
    from spiketheory.time_limit import limit_time

    hold_folder(out, f".{Path(model).stem}.lock", demanded=False)
    recipe = make_recipe(model, parameters=parameters or {}, assume=assume)
    with limit_time(timeout, f"the derivation of {model}"):
        recipe.compile_model()  # once; the processes find it in the cache
    console = make_console(stderr=True, quiet=as_json or not sys.stderr.isatty())
    head = {"model": model, "digest": recipe.neuron.digest, "parameters": parameters or {},
            "assume": list(assume), "seed": seed, "examples": examples}  # fmt: skip
    journal = None
    if resume is not None:
        from spiketheory.checking.journal import Journal

        hold_folder(resume.absolute().parent, f".{resume.name}.lock")
        journal = Journal(resume, head)
    with open_place(where, recipe, resume) as pool:
        steps = run_check(
            recipe, examples=examples, seed=seed, workers=workers, pool=pool, journal=journal
        )
        report = track(steps, total=count_examples(examples), console=console, what="examples")
    written = {}
    if any(r.failure for r in report.results):
        written = write_failures(report, recipe.build(), out)
    click.echo(
        format_json(describe_report(report, written)) if as_json else format_report(report, written)
    )
    return bool(report.verdict == "broken")


@contextmanager
def open_place(where: "ClusterOptions | None", recipe: Any, resume: Path | None) -> "Iterator[Any]":
    """Processes of a cluster for a check; None if there is no cluster."""
    if where is None:
        yield None
        return
    from spiketheory.checking.runner import Processes, start_worker
    from spiketheory.commands.spread.processes import open_processes

    remedy = f"What was done is in {resume}; give the same command." if resume else (
        "Begin anew, with --resume FILE to keep what is done."
    )  # fmt: skip
    with open_processes(where, 1, start_worker, (recipe,), remedy=remedy) as pool:
        yield Processes(pool)


def count_examples(examples: int) -> int:
    """How many examples a check draws in all."""
    from spiketheory.checking.search import NAMES, plan_batches

    return sum(batch.examples for batch in plan_batches(list(NAMES), examples, 0))


def replay_failure(path: Path, *, as_json: bool) -> bool:
    """Look again at a failure from its file; True if the property still fails."""
    from spiketheory.checking.failure_file import read_failure
    from spiketheory.checking.replay import replay
    from spiketheory.checking.report import describe_failure
    from spiketheory.commands.display import format_json
    from spiketheory.testing import load_subject

    neuron, parameters, assume, failure = read_failure(path)
    subject = load_subject(neuron, parameters=parameters, assume=assume)
    fails = replay(subject, failure)
    if as_json:
        found = {"model": neuron.name, "property": failure.name, "fails": fails}
        click.echo(format_json(found | {"failure": describe_failure(failure)}))
    else:
        said = "still fails" if fails else "does not fail any more"
        click.echo(f"{neuron.name}: {failure.name} {said}: {failure.text}")
    return fails
