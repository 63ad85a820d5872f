"""Whether two networks are the same: a digest of all that they are made of."""

import hashlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import scipy.sparse

from spiketheory.machine.compile import CompiledModel


def find_fingerprint(value: Any) -> str:
    """A digest of numbers, texts, arrays, models, networks, and sequences or mappings of them."""
    found = hashlib.sha256()
    add(found, value)
    return found.hexdigest()


def add(found: Any, value: Any) -> None:
    """Add a value, with what says where it ends."""
    if isinstance(value, CompiledModel):
        add(found, [value.name, value.digest, value.backend])
    elif isinstance(value, np.ndarray | np.generic):
        array = np.ascontiguousarray(value)
        found.update(f"array {array.dtype.str} {array.shape};".encode())
        found.update(array.tobytes())
    elif scipy.sparse.issparse(value):
        matrix = scipy.sparse.coo_array(value)
        add(found, ["matrix", matrix.shape, matrix.row, matrix.col, matrix.data])
    elif is_dataclass(value) and not isinstance(value, type):
        names = [f.name for f in fields(value)]
        add(found, [type(value).__name__, {name: getattr(value, name) for name in names}])
    elif isinstance(value, Mapping):
        add(found, [part for pair in value.items() for part in pair])
    elif isinstance(value, list | tuple):
        found.update(f"list {len(value)};".encode())
        for part in value:
            add(found, part)
    elif value is None or isinstance(value, str | int | float):
        found.update(f"{type(value).__name__} {value!r};".encode())
    else:
        raise TypeError(f"no fingerprint of {type(value).__name__}")
