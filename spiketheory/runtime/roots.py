"""First zero of a sum of exponentials, safe next to a graze."""

import math
from collections.abc import Callable
from typing import Any


def first_zero(heights: Callable[..., Any], rates: Any, horizon: Any, arguments: Any) -> Any:
    r"""First time in (0, horizon] at which $f_0$ falls from positive to negative.

    $f_{k+1} = f_k' - r_k f_k$, so $e^{-r_k t} f_k$ is monotone between zeros of $f_{k+1}$ (Rolle),
    and the last $f$ never changes its sign. All zeros of $f_{n-2}, ..., f_1$ are found in turn;
    between them $f_0$ crosses zero if and only if its signs at the two ends differ, so a spike at
    a graze is decided by the computed height of the peak alone, without a tolerance.

    Works for floats, compiled by Numba or not, and for mpmath's numbers.

    Args:
        heights: ``heights(t, *arguments)`` returns $(f_0(t), ..., f_{n-1}(t))$, n from 2 to 6.
        rates: $r_k$; at least n - 1 of them.
        horizon: Last time, finite.
        arguments: Tuple of numbers that are handed to ``heights``.

    Returns:
        The time; 0 if $f_0(0) \le 0$; ``inf`` if there is none. A touch is no crossing.
    """
    start = heights(horizon * 0, *arguments)
    if not start[0] > 0:
        return horizon * 0
    ends = [horizon * 0, horizon]
    for level in range(len(start) - 2, 0, -1):
        ends = insert_zeros(heights, rates, arguments, level, ends)
    for i in range(1, len(ends)):
        if heights(ends[i], *arguments)[0] < 0:
            return find_crossing(heights, rates, arguments, 0, ends[i - 1], ends[i])
    return math.inf


def first_zero_above(heights: Callable[..., Any], rates: Any, horizon: Any, arguments: Any) -> Any:
    r"""Times at which $f_0$, negative now, first rises through zero, and then falls through it.

    For a neuron above its threshold that goes on through its spikes: it comes back below, then it
    spikes again. What $f_0(0)$ is does not matter, so a state that has just crossed, which is on
    the threshold up to rounding, neither crosses again nor comes back: between two neighbouring
    zeros of $f_1$ the sign of $f_0$ at the later one decides, as in `first_zero`.

    Args:
        heights: See `first_zero`, as for the other arguments.
        rates: See there.
        horizon: See there.
        arguments: See there.

    Returns:
        Both times; ``inf`` for what does not happen.
    """
    start = heights(horizon * 0, *arguments)
    ends = [horizon * 0, horizon]
    for level in range(len(start) - 2, 0, -1):
        ends = insert_zeros(heights, rates, arguments, level, ends)
    back = horizon + math.inf
    is_above = True
    height = start[0]
    for i in range(1, len(ends)):
        before = height
        height = heights(ends[i], *arguments)[0]
        if is_above and height > 0:
            is_above = False
            back = ends[i - 1]
            if before < 0:
                back = find_crossing(heights, rates, arguments, 0, ends[i - 1], ends[i])
        elif not is_above and height < 0:
            return back, find_crossing(heights, rates, arguments, 0, ends[i - 1], ends[i])
    return back, horizon + math.inf


def first_peak(heights: Callable[..., Any], rates: Any, horizon: Any, arguments: Any) -> Any:
    r"""First time in (0, horizon) at which $f_1$ rises through zero: $f_0$ is as low as it gets.

    Args:
        heights: See `first_zero`, as for the other arguments; n is at least 3.
        rates: See there.
        horizon: See there.
        arguments: See there.

    Returns:
        The time; ``inf`` if there is none.
    """
    start = heights(horizon * 0, *arguments)
    ends = [horizon * 0, horizon]
    for level in range(len(start) - 2, 1, -1):
        ends = insert_zeros(heights, rates, arguments, level, ends)
    was_rising = start[1] < 0
    for i in range(1, len(ends)):
        end = ends[i]
        if i == len(ends) - 1:
            end = stay_in_range(heights, arguments, 1, ends[i - 1], end)
        is_rising = heights(end, *arguments)[1] < 0
        if was_rising and not is_rising:
            return find_crossing(heights, rates, arguments, 1, ends[i - 1], end)
        was_rising = is_rising
    return horizon + math.inf


def insert_zeros(
    heights: Callable[..., Any], rates: Any, arguments: Any, level: int, ends: Any
) -> Any:
    """First and last of ``ends``, and between them the zeros of f_level.

    Between two neighbours of ``ends`` f_level has at most one zero. Where it is exactly 0 it
    counts as positive: a zero at an end may then be found twice or not, which both do no harm.
    One at the start, as of a neuron at rest just after an input, is not looked for again.
    """
    found = [ends[0]]
    first = heights(ends[0], *arguments)[level]
    was_negative = first < 0
    for i in range(1, len(ends)):
        end = ends[i]
        if i == len(ends) - 1:
            end = stay_in_range(heights, arguments, level, ends[i - 1], end)
        is_negative = heights(end, *arguments)[level] < 0
        if is_negative != was_negative and not (i == 1 and first == 0):
            found.append(find_crossing(heights, rates, arguments, level, ends[i - 1], end))
        was_negative = is_negative
    found.append(ends[-1])
    return found


def stay_in_range(
    heights: Callable[..., Any], arguments: Any, level: int, start: Any, end: Any
) -> Any:
    """A time before ``end`` at which f_level has not yet vanished below the range of floats.

    A function of fast rates alone does so long before the horizon; after that it has no zero that
    could matter to f_0, but its sign can no longer be read off. One that is 0 at the start has no
    other zero, or is 0 for ever, as for a neuron at rest.
    """
    if heights(start, *arguments)[level] == 0:
        return end
    while heights(end, *arguments)[level] == 0 and start < start + (end - start) / 2 < end:
        end = start + (end - start) / 2
    return end


def find_crossing(
    heights: Callable[..., Any], rates: Any, arguments: Any, level: int, low: Any, high: Any
) -> Any:
    """The zero of f_level between two times at which its signs differ, to the last bit.

    Newton's method; the midpoint where that leaves the bracket, or does not halve its step. Where
    only rounding is left of the height it does neither, and the bracket may still reach far to one
    side: then, at most every other time, what lies just beyond the zero is looked at.
    """
    falls = heights(high, *arguments)[level] < 0
    step = high - low
    time = low + step / 2
    looked_beyond = False
    while low < time < high:
        values = heights(time, *arguments)
        height = values[level]
        slope = values[level + 1] + rates[level] * height
        if (height < 0) == falls:
            high = time
        else:
            low = time
        guess = low
        if abs(2 * height) <= abs(step * slope) and slope != 0:
            guess = time - height / slope
            if guess == time:
                return time
        elif abs(16 * height) <= abs((high - low) * slope) and slope != 0 and not looked_beyond:
            guess = time - 4 * height / slope
            looked_beyond = True
        else:
            looked_beyond = False
        if not low < guess < high:
            guess = low + (high - low) / 2
        step, time = abs(guess - time), guess
    return high
