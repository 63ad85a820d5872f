import time

import pytest
import sympy as sp
from models import change_derivation, make_quadratic

from derivations import list_models, read_neuron_model
from spiketheory.documents.blocks import Heading, Table
from spiketheory.documents.limits import explain_gradient_limits
from spiketheory.language.notation import write_math
from spiketheory.language.parse import build_model
from spiketheory.symbolic.derive import derive
from spiketheory.symbolic.gradient_limits import (
    UNDETERMINED,
    approach,
    find_gradient_limits,
    find_slope,
    list_limits_at_surface,
    list_limits_of_slope,
)

V = sp.Symbol("V", real=True)


@pytest.fixture(scope="module")
def theta():
    return derive(read_neuron_model("theta"))


@pytest.fixture(scope="module")
def qif():
    return derive(read_neuron_model("qif_delta"))


def make_model(equations, *, spike, parameters, rest=None):
    names = [line[1 : line.index("/")] for line in equations.split("\n")]
    return build_model(
        name="mine",
        equations=equations,
        spike=spike,
        reset=f"{names[0]} = -oo" if "oo" in spike else f"{names[0]} = 0",
        input=f"{names[-1]} += w",
        rest=rest or dict.fromkeys(names, 0),
        parameters=parameters,
    )


def tell(limits):
    """Place, value and verdict of each limit, as text."""
    return [
        (limit.towards.plain, "?" if limit.limit is None else write_math(limit.limit).plain)
        for limit in limits
    ]


def test_the_gradient_of_theta_is_bounded_and_vanishes_at_both_ends(theta):
    limits = find_gradient_limits(theta)
    assert tell(limits) == [
        ("V → ∞", "0"),
        ("V → -∞", "0"),
        ("V = 1/2", "-4 * τ / (4 * I₀ - 1)"),
    ]
    assert [limit.condition for limit in limits] == [sp.true] * 3
    assert not [limit for limit in limits if "diverges" in limit.verdict]
    assert "bounded everywhere" in limits[-1].verdict


def test_the_bound_is_the_largest_magnitude(theta):
    slope = find_slope(theta)
    values = {p.symbol: p.default for p in theta.model.parameters}
    voltage = theta.model.state[0]
    bound = abs(find_gradient_limits(theta)[-1].limit.subs(values))
    sampled = [abs(slope.subs(values).subs(voltage, sp.Rational(k, 10))) for k in range(-50, 60)]
    assert max(sampled) == pytest.approx(bound)


def test_the_gradient_of_qif_diverges_at_the_unstable_fixed_point(qif):
    limits = {str(limit.condition): limit for limit in find_gradient_limits(qif)}
    at_fixed = limits["4*I0 - 1 < 0"]
    assert at_fixed.towards.plain == "V → V_fix"
    assert write_math(at_fixed.fixed).plain == "sqrt(1 - 4 * I₀) / 2 + 1/2"
    assert at_fixed.verdict == "diverges like 1/(V - V_fix)"
    at_saddle = limits["Eq(4*I0 - 1, 0)"]
    assert at_saddle.verdict == "diverges like 1/(V - V_fix)^2"


@pytest.mark.parametrize("drive", [-1.0, 0.0, 0.2])
def test_the_divergence_has_the_right_strength(qif, drive):
    limit = next(x for x in find_gradient_limits(qif) if str(x.condition) == "4*I0 - 1 < 0")
    tau, current = qif.model.symbols["tau"], qif.model.symbols["I0"]
    voltage, fixed = qif.model.state[0], (1 + (1 - 4 * drive) ** 0.5) / 2
    values = {tau: 2.0, current: drive}
    near = fixed + 1e-6
    exact = find_slope(qif).subs(values).subs(voltage, near)
    told = limit.limit.subs(values).subs({voltage: near, sp.Symbol("V_fix"): fixed})
    assert float(told) == pytest.approx(float(exact), rel=1e-5)


