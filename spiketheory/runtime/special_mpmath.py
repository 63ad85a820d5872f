r"""The functions of `spiketheory.runtime.special` at mpmath's working precision, from closed forms.

Nothing is shared with the floating-point versions: $y'' + y' + I e^{-t/\nu} y = 0$ is solved by
$y = \xi^\nu C_\nu(\xi)$ with $\xi = 2 \nu \sqrt{|I|} e^{-t/(2\nu)}$ and Bessel functions C,
modified ones for I < 0, and $d(\xi^\nu C_\nu)/d\xi = \pm\xi^\nu C_{\nu-1}$ (DLMF 10.6.6, 10.29.4).
"""

import itertools
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import flint
import mpmath
from mpmath import mpf
from mpmath.libmp import from_int

Pair = tuple[mpf, mpf]
Matrix = tuple[mpf, mpf, mpf, mpf]

FIRST_EXTRA_DIGITS = 20


def agree(
    compute: Callable[[], tuple[mpf, ...]], extra: int = FIRST_EXTRA_DIGITS
) -> tuple[mpf, ...]:
    """Results good to the caller's precision: more digits until every number stays the same."""
    digits = mpmath.mp.dps
    with mpmath.workdps(digits + extra):
        old = compute()
    while True:
        extra += extra // 2
        with mpmath.workdps(digits + extra):
            new = compute()
            limit = mpf(10) ** -(digits + 3)
            if all(abs(a - b) <= limit * abs(b) for a, b in zip(old, new, strict=True)):
                break
        old = new
    return tuple(+value for value in new)


def exp_dd(points: tuple[Any, ...]) -> mpf:
    """Divided difference of exp, from the textbook's table with enough digits."""
    nodes = sorted(map(mpf, points))
    if len(nodes) == 2:
        return exp_difference(*nodes)
    gaps = [b - a for a, b in itertools.pairwise(nodes) if a != b]
    lost = (len(nodes) - 1) * max(0, -mpmath.mag(min(gaps, default=1))) + 10 * len(nodes)
    with mpmath.workprec(mpmath.mp.prec + lost):
        value = exp_dd_table(nodes)
    return +value


def exp_difference(low: mpf, high: mpf) -> mpf:
    """Divided difference of exp at two nodes.

    With as many bits more as the difference of exponentials loses; beyond that two terms of the
    series are enough.
    """
    bits = mpmath.mp.prec + 10
    with mpmath.workprec(bits):
        gap = high - low  # the nodes are what they are: nothing is lost here
    lost = -mpmath.mag(gap) if gap else bits
    with mpmath.workprec(bits + max(0, min(lost, bits))):
        slope = 1 + gap / 2 if lost >= bits else (mpmath.exp(gap) - 1) / gap
        value = mpmath.exp(low) * slope
    return +value


def exp_dd_table(nodes: list[mpf]) -> mpf:
    """Divided difference of exp at sorted nodes, equal ones next to each other."""
    table = [mpmath.exp(p) for p in nodes]
    for order in range(1, len(nodes)):
        table = [
            mpmath.exp(nodes[i]) / mpmath.factorial(order)
            if nodes[i] == nodes[i + order]
            else (table[i + 1] - table[i]) / (nodes[i + order] - nodes[i])
            for i in range(len(nodes) - order)
        ]
    return table[0]


def lambert_w(x: Any) -> mpf:
    """Principal branch of the inverse of w e^w; -1 for x <= -1/e."""
    x = mpf(x)
    with mpmath.extradps(30):
        if x <= -mpmath.exp(-1):
            return mpf(-1)
        w = mpmath.lambertw(x).real
    return +w


