"""Blocks of neurons in one window, in coordinates that do not change between events.

Where the flow is linear, a neuron's coordinates are carried back to an origin in time that all
neurons share (docs/mathematics.md): between events they are constants. What an input does to them
then depends on its time by a few factors, computed once for all neurons that a spike reaches; an
arrival is a comparison, to see that the neuron has not spiked before, and a few multiplications.
Spikes are looked for at the neuron's next arrival, and at the window's end.

Simultaneous arrivals are one group: first all own spikes before, then all inputs (between them
rounding could make a spike), then whoever is beyond the threshold spikes at this instant.
"""

from sim.events.interface import prefetch
from sim.kernels.types import Floats, Ints, Numbers
from sim.network.row_layout import FLOAT32, ONE
from sim.network.rows import BlockRows
from sim.windows.frame_steps import (
    begin_block,
    catch_up,
    catch_up_at,
    end_frame,
    fire_now,
    get_stride,
    make_push,
)
from sim.windows.records import (
    AT_ARRIVAL,
    AT_EDGE,
    AT_NEURON,
    FINISHED,
    HIGH,
    N_DUE,
    N_REACHED,
    NO_ROOM,
    ORIGIN,
    Arrivals,
    Found,
    Frame,
    Own,
    State,
)
from sim.windows.weights import weigh
from spiketheory.generation.interface import (
    FRAME_CROSSES,
    FRAME_KEEPS_TIME,
    N_COORDINATES,
    frame_crosses,
    frame_factors,
    frame_jump,
    frame_quiet,
    load_constants,
    load_frame,
    store_frame,
)
from spiketheory.machine.link import kernel

AHEAD = 4
"""A row of connections is asked for so many arrivals before it is needed."""
PER_LINE_16, PER_LINE_32, PER_LINE_64 = 32, 16, 8
"""Numbers of so many bits in a cache line."""
JUMPED = -1
"""Stands for a connection: the group's inputs are in, and it is to be seen who spikes."""


# Long, as the next: an arrival is a few instructions; what else were called would cost more.
@kernel()
def push_one(
    states: Floats, targets: Ints, at: int, first: int, end: int, push: Numbers, s: float,
    time: float, factors: Numbers, constants: Numbers, found: Found, state: State, block: int,
    neuron: int,
) -> int:  # fmt: skip
    """A spike arrives along a row with one weight; returns its end, or where there was no room."""
    for e in range(first, end):
        j = int(targets[at + e])
        place = j * get_stride()
        since = states[place + N_COORDINATES] if FRAME_KEEPS_TIME else 0.0
        u = load_frame(states, place)
        if not frame_quiet(*u, since, s, *factors, *constants):
            if not catch_up(
                states, place, s, factors, constants, found, state, block, neuron + j
            ):  # fmt: skip
                return e
            u = load_frame(states, place)
        after = frame_jump(*u, *push, *factors, *constants)
        store_frame(states, place, *after)
        if FRAME_CROSSES and frame_crosses(*after, *factors, *constants):
            if not fire_now(states, place, s, time, constants, found, block, neuron + j):
                store_frame(states, place, *u)
                return e
        elif FRAME_KEEPS_TIME:
            states[place + N_COORDINATES] = s
    return end


@kernel()
def push_many(
    states: Floats, targets: Ints, at: int, first: int, end: int, weights: Floats, weight_at: int,
    port: int, s: float, time: float, factors: Numbers, constants: Numbers, found: Found,
    state: State, block: int, neuron: int,
) -> int:  # fmt: skip
    """The same along a row with a weight for each connection."""
    for e in range(first, end):
        j = int(targets[at + e])
        place = j * get_stride()
        since = states[place + N_COORDINATES] if FRAME_KEEPS_TIME else 0.0
        u = load_frame(states, place)
        if not frame_quiet(*u, since, s, *factors, *constants):
            if not catch_up(
                states, place, s, factors, constants, found, state, block, neuron + j
            ):  # fmt: skip
                return e
            u = load_frame(states, place)
        push = make_push(float(weights[weight_at + e]), port, factors, constants)
        after = frame_jump(*u, *push, *factors, *constants)
        store_frame(states, place, *after)
        if FRAME_CROSSES and frame_crosses(*after, *factors, *constants):
            if not fire_now(states, place, s, time, constants, found, block, neuron + j):
                store_frame(states, place, *u)
                return e
        elif FRAME_KEEPS_TIME:
            states[place + N_COORDINATES] = s
    return end


