"""Certify that the spikes of a model only shift, or show a trial in which one vanishes."""

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence

import sympy as sp
from sympy.core.relational import Relational

from spiketheory.certification import certificate as records
from spiketheory.certification.boundary import Boundary, Unsupported, find_boundary
from spiketheory.certification.certificate import (
    PROVED,
    REFUTED,
    UNDECIDED,
    Certificate,
    Condition,
    Evidence,
    Witness,
)
from spiketheory.certification.conditions import NAMES, examine
from spiketheory.certification.proofs import Counterexample, Proof, prove
from spiketheory.certification.region import Region, build_region, isolate
from spiketheory.certification.regularity import (
    check_regular,
    describe_ending,
    describe_gradients,
    note_kinks,
)
from spiketheory.certification.witness import Searcher
from spiketheory.errors import InputError
from spiketheory.language.model import NeuronModel, make_relation
from spiketheory.language.symbols import WEIGHT

MOST_SUGGESTIONS = 40
Show = Callable[[str], None]


def certify(
    model: NeuronModel, assumptions: Sequence[sp.Basic] = (), *, show: Show | None = None
) -> Certificate:
    """Prove or refute C1 to C6 and draw the verdict (docs/mathematics.md, 10).

    Args:
        model: Any neuron model; it need not be one that `derive` can solve.
        assumptions: Relations of weights (`symbols.WEIGHT`), states and parameters, beside the
            model's own.
        show: Called with what is being done.

    Returns:
        The certificate. A condition is refuted only with a trial that shows it, confirmed in
        50-digit arithmetic.

    Raises:
        InputError: If nothing obeys the assumptions.
    """
    say = show or (lambda text: None)
    region = build_region(model, assumptions)
    check_possible(region)
    assumed = tuple(a for a in (*model.assumptions, *assumptions) if a != sp.true)
    say(f"Proving conditions of {model.name}")
    try:
        check_regular(model)
        boundary = find_boundary(model)
    except Unsupported as err:
        return give_up(model, assumed, str(err))
    conditions = examine(boundary, region)
    witnesses = find_witnesses(boundary, region, conditions, say)
    verdict = decide(conditions)
    say(f"Looking for assumptions under which spikes of {model.name} only shift")
    suggestion, suggested = suggest(boundary, region, assumptions, conditions, verdict)
    return Certificate(
        model=model,
        assumptions=assumed,
        verdict=verdict,
        conditions=tuple(conditions[name] for name in NAMES),
        witnesses=witnesses,
        suggestion=suggestion,
        suggested=suggested,
        notes=tuple(list_notes(boundary, region)),
        ending=describe_ending(model),
        regularity=describe_gradients(boundary, conditions),
    )


def find_witnesses(
    boundary: Boundary, region: Region, conditions: dict[str, Condition], say: Show
) -> tuple[Witness, ...]:
    """Trials that break conditions; those that none was found for become undecided in place."""
    searcher: Searcher | None = None
    witnesses = []
    for name in NAMES:
        condition = conditions[name]
        may_pile_up = name == "C5" and condition.status == UNDECIDED
        if condition.status != REFUTED and not may_pile_up:
            continue
        if name == "C6" and decide(conditions) != records.CONTINUOUS:
            tried = "it is false as it stands; no trial was sought, since C1 to C5 do not all hold"
            conditions[name] = dataclasses.replace(condition, status=UNDECIDED, tried=tried)
            continue
        say(f"Looking for a trial that breaks {name}")
        searcher = searcher or Searcher(boundary, region, conditions)
        witness = searcher.search(condition)
        if witness is not None:
            witnesses.append(witness)
        if not may_pile_up:
            conditions[name] = settle(condition, witness, conditions, boundary)
        elif witness is not None:
            conditions[name] = dataclasses.replace(condition, status=REFUTED, tried="")
    return tuple(witnesses)


def check_possible(region: Region) -> None:
    """Raise `InputError` if no point obeys the assumptions."""
    if region.is_empty:
        raise InputError(
            "Expected assumptions that some state, weight and parameters obey but got "
            f"{', '.join(map(str, region.relations))}; remove one of them."
        )


def give_up(model: NeuronModel, assumed: tuple[sp.Basic, ...], reason: str) -> Certificate:
    """The certificate of a model whose spike no chart covers."""
    evidence = (Evidence(text=reason, holds=False),)
    return Certificate(
        model=model,
        assumptions=assumed,
        verdict=UNDECIDED,
        conditions=tuple(
            Condition(name=name, status=UNDECIDED, evidence=evidence, tried=reason)
            for name in NAMES
        ),
        ending=describe_ending(model),
    )


def settle(
    condition: Condition, witness: Witness | None, conditions: dict[str, Condition],
    boundary: Boundary,
) -> Condition:  # fmt: skip
    """A refuted condition with its witness, or an undecided one; and bounds that would save it."""
    under = find_bounds(condition, boundary)
    if witness is not None:
        return dataclasses.replace(condition, holds_under=under)
    point = next(e.finding for e in condition.evidence if isinstance(e.finding, Counterexample))
    at = ", ".join(f"{s} = {v}" for s, v in sorted(point.point.items(), key=str))
    tried = (
        f"it is false as it stands (at {at}), but no trial was found in which a spike appears, "
        "vanishes or jumps for it: none may exist"
    )
    if condition.name == "C2" and conditions["C1"].status == PROVED:
        tried += ", since every state that an input carries to the surface crosses it (C1)"
    return dataclasses.replace(condition, status=UNDECIDED, holds_under=under, tried=tried)


