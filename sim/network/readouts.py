"""What is read from a network: spikes of neurons, or logits of neurons without threshold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from spiketheory.errors import InputError, check_finite, check_shape
from spiketheory.machine.readout import CompiledReadout
from spiketheory.shown import Short


@dataclass(frozen=True, kw_only=True, eq=False)
class Readout:
    """What is read from a network: the first spikes of some neurons, pseudospikes included.

    Attributes:
        name: Its name.
        population: Name of the population.
        n_spikes: How many spikes of each neuron.
        neurons: Their numbers within the population; None for all.
    """

    name: str
    population: str
    n_spikes: int = 1
    neurons: Sequence[int] | None = None


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LinearReadout(Short):
    """What neurons without threshold read from the spikes of the last population.

    The logit of output o is bias[o] + sum over spikes (neuron j, time t) and features m of
    weights[o, j, m] kappa_m(t); of the readout ``maximum``, bias[o] + the largest potential.

    Attributes:
        compiled: The kernel kappa (`derivations.compile_readout`).
        weights: Shape (n_outputs, n_neurons), or (n_outputs, n_neurons, n_features).
        bias: Shape (n_outputs,).
        name: Its name.
        population: Name of the population; None stands for the last, which it has to be.
        cube: The weights with all three axes.
    """

    compiled: CompiledReadout
    weights: np.ndarray
    bias: np.ndarray
    name: str = "readout"
    population: str | None = None
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


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ReadoutGradients(Short):
    """Derivatives of a loss by what a `LinearReadout` has.

    Attributes:
        weights: In the shape of its weights.
        bias: Shape (n_outputs,).
        parameters: By name; None unless asked for.
    """

    weights: np.ndarray
    bias: np.ndarray
    parameters: dict[str, float] | None


AnyReadout: TypeAlias = Readout | LinearReadout


def read_finite(name: str, values: ArrayLike) -> np.ndarray:
    """Finite numbers as an array."""
    return check_finite(name, np.array(values, dtype=np.float64))


def check_readout(readout: AnyReadout, sizes: Mapping[str, int]) -> None:
    """Raise `InputError` unless a readout fits the populations of a network.

    Args:
        readout: The readout.
        sizes: Number of neurons of each population, in order.
    """
    if isinstance(readout, LinearReadout):
        check_linear_readout(readout, sizes)
        return
    if readout.population not in sizes:
        raise InputError(
            f"Expected the population of readout {readout.name} to be one of {', '.join(sizes)} "
            f"but got {readout.population!r}; correct its name."
        )
    if readout.n_spikes < 1:
        raise InputError(
            f"Expected at least one spike in readout {readout.name} but got "
            f"n_spikes={readout.n_spikes}; raise it."
        )
    if readout.neurons is None:
        return
    neurons, size = np.asarray(readout.neurons), sizes[readout.population]
    fits = neurons.ndim == 1 and len(neurons) > 0 and neurons.dtype.kind in "iu"
    if not fits or neurons.min() < 0 or neurons.max() >= size:
        raise InputError(
            f"Expected neurons 0 to {size - 1} of {readout.population} in readout {readout.name} "
            f"but got {neurons.tolist()}; count them within the population."
        )


def check_linear_readout(readout: LinearReadout, sizes: Mapping[str, int]) -> None:
    """Raise `InputError` unless a readout fits the last of the populations of a network."""
    last = list(sizes)[-1]
    if readout.population not in (None, last):
        raise InputError(
            f"Expected readout {readout.name} to read {last}, the last population, but got "
            f"population={readout.population!r}; list that population last."
        )
    if readout.cube.shape[1] != sizes[last]:
        raise InputError(
            f"Expected readout {readout.name} of {sizes[last]} neurons, those of {last}, but got "
            f"weights of shape {readout.weights.shape}; give one column for each neuron."
        )
