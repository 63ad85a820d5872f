"""Spikes under way to their own layer: a binary heap."""

from sim.kernels.types import Floats, Ints
from sim.temporal.records import Pending
from spiketheory.machine.link import kernel


@kernel(inlines=True)
def is_earlier(times: Floats, spikes: Ints, a: int, b: int) -> bool:
    """Whether entry a arrives before entry b; at one instant the earlier spike comes first."""
    return times[a] < times[b] or (times[a] == times[b] and spikes[a] < spikes[b])


@kernel(inlines=True)
def swap(times: Floats, spikes: Ints, a: int, b: int) -> None:
    """Exchange two entries."""
    times[a], times[b] = times[b], times[a]
    spikes[a], spikes[b] = spikes[b], spikes[a]


@kernel()
def push(pending: Pending, count: int, time: float, spike: int) -> int:
    """Add an arrival; returns how many there are then."""
    times, spikes = pending.times, pending.spikes
    times[count], spikes[count] = time, spike
    place = count
    while place > 0 and is_earlier(times, spikes, place, (place - 1) // 2):
        swap(times, spikes, place, (place - 1) // 2)
        place = (place - 1) // 2
    return count + 1


@kernel()
def pop(pending: Pending, count: int) -> int:
    """Take the earliest arrival, which then stands behind the others; returns how many are left."""
    times, spikes = pending.times, pending.spikes
    count -= 1
    swap(times, spikes, 0, count)
    place = 0
    while True:
        least = place
        for child in (2 * place + 1, 2 * place + 2):
            if child < count and is_earlier(times, spikes, child, least):
                least = child
        if least == place:
            return count
        swap(times, spikes, place, least)
        place = least
