"""Statistics of spike trains, against cases that are worked by hand or known in theory."""

import math

import numpy as np
import pytest

from sim.analysis.spike_data import SpikeData
from sim.analysis.spike_measures import (
    bin_spikes,
    list_intervals,
    measure_correlations,
    measure_cv,
    measure_fano,
    measure_rate,
    measure_spectrum,
    smooth_rate,
)
from sim.inputs.drawn_trains import DrawnTrains
from spiketheory.errors import InputError

POISSON = DrawnTrains(name="p", size=400, rates=0.5, duration=400.0, seed=7)
REGULAR = DrawnTrains(name="r", size=3, rates=0.5, duration=400.0, process="regular")


def test_a_spike_on_an_edge_is_in_the_later_bin():
    times = np.array([0.0, 0.5, 1.0, 1.9, 2.0, 3.5])
    assert bin_spikes(times, 0.0, 3.0, 1.0).tolist() == [2, 2, 1]
    assert bin_spikes(times, 0.5, 3.7, 1.0).tolist() == [2, 2, 0]  # 3.5 is behind the last
    assert bin_spikes(times, 0.0, 0.3, 0.1).tolist() == [1, 0, 0]  # 0.3/0.1 is below 3 in floats


def test_a_rate_is_spikes_per_neuron_and_time():
    assert measure_rate(np.array([0.1, 0.2, 1.5]), 4, 0.0, 2.0, 0.5).tolist() == [1.0, 0, 0, 0.5]
    rate = measure_rate(POISSON.times, 400, 0.0, 400.0, 1.0)
    assert abs(rate.mean() - 0.5) < 4 * math.sqrt(0.5 / (400 * 400))


def test_smoothing_keeps_a_constant_and_spreads_a_pulse_as_a_gaussian():
    np.testing.assert_allclose(smooth_rate(np.full(50, 3.0), 0.1, 0.7), 3.0, rtol=1e-12)
    pulse = np.zeros(201)
    pulse[100] = 1.0
    smooth = smooth_rate(pulse, 0.5, 2.0)
    wanted = 0.5 * np.exp(-0.5 * (np.arange(-5, 6) * 0.5 / 2.0) ** 2) / (2 * math.sqrt(2 * math.pi))
    np.testing.assert_allclose(smooth[95:106], wanted, rtol=1e-3)
    np.testing.assert_allclose(smooth.sum(), 1.0, rtol=1e-12)


def test_intervals_are_those_of_one_neuron():
    intervals, owners = list_intervals(np.array([0.0, 1.0, 1.5, 4.0]), np.array([1, 0, 1, 1]))
    assert intervals.tolist() == [1.5, 2.5]
    assert owners.tolist() == [1, 1]


def test_the_cv_of_poisson_trains_is_1_and_of_regular_ones_0():
    # the sample's sd over 200 intervals has a bias of some 1 / 200
    assert abs(np.nanmean(measure_cv(POISSON.times, POISSON.channels, 400)) - 1) < 0.02
    np.testing.assert_allclose(measure_cv(REGULAR.times, REGULAR.channels, 3), 0.0, atol=1e-12)
    two = measure_cv(np.array([0.0, 1.0, 4.0]), np.zeros(3, int), 2)  # intervals 1 and 3
    assert two[0] == pytest.approx(0.5)
    assert np.isnan(two[1])


def test_the_fano_factor_of_poisson_trains_is_1_and_of_regular_ones_0():
    fano = measure_fano(POISSON.times, POISSON.channels, 400, 0.0, 400.0, 10.0)
    assert abs(fano.mean() - 1) < 4 * math.sqrt(2 / 39 / 400)
    assert measure_fano(REGULAR.times, REGULAR.channels, 3, 1.0, 399.0, 2.0).tolist() == [0, 0, 0]
    # counts 2, 0, 1: mean 1, variance (1 + 1 + 0) / 2
    hand = measure_fano(np.array([0.1, 0.2, 2.5]), np.zeros(3, int), 2, 0.0, 3.0, 1.0)
    assert hand[0] == pytest.approx(1.0)
    assert np.isnan(hand[1])


def test_equal_trains_are_correlated_by_1_and_independent_ones_by_0():
    times = np.repeat(np.array([0.5, 2.5, 2.7, 7.1]), 2)
    twins = measure_correlations(times, np.tile([3, 5], 4), np.array([3, 5]), 0.0, 8.0, 1.0)
    assert twins.tolist() == [pytest.approx(1.0)]
    chosen = np.arange(0, 400, 4)
    found = measure_correlations(POISSON.times, POISSON.channels, chosen, 0.0, 400.0, 2.0)
    assert len(found) == 100 * 99 / 2
    assert abs(found.mean()) < 4 / math.sqrt(200 * len(found))
    assert abs(found.std() * math.sqrt(200) - 1) < 0.1


def test_correlations_by_hand():
    # counts (1, 0, 1, 0) and (1, 1, 0, 0): covariance 0; (1, 0, 1, 0) and (0, 1, 0, 1): -1
    times, neurons = np.array([0.5, 0.5, 1.5, 1.5, 2.5, 3.5]), np.array([0, 1, 1, 2, 0, 2])
    found = measure_correlations(times, neurons, np.array([0, 1, 2, 3]), 0.0, 4.0, 1.0)
    np.testing.assert_allclose(found, [0.0, -1.0, 0.0], atol=1e-15)  # neuron 3 never spikes
    assert len(measure_correlations(times, neurons, np.array([3]), 0.0, 4.0, 1.0)) == 0


def test_the_spectrum_of_poisson_trains_is_flat():
    rate = measure_rate(POISSON.times, 400, 0.0, 400.0, 0.1)
    frequencies, density = measure_spectrum(rate, 0.1, segment=100)
    assert frequencies[[0, -1]].tolist() == [pytest.approx(0.1), pytest.approx(5.0)]
    flat = density[1:-1]
    np.testing.assert_allclose(flat.mean(), 2 * 0.5 / 400, rtol=0.03)
    low, high = flat[: len(flat) // 2].mean(), flat[len(flat) // 2 :].mean()
    assert abs(low / high - 1) < 0.1


def test_the_spectrum_of_a_rhythm_has_its_peak_there_and_its_variance():
    times = np.arange(4000) * 0.1
    rate = 5.0 + 2.0 * np.sin(2 * np.pi * 1.25 * times)
    frequencies, density = measure_spectrum(rate, 0.1)
    assert frequencies[density.argmax()] == pytest.approx(1.25, abs=0.02)
    np.testing.assert_allclose(density.sum() * frequencies[0], 2.0**2 / 2, rtol=0.01)


def test_bins_wider_than_the_run_are_refused():
    with pytest.raises(InputError, match=r"Expected bins that fit between 0 and 1 but got .* 2"):
        measure_rate(np.zeros(1), 1, 0.0, 1.0, 2.0)


def test_a_population_is_selected_with_places_among_what_was_recorded():
    data = SpikeData(
        times=np.array([0.5, 1.0, 1.5, 2.0]), neurons=np.array([4, 1, 7, 4]), names=("a", "b"),
        sizes=(3, 6), recorded=np.array([1, 4, 5, 7]), time=3.0,
    )  # fmt: skip
    times, places, own = data.select(1, 0.7)
    assert (times.tolist(), places.tolist(), own.tolist()) == ([1.5, 2.0], [2, 0], [4, 5, 7])
