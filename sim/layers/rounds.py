"""Spikes of models with a reset that the flow does not pass through, segment by segment.

The neurons that spike in a segment go through it again, spike by spike: first the first spikes of
all, then the second ones, and so on. Each of these rounds is a few loops over its spikes, which
become vector instructions.
"""

from functools import lru_cache, partial
from types import SimpleNamespace
from typing import Any

from sim.layers.propagators import build_steps
from sim.layers.spike_flags import build_list
from spiketheory.machine.compile import CompiledModel


def build_forward_rounds(model: CompiledModel) -> SimpleNamespace:
    """The parts of the forward pass.

    Returns:
        ``run_block`` and ``finish_spikes``.
    """

    def finish_spikes(trial: Any, layer: Any, source: Any, count: int) -> None:
        """All is done."""

    return SimpleNamespace(
        run_block=build_run_block(model), finish_spikes=model.jit(finish_spikes, allocates=False)
    )


def build_run_block(model: CompiledModel) -> Any:
    """A few segments, one after the other."""
    forward_segment, follow_flagged = build_forward_segment(model), build_follow(model)
    _, read_step = build_steps(model)

    def run_block(trial: Any, layer: Any, source: Any, first: int, last: int, count: int) -> int:
        """Pass segments ``first`` to ``last - 1`` with all spikes in them.

        Returns the number of spikes; it is at least the room that there is for them if they need
        more.
        """
        states, mask, zeros, flags = layer.states, layer.mask, layer.zeros, layer.flags[0]
        for k in range(first, last):
            row = zeros if k == 0 else source.weights[source.rows[k - 1]]
            before, after = states[k & mask], states[(k + 1) & mask]
            step = read_step(layer.steps, k, zeros)
            forward_segment(before, after, row, step, trial.real_constants, flags)
            count = follow_flagged(trial, layer, source, before, after, row, k, count)
            if count > trial.max_spikes or count >= layer.spikes.times.shape[0]:
                return count
        return count

    return model.jit(run_block, allocates=False)


@lru_cache(maxsize=32)
def build_forward_segment(model: CompiledModel) -> Any:
    """The loop over neurons, without branches."""
    f = model.functions
    jump, flow, will_spike, load, store = f.jump, f.flow, f.will_spike, f.load, f.store

    def forward_segment(
        before: Any, after: Any, weights: Any, step: Any, constants: Any, flags: Any
    ) -> None:
        """Pass one event and the segment after it, as if no neuron spiked; flag those that do."""
        for i in range(weights.shape[0]):
            state = jump(*load(before, i), weights[i], *constants)
            flags[i] = will_spike(*state, *step, *constants)
            store(after, i, *flow(*state, *step, *constants))

    return model.jit(forward_segment, allocates=False, disjoint=True)


