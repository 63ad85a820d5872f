r"""Everything else: Taylor integration, in coordinates in which the spike is a finite point.

Where no closed form is known the equations themselves become code: recurrences for the Taylor
coefficients of the solution (`spiketheory.generation.taylor_printer`). What the method has to find
is the chart.

- A finite threshold: the model's own state; where the potential grows exponentially, $r = e^{-E}$
  with the exponent E takes its place on the way to the spike.
- $V \to \infty$ by a quadratic term, reset to $-\infty$: homogeneous coordinates, $V = x/y$, in
  which both infinities are one point, driven by the other variables.
- $V \to \infty$ and a finite reset: the state, and $r = e^{-E}$ or, for quadratic growth,
  $r = 1/V$ near the spike, where $r$ falls through zero at a finite speed.
"""

import dataclasses
from dataclasses import dataclass

import sympy as sp

from spiketheory.language.domains import is_positive
from spiketheory.language.functions import exp_dd, time_to_spike
from spiketheory.language.model import NeuronModel
from spiketheory.language.removable import resolve_removable
from spiketheory.language.symbols import DURATION
from spiketheory.symbolic.derivation import (
    Branch,
    Chart,
    Derivation,
    InitialCoordinate,
    Integrated,
    Propagator,
    Step,
)
from spiketheory.symbolic.methods.shared import (
    Names,
    dot,
    explain_crossing,
    start_at_potential,
)
from spiketheory.symbolic.taylor_system import TaylorChart, TaylorSystem

NAME = "taylor"
REFERENCES = (
    "A. Jorba and M. Zou, Exp. Math. 14, 99 (2005): integration by high-order Taylor methods",
    "M. Henon, Physica D 5, 412 (1982): landing on a surface",
)
SEARCH = sp.Integer(10_000)
"""Time scales within which a spike must come to be found."""
SMOOTH = (exp_dd, sp.exp, sp.log, sp.sin, sp.cos, sp.tan, sp.sinh, sp.cosh, sp.tanh)


@dataclass(frozen=True)
class Growth:
    """How the potential runs away: exponentially with an exponent, or as a power."""

    exponent: sp.Expr | None = None
    degree: int = 0


def find_growth(model: NeuronModel) -> Growth | str:
    """How dV/dt grows with V, or why it does not blow up."""
    voltage = model.spike.variable
    # not of powers: the exponent's offset keeps r within the range of floats
    rate = sp.expand(model.derivatives[model.state.index(voltage)], power_exp=False)
    exponents = {e.args[0] for e in rate.atoms(sp.exp) if e.has(voltage)}
    if exponents:
        rising = [
            e for e in exponents
            if e.is_polynomial(voltage) and sp.degree(e, voltage) == 1
            and is_positive(e.diff(voltage), model.parameters)
        ]  # fmt: skip
        if len(rising) != 1 or rising[0].free_symbols & (set(model.state) - {voltage}):
            return f"d{voltage}/dt does not have one exponential that grows with {voltage}"
        coefficient = rate.coeff(sp.exp(rising[0]))
        if coefficient.has(voltage):  # under a line, as in a sigmoid, it does not grow
            return f"the coefficient of exp({rising[0]}) depends on {voltage}"
        if not is_positive(coefficient, model.parameters):
            return f"the coefficient of exp({rising[0]}) is not positive on the parameters' domains"
        return Growth(exponent=rising[0])
    if not rate.is_polynomial(voltage):
        return f"d{voltage}/dt is neither a polynomial nor an exponential of {voltage}"
    degree = int(sp.degree(rate, voltage))
    if degree < 2:
        return f"d{voltage}/dt grows at most like {voltage}, which never reaches infinity"
    if not is_positive(rate.coeff(voltage, degree), model.parameters):
        return (
            f"the coefficient of {voltage}**{degree} is not positive on the parameters' domains, "
            f"so {voltage} does not reach infinity"
        )
    return Growth(degree=degree)


