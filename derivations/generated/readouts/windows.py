"""Functions of the readout windows.

Several windows over the trial, raised cosines of which the last ends at T.

Generated from `derivations/readouts/windows.py`, do not edit. Digest of the readout:
0942de9b5be4236282960be43d9622c0a149992e4c9454044db071c7dadff8bc
Operations per call: kernel 6, kernel_slope 6, kernel_and_slope 9, kernel_vjp 0.
"""

import numpy as np

FORMAT = 1
NAME = "windows"
DIGEST = "0942de9b5be4236282960be43d9622c0a149992e4c9454044db071c7dadff8bc"
READS = "integral"
PARAMETERS = ()
SETTINGS = ("n_windows", "width")
DEFAULTS = (4.0, 1.0)
DOMAINS = ("n_windows >= 1", "width <= n_windows and 0 < width")
FEATURES = "n_windows"
HAS_KERNEL = True
VALUE_AT_END = "0"
SLOPE_AT_END = "0"
CURVATURE_AT_END = "pi**2*n_windows**2/(2*T**2*width**2)"


def parameters_valid(n_windows, width):
    """Whether each parameter and setting lies in its domain.

    n_windows >= 1
    width <= n_windows and 0 < width

    Returns n_windows_valid, width_valid. Operations: 3 compare, 1 logic.
    """
    return n_windows >= 1, (width <= n_windows) & (0 < width)


def kernel(time, m, duration, n_windows, width):
    """What a hidden spike of weight 1 adds to the output.

    kappa(t) = sin(pi * (end - t) / (2 * h)) ** 2

    Returns kappa. Operations: 1 add, 3 multiply, 1 divide, 1 sin.
    """
    h = duration * width / n_windows
    gap = ((duration - h) / (n_windows - 1) if n_windows > 1 else h)
    end = duration - gap * (n_windows - m - 1)
    if time < end - 2 * h:
        return 0.0
    if time > end:
        return 0.0
    return np.sin(np.pi * (end - time) / (2 * h)) ** 2


def kernel_slope(time, m, duration, n_windows, width):
    """Derivative of the kernel by the time of the spike.

    kappa'(t) = -pi * sin(pi * (end - t) / h) / (2 * h)

    Returns slope. Operations: 1 add, 2 multiply, 2 divide, 1 sin.
    """
    h = duration * width / n_windows
    gap = ((duration - h) / (n_windows - 1) if n_windows > 1 else h)
    end = duration - gap * (n_windows - m - 1)
    if time < end - 2 * h:
        return 0.0
    if time > end:
        return 0.0
    t0 = np.pi / h
    return -t0 * np.sin(t0 * (end - time)) / 2


def kernel_and_slope(time, m, duration, n_windows, width):
    """Both, for little more than one of them.

    Returns kappa, slope. Operations: 1 add, 3 multiply, 3 divide, 2 sin.
    """
    h = duration * width / n_windows
    gap = ((duration - h) / (n_windows - 1) if n_windows > 1 else h)
    end = duration - gap * (n_windows - m - 1)
    if time < end - 2 * h:
        return 0.0, 0.0
    if time > end:
        return 0.0, 0.0
    t0 = np.pi / h
    t1 = t0 * (end - time)
    return np.sin(t1 / 2) ** 2, -t0 * np.sin(t1) / 2


def kernel_vjp(time, m, duration, n_windows, width, bar):
    """Derivatives of a loss by the parameters, from the one by the kernel.

    Returns nothing. Operations: none.
    """
    return ()
