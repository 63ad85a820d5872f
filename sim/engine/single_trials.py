"""Batches run trial by trial: what the engines have in common that know one trial only."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from sim.engine.logits import choose_logits, make_reader
from sim.engine.records import AnyLoss, AnyOutcome, BatchRecording, add_gradients
from sim.events.differentiate import Gradients
from sim.events.pseudospikes import Outputs
from sim.events.recording import Advance, Recording
from sim.inputs.encoding import BinnedInput
from sim.inputs.trials import Trials
from sim.losses import Loss, compile_function_once, compile_loss, prepare_targets
from sim.network.layer_stack import Outcome
from sim.network.network import Network
from sim.network.readouts import AnyReadout, LinearReadout, Readout
from sim.network.wiring import count_fan_out, wire
from sim.temporal.batch import TemporalOutcome, check_loss
from sim.temporal.logit_losses import LogitLoss, prepare_logit_targets
from spiketheory.errors import SimulationError


@dataclass(frozen=True)
class TrialEngine:
    """An engine that knows one trial only, and runs every network.

    Attributes:
        name: What it is called.
        prepare: Takes a network and returns what runs it with other input spikes, as
            `sim.events.simulate.simulate` does.
        find_outputs: As `sim.events.pseudospikes.find_outputs`.
        differentiate: As `sim.events.differentiate.differentiate`.
    """

    name: str
    prepare: Callable[[Network], Callable[..., Recording]]
    find_outputs: Callable[..., Outputs]
    differentiate: Callable[..., Gradients]

    def why_not(self, network: Network, loss: AnyLoss | None = None) -> str:
        """It runs every network."""
        return ""

    def simulate(
        self, network: Network, trials: Trials, *, record: bool, max_spikes: int,
        on_advance: Callable[[Advance], bool] | None = None,
    ) -> BatchRecording:  # fmt: skip
        """Run a batch; see `sim.engine.choose.simulate`."""
        return simulate_trials(
            self, network, trials, record=record, max_spikes=max_spikes, on_advance=on_advance
        )

    def loss_and_gradient(
        self, network: Network, trials: Trials, targets: np.ndarray, loss: AnyLoss, *,
        readout: AnyReadout | None = None, gradient: bool = True, parameters: bool = False,
        input_times: bool = True, max_spikes: int, total: bool = False,
    ) -> tuple[AnyOutcome, Gradients | None]:  # fmt: skip
        """See `sim.engine.choose.loss_and_gradient`."""
        logits = choose_logits(network, loss, readout)
        if isinstance(loss, LogitLoss):
            assert logits is not None
            return differentiate_logits(
                self, network, trials, targets, loss, logits, gradient=gradient,
                parameters=parameters, max_spikes=max_spikes, n=1 if total else len(trials),
            )  # fmt: skip
        assert not isinstance(readout, LinearReadout)
        return differentiate_trials(
            self, network, trials, targets, loss, readout=readout, gradient=gradient,
            parameters=parameters, max_spikes=max_spikes, n=1 if total else len(trials),
        )  # fmt: skip


def simulate_trials(
    methods: TrialEngine, network: Network, trials: Trials, *, record: bool, max_spikes: int,
    on_advance: Callable[[Advance], bool] | None = None,
) -> BatchRecording:  # fmt: skip
    """Run a batch; see `sim.engine.choose.simulate`."""
    run, found = methods.prepare(network), []
    for k in range(len(trials)):
        own = network.with_spikes(*trials.select(k))
        found.append(run(own, record=record, max_spikes=max_spikes, on_advance=on_advance))
        if not found[-1].is_complete:
            break
    return collect_recordings(network, trials, methods.name, tuple(found))


def differentiate_trials(
    methods: TrialEngine, network: Network, trials: Trials, targets: np.ndarray, loss: Loss, *,
    readout: Readout | None, gradient: bool, parameters: bool, max_spikes: int, n: int,
) -> tuple[Outcome, Gradients | None]:  # fmt: skip
    """See `sim.engine.choose.loss_and_gradient`; derivatives are divided by n."""
    neurons, _ = network.find_readout(readout)
    wanted = prepare_targets(loss, targets, n_samples=len(trials), n_outputs=len(neurons))
    function = compile_loss(loss, backend=network.populations[0].model.backend)
    run, parts = methods.prepare(network), []
    collected = Collected(network, trials, neurons, loss.n_required)
    fan_out = count_fan_out(wire(network))
    for k in range(len(trials)):
        own = network.with_spikes(*trials.select(k))
        recording = run(own, record=gradient, max_spikes=max_spikes)
        outputs = methods.find_outputs(recording, neurons, loss.n_required)
        slopes = np.zeros(outputs.times.shape)
        clipped = np.minimum(outputs.times, network.duration)
        ordinary = function(clipped, wanted[k], loss.settings, slopes)
        value = function(outputs.times, wanted[k], loss.settings, slopes)
        if not np.isfinite(value):
            raise SimulationError(
                f"Expected a finite loss but trial {k} has {value}; its output times are too "
                "late or too many. Raise the drive or the weights, or lower gamma."
            )
        collected.add(k, recording, outputs.times, outputs.n_ordinary, (value, ordinary))
        collected.operations[k] = fan_out[recording.wiring.wires.input_sources].sum()
        collected.operations[k] += fan_out[recording.spike_neuron].sum()
        if gradient:
            found = methods.differentiate(
                recording, outputs=(outputs, slopes / n), parameters=parameters
            )
            parts.append(found)
    if not gradient:
        return collected.outcome(), None
    return collected.outcome(), order_input_times(network, trials, add_gradients(parts))


def differentiate_logits(
    methods: TrialEngine, network: Network, trials: Trials, targets: np.ndarray, loss: LogitLoss,
    readout: LinearReadout, *, gradient: bool, parameters: bool, max_spikes: int, n: int,
) -> tuple[TemporalOutcome, Gradients | None]:  # fmt: skip
    """See `sim.engine.choose.loss_and_gradient`; derivatives are divided by n."""
    n_trials, backend = len(trials), network.populations[0].model.backend
    wanted = prepare_logit_targets(loss, targets, n_trials, len(readout.bias))
    function = compile_function_once(loss.function) if backend == "numba" else loss.function
    reader = make_reader(readout, network, parameters=parameters)
    first = network.slices[network.populations[-1].name].start
    outcome = TemporalOutcome(
        logits=np.zeros((n_trials, len(readout.bias))), loss=np.zeros(n_trials),
        counts=np.zeros((n_trials, network.n_neurons), np.int64), norms=np.zeros(0),
    )  # fmt: skip
    run, parts = methods.prepare(network), []
    for k in range(n_trials):
        own = network.with_spikes(*trials.select(k))
        recording = run(own, record=gradient, max_spikes=max_spikes)
        outcome.counts[k] = np.bincount(recording.spike_neuron, minlength=network.n_neurons)
        last = np.flatnonzero(recording.spike_neuron >= first)
        logits = reader.read(recording.spike_time[last], recording.spike_neuron[last] - first)
        by_logit = np.zeros(len(logits))
        outcome.logits[k] = logits
        outcome.loss[k] = function(logits, wanted[k], loss.settings, by_logit)
        check_loss(k, outcome.loss[k])
        if gradient:
            by_spike = np.zeros(len(recording.spike_time))
            by_spike[last] = reader.take_back(by_logit / n)
            parts.append(
                methods.differentiate(recording, spike_time=by_spike, parameters=parameters)
            )
    if not gradient:
        return outcome, None
    found = order_input_times(network, trials, add_gradients(parts))
    return outcome, replace(found, readout=reader.collect())


class Collected:
    """What a batch did, trial by trial."""

    def __init__(
        self, network: Network, trials: Trials, neurons: np.ndarray, n_required: int
    ) -> None:
        n, shape = len(trials), (len(trials), len(neurons))
        self.network, self.neurons = network, neurons
        self.times = np.empty((*shape, n_required))
        self.n_ordinary = np.zeros(shape, np.int64)
        self.losses = np.zeros((n, 2))
        self.hidden = np.zeros(n, np.int64)
        self.operations = np.zeros(n, np.int64)
        self.active = np.zeros(network.n_neurons, dtype=bool)

    def add(
        self, k: int, recording: Recording, times: np.ndarray, n_ordinary: np.ndarray,
        losses: tuple[float, float],
    ) -> None:  # fmt: skip
        """Note a trial."""
        self.times[k], self.n_ordinary[k], self.losses[k] = times, n_ordinary, losses
        self.hidden[k] = np.count_nonzero(~np.isin(recording.spike_neuron, self.neurons))
        self.active[recording.spike_neuron] = True

    def outcome(self) -> Outcome:
        """The record of the batch."""
        return Outcome(
            output_times=self.times, n_ordinary=self.n_ordinary, loss=self.losses[:, 0],
            loss_ordinary=self.losses[:, 1], hidden_spikes=self.hidden,
            synaptic_operations=self.operations, active=self.active,
        )  # fmt: skip


def collect_recordings(
    network: Network, trials: Trials, engine: str, recordings: tuple[Recording, ...]
) -> BatchRecording:
    """The recordings of single trials as that of a batch."""
    counts = [len(r.spike_time) for r in recordings]
    nothing = np.empty(0)
    return BatchRecording(
        network=network,
        trials=trials,
        engine=engine,
        spike_trial=np.repeat(np.arange(len(recordings)), counts),
        spike_time=np.concatenate([nothing, *(r.spike_time for r in recordings)]),
        spike_neuron=np.concatenate(
            [nothing.astype(np.int64), *(r.spike_neuron for r in recordings)]
        ),
        end_state=[
            {
                name: np.array([r.end_state[p][name] for r in recordings])
                for name in population.model.state
            }
            for p, population in enumerate(network.populations)
        ],
        recordings=recordings,
    )


def order_input_times(network: Network, trials: Trials, found: Gradients) -> Gradients:
    """Derivatives by the input times in the order of the trials, from those by trial and input."""
    owner = np.searchsorted(
        [network.slices[p.name].stop for p in network.inputs], trials.channel, side="right"
    )
    trial = np.repeat(np.arange(len(trials)), np.diff(trials.offsets))
    values: np.ndarray = np.empty(len(trials.time))
    values[np.lexsort((np.arange(len(owner)), owner, trial))] = found.input_times[0]
    return found.with_input_times([shape_input_times(trials, values)])


def shape_input_times(trials: Trials, values: np.ndarray) -> np.ndarray:
    """Derivatives by the input times, given by spike, in the compact shape of the trials."""
    trial = np.repeat(np.arange(len(trials)), np.diff(trials.offsets))
    if isinstance(trials.compact, BinnedInput):
        bins = trials.compact.bins[trial, trials.channel]
        values = np.bincount(bins, values, minlength=len(trials.compact.times))
    elif trials.compact is not None:
        by_channel = np.zeros((len(trials), trials.n_channels))
        by_channel[trial, trials.channel] = values
        values = by_channel
    return values
