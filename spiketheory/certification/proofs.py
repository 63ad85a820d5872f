"""Proofs that an expression is zero, positive or not negative on a region; or a counterexample.

Signs are decided, in this order: by the signs of the parts of the expression, written in distances
to the bounds; by exact rational points at which the claim is false; and by interval arithmetic,
which halves the region until balls decide. Unbounded ranges are cut at a number: beyond it a
rational function is written in the reciprocal (and multiplied by a power that makes it finite),
anything else is evaluated on intervals that end at infinity. What comes out is a tree of boxes
that `spiketheory.certification.recheck` goes through again in another arithmetic.
"""

import itertools
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import flint
import sympy as sp
from mpmath import iv

from spiketheory.certification.claims import (
    MOST_OPERATIONS,
    Claim,
    Counterexample,
    Finding,
    Point,
    Proof,
    Tree,
    enclose_end,
    list_forms,
    list_groups,
    write_simply,
)
from spiketheory.certification.region import Range, Region
from spiketheory.language.symbols import distance_symbol
from spiketheory.reference.integrate import BALLS

BITS = 128
MOST_LEAVES = 4000
DEEPEST = 60
POINTS = 400
SEED = 1
MOST_BRANCHED = 40
"""Larger expressions with branches are not simplified, which takes longest for them."""

CUT = 4
"""Where the tail of an unbounded range begins."""

Box = dict[sp.Symbol, tuple[sp.Expr, sp.Expr]]


def prove(claim: Claim) -> Finding:
    """Prove or refute a claim.

    Returns:
        A proof, a counterexample, or None if neither was found.
    """
    written, ranges, relation = claim.written, claim.ranges, claim.relation
    if written.has(sp.zoo, sp.nan, sp.oo, -sp.oo, sp.AccumBounds):  # it has no value
        return None
    if relation == "= 0":
        if not expands_to_zero(written):
            found = find_counterexample(claim.expression, relation, claim.region)
            if found is not None or not simplifies_to_zero(written):
                return found
        return Proof(expression=written, relation=relation, method="identity", ranges=ranges)
    simple = write_simply(written)
    if has_sign(simple, relation, ranges):
        return Proof(expression=simple, relation=relation, method="signs", ranges=ranges)
    found = find_counterexample(claim.expression, relation, claim.region)
    if found is not None:
        return found
    tree = cover(simple, relation, ranges)
    if tree is None:
        return None
    return Proof(expression=simple, relation=relation, method="intervals", ranges=ranges, tree=tree)


def expands_to_zero(expression: sp.Expr) -> bool:
    """Whether multiplying out leaves nothing: cheap."""
    if expression == 0:
        return True
    if expression.count_ops() > MOST_OPERATIONS:
        return False
    return bool(sp.expand(sp.together(expression)) == 0)


def simplifies_to_zero(expression: sp.Expr) -> bool:
    """Whether an expression simplifies to zero: may take seconds."""
    most = MOST_BRANCHED if expression.has(sp.Piecewise) else MOST_OPERATIONS
    return expression.count_ops() <= most and bool(sp.simplify(expression) == 0)


def has_sign(expression: sp.Expr, relation: str, ranges: Mapping[sp.Symbol, Range]) -> bool:
    """Whether the sign follows from those of the parts, at once or group by group."""
    if is_sum_of_signs(expression, relation, ranges):
        return True
    if expression.count_ops() > MOST_OPERATIONS:
        return False
    groups = list_groups(expression, ranges)
    return (
        len(groups) > 1
        and all(is_sum_of_signs(g, ">= 0", ranges) for g in groups)
        and (relation == ">= 0" or any(is_sum_of_signs(g, "> 0", ranges) for g in groups))
    )


def is_sum_of_signs(expression: sp.Expr, relation: str, ranges: Mapping[sp.Symbol, Range]) -> bool:
    """Whether the sign follows from those of the parts, in distances to the bounds."""
    ranges = {s: r for s, r in ranges.items() if expression.has(s)}
    for substitution in list_shifts(ranges):
        shifted = expression.xreplace(substitution)
        for form in list_forms(shifted):
            if form.is_positive or (relation == ">= 0" and form.is_nonnegative):
                return True
    return False


