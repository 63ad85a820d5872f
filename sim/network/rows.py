"""A network in rows of blocks: the form in which the engine of windows reads connections.

Sources are those of `sim.network.wiring`: neurons, channels of the inputs, steps of the currents. A
**sender** is a stretch of sources of one population, one input or one step of a current. A
**tract** are the connections that a spike takes at once: those of one projection that share a
delay, or all those of a projection in which each has a delay of its own. A **block** is a stretch
of neurons of one population, few enough for the second cache. A **row** are the connections of one
source along one tract into one block: the neurons in it rise, and each is there once.

    o = starts_at[b, k] + source - tract_sources[k]        (-1 for starts_at: none lead there)
    for e in range(starts[o], starts[o + 1]):
        neuron = bounds[b] + targets[targets_at[b, k] + e]
        weight = tract_weights[k], or weights32 or weights64[weights_at[b, k] + e]
        delay = tract_delays[k], or delays[delays_at[b, k] + e] * delay_step
"""

from typing import NamedTuple

import numpy as np

from sim.network.bundles import Bundle, list_bundles
from sim.network.connections import Connections
from sim.network.instants import choose_ticks, count_ticks
from sim.network.listed import ListedPart
from sim.network.network import Network, Projection
from sim.network.row_layout import (
    FLOAT32,
    FLOAT64,
    LARGEST_BLOCK,
    WIDTHS,
    Layout,
    Part,
    cut_evenly,
    lay_out,
)
from spiketheory.errors import InputError
from spiketheory.memory import Need, check_needs

FEWER = "choose fewer connections, or more machines"


class BlockRows(NamedTuple):
    """Flat arrays of connections; nothing in them changes in a run.

    Attributes:
        bounds: First neuron of each block, and the end, shape (n_blocks + 1,).
        senders: First source of each sender, and the end, shape (n_senders + 1,).
        sender_tracts: First tract of each sender, and the end, shape (n_senders + 1,).
        tract_sources: First source of each tract's sender, shape (n_tracts,).
        tract_delays: In whole ticks; no connection of the tract has a shorter one, and where they
            have none of their own, all have this, shape (n_tracts,).
        tract_longest: No connection has a longer one, shape (n_tracts,).
        tract_own_delays: Whether each connection has a delay of its own, shape (n_tracts,).
        tract_ports: Port that it leads to, shape (n_tracts,).
        tract_kinds: ``ONE``, ``FLOAT32`` or ``FLOAT64``: where weights are, shape (n_tracts,).
        tract_weights: The one weight, shape (n_tracts,).
        tract_firsts: What is added to ``places``, shape (n_tracts,).
        starts_at: Where the starts of a block and tract begin; -1 if no connection can lead there,
            shape (n_blocks, n_tracts).
        targets_at: The same for ``targets``.
        weights_at: The same for ``weights32`` or ``weights64``.
        delays_at: The same for ``delays``.
        starts: Where each row begins, and the end.
        targets: Neuron within its block, shape (n_entries,).
        weights32: Weights in single precision.
        weights64: Weights in double precision.
        delays: Whole numbers of ``delay_step`` ticks.
        delay_step: Ticks.
        ticks: How many make a unit of time, see `sim.network.instants`.
        places: Which connection of its projection's matrix each of ``targets`` is; with
            ``tract_firsts`` counted through `sim.network.bundles.list_bundles`. Empty unless asked.
    """

    bounds: np.ndarray
    senders: np.ndarray
    sender_tracts: np.ndarray
    tract_sources: np.ndarray
    tract_delays: np.ndarray
    tract_longest: np.ndarray
    tract_own_delays: np.ndarray
    tract_ports: np.ndarray
    tract_kinds: np.ndarray
    tract_weights: np.ndarray
    tract_firsts: np.ndarray
    starts_at: np.ndarray
    targets_at: np.ndarray
    weights_at: np.ndarray
    delays_at: np.ndarray
    starts: np.ndarray
    targets: np.ndarray
    weights32: np.ndarray
    weights64: np.ndarray
    delays: np.ndarray
    delay_step: float
    ticks: float
    places: np.ndarray

    @property
    def n_bytes(self) -> int:
        """Bytes of all arrays."""
        return sum(a.nbytes for a in self if isinstance(a, np.ndarray))


class Tract(NamedTuple):
    """A tract on its way; see `BlockRows`.

    Attributes:
        bundle: The projection, or the step of a current.
        copy: Which of its part's factors is the bundle's.
        group: Which of its part's delays is the tract's.
        delay: In ticks.
    """

    bundle: Bundle
    copy: int
    group: int
    delay: float


