"""The region a certificate speaks about: states, parameters and weights, with bounds removed.

Every symbol of a model is written in terms of *free* symbols whose range is an interval with
numbers at its ends: ``u < a + V_peak`` becomes ``u = a + V_peak - gap_u`` with ``gap_u > 0``. An
equality takes a symbol away: ``tau_m = 2*tau_s`` writes tau_m so, and the domain of tau_m becomes
one of tau_s.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sympy as sp
from sympy.core.relational import Relational

from spiketheory.language.model import NeuronModel, conjuncts
from spiketheory.language.symbols import WEIGHT, constant_symbol, pick_name

GAP = "gap_"
"""Begins the names of distances to a bound."""


@dataclass(frozen=True, kw_only=True)
class Range:
    """The numbers that a free symbol may be.

    Attributes:
        low: Smallest, a number or ``-oo``.
        high: Largest, a number or ``oo``.
        low_open: Whether ``low`` itself is left out.
        high_open: Whether ``high`` itself is left out.
    """

    low: sp.Expr = -sp.oo
    high: sp.Expr = sp.oo
    low_open: bool = True
    high_open: bool = True

    def cut(self, relation: str, bound: sp.Expr) -> "Range":
        """The part that also obeys ``symbol relation bound``."""
        is_open = len(relation) == 1
        if relation[0] == ">" and (bound > self.low or (bound == self.low and is_open)):
            return Range(low=bound, high=self.high, low_open=is_open, high_open=self.high_open)
        if relation[0] == "<" and (bound < self.high or (bound == self.high and is_open)):
            return Range(low=self.low, high=bound, low_open=self.low_open, high_open=is_open)
        return self

    def describe(self) -> str:
        """The range in the notation of intervals."""
        left, right = "(" if self.low_open else "[", ")" if self.high_open else "]"
        return f"{left}{self.low}, {self.high}{right}"


@dataclass(frozen=True, kw_only=True)
class Region:
    """Where a claim is to hold.

    Attributes:
        ranges: The free symbols and their ranges.
        values: Every symbol of the model that is not free itself, in terms of free ones.
        relations: Everything that was assumed; a point must obey all of it.
        unused: Relations that no range stands for: a proof does not use them.
        solved: What equalities make of a symbol, in terms of the model's other symbols.
        is_contradictory: Whether relations became one of numbers that is false.
    """

    ranges: Mapping[sp.Symbol, Range]
    values: Mapping[sp.Symbol, sp.Expr]
    relations: tuple[sp.Basic, ...]
    unused: tuple[sp.Basic, ...] = ()
    solved: Mapping[sp.Symbol, sp.Expr] = field(default_factory=dict)
    is_contradictory: bool = False

    def express(self, expression: sp.Basic) -> sp.Basic:
        """Write an expression in terms of free symbols."""
        return expression.subs(dict(self.values)) if self.values else expression

    def admits(self, point: Mapping[sp.Symbol, sp.Expr]) -> bool:
        """Whether values of the model's symbols obey every relation among them.

        A relation of symbols that ``point`` leaves out says nothing. An equality holds also where
        both sides are nearest to the same double: points may be doubles, as those of trials are.
        """
        return all(
            holds(relation, point)
            for relation in self.relations
            if relation.free_symbols <= set(point)
        )

    def impose(self, point: Mapping[sp.Symbol, Any]) -> dict[sp.Symbol, Any]:
        """The point with what equalities say in place of what it says, to all digits.

        A symbol that equalities make of others is left alone where the point leaves those out.
        """
        imposed = dict(point)
        for symbol, value in self.solved.items():
            if symbol in point and value.free_symbols <= set(point):
                imposed[symbol] = value.subs(dict(point))
        return imposed

    @property
    def is_point(self) -> bool:
        """Whether a symbol can have one value only."""
        return any(r.low == r.high for r in self.ranges.values())

    @property
    def is_empty(self) -> bool:
        """Whether no number obeys one of the ranges, or a relation of numbers is false."""
        return self.is_contradictory or any(
            r.low > r.high or (r.low == r.high and (r.low_open or r.high_open))
            for r in self.ranges.values()
        )


def build_region(model: NeuronModel, assumptions: Iterable[sp.Basic] = ()) -> Region:
    """The region of a model: domains of its parameters, its assumptions, and more assumptions.

    Args:
        model: The model; its weight is `symbols.WEIGHT`.
        assumptions: Relations of weight, state and parameters.

    Returns:
        The region.
    """
    domains = [r for p in model.parameters for r in conjuncts(p.domain)]
    relations = [*domains, *model.assumptions, *(c for a in assumptions for c in conjuncts(a))]
    relations = [r for r in relations if r != sp.true]
    symbols = (*(p.symbol for p in model.parameters), *model.state, WEIGHT)
    solved, unused, is_contradictory = solve_equalities(relations)
    values = dict(solved)
    ranges = {
        s: Range(low=sp.S.Zero) if s.is_positive else Range() for s in symbols if s not in values
    }
    bounds = [(value, ">", sp.S.Zero) for s, value in values.items() if s.is_positive]
    bounds += [bound for relation in relations for bound in split_relation(relation)]
    coupled = [b for b in bounds if not cut_range(b, ranges, values)]
    taken = {s.name for s in symbols}
    for left, operator, right in coupled:
        difference = sp.expand((left - right).subs(values))
        if not difference.free_symbols:
            verdict = make(difference, operator, sp.S.Zero).doit()
            is_contradictory |= verdict == sp.false
            if verdict in (sp.true, sp.false):
                continue
        if cut_range((left, operator, right), ranges, values):
            continue
        if not remove_bound(difference, operator, ranges, values, taken):
            unused.append(make(left, operator, right))
    return Region(
        ranges=ranges, values=values, relations=tuple(relations), unused=tuple(unused),
        solved=solved, is_contradictory=is_contradictory,
    )  # fmt: skip


def choose_parameters(model: NeuronModel, region: Region) -> dict[str, float]:
    """Default values of parameters, or what equalities say in their place."""
    defaults = {p.symbol: sp.Rational(repr(p.default)) for p in model.parameters}
    imposed = region.impose(defaults)
    return {p.name: float(imposed[p.symbol]) for p in model.parameters}


def holds(relation: sp.Basic, point: Mapping[sp.Symbol, sp.Expr]) -> bool:
    """Whether a relation is true at a point; an equality, of doubles."""
    if relation.subs(dict(point)) == sp.true:
        return True
    if not isinstance(relation, sp.Eq):
        return False
    left, right = (side.subs(dict(point)) for side in relation.args)
    return bool(left.is_real and right.is_real and float(left) == float(right))


def solve_equalities(
    relations: Iterable[sp.Basic],
) -> tuple[dict[sp.Symbol, sp.Expr], list[sp.Basic], bool]:
    """Write symbols in terms of others, as far as equalities are linear in one.

    Returns:
        What symbols are; the equalities that gave none; whether one is false.
    """
    solved: dict[sp.Symbol, sp.Expr] = {}
    unused: list[sp.Basic] = []
    is_contradictory = False
    for relation in relations:
        if not isinstance(relation, sp.Eq):
            continue
        difference = sp.expand((relation.lhs - relation.rhs).subs(solved))
        if not difference.free_symbols:
            is_zero = sp.simplify(difference).is_zero
            is_contradictory |= is_zero is False
            if is_zero is None:
                unused.append(relation)
            continue
        alone = [side for side in relation.args if side in difference.free_symbols]
        order = dict.fromkeys([*alone, *sorted(difference.free_symbols, key=str)])
        found = (isolate(difference, "=", symbol) for symbol in order)
        symbol, _, value = next(filter(None, found), (None, "", difference))
        if symbol is None:
            unused.append(relation)
            continue
        solved = {s: sp.expand(e.subs(symbol, value)) for s, e in solved.items()}
        solved[symbol] = value
    return solved, unused, is_contradictory


def cut_range(
    bound: tuple[sp.Expr, str, sp.Expr],
    ranges: dict[sp.Symbol, Range],
    values: Mapping[sp.Symbol, sp.Expr],
) -> bool:
    """Cut the range of a single free symbol at a number; whether the bound is of that kind."""
    left, operator, right = bound
    solved = isolate((left - right).subs(values), operator)
    if solved is None or not solved[2].is_number:
        return False
    symbol, direction, number = solved
    ranges[symbol] = ranges[symbol].cut(direction, number)
    return True


def make(left: sp.Expr, operator: str, right: sp.Expr) -> sp.Basic:
    """A relation as it stands."""
    kinds = {"<": sp.Lt, "<=": sp.Le, ">": sp.Gt, ">=": sp.Ge}
    return kinds[operator](left, right, evaluate=False)


def split_relation(relation: sp.Basic) -> list[tuple[sp.Expr, str, sp.Expr]]:
    """A relation as bounds; ``abs(x) < c`` is two."""
    if not isinstance(relation, Relational) or relation.rel_op not in ("<", "<=", ">", ">="):
        return []
    left, operator, right = relation.lhs, relation.rel_op, relation.rhs
    if isinstance(right, sp.Abs):
        left, operator, right = right, flip(operator), left
    if isinstance(left, sp.Abs) and operator[0] == "<":
        inner = left.args[0]
        return [(inner, operator, right), (inner, flip(operator), -right)]
    return [(left, operator, right)]


def flip(operator: str) -> str:
    """The operator with its sides exchanged."""
    return operator.translate(str.maketrans("<>", "><"))


def isolate(
    difference: sp.Expr, operator: str, symbol: sp.Symbol | None = None
) -> tuple[sp.Symbol, str, sp.Expr] | None:
    """Solve ``difference operator 0`` for a symbol that it is linear in, at a known sign.

    Returns:
        The symbol, the operator and the bound; None if there is no such symbol.
    """
    expanded = sp.expand(difference)
    candidates = sorted(expanded.free_symbols, key=str) if symbol is None else [symbol]
    if symbol is None and len(candidates) != 1:
        return None
    for candidate in candidates:
        slope = expanded.diff(candidate)
        if (slope.is_positive or slope.is_negative) and not slope.has(candidate):
            bound = sp.expand(-expanded.subs(candidate, 0) / slope)
            return candidate, operator if slope.is_positive else flip(operator), bound
    return None


def remove_bound(
    difference: sp.Expr,
    operator: str,
    ranges: dict[sp.Symbol, Range],
    values: dict[sp.Symbol, sp.Expr],
    taken: set[str],
) -> bool:
    """Write one symbol as a bound plus or minus a gap; whether that was possible.

    Only a symbol without a bound of its own can be replaced, or one whose bound is implied.
    """
    order = sorted(difference.free_symbols & set(ranges), key=str, reverse=True)
    for symbol in order:
        solved = isolate(difference, operator, symbol)
        if solved is None:
            continue
        _, direction, bound = solved
        implied = ranges[symbol] == Range(low=sp.S.Zero) and direction[0] == ">"
        if ranges[symbol] != Range() and not (implied and bound.is_nonnegative):
            continue
        gap = constant_symbol(pick_name(GAP + symbol.name, taken), nonnegative=True)
        taken.add(gap.name)
        is_open = len(direction) == 1
        written = bound + gap if direction[0] == ">" else bound - gap
        for other in values:
            values[other] = values[other].subs(symbol, written)
        values[symbol] = written
        del ranges[symbol]
        ranges[gap] = Range(low=sp.S.Zero, low_open=is_open)
        return True
    return False
