"""The sections of a document about the flow: itself, spikes, events, initial state, gradients."""

from collections.abc import Iterable

import sympy as sp

from spiketheory.documents.blocks import Block, Heading, Paragraph, Table
from spiketheory.documents.formulas import distinguish, equate, equate_all, mark_after, state_fact
from spiketheory.language.functions import decay_wait, lambert_w
from spiketheory.language.notation import Math, write_math, write_name
from spiketheory.language.symbols import DURATION
from spiketheory.symbolic.derivation import Branch, Derivation
from spiketheory.symbolic.derive import differentiate

NUMBERS = "with numbers that depend on the duration and the constants alone:"
INTEGRATED = (
    "There is no closed form: the generated code integrates the equations above, to machine "
    "precision, "
)


def explain_flow(d: Derivation) -> list[Block]:
    """The flow and the numbers that depend on the duration alone."""
    heading = Heading(text="Flow")
    if d.is_integrated:
        return [heading, Paragraph(text=f"{INTEGRATED}from one event to the next.")]
    symbols = d.propagator.symbols
    numbers = [
        distinguish(write_math(symbol), ((b.values[i], b.condition) for b in d.propagator.branches))
        for i, symbol in enumerate(symbols)
        if any(b.values[i] != DURATION for b in d.propagator.branches)
    ]
    return [
        heading,
        Paragraph(text="The coordinates a time dt later, without events in between:"),
        *equate_all(mark_after(d.chart.coordinates, of="dt"), d.closed.flow),
        *explain_numbers(d),
        *([Paragraph(text=NUMBERS)] if numbers else []),
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
        facts = " and ".join(describe_value(s, v) for s, v in form.where.items())
        blocks.append(Paragraph(text=f"In closed form, for {facts}:"))
        blocks += equate_all(d.numbers.symbols, form.values)
    return blocks


def describe_value(symbol: sp.Symbol, value: sp.Expr) -> str:
    """What a closed form takes for granted about a parameter or a coordinate."""
    name = write_math(symbol).plain
    if value.atoms(sp.Dummy):
        return f"{name} {'<' if value.is_negative else '>'} 0"
    return f"{name} = {write_math(value).plain}"


def explain_spike(d: Derivation) -> list[Block]:
    """When the next spike comes, and whether."""
    heading = Heading(text="Spike time")
    if d.is_integrated:
        text = f"{INTEGRATED}until the spike surface is crossed, and finds the crossing."
        return [heading, Paragraph(text=text)]
    left = write_name("t_spike", r"t_{\mathrm{spike}}")
    return [
        heading,
        Paragraph(text="Time to the next spike without further input (infinite if there is none):"),
        *distinguish_widely(left, values_of(d.closed.time_to_spike)),
        *explain_root(d),
        Paragraph(text="A spike comes within the duration dt if and only if"),
        state_fact(d.will_spike),
    ]


WIDEST_CASES = 60


def distinguish_widely(left: Math, branches: list[tuple[sp.Basic, sp.Basic]]) -> list[Block]:
    """Cases side by side, or below each other where conditions are long."""
    if max(len(write_math(c).plain) for _, c in branches) <= WIDEST_CASES:
        return [distinguish(left, branches)]
    blocks: list[Block] = []
    for number, (value, condition) in enumerate(branches):
        case = "Otherwise" if number else "If"
        if condition != sp.true:
            case += f"{', if' if number else ''} {write_math(condition).plain}"
        blocks += [Paragraph(text=f"{case}:"), distinguish(left, [(value, sp.true)])]
    return blocks


def explain_root(d: Derivation) -> list[Block]:
    """What the functions in the spike time stand for."""
    values = [branch.values[0] for branch in d.closed.time_to_spike]
    blocks: list[Block] = []
    if any(v.has(decay_wait) for v in values):
        text = "wait is the time to the first zero of y, in units of the membrane's time scale."
        blocks.append(Paragraph(text=text))
    if any(v.has(lambert_w) for v in values):
        blocks.append(Paragraph(text="W is the principal branch of the Lambert function."))
    return blocks


def values_of(branches: Iterable[Branch]) -> list[tuple[sp.Basic, sp.Basic]]:
    """First value and condition of every branch."""
    return [(b.values[0], b.condition) for b in branches]


def explain_jumps(d: Derivation) -> list[Block]:
    """What an input does to the coordinates, at each port."""
    blocks: list[Block] = []
    after = mark_after(d.chart.coordinates)
    for (name, _), jump in zip(d.model.jumps, d.jumps, strict=True):
        where = f" at the port {name}" if d.other_jumps else ""
        blocks += [
            Paragraph(text=f"Coordinates after an input of weight w{where}:"),
            *equate_all(after, jump),
        ]
    return blocks


def explain_jump_and_reset(d: Derivation) -> list[Block]:
    """What events do to the coordinates."""
    after = mark_after(d.chart.coordinates)
    return [
        Heading(text="Input"),
        *explain_jumps(d),
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
    if d.is_integrated:
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
