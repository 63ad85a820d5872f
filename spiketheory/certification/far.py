"""How expressions behave as the variable that spikes goes to plus or minus infinity."""

from collections.abc import Collection
from dataclasses import dataclass

import sympy as sp
from sympy.core.relational import Relational

from spiketheory.errors import ModelError

WAVES = (sp.sin, sp.cos)
STEPS = {sp.tanh: sp.S.One, sp.atan: sp.pi / 2}
"""Bounded functions, and where they go."""


class Unsupported(ModelError):
    """The behaviour of a model at its spike is of a kind that no chart here covers."""


@dataclass(frozen=True, kw_only=True)
class Infinity:
    """How V moves where it is very large or very negative.

    Attributes:
        degree: V' goes like V**degree; 0 for an exponential.
        coefficient: Its coefficient.
        exponent: Steepness kappa of the exponential; None for a power.
    """

    degree: int
    coefficient: sp.Expr
    exponent: sp.Expr | None = None


@dataclass(frozen=True, kw_only=True)
class Term:
    """One term far out: coefficient V**power exp(steepness V) rest.

    Attributes:
        coefficient: Free of V.
        power: Of V.
        steepness: 0 without an exponential.
        limit: Limit of the rest, which is bounded; None if it has none (a wave).
        is_tame: Whether derivatives of the rest by states and parameters are bounded, too.
    """

    coefficient: sp.Expr
    power: int
    steepness: sp.Expr
    limit: sp.Expr | None
    is_tame: bool


def find_growth_far(
    rate: sp.Expr, V: sp.Symbol, side: int, others: Collection[sp.Symbol]
) -> Infinity:
    """How V' behaves as V goes to plus or minus infinity.

    What stands beside the leading term is of lower order, times bounded functions, so that V' in
    the chart is continuous up to the spike with its derivatives by all but V.

    Raises:
        Unsupported: If it is neither a power nor an exponential.
    """
    terms = [t for t in list_terms(rate, V, side, others) if not is_falling(t, side)]
    rising = [t for t in terms if t.steepness != 0]
    if rising:
        if len({t.steepness for t in rising}) > 1:
            raise Unsupported(
                f"Expected d{V}/dt to grow with one exponential of {V} but got {rate}; write it so."
            )
        if any(t.power or t.limit != 1 for t in rising):
            raise Unsupported(
                f"Expected a constant before the exponential of {V} but got {rate}; write it so."
            )
        whole = sum((t.coefficient for t in rising), sp.S.Zero)
        return Infinity(degree=0, coefficient=whole, exponent=rising[0].steepness)
    degree = max((t.power for t in terms), default=0)
    for term in terms:
        leads = term.power == degree
        if (leads and term.limit is None and degree) or not (
            term.is_tame or term.power + 1 < degree
        ):
            raise Unsupported(
                f"Expected d{V}/dt to grow like a power or an exponential of {V} but got {rate}; "
                f"give {V} a finite threshold."
            )
    leading = [t for t in terms if t.power == degree and t.limit is not None]
    coefficient = sum((t.coefficient * t.limit for t in leading), sp.S.Zero)
    return Infinity(degree=degree, coefficient=sp.expand(coefficient, power_exp=False))


def find_limit_far(
    value: sp.Expr, V: sp.Symbol, side: int, others: Collection[sp.Symbol]
) -> sp.Expr | None:
    """The limit of an expression; None if it has no finite one that is free of V."""
    found = sp.S.Zero
    for term in list_terms(value, V, side, others):
        if is_falling(term, side):
            continue
        if term.power or term.steepness != 0 or term.limit is None or not term.is_tame:
            return None
        found += term.coefficient * term.limit
    return found


def is_falling(term: Term, side: int) -> bool:
    """Whether a term vanishes far out by its exponential."""
    return bool((side * term.steepness).is_negative)


def list_terms(
    value: sp.Expr, V: sp.Symbol, side: int, others: Collection[sp.Symbol]
) -> list[Term]:
    """The terms of an expression far out.

    Raises:
        Unsupported: If one is of no such form.
    """
    resolved = resolve_far(value, V, side)
    expanded = sp.expand(resolved, power_exp=False)
    return [read_term(t, V, side, others) for t in sp.Add.make_args(expanded)]


def read_term(term: sp.Expr, V: sp.Symbol, side: int, others: Collection[sp.Symbol]) -> Term:
    """One term far out."""
    coefficient, moving = term.as_independent(V, as_Add=False)
    rational, steepness = sp.S.One, sp.S.Zero
    limit: sp.Expr | None = sp.S.One
    is_tame = True
    for factor in sp.Mul.make_args(moving):
        if factor.is_rational_function(V):
            rational *= factor
        elif isinstance(factor, sp.exp):
            slope, rest = read_affine(factor.args[0], V, others)
            steepness += slope
            coefficient *= sp.exp(rest)
        else:
            part, tame = find_limit_of_bounded(factor, V, side, others)
            limit = None if limit is None or part is None else limit * part
            is_tame = is_tame and tame
    power, ratio = read_rational(rational, V)
    limit = None if limit is None else limit * ratio
    if steepness != 0 and not (steepness.is_positive or steepness.is_negative):
        raise Unsupported(
            f"Expected an exponential of {V} that surely grows or falls but got {term}; give its "
            "steepness a domain."
        )
    return Term(coefficient=coefficient, power=power, steepness=steepness, limit=limit,
                is_tame=is_tame)  # fmt: skip