def list_shifts(ranges: Mapping[sp.Symbol, Range]) -> Iterator[dict[sp.Symbol, sp.Expr]]:
    """Ways to write every bounded symbol as one of its bounds and a distance to it."""
    choices = []
    for symbol, span in ranges.items():
        ways: list[sp.Expr] = []
        if span.low.is_finite:
            ways.append(span.low + distance_symbol(symbol.name, is_open=span.low_open))
        if span.high.is_finite:
            ways.append(span.high - distance_symbol(symbol.name, is_open=span.high_open))
        choices.append(ways or [symbol])
    for chosen in itertools.islice(itertools.product(*choices), 16):
        yield dict(zip(ranges, chosen, strict=True))


def draw_points(region: Region, symbols: set[sp.Symbol]) -> Iterator[Point]:
    """Rational points of the region, simple ones first: values of all the model's symbols.

    Args:
        region: The region.
        symbols: The model's symbols that matter.
    """
    needed, near = set(symbols), set(symbols)
    while near:  # whoever shares a relation must obey it too
        sharing = [r.free_symbols for r in region.relations if r.free_symbols & needed]
        near = set().union(*sharing) - needed
        needed |= near
    free = set().union(*(region.express(s).free_symbols for s in needed)) if needed else set()
    order = sorted(free, key=str)
    draw = random.Random(SEED)
    for number in range(POINTS):
        chosen = {s: draw_number(region.ranges[s], draw, number) for s in order}
        point = {s: sp.nsimplify(region.express(s).subs(chosen), rational=True) for s in needed}
        if region.admits(point):
            yield point


def draw_number(span: Range, draw: random.Random, number: int) -> sp.Expr:
    """A rational number of a range; larger and more special ones as ``number`` grows."""
    size = sp.Rational(draw.randint(1, 24), draw.choice((1, 2, 4, 8))) * 2 ** draw.randint(
        0, number // 40
    )
    low, high = enclose_end(span.low, 1), enclose_end(span.high, -1)
    if low.is_finite and high.is_finite:
        if not (span.low_open and span.high_open) and draw.random() < 0.1:
            return low if span.high_open or (number % 2 and not span.low_open) else high
        return low + (high - low) * sp.Rational(draw.randint(1, 63), 64)
    if low.is_finite:
        return low if not span.low_open and draw.random() < 0.1 else low + size
    if high.is_finite:
        return high if not span.high_open and draw.random() < 0.1 else high - size
    return draw.choice((-1, 0, 1, 1)) * size


def find_counterexample(
    expression: sp.Expr, relation: str, region: Region
) -> Counterexample | None:
    """A rational point at which a claim is false, by ball arithmetic or exactly."""
    symbols = sorted(expression.free_symbols, key=str)
    if not symbols:
        return refute_at(expression, relation, {}, expression)
    for point in draw_points(region, set(symbols)):
        value = expression.subs(point)
        found = refute_at(expression, relation, point, value)
        if found is not None:
            return found
    return None


def refute_at(
    expression: sp.Expr, relation: str, point: Point, value: sp.Expr
) -> Counterexample | None:
    """The counterexample that a point is, if it is one."""
    if not value.is_real or not value.is_finite:
        return None
    sign = decide_sign(value)
    false = {"= 0": sign in (1, -1), "> 0": sign in (-1, 0), ">= 0": sign == -1}[relation]
    if not false:
        return None
    return Counterexample(expression=expression, relation=relation, point=point, value=value)


def decide_sign(value: sp.Expr) -> int | None:
    """Sign of a constant expression; None if rounding hides it."""
    if value.is_Rational:
        return int(sp.sign(value))
    try:
        with flint.ctx.workprec(4 * BITS):
            ball = flint.arb(evaluate_balls((), value)())
    except (TypeError, ValueError, NameError, ZeroDivisionError):
        return None
    return 1 if ball > 0 else -1 if ball < 0 else 0 if sp.simplify(value) == 0 else None


