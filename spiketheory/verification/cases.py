"""The cases of a derivation, and the proof that an expression is zero in one of them.

A branch's condition on the derived constants is turned into an assumption by solving it for a
parameter: ``beta > 0`` becomes ``beta = q**2`` with a positive ``q``, and ``beta < 0`` becomes
``beta = -q**2``. Every closed form then is an expression of positive or real symbols, on which
sympy decides conditions and simplifies roots by itself.
"""

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import mpmath
import sympy as sp
from sympy.core.relational import Relational

from spiketheory.errors import UnsupportedError, VerificationError
from spiketheory.language.model import NeuronModel, Parameter, conjuncts
from spiketheory.language.printers import order_parts
from spiketheory.language.symbols import parameter_symbol
from spiketheory.runtime import special_mpmath
from spiketheory.symbolic.derivation import Branch, Derivation
from spiketheory.verification.algebra import expand_differences, vanishes

MPMATH: dict[str, Any] = {
    **special_mpmath.FUNCTIONS,
    "exp_dd": lambda *points: special_mpmath.exp_dd(points),
    "log1p": mpmath.log1p,
    "softplus": lambda z: mpmath.log1p(mpmath.exp(z)),
}
"""The functions of `spiketheory.language.functions` in any precision."""
Values = dict[sp.Symbol, sp.Expr]

DIGITS = 50
TRANSCENDENTAL = (sp.exp, sp.log, sp.tanh, sp.sinh, sp.cosh, sp.sin, sp.cos, sp.atan)
ROOT = "root__"
"""Begins the names of the cases' own symbols; no model may use a double underscore."""
SIGNS = {1: ">", -1: "<", 0: "="}


@dataclass(frozen=True, kw_only=True)
class Case:
    """Signs of the expressions that the branches ask about.

    Attributes:
        name: The signs in words; "" if the branches ask nothing of the parameters.
        free: Symbols in which all parameters are expressed.
        parameters: Every parameter in terms of them.
        constants: Every derived constant in terms of them; one whose definition holds an
            exponential or a logarithm stands for itself.
        opaque: The definitions of these.
    """

    name: str
    free: tuple[sp.Symbol, ...]
    parameters: Mapping[sp.Symbol, sp.Expr]
    constants: Mapping[sp.Symbol, sp.Expr]
    opaque: Mapping[sp.Symbol, sp.Expr]

    @cached_property
    def solved(self) -> Callable[..., list[Any]]:
        """All parameters as a function of the free symbols, with numbers of mpmath."""
        values = list(self.parameters.values())
        return compile_in_digits(self.free, values)

    def apply(self, expression: sp.Basic) -> sp.Basic:
        """Express parameters and constants in the free symbols; conditions evaluate.

        Parameters are equal or in a simple ratio only where the case says so.
        """
        if isinstance(expression, sp.And):  # a later part may have no value where one is false
            parts: list[sp.Basic] = []
            for part in order_parts(expression):
                parts.append(self.apply(part))
                if parts[-1] == sp.false:
                    return sp.false
            return sp.And(*parts)
        applied = expression.xreplace({**self.parameters, **self.constants})
        free = set(self.free)
        ties = [e for e in applied.atoms(sp.Eq) if e.free_symbols and e.free_symbols <= free]
        applied = applied.xreplace(dict.fromkeys(ties, sp.false))
        decided = {e: decide(e) for e in applied.atoms(Relational)}
        return applied.xreplace(decided) if decided else applied

    def choose(self, branches: Iterable[Branch], what: str) -> list[Branch]:
        """Return the branches that can count in this case, in their order, case applied."""
        chosen = []
        for branch in branches:
            condition = self.apply(branch.condition)
            if condition == sp.false:
                continue
            values = tuple(self.apply(value) for value in branch.values)
            chosen.append(Branch(condition=condition, values=values))
            if condition == sp.true:
                return chosen
        raise fail(
            "branches",
            f"the branches of {what}{self.where} to cover every state",
            f"conditions {[str(branch.condition) for branch in branches]}",
            "make the last branch hold always",
        )

    @property
    def where(self) -> str:
        """The case as a part of a sentence."""
        return f" for {self.name}" if self.name else ""


def compile_in_digits(
    arguments: Sequence[sp.Symbol],
    expressions: Any,
    library: Mapping[str, Any] = MPMATH,
) -> Callable[..., Any]:
    """Make expressions callable with numbers of mpmath, whatever their symbols are called."""
    return sp.lambdify(list(arguments), expressions, [library, "mpmath"], dummify=True)


