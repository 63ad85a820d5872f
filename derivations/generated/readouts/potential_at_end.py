"""Functions of the readout potential_at_end.

Potential of a leaky integrator at the trial's end.

Generated from `derivations/readouts/potential_at_end.py`, do not edit. Digest of the readout:
69f07a6f5d2d16bf34969bcd51fa6975d3495c2f8caf9a69758517a3b17eea9a
Operations per call: kernel 5, kernel_slope 10, kernel_and_slope 11, kernel_vjp 19.
"""

import numpy as np

from spiketheory.runtime.differences import exp_dd

FORMAT = 1
NAME = "potential_at_end"
DIGEST = "69f07a6f5d2d16bf34969bcd51fa6975d3495c2f8caf9a69758517a3b17eea9a"
READS = "end"
PARAMETERS = ("tau_m", "tau_s")
SETTINGS = ()
DEFAULTS = (1.0, 0.5)
DOMAINS = ("tau_m > 0", "tau_s > 0")
FEATURES = ""
HAS_KERNEL = True
VALUE_AT_END = "0"
SLOPE_AT_END = "-1/tau_m"
CURVATURE_AT_END = "-(tau_m + tau_s)/(tau_m**2*tau_s)"


def parameters_valid(tau_m, tau_s):
    """Whether each parameter and setting lies in its domain.

    tau_m > 0
    tau_s > 0

    Returns tau_m_valid, tau_s_valid. Operations: 2 compare.
    """
    return tau_m > 0, tau_s > 0


def kernel(time, m, duration, tau_m, tau_s):
    """What a hidden spike of weight 1 adds to the output.

    kappa(t) = (T - t) * exp_dd(-(T - t) / tau_m, -(T - t) / tau_s) / tau_m

    Returns kappa. Operations: 1 add, 1 multiply, 2 divide, 1 exp_dd.
    """
    if time > duration:
        return 0.0
    t0 = duration - time
    t1 = t0 / tau_m
    return t1 * exp_dd((-t1, -t0 / tau_s))


def kernel_slope(time, m, duration, tau_m, tau_s):
    """Derivative of the kernel by the time of the spike.

    kappa'(t) = (T - t) * exp_dd(-(T - t) / tau_m, -(T - t) / tau_s) / tau_m**2 - exp(-(T - t) /
        tau_s) / tau_m

    Returns slope. Operations: 2 add, 4 multiply, 2 divide, 1 exp, 1 exp_dd.
    """
    if time > duration:
        return 0.0
    t0 = 1 / tau_m
    t1 = duration - time
    t2 = -t1 / tau_s
    return t0 * (t0 * t1 * exp_dd((t2, -t0 * t1)) - np.exp(t2))


def kernel_and_slope(time, m, duration, tau_m, tau_s):
    """Both, for little more than one of them.

    Returns kappa, slope. Operations: 2 add, 5 multiply, 2 divide, 1 exp, 1 exp_dd.
    """
    if time > duration:
        return 0.0, 0.0
    t0 = 1 / tau_m
    t1 = duration - time
    t2 = t0 * t1
    t3 = -t1 / tau_s
    t4 = exp_dd((-t2, t3))
    return t2 * t4, t0 * (t0 * t1 * t4 - np.exp(t3))


def kernel_vjp(time, m, duration, tau_m, tau_s, bar):
    """Derivatives of a loss by the parameters, from the one by the kernel.

    Returns d_tau_m, d_tau_s. Operations: 2 add, 10 multiply, 4 divide, 3 exp_dd.
    """
    if time > duration:
        return 0.0, 0.0
    t0 = duration - time
    t1 = 1 / tau_m
    t2 = t0 * t1
    t3 = -t2
    t4 = -t0 / tau_s
    return (
        -bar * t0 * (exp_dd((t3, t4)) - t2 * exp_dd((t3, t3, t4))) / (tau_m * tau_m),
        bar * t0 * t0 * t1 * exp_dd((t3, t4, t4)) / (tau_s * tau_s),
    )