def evaluate_balls(symbols: tuple[sp.Symbol, ...], value: sp.Expr) -> Callable[..., Any]:
    """An expression as a function of balls."""
    function: Callable[..., Any] = sp.lambdify(symbols, value, [BALLS, "mpmath"], dummify=True)
    return function


def is_coverable(expression: sp.Expr) -> bool:
    """Whether intervals can evaluate an expression: no branches, and known functions only."""
    if expression.has(sp.Piecewise, sp.Max, sp.Min):
        return False
    known = (sp.exp, sp.log, sp.sin, sp.cos, sp.Abs, sp.tanh, sp.sinh, sp.cosh)
    return all(isinstance(f, known) for f in expression.atoms(sp.Function))


def cover(expression: sp.Expr, relation: str, ranges: Mapping[sp.Symbol, Range]) -> Tree | None:
    """Cut the region up until intervals prove the claim on every box; None if they do not."""
    if not is_coverable(expression):
        return None
    box = {s: (enclose_end(r.low, -1), enclose_end(r.high, 1)) for s, r in ranges.items()}
    left = [MOST_LEAVES // max(1, len(box) - 2)]
    return cut_tails(expression, relation, box, list(box), left)


def cut_tails(
    expression: sp.Expr, relation: str, box: Box, unseen: list[sp.Symbol], left: list[int]
) -> Tree | None:
    """Cut the tails off every unbounded range, then halve."""
    for number, symbol in enumerate(unseen):
        low, high = box[symbol]
        if low.is_finite and high.is_finite:
            continue
        parts: list[Tree | None] = []
        for part in split_tails(expression, symbol, low, high):
            if part is None:
                parts.append(None)
                continue
            rest = unseen[number + 1 :]
            inner = cut_tails(part[0], relation, {**box, symbol: part[1]}, rest, left)
            if inner is None:
                return None
            parts.append(inner)
        return Tree("tails", symbol, tuple(parts))
    return halve(expression, relation, box, left, 0)


def split_tails(
    expression: sp.Expr, symbol: sp.Symbol, low: sp.Expr, high: sp.Expr
) -> list[tuple[sp.Expr, tuple[sp.Expr, sp.Expr]] | None]:
    """Below, middle and above: the expression in each, and the symbol's range.

    In a tail of a rational function the symbol stands for its own reciprocal.
    """
    cut = sp.Integer(CUT)
    below_at = min(-cut, high - cut) if high.is_finite else -cut
    above_at = max(cut, low + cut) if low.is_finite else cut
    inverted = invert(expression, symbol)
    below = above = None
    if not low.is_finite:
        if inverted is None:
            below = (expression, (-sp.oo, below_at))
        else:
            sign = -1 if inverted[1] % 2 else 1
            below = (sign * inverted[0], (1 / below_at, sp.S.Zero))
    if not high.is_finite:
        if inverted is None:
            above = (expression, (above_at, sp.oo))
        else:
            above = (inverted[0], (sp.S.Zero, 1 / above_at))
    middle = (
        expression,
        (low if low.is_finite else below_at, high if high.is_finite else above_at),
    )
    return [below, middle, above]


def invert(expression: sp.Expr, symbol: sp.Symbol) -> tuple[sp.Expr, int] | None:
    """``x**-n f(x)`` in terms of 1/x, where f is a polynomial of degree n in x; None if it is not.

    The result has the sign of f for x > 0, and that of (-1)**n f for x < 0.
    """
    if not expression.is_polynomial(symbol):
        return None
    polynomial = sp.Poly(expression, symbol)
    degree = polynomial.degree()
    coefficients = polynomial.all_coeffs()
    return sum((c * symbol**k for k, c in enumerate(coefficients)), sp.S.Zero), degree


def halve(expression: sp.Expr, relation: str, box: Box, left: list[int], depth: int) -> Tree | None:
    """Halve the widest range until the claim is certain on every part."""
    left[0] -= 1
    if left[0] < 0 or depth > DEEPEST:
        return None
    if is_certain(expression, relation, box):
        return Tree()
    widths = {s: high - low for s, (low, high) in box.items()}
    finite = {s: w for s, w in widths.items() if w.is_finite and w > 0}
    if not finite:
        return None
    symbol = max(finite, key=lambda s: (float(finite[s]) / (1 + float(abs(box[s][0]))), str(s)))
    low, high = box[symbol]
    middle = (low + high) / 2
    parts = []
    for span in ((low, middle), (middle, high)):
        part = halve(expression, relation, {**box, symbol: span}, left, depth + 1)
        if part is None:
            return None
        parts.append(part)
    return Tree("halves", symbol, tuple(parts))


def is_certain(expression: sp.Expr, relation: str, box: Box) -> bool:
    """Whether interval arithmetic proves the claim on a box."""
    if all(low.is_finite and high.is_finite for low, high in box.values()):
        compiled = compile_once(expression, tuple(box))
        with flint.ctx.workprec(BITS):
            try:
                value = flint.arb(compiled(*(make_ball(*span) for span in box.values())))
            except (ZeroDivisionError, ValueError):
                return False
            return bool(value > 0) or (relation == ">= 0" and bool(value >= 0))
    try:
        lowest = evaluate_interval(expression, box).a
    except (ZeroDivisionError, ValueError):  # not defined on all of the box
        return False
    return bool(lowest > 0) or (relation == ">= 0" and bool(lowest >= 0))


_compiled: dict[tuple[sp.Expr, tuple[sp.Symbol, ...]], Callable[..., Any]] = {}


def compile_once(expression: sp.Expr, symbols: tuple[sp.Symbol, ...]) -> Callable[..., Any]:
    """`evaluate_balls`, remembered."""
    key = (expression, symbols)
    if key not in _compiled:
        _compiled[key] = evaluate_balls(symbols, expression)
    return _compiled[key]


def make_ball(low: sp.Expr, high: sp.Expr) -> flint.arb:
    """The smallest ball around a rational interval."""
    first, second = (
        flint.arb(flint.fmpq(int(v.p), int(v.q))) for v in map(sp.Rational, (low, high))
    )
    return first.union(second)


def evaluate_interval(expression: sp.Expr, box: Box) -> Any:
    """Range of an expression on a box in interval arithmetic with infinite ends (mpmath)."""
    function = sp.lambdify(tuple(box), expression, [INTERVALS, "mpmath"], dummify=True)
    ends = [iv.mpf([str_end(low, -1), str_end(high, 1)]) for low, high in box.values()]
    return iv.convert(function(*ends))


def str_end(value: sp.Expr, side: int) -> Any:
    """An end of an interval, as mpmath reads it, rounded outwards."""
    if not value.is_finite:
        return "-inf" if value < 0 else "inf"
    rational = sp.Rational(value)
    quotient = iv.mpf(int(rational.p)) / iv.mpf(int(rational.q))
    return quotient.a if side < 0 else quotient.b


def interval_tanh(x: Any) -> Any:
    """Hyperbolic tangent of an interval, in which the argument occurs once."""
    return 1 - 2 / (iv.exp(2 * iv.convert(x)) + 1)


INTERVALS: dict[str, Any] = {
    "exp": lambda x: iv.exp(x),
    "log": lambda x: iv.log(x),
    "sqrt": lambda x: iv.sqrt(x),
    "sin": lambda x: iv.sin(x),
    "cos": lambda x: iv.cos(x),
    "tanh": interval_tanh,
    "cosh": lambda x: (iv.exp(iv.convert(x)) + iv.exp(-iv.convert(x))) / 2,
    "sinh": lambda x: (iv.exp(iv.convert(x)) - iv.exp(-iv.convert(x))) / 2,
    "mpf": lambda x: iv.mpf(x),
    "pi": iv.pi,
}
"""Functions of mpmath's names for intervals."""
