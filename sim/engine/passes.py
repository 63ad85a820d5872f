"""One pass through a batch, forward now and back later: what PyTorch and its like ask for."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from sim.engine.event_engine import EVENTS
from sim.engine.layer_engine import collect_in_time
from sim.engine.logits import make_reader
from sim.engine.predict import check_room, choose_reading
from sim.engine.records import add_gradients
from sim.engine.single_trials import order_input_times, shape_input_times
from sim.events.differentiate import Gradients
from sim.events.recording import Recording
from sim.inputs.trials import Trials
from sim.network.network import Network
from sim.network.readouts import LinearReadout
from sim.temporal.batch import check_loss, collect
from sim.temporal.logit_losses import make_linear_logits
from sim.temporal.reading import make_reading
from sim.temporal.spike_lists import read_slopes
from sim.temporal.stack import TemporalStack
from sim.temporal.tape import TapedRun


class Pass(Protocol):
    """A pass through a batch.

    Attributes:
        values: Logits, output times, or times of all spikes of the last population.
        neurons: Of these spikes.
    """

    values: np.ndarray
    neurons: np.ndarray

    def pull_back(self, slopes: np.ndarray, *, input_times: bool) -> Gradients:
        """Go back, once, from derivatives by the values; see `sim.engine.predict.pull_back`."""
        ...


class LayerPass:
    """A pass of layers in time.

    Args:
        stack: The network.
        trials: The batch.
        room: Of the spikes that a trial may have; None for logits of the network's first readout.
        parameters: Whether derivatives by parameters are wanted.
        max_spikes: More spikes of a layer in one trial are an error.
    """

    def __init__(
        self, stack: TemporalStack, trials: Trials, room: int | None, *, parameters: bool,
        max_spikes: int,
    ) -> None:  # fmt: skip
        self.trials, self.room, self.stack = trials, room, stack
        if room is None:
            readout = stack.network.readouts[0]
            assert isinstance(readout, LinearReadout)
            self.readout = readout
            zeros = np.zeros((len(trials), len(readout.bias)))
            reading = make_reading(stack, len(trials), zeros, readout, make_linear_logits())
        else:
            reading = read_slopes(np.zeros((len(trials), room)))
        self.run = TapedRun(stack, trials, reading, parameters, max_spikes)
        self.neurons = np.empty(0, np.int64)

    def run_forward(self) -> "LayerPass":
        """Run the batch."""
        self.run.run_forward()
        found, room = self.run.found, self.room
        self.values = found.logits
        if room is None:
            for trial in np.flatnonzero(~np.isfinite(found.logits).all(axis=1))[:1]:
                check_loss(int(trial), found.logits[trial].sum())
            return self
        self.values = found.logits[:, :room]
        self.neurons = found.logits[:, room:].astype(np.int64)
        last = self.stack.network.populations[-1]
        check_room(last.name, found.counts[:, -last.size :].sum(axis=1), room)
        return self

    def pull_back(self, slopes: np.ndarray, *, input_times: bool) -> Gradients:
        """See `Pass.pull_back`."""
        sums = self.run.run_back(slopes, input_times)
        if self.room is None:
            found = collect(self.run, sums, self.readout, input_times, 1)
            gradients = collect_in_time(self.trials, found, self.run.parameters)
        else:
            own = self.run.collect(sums, input_times, 1)
            times = [shape_input_times(self.trials, v) for v in own.input_times]
            gradients = own.with_input_times(times)
        self.run.give_totals_back()
        return gradients


class EventPass:
    """A pass of the event engine, which runs every network; the same arguments, and what is read.

    Args:
        network: The network.
        trials: The batch.
        room: Of the spikes that a trial may have; None for what the network's readout gives.
        parameters: Whether derivatives by parameters are wanted.
        max_spikes: More spikes of a trial are an error.
    """

    def __init__(
        self, network: Network, trials: Trials, room: int | None, *, parameters: bool,
        max_spikes: int,
    ) -> None:  # fmt: skip
        self.network, self.trials, self.parameters = network, trials, parameters
        self.first = network.slices[network.populations[-1].name].start
        self.reading = choose_reading(network, None)
        run, self.recordings = EVENTS.prepare(network), list[Recording]()
        for k in range(len(trials)):
            own = network.with_spikes(*trials.select(k))
            self.recordings.append(run(own, record=True, max_spikes=max_spikes))
        self.neurons = np.empty(0, np.int64)
        self.backs: list[Callable[[np.ndarray], dict[str, Any]]] = []
        self.readers: list[Any] = []
        read = self.read_outputs
        if room is not None:
            check_room(network.populations[-1].name, np.array([
                np.count_nonzero(r.spike_neuron >= self.first) for r in self.recordings
            ]), room)  # fmt: skip
            self.values = np.full((len(trials), room), np.inf)
            self.neurons = np.full((len(trials), room), -1)
            read = self.read_spikes
        else:
            self.values = np.zeros((len(trials), *self.reading.shape))
            if isinstance(self.reading.readout, LinearReadout):
                read = self.read_logits
        for k, recording in enumerate(self.recordings):
            self.backs.append(read(k, recording))

    def read_spikes(self, k: int, recording: Recording) -> Callable[[np.ndarray], dict[str, Any]]:
        """Write down the spikes of a trial; returns what makes derivatives of those by them."""
        own = np.flatnonzero(recording.spike_neuron >= self.first)
        self.values[k, : len(own)] = recording.spike_time[own]
        self.neurons[k, : len(own)] = recording.spike_neuron[own] - self.first
        return lambda slopes: {"spike_time": place(recording, own, slopes[: len(own)])}

    def read_outputs(self, k: int, recording: Recording) -> Callable[[np.ndarray], dict[str, Any]]:
        """The same of first spikes."""
        readout = self.reading.readout
        assert not isinstance(readout, LinearReadout)
        neurons, n_spikes = self.network.find_readout(readout)
        outputs = EVENTS.find_outputs(recording, neurons, n_spikes)
        self.values[k] = outputs.times
        return lambda slopes: {"outputs": (outputs, slopes)}

    def read_logits(self, k: int, recording: Recording) -> Callable[[np.ndarray], dict[str, Any]]:
        """The same of logits."""
        readout = self.reading.readout
        assert isinstance(readout, LinearReadout)
        reader = make_reader(readout, self.network, parameters=self.parameters)
        self.readers.append(reader)
        own = np.flatnonzero(recording.spike_neuron >= self.first)
        times, neurons = recording.spike_time[own], recording.spike_neuron[own] - self.first
        self.values[k] = reader.read(times, neurons)
        return lambda slopes: {"spike_time": place(recording, own, reader.take_back(slopes))}

    def pull_back(self, slopes: np.ndarray, *, input_times: bool) -> Gradients:
        """See `Pass.pull_back`; derivatives by the input times come in any case."""
        given = slopes.reshape(self.values.shape)
        parts = [
            EVENTS.differentiate(recording, **back(own), parameters=self.parameters)
            for recording, back, own in zip(self.recordings, self.backs, given, strict=True)
        ]
        found = order_input_times(self.network, self.trials, add_gradients(parts))
        if not self.readers:
            return found
        first, *others = (reader.collect() for reader in self.readers)
        for other in others:
            first = replace(
                first, weights=first.weights + other.weights, bias=first.bias + other.bias,
                parameters=None,
            )  # fmt: skip
        return replace(found, readout=first)


def place(recording: Recording, spikes: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    """Derivatives by all spikes of a trial, from those by some."""
    placed = np.zeros(len(recording.spike_time))
    placed[spikes] = slopes
    return placed