def read_rational(value: sp.Expr, V: sp.Symbol) -> tuple[int, sp.Expr]:
    """A rational function of V far out: power of V, and what it is divided by that, in the limit.

    Raises:
        Unsupported: If it may have no such limit: see `find_rational_limit`.
    """
    top, bottom = (sp.Poly(part, V) for part in sp.fraction(sp.cancel(sp.together(value))))
    power = max(top.degree() - bottom.degree(), 0)
    ratio = find_rational_limit(value / V**power, V)
    if ratio is None:
        raise Unsupported(
            f"Expected a function of {V} whose denominator is surely not 0 far out but got {value}."
        )
    return power, ratio


def read_affine(
    value: sp.Expr, V: sp.Symbol, others: Collection[sp.Symbol]
) -> tuple[sp.Expr, sp.Expr]:
    """Slope and constant of what is linear in V with a slope free of states.

    Raises:
        Unsupported: If it is not.
    """
    expanded = sp.expand(value)
    slope = expanded.diff(V)
    if slope.has(V) or slope.free_symbols & set(others) or slope.has(sp.Abs, sp.Piecewise):
        raise Unsupported(f"Expected a function of {V} times a constant but got one of {value}.")
    return slope, sp.expand(expanded - slope * V)


def find_limit_of_bounded(
    factor: sp.Expr, V: sp.Symbol, side: int, others: Collection[sp.Symbol]
) -> tuple[sp.Expr | None, bool]:
    """Limit of a bounded factor, None for waves; and whether its derivatives are bounded.

    Raises:
        Unsupported: If it is not surely bounded.
    """
    refused = Unsupported(
        f"Expected functions of {V} that are bounded far out but got {factor}; give {V} a finite "
        "threshold."
    )
    waves = [f for f in factor.atoms(sp.Function) if isinstance(f, WAVES) and f.has(V)]
    if waves:
        base, exponent = factor.as_base_exp()
        if not isinstance(base, WAVES) or not (exponent.is_Integer and exponent > 0):
            raise refused
        slope, _ = read_affine(base.args[0], V, others)
        return None, bool(slope.is_number)
    grown = sp.Dummy("E", positive=True)
    replaced = replace_far(factor, V, side, others, grown)
    if replaced is None:
        raise refused
    limit = factor.xreplace(replaced)
    for symbol in (grown, V):
        if limit.has(symbol):
            found = find_rational_limit(limit, symbol)
            if found is None:
                raise refused
            limit = found
    denominator = sp.denom(sp.together(limit))
    if (
        limit.has(V, sp.oo, sp.zoo, sp.nan)
        or limit.is_finite is False
        or not denominator.is_nonzero
    ):
        raise refused
    return limit, True


def replace_far(
    factor: sp.Expr, V: sp.Symbol, side: int, others: Collection[sp.Symbol], grown: sp.Symbol
) -> dict[sp.Basic, sp.Basic] | None:
    """Far out: limits of steps, powers of one growing exponential; None if there are other ones."""
    replaced: dict[sp.Basic, sp.Basic] = {}
    for function in factor.atoms(*STEPS):
        if function.has(V):
            slope, _ = read_affine(function.args[0], V, others)
            if not (slope.is_positive or slope.is_negative):
                return None
            sign = side if slope.is_positive else -side
            replaced[function] = sign * STEPS[type(function)]
    unit: sp.Expr | None = None
    for function in factor.atoms(sp.exp):
        if not function.has(V):
            continue
        slope, rest = read_affine(function.args[0], V, others)
        unit = unit if unit is not None else (slope if slope.is_positive else -slope)
        ratio = sp.cancel(slope * side / unit)
        if not unit.is_positive or not ratio.is_Integer:
            return None
        replaced[function] = sp.exp(rest) * grown**ratio
    return replaced


def find_rational_limit(value: sp.Expr, symbol: sp.Symbol) -> sp.Expr | None:
    """Limit of a rational function at plus or minus infinity; None if it may have none.

    The denominator's leading coefficient must be known not to be 0: beside z = 0 the function
    1/(1 + z V) is neither continuous nor has it bounded derivatives.
    """
    if not value.is_rational_function(symbol):
        return None
    top, bottom = (sp.Poly(part, symbol) for part in sp.fraction(sp.cancel(sp.together(value))))
    if not bottom.LC().is_nonzero or top.degree() > bottom.degree():
        return None
    same = top.degree() == bottom.degree()
    return top.LC() / bottom.LC() if same else sp.S.Zero


def resolve_far(expression: sp.Expr, V: sp.Symbol, side: int) -> sp.Expr:
    """Resolve absolute values and branches for V to plus or minus infinity; cosh by exponentials.

    Raises:
        Unsupported: If a branch does not depend on V alone being large.
    """
    expression = expression.replace(
        lambda e: isinstance(e, sp.cosh | sp.sinh) and e.has(V), lambda e: e.rewrite(sp.exp)
    )
    replaced: dict[sp.Basic, sp.Basic] = {}
    for part in expression.atoms(sp.Abs, Relational):
        inner = part.args[0] if isinstance(part, sp.Abs) else part.lhs - part.rhs
        if not inner.has(V):
            continue
        slope = sp.expand(inner).diff(V)
        if not slope.is_number or slope == 0:
            what = f"|{inner}|" if isinstance(part, sp.Abs) else str(part)
            raise Unsupported(f"Expected a branch that {V} alone decides far out but got {what}.")
        sign = sp.sign(slope) * side
        if isinstance(part, sp.Abs):
            replaced[part] = inner * sign
        else:
            replaced[part] = sp.true if (sign > 0) == (part.rel_op[0] == ">") else sp.false
    return expression.subs(replaced) if replaced else expression