def test_a_parabola_that_always_has_fixed_points_always_diverges():
    d = derive(make_quadratic("dv/dt = v**2 - a", {"a": {"default": 1.0, "domain": "a > 0"}}))
    limits = find_gradient_limits(d)
    assert [x.towards.plain for x in limits] == ["v → ∞", "v → v_fix"]
    assert [x.condition for x in limits] == [sp.true, sp.true]


def test_a_line_below_its_threshold_is_bounded_but_for_the_drive_that_just_reaches_it():
    model = make_model(
        "dV/dt = (I0 - V)/tau",
        spike="V = 1",
        parameters={"tau": {"default": 1.0, "domain": "tau > 0"}, "I0": {"default": 2.0}},
    )
    limits = list(list_limits_of_slope(model, -1 / model.derivatives[0]))
    assert tell(limits) == [("V → 1", "-τ / (I₀ - 1)"), ("V → -∞", "0"), ("V → 1", "-inf")]
    assert limits[-1].condition.plain == "I₀ - 1 → 0⁺"
    assert "diverges" in limits[-1].verdict


def test_at_a_threshold_the_gradient_diverges_where_the_neuron_grazes_it():
    model = make_model(
        "dV/dt = (I - V)/tau\ndI/dt = -I",
        spike="V = 1",
        parameters={"tau": {"default": 1.0, "domain": "tau > 0"}},
    )
    by_voltage, _, by_current, _ = list_limits_at_surface(model)
    assert write_math(by_voltage.limit).plain == "-τ / (I - 1)"
    assert by_voltage.verdict == "diverges where the neuron grazes: I - 1 → 0"
    assert by_current.limit == 0


def test_with_a_blow_up_and_two_variables_only_the_leading_order_is_determined():
    model = make_model("dV/dt = V**2 + I\ndI/dt = -I", spike="V -> oo", parameters={})
    limits = list(list_limits_at_surface(model))
    assert [x.limit for x in limits] == [0, None, None, None]
    assert {x.verdict for x in limits[1:]} == {UNDETERMINED}


@pytest.mark.parametrize(
    ("expression", "limit"),
    [
        ((V + 1) / (V**2 + 1), 0),
        ((3 * V**2 + 1) / (V**2 - V), 3),
        (2 * V**3 / (V + 1), sp.oo),
        (1 / (sp.exp(V) - V), 0),
        (1 / (1 + sp.Piecewise((V**2, V > 2), (V, True))), 0),
        (1 / (V + sp.Abs(V - 1)), 0),
    ],
)
def test_limits_at_infinity(expression, limit):
    assert approach(expression, V, sp.oo) == limit


@pytest.mark.parametrize(
    "expression",
    [
        sp.sin(V),
        sp.Symbol("a", real=True) * V,
        sp.Piecewise((V, sp.Symbol("q") < V), (0, True)),
        sp.Add(*(sp.exp(sp.sin(sp.Symbol(f"a{i}") * V)) for i in range(40))),
        sp.Function("f")(V),
    ],
)
def test_what_is_not_determined_is_said_so_and_takes_no_time(expression):
    started = time.perf_counter()
    assert approach(expression, V, sp.oo) is None
    assert time.perf_counter() - started < 2


def test_a_gradient_that_disagrees_with_the_equation_is_not_explained(theta):
    wrong = change_derivation(
        theta, time_to_spike_gradient=tuple(2 * g for g in theta.closed.time_to_spike_gradient)
    )
    assert find_slope(theta) is not None
    assert find_slope(wrong) is None


@pytest.mark.parametrize("name", list_models())
def test_every_model_gets_its_section_quickly(name):
    d = derive(read_neuron_model(name))
    started = time.perf_counter()
    heading, *blocks = explain_gradient_limits(d)
    assert time.perf_counter() - started < 5
    assert heading == Heading(text="Limits of the gradients")
    (table,) = (block for block in blocks if isinstance(block, Table))
    assert len(table.header) == (5 if len(d.model.state) > 1 else 4)
    assert len(table.rows) >= len(d.model.state)
