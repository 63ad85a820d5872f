"""Where a step in many digits first meets the threshold or a kink."""

from typing import Any

import mpmath
from mpmath import mpf

from spiketheory.checking.attack.precise_equations import Lost, PreciseEquations, Vector

MOST_ROUNDS = 300


def find_cut(
    equations: PreciseEquations,
    rate: Any,
    start: Vector,
    end: Vector,
    step: mpf,
    sides: tuple[int, ...],
) -> tuple[int, mpf, Vector] | None:
    """Where a step first meets the threshold (-1) or a kink (its number)."""
    first: tuple[int, mpf, Vector] | None = None
    tiny = equations.tolerance * 1000
    for j, side in enumerate(sides):
        if equations.measure(str(j), sides, end) * side < -tiny:
            length, state = find_root(equations, rate, start, step, sides, str(j))
            if first is None or length < first[1]:
                first = (j, length, state)
    if equations.model.spike.is_blowup:
        return first
    reach = step if first is None else first[1]
    last = end if first is None else first[2]
    if equations.get_height(last) > 0:
        dip = find_dip(equations, rate, start, last, reach, sides)
        if dip is None:
            return first
        reach = dip
    length, state = find_passage(equations, rate, start, reach, sides)
    return -1, length, state


def find_dip(
    equations: PreciseEquations,
    rate: Any,
    start: Vector,
    end: Vector,
    step: mpf,
    sides: tuple[int, ...],
) -> mpf | None:
    """A time within a step at which the state is beyond the threshold, if it comes back."""
    fall, rise = (equations.measure("climb", sides, s) for s in (start, end))
    heights = equations.get_height(start), equations.get_height(end)
    if not fall < 0 < rise or min(heights) > min(-fall, rise) * step:
        return None
    early, late, side = mpf(0), step, 0
    for _ in range(MOST_ROUNDS):
        middle = (early * rise - late * fall) / (rise - fall)
        if not early < middle < late:
            middle = (early + late) / 2
        state, rows = equations.take_step(rate, start, middle)
        if not rows:
            raise Lost("Expected a dip that can be resolved.")
        height, climb = equations.get_height(state), equations.measure("climb", sides, state)
        if height <= 0:
            return middle
        room = (late - middle) if climb < 0 else (middle - early)
        if height - abs(climb) * room > 0 or room < equations.tolerance:
            return None
        if climb < 0:
            rise = rise / 2 if side == -1 else rise
            early, fall, side = middle, climb, -1
        else:
            fall = fall / 2 if side == 1 else fall
            late, rise, side = middle, climb, 1
    return None


def find_passage(
    equations: PreciseEquations, rate: Any, start: Vector, step: mpf, sides: tuple[int, ...]
) -> tuple[mpf, Vector]:
    """Length of a step that ends on the threshold.

    Roots of the parabola through a height, its slope, and the slope at the step before: where
    the threshold is almost grazed two roots are close to each other.
    """
    low, high = mpf(0), step
    state, _ = equations.take_step(rate, start, step)
    point, value = step, equations.get_height(state)
    slope, slope_before, before = equations.measure("climb", sides, state), None, None
    if equations.get_height(start) <= 0:
        return mpf(0), start
    slope_before, before = equations.measure("climb", sides, start), mpf(0)
    for _ in range(MOST_ROUNDS):
        bend = (slope - slope_before) / (point - before) if point != before else mpf(0)
        guesses = [point + d for d in solve_parabola(value, slope, bend)]
        guesses = [g for g in guesses if low < g < high]
        old = point
        point = min(guesses) if guesses else (low + high) / 2
        if abs(point - old) < equations.tolerance * (step + point):
            return old, state
        before, slope_before = old, slope
        state, rows = equations.take_step(rate, start, point)
        if not rows:
            raise Lost("Expected a root that can be resolved.")
        value, slope = equations.get_height(state), equations.measure("climb", sides, state)
        if value == 0:
            return point, state
        low, high = (point, high) if value > 0 else (low, point)
    raise Lost("Expected a root that can be resolved.")


def find_root(
    equations: PreciseEquations,
    rate: Any,
    start: Vector,
    step: mpf,
    sides: tuple[int, ...],
    name: str,
) -> tuple[mpf, Vector]:
    """Length of a step that ends where a function of the state is 0 (Illinois)."""
    low, high = mpf(0), step
    f_low = equations.measure(name, sides, start)
    state, _ = equations.take_step(rate, start, step)
    f_high = equations.measure(name, sides, state)
    if f_low == 0 or (f_low > 0) == (f_high > 0):
        return mpf(0), start
    side = 0
    for _ in range(MOST_ROUNDS):
        middle = (low * f_high - high * f_low) / (f_high - f_low)
        if not low < middle < high:
            middle = (low + high) / 2
        state, rows = equations.take_step(rate, start, middle)
        if not rows:
            raise Lost("Expected a root that can be resolved.")
        value = equations.measure(name, sides, state)
        if (value > 0) == (f_low > 0):
            moved, low, f_low = middle - low, middle, value
            f_high = f_high / 2 if side == -1 else f_high
            side = -1
        else:
            moved, high, f_high = high - middle, middle, value
            f_low = f_low / 2 if side == 1 else f_low
            side = 1
        if value == 0 or min(moved, high - low) < equations.tolerance * (step + middle):
            return middle, state
    raise Lost("Expected a root that can be resolved.")


def solve_parabola(value: mpf, slope: mpf, bend: mpf) -> list[mpf]:
    """Where value + slope d + bend d^2/2 is 0."""
    inside = slope**2 - 2 * value * bend
    if inside < 0:
        return []
    root = mpmath.sqrt(inside)
    below = [-slope - root, -slope + root]  # the stable form of both roots
    return [2 * value / b for b in below if b]
