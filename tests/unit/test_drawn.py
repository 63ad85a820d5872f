"""Connections that a rule draws, and what they are drawn from."""

import numpy as np
import pytest
from networks import compiled
from scipy import stats

from sim.network.distribution import Distribution
from sim.network.drawn import Drawn
from sim.network.instants import count_ticks
from sim.network.listed import Listed
from sim.network.network import Network, Population, Projection
from sim.network.random_kernels import draw_value, find_words, make_key
from sim.network.row_kernels import draw_class
from sim.network.rows import build_rows
from spiketheory.errors import InputError

PI = (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344)
KNOWN = [
    ((0,) * 4, (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ((2**32 - 1,) * 4, (2**32 - 1,) * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    (PI, (0xA4093822, 0x299F31D0), "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


@pytest.mark.parametrize(("counter", "key", "wanted"), KNOWN)
def test_words_are_those_that_the_authors_of_philox_publish(counter, key, wanted):
    found = find_words(*map(np.uint64, counter), *map(np.uint64, key))
    assert " ".join(f"{word:08x}" for word in found) == wanted


def test_keys_differ_by_seed_stream_and_purpose():
    keys = [make_key(*one) for one in ((0, 0, "a"), (1, 0, "a"), (0, 1, "a"), (0, 0, "b"))]
    assert len({tuple(key) for key in keys}) == 4
    assert make_key(0, 0, "a").tolist() == keys[0].tolist()


def draw(rule: str, number: float, shape=(40, 40), **more) -> np.ndarray:
    own = more.pop("self_connections", shape[0] != shape[1])
    given = Drawn(rule=rule, number=number, shape=shape, self_connections=own, **more)
    return Projection(pre="a", post="b", weights=given).matrix.toarray()


@pytest.mark.parametrize(
    ("rule", "number", "p"),
    [("in_degree", 6, 6 / 39), ("out_degree", 6, 6 / 39), ("total", 240, 240 / 1560),
     ("probability", 0.15, 0.15), ("in_degree", 30, 30 / 39), ("total", 1300, 1300 / 1560)],
)  # fmt: skip
def test_all_pairs_are_equally_likely(rule, number, p):
    n_seeds = 300
    counts = sum(draw(rule, number, seed=seed) for seed in range(n_seeds))
    off = counts[~np.eye(40, dtype=bool)]
    squares = ((off - n_seeds * p) ** 2 / (n_seeds * p * (1 - p))).mean()
    assert not np.diag(counts).any()
    assert off.mean() == pytest.approx(n_seeds * p, rel=0.02)
    assert squares == pytest.approx(1.0, abs=0.15)  # chi square with 1560 degrees has sd 0.036


def test_what_a_neuron_hears_does_not_depend_on_how_many_neurons_there_are():
    few, many = draw("in_degree", 5, (10, 100)), draw("in_degree", 5, (30, 100))
    assert (many[:10] == few).all()
    assert (draw("in_degree", 5, (10, 100), stream=1) != few).any()


def test_a_row_does_not_depend_on_those_drawn_before_it():
    population = Population(name="a", model=compiled("theta"), size=300)
    given = Drawn(rule="in_degree", number=20, shape=(300, 300))
    projection = Projection(pre="a", post="a", weights=given)
    network = Network(populations=[population], projections=[projection], duration=1.0)
    alone = build_rows(network, neurons=slice(299, 300))
    sources = np.repeat(np.arange(300), np.diff(alone.starts))
    assert sources.tolist() == projection.matrix.col[projection.matrix.row == 299].tolist()


def test_numbers_of_connections_vary_as_those_of_places_taken_without_return():
    given = {"rule": "total", "number": 800, "self_connections": True}
    counts = np.array([draw(seed=seed, **given).sum(axis=1) for seed in range(100)])
    # hypergeometric: 800 of 1600 places, of which a row has 40
    assert counts.var() == pytest.approx(20 * 0.975 * 800 / 1599, rel=0.1)


def test_the_class_of_a_delay_is_the_place_of_what_a_choice_draws():
    choice = Distribution(kind="choice", numbers=(0.0, 1.0, 2.0))
    spread = choice.make_spread(make_key(0, 0, "delays"))
    drawn = [draw_value(spread, k, 7 * k) for k in range(50)]
    assert [draw_class(spread.key, k, 7 * k, 3) for k in range(50)] == drawn
    assert set(drawn) == {0.0, 1.0, 2.0}


@pytest.mark.parametrize(
    ("given", "cdf"),
    [
        (Distribution(kind="uniform", numbers=(1.0, 3.0)), stats.uniform(1, 2).cdf),
        (Distribution(kind="normal", numbers=(1.0, 2.0)), stats.norm(1, 2).cdf),
        (
            Distribution(kind="normal", numbers=(1.0, 2.0), at_least=0.0, at_most=4.0),
            stats.truncnorm(-0.5, 1.5, 1, 2).cdf,
        ),
    ],
)
def test_weights_and_delays_have_the_distribution_that_is_asked_for(given, cdf):
    weights = draw("in_degree", 100, (50, 100), weight=given).reshape(-1)
    assert stats.kstest(weights, cdf).pvalue > 1e-3
    assert weights.min() >= given.least
    assert weights.max() <= given.most
    if given.least >= 0:
        drawn = Drawn(rule="in_degree", number=100, shape=(50, 100), delay=given)
        delays = Projection(pre="a", post="b", weights=drawn).edge_delays
        assert stats.kstest(delays, cdf).pvalue > 1e-3
        steps = delays / given.step
        assert np.abs(steps - np.rint(steps)).max() < 1e-3
        assert given.most / 2**31 <= given.step < given.most / 2**31 * 10


@pytest.mark.parametrize("resolution", [0.1, 0.3, 2.0])
def test_delays_are_whole_multiples_of_the_resolution(resolution):
    spread = Distribution(
        kind="normal", numbers=(1.5, 0.75), at_least=0.01, at_most=4.0, resolution=resolution
    )
    drawn = Drawn(rule="in_degree", number=100, shape=(50, 100), delay=spread)
    projection = Projection(pre="a", post="a", weights=drawn)
    wanted = np.arange(1, 41) * round(resolution * 10) / 10
    assert set(projection.edge_delays) <= set(wanted)
    part = drawn.make_part(1e12)
    assert part.unit == round(resolution * 1e12)
    assert part.delays.tolist() == [part.unit]
    counts = count_ticks(projection.edge_delays, 1e12)
    assert not (counts % part.unit).any()


def test_a_choice_takes_each_number_equally_often_and_delays_may_share_it_with_no_weight():
    choice = Distribution(kind="choice", numbers=(0.1, 0.5, 2.0))
    drawn = Drawn(rule="in_degree", number=100, shape=(60, 100), weight=choice, delay=choice)
    projection = Projection(pre="a", post="b", weights=drawn)
    for values in (projection.matrix.data, projection.edge_delays):
        found, counts = np.unique(values, return_counts=True)
        assert found.tolist() == [0.1, 0.5, 2.0]
        assert abs(counts - 2000).max() < 150
    same = projection.matrix.data == projection.edge_delays
    assert same.mean() == pytest.approx(1 / 3, abs=0.03)


WRONG = [
    ({"rule": "degree"}, "Expected rule to be one of in_degree"),
    ({"number": 41}, "Expected a whole number from 0 to 40 for the rule in_degree"),
    ({"number": 2.5}, r"Expected a whole number .* but got 2.5"),
    ({"rule": "total", "number": 1601}, "Expected a whole number from 0 to 1600"),
    ({"rule": "probability", "number": 1.5}, "Expected a probability from 0 to 1 but got 1.5"),
    ({"self_connections": False, "number": 40}, "Expected a whole number from 0 to 39"),
    ({"self_connections": False, "shape": (3, 4)}, "Expected self_connections=False from a pop"),
    ({"shape": (0, 4)}, "Expected 1 to 2147483647 neurons on either side"),
    ({"weight": np.nan}, "Expected finite numbers in weight"),
    ({"delay": -1.0}, "Expected delays >= 0 of drawn connections but got -1 as the least"),
    ({"delay": Distribution(kind="normal", numbers=(1, 1))}, "Expected delays >= 0"),
    ({"weight": Distribution(kind="normal", numbers=(1, 1), resolution=1)}, "Expected no resol"),
    ({"precision": "float16"}, "Expected precision of weights to be one of"),
]


@pytest.mark.parametrize(("given", "message"), WRONG)
def test_rules_that_cannot_be_followed_are_refused(given, message):
    with pytest.raises(InputError, match=message):
        Drawn(**{"rule": "in_degree", "number": 3, "shape": (40, 40), **given})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"kind": "gamma", "numbers": (1, 2)}, "Expected kind of a distribution to be one of"),
        ({"kind": "normal", "numbers": (1, -2)}, "Expected a mean and an sd >= 0"),
        ({"kind": "uniform", "numbers": (2, 1)}, "a lower and an upper bound"),
        ({"kind": "choice", "numbers": ()}, "Expected a mean and an sd >= 0"),
        ({"kind": "normal", "numbers": (0, 1), "at_least": 5}, "bounds within which at least 1%"),
        ({"kind": "choice", "numbers": (0, 1), "at_least": 1}, "Expected no bounds and no resol"),
        ({"kind": "normal", "numbers": (0, 1), "resolution": -1}, "Expected a resolution >= 0"),
        ({"kind": "normal", "numbers": (0, np.inf)}, "Expected finite numbers"),
    ],
)
def test_distributions_that_are_none_are_refused(given, message):
    with pytest.raises(InputError, match=message):
        Distribution(**given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sources": [0, 3]}, "Expected sources from 0 to 2 but connection 1 has 3"),
        ({"targets": [0, -1]}, "Expected targets from 0 to 1 but connection 1 has -1"),
        ({"targets": [0]}, r"Expected targets of shape \(2,\)"),
        ({"sources": [0.0, 1.0]}, "Expected whole numbers in sources of connections"),
        ({"weights": [1.0]}, r"Expected weights of shape \(2,\)"),
        ({"weights": [1.0, np.nan]}, r"Expected finite numbers in weights but got weights\[1\]"),
        ({"delays": [1.0, -0.5]}, "Expected delays >= 0 but got -0.5 for connection 1"),
        ({"sources": [1, 1], "targets": [1, 1]}, "Expected each connection once but got 1 -> 1"),
    ],
)
def test_lists_that_are_none_are_refused(given, message):
    with pytest.raises(InputError, match=message):
        Listed(**{"sources": [0, 1], "targets": [0, 1], "shape": (2, 3), **given})


def test_delays_of_listed_connections_stand_with_them():
    drawn = Drawn(rule="in_degree", number=3, shape=(40, 40))
    with pytest.raises(InputError, match="Expected neither mask nor delays in a -> b, whose"):
        Projection(pre="a", post="b", weights=drawn, delays=1.0)
