"""The queue of coming spikes: which neuron is next, without touching it at every arrival.

It is a calendar queue: time is cut into buckets of equal width. A neuron that will spike stands in
the list of one bucket, never later than that of its spike. When an arrival moves its spike to a
later bucket the neuron stays where it is; when its bucket is reached, it is moved on. Only when its
spike moves to before its bucket is it queued anew. The current bucket is a binary heap of (time,
neuron) in which entries that are out of date are skipped; buckets hold so few spikes that it is
small. When all buckets are used up, new ones are made, as wide as the recent rate of spikes asks
for. Their width decides the speed, never the order: a spike earlier than another stands in the same
bucket or in one before.
"""

from typing import NamedTuple

import numpy as np

from sim.events.interface import DUE
from sim.kernels.types import Floats
from spiketheory.machine.link import kernel

N_BUCKETS = 256
SPIKES_PER_BUCKET = 8
NEURONS_PER_SPIKE = 64
"""A bucket is to hold about one spike per so many neurons, and at least SPIKES_PER_BUCKET."""
GROWTH = 4.0
"""Buckets grow at most by this factor at a time; they may shrink by any."""
NARROWEST, WIDEST = 1e-290, 1e290
"""Bounds of a bucket's width: neither its inverse nor its growth leaves the range of floats. The
shortest trials are one bucket, and all their spikes in its heap."""
NOWHERE = np.iinfo(np.int32).max
END = -1
HEAP_SIZE, CURRENT, IS_IDLE, N_SINCE = range(4)
ORIGIN, WIDTH, REBUILT, UNTIL = range(4)


class SpikeQueue(NamedTuple):
    """The queue's arrays.

    Attributes:
        bucket: Bucket of each neuron: the current one if it is in the heap, a later one if it is
            in that one's list, NOWHERE if it is in neither, shape (n_neurons,).
        following, before: Neighbours in that list, or END, shape (n_neurons,).
        heads: First neuron of each bucket, or END, shape (N_BUCKETS,).
        heap_times, heap_neurons: The heap of the current bucket.
        counts: Heap size, current bucket, whether no spike is due, spikes since the last rebuild.
        scale: Start of the first bucket, width of a bucket, time of the last rebuild,
            end of the trial.
    """

    bucket: np.ndarray
    following: np.ndarray
    before: np.ndarray
    heads: np.ndarray
    heap_times: np.ndarray
    heap_neurons: np.ndarray
    counts: np.ndarray
    scale: np.ndarray


def make_spike_queue(n_neurons: int, duration: float, most_targets: int) -> SpikeQueue:
    """An empty queue, with room for every neuron twice and what one spike can add."""
    capacity = 2 * n_neurons + 2 * most_targets + 1024
    return SpikeQueue(
        bucket=np.full(n_neurons, NOWHERE, np.int32),
        following=np.full(n_neurons, END, np.int32),
        before=np.full(n_neurons, END, np.int32),
        heads=np.full(N_BUCKETS, END, np.int32),
        heap_times=np.empty(capacity),
        heap_neurons=np.empty(capacity, np.int32),
        counts=np.zeros(4, np.int64),
        scale=np.array([0.0, min(max(duration / N_BUCKETS, NARROWEST), WIDEST), 0.0, duration]),
    )


@kernel()
def push(queue: SpikeQueue, time: float, neuron: int) -> None:
    """Add to the heap."""
    times, neurons = queue.heap_times, queue.heap_neurons
    place = queue.counts[HEAP_SIZE]
    queue.counts[HEAP_SIZE] = place + 1
    while place > 0:
        above = (place - 1) // 2
        if times[above] < time or (times[above] == time and neurons[above] <= neuron):
            break
        times[place] = times[above]
        neurons[place] = neurons[above]
        place = above
    times[place] = time
    neurons[place] = neuron


@kernel()
def pop(queue: SpikeQueue) -> None:
    """Remove the top of the heap."""
    times, neurons = queue.heap_times, queue.heap_neurons
    size = queue.counts[HEAP_SIZE] - 1
    queue.counts[HEAP_SIZE] = size
    time, neuron = times[size], neurons[size]
    place = 0
    while True:
        below = 2 * place + 1
        if below >= size:
            break
        other = below + 1
        if other < size and (
            times[other] < times[below]
            or (times[other] == times[below] and neurons[other] < neurons[below])
        ):
            below = other
        if time < times[below] or (time == times[below] and neuron <= neurons[below]):
            break
        times[place] = times[below]
        neurons[place] = neurons[below]
        place = below
    times[place] = time
    neurons[place] = neuron


@kernel()
def link(queue: SpikeQueue, i: int, bucket: int) -> None:
    """Put a neuron into a bucket's list."""
    head = queue.heads[bucket]
    queue.following[i] = head
    queue.before[i] = END
    if head != END:
        queue.before[head] = i
    queue.heads[bucket] = i
    queue.bucket[i] = bucket


