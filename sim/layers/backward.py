"""Backward passes: exact derivatives of a loss through one layer's events.

With s- and s+ the states before and after an event, Phi the flow and l the adjoint (derivatives
of the loss by the state), going backwards in time (docs/mathematics.md, 3):

- a segment without spikes: l <- DPhi^T l;
- an input of weight w at time t: dL/dw = l . dJ/dw, dL/dt = l . (DJ F(s-) - F(s+)), l <- DJ^T l;
- an own spike at time t*: l <- Xi^T l + dL/dt* . dt*/ds with the saltation matrix Xi.

States before events are those of the forward pass, read or computed once more from some of them,
never backwards, so that contracting flows lose nothing. Precisions are those of the forward pass
(see `sim.layers.forward`).
"""

from functools import partial
from types import SimpleNamespace
from typing import Any

from sim.layers.crossings import build_backward_crossings
from sim.layers.forward import EVENTS_PER_BLOCK, build_copy
from sim.layers.propagators import build_steps
from sim.layers.rounds import build_backward_rounds
from spiketheory.machine.compile import CompiledModel


def build_gradient(model: CompiledModel) -> SimpleNamespace:
    """Close the backward pass over a model's functions.

    Args:
        model: The compiled model.

    Returns:
        ``backward_layer`` and ``backward_start``, compiled for the model's backend.
    """
    jit = partial(model.jit, allocates=False)
    build_backward = build_backward_crossings if model.crosses_infinity else build_backward_rounds
    parts = build_backward(model)
    start_spikes, spikes_vjp = parts.start_spikes, parts.spikes_vjp
    enter_block = build_enter(model, parts.rerun_block)
    backward_segment, correct_spikes, segment_vjp = (
        parts.backward_segment, parts.correct_spikes, parts.segment_vjp,
    )  # fmt: skip
    add_up, ties_vjp = build_sum(model), build_ties(model)
    _, read_step = build_steps(model)

    @jit
    def backward_layer(
        trial: Any, layer: Any, source: Any, count: int, weight_gradient: Any, want_times: bool
    ) -> None:
        """Go back through one layer's trial.

        ``trial``, ``layer`` and ``source`` are those of ``forward_layer``, which found ``count``
        spikes. The layer's ``by_spike`` holds the derivatives by the spike times, in the order of
        its spikes; its ``adjoints`` those by the states at T, replaced by those by the initial
        states. The weights' gradient is added to ``weight_gradient`` (n_rows, length); if
        ``want_times``, derivatives by the event times are written to ``by_event``, exact also for
        simultaneous events (see ``ties_vjp``).
        """
        states, mask = layer.states, layer.mask
        spikes, adjoints, steps = layer.spikes, layer.adjoints, layer.steps
        by_spike, by_event = layer.by_spike, layer.by_event
        event_times, event_rows, n_events = source.times, source.rows, source.n_events
        constants, real_constants, zeros = trial.constants, trial.real_constants, layer.zeros
        adjoints_after, saved_gradient, unused = (
            layer.adjoints_after, layer.saved_gradient, layer.unused,
        )  # fmt: skip
        spiking_adjoints, spike_adjoints, time_gradients = (
            layer.spiking_adjoints, layer.spike_adjoints, layer.time_gradients,
        )  # fmt: skip
        weights = source.weights
        tied = n_events
        last = count
        start_spikes(spikes, count, by_spike, constants, spike_adjoints)
        for k in range(n_events, -1, -1):
            start = event_times[k - 1] if k > 0 else 0.0
            if k == n_events or (k + 1) % EVENTS_PER_BLOCK == 0:
                enter_block(trial, layer, source, k, last)
            before, after = states[k & mask], states[(k + 1) & mask]
            first = last
            while first > 0 and spikes.segments[first - 1] == k:
                first -= 1
            row = weights[event_rows[k - 1]] if k > 0 else zeros
            gradient = weight_gradient[event_rows[k - 1]] if k > 0 else unused
            spikes_vjp(
                first, last, spikes, by_spike, constants, adjoints, spiking_adjoints, gradient,
                saved_gradient,
            )  # fmt: skip
            step = read_step(steps, k, zeros)
            follows = want_times and k > 1 and event_times[k - 2] == start
            precedes = want_times and 0 < k < n_events and event_times[k] == start
            if follows and not precedes:
                tied = k
                segment_vjp(
                    before, after, row, step, real_constants, adjoints, first, last, spikes,
                    spiking_adjoints, spike_adjoints, adjoints_after,
                )  # fmt: skip
            backward_segment(
                before, after, row, step, real_constants, adjoints, gradient, time_gradients
            )
            correct_spikes(
                first, last, spikes, constants, before, row, adjoints, spiking_adjoints,
                spike_adjoints, gradient, time_gradients, saved_gradient,
            )  # fmt: skip
            if want_times and k > 0:
                by_event[k - 1] = add_up(time_gradients, layer.width)
            if precedes and not follows:
                ties_vjp(trial, layer, source, k - 1, tied)
            last = first

    return SimpleNamespace(backward_layer=backward_layer, backward_start=build_start(model))


