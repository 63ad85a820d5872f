r"""A model near its spike: one chart in which it arrives there, and one in which it leaves.

The first coordinate of the arriving chart is a distance rho to the spike, positive before it, in
which the spike is a finite point crossed (if it is crossed) at a finite speed:

- a threshold: $\rho = \theta - V$;
- $V \to \infty$ like $c V^k$: $\rho = V^{1-k}$, so $\dot\rho = -(k-1) c$ at the spike;
- $V \to \infty$ like $A e^{\kappa V}$: $\rho = e^{-\kappa V}$, so $\dot\rho = -\kappa A$.

After a reset to $-\infty$ the neuron leaves in $\rho = (-V)^{1-k}$, else in its own state. What
`spiketheory.certification.obligations` needs of a chart is written down here on the spike itself:
velocity, input jump and the jump's derivatives, as limits for rho to 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import sympy as sp

from spiketheory.certification.far import Infinity, Unsupported, find_growth_far, find_limit_far
from spiketheory.language.model import NeuronModel
from spiketheory.language.symbols import constant_symbol, pick_name


@dataclass(frozen=True, kw_only=True)
class Side:
    """What a chart says about a place: all of it in terms of the model's symbols there.

    Attributes:
        name: The chart in words.
        velocity: Time derivatives of the coordinates.
        jumped: Coordinates after an input.
        slope: Derivatives of ``jumped`` by the coordinates.
    """

    name: str
    velocity: tuple[sp.Expr, ...]
    jumped: tuple[sp.Expr, ...]
    slope: sp.Matrix


@dataclass(frozen=True, kw_only=True)
class Boundary:
    """A model on its spike surface.

    Attributes:
        model: The model.
        others: State variables but the one that spikes.
        threshold: Value of V at the spike; ``oo`` for a blow-up.
        growth: How V blows up; "" for a threshold.
        arriving: The arriving chart on the surface; coordinates (rho, others).
        landing: Coordinates of the leaving chart after the reset.
        landing_slope: Derivatives of ``landing`` by (rho, others).
        leaving: The leaving chart where the reset lands.
        far_velocity: Velocity at minus infinity, by the variables there; None after a finite reset.
        distance: The variable rho, for expressions below.
        distance_jumped: Distance after an input at distance rho; None for a blow-up.
        stretch: Positive if an input leaves V infinite; None for a threshold.
        requirements: Expressions that must be positive for all this to hold, with reasons.
    """

    model: NeuronModel
    others: tuple[sp.Symbol, ...]
    threshold: sp.Expr
    growth: str
    arriving: Side
    landing: tuple[sp.Expr, ...]
    landing_slope: sp.Matrix
    leaving: Side
    far_velocity: tuple[sp.Expr, ...] | None
    distance: sp.Symbol
    distance_jumped: sp.Expr | None
    stretch: sp.Expr | None
    requirements: tuple[tuple[sp.Expr, str], ...]

    @property
    def leaves_infinity(self) -> bool:
        """Whether the neuron comes back from minus infinity."""
        return self.far_velocity is not None

    def move(self, expression: sp.Expr, values: Sequence[sp.Expr]) -> sp.Expr:
        """An expression of the surface at other values of the variables that do not spike."""
        return expression.subs(dict(zip(self.others, values, strict=True)), simultaneous=True)


def find_boundary(model: NeuronModel) -> Boundary:
    """Describe a model on its spike surface.

    Raises:
        Unsupported: If no chart here makes the spike a regular point; says why.
    """
    if model.spike.is_blowup:
        return find_infinite_boundary(model)
    return find_threshold(model)


def split(model: NeuronModel, values: Sequence[sp.Expr]) -> tuple[sp.Expr, tuple[sp.Expr, ...]]:
    """The entry of the variable that spikes, and the others."""
    index = model.state.index(model.spike.variable)
    return values[index], tuple(v for i, v in enumerate(values) if i != index)


def find_threshold(model: NeuronModel) -> Boundary:
    """A finite threshold, which may depend on the other variables."""
    V, theta = model.spike.variable, model.spike.value
    others = tuple(s for s in model.state if s != V)
    if theta.has(V):
        raise Unsupported(
            f"Expected a threshold that does not depend on {V} but got {V} = {theta}; solve the "
            f"condition for {V}."
        )
    rho = constant_symbol(pick_name("rho", set(model.symbols)), nonnegative=True)
    rate, rates = split(model, model.derivatives)
    jump, jumps = split(model, model.jump)
    fall = sum((theta.diff(z) * f for z, f in zip(others, rates, strict=True)), -rate)
    moved = theta.subs(dict(zip(others, jumps, strict=True)), simultaneous=True) - jump
    near = {V: theta - rho}
    jumped = tuple(e.subs(near) for e in (moved, *jumps))
    coordinates = (rho, *others)
    on = {rho: sp.S.Zero}
    arriving = Side(
        name=f"the distance to the threshold, {theta} - {V}",
        velocity=tuple(e.subs(near).subs(on) for e in (fall, *rates)),
        jumped=tuple(e.subs(on) for e in jumped),
        slope=sp.Matrix(jumped).jacobian(coordinates).subs(on),
    )
    landing = tuple(e.subs(near) for e in model.reset)
    if any(e.has(sp.oo) for e in landing):
        raise Unsupported(
            f"Expected a finite reset after a finite threshold but got {V} = "
            f"{split(model, model.reset)[0]}; reset to a number."
        )
    return Boundary(
        model=model,
        others=others,
        threshold=theta,
        growth="",
        arriving=arriving,
        landing=tuple(e.subs(on) for e in landing),
        landing_slope=sp.Matrix(landing).jacobian(coordinates).subs(on),
        leaving=leave_in_state(model, tuple(e.subs(on) for e in landing)),
        far_velocity=None,
        distance=rho,
        distance_jumped=jumped[0],
        stretch=None,
        requirements=(),
    )


def leave_in_state(model: NeuronModel, landing: Sequence[sp.Expr]) -> Side:
    """The model's own state where the reset lands."""
    there = dict(zip(model.state, landing, strict=True))

    def at(value: sp.Expr) -> sp.Expr:
        return value.subs(there, simultaneous=True)

    return Side(
        name="the model's own state",
        velocity=tuple(map(at, model.derivatives)),
        jumped=tuple(map(at, model.jump)),
        slope=sp.Matrix(model.jump).jacobian(model.state).applyfunc(at),
    )


