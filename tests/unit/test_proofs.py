"""Proofs of signs; `spiketheory.certification.recheck` goes through what is proved here again."""

import itertools
import random

import flint
import mpmath
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from spiketheory.certification import proofs
from spiketheory.certification.certificate_json import describe_proof
from spiketheory.certification.claims import Claim, Counterexample, Proof
from spiketheory.certification.proofs import (
    INTERVALS,
    compile_once,
    cover,
    decide_sign,
    draw_number,
    draw_points,
    evaluate_interval,
    expands_to_zero,
    halve,
    has_sign,
    is_certain,
    is_coverable,
    make_ball,
    prove,
    refute_at,
    simplifies_to_zero,
    split_tails,
    str_end,
)
from spiketheory.certification.recheck import check_proof
from spiketheory.certification.region import Range, Region
from spiketheory.errors import VerificationError

x, y = sp.symbols("x y", real=True)


def region(**ranges):
    symbols = {"x": x, "y": y}
    return Region(
        ranges={symbols[n]: ranges.get(n, Range()) for n in symbols}, values={}, relations=()
    )


def claim(expression, relation, where):
    return Claim(text="it holds", expression=expression, relation=relation, region=where)


PLANE = region()
POSITIVE = region(x=Range(low=sp.S.Zero))
UNIT = region(x=Range(low=-sp.S.One, high=sp.S.One), y=Range(low=-sp.S.One, high=sp.S.One))
FROM_ZERO = region(x=Range(low=sp.S.Zero, low_open=False))
TO_ONE = region(x=Range(low=sp.S.Zero, high=sp.S.One, high_open=False))
CLOSED = region(x=Range(low=sp.S.Zero, high=sp.S.One, low_open=False, high_open=False))
ROOT = sp.sqrt(2)

TRUE = [
    (x + 1, "> 0", POSITIVE, "signs"),
    (x * (1 + y**2), "> 0", POSITIVE, "signs"),
    (1 - x, "> 0", UNIT, "signs"),
    (x**2 - x + 1, "> 0", PLANE, "intervals"),
    (x**4 - x**3 + 1, "> 0", PLANE, "intervals"),
    (x**2 - x * sp.tanh(y) + 1, "> 0", PLANE, "intervals"),
    (2 + sp.cos(x) * sp.sin(y), "> 0", PLANE, "intervals"),
    (2 + sp.tanh(x), "> 0", PLANE, "signs"),
    (2 + sp.sin(x), "> 0", PLANE, "intervals"),
    (sp.exp(-x) - x**2 / 2 + x / 3 + 1, "> 0", UNIT, "intervals"),
    (3 * x**3 - 5 * x**2 + 4, "> 0", POSITIVE, "intervals"),
    (x**2, ">= 0", PLANE, "signs"),
    (1 + sp.tanh(x), "> 0", PLANE, "signs"),
    (
        3 - y + (y - 1) / x,
        "> 0",
        region(x=Range(low=sp.S.Zero), y=Range(low=sp.S.One, high=sp.Integer(2))),
        "signs",
    ),
    (sp.cosh(x) - 1, ">= 0", PLANE, "signs"),
    (
        9 + x**3 - x**2 * sp.exp(-x) / 9,
        "> 0",
        region(x=Range(low=-sp.sqrt(2), high=sp.pi)),
        "intervals",
    ),
    ((x + y) ** 2 - x**2 - 2 * x * y - y**2, "= 0", PLANE, "identity"),
    (sp.sin(x) ** 2 + sp.cos(x) ** 2 - 1, "= 0", PLANE, "identity"),
    (x, ">= 0", FROM_ZERO, "signs"),
    (1 - x, ">= 0", CLOSED, "signs"),
    (y**2 - x * y + 1, "> 0", region(x=UNIT.ranges[x]), "intervals"),
    (x**2 + 6 * x + 10, "> 0", region(x=Range(high=sp.Integer(10))), "intervals"),
    (x**2 - 6 * x + 10, "> 0", region(x=Range(low=sp.Integer(-10))), "intervals"),
    (x**2 + 6 * x + 10, "> 0", region(x=Range(high=sp.Integer(-2))), "intervals"),
    ((x**2 - x + 1) * (y**2 - y + 1), "> 0", PLANE, "intervals"),  # tails of both
]
FALSE = [
    (x, "> 0", PLANE),
    (2 - x, "> 0", region(x=Range(low=-sp.pi, high=sp.pi))),
    (x**2, "> 0", PLANE),  # at 0
    (x**2 - x, "> 0", PLANE),
    (x - 1000, "> 0", POSITIVE),
    (x - y, ">= 0", UNIT),
    (x * y, "= 0", UNIT),
    (sp.exp(x) - 1 - x, "= 0", PLANE),
    (x, "> 0", FROM_ZERO),
    (1 - x, "> 0", TO_ONE),
    (x, "> 0", CLOSED),
    (1 - x, "> 0", CLOSED),
    (sp.S.Zero, "> 0", PLANE),
    (sp.S.NegativeOne, ">= 0", PLANE),
    (sp.S.One, "= 0", PLANE),
]


