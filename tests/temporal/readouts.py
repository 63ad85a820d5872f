"""Logits of the last layer's spikes, from the definitions.

The potential of a readout neuron obeys tau_m V' = -V + I, tau_s I' = -I; a spike of weight w adds w
to I, and so w eps(u) to V after a time u, eps(u) = tau_s/(tau_m - tau_s) (exp(-u/tau_m) -
exp(-u/tau_s)), or (u/tau) exp(-u/tau) if both are equal. Next to equality digits cancel, so all is
computed with twice as many.
"""

import gmpy2
from gmpy2 import cos, exp, expm1, log, mpfr

from temporal.arithmetic import DIGITS, span, working
from temporal.linear import Cascade

POTENTIALS = ("leaky_integrator", "potential_at_end", "maximum")


def find_logits(kind, numbers, spikes, duration):
    """The logits.

    Args:
        kind: One of `temporal.records.READOUTS`.
        numbers: ``weights`` [output][neuron] (windows: [window]), ``bias``, ``tau_m`` and ``tau_s``
            of each output, ``width``.
        spikes: Arrivals at the readout as (instant, neuron), before T.
        duration: T, in instants.
    """
    T = span(duration)
    found = []
    for o, row in enumerate(numbers["weights"]):
        if kind == "count":
            value = sum((row[j] for _, j in spikes), mpfr(0))
        elif kind == "linear_window":
            value = sum((row[j] * (T - span(t)) / T for t, j in spikes), mpfr(0))
        elif kind == "windows":
            value = sum((weigh_windows(row[j], span(t), T, numbers["width"]) for t, j in spikes),
                        mpfr(0))  # fmt: skip
        else:
            taus = numbers["tau_m"][o], numbers["tau_s"][o]
            value = read_potential(kind, row, taus, spikes, duration)
        found.append(value + numbers["bias"][o])
    return found


def read_potential(kind, row, taus, spikes, duration):
    """A logit that is made of a potential."""
    if kind == "maximum":
        return find_maximum(row, taus, spikes, duration)
    T = span(duration)
    kernel = weigh_integral if kind == "leaky_integrator" else eps
    with working(2 * DIGITS):
        parts = [row[j] * kernel(span(duration - t), T, *taus) for t, j in spikes]
        total = sum(parts, mpfr(0))
    return +total


def eps(u, T, tau_m, tau_s):
    """The potential a time u after a spike of weight 1."""
    if tau_m == tau_s:
        return u / tau_m * exp(-u / tau_m)
    return tau_s / (tau_m - tau_s) * (exp(-u / tau_m) - exp(-u / tau_s))


def weigh_integral(left, T, tau_m, tau_s):
    """(1/T) int exp(-t/T) eps dt over the time that is left after a spike."""
    c = 1 / T
    start = exp(left / T - 1) / T
    if tau_m == tau_s:
        rate = 1 / tau_m + c
        # int u exp(-rate u) du
        return start / tau_m * (-expm1(-rate * left) - rate * left * exp(-rate * left)) / rate**2
    parts = [-expm1(-(1 / tau + c) * left) / (1 / tau + c) for tau in (tau_m, tau_s)]
    return start * tau_s / (tau_m - tau_s) * (parts[0] - parts[1])


def weigh_windows(weights, t, T, width):
    """Raised cosines at a time; the first is at h - h = 0, the last ends at T."""
    M = len(weights)
    total = mpfr(0)
    for m, w in enumerate(weights):
        away = t - m * (T - width) / (M - 1)
        if abs(away) < width:
            total += w * (1 + cos(gmpy2.const_pi() * away / width)) / 2
    return total


def find_maximum(row, taus, spikes, duration):
    """The largest potential on [0, T]: at 0, at a maximum between two spikes, or at T."""
    zero = mpfr(0)
    parameters = {"tau_m": taus[0], "tau_s": taus[1], "V_th": gmpy2.inf()}
    readout = Cascade(parameters, {"V": zero, "I": zero}, {})
    best, now, left = zero, 0, list(spikes)
    for time, j in [*left, (duration, None)]:
        if time > now:
            start = readout.chain((readout.V, readout.I, zero))
            end = readout.at(span(time - now))
            if start[1] > 0 > end[1]:
                places = [(zero, start), (span(time - now), end)]
                top = readout.add_zeros(places, 1, 2)[1][0]
                best = max(best, readout.look(readout.step(top))[0])
            readout.advance(time - now)
            best = max(best, readout.V)
            now = time
        if j is not None:
            readout.kick(row[j])
    return best


def find_loss(logits, label):
    """Cross entropy of softmax(logits) with a label."""
    top = max(logits)
    return log(sum((exp(v - top) for v in logits), mpfr(0))) + top - logits[label]
