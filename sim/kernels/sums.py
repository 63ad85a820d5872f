"""Sums of blocks of a batch, the same to the last bit on any number of threads."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from sim.status import Status
from sim.threads import get_thread_count, run_on_threads

Arrays = Sequence[np.ndarray]
Node = tuple[int, int]
"""A sum in the tree: its level, 0 for blocks themselves, and its place there."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Blocks:
    """The blocks of a batch that is run, and where their results go.

    Attributes:
        run: Runs a block; returns its status, and the sample where it ended.
        sums: Arrays of each block, which are to be added.
        rows: Results by sample of a block.
        flags: Whether something happened in any block.
    """

    run: Callable[[int], tuple[int, int]]
    sums: Sequence[Arrays]
    rows: Callable[[int], Arrays]
    flags: Arrays = ()


class Share(Protocol):
    """What runs the blocks of batches elsewhere."""

    def run(self, blocks: Blocks) -> list[tuple[int, int]]:
        """Run all blocks; afterwards the sums of the first hold those of all."""
        ...


SHARE: ContextVar[Share | None] = ContextVar("SHARE", default=None)


@contextmanager
def share_blocks(share: Share) -> Iterator[None]:
    """Have the blocks of batches with gradients run by ``share``, in the block of code."""
    token = SHARE.set(share)
    try:
        yield
    finally:
        SHARE.reset(token)


def run_blocks(blocks: Blocks, *, here: bool = False) -> list[tuple[int, int]]:
    """Run all blocks, and add their sums up into those of the first, unless one failed.

    Args:
        blocks: The blocks.
        here: Whether they are run by this process in any case.

    Returns:
        What the blocks return.
    """
    share = SHARE.get()
    if share is not None and not here:
        return share.run(blocks)
    n_threads = get_thread_count()
    ended = run_on_threads(blocks.run, len(blocks.sums), n_threads)
    if all(status == Status.OK for status, _ in ended):
        add_in_tree(blocks.sums, n_threads)
    return ended


def add_nodes(nodes: dict[Node, Arrays], n_blocks: int) -> None:
    """Add what can be added of the tree of `add_in_tree`, in place; the sums of all are at its top.

    Args:
        nodes: Sums by their place in the tree; those that were added are replaced by their sum.
        n_blocks: How many blocks the whole tree has.
    """
    level, width = 0, n_blocks
    while width > 1:
        for k in range(-(-width // 2)):
            left, right = (level, 2 * k), (level, 2 * k + 1)
            is_single = right[1] >= width
            if left not in nodes or not (is_single or right in nodes):
                continue
            if not is_single:
                add_to(nodes[left], nodes.pop(right))
            nodes[level + 1, k] = nodes.pop(left)
        level, width = level + 1, -(-width // 2)


def find_top(n_blocks: int) -> Node:
    """The place of the sums of all blocks."""
    return (n_blocks - 1).bit_length(), 0


def list_arrays(record: Any) -> list[np.ndarray]:
    """The arrays of a record and of those in it, in order."""
    if isinstance(record, np.ndarray):
        return [record]
    return [array for part in record for array in list_arrays(part)]


def add_in_tree(blocks: Sequence[Arrays], n_threads: int) -> None:
    """Add the arrays of blocks, neighbours first; those of the first one hold the result."""
    parts = list(blocks)
    while len(parts) > 1:
        pairs = list(zip(parts[::2], parts[1::2], strict=False))
        run_on_threads(lambda k, pairs=pairs: add_to(*pairs[k]), len(pairs), n_threads)  # type: ignore[misc]
        parts = parts[::2]


def add_to(target: Arrays, source: Arrays) -> None:
    """Add arrays to others."""
    for a, b in zip(target, source, strict=True):
        a += b
