"""Connections that each have a delay of their own: spikes are written out as deliveries.

A block keeps its deliveries in chunks, in a list for each part of each window, in the order in
which they were sent. In their window they are put in order by neuron, which leaves those of a
neuron almost in order of time, and taken neuron by neuron (`sim.windows.cells`,
`sim.windows.frames`). In such a block what arrives along other tracts is
written out, too, when its window comes. Of simultaneous deliveries at one neuron, inputs without
delay come first, then the one that was sent first.
"""

import numpy as np

from sim.network.rows import BlockRows
from sim.windows.places import find_place
from sim.windows.records import (
    END,
    EXPANDED,
    FREE_CHUNK,
    GATHERED,
    LOW,
    N_ARRIVALS,
    N_CHUNKS,
    N_SPIKES,
    NEXT,
    NEXT_OWN,
    WINDOW,
    Arrivals,
    Clock,
    Inputs,
    Own,
    Spikes,
    State,
)
from sim.windows.weights import weigh
from spiketheory.machine.link import kernel

CHUNK = 128
"""Deliveries of a chunk."""
PARTS = 32
"""Of a window, each with a list of its own; a power of two, so that scaling by it is exact."""


@kernel()
def expand_spikes(
    clock: Clock, rows: BlockRows, own: Own, spikes: Spikes, state: State, block: int
) -> bool:
    """Write out what spikes that were found so far send to a block; whether there was room."""
    place = own.places[block]
    for k in range(own.progress[place, EXPANDED], state.counts[N_SPIKES]):
        source, time = spikes.neurons[k], spikes.times[k]
        sender = find_place(rows.senders, source)
        first, end = rows.sender_tracts[sender], rows.sender_tracts[sender + 1]
        n_needed = 0
        for tract in range(first, end):
            n_needed += count_chunks(rows, own, block, tract, source - rows.tract_sources[tract])
        if n_needed > own.progress[place, N_CHUNKS]:
            return False
        for tract in range(first, end):
            if rows.tract_own_delays[tract]:
                row = source - rows.tract_sources[tract]
                expand_row(clock, rows, own, state, block, tract, row, time)
        own.progress[place, EXPANDED] = k + 1
    return True


@kernel()
def expand_inputs(
    clock: Clock, rows: BlockRows, own: Own, inputs: Inputs, state: State, block: int
) -> bool:
    """Write out what inputs send to a block in the window; whether there was room."""
    place = own.places[block]
    k = own.progress[place, NEXT_OWN]
    while k < inputs.own_times.shape[0] and inputs.own_times[k] < state.bounds[NEXT]:
        tract, row = inputs.own_tracts[k], inputs.own_rows[k]
        if count_chunks(rows, own, block, tract, row) > own.progress[place, N_CHUNKS]:
            return False
        expand_row(clock, rows, own, state, block, tract, row, inputs.own_times[k])
        k += 1
        own.progress[place, NEXT_OWN] = k
    return True


@kernel()
def count_chunks(rows: BlockRows, own: Own, block: int, tract: int, row: int) -> int:
    """Chunks that a row may need, at most."""
    start = rows.starts_at[block, tract]
    if start < 0 or not rows.tract_own_delays[tract]:
        return 0
    start += row
    n = int(rows.starts[start + 1]) - int(rows.starts[start])
    return n // CHUNK + min(n, own.heads.shape[1])


@kernel()
def expand_row(
    clock: Clock, rows: BlockRows, own: Own, state: State, block: int, tract: int, row: int,
    time: float,
) -> None:  # fmt: skip
    """Write out what one spike sends to a block along one tract."""
    start = rows.starts_at[block, tract]
    if start < 0:
        return
    start += row
    first, end = int(rows.starts[start]), int(rows.starts[start + 1])
    while first < end:
        last = min(first + CHUNK, end)
        time_row(clock, rows, own, block, tract, time, first, last)
        deliver_row(clock, rows, own, state, block, tract, time, first, last)
        first = last


@kernel()
def time_row(
    clock: Clock, rows: BlockRows, own: Own, block: int, tract: int, time: float, first: int,
    end: int,
) -> None:  # fmt: skip
    """Find when, and in which part of which window, a spike arrives along some connections.

    It divides by nothing but what is the same for all, so that it becomes vector instructions.
    """
    place, at = own.places[block], rows.delays_at[block, tract] + first
    times, parts = own.row_times[place], own.row_parts[place]
    width, ticks, step = float(clock.width), clock.ticks, rows.delay_step
    departure = np.rint(time * ticks)  # as in `find_arrival`
    for k in range(end - first):
        arrival = departure + rows.delays[at + k] * step
        times[k] = arrival / ticks
        # whole numbers, and windows are whole parts: never rounded up to the next window
        parts[k] = arrival * PARTS / width


