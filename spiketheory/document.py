"""Explain a derivation: text for a terminal, LaTeX, Markdown or JSON.

The document is a list of blocks, built once; `spiketheory.renderers` has one renderer per format.
"""

from collections.abc import Iterable, Sequence

import sympy as sp

from spiketheory import renderers
from spiketheory.blocks import Block, Cell, Code, Formula, Heading, Listing, Paragraph, Table
from spiketheory.derivation import Branch, Derivation, VerifiedDerivation
from spiketheory.derive import differentiate
from spiketheory.document_json import render_json
from spiketheory.errors import check_choice
from spiketheory.model import NeuronModel, format_expression
from spiketheory.notation import Math, write_math, write_name

FORMATS = ("text", "latex", "markdown", "json")


def document(verified: VerifiedDerivation, *, format: str, code: str | None = None) -> str:
    """Explain a verified derivation.

    Args:
        verified: The derivation and its checks.
        format: ``text``, ``latex`` (a complete document), ``markdown`` or ``json``.
        code: Generated code to append; None leaves it out.

    Returns:
        The document.

    Raises:
        InputError: If the format is unknown.
    """
    check_choice("format", format, FORMATS)
    if format == "json":
        return render_json(verified, code=code)
    blocks = build_blocks(verified, code=code)
    render = {
        "text": renderers.render_text,
        "latex": renderers.render_latex,
        "markdown": renderers.render_markdown,
    }
    return render[format](blocks)


def build_blocks(verified: VerifiedDerivation, *, code: str | None = None) -> list[Block]:
    """The document, independent of its format."""
    d = verified.derivation
    blocks: list[Block] = [
        *explain_model(d.model),
        *explain_method(d),
        *explain_constants(d),
        *explain_steps(d),
        *explain_flow(d),
        *explain_spike(d),
        *explain_jump_and_reset(d),
        *explain_initial(d),
        *explain_gradients(d),
        *explain_pseudospike(d),
        *explain_checks(verified),
        Heading(text="References"),
        Listing(items=d.references),
    ]
    if code is not None:
        blocks += [Heading(text="Generated code"), Code(text=code)]
    return blocks


def equate(left: sp.Basic | Math, right: sp.Basic) -> Formula:
    """The formula ``left = right``."""
    name = left if isinstance(left, Math) else write_math(left)
    return Formula(left=name, cases=((write_math(right), None),))


def state_fact(statement: sp.Basic) -> Formula:
    """An equation or a condition as it stands."""
    if isinstance(statement, sp.Eq):
        return equate(statement.lhs, statement.rhs)
    return Formula(left=None, cases=((write_math(statement), None),))


def distinguish(left: Math, branches: Iterable[tuple[sp.Basic, sp.Basic]]) -> Formula:
    """A formula with cases, from pairs of value and condition."""
    cases = [(write_math(value), condition) for value, condition in branches]
    if len(cases) == 1 and cases[0][1] == sp.true:
        return Formula(left=left, cases=((cases[0][0], None),))
    return Formula(
        left=left,
        cases=tuple((v, write_name_of_condition(c)) for v, c in cases),
    )


def write_name_of_condition(condition: sp.Basic) -> Math:
    """A condition; one that always holds is "otherwise"."""
    if condition == sp.true:
        return write_name("otherwise", r"\text{otherwise}")
    written = write_math(condition)
    return write_name(f"if {written.plain}", rf"\text{{if }} {written.latex}")


def equate_all(
    lefts: Sequence[sp.Basic | Math], rights: Sequence[sp.Basic]
) -> list[Formula]:  # fmt: skip
    """One formula per component."""
    return [equate(left, right) for left, right in zip(lefts, rights, strict=True)]


def name_velocity(symbol: sp.Symbol) -> Math:
    """The time derivative of a variable."""
    written = write_math(symbol)
    return write_name(
        f"d{written.shape[0]}/dt", rf"\frac{{\mathrm{{d}} {written.latex}}}{{\mathrm{{d}} t}}"
    )


