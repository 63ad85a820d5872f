"""Columns of an edge file, checked, as connections (docs/formats.md, 15)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sim.network.listed import Listed, find_twice
from spiketheory.errors import InputError
from spiketheory.reading import show

ENDS = ("pre", "post")
NUMBERS = ("weight", "delay")
COLUMNS = (*ENDS, *NUMBERS)


@dataclass(frozen=True, kw_only=True, eq=False)
class EdgeColumns:
    """Connections as they are in a file.

    Attributes:
        path: The file.
        columns: ``pre`` and ``post``, and ``weight`` and ``delay`` if it has them.
        tell: What the file calls its i-th connection.
    """

    path: Path
    columns: Mapping[str, np.ndarray]
    tell: Callable[[int], str]

    def fail(self, wanted: str, place: int, got: object, remedy: str) -> InputError:
        """The error of a connection that is not what it should be."""
        return InputError(
            f"Expected {wanted} in {self.path} but {self.tell(place)} has {got}; {remedy}."
        )

    def check(self, shape: tuple[int, int]) -> None:
        """Raise `InputError` unless the columns are connections between so many.

        Args:
            shape: Numbers of those that hear and are heard, (n_post, n_pre).
        """
        for name in ENDS:
            if name not in self.columns:
                raise InputError(
                    f"Expected {' and '.join(ENDS)} in {self.path} but got "
                    f"{', '.join(self.columns) or 'nothing'}; add {name}."
                )
        n = self.columns["pre"].size
        for name, column in self.columns.items():
            kinds = "iu" if name in ENDS else "iuf"
            if column.ndim != 1 or (column.dtype.kind not in kinds and column.size):
                raise InputError(
                    f"Expected {'whole ' if name in ENDS else ''}numbers in a row for {name} of "
                    f"{self.path} but got {column.dtype} of shape {column.shape}; convert it."
                )
            if len(column) != n:
                raise InputError(
                    f"Expected as many numbers for {name} as for pre, {n}, in {self.path} but got "
                    f"{len(column)}; give one for each connection."
                )
        for name, most in zip(ENDS, shape[::-1], strict=True):
            column = self.columns[name]
            bad = np.flatnonzero((column < 0) | (column >= most))
            if len(bad):
                raise self.fail(
                    f"{name} from 0 to {most - 1}", bad[0], column[bad[0]],
                    "count neurons from 0 within their population",
                )  # fmt: skip
        self.check_numbers()
        twice = find_twice(self.columns["pre"], self.columns["post"], shape)
        if twice >= 0:
            pair = " -> ".join(str(self.columns[name][twice]) for name in ENDS)
            raise self.fail(
                "each connection once", twice, f"{pair} again", "add up the weights of the two"
            )

    def check_numbers(self) -> None:
        """Raise `InputError` unless weights are finite, and delays positive as well."""
        for name in NUMBERS:
            column = self.columns.get(name, np.empty(0))
            bad = np.flatnonzero(~np.isfinite(column))
            if len(bad):
                raise self.fail(f"finite numbers for {name}", bad[0], column[bad[0]], "correct it")
        column = self.columns.get("delay", np.empty(0))
        bad = np.flatnonzero(column <= 0)
        if len(bad):
            raise self.fail(
                "delays > 0", bad[0], column[bad[0]],
                "leave the column out if there are none, or correct it",
            )  # fmt: skip

    def make_listed(
        self, shape: tuple[int, int], given: Mapping[str, float], scale: Mapping[str, float]
    ) -> Listed:
        """The columns as connections.

        Args:
            shape: Numbers of those that hear and are heard.
            given: Weight and delay of all connections where the file has none.
            scale: What the file's weights and delays are multiplied by.
        """
        self.check(shape)
        values: dict[str, float | np.ndarray] = {}
        for name, default in (("weight", None), ("delay", 0.0)):
            column = self.columns.get(name)
            if column is not None and name in given:
                raise InputError(
                    f"Expected {name} either in {self.path} or beside it but got both; leave one "
                    "out."
                )
            if column is None and given.get(name, default) is None:
                raise InputError(
                    f"Expected {name} in {self.path} but got {', '.join(self.columns)}; add it, or "
                    f"give one {name} for all connections beside the file."
                )
            factor = scale.get(name, 1.0)
            values[name] = (
                given.get(name, 0.0)
                if column is None
                else column
                if factor == 1.0
                else column.astype(column.dtype if column.dtype.kind == "f" else float) * factor
            )
        return Listed(
            sources=self.columns["pre"], targets=self.columns["post"], shape=shape,
            weights=values["weight"], delays=values["delay"],
        )  # fmt: skip


def check_names(path: Path, names: list[str], where: str = "") -> None:
    """Raise `InputError` if a file has columns that nobody knows."""
    for name in names:
        if name not in COLUMNS:
            raise InputError(
                f"Expected the columns {', '.join(COLUMNS)}{where} in {path} but got "
                f"{show(name)}; correct its name or remove it."
            )


def choose_group(path: Path, groups: list[str], group: str | None, ends: tuple[str, str]) -> str:
    """Which of a file's groups has the connections; an empty name stands for the file itself.

    Args:
        path: The file.
        groups: What it has.
        group: Which is asked for; None for that of these ends, or the file itself.
        ends: Names of those that are heard, and that hear.
    """
    own = "->".join(ends)
    wanted = [own, ""] if group is None else [group]
    found = [name for name in wanted if name in groups]
    if not found:
        there = ", ".join(show(name) for name in groups if name) or "none"
        raise InputError(
            f"Expected {' or '.join(show(name) for name in wanted if name)} among the groups of "
            f"{path} but it has {there}; name one as group."
        )
    return found[0]
