"""The sort of a layer's spikes by time."""

import numpy as np

from sim.kernels.types import Floats, Ints
from sim.layers.buffers import Spikes
from spiketheory.machine.link import kernel

SMALL_SORT = 16
SMALL_RANKING = 128


@kernel(inlines=True)
def comes_later(spikes: Spikes, a: int, b: int) -> bool:
    """Whether spike a comes after spike b; at the same time neurons decide."""
    return spikes.times[a] > spikes.times[b] or (
        spikes.times[a] == spikes.times[b] and spikes.neurons[a] > spikes.neurons[b]
    )


@kernel()
def sort_spikes(spikes: Spikes, order: Ints, first: int, last: int) -> None:
    """Sort ``order[first:last]`` by time: insertion sort, which is stable."""
    for k in range(first + 1, last):
        moving = order[k]
        place = k
        while place > first and comes_later(spikes, order[place - 1], moving):
            order[place] = order[place - 1]
            place -= 1
        order[place] = moving


@kernel()
def merge_spikes(
    spikes: Spikes, order: Ints, spare: Ints, first: int, middle: int, last: int
) -> None:
    """Merge two sorted neighbouring runs of ``order`` by way of ``spare``; stable."""
    left, right = first, middle
    for k in range(first, last):
        if right >= last or (left < middle and not comes_later(spikes, order[left], order[right])):
            spare[k] = order[left]
            left += 1
        else:
            spare[k] = order[right]
            right += 1
    for k in range(first, last):
        order[k] = spare[k]


@kernel()
def sort_segment(spikes: Spikes, order: Ints, spare: Ints, first: int, last: int) -> None:
    """Sort ``order[first:last]`` by time: short runs, which are then merged."""
    for start in range(first, last, SMALL_SORT):
        sort_spikes(spikes, order, start, min(start + SMALL_SORT, last))
    width = SMALL_SORT
    while width < last - first:
        for start in range(first, last - width, 2 * width):
            middle = start + width
            merge_spikes(spikes, order, spare, start, middle, min(middle + width, last))
        width *= 2


@kernel()
def sort_by_segment(spikes: Spikes, count: int, order: Ints, spare: Ints) -> None:
    """Write indices of all spikes in order of time; segments already are in order."""
    segments = spikes.segments
    for k in range(count):
        order[k] = k
    first = 0
    for last in range(1, count + 1):
        if last == count or segments[last] != segments[first]:
            if last - first > 1:
                sort_segment(spikes, order, spare, first, last)
            first = last


@kernel()
def rank_spikes(times: Floats, count: int, ranks: Ints) -> bool:
    """Write how many spikes come before each; returns whether no two come at the same time.

    Four are compared with all others at a time. Their number is rounded up where there is room,
    by spikes that never come.
    """
    padded = min(count + -count % 8, times.shape[0])
    for p in range(padded):
        ranks[p] = 0
    for p in range(count, padded):
        times[p] = np.inf
    whole = padded // 4 * 4
    for q in range(0, whole, 4):
        a, b, c, d = times[q], times[q + 1], times[q + 2], times[q + 3]
        for p in range(padded):
            ranks[p] += (int(a < times[p]) + int(b < times[p])) + (
                int(c < times[p]) + int(d < times[p])
            )
    for q in range(whole, count):
        for p in range(count):
            ranks[p] += int(times[q] < times[p])
    total = 0
    for p in range(count):
        total += ranks[p]
    return total == count * (count - 1) // 2


@kernel()
def order_spikes(
    spikes: Spikes, count: int, order: Ints, spare: Ints, sorted_times: Floats, sorted_neurons: Ints
) -> None:
    """Write indices, times and neurons of all spikes in order of time.

    A few spikes are ranked by comparing each with each, which needs no branches and is faster.
    """
    if count <= SMALL_RANKING and rank_spikes(spikes.times, count, spare):
        for k in range(count):
            rank = spare[k]
            order[rank] = k
            sorted_times[rank] = spikes.times[k]
            sorted_neurons[rank] = spikes.neurons[k]
    else:
        sort_by_segment(spikes, count, order, spare)
        for k in range(count):
            sorted_times[k] = spikes.times[order[k]]
            sorted_neurons[k] = spikes.neurons[order[k]]
