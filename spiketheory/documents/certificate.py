"""A certificate for people: text, Markdown, HTML; and JSON."""

import json
from collections.abc import Sequence

import sympy as sp

from spiketheory.certification.certificate import (
    CONTINUOUS,
    PROVED,
    REFUTED,
    SMOOTH,
    UNDECIDED,
    Certificate,
    Condition,
    Witness,
)
from spiketheory.certification.certificate_json import (
    describe_certificate,
    render_certificate_json,
)
from spiketheory.certification.claims import Counterexample, Proof
from spiketheory.certification.readouts import OPEN, Inheritance, describe_inheritance
from spiketheory.documents import renderers
from spiketheory.documents.blocks import Block, Figure, Heading, Listing, Paragraph, Summary, Table
from spiketheory.errors import check_choice
from spiketheory.language.model import format_expression
from spiketheory.plain_text import escape_all

CERTIFICATE_FORMATS = ("text", "json", "markdown", "html")
MEANINGS = {
    SMOOTH: (
        "Spikes only shift: spike times are continuous in weights, input times, initial states and "
        "parameters, spikes come and go only through the trial's end, and derivatives are "
        "continuous even where an input and a spike swap their order."
    ),
    CONTINUOUS: (
        "Spikes only shift: spike times are continuous in weights, input times, initial states and "
        "parameters, and spikes come and go only through the trial's end. Derivatives may jump, as "
        "where an input and a spike swap their order: the two one-sided ones differ."
    ),
    REFUTED: "Spikes can appear, vanish, jump or pile up in mid-trial, as is shown below.",
    UNDECIDED: "Neither a proof nor a trial that breaks it was found.",
}


