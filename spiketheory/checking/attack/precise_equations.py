"""A model's equations in any number of digits: its field on each side of every kink, and events."""

import math
from collections.abc import Sequence
from typing import Any

import flint
import mpmath
import sympy as sp
from mpmath import mpf

from spiketheory.checking.attack.equations import POWER, find_growth
from spiketheory.checking.attack.sides import Kink, find_kinks, resolve
from spiketheory.errors import VerificationError
from spiketheory.language.model import NeuronModel
from spiketheory.language.symbols import WEIGHT
from spiketheory.reference.integrate import BALLS
from spiketheory.reference.integrate import extrapolate_step as take_step
from spiketheory.runtime.special_mpmath import from_ball, to_ball

Vector = list[mpf]
LIBRARY: dict[str, Any] = {
    **BALLS,
    "atan": lambda x: flint.arb(x).atan(),
    "Abs": lambda x: abs(flint.arb(x)),
    "abs": lambda x: abs(flint.arb(x)),
}


class Lost(VerificationError):
    """A trial that cannot be followed; it shows nothing."""


def read_ball(ball: Any) -> mpf:
    """The middle of a ball.

    Raises:
        Lost: If it is not finite.
    """
    found = flint.arb(ball)
    if not found.mid().is_finite():
        raise Lost("Expected finite numbers.")
    return from_ball(found)


class PreciseEquations:
    """A model as functions of balls, at one set of parameters at a time.

    Args:
        model: The model.
        digits: Digits of the arithmetic.
    """

    def __init__(self, model: NeuronModel, digits: int = 60) -> None:
        self.model, self.digits = model, digits
        self.voltage = model.state.index(model.spike.variable)
        self.kind, exponent, self.steepness = find_growth(model)
        self.exponent = int(exponent)
        if self.kind == POWER and self.exponent != exponent:
            raise Lost(f"Expected a whole exponent of growth but got {exponent:.3g}.")
        self.kinks: tuple[Kink, ...] = find_kinks(model.derivatives)
        self.symbols = [*model.state, *(p.symbol for p in model.parameters)]
        self.functions: dict[Any, Any] = {}
        self.tolerance = mpf(10) ** -digits
        self.budget = math.inf
        self.numbers: list[flint.arb] = []

    def bind(self, key: Any, values: Sequence[sp.Expr], *more: sp.Symbol) -> Any:
        """Expressions as a function of balls, made once."""
        if key not in self.functions:
            compiled = sp.lambdify([*self.symbols, *more], list(values), [LIBRARY, "mpmath"],
                                   cse=True, dummify=True)  # fmt: skip
            self.functions[key] = compiled
        return self.functions[key]

    def evaluate(self, key: Any, values: Sequence[sp.Expr], state: Vector, *more: Any) -> Vector:
        """Values of expressions at a state."""
        function = self.bind(key, values, *([WEIGHT] if more else []))
        with flint.ctx.workprec(mpmath.mp.prec):
            found = function(*map(to_ball, state), *self.numbers, *map(to_ball, more))
            return [read_ball(v) for v in found]

    def take_step(self, rate: Any, state: Vector, step: mpf) -> tuple[Vector, int]:
        """One step, and how many rows it took; 0 if it did not converge.

        Raises:
            Lost: If more steps have been taken than may be.
        """
        self.budget -= 1
        if self.budget < 0:
            raise Lost("Expected a trial of fewer steps in so many digits.")
        return take_step(rate, state, step, self.tolerance)

    def set_parameters(self, parameters: Sequence[Any]) -> None:
        """Give values to the parameters, in the model's order."""
        with flint.ctx.workprec(mpmath.mp.prec):
            self.numbers = [to_ball(mpf(v)) for v in parameters]

    def fire(self, state: Vector) -> Vector:
        """The state after a spike."""
        reset = list(self.model.reset)
        infinite = reset[self.voltage] == -sp.oo
        if infinite:
            reset[self.voltage] = sp.S.Zero
        before = list(state)
        if self.model.spike.is_blowup:
            before[self.voltage] = mpf(0)
        after = self.evaluate("reset", reset, before)
        if infinite:
            after[self.voltage] = -mpmath.inf
        return after

    def receive(self, state: Vector, weight: mpf) -> Vector:
        """The state after an input."""
        if mpmath.isinf(state[self.voltage]):
            away = [-(mpf(10) ** (4 * self.digits)) if i == self.voltage else v
                    for i, v in enumerate(state)]  # fmt: skip
            after = self.evaluate("jump", self.model.jump, away, weight)
            if after[self.voltage] < -(mpf(10) ** (2 * self.digits)):
                after[self.voltage] = -mpmath.inf
            return after
        return self.evaluate("jump", self.model.jump, state, weight)

    def get_height(self, state: Vector) -> mpf:
        """Distance to a threshold."""
        height = self.model.spike.value - self.model.spike.variable
        return self.evaluate("height", [height], state)[0]

    def is_beyond(self, state: Vector) -> bool:
        """Whether a state is on a threshold or beyond it."""
        return not self.model.spike.is_blowup and bool(self.get_height(state) <= 0)

    def get_sides(self, state: Vector) -> tuple[int, ...]:
        """The side of every kink that a state is on."""
        sides: list[int] = []
        for kink in self.kinks:
            where = resolve(kink.place, self.kinks, sides)
            value = self.evaluate(("kink", kink.number, tuple(sides)), [where], state)[0]
            sides.append(1 if value >= 0 else -1)
        return tuple(sides)

    def get_field(self, sides: tuple[int, ...]) -> Any:
        """The smooth field of one choice of sides, as a function of balls."""
        key = ("field", sides)
        if key not in self.functions:
            self.bind(key, [resolve(f, self.kinks, sides) for f in self.model.derivatives])
        function, numbers = self.functions[key], self.numbers
        return lambda vector: [flint.arb(v) for v in function(*vector, *numbers)]

    def measure(self, name: str, sides: tuple[int, ...], state: Vector) -> mpf:
        """``height``, its derivative ``climb``, or the place of a kink by number."""
        model = self.model
        height = model.spike.value - model.spike.variable
        if name == "height":
            return self.get_height(state)
        if name == "climb":
            rates = [resolve(f, self.kinks, sides) for f in model.derivatives]
            climb = sum((height.diff(s) * f for s, f in zip(model.state, rates, strict=True)),
                        sp.S.Zero)  # fmt: skip
            return self.evaluate(("climb", sides), [climb], state)[0]
        number = int(name)
        where = resolve(self.kinks[number].place, self.kinks, sides[:number])
        return self.evaluate(("kink", number, sides[:number]), [where], state)[0]

    def get_speed(self, state: Vector, V: mpf) -> mpf:
        """V' at another V."""
        moved = [V if i == self.voltage else v for i, v in enumerate(state)]
        return self.evaluate("field", self.model.derivatives, moved)[self.voltage]
