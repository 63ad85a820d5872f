"""What the window engine's kernels read and write: flat arrays, named.

An *arrival* is a spike on its way along a tract (`sim.network.rows`): the connections of one
projection and one delay, which it reaches at once. Arrivals of later windows are kept in a ring of
lists, one for each window, in the order in which they were sent.
"""

from typing import NamedTuple

import numpy as np

END = -1
"""The end of a list."""
(
    WINDOW, PHASE, N_ARRIVALS, N_DUE, NEXT_INPUT, NEXT_PROBE, N_SPIKES, FREE, N_FREE, N_REBASES,
    IS_SHARED, PAUSE_AT,
) = range(12)  # fmt: skip
"""Places in `State.counts`: number of the window; what is to be done in it (COLLECT, ...); its
arrivals, and how many of them are due in this pass; first input that has not arrived; first probe
that is not done; spikes so far; first free node of the ring, and how many there are; how often the
frame's origin was moved; whether others have blocks of the network, too (`sim.windows.ranked`); the
window before which the run is left."""
N_COUNTS, NEVER = 12, np.iinfo(np.int64).max
COLLECT, PUSH, LOOK, SHARE, SEND = range(5)
LOW, HIGH, UNTIL, NEXT, PROBED, DRAWN, ORIGIN, OLD_ORIGIN = range(8)
"""Places in `State.bounds`: where the window begins; how far this pass goes, to a probe or to the
window's end; that end, which is not beyond T; where the next window begins; the last probe;
until when all inputs are known; the frame's origin, and the one before."""
(
    AT_ARRIVAL, AT_EDGE, AT_NEURON, N_FOUND, N_DEFERRED, LOST_NEURON, N_REACHED, N_REBASED,
    N_PROBED, IS_DONE,
) = range(10)  # fmt: skip
"""Places in `Found.progress`: arrival, connection and neuron with which a block goes on; spikes
found; arrivals that wait; the neuron whose state was lost, plus one; connections reached so far;
how often the block went to another origin; probes after which it is known who spikes at once;
whether the block is through the pass."""
FINISHED, NO_ROOM, LOST_STATE = range(3)
"""How a block ended: it is through the pass; an array is full; a state left the range of numbers.
After NO_ROOM it goes on where it was."""


class Clock(NamedTuple):
    """How time is cut into windows.

    Attributes:
        width: Of a window, in ticks.
        ticks: How many make a unit of time.
        duration: The trial's end T [time].
        reach: The frame's origin is at most so far behind [time].
    """

    width: int
    ticks: float
    duration: float
    reach: float


class Inputs(NamedTuple):
    """Arrivals of the inputs, all known beforehand, sorted as `sim.windows.arrivals` says.

    Attributes:
        times: When they arrive, shape (n,) [time].
        sent: When they were sent; -inf without delay, shape (n,) [time].
        tracts: Along which tract, shape (n,).
        rows: Of which of the tract's sources, shape (n,).
        own_times, own_tracts, own_rows: What is sent along connections that each have a delay of
            their own: when, along which tract, of which source; sorted by time.
    """

    times: np.ndarray
    sent: np.ndarray
    tracts: np.ndarray
    rows: np.ndarray
    own_times: np.ndarray
    own_tracts: np.ndarray
    own_rows: np.ndarray


class Ring(NamedTuple):
    """Arrivals under way, in lists by window.

    Attributes:
        heads, tails: First and last node of each list, or END, shape (n_slots,).
        times, sent: Of each node [time].
        tracts, rows: Of each node.
        following: Next node of its list, or of those that are free.
    """

    heads: np.ndarray
    tails: np.ndarray
    times: np.ndarray
    sent: np.ndarray
    tracts: np.ndarray
    rows: np.ndarray
    following: np.ndarray


class Arrivals(NamedTuple):
    """The arrivals of one window, in order; arrays have room for more.

    Attributes:
        times: [time].
        sent: When they were sent; -inf for inputs without delay [time].
        tracts, rows: Which connections.
    """

    times: np.ndarray
    sent: np.ndarray
    tracts: np.ndarray
    rows: np.ndarray