def solutions(nu: mpf, current: mpf, time: mpf) -> tuple[Pair, Pair]:
    """Two independent solutions (y, x) at a time; current is not 0."""
    if mpmath.isint(nu):
        return solve_integer(nu, current, time)
    argument = -(nu**2) * current * mpmath.exp(-time / nu)
    fade = mpmath.exp(-time)
    slow, fast = 1 - nu, 1 + nu
    y1, y2 = hypergeometric(slow, argument), fade * hypergeometric(fast, argument)
    x1 = argument / (nu * slow) * hypergeometric(slow + 1, argument)
    x2 = y2 + fade * argument / (nu * fast) * hypergeometric(fast + 1, argument)
    return (y1, x1), (y2, x2)


def hypergeometric(parameter: mpf, argument: mpf) -> mpf:
    """0F1 to the working precision, by ball arithmetic of growing precision."""
    return evaluate_ball(lambda: to_ball(argument).hypgeom_0f1(to_ball(parameter)))


def evaluate_ball(compute: Callable[[], flint.arb]) -> mpf:
    """The middle of a ball that is small enough for the working precision."""
    bits = mpmath.mp.prec
    for doublings in itertools.count():
        with flint.ctx.workprec(bits + (40 << doublings)):
            ball = compute()
            if ball.rel_accuracy_bits() >= bits:
                return from_ball(ball)
    raise AssertionError("unreachable")


def cancelled_digits(nu: mpf, current: mpf) -> int:
    """Digits that two solutions that grow alike, or a nearly integer order, cost."""
    if mpmath.isint(nu):
        return FIRST_EXTRA_DIGITS
    growth = 4 * nu * mpmath.sqrt(-current) / mpmath.ln(10) if current < 0 else mpf(0)
    near = abs(nu - mpmath.nint(nu))
    return FIRST_EXTRA_DIGITS + int(growth) + int(-mpmath.log10(near) if 0 < near < 0.1 else 0)


def solve_integer(nu: mpf, current: mpf, time: mpf) -> tuple[Pair, Pair]:
    """Solutions that stay independent for integer orders."""
    xi = 2 * nu * mpmath.sqrt(abs(current)) * mpmath.exp(-time / (2 * nu))
    power = xi**nu
    slope = power * xi / (2 * nu)
    first, second, sign = ("j", "y", 1) if current > 0 else ("i", "k", -1)
    return (
        (power * bessel(first, nu, xi), slope * bessel(first, nu - 1, xi)),
        (power * bessel(second, nu, xi), sign * slope * bessel(second, nu - 1, xi)),
    )


def bessel(kind: str, nu: mpf, xi: mpf) -> mpf:
    """A Bessel function to the working precision."""
    if kind == "k":  # the library of ball arithmetic takes seconds where mpmath takes milliseconds
        return mpmath.besselk(nu, xi)
    return evaluate_ball(lambda: getattr(to_ball(xi), f"bessel_{kind}")(to_ball(nu)))


def from_ball(ball: flint.arb) -> mpf:
    """The middle of a ball, exactly."""
    man, exp = map(int, ball.mid().man_exp())
    return mpmath.ldexp(mpmath.mp.make_mpf(from_int(man)), exp)


def to_ball(value: mpf) -> flint.arb:
    """An mpmath number as a ball, exactly."""
    sign, man, exp, _ = value._mpf_
    return flint.arb((-int(man) if sign else int(man), int(exp)))


def decay_matrix(nu: Any, current: Any, time: Any) -> Matrix:
    """Fundamental matrix (yy, yx, xy, xx) of x' = -x + I exp(-t/nu) y, y' = -x."""
    return find_matrix(mpf(nu), mpf(current), mpf(time), mpmath.mp.prec)


@lru_cache(maxsize=512)
def find_matrix(nu: mpf, current: mpf, time: mpf, precision: int) -> Matrix:
    """The same, remembered: ``precision`` is that of the caller."""
    if current == 0:
        return mpf(1), mpmath.expm1(-time), mpf(0), mpmath.exp(-time)
    if time == 0:
        return mpf(1), mpf(0), mpf(0), mpf(1)

    def compute() -> tuple[mpf, ...]:
        (y1, x1), (y2, x2) = solutions(nu, current, time)
        (p1, q1), (p2, q2) = solutions(nu, current, mpf(0))
        determinant = p1 * q2 - p2 * q1
        return (
            (y1 * q2 - y2 * q1) / determinant,
            (y2 * p1 - y1 * p2) / determinant,
            (x1 * q2 - x2 * q1) / determinant,
            (x2 * p1 - x1 * p2) / determinant,
        )

    yy, yx, xy, xx = agree(compute, cancelled_digits(nu, current))
    return yy, yx, xy, xx


