"""One contract for all models: what derive returns passes every check of verify."""

import dataclasses
import re

import pytest
import sympy as sp
from models import change_derivation, verify_derivation, verify_once

import derivations
from spiketheory.errors import VerificationError
from spiketheory.generation.kernel_ir import VerifiedKernel
from spiketheory.language.parse import build_model
from spiketheory.language.symbols import DURATION, WEIGHT, state_symbol
from spiketheory.symbolic.derivation import (
    Branch,
    Chart,
    Check,
    ClosedForm,
    Constant,
    Derivation,
    InitialCoordinate,
    Propagator,
)
from spiketheory.symbolic.derive import derive

EVERY_MODEL = {
    "chart round trip",
    "chart field",
    "flow residual",
    "flow at zero duration",
    "semigroup",
    "input jump",
    "simultaneous inputs",
    "reset",
    "spike surface",
    "time to spike",
    "spike time gradient",
    "initial coordinate",
    "first spike",
    "spike prediction",
    "crossing at spikes",
    "flow against direct integration",
    "spike time against direct integration",
    "initial bounds",
    "gradient of the spike time",
    "gradient of a trial",
    "gradient through a spike",
    "gradient of the initial state",
    "gradient by the parameters",
    "gradient of the chart and the reset",
}
PSEUDOSPIKES = {
    "pseudospike continuity",
    "pseudo input",
    "pseudospike values",
    "gradient of a pseudospike",
}


INTEGRATED = {
    "chart round trip",
    "chart field",
    "input jump",
    "simultaneous inputs",
    "initial coordinate",
    "flow against direct integration",
    "spike time against direct integration",
    "state after a spike",
    "gradient of the spike time",
    "gradient through a spike",
}
PROJECTIVE = EVERY_MODEL | PSEUDOSPIKES | {"transversality"}
FRAME = {"co-moving frame", "trials in the frame"}
CONTRACT = {
    "theta": PROJECTIVE | FRAME,
    "qif_delta": PROJECTIVE | FRAME | {"branch seams"},
    # its pseudodynamics is not its own, so the pseudo input is no input
    "qif": PROJECTIVE - {"pseudo input"},
    # on two sides of the glue point at once only the 50 digits look
    "rapid_theta": (EVERY_MODEL | FRAME | PSEUDOSPIKES) - {
        "simultaneous inputs", "initial coordinate", "pseudospike continuity", "pseudo input",
    },
    "lif": EVERY_MODEL | FRAME | {"branch seams", "next maximum"},
    "lif_delta": EVERY_MODEL | FRAME | {"branch seams"},
    "nlif": EVERY_MODEL | FRAME | {"branch seams"},
    # no branch has a closed form
    "lif_alpha": (EVERY_MODEL | FRAME | {"next maximum"})
    - {"time to spike", "spike time gradient"},
    "eif": INTEGRATED,
    "izhikevich": INTEGRATED,
    "adex": INTEGRATED,
}  # fmt: skip
"""The checks that a model's derivation passes."""


@pytest.fixture(params=derivations.list_models())
def verified(request):
    return verify_once(request.param)


def test_every_built_in_model_verifies(verified):
    assert isinstance(verified, VerifiedKernel)


def test_every_check_is_reported_once(verified):
    names = [check.name for check in verified.checks]
    assert len(names) == len(set(names))
    assert set(names) == CONTRACT[verified.derivation.model.name]


def test_every_check_says_how_and_how_much(verified):
    integrated = verified.derivation.is_integrated
    for check in verified.checks:
        assert check.method in {"symbolic", "32 digits" if integrated else "50 digits"}
        assert any(character.isdigit() for character in check.detail), check


def test_symbolic_checks_cover_every_case_of_the_branches():
    cases = {
        "qif_delta": "in 3 cases (beta > 0, beta < 0, beta = 0)",
        "lif": "in 4 cases (tau_m = 2*tau_s, tau_m = tau_s, tau_m = tau_s/2)",
    }
    for name, words in cases.items():
        for check in verify_once(name).checks:
            assert check.method != "symbolic" or check.detail.endswith(words), check


def test_closed_forms_are_as_good_as_the_digits_they_are_compared_in(verified):
    """Differences are of central differences and of integration, not of the formulas."""
    integrated = verified.derivation.is_integrated
    for check in verified.checks:
        error = re.search(r"worst relative error (below )?(\S+) over", check.detail)
        if error:
            assert float(error[2]) < (1e-12 if integrated else 1e-25), check


def test_verification_is_deterministic():
    again = verify_derivation(derive(derivations.read_neuron_model("nlif")))
    assert again == verify_once("nlif")


@pytest.mark.slow
def test_qif_verifies_in_far_corners_too():
    checks = verify_derivation(derive(derivations.read_neuron_model("qif")), thorough=True).checks
    assert {c.name for c in checks} == CONTRACT["qif"]


LIF = build_model(
    name="lif_delta",
    equations="dV/dt = (I0 - V)/tau",
    spike="V = V_th",
    reset="V = 0",
    input="V += w",
    rest={"V": 0},
    parameters={
        "tau": {"default": 1.0, "domain": "tau > 0"},
        "I0": {"default": 1.5},
        "V_th": {"default": 1.0, "domain": "V_th > 0"},
    },
)