def explain_mismatch(model: NeuronModel) -> str | None:
    """Say why this method cannot solve ``model``; None if it can."""
    model = resolve_removable(model)
    for symbol, derivative in zip(model.state, model.derivatives, strict=True):
        rough = [f for f in derivative.atoms(sp.Function) if not isinstance(f, SMOOTH)]
        if rough:
            return f"d{symbol}/dt holds {rough[0]}, which is not smooth"
    spike, voltage = model.spike, model.spike.variable
    if not spike.is_blowup:
        if spike.value.has(*model.state):
            return f"its threshold {spike.value} depends on the state"
        return None
    growth = find_growth(model)
    if isinstance(growth, str):
        return growth
    reset = model.reset[model.state.index(voltage)]
    if reset == -sp.oo:
        return explain_infinite_reset(model, growth)
    if growth.degree > 2:
        return (
            f"{voltage} blows up with degree {growth.degree}, for which no coordinate is smooth at "
            f"the spike; give {voltage} a finite peak"
        )
    return explain_divergence(model, growth)


def explain_infinite_reset(model: NeuronModel, growth: Growth) -> str | None:
    """Why no chart joins plus and minus infinity; None if homogeneous coordinates do."""
    voltage = model.spike.variable
    if growth.exponent is not None or growth.degree % 2:
        return (
            f"after a reset to -oo {voltage} would not come back: no chart joins plus and minus "
            "infinity; reset to a finite value"
        )
    if growth.degree > 2:
        return (
            f"a blow-up of degree {growth.degree} with reset to -oo has no chart that is smooth "
            "on both sides of infinity; reset to a finite value"
        )
    rate = sp.expand(model.derivatives[model.state.index(voltage)])
    if rate.coeff(voltage, 2).has(*model.state):
        return f"the coefficient of {voltage}**2 depends on the state"
    for symbol, derivative in zip(model.state, model.derivatives, strict=True):
        if symbol != voltage and derivative.has(voltage):
            return f"{symbol} is driven by {voltage} and would be infinite after a spike"
    return None


def explain_divergence(model: NeuronModel, growth: Growth) -> str | None:
    """Which variable becomes infinite at the spike; None if all others stay finite."""
    voltage = model.spike.variable
    for symbol, derivative in zip(model.state, model.derivatives, strict=True):
        if symbol == voltage or not derivative.has(voltage):
            continue
        tame = derivative.is_polynomial(voltage) and (
            growth.exponent is not None or sp.degree(derivative, voltage) < growth.degree - 1
        )
        if not tame:
            return f"{symbol} would become infinite as {voltage} does; give {voltage} a finite peak"
    return None


def solve(model: NeuronModel) -> Derivation:
    """Find the chart in which the spike is regular, and the equations to integrate in it.

    Args:
        model: A model for which `explain_mismatch` returns None.

    Returns:
        The derivation, not yet verified.
    """
    original, model = model, resolve_removable(model)
    names = Names(model)
    voltage = model.spike.variable
    reset = model.reset[model.state.index(voltage)]
    if reset == -sp.oo:
        chart, system, jumps, after, initial = build_projective(model, names)
    else:
        chart, system = build_state(model, names)
        jumps, after = [jump for _, jump in model.jumps], model.reset
        initial = start_at_potential(model)
    elapsed = names.constant("elapsed", nonnegative=True)
    return Derivation(
        model=original,
        method=NAME,
        reason=(
            "no method in closed form fits; the equations are integrated by Taylor series to "
            f"machine precision, in {chart.name}"
        ),
        chart=chart,
        constants=(),
        propagator=Propagator(
            symbols=(elapsed,), branches=(Branch(condition=sp.true, values=(DURATION,)),)
        ),
        solution=Integrated(system=system),
        will_spike=time_to_spike() < elapsed,
        jump=jumps[0],
        other_jumps=tuple(jumps[1:]),
        reset=after,
        initial=initial,
        pseudospike=None,
        steps=explain(model, system),
        references=REFERENCES,
        without_pseudospikes=(
            "no pseudodynamics is known that would continue its spikes through the trial's end: "
            "that needs a closed form of phase and period"
        ),
    )


