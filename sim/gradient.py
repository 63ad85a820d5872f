"""Backward passes: exact derivatives of a loss through one layer's events.

With s- and s+ the states before and after an event, Phi the flow and l the covector (derivatives
of the loss by the state), going backwards in time (docs/mathematics.md, 3):

- a segment without spikes: l <- DPhi^T l;
- an input of weight w at time t: dL/dw = l . dJ/dw, dL/dt = l . (DJ F(s-) - F(s+)), l <- DJ^T l;
- an own spike at time t*: l <- Xi^T l + dL/dt* . dt*/ds with the saltation matrix Xi.

States before events are read from the forward pass, never recomputed backwards, so that
contracting flows lose nothing.
"""

from types import SimpleNamespace
from typing import Any

import numpy as np

from sim.engine import EVENTS_PER_SCALING
from spiketheory.compile import CompiledModel


def build_gradient(model: CompiledModel) -> SimpleNamespace:
    """Close the backward pass over a model's functions.

    Args:
        model: The compiled model.

    Returns:
        ``backward_layer`` and ``backward_start``, compiled for the model's backend.
    """
    f = model.functions
    jit = model.jit
    jump, jump_vjp, flow_vjp, fire, fire_vjp = f.jump, f.jump_vjp, f.flow_vjp, f.fire, f.fire_vjp
    propagator, load, store, initial_state_vjp = (
        f.propagator, f.load, f.store, f.initial_state_vjp,
    )  # fmt: skip
    n = len(model.coordinates)
    is_projective, scaled = bool(model.projective), model.projective or (0,)

    @jit
    def retreat(
        states: Any, weights: Any, step: Any, constants: Any,
        covectors: Any, weight_gradient: Any, time_gradient: Any,
    ) -> None:  # fmt: skip
        """Go back through one segment and the event before it, as if no neuron spiked."""
        for i in range(weights.shape[0]):
            before = load(states, i)
            after = jump(*before, weights[i], *constants)
            covector = flow_vjp(*after, *step, *constants, *load(covectors, i))
            pulled = jump_vjp(*before, weights[i], *constants, *covector)
            store(covectors, i, *pulled[:n])
            weight_gradient[i] += pulled[n]
            time_gradient[i] = pulled[n + 1]

    @jit
    def unwind_spikes(
        first: int, last: int, neurons: Any, chains: Any, spike_gradient: Any, constants: Any,
        covectors: Any, unwound: Any, weight_gradient: Any, kept: Any,
    ) -> None:  # fmt: skip
        """Carry the covectors of the spiking neurons from a segment's end to its start."""
        for p in range(last - 1, first - 1, -1):
            i = neurons[p]
            start = load(chains[p : p + 1, 2:].T, 0)
            step = propagator(chains[p, 0], *constants)
            if chains[p, 1] >= 0.0:
                kept[i] = weight_gradient[i]
                fired = fire(*start, *step, *constants)
                tail = propagator(chains[p, 1], *constants)
                covector = flow_vjp(*fired, *tail, *constants, *load(covectors, i))
            else:
                covector = load(unwound, i)
            store(unwound, i, *fire_vjp(*start, *step, *constants, *covector, spike_gradient[p]))

    @jit
    def mend_spikes(
        first: int, last: int, neurons: Any, chains: Any, constants: Any, states: Any,
        weights: Any, covectors: Any, unwound: Any, weight_gradient: Any, time_gradient: Any,
        kept: Any,
    ) -> None:  # fmt: skip
        """Replace what `retreat` wrote for the neurons that did spike."""
        for p in range(first, last):
            if chains[p, 1] >= 0.0:
                i = neurons[p]
                pulled = jump_vjp(*load(states, i), weights[i], *constants, *load(unwound, i))
                store(covectors, i, *pulled[:n])
                weight_gradient[i] = kept[i] + pulled[n]
                time_gradient[i] = pulled[n + 1]

    @jit
    def pull_segment(
        states: Any, weights: Any, step: Any, constants: Any, covectors: Any,
        first: int, last: int, neurons: Any, unwound: Any, pulled: Any,
    ) -> None:  # fmt: skip
        """Write to ``pulled`` the covectors just after the event that starts a segment."""
        for i in range(weights.shape[0]):
            after = jump(*load(states, i), weights[i], *constants)
            store(pulled, i, *flow_vjp(*after, *step, *constants, *load(covectors, i)))
        for p in range(first, last):
            store(pulled, neurons[p], *load(unwound, neurons[p]))

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
        gradient[first:last] = 0.0
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
                gradient[e] += 0.5 * (before[n + 1] + behind[n + 1])

    @jit
    def backward_layer(
        states: Any, scales: Any, event_times: Any, event_rows: Any, n_events: int, weights: Any,
        duration: float, constants: Any, spikes: Any, count: int, spike_gradient: Any,
        covectors: Any, weight_gradient: Any, event_gradient: Any, want_times: bool,
    ) -> None:  # fmt: skip
        """Go back through one layer's trial.

        The arguments up to ``constants`` are those of ``forward_layer``; ``spikes`` and ``count``
        are what it returned. ``spike_gradient`` holds the derivatives by the spike times, in the
        buffers' order; ``covectors`` (n_coordinates, n) those by the states at T, replaced by
        those by the initial states. The weights' gradient is added to ``weight_gradient``
        (n_rows, n); derivatives by the event times are written to ``event_gradient``, exact also
        for simultaneous events (see ``share_ties``) only if ``want_times``.
        """
        _, neurons, segments, chains = spikes
        width = states.shape[2]
        unwound = np.empty_like(covectors)
        kept = np.empty(width)
        by_time = np.empty(width)
        nothing = np.zeros(width)
        unused = np.zeros(width)
        pulled = np.empty_like(covectors)
        tied = n_events
        last = count
        end = duration
        for k in range(n_events, -1, -1):
            start = event_times[k - 1] if k > 0 else 0.0
            if is_projective and k % EVENTS_PER_SCALING == EVENTS_PER_SCALING - 1:
                for i in range(width):
                    for c in scaled:
                        covectors[c, i] *= scales[k // EVENTS_PER_SCALING, i]
            first = last
            while first > 0 and segments[first - 1] == k:
                first -= 1
            row = weights[event_rows[k - 1]] if k > 0 else nothing
            gradient = weight_gradient[event_rows[k - 1]] if k > 0 else unused
            unwind_spikes(
                first, last, neurons, chains, spike_gradient, constants,
                covectors, unwound, gradient, kept,
            )  # fmt: skip
            step = propagator(end - start, *constants)
            follows = k > 1 and event_times[k - 2] == start
            precedes = 0 < k < n_events and event_times[k] == start
            if want_times and follows and not precedes:
                tied = k
                pull_segment(
                    states[k], row, step, constants, covectors, first, last, neurons, unwound,
                    pulled,
                )  # fmt: skip
            retreat(states[k], row, step, constants, covectors, gradient, by_time)
            mend_spikes(
                first, last, neurons, chains, constants, states[k],
                row, covectors, unwound, gradient, by_time, kept,
            )  # fmt: skip
            if k > 0:
                event_gradient[k - 1] = np.sum(by_time)
            if want_times and precedes and not follows:
                share_ties(
                    states[k], event_rows, k - 1, tied, weights, constants, pulled,
                    event_gradient,
                )  # fmt: skip
            last = first
            end = start

    @jit
    def backward_start(initial: Any, constants: Any, covectors: Any, gradient: Any) -> None:
        """Add the derivatives by the initial coordinates, shape (n,), to ``gradient``."""
        for i in range(initial.shape[0]):
            gradient[i] += initial_state_vjp(initial[i], *constants, *load(covectors, i))

    return SimpleNamespace(backward_layer=backward_layer, backward_start=backward_start)
