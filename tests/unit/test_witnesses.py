"""What the searches must find, with the kind of counterexample that it is, and must not find."""

import pytest
from models import make_model

from spiketheory.certification.boundary import find_boundary
from spiketheory.certification.certificate import Condition
from spiketheory.certification.refutation.ladder import admit, climb
from spiketheory.certification.refutation.search import Searcher
from spiketheory.certification.region import build_region
from spiketheory.language.parse import parse_assumption

CURRENT = "\ndI/dt = -I/tau"
DRIVEN = {"I0": {"default": 1.5, "domain": "I0 > 1"}}
NARROW = {"I0": {"default": 1.9, "domain": "0.999 < I0 < 2"}}

FOUND = {
    "inhibition of a driven neuron": (
        "C1", "R1t", ("w <= 0",),
        {"equations": "dV/dt = (-V + I0 + I)/tau" + CURRENT, "positive": "tau",
         "parameters": DRIVEN, "input": "I += w"},
    ),
    "the same in a narrow domain": (
        "C1", "R1t", ("abs(w) <= 5",),
        {"equations": "dV/dt = (-V + I0 + I)/tau" + CURRENT, "positive": "tau",
         "parameters": NARROW, "input": "I += w"},
    ),
    "an input that turns a rotator away": (
        "C1", "R1t", (),
        {"equations": "dV/dt = (om + I - sin(V))/tau" + CURRENT, "positive": "tau",
         "parameters": {"om": {"default": 1.5, "domain": "om > 1"}}, "input": "I += w",
         "spike": "V = pi", "reset": "V = -pi"},
    ),
    "a strong input at a finite peak": (
        "C1", "R1t", (),
        {"equations": "dV/dt = (V*(V - 1) + I)/tau" + CURRENT, "positive": "tau",
         "spike": "V = 10", "reset": "V = -10", "input": "I += w"},
    ),
    "a graze by excitation alone": (
        "C1", "R1", ("w >= 0",),
        {"equations": "dV/dt = -V + I" + CURRENT, "positive": "tau", "input": "I += w"},
    ),
    "a jump to where V falls": (
        "C2", "R2", (), {"equations": "dV/dt = (-V)/tau", "positive": "tau"},
    ),
    "a delay": ("C3", "R3", ("-1/2 < w", "w < 0"), {"equations": "dV/dt = 2 - V"}),
    "a charge that is lost": ("C4", "R4", ("0 < w", "w < 1/2"), {"equations": "dV/dt = 2 - V"}),
    "a current that the reset forgets": (
        "C4", "R4", (),
        {"equations": "dV/dt = V*(V - 1) + I" + CURRENT, "positive": "tau", "input": "I += w",
         "spike": "V -> oo", "reset": "V = -oo; I = 0"},
    ),
    "inputs that do not commute": (
        "C4", "R4", ("abs(w) < 0.3",),
        {"equations": "dV/dt = 1/tau", "positive": "tau", "input": "V += w*sin(pi*V)**2"},
    ),
    "inputs that overwrite": (
        "C4", "R4", (),
        {"equations": "dV/dt = V**2 + z\ndz/dt = -z", "spike": "V -> oo", "reset": "V = -oo",
         "input": "z = w"},
    ),
    "a kink on an equilibrium": (
        "C6", "R6", (),
        {"equations": "dV/dt = (V**2 + abs(V))/tau", "positive": "tau", "spike": "V -> oo",
         "reset": "V = -oo"},
    ),
    "a swap that is not smooth": (
        "C6", "R6", ("w > 0",),
        {"equations": "dV/dt = V**2 + 1", "spike": "V -> oo", "reset": "V = -oo",
         "input": "V *= w"},
    ),
}  # fmt: skip

SHIFT = {
    "qif": {"equations": "dV/dt = V*(V - 1) + I\ndI/dt = -2*I", "spike": "V -> oo",
            "reset": "V = -oo", "input": "I += w"},
    "slides off to infinity": {
        "equations": "dV/dt = a*V**2 - 20*V", "spike": "V -> oo", "reset": "V = -oo",
        "parameters": {"a": {"default": 20.0, "domain": "a >= 0"}}},
    "inflection": {"equations": "dV/dt = (z**2 - 1)**4\ndz/dt = -z", "input": "z += w"},
}  # fmt: skip
"""Models whose spikes only shift, whatever a proof says."""


QUICK = {
    "inhibition of a driven neuron", "a graze by excitation alone", "a jump to where V falls",
    "a delay", "a charge that is lost", "inputs that do not commute", "a kink on an equilibrium",
    "a swap that is not smooth", "tri", "square", "gap", "linear", "forgotten", "gap grows",
}  # fmt: skip
"""What takes about a second; all else is slow."""


def mark(names):
    return [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in names]


def search(name, condition, assumptions=(), **parts):
    model = make_model(**parts)
    given = [parse_assumption(a, model) for a in assumptions]
    searcher = Searcher(find_boundary(model), build_region(model, given), {})
    witness = searcher.search(Condition(name=condition, status="undecided", evidence=()))
    return model, given, witness


@pytest.mark.parametrize("name", mark(FOUND))
def test_a_counterexample_is_found_and_stays_on_the_ladder(name):
    condition, rule, assumptions, parts = FOUND[name]
    model, given, witness = search(name, condition, assumptions, **parts)
    assert witness is not None
    assert witness.condition == condition
    assert witness.rule == rule or (witness.rule in ("R1", "R1t") and condition == "C1")
    assert 0 < witness.values[1] - witness.values[0] < 1e-9
    again = climb(
        model, given, witness.trial, witness.place, witness.number, witness.values,
        witness.ladder.critical, is_kink=witness.ladder.is_kink, digits=60,
    )  # fmt: skip
    assert again is not None
    assert again.limits == pytest.approx(witness.ladder.limits, rel=1e-9, abs=1e-12)
    assert admit(model, given, witness.trial)


@pytest.mark.parametrize("condition", ["C1", "C2", "C3", "C4", "C5"])
@pytest.mark.parametrize("name", mark(SHIFT))
def test_nothing_is_found_where_spikes_only_shift(name, condition):
    assert search(name, condition, **SHIFT[name])[2] is None
