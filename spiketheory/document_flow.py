"""The sections of a document about the flow: itself, spikes, events, initial state, gradients."""

from collections.abc import Iterable

import sympy as sp

from spiketheory.blocks import Block, Heading, Paragraph, Table
from spiketheory.derivation import Branch, Derivation
from spiketheory.derive import differentiate
from spiketheory.formulas import distinguish, equate, equate_all, mark_after, state_fact
from spiketheory.notation import Math, write_math, write_name

INTEGRATED = (
    "There is no closed form: the generated code integrates the equations above, to machine "
    "precision, "
)


def explain_flow(d: Derivation) -> list[Block]:
    """The flow and the numbers that depend on the duration alone."""
    heading = Heading(text="Flow")
    if not d.flow:
        return [heading, Paragraph(text=f"{INTEGRATED}from one event to the next.")]
    symbols = d.propagator.symbols
    numbers = [
        distinguish(write_math(symbol), ((b.values[i], b.condition) for b in d.propagator.branches))
        for i, symbol in enumerate(symbols)
    ]
    return [
        heading,
        Paragraph(text="The coordinates a time dt later, without events in between:"),
        *equate_all(mark_after(d.chart.coordinates, of="dt"), d.flow),
        *explain_numbers(d),
        Paragraph(text="with numbers that depend on the duration and the constants alone:"),
        *numbers,
    ]


def explain_numbers(d: Derivation) -> list[Block]:
    """The numbers of the flow that depend on the state too."""
    if d.numbers is None:
        return []
    names = ", ".join(write_math(s).plain for s in d.numbers.symbols)
    blocks: list[Block] = [Paragraph(text=f"with ({names}), the {d.numbers.meaning}.")]
    for form in d.numbers.closed_forms:
        if form.constants:  # Bessel functions, fitted at the start: too long to be read
            continue
        renamed = {v: s for s, v in form.where.items() if v.is_Symbol}  # the same, seen positive
        facts = [
            f"{write_math(s).plain} = {write_math(v.xreplace(renamed)).plain}"
            for s, v in form.where.items()
            if v not in renamed
        ]
        case = f", for {' and '.join(facts)}" if facts else ""
        signs = "".join(f", {write_math(s).plain} > 0" for v, s in renamed.items() if v.is_positive)
        blocks.append(Paragraph(text=f"In closed form{case}{signs}:"))
        values = [value.xreplace(renamed) for value in form.values]
        blocks += equate_all(d.numbers.symbols, values)
    return blocks


def explain_spike(d: Derivation) -> list[Block]:
    """When the next spike comes, and whether."""
    heading = Heading(text="Spike time")
    if not d.time_to_spike:
        text = f"{INTEGRATED}until the spike surface is crossed, and finds the crossing."
        return [heading, Paragraph(text=text)]
    left = write_name("t_spike", r"t_{\mathrm{spike}}")
    return [
        heading,
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
    if not d.time_to_spike_gradient:
        text = f"{INTEGRATED}together with its derivatives by the state and by time."
        return [Heading(text="Gradients"), Paragraph(text=text)]
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
