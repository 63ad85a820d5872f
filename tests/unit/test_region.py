import pytest
import sympy as sp
from models import make_model

from spiketheory.certification.region import Range, build_region, isolate, split_relation
from spiketheory.language.model import format_expression
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


def test_an_equality_takes_a_symbol_away_and_its_domain_becomes_one_of_the_other():
    found = region("tau = 2*V_th - 1")
    assert S["tau"] not in found.ranges
    assert found.express(S["tau"]) == 2 * S["V_th"] - 1
    assert found.ranges[S["V_th"]] == Range(low=sp.Rational(1, 2))
    assert not found.unused
    assert not found.is_empty


@pytest.mark.parametrize("text", ["V_th = 2", "V_th == 2", "2 = V_th", "2*V_th = 4"])
def test_a_value_stands_for_its_symbol(text):
    found = region(text)
    assert found.express(S["V_th"]) == 2
    assert S["V_th"] not in found.ranges


def test_equalities_chain_in_any_order():
    for texts in (("I0 = 2*V_th", "V_th = 3*tau"), ("V_th = 3*tau", "I0 = 2*V_th")):
        found = region(*texts)
        assert found.express(S["I0"]) == 6 * S["tau"]
        assert found.solved == {S["I0"]: 6 * S["tau"], S["V_th"]: 3 * S["tau"]}


def test_bounds_follow_a_symbol_to_what_it_equals():
    found = region("I0 = 2*V_th", "I0 < 6", "V_r < I0")
    assert found.ranges[S["V_th"]] == Range(low=sp.S.Zero, high=sp.Integer(3))
    (gap,) = (s for s in found.ranges if s.name.startswith("gap_"))
    assert found.express(2 * S["V_th"] - S["V_r"]) == gap


@pytest.mark.parametrize("texts", [
    ("tau = -1",), ("tau = 0",), ("tau = 1", "tau = 2"), ("I0 = V_r", "I0 = V_r + 1"),
    ("I0 = 2*V_th", "I0 < V_th"), ("V_th = -tau",), ("V_th = 2", "V_th > 3"),
])  # fmt: skip
def test_equalities_that_nothing_obeys_are_found_out(texts):
    assert region(*texts).is_empty


def test_an_equality_that_says_nothing_new_changes_nothing():
    found = region("2*V_th = I0", "V_th = I0/2")
    assert not found.is_empty
    assert not found.unused


@pytest.mark.parametrize("text", ["tau**2 = 4", "I*V = 1", "abs(I) = 1"])
def test_an_equality_that_is_not_linear_in_a_symbol_of_known_sign_is_for_points_only(text):
    found = region(text)
    assert [format_expression(r) for r in found.unused] == [text]
    assert not found.is_empty


def test_points_obey_equalities_exactly_or_as_doubles_do():
    found = region("I0 = 3*V_th")
    tenth, third = (sp.Rational(v) for v in (0.1, 0.3))  # 3*0.1 is not 0.3 in binary
    assert found.admits({S["I0"]: sp.Rational(3, 10), S["V_th"]: sp.Rational(1, 10)})
    assert not found.admits({S["I0"]: sp.Rational(0.31), S["V_th"]: tenth})
    assert region("I0 = 0.3").admits({S["I0"]: third})
    assert not region("I0 = 0.3").admits({S["I0"]: sp.Rational(0.30000000000000004)})


def test_equalities_are_imposed_on_points_to_all_digits():
    found = region("I0 = V_th/3", "tau = 2")
    imposed = found.impose({S["I0"]: 0.33, S["V_th"]: sp.S.One, S["V"]: 5})
    assert imposed == {S["I0"]: sp.Rational(1, 3), S["V_th"]: 1, S["V"]: 5}
