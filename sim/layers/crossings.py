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

from functools import lru_cache, partial
from types import SimpleNamespace
from typing import Any

from sim.layers.propagators import build_steps
from sim.layers.spike_flags import build_list
from spiketheory.machine.compile import CompiledModel


def build_turn(model: CompiledModel) -> Any:
    """The function that turns over projective coordinates, if ``over``; others stay."""
    jit = partial(model.jit, allocates=False)

    @jit
    def turn_none(state: Any, over: bool) -> Any:
        return ()

    def extend(turn_rest: Any, place: int) -> Any:
        @jit
        def turn(state: Any, over: bool) -> Any:
            value = -state[place] if over else state[place]
            return (*turn_rest(state, over), value)

        @jit
        def keep(state: Any, over: bool) -> Any:
            return (*turn_rest(state, over), state[place])

        return turn if place in model.projective else keep

    turn = turn_none
    for place in range(len(model.coordinates)):
        turn = extend(turn, place)
    return turn


def build_is_turned(model: CompiledModel) -> Any:
    """The function that says whether a state is a negative multiple of what the flow leads to."""
    first, second = model.projective

    def is_turned(end: Any, state: Any) -> bool:
        """Whether the two point in opposite directions."""
        return end[first] * state[first] + end[second] * state[second] < 0

    return model.jit(is_turned, allocates=False)


def build_forward_crossings(model: CompiledModel) -> SimpleNamespace:
    """The parts of the forward pass.

    Returns:
        ``run_block`` and ``finish_spikes``.
    """
    return SimpleNamespace(run_block=build_run_block(model), finish_spikes=build_finish(model))


@lru_cache(maxsize=32)
def build_pass_block(model: CompiledModel) -> Any:
    """A few segments, one after the other."""
    forward_segment = build_forward_segment(model)
    _, read_step = build_steps(model)

    def pass_block(trial: Any, layer: Any, source: Any, first: int, last: int) -> None:
        """Pass segments ``first`` to ``last - 1``, and flag who spikes in them."""
        states, mask, steps, flags = layer.states, layer.mask, layer.steps, layer.flags
        rows, weights, zeros = source.rows, source.weights, layer.zeros
        for k in range(first, last):
            forward_segment(
                states[k & mask], states[(k + 1) & mask],
                zeros if k == 0 else weights[rows[k - 1]],
                read_step(steps, k, zeros), trial.real_constants, flags[k - first],
            )  # fmt: skip

    return model.jit(pass_block, allocates=False)


def build_run_block(model: CompiledModel) -> Any:
    """A few segments, one after the other; then the neurons that spiked in them."""
    pass_block = build_pass_block(model)
    note_spikes, list_flagged = build_note(model), build_list(model)

    def run_block(trial: Any, layer: Any, source: Any, first: int, last: int, count: int) -> int:
        """Pass segments ``first`` to ``last - 1``; note who spikes, and the states before.

        Returns the number of spikes; it is at least the room that there is for them if they need
        more.
        """
        spikes = layer.spikes
        pass_block(trial, layer, source, first, last)
        begun = count
        count = list_flagged(
            layer.words, last - first, layer.width, layer.found,
            spikes.segments, spikes.neurons, count,
        )  # fmt: skip
        if count >= spikes.times.shape[0]:
            return count
        return note_spikes(trial, layer, source, first, last, begun, count)

    return model.jit(run_block, allocates=False)


def build_forward_segment(model: CompiledModel) -> Any:
    """The loop over neurons, without branches."""
    f, turn = model.functions, build_turn(model)
    jump, flow, will_spike, load, store = f.jump, f.flow, f.will_spike, f.load, f.store
    last = model.projective[-1]

    def forward_segment(
        before: Any, after: Any, weights: Any, step: Any, constants: Any, flags: Any
    ) -> None:
        """Pass one event and the segment after it; flag the neurons that spike."""
        for i in range(weights.shape[0]):
            state = jump(*load(before, i), weights[i], *constants)
            flags[i] = will_spike(*state, *step, *constants)
            end = flow(*state, *step, *constants)
            store(after, i, *turn(end, end[last] < 0))

    return model.jit(forward_segment, allocates=False, disjoint=True)


