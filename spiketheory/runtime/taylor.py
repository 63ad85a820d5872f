"""The loops of Taylor integration that do not depend on the model; no sympy, no Numba.

`spiketheory.generation.taylor_printer` prints the functions of a model; they call these. Numba
compiles both in one
namespace: no function here has default arguments, decorators or closures. Uncompiled they run as
they are: values are taken out of arrays with ``float``, whose arithmetic is fast and silent.

A ``table`` of shape (rows, ``TAYLOR_ORDER`` + 2) holds normalised Taylor coefficients in a time
unit ``scale``: row r, column m is ``scale**m / m!`` times the m-th derivative. The rows are the
``size`` coordinates, the spike surface, ``columns`` tangent vectors of ``size`` rows each (the
derivatives by the ``size`` coordinates at the start, then by the constants), and the
intermediate results of the model's equations. Column 0 is the present state.

References:
    Jorba & Zou (2005), A software package for the numerical integration of ODEs by means of
    high-order Taylor methods. Collins & Akritas (1976), Polynomial real root isolation using
    Descartes' rule of signs.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

TAYLOR_ORDER = 22
"""Degree of the polynomial of one step."""

TAYLOR_LOG_TOLERANCE = -56 * float(np.log(2.0))
"""Logarithm of the last term of a step's polynomial, relative to its first terms."""

TAYLOR_LOG_TANGENT_TOLERANCE = -50 * float(np.log(2.0))
"""The same for tangents, which are not carried from step to step of a trial."""

TAYLOR_LONGEST = 2.0**20
"""Longest step in units of the scale; keeps powers of the step inside the range of floats."""

TAYLOR_SMALLEST = 2.0**-900
"""Smaller coordinates have decayed."""

TAYLOR_NEAREST = 2.0**-480
"""Distance to a spike at infinity that stands for one lost to rounding; its square is a float."""

TAYLOR_LARGEST = 2.0**1000
"""Larger coordinates count as outside the range of floats."""

TAYLOR_HALVINGS = 40
"""A step that has to be halved more often ends where the equations leave the range of floats."""

TAYLOR_STANDSTILL = 200
"""So many steps in a row too short to change the time end at a blow-up, which they creep up to."""

TAYLOR_FARTHEST = 2.0**36
"""At the pace of a step that is so many of its kind from the limit, it is not reached in days."""

TAYLOR_CRAWL = 500
"""So many such steps in a row are a standstill: no transient, no way to a blow-up has as many."""

TAYLOR_SHRINK = 2.0**-32
"""Factor of the scale where the coefficients overflow."""

TAYLOR_DEFECT = 1e-12
"""Largest error of the velocity at a step's end, relative to the coordinate over the step."""

TAYLOR_LAST_BITS = 2.0**-49
"""Relative change of coordinates whose effect on velocities counts as rounding."""

TAYLOR_LARGEST_EXPONENT = 709.0
"""The exponential of anything larger may overflow."""

TAYLOR_NARROWEST = 2.0**-30
"""Width, relative to the step, at which the search for roots stops to bisect.

Where two roots are closer, the surface between them is below 2**-60 of its second derivative,
far less than its rounding errors: they cannot be told from no root."""

TAYLOR_EXPREL_NEAR = 2.0
"""Below, (exp(u) - 1)/u is not taken as a quotient, whose coefficients cancel near u = 0."""

TAYLOR_EXPREL_NODES = (
    0.01304673574141414,
    0.06746831665550775,
    0.1602952158504878,
    0.2833023029353764,
    0.4255628305091844,
    0.5744371694908156,
    0.7166976970646236,
    0.8397047841495122,
    0.9325316833444922,
    0.9869532642585859,
)
"""Gauss-Legendre nodes on [0, 1]: the rule is exact to 1e-16 for exp(s*u) in s where |u| < 5."""

TAYLOR_EXPREL_WEIGHTS = (
    0.03333567215434407,
    0.0747256745752903,
    0.10954318125799102,
    0.13463335965499817,
    0.14776211235737644,
    0.14776211235737644,
    0.13463335965499817,
    0.10954318125799102,
    0.0747256745752903,
    0.03333567215434407,
)
"""The weights of these nodes."""


def taylor_exp(x: float) -> float:
    """exp(x); inf where it overflows."""
    if x > TAYLOR_LARGEST_EXPONENT:
        return np.inf
    return float(np.exp(x))


