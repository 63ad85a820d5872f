"""Windows one after the other: collect what arrives, take the blocks through, send what they found.

A window is as long as the shortest delay between neurons, so that no spike arrives in the window
that it is from. A run can be left and entered again wherever an array is full; what is to be done
next stands in `State.counts`.
"""

from sim.kernels.types import Floats, Ints
from sim.network.rows import BlockRows
from sim.windows.arrivals import (
    begin_window,
    collect_arrivals,
    count_arrivals,
    list_spikes,
    move_origin,
    send_spikes,
)
from sim.windows.cells import Cells, look_cell, push_cells, push_own_cells, start_cells
from sim.windows.interface import HAS_FRAMES, enter_frame, look_frame, push_frame, push_own_frame
from sim.windows.own_delays import prepare
from sim.windows.places import find_place
from sim.windows.records import (
    AT_ARRIVAL,
    COLLECT,
    DRAWN,
    FINISHED,
    HIGH,
    IS_DONE,
    LOOK,
    LOST_STATE,
    LOW,
    N_ARRIVALS,
    N_DUE,
    N_FOUND,
    N_FREE,
    N_SPIKES,
    NEXT,
    NEXT_PROBE,
    NO_ROOM,
    ORIGIN,
    PHASE,
    PROBED,
    PUSH,
    SEND,
    UNTIL,
    WINDOW,
    Arrivals,
    Clock,
    Found,
    Frame,
    Inputs,
    Own,
    Probes,
    Ring,
    Scratch,
    Spikes,
    State,
)
from spiketheory.machine.link import kernel

DONE, PAUSED, FULL, LOST, BLOCKS, DRAW = range(6)
"""How a slice of the run ended: at T; after its share; because an array is full; because a state
left the range of numbers; because the blocks are to be taken through the window; because later
inputs must be known."""


@kernel()
def start(rows: BlockRows, cells: Cells, frame: Frame, clock: Clock, state: State) -> None:
    """Bring all neurons to their start."""
    begin_window(clock, state)
    for block in range(frame.kinds.shape[0]):
        first, end = rows.bounds[block], rows.bounds[block + 1]
        kind = frame.kinds[block]
        if HAS_FRAMES and kind >= 0:
            enter_frame(kind, frame, block, cells.states, first, end - first)
        else:
            start_cells(cells, first, end, state.bounds[UNTIL])


@kernel()
def look_at(
    rows: BlockRows, cells: Cells, frame: Frame, state: State, i: int, time: float, found: Floats,
    k: int,
) -> None:  # fmt: skip
    """Write the coordinates of a neuron at a time after its last event to column ``k``."""
    block = find_place(rows.bounds, i)
    kind = frame.kinds[block]
    if HAS_FRAMES and kind >= 0:
        place = frame.firsts[block] + (i - rows.bounds[block]) * frame.strides[block]
        look_frame(kind, frame, block, place, time - state.bounds[ORIGIN], found, k)
    else:
        look_cell(cells, i, time, found, k)


@kernel()
def look_at_all(
    rows: BlockRows, cells: Cells, frame: Frame, state: State, time: float, found: Floats
) -> None:
    """Write the coordinates of all neurons at a time after their last event."""
    for i in range(found.shape[1]):
        look_at(rows, cells, frame, state, i, time, found, i)


@kernel()
def push_blocks(
    clock: Clock, rows: BlockRows, cells: Cells, frame: Frame, own: Own, inputs: Inputs,
    arrivals: Arrivals, found: Found, spikes: Spikes, state: State, order: Ints, first: int,
    step: int,
) -> int:  # fmt: skip
    """Take every ``step``-th block through the window; returns how that ended."""
    ended = FINISHED
    for k in range(first, order.shape[0], step):
        block = order[k]
        if found.progress[block, IS_DONE] != 0:
            continue
        kind, status = frame.kinds[block], NO_ROOM
        if own.places[block] >= 0:
            if prepare(clock, rows, own, inputs, arrivals, spikes, state, block):
                if HAS_FRAMES and kind >= 0:
                    status = push_own_frame(kind, rows, frame, own, found, state, block)
                else:
                    status = push_own_cells(rows, cells, own, found, state, block)
        elif HAS_FRAMES and kind >= 0:
            status = push_frame(kind, rows, frame, arrivals, found, state, block)
        else:
            status = push_cells(rows, cells, arrivals, found, state, block)
        if status == FINISHED:
            found.progress[block, IS_DONE] = 1
        if status == LOST_STATE or ended == FINISHED:
            ended = status
    return ended