def decide(relation: Relational) -> sp.Basic:
    """Multiply a relation out, if that decides it: on a boundary its sides cancel."""
    multiplied = relation.func(sp.expand(relation.lhs - relation.rhs), 0)
    return multiplied if multiplied in (sp.true, sp.false) else relation


def fail(step: str, expected: str, got: str, remedy: str) -> VerificationError:
    """Make the error of a failed check."""
    return VerificationError(describe_failure(step, expected, got, remedy))


def describe_failure(step: str, expected: str, got: str, remedy: str) -> str:
    """Say what failed, and what whoever works on the compiler may do."""
    return f"Check '{step}' failed: expected {expected} but got {got}; {remedy}."


def build_cases(derivation: Derivation) -> tuple[Case, ...]:
    """Return a case for every combination of signs that the branches ask about and can occur.

    Where parameters are tied these are the branches of that tie.

    Raises:
        VerificationError: If a branch's condition cannot be solved for a parameter.
    """
    cases = []
    for tie, wanted in list_signs(derivation):
        name = ", ".join(
            [*([f"{tie.lhs} = {tie.rhs}"] if tie is not None else []),
             *(f"{e} {SIGNS[s]} 0" for e, s in wanted)]
        )  # fmt: skip
        replaced = {tie.lhs: tie.rhs} if tie is not None else {}
        solutions: list[Values] = [
            {p.symbol: replaced.get(p.symbol, p.symbol) for p in derivation.model.parameters}
        ]
        for number, (expression, sign) in enumerate(wanted):
            value = expression.xreplace(derivation.constant_values)
            root = sign * parameter_symbol(f"{ROOT}{number}", positive=True) ** 2
            solutions = [
                solved
                for parameters in solutions
                for solved in impose_sign(derivation.model, parameters, value, root)
            ]
        cases += [
            make_case(derivation, name, shift_parameters(derivation.model, parameters))
            for parameters in solutions
        ]
    return tuple(cases)


Signs = tuple[tuple[sp.Expr, int], ...]
"""Expressions, and the sign of each."""


def list_signs(derivation: Derivation) -> Iterator[tuple[sp.Eq | None, Signs]]:
    """Ties between parameters, or none, with every combination of signs that is asked for there."""
    for tie in (None, *find_ties(derivation)):
        asked = find_conditions(derivation, tie)
        for signs in itertools.product(SIGNS, repeat=len(asked)):
            yield tie, tuple(zip(asked, signs, strict=True))


def find_conditions(derivation: Derivation, tie: sp.Eq | None = None) -> tuple[sp.Expr, ...]:
    """Expressions of constants and parameters alone whose sign decides between branches.

    Args:
        derivation: The derivation.
        tie: An equation between parameters that holds, and no other: only branches that count
            then; None for all of them.
    """
    known = {p.symbol for p in derivation.model.parameters}
    known |= {c.symbol for c in derivation.constants}
    found: list[sp.Expr] = []
    ties: dict[sp.Eq, sp.Basic] = {}
    if tie is not None:
        ties = {other: sp.true if other == tie else sp.false for other in find_ties(derivation)}
    for branch in (*derivation.propagator.branches, *derivation.spike_branches):
        if branch.condition.xreplace(ties) == sp.false:
            continue
        for relation in sorted(branch.condition.atoms(Relational), key=str):
            if isinstance(relation, sp.Eq):
                continue
            expression = relation.lhs - relation.rhs
            new = expression not in found and -expression not in found
            if new and expression.free_symbols and expression.free_symbols <= known:
                found.append(expression)
    return tuple(found)


def find_ties(derivation: Derivation) -> tuple[sp.Eq, ...]:
    """Equations between parameters, each solved for one, that decide between branches."""
    names = {p.symbol for p in derivation.model.parameters}
    found = {
        relation
        for branch in derivation.spike_branches
        for relation in branch.condition.atoms(sp.Eq)
        if relation.lhs in names and relation.rhs.free_symbols <= names
    }
    return tuple(sorted(found, key=str))


def shift_parameters(model: NeuronModel, parameters: Values) -> Values:
    """Write every free parameter with a lower bound c as c + r**2, whose roots are simple."""
    free = {
        p.symbol: shift_parameter(p) for p in model.parameters if parameters[p.symbol] == p.symbol
    }
    return {p: e.xreplace(free) for p, e in parameters.items()}


