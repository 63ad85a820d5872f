"""The refractory period: what the coordinates do while some variables are held.

For so long after a spike the variables that the model names keep the value of the reset, and inputs
to them are lost; the others go on. What is derived here is that held flow, in the coordinates of
the chart in which the model itself was derived. `spiketheory.generation.refractory_printer` joins
both: the time that is left of the period is one more coordinate there.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import sympy as sp

from spiketheory.errors import DerivationError
from spiketheory.language.domains import is_positive
from spiketheory.language.model import NeuronModel
from spiketheory.language.symbols import DURATION, WEIGHT
from spiketheory.symbolic.derivation import Derivation, HeldPhase, Integrated, Step
from spiketheory.symbolic.methods.linear import LONGEST_PATH, Cascade, find_loop
from spiketheory.symbolic.methods.shared import dot
from spiketheory.symbolic.taylor_system import TaylorChart


def add_refractory_period(derivation: Derivation) -> Derivation:
    """The derivation, with the held phase of the model's refractory period.

    Args:
        derivation: A derivation of the model as if it had no refractory period.

    Raises:
        DerivationError: If the period need not be positive, or the held flow has no solution.
    """
    model = derivation.model
    refractory = model.refractory
    if refractory is None:
        return derivation
    if not is_positive(refractory.time, model.parameters):
        raise DerivationError(
            f"Expected a positive refractory period of {model.name} for all admissible parameters "
            f"but got {refractory.time}; state a domain such as t_ref > 0, or leave refractory out."
        )
    field = hold_field(derivation)
    coordinates = derivation.chart.coordinates
    jumps = tuple(
        hold(model, coordinates, dict(zip(coordinates, jump, strict=True)))
        for jump in derivation.jumps
    )
    phase = HeldPhase(
        time=refractory.time,
        field=field,
        jumps=jumps,
        solution=solve_held_flow(derivation, field),
    )
    steps = (*derivation.steps, explain(model))
    return dataclasses.replace(derivation, refractory=phase, steps=steps)


def list_free(model: NeuronModel) -> tuple[sp.Symbol, ...]:
    """The variables that go on."""
    assert model.refractory is not None
    return tuple(s for s in model.state if s not in model.refractory.hold)


def hold(
    model: NeuronModel, coordinates: Sequence[sp.Symbol], after: Mapping[sp.Symbol, sp.Expr]
) -> tuple[sp.Expr, ...]:
    """The coordinates when the free ones are as in ``after`` and what is held is kept.

    A height above a threshold of which variables go on moves as the threshold does.
    """
    assert model.refractory is not None
    threshold = model.refractory.measured_from
    free = {c: after[c] for c in coordinates if c in list_free(model)}
    fall = threshold - threshold.subs(free, simultaneous=True)
    X = model.spike.variable
    assert not fall or X in coordinates, "the height above a moving threshold is a coordinate"
    return tuple(free.get(c, c + fall if c == X else c) for c in coordinates)


def hold_field(derivation: Derivation) -> tuple[sp.Expr, ...]:
    """Velocities of the coordinates in the refractory period.

    Every method keeps the variables that do not spike as they are, so coordinates are either free
    variables or made of held ones alone.
    """
    model, chart = derivation.model, derivation.chart
    assert model.refractory is not None
    free = list_free(model)
    away = {s: value for s, value in zip(model.state, chart.to_state, strict=True) if s != value}
    assert set(free) <= set(chart.coordinates) - set(away), (
        "the chart mixes free and held variables"
    )
    velocities = dict(zip(model.state, model.derivatives, strict=True))
    rates = {s: velocities[s].subs(away, simultaneous=True) for s in free}
    threshold = model.refractory.measured_from
    rates[model.spike.variable] = -sp.Add(*(threshold.diff(s) * rates[s] for s in free))
    field = tuple(rates.get(c, sp.S.Zero) for c in chart.coordinates)
    infinite = model.reset[model.state.index(model.spike.variable)] is -sp.oo
    if infinite and any(velocities[s].has(model.spike.variable) for s in free):
        raise DerivationError(
            f"Expected variables that go on in the refractory period of {model.name} not to depend "
            f"on {model.spike.variable}, which is held at -oo; reset it to a finite value."
        )
    return field


def solve_held_flow(
    derivation: Derivation, field: tuple[sp.Expr, ...]
) -> tuple[sp.Expr, ...] | Integrated:
    """The held flow in closed form where the free variables form a cascade; else integrated."""
    model, chart = derivation.model, derivation.chart
    free = list_free(model)
    if not free:
        return chart.coordinates
    velocities = sp.Matrix([v for c, v in zip(chart.coordinates, field, strict=True) if c in free])
    matrix = velocities.jacobian(free)
    rest = velocities.subs(dict.fromkeys(free, sp.S.Zero))
    cascade = Cascade(free, matrix.applyfunc(sp.factor), rest.applyfunc(sp.factor))
    is_linear = not matrix.has(*free) and not find_loop(cascade)
    if is_linear and cascade.longest_path <= LONGEST_PATH:
        columns = (*free, sp.S.One)
        flow = {
            s: sp.Add(*(cascade.propagate(i, j, DURATION) * c for j, c in enumerate(columns)))
            for i, s in enumerate(free)
        }
        return hold(model, chart.coordinates, flow)
    assert derivation.is_integrated, "every other method wants a cascade of all variables"
    system = dataclasses.replace(
        derivation.integrated,
        near=TaylorChart(coordinates=chart.coordinates, field=field, surface=chart.surface),
        far=None, far_from_near=(), near_from_far=(), enter_far=None, leave_far=None,
        reset=derivation.reset,
    )  # fmt: skip
    return Integrated(system=system)


def explain(model: NeuronModel) -> Step:
    """The step of the derivation."""
    refractory = model.refractory
    assert refractory is not None
    free = list_free(model)
    held = ", ".join(map(str, refractory.hold))
    lost = any(
        s in refractory.hold and after.has(WEIGHT)
        for _, jump in model.jumps
        for s, after in zip(model.state, jump, strict=True)
    )
    go = "goes on and takes" if len(free) == 1 else "go on and take"
    others = f" {', '.join(map(str, free))} {go} inputs." if free else ""
    keep = "keeps" if len(refractory.hold) == 1 else "keep"
    return Step(
        title="Refractory period",
        text=(
            f"For {refractory.time} after a spike {held} {keep} the value of the reset"
            f"{', and inputs to it are lost' if lost else ''}.{others} "
            "Its end is an event: an input at that instant counts."
        ),
        equations=(
            *(sp.Eq(dot(s), 0, evaluate=False) for s in refractory.hold),
            *(
                sp.Eq(dot(s), v, evaluate=False)
                for s, v in zip(model.state, model.derivatives, strict=True) if s in free
            ),
        ),
    )  # fmt: skip
