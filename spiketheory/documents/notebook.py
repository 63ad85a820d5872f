"""What a notebook displays of models, derivations and certificates."""

from collections.abc import Sequence
from html import escape

import sympy as sp

from spiketheory.certification.certificate import Certificate
from spiketheory.documents.certificate import MEANINGS
from spiketheory.documents.document import write_changes, write_spike
from spiketheory.documents.formulas import name_velocity
from spiketheory.generation.kernel_ir import VerifiedKernel
from spiketheory.language.model import NeuronModel, format_expression
from spiketheory.language.notation import write_math
from spiketheory.symbolic.derivation import Derivation


def write_lines(lines: Sequence[tuple[str, str]]) -> str:
    """Equations in LaTeX, one below the other."""
    rows = r" \\ ".join(f"{left} & {right}" for left, right in lines)
    return rf"$\displaystyle \begin{{aligned}} {rows} \end{{aligned}}$"


def list_equations(model: NeuronModel) -> list[tuple[str, str]]:
    """Dynamics, and what events do: left and right sides in LaTeX."""
    lines = [
        (name_velocity(s).latex, f"= {write_math(f).latex}")
        for s, f in zip(model.state, model.derivatives, strict=True)
    ]
    lines.append((r"\text{spike: }", write_spike(model).latex))
    lines.append((r"\text{reset: }", write_changes(model, model.reset) or r"\text{none}"))
    for name, jump in model.jumps if model.takes_input else ():
        port = f" at {name}".replace("_", r"\_") if model.other_inputs else ""
        what = rf"\text{{input of weight }} w\text{{{port}: }}"
        lines.append((what, write_changes(model, jump)))
    return lines


def show_model(model: NeuronModel) -> str:
    """The equations of a model."""
    return write_lines(list_equations(model))


def show_derivation(derivation: Derivation) -> str:
    """The equations of a model, the method and the derived constants."""
    lines = list_equations(derivation.shown)
    method = derivation.method.replace("_", r"\_")
    lines.append((r"\text{method: }", rf"\text{{{method}}}"))
    lines += [
        (write_math(c.symbol).latex, f"= {write_math(c.value).latex}") for c in derivation.constants
    ]
    return write_lines(lines)


def show_verified(verified: VerifiedKernel) -> str:
    """The same for a derivation that passed its checks, and their number."""
    lines = show_derivation(verified.derivation)
    return f"{lines} (verified: {len(verified.checks)} checks hold)"


def show_certificate(certificate: Certificate) -> str:
    """Verdict, conditions and assumptions as HTML."""
    rows = "".join(
        f"<tr><td>{escape(c.name)}</td><td>{escape(c.status)}</td>"
        f"<td>{escape(c.statement)}</td></tr>"
        for c in certificate.conditions
    )
    return (
        f"<p><b>{escape(certificate.model.name)}: {escape(certificate.verdict)}.</b> "
        f"{escape(MEANINGS[certificate.verdict])}</p>"
        f"{say_relations('Assumed', certificate.assumed)}"
        f"{say_relations('Spikes only shift under', certificate.suggestion)}"
        f"<table><tr><th>condition</th><th>status</th><th>statement</th></tr>{rows}</table>"
    )


def say_relations(what: str, relations: Sequence[sp.Basic]) -> str:
    """A paragraph of relations; nothing if there are none."""
    if not relations:
        return ""
    return f"<p>{what}: {escape('; '.join(map(format_expression, relations)))}.</p>"
