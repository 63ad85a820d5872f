"""What is zero for all values of its symbols is found so by algebra, and what is not is not."""

import pytest
import sympy as sp

from spiketheory.language.functions import exp_dd, lambert_w, log1p
from spiketheory.language.symbols import DURATION
from spiketheory.verification.algebra import vanishes

a, b, c = sp.symbols("a b c", positive=True)
x, y, z = sp.symbols("x y z", real=True)
nu = sp.Symbol("nu", positive=True)
dt = DURATION
J, In = sp.besselj, sp.besseli
ratio = sp.sqrt((x**2 + 1) / (y**2 + 1))
late = sp.exp(-dt) * a  # an argument that depends on the duration

IDENTITIES = {
    "nothing": sp.S.Zero,
    "a square multiplied out": (x + y) ** 2 - x**2 - 2 * x * y - y**2,
    "a quotient": 1 / (x - y) + 1 / (x + y) - 2 * x / (x**2 - y**2),
    "a negative power": x**-2 * (x**3 + x) - x - 1 / x,
    "a broken number": (x / 3 + y / 7) * 21 - 7 * x - 3 * y,
    "a square root": (sp.sqrt(a) + sp.sqrt(b)) * (sp.sqrt(a) - sp.sqrt(b)) - a + b,
    "roots of numbers": (1 + sp.sqrt(2)) * (sp.sqrt(2) - 1) - 1,
    "a power of three halves": sp.sqrt(a + b) ** 3 - (a + b) * sp.sqrt(a + b),
    "a root below": 1 / sp.sqrt(a + 1) - sp.sqrt(a + 1) / (a + 1),
    "a cubic root": sp.cbrt(a + b) * sp.cbrt(a + b) ** 2 - a - b,
    "a fifth power of a cubic root": (a + 1) ** sp.Rational(5, 3) - (a + 1) * sp.cbrt(a + 1) ** 2,
    "a root in a root": sp.sqrt(a + sp.sqrt(b)) ** 2 - a - sp.sqrt(b),
    "roots of roots of roots": (sp.sqrt(1 + sp.sqrt(a + sp.sqrt(b))) ** 2 - 1) ** 2
    - (a + sp.sqrt(b)),
    "a root of a quotient": sp.sqrt((x**2 + 1) / (y**2 + 1)) ** 2 * (y**2 + 1) - x**2 - 1,
    "powers of a root of a quotient": (1 + ratio) ** 4 + (1 - ratio) ** 4
    - 2 * ((x**2 + 1) / (y**2 + 1)) ** 2
    - 12 * (x**2 + 1) / (y**2 + 1)
    - 2,
    "one root written in two ways": sp.sqrt((x + y) ** 2 + 1)
    - sp.sqrt(x**2 + 2 * x * y + y**2 + 1),
    "two roots to the fourth": (sp.sqrt(a + 1) * sp.sqrt(b + 1)) ** 4 - (a + 1) ** 2 * (b + 1) ** 2,
    "an absolute value squared": (1 + sp.Abs(x + y)) * (1 - sp.Abs(x + y)) - 1 + (x + y) ** 2,
    "an absolute value cubed": (sp.Abs(x) + y) ** 3
    - (3 * y * x**2 + y**3)
    - sp.Abs(x) * (x**2 + 3 * y**2),
    "i squared": (x + sp.I * y) * (x - sp.I * y) - x**2 - y**2,
    "i and a root": (sp.sqrt(a) + sp.I) ** 2 - a + 1 - 2 * sp.I * sp.sqrt(a),
    "exponentials": sp.exp(x) * sp.exp(-x) - 1,
    "an exponential of a sum": sp.exp(x + y) - sp.exp(x) * sp.exp(y),
    "an exponential of a product": sp.exp(a * (x + y)) - sp.exp(a * x) * sp.exp(a * y),
    "halves and thirds in exponents": sp.exp(x / 2) * sp.exp(x / 3) - sp.exp(5 * x / 6),
    "a power of an exponential": sp.exp(2 * x) - sp.exp(x) ** 2,
    "a geometric sum": (1 - sp.exp(-3 * x)) - (1 - sp.exp(-x)) * (1 + sp.exp(-x) + sp.exp(-2 * x)),
    "hyperbolic functions": sp.cosh(x) ** 2 - sp.sinh(x) ** 2 - 1,
    "half a hyperbolic angle": sp.tanh(x / 2) - sp.sinh(x) / (1 + sp.cosh(x)),
    "a sum of hyperbolic angles": sp.tanh(x + y) * (1 + sp.tanh(x) * sp.tanh(y))
    - sp.tanh(x)
    - sp.tanh(y),
    "Pythagoras": sp.sin(x) ** 2 + sp.cos(x) ** 2 - 1,
    "a sum of angles": sp.cos(x + y) - sp.cos(x) * sp.cos(y) + sp.sin(x) * sp.sin(y),
    "a difference of angles": sp.sin(a * (x - y))
    - sp.sin(a * x) * sp.cos(a * y)
    + sp.cos(a * x) * sp.sin(a * y),
    "twice an angle": sp.sin(2 * x) - 2 * sp.sin(x) * sp.cos(x),
    "a circle and an exponential": (sp.exp(x) * sp.sin(y)) ** 2
    + (sp.exp(x) * sp.cos(y)) ** 2
    - sp.exp(2 * x),
    "a logarithm for small numbers": log1p(x) - sp.log(1 + x),
    "two logarithms for small numbers": x * log1p(y) - sp.log(1 + y) * x,
    "the Lambert function": lambert_w(x) * sp.exp(lambert_w(x)) - x,
    "the Lambert function in a sum": lambert_w(a * x) * sp.exp(y + lambert_w(a * x))
    - a * x * sp.exp(y),
    "a divided difference": exp_dd(x, y) * (x - y) - sp.exp(x) + sp.exp(y),
    "a divided difference of three points": exp_dd(x, y, z) * (x - z)
    - exp_dd(x, y)
    + exp_dd(y, z),
    "a divided difference at one point": exp_dd(x, x, x) - sp.exp(x) / 2,
}  # fmt: skip

