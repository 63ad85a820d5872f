"""Checkpoints: everything a training needs to go on, in one file that proves itself whole.

The file is an ordinary ``.npz`` (a zip of ``.npy``) without pickles:

- ``header.npy``: JSON with the format's name, its version and a SHA-256 checksum;
- ``record.npy``: JSON with ``config`` and ``meta``;
- ``array.NAME.npy``: one per array.

Equal content gives equal bytes. The checksum covers the record and each array's name, dtype, shape
and bytes.
"""

import hashlib
import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from spiketheory.errors import CheckpointError, InputError
from spiketheory.files import replace_atomically
from spiketheory.reading import DamagedError, ForeignError, catch_damage, parse_json, read_npz, show

FORMAT = "spiketheory checkpoint"
VERSION = 1
_HEADER, _RECORD, _ARRAY = "header", "record", "array."


@dataclass(frozen=True, kw_only=True, eq=False)
class Checkpoint:
    """What `load_checkpoint` found.

    Attributes:
        config: The settings of the run, as JSON values (tuples have become lists).
        arrays: Parameters, optimiser state and the like, by name.
        meta: Epoch, model digest, metrics, ..., as JSON values.
    """

    config: dict[str, Any]
    arrays: dict[str, np.ndarray]
    meta: dict[str, Any]


