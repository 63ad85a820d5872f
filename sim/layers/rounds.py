"""Spikes of models with a reset that the flow does not pass through, segment by segment.

The neurons that spike in a segment go through it again, spike by spike: first the first spikes of
all, then the second ones, and so on. Each of these rounds is a few loops over its spikes, which
become vector instructions.
"""

from sim.kernels.types import Flags, Floats, Numbers
from sim.layers.buffers import LayerBuffers, Round, Source, Spikes, Trial
from sim.layers.spike_flags import list_flagged
from spiketheory.generation.interface import (
    N_COORDINATES,
    fire,
    fire_vjp,
    flow,
    flow_vjp,
    jump,
    jump_vjp,
    load,
    load_propagator,
    propagator,
    store,
    time_to_spike,
    will_spike,
)
from spiketheory.machine.link import kernel


@kernel()
def run_block(
    trial: Trial, layer: LayerBuffers, source: Source, first: int, last: int, count: int
) -> int:
    """Pass segments ``first`` to ``last - 1`` with all spikes in them.

    Returns the number of spikes; it is at least the room that there is for them if they need
    more.
    """
    states, mask, zeros, flags = layer.states, layer.mask, layer.zeros, layer.flags[0]
    for k in range(first, last):
        row = zeros if k == 0 else source.weights[source.rows[k - 1]]
        before, after = states[k & mask], states[(k + 1) & mask]
        step = load_propagator(layer.steps, k, zeros)
        forward_segment(before, after, row, step, trial.real_constants, flags)
        count = follow_flagged(trial, layer, source, before, after, row, k, count)
        if count > trial.max_spikes or count >= layer.spikes.times.shape[0]:
            return count
    return count


@kernel(disjoint=True)
def forward_segment(
    before: Floats, after: Floats, weights: Floats, step: Numbers, constants: Numbers, flags: Flags
) -> None:
    """Pass one event and the segment after it, as if no neuron spiked; flag those that do."""
    for i in range(weights.shape[0]):
        state = jump(*load(before, i), weights[i], *constants)
        flags[i] = will_spike(*state, *step, *constants)
        store(after, i, *flow(*state, *step, *constants))


@kernel(inlines=True)
def follow_flagged(
    trial: Trial, layer: LayerBuffers, source: Source, before: Floats, after: Floats,
    weights: Floats, segment: int, count: int,
) -> int:  # fmt: skip
    """Go through a segment again for the neurons that spike in it.

    First the first spikes of all, then the second ones, and so on. Returns the number of
    spikes; it is at least the room that there is for them if they need more.
    """
    times, constants, spikes = source.times, trial.constants, layer.spikes
    start = 0.0 if segment == 0 else times[segment - 1]
    end = times[segment] if segment < source.n_events else trial.duration
    round_ = layer.round
    chosen = round_.chosen
    n = list_flagged(layer.words, 1, layer.width, layer.found, chosen[0], chosen[1], 0)
    for p in range(n):
        i = chosen[1, p]
        store(round_.begins, p, *jump(*load(before, i), weights[i], *constants))
        round_.times[p] = start
        round_.remaining[p] = end - start
    limit = min(trial.max_spikes + 1, spikes.times.shape[0])
    while n > 0 and count + n < limit:
        find_spikes(n, round_, end, constants)
        leave_spikes(n, round_, constants)
        record_spikes(n, round_, segment, spikes, count)
        count += n
        n = go_on(n, round_, constants, after)
    return count + n


@kernel()
def find_spikes(n: int, round_: Round, end: float, constants: Numbers) -> None:
    """Waits, spike times and times left of the next spikes of n neurons."""
    begins, waits, times, remaining = (
        round_.begins, round_.waits, round_.times, round_.remaining,
    )  # fmt: skip
    for p in range(n):
        waits[p] = min(max(time_to_spike(*load(begins, p), *constants), 0.0), remaining[p])
    for p in range(n):
        remaining[p] -= waits[p]
        times[p] = min(times[p] + waits[p], end)


@kernel()
def leave_spikes(n: int, round_: Round, constants: Numbers) -> None:
    """States at the segment's end, and which neurons spike again before."""
    begins, waits, remaining = round_.begins, round_.waits, round_.remaining
    ends, again = round_.ends, round_.again
    for p in range(n):
        state = fire(*load(begins, p), *propagator(waits[p], *constants), *constants)
        step = propagator(remaining[p], *constants)
        again[p] = will_spike(*state, *step, *constants)
        store(ends, p, *flow(*state, *step, *constants))


@kernel()
def record_spikes(n: int, round_: Round, segment: int, spikes: Spikes, count: int) -> None:
    """Append the spikes to the buffers."""
    for p in range(n):
        spikes.times[count + p] = round_.times[p]
        spikes.neurons[count + p] = round_.chosen[1, p]
        spikes.segments[count + p] = segment
        spikes.waits[count + p] = round_.waits[p]
        spikes.remaining[count + p] = -1.0 if round_.again[p] else round_.remaining[p]
        store(spikes.starts, count + p, *load(round_.begins, p))


@kernel()
def go_on(n: int, round_: Round, constants: Numbers, after: Floats) -> int:
    """Store states at the segment's end; keep the neurons that spike again, and count them."""
    begins, kept = round_.begins, 0
    for p in range(n):
        i = round_.chosen[1, p]
        if round_.again[p]:
            step = propagator(round_.waits[p], *constants)
            store(begins, kept, *fire(*load(begins, p), *step, *constants))
            round_.chosen[1, kept] = i
            round_.times[kept] = round_.times[p]
            round_.remaining[kept] = round_.remaining[p]
            kept += 1
        else:
            store(after, i, *load(round_.ends, p))
    return kept


