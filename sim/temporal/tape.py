"""Batches that run forward, each sample with memory of its own, and are gone back through later."""

from collections.abc import Callable

import numpy as np

from sim.inputs.trials import Trials
from sim.kernels.sums import add_in_tree
from sim.status import NO_ROOM, Status, raise_status
from sim.temporal import sample as sample_kernels
from sim.temporal.allocation import FIRST_ROOM, estimate_memory
from sim.temporal.batch import (
    MAX_SPIKES,
    MOST_BLOCKS,
    ROOMS,
    SAMPLES_PER_BLOCK,
    SPARE,
    Ready,
    Run,
    remember_room,
)
from sim.temporal.reading import Reading
from sim.temporal.records import Sums
from sim.temporal.stack import TemporalStack
from sim.threads import get_thread_count, run_on_threads

OK = int(Status.OK)
LARGEST_TAPE = 2**30
"""Batches that need more bytes run forward once more when they are gone back through."""


class TapedRun(Run):
    """One batch, forward now and back later, once; see `Run`."""

    def __init__(
        self, stack: TemporalStack, trials: Trials, reading: Reading, parameters: bool,
        max_spikes: int = MAX_SPIKES,
    ) -> None:  # fmt: skip
        super().__init__(stack, trials, reading, parameters, max_spikes=max_spikes)
        n = len(trials)
        self.memories: list[Ready] = []
        self.limits = np.linspace(
            0, n, min(-(-n // SAMPLES_PER_BLOCK), MOST_BLOCKS) + 1
        ).astype(np.int64).tolist()  # fmt: skip
        pack = stack.model.pack
        self.packed = pack(self.batch), pack(self.found)

    @property
    def is_small(self) -> bool:
        """Whether the memory of all samples is moderate."""
        room = ROOMS.get(self.kind, FIRST_ROOM)
        n_bytes = estimate_memory(self.layers, self.instants, room)
        return n_bytes * len(self.trials) <= LARGEST_TAPE

    def run_blocks(self, run_samples: Callable[[int, int, int], tuple[int, int]]) -> None:
        """Run all blocks on threads."""
        limits = self.limits
        ended = run_on_threads(
            lambda b: run_samples(b, limits[b], limits[b + 1]), len(limits) - 1, get_thread_count()
        )
        for status, sample in ended:
            raise_status(status, sample=sample, limit=self.max_spikes)

    def run_forward(self) -> None:
        """Run all samples; what they did is in ``found``."""
        kernel, (batch, found) = self.linker.link(sample_kernels).run_forward, self.packed
        self.memories = [self.take_memory() for _ in range(len(self.trials))]

        def run_samples(_: int, first: int, last: int) -> tuple[int, int]:
            for k in range(first, last):
                while (status := kernel(batch, self.memories[k].packed, k, found)) == NO_ROOM:
                    remember_room(self.kind, 2 * self.memories[k].room)
                    self.memories[k] = self.make_ready(ROOMS[self.kind])
                if status != OK:
                    return status, k
            return OK, last

        if not getattr(kernel, "signatures", True):
            run_samples(0, 0, 1)  # compiled by this thread, and no other, Ctrl-C ends it
        self.run_blocks(run_samples)

    def take_memory(self) -> Ready:
        """Memory of one sample, that of an earlier batch if there is some."""
        return SPARE.take(self.kind) or self.make_ready(ROOMS.get(self.kind, FIRST_ROOM))

    def run_back(self, targets: np.ndarray, input_times: bool) -> Sums:
        """Go back with these targets; returns the sums of all derivatives."""
        self.batch.targets[...] = targets
        kernel, (batch, found) = self.linker.link(sample_kernels).run_back, self.packed
        totals = [self.take_total(True) for _ in self.limits[1:]]

        def run_samples(b: int, first: int, last: int) -> tuple[int, int]:
            for array in totals[b].arrays:
                array.fill(0)
            for k in range(first, last):
                memory, sums = self.memories[k].packed, totals[b].packed
                kernel(batch, memory, k, sums, found, input_times)
            return OK, last

        if not getattr(kernel, "signatures", True):
            run_samples(0, 0, 1)
        self.run_blocks(run_samples)
        for memory in self.memories:
            SPARE.give_back(self.kind, memory, memory.n_bytes)
        self.memories = []
        add_in_tree([total.arrays for total in totals], get_thread_count())
        return totals[0].sums