@pytest.mark.parametrize(("expression", "relation", "where", "method"), TRUE)
def test_what_is_true_is_proved_and_the_proof_passes_the_other_arithmetic(
    expression, relation, where, method, monkeypatch
):
    monkeypatch.setattr(proofs, "POINTS", 40)
    found = prove(claim(expression, relation, where))
    assert isinstance(found, Proof)
    assert found.method == method
    assert check_proof(claim(expression, relation, where), describe_proof(found)) == found


@pytest.mark.parametrize(("expression", "relation", "where"), FALSE)
def test_what_is_false_has_a_point_in_the_region_that_shows_it(expression, relation, where):
    found = prove(claim(expression, relation, where))
    assert isinstance(found, Counterexample)
    value = expression.subs(found.point)
    holds = {"> 0": value > 0, ">= 0": value >= 0, "= 0": sp.Eq(value, 0)}[relation]
    assert holds == sp.false
    for symbol, at in found.point.items():
        span = where.ranges[symbol]
        assert at.is_Rational
        assert span.low <= at <= span.high


def test_what_touches_zero_in_the_region_is_neither():
    assert (
        prove(claim((x**2 - 2) ** 2, "> 0", PLANE)) is None
    )  # zero at sqrt(2), which is not rational


@pytest.mark.parametrize("zero", [sp.sqrt(1001), -sp.sqrt(1001), ROOT, -ROOT / 2], ids=str)
def test_boxes_overlook_no_zero_wherever_it_lies(zero):
    """In either tail, and in either half of what is between them; no rational point shows it."""
    line = {x: Range()}
    assert cover((x - zero) ** 2, "> 0", line) is None
    assert cover((x - zero) ** 2 * (2 + sp.tanh(x)), "> 0", line) is None
    assert cover((y - zero) ** 2 * (1 + x**2), "> 0", PLANE.ranges) is None


@pytest.mark.parametrize(
    ("expression", "span"),
    [
        (x - ROOT, Range(low=ROOT, low_open=False)),
        (ROOT - x, Range(high=ROOT, high_open=False)),
        (x - sp.ceiling(ROOT * 2**44) / 2**44, Range(low=ROOT, high=sp.Integer(2))),
        (sp.floor(ROOT * 2**44) / 2**44 - x, Range(low=sp.S.One, high=ROOT)),
    ],
)
def test_what_is_false_only_at_or_beside_an_irrational_end_is_not_proved(expression, span):
    assert prove(claim(expression, "> 0", region(x=span))) is None


@pytest.mark.parametrize(
    ("expression", "relation"),
    [
        (sp.sqrt(-1 - x**2), "= 0"),
        (sp.log(-1 - x**2), "> 0"),
        (sp.Add(x, sp.oo, evaluate=False), "> 0"),
        (x**2 + sp.exp(-sp.oo, evaluate=False), ">= 0"),
        (sp.Add(x, sp.nan, evaluate=False), "= 0"),
        (sp.Mul(sp.zoo, sp.exp(x), evaluate=False), "= 0"),
        (x**2 + sp.AccumBounds(1, 2), "> 0"),
    ],
)
def test_of_what_has_no_real_value_nothing_is_found(expression, relation):
    assert prove(claim(expression, relation, PLANE)) is None


