"""Spikes of models whose flow passes through them: at infinity, where projective coordinates turn.

A neuron such as qif spikes where V becomes infinite and is reset to minus infinity. In homogeneous
coordinates, V = x/y up to constants, that is the place where y changes its sign, and (x, y) and
(-x, -y) are the same V: the flow carries the state through the spike as through any other point.
So nothing is reset. States are kept with y >= 0 by turning them over; the loops over neurons need
no exception for the neurons that spike, and the spikes of a layer are computed together afterwards,
from the states before them. Gradients likewise: adjoints turn over with the states, and a spike
adds what the loss owes to its time. Whether a state was turned over is seen, on the way back, from
the state that the forward pass left, not from a sign of y that rounding might decide otherwise.

A neuron that might spike twice in a segment is followed from spike to spike at once (see
`follow_several`), so that the number of its spikes agrees with the sign of y.
"""

from sim.kernels.types import Flags, Floats, Numbers
from sim.layers.buffers import LayerBuffers, Source, Spikes, Trial
from sim.layers.spike_flags import list_flagged
from spiketheory.generation.interface import (
    FIRST_SCALED,
    LAST_SCALED,
    N_COORDINATES,
    SIGN_PREDICTS,
    ZEROS,
    fire,
    fire_vjp,
    flow,
    flow_vjp,
    jump,
    jump_vjp,
    load,
    load_propagator,
    propagator,
    reset,
    store,
    time_to_spike,
    turn,
    will_spike,
)
from spiketheory.machine.link import kernel


@kernel()
def is_turned(end: Numbers, state: Numbers) -> bool:
    """Whether a state is a negative multiple of ``end``, which the flow leads to."""
    return end[FIRST_SCALED] * state[FIRST_SCALED] + end[LAST_SCALED] * state[LAST_SCALED] < 0


@kernel()
def run_block(
    trial: Trial, layer: LayerBuffers, source: Source, first: int, last: int, count: int
) -> int:
    """Pass segments ``first`` to ``last - 1``; note who spikes, and the states before.

    Returns the number of spikes; it is at least the room that there is for them if they need
    more.
    """
    spikes = layer.spikes
    pass_block(trial, layer, source, first, last)
    begun = count
    count = list_flagged(
        layer.words, last - first, layer.width, layer.found, spikes.segments, spikes.neurons, count
    )
    if count >= spikes.times.shape[0]:
        return count
    return note_spikes(trial, layer, source, first, last, begun, count)


@kernel()
def pass_block(trial: Trial, layer: LayerBuffers, source: Source, first: int, last: int) -> None:
    """Pass segments ``first`` to ``last - 1``, and flag who spikes in them."""
    states, mask, steps, flags = layer.states, layer.mask, layer.steps, layer.flags
    rows, weights, zeros = source.rows, source.weights, layer.zeros
    for k in range(first, last):
        forward_segment(
            states[k & mask], states[(k + 1) & mask],
            zeros if k == 0 else weights[rows[k - 1]],
            load_propagator(steps, k, zeros), trial.real_constants, flags[k - first],
        )  # fmt: skip


@kernel(disjoint=True)
def forward_segment(
    before: Floats, after: Floats, weights: Floats, step: Numbers, constants: Numbers, flags: Flags
) -> None:
    """Pass one event and the segment after it; flag the neurons that spike."""
    for i in range(weights.shape[0]):
        state = jump(*load(before, i), weights[i], *constants)
        end = flow(*state, *step, *constants)
        if SIGN_PREDICTS:
            flags[i] = will_spike(*state, *step, *constants)
        else:  # one of the two may say so alone, by rounding: `note_one` looks closer
            flags[i] = will_spike(*state, *step, *constants) or end[LAST_SCALED] < 0
        store(after, i, *turn(*end, end[LAST_SCALED] < 0))


@kernel(inlines=True)
def note_spikes(
    trial: Trial, layer: LayerBuffers, source: Source, first: int, last: int, begun: int,
    count: int,
) -> int:  # fmt: skip
    """Note the spikes that are listed; those ``begun`` to ``count - 1`` are of these segments.

    Returns the number of all spikes.
    """
    spikes, again = layer.spikes, False
    for p in range(begun, count):
        again |= note_one(trial, layer, source, first + spikes.segments[p], spikes.neurons[p], p)
    if again:
        return note_slowly(trial, layer, source, first, last, begun)
    return count