def shift_parameter(parameter: Parameter) -> sp.Expr:
    """Write one parameter as a bound plus or minus the square of a positive symbol."""
    square = parameter_symbol(f"{ROOT}{parameter.name}", positive=True) ** 2
    for relation in conjuncts(parameter.domain):
        if not isinstance(relation, sp.Gt | sp.Ge | sp.Lt | sp.Le):
            continue
        large, small = relation.gts, relation.lts
        if large == parameter.symbol and small.is_number and small != 0:
            return small + square
        if small == parameter.symbol and large.is_number:
            return large - square
    return parameter.symbol


def impose_sign(
    model: NeuronModel, parameters: Values, expression: sp.Expr, root: sp.Expr
) -> list[Values]:
    """Choose one parameter such that ``expression`` is ``root``, plus or minus a square or 0.

    Returns:
        Every solution: none if the domains fix another sign, several if the equation is not linear.
    """
    value = sp.factor(expression.xreplace(parameters))
    shifted = value.xreplace(shift_parameters(model, parameters))
    for sign, holds in ((1, shifted.is_positive), (-1, shifted.is_negative), (0, shifted.is_zero)):
        if holds:
            return [parameters] if sp.sign(root) == sign else []
    equation = value - root
    free = [p for p in model.parameters if parameters[p.symbol] == p.symbol]
    found = []
    for solve in (solve_linearly, solve_otherwise):
        # A parameter without a domain comes first: whatever it has to be is admissible.
        for parameter in sorted(free, key=lambda p: p.domain is not sp.true):
            solutions = solve(equation, parameter.symbol)
            choices = [insert(parameters, parameter.symbol, solution) for solution in solutions]
            possible = [c for c in choices if not is_surely_impossible(model, c)]
            if choices and not possible:
                return []
            choices = possible
            if choices and all(is_surely_admissible(model, choice) for choice in choices):
                return choices
            found += [choices] if choices else []
    if found:
        return found[0]
    bound = impose_on_root(parameters, value, root)
    if bound is not None:
        return [bound]
    expected = "branch conditions that can be solved for a parameter"
    got = f"{value}, of which the sign decides"
    remedy = "write it as a parameter of its own"
    raise UnsupportedError(describe_failure("branches", expected, got, remedy))


def impose_on_root(parameters: Values, value: sp.Expr, root: sp.Expr) -> Values | None:
    """Give an expression of roots alone, of earlier conditions, the sign that is asked for.

    All parameters may be spent on earlier conditions, as positive symbols r. Of c (r**2 - A) with
    A > 0 the sign is that of r**2 - A, so r**2 becomes A (1 + q**2), A, or A/(1 + q**2).
    """
    above, below = sp.fraction(sp.factor(sp.together(value)))
    if not below.is_positive:
        return None
    value, sign = sp.expand(above), sp.sign(root)
    square = root.free_symbols and next(iter(root.free_symbols)) ** 2
    for symbol in sorted(value.free_symbols, key=str):
        if not symbol.name.startswith(ROOT):
            continue
        polynomial = sp.Poly(value, symbol) if value.is_polynomial(symbol) else None
        if polynomial is None or polynomial.degree() != 2 or polynomial.coeff_monomial(symbol) != 0:
            continue
        factor = polynomial.coeff_monomial(symbol**2)
        border = -polynomial.coeff_monomial(1) / factor
        if not border.is_positive or not (factor.is_positive or factor.is_negative):
            continue
        side = sign if factor.is_positive else -sign
        place = border * (1 + square) if side > 0 else border / (1 + square) if side < 0 else border
        moved = {symbol: sp.sqrt(sp.factor(place))}
        return {p: e.xreplace(moved) for p, e in parameters.items()}
    return None


def solve_linearly(equation: sp.Expr, symbol: sp.Symbol) -> list[sp.Expr]:
    """Solve an equation that is linear in a parameter; [] if it is not."""
    numerator = sp.expand(sp.fraction(sp.together(equation))[0])
    if not numerator.is_polynomial(symbol) or sp.degree(numerator, symbol) != 1:
        return []
    return [sp.factor(-numerator.coeff(symbol, 0) / numerator.coeff(symbol, 1))]


