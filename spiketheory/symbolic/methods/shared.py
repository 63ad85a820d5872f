"""What the methods share: names apart from the model's, and the words of common steps."""

from collections.abc import Sequence

import sympy as sp

from spiketheory.language.model import NeuronModel
from spiketheory.language.symbols import constant_symbol, pick_name, state_symbol
from spiketheory.symbolic.derivation import InitialCoordinate, Step


class Names:
    """The symbols of a derivation, named apart from those of the model."""

    def __init__(self, model: NeuronModel) -> None:
        self.taken = set(model.symbols)
        self.x, self.y = self.state("x"), self.state("y")

    def state(self, name: str) -> sp.Symbol:
        """A real symbol: a coordinate, or a number of the propagator."""
        return state_symbol(pick_name(name, self.taken))

    def constant(self, name: str, **assumptions: bool) -> sp.Symbol:
        """The symbol of a derived constant."""
        return constant_symbol(pick_name(name, self.taken), **assumptions)


def dot(symbol: sp.Symbol) -> sp.Symbol:
    """A symbol's derivative by time, for a step."""
    return sp.Symbol(rf"\dot{{{symbol.name}}}")


def after(symbol: sp.Symbol) -> sp.Symbol:
    """A symbol just after an event, for a step."""
    return sp.Symbol(f"{symbol.name}^+")


def explain_crossing(model: NeuronModel) -> tuple[Step, ...]:
    """The step of a neuron whose spikes are upward crossings; none for others."""
    if not model.is_crossing:
        return ()
    V, theta = model.spike.variable, model.spike.value
    after = f"{V} goes on through the spike, above its threshold {theta}"
    jacobian = "The derivative of the state after a spike is that of the flow."
    if model.lands_on_threshold:
        after, jacobian = f"The reset leads onto the threshold {theta}, from where {V} falls", ""
    return (
        Step(
            title="Upward crossings",
            text=(
                f"{after}. A coordinate of its "
                "own says on which side the neuron is: from above it spikes again once it has come "
                "back below and crosses upwards, by itself or carried by an input. Next to the "
                f"threshold, where rounding decides the sign of {theta} - {V}, that coordinate "
                f"counts. {jacobian}"
            ).rstrip(),
        ),
    )


def differentiate_implicitly(
    surface: sp.Expr,
    field: Sequence[sp.Expr],
    flow: Sequence[sp.Expr],
    jacobian: sp.Matrix,
    coordinates: Sequence[sp.Symbol],
) -> tuple[sp.Expr, ...]:
    r"""Derivatives of the spike time by the coordinates (implicit function theorem).

    Args:
        surface: The function that vanishes at the spike.
        field: Velocity of the coordinates.
        flow: The coordinates at the spike, in terms of those now.
        jacobian: Derivatives of ``flow``.
        coordinates: The coordinates.

    Returns:
        $-(\nabla g \cdot D\Phi)/(\nabla g \cdot F)$ at the spike.
    """
    arrived = dict(zip(coordinates, flow, strict=True))
    slopes = sp.Matrix([surface]).jacobian(coordinates)
    speed = (slopes * sp.Matrix(list(field)))[0].subs(arrived, simultaneous=True)
    pushed = slopes.subs(arrived, simultaneous=True) * jacobian
    return tuple(-entry / speed for entry in pushed)


def start_at_potential(model: NeuronModel) -> InitialCoordinate:
    """The learnable initial coordinate: the potential, with all else at rest."""
    names = Names(model)
    voltage = model.spike.variable
    initial = names.state(f"{voltage}0")
    return InitialCoordinate(
        symbol=initial,
        meaning="initial membrane potential; everything else starts at rest",
        state=tuple(
            initial if s == voltage else r for s, r in zip(model.state, model.rest, strict=True)
        ),
        value=voltage,
        lower=-sp.oo,
        upper=sp.oo if model.is_crossing else model.spike.value,
        default=model.rest[model.state.index(voltage)],
    )


def clear(expression: sp.Expr) -> sp.Expr:
    """Multiply by the positive denominator of an expression."""
    above, below = sp.fraction(sp.factor(sp.together(expression)))
    return above if below.is_positive else above / below