@kernel(inlines=True)
def note_one(trial: Trial, layer: LayerBuffers, source: Source, k: int, i: int, p: int) -> bool:
    """Note as spike p that neuron i spikes in segment k; whether it may do so again."""
    spikes, times, constants = layer.spikes, source.times, trial.constants
    state = load(layer.states[k & layer.mask], i)
    start = 0.0
    if k > 0:
        start = times[k - 1]
        state = jump(*state, source.weights[source.rows[k - 1], i], *constants)
    end = times[k] if k < source.n_events else trial.duration
    store(spikes.starts, p, *state)
    spikes.neurons[p], spikes.segments[p] = i, k
    spikes.times[p], spikes.waits[p], spikes.remaining[p] = start, end - start, 0.0
    step = load_propagator(layer.steps, k, times)
    again: bool = will_spike(*reset(*state, *constants), *step, *constants)
    if SIGN_PREDICTS:
        return again
    return again or not find_parity(layer, state, step, constants, k, i)


@kernel()
def find_parity(
    layer: LayerBuffers, state: Numbers, step: Numbers, constants: Numbers, k: int, i: int
) -> bool:
    """Whether neuron i spikes an odd number of times in segment k: its state was turned over."""
    return is_turned(flow(*state, *step, *constants), load(layer.states[(k + 1) & layer.mask], i))


@kernel()
def note_slowly(
    trial: Trial, layer: LayerBuffers, source: Source, first: int, last: int, count: int
) -> int:
    """Note the flagged spikes, each with those that may follow it in its segment."""
    spikes, flags = layer.spikes, layer.flags
    limit = min(trial.max_spikes + 1, spikes.times.shape[0])
    for k in range(first, last):
        for i in range(layer.width):
            if flags[k - first, i]:
                if count >= limit:
                    return limit
                again = note_one(trial, layer, source, k, i, count)
                count += 1
                if again:
                    step = load_propagator(layer.steps, k, spikes.times)
                    state = load(spikes.starts, count - 1)
                    odd = find_parity(layer, state, step, trial.constants, k, i)
                    count = follow_several(state, trial.constants, spikes, count, limit, odd)
    return count


@kernel()
def follow_several(
    state: Numbers, constants: Numbers, spikes: Spikes, count: int, limit: int, odd: bool
) -> int:
    """Note the further spikes of the neuron whose first one was noted last.

    Where rounding decides whether a spike falls just before or just after the segment's end,
    it falls where the sign of y says, so that no spike is lost or counted twice; ``odd`` says
    whether that sign has changed.
    """
    first = count - 1
    now, left = spikes.times[first], spikes.waits[first]
    going = True
    while going and count < limit:
        wait = min(max(time_to_spike(*state, *constants), 0.0), left)
        now += wait
        left -= wait
        state = fire(*state, *propagator(wait, *constants), *constants)
        going = will_spike(*state, *propagator(left, *constants), *constants)
        if not going and ((count - first) % 2 == 1) != odd:
            late = time_to_spike(*state, *constants) - left
            if left < late:
                return count - 1
            going = True
        if going:
            store(spikes.starts, count, *state)
            spikes.neurons[count] = spikes.neurons[first]
            spikes.segments[count] = spikes.segments[first]
            spikes.times[count] = now
            spikes.waits[count] = left
            spikes.remaining[count] = -1.0
            count += 1
    return count


@kernel()
def finish_spikes(trial: Trial, layer: LayerBuffers, source: Source, count: int) -> None:
    """Compute waits and times of all spikes of a layer at once.

    Until then ``waits`` holds the time left, and ``times`` the time that it begins at.
    """
    spikes, constants = layer.spikes, trial.constants
    starts, waits, times, segments = spikes.starts, spikes.waits, spikes.times, spikes.segments
    for p in range(count):
        wait = min(max(time_to_spike(*load(starts, p), *constants), 0.0), waits[p])
        waits[p] = wait
    for p in range(count):
        segment = segments[p]
        end = source.times[segment] if segment < source.n_events else trial.duration
        times[p] = min(times[p] + waits[p], end)


