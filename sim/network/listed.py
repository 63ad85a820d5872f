"""Connections that are listed in flat arrays."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.network.connections import Connections
from sim.network.instants import count_ticks
from sim.network.row_kernels import Listing
from sim.network.row_layout import (
    FLOAT32,
    FLOAT64,
    MOST_CLASSES,
    ONE,
    Layout,
    Part,
    find_unit,
    link_kernels,
    reopen,
    sort_by_target,
)
from sim.threads import get_thread_count, run_on_threads
from spiketheory.errors import InputError, check_finite, check_shape


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Listed(Connections):
    """Connections between two groups in flat arrays, each once; stand in the place of weights.

    Attributes:
        sources: Who is heard, shape (n_connections,).
        targets: Who hears, shape (n_connections,).
        shape: Numbers of those that hear and are heard, (n_post, n_pre).
        weights: One for all, or one each, in single or double precision, shape (n_connections,).
        delays: One for all, or one each, >= 0, shape (n_connections,) [time].
    """

    sources: np.ndarray
    targets: np.ndarray
    shape: tuple[int, int]
    weights: Any = 1.0
    delays: Any = 0.0

    def __post_init__(self) -> None:
        for name, most in (("targets", self.shape[0]), ("sources", self.shape[1])):
            object.__setattr__(self, name, read_ends(name, getattr(self, name), most))
        n = len(self.sources)
        check_shape("targets", self.targets, (n,))
        for name in ("weights", "delays"):
            object.__setattr__(self, name, read_numbers(name, getattr(self, name), n))
        delays: np.ndarray = np.atleast_1d(self.delays)
        bad = np.flatnonzero(delays < 0)
        if len(bad):
            raise InputError(
                f"Expected delays >= 0 but got {delays[bad[0]]} for connection {bad[0]}; a spike "
                "cannot arrive before it was sent."
            )
        twice = find_twice(self.sources, self.targets, self.shape)
        if twice >= 0:
            raise InputError(
                f"Expected each connection once but got {self.sources[twice]} -> "
                f"{self.targets[twice]} again as connection {twice}; add up their weights, or put "
                "them into a projection of their own."
            )

    @property
    def n_expected(self) -> float:
        """How many there are."""
        return float(len(self.sources))

    @property
    def n_connections(self) -> int:
        """How many there are."""
        return len(self.sources)

    @property
    def largest_weight(self) -> float:
        """No weight is larger, of either sign."""
        return float(np.abs(self.weights).max(initial=0.0))

    @property
    def shortest_delay(self) -> float:
        """No delay is shorter [time]."""
        return float(np.min(self.delays, initial=np.inf))

    @property
    def longest_delay(self) -> float:
        """No delay is longer [time]."""
        return float(np.max(self.delays, initial=0.0))

    def make_part(self, ticks: float) -> "ListedPart":
        """Set out on the way into rows."""
        delays = count_ticks(np.asarray(self.delays), ticks)
        return ListedPart(
            self.sources, self.targets, self.shape, self.weights,
            float(delays) if delays.ndim == 0 else delays,
        )  # fmt: skip

    def list_all(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Sources, targets, weights and delays of all connections, in their order."""
        n = self.sources.shape
        weights = np.broadcast_to(self.weights, n).astype(np.float64)
        return self.sources, self.targets, weights, np.array(np.broadcast_to(self.delays, n))


def read_ends(name: str, values: np.ndarray, most: int) -> np.ndarray:
    """Numbers of neurons as an array of 32 bits.

    Raises:
        InputError: If they are no numbers of neurons.
    """
    array = check_shape(name, np.asarray(values), (None,))
    if len(array) and array.dtype.kind not in "iu":
        raise InputError(
            f"Expected whole numbers in {name} of connections but got {array.dtype}; store "
            "integers."
        )
    if len(array) and (array.min() < 0 or array.max() >= most):
        bad = np.flatnonzero((array < 0) | (array >= most))[0]
        raise InputError(
            f"Expected {name} from 0 to {most - 1} but connection {bad} has {array[bad]}; count "
            "neurons from 0 within their population."
        )
    return array.astype(np.int32)


