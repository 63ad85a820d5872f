"""Kinks of a field: where they are, and the smooth field on either side."""

from collections.abc import Sequence
from dataclasses import dataclass

import sympy as sp
from sympy.core.relational import Relational


@dataclass(frozen=True, kw_only=True)
class Kink:
    """A part of the equations that has two sides.

    Attributes:
        number: Its place in the order.
        stands_for: The expression as it stands.
        place: What is 0 on the kink; may hold earlier kinks.
        above: The expression where ``place`` is positive; may hold earlier kinks.
        below: The expression where it is negative.
    """

    number: int
    stands_for: sp.Expr
    place: sp.Expr
    above: sp.Expr
    below: sp.Expr


def find_kinks(values: Sequence[sp.Expr]) -> tuple[Kink, ...]:
    """All kinks of some expressions, inner ones first; an equal one counts once."""
    atoms: list[sp.Expr] = []
    for value in values:
        for part in sp.postorder_traversal(value):
            if isinstance(part, (sp.Abs, sp.Max, sp.Min, sp.Piecewise)) and part not in atoms:
                atoms.append(part)
    kinks: list[Kink] = []
    for atom in atoms:
        place, above, below = open_kink(atom)
        kinks.append(
            Kink(number=len(kinks), stands_for=atom, place=place, above=above, below=below)
        )
    return tuple(kinks)


def open_kink(atom: sp.Expr) -> tuple[sp.Expr, sp.Expr, sp.Expr]:
    """Where a kink is, and what stands on its sides."""
    if isinstance(atom, sp.Abs):
        inner = atom.args[0]
        return inner, inner, -inner
    if isinstance(atom, (sp.Max, sp.Min)):
        first, rest = atom.args[0], atom.func(*atom.args[1:])
        if isinstance(atom, sp.Max):
            return first - rest, first, rest
        return first - rest, rest, first
    (value, condition), *others = atom.args
    if not isinstance(condition, Relational):
        raise NotImplementedError(f"Expected a relation but got {condition}.")
    other = others[0][0] if len(others) == 1 else sp.Piecewise(*others)
    return condition.gts - condition.lts, value, other


def resolve(value: sp.Expr, kinks: Sequence[Kink], sides: Sequence[int]) -> sp.Expr:
    """An expression on one side of each kink; only the first ``len(sides)`` are resolved."""
    chosen = list(zip(kinks, sides, strict=False))
    for kink, side in reversed(chosen):
        value = value.xreplace({kink.stands_for: kink.above if side > 0 else kink.below})
    return value


def list_surfaces(values: Sequence[sp.Expr]) -> list[sp.Expr]:
    """Expressions whose zeros are kinks."""
    return [k.place for k in find_kinks(values)]
