r"""Quadratic membrane equations whose drive decays exponentially: Bessel functions.

$\dot V = A V^2 + B V + C + K I$, $\tau_s \dot I = -I$, with a spike at $V \to \infty$, a reset to
$-\infty$ and inputs that add to $I$, is a Riccati equation. Measured from the stable fixed point
without current, in homogeneous coordinates, it is linear:

$T \dot x = -x + J y$, $T \dot y = -x$, with $T = 1/\sqrt{B^2 - 4 A C}$ and $J = A K T^2 I$,

so that $T^2 \ddot y + T \dot y + J(t) y = 0$ with an exponentially decaying $J$. Its solutions are
Bessel functions of the order $\nu = \tau_s/T$ (G. N. Watson, Theory of Bessel Functions, 4.31),
which for $\nu = 1/2$ are sines and cosines of $\sqrt J (1 - z)$, $z = \exp(-t/T)$.
"""

from collections.abc import Iterator

import sympy as sp

from spiketheory.language.domains import is_positive
from spiketheory.language.functions import (
    decay_matrix,
    decay_matrix_slope,
    decay_matrix_tangent,
    decay_wait,
    time_to_spike,
)
from spiketheory.language.model import NeuronModel
from spiketheory.language.symbols import DURATION, PSEUDO_INPUT, WEIGHT
from spiketheory.symbolic.derivation import (
    Branch,
    Chart,
    ClosedForm,
    Constant,
    Derivation,
    InitialCoordinate,
    Numbers,
    NumbersForm,
    Propagator,
    Pseudospike,
    Step,
    differentiate_numbers,
)
from spiketheory.symbolic.methods.shared import Names, differentiate_implicitly, dot

NAME = "bessel"
REFERENCES = (
    "G. N. Watson, A Treatise on the Theory of Bessel Functions, 2nd ed. (1944), 4.31",
    "W. T. Reid, Riccati Differential Equations, Academic Press (1972), ch. 1",
    "C. Klos and R.-M. Memmesheimer, Phys. Rev. Lett. 134, 027301 (2025)",
)
PSEUDO_SOFTNESS = sp.Integer(10)
"""How gradually the drive of the pseudodynamics leaves zero (Klos & Memmesheimer 2025)."""


class Quadratic:
    """The normal form T x' = -x + J y, T y' = -x, with V = center + scale x/y, J = gain I."""

    def __init__(self, model: NeuronModel) -> None:
        self.voltage = model.spike.variable
        index = model.state.index(self.voltage)
        self.current = model.state[1 - index]
        rate = sp.expand(model.derivatives[index])
        rest, self.linear, self.quadratic = (
            sp.factor(rate.coeff(self.voltage, k)) for k in (0, 1, 2)
        )
        rest = sp.expand(rest)
        self.coupling = sp.factor(rest.coeff(self.current, 1))
        self.drive = sp.factor(rest.coeff(self.current, 0))
        self.decay = sp.factor(model.derivatives[1 - index] / self.current)
        self.gap = sp.factor(self.linear**2 - 4 * self.quadratic * self.drive)
        self.time = sp.simplify(1 / sp.sqrt(self.gap))
        self.center = sp.simplify(-(self.linear + 1 / self.time) / (2 * self.quadratic))
        self.scale = sp.simplify(1 / (self.quadratic * self.time))
        self.gain = sp.simplify(self.quadratic * self.coupling * self.time**2)


def explain_mismatch(model: NeuronModel) -> str | None:
    """Say why this method cannot solve ``model``; None if it can."""
    if len(model.state) != 2:
        return f"it has {len(model.state)} state variables, and the method takes two"
    voltage = model.spike.variable
    index = model.state.index(voltage)
    current = model.state[1 - index]
    rate = model.derivatives[index]
    if not rate.is_polynomial(voltage, current) or sp.degree(rate, voltage) != 2:
        return f"d{voltage}/dt is not a quadratic polynomial of {voltage}"
    mixed = sp.expand(rate).coeff(voltage, 2).has(current) or sp.expand(rate).coeff(
        voltage, 1).has(current)  # fmt: skip
    if mixed or sp.degree(rate, current) != 1:
        return f"{current} does not simply add to d{voltage}/dt"
    decay = sp.simplify(model.derivatives[1 - index] / current)
    if decay.has(*model.state) or not is_positive(-decay, model.parameters):
        return f"{current} does not decay exponentially"
    if not model.spike.is_blowup or model.reset[index] != -sp.oo:
        return f"its spike is not at {voltage} -> oo with reset to -oo"
    if model.reset[1 - index] != current:
        return f"its reset changes {current}"
    if model.other_inputs:
        return "it takes input at several ports"
    if model.jump[index] != voltage or sp.simplify(model.jump[1 - index] - current - WEIGHT) != 0:
        return f"its input does not add the weight to {current}"
    form = Quadratic(model)
    if not is_positive(form.quadratic, model.parameters):
        return f"the coefficient of {voltage}**2 is not positive on the parameters' domains"
    if not is_positive(form.gap, model.parameters):
        return (
            f"without {current} it has no stable fixed point for some parameters "
            f"({form.gap} > 0 does not follow from their domains)"
        )
    if model.rest[1 - index] != 0:
        return f"{current} does not rest at 0"
    return None


