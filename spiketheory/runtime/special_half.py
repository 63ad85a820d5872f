r"""The functions ``decay_*`` of `spiketheory.runtime.special` where $\nu = 1/2$: elementary ones.

With synaptic time constants of half the membrane's, the neuron is a harmonic oscillator in
$s = 1 - e^{-t}$ (repulsive for negative currents). The formulas are those of ``half_*`` there, in a
form without branches: both kinds of current are computed and one is chosen, so that loops over
neurons become vector instructions. `spiketheory.machine.compile.CompiledModel.at` puts these
functions in the place of the general ones. They take the same arguments, ``nu`` included, and
return the same.
"""

import numpy as np

from spiketheory.runtime.special import LARGEST_PHASE, SINC_SLOPE

NU = 0.5


def decay_matrix(nu, current, time):  # type: ignore[no-untyped-def]
    """The same as `spiketheory.runtime.special.decay_matrix`."""
    s, z = -np.expm1(-time), np.exp(-time)
    frequency = np.sqrt(abs(current))
    phase = frequency * s
    bounded = phase < LARGEST_PHASE
    rise = np.expm1(np.where(bounded, phase, LARGEST_PHASE))
    half_fall = 0.5 * rise / (1.0 + rise)
    cosh = np.where(bounded, 1.0 + rise * half_fall, 1.0)
    sinh = np.where(bounded, 0.5 * rise + half_fall, 1.0)
    attracted = current >= 0.0
    c = np.where(attracted, np.cos(phase), cosh)
    sine = np.where(attracted, np.sin(phase), sinh)
    stretched = np.where(phase > 0.0, sine / frequency, s)
    return c, -stretched, z * np.copysign(frequency, current) * sine, z * c


def decay_matrix_slope(nu, current, time):  # type: ignore[no-untyped-def]
    """The same as `spiketheory.runtime.special.decay_matrix_slope`."""
    s, z = -np.expm1(-time), np.exp(-time)
    yy, yx, xy, xx = decay_matrix(nu, current, time)
    q = current * s * s
    near = 0.0
    for coefficient in SINC_SLOPE:
        near = near * q + coefficient
    far = 0.5 * (s * yy + yx) / current
    bend = np.where(abs(q) < 2.0, s * s * s * near, far)
    lean = 0.5 * s * yx
    return yy, yx, xy, xx, lean, -bend, 0.5 * z * (s * yy - yx), z * lean


def decay_wait(nu, x, y, current):  # type: ignore[no-untyped-def]
    """The same as `spiketheory.runtime.special.decay_wait`."""
    frequency = np.sqrt(abs(current))
    height = frequency * y
    ratio = height / x
    free = y / x
    angle, stretch = np.arctan2(height, x), 0.5 * np.log1p(2.0 * ratio / (1.0 - ratio))
    bound = np.where(current > 0.0, angle, stretch) / frequency
    s = np.where((current > 0.0) | ((current < 0.0) & (y > 0.0)), bound, free)
    comes = ((current > 0.0) | (x > height)) & (s < 1.0)
    wait = np.where(comes, -np.log1p(-s), np.inf)
    return np.where((y < 0.0) | ((y == 0.0) & (x >= 0.0)), 0.0, wait)


def decay_side(nu, x, y, current, time):  # type: ignore[no-untyped-def]
    """Below 0 under the same conditions as `spiketheory.runtime.special.decay_side`.

    Zeros are half a turn of the oscillator apart: within less there is at most one, and the sign
    that y ends with tells. A repelled y has at most one zero.
    """
    phase = np.where(current > 0.0, np.sqrt(abs(current)) * -np.expm1(-time), 0.0)
    c, falling, _, _ = decay_matrix(nu, current, time)
    end = np.where(phase > np.pi, -1.0, c * y + falling * x)
    return np.where((y < 0.0) | ((y == 0.0) & (x >= 0.0)), -time, end)


REPLACED = ("decay_matrix", "decay_matrix_slope", "decay_wait", "decay_side")
"""Functions of `spiketheory.runtime.special` that these replace."""
