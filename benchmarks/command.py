"""The command ``spiketheory bench``, which is also ``python -m benchmarks``.

Imports no more than click at its top, so that ``--help`` answers at once.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spiketheory.commands.common import EXIT_CHECK_FAILED, JSON_OPTION, hold_folder
from spiketheory.commands.group import Group

if TYPE_CHECKING:
    from benchmarks.records import Result

FOLDER = Path("bench")


class DefaultGroup(Group):
    """A group whose command ``run`` need not be named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put ``run`` before arguments that begin with no command."""
        if not args or args[0] not in (*self.commands, *ctx.help_option_names):
            args = ["run", *args]
        return super().parse_args(ctx, args)


@click.group(cls=DefaultGroup, context_settings={"help_option_names": ["-h", "--help"]})
def bench() -> None:
    """Measure speed and memory on this machine, beside other programs.

    Everything is measured in turns within one run, and kept as JSON with a figure.

    \b
    Examples:
      spiketheory bench --quick                  all of it, small, in about two minutes
      spiketheory bench                          all of it: about fifteen minutes
      spiketheory bench feedforward roofline     some of it
      spiketheory bench run --help               its options
      spiketheory bench list                     what there is to measure
      spiketheory bench compare A.json B.json    what has changed between two runs
    """  # noqa: D301


@bench.command("list")
def list_benchmarks() -> None:
    """List the benchmarks."""
    from benchmarks.suite import BENCHMARKS

    for name, benchmark in BENCHMARKS.items():
        click.echo(f"{name:12s} {benchmark.summary}")


@bench.command()
@click.argument("names", nargs=-1, metavar="[NAMES]...")
@click.option("--quick", is_flag=True, help="A smoke test: few rounds, small sizes.  "
              "[default: the whole suite]")  # fmt: skip
@click.option("--rounds", type=click.IntRange(min=1), metavar="N",
              help="How often each step takes its turn.  [default: 7; quick 2]")  # fmt: skip
@click.option("--data", type=click.Path(path_type=Path, exists=True, file_okay=False),
              metavar="DIR", help="Folder with MNIST/raw, to measure with MNIST.  "
              "[default: random images as bright as MNIST's]")  # fmt: skip
@click.option("--spikegd", type=click.Path(path_type=Path, exists=True, file_okay=False),
              metavar="DIR", help="Checkout of github.com/chklos/spikegd, the paper's code.  "
              "[default: leave it out]")  # fmt: skip
@click.option("--spikegd-python", metavar="PYTHON",
              help="An interpreter with jax, optax and jaxtyping for the paper's code.  "
              "[default: this one]")  # fmt: skip
@click.option("--nest-python", metavar="PYTHON",
              help="An interpreter with nest-simulator, beside large networks.  "
              "[default: leave NEST out]")  # fmt: skip
@click.option("--brian-python", metavar="PYTHON",
              help="An interpreter with brian2, whose C++ is compiled beside large networks.  "
              "[default: leave it out]")  # fmt: skip
@click.option("--match", metavar="TEXT", default="",
              help="Of large networks, only those with TEXT in their names.  "
              "[default: all]")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE.json",
              help="Write the result to this file, and figures beside it.  "
              "[default: bench/TIME-COMMIT.json]")  # fmt: skip
@click.option("--tiny", is_flag=True, hidden=True,
              help="Sizes for the suite's own tests.  [default: useful sizes]")  # fmt: skip
@JSON_OPTION
def run(
    names: tuple[str, ...],
    quick: bool,
    rounds: int | None,
    data: Path | None,
    spikegd: Path | None,
    spikegd_python: str | None,
    nest_python: str | None,
    brian_python: str | None,
    match: str,
    out: Path | None,
    tiny: bool,
    as_json: bool,
) -> None:
    """Measure NAMES, or everything; see `spiketheory bench list`.

    The result is written after each benchmark, so that stopping early loses only the one that is
    running.
    """
    from benchmarks.picture import draw_pictures
    from benchmarks.records import write_result
    from benchmarks.suite import Options, check_names, run_suite

    options = Options(
        quick=quick, rounds=rounds or (2 if quick or tiny else 7), data=data, spikegd=spikegd,
        spikegd_python=spikegd_python, nest_python=nest_python, brian_python=brian_python,
        match=match, tiny=tiny,
    )  # fmt: skip
    chosen = check_names(names)
    path = out or FOLDER / name_result()
    written: list[Path] = []
    hold_folder(path.parent, f".{path.name}.lock")

    def keep(result: "Result") -> None:
        write_result(path, result)
        written[:] = [path, *draw_pictures(result, path)]

    try:
        with show_progress(chosen, quiet=as_json) as show:
            result = run_suite(chosen, options, show=show, on_result=keep)
    finally:
        for file in written:
            click.echo(f"Wrote {file}.", err=True)
    if as_json:
        click.echo(path.read_text(encoding="utf-8"), nl=False)
    else:
        print_result(result)


def name_result() -> str:
    """A file name with the time and the commit."""
    import time

    from benchmarks.machine import ROOT, describe_commit

    state = describe_commit(ROOT)
    source = (state["commit"] or "installed")[:10] + ("-changed" if state["dirty"] else "")
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{source}.json"


@contextmanager
def show_progress(names: list[str], *, quiet: bool) -> Iterator[Callable[[str], None]]:
    """A bar over the benchmarks, and what is measured now; a line for each if not on a terminal.

    Yields:
        A function that takes what is going on now.
    """
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from spiketheory.commands.terminal import make_console

    if quiet or not sys.stderr.isatty():

        def say(text: str) -> None:
            if text in names and not quiet:
                click.echo(f"Measuring {text} ...", err=True)

        yield say
        return
    columns = (
        TimeElapsedColumn(), BarColumn(bar_width=15), TextColumn("{task.fields[name]}"),
        TextColumn("{task.description}"),
    )  # fmt: skip
    with Progress(*columns, console=make_console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=len(names), name="", completed=0)

        def show(text: str) -> None:
            if text in names:
                bar.update(task, completed=names.index(text), name=text, description="")
            else:
                bar.update(task, description=text)

        yield show


def print_result(result: "Result") -> None:
    """Tables, notes and the machine."""
    from benchmarks.report import draw_result, format_machine
    from spiketheory.commands.terminal import make_console

    console = make_console()
    for table in draw_result(result):
        console.print(table)
    for note in result.notes:
        console.print(note, markup=False, highlight=False)
    console.print(format_machine(result), markup=False, highlight=False)


@bench.command()
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@click.option("--fail-on-slower", type=click.FloatRange(min=0), metavar="PERCENT",
              help="Exit code 1 if a figure is worse beyond the spread and by more than this.  "
              "[default: exit code 0]")  # fmt: skip
@click.option("--all", "every", is_flag=True, help="Show every figure.  "
              "[default: those that changed beyond the spread]")  # fmt: skip
@click.option("--pairs", type=click.IntRange(min=2), default=20, show_default=True,
              help="Checkouts: processes of each.")  # fmt: skip
@JSON_OPTION
def compare(
    before: Path, after: Path, fail_on_slower: float | None, every: bool, pairs: int, as_json: bool
) -> None:
    """Compare two results, or two checkouts.

    Results: ratios of medians, with the range that the values allow. A change is beyond the spread
    if the ranges of values do not overlap. Between two runs on one machine its speed may differ;
    compare the roofline's figures to see whether it did.

    Folders of two versions: each is installed in an environment of its own, their processes run in
    turns, and the median ratio of each step is shown with its 95 % interval. Some 20 minutes.
    """
    if before.is_dir() and after.is_dir():
        compare_checkouts(before, after, pairs=pairs, limit=fail_on_slower, as_json=as_json)
        return
    from benchmarks.compare import compare_results, describe_comparison
    from benchmarks.records import read_result

    comparison = compare_results(read_result(before), read_result(after))
    if as_json:
        from spiketheory.commands.display import format_json

        click.echo(format_json(describe_comparison(comparison)))
    else:
        print_comparison(comparison, every=every)
    if fail_on_slower is None:
        return
    slower = comparison.list_slower(fail_on_slower)
    for change in slower:
        click.echo(
            f"{change.benchmark}: {change.name} got worse by {change.slowdown:.0%}.", err=True
        )
    if slower:
        click.get_current_context().exit(EXIT_CHECK_FAILED)


def compare_checkouts(
    before: Path, after: Path, *, pairs: int, limit: float | None, as_json: bool
) -> None:
    """Time two checkouts in turns, and print the ratios."""
    from dataclasses import asdict

    from benchmarks.versions import check_checkout, compare_versions
    from spiketheory.commands.display import format_json, make_progress
    from spiketheory.commands.terminal import make_console

    for folder in (before, after):
        check_checkout(folder)
    console = make_console(stderr=True, quiet=as_json)
    with make_progress(console) as bar:
        task = bar.add_task("Pairs", total=pairs, note="")
        ratios, starts = compare_versions(
            before, after, pairs=pairs, on_pair=lambda k: bar.update(task, completed=k + 1)
        )
    if as_json:
        click.echo(format_json({"ratios": [asdict(r) for r in ratios], "starts": starts}))
    else:
        for name, (old, new) in starts.items():
            click.echo(f"{name}: {old:.2f} s, then {new:.2f} s.")
        for r in ratios:
            click.echo(
                f"{r.name}: {1e3 * r.before:.3f} ms, then {1e3 * r.after:.3f} ms; ratio "
                f"{r.ratio:.3f} ({r.low:.3f} to {r.high:.3f}, {r.pairs} pairs)."
            )
    if limit is not None and any(r.high > 1 + limit / 100 for r in ratios):
        click.get_current_context().exit(EXIT_CHECK_FAILED)


def print_comparison(comparison: Any, *, every: bool) -> None:
    """The table, and what could not be compared."""
    from collections import Counter

    from benchmarks.report import draw_comparison
    from spiketheory.commands.terminal import make_console

    console = make_console()
    table = draw_comparison(comparison, every=every)
    if table.row_count:
        console.print(table)
    counts = Counter(change.verdict for change in comparison.changes)
    said = ", ".join(f"{number} {verdict}" for verdict, number in counts.most_common())
    lines = [f"{len(comparison.changes)} figures: {said or 'none in common'}."]
    lines += [f"Beware: {text}." for text in comparison.warnings]
    lines += [f"Not compared: {text}." for text in comparison.unmatched]
    for line in lines:
        console.print(line, markup=False, highlight=False)
