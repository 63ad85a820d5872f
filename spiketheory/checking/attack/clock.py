"""V as the clock where it is large, in many digits: on the way to a blow-up, and back from -oo."""

from typing import Any

import flint
import mpmath
import sympy as sp
from mpmath import mpf

from spiketheory.checking.attack.equations import EXPONENTIAL, POWER
from spiketheory.checking.attack.precise_equations import Lost, PreciseEquations, Vector, read_ball
from spiketheory.checking.attack.sides import resolve
from spiketheory.runtime.special_mpmath import to_ball

FAR = 16
STEEP = 3
MOST_ROUNDS = 300


def is_far(equations: PreciseEquations, state: Vector) -> bool:
    """Whether V is so far out that it may be the clock."""
    if not equations.model.spike.is_blowup:
        return False
    V = state[equations.voltage]
    if equations.kind == EXPONENTIAL:
        kappa = equations.evaluate("kappa", [equations.steepness], state)[0]
        if V * kappa < STEEP:
            return False
        speeds = [equations.get_speed(state, V + j / kappa) for j in range(3)]
        return all(1.5 < speeds[j + 1] / speeds[j] < 4 for j in range(2)) and speeds[0] > 0
    if mpmath.isinf(V):
        return True
    if abs(V) < FAR or (V < 0 and equations.exponent % 2):
        return False
    speeds = [equations.get_speed(state, V * 2**j) for j in (0, 1, 20)]
    if min(speeds) <= 0:
        return False
    growth = [speeds[j] / abs(V * 2**s) ** equations.exponent for j, s in enumerate((0, 1, 20))]
    return all(growth[2] / 2 < g < growth[2] * 2 for g in growth)


def follow_clock(
    equations: PreciseEquations, state: Vector, left: mpf
) -> tuple[Vector, mpf, bool | None]:
    """Go with V as the clock: state, time, and whether it spikes; None to go on in time."""
    index, V = equations.voltage, state[equations.voltage]
    if equations.kind == EXPONENTIAL:
        kappa = equations.evaluate("kappa", [equations.steepness], state)[0]
        clock, target = V, V + equations.digits * mpmath.ln(10) / kappa
        longest = 1 / kappa
    elif V > 0:
        clock, target, longest = 1 / V, mpf(0), 1 / V
    else:
        clock = -(mpf(10) ** -(2 * equations.digits)) if mpmath.isinf(V) else 1 / V
        target = -find_inner(equations, state)
        longest = abs(target)
        if clock <= target:
            return state, mpf(0), None
    rate = get_clock_field(equations, state)
    extended = [*(clock if i == index else v for i, v in enumerate(state)), mpf(0)]
    step = min(abs(target - clock), longest) * (1 if target > clock else -1)
    while clock != target:
        if abs(step) > abs(target - clock):
            step = target - clock
        end, rows = equations.take_step(rate, extended, step)
        if not rows:
            step /= 2
            if abs(step) < equations.tolerance**2:
                raise Lost("Expected a blow-up that can be followed.")
            continue
        if not end[-1] >= extended[-1]:
            raise Lost("Expected V to grow without pause where it is large.")
        if end[-1] > left:
            return stop_clock(equations, rate, extended, step, left)
        clock, extended = clock + step, end
        extended[index] = clock
        step = step * 3 / 2 if rows < equations.digits // 2 else step
    if equations.kind == EXPONENTIAL or V > 0:
        return extended[:-1], extended[-1], True
    extended[index] = 1 / clock
    return extended[:-1], extended[-1], None


def find_inner(equations: PreciseEquations, state: Vector) -> mpf:
    """|1/V| up to which V may be the clock on its way from -oo."""
    inner = mpf(1) / FAR
    for _ in range(200):
        V = -1 / inner
        speeds = [equations.get_speed(state, V * 2**j) for j in (0, 1, 20)]
        growth = [s / abs(V * 2**j) ** equations.exponent
                  for s, j in zip(speeds, (0, 1, 20), strict=True)]  # fmt: skip
        if min(speeds) > 0 and all(growth[2] / 2 < g < growth[2] * 2 for g in growth):
            return inner
        inner /= 2
    raise Lost("Expected V to leave -oo.")


def stop_clock(
    equations: PreciseEquations, rate: Any, extended: Vector, step: mpf, left: mpf
) -> tuple[Vector, mpf, bool]:
    """The state at which exactly ``left`` has passed, within a step of the clock."""
    low, high = mpf(0), step
    guess = step * (left - extended[-1])
    end = extended
    with flint.ctx.workprec(mpmath.mp.prec):
        speed = read_ball(rate(list(map(to_ball, extended)))[-1])
    guess = (left - extended[-1]) / speed if speed else step / 2
    for _ in range(MOST_ROUNDS):
        if not min(low, high) < guess < max(low, high):
            guess = (low + high) / 2
        end, rows = equations.take_step(rate, extended, guess)
        if not rows:
            raise Lost("Expected a blow-up that can be followed.")
        late = end[-1] - left
        if late < 0:
            low = guess
        else:
            high = guess
        with flint.ctx.workprec(mpmath.mp.prec):
            speed = read_ball(rate(list(map(to_ball, end)))[-1])
        moved = late / speed
        if abs(moved) <= equations.tolerance * abs(end[equations.voltage]) or low == high:
            break
        guess -= moved
    state = end[:-1]
    if equations.kind == POWER:
        state[equations.voltage] = 1 / state[equations.voltage]
    return state, left, False


def get_clock_field(equations: PreciseEquations, state: Vector) -> Any:
    """Derivatives of state and time by the clock, as a function of balls."""
    V = equations.model.spike.variable
    sides = get_far_sides(equations, state)
    key = ("clock", sides)
    if key not in equations.functions:
        rates = [resolve(f, equations.kinks, sides) for f in equations.model.derivatives]
        if equations.kind == EXPONENTIAL:
            speed = rates[equations.voltage]
            slopes = [f / speed for f in rates]
            slopes[equations.voltage] = sp.S.One
            values = [*slopes, 1 / speed]
        else:
            k, inside = equations.exponent, {V: 1 / V}
            speed = sp.expand(rates[equations.voltage].subs(inside) * V**k)
            values = [-sp.expand(f.subs(inside) * V ** (k - 2)) / speed for f in rates]
            values[equations.voltage] = sp.S.One
            values.append(-(V ** (k - 2)) / speed)
        equations.bind(key, values)
    function, numbers = equations.functions[key], equations.numbers
    return lambda vector: [flint.arb(v) for v in function(*vector[:-1], *numbers)]


def get_far_sides(equations: PreciseEquations, state: Vector) -> tuple[int, ...]:
    """Sides of kinks where V is large; the other variables are not supposed to cross any."""
    if not equations.kinks:
        return ()
    V = state[equations.voltage]
    V = mpf(-FAR) if mpmath.isinf(V) else V
    near, far = (
        equations.get_sides([V * f if i == equations.voltage else v for i, v in enumerate(state)])
        for f in (mpf(1), mpf(2) ** 20)
    )
    if near != far:
        raise Lost("Expected no kink on the way to where V is large.")
    return near
