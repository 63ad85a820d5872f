"""Projections of a network file that a rule describes (docs/formats.md, 8)."""

import math
from collections.abc import Mapping

from sim.files.tables import Table, TableReader, TomlValue
from sim.network.distribution import KINDS, Distribution
from sim.network.drawn import PRECISIONS, RULES, Drawn
from spiketheory.errors import InputError
from spiketheory.reading import show

RULE_FIELDS = ("rule", "weight", "delay")
OPTIONS = ("self_connections", "seed", "precision")
BOUNDS = ("at_least", "at_most")
RESOLUTION = "resolution"


def read_rule(
    reader: TableReader, table: Table, sizes: Mapping[str, int], where: str, *, stream: int
) -> Drawn:
    """Read a rule, and what the connections that it draws have.

    Args:
        reader: The reader of the file.
        table: The table of the projection.
        sizes: Numbers of neurons and channels by name.
        where: What the table is called in messages.
        stream: Place of the projection, so that each draws numbers of its own.
    """
    other = [name for name in ("connect", "weights", "edges", "mask") if name in table]
    if other:
        raise reader.fail(
            f"{', '.join(RULE_FIELDS)} in {where}", f"rule and {other[0]}", "leave one out"
        )
    given = reader.check(table["rule"], f"rule of {where}", (*RULES, *OPTIONS), ())
    rules = [name for name in RULES if name in given]
    if len(rules) != 1:
        raise reader.fail(
            f"one of {', '.join(RULES)} in rule of {where}", show(given), "give one of them"
        )
    number = reader.number(given[rules[0]], f"{rules[0]} of {where}")
    if rules[0] != "probability":
        number = reader.whole(given[rules[0]], f"{rules[0]} of {where}")
    own = given.get("self_connections", table["pre"] != table["post"])
    if not isinstance(own, bool):
        raise reader.fail(
            f"true or false for self_connections of {where}", show(own), "write one of them"
        )
    try:
        return Drawn(
            rule=rules[0], number=number, shape=(sizes[table["post"]], sizes[table["pre"]]),
            weight=read_spread(reader, table.get("weight", 1.0), f"weight of {where}"),
            delay=read_spread(reader, table.get("delay", 0.0), f"delay of {where}"),
            seed=reader.whole(given.get("seed", reader.seed), f"seed of {where}"), stream=stream,
            self_connections=own,
            precision=reader.choice(
                given.get("precision", "float64"), f"precision of {where}", PRECISIONS
            ),
        )  # fmt: skip
    except InputError as err:
        raise InputError(f"{str(err)[:-1]} ({where} of {reader.path}).") from err


def read_spread(reader: TableReader, given: TomlValue, where: str) -> float | Distribution:
    """A number for all connections, or what each is drawn from."""
    if not isinstance(given, dict):
        return reader.number(given, where)
    kinds = [name for name in KINDS if name in given]
    reader.check(given, where, (*KINDS, *BOUNDS, RESOLUTION), ())
    if len(kinds) != 1:
        raise reader.fail(
            f"a number, or one of {', '.join(KINDS)} for {where}", show(given), "give one of them"
        )
    numbers = reader.numbers(given[kinds[0]], where)
    low, high = (
        reader.number(given.get(name, default), f"{name} of {where}")
        for name, default in zip(BOUNDS, (-math.inf, math.inf), strict=True)
    )
    return Distribution(
        kind=kinds[0], numbers=tuple(numbers), at_least=low, at_most=high,
        resolution=reader.number(given.get(RESOLUTION, 0.0), f"{RESOLUTION} of {where}"),
    )  # fmt: skip
