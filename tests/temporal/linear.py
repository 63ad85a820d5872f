"""Linear neurons with a threshold: lif, lif_alpha, lif_delta, nlif.

With a = 1/tau_m, b = 1/tau_s the currents of lif and lif_alpha act on V by

    (1/tau_m) int_0^t exp(-a (t - u)) exp(-b u) du = (t/tau_m) exp(-b t) E1((b - a) t),
    (1/(tau_m tau_s)) int_0^t exp(-a (t - u)) u exp(-b u) du
        = (t^2/(tau_m tau_s)) exp(-a t) E2((a - b) t),

E1(x) = int_0^1 exp(x v) dv, E2(x) = int_0^1 v exp(x v) dv. How often V turns between two inputs is
Rolle's theorem: exp(b t) (d/dt + b) f is the derivative of exp(b t) f by t.
"""

from itertools import pairwise

from gmpy2 import exp, expm1, log, log1p, mpfr

from temporal.arithmetic import instant, solve, span


def mean_exp(x):
    """E1."""
    return expm1(x) / x if x else mpfr(1)


def mean_late_exp(x):
    """E2: by its power series next to 0."""
    if abs(x) > mpfr(1) / 64:
        return (exp(x) - mean_exp(x)) / x
    total, term, k = mpfr(0), mpfr(1), 0
    while True:
        later = total + term / (k + 2)
        if later == total:
            return total
        total, k = later, k + 1
        term = term * x / k


class Threshold:
    """What neurons with a finite threshold share (see `temporal.quadratic.BlowUp`)."""

    is_moved_at_threshold = False

    def is_beyond(self):
        return self.V_th <= self.V

    def fire(self):
        self.V = mpfr(0)

    def settle(self, duration):
        self.advance(duration)
        self.V = self.V_th


class Cascade(Threshold):
    """lif and lif_alpha: the state is V, I and J, of which lif has no J."""

    def __init__(self, parameters, initial, cache):
        self.tau_m, self.tau_s = parameters["tau_m"], parameters["tau_s"]
        self.V_th = parameters["V_th"]
        self.V, self.I = initial["V"], initial["I"]
        self.is_alpha = "J" in initial
        self.J = initial.get("J", mpfr(0))
        self.steps = cache.setdefault(("cascade", self.tau_m, self.tau_s, self.is_alpha), {})

    def step(self, t):
        """The numbers by which a duration acts."""
        a, b = 1 / self.tau_m, 1 / self.tau_s
        fast, slow = exp(-b * t), exp(-a * t)
        c1 = a * t * fast * mean_exp((b - a) * t)
        c2 = a * b * t * t * slow * mean_late_exp((a - b) * t) if self.is_alpha else None
        return slow, fast, c1, c2, b * t

    def look(self, step):
        """The state after a step."""
        slow, fast, c1, c2, bt = step
        V = self.V * slow + self.I * c1
        if not self.is_alpha:
            return V, self.I * fast, self.J
        return V + self.J * c2, fast * (self.I + self.J * bt), self.J * fast

    def find_step(self, duration):
        step = self.steps.get(duration)
        if step is None:
            step = self.steps[duration] = self.step(span(duration))
        return step

    def advance(self, duration):
        if duration:
            self.V, self.I, self.J = self.look(self.find_step(duration))

    def kick(self, w):
        if self.is_alpha:
            self.J += w
        else:
            self.I += w

    def chain(self, state):
        """V - V_th, its derivatives, and (d/dt + 1/tau_s) V'."""
        V, current, J = state
        dV = (current - V) / self.tau_m
        dI = (J - current) / self.tau_s if self.is_alpha else -current / self.tau_s
        ddV = (dI - dV) / self.tau_m
        dJ = -J / self.tau_s
        ddI = (dJ - dI) / self.tau_s if self.is_alpha else -dI / self.tau_s
        third = (ddI - ddV) / self.tau_m
        return V - self.V_th, dV, ddV, ddV + dV / self.tau_s, third + ddV / self.tau_s

    def at(self, t):
        return self.chain(self.look(self.step(t)))

    def find(self, longest):
        if longest <= 0:
            return None
        step = self.find_step(longest)
        end = self.look(step)
        t = span(longest)
        if end[0] < self.V_th and self.stays_below(t):
            return None
        places = [(mpfr(0), self.chain((self.V, self.I, self.J))), (t, self.chain(end))]
        # each line: the function between whose zeros the next one is monotone, and its slope
        lines = [(3, 4), (1, 2)] if self.is_alpha else [(1, 2)]
        for value, slope in lines:
            places = self.add_zeros(places, value, slope)
        for (low, _), (high, reached) in pairwise(places):
            if reached[0] >= 0:
                root = solve(lambda t: self.at(t)[:2], low, high)
                return min(instant(root), longest)
        return None

    def stays_below(self, t):
        """Whether V cannot reach the threshold: each variable follows the next one at most."""
        zero = mpfr(0)
        current = max(self.I, zero)
        if self.is_alpha:
            current += max(self.J, zero) * t / self.tau_s
        return max(self.V, zero) + current * t / self.tau_m < self.V_th

    def add_zeros(self, places, value, slope):
        """The places, and the zeros of a function that has at most one between neighbours."""
        found = [places[0]]
        for before, after in pairwise(places):
            left, right = before[1][value], after[1][value]
            if left * right < 0:
                sign = 1 if left < 0 else -1
                root = solve(lambda t, s=sign: (s * self.at(t)[value], s * self.at(t)[slope]),
                             before[0], after[0])  # fmt: skip
                found.append((root, self.at(root)))
            found.append(after)
        return found


class LifDelta(Threshold):
    is_moved_at_threshold = True

    def __init__(self, parameters, initial, cache):
        self.tau, self.I0, self.V_th = (parameters[n] for n in ("tau", "I0", "V_th"))
        self.V = initial["V"]
        self.decays = cache.setdefault(("decay", self.tau), {})

    def advance(self, duration):
        z = self.decays.get(duration)
        if z is None:
            z = self.decays[duration] = exp(-span(duration) / self.tau)
        self.V = self.I0 + (self.V - self.I0) * z

    def find(self, longest):
        if self.V_th >= self.I0:
            return None
        wait = instant(self.tau * log((self.I0 - self.V) / (self.I0 - self.V_th)))
        return wait if wait <= longest else None

    def kick(self, w):
        self.V += w


class Nlif(Threshold):
    def __init__(self, parameters, initial, cache):
        self.tau_m, self.tau_s = parameters["tau_m"], parameters["tau_s"]
        self.V_th = parameters["V_th"]
        self.V, self.I = initial["V"], initial["I"]
        self.decays = cache.setdefault(("decay", self.tau_s), {})

    def advance(self, duration):
        z = self.decays.get(duration)
        if z is None:
            z = self.decays[duration] = exp(-span(duration) / self.tau_s)
        self.V += self.I * (self.tau_s / self.tau_m) * (1 - z)
        self.I *= z

    def find(self, longest):
        missing = (self.V_th - self.V) * self.tau_m
        if self.I * self.tau_s <= missing:
            return None
        wait = instant(-self.tau_s * log1p(-missing / (self.I * self.tau_s)))
        return wait if wait <= longest else None

    def kick(self, w):
        self.I += w
