"""The vectorisable functions for nu = 1/2 against the general ones' 50-digit twins."""

import numpy as np
import pytest
from mpmath import mp, mpf

from derivations import compile_model
from spiketheory.machine.compile import compile_module
from spiketheory.runtime import special, special_half, special_mpmath

FAST = compile_module(special_half, inlines=True)
RNG = np.random.default_rng(8)
CURRENTS = np.concatenate([
    [0.0, 1e-300, -1e-300, 1e-8, -1e-8, 0.25, 1e4, -1e4], RNG.normal(0, 3, 100),
    RNG.normal(0, 100, 50),
])  # fmt: skip
TIMES = np.concatenate([[0.0, 1e-12, 0.7, 1.0, 40.0, 1e-3, 2.0, 3.0], RNG.uniform(0, 4, 150)])


@pytest.mark.parametrize(("name", "n"), [("decay_matrix", 4), ("decay_matrix_slope", 8)])
def test_matrices_agree_with_50_digits(name, n):
    for current, time in zip(CURRENTS, TIMES, strict=True):
        got = FAST[name](0.5, current, time)
        with mp.workdps(50):
            wanted = getattr(special_mpmath, name)(mpf(0.5), mpf(current), mpf(time))
            assert len(got) == len(wanted) == n
            for block in range(0, n, 4):
                size = max(abs(w) for w in wanted[block : block + 4])
                for g, w in zip(got[block : block + 4], wanted[block : block + 4], strict=True):
                    assert abs(g - w) <= 4e-15 * (1 + abs(current) ** 0.5) * size, (current, time)


def test_matrices_of_strong_repulsion_are_those_of_the_general_function():
    for current in (-1e5, -1e8):
        plain, fast = special.half_matrix(current, 5.0), FAST["decay_matrix"](0.5, current, 5.0)
        np.testing.assert_allclose(fast, plain, rtol=1e-12)


def test_waits_agree_with_50_digits():
    rng = np.random.default_rng(9)
    finite = 0
    for current in CURRENTS:
        for x, y in rng.normal(size=(8, 2)) * 10.0 ** rng.uniform(-3, 3, (8, 1)):
            got = FAST["decay_wait"](0.5, x, abs(y), current)
            with mp.workdps(50):
                wanted = special_mpmath.decay_wait(mpf(0.5), mpf(x), mpf(abs(y)), mpf(current))
            if np.isinf(got):
                assert wanted > 30 or wanted == mp.inf, (x, y, current)
                continue
            finite += 1
            # s = 1 - exp(-t) is what is computed; t magnifies its rounding by exp(t).
            limit = 1e-14 * (abs(wanted) + mp.exp(wanted) * 0.1)
            assert abs(got - wanted) <= limit, (x, y, current)
    assert finite > 300


@pytest.mark.parametrize(
    ("x", "y", "current"),
    [(1.0, 0.0, 2.0), (-1.0, 0.0, 2.0), (-1.0, 0.0, 0.0), (1.0, -1.0, 1.0), (0.0, 1.0, 0.0),
     (1.0, 1.0, 0.0), (2.0, 1.0, 0.0), (-1.0, 0.0, -1.0), (3.0, 1.0, -4.0)],
)  # fmt: skip
def test_waits_in_special_places(x, y, current):
    wanted = special.decay_wait(0.5, x, y, current)
    assert FAST["decay_wait"](0.5, x, y, current) == pytest.approx(wanted, rel=4e-16)


def test_the_side_says_whether_the_first_zero_comes_before_the_time():
    rng = np.random.default_rng(10)
    found = []
    for current in (*CURRENTS, *rng.uniform(0, 2000, 100)):
        x, y = rng.normal(size=2) * 10.0 ** rng.uniform(-3, 3, 2)
        y, time = abs(y) * (rng.random() < 0.8), 10.0 ** rng.uniform(-3, 1)
        wait = special_mpmath.decay_wait(mpf(0.5), mpf(x), mpf(y), mpf(current))
        if abs(wait - time) > 1e-9 * (1 + np.exp(time)):
            found.append(wait < time)
            case = (0.5, x, y, current, time)
            assert (FAST["decay_side"](*case) < 0.0) == found[-1], case
            assert (special.decay_side(*case) < 0.0) == found[-1], case
    assert 0.3 < np.mean(found) < 0.7


@pytest.mark.parametrize(
    ("x", "y", "current", "time", "spikes"),
    [(-1.0, 0.0, 1e4, 0.05, True), (-1.0, 0.0, 1e4, 0.032, True), (-1.0, 0.0, 1e4, 0.0319, False),
     (-1.0, 1.0, 1e4, 0.08, True), (1.0, 0.0, 0.0, 0.1, True), (1.0, 0.0, 0.0, 0.0, False),
     (1.0, -1.0, -1.0, 9.0, True), (-1.0, 0.0, 0.0, 9.0, False)],
)  # fmt: skip
def test_the_side_in_special_places_and_over_several_turns(x, y, current, time, spikes):
    case = (0.5, x, y, current, time)
    assert (FAST["decay_side"](*case) < 0.0) == (special.decay_side(*case) < 0.0) == spikes


def test_only_this_order_is_replaced():
    model = compile_model("qif")
    constants = dict(zip(model.module.CONSTANTS, model.defaults_of_constants, strict=True))
    assert constants["nu"] == special_half.NU
    assert model.at(model.defaults_of_constants) is not model
    other = tuple({**constants, "nu": np.nextafter(0.5, 1)}.values())
    assert model.at(other) is model
    theta = compile_model("theta")
    assert theta.at(theta.defaults_of_constants) is theta
