r"""Quadratic membrane equations with constant drive, linearised in homogeneous coordinates.

A membrane equation $\dot V = A V^2 + B V + C$ with $A > 0$, a spike at $V \to \infty$, a reset to
$-\infty$ and inputs that add to $V$ is a Riccati equation. Written as the ratio of two
coordinates it is linear, and the point at infinity, where the neuron spikes, is a point like any
other. With $D = C - B^2/(4A) > 0$ for all admissible parameters the flow is a rotation (chart
"elliptic"); otherwise trigonometric, hyperbolic and linear flow appear as one entire function
(chart "general").
"""

import sympy as sp

from spiketheory.language.domains import is_positive
from spiketheory.language.functions import sinc_slope
from spiketheory.language.model import NeuronModel
from spiketheory.language.symbols import DURATION, PSEUDO_INPUT, WEIGHT
from spiketheory.symbolic.derivation import (
    Branch,
    Chart,
    ClosedForm,
    Constant,
    Derivation,
    InitialCoordinate,
    Propagator,
    Pseudospike,
    Step,
)
from spiketheory.symbolic.methods.shared import Names, after, dot

NAME = "riccati"
REFERENCES = (
    "W. T. Reid, Riccati Differential Equations, Academic Press (1972), ch. 1",
    "G. B. Ermentrout and N. Kopell, SIAM J. Appl. Math. 46, 233 (1986)",
    "C. Klos and R.-M. Memmesheimer, Phys. Rev. Lett. 134, 027301 (2025)",
)
PSEUDO_SOFTNESS = sp.Integer(1)
"""How gradually the drive of the pseudodynamics leaves zero; our choice, of the order of d/a."""


def explain_mismatch(model: NeuronModel) -> str | None:
    """Say why this method cannot solve ``model``; None if it can."""
    if len(model.state) != 1:
        return f"it has {len(model.state)} state variables, and the method takes one"
    voltage = model.state[0]
    polynomial = sp.Poly(sp.expand(model.derivatives[0]), voltage, domain="EX") if (
        model.derivatives[0].is_polynomial(voltage)
    ) else None  # fmt: skip
    if polynomial is None or polynomial.degree() != 2:
        return f"d{voltage}/dt is not a quadratic polynomial of {voltage}"
    if not is_positive(polynomial.coeff_monomial(voltage**2), model.parameters):
        return explain_sign(voltage, polynomial.coeff_monomial(voltage**2))
    if not model.spike.is_blowup or model.reset != (-sp.oo,):
        return f"its spike is not at {voltage} -> oo with reset to -oo"
    if model.other_inputs:
        return "it takes input at several ports"
    if sp.simplify(model.jump[0] - voltage - WEIGHT) != 0:
        return f"its input does not add the weight to {voltage}"
    return None


def explain_sign(voltage: sp.Symbol, coefficient: sp.Expr) -> str:
    """Say that the coefficient of the square is not known to be positive, and what helps."""
    fault = f"the coefficient of {voltage}**2 is not positive on the parameters' domains"
    free = sorted((s for s in coefficient.free_symbols if not s.is_positive), key=str)
    if not free:
        return fault
    domains = " and ".join(f'domain = "{symbol} > 0"' for symbol in free)
    if not coefficient.subs({symbol: sp.Dummy(positive=True) for symbol in free}).is_positive:
        return f"{fault}; give {', '.join(map(str, free))} a domain on which it is"
    return f"{fault}; give {', '.join(map(str, free))} a domain such as {domains}"


def solve(model: NeuronModel) -> Derivation:
    """Derive flow, spike time, jump, reset, gradients and pseudospikes of a quadratic model.

    Args:
        model: A model for which `explain_mismatch` returns None.

    Returns:
        The derivation, not yet verified.
    """
    voltage = model.state[0]
    a, b, c = (
        sp.factor(model.derivatives[0].expand().coeff(voltage, power)) for power in (2, 1, 0)
    )
    center = sp.simplify(-b / (2 * a))
    drive = sp.factor(sp.simplify(c - b**2 / (4 * a)))
    shifted = Names(model).state("u")
    square = Step(
        title="Complete the square",
        text="Shift the membrane potential to the parabola's minimum.",
        equations=(
            sp.Eq(shifted, voltage - center, evaluate=False),
            sp.Eq(dot(shifted), a * shifted**2 + drive, evaluate=False),
        ),
    )
    if is_positive(drive, model.parameters):
        return solve_elliptic(model, a, center, drive, square)
    return solve_general(model, a, center, drive, square)


