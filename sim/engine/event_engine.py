"""The event engine for batches: any graph, sparse or dense, with delays; trial by trial."""

from collections.abc import Callable
from typing import Any

import numpy as np

from sim.engine.records import BatchRecording
from sim.engine.single_trials import TrialMethods, differentiate_trials, simulate_trials
from sim.events.differentiate import Gradients, differentiate
from sim.events.pseudospikes import find_outputs
from sim.events.recording import Advance, Recording
from sim.events.simulate import simulate
from sim.inputs.trials import Trials
from sim.losses import Loss
from sim.network.layer_stack import Outcome
from sim.network.network import Network, Readout
from sim.network.wiring import rewire, wire


def prepare(network: Network) -> Callable[..., Recording]:
    """What runs a network with other input spikes; it is laid out once for all."""
    wiring = wire(network)

    def run(own: Network, **options: Any) -> Recording:
        return simulate(own, wiring=rewire(wiring, own), **options)

    return run


METHODS = TrialMethods("events", prepare, find_outputs, differentiate)


class EventEngine:
    """Touches at an event only the neurons that it reaches."""

    name = "events"

    def why_not(self, network: Network) -> str:
        """It runs every network."""
        return ""

    def simulate(
        self, network: Network, trials: Trials, *, record: bool, max_spikes: int,
        on_advance: Callable[[Advance], bool] | None = None,
    ) -> BatchRecording:  # fmt: skip
        """Run a batch; see `sim.engine.choose.simulate`."""
        return simulate_trials(
            METHODS, network, trials, record=record, max_spikes=max_spikes, on_advance=on_advance
        )

    def loss_and_gradient(
        self, network: Network, trials: Trials, targets: np.ndarray, loss: Loss, *,
        readout: Readout | None = None, gradient: bool = True, parameters: bool = False,
        max_spikes: int,
    ) -> tuple[Outcome, Gradients | None]:  # fmt: skip
        """See `sim.engine.choose.loss_and_gradient`."""
        return differentiate_trials(
            METHODS, network, trials, targets, loss, readout=readout, gradient=gradient,
            parameters=parameters, max_spikes=max_spikes,
        )  # fmt: skip
