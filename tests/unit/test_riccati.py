import dataclasses
import re

import pytest
import sympy as sp
from models import make_quadratic

from derivations import read_neuron_model
from spiketheory.language.model import SpikeCondition
from spiketheory.language.parse import build_model
from spiketheory.language.symbols import DURATION
from spiketheory.symbolic.methods import riccati

GENERAL = "homogeneous coordinates"
ELLIPTIC = "homogeneous coordinates, scaled so that the flow is a rotation"


def make_two_dimensional():
    return build_model(
        name="qif",
        description="",
        equations="dV/dt = V*(V - 1) + I\ndI/dt = -I",
        spike="V -> oo",
        reset="V = -oo",
        input="I += w",
        rest={"V": "0", "I": "0"},
        parameters={},
        assumptions={},
        origin="qif.toml",
    )


@pytest.mark.parametrize(
    ("name", "chart"), [("theta", ELLIPTIC), ("qif_delta", GENERAL)]
)  # fmt: skip
def test_a_built_in_quadratic_model_matches(name, chart):
    model = read_neuron_model(name)
    assert riccati.explain_mismatch(model) is None
    assert riccati.solve(model).chart.name == chart


@pytest.mark.parametrize(
    ("equation", "message"),
    [
        ("dv/dt = v + 1", "dv/dt is not a quadratic polynomial of v"),
        ("dv/dt = v**3 + 1", "dv/dt is not a quadratic polynomial of v"),
        ("dv/dt = exp(v)", "dv/dt is not a quadratic polynomial of v"),
        ("dv/dt = v**2 + 1/v", "dv/dt is not a quadratic polynomial of v"),
        ("dv/dt = -v**2 + 1", r"the coefficient of v\*\*2 is not positive.*domains$"),
        ("dv/dt = k*v**2 + 1", 'not positive on .*; give k a domain such as domain = "k > 0"$'),
        ("dv/dt = v**2/k", 'give k a domain such as domain = "k > 0"$'),
        ("dv/dt = -k*v**2 + 1", "give k a domain on which it is$"),
        ("dv/dt = -p*v**2 + 1", "is not positive on the parameters' domains$"),
    ],
)
def test_an_equation_that_does_not_fit_is_named(equation, message):
    parameters = {"k": {"default": 1.0}, "p": {"default": 1.0, "domain": "p > 0"}}
    model = make_quadratic(equation, parameters)
    assert re.search(message, riccati.explain_mismatch(model))


def test_a_second_state_variable_does_not_fit():
    mismatch = riccati.explain_mismatch(make_two_dimensional())
    assert mismatch == "it has 2 state variables, and the method takes one"


def test_a_finite_threshold_does_not_fit():
    model = make_quadratic("dv/dt = v**2 + 1", {})
    v = model.state[0]
    finite = dataclasses.replace(model, spike=SpikeCondition(variable=v, value=sp.Integer(1)))
    assert riccati.explain_mismatch(finite) == "its spike is not at v -> oo with reset to -oo"


def test_a_finite_reset_does_not_fit():
    model = dataclasses.replace(make_quadratic("dv/dt = v**2 + 1", {}), reset=(sp.Integer(-1),))
    assert riccati.explain_mismatch(model) == "its spike is not at v -> oo with reset to -oo"


def test_an_input_that_does_more_than_add_the_weight_does_not_fit():
    model = make_quadratic("dv/dt = v**2 + 1", {})
    doubled = dataclasses.replace(model, jump=(2 * model.jump[0],))
    assert riccati.explain_mismatch(doubled) == "its input does not add the weight to v"


@pytest.mark.parametrize(
    ("equation", "parameters", "chart"),
    [
        ("dv/dt = v**2 + 1", {}, ELLIPTIC),
        ("dv/dt = v**2 - 1", {}, GENERAL),
        ("dv/dt = v**2", {}, GENERAL),
        ("dv/dt = k*v**2 + v + 1", {"k": {"default": 2.0, "domain": "k > 1"}}, ELLIPTIC),
        ("dv/dt = k*v**2 + v + 1", {"k": {"default": 1.0, "domain": "k > 0"}}, GENERAL),
        ("dv/dt = (a_2*v**2 + a_1*v + a_0)/C_m", None, GENERAL),
    ],
)
def test_the_flow_is_a_rotation_exactly_where_the_domains_imply_a_positive_drive(
    equation, parameters, chart
):
    assert riccati.solve(make_quadratic(equation, parameters)).chart.name == chart


CLASHING = {
    "a": {"default": 2.0, "domain": "a > 0"},
    "b": {"default": -1.0},
    "c": {"default": 2.0},
    "omega": {"default": 1.0, "domain": "omega > 0"},
    "x": {"default": 1.0, "domain": "x > 0"},
}


@pytest.mark.parametrize(
    ("equation", "parameters", "state"),
    [
        ("dv/dt = (a_2*v**2 + a_1*v + a_0)/C_m", None, "v"),
        ("dy/dt = (a*y**2 + b*y + c)/omega + x", CLASHING, "y"),
        ("dv/dt = v**2 + 1", {}, "v"),
        ("dv/dt = v**2 - 1", {}, "v"),
    ],
)
def test_the_flow_of_a_users_model_solves_its_equation_whatever_its_names(
    equation, parameters, state
):
    model = make_quadratic(equation, parameters, state=state)
    values = {p.symbol: sp.Rational(str(p.default)) for p in model.parameters}
    (voltage,) = model.state
    for start in (sp.Rational(3, 10), sp.Rational(-17, 10)):
        flow = compute_flow(riccati.solve(model), values, start)
        assert sp.N(flow.subs(DURATION, 0) - start, 30) == 0
        for duration in (sp.Rational(1, 20), sp.Rational(1, 5)):
            velocity = flow.diff(DURATION).subs(DURATION, duration)
            field = model.derivatives[0].subs(values).subs(voltage, flow.subs(DURATION, duration))
            assert abs(sp.N(velocity - field, 30, maxn=200)) < sp.Float("1e-25")


def compute_flow(d, values, start):
    """The membrane potential as a function of the duration alone."""
    numbers = {s: v.subs(values) for s, v in d.constant_values.items()}
    from_state = [e.subs(numbers).subs(values) for e in d.chart.from_state]
    before = [e.subs(d.model.state[0], start) for e in from_state]
    propagator = next(n for c, n in d.propagator_values if c.subs(numbers) == sp.true)
    after = [
        e.subs(propagator).subs(dict(zip(d.chart.coordinates, before, strict=True)))
        for e in d.closed.flow
    ]
    potential = d.chart.to_state[0].subs(dict(zip(d.chart.coordinates, after, strict=True)))
    return potential.subs(numbers).subs(values)


def test_every_symbol_of_a_solution_is_named_apart():
    d = riccati.solve(make_quadratic("dy/dt = (a*y**2 + b*y + c)/omega + x", CLASHING, state="y"))
    names = [s.name for s in d.chart.coordinates] + [c.symbol.name for c in d.constants]
    names += [s.name for s in d.propagator.symbols] + list(d.model.symbols)
    assert len(names) == len(set(names))


def test_a_neuron_that_is_reset_starts_just_after_its_spike():
    d = riccati.solve(read_neuron_model("theta"))
    after = dict(zip(d.chart.coordinates, d.reset, strict=True))
    assert d.initial.value.subs(after) == 0
    assert d.closed.time_to_spike[0].values[0].subs(after) == sp.pi / d.constants[1].symbol
