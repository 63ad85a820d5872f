"""Sounds that are words, and sounds that are none."""

import numpy as np

from spiketheory.errors import check_choice

PIECE = 0.025
"""Length of the pieces whose loudness is looked at [s]."""
GAP = 0.3
"""A pause that parts two words [s]."""
MARGIN = 0.05
"""So much is kept before and after a word [s]."""
QUIET = 1e-3
"""Pieces of less power than this share of the loudest are pauses."""
OTHER_SOUNDS = ("reversed words", "white noise", "silence")
PIECES = 5
"""Shuffled words, which nothing is trained on, are cut into so many pieces."""


def split_words(samples: np.ndarray, rate: int) -> list[tuple[int, int]]:
    """Where words begin and end: what is between pauses of at least `GAP`.

    Shorter pauses are left as they are, at the begin and the end too.
    """
    width = max(1, round(PIECE * rate))
    n = -(-len(samples) // width)
    padded = np.pad(samples - samples.mean(), (0, n * width - len(samples)))
    powers = np.square(padded.reshape(n, width)).mean(axis=1)
    loud = np.flatnonzero(powers > QUIET * powers.max())
    least, margin = round(GAP / PIECE), round(MARGIN / PIECE)
    cuts = np.flatnonzero(np.diff(loud) > least)
    first = np.concatenate([loud[:1], loud[cuts + 1]]) - margin
    last = np.concatenate([loud[cuts], loud[-1:]]) + 1 + margin
    if loud[0] <= least:
        first[0] = 0
    if n - 1 - loud[-1] <= least:
        last[-1] = n
    return [
        (max(0, int(a)) * width, min(len(samples), int(b) * width))
        for a, b in zip(first, last, strict=True)
    ]


def make_other(kind: str, samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A sound that is no word, as long as a word.

    Args:
        kind: One of `OTHER_SOUNDS`, or ``shuffled words``.
        samples: The word.
        rng: Where random numbers come from.
    """
    check_choice("kind", kind, (*OTHER_SOUNDS, "shuffled words"))
    if kind == "reversed words":
        return samples[::-1].copy()
    if kind == "white noise":
        return rng.normal(0.0, 0.1, len(samples))
    if kind == "silence":  # what a microphone of 16 bits hears of it: noise of one or two steps
        return np.round(rng.normal(0.0, 1.0, len(samples))) / 32768.0
    parts = np.array_split(samples, PIECES)
    order = rng.permutation(PIECES)
    while np.array_equal(order, np.arange(PIECES)):
        order = rng.permutation(PIECES)
    return np.concatenate([parts[k] for k in order])
