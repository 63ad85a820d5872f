"""Cases: what their names say holds in them, and none is missing."""

import itertools
from dataclasses import replace

import mpmath
import pytest
import sympy as sp
from models import change_derivation, derive_once, make_model

from derivations import read_neuron_model
from spiketheory.errors import UnsupportedError, VerificationError
from spiketheory.symbolic.derivation import Branch, Constant
from spiketheory.verification.cases import (
    build_cases,
    find_conditions,
    find_ties,
    impose_on_root,
    is_numerically_zero,
    is_surely_admissible,
    is_surely_impossible,
    is_zero,
    separate_root,
    shift_parameter,
    solve_linearly,
    solve_otherwise,
)

a, b, c, q = sp.symbols("a b c root__0", positive=True)
x, y = sp.symbols("x y", real=True)


def derive_with(parameters, *conditions, constants=(), of_propagator=()):
    """A derivation whose branches ask for conditions of parameters: domains by name, or ""."""
    model = make_model(
        f"dV/dt = {' + '.join(parameters)} - V",
        spike="V = 100",
        parameters={
            name: {"default": 0.75} | ({"domain": domain} if domain else {})
            for name, domain in parameters.items()
        },
    )
    d = derive_once(model)
    known = model.symbols | {name: sp.Symbol(name, real=True) for name, _ in constants}
    made = tuple(
        Constant(symbol=known[name], value=sp.sympify(text, known), meaning=name)
        for name, text in constants
    )
    waits, steps = (
        tuple(
            Branch(condition=sp.sympify(text, known), values=(value,) * size)
            for text in (*texts, "0 < 1")
        )
        for texts, value, size in (
            (conditions, sp.Integer(3), 1),
            (of_propagator, sp.S.Zero, len(d.propagator.symbols)),
        )
    )
    return change_derivation(
        d, time_to_spike=waits, constants=made, propagator=replace(d.propagator, branches=steps)
    )


ASKED = {
    "a bound decides": ({"a": "a > 1/2"}, ["a > 1/4"]),
    "an upper bound decides": ({"a": "a < 1"}, ["a > 2"]),
    "a parameter without a domain": ({"a": ""}, ["a > 1"]),
    "one of which the sign is known": ({"a": "a > 0"}, ["a > 0"]),
    "one that may be zero": ({"a": "a >= 0"}, ["a > 0"]),
    "a bound that does not decide": ({"a": "a > 1/2"}, ["a > 1"]),
    "an upper bound that does not decide": ({"a": "a < 1"}, ["a > 1/3"]),
    "two bounds": ({"a": "a > 0 and a < 1"}, ["a > 1/2"]),
    "a difference": ({"a": "a > 0", "b": "b > 0"}, ["a > b"]),
    "a difference of bounded ones": ({"a": "a > 1/2", "b": "b > 1/2"}, ["b > a"]),
    "a difference with one that is free": ({"a": "a > 0", "b": ""}, ["a > b"]),
    "a domain that holds another": ({"a": "a < 1", "b": "b >= a"}, ["b > 1"]),
    "a product": ({"a": "a > 0", "b": ""}, ["a*b > 1"]),
    "a quotient": ({"a": "a > 0", "b": "b > 0"}, ["a/b > 2"]),
    "a square": ({"a": ""}, ["a**2 > 1"]),
    "a square of a positive one": ({"a": "a > 0"}, ["a**2 > 1"]),
    "a square with a linear term": ({"a": ""}, ["a**2 - a > 1"]),
    "an exponential": ({"a": ""}, ["exp(a) > 2"]),
    "a logarithm": ({"a": "a > 0"}, ["log(a) > 1"]),
    "two of one parameter": ({"a": ""}, ["a > 0", "a > 1"]),
    "two of one parameter, below": ({"a": ""}, ["a < 0", "a < -1"]),
    "two with a factor": ({"a": ""}, ["a > 0", "1 - 2*a > 0"]),
    "two squares": ({"a": ""}, ["a**2 > 1", "a**2 > 4"]),
    "two of two": ({"a": "a > 0", "b": ""}, ["a > b", "a > 2*b"]),
    "two of two positive ones": ({"a": "a > 0", "b": "b > 0"}, ["a > b", "a > 2*b"]),
    "one condition twice": ({"a": "a > 0", "b": ""}, ["a > b", "b > a", "a >= b"]),
}


