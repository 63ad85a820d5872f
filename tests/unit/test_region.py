import pytest
import sympy as sp
from models import make_model

from spiketheory.certification.region import Range, build_region, isolate, split_relation
from spiketheory.language.parse import parse_assumption
from spiketheory.language.symbols import WEIGHT

MODEL = make_model(
    "dV/dt = (I0 - V + I)/tau\ndI/dt = -I/tau", spike="V = V_th", reset="V = V_r", input="I += w",
    positive="tau V_th", free="I0 V_r",
)  # fmt: skip
S = MODEL.symbols


def region(*texts):
    return build_region(MODEL, [parse_assumption(t, MODEL) for t in texts])


def test_numbers_bound_ranges_from_both_sides():
    found = region("-1 < w", "w <= 3", "w < 5").ranges[WEIGHT]
    assert found == Range(low=sp.Integer(-1), high=sp.Integer(3), low_open=True, high_open=False)
    assert found.describe() == "(-1, 3]"


def test_an_absolute_value_bounds_both_sides():
    assert region("abs(w) < 1").ranges[WEIGHT] == Range(low=-sp.S.One, high=sp.S.One)
    assert len(split_relation(parse_assumption("1 >= abs(w)", MODEL))) == 2


def test_a_bound_by_another_symbol_becomes_a_positive_gap():
    found = region("I0 > V_th")
    assert not found.unused
    (gap,) = (s for s in found.ranges if s.name == "gap_I0")
    assert found.express(S["I0"] - S["V_th"]) == gap
    assert found.ranges[gap] == Range(low=sp.S.Zero)


def test_bounds_chain():
    found = region("V_r < I0", "I0 < V_th")
    assert not found.unused
    assert found.express(S["V_th"] - S["V_r"]).free_symbols == {
        s for s in found.ranges if s.name.startswith("gap_")
    }


def test_a_relation_that_bounds_no_symbol_is_kept_for_points_only():
    found = region("I**2 > 4")
    assert len(found.unused) == 1
    assert not found.admits({S["I"]: sp.Integer(1)})
    assert found.admits({S["I"]: sp.Integer(3)})
    assert found.admits({S["V"]: sp.Integer(1)})  # says nothing of I


@pytest.mark.parametrize("texts", [("w > 1", "w < 0"), ("w > 1", "w <= 1")])
def test_contradictions_leave_nothing(texts):
    assert region(*texts).is_empty


def test_one_value_is_a_point_and_not_empty():
    found = region("w >= 1", "w <= 1")
    assert found.is_point
    assert not found.is_empty


def test_a_factor_of_unknown_sign_is_not_divided_by():
    x, a = sp.symbols("x a", real=True)
    assert isolate(a * x - 1, ">", x) is None
    positive = sp.Symbol("c", positive=True)
    assert isolate(positive * x - 1, ">", x) == (x, ">", 1 / positive)
    assert isolate(1 - 2 * x, ">=", x) == (x, "<=", sp.Rational(1, 2))