def build_note(model: CompiledModel) -> Any:
    """What is noted of the spikes of a few segments."""
    f = model.functions
    jit = partial(model.jit, allocates=False, inlines=True)
    jump, reset, will_spike, load, store = f.jump, f.reset, f.will_spike, f.load, f.store
    _, read_step = build_steps(model)
    follow_several = build_several(model)

    @jit
    def note_one(trial: Any, layer: Any, source: Any, k: int, i: int, p: int) -> bool:
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
        step = read_step(layer.steps, k, times)
        again: bool = will_spike(*reset(*state, *constants), *step, *constants)
        return again

    @partial(model.jit, allocates=False)
    def note_slowly(trial: Any, layer: Any, source: Any, first: int, last: int, count: int) -> int:
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
                        step = read_step(layer.steps, k, spikes.times)
                        state = load(spikes.starts, count - 1)
                        count = follow_several(state, step, trial.constants, spikes, count, limit)
        return count

    @jit
    def note_spikes(
        trial: Any, layer: Any, source: Any, first: int, last: int, begun: int, count: int
    ) -> int:
        """Note the spikes that are listed; those ``begun`` to ``count - 1`` are of these segments.

        Returns the number of all spikes.
        """
        spikes, again = layer.spikes, False
        for p in range(begun, count):
            again |= note_one(
                trial, layer, source, first + spikes.segments[p], spikes.neurons[p], p
            )
        if again:
            return note_slowly(trial, layer, source, first, last, begun)
        return count

    return note_spikes


