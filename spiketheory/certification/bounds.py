r"""Bounds of expressions from the ranks of their symbols (docs/certificates.md, 4).

A quantity has rank k if $|x| \le A (1 + n)^k$ up to spike n + 1 and time T, where n counts spikes
since the last input and A may depend on the trial, never on n.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sympy as sp

from spiketheory.certification.claims import Claim, Decide, Proof
from spiketheory.certification.region import Region
from spiketheory.language.model import NeuronModel

INFINITE = sp.oo
LEAST = (sp.Rational(1, 2), sp.Rational(1, 64))
"""Lower bounds that are tried."""

BOUNDED = (sp.sin, sp.cos, sp.tanh, sp.atan, sp.asin, sp.acos)


@dataclass(frozen=True)
class Bound:
    r"""$|f| \le A (1 + n)^l \sum_y |y| + A (1 + n)^k$ with y the variables of a block.

    Attributes:
        linear: l; None if no y occurs.
        constant: k; ``oo`` if there is no such bound.
    """

    linear: sp.Expr | None
    constant: sp.Expr

    @property
    def is_known(self) -> bool:
        """Whether it is a rank, with no variable of the block."""
        return self.linear is None and self.constant != INFINITE


NOTHING = Bound(None, sp.S.Zero)
UNKNOWN = Bound(None, INFINITE)


def add(bounds: Sequence[Bound]) -> Bound:
    """The bound of a sum."""
    linear = [b.linear for b in bounds if b.linear is not None]
    constants = [b.constant for b in bounds]
    return Bound(sp.Max(*linear) if linear else None, sp.Max(*constants, 0))


def multiply(bounds: Sequence[Bound]) -> Bound:
    """The bound of a product: at most one factor may hold variables of the block."""
    if any(b.constant == INFINITE for b in bounds) or sum(b.linear is not None for b in bounds) > 1:
        return UNKNOWN
    others = sum((b.constant for b in bounds if b.linear is None), sp.S.Zero)
    for b in bounds:
        if b.linear is not None:
            return Bound(b.linear + others, b.constant + others)
    return Bound(None, others)


class Bounds:
    """Bounds expressions of one model; what it needs proved on the way is kept.

    Args:
        model: The model.
        region: Where.
        inside: The same with V written as the threshold minus a distance.
        decide: Proves claims.
    """

    def __init__(self, model: NeuronModel, region: Region, inside: Region, decide: Decide) -> None:
        self.model, self.region, self.inside, self.decide = model, region, inside, decide
        self.V = model.spike.variable
        self.parameters = {p.symbol for p in model.parameters}
        self.claims: list[tuple[Claim, Proof]] = []

    def ask(self, text: str, expression: sp.Expr, relation: str, region: Region) -> bool:
        """Whether a claim is proved; kept if so."""
        claim = Claim(text=text, expression=expression, relation=relation, region=region)
        found = self.decide(claim)
        if isinstance(found, Proof):
            if all(claim != c for c, _ in self.claims):
                self.claims.append((claim, found))
            return True
        return False

    def bound(
        self, value: sp.Expr, environment: Mapping[sp.Symbol, Bound], region: Region
    ) -> Bound:
        """A bound of an expression from those of its symbols."""
        moving = value.free_symbols & set(environment)
        if not moving:
            return NOTHING
        if isinstance(value, sp.Symbol):
            return environment[value]

        def of(part: sp.Expr) -> Bound:
            return self.bound(part, environment, region)

        if isinstance(value, sp.Add):
            return add([of(a) for a in value.args])
        if isinstance(value, sp.Mul):
            return multiply([of(a) for a in value.args])
        if isinstance(value, sp.exp):
            return self.bound_exponential(value.args[0], environment, region)
        if isinstance(value, sp.Pow):
            return self.bound_power(value, environment, region)
        if isinstance(value, BOUNDED):
            return NOTHING
        if isinstance(value, sp.Abs):
            return of(value.args[0])
        if isinstance(value, sp.Piecewise):
            return add([of(branch) for branch, _ in value.args])
        if isinstance(value, sp.log):
            return self.bound_logarithm(value.args[0], environment, region)
        if isinstance(value, sp.cosh | sp.sinh):
            inner = of(value.args[0])
            return NOTHING if inner.is_known and inner.constant <= 0 else UNKNOWN
        return UNKNOWN

    def bound_logarithm(
        self, value: sp.Expr, environment: Mapping[sp.Symbol, Bound], region: Region
    ) -> Bound:
        """A bound of log f: of f itself if f has a lower bound; of sums of exponentials, of g."""
        if not self.has_lower_bound(value, environment, region):
            return UNKNOWN
        exponents = []
        for term in sp.Add.make_args(value):
            factor, moving = term.as_independent(*environment, as_Add=False)
            if not factor.is_positive or not (moving == 1 or isinstance(moving, sp.exp)):
                return self.bound(value, environment, region)
            exponents.append(sp.S.Zero if moving == 1 else moving.args[0])
        return add([self.bound(g, environment, region) for g in exponents])

    def bound_power(
        self, value: sp.Pow, environment: Mapping[sp.Symbol, Bound], region: Region
    ) -> Bound:
        """A bound of a power with a number as exponent."""
        base, exponent = value.as_base_exp()
        if not exponent.is_Rational:
            return UNKNOWN
        if exponent < 0:
            rank = self.rank_reciprocal(base, environment, region)
            return Bound(None, rank * -exponent) if rank != INFINITE else UNKNOWN
        inner = self.bound(base, environment, region)
        if inner.is_known:
            return Bound(None, inner.constant * exponent)
        if inner.constant != INFINITE and exponent <= 1:
            return inner  # |f|**q <= 1 + |f|
        return UNKNOWN

    def bound_exponential(
        self, exponent: sp.Expr, environment: Mapping[sp.Symbol, Bound], region: Region
    ) -> Bound:
        """A bound of an exponential: it has one if its exponent is bounded above."""
        written = exponent
        if region is self.inside and self.V in region.values:
            written = exponent.subs(self.V, region.values[self.V])
        rest = []
        for term in sp.Add.make_args(sp.expand(written)):
            found = self.bound(term, environment, region)
            if term.free_symbols & set(region.ranges) - set(environment) - self.parameters:
                rest.append(term)  # the distance to the threshold
            elif not (found.is_known and found.constant <= 0):
                rest.append(term)
        whole = sum(rest, sp.S.Zero)
        if whole == 0 or self.ask(f"{whole} <= 0", -whole, ">= 0", region):
            return NOTHING
        return UNKNOWN

    def rank_reciprocal(
        self, value: sp.Expr, environment: Mapping[sp.Symbol, Bound], region: Region
    ) -> sp.Expr:
        """Rank of 1/value: factor by factor; 0 for what is at least a positive number."""
        if self.has_lower_bound(value, environment, region):
            return sp.S.Zero
        total = sp.S.Zero
        for factor in sp.Mul.make_args(sp.factor(value)):
            total += self.rank_inverse_factor(factor, environment, region)
        return total

    def rank_inverse_factor(
        self, factor: sp.Expr, environment: Mapping[sp.Symbol, Bound], region: Region
    ) -> sp.Expr:
        """Rank of 1/factor."""
        if not factor.free_symbols & set(environment):
            return sp.S.Zero
        base, exponent = factor.as_base_exp()
        if isinstance(factor, sp.exp):
            found = self.bound_exponential(-factor.args[0], environment, region)
            return found.constant if found.is_known else INFINITE
        if exponent.is_Rational and exponent != 1:
            if exponent > 0:
                return exponent * self.rank_reciprocal(base, environment, region)
            inner = self.bound(base, environment, region)
            return -exponent * inner.constant if inner.is_known else INFINITE
        if isinstance(factor, sp.cosh):
            return sp.S.Zero
        bounded = self.has_lower_bound(factor, environment, region)
        return sp.S.Zero if bounded or self.has_lower_bound(-factor, environment, region) else (
            INFINITE
        )  # fmt: skip

    def has_lower_bound(
        self, value: sp.Expr, environment: Mapping[sp.Symbol, Bound], region: Region
    ) -> bool:
        """Whether a value is at least something positive that knows no state."""
        for form in dict.fromkeys((value, sp.expand(value))):
            terms = sp.Add.make_args(form)
            fixed = sum((t for t in terms if not t.free_symbols & set(environment)), sp.S.Zero)
            rest = sum((t for t in terms if t.free_symbols & set(environment)), sp.S.Zero)
            if (
                fixed != 0
                and self.ask(f"{fixed} > 0", fixed, "> 0", region)
                and self.ask(f"{rest} >= 0", rest, ">= 0", region)
            ):
                return True
        return any(self.ask(f"{value} > {least}", value - least, "> 0", region) for least in LEAST)

    def mask_bounded(self, value: sp.Expr) -> sp.Expr:
        """An expression without the states that stand in bounded functions alone."""
        unknown = dict.fromkeys(self.model.state, UNKNOWN)
        moving = set(self.model.state)

        def mask(part: sp.Basic) -> sp.Basic:
            if not part.free_symbols & moving or not part.args:
                return part
            if isinstance(part, sp.Function | sp.Pow) and (
                self.bound(part, unknown, self.region).is_known
            ):
                return sp.Dummy(real=True)  # each of its own: they do not cancel
            return part.func(*map(mask, part.args))

        return mask(value)