# Long: what does not change is read before the loop, which would take as long as all else.
@kernel()
def deliver_row(
    clock: Clock, rows: BlockRows, own: Own, state: State, block: int, tract: int, time: float,
    first: int, end: int,
) -> None:  # fmt: skip
    """Write the deliveries of some connections to the lists of their parts."""
    place, kind, port = own.places[block], rows.tract_kinds[tract], rows.tract_ports[tract]
    at = rows.targets_at[block, tract] + first
    weight_at = rows.weights_at[block, tract] + first
    delay_at = rows.delays_at[block, tract] + first
    row_times, row_parts = own.row_times[place], own.row_parts[place]
    tails, times = own.tails[place], own.times[place]
    targets, weights, ports = own.targets[place], own.weights[place], own.ports[place]
    n_lists, now = tails.shape[0], state.counts[WINDOW] * PARTS
    first_list = now % n_lists
    has_weights, has_ports, keeps_sent = own.has_weights, own.has_ports, own.keeps_sent
    low = state.bounds[LOW]
    for k in range(end - first):
        arrival, ahead, sent = row_times[k], int(row_parts[k]) - now, time
        if rows.delays[delay_at + k] == 0:
            arrival, ahead, sent = time, min(ahead, PARTS - 1), -np.inf
        # what was before was taken before the run was saved
        if arrival > clock.duration or ahead < 0 or arrival < low:
            continue
        to = first_list + ahead
        if to >= n_lists:
            to -= n_lists
        tail = tails[to]
        if tail & (CHUNK - 1) == 0:
            tail = add_chunk(own, place, to)
        tails[to] = tail + 1
        times[tail] = arrival
        targets[tail] = rows.targets[at + k]
        if has_weights:
            weights[tail] = weigh(rows, kind, tract, weight_at + k)
        if has_ports:
            ports[tail] = port
        if keeps_sent:
            own.sent[place, tail] = sent


