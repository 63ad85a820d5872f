import math

import numpy as np
import pytest
import sympy as sp

from spiketheory.language import functions
from spiketheory.language.functions import (
    decay_wait,
    exp_dd,
    first_zero,
    lambert_w,
    log1p,
    softplus,
    time_to_spike,
)
from spiketheory.language.printers import FUNCTIONS, print_numpy, print_plain, print_scalar

x, y, a = sp.symbols("x y a", real=True)
n = sp.Symbol("n", integer=True)


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (x + y, "x + y"),
        (x - y, "x - y"),
        (-x + y, "y - x"),
        (-x - y, "-x - y"),
        (x / 2, "x / 2"),
        (-x / 2, "-x / 2"),
        (2 * x / 3, "2 * x / 3"),
        (x * y / (2 * a), "x * y / (2 * a)"),
        (1 / x, "1 / x"),
        (-1 / x, "-1 / x"),
        (x**2 + y**2, "x * x + y * y"),
        (a * x**2, "a * x * x"),
        (a / x**2, "a / (x * x)"),
        (1 / (x**2 + y**2), "1 / (x * x + y * y)"),
        ((x + y) ** 2, "(x + y) ** 2"),
        (a / (x + y) ** 2, "a / (x + y) ** 2"),
        (x**3, "x**3"),
        (x**n, "x**n"),
        (x ** (-n), "x ** (-n)"),
        (2**x, "2**x"),
        (x ** sp.Rational(3, 2), "x**1.5"),
        ((x + y) ** sp.Rational(1, 3), "(x + y) ** (1 / 3)"),
        (1 / sp.sqrt(x**2 + 1), "1 / np.sqrt(x * x + 1)"),
        (-a * (x + y), "-a * (x + y)"),
        (x - (y + a) / 2, "x - a / 2 - y / 2"),
        (x + sp.Rational(1, 2), "x + 0.5"),
        (x - sp.Rational(1, 4), "x - 0.25"),
        (x - sp.Rational(1, 3), "x - 1 / 3"),
        (sp.pi * x / 2, "np.pi * x / 2"),
        (sp.E * x, "np.e * x"),
        (sp.oo, "np.inf"),
        (-sp.oo, "-np.inf"),
        (sp.Abs(x), "np.abs(x)"),
        (sp.atan2(y, x), "np.arctan2(y, x)"),
        (sp.cos(x) ** 2, "np.cos(x) ** 2"),
        (softplus(x / y), "np.logaddexp(0.0, x / y)"),
        (x >= 1, "x >= 1"),
        (sp.Or(x < y, a >= 1), "(a >= 1) | (x < y)"),
        (sp.And(x < y, a >= 1), "(a >= 1) & (x < y)"),
        (sp.true, "True"),
        (sp.Max(y, x), "np.maximum(x, y)"),
        (log1p(x), "np.log1p(x)"),
        (lambert_w(x * y), "lambert_w(x * y)"),
        (exp_dd(x, y, x), "exp_dd((x, x, y))"),
        (exp_dd(0, x), "exp_dd((0.0, x))"),
        (decay_wait(a, x, y, 2), "decay_wait(a, x, y, 2)"),
        (
            first_zero(sp.Tuple(0, -a), 3 * a, sp.Tuple(x)),
            "first_zero(heights, (0.0, -a), 3 * a, (x,))",
        ),
        (sp.Piecewise((x, a > 0), (y, True)) + 1, "(x if a > 0 else y) + 1"),
        (sp.Piecewise((x, a > 0), (y, a > -1), (1, True)), "(x if a > 0 else y if a > -1 else 1)"),
        (sp.ITE(x > 0, y > 0, y > 1), "(y > 0 if x > 0 else y > 1)"),
    ],
)
def test_an_expression_is_printed_without_needless_parentheses(expression, text):
    assert print_numpy(expression) == text


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (a / x**2, "a / x**2"),
        (x + sp.Rational(1, 2), "x + 1/2"),
        (sp.atan2(y, x), "atan2(y, x)"),
        (sp.sqrt(sp.Abs(x)), "sqrt(abs(x))"),
        (sp.oo, "inf"),
        (sp.pi / 2, "pi / 2"),
        (sp.E, "e"),
        (softplus(x), "softplus(x)"),
        (sp.Or(x < y, a >= 1), "a >= 1 or x < y"),
        (sp.And(x < y, sp.Or(a >= 1, y > 0)), "(a >= 1 or y > 0) and x < y"),
        (sp.true, "otherwise"),
        (sp.Piecewise((x, a > 0), (1, True)), "(x if a > 0 else 1)"),
        (sp.Max(y, x, 2), "max(max(2, x), y)"),
        (log1p(x / y), "log1p(x / y)"),
        (exp_dd(x, y), "exp_dd(x, y)"),
        (time_to_spike(), "time_to_spike()"),
    ],
)
def test_a_formula_for_people_has_the_ordinary_names(expression, text):
    assert print_plain(expression) == text


