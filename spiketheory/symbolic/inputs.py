"""How two inputs at the same time go together: add up, commute, or act in their order."""

from collections.abc import Sequence
from itertools import combinations_with_replacement

import sympy as sp

from spiketheory.language.model import NeuronModel, format_expression
from spiketheory.language.symbols import WEIGHT, constant_symbol

NONE, ADD, COMMUTE, ORDERED = "none", "add", "commute", "ordered"
"""The neuron takes no input; J_v J_w = J_(v + w); J_v J_w = J_w J_v only, as at several ports; not
even that."""

LONG = 60
"""Characters of a formula that a message leaves out."""


def classify_inputs(model: NeuronModel) -> str:
    """`NONE`, `ADD`, `COMMUTE`, or `ORDERED` if neither can be shown."""
    if not model.takes_input:
        return NONE
    if find_clash(model) is not None:
        return ORDERED
    first, second = constant_symbol("w__1"), constant_symbol("w__2")
    whole = [e.subs(WEIGHT, first + second) for e in model.jump]
    adds = not model.other_inputs and are_equal(follow(model, model.jump, model.jump), whole)
    return ADD if adds else COMMUTE


def find_clash(model: NeuronModel) -> tuple[str, str, int, sp.Expr] | None:
    """Two ports at which the order of two inputs matters, what differs, and by how much."""
    for (left, one), (right, other) in combinations_with_replacement(model.jumps, 2):
        first, second = constant_symbol("w__1"), constant_symbol("w__2")
        there = follow(model, one, other)
        back = follow(model, other, one, weights=(second, first))
        for place, pair in enumerate(zip(there, back, strict=True)):
            if not are_equal(*zip(pair)):
                return left, right, place, pair[0] - pair[1]
    return None


def explain_order(model: NeuronModel) -> str:
    """How simultaneous inputs of an `ORDERED` model are taken, and what their order changes."""
    clash = find_clash(model)
    assert clash is not None, "the order of inputs does not matter"
    left, right, place, difference = clash
    got = format_expression(sp.simplify(difference)).replace("w__", "w_")
    by = got if len(got) < LONG else "an expression that does not simplify to 0"
    where = f" at the ports {left} and {right}" if model.other_inputs else ""
    return (
        "one after the other, in the order in which the network lists its inputs, spikes under way "
        f"and connections: between both orders of two inputs{where} {model.state[place]} differs "
        f"by {by}, so spike times jump where two inputs swap"
    )


def compose(model: NeuronModel, first: Sequence[sp.Expr], then: Sequence[sp.Expr]) -> list[sp.Expr]:
    """The state after one jump and then another."""
    before = dict(zip(model.state, first, strict=True))
    return [e.subs(before, simultaneous=True) for e in then]


def follow(
    model: NeuronModel, one: Sequence[sp.Expr], other: Sequence[sp.Expr],
    *, weights: tuple[sp.Expr, sp.Expr] | None = None,
) -> list[sp.Expr]:  # fmt: skip
    """The state after an input at one port and then another; of w_1 and w_2 if nothing is said."""
    first, second = weights or (constant_symbol("w__1"), constant_symbol("w__2"))
    once = [e.xreplace({WEIGHT: first}) for e in one]
    return compose(model, once, [e.xreplace({WEIGHT: second}) for e in other])


def are_equal(left: Sequence[sp.Expr], right: Sequence[sp.Expr]) -> bool:
    """Whether expressions are the same, as far as simplification shows."""
    return all(a == b or sp.simplify(a - b) == 0 for a, b in zip(left, right, strict=True))