# Long: the derivation, written out as one record.
def solve_elliptic(
    model: NeuronModel, a: sp.Expr, center: sp.Expr, drive: sp.Expr, square: Step
) -> Derivation:
    """The drive is positive for all parameters: the neuron oscillates and the flow rotates."""
    voltage = model.state[0]
    names = Names(model)
    x, y = names.x, names.y
    scale = names.constant("b", positive=True)
    omega = names.constant("omega", positive=True)
    period = names.constant("Theta", positive=True)
    phase = names.state("phi0")
    cos, sin = names.state("cos_dt"), names.state("sin_dt")
    turns = names.constant("turns", nonnegative=True)
    gain = names.constant("inverse_b", positive=True)
    constants = (
        Constant(
            symbol=scale,
            value=sp.sqrt(sp.simplify(drive / a)),
            meaning=f"half-width of the parabola: u = {scale} x/y",
        ),
        Constant(
            symbol=omega,
            value=sp.simplify(a * scale),
            meaning="angular velocity of the homogeneous coordinates",
        ),
        Constant(symbol=period, value=sp.pi / omega, meaning="period between spikes without input"),
        Constant(symbol=gain, value=1 / scale, meaning="shear of the coordinates per input weight"),
    )
    chart = Chart(
        name="homogeneous coordinates, scaled so that the flow is a rotation",
        coordinates=(x, y),
        to_state=(center + scale * x / y,),
        from_state=((voltage - center) * gain, sp.Integer(1)),
        field=(omega * y, -omega * x),
        surface=y,
        projective=(x, y),
    )
    rest = sp.simplify(model.rest[0] - center)
    kicked = x + gain * PSEUDO_INPUT * y
    angle = sp.atan2(y, kicked)
    norm = x**2 + y**2
    return Derivation(
        model=model,
        method=NAME,
        reason=(
            f"d{voltage}/dt is quadratic in {voltage} with constant coefficients: a Riccati "
            "equation, linear in homogeneous coordinates; its discriminant is negative for all "
            "admissible parameters, so the flow is a rotation"
        ),
        chart=chart,
        constants=constants,
        propagator=Propagator(
            symbols=(cos, sin, turns),
            branches=(
                Branch(
                    condition=sp.true,
                    values=(
                        sp.cos(omega * DURATION),
                        sp.sin(omega * DURATION),
                        DURATION / period,
                    ),
                ),
            ),
        ),
        solution=ClosedForm(
            flow=(x * cos + y * sin, y * cos - x * sin),
            time_to_spike=(Branch(condition=sp.true, values=(sp.atan2(y, x) / omega,)),),
            time_to_spike_gradient=(-y / (omega * norm), x / (omega * norm)),
        ),
        will_spike=sp.Or(turns >= 1, y * cos - x * sin < 0),
        jump=(x + gain * WEIGHT * y, y),
        reset=(sp.Integer(-1), sp.Integer(0)),
        initial=InitialCoordinate(
            symbol=phase,
            meaning="initial phase: time since the last spike, without input",
            state=(-sp.cos(omega * phase), sp.sin(omega * phase)),
            value=(sp.pi - sp.atan2(y, x)) / omega,
            lower=sp.Integer(0),
            upper=period,
            default=period / 2 if rest == 0 else (sp.pi - sp.atan2(scale, rest)) / omega,
        ),
        pseudospike=Pseudospike(
            delay=angle / omega,
            period=period,
            rate=1 - angle / sp.pi,
            meaning=(
                "the pseudo input kicks the neuron once at the end of the trial; it then runs "
                "freely, and its pseudo rate is its phase after the kick in units of the period"
            ),
            kick=True,
            free=True,
        ),
        steps=(square, *explain_elliptic(names, scale, omega, period)),
        references=REFERENCES,
    )


def explain_coordinates(names: Names, ratio: sp.Expr, field: tuple[sp.Expr, sp.Expr]) -> Step:
    """The step to homogeneous coordinates, u = ``ratio``, which move along ``field``."""
    velocities = zip((names.x, names.y), field, strict=True)
    return Step(
        title="Homogeneous coordinates",
        text=(
            "Write u as a ratio. (x, y) and its multiples are the same state, so both sides "
            "of the point at infinity are neighbours, and the equation becomes linear."
        ),
        equations=(
            sp.Eq(names.state("u"), ratio, evaluate=False),
            *(sp.Eq(dot(symbol), velocity, evaluate=False) for symbol, velocity in velocities),
        ),
    )


