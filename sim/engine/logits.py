"""What a readout makes of spikes: which one a loss wants, and the logits of single trials."""

from types import ModuleType

import numpy as np

from sim.losses import Loss
from sim.network.network import Network
from sim.network.readouts import (
    AnyReadout,
    LinearReadout,
    ReadoutGradients,
    check_linear_readout,
)
from sim.temporal.linking import link_maximum
from sim.temporal.logit_losses import LogitLoss
from spiketheory.errors import InputError


def choose_logits(
    network: Network, loss: Loss | LogitLoss, readout: AnyReadout | None
) -> LinearReadout | None:
    """The readout whose logits a loss wants; None if it wants times of spikes.

    Args:
        network: The network.
        loss: The loss.
        readout: What is read; None for the network's first readout.

    Raises:
        InputError: If the readout does not give what the loss wants, or does not fit the network.
    """
    chosen = readout or next(iter(network.readouts), None)
    if not isinstance(loss, LogitLoss):
        if isinstance(chosen, LinearReadout):
            raise InputError(
                f"Expected a loss of logits (make_cross_entropy, make_squared_error) for readout "
                f"{chosen.name} but got {loss.name}, a loss of spike times; choose the other kind "
                "of loss, or a Readout of spikes."
            )
        return None
    if not isinstance(chosen, LinearReadout):
        got = (
            f"readout {chosen.name}, which reads spikes" if chosen else "a network without readout"
        )
        raise InputError(
            f"Expected a LinearReadout for {loss.name}, a loss of logits, but got {got}; list one "
            "first in the network's readouts, or pass it."
        )
    check_linear_readout(chosen, {p.name: p.size for p in network.populations})
    return chosen


class Reader:
    """Reads the spikes of one trial after the other, and goes back through each.

    Args:
        readout: The readout.
        network: The network.
        parameters: Whether derivatives by the readout's parameters are wanted.
    """

    def __init__(self, readout: LinearReadout, network: Network, *, parameters: bool) -> None:
        self.readout, self.duration = readout, network.duration
        self.model, self.parameters = network.populations[-1].model, parameters
        compiled = readout.compiled
        self.functions: ModuleType = compiled.functions
        self.by_weight = np.zeros(readout.cube.shape)
        self.by_bias = np.zeros(len(readout.bias))
        self.by_setting = np.zeros(len(compiled.parameters))

    def read(self, times: np.ndarray, neurons: np.ndarray) -> np.ndarray:
        """The logits of a trial.

        Args:
            times: Spike times of the last population, in order [time].
            neurons: Neuron of each, counted within the population.
        """
        compiled, cube = self.readout.compiled, self.readout.cube
        self.times, self.neurons = times, neurons
        arguments = self.duration, *compiled.values
        found = [
            [self.functions.kernel_and_slope(t, m, *arguments) for m in range(compiled.n_features)]
            for t in times
        ]
        self.values, self.slopes = np.moveaxis(
            np.reshape(found, (len(times), compiled.n_features, 2)), -1, 0
        )
        logits: np.ndarray = self.readout.bias + np.einsum(
            "opm,pm->o", cube[:, neurons], self.values
        )
        return logits

    def take_back(self, by_logit: np.ndarray) -> np.ndarray:
        """Derivatives by the spike times from those by the logits; adds up those by the readout."""
        compiled = self.readout.compiled
        by_value = np.einsum("o,opm->pm", by_logit, self.readout.cube[:, self.neurons])
        self.by_bias += by_logit
        by_neuron = np.moveaxis(self.by_weight, 1, 0)
        np.add.at(by_neuron, self.neurons, np.einsum("o,pm->pom", by_logit, self.values))
        if self.parameters and compiled.parameters:
            for p, time in enumerate(self.times):
                for m in range(compiled.n_features):
                    self.by_setting += self.functions.kernel_vjp(
                        time, m, self.duration, *compiled.values, by_value[p, m]
                    )
        found: np.ndarray = np.sum(by_value * self.slopes, axis=1)
        return found

    def collect(self) -> ReadoutGradients:
        """What was added up."""
        names = self.readout.compiled.parameters
        return ReadoutGradients(
            weights=self.by_weight.reshape(self.readout.weights.shape),
            bias=self.by_bias,
            parameters=dict(zip(names, self.by_setting.tolist(), strict=True))
            if self.parameters
            else None,
        )


class MaximumReader(Reader):
    """The same for the readout that has no kernel."""

    def __init__(self, readout: LinearReadout, network: Network, *, parameters: bool) -> None:
        super().__init__(readout, network, parameters=parameters)
        self.kernels = link_maximum(self.model, self.functions, parameters)
        self.rows = np.ascontiguousarray(np.moveaxis(readout.cube, 0, -1))
        self.states, self.peaks = np.zeros((3, len(readout.bias))), np.zeros(len(readout.bias))

    def read(self, times: np.ndarray, neurons: np.ndarray) -> np.ndarray:
        """See `Reader.read`."""
        self.given = (
            times, neurons, np.arange(len(times)), len(times), self.rows, self.duration,
            self.readout.compiled.values,
        )  # fmt: skip
        self.kernels.find_peaks(*self.given, self.states, self.peaks)
        logits: np.ndarray = self.readout.bias + self.states[2]
        return logits

    def take_back(self, by_logit: np.ndarray) -> np.ndarray:
        """See `Reader.take_back`."""
        by_weight, by_spike = np.zeros(self.rows.shape), np.zeros(len(self.given[0]))
        self.kernels.peaks_vjp(
            *self.given, self.peaks, by_logit, by_weight, by_spike, self.by_setting
        )
        self.by_bias += by_logit
        self.by_weight += np.moveaxis(by_weight, -1, 0)
        return by_spike


def make_reader(readout: LinearReadout, network: Network, *, parameters: bool) -> Reader:
    """A reader of the kind that the readout needs."""
    kind = Reader if readout.compiled.has_kernel else MaximumReader
    return kind(readout, network, parameters=parameters)