def random_expressions(count: int) -> list[sp.Expr]:
    """Expressions with every operator, in all nestings."""
    rng = np.random.default_rng(1)
    pool = [x, y, a, sp.Integer(2), sp.Rational(-1, 2), sp.Rational(1, 3), sp.Integer(-3)]
    while len(pool) < count:
        left, right = (pool[int(i)] for i in rng.integers(len(pool), size=2))
        choices = [left + right, left - right, left * right, -left, left**2, sp.cos(left)]
        choices += [left / (right**2 + 1), sp.sqrt(left**2 + 1), left**3, (left**2 + 1) ** -2]
        candidate = choices[int(rng.integers(len(choices)))]
        if sp.count_ops(candidate) < 40:
            pool.append(candidate)
    return pool


def test_the_printed_text_computes_the_expression():
    point = {"x": 0.37, "y": -1.21, "a": 0.83}
    names = {x: sp.Float("0.37", 30), y: sp.Float("-1.21", 30), a: sp.Float("0.83", 30)}
    for expression in random_expressions(300):
        code = compile(print_numpy(expression), "printed", "eval")
        with np.errstate(all="ignore"):
            got = run_code(code, point)
        expected = float(sp.N(expression.subs(names), 20))
        assert math.isclose(got, expected, rel_tol=1e-9, abs_tol=1e-9), print_numpy(expression)


def run_code(code, names: dict[str, float]) -> float:
    scope = {"np": np} | names
    return float(eval(code, scope))


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_function_is_one_that_numpy_has_and_computes_the_same(name):
    function = getattr(sp, name, None) or getattr(functions, name)
    arguments = (x, y) if name == "atan2" else (x,)
    point = {"x": 1.3 if name == "acosh" else 0.37, "y": -1.21}
    expected = function(*(sp.Float(point[str(s)], 30) for s in arguments)).rewrite(sp.log)
    got = run_code(compile(print_numpy(function(*arguments)), "printed", "eval"), point)
    assert math.isclose(got, float(expected), rel_tol=1e-15)


def test_a_function_that_numpy_lacks_is_refused():
    with pytest.raises(NotImplementedError, match="no NumPy text for the function gamma"):
        print_numpy(sp.gamma(x))


def test_conditions_of_scalars_use_words_so_that_later_parts_may_rely_on_earlier_ones():
    condition = sp.And(sp.log(x) > 1, x > 0, sp.Or(a >= 1, y > 0))
    assert print_scalar(condition) == "(a >= 1 or y > 0) and x > 0 and np.log(x) > 1"
    assert print_scalar(sp.Or(x < y, sp.And(a >= 1, x > 0))) == "(a >= 1 and x > 0) or x < y"


def test_the_order_of_conditions_does_not_depend_on_how_they_were_joined():
    assert print_numpy(sp.Or(x < y, a >= 1)) == print_numpy(sp.Or(a >= 1, x < y))
