"""The direct integration's equations in ball arithmetic, and where its trials go on."""

import math

import flint
import mpmath
import pytest
import sympy as sp
from crossings import make_fitzhugh
from mpmath import mpf

from spiketheory.reference.integrate import BALLS, bind, bind_balls
from spiketheory.reference.neuron import Neuron
from spiketheory.runtime.special_mpmath import exp_dd, from_ball, to_ball
from spiketheory.verification.crossing import (
    DIRECTIONS,
    Setting,
    Tallies,
    compare_gradient,
    draw_directions,
)
from spiketheory.verification.tally import Mismatch

x, p = sp.symbols("x p", real=True)
THIRD = sp.Rational(1, 3)


@pytest.mark.parametrize(
    "expression",
    [
        sp.log(2) * x, sp.exp(1) * x, sp.exp(-2) + x, sp.exp(THIRD) * x, sp.sin(3) * x,
        10 ** (2 * THIRD) * 761**THIRD * sp.exp(x), sp.sqrt(2) * x, sp.sqrt(5) ** 3 * x,
        (2 * THIRD) ** -sp.S.Half + x, x**THIRD, p * x / 7, sp.pi * sp.tanh(x), sp.Float(0.3) * x,
    ],
    ids=str,
)  # fmt: skip
def test_a_field_in_balls_is_that_of_numbers_in_digits(expression):
    with mpmath.workdps(40), flint.ctx.workprec(mpmath.mp.prec):
        (ball,) = bind_balls([x], {p: mpf("0.3")}, [expression])([to_ball(mpf("1.7"))])
        (number,) = bind([x], {p: mpf("0.3")}, [expression])([mpf("1.7")])
        assert abs(from_ball(ball) - number) < mpf(10) ** -37 * abs(number)
        assert ball.rad() < abs(ball) * flint.arb(10) ** -37


@pytest.mark.parametrize("digits", [15, 50])
@pytest.mark.parametrize("power", [2, 0, -1, -20, -49, -53, -160, -500, -2000])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_divided_difference_has_all_digits_however_near_its_nodes_are(digits, power, sign):
    with mpmath.workdps(digits):
        low = mpf("0.75")
        with mpmath.workdps(3000):
            high = low + sign * mpf(2) ** power * mpf("1.25")
            expected = (mpmath.exp(high) - mpmath.exp(low)) / (high - low)
        with mpmath.workdps(700):  # what is handed over is not rounded
            nodes = low, +high
        assert abs(exp_dd(nodes) / expected - 1) < 2 * mpmath.eps


def test_directions_are_axes_or_have_a_share_of_every_variable():
    assert draw_directions(DIRECTIONS) == [[1, 0], [0, 1]]
    directions = draw_directions(6)
    assert len(directions) == DIRECTIONS
    assert all(0.5 <= abs(d) <= 1 for direction in directions for d in direction)
    assert len({one / other for one, other in zip(*directions, strict=True)}) > 1  # not parallel


def test_a_trial_that_goes_on_from_where_it_was_comes_to_the_same():
    model = make_fitzhugh()
    neuron = Neuron(model, {q.name: mpf(q.default) for q in model.parameters}, digits=32)
    at_once, in_parts = (Setting(None, {}, neuron) for _ in range(2))
    expected, spike = at_once.arrive(neuron.rest, mpf(60))
    assert spike is not None
    for longest in (spike / 3, spike * 0.9, spike / 2, mpf(60), spike / 3, mpf(70)):
        state, found = in_parts.arrive(neuron.rest, longest)
        assert (found is None) == (longest < spike)
        if found is None:
            direct, _ = neuron.reference.arrive(neuron.rest, longest)
            assert max(abs(s - d) for s, d in zip(state, direct, strict=True)) < mpf(10) ** -28
        else:
            assert abs(found - spike) < mpf(10) ** -28
            assert max(abs(s - e) for s, e in zip(state, expected, strict=True)) < mpf(10) ** -28


class Linear:
    """A setting whose spike time is linear in five variables."""

    true = tuple(map(mpf, (3, -0.5, 0.25, 0, 2)))

    def __init__(self, claimed):
        self.claimed = list(claimed)

    def height(self, state):
        return mpf(-1)

    def wait(self, state):
        return mpf(1)

    def step(self, name, state, duration, *after):
        return [*self.claimed, mpf(0)]

    def arrive(self, state, longest):
        return None, 1 + sum(s * v for s, v in zip(self.true, state, strict=True))


def test_two_directions_show_any_wrong_derivative_of_a_spike_time():
    start = [mpf(0)] * 6
    with mpmath.workdps(40):
        tallies = Tallies()
        compare_gradient(Linear(Linear.true), tallies, start)
        assert tallies["slope"].compared == 1
        for wrong in range(5):
            claimed = [s + (mpf(10) ** -9 if i == wrong else 0) for i, s in enumerate(Linear.true)]
            with pytest.raises(Mismatch, match="gradient of an upward crossing"):
                compare_gradient(Linear(claimed), tallies, start)


@pytest.mark.parametrize(
    "name", ["exp", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh"]
)
def test_functions_of_balls_take_whole_numbers_too(name):
    """A method of flint.arb itself takes the bytes of a number for a ball's, or crashes."""
    want = getattr(math, name)(3)
    assert float(BALLS[name](3)) == pytest.approx(want, rel=1e-14)
    assert float(BALLS[name](flint.arb(3))) == pytest.approx(want, rel=1e-14)
    assert flint.arb(BALLS[name](3)).overlaps(BALLS[name](flint.arb(3)))


def test_a_function_of_branches_that_are_whole_numbers_is_that_of_balls():
    branches = sp.Piecewise((3, x > 1), (x, True))
    for at, want in ((2.0, math.exp(3)), (0.5, math.exp(0.5))):
        (ball,) = bind_balls([x], {p: mpf(0)}, [sp.exp(branches)])([flint.arb(at)])
        assert float(ball) == pytest.approx(want, rel=1e-14)
