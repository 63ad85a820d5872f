"""How connections become rows (`sim.network.rows`): each part of a network counts, then fills.

A part are the connections of one projection (`sim.network.row_parts`). Its rows are counted block
by block; then it is known how large the arrays must be, and where in them everything goes.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import NamedTuple

import numpy as np

from sim.network import row_kernels
from sim.threads import get_thread_count, run_on_threads
from spiketheory.errors import InputError
from spiketheory.machine.link import Linker

ONE, FLOAT32, FLOAT64 = 0, 1, 2
"""Kinds of weights: one for all, or one each."""
WIDTHS = (0, 4, 8)
"""Bytes of each."""
MOST_INDEX = np.iinfo(np.int32).max
MOST_CLASSES = 16
"""More different delays than this are kept one by one."""
MOST_TICKS = 2**53
"""No whole number up to here is missing among floats."""
LARGEST_BLOCK = 65_536
"""Neurons of a block, at most: as many as two bytes can count."""


@lru_cache(maxsize=1)
def link_kernels() -> ModuleType:
    """The loops, compiled."""
    return Linker(bound={}, key="rows", compiles=True).link(row_kernels)


@dataclass(frozen=True, kw_only=True, eq=False)
class Layout:
    """Where the connections of a part go.

    Attributes:
        bounds: First neuron of each block, counted within the population, and the end; all but the
            last block are of one size.
        starts: Where each row begins, shape (n_blocks, n_classes, n_sources + 1).
        starts_at: Where those of each block and class begin, shape (n_blocks, n_classes).
        sizes: How many connections each has.
        targets_at: Where these begin in ``targets``; the classes of a block stand together.
        weights_at: The same for ``weights``, shape (n_factors, n_blocks, n_classes).
        delays_at: The same for ``delays``.
        targets: Neurons within their blocks, of all parts.
        weights: Of all parts whose weights are of this part's kind.
        delays: Of all parts whose connections have delays of their own.
        places: Which connection of the part each is; empty if nobody asks.
    """

    bounds: np.ndarray
    starts: np.ndarray
    starts_at: np.ndarray
    sizes: np.ndarray
    targets_at: np.ndarray
    weights_at: np.ndarray
    delays_at: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    delays: np.ndarray
    places: np.ndarray

    @property
    def blocks(self) -> range:
        """Numbers of the blocks."""
        return range(len(self.bounds) - 1)


class Part(ABC):
    """The connections of a projection.

    Attributes:
        n_sources: Number of those that are heard.
        delays: Of each class, in ticks; where each connection has its own, no shorter one.
        longest: No longer one, in ticks.
        unit: Whole number of ticks that divides all delays, where each connection has its own; 0
            where a class has one.
        kind: ``ONE``, ``FLOAT32`` or ``FLOAT64``.
        weight: The one weight.
        factors: What the weights are multiplied by: a copy for each.
    """

    n_sources: int
    delays: np.ndarray
    longest: float
    unit: int
    kind: int
    weight: float
    factors: Sequence[float] = (1.0,)

    @abstractmethod
    def count(self, bounds: np.ndarray, starts: np.ndarray) -> None:
        """Count the connections of each row, at its number + 1; see `Layout`."""

    @abstractmethod
    def fill(self, layout: Layout, step: float) -> None:
        """Fill in targets, weights multiplied by each factor, and delays in ``step`` ticks."""


class Arrays(NamedTuple):
    """What all rows are in; see `sim.network.rows.BlockRows`."""

    starts: np.ndarray
    targets: np.ndarray
    weights: tuple[np.ndarray, np.ndarray, np.ndarray]
    delays: np.ndarray
    places: np.ndarray


def reopen(layout: Layout, block: int) -> None:
    """Turn where rows of a block end into where they begin."""
    for starts in layout.starts[block]:
        link_kernels().reopen_rows(starts)


def lay_out(
    parts: Sequence[Part], cuts: Sequence[np.ndarray], *, step: float, delay_type: type,
    places: bool,
) -> tuple[Arrays, list[Layout]]:  # fmt: skip
    """Lay parts out in rows.

    Args:
        parts: The parts.
        cuts: First neuron of each block that a part leads to, counted within its population, and
            the end; none if it leads to none.
        step: Unit of delays that connections have of their own [ticks].
        delay_type: Type in which these are kept.
        places: Whether to keep which connection of its part each entry is.
    """
    shapes = [
        (max(0, len(own) - 1), len(part.delays), part.n_sources + 1)
        for part, own in zip(parts, cuts, strict=True)
    ]
    ends = np.cumsum([0, *map(np.prod, shapes)])
    starts = np.zeros(ends[-1], np.int32)
    views = [
        starts[first : first + np.prod(shape)].reshape(shape)
        for first, shape in zip(ends, shapes, strict=False)
    ]
    sizes = [
        count_part(part, own, view) for part, own, view in zip(parts, cuts, views, strict=True)
    ]
    arrays = allocate(parts, sizes, starts, delay_type, places=places)
    layouts = place_parts(parts, cuts, views, sizes, arrays)
    for part, layout in zip(parts, layouts, strict=True):
        if len(layout.bounds):
            part.fill(layout, step)
    return arrays, layouts


def allocate(
    parts: Sequence[Part], sizes: Sequence[np.ndarray], starts: np.ndarray, delay_type: type, *,
    places: bool,
) -> Arrays:  # fmt: skip
    """Make room for as many connections as parts have."""
    totals = [int(own.sum()) for own in sizes]
    n_weights = dict.fromkeys((ONE, FLOAT32, FLOAT64), 0)
    for n, part in zip(totals, parts, strict=True):
        n_weights[part.kind] += n * len(part.factors)
    return Arrays(
        starts=starts,
        targets=np.empty(sum(totals), np.uint16),
        weights=(
            np.empty(0), np.empty(n_weights[FLOAT32], np.float32), np.empty(n_weights[FLOAT64]),
        ),
        delays=np.empty(sum(n for n, p in zip(totals, parts, strict=True) if p.unit), delay_type),
        places=np.empty(sum(totals) if places else 0, np.int32),
    )  # fmt: skip


def place_parts(
    parts: Sequence[Part], cuts: Sequence[np.ndarray], views: Sequence[np.ndarray],
    sizes: Sequence[np.ndarray], arrays: Arrays,
) -> list[Layout]:  # fmt: skip
    """Where the connections of each part go; see `lay_out`."""
    used = {"starts": 0, "targets": 0, "delays": 0, ONE: 0, FLOAT32: 0, FLOAT64: 0}
    layouts = []
    for part, bounds, starts, counts in zip(parts, cuts, views, sizes, strict=True):
        n = int(counts.sum())
        within = (np.cumsum(counts) - counts.reshape(-1)).reshape(counts.shape)
        copies = np.arange(len(part.factors))[:, None, None] * n
        rows = np.arange(counts.size).reshape(counts.shape) * starts.shape[2]
        layouts.append(
            Layout(
                bounds=bounds, starts=starts, starts_at=used["starts"] + rows, sizes=counts,
                targets_at=used["targets"] + within, weights_at=used[part.kind] + copies + within,
                delays_at=used["delays"] + within, targets=arrays.targets,
                weights=arrays.weights[part.kind], delays=arrays.delays, places=arrays.places,
            )
        )  # fmt: skip
        used["starts"] += starts.size
        used["targets"] += n
        used["delays"] += n if part.unit else 0
        used[part.kind] += n * len(part.factors) if part.kind != ONE else 0
    return layouts


def count_part(part: Part, bounds: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Count a part's rows and say where they begin; return how many connections each block has."""
    if len(starts):
        part.count(bounds, starts)
    rows = starts.reshape(-1, starts.shape[2])
    sizes = np.array(
        run_on_threads(lambda k: link_kernels().close_rows(rows[k]), len(rows), get_thread_count()),
        np.int64,
    )
    if sizes.max(initial=0) > MOST_INDEX:
        raise InputError(
            f"Expected at most {MOST_INDEX} connections onto a block of {bounds[1] - bounds[0]} "
            f"neurons but got {sizes.max()}; choose smaller blocks."
        )
    return sizes.reshape(starts.shape[:2])


