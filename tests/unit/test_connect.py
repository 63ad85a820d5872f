"""Connectivity generators, Poisson inputs, statistics and Lyapunov exponents."""

import numpy as np
import pytest
from networks import compiled
from test_recurrent import make

from sim.analysis.lyapunov import find_lyapunov_exponent
from sim.analysis.spike_measures import measure_cv
from sim.analysis.spike_statistics import measure_statistics, measure_synchrony
from sim.events.simulate import simulate
from sim.network.connect import (
    connect_edges,
    connect_fixed_in_degree,
    connect_small_world,
    draw_poisson,
)
from sim.network.network import Network, Population, Projection
from spiketheory.errors import InputError


@pytest.mark.parametrize("degree", [0, 3, 40, 79])
def test_every_neuron_hears_equally_many_different_others(degree):
    rng = np.random.default_rng(0)
    matrix = connect_fixed_in_degree(80, 80, degree, -0.5, rng, self_connections=False)
    dense = matrix.toarray()
    assert set(dense[dense != 0]) <= {-0.5}
    assert ((dense != 0).sum(axis=1) == degree).all()
    assert not np.diag(dense).any()
    assert matrix.nnz == (dense != 0).sum()


def test_senders_are_equally_likely():
    counts = np.zeros(30)
    for seed in range(200):
        matrix = connect_fixed_in_degree(30, 30, 5, 1.0, np.random.default_rng(seed))
        counts += matrix.toarray().sum(axis=0)
    assert abs(counts / 1000 - 1).max() < 0.15


def test_a_small_world_that_is_not_rewired_is_a_ring_and_rewiring_keeps_the_in_degree():
    rng = np.random.default_rng(1)
    ring = connect_small_world(10, 4, 0.0, 1.0, rng).toarray()
    assert np.flatnonzero(ring[0]).tolist() == [1, 2, 8, 9]
    moved = connect_small_world(50, 6, 0.3, 1.0, rng).toarray()
    assert (moved.sum(axis=1) == 6).all()
    assert not np.diag(moved).any()
    kept = (moved * connect_small_world(50, 6, 0.0, 1.0, rng).toarray()).sum() / 300
    assert 0.6 < kept < 0.8


def test_a_list_of_edges_becomes_a_matrix():
    matrix = connect_edges([[0, 1, 2.5], [2, 0, -1.0]], n_post=2, n_pre=3).toarray()
    assert matrix.tolist() == [[0.0, 0.0, -1.0], [2.5, 0.0, 0.0]]


def test_poisson_trains_have_their_rates_and_exponential_intervals():
    trains = draw_poisson("in", 3, [0.0, 2.0, 5.0], 2000.0, np.random.default_rng(0))
    counts = np.bincount(trains.channels, minlength=3)
    assert counts[0] == 0
    assert counts[1] == pytest.approx(4000, rel=0.05)
    assert counts[2] == pytest.approx(10000, rel=0.05)
    assert (np.diff(trains.times) >= 0).all()
    own = trains.times[trains.channels == 2]
    assert np.std(np.diff(own)) / np.mean(np.diff(own)) == pytest.approx(1.0, abs=0.05)


REFUSED = [
    (lambda rng: connect_fixed_in_degree(4, 4, 5, 1.0, rng), "Expected an in-degree from 0 to 4"),
    (lambda rng: connect_fixed_in_degree(2, 4, 2, np.ones(3), rng), "Expected weight of shape"),
    (lambda rng: connect_small_world(9, 3, 0.1, 1.0, rng), "Expected an even number of neighbours"),
    (lambda rng: connect_small_world(9, 2, 1.5, 1.0, rng), "Expected a probability from 0 to 1"),
    (lambda rng: connect_edges([[0, 9, 1.0]], 2, 2), "Expected edges from neurons 0 to 1"),
    (lambda rng: connect_edges([[0, np.nan, 1.0]], 2, 2), "Expected finite numbers in edges"),
    (lambda rng: draw_poisson("in", 2, -1.0, 1.0, rng), "Expected rates >= 0 of in but got -1.0"),
]