def write_certificate(
    certificate: Certificate, *, format: str, inheritance: Inheritance | None = None
) -> str:
    """Write a certificate down.

    Args:
        certificate: What `spiketheory.certification.certify.certify` returned.
        format: ``text``, ``json``, ``markdown`` or ``html``.
        inheritance: What a network inherits; in JSON it stands beside the certificate, under
            ``network``, so that the certificate can be checked again.

    Raises:
        InputError: If the format is unknown.
    """
    check_choice("format", format, CERTIFICATE_FORMATS)
    if format == "json" and inheritance is not None:
        both = {
            "network": describe_inheritance(inheritance),
            "certificate": describe_certificate(certificate),
        }
        return json.dumps(both, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if format == "json":
        return render_certificate_json(certificate)
    if format == "html":
        from spiketheory.documents.html import render_html

        return render_html(
            build_blocks(certificate, figures=draw(certificate), inheritance=inheritance)
        )
    blocks = build_blocks(certificate, inheritance=inheritance)
    if format == "markdown":
        return renderers.render_markdown(blocks)
    return renderers.render_text(blocks)


def draw(certificate: Certificate) -> tuple[Figure, ...]:
    """The figure of the first witness."""
    from spiketheory.documents.certificate_figure import draw_witness

    return tuple(draw_witness(certificate.model, w) for w in certificate.witnesses[:1])


def build_blocks(
    certificate: Certificate,
    *,
    figures: Sequence[Figure] = (),
    inheritance: Inheritance | None = None,
) -> list[Block]:
    """The document, independent of its format."""
    name = certificate.model.name
    blocks: list[Block] = [
        Heading(text=f"Certificate of {name}: {certificate.verdict}", level=1),
        summarize(certificate),
        Paragraph(text=MEANINGS[certificate.verdict]),
        Paragraph(text=f"Strength: {certificate.strength}."),
        *list_assumptions(certificate),
        *explain_inheritance(inheritance),
        Heading(text="Conditions"),
        Listing(items=tuple(f"{c.name} {c.status}: {c.statement}" for c in certificate.conditions)),
    ]
    if certificate.witnesses:
        blocks += [Heading(text="Trials that show it")]
        for witness in certificate.witnesses:
            blocks += explain_witness(witness)
        blocks += figures
    blocks.append(Heading(text="Evidence"))
    for condition in certificate.conditions:
        blocks += explain_condition(condition)
    blocks += [Heading(text="The end of the trial"), Paragraph(text=certificate.ending)]
    if certificate.regularity:
        blocks += [Heading(text="Gradients"), Paragraph(text=certificate.regularity)]
    if certificate.notes:
        blocks += [Heading(text="Notes"), Listing(items=certificate.notes)]
    return escape_all(blocks)


def explain_inheritance(inheritance: Inheritance | None) -> list[Block]:
    """What a network with a readout inherits."""
    if inheritance is None:
        return []
    means = {
        OPEN: "Whether the loss is continuous is undecided",
    }.get(inheritance.loss, f"The loss is {inheritance.loss}")
    return [
        Heading(text=f"A network with the readout {inheritance.readout}"),
        Paragraph(
            text=f"{means} in weights, input times, initial states and parameters, if it is a "
            "smooth function of the outputs."
        ),
        Listing(items=inheritance.reasons),
    ]


def summarize(certificate: Certificate) -> Summary:
    """The box at the top of a page."""
    rows = [("model", certificate.model.name), ("verdict", certificate.verdict)]
    if certificate.suggestion:
        rows.append((join(certificate.suggestion), certificate.suggested))
    proved = sum(c.status == PROVED for c in certificate.conditions)
    return Summary(
        rows=tuple(rows),
        verdict=f"{proved} of {len(certificate.conditions)} conditions are proved.",
        passed=certificate.verdict in (SMOOTH, CONTINUOUS),
    )


def join(relations: Sequence[sp.Basic]) -> str:
    """Relations as one text."""
    return " and ".join(format_expression(r) for r in relations)


def list_assumptions(certificate: Certificate) -> list[Block]:
    """What was assumed, and what to assume."""
    blocks: list[Block] = []
    if certificate.assumed:
        blocks.append(Paragraph(text=f"Assumed: {join(certificate.assumed)}."))
    if certificate.suggestion:
        blocks.append(
            Paragraph(
                text=f"Under {join(certificate.suggestion)} it is {certificate.suggested}: add "
                + " ".join(f'--assume "{format_expression(a)}"' for a in certificate.suggestion)
                + "."
            )
        )
    return blocks


def explain_condition(condition: Condition) -> list[Block]:
    """A condition's claims and what was found of each."""
    items = []
    for e in condition.evidence:
        text = e.text
        if isinstance(e.finding, Proof):
            text += f": proved, {e.finding.describe()}"
        elif isinstance(e.finding, Counterexample):
            point = ", ".join(f"{s} = {v}" for s, v in sorted(e.finding.point.items(), key=str))
            text += f": false at {point}" if point else ": false"
        elif e.expression is not None:
            text += ": neither proved nor refuted"
        if e.holds is False and e.key:
            text = f"{e.key}: {text}"
        items.append(f"{e.lemma}: {text}." if e.lemma else f"{text}.")
    blocks: list[Block] = [
        Heading(text=f"{condition.name}: {condition.status}", level=3),
        Listing(items=tuple(items))
        if items
        else Paragraph(text="Nothing to prove: the form of the equations is enough."),
    ]
    stated = {e.text for e in condition.evidence}
    if condition.tried not in stated and condition.status == UNDECIDED:
        blocks.append(Paragraph(text=f"Undecided: {condition.tried}."))
    if condition.holds_under:
        blocks.append(Paragraph(text=f"It would hold under {join(condition.holds_under)}."))
    return blocks


def explain_witness(witness: Witness) -> list[Block]:
    """A witness, in numbers."""
    trial = witness.trial
    initial = ", ".join(f"{n} = {v!r}" for n, v in trial.initial.items())
    inputs = "; ".join(
        f"input {k} of weight {w!r} at {t!r}"
        for k, (w, t) in enumerate(zip(trial.weights, trial.times, strict=True), start=1)
    )
    parameters = ", ".join(f"{n} = {v!r}" for n, v in trial.parameters.items())
    rows = tuple(
        (repr(value), ", ".join(f"{t:.10g}" for t in spikes) or "none")
        for value, spikes in zip(witness.values, witness.spikes, strict=True)
    )
    return [
        Paragraph(
            text=f"{witness.condition}: {witness.what_moves} moves by "
            f"{witness.values[1] - witness.values[0]:.2g}, and {witness.change}. One neuron "
            f"({parameters}), from {initial}, until T = {trial.duration!r}; "
            f"{inputs or 'no input'}. Confirmed in {witness.digits} digits; "
            f"{'from rest' if witness.from_rest else 'not from rest'}; rule {witness.rule}."
        ),
        Table(header=(witness.parameter, "spikes"), rows=rows),
        *explain_ladder(witness),
    ]


def explain_ladder(witness: Witness) -> list[Block]:
    """How a jump stays as two values are brought together."""
    what = "derivatives" if witness.ladder.is_kink else "times"
    rows = tuple((f"{gap:.0e}", f"{value:.10g}") for gap, value in witness.ladder.rungs)
    header = ("gap", f"difference of the {what} of spike {witness.ladder.spike}")
    return [
        Paragraph(text="The two values brought together around "
                  f"{witness.ladder.critical[:24]}..."),
        Table(header=header, rows=rows),
    ]  # fmt: skip
