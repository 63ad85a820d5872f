"""Functions of the readout linear_window.

Average of the potential of a perfect integrator: spikes count (T - t)/T.

Generated from `derivations/readouts/linear_window.py`, do not edit. Digest of the readout:
cc03e5afb1301b7a20274d874a0c89eaee2689486b584893d3d0e6d41dc62ed4
Operations per call: kernel 2, kernel_slope 1, kernel_and_slope 3, kernel_vjp 0.
"""

import numpy as np

FORMAT = 1
NAME = "linear_window"
DIGEST = "cc03e5afb1301b7a20274d874a0c89eaee2689486b584893d3d0e6d41dc62ed4"
READS = "integral"
PARAMETERS = ()
SETTINGS = ()
DEFAULTS = ()
DOMAINS = ()
FEATURES = ""
HAS_KERNEL = True
VALUE_AT_END = "0"
SLOPE_AT_END = "-1/T"
CURVATURE_AT_END = "0"


def parameters_valid():
    """Whether each parameter and setting lies in its domain.

    Returns nothing. Operations: none.
    """
    return ()


def kernel(time, m, duration):
    """What a hidden spike of weight 1 adds to the output.

    kappa(t) = (T - t) / T

    Returns kappa. Operations: 1 add, 1 divide.
    """
    if time > duration:
        return 0.0
    return (duration - time) / duration


def kernel_slope(time, m, duration):
    """Derivative of the kernel by the time of the spike.

    kappa'(t) = -1 / T

    Returns slope. Operations: 1 divide.
    """
    if time > duration:
        return 0.0
    return -1 / duration


def kernel_and_slope(time, m, duration):
    """Both, for little more than one of them.

    Returns kappa, slope. Operations: 1 add, 1 multiply, 1 divide.
    """
    if time > duration:
        return 0.0, 0.0
    t0 = 1 / duration
    return t0 * (duration - time), -t0


def kernel_vjp(time, m, duration, bar):
    """Derivatives of a loss by the parameters, from the one by the kernel.

    Returns nothing. Operations: none.
    """
    return ()
