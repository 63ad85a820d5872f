"""Functions of the readout leaky_integrator.

Integral of the potential of a leaky integrator, with a weight that fades.

Generated from `derivations/readouts/leaky_integrator.py`, do not edit. Digest of the readout:
ed9122e43c8b4ca03eb2db272d31c101de413d1680d6415ace8e0a64d0b22049
Operations per call: kernel 16, kernel_slope 18, kernel_and_slope 22, kernel_vjp 29.
"""

import numpy as np

from spiketheory.runtime.differences import exp_dd

FORMAT = 1
NAME = "leaky_integrator"
DIGEST = "ed9122e43c8b4ca03eb2db272d31c101de413d1680d6415ace8e0a64d0b22049"
READS = "integral"
PARAMETERS = ("tau_m", "tau_s")
SETTINGS = ()
DEFAULTS = (1.0, 0.5)
DOMAINS = ("tau_m > 0", "tau_s > 0")
FEATURES = ""
HAS_KERNEL = True
VALUE_AT_END = "0"
SLOPE_AT_END = "0"
CURVATURE_AT_END = "exp(-1)/(T*tau_m)"


def parameters_valid(tau_m, tau_s):
    """Whether each parameter and setting lies in its domain.

    tau_m > 0
    tau_s > 0

    Returns tau_m_valid, tau_s_valid. Operations: 2 compare.
    """
    return tau_m > 0, tau_s > 0


def kernel(time, m, duration, tau_m, tau_s):
    """What a hidden spike of weight 1 adds to the output.

    kappa(t) = (T - t) ** 2 * exp_dd(0, (T - t) * (-1 / tau_m - 1 / T), (T - t) * (-1 / tau_s -
        1 / T)) * exp(-t / T) / (T * tau_m)

    Returns kappa. Operations: 3 add, 8 multiply, 3 divide, 1 exp, 1 exp_dd.
    """
    if time > duration:
        return 0.0
    t0 = 1 / duration
    t1 = 1 / tau_m
    t2 = duration - time
    return (
        t0 * t1 * t2 * t2 * exp_dd((0.0, -t2 * (t0 + t1), -t2 * (t0 + 1 / tau_s))) * np.exp(-t0 * time)
    )


def kernel_slope(time, m, duration, tau_m, tau_s):
    """Derivative of the kernel by the time of the spike.

    kappa'(t) = -((T - t) * exp_dd((T - t) * (-1 / tau_m - 1 / T), (T - t) * (-1 / tau_s - 1 /
        T)) / tau_m + (T - t) ** 2 * exp_dd(0, (T - t) * (-1 / tau_m - 1 / T), (T - t) * (-1 /
        tau_s - 1 / T)) / (T * tau_m)) * exp(-t / T) / T

    Returns slope. Operations: 4 add, 8 multiply, 3 divide, 1 exp, 2 exp_dd.
    """
    if time > duration:
        return 0.0
    t0 = 1 / tau_m
    t1 = duration - time
    t2 = 1 / duration
    t3 = -t1 * (t0 + t2)
    t4 = -t1 * (t2 + 1 / tau_s)
    t5 = t1 * t2
    return -t0 * t5 * (t5 * exp_dd((0.0, t3, t4)) + exp_dd((t3, t4))) * np.exp(-t2 * time)


def kernel_and_slope(time, m, duration, tau_m, tau_s):
    """Both, for little more than one of them.

    Returns kappa, slope. Operations: 4 add, 12 multiply, 3 divide, 1 exp, 2 exp_dd.
    """
    if time > duration:
        return 0.0, 0.0
    t0 = duration - time
    t1 = 1 / duration
    t2 = 1 / tau_m
    t3 = -t0 * (t1 + t2)
    t4 = -t0 * (t1 + 1 / tau_s)
    t5 = t1 * exp_dd((0.0, t3, t4))
    t6 = t2 * np.exp(-t1 * time)
    return t0 * t0 * t5 * t6, -t0 * t1 * t6 * (t0 * t5 + exp_dd((t3, t4)))


def kernel_vjp(time, m, duration, tau_m, tau_s, bar):
    """Derivatives of a loss by the parameters, from the one by the kernel.

    Returns d_tau_m, d_tau_s. Operations: 4 add, 15 multiply, 5 divide, 1 power, 1 exp,
        3 exp_dd.
    """
    if time > duration:
        return 0.0, 0.0
    t0 = duration - time
    t1 = 1 / duration
    t2 = 1 / tau_m
    t3 = -t0 * (t1 + t2)
    t4 = -t0 * (t1 + 1 / tau_s)
    t5 = bar * t1 * np.exp(-t1 * time)
    return (
        -t0 * t0 * t5 * (t0 * t1 * exp_dd((0.0, t3, t3, t4)) + exp_dd((t3, t3, t4))) / (tau_m * tau_m),
        t0**3 * t2 * t5 * exp_dd((0.0, t3, t4, t4)) / (tau_s * tau_s),
    )
