"""What a network makes of trials, without targets or a loss; and back, from any derivatives.

`predict` and `pull_back` are each other's counterpart, as are `list_spikes` and
`pull_back_spikes`: who has the derivatives of a loss of any kind by what the first one returned
gets from the second those by all that went in. Nothing is averaged over the trials, for such a loss
says itself whether it is a mean.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from sim.engine.choose import AUTO, choose_engine, read_trials, why_sparse
from sim.engine.event_engine import EVENTS
from sim.engine.layer_engine import find_stack
from sim.engine.records import AnyLoss, add_gradients
from sim.engine.single_trials import order_input_times, shape_input_times
from sim.events.differentiate import Gradients
from sim.events.simulate import MAX_SPIKES
from sim.inputs.encoding import BinnedInput, LatencyInput
from sim.inputs.trials import NO_CHANNEL, Trials
from sim.losses import make_linear_loss
from sim.network.layer_stack import Outcome
from sim.network.network import Network
from sim.network.readouts import AnyReadout, LinearReadout
from sim.temporal import spike_lists
from sim.temporal.logit_losses import make_linear_logits
from sim.temporal.stack import TemporalStack
from spiketheory.errors import InputError, check_choice, check_finite, check_shape
from spiketheory.shown import Short

Batch = Trials | BinnedInput | LatencyInput


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Prediction(Short):
    """What a network makes of a batch of trials.

    Attributes:
        logits: Of a `LinearReadout`, shape (n_trials, n_outputs); None if spikes are read.
        output_times: First spikes of each output neuron, pseudospikes (later than T) included,
            shape (n_trials, n_outputs, n_spikes) [time]; None if logits are read.
        n_ordinary: How many of them are ordinary, shape (n_trials, n_outputs); None with logits.
    """

    logits: np.ndarray | None = None
    output_times: np.ndarray | None = None
    n_ordinary: np.ndarray | None = None

    @property
    def labels(self) -> np.ndarray:
        """The output that is largest, or first, of each trial, shape (n_trials,)."""
        if self.logits is not None:
            return np.asarray(self.logits.argmax(axis=1))
        assert self.output_times is not None
        return np.asarray(self.output_times[:, :, 0].argmin(axis=1))


class Reading(NamedTuple):
    """What is read of a network, and the loss that pulls given derivatives back.

    Attributes:
        readout: The readout; None for the first spikes of the last population.
        loss: The weighted sum.
        shape: Of what is read in each trial.
    """

    readout: AnyReadout | None
    loss: AnyLoss
    shape: tuple[int, ...]


def choose_reading(network: Network, readout: AnyReadout | None) -> Reading:
    """What is read: ``readout``, or the network's first one, or spikes of its last population."""
    chosen = readout or next(iter(network.readouts), None)
    if isinstance(chosen, LinearReadout):
        return Reading(chosen, make_linear_logits(), (len(chosen.bias),))
    neurons, n_spikes = network.find_readout(chosen)
    loss = make_linear_loss(n_required=n_spikes)
    return Reading(chosen, loss, (len(neurons), n_spikes))


def predict(
    network: Network, trials: Batch, *, readout: AnyReadout | None = None, engine: str = AUTO,
    max_spikes: int = MAX_SPIKES,
) -> Prediction:  # fmt: skip
    """What a network makes of a batch of trials: logits, or output times.

    Args:
        network: The network.
        trials: The batch.
        readout: What is read; None for the network's first readout, or the first spikes of its
            last population.
        engine: ``auto``, ``layers``, ``events`` or ``plain``.
        max_spikes: More spikes (of a layer, of a trial) are an error.

    Raises:
        InputError: If shapes do not fit, or the engine cannot run the network.
        SimulationError: If a trial fires without bound or leaves the number range.
    """
    reading, batch = choose_reading(network, readout), read_trials(network, trials)
    outcome, _ = choose_engine(network, engine, loss=reading.loss).engine.loss_and_gradient(
        network, batch, np.zeros((len(batch), *reading.shape)), reading.loss,
        readout=reading.readout, gradient=False, parameters=False, input_times=False,
        max_spikes=max_spikes,
    )  # fmt: skip
    if isinstance(outcome, Outcome):
        return Prediction(output_times=outcome.output_times, n_ordinary=outcome.n_ordinary)
    return Prediction(logits=outcome.logits)


def pull_back(
    network: Network, trials: Batch, slopes: ArrayLike, *, readout: AnyReadout | None = None,
    engine: str = AUTO, parameters: bool = False, input_times: bool = True,
    max_spikes: int = MAX_SPIKES,
) -> Gradients:  # fmt: skip
    """Go back from the derivatives of a loss by what `predict` returned.

    Args:
        network: The network.
        trials: The batch.
        slopes: Derivatives by the logits, shape (n_trials, n_outputs), or by the output times,
            shape (n_trials, n_outputs, n_spikes); of one spike each also without the last axis.
        readout: As `predict` was given it.
        engine: The same.
        parameters: Whether to compute derivatives by the parameters of neurons and readout, too.
        input_times: Whether to compute them by the input times.
        max_spikes: The same.

    Returns:
        The gradients, summed over the trials: if the loss is their mean, its derivatives by the
        outputs say so already, and the mean is counted once.

    Raises:
        InputError: If shapes do not fit, or the engine cannot run the network.
        SimulationError: If a trial fires without bound or leaves the number range.
    """
    reading, batch = choose_reading(network, readout), read_trials(network, trials)
    given = np.asarray(slopes, dtype=np.float64)
    if len(reading.shape) == 2 and reading.shape[1] == 1 and given.ndim == 2:
        given = given[:, :, None]
    check_finite("slopes", check_shape("slopes", given, (len(batch), *reading.shape)))
    if parameters and engine == AUTO and not isinstance(reading.readout, LinearReadout):
        engine = "events"
    _, found = choose_engine(network, engine, loss=reading.loss).engine.loss_and_gradient(
        network, batch, given, reading.loss, readout=reading.readout, gradient=True,
        parameters=parameters, input_times=input_times, max_spikes=max_spikes, total=True,
    )  # fmt: skip
    assert found is not None
    return found


