import math

import pytest
import sympy as sp
from models import (
    derive_once,
    generate_text,
    import_text,
    make_model,
    verify_derivation,
    verify_once,
)
from mpmath import mpf

from derivations import import_generated, read_neuron_model
from spiketheory.language.functions import time_to_spike
from spiketheory.reference.integrate import Reference
from spiketheory.symbolic.methods import taylor
from spiketheory.symbolic.methods.taylor import Growth, find_growth

BLOWUP = {"spike": "V -> oo", "reset": "V = 0"}
MINUS = {"spike": "V -> oo", "reset": "V = -oo"}


@pytest.mark.parametrize("name", ["eif", "izhikevich", "adex"])
def test_a_built_in_model_without_a_closed_form_matches(name):
    assert taylor.explain_mismatch(read_neuron_model(name)) is None


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            make_model("dV/dt = abs(V) - V + 2"),
            "dV/dt holds Abs(V), which is not smooth",
        ),
        (
            make_model("dV/dt = 2 - V\ndu/dt = abs(V) - u"),
            "du/dt holds Abs(V), which is not smooth",
        ),
        (
            make_model("dV/dt = 2 - V\ndu/dt = -u", spike="V = 1 + u"),
            "its threshold u + 1 depends on the state",
        ),
        (
            make_model("dV/dt = 1 + V", **BLOWUP),
            "dV/dt grows at most like V, which never reaches infinity",
        ),
        (
            make_model("dV/dt = sin(V) + 2", **BLOWUP),
            "dV/dt is neither a polynomial nor an exponential of V",
        ),
        (
            make_model("dV/dt = -V**2 + I\ndI/dt = -I", **BLOWUP),
            "the coefficient of V**2 is not positive on the parameters' domains, so V does not "
            "reach infinity",
        ),
        (
            make_model("dV/dt = V**3 + 1", **BLOWUP),
            "V blows up with degree 3, for which no coordinate is smooth at the spike; give V a "
            "finite peak",
        ),
        (
            make_model("dV/dt = exp(V) + exp(2*V)", **BLOWUP),
            "dV/dt does not have one exponential that grows with V",
        ),
        (
            make_model("dV/dt = exp(V*u)\ndu/dt = -u", **BLOWUP, rest={"u": 1}),
            "dV/dt does not have one exponential that grows with V",
        ),
        (
            make_model("dV/dt = exp(-V) + 1", **BLOWUP),
            "dV/dt does not have one exponential that grows with V",
        ),
        (
            make_model("dV/dt = 2 - exp(V)", **BLOWUP),
            "the coefficient of exp(V) is not positive on the parameters' domains",
        ),
        (
            make_model("dV/dt = exp(V) - V", **MINUS),
            "after a reset to -oo V would not come back: no chart joins plus and minus infinity; "
            "reset to a finite value",
        ),
        (
            make_model("dV/dt = V**3 + 1", **MINUS),
            "after a reset to -oo V would not come back: no chart joins plus and minus infinity; "
            "reset to a finite value",
        ),
        (
            make_model("dV/dt = V**4 + 1", **MINUS),
            "a blow-up of degree 4 with reset to -oo has no chart that is smooth on both sides of "
            "infinity; reset to a finite value",
        ),
        (
            make_model("dV/dt = (1 + u**2)*V**2 + 1\ndu/dt = -u", **MINUS),
            "the coefficient of V**2 depends on the state",
        ),
        (
            make_model("dV/dt = V**2 + u\ndu/dt = V - u", **MINUS),
            "u is driven by V and would be infinite after a spike",
        ),
        (
            make_model("dV/dt = V**2 + u\ndu/dt = V - u", **BLOWUP),
            "u would become infinite as V does; give V a finite peak",
        ),
        (
            make_model("dV/dt = exp(V) + u\ndu/dt = exp(V) - u", **BLOWUP),
            "u would become infinite as V does; give V a finite peak",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_model_that_does_not_fit_is_told_why(model, message):
    assert taylor.explain_mismatch(model) == message


def test_growth_is_exponential_or_a_power():
    assert find_growth(read_neuron_model("eif")) == Growth(
        exponent=read_neuron_model("eif").symbols["V"]
    )
    assert find_growth(read_neuron_model("izhikevich")) == Growth(degree=2)


def test_a_finite_peak_of_a_parabola_needs_no_other_chart():
    d = derive_once(read_neuron_model("izhikevich"))
    system = d.integrated
    assert system.far is None
    assert system.near.surface == d.model.symbols["V_peak"] - d.model.symbols["V"]
    assert d.chart.name == "the model's own state"


def test_exponential_growth_gets_a_chart_in_which_the_spike_is_a_finite_point():
    d = derive_once(read_neuron_model("eif"))
    V, current, tau_m = (d.model.symbols[name] for name in ("V", "I", "tau_m"))
    r = d.integrated.far.coordinates[0]
    assert d.integrated.far_from_near == (sp.exp(-V), current)
    assert d.integrated.near_from_far == (-sp.log(r), current)
    assert d.integrated.far.surface == r
    assert d.integrated.near.surface is None
    field = d.integrated.far.field[0]
    assert sp.simplify(field + (1 + r * sp.log(r) + r * current) / tau_m) == 0
    assert sp.limit(field, r, 0, "+") == -1 / tau_m  # crossed at a finite speed


def test_a_finite_peak_of_exponential_growth_is_a_small_r():
    d = derive_once(read_neuron_model("adex"))
    symbols = d.model.symbols
    r = d.integrated.far.coordinates[0]
    radius = sp.exp(-(symbols["V_peak"] - symbols["V_T"]) / symbols["Delta"])
    assert sp.simplify(d.integrated.far.surface - (r - radius)) == 0


@pytest.mark.parametrize("sharpness", [0.0013, 0.001])
def test_however_sharp_the_exponential_is_r_stays_within_the_range_of_floats(sharpness):
    """exp(-V/Delta) alone underflows below the threshold; the offset belongs to the exponent."""
    module, model = import_generated("adex"), read_neuron_model("adex")
    parameters = dict(zip(module.PARAMETERS, module.DEFAULTS, strict=True)) | {"Delta": sharpness}
    wait = module.time_to_spike(0.0, 0.0, *module.constants(*parameters.values()))
    at = {p.symbol: mpf(parameters[p.name]) for p in model.parameters}
    _, exact = Reference(model, at, digits=20).arrive([mpf(0), mpf(0)], mpf(10))
    assert wait == pytest.approx(float(exact), rel=1e-12)


@pytest.mark.parametrize("u", [0.0, 0.5])
def test_a_neuron_that_rests_for_ever_is_found_out_before_its_coordinates_overflow(u, tmp_path):
    """y grows without bounds next to a stable fixed point, and u decays to the smallest floats."""
    text = generate_text(OWN["a driven parabola with reset to -oo"])
    module = import_text(text, tmp_path)
    assert module.time_to_spike(0.2, 1.0, u) == math.inf


def test_charts_overlap_so_that_none_is_entered_and_left_at_once():
    """Where the far chart is entered its point lies beyond where it is left."""
    for name in ("eif", "adex"):
        system = derive_once(read_neuron_model(name)).integrated
        (enter,) = sp.solve(system.enter_far, system.near.coordinates[0])
        entered = system.far_from_near[0].subs(system.near.coordinates[0], enter)
        assert sp.simplify(entered) == sp.exp(-1)
        assert system.leave_far.subs(system.far.coordinates[0], sp.exp(-1)) < 0


def test_quadratic_growth_to_infinity_with_a_finite_reset_is_followed_as_its_inverse():
    d = derive_once(make_model("dV/dt = V**2 + I\ndI/dt = -I", **BLOWUP, input="I += w"))
    r = d.integrated.far.coordinates[0]
    assert d.method == "taylor"
    assert d.integrated.far.field[0].expand() == -1 - r**2 * d.model.symbols["I"]
    assert d.integrated.reset[0] == 0


def test_quadratic_growth_with_a_reset_to_minus_infinity_is_projective():
    model = make_model(
        "dV/dt = V**2 - V + a*u\ndu/dt = -u + u**2", **MINUS, input="V += w", free="a"
    )
    d = derive_once(model)
    assert d.method == "taylor"
    x, y, u = d.chart.coordinates
    assert d.chart.projective == (x, y)
    assert d.chart.surface == y
    assert d.integrated.far is None
    assert d.reset == (-1, 0, u)
    assert d.jump[0].expand() == x + y * sp.Symbol("w", real=True)
    assert d.initial.upper == sp.oo
    assert d.chart.to_state == (x / y, u)


def test_nothing_of_the_flow_has_a_closed_form():
    d = derive_once(read_neuron_model("eif"))
    assert d.is_integrated
    assert d.spike_branches == ()
    with pytest.raises(AssertionError, match="the flow is integrated"):
        _ = d.closed
    assert d.will_spike.has(time_to_spike)
    assert d.reason.startswith("no method in closed form fits; the equations are integrated")


def test_a_spike_is_looked_for_as_long_as_many_of_the_slowest_time_constants():
    horizons = {
        name: derive_once(read_neuron_model(name)).integrated.horizon
        for name in ("eif", "izhikevich", "adex")
    }
    assert str(horizons["eif"]) == "10000*Max(tau_m, tau_s)"
    assert str(horizons["adex"]) == "10000*Max(tau_m, tau_u)"
    assert horizons["izhikevich"] == 10000  # in units of its equations
    one = make_model("dV/dt = (V**2 + 1)/tau", **BLOWUP, positive="tau")
    assert str(taylor.solve(one).integrated.horizon) == "10000*tau"


def test_names_of_the_chart_avoid_those_of_the_model():
    model = make_model(
        "dV/dt = exp(V) - V + r_spike", **BLOWUP, free="r_spike elapsed",
    )  # fmt: skip
    system = derive_once(model).integrated
    assert len({s.name for s in system.symbols}) == len(system.symbols)


def test_the_steps_name_the_other_chart_only_where_there_is_one():
    titles = {n: [s.title for s in derive_once(read_neuron_model(n)).steps]
              for n in ("eif", "izhikevich")}  # fmt: skip
    assert titles["eif"] == [
        "Coordinates", "Towards the spike", "Taylor series", "Spike", "Gradient",
    ]  # fmt: skip
    assert titles["izhikevich"] == ["Coordinates", "Taylor series", "Spike", "Gradient"]


OWN = {
    "a quadratic blow-up with a finite reset": make_model(
        "dV/dt = (V**2 + I)/tau\ndI/dt = -I/tau_s", **BLOWUP, input="I += w",
        positive="tau tau_s",
    ),
    "a driven parabola with reset to -oo": make_model(
        "dV/dt = V**2 - V + u\ndu/dt = -u - u**3", **MINUS, input="V += w",
    ),
    "one variable with a finite threshold": make_model("dV/dt = tanh(V) - V**3 + 2"),
}  # fmt: skip


@pytest.mark.parametrize("model", OWN.values(), ids=OWN)
def test_a_model_of_ones_own_verifies(model):
    d = derive_once(model)
    assert d.method == "taylor"
    names = {c.name for c in verify_derivation(d).checks}
    assert {"flow against direct integration", "gradient of the spike time"} <= names


def test_integration_is_as_good_as_floating_point():
    for name in ("eif", "izhikevich", "adex"):
        for check in verify_once(name).checks:
            if check.name == "spike time against direct integration":
                error = float(check.detail.split("error ")[1].split(" ")[0])
                assert error < 1e-14
