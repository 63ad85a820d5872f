"""From obligations to conditions and a verdict: what prover and recheck do alike."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import sympy as sp

from spiketheory.certification.boundary import Boundary
from spiketheory.certification.certificate import (
    CONTINUOUS,
    NAMES,
    PROVED,
    REFUTED,
    SMOOTH,
    UNDECIDED,
    Certificate,
    Condition,
    Evidence,
    Witness,
)
from spiketheory.certification.claims import (
    Claim,
    Counterexample,
    Decide,
    Finding,
    Obligation,
    Proof,
    Way,
)
from spiketheory.certification.growth import find_growth
from spiketheory.certification.obligations import Duties, Edge
from spiketheory.certification.pile_up import find_pile_up
from spiketheory.certification.region import isolate
from spiketheory.certification.regularity import describe_gradients
from spiketheory.language.model import format_expression, make_relation
from spiketheory.language.symbols import WEIGHT

PROVING = (SMOOTH, CONTINUOUS)
TRIED = "symbolic signs and identities, exact rational points, and interval arithmetic"


def discharge(obligation: Obligation, decide: Decide) -> tuple[tuple[Evidence, ...], bool, bool]:
    """Go through the ways of an obligation until one holds.

    Returns:
        What was found, whether it is discharged, and whether for continuity only.
    """
    if not obligation.ways:
        return (Evidence(key=obligation.key, text=obligation.text, holds=False),), False, False
    tried: list[Evidence] = []
    for way in obligation.ways:
        found = tuple(examine(obligation.key, way, decide))
        if all(isinstance(e.finding, Proof) or e.holds for e in found):
            return found, True, way.continuous_only
        tried = tried or list(found)
    return tuple(tried), False, False


def examine(key: str, way: Way, decide: Decide) -> Iterator[Evidence]:
    """What is found of a way, up to the first claim that is not proved."""
    for claim in way.claims:
        finding = decide(claim)
        yield write_down(key, way.lemma, claim, finding)
        if not isinstance(finding, Proof):
            return
    if way.growth is not None:
        growth = find_growth(way.growth, decide)
        for claim, proof in growth.claims:
            yield write_down(key, way.lemma, claim, proof)
        ranks = "; ".join(f"{', '.join(b.names)}: rank {b.rank} ({b.why})" for b in growth.blocks)
        yield Evidence(key=key, lemma=way.lemma, holds=growth.holds,
                       text=f"{ranks}; {growth.text}" if ranks else growth.text)  # fmt: skip


def show_pile_up(obligations: Sequence[Obligation], decide: Decide) -> list[Evidence]:
    """The evidence that spikes pile up (rule R5); empty if that is not shown."""
    for obligation in obligations:
        for way in obligation.ways:
            found = find_pile_up(way.growth, decide) if way.growth is not None else None
            if found is not None:
                rows = [write_down("R5", "R5", claim, finding) for claim, finding in found.claims]
                return [*rows, Evidence(key="R5", lemma="R5", text=found.text, holds=True)]
    return []


def write_down(key: str, lemma: str, claim: Claim, finding: Finding) -> Evidence:
    """A claim and what was found of it."""
    return Evidence(
        key=key, lemma=lemma, text=claim.text, expression=claim.expression,
        relation=claim.relation, ranges=claim.ranges, finding=finding,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Conclusion:
    """What follows from obligations before trials are looked for.

    Attributes:
        conditions: Proved, undecided, or refuted by a proof.
        notes: What must be said beside the verdict.
        waived: Proofs of what need not be said.
    """

    conditions: Mapping[str, Condition]
    notes: tuple[Obligation, ...]
    waived: tuple[Evidence, ...]

    @property
    def verdict(self) -> str:
        """The verdict that the conditions amount to."""
        return decide_verdict(self.conditions)


def conclude(obligations: tuple[Obligation, ...], decide: Decide) -> Conclusion:
    """The conditions with all that was found, and notes; nothing is refuted yet.

    Args:
        obligations: From `spiketheory.certification.obligations.list_obligations`.
        decide: Proves claims, or looks up what was proved.
    """
    conditions = {}
    notes: list[Obligation] = []
    waived: list[Evidence] = []
    weak = False
    for name in NAMES:
        evidence: list[Evidence] = []
        own = [o for o in obligations if o.condition == name]
        proved = True
        for obligation in own:
            found, holds, continuous_only = discharge(obligation, decide)
            evidence += found
            proved = proved and holds
            weak = weak or (holds and continuous_only)
        if name == "C6" and weak:
            text = "the spike's speed vanishes at some states, where spike times are not smooth"
            evidence.append(Evidence(key="L1t", text=text, holds=False))
            proved = False
        chart = any(o.key == "H2" for o in obligations)
        if chart and name != "H":
            evidence.append(Evidence(key="H2", text="no chart covers the spike", holds=False))
            proved = False
        status = PROVED if proved else UNDECIDED
        if name == "C5" and not proved:
            shown = show_pile_up(own, decide)
            evidence += shown
            status = REFUTED if shown else status
        conditions[name] = Condition(
            name=name,
            status=status,
            evidence=tuple(evidence),
            tried=TRIED if status == UNDECIDED else "",
        )
    for obligation in obligations:
        if obligation.condition == "note":
            found, holds, _ = discharge(obligation, decide)
            if holds:
                waived += found
            else:
                notes.append(obligation)
    return Conclusion(conditions=conditions, notes=tuple(notes), waived=tuple(waived))


def decide_verdict(conditions: Mapping[str, Condition]) -> str:
    """The verdict that the conditions amount to: theorem A, theorem B, a trial, or none."""
    first = [c.status for name, c in conditions.items() if name != "C6"]
    if REFUTED in first:
        return REFUTED
    if UNDECIDED in first:
        return UNDECIDED
    return SMOOTH if conditions["C6"].status == PROVED else CONTINUOUS


def assemble(
    duties: Duties,
    assumptions: Sequence[sp.Basic],
    split: Sequence[Edge],
    found: Conclusion,
    witnesses: Sequence[Witness],
) -> Certificate:
    """The certificate that findings and trials amount to."""
    shown = {w.condition for w in witnesses}
    settled = {
        name: settle(c, shown=name in shown, boundary=duties.boundary)
        for name, c in found.conditions.items()
    }
    verdict = decide_verdict(settled)
    unused = [
        f"No proof uses the assumption {format_expression(r)}: it is no bound on a single symbol."
        for r in duties.region.unused
    ]
    if duties.model.other_inputs and verdict not in PROVING:
        unused.append(
            "Trials that break a condition were looked for with all inputs at the port "
            f"{duties.model.jumps[0][0]}, the first."
        )
    certificate = Certificate(
        model=duties.model,
        assumptions=tuple(assumptions),
        split=tuple(split),
        verdict=verdict,
        strength="",
        conditions=tuple(settled.values()),
        witnesses=tuple(witnesses),
        notes=(*unused, *(n.text for n in found.notes if n.key == "keeps" or verdict in PROVING)),
        waived=found.waived,
        regularity=describe_gradients(duties.boundary, settled) if duties.boundary else "",
    )
    return replace(certificate, strength=describe_strength(certificate))


def settle(condition: Condition, *, shown: bool, boundary: Boundary | None) -> Condition:
    """A condition that a trial refutes, or that stays as it is, with bounds that would save it."""
    if condition.status != UNDECIDED:
        return condition
    under = find_bounds(condition, boundary) if boundary is not None else ()
    if shown:
        return replace(condition, status=REFUTED, tried="", holds_under=under)
    tried = TRIED
    false = [e.finding for e in condition.evidence if isinstance(e.finding, Counterexample)]
    if false:
        at = ", ".join(f"{s} = {v}" for s, v in sorted(false[0].point.items(), key=str))
        tried = (
            f"a claim is false{f' (at {at})' if at else ''}, but no trial was found in which a "
            "spike appears, vanishes or jumps for it: none may exist"
        )
    return replace(condition, tried=tried, holds_under=under)


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


def describe_strength(certificate: Certificate) -> str:
    """What the verdict rests on: theorem, lemmas and assumptions; numerics; what is open."""
    conditions = certificate.conditions
    lemmas = dict.fromkeys(e.lemma for c in conditions for e in c.evidence if e.lemma and
                           c.status == PROVED)  # fmt: skip
    assumed = ", ".join(format_expression(a) for a in certificate.assumed) or "none"
    open_ones = [c.name for c in conditions if c.status == UNDECIDED]
    if certificate.verdict in PROVING:
        letter = "B" if certificate.verdict == SMOOTH else "A"
        parts = [f"theorem {letter} by {', '.join(lemmas)}; assumptions: {assumed}"]
    elif certificate.verdict == REFUTED:
        shown = ", ".join(f"{w.condition} ({w.rule})" for w in certificate.witnesses)
        parts = [f"trials break {shown}: confirmed numerically, jumps stay down to 1e-30"]
        parts = parts if shown else []
        if any(e.lemma == "R5" for c in conditions for e in c.evidence):
            parts.append("theorem R5: spikes pile up")
    else:
        parts = ["no theorem and no trial"]
    if certificate.verdict == CONTINUOUS and certificate.witnesses:
        parts.append("C6 is broken by one-sided derivatives: confirmed numerically")
    parts.append(f"open: {', '.join(open_ones) or 'nothing'}")
    return "; ".join(parts)