def save_checkpoint(
    path: str | os.PathLike[str],
    *,
    config: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    meta: Mapping[str, Any],
) -> None:
    """Write a checkpoint, whole or not at all: an interrupted save leaves the old file.

    Args:
        path: The file to write; missing parent folders are created.
        config: Settings of the run: JSON values (NumPy scalars are converted; NaN and inf pass).
        arrays: Arrays by name, of any shape and any dtype but object.
        meta: Epoch, model digest, metrics, ...: JSON values as in ``config``.

    Raises:
        InputError: If something cannot be stored, or the file cannot be written.
    """
    record = _to_json(config=config, meta=meta)
    checked = {_check_name(name): _check_array(name, array) for name, array in arrays.items()}
    header = {"format": FORMAT, "version": VERSION, "sha256": _digest(record, checked)}
    members = {_HEADER: _to_array(json.dumps(header)), _RECORD: _to_array(record)}
    members |= {f"{_ARRAY}{name}": array for name, array in checked.items()}
    with replace_atomically(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, array in members.items():
            # A ZipInfo of our own carries a fixed date, so that equal content gives equal bytes.
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def load_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Read a checkpoint and check that it is what was saved.

    Raises:
        CheckpointError: If the file is missing, damaged, of another kind or of a newer version.
    """
    path = Path(path)
    try:
        members = read_npz(path)
    except ForeignError as err:
        raise CheckpointError(
            f"Expected a checkpoint in {path} but got a file that is not an .npz archive; "
            "name a file that a training has saved."
        ) from err
    except DamagedError as err:
        if isinstance(err.__cause__, OSError):
            raise CheckpointError(
                f"Expected a checkpoint in {path} but the system said: {err}; "
                "check the path, or start the training anew."
            ) from err
        _raise_damaged(path, err)
    header = _read_header(path, members)
    try:
        with catch_damage():
            record = members[_RECORD].tobytes().decode("utf-8")
            arrays = {
                name.removeprefix(_ARRAY): array
                for name, array in members.items()
                if name.startswith(_ARRAY)
            }
            if header["sha256"] != _digest(record, arrays):
                raise ValueError("the checksum of the content differs from the one in the header")
            parts = parse_json(record)
            config, meta = parts["config"], parts["meta"]
            if not isinstance(config, dict) or not isinstance(meta, dict):
                raise ValueError("config and meta are no objects")
            return Checkpoint(config=config, arrays=arrays, meta=meta)
    except DamagedError as err:
        _raise_damaged(path, err)


def check_progress(
    path: Path, meta: Mapping[str, Any], needed: Sequence[str]
) -> tuple[int, list[dict[str, float]]]:
    """The epoch of a training run and its metrics, a row of numbers for each epoch or so.

    Args:
        path: The checkpoint, for messages.
        meta: What the checkpoint says about itself.
        needed: Metrics that no row lacks.

    Raises:
        CheckpointError: If they are something else.
    """
    epoch, rows = meta.get("epoch"), meta.get("rows")
    if isinstance(epoch, bool) or not isinstance(epoch, int) or not 0 <= epoch < 2**53:
        came = f"epoch={show(epoch)}" if "epoch" in meta else "no epoch"
    elif not isinstance(rows, list):
        came = f"rows={show(rows)}" if "rows" in meta else "no rows"
    else:
        wrong = [row for row in rows if not _is_row(row, needed)]
        if not wrong:
            return epoch, [dict(row) for row in rows]
        came = f"the metrics {show(wrong[0])}"
    raise CheckpointError(
        f"Expected a checkpoint of a training run but {path} has {came}; "
        "give the folder that train wrote."
    )


def _is_row(row: Any, needed: Sequence[str]) -> bool:
    """Whether something is a row of numbers by name, that arrays of floats can hold."""
    return (
        isinstance(row, dict)
        and all(name in row for name in needed)
        and all(
            isinstance(v, int | float) and (isinstance(v, float) or abs(v) < 2**53)
            for v in row.values()
        )
    )


def _read_header(path: Path, members: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return the header of a checkpoint of a version that we can read."""
    try:
        with catch_damage():
            header: dict[str, Any] = parse_json(members[_HEADER].tobytes())
            kind, version = header["format"], int(header["version"])
    except DamagedError:
        _raise_foreign(path)
    if kind != FORMAT:
        _raise_foreign(path)
    if version > VERSION:
        raise CheckpointError(
            f"Expected a checkpoint of version {VERSION} or older in {path} but got version "
            f"{show(version)}; upgrade spiketheory to read it."
        )
    return header


def _raise_damaged(path: Path, err: BaseException) -> NoReturn:
    raise CheckpointError(
        f"Expected a whole checkpoint in {path} but it is truncated or damaged "
        f"({err or type(err).__name__}); restore it from a copy or start the training anew."
    ) from err


def _raise_foreign(path: Path) -> NoReturn:
    raise CheckpointError(
        f"Expected a checkpoint in {path} but got an archive without the header of a "
        f"{FORMAT}; name a file that a training has saved."
    )


def _to_array(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-8"), dtype=np.uint8)


def _digest(record: str, arrays: Mapping[str, np.ndarray]) -> str:
    """Return the SHA-256 over the record and each array's name, dtype, shape and bytes."""
    digest = hashlib.sha256(record.encode("utf-8"))
    for name in sorted(arrays):
        array = arrays[name]
        descr = np.lib.format.dtype_to_descr(array.dtype)
        digest.update(repr((name, descr, array.shape)).encode("utf-8"))
        digest.update(array.tobytes())
    return digest.hexdigest()


def _check_name(name: str) -> str:
    if not (isinstance(name, str) and name.isascii() and name.isprintable() and name):
        raise InputError(
            f"Expected names of arrays in printable ASCII but got {name!r}; rename the array."
        )
    return name


def _check_array(name: str, array: np.ndarray) -> np.ndarray:
    array = np.asarray(array)
    if array.dtype.hasobject:
        raise InputError(
            f"Expected numbers in the array {name} but got dtype {array.dtype}; a checkpoint "
            "stores no Python objects: convert it, or put it into meta."
        )
    return array


def _to_json(**named: Any) -> str:
    """Return {name: value, ...} as JSON text, or say which value JSON cannot hold."""
    texts = []
    for name, value in named.items():
        try:
            texts.append(f'"{name}": {json.dumps(dict(value), default=_plain)}')
        except (TypeError, ValueError, RecursionError) as err:
            raise InputError(
                f"Expected {name} of plain JSON values but got something else ({err}); "
                "convert it to numbers, texts, lists and dictionaries."
            ) from err
    return "{" + ", ".join(texts) + "}"


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{value!r} of type {type(value).__name__}")