def decide(conditions: dict[str, Condition]) -> str:
    """The verdict that the conditions amount to."""
    statuses = [conditions[name].status for name in NAMES[:5]]
    if REFUTED in statuses:
        return REFUTED
    if UNDECIDED in statuses:
        return UNDECIDED
    return records.SMOOTH if conditions["C6"].status == PROVED else records.CONTINUOUS


def find_bounds(condition: Condition, boundary: Boundary) -> tuple[sp.Basic, ...]:
    """Bounds on single symbols under which the false claims of a condition would hold.

    Of a state variable if the claim depends on one, else of a parameter.
    """
    found: list[sp.Basic] = []
    for e in condition.evidence:
        if not isinstance(e.finding, Counterexample) or e.expression is None or e.relation == "= 0":
            continue
        factors = sp.Mul.make_args(sp.factor(e.expression))
        sign = sp.Mul(*(f for f in factors if f.is_number))
        for factor in factors:
            if factor.is_number or factor.is_positive or boundary.distance in factor.free_symbols:
                continue
            states = [s for s in boundary.others if factor.has(s)]
            parameters = [p.symbol for p in boundary.model.parameters if factor.has(p.symbol)]
            for symbol in states or [s for s in (WEIGHT,) if factor.has(s)] or parameters[:1]:
                solved = isolate(sign * factor, ">" if e.relation == "> 0" else ">=", symbol)
                if solved is not None:
                    found.append(make_relation(*solved))
    return tuple(dict.fromkeys(found))


def suggest(
    boundary: Boundary, region: Region, assumptions: Sequence[sp.Basic],
    conditions: dict[str, Condition], verdict: str,
) -> tuple[tuple[sp.Basic, ...], str]:  # fmt: skip
    """Simple assumptions under which spikes only shift, and the verdict under them."""
    if verdict in (records.SMOOTH, records.CONTINUOUS):
        return (), ""
    for extra in itertools.islice(list_candidates(boundary, conditions), MOST_SUGGESTIONS):
        tried = build_region(boundary.model, (*assumptions, *extra))
        if tried.is_empty or tried.is_point or not is_kept(boundary.model, tried, extra):
            continue
        reached = decide(examine(boundary, tried))
        if reached in (records.SMOOTH, records.CONTINUOUS):
            return tuple(extra), reached
    return (), ""


def list_candidates(
    boundary: Boundary, conditions: dict[str, Condition]
) -> Iterator[tuple[sp.Basic, ...]]:
    """Assumptions to try: about the weight, a bound that a condition asks for, or both."""
    zero, one = sp.S.Zero, sp.S.One
    weights = [
        make_relation(WEIGHT, ">=", zero),
        make_relation(WEIGHT, "<=", zero),
        make_relation(sp.Abs(WEIGHT), "<", one),
        make_relation(WEIGHT, "<", one),
    ]
    bounds = [b for c in conditions.values() for b in c.holds_under if not b.has(WEIGHT)]
    for symbol in boundary.others:
        bounds += [make_relation(symbol, ">", zero), make_relation(symbol, "<", zero)]
    bounds = list(dict.fromkeys(bounds))
    yield from ((w,) for w in weights)
    yield from ((b,) for b in bounds)
    yield from itertools.product(weights, bounds)


def is_kept(model: NeuronModel, region: Region, relations: Sequence[sp.Basic]) -> bool:
    """Whether trials from rest never leave bounds on the state (their closure, to be exact)."""
    return all(keeps(model, region, r) for r in relations if r.free_symbols & set(model.state))


def keeps(model: NeuronModel, region: Region, relation: sp.Basic) -> bool:
    """Whether rest, flow, input and reset keep a bound ``state > bound`` or ``state < bound``."""
    assert isinstance(relation, Relational)
    difference = relation.lhs - relation.rhs
    inside = difference if relation.rel_op[0] == ">" else -difference
    state = dict(zip(model.state, model.state, strict=True))
    at_rest = inside.subs(dict(zip(model.state, model.rest, strict=True)), simultaneous=True)
    moved = inside.subs(dict(zip(model.state, model.jump, strict=True)), simultaneous=True)
    after = inside.subs(dict(zip(model.state, model.reset, strict=True)), simultaneous=True)
    symbols = sorted(inside.free_symbols & set(state), key=str)
    if len(symbols) != 1 or model.spike.variable in symbols or after.has(sp.oo):
        return False
    solved = isolate(inside, ">=", symbols[0])
    if solved is None:
        return False
    drift = sum(
        (inside.diff(s) * f for s, f in zip(model.state, model.derivatives, strict=True)),
        sp.S.Zero,
    )
    edge = build_region(model, [])
    on_edge = drift.subs(symbols[0], solved[2])
    closed = make_relation(solved[0], solved[1], solved[2])
    weights = [r for r in region.relations if r.free_symbols == {WEIGHT}]
    within = build_region(model, [closed, *weights])
    claims = ((at_rest, edge), (on_edge, edge), (moved, within), (after, within))
    return all(isinstance(prove(value, ">= 0", where), Proof) for value, where in claims)


def list_notes(boundary: Boundary, region: Region) -> Iterator[str]:
    """What else a reader must know."""
    model = boundary.model
    for relation in region.unused:
        yield f"No proof uses the assumption {relation}: it is not a bound on a single symbol."
    bound = [r for r in region.relations if r.free_symbols & set(model.state)]
    if bound and not is_kept(model, region, bound):
        yield (
            f"The dynamics do not keep {', '.join(map(str, bound))} by themselves: the certificate "
            "speaks of trials that do."
        )
    yield from note_kinks(model)