@kernel()
def push_row(
    rows: BlockRows, states: Floats, tract: int, row: int, first: int, time: float,
    constants: Numbers, found: Found, state: State, block: int,
) -> int:  # fmt: skip
    """A spike arrives along a tract, from the ``first`` connection on; where there is no room."""
    start = rows.starts_at[block, tract]
    if start < 0:
        return FINISHED
    start += row
    first, end = max(first, int(rows.starts[start])), int(rows.starts[start + 1])
    if first == end:
        return FINISHED
    s = time - state.bounds[ORIGIN]
    factors = frame_factors(s, *constants)
    at, weight_at = rows.targets_at[block, tract], rows.weights_at[block, tract]
    kind, port = rows.tract_kinds[tract], int(rows.tract_ports[tract])
    neuron = rows.bounds[block]
    if kind == ONE:
        push = make_push(rows.tract_weights[tract], port, factors, constants)
        reached = push_one(
            states, rows.targets, at, first, end, push, s, time, factors, constants, found, state,
            block, neuron,
        )  # fmt: skip
    elif kind == FLOAT32:
        reached = push_many(
            states, rows.targets, at, first, end, rows.weights32, weight_at, port, s, time,
            factors, constants, found, state, block, neuron,
        )  # fmt: skip
    else:
        reached = push_many(
            states, rows.targets, at, first, end, rows.weights64, weight_at, port, s, time,
            factors, constants, found, state, block, neuron,
        )  # fmt: skip
    found.progress[block, N_REACHED] += reached - first
    if reached == end:
        return FINISHED
    found.progress[block, AT_EDGE] = reached
    return NO_ROOM


@kernel()
def visit(
    rows: BlockRows, states: Floats, arrivals: Arrivals, first: int, end: int, constants: Numbers,
    found: Found, state: State, block: int, stage: int,
) -> bool:  # fmt: skip
    """Go through the neurons of a group of simultaneous arrivals; whether there was room.

    In stage 0 they are taken through their own spikes before, in stage 1 inputs come, in stage 2
    who is beyond the threshold spikes.
    """
    time = arrivals.times[first]
    s = time - state.bounds[ORIGIN]
    factors = frame_factors(s, *constants)
    for a in range(first, end):
        tract = arrivals.tracts[a]
        start = rows.starts_at[block, tract]
        if start < 0:
            continue
        start += arrivals.rows[a]
        at, weight_at = rows.targets_at[block, tract], rows.weights_at[block, tract]
        kind, port = rows.tract_kinds[tract], int(rows.tract_ports[tract])
        for e in range(int(rows.starts[start]), int(rows.starts[start + 1])):
            j = int(rows.targets[at + e])
            place, neuron = j * get_stride(), rows.bounds[block] + j
            if stage == 0:
                if not catch_up(states, place, s, factors, constants, found, state, block, neuron):
                    return False
            elif stage == 1:
                push = make_push(weigh(rows, kind, tract, weight_at + e), port, factors, constants)
                u = load_frame(states, place)
                store_frame(states, place, *frame_jump(*u, *push, *factors, *constants))
                if FRAME_KEEPS_TIME:
                    states[place + N_COORDINATES] = s
                found.progress[block, N_REACHED] += 1
            elif FRAME_CROSSES:
                u = load_frame(states, place)
                if frame_crosses(*u, *factors, *constants) and not fire_now(
                    states, place, s, time, constants, found, block, neuron
                ):
                    return False
    return True


