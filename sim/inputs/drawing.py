"""Loops that draw spikes: every channel is a stream of its own, every spike a number of it.

The spikes of a channel are those of a process of rate 1 in the time that the integral of the rate
measures: the k-th comes when that integral reaches G_k. Of a regular train G_k counts up by 1; of
a Poisson train by -log u_k, with u_k from the number k of the channel's stream (S. Asmussen and
P. W. Glynn, Stochastic Simulation, 2007, II.4). So what is drawn depends on seed, channel and k
alone: not on other channels, and not on the pieces of time in which it is asked for.

The stream is SplitMix64 (G. L. Steele, D. Lea and C. H. Flood, OOPSLA 2014), begun at a hash of
seed and channel. The logarithm is written out, since libraries differ in its last bit.
"""

import math

import numpy as np
from numpy.typing import NDArray

from spiketheory.machine.link import kernel

GOLDEN, MIX_A, MIX_B = (
    np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)
S12, S27, S30, S31, ONE = (np.uint64(n) for n in (12, 27, 30, 31, 1))
UNIT = 2.0**-52
LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
L1, L2, L3, L4, L5, L6, L7 = (
    6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01,
    2.222219843214978396e-01, 1.818357216161805012e-01, 1.531383769920937332e-01,
    1.479819860511658591e-01,
)  # fmt: skip
HALF_ROOT = math.sqrt(0.5)
MOST_IN_BUCKET = 32


@kernel()
def mix(z: np.uint64) -> np.uint64:
    """The output of SplitMix64 for a state."""
    z = (z ^ (z >> S30)) * MIX_A
    z = (z ^ (z >> S27)) * MIX_B
    return z ^ (z >> S31)


@kernel()
def log_number(x: float) -> float:
    """Natural logarithm of a positive normal number, to within a unit of the last place.

    After the algorithm of fdlibm (Sun Microsystems, 1993): x = 2^k (1 + f), s = f/(2 + f), and a
    polynomial in s^2 for the rest.
    """
    m, k = math.frexp(x)
    if m < HALF_ROOT:
        m, k = 2.0 * m, k - 1
    f = m - 1.0
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    rest = w * (L2 + w * (L4 + w * L6)) + z * (L1 + w * (L3 + w * (L5 + w * L7)))
    half = 0.5 * f * f
    return k * LN2_HIGH - ((half - (s * (half + rest) + k * LN2_LOW)) - f)


@kernel()
def draw_gap(key: np.uint64, number: int) -> float:
    """The ``number``-th gap of a Poisson train of rate 1, > 0."""
    z = mix(key + (np.uint64(number) + ONE) * GOLDEN)
    return -log_number((np.float64(z >> S12) + 0.5) * UNIT)


@kernel()
def make_key(seed: np.uint64, channel: int) -> np.uint64:
    """Where the stream of a channel begins."""
    return mix(mix(seed + GOLDEN) + (np.uint64(channel) + ONE) * MIX_A)


# Long: a channel's state is read, moved on and written back.
@kernel()
def draw_until(
    is_poisson: bool, seed: np.uint64, channels: NDArray[np.int64],
    starts: NDArray[np.float64], rates: NDArray[np.float64], state: NDArray[np.float64],
    counts: NDArray[np.int64], end: float, times: NDArray[np.float64], out: NDArray[np.int64],
) -> int:  # fmt: skip
    """Spikes up to a time, and where to go on; channel by channel.

    Args:
        is_poisson: Whether they are those of a Poisson train; else of a regular one.
        seed: Of the input.
        channels: Which channels are drawn, shape (n,).
        starts: When the rates change; the first is 0, shape (n_steps,) [time].
        rates: Rates from then on, shape (n_steps, 1 or all channels) [1/time].
        state: Of each channel the time of its next spike, the integral that it reaches, and the
            integral up to the present step, shape (3, n).
        counts: Of each channel the number of the next spike, and the present step, shape (2, n).
        end: Spikes up to and at this time are drawn [time].
        times: Where their times are written; its length says how many may be [time].
        out: Where their channels are written.

    Returns:
        How many there are; -1 if there was no room, and then what is written is worth nothing, and
        the state has moved.
    """
    n_written = 0
    for i in range(len(channels)):
        channel = channels[i]
        column = channel if rates.shape[1] > 1 else 0
        key = make_key(seed, channel)
        due, reached, before = state[0, i], state[1, i], state[2, i]
        number, step = counts[0, i], counts[1, i]
        while due <= end:
            if n_written == len(times):
                return -1
            times[n_written] = due
            out[n_written] = channel
            n_written += 1
            number += 1
            reached += draw_gap(key, number) if is_poisson else 1.0
            due, before, step = find_due(starts, rates, column, reached, before, step)
        state[0, i], state[1, i], state[2, i] = due, reached, before
        counts[0, i], counts[1, i] = number, step
    return n_written


