"""Removable singularities: 0/0 in the equations, at rest, after a reset and on the way."""

import mpmath
import numpy as np
import pytest
import sympy as sp

from spiketheory.errors import DerivationError
from spiketheory.generation.generate import list_imports
from spiketheory.generation.lower import lower
from spiketheory.language.functions import exp_dd
from spiketheory.language.parse import build_model
from spiketheory.language.removable import resolve_expression
from spiketheory.runtime import taylor
from spiketheory.symbolic.derive import derive
from spiketheory.verification.verify import verify

V, b = sp.symbols("V b", real=True)
k = sp.Symbol("k", positive=True)


def make(rate, *, rest="0.5", reset="0"):
    """A neuron whose rate is given, with threshold 1."""
    return build_model(
        name="ghk", equations=f"dV/dt = {rate}", spike="V = 1", reset=f"V = {reset}",
        input="V += w", rest={"V": rest},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("written", "zero"),
    [
        (V / (1 - sp.exp(-V)), 0),
        ((V + 40) / 10 / (1 - sp.exp(-(V + 40) / 10)) * (1 - b) - 4 * sp.exp(-V), -40),
        (-(V - b) / (sp.exp(-(V - b) / k) - 1), b),
        ((V - b) / (sp.exp(V / k) - sp.exp(b / k)), b),
        ((sp.exp(V) - 1) / V, 0),
        (V / sp.tanh(V), 0),
        (sp.sinh(V) / V, 0),
        (sp.tanh(V / 2) / V, 0),
        (V**2 / (1 - sp.exp(V)) ** 2, 0),
        ((1 - sp.exp(-V)) / (1 - sp.exp(-2 * V)), 0),
        (V / 10 / (1 - sp.exp(-V / 10 - 4)) + 4 / (1 - sp.exp(-V / 10 - 4)), -40),
    ],
)
def test_a_removable_singularity_has_the_value_and_the_slope_of_the_limit(written, zero):
    resolved = resolve_expression(written, (V,))
    assert resolved.has(exp_dd)
    numbers = {b: sp.Rational(1, 3), k: sp.Integer(2)}
    place = sp.sympify(zero).subs(numbers)
    for got, original in ((resolved, written), (resolved.diff(V), written.diff(V))):
        at = got.subs(numbers).subs(V, place).replace(
            lambda e: isinstance(e, exp_dd), lambda e: e.rewrite(sp.exp)
        )  # fmt: skip
        beside = sp.lambdify(V, original.subs(numbers), "mpmath")
        with mpmath.workdps(90):
            ends = [mpmath.mpf(place.p) / place.q + h * mpmath.mpf(10) ** -20 for h in (1, -1)]
            want = sum(map(beside, ends)) / 2
            assert abs(mpmath.mpf(sp.N(at, 40)) - want) < mpmath.mpf(10) ** -35 * (1 + abs(want))


@pytest.mark.parametrize("written", [sp.sin(V) / V, 1 / (1 - sp.exp(-V)), V / (1 - sp.exp(-b))])
def test_other_quotients_stay_as_they_are(written):
    assert resolve_expression(written, (V,)) == written


@pytest.mark.parametrize("start", [0.0, 1e-300, 1e-9, -1e-3, 1.9, 2.0, 2.1, -2.0, 30.0, -30.0])
def test_the_coefficients_of_exprel_and_its_slope_are_those_of_the_series(start):
    order = taylor.TAYLOR_ORDER
    table = np.zeros((16, order + 2))
    table[0, :3] = start, 0.7, -0.2
    for m in range(order + 1):
        taylor.taylor_exprel_nodes(table, 0, 1, m)
        table[11, m] = taylor.taylor_exprel_term(table, 0, 1, 11, m)
        table[12, m] = taylor.taylor_exprel_slope_term(table, 0, 1, 11, 12, m)
    with mpmath.workdps(60):

        def exprel(count, t):
            x = mpmath.mpf(start) + mpmath.mpf(0.7) * t - mpmath.mpf(0.2) * t * t
            return mpmath.hyp1f1(count, count + 1, x) / count

        for row, count in ((11, 1), (12, 2)):
            want = mpmath.taylor(lambda t, c=count: exprel(c, t), 0, 12)
            size = max(abs(c) for c in want)
            for m in range(13):
                assert abs(table[row, m] - float(want[m])) < 2e-14 * float(size)


RATE = "2 - V/(1 - exp(-V))"


def velocity(v):
    return mpmath.mpf(2) - (v / -mpmath.expm1(-v) if v else 1)


@pytest.mark.parametrize("start", ["0", "1e-300", "-1e-9", "1e-3", "-3"])
def test_times_and_gradients_are_right_at_the_singularity_and_beside_it(start):
    ir = lower(derive(make(RATE, rest=start)))
    space = {"np": np}
    texts = "\n\n".join(ir.texts)
    exec(list_imports(texts) + "\n\n" + texts, space)  # the text that is printed
    wait = mpmath.quad(lambda v: 1 / velocity(v), [mpmath.mpf(start), 0, 1])
    assert space["time_to_spike"](float(start)) == pytest.approx(float(wait), rel=1e-14)
    slope = space["fire_vjp"](float(start), float(wait), 0.0, 1.0)
    assert slope[0] == pytest.approx(float(-1 / velocity(mpmath.mpf(start))), rel=1e-13)
    assert space["flow"](float(start), float(wait))[0] == pytest.approx(1.0, rel=1e-14)


@pytest.mark.parametrize(("rest", "reset"), [("0.5", "0"), ("0", "-1"), ("0", "0")])
def test_a_model_at_rest_or_reset_on_a_removable_singularity_is_verified(rest, reset):
    checks = verify(lower(derive(make(RATE, rest=rest, reset=reset)))).checks
    assert "spike time against direct integration" in [c.name for c in checks]


@pytest.mark.parametrize(
    ("rate", "got"),
    [("1/V + 2", "a division by zero at V = 0"), ("sin(V)/V + 2", "0/0 at V = 0"),
     ("log(1 + V)/V + 2", "0/0 at V = 0"), ("log(V) + 2", "a division by zero at V = 0"),
     ("sqrt(V) + 2", "sqrt(V) at its zero")],
)  # fmt: skip
def test_where_the_equations_have_no_value_or_no_series_reset_and_rest_are_refused(rate, got):
    for place in ({"reset": "0"}, {"rest": "0", "reset": "0.2"}):
        with pytest.raises(DerivationError) as raised:
            derive(make(rate, **place))
        assert got in str(raised.value)


def test_an_absolute_value_on_its_kink_is_refused_as_one_anywhere():
    with pytest.raises(DerivationError, match="which is not smooth"):
        derive(make("abs(V) + 2"))
