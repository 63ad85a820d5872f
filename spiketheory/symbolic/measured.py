"""The model that is derived: with what its reset implies, and V measured from a moving threshold.

A threshold that depends on other variables, V = theta(z), is at a fixed place for the height
X = V - theta(z), so every method that solves equations with a fixed threshold solves such a model
in X. The derivation is that of X; into its coordinates and out of them it goes by way of V
(`Derivation.enter`, `Derivation.leave`).
"""

from collections.abc import Sequence
from dataclasses import replace

import sympy as sp

from spiketheory.language.domains import is_positive
from spiketheory.language.model import (
    NeuronModel,
    Parameter,
    SpikeCondition,
    conjuncts,
    join_relations,
    make_relation,
)
from spiketheory.language.symbols import pick_name, state_symbol
from spiketheory.symbolic.derivation import Derivation, InitialCoordinate, Step
from spiketheory.symbolic.methods.shared import Names, dot


def measure(model: NeuronModel) -> NeuronModel:
    """The model to derive: that of X where the threshold of V moves, with implied domains."""
    return imply_domains(measure_from_threshold(model) if has_moving_threshold(model) else model)


def has_moving_threshold(model: NeuronModel) -> bool:
    """Whether the spike is at a finite threshold that depends on other variables."""
    return not model.spike.is_blowup and model.spike.value.has(*model.state)


def measure_from_threshold(model: NeuronModel) -> NeuronModel:
    """The model with X = V - theta in the place of V."""
    V, theta = model.spike.variable, model.spike.value
    refractory = model.refractory
    moving = [s for s in model.state if theta.has(s)]
    X = state_symbol(pick_name("X", {*model.symbols, "w"}))
    away = {V: X + theta}

    def write(values: Sequence[sp.Expr]) -> tuple[sp.Expr, ...]:
        after = dict(zip(model.state, values, strict=True))
        height = after[V] - theta.subs(after, simultaneous=True)
        return tuple(
            sp.expand((height if s == V else e).subs(away))
            for s, e in zip(model.state, values, strict=True)
        )

    rates = dict(zip(model.state, model.derivatives, strict=True))
    climb = rates[V] - sp.Add(*(theta.diff(s) * rates[s] for s in moving))
    rest = dict(zip(model.state, model.rest, strict=True))
    return replace(
        model,
        state=tuple(X if s == V else s for s in model.state),
        derivatives=tuple(
            sp.expand((climb if s == V else r).subs(away)) for s, r in rates.items()
        ),
        spike=SpikeCondition(variable=X, value=sp.S.Zero),
        reset=write(model.reset),
        jump=write(model.jump),
        other_inputs=tuple((name, write(jump)) for name, jump in model.other_inputs),
        rest=tuple(r - theta.subs(rest) if s == V else r for s, r in rest.items()),
        assumptions=(),
        refractory=None if refractory is None else replace(
            refractory, hold=tuple(X if s == V else s for s in refractory.hold), measured_from=theta
        ),
        written=None,
    )  # fmt: skip


def imply_domains(model: NeuronModel) -> NeuronModel:
    """The model with what its reset implies of parameters: that it leads below the threshold.

    Where a domain says so, or nothing but parameters is compared and the defaults obey, it need not
    be written down: other values are refused as those outside a domain are.
    """
    if model.spike.is_blowup or model.is_crossing:
        return model
    after = model.reset[model.state.index(model.spike.variable)]
    after = after.subs(model.spike.variable, model.spike.value)
    margin = sp.expand(model.spike.value - after)
    if margin.has(*model.state) or not margin.free_symbols:
        return model
    defaults = {p.symbol: sp.Rational(repr(p.default)) for p in model.parameters}
    if is_positive(margin, model.parameters) or not margin.xreplace(defaults).is_positive:
        return model
    relation = make_relation(after, "<", model.spike.value)
    first = [p for p in model.parameters if margin.has(p.symbol)]
    chosen = next((p for p in first if after.has(p.symbol)), first[0])
    return replace(model, parameters=tuple(
        add_relation(p, relation) if p == chosen else p for p in model.parameters
    ), written=dict(model.source))  # fmt: skip


def add_relation(parameter: Parameter, relation: sp.Basic) -> Parameter:
    """The parameter with one more relation in its domain."""
    return replace(parameter, domain=join_relations((*conjuncts(parameter.domain), relation)))


def restore(derivation: Derivation, model: NeuronModel) -> Derivation:
    """The derivation with the model as it was written, if another one was derived.

    Args:
        derivation: Of what `measure` returned.
        model: The model as written.
    """
    if derivation.model == model:
        return derivation
    derivation = replace(derivation, written=model)
    if not has_moving_threshold(model):
        return derivation
    V, theta = model.spike.variable, model.spike.value
    at_rest = theta.subs(dict(zip(model.state, model.rest, strict=True)), simultaneous=True)
    potential = derivation.leave[model.state.index(V)]
    old = derivation.initial
    symbol = Names(model).state(f"{V}0")
    away = {old.symbol: symbol - at_rest}
    initial = InitialCoordinate(
        symbol=symbol,
        meaning="initial membrane potential; everything else starts at rest",
        state=tuple(e.subs(away) for e in old.state),
        value=potential,
        lower=old.lower + at_rest,
        upper=old.upper + at_rest,
        default=old.default + at_rest,
    )
    X = derivation.model.spike.variable
    climb = dict(zip(derivation.model.state, derivation.model.derivatives, strict=True))[X]
    step = Step(
        title="A threshold that moves",
        text=f"{X} is how far {V} is above its threshold; in the place of {V} it has a fixed one.",
        equations=(
            sp.Eq(X, V - theta, evaluate=False), sp.Eq(dot(X), climb, evaluate=False),
        ),
    )  # fmt: skip
    return replace(derivation, initial=initial, steps=(step, *derivation.steps))
