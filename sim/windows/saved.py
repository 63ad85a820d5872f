"""A run in windows, between two of them: what it takes to go on, with any blocks and threads.

Kept are the states of all neurons, and the spikes that may still be under way: where these arrive
follows from the network, as do the inputs, which are drawn once more. So a run goes on with other
blocks, threads or ranks to the same spikes, to the last bit.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.network.fingerprint import find_fingerprint
from sim.windows import own_delays
from sim.windows.allocation import add_chunks, add_nodes, grow
from sim.windows.records import (
    DRAWN,
    EXPANDED,
    LOW,
    N_PROBED,
    N_REBASED,
    N_REBASES,
    N_SPIKES,
    NEVER,
    NEXT,
    NEXT_INPUT,
    NEXT_OWN,
    NEXT_PROBE,
    PAUSE_AT,
    WINDOW,
)
from spiketheory.errors import CheckpointError

FORMAT = 1
PLACES = (WINDOW, NEXT_PROBE, N_REBASES)
"""Of `State.counts`, what is kept."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Saved:
    """A run between two windows.

    Attributes:
        arrays: By name: ``counts`` and ``bounds`` (`sim.windows.records`), ``states`` neuron by
            neuron, ``spike_time`` and ``spike_neuron`` of spikes that were not handed over,
            ``kept_time`` and ``kept_neuron`` of those that were, and are kept in memory,
            ``spike_count`` of each neuron among those that were, ``probed`` coordinates.
        meta: What must be the same when the run goes on: ``network``, ``probes``, ``keeps``.
    """

    arrays: dict[str, np.ndarray]
    meta: dict[str, Any]

    @property
    def time(self) -> float:
        """How far the run is [time]."""
        return float(self.arrays["bounds"][LOW])

    @property
    def handed_until(self) -> float:
        """All spikes before were handed over, if they were not kept in memory [time]."""
        return min([self.time, *self.arrays["spike_time"][:1].tolist()])


class Saver:
    """Saves a run every so many windows, and when it is stopped.

    Args:
        every: So many windows; None only when it is stopped.
        write: Is given what was saved, in the first rank.
        saved: With what the run goes on; None for a new one.
    """

    def __init__(
        self, every: int | None, write: Callable[[Saved], None], saved: Saved | None = None
    ) -> None:
        self.every, self.write, self.saved = every, write, saved
        self.next = NEVER if every is None else every

    def look(self, run: Any, *, at_once: bool = False) -> None:
        """Save a `WindowRun` that is paused, if it is time to."""
        counts = run.state.counts
        if at_once or counts[WINDOW] >= self.next:
            saved = collect(run)
            if run.is_first:
                self.write(saved)
        while counts[WINDOW] >= self.next:
            self.next += self.every or NEVER
        counts[PAUSE_AT] = self.next

    def count_past(self, run: Any) -> int:
        """How many of the spikes that a run has are under way no more."""
        return count_before(run, run.state.counts[WINDOW] - len(run.ring.heads))


def count_before(run: Any, window: int) -> int:
    """How many of the spikes that a run has come before a window."""
    n = int(run.state.counts[N_SPIKES])
    low = window * run.clock.width / run.clock.ticks
    return int(np.searchsorted(run.spikes.times[:n], low))


def describe(run: Any) -> dict[str, Any]:
    """What must be the same when a run goes on."""
    kept = run.kept
    keeps = "all spikes" if kept is None else "spikes of " + find_fingerprint(kept.recorded)
    if kept is not None and kept.on_spikes is not None:
        keeps += ", handed on"
    return {
        "format": FORMAT,
        "network": find_fingerprint(run.network),
        "probes": find_fingerprint([run.probes.times, run.all_probed]),
        "keeps": keeps,
    }


def collect(run: Any) -> Saved:
    """What a run that is paused between two windows takes with it; all ranks call it."""
    counts, bounds, kept = run.state.counts, run.state.bounds, run.kept
    n = int(counts[N_SPIKES])
    states, probed = run.gather(list_states(run)), run.gather_probes()
    arrays = {
        "counts": counts[list(PLACES)].copy(), "bounds": bounds.copy(), "states": states,
        "spike_time": run.spikes.times[:n].copy(), "spike_neuron": run.spikes.neurons[:n].copy(),
        "probed": probed,
    }  # fmt: skip
    if kept is not None:
        times, neurons = kept.collect()
        arrays |= {"kept_time": times, "kept_neuron": neurons, "spike_count": kept.counts.copy()}
    return Saved(arrays=arrays, meta=describe(run) if run.is_first else {})


def list_states(run: Any) -> np.ndarray:
    """States of the neurons that are here, neuron by neuron."""
    found = [states.reshape(-1) for _, states in list_blocks(run)]
    return np.concatenate(found)


def list_blocks(run: Any) -> list[tuple[int, np.ndarray]]:
    """Each block's first neuron and a view of its states, shape (n, numbers of each)."""
    rows, frame, found = run.rows, run.frame, []
    for block, kind in enumerate(frame.kinds):
        first, end = int(rows.bounds[block]), int(rows.bounds[block + 1])
        if kind >= 0:
            at, size = int(frame.firsts[block]), int(frame.strides[block]) * (end - first)
            states = frame.states[at : at + size].reshape(end - first, -1)
        else:
            states = run.cells.states[:, first:end].T
        found.append((first, states))
    return found