def solve_otherwise(equation: sp.Expr, symbol: sp.Symbol) -> list[sp.Expr]:
    """Solve an equation that is quadratic in a parameter or holds it once; [] if it does not."""
    numerator = sp.expand(sp.fraction(sp.together(equation))[0])
    if numerator.is_polynomial(symbol):
        solvable = sp.degree(numerator, symbol) == 2
    else:
        solvable = numerator.count(symbol) == 1
    # A symbol that is not positive: solutions of either sign are wanted.
    unknown = sp.Dummy(symbol.name)
    return list(sp.solve(numerator.xreplace({symbol: unknown}), unknown)) if solvable else []


def insert(parameters: Values, symbol: sp.Symbol, solution: sp.Expr) -> Values:
    """Insert the solution for one parameter."""
    return {p: e.xreplace({symbol: solution}) for p, e in parameters.items()}


def is_surely_admissible(model: NeuronModel, parameters: Values) -> bool:
    """Whether sympy sees that the parameters lie in their domains."""
    return all(
        any(f.is_positive if is_strict else f.is_nonnegative for f in forms)
        for is_strict, forms in list_margins(model, parameters)
    )


def is_surely_impossible(model: NeuronModel, parameters: Values) -> bool:
    """Whether sympy sees that the parameters do not lie in their domains."""
    return any(
        any(f.is_nonpositive if is_strict else f.is_negative for f in forms)
        for is_strict, forms in list_margins(model, parameters)
    )


def list_margins(
    model: NeuronModel, parameters: Values
) -> Iterator[tuple[bool, tuple[sp.Expr, ...]]]:
    """What has to be positive, or not negative, for the domains to hold; in several forms."""
    shifted = shift_parameters(model, parameters)
    changed = {p for p, value in parameters.items() if value != p}
    for parameter in model.parameters:
        for relation in conjuncts(parameter.domain):
            if not relation.free_symbols & changed:
                continue
            margin = (relation.gts - relation.lts).xreplace(shifted)
            is_strict = isinstance(relation, sp.StrictGreaterThan | sp.StrictLessThan)
            yield is_strict, (sp.expand(margin), sp.factor(margin), separate_root(margin))


def separate_root(expression: sp.Expr) -> sp.Expr:
    """The terms with the cases' own roots and those without, each as a product."""
    above, below = sp.fraction(sp.together(expression))
    roots = [s for s in above.free_symbols if re.fullmatch(rf"{ROOT}\d+", s.name)]
    apart = sp.expand(above).as_independent(*roots, as_Add=True) if roots else (above,)
    return sp.Add(*(sp.factor(part / below) for part in apart))


def make_case(derivation: Derivation, name: str, parameters: Values) -> Case:
    """Express the derived constants in the free symbols."""
    constants: dict[sp.Symbol, sp.Expr] = {}
    opaque: dict[sp.Symbol, sp.Expr] = {}
    for constant in derivation.constants:
        value = constant.value.xreplace({**parameters, **constants})
        if value.has(*TRANSCENDENTAL):
            opaque[constant.symbol] = value.xreplace(opaque)
            continue
        constants[constant.symbol] = sp.expand(sp.factor(value, deep=True))
    free = set().union(*(e.free_symbols for e in parameters.values()))
    return Case(
        name=name,
        free=tuple(sorted(free, key=str)),
        parameters=parameters,
        constants=constants,
        opaque=opaque,
    )


def is_zero(expression: sp.Expr, case: Case) -> bool:
    """Whether ``expression`` is proved to be zero for all values of its symbols.

    Args:
        expression: Any expression after `Case.apply`.
        case: The case, which defines the constants that stand for themselves.
    """
    if vanishes(expression):
        return True
    full = expression.xreplace(case.opaque)
    if not is_numerically_zero(full):
        return False
    return vanishes(full) or bool(sp.simplify(full) == 0)


def is_numerically_zero(expression: sp.Expr) -> bool:
    """Whether ``expression`` is zero to many digits at one point: cheap proof of the contrary."""
    expression = expand_differences(expression)  # as they stand they take no complex numbers
    symbols = sorted(expression.free_symbols, key=str)
    with mpmath.workdps(DIGITS):
        at = [mpmath.mpf(2 * k + 3) / (k + 7) / 2 for k in range(len(symbols))]
        value = sp.lambdify(symbols, expression, [MPMATH, "mpmath"], dummify=True)(*at)
        return bool(abs(value) < mpmath.mpf(10) ** (-DIGITS // 2))