def read_name(case, parameters):
    """The relations that the name of a case lists."""
    return [
        sp.Eq(*(sp.sympify(side, parameters) for side in part.split(" = ")))
        if " = " in part
        else sp.sympify(part, parameters)
        for part in case.name.split(", ")
        if part
    ]


def fill(case, values=("1/4", "2/3", "8/5")):
    """Values of the parameters at some points of a case."""
    for point in itertools.product(map(sp.Rational, values), repeat=len(case.free)):
        at = dict(zip(case.free, point, strict=True))
        found = {p: e.xreplace(at) for p, e in case.parameters.items()}
        if all(v.is_real for v in found.values()):
            yield found


def is_admissible(model, values):
    return all(p.domain.subs(values) == sp.true for p in model.parameters)


@pytest.mark.parametrize(("parameters", "conditions"), ASKED.values(), ids=ASKED)
def test_in_a_case_holds_what_its_name_says_and_none_is_missing(parameters, conditions):
    d = derive_with(parameters, *conditions)
    names = d.model.symbols
    cases = build_cases(d)
    possible = set()
    for case in cases:
        for values in fill(case):
            if is_admissible(d.model, values):
                possible.add(case.name)
                for relation in read_name(case, names):
                    assert sp.simplify(relation.subs(values)) == sp.true, (case.name, values)
    assert possible == {case.name for case in cases}
    asked = find_conditions(d)
    symbols = [p.symbol for p in d.model.parameters]
    for point in itertools.product(("-3", "-1", "-1/2", "0", "1/3", "1/2", "1", "3"),
                                   repeat=len(symbols)):  # fmt: skip
        values = dict(zip(symbols, map(sp.Rational, point), strict=True))
        if is_admissible(d.model, values):
            signs = {1: ">", -1: "<", 0: "="}
            name = ", ".join(f"{e} {signs[sp.sign(e.subs(values))]} 0" for e in asked)
            assert name in possible, values


def test_both_solutions_of_a_square_are_cases():
    cases = build_cases(derive_with({"a": ""}, "a**2 > 1"))
    (symbol,) = (p for p in cases[0].parameters)
    found = {(c.name, sp.sign(v[symbol])) for c in cases for v in fill(c)}
    assert found == {(f"a**2 - 1 {sign} 0", side) for sign in "<>=" for side in (1, -1)}


def test_a_condition_that_nothing_solves_is_refused():
    with pytest.raises(UnsupportedError, match="can be solved for a parameter but got a"):
        build_cases(derive_with({"a": "a > 0"}, "a*exp(a) > 1"))


def test_parameters_in_a_ratio_are_a_case_of_their_own():
    d = derive_with({"a": "a > 0", "b": "b > 0"}, "Eq(b, 2*a)", "a > b")
    one, two = d.model.symbols["a"], d.model.symbols["b"]
    cases = build_cases(d)
    assert [c.name for c in cases] == [
        "a - b > 0", "a - b < 0", "a - b = 0", "b = 2*a, a - b < 0",
    ]  # fmt: skip
    assert cases[-1].parameters[two] == 2 * cases[-1].parameters[one]


def test_a_tie_asks_for_the_conditions_of_its_own_branches():
    conditions = "Eq(b, 2*a) & (c > 1)", "Eq(b, 3*a) & (c > 2)"
    cases = build_cases(derive_with({"a": "a > 0", "b": "b > 0", "c": ""}, *conditions))
    names = [c.name for c in cases]
    assert [n for n in names if n.startswith("b")] == [
        "b = 2*a, c - 1 > 0", "b = 2*a, c - 1 < 0", "b = 2*a, c - 1 = 0",
        "b = 3*a, c - 2 > 0", "b = 3*a, c - 2 < 0", "b = 3*a, c - 2 = 0",
    ]  # fmt: skip
    assert "c - 1 > 0, c - 2 < 0" in names