@kernel()
def push_group(
    rows: BlockRows, states: Floats, arrivals: Arrivals, first: int, end: int, constants: Numbers,
    found: Found, state: State, block: int,
) -> int:  # fmt: skip
    """Simultaneous arrivals, or the rest of them; how that ended."""
    progress = found.progress
    if progress[block, AT_EDGE] != JUMPED:
        if not visit(rows, states, arrivals, first, end, constants, found, state, block, 0):
            return NO_ROOM
        visit(rows, states, arrivals, first, end, constants, found, state, block, 1)
        progress[block, AT_EDGE] = JUMPED
    if not visit(rows, states, arrivals, first, end, constants, found, state, block, 2):
        return NO_ROOM
    return FINISHED


@kernel()
def ask_ahead(rows: BlockRows, arrivals: Arrivals, block: int, a: int, n: int) -> None:
    """Ask for the connections of a later arrival, and for where those of one after it begin."""
    if a + 2 * AHEAD < n:
        start = rows.starts_at[block, arrivals.tracts[a + 2 * AHEAD]]
        prefetch(rows.starts, max(start, 0) + arrivals.rows[a + 2 * AHEAD])
    if a + AHEAD >= n:
        return
    tract = arrivals.tracts[a + AHEAD]
    start = rows.starts_at[block, tract]
    if start < 0:
        return
    start += arrivals.rows[a + AHEAD]
    first, end = int(rows.starts[start]), int(rows.starts[start + 1])
    at = rows.targets_at[block, tract]
    for e in range(first, end, PER_LINE_16):
        prefetch(rows.targets, at + e)
    at = rows.weights_at[block, tract]
    if rows.tract_kinds[tract] == FLOAT32:
        for e in range(first, end, PER_LINE_32):
            prefetch(rows.weights32, at + e)
    elif rows.tract_kinds[tract] != ONE:
        for e in range(first, end, PER_LINE_64):
            prefetch(rows.weights64, at + e)


@kernel()
def push_frame(
    kind: int, rows: BlockRows, frame: Frame, arrivals: Arrivals, found: Found, state: State,
    block: int,
) -> int:  # fmt: skip
    """Take a block through a pass, or on; returns how that ended."""
    progress, n_due = found.progress, state.counts[N_DUE]
    constants = load_constants(frame.table, frame.columns[block])
    n = rows.bounds[block + 1] - rows.bounds[block]
    if not begin_block(frame, found, state, block, rows.bounds[block], n, constants):
        return NO_ROOM
    states = frame.states[frame.firsts[block] : frame.firsts[block] + n * get_stride()]
    a = progress[block, AT_ARRIVAL]
    while a < n_due and arrivals.times[a] < state.bounds[HIGH]:
        ask_ahead(rows, arrivals, block, a, n_due)
        end = a + 1
        while end < n_due and arrivals.times[end] == arrivals.times[a]:
            end += 1
        if end == a + 1:
            status = push_row(
                rows, states, arrivals.tracts[a], arrivals.rows[a], progress[block, AT_EDGE],
                arrivals.times[a], constants, found, state, block,
            )  # fmt: skip
        else:
            status = push_group(rows, states, arrivals, a, end, constants, found, state, block)
        progress[block, AT_ARRIVAL] = a
        if status != FINISHED:
            return status
        progress[block, AT_EDGE] = 0
        a = end
    progress[block, AT_ARRIVAL] = a
    status = end_frame(rows, states, constants, found, state, block, n)
    if status == FINISHED and a < n_due:  # at a probe, which comes before who spikes; or at T
        visit(rows, states, arrivals, a, n_due, constants, found, state, block, 1)
        progress[block, AT_ARRIVAL] = n_due
    return status