def test_branches_are_not_covered_by_intervals():
    branches = sp.Piecewise((x**2 + 1, x > 0), (x**2 + 2, True))
    assert not isinstance(prove(claim(branches - x, "> 0", PLANE)), Proof)


@pytest.mark.parametrize(
    ("expression", "known"),
    [
        (sp.exp(x) + sp.log(x) * sp.sin(x) - sp.Abs(x) / sp.cosh(y), True),
        (sp.Max(x, 0), False),
        (sp.Min(x, 0), False),
        (sp.Piecewise((x, x > 0), (1, True)), False),
        (sp.gamma(x), False),
        (sp.exp(x) + sp.Function("f")(x), False),
    ],
)
def test_boxes_are_tried_with_functions_that_intervals_know(expression, known):
    assert is_coverable(expression) is known
    assert known or cover(expression, "> 0", PLANE.ranges) is None


def test_large_expressions_are_not_simplified():
    whole = sp.expand((x + y + 1) ** 20)
    assert expands_to_zero(sp.expand((x + y + 1) ** 5) - (x + y + 1) ** 5)
    assert not expands_to_zero(whole - (x + y + 1) ** 20)
    assert not simplifies_to_zero(whole - (x + y + 1) ** 20)
    assert not has_sign(whole + 1, "> 0", {})
    kinked = sp.Piecewise((x**2 + x, x > 0), (x * (x + 1), True)) - x**2 - x
    assert simplifies_to_zero(kinked)
    long = sum(k * (x + k) - k * x - k**2 for k in sp.symbols("k:9", real=True))
    assert simplifies_to_zero(long)
    assert not simplifies_to_zero(kinked + long)


def test_groups_of_one_sign_give_no_more_than_that_sign():
    """Powers of x > 0 are looked at one by one; with y >= 0 none of these is positive."""
    ranges = {x: Range(low=sp.S.Zero), y: Range(low=sp.S.One, high=sp.Integer(2), low_open=False)}
    touching = (3 - 2 * y + y**2 - 2) + (y - 1) / x  # (y - 1)**2 + (y - 1)/x
    assert has_sign(touching, ">= 0", ranges)
    assert not has_sign(touching, "> 0", ranges)
    assert has_sign(touching + x, "> 0", ranges)
    assert not has_sign(touching - x, ">= 0", ranges)