def decay_matrix_tangent(nu: Any, current: Any, time: Any) -> tuple[mpf, ...]:
    r"""`decay_matrix`, its derivatives by the current, those by nu.

    Solutions depend on I exp(-t/nu) alone, so that by the equation itself
    $\partial M/\partial I = (\nu/I) (M A(I) - A(I e^{-t/\nu}) M)$ with the matrix A of the
    equation; the derivative by nu is a central difference.
    """
    nu, current, time = mpf(nu), mpf(current), mpf(time)
    by_nu = differentiate(lambda n: decay_matrix(n, current, time), nu)
    return (*decay_matrix_slope(nu, current, time), *by_nu)


def decay_matrix_slope(nu: Any, current: Any, time: Any) -> tuple[mpf, ...]:
    """`decay_matrix` and its derivatives by the current."""
    nu, current, time = mpf(nu), mpf(current), mpf(time)
    if current == 0:
        by_current = differentiate(lambda i: decay_matrix(nu, i, time), current)
    else:
        by_current = differentiate_by_current(nu, current, time)
    return (*decay_matrix(nu, current, time), *by_current)


def differentiate_by_current(nu: mpf, current: mpf, time: mpf) -> tuple[mpf, ...]:
    """Derivatives of the matrix by the current; digits cancel where little has happened yet."""
    lost = 4 * max(0, -mpmath.mag(min(time or 1, abs(current)))) + 20
    with mpmath.workprec(mpmath.mp.prec + lost):
        yy, yx, xy, xx = decay_matrix(nu, current, time)
        later, factor = current * mpmath.exp(-time / nu), nu / current
        slopes = (
            factor * (current * yx + xy),
            factor * (-yy - yx + xx),
            factor * (current * xx - later * yy + xy),
            factor * (-xy - xx - later * yx + xx),
        )
    return tuple(+slope for slope in slopes)


def differentiate(function: Callable[[mpf], Matrix], at: mpf) -> tuple[mpf, ...]:
    """Derivatives of a matrix; a difference's error is of second order in its step."""
    digits = mpmath.mp.dps
    with mpmath.workdps(3 * digits + 10):
        step = mpf(10) ** -digits
        above, below = function(at + step), function(at - step)
        slopes = [(a - b) / (2 * step) for a, b in zip(above, below, strict=True)]
    return tuple(+slope for slope in slopes)


def decay_wait(nu: Any, x: Any, y: Any, current: Any) -> mpf:
    """Time to the first zero of y after time 0; ``inf`` if there is none."""
    return find_wait(mpf(nu), mpf(x), mpf(y), mpf(current), mpmath.mp.prec)


def decay_side(nu: Any, x: Any, y: Any, current: Any, time: Any) -> mpf:
    """Below 0 if y has its first zero before ``time``, else at least 0."""
    return decay_wait(nu, x, y, current) - mpf(time)


@lru_cache(maxsize=512)
def find_wait(nu: mpf, x: mpf, y: mpf, current: mpf, precision: int) -> mpf:
    """The same, remembered: ``precision`` is that of the caller."""
    if y < 0 or (y == 0 and x >= 0):
        return mpf(0)
    with mpmath.extradps(cancelled_digits(nu, current)):
        if current == 0:
            wait = -mpmath.log1p(-y / x) if x > y else mpmath.inf
        else:
            wait = follow(nu, x, y, current)
    return +wait