def taylor_log(x: float) -> float:
    """log(x); of zero that of the smallest float, so that ``r*log(r)`` has its limit 0."""
    return float(np.log(max(x, 5e-324)))


def taylor_divide(x: float, y: float) -> float:
    """Divide; inf where y is zero: a table with an infinite entry is computed anew or given up."""
    if y == 0.0:
        return np.inf
    return x / y


def taylor_before(r: float) -> float:
    """Distance to the spike surface of a state before its spike.

    Where the flow ends an instant before the spike, rounding must not carry it across: the other
    chart would take a negative distance for a potential far below.
    """
    if r > 0.0:
        return r
    return TAYLOR_NEAREST


def taylor_convolve(table: Any, u: int, v: int, m: int) -> float:
    """Coefficient m of the product of rows u and v."""
    total = 0.0
    for q in range(m + 1):
        total += float(table[u, q]) * float(table[v, m - q])
    return total


def taylor_chain(table: Any, u: int, w: int, m: int) -> float:
    """Coefficient m > 0 of the integral of ``w du``."""
    total = 0.0
    for q in range(1, m + 1):
        total += q * float(table[u, q]) * float(table[w, m - q])
    return total / m


def taylor_exp_term(table: Any, u: int, w: int, m: int) -> float:
    """Coefficient m of w = exp(u)."""
    if m == 0:
        return taylor_exp(float(table[u, 0]))
    return taylor_chain(table, u, w, m)


def taylor_exprel_nodes(table: Any, u: int, first: int, m: int) -> None:
    r"""Coefficient m of what (exp(u) - 1)/u and its derivative are made of, from row ``first`` on.

    exp(s*u) at the nodes s of $(e^u - 1)/u = \int_0^1 e^{s u} ds$, or exp(u) away from u = 0.
    """
    if abs(float(table[u, 0])) >= TAYLOR_EXPREL_NEAR:
        table[first, m] = taylor_exp_term(table, u, first, m)
        return
    for i in range(len(TAYLOR_EXPREL_NODES)):
        node = TAYLOR_EXPREL_NODES[i]
        if m == 0:
            table[first + i, 0] = taylor_exp(node * float(table[u, 0]))
        else:
            table[first + i, m] = node * taylor_chain(table, u, first + i, m)


def taylor_exprel_term(table: Any, u: int, first: int, w: int, m: int) -> float:
    """Coefficient m of w = (exp(u) - 1)/u, given the rows of `taylor_exprel_nodes`."""
    total = 0.0
    if abs(float(table[u, 0])) < TAYLOR_EXPREL_NEAR:
        for i in range(len(TAYLOR_EXPREL_NODES)):
            total += TAYLOR_EXPREL_WEIGHTS[i] * float(table[first + i, m])
        return total
    total = float(table[first, m])
    if m == 0:
        total -= 1.0
    for q in range(1, m + 1):
        total -= float(table[u, q]) * float(table[w, m - q])
    return total / float(table[u, 0])


def taylor_exprel_slope_term(table: Any, u: int, first: int, w: int, slope: int, m: int) -> float:
    """Coefficient m of the derivative of w = (exp(u) - 1)/u by u, (exp(u) - w)/u."""
    total = 0.0
    if abs(float(table[u, 0])) < TAYLOR_EXPREL_NEAR:
        for i in range(len(TAYLOR_EXPREL_NODES)):
            node = TAYLOR_EXPREL_NODES[i]
            total += node * TAYLOR_EXPREL_WEIGHTS[i] * float(table[first + i, m])
        return total
    total = float(table[first, m]) - float(table[w, m])
    for q in range(1, m + 1):
        total -= float(table[u, q]) * float(table[slope, m - q])
    return total / float(table[u, 0])


def taylor_log_term(table: Any, u: int, w: int, m: int) -> float:
    """Coefficient m of w = log(u)."""
    if m == 0:
        return taylor_log(float(table[u, 0]))
    total = m * float(table[u, m])
    for q in range(1, m):
        total -= q * float(table[w, q]) * float(table[u, m - q])
    return taylor_divide(total / m, float(table[u, 0]))


def taylor_quotient_term(table: Any, u: int, v: int, w: int, m: int) -> float:
    """Coefficient m of w = u/v."""
    total = float(table[u, m])
    for q in range(1, m + 1):
        total -= float(table[v, q]) * float(table[w, m - q])
    return taylor_divide(total, float(table[v, 0]))


