"""Functions of the readout maximum.

Largest potential of a leaky integrator: continuous, not smooth.

Generated from `derivations/readouts/maximum.py`, do not edit. Digest of the readout:
7c2fb3b2a80d81240afe804b7ada4f2de5caa12a74f63b0b0fe47d0a2c62edea
Operations per call: response 4, response_slope 8, response_vjp 18.
"""

import numpy as np

from spiketheory.runtime.differences import exp_dd

FORMAT = 1
NAME = "maximum"
DIGEST = "7c2fb3b2a80d81240afe804b7ada4f2de5caa12a74f63b0b0fe47d0a2c62edea"
READS = "maximum"
PARAMETERS = ("tau_m", "tau_s")
SETTINGS = ()
DEFAULTS = (1.0, 0.5)
DOMAINS = ("tau_m > 0", "tau_s > 0")
FEATURES = ""
HAS_KERNEL = False
VALUE_AT_END = ""
SLOPE_AT_END = ""
CURVATURE_AT_END = ""


def parameters_valid(tau_m, tau_s):
    """Whether each parameter and setting lies in its domain.

    tau_m > 0
    tau_s > 0

    Returns tau_m_valid, tau_s_valid. Operations: 2 compare.
    """
    return tau_m > 0, tau_s > 0


def response(elapsed, tau_m, tau_s):
    """Potential a time after a hidden spike of weight 1.

    eps(d) = d * exp_dd(-d / tau_m, -d / tau_s) / tau_m

    Returns eps. Operations: 1 multiply, 2 divide, 1 exp_dd.
    """
    t0 = elapsed / tau_m
    return t0 * exp_dd((-t0, -elapsed / tau_s))


def response_slope(elapsed, tau_m, tau_s):
    """Derivative of that potential by the time.

    eps'(d) = exp(-d / tau_s) / tau_m - d * exp_dd(-d / tau_m, -d / tau_s) / tau_m**2

    Returns slope. Operations: 1 add, 3 multiply, 2 divide, 1 exp, 1 exp_dd.
    """
    t0 = 1 / tau_m
    t1 = -elapsed / tau_s
    t2 = elapsed * t0
    return t0 * (np.exp(t1) - t2 * exp_dd((t1, -t2)))


def response_vjp(elapsed, tau_m, tau_s, bar):
    """Derivatives of a loss by the parameters, from the one by `response`.

    Returns d_tau_m, d_tau_s. Operations: 1 add, 10 multiply, 4 divide, 3 exp_dd.
    """
    t0 = 1 / tau_m
    t1 = elapsed * t0
    t2 = -t1
    t3 = -elapsed / tau_s
    return (
        bar * elapsed * (t1 * exp_dd((t2, t2, t3)) - exp_dd((t2, t3))) / (tau_m * tau_m),
        bar * elapsed * elapsed * t0 * exp_dd((t2, t3, t3)) / (tau_s * tau_s),
    )