# Long: the derivation, written out as one record.
def solve(model: NeuronModel) -> Derivation:
    """Derive flow, spike time, jump, reset, gradients and pseudospikes of the model.

    Args:
        model: A model for which `explain_mismatch` returns None.

    Returns:
        The derivation, not yet verified.
    """
    form, names = Quadratic(model), Names(model)
    voltage, current = form.voltage, form.current
    x, y = names.x, names.y
    time = form.time if form.time.is_Symbol else names.constant("T", positive=True)
    order = names.constant("nu", positive=True)
    constants = (
        *(
            [Constant(symbol=time, value=form.time, meaning="time scale of the membrane")]
            if time != form.time
            else []
        ),
        Constant(
            symbol=order,
            value=sp.simplify(-1 / (form.decay * form.time)),
            meaning="order of the Bessel functions: synaptic by membrane time constant",
        ),
    )
    elapsed = names.constant("elapsed", nonnegative=True)
    left = names.constant(f"decay_{current}", positive=True)
    drive = form.gain * current
    numbers = build_numbers(names, form, time, order, elapsed)
    yy, yx, xy, xx = numbers.symbols
    flow = (xy * y + xx * x, yy * y + yx * x, current * left)
    coordinates = (x, y, current)
    field = ((drive * y - x) / time, -x / time, form.decay * current)
    ordered = order_state(model, voltage)
    jacobian = differentiate_numbers(flow, coordinates, numbers)
    return Derivation(
        model=model,
        method=NAME,
        reason=(
            f"d{voltage}/dt is quadratic in {voltage} and driven by the exponentially decaying "
            f"{current}: a Riccati equation, linear in homogeneous coordinates; its solutions are "
            "Bessel functions, elementary where their order is a half-integer"
        ),
        chart=Chart(
            name="homogeneous coordinates and the current",
            coordinates=coordinates,
            to_state=ordered(form.center + form.scale * x / y, current),
            from_state=((voltage - form.center) / form.scale, sp.Integer(1), current),
            field=field,
            surface=y,
            projective=(x, y),
        ),
        constants=constants,
        propagator=Propagator(
            symbols=(elapsed, left),
            branches=(Branch(condition=sp.true, values=(DURATION, sp.exp(form.decay * DURATION))),),
        ),
        solution=ClosedForm(
            flow=flow,
            time_to_spike=(
                Branch(condition=sp.true, values=(time * decay_wait(order, x, y, drive),)),
            ),
            time_to_spike_gradient=differentiate_implicitly(y, field, flow, jacobian, coordinates),
            numbers=numbers,
        ),
        will_spike=time_to_spike() < elapsed,
        jump=(x, y, current + WEIGHT),
        reset=(sp.Integer(-1), sp.Integer(0), current),
        initial=build_initial(model, names, form),
        pseudospike=build_pseudospike(form, x, y, time),
        steps=explain(names, form, time, order, model),
        references=REFERENCES,
    )


def order_state(model: NeuronModel, voltage: sp.Symbol):  # type: ignore[no-untyped-def]
    """Return a function that puts potential and current in the order of the model's state."""
    first = model.state[0] == voltage
    return lambda v, i: (v, i) if first else (i, v)