def choose_horizon(model: NeuronModel) -> sp.Expr:
    """The time within which a spike must come: many of the slowest time constants."""
    times = [p.symbol for p in model.parameters if p.name.startswith("tau")]
    return SEARCH * (sp.Max(*times) if len(times) > 1 else times[0] if times else sp.Integer(1))


def build_state(model: NeuronModel, names: Names) -> tuple[Chart, TaylorSystem]:
    """The model's own state; near a spike of exponential or unlimited growth, r in V's place."""
    spike, voltage = model.spike, model.spike.variable
    parameters = tuple(p.symbol for p in model.parameters)
    growth = find_growth(model)
    grows = isinstance(growth, Growth) and growth.exponent is not None
    # one that goes on through its spikes does not run away
    needs_far = spike.is_blowup or (grows and not model.is_crossing)
    height = None if spike.is_blowup else spike.value - voltage
    chart = Chart(
        name="the model's own state"
        + (" and, near the spike, coordinates in which it is a finite point" if needs_far else ""),
        coordinates=model.state,
        to_state=model.state,
        from_state=model.state,
        field=model.derivatives,
        surface=-voltage if height is None else height,
    )
    near = TaylorChart(
        coordinates=model.state, field=model.derivatives, surface=None if needs_far else height
    )
    system = TaylorSystem(
        constants=parameters, near=near, reset=model.reset, horizon=choose_horizon(model)
    ) if not needs_far else build_far(model, names, near, growth)  # fmt: skip
    return chart, system


def build_far(
    model: NeuronModel, names: Names, near: TaylorChart, growth: Growth | str
) -> TaylorSystem:
    """The far chart, r = exp(-E) or r = 1/V."""
    assert isinstance(growth, Growth)
    spike, voltage = model.spike, model.spike.variable
    r = names.constant("r_spike", positive=True)
    if growth.exponent is not None:
        steepness = growth.exponent.diff(voltage)
        offset = sp.expand(growth.exponent.subs(voltage, 0))
        potential = -(sp.log(r) + offset) / steepness
        radius, factor = sp.exp(-growth.exponent), -steepness * r
        enter, leave = growth.exponent - 1, r - 1
        target = sp.S.Zero if spike.is_blowup else radius.subs(voltage, spike.value)
    else:
        potential, radius, factor = 1 / r, 1 / voltage, -(r**2)
        enter, leave = voltage - 10, r - sp.Rational(1, 5)
        target = sp.S.Zero
    away = {voltage: potential}
    grown = sp.exp(growth.exponent) if growth.exponent is not None else None
    field = []
    for symbol, derivative in zip(model.state, model.derivatives, strict=True):
        written = sp.expand(derivative, power_exp=False)
        if grown is not None:
            written = written.subs(grown, 1 / r)
        written = written.subs(away)
        field.append(sp.expand(factor * written) if symbol == voltage else written)
    coordinates = tuple(r if s == voltage else s for s in model.state)
    replaced = tuple(radius if s == voltage else s for s in model.state)
    back = tuple(potential if s == voltage else s for s in model.state)
    return TaylorSystem(
        constants=tuple(p.symbol for p in model.parameters),
        near=near,
        far=TaylorChart(coordinates=coordinates, field=tuple(field), surface=r - target),
        far_from_near=replaced,
        near_from_far=back,
        enter_far=enter,
        leave_far=leave,
        reset=tuple(e.subs(away) for e in model.reset),
        horizon=choose_horizon(model),
    )


