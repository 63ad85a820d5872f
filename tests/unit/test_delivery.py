"""Spikes under way after a delay: which of them arrives next."""

import itertools

import numpy as np

from sim.events.delivery import send, take
from sim.events.tape import N_IN_FLIGHT, N_SENT, make_in_flight


def test_spikes_arrive_in_the_order_of_time_and_then_in_that_in_which_they_were_sent():
    for times in itertools.permutations([3.0, 1.0, 2.0, 1.0, 3.0, 1.0]):
        in_flight, counts = make_in_flight(6), np.zeros(11, np.int64)
        for k, time in enumerate(times):
            send(in_flight, counts, time, 10 + k, 20 + k)
        assert (counts[N_IN_FLIGHT], counts[N_SENT]) == (6, 6)
        found = [take(in_flight, counts) for _ in times]
        assert counts[N_IN_FLIGHT] == 0
        order = sorted(range(6), key=lambda k: (times[k], k))
        assert found == [(10 + k, 20 + k) for k in order]


def test_spikes_that_set_out_while_others_arrive_take_their_places():
    rng = np.random.default_rng(2)
    in_flight, counts, under_way, now = make_in_flight(64), np.zeros(11, np.int64), [], 0.0
    for k in range(200):
        for _ in range(rng.integers(0, 3) if len(under_way) < 60 else 0):
            time = now + rng.choice([0.0, 0.1, 0.5, 2.0])
            under_way.append((time, int(counts[N_SENT])))
            send(in_flight, counts, time, int(counts[N_SENT]), k)
        if under_way:
            first = min(under_way)
            under_way.remove(first)
            assert in_flight.times[0] == first[0]
            assert take(in_flight, counts)[0] == first[1]
            now = first[0]
    assert counts[N_IN_FLIGHT] == len(under_way)
