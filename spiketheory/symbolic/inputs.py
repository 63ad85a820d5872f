"""How two inputs at the same time go together: add up, commute, or act in their order."""

from collections.abc import Sequence

import sympy as sp

from spiketheory.language.model import NeuronModel, format_expression
from spiketheory.language.symbols import WEIGHT, constant_symbol

NONE, ADD, COMMUTE, ORDERED = "none", "add", "commute", "ordered"
"""The neuron takes no input; J_v J_w = J_(v + w); J_v J_w = J_w J_v only; not even that."""

LONG = 60
"""Characters of a formula that a message leaves out."""


def classify_inputs(model: NeuronModel) -> str:
    """`NONE`, `ADD`, `COMMUTE`, or `ORDERED` if neither can be shown."""
    if not model.takes_input:
        return NONE
    first, second = constant_symbol("w__1"), constant_symbol("w__2")
    once = follow(model, first, second)
    if are_equal(once, [e.subs(WEIGHT, first + second) for e in model.jump]):
        return ADD
    return COMMUTE if are_equal(once, follow(model, second, first)) else ORDERED


def explain_order(model: NeuronModel) -> str:
    """How simultaneous inputs of an `ORDERED` model are taken, and what their order changes."""
    first, second = constant_symbol("w__1"), constant_symbol("w__2")
    once, swapped = follow(model, first, second), follow(model, second, first)
    place = next(
        k for k, pair in enumerate(zip(once, swapped, strict=True)) if not are_equal(*zip(pair))
    )
    got = format_expression(sp.simplify(once[place] - swapped[place])).replace("w__", "w_")
    by = got if len(got) < LONG else "an expression that does not simplify to 0"
    return (
        "one after the other, in the order in which the network lists its inputs, spikes under way "
        f"and connections: between both orders of two inputs {model.state[place]} differs by {by}, "
        "so spike times jump where two inputs swap"
    )


def follow(model: NeuronModel, first: sp.Expr, second: sp.Expr) -> list[sp.Expr]:
    """The state after an input of one weight and then another."""
    once = [e.xreplace({WEIGHT: first}) for e in model.jump]
    before = dict(zip(model.state, once, strict=True))
    return [e.xreplace({WEIGHT: second}).subs(before, simultaneous=True) for e in model.jump]


def are_equal(left: Sequence[sp.Expr], right: Sequence[sp.Expr]) -> bool:
    """Whether expressions are the same, as far as simplification shows."""
    return all(a == b or sp.simplify(a - b) == 0 for a, b in zip(left, right, strict=True))