def find_infinite_boundary(model: NeuronModel) -> Boundary:
    """A blow-up of V."""
    V = model.spike.variable
    others = tuple(s for s in model.state if s != V)
    far = find_growth_far(find_rate(model), V, 1, others)
    if far.exponent is None and far.degree < 2:
        raise Unsupported(
            f"Expected {V} to reach infinity in finite time but d{V}/dt grows at most like {V}; "
            "let it grow faster, or give a finite threshold."
        )
    rho = constant_symbol(pick_name("rho", set(model.symbols)), nonnegative=True)
    grows = f"{V}**{far.degree}" if far.exponent is None else f"exp({far.exponent}*{V})"
    requirements = [
        (far.coefficient, f"{V} reaches infinity in finite time: d{V}/dt grows like {grows}")
    ]
    reset, resets = split(model, model.reset)
    arriving, stretch = describe_far(model, far, 1)
    far_velocity = None
    if reset == -sp.oo:
        back = find_growth_far(find_rate(model), V, -1, others)
        if back.exponent is not None or back.degree < 2:
            raise Unsupported(
                f"Expected {V} to come back from -oo in finite time but d{V}/dt grows at most "
                f"like {V} there; reset to a finite value."
            )
        sign = -1 if back.degree % 2 else 1
        requirements.append((sign * back.coefficient, f"{V} comes back from -oo in finite time"))
        far_side, _ = describe_far(model, back, -1)
        far_velocity = far_side.velocity
        leaving = shift(far_side, others, resets)
        landing: tuple[sp.Expr, ...] = (sp.S.Zero, *resets)
    else:
        landing = tuple(model.reset)
        leaving = leave_in_state(model, landing)
    return Boundary(
        model=model,
        others=others,
        threshold=sp.oo,
        growth=grows,
        arriving=arriving,
        landing=landing,
        landing_slope=sp.Matrix(landing).jacobian((rho, *others)),
        leaving=leaving,
        far_velocity=far_velocity,
        distance=rho,
        distance_jumped=None,
        stretch=stretch,
        requirements=tuple(requirements),
    )