def find_unit(delays: np.ndarray) -> int:
    """Whole number of ticks that divides all delays; 1 where some are too long to be counted."""
    return int(link_kernels().find_divisor(delays)) if delays.max() <= MOST_TICKS else 1


def cut_evenly(n: int, most: int = LARGEST_BLOCK, first: int = 0) -> np.ndarray:
    """First neuron of each block, and the end; all but the last block are of one size."""
    size = -(-n // -(-n // most))
    return np.append(np.arange(first, first + n, size), first + n)


def sort_by_target(targets: np.ndarray, n_targets: int) -> tuple[np.ndarray, np.ndarray]:
    """Where connections onto each neuron begin, and the end; and connections in that order."""
    ends = np.zeros(n_targets + 1, np.int64)
    link_kernels().count_targets(targets, ends)
    ends = np.cumsum(ends)
    order = np.empty(len(targets), np.int32)
    link_kernels().order_by_target(targets, ends.copy(), order)
    return ends, order


def list_entries(layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Sources and targets of a part's connections as they stand."""
    sources, targets = [np.empty(0, np.int32)], [np.empty(0, np.int32)]
    for block in layout.blocks:
        for starts, n, at in zip(
            layout.starts[block], layout.sizes[block], layout.targets_at[block], strict=True
        ):
            sources.append(np.repeat(np.arange(len(starts) - 1, dtype=np.int32), np.diff(starts)))
            within = layout.targets[at : at + n].astype(np.int32)
            targets.append(within + np.int32(layout.bounds[block]))
    return np.concatenate(sources), np.concatenate(targets)


def sort_entries(sources: np.ndarray, targets: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Order of connections by target, then by source."""
    _, by_source = sort_by_target(sources, shape[1])
    _, by_target = sort_by_target(targets[by_source], shape[0])
    return by_source[by_target]
