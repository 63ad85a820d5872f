import mpmath
import pytest
import sympy as sp
from models import derive_once, make_quadratic

from derivations import list_models, read_neuron_model
from spiketheory.errors import DerivationError
from spiketheory.language.functions import Opaque
from spiketheory.language.parse import build_model, parse_model
from spiketheory.language.symbols import DURATION, WEIGHT
from spiketheory.symbolic.derivation import Derivation
from spiketheory.symbolic.derive import derive, differentiate
from spiketheory.verification.cases import MPMATH


def test_a_model_that_a_method_solves_gives_a_derivation_of_that_model():
    model = read_neuron_model("theta")
    d = derive(model)
    assert isinstance(d, Derivation)
    assert d.model is model
    assert d.method == "riccati"


def test_a_model_that_no_method_solves_is_told_what_each_one_missed():
    with pytest.raises(DerivationError) as info:
        derive(make_quadratic("dv/dt = exp(v)", {}))
    assert str(info.value) == (
        "Expected a model that one of the methods can solve but got 'mine', for which not even the "
        "most general one works: after a reset to -oo v would not come back: no chart joins plus "
        "and minus infinity; reset to a finite value. Change that, or make the model fit one of "
        "the others (riccati: dv/dt is not a quadratic polynomial of v; bessel: it has 1 state "
        "variables, and the method takes two; glued parabolas: dv/dt does not hold one absolute "
        "value of v; linear: dv/dt is not linear in v)."
    )


@pytest.mark.parametrize(
    ("name", "method"),
    {
        "theta": "riccati",
        "qif_delta": "riccati",
        "qif": "bessel",
        "rapid_theta": "glued parabolas",
        "lif": "linear",
        "lif_alpha": "linear",
        "lif_delta": "linear",
        "nlif": "linear",
        "eif": "taylor",
        "izhikevich": "taylor",
        "adex": "taylor",
    }.items(),
)
def test_every_built_in_model_is_solved_by_its_most_special_method(name, method):
    assert derive_once(read_neuron_model(name)).method == method


def make_model(equations, **changes):
    options = {
        "spike": "V = 1",
        "reset": "V = 0",
        "input": "V += w",
        "rest": {"V": 0},
        "parameters": {},
    }
    return build_model(name="mine", equations=equations, **(options | changes))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            make_model("dV/dt = log(V)"),
            "Expected dV/dt of mine to be a finite real number at rest but got a division by zero "
            "at V = 0; start it where its equations have a solution.",
        ),
        (
            make_model("dV/dt = sqrt(V)", rest={"V": -1}),
            "Expected dV/dt of mine to be a finite real number at rest but got I at V = -1; start "
            "it where its equations have a solution.",
        ),
        (
            make_model("dV/dt = 2 - V", rest={"V": 1}),
            "Expected mine to rest below its threshold 1 but got V = 1; lower rest or raise the "
            "threshold.",
        ),
        (
            make_model("dV/dt = 2 - V", reset="V = 1"),
            "Expected the reset of mine to lead below its threshold but V = 1 need not lie below "
            "1: the neuron would spike without end; lower it, or see that V falls there: dV/dt = 1 "
            "need not be negative.",
        ),
        (
            make_model("dV/dt = 2 - V", reset="V = r", parameters={"r": {"default": 1.0}}),
            "Expected the reset of mine to lead below its threshold but V = r need not lie below "
            '1: the neuron would spike without end; lower it, or state "r < 1" as the domain of a '
            "parameter.",
        ),
    ],
    ids=["infinite at rest", "complex at rest", "rests at the threshold",
         "reset onto the threshold", "reset that may lie above it"],
)  # fmt: skip
def test_a_model_that_makes_no_sense_is_told_why(model, message):
    with pytest.raises(DerivationError) as info:
        derive(model)
    assert str(info.value) == message


def test_a_reset_below_the_threshold_by_its_domain_is_accepted():
    low = {"r": {"default": 0.0, "domain": "r < 1"}}
    assert derive(make_model("dV/dt = 2 - V", reset="V = r", parameters=low)).method == "linear"
    subtracted = make_model("dV/dt = 2 - V", reset="V -= 1")
    assert derive(subtracted).reset == (subtracted.state[0] - 1,)


def test_deriving_twice_gives_the_same_derivation():
    assert derive(read_neuron_model("qif_delta")) == derive(read_neuron_model("qif_delta"))


@pytest.fixture(params=list_models())
def derivation(request):
    return derive_once(read_neuron_model(request.param))


def test_constant_values_are_expressions_of_the_parameters_alone(derivation):
    parameters = {p.symbol for p in derivation.model.parameters}
    assert set(derivation.constant_values) == {c.symbol for c in derivation.constants}
    for value in derivation.constant_values.values():
        assert value.free_symbols <= parameters


def test_every_branch_list_ends_with_a_branch_that_always_holds(derivation):
    for branches in (derivation.propagator.branches, derivation.spike_branches):
        assert not branches or branches[-1].condition == sp.true
    assert (derivation.spike_branches == ()) == derivation.is_integrated


def test_jacobians_have_one_row_per_component_and_one_column_per_variable(derivation):
    n = len(derivation.chart.coordinates)
    shapes = {name: matrix.shape for name, matrix in differentiate(derivation).items()}
    expected = {"jump_D_state": (n, n), "jump_D_w": (n, 1), "reset_D_state": (n, n)}
    if not derivation.is_integrated:
        expected |= {
            "flow_D_state": (n, n),
            "flow_D_dt": (n, 1),
            "time_to_spike_D_state": (1, n),
        }
    if derivation.pseudospike is not None:
        expected |= {
            "pseudo_delay_D_state": (1, n),
            "pseudo_delay_D_J": (1, 1),
            "pseudo_rate_D_state": (1, n),
            "pseudo_rate_D_J": (1, 1),
        }
    assert shapes == expected


