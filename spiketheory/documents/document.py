"""Explain a derivation: text for a terminal, LaTeX, Markdown, a web page or JSON.

The document is a list of blocks, built once; `spiketheory.documents.renderers` has one renderer per
format.
"""

from collections import Counter
from collections.abc import Sequence

import sympy as sp

from spiketheory.documents import renderers
from spiketheory.documents.blocks import (
    Block,
    Cell,
    Code,
    Heading,
    Listing,
    Paragraph,
    Summary,
    Table,
)
from spiketheory.documents.flow import (
    explain_flow,
    explain_gradients,
    explain_initial,
    explain_jump_and_reset,
    explain_spike,
)
from spiketheory.documents.formulas import (
    equate,
    equate_all,
    name_velocity,
    state_fact,
)
from spiketheory.documents.frame import explain_frame
from spiketheory.documents.json_form import render_json
from spiketheory.documents.limits import explain_gradient_limits
from spiketheory.errors import check_choice
from spiketheory.generation.kernel_ir import VerifiedKernel
from spiketheory.language.model import NeuronModel, format_expression
from spiketheory.language.notation import Math, write_math, write_name
from spiketheory.machine.compile import CompiledModel
from spiketheory.plain_text import escape_all
from spiketheory.symbolic.derivation import Derivation
from spiketheory.symbolic.inputs import ORDERED, classify_inputs, explain_order

FORMATS = ("text", "latex", "markdown", "html", "json")


def document(
    verified: VerifiedKernel,
    *,
    format: str,
    code: str | None = None,
    compiled: CompiledModel | None = None,
) -> str:
    """Explain a verified derivation.

    Args:
        verified: The derivation and its checks.
        format: ``text``, ``latex`` (a complete document), ``markdown``, ``html`` (a page with
            figures that stands on its own) or ``json``.
        code: Generated code to append; None leaves it out.
        compiled: Code generated from the derivation, for the figures; None generates it.

    Returns:
        The document.

    Raises:
        InputError: If the format is unknown.
    """
    check_choice("format", format, FORMATS)
    if format == "json":
        return render_json(verified, code=code)
    if format == "html":
        from spiketheory.documents.html import render_html

        figures = try_to_draw(verified, compiled)
        return render_html(build_blocks(verified, code=code, figures=figures))
    blocks = build_blocks(verified, code=code)
    render = {
        "text": renderers.render_text,
        "latex": renderers.render_latex,
        "markdown": renderers.render_markdown,
    }
    return render[format](blocks)


def try_to_draw(verified: VerifiedKernel, compiled: CompiledModel | None) -> tuple[Block, ...]:
    """The figures; a model that they do not suit is explained without them."""
    from spiketheory.documents.figures import draw_figures

    try:
        return draw_figures(verified, compiled=compiled)
    except Exception as err:  # any model may come here, and a figure is worth less than the text
        return (Paragraph(text=f"The figures could not be drawn ({type(err).__name__}: {err})."),)


def build_blocks(
    verified: VerifiedKernel, *, code: str | None = None, figures: Sequence[Block] = ()
) -> list[Block]:
    """The document, independent of its format.

    Args:
        verified: The derivation and its checks.
        code: Generated code to append; None leaves it out.
        figures: Figures to show after the model.
    """
    d = verified.derivation
    blocks: list[Block] = [
        *explain_name(d.shown),
        summarize(verified),
        *explain_model(d.shown),
        *([Heading(text="Behaviour"), *figures] if figures else []),
        *explain_method(d),
        *explain_constants(d),
        *explain_steps(d),
        *explain_flow(d),
        *explain_spike(d),
        *explain_jump_and_reset(d),
        *explain_initial(d),
        *explain_gradients(d),
        *explain_gradient_limits(d),
        *explain_pseudospike(d),
        *explain_frame(d),
        *explain_checks(verified),
        Heading(text="References"),
        Listing(items=d.references),
    ]
    if code is not None:
        blocks += [Heading(text="Generated code"), Code(text=code)]
    return escape_all(blocks)


