"""One trial of one neuron in any number of digits, for fields with kinks too.

Built on the extrapolation step of `spiketheory.reference.integrate` and on nothing else of it. On
either side of a kink (Abs, Max, Min, Piecewise) the smooth field of that side is integrated, and
steps end on the kink. On the way to a blow-up, and back from -oo, V is the clock: 1/V where it
grows like a power, V itself where it grows exponentially.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import flint
import mpmath
import sympy as sp
from mpmath import mpf

from spiketheory.checking.attack.equations import EXPONENTIAL, POWER, find_growth
from spiketheory.checking.attack.sides import Kink, find_kinks, resolve
from spiketheory.errors import VerificationError
from spiketheory.language.model import NeuronModel
from spiketheory.language.symbols import WEIGHT
from spiketheory.reference.integrate import BALLS
from spiketheory.reference.integrate import extrapolate_step as take_step
from spiketheory.runtime.special_mpmath import from_ball, to_ball

Vector = list[mpf]
FAR = 16
STEEP = 6
LONGEST_AT_KINKS = mpf(1) / 8
MOST_STEPS = 4000
GONE = mpf(10) ** 24
"""A variable of this size has left if it grows faster than exponentially."""
MOST_ROUNDS = 300
LIBRARY: dict[str, Any] = {
    **BALLS,
    "atan": lambda x: flint.arb(x).atan(),
    "Abs": lambda x: abs(flint.arb(x)),
    "abs": lambda x: abs(flint.arb(x)),
}


class Lost(VerificationError):
    """A trial that cannot be followed; it shows nothing."""


@dataclass(kw_only=True, eq=False)
class PreciseRun:
    """What happened.

    Attributes:
        spikes: Spike times.
        states: States on the way, one per step, as floats.
        escaped: Time at which a variable left for infinity; None if none did.
    """

    spikes: list[mpf] = field(default_factory=list)
    states: list[list[float]] = field(default_factory=list)
    escaped: mpf | None = None


class PreciseNeuron:
    """A neuron at one set of parameters.

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

    def bind(self, key: Any, values: Sequence[sp.Expr], *more: sp.Symbol) -> Any:
        """Expressions as a function of balls, made once."""
        if key not in self.functions:
            compiled = sp.lambdify([*self.symbols, *more], list(values), [LIBRARY, "mpmath"],
                                   cse=True)  # fmt: skip
            self.functions[key] = compiled
        return self.functions[key]

    def evaluate(self, key: Any, values: Sequence[sp.Expr], state: Vector, *more: Any) -> Vector:
        """Values of expressions at a state."""
        function = self.bind(key, values, *([WEIGHT] if more else []))
        with flint.ctx.workprec(mpmath.mp.prec):
            found = function(*map(to_ball, state), *self.numbers, *map(to_ball, more))
            return [from_ball(flint.arb(v)) for v in found]

    def take_step(self, rate: Any, state: Vector, step: mpf) -> tuple[Vector, int]:
        """One step, and how many rows it took; 0 if it did not converge.

        Raises:
            Lost: If more steps have been taken than may be.
        """
        self.budget -= 1
        if self.budget < 0:
            raise Lost("Expected a trial of fewer steps in so many digits.")
        return take_step(rate, state, step, self.tolerance)

    def run(
        self, parameters: Sequence[Any], initial: Sequence[Any], inputs: Sequence[tuple[Any, Any]],
        duration: Any, *, most: int = 40,
    ) -> PreciseRun:  # fmt: skip
        """Run a trial.

        Args:
            parameters: Values in the model's order.
            initial: The state at 0.
            inputs: Time and weight of each input; equal times act in their order.
            duration: The trial's end.
            most: More spikes than this end the trial.

        Raises:
            Lost: If it cannot be followed.
        """
        with mpmath.workdps(self.digits + 8):
            with flint.ctx.workprec(mpmath.mp.prec):
                self.numbers = [to_ball(mpf(v)) for v in parameters]
            found = PreciseRun()
            state, now = [mpf(v) for v in initial], mpf(0)
            events = sorted(((mpf(t), mpf(w)) for t, w in inputs), key=lambda e: e[0])
            events = [e for e in events if e[0] < duration]
            for time, weight in [*events, (mpf(duration), None)]:
                while now < time and found.escaped is None:
                    state, passed, spikes = self.follow(state, time - now, found, now)
                    now = now + passed if spikes else time
                    if found.escaped is not None:
                        return found
                    if spikes:
                        found.spikes.append(now)
                        state = self.fire(state)
                    self.note(found, state)
                    if len(found.spikes) >= most:
                        return found
                if weight is None:
                    break
                state = self.receive(state, weight)
                self.note(found, state)
                while self.is_beyond(state):
                    found.spikes.append(now)
                    state = self.fire(state)
                    if len(found.spikes) >= most:
                        return found
            return found

    def note(self, found: PreciseRun, state: Vector) -> None:
        """Remember a state."""
        if not mpmath.isinf(state[self.voltage]):
            found.states.append([float(v) for v in state])

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

    def follow(
        self, state: Vector, left: mpf, found: PreciseRun, start: mpf
    ) -> tuple[Vector, mpf, bool]:
        """Go on for ``left``, or up to the next spike: state, time passed, whether it spikes."""
        passed, step, sides, leaves = mpf(0), None, None, True
        for _ in range(MOST_STEPS):
            if self.is_far(state) and (leaves or state[self.voltage] > 0):
                leaves = leaves and state[self.voltage] > 0
                state, took, ended = self.follow_clock(state, left - passed)
                passed += took
                if ended is not None:
                    return state, passed, ended
                step = sides = None
                continue
            if sides is None:
                sides = self.get_sides(state)
            rate = self.get_field(sides)
            step = self.guess_step(rate, state) if step is None else step
            if self.kinks:
                step = min(step, LONGEST_AT_KINKS)
            step = min(step, left - passed)
            end, rows = self.take_step(rate, state, step)
            if not rows:
                step /= 2
                if step < self.tolerance:
                    raise Lost("Expected a state that can be followed but steps have become 0.")
                continue
            cut = self.find_cut(rate, state, end, step, sides)
            if cut is not None:
                which, length, end = cut
                state, passed = end, passed + length
                if which < 0:
                    return state, passed, True
                sides = tuple(-s if j == which else s for j, s in enumerate(sides))
                step = None
                continue
            state, passed = end, passed + step
            self.note(found, state)
            if self.has_escaped(rate, state):
                found.escaped = start + passed
                return state, passed, False
            if passed >= left:
                return state, left, False
            step = step * 3 / 2 if rows < self.digits // 2 else step
        raise Lost("Expected a trial that ends but it takes too many steps.")

    def guess_step(self, rate: Any, state: Vector) -> mpf:
        """A first step: no coordinate changes by more than a part of its size."""
        with flint.ctx.workprec(mpmath.mp.prec):
            speeds = [from_ball(v) for v in rate(list(map(to_ball, state)))]
        if not all(mpmath.isfinite(v) for v in speeds):
            raise Lost("Expected a finite speed.")
        steps = [(mpf("0.1") + abs(x)) / (4 * abs(v)) for x, v in zip(state, speeds, strict=True)
                 if v]  # fmt: skip
        return min([mpf(1) / 4, *steps])

    def has_escaped(self, rate: Any, state: Vector) -> bool:
        """Whether a variable is on its way to infinity, where it arrives in finite time.

        Its rate of growth must itself have grown, or it may be exponential.
        """
        if max(map(abs, state)) < GONE:
            return False
        for i, x in enumerate(state):
            if abs(x) < GONE:
                continue
            before = [x / mpf(10) ** 12 if j == i else v for j, v in enumerate(state)]
            with flint.ctx.workprec(mpmath.mp.prec):
                now, then = (from_ball(rate(list(map(to_ball, s)))[i]) for s in (state, before))
            if now * x > 0 and abs(now / x) > 10 * abs(then / before[i]) and abs(now) > abs(x):
                return True
        return False

    def find_cut(
        self, rate: Any, start: Vector, end: Vector, step: mpf, sides: tuple[int, ...]
    ) -> tuple[int, mpf, Vector] | None:
        """Where a step first meets the threshold (-1) or a kink (its number)."""
        first: tuple[int, mpf, Vector] | None = None
        tiny = self.tolerance * 1000
        for j, side in enumerate(sides):
            if self.measure(str(j), sides, end) * side < -tiny:
                length, state = self.find_root(rate, start, step, sides, str(j))
                if first is None or length < first[1]:
                    first = (j, length, state)
        if self.model.spike.is_blowup:
            return first
        reach = step if first is None else first[1]
        last = end if first is None else first[2]
        if self.get_height(last) > 0:
            dip = self.find_dip(rate, start, last, reach, sides)
            if dip is None:
                return first
            reach = dip
        length, state = self.find_passage(rate, start, reach, sides)
        return -1, length, state

    def find_dip(
        self, rate: Any, start: Vector, end: Vector, step: mpf, sides: tuple[int, ...]
    ) -> mpf | None:
        """A time within a step at which the state is beyond the threshold, if it comes back."""
        fall, rise = (self.measure("climb", sides, s) for s in (start, end))
        heights = self.get_height(start), self.get_height(end)
        if not fall < 0 < rise or min(heights) > min(-fall, rise) * step:
            return None
        early, late, side = mpf(0), step, 0
        for _ in range(MOST_ROUNDS):
            middle = (early * rise - late * fall) / (rise - fall)
            if not early < middle < late:
                middle = (early + late) / 2
            state, rows = self.take_step(rate, start, middle)
            if not rows:
                raise Lost("Expected a dip that can be resolved.")
            height, climb = self.get_height(state), self.measure("climb", sides, state)
            if height <= 0:
                return middle
            room = (late - middle) if climb < 0 else (middle - early)
            if height - abs(climb) * room > 0 or room < self.tolerance:
                return None
            if climb < 0:
                rise = rise / 2 if side == -1 else rise
                early, fall, side = middle, climb, -1
            else:
                fall = fall / 2 if side == 1 else fall
                late, rise, side = middle, climb, 1
        return None

    def find_passage(
        self, rate: Any, start: Vector, step: mpf, sides: tuple[int, ...]
    ) -> tuple[mpf, Vector]:
        """Length of a step that ends on the threshold.

        Roots of the parabola through a height, its slope, and the slope at the step before: where
        the threshold is almost grazed two roots are close to each other.
        """
        low, high = mpf(0), step
        state, _ = self.take_step(rate, start, step)
        point, value = step, self.get_height(state)
        slope, slope_before, before = self.measure("climb", sides, state), None, None
        if self.get_height(start) <= 0:
            return mpf(0), start
        slope_before, before = self.measure("climb", sides, start), mpf(0)
        for _ in range(MOST_ROUNDS):
            bend = (slope - slope_before) / (point - before) if point != before else mpf(0)
            guesses = [point + d for d in solve_parabola(value, slope, bend)]
            guesses = [g for g in guesses if low < g < high]
            old = point
            point = min(guesses) if guesses else (low + high) / 2
            if abs(point - old) < self.tolerance * (step + point):
                return old, state
            before, slope_before = old, slope
            state, rows = self.take_step(rate, start, point)
            if not rows:
                raise Lost("Expected a root that can be resolved.")
            value, slope = self.get_height(state), self.measure("climb", sides, state)
            if value == 0:
                return point, state
            low, high = (point, high) if value > 0 else (low, point)
        raise Lost("Expected a root that can be resolved.")

    def find_root(
        self, rate: Any, start: Vector, step: mpf, sides: tuple[int, ...], name: str
    ) -> tuple[mpf, Vector]:
        """Length of a step that ends where a function of the state is 0 (Illinois)."""
        low, high = mpf(0), step
        f_low = self.measure(name, sides, start)
        state, _ = self.take_step(rate, start, step)
        f_high = self.measure(name, sides, state)
        if f_low == 0 or (f_low > 0) == (f_high > 0):
            return mpf(0), start
        side = 0
        for _ in range(MOST_ROUNDS):
            middle = (low * f_high - high * f_low) / (f_high - f_low)
            if not low < middle < high:
                middle = (low + high) / 2
            state, rows = self.take_step(rate, start, middle)
            if not rows:
                raise Lost("Expected a root that can be resolved.")
            value = self.measure(name, sides, state)
            if (value > 0) == (f_low > 0):
                moved, low, f_low = middle - low, middle, value
                f_high = f_high / 2 if side == -1 else f_high
                side = -1
            else:
                moved, high, f_high = high - middle, middle, value
                f_low = f_low / 2 if side == 1 else f_low
                side = 1
            if value == 0 or min(moved, high - low) < self.tolerance * (step + middle):
                return middle, state
        raise Lost("Expected a root that can be resolved.")

    def is_far(self, state: Vector) -> bool:
        """Whether V is so far out that it may be the clock."""
        if not self.model.spike.is_blowup:
            return False
        V = state[self.voltage]
        if self.kind == EXPONENTIAL:
            kappa = self.evaluate("kappa", [self.steepness], state)[0]
            if V * kappa < STEEP:
                return False
            speeds = [self.get_speed(state, V + j / kappa) for j in range(3)]
            return all(1.5 < speeds[j + 1] / speeds[j] < 4 for j in range(2)) and speeds[0] > 0
        if mpmath.isinf(V):
            return True
        if abs(V) < FAR or (V < 0 and self.exponent % 2):
            return False
        speeds = [self.get_speed(state, V * 2**j) for j in (0, 1, 20)]
        if min(speeds) <= 0:
            return False
        growth = [speeds[j] / abs(V * 2**s) ** self.exponent for j, s in enumerate((0, 1, 20))]
        return all(growth[2] / 2 < g < growth[2] * 2 for g in growth)

    def get_speed(self, state: Vector, V: mpf) -> mpf:
        """V' at another V."""
        moved = [V if i == self.voltage else v for i, v in enumerate(state)]
        return self.evaluate("field", self.model.derivatives, moved)[self.voltage]

    def follow_clock(self, state: Vector, left: mpf) -> tuple[Vector, mpf, bool | None]:
        """Go with V as the clock: state, time, and whether it spikes; None to go on in time."""
        index, V = self.voltage, state[self.voltage]
        if self.kind == EXPONENTIAL:
            kappa = self.evaluate("kappa", [self.steepness], state)[0]
            clock, target = V, V + self.digits * mpmath.ln(10) / kappa
            longest = 1 / kappa
        elif V > 0:
            clock, target, longest = 1 / V, mpf(0), 1 / V
        else:
            clock = -(mpf(10) ** -(2 * self.digits)) if mpmath.isinf(V) else 1 / V
            target = -self.find_inner(state)
            longest = abs(target)
            if clock <= target:
                return state, mpf(0), None
        rate = self.get_clock_field(state)
        extended = [*(clock if i == index else v for i, v in enumerate(state)), mpf(0)]
        step = min(abs(target - clock), longest) * (1 if target > clock else -1)
        while clock != target:
            if abs(step) > abs(target - clock):
                step = target - clock
            end, rows = self.take_step(rate, extended, step)
            if not rows:
                step /= 2
                if abs(step) < self.tolerance**2:
                    raise Lost("Expected a blow-up that can be followed.")
                continue
            if not end[-1] >= extended[-1]:
                raise Lost("Expected V to grow without pause where it is large.")
            if end[-1] > left:
                return self.stop_clock(rate, extended, step, left)
            clock, extended = clock + step, end
            extended[index] = clock
            step = step * 3 / 2 if rows < self.digits // 2 else step
        if self.kind == EXPONENTIAL or V > 0:
            return extended[:-1], extended[-1], True
        extended[index] = 1 / clock
        return extended[:-1], extended[-1], None

    def find_inner(self, state: Vector) -> mpf:
        """|1/V| up to which V may be the clock on its way from -oo."""
        inner = mpf(1) / FAR
        for _ in range(200):
            V = -1 / inner
            speeds = [self.get_speed(state, V * 2**j) for j in (0, 1, 20)]
            growth = [s / abs(V * 2**j) ** self.exponent
                      for s, j in zip(speeds, (0, 1, 20), strict=True)]  # fmt: skip
            if min(speeds) > 0 and all(growth[2] / 2 < g < growth[2] * 2 for g in growth):
                return inner
            inner /= 2
        raise Lost("Expected V to leave -oo.")

    def stop_clock(
        self, rate: Any, extended: Vector, step: mpf, left: mpf
    ) -> tuple[Vector, mpf, bool]:
        """The state at which exactly ``left`` has passed, within a step of the clock."""
        low, high = mpf(0), step
        guess = step * (left - extended[-1])
        end = extended
        with flint.ctx.workprec(mpmath.mp.prec):
            speed = from_ball(rate(list(map(to_ball, extended)))[-1])
        guess = (left - extended[-1]) / speed if speed else step / 2
        for _ in range(MOST_ROUNDS):
            if not min(low, high) < guess < max(low, high):
                guess = (low + high) / 2
            end, rows = self.take_step(rate, extended, guess)
            if not rows:
                raise Lost("Expected a blow-up that can be followed.")
            late = end[-1] - left
            if late < 0:
                low = guess
            else:
                high = guess
            with flint.ctx.workprec(mpmath.mp.prec):
                speed = from_ball(rate(list(map(to_ball, end)))[-1])
            moved = late / speed
            if abs(moved) <= self.tolerance * abs(end[self.voltage]) or low == high:
                break
            guess -= moved
        state = end[:-1]
        if self.kind == POWER:
            state[self.voltage] = 1 / state[self.voltage]
        return state, left, False

    def get_clock_field(self, state: Vector) -> Any:
        """Derivatives of state and time by the clock, as a function of balls."""
        V = self.model.spike.variable
        sides = self.get_far_sides(state)
        key = ("clock", sides)
        if key not in self.functions:
            rates = [resolve(f, self.kinks, sides) for f in self.model.derivatives]
            if self.kind == EXPONENTIAL:
                speed = rates[self.voltage]
                slopes = [f / speed for f in rates]
                slopes[self.voltage] = sp.S.One
                values = [*slopes, 1 / speed]
            else:
                k, inside = self.exponent, {V: 1 / V}
                speed = sp.expand(rates[self.voltage].subs(inside) * V**k)
                values = [-sp.expand(f.subs(inside) * V ** (k - 2)) / speed for f in rates]
                values[self.voltage] = sp.S.One
                values.append(-(V ** (k - 2)) / speed)
            self.bind(key, values)
        function, numbers = self.functions[key], self.numbers
        return lambda vector: [flint.arb(v) for v in function(*vector[:-1], *numbers)]

    def get_far_sides(self, state: Vector) -> tuple[int, ...]:
        """Sides of kinks where V is large; the other variables are not supposed to cross any."""
        if not self.kinks:
            return ()
        V = state[self.voltage]
        V = mpf(-FAR) if mpmath.isinf(V) else V
        near, far = (
            self.get_sides([V * f if i == self.voltage else v for i, v in enumerate(state)])
            for f in (mpf(1), mpf(2) ** 20)
        )
        if near != far:
            raise Lost("Expected no kink on the way to where V is large.")
        return near


def solve_parabola(value: mpf, slope: mpf, bend: mpf) -> list[mpf]:
    """Where value + slope d + bend d^2/2 is 0."""
    inside = slope**2 - 2 * value * bend
    if inside < 0:
        return []
    root = mpmath.sqrt(inside)
    below = [-slope - root, -slope + root]  # the stable form of both roots
    return [2 * value / b for b in below if b]
