"""Go back through a recorded run: exact derivatives by everything that went into it.

The tape (`sim.events.tape`) is read from its end. Each neuron has an adjoint: the derivatives of
the loss by its coordinates after its last event that has not been undone; an event's derivative by
its time is complete when all its deliveries have been undone. Derivatives by the times of
simultaneous arrivals are the mean of both sides (`sim.events.ties`).
"""

import numpy as np

from sim.events.interface import (
    HAS_PORTS,
    LAST,
    caused_spike_vjp,
    probe_constants_vjp,
    probe_vjp,
    receive_constants_vjp,
    receive_vjp,
    spike_constants_vjp,
    spike_vjp,
    ties_vjp,
)
from sim.events.loop import DONE, PAUSED
from sim.events.tape import (
    AT_ONCE,
    N_ARRIVALS,
    N_DELIVERIES,
    N_PROBED,
    N_SCALES,
    N_SPIKES,
    NEXT_PROBE,
    Tape,
)
from sim.events.ties import Ties
from sim.kernels.types import Floats, Ints
from sim.network.wiring import Wires
from spiketheory.machine.link import kernel

SPIKES_LEFT, DELIVERIES_LEFT, PROBES_LEFT, PROBED_LEFT, SCALES_LEFT = range(5)


def start_backward_pass(tape: Tape) -> np.ndarray:
    """How much of a whole tape is left to undo."""
    counts = tape.counts
    places = (N_SPIKES, N_DELIVERIES, NEXT_PROBE, N_PROBED, N_SCALES)
    return np.array([counts[place] for place in places])


@kernel()
def leave_end(
    wires: Wires, cells: Floats, time: float, by_state: Floats, adjoints: Floats,
    by_constant: Floats, want_constants: bool,
) -> None:  # fmt: skip
    """From derivatives by the states at the end to those by the states after the last events.

    Args:
        wires: The network.
        cells: Its neurons at the end.
        time: The end [time].
        by_state: Derivatives by the coordinates at the end, shape (width, n_neurons).
        adjoints: Those after the last events are added, shape (width, n_neurons).
        by_constant: Derivatives by the constants are added, shape (n_constants, n_rows).
        want_constants: Whether these are wanted.
    """
    for i in range(cells.shape[1]):
        kind, row, dt = wires.kinds[i], wires.rows[i], time - cells[LAST, i]
        if want_constants:
            probe_constants_vjp(kind, cells, i, wires.table, row, dt, by_state, i, by_constant)
        probe_vjp(kind, cells, i, wires.table, row, dt, by_state, i, adjoints, i)


@kernel()
def undo_probe(
    wires: Wires, tape: Tape, left: Ints, probed: Ints, by_state: Floats, adjoints: Floats,
    by_constant: Floats, want_constants: bool,
) -> None:  # fmt: skip
    """A probe of some neurons."""
    j = left[PROBED_LEFT] - probed.shape[0]
    left[PROBED_LEFT] = j
    left[PROBES_LEFT] -= 1
    starts = tape.probe_starts
    for i in probed:
        kind, row, dt = wires.kinds[i], wires.rows[i], tape.probe_waits[j]
        if want_constants:
            probe_constants_vjp(kind, starts, j, wires.table, row, dt, by_state, j, by_constant)
        probe_vjp(kind, starts, j, wires.table, row, dt, by_state, j, adjoints, i)
        j += 1


@kernel()
def undo_spike(
    wires: Wires, tape: Tape, left: Ints, by_spike: Floats, by_input: Floats, by_delay: Floats,
    adjoints: Floats, by_constant: Floats, want_constants: bool,
) -> None:  # fmt: skip
    """A neuron's spike."""
    k = left[SPIKES_LEFT] - 1
    left[SPIKES_LEFT] = k
    i, wait = tape.spike_neurons[k], tape.spike_waits[k]
    kind, row, starts = wires.kinds[i], wires.rows[i], tape.spike_starts
    at_once = wait == AT_ONCE
    if want_constants:
        spike_constants_vjp(
            kind, starts, k, wires.table, row, wait, adjoints, i, by_spike[k], at_once,
            by_constant,
        )  # fmt: skip
    if at_once:
        change = caused_spike_vjp(kind, starts, k, wires.table, row, adjoints, i, by_spike[k])
        by_delay[tape.spike_cause_edges[k]] += change
        add_to_event(tape.spike_causes[k], change, by_spike, by_input)
    else:
        spike_vjp(kind, starts, k, wires.table, row, wait, adjoints, i, by_spike[k])


@kernel()
def add_to_event(event: int, change: float, by_spike: Floats, by_input: Floats) -> None:
    """Add a derivative by an event's time."""
    if event >= 0:
        by_spike[event] += change
    else:
        by_input[-1 - event] += change


