"""Sine, cosine, exponential, logarithm and arctangent for compiled code: no branches, no calls.

The C library's functions are called once per number. These are inlined instead, and loops over
neurons become vector instructions, eight times as fast with AVX-512. `spiketheory.machine.compile`
puts them in the place of NumPy's functions of the same name in generated code; with the NumPy
backend that code calls NumPy's own.

Each reduces its argument to a short interval around 0 and evaluates a polynomial there. The
polynomials are Chebyshev interpolants of (sin r - r) / r^3, (cos r - 1 + r^2/2) / r^4,
(arctan r - r) / r^3 and (artanh r - r) / r^3 as functions of r^2, and of (exp r - 1 - r) / r^2;
their relative errors are below 1.1e-16 of the terms that they belong to. Errors stated below are
measured against mpmath (tests/unit/test_elementary.py), in units in the last place (ulp).

``np.where`` stands for one instruction that chooses between two numbers: a conditional expression
would become a branch.
"""

import numpy as np

PI_LOW = 1.2246467991473532e-16
"""What np.pi lacks of pi."""
TAN_EIGHTH = 0.41421356237309503
"""Tangent of pi / 8."""
HALF_PI_1 = 1.5707963267341256
HALF_PI_2 = 6.077100506303966e-11
HALF_PI_3 = 2.0222662487959506e-21
"""pi / 2 in three parts; the first two have 33 bits, so that their multiples are exact."""
LN2_1 = 0.6931471803691238
LN2_2 = 1.9082149292705877e-10
"""log 2 in two parts; the first has 32 bits."""


def sin(x):  # type: ignore[no-untyped-def]
    """Sine, to 2 ulp for abs(x) <= 100, 3 ulp <= 1e6; up to 1e13, of an x changed by 1 ulp."""
    turns, s, c = quarter_turns(x)
    half = np.floor(0.5 * turns)
    odd = turns - 2.0 * half
    value = np.where(odd == 0.0, s, c)
    return value * (1.0 - 2.0 * (half - 2.0 * np.floor(0.5 * half)))


def cos(x):  # type: ignore[no-untyped-def]
    """Cosine, with the errors of `sin`."""
    turns, s, c = quarter_turns(x)
    half = np.floor(0.5 * turns)
    odd = turns - 2.0 * half
    value = np.where(odd == 0.0, c, -s)
    return value * (1.0 - 2.0 * (half - 2.0 * np.floor(0.5 * half)))


def quarter_turns(x):  # type: ignore[no-untyped-def]
    """The nearest number of quarter turns, and sine and cosine of what is left of x."""
    turns = np.rint(x * (2.0 / np.pi))
    r = ((x - turns * HALF_PI_1) - turns * HALF_PI_2) - turns * HALF_PI_3
    r = np.where(abs(r) <= 1.0, r, 0.0 * r)
    z = r * r
    z2 = z * z
    s = (-0.16666666666666666 + 0.008333333333330946 * z) + z2 * (
        (-0.0001984126983675497 + 2.755731610068303e-06 * z)
        + z2 * (-2.5051131455427946e-08 + 1.591810123027412e-10 * z)
    )
    c = (0.041666666666666664 - 0.0013888888888887395 * z) + z2 * (
        (2.4801587298763433e-05 - 2.7557317270560326e-07 * z)
        + z2 * (2.0876146024689747e-09 - 1.1382614868556325e-11 * z)
    )
    return turns, r + r * (z * s), (1.0 - 0.5 * z) + z2 * c


def exp(x):  # type: ignore[no-untyped-def]
    """Exponential, to 1 ulp; 0 and inf where the result leaves the range of floats."""
    inside = np.where(x < -800.0, -800.0, x)
    twos, rest = halvings(np.where(x > 800.0, 800.0, inside))
    half = np.floor(0.5 * twos)
    return ((1.0 + rest) * power_of_two(half)) * power_of_two(twos - half)


def expm1(x):  # type: ignore[no-untyped-def]
    """exp(x) - 1, to 3 ulp; inf where it leaves the range of floats."""
    inside = np.where(x < -50.0, -50.0, x)
    twos, rest = halvings(np.where(x > 800.0, 800.0, inside))
    part = power_of_two(np.where(twos > 1000.0, -1000.0, -twos))
    half = np.floor(0.5 * twos)
    return ((rest + (1.0 - part)) * power_of_two(half)) * power_of_two(twos - half)


