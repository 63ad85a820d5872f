"""Taylor integration of neurons that go on through their spikes: upward crossings of a threshold.

The loops of `spiketheory.runtime.taylor` for models whose reset leaves the potential alone. Such a
neuron is *above* its threshold after a spike, and spikes again only once it has come back below.
The side is a number of the state: next to the threshold rounding may part the sign of the spike
surface and the side, and then the side is right. The surface counts as exactly zero there, and the
sign of its first derivative that does not vanish says where the neuron goes. So a neuron that has
just crossed does not cross again at once, and one that has just come back is not lost.

Compiled like `spiketheory.runtime.taylor`; see there for the rules.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from spiketheory.runtime.taylor import (
    TAYLOR_CRAWL,
    TAYLOR_FARTHEST,
    TAYLOR_LARGEST,
    TAYLOR_NARROWEST,
    TAYLOR_ORDER,
    TAYLOR_STANDSTILL,
    taylor_count_changes,
    taylor_evaluate,
    taylor_expand,
    taylor_guess_scale,
    taylor_polish_root,
    taylor_restrict,
    taylor_trust,
)


def crossing_side(before: Any, after: Any, threshold: Any, above: Any) -> Any:
    """The side of the threshold after an input that takes V from ``before`` to ``after``.

    What moves V up takes no neuron back below, what moves it down carries none across, whatever
    rounding has made of V next to the threshold; what leaves V alone does neither.

    Args:
        before: V before the input.
        after: V after it.
        threshold: The threshold.
        above: 0 for below, 1 for above, 2 for carried across by an input at this instant.
    """
    if above == 0.0:
        return 2.0 if after > before and after >= threshold else 0.0
    if after < threshold and (above == 2.0 or after < before):
        return 0.0
    return above


# Long: as `taylor_integrate`.
def crossing_integrate(
    series: Callable[..., None],
    surface: Callable[..., float],
    table: Any,
    columns: int,
    size: int,
    limit: float,
    above: bool,
    watch: bool,
    constants: Any,
) -> tuple[float, bool, bool]:
    """Integrate to the next upward crossing or to a time limit.

    Args:
        series: The model's equations.
        surface: Value of the spike surface: the distance from V up to the threshold.
        table: Table that begins in the state; ends in the final state.
        columns: Number of tangent vectors.
        size: Number of coordinates.
        limit: Duration [the caller's tau].
        above: Whether the neuron is above its threshold, which it must come back below first.
        watch: Whether to stop at a spike; otherwise the side alone is followed, which must not
            be asked for beyond the next spike.
        constants: The model's constants.

    Returns:
        The time, whether the neuron is above the threshold then, and whether this is a spike. Where
        the solution leaves the range of floats, or moves so fast that the limit is out of reach,
        its coordinates are infinite, and it does not spike.
    """
    rows = size + 1 + columns * size
    time = 0.0
    scale = 0.0
    standstill = 0
    crawl = 0
    while True:
        height = surface(table, 0, *constants)
        if scale == 0.0:
            series(table, 0, 1, 0, 1.0, *constants)
            scale = taylor_guess_scale(table, size)
        scale, step = taylor_expand(series, table, 0, columns, size, scale, time, constants)
        step = taylor_trust(series, table, size, scale, step, False, constants)
        left = (limit - time) / scale
        standstill = standstill + 1 if time + step * scale == time else 0
        crawl = crawl + 1 if left > TAYLOR_FARTHEST * step else 0
        far = np.max(np.abs(table[:size, 0])) > TAYLOR_LARGEST or crawl > TAYLOR_CRAWL
        if step == 0.0 or far or standstill > TAYLOR_STANDSTILL:
            table[:size, 0] = np.inf
            return time, above, False
        if above or watch:
            table[size, 0] = height
            if height == 0.0 or (height < 0.0) != above:
                table[size, 0] = 0.0
                direction = crossing_direction(table, size)
                if direction < 0.0 and watch and not above:
                    return time, above, True
                above = above and direction <= 0.0
            back, spike = crossing_find_events(table, size, step, above)
            if watch and spike < np.inf:
                taylor_evaluate(table, rows, spike)
                return time + spike * scale, above, True
            above = above and back > min(step, left)
        if step >= left:
            taylor_evaluate(table, rows, left)
            return limit, above, False
        taylor_evaluate(table, rows, step)
        scale *= step
        time += scale


def crossing_direction(table: Any, row: int) -> float:
    """The first coefficient of a row behind column 0 that is not zero, whose sign decides."""
    for m in range(1, TAYLOR_ORDER + 1):
        if table[row, m] != 0.0:
            return float(table[row, m])
    return 0.0


def crossing_find_events(table: Any, row: int, step: float, above: bool) -> tuple[float, float]:
    """Where a row rises through zero, unless it is above it, and then falls through it.

    Args:
        table: The table.
        row: The spike surface.
        step: The step, in units of the scale.
        above: Whether the surface is below zero now: the neuron is above its threshold.

    Returns:
        Both, in units of the scale; inf for what does not happen within the step.
    """
    if step == np.inf:
        return np.inf, np.inf
    total = 0.0
    power = 1.0
    for m in range(1, TAYLOR_ORDER + 1):
        power *= step
        total += abs(float(table[row, m])) * power
    if total < abs(float(table[row, 0])) or not total < np.inf:
        return np.inf, np.inf
    polynomial = np.empty(TAYLOR_ORDER + 1)
    power = 1.0
    for m in range(TAYLOR_ORDER + 1):
        polynomial[m] = float(table[row, m]) * power
        power *= step
    back, spike = crossing_find_roots(polynomial, np.empty(TAYLOR_ORDER + 1), above)
    return back * step, spike * step


def crossing_find_roots(polynomial: Any, work: Any, above: bool) -> tuple[float, float]:
    """The first rising zero of a polynomial on [0, 1] if ``above``, and the first falling one then.

    Goes from left to right as `taylor_find_root` does. Both zeros may lie in one step; the second
    is looked for behind the interval that isolates the first, whose ends are no zeros.
    """
    noise = 0.0
    for m in range(TAYLOR_ORDER + 1):
        noise += 2.0**-52 * abs(float(polynomial[m]))
    back = np.inf
    lower = 0.0
    width = 1.0
    while lower < 1.0:
        taylor_restrict(polynomial, lower, width, work)
        changes, first, largest = taylor_count_changes(work, noise if lower > 0.0 else 0.0)
        if above and first > 0.0:
            above = False
            back = lower
        elif not above and first < 0.0:
            return back, lower
        finest = width <= TAYLOR_NARROWEST or largest <= noise
        if changes == 1 or (finest and changes % 2 == 1):
            if not above:
                return back, taylor_polish_root(polynomial, lower, lower + width)
            for m in range(TAYLOR_ORDER + 1):
                work[m] = -polynomial[m]
            back = taylor_polish_root(work, lower, lower + width)
            above = False
        elif changes > 0 and not finest:
            width *= 0.5
            continue
        lower += width
        while width < 1.0 and lower % (2.0 * width) == 0.0:
            width *= 2.0
    return back, np.inf
