"""Direct integration of a model's own equation to 50 digits, which knows no closed form.

Extrapolation of the modified midpoint rule (Gragg, Bulirsch and Stoer) with step control. A
variable that blows up is followed as V where ``|V| <= 1`` and as W = 1/V elsewhere, so that the
spike, W = 0, is a regular point. The last stretch is integrated with the spiking variable in the
place of time, which ends on the spike exactly (M. Henon, Physica D 5, 412, 1982).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import flint
import mpmath
import sympy as sp
from mpmath import mpf

from spiketheory.errors import VerificationError
from spiketheory.language.model import NeuronModel
from spiketheory.language.removable import resolve_removable
from spiketheory.runtime.special_mpmath import exp_dd, from_ball, to_ball

Vector = list[mpf]
Field = Callable[[Vector], Vector]
Balls = list[flint.arb]
BallField = Callable[[Balls], Balls]

MAX_ROWS = 40
MAX_STEPS = 2000
DIGITS = 54
LARGEST = 2**30
"""No coordinate may grow by more in a step: such a step is far too long."""
FAR = 1 / mpf(4)
"""Below this 1/V a blow-up steeper than a parabola is certain, if V grows at all."""
ZERO = flint.arb(0)
NEAR_ZERO = flint.arb(2) ** -10
"""Below, a quotient that is 0/0 at zero would lose digits to the radius of its argument."""
with flint.ctx.workprec(1000):
    PI = flint.arb.pi()
GUARD_DIGITS = 6
STEEP = 3
"""Exponent from which on exponential growth is taken for certain."""


def extrapolate_step(
    field: BallField, start: Vector, step: mpf, tolerance: mpf
) -> tuple[Vector, int]:
    """One step; returns the end and the number of rows it took, 0 if it did not converge.

    In ball arithmetic, which is faster than mpmath's; the radii stay at the rounding errors.
    """
    with flint.ctx.workprec(mpmath.mp.prec):
        first, length = list(map(to_ball, start)), to_ball(step)
        end, rows = extrapolate_balls(field, first, length, to_ball(tolerance))
        return ([from_ball(v) for v in end] if rows else start), rows


def extrapolate_balls(
    field: BallField, start: Balls, step: flint.arb, tolerance: flint.arb
) -> tuple[Balls, int]:
    """`extrapolate_step` in the working precision of the balls."""
    slope = field(start)
    largest = LARGEST * (1 + max((abs(v).mid() for v in start), default=ZERO))
    previous: list[Balls] = []
    for row in range(1, MAX_ROWS + 1):
        count = 2 * row
        h = step / count
        old, new = start, [y + h * k for y, k in zip(start, slope, strict=True)]
        for _ in range(count - 1):
            if not all(abs(v) < largest for v in new):
                return start, 0
            k = field(new)
            old, new = new, [a + 2 * h * b for a, b in zip(old, k, strict=True)]
        current = [new]
        for j, coarse in enumerate(previous):
            small, fine = (row - j - 1) ** 2, current[-1]
            current.append([
                f + (f - c) * small / (row * row - small) for f, c in zip(fine, coarse, strict=True)
            ])  # fmt: skip
        if row > 4:
            changes = [abs(a - b) for a, b in zip(current[-1], current[-2], strict=True)]
            change, size = sum(changes, ZERO), sum(map(abs, current[-1]), abs(step))
            # A variable of 1e40 must not hide what becomes of another one.
            least = min(size.mid(), flint.arb(1))
            if all(
                d.mid() <= tolerance * max(abs(v).mid(), least)
                for d, v in zip(changes, current[-1], strict=True)
            ):
                return current[-1], row
            if not change.is_finite() or (row > 8 and change.mid() > size.mid()):
                break
        previous = current
    return start, 0


class Reference:
    """A model's equation at one set of parameters.

    Args:
        model: The model.
        parameters: A value for every parameter, by symbol.
        digits: To how many digits it integrates.

    Raises:
        VerificationError: If the spike's threshold depends on the state.
    """

    def __init__(
        self, model: NeuronModel, parameters: Mapping[sp.Symbol, mpf], *, digits: int = DIGITS
    ) -> None:
        self.digits, self.tolerance = digits + GUARD_DIGITS, mpf(10) ** -digits
        self.rows_wanted = digits // 2
        spike, names = model.spike, list(parameters)
        if spike.value.free_symbols - set(names):
            raise VerificationError(
                f"Check 'direct integration' failed: expected a spike at a constant value but got "
                f"{spike.variable} = {spike.value}; extend spiketheory.reference.integrate first."
            )
        self.steps = 0
        self.index = model.state.index(spike.variable)
        model = write_exponentials(resolve_removable(model))
        rate = model.derivatives[self.index]
        self.is_crossing = model.is_crossing
        grows = [] if self.is_crossing else list_growing(rate, spike.variable, parameters)
        self.is_steep = bool(grows)
        self.is_blowup = spike.is_blowup and not grows
        self.exponent = bind(model.state, parameters, [grows[0].args[0]]) if self.is_steep else None
        self.steepness = (
            bind((), parameters, [grows[0].args[0].diff(spike.variable)])([])[0]
            if self.is_steep else mpf(1)
        )  # fmt: skip
        kinks = [e for e in rate.atoms(sp.Abs) if e.has(spike.variable)]
        self.kink = None
        if kinks:
            place = sp.solve(kinks[0].args[0], spike.variable)[0]
            self.kink = bind((), parameters, [place])([])[0]
        self.above = True
        self.fields: dict[tuple[bool, bool], BallField] = {}
        for above in (True, False):
            side = resolve_kink(model, kinks, 1 if above else -1)
            self.fields[False, above] = bind_balls(model.state, parameters, side)
            if self.is_blowup:
                state, derivatives = invert(model, side, sp.Dummy("W", real=True))
                self.fields[True, above] = bind_balls(state, parameters, derivatives)
        self.is_endless = spike.is_blowup and self.is_steep
        polynomial = self.is_blowup and rate.is_polynomial(spike.variable)
        self.degree = int(sp.degree(rate, spike.variable)) if polynomial else 2
        value = 0 if spike.is_blowup else spike.value
        self.target = bind((), parameters, [value])([])[0]

    def swap(self, vector: Vector) -> Vector:
        """From V to 1/V or back."""
        return [1 / v if i == self.index else v for i, v in enumerate(vector)]

    def is_far(self, vector: Vector, inverted: bool) -> bool:
        """Whether a state is better described by 1/V."""
        if not self.is_blowup:
            return False
        return bool((abs(vector[self.index]) < 1) == inverted)

    def follow(self, state: Vector, duration: mpf) -> tuple[Vector, mpf | None]:
        """Integrate over ``duration`` or up to the spike.

        Returns:
            The state, and None; or the state before the spike's step, and the spike's time.
        """
        with mpmath.workdps(self.digits):
            return self.follow_precisely(state, duration)

    def follow_precisely(self, state: Vector, duration: mpf) -> tuple[Vector, mpf | None]:
        """Integrate as `follow` does, in the working precision that the caller has set."""
        inverted = self.is_far(state, False)
        vector = self.swap(state) if inverted else list(state)
        self.above = self.kink is None or state[self.index] >= self.kink
        left, step = duration, self.guess_step(vector, inverted)
        safe = False
        for _ in range(MAX_STEPS):
            if not safe and self.is_exploding(vector, inverted):
                reached = self.reach(vector, inverted)[-1]
                if reached <= left:
                    near = self.swap(vector) if inverted else vector
                    return near, duration - left + reached
                safe = True
            step = min(step, left)
            self.steps += 1
            field = self.fields[inverted, self.above]
            end, rows = extrapolate_step(field, vector, step, self.tolerance)
            if not rows:
                step /= 2
                continue
            if self.is_across_kink(end, inverted):
                *vector, passed = self.reach(vector, False, self.kink)
                if not 0 <= passed <= left:
                    raise stuck(left)
                self.above, left = not self.above, left - passed
                if not left:
                    return vector, None
                continue
            if self.crosses(vector, end, inverted) or self.peaks(field, vector, end, step):
                vector, passed = self.approach(field, vector, step)
                spike = duration - left + passed + self.reach(vector, inverted)[-1]
                return (self.swap(vector) if inverted else vector), spike
            if self.is_crossing:
                end, step = self.stop_below(field, vector, end, step)
            vector, left = end, left - step
            if not left:
                return (self.swap(vector) if inverted else vector), None
            if self.is_far(vector, inverted) != inverted:
                vector, inverted = self.swap(vector), not inverted
            step = step * 3 / 2 if rows < self.rows_wanted else step
        raise stuck(duration)

    def guess_step(self, vector: Vector, inverted: bool) -> mpf:
        """A first step: in which no coordinate changes by more than its own size, or by 1."""
        speeds = self.fields[inverted, self.above](list(map(to_ball, vector)))
        ratios = [
            (1 + abs(v)) / abs(from_ball(s))
            for v, s in zip(vector, speeds, strict=True) if s.is_finite() and from_ball(s) != 0
        ]  # fmt: skip
        return min([mpf(1) / 8, *ratios])

    def is_across_kink(self, end: Vector, inverted: bool) -> bool:
        """Whether a step ends on the other side of the kink than the equations are for."""
        if self.kink is None or inverted:
            return False
        return bool(end[self.index] < self.kink if self.above else end[self.index] >= self.kink)

    def crosses(self, start: Vector, end: Vector, inverted: bool) -> bool:
        """Whether the spike lies between two states."""
        before, after = start[self.index] - self.target, end[self.index] - self.target
        if self.is_blowup:
            return bool(inverted and before > 0 >= after)
        if self.is_endless:
            return False  # the spiking variable becomes the clock before
        return bool(before < 0 <= after)

    def peaks(self, field: BallField, start: Vector, end: Vector, step: mpf) -> bool:
        """Whether V rises above a threshold and comes back below it within a step (concave)."""
        if self.is_blowup or self.is_endless or start[self.index] >= self.target:
            return False
        return self.find_turn(field, start, end, step, 1) is not None

    def stop_below(
        self, field: BallField, start: Vector, end: Vector, step: mpf
    ) -> tuple[Vector, mpf]:
        """The end of a step, but where V comes back below a threshold and crosses it again."""
        if min(start[self.index], end[self.index]) < self.target:
            return end, step
        found = self.find_turn(field, start, end, step, -1)
        return (end, step) if found is None else found

    def find_turn(
        self, field: BallField, start: Vector, end: Vector, step: mpf, side: int
    ) -> tuple[Vector, mpf] | None:
        """Where in a step that begins and ends on one side of a threshold V is on the other.

        Args:
            field: The equations.
            start: Where the step begins.
            end: Where it ends.
            step: The step.
            side: 1 for above, -1 for below.

        Returns:
            The state and the time, or None.
        """
        rise, fall = side * self.get_speed(field, start), side * self.get_speed(field, end)
        if not rise > 0 > fall:
            return None
        early, late = mpf(0), step
        last = 0
        for _ in range(MAX_STEPS):
            middle = early - rise * (late - early) / (fall - rise)
            state, rows = extrapolate_step(field, start, middle, self.tolerance)
            if not rows:
                break
            beyond = side * (state[self.index] - self.target)
            if beyond > 0:
                return state, middle
            speed = side * self.get_speed(field, state)
            rest = late - middle if speed > 0 else middle - early
            if beyond + abs(speed) * rest <= 0:
                return None
            if speed > 0:  # regula falsi; an end that stays twice counts half (Illinois)
                early, rise, fall = middle, speed, fall / 2 if last > 0 else fall
            else:
                late, fall, rise = middle, speed, rise / 2 if last < 0 else rise
            last = 1 if speed > 0 else -1
        raise stuck(step)

    def approach(self, field: BallField, start: Vector, step: mpf) -> tuple[Vector, mpf]:
        """Go towards a threshold that a step crosses, to where V may take the place of time.

        Where the threshold is almost grazed, V as a function of time turns around just beyond it.
        Newton's method in time comes from below there, where V is concave.
        """
        state, passed, last = start, mpf(0), step
        if self.is_blowup or self.is_endless:
            return state, passed
        for _ in range(MAX_STEPS):
            speed = self.get_speed(field, state)
            wait = (self.target - state[self.index]) / speed if speed > 0 else last / 2
            if not 0 < wait < last or (speed > 0 and 32 * wait < last):
                break
            ahead, rows = extrapolate_step(field, start, passed + wait, self.tolerance)
            if not rows or ahead[self.index] >= self.target:
                if speed > 0:
                    break
                last = wait
                continue
            state, passed, last = ahead, passed + wait, wait if speed > 0 else last - wait
        return state, passed

    def get_speed(self, field: BallField, vector: Vector) -> mpf:
        """Speed of the variable that spikes."""
        with flint.ctx.workprec(mpmath.mp.prec):
            return from_ball(field(list(map(to_ball, vector)))[self.index])

    def is_exploding(self, vector: Vector, inverted: bool) -> bool:
        """Whether a steep growth has set in, so that the spiking variable can be the clock."""
        if self.degree > 2 and inverted and 0 < vector[self.index] < FAR:
            return self.get_speed(self.fields[True, self.above], vector) < 0
        if self.exponent is None or self.exponent(vector)[0] < STEEP:
            return False
        return bool(self.fields[False, self.above](list(map(to_ball, vector)))[self.index] > 0)

    def arrive(self, state: Vector, longest: mpf) -> tuple[Vector, mpf | None]:
        """The state at the next spike and its time; None if none comes within ``longest``.

        The spiking variable then is what it reached.
        """
        with mpmath.workdps(self.digits):
            near, spike = self.follow_precisely(state, longest)
            if spike is None:
                return near, None
            inverted = self.is_far(near, False)
            end = self.reach(self.swap(near) if inverted else near, inverted)
            return end[:-1], spike

    def reach(self, vector: Vector, inverted: bool, target: mpf | None = None) -> Vector:
        """State at the spike and time to it from near it: integrates over the spiking variable.

        Exponential growth is followed until no digit of the time is left to come.
        """
        field, index = self.fields[inverted, self.above], self.index

        def by_variable(extended: Balls) -> Balls:
            slopes = field(extended[:-1])
            speed = slopes[index]
            return [*(slope / speed for slope in slopes), 1 / speed]

        extended = [*vector, mpf(0)]
        left = step = (self.target if target is None else target) - vector[index]
        if self.is_endless:
            left = self.digits * mpmath.ln(10) / self.steepness
        if self.is_steep:
            step = 1 / abs(self.steepness)
        for _ in range(MAX_STEPS):
            step = step if abs(step) < abs(left) else left
            self.steps += 1
            end, rows = extrapolate_step(by_variable, extended, step, self.tolerance)
            if not rows:
                step /= 2
                continue
            extended, left = end, left - step
            if not left:
                return extended
            step = step * 3 / 2 if rows < self.rows_wanted else step
        raise stuck(left)


def write_exponentials(model: NeuronModel) -> NeuronModel:
    """The model with hyperbolic functions of the variable that spikes in exponentials."""
    V = model.spike.variable
    written = tuple(
        d.replace(lambda e: isinstance(e, sp.cosh | sp.sinh) and e.has(V),
                  lambda e: e.rewrite(sp.exp))
        for d in model.derivatives
    )  # fmt: skip
    return model if written == model.derivatives else replace(model, derivatives=written)


def list_growing(rate: sp.Expr, V: sp.Symbol, parameters: Mapping[sp.Symbol, mpf]) -> list[sp.Expr]:
    """Exponentials that grow with V, the steepest first; those that fall do not make it blow up.

    None where they stand in a denominator or under a function, as in a sigmoid, which is bounded.
    """
    found: list[tuple[mpf, sp.Expr]] = []
    parts = [e for e in rate.atoms(sp.exp) if e.has(V)]
    named = rate.xreplace({e: sp.Dummy(real=True) for e in parts})
    if not named.is_polynomial(*(named.free_symbols - rate.free_symbols)):
        return []
    for part in parts:
        slope = part.args[0].diff(V)
        if slope != 0:
            free = slope.free_symbols <= set(parameters)
            steepness = bind((), parameters, [slope])([])[0] if free else mpf(1)
            if steepness > 0:
                found.append((steepness, part))
    return [part for _, part in sorted(found, key=lambda pair: (-pair[0], str(pair[1])))]


def resolve_kink(model: NeuronModel, kinks: Sequence[sp.Expr], sign: int) -> tuple[sp.Expr, ...]:
    """The equations on one side of where an absolute value has its kink."""
    resolved = {kink: sign * kink.args[0] for kink in kinks}
    return tuple(derivative.xreplace(resolved) for derivative in model.derivatives)


def invert(
    model: NeuronModel, derivatives: Sequence[sp.Expr], inverse: sp.Symbol
) -> tuple[tuple[sp.Symbol, ...], tuple[sp.Expr, ...]]:
    """Write the equations with W = 1/V in the place of the variable V that blows up."""
    variable = model.spike.variable
    state, inverted = [], []
    for symbol, derivative in zip(model.state, derivatives, strict=True):
        factor = -(inverse**2) if symbol == variable else sp.S.One
        state.append(inverse if symbol == variable else symbol)
        inverted.append(sp.cancel(factor * derivative.subs(variable, 1 / inverse)))
    return tuple(state), tuple(inverted)


def bind(
    state: Sequence[sp.Symbol], parameters: Mapping[sp.Symbol, mpf], values: Sequence[sp.Expr]
) -> Field:
    """Compile expressions of the state at given parameters."""
    modules = [{"exp_dd": lambda *points: exp_dd(points)}, "mpmath"]
    compiled = sp.lambdify([*state, *parameters], list(values), modules, cse=True, dummify=True)
    numbers = tuple(parameters.values())
    return lambda vector: [mpf(v) for v in compiled(*vector, *numbers)]


def bind_balls(
    state: Sequence[sp.Symbol], parameters: Mapping[sp.Symbol, mpf], values: Sequence[sp.Expr]
) -> BallField:
    """The same in ball arithmetic; numbers in the expressions are made balls once."""
    numbers: dict[sp.Expr, sp.Dummy] = {}
    freed = [free_numbers(v, numbers) for v in values]
    symbols = [*state, *parameters, *numbers.values()]
    compiled = sp.lambdify(symbols, freed, [BALLS, "mpmath"], cse=True, dummify=True)
    with flint.ctx.workprec(NUMBER_BITS):
        known = (*map(to_ball, parameters.values()), *map(make_ball, numbers))
    return lambda vector: [flint.arb(v) for v in compiled(*vector, *known)]


def free_numbers(expression: sp.Expr, numbers: dict[sp.Expr, sp.Dummy]) -> sp.Expr:
    """The expression with a symbol for every number that is no integer and no exponent."""
    if is_constant(expression):
        return numbers.setdefault(expression, sp.Dummy("number", real=True))
    if not expression.args or isinstance(expression, sp.Piecewise):
        return expression
    if isinstance(expression, sp.Pow):
        return sp.Pow(free_numbers(expression.base, numbers), expression.exp, evaluate=False)
    *more, argument = expression.args
    if expression.is_Function and argument.is_Integer and not more:  # it takes a ball
        return expression.func(numbers.setdefault(argument, sp.Dummy("number", real=True)))
    return expression.func(*(free_numbers(a, numbers) for a in expression.args))


def is_constant(expression: sp.Expr) -> bool:
    """Whether an expression is a float, a fraction, or a power of positive rational numbers."""
    if isinstance(expression, sp.Pow):
        return all(e.is_Rational for e in expression.args) and bool(expression.base.is_positive)
    return isinstance(expression, sp.Float) or (
        expression.is_Rational and not expression.is_Integer
    )


def make_ball(number: sp.Expr) -> flint.arb:
    """A constant as a ball."""
    if isinstance(number, sp.Float):
        return to_ball(mpmath.make_mpf(number._mpf_))
    if isinstance(number, sp.Pow):
        return make_ball(number.base) ** make_ball(number.exp)
    return flint.arb(flint.fmpq(int(number.p), int(number.q)))


NUMBER_BITS = 1000
"""Precision of numbers that stand in expressions."""


def ball_exp_dd(points: Sequence[flint.arb]) -> flint.arb:
    """The divided difference of exp at 0 and n equal points x, 1F1(n; n + 1; x)/n!."""
    count = len(points) - 1
    x = flint.arb(points[-1])
    if count == 1 and abs(x) > NEAR_ZERO:
        return x.expm1() / x
    return x.hypgeom_1f1(flint.arb(count), flint.arb(count + 1)) / flint.arb(count).fac()


def take_numbers(method: Callable[[flint.arb], flint.arb]) -> Callable[[Any], flint.arb]:
    """A method of balls that takes other numbers, too: by itself it would read their bytes."""
    return lambda x: method(x if type(x) is flint.arb else flint.arb(x))


BALLS: dict[str, Any] = {
    **{
        name: take_numbers(getattr(flint.arb, name))
        for name in ("exp", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh")
    },
    "exp_dd": lambda *points: ball_exp_dd(points),
    "mpf": lambda x: to_ball(mpf(x)),
    "pi": PI,
}
"""Functions of mpmath's names for balls."""


def stuck(span: mpf) -> VerificationError:
    """Make the error of an integration that does not get to its end."""
    return VerificationError(
        f"Check 'direct integration' failed: expected the model's equation to be integrated over "
        f"{mpmath.nstr(span, 5)} in {MAX_STEPS} steps but got stuck; check that its derivatives "
        "are smooth."
    )
