"""Where integrated models are compared with the reference: no false refusal of a right model."""

import pytest
from mpmath import mpf

import spiketheory.verification.taylor
from spiketheory.errors import VerificationError
from spiketheory.generation.lower import lower
from spiketheory.language.parse import build_model
from spiketheory.symbolic.derive import derive
from spiketheory.verification.tally import Tally
from spiketheory.verification.taylor import compare
from spiketheory.verification.verify import verify


def make_izhikevich(current):
    """The regular-spiking neuron of E. M. Izhikevich, IEEE Trans. Neural Netw. 14, 1569 (2003)."""
    return build_model(
        name="izhikevich_rs",
        equations="dV/dt = 0.04*V**2 + 5*V + 140 - u + I\ndu/dt = a*(b*V - u)",
        spike="V = 30", reset="V = c; u += d", input="V += w", rest={"V": -65.0, "u": -13.0},
        parameters={"a": 0.02, "b": 0.2, "c": {"default": -65.0, "domain": "c < 30"}, "d": 8.0,
                    "I": current},
    )  # fmt: skip


@pytest.mark.parametrize("current", [10.0, 4.0])
def test_a_slow_neuron_is_verified_although_spikes_come_late(current):
    checks = verify(lower(derive(make_izhikevich(current)))).checks
    assert "spike time against direct integration" in [c.name for c in checks]


def test_a_reference_that_looks_further_than_the_integrator_is_seen(monkeypatch):
    arrive = spiketheory.verification.taylor.Reference.arrive
    monkeypatch.setattr(
        spiketheory.verification.taylor.Reference, "arrive",
        lambda self, state, longest: arrive(self, state, longest + 10),
    )  # fmt: skip
    ir = lower(derive(make_izhikevich(10.0)))
    with pytest.raises(VerificationError, match="no spike"):
        verify(ir)


def test_the_tolerance_follows_from_the_condition():
    def make():
        return Tally("it", "mend it", digits=32)

    want, got = [mpf(1)], [1 + mpf(10) ** -9]
    with pytest.raises(VerificationError):
        compare(make(), "it", got, want, lambda: [1 + mpf(10) ** -14])
    compare(make(), "it", got, want, lambda: [1 + mpf(10) ** -10])


def test_a_sigmoid_in_the_rate_does_not_count_as_a_blow_up():
    model = build_model(
        name="sigmoid", equations="dV/dt = -V + I + g*exp(V/k)/(1 + exp(V/k))", spike="V = 4",
        reset="V = -1", input="V += w", rest={"V": 0},
        parameters={"I": 3.6, "g": {"default": 1.0, "domain": "g > 0"},
                    "k": {"default": 0.3, "domain": "k > 0"}},
    )  # fmt: skip
    derivation = derive(model)
    assert derivation.integrated.far is None
    verify(lower(derivation))


def test_an_adaptation_that_the_blow_up_drives_has_its_gradient():
    """AdEx of R. Naud et al., Biol. Cybern. 99, 335 (2008), tonic: its gradient came out as 0."""
    model = build_model(
        name="adex", spike="V -> oo", reset="V = V_r; w_a += b", input="V += w",
        equations="dV/dt = (-g_L*(V - E_L) + g_L*D_T*exp((V - V_T)/D_T) - w_a + I)/C\n"
        "dw_a/dt = (a*(V - E_L) - w_a)/tau_w",
        rest={"V": "E_L", "w_a": 0},
        parameters={
            name: {"default": value, "domain": f"{name} > 0"} if value > 0 else value
            for name, value in {"C": 200.0, "g_L": 10.0, "E_L": -70.0, "V_T": -50.0, "D_T": 2.0,
                                "a": 2.0, "tau_w": 30.0, "b": 0.0, "V_r": -58.0, "I": 500.0}.items()
        },
    )  # fmt: skip
    found = {c.name for c in verify(lower(derive(model))).checks}
    assert {"gradient of the spike time", "gradient through a spike"} <= found
