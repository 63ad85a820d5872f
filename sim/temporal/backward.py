"""A layer's trial backwards: derivatives of a loss by all that went into it.

Between events adjoints follow the flow's vector-Jacobian product, all neurons as one vector. The
neurons that spike in a segment go through it apart, spike by spike. What the time of an event adds
goes to whatever sent it: an input spike, a spike of the layer before, or one of the layer's own.
"""

from sim.kernels.types import Floats, Numbers
from sim.layers.backward import add_up
from sim.temporal.forward import SEGMENTS_PER_BLOCK, find_row
from sim.temporal.margin import (
    WANT_MARGIN,
    WANT_PARAMETERS,
    hand_on_pressed,
    press_peak,
    press_segment,
    press_spike,
    press_turns,
)
from sim.temporal.records import NO_EVENT, Batch, DenseLayer, LayerMemory, LayerSums, Scratch
from sim.temporal.segments import PER_NEURON, add, find_constants, follows_at_once
from sim.temporal.ties import add_causes, give_time, inputs_vjp, ties_vjp
from spiketheory.generation.interface import (
    HAS_PARAMETERS,
    HAS_PEAK,
    HAS_THRESHOLD,
    IS_PROJECTIVE,
    N_COORDINATES,
    SCALED,
    fire,
    fire_constants_vjp,
    fire_vjp,
    flow_constants_vjp,
    flow_vjp,
    jump,
    jump_constants_vjp,
    jump_vjp,
    load,
    load_constants,
    propagator,
    reset,
    reset_constants_vjp,
    reset_vjp,
    store,
    velocity,
)
from spiketheory.machine.link import kernel


