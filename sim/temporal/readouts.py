"""Readouts of spike trains: logits that are sums of a kernel of the spike time."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from spiketheory.errors import InputError, check_finite, check_shape
from spiketheory.machine.readout import CompiledReadout


@dataclass(frozen=True, kw_only=True, eq=False)
class LinearReadout:
    """What is read from the spikes of the last population.

    The logit of output o is bias[o] + sum over spikes (neuron j, time t) and features m of
    weights[o, j, m] kappa_m(t).

    Attributes:
        compiled: The kernel kappa (`derivations.compile_readout`).
        weights: Shape (n_outputs, n_neurons), or (n_outputs, n_neurons, n_features).
        bias: Shape (n_outputs,).
        cube: The weights with all three axes.
    """

    compiled: CompiledReadout
    weights: np.ndarray
    bias: np.ndarray
    cube: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        weights = read_finite("readout weights", self.weights)
        cube = weights[:, :, None] if weights.ndim == 2 else weights
        check_shape("readout weights", cube, (None, None, self.compiled.n_features))
        if not cube.size:
            raise InputError(
                f"Expected a readout with outputs and neurons but got weights of shape "
                f"{weights.shape}; give one row for each output."
            )
        bias = check_shape("readout bias", read_finite("readout bias", self.bias), (len(cube),))
        for name, value in (("weights", weights), ("bias", bias), ("cube", cube)):
            object.__setattr__(self, name, value)


def read_finite(name: str, values: ArrayLike) -> np.ndarray:
    """Finite numbers as an array."""
    return check_finite(name, np.array(values, dtype=np.float64))
