"""Faults of 1e-6 and 1e-20 are found by the checks in digits alone, at ill-conditioned places too.

Comparisons are made again in more digits before they count, so here is what must not slip through.
"""

import mpmath
import pytest
import sympy as sp
from models import change_derivation, derive_once, make_model

import derivations
from spiketheory.errors import VerificationError
from spiketheory.generation.lower import lower
from spiketheory.symbolic.derivation import Branch
from spiketheory.verification.cases import DIGITS, build_cases
from spiketheory.verification.verify import check_numerically

SMALL = ("1e-6", "1e-20")
MILLIVOLTS = make_model(
    "dV/dt = (E_L - V + R)/tau",
    spike="V = V_th",
    reset="V = V_r",
    rest={"V": "E_L"},
    parameters={
        "tau": {"default": 20.0, "domain": "tau > 0"},
        "E_L": {"default": -70.0},
        "R": {"default": 25.0},
        "V_th": {"default": -50.0},
        "V_r": {"default": -65.0, "domain": "V_r < V_th"},
    },
)
MODELS = {
    "millivolts": MILLIVOLTS,
    "lif_delta": derivations.read_neuron_model("lif_delta"),
    "theta": derivations.read_neuron_model("theta"),
}


def late(derivation, factor):
    branches = tuple(
        b if b.values[0] in (0, sp.oo) else Branch(condition=b.condition,
                                                   values=(b.values[0] * factor,))
        for b in derivation.closed.time_to_spike
    )  # fmt: skip
    return change_derivation(derivation, time_to_spike=branches)


def steep(derivation, factor):
    gradient = tuple(g * factor for g in derivation.closed.time_to_spike_gradient)
    return change_derivation(derivation, time_to_spike_gradient=gradient)


def fast(derivation, factor):
    first, *others = derivation.closed.flow
    return change_derivation(derivation, flow=(first * factor, *others))


FAULTS = {"a late spike": late, "a steep gradient": steep, "a fast flow": fast}


@pytest.mark.parametrize("small", SMALL)
@pytest.mark.parametrize("plant", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_a_small_fault_is_found(model, plant, small):
    wrong = plant(derive_once(model), 1 + sp.Rational(small))
    with mpmath.workdps(DIGITS), pytest.raises(VerificationError):
        list(check_numerically(lower(wrong), build_cases(wrong)))


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_without_a_fault_nothing_is_found(model):
    right = derive_once(model)
    with mpmath.workdps(DIGITS):
        assert list(check_numerically(lower(right), build_cases(right)))