def explain_events(x: sp.Symbol, sheared: sp.Expr) -> tuple[Step, Step]:
    """The steps Input and Reset; ``sheared`` is the first coordinate after an input."""
    return (
        Step(
            title="Input",
            text=(
                "An input of weight w adds to the potential: a shear, which leaves the second "
                "coordinate, and so spikes, alone."
            ),
            equations=(sp.Eq(after(x), sheared, evaluate=False),),
        ),
        Step(
            title="Reset",
            text=(
                "Minus infinity is plus infinity reached from the other side: (x, 0) and (-1, 0) "
                "are the same state. The reset changes nothing; it normalises the coordinates."
            ),
        ),
    )


def explain_elliptic(
    names: Names, scale: sp.Symbol, omega: sp.Symbol, period: sp.Symbol
) -> tuple[Step, ...]:
    """The steps after completing the square, elliptic chart."""
    x, y = names.x, names.y
    psi = names.state("psi")
    angle = sp.Eq(psi, sp.atan2(y, x), evaluate=False)
    return (
        explain_coordinates(names, scale * x / y, (omega * y, -omega * x)),
        Step(
            title="Flow",
            text="The coordinates rotate with constant angular velocity.",
            equations=(
                sp.Eq(
                    sp.Function("x")(DURATION),
                    x * sp.cos(omega * DURATION) + y * sp.sin(omega * DURATION),
                ),
                sp.Eq(
                    sp.Function("y")(DURATION),
                    y * sp.cos(omega * DURATION) - x * sp.sin(omega * DURATION),
                ),
            ),
        ),
        Step(
            title="Spike time",
            text=(
                "The potential is infinite where y = 0. With y >= 0 between spikes the angle psi "
                "lies in (0, pi] and falls at the rate omega: the neuron always spikes, and "
                "without input it does so every period."
            ),
            equations=(
                angle,
                sp.Eq(sp.Symbol("t_spike"), psi / omega, evaluate=False),
                sp.Eq(period, sp.pi / omega, evaluate=False),
            ),
        ),
        *explain_events(x, x + WEIGHT * y / scale),
    )