def taylor_power_term(table: Any, u: int, w: int, m: int, exponent: float) -> float:
    """Coefficient m of w = u**exponent, u > 0."""
    base = float(table[u, 0])
    if m == 0:
        if base <= 0.0 or exponent * taylor_log(base) > TAYLOR_LARGEST_EXPONENT:
            return np.inf
        return float(base**exponent)
    total = 0.0
    for q in range(m):
        total += (exponent * (m - q) - q) * float(table[u, m - q]) * float(table[w, q])
    return taylor_divide(total / m, base)


def taylor_sin_term(table: Any, u: int, cosine: int, m: int) -> float:
    """Coefficient m of sin(u), given the row of cos(u)."""
    if m == 0:
        return float(np.sin(float(table[u, 0])))
    return taylor_chain(table, u, cosine, m)


def taylor_cos_term(table: Any, u: int, sine: int, m: int) -> float:
    """Coefficient m of cos(u), given the row of sin(u)."""
    if m == 0:
        return float(np.cos(float(table[u, 0])))
    return -taylor_chain(table, u, sine, m)


def taylor_sinh_term(table: Any, u: int, cosine: int, m: int) -> float:
    """Coefficient m of sinh(u), given the row of cosh(u)."""
    if m > 0:
        return taylor_chain(table, u, cosine, m)
    x = float(table[u, 0])
    if abs(x) > TAYLOR_LARGEST_EXPONENT:
        return np.inf if x > 0.0 else -np.inf
    return float(np.sinh(x))


def taylor_cosh_term(table: Any, u: int, sine: int, m: int) -> float:
    """Coefficient m of cosh(u), given the row of sinh(u)."""
    if m > 0:
        return taylor_chain(table, u, sine, m)
    x = float(table[u, 0])
    if abs(x) > TAYLOR_LARGEST_EXPONENT:
        return np.inf
    return float(np.cosh(x))


def taylor_tanh_term(table: Any, u: int, slope: int, m: int) -> float:
    """Coefficient m of tanh(u), given the row of its derivative by u."""
    if m == 0:
        return float(np.tanh(float(table[u, 0])))
    return taylor_chain(table, u, slope, m)


def taylor_tan_term(table: Any, u: int, slope: int, m: int) -> float:
    """Coefficient m of tan(u), given the row of its derivative by u."""
    if m == 0:
        return float(np.tan(float(table[u, 0])))
    return taylor_chain(table, u, slope, m)


def taylor_start(rows: int, columns: int, state: Any) -> Any:
    """A table that begins in ``state``, with unit tangents by its coordinates."""
    size = len(state)
    table = np.empty((rows, TAYLOR_ORDER + 2))
    for i in range(size):
        table[i, 0] = state[i]
    for c in range(columns):
        for i in range(size):
            table[size + 1 + size * c + i, 0] = 1.0 if i == c else 0.0
    return table


def taylor_evaluate(table: Any, rows: int, time: float) -> None:
    """Move all rows to ``time``, in units of the scale, by Horner's rule."""
    for row in range(rows):
        value = 0.0
        for m in range(TAYLOR_ORDER, -1, -1):
            value = value * time + float(table[row, m])
        table[row, 0] = value


def taylor_pull(table: Any, size: int, column: int, covector: Any) -> float:
    """A covector's value on a tangent vector."""
    total = 0.0
    for i in range(size):
        total += covector[i] * float(table[size + 1 + size * column + i, 0])
    return total


def taylor_guess_scale(table: Any, size: int) -> float:
    """Shortest time in which a coordinate would vanish at its present rate; 1.0 if none would."""
    guess = np.inf
    for i in range(size):
        if table[i, 0] != 0.0 and table[i, 1] != 0.0:
            ratio = abs(float(table[i, 0]) / float(table[i, 1]))
            if ratio > 0.0:
                guess = min(guess, ratio)
    return guess if guess < np.inf else 1.0


def taylor_row_step(table: Any, row: int, shift: float, tolerance: float) -> float:
    """Logarithm of the step after which a row's last terms are below the tolerance.

    They are compared with the row's first three terms at the step's end, and with its change
    within the time ``shift``. Both of the last two coefficients count, since every second one may
    vanish; ``inf`` if both do.
    """
    first = 0
    while first < TAYLOR_ORDER - 4 and table[row, first] == 0.0:
        first += 1
    shortest = np.inf
    for last in range(TAYLOR_ORDER - 1, TAYLOR_ORDER + 1):
        if table[row, last] != 0.0:
            longest = -np.inf
            limit = float(np.log(abs(table[row, last]))) - tolerance
            for m in range(first, first + 3):
                value = abs(float(table[row, m]))
                if m == 0:
                    value = max(value, shift * abs(float(table[row, 1])))
                if value > 0.0:
                    longest = max(longest, (float(np.log(value)) - limit) / (last - m))
            shortest = min(shortest, longest)
    return shortest


