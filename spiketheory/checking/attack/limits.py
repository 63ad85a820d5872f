"""What a model's trials may be: domains of parameters and assumptions, as functions of arrays."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp
from sympy.core.relational import Relational

from spiketheory.checking.attack.equations import Array, bind_arrays
from spiketheory.language.model import NeuronModel, conjuncts
from spiketheory.language.symbols import WEIGHT

SLACK = 1e-9
"""By how much rounding may carry a state over a bound on its way."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Bound:
    """One relation, written as ``excess > 0`` or ``excess >= 0``.

    Attributes:
        excess: The left-hand side, a function of state, parameters and weight.
        is_open: Whether 0 itself is left out.
        names: Names of the symbols that it relates.
        solved: For each symbol that it is linear in, by name: where ``excess`` is 0 (a function
            of the same) and the sign of the slope.
    """

    excess: Callable[..., Any]
    is_open: bool
    names: frozenset[str]
    solved: dict[str, tuple[Callable[..., Any], int]]
    expression: sp.Expr


@dataclass(frozen=True, kw_only=True, eq=False)
class Limits:
    """What trials may be.

    Attributes:
        model: The model.
        of_parameters: Bounds on parameters alone.
        of_state: Bounds on states.
        of_weight: Bounds on the weight, but not on states.
        of_both: Bounds that relate the weight and the state.
    """

    model: NeuronModel
    of_parameters: tuple[Bound, ...]
    of_state: tuple[Bound, ...]
    of_weight: tuple[Bound, ...]
    of_both: tuple[Bound, ...]

    def admit_parameters(self, p: Array) -> Array:
        """Which lanes' parameters lie in their domains."""
        zero = np.zeros((len(self.model.state), p.shape[1]))
        return admit(self.of_parameters, zero, p, np.zeros(p.shape[1]), 0.0)

    def admit_states(self, state: Array, p: Array, *, slack: float = SLACK) -> Array:
        """Which lanes' states are assumed."""
        return admit(self.of_state, state, p, np.zeros(p.shape[1]), slack)

    def admit_weights(self, p: Array, weights: Array) -> Array:
        """Which weights are assumed."""
        zero = np.zeros((len(self.model.state), p.shape[1]))
        return admit(self.of_weight, zero, p, weights, 0.0)

    def admit_inputs(self, state: Array, p: Array, weights: Array) -> Array:
        """Which inputs are assumed in the states in which they come."""
        return admit((*self.of_weight, *self.of_both), state, p, weights, SLACK)


def admit(bounds: Sequence[Bound], state: Array, p: Array, weights: Array, slack: float) -> Array:
    """Which lanes obey bounds."""
    fine = np.ones(p.shape[1] if p.ndim > 1 else state.shape[1], bool)
    for bound in bounds:
        value = bound.excess(*state, *p, weights)[0]
        room = slack * (1 + np.max(np.abs(state), axis=0)) if slack else 0.0
        fine &= (value + room > 0) if bound.is_open else (value + room >= 0)
    return fine


def read_limits(model: NeuronModel, assumptions: Sequence[sp.Basic] = ()) -> Limits:
    """The domains and assumptions of a model, and more assumptions."""
    domains = [c for p in model.parameters for c in conjuncts(p.domain)]
    assumed = [c for a in (*model.assumptions, *assumptions) for c in conjuncts(a)]
    states = set(model.state)
    groups: dict[str, list[Bound]] = {"p": [], "s": [], "w": [], "b": []}
    for relation in dict.fromkeys([*domains, *assumed]):
        if not isinstance(relation, Relational):
            continue
        free = relation.free_symbols
        of_state, of_weight = bool(free & states), WEIGHT in free
        group = "b" if of_state and of_weight else "s" if of_state else "w" if of_weight else "p"
        groups[group] += [make_bound(model, left, op) for left, op in split(relation)]
    return Limits(
        model=model,
        of_parameters=tuple(groups["p"]),
        of_state=tuple(groups["s"]),
        of_weight=tuple(groups["w"]),
        of_both=tuple(groups["b"]),
    )


def split(relation: Relational) -> list[tuple[sp.Expr, bool]]:
    """Differences that must be positive, and whether 0 is left out; abs(x) < c is two of them."""
    is_open = relation.rel_op in ("<", ">")
    greater, less = relation.gts, relation.lts
    if isinstance(less, sp.Abs):
        return [(greater - less.args[0], is_open), (greater + less.args[0], is_open)]
    return [(greater - less, is_open)]


def make_bound(model: NeuronModel, excess: sp.Expr, is_open: bool) -> Bound:
    """The record of one bound."""
    arguments = [*model.state, *(p.symbol for p in model.parameters), WEIGHT]
    expanded = sp.expand(excess)
    solved = {}
    for symbol in sorted(expanded.free_symbols, key=str):
        slope = expanded.diff(symbol)
        if slope.has(symbol) or not (slope.is_positive or slope.is_negative):
            continue
        edge = sp.expand(-expanded.subs(symbol, 0) / slope)
        solved[symbol.name] = (bind_arrays(arguments, [edge]), 1 if slope.is_positive else -1)
    return Bound(
        excess=bind_arrays(arguments, [excess]),
        is_open=is_open,
        names=frozenset(s.name for s in excess.free_symbols),
        solved=solved,
        expression=excess,
    )
