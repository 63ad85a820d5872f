"""What a neuron in the frame does: it enters, is looked at, spikes, and moves to a new origin.

See `sim.windows.frames`.
"""

import numpy as np

from sim.kernels.limits import LARGE_COORDINATE, LARGEST_COORDINATE, SCALING
from sim.kernels.types import Floats, Numbers
from sim.network.rows import BlockRows
from sim.windows.records import (
    AT_NEURON,
    FINISHED,
    HIGH,
    LOST_NEURON,
    LOST_STATE,
    LOW,
    N_FOUND,
    N_PROBED,
    N_REBASED,
    N_REBASES,
    NEXT_PROBE,
    NO_ROOM,
    OLD_ORIGIN,
    ORIGIN,
    PROBED,
    Found,
    Frame,
    State,
)
from spiketheory.generation.interface import (
    FRAME_CROSSES,
    FRAME_KEEPS_TIME,
    IS_PROJECTIVE,
    N_COORDINATES,
    N_PORTS,
    SCALED,
    frame_crosses,
    frame_enter,
    frame_factors,
    frame_fire,
    frame_leave,
    frame_push,
    frame_push_at,
    frame_quiet,
    frame_rebase,
    frame_spike,
    load,
    load_constants,
    load_frame,
    store,
    store_frame,
)
from spiketheory.machine.link import kernel


@kernel()
def get_stride() -> int:
    """Numbers of one neuron."""
    return N_COORDINATES + 1 if FRAME_KEEPS_TIME else N_COORDINATES


@kernel()
def enter_frame(kind: int, frame: Frame, block: int, states: Floats, first: int, n: int) -> None:
    """Neurons of a block at their start, from their coordinates in the chart."""
    constants = load_constants(frame.table, frame.columns[block])
    for j in range(n):
        place = frame.firsts[block] + j * get_stride()
        store_frame(frame.states, place, *frame_enter(*load(states, first + j), *constants))
        if FRAME_KEEPS_TIME:
            frame.states[place + N_COORDINATES] = 0.0


@kernel()
def look_frame(
    kind: int, frame: Frame, block: int, place: int, s: float, found: Floats, k: int
) -> None:
    """Write the chart's coordinates of a neuron, ``s`` after the origin, to column ``k``."""
    constants = load_constants(frame.table, frame.columns[block])
    factors = frame_factors(s, *constants)
    store(found, k, *frame_leave(*load_frame(frame.states, place), *factors, *constants))


@kernel()
def move_block(frame: Frame, state: State, block: int, n: int, constants: Numbers) -> None:
    """Take a block to the frame's new origin."""
    s = state.bounds[ORIGIN] - state.bounds[OLD_ORIGIN]
    factors = frame_factors(s, *constants)
    for j in range(n):
        place = frame.firsts[block] + j * get_stride()
        u = frame_rebase(*load_frame(frame.states, place), *factors, *constants)
        store_frame(frame.states, place, *u)
        if FRAME_KEEPS_TIME:
            since = frame.states[place + N_COORDINATES]
            frame.states[place + N_COORDINATES] = max(since - s, 0.0)


@kernel()
def note(found: Found, block: int, neuron: int, time: float) -> bool:
    """Write a spike down, if there is room."""
    k = found.progress[block, N_FOUND]
    if k == found.times.shape[1]:
        return False
    found.times[block, k] = time
    found.neurons[block, k] = neuron
    found.progress[block, N_FOUND] = k + 1
    return True


@kernel()
def catch_up(
    states: Floats, place: int, s: float, factors: Numbers, constants: Numbers, found: Found,
    state: State, block: int, neuron: int,
) -> bool:  # fmt: skip
    """Take a neuron through its own spikes before a time; whether there was room for them.

    None is before the last look at all neurons, whatever rounding makes of its time.
    """
    u = load_frame(states, place)
    since = states[place + N_COORDINATES] if FRAME_KEEPS_TIME else 0.0
    while not frame_quiet(*u, since, s, *factors, *constants):
        since = frame_spike(*u, since, s, *factors, *constants)
        if not since < s:
            return True
        if not note(found, block, neuron, max(state.bounds[ORIGIN] + since, state.bounds[LOW])):
            return False
        u = frame_fire(*u, since, *constants)
        store_frame(states, place, *u)
        if FRAME_KEEPS_TIME:
            states[place + N_COORDINATES] = since
    return True


