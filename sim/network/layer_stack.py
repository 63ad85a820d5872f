"""Records of the simulator: networks, inputs, spikes, results. Shapes and units are stated."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sim.inputs.encoding import BinnedInput, LatencyInput
from spiketheory.errors import (
    InputError,
    ModelError,
    check_choice,
    check_finite,
    check_positive,
    check_shape,
)
from spiketheory.machine.compile import CompiledModel
from spiketheory.shown import Short

LARGEST_WEIGHT = 1e100
LARGEST_WEIGHTS = {"float64": LARGEST_WEIGHT, "float32": 1e10}
PRECISIONS = {"float64": np.float64, "float32": np.float32}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LayerStack(Short):
    """A feedforward network of one neuron model.

    Attributes:
        model: The compiled neuron model.
        parameters: Values of the model's parameters by name; defaults fill in the rest.
        duration: The trial's end T [time].
        weights: One array per layer, shape (n_pre, n_post).
        initial: Initial coordinate (phase, membrane potential) of all neurons, layer after layer,
            shape (n_neurons,). None stands for the model's default.
        precision: ``float64``, or ``float32``, of weights and states; what happens to single
            neurons, such as spike times, is computed in double precision in both.
    """

    model: CompiledModel
    parameters: dict[str, float] = field(default_factory=dict)
    duration: float
    weights: tuple[np.ndarray, ...]
    initial: np.ndarray | None = None
    precision: str = "float64"

    def __post_init__(self) -> None:
        object.__setattr__(self, "duration", float(check_positive("duration", self.duration)))
        check_choice("precision", self.precision, PRECISIONS)
        weights = tuple(np.ascontiguousarray(w, dtype=self.real) for w in self.weights)
        if not weights:
            raise InputError("Expected at least one layer of weights but got none; add W0.")
        largest = LARGEST_WEIGHTS[self.precision]
        for i, w in enumerate(weights):
            check_shape(f"W{i}", w, (None if i == 0 else weights[i - 1].shape[1], None))
            check_finite(f"W{i}", w)
            if np.abs(w).max(initial=0.0) > largest:
                raise InputError(
                    f"Expected weights of at most {largest:g} in W{i} but got "
                    f"{np.abs(w).max():g}; squares of larger ones leave the range of floats."
                )
            if 0 in w.shape:
                raise InputError(
                    f"Expected neurons on both sides of W{i} but got shape {w.shape}; "
                    "remove the empty layer."
                )
        object.__setattr__(self, "weights", weights)
        values = self.model.check_parameters(self.parameters)
        named = dict(zip(self.model.parameters, values, strict=True))
        object.__setattr__(self, "parameters", named)
        object.__setattr__(self, "initial", self.check_initial())
        if self.model.has_pseudospikes:
            self.check_pseudospikes()

    def check_pseudospikes(self) -> None:
        """Raise `ModelError` if the parameters are so extreme that pseudospikes overflow."""
        functions, constants = self.model.module, self.constants
        start = functions.initial_state(self.initial_bounds[2], *constants)
        with np.errstate(all="ignore"):
            found = functions.pseudospike(*map(np.float64, start), 0.0, *map(np.float64, constants))
        if not np.isfinite(found).all():
            raise ModelError(
                f"Expected parameters of {self.model.name} for which pseudospikes come in finite "
                f"time but got {self.parameters}; raise the drive, which is too far below "
                "threshold."
            )

    def check_initial(self) -> np.ndarray:
        """Return the initial coordinates, filled with the default if none were given."""
        lower, upper, default = self.initial_bounds
        if self.initial is None:
            return np.full(self.n_neurons, float(default))
        initial = np.ascontiguousarray(self.initial, dtype=np.float64)
        name = f"initial {self.model.initial}"
        check_finite(name, check_shape(name, initial, (self.n_neurons,)))
        if np.any((initial < lower) | (initial > upper)):
            raise InputError(
                f"Expected every {name} between {lower:g} and {upper:g} but got values from "
                f"{initial.min():g} to {initial.max():g}; clip them to that range."
            )
        return initial

    @property
    def real(self) -> Any:
        """NumPy's type of the precision."""
        return PRECISIONS[self.precision]

    @property
    def initial_bounds(self) -> tuple[float, float, float]:
        """Smallest, largest and default value of the initial coordinate."""
        bounds: tuple[float, float, float] = self.model.module.initial_bounds(*self.values)
        return bounds

    @property
    def values(self) -> tuple[float, ...]:
        """Parameter values in the model's order."""
        return tuple(self.parameters.values())

    @property
    def constants(self) -> tuple[float, ...]:
        """The model's derived constants."""
        return tuple(float(c) for c in self.model.module.constants(*self.values))

    @property
    def layer_sizes(self) -> tuple[int, ...]:
        """Numbers of neurons, inputs first."""
        return (self.weights[0].shape[0], *(w.shape[1] for w in self.weights))

    @property
    def n_neurons(self) -> int:
        """Number of neurons without the inputs."""
        return sum(self.layer_sizes[1:])

    @property
    def n_hidden(self) -> int:
        """Number of neurons between inputs and outputs."""
        return sum(self.layer_sizes[1:-1])


