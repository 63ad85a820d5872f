"""What happens to one neuron: an arrival, a spike, a probe of its state; forwards and backwards.

These kernels are linked with each model of a network, see `sim.events.link`; what they offer to the
event loops is said in `sim.events.interface`, and what their arguments are. Nothing here knows how
events are found (`sim.events.loop`) or in which order they are undone (`sim.events.backward`).
"""

import numpy as np

from sim.events.interface import ARRIVED, CROSSED, DEFERRED, LOST
from sim.events.ties import Ties
from sim.kernels.limits import LARGE_COORDINATE, LARGEST_COORDINATE, SCALING
from sim.kernels.ties import tie_vjp
from sim.kernels.types import Floats, Numbers
from spiketheory.generation.interface import (
    HAS_PARAMETERS,
    HAS_THRESHOLD,
    INPUTS_ADD_UP,
    IS_INTEGRATED,
    IS_PROJECTIVE,
    N_COORDINATES,
    N_PORTS,
    SCALED,
    THRESHOLD_PLACE,
    fire,
    fire_constants_vjp,
    fire_vjp,
    flow,
    flow_constants_vjp,
    flow_vjp,
    jump,
    jump_at,
    jump_at_constants_vjp,
    jump_at_vjp,
    jump_constants_vjp,
    jump_vjp,
    load,
    load_constants,
    propagator,
    reset,
    reset_constants_vjp,
    reset_vjp,
    spike_within,
    store,
    time_to_spike,
    velocity,
)
from spiketheory.machine.link import kernel

BEYOND = 1.001
"""How much farther than the trial: whether a spike comes by its end is not for rounding to say."""


@kernel()
def receive(
    kind: int, states: Floats, i: int, table: Floats, row: int, dt: float, weight: float,
    port: int, rest: float, pending: bool, is_due: bool,
) -> tuple[float, int, float]:  # fmt: skip
    """Flow for ``dt``, then an input at a port; ``pending`` if one already made it spike now.

    ``rest`` is how long the trial still lasts. ``is_due`` says that the neuron spikes now by
    itself: it is on its threshold then, whatever rounding has made of its state.

    Returns:
        Time to the next spike (inf if it is after the trial and was not looked for), what happened,
        and the power of two that the coordinates were multiplied by, which is exact.
    """
    constants = load_constants(table, row)
    before = flow(*load(states, i), *propagator(dt, *constants), *constants)
    if N_PORTS == 1:
        after = jump(*before, weight, *constants)
    else:
        after = jump_at(*before, weight, port, *constants)
    is_large = False
    for value in after:
        is_large |= not abs(value) <= LARGE_COORDINATE
    for value in after:
        if is_large and not abs(value) < np.inf:  # neither below the threshold nor beyond it
            store(states, i, *after)
            return np.inf, LOST, 1.0
    wait = look_ahead(after, constants, rest)
    happened = ARRIVED
    if HAS_THRESHOLD and (wait == 0.0 or is_due) and not pending:
        moved = after[THRESHOLD_PLACE] - before[THRESHOLD_PLACE]
        if moved == 0.0 or (wait == 0.0 and not moved > 0.0):
            return dt, DEFERRED, 1.0
        if wait == 0.0:
            happened = CROSSED
    store(states, i, *after)
    if not is_large:
        return wait, happened, 1.0
    for value in after:
        if not abs(value) <= LARGEST_COORDINATE:
            return wait, LOST, 1.0
    return wait, happened, scale_down(states, i)


@kernel()
def scale_down(states: Floats, i: int) -> float:
    """Divide large coordinates of a projective chart by a power of two."""
    factor = 1.0
    if IS_PROJECTIVE:
        size = 0.0
        for c in SCALED:
            size = max(size, abs(states[c, i]))
        while size * factor > LARGE_COORDINATE:
            factor *= SCALING
        for c in SCALED:
            states[c, i] *= factor
    return factor