# Long: the derivation, written out as one record.
def solve_general(
    model: NeuronModel, a: sp.Expr, center: sp.Expr, drive: sp.Expr, square: Step
) -> Derivation:
    """The drive may have either sign: trigonometric, hyperbolic and linear flow in one."""
    voltage = model.state[0]
    names = Names(model)
    x, y = names.x, names.y
    gain = names.constant("a", positive=True)
    force = names.constant("d", real=True)
    beta = names.constant("beta", real=True)
    rate = names.constant("kappa", nonnegative=True)
    soft = names.constant("m", positive=True)
    even, odd = names.state("c_dt"), names.state("s_dt")
    turns = names.constant("turns", nonnegative=True)
    initial = names.state(f"{voltage}0")
    ratio = force / (gain * PSEUDO_SOFTNESS)
    constants = (
        Constant(symbol=gain, value=a, meaning="coefficient of the quadratic term"),
        Constant(symbol=force, value=drive, meaning="drive at the parabola's minimum"),
        Constant(symbol=beta, value=gain * force, meaning="sign decides: > 0 oscillates"),
        Constant(
            symbol=rate, value=sp.sqrt(sp.Abs(beta)), meaning="angular velocity or decay rate"
        ),
        Constant(
            symbol=soft,
            value=sp.sqrt(PSEUDO_SOFTNESS * sp.log(1 + sp.exp(ratio))),
            meaning="half-width of the parabola in the pseudodynamics (softplus of d/a)",
        ),
    )
    chart = Chart(
        name="homogeneous coordinates",
        coordinates=(x, y),
        to_state=(center + x / y,),
        from_state=(voltage - center, sp.Integer(1)),
        field=(force * y, -gain * x),
        surface=y,
        projective=(x, y),
    )
    denominator = gain * x**2 + force * y**2
    angle = sp.atan2(soft * y, x + PSEUDO_INPUT * y)
    return Derivation(
        model=model,
        method=NAME,
        reason=(
            f"d{voltage}/dt is quadratic in {voltage} with constant coefficients: a Riccati "
            "equation, linear in homogeneous coordinates; its discriminant may have either sign, "
            "so the flow is trigonometric, hyperbolic or linear"
        ),
        chart=chart,
        constants=constants,
        propagator=Propagator(
            symbols=(even, odd, turns),
            branches=(
                Branch(
                    condition=beta > 0,
                    values=(
                        sp.cos(rate * DURATION),
                        sp.sin(rate * DURATION) / rate,
                        rate * DURATION / sp.pi,
                    ),
                ),
                # Projective coordinates: times exp(-kappa dt), they stay finite at any duration.
                Branch(
                    condition=beta < 0,
                    values=(
                        (1 + sp.exp(-2 * rate * DURATION)) / 2,
                        (1 + sp.exp(-2 * rate * DURATION)) / 2 * sp.tanh(rate * DURATION) / rate,
                        sp.Integer(0),
                    ),
                ),
                Branch(condition=sp.true, values=(sp.Integer(1), DURATION, sp.Integer(0))),
            ),
            slopes={
                even: {beta: -DURATION * odd / 2},
                odd: {beta: DURATION**3 * sinc_slope(beta * DURATION**2)},
                turns: {},
            },
        ),
        solution=ClosedForm(
            flow=(x * even + force * y * odd, y * even - gain * x * odd),
            time_to_spike=(
                Branch(condition=beta > 0, values=(sp.atan2(rate * y, gain * x) / rate,)),
                Branch(condition=gain * x <= rate * y, values=(sp.oo,)),
                Branch(condition=beta < 0, values=(sp.atanh(rate * y / (gain * x)) / rate,)),
                Branch(condition=sp.true, values=(y / (gain * x),)),
            ),
            time_to_spike_gradient=(-y / denominator, x / denominator),
        ),
        will_spike=sp.Or(turns >= 1, y * even - gain * x * odd < 0),
        jump=(x + WEIGHT * y, y),
        reset=(sp.Integer(-1), sp.Integer(0)),
        initial=InitialCoordinate(
            symbol=initial,
            meaning="initial membrane potential",
            state=(initial - center, sp.Integer(1)),
            value=center + x / y,
            lower=-sp.oo,
            upper=sp.oo,
            default=model.rest[0],
        ),
        pseudospike=Pseudospike(
            delay=angle / (gain * soft),
            period=sp.pi / (gain * soft),
            rate=1 - angle / sp.pi,
            meaning=(
                "the pseudo input kicks the neuron once at the end of the trial; it then runs "
                "with the drive d replaced by a*log(1 + exp(d/a)) > 0, so that it always spikes"
            ),
            kick=True,
            free=False,
        ),
        steps=(square, *explain_general(names, gain, force, beta, rate, (even, odd))),
        references=REFERENCES,
    )


def explain_general(
    names: Names,
    gain: sp.Symbol,
    force: sp.Symbol,
    beta: sp.Symbol,
    rate: sp.Symbol,
    propagator: tuple[sp.Symbol, sp.Symbol],
) -> tuple[Step, ...]:
    """The steps after completing the square, general chart."""
    x, y = names.x, names.y
    even, odd = propagator
    sinc = sp.Piecewise(
        (sp.sin(rate * DURATION) / rate, beta > 0),
        (sp.sinh(rate * DURATION) / rate, beta < 0),
        (DURATION, True),
    )
    cos = sp.Piecewise(
        (sp.cos(rate * DURATION), beta > 0), (sp.cosh(rate * DURATION), beta < 0), (1, True)
    )
    return (
        explain_coordinates(names, x / y, (force * y, -gain * x)),
        Step(
            title="Flow",
            text=(
                "Both coordinates obey z'' = -beta z. Its two solutions are entire functions of "
                "beta dt^2. Where they are hyperbolic, both are multiplied by exp(-kappa dt): "
                "the same state, without overflow."
            ),
            equations=(
                sp.Eq(beta, gain * force, evaluate=False),
                sp.Eq(even, cos, evaluate=False),
                sp.Eq(odd, sinc, evaluate=False),
                sp.Eq(sp.Function("x")(DURATION), x * even + force * y * odd, evaluate=False),
                sp.Eq(sp.Function("y")(DURATION), y * even - gain * x * odd, evaluate=False),
            ),
        ),
        Step(
            title="Spike time",
            text=(
                "The neuron spikes where y = 0. For beta > 0 it always does. Otherwise there is "
                "an unstable fixed point at a x = kappa y, and the neuron spikes if and only if "
                "it is above."
            ),
        ),
        *explain_events(x, x + WEIGHT * y),
    )
