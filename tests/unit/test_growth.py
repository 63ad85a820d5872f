"""Ranks and shortest intervals (L5, L6), against a table worked out by hand, and against trials."""

import numpy as np
import pytest
import sympy as sp
from models import make_model

from spiketheory.certification.boundary import find_boundary
from spiketheory.certification.claims import Claim, GrowthProblem
from spiketheory.certification.growth import find_growth
from spiketheory.certification.obligations import list_obligations
from spiketheory.certification.proofs import prove
from spiketheory.certification.region import build_region
from spiketheory.language.parse import parse_assumption

BLOWUP = {"spike": "V -> oo", "reset": "V = -oo", "input": "V += w"}
BACK = {"spike": "V -> oo", "reset": "V = -1", "input": "V += w"}
STEP = {"spike": "V = 1", "reset": "V = 0", "input": "V += w"}


def grow(equations, assume=(), **texts):
    model = make_model(equations, **texts)
    region = build_region(model, [parse_assumption(a, model) for a in assume])
    problem = GrowthProblem(boundary=find_boundary(model), model=model, region=region)
    return find_growth(problem, prove)


def ranks(growth):
    return {name: b.rank for b in growth.blocks for name in b.names}


HOLDS = [
    ("dV/dt = 1 + a\nda/dt = -a", STEP | {"reset": "V = 0; a += 1"}, {"a": 1}, 1),
    ("dV/dt = 1 + sqrt(a**2 + 1)\nda/dt = -a", STEP | {"reset": "V = 0; a += 1"}, {"a": 1}, 1),
    ("dV/dt = V**2 - z\ndz/dt = -z", BLOWUP | {"reset": "V = -oo; z += 1"}, {"z": 1}, sp.S.Half),
    (
        "dV/dt = V**2 + a\nda/dt = -a\ndb/dt = -b",
        BLOWUP | {"reset": "V = -oo; a += b; b += 1"}, {"b": 1, "a": 2}, 1,
    ),
    ("dV/dt = 1 + a\nda/dt = -a", STEP | {"reset": "V = 0; a = a/2 + 1"}, {"a": 0}, 0),
    ("dV/dt = 1 + a\nda/dt = -a", STEP | {"reset": "V = 0; a = 7"}, {"a": 0}, 0),
    ("dV/dt = 1 + a\nda/dt = b\ndb/dt = -a", STEP, {"a": 0, "b": 0}, 0),
    (
        "dV/dt = 2 - cos(V) + (1 + cos(V))*z\ndz/dt = -z",
        {"spike": "V = pi", "reset": "V = -pi; z += 1", "input": "z += w"}, {"z": 1}, 1,
    ),
    ("dV/dt = 0.04*V**2 + 5*V + 140 - u\ndu/dt = V - u",
     STEP | {"spike": "V = 30", "reset": "V = -65; u += 8"}, {"u": 1, "max(0, -V)": 1}, 1),
    ("dV/dt = exp(V) - V - u\ndu/dt = -u", BACK | {"reset": "V = -1; u += 1"}, {"u": 1}, 1),
    ("dV/dt = 1 - V\ndh/dt = -h", STEP | {"spike": "V = 1 + h", "reset": "V = h; h += 1"},
     {"h": 1}, 0),
    ("dV/dt = V**2 + 1\ndz/dt = -z", BACK | {"reset": "V = z; z += 1"}, {"z": 1}, 1),
    ("dV/dt = V**4 - 3*V + z*V\ndz/dt = -z", BACK, {"z": 0}, 0),
    ("dV/dt = 1 + 1/(1 + z**2)\ndz/dt = -z", STEP | {"reset": "V = 0; z += 1"}, {"z": 1}, 0),
    ("dV/dt = 1 + exp(-z**2)\ndz/dt = -z", STEP | {"reset": "V = 0; z += 1"}, {"z": 1}, 0),
    ("dV/dt = 1 - z**3\ndz/dt = 1 - z**3", STEP, {"z": 0}, 0),
    ("dV/dt = 1 + z*(1 - cos(V))\ndz/dt = -z", STEP | {"spike": "V = 2*pi"}, {"z": 0}, 0),
    ("dV/dt = V**2*(1 + tanh(V)) + z\ndz/dt = -z", BACK, {"z": 0}, 0),
    ("dV/dt = 2 + z\ndz/dt = -z", STEP | {"reset": "V = -1; z += log(2 + tanh(z))"}, {"z": 1}, 1),
]  # fmt: skip
FAILS = [
    ("dV/dt = 1 + a\nda/dt = -a\ndb/dt = -b", STEP | {"reset": "V = 0; a += b; b += 1"}, "n"),
    ("dV/dt = 1 + a**2\nda/dt = -a", STEP | {"reset": "V = 0; a += 1"}, "shrink like n"),
    ("dV/dt = 1 + a\nda/dt = -a", STEP | {"reset": "V = 0; a = 2*a + 1"}, "multiply a"),
    ("dV/dt = 1 + a\nda/dt = a**2", STEP, "a may run to infinity"),
    ("dV/dt = 1 + V**2*tanh(V)", STEP, "V may run to -oo"),
    ("dV/dt = 2 + sin(V)*V**2", STEP, "V may run to -oo"),
    ("dV/dt = V**3 + 1", BACK, "V may run to -oo"),
    ("dV/dt = exp(-V)*V + 1", STEP, "V may run to -oo"),
    ("dV/dt = 1 - V\ndh/dt = -h", STEP | {"spike": "V = 1 + h**2", "reset": "V = 0; h += 1"},
     "shrink like n"),
    ("dV/dt = 1\ndz/dt = -z", STEP | {"reset": "V = 1 - exp(-z); z += 1"}, "no bound"),
    ("dV/dt = 1 + exp(z)\ndz/dt = -z", STEP | {"reset": "V = 0; z += 1"}, "has no bound"),
    (
        "dV/dt = V**2 + a\nda/dt = -a\ndb/dt = -b\ndc/dt = -c",
        BLOWUP | {"reset": "V = -oo; a += b; b += c; c += 1"}, "3/2",
    ),
    ("dV/dt = 1 + a\nda/dt = -a", STEP | {"reset": "V = 0; a = a*a"}, "reset of a"),
    ("dV/dt = 1 + a\nda/dt = V*a", STEP, "a may run to infinity"),
]  # fmt: skip


