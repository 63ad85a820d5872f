"""How two inputs at the same time go together: add up, commute, or act in their order."""

from collections.abc import Sequence
from itertools import combinations

import sympy as sp

from spiketheory.errors import DerivationError
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
    if model.other_inputs:
        check_pairs(model)
        return COMMUTE
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


def check_pairs(model: NeuronModel) -> None:
    """Raise unless the inputs of each port, and of each two, commute.

    Raises:
        DerivationError: As `classify_inputs`; inputs at several ports never add up to one.
    """
    for number in range(len(model.jumps)):
        classify_inputs(model.at_port(number))
    first, second = constant_symbol("w__1"), constant_symbol("w__2")
    for (left, before), (right, after) in combinations(model.jumps, 2):
        one, other = (
            [e.xreplace({WEIGHT: w}) for e in jump]
            for jump, w in ((before, first), (after, second))
        )
        if not are_equal(compose(model, one, other), compose(model, other, one)):
            raise DerivationError(
                f"Expected simultaneous inputs of {model.name} at the ports {left} and {right} to "
                "lead to the same state in either order but they do not, so that spike times jump "
                "where two inputs swap; let inputs add to a state variable, or multiply it."
            )


def compose(model: NeuronModel, first: Sequence[sp.Expr], then: Sequence[sp.Expr]) -> list[sp.Expr]:
    """The state after one jump and then another."""
    before = dict(zip(model.state, first, strict=True))
    return [e.subs(before, simultaneous=True) for e in then]


def follow(model: NeuronModel, first: sp.Expr, second: sp.Expr) -> list[sp.Expr]:
    """The state after an input of one weight and then another."""
    once = [e.xreplace({WEIGHT: first}) for e in model.jump]
    return compose(model, once, [e.xreplace({WEIGHT: second}) for e in model.jump])


def are_equal(left: Sequence[sp.Expr], right: Sequence[sp.Expr]) -> bool:
    """Whether expressions are the same, as far as simplification shows."""
    return all(a == b or sp.simplify(a - b) == 0 for a, b in zip(left, right, strict=True))
