"""The event loop of recurrent networks: at an event only the neurons that it reaches are touched.

Each neuron carries the time of its last event, its coordinates then, and the time of its next
spike. The next event is the first of: the next input, the first spike under way (``InFlight``), a
probe, and the next spike (``SpikeQueue``).

Of simultaneous events, inputs come first, in their order; then spikes that arrive after a delay, in
the order in which they were sent; then probes; then spikes, by neuron. Spikes without delay arrive
within the event, before anything else. So what arrives at a neuron at the instant of its own spike
comes before it. One exception: if the neuron already is on its finite threshold, and the arrival
does not move the coordinate that has the threshold (an input current), it comes after the spike;
both orders then lead to the same, and the derivative is that of this order. A spike at the trial's
end T is none (it is the first pseudospike); an input at T counts.

``cells`` has a column per neuron: coordinates, then time of the last event, time from there to the
next spike (AT_ONCE if an arrival caused it by a jump), time of the next spike; padded to whole
cache lines.
"""

import numpy as np

from sim.events.delivery import deliver, emit, take
from sim.events.interface import DUE, LAST, MOST_COORDINATES, WAIT, find_wait, probe, spike
from sim.events.spike_queue import (
    END,
    UNTIL,
    SpikeQueue,
    find_next,
    has_room,
    rebuild,
    release,
    schedule,
)
from sim.events.tape import (
    AT_ONCE,
    LOST_NEURON,
    N_ARRIVALS,
    N_DEFERRED,
    N_DELIVERIES,
    N_IN_FLIGHT,
    N_PROBED,
    N_SCALES,
    N_SPIKES,
    NEXT_INPUT,
    NEXT_PROBE,
    NO_CAUSE,
    InFlight,
    Tape,
)
from sim.kernels.types import Floats, Ints
from sim.network.wiring import Wires
from spiketheory.machine.compile import CompiledModel
from spiketheory.machine.link import kernel

DONE, PAUSED, FULL, LOST_STATE = range(4)
"""How a slice of the run ended: at T; after its share of arrivals; because an array is full;
because a state left the range of numbers."""
CACHE_LINE = 8


def get_width(models: tuple[CompiledModel, ...]) -> int:
    """Most coordinates of any model."""
    return max(len(m.coordinates) for m in models)