OTHERWISE = {
    "a number": sp.S.One,
    "a mixed term is missing": (x + y) ** 2 - x**2 - y**2,
    "a symbol": x,
    "a root is no number": sp.sqrt(a) - a,
    "a root has one sign": sp.sqrt(a + b) + sp.sqrt(b + a),
    "a root of a sum": sp.sqrt(a + b) - sp.sqrt(a) - sp.sqrt(b),
    "a root of a square has a sign": sp.sqrt((x - y) ** 2 + 1) - x + y - 1,
    "roots of negative numbers": sp.cos(2 * z)
    * sp.exp(z)
    * (sp.sqrt(x) * sp.sqrt(y) - sp.sqrt(x * y)),
    "a cubic root squared": sp.cbrt(a + 1) ** 2 - a - 1,
    "a wrong root in a root": sp.sqrt(a + sp.sqrt(b)) ** 2 - a - b,
    "an absolute value": sp.Abs(x) - x,
    "an absolute value squared": (1 + sp.Abs(x)) * (1 - sp.Abs(x)) - 1 + x**3,
    "i": sp.I * x - x,
    "i squared has a sign": (x + sp.I * y) ** 2 - x**2 - y**2 - 2 * sp.I * x * y,
    "exponents add": sp.exp(x * y) - sp.exp(x) * sp.exp(y),
    "half an exponent": sp.exp(x / 2) - sp.exp(x) / 2,
    "exponents of different symbols": sp.exp(x) - sp.exp(y),
    "the wrong hyperbola": sp.cosh(x) ** 2 + sp.sinh(x) ** 2 - 1,
    "circle and hyperbola": sp.cosh(x) ** 2 - sp.sin(x) ** 2 - 1,
    "two angles": sp.sin(x) ** 2 + sp.cos(y) ** 2 - 1,
    "the wrong sign of a sum of angles": sp.cos(x + y)
    - sp.cos(x) * sp.cos(y)
    - sp.sin(x) * sp.sin(y),
    "sine is no cosine": sp.sin(x) - sp.cos(x),
    "a logarithm of something else": log1p(x) - sp.log(x),
    "the Lambert function without its factor": sp.exp(lambert_w(x)) - x,
    "two Lambert functions": lambert_w(x) * sp.exp(lambert_w(y)) - x,
    "a divided difference of other points": exp_dd(x, y) * (x - z) - sp.exp(x) + sp.exp(z),
    "a divided difference at one point, without its half": exp_dd(x, x, x) - sp.exp(x),
    "a small difference": x * (1 + sp.Rational(1, 10**40)) - x,
}  # fmt: skip


@pytest.mark.parametrize("expression", IDENTITIES.values(), ids=IDENTITIES)
def test_what_is_zero_is_found_zero(expression):
    assert vanishes(expression)


@pytest.mark.parametrize("expression", OTHERWISE.values(), ids=OTHERWISE)
def test_what_is_not_zero_is_not_taken_for_zero(expression):
    assert not vanishes(expression)