def test_conditions_are_those_of_parameters_and_constants_alone():
    d = derive_with(
        {"a": "a > 0", "b": ""}, "(a > b) & (V > a)", "b > a", "Eq(a, 2*b)", "V > 1", "k > a",
        constants=[("k", "a*b")], of_propagator=["k > 2"],
    )  # fmt: skip
    one, two = d.model.symbols["a"], d.model.symbols["b"]
    (k,) = (made.symbol for made in d.constants)
    assert find_conditions(d) == (k - 2, one - two, k - one)


def test_ties_are_equations_between_parameters():
    d = derive_with({"a": "a > 0", "b": ""}, "Eq(b, 2*a)", "Eq(a, V)", "Eq(2*a, 3*b)", "a > b")
    one, two = d.model.symbols["a"], d.model.symbols["b"]
    assert find_ties(d) == (sp.Eq(two, 2 * one),)


@pytest.mark.parametrize(
    ("domain", "written"),
    [
        ("", "a"), ("a > 0", "a"), ("a >= 0", "a"), ("a > b", "a"), ("a < b", "a"),
        ("a > 2", "2 + r**2"), ("a >= -1", "-1 + r**2"), ("a < 1", "1 - r**2"),
        ("a <= -1", "-1 - r**2"), ("a < 0", "-r**2"), ("a > b and a < 3", "3 - r**2"),
    ],
)  # fmt: skip
def test_a_bounded_parameter_is_the_bound_and_a_square(domain, written):
    model = make_model(
        "dV/dt = a + b - V", spike="V = 100",
        parameters={"a": {"default": {"a > 2": 3, "a > b": 1, "a > b and a < 3": 1}.get(domain, 0.5)
                          if "<" not in domain or "3" in domain else -2}
                    | ({"domain": domain} if domain else {}),
                    "b": {"default": 0.5}},
    )  # fmt: skip
    symbols = model.symbols | {"r": sp.Symbol("root__a", positive=True)}
    parameter = next(p for p in model.parameters if p.name == "a")
    assert shift_parameter(parameter) == sp.sympify(written, symbols)


@pytest.mark.parametrize(
    ("equation", "solutions"),
    [
        (2 * a * b + c - 3, {-(c - 3) / (2 * b)}), (b - 1 / a, {1 / b}), (a / (1 + a) - b, None),
        (a**2 - 4, set()), (a**3 - b, set()), (sp.log(a) - 1, set()), (b - c, set()),
    ],
)  # fmt: skip
def test_linear_equations_are_solved(equation, solutions):
    found = solve_linearly(equation, a)
    if solutions is None:
        assert [sp.simplify(equation.subs(a, s)) for s in found] == [0]
    else:
        assert set(map(sp.expand, found)) == set(map(sp.expand, solutions))


@pytest.mark.parametrize(
    ("equation", "solutions"),
    [
        (a**2 - 4, {2, -2}), (x**2 + x - 2, {1, -2}), (sp.exp(x) - b, {sp.log(b)}),
        (a - 1 / a, {1, -1}), (x - b, set()), (x**3 - b, set()), (x**4 - b, set()),
        (sp.exp(x) + x, set()), (b - c, set()),
    ],
)  # fmt: skip
def test_equations_are_solved_that_are_quadratic_or_hold_a_symbol_once(equation, solutions):
    symbol = x if equation.has(x) else a
    assert set(solve_otherwise(equation, symbol)) == solutions


def make_bounded(domain):
    return make_model(
        "dV/dt = a + b - V", spike="V = 100",
        parameters={"a": {"default": 1.0, "domain": domain}, "b": {"default": 0.5}},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("domain", "value", "admissible", "impossible"),
    [
        ("a > 0", "q**2", True, False), ("a > 0", "-q**2", False, True),
        ("a > 0", "0", False, True), ("a >= 0", "0", True, False),
        ("a >= 0", "-q**2", False, True), ("a > 0", "q**2 - 1", False, False),
        ("a > 1/2", "q**2 + 1", True, False), ("a < 2", "q**2 + 1", False, False),
        ("a < 2", "q**2 + 3", False, True), ("a > 0 and a < 2", "q**2", False, False),
        ("a > b", "b + q**2", True, False), ("a > b", "b - q**2", False, True),
        ("a > 0", "q**2 + b**2 - 2*b + 1", True, False), ("a > b", "b", False, True),
        ("a >= b", "b", True, False), ("a < 2", "2", False, True), ("a <= 2", "2", True, False),
    ],
)  # fmt: skip
def test_domains_are_seen_to_hold_or_not_to(domain, value, admissible, impossible):
    model = make_bounded(domain)
    values = {p.symbol: p.symbol for p in model.parameters}
    values[model.symbols["a"]] = sp.sympify(value, model.symbols | {"q": q})
    assert is_surely_admissible(model, values) is admissible
    assert is_surely_impossible(model, values) is impossible


