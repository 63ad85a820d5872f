"""Numbers of 57 digits (MPFR), and instants: whole numbers of 1e-50 of the unit of time.

Whole numbers add up exactly: an input at 0.3 meets one of 0.1 that comes with a delay of 0.2.
Floats of times are taken for the decimals that they are written as, as the package's ticks do.
"""

from decimal import Context, Decimal

import gmpy2
import mpmath
from gmpy2 import mpfr

DIGITS = 57
PER_UNIT = 10**50
"""Instants per unit of time."""
WIDE = Context(prec=400)
ROUNDS = 400


def working(digits=DIGITS):
    """A context of so many digits, in which NaN is an error."""
    bits = int(digits * 3.3219280949) + 4
    return gmpy2.context(gmpy2.get_context(), precision=bits, trap_invalid=True)


def exact(values):
    """Floats to numbers, exactly; lists and arrays stay nested."""
    if values is None:
        return None
    if hasattr(values, "tolist"):
        values = values.tolist()
    if isinstance(values, list | tuple):
        return [exact(v) for v in values]
    return mpfr(values)


def instant(time):
    """The instant of a float, or of a number that a step has moved."""
    if isinstance(time, float | int):
        return int(WIDE.multiply(Decimal(repr(time)), PER_UNIT))
    return int(gmpy2.rint(time * PER_UNIT))


def span(instants):
    """A number of instants as a duration."""
    return mpfr(instants) / PER_UNIT


def to_mpf(x):
    """A number of mpmath, exactly."""
    if not gmpy2.is_finite(x):
        return mpmath.mpf(str(x))
    mantissa, exponent = x.as_mantissa_exp() if x else (0, 0)
    return mpmath.mp.make_mpf(mpmath.libmp.from_man_exp(int(mantissa), int(exponent)))


def instant_to_mpf(time):
    """An instant as a number of mpmath."""
    with mpmath.workdps(2 * DIGITS):
        return mpmath.mpf(time) / PER_UNIT


def solve(f, low, high):
    """The zero of a function that is below 0 at ``low`` and not at ``high``: its only one there.

    Newton's method, kept in a bracket that shrinks by half at least every other time.

    Args:
        f: Returns value and slope.
        low, high: The bracket.
    """
    width = high - low
    small = width * gmpy2.exp2(-0.55 * gmpy2.get_context().precision)
    least = width * gmpy2.exp2(8 - gmpy2.get_context().precision)
    middle = (low + high) / 2
    for k in range(ROUNDS):
        value, slope = f(middle)
        if value < 0:
            low = middle
        else:
            high = middle
        step = -value / slope if slope > 0 else width
        ahead = middle + step
        if abs(step) <= small:
            # its square is below rounding: this is the last step but one
            value, slope = f(ahead)
            return ahead - value / slope
        if high - low <= least:
            return high
        if not low < ahead < high or (k % 2 and high - low > width / 2):
            ahead = (low + high) / 2
        if k % 2:
            width = high - low
        middle = ahead
    raise ArithmeticError(f"no zero found in {ROUNDS} rounds between {low} and {high}")
