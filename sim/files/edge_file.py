"""Edge files: connections as lists in ``.csv``, ``.npz`` or HDF5 (docs/formats.md, 15)."""

import csv
import stat
from array import array
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from sim.files.edge_columns import COLUMNS, ENDS, EdgeColumns, check_names, choose_group
from sim.files.edge_hdf5 import read_hdf5
from sim.network.listed import Listed
from spiketheory.errors import InputError
from spiketheory.memory import check_memory
from spiketheory.reading import DamagedError, catch_damage, read_npz, show

POPULATIONS = ("pre_population", "post_population")
HDF5 = (".h5", ".hdf5")
MEMORY = 4
"""Bytes in memory for each byte of a CSV file."""


def read_edges(
    path: Path, ends: tuple[str, str], shape: tuple[int, int], *, group: str | None = None,
    given: Mapping[str, float] | None = None, scale: Mapping[str, float] | None = None,
) -> Listed:  # fmt: skip
    """Read the connections of one projection.

    Args:
        path: The file.
        ends: Names of those that are heard, and that hear.
        shape: Numbers of those that hear and are heard, (n_post, n_pre).
        group: Which group of an ``.npz`` or HDF5 file, or which edge population of SONATA; by
            default that of the two names.
        given: ``weight`` and ``delay`` of all connections, where the file has none.
        scale: What the file's weights and delays are multiplied by, by name.

    Raises:
        InputError: If the file cannot be read, or is malformed; a connection is named by its line,
            or by its place, counted from 0.
    """
    suffix = path.suffix.lower()
    try:
        with catch_damage():
            if not stat.S_ISREG(path.stat().st_mode):
                raise DamagedError("it is no file")
            if suffix == ".csv" and group is None:
                found = read_csv(path, ends)
            elif suffix == ".csv":
                raise InputError(
                    f"Expected no group of {path} but got {show(group)}; name populations in its "
                    f"columns {' and '.join(POPULATIONS)}."
                )
            elif suffix == ".npz":
                found = read_arrays(path, group, ends)
            elif suffix in HDF5:
                found = read_hdf5(path, group, ends)
            else:
                raise InputError(
                    f"Expected an edge file that ends in .csv, .npz, {' or '.join(HDF5)} but got "
                    f"{path}; convert it, or rename it."
                )
    except (DamagedError, csv.Error) as err:
        raise InputError(
            f"Expected an edge file at {path} but reading it failed: {err}; correct the path, or "
            "write the file again."
        ) from err
    return found.make_listed(shape, given or {}, scale or {})


def read_arrays(path: Path, group: str | None, ends: tuple[str, str]) -> EdgeColumns:
    """Read an ``.npz`` file; arrays of a group are called GROUP/pre, ..."""
    arrays = read_npz(path)
    groups: dict[str, dict[str, np.ndarray]] = {}
    for name, column in arrays.items():
        place, _, own = name.rpartition("/")
        groups.setdefault(place, {})[own] = column
    chosen = choose_group(path, list(groups), group, ends)
    check_names(path, list(groups[chosen]))
    return EdgeColumns(path=path, columns=groups[chosen], tell=lambda place: f"entry {place}")


def read_csv(path: Path, ends: tuple[str, str]) -> EdgeColumns:
    """Read a CSV file with a header; only lines of these populations, where it names them."""
    check_memory(MEMORY * path.stat().st_size, f"the connections of {path}")
    header = read_header(path)
    columns: dict[str, Any] = {
        name: array("q" if name in ENDS else "d") for name in COLUMNS if name in header
    }
    for line, row in list_rows(path, header, ends):
        for name, column in columns.items():
            try:
                column.append(int(row[name]) if name in ENDS else float(row[name]))
            except (ValueError, OverflowError) as err:
                raise InputError(
                    f"Expected a {'whole ' if name in ENDS else ''}number for {name} in {path} but "
                    f"line {line} has {show(row[name])}; correct it."
                ) from err

    def tell(place: int) -> str:
        return f"line {next(islice(list_rows(path, header, ends), place, None))[0]}"

    arrays = {
        name: np.array(column, np.int64 if name in ENDS else np.float64)
        for name, column in columns.items()
    }
    return EdgeColumns(path=path, columns=arrays, tell=tell)


def read_header(path: Path) -> list[str]:
    """Names of the columns of a CSV file."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        header = [name.strip() for name in next(csv.reader(file), [])]
    check_names(path, [name for name in header if name not in POPULATIONS], " and of populations")
    if len(set(header)) < len(header):
        raise InputError(
            f"Expected each column once in {path} but got {', '.join(header)}; rename one."
        )
    return header


def list_rows(
    path: Path, header: list[str], ends: tuple[str, str]
) -> Iterator[tuple[int, dict[str, str]]]:
    """Number and fields of each line with a connection between these populations."""
    wanted = {name: end for name, end in zip(POPULATIONS, ends, strict=True) if name in header}
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        next(reader, None)
        for fields in reader:
            if not fields:
                continue
            if len(fields) != len(header):
                raise InputError(
                    f"Expected {len(header)} fields in each line of {path} but line "
                    f"{reader.line_num} has {len(fields)}; correct it."
                )
            row = dict(zip(header, fields, strict=True))
            if all(row[name].strip() == end for name, end in wanted.items()):
                yield reader.line_num, row
