"""Times of arrival are sums of whole ticks."""

import numpy as np
import pytest

from sim.network.instants import choose_ticks, count_ticks, find_arrival
from spiketheory.errors import InputError

SOME = [np.zeros(2), np.array([0.0, 0.1])]


@pytest.mark.parametrize(
    ("duration", "ticks"), [(1.0, 1e15), (2.0, 1e14), (10.0, 1e14), (0.5, 1e15), (0.1, 1e16)]
)
def test_a_tick_is_a_power_of_ten_of_which_at_most_ten_to_the_fifteen_make_the_trial(
    duration, ticks
):
    assert choose_ticks(duration, SOME) == ticks


def test_without_delays_nothing_is_counted_however_short_the_trial():
    assert choose_ticks(1e-300, [np.zeros(3), np.zeros(0)]) == 1.0
    assert choose_ticks(1e-300, []) == 1.0


def test_the_shortest_trial_with_delays_is_still_counted_and_a_shorter_one_refused():
    assert choose_ticks(1e-290, SOME) == 1e305
    with pytest.raises(InputError, match=r"duration of at least 1e-290 .* got 9\.9e-291; give"):
        choose_ticks(9.9e-291, SOME)


def test_delays_are_rounded_to_ticks_and_endless_ones_are_infinite():
    assert count_ticks(np.array([0.0, 0.24, 0.26, 1e308]), 10.0).tolist() == [0.0, 2.0, 3.0, np.inf]


def test_arrivals_are_decimal_sums():
    ticks = choose_ticks(1.0, SOME)
    one, other = count_ticks(np.array([0.02, 0.0507]), ticks)
    assert 0.1 + 0.2 != 0.3 == find_arrival(0.1, count_ticks(np.array(0.2), ticks), ticks)
    ways = [find_arrival(find_arrival(0.3, a, ticks), b, ticks)
            for a, b in ((one, other), (other, one))]  # fmt: skip
    assert ways == [0.3707, 0.3707]