@kernel()
def catch_up_at(
    states: Floats, place: int, s: float, constants: Numbers, found: Found, state: State,
    block: int, neuron: int,
) -> bool:  # fmt: skip
    """The same where the factors are wanted for nothing else."""
    factors = frame_factors(s, *constants)
    return catch_up(states, place, s, factors, constants, found, state, block, neuron)


@kernel()
def fire_now(
    states: Floats, place: int, s: float, time: float, constants: Numbers, found: Found,
    block: int, neuron: int,
) -> bool:  # fmt: skip
    """A neuron that inputs have carried across spikes at this instant, if there is room."""
    if not note(found, block, neuron, time):
        return False
    store_frame(states, place, *frame_fire(*load_frame(states, place), s, *constants))
    if FRAME_KEEPS_TIME:
        states[place + N_COORDINATES] = s
    return True


@kernel()
def make_push(weight: float, port: int, factors: Numbers, constants: Numbers) -> Numbers:
    """The numbers of an input at a port."""
    if N_PORTS == 1:
        return frame_push(weight, *factors, *constants)
    return frame_push_at(weight, port, *factors, *constants)


@kernel()
def begin_block(
    frame: Frame, found: Found, state: State, block: int, neuron: int, n: int, constants: Numbers
) -> bool:
    """Take a block to the frame's origin, once; whether there was room for spikes.

    After a probe those neurons spike that were beyond the threshold then: it comes before them.
    """
    progress, counts = found.progress, state.counts
    if progress[block, N_REBASED] != counts[N_REBASES]:
        move_block(frame, state, block, n, constants)
        progress[block, N_REBASED] = counts[N_REBASES]
    is_later = state.bounds[HIGH] > state.bounds[PROBED]
    if FRAME_CROSSES and is_later and progress[block, N_PROBED] != counts[NEXT_PROBE]:
        time, first = state.bounds[PROBED], frame.firsts[block]
        s = time - state.bounds[ORIGIN]
        factors = frame_factors(s, *constants)
        for j in range(n):
            place = first + j * get_stride()
            crosses = frame_crosses(*load_frame(frame.states, place), *factors, *constants)
            if crosses and not fire_now(
                frame.states, place, s, time, constants, found, block, neuron + j
            ):  # fmt: skip
                return False
        progress[block, N_PROBED] = counts[NEXT_PROBE]
    return True


@kernel()
def keep_small(states: Floats, place: int) -> bool:
    """Divide homogeneous coordinates that are large by a power of two; whether all are numbers."""
    size = 0.0
    for value in load_frame(states, place):
        if not abs(value) < np.inf:
            return False
        size = max(size, abs(value))
    if not IS_PROJECTIVE:
        return size <= LARGEST_COORDINATE
    factor = 1.0
    while size * factor > LARGE_COORDINATE:
        factor *= SCALING
    for c in SCALED:
        states[place + c] *= factor
    return True


@kernel()
def end_frame(
    rows: BlockRows, states: Floats, constants: Numbers, found: Found, state: State, block: int,
    n: int,
) -> int:  # fmt: skip
    """Look at all neurons at the end of a pass; returns how that ended."""
    progress, s = found.progress, state.bounds[HIGH] - state.bounds[ORIGIN]
    factors = frame_factors(s, *constants)
    neuron = rows.bounds[block]
    for j in range(progress[block, AT_NEURON], n):
        place = j * get_stride()
        u = load_frame(states, place)
        since = states[place + N_COORDINATES] if FRAME_KEEPS_TIME else 0.0
        is_quiet = frame_quiet(*u, since, s, *factors, *constants)
        if not is_quiet and not catch_up(
            states, place, s, factors, constants, found, state, block, neuron + j
        ):  # fmt: skip
            progress[block, AT_NEURON] = j
            return NO_ROOM
        for value in u:
            if not abs(value) <= LARGE_COORDINATE and not keep_small(states, place):
                progress[block, LOST_NEURON] = neuron + j + 1
                found.lost_at[block] = state.bounds[HIGH]
                return LOST_STATE
    progress[block, AT_NEURON] = 0
    return FINISHED