def build_numbers(
    names: Names, form: Quadratic, time: sp.Symbol, order: sp.Symbol, elapsed: sp.Symbol
) -> Numbers:
    """The fundamental matrix of the homogeneous coordinates."""
    symbols = tuple(names.state(name) for name in ("M_yy", "M_yx", "M_xy", "M_xx"))
    by_current = tuple(names.state(f"{s.name}_D_I") for s in symbols)
    by_order = tuple(names.state(f"{s.name}_D_nu") for s in symbols)
    yy, yx, xy, xx = symbols
    drive = form.gain * form.current
    now = drive * sp.exp(-elapsed / (time * order))
    arguments = (order, drive, elapsed / time)
    return Numbers(
        symbols=symbols,
        call=decay_matrix(*arguments),
        slope=decay_matrix_slope(*arguments),
        tangent=decay_matrix_tangent(*arguments),
        by=(1, 0, 2),
        slopes=(by_current, by_order, (-xy, -xx, now * yy - xy, now * yx - xx)),
        tangents=(by_current, by_order),
        closed_forms=tuple(list_closed_forms(names, form, time, order, elapsed)),
        meaning="fundamental matrix of the homogeneous coordinates",
    )


def list_closed_forms(
    names: Names, form: Quadratic, time: sp.Symbol, order: sp.Symbol, elapsed: sp.Symbol
) -> Iterator[NumbersForm]:
    """The fundamental matrix for either sign of the current: elementary and Bessel functions."""
    positive = sp.Dummy("J", positive=True)
    drive, z = form.gain * form.current, sp.exp(-elapsed / time)
    half = solve_order(form)
    for sign in (1, -1):
        size = sp.sqrt(sign * drive)
        where = {form.current: sign * positive / form.gain}
        if half:
            even, odd = (sp.cos, sp.sin) if sign > 0 else (sp.cosh, sp.sinh)
            c, s = even(size * (1 - z)), odd(size * (1 - z)) / size
            angle = (
                sp.atan2(size * names.y, names.x)
                if sign > 0
                else sp.atanh(size * names.y / names.x)
            )
            yield NumbersForm(
                where={**where, **half},
                values=tuple(e.subs(half) for e in (c, -s, z * drive * s, z * c)),
                wait=(-time * sp.log(1 - angle / size)).subs(half),
            )
        yield solve_bessel(where, size, time, order, elapsed, sign)


def solve_order(form: Quadratic) -> dict[sp.Symbol, sp.Expr]:
    """The parameter value for which the order is 1/2, if there is a simple one."""
    order = sp.simplify(-1 / (form.decay * form.time))
    for symbol in sorted(order.free_symbols, key=str):
        found = [s for s in sp.solve(order - sp.S.Half, symbol) if s.is_positive]
        if len(found) == 1:
            return {symbol: found[0]}
    return {}


def solve_bessel(
    where: dict[sp.Symbol, sp.Expr],
    size: sp.Expr,
    time: sp.Symbol,
    order: sp.Symbol,
    elapsed: sp.Symbol,
    sign: int,
) -> NumbersForm:
    """The fundamental matrix from the solutions exp(-t/2) J_(+-nu)(2 nu sqrt(J) exp(-t/(2 nu)))."""
    function = sp.besselj if sign > 0 else sp.besseli
    t = sp.Dummy("t", nonnegative=True)
    angle = 2 * order * size * sp.exp(-t / (2 * order))
    fade = sp.exp(-t / 2)
    # y, and x = -dy/dt by the recurrences of Bessel functions (DLMF 10.6.2, 10.29.2)
    solutions = (
        fade * function(order, angle),
        fade * function(-order, angle),
        fade * angle / (2 * order) * function(order - 1, angle),
        -sign * fade * angle / (2 * order) * function(1 - order, angle),
    )
    f0, g0, p0, q0 = starts = [sp.Dummy(name, real=True) for name in ("f0", "g0", "p0", "q0")]
    f, g, p, q = (e.subs(t, elapsed / time) for e in solutions)
    determinant = f0 * q0 - g0 * p0
    return NumbersForm(
        where=where,
        values=tuple(
            e / determinant
            for e in (f * q0 - g * p0, g * f0 - f * g0, p * q0 - q * p0, q * f0 - p * g0)
        ),
        constants={c: e.subs(t, 0) for c, e in zip(starts, solutions, strict=True)},
        solutions=((p, f), (q, g)),
    )


def build_initial(model: NeuronModel, names: Names, form: Quadratic) -> InitialCoordinate:
    """The learnable initial coordinate: the potential; there is no current yet."""
    initial = names.state(f"{form.voltage}0")
    return InitialCoordinate(
        symbol=initial,
        meaning="initial membrane potential; there is no current at the start",
        state=((initial - form.center) / form.scale, sp.Integer(1), sp.Integer(0)),
        value=form.center + form.scale * names.x / names.y,
        lower=-sp.oo,
        upper=sp.oo,
        default=model.rest[model.state.index(form.voltage)],
    )