def mark_after(coordinates: Sequence[sp.Symbol], *, of: str = "") -> list[Math]:
    """Names of the coordinates after an event, or after a duration."""
    written = [write_math(c) for c in coordinates]
    if of:
        return [write_name(f"{m.plain}({of})", rf"{m.latex}(\Delta t)") for m in written]
    return [write_name(f"{m.plain}⁺", f"{m.latex}^{{+}}") for m in written]


PARAMETER_HEADER = ("Parameter", "Symbol", "Default", "Domain", "Unit")


def explain_model(model: NeuronModel) -> list[Block]:
    """Name, equations, spike, reset, input, rest and parameters."""
    velocities = [name_velocity(s) for s in model.state]
    arrow = r"\to" if model.spike.is_blowup else "="
    spike = write_name(
        model.source["spike"],
        f"{write_math(model.spike.variable).latex} {arrow} {write_math(model.spike.value).latex}",
    )
    rest = ", ".join(f"{s.name} = {model.source[f'rest.{s.name}']}" for s in model.state)
    rows: list[tuple[Cell, ...]] = [
        ("Spike", spike),
        ("Reset", write_name(model.source["reset"], write_changes(model, model.reset))),
        ("Input of weight w", write_name(model.source["input"], write_changes(model, model.jump))),
        ("Rest", write_name(rest, write_changes(model, model.rest, arrow="=", all_of_them=True))),
    ]
    if model.assumptions:
        facts = [write_math(a) for a in model.assumptions]
        rows.append(("Assuming", write_name("; ".join(f.plain for f in facts), ", ".join(
            f.latex for f in facts))))  # fmt: skip
    blocks: list[Block] = [
        Heading(text=f"The neuron model {model.name}", level=1),
        *([Paragraph(text=model.description)] if model.description else []),
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


def explain_method(d: Derivation) -> list[Block]:
    """The method, why it was chosen, and the chart."""
    chart = d.chart
    velocities = [name_velocity(c) for c in chart.coordinates]
    names = ", ".join(c.name for c in chart.coordinates)
    surface = format_expression(chart.surface)
    same = " A positive multiple of the coordinates is the same state." if chart.projective else ""
    return [
        Heading(text="Method"),
        Paragraph(text=f"{d.method}: {d.reason}."),
        Heading(text="Chart"),
        Paragraph(
            text=f"The coordinates ({names}) are {chart.name}. The neuron spikes where {surface} "
            f"falls through zero.{same}"
        ),
        Paragraph(text="From the state to the coordinates:"),
        *equate_all(chart.coordinates, chart.from_state),
        Paragraph(text="From the coordinates to the state:"),
        *equate_all(d.model.state, chart.to_state),
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


def explain_flow(d: Derivation) -> list[Block]:
    """The flow and the numbers that depend on the duration alone."""
    symbols = d.propagator.symbols
    numbers = [
        distinguish(write_math(symbol), ((b.values[i], b.condition) for b in d.propagator.branches))
        for i, symbol in enumerate(symbols)
    ]
    return [
        Heading(text="Flow"),
        Paragraph(text="The coordinates a time dt later, without events in between:"),
        *equate_all(mark_after(d.chart.coordinates, of="dt"), d.flow),
        Paragraph(text="with numbers that depend on the duration and the constants alone:"),
        *numbers,
    ]


def explain_spike(d: Derivation) -> list[Block]:
    """When the next spike comes, and whether."""
    left = write_name("t_spike", r"t_{\mathrm{spike}}")
    return [
        Heading(text="Spike time"),
        Paragraph(text="Time to the next spike without further input (infinite if there is none):"),
        distinguish(left, values_of(d.time_to_spike)),
        Paragraph(text="A spike comes within the duration dt if and only if"),
        state_fact(d.will_spike),
    ]


def values_of(branches: Iterable[Branch]) -> list[tuple[sp.Basic, sp.Basic]]:
    """First value and condition of every branch."""
    return [(b.values[0], b.condition) for b in branches]


def explain_jump_and_reset(d: Derivation) -> list[Block]:
    """What events do to the coordinates."""
    after = mark_after(d.chart.coordinates)
    return [
        Heading(text="Input"),
        Paragraph(text="Coordinates after an input of weight w:"),
        *equate_all(after, d.jump),
        Heading(text="Reset"),
        Paragraph(text="Coordinates after a spike:"),
        *equate_all(after, d.reset),
    ]


def explain_initial(d: Derivation) -> list[Block]:
    """The learnable initial coordinate."""
    initial = d.initial
    rows = (
        ("Smallest value", write_math(initial.lower)),
        ("Largest value", write_math(initial.upper)),
        ("Default", write_math(initial.default)),
    )
    return [
        Heading(text="Initial state"),
        Paragraph(text=f"A network may learn {initial.symbol.name}, the {initial.meaning}."),
        *equate_all(d.chart.coordinates, initial.state),
        equate(initial.symbol, initial.value),
        Table(header=("Bound", "Value"), rows=rows),
    ]


FUNCTIONS = {
    "flow": r"\Phi",
    "time_to_spike": r"t_{\mathrm{spike}}",
    "jump": r"J",
    "reset": r"R",
    "pseudo_delay": r"t_{\mathrm{pseudo}}",
    "pseudo_rate": r"r_{\mathrm{pseudo}}",
}
VARIABLES = {"dt": r"\Delta t", "w": "w", "J": r"J_{\mathrm{pseudo}}", "state": r"\mathbf{s}"}


WIDEST_JACOBIAN = 60


def name_jacobian(name: str) -> Math:
    """``flow_D_w`` in text, a fraction of partial derivatives in LaTeX."""
    of, by = name.split("_D_")
    above = FUNCTIONS.get(of, rf"\mathrm{{{of}}}".replace("_", r"\_"))
    below = VARIABLES.get(by, rf"\mathrm{{{by}}}".replace("_", r"\_"))
    return write_name(name, rf"\frac{{\partial {above}}}{{\partial {below}}}")


def explain_gradients(d: Derivation) -> list[Block]:
    """All Jacobians."""
    names = ", ".join(c.name for c in d.chart.coordinates)
    blocks: list[Block] = [
        Heading(text="Gradients"),
        Paragraph(
            text="Rows are components of the function, columns of the variable; the state is "
            f"({names}). flow_D_state is the flow's derivative by the state that it starts "
            "from, and so on."
        ),
    ]
    for name, jacobian in differentiate(d).items():
        left = name_jacobian(name)
        if jacobian.shape == (1, 1):
            blocks.append(distinguish(left, [(jacobian[0], sp.true)]))
        elif max(map(len, write_math(jacobian).shape)) <= WIDEST_JACOBIAN:
            blocks.append(distinguish(left, [(jacobian, sp.true)]))
        else:
            blocks += [
                distinguish(name_entry(left, i, j), [(jacobian[i, j], sp.true)])
                for i in range(jacobian.rows)
                for j in range(jacobian.cols)
            ]
    return blocks


def name_entry(matrix: Math, i: int, j: int) -> Math:
    """One entry of a Jacobian, counted from 1."""
    latex = rf"\left({matrix.latex}\right)_{{{i + 1},{j + 1}}}"
    return write_name(f"{matrix.plain}[{i + 1}, {j + 1}]", latex)


def explain_pseudospike(d: Derivation) -> list[Block]:
    """The pseudodynamics after the trial's end."""
    pseudo = d.pseudospike
    if pseudo is None:
        return [
            Heading(text="Pseudospikes"),
            Paragraph(
                text="None: no pseudodynamics are known for this model, so a neuron that stays "
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


def explain_checks(verified: VerifiedDerivation) -> list[Block]:
    """The table of checks."""
    if not verified.checks:
        return [Heading(text="Verification"), Paragraph(text="No checks are recorded.")]
    rows = tuple((c.name, c.method, c.detail) for c in verified.checks)
    return [
        Heading(text="Verification"),
        Table(header=("What was checked", "How", "Outcome"), rows=rows),
    ]
