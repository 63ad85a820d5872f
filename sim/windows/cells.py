"""Blocks of neurons in one window, by the flow of each neuron from event to event.

Any model runs in this way. Each neuron carries the time of its last event, its coordinates then,
and the time of its next spike, in a column of ``cells`` as in `sim.events.loop`; where spikes are
integrated, also the time until which one was looked for. Within a window a neuron hears of no
other but by the arrivals that are known when it begins, so a block is taken through all of them
while its neurons stand in the cache.

What arrives at the instant of a neuron's own spike comes before it. As in `sim.events.loop`, an
arrival that carries the neuron across its threshold makes it spike at this instant, after all that
arrives; and one that finds it on its threshold, and moves nothing there, comes after the spike.
"""

from typing import NamedTuple

import numpy as np

from sim.events.interface import (
    CROSSED,
    DEFERRED,
    DUE,
    LAST,
    LOST,
    WAIT,
    find_wait,
    prefetch,
    probe,
    receive,
    spike,
)
from sim.events.tape import AT_ONCE
from sim.kernels.types import Floats
from sim.network.rows import BlockRows
from sim.windows.records import (
    AT_ARRIVAL,
    AT_EDGE,
    AT_NEURON,
    FINISHED,
    HIGH,
    LOST_NEURON,
    LOST_STATE,
    LOW,
    N_DEFERRED,
    N_DUE,
    N_FOUND,
    N_REACHED,
    NO_ROOM,
    UNTIL,
    Arrivals,
    Found,
    Own,
    State,
)
from sim.windows.weights import weigh
from spiketheory.machine.link import kernel

FARTHER = 2.0
"""If a spike that is integrated has not come, it is looked for so many times as far."""
READ_AHEAD = 8
"""A neuron is asked for so many connections before it is needed."""


class Cells(NamedTuple):
    """Neurons.

    Attributes:
        kinds: Place of each neuron's model, shape (n_neurons,).
        rows: Column of ``table`` with each neuron's constants, shape (n_neurons,).
        table: Constants, shape (most constants, n_rows).
        states: See above, shape (height, n_neurons).
        integrated: Whether spikes of each kind are integrated, shape (n_kinds,).
    """

    kinds: np.ndarray
    rows: np.ndarray
    table: np.ndarray
    states: np.ndarray
    integrated: np.ndarray


@kernel()
def start_cells(cells: Cells, first: int, end: int, until: float) -> None:
    """Find the first spikes of some neurons."""
    states = cells.states
    for i in range(first, end):
        states[LAST, i] = 0.0
        states[WAIT, i] = find_wait(cells.kinds[i], states, i, cells.table, cells.rows[i], until)
        states[DUE, i] = states[WAIT, i]
        states[DUE + 1, i] = until


@kernel()
def look_on(cells: Cells, first: int, end: int, low: float, high: float) -> None:
    """Look for spikes that must be integrated, and have not been looked for in this window.

    The farther a neuron's last event is behind, the farther it is looked: what this takes in all is
    proportional to how far in the end.
    """
    states = cells.states
    for i in range(first, end):
        if (
            states[DUE, i] == np.inf
            and states[DUE + 1, i] < high
            and cells.integrated[cells.kinds[i]]
        ):
            last = states[LAST, i]
            rest = max(high - last, FARTHER * (low - last))
            wait = find_wait(cells.kinds[i], states, i, cells.table, cells.rows[i], rest)
            states[WAIT, i] = wait
            states[DUE, i] = last + wait
            states[DUE + 1, i] = last + rest


@kernel()
def arrive(
    cells: Cells, found: Found, block: int, i: int, time: float, weight: float, port: int,
    until: float,
) -> int:  # fmt: skip
    """A spike arrives at a neuron that has no spike of its own before; returns how that ended.

    Spikes that are integrated are looked for up to ``until``.
    """
    states, rest = cells.states, until - time
    dt = time - states[LAST, i]
    pending = states[WAIT, i] == AT_ONCE
    left, happened, _ = receive(
        cells.kinds[i], states, i, cells.table, cells.rows[i], dt, weight, port, rest, pending,
        states[DUE, i] == time,
    )  # fmt: skip
    if happened == LOST:
        found.progress[block, LOST_NEURON] = i + 1
        return LOST_STATE
    if happened == DEFERRED:
        k = found.progress[block, N_DEFERRED]
        if k == found.deferred_neurons.shape[1]:
            return NO_ROOM
        found.deferred_neurons[block, k] = i
        found.deferred_weights[block, k] = weight
        found.deferred_ports[block, k] = port
        found.progress[block, N_DEFERRED] = k + 1
        states[WAIT, i] = dt
        states[DUE, i] = time
        return FINISHED
    stays = happened == CROSSED or (pending and left == 0.0)
    states[LAST, i] = time
    states[WAIT, i] = AT_ONCE if stays else left
    states[DUE, i] = time + left
    states[DUE + 1, i] = until
    return FINISHED


@kernel()
def spike_before(cells: Cells, found: Found, block: int, i: int, time: float, until: float) -> int:
    """Take a neuron through its own spikes before a time; returns how that ended."""
    states = cells.states
    while states[DUE, i] < time:
        k = found.progress[block, N_FOUND]
        if k == found.times.shape[1]:
            return NO_ROOM
        due = states[DUE, i]
        found.times[block, k] = due
        found.neurons[block, k] = i
        found.progress[block, N_FOUND] = k + 1
        at_once = states[WAIT, i] == AT_ONCE
        left = spike(
            cells.kinds[i], states, i, cells.table, cells.rows[i], max(states[WAIT, i], 0.0),
            at_once, until - due,
        )  # fmt: skip
        states[LAST, i] = due
        states[WAIT, i] = left
        states[DUE, i] = due + left
        states[DUE + 1, i] = until
        if found.progress[block, N_DEFERRED] > 0:
            status = take_deferred(cells, found, block, i, due, until)
            if status != FINISHED:
                return status
    return FINISHED


