r"""Two parabolas glued at their common vertex: onset and recovery of a spike of different speed.

$\dot V = a_\pm (V - c)^2 + d$ with $a_+$ above and $a_-$ below the glue point $c$, $d > 0$, a spike
at $V \to \infty$ and a reset to $-\infty$. On either side the angle of homogeneous coordinates
rotates with a constant velocity, so the time to the next spike is an arctangent and is itself a
coordinate in which the flow is a shift.
"""

from dataclasses import dataclass

import sympy as sp

from spiketheory.language.domains import is_positive
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

NAME = "glued parabolas"
REFERENCES = (
    "G. B. Ermentrout and N. Kopell, SIAM J. Appl. Math. 46, 233 (1986)",
    "R. Engelken, SparseProp, NeurIPS (2023), for phase transition curves of such neurons",
    "C. Klos and R.-M. Memmesheimer, Phys. Rev. Lett. 134, 027301 (2025)",
)


@dataclass(frozen=True)
class Parabolas:
    """The coefficients: steepness above and below the vertex, its place and height."""

    above: sp.Expr
    below: sp.Expr
    vertex: sp.Expr
    height: sp.Expr


def read_parabolas(model: NeuronModel) -> Parabolas | str:
    """Read the equation as two parabolas with a common vertex, or say why it is none."""
    if len(model.state) != 1:
        return f"it has {len(model.state)} state variables, and the method takes one"
    voltage, right = model.state[0], model.derivatives[0]
    kinks = [part for part in right.atoms(sp.Abs) if part.has(voltage)]
    if len(kinks) != 1 or not kinks[0].args[0].is_polynomial(voltage):
        return f"d{voltage}/dt does not hold one absolute value of {voltage}"
    inside = kinks[0].args[0]
    if sp.degree(inside, voltage) != 1 or inside.diff(voltage) != 1:
        return f"the absolute value in d{voltage}/dt is not of {voltage} minus a constant"
    vertex = sp.simplify(voltage - inside)
    sides = []
    for sign in (1, -1):
        side = sp.expand(right.xreplace({kinks[0]: sign * inside}).subs(voltage, voltage + vertex))
        if not side.is_polynomial(voltage) or sp.degree(side, voltage) != 2:
            return f"d{voltage}/dt is not quadratic on both sides of {voltage} = {vertex}"
        if sp.simplify(side.coeff(voltage, 1)) != 0:
            return f"the parabolas do not have their vertices at {voltage} = {vertex}"
        sides.append([sp.factor(sp.simplify(side.coeff(voltage, k))) for k in (2, 0)])
    return Parabolas(sides[0][0], sides[1][0], vertex, sides[0][1])


def explain_mismatch(model: NeuronModel) -> str | None:
    """Say why this method cannot solve ``model``; None if it can."""
    found = read_parabolas(model)
    if isinstance(found, str):
        return found
    voltage = model.state[0]
    for what, value in (("steepness", found.above), ("steepness", found.below),
                        ("height", found.height)):  # fmt: skip
        if not is_positive(value, model.parameters):
            return f"the {what} {value} is not positive on the parameters' domains"
    if not model.spike.is_blowup or model.reset != (-sp.oo,):
        return f"its spike is not at {voltage} -> oo with reset to -oo"
    if model.other_inputs:
        return "it takes input at several ports"
    if sp.simplify(model.jump[0] - voltage - WEIGHT) != 0:
        return f"its input does not add the weight to {voltage}"
    return None


class Sides:
    """Symbols and formulas of the chart whose coordinate is the time to the next spike."""

    def __init__(self, model: NeuronModel, found: Parabolas) -> None:
        names = Names(model)
        self.names, self.found, self.voltage = names, found, model.state[0]
        self.ahead = names.state("ahead")
        self.fast = names.constant("omega_on", positive=True)
        self.slow = names.constant("omega_off", positive=True)
        self.upper = names.constant("b_on", positive=True)
        self.lower = names.constant("b_off", positive=True)
        self.glue = names.constant("t_glue", positive=True)
        self.period = names.constant("Theta", positive=True)
        self.center = names.constant("V_glue", real=True)

    @property
    def constants(self) -> tuple[Constant, ...]:
        """The derived constants."""
        found = self.found
        return (
            Constant(symbol=self.center, value=found.vertex, meaning="glue point"),
            Constant(symbol=self.upper, value=sp.sqrt(sp.simplify(found.height / found.above)),
                     meaning="half-width of the parabola above the glue point"),
            Constant(symbol=self.lower, value=sp.sqrt(sp.simplify(found.height / found.below)),
                     meaning="half-width of the parabola below it"),
            Constant(symbol=self.fast, value=sp.simplify(found.above * self.upper),
                     meaning="angular velocity above the glue point"),
            Constant(symbol=self.slow, value=sp.simplify(found.below * self.lower),
                     meaning="angular velocity below it"),
            Constant(symbol=self.glue, value=sp.pi / (2 * self.fast),
                     meaning="time from the glue point to the spike"),
            Constant(symbol=self.period, value=self.glue + sp.pi / (2 * self.slow),
                     meaning="period between spikes without input"),
        )  # fmt: skip

    def leave(self) -> sp.Expr:
        """The potential."""
        near, far = self.fast * self.ahead, self.slow * (self.ahead - self.glue)
        return self.center + sp.Piecewise(
            (self.upper * sp.cos(near) / sp.sin(near), self.ahead <= self.glue),
            (-self.lower * sp.sin(far) / sp.cos(far), True),
        )

    def enter(self, voltage: sp.Expr) -> sp.Expr:
        """The time to the next spike of a potential."""
        return self.measure(voltage - self.center, sp.S.One)

    def measure(self, above: sp.Expr, size: sp.Expr) -> sp.Expr:
        """The time to the next spike where the potential is ``above/size`` from the glue point."""
        return sp.Piecewise(
            (sp.atan2(self.upper * size, above) / self.fast, above >= 0),
            (self.glue + sp.atan2(-above, self.lower * size) / self.slow, True),
        )

    def jump(self, weight: sp.Expr) -> sp.Expr:
        """The time to the next spike after an input: the phase transition curve."""
        near, far = self.fast * self.ahead, self.slow * (self.ahead - self.glue)
        on = self.ahead <= self.glue
        size = sp.Piecewise((sp.sin(near), on), (sp.cos(far), True))
        above = sp.Piecewise((self.upper * sp.cos(near), on), (-self.lower * sp.sin(far), True))
        return self.measure(above + weight * size, size)


