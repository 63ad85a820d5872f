"""Where something is among stretches, one behind the other."""

from sim.kernels.types import Ints
from spiketheory.machine.link import kernel


@kernel()
def find_place(firsts: Ints, number: int) -> int:
    """The stretch that a source, or a neuron, is in, from where each begins."""
    low, high = 0, firsts.shape[0] - 1
    while high - low > 1:
        middle = (low + high) // 2
        if firsts[middle] <= number:
            low = middle
        else:
            high = middle
    return low