def build_start(model: CompiledModel) -> Any:
    """Derivatives by the initial coordinates."""
    initial_state_vjp, load = model.functions.initial_state_vjp, model.functions.load

    def backward_start(initial: Any, constants: Any, adjoints: Any, gradient: Any) -> None:
        """Add the derivatives by the initial coordinates, shape (n,), to ``gradient``."""
        for i in range(initial.shape[0]):
            gradient[i] += initial_state_vjp(initial[i], *constants, *load(adjoints, i))

    return model.jit(backward_start, allocates=False)


def build_enter(model: CompiledModel, rerun_block: Any) -> Any:
    """What happens where the backward pass comes to a block of segments."""
    is_projective, scaled = bool(model.projective), model.projective or (0,)
    copy_row = build_copy(model)

    def enter_block(trial: Any, layer: Any, source: Any, k: int, n_spikes: int) -> None:
        """Come to segment k, the last of a block; ``n_spikes`` are in it and before.

        Adjoints are scaled as the states were, and states that are not kept computed again.
        """
        block = k // EVENTS_PER_BLOCK
        adjoints, adjoints_after, scales = layer.adjoints, layer.adjoints_after, layer.scales[block]
        if is_projective and (k + 1) % EVENTS_PER_BLOCK == 0:
            for i in range(scales.shape[0]):
                for c in scaled:
                    adjoints[c, i] *= scales[i]
                    adjoints_after[c, i] *= scales[i]  # of simultaneous events that go on before
        if layer.checkpoints.shape[0] > 0:
            first = block * EVENTS_PER_BLOCK
            copy_row(layer.checkpoints[block], layer.states[first & layer.mask])
            rerun_block(trial, layer, source, first, k + 1, n_spikes)

    return model.jit(enter_block, allocates=False)


def build_sum(model: CompiledModel) -> Any:
    """The sum of an array's first entries."""

    def add_up(time_gradients: Any, width: int) -> float:
        """Sum of the first entries."""
        total = 0.0
        for i in range(width):
            total += time_gradients[i]
        return total

    return model.jit(add_up, allocates=False, reorders=True)


def build_ties(model: CompiledModel) -> Any:
    """Derivatives by the times of simultaneous events."""
    f = model.functions
    jit = partial(model.jit, allocates=False)
    jump, jump_vjp, load = f.jump, f.jump_vjp, f.load
    n = len(model.coordinates)
    by_time = n + 1

    @jit
    def ties_vjp(trial: Any, layer: Any, source: Any, first: int, last: int) -> None:
        """Derivatives by the times of events ``first`` to ``last - 1``, which are simultaneous.

        Two inputs at the same time are a kink of the loss as a function of either time: which
        comes first matters to second order in the state but to first order in the time. The
        derivative written is the mean of the two one-sided ones, of the event moved before all
        others and of it moved behind them. It does not depend on how neurons are numbered.
        """
        weights, rows, constants = source.weights, source.rows, trial.constants
        adjoints_after, gradient = layer.adjoints_after, layer.by_event
        for e in range(first, last):
            gradient[e] = 0.0
        for i in range(layer.width):
            state = load(layer.states[(first + 1) & layer.mask], i)
            adjoint = load(adjoints_after, i)
            total = 0.0
            for e in range(first, last):
                total += weights[rows[e], i]
            for e in range(first, last):
                weight = weights[rows[e], i]
                rest = total - weight
                behind = jump_vjp(*jump(*state, rest, *constants), weight, *constants, *adjoint)
                later = jump_vjp(*jump(*state, weight, *constants), rest, *constants, *adjoint)
                before = jump_vjp(*state, weight, *constants, *later[:n])
                gradient[e] += 0.5 * (before[by_time] + behind[by_time])

    return ties_vjp