@pytest.mark.parametrize("name", ["theta", "qif_delta", "lif_delta", "nlif", "lif"])
def test_the_stated_gradient_of_the_spike_time_is_its_derivative_in_every_finite_branch(name):
    """With closed forms; the 50-digit checks of `verify` differentiate all others."""
    d = derive_once(read_neuron_model(name))
    parameters = {p.symbol: sp.Rational(str(p.default)) for p in d.model.parameters}
    drive = sp.Symbol("I0", real=True)
    used = set()
    for changes in (
        *({drive: v} for v in (sp.Rational(5, 4), sp.Integer(-1), sp.Rational(1, 4))),
        {sp.Symbol("tau_s", positive=True): sp.Integer(1)},
    ):
        values = parameters | {k: v for k, v in changes.items() if k in parameters}
        numbers = values | {s: v.subs(values) for s, v in d.constant_values.items()}
        at = dict(zip(d.chart.coordinates, START[name], strict=True))
        if any(n.has(sp.zoo, sp.nan) or not n.is_real for n in numbers.values()):
            continue  # outside the domain of this model
        branch = next(
            b for b in d.closed.time_to_spike if b.condition.subs(numbers).subs(at) == sp.true
        )
        value = branch.values[0]
        used.add(value)
        if value in (0, sp.oo) or value.has(Opaque):
            continue
        wait = value.subs(numbers).subs(at)
        ((_, step),) = [p for p in d.propagator_values if p[0].subs(numbers) == sp.true][:1]
        then = {symbol: e.subs(DURATION, wait).subs(numbers) for symbol, e in step.items()}
        for coordinate, expected in zip(
            d.chart.coordinates, d.closed.time_to_spike_gradient, strict=True
        ):
            got = value.diff(coordinate).subs(numbers).subs(at)
            difference = evaluate(got) - evaluate(expected.subs(then).subs(numbers).subs(at))
            assert abs(difference) < 1e-25
    assert used - {sp.oo}


START = {
    "theta": (sp.Integer(3), sp.Integer(1)),
    "qif_delta": (sp.Integer(3), sp.Integer(1)),
    "lif_delta": (sp.Rational(1, 3),),
    "nlif": (sp.Rational(1, 3), sp.Integer(4)),
    "lif": (sp.Rational(1, 3), sp.Integer(7)),
}


def evaluate(expression):
    """A number in 30 digits."""
    with mpmath.workdps(40):
        return mpmath.mpf(sp.lambdify((), expression, [MPMATH, "mpmath"])())


def test_the_flows_derivative_by_time_at_zero_is_the_field(derivation):
    if derivation.is_integrated:
        return
    by_time = differentiate(derivation)["flow_D_dt"]
    numbers = derivation.numbers
    unit = dict(zip(numbers.symbols, (1, 0, 0, 1), strict=True)) if numbers else {}
    for _, propagator in derivation.propagator_values:
        at_zero = {symbol: value.subs(DURATION, 0) for symbol, value in propagator.items()}
        at_zero = {s: v.rewrite(sp.exp) for s, v in at_zero.items()}
        for got, expected in zip(by_time, derivation.chart.field, strict=True):
            assert sp.simplify(got.subs(at_zero | unit) - expected) == 0


PORTS = """
[model]
name = "two_ports"
equations = "dV/dt = (2 - V)/tau"
spike = "V = 1"
reset = "V = V/4 - a"
rest = {V = 0}
[model.inputs]
exc = "V += a*w**2"
shunt = "V *= 1 - b*w"
[parameters]
tau = {default = 1.0, domain = "tau > 0"}
a = 1.0
b = 1.0
"""


def test_each_port_has_derivatives_of_its_own_input():
    model = parse_model(PORTS)
    found = differentiate(derive(model))
    V, a, b, w = (*(model.symbols[n] for n in ("V", "a", "b")), WEIGHT)
    expected = {
        "jump_D_state": 1, "jump_D_w": 2 * a * w, "jump_shunt_D_state": 1 - b * w,
        "jump_shunt_D_w": -b * V, "reset_D_state": sp.Rational(1, 4),
    }  # fmt: skip
    assert set(found) == {*expected, "flow_D_state", "flow_D_dt", "time_to_spike_D_state"}
    for name, value in expected.items():
        assert sp.simplify(found[name][0, 0] - value) == 0, name


@pytest.mark.parametrize(("spiking", "current"), [("V", "I"), ("A", "B")])
def test_the_flows_derivative_by_time_is_that_of_its_closed_form(spiking, current):
    """Later too, where the field is that of the state reached by then; whatever comes first."""
    model = build_model(
        name="mine",
        equations=f"d{spiking}/dt = {current} - {spiking}\nd{current}/dt = -{current}/2",
        spike=f"{spiking} = 1", reset=f"{spiking} = 0", input=f"{current} += w",
        rest={spiking: 0, current: 0}, parameters={},
    )  # fmt: skip
    d = derive(model)
    at = dict(zip(d.chart.coordinates, (sp.Rational(1, 3), sp.Integer(7)), strict=True))
    ((_, step),) = d.propagator_values
    later = {DURATION: sp.Rational(7, 10)}
    for flow, stated in zip(d.closed.flow, differentiate(d)["flow_D_dt"], strict=True):
        slope = flow.subs(step).subs(at).diff(DURATION).subs(later)
        assert abs(evaluate(slope - stated.subs(step).subs(at).subs(later))) < 1e-25