@kernel()
def unlink(queue: SpikeQueue, i: int) -> None:
    """Take a neuron out of its bucket's list."""
    after, before = queue.following[i], queue.before[i]
    if before == END:
        queue.heads[queue.bucket[i]] = after
    else:
        queue.following[before] = after
    if after != END:
        queue.before[after] = before


@kernel()
def place(queue: SpikeQueue, i: int, time: float, ahead: float) -> None:
    """Queue a neuron that is in no list."""
    current = queue.counts[CURRENT]
    if ahead < current + 1:
        queue.bucket[i] = current
        push(queue, time, i)
    elif ahead < N_BUCKETS:
        link(queue, i, int(ahead))
    else:
        queue.bucket[i] = NOWHERE


@kernel()
def measure(queue: SpikeQueue, time: float) -> float:
    """How many buckets ahead of the first a time is."""
    return (time - queue.scale[ORIGIN]) * (1.0 / queue.scale[WIDTH])


@kernel()
def schedule(queue: SpikeQueue, cells: Floats, i: int, time: float) -> None:
    """Take note of the time of a neuron's next spike, inf for none."""
    same = cells[DUE, i] == time
    cells[DUE, i] = time
    if time == np.inf:
        return
    queue.counts[IS_IDLE] = 0
    bucket, current = queue.bucket[i], queue.counts[CURRENT]
    ahead = measure(queue, time)
    if bucket == NOWHERE:
        place(queue, i, time, ahead)
    elif bucket > current:
        if ahead < bucket:
            unlink(queue, i)
            place(queue, i, time, ahead)
    elif ahead < current + 1 and not same:
        push(queue, time, i)


@kernel()
def move_on(queue: SpikeQueue, cells: Floats, i: int) -> None:
    """Queue a neuron again whose entry was out of date."""
    time = cells[DUE, i]
    queue.bucket[i] = NOWHERE
    if time < np.inf:
        place(queue, i, time, measure(queue, time))


@kernel()
def open_bucket(queue: SpikeQueue, cells: Floats) -> None:
    """Make the next bucket the current one."""
    current = queue.counts[CURRENT] + 1
    queue.counts[CURRENT] = current
    i = queue.heads[current]
    queue.heads[current] = END
    while i != END:
        following = queue.following[i]
        move_on(queue, cells, i)
        i = following


@kernel()
def rebuild(queue: SpikeQueue, cells: Floats, now: float) -> None:
    """Make new buckets, of a width that suits the recent rate of spikes."""
    n = queue.bucket.shape[0]
    counts, scale = queue.counts, queue.scale
    width = scale[WIDTH] * (GROWTH if now > 0.0 else 1.0)
    elapsed = now - scale[REBUILT]
    if counts[N_SINCE] > 0 and elapsed > 0.0:
        wanted = max(float(SPIKES_PER_BUCKET), n / NEURONS_PER_SPIKE)
        width = min(width, wanted * elapsed / counts[N_SINCE])
    first = np.inf
    for i in range(n):
        first = min(first, cells[DUE, i])
    scale[ORIGIN] = first if first < np.inf else now
    scale[WIDTH] = min(max(width, NARROWEST), WIDEST)
    scale[REBUILT] = now
    counts[N_SINCE] = 0
    counts[HEAP_SIZE] = 0
    counts[CURRENT] = 0
    counts[IS_IDLE] = first == np.inf
    queue.heads[:] = END
    for i in range(n):
        move_on(queue, cells, i)


@kernel()
def is_crowded(queue: SpikeQueue) -> bool:
    """Whether the heap is so large that narrower buckets would pay."""
    n = queue.bucket.shape[0]
    return queue.counts[HEAP_SIZE] > 1024 + n // 4 and queue.counts[N_SINCE] > n // 8


@kernel()
def find_next(queue: SpikeQueue, cells: Floats, now: float) -> int:
    """The neuron that spikes next; END if none will."""
    counts = queue.counts
    if is_crowded(queue):
        rebuild(queue, cells, now)
    while True:
        while counts[HEAP_SIZE] > 0:
            i = queue.heap_neurons[0]
            is_queued = queue.bucket[i] == counts[CURRENT]
            if is_queued and cells[DUE, i] == queue.heap_times[0]:
                return i
            pop(queue)
            if is_queued and not measure(queue, cells[DUE, i]) < counts[CURRENT] + 1:
                move_on(queue, cells, i)
        if counts[IS_IDLE]:
            return END
        if counts[CURRENT] + 1 < N_BUCKETS:
            open_bucket(queue, cells)
        else:
            rebuild(queue, cells, now)


@kernel()
def release(queue: SpikeQueue, i: int) -> None:
    """Take the next neuron out of the queue: it spikes now."""
    pop(queue)
    queue.bucket[i] = NOWHERE
    queue.counts[N_SINCE] += 1


@kernel()
def has_room(queue: SpikeQueue, n_targets: int) -> bool:
    """Whether the heap can take in so many neurons."""
    return queue.counts[HEAP_SIZE] + n_targets + 2 <= queue.heap_times.shape[0]
