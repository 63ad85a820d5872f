"""A model's equations as functions of arrays, in a chart of its own on the way to a blow-up.

Where V blows up like V^k the coordinate is V^(1 - k), where it grows like exp(kappa V) it is
exp(-kappa V): either falls to 0 at a finite speed. After a reset to -oo it is -|V|^(1 - k), which
begins at 0.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp

from spiketheory.errors import InputError
from spiketheory.language.model import NeuronModel
from spiketheory.language.symbols import WEIGHT

Array = np.ndarray
Function = Callable[..., Any]
larger, smaller = sp.Function("larger"), sp.Function("smaller")
ARRAYS = {"larger": np.maximum, "smaller": np.minimum}

THRESHOLD, POWER, EXPONENTIAL = "threshold", "power", "exponential"
LARGE = 2.0**40
"""Where the exponent of growth is measured if V' is no polynomial."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Equations:
    """A model as functions of arrays; all take the state, then parameters.

    Attributes:
        model: The model.
        voltage: Place of the variable that spikes.
        kind: ``threshold``, ``power`` or ``exponential``.
        exponent: k of V' ~ V^k; 0 for other kinds.
        from_infinity: Whether the reset is to -oo.
        field: Derivatives of the state.
        height: Distance to a threshold.
        climb: Derivative of it by time.
        reset: State after a spike; the potential is 0 for a blow-up, and where it is reset to -oo.
        jump: State after an input; takes the weight last.
        rest: State at rest; takes parameters only.
        steepness: kappa of exponential growth; takes parameters only.
    """

    model: NeuronModel
    voltage: int
    kind: str
    exponent: float
    from_infinity: bool
    field: Function
    height: Function
    climb: Function
    reset: Function
    jump: Function
    rest: Function
    steepness: Function

    @property
    def is_blowup(self) -> bool:
        """Whether a spike is V going to infinity."""
        return self.kind != THRESHOLD


def bind_arrays(arguments: Sequence[sp.Symbol], values: Sequence[sp.Expr]) -> Function:
    """Expressions as a function of arrays."""
    simple = [fold_extremes(v) for v in values]
    return sp.lambdify(list(arguments), simple, [ARRAYS, "numpy"], cse=True, dummify=True)


def fold_extremes(expression: sp.Expr) -> sp.Expr:
    """Max and Min of two at a time, which broadcast."""
    return expression.replace(sp.Max, lambda *a: fold(larger, a)).replace(
        sp.Min, lambda *a: fold(smaller, a)
    )


def fold(function: Any, values: Sequence[sp.Expr]) -> sp.Expr:
    """A function of two applied to many."""
    result = values[0]
    for value in values[1:]:
        result = function(result, value)
    return result


def make_equations(model: NeuronModel) -> Equations:
    """The functions of a model.

    Raises:
        InputError: If it is unknown how V blows up.
    """
    V = model.spike.variable
    voltage = model.state.index(V)
    parameters = [p.symbol for p in model.parameters]
    known = [*model.state, *parameters]
    kind, exponent, steepness = find_growth(model)
    reset = list(model.reset)
    from_infinity = reset[voltage] == -sp.oo
    if from_infinity:
        reset[voltage] = sp.S.Zero
    height = sp.S.Zero if model.spike.is_blowup else model.spike.value - V
    climb = sum(
        (height.diff(s) * f for s, f in zip(model.state, model.derivatives, strict=True)),
        sp.S.Zero,
    )
    return Equations(
        model=model,
        voltage=voltage,
        kind=kind,
        exponent=exponent,
        from_infinity=from_infinity,
        field=bind_arrays(known, model.derivatives),
        height=bind_arrays(known, [height]),
        climb=bind_arrays(known, [climb]),
        reset=bind_arrays(known, reset),
        jump=bind_arrays([*known, WEIGHT], model.jump),
        rest=bind_arrays(parameters, model.rest),
        steepness=bind_arrays(parameters, [steepness]),
    )


def find_growth(model: NeuronModel) -> tuple[str, float, sp.Expr]:
    """How V reaches the spike: kind, exponent and steepness.

    Raises:
        InputError: If V neither grows like a power above 1 nor exponentially.
    """
    if not model.spike.is_blowup:
        return THRESHOLD, 0.0, sp.S.One
    V = model.spike.variable
    rate = model.derivatives[model.state.index(V)]
    for unbounded in (sp.sinh, sp.cosh):
        rate = rate.replace(unbounded, lambda x, f=unbounded: f(x).rewrite(sp.exp))
    slopes = [e.args[0].diff(V) for e in rate.atoms(sp.exp) if e.has(V)]
    defaults = {p.symbol: sp.Float(p.default) for p in model.parameters}
    growing = [s for s in slopes if not s.has(V) and s.subs(defaults) > 0]
    if growing:
        return EXPONENTIAL, 0.0, max(growing, key=lambda s: float(s.subs(defaults)))
    exponent = measure_exponent(model)
    if not exponent > 1.01:
        raise InputError(
            f"Expected {V} of {model.name} to blow up in finite time but it grows like "
            f"{V}^{exponent:.3g}; this is no spike that an attack could follow."
        )
    return POWER, exponent, sp.S.One


def measure_exponent(model: NeuronModel) -> float:
    """K of V' ~ V^k, where the other variables are at rest or beside it, parameters are default."""
    V = model.spike.variable
    rate = model.derivatives[model.state.index(V)]
    values = {p.symbol: p.default for p in model.parameters}
    rest = {s: float(r.subs(values)) for s, r in zip(model.state, model.rest, strict=True)}
    others = [s for s in model.state if s != V]
    evaluate = bind_arrays([V, *others, *values], [rate])
    found = 0.0
    for beside in (0.0, 0.5):
        states = [rest[s] + beside for s in others]
        with np.errstate(all="ignore"):
            one, two = (evaluate(v, *states, *values.values())[0] for v in (LARGE, 2 * LARGE))
        if one > 0 and np.isfinite(two):
            found = max(found, float(np.log2(two / one)))
    return round(found) if abs(found - round(found)) < 1e-6 else found
