r"""Spikes that pile up in finite time: a plan of lower bounds, and the claims that prove it.

**Lemma (lower ranks).** Fix parameters and let no input come. Let x run over the variables that do
not spike, Q be the states with all x >= 0 and 0 <= rho <= G, and let on Q, for some lambda >= 0,

1. ``x' + lambda x >= 0`` (so that e^(lambda t) x does not fall between spikes);
2. on the surface ``R_x >= x + b`` with b = 0, a number > 0 or another variable, or
   ``R_x >= (1 + q) x`` with q > 0;
3. ``-rho' >= c D`` with c > 0 and D a product of powers of variables (1 if there are none);
4. on the surface ``0 <= rho(R s) <= G``, or ``0 <= rho(R s) <= exp(-y) <= G`` with a variable y;
5. ``x' <= g (1 + sum of all x)`` with some g, so that nothing runs to infinity in between;
6. every assumption about states and parameters.

A number b gives x the lower rank 1, a variable of rank k the rank k + 1, a factor any rank. If D
has rank 2 at least, or D = 1 and y has rank 1 at least, then from some admissible states infinitely
many spikes come before t = 1. *Proof.* Let n0 be large and start with x = C n0^k for x of rank k (1
for rank 0) and rho = G. As long as t <= 1, y_n = e^(lambda t) x after n spikes grows by b at least,
so x >= C' (n0 + n)^k by induction. Q is not left: x >= 0 by 1 and 2, rho falls by 3 and starts
again in [0, G] by 4. The n-th interval is at most G/(c D) <= C'' (n0 + n)^-2, or
exp(-C'(n0 + n))/c; so all of them together are shorter than 1 for n0 large, and no spike comes
later. States are admissible by 6. For V -> oo, Q has any V, 3 is ``V' >= a V**2 + c D`` with a > 0
and D of rank 3 at least, and 4 is void: an interval is at most pi/sqrt(a c D).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import sympy as sp
from sympy.core.relational import Relational

from spiketheory.language.model import NeuronModel, conjuncts
from spiketheory.language.symbols import WEIGHT, constant_symbol, pick_name

GROWTH = sp.Integer(64)
GROWS = "grows"
"""A variable that a reset multiplies."""
ANY = 99
"""Its lower rank."""


@dataclass(frozen=True, kw_only=True)
class PileUp:
    """The lower bounds by which spikes pile up; all numbers are rational.

    Attributes:
        parameters: Values of the parameters.
        decay: The rate lambda.
        added: What a reset adds to each variable at least: a positive number as text, the name of
            another variable, ``grows``, or "" for nothing.
        factor: The number q of what grows.
        speed: The number c.
        driver: Powers of variables in D, by name.
        square: The number a; 0 for a threshold.
        gap: The number G; 0 for V -> oo.
        growth: The number g.
        shrinks: The variable y with gap <= exp(-y); "" if there is none.
    """

    parameters: Mapping[str, sp.Rational]
    decay: sp.Rational
    added: Mapping[str, str]
    factor: sp.Rational
    speed: sp.Rational
    driver: Mapping[str, int]
    square: sp.Rational
    gap: sp.Rational
    growth: sp.Rational = GROWTH
    shrinks: str = ""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What must hold: ``expression relation`` for values in ranges.

    Attributes:
        text: In words.
        expression: Of the variables that do not spike, and of the distance or V.
        relation: ``>= 0`` or ``> 0``.
    """

    text: str
    expression: sp.Expr
    relation: str


def find_rank(plan: PileUp, name: str, seen: frozenset[str] = frozenset()) -> int:
    """Lower rank of a variable."""
    added = plan.added[name]
    if added == GROWS:
        return ANY
    if added == "" or name in seen:
        return 0
    if added in plan.added:
        below = find_rank(plan, added, seen | {name})
        return below + 1 if below else 0
    return 1


def is_enough(plan: PileUp) -> bool:
    """Whether the ranks make the intervals' sum finite, and all numbers have their signs."""
    numbers = [plan.speed > 0, plan.decay >= 0, plan.factor > 0]
    numbers += [
        sp.Rational(v) > 0 for v in plan.added.values() if v not in ("", GROWS, *plan.added)
    ]
    numbers += [
        name in plan.added and power > 0 and find_rank(plan, name) > 0
        for name, power in plan.driver.items()
    ]
    if not all(bool(n) for n in numbers):
        return False
    rank = sum(power * find_rank(plan, name) for name, power in plan.driver.items())
    if plan.square > 0:
        return rank >= 3 and not plan.shrinks
    if plan.shrinks:
        return bool(plan.gap >= 1 and find_rank(plan, plan.shrinks) >= 1)
    return bool(plan.gap > 0 and rank >= 2)


