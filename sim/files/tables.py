"""Reading tables of a TOML file with all names and kinds checked."""

import math
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from spiketheory.errors import InputError
from spiketheory.reading import MOST_TEXT, DamagedError, parse_toml, read_text, show

DRAWS = ("normal", "uniform")

TomlValue: TypeAlias = Any
"""What a TOML file holds under a name: a number, a text, a truth value, a list or a table."""
Table: TypeAlias = dict[str, TomlValue]
"""A table of a TOML file."""


def read_toml(path: Path, what: str, *, most: int = MOST_TEXT) -> Table:
    """Read a TOML file.

    Args:
        path: The file.
        what: What it should be, for messages.
        most: Largest file that is read, in bytes.

    Raises:
        InputError: If it cannot be read, or is no TOML.
    """
    try:
        text = read_text(path, most=most)
    except DamagedError as err:
        raise InputError(
            f"Expected {what} at {path} but reading it failed: {err}; correct the path, and keep "
            "large matrices in a trial file."
        ) from err
    try:
        return parse_toml(text)
    except DamagedError as err:
        raise InputError(f"Expected TOML in {path} but got {err}; correct it.") from err


class TableReader:
    """Reads the tables of one file; all randomness comes from its seed, in the file's order.

    Args:
        path: The file, for messages.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seed = 0
        self.rng = np.random.default_rng(self.seed)

    def fail(self, wanted: str, got: str, remedy: str) -> InputError:
        """The error of a file that is not what it should be."""
        return InputError(f"Expected {wanted} in {self.path} but got {got}; {remedy}.")

    def check(
        self, table: TomlValue, where: str, known: tuple[str, ...], needed: tuple[str, ...]
    ) -> Table:
        """Return a table whose names are known and of which none is missing."""
        if not isinstance(table, dict):
            raise self.fail(f"{where} to be a table", show(table), "write name = value below it")
        for name in table:
            if name not in known:
                raise self.fail(
                    f"{', '.join(known)} in {where}", show(name), "correct its name or remove it"
                )
        for name in needed:
            if name not in table:
                raise self.fail(f"{', '.join(needed)} in {where}", f"no {name}", "add it")
        return table

    def check_group(self, table: TomlValue, name: str) -> Table:
        """Return a table of tables."""
        if not isinstance(table, dict) or not all(isinstance(v, dict) for v in table.values()):
            raise self.fail(f"[{name}.NAME] tables", "something else", "give each a name")
        return table

    def text(self, value: TomlValue, where: str) -> str:
        """Return a text."""
        if not isinstance(value, str):
            raise self.fail(f"a text for {where}", show(value), "quote the name")
        return value

    def choice(self, value: TomlValue, where: str, choices: tuple[str, ...]) -> str:
        """Return one of a few texts."""
        if value not in choices:
            raise self.fail(
                f"{where} to be one of {', '.join(choices)}", show(value), "choose one of these"
            )
        return str(value)

    def number(self, value: TomlValue, where: str) -> float:
        """Return a number."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.fail(f"a number for {where}", show(value), "write one, without quotes")
        try:
            return float(value)
        except OverflowError as err:
            raise self.fail(
                f"a number for {where} that a float can hold", show(value), "write a smaller one"
            ) from err

    def at_least(self, value: TomlValue, low: float, where: str) -> float:
        """Return a finite number that is not below another."""
        number = self.number(value, where)
        if not (np.isfinite(number) and number >= low):
            raise self.fail(
                f"a finite number >= {low:g} for {where}", show(value), "give such a number"
            )
        return number

    def whole(self, value: TomlValue, where: str) -> int:
        """Return a whole number that is not negative, and that an array can hold."""
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
            raise self.fail(f"a whole number for {where}", show(value), "write one, >= 0")
        return value

    def listed(self, value: TomlValue, where: str) -> list[TomlValue]:
        """Return a list."""
        if not isinstance(value, list):
            raise self.fail(f"a list for {where}", show(value), "write it in brackets")
        return value

    def numbers(self, value: TomlValue, where: str) -> np.ndarray:
        """Return a list of numbers."""
        return np.array([self.number(v, where) for v in self.listed(value, where)], dtype=float)

    def rows(self, value: TomlValue, where: str) -> np.ndarray:
        """Return a list of equally long lists of numbers."""
        found = [self.numbers(row, where) for row in self.listed(value, where)]
        if len({len(row) for row in found}) != 1:
            raise self.fail(f"equally long rows for {where}", "others", "give every row as many")
        return np.array(found)

    def values(self, value: TomlValue, count: int, where: str) -> TomlValue:
        """A number, a list with one for each, or what is drawn for each."""
        if isinstance(value, list):
            return self.numbers(value, where)
        if not isinstance(value, dict):
            return self.number(value, where)
        kind = next(iter(value), "")
        pair = value.get(kind)
        if len(value) != 1 or kind not in DRAWS or not isinstance(pair, list) or len(pair) != 2:
            raise self.fail(
                "a number, a list, {normal = [mean, sd]} or {uniform = [low, high]} for " + where,
                show(value), "write one of these",
            )  # fmt: skip
        a, b = (self.number(v, where) + 0.0 for v in pair)  # NumPy takes -0.0 for a negative sd
        if not math.isfinite(b - a):
            raise self.fail(f"finite numbers for {where}", show(pair), "correct them")
        if b < (a if kind == "uniform" else 0):
            raise self.fail(f"an upper bound or an sd >= 0 for {where}", show(pair), "correct it")
        return self.rng.normal(a, b, count) if kind == "normal" else self.rng.uniform(a, b, count)
