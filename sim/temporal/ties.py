"""Derivatives by the times of events that meet: the mean of both sides (docs/mathematics.md, 3)."""

from sim.kernels.ties import tie_vjp
from sim.kernels.types import Floats, Numbers
from sim.temporal.forward import SEGMENTS_PER_BLOCK, find_row
from sim.temporal.margin import WANT_MARGIN, turn_by_time
from sim.temporal.records import Batch, DenseLayer, LayerMemory, LayerSums, Scratch
from sim.temporal.segments import find_constants, find_last_meeting, follows_at_once
from spiketheory.generation.interface import (
    HAS_PEAK,
    HAS_THRESHOLD,
    IS_PROJECTIVE,
    SCALED,
    jump,
    load,
    time_to_spike,
)
from spiketheory.machine.link import kernel


@kernel()
def give_time(memory: LayerMemory, sums: LayerSums, k: int, by_time: float) -> None:
    """Hand the derivative by the time of an event to what sent it."""
    row = memory.event_rows[k]
    if row >= 0:
        memory.events.by_time[memory.outside[k]] = by_time
    else:
        p = -1 - row
        memory.by_spike[p] += by_time
        sums.delays[memory.spikes.neurons[p]] += by_time


@kernel()
def ties_vjp(
    batch: Batch, layer: DenseLayer, memory: LayerMemory, scratch: Scratch, outside: Floats,
    sums: LayerSums, last: int, n_segments: int,
) -> int:  # fmt: skip
    """Derivatives by the times of the simultaneous events of which that of ``last`` is the last.

    ``scratch.adjoints_after`` holds the adjoints after it. Returns the segment of the first.
    """
    adjoints_after, totals = scratch.adjoints_after, scratch.totals
    first = last
    while follows_at_once(memory, first):
        if IS_PROJECTIVE and first % SEGMENTS_PER_BLOCK == 0:
            scales = memory.scales[first // SEGMENTS_PER_BLOCK - 1]
            for i in range(layer.width):
                for c in SCALED:
                    adjoints_after[c, i] *= scales[i]
        first -= 1
    for i in range(layer.width):
        totals[i] = 0.0
    for k in range(first, last + 1):
        weights = find_row(layer, memory, outside, k)
        for i in range(layer.width):
            totals[i] += weights[i]
    for k in range(first, last + 1):
        weights = find_row(layer, memory, outside, k)
        by_time = 0.0
        for i in range(layer.width):
            state, adjoint = load(memory.states[first], i), load(adjoints_after, i)
            constants = find_constants(layer, i)
            rest = totals[i] - weights[i]
            by_time += tie_vjp(state, weights[i], rest, constants, adjoint)
            if WANT_MARGIN and HAS_PEAK:
                by_time += turn_by_time(
                    batch, layer, memory, outside, first, last, i, weights[i], rest
                )
        if HAS_THRESHOLD:
            for p in range(memory.firsts[first], find_last_caused(memory, last, n_segments)):
                i, cause = memory.spikes.neurons[p], memory.causes[p]
                if first <= cause <= last and k == find_crossing_event(
                    layer, memory, outside, first, last, i
                ):
                    by_time += memory.by_cause[p]
        give_time(memory, sums, k, by_time)
    return first


@kernel()
def inputs_vjp(
    batch: Batch, layer: DenseLayer, memory: LayerMemory, scratch: Scratch, outside: Floats,
    totals: Floats, k: int, first_instant: int, input_times: Floats, n_segments: int,
) -> None:  # fmt: skip
    """Derivatives by the time of each input spike of the instant that segment k begins with.

    Args:
        batch: The batch.
        layer: The first layer.
        memory: What the sample left behind there.
        scratch: Memory of the thread, with the adjoints after the event.
        outside: Weights of the events from outside.
        totals: The summed weights of the spikes.
        k: The segment.
        first_instant: The batch's number of the sample's first instant.
        input_times: Where the derivatives are written.
        n_segments: Number of segments of the trial.
    """
    instant = first_instant + memory.event_rows[k]
    first, last = batch.spike_offsets[instant], batch.spike_offsets[instant + 1]
    for s in range(first, last):
        weights = layer.weights[batch.channels[s]]
        by_time = 0.0
        for i in range(layer.width):
            state, adjoint = load(memory.states[k], i), load(scratch.adjoints_after, i)
            constants = find_constants(layer, i)
            by_time += tie_vjp(state, weights[i], totals[i] - weights[i], constants, adjoint)
        input_times[s] = by_time
    if WANT_MARGIN and HAS_PEAK:
        add_turns(batch, layer, memory, outside, k, first, last, input_times, n_segments)
    if HAS_THRESHOLD:
        end = find_last_meeting(memory, k, n_segments)
        for p in range(memory.firsts[k], find_last_caused(memory, k, n_segments)):
            i, cause = memory.spikes.neurons[p], memory.causes[p]
            if k <= cause <= end and k == find_crossing_event(layer, memory, outside, k, end, i):
                s = find_crossing_input(batch, layer, load(memory.states[k], i), first, last, i)
                input_times[s] += memory.by_cause[p]


@kernel()
def add_turns(
    batch: Batch, layer: DenseLayer, memory: LayerMemory, outside: Floats, k: int, first: int,
    last: int, input_times: Floats, n_segments: int,
) -> None:  # fmt: skip
    """Add what maxima at the input spikes ``first`` to ``last - 1`` cost by their times."""
    end = find_last_meeting(memory, k, n_segments)
    while follows_at_once(memory, k):
        k -= 1
    for i in range(layer.width):
        total = 0.0
        for m in range(k, end + 1):
            total += find_row(layer, memory, outside, m)[i]
        for s in range(first, last):
            weight = layer.weights[batch.channels[s], i]
            input_times[s] += turn_by_time(
                batch, layer, memory, outside, k, end, i, weight, total - weight
            )


@kernel()
def find_last_caused(memory: LayerMemory, k: int, n_segments: int) -> int:
    """The spike after the last one that the event of segment k may have caused."""
    last = k
    while last + 1 < n_segments and memory.durations[last] == 0.0:
        last += 1
    return memory.firsts[last + 1]


@kernel()
def add_causes(memory: LayerMemory, k: int, n_segments: int) -> float:
    """What the spikes that the event of segment k caused add to the derivative by its time."""
    total = 0.0
    if HAS_THRESHOLD:
        for p in range(memory.firsts[k], find_last_caused(memory, k, n_segments)):
            if memory.causes[p] == k:
                total += memory.by_cause[p]
    return total


@kernel()
def is_across(layer: DenseLayer, state: Numbers, weight: float, i: int) -> bool:
    """Whether an input carries neuron i to its threshold or beyond."""
    constants = find_constants(layer, i)
    across: bool = time_to_spike(*jump(*state, weight, *constants), *constants) == 0.0
    return across


@kernel()
def find_crossing_input(
    batch: Batch, layer: DenseLayer, state: Numbers, first: int, last: int, i: int
) -> int:
    """Of simultaneous input spikes, in their order, the one that carries neuron i across."""
    found, total, was = last - 1, 0.0, False
    for s in range(first, last):
        total += layer.weights[batch.channels[s], i]
        now = is_across(layer, state, total, i)
        if now and not was:
            found = s
        was = now
    return found


@kernel()
def find_crossing_event(
    layer: DenseLayer, memory: LayerMemory, outside: Floats, first: int, last: int, i: int
) -> int:
    """Of simultaneous events the segment of the one that carries neuron i across."""
    state = load(memory.states[first], i)
    found, total, was = last, 0.0, False
    for k in range(first, last + 1):
        total += find_row(layer, memory, outside, k)[i]
        now = is_across(layer, state, total, i)
        if now and not was:
            found = k
        was = now
    return found
