"""Ranges of parameters and maps over two, for verdicts that are known."""

import dataclasses
from fractions import Fraction

import pytest
import sympy as sp
from models import make_model

from spiketheory.certification.parameter_map import choose_values, fill_map, find_map
from spiketheory.certification.parameter_ranges import (
    find_dependence,
    find_simplest,
    fix_parameters,
    split_range,
)
from spiketheory.certification.region import Range, build_region
from spiketheory.errors import InputError, ModelError
from spiketheory.language.model import format_expression
from spiketheory.language.parse import parse_assumption

MODEL = make_model(
    "dV/dt = (I0 - V + I)/tau\ndI/dt = -I/tau", spike="V = V_th", reset="V = 0", input="I += w",
    positive="tau V_th", free="I0",
)  # fmt: skip
POSITIVE = Range(low=sp.S.Zero)


def judge_by(holds):
    """A verdict that is smooth where something holds of all parameters in a region."""
    asked = []

    def verdict(assumptions, values):
        region = build_region(MODEL, assumptions)
        asked.append(dict(values))
        expression, relation = holds
        written = region.express(expression)
        if written.is_number:
            return "smooth" if relation(written) else "refuted"
        (symbol,) = written.free_symbols
        span = region.ranges[symbol]
        ends = [written.subs(symbol, end) for end in (span.low, span.high)]
        return "smooth" if all(map(relation, ends)) else "refuted"

    verdict.asked = asked
    return verdict


def test_the_change_of_a_verdict_is_found_and_the_good_range_proved():
    tau, V_th = (MODEL.symbols[n] for n in ("tau", "V_th"))
    verdict = judge_by((tau - 3 * V_th, lambda v: v <= 0))
    found = find_dependence(MODEL, [], "tau", verdict)
    smooth, refuted = found.parts
    assert (smooth.verdict, smooth.is_proved) == ("smooth", True)
    assert (refuted.verdict, refuted.is_proved) == ("refuted", False)
    assert smooth.span == Range(low=sp.S.Zero, high=sp.Integer(3), high_open=False)
    assert refuted.span == Range(low=sp.Integer(3))
    assert found.others == {"V_th": 1.0, "I0": 0.5}
    assert all(set(values) == {"tau"} for values in verdict.asked)
    assert all(0 < v <= 3 for v in smooth.values)


def test_a_range_that_is_proved_at_once_needs_no_values():
    verdict = judge_by((MODEL.symbols["tau"], lambda v: v >= 0))
    (part,) = find_dependence(MODEL, [], "tau", verdict).parts
    assert part.is_proved
    assert part.span == POSITIVE
    assert len(verdict.asked) == 1


def test_assumptions_cut_the_range_and_a_fixed_parameter_has_none():
    verdict = judge_by((MODEL.symbols["tau"], lambda v: v >= 0))
    bound = parse_assumption("tau < 2*V_th", MODEL)
    (part,) = find_dependence(MODEL, [bound], "tau", verdict).parts
    assert part.span == Range(low=sp.S.Zero, high=sp.Integer(2))
    for text, message in (("tau = 2*V_th", "assumptions fix it"), ("tau > 3", "none is")):
        given = [parse_assumption(text, MODEL), parse_assumption("tau < 3", MODEL)]
        with pytest.raises(InputError, match=f"Expected several values of tau .* {message}"):
            find_dependence(MODEL, given, "tau", verdict)


def test_several_verdicts_and_a_single_value_are_told_apart():
    def ask(value):
        if value == 2:
            return "continuous"
        return "smooth" if value < 2 else "refuted" if value < Fraction(7, 2) else "undecided"

    parts = split_range(POSITIVE, [Fraction(1), Fraction(4)], ask)
    assert [(p.span.describe(), p.verdict) for p in parts] == [
        ("(0, 2)", "smooth"), ("[2, 2]", "continuous"), ("(2, 7/2)", "refuted"),
        ("[7/2, oo)", "undecided"),
    ]  # fmt: skip


