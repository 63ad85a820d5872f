"""Batches of trials through a network in time, forward alone: all spikes, and where they end."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from sim.inputs.merged import MergedTrials
from sim.inputs.trials import Trials
from sim.network.layer_stack import Spikes
from sim.status import NO_ROOM, Status, raise_status
from sim.temporal import sample as sample_kernels
from sim.temporal.allocation import FIRST_ROOM, estimate_memory, make_memory
from sim.temporal.batch import MAX_SPIKES, MOST_BLOCKS, make_batch
from sim.temporal.linking import link_model
from sim.temporal.records import DenseLayer
from sim.temporal.stack import TemporalStack
from sim.threads import get_thread_count, run_on_threads
from spiketheory.machine.compile import CompiledModel
from spiketheory.memory import check_memory

OK = int(Status.OK)


class Trial(NamedTuple):
    """What one trial did.

    Attributes:
        times, neurons: Of its spikes, sorted by time, then neuron.
        ends: Coordinates at the end of each layer, shape (n_coordinates, width).
    """

    times: np.ndarray
    neurons: np.ndarray
    ends: list[np.ndarray]


def record_spikes(stack: TemporalStack, trials: Trials, *, max_spikes: int = MAX_SPIKES) -> Spikes:
    """Run a batch and return all its spikes, and the states at the end.

    Args:
        stack: The network.
        trials: The batch.
        max_spikes: More spikes of a layer in one trial are an error.

    Raises:
        InputError: If memory does not suffice.
        SimulationError: If a trial fires without bound or leaves the number range.
    """
    merged = stack.merge(trials)
    n, model = len(trials), stack.compiled
    batch = model.pack(make_batch(stack, stack.layers, merged, max_spikes=max_spikes))
    n_blocks = min(n, MOST_BLOCKS)
    limits = np.linspace(0, n, n_blocks + 1).astype(np.int64)
    found: dict[int, Trial] = {}

    def run_trials(first: int, last: int) -> tuple[int, int]:
        """Run the trials ``first`` to ``last``; returns the status and where it ended."""
        runner = Forward(model, stack.layers, merged, is_uniform=stack.is_uniform)
        for b in range(first, last):
            status = runner.run(batch, b)
            if status != OK:
                return status, b
            found[b] = runner.read()
        return OK, last

    if not getattr(link_forward(model, stack.is_uniform).forward_sample, "signatures", True):
        run_trials(0, 1)  # compiled by this thread, and no other, Ctrl-C ends it
    ended = run_on_threads(
        lambda b: run_trials(int(limits[b]), int(limits[b + 1])), n_blocks, get_thread_count()
    )
    for status, trial in ended:
        raise_status(status, sample=trial, limit=max_spikes)
    done = [found[b] for b in range(n)]
    return Spikes(
        sample=np.repeat(np.arange(n), [len(trial.times) for trial in done]),
        neuron=np.concatenate([trial.neurons for trial in done]),
        time=np.concatenate([trial.times for trial in done]),
        end=[np.array(ends) for ends in zip(*(trial.ends for trial in done), strict=True)],
    )


def link_forward(model: CompiledModel, is_uniform: bool) -> Any:
    """The kernels, bound to a model."""
    return link_model(model, not is_uniform).link(sample_kernels)


class Forward:
    """Runs trials forward, one after the other, in memory that grows.

    Args:
        model: The model of the neurons.
        layers: The layers, or others of the same shapes.
        merged: The trials.
        is_uniform: Whether the neurons of a layer share their constants.
    """

    def __init__(
        self, model: CompiledModel, layers: Sequence[DenseLayer], merged: MergedTrials, *,
        is_uniform: bool,
    ) -> None:  # fmt: skip
        self.model, self.layers, self.room = model, layers, FIRST_ROOM
        self.n_instants = int(np.diff(merged.instant_offsets).max(initial=0))
        self.kernels = link_forward(model, is_uniform)
        self.make()

    def make(self) -> None:
        """Allocate memory."""
        n_bytes = estimate_memory(self.layers, self.n_instants, self.room)
        check_memory(get_thread_count() * n_bytes, "the batch")
        self.memory = make_memory(
            self.layers, n_instants=self.n_instants, room=self.room, shape=(1, 1, 1)
        )
        self.packed = self.model.pack(self.memory)

    def run(self, batch: Any, trial: int) -> int:
        """Run a trial of a packed batch; returns the status."""
        while (status := int(self.kernels.forward_sample(batch, self.packed, trial))) == NO_ROOM:
            self.room *= 2
            self.make()
        return status

    def read(self) -> Trial:
        """What the trial that has just been run left behind."""
        times, neurons, ends, first = [], [], [], 0
        memory = self.memory
        for k, (layer, own) in enumerate(zip(self.layers, memory.layers, strict=True)):
            count = memory.n_spikes[k]
            times.append(own.spikes.times[:count])
            neurons.append(first + own.spikes.neurons[:count])
            ends.append(own.states[memory.n_segments[k], :, : layer.width].copy())
            first += layer.width
        when, who = np.concatenate(times), np.concatenate(neurons)
        order = np.lexsort((who, when))
        return Trial(when[order], who[order], ends)
