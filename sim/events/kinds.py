"""One function for the neurons of all kinds, where a network has several models."""

from typing import Any

from spiketheory.generation.interface import missing
from spiketheory.machine.link import kernel

PLACE: int = 0
"""The kind that ``first`` is for."""


def first(kind: int, *arguments: Any) -> Any:
    """A function of `sim.events.neurons`, linked with the model of one kind."""
    return missing("first")


def rest(kind: int, *arguments: Any) -> Any:
    """The same for all kinds after it."""
    return missing("rest")


# The arguments have no names, so that one text serves all functions of `sim.events.interface`: it
# is linked once for each, and Numba compiles the tuple of arguments away.
@kernel()
def choose(kind: int, *arguments: Any) -> Any:
    """Call ``first`` for the kind PLACE and ``rest`` for those after it."""
    if kind == PLACE:
        return first(kind, *arguments)
    return rest(kind, *arguments)
