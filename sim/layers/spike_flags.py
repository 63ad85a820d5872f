"""Flags of the neurons that spike in a segment: bytes, which are also read as 64-bit words.

Row k of the flags belongs to segment k of a block; rows are whole words.
"""

import numpy as np

from sim.kernels.types import Ints
from spiketheory.machine.link import kernel

FLAGS_PER_WORD = 8
PLACES = sum(k << (8 * (FLAGS_PER_WORD - 1 - k)) for k in range(FLAGS_PER_WORD))
"""A word that, times one with only flag k, has k in its last byte."""
ROW = 32
"""Bits of a place in a list of words that hold the word within its row."""


@kernel()
def list_flagged(
    words: Ints, n_rows: int, width: int, found: Ints, rows: Ints, neurons: Ints, count: int
) -> int:
    """Append row and neuron of each flag to ``rows`` and ``neurons``.

    Words with flags are found without branches, since no processor could guess who spikes
    next; that there are two flags in a word is rare, which it can guess.

    Args:
        words: Flags, 0 or 1, as words, shape (>= n_rows, row length / `FLAGS_PER_WORD`).
        n_rows: Rows that are read.
        width: Number of neurons; flags beyond are ignored.
        found: Scratch, shape (> number of words,).
        rows: Row of each.
        neurons: Neuron of each.
        count: Number of entries so far.

    Returns:
        Number of entries; that of the room for them if it is too small.
    """
    n_words = (width - 1) // FLAGS_PER_WORD + 1
    n_found, one = np.uint64(0), np.uint64(1)  # a sign would be looked at, each time anew
    for row in range(n_rows):
        for word in range(n_words):
            found[n_found] = (row << ROW) + word
            n_found += one if words[row, word] != 0 else np.uint64(0)
    room = rows.shape[0]
    for p in range(int(n_found)):
        if count + FLAGS_PER_WORD > room:
            return room
        row, word = found[p] >> ROW, found[p] & ((1 << ROW) - 1)
        flags = int(words[row, word])
        while flags != 0:
            first = flags & -flags
            i = word * FLAGS_PER_WORD + ((first * PLACES) >> (8 * (FLAGS_PER_WORD - 1)) & 255)
            rows[count] = row
            neurons[count] = i
            count += int(i < width)
            flags -= first
    return count
