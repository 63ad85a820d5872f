"""What engines have in common: the recording of a batch, and what an engine must offer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any, Protocol, TypeAlias

import numpy as np

from sim.events.differentiate import Gradients
from sim.events.recording import Advance, Recording
from sim.inputs.trials import Trials
from sim.losses import Loss
from sim.network.layer_stack import Outcome
from sim.network.network import Network
from sim.network.readouts import AnyReadout
from sim.temporal.batch import TemporalOutcome
from sim.temporal.logit_losses import LogitLoss
from spiketheory.shown import shown_by

AnyLoss: TypeAlias = Loss | LogitLoss
AnyOutcome: TypeAlias = Outcome | TemporalOutcome


@dataclass(frozen=True, kw_only=True, eq=False)
class BatchRecording:
    """What an engine did with a batch of trials.

    Attributes:
        network: The network.
        trials: The input.
        engine: Name of the engine.
        spike_trial: Trial of each spike, shape (n_spikes,); spikes are sorted by trial, then time,
            then neuron.
        spike_time: Shape (n_spikes,) [time].
        spike_neuron: Counted through the populations, shape (n_spikes,).
        end_state: State at the trial's end by variable, for each population; shape (n_trials,
            size) each.
        recordings: What the event engine did, trial by trial; empty for the others.
    """

    network: Network
    trials: Trials
    engine: str
    spike_trial: np.ndarray
    spike_time: np.ndarray
    spike_neuron: np.ndarray
    end_state: list[dict[str, np.ndarray]]
    recordings: tuple[Recording, ...] = ()

    def __repr__(self) -> str:
        return (
            f"BatchRecording({len(self)} trials, {len(self.spike_time)} spikes of "
            f"{self.network.n_neurons} neurons, T={self.network.duration:g}, by {self.engine})"
        )

    _repr_png_ = shown_by("sim.analysis.trial_figure.show_batch")

    def __len__(self) -> int:
        return len(self.trials)

    def select(self, trial: int) -> tuple[np.ndarray, np.ndarray]:
        """Times and neurons of one trial's spikes."""
        first, last = np.searchsorted(self.spike_trial, [trial, trial + 1])
        return self.spike_time[first:last], self.spike_neuron[first:last]

    def trains(self, trial: int) -> list[np.ndarray]:
        """Spike times of one trial, neuron by neuron."""
        times, neurons = self.select(trial)
        return [times[neurons == i] for i in range(self.network.n_neurons)]


class Engine(Protocol):
    """Runs networks and goes back through them."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    def why_not(self, network: Network, loss: AnyLoss | None = None) -> str:
        """Why it cannot run a network, or not with a loss; empty if it can."""
        ...

    def simulate(
        self, network: Network, trials: Trials, *, record: bool, max_spikes: int,
        on_advance: Callable[[Advance], bool] | None,
    ) -> BatchRecording:  # fmt: skip
        """Run a batch of trials until their ends; see `sim.engine.choose.simulate`."""
        ...

    def loss_and_gradient(
        self, network: Network, trials: Trials, targets: np.ndarray, loss: AnyLoss, *,
        readout: AnyReadout | None, gradient: bool, parameters: bool, input_times: bool,
        max_spikes: int, total: bool = ...,
    ) -> tuple[AnyOutcome, Gradients | None]:  # fmt: skip
        """Loss of a batch of trials, and the derivatives of its mean, or of its ``total``.

        See `sim.engine.choose.loss_and_gradient`.
        """
        ...


def add_gradients(parts: Sequence[Gradients]) -> Gradients:
    """The sum of the gradients of trials, in their order; input times one after the other."""
    times = [times for part in parts for times in part.input_times]
    parameters = [part.parameters for part in parts if part.parameters is not None]
    return Gradients(
        weights=add_lists([part.weights for part in parts]),
        delays=add_lists([part.delays for part in parts]),
        input_times=[np.concatenate([np.empty(0), *times])],
        initial=add_tables([part.initial for part in parts]),
        parameters=add_tables(parameters) if parameters else None,
        current_times=add_lists([part.current_times for part in parts]),
        current_values=add_lists([part.current_values for part in parts]),
    )


def add_lists(lists: Sequence[list[Any]]) -> list[Any]:
    """Lists, added up entry by entry."""
    return [reduce(add, values) for values in zip(*lists, strict=True)]


def add_tables(lists: Sequence[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Lists of tables, added up table by table."""
    return [
        {name: reduce(add, [table[name] for table in tables]) for name in tables[0]}
        for tables in zip(*lists, strict=True)
    ]