@kernel()
def add_chunk(own: Own, place: int, to: int) -> int:
    """Add a free chunk to a list; returns the place of its first delivery."""
    chunk = own.progress[place, FREE_CHUNK]
    own.progress[place, FREE_CHUNK] = own.following[place, chunk]
    own.progress[place, N_CHUNKS] -= 1
    own.following[place, chunk] = END
    if own.heads[place, to] == END:
        own.heads[place, to] = chunk
    else:
        own.following[place, (own.tails[place, to] - 1) // CHUNK] = chunk
    return chunk * CHUNK


@kernel()
def end_chunk(own: Own, place: int, part: int, chunk: int) -> int:
    """Where the deliveries of a chunk of a list end."""
    if own.following[place, chunk] == END:
        return int(own.tails[place, part])
    return (chunk + 1) * CHUNK


@kernel()
def find_lists(own: Own, state: State) -> int:
    """The first list of the window."""
    return state.counts[WINDOW] * PARTS % own.heads.shape[1]


@kernel()
def count_deliveries(
    rows: BlockRows, own: Own, arrivals: Arrivals, state: State, block: int
) -> int:
    """How many deliveries a block has in the window."""
    place = own.places[block]
    first, n = find_lists(own, state), 0
    for part in range(first, first + PARTS):
        chunk = own.heads[place, part]
        while chunk != END:
            n += end_chunk(own, place, part, chunk) - chunk * CHUNK
            chunk = own.following[place, chunk]
    for a in range(state.counts[N_ARRIVALS]):
        start = rows.starts_at[block, arrivals.tracts[a]]
        if start >= 0:
            start += arrivals.rows[a]
            n += int(rows.starts[start + 1]) - int(rows.starts[start])
    return n


# Long: two passes over the same lists, to count and to place.
@kernel()
def gather(rows: BlockRows, own: Own, arrivals: Arrivals, state: State, block: int) -> bool:
    """Put the deliveries of a block's window in order; whether there was room.

    Those of neuron j are at ``own.at[place, j]`` to ``own.ends[place, j]`` - 1 then.
    """
    place, n_neurons = own.places[block], rows.bounds[block + 1] - rows.bounds[block]
    if count_deliveries(rows, own, arrivals, state, block) > own.sorted_times.shape[1]:
        return False
    at, ends, targets = own.at[place], own.ends[place], own.targets[place]
    lists = find_lists(own, state)
    for j in range(n_neurons):
        ends[j] = 0
    for a in range(state.counts[N_ARRIVALS]):
        tract = arrivals.tracts[a]
        start = rows.starts_at[block, tract]
        if start >= 0:
            start += arrivals.rows[a]
            first = rows.targets_at[block, tract]
            for e in range(int(rows.starts[start]), int(rows.starts[start + 1])):
                ends[int(rows.targets[first + e])] += 1
    for part in range(lists, lists + PARTS):
        chunk = own.heads[place, part]
        while chunk != END:
            for k in range(chunk * CHUNK, end_chunk(own, place, part, chunk)):
                ends[int(targets[k])] += 1
            chunk = own.following[place, chunk]
    total = 0
    for j in range(n_neurons):
        at[j] = total
        total += ends[j]
        ends[j] = at[j]
    write_arrivals(rows, own, arrivals, state, block)
    for part in range(lists, lists + PARTS):
        write_deliveries(own, place, part)
    sort_deliveries(own, place, n_neurons)
    return True


@kernel()
def write_arrivals(rows: BlockRows, own: Own, arrivals: Arrivals, state: State, block: int) -> None:
    """Write out what arrives along tracts of one delay, by neuron."""
    place, neuron_ends = own.places[block], own.ends[own.places[block]]
    for a in range(state.counts[N_ARRIVALS]):
        tract = arrivals.tracts[a]
        start = rows.starts_at[block, tract]
        if start < 0:
            continue
        start += arrivals.rows[a]
        first, weight_at = rows.targets_at[block, tract], rows.weights_at[block, tract]
        kind = rows.tract_kinds[tract]
        for e in range(int(rows.starts[start]), int(rows.starts[start + 1])):
            j = int(rows.targets[first + e])
            k = neuron_ends[j]
            neuron_ends[j] = k + 1
            own.sorted_times[place, k] = arrivals.times[a]
            if own.has_weights:
                own.sorted_weights[place, k] = weigh(rows, kind, tract, weight_at + e)
            if own.has_ports:
                own.sorted_ports[place, k] = rows.tract_ports[tract]
            if own.keeps_sent:
                own.sorted_sent[place, k] = arrivals.sent[a]


@kernel()
def write_deliveries(own: Own, place: int, part: int) -> None:
    """Write the deliveries of a list by neuron, and give their chunks back."""
    ends, targets = own.ends[place], own.targets[place]
    times, weights, ports = own.times[place], own.weights[place], own.ports[place]
    sorted_times, sorted_weights = own.sorted_times[place], own.sorted_weights[place]
    sorted_ports = own.sorted_ports[place]
    has_weights, has_ports, keeps_sent = own.has_weights, own.has_ports, own.keeps_sent
    chunk = own.heads[place, part]
    while chunk != END:
        for k in range(chunk * CHUNK, end_chunk(own, place, part, chunk)):
            j = int(targets[k])
            to = ends[j]
            ends[j] = to + 1
            sorted_times[to] = times[k]
            if has_weights:
                sorted_weights[to] = weights[k]
            if has_ports:
                sorted_ports[to] = ports[k]
            if keeps_sent:
                own.sorted_sent[place, to] = own.sent[place, k]
        after = own.following[place, chunk]
        own.following[place, chunk] = own.progress[place, FREE_CHUNK]
        own.progress[place, FREE_CHUNK] = chunk
        own.progress[place, N_CHUNKS] += 1
        chunk = after
    own.heads[place, part], own.tails[place, part] = END, 0


@kernel()
def sort_deliveries(own: Own, place: int, n_neurons: int) -> None:
    """Sort those of each neuron, in place; they are almost in order."""
    times, weights = own.sorted_times[place], own.sorted_weights[place]
    ports, at, ends = own.sorted_ports[place], own.at[place], own.ends[place]
    has_weights, has_ports, keeps_sent = own.has_weights, own.has_ports, own.keeps_sent
    for j in range(n_neurons):
        first = at[j]
        for k in range(first + 1, ends[j]):
            time = times[k]
            if times[k - 1] < time:
                continue
            weight = weights[k] if has_weights else 0.0
            port = int(ports[k]) if has_ports else 0
            sent = own.sorted_sent[place, k] if keeps_sent else 0.0
            to = k
            while to > first and (
                times[to - 1] > time
                or (keeps_sent and times[to - 1] == time and own.sorted_sent[place, to - 1] > sent)
            ):
                times[to] = times[to - 1]
                if has_weights:
                    weights[to] = weights[to - 1]
                if has_ports:
                    ports[to] = ports[to - 1]
                if keeps_sent:
                    own.sorted_sent[place, to] = own.sorted_sent[place, to - 1]
                to -= 1
            times[to] = time
            if has_weights:
                weights[to] = weight
            if has_ports:
                ports[to] = port
            if keeps_sent:
                own.sorted_sent[place, to] = sent


@kernel()
def prepare(
    clock: Clock, rows: BlockRows, own: Own, inputs: Inputs, arrivals: Arrivals, spikes: Spikes,
    state: State, block: int,
) -> bool:  # fmt: skip
    """Put the deliveries of a block's window in order, once; whether there was room."""
    place = own.places[block]
    if own.progress[place, GATHERED] == state.counts[WINDOW] + 1:
        return True
    if not expand_spikes(clock, rows, own, spikes, state, block):
        return False
    if not expand_inputs(clock, rows, own, inputs, state, block):
        return False
    if not gather(rows, own, arrivals, state, block):
        return False
    own.progress[place, GATHERED] = state.counts[WINDOW] + 1
    return True
