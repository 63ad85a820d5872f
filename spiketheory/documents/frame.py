"""The co-moving frame of a derivation, for people and for machines."""

from typing import Any

import sympy as sp

from spiketheory.documents.blocks import Block, Heading, Paragraph
from spiketheory.documents.formulas import equate, equate_all, mark_after, state_fact
from spiketheory.language.notation import write_latex
from spiketheory.language.symbols import WEIGHT
from spiketheory.symbolic.derivation import Derivation, Frame

TITLE = "Co-moving frame"


def explain_frame(d: Derivation) -> list[Block]:
    """Coordinates that do not change between events, and what an input does to them."""
    frame = d.frame
    if frame is None:
        return [Heading(text=TITLE), Paragraph(text=f"None: {d.without_frame}.")]
    blocks: list[Block] = [
        Heading(text=TITLE),
        Paragraph(
            text="The chart's coordinates at an origin in time, from which the flow leads to the "
            "coordinates now, dt later. They stay as they are between events, and an input needs "
            "numbers that depend on dt alone:"
        ),
    ]
    if len(frame.branches) == 1:
        blocks += equate_all(frame.factors, frame.branches[0].values)
    else:
        names = ", ".join(s.name for s in frame.factors)
        blocks.append(Paragraph(text=f"{names}, from the propagator's branches at dt and -dt."))
    return [
        *blocks,
        *explain_input(d, frame),
        Paragraph(text=f"No spike came before, since the last event{held(d)}, if"),
        state_fact(frame.quiet),
        Paragraph(text=explain_doubt(frame)),
        *(equate(sp.Symbol(name), b[0].values[0]) for name, b in list_limits(frame)),
    ]


def explain_input(d: Derivation, frame: Frame) -> list[Block]:
    """The coordinates now, and what an input does to those of the frame."""
    if frame.push == ((WEIGHT,),):
        text = "An input is taken by the coordinates now, and the flow leads back to the origin:"
        return [Paragraph(text=text), *equate_all(frame.here, frame.now)]
    text = "The coordinates now, and those of the frame after an input:"
    blocks: list[Block] = [Paragraph(text=text), *equate_all(frame.here, frame.now)]
    for number, (port, _) in enumerate(d.model.jumps):
        if number:
            blocks.append(Paragraph(text=f"At the port {port}:"))
        blocks += equate_all(mark_after(d.chart.coordinates), take_input(frame, number))
    return blocks


def held(d: Derivation) -> str:
    """What the time of the last event is in a refractory neuron."""
    return "" if d.refractory is None else " or release from the refractory period"


def explain_doubt(frame: Frame) -> str:
    """What is done where that condition does not hold."""
    if frame.turns_over:
        return "Otherwise the sign has turned, and the spike is as long ago as the state says."
    if not frame.keeps_time:
        return "Otherwise the spike comes as soon after the origin as the time to spike says."
    return (
        "That bounds the potential from its value now; otherwise the time to spike from the last "
        "event decides."
    )


def list_limits(frame: Frame) -> list[tuple[str, Any]]:
    """How far apart looks may be, and how far dt may go, where one formula says it."""
    limits = {"window": frame.window, "reach": frame.reach}
    return [(n, b) for n, b in limits.items() if len(b) == 1 and b[0].values[0] is not sp.oo]


def take_input(frame: Frame, port: int) -> list[sp.Expr]:
    """The frame's coordinates after an input of weight w at a port."""
    pushed = dict(zip(frame.pushed, frame.push[port], strict=True))
    return [e.xreplace(pushed) for e in frame.jump]


def describe_frame(d: Derivation) -> dict[str, Any] | None:
    """The frame as JSON; null if there is none."""
    frame = d.frame
    if frame is None:
        return None
    names = [c.name for c in d.chart.coordinates]
    return {
        "factors": [s.name for s in frame.factors],
        "branches": [
            {
                "condition": write(b.condition),
                "values": [write(v) for v in b.values],
            }
            for b in frame.branches
        ],
        "now": dict(zip((s.name for s in frame.here), map(write, frame.now), strict=True)),
        "jumps": [
            dict(zip(names, map(write, take_input(frame, port)), strict=True))
            for port in range(len(frame.push))
        ],
        "quiet": write(frame.quiet),
        "window": [
            {"condition": write(b.condition), "value": write(b.values[0])} for b in frame.window
        ],
        "reach": [
            {"condition": write(b.condition), "value": write(b.values[0])} for b in frame.reach
        ],
    }


def write(expression: sp.Basic) -> dict[str, str]:
    """A formula as a sympy string and as LaTeX."""
    return {"expr": sp.sstr(expression), "latex": write_latex(expression)}
