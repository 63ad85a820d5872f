"""The seeded networks of the benchmark of networks in time, their trials and readout."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from derivations import compile_model, compile_readout
from sim.inputs.trials import Trials
from sim.network.network import Network, Population, Projection, SpikeTrains
from sim.network.readouts import LinearReadout
from sim.temporal.batch import run_temporal
from sim.temporal.logit_losses import make_cross_entropy
from sim.temporal.stack import TemporalStack, read_temporal

N_OUTPUTS = 20
LOSS = make_cross_entropy()
QUIET = {"adex": {"I0": 0.0}, "izhikevich": {"I0": 0.0}}
"""Parameters with which a neuron does not spike without input more often than asked for."""
CLOSE = 0.02
"""By how much the number of spikes may miss what was asked for, after a few steps."""
MOST_STEPS = 20


@dataclass(frozen=True, kw_only=True)
class Task:
    """One network, and a batch of trials.

    Attributes:
        model: Name of the neuron model.
        n: Number of neurons.
        recurrent: Whether the layer projects to itself.
        delays: Whether its spikes are under way for one to ten of the instants' distances.
        varied: Whether every neuron has time constants of its own.
        n_channels: Number of input channels.
        n_spikes: Input spikes of a trial.
        n_instants: At so many distinct times.
        n_own: Spikes of the neurons in a trial.
        batch: Number of trials.
        duration: Trial's end, in units of the membrane's time constant.
        scale: Size of the weights; `set_activity` finds it.
    """

    model: str
    n: int = 256
    recurrent: bool = False
    delays: bool = False
    varied: bool = False
    n_channels: int = 700
    n_spikes: int = 5000
    n_instants: int = 200
    n_own: int = 2050
    batch: int = 64
    duration: float = 20.0
    scale: float = 1.0

    @cached_property
    def trials(self) -> Trials:
        """Spikes of random channels at random instants of a grid."""
        rng = np.random.default_rng(1)
        grid = (np.arange(self.n_instants) + 0.5) * self.duration / self.n_instants
        shape = (self.batch, self.n_spikes)
        spikes = [
            (grid[time], channel)
            for time, channel in zip(
                np.sort(rng.integers(0, self.n_instants, shape)),
                rng.integers(0, self.n_channels, shape), strict=True,
            )
        ]  # fmt: skip
        return Trials.from_pairs(spikes, n_channels=self.n_channels)

    @cached_property
    def labels(self) -> np.ndarray:
        """A label for every trial."""
        return np.random.default_rng(2).integers(0, N_OUTPUTS, self.batch)

    @cached_property
    def readout(self) -> LinearReadout:
        """A leaky integrator of random weights."""
        rng = np.random.default_rng(3)
        kernel = compile_readout("leaky_integrator", tau_m=self.duration / 5, tau_s=1.0)
        weights = rng.normal(0, 1 / np.sqrt(self.n), (N_OUTPUTS, self.n))
        return LinearReadout(compiled=kernel, weights=weights, bias=np.zeros(N_OUTPUTS))

    @cached_property
    def weights(self) -> np.ndarray:
        """From the input, shape (n, n_channels)."""
        drawn = np.random.default_rng(0).normal(0.3, 1.0, (self.n, self.n_channels))
        return self.scale * drawn

    @cached_property
    def recurrent_weights(self) -> np.ndarray:
        """From the layer to itself, shape (n, n)."""
        drawn = np.random.default_rng(4).normal(0.0, 1.0, (self.n, self.n))
        return self.scale * np.sqrt(10 / self.n) * drawn

    @cached_property
    def axonal_delays(self) -> np.ndarray:
        """Of the spikes of each neuron, shape (n,) [time]."""
        bin_ = self.duration / self.n_instants
        return np.random.default_rng(5).uniform(bin_, 10 * bin_, self.n)

    @cached_property
    def network(self) -> Network:
        """The network."""
        compiled, rng = compile_model(self.model), np.random.default_rng(6)
        parameters: dict[str, Any] = dict(QUIET.get(self.model, {}))
        if self.varied:
            factors = rng.uniform(0.8, 1.25, self.n)
            parameters |= {
                name: value * factors
                for name, value in zip(compiled.parameters, compiled.defaults, strict=True)
                if name.startswith("tau")
            }
        own = Projection(
            pre="n", post="n", weights=self.recurrent_weights,
            delays=np.broadcast_to(self.axonal_delays, (self.n, self.n)) if self.delays else None,
        )  # fmt: skip
        none = np.empty(0)
        return Network(
            populations=[
                Population(name="n", model=compiled, size=self.n, parameters=parameters)
            ],
            inputs=[SpikeTrains(name="input", size=self.n_channels, times=none,
                                channels=none.astype(int))],
            projections=[Projection(pre="input", post="n", weights=self.weights),
                         *([own] if self.recurrent else [])],
            duration=self.duration,
        )  # fmt: skip

    @cached_property
    def stack(self) -> TemporalStack:
        """The same as a chain of dense layers."""
        found = read_temporal(self.network)
        assert isinstance(found, TemporalStack), found
        return found

    def run(self, *, gradient: bool = True) -> float:
        """Run the batch, and go back; returns the spikes of a trial."""
        outcome, _ = run_temporal(
            self.stack, self.trials, self.labels, self.readout, LOSS, gradient=gradient
        )
        return float(outcome.counts.sum()) / self.batch


def set_activity(task: Task) -> Task:
    """The same with weights of a size at which neurons spike about as often as asked for.

    Raises:
        AssertionError: If no size does that.
    """
    low, high = 0.0, 0.02
    probe = replace(task, batch=min(task.batch, 2))
    while count_spikes(probe, high) < task.n_own:
        low, high = high, 2 * high
        assert high < 1e3, f"{task.model} does not spike"
    found, steps = 0.0, 0
    while abs(found - task.n_own) > CLOSE * task.n_own and steps < MOST_STEPS:
        middle = 0.5 * (low + high)
        found, steps = count_spikes(probe, middle), steps + 1
        low, high = (middle, high) if found < task.n_own else (low, middle)
    return replace(task, scale=middle)


def count_spikes(task: Task, scale: float) -> float:
    """Spikes of a trial with weights of this size."""
    return replace(task, scale=scale).run(gradient=False)