def build_finish(model: CompiledModel) -> Any:
    """What is computed of all spikes of a layer at once."""
    time_to_spike, load = model.functions.time_to_spike, model.functions.load

    def finish_spikes(trial: Any, layer: Any, source: Any, count: int) -> None:
        """Compute waits and times of all spikes.

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

    return model.jit(finish_spikes, allocates=False)


def build_several(model: CompiledModel) -> Any:
    """What happens to a neuron that may spike several times in a segment."""
    f = model.functions
    flow, fire, propagator, store = f.flow, f.fire, f.propagator, f.store
    will_spike, time_to_spike = f.will_spike, f.time_to_spike
    last = model.projective[-1]

    def follow_several(
        state: Any, step: Any, constants: Any, spikes: Any, count: int, limit: int
    ) -> int:
        """Note the further spikes of the neuron whose first one was noted last.

        Where rounding decides whether a spike falls just before or just after the segment's end,
        it falls where the sign of y says, so that no spike is lost or counted twice.
        """
        first = count - 1
        now, left = spikes.times[first], spikes.waits[first]
        odd = flow(*state, *step, *constants)[last] < 0
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

    return model.jit(follow_several, allocates=False)


def build_backward_crossings(model: CompiledModel) -> SimpleNamespace:
    """The parts of the backward pass.

    Returns:
        ``start_spikes``, ``rerun_block``, ``spikes_vjp``, ``backward_segment``, ``correct_spikes``
        and ``segment_vjp``.
    """
    pass_block = build_pass_block(model)

    def rerun_block(
        trial: Any, layer: Any, source: Any, first: int, last: int, n_spikes: int
    ) -> None:
        """Compute the states after segments ``first`` to ``last - 1`` once more."""
        pass_block(trial, layer, source, first, last)

    start_spikes, spikes_vjp, correct_spikes = build_spikes_vjp(model)
    return SimpleNamespace(
        start_spikes=start_spikes,
        rerun_block=model.jit(rerun_block, allocates=False),
        spikes_vjp=spikes_vjp,
        correct_spikes=correct_spikes,
        backward_segment=build_backward_segment(model),
        segment_vjp=build_segment_vjp(model),
    )


def build_backward_segment(model: CompiledModel) -> Any:
    """The loop over neurons, without branches."""
    f, turn, is_turned = model.functions, build_turn(model), build_is_turned(model)
    jump, jump_vjp, flow, flow_vjp = f.jump, f.jump_vjp, f.flow, f.flow_vjp
    load, store = f.load, f.store
    n = len(model.coordinates)
    by_time = n + 1

    def backward_segment(
        states: Any, ends: Any, weights: Any, step: Any, constants: Any, adjoints: Any,
        weight_gradient: Any, time_gradients: Any,
    ) -> None:  # fmt: skip
        """Go back through one segment and the event before it, as if spikes had no times."""
        for i in range(weights.shape[0]):
            before = load(states, i)
            after = jump(*before, weights[i], *constants)
            over = is_turned(flow(*after, *step, *constants), load(ends, i))
            adjoint = flow_vjp(*after, *step, *constants, *turn(load(adjoints, i), over))
            derivatives = jump_vjp(*before, weights[i], *constants, *adjoint)
            store(adjoints, i, *derivatives[:n])
            weight_gradient[i] += derivatives[n]
            time_gradients[i] = derivatives[by_time]

    return model.jit(backward_segment, allocates=False, disjoint=True)


def build_spikes_vjp(model: CompiledModel) -> tuple[Any, Any, Any]:
    """What the loss owes to the times of spikes."""
    f = model.functions
    jit = partial(model.jit, allocates=False)
    jump_vjp, fire_vjp, propagator, load, store = (
        f.jump_vjp, f.fire_vjp, f.propagator, f.load, f.store,
    )  # fmt: skip
    n = len(model.coordinates)
    nothing = (0.0,) * n
    by_time = n + 1

    @jit
    def start_spikes(
        spikes: Any, count: int, by_spike: Any, constants: Any, spike_adjoints: Any
    ) -> None:
        """Write derivatives by the states at the starts of the spikes' intervals."""
        starts, waits = spikes.starts, spikes.waits
        for p in range(count):
            step = propagator(waits[p], *constants)
            derivatives = fire_vjp(*load(starts, p), *step, *constants, *nothing, by_spike[p])
            store(spike_adjoints, p, *derivatives)
        for p in range(count - 1, 0, -1):
            if spikes.remaining[p] < 0.0:
                step = propagator(waits[p - 1], *constants)
                derivatives = fire_vjp(
                    *load(starts, p - 1), *step, *constants, *load(spike_adjoints, p),
                    by_spike[p - 1],
                )  # fmt: skip
                store(spike_adjoints, p - 1, *derivatives)

    @partial(jit, inlines=True)
    def spikes_vjp(
        first: int, last: int, spikes: Any, by_spike: Any, constants: Any, adjoints: Any,
        spiking_adjoints: Any, weight_gradient: Any, saved_gradient: Any,
    ) -> None:  # fmt: skip
        """Nothing needs to be done before `backward_segment`."""

    @partial(jit, inlines=True)
    def correct_spikes(
        first: int, last: int, spikes: Any, constants: Any, states: Any, weights: Any,
        adjoints: Any, spiking_adjoints: Any, spike_adjoints: Any, weight_gradient: Any,
        time_gradients: Any, saved_gradient: Any,
    ) -> None:  # fmt: skip
        """Add what the times of the spikes of a segment contribute."""
        for p in range(first, last):
            if spikes.remaining[p] >= 0.0:
                i = spikes.neurons[p]
                adjoint = load(spike_adjoints, p)
                derivatives = jump_vjp(*load(states, i), weights[i], *constants, *adjoint)
                for c in range(n):
                    adjoints[c, i] += derivatives[c]
                weight_gradient[i] += derivatives[n]
                time_gradients[i] += derivatives[by_time]

    return start_spikes, spikes_vjp, correct_spikes


def build_segment_vjp(model: CompiledModel) -> Any:
    """The adjoints between an event and the segment after it, for simultaneous events."""
    f, turn, is_turned = model.functions, build_turn(model), build_is_turned(model)
    jump, flow, flow_vjp, load, store = f.jump, f.flow, f.flow_vjp, f.load, f.store
    n = len(model.coordinates)

    def segment_vjp(
        states: Any, ends: Any, weights: Any, step: Any, constants: Any, adjoints: Any, first: int,
        last: int, spikes: Any, spiking_adjoints: Any, spike_adjoints: Any, adjoints_after: Any,
    ) -> None:  # fmt: skip
        """Write to ``adjoints_after`` the adjoints just after the event that starts a segment."""
        for i in range(weights.shape[0]):
            after = jump(*load(states, i), weights[i], *constants)
            over = is_turned(flow(*after, *step, *constants), load(ends, i))
            adjoint = turn(load(adjoints, i), over)
            store(adjoints_after, i, *flow_vjp(*after, *step, *constants, *adjoint))
        for p in range(first, last):
            if spikes.remaining[p] >= 0.0:
                for c in range(n):
                    adjoints_after[c, spikes.neurons[p]] += spike_adjoints[c, p]

    return model.jit(segment_vjp, allocates=False)
