"""Every jump of a function of one number, by bisection."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Step:
    """A jump between two arguments next to each other.

    Attributes:
        low: The smaller argument.
        high: The larger one.
        left: The value at ``low``.
        right: The value at ``high``.
        size: How far apart they are.
    """

    low: float
    high: float
    left: Any
    right: Any
    size: float


def find_jumps(
    function: Callable[[float], Any],
    distance: Callable[[Any, Any], float],
    values: list[tuple[float, Any]],
    *,
    flat: float,
    narrow: float,
) -> list[Step]:
    """Halve all pieces between known values on which the function changes.

    Args:
        function: The function.
        distance: How far two of its values are apart.
        values: Arguments, increasing, and the values there.
        flat: Smaller changes are not followed.
        narrow: Width of a piece that is not halved further: what changes there jumps, unless it
            is steeper than ``flat / narrow``.

    Returns:
        The jumps in order. Jumps that cancel between two of the arguments given are not seen.
    """
    found = []
    pieces = [(*values[k], *values[k + 1]) for k in range(len(values) - 1)]
    pieces.reverse()
    while pieces:
        low, left, high, right = pieces.pop()
        size = distance(left, right)
        if size <= flat:
            continue
        middle = (low + high) / 2
        if high - low <= narrow or middle in (low, high):
            found.append(Step(low=low, high=high, left=left, right=right, size=size))
            continue
        value = function(middle)
        pieces += [(middle, value, high, right), (low, left, middle, value)]
    return found
