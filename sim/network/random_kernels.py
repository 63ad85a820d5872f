"""Random numbers by counter: a number depends on a key and a place alone, in whatever order drawn.

The generator is Philox4x32-10 (J. K. Salmon et al., Parallel random numbers: as easy as 1, 2, 3,
SC 2011). So connections are the same for any division into blocks, threads or machines.
"""

import hashlib
from typing import NamedTuple, TypeAlias

import numpy as np

from spiketheory.machine.link import kernel

FIRST, SECOND = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
FIRST_STEP, SECOND_STEP = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
LOW, HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
ZERO, ONE = np.uint64(0), np.uint64(1)
FIVE, SIX = np.uint64(5), np.uint64(6)
NORMAL, UNIFORM, CHOICE = 1, 2, 3
"""Kinds of distributions."""

Array: TypeAlias = np.ndarray
Words: TypeAlias = tuple[np.uint64, np.uint64, np.uint64, np.uint64]


class Spread(NamedTuple):
    """A distribution as loops read it.

    Attributes:
        key: See `make_key`.
        kind: ``NORMAL``, ``UNIFORM`` or ``CHOICE``.
        numbers: Mean and sd, or lower and upper bound; then the least and the most.
        table: What a choice is among.
    """

    key: Array
    kind: int
    numbers: Array
    table: Array


def make_key(seed: int, stream: int, purpose: str) -> np.ndarray:
    """Key of the numbers that something is drawn from, shape (2,), 32 bits each.

    Args:
        seed: Seed of the network.
        stream: Tells projections apart.
        purpose: Tells apart what is drawn for one projection.
    """
    digest = hashlib.blake2b(f"{seed} {stream} {purpose}".encode(), digest_size=8).digest()
    return np.frombuffer(digest, "<u4").astype(np.uint64)


@kernel()
def find_words(
    a: np.uint64, b: np.uint64, c: np.uint64, d: np.uint64, k: np.uint64, m: np.uint64
) -> Words:
    """Philox4x32-10: four words of 32 bits from a counter of four and a key of two."""
    for _ in range(10):
        p, q = FIRST * a, SECOND * c
        a, b, c, d = (q >> HALF) ^ b ^ k, q & LOW, (p >> HALF) ^ d ^ m, p & LOW
        k, m = (k + FIRST_STEP) & LOW, (m + SECOND_STEP) & LOW
    return a, b, c, d


@kernel()
def find_share(high: np.uint64, low: np.uint64) -> float:
    """A number in [0, 1) of 53 random bits."""
    return (float(high >> FIVE) * 67108864.0 + float(low >> SIX)) / 9007199254740992.0


@kernel()
def draw_different(key: Array, row: int, n: int, k: int, out: Array, marks: Array) -> None:
    """Draw ``k <= n / 2`` different numbers below ``n``: uniform, and again what came before.

    Args:
        key: See `make_key`.
        row: Which row of a projection.
        n: Below what, at most 2^31.
        k: How many.
        out: Where they go.
        marks: A bit for each number below ``n``, 64 in each entry, none set; so afterwards.
    """
    size = np.uint64(n)
    unfair = ((LOW - size) + ONE) % size  # D. Lemire, ACM TOMACS 29, 3 (2019)
    block, place, found = ZERO, np.uint64(row), 0
    while found < k:
        words = find_words(block, place & LOW, place >> HALF, ZERO, key[0], key[1])
        block += ONE
        for word in words:
            product = word * size
            if (product & LOW) < unfair or found == k:
                continue
            number = np.int64(product >> HALF)
            bit = np.int64(1) << (number & 63)
            if marks[number >> 6] & bit:
                continue
            marks[number >> 6] |= bit
            out[found] = number
            found += 1
    for e in range(k):
        marks[out[e] >> 6] = 0


@kernel()
def draw_subset(key: Array, row: int, n: int, k: int, out: Array, marks: Array) -> None:
    """Draw any ``k <= n`` different numbers below ``n``; see `draw_different`."""
    if 2 * k <= n:
        draw_different(key, row, n, k, out, marks)
        return
    draw_different(key, row, n, n - k, out, marks)  # those to leave out
    for e in range(n - k):
        marks[out[e] >> 6] |= np.int64(1) << (out[e] & 63)
    found = 0
    for number in range(n):
        if not marks[number >> 6] & (np.int64(1) << (number & 63)):
            out[found] = number
            found += 1
    for e in range((n + 63) >> 6):
        marks[e] = 0


@kernel()
def draw_gaps(key: Array, row: int, n: int, p: float, out: Array) -> int:
    """Draw each number below ``n`` with probability ``p``, and return how many: gaps are geometric.

    Args:
        key: See `make_key`.
        row: Which row of a projection.
        n: Below what.
        p: Above 0; from 1 on all are drawn.
        out: Where they go, in order.
    """
    if p >= 1.0:
        for e in range(n):
            out[e] = e
        return n
    found, number = 0, -1
    scale = 1.0 / np.log1p(-p)
    block, place = ZERO, np.uint64(row)
    while True:
        a, b, c, d = find_words(block, place & LOW, place >> HALF, ZERO, key[0], key[1])
        block += ONE
        for share in (find_share(a, b), find_share(c, d)):
            gap = np.floor(np.log(1.0 - share) * scale)
            if gap >= n - 1 - number:
                return found
            number += 1 + int(gap)
            out[found] = number
            found += 1


@kernel()
def draw_value(spread: Spread, source: int, target: int) -> float:
    """What a connection has: a number from a distribution, drawn again until it is within bounds.

    Args:
        spread: The distribution.
        source: Where it comes from.
        target: Where it leads to.
    """
    attempt, key, numbers = ZERO, spread.key, spread.numbers
    while True:
        a, b, c, d = find_words(np.uint64(source), np.uint64(target), attempt, ZERO, key[0], key[1])
        attempt += ONE
        share = find_share(a, b)
        if spread.kind == CHOICE:
            return float(spread.table[int(share * len(spread.table))])
        if spread.kind == UNIFORM:
            value = numbers[0] + (numbers[1] - numbers[0]) * share
        else:
            radius = np.sqrt(-2.0 * np.log(1.0 - share))
            value = numbers[0] + numbers[1] * radius * np.cos(2.0 * np.pi * find_share(c, d))
        if numbers[2] <= value <= numbers[3]:
            return float(value)
