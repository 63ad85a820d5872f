"""Sums of blocks of a batch, the same to the last bit on any number of threads."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sim.threads import run_on_threads


def list_arrays(record: Any) -> list[np.ndarray]:
    """The arrays of a record and of those in it, in order."""
    if isinstance(record, np.ndarray):
        return [record]
    return [array for part in record for array in list_arrays(part)]


def add_in_tree(blocks: Sequence[Sequence[np.ndarray]], n_threads: int) -> None:
    """Add the arrays of blocks, neighbours first; those of the first one hold the result."""
    parts = list(blocks)
    while len(parts) > 1:
        pairs = list(zip(parts[::2], parts[1::2], strict=False))
        run_on_threads(lambda k, pairs=pairs: add_to(*pairs[k]), len(pairs), n_threads)  # type: ignore[misc]
        parts = parts[::2]


def add_to(target: Sequence[np.ndarray], source: Sequence[np.ndarray]) -> None:
    """Add arrays to others."""
    for a, b in zip(target, source, strict=True):
        a += b