def restore(run: Any) -> None:
    """Bring a new run to where a saved one was, if it is to go on with one."""
    if run.saver is None:
        return
    run.state.counts[PAUSE_AT] = run.saver.next
    saved = run.saver.saved
    if saved is None:
        return
    check_saved(run, saved)
    counts, bounds, arrays = run.state.counts, run.state.bounds, saved.arrays
    drawn = arrays["bounds"][DRAWN]
    first_drawn = bounds[DRAWN]
    counts[list(PLACES)], bounds[:] = arrays["counts"], arrays["bounds"]
    bounds[DRAWN] = first_drawn
    put_states(run, arrays["states"])
    run.found.progress[:, N_REBASED] = counts[N_REBASES]
    run.found.progress[:, N_PROBED] = counts[NEXT_PROBE]
    run.put_probes(arrays["probed"])
    if run.kept is not None and "spike_count" in arrays:
        run.kept.counts[:] = arrays["spike_count"]
        run.kept.n_spikes = int(arrays["spike_count"].sum())
        run.kept.parts = [(arrays["kept_time"], arrays["kept_neuron"])]
    put_spikes(run, arrays["spike_time"], arrays["spike_neuron"])
    put_inputs(run, drawn)
    while counts[WINDOW] >= run.saver.next:
        run.saver.next += run.saver.every or NEVER
    counts[PAUSE_AT] = run.saver.next


def check_saved(run: Any, saved: Saved) -> None:
    """Raise `CheckpointError` unless a run is the one that was saved."""
    if not run.is_first:  # which checks for all
        return
    own, names = describe(run), {"network": "network", "probes": "probes", "keeps": "spikes kept"}
    if saved.meta.get("format") != FORMAT:
        raise CheckpointError(
            f"Expected a saved run of format {FORMAT} but got {saved.meta.get('format')}; go on "
            "with the version that saved it, or begin anew."
        )
    for name, what in names.items():
        if saved.meta.get(name) != own[name]:
            raise CheckpointError(
                f"Expected the {what} that the run was begun with but got another; go on with the "
                "same files and options, or begin anew."
            )


def put_states(run: Any, states: np.ndarray) -> None:
    """Give the neurons that are here their states, of those of all."""
    sizes = [
        len(p.model.coordinates) + bool(p.model.facts["FRAME_KEEPS_TIME"])
        if is_framed
        else len(run.cells.states)
        for p, is_framed in zip(run.network.populations, run.framed, strict=True)
    ]
    parts = [own for _, own in run.network.parts]
    ends = np.cumsum(
        [size * (own.stop - own.start) for size, own in zip(sizes, parts, strict=True)]
    )
    for first, into in list_blocks(run):
        k = next(k for k, own in enumerate(parts) if first < own.stop)
        at = ends[k] - sizes[k] * (parts[k].stop - first)
        into[:] = states[at : at + into.size].reshape(into.shape)


def put_spikes(run: Any, times: np.ndarray, neurons: np.ndarray) -> None:
    """Give a run its spikes, and put those on their way that may still be under way."""
    counts, n = run.state.counts, len(times)
    if n > len(run.spikes.times):
        run.spikes = grow(run.spikes, 2 * n)
    run.spikes.times[:n], run.spikes.neurons[:n] = times, neurons
    counts[N_SPIKES] = n
    first = counts[N_SPIKES] = run.saver.count_past(run)
    run.ring = add_nodes(run.ring, counts, (n - first) * run.most_tracts + 1)
    run.pack()
    packed = run.packed
    run.kernels.send_spikes(
        packed.clock, packed.rows, packed.ring, packed.spikes, packed.state, n - first
    )
    run.own.progress[:, EXPANDED] = first


def put_inputs(run: Any, drawn: float) -> None:
    """Draw all inputs up to a time, and write those out that are under way along own delays.

    Window by window, as they were: of what is sent at one instant inputs come first.
    """
    counts, bounds = run.state.counts, run.state.bounds
    clock, now, n = run.clock, int(counts[WINDOW]), int(counts[N_SPIKES])
    oldest = max(now - len(run.ring.heads), 0)
    while True:
        past = oldest * clock.width / clock.ticks
        counts[NEXT_INPUT] = np.searchsorted(run.inputs.times, bounds[LOW])
        run.own.progress[:, NEXT_OWN] = np.searchsorted(run.inputs.own_times, past)
        if bounds[DRAWN] >= drawn:
            break
        run.draw_inputs()
    after = bounds[NEXT]
    for window in range(oldest, now):
        counts[N_SPIKES] = n
        counts[N_SPIKES] = count_before(run, window)
        bounds[NEXT] = (window + 1) * clock.width / clock.ticks
        for block in np.flatnonzero(run.own.places >= 0):
            write_out(run, int(block))
    counts[N_SPIKES], bounds[NEXT] = n, after


def write_out(run: Any, block: int) -> None:
    """Write out what a block is sent along connections with delays of their own, up to now."""
    kernels = run.linker.link(own_delays)
    while True:
        p = run.packed
        if kernels.expand_spikes(p.clock, p.rows, p.own, p.spikes, p.state, block) and (
            kernels.expand_inputs(p.clock, p.rows, p.own, p.inputs, p.state, block)
        ):
            return
        run.own = add_chunks(run.own, run.own.following.shape[1])
        run.pack()
