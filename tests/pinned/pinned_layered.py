"""Layered networks to pin: how their random numbers are drawn, and what is kept of a run."""

import itertools
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from unittest import mock

import numpy as np

from derivations import compile_model
from sim.inputs.encoding import BinnedInput, LatencyInput
from sim.layers.batch import record_spikes, run_batch
from sim.losses import Loss, make_first_spike_loss, make_target_time_loss
from sim.network.layer_stack import LayerStack

BIN_TIMES = np.array([0.0, 0.25, 0.5, 1.25])
OUTCOMES = (
    "output_times", "n_ordinary", "loss", "loss_ordinary", "hidden_spikes", "synaptic_operations",
    "active",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Layered:
    """A layered network of one model and a batch of samples.

    Attributes:
        name: Its name, and that of its file.
        model: Built-in name, or path of a model file.
        backend: ``numba`` is the machine-code path.
        weights: Mean and standard deviation, the latter for one input.
        initial: Bounds of the initial coordinates.
        end: Latest input times; those after the trial's end are never.
        n_required: 0 for the loss of first spikes, else target times of so many.
        binned: Whether samples share their input times.
        tied: Whether inputs come at multiples of 1/4, and neurons 0 and 1 of each layer are equal.
        silent: Whether no neuron spikes; the test makes sure.
        threads: A batch is added up in so many parts.
    """

    name: str
    model: str
    backend: str = "numba"
    sizes: tuple[int, ...]
    seed: int
    duration: float
    weights: tuple[float, float]
    initial: tuple[float, float]
    parameters: Mapping[str, float] = field(default_factory=dict)
    end: float
    n_samples: int = 4
    n_required: int = 0
    precision: str = "float64"
    binned: bool = False
    tied: bool = False
    silent: bool = False
    threads: int = 1

    def draw(self) -> dict[str, np.ndarray]:
        """Everything random about the network and its samples."""
        rng = np.random.default_rng(self.seed)
        mean, deviation = self.weights
        drawn = {
            f"weights{k}": rng.normal(mean, deviation, (n, m)) / np.sqrt(n)
            for k, (n, m) in enumerate(itertools.pairwise(self.sizes))
        }
        drawn["initial"] = rng.uniform(*self.initial, sum(self.sizes[1:]))
        shape = (self.n_samples, self.sizes[0])
        if self.binned:
            drawn["bins"] = rng.integers(0, len(BIN_TIMES) + 1, shape)
        else:
            drawn["times"] = rng.uniform(0, self.end, shape)
            drawn["times"][-1, 0] = np.inf
        if self.n_required:
            wanted = (self.n_samples, self.sizes[-1], self.n_required)
            drawn["targets"] = rng.uniform(0, 1.3 * self.duration, wanted)
        else:
            drawn["targets"] = rng.integers(0, self.sizes[-1], self.n_samples)
        if self.tied:
            self.tie(drawn)
        return drawn

    def tie(self, drawn: dict[str, np.ndarray]) -> None:
        """Let events be simultaneous: inputs, and spikes of equal neurons."""
        if not self.binned:
            drawn["times"] = np.round(4 * drawn["times"]) / 4
        first = 0
        for k, size in enumerate(self.sizes[1:]):
            drawn[f"weights{k}"][:, 1] = drawn[f"weights{k}"][:, 0]
            drawn["initial"][first + 1] = drawn["initial"][first]
            first += size

    def build(self, drawn: Mapping[str, np.ndarray]) -> LayerStack:
        """The network of drawn numbers."""
        return LayerStack(
            model=compile_model(self.model, backend=self.backend),
            parameters=dict(self.parameters),
            duration=self.duration,
            weights=tuple(drawn[f"weights{k}"] for k in range(len(self.sizes) - 1)),
            initial=drawn["initial"],
            precision=self.precision,
        )

    def make_loss(self) -> Loss:
        """The loss of a sample."""
        if self.n_required:
            return make_target_time_loss(n_required=self.n_required)
        return make_first_spike_loss(gamma=0.01, duration=self.duration)

    def compute(self, drawn: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run the network of drawn numbers; everything that comes out."""
        network = self.build(drawn)
        if self.binned:
            inputs = BinnedInput(times=BIN_TIMES, bins=drawn["bins"])
        else:
            inputs = LatencyInput(times=drawn["times"])
        with mock.patch.dict(os.environ, {"SPIKETHEORY_THREADS": str(self.threads)}):
            spikes = record_spikes(network, inputs)
            outcome, gradients = run_batch(
                network, inputs, drawn["targets"], self.make_loss(), gradient=True, input_times=True
            )
        found = {"spike_" + f: getattr(spikes, f) for f in ("sample", "neuron", "time")}
        found |= {name: getattr(outcome, name) for name in OUTCOMES}
        found |= {f"gradient.weights{k}": g for k, g in enumerate(gradients.weights)}
        found["gradient.initial"] = gradients.initial
        found["gradient.input_times"] = gradients.input_times
        return {name: np.array(value) for name, value in found.items()}
