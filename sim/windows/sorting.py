"""Sort times with a key that makes their order total, fast where they are spread evenly.

Times go into buckets of equal width, about one per time, and are put in order by insertion. Where
many share a bucket that would take too long: after a few moves per time they are merged instead.
The order is the same whichever way it was found.
"""

from sim.kernels.types import Floats, Ints
from spiketheory.machine.link import kernel

MOVES = 8
"""Per time, before the rest is merged."""


@kernel()
def sort_pairs(
    times: Floats, keys: Ints, n: int, low: float, high: float, other_times: Floats,
    other_keys: Ints, counts: Ints,
) -> None:  # fmt: skip
    """Sort ``n`` pairs by time, then by key, in place.

    Times beyond ``low`` and ``high`` are sorted as well, but slowly. There must be room for as many
    others, and for one more count.
    """
    if is_sorted(times, keys, n):  # as what one projection of one delay sends is
        return
    for k in range(n + 1):
        counts[k] = 0
    scale = n / (high - low) if high > low else 0.0
    for k in range(n):
        counts[find_bucket(times[k], low, scale, n) + 1] += 1
    for k in range(n):
        counts[k + 1] += counts[k]
    for k in range(n):
        bucket = find_bucket(times[k], low, scale, n)
        place = counts[bucket]
        counts[bucket] = place + 1
        other_times[place] = times[k]
        other_keys[place] = keys[k]
    if insert(other_times, other_keys, n):
        for k in range(n):
            times[k] = other_times[k]
            keys[k] = other_keys[k]
    else:
        merge_sort(times, keys, n, other_times, other_keys)


@kernel()
def is_sorted(times: Floats, keys: Ints, n: int) -> bool:
    """Whether pairs are in order."""
    for k in range(1, n):
        if times[k - 1] > times[k] or (times[k - 1] == times[k] and keys[k - 1] > keys[k]):
            return False
    return True


@kernel()
def find_bucket(time: float, low: float, scale: float, n: int) -> int:
    """The bucket of a time; it never falls with the time."""
    ahead = (time - low) * scale
    if not ahead > 0.0:
        return 0
    if ahead >= n:
        return n - 1
    return int(ahead)


@kernel()
def insert(times: Floats, keys: Ints, n: int) -> bool:
    """Sort by insertion; False if that takes too many moves."""
    left = MOVES * n
    for k in range(1, n):
        time, key = times[k], keys[k]
        place = k
        while place > 0 and (
            times[place - 1] > time or (times[place - 1] == time and keys[place - 1] > key)
        ):
            times[place] = times[place - 1]
            keys[place] = keys[place - 1]
            place -= 1
        times[place] = time
        keys[place] = key
        left -= k - place
        if left < 0:
            return False
    return True


@kernel()
def merge_sort(
    times: Floats, keys: Ints, n: int, other_times: Floats, other_keys: Ints
) -> None:  # fmt: skip
    """Sort by merging runs of 1, 2, 4, ... pairs."""
    width = 1
    while width < n:
        for low in range(0, n, 2 * width):
            middle, high = min(low + width, n), min(low + 2 * width, n)
            a, b = low, middle
            for k in range(low, high):
                first = b >= high or (
                    a < middle
                    and (times[a] < times[b] or (times[a] == times[b] and keys[a] <= keys[b]))
                )
                if first:
                    other_times[k] = times[a]
                    other_keys[k] = keys[a]
                    a += 1
                else:
                    other_times[k] = times[b]
                    other_keys[k] = keys[b]
                    b += 1
        for k in range(n):
            times[k] = other_times[k]
            keys[k] = other_keys[k]
        width *= 2
