"""Quadratic neurons: V reaches infinity in finite time and comes back from -oo.

- theta, qif_delta: p = V - 1/2 obeys tau p' = p^2 + q, q = I0 - 1/4.
- qif with tau_m = 2 tau_s: with s = 1 - exp(-t/tau_m), V = (1 - s) p, p' = p^2 + I by s.
- qif otherwise: V = -tau_m y'/y, and y is a power series of s = 1 - exp(-t/tau_s), since
  r^2 (1 - s) y_ss - (r^2 - r) y_s + I y = 0 with r = tau_m/tau_s.
- rapid_theta: p = V - V_G obeys tau p' = a p^2 + q with another a on either side of 0.

p' = p^2 + q is solved by the addition theorem: p(s) = (p + q t)/(1 - p t) with t = tan(k s)/k,
k^2 = q, or tanh(k s)/k, k^2 = -q, or s. It blows up when the angle atan(p/k) + k s is pi/2, when
k s = artanh(k/p), or when s = 1/p.
"""

import gmpy2
from gmpy2 import atan, atanh, exp, log, log1p, mpfr, sqrt, tan, tanh

from temporal.arithmetic import PER_UNIT, instant, solve, span

TERMS = 4000
PIECE = 4
"""The power series is used up to s = 1/4."""


def infinite():
    return gmpy2.inf()


def wait_for_blowup(p, q):
    """When p' = p^2 + q is at infinity; None if never."""
    if q > 0:
        k = sqrt(q)
        return (gmpy2.const_pi() / 2 - atan(p / k)) / k
    if q == 0:
        return 1 / p if p > 0 else None
    k = sqrt(-q)
    return atanh(k / p) / k if p > k else None


def stretch(q, s):
    """The number t of the addition theorem."""
    if q > 0:
        k = sqrt(q)
        return tan(k * s) / k
    if q == 0:
        return s
    k = sqrt(-q)
    return tanh(k * s) / k


def move(p, q, t):
    """The solution of p' = p^2 + q from p on, given the number t; no blow-up lies between."""
    if gmpy2.is_infinite(p):
        return -1 / t
    return (p + q * t) / (1 - p * t)


class BlowUp:
    """What quadratic neurons share: a spike at infinity, a reset to minus infinity.

    All neurons have these methods; durations are numbers of instants.
    """

    is_moved_at_threshold = False
    """Whether an arrival may move a neuron that is just spiking."""

    def is_beyond(self):
        """Whether the neuron is to spike now."""
        return gmpy2.is_infinite(self.V) and self.V > 0

    def fire(self):
        """Reset the neuron, which is at its spike."""
        self.V = -infinite()

    def find(self, longest):
        """Time to the next spike; None if it does not come within ``longest``."""
        wait = self.wait(longest)
        if wait is None:
            return None
        wait = instant(wait)
        return wait if wait <= longest else None


class Parabola(BlowUp):
    """theta and qif_delta; ``tans`` keeps what neurons of equal parameters share."""

    def __init__(self, parameters, initial, cache):
        self.tau = parameters["tau"]
        self.q = parameters["I0"] - mpfr(1) / 4
        self.V = initial["V"]
        self.stretches = cache.setdefault(("stretch", self.tau, self.q), {})

    def wait(self, longest):
        found = wait_for_blowup(self.V - mpfr(1) / 2, self.q)
        return None if found is None else found * self.tau

    def advance(self, duration):
        if duration == 0:
            return
        t = self.stretches.get(duration)
        if t is None:
            t = self.stretches[duration] = stretch(self.q, span(duration) / self.tau)
        half = mpfr(1) / 2
        self.V = half + move(self.V - half, self.q, t)

    def settle(self, duration):
        """Advance to the spike."""
        self.V = infinite()

    def kick(self, w):
        self.V += w


class RapidTheta(BlowUp):
    def __init__(self, parameters, initial, cache):
        r, self.tau = parameters["r"], parameters["tau"]
        self.vertex = r / (r + 1)
        self.a = (r + 1) / (2 * r), r * (r + 1) / 2
        self.q = parameters["I0"] - r / (2 * (r + 1))
        self.V = initial["V"]

    def place(self):
        """The time since the vertex, or (negative) until it; and that of the spike."""
        p = self.V - self.vertex
        k = [sqrt(self.q / a) for a in self.a]
        rates = [a * b / self.tau for a, b in zip(self.a, k, strict=True)]
        i = int(p > 0)
        return atan(p / k[i]) / rates[i], gmpy2.const_pi() / 2 / rates[1], k, rates

    def wait(self, longest):
        place, end, _, _ = self.place()
        return end - place

    def advance(self, duration):
        if duration == 0:
            return
        place, _, k, rates = self.place()
        place += span(duration)
        i = int(place > 0)
        self.V = self.vertex + k[i] * tan(place * rates[i])

    def settle(self, duration):
        self.V = infinite()

    def kick(self, w):
        self.V += w