@kernel()
def rerun_block(
    trial: Trial, layer: LayerBuffers, source: Source, first: int, last: int, n_spikes: int
) -> None:
    """Compute the states after segments ``first`` to ``last - 1`` once more, for gradients.

    Of those that spiked there, from their last spikes, which are among the first ``n_spikes``.
    """
    states, mask, zeros, flags = layer.states, layer.mask, layer.zeros, layer.flags[0]
    spikes, constants = layer.spikes, trial.constants
    p = n_spikes
    while p > 0 and spikes.segments[p - 1] >= first:
        p -= 1
    for k in range(first, last):
        row = zeros if k == 0 else source.weights[source.rows[k - 1]]
        before, after = states[k & mask], states[(k + 1) & mask]
        whole = load_propagator(layer.steps, k, zeros)
        forward_segment(before, after, row, whole, trial.real_constants, flags)
        while p < n_spikes and spikes.segments[p] == k:
            if spikes.remaining[p] >= 0.0:
                step = propagator(spikes.waits[p], *constants)
                state = fire(*load(spikes.starts, p), *step, *constants)
                step = propagator(spikes.remaining[p], *constants)
                store(after, spikes.neurons[p], *flow(*state, *step, *constants))
            p += 1


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
    before = layer.states[k & layer.mask]
    row = source.weights[source.rows[k - 1]] if k > 0 else layer.zeros
    step = load_propagator(layer.steps, k, layer.zeros)
    spikes_vjp(trial, layer, first, last, gradient)
    if ends_ties:
        segment_vjp(trial, layer, first, last, before, row, step)
    backward_segment(
        before, row, step, trial.real_constants, layer.adjoints, gradient, layer.time_gradients
    )
    correct_spikes(trial, layer, first, last, before, row, gradient)


@kernel(disjoint=True)
def backward_segment(
    states: Floats, weights: Floats, step: Numbers, constants: Numbers, adjoints: Floats,
    weight_gradient: Floats, time_gradients: Floats,
) -> None:  # fmt: skip
    """Go back through one segment and the event before it, as if no neuron spiked."""
    for i in range(weights.shape[0]):
        before = load(states, i)
        after = jump(*before, weights[i], *constants)
        adjoint = flow_vjp(*after, *step, *constants, *load(adjoints, i))
        derivatives = jump_vjp(*before, weights[i], *constants, *adjoint)
        store(adjoints, i, *derivatives[:N_COORDINATES])
        weight_gradient[i] += derivatives[N_COORDINATES]
        time_gradients[i] = derivatives[-1]


@kernel(inlines=True)
def spikes_vjp(
    trial: Trial, layer: LayerBuffers, first: int, last: int, weight_gradient: Floats
) -> None:
    """Carry the adjoints of the spiking neurons from a segment's end to its start."""
    spikes, by_spike, constants = layer.spikes, layer.by_spike, trial.constants
    spiking_adjoints = layer.spiking_adjoints
    for p in range(last - 1, first - 1, -1):
        i = spikes.neurons[p]
        start = load(spikes.starts, p)
        step = propagator(spikes.waits[p], *constants)
        if spikes.remaining[p] >= 0.0:
            layer.saved_gradient[i] = weight_gradient[i]
            fired = fire(*start, *step, *constants)
            tail = propagator(spikes.remaining[p], *constants)
            adjoint = load(layer.adjoints, i)
            store(spiking_adjoints, i, *flow_vjp(*fired, *tail, *constants, *adjoint))
        adjoint = load(spiking_adjoints, i)
        store(spiking_adjoints, i, *fire_vjp(*start, *step, *constants, *adjoint, by_spike[p]))


@kernel(inlines=True)
def correct_spikes(
    trial: Trial, layer: LayerBuffers, first: int, last: int, states: Floats, weights: Floats,
    weight_gradient: Floats,
) -> None:  # fmt: skip
    """Replace what `backward_segment` wrote for the neurons that did spike."""
    spikes, constants = layer.spikes, trial.constants
    for p in range(first, last):
        if spikes.remaining[p] >= 0.0:
            i = spikes.neurons[p]
            adjoint = load(layer.spiking_adjoints, i)
            derivatives = jump_vjp(*load(states, i), weights[i], *constants, *adjoint)
            store(layer.adjoints, i, *derivatives[:N_COORDINATES])
            weight_gradient[i] = layer.saved_gradient[i] + derivatives[N_COORDINATES]
            layer.time_gradients[i] = derivatives[-1]


@kernel()
def segment_vjp(
    trial: Trial, layer: LayerBuffers, first: int, last: int, states: Floats, weights: Floats,
    step: Numbers,
) -> None:  # fmt: skip
    """Write to ``adjoints_after`` the adjoints just after the event that starts a segment.

    They are needed for simultaneous events.
    """
    constants, adjoints_after = trial.real_constants, layer.adjoints_after
    for i in range(weights.shape[0]):
        after = jump(*load(states, i), weights[i], *constants)
        adjoint = load(layer.adjoints, i)
        store(adjoints_after, i, *flow_vjp(*after, *step, *constants, *adjoint))
    for p in range(first, last):
        i = layer.spikes.neurons[p]
        store(adjoints_after, i, *load(layer.spiking_adjoints, i))