def halvings(x):  # type: ignore[no-untyped-def]
    """The nearest multiple n of log 2, and exp(x - n log 2) - 1."""
    twos = np.rint(x * 1.4426950408889634)
    r = (x - twos * LN2_1) - twos * LN2_2
    z = r * r
    z2 = z * z
    rest = ((0.5000000000000001 + 0.16666666666666669 * r)
            + z * (0.04166666666662413 + 0.008333333333330062 * r)) + z2 * (
        ((0.0013888888917213717 + 0.00019841269863053618 * r)
         + z * (2.4801521295954376e-05 + 2.7557268459997064e-06 * r))
        + z2 * (2.7620088445409746e-07 + 2.510038549551032e-08 * r)
    )  # fmt: skip
    return twos, r + z * rest


def log1p(x):  # type: ignore[no-untyped-def]
    """log(1 + x), to 3 ulp; -inf at -1, NaN below."""
    whole = 1.0 + x
    lost = x - (whole - 1.0)  # what rounding the sum has lost, exactly, for abs(x) < 1
    lost = np.where(abs(x) < 1.0, lost, 1.0 - (whole - x))
    bits = np.float64(whole).view(np.int64)
    twos = np.float64((bits - 0x3FE6A09E667F3BCD) >> 52)  # whole / 2^twos is in sqrt(1/2)..sqrt(2)
    scaled = np.int64(bits - (np.int64(twos) << 52)).view(np.float64)
    s = (scaled - 1.0) / (scaled + 1.0)
    z = s * s
    z2 = z * z
    series = ((0.3333333333333333 + 0.2000000000000044 * z)
              + z2 * (0.14285714285401424 + 0.11111111195943532 * z)) + (z2 * z2) * (
        (0.09090897810816391 + 0.07693120354484832 * z)
        + z2 * (0.06634373097798298 + 0.06543453943982513 * z)
    )  # fmt: skip
    small = 2.0 * s + (2.0 * s * (z * series) + lost / whole + twos * LN2_2)
    value = twos * LN2_1 + small
    value = np.where(whole == np.inf, np.inf, value)
    value = np.where(whole == 0.0, -np.inf, value)
    return np.where(whole >= 0.0, value, np.nan)


def power_of_two(n):  # type: ignore[no-untyped-def]
    """2^n for a whole number n of -1022..1023."""
    return np.int64((np.int64(n) + 1023) << 52).view(np.float64)


def arctan2(y, x):  # type: ignore[no-untyped-def]
    """Angle of the point (x, y), to 2 ulp; zeros and infinities as in IEEE 754."""
    height, width = abs(y), abs(x)
    steep = height > width
    larger = np.where(steep, height, width)
    smaller = np.where(steep, width, height)
    beyond = (smaller > TAN_EIGHTH * larger) | (smaller == np.inf)
    above = np.where(beyond, smaller - larger, smaller)
    below = np.where(beyond, smaller + larger, larger)
    slope = np.where((below != 0.0) & (smaller != np.inf), above / below, 0.0)
    z = slope * slope
    z2 = z * z
    z4 = z2 * z2
    rest = (
        ((-0.3333333333333333 + 0.19999999999995513 * z)
         + z2 * (-0.1428571428466482 + 0.11111111015117626 * z))
        + z4 * ((-0.09090904572487347 + 0.07692183059894114 * z)
                + z2 * (-0.06664509603255386 + 0.05858132894427922 * z))
    ) + z4 * z4 * (
        (-0.05085365922344248 + 0.03922923713835943 * z) - 0.01917392228554793 * z2
    )  # fmt: skip
    correction = slope * (z * rest)
    # The angle is base +- (slope + correction), the base a multiple of pi / 4.
    base = np.where(beyond, 1.0, 0.0)
    base = np.where(steep, 2.0 - base, base)
    sign = np.where(steep, -1.0, 1.0)
    leftward = np.copysign(1.0, x) < 0.0
    base = np.where(leftward, 4.0 - base, base)
    sign = np.where(leftward, -sign, sign)
    quarter = 0.25 * base
    angle = quarter * np.pi + (sign * slope + (sign * correction + quarter * PI_LOW))
    return np.where((height >= 0.0) & (width >= 0.0), np.copysign(angle, y), x + y)


REPLACED = ("sin", "cos", "exp", "expm1", "log1p", "arctan2")
"""Functions of NumPy that these replace."""
