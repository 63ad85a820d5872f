"""The program ``spiketheory``: which module each command is in.

Nothing heavier than click is imported until a command runs, so that ``--help`` answers at once.
"""

import click

from spiketheory.commands.group import LazyGroup

COMMANDS = {
    "accuracy": "spiketheory.commands.mathematics",
    "bench": "spiketheory.commands.bench",
    "certify": "spiketheory.commands.certify_check",
    "check": "spiketheory.commands.certify_check",
    "codegen": "spiketheory.commands.mathematics",
    "derive": "spiketheory.commands.mathematics",
    "evaluate": "spiketheory.commands.train",
    "models": "spiketheory.commands.mathematics",
    "plot": "spiketheory.commands.plot",
    "simulate": "spiketheory.commands.simulate",
    "train": "spiketheory.commands.train",
}


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