Input = BinnedInput | LatencyInput


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Spikes(Short):
    """Spikes of a batch, sorted by sample, then time, then neuron.

    Attributes:
        sample: Sample of each spike, shape (n_spikes,).
        neuron: Neuron of each spike, counted through all layers, shape (n_spikes,).
        time: Spike times, shape (n_spikes,) [time].
        end: Coordinates at the trial's end, for each layer, shape (n_samples, n_coordinates, n).
    """

    sample: np.ndarray
    neuron: np.ndarray
    time: np.ndarray
    end: list[np.ndarray]

    def select(self, sample: int) -> tuple[np.ndarray, np.ndarray]:
        """Times and neurons of one sample."""
        first, last = np.searchsorted(self.sample, [sample, sample + 1])
        return self.time[first:last], self.neuron[first:last]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Outcome(Short):
    """What a batch did.

    Attributes:
        output_times: Times of the first required spikes of every output neuron, pseudospikes
            (later than T) included, shape (n_samples, n_outputs, n_required) [time].
        n_ordinary: How many of them are ordinary, shape (n_samples, n_outputs).
        loss: Loss of each sample, shape (n_samples,).
        loss_ordinary: The same with missing spikes at T instead of pseudospikes.
        hidden_spikes: Ordinary spikes of hidden neurons, shape (n_samples,).
        synaptic_operations: Weights added to neurons, shape (n_samples,).
        active: Whether a neuron spiked in any sample, shape (n_neurons,).
    """

    output_times: np.ndarray
    n_ordinary: np.ndarray
    loss: np.ndarray
    loss_ordinary: np.ndarray
    hidden_spikes: np.ndarray
    synaptic_operations: np.ndarray
    active: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class StackGradients(Short):
    """Derivatives of the mean loss over a batch.

    Attributes:
        weights: By the weights, one array per layer, shape (n_pre, n_post).
        initial: By the initial coordinates, shape (n_neurons,).
        input_times: By the input times: shape (n_bins,) for binned input, which shares them
            between samples, (n_samples, n_inputs) for latencies (0 where no spike), or by spike
            where an input may have several; None unless asked for. Where spikes are simultaneous
            it is the mean of both one-sided derivatives (see `sim.layers.backward`).
    """

    weights: tuple[np.ndarray, ...]
    initial: np.ndarray
    input_times: np.ndarray | None


def split_layers(values: np.ndarray, sizes: Sequence[int]) -> list[np.ndarray]:
    """Split an array over all neurons into its layers (``sizes`` without the inputs)."""
    return np.split(values, np.cumsum(sizes)[:-1])