class SpikeLists(NamedTuple):
    """Spikes of the last population, trial by trial, by time and then by neuron.

    Attributes:
        times: Shape (n_trials, room); inf where there is none [time].
        neurons: Counted within the population; -1 where there is none, shape as ``times``.
    """

    times: np.ndarray
    neurons: np.ndarray


def choose_stack(network: Network, engine: str) -> TemporalStack | None:
    """The network as a chain of layers in time; None if the event engine is to run it."""
    check_choice("engine", engine, (AUTO, "layers", "events"))
    found = "it was asked for" if engine == "events" else find_stack(network)
    if engine == "layers" and isinstance(found, str):
        raise InputError(
            f"Expected a chain of dense layers for the engine 'layers' but {found}; choose "
            "'events', which runs every network."
        )
    if isinstance(found, str) or (engine == AUTO and why_sparse(network)):
        return None
    return found


def list_spikes(
    network: Network, trials: Batch, *, room: int, engine: str = AUTO,
    max_spikes: int = MAX_SPIKES,
) -> SpikeLists:  # fmt: skip
    """The spikes of the last population in a batch of trials, as padded arrays.

    Args:
        network: The network.
        trials: The batch.
        room: Spikes of the population that a trial may have.
        engine: ``auto``, ``layers`` or ``events``.
        max_spikes: More spikes (of a layer, of a trial) are an error.

    Raises:
        InputError: If a trial has more spikes than there is room for.
        SimulationError: If a trial fires without bound or leaves the number range.
    """
    batch, stack = read_trials(network, trials), choose_stack(network, engine)
    if stack is None:
        run, first = EVENTS.prepare(network), network.slices[network.populations[-1].name].start
        times, neurons = np.full((2, len(batch), room), np.inf)
        counts = np.zeros(len(batch), np.int64)
        for k in range(len(batch)):
            found = run(network.with_spikes(*batch.select(k)), max_spikes=max_spikes)
            own = found.spike_neuron >= first
            counts[k] = n = np.count_nonzero(own)
            times[k, :n] = found.spike_time[own][:room]
            neurons[k, :n] = (found.spike_neuron[own] - first)[:room]
        neurons = np.where(np.isfinite(times), neurons, NO_CHANNEL).astype(np.int64)
    else:
        times, neurons, counts = spike_lists.list_spikes(stack, batch, room, max_spikes=max_spikes)
    check_room(network.populations[-1].name, counts, room)
    return SpikeLists(times, neurons)


def check_room(population: str, counts: np.ndarray, room: int) -> None:
    """Raise `InputError` if a trial has more spikes than there is room for."""
    for trial in np.flatnonzero(counts > room)[:1]:
        raise InputError(
            f"Expected at most {room} spikes of {population} in a trial but trial {trial} has "
            f"{counts[trial]}; make room for {counts.max()} or more."
        )


def pull_back_spikes(
    network: Network, trials: Batch, slopes: ArrayLike, *, engine: str = AUTO,
    parameters: bool = False, input_times: bool = True, max_spikes: int = MAX_SPIKES,
) -> Gradients:  # fmt: skip
    """Go back from the derivatives of a loss by the times that `list_spikes` returned.

    Args:
        network: The network.
        trials: The batch.
        slopes: Derivatives by each time, shape (n_trials, room); 0 where there is no spike.
        engine: As `list_spikes` was given it.
        parameters: Whether to compute derivatives by the parameters of neurons, too.
        input_times: Whether to compute them by the input times.
        max_spikes: The same.

    Returns:
        The gradients, summed over the trials.

    Raises:
        InputError: If shapes do not fit.
        SimulationError: If a trial fires without bound or leaves the number range.
    """
    batch, stack = read_trials(network, trials), choose_stack(network, engine)
    given = np.asarray(slopes, dtype=np.float64)
    check_finite("slopes", check_shape("slopes", given, (len(batch), None)))
    if stack is not None:
        found = spike_lists.spikes_vjp(
            stack, batch, given, parameters=parameters, input_times=input_times,
            max_spikes=max_spikes,
        )  # fmt: skip
        return found.with_input_times([shape_input_times(batch, v) for v in found.input_times])
    run, first = EVENTS.prepare(network), network.slices[network.populations[-1].name].start
    parts = []
    for k in range(len(batch)):
        recording = run(network.with_spikes(*batch.select(k)), record=True, max_spikes=max_spikes)
        own = np.flatnonzero(recording.spike_neuron >= first)
        by_spike = np.zeros(len(recording.spike_time))
        by_spike[own] = given[k, : len(own)]
        parts.append(EVENTS.differentiate(recording, spike_time=by_spike, parameters=parameters))
    return order_input_times(network, batch, add_gradients(parts))