def taylor_choose_step(table: Any, size: int, rows: int, shift: float) -> float:
    """Step in units of the scale; inf at a fixed point, negative if the table is not finite.

    An error of a coordinate counts as none if a shift of the time so far by its own rounding
    error would have the same effect.
    """
    moving = False
    for row in range(rows):
        if not abs(float(table[row, TAYLOR_ORDER])) < np.inf:
            return -1.0
        moving = moving or (row < size and table[row, 1] != 0.0)
    if not moving:
        return np.inf
    step = float(np.log(TAYLOR_LONGEST))
    for row in range(rows):
        if row <= size:
            step = min(step, taylor_row_step(table, row, shift, TAYLOR_LOG_TOLERANCE))
        else:
            step = min(step, taylor_row_step(table, row, 0.0, TAYLOR_LOG_TANGENT_TOLERANCE))
    return float(np.exp(step))


def taylor_expand(
    series: Callable[..., None],
    table: Any,
    chart: int,
    columns: int,
    size: int,
    scale: float,
    time: float,
    constants: Any,
) -> tuple[float, float]:
    """Fill the table.

    Args:
        series: The model's equations.
        table: The table; its first column is the state.
        chart: Which chart's coordinates these are.
        columns: Number of tangent vectors.
        size: Number of coordinates.
        scale: Time unit to begin with; a smaller one is taken if the coefficients overflow.
        time: Time since the integration began.
        constants: The model's constants.

    Returns:
        The time unit and the step in this unit; a step of 0 if no unit makes the table finite.
    """
    rows = size + 1 + columns * size
    while scale > 0.0:
        series(table, chart, TAYLOR_ORDER, columns, scale, *constants)
        step = taylor_choose_step(table, size, rows, time / scale)
        if step >= 0.0:
            return scale, step
        scale *= TAYLOR_SHRINK
    return 1.0, 0.0


# Long: half of it says what it takes; a call per step would cost as much as the step.
def taylor_integrate(
    series: Callable[..., None],
    switch: Callable[..., int],
    surface: Callable[..., float],
    table: Any,
    columns: int,
    size: int,
    limit: float,
    watch: bool,
    constants: Any,
) -> tuple[float, int, bool]:
    """Integrate to the first spike or to a time limit.

    A spike is a falling zero of the surface. On the surface the sign of its rate decides: rising,
    as just after a reset onto the surface, is no spike. Steps and events do not depend on
    ``limit``, but for where the last step ends.

    Args:
        series: The model's equations.
        switch: Changes the chart if that is due, and says which one the state is in.
        surface: Value of the spike surface, positive in a chart without one.
        table: Table that begins in the stored coordinates; ends in the final state.
        columns: Number of tangent vectors.
        size: Number of coordinates.
        limit: Duration [the caller's tau].
        watch: Whether to search every step for spikes; otherwise one is seen if a step ends
            beyond the surface.
        constants: The model's constants.

    Returns:
        The time, the final state's chart, and whether this is a spike. Where the solution leaves
        the range of floats, or moves so fast that the limit is out of reach, its coordinates are
        infinite, and it does not spike.
    """
    rows = size + 1 + columns * size
    chart = 0
    time = 0.0
    scale = 0.0
    standstill = 0
    crawl = 0
    while True:
        chart = switch(table, chart, columns, *constants)
        height = surface(table, chart, *constants)
        if height < 0.0:
            return time, chart, True
        if height == 0.0 or scale == 0.0:
            series(table, chart, 1, 0, 1.0, *constants)
            if height == 0.0 and table[size, 1] < 0.0:
                return time, chart, True
            scale = taylor_guess_scale(table, size)
        scale, step = taylor_expand(series, table, chart, columns, size, scale, time, constants)
        if chart == 0:
            step = taylor_trust(series, table, size, scale, step, watch, constants)
        left = (limit - time) / scale
        standstill = standstill + 1 if time + step * scale == time else 0
        crawl = crawl + 1 if left > TAYLOR_FARTHEST * step else 0
        far = np.max(np.abs(table[:size, 0])) > TAYLOR_LARGEST or crawl > TAYLOR_CRAWL
        if step == 0.0 or far or standstill > TAYLOR_STANDSTILL:
            fall = -float(table[size, 1])
            if watch and fall > 0.0 and time + height / fall * scale == time:
                return time, chart, True  # tangents with log(r) creep up to r = 0, where it spikes
            table[:size, 0] = np.inf
            return time, chart, False
        if watch:
            root = taylor_find_event(table, size, step, left)
            if root < np.inf:
                taylor_evaluate(table, rows, root)
                return time + root * scale, chart, True
        if step >= left:
            taylor_evaluate(table, rows, left)
            return limit, chart, False
        taylor_evaluate(table, rows, step)
        scale *= step
        time += scale


