"""Explain a readout: text for a terminal, LaTeX, Markdown, a web page or JSON."""

import json
from typing import Any

import sympy as sp

from spiketheory.documents import renderers
from spiketheory.documents.blocks import Block, Code, Formula, Heading, Listing, Paragraph, Table
from spiketheory.documents.formulas import equate, equate_all, name_velocity, state_fact
from spiketheory.documents.json_form import name_all, write
from spiketheory.errors import check_choice
from spiketheory.generation.readout import VerifiedReadout
from spiketheory.language.model import format_expression
from spiketheory.language.notation import Math, write_math, write_name
from spiketheory.language.readout import READS, ReadoutModel
from spiketheory.plain_text import escape_all
from spiketheory.symbolic.readout import Kernel

FORMATS = ("text", "latex", "markdown", "html", "json")
SCHEMA = 1


def document_readout(
    model: ReadoutModel, verified: VerifiedReadout | None, *, format: str, code: str | None = None
) -> str:
    """Explain a readout.

    Args:
        model: The readout.
        verified: Its functions and checks; None if it reads spikes.
        format: ``text``, ``latex``, ``markdown``, ``html`` or ``json``.
        code: Generated code to append; None leaves it out.

    Raises:
        InputError: If the format is unknown.
    """
    check_choice("format", format, FORMATS)
    if format == "json":
        content = describe_readout(model, verified) | ({} if code is None else {"code": code})
        return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    blocks = escape_all(build_blocks(model, verified, code))
    if format == "html":
        from spiketheory.documents.html import render_html

        return render_html(blocks)
    if format == "latex":
        return renderers.render_latex(blocks)
    if format == "markdown":
        return renderers.render_markdown(blocks)
    return renderers.render_text(blocks)


def build_blocks(
    model: ReadoutModel, verified: VerifiedReadout | None, code: str | None
) -> list[Block]:
    """The document, independent of its format."""
    blocks: list[Block] = [
        Heading(text=f"The readout {model.name}", level=1),
        Paragraph(text=model.description),
    ]
    if model.notes:
        blocks.append(Paragraph(text=model.notes))
    if verified is None:
        return [*blocks, Paragraph(text=f"It reads {READS[model.reads]}: there is no kernel.")]
    d = verified.ir.derivation
    blocks += explain_equations(model)
    blocks.append(Heading(text="Derivation"))
    for number, step in enumerate(d.steps, 1):
        blocks += [Heading(text=f"{number}. {step.title}", level=3), Paragraph(text=step.text)]
        blocks += [state_fact(equation) for equation in step.equations]
    response = write_name("eps(d)", r"\epsilon(d)")
    blocks += [
        Heading(text="Response"),
        Paragraph(text="Potential a time d after a hidden spike of weight 1:"),
        equate(response, d.state[0]),
        equate(write_name("eps'(d)", r"\epsilon'(d)"), d.slope),
    ]
    blocks += explain_kernel(model, d.kernel) if d.kernel is not None else []
    blocks += [
        Heading(text="Verification"),
        Table(header=("What was checked", "How", "Outcome"),
              rows=tuple((c.name, c.method, c.detail) for c in verified.checks)),
    ]  # fmt: skip
    return [*blocks, Heading(text="Code"), Code(text=code)] if code is not None else blocks


def explain_equations(model: ReadoutModel) -> list[Block]:
    """Equations, input, what is read, definitions and parameters."""
    changes = r",\; ".join(
        rf"{write_math(s).latex} \leftarrow {write_math(value).latex}"
        for s, value in zip(model.state, model.jump, strict=True)
        if s != value
    )
    blocks: list[Block] = [
        Heading(text="Readout neuron"),
        *equate_all([name_velocity(s) for s in model.state], model.derivatives),
        Table(header=("Event", "What happens"),
              rows=(("Hidden spike of weight w", write_name(model.source["input"], changes)),)),
        Paragraph(text=f"The output is {READS[model.reads]}."),
    ]  # fmt: skip
    if model.weight is not None:
        blocks.append(equate(write_name("weight", r"\mathrm{weight}"), model.weight))
    if model.support is not None:
        low, high = map(format_expression, model.support)
        blocks.append(Paragraph(text=f"for {low} < t < {high}, and 0 elsewhere, where"))
    blocks += [equate(symbol, value) for symbol, value in model.definitions.items()]
    if model.values:
        rows = tuple(
            (p.name, write_math(p.symbol), f"{p.default!r}", format_expression(p.domain),
             "setting" if p in model.settings else "parameter")
            for p in model.values
        )  # fmt: skip
        header = ("Name", "Symbol", "Default", "Domain", "Kind")
        blocks.append(Table(header=header, rows=rows))
    return blocks