def build_rows(
    network: Network, *, block_size: int = LARGEST_BLOCK, places: bool = False,
    neurons: slice | None = None,
) -> BlockRows:  # fmt: skip
    """Lay a network's connections out in rows of blocks, on all threads.

    Args:
        network: The network.
        block_size: Most neurons of a block.
        places: Whether to keep which connection of its projection each entry is.
        neurons: Only connections onto these; None for all.

    Raises:
        InputError: If they do not fit into memory, or into the indices.
    """
    plan = Plan(network, block_size, neurons or slice(0, network.n_neurons))
    check_needs(
        plan.list_needs(places=places), f"a network of {network.n_expected:,.0f} connections"
    )
    return plan.build(places=places)


def estimate_rows(
    network: Network, *, block_size: int = LARGEST_BLOCK, neurons: slice | None = None
) -> list[Need]:
    """The memory that `build_rows` takes, roughly, without building anything."""
    plan = Plan(network, block_size, neurons or slice(0, network.n_neurons))
    return plan.list_needs(places=False)


def cut_blocks(network: Network, block_size: int, neurons: slice) -> list[np.ndarray]:
    """First neuron of each block, and the end, by population; none where none is asked for.

    All blocks of a population but the last are of one size.
    """
    if not 1 <= block_size <= LARGEST_BLOCK:
        raise InputError(
            f"Expected blocks of 1 to {LARGEST_BLOCK} neurons but got block_size={block_size}; "
            "choose another size."
        )
    found = []
    for _, own in network.parts:
        first, last = max(own.start, neurons.start), min(own.stop, neurons.stop)
        found.append(
            cut_evenly(last - first, block_size, first) if last > first else np.empty(0, np.int64)
        )
    return found


def list_delays(projection: Projection) -> np.ndarray:
    """The delays of a projection, or one that tells whether there are any."""
    given = projection.weights
    if isinstance(given, Connections):
        return np.array([given.longest_delay])
    return projection.edge_delays if projection.has_delay_matrix else np.array([projection.delay])


def make_part(projection: Projection, ticks: float) -> Part:
    """A projection on its way into rows."""
    if isinstance(projection.weights, Connections):
        return projection.weights.make_part(ticks)
    matrix, delays = projection.matrix, count_ticks(list_delays(projection), ticks)
    return ListedPart(
        matrix.col, matrix.row, matrix.shape, matrix.data,
        delays if projection.has_delay_matrix else float(delays[0]),
    )  # fmt: skip