# Long: half of it says what it takes and returns.
@kernel()
def backward_layer(
    batch: Batch, layer: DenseLayer, memory: LayerMemory, scratch: Scratch, outside: Floats,
    outside_gradient: Floats, n_segments: int, sums: LayerSums, is_first: bool,
    want_inputs: bool, first_instant: int, input_times: Floats,
) -> float:  # fmt: skip
    """Go back through a layer's trial; returns the cost of maxima near the threshold.

    ``memory.by_spike`` holds the derivatives by the spike times, and ``memory.adjoints`` those by
    the states at T, which are replaced by those at the begin.

    Args:
        batch: The batch.
        layer: The layer.
        memory: What `sim.temporal.forward.forward_layer` left behind.
        scratch: Memory of the thread.
        outside: Weights of the events from outside.
        outside_gradient: Derivatives by them, which are added to.
        n_segments: What `forward_layer` returned.
        sums: Where derivatives are added up.
        is_first: Whether what comes from outside was sent by no layer, which would want its time.
        want_inputs: Whether derivatives by the time of each input spike are wanted.
        first_instant: The batch's number of the first event from outside.
        input_times: Where they are written.
    """
    cost = 0.0
    known = n_segments  # of events from here on the derivative by their time is known
    for k in range(n_segments - 1, -1, -1):
        if IS_PROJECTIVE and (k + 1) % SEGMENTS_PER_BLOCK == 0:
            unscale(memory.adjoints, memory.scales[k // SEGMENTS_PER_BLOCK])
        row = memory.event_rows[k]
        gradient = find_gradient(memory, outside_gradient, sums, k)
        weights = find_row(layer, memory, outside, k)
        is_last = k < known and follows_at_once(memory, k)
        wants_time = row < 0 or not is_first
        cost += undo_segment(
            batch, layer, memory, scratch, weights, gradient, sums, k, is_last or want_inputs,
            wants_time,
        )  # fmt: skip
        if WANT_MARGIN and HAS_PEAK and row != NO_EVENT and not follows_at_once(memory, k):
            cost += press_turns(batch, layer, memory, scratch, outside, sums, k, n_segments)
        if want_inputs and row >= 0:
            inputs_vjp(
                batch, layer, memory, scratch, outside, weights, k, first_instant, input_times,
                n_segments,
            )  # fmt: skip
        if is_last:
            known = ties_vjp(batch, layer, memory, scratch, outside, sums, k, n_segments)
        elif k < known and row != NO_EVENT and wants_time:
            by_time = add_up(scratch.time_gradients, layer.width)
            give_time(memory, sums, k, by_time + add_causes(memory, k, n_segments))
    by_start = sums.initial
    for c in range(by_start.shape[0]):
        for i in range(by_start.shape[1]):
            by_start[c, i] += memory.adjoints[c, i]
    return cost


@kernel(inlines=True)
def find_gradient(memory: LayerMemory, outside_gradient: Floats, sums: LayerSums, k: int) -> Floats:
    """Where the derivatives by the weights of the event of segment k belong."""
    row = memory.event_rows[k]
    if row >= 0:
        return outside_gradient[row]
    if row == NO_EVENT:
        return memory.unused
    return sums.recurrent[memory.spikes.neurons[-1 - row]]


@kernel()
def unscale(adjoints: Floats, scales: Floats) -> None:
    """Scale adjoints as the states were."""
    for i in range(scales.shape[0]):
        for c in SCALED:
            adjoints[c, i] *= scales[i]


# Long: half of it says what it takes and returns.
@kernel()
def undo_segment(
    batch: Batch, layer: DenseLayer, memory: LayerMemory, scratch: Scratch, weights: Floats,
    gradient: Floats, sums: LayerSums, k: int, keeps_after: bool, wants_time: bool,
) -> float:  # fmt: skip
    """Go back through segment k and the event before it; returns the cost of maxima in it.

    Args:
        batch: The batch.
        layer: The layer.
        memory: What the sample left behind.
        scratch: Memory of the thread.
        weights: Weights of the event.
        gradient: Derivatives by them, which are added to.
        sums: Derivatives by all else.
        k: The segment.
        keeps_after: Whether the adjoints just after the event are written down.
        wants_time: Whether the derivatives by the time of the event are.
    """
    states, duration = memory.states[k], memory.durations[k]
    first, last = memory.firsts[k], memory.firsts[k + 1]
    cost = spikes_vjp(batch, layer, memory, scratch, gradient, sums, k, first, last)
    if WANT_PARAMETERS and HAS_PARAMETERS:
        add_constants(layer, memory, scratch, weights, sums, k)
    if keeps_after:
        segment_vjp(layer, memory, scratch, weights, k, first, last)
    if WANT_MARGIN and HAS_PEAK:
        cost += press_segment(batch, layer, memory, scratch, weights, sums, k)
    if wants_time:
        backward_segment(
            states, weights, layer.table, layer.constants, duration, memory.adjoints, gradient,
            scratch.time_gradients,
        )  # fmt: skip
    else:
        backward_inputs(
            states, weights, layer.table, layer.constants, duration, memory.adjoints, gradient
        )
    if WANT_MARGIN and HAS_PEAK:
        hand_on_pressed(layer, memory, scratch, weights, gradient, sums, k)
    for p in range(first, last):
        if memory.spikes.remaining[p] >= 0.0:
            i = memory.spikes.neurons[p]
            constants = find_constants(layer, i)
            adjoint = load(scratch.spiking_adjoints, i)
            slopes = jump_vjp(*load(states, i), weights[i], *constants, *adjoint)
            store(memory.adjoints, i, *slopes[:N_COORDINATES])
            gradient[i] = scratch.saved_gradient[i] + slopes[N_COORDINATES]
            scratch.time_gradients[i] = slopes[-1]
            scratch.spiked[i] = 0
    return cost


@kernel(disjoint=True)
def backward_segment(
    states: Floats, weights: Floats, table: Floats, constants: Numbers, duration: float,
    adjoints: Floats, gradient: Floats, time_gradients: Floats,
) -> None:  # fmt: skip
    """Go back through one segment and the event before it, as if no neuron spiked."""
    step = propagator(duration, *constants)
    for i in range(weights.shape[0]):
        if PER_NEURON:
            constants = load_constants(table, i)
            step = propagator(duration, *constants)
        before = load(states, i)
        after = jump(*before, weights[i], *constants)
        adjoint = flow_vjp(*after, *step, *constants, *load(adjoints, i))
        slopes = jump_vjp(*before, weights[i], *constants, *adjoint)
        store(adjoints, i, *slopes[:N_COORDINATES])
        gradient[i] += slopes[N_COORDINATES]
        time_gradients[i] = slopes[-1]


@kernel(disjoint=True)
def backward_inputs(
    states: Floats, weights: Floats, table: Floats, constants: Numbers, duration: float,
    adjoints: Floats, gradient: Floats,
) -> None:  # fmt: skip
    """The same where nobody asks for the derivatives by the time of the event."""
    step = propagator(duration, *constants)
    for i in range(weights.shape[0]):
        if PER_NEURON:
            constants = load_constants(table, i)
            step = propagator(duration, *constants)
        before = load(states, i)
        after = jump(*before, weights[i], *constants)
        adjoint = flow_vjp(*after, *step, *constants, *load(adjoints, i))
        slopes = jump_vjp(*before, weights[i], *constants, *adjoint)
        store(adjoints, i, *slopes[:N_COORDINATES])
        gradient[i] += slopes[N_COORDINATES]


@kernel()
def spikes_vjp(
    batch: Batch, layer: DenseLayer, memory: LayerMemory, scratch: Scratch, gradient: Floats,
    sums: LayerSums, k: int, first: int, last: int,
) -> float:  # fmt: skip
    """Carry the adjoints of the spiking neurons from a segment's end to its start.

    Returns the cost of their maxima.
    """
    spikes, adjoints, cost = memory.spikes, scratch.spiking_adjoints, 0.0
    for p in range(last - 1, first - 1, -1):
        i = spikes.neurons[p]
        constants = find_constants(layer, i)
        start, wait, left = load(spikes.starts, p), spikes.waits[p], spikes.remaining[p]
        step = propagator(wait, *constants)
        if left >= 0.0:  # the last of this neuron
            scratch.saved_gradient[i] = gradient[i]
            scratch.spiked[i] = 1
            fired = fire(*start, *step, *constants)
            tail = propagator(left, *constants)
            adjoint = load(memory.adjoints, i)
            store(adjoints, i, *flow_vjp(*fired, *tail, *constants, *adjoint))
            if WANT_PARAMETERS and HAS_PARAMETERS:
                add(sums, i, flow_constants_vjp(*fired, left, *constants, *adjoint))
            if WANT_MARGIN and HAS_PEAK:
                cost += press_peak(batch, scratch, sums, i, constants, fired, left, adjoints, i)
        adjoint = load(adjoints, i)
        if HAS_THRESHOLD and memory.causes[p] >= 0:
            caused_vjp(memory, scratch, sums, constants, p, i)
            continue
        if WANT_PARAMETERS and HAS_PARAMETERS:
            add(sums, i, fire_constants_vjp(*start, wait, *constants, *adjoint, memory.by_spike[p]))
        store(adjoints, i, *fire_vjp(*start, *step, *constants, *adjoint, memory.by_spike[p]))
        if WANT_MARGIN and HAS_PEAK:
            cost += press_spike(batch, memory, scratch, sums, i, p, constants)
    return cost


@kernel()
def caused_vjp(
    memory: LayerMemory, scratch: Scratch, sums: LayerSums, constants: Numbers, p: int, i: int
) -> None:
    """Undo a spike that an event caused at once: it moves with the event's time alone.

    With s the state that the event led to, later by dt the state follows F(s) longer and F(Rs)
    shorter.
    """
    start, adjoint = load(memory.spikes.starts, p), load(scratch.spiking_adjoints, i)
    before = reset_vjp(*start, *constants, *adjoint)
    arriving = velocity(*start, *constants)
    leaving = velocity(*reset(*start, *constants), *constants)
    by_time = memory.by_spike[p]
    for c in range(N_COORDINATES):
        by_time += before[c] * arriving[c] - adjoint[c] * leaving[c]
    if WANT_PARAMETERS and HAS_PARAMETERS:
        add(sums, i, reset_constants_vjp(*start, *constants, *adjoint))
    memory.by_cause[p] = by_time
    store(scratch.spiking_adjoints, i, *before)


@kernel()
def segment_vjp(
    layer: DenseLayer, memory: LayerMemory, scratch: Scratch, weights: Floats, k: int, first: int,
    last: int,
) -> None:  # fmt: skip
    """Write down the adjoints just after the event that starts segment k."""
    states, adjoints_after = memory.states[k], scratch.adjoints_after
    for i in range(layer.width):
        constants = find_constants(layer, i)
        step = propagator(memory.durations[k], *constants)
        after = jump(*load(states, i), weights[i], *constants)
        adjoint = load(memory.adjoints, i)
        store(adjoints_after, i, *flow_vjp(*after, *step, *constants, *adjoint))
    for p in range(first, last):
        i = memory.spikes.neurons[p]
        store(adjoints_after, i, *load(scratch.spiking_adjoints, i))


@kernel()
def add_constants(
    layer: DenseLayer, memory: LayerMemory, scratch: Scratch, weights: Floats, sums: LayerSums,
    k: int,
) -> None:  # fmt: skip
    """Derivatives by the constants, by way of the event and, but for spiking neurons, the flow."""
    states, duration = memory.states[k], memory.durations[k]
    for i in range(layer.width):
        constants = find_constants(layer, i)
        before = load(states, i)
        if scratch.spiked[i]:
            adjoint = load(scratch.spiking_adjoints, i)
        else:
            after = jump(*before, weights[i], *constants)
            end_adjoint = load(memory.adjoints, i)
            add(sums, i, flow_constants_vjp(*after, duration, *constants, *end_adjoint))
            step = propagator(duration, *constants)
            adjoint = flow_vjp(*after, *step, *constants, *end_adjoint)
        if memory.event_rows[k] != NO_EVENT:
            add(sums, i, jump_constants_vjp(*before, weights[i], *constants, *adjoint))