@kernel()
def begin_pass(arrivals: Arrivals, found: Found, probes: Probes, state: State) -> None:
    """Say how far the blocks are to be taken: to the next probe, or to the window's end."""
    counts, bounds = state.counts, state.bounds
    for block in range(found.progress.shape[0]):
        found.progress[block, IS_DONE] = 0
    bounds[HIGH], counts[N_DUE] = bounds[UNTIL], counts[N_ARRIVALS]
    if is_probed(probes, state):
        bounds[HIGH] = probes.times[counts[NEXT_PROBE]]
        while counts[N_DUE] > 0 and arrivals.times[counts[N_DUE] - 1] > bounds[HIGH]:
            counts[N_DUE] -= 1


@kernel()
def is_probed(probes: Probes, state: State) -> bool:
    """Whether states are to be looked at in this window."""
    k = state.counts[NEXT_PROBE]
    return k < probes.times.shape[0] and probes.times[k] < state.bounds[NEXT]


@kernel()
def has_room(
    rows: BlockRows, ring: Ring, scratch: Scratch, found: Found, spikes: Spikes, state: State,
    most_tracts: int,
) -> bool:  # fmt: skip
    """Whether what the blocks found fits into the arrays."""
    n = 0
    for block in range(found.progress.shape[0]):
        n += found.progress[block, N_FOUND]
    full = n >= scratch.times.shape[0]
    full |= state.counts[N_SPIKES] + n > spikes.times.shape[0]
    full |= n * most_tracts > state.counts[N_FREE]
    return not full


# Long: half of it says what it takes.
@kernel()
def run(
    clock: Clock, rows: BlockRows, cells: Cells, frame: Frame, own: Own, inputs: Inputs,
    ring: Ring, arrivals: Arrivals, scratch: Scratch, found: Found, spikes: Spikes,
    probes: Probes, state: State, order: Ints, most_tracts: int, max_spikes: int, share: int,
    is_alone: bool,
) -> int:  # fmt: skip
    """Run on until T, or until something else ends the slice.

    Args:
        clock: The windows.
        rows: The connections.
        cells: The neurons that flow from event to event.
        frame: Those in the frame.
        own: Deliveries along connections that each have a delay of their own.
        inputs: What arrives from outside.
        ring: What is under way.
        arrivals: What arrives in the window.
        scratch: Room for sorting.
        found: What the blocks find.
        spikes: All spikes.
        probes: States that are looked at.
        state: How far the run is.
        order: The blocks, in the order in which they are taken.
        most_tracts: Of any neuron.
        max_spikes: Pause at so many spikes.
        share: Pause after about so many arrivals and visits of neurons.
        is_alone: Whether this thread takes all blocks; else it pauses where they are to be taken.

    Returns:
        How it ended.
    """
    counts = state.counts
    while True:
        if counts[PHASE] == COLLECT:
            begin_window(clock, state)
            if state.bounds[LOW] > clock.duration:
                return DONE
            if share <= 0 or counts[N_SPIKES] > max_spikes:
                return PAUSED
            if state.bounds[UNTIL] > state.bounds[DRAWN]:
                return DRAW
            n = count_arrivals(inputs, ring, state)
            if max(n, 1) >= min(arrivals.times.shape[0], scratch.times.shape[0]):
                return FULL
            collect_arrivals(inputs, ring, arrivals, scratch, state)
            for block in range(found.progress.shape[0]):
                found.progress[block, AT_ARRIVAL] = 0
                found.progress[block, N_FOUND] = 0
            move_origin(clock, state)
            begin_pass(arrivals, found, probes, state)
            counts[PHASE] = PUSH
            share -= n + rows.bounds[-1]
        elif counts[PHASE] == PUSH:
            if not is_alone:
                return BLOCKS
            status = push_blocks(
                clock, rows, cells, frame, own, inputs, arrivals, found, spikes, state, order, 0, 1
            )
            if status == LOST_STATE:
                return LOST
            if status == NO_ROOM:
                return FULL
            counts[PHASE] = LOOK
        elif counts[PHASE] == LOOK:
            counts[PHASE] = SEND
            if is_probed(probes, state):
                n = probes.neurons.shape[0]
                for k in range(n):
                    look_at(
                        rows, cells, frame, state, probes.neurons[k], state.bounds[HIGH],
                        probes.coordinates, counts[NEXT_PROBE] * n + k,
                    )  # fmt: skip
                counts[NEXT_PROBE] += 1
                state.bounds[PROBED] = state.bounds[HIGH]
                begin_pass(arrivals, found, probes, state)
                counts[PHASE] = PUSH
        else:
            if not has_room(rows, ring, scratch, found, spikes, state, most_tracts):
                return FULL
            n = list_spikes(found, scratch, spikes, state)
            send_spikes(clock, rows, ring, spikes, state, n)
            counts[WINDOW] += 1
            counts[PHASE] = COLLECT