@pytest.mark.parametrize(("equations", "texts", "expected", "exponent"), HOLDS)
def test_ranks_and_the_exponent_of_the_shortest_intervals(equations, texts, expected, exponent):
    found = grow(equations, **texts)
    assert found.holds, found.text
    assert {n: r for n, r in ranks(found).items() if n in expected} == expected
    assert found.exponent == exponent


@pytest.mark.parametrize(("equations", "texts", "words"), FAILS)
def test_what_may_pile_up_or_run_away_is_not_proved(equations, texts, words):
    found = grow(equations, **texts)
    assert not found.holds
    assert words in found.text


def test_a_bound_from_both_sides_that_is_assumed_has_rank_0():
    texts = STEP | {"input": "z += w"}
    assert not grow("dV/dt = 1 + z\ndz/dt = z**2", **texts).holds
    assert grow("dV/dt = 1 + z\ndz/dt = z**2", ("0 < z", "z < 1"), **texts).holds


def test_assumed_bounds_may_be_parameters_and_of_v_one_from_below_will_do():
    texts = STEP | {"input": "z += w", "positive": "K"}
    blow_up = "dV/dt = 1 + z\ndz/dt = z**2"
    assert grow(blow_up, ("0 < z", "z < K"), **texts).holds
    assert not grow(blow_up, ("0 < z", "z < K + V"), **texts).holds
    assert not grow("dV/dt = 4 + z**2\ndz/dt = V**2 - z", **STEP).holds
    assert grow("dV/dt = 4 + z**2\ndz/dt = V**2 - z", ("V > -K",), **texts).holds
    assert not grow("dV/dt = 4 + z**2\ndz/dt = V**2 - z", ("V < K",), **texts).holds


def test_an_assumed_sign_bounds_what_it_should():
    texts = STEP | {"reset": "V = 0; z += 1", "input": "z += w"}
    assert not grow("dV/dt = 1 + exp(-z)\ndz/dt = -z", **texts).holds
    assert grow("dV/dt = 1 + exp(-z)\ndz/dt = -z", ("z >= 0",), **texts).holds
    assert not grow("dV/dt = 1 + exp(-z)\ndz/dt = -z", ("z <= 0",), **texts).holds


def count_spikes(terms, duration=6.0, most=4000):
    """Spikes of V' = 1 + a**p from V = 0 to 1 with a reset, in exact short steps of a."""
    power, leak, add = terms
    time, a, count = 0.0, 0.0, 0
    while time < duration and count < most:
        step = 1 / (1 + abs(a) ** power)
        time, count = time + step, count + 1
        a = a * np.exp(-leak * step) + add
    return count, time


@pytest.mark.parametrize(("power", "holds"), [(1, True), (2, False), (3, False)])
def test_the_proof_agrees_with_what_happens(power, holds):
    """With a growing by 1 per spike a speed of a**2 piles up, one of a does not."""
    found = grow(
        f"dV/dt = 1 + a**{power}\nda/dt = -a/100", ("a >= 0",), **STEP | {"reset": "V = 0; a += 1"}
    )
    count, time = count_spikes((power, 0.01, 1.0))
    assert found.holds is holds
    assert (count < 4000) is holds
    assert holds or time < 3


def test_every_claim_that_a_rank_rests_on_is_kept():
    found = grow("dV/dt = V**2 - z**2\ndz/dt = -z**3", **BLOWUP | {"input": "z += w"})
    assert not found.holds or found.claims
    good = grow("dV/dt = 1 + exp(-z)\ndz/dt = -z", ("z >= 0",), **STEP | {"reset": "V = 0; z += 1"})
    texts = [claim.text for claim, _ in good.claims]
    assert any("z" in t for t in texts)

    def deny(claim: Claim) -> None:
        return None

    problem = GrowthProblem(
        boundary=find_boundary(MODEL), model=MODEL, region=build_region(MODEL, [])
    )
    assert find_growth(problem, prove).holds
    assert not find_growth(problem, deny).holds


MODEL = make_model("dV/dt = 1 - V\ndz/dt = -z**3", **STEP | {"reset": "V = 0; z = z/2 + 1"})


def test_a_silent_face_needs_a_bound_above():
    for equation, holds in (("dV/dt = a*V**2 - V", True), ("dV/dt = a*V**2 + V**3 - V", False)):
        model = make_model(
            equation, spike="V -> oo", reset="V = -oo" if holds else "V = 0", input="V += w",
            free="a",
        )  # fmt: skip
        assumed = [parse_assumption("a >= 0", model)]
        found = list_obligations(model, assumed, [("a", "low")])
        (face,) = [o for o in found.obligations if o.key == "a=0.silent"]
        assert face.ways[0].growth is not None
        assert find_growth(face.ways[0].growth, prove).holds is holds