def shift(side: Side, others: Sequence[sp.Symbol], values: Sequence[sp.Expr]) -> Side:
    """A chart at other values of the variables that do not spike."""
    there = dict(zip(others, values, strict=True))
    return Side(
        name=side.name,
        velocity=tuple(e.subs(there, simultaneous=True) for e in side.velocity),
        jumped=tuple(e.subs(there, simultaneous=True) for e in side.jumped),
        slope=side.slope.applyfunc(lambda e: e.subs(there, simultaneous=True)),
    )


def find_rate(model: NeuronModel) -> sp.Expr:
    """The speed of the variable that spikes."""
    return split(model, model.derivatives)[0]


def describe_far(model: NeuronModel, far: Infinity, side: int) -> tuple[Side, sp.Expr]:
    """The chart at plus or minus infinity, on the spike; and the factor by which V is stretched."""
    V = model.spike.variable
    others = tuple(s for s in model.state if s != V)
    _, jumps = split(model, model.jump)
    limits = find_limits(model, side)
    stretch, offset = read_stretch(model)
    if far.exponent is not None:
        if stretch != 1:
            raise Unsupported(
                f"Expected an input to shift {V} but got {V} = {split(model, model.jump)[0]}; with "
                "an exponential blow-up only a shift is known to leave the spike regular."
            )
        speed = -far.exponent * far.coefficient
        factor = sp.exp(-far.exponent * offset)
        name = f"exp(-{far.exponent}*{V})"
    else:
        power = far.degree - 1
        sign = 1 if side > 0 or far.degree % 2 == 0 else -1
        speed = -side * power * far.coefficient * sign
        factor = stretch**-power
        name = f"{V}**-{power}" if side > 0 else f"(-{V})**-{power}"
    slope = sp.Matrix([0, *jumps]).jacobian((sp.Dummy(), *others))
    slope[0, 0] = factor
    jumped = (sp.S.Zero, *jumps)
    return Side(name=name, velocity=(speed, *limits), jumped=jumped, slope=slope), stretch


def find_limits(model: NeuronModel, side: int) -> list[sp.Expr]:
    """Velocities of the variables that do not spike, far out.

    Raises:
        Unsupported: If one depends on V there.
    """
    V = model.spike.variable
    others = tuple(s for s in model.state if s != V)
    limits = []
    for z, value in zip(others, split(model, model.derivatives)[1], strict=True):
        limit = find_limit_far(value, V, side, others)
        if limit is None:
            raise Unsupported(
                f"Expected d{z}/dt to stay finite at the spike but it depends on {V}, which does "
                f"not: {value}; give {V} a finite threshold."
            )
        limits.append(limit)
    return limits


def read_stretch(model: NeuronModel) -> tuple[sp.Expr, sp.Expr]:
    """Factor and offset of what an input makes of V.

    Raises:
        Unsupported: If an input is of another form, or other variables see V in it.
    """
    V = model.spike.variable
    jump, jumps = split(model, model.jump)
    for z, value in zip((s for s in model.state if s != V), jumps, strict=True):
        if value.has(V):
            raise Unsupported(
                f"Expected an input to change {z} by an amount that does not depend on {V}, which "
                f"is infinite at a spike, but got {z} = {value}."
            )
    expanded = sp.expand(jump)
    if not expanded.is_polynomial(V) or sp.degree(expanded, V) != 1:
        raise Unsupported(
            f"Expected an input to shift {V}, or to leave it alone, but got {V} = {jump}."
        )
    return expanded.coeff(V, 1), expanded.coeff(V, 0)
