"""Whose spikes are kept: ``[record]`` of a network file, and ``--record`` (docs/formats.md, 8)."""

import re
from collections.abc import Sequence

import numpy as np

from sim.files.tables import TableReader, TomlValue
from sim.network.network import Network
from spiketheory.errors import InputError
from spiketheory.reading import show

FORMS = '"all", a number n for the first n neurons, "first:stop", or a list of neurons'


def read_record(reader: TableReader, given: TomlValue, network: Network) -> np.ndarray:
    """The neurons that ``[record]`` names, counted through the populations.

    Args:
        reader: The reader of the file.
        given: The table: by population what is kept of it.
        network: The network.
    """
    names = tuple(p.name for p in network.populations)
    table = reader.check(given, "[record]", names, ())
    chosen = []
    for name, value in table.items():
        own = select(value, network.populations[names.index(name)].size)
        if own is None:
            raise reader.fail(f"{FORMS} for {name} of [record]", show(value), "write one of these")
        chosen.append(own + network.slices[name].start)
    return np.concatenate([np.empty(0, np.int64), *chosen])


def select(value: TomlValue, size: int) -> np.ndarray | None:
    """Neurons within a population; None if the value says none, or others than it has."""
    if value == "all":
        return np.arange(size)
    if isinstance(value, str):
        ends = re.fullmatch(r"(\d{1,18}):(\d{1,18})", value)
        first, stop = (int(ends[1]), int(ends[2])) if ends else (1, 0)
        return np.arange(first, stop) if first < stop <= size else None
    if isinstance(value, list):
        if all(type(i) is int and 0 <= i < size for i in value):
            return np.array(sorted(set(value)), dtype=np.int64)
        return None
    return np.arange(value) if type(value) is int and 0 <= value <= size else None


def parse_record(texts: Sequence[str], network: Network) -> np.ndarray | None:
    """The neurons that ``--record`` names; None if there is no such option.

    Args:
        texts: ``NAME``, ``NAME=n`` or ``NAME=first:stop``.
        network: The network.

    Raises:
        InputError: If one names no population, or other neurons than it has.
    """
    if not texts:
        return None
    sizes, chosen = {p.name: p.size for p in network.populations}, []
    for text in texts:
        name, _, value = text.partition("=")
        if name not in sizes:
            raise InputError(
                f"Expected --record with one of {', '.join(sizes)} but got {name!r}; correct its "
                "name."
            )
        number = int(value) if re.fullmatch(r"\d{1,18}", value) else value or "all"
        own = select(number, sizes[name])
        if own is None:
            raise InputError(
                f"Expected --record NAME, NAME=n or NAME=first:stop within the {sizes[name]} "
                f"neurons of {name} but got {text!r}; correct it."
            )
        chosen.append(own + network.slices[name].start)
    return np.unique(np.concatenate(chosen))
