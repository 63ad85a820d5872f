"""How much memory the network of a network file asks for, before any of it is allocated.

What a rule draws is nothing yet: the engine that lays it out says what it takes there. The tables
are read as they are: what is malformed counts as nothing here, and is refused when it is read for
good.
"""

import math
from collections.abc import Iterator, Mapping

from sim.files.tables import Table, TomlValue

NEURON = 400
"""Bytes of a neuron: parameters, initial states, coordinates, and the copies on the way."""
CONNECTION = 80
"""Bytes of a connection that is drawn or listed: ends, weight, delay, and the copies on the way."""
SPIKE = 100
"""Bytes of an input spike: time and channel, drawn and sorted."""
CHANNEL = 32


def estimate_network(tables: Table) -> float:
    """Bytes that building the network of a file takes at its peak, roughly."""
    populations, inputs = (list_tables(tables.get(name)) for name in ("populations", "inputs"))
    sizes = {name: read_size(table) for name, table in [*populations.items(), *inputs.items()]}
    duration = read_number(find(tables.get("network"), "duration"))
    given = tables.get("projections")
    projections = [
        t for t in (given if isinstance(given, list) else ()) if "rule" not in as_table(t)
    ]
    n_connections = sum(count_connections(table, sizes) for table in projections)
    n_spikes = sum(
        read_rate(table.get("rate"), sizes[name]) * duration
        for name, table in inputs.items()
        if "process" not in table  # those are drawn while the network runs
    )
    return (
        NEURON * sum(sizes[name] for name in populations)
        + CHANNEL * sum(sizes[name] for name in inputs)
        + CONNECTION * (n_connections + count_read_out(tables.get("readouts"), sizes))
        + SPIKE * n_spikes
    )


def count_connections(table: TomlValue, sizes: Mapping[str, float]) -> float:
    """Connections of a projection that a pattern draws; those that are listed are there already."""
    if not isinstance(table, dict) or "weight" not in table or {"mask", "rule"} & table.keys():
        return 0.0
    pre, post = (sizes.get(end, 0.0) for end in read_texts(table, "pre", "post"))
    given = table.get("connect", "all")
    if "in_degree" in as_table(given):
        return post * read_number(given["in_degree"])
    if "small_world" in as_table(given):
        return post * read_number(find(given["small_world"], "neighbours"))
    return post if given == "one_to_one" or "one_to_one" in as_table(given) else post * pre


def count_read_out(value: TomlValue, sizes: Mapping[str, float]) -> float:
    """Weights of all readouts."""
    total = 0.0
    for table in list_tables(value).values():
        (population,) = read_texts(table, "population")
        n_features = max(1.0, read_number(find(table.get("parameters"), "n_windows")))
        total += read_size(table) * sizes.get(population, 0.0) * n_features
    return total


def list_tables(value: TomlValue) -> dict[str, Table]:
    """The tables of a group by name."""
    pairs = value.items() if isinstance(value, dict) else ()
    return {name: table for name, table in pairs if isinstance(table, dict)}


def as_table(value: TomlValue) -> Table:
    """A table; an empty one in place of something else."""
    return value if isinstance(value, dict) else {}


def read_texts(table: Table, *names: str) -> Iterator[str]:
    """The texts under some names; empty where there are none."""
    return (v if isinstance(v := table.get(name), str) else "" for name in names)


def find(value: TomlValue, name: str) -> TomlValue:
    """What a table has under a name; None if it is no table."""
    return value.get(name) if isinstance(value, dict) else None


def read_size(table: Table) -> float:
    """The size of a population or an input."""
    return read_number(table.get("size"))


def read_number(value: TomlValue) -> float:
    """A positive number; 0 in place of anything else, inf of one that is too large."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        return 0.0
    return float(value) if value < 1e300 else math.inf


def read_rate(value: TomlValue, size: float) -> float:
    """The sum of the rates of an input, or a bound of it if they are drawn."""
    if isinstance(value, list):
        return sum(map(read_number, value))
    for kind, factors in (("uniform", (0.0, 1.0)), ("normal", (1.0, 3.0))):
        pair = find(value, kind)
        if isinstance(pair, list) and len(pair) == 2:
            return size * sum(f * read_number(v) for f, v in zip(factors, pair, strict=True))
    return size * read_number(value)
