"""Derive the closed forms of a neuron model: choose a method, solve, differentiate."""

import dataclasses
from collections.abc import Mapping
from types import ModuleType

import mpmath
import sympy as sp

from spiketheory.errors import DerivationError
from spiketheory.language.domains import is_positive
from spiketheory.language.functions import exp_dd
from spiketheory.language.model import NeuronModel, conjuncts
from spiketheory.language.removable import resolve_removable
from spiketheory.language.symbols import PSEUDO_INPUT, WEIGHT
from spiketheory.runtime import special_mpmath
from spiketheory.symbolic.derivation import Derivation
from spiketheory.symbolic.frame import add_frame
from spiketheory.symbolic.measured import has_moving_threshold, measure, restore
from spiketheory.symbolic.methods import bessel, glued, linear, riccati, taylor
from spiketheory.symbolic.refractory import add_refractory_period

METHODS: tuple[ModuleType, ...] = (riccati, bessel, glued, linear, taylor)
FOR_CROSSINGS: tuple[ModuleType, ...] = (linear, taylor)
"""Methods that find a spike from above the threshold, which V must come back below first."""


def derive(model: NeuronModel) -> Derivation:
    """Derive flow, spike time, jump, reset, gradients and pseudospikes of ``model``.

    Methods are tried from the most special to the most general; the first that fits solves it.

    Args:
        model: The neuron model.

    Returns:
        The derivation; pass it to `spiketheory.verification.verify.verify` before you rely on it.

    Raises:
        DerivationError: If the model makes no sense as it stands, or no method solves it; says
            what each one missed.
    """
    written = model
    check_start(written)
    model = measure(written)
    check_reset(model, has_moving_threshold(written))
    check_field_after_reset(model)
    mismatches: list[tuple[str, str]] = []
    for method in METHODS:
        mismatch = explain_mismatch(method, model)
        if mismatch is None:
            derivation = restore(add_refractory_period(method.solve(model)), written)
            derivation = add_frame(derivation)
            rejected = tuple(f"{name}: {reason}" for name, reason in mismatches)
            return dataclasses.replace(derivation, rejected=rejected)
        mismatches.append((method.NAME, mismatch))
    *special, (_, general) = mismatches
    raise DerivationError(
        f"Expected a model that one of the methods can solve but got {model.name!r}, for which "
        f"not even the most general one works: {general}. Change that, or make the model fit one "
        f"of the others ({'; '.join(f'{name}: {reason}' for name, reason in special)})."
    )


def explain_mismatch(method: ModuleType, model: NeuronModel) -> str | None:
    """Say why a method cannot solve ``model``; None if it can."""
    if model.is_crossing and method not in FOR_CROSSINGS:
        if model.lands_on_threshold:
            return "it takes no neuron whose reset leads onto its threshold"
        return f"it takes no neuron whose {model.spike.variable} goes on through the spike"
    found: str | None = method.explain_mismatch(model)
    return found


def check_start(model: NeuronModel) -> None:
    """Raise unless the equations have a value at rest, and the neuron has not spiked there.

    One whose spikes are upward crossings may rest above the threshold.
    """
    model = resolve_removable(model)
    defaults = make_defaults(model)
    rest = {s: evaluate(r, defaults) for s, r in zip(model.state, model.rest, strict=True)}
    for symbol, derivative in zip(model.state, model.derivatives, strict=True):
        value = evaluate(derivative, {**rest, **defaults})
        if not (value.is_real and value.is_finite):
            raise DerivationError(
                f"Expected d{symbol}/dt of {model.name} to be a finite real number at rest but "
                f"got {name_gap(value)} at {describe(rest)}; start it where its equations have a "
                "solution."
            )
        check_roots(model, symbol, derivative, {**rest, **defaults})
    if model.spike.is_blowup or model.is_crossing:
        return
    margin = evaluate(model.spike.value - model.spike.variable, {**rest, **defaults})
    if margin.is_nonpositive:
        raise DerivationError(
            f"Expected {model.name} to rest below its threshold {model.spike.value} but got "
            f"{describe(rest)}; lower rest or raise the threshold."
        )


def check_field_after_reset(model: NeuronModel) -> None:
    """Raise if the equations have no value where the reset leads, as far as it says where."""
    model = resolve_removable(model)
    defaults = make_defaults(model)
    after = {
        s: evaluate(r, defaults) for s, r in zip(model.state, model.reset, strict=True)
        if not r.has(*model.state) and r.is_finite is not False
    }  # fmt: skip
    for symbol, derivative in zip(model.state, model.derivatives, strict=True):
        value = evaluate(derivative, {**after, **defaults})
        if value.has(sp.nan, sp.zoo, sp.oo, -sp.oo):
            raise DerivationError(
                f"Expected d{symbol}/dt of {model.name} to have a value after a reset but got "
                f"{name_gap(value)} at {describe(after)}; reset beside that point, or write the "
                "limit there as a formula."
            )
        check_roots(model, symbol, derivative, {**after, **defaults})


def check_roots(
    model: NeuronModel, symbol: sp.Symbol, derivative: sp.Expr, place: Mapping[sp.Symbol, sp.Expr]
) -> None:
    """Raise if a root of the state is zero at a place: no series begins there."""
    for root in sorted(derivative.atoms(sp.Pow), key=sp.default_sort_key):
        if root.exp.is_Integer or not root.base.has(*model.state):
            continue
        if evaluate(root.base, place).is_zero:
            raise DerivationError(
                f"Expected d{symbol}/dt of {model.name} to be smooth at rest and after a reset but "
                f"got {root} at its zero; rest and reset beside it."
            )


