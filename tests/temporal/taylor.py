"""Neurons without a closed form: eif, adex, izhikevich, by power series in time.

Coefficients follow from one another: (k + 1) v_{k+1} = coefficient k of the right-hand side, and
E = exp(g) has E' = g' E. A step is so short that the last two terms are below the tolerance (A.
Jorba and M. Zou, Exp. Math. 14, 99, 2005). On a step V is a polynomial; whether it reaches a
threshold is decided by bounds of its second derivative, on halves where they do not suffice.
eif: once growth is certain V takes the place of time, until no digit of the time is left to come.
"""

from operator import mul

import gmpy2
from gmpy2 import exp, mpfr

from temporal.arithmetic import instant, solve, span

MOST_STEPS = 20_000
SPARE_BITS = 30
"""The tolerance is that much above the rounding of numbers."""
CERTAIN = 4
"""From this V on eif may blow up for certain."""
DEEPEST = 60


def tolerance_bits():
    return gmpy2.get_context().precision - SPARE_BITS


def choose_order():
    return int(tolerance_bits() * 0.36) + 4


def convolve(left, right, k):
    """Coefficient k of a product."""
    return sum(map(mul, left[: k + 1], reversed(right[: k + 1])), mpfr(0))


def find_step(series):
    """How far power series may be used."""
    order = len(series[0]) - 1
    shortest = None
    for n in (order, order - 1):
        last = max(abs(s[n]) for s in series)
        if last == 0:
            continue
        size = max(mpfr(1), *(abs(s[0]) for s in series))
        step = gmpy2.exp2((gmpy2.log2(size) - gmpy2.log2(last) - tolerance_bits()) / n)
        shortest = step if shortest is None else min(shortest, step)
    return shortest


def evaluate(c, s):
    """A polynomial and its derivative."""
    value, slope = mpfr(0), mpfr(0)
    for k in reversed(c):
        slope = slope * s + value
        value = value * s + k
    return value, slope


def find_rise(c, target, end):
    """Where a polynomial that starts below a target first reaches it; None if not up to ``end``."""
    sizes = [abs(k) for k in c]
    if c[0] - sizes[0] + evaluate(sizes, end)[0] < target:
        return None
    bends = [n * (n - 1) * k for n, k in enumerate(sizes)][2:]

    def look(low, high, depth):
        middle, radius = (low + high) / 2, (high - low) / 2
        value, slope = evaluate(c, middle)
        bend = evaluate(bends, high)[0]
        if value + abs(slope) * radius + bend * radius**2 / 2 < target:
            return None
        if slope > bend * radius:
            if evaluate(c, high)[0] < target:
                return None
            return solve(lambda s: shift(evaluate(c, s), target), low, high)
        if depth == DEEPEST:
            raise ArithmeticError("V grazes the threshold to all digits")
        first = look(low, middle, depth + 1)
        return look(middle, high, depth + 1) if first is None else first

    return look(mpfr(0), end, 0)


def shift(pair, target):
    return pair[0] - target, pair[1]


class Integrated:
    """V and one other variable; see `temporal.quadratic.BlowUp` for the methods."""

    def __init__(self, parameters, initial, cache):
        for name, value in parameters.items():
            setattr(self, name, value)
        self.state = list(initial.values())
        self.order = choose_order()
        self.path = []
        """Steps from the state on, as far as they are known: start, length, series."""

    @property
    def V(self):
        return self.state[0]

    def change(self, state):
        self.state, self.path = list(state), []

    def follow(self, state, duration, target):
        """Go on for a duration, in seconds, or until V reaches a target.

        Returns:
            The state, and how far it went.
        """
        self.path, done = [], mpfr(0)
        sign = 1 if duration > 0 else -1
        for _ in range(MOST_STEPS):
            series = self.expand(state)
            step = find_step(series)
            left = abs(duration) - done
            last = step is None or step >= left
            step = left if last else step
            self.path.append((done, step, series))
            if target is not None and sign > 0:
                rise = find_rise(series[0], target, step)
                if rise is not None:
                    done += rise
                    return [target, evaluate(series[1], rise)[0]], done
            state = [evaluate(c, sign * step)[0] for c in series]
            done += step
            if last:
                return state, None
        raise ArithmeticError(f"not integrated in {MOST_STEPS} steps")

    def recall(self, t):
        """The state after a time that `follow` has passed; None if it has not."""
        for start, length, series in self.path:
            if start <= t <= start + length:
                return [evaluate(c, t - start)[0] for c in series]
        return None

    def advance(self, duration):
        if duration:
            t = span(duration)
            state = self.recall(t)
            if state is None:
                state = self.follow(self.state, t, None)[0]
            self.change(state)


