"""Batches of trials through a network in time, forward alone: all spikes, and where they end."""

from typing import NamedTuple

import numpy as np

from sim.inputs.merged import merge_instants
from sim.inputs.trials import Trials
from sim.network.layer_stack import Spikes
from sim.status import NO_ROOM, Status, raise_status
from sim.temporal import sample as sample_kernels
from sim.temporal.allocation import FIRST_ROOM, estimate_memory, make_memory
from sim.temporal.batch import MAX_SPIKES, MOST_BLOCKS, make_batch
from sim.temporal.reading import link_model
from sim.temporal.records import Memory
from sim.temporal.stack import TemporalStack
from sim.threads import get_thread_count, run_on_threads
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
    run = Run(stack, trials, max_spikes)
    n = len(trials)
    n_blocks = min(n, MOST_BLOCKS)
    limits = np.linspace(0, n, n_blocks + 1).astype(np.int64)
    if not getattr(run.kernels.forward_sample, "signatures", True):
        run.run_trials(0, 1)  # compiled by this thread, and no other, Ctrl-C ends it
    ended = run_on_threads(
        lambda b: run.run_trials(int(limits[b]), int(limits[b + 1])), n_blocks, get_thread_count()
    )
    for status, trial in ended:
        raise_status(status, sample=trial, limit=max_spikes)
    found = [run.found[b] for b in range(n)]
    return Spikes(
        sample=np.repeat(np.arange(n), [len(trial.times) for trial in found]),
        neuron=np.concatenate([trial.neurons for trial in found]),
        time=np.concatenate([trial.times for trial in found]),
        end=[np.array(ends) for ends in zip(*(trial.ends for trial in found), strict=True)],
    )


class Run:
    """One batch."""

    def __init__(self, stack: TemporalStack, trials: Trials, max_spikes: int) -> None:
        merged = merge_instants(trials, stack.network.duration)
        self.model, self.layers = stack.compiled, stack.layers
        self.n_instants = int(np.diff(merged.instant_offsets).max(initial=0))
        n_last = self.layers[-1].width
        self.batch = self.model.pack(
            make_batch(
                stack, self.layers, merged, max_spikes=max_spikes,
                targets=np.zeros((len(trials), 1)), weights=np.zeros((1, n_last, 1)),
                bias=np.zeros(1), read_settings=(0.0,), loss_settings=(0.0,),
            )
        )  # fmt: skip
        self.kernels = link_model(self.model, not stack.is_uniform).link(sample_kernels)
        self.room, self.found = FIRST_ROOM, dict[int, Trial]()

    def make_memory(self) -> Memory:
        """Memory of one thread."""
        n_bytes = estimate_memory(self.layers, self.n_instants, self.room)
        check_memory(get_thread_count() * n_bytes, "the batch")
        shape = (self.layers[-1].width, 1, 1)
        return make_memory(self.layers, n_instants=self.n_instants, room=self.room, shape=shape)

    def run_trials(self, first: int, last: int) -> tuple[int, int]:
        """Run the trials ``first`` to ``last``; returns the status and where it ended."""
        memory = self.make_memory()
        packed = self.model.pack(memory)
        for b in range(first, last):
            while (status := self.kernels.forward_sample(self.batch, packed, b)) == NO_ROOM:
                self.room = max(self.room, 2 * len(memory.scratch.spare))
                memory = self.make_memory()
                packed = self.model.pack(memory)
            if status != OK:
                return status, b
            self.found[b] = self.read(memory)
        return OK, last

    def read(self, memory: Memory) -> Trial:
        """What the trial that has just been run left behind."""
        times, neurons, ends, first = [], [], [], 0
        for k, (layer, own) in enumerate(zip(self.layers, memory.layers, strict=True)):
            count = memory.n_spikes[k]
            times.append(own.spikes.times[:count])
            neurons.append(first + own.spikes.neurons[:count])
            ends.append(own.states[memory.n_segments[k], :, : layer.width].copy())
            first += layer.width
        when, who = np.concatenate(times), np.concatenate(neurons)
        order = np.lexsort((who, when))
        return Trial(when[order], who[order], ends)
