"""The program ``spiketheory``: which module each command is in.

Nothing heavier than click is imported until a command runs, so that ``--help`` answers at once.
"""

from importlib.util import find_spec
from pathlib import Path

import click

from spiketheory.commands.group import LazyGroup

COMMANDS = {
    "accuracy": "spiketheory.commands.spread.accuracy",
    "bench": "spiketheory.commands.bench",
    "certify": "spiketheory.commands.certify",
    "check": "spiketheory.commands.check",
    "codegen": "spiketheory.commands.mathematics",
    "data": "spiketheory.commands.data",
    "derive": "spiketheory.commands.mathematics",
    "evaluate": "spiketheory.commands.train",
    "listen": "spiketheory.commands.trained.listen",
    "models": "spiketheory.commands.mathematics",
    "plot": "spiketheory.commands.plot",
    "report": "spiketheory.commands.trained.report",
    "simulate": "spiketheory.commands.simulate",
    "stats": "spiketheory.commands.stats",
    "sweep": "spiketheory.commands.spread.sweep",
    "train": "spiketheory.commands.train",
}


PARTNERS = ("derivations", "sim")
"""Packages that are installed with this one; their names are common enough to meet others."""


def check_partners() -> None:
    """Raise `InputError` if another package of the name of a partner would be imported."""
    ours = Path(__file__).resolve().parents[2]
    for name in PARTNERS:
        spec = find_spec(name)
        found = spec and (spec.origin or next(iter(spec.submodule_search_locations or ()), None))
        place = Path(found).resolve() if found else None
        if place is None or ours not in place.parents:
            from spiketheory.errors import InputError  # brings NumPy

            raise InputError(
                f"Expected the package {name} that came with spiketheory in {ours} but Python "
                f"finds {place or 'none'}; rename the other, or take its folder out of PYTHONPATH "
                "and of the folder that you work in."
            )


@click.group(
    cls=LazyGroup, modules=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(package_name="spiketheory")
def main() -> None:
    """Neuron models whose spikes only shift: derive, compile, simulate, train.

    \b
    Start here:
      spiketheory train                       learn handwritten digits in seconds
      spiketheory models                      what is built in
      spiketheory derive --model theta        the mathematics, derived and verified

    \b
    Exit codes: 0 success, 1 a check failed, 2 bad usage or input, 3 undecided.
    """  # noqa: D301
    check_partners()
