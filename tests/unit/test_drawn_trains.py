"""Input spikes that are drawn: their laws, and that it does not matter how one asks for them."""

import math

import numpy as np
import pytest
from scipy import stats

from sim.inputs import drawing
from sim.inputs.drawn_trains import DrawnTrains, make_seed, sort_spikes
from spiketheory.errors import InputError

STEPS = {"starts": [0.0, 2.0, 5.0], "rates": [[3.0, 0.0], [0.0, 4.0], [10.0, 10.0]]}


def split(trains: DrawnTrains) -> list[np.ndarray]:
    return [trains.times[trains.channels == c] for c in range(trains.size)]


def test_regular_trains_spike_when_the_integral_of_the_rate_reaches_whole_numbers():
    trains = DrawnTrains(name="r", size=2, process="regular", duration=6.0, **STEPS)
    first, second = split(trains)
    # channel 0: 3 t up to 2 (6 spikes), nothing up to 5, then 10 per unit
    assert first[:6].tolist() == [1 / 3, 2 / 3, 1.0, 4 / 3, 5 / 3, 2.0]
    np.testing.assert_allclose(first[6:], 5.0 + np.arange(1, 11) / 10, rtol=1e-15)
    np.testing.assert_allclose(second[:12], 2.0 + np.arange(1, 13) / 4, rtol=1e-15)
    assert len(second) == 12 + 10


def test_a_phase_is_the_part_of_the_first_interval_that_has_passed():
    trains = DrawnTrains(
        name="r", size=2, process="regular", rates=0.5, phases=[0.0, 0.75], duration=5.0
    )
    assert [own.tolist() for own in split(trains)] == [[2.0, 4.0], [0.5, 2.5, 4.5]]


def test_intervals_of_poisson_trains_are_exponential_and_independent():
    trains = DrawnTrains(name="p", size=40, rates=2.0, duration=500.0, seed=3)
    gaps = np.concatenate([np.diff(own, prepend=0.0) for own in split(trains)])
    assert stats.kstest(gaps, "expon", args=(0, 0.5)).pvalue > 1e-3
    assert abs(gaps.std() / gaps.mean() - 1) < 0.02
    counts = np.histogram2d(trains.channels, trains.times, bins=(np.arange(41), 100))[0]
    correlations = np.corrcoef(counts)[np.triu_indices(40, 1)]
    assert abs(correlations.mean()) < 4 / math.sqrt(100 * 780)
    assert abs(np.corrcoef(gaps[:-1], gaps[1:])[0, 1]) < 4 / math.sqrt(len(gaps))


def test_the_counts_of_a_step_are_those_of_its_rate():
    trains = DrawnTrains(name="p", size=2000, starts=[0.0, 2.0, 5.0], rates=[3.0, 0.0, 10.0],
                         duration=6.0)  # fmt: skip
    counts = np.histogram2d(trains.channels, trains.times, bins=(np.arange(2001), [0, 2, 5, 6]))[0]
    np.testing.assert_allclose(counts.mean(axis=0), [6.0, 0.0, 10.0], atol=4 * (10 / 2000) ** 0.5)
    fano = counts[:, 2].var(ddof=1) / counts[:, 2].mean()
    assert abs(fano - 1) < 4 * (2 / 2000) ** 0.5


@pytest.mark.parametrize("process", ["poisson", "regular"])
def test_pieces_of_time_and_subsets_of_channels_give_the_same_bits(process):
    trains = DrawnTrains(name="p", size=2, process=process, duration=6.0, seed=9, **STEPS)
    source = trains.open()
    parts = [source.draw_until(end) for end in (0.1, 1 / 3, 2.0, 2.0, 5.3, 6.0)]
    assert np.array_equal(np.concatenate([p[0] for p in parts]), trains.times)
    assert np.array_equal(np.concatenate([p[1] for p in parts]), trains.channels)
    assert np.concatenate([p[0] for p in parts[:2]]).max(initial=0.0) <= 1 / 3
    alone, channels = trains.open(np.array([1])).draw_until(6.0)
    assert np.array_equal(alone, trains.times[trains.channels == 1])
    assert set(channels) == {1}


def test_a_train_is_drawn_again_where_there_was_no_room():
    trains = DrawnTrains(name="p", size=1, rates=50.0, duration=20.0)
    source = trains.open()
    source.trains.__dict__["count_expected"] = lambda end=None: 0.0
    assert np.array_equal(source.draw_until(20.0)[0], DrawnTrains(
        name="p", size=1, rates=50.0, duration=20.0).times)  # fmt: skip


@pytest.mark.parametrize("spread", [1.0, 1e-9])
def test_spikes_are_sorted_whether_they_are_even_or_in_one_place(spread):
    rng = np.random.default_rng(0)
    times = 3.0 + np.round(spread * rng.random(3000), 12 if spread < 1 else 3)
    times[0], times[1] = 3.0, 5.0  # both ends count
    channels = np.arange(3000)
    order = np.argsort(times, kind="stable")  # many times come twice
    found = sort_spikes(times, channels, 3.0, 5.0)
    assert len(np.unique(times)) < 2990
    assert np.array_equal(found[0], times[order])
    assert np.array_equal(found[1], channels[order])


def test_seeds_and_names_give_other_spikes():
    def draw(seed: int) -> list[float]:
        return DrawnTrains(name="p", size=1, rates=1.0, duration=9.0, seed=seed).times.tolist()

    seeds = {make_seed(seed, name) for seed in (0, 1) for name in ("a", "b")}
    assert len(seeds) == 4
    assert draw(1) != draw(2)
    assert draw(1) == draw(1)


def test_the_logarithm_is_within_a_unit_of_the_last_place():
    values = np.concatenate([np.random.default_rng(0).random(2000), [1.0, 0.5, 2.0**-52, 0.7071]])
    for x in values:
        assert abs(drawing.log_number(x) - math.log(x)) <= math.ulp(math.log(x))


def test_spikes_of_an_instant_are_in_the_order_of_their_channels():
    trains = DrawnTrains(name="r", size=3, process="regular", rates=1.0, duration=2.0)
    assert trains.times.tolist() == [1.0] * 3 + [2.0] * 3
    assert trains.channels.tolist() == [0, 1, 2, 0, 1, 2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rates": -1.0}, r"Expected rates >= 0 of in but got -1.0"),
        ({"rates": [1.0]}, r"rates of in"),
        ({"rates": [1.0, 2.0], "starts": [1.0, 2.0]}, r"rise from 0 on"),
        ({"rates": [1.0, 2.0], "starts": [0.0, 0.0]}, r"rise from 0 on"),
        ({"rates": math.inf}, r"rates of in"),
        ({"process": "gamma"}, r"process of in"),
        ({"phases": 1.0}, r"Expected phases of in from 0 to below 1"),
        ({"seed": -1}, r"Expected a seed of in from 0"),
        ({"size": 0}, r"Expected at least one channel in in"),
    ],
)
def test_bad_trains_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        DrawnTrains(**{"name": "in", "size": 2, "rates": 1.0, "duration": 5.0} | change)
