"""What a model's inputs and states may be: relations of w, state variables and parameters."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sympy as sp

from spiketheory.checking.loop import Run, list_weights
from spiketheory.errors import InputError
from spiketheory.language.model import NeuronModel, conjuncts, format_expression
from spiketheory.language.parse import parse_assumption
from spiketheory.language.symbols import WEIGHT


@dataclass(frozen=True, kw_only=True, eq=False)
class Assumptions:
    """Restrictions of what is drawn.

    Attributes:
        texts: The relations as text.
        of_weight: Those that relate w and parameters only.
        of_state: Those that relate state variables and parameters only.
        of_both: Those that relate w and the state at which the input comes.
    """

    texts: tuple[str, ...]
    of_weight: tuple[Callable[..., bool], ...]
    of_state: tuple[Callable[..., bool], ...]
    of_both: tuple[Callable[..., bool], ...]

    def allow_weight(self, weight: float) -> bool:
        """Whether an input may have this weight, as far as the weight alone decides."""
        return all(holds(weight) for holds in self.of_weight)

    def allow_state(self, state: Sequence[float]) -> bool:
        """Whether a neuron may be in this state."""
        return all(holds(*state) for holds in self.of_state)

    def allow_input(self, state: Sequence[float], weight: float) -> bool:
        """Whether an input of this weight may come in this state."""
        return all(holds(*state, weight) for holds in self.of_both)

    def allow_run(self, run: Run, leave: Callable[[Any], Any]) -> bool:
        """Whether a trial keeps to the assumptions.

        States are looked at where trials begin, just before and after every event except that of
        a neuron that spikes itself, and at the end.
        """
        if not self.of_state and not self.of_both:
            return True
        looked_at = [leave(c) for c in (*run.last, *run.ends)]
        for event in run.events:
            looked_at += [leave(c) for c in event.starts]
            weights = list_weights(run.trial, event)
            for i, (coordinates, weight) in enumerate(zip(event.before, weights, strict=True)):
                if i == event.neuron:
                    continue
                state = leave(coordinates)
                looked_at.append(state)
                if weight and not self.allow_input(state, weight):
                    return False
        # Just after a reset to -oo, and only then, a potential is infinite.
        return all(self.allow_state(s) for s in looked_at if all(math.isfinite(v) for v in s))


def read_assumptions(
    model: NeuronModel, parameters: Mapping[str, float], texts: Sequence[str] = ()
) -> Assumptions:
    """The assumptions of a model file and more.

    Args:
        model: The model.
        parameters: A value for every parameter.
        texts: More relations, such as ``w >= 0``.

    Raises:
        ParseError: If a text is no relation; the message points at the place.
        InputError: If the parameters do not obey one that is about them alone.
    """
    given = [parse_assumption(text, model) for text in texts]
    relations = [*model.assumptions, *(part for r in given for part in conjuncts(r))]
    values = {p.symbol: parameters[p.name] for p in model.parameters}
    groups: dict[str, list[Callable[..., bool]]] = {"w": [], "state": [], "both": []}
    for relation in relations:
        weighted = WEIGHT in relation.free_symbols
        of_state = bool(relation.free_symbols & set(model.state))
        if not weighted and not of_state:
            check_obeyed(relation, parameters)
            continue
        arguments = [*(model.state if of_state else ()), *([WEIGHT] if weighted else [])]
        kind = "both" if weighted and of_state else "w" if weighted else "state"
        bound = relation.func(*(side.subs(values) for side in relation.args), evaluate=False)
        groups[kind].append(make_predicate(arguments, bound))
    return Assumptions(
        texts=tuple(map(format_expression, relations)),
        of_weight=tuple(groups["w"]),
        of_state=tuple(groups["state"]),
        of_both=tuple(groups["both"]),
    )


def check_obeyed(relation: sp.Basic, parameters: Mapping[str, float]) -> None:
    """Raise `InputError` unless parameters, as the decimals that they are, obey a relation."""
    names = sorted(s.name for s in relation.free_symbols)
    exact = {s: sp.Rational(repr(parameters[s.name])) for s in relation.free_symbols}
    if relation.subs(exact) != sp.true:
        got = ", ".join(f"{n}={parameters[n]!r}" for n in names)
        raise InputError(
            f"Expected parameters that obey {format_expression(relation)} but got {got}; give "
            f"others with --param, or drop the assumption."
        )


def make_predicate(arguments: Sequence[sp.Symbol], relation: sp.Basic) -> Callable[..., bool]:
    """A relation as a function of numbers."""
    compiled = sp.lambdify(list(arguments), relation, "math", dummify=True)
    return lambda *values: bool(compiled(*values))
