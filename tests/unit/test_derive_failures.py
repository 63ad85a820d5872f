"""Models that make no sense, or that no method can solve: the error says what is wrong."""

import pytest
import sympy as sp

from spiketheory.errors import DerivationError
from spiketheory.language.functions import exp_dd
from spiketheory.language.parse import build_model
from spiketheory.symbolic.derive import (
    FOR_CROSSINGS,
    METHODS,
    check_field_after_reset,
    check_start,
    derive,
    describe,
    evaluate,
    explain_mismatch,
    name_gap,
)


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


def build_two(derivative, reset, rest, **parameters):
    return build_model(
        name="bad", equations=f"dV/dt = {derivative}\ndu/dt = -u", spike="V = 1",
        reset=f"V = 0; {reset}", input="V += w", rest={"V": 0, "u": rest}, parameters=parameters,
    )  # fmt: skip


ROOT = (
    "Expected dV/dt of bad to be smooth at rest and after a reset but got sqrt(u) at its zero; "
    "rest and reset beside it."
)
POLE = (
    "Expected dV/dt of bad to have a value after a reset but got a division by zero at V = 0, "
    "u = {}; reset beside that point, or write the limit there as a formula."
)


@pytest.mark.parametrize(
    ("model", "at_rest", "after"),
    [
        (build_two("sqrt(u)", "u = 1", 0), ROOT, None),
        (build_two("sqrt(u)", "u = 0", 1), None, ROOT),
        (build_two("V**2 + sqrt(u)", "u = 1", 0), ROOT, None),
        (build_two("sqrt(1 + u)", "u = 0", 0), None, None),
        (build_two("u**2", "u = 0", 0), None, None),
        (build_two("u*sqrt(a)", "u = 0", 1, a={"default": 0.0}), None, None),
        (build_two("1/u", "u = 0", 1), None, POLE.format(0)),
        (build_two("1/(u - 1)", "u = 1", 0), None, POLE.format(1)),
        (build_two("log(u)", "u = 0", 1), None, POLE.format(0)),
        (build_two("1/u", "u -= 1", 1), None, None),  # where from is not known
        (build_two("u/(1 - exp(-u))", "u = 0", 0), None, None),  # 1, its limit
    ],
)
def test_no_series_begins_at_the_zero_of_a_root_or_at_a_pole(model, at_rest, after):
    for check, message in ((check_start, at_rest), (check_field_after_reset, after)):
        if message is None:
            check(model)
            continue
        with pytest.raises(DerivationError) as raised:
            check(model)
        assert str(raised.value) == message


def test_divided_differences_have_their_limits_between_equal_numbers():
    x = sp.Symbol("x", real=True)
    assert abs(evaluate(exp_dd(x, 0), {x: sp.S.Zero}) - 1) < 1e-25
    near = evaluate(exp_dd(x, 1), {x: 1 + sp.Rational(1, 10**25)})
    assert abs(near - sp.E.evalf(40)) < sp.Rational(1, 10**24)
    assert abs(evaluate(exp_dd(x, 1), {x: sp.S.Zero}) - (sp.E - 1)) < 1e-25


def test_numbers_that_are_known_stay_exact():
    x = sp.Symbol("x", real=True)
    assert evaluate(x / 3, {x: sp.S.One}) == sp.Rational(1, 3)
    assert evaluate(sp.log(x), {x: sp.S.Zero}) is sp.zoo
    assert evaluate(sp.sqrt(x), {x: sp.Integer(-1)}) == sp.I
    assert evaluate(sp.sqrt(x), {x: sp.Integer(2)}) == sp.sqrt(2).evalf(30)
    y = sp.Symbol("y", real=True)
    assert evaluate(sp.sqrt(x) + y, {x: sp.Integer(2)}) == sp.sqrt(2) + y


def test_states_and_gaps_are_told_in_words():
    x, y, z = sp.symbols("x y z")
    assert describe({x: sp.Rational(1, 3), y: sp.Integer(2), z: x}) == (
        "x = 0.333333333333333, y = 2, z = x"
    )
    assert [name_gap(v) for v in (sp.nan, sp.zoo, sp.oo, sp.I)] == [
        "0/0", "a division by zero", "oo", "I"
    ]  # fmt: skip


def test_only_methods_that_find_a_spike_from_above_take_a_neuron_that_goes_on():
    model = build("dV/dt = 2 - V", spike="V = 1", reset="")
    refused = "it takes no neuron whose V goes on through the spike"
    for method in METHODS:
        found = explain_mismatch(method, model)
        assert (found == refused) is (method not in FOR_CROSSINGS), method.NAME
