"""Formulas of a document: equations, cases, and the names on their left-hand sides."""

from collections.abc import Iterable, Sequence

import sympy as sp

from spiketheory.documents.blocks import Formula
from spiketheory.language.notation import Math, write_math, write_name


def equate(left: sp.Basic | Math, right: sp.Basic) -> Formula:
    """The formula ``left = right``."""
    name = left if isinstance(left, Math) else write_math(left)
    return Formula(left=name, cases=((write_math(right), None),))


def state_fact(statement: sp.Basic) -> Formula:
    """An equation or a condition as it stands."""
    if isinstance(statement, sp.Eq):
        return equate(statement.lhs, statement.rhs)
    return Formula(left=None, cases=((write_math(statement), None),))


def distinguish(left: Math, branches: Iterable[tuple[sp.Basic, sp.Basic]]) -> Formula:
    """A formula with cases, from pairs of value and condition."""
    cases = [(write_math(value), condition) for value, condition in branches]
    if len(cases) == 1 and cases[0][1] == sp.true:
        return Formula(left=left, cases=((cases[0][0], None),))
    return Formula(
        left=left,
        cases=tuple((v, write_name_of_condition(c)) for v, c in cases),
    )


def write_name_of_condition(condition: sp.Basic) -> Math:
    """A condition; one that always holds is "otherwise"."""
    if condition == sp.true:
        return write_name("otherwise", r"\text{otherwise}")
    written = write_math(condition)
    return write_name(f"if {written.plain}", rf"\text{{if }} {written.latex}")


def equate_all(
    lefts: Sequence[sp.Basic | Math], rights: Sequence[sp.Basic]
) -> list[Formula]:  # fmt: skip
    """One formula per component."""
    return [equate(left, right) for left, right in zip(lefts, rights, strict=True)]


def name_velocity(symbol: sp.Symbol) -> Math:
    """The time derivative of a variable."""
    written = write_math(symbol)
    return write_name(
        f"d{written.shape[0]}/dt", rf"\frac{{\mathrm{{d}} {written.latex}}}{{\mathrm{{d}} t}}"
    )


def mark_after(coordinates: Sequence[sp.Symbol], *, of: str = "") -> list[Math]:
    """Names of the coordinates after an event, or after a duration."""
    written = [write_math(c) for c in coordinates]
    if of:
        return [write_name(f"{m.plain}({of})", rf"{m.latex}(\Delta t)") for m in written]
    return [write_name(f"{m.plain}⁺", f"{m.latex}^{{+}}") for m in written]
