"""Functions that sympy lacks: how they differentiate, and what they are in elementary terms.

Each is evaluated by the function of the same name in `spiketheory.runtime.special` (floats) and
`spiketheory.runtime.special_mpmath` (any precision).
"""

from typing import Any

import mpmath
import sympy as sp

from spiketheory.runtime import special_mpmath


class Evaluated(sp.Function):
    """A function whose values at numbers come from the runtime's, in any precision."""

    def _eval_evalf(self, prec: int) -> sp.Expr | None:
        points = [point.evalf(mpmath.libmp.prec_to_dps(prec) + GUARD_DIGITS) for point in self.args]
        if not all(point.is_Float or point.is_Rational for point in points):
            return None
        with mpmath.workprec(prec):
            value = self.evaluate(*(point._to_mpmath(prec + 4 * GUARD_DIGITS) for point in points))
            return sp.Float._new(value._mpf_, prec)

    @staticmethod
    def evaluate(*points: mpmath.mpf) -> mpmath.mpf:
        """The value in mpmath's working precision."""
        raise NotImplementedError


GUARD_DIGITS = 10


class softplus(Evaluated):
    """log(1 + exp(z)) without overflow."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """Its derivative, the logistic function, accurate in both tails."""
        return sp.exp(self.args[0] - self)

    @staticmethod
    def evaluate(*points: mpmath.mpf) -> mpmath.mpf:
        """The value in mpmath's working precision."""
        return special_mpmath.numpy_in_digits.logaddexp(mpmath.mpf(0), *points)


class log1p(Evaluated):
    """log(1 + z) without cancellation."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """Its derivative."""
        return 1 / (1 + self.args[0])

    @staticmethod
    def evaluate(*points: mpmath.mpf) -> mpmath.mpf:
        """The value in mpmath's working precision."""
        return mpmath.log1p(*points)

    def _eval_rewrite_as_log(self, arg: sp.Expr, **_: Any) -> sp.Expr:
        return sp.log(1 + arg)


class lambert_w(Evaluated):
    """The principal branch of w exp(w) = z, for z >= -1/e."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """Its derivative."""
        return 1 / (self.args[0] + sp.exp(self))

    @staticmethod
    def evaluate(*points: mpmath.mpf) -> mpmath.mpf:
        """The value in mpmath's working precision."""
        return special_mpmath.lambert_w(*points)


class exp_dd(Evaluated):
    """Divided difference of exp at any number of points, which may be equal.

    exp_dd(a) = exp(a), exp_dd(a, b) = (exp(a) - exp(b))/(a - b), and so on: an entire function of
    all its points (C. de Boor, Surveys in Approximation Theory 1, 46, 2005).
    """

    @classmethod
    def eval(cls, *points: sp.Expr) -> sp.Expr | None:
        """One point is exp itself; the order of the points does not matter."""
        if len(points) == 1:
            return sp.exp(points[0])
        ordered = tuple(sorted(points, key=sp.default_sort_key))
        return cls(*ordered) if ordered != points else None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """The derivative by a point repeats it as often as it stands there."""
        return exp_dd(*self.args, self.args[argindex - 1])

    @staticmethod
    def evaluate(*points: mpmath.mpf) -> mpmath.mpf:
        """The value in mpmath's working precision."""
        return special_mpmath.exp_dd(points)

    def _eval_rewrite_as_exp(self, *points: sp.Expr, **_: Any) -> sp.Expr:
        if len(set(points)) == 1:
            return sp.exp(points[0]) / sp.factorial(len(points) - 1)
        first, last = points[0], points[-1]
        if first == last:  # sorted, so this cannot be unless all are equal
            raise AssertionError(points)
        upper, lower = exp_dd(*points[:-1]), exp_dd(*points[1:])
        difference = upper.rewrite(sp.exp) - lower.rewrite(sp.exp)
        return difference / (first - last)


class sinc_slope(Evaluated):
    """Derivative of sin(sqrt(q))/sqrt(q) by q, times exp(-sqrt(-q)) where q < 0."""

    nargs = 1

    @staticmethod
    def evaluate(*points: mpmath.mpf) -> mpmath.mpf:
        """The value in mpmath's working precision."""
        return special_mpmath.sinc_slope(*points)


class Opaque(sp.Function):
    """A function whose derivatives the derivation states separately."""

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """Not to be differentiated."""
        raise TypeError(f"{type(self).__name__} is not differentiated as it stands")


class decay_matrix(Opaque):
    """Fundamental matrix of x' = -x + I exp(-t/nu) y, y' = -x: (nu, I, t) to yy, yx, xy, xx."""

    nargs = 3


class decay_matrix_slope(Opaque):
    """The same with its derivatives by I: eight numbers."""

    nargs = 3


class decay_matrix_tangent(Opaque):
    """The same with its derivatives by I and by nu: twelve numbers."""

    nargs = 3


class decay_wait(Opaque):
    """First zero of y for x' = -x + I exp(-t/nu) y, y' = -x: (nu, x, y, I) to a time."""

    nargs = 4


class decay_side(Opaque):
    """Below 0 if that zero comes before a time: (nu, x, y, I, t) to a number."""

    nargs = 5


class first_zero(Opaque):
    """First zero of the generated function ``heights``: (rates, horizon, arguments) to a time."""

    nargs = 3


class first_zero_above(Opaque):
    """The same from beyond the first zero: when it comes back, and when it crosses again."""

    nargs = 3


class first_peak(Opaque):
    """The next maximum: the first time at which the second of ``heights`` rises through zero."""

    nargs = 3


class time_to_spike(Opaque):
    """The generated function of that name."""


class propagator(Opaque):
    """The generated function of that name."""


class flow(Opaque):
    """The generated function of that name."""


class fire(Opaque):
    """The generated function of that name."""


GENERATED = ("time_to_spike", "propagator", "flow", "fire")
"""Generated functions that others call."""


LIBRARY = {
    "decay_matrix": "special",
    "decay_matrix_slope": "special",
    "decay_matrix_tangent": "special",
    "decay_wait": "special",
    "decay_side": "special",
    "exp_dd": "special",
    "lambert_w": "special",
    "sinc_slope": "special",
    "first_zero": "roots",
    "first_zero_above": "roots",
    "first_peak": "roots",
    "crossing_integrate": "crossing",
    "crossing_side": "crossing",
}
"""The module of spiketheory that holds each function of generated code."""
