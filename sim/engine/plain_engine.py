"""The plain engine behind the common face: slow, and written to be read; trial by trial."""

from collections.abc import Callable
from typing import Any

import numpy as np

from sim.engine.records import BatchRecording
from sim.engine.single_trials import TrialMethods, differentiate_trials, simulate_trials
from sim.events.differentiate import Gradients
from sim.events.recording import Advance, Recording
from sim.inputs.trials import Trials
from sim.losses import Loss
from sim.network.layer_stack import Outcome
from sim.network.network import Network, Readout
from sim.plain.recording import differentiate_plainly, find_plain_outputs, simulate_plainly


def prepare(network: Network) -> Callable[..., Recording]:
    """What runs a network with other input spikes; it always writes down everything."""

    def run(own: Network, *, record: bool = True, **options: Any) -> Recording:
        return simulate_plainly(own, **options)

    return run


METHODS = TrialMethods("plain", prepare, find_plain_outputs, differentiate_plainly)


class PlainEngine:
    """Advances all neurons at every event: the yardstick of the others."""

    name = "plain"

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