def test_the_absolute_value_of_a_complex_number_is_not_squared():
    w = sp.Symbol("w")
    assert not vanishes((1 + sp.Abs(w)) * (1 - sp.Abs(w)) - 1 + w**2)


BESSEL = {
    "up": J(nu + 1, late) - 2 * nu / late * J(nu, late) + J(nu - 1, late),
    "two up": J(nu + 2, late) - 2 * (nu + 1) / late * J(nu + 1, late) + J(nu, late),
    "two down": J(nu - 2, late) - 2 * (nu - 1) / late * J(nu - 1, late) + J(nu, late),
    "three down": J(nu - 3, late) - 2 * (nu - 2) / late * J(nu - 2, late) + J(nu - 1, late),
    "up from -nu": J(2 - nu, late) - 2 * (1 - nu) / late * J(1 - nu, late) + J(-nu, late),
    "down from -nu": J(-nu - 1, late) + 2 * nu / late * J(-nu, late) + J(1 - nu, late),
    "Wronskian": J(nu + 1, late) * J(-nu, late)
    + J(nu, late) * J(-nu - 1, late)
    + 2 * sp.sin(sp.pi * nu) / (sp.pi * late),
    "I up": In(nu + 1, late) + 2 * nu / late * In(nu, late) - In(nu - 1, late),
    "I two up": In(nu + 2, late) + 2 * (nu + 1) / late * In(nu + 1, late) - In(nu, late),
    "I two down": In(nu - 2, late) - 2 * (nu - 1) / late * In(nu - 1, late) - In(nu, late),
    "I down from -nu": In(-nu - 1, late) + 2 * nu / late * In(-nu, late) - In(1 - nu, late),
    "I Wronskian": In(nu, late) * In(-nu - 1, late)
    - In(nu + 1, late) * In(-nu, late)
    + 2 * sp.sin(sp.pi * nu) / (sp.pi * late),
    "derivative": J(nu, late).diff(dt) + late * J(nu - 1, late) - nu * J(nu, late),
    "equation": (late**2 - nu**2) * J(nu, late) + J(nu, late).diff(dt, 2),
    "I equation": (late**2 + nu**2) * In(-nu, late) - In(-nu, late).diff(dt, 2),
    "two arguments": (J(nu, late) + J(nu, 2 * late)) * J(nu, 2 * late) - J(nu, 2 * late) ** 2
    - J(nu, late) * J(nu, 2 * late),
    "numbers of integration": J(nu, a) * J(nu, late) - J(nu, late) * J(nu, a),
}  # fmt: skip


def evaluate(expression):
    """At one point, in 30 digits: what each identity is told by."""
    at = {a: sp.Rational(7, 3), nu: sp.Rational(11, 7), dt: sp.Rational(2, 5)}
    return abs(sp.N(expression.subs(at), 30))


@pytest.mark.parametrize("expression", BESSEL.values(), ids=BESSEL)
def test_bessel_functions_are_reduced_by_their_recurrences(expression):
    assert evaluate(expression) < 1e-25
    assert vanishes(expression)


NO_BESSEL = {
    "another order": J(nu + 1, late) - J(nu, late),
    "a sign": J(nu + 1, late) - 2 * nu / late * J(nu, late) - J(nu - 1, late),
    "the rule of the other kind": In(nu + 1, late)
    - 2 * nu / late * In(nu, late)
    + In(nu - 1, late),
    "nu for nu + 1": J(nu + 2, late) - 2 * nu / late * J(nu + 1, late) + J(nu, late),
    "nu for nu - 1": J(nu - 2, late) - 2 * nu / late * J(nu - 1, late) + J(nu, late),
    "the sign of the Wronskian": J(nu + 1, late) * J(-nu, late)
    + J(nu, late) * J(-nu - 1, late)
    - 2 * sp.sin(sp.pi * nu) / (sp.pi * late),
    "two kinds": J(nu, late) - In(nu, late),
    "nu and -nu": J(nu, late) - J(-nu, late),
    "two arguments": J(nu, late) - J(nu, 2 * late),
    "two orders": J(nu, late) - J(2 * nu, late),
    "numbers of integration": J(nu, a) - J(nu + 1, a),
}  # fmt: skip


@pytest.mark.parametrize("expression", NO_BESSEL.values(), ids=NO_BESSEL)
def test_other_combinations_of_bessel_functions_do_not_vanish(expression):
    assert evaluate(expression) > 1e-3
    assert not vanishes(expression)