@kernel()
def start_spikes(trial: Trial, layer: LayerBuffers, count: int) -> None:
    """Write derivatives by the states at the starts of the spikes' intervals."""
    spikes, by_spike, constants = layer.spikes, layer.by_spike, trial.constants
    starts, waits, spike_adjoints = spikes.starts, spikes.waits, layer.spike_adjoints
    for p in range(count):
        step = propagator(waits[p], *constants)
        derivatives = fire_vjp(*load(starts, p), *step, *constants, *ZEROS, by_spike[p])
        store(spike_adjoints, p, *derivatives)
    for p in range(count - 1, 0, -1):
        if spikes.remaining[p] < 0.0:
            step = propagator(waits[p - 1], *constants)
            derivatives = fire_vjp(
                *load(starts, p - 1), *step, *constants, *load(spike_adjoints, p), by_spike[p - 1]
            )
            store(spike_adjoints, p - 1, *derivatives)


@kernel(inlines=True)
def undo_segment(
    trial: Trial, layer: LayerBuffers, source: Source, k: int, first: int, last: int,
    gradient: Floats, ends_ties: bool,
) -> None:  # fmt: skip
    """Go back through segment k and the event before it.

    Args:
        trial: The trial.
        layer: The layer's buffers.
        source: The layer's input.
        k: The segment.
        first: Its first spike.
        last: The one after its last spike.
        gradient: Derivatives by the weights of the event, which are added to.
        ends_ties: Whether the event is the last of some simultaneous ones.
    """
    before, after = layer.states[k & layer.mask], layer.states[(k + 1) & layer.mask]
    row = source.weights[source.rows[k - 1]] if k > 0 else layer.zeros
    step = load_propagator(layer.steps, k, layer.zeros)
    if ends_ties:
        segment_vjp(trial, layer, first, last, before, after, row, step)
    backward_segment(
        before, after, row, step, trial.real_constants, layer.adjoints, gradient,
        layer.time_gradients,
    )  # fmt: skip
    correct_spikes(trial, layer, first, last, before, row, gradient)


@kernel(disjoint=True)
def backward_segment(
    states: Floats, ends: Floats, weights: Floats, step: Numbers, constants: Numbers,
    adjoints: Floats, weight_gradient: Floats, time_gradients: Floats,
) -> None:  # fmt: skip
    """Go back through one segment and the event before it, as if spikes had no times."""
    for i in range(weights.shape[0]):
        before = load(states, i)
        after = jump(*before, weights[i], *constants)
        over = is_turned(flow(*after, *step, *constants), load(ends, i))
        adjoint = flow_vjp(*after, *step, *constants, *turn(*load(adjoints, i), over))
        derivatives = jump_vjp(*before, weights[i], *constants, *adjoint)
        store(adjoints, i, *derivatives[:N_COORDINATES])
        weight_gradient[i] += derivatives[N_COORDINATES]
        time_gradients[i] = derivatives[-1]


@kernel(inlines=True)
def correct_spikes(
    trial: Trial, layer: LayerBuffers, first: int, last: int, states: Floats, weights: Floats,
    weight_gradient: Floats,
) -> None:  # fmt: skip
    """Add what the times of the spikes of a segment contribute."""
    spikes, adjoints, constants = layer.spikes, layer.adjoints, trial.constants
    for p in range(first, last):
        if spikes.remaining[p] >= 0.0:
            i = spikes.neurons[p]
            adjoint = load(layer.spike_adjoints, p)
            derivatives = jump_vjp(*load(states, i), weights[i], *constants, *adjoint)
            for c in range(N_COORDINATES):
                adjoints[c, i] += derivatives[c]
            weight_gradient[i] += derivatives[N_COORDINATES]
            layer.time_gradients[i] += derivatives[-1]


@kernel()
def segment_vjp(
    trial: Trial, layer: LayerBuffers, first: int, last: int, states: Floats, ends: Floats,
    weights: Floats, step: Numbers,
) -> None:  # fmt: skip
    """Write to ``adjoints_after`` the adjoints just after the event that starts a segment.

    They are needed for simultaneous events.
    """
    spikes, constants = layer.spikes, trial.real_constants
    adjoints_after, spike_adjoints = layer.adjoints_after, layer.spike_adjoints
    for i in range(weights.shape[0]):
        after = jump(*load(states, i), weights[i], *constants)
        over = is_turned(flow(*after, *step, *constants), load(ends, i))
        adjoint = turn(*load(layer.adjoints, i), over)
        store(adjoints_after, i, *flow_vjp(*after, *step, *constants, *adjoint))
    for p in range(first, last):
        if spikes.remaining[p] >= 0.0:
            for c in range(N_COORDINATES):
                adjoints_after[c, spikes.neurons[p]] += spike_adjoints[c, p]
