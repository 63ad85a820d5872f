"""The layer engine behind the common face: chains of dense layers, whole batches at once."""

from collections.abc import Callable

import numpy as np

from sim.engine.records import BatchRecording
from sim.events.differentiate import Gradients
from sim.events.recording import Advance
from sim.inputs.trials import Trials
from sim.layers.batch import record_spikes, run_batch
from sim.losses import Loss
from sim.network.layer_stack import LayerStack, Outcome, StackGradients, split_layers
from sim.network.network import Network, Readout
from spiketheory.errors import InputError


class LayerEngine:
    """Advances whole layers from event to event, on all processors."""

    name = "layers"

    def why_not(self, network: Network) -> str:
        """Why it cannot run a network; empty if it can."""
        last = network.populations[-1].name
        for readout in network.readouts:
            if readout.population != last or readout.neurons is not None:
                return f"readout {readout.name} is not the whole last population"
        return network.why_no_layers

    def read(self, network: Network) -> LayerStack:
        """The network as layers.

        Raises:
            InputError: If it is none.
        """
        stack, reason = network.layers, self.why_not(network)
        if stack is None or reason:
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
        stack = self.read(network)
        if record:
            raise InputError(
                "Expected the engine 'events' for a run that can be gone back through but got "
                "'layers'; it computes gradients by loss_and_gradient alone."
            )
        spikes = record_spikes(stack, trials, max_spikes=max_spikes)
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
        self, network: Network, trials: Trials, targets: np.ndarray, loss: Loss, *,
        readout: Readout | None = None, gradient: bool = True, parameters: bool = False,
        max_spikes: int,
    ) -> tuple[Outcome, Gradients | None]:  # fmt: skip
        """See `sim.engine.choose.loss_and_gradient`."""
        stack = self.read(network)
        if parameters:
            raise InputError(
                "Expected the engine 'events' for derivatives by the parameters but got 'layers'; "
                "choose the other."
            )
        outcome, found = run_batch(
            stack, trials, targets, loss, gradient=gradient, input_times=gradient,
            max_spikes=max_spikes,
        )  # fmt: skip
        return outcome, None if found is None else collect_gradients(network, stack, found)


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
    assert found.input_times is not None
    return Gradients(
        weights=weights, delays=[], input_times=[found.input_times], initial=initial,
        parameters=None,
    )  # fmt: skip
