"""The derivative by the time of one of several inputs that meet (docs/mathematics.md, 3)."""

from sim.kernels.types import Numbers
from spiketheory.generation.interface import N_COORDINATES, jump, jump_vjp
from spiketheory.machine.link import kernel


@kernel()
def tie_vjp(
    state: Numbers, weight: float, rest: float, constants: Numbers, adjoint: Numbers
) -> float:
    """The mean derivative by the time of an input that meets others of weight ``rest``."""
    behind = jump_vjp(*jump(*state, rest, *constants), weight, *constants, *adjoint)
    later = jump_vjp(*jump(*state, weight, *constants), rest, *constants, *adjoint)
    before = jump_vjp(*state, weight, *constants, *later[:N_COORDINATES])
    by_time: float = 0.5 * (before[N_COORDINATES + 1] + behind[N_COORDINATES + 1])
    return by_time