class Peaked(Integrated):
    """adex and izhikevich."""

    is_moved_at_threshold = True

    def is_beyond(self):
        return self.V_peak <= self.V

    def find(self, longest):
        if longest <= 0:
            return None
        _, wait = self.follow(self.state, span(longest), self.V_peak)
        return None if wait is None else min(instant(wait), longest)

    def settle(self, duration):
        self.advance(duration)
        self.change([self.V_peak, self.state[1]])

    def kick(self, w):
        self.change([self.V + w, self.state[1]])


class Adex(Peaked):
    def expand(self, state):
        V, u = [state[0]], [state[1]]
        E, slopes = [self.Delta * exp((V[0] - self.V_T) / self.Delta)], []
        for k in range(self.order):
            drive = self.I0 if k == 0 else 0
            slopes.append((E[k] - V[k] - u[k] + drive) / self.tau_m)
            V.append(slopes[k] / (k + 1))
            u.append((self.a * V[k] - u[k]) / (self.tau_u * (k + 1)))
            E.append(convolve(E, slopes, k) / (self.Delta * (k + 1)))
        return V, u

    def fire(self):
        self.change([self.V_r, self.state[1] + self.b])


class Izhikevich(Peaked):
    def expand(self, state):
        V, u = [state[0]], [state[1]]
        for k in range(self.order):
            drive = 140 + self.I0 if k == 0 else 0
            rate = convolve(V, V, k) / 25 + 5 * V[k] - u[k] + drive
            V.append(rate / (k + 1))
            u.append(self.a * (self.b * V[k] - u[k]) / (k + 1))
        return V, u

    def fire(self):
        self.change([self.c, self.state[1] + self.d])


class Eif(Integrated):
    is_moved_at_threshold = False

    def is_beyond(self):
        return gmpy2.is_infinite(self.V)

    def expand(self, state):
        V, current = [state[0]], [state[1]]
        E, slopes = [exp(V[0])], []
        for k in range(self.order):
            slopes.append((E[k] - V[k] + current[k]) / self.tau_m)
            V.append(slopes[k] / (k + 1))
            current.append(-current[k] / (self.tau_s * (k + 1)))
            E.append(convolve(E, slopes, k) / (k + 1))
        return V, current

    def find(self, longest):
        """Go on until growth is certain, then by V."""
        state, left, before = self.state, span(longest), mpfr(0)
        if longest <= 0:
            return None
        target = mpfr(CERTAIN)
        while True:
            if not self.is_certain(state):
                target = max(target, state[0] + 1)
                state, passed = self.follow(state, left, target)
                if passed is None:
                    self.path = self.path if not before else []
                    return None
                self.path = []
                left, before = left - passed, before + passed
                continue
            wait = self.climb(state)
            return instant(before + wait) if wait <= left else None

    def is_certain(self, state):
        """Whether V grows from now on: what is left of the current cannot stop it."""
        V, current = state
        return V >= CERTAIN and exp(V) / 2 - V + min(current, mpfr(0)) > 0

    def climb(self, state):
        """The time until V is infinite; V is the independent variable."""
        (V, start), t = state, mpfr(0)
        top = tolerance_bits() * gmpy2.const_log2() + 10
        while top > V:
            E = exp(V)
            current, time = [start], [mpfr(0)]
            slopes, speed = [], []
            power = E
            for k in range(self.order):
                # speed = (exp(V) - V + I)/tau_m, slopes = dt/dV = 1/speed
                linear = V if k == 0 else 1 if k == 1 else 0
                speed.append((power - linear + current[k]) / self.tau_m)
                if k == 0:
                    slopes.append(1 / speed[0])
                else:
                    slopes.append(-convolve(speed[1:], slopes, k - 1) / speed[0])
                time.append(slopes[k] / (k + 1))
                current.append(-convolve(current, slopes, k) / (self.tau_s * (k + 1)))
                power /= k + 1
            step = find_step_to(time, current)
            t += evaluate(time, step)[0]
            start = evaluate(current, step)[0]
            V += step
        return t

    def settle(self, duration):
        self.change([gmpy2.inf(), self.state[1] * exp(-span(duration) / self.tau_s)])

    def kick(self, w):
        self.change([self.V, self.state[1] + w])

    def fire(self):
        self.change([self.V_r, self.state[1]])


def find_step_to(time, current):
    """A step of `climb`: the time must be exact to the first term of its own series."""
    order = len(time) - 1
    steps = []
    for n in (order, order - 1):
        for series, size in ((time, abs(time[1])), (current, mpfr(1) + abs(current[0]))):
            if series[n] != 0:
                bits = gmpy2.log2(size) - gmpy2.log2(abs(series[n])) - tolerance_bits()
                steps.append(gmpy2.exp2(bits / n))
    return min(steps)
