"""A run in windows over ranks: each takes its own neurons through one, then all tell their spikes.

A rank holds the states of a stretch of neurons, and the connections onto them. What the others
found comes into `Found` as one more row behind its own blocks, which is never taken through a
window; so that sorting, sending and recording are as in one process, and the spikes are the same to
the last bit. Whatever is chosen for the whole run does not depend on a rank's own connections.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from sim.events.kept_spikes import KeptSpikes, OnSpikes, check_recorded
from sim.events.recording import Advance, Recording, StoppedError
from sim.events.simulate import MAX_SPIKES, check_probes
from sim.network.network import Network
from sim.network.rows import FEWER, BlockRows, build_rows, estimate_rows
from sim.windows.allocation import grow, make_found
from sim.windows.ranks import FINE, STOPS, Ranks
from sim.windows.records import IS_SHARED, N_FOUND, NEVER, PAUSE_AT, PHASE, PUSH, SEND, WINDOW
from sim.windows.saved import Saver
from sim.windows.simulate import WindowRun, check_network, choose_block_size
from spiketheory.errors import InputError
from spiketheory.memory import Need, check_needs

PAUSE = 0.2
"""Seconds between two looks at the clock and the keyboard."""
WORK_PER_NEURON = 20
"""What a neuron costs by itself, in connections that lead to it; rough."""


# Long: half of it says what it takes.
def simulate_in_ranks(
    network: Network,
    ranks: Ranks,
    *,
    probe_times: Sequence[float] | np.ndarray = (),
    probed: Sequence[int] | np.ndarray | None = None,
    max_spikes: int = MAX_SPIKES,
    on_advance: Callable[[Advance], bool] | None = None,
    recorded: Sequence[int] | np.ndarray | None = None,
    on_spikes: OnSpikes | None = None,
    block_size: int | None = None,
    saver: Saver | None = None,
) -> Recording:
    """Run a network on all ranks, which call this with the same network and options.

    Args:
        network: The network.
        ranks: The ranks.
        probe_times: See `sim.windows.simulate.simulate`, as the rest [time].
        probed: Neurons to probe.
        max_spikes: More spikes than this stop the run.
        recorded: Neurons whose spikes are kept.
        block_size: Neurons of a block.
        on_advance: Called in every rank; all stop if it returns True in any.
        on_spikes: Called in the first rank.
        saver: Writes in the first rank.

    Returns:
        The recording, in each rank; spikes are in that of the first alone.

    Raises:
        InputError, StoppedError: As `sim.windows.simulate.simulate`, in every rank.
        ProcessError: If another rank failed.
    """
    with ranks.together():
        check_network(network)
        times, neurons = check_probes(network, probe_times, probed)
        kept, chosen = None, check_recorded(network, recorded)
        if not ranks.is_first:
            kept = KeptSpikes(network.n_neurons, np.empty(0, np.int64), None)
        elif chosen is not None or on_spikes is not None:
            kept = KeptSpikes(network.n_neurons, chosen, on_spikes)
        own = cut_neurons(network, ranks.size)[ranks.number]
        size = block_size or choose_block_size(network, own.stop - own.start)
        check_memory_of_ranks(network, ranks, own, size)
        rows = build_rows(network, block_size=size, neurons=own)
        with np.errstate(all="ignore"):
            run = RankedRun(
                network, rows, times, neurons, ranks=ranks, max_spikes=max_spikes, kept=kept,
                saver=saver,
            )  # fmt: skip
            return run.finish(on_advance)


def cut_neurons(network: Network, n_ranks: int) -> list[slice]:
    """The neurons of each rank: about the same number of connections leads to each stretch.

    Raises:
        InputError: If there are fewer neurons than ranks.
    """
    if n_ranks > network.n_neurons:
        raise InputError(
            f"Expected at most a rank for each of {network.n_neurons} neurons but got {n_ranks}; "
            "start fewer."
        )
    work = np.full(network.n_neurons, float(WORK_PER_NEURON))
    for projection in network.projections:
        post = network.slices[projection.post]
        work[post] += projection.n_expected / (post.stop - post.start)
    done = np.concatenate([[0.0], np.cumsum(work)])
    edges = np.searchsorted(done, done[-1] * np.arange(1, n_ranks) / n_ranks)
    cuts = [0, *edges.tolist(), network.n_neurons]
    for k in range(1, n_ranks):  # nobody has none
        cuts[k] = min(max(cuts[k], cuts[k - 1] + 1), network.n_neurons - n_ranks + k)
    return [slice(a, b) for a, b in pairwise(cuts)]


def check_memory_of_ranks(network: Network, ranks: Ranks, own: slice, block_size: int) -> None:
    """Raise `InputError` if the ranks of this machine need more memory than it has."""
    n = ranks.count_on_machine()
    needs = estimate_rows(network, block_size=block_size, neurons=own)
    check_needs(
        [Need(n * need.n_bytes, need.what, f"{need.instead}; or {FEWER}") for need in needs],
        f"{network.n_expected:,.0f} connections, and {n} of {ranks.size} ranks on this machine,",
    )


class RankedRun(WindowRun):
    """This rank's part of a run.

    Args:
        network, rows, probe_times, probed, max_spikes, kept, saver: See `WindowRun`; ``rows`` are
            those of its own neurons.
        ranks: The ranks.
    """

    def __init__(
        self, network: Network, rows: BlockRows, probe_times: np.ndarray, probed: np.ndarray, *,
        ranks: Ranks, max_spikes: int, kept: KeptSpikes | None, saver: Saver | None,
    ) -> None:  # fmt: skip
        self.ranks, self.is_first, self.probed = ranks, ranks.is_first, probed
        self.is_probed = (probed >= rows.bounds[0]) & (probed < rows.bounds[-1])
        super().__init__(
            network, rows, probe_times, probed[self.is_probed], max_spikes=max_spikes, kept=kept,
            saver=saver,
        )  # fmt: skip
        self.found = make_found(self.n_blocks + 1, self.found.times.shape[1])
        self.state.counts[IS_SHARED] = 1
        self.share, self.pause_at = NEVER, 0.0
        self.pack()

    def find_shortest(self) -> float:
        """The shortest delay between neurons of any rank, in ticks."""
        return self.ranks.find_least(super().find_shortest())

    def finish(self, on_advance: Callable[[Advance], bool] | None) -> Recording:
        """Run to the end, all at the same pace."""

        def advance_together(advance: Advance) -> bool:
            stops = on_advance is not None and on_advance(advance)
            self.pause_at = time.monotonic() + PAUSE
            return self.ranks.any(stops)

        return super().finish(advance_together)

    def meet(self) -> None:
        """Tell all ranks what was found here, and hear what others found."""
        progress, counts = self.found.progress, self.state.counts
        found = progress[: self.n_blocks, N_FOUND]
        is_time = self.is_first and time.monotonic() >= self.pause_at
        met = self.ranks.meet(FINE, int(found.sum()), wish=is_time)
        if met[:, 0].any():
            self.stop_together(np.inf, 0, "")
        if met[:, 2].any():
            counts[PAUSE_AT] = min(counts[PAUSE_AT], counts[WINDOW] + 1)
        sizes = met[:, 1].copy()
        here = np.arange(self.found.times.shape[1]) < found[:, None]
        own = np.stack(
            [self.found.times[:-1][here].view(np.int64), self.found.neurons[:-1][here]], axis=1
        )
        spikes = self.ranks.join(own.reshape(-1), 2 * sizes).reshape(-1, 2)
        first = int(sizes[: self.ranks.number].sum())
        others = np.delete(spikes, slice(first, first + len(own)), axis=0)
        self.put_others(others[:, 0].view(np.float64), others[:, 1])
        counts[PHASE] = SEND

    def put_others(self, times: np.ndarray, neurons: np.ndarray) -> None:
        """Write what others found into the row behind the blocks."""
        n = len(times)
        if n > self.found.times.shape[1]:
            self.found = grow(self.found, 2 * n)
            self.pack()
        self.found.times[-1, :n], self.found.neurons[-1, :n] = times, neurons
        self.found.progress[-1, N_FOUND] = n

    def raise_lost(self) -> None:
        """Tell all ranks of the first state that is no number any more."""
        self.ranks.meet(STOPS)
        self.stop_together(*self.find_lost())

    def raise_endless(self) -> None:
        """Tell all ranks of a block whose neurons fire without bound within one window.

        What was told already is too much for all, who find so when they send it.
        """
        if self.state.counts[PHASE] != PUSH:
            return
        self.ranks.meet(STOPS)
        self.stop_together(*self.find_endless())

    def stop_together(self, time: float, neuron: int, message: str) -> None:
        """End the run of all ranks, with what happened first.

        Args:
            time: When it happened here; inf if nothing did.
            neuron: To whom.
            message: What.
        """
        said = self.ranks.tell((time, neuron, message))
        first = min(said)
        recording = self.close(first[0])
        self.ranks.is_over = True
        raise StoppedError(first[2], recording)

    def stop(self, time: float) -> Recording:
        """The record of a run up to ``time``; all ranks find the same."""
        recording = self.close(time)
        if recording.lost_neuron is not None:
            self.ranks.is_over = True
            raise StoppedError(self.describe_lost(recording.lost_neuron, time), recording)
        return recording

    def raise_runaway(self, time: float) -> None:
        """Raise the error of a network that fires without bound, in all ranks."""
        try:
            super().raise_runaway(time)
        except StoppedError:
            self.ranks.is_over = True
            raise

    def close(self, time: float) -> Recording:
        """The record of what was run up to ``time``, with the states of all neurons."""
        found, probed = super().close(time), self.gather_probes()
        shape = (self.width, len(self.probes.times), len(self.probed))
        return replace(
            found, probed=self.probed, probed_coordinates=probed.reshape(shape)
        )  # fmt: skip

    def gather(self, own: np.ndarray) -> np.ndarray:
        """Numbers of all neurons from those of the neurons that are here."""
        return self.ranks.join(own)

    @property
    def all_probed(self) -> np.ndarray:
        """Neurons that are probed, those of other ranks included."""
        return self.probed

    def gather_probes(self) -> np.ndarray:
        """What was seen of all that are probed."""
        height, n = self.width * len(self.probes.times), len(self.probed)
        seen = self.probes.coordinates.reshape(height, len(self.probes.neurons))
        places = self.ranks.join(np.flatnonzero(self.is_probed))
        rows = self.ranks.join(np.ascontiguousarray(seen.T).reshape(-1))
        found = np.zeros((height, n))
        found[:, places] = rows.reshape(n, height).T
        return found.reshape(self.width, len(self.probes.times) * n)

    def put_probes(self, coordinates: np.ndarray) -> None:
        """Go on with what was seen of the neurons that are here, of all that are probed."""
        seen = coordinates.reshape(self.width, len(self.probes.times), len(self.probed))
        own = seen[:, :, self.is_probed]
        self.probes.coordinates[:] = own.reshape(self.probes.coordinates.shape)