def summarize(verified: VerifiedKernel) -> Summary:
    """The box at the top: model, method and the outcome of the verification."""
    d = verified.derivation
    model = d.shown
    equations = [
        (name_velocity(s), write_math(f))
        for s, f in zip(model.state, model.derivatives, strict=True)
    ]
    rows: list[tuple[str, Cell]] = [
        ("Dynamics" if i == 0 else "", write_name(
            f"{left.plain} = {right.plain}", f"{left.latex} = {right.latex}"))
        for i, (left, right) in enumerate(equations)
    ]  # fmt: skip
    rows += [("Spike", write_spike(model)), ("Method", f"{d.method}: {d.reason}.")]
    counts = Counter(check.method for check in verified.checks)
    kinds = ", ".join(f"{count} {how_checked(method)}" for method, count in counts.items())
    verdict = f"Verified: all {len(verified.checks)} checks hold ({kinds})."
    passed = bool(verified.checks)
    return Summary(
        rows=tuple(rows), verdict=verdict if passed else "No checks are recorded.", passed=passed
    )


def how_checked(method: str) -> str:
    """A check's method after a number."""
    return f"with {method}" if method[0].isdigit() else method


def write_spike(model: NeuronModel) -> Math:
    """The spike condition."""
    arrow = r"\to" if model.spike.is_blowup else "="
    variable, value = write_math(model.spike.variable), write_math(model.spike.value)
    return write_name(model.source["spike"], f"{variable.latex} {arrow} {value.latex}")


PARAMETER_HEADER = ("Parameter", "Symbol", "Default", "Domain", "Unit")


def explain_name(model: NeuronModel) -> list[Block]:
    """Title and description."""
    description = [Paragraph(text=model.description)] if model.description else []
    return [Heading(text=f"The neuron model {model.name}", level=1), *description]


def list_inputs(model: NeuronModel) -> list[tuple[Cell, ...]]:
    """What an input does, for each port."""
    if not model.takes_input:
        return [("Input of weight w", "none: the neuron takes no input")]
    first, *others = model.jumps
    texts = [model.source["input"], *(model.source[f"inputs.{name}"] for name, _ in others)]
    return [
        (
            f"Input of weight w at {name}" if others else "Input of weight w",
            write_name(text, write_changes(model, jump)),
        )
        for text, (name, jump) in zip(texts, (first, *others), strict=True)
    ]


def list_refractory(model: NeuronModel) -> list[tuple[Cell, ...]]:
    """The row of the refractory period, if there is one."""
    if model.refractory is None:
        return []
    names = ", ".join(s.name for s in model.refractory.hold)
    return [("Refractory period", f"{model.source['refractory.time']}: {names} held")]


def explain_model(model: NeuronModel) -> list[Block]:
    """Equations, spike, reset, input, rest and parameters."""
    velocities = [name_velocity(s) for s in model.state]
    rest = ", ".join(f"{s.name} = {model.source[f'rest.{s.name}']}" for s in model.state)
    rows: list[tuple[Cell, ...]] = [
        ("Spike", write_spike(model)),
        ("Reset", write_reset(model)),
        *list_refractory(model),
        *list_inputs(model),
        *(
            [("Simultaneous inputs", explain_order(model))]
            if classify_inputs(model) == ORDERED
            else []
        ),
        ("Rest", write_name(rest, write_changes(model, model.rest, arrow="=", all_of_them=True))),
    ]
    if model.assumptions:
        facts = [write_math(a) for a in model.assumptions]
        rows.append(("Assuming", write_name("; ".join(f.plain for f in facts), ", ".join(
            f.latex for f in facts))))  # fmt: skip
    blocks: list[Block] = [
        Heading(text="Model"),
        *equate_all(velocities, model.derivatives),
        Table(header=("Event", "What happens"), rows=tuple(rows)),
    ]
    if not model.parameters:
        return [*blocks, Paragraph(text="The model has no parameters.")]
    parameters = tuple(
        (
            p.name,
            write_math(p.symbol),
            f"{p.default!r}",
            write_math(p.domain) if p.domain != sp.true else "any real number",
            p.unit or "1",
        )
        for p in model.parameters
    )
    return [*blocks, Table(header=PARAMETER_HEADER, rows=parameters)]


def write_reset(model: NeuronModel) -> Cell:
    """The reset; it says so where a spike is an upward crossing."""
    if model.reset == model.state:
        return "none: a spike is an upward crossing, and the state goes on unchanged"
    written = write_name(model.source["reset"], write_changes(model, model.reset))
    if not model.is_crossing:
        return written
    words = f"; a spike is an upward crossing, through which {model.spike.variable} goes on"
    if model.lands_on_threshold:
        words = f"; a spike is an upward crossing, and {model.spike.variable} falls after it"
    return write_name(written.plain + words, written.latex + rf"\text{{{words}}}")