def derive_lif_by_hand() -> Derivation:
    """A chart that is not projective, a finite threshold, a reset that is not neutral."""
    V, tau, I0, V_th = (LIF.symbols[name] for name in ("V", "tau", "I0", "V_th"))
    decay, start = sp.Symbol("decay", positive=True), state_symbol("V_0")
    rate = sp.Symbol("rate", positive=True)
    flow = I0 + (V - I0) * decay
    return Derivation(
        model=LIF,
        method="by hand",
        reason="test",
        chart=Chart(
            name="V",
            coordinates=(V,),
            to_state=(V,),
            from_state=(V,),
            field=((I0 - V) * rate,),
            surface=V_th - V,
        ),
        constants=(Constant(symbol=rate, value=1 / tau, meaning="rate"),),
        propagator=Propagator(
            symbols=(decay,),
            branches=(Branch(condition=sp.true, values=(sp.exp(-rate * DURATION),)),),
        ),
        solution=ClosedForm(
            flow=(flow,),
            time_to_spike=(
                Branch(condition=V_th <= V, values=(sp.S.Zero,)),
                Branch(condition=V_th < I0, values=(sp.log((I0 - V) / (I0 - V_th)) / rate,)),
                Branch(condition=sp.true, values=(sp.oo,)),
            ),
            time_to_spike_gradient=(-1 / (rate * (I0 - V)),),
        ),
        will_spike=flow > V_th,
        jump=(V + WEIGHT,),
        reset=(sp.Integer(0),),
        initial=InitialCoordinate(
            symbol=start,
            meaning="initial potential",
            state=(start,),
            value=V,
            lower=-sp.oo,
            upper=V_th,
            default=sp.Integer(0),
        ),
        pseudospike=None,
        steps=(),
        references=(),
    )


def test_a_chart_with_a_finite_threshold_and_no_multiples_verifies():
    names = {check.name for check in verify_derivation(derive_lif_by_hand()).checks}
    assert names == EVERY_MODEL | {"branch seams"}


def test_a_wrong_reset_of_a_finite_threshold_is_found():
    wrong = dataclasses.replace(derive_lif_by_hand(), reset=(sp.Rational(1, 2),))
    with pytest.raises(VerificationError, match="Check 'reset' failed: expected V just after"):
        verify_derivation(wrong)


def test_a_state_beyond_a_finite_threshold_that_would_not_spike_at_once_is_found():
    late = change_derivation(
        derive_lif_by_hand(), time_to_spike=derive_lif_by_hand().closed.time_to_spike[1:]
    )
    with pytest.raises(VerificationError, match=r"Check '(first spike|gradient through a spike)'"):
        verify_derivation(late)


def test_a_check_is_a_plain_record():
    check = verify_once("theta").checks[0]
    assert check == Check(name="chart round trip", method="symbolic", detail="1 identity")


def parameter(default, domain=None):
    return {"default": default} | ({"domain": domain} if domain else {})


QUADRATIC = {
    "no parameters, silent": ("dv/dt = v**2 - 1", {}),
    "no parameters, oscillating": ("dv/dt = v**2 + 1", {}),
    "no parameters, between": ("dv/dt = v**2", {}),
    "silent for all parameters": ("dv/dt = v**2 - c", {"c": parameter(1.0, "c > 0")}),
    "an upper bound": ("dv/dt = v*(v - 1) + c", {"c": parameter(0.1, "c < 1/4")}),
    "two bounds, a rest that is not the center": (
        "dv/dt = v*(v - 1) + c",
        {"c": parameter(1.0, "c > 1/4 and c < 2")},
    ),
    "a parameter that enters by its square": ("dv/dt = v**2 + c**2 - 1", {"c": parameter(0.5)}),
    "a parameter in an exponential": ("dv/dt = v**2 + exp(c) - 2", {"c": parameter(0.1)}),
    "positive parameters whose difference decides": (
        "dv/dt = a*v**2 + b*v + c",
        {"a": parameter(1.0, "a > 0"), "b": parameter(-1.0), "c": parameter(2.0, "c > 0")},
    ),
    "names that the derivation would have liked": (
        "dv/dt = omega*v**2 + b*v + beta",
        {"omega": parameter(1.0, "omega > 0"), "b": parameter(-1.0), "beta": parameter(0.3)},
    ),
    "a membrane in millivolts": (
        "dv/dt = (g*(v - E_L)*(v - V_T) + R*I0)/tau",
        {
            "g": parameter(0.1, "g > 0"),
            "E_L": parameter(-65.0),
            "V_T": parameter(-50.0),
            "R": parameter(10.0, "R > 0"),
            "I0": parameter(0.0),
            "tau": parameter(20.0, "tau > 0"),
        },
    ),
}


def make_quadratic(equation, parameters):
    return build_model(
        name="mine",
        equations=equation,
        spike="v -> oo",
        reset="v = -oo",
        input="v += w",
        rest={"v": "0"},
        parameters=parameters,
    )


@pytest.mark.parametrize(("equation", "parameters"), QUADRATIC.values(), ids=QUADRATIC)
def test_every_quadratic_model_verifies(equation, parameters):
    names = {c.name for c in verify_derivation(derive(make_quadratic(equation, parameters))).checks}
    expected = (PROJECTIVE | FRAME) - (set() if parameters else {"gradient by the parameters"})
    assert names - {"branch seams"} == expected


def test_a_condition_that_cannot_be_solved_for_a_parameter_is_refused_with_a_remedy():
    model = make_quadratic("dv/dt = v**2 + c**3 - c", {"c": parameter(0.1)})
    with pytest.raises(
        VerificationError, match=r"'branches' .* write it as a parameter of its own"
    ):
        verify_derivation(derive(model))
