"""What is claimed, and what was found of a claim: the records that prover and recheck share."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import sympy as sp

from spiketheory.certification.boundary import Boundary
from spiketheory.certification.region import Range, Region
from spiketheory.language.model import NeuronModel

RELATIONS = ("= 0", "> 0", ">= 0")
MOST_OPERATIONS = 400
"""Larger expressions are not simplified."""

SMALL = 16
"""Larger expressions with functions are not simplified for people."""

Point = dict[sp.Symbol, sp.Expr]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A statement about one expression, to hold everywhere in a region.

    Attributes:
        text: The statement in words.
        expression: In the model's symbols.
        relation: One of `RELATIONS`.
        region: Where it is to hold.
    """

    text: str
    expression: sp.Expr
    relation: str
    region: Region

    @property
    def written(self) -> sp.Expr:
        """The expression in the region's free symbols."""
        return self.region.express(self.expression)

    @property
    def ranges(self) -> dict[sp.Symbol, Range]:
        """The ranges of the free symbols that occur, in the order of their names."""
        free = sorted(self.written.free_symbols, key=str)
        return {s: self.region.ranges[s] for s in free}


@dataclass(frozen=True)
class Tree:
    """How a region was cut up until intervals decided.

    Attributes:
        kind: ``leaf``, ``halves`` or ``tails``.
        symbol: The symbol whose range was cut.
        parts: Both halves; or below, middle and above (None where the range has no such tail).
    """

    kind: str = "leaf"
    symbol: sp.Symbol | None = None
    parts: tuple["Tree | None", ...] = ()

    @property
    def leaves(self) -> int:
        """Number of boxes."""
        return 1 if self.kind == "leaf" else sum(p.leaves for p in self.parts if p is not None)


@dataclass(frozen=True, kw_only=True)
class Proof:
    """That a claim holds everywhere in its region.

    Attributes:
        expression: In terms of the region's free symbols.
        relation: One of `RELATIONS`.
        method: ``identity``, ``signs`` or ``intervals``.
        ranges: Ranges of the free symbols.
        tree: The boxes; None for other methods.
    """

    expression: sp.Expr
    relation: str
    method: str
    ranges: Mapping[sp.Symbol, Range] = field(default_factory=dict)
    tree: Tree | None = None

    def describe(self) -> str:
        """The method in words."""
        if self.method == "identity":
            return "an identity"
        if self.method == "signs":
            return "by the signs of its parts"
        assert self.tree is not None
        return f"by interval arithmetic on {self.tree.leaves} boxes"


@dataclass(frozen=True, kw_only=True)
class Counterexample:
    """A point of the region at which a claim is false.

    Attributes:
        expression: What was claimed to be zero, positive or not negative.
        relation: The claim.
        point: Values of all symbols that occur, rational.
        value: Value of the expression there.
    """

    expression: sp.Expr
    relation: str
    point: Point
    value: sp.Expr


Finding = Proof | Counterexample | None
Decide = Callable[[Claim], Finding]


def enclose_end(end: sp.Expr, side: int) -> sp.Expr:
    """A rational number at or beside an end of a range: below it for side -1, above it for 1."""
    if end.is_Rational or not end.is_finite:
        return end
    scale = sp.Integer(2) ** 40
    rounded = sp.floor(end * scale) if side < 0 else sp.ceiling(end * scale)
    return rounded / scale


def list_forms(expression: sp.Expr) -> Iterator[sp.Expr]:
    """Ways to write an expression in which its sign may be seen: 1 + tanh(x) has one."""
    yield expression
    yield sp.factor(expression)
    yield sp.expand(expression)
    if expression.has(sp.tanh, sp.sinh, sp.cosh):
        yield sp.factor(sp.together(expression.replace(
            lambda e: isinstance(e, sp.tanh | sp.sinh | sp.cosh), lambda e: e.rewrite(sp.exp)
        )))  # fmt: skip


def list_groups(expression: sp.Expr, ranges: Mapping[sp.Symbol, Range]) -> list[sp.Expr]:
    """Summands that may be looked at one by one: powers of what is positive, times the rest."""
    positive = [s for s, r in ranges.items() if r.low == 0 and r.high == sp.oo]
    groups: dict[sp.Expr, sp.Expr] = {}
    for term in sp.Add.make_args(sp.expand(expression)):
        rest, power = term.as_independent(*positive, as_Add=False)
        groups[power] = groups.get(power, sp.S.Zero) + rest
    return [power * rest for power, rest in groups.items()]


def write_simply(expression: sp.Expr) -> sp.Expr:
    """The expression as a product, if that is not too much work."""
    if expression.count_ops() > MOST_OPERATIONS or expression.has(sp.Piecewise):
        return expression
    return sp.factor(sp.together(expression))


@dataclass(frozen=True, kw_only=True)
class GrowthProblem:
    """What `spiketheory.certification.growth` is to bound: a model from spike to spike.

    Attributes:
        boundary: The model on its spike surface; None where no spike is possible.
        model: The model.
        region: Where.
    """

    boundary: Boundary | None
    model: NeuronModel
    region: Region


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way to discharge an obligation: all of its claims.

    Attributes:
        lemma: The lemma that it establishes a hypothesis of.
        claims: What must be proved.
        growth: Ranks that must exist beside them.
        continuous_only: Whether spike times then are continuous but perhaps not smooth.
    """

    lemma: str
    claims: tuple[Claim, ...] = ()
    growth: GrowthProblem | None = None
    continuous_only: bool = False


@dataclass(frozen=True, kw_only=True)
class Obligation:
    """What must be proved for a condition to hold.

    Attributes:
        key: Its name, unique in a certificate: ``L4.order.I``.
        condition: The condition, or ``note``.
        ways: Any of them will do; without one it cannot be discharged.
        text: Why there is no way; for a note what is said if it is not discharged.
    """

    key: str
    condition: str
    ways: tuple[Way, ...] = ()
    text: str = ""


def ask_for(
    key: str, condition: str, lemma: str, text: str, expression: sp.Expr, relation: str,
    region: Region,
) -> Obligation:  # fmt: skip
    """The obligation to prove a single claim."""
    claim = Claim(text=text, expression=expression, relation=relation, region=region)
    return Obligation(key=key, condition=condition, ways=(Way(lemma=lemma, claims=(claim,)),))


def tidy(expression: sp.Expr) -> sp.Expr:
    """A shorter form of an expression, for people; large ones stay as they are."""
    if expression.is_rational_function():
        return sp.factor(expression) if expression.count_ops() <= MOST_OPERATIONS else expression
    return sp.simplify(expression) if expression.count_ops() <= SMALL else sp.expand(expression)
