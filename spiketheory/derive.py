"""Derive the closed forms of a neuron model: choose a method, solve, differentiate."""

from types import ModuleType

import sympy as sp

from spiketheory.derivation import Derivation
from spiketheory.errors import DerivationError
from spiketheory.methods import bessel, glued, linear, riccati, taylor
from spiketheory.model import NeuronModel
from spiketheory.symbols import PSEUDO_INPUT, WEIGHT

METHODS: tuple[ModuleType, ...] = (riccati, bessel, glued, linear, taylor)


def derive(model: NeuronModel) -> Derivation:
    """Derive flow, spike time, jump, reset, gradients and pseudospikes of ``model``.

    Args:
        model: The neuron model.

    Returns:
        The derivation; pass it to `spiketheory.verify.verify` before you rely on it.

    Raises:
        DerivationError: If no method solves the model; says what each one missed.
    """
    mismatches = []
    for method in METHODS:
        mismatch = method.explain_mismatch(model)
        if mismatch is None:
            derivation: Derivation = method.solve(model)
            return derivation
        mismatches.append(f"{method.NAME}: {mismatch}")
    raise DerivationError(
        f"Expected a model that one of the methods can solve but got {model.name!r}, for which "
        f"none fits ({'; '.join(mismatches)}); change the model so that one of them applies."
    )


def differentiate(derivation: Derivation) -> dict[str, sp.Matrix]:
    """Return the Jacobians of flow, spike time, jump and pseudospikes.

    Names are ``<of>_D_<by>``; rows are components of the function, columns of the variable:
    the chart's coordinates (``state``), the duration (``dt``), the weight (``w``), the pseudo
    input (``J``). In a projective chart ``flow_D_dt`` is defined up to a multiple of the flow.
    """
    coordinates = derivation.chart.coordinates
    jump = sp.Matrix(derivation.jump)
    jacobians = {
        "jump_D_state": jump.jacobian(coordinates),
        "jump_D_w": jump.diff(WEIGHT),
        "reset_D_state": sp.Matrix(derivation.reset).jacobian(coordinates),
    }
    if derivation.taylor is None:
        along = dict(zip(coordinates, derivation.flow, strict=True))
        jacobians = {
            "flow_D_state": derivation.jacobian(derivation.flow),
            "flow_D_dt": sp.Matrix(derivation.chart.field).subs(along, simultaneous=True),
            "time_to_spike_D_state": sp.Matrix([derivation.time_to_spike_gradient]),
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
