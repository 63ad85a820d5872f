"""Arrays of a run in windows: made, and made larger."""

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from sim.network.network import Network
from sim.network.row_layout import ONE
from sim.network.rows import BlockRows
from sim.network.wiring import collect_constants
from sim.windows.cells import Cells
from sim.windows.own_delays import CHUNK, PARTS
from sim.windows.records import (
    END,
    FREE,
    FREE_CHUNK,
    N_CHUNKS,
    N_FREE,
    Arrivals,
    Found,
    Frame,
    Own,
    Ring,
    Scratch,
    Spikes,
)
from spiketheory.memory import check_memory

Record = TypeVar("Record", Arrivals, Scratch, Found, Spikes)
MORE_ROWS = 4
"""Rows of ``cells`` beside coordinates: last event, wait, next spike, how far it was looked."""
CACHE_LINE = 8
FIRST_CHUNKS = 16
KEPT = ("progress", "lost_at")
"""Arrays with one entry, or row, per block."""
FLOATS = ("times", "sent", "other_times")


def make_cells(network: Network, width: int) -> Cells:
    """Neurons at their start; each column begins a cache line."""
    models = tuple(dict.fromkeys(p.model for p in network.populations))
    table, rows, _ = collect_constants(network)
    n = network.n_neurons
    height = -(-(width + MORE_ROWS) // CACHE_LINE) * CACHE_LINE
    flat = np.zeros(height * n + CACHE_LINE)
    first = -(flat.ctypes.data // flat.itemsize) % CACHE_LINE
    states = flat[first : first + height * n].reshape((height, n), order="F")
    for population, own in network.parts:
        states[: len(population.coordinates), own] = population.coordinates
    kinds = [np.full(p.size, models.index(p.model), np.int8) for p in network.populations]
    return Cells(
        kinds=np.concatenate(kinds), rows=rows, table=table, states=states,
        integrated=np.array([m.facts["IS_INTEGRATED"] for m in models]),
    )  # fmt: skip


def make_frame(
    network: Network, rows: BlockRows, cells: Cells, framed: Sequence[bool]
) -> Frame:  # fmt: skip
    """Room for the neurons that are in the frame; block by block."""
    models = tuple(dict.fromkeys(p.model for p in network.populations))
    n_blocks = len(rows.bounds) - 1
    kinds, strides = np.full(n_blocks, -1), np.zeros(n_blocks, np.int64)
    for (population, own), is_framed in zip(network.parts, framed, strict=True):
        inside = (rows.bounds[:-1] >= own.start) & (rows.bounds[:-1] < own.stop) & is_framed
        kinds[inside] = models.index(population.model)
        model = population.model
        strides[inside] = len(model.coordinates) + bool(model.facts["FRAME_KEEPS_TIME"])
    sizes = strides * np.diff(rows.bounds)
    return Frame(
        kinds=kinds, table=np.ascontiguousarray(cells.table), columns=cells.rows[rows.bounds[:-1]],
        firsts=np.cumsum(sizes) - sizes, strides=strides, states=np.zeros(int(sizes.sum())),
    )  # fmt: skip


def make_ring(n_slots: int) -> Ring:
    """Nothing under way, and no room."""
    lists = np.full((2, n_slots), END, np.int64)
    return Ring(
        heads=lists[0], tails=lists[1], times=np.empty(0), sent=np.empty(0),
        tracts=np.empty(0, np.int32), rows=np.empty(0, np.int32),
        following=np.empty(0, np.int64),
    )  # fmt: skip


def make_found(n_blocks: int, room: int) -> Found:
    """Nothing found."""
    return Found(
        times=np.empty((n_blocks, room)), neurons=np.empty((n_blocks, room), np.int64),
        deferred_neurons=np.empty((n_blocks, room), np.int64),
        deferred_weights=np.empty((n_blocks, room)),
        deferred_ports=np.empty((n_blocks, room), np.int64), lost_at=np.zeros(n_blocks),
        progress=np.zeros((n_blocks, 10), np.int64),
    )  # fmt: skip


def make_room(record: type[Arrivals] | type[Scratch] | type[Spikes], room: int) -> list[np.ndarray]:
    """Arrays of one record."""
    return [np.empty(room, float if name in FLOATS else np.int64) for name in record._fields]


def grow(record: Record, room: int) -> Record:
    """The same record with more room in its arrays."""
    check_memory(room * len(record) * 8, "the spikes")
    return record._replace(
        **{n: extend(getattr(record, n), room) for n in record._fields if n not in KEPT}
    )


def extend(array: np.ndarray, room: int) -> np.ndarray:
    """The same array with room for more along its last axis."""
    larger = np.empty((*array.shape[:-1], room), array.dtype)
    larger[..., : array.shape[-1]] = array
    return larger


def add_nodes(ring: Ring, counts: np.ndarray, more: int) -> Ring:
    """The same ring with more free nodes."""
    n = len(ring.times)
    names = ("times", "sent", "tracts", "rows", "following")
    larger = ring._replace(**{name: extend(getattr(ring, name), n + more) for name in names})
    larger.following[n:-1] = np.arange(n + 1, n + more)
    larger.following[-1] = counts[FREE]
    counts[FREE] = n
    counts[N_FREE] += more
    return larger


def make_own(network: Network, rows: BlockRows, n_slots: int) -> Own:
    """Room for what each block is sent along connections that each have a delay of their own."""
    reached = rows.starts_at >= 0
    blocks = np.flatnonzero(reached[:, rows.tract_own_delays].any(axis=1))
    places = np.full(len(reached), -1)
    places[blocks] = np.arange(len(blocks))
    senders = np.searchsorted(rows.sender_tracts, np.arange(reached.shape[1]), side="right") - 1
    inputs = senders >= len(network.populations)
    others = np.where(rows.tract_own_delays, inputs, rows.tract_delays > 0)
    n, size = len(blocks), int(np.diff(rows.bounds).max()) if len(blocks) else 0
    keeps_sent = bool(reached[blocks][:, others].any())
    lists = (n, n_slots * PARTS if n else 0)
    progress = np.zeros((n, 5), np.int64)
    progress[:, FREE_CHUNK] = END
    into = reached[blocks].any(axis=0)
    ports = np.unique(rows.tract_ports[into])
    weights = np.unique(rows.tract_weights[into])
    own = Own(
        places=places, keeps_sent=keeps_sent, has_ports=len(ports) > 1,
        has_weights=len(weights) > 1 or bool((rows.tract_kinds[into] != ONE).any()),
        port=int(ports[0]) if len(ports) else 0, weight=float(weights[0]) if len(weights) else 0.0,
        heads=np.full(lists, END), tails=np.zeros(lists, np.int64),
        following=np.empty((n, 0), np.int64), row_times=np.empty((n, CHUNK)),
        row_parts=np.empty((n, CHUNK)),
        progress=progress, times=np.empty((n, 0)), sent=np.empty((n, 0)),
        targets=np.empty((n, 0), np.uint16), weights=np.empty((n, 0)),
        ports=np.empty((n, 0), np.int8), sorted_times=np.empty((n, 0)),
        sorted_sent=np.empty((n, 0)), sorted_weights=np.empty((n, 0)),
        sorted_ports=np.empty((n, 0), np.int8), at=np.zeros((n, size), np.int64),
        ends=np.zeros((n, size), np.int64),
    )  # fmt: skip
    return add_chunks(own, FIRST_CHUNKS) if n else own


def add_chunks(own: Own, more: int) -> Own:
    """The same with more free chunks in every place."""
    n = own.following.shape[1]
    check_memory(len(own.following) * (n + more) * CHUNK * 27, "the spikes under way")
    names = ["targets", *list_names(own)]
    room = (n + more) * CHUNK
    larger: Own = own._replace(
        following=extend(own.following, n + more), **extend_all(own, names, room)
    )
    larger.following[:, n:-1] = np.arange(n + 1, n + more)
    larger.following[:, -1] = own.progress[:, FREE_CHUNK]
    own.progress[:, FREE_CHUNK] = n
    own.progress[:, N_CHUNKS] += more
    return larger


def add_sorted(own: Own, room: int) -> Own:
    """The same with room for so many deliveries in a window."""
    check_memory(len(own.heads) * room * 25, "the spikes of a window")
    names = [f"sorted_{name}" for name in list_names(own)]
    larger: Own = own._replace(**extend_all(own, names, room))
    return larger


def extend_all(own: Own, names: Sequence[str], room: int) -> dict[str, Any]:
    """Some of its arrays with more room, by name."""
    return {name: extend(getattr(own, name), room) for name in names}


def list_names(own: Own) -> list[str]:
    """Names of what is kept of each delivery."""
    kept = {"weights": own.has_weights, "ports": own.has_ports, "sent": own.keeps_sent}
    return ["times", *(name for name, is_kept in kept.items() if is_kept)]
