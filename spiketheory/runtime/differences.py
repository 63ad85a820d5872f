"""Divided differences of exp at up to four points, faster than those of `runtime.special`.

A readout's kernel is evaluated for every hidden spike, with two or three rates and the integral.
Each is the usual recursion on the two extremes unless all points are so near to each other that it
would cancel, and then the power series about the smallest, whose terms are all positive. For few
points the recursion cancels so little that the series is needed on short ranges alone, where it is
short: `runtime.special` has ranges that serve up to six.
"""

from spiketheory.runtime.special import exp_dd2, exp_or_inf, sort3

NEAR_3 = 1.0
NEAR_4 = 2.5
"""Widths up to which three and four points are near to each other.

Both ways are then right to 1e-15, relative to the value (tests/parity/test_differences.py).
"""
TINY = 2.0**-56
MOST_TERMS = 40
INVERSE = (0.0, *(1.0 / k for k in range(1, MOST_TERMS + 4)))
"""Reciprocals: a division takes longer than all else in a term."""


def exp_dd(points: tuple[float, ...]) -> float:
    """Divided difference of exp at 1 to 4 points in any order; a repeated one is a derivative."""
    last = len(points) - 1
    if last == 0:
        return exp_or_inf(points[0])
    if last == 1:
        return exp_dd2(min(points[0], points[last]), max(points[0], points[last]))
    a, b, c = sort3(points[0], points[1 % (last + 1)], points[2 % (last + 1)])
    if last == 2:
        return exp_dd3(a, b, c)
    d = points[last]
    c, d = min(c, d), max(c, d)
    b, c = min(b, c), max(b, c)
    return exp_dd4(min(a, b), max(a, b), c, d)


def exp_dd3(a: float, b: float, c: float) -> float:
    """Divided difference of exp at ascending points."""
    if c - a <= NEAR_3:
        return exp_or_inf(a) * sum_near_3(b - a, c - a)
    return (exp_dd2(b, c) - exp_dd2(a, b)) / (c - a)


def exp_dd4(a: float, b: float, c: float, d: float) -> float:
    """Divided difference of exp at ascending points."""
    if d - a <= NEAR_4:
        return exp_or_inf(a) * sum_near_4(b - a, c - a, d - a)
    return (exp_dd3(b, c, d) - exp_dd3(a, b, c)) / (d - a)


def sum_near_3(p: float, q: float) -> float:
    r"""Divided difference of exp at 0, p and q, ascending: $\sum_k h_k(p, q)/(k + 2)!$.

    $h_k(p, q) = p^k + q h_{k-1}(p, q)$ are the complete homogeneous symmetric polynomials; the
    k-th term is at most $q^k/k!$ times the first.
    """
    p_term, q_term = 1.0, 0.5
    total, bound = 0.5, 1.0
    for k in range(1, MOST_TERMS):
        bound *= q * INVERSE[k]
        p_term *= p * INVERSE[k + 1]
        q_term = (p_term + q * q_term) * INVERSE[k + 2]
        total += q_term
        if bound <= TINY:
            break
    return total


def sum_near_4(p: float, q: float, r: float) -> float:
    """The same at 0 and three ascending points."""
    p_term, q_term, r_term = 1.0, 0.5, 1.0 / 6.0
    total, bound = 1.0 / 6.0, 1.0
    for k in range(1, MOST_TERMS):
        bound *= r * INVERSE[k]
        p_term *= p * INVERSE[k + 1]
        q_term = (p_term + q * q_term) * INVERSE[k + 2]
        r_term = (q_term + r * r_term) * INVERSE[k + 3]
        total += r_term
        if bound <= TINY:
            break
    return total
