"""What a readout offers to kernels, beside `spiketheory.generation.interface` of the neurons.

`spiketheory.machine.readout.link_readout` puts a readout's functions and facts in the place of
these. Values are its parameters and settings; a bar is the derivative of a loss by the result.
"""

from spiketheory.generation.interface import missing

N_FEATURES: int = 1
"""Outputs that each hidden neuron has weights to."""
N_READOUT_PARAMETERS: int = 0
"""Number of derivatives that `readout_vjp` returns; ask before indexing what may be empty."""
HAS_KERNEL: bool = True
"""Whether the output is a sum over spikes; if not, there are the functions of the response."""


def readout_kernel(time: float, m: int, duration: float, *values: float) -> float:
    """What a hidden spike of weight 1 adds to output m; 0 after the trial."""
    found: float = missing("readout_kernel")
    return found


def readout_slope(time: float, m: int, duration: float, *values: float) -> float:
    """Its derivative by the time of the spike."""
    found: float = missing("readout_slope")
    return found


def readout_kernel_and_slope(
    time: float, m: int, duration: float, *values: float
) -> tuple[float, float]:
    """Both, for little more than one of them."""
    found: tuple[float, float] = missing("readout_kernel_and_slope")
    return found


def readout_vjp(time: float, m: int, duration: float, *values_and_bar: float) -> tuple[float, ...]:
    """The kernel's derivatives by the parameters, times the bar, which comes last."""
    found: tuple[float, ...] = missing("readout_vjp")
    return found


def response(elapsed: float, *values: float) -> float:
    """Potential a time after a hidden spike of weight 1."""
    found: float = missing("response")
    return found


def response_slope(elapsed: float, *values: float) -> float:
    """Its derivative by that time."""
    found: float = missing("response_slope")
    return found


def response_vjp(elapsed: float, *values_and_bar: float) -> tuple[float, ...]:
    """Its derivatives by the parameters, times the bar, which comes last."""
    found: tuple[float, ...] = missing("response_vjp")
    return found


STUBS = {
    "kernel": "readout_kernel",
    "kernel_slope": "readout_slope",
    "kernel_and_slope": "readout_kernel_and_slope",
    "kernel_vjp": "readout_vjp",
    "response": "response",
    "response_slope": "response_slope",
    "response_vjp": "response_vjp",
}
"""The stub of each function of a readout's module, in which a name such as kernel is short."""