@pytest.mark.parametrize("change", [0, -1, Fraction(1, 3), Fraction("0.123456")])
def test_a_change_anywhere_is_bracketed_in_few_steps(change):
    asked = []

    def ask(value):
        asked.append(value)
        return "smooth" if value < change else "refuted"

    parts = split_range(Range(), [Fraction(-2), Fraction(2)], ask)
    assert len(parts) == 2
    assert abs(Fraction(str(parts[0].span.high)) - change) <= Fraction(4, 200)
    assert len(asked) < 25


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [("0.3", "0.34", "1/3"), ("0.9", "1.2", "1"), ("-0.6", "-0.4", "-1/2"), ("-1", "1", "0"),
     ("2", "2", "2"), ("3.1415", "3.1416", "333/106")],
)  # fmt: skip
def test_the_simplest_number_of_a_range(low, high, expected):
    assert find_simplest(Fraction(low), Fraction(high)) == Fraction(expected)


def test_fixed_parameters_are_defaults_and_equalities():
    fixed, relations = fix_parameters(MODEL, {"tau": 0.3})
    assert fixed.parameter("tau").default == 0.3
    assert [format_expression(r) for r in relations] == ["tau = 3/10"]
    assert dataclasses.replace(fixed, parameters=MODEL.parameters) == MODEL
    assert fixed.source == MODEL.source
    with pytest.raises(ModelError, match="Expected tau > 0"):
        fix_parameters(MODEL, {"tau": -1})


def test_a_map_asks_where_neighbours_differ_and_is_right_everywhere():
    tau, V_th = (MODEL.symbols[n] for n in ("tau", "V_th"))
    verdict = judge_by((tau - 2 * V_th, lambda v: v < 0))
    axes = [("tau", None), ("V_th", (0.25, 4.0))]
    found = find_map(MODEL, [], axes, verdict, cells=17)
    for row, height in enumerate(found.values[1]):
        for column, width in enumerate(found.values[0]):
            expected = "smooth" if width < 2 * height else "refuted"
            assert found.verdicts[row][column] == expected
    asked = sum(map(sum, found.were_asked))
    assert asked == len(verdict.asked) < 17 * 17 / 2
    assert found.others == {"I0": 0.5}
    assert found.are_logarithmic == (True, True)
    assert found.values[0][0] == pytest.approx(1 / 8)
    assert found.values[1][-1] == 4


def test_cells_outside_of_the_domain_are_not_asked_for():
    verdict = judge_by((MODEL.symbols["tau"], lambda v: v > 0))
    bound = parse_assumption("tau < V_th", MODEL)
    found = find_map(MODEL, [bound], [("tau", (1, 3)), ("V_th", (1, 3))], verdict, cells=3)
    assert found.verdicts == (("", "", ""), ("smooth", "", ""), ("smooth", "smooth", ""))


def test_every_cell_of_a_map_is_filled():
    for cells in (2, 3, 5, 6, 9, 13):
        asked, inferred = fill_map(cells, lambda c, r: str(c > r))
        found = inferred | asked
        assert set(found) == {(c, r) for c in range(cells) for r in range(cells)}
        assert all(found[c, r] == str(c > r) for c, r in found)


def test_values_of_an_axis_are_spread_by_its_domain():
    assert choose_values(MODEL, [], ("I0", None), 5) == ((0.0, 0.25, 0.5, 0.75, 1.0), False)
    assert choose_values(MODEL, [], ("tau", None), 3) == ((0.125, 1.0, 8.0), True)
    below = [parse_assumption("tau <= 3", MODEL)]
    assert choose_values(MODEL, below, ("tau", None), 3)[1] is False
    with pytest.raises(InputError, match="from a smaller to a larger value but got 3:1"):
        choose_values(MODEL, [], ("tau", (3, 1)), 5)
    with pytest.raises(InputError, match=r"Expected 5 values of tau from 1 to 1\.0001 that differ"):
        choose_values(MODEL, [], ("tau", (1, 1.0001)), 5)


def test_a_map_needs_two_parameters():
    with pytest.raises(InputError, match="two parameters of a map but got tau twice"):
        find_map(MODEL, [], [("tau", None), ("tau", None)], judge_by((sp.S.One, bool)), cells=3)