@pytest.mark.parametrize(("draw", "message"), REFUSED, ids=[m[:40] for _, m in REFUSED])
def test_what_makes_no_network_is_refused(draw, message):
    with pytest.raises(InputError, match=message):
        draw(np.random.default_rng(0))


def test_statistics_of_regular_and_irregular_trains():
    regular = np.arange(10.0)
    irregular = np.cumsum(np.random.default_rng(0).exponential(1.0, 4000))
    times = np.concatenate([regular, irregular, [0.5]])
    neurons = np.concatenate([np.zeros(10, int), np.ones(4000, int), [2]])
    cv = measure_cv(times, neurons, 4)
    assert cv[0] == pytest.approx(0.0, abs=1e-12)
    assert cv[1] == pytest.approx(1.0, abs=0.05)
    assert np.isnan(cv[2:]).all()


def test_synchrony_is_one_for_equal_trains_and_small_for_independent_ones():
    times = np.tile(np.arange(50.0), 40)
    neurons = np.repeat(np.arange(40), 50)
    assert measure_synchrony(times, neurons, 40, 50.0) == pytest.approx(1.0)
    shifted = times + np.repeat(np.arange(40) / 40, 50)
    assert measure_synchrony(shifted, neurons, 40, 50.0) < 0.1
    assert np.isnan(measure_synchrony(times[:1], neurons[:1], 40, 50.0))


def test_statistics_of_a_run_leave_out_the_transient():
    recording = simulate(make([[0.0]], duration=30.0))
    found = measure_statistics(recording, start=10.0)
    assert found.rates[0] == pytest.approx(1 / np.pi, rel=0.1)
    assert found.mean_rate == found.rates[0]
    assert found.mean_cv == pytest.approx(0.0, abs=1e-9)
    with pytest.raises(InputError, match="Expected a start from 0 to below 30"):
        measure_statistics(recording, start=30.0)


def balanced(seed=0, *, duration=120.0, shift=0.0, n=100, degree=20):
    rng = np.random.default_rng(seed)
    weights = connect_fixed_in_degree(
        n, n, degree, -1.0 / np.sqrt(degree), rng, self_connections=False
    )
    start = rng.normal(0.5, 0.5, n)
    start[0] += shift
    return Network(
        populations=[
            Population(name="n", model=compiled("theta"), size=n, initial={"V": start},
                       parameters={"I0": 1.25}),
        ],
        projections=[Projection(pre="n", post="n", weights=weights)],
        duration=duration,
    )  # fmt: skip


def test_uncoupled_neurons_have_the_exponent_zero():
    recording = simulate(make(np.zeros((3, 3)), duration=60.0, initial={"V": [0.0, 0.3, 0.9]}),
                         record=True)  # fmt: skip
    assert find_lyapunov_exponent(recording, n_pieces=10).value == pytest.approx(0.0, abs=1e-2)


def test_the_exponent_is_the_rate_at_which_neighbouring_runs_part():
    """Two runs that start 1e-9 apart: their spike times part like exp(lambda t)."""
    exponents = [
        find_lyapunov_exponent(simulate(balanced(), record=True), start=20.0, seed=s).value
        for s in (0, 1)
    ]
    assert exponents[0] > 0.02
    assert exponents[1] == pytest.approx(exponents[0], rel=0.2)
    near, far = (simulate(balanced(duration=100.0, shift=h)) for h in (0.0, 1e-12))
    n = min(len(near.spike_time), len(far.spike_time))
    same = np.cumprod(near.spike_neuron[:n] == far.spike_neuron[:n]).astype(bool)
    times = near.spike_time[:n][same]
    apart = np.abs(near.spike_time[:n][same] - far.spike_time[:n][same])
    inside = (apart > 1e-11) & (apart < 1e-3)
    slope = np.polyfit(times[inside], np.log(apart[inside]), 1)[0]
    assert slope == pytest.approx(exponents[0], rel=0.4)


def test_exponents_of_runs_that_have_none_are_refused():
    with pytest.raises(InputError, match="Expected a recorded run with spikes"):
        find_lyapunov_exponent(simulate(make([[0.0]])))
    delayed = simulate(make([[0.5]], delays=0.5), record=True)
    with pytest.raises(InputError, match="Expected a network without delays"):
        find_lyapunov_exponent(delayed)