class HalfTime(BlowUp):
    """qif with tau_m = 2 tau_s."""

    def __init__(self, parameters, initial, cache):
        self.tau_m = parameters["tau_m"]
        self.V, self.I = initial["V"], initial["I"]
        self.decays = cache.setdefault(("decay", self.tau_m), {})

    def wait(self, longest):
        s = wait_for_blowup(self.V, self.I)
        return None if s is None or s >= 1 else -self.tau_m * log1p(-s)

    def decay(self, duration):
        z = self.decays.get(duration)
        if z is None:
            z = self.decays[duration] = exp(-span(duration) / self.tau_m)
        return z

    def advance(self, duration):
        if duration == 0:
            return
        z = self.decay(duration)
        self.V = z * move(self.V, self.I, stretch(self.I, 1 - z))
        self.I *= z * z

    def settle(self, duration):
        self.I *= self.decay(duration) ** 2
        self.V = infinite()

    def kick(self, w):
        self.I += w


class Decaying(BlowUp):
    """qif with any time constants."""

    def __init__(self, parameters, initial, cache):
        self.tau_m, self.tau_s = parameters["tau_m"], parameters["tau_s"]
        self.r = self.tau_m / self.tau_s
        self.V, self.I = initial["V"], initial["I"]
        self.ahead = None

    def kick(self, w):
        self.I += w
        self.ahead = None

    def longest_piece(self, current):
        """A duration with at most one zero of y (Sturm), in which s stays below 1/4."""
        longest = self.tau_s * log(mpfr(PIECE) / (PIECE - 1))
        if 4 * current > 1:
            half_turn = gmpy2.const_pi() * self.tau_m / sqrt(current - mpfr(1) / 4)
            longest = min(longest, half_turn * 7 / 8)
        return longest

    def coefficients(self, x, y, current, largest):
        """The power series of y by s; x = -r (1 - s) y_s."""
        r = self.r
        series = [y, -x / r]
        small = gmpy2.exp2(-gmpy2.get_context().precision - 8) * (abs(x) + abs(y))
        size = abs(largest)
        for k in range(TERMS):
            later = (k + 1) * (k * r + r - 1) * r * series[-1] - current * series[-2]
            series.append(later / (r * r * (k + 1) * (k + 2)))
            size *= abs(largest)
            if k > 8 and max(abs(series[-1]), abs(series[-2])) * (k + 2) * size < small:
                return series
        raise ArithmeticError("the power series of a qif neuron does not converge")

    def pieces(self, duration):
        """Go through a duration in pieces: each its length, current, series and s at its end."""
        x, y = (mpfr(-1), mpfr(0)) if gmpy2.is_infinite(self.V) else (self.V, mpfr(1))
        left, current = duration, self.I
        while left:
            length = left
            if left > 0:
                length = min(left, int(self.longest_piece(current) * PER_UNIT))
            z = exp(-span(length) / self.tau_s)
            series = self.coefficients(x, y, current, 1 - z)
            value, slope = evaluate(series, 1 - z)
            x, y = -self.r * z * slope, value
            yield length, series, 1 - z, x, y
            size = abs(x) + abs(y)
            x, y = x / size, y / size
            left, current = left - length, current * z

    def find(self, longest):
        before = 0
        for length, series, s, x, y in self.pieces(longest):
            if y <= 0:
                s = solve(lambda s, c=series: minus(evaluate(c, s)), mpfr(0), s)
                wait = before + instant(-self.tau_s * log1p(-s))
                self.ahead = None
                return min(wait, longest)
            before += length
            self.ahead = longest, x, y
        return None

    def advance(self, duration):
        if duration == 0:
            return
        if self.ahead is None or self.ahead[0] != duration:
            for _, _, _, x, y in self.pieces(duration):
                self.ahead = duration, x, y
        _, x, y = self.ahead
        self.V, self.ahead = x / y, None
        self.I *= exp(-span(duration) / self.tau_s)

    def settle(self, duration):
        self.I *= exp(-span(duration) / self.tau_s)
        self.V, self.ahead = infinite(), None

    def fire(self):
        self.V, self.ahead = -infinite(), None


def minus(pair):
    return -pair[0], -pair[1]


def evaluate(series, s):
    """A polynomial and its derivative."""
    value, slope = mpfr(0), mpfr(0)
    for c in reversed(series):
        slope = slope * s + value
        value = value * s + c
    return value, slope


def make_qif(parameters, initial, cache):
    """The elementary case, or the general one."""
    elementary = parameters["tau_m"] == 2 * parameters["tau_s"]
    return (HalfTime if elementary else Decaying)(parameters, initial, cache)
