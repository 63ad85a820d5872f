"""A layer through one sample: from event to event, those from outside and its own."""

import numpy as np

from sim.kernels.types import Floats
from sim.layers.buffers import Spikes
from sim.layers.forward import is_far, scale_down
from sim.status import NO_ROOM, Status
from sim.temporal.pending import pop, push
from sim.temporal.records import NO_EVENT, Batch, DenseLayer, LayerMemory, Pending, Scratch
from sim.temporal.segments import (
    arrive,
    cut_segment,
    find_waits,
    flag_waiting,
    follow_chosen,
    list_chosen,
    pass_segment,
)
from spiketheory.generation.interface import IS_PROJECTIVE
from spiketheory.machine.link import kernel

OK, TOO_MANY_SPIKES, NOT_FINITE, NOT_AT_END = (
    int(Status.OK), int(Status.TOO_MANY_SPIKES), int(Status.NOT_FINITE), int(Status.NOT_AT_END),
)  # fmt: skip
SEGMENTS_PER_BLOCK = 32
"""Coordinates are scaled, and looked at, after so many segments."""


@kernel(inlines=True)
def find_row(layer: DenseLayer, memory: LayerMemory, outside: Floats, k: int) -> Floats:
    """The weights of the event that segment k begins with.

    Args:
        layer: The layer.
        memory: What the sample left behind.
        outside: Weights of the events from outside.
        k: The segment.
    """
    row = memory.event_rows[k]
    if row >= 0:
        return outside[row]
    if row == NO_EVENT:
        return memory.zeros
    return layer.recurrent[memory.spikes.neurons[-1 - row]]


@kernel()
def start_layer(layer: DenseLayer, memory: LayerMemory) -> None:
    """Begin a trial."""
    first = memory.states[0]
    for c in range(first.shape[0]):
        for i in range(first.shape[1]):
            first[c, i] = layer.starts[c, i]
    memory.begins[0] = 0.0
    memory.event_rows[0] = NO_EVENT
    memory.outside[0] = -1


@kernel()
def run_segment(
    batch: Batch, layer: DenseLayer, memory: LayerMemory, scratch: Scratch, outside: Floats, k: int,
    end: float, count: int, limit: int,
) -> tuple[int, float]:  # fmt: skip
    """Pass segment k, which lasts until ``end`` at most.

    Returns the number of spikes so far, and where it ended.
    """
    before, after = memory.states[k], memory.states[k + 1]
    weights = find_row(layer, memory, outside, k)
    begin = memory.begins[k]
    duration = end - begin
    pass_segment(before, after, weights, layer.table, layer.constants, duration, scratch.flags)
    n = list_chosen(layer, scratch)
    if n > 0 and layer.recurrent.shape[0] > 0:
        find_waits(layer, before, weights, scratch.chosen, n, scratch.waits, duration)
        shorter, sooner, at_once = cut_segment(layer, scratch, n, begin, duration, end, batch.ticks)
        if sooner < end or at_once:
            duration, end = shorter, sooner
            pass_segment(
                before, after, weights, layer.table, layer.constants, duration, scratch.flags
            )
            flag_waiting(layer, memory, scratch, k, weights, n, duration, at_once)
            n = list_chosen(layer, scratch)
    memory.durations[k] = duration
    if n > 0:
        count = follow_chosen(layer, memory, scratch, k, n, end, weights, count, limit)
    return count, end


# Long: half of it says what it takes and returns.
@kernel()
def forward_layer(
    batch: Batch, layer: DenseLayer, memory: LayerMemory, scratch: Scratch, outside: Floats,
    n_events: int,
) -> tuple[int, int, int]:  # fmt: skip
    """Run a layer through a trial.

    Args:
        batch: The batch.
        layer: The layer.
        memory: Where it leaves what it did.
        scratch: Memory of the thread.
        outside: Weights of the events from outside, one row for each ``memory.events.rows``.
        n_events: How many events there are from outside.

    Returns:
        Status, number of segments, number of spikes.
    """
    events, spikes, pending = memory.events, memory.spikes, scratch.pending
    largest, large = batch.limits
    room = memory.states.shape[0] - 2
    limit = min(batch.max_spikes + 1, spikes.times.shape[0])
    for i in range(layer.width):
        scratch.crossed[i] = -1.0
    start_layer(layer, memory)
    k, e, count, n_pending = 0, 0, 0, 0
    while True:
        if k >= room:
            return NO_ROOM, k, count
        next_outside = events.times[e] if e < n_events else np.inf
        next_own = pending.times[0] if n_pending > 0 else np.inf
        begun = memory.firsts[k] = count
        count, end = run_segment(
            batch, layer, memory, scratch, outside, k,
            min(batch.duration, next_outside, next_own), count, limit,
        )  # fmt: skip
        if count >= limit:
            return (TOO_MANY_SPIKES if count > batch.max_spikes else NO_ROOM), k, count
        if layer.recurrent.shape[0] > 0:
            n_pending = send(batch, layer, spikes, begun, count, pending, n_pending)
            next_own = pending.times[0] if n_pending > 0 else np.inf
        k += 1
        if k % SEGMENTS_PER_BLOCK == 0:
            if is_far(memory.states[k], layer.width, largest):
                return NOT_FINITE, k, count
            if IS_PROJECTIVE:
                scale_down(memory.states[k], memory.scales[k // SEGMENTS_PER_BLOCK - 1], large)
        memory.begins[k] = end
        if next_outside <= end:
            memory.event_rows[k], memory.outside[k] = events.rows[e], e
            e += 1
        elif next_own <= end:
            n_pending = pop(pending, n_pending)
            memory.event_rows[k], memory.outside[k] = -1 - pending.spikes[n_pending], -1
        elif end >= batch.duration:
            break
        else:  # cut for an arrival that nothing sent
            return NOT_AT_END, k, count
    memory.firsts[k] = count
    if is_far(memory.states[k], layer.width, largest):
        return NOT_FINITE, k, count
    return OK, k, count


@kernel()
def send(
    batch: Batch, layer: DenseLayer, spikes: Spikes, first: int, last: int, pending: Pending,
    n_pending: int,
) -> int:  # fmt: skip
    """Send spikes ``first`` to ``last - 1`` to the layer itself; returns how many are under way."""
    for p in range(first, last):
        time = arrive(layer, spikes.neurons[p], spikes.times[p], batch.ticks)
        if time <= batch.duration:
            n_pending = push(pending, n_pending, time, p)
    return n_pending