@given(st.integers(-4, 4), st.integers(-4, 4), st.integers(-4, 4), st.integers(-4, 4))
@settings(max_examples=settings.default.max_examples // 2)
def test_no_cubic_gets_a_wrong_proof(a, b, c, d):
    expression = a * x**3 + b * x**2 + c * x + d
    found = prove(claim(expression, "> 0", region(x=Range(low=sp.S.Zero, high=sp.Integer(3)))))
    values = [expression.subs(x, sp.Rational(k, 8)) for k in range(1, 24)]
    if isinstance(found, Proof):
        assert min(values) > 0
    if isinstance(found, Counterexample):
        assert expression.subs(found.point) <= 0


POSITIVE_PARABOLA = claim(x**2 - x + 1, "> 0", PLANE)
TRUE_PROOF = describe_proof(prove(POSITIVE_PARABOLA))


@pytest.mark.parametrize(
    ("false", "message"),
    [
        (claim(x**2 - x, "> 0", PLANE), "on"),
        (claim(x**2 - 3 * x + 1, ">= 0", PLANE), "on"),
        (claim(x**2 - x + 1, "= 0", PLANE), "a method for = 0"),
    ],
)
def test_a_proof_of_something_else_is_refused(false, message):
    with pytest.raises(VerificationError, match=message):
        check_proof(false, TRUE_PROOF)


def test_a_coarser_tree_is_refused():
    with pytest.raises(VerificationError, match="on"):
        check_proof(POSITIVE_PARABOLA, TRUE_PROOF | {"tree": "leaf"})


def test_a_tree_that_leaves_a_tail_out_is_refused():
    parts = TRUE_PROOF["tree"]["parts"]
    forged = TRUE_PROOF | {"tree": {"tails": "x", "parts": [parts[0], parts[1], None]}}
    with pytest.raises(VerificationError, match="a tail wherever the range has no end"):
        check_proof(POSITIVE_PARABOLA, forged)


@pytest.mark.parametrize("method", ["identity", "signs", "words"])
def test_a_proof_by_a_word_alone_is_refused(method):
    for relation in ("= 0", "> 0"):
        with pytest.raises(VerificationError):
            check_proof(claim(x**2 - x + 1, relation, PLANE), {"method": method, "tree": None})


def test_points_obey_relations_that_no_range_stands_for():
    relation = sp.Gt(x**2, y + 3, evaluate=False)
    where = Region(ranges=PLANE.ranges, values={}, relations=(relation,), unused=(relation,))
    points = list(draw_points(where, {x}))
    assert points
    assert all(p[x] ** 2 > p[y] + 3 for p in points)


def test_points_obey_what_is_related_to_them_by_way_of_others_and_name_nothing_else():
    """Whatever the order: y stands between z and x, and u has nothing to do with them."""
    z, u, v = sp.symbols("z u v", real=True)
    relations = (sp.Gt(y, z**2 + 3), sp.Gt(x**2, y), sp.Gt(u, v**2))
    where = Region(
        ranges={s: Range() for s in (x, y, z, u, v)}, values={}, relations=relations,
        unused=relations,
    )  # fmt: skip
    points = list(draw_points(where, {x}))
    assert points
    for p in points:
        assert set(p) == {x, y, z}
        assert p[x] ** 2 > p[y] > p[z] ** 2 + 3


SPANS = [
    Range(),
    Range(low=sp.S.Zero),
    Range(low=ROOT, low_open=False),
    Range(high=-ROOT, high_open=False),
    Range(high=sp.Integer(7)),
    Range(low=ROOT, high=ROOT + sp.Rational(1, 2**38), low_open=False, high_open=False),
    Range(low=sp.Integer(-3), high=sp.pi, low_open=False),
    CLOSED.ranges[x],
    TO_ONE.ranges[x],
]


@pytest.mark.parametrize("span", SPANS, ids=Range.describe)
def test_numbers_are_drawn_inside_of_a_range_and_at_the_ends_that_belong_to_it(span):
    draw = random.Random(3)
    drawn = [draw_number(span, draw, k) for k in range(200)]
    assert all(v.is_Rational for v in drawn)
    assert all((v >= span.low) if not span.low_open else (v > span.low) for v in drawn)
    assert all((v <= span.high) if not span.high_open else (v < span.high) for v in drawn)
    assert len(set(drawn)) > 20
    for end, is_open in ((span.low, span.low_open), (span.high, span.high_open)):
        if end.is_Rational:
            assert (end in drawn) is not is_open
        if end.is_infinite:
            assert max(abs(v) for v in drawn) > 20
            assert min(abs(v) for v in drawn) < 4


@pytest.mark.parametrize(
    ("value", "sign"),
    [
        (sp.Rational(-3, 7), -1),
        (sp.S.Zero, 0),
        (sp.E - 3, -1),
        (sp.pi - 3, 1),
        (sp.sqrt(2) - sp.Rational(7, 5), 1),
        (sp.sqrt(2) - sp.Rational(3, 2), -1),
        (sp.exp(3) - 20, 1),
        (sp.exp(3) - 21, -1),
        (sp.sqrt(2) * sp.sqrt(5) - sp.sqrt(10, evaluate=False), 0),
        (sp.exp(sp.Rational(1, 10**200)) - 1 - sp.Rational(1, 10**200), None),  # below 512 bits
        (sp.Function("f")(1), None),
    ],
)
def test_the_sign_of_a_number_is_known_unless_rounding_hides_it(value, sign):
    assert decide_sign(value) == sign


@pytest.mark.parametrize(
    ("value", "false"),
    [
        (sp.Integer(2), {"= 0"}),
        (sp.S.Zero, {"> 0"}),
        (sp.Integer(-2), {"= 0", "> 0", ">= 0"}),
        (sp.pi - 3, {"= 0"}),
        (sp.E - 3, {"= 0", "> 0", ">= 0"}),
        (sp.I, set()),
        (1 + sp.I, set()),
        (sp.oo, set()),
        (-sp.oo, set()),
        (sp.nan, set()),
        (sp.exp(sp.Rational(1, 10**200)) - 1 - sp.Rational(1, 10**200), set()),
    ],
)
def test_a_value_refutes_the_claims_that_are_false_of_it(value, false):
    for relation in ("= 0", "> 0", ">= 0"):
        found = refute_at(x, relation, {x: value}, value)
        assert (found is not None) is (relation in false), relation
        assert found is None or (found.point, found.value) == ({x: value}, value)


FOUR, SEVEN = sp.Integer(4), sp.Integer(7)
EVEN, ODD, BENT = x**2 - 3 * x + 5, x**3 - 2 * x + 7, x + sp.tanh(x)
SPLIT = [
    # What is cut, its range, and below, middle and above: what stands there, and where.
    (EVEN, -sp.oo, sp.oo, (1 - 3 * x + 5 * x**2, -1 / FOUR, 0), (EVEN, -4, 4),
     (1 - 3 * x + 5 * x**2, 0, 1 / FOUR)),
    (ODD, -sp.oo, sp.oo, (-(1 - 2 * x**2 + 7 * x**3), -1 / FOUR, 0), (ODD, -4, 4),
     (1 - 2 * x**2 + 7 * x**3, 0, 1 / FOUR)),
    (BENT, -sp.oo, sp.oo, (BENT, -sp.oo, -4), (BENT, -4, 4), (BENT, 4, sp.oo)),
    (EVEN, sp.Integer(3), sp.oo, None, (EVEN, 3, 7), (1 - 3 * x + 5 * x**2, 0, 1 / SEVEN)),
    (EVEN, sp.Integer(-3), sp.oo, None, (EVEN, -3, 4), (1 - 3 * x + 5 * x**2, 0, 1 / FOUR)),
    (BENT, sp.Integer(3), sp.oo, None, (BENT, 3, 7), (BENT, 7, sp.oo)),
    (ODD, -sp.oo, sp.Integer(-3), (-(1 - 2 * x**2 + 7 * x**3), -1 / SEVEN, 0), (ODD, -7, -3), None),
    (EVEN, -sp.oo, sp.Integer(3), (1 - 3 * x + 5 * x**2, -1 / FOUR, 0), (EVEN, -4, 3), None),
    (EVEN, -sp.oo, sp.Integer(9), (1 - 3 * x + 5 * x**2, -1 / FOUR, 0), (EVEN, -4, 9), None),
    (BENT, -sp.oo, sp.Integer(9), (BENT, -sp.oo, -4), (BENT, -4, 9), None),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "low", "high", "below", "middle", "above"), SPLIT)