class Scratch(NamedTuple):
    """Room for sorting; ``nodes`` are those of the ring that are sorted."""

    times: np.ndarray
    keys: np.ndarray
    other_times: np.ndarray
    other_keys: np.ndarray
    counts: np.ndarray
    nodes: np.ndarray


class Frame(NamedTuple):
    """Neurons in coordinates that do not change between events (`sim.windows.frames`).

    Attributes:
        kinds: Place of each block's model; -1 for a block without a frame, shape (n_blocks,).
        table: Constants, shape (most constants, n_rows).
        columns: Column of ``table`` of each block's neurons, shape (n_blocks,).
        firsts: Place in ``states`` of each block's first number, shape (n_blocks,).
        strides: Numbers of each neuron of a block, shape (n_blocks,).
        states: Neuron by neuron its coordinates, then, where a model needs it, the time of its last
            event since the origin.
    """

    kinds: np.ndarray
    table: np.ndarray
    columns: np.ndarray
    firsts: np.ndarray
    strides: np.ndarray
    states: np.ndarray


EXPANDED, NEXT_OWN, GATHERED, FREE_CHUNK, N_CHUNKS = range(5)
"""Places in `Own.progress`: spikes that were written out; first input that was not; the window
whose deliveries are in order, plus one; first free chunk, and how many there are."""


class Own(NamedTuple):
    """Deliveries along connections that each have a delay of their own (`sim.windows.own_delays`).

    Only blocks that such connections lead to have a place in these arrays.

    Attributes:
        places: Place of each block, or -1, shape (n_blocks,).
        keeps_sent: Whether it matters when they were sent, beyond the order in a list.
        has_ports, has_weights: Whether they have several; else ``port`` and ``weight`` are those of
            all.
        heads: First chunk of each list, or END, shape (n_places, n_slots * PARTS).
        tails: Where each list ends, in the last of its chunks; 0 if it is empty.
        following: Next chunk of a list, or of those that are free, shape (n_places, n_chunks).
        row_times, row_parts: When deliveries arrive, and in which part of which window, shape
            (n_places, CHUNK).
        progress: See the names above, shape (n_places, 5).
        times, sent, targets, weights, ports: Of each delivery, by chunk.
        sorted_times, sorted_sent, sorted_weights, sorted_ports: Those of the window, in order.
        at, ends: Where those of each neuron of the block begin, or go on, and end.
    """

    places: np.ndarray
    keeps_sent: bool
    has_ports: bool
    has_weights: bool
    port: int
    weight: float
    heads: np.ndarray
    tails: np.ndarray
    following: np.ndarray
    row_times: np.ndarray
    row_parts: np.ndarray
    progress: np.ndarray
    times: np.ndarray
    sent: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    ports: np.ndarray
    sorted_times: np.ndarray
    sorted_sent: np.ndarray
    sorted_weights: np.ndarray
    sorted_ports: np.ndarray
    at: np.ndarray
    ends: np.ndarray


class Found(NamedTuple):
    """What each block found in a window; one row per block.

    Attributes:
        times, neurons: Its spikes, in no order.
        deferred_neurons, deferred_weights, deferred_ports: Arrivals that wait for the spike of
            their neuron at this very instant.
        lost_at: When a state left the range of numbers [time].
        progress: See the names in this module.
    """

    times: np.ndarray
    neurons: np.ndarray
    deferred_neurons: np.ndarray
    deferred_weights: np.ndarray
    deferred_ports: np.ndarray
    lost_at: np.ndarray
    progress: np.ndarray


class Spikes(NamedTuple):
    """All spikes so far, sorted by time, then by neuron; arrays have room for more."""

    times: np.ndarray
    neurons: np.ndarray


class Probes(NamedTuple):
    """States that are looked at.

    Attributes:
        times: When, sorted, shape (n_probes,) [time].
        neurons: Whose, shape (n_probed,).
        coordinates: What was seen, shape (width, n_probes * n_probed).
    """

    times: np.ndarray
    neurons: np.ndarray
    coordinates: np.ndarray


class State(NamedTuple):
    """How far the run is; see the names in this module."""

    counts: np.ndarray
    bounds: np.ndarray
