"""Certify that the spikes of a model only shift, or show a trial in which one vanishes."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import sympy as sp

from spiketheory.certification.boundary import Boundary
from spiketheory.certification.certificate import (
    CONTINUOUS,
    NAMES,
    PROVED,
    SMOOTH,
    UNDECIDED,
    Certificate,
    Condition,
    Witness,
)
from spiketheory.certification.claims import Claim, Decide, Finding, Proof
from spiketheory.certification.discharge import Conclusion, assemble, conclude
from spiketheory.certification.obligations import (
    Duties,
    Edge,
    list_edges,
    list_keeping,
    list_obligations,
)
from spiketheory.certification.proofs import prove
from spiketheory.certification.refutation.search import Searcher
from spiketheory.certification.region import build_region
from spiketheory.certification.regularity import describe_ending
from spiketheory.errors import InputError
from spiketheory.language.model import NeuronModel, format_expression, make_relation
from spiketheory.language.symbols import WEIGHT

MOST_SUGGESTIONS = 40
Show = Callable[[str], None]
Found = tuple[Duties, Conclusion]


def certify(
    model: NeuronModel, assumptions: Sequence[sp.Basic] = (), *, show: Show | None = None
) -> Certificate:
    """Prove that spikes only shift (theorems A and B of docs/certificates.md), or refute it.

    Args:
        model: Any neuron model; it need not be one that `derive` can solve.
        assumptions: Relations of weights (`symbols.WEIGHT`), states and parameters, beside the
            model's own.
        show: Called with what is being done.

    Returns:
        The certificate. The model is refuted only with a trial that shows it, confirmed in
        50-digit arithmetic.

    Raises:
        InputError: If nothing obeys the assumptions.
    """
    say = show or (lambda text: None)
    check_possible(model, assumptions)
    say(f"Proving conditions of {model.name}")
    decide = remember(prove)
    split, (duties, found) = prove_conditions(model, assumptions, decide)
    witnesses = find_witnesses(duties, found, say)
    certificate = assemble(duties, assumptions, split, found, witnesses)
    if certificate.verdict not in (SMOOTH, CONTINUOUS):
        say(f"Looking for assumptions under which spikes of {model.name} only shift")
        under = suggest(duties, assumptions, certificate, decide)
        certificate = replace(certificate, under=under)
    return replace(certificate, ending=describe_ending(model))


def remember(decide: Decide) -> Decide:
    """Decide every claim once."""
    known: dict[tuple[object, ...], Finding] = {}

    def decide_once(claim: Claim) -> Finding:
        region = claim.region
        said = (claim.expression, claim.written, claim.relation)
        key = (*said, tuple(claim.ranges.items()), region.relations)
        if key not in known:
            known[key] = decide(claim)
        return known[key]

    return decide_once


def prove_conditions(
    model: NeuronModel, assumptions: Sequence[sp.Basic], decide: Decide
) -> tuple[tuple[Edge, ...], Found]:
    """Discharge the obligations; closed ends of domains are looked at apart where that helps."""
    first = try_split(model, assumptions, (), decide)
    if is_decided(first):
        return (), first
    edges = list_edges(model, first[0].region)
    for split in [*((e,) for e in edges), *([edges] if len(edges) > 1 else [])]:
        found = try_split(model, assumptions, split, decide)
        if is_decided(found):
            return split, found
    return (), first


def try_split(
    model: NeuronModel, assumptions: Sequence[sp.Basic], split: Sequence[Edge], decide: Decide
) -> Found:
    """What is found with some ends looked at apart."""
    duties = list_obligations(model, assumptions, split)
    return duties, conclude(duties.obligations, decide)


def is_decided(found: Found) -> bool:
    """Whether spikes are proved to only shift."""
    return found[1].verdict in (SMOOTH, CONTINUOUS)


def find_witnesses(duties: Duties, found: Conclusion, say: Show) -> tuple[Witness, ...]:
    """Trials that break conditions which are not proved."""
    if duties.boundary is None:
        return ()
    conditions = found.conditions
    searcher: Searcher | None = None
    witnesses = []
    for name in NAMES[1:]:
        if conditions[name].status != UNDECIDED or (name == "C6" and found.verdict != CONTINUOUS):
            continue
        say(f"Looking for a trial that breaks {name}")
        searcher = searcher or Searcher(duties.boundary, duties.region, conditions)
        witness = searcher.search(conditions[name])
        if witness is not None:
            witnesses.append(witness)
    return tuple(witnesses)


def check_possible(model: NeuronModel, assumptions: Sequence[sp.Basic]) -> None:
    """Raise `InputError` if no point obeys the assumptions."""
    region = build_region(model, assumptions)
    if region.is_empty:
        raise InputError(
            "Expected assumptions that some state, weight and parameters obey but got "
            f"{', '.join(map(format_expression, region.relations))}; remove one of them."
        )


def suggest(
    duties: Duties, assumptions: Sequence[sp.Basic], certificate: Certificate, decide: Decide
) -> Certificate | None:
    """The certificate under simple further assumptions with which spikes only shift."""
    model, boundary = duties.model, duties.boundary
    if boundary is None or certificate.by_name["H"].status != PROVED:
        return None
    candidates = list_candidates(boundary, certificate.by_name)
    for extra in itertools.islice(candidates, MOST_SUGGESTIONS):
        more = (*assumptions, *extra)
        tried = build_region(model, more)
        if tried.is_empty or tried.is_point or not is_kept(duties, more, extra, decide):
            continue
        found = try_split(model, more, (), decide)
        if is_decided(found):
            return assemble(found[0], more, (), found[1], ())
    return None


def list_candidates(
    boundary: Boundary, conditions: Mapping[str, Condition]
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


def is_kept(
    duties: Duties, assumptions: Sequence[sp.Basic], extra: Sequence[sp.Basic], decide: Decide
) -> bool:
    """Whether trials from rest never leave bounds on the state."""
    region = build_region(duties.model, assumptions)
    for relation in extra:
        if relation.free_symbols & set(duties.model.state):
            claims = list_keeping(duties.model, region, relation)
            if claims is None or not all(isinstance(decide(c), Proof) for c in claims):
                return False
    return True