def build_pseudospike(form: Quadratic, x: sp.Symbol, y: sp.Symbol, time: sp.Symbol) -> Pseudospike:
    """The pseudodynamics of Klos & Memmesheimer: a constant softplus drive (DESIGN 4.6)."""
    drive = form.gain * (form.current + PSEUDO_INPUT)
    width = sp.sqrt(PSEUDO_SOFTNESS * sp.log(1 + sp.exp(drive / PSEUDO_SOFTNESS)))
    angle = sp.atan2(width * y, x - y / 2)
    return Pseudospike(
        delay=time * angle / width,
        period=sp.pi * time / width,
        rate=1 - angle / sp.pi,
        meaning=(
            "after the trial's end the current and the pseudo input are replaced by a constant "
            "drive, positive by a softplus of width 10, so that the neuron always spikes"
        ),
        kick=False,
        free=False,
    )


# Long: the text of the steps.
def explain(
    names: Names, form: Quadratic, time: sp.Symbol, order: sp.Symbol, model: NeuronModel
) -> tuple[Step, ...]:
    """The derivation in steps."""
    x, y, t = names.x, names.y, sp.Symbol("t")
    drive = names.state("J")
    z = sp.Symbol("z")
    s = sp.Symbol("s")
    return (
        Step(
            title="Homogeneous coordinates",
            text=(
                "Measure the potential from the fixed point without current and write it as a "
                "ratio. (x, y) and its multiples are the same state; both sides of infinity are "
                "neighbours, and the equation becomes linear."
            ),
            equations=(
                sp.Eq(form.voltage, form.center + form.scale * x / y, evaluate=False),
                sp.Eq(drive, form.gain * form.current, evaluate=False),
                sp.Eq(dot(x), (drive * y - x) / time, evaluate=False),
                sp.Eq(dot(y), -x / time, evaluate=False),
            ),
        ),
        Step(
            title="Bessel functions",
            text=(
                "y obeys a linear equation of second order with an exponentially decaying "
                "coefficient, which Bessel functions solve (Watson, 4.31). Their order is the "
                "ratio of the time constants."
            ),
            equations=(
                sp.Eq(order, -1 / (form.decay * form.time), evaluate=False),
                sp.Eq(
                    sp.Function("y")(t),
                    sp.exp(-t / (2 * time))
                    * sp.besselj(
                        order, 2 * order * sp.sqrt(drive) * sp.exp(-t / (2 * order * time))
                    ),
                    evaluate=False,
                ),
            ),
        ),
        Step(
            title="Half-integer order",
            text=(
                "For nu = 1/2 these are a harmonic oscillator in z, with hyperbolic functions "
                "where J < 0: entire functions of J s^2. Other half-integers stay elementary too."
            ),
            equations=(
                sp.Eq(z, sp.exp(-t / time), evaluate=False),
                sp.Eq(s, 1 - z, evaluate=False),
                sp.Eq(
                    sp.Function("y")(t),
                    y * sp.cos(sp.sqrt(drive) * s)
                    - x * sp.sin(sp.sqrt(drive) * s) / sp.sqrt(drive),
                    evaluate=False,
                ),
            ),
        ),
        Step(
            title="Spike time",
            text=(
                f"The potential is infinite where y = 0. There y falls with the speed x/{time} "
                "> 0, so zeros are simple, and two of them are well apart (Sturm). For "
                "nu = 1/2 an arctangent gives the first; otherwise the solution is followed in "
                "steps too short for two, by the power series of its Bessel functions in "
                "1 - exp(-t/tau_s). No spike comes if y stays positive as the current dies away."
            ),
            equations=(
                sp.Eq(
                    sp.Symbol("t_spike"),
                    -time * sp.log(1 - sp.atan2(sp.sqrt(drive) * y, x) / sp.sqrt(drive)),
                    evaluate=False,
                ),
            ),
        ),
        Step(
            title="Input",
            text=(
                "An input adds to the current alone; potential and distance to the spike are "
                "continuous."
            ),
            equations=(),
        ),
        Step(
            title="Reset",
            text=(
                "Minus infinity is plus infinity reached from the other side: (x, 0) and (-1, 0) "
                "are the same state. The reset changes nothing; it normalises the coordinates."
            ),
        ),
    )
