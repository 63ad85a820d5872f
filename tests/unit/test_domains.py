import pytest
import sympy as sp
from models import make_quadratic

from spiketheory.language.domains import is_positive, shift_by_bound
from spiketheory.language.parse import parse_expression


def make_parameters(**domains: str | None):
    parameters = {
        name: {"default": default} | ({"domain": domain} if domain else {})
        for name, (default, domain) in domains.items()
    }
    return make_quadratic("dv/dt = v**2 + 1", parameters).parameters


P = {
    "tau": (1.0, "tau > 0"),
    "I0": (1.0, "I0 > 1/4"),
    "k": (2.0, "k >= 2"),
    "c": (-1.0, "c < 0"),
    "free": (1.0, None),
    "both": (0.5, "0 < both and both < 1"),
}


def evaluate(text: str) -> bool:
    parameters = make_parameters(**P)
    names = {p.name: p.symbol for p in parameters}
    return is_positive(parse_expression(text, names, where="test"), parameters)


@pytest.mark.parametrize(
    "text",
    ["tau", "I0 - 1/4", "(4*I0 - 1)/(4*tau)", "k - 1", "I0*k - 1/2", "tau**2 + free**2", "both"],
)
def test_an_expression_that_is_positive_on_the_domains_is_found_so(text):
    assert evaluate(text)


@pytest.mark.parametrize(
    "text", ["free", "-tau", "I0 - 1", "k - 2", "I0 - tau", "free**2", "c", "tau - 1", "both - 1/2"]
)
def test_an_expression_that_may_be_zero_or_negative_is_not_called_positive(text):
    assert not evaluate(text)


def test_a_bound_is_turned_into_a_sum_with_a_positive_number():
    (parameter,) = make_parameters(I0=(1.0, "I0 > 1/4"))
    shifted = shift_by_bound(parameter)
    assert (shifted - sp.Rational(1, 4)).is_positive


def test_a_bound_that_may_be_reached_gives_a_number_that_may_be_zero():
    (parameter,) = make_parameters(k=(2.0, "k >= 2"))
    excess = shift_by_bound(parameter) - 2
    assert excess.is_nonnegative
    assert excess.is_positive is None


def test_an_upper_bound_counts_as_well():
    (parameter,) = make_parameters(c=(-1.0, "c < 2"))
    shortfall = 2 - shift_by_bound(parameter)
    assert shortfall.is_positive
    assert is_positive(3 - parameter.symbol, [parameter])
    assert not is_positive(1 - parameter.symbol, [parameter])


def test_a_parameter_without_a_bound_by_a_number_is_left_alone():
    for domain in (None, "c < free"):
        parameters = make_parameters(c=(-1.0, domain), free=(1.0, None))
        assert shift_by_bound(parameters[0]) == parameters[0].symbol