def taylor_carry(
    series: Callable[..., None],
    switch: Callable[..., int],
    surface: Callable[..., float],
    table: Any,
    columns: int,
    size: int,
    limit: float,
    constants: Any,
) -> int:
    """Integrate the state and its tangents to a time limit, without a spike.

    The steps of tangents are others, so that the state would have other rounding errors than that
    of the flow. On the way to a spike at infinity the stored potential's derivative is a power of
    the distance to the spike, which must be the flow's for what follows to undo it: the state is
    integrated once more, by the flow's steps.

    Args:
        series: See `taylor_integrate`, as for the other arguments.
        switch: See there.
        surface: See there.
        table: See there.
        columns: See there.
        size: See there.
        limit: See there.
        constants: See there.

    Returns:
        The final state's chart.
    """
    plain = np.empty_like(table)
    plain[:size, 0] = table[:size, 0]
    _, chart, _ = taylor_integrate(
        series, switch, surface, table, columns, size, limit, False, constants
    )
    if chart == 1:
        _, other, _ = taylor_integrate(
            series, switch, surface, plain, 0, size, limit, False, constants
        )
        if other == chart:
            table[:size, 0] = plain[:size, 0]
    return chart


def taylor_trust(
    series: Callable[..., None],
    table: Any,
    size: int,
    scale: float,
    step: float,
    watch: bool,
    constants: Any,
) -> float:
    """Shorten a step until the polynomial obeys the equations where it ends.

    The last coefficients cannot tell of a term that is too small to be seen in any of them and
    yet grows beyond all others within the step, as an exponential far below threshold does.
    Returns 0 where no step can be trusted: the equations leave the range of floats there.
    """
    other = np.empty_like(table)
    noise = np.empty(size)
    if not 0.0 < step < np.inf:
        return step
    for _ in range(TAYLOR_HALVINGS):
        reach = step
        if watch:
            reach = min(step, taylor_find_event(table, size, step, np.inf))
        for row in range(size):
            value = 0.0
            for m in range(TAYLOR_ORDER, -1, -1):
                value = value * reach + float(table[row, m])
            other[row, 0] = value
            noise[row] = 0.0
        series(other, 0, 1, 0, scale, *constants)
        if taylor_obeys(table, other, noise, size, reach):
            return step
        taylor_measure_noise(series, other, noise, size, scale, constants)
        if taylor_obeys(table, other, noise, size, reach):
            return step
        step *= 0.5
    return 0.0


def taylor_obeys(table: Any, other: Any, noise: Any, size: int, reach: float) -> bool:
    """Whether polynomials that end in ``other`` have the velocities there, but for ``noise``."""
    for row in range(size):
        slope = 0.0
        for m in range(TAYLOR_ORDER, 0, -1):
            slope = slope * reach + m * float(table[row, m])
        largest = max(abs(float(table[row, 0])), abs(float(other[row, 0])))
        largest = max(largest, reach * abs(float(table[row, 1])))
        defect = (abs(slope - float(other[row, 1])) - noise[row]) * reach
        # near the end of the range of floats rounding errors are larger
        if not (defect <= TAYLOR_DEFECT * largest or largest < TAYLOR_SMALLEST):
            return False
    return True


def taylor_measure_noise(
    series: Callable[..., None], other: Any, noise: Any, size: int, scale: float, constants: Any
) -> None:
    """What the last bits of the coordinates do to the velocities, where large terms cancel."""
    base = np.empty(size)
    for row in range(size):
        base[row] = other[row, 1]
    for i in range(size):
        value = float(other[i, 0])
        other[i, 0] = value * (1.0 + TAYLOR_LAST_BITS)
        series(other, 0, 1, 0, scale, *constants)
        for row in range(size):
            noise[row] += abs(float(other[row, 1]) - base[row])
        other[i, 0] = value
    for row in range(size):
        other[row, 1] = base[row]


