"""Flags of the neurons that spike in a segment: bytes, which are also read as 64-bit words.

Row k of the flags belongs to segment k of a block; rows are whole words.
"""

from typing import Any

from spiketheory.compile import CompiledModel

FLAGS_PER_WORD = 8


def build_list(model: CompiledModel) -> Any:
    """The function that lists the flagged neurons."""

    def list_flagged(
        flags: Any, words: Any, n_rows: int, width: int, found: Any, rows: Any, neurons: Any,
        count: int,
    ) -> int:  # fmt: skip
        """Append row and neuron of each flag to ``rows`` and ``neurons``.

        Without branches, since no processor could guess who spikes next.

        Args:
            flags: Shape (>= n_rows, row length), 0 or 1.
            words: The same memory, shape (>= n_rows, row length / `FLAGS_PER_WORD`).
            n_rows: Rows that are read.
            width: Number of neurons; flags beyond are ignored.
            found: Scratch, shape (2, > number of words).
            rows: Row of each.
            neurons: Neuron of each.
            count: Number of entries so far.

        Returns:
            Number of entries; that of the room for them if it is too small.
        """
        n_words = (width - 1) // FLAGS_PER_WORD + 1
        n_found = 0
        for row in range(n_rows):
            for word in range(n_words):
                found[0, n_found] = row
                found[1, n_found] = word
                n_found += int(words[row, word] != 0)
        room = rows.shape[0]
        for p in range(n_found):
            if count + FLAGS_PER_WORD > room:
                return room
            row, first = found[0, p], found[1, p] * FLAGS_PER_WORD
            for i in range(first, first + FLAGS_PER_WORD):
                rows[count] = row
                neurons[count] = i
                count += int(flags[row, i]) * (i < width)
        return count

    return model.jit(list_flagged, allocates=False)
