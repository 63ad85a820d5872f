import pytest
import sympy as sp
from models import make_quadratic

from derivations import list_models, read_neuron_model
from spiketheory.derivation import Derivation
from spiketheory.derive import derive, differentiate
from spiketheory.errors import DerivationError
from spiketheory.symbols import DURATION


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
        "Expected a model that one of the methods can solve but got 'mine', for which none fits "
        "(riccati: dv/dt is not a quadratic polynomial of v); change the model so that one of them "
        "applies."
    )


def test_deriving_twice_gives_the_same_derivation():
    assert derive(read_neuron_model("qif_delta")) == derive(read_neuron_model("qif_delta"))


@pytest.fixture(params=list_models())
def derivation(request):
    return derive(read_neuron_model(request.param))


def test_constant_values_are_expressions_of_the_parameters_alone(derivation):
    parameters = {p.symbol for p in derivation.model.parameters}
    assert set(derivation.constant_values) == {c.symbol for c in derivation.constants}
    for value in derivation.constant_values.values():
        assert value.free_symbols <= parameters


def test_every_branch_list_ends_with_a_branch_that_always_holds(derivation):
    for branches in (derivation.propagator.branches, derivation.time_to_spike):
        assert branches[-1].condition == sp.true


def test_jacobians_have_one_row_per_component_and_one_column_per_variable(derivation):
    n = len(derivation.chart.coordinates)
    shapes = {name: matrix.shape for name, matrix in differentiate(derivation).items()}
    assert shapes == {
        "flow_D_state": (n, n),
        "flow_D_dt": (n, 1),
        "time_to_spike_D_state": (1, n),
        "jump_D_state": (n, n),
        "jump_D_w": (n, 1),
        "reset_D_state": (n, n),
        "pseudo_delay_D_state": (1, n),
        "pseudo_delay_D_J": (1, 1),
        "pseudo_rate_D_state": (1, n),
        "pseudo_rate_D_J": (1, 1),
    }


def test_the_stated_gradient_of_the_spike_time_is_its_derivative_in_every_finite_branch(derivation):
    constants = derivation.constant_values
    stated = differentiate(derivation)["time_to_spike_D_state"]
    values = {p.symbol: sp.Rational(str(p.default)) for p in derivation.model.parameters}
    for drive in (sp.Rational(5, 4), sp.Integer(-1), sp.Rational(1, 4)):
        numbers = {s: v.subs(values | {sp.Symbol("I0", real=True): drive}) for s, v in
                   constants.items()}  # fmt: skip
        at = dict(zip(derivation.chart.coordinates, (sp.Integer(3), sp.Integer(1)), strict=True))
        if any(n.has(sp.zoo, sp.nan) or not n.is_real for n in numbers.values()):
            continue  # outside the domain of this model
        branch = next(
            b for b in derivation.time_to_spike if b.condition.subs(numbers).subs(at) == sp.true
        )
        value = branch.values[0]
        for coordinate, expected in zip(derivation.chart.coordinates, stated, strict=True):
            difference = (value.diff(coordinate) - expected).subs(numbers).subs(at)
            assert abs(sp.N(difference, 30)) < sp.Float("1e-25")


def test_the_flows_derivative_by_time_at_zero_is_the_field(derivation):
    by_time = differentiate(derivation)["flow_D_dt"]
    for _, propagator in derivation.propagator_values:
        at_zero = {symbol: value.subs(DURATION, 0) for symbol, value in propagator.items()}
        for got, expected in zip(by_time, derivation.chart.field, strict=True):
            assert sp.simplify(got.subs(at_zero) - expected) == 0