# Long: a part of the loop would have to be handed all arrays, and once for each arrival.
@kernel()
def undo_delivery(
    wires: Wires, tape: Tape, left: Ints, by_spike: Floats, by_input: Floats, by_weight: Floats,
    by_delay: Floats, adjoints: Floats, by_constant: Floats, want_constants: bool, ties: Ties,
) -> int:  # fmt: skip
    """An event's arrival at a range of connections; returns how many."""
    d = left[DELIVERIES_LEFT] - 1
    left[DELIVERIES_LEFT] = d
    first = tape.delivery_arrivals[d]
    end = tape.counts[N_ARRIVALS]
    if d + 1 < tape.counts[N_DELIVERIES]:
        end = tape.delivery_arrivals[d + 1]
    starts, waits, targets, weights = (
        tape.arrival_starts, tape.arrival_waits, wires.targets, wires.weights,
    )  # fmt: skip
    kinds, rows, table, ports = wires.kinds, wires.rows, wires.table, wires.ports
    has_ties = ties.places.shape[0] > 0
    s = left[SCALES_LEFT]
    scaled = tape.scale_arrivals[s - 1] if s > 0 else -1
    total = 0.0
    for k in range(end - 1, first - 1, -1):
        edge = tape.delivery_edges[d] + k - first
        i = targets[edge]
        port = ports[edge] if HAS_PORTS else 0
        scale = 1.0
        if k == scaled:
            s -= 1
            scale = tape.scale_factors[s]
            scaled = tape.scale_arrivals[s - 1] if s > 0 else -1
        if want_constants:
            receive_constants_vjp(
                kinds[i], starts, k, table, rows[i], waits[k], weights[edge], port, scale,
                adjoints, i, by_constant,
            )  # fmt: skip
        tie = ties.places[k] if has_ties else -1
        if tie >= 0 and tie == ties.ends[tie] - 1:
            start = ties.arrivals[ties.firsts[tie]]
            ties_vjp(
                kinds[i], starts, start, table, rows[i], waits[start], ties, ties.firsts[tie],
                tie + 1, adjoints, i,
            )  # fmt: skip
        slope, change = receive_vjp(
            kinds[i], starts, k, table, rows[i], waits[k], weights[edge], port, scale, adjoints, i
        )
        by_weight[edge] += slope
        if tie >= 0:
            by_delay[edge] += ties.by_arrival[tie]
            total += ties.by_event[tie]
        else:
            by_delay[edge] += change
            total += change
    left[SCALES_LEFT] = s
    add_to_event(tape.delivery_events[d], total, by_spike, by_input)
    return end - first


@kernel()
def run_backward(
    wires: Wires, tape: Tape, left: Ints, probed: Ints, by_state: Floats, by_spike: Floats,
    by_input: Floats, by_weight: Floats, by_delay: Floats, adjoints: Floats, by_constant: Floats,
    want_constants: bool, ties: Ties, share: int,
) -> int:  # fmt: skip
    """Undo events until none is left, or about ``share`` arrivals.

    Args:
        wires: The network.
        tape: What happened.
        left: How much of it is left (`start_backward_pass`); updated.
        probed: Neurons whose states were probed.
        by_state: Derivatives by the coordinates at the probes, (width, n_probes * n_probed).
        by_spike: Derivatives by the spike times, shape (n_spikes,); those by way of later
            events are added.
        by_input: By the input times, shape (n_inputs,); added, as is all that follows.
        by_weight: By the weights, shape (n_connections,).
        by_delay: By the delays, shape (n_connections,).
        adjoints: By the states, shape (width, n_neurons); in the end those at the start.
        by_constant: By the constants, shape (n_constants, n_rows).
        want_constants: Whether these are wanted.
        ties: Simultaneous arrivals (`sim.events.ties.find_ties`).
        share: Pause after about so many arrivals.

    Returns:
        DONE or PAUSED.
    """
    while share > 0:
        n_spikes, n_deliveries = left[SPIKES_LEFT], left[DELIVERIES_LEFT]
        n_probes = left[PROBES_LEFT]
        share -= 1
        if (
            n_probes > 0
            and tape.probes[n_probes - 1, 0] == n_spikes
            and tape.probes[n_probes - 1, 1] == n_deliveries
        ):
            undo_probe(wires, tape, left, probed, by_state, adjoints, by_constant, want_constants)
        elif n_deliveries > 0 and tape.delivery_spikes[n_deliveries - 1] == n_spikes:
            share -= undo_delivery(
                wires, tape, left, by_spike, by_input, by_weight, by_delay, adjoints,
                by_constant, want_constants, ties,
            )  # fmt: skip
        elif n_spikes > 0:
            undo_spike(
                wires, tape, left, by_spike, by_input, by_delay, adjoints, by_constant,
                want_constants,
            )  # fmt: skip
        else:
            return DONE
    return PAUSED
