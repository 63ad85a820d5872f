r"""Ranks: how fast a model may grow from spike to spike; lemmas L5 and L6 (docs/certificates.md).

A quantity has rank k if $|x| \le A (1 + n)^k$ up to spike n + 1 and time T, where n counts spikes
since the last input and A may depend on the trial, never on n. Variables are ranked block by block
of those that depend on each other; V itself by $V^- = \max(0, -V)$, since it is bounded above by
its threshold. Claims about signs and bounds that come up on the way go to a function that decides
them: the prover, or recheck, which looks up what the prover found.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import sympy as sp
from sympy.core.relational import Relational
from sympy.utilities.iterables import strongly_connected_components

from spiketheory.certification.at_the_spike import find_gap
from spiketheory.certification.boundary import split
from spiketheory.certification.bounds import INFINITE, NOTHING, UNKNOWN, Bound, Bounds, add
from spiketheory.certification.claims import Claim, Decide, GrowthProblem, Proof
from spiketheory.certification.region import Range, Region, isolate, split_relation
from spiketheory.certification.well_posed import cut_at_threshold
from spiketheory.language.symbols import WEIGHT


class Failed(Exception):
    """No rank was found; says of what and why."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """Variables that depend on each other, and their rank.

    Attributes:
        names: The variables; V stands for its negative part.
        rank: Their rank.
        why: In words.
    """

    names: tuple[str, ...]
    rank: sp.Expr
    why: str


@dataclass(frozen=True, kw_only=True)
class Growth:
    """What came out.

    Attributes:
        blocks: Ranks, in the order in which they follow from each other.
        exponent: Intervals are at least of the order n**-exponent; None if no spikes are possible.
        text: The result in words, or why there is none.
        claims: What was proved for it.
        holds: Whether spikes cannot pile up and nothing escapes.
    """

    blocks: tuple[Block, ...]
    exponent: sp.Expr | None
    text: str
    claims: tuple[tuple[Claim, Proof], ...]
    holds: bool


def find_growth(problem: GrowthProblem, decide: Decide) -> Growth:
    """Rank all variables and the shortest intervals.

    Args:
        problem: The model.
        decide: Proves claims.
    """
    ranking = Ranking(problem, decide)
    try:
        ranking.rank_variables()
        if problem.boundary is None:
            ranking.bound_above()
            V = problem.model.spike.variable
            exponent, text = None, f"{V} grows at most exponentially: there are no spikes"
        else:
            exponent, text = ranking.measure_strip()
    except Failed as err:
        return Growth(blocks=tuple(ranking.blocks), exponent=None, text=f"not shown: {err}",
                      claims=tuple(ranking.bounds.claims), holds=False)  # fmt: skip
    return Growth(blocks=tuple(ranking.blocks), exponent=exponent, text=text,
                  claims=tuple(ranking.bounds.claims), holds=True)  # fmt: skip


class Ranking:
    """Works out ranks for one model."""

    def __init__(self, problem: GrowthProblem, decide: Decide) -> None:
        self.problem = problem
        self.model, self.region = problem.model, problem.region
        self.V = self.model.spike.variable
        self.reset_V, self.resets = split(self.model, self.model.reset)
        self.others = tuple(s for s in self.model.state if s != self.V)
        self.is_blowup = self.model.spike.is_blowup
        self.comes_back = self.reset_V == -sp.oo
        self.inside = cut_at_threshold(self.model, self.region)
        self.negative = self.cut_negative()
        self.ranks: dict[sp.Symbol, sp.Expr] = {}
        self.blocks: list[Block] = []
        self.bounds = Bounds(self.model, self.region, self.inside, decide)

    def cut_negative(self) -> Region:
        """Where V < 0."""
        span = self.region.ranges.get(self.V)
        if span is None:
            return self.region
        ranges = {**self.region.ranges, self.V: span.cut("<", sp.S.Zero)}
        return replace(self.region, ranges=ranges)

    def is_assumed_bounded(self, symbol: sp.Symbol) -> bool:
        """Whether assumptions bound a variable from both sides by what is free of states."""
        return self.is_assumed(symbol, "<") and self.is_assumed(symbol, ">")

    def is_assumed(self, symbol: sp.Symbol, direction: str) -> bool:
        """Whether an assumption bounds a variable from above or below, free of states."""
        moving = {*self.model.state, WEIGHT}
        for bound in itertools.chain(*map(split_relation, self.region.relations)):
            solved = isolate(bound[0] - bound[2], bound[1], symbol)
            if solved and solved[1][0] == direction and not solved[2].free_symbols & moving:
                return True
        return False

    def rank_variables(self) -> None:
        """Rank block by block (G1 and G2)."""
        nodes = [
            s for s in self.model.state
            if not (self.is_assumed(s, ">") if s == self.V else self.is_assumed_bounded(s))
        ]  # fmt: skip
        for s in self.model.state:
            if s not in nodes:
                self.ranks[s] = sp.S.Zero
        depends = {s: self.list_dependencies(s) & set(nodes) for s in nodes}
        edges = [(s, other) for s in nodes for other in sorted(depends[s], key=str)]
        for block in strongly_connected_components((nodes, edges)):
            self.rank_block(sorted(block, key=str))

    def list_dependencies(self, symbol: sp.Symbol) -> set[sp.Symbol]:
        """Variables in the flow and the reset of one."""
        index = self.model.state.index(symbol)
        rate, reset = self.model.derivatives[index], self.model.reset[index]
        if symbol == self.V:
            rate = self.resolve(rate, -1)
        found = self.bounds.mask_bounded(rate).free_symbols
        if reset.is_finite is not False:
            found |= self.bounds.mask_bounded(self.on_surface(reset)).free_symbols
        if self.V in found and symbol != self.V and not self.is_blowup:
            found |= self.model.spike.value.free_symbols
        return (found & set(self.model.state)) - {symbol}

    def resolve(self, rate: sp.Expr, side: int) -> sp.Expr:
        """A speed for V beyond a number, with the kinks that V alone decides there resolved.

        Between 0 and that number, which is free of states, V is bounded anyway.
        """
        kinks: dict[sp.Basic, sp.Basic] = {}
        for part in rate.atoms(sp.Abs, Relational):
            inner = part.args[0] if isinstance(part, sp.Abs) else part.lhs - part.rhs
            expanded = sp.expand(inner)
            slope = expanded.diff(self.V)
            rest = expanded.subs(self.V, 0)
            if not slope.is_number or slope == 0 or rest.free_symbols & set(self.model.state):
                continue
            sign = side if slope.is_positive else -side
            if isinstance(part, sp.Abs):
                kinks[part] = sign * inner
            elif part.rel_op in ("<", "<=", ">", ">="):
                kinks[part] = sp.true if (sign > 0) == (part.rel_op[0] == ">") else sp.false
        return rate.subs(kinks) if kinks else rate

    def on_surface(self, value: sp.Expr) -> sp.Expr:
        """A value at the spike."""
        return value if self.is_blowup else value.subs(self.V, self.model.spike.value)

    def rank_block(self, block: list[sp.Symbol]) -> None:
        """Rank variables that depend on each other."""
        flow = sp.Max(*(self.bound_flow(x, block) for x in block))
        rows = [self.bound_reset(x, block) for x in block if not (x == self.V and self.comes_back)]
        names = ", ".join(self.name(x) for x in block)
        added = [b for _, b in rows if b is not None]
        if not rows or (not added and all(self.is_at_most(q, strict=False) for q, _ in rows)):
            rank, why = flow, "the reset does not enlarge them"
        elif all(self.is_at_most(q, strict=True) for q, _ in rows):
            rank = sp.Max(flow, *added)
            why = "the reset forgets them, or shrinks them by a factor"
        elif all(self.is_at_most(q, strict=False) for q, _ in rows):
            rank = sp.Max(flow, sp.Max(*added) + 1)
            why = "the reset adds to them"
        else:
            raise Failed(f"a reset may multiply {names} by more than 1")
        for x in block:
            self.ranks[x] = rank
        self.blocks.append(Block(names=tuple(map(self.name, block)), rank=rank, why=why))

    def name(self, symbol: sp.Symbol) -> str:
        """A variable; of V it is the negative part."""
        return f"max(0, -{symbol})" if symbol == self.V else str(symbol)

    def is_at_most(self, factor: sp.Expr, *, strict: bool) -> bool:
        """Whether the factors of a reset add up to at most 1, or to less by a fixed amount."""
        if strict and factor.free_symbols & set(self.model.state):
            return False
        words = f"factors of the reset add up to {factor} {'<' if strict else '<='} 1"
        return self.bounds.ask(words, 1 - factor, "> 0" if strict else ">= 0", self.region)

    def make_environment(self, block: Sequence[sp.Symbol]) -> dict[sp.Symbol, Bound]:
        """Bounds of the variables where V is anywhere before the spike."""
        found = {
            s: Bound(sp.S.Zero, sp.S.Zero) if s in block else
            Bound(None, self.ranks[s]) if s in self.ranks else UNKNOWN
            for s in self.model.state
        }  # fmt: skip
        if self.V in self.ranks and self.is_assumed_bounded(self.V):
            return found
        if self.is_blowup:
            found[self.V] = UNKNOWN
        else:
            theta = self.bounds.bound(self.model.spike.value, found, self.inside)
            found[self.V] = add([found[self.V], theta])
        return found

    def bound_flow(self, x: sp.Symbol, block: list[sp.Symbol]) -> sp.Expr:
        """G1: rank of what drives |x|, if |x| grows at most linearly with its block."""
        rate = self.model.derivatives[self.model.state.index(x)]
        environment, region = self.make_environment(block), self.inside
        if x == self.V:
            rate, region = self.resolve(rate, -1), self.negative
            known = self.ranks.get(self.V)
            environment[x] = Bound(sp.S.Zero, sp.S.Zero) if known is None else Bound(None, known)
        elif self.bounds.mask_bounded(rate).has(self.V) and self.comes_back:
            raise Failed(f"d{x}/dt depends on {self.V}, which comes from -oo")
        try:
            return self.bound_terms(x, sp.expand(rate, power_exp=False), environment, region)
        except Failed:
            if not rate.is_Add and not rate.is_Mul:
                raise
            return self.bound_terms(x, rate, environment, region)  # V**2*(1 + tanh(V)) is one term

    def bound_terms(
        self, x: sp.Symbol, rate: sp.Expr, environment: Mapping[sp.Symbol, Bound], region: Region
    ) -> sp.Expr:
        """The largest rank of the terms of a speed, as they are written."""
        terms = sp.Add.make_args(rate)
        power = self.find_absorbing(x, terms)
        largest = sp.S.Zero
        for term in terms:
            largest = sp.Max(largest, self.bound_term(x, term, power, environment, region))
        return largest

    def bound_term(
        self, x: sp.Symbol, term: sp.Expr, power: int,
        environment: Mapping[sp.Symbol, Bound], region: Region,
    ) -> sp.Expr:  # fmt: skip
        """Rank of one term of a speed: dropped, linear in the block, or absorbed."""
        found = self.bounds.bound(term, environment, region)
        linear = found.linear is None or found.linear <= 0
        if linear and found.constant <= 0:
            return sp.S.Zero
        against = term if x == self.V else -term * x
        words = f"{term} does not enlarge {self.name(x)}"
        if self.bounds.ask(words, against, ">= 0", region):
            return sp.S.Zero
        if linear and found.constant != INFINITE:
            return found.constant
        if power:
            for exponent in range(power):
                factor = sp.cancel(term / x**exponent) if term.is_polynomial(x) else term
                outer = self.bounds.bound(factor, environment, region)
                if exponent and not factor.has(x) and outer.is_known:
                    return outer.constant * sp.Rational(power, power - exponent)
        sense = "-oo" if x == self.V else "infinity"
        raise Failed(f"{x} may run to {sense} between spikes: {term} in d{x}/dt has no bound")

    def find_absorbing(self, x: sp.Symbol, terms: Sequence[sp.Expr]) -> int:
        """The highest power in a speed that drives a variable back with a factor free of states."""
        best = 0
        for term in terms:
            factor, power = term.as_independent(x, as_Add=False)
            base, exponent = power.as_base_exp()
            if base != x or not exponent.is_Integer or exponent < 2 or exponent <= best:
                continue
            if factor.free_symbols & set(self.model.state):
                continue
            even = exponent % 2 == 0
            if even and x != self.V:
                continue
            back = factor if even else -factor
            if self.bounds.ask(f"{term} drives {x} back: {back} > 0", back, "> 0", self.region):
                best = int(exponent)
        return best

    def bound_reset(self, x: sp.Symbol, block: list[sp.Symbol]) -> tuple[sp.Expr, sp.Expr | None]:
        """G2: sum of the factors before the block's variables, and rank of what is added."""
        value = self.on_surface(self.model.reset[self.model.state.index(x)])
        environment = self.make_environment(block)
        environment[self.V] = UNKNOWN
        factors: dict[sp.Symbol, sp.Expr] = {}
        added: list[sp.Expr] = []
        for term in sp.Add.make_args(sp.expand(value, power_exp=False)):
            if term == 0:
                continue
            found = self.bounds.bound(term, environment, self.region)
            if found.is_known:
                added.append(found.constant)
                continue
            held = [y for y in block if term.has(y)]
            factor = sp.cancel(term / held[0]) if len(held) == 1 else None
            if factor is None or factor.has(held[0]):
                factor = sp.cancel(term / sp.Abs(held[0])) if len(held) == 1 else None
            if factor is None or factor.has(*block) or found.linear is None:
                raise Failed(f"the reset of {x} has {term}, which has no bound")
            y = held[0]
            factors[y] = factors.get(y, sp.S.Zero) + factor
        total = sum((sp.Abs(f) for f in factors.values()), sp.S.Zero)
        return total, sp.Max(*added) if added else None

    def rank_above(
        self, value: sp.Expr, environment: Mapping[sp.Symbol, Bound], region: Region
    ) -> sp.Expr:
        """Rank of an upper bound of a speed: what is never positive does not count."""
        largest = sp.S.Zero
        for term in sp.Add.make_args(sp.expand(value, power_exp=False)):
            found = self.bounds.bound(term, environment, region)
            if found.is_known and found.constant <= 0:
                continue
            if self.bounds.ask(f"{term} <= 0", -term, ">= 0", region):
                continue
            if not found.is_known:
                raise Failed(f"the speed towards the spike has {term}, which has no bound")
            largest = sp.Max(largest, found.constant)
        return largest

    def measure_strip(self) -> tuple[sp.Expr, str]:
        """The exponent e of the shortest intervals, n**-e, and what follows, in words."""
        if self.is_blowup:
            exponent, speed, width = self.measure_blowup()
        else:
            exponent, speed, width = self.measure_threshold()
        if exponent > 1:
            raise Failed(
                f"intervals may shrink like n**({-exponent}) (speed of rank {speed}, width of "
                f"rank {width}), and the sum of such is finite"
            )
        shortest = "bounded from below"
        if exponent > 0:
            shortest = f"at least of the order n**({-exponent}), whose sum diverges"
        return exponent, (
            f"the speed before a spike has rank {speed} on a strip of rank {width}: intervals are "
            f"{shortest}"
        )

    def measure_threshold(self) -> tuple[sp.Expr, sp.Expr, sp.Expr]:
        """For a threshold the strip is the gap that the reset leaves."""
        boundary = self.problem.boundary
        assert boundary is not None
        known = {s: Bound(None, self.ranks.get(s, INFINITE)) for s in self.others}
        gap = find_gap(boundary)
        width = self.bounds.rank_reciprocal(gap, known, self.region)
        if width == INFINITE:
            raise Failed(f"the reset leaves a gap {gap} that has no lower bound")
        V, theta = self.V, self.model.spike.value
        speed = self.model.derivatives[self.model.state.index(V)] - sum(
            theta.diff(z) * self.model.derivatives[self.model.state.index(z)] for z in self.others
        )
        rho = boundary.distance
        inside = replace(
            self.region, ranges={**self.region.ranges, rho: Range(low=sp.S.Zero, low_open=False)}
        )
        rank = self.rank_above(speed.subs(V, theta - rho), {**known, rho: NOTHING}, inside)
        return rank + width, rank, -width

    def measure_blowup(self) -> tuple[sp.Expr, sp.Expr, sp.Expr]:
        """For a blow-up it is a strip that V must pass: behind its reset, or above a number."""
        known = {s: Bound(None, self.ranks.get(s, INFINITE)) for s in self.others}
        start = sp.S.Zero
        if not self.comes_back:
            found = self.bounds.bound(self.reset_V, known, self.region)
            if not found.is_known:
                raise Failed(f"the reset {self.V} = {self.reset_V} has no bound")
            start = found.constant
        speed = self.model.derivatives[self.model.state.index(self.V)]
        if self.comes_back:
            speed = self.resolve(speed, 1)

        def measure(width: sp.Expr) -> tuple[sp.Expr, sp.Expr, sp.Expr]:
            where = {**known, self.V: Bound(None, sp.Max(width, start))}
            rank = self.rank_above(speed, where, self.region)
            return rank - width, rank, width

        best = measure(sp.S.Zero)
        rank = sp.Max(best[1], start)
        for degree in (1, 2, 3, 4):
            try:
                best = min(best, measure(rank / degree), key=lambda found: found[0])
            except Failed:  # an exponential has no bound on wide strips
                break
        return best

    def bound_above(self) -> None:
        """Where no spike is possible: V grows at most linearly with what is bounded."""
        rate = self.model.derivatives[self.model.state.index(self.V)]
        known = {s: Bound(None, self.ranks.get(s, INFINITE)) for s in self.others}
        known[self.V] = Bound(sp.S.Zero, sp.S.Zero)
        span = self.region.ranges.get(self.V, Range())
        above = replace(
            self.region, ranges={**self.region.ranges, self.V: span.cut(">", sp.S.Zero)}
        )
        for term in sp.Add.make_args(sp.expand(rate, power_exp=False)):
            found = self.bounds.bound(term, known, above)
            fine = found.constant != INFINITE and (found.linear is None or found.linear <= 0)
            if not fine and not self.bounds.ask(f"{term} <= 0", -term, ">= 0", above):
                raise Failed(f"{self.V} may blow up: {term} in d{self.V}/dt has no bound")
