"""How events reach neurons: at once, or after a delay (`sim.events.loop`)."""

from sim.events.interface import (
    ARRIVED,
    CROSSED,
    DEFERRED,
    DUE,
    HAS_PORTS,
    LAST,
    LOST,
    MOST_COORDINATES,
    WAIT,
    prefetch,
    receive,
)
from sim.events.spike_queue import (
    CURRENT,
    IS_IDLE,
    N_BUCKETS,
    ORIGIN,
    UNTIL,
    WIDTH,
    SpikeQueue,
    schedule,
)
from sim.events.tape import (
    AT_ONCE,
    LOST_NEURON,
    N_ARRIVALS,
    N_DEFERRED,
    N_DELIVERIES,
    N_IN_FLIGHT,
    N_SCALES,
    N_SENT,
    N_SPIKES,
    InFlight,
    Tape,
)
from sim.kernels.types import Floats, Ints
from sim.network.instants import find_arrival
from sim.network.wiring import Wires
from spiketheory.machine.link import kernel

READ_AHEAD = 8
"""Neurons stand far apart in memory: one is asked for so many arrivals before it is needed."""


# Long: it hands arrays on where it must only; its docstring says why.
@kernel()
def deliver(
    wires: Wires, cells: Floats, queue: SpikeQueue, in_flight: InFlight, tape: Tape, causes: Ints,
    time: float, event: int, first: int, end: int, has_tape: bool,
) -> None:  # fmt: skip
    """An event arrives by the connections ``first`` to ``end`` - 1.

    Most arrivals leave a neuron queued where it is; they pass tuples of arrays to no function,
    which would cost more than all the rest.
    """
    if has_tape:
        note_delivery(tape, event, first)
    kinds, rows, table, targets, weights = (
        wires.kinds, wires.rows, wires.table, wires.targets, wires.weights,
    )  # fmt: skip
    ports = wires.ports
    buckets, current = queue.bucket, queue.counts[CURRENT]
    origin, per_width = queue.scale[ORIGIN], 1.0 / queue.scale[WIDTH]
    is_idle = queue.counts[IS_IDLE] != 0
    is_uniform = table.shape[1] == 1
    rest = queue.scale[UNTIL] - time
    starts, waits, arrival = tape.arrival_starts, tape.arrival_waits, tape.counts[N_ARRIVALS]
    for edge in range(first, end):
        i = targets[edge]
        ahead_of = targets[min(edge + READ_AHEAD, end - 1)]
        prefetch(cells, ahead_of)
        prefetch(buckets, ahead_of)
        if not is_uniform:
            prefetch(rows, ahead_of)
        row = 0 if is_uniform else rows[i]
        dt = time - cells[LAST, i]
        if has_tape:
            for c in range(MOST_COORDINATES):
                starts[c, arrival] = cells[c, i]
            waits[arrival] = dt
            arrival += 1
        pending = cells[WAIT, i] == AT_ONCE
        is_due = cells[DUE, i] == time
        port = ports[edge] if HAS_PORTS else 0
        left, happened, scale = receive(
            kinds[i], cells, i, table, row, dt, weights[edge], port, rest, pending, is_due
        )
        if happened == ARRIVED and scale == 1.0 and not pending:
            cells[LAST, i] = time
            cells[WAIT, i] = left
            ahead = (time + left - origin) * per_width
            bucket = min(buckets[i], N_BUCKETS)
            if bucket > current and ahead >= bucket and not is_idle:
                cells[DUE, i] = time + left
            else:
                schedule(queue, cells, i, time + left)
            continue
        tape.counts[N_ARRIVALS] = arrival
        if happened == LOST:
            tape.counts[LOST_NEURON] = i + 1
            return
        if happened == DEFERRED:
            cells[WAIT, i] = dt
            schedule(queue, cells, i, time)
            defer(tape, in_flight, event, edge, has_tape)
            arrival = tape.counts[N_ARRIVALS]
            continue
        if scale != 1.0 and has_tape:
            k = tape.counts[N_SCALES]
            tape.scale_arrivals[k] = tape.counts[N_ARRIVALS] - 1
            tape.scale_factors[k] = scale
            tape.counts[N_SCALES] = k + 1
        if happened == CROSSED:
            causes[0, i] = event
            causes[1, i] = edge
        stays = happened == CROSSED or (pending and left == 0.0)
        cells[LAST, i] = time
        cells[WAIT, i] = AT_ONCE if stays else left
        schedule(queue, cells, i, time + left)
    tape.counts[N_ARRIVALS] = arrival