def test_the_domain_of_a_parameter_that_was_not_chosen_is_not_asked_for():
    model = make_bounded("a > b")
    values = {p.symbol: p.symbol for p in model.parameters}
    assert is_surely_admissible(model, values)
    assert not is_surely_impossible(model, values)


def test_terms_with_the_roots_of_cases_are_set_apart():
    other = sp.Symbol("root__a", positive=True)
    assert separate_root(q**2 * b + x**2 - 2 * x + 1) == q**2 * b + (x - 1) ** 2
    assert separate_root((q**2 + x**2 - 2 * x + 1) / b) == q**2 / b + (x - 1) ** 2 / b
    assert separate_root(other**2 * b - b) == b * (other - 1) * (other + 1)


@pytest.fixture(scope="module")
def equal_and_apart():
    """A case without ties and one with, of two parameters that a branch compares."""
    d = derive_with({"a": "a > 0", "b": "b > 0"}, "Eq(b, 2*a)")
    return d.model.symbols, build_cases(d)


def test_parameters_are_equal_only_where_the_case_says_so(equal_and_apart):
    names, (apart, tied) = equal_and_apart
    for text, expected in {"Eq(b, 2*a)": (sp.false, sp.true), "Eq(b, a)": (sp.false,) * 2}.items():
        condition = sp.sympify(text, names)
        assert (apart.apply(condition), tied.apply(condition)) == expected
    state = sp.sympify("Eq(V, a)", names)
    assert apart.apply(state) == tied.apply(state) == state
    both = sp.sympify("Eq(b, 2*a) & (V > b)", names)
    assert apart.apply(both) == sp.false
    assert tied.apply(both) == sp.sympify("V > 2*a", names)


def test_a_part_of_a_condition_that_has_no_value_is_not_asked_where_another_is_false():
    d = derive_with({"a": ""}, "a > 0")
    names = d.model.symbols
    condition = sp.sympify("(a > 0) & (1/a > V) & (V > 0)", names)
    above, below, on = build_cases(d)
    assert on.apply(condition) == below.apply(condition) == sp.false
    assert above.apply(condition) == sp.And(
        *(sp.sympify(text, names | {"q": q}) for text in ("1/q**2 > V", "V > 0"))
    )


def test_relations_whose_sides_cancel_are_decided(equal_and_apart):
    names, (_, tied) = equal_and_apart
    assert tied.apply(sp.sympify("(a + 1)**2 - b - 1 > a**2", names)) == sp.false
    assert tied.apply(sp.sympify("(a + 1)**2 - b > a**2", names)) == sp.true
    left = sp.sympify("(a + 1)**2 > b*V", names)
    assert tied.apply(left) == left.subs(names["b"], 2 * names["a"])


def test_branches_are_chosen_up_to_the_first_that_holds(equal_and_apart):
    names, (apart, tied) = equal_and_apart
    branches = [
        Branch(condition=sp.sympify(text, names), values=(sp.sympify(value, names),))
        for text, value in (("V > b", "b"), ("Eq(b, 2*a)", "a*b"), ("Eq(b, 2*a) & (V > 0)", "7"),
                            ("V <= a", "V"), ("0 < 1", "3"))
    ]  # fmt: skip
    assert [found.values[0] for found in apart.choose(branches, "it")] == [
        names["b"], names["V"], 3,
    ]  # fmt: skip
    assert [found.values[0] for found in tied.choose(branches, "it")] == [
        2 * names["a"], 2 * names["a"] ** 2,
    ]  # fmt: skip
    assert tied.choose(branches, "it")[0].condition == sp.sympify("V > 2*a", names)
    with pytest.raises(VerificationError, match="the branches of it for b = 2\\*a to cover every"):
        tied.choose(branches[:1], "it")
    with pytest.raises(VerificationError, match="the branches of it to cover every"):
        apart.choose(branches[:-1], "it")