def build_follow(model: CompiledModel) -> Any:
    """What happens to the neurons that spike in a segment."""
    f, list_flagged, loops = model.functions, build_list(model), build_loops(model)
    find_spikes, leave_spikes = loops.find_spikes, loops.leave_spikes
    record_spikes, go_on = loops.record_spikes, loops.go_on
    jump, load, store = f.jump, f.load, f.store

    def follow_flagged(
        trial: Any, layer: Any, source: Any, before: Any, after: Any, weights: Any, segment: int,
        count: int,
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

    return model.jit(follow_flagged, allocates=False, inlines=True)


def build_loops(model: CompiledModel) -> SimpleNamespace:
    """The loops of a round over the neurons that spike in it."""
    f, jit = model.functions, partial(model.jit, allocates=False)
    flow, fire, propagator, load, store = f.flow, f.fire, f.propagator, f.load, f.store
    will_spike, time_to_spike = f.will_spike, f.time_to_spike

    @jit
    def find_spikes(n: int, round_: Any, end: float, constants: Any) -> None:
        """Waits, spike times and times left of the next spikes of n neurons."""
        begins, waits, times, remaining = (
            round_.begins, round_.waits, round_.times, round_.remaining,
        )  # fmt: skip
        for p in range(n):
            waits[p] = min(max(time_to_spike(*load(begins, p), *constants), 0.0), remaining[p])
        for p in range(n):
            remaining[p] -= waits[p]
            times[p] = min(times[p] + waits[p], end)

    @jit
    def leave_spikes(n: int, round_: Any, constants: Any) -> None:
        """States at the segment's end, and which neurons spike again before."""
        begins, waits, remaining = round_.begins, round_.waits, round_.remaining
        ends, again = round_.ends, round_.again
        for p in range(n):
            state = fire(*load(begins, p), *propagator(waits[p], *constants), *constants)
            step = propagator(remaining[p], *constants)
            again[p] = will_spike(*state, *step, *constants)
            store(ends, p, *flow(*state, *step, *constants))

    @jit
    def record_spikes(n: int, round_: Any, segment: int, spikes: Any, count: int) -> None:
        """Append the spikes to the buffers."""
        for p in range(n):
            spikes.times[count + p] = round_.times[p]
            spikes.neurons[count + p] = round_.chosen[1, p]
            spikes.segments[count + p] = segment
            spikes.waits[count + p] = round_.waits[p]
            spikes.remaining[count + p] = -1.0 if round_.again[p] else round_.remaining[p]
            store(spikes.starts, count + p, *load(round_.begins, p))

    @jit
    def go_on(n: int, round_: Any, constants: Any, after: Any) -> int:
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

    return SimpleNamespace(
        find_spikes=find_spikes, leave_spikes=leave_spikes, record_spikes=record_spikes, go_on=go_on
    )


def build_backward_rounds(model: CompiledModel) -> SimpleNamespace:
    """The parts of the backward pass.

    Returns:
        ``start_spikes``, ``rerun_block``, ``spikes_vjp``, ``backward_segment``, ``correct_spikes``
        and ``segment_vjp``.
    """

    def start_spikes(
        spikes: Any, count: int, by_spike: Any, constants: Any, spike_adjoints: Any
    ) -> None:
        """Nothing needs to be done for all spikes at once."""

    spikes_vjp, correct_spikes = build_spikes_vjp(model)
    return SimpleNamespace(
        start_spikes=model.jit(start_spikes, allocates=False),
        rerun_block=build_rerun_block(model),
        spikes_vjp=spikes_vjp,
        correct_spikes=correct_spikes,
        backward_segment=build_backward_segment(model),
        segment_vjp=build_segment_vjp(model),
    )


def build_rerun_block(model: CompiledModel) -> Any:
    """A few segments once more, for gradients."""
    f, forward_segment = model.functions, build_forward_segment(model)
    flow, fire, propagator, load, store = f.flow, f.fire, f.propagator, f.load, f.store
    _, read_step = build_steps(model)

    def rerun_block(
        trial: Any, layer: Any, source: Any, first: int, last: int, n_spikes: int
    ) -> None:
        """Compute the states after segments ``first`` to ``last - 1`` once more.

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
            whole = read_step(layer.steps, k, zeros)
            forward_segment(before, after, row, whole, trial.real_constants, flags)
            while p < n_spikes and spikes.segments[p] == k:
                if spikes.remaining[p] >= 0.0:
                    step = propagator(spikes.waits[p], *constants)
                    state = fire(*load(spikes.starts, p), *step, *constants)
                    step = propagator(spikes.remaining[p], *constants)
                    store(after, spikes.neurons[p], *flow(*state, *step, *constants))
                p += 1

    return model.jit(rerun_block, allocates=False)


def build_backward_segment(model: CompiledModel) -> Any:
    """The loop over neurons, without branches."""
    f = model.functions
    jump, jump_vjp, flow_vjp, load, store = f.jump, f.jump_vjp, f.flow_vjp, f.load, f.store
    n = len(model.coordinates)
    by_time = n + 1

    def backward_segment(
        states: Any, ends: Any, weights: Any, step: Any, constants: Any, adjoints: Any,
        weight_gradient: Any, time_gradients: Any,
    ) -> None:  # fmt: skip
        """Go back through one segment and the event before it, as if no neuron spiked."""
        for i in range(weights.shape[0]):
            before = load(states, i)
            after = jump(*before, weights[i], *constants)
            adjoint = flow_vjp(*after, *step, *constants, *load(adjoints, i))
            derivatives = jump_vjp(*before, weights[i], *constants, *adjoint)
            store(adjoints, i, *derivatives[:n])
            weight_gradient[i] += derivatives[n]
            time_gradients[i] = derivatives[by_time]

    return model.jit(backward_segment, allocates=False, disjoint=True)


def build_spikes_vjp(model: CompiledModel) -> tuple[Any, Any]:
    """What replaces `backward_segment` for the neurons that spike."""
    f = model.functions
    jit = partial(model.jit, allocates=False, inlines=True)
    jump_vjp, flow_vjp, fire, fire_vjp = f.jump_vjp, f.flow_vjp, f.fire, f.fire_vjp
    propagator, load, store = f.propagator, f.load, f.store
    n = len(model.coordinates)
    by_time = n + 1

    @jit
    def spikes_vjp(
        first: int, last: int, spikes: Any, by_spike: Any, constants: Any,
        adjoints: Any, spiking_adjoints: Any, weight_gradient: Any, saved_gradient: Any,
    ) -> None:  # fmt: skip
        """Carry the adjoints of the spiking neurons from a segment's end to its start."""
        for p in range(last - 1, first - 1, -1):
            i = spikes.neurons[p]
            start = load(spikes.starts, p)
            step = propagator(spikes.waits[p], *constants)
            if spikes.remaining[p] >= 0.0:
                saved_gradient[i] = weight_gradient[i]
                fired = fire(*start, *step, *constants)
                tail = propagator(spikes.remaining[p], *constants)
                store(spiking_adjoints, i, *flow_vjp(*fired, *tail, *constants, *load(adjoints, i)))
            adjoint = load(spiking_adjoints, i)
            store(spiking_adjoints, i, *fire_vjp(*start, *step, *constants, *adjoint, by_spike[p]))

    @jit
    def correct_spikes(
        first: int, last: int, spikes: Any, constants: Any, states: Any, weights: Any,
        adjoints: Any, spiking_adjoints: Any, spike_adjoints: Any, weight_gradient: Any,
        time_gradients: Any, saved_gradient: Any,
    ) -> None:  # fmt: skip
        """Replace what `backward_segment` wrote for the neurons that did spike."""
        for p in range(first, last):
            if spikes.remaining[p] >= 0.0:
                i = spikes.neurons[p]
                adjoint = load(spiking_adjoints, i)
                derivatives = jump_vjp(*load(states, i), weights[i], *constants, *adjoint)
                store(adjoints, i, *derivatives[:n])
                weight_gradient[i] = saved_gradient[i] + derivatives[n]
                time_gradients[i] = derivatives[by_time]

    return spikes_vjp, correct_spikes


def build_segment_vjp(model: CompiledModel) -> Any:
    """The adjoints between an event and the segment after it, for simultaneous events."""
    f = model.functions
    jump, flow_vjp, load, store = f.jump, f.flow_vjp, f.load, f.store

    def segment_vjp(
        states: Any, ends: Any, weights: Any, step: Any, constants: Any, adjoints: Any,
        first: int, last: int, spikes: Any, spiking_adjoints: Any, spike_adjoints: Any,
        adjoints_after: Any,
    ) -> None:  # fmt: skip
        """Write to ``adjoints_after`` the adjoints just after the event that starts a segment."""
        for i in range(weights.shape[0]):
            after = jump(*load(states, i), weights[i], *constants)
            store(adjoints_after, i, *flow_vjp(*after, *step, *constants, *load(adjoints, i)))
        for p in range(first, last):
            store(adjoints_after, spikes.neurons[p], *load(spiking_adjoints, spikes.neurons[p]))

    return model.jit(segment_vjp, allocates=False)
