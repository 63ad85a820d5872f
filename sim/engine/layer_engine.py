"""The layer engine behind the common face: chains of dense layers, whole batches at once."""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import numpy as np
import scipy.sparse

from sim.engine.logits import choose_logits
from sim.engine.records import AnyLoss, AnyOutcome, BatchRecording
from sim.engine.single_trials import shape_input_times
from sim.events.differentiate import Gradients
from sim.events.recording import Advance
from sim.inputs.trials import Trials
from sim.layers.batch import record_spikes, run_batch
from sim.network.layer_stack import LayerStack, StackGradients, split_layers
from sim.network.network import Network
from sim.network.readouts import AnyReadout, LinearReadout, ReadoutGradients
from sim.temporal.batch import TemporalGradients, run_temporal
from sim.temporal.logit_losses import LogitLoss
from sim.temporal.record import record_spikes as record_in_time
from sim.temporal.stack import TemporalStack, read_temporal
from spiketheory.errors import InputError, SimulationError


class LayerEngine:
    """Advances whole layers from event to event, on all processors.

    It has kernels of two kinds: those of `sim.layers`, for first spikes, with pseudospikes, and
    those in time, of `sim.temporal`, for recurrence, axonal delays, models without pseudospikes,
    and readouts of logits.
    """

    name = "layers"

    def why_not(self, network: Network, loss: AnyLoss | None = None) -> str:
        """Why it cannot run a network, or not with a loss; empty if it can.

        Without a loss a network is asked for that could be simulated, and read as its readouts say.
        """
        last = network.populations[-1].name
        for readout in network.readouts:
            if isinstance(readout, LinearReadout) or isinstance(loss, LogitLoss):
                continue
            if readout.population != last or readout.neurons is not None:
                return f"readout {readout.name} is not the whole last population"
        if isinstance(loss, LogitLoss) or (loss is None and network.why_no_layers):
            found = find_stack(network)
            return found if isinstance(found, str) else ""
        return network.why_no_layers

    def read(self, network: Network) -> LayerStack:
        """The network as layers of which first spikes are read.

        Raises:
            InputError: If it is none.
        """
        stack, reason = network.layers, network.why_no_layers
        if stack is None:
            raise InputError(
                f"Expected a chain of dense layers for the engine 'layers' but {reason}; choose "
                "'events', which runs every network."
            )
        return stack

    def simulate(
        self, network: Network, trials: Trials, *, record: bool, max_spikes: int,
        on_advance: Callable[[Advance], bool] | None = None,
    ) -> BatchRecording:  # fmt: skip
        """Run a batch; see `sim.engine.choose.simulate`."""
        if record:
            raise InputError(
                "Expected the engine 'events' for a run that can be gone back through but got "
                "'layers'; it computes gradients by loss_and_gradient alone."
            )
        if network.layers is None:
            spikes = record_in_time(read_stack(network), trials, max_spikes=max_spikes)
        else:
            spikes = record_spikes(network.layers, trials, max_spikes=max_spikes)
        return BatchRecording(
            network=network,
            trials=trials,
            engine=self.name,
            spike_trial=spikes.sample,
            spike_time=spikes.time,
            spike_neuron=spikes.neuron,
            end_state=leave_charts(network, spikes.end),
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
            return differentiate_in_time(
                network, trials, targets, loss, logits, gradient=gradient, parameters=parameters,
                input_times=input_times, max_spikes=max_spikes, total=total,
            )  # fmt: skip
        stack = self.read(network)
        if parameters:
            raise InputError(
                "Expected the engine 'events' for derivatives by the parameters but got 'layers'; "
                "choose the other."
            )
        outcome, found = run_batch(
            stack, trials, targets, loss, gradient=gradient, input_times=gradient and input_times,
            max_spikes=max_spikes, total=total,
        )  # fmt: skip
        return outcome, None if found is None else collect_gradients(network, stack, found)


@lru_cache(maxsize=1)
def find_stack(network: Network) -> TemporalStack | str:
    """The network as a chain of dense layers in time, or why it is none."""
    return read_temporal(network)


def differentiate_in_time(
    network: Network, trials: Trials, targets: np.ndarray, loss: LogitLoss,
    readout: LinearReadout, *, gradient: bool, parameters: bool, input_times: bool,
    max_spikes: int, total: bool,
) -> tuple[AnyOutcome, Gradients | None]:  # fmt: skip
    """Loss and gradients by the kernels in time."""
    outcome, found = run_temporal(
        read_stack(network), trials, targets, readout, loss, gradient=gradient,
        parameters=parameters, input_times=input_times, max_spikes=max_spikes, total=total,
    )  # fmt: skip
    return outcome, None if found is None else collect_in_time(trials, found, parameters)


def read_stack(network: Network) -> TemporalStack:
    """The network as a chain of dense layers in time.

    Raises:
        InputError: If it is none.
    """
    stack = find_stack(network)
    if isinstance(stack, str):
        raise InputError(
            f"Expected a chain of dense layers for the engine 'layers' but {stack}; choose "
            "'events', which runs every network."
        )
    return stack


def collect_in_time(trials: Trials, found: TemporalGradients, parameters: bool) -> Gradients:
    """Gradients of the kernels in time as those of any engine."""
    own = found.network
    for what, values in (("weights", own.weights), ("readout weights", [found.weights])):
        plain = [v.data if scipy.sparse.issparse(v) else v for v in values]
        if not all(np.isfinite(v).all() for v in plain):
            raise SimulationError(
                f"Expected finite derivatives by the {what} but got NaN or inf; the states left "
                "the range of floats. Lower the weights."
            )
    return replace(
        own,
        input_times=[shape_input_times(trials, values) for values in own.input_times],
        readout=ReadoutGradients(
            weights=found.weights, bias=found.bias,
            parameters=found.settings if parameters else None,
        ),
    )  # fmt: skip


def leave_charts(network: Network, ends: list[np.ndarray]) -> list[dict[str, np.ndarray]]:
    """States by variable from the coordinates of each layer, shape (n_trials, n_coordinates, n)."""
    states = []
    for population, end in zip(network.populations, ends, strict=True):
        constants = population.constants
        with np.errstate(all="ignore"):
            found = [population.call("leave_chart", *one, *constants) for one in end]
        states.append(
            {
                name: np.array(
                    [np.broadcast_to(values[i], (population.size,)) for values in found]
                ).reshape(len(end), population.size)
                for i, name in enumerate(population.model.state)
            }
        )
    return states


def collect_gradients(network: Network, stack: LayerStack, found: StackGradients) -> Gradients:
    """Gradients of layers as those of the network's projections and populations."""
    chain = [network.inputs[0].name, *(p.name for p in network.populations)]
    weights = []
    for projection in network.projections:
        by_weight = np.asarray(found.weights[chain.index(projection.post) - 1].T, np.float64)
        matrix = projection.matrix
        weights.append(projection.shape_like(by_weight[matrix.row, matrix.col]))
    initial = []
    parts = split_layers(found.initial, stack.layer_sizes[1:])
    for population, part in zip(network.populations, parts, strict=True):
        name = population.model.initial
        initial.append({name if population.starts_at_phase else name.removesuffix("0"): part})
    times = [] if found.input_times is None else [found.input_times]
    return Gradients(
        weights=weights, delays=[], input_times=times, initial=initial, parameters=None
    )