def test_constants_that_are_no_roots_or_quotients_stand_for_themselves():
    d = derive_with(
        {"a": "a > 0"}, constants=[("k", "a**2"), ("m", "exp(k)"), ("n", "m + log(m) + k")]
    )
    one = d.model.symbols["a"]
    k, m, n = (made.symbol for made in d.constants)
    (case,) = build_cases(d)
    assert case.constants == {k: one**2}
    assert case.opaque == {m: sp.exp(one**2), n: sp.exp(one**2) + 2 * one**2}
    assert is_zero(case.apply(n - m - 2 * k), case)
    assert is_zero(case.apply(m**2 - sp.exp(2 * k)), case)
    assert not is_zero(case.apply(n - m - k), case)
    assert not is_zero(case.apply(m - sp.exp(one)), case)


def test_what_algebra_leaves_is_simplified(equal_and_apart):
    _, (case, _) = equal_and_apart
    assert is_zero(sp.log(a**2 + a) - sp.log(a) - sp.log(a + 1), case)
    assert is_zero(sp.log(a * b) - sp.log(a) - sp.log(b), case)
    assert is_zero(sp.sqrt(a**2 + a**3) - a * sp.sqrt(1 + a), case)
    assert not is_zero(sp.log(a**2 + a) - sp.log(a) - sp.log(a + 2), case)
    assert not is_zero(sp.log(a * b) - sp.log(a) + sp.log(b), case)


@pytest.mark.parametrize(
    ("expression", "zero"),
    [
        (x - x, True), (sp.log(a * b) - sp.log(a) - sp.log(b), True),
        (sp.sqrt(a**2 + a**3) - a * sp.sqrt(1 + a), True), (sp.Rational(1, 10**20) * a, False),
        (a - b, False), (a, False), (a - 1, False), (2 * a - b * a, False),
        (sp.Rational(1, 10**30) * a, True),
    ],
)  # fmt: skip
def test_numbers_refute_what_is_not_zero(expression, zero):
    assert is_numerically_zero(sp.sympify(expression)) is zero


def test_parameters_are_worked_out_from_the_free_symbols_in_digits():
    above = build_cases(derive_with({"a": ""}, "a > 1"))[0]
    with mpmath.workdps(50):
        (value,) = above.solved(mpmath.sqrt(2))
        assert abs(value - 3) < mpmath.mpf(10) ** -48


def test_constants_of_a_built_in_neuron_are_those_of_its_drive():
    d = derive_once(read_neuron_model("qif_delta"))
    beta = next(k.symbol for k in d.constants if k.symbol.name == "beta")
    signs = {c.name: sp.sign(c.constants[beta]) for c in build_cases(d)}
    assert signs == {"beta > 0": 1, "beta < 0": -1, "beta = 0": 0}


@pytest.mark.parametrize("sign", [1, 0, -1])
@pytest.mark.parametrize("factor", [3, -3])
def test_a_root_is_moved_such_that_an_expression_has_the_sign_that_is_asked_for(sign, factor):
    """With q**2 for a sign, r**2 - 2 is 2 q**2, or the border 2 is divided by 1 + q**2."""
    r = sp.Symbol("root__1", positive=True)
    moved = impose_on_root({a: r + 1}, factor * (r**2 - 2), sign * q**2)
    square = {1: 2 * (1 + q**2), 0: sp.Integer(2), -1: 2 / (1 + q**2)}[sign * factor // 3]
    assert sp.simplify((moved[a] - 1) ** 2 - square) == 0


@pytest.mark.parametrize("power", [1, 3, 4])
def test_a_root_of_which_there_is_more_than_its_square_is_left(power):
    r = sp.Symbol("root__1", positive=True)
    assert impose_on_root({a: r}, r**2 + r**power - 2, q**2) is None