class Plan:
    """What goes where, before anything large is allocated.

    Args:
        network: The network.
        block_size: Most neurons of a block.
        neurons: Only connections onto these.
    """

    def __init__(self, network: Network, block_size: int, neurons: slice) -> None:
        self.network = network
        self.blocks = cut_blocks(network, block_size, neurons)
        names = [p.name for p in network.populations]
        self.posts = [names.index(p.post) for p in network.projections]
        self.cuts = [
            self.blocks[k] - network.slices[names[k]].start for k in self.posts
        ]  # of the blocks that a projection leads to, counted within the population
        self.ticks = choose_ticks(network.duration, map(list_delays, network.projections))
        self.parts = [make_part(p, self.ticks) for p in network.projections]
        self.bundles = list_bundles(network)
        for place, part in enumerate(self.parts):
            part.factors = [b.factor for b in self.bundles if b.place == place]
            if part.kind == FLOAT32 and part.factors != [1.0]:
                part.kind = FLOAT64  # what a current's steps do is a product in double precision
        self.step = int(np.gcd.reduce([part.unit for part in self.parts]) or 1)
        longest = max((part.longest for part in self.parts if part.unit), default=0.0)
        self.delay_type = np.uint32 if longest / self.step < 2**32 else np.float64

    def list_needs(self, *, places: bool) -> list[Need]:
        """Memory that it takes, by what."""
        totals = dict.fromkeys(("targets", "weights", "delays", "starts"), 0.0)
        for part, cuts, p in zip(self.parts, self.cuts, self.network.projections, strict=True):
            n = p.n_expected * ((cuts[-1] - cuts[0]) / p.shape[0] if len(cuts) else 0.0)
            totals["targets"] += n * (6 if places else 2)
            totals["weights"] += n * WIDTHS[part.kind] * len(part.factors)
            totals["delays"] += n * np.dtype(self.delay_type).itemsize if part.unit else 0.0
            n_rows = max(0, len(cuts) - 1) * len(part.delays) * (part.n_sources + 1)
            totals["starts"] += 4.0 * n_rows
        needs = [
            Need(float(totals["targets"]), "targets", FEWER),
            Need(float(totals["weights"]), "weights", "give projections one, or single precision"),
            Need(float(totals["delays"]), "delays", "give projections one, or few different ones"),
            Need(float(totals["starts"]), "beginnings of rows", "choose larger blocks"),
        ]
        return [need for need in needs if need.n_bytes]

    def list_tracts(self) -> list[Tract]:
        """All tracts, by sender, then delay, then projection."""
        copies = dict.fromkeys(range(len(self.parts)), 0)
        found = []
        for bundle in self.bundles:
            delays = self.parts[bundle.place].delays.tolist()
            found += [
                Tract(bundle, copies[bundle.place], group, delay)
                for group, delay in enumerate(delays)
            ]
            copies[bundle.place] += 1
        return sorted(found, key=lambda t: (t.bundle.first_source, t.delay, t.bundle.place))

    def build(self, *, places: bool) -> BlockRows:
        """Lay the connections out."""
        arrays, layouts = lay_out(
            self.parts, self.cuts, step=self.step, delay_type=self.delay_type, places=places
        )
        tracts = self.list_tracts()
        sources = np.array([t.bundle.first_source for t in tracts], np.int64)
        senders = list_senders(self.network)
        parts = [self.parts[t.bundle.place] for t in tracts]
        return BlockRows(
            bounds=np.unique(np.concatenate(self.blocks)),
            senders=senders,
            sender_tracts=np.searchsorted(sources, senders),
            tract_sources=sources,
            tract_delays=np.array([t.delay for t in tracts]),
            tract_longest=np.array(
                [p.longest if p.unit else t.delay for t, p in zip(tracts, parts, strict=True)]
            ),
            tract_own_delays=np.array([part.unit > 0 for part in parts], bool),
            tract_ports=np.array([self.find_port(t.bundle.projection) for t in tracts], np.int8),
            tract_kinds=np.array([part.kind for part in parts], np.int8),
            tract_weights=np.array(
                [part.weight * t.bundle.factor for t, part in zip(tracts, parts, strict=True)]
            ),
            tract_firsts=self.count_before(tracts) if places else np.zeros(len(tracts), np.int64),
            **self.place_tracts(tracts, layouts),
            starts=arrays.starts, targets=arrays.targets, weights32=arrays.weights[FLOAT32],
            weights64=arrays.weights[FLOAT64], delays=arrays.delays, delay_step=float(self.step),
            ticks=self.ticks, places=arrays.places,
        )  # fmt: skip

    def find_port(self, projection: Projection) -> int:
        """Number of the port that a projection leads to."""
        models = {p.name: p.model for p in self.network.populations}
        return models[projection.post].find_port(projection.port)

    def count_before(self, tracts: list[Tract]) -> np.ndarray:
        """How many connections the bundles before each tract's have."""
        ends = np.cumsum([0, *(b.projection.n_connections for b in self.bundles)])
        before = {(b.place, b.first_source): n for b, n in zip(self.bundles, ends, strict=False)}
        return np.array([before[t.bundle.place, t.bundle.first_source] for t in tracts], np.int64)

    def place_tracts(self, tracts: list[Tract], layouts: list[Layout]) -> dict[str, np.ndarray]:
        """Where the connections of each block and tract are."""
        n_blocks = [max(0, len(own) - 1) for own in self.blocks]
        found = {
            name: np.full((sum(n_blocks), len(tracts)), -1, np.int64)
            for name in ("starts_at", "targets_at", "weights_at", "delays_at")
        }
        for column, tract in enumerate(tracts):
            post, layout = self.posts[tract.bundle.place], layouts[tract.bundle.place]
            first = sum(n_blocks[:post])
            rows = slice(first, first + n_blocks[post])
            found["starts_at"][rows, column] = layout.starts_at[:, tract.group]
            found["targets_at"][rows, column] = layout.targets_at[:, tract.group]
            found["weights_at"][rows, column] = layout.weights_at[tract.copy, :, tract.group]
            found["delays_at"][rows, column] = layout.delays_at[:, tract.group]
        return found


def list_senders(network: Network) -> np.ndarray:
    """First source of each population, input and step of a current, and the end."""
    sizes = [p.size for p in network.populations] + [p.size for p in network.inputs]
    sizes += [c.size for c in network.currents for _ in c.times]
    return np.cumsum([0, *sizes])
