"""Proofs of signs; `spiketheory.certification.recheck` goes through what is proved here again."""

import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from spiketheory.certification.certificate_json import describe_proof
from spiketheory.certification.claims import Claim, Counterexample, Proof
from spiketheory.certification.proofs import draw_points, prove
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
]


@pytest.mark.parametrize(("expression", "relation", "where", "method"), TRUE)
def test_what_is_true_is_proved_and_the_proof_passes_the_other_arithmetic(
    expression, relation, where, method
):
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


def test_branches_are_not_covered_by_intervals():
    branches = sp.Piecewise((x**2 + 1, x > 0), (x**2 + 2, True))
    assert not isinstance(prove(claim(branches - x, "> 0", PLANE)), Proof)


@given(st.integers(-4, 4), st.integers(-4, 4), st.integers(-4, 4), st.integers(-4, 4))
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
