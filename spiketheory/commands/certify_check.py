"""Commands about whether spikes only shift: certify, check."""

import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from spiketheory.commands.certify_ranges import Axis, parse_axes
from spiketheory.commands.common import (
    AS_JSON_OPTION,
    EXIT_CHECK_FAILED,
    JSON_OPTION,
    OUT_OPTION,
    TIMEOUT_OPTION,
    hold_folder,
    show_progress,
    write_output,
)
from spiketheory.commands.train_options import parse_parameters

EXIT_OF_VERDICT = {"smooth": 0, "continuous": 0, "refuted": 1, "undecided": 3}


# Long: options and examples.
@click.command()
@click.option(
    "--model",
    metavar="NAME_OR_FILE",
    help="A built-in model or a model file.  [default: none; give it or --recheck]",
)
@click.option(
    "--assume",
    "assumptions",
    multiple=True,
    metavar="RELATION",
    help='Assume this of weights, states or parameters, such as "w >= 0"; may be repeated.  '
    "[default: the assumptions of the model file]",
)
@click.option("--param", "parameters", multiple=True, metavar="NAME=VALUE",
              callback=parse_parameters,
              help="Certify for this value of a parameter alone; repeatable.  "
              "[default: all of its domain]")  # fmt: skip
@click.option("--readout", metavar="NAME",
              help="Say also what a network with this readout inherits, such as "
              "leaky_integrator.  [default: the neuron alone]")  # fmt: skip
@click.option("--blame", is_flag=True,
              help="Show for which range of each parameter, the others at their values, the "
              "verdict is which.  [default: one verdict]")  # fmt: skip
@click.option("--map", "axes", metavar="NAME,NAME", callback=parse_axes,
              help="Draw the verdict over two parameters to --out, a figure; a range may be given: "
              "tau_m=0.1:10,tau_s=0.1:10.  [default: one verdict]")  # fmt: skip
@click.option("--grid", type=click.IntRange(min=2), default=17, show_default=True,
              help="Cells along each axis of a map.")  # fmt: skip
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "json", "markdown", "html"]),
    default="text",
    show_default=True,
    help="How to print it; html is a page with a figure that needs no network.",
)
@AS_JSON_OPTION
@click.option(
    "--recheck",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Go through a certificate (JSON) again, in another arithmetic.  [default: --model]",
)
@TIMEOUT_OPTION
@OUT_OPTION
@click.pass_context
def certify(
    ctx: click.Context,
    model: str | None,
    assumptions: tuple[str, ...],
    parameters: dict[str, float] | None,
    readout: str | None,
    blame: bool,
    axes: tuple[Axis, Axis] | None,
    grid: int,
    style: str,
    as_json: bool,
    recheck: Path | None,
    timeout: float,
    out: Path | None,
) -> None:
    """Prove that spikes of a model only shift, or show a trial in which one vanishes.

    \b
    Exit codes: 0 smooth or continuous, 1 refuted, 2 bad usage or input, 3 undecided, also for
    lack of time. --blame and --map exit with 0, since they show several verdicts.
    --recheck: 0 all proved again, 1 something is false, 2 no certificate, 3 out of time.

    \b
    Examples:
      spiketheory certify --model qif
      spiketheory certify --model qif --readout leaky_integrator
      spiketheory certify --model nlif --assume "w >= 0" --assume "I > 0"
      spiketheory certify --model lif --param tau_m=2 --assume "tau_s = V_th"
      spiketheory certify --model my_neuron.toml --map tau_m,tau_s --out map.png
      spiketheory certify --model lif --format json --out lif.json
      spiketheory certify --recheck lif.json
    """  # noqa: D301
    if (model is None) == (recheck is None):
        raise click.UsageError("Expected either --model or --recheck; give one of them.")
    if recheck is not None and readout is not None:
        raise click.UsageError("Expected no --readout: --readout goes with --model; leave it out.")
    from spiketheory.files import check_apart

    check_apart(out, recheck, models=[model])
    if recheck is not None:
        recheck_certificate(ctx, recheck, timeout=timeout, out=out)
        return
    from derivations import read_neuron_model, read_readout
    from spiketheory.certification.parameter_ranges import fix_parameters
    from spiketheory.language.parse import parse_assumption
    from spiketheory.time_limit import limit_time

    check_views(blame=blame, axes=axes, out=out, readout=readout)
    read = read_readout(readout) if readout is not None else None
    with end_undecided(ctx), show_progress() as show:
        neuron, relations = fix_parameters(read_neuron_model(str(model)), parameters or {})
        relations = (*relations, *(parse_assumption(text, neuron) for text in assumptions))
        with limit_time(timeout, f"the certificate of {neuron.name}"):
            if axes is not None:
                text = write_map(neuron, relations, axes, cells=grid, out=out, as_json=as_json,
                                 show=show)  # fmt: skip
            elif blame:
                text = write_blame(neuron, relations, as_json=as_json, show=show,
                                   fixed=parameters or ())  # fmt: skip
            else:
                style = "json" if as_json else style
                text, verdict = write_verdict(neuron, relations, style=style, show=show,
                                              readout=read)  # fmt: skip
    if axes is not None:
        click.echo(text)
        return
    write_output(text, out)
    if not blame:
        ctx.exit(EXIT_OF_VERDICT[verdict])


