"""Functions of the readout count.

Weighted count of spikes; jumps where one passes through the trial's end.

Generated from `derivations/readouts/count.py`, do not edit. Digest of the readout:
c28ac3ba0b59b0b3824c28cb4342f494d6a90b3140dadd64c38c52194a393458
Operations per call: kernel 0, kernel_slope 0, kernel_and_slope 0, kernel_vjp 0.
"""

import numpy as np

FORMAT = 1
NAME = "count"
DIGEST = "c28ac3ba0b59b0b3824c28cb4342f494d6a90b3140dadd64c38c52194a393458"
READS = "end"
PARAMETERS = ()
SETTINGS = ()
DEFAULTS = ()
DOMAINS = ()
FEATURES = ""
HAS_KERNEL = True
VALUE_AT_END = "1"
SLOPE_AT_END = "0"
CURVATURE_AT_END = "0"


def parameters_valid():
    """Whether each parameter and setting lies in its domain.

    Returns nothing. Operations: none.
    """
    return ()


def kernel(time, m, duration):
    """What a hidden spike of weight 1 adds to the output.

    kappa(t) = 1

    Returns kappa. Operations: none.
    """
    if time > duration:
        return 0.0
    return 1.0


def kernel_slope(time, m, duration):
    """Derivative of the kernel by the time of the spike.

    kappa'(t) = 0

    Returns slope. Operations: none.
    """
    if time > duration:
        return 0.0
    return 0.0


def kernel_and_slope(time, m, duration):
    """Both, for little more than one of them.

    Returns kappa, slope. Operations: none.
    """
    if time > duration:
        return 0.0, 0.0
    return 1.0, 0.0


def kernel_vjp(time, m, duration, bar):
    """Derivatives of a loss by the parameters, from the one by the kernel.

    Returns nothing. Operations: none.
    """
    return ()
