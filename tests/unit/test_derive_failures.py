"""Models that make no sense, or that no method can solve: the error says what is wrong."""

import pytest

from spiketheory.errors import DerivationError
from spiketheory.language.parse import build_model
from spiketheory.symbolic.derive import derive


def build(equations, *, spike="V -> oo", reset="V = -oo", rest=None, **parameters):
    return build_model(
        name="bad", equations=equations, spike=spike, reset=reset, input="V += w",
        rest=rest or {"V": 0}, parameters=parameters,
    )  # fmt: skip


def explain(*arguments, **keywords):
    with pytest.raises(DerivationError) as raised:
        derive(build(*arguments, **keywords))
    return str(raised.value)


def test_a_potential_that_is_driven_down_does_not_reach_infinity():
    message = explain("dV/dt = -V**2 - 1")
    assert "so V does not reach infinity" in message


def test_linear_growth_never_reaches_infinity():
    message = explain("dV/dt = V + 1", reset="V = 0")
    assert "grows at most like V, which never reaches infinity" in message


def test_a_cubic_blow_up_has_no_chart_through_infinity():
    message = explain("dV/dt = V**3 + 1")
    assert "after a reset to -oo V would not come back: no chart joins" in message
    assert "reset to a finite value" in message


def test_a_quartic_blow_up_has_no_smooth_chart_through_infinity():
    assert "a blow-up of degree 4 with reset to -oo has no chart" in explain("dV/dt = V**4 + 1")


def test_every_special_method_says_what_it_missed():
    message = explain("dV/dt = V**3 + 1")
    for name in ("riccati", "bessel", "glued parabolas", "linear"):
        assert f"{name}: " in message


def test_a_reset_onto_the_threshold_would_spike_without_end():
    message = explain("dV/dt = 1 - V", spike="V = 1/2", reset="V = 1/2")
    assert "to lead below its threshold but V = 1/2 need not lie below 1/2" in message
    assert "spike without end; lower it" in message


def test_a_reset_that_depends_on_parameters_needs_a_domain_unless_the_defaults_obey():
    parameters = {"V_r": {"default": 2.0}, "V_p": {"default": 1.0}}
    message = explain("dV/dt = 2 - V", spike="V = V_p", reset="V = V_r", **parameters)
    assert 'state "V_r < V_p" as the domain of a parameter' in message
    parameters["V_r"] = {"default": 0.0}
    free = derive(build("dV/dt = 2 - V", spike="V = V_p", reset="V = V_r", **parameters))
    assert [str(p.domain) for p in free.model.parameters] == ["V_r < V_p", "True"]
    assert free.shown.digest != free.model.digest
    parameters["V_r"]["domain"] = "V_r < V_p"
    assert derive(build("dV/dt = 2 - V", spike="V = V_p", reset="V = V_r", **parameters))


@pytest.mark.parametrize(
    ("equation", "value"), [("log(V)", "a division by zero"), ("sqrt(V - 1)", "I")]
)
def test_equations_need_a_value_at_rest(equation, value):
    message = explain(f"dV/dt = {equation}", spike="V = 2", reset="V = 0")
    assert f"to be a finite real number at rest but got {value}" in message.replace("1.0*I", "I")


def test_a_neuron_may_not_rest_beyond_its_threshold():
    message = explain("dV/dt = -V", spike="V = 1", reset="V = 0", rest={"V": 2})
    assert "Expected bad to rest below its threshold 1 but got V = 2" in message


def test_a_variable_that_the_blow_up_drives_would_be_infinite():
    with pytest.raises(DerivationError, match="u would become infinite as V does"):
        derive(
            build_model(
                name="bad", equations="dV/dt = V**2 - u + 1\ndu/dt = V - u", spike="V -> oo",
                reset="V = -1; u += 1", input="V += w", rest={"V": 0, "u": 0},
            )
        )  # fmt: skip
