"""Which spikes arrive in a window, in which order; and sending those that it found.

Of simultaneous arrivals, inputs without delay come first, in their order; then all that has a
delay, in the order in which it was sent: inputs before spikes, these by neuron; and what one source
sends by several tracts in the order of these.
"""

import numpy as np

from sim.network.instants import find_arrival
from sim.network.rows import BlockRows
from sim.windows.places import find_place
from sim.windows.records import (
    END,
    FREE,
    LOW,
    N_ARRIVALS,
    N_FOUND,
    N_FREE,
    N_REBASES,
    N_SPIKES,
    NEXT,
    NEXT_INPUT,
    OLD_ORIGIN,
    ORIGIN,
    UNTIL,
    WINDOW,
    Arrivals,
    Clock,
    Found,
    Inputs,
    Ring,
    Scratch,
    Spikes,
    State,
)
from sim.windows.sorting import sort_pairs
from spiketheory.machine.link import kernel


@kernel()
def begin_window(clock: Clock, state: State) -> None:
    """Set the bounds of the window: whole ticks, so that no arrival comes before its window."""
    number = state.counts[WINDOW]
    low, after = number * clock.width, (number + 1) * clock.width
    state.bounds[LOW] = low / clock.ticks
    state.bounds[NEXT] = after / clock.ticks
    state.bounds[UNTIL] = min(after / clock.ticks, clock.duration)


@kernel()
def move_origin(clock: Clock, state: State) -> None:
    """Move the frame's origin to the window's beginning if it would be too far behind."""
    if state.bounds[NEXT] - state.bounds[ORIGIN] > clock.reach:
        state.bounds[OLD_ORIGIN] = state.bounds[ORIGIN]
        state.bounds[ORIGIN] = state.bounds[LOW]
        state.counts[N_REBASES] += 1


@kernel()
def count_arrivals(inputs: Inputs, ring: Ring, state: State) -> int:
    """How many arrivals the window has."""
    n = find_end(inputs, state) - state.counts[NEXT_INPUT]
    node = ring.heads[state.counts[WINDOW] % ring.heads.shape[0]]
    while node != END:
        n += 1
        node = ring.following[node]
    return n


@kernel()
def find_end(inputs: Inputs, state: State) -> int:
    """The first input after the window."""
    end = state.counts[NEXT_INPUT]
    while end < inputs.times.shape[0] and inputs.times[end] < state.bounds[NEXT]:
        end += 1
    return end


@kernel()
def collect_arrivals(
    inputs: Inputs, ring: Ring, arrivals: Arrivals, scratch: Scratch, state: State
) -> None:
    """Put the window's arrivals in order; their nodes are free then."""
    counts = state.counts
    slot = counts[WINDOW] % ring.heads.shape[0]
    first, n = ring.heads[slot], 0
    node, last = first, END
    while node != END:
        scratch.times[n] = ring.times[node]
        scratch.keys[n] = n
        scratch.nodes[n] = node
        n += 1
        last, node = node, ring.following[node]
    sort_pairs(
        scratch.times, scratch.keys, n, state.bounds[LOW], state.bounds[NEXT],
        scratch.other_times, scratch.other_keys, scratch.counts,
    )  # fmt: skip
    merge_inputs(inputs, ring, arrivals, scratch, state, n)
    if last != END:
        ring.following[last] = counts[FREE]
        counts[FREE] = first
        counts[N_FREE] += n
    ring.heads[slot] = ring.tails[slot] = END


@kernel()
def merge_inputs(
    inputs: Inputs, ring: Ring, arrivals: Arrivals, scratch: Scratch, state: State, n: int
) -> None:
    """Put the inputs of the window among its ``n`` sorted arrivals."""
    k, end = state.counts[NEXT_INPUT], find_end(inputs, state)
    total = n + end - k
    j = 0
    for place in range(total):
        is_input = k < end
        if is_input and j < n:
            time = scratch.times[j]
            node = scratch.nodes[scratch.keys[j]]
            is_input = inputs.times[k] < time or (
                inputs.times[k] == time and inputs.sent[k] <= ring.sent[node]
            )
        if is_input:
            arrivals.times[place] = inputs.times[k]
            arrivals.tracts[place] = inputs.tracts[k]
            arrivals.rows[place] = inputs.rows[k]
            arrivals.sent[place] = inputs.sent[k]
            k += 1
        else:
            node = scratch.nodes[scratch.keys[j]]
            arrivals.times[place] = ring.times[node]
            arrivals.tracts[place] = ring.tracts[node]
            arrivals.rows[place] = ring.rows[node]
            arrivals.sent[place] = ring.sent[node]
            j += 1
    state.counts[NEXT_INPUT] = end
    state.counts[N_ARRIVALS] = total


@kernel()
def list_spikes(found: Found, scratch: Scratch, spikes: Spikes, state: State) -> int:
    """Put the spikes that the blocks found in order, behind all others; returns their number."""
    n = 0
    for block in range(found.progress.shape[0]):
        for k in range(found.progress[block, N_FOUND]):
            scratch.times[n] = found.times[block, k]
            scratch.keys[n] = found.neurons[block, k]
            n += 1
    sort_pairs(
        scratch.times, scratch.keys, n, state.bounds[LOW], state.bounds[UNTIL],
        scratch.other_times, scratch.other_keys, scratch.counts,
    )  # fmt: skip
    first = state.counts[N_SPIKES]
    for k in range(n):
        spikes.times[first + k] = scratch.times[k]
        spikes.neurons[first + k] = scratch.keys[k]
    return n


@kernel()
def send_spikes(
    clock: Clock, rows: BlockRows, ring: Ring, spikes: Spikes, state: State, n: int
) -> None:
    """Put the last ``n`` spikes on their way."""
    counts = state.counts
    first = counts[N_SPIKES]
    n_slots = ring.heads.shape[0]
    for k in range(first, first + n):
        source, time = spikes.neurons[k], spikes.times[k]
        sender = find_place(rows.senders, source)
        for tract in range(rows.sender_tracts[sender], rows.sender_tracts[sender + 1]):
            delay = rows.tract_delays[tract]
            if rows.tract_own_delays[tract] or not delay < np.inf:
                continue
            arrival = find_arrival(time, delay, clock.ticks)
            if arrival > clock.duration:
                continue
            window = int(np.rint(arrival * clock.ticks)) // clock.width
            node = counts[FREE]
            counts[FREE] = ring.following[node]
            counts[N_FREE] -= 1
            append(ring, window % n_slots, node)
            ring.times[node] = arrival
            ring.sent[node] = time
            ring.tracts[node] = tract
            ring.rows[node] = source - rows.tract_sources[tract]
    counts[N_SPIKES] = first + n


@kernel()
def append(ring: Ring, slot: int, node: int) -> None:
    """Put a node at the end of a list."""
    ring.following[node] = END
    if ring.heads[slot] == END:
        ring.heads[slot] = node
    else:
        ring.following[ring.tails[slot]] = node
    ring.tails[slot] = node