def write_changes(
    model: NeuronModel,
    after: Sequence[sp.Expr],
    *,
    arrow: str = r"\leftarrow",
    all_of_them: bool = False,
) -> str:
    """LaTeX of what an event does to the state."""
    changes = (
        f"{write_math(s).latex} {arrow} {write_math(value).latex}"
        for s, value in zip(model.state, after, strict=True)
        if all_of_them or s != value
    )
    return r",\; ".join(changes)


def explain_rejected(d: Derivation) -> list[Block]:
    """Why the more special methods do not fit."""
    if not d.rejected:
        return []
    return [Paragraph(text="More special methods do not fit:"), Listing(items=d.rejected)]


def explain_method(d: Derivation) -> list[Block]:
    """The method, why it was chosen, and the chart."""
    chart = d.chart
    velocities = [name_velocity(c) for c in chart.coordinates]
    names = ", ".join(c.name for c in chart.coordinates)
    surface = format_expression(chart.surface)
    same = ""
    if chart.projective:
        scaled = ", ".join(c.name for c in chart.projective)
        same = f" A positive multiple of ({scaled}) is the same state."
    return [
        Heading(text="Method"),
        Paragraph(text=f"{d.method}: {d.reason}."),
        *explain_rejected(d),
        Heading(text="Chart"),
        Paragraph(
            text=f"The coordinates ({names}) are {chart.name}. The neuron spikes where {surface} "
            f"falls through zero.{same}"
        ),
        Paragraph(text="From the state to the coordinates:"),
        *equate_all(chart.coordinates, d.enter),
        Paragraph(text="From the coordinates to the state:"),
        *equate_all(d.shown.state, d.leave),
        Paragraph(text="Between events:"),
        *equate_all(velocities, chart.field),
    ]


WIDEST_VALUE = 40


def explain_constants(d: Derivation) -> list[Block]:
    """Derived constants with their meanings."""
    if not d.constants:
        return []
    blocks: list[Block] = [
        Heading(text="Constants"),
        Paragraph(text="They depend on the parameters alone; each may use the ones before it."),
    ]
    columns = [(c.symbol.name, write_math(c.symbol), c.meaning) for c in d.constants]
    values = [write_math(c.value) for c in d.constants]
    if max(len(v.plain) for v in values) > WIDEST_VALUE:
        table = Table(header=("Constant", "Symbol", "Meaning"), rows=tuple(columns))
        return [*blocks, table, *(equate(c.symbol, c.value) for c in d.constants)]
    rows = tuple(
        (name, symbol, value, meaning)
        for (name, symbol, meaning), value in zip(columns, values, strict=True)
    )
    return [*blocks, Table(header=("Constant", "Symbol", "Value", "Meaning"), rows=rows)]


def explain_steps(d: Derivation) -> list[Block]:
    """The derivation in numbered steps."""
    blocks: list[Block] = [Heading(text="Derivation")]
    for number, step in enumerate(d.steps, 1):
        blocks.append(Heading(text=f"{number}. {step.title}", level=3))
        blocks.append(Paragraph(text=step.text))
        blocks += [state_fact(equation) for equation in step.equations]
    return blocks


NO_PSEUDODYNAMICS = "no pseudodynamics are known for this model"


def explain_pseudospike(d: Derivation) -> list[Block]:
    """The pseudodynamics after the trial's end."""
    pseudo = d.pseudospike
    if pseudo is None:
        return [
            Heading(text="Pseudospikes"),
            Paragraph(
                text=f"None: {d.without_pseudospikes or NO_PSEUDODYNAMICS}. A neuron that stays "
                "silent until the trial's end has no spike time."
            ),
        ]
    return [
        Heading(text="Pseudospikes"),
        Paragraph(text=f"After the trial's end: {pseudo.meaning}."),
        equate(write_name("delay", r"t_{\mathrm{pseudo}}"), pseudo.delay),
        equate(write_name("period", r"\Theta_{\mathrm{pseudo}}"), pseudo.period),
        equate(write_name("rate", r"r_{\mathrm{pseudo}}"), pseudo.rate),
        Paragraph(
            text="The k-th missing spike comes delay + (k - 1) period after the trial's end; the "
            "rate, times the weight, is the pseudo input of the neurons behind."
        ),
    ]


def explain_checks(verified: VerifiedKernel) -> list[Block]:
    """The table of checks."""
    if not verified.checks:
        return [Heading(text="Verification"), Paragraph(text="No checks are recorded.")]
    rows = tuple((c.name, c.method, c.detail) for c in verified.checks)
    return [
        Heading(text="Verification"),
        Table(header=("What was checked", "How", "Outcome"), rows=rows),
    ]