def read_numbers(name: str, values: Any, n: int) -> float | np.ndarray:
    """One number, or an array of one for each of ``n`` connections."""
    array = np.asarray(values)
    if array.dtype != np.float32:
        array = array.astype(np.float64)
    check_finite(name, array)
    return float(array) if array.ndim == 0 else check_shape(name, array, (n,))


def find_twice(sources: np.ndarray, targets: np.ndarray, shape: tuple[int, int]) -> int:
    """A connection that is in a list for the second time; -1 if there is none."""
    sources, targets = (ends.astype(np.int32, copy=False) for ends in (sources, targets))
    ends, order = sort_by_target(targets, shape[0])
    stamps = np.full(shape[1], -1, np.int32)
    found: int = link_kernels().find_twice(sources, order, ends, stamps)
    return found


class ListedPart(Part):
    """Connections that are listed.

    Args:
        sources: Of each connection.
        targets: Of each connection.
        shape: Numbers of those that hear and are heard.
        weights: One for all, or one each.
        delays: One for all, or one each, in ticks.
    """

    def __init__(
        self, sources: np.ndarray, targets: np.ndarray, shape: tuple[int, int],
        weights: float | np.ndarray, delays: float | np.ndarray,
    ) -> None:  # fmt: skip
        self.n_sources, self.unit = shape[1], 0
        self.kind, self.weight, self.weights = ONE, 0.0, np.atleast_1d(weights)
        if np.all(self.weights == self.weights[:1]):
            self.weight = float(self.weights[0]) if len(self.weights) else 0.0
        else:
            self.kind = FLOAT32 if self.weights.dtype == np.float32 else FLOAT64
        targets = targets.astype(np.int32, copy=False)
        self.ends, order = sort_by_target(targets, shape[0])
        self.set_delays(delays)
        self.listing = Listing(
            sources=sources.astype(np.int32, copy=False), targets=targets,
            delays=self.each_delay if len(self.delays) > 1 else np.empty(0), classes=self.delays,
            order=order,
        )  # fmt: skip

    def set_delays(self, delays: float | np.ndarray) -> None:
        """Find out which different delays there are."""
        kernels, self.each_delay = link_kernels(), np.empty(0)
        if not isinstance(delays, np.ndarray) or not len(delays):
            self.longest = 0.0 if isinstance(delays, np.ndarray) else delays
            self.delays = np.array([self.longest])
            return
        classes = np.empty(MOST_CLASSES)
        n = kernels.list_classes(delays, classes)
        self.longest = float(delays.max())
        self.delays = np.sort(classes[:n]) if n > 0 else delays.min(keepdims=True)
        if n < 0:
            self.unit = find_unit(delays)
        if n != 1:
            self.each_delay = delays

    def count(self, bounds: np.ndarray, starts: np.ndarray) -> None:
        """See `Part`."""

        def count(block: int) -> None:
            ends = self.ends[bounds[block : block + 2]]
            link_kernels().count_listed(self.listing, ends, starts[block])

        run_on_threads(count, len(starts), get_thread_count())

    def fill(self, layout: Layout, step: float) -> None:
        """See `Part`."""

        def fill(block: int) -> None:
            first, places = layout.bounds[block], layout.targets_at[block]
            ends = self.ends[layout.bounds[block : block + 2]]
            numbers = np.empty(ends[1] - ends[0], np.int32)
            link_kernels().fill_listed(
                self.listing, ends, first, layout.starts[block], places, layout.targets, numbers
            )
            reopen(layout, block)
            self.fill_rest(layout, step, block, numbers)

        run_on_threads(fill, len(layout.blocks), get_thread_count())

    def fill_rest(self, layout: Layout, step: float, block: int, numbers: np.ndarray) -> None:
        """Fill in weights, delays and places of a block's connections of these numbers."""
        n = len(numbers)
        if self.kind != ONE:
            for copy, factor in enumerate(self.factors):
                at = layout.weights_at[copy, block, 0]
                out = layout.weights[at : at + n]
                out[:] = self.weights[numbers]
                out *= factor
        if self.unit:
            at = layout.delays_at[block, 0]
            layout.delays[at : at + n] = self.each_delay[numbers] / step
        if layout.places.size:
            at = layout.targets_at[block, 0]
            layout.places[at : at + n] = numbers