@kernel()
def spike(
    kind: int, states: Floats, i: int, table: Floats, row: int, wait: float, at_once: bool,
    rest: float,
) -> float:  # fmt: skip
    """The spike that comes after ``wait``; returns the time to the one after it."""
    constants = load_constants(table, row)
    if at_once:
        after = reset(*load(states, i), *constants)
    else:
        after = fire(*load(states, i), *propagator(wait, *constants), *constants)
    store(states, i, *after)
    return look_ahead(after, constants, rest)


@kernel()
def find_wait(kind: int, states: Floats, i: int, table: Floats, row: int, rest: float) -> float:
    """Time to the next spike."""
    return look_ahead(load(states, i), load_constants(table, row), rest)


@kernel()
def look_ahead(state: tuple[float, ...], constants: tuple[float, ...], rest: float) -> float:
    """Time to the next spike; what has to be integrated is not integrated far beyond the trial."""
    if IS_INTEGRATED and rest > 0.0:
        return max(spike_within(*state, BEYOND * rest, *constants), 0.0)
    return max(time_to_spike(*state, *constants), 0.0)


@kernel()
def probe(
    kind: int, states: Floats, i: int, table: Floats, row: int, dt: float, found: Floats, k: int
) -> None:
    """Write the coordinates after ``dt`` to column ``k`` of ``found``."""
    constants = load_constants(table, row)
    store(found, k, *flow(*load(states, i), *propagator(dt, *constants), *constants))


# The vector-Jacobian products of the same (docs/mathematics.md, 3 and 12).


@kernel()
def receive_vjp(
    kind: int, starts: Floats, k: int, table: Floats, row: int, dt: float, weight: float,
    port: int, scale: float, adjoints: Floats, i: int,
) -> tuple[float, float]:  # fmt: skip
    """Undo an arrival at a port; returns the derivatives by its weight and its time."""
    constants = load_constants(table, row)
    if scale != 1.0:
        rescale(adjoints, i, scale)
    start, step = load(starts, k), propagator(dt, *constants)
    before = flow(*start, *step, *constants)
    slopes = undo_jump(before, weight, port, constants, load(adjoints, i))
    store(adjoints, i, *flow_vjp(*start, *step, *constants, *slopes[:N_COORDINATES]))
    return slopes[N_COORDINATES], slopes[N_COORDINATES + 1]


@kernel()
def undo_jump(
    before: Numbers, weight: float, port: int, constants: Numbers, adjoint: Numbers
) -> Numbers:
    """Derivatives by the coordinates before an input at a port, its weight and its time."""
    if N_PORTS == 1:
        return jump_vjp(*before, weight, *constants, *adjoint)
    return jump_at_vjp(*before, weight, port, *constants, *adjoint)


@kernel()
def ties_vjp(
    kind: int, starts: Floats, k: int, table: Floats, row: int, dt: float, ties: Ties, first: int,
    end: int, adjoints: Floats, i: int,
) -> None:  # fmt: skip
    """Derivatives by the times of simultaneous arrivals: members ``first`` to ``end`` - 1.

    The mean of both sides of the kink: of the arrival before all others, and behind them. Its
    sum over members that are one event is that of the event only for fields of second degree,
    so an event that comes by several connections, one member after the other, is moved whole.
    """
    constants = load_constants(table, row)
    state = flow(*load(starts, k), *propagator(dt, *constants), *constants)
    rescale(adjoints, i, ties.scales[first])
    adjoint = load(adjoints, i)
    rescale(adjoints, i, 1.0 / ties.scales[first])
    if not INPUTS_ADD_UP:
        ties_in_turn_vjp(state, ties, first, end, constants, adjoint)
        return
    total = 0.0
    for m in range(first, end):
        total += ties.weights[m]
    for m in range(first, end):
        weight = ties.weights[m]
        ties.by_arrival[m] = tie_vjp(state, weight, total - weight, constants, adjoint)
        if m > first and ties.events[m] == ties.events[m - 1]:
            continue
        own = weight
        other = m + 1
        while other < end and ties.events[other] == ties.events[m]:
            own += ties.weights[other]
            other += 1
        ties.by_event[m] = ties.by_arrival[m]
        if other > m + 1:
            ties.by_event[m] = tie_vjp(state, own, total - own, constants, adjoint)


