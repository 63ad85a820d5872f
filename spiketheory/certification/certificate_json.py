"""A certificate for machines: JSON that holds everything a checker needs (docs/formats.md)."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from spiketheory.certification.certificate import Certificate, Condition, Evidence, Witness
from spiketheory.certification.claims import Counterexample, Proof, Tree
from spiketheory.certification.refutation.ladder import Ladder
from spiketheory.certification.region import Range
from spiketheory.language.model import format_expression

SCHEMA = 2


def render_certificate_json(certificate: Certificate) -> str:
    """The certificate as JSON text."""
    content = describe_certificate(certificate)
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def describe_certificate(certificate: Certificate) -> dict[str, Any]:
    """The certificate as it is written down, with the digest of all the rest."""
    content = {
        "schema": SCHEMA,
        "model": certificate.model.name,
        "model_file": certificate.model.to_toml(),
        "assumptions": [format_expression(a) for a in certificate.assumptions],
        "split": [list(edge) for edge in certificate.split],
        "verdict": certificate.verdict,
        "strength": certificate.strength,
        "conditions": {c.name: describe_condition(c) for c in certificate.conditions},
        "waived_notes": list(map(describe_evidence, certificate.waived)),
        "witnesses": [describe_witness(certificate, w) for w in certificate.witnesses],
        "suggestion": describe_certificate(certificate.under) if certificate.under else None,
        "notes": list(certificate.notes),
        "regularity": certificate.regularity,
    }
    return content | {"digest": find_digest(content)}


def find_digest(content: Mapping[str, Any]) -> str:
    """SHA-256 of everything but the digest itself."""
    rest = {key: value for key, value in content.items() if key != "digest"}
    text = json.dumps(rest, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


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
    described: dict[str, Any] = {
        "obligation": evidence.key, "lemma": evidence.lemma, "text": evidence.text,
    }  # fmt: skip
    if evidence.expression is not None:
        described["claim"] = f"{format_expression(evidence.expression)} {evidence.relation}"
        described["ranges"] = describe_ranges(evidence.ranges)
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
        "tree": describe_tree(proof.tree) if proof.tree is not None else None,
    }


def describe_ranges(ranges: Mapping[Any, Range]) -> dict[str, Any]:
    """Ranges of free symbols; infinite ends are "oo" and "-oo"."""
    return {
        s.name: {
            "low": str(r.low), "high": str(r.high), "low_open": r.low_open,
            "high_open": r.high_open,
        }
        for s, r in ranges.items()
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
        "rule": witness.rule,
        "parameter": witness.parameter,
        "place": witness.place,
        "number": witness.number,
        "values": list(witness.values),
        "spikes": [list(s) for s in witness.spikes],
        "change": witness.change,
        "digits": witness.digits,
        "from_rest": witness.from_rest,
        "ladder": describe_ladder(witness.ladder),
        "trial": {name: array.tolist() for name, array in arrays.items()},
    }


def describe_ladder(ladder: Ladder) -> dict[str, Any]:
    """How a jump stays as two values are brought together."""
    return {
        "critical": ladder.critical,
        "spike": ladder.spike,
        "is_kink": ladder.is_kink,
        "rungs": [list(rung) for rung in ladder.rungs],
        "limits": list(ladder.limits),
    }