@kernel()
def find_due(
    starts: NDArray[np.float64], rates: NDArray[np.float64], column: int, reached: float,
    before: float, step: int,
) -> tuple[float, float, int]:  # fmt: skip
    """When the integral of a rate reaches a value, the integral up to that step, and the step.

    Args:
        starts: See `draw_until`.
        rates: See `draw_until`.
        column: That of the channel in ``rates``.
        reached: The value.
        before: The integral up to the step from which to look on.
        step: That step.
    """
    while step + 1 < len(starts):
        after = before + rates[step, column] * (starts[step + 1] - starts[step])
        if reached <= after:
            break
        before = after
        step += 1
    rate = rates[step, column]
    if rate == 0.0:
        return np.inf, before, step
    due = starts[step] + (reached - before) / rate
    if step + 1 < len(starts):
        due = min(due, starts[step + 1])
    return due, before, step


@kernel()
def begin(
    is_poisson: bool, seed: np.uint64, channels: NDArray[np.int64], phases: NDArray[np.float64],
    starts: NDArray[np.float64], rates: NDArray[np.float64], state: NDArray[np.float64],
    counts: NDArray[np.int64],
) -> None:  # fmt: skip
    """The state of all channels before the first spike; see `draw_until`.

    ``phases`` say which part of the first interval of a regular train has passed, shape (1 or all
    channels,).
    """
    for i in range(len(channels)):
        channel = channels[i]
        column = channel if rates.shape[1] > 1 else 0
        if is_poisson:
            reached = draw_gap(make_key(seed, channel), 0)
        else:
            reached = 1.0 - phases[channel if len(phases) > 1 else 0]
        due, before, step = find_due(starts, rates, column, reached, 0.0, 0)
        state[0, i], state[1, i], state[2, i] = due, reached, before
        counts[0, i], counts[1, i] = 0, step


@kernel()
def sort_spikes(
    times: NDArray[np.float64], channels: NDArray[np.int64], start: float, end: float,
    edges: NDArray[np.int64], sorted_times: NDArray[np.float64], sorted_channels: NDArray[np.int64],
) -> bool:  # fmt: skip
    """Sort spikes by time, those of one time in the order given, in a time that grows as they do.

    Args:
        times: Between ``start`` and ``end`` [time].
        channels: Channel of each.
        start: Begin of the first bucket [time].
        end: End of the last [time].
        edges: Zeros, one more than there are buckets.
        sorted_times: Where times are written.
        sorted_channels: Where channels are written.

    Returns:
        Whether it was done: not if a bucket has more than `MOST_IN_BUCKET`, since spikes are sorted
        one by one there.
    """
    last = len(edges) - 2
    scale = (last + 1) / (end - start)
    for time in times:
        edges[min(int((time - start) * scale), last) + 1] += 1
    for b in range(last + 1):
        if edges[b + 1] > MOST_IN_BUCKET:
            return False
        edges[b + 1] += edges[b]
    for i in range(len(times)):
        b = min(int((times[i] - start) * scale), last)
        sorted_times[edges[b]] = times[i]
        sorted_channels[edges[b]] = channels[i]
        edges[b] += 1
    for i in range(1, len(times)):
        time, channel, k = sorted_times[i], sorted_channels[i], i
        while k > 0 and sorted_times[k - 1] > time:
            sorted_times[k], sorted_channels[k] = sorted_times[k - 1], sorted_channels[k - 1]
            k -= 1
        sorted_times[k], sorted_channels[k] = time, channel
    return True
