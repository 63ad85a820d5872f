"""Backward passes: exact derivatives of a loss through one layer's events.

With s- and s+ the states before and after an event, Phi the flow and l the covector (derivatives
of the loss by the state), going backwards in time (docs/mathematics.md, 3):

- a segment without spikes: l <- DPhi^T l;
- an input of weight w at time t: dL/dw = l . dJ/dw, dL/dt = l . (DJ F(s-) - F(s+)), l <- DJ^T l;
- an own spike at time t*: l <- Xi^T l + dL/dt* . dt*/ds with the saltation matrix Xi.

States before events are read from the forward pass, never recomputed backwards, so that
contracting flows lose nothing. Precisions are those of the forward pass (see `sim.engine`).
"""

from functools import partial
from types import SimpleNamespace
from typing import Any

from sim.engine import EVENTS_PER_SCALING, build_steps
from spiketheory.compile import CompiledModel


def build_gradient(model: CompiledModel) -> SimpleNamespace:
    """Close the backward pass over a model's functions.

    Args:
        model: The compiled model.

    Returns:
        ``backward_layer`` and ``backward_start``, compiled for the model's backend.
    """
    f = model.functions
    jit = partial(model.jit, allocates=False)
    initial_state_vjp, load = f.initial_state_vjp, f.load
    n = len(model.coordinates)
    is_projective, scaled = bool(model.projective), model.projective or (0,)
    retreat, add_up = build_retreat(model)
    unwind_spikes, mend_spikes = build_unwind(model)
    pull_segment, share_ties = build_ties(model)
    _, read_step = build_steps(model)

    @jit
    def backward_layer(
        states: Any, scales: Any, steps: Any, event_times: Any, event_rows: Any, n_events: int,
        weights: Any, constants: Any, narrow: Any, spikes: Any, count: int,
        by_spike: Any, covectors: Any, weight_gradient: Any, by_event: Any, want_times: bool,
        scratch: Any,
    ) -> None:  # fmt: skip
        """Go back through one layer's trial.

        The arguments up to ``narrow`` are those of ``forward_layer``, which has filled ``spikes``
        with ``count`` spikes. ``by_spike`` holds the derivatives by the spike times, in the
        buffers' order; ``covectors`` (n_coordinates, n) those by the states at T, replaced by
        those by the initial states. The weights' gradient is added to ``weight_gradient``
        (n_rows, n); if ``want_times``, derivatives by the event times are written to
        ``by_event``, exact also for simultaneous events (see ``share_ties``).
        """
        width = states.shape[2]
        unwound_memory, pulled_memory, kept, slips, zeros, unused = scratch
        unwound = unwound_memory[: n * width].reshape(n, width)
        pulled = pulled_memory[: n * width].reshape(n, width)
        tied = n_events
        last = count
        for k in range(n_events, -1, -1):
            start = event_times[k - 1] if k > 0 else 0.0
            if is_projective and k % EVENTS_PER_SCALING == EVENTS_PER_SCALING - 1:
                for i in range(width):
                    for c in scaled:
                        covectors[c, i] *= scales[k // EVENTS_PER_SCALING, i]
            first = last
            while first > 0 and spikes.segments[first - 1] == k:
                first -= 1
            row = weights[event_rows[k - 1]] if k > 0 else zeros[:width]
            gradient = weight_gradient[event_rows[k - 1]] if k > 0 else unused[:width]
            unwind_spikes(
                first, last, spikes, by_spike, constants, covectors, unwound, gradient, kept
            )
            step = read_step(steps, k)
            follows = want_times and k > 1 and event_times[k - 2] == start
            precedes = want_times and 0 < k < n_events and event_times[k] == start
            if follows and not precedes:
                tied = k
                pull_segment(
                    states[k], row, step, narrow, covectors, first, last, spikes, unwound, pulled
                )
            retreat(states[k], row, step, narrow, covectors, gradient, slips)
            mend_spikes(
                first, last, spikes, constants, states[k], row, covectors, unwound, gradient,
                slips, kept,
            )  # fmt: skip
            if want_times and k > 0:
                by_event[k - 1] = add_up(slips, width)
            if precedes and not follows:
                share_ties(states[k], event_rows, k - 1, tied, weights, constants, pulled, by_event)
            last = first

    @jit
    def backward_start(initial: Any, constants: Any, covectors: Any, gradient: Any) -> None:
        """Add the derivatives by the initial coordinates, shape (n,), to ``gradient``."""
        for i in range(initial.shape[0]):
            gradient[i] += initial_state_vjp(initial[i], *constants, *load(covectors, i))

    return SimpleNamespace(backward_layer=backward_layer, backward_start=backward_start)


def build_retreat(model: CompiledModel) -> tuple[Any, Any]:
    """The loop over neurons, without branches."""
    f = model.functions
    jump, jump_vjp, flow_vjp, load, store = f.jump, f.jump_vjp, f.flow_vjp, f.load, f.store
    n = len(model.coordinates)
    slip = n + 1

    def retreat(
        states: Any, weights: Any, step: Any, constants: Any, covectors: Any,
        weight_gradient: Any, slips: Any,
    ) -> None:  # fmt: skip
        """Go back through one segment and the event before it, as if no neuron spiked."""
        for i in range(weights.shape[0]):
            before = load(states, i)
            after = jump(*before, weights[i], *constants)
            covector = flow_vjp(*after, *step, *constants, *load(covectors, i))
            pulled = jump_vjp(*before, weights[i], *constants, *covector)
            store(covectors, i, *pulled[:n])
            weight_gradient[i] += pulled[n]
            slips[i] = pulled[slip]

    def add_up(slips: Any, width: int) -> float:
        """Sum of the first entries."""
        total = 0.0
        for i in range(width):
            total += slips[i]
        return total

    return (
        model.jit(retreat, allocates=False, inlines=True),
        model.jit(add_up, allocates=False, reorders=True),
    )


def build_unwind(model: CompiledModel) -> tuple[Any, Any]:
    """What replaces `retreat` for the neurons that spike."""
    f = model.functions
    jit = partial(model.jit, allocates=False, inlines=True)
    jump_vjp, flow_vjp, fire, fire_vjp = f.jump_vjp, f.flow_vjp, f.fire, f.fire_vjp
    propagator, load, store = f.propagator, f.load, f.store
    n = len(model.coordinates)
    slip = n + 1

    @jit
    def unwind_spikes(
        first: int, last: int, spikes: Any, by_spike: Any, constants: Any,
        covectors: Any, unwound: Any, weight_gradient: Any, kept: Any,
    ) -> None:  # fmt: skip
        """Carry the covectors of the spiking neurons from a segment's end to its start."""
        for p in range(last - 1, first - 1, -1):
            i = spikes.neurons[p]
            start = load(spikes.starts, p)
            step = propagator(spikes.waits[p], *constants)
            if spikes.lefts[p] >= 0.0:
                kept[i] = weight_gradient[i]
                fired = fire(*start, *step, *constants)
                tail = propagator(spikes.lefts[p], *constants)
                store(unwound, i, *flow_vjp(*fired, *tail, *constants, *load(covectors, i)))
            covector = load(unwound, i)
            store(unwound, i, *fire_vjp(*start, *step, *constants, *covector, by_spike[p]))

    @jit
    def mend_spikes(
        first: int, last: int, spikes: Any, constants: Any, states: Any, weights: Any,
        covectors: Any, unwound: Any, weight_gradient: Any, slips: Any, kept: Any,
    ) -> None:  # fmt: skip
        """Replace what `retreat` wrote for the neurons that did spike."""
        for p in range(first, last):
            if spikes.lefts[p] >= 0.0:
                i = spikes.neurons[p]
                pulled = jump_vjp(*load(states, i), weights[i], *constants, *load(unwound, i))
                store(covectors, i, *pulled[:n])
                weight_gradient[i] = kept[i] + pulled[n]
                slips[i] = pulled[slip]

    return unwind_spikes, mend_spikes


def build_ties(model: CompiledModel) -> tuple[Any, Any]:
    """Derivatives by the times of simultaneous events."""
    f = model.functions
    jit = partial(model.jit, allocates=False)
    jump, jump_vjp, flow_vjp, load, store = f.jump, f.jump_vjp, f.flow_vjp, f.load, f.store
    n = len(model.coordinates)
    slip = n + 1

    @jit
    def pull_segment(
        states: Any, weights: Any, step: Any, constants: Any, covectors: Any,
        first: int, last: int, spikes: Any, unwound: Any, pulled: Any,
    ) -> None:  # fmt: skip
        """Write to ``pulled`` the covectors just after the event that starts a segment."""
        for i in range(weights.shape[0]):
            after = jump(*load(states, i), weights[i], *constants)
            store(pulled, i, *flow_vjp(*after, *step, *constants, *load(covectors, i)))
        for p in range(first, last):
            store(pulled, spikes.neurons[p], *load(unwound, spikes.neurons[p]))

    @jit
    def share_ties(
        states: Any, rows: Any, first: int, last: int, weights: Any, constants: Any,
        pulled: Any, gradient: Any,
    ) -> None:  # fmt: skip
        """Derivatives by the times of events ``first`` to ``last - 1``, which are simultaneous.

        Two inputs at the same time are a kink of the loss as a function of either time: which
        comes first matters to second order in the state but to first order in the time. The
        derivative written is the mean of the two one-sided ones, of the event moved before all
        others and of it moved behind them. It does not depend on how neurons are numbered.
        """
        for e in range(first, last):
            gradient[e] = 0.0
        for i in range(weights.shape[1]):
            state = load(states, i)
            covector = load(pulled, i)
            total = 0.0
            for e in range(first, last):
                total += weights[rows[e], i]
            for e in range(first, last):
                weight = weights[rows[e], i]
                rest = total - weight
                behind = jump_vjp(*jump(*state, rest, *constants), weight, *constants, *covector)
                later = jump_vjp(*jump(*state, weight, *constants), rest, *constants, *covector)
                before = jump_vjp(*state, weight, *constants, *later[:n])
                gradient[e] += 0.5 * (before[slip] + behind[slip])

    return pull_segment, share_ties