def check_views(*, blame: bool, axes: object, out: Path | None, readout: str | None = None) -> None:
    """Raise `click.UsageError` unless one thing is to be shown, and a figure has a name."""
    if readout is not None and (blame or axes is not None):
        raise click.UsageError(
            "Expected --readout with one verdict but got --blame or --map; leave one of them out."
        )
    if blame and axes is not None:
        raise click.UsageError("Expected either --blame or --map but got both; give one of them.")
    if axes is not None and (out is None or out.suffix.lower() not in (".svg", ".png", ".pdf")):
        raise click.UsageError(
            f"Expected --out FILE.png, .svg or .pdf for the map but got {out or 'none'}; "
            "name a figure."
        )


def write_verdict(
    neuron: Any, relations: Sequence[Any], *, style: str, show: Any, readout: Any = None
) -> tuple[str, str]:
    """The certificate as text, with what a network with a readout inherits, and its verdict."""
    from spiketheory.certification.certify import certify as certify_model
    from spiketheory.certification.readouts import find_inheritance
    from spiketheory.documents.certificate import write_certificate

    certificate = certify_model(neuron, relations, show=show)
    inheritance = None if readout is None else find_inheritance(certificate, readout)
    text = write_certificate(certificate, format=style, inheritance=inheritance)
    return text, certificate.verdict


def write_blame(
    neuron: Any, relations: Sequence[Any], *, fixed: Collection[str], as_json: bool, show: Any
) -> str:
    """Ranges of every parameter that is not fixed."""
    from spiketheory.commands.certify_ranges import describe_blame, find_blame, format_blame
    from spiketheory.commands.display import format_json

    free = [p.name for p in neuron.parameters if p.name not in fixed]
    found = find_blame(neuron, relations, free, show)
    return format_json(describe_blame(neuron, found)) if as_json else format_blame(neuron, found)


def write_map(
    neuron: Any, relations: Sequence[Any], axes: tuple[Axis, Axis], *, cells: int,
    out: Path | None, as_json: bool, show: Any,
) -> str:  # fmt: skip
    """Draw a map, and say what is in it."""
    from spiketheory.certification.parameter_map import find_map
    from spiketheory.commands.certify_ranges import describe_map, format_map, make_verdict
    from spiketheory.commands.display import format_json
    from spiketheory.documents.parameter_map_figure import draw_map

    assert out is not None
    found = find_map(neuron, relations, axes, make_verdict(neuron), cells=cells, say=show)
    draw_map(out, found, neuron.name)
    return format_json(describe_map(neuron, found)) if as_json else format_map(found, out)


@contextmanager
def end_undecided(ctx: click.Context) -> Iterator[None]:
    """Give the exit code of what is undecided if the time is over."""
    from spiketheory.errors import TimeLimitError

    try:
        yield
    except TimeLimitError as err:
        click.echo(f"Undecided: {err}", err=True)
        ctx.exit(EXIT_OF_VERDICT["undecided"])


def recheck_certificate(
    ctx: click.Context, path: Path, *, timeout: float, out: Path | None
) -> None:
    """Go through a certificate again and say what was checked."""
    from spiketheory.certification.recheck import read_certificate, recheck
    from spiketheory.time_limit import limit_time

    with end_undecided(ctx), limit_time(timeout, f"going through {path} again"):
        lines = recheck(read_certificate(path))
    write_output("\n".join(lines), out)


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
      spiketheory check --replay checks/lif-continuity.npz
      spiketheory check --attack --model my_neuron.toml --minutes 2
      spiketheory check --attack --random 300
    """  # noqa: D301
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
) -> bool:
    """Check a model and print the report; True if it is broken."""
    from spiketheory.checking.recipe import make_recipe
    from spiketheory.checking.report import describe_report, format_report, write_failures
    from spiketheory.checking.runner import run_check
    from spiketheory.commands.display import format_json, track
    from spiketheory.commands.terminal import make_console
    from spiketheory.time_limit import limit_time

    hold_folder(out, f".{Path(model).stem}.lock", demanded=False)
    recipe = make_recipe(model, parameters=parameters or {}, assume=assume)
    with limit_time(timeout, f"the derivation of {model}"):
        recipe.compile_model()  # once; the processes find it in the cache
    console = make_console(stderr=True, quiet=as_json or not sys.stderr.isatty())
    steps = run_check(recipe, examples=examples, seed=seed, workers=workers)
    report = track(steps, total=count_examples(examples), console=console, what="examples")
    written = {}
    if any(r.failure for r in report.results):
        written = write_failures(report, recipe.build(), out)
    click.echo(
        format_json(describe_report(report, written)) if as_json else format_report(report, written)
    )
    return bool(report.verdict == "broken")


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
