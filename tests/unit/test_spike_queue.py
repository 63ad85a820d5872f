"""The queue of coming spikes: whatever its buckets are, the next spike is the first one."""

import itertools

import numpy as np
import pytest

from sim.events.interface import DUE
from sim.events.spike_queue import (
    END,
    HEAP_SIZE,
    N_BUCKETS,
    N_SINCE,
    SPIKES_PER_BUCKET,
    WIDTH,
    find_next,
    has_room,
    is_crowded,
    link,
    make_spike_queue,
    measure,
    pop,
    push,
    rebuild,
    release,
    schedule,
    unlink,
)


def make_cells(times):
    """Cells of the only row that the queue reads: the times of the next spikes."""
    assert DUE == 0
    return np.array([times])


def drain(queue, cells, now=0.0):
    """Time and neuron of every spike, in the queue's order; each neuron spikes once."""
    found = []
    while (i := find_next(queue, cells, now)) != END:
        now = cells[DUE, i]
        found.append((float(now), i))
        release(queue, i)
        schedule(queue, cells, i, np.inf)
    return found


def test_the_heap_gives_back_times_in_their_order_and_equal_ones_by_neuron():
    for order in itertools.permutations([(1.0, 2), (1.0, 0), (2.0, 5), (1.0, 1), (2.0, 3)]):
        queue, found = make_spike_queue(6, 1.0, 1), []
        for time, neuron in order:
            push(queue, time, neuron)
        while queue.counts[HEAP_SIZE]:
            found.append((queue.heap_times[0], queue.heap_neurons[0]))
            pop(queue)
        assert found == sorted(order)


@pytest.mark.parametrize("width", [1e-9, 0.02, 1e3])
def test_spikes_come_in_their_order_however_wide_the_buckets_are(width):
    rng = np.random.default_rng(4)
    times = np.round(rng.uniform(0, 30, 60), 1)
    times[::7] = np.inf
    cells, queue = make_cells(times), make_spike_queue(60, 30.0, 4)
    queue.scale[WIDTH] = width
    rebuild(queue, cells, 0.0)
    due = [(float(t), i) for i, t in enumerate(times) if t < np.inf]
    assert drain(queue, cells) == sorted(due)


def test_spikes_that_are_moved_while_others_come_keep_the_order():
    """As in a run: after each spike a few neurons are moved, to and fro, or silenced."""
    rng = np.random.default_rng(5)
    cells, queue = make_cells(rng.uniform(0, 3, 40)), make_spike_queue(40, 3.0, 4)
    rebuild(queue, cells, 0.0)
    for _ in range(600):
        i = find_next(queue, cells, 0.0)
        now = cells[DUE].min()
        assert i == int(np.argmin(cells[DUE]))
        release(queue, i)
        schedule(queue, cells, i, now + rng.choice([0.0, 0.1, 1.0, 5.0]))
        for j in rng.integers(0, 40, 4):
            schedule(queue, cells, j, now + rng.choice([0.0, 0.003, 0.2, 2.0, np.inf]))


def test_a_neuron_is_taken_out_of_its_list_wherever_it_stands():
    for gone in itertools.permutations(range(4)):
        queue, left = make_spike_queue(4, 1.0, 1), [3, 2, 1, 0]
        for i in range(4):
            link(queue, i, 7)
        for i in gone:
            unlink(queue, i)
            left.remove(i)
            found, j = [], queue.heads[7]
            while j != END:
                found.append(j)
                j = queue.following[j]
            assert found == left


def test_buckets_hold_about_as_many_spikes_as_came_lately():
    queue, cells = make_spike_queue(4, 256.0, 1), make_cells([3.0, 4.0, 9.0, np.inf])
    assert (N_BUCKETS, SPIKES_PER_BUCKET, queue.scale[WIDTH]) == (256, 8, 1.0)
    queue.counts[N_SINCE] = 80
    rebuild(queue, cells, 2.0)
    assert queue.scale[WIDTH] == pytest.approx(0.2)
    rebuild(queue, cells, 4.0)
    assert queue.scale[WIDTH] == pytest.approx(0.8)


def test_times_are_measured_in_buckets_from_the_first():
    queue = make_spike_queue(1, 256.0, 1)
    assert [measure(queue, time) for time in (0.0, 2.5, 256.0)] == [0.0, 2.5, 256.0]
    queue.scale[WIDTH] = 0.5
    rebuild(queue, make_cells([3.0]), 2.0)
    assert queue.scale[WIDTH] == 2.0
    assert [measure(queue, time) for time in (2.0, 3.0, 8.0)] == [-0.5, 0.0, 2.5]


def test_a_full_heap_is_noticed_before_it_overflows():
    queue = make_spike_queue(2, 1.0, 1)
    room = len(queue.heap_times)
    assert has_room(queue, room - 2)
    assert not has_room(queue, room - 1)
    push(queue, 1.0, 0)
    assert not has_room(queue, room - 2)


def test_a_heap_is_crowded_when_it_is_large_and_spikes_came_since_it_was_made():
    queue = make_spike_queue(8, 1.0, 1000)
    queue.counts[HEAP_SIZE], queue.counts[N_SINCE] = 1024 + 2, 2
    assert not is_crowded(queue)
    queue.counts[HEAP_SIZE] += 1
    assert is_crowded(queue)
    queue.counts[N_SINCE] = 1
    assert not is_crowded(queue)