def follow(nu: mpf, x: mpf, y: mpf, current: mpf) -> mpf:
    r"""First zero of y, current not 0.

    $e^{t/2} y$ solves $v'' + (I(t) - 1/4) v = 0$. While I > 1/4 its zeros are more than
    $\pi/\sqrt{I}$ apart (Sturm); afterwards there is at most one, and there is one if and only if
    y's limit is negative.
    """
    (p1, q1), (p2, q2) = solutions(nu, current, mpf(0))
    determinant = p1 * q2 - p2 * q1
    first, second = (y * q2 - x * p2) / determinant, (x * p1 - y * q1) / determinant

    def evaluate(time: mpf) -> Pair:
        (y1, x1), (y2, x2) = solutions(nu, current, time)
        return first * y1 + second * y2, first * x1 + second * x2

    low = mpf(0)
    while current * mpmath.exp(-low / nu) > 0.25:
        high = low + 2 / mpmath.sqrt(current * mpmath.exp(-low / nu))
        if evaluate(high)[0] <= 0:
            return find_zero(evaluate, low, high)
        low = high
    limit = first if not mpmath.isint(nu) else (second if current < 0 else -second)
    if limit >= 0:
        return mpmath.inf
    width = mpf(1)
    while evaluate(low + width)[0] > 0:
        width *= 2
    return find_zero(evaluate, low, low + width)


def find_zero(evaluate: Callable[[mpf], Pair], low: mpf, high: mpf) -> mpf:
    """The only zero of y between two times: Newton's method with y' = -x, or else halving."""
    time, step = (low + high) / 2, high - low
    while True:
        y, x = evaluate(time)
        low, high = (time, high) if y > 0 else (low, time)
        new = time + y / x if x else high
        if not (low <= new <= high and abs(new - time) < step / 2):
            new = (low + high) / 2
        step, time = abs(new - time), new
        if step <= abs(time) * mpf(10) ** (10 - mpmath.mp.dps):
            return time


def sinc_slope(q: Any) -> mpf:
    """Derivative of sin(sqrt(q))/sqrt(q) by q, times exp(-sqrt(-q)) where q < 0."""
    q = mpf(q)
    with mpmath.workprec(2 * mpmath.mp.prec + 2 * max(0, -mpmath.mag(q or 1))):
        root = mpmath.sqrt(abs(q))
        if q == 0:
            value = mpf(-1) / 6
        elif q > 0:
            value = (mpmath.cos(root) - mpmath.sin(root) / root) / (2 * q)
        else:
            value = (mpmath.cosh(root) - mpmath.sinh(root) / root) / (2 * q) * mpmath.exp(-root)
    return +value


class NumPyInDigits:
    """What generated code calls NumPy's, in the working precision of mpmath."""

    inf = mpmath.inf
    pi = property(lambda self: +mpmath.pi)
    e = property(lambda self: +mpmath.e)
    arccos = staticmethod(mpmath.acos)
    arccosh = staticmethod(mpmath.acosh)
    arcsin = staticmethod(mpmath.asin)
    arcsinh = staticmethod(mpmath.asinh)
    arctan = staticmethod(mpmath.atan)
    arctan2 = staticmethod(mpmath.atan2)
    arctanh = staticmethod(mpmath.atanh)
    abs = staticmethod(abs)
    maximum = staticmethod(max)
    minimum = staticmethod(min)

    @staticmethod
    def logaddexp(a: Any, b: Any) -> Any:
        """log(exp(a) + exp(b))."""
        larger = max(a, b)
        return larger + mpmath.log1p(mpmath.exp(min(a, b) - larger))

    def __getattr__(self, name: str) -> Any:
        return getattr(mpmath, name)


numpy_in_digits = NumPyInDigits()
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "sinc_slope": sinc_slope,
    "exp_dd": exp_dd,
    "lambert_w": lambert_w,
    "decay_matrix": decay_matrix,
    "decay_matrix_slope": decay_matrix_slope,
    "decay_matrix_tangent": decay_matrix_tangent,
    "decay_wait": decay_wait,
    "decay_side": decay_side,
}