def taylor_find_event(table: Any, row: int, step: float, left: float) -> float:
    """First falling zero of a row between 0 and ``step``; inf if there is none before ``left``.

    May return a zero between ``left`` and ``step``: where the zero is does not depend on ``left``.
    """
    if step == np.inf:
        return np.inf
    reach = min(step, left)
    total = 0.0
    power = 1.0
    for m in range(1, TAYLOR_ORDER + 1):
        power *= reach
        total += abs(float(table[row, m])) * power
    if total < table[row, 0] or not total < np.inf:  # the latter leaves the range of floats
        return np.inf
    polynomial = np.empty(TAYLOR_ORDER + 1)
    power = 1.0
    for m in range(TAYLOR_ORDER + 1):
        polynomial[m] = float(table[row, m]) * power
        power *= step
    return taylor_find_root(polynomial, np.empty(TAYLOR_ORDER + 1)) * step


def taylor_find_root(polynomial: Any, work: Any) -> float:
    """First falling zero of a polynomial on [0, 1] that does not begin below zero; inf if none.

    Goes from left to right through intervals so narrow that Descartes' rule decides: as many
    roots as the Bernstein coefficients change sign, if that is none or once. Where all of them
    are as small as rounding errors, the polynomial touches zero and does not cross it.
    """
    noise = 0.0
    for m in range(TAYLOR_ORDER + 1):
        noise += 2.0**-52 * abs(float(polynomial[m]))
    lower = 0.0
    width = 1.0
    while lower < 1.0:
        taylor_restrict(polynomial, lower, width, work)
        changes, first, largest = taylor_count_changes(work, noise if lower > 0.0 else 0.0)
        if first < 0.0:
            return lower
        finest = width <= TAYLOR_NARROWEST or largest <= noise
        if changes == 1 or (finest and changes % 2 == 1):
            return taylor_polish_root(polynomial, lower, lower + width)
        if changes == 0 or finest:
            lower += width
            while width < 1.0 and lower % (2.0 * width) == 0.0:
                width *= 2.0
        else:
            width *= 0.5
    return np.inf


def taylor_restrict(polynomial: Any, lower: float, width: float, work: Any) -> None:
    """Write the Bernstein coefficients on [lower, lower + width] to ``work``.

    The polynomial is shifted to the interval, and its coefficients c_m there are turned to
    sum_m binomial(j, m) / binomial(order, m) * c_m.
    """
    for m in range(TAYLOR_ORDER + 1):
        work[m] = polynomial[m]
    if lower > 0.0:
        for i in range(TAYLOR_ORDER):
            for m in range(TAYLOR_ORDER - 1, i - 1, -1):
                work[m] += lower * work[m + 1]
    factor = 1.0
    for m in range(TAYLOR_ORDER + 1):
        work[m] *= factor
        factor *= width * (m + 1) / max(TAYLOR_ORDER - m, 1)
    for i in range(1, TAYLOR_ORDER + 1):
        for m in range(TAYLOR_ORDER, i - 1, -1):
            work[m] += work[m - 1]


def taylor_count_changes(values: Any, noise: float) -> tuple[int, float, float]:
    """Sign changes, the first value that counts, and the largest size.

    Zeros do not count, nor do values at the beginning that are not larger than ``noise``.
    """
    changes = 0
    first = 0.0
    last = 0.0
    largest = 0.0
    for m in range(TAYLOR_ORDER + 1):
        value = float(values[m])
        largest = max(largest, abs(value))
        if first == 0.0 and abs(value) > noise:
            first = value
            last = value
        elif first != 0.0 and value != 0.0:
            if (value > 0.0) != (last > 0.0):
                changes += 1
            last = value
    return changes, first, largest


def taylor_polish_root(polynomial: Any, lower: float, upper: float) -> float:
    """The zero of a polynomial that falls from above zero to below it, by safeguarded Newton."""
    x = 0.5 * (lower + upper)
    while True:
        value = 0.0
        slope = 0.0
        for m in range(TAYLOR_ORDER, -1, -1):
            slope = slope * x + value
            value = value * x + float(polynomial[m])
        if value == 0.0:
            return x
        if value > 0.0:
            lower = x
        else:
            upper = x
        better = x - taylor_divide(value, slope)
        if abs(better - x) <= 2.0**-53 * abs(x):
            return better
        if not lower < better < upper:
            better = 0.5 * (lower + upper)
            if better <= lower or better >= upper:
                return better
        x = better