def test_tails_are_cut_off_without_a_gap_and_written_in_the_reciprocal(
    expression, low, high, below, middle, above
):
    found = split_tails(expression, x, low, high)
    for part, wanted in zip(found, (below, middle, above), strict=True):
        assert (part is None) == (wanted is None)
        if wanted is not None:
            assert sp.expand(part[0] - wanted[0]) == 0
            assert part[1] == wanted[1:]


@pytest.mark.parametrize(
    ("expression", "box", "certain"),
    [
        (x + 1, (0, 3), {"> 0", ">= 0"}),
        (x, (0, 0), {">= 0"}),
        (x, (-1, 3), set()),
        (x - 4, (0, 3), set()),
        (1 / x, (-1, 1), set()),  # a pole
        (sp.log(x), (-1, 4), set()),  # not defined on all of it
        (x + 1, (0, sp.oo), {"> 0", ">= 0"}),
        (x, (0, sp.oo), {">= 0"}),
        (x, (-1, sp.oo), set()),
        (-x, (-sp.oo, -2), {"> 0", ">= 0"}),
        (sp.exp(x), (-sp.oo, 2), {">= 0"}),
        (sp.log(x), (-1, sp.oo), set()),
        (1 / x, (0, sp.oo), {">= 0"}),
    ],
)
def test_a_box_decides_only_what_holds_on_all_of_it(expression, box, certain):
    ends = tuple(map(sp.sympify, box))
    for relation in ("> 0", ">= 0"):
        assert is_certain(expression, relation, {x: ends}) is (relation in certain), relation