def make_defaults(model: NeuronModel) -> dict[sp.Symbol, sp.Expr]:
    """The default parameters, exactly."""
    return {p.symbol: sp.Rational(p.default) for p in model.parameters}


def evaluate(expression: sp.Expr, values: Mapping[sp.Symbol, sp.Expr]) -> sp.Expr:
    """An expression at numbers for its symbols; divided differences with their limits."""
    at: sp.Expr = expression.xreplace(values)
    at = at.replace(lambda e: isinstance(e, exp_dd) and not e.free_symbols, evaluate_difference)
    known = at.is_Rational or at.free_symbols or not (at.is_finite and at.is_real)
    return at if known else sp.N(at, 30)


def evaluate_difference(difference: sp.Expr) -> sp.Expr:
    """A divided difference at numbers, also equal ones or nearly so."""
    with mpmath.workdps(40):
        points = tuple(mpmath.mpf(sp.N(p, 40)) for p in difference.args)
        return sp.Float(special_mpmath.exp_dd(points), 40)


def name_gap(value: sp.Expr) -> str:
    """A value that is no finite real number, in words."""
    return "0/0" if value is sp.nan else "a division by zero" if value is sp.zoo else str(value)


def check_reset(model: NeuronModel, is_moving: bool = False) -> None:
    """Raise unless the reset leads away from a finite threshold for all admissible parameters.

    Or leaves V alone: then the crossing from below is the spike. Or leads onto the threshold, from
    where V falls at once.

    Args:
        model: The model, with a threshold that does not depend on the state.
        is_moving: Whether it does in the model as written.
    """
    variable = model.spike.variable
    reset = model.reset[model.state.index(variable)]
    is_landing = model.lands_on_threshold
    if model.spike.is_blowup or (model.is_crossing and not is_landing):
        return
    velocity = find_velocity_after_reset(model)
    if is_landing and not is_moving and falls_after_reset(model):
        return
    reset = reset.subs(variable, model.spike.value)
    margin = sp.expand(model.spike.value - reset)
    if margin.has(*model.state) or is_positive(margin, model.parameters):
        return
    stated = {
        sp.expand(relation.gts - relation.lts)
        for parameter in model.parameters
        for relation in conjuncts(parameter.domain)
        if isinstance(relation, sp.StrictGreaterThan | sp.StrictLessThan)
    }
    if margin in stated:
        return
    remedy = "lower it"
    if margin.free_symbols:
        domain = f"{reset} < {model.spike.value}"
        remedy = f'lower it, or state "{domain}" as the domain of a parameter'
    elif is_landing and not is_moving:
        remedy = (
            f"lower it, or see that {variable} falls there: d{variable}/dt = {velocity} need not "
            "be negative"
        )
    raise DerivationError(
        f"Expected the reset of {model.name} to lead below its threshold but {variable} = {reset} "
        f"need not lie below {model.spike.value}: the neuron would spike without end; {remedy}."
    )


def falls_after_reset(model: NeuronModel) -> bool:
    """Whether V provably falls at once where the reset leads to."""
    return is_positive(-find_velocity_after_reset(model), model.parameters)


def find_velocity_after_reset(model: NeuronModel) -> sp.Expr:
    """How fast V moves where the reset leads, in terms of what it leaves alone."""
    rate = model.derivatives[model.state.index(model.spike.variable)]
    return rate.subs(dict(zip(model.state, model.reset, strict=True)), simultaneous=True)


def describe(state: dict[sp.Symbol, sp.Expr]) -> str:
    """A state in words."""
    return ", ".join(
        f"{s} = {sp.sstr(v if v.is_Integer or not v.is_number else sp.N(v, 15))}"
        for s, v in state.items()
    )


def differentiate(derivation: Derivation) -> dict[str, sp.Matrix]:
    """Return the Jacobians of flow, spike time, jump and pseudospikes.

    Names are ``<of>_D_<by>``; rows are components of the function, columns of the variable:
    the chart's coordinates (``state``), the duration (``dt``), the weight (``w``), the pseudo
    input (``J``). In a projective chart ``flow_D_dt`` is defined up to a multiple of the flow.
    """
    coordinates = derivation.chart.coordinates
    jacobians = {}
    for number, (port, _) in enumerate(derivation.model.jumps):
        jump, name = sp.Matrix(derivation.jumps[number]), f"jump_{port}" if number else "jump"
        jacobians[f"{name}_D_state"] = jump.jacobian(coordinates)
        jacobians[f"{name}_D_w"] = jump.diff(WEIGHT)
    jacobians["reset_D_state"] = sp.Matrix(derivation.reset).jacobian(coordinates)
    if not derivation.is_integrated:
        along = dict(zip(coordinates, derivation.closed.flow, strict=True))
        jacobians = {
            "flow_D_state": derivation.jacobian(derivation.closed.flow),
            "flow_D_dt": sp.Matrix(derivation.chart.field).subs(along, simultaneous=True),
            "time_to_spike_D_state": sp.Matrix([derivation.closed.time_to_spike_gradient]),
        } | jacobians
    pseudo = derivation.pseudospike
    if pseudo is not None:
        for name, value in (("delay", pseudo.delay), ("rate", pseudo.rate)):
            gradient = sp.Matrix([value]).jacobian(coordinates)
            jacobians[f"pseudo_{name}_D_state"] = gradient.applyfunc(simplify)
            jacobians[f"pseudo_{name}_D_J"] = sp.Matrix([simplify(value.diff(PSEUDO_INPUT))])
    return jacobians


def simplify(expression: sp.Expr) -> sp.Expr:
    """Simplify, unless the expression is of a kind that takes long."""
    slow = expression.has(sp.Piecewise, sp.exp)
    return expression if slow else sp.simplify(expression)
