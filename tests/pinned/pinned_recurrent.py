"""Recurrent networks to pin: how their random numbers are drawn, and what is kept of a run.

Three losses have gradients of their own: weighted sums of all spike times, and of all states seen
(at the end, and at probes), and half the squared distance of output times to targets.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse

from derivations import compile_model
from sim.events.differentiate import Gradients, differentiate
from sim.events.pseudospikes import find_outputs
from sim.events.recording import Recording
from sim.events.simulate import simulate
from sim.network.network import Network, Population, Projection, SpikeTrains

N_REQUIRED = 3
Range = float | tuple[float, float]
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Group:
    """A population.

    Attributes:
        model: Built-in name, or path of a model file.
        parameters: By name a number for all neurons, or bounds of one for each.
        initial: The same of state variables, or of the initial coordinate alone.
        driven: Mean and standard deviation of the weights of inputs.
        heard: The same of the weights of neurons.
    """

    name: str = "cells"
    model: str
    size: int
    parameters: Mapping[str, Range] = field(default_factory=dict)
    initial: Mapping[str, Range] = field(default_factory=dict)
    driven: tuple[float, float]
    heard: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Recurrent:
    """A recurrent network and its input.

    Attributes:
        name: Its name, and that of its file.
        groups: Its populations.
        backend: ``numba`` is the machine-code path.
        density: Share of the possible connections, self-connections included.
        delays: What a delay is drawn from; () for none.
        grid: Input times are multiples of it; 0 for any.
        probes: Times at which states are probed.
        sparse: Whether weights are sparse matrices.
        silent: Whether no neuron spikes; the test makes sure.
    """

    name: str
    groups: tuple[Group, ...]
    backend: str = "numpy"
    seed: int
    duration: float
    n_inputs: int
    n_channels: int = 3
    density: float = 0.6
    delays: tuple[float, ...] = ()
    grid: float = 0.0
    probes: tuple[float, ...] = ()
    sparse: bool = False
    silent: bool = False

    @property
    def pairs(self) -> Iterator[tuple[str, int, Group]]:
        """Name and size of the sender, and the receiver, of every projection."""
        for post in self.groups:
            yield "world", self.n_channels, post
            for pre in self.groups:
                yield pre.name, pre.size, post

    def draw(self) -> Arrays:
        """Everything random about the network and its input."""
        rng = np.random.default_rng(self.seed)
        times = rng.uniform(0, self.duration, self.n_inputs)
        if self.grid:
            times = np.round(times / self.grid) * self.grid
        drawn = {"times": times, "channels": rng.integers(0, self.n_channels, self.n_inputs)}
        for group in self.groups:
            for name, value in {**group.parameters, **group.initial}.items():
                if isinstance(value, tuple):
                    drawn[f"{group.name}.{name}"] = rng.uniform(*value, group.size)
        for k, (pre, n_pre, post) in enumerate(self.pairs):
            shape = (post.size, n_pre)
            weights = rng.normal(*(post.driven if pre == "world" else post.heard), shape)
            drawn[f"weights{k}"] = np.where(rng.uniform(size=shape) < self.density, weights, 0.0)
            if self.delays and pre != "world":
                drawn[f"delays{k}"] = rng.choice(self.delays, shape)
        return drawn

    def build(self, drawn: Mapping[str, np.ndarray]) -> Network:
        """The network of drawn numbers."""

        def read(group: Group, values: Mapping[str, Range]) -> dict[str, Any]:
            return {
                name: drawn.get(f"{group.name}.{name}", value) for name, value in values.items()
            }

        return Network(
            populations=[
                Population(
                    name=group.name,
                    model=compile_model(group.model, backend=self.backend),
                    size=group.size,
                    parameters=read(group, group.parameters),
                    initial=read(group, group.initial),
                )
                for group in self.groups
            ],
            inputs=[
                SpikeTrains(
                    name="world",
                    size=self.n_channels,
                    times=drawn["times"],
                    channels=drawn["channels"],
                )
            ],
            projections=[
                self.connect(pre, post.name, drawn[f"weights{k}"], drawn.get(f"delays{k}"))
                for k, (pre, _, post) in enumerate(self.pairs)
            ],
            duration=self.duration,
        )

    def connect(
        self, pre: str, post: str, weights: np.ndarray, delays: np.ndarray | None
    ) -> Projection:
        """A projection."""
        if not self.sparse:
            return Projection(pre=pre, post=post, weights=weights, delays=delays)
        place = np.nonzero(weights)
        made = [
            None if m is None else scipy.sparse.coo_array((m[place], place), shape=weights.shape)
            for m in (weights, delays)
        ]
        return Projection(pre=pre, post=post, weights=made[0], delays=made[1])

    def compute(self, drawn: Mapping[str, np.ndarray]) -> Arrays:
        """Run the network of drawn numbers; everything that comes out."""
        recording = simulate(self.build(drawn), record=True, probe_times=self.probes)
        found = {"spike_time": recording.spike_time, "spike_neuron": recording.spike_neuron}
        found |= list_states("end", recording, recording.end_state)
        found |= list_states("looked", recording, recording.probed_state)
        found |= follow_spikes(recording) | follow_states(recording)
        if all(p.model.has_pseudospikes for p in recording.network.populations):
            found |= follow_outputs(recording)
        return {name: np.array(value) for name, value in found.items()}


def make_slopes(shape: int | tuple[int, ...]) -> np.ndarray:
    """Numbers of either sign, in quarters: the same on every machine."""
    return ((7 * np.arange(np.prod(shape)) + 3) % 11 - 5.0).reshape(shape) / 4


def list_states(
    label: str, recording: Recording, states: list[dict[str, np.ndarray]]
) -> dict[str, Any]:
    """States by population and variable."""
    return {
        f"{label}.{population.name}.{variable}": value
        for population, own in zip(recording.network.populations, states, strict=True)
        for variable, value in own.items()
    }


def list_gradients(label: str, recording: Recording, gradients: Gradients) -> dict[str, Any]:
    """Gradients by what they are derivatives by."""
    found: dict[str, Any] = {}
    for name in ("weights", "delays", "input_times"):
        for k, value in enumerate(getattr(gradients, name)):
            dense = value.toarray() if scipy.sparse.issparse(value) else value
            found[f"by_{label}.{name}{k}"] = dense
    found |= list_states(f"by_{label}.initial", recording, gradients.initial)
    return found | list_states(f"by_{label}.parameters", recording, gradients.parameters)


def follow_spikes(recording: Recording) -> dict[str, Any]:
    """A weighted sum of the spike times, and its gradient."""
    slopes = make_slopes(len(recording.spike_time))
    gradients = differentiate(recording, spike_time=slopes, parameters=True)
    return {
        "loss_of_spikes": (slopes * recording.spike_time).sum(),
        **list_gradients("spikes", recording, gradients),
    }


def follow_states(recording: Recording) -> dict[str, Any]:
    """A weighted sum of all states seen, and its gradient."""
    loss, slopes = 0.0, []
    for states in (recording.end_state, recording.probed_state):
        slopes.append([{v: make_slopes(x.shape) for v, x in own.items()} for own in states])
        for own, by_own in zip(states, slopes[-1], strict=True):
            loss += sum(float((x * by_own[v]).sum()) for v, x in own.items())
    end, probed_state = slopes
    gradients = differentiate(recording, end=end, probed_state=probed_state, parameters=True)
    return {"loss_of_states": loss, **list_gradients("states", recording, gradients)}


def follow_outputs(recording: Recording) -> dict[str, Any]:
    """Output times of all neurons, pseudospikes included, their loss, and its gradient."""
    n = recording.network.n_neurons
    outputs = find_outputs(recording, np.arange(n), N_REQUIRED)
    distances = outputs.times - recording.network.duration * (1 + make_slopes((n, N_REQUIRED)) / 4)
    gradients = differentiate(recording, outputs=(outputs, distances), parameters=True)
    return {
        "output_times": outputs.times,
        "output_spikes": outputs.spikes,
        "drive": outputs.drive,
        "rates": outputs.rates,
        "loss_of_outputs": 0.5 * (distances**2).sum(),
        **list_gradients("outputs", recording, gradients),
    }
