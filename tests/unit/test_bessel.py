import math

import mpmath
import numpy as np
import pytest
import sympy as sp
from models import derive_once, make_model, make_quadratic, verify_derivation
from mpmath import mpf

from derivations import import_generated, read_neuron_model
from spiketheory.language.functions import decay_matrix, decay_wait
from spiketheory.runtime.special_mpmath import decay_matrix as matrix_in_digits
from spiketheory.symbolic.methods import bessel, riccati
from spiketheory.verification.cases import MPMATH

BLOWUP = {"spike": "V -> oo", "reset": "V = -oo", "input": "I += w"}


def make_driven(equation="dV/dt = (V*(V - 1) + I)/tau_m", decay="dI/dt = -I/tau_s", **changes):
    options = BLOWUP | {"positive": "tau_m tau_s"} | changes
    return make_model(f"{equation}\n{decay}", **options)


def test_qif_matches_and_is_left_over_by_the_simpler_method():
    model = read_neuron_model("qif")
    assert bessel.explain_mismatch(model) is None
    assert riccati.explain_mismatch(model) == "it has 2 state variables, and the method takes one"


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (make_quadratic(), "it has 1 state variables, and the method takes two"),
        (make_driven("dV/dt = V**3 + I"), "dV/dt is not a quadratic polynomial of V"),
        (make_driven("dV/dt = exp(V) + I"), "dV/dt is not a quadratic polynomial of V"),
        (make_driven("dV/dt = V**2 - V + I**2"), "I does not simply add to dV/dt"),
        (make_driven("dV/dt = V**2 - V*I"), "I does not simply add to dV/dt"),
        (make_driven("dV/dt = V**2*I - V + I"), "I does not simply add to dV/dt"),
        (make_driven(decay="dI/dt = I/tau_s"), "I does not decay exponentially"),
        (make_driven(decay="dI/dt = -I*V"), "I does not decay exponentially"),
        (make_driven(decay="dI/dt = 1 - I"), "I does not decay exponentially"),
        (make_driven(decay="dI/dt = -k*I", free="k"), "I does not decay exponentially"),
        (
            make_driven(spike="V = 3", reset="V = 0"),
            "its spike is not at V -> oo with reset to -oo",
        ),
        (make_driven(reset="V = -2"), "its spike is not at V -> oo with reset to -oo"),
        (make_driven(reset="V = -oo; I = 0"), "its reset changes I"),
        (make_driven(input="V += w"), "its input does not add the weight to I"),
        (make_driven(input="I += 2*w"), "its input does not add the weight to I"),
        (
            make_driven("dV/dt = k*V**2 - V + I", free="k"),
            "the coefficient of V**2 is not positive on the parameters' domains",
        ),
        (
            make_driven("dV/dt = V**2 - V + I + 1"),
            "without I it has no stable fixed point for some parameters (-3 > 0 does not follow "
            "from their domains)",
        ),
        (
            make_driven("dV/dt = V**2 - V + I + k", free="k"),
            "without I it has no stable fixed point for some parameters (1 - 4*k > 0 does not "
            "follow from their domains)",
        ),
        (make_driven(rest={"I": 1}), "I does not rest at 0"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_model_that_does_not_fit_is_told_why(model, message):
    assert bessel.explain_mismatch(model) == message


def test_the_order_is_the_ratio_of_the_time_constants():
    d = derive_once(read_neuron_model("qif"))
    (order,) = d.constants
    assert order.symbol.name == "nu"
    tau_m, tau_s = d.model.symbols["tau_m"], d.model.symbols["tau_s"]
    assert order.value == tau_s / tau_m


def test_potentials_are_measured_from_the_stable_fixed_point_in_units_of_the_gap():
    # V' = 2 (V - 1)(V - 3) + I: fixed points 1 (stable) and 3, T = 1/4
    model = make_driven("dV/dt = 2*V**2 - 8*V + 6 + 3*I", positive="tau_s", rest={"V": 1})
    assert bessel.explain_mismatch(model) is None
    form = bessel.Quadratic(model)
    assert (form.time, form.center, form.scale) == (sp.Rational(1, 4), 1, 2)
    assert form.gain == sp.Rational(3, 8)
    d = derive_once(model)
    x, y, current = d.chart.coordinates
    assert d.chart.to_state == (1 + 2 * x / y, current)
    assert [c.symbol.name for c in d.constants] == ["T", "nu"]


def test_the_chart_has_one_state_per_ray_and_an_ordinary_current():
    chart = derive_once(read_neuron_model("qif")).chart
    x, y, _ = chart.coordinates
    assert chart.projective == (x, y)
    assert chart.surface == y


def test_variables_may_come_in_either_order_and_have_any_names():
    model = make_model(
        "dg/dt = -g/x\ndu/dt = (u*(u - 1) + g)/y", spike="u -> oo", reset="u = -oo",
        input="g += w", positive="x y",
    )  # fmt: skip
    d = derive_once(model)
    names = [c.name for c in d.chart.coordinates]
    assert len(set(names) | {"x", "y"}) == 5  # apart from the parameters
    assert [str(e) for e in d.chart.to_state] == ["g", f"{names[0]}/{names[1]}"]


def test_closed_forms_are_elementary_at_half_the_ratio_and_bessel_functions_elsewhere():
    d = derive_once(read_neuron_model("qif"))
    tau_m, tau_s = d.model.symbols["tau_m"], d.model.symbols["tau_s"]
    kinds = []
    for form in d.numbers.closed_forms:
        half = form.where.get(tau_s) == tau_m / 2 or form.where.get(tau_m) == 2 * tau_s
        values = sp.Tuple(*form.full_values)
        kinds.append((half, values.has(sp.besselj), values.has(sp.besseli)))
        assert (form.wait is not None) == half
    assert kinds == [(True, False, False), (False, True, False), (True, False, False),
                     (False, False, True)]  # fmt: skip


def test_the_closed_forms_are_what_the_evaluator_computes():
    d = derive_once(read_neuron_model("qif"))
    tau_m, tau_s, current = (d.model.symbols[name] for name in ("tau_m", "tau_s", "I"))
    with mpmath.workdps(30):
        for form in d.numbers.closed_forms:
            at = {tau_m: mpf("1.2"), tau_s: mpf("0.6" if form.wait is not None else "0.9")}
            at[d.constants[0].symbol] = at[tau_s] / at[tau_m]
            at[d.propagator.symbols[0]] = mpf("0.8")
            (size,) = form.where[current].free_symbols
            at[size] = mpf("0.7")
            at[current] = evaluate(form.where[current], at)
            want = matrix_in_digits(*(evaluate(a, at) for a in d.numbers.call.args))
            for value, right in zip(form.full_values, want, strict=True):
                assert abs(evaluate(value, at) - right) < mpf(10) ** -25


def evaluate(expression, values):
    symbols = [s for s in values if s in expression.free_symbols]
    compiled = sp.lambdify(symbols, expression, [MPMATH, "mpmath"])
    return mpmath.mpmathify(compiled(*(values[s] for s in symbols))).real


def test_flow_and_wait_call_one_function_each():
    d = derive_once(read_neuron_model("qif"))
    assert isinstance(d.numbers.call, decay_matrix)
    assert d.closed.time_to_spike[0].values[0].has(decay_wait)
    assert len(d.numbers.symbols) == 4
    assert len(d.numbers.tangents) == 2


def test_without_current_a_neuron_above_the_unstable_fixed_point_spikes_at_the_textbook_time():
    model = import_generated("qif")
    constants = model.constants(1.3, 0.5)
    for V in (1.5, 3.0, 40.0):
        wait = model.time_to_spike(*model.enter_chart(V, 0.0, *constants), *constants)
        assert wait == pytest.approx(1.3 * math.log(V / (V - 1)), rel=1e-14)
    for V in (1.0, 0.5, -7.0):
        wait = model.time_to_spike(*model.enter_chart(V, 0.0, *constants), *constants)
        assert wait == math.inf


def test_an_input_does_not_touch_potential_and_distance_from_the_spike():
    model = import_generated("qif")
    constants = model.constants(1.0, 0.5)
    assert model.jump(0.3, 0.7, 1.0, -2.5, *constants) == (0.3, 0.7, -1.5)


def test_a_spike_leaves_the_current_alone():
    model = import_generated("qif")
    constants = model.constants(1.0, 0.5)
    state = model.enter_chart(0.3, 20.0, *constants)
    wait = model.time_to_spike(*state, *constants)
    fired = model.fire(*state, *model.propagator(wait, *constants), *constants)
    assert fired == (-1.0, 0.0, 20.0 * np.exp(-wait / 0.5))


def test_pseudospikes_are_those_of_klos_and_memmesheimer():
    # DESIGN 4.6: sigma = 10 log(1 + exp(J/10)), phase = tau (atan((V - 1/2)/m) + pi/2)/m
    model = import_generated("qif")
    constants = model.constants(1.4, 0.7)
    for V, current, pseudo in ((0.2, 0.5, 0.0), (-3.0, -2.0, 1.5), (4.0, 30.0, -7.0)):
        m = math.sqrt(10 * math.log1p(math.exp((current + pseudo) / 10)))
        phase, period = 1.4 * (math.atan((V - 0.5) / m) + math.pi / 2) / m, 1.4 * math.pi / m
        got = model.pseudospike(*model.enter_chart(V, current, *constants), pseudo, *constants)
        assert got == pytest.approx((period - phase, period, phase / period), rel=1e-13)


def test_a_driven_parabola_of_ones_own_verifies():
    model = make_driven("dV/dt = (2*V**2 - 8*V + 6 + 3*I)/tau_m", rest={"V": 1})
    assert len(verify_derivation(derive_once(model)).checks) == 28