def test_halves_that_are_not_all_certain_are_no_proof():
    """Between 2**-k and 1 the halves of x - x**2/2 next to 0 are never certain to be positive."""
    unit = {x: (sp.S.Zero, sp.S.One)}
    assert halve(x - x**2 / 2, "> 0", unit, [4000], 0) is None
    assert halve(1 - x - x**2 / 2, "> 0", unit, [4000], 0) is None  # the upper half


def test_what_comes_down_to_a_trillionth_at_an_end_is_proved_by_forty_halvings():
    """Only next to 1, where x - x**2 is small in boxes narrower than that."""
    tree = cover(x - x**2 + sp.Rational(1, 2**40), "> 0", {x: CLOSED.ranges[x]})
    assert tree is not None


def test_halving_ends_when_its_boxes_are_used_up():
    wide = {x: (sp.Integer(-3), sp.Integer(5))}
    tree = halve(x**2 - x + 1, "> 0", wide, [100], 0)
    asked = 2 * tree.leaves - 1
    assert tree.leaves > 2
    assert tree.symbol == x
    assert halve(x**2 - x + 1, "> 0", wide, [asked], 0) == tree
    assert halve(x**2 - x + 1, "> 0", wide, [asked - 1], 0) is None
    assert halve(x, "> 0", {x: (sp.S.Zero, sp.S.Zero)}, [100], 0) is None  # nothing to halve


def test_the_range_that_is_widest_for_its_size_is_halved():
    far = {x: (sp.Integer(1000), sp.Integer(1004)), y: (sp.Integer(-1), sp.Integer(1))}
    assert halve(y**2 - y / 2 + 1 + x - 1000, "> 0", far, [100], 0).symbol == y


THIRD = sp.Rational(1, 3)


def test_balls_and_intervals_hold_the_ends_between_which_they_are():
    ball = make_ball(-THIRD, 2 * THIRD)
    for inside in (flint.fmpq(-1, 3), flint.fmpq(2, 3), flint.fmpq(0)):
        assert ball.contains(flint.arb(inside))
    assert not ball.contains(flint.arb(flint.fmpq(7, 10)))
    assert not ball.contains(flint.arb(flint.fmpq(-4, 10)))
    low, high = (sp.Rational(sp.Float(str_end(THIRD, side).b, 60)) for side in (-1, 1))
    assert low < THIRD < high < low + sp.Rational(1, 2**50)
    assert [str_end(sp.oo, 1), str_end(-sp.oo, -1)] == ["inf", "-inf"]


@pytest.mark.parametrize("f", [sp.exp, sp.sin, sp.cos, sp.tanh, sp.sinh, sp.cosh, sp.Abs])
def test_an_interval_of_a_function_holds_its_values_and_little_else(f):
    ends = [sp.Rational(k, 4) for k in range(-6, 9, 3)]
    for low, high in itertools.pairwise(ends):
        found = evaluate_interval(f(x), {x: (low, high)})
        for k in range(9):
            value = f(low + (high - low) * sp.Rational(k, 8)).evalf(30)
            assert found.a <= mpmath.mpf(value) + 1e-14
            assert mpmath.mpf(value) - 1e-14 <= found.b
        assert found.delta < 20
        point = evaluate_interval(f(x), {x: (low, low)})
        assert point.delta < 1e-13
        assert abs(mpmath.mpf(point.mid) - mpmath.mpf(f(low).evalf(30))) < 1e-13
    assert evaluate_interval(sp.log(x) + sp.sqrt(x), {x: (sp.S.One, sp.S.One)}).mid == 1
    whole = evaluate_interval(sp.tanh(x), {x: (-sp.oo, sp.oo)})
    assert (whole.a, whole.b) == (-1, 1)
    assert INTERVALS["pi"].a <= sp.pi.evalf(30) <= INTERVALS["pi"].b


def test_an_expression_is_compiled_for_the_symbols_in_their_order():
    assert compile_once(x - 2 * y, (x, y))(5, 1) == 3
    assert compile_once(x - 2 * y, (y, x))(5, 1) == -9