@kernel()
def ties_in_turn_vjp(
    state: Numbers, ties: Ties, first: int, end: int, constants: Numbers, adjoint: Numbers
) -> None:
    """`ties_vjp` where inputs commute but do not add up: they act one after the other."""
    for m in range(first, end):
        ties.by_arrival[m] = tie_in_turn_vjp(state, ties, first, end, m, m + 1, constants, adjoint)
        if m > first and ties.events[m] == ties.events[m - 1]:
            continue
        other = m + 1
        while other < end and ties.events[other] == ties.events[m]:
            other += 1
        ties.by_event[m] = tie_in_turn_vjp(state, ties, first, end, m, other, constants, adjoint)


@kernel()
def tie_in_turn_vjp(
    state: Numbers, ties: Ties, first: int, end: int, low: int, high: int, constants: Numbers,
    adjoint: Numbers,
) -> float:  # fmt: skip
    """The mean derivative by the common time of members ``low`` to ``high`` - 1 of a group."""
    rest = take_in_turn(state, ties, first, end, low, high, False, constants)
    _, behind = turns_vjp(rest, ties, first, end, low, high, True, constants, adjoint)
    own = take_in_turn(state, ties, first, end, low, high, True, constants)
    later, _ = turns_vjp(own, ties, first, end, low, high, False, constants, adjoint)
    _, before = turns_vjp(state, ties, first, end, low, high, True, constants, later)
    by_time: float = 0.5 * (before + behind)
    return by_time


@kernel()
def take_in_turn(
    state: Numbers, ties: Ties, first: int, end: int, low: int, high: int, inside: bool,
    constants: Numbers,
) -> Numbers:  # fmt: skip
    """The state after those members of a group that are ``low`` to ``high`` - 1, or the others."""
    for m in range(first, end):
        if (low <= m < high) == inside:
            if N_PORTS == 1:
                state = jump(*state, ties.weights[m], *constants)
            else:
                state = jump_at(*state, ties.weights[m], ties.ports[m], *constants)
    return state


@kernel()
def turns_vjp(
    state: Numbers, ties: Ties, first: int, end: int, low: int, high: int, inside: bool,
    constants: Numbers, adjoint: Numbers,
) -> tuple[Numbers, float]:  # fmt: skip
    """Undo `take_in_turn`; the adjoint before, and the derivative by the members' common time."""
    by_time = 0.0
    for m in range(end - 1, first - 1, -1):
        if (low <= m < high) == inside:
            before = take_in_turn(state, ties, first, m, low, high, inside, constants)
            slopes = undo_jump(before, ties.weights[m], ties.ports[m], constants, adjoint)
            by_time += slopes[N_COORDINATES + 1]
            adjoint = slopes[:N_COORDINATES]
    return adjoint, by_time


@kernel()
def rescale(adjoints: Floats, i: int, scale: float) -> None:
    """Undo the rescaling of projective coordinates."""
    for c in SCALED:
        adjoints[c, i] *= scale


@kernel()
def spike_vjp(
    kind: int, starts: Floats, k: int, table: Floats, row: int, wait: float, adjoints: Floats,
    i: int, by_time: float,
) -> None:  # fmt: skip
    """Undo a spike; ``by_time`` is the derivative by its time."""
    constants = load_constants(table, row)
    step = propagator(wait, *constants)
    adjoint = load(adjoints, i)
    store(adjoints, i, *fire_vjp(*load(starts, k), *step, *constants, *adjoint, by_time))