def build_projective(
    model: NeuronModel, names: Names
) -> tuple[Chart, TaylorSystem, list[tuple[sp.Expr, ...]], tuple[sp.Expr, ...], InitialCoordinate]:
    """Homogeneous coordinates of a potential that other variables drive."""
    voltage = model.spike.variable
    index = model.state.index(voltage)
    x, y = names.x, names.y
    rate = sp.expand(model.derivatives[index])
    square, linear, rest = (rate.coeff(voltage, k) for k in (2, 1, 0))
    others = [s for s in model.state if s != voltage]
    velocities = [d for s, d in zip(model.state, model.derivatives, strict=True) if s != voltage]
    field = (rest * y + linear / 2 * x, -square * x - linear / 2 * y, *velocities)
    coordinates = (x, y, *others)
    ratio = {voltage: x / y}

    def replace(values: tuple[sp.Expr, ...], first: sp.Expr) -> tuple[sp.Expr, ...]:
        kept = [v for s, v in zip(model.state, values, strict=True) if s != voltage]
        return (first, y, *kept)

    jumps = [replace(jump, sp.expand(y * jump[index].subs(ratio))) for _, jump in model.jumps]
    reset = (sp.Integer(-1), sp.Integer(0), *replace(model.reset, x)[2:])
    start = start_at_potential(model)
    chart = Chart(
        name="homogeneous coordinates and the other variables",
        coordinates=coordinates,
        to_state=tuple(x / y if s == voltage else s for s in model.state),
        from_state=(voltage, sp.Integer(1), *others),
        field=field,
        surface=y,
        projective=(x, y),
    )
    initial = dataclasses.replace(
        start,
        state=(start.symbol, sp.Integer(1), *(
            v for s, v in zip(model.state, start.state, strict=True) if s != voltage
        )),
        value=x / y,
        upper=sp.oo,
    )  # fmt: skip
    system = TaylorSystem(
        constants=tuple(p.symbol for p in model.parameters),
        near=TaylorChart(coordinates=coordinates, field=field, surface=y),
        reset=reset,
        horizon=choose_horizon(model),
    )
    return chart, system, jumps, reset, initial


# Long: the text of the steps.
def explain(model: NeuronModel, system: TaylorSystem) -> tuple[Step, ...]:
    """The method in steps."""
    steps = [
        Step(
            title="Coordinates",
            text="The coordinates that are stored, and their equations.",
            equations=tuple(
                sp.Eq(dot(c), e, evaluate=False)
                for c, e in zip(system.near.coordinates, system.near.field, strict=True)
            ),
        )
    ]
    if system.far is not None:
        steps.append(
            Step(
                title="Towards the spike",
                text=(
                    f"Where {model.spike.variable} runs away, another coordinate takes its place; "
                    "the spike is a finite point of it, crossed at a finite speed."
                ),
                equations=(
                    sp.Eq(
                        system.far.coordinates[model.state.index(model.spike.variable)],
                        system.far_from_near[model.state.index(model.spike.variable)],
                        evaluate=False,
                    ),
                    *(
                        sp.Eq(dot(c), e, evaluate=False)
                        for c, e in zip(system.far.coordinates, system.far.field, strict=True)
                    ),
                ),
            )
        )
    steps += [
        Step(
            title="Taylor series",
            text=(
                "Every sum, product and function of the equations has a recurrence for its Taylor "
                "coefficients; a step is as long as the last coefficients allow for rounding "
                "errors only (Jorba & Zou 2005)."
            ),
        ),
        Step(
            title="Spike",
            text=(
                "On each step the spike surface is a polynomial. Descartes' rule of signs, on "
                "subdivided intervals, isolates its first zero, so that none is missed and none "
                "found twice; Newton's method then finds it to the last bit. A spike later than "
                "the horizon does not exist."
            ),
            equations=(sp.Eq(sp.Symbol("horizon"), system.horizon, evaluate=False),),
        ),
        Step(
            title="Gradient",
            text=(
                "The variational equations are integrated along; at the spike the implicit "
                "function theorem gives the derivatives of its time."
            ),
        ),
    ]
    return (*steps, *explain_crossing(model))
