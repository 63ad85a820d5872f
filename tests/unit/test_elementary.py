"""Elementary functions of compiled code, against 60-digit arithmetic and IEEE 754."""

import mpmath
import numpy as np
import pytest
from mpmath import mp, mpf

from spiketheory.machine.compile import compile_module
from spiketheory.runtime import elementary

FUNCTIONS = compile_module(elementary)
N_POINTS = 3000


def ulps(got, wanted):
    """Distance in units in the last place of the exact value."""
    return abs(mpf(float(got)) - wanted) / mpf(float(np.spacing(abs(float(wanted)))))


def worst(name, *arrays):
    """Largest error over points; arrays of one argument each."""
    with mp.workdps(60):
        exact = getattr(mpmath, {"arctan2": "atan2"}.get(name, name))
        return max(
            ulps(FUNCTIONS[name](*point), exact(*(mpf(float(v)) for v in point)))
            for point in zip(*arrays, strict=True)
        )


@pytest.mark.parametrize("name", ["sin", "cos"])
@pytest.mark.parametrize(("largest", "limit"), [(2.0, 2), (100.0, 2), (1e6, 3)])
def test_sine_and_cosine(name, largest, limit):
    x = np.random.default_rng(1).uniform(-largest, largest, N_POINTS)
    assert worst(name, x) < limit


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_sine_and_cosine_near_their_zeros(name):
    turns = np.arange(1, 200) * (np.pi / 2)
    for x in (turns, np.nextafter(turns, 0), np.nextafter(turns, np.inf)):
        assert worst(name, x) < 3


def test_sine_of_a_huge_number_is_that_of_a_neighbour_and_bounded():
    x = 1e12 * np.random.default_rng(2).uniform(1, 2, 200)
    assert all(abs(FUNCTIONS["sin"](v) - np.sin(v)) <= 2 * np.spacing(v) for v in x)
    assert all(abs(FUNCTIONS["sin"](v)) <= 1.0 for v in (1e18, 1e300))


@pytest.mark.parametrize("largest", [1e-8, 1.0, 700.0])
def test_exponential(largest):
    x = np.random.default_rng(3).uniform(-largest, largest, N_POINTS)
    assert worst("exp", x) < 1


@pytest.mark.parametrize("largest", [1e-300, 1e-12, 0.5, 3.0, 700.0])
def test_exponential_minus_one(largest):
    x = np.random.default_rng(5).uniform(-largest, largest, N_POINTS)
    assert worst("expm1", x) < 3


@pytest.mark.parametrize(
    ("low", "high"), [(-1e-300, 1e-300), (-1e-12, 1e-12), (-0.99, 3), (1, 1e300)]
)
def test_logarithm_of_one_plus(low, high):
    x = np.random.default_rng(6).uniform(low, high, N_POINTS)
    assert worst("log1p", x) < 3
    assert worst("log1p", -1.0 + 10.0 ** np.random.default_rng(7).uniform(-15, 0, N_POINTS)) < 3


def test_arctangent_in_all_directions_and_of_all_sizes():
    rng = np.random.default_rng(4)
    angle, ratio = rng.uniform(-np.pi, np.pi, N_POINTS), 10.0 ** rng.uniform(-20, 20, N_POINTS)
    assert worst("arctan2", np.sin(angle), np.cos(angle)) < 2
    assert worst("arctan2", ratio * np.sin(angle), np.cos(angle)) < 2


SPECIAL = (0.0, -0.0, 1.0, -1.0, 5e-324, 1e300, np.inf, -np.inf, np.nan)


@pytest.mark.parametrize("y", SPECIAL)
@pytest.mark.parametrize("x", SPECIAL)
def test_arctangent_of_special_values(y, x):
    got, wanted = FUNCTIONS["arctan2"](y, x), np.arctan2(y, x)
    np.testing.assert_allclose(got, wanted, rtol=4e-16)
    assert np.isnan(wanted) or np.signbit(got) == np.signbit(wanted)


@pytest.mark.parametrize(
    ("name", "x", "wanted"),
    [
        ("exp", 0.0, 1.0), ("exp", -800.0, 0.0), ("exp", -np.inf, 0.0), ("exp", 710.0, np.inf),
        ("exp", np.inf, np.inf), ("exp", -745.0, np.exp(-745.0)), ("expm1", 0.0, 0.0),
        ("expm1", -np.inf, -1.0), ("expm1", 710.0, np.inf), ("expm1", np.inf, np.inf),
        ("log1p", 0.0, 0.0), ("log1p", -1.0, -np.inf), ("log1p", np.inf, np.inf),
        ("log1p", -1.5, np.nan), ("sin", 0.0, 0.0), ("cos", 0.0, 1.0), ("sin", np.inf, np.nan),
        ("cos", np.inf, np.nan), *((name, np.nan, np.nan) for name in elementary.REPLACED[:-1]),
    ],
)  # fmt: skip
def test_special_values_of_the_others(name, x, wanted):
    np.testing.assert_equal(FUNCTIONS[name](x), wanted)


def test_every_replaced_function_is_one_of_numpys():
    assert all(hasattr(np, name) and name in FUNCTIONS for name in elementary.REPLACED)