@kernel()
def note_delivery(tape: Tape, event: int, edge: int) -> None:
    """Write down that an event is delivered, from a connection on."""
    k = tape.counts[N_DELIVERIES]
    tape.delivery_events[k] = event
    tape.delivery_edges[k] = edge
    tape.delivery_arrivals[k] = tape.counts[N_ARRIVALS]
    tape.delivery_spikes[k] = tape.counts[N_SPIKES]
    tape.counts[N_DELIVERIES] = k + 1


@kernel()
def defer(tape: Tape, in_flight: InFlight, event: int, edge: int, has_tape: bool) -> None:
    """Let an arrival wait for its neuron's spike at this very instant."""
    k = tape.counts[N_DEFERRED]
    in_flight.deferred[0, k] = event
    in_flight.deferred[1, k] = edge
    tape.counts[N_DEFERRED] = k + 1
    if has_tape:
        tape.counts[N_ARRIVALS] -= 1
        note_delivery(tape, event, edge + 1)


@kernel()
def emit(
    wires: Wires, cells: Floats, queue: SpikeQueue, in_flight: InFlight, tape: Tape, causes: Ints,
    time: float, event: int, source: int, has_tape: bool,
) -> None:  # fmt: skip
    """An event leaves its source: it arrives at once, or sets out."""
    for group in range(wires.source_groups[source], wires.source_groups[source + 1]):
        delay = wires.group_delays[group]
        if delay == 0.0:
            deliver(
                wires, cells, queue, in_flight, tape, causes, time, event,
                wires.group_edges[group], wires.group_edges[group + 1], has_tape,
            )  # fmt: skip
        else:
            arrival = find_arrival(time, delay, wires.ticks)
            send(in_flight, tape.counts, arrival, event, group)


@kernel()
def is_before(in_flight: InFlight, a: int, b: int) -> bool:
    """Whether entry ``a`` of the heap comes before entry ``b``."""
    times = in_flight.times
    return times[a] < times[b] or (times[a] == times[b] and in_flight.order[a] < in_flight.order[b])


@kernel()
def swap(in_flight: InFlight, a: int, b: int) -> None:
    """Exchange two entries."""
    times, order, events, groups = (
        in_flight.times, in_flight.order, in_flight.events, in_flight.groups,
    )  # fmt: skip
    times[a], times[b] = times[b], times[a]
    order[a], order[b] = order[b], order[a]
    events[a], events[b] = events[b], events[a]
    groups[a], groups[b] = groups[b], groups[a]


@kernel()
def send(in_flight: InFlight, counts: Ints, time: float, event: int, group: int) -> None:
    """A spike sets out, to arrive at ``time`` by a group of connections."""
    place = counts[N_IN_FLIGHT]
    in_flight.times[place] = time
    in_flight.order[place] = counts[N_SENT]
    in_flight.events[place] = event
    in_flight.groups[place] = group
    counts[N_IN_FLIGHT] += 1
    counts[N_SENT] += 1
    while place > 0 and is_before(in_flight, place, (place - 1) // 2):
        swap(in_flight, place, (place - 1) // 2)
        place = (place - 1) // 2


@kernel()
def take(in_flight: InFlight, counts: Ints) -> tuple[int, int]:
    """Event and group of connections of the first arrival, which leaves the heap."""
    event, group = in_flight.events[0], in_flight.groups[0]
    size = counts[N_IN_FLIGHT] - 1
    counts[N_IN_FLIGHT] = size
    swap(in_flight, 0, size)
    place = 0
    while 2 * place + 1 < size:
        below = 2 * place + 1
        if below + 1 < size and is_before(in_flight, below + 1, below):
            below += 1
        if not is_before(in_flight, below, place):
            break
        swap(in_flight, place, below)
        place = below
    return event, group
