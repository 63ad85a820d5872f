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

from sim.kernels.types import Floats, Numbers
from sim.layers.buffers import LayerBuffers, Source, Trial
from sim.layers.crossings import pass_block as rerun_crossings
from sim.layers.crossings import start_spikes
from sim.layers.crossings import undo_segment as undo_crossings
from sim.layers.forward import EVENTS_PER_BLOCK, copy_row
from sim.layers.rounds import rerun_block as rerun_rounds
from sim.layers.rounds import undo_segment as undo_rounds
from spiketheory.generation.interface import (
    CROSSES_INFINITY,
    IS_PROJECTIVE,
    N_COORDINATES,
    SCALED,
    initial_state_vjp,
    jump,
    jump_vjp,
    load,
)
from spiketheory.machine.link import kernel


@kernel()
def backward_layer(
    trial: Trial, layer: LayerBuffers, source: Source, count: int, weight_gradient: Floats,
    want_times: bool,
) -> None:  # fmt: skip
    """Go back through one layer's trial.

    ``trial``, ``layer`` and ``source`` are those of ``forward_layer``, which found ``count``
    spikes. The layer's ``by_spike`` holds the derivatives by the spike times, in the order of
    its spikes; its ``adjoints`` those by the states at T, replaced by those by the initial
    states. The weights' gradient is added to ``weight_gradient`` (n_rows, length); if
    ``want_times``, derivatives by the event times are written to ``by_event``, exact also for
    simultaneous events (see ``ties_vjp``).
    """
    times, n_events, segments = source.times, source.n_events, layer.spikes.segments
    tied, last = n_events, count
    if CROSSES_INFINITY:
        start_spikes(trial, layer, count)
    for k in range(n_events, -1, -1):
        if k == n_events or (k + 1) % EVENTS_PER_BLOCK == 0:
            enter_block(trial, layer, source, k, last)
        first = last
        while first > 0 and segments[first - 1] == k:
            first -= 1
        start = times[k - 1] if k > 0 else 0.0
        follows = want_times and k > 1 and times[k - 2] == start
        precedes = want_times and 0 < k < n_events and times[k] == start
        ends_ties = follows and not precedes
        if ends_ties:
            tied = k
        gradient = weight_gradient[source.rows[k - 1]] if k > 0 else layer.unused
        if CROSSES_INFINITY:
            undo_crossings(trial, layer, source, k, first, last, gradient, ends_ties)
        else:
            undo_rounds(trial, layer, source, k, first, last, gradient, ends_ties)
        if want_times and k > 0:
            layer.by_event[k - 1] = add_up(layer.time_gradients, layer.width)
        if precedes and not follows:
            ties_vjp(trial, layer, source, k - 1, tied)
        last = first


@kernel()
def backward_start(initial: Floats, constants: Numbers, adjoints: Floats, gradient: Floats) -> None:
    """Add the derivatives by the initial coordinates, shape (n,), to ``gradient``."""
    for i in range(initial.shape[0]):
        gradient[i] += initial_state_vjp(initial[i], *constants, *load(adjoints, i))


@kernel()
def enter_block(trial: Trial, layer: LayerBuffers, source: Source, k: int, n_spikes: int) -> None:
    """Come to segment k, the last of a block; ``n_spikes`` are in it and before.

    Adjoints are scaled as the states were, and states that are not kept computed again.
    """
    block = k // EVENTS_PER_BLOCK
    adjoints, adjoints_after, scales = layer.adjoints, layer.adjoints_after, layer.scales[block]
    if IS_PROJECTIVE and (k + 1) % EVENTS_PER_BLOCK == 0:
        for i in range(scales.shape[0]):
            for c in SCALED:
                adjoints[c, i] *= scales[i]
                adjoints_after[c, i] *= scales[i]  # of simultaneous events that go on before
    if layer.checkpoints.shape[0] > 0:
        first = block * EVENTS_PER_BLOCK
        copy_row(layer.checkpoints[block], layer.states[first & layer.mask])
        if CROSSES_INFINITY:
            rerun_crossings(trial, layer, source, first, k + 1)
        else:
            rerun_rounds(trial, layer, source, first, k + 1, n_spikes)


@kernel(reorders=True)
def add_up(time_gradients: Floats, width: int) -> float:
    """Sum of the first entries."""
    total = 0.0
    for i in range(width):
        total += time_gradients[i]
    return total


@kernel()
def ties_vjp(trial: Trial, layer: LayerBuffers, source: Source, first: int, last: int) -> None:
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
            before = jump_vjp(*state, weight, *constants, *later[:N_COORDINATES])
            gradient[e] += 0.5 * (before[-1] + behind[-1])
