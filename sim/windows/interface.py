"""What blocks of neurons in the frame offer to the loop over windows: one stub for each function.

`sim.windows.link` puts in their place those of `sim.windows.frames` for the models of a network
that have a frame; ``kind`` is the place of a block's model among all of them.
"""

from sim.kernels.types import Floats
from sim.network.rows import BlockRows
from sim.windows.records import Arrivals, Found, Frame, Own, State
from spiketheory.generation.interface import missing

HAS_FRAMES: bool = False
"""Whether any block is in the frame."""


def enter_frame(kind: int, frame: Frame, block: int, states: Floats, first: int, n: int) -> None:
    """Neurons of a block at their start, from their coordinates in the chart."""
    missing("enter_frame")


def look_frame(
    kind: int, frame: Frame, block: int, place: int, s: float, found: Floats, k: int
) -> None:
    """Write the chart's coordinates of a neuron, ``s`` after the origin, to column ``k``."""
    missing("look_frame")


def push_frame(
    kind: int, rows: BlockRows, frame: Frame, arrivals: Arrivals, found: Found, state: State,
    block: int,
) -> int:  # fmt: skip
    """Take a block through a pass, or on; returns how that ended."""
    return missing("push_frame")


def push_own_frame(
    kind: int, rows: BlockRows, frame: Frame, own: Own, found: Found, state: State, block: int
) -> int:
    """The same for a block whose deliveries are written out."""
    return missing("push_own_frame")
