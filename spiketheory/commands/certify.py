"""The command certify: whether spikes only shift."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spiketheory.commands.certify_ranges import Axis, parse_axes
from spiketheory.commands.common import (
    AS_JSON_OPTION,
    OUT_OPTION,
    TIMEOUT_OPTION,
    show_progress,
    write_output,
)
from spiketheory.commands.spread.cluster_options import (
    CLUSTER_OPTION,
    FOLDER_WORKERS_OPTION,
    SCHEDULER_OPTION,
    read_place,
)
from spiketheory.commands.train_options import parse_parameters

if TYPE_CHECKING:
    from sim.cluster.client import ClusterOptions

EXIT_OF_VERDICT = {"smooth": 0, "continuous": 0, "refuted": 1, "undecided": 3}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The options of the command, as click reads them."""

    model: str | None
    assumptions: tuple[str, ...]
    parameters: dict[str, float] | None
    readout: str | None
    blame: bool
    axes: tuple[Axis, Axis] | None
    grid: int
    style: str
    as_json: bool
    recheck: Path | None
    workers: int | None
    scheduler: str | None
    cluster: Path | None
    resume: Path | None
    timeout: float
    out: Path | None


@click.command()
@click.option(
    "--model",
    metavar="NAME_OR_FILE",
    help="A built-in model, a model file, or a folder of model files.  "
    "[default: none; give it or --recheck]",
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
@FOLDER_WORKERS_OPTION
@SCHEDULER_OPTION
@CLUSTER_OPTION
@click.option("--resume", type=click.Path(path_type=Path), metavar="FILE.jsonl",
              help="Of a folder: keep what is done in this file, and go on from it if it is there."
              "  [default: keep nothing]")  # fmt: skip
@TIMEOUT_OPTION
@OUT_OPTION
@click.pass_context
def certify(ctx: click.Context, **options: Any) -> None:
    """Prove that spikes of a model only shift, or show a trial in which one vanishes.

    \b
    Exit codes: 0 smooth or continuous, 1 refuted, 2 bad usage or input, 3 undecided, also for
    lack of time. --blame and --map exit with 0, since they show several verdicts.
    --recheck: 0 all proved again, 1 something is false, 2 no certificate, 3 out of time.
    A folder: 1 some model is refuted, else 2 some file is no model, else 3 some is undecided; each
    model has a process of its own, and its certificate is in --out, a folder.

    \b
    Examples:
      spiketheory certify --model qif
      spiketheory certify --model qif --readout leaky_integrator
      spiketheory certify --model nlif --assume "w >= 0" --assume "I > 0"
      spiketheory certify --model lif --param tau_m=2 --assume "tau_s = V_th"
      spiketheory certify --model my_neuron.toml --map tau_m,tau_s --out map.png
      spiketheory certify --model lif --format json --out lif.json
      spiketheory certify --recheck lif.json
      spiketheory certify --model my_models/ --workers 4 --out certificates
    """  # noqa: D301
    from spiketheory.files import check_apart

    asked = Asked(**options)
    if (asked.model is None) == (asked.recheck is None):
        raise click.UsageError("Expected either --model or --recheck; give one of them.")
    if asked.recheck is not None and asked.readout is not None:
        raise click.UsageError("Expected no --readout: --readout goes with --model; leave it out.")
    where = read_place(workers=asked.workers, scheduler=asked.scheduler, cluster=asked.cluster)
    if asked.model is not None and Path(asked.model).is_dir():
        ctx.exit(certify_all(asked, where))
    if asked.workers or where or asked.resume:
        raise click.UsageError(
            "Expected a folder of models (--model FOLDER) for --workers, --scheduler, --cluster "
            "and --resume but got one model; leave them out."
        )
    check_apart(asked.out, asked.recheck, models=[asked.model])
    if asked.recheck is not None:
        recheck_certificate(ctx, asked.recheck, timeout=asked.timeout, out=asked.out)
    else:
        certify_one(ctx, asked)


def certify_all(asked: Asked, where: "ClusterOptions | None") -> int:
    """Certify the models of a folder, and return the exit code."""
    from spiketheory.commands.spread.certify_many import certify_folder

    shows_one = asked.blame or asked.axes is not None or asked.readout is not None
    if shows_one or asked.style not in ("text", "json"):
        raise click.UsageError(
            "Expected a single model for --blame, --map, --readout, --format markdown and "
            f"--format html but got the folder {asked.model}; leave them out."
        )
    return certify_folder(
        Path(str(asked.model)), asked.assumptions, asked.parameters or {}, timeout=asked.timeout,
        out=asked.out, resume=asked.resume, where=where, workers=asked.workers or 1,
        as_json=asked.as_json or asked.style == "json",
    )  # fmt: skip


def certify_one(ctx: click.Context, asked: Asked) -> None:
    """Certify one model and print its verdict, its ranges or its map; exit with the verdict's."""
    from derivations import read_neuron_model, read_readout
    from spiketheory.certification.parameter_ranges import fix_parameters
    from spiketheory.language.parse import parse_assumption
    from spiketheory.time_limit import limit_time

    axes, as_json, verdict = asked.axes, asked.as_json, None
    check_views(blame=asked.blame, axes=axes, out=asked.out, readout=asked.readout)
    read = read_readout(asked.readout) if asked.readout is not None else None
    with end_undecided(ctx), show_progress() as show:
        neuron, relations = fix_parameters(
            read_neuron_model(str(asked.model)), asked.parameters or {}
        )
        relations = (*relations, *(parse_assumption(text, neuron) for text in asked.assumptions))
        with limit_time(asked.timeout, f"the certificate of {neuron.name}"):
            if axes is not None:
                text = write_map(neuron, relations, axes, cells=asked.grid, out=asked.out,
                                 as_json=as_json, show=show)  # fmt: skip
            elif asked.blame:
                text = write_blame(neuron, relations, as_json=as_json, show=show,
                                   fixed=asked.parameters or ())  # fmt: skip
            else:
                style = "json" if as_json else asked.style
                text, verdict = write_verdict(neuron, relations, style=style, show=show,
                                              readout=read)  # fmt: skip
    if axes is not None:  # --out is the figure
        click.echo(text)
    else:
        write_output(text, asked.out)
    if verdict is not None:
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
