r"""Proofs that spikes do pile up: rule R5 (docs/certificates.md, 6), without a single trial.

Two ways. A *fixed point*: a reset that leaves the other variables alone lands on the spike or
beyond it, so that the neuron spikes for ever at one instant. *Lower ranks*: x has lower rank k if
$x \ge c\,(m + n)^k$ after n spikes and up to time 1, if it starts at $m^k$; if then the interval
after spike n is at most of the order $(m + n)^{-e}$ with e > 1, all intervals together are shorter
than 1 for a large m. Parameters are at their defaults, and there are no inputs.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import sympy as sp
from sympy.core.relational import Relational

from spiketheory.certification.at_the_spike import find_gap
from spiketheory.certification.boundary import split
from spiketheory.certification.bounds import NOTHING, UNKNOWN, Bound, Bounds
from spiketheory.certification.claims import (
    Claim,
    Counterexample,
    Decide,
    Finding,
    GrowthProblem,
    Proof,
)
from spiketheory.certification.region import Range, Region, isolate

SLOW = sp.Rational(1, 1024)
LIMITS = (sp.S.One, sp.Integer(64))
"""Bounds that are tried."""


@dataclass(frozen=True, kw_only=True)
class PileUp:
    """That spikes pile up.

    Attributes:
        text: How, in words.
        claims: What was found for it.
    """

    text: str
    claims: tuple[tuple[Claim, Finding], ...]


class NotShown(Exception):
    """The rules show no pile-up."""


def find_pile_up(problem: GrowthProblem, decide: Decide) -> PileUp | None:
    """Show that spikes pile up, if one of the two ways does.

    Args:
        problem: The model.
        decide: Proves claims.
    """
    if problem.boundary is None or problem.model.refractory is not None:
        return None
    found = find_fixed_point(problem, decide)
    if found is not None:
        return found
    try:
        return LowerRanks(problem, decide).show()
    except NotShown:
        return None


def find_fixed_point(problem: GrowthProblem, decide: Decide) -> PileUp | None:
    """A state on the surface, reached at a positive speed, that the reset does not lead away."""
    boundary, model = problem.boundary, problem.model
    assert boundary is not None
    V = model.spike.variable
    reset, resets = split(model, model.reset)
    if model.spike.is_blowup or resets != boundary.others or reset.has(V):
        return None
    gap, speed = find_gap(boundary), -boundary.arriving.velocity[0]
    claim = Claim(
        text=f"where the surface is crossed at a speed of at least {SLOW} the reset lands at the "
        f"distance {gap} > 0", expression=sp.Max(gap, SLOW - speed), relation="> 0",
        region=problem.region,
    )  # fmt: skip
    finding = decide(claim)
    if not isinstance(finding, Counterexample):
        return None
    at = ", ".join(f"{s} = {v}" for s, v in sorted(finding.point.items(), key=str))
    return PileUp(
        text=f"where {at} the reset leaves the neuron at the spike: it spikes for ever at once",
        claims=((claim, finding),),
    )


class LowerRanks:
    """Works out lower ranks, at the defaults of all parameters and without inputs."""

    def __init__(self, problem: GrowthProblem, decide: Decide) -> None:
        self.model, self.decide = problem.model, decide
        assert problem.boundary is not None
        self.boundary = problem.boundary
        self.V = self.model.spike.variable
        defaults = problem.region.impose(
            {p.symbol: sp.nsimplify(p.default, rational=True) for p in self.model.parameters}
        )
        if not problem.region.admits(defaults):
            raise NotShown
        self.defaults = defaults
        self.frozen: dict[sp.Symbol, sp.Expr] = {}
        self.freeze()
        self.growing = [s for s in self.boundary.others if s not in self.frozen]
        self.check_assumptions(problem.region)
        self.region = Region(
            ranges={x: Range(low=sp.S.One, low_open=False) for x in self.growing}
            | {self.V: Range()},
            values={}, relations=(),
        )  # fmt: skip
        self.bounds = Bounds(self.model, self.region, self.region, decide)
        self.claims: list[tuple[Claim, Finding]] = []

    def freeze(self) -> None:
        """Variables that no reset changes stay where they rest, or at 0, if the flow lets them."""
        rest = dict(zip(self.model.state, self.model.rest, strict=True))
        for z in self.boundary.others:
            for value in dict.fromkeys((self.put(rest[z]), sp.S.Zero)):
                index = self.model.state.index(z)
                flow = self.put(self.model.derivatives[index]).subs(z, value)
                if sp.expand(flow) == 0 and self.model.reset[index] == z:
                    self.frozen[z] = value
                    break

    def put(self, value: sp.Expr) -> sp.Expr:
        """An expression at the defaults, with frozen variables where they are."""
        return value.subs(self.defaults).subs(self.frozen)

    def check_assumptions(self, region: Region) -> None:
        """All states on the way must be admissible: bounds may be lower ones by numbers only."""
        states = set(self.model.state)
        for relation in region.relations:
            if not relation.free_symbols & states:
                continue
            written = self.put(relation)
            if written == sp.true:
                continue
            if not isinstance(written, Relational) or written.rel_op in ("==", "!="):
                raise NotShown
            solved = isolate(written.lhs - written.rhs, written.rel_op)
            if solved is None or solved[0] not in self.growing or solved[1][0] != ">":
                raise NotShown
            if not solved[2].is_number:
                raise NotShown

    def ask(self, text: str, expression: sp.Expr, relation: str) -> bool:
        """Whether a claim is proved for all growing variables >= 1; kept if so."""
        claim = Claim(text=text, expression=expression, relation=relation, region=self.region)
        finding = self.decide(claim)
        if isinstance(finding, Proof) and all(claim != c for c, _ in self.claims):
            self.claims.append((claim, finding))
        return isinstance(finding, Proof)

    def show(self) -> PileUp:
        """Ranks, speed and gap; the result if intervals shrink fast enough."""
        if not self.growing:
            raise NotShown
        for x in self.growing:
            self.check_flow(x)
        ranks = self.find_ranks()
        exponent, words = self.measure(ranks)
        if not exponent > 1:
            raise NotShown
        table = ", ".join(f"{x} like n**({k})" if k != sp.oo else f"{x} exponentially"
                          for x, k in ranks.items())  # fmt: skip
        fixed = ", ".join(f"{z} = {v}" for z, v in self.frozen.items())
        return PileUp(
            text=f"without input{f' and with {fixed}' if fixed else ''}, from large values, spikes "
            f"make {table} at least; {words}: the intervals are at most of the order "
            f"n**({-exponent}), and together they are finite",
            claims=tuple([*self.claims, *self.bounds.claims]),
        )

    def check_flow(self, x: sp.Symbol) -> None:
        """Between spikes x falls at most like exp(-lambda t), and grows at most exponentially."""
        rate = self.put(self.model.derivatives[self.model.state.index(x)])
        linear = dict.fromkeys(self.growing, Bound(sp.S.Zero, sp.S.Zero)) | {self.V: UNKNOWN}
        for term in sp.Add.make_args(sp.expand(rate)):
            if self.bounds.bound(term, linear, self.region).constant == sp.oo and not self.ask(
                f"{term} <= 0", -term, ">= 0"
            ):
                raise NotShown
            ratio = sp.cancel(term / x)
            if ratio.is_number or self.ask(f"{term} >= 0", term, ">= 0"):
                continue
            if not any(
                self.ask(f"{term} >= -{most}*{x}", term + most * x, ">= 0") for most in LIMITS
            ):
                raise NotShown

    def find_ranks(self) -> dict[sp.Symbol, sp.Expr]:
        """Lower ranks from what resets add."""
        added: dict[sp.Symbol, list[sp.Expr]] = {}
        for x in self.growing:
            reset = self.model.reset[self.model.state.index(x)]
            value = reset if self.model.spike.is_blowup else reset.subs(
                self.V, self.model.spike.value
            )  # fmt: skip
            terms = sp.Add.make_args(sp.expand(self.put(value) - x))
            added[x] = [t for t in terms if t != 0]
            for term in added[x]:
                if not self.ask(f"a reset adds {term} >= 0 to {x}", term, ">= 0"):
                    raise NotShown
        ranks = dict.fromkeys(self.growing, sp.S.Zero)
        for _ in range(len(self.growing) + 1):
            for x in self.growing:
                for term in added[x]:
                    if term.has(x) and sp.cancel(term / x).is_number:
                        ranks[x] = sp.oo
                    rank = self.rank_below(term, ranks)
                    if rank is not None:
                        ranks[x] = sp.Max(ranks[x], rank + 1)
        return ranks

    def rank_below(self, term: sp.Expr, ranks: Mapping[sp.Symbol, sp.Expr]) -> sp.Expr | None:
        """Lower rank of a product of powers of growing variables; None of anything else."""
        total = sp.S.Zero
        for factor in sp.Mul.make_args(term):
            base, exponent = factor.as_base_exp()
            if factor.is_positive:
                continue
            if base not in ranks or not (exponent.is_Rational and exponent > 0):
                return None
            total += exponent * ranks[base]
        return total

    def measure(self, ranks: Mapping[sp.Symbol, sp.Expr]) -> tuple[sp.Expr, str]:
        """Exponent of the longest intervals, and why."""
        index = self.model.state.index(self.V)
        rate = self.put(self.model.derivatives[index])
        if self.model.spike.is_blowup:
            return self.measure_blowup(rate, ranks)
        theta = self.put(self.model.spike.value)
        reset = self.put(self.model.reset[index])
        if theta.free_symbols or reset.has(self.V):
            raise NotShown
        gap = self.put(find_gap(self.boundary))
        near = not reset.free_symbols  # V then lies between two numbers
        speed = self.find_speed(rate, ranks, near)
        width = self.find_width(gap, ranks)
        return speed - width, f"the speed grows like n**({speed}), the gap is like n**({width})"

    def find_speed(self, rate: sp.Expr, ranks: Mapping[sp.Symbol, sp.Expr], near: bool) -> sp.Expr:
        """Lower rank of the speed."""
        environment = dict.fromkeys(self.model.state, UNKNOWN) | {
            self.V: NOTHING if near else UNKNOWN
        }
        best = sp.S.Zero
        for term in sp.Add.make_args(sp.expand(rate)):
            rank = self.rank_below(term, ranks)
            if rank is not None:
                best = sp.Max(best, rank)
                continue
            bounded = self.bounds.bound(term, environment, self.region) == NOTHING
            if not bounded and not self.ask(f"{term} >= 0", term, ">= 0"):
                raise NotShown
        if best == 0 and not self.ask(f"the speed is at least {SLOW}", rate - SLOW, "> 0"):
            raise NotShown
        return best

    def find_width(self, gap: sp.Expr, ranks: Mapping[sp.Symbol, sp.Expr]) -> sp.Expr:
        """Upper rank of the gap: 0 if it is bounded, negative if it shrinks."""
        if not gap.free_symbols:
            return sp.S.Zero
        factor, moving = gap.as_independent(*self.growing, as_Add=False)
        if isinstance(moving, sp.exp) and factor.is_positive:
            rank = self.rank_below(sp.expand(-moving.args[0]), ranks)
            if rank is not None and rank > 0:
                return -sp.oo
        falling = self.rank_below(sp.cancel(1 / gap), ranks)
        if falling is not None:
            return -falling
        for most in LIMITS:
            if self.ask(f"the gap {gap} is at most {most}", most - gap, ">= 0"):
                return sp.S.Zero
        raise NotShown

    def measure_blowup(
        self, rate: sp.Expr, ranks: Mapping[sp.Symbol, sp.Expr]
    ) -> tuple[sp.Expr, str]:
        """For V' >= a V**k + S, k even: an interval is at most of the order S**(1/k - 1)."""
        expanded = sp.expand(rate)
        if not expanded.is_polynomial(self.V):
            raise NotShown
        degree = int(sp.degree(expanded, self.V)) if expanded.has(self.V) else 0
        powers = [expanded.coeff(self.V, j) for j in range(degree + 1)]
        if degree % 2 or degree < 2 or not powers[-1].is_positive:
            raise NotShown
        if any(p.free_symbols for p in powers[1:]):
            raise NotShown
        drive = sp.S.Zero
        for term in sp.Add.make_args(powers[0]):
            rank = self.rank_below(term, ranks)
            if rank is not None:
                drive = sp.Max(drive, rank)
            elif term.free_symbols and not self.ask(f"{term} >= 0", term, ">= 0"):
                raise NotShown
        return drive * (1 - sp.Rational(1, degree)), f"the drive grows like n**({drive})"