def name_distance(model: NeuronModel) -> sp.Symbol:
    """The symbol of the distance to a threshold."""
    return constant_symbol(pick_name("rho", set(model.symbols)), nonnegative=True)


# Long: the hypotheses of the lemma, one after the other
def list_claims(
    model: NeuronModel, relations: tuple[sp.Basic, ...], plan: PileUp
) -> Iterator[Claim]:
    """The hypotheses of the lemma, at the plan's numbers.

    All variables that do not spike are >= 0; the distance to a threshold lies in [0, G]; V is any
    number where it goes to infinity.

    Args:
        model: The model.
        relations: What is assumed of states and parameters, domains among it.
        plan: The bounds.
    """
    V = model.spike.variable
    values = {p.symbol: plan.parameters[p.name] for p in model.parameters}
    others = [s for s in model.state if s != V]
    rates = dict(zip(model.state, model.derivatives, strict=True))
    resets = dict(zip(model.state, model.reset, strict=True))
    names = {s.name: s for s in others}
    rho, threshold = name_distance(model), model.spike.value
    inside = {} if model.spike.is_blowup else {V: threshold - rho}
    surface = {} if model.spike.is_blowup else {V: threshold}

    def write(expression: sp.Expr, where: Mapping[sp.Symbol, sp.Expr]) -> sp.Expr:
        return expression.subs(where).subs(values)

    for x in others:
        yield Claim(text=f"{x} falls at most like exp(-{plan.decay} t)", relation=">= 0",
                    expression=write(rates[x] + plan.decay * x, inside))  # fmt: skip
        yield Claim(text=f"{x} does not run to infinity between spikes", relation=">= 0",
                    expression=write(plan.growth * (1 + sum(others)) - rates[x],
                                     inside))  # fmt: skip
        added = plan.added[x.name]
        least = (
            (1 + plan.factor) * x if added == GROWS
            else x + (names[added] if added in names else sp.Rational(added or 0))
        )  # fmt: skip
        yield Claim(text=f"a spike takes {x} to {least} at least", relation=">= 0",
                    expression=write(resets[x] - least, surface))  # fmt: skip
    driver = sp.Mul(*(names[n] ** power for n, power in plan.driver.items()))
    if model.spike.is_blowup:
        yield Claim(text=f"d{V}/dt is {plan.square} {V}**2 + {plan.speed * driver} at least",
                    expression=write(rates[V] - plan.square * V**2 - plan.speed * driver, {}),
                    relation=">= 0")  # fmt: skip
    else:
        fall = rates[V] - sum((threshold.diff(z) * rates[z] for z in others), sp.S.Zero)
        yield Claim(text=f"the distance falls at the speed {plan.speed * driver} at least",
                    expression=write(fall - plan.speed * driver, inside),
                    relation=">= 0")  # fmt: skip
        landed = {z: resets[z] for z in others}
        gap = write(threshold.subs(landed, simultaneous=True) - resets[V], surface)
        yield Claim(text="a spike leaves the state before the surface or on it", expression=gap,
                    relation=">= 0")  # fmt: skip
        largest = sp.exp(-names[plan.shrinks]) if plan.shrinks else plan.gap
        yield Claim(text=f"a spike leaves a distance of {largest} at most",
                    expression=largest - gap, relation=">= 0")  # fmt: skip
    for relation in relations:
        yield from write_relation(relation, model, values, inside)


def write_relation(
    relation: sp.Basic, model: NeuronModel, values: Mapping[sp.Symbol, sp.Expr],
    inside: Mapping[sp.Symbol, sp.Expr],
) -> Iterator[Claim]:  # fmt: skip
    """An assumption as claims; one about weights says nothing where no input comes."""
    for part in conjuncts(relation):
        if WEIGHT in part.free_symbols:
            continue
        text = f"the assumption {part} holds all the way"
        if not isinstance(part, Relational) or part.rel_op not in ("<", "<=", ">", ">="):
            holds = sp.S.One if part == sp.true else -sp.S.One
            yield Claim(text=text, expression=holds, relation="> 0")
            continue
        difference = part.gts - part.lts
        yield Claim(
            text=text, expression=difference.subs(inside).subs(values),
            relation="> 0" if len(part.rel_op) == 1 else ">= 0",
        )  # fmt: skip
