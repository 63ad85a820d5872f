"""Which range of a parameter is to blame for a verdict, found by bisection.

Nothing here knows how a verdict comes about: it is asked for at numbers. A range whose verdict is
one of those that can be proved for all of it at once is asked for as a whole, too.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import sympy as sp

from spiketheory.certification.certificate import CONTINUOUS, SMOOTH
from spiketheory.certification.region import Range, build_region
from spiketheory.errors import InputError
from spiketheory.language.model import NeuronModel, make_relation

DOUBLINGS = range(-4, 5)
PARTS = 8
"""Into which a range with two ends is cut."""

NARROW = Fraction(1, 200)
"""A change of the verdict is bracketed to this fraction of the distance between two samples."""

Verdict = Callable[[Sequence[sp.Basic], Mapping[str, float]], str]
"""The verdict under more assumptions, with other defaults of parameters."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A range of a parameter with one verdict.

    Attributes:
        span: The range; its ends are simple numbers near where the verdict changes (`NARROW`).
        verdict: The verdict.
        values: The values at which it was asked for.
        is_proved: Whether the verdict was proved for the whole range at once.
    """

    span: Range
    verdict: str
    values: tuple[float, ...]
    is_proved: bool


@dataclass(frozen=True, kw_only=True)
class Dependence:
    """How the verdict depends on a parameter, others at fixed values.

    Attributes:
        parameter: Its name.
        unit: Its unit; "" is dimensionless.
        others: Values of all other parameters.
        parts: Ranges, in order.
    """

    parameter: str
    unit: str
    others: Mapping[str, float]
    parts: tuple[Part, ...]


def fix_parameters(
    model: NeuronModel, values: Mapping[str, float]
) -> tuple[NeuronModel, tuple[sp.Basic, ...]]:
    """The model with these defaults, and equalities that leave parameters no other value.

    Raises:
        ModelError: If a name is unknown, or a value outside of its domain.
    """
    checked = model.check_parameters(values)
    parameters = tuple(replace(p, default=checked[p.name]) for p in model.parameters)
    fixed = replace(model, parameters=parameters, written=dict(model.source))
    relations = [equate(model.parameter(name).symbol, checked[name]) for name in values]
    return fixed, tuple(relations)


def equate(symbol: sp.Symbol, value: float) -> sp.Basic:
    """That a symbol is a number, as it is written in decimals."""
    return make_relation(symbol, "==", sp.Rational(repr(value)))


def find_dependence(
    model: NeuronModel, assumptions: Sequence[sp.Basic], name: str, verdict: Verdict
) -> Dependence:
    """How the verdict depends on one parameter, the others being what they are by default.

    Raises:
        ModelError: If there is no such parameter.
        InputError: If no value of it obeys the assumptions.
    """
    parameter = model.parameter(name)
    others = {p.name: p.default for p in model.parameters if p.name != name}
    fixed = [*assumptions, *(equate(model.parameter(n).symbol, v) for n, v in others.items())]
    span = find_span(model, fixed, name)

    def ask(value: Fraction) -> str:
        return verdict([*fixed, equate(parameter.symbol, float(value))], {name: float(value)})

    def is_proved(span: Range, wanted: str) -> bool:
        if wanted not in (SMOOTH, CONTINUOUS):
            return False
        inside = float(choose_inside(span, parameter.default))
        found = verdict([*fixed, *bound(parameter.symbol, span)], {name: inside})
        return found in (SMOOTH, wanted)

    start = float(choose_inside(span, parameter.default))
    whole = verdict([*fixed, *bound(parameter.symbol, span)], {name: start})
    if whole in (SMOOTH, CONTINUOUS):
        parts = [Part(span=span, verdict=whole, values=(), is_proved=True)]
    else:
        parts = split_range(span, list_samples(span, parameter.default), ask)
        parts = [replace(p, is_proved=is_proved(p.span, p.verdict)) for p in parts]
    return Dependence(parameter=name, unit=parameter.unit, others=others, parts=tuple(parts))


def find_span(model: NeuronModel, assumptions: Sequence[sp.Basic], name: str) -> Range:
    """The values that a parameter may have under assumptions, as far as numbers bound it.

    Raises:
        InputError: If there is none, or equalities leave but one.
    """
    region = build_region(model, assumptions)
    symbol = model.parameter(name).symbol
    if symbol in region.solved or region.is_empty:
        raise InputError(
            f"Expected several values of {name} to be admissible but "
            f"{'none is' if region.is_empty else 'assumptions fix it'}; drop an assumption on it."
        )
    unbounded = Range(low=sp.S.Zero) if symbol.is_positive else Range()
    return region.ranges.get(symbol, unbounded)  # it has none if others bound it


def bound(symbol: sp.Symbol, span: Range) -> list[sp.Basic]:
    """A range as relations."""
    relations = []
    if span.low.is_finite:
        relations.append(make_relation(symbol, ">" if span.low_open else ">=", span.low))
    if span.high.is_finite:
        relations.append(make_relation(symbol, "<" if span.high_open else "<=", span.high))
    return relations


def contains(span: Range, value: Fraction) -> bool:
    """Whether a range contains a number."""
    number = sp.Rational(value.numerator, value.denominator)
    above = number > span.low or (number == span.low and not span.low_open)
    below = number < span.high or (number == span.high and not span.high_open)
    return bool(above and below)


def choose_inside(span: Range, default: float) -> Fraction:
    """The default if the range has it, else a number of the range."""
    value = Fraction(repr(default))
    if contains(span, value):
        return value
    return sorted(list_samples(span, default))[len(list_samples(span, default)) // 2]


def list_samples(span: Range, default: float) -> list[Fraction]:
    """Numbers all over a range, in order: its ends if they belong to it, and the default."""
    low, high = (Fraction(str(end)) if end.is_finite else None for end in (span.low, span.high))
    value = Fraction(repr(default))
    found = {value} if contains(span, value) else set()
    if low is not None and high is not None:
        found |= {low + (high - low) * Fraction(k, PARTS) for k in range(PARTS + 1)}
    else:
        base, sides = (low, [1]) if low is not None else (high, [-1])
        if base is None:
            base, sides = Fraction(0), [-1, 1]
            found.add(base)
        size = abs(value - base) or Fraction(1)
        found |= {base + side * size * Fraction(2) ** k for side in sides for k in DOUBLINGS}
        found.add(base)
    return sorted(v for v in found if contains(span, v))


def split_range(
    span: Range, samples: Sequence[Fraction], ask: Callable[[Fraction], str]
) -> list[Part]:
    """Ranges with one verdict each: every change between samples is bracketed by bisection."""
    known = {value: ask(value) for value in samples}
    for low, high in itertools.pairwise(samples):
        bracket(low, high, known, ask, (high - low) * NARROW)
    runs: list[list[Fraction]] = []
    for value in sorted(known):
        if runs and known[runs[-1][-1]] == known[value]:
            runs[-1].append(value)
        else:
            runs.append([value])
    parts = []
    low, low_open = span.low, span.low_open
    for number, run in enumerate(runs):
        high, high_open = span.high, span.high_open
        if number + 1 < len(runs):  # the end belongs to the simpler of both values beside it
            mine, next_one = run[-1], runs[number + 1][0]
            high_open = simplicity(next_one) < simplicity(mine)
            end = next_one if high_open else mine
            high = sp.Rational(end.numerator, end.denominator)
        part = Range(low=low, high=high, low_open=low_open, high_open=high_open)
        parts.append(Part(
            span=part, verdict=known[run[0]], values=tuple(map(float, run)), is_proved=False
        ))  # fmt: skip
        low, low_open = high, not high_open
    return parts


def simplicity(value: Fraction) -> tuple[int, int]:
    """What makes a number simpler than another: small denominator, then small numerator."""
    return value.denominator, abs(value.numerator)


def bracket(
    low: Fraction, high: Fraction, known: dict[Fraction, str], ask: Callable[[Fraction], str],
    narrow: Fraction,
) -> None:  # fmt: skip
    """Ask between two values until wherever the verdict changes is narrow, and at a simple one."""
    if known[low] == known[high]:
        return
    width = high - low
    is_narrow = width <= narrow
    margin = Fraction(0) if is_narrow else width / 4
    middle = find_simplest(low + margin, high - margin)
    if middle in (low, high):
        return
    known[middle] = ask(middle)
    if not is_narrow:
        bracket(low, middle, known, ask, narrow)
        bracket(middle, high, known, ask, narrow)


def find_simplest(low: Fraction, high: Fraction) -> Fraction:
    """The number of smallest denominator in a closed range (Stern-Brocot)."""
    if low <= 0 <= high:
        return Fraction(0)
    if high < 0:
        return -find_simplest(-high, -low)
    whole = low.numerator // low.denominator
    if whole == low:
        return low
    if whole + 1 <= high:
        return Fraction(whole + 1)
    return whole + 1 / find_simplest(1 / (high - whole), 1 / (low - whole))