# Long: the derivation, written out as one record.
def solve(model: NeuronModel) -> Derivation:
    """Derive flow, spike time, jump, reset, gradients and pseudospikes of two glued parabolas.

    Args:
        model: A model for which `explain_mismatch` returns None.

    Returns:
        The derivation, not yet verified.
    """
    found = read_parabolas(model)
    assert isinstance(found, Parabolas)
    sides = Sides(model, found)
    names, ahead, period = sides.names, sides.ahead, sides.period
    elapsed, phase = names.constant("elapsed", nonnegative=True), names.state("phi0")
    kicked = sides.jump(PSEUDO_INPUT)
    return Derivation(
        model=model,
        method=NAME,
        reason=(
            f"d{model.state[0]}/dt is quadratic on either side of one point, where the parabolas "
            "have their common vertex, and positive there: two rotations of different speed, and "
            "the time to the next spike is a coordinate in which the flow is a shift"
        ),
        chart=Chart(
            name="time to the next spike without input",
            coordinates=(ahead,),
            to_state=(sides.leave(),),
            from_state=(sides.enter(sides.voltage),),
            field=(sp.Integer(-1),),
            surface=ahead,
        ),
        constants=sides.constants,
        propagator=Propagator(
            symbols=(elapsed,), branches=(Branch(condition=sp.true, values=(DURATION,)),)
        ),
        solution=ClosedForm(
            flow=(ahead - elapsed,),
            time_to_spike=(Branch(condition=sp.true, values=(ahead,)),),
            time_to_spike_gradient=(sp.Integer(1),),
        ),
        will_spike=ahead < elapsed,
        jump=(sides.jump(WEIGHT),),
        reset=(period,),
        initial=InitialCoordinate(
            symbol=phase,
            meaning="initial phase: time since the last spike, without input",
            state=(period - phase,),
            value=period - ahead,
            lower=sp.Integer(0),
            upper=period,
            default=period - sides.enter(model.rest[0]),
        ),
        pseudospike=Pseudospike(
            delay=kicked,
            period=period,
            rate=1 - kicked / period,
            meaning=(
                "the pseudo input kicks the neuron once at the end of the trial; it then runs "
                "freely, and its pseudo rate is its phase after the kick in units of the period"
            ),
            kick=True,
            free=True,
        ),
        steps=explain(sides, found),
        references=REFERENCES,
    )


def explain(sides: Sides, found: Parabolas) -> tuple[Step, ...]:
    """The derivation in steps."""
    u, voltage, ahead = sides.names.state("u"), sides.voltage, sides.ahead
    return (
        Step(
            title="Two parabolas",
            text="Measure the potential from the glue point, the vertex of both parabolas.",
            equations=(
                sp.Eq(u, voltage - found.vertex, evaluate=False),
                sp.Eq(
                    dot(u),
                    sp.Piecewise(
                        (found.above * u**2 + found.height, u >= 0),
                        (found.below * u**2 + found.height, True),
                    ),
                    evaluate=False,
                ),
            ),
        ),
        Step(
            title="Time to the next spike",
            text=(
                "On either side the angle of homogeneous coordinates rotates with constant "
                "velocity; above the glue point it takes t_glue to the spike, below it the time "
                "to the glue point comes on top. This time is the coordinate."
            ),
            equations=(
                sp.Eq(ahead, sides.measure(u, sp.S.One), evaluate=False),
                sp.Eq(dot(ahead), -1, evaluate=False),
            ),
        ),
        Step(
            title="Input",
            text=(
                "An input of weight w adds to the potential; in the chart it is the phase "
                "transition curve, without poles at the spike or the reset."
            ),
            equations=(sp.Eq(after(ahead), sides.jump(WEIGHT), evaluate=False),),
        ),
        Step(
            title="Reset",
            text="After the spike the whole period lies ahead.",
            equations=(sp.Eq(after(ahead), sides.period, evaluate=False),),
        ),
    )