@kernel()
def take_deferred(cells: Cells, found: Found, block: int, i: int, time: float, until: float) -> int:
    """What waited for a neuron's spike arrives after it; returns how that ended."""
    waiting = found.progress[block, N_DEFERRED]
    kept = 0
    found.progress[block, N_DEFERRED] = 0
    for k in range(waiting):
        j, weight = found.deferred_neurons[block, k], found.deferred_weights[block, k]
        port = found.deferred_ports[block, k]
        kept = found.progress[block, N_DEFERRED]
        if j == i:
            status = arrive(cells, found, block, i, time, weight, port, until)
            if status != FINISHED:
                return status
        else:
            found.deferred_neurons[block, kept] = j
            found.deferred_weights[block, kept] = weight
            found.deferred_ports[block, kept] = port
            found.progress[block, N_DEFERRED] = kept + 1
    return FINISHED


# Long: it keeps what it has read of a row while it goes through it.
@kernel()
def push_cells(
    rows: BlockRows, cells: Cells, arrivals: Arrivals, found: Found, state: State, block: int
) -> int:
    """Take a block through a pass, or on; returns how that ended."""
    first, end = rows.bounds[block], rows.bounds[block + 1]
    n_due, until = state.counts[N_DUE], state.bounds[UNTIL]
    progress, states = found.progress, cells.states
    if progress[block, AT_ARRIVAL] == 0 and progress[block, AT_EDGE] == 0:
        look_on(cells, first, end, state.bounds[LOW], until)
    for a in range(progress[block, AT_ARRIVAL], n_due):
        tract, time = arrivals.tracts[a], arrivals.times[a]
        start = rows.starts_at[block, tract]
        if start < 0:
            continue
        start += arrivals.rows[a]
        target, edge_end = rows.targets_at[block, tract], int(rows.starts[start + 1])
        weight_at, port = rows.weights_at[block, tract], rows.tract_ports[tract]
        kind = rows.tract_kinds[tract]
        edge = int(rows.starts[start])
        if a == progress[block, AT_ARRIVAL]:
            edge = max(edge, progress[block, AT_EDGE])
        while edge < edge_end:
            i = first + rows.targets[target + edge]
            prefetch(states, first + rows.targets[target + min(edge + READ_AHEAD, edge_end - 1)])
            status = FINISHED
            if states[DUE, i] < time:
                status = spike_before(cells, found, block, i, time, until)
            if status == FINISHED:
                weight = weigh(rows, kind, tract, weight_at + edge)
                status = arrive(cells, found, block, i, time, weight, port, until)
            if status != FINISHED:
                progress[block, AT_ARRIVAL], progress[block, AT_EDGE] = a, edge
                found.lost_at[block] = time
                return status
            edge += 1
            progress[block, N_REACHED] += 1
    progress[block, AT_ARRIVAL], progress[block, AT_EDGE] = n_due, 0
    high = state.bounds[HIGH]
    for i in range(first + progress[block, AT_NEURON], end):
        if states[DUE, i] < high:
            status = spike_before(cells, found, block, i, high, until)
            if status != FINISHED:
                progress[block, AT_NEURON] = i - first
                found.lost_at[block] = high
                return status
    progress[block, AT_NEURON] = 0
    return FINISHED


@kernel()
def push_own_cells(
    rows: BlockRows, cells: Cells, own: Own, found: Found, state: State, block: int
) -> int:
    """The same for a block whose deliveries are written out, neuron by neuron."""
    first, end = rows.bounds[block], rows.bounds[block + 1]
    place, progress, states = own.places[block], found.progress, cells.states
    high, until = state.bounds[HIGH], state.bounds[UNTIL]
    look_on(cells, first, end, state.bounds[LOW], until)
    for j in range(progress[block, AT_NEURON], end - first):
        i, status, time = first + j, FINISHED, high
        while own.at[place, j] < own.ends[place, j] and status == FINISHED:
            k = own.at[place, j]
            if own.sorted_times[place, k] > high:
                break
            time = own.sorted_times[place, k]
            if states[DUE, i] < time:
                status = spike_before(cells, found, block, i, time, until)
            if status == FINISHED:
                weight = own.sorted_weights[place, k] if own.has_weights else own.weight
                port = int(own.sorted_ports[place, k]) if own.has_ports else own.port
                status = arrive(cells, found, block, i, time, weight, port, until)
            if status == FINISHED:
                own.at[place, j] = k + 1
                progress[block, N_REACHED] += 1
        if status == FINISHED and states[DUE, i] < high:
            status = spike_before(cells, found, block, i, high, until)
        if status != FINISHED:
            progress[block, AT_NEURON] = j
            found.lost_at[block] = time
            return status
    progress[block, AT_NEURON] = 0
    return FINISHED


@kernel()
def look_cell(cells: Cells, i: int, time: float, found: Floats, k: int) -> None:
    """Write the coordinates of a neuron at a time after its last event to column ``k``."""
    dt = max(time - cells.states[LAST, i], 0.0)
    probe(cells.kinds[i], cells.states, i, cells.table, cells.rows[i], dt, found, k)
