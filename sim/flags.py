"""Flags of the neurons that spike in a segment: bytes, which are also read as 64-bit words."""

from typing import Any

from spiketheory.compile import CompiledModel

FLAGS_PER_WORD = 8


def build_list(model: CompiledModel) -> Any:
    """The function that lists the flagged neurons."""

    def list_flagged(flags: Any, words: Any, width: int, chosen: Any) -> int:
        """List the neurons with a flag; returns their number."""
        n_words = (width - 1) // FLAGS_PER_WORD + 1
        some = 0
        for word in range(n_words):
            some |= words[word]
        n = 0
        if some != 0:
            for word in range(n_words):
                if words[word] != 0:
                    first = word * FLAGS_PER_WORD
                    for i in range(first, min(first + FLAGS_PER_WORD, width)):
                        chosen[n] = i
                        n += flags[i]
        return n

    return model.jit(list_flagged, allocates=False)