@kernel()
def push_own_frame(
    kind: int, rows: BlockRows, frame: Frame, own: Own, found: Found, state: State, block: int
) -> int:
    """Take a block whose deliveries are written out through a pass, neuron by neuron, or on."""
    constants = load_constants(frame.table, frame.columns[block])
    n = rows.bounds[block + 1] - rows.bounds[block]
    if not begin_block(frame, found, state, block, rows.bounds[block], n, constants):
        return NO_ROOM
    states = frame.states[frame.firsts[block] : frame.firsts[block] + n * get_stride()]
    if not take_deliveries(states, own, n, constants, found, state, block, rows.bounds[block]):
        return NO_ROOM
    status = end_frame(rows, states, constants, found, state, block, n)
    if status == FINISHED:
        take_last(states, own, own.places[block], n, constants, found, state, block)
    return status


@kernel()
def take_last(
    states: Floats, own: Own, place: int, n: int, constants: Numbers, found: Found, state: State,
    block: int,
) -> None:  # fmt: skip
    """What arrives at the end of a pass: at a probe, which comes before who spikes, or at T."""
    s = state.bounds[HIGH] - state.bounds[ORIGIN]
    factors = frame_factors(s, *constants)
    for j in range(n):
        for k in range(own.at[place, j], own.ends[place, j]):
            if own.sorted_times[place, k] > state.bounds[HIGH]:
                break
            weight = own.sorted_weights[place, k] if own.has_weights else own.weight
            port = int(own.sorted_ports[place, k]) if own.has_ports else own.port
            push, at = make_push(weight, port, factors, constants), j * get_stride()
            u = load_frame(states, at)
            store_frame(states, at, *frame_jump(*u, *push, *factors, *constants))
            if FRAME_KEEPS_TIME:
                states[at + N_COORDINATES] = s
            own.at[place, j] = k + 1
            found.progress[block, N_REACHED] += 1


# Long: what does not change is read before the loop, which would take as long as all else.
@kernel()
def take_deliveries(
    states: Floats, own: Own, n: int, constants: Numbers, found: Found, state: State, block: int,
    neuron: int,
) -> bool:  # fmt: skip
    """Take a block through what arrives before a pass ends, or on; whether there was room."""
    place, progress = own.places[block], found.progress
    times, weights = own.sorted_times[place], own.sorted_weights[place]
    ports, at, ends = own.sorted_ports[place], own.at[place], own.ends[place]
    has_weights, has_ports = own.has_weights, own.has_ports
    origin, high = state.bounds[ORIGIN], state.bounds[HIGH]
    for j in range(progress[block, AT_NEURON], n):
        where, first, last = j * get_stride(), at[j], ends[j]
        k = first
        while k < last and times[k] < high:
            time = times[k]
            s = time - origin
            factors = frame_factors(s, *constants)
            since = states[where + N_COORDINATES] if FRAME_KEEPS_TIME else 0.0
            u = load_frame(states, where)
            has_room = True
            if not frame_quiet(*u, since, s, *factors, *constants):
                has_room = catch_up_at(
                    states, where, s, constants, found, state, block, neuron + j
                )  # fmt: skip
                u = load_frame(states, where)
            after, end = u, k
            while end < last and times[end] == time:
                weight = weights[end] if has_weights else own.weight
                port = int(ports[end]) if has_ports else own.port
                push = make_push(weight, port, factors, constants)
                after = frame_jump(*after, *push, *factors, *constants)
                end += 1
            if has_room:
                store_frame(states, where, *after)
                if FRAME_CROSSES and frame_crosses(*after, *factors, *constants):
                    has_room = fire_now(states, where, s, time, constants, found, block, neuron + j)
                    if not has_room:
                        store_frame(states, where, *u)
                elif FRAME_KEEPS_TIME:
                    states[where + N_COORDINATES] = s
            if not has_room:
                progress[block, AT_NEURON] = j
                at[j] = k
                progress[block, N_REACHED] += k - first
                return False
            k = end
        at[j] = k
        progress[block, N_REACHED] += k - first
    progress[block, AT_NEURON] = 0
    return True