def explain_kernel(model: ReadoutModel, kernel: Kernel) -> list[Block]:
    """The kernel, its derivatives, and what holds at the trial's end."""
    formulas: list[Formula] = [
        equate(write_name("kappa(t)", r"\kappa(t)"), kernel.value),
        equate(write_name("kappa'(t)", r"\kappa'(t)"), kernel.slope),
    ]
    formulas += [
        equate(name_partial(p.symbol), e) for p, e in zip(model.parameters, kernel.by, strict=True)
    ]
    return [
        Heading(text="Kernel"),
        Paragraph(text="What a hidden spike of weight 1 at t adds to the output; 0 outside "
                  f"{explain_range(kernel)}:"),
        *formulas,
        Heading(text="The trial's end"),
        Listing(items=explain_end(kernel)),
    ]  # fmt: skip


def name_partial(symbol: sp.Symbol) -> Math:
    """The derivative of the kernel by a parameter."""
    latex = rf"\frac{{\partial \kappa}}{{\partial {write_math(symbol).latex}}}"
    return write_name(f"dkappa/d{symbol.name}", latex)


def explain_range(kernel: Kernel) -> str:
    """Between which times the kernel is what it is."""
    low = "0" if kernel.low == -sp.oo else format_expression(kernel.low)
    return f"{low} <= t <= {format_expression(kernel.high)}"


def explain_end(kernel: Kernel) -> tuple[str, ...]:
    """What happens when a spike passes the trial's end."""
    value, slope, bend = kernel.at_end
    if value != 0:
        return (f"kappa(T) = {format_expression(value)}: the output jumps when a spike passes T.",)
    first = "kappa(T) = 0: the output is continuous when a spike passes T."
    if slope != 0:
        text = f"kappa'(T) = {format_expression(slope)}: its derivative by the spike's time jumps."
        return first, text
    return (
        first,
        "kappa'(T) = 0: so is its derivative by the spike's time.",
        f"kappa''(T) = {format_expression(bend)}: the second derivative jumps.",
    )


def describe_readout(model: ReadoutModel, verified: VerifiedReadout | None) -> dict[str, Any]:
    """A readout for machines."""
    content: dict[str, Any] = {
        "schema": SCHEMA,
        "readout": model.name,
        "description": model.description,
        "reads": model.reads,
        "notes": model.notes,
        "kernel": None,
    }
    if verified is None:
        return content
    d = verified.ir.derivation
    content |= {
        "digest": model.digest,
        "derivatives": name_all(model.state, model.derivatives),
        "input": model.source["input"],
        "weight": write(model.weight) if model.weight is not None else None,
        "definitions": name_all(list(model.definitions), model.definitions.values()),
        "parameters": [describe_value(p) for p in model.parameters],
        "settings": [describe_value(p) for p in model.settings],
        "features": model.features or 1,
        "response": write(d.state[0]),
        "response_slope": write(d.slope),
        "checks": [
            {"name": c.name, "method": c.method, "detail": c.detail} for c in verified.checks
        ],
    }
    if d.kernel is not None:
        value, slope, bend = d.kernel.at_end
        content["kernel"] = {
            "value": write(d.kernel.value),
            "slope": write(d.kernel.slope),
            "gradient": name_all([p.symbol for p in model.parameters], d.kernel.by),
            "low": write(d.kernel.low),
            "high": write(d.kernel.high),
            "at_end": {"value": write(value), "slope": write(slope), "curvature": write(bend)},
        }
    return content


def describe_value(parameter: Any) -> dict[str, Any]:
    """A parameter or setting."""
    return {
        "name": parameter.name,
        "default": parameter.default,
        "domain": format_expression(parameter.domain),
    }
