"""The command bench: the benchmarks of a checkout, or where to find them.

Benchmarks are not installed: they compare with programs that most people lack.
"""

import sys
from importlib import import_module
from pathlib import Path

import click

from spiketheory.commands.common import EXIT_BAD_INPUT

ROOT = Path(__file__).resolve().parents[2]


def find_bench() -> click.Command:
    """The command of the checkout that this file is in; one that explains where there is none."""
    if not (ROOT / "benchmarks" / "command.py").is_file():
        return explain
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    command: click.Command = import_module("benchmarks.command").bench
    return command


@click.command(
    "bench",
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
)
@click.pass_context
def explain(ctx: click.Context) -> None:
    """Measure speed and memory on this machine, beside other programs (from a checkout)."""
    click.echo(
        "Error: Expected the benchmarks beside the program but they are not installed; clone the "
        "repository and run `python cli.py bench` in its folder.",
        err=True,
    )
    ctx.exit(EXIT_BAD_INPUT)


bench = find_bench()