@kernel()
def caused_spike_vjp(
    kind: int, starts: Floats, k: int, table: Floats, row: int, adjoints: Floats, i: int,
    by_time: float,
) -> float:  # fmt: skip
    """Undo a spike that an input caused at once: it moves with the input's time.

    With s the state that the input led to, later by dt the state follows F(s) longer and
    F(Rs) shorter; returns the derivative by the input's time that comes on top.
    """
    constants = load_constants(table, row)
    state, adjoint = load(starts, k), load(adjoints, i)
    adjoint_before = reset_vjp(*state, *constants, *adjoint)
    arriving = velocity(*state, *constants)
    leaving = velocity(*reset(*state, *constants), *constants)
    for c in range(N_COORDINATES):
        by_time += adjoint_before[c] * arriving[c] - adjoint[c] * leaving[c]
    store(adjoints, i, *adjoint_before)
    return by_time


@kernel()
def probe_vjp(
    kind: int, starts: Floats, k: int, table: Floats, row: int, dt: float, by_state: Floats,
    j: int, adjoints: Floats, i: int,
) -> None:  # fmt: skip
    """Add the part of column ``j`` of ``by_state``, derivatives by probed coordinates."""
    constants = load_constants(table, row)
    step = propagator(dt, *constants)
    adjoint_before = flow_vjp(*load(starts, k), *step, *constants, *load(by_state, j))
    for c in range(N_COORDINATES):
        adjoints[c, i] += adjoint_before[c]


# Derivatives by the constants, added to ``by_constant``; to be called before the adjoint changes.


@kernel()
def receive_constants_vjp(
    kind: int, starts: Floats, k: int, table: Floats, row: int, dt: float, weight: float,
    port: int, scale: float, adjoints: Floats, i: int, by_constant: Floats,
) -> None:  # fmt: skip
    """By way of an arrival and the flow before it."""
    if HAS_PARAMETERS:
        constants = load_constants(table, row)
        if scale != 1.0:
            for c in SCALED:
                adjoints[c, i] *= scale
        start, adjoint = load(starts, k), load(adjoints, i)
        before = flow(*start, *propagator(dt, *constants), *constants)
        if N_PORTS == 1:
            direct = jump_constants_vjp(*before, weight, *constants, *adjoint)
        else:
            direct = jump_at_constants_vjp(*before, weight, port, *constants, *adjoint)
        add(by_constant, row, direct)
        slopes = undo_jump(before, weight, port, constants, adjoint)
        by_flow = flow_constants_vjp(*start, dt, *constants, *slopes[:N_COORDINATES])
        add(by_constant, row, by_flow)
        if scale != 1.0:
            for c in SCALED:
                adjoints[c, i] /= scale


@kernel()
def spike_constants_vjp(
    kind: int, starts: Floats, k: int, table: Floats, row: int, wait: float, adjoints: Floats,
    i: int, by_time: float, at_once: bool, by_constant: Floats,
) -> None:  # fmt: skip
    """By way of a spike and the flow before it."""
    if HAS_PARAMETERS:
        constants = load_constants(table, row)
        start, adjoint = load(starts, k), load(adjoints, i)
        if at_once:
            add(by_constant, row, reset_constants_vjp(*start, *constants, *adjoint))
        else:
            by_fire = fire_constants_vjp(*start, wait, *constants, *adjoint, by_time)
            add(by_constant, row, by_fire)


@kernel()
def probe_constants_vjp(
    kind: int, starts: Floats, k: int, table: Floats, row: int, dt: float, by_state: Floats,
    j: int, by_constant: Floats,
) -> None:  # fmt: skip
    """By way of the flow to a state that was probed."""
    if HAS_PARAMETERS:
        constants = load_constants(table, row)
        start, adjoint = load(starts, k), load(by_state, j)
        add(by_constant, row, flow_constants_vjp(*start, dt, *constants, *adjoint))


@kernel()
def add(by_constant: Floats, row: int, values: Numbers) -> None:
    """Add derivatives by the constants of one row."""
    for c in range(len(values)):
        by_constant[c, row] += values[c]
