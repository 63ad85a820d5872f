"""The section of a document about the limits of the gradients."""

import sympy as sp

from spiketheory.documents.blocks import Block, Cell, Formula, Heading, Paragraph, Table
from spiketheory.documents.formulas import equate
from spiketheory.language.notation import Math, write_math, write_name
from spiketheory.symbolic.derivation import Derivation
from spiketheory.symbolic.gradient_limits import (
    UNDETERMINED,
    GradientLimit,
    find_gradient_limits,
    find_slope,
    name_fixed,
)


def explain_gradient_limits(d: Derivation) -> list[Block]:
    """The section of the document."""
    blocks: list[Block] = [Heading(text="Limits of the gradients")]
    slope = find_slope(d)
    if slope is not None:
        variable = d.model.state[0]
        blocks += [
            Paragraph(
                text=f"Transformed to {variable.name}, the derivative of the spike time is "
                f"-1/(d{variable.name}/dt) wherever the neuron spikes:"
            ),
            equate(name_slope(variable), slope),
        ]
    limits = find_gradient_limits(d)
    if any(limit.limit is None for limit in limits):
        blocks.append(
            Paragraph(text=f'What the table calls "{UNDETERMINED}" may still be bounded.')
        )
    several = len(d.model.state) > 1  # else there is no need to say by what
    header = ("Towards", "If", "Tends to", "Verdict")
    rows = tuple(((limit.by.name,) if several else ()) + write_cells(limit) for limit in limits)
    blocks.append(Table(header=(("By",) if several else ()) + header, rows=rows))
    fixed = [(limit.fixed, limit.condition) for limit in limits if limit.fixed is not None]
    if fixed:
        name = write_math(name_fixed(d.model.state[0]))
        cases = tuple(
            (write_math(value), write_if(condition) if len(fixed) > 1 else None)
            for value, condition in fixed
        )
        blocks += [Paragraph(text="with the unstable fixed point"), Formula(left=name, cases=cases)]
    return blocks


def write_cells(limit: GradientLimit) -> tuple[Cell, ...]:
    """A row of the table."""
    known = limit.limit is not None
    return (
        limit.towards,
        write_condition(limit.condition),
        write_math(limit.limit) if limit.limit is not None else UNDETERMINED,
        f"{limit.place}: {limit.verdict}" if known else limit.place,
    )


def write_if(condition: sp.Basic | Math) -> Math:
    """A condition of a case."""
    written = condition if isinstance(condition, Math) else write_math(condition)
    return write_name(f"if {written.plain}", rf"\text{{if }} {written.latex}")


def write_condition(condition: sp.Basic | Math) -> Cell:
    """A condition on the parameters."""
    if isinstance(condition, Math):
        return condition
    return write_math(condition) if condition != sp.true else "always"


def name_slope(variable: sp.Symbol) -> Math:
    """The derivative of the spike time by a variable."""
    written = write_math(variable)
    return write_name(
        f"dt_spike/d{written.plain}",
        rf"\frac{{\mathrm{{d}} t_{{\mathrm{{spike}}}}}}{{\mathrm{{d}} {written.latex}}}",
    )