def get_height(models: tuple[CompiledModel, ...]) -> int:
    """Rows of ``cells``."""
    return -(-(get_width(models) + 3) // CACHE_LINE) * CACHE_LINE


def make_cells(models: tuple[CompiledModel, ...], n_neurons: int) -> np.ndarray:
    """Zeros of shape (height, n_neurons); each column begins a cache line."""
    height = get_height(models)
    flat = np.zeros(height * n_neurons + CACHE_LINE)
    first = -(flat.ctypes.data // flat.itemsize) % CACHE_LINE
    return flat[first : first + height * n_neurons].reshape((height, n_neurons), order="F")


@kernel()
def start(wires: Wires, cells: Floats, queue: SpikeQueue) -> None:
    """Find every neuron's first spike."""
    for i in range(cells.shape[1]):
        cells[LAST, i] = 0.0
        cells[WAIT, i] = find_wait(
            wires.kinds[i], cells, i, wires.table, wires.rows[i], queue.scale[UNTIL]
        )
        cells[DUE, i] = cells[WAIT, i]
    rebuild(queue, cells, 0.0)


@kernel()
def probe_neurons(wires: Wires, cells: Floats, tape: Tape, probed: Ints, time: float) -> None:
    """Write down states without touching the neurons."""
    k, j, found = tape.counts[NEXT_PROBE], tape.counts[N_PROBED], tape.probed_coordinates
    tape.probes[k, 0] = tape.counts[N_SPIKES]
    tape.probes[k, 1] = tape.counts[N_DELIVERIES]
    for i in probed:
        dt = time - cells[LAST, i]
        for c in range(MOST_COORDINATES):
            tape.probe_starts[c, j] = cells[c, i]
        tape.probe_waits[j] = dt
        probe(wires.kinds[i], cells, i, wires.table, wires.rows[i], dt, found, j)
        j += 1
    tape.counts[NEXT_PROBE] = k + 1
    tape.counts[N_PROBED] = j


@kernel()
def probe_all(wires: Wires, cells: Floats, time: float, found: Floats) -> None:
    """Write the coordinates of all neurons at a time after their last event to ``found``."""
    for i in range(cells.shape[1]):
        dt = time - cells[LAST, i]
        probe(wires.kinds[i], cells, i, wires.table, wires.rows[i], dt, found, i)


@kernel()
def note_spike(tape: Tape, cells: Floats, causes: Ints, i: int, time: float, has_tape: bool) -> int:
    """Write down a spike; returns its number."""
    k = tape.counts[N_SPIKES]
    tape.spike_times[k] = time
    tape.spike_neurons[k] = i
    tape.spike_waits[k] = cells[WAIT, i]
    if has_tape:
        at_once = cells[WAIT, i] == AT_ONCE
        tape.spike_causes[k] = causes[0, i] if at_once else NO_CAUSE
        tape.spike_cause_edges[k] = causes[1, i] if at_once else NO_CAUSE
        for c in range(MOST_COORDINATES):
            tape.spike_starts[c, k] = cells[c, i]
    tape.counts[N_SPIKES] = k + 1
    return k


@kernel()
def spike_now(
    wires: Wires, cells: Floats, queue: SpikeQueue, in_flight: InFlight, tape: Tape, causes: Ints,
    i: int, has_tape: bool,
) -> None:  # fmt: skip
    """The next neuron spikes; what had to wait for that arrives after it."""
    time = cells[DUE, i]
    release(queue, i)
    event = note_spike(tape, cells, causes, i, time, has_tape)
    at_once = cells[WAIT, i] == AT_ONCE
    left = spike(
        wires.kinds[i], cells, i, wires.table, wires.rows[i], max(cells[WAIT, i], 0.0), at_once,
        queue.scale[UNTIL] - time,
    )  # fmt: skip
    cells[LAST, i] = time
    cells[WAIT, i] = left
    schedule(queue, cells, i, time + left)
    emit(wires, cells, queue, in_flight, tape, causes, time, event, i, has_tape)
    waiting = tape.counts[N_DEFERRED]
    kept = 0
    for k in range(waiting):
        event, edge = in_flight.deferred[0, k], in_flight.deferred[1, k]
        if wires.targets[edge] == i:
            deliver(
                wires, cells, queue, in_flight, tape, causes, time, event, edge, edge + 1,
                has_tape,
            )  # fmt: skip
    for k in range(tape.counts[N_DEFERRED]):
        edge = in_flight.deferred[1, k]
        if k >= waiting or wires.targets[edge] != i:
            in_flight.deferred[0, kept] = in_flight.deferred[0, k]
            in_flight.deferred[1, kept] = edge
            kept += 1
    tape.counts[N_DEFERRED] = kept


@kernel()
def is_full(
    wires: Wires, in_flight: InFlight, tape: Tape, source: int, n_edges: int, has_tape: bool
) -> bool:
    """Whether an array has no room for what an event may add.

    ``source`` is the event's source, -1 for an arrival; ``n_edges`` are the connections that it
    may reach, deferred arrivals included.
    """
    counts = tape.counts
    n_groups = 1
    if source >= 0:
        n_groups = wires.source_groups[source + 1] - wires.source_groups[source]
    n_deliveries = n_groups + 2 * n_edges + counts[N_DEFERRED]
    full = counts[N_SPIKES] + 1 > tape.spike_times.shape[0]
    full |= counts[N_IN_FLIGHT] + n_groups > in_flight.times.shape[0]
    full |= counts[N_DEFERRED] + n_edges > in_flight.deferred.shape[1]
    if has_tape:
        full |= counts[N_DELIVERIES] + n_deliveries > tape.delivery_edges.shape[0]
        full |= counts[N_ARRIVALS] + n_edges > tape.arrival_waits.shape[0]
        full |= counts[N_SCALES] + n_edges > tape.scale_arrivals.shape[0]
    return full


@kernel()
def count_edges(wires: Wires, source: int) -> int:
    """How many connections a source has."""
    groups = wires.source_groups
    return wires.group_edges[groups[source + 1]] - wires.group_edges[groups[source]]


# Long: a part of it would have to be handed all arrays, and once for each event.
@kernel()
def run(
    wires: Wires, cells: Floats, queue: SpikeQueue, in_flight: InFlight, tape: Tape, causes: Ints,
    probe_times: Floats, probed: Ints, duration: float, now: float, has_tape: bool,
    max_spikes: int, share: int, until: float,
) -> tuple[int, float]:  # fmt: skip
    """Run on until T, or until something else ends the slice.

    Args:
        wires: The network.
        cells: Its neurons.
        queue: Their next spikes.
        in_flight: Spikes under way.
        tape: What has happened.
        causes: Of neurons that spike AT_ONCE the event and connection, shape (2, n_neurons).
        probe_times: Times at which states are probed, sorted [time].
        probed: Neurons to probe.
        duration: The trial's end T [time].
        now: Time of the last event.
        has_tape: Whether to write down what it takes to go back.
        max_spikes: Pause at so many spikes.
        share: Pause after about so many arrivals, between two instants.
        until: Pause before what comes later [time].

    Returns:
        How it ended, and the time of the last event.
    """
    counts = tape.counts
    while counts[N_SPIKES] < max_spikes:
        if counts[LOST_NEURON] > 0:
            return LOST_STATE, now
        k, j = counts[NEXT_INPUT], counts[NEXT_PROBE]
        at_input = wires.input_times[k] if k < wires.input_times.shape[0] else np.inf
        at_arrival = in_flight.times[0] if counts[N_IN_FLIGHT] > 0 else np.inf
        at_probe = probe_times[j] if j < probe_times.shape[0] else np.inf
        i = find_next(queue, cells, now)
        at_spike = cells[DUE, i] if i != END else np.inf
        first = min(at_input, at_arrival, at_probe, at_spike)
        if first > duration or (first == duration and first < min(at_input, at_arrival, at_probe)):
            return DONE, now
        if first > until or (share <= 0 and first > now):
            return PAUSED, now
        source, n_edges = -1, counts[N_DEFERRED]
        if first == at_input:
            source = wires.input_sources[k]
        elif first == at_arrival:
            group = in_flight.groups[0]
            n_edges += wires.group_edges[group + 1] - wires.group_edges[group]
        elif first < at_probe:
            source = i
        if source >= 0:
            n_edges += count_edges(wires, source)
        if is_full(wires, in_flight, tape, source, n_edges, has_tape):
            return FULL, now
        if not has_room(queue, n_edges):
            rebuild(queue, cells, now)
        share -= 1 + n_edges
        now = first
        if first == at_input:
            counts[NEXT_INPUT] = k + 1
            emit(wires, cells, queue, in_flight, tape, causes, now, -1 - k, source, has_tape)
        elif first == at_arrival:
            event, group = take(in_flight, counts)
            deliver(
                wires, cells, queue, in_flight, tape, causes, now, event,
                wires.group_edges[group], wires.group_edges[group + 1], has_tape,
            )  # fmt: skip
        elif first == at_probe:
            probe_neurons(wires, cells, tape, probed, now)
        else:
            spike_now(wires, cells, queue, in_flight, tape, causes, i, has_tape)
    return PAUSED, now
