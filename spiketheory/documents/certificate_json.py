"""A certificate for machines: JSON that holds everything a checker needs (docs/formats.md)."""

import json
from typing import Any

from spiketheory.certification.certificate import Certificate, Condition, Evidence, Witness
from spiketheory.certification.ladder import Ladder
from spiketheory.certification.proofs import Counterexample, Proof, Tree
from spiketheory.certification.region import Range
from spiketheory.language.model import format_expression

SCHEMA = 1


def render_certificate_json(certificate: Certificate) -> str:
    """The certificate as JSON text."""
    content = {
        "schema": SCHEMA,
        "model": certificate.model.name,
        "model_file": certificate.model.to_toml(),
        "verdict": certificate.verdict,
        "assumptions": [format_expression(a) for a in certificate.assumptions],
        "conditions": {c.name: describe_condition(c) for c in certificate.conditions},
        "witness": describe_witness(certificate, certificate.witnesses[0])
        if certificate.witnesses else None,
        "witnesses": [describe_witness(certificate, w) for w in certificate.witnesses],
        "suggestion": {
            "assumptions": [format_expression(a) for a in certificate.suggestion],
            "verdict": certificate.suggested,
        } if certificate.suggestion else None,
        "notes": list(certificate.notes),
        "ending": certificate.ending,
        "regularity": certificate.regularity,
    }  # fmt: skip
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def describe_condition(condition: Condition) -> dict[str, Any]:
    """A condition, with its evidence."""
    return {
        "status": condition.status,
        "statement": condition.statement,
        "evidence": list(map(describe_evidence, condition.evidence)),
        "holds_under": [format_expression(b) for b in condition.holds_under],
        "tried": condition.tried,
    }


def describe_evidence(evidence: Evidence) -> dict[str, Any]:
    """One claim and what was found."""
    described: dict[str, Any] = {"text": evidence.text}
    if evidence.expression is not None:
        described["claim"] = f"{format_expression(evidence.expression)} {evidence.relation}"
    if evidence.holds is not None:
        described["holds"] = evidence.holds
    if isinstance(evidence.finding, Proof):
        described["proof"] = describe_proof(evidence.finding)
    if isinstance(evidence.finding, Counterexample):
        described["counterexample"] = describe_counterexample(evidence.finding)
    return described


def describe_proof(proof: Proof) -> dict[str, Any]:
    """A proof, so that `spiketheory.certification.recheck` can go through it."""
    return {
        "method": proof.method,
        "expression": format_expression(proof.expression),
        "relation": proof.relation,
        "ranges": {s.name: describe_range(r) for s, r in proof.ranges.items()},
        "tree": describe_tree(proof.tree) if proof.tree is not None else None,
    }


def describe_range(span: Range) -> dict[str, Any]:
    """A range; infinite ends are "oo" and "-oo"."""
    return {
        "low": str(span.low), "high": str(span.high),
        "low_open": span.low_open, "high_open": span.high_open,
    }  # fmt: skip


def describe_tree(tree: Tree | None) -> Any:
    """A tree of boxes: "leaf", or what was cut and the parts."""
    if tree is None:
        return None
    if tree.kind == "leaf":
        return "leaf"
    assert tree.symbol is not None
    return {tree.kind: tree.symbol.name, "parts": list(map(describe_tree, tree.parts))}


def describe_counterexample(found: Counterexample) -> dict[str, Any]:
    """A point at which a claim is false."""
    return {
        "point": {s.name: str(v) for s, v in sorted(found.point.items(), key=str)},
        "value": format_expression(found.value),
    }


def describe_witness(certificate: Certificate, witness: Witness) -> dict[str, Any]:
    """A witness; its trial under the names of a trial file."""
    arrays = witness.trial.to_arrays(certificate.model.name)
    return {
        "condition": witness.condition,
        "parameter": witness.parameter,
        "values": list(witness.values),
        "spikes": [list(s) for s in witness.spikes],
        "change": witness.change,
        "digits": witness.digits,
        "rule": witness.rule,
        "place": witness.place,
        "number": witness.number,
        "from_rest": witness.from_rest,
        "ladder": describe_ladder(witness.ladder),
        "pile_up": describe_pile_up(witness),
        "trial": {name: array.tolist() for name, array in arrays.items()},
    }


def describe_ladder(ladder: Ladder | None) -> dict[str, Any] | None:
    """The rungs of a ladder."""
    if ladder is None:
        return None
    return {
        "critical": ladder.critical, "spike": ladder.spike, "is_kink": ladder.is_kink,
        "rungs": [list(rung) for rung in ladder.rungs], "limits": list(ladder.limits),
        "digits": ladder.digits,
    }  # fmt: skip


def describe_pile_up(witness: Witness) -> dict[str, Any] | None:
    """The bounds by which spikes pile up, and the proofs of their claims."""
    plan = witness.pile_up
    if plan is None:
        return None
    return {
        "parameters": {n: str(v) for n, v in plan.parameters.items()},
        "decay": str(plan.decay), "added": dict(plan.added), "factor": str(plan.factor),
        "speed": str(plan.speed), "driver": dict(plan.driver), "square": str(plan.square),
        "gap": str(plan.gap), "growth": str(plan.growth), "shrinks": plan.shrinks,
        "claims": list(map(describe_evidence, witness.evidence)),
    }  # fmt: skip
