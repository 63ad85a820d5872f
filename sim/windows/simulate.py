"""Run a network with delays in windows: the public face of `sim.windows.loop`."""

from collections.abc import Callable, Sequence
from types import SimpleNamespace

import numpy as np

from sim.events.input_stream import InputStream, leave_out_drawn
from sim.events.kept_spikes import KeptSpikes, OnSpikes, check_recorded
from sim.events.recording import Advance, Recording, StoppedError
from sim.events.simulate import MAX_SPIKES, check_probes
from sim.network.network import Network
from sim.network.rows import LARGEST_BLOCK, BlockRows, build_rows, estimate_rows
from sim.network.wiring import sort_inputs
from sim.threads import get_thread_count, run_on_threads
from sim.windows import loop, own_delays
from sim.windows.allocation import (
    add_chunks,
    add_nodes,
    add_sorted,
    grow,
    make_cells,
    make_found,
    make_frame,
    make_own,
    make_ring,
    make_room,
)
from sim.windows.inputs import join_inputs, list_inputs, make_inputs
from sim.windows.link import link_windows
from sim.windows.loop import BLOCKS, DONE, DRAW, FULL, LOST, MEET, PAUSED
from sim.windows.plan import (
    choose_clock,
    count_slots,
    count_tracts,
    has_frame,
    list_delays,
    why_no_windows,
)
from sim.windows.records import (
    DRAWN,
    END,
    EXPANDED,
    FREE,
    GATHERED,
    LOOK,
    LOST_NEURON,
    LOST_STATE,
    LOW,
    N_COUNTS,
    N_DEFERRED,
    N_FOUND,
    N_FREE,
    N_SPIKES,
    NEVER,
    NEXT_INPUT,
    NEXT_OWN,
    NO_ROOM,
    PAUSE_AT,
    PHASE,
    PUSH,
    UNTIL,
    WINDOW,
    Arrivals,
    Probes,
    Scratch,
    Spikes,
    State,
)
from sim.windows.saved import Saver, restore
from spiketheory.errors import InputError
from spiketheory.memory import check_needs

SHARES = {"numba": 20_000_000, "numpy": 4_000}
"""About so many arrivals and visits of neurons between two looks at the clock and the keyboard."""
BLOCK_SIZE, SMALLEST_BLOCK = 16_384, 1024
"""Neurons of a block: so that their states stand in the second cache, without a frame; and so that
it is worth a thread."""
FIRST_ROOM, FIRST_FOUND = 1024, 64
"""Spikes that there is room for at first, at least: of the network, and of a block in a window."""
PACKED = (
    *("clock", "rows", "frame", "inputs", "ring", "arrivals", "scratch", "found", "spikes"),
    *("probes", "state", "own"),
)
"""Records that compiled code gets by address."""


def simulate(
    network: Network,
    *,
    probe_times: Sequence[float] | np.ndarray = (),
    probed: Sequence[int] | np.ndarray | None = None,
    max_spikes: int = MAX_SPIKES,
    on_advance: Callable[[Advance], bool] | None = None,
    recorded: Sequence[int] | np.ndarray | None = None,
    on_spikes: OnSpikes | None = None,
    rows: BlockRows | None = None,
    block_size: int | None = None,
    saver: Saver | None = None,
) -> Recording:
    """Run a network in which every recurrent projection has a delay until its trial's end.

    Args:
        network: The network and its inputs.
        probe_times: Times at which to probe states, see `sim.events.simulate.simulate` [time].
        probed: Neurons to probe; None for all.
        max_spikes: More spikes than this stop the run.
        on_advance: Called every so often, between windows; the run stops if it returns True.
        recorded: Neurons whose spikes are kept; None for all.
        on_spikes: Called with times and neurons of the spikes that are to be kept, every so often
            before ``on_advance``; they are then not kept in memory.
        rows: The connections, if they were laid out before.
        block_size: Neurons of a block, the same spikes whatever it is; None for what is fastest.
        saver: Saves the run every so many windows, or has one with which to go on.

    Returns:
        The recording, without what `differentiate` needs.

    Raises:
        InputError: If a projection has no delay, the probes are impossible, or the network does not
            fit into memory.
        StoppedError: If the network fires without bound, or a state leaves the range of numbers.
    """
    check_network(network)
    times, neurons = check_probes(network, probe_times, probed)
    chosen = check_recorded(network, recorded)
    kept = None
    if chosen is not None or on_spikes is not None:
        kept = KeptSpikes(network.n_neurons, chosen, on_spikes)
    if rows is None:
        rows = build_rows(network, block_size=block_size or choose_block_size(network))
    with np.errstate(all="ignore"):  # interpreted kernels are as silent as compiled ones
        run = WindowRun(
            network, rows, times, neurons, max_spikes=max_spikes, kept=kept, saver=saver
        )  # fmt: skip
        return run.finish(on_advance)


def check_network(network: Network) -> None:
    """Raise `InputError` if a network does not run in windows."""
    reason = why_no_windows(network)
    if reason:
        raise InputError(
            f"Expected a network that the engine 'windows' can run but {reason}; give every "
            "connection between neurons a delay, or choose the engine 'events'."
        )


def check_room(network: Network) -> None:
    """Raise `InputError` if this process cannot run a network in windows: nothing is laid out."""
    check_network(network)
    needs = estimate_rows(network, block_size=choose_block_size(network))
    check_needs(needs, f"a network of {network.n_expected:,.0f} connections")


def choose_block_size(network: Network, n_neurons: int | None = None) -> int:
    """Neurons of a block: their states stand in the second cache, and all threads have as many.

    Args:
        network: The network.
        n_neurons: How many of its neurons are here; None for all.
    """
    framed = all(has_frame(p, network.duration) for p in network.populations)
    most, n_threads = LARGEST_BLOCK if framed else BLOCK_SIZE, get_thread_count()
    n = n_neurons or network.n_neurons
    n_blocks = n_threads * -(-n // (n_threads * most))
    return max(-(-n // n_blocks), SMALLEST_BLOCK)


class WindowRun:
    """A run under way: Python grows the arrays, compiled code fills them.

    Args:
        network: The network.
        rows: Its connections.
        probe_times: Times at which to probe states, sorted.
        probed: Neurons to probe.
        max_spikes: More spikes than this stop the run.
        kept: Where spikes go; None to keep all.
        saver: See `simulate`.
    """

    is_first = True
    """Whether this process speaks for all."""

    def __init__(
        self, network: Network, rows: BlockRows, probe_times: np.ndarray, probed: np.ndarray, *,
        max_spikes: int, kept: KeptSpikes | None = None, saver: Saver | None = None,
    ) -> None:  # fmt: skip
        self.network, self.rows, self.max_spikes, self.kept = network, rows, max_spikes, kept
        self.saver = saver
        self.models = tuple(dict.fromkeys(p.model for p in network.populations))
        self.share = SHARES[self.models[0].backend]
        framed = self.framed = [has_frame(p, network.duration) for p in network.populations]
        kinds = {
            p.model for p, is_framed in zip(network.populations, framed, strict=True) if is_framed
        }
        in_frame = tuple(model in kinds for model in self.models)
        self.linker = link_windows(self.models, in_frame)
        self.kernels = self.linker.link(loop)
        self.width = max(len(m.coordinates) for m in self.models)
        self.clock = choose_clock(network, rows.ticks, self.find_shortest(), framed)
        self.most_tracts = count_tracts(network, rows)
        self.cells = make_cells(network, self.width)
        self.frame = make_frame(network, rows, self.cells, framed)
        self.inputs = make_inputs()
        self.stream = InputStream(network, *sort_inputs(leave_out_drawn(network))[:2])
        n_slots = count_slots(network, rows, self.clock)
        self.own = make_own(network, rows, n_slots)
        self.n_blocks = len(rows.bounds) - 1
        self.order = np.argsort(-np.diff(rows.bounds), kind="stable")
        self.ring = make_ring(n_slots)
        n = int(rows.bounds[-1] - rows.bounds[0])
        self.arrivals = Arrivals(*make_room(Arrivals, max(n // 2, FIRST_ROOM)))
        self.scratch = Scratch(*make_room(Scratch, max(n // 2, FIRST_ROOM)))
        self.spikes = Spikes(*make_room(Spikes, max(n, FIRST_ROOM)))
        self.found = make_found(self.n_blocks, max(n // self.n_blocks // 4, FIRST_FOUND))
        self.probes = Probes(
            times=probe_times, neurons=probed,
            coordinates=np.zeros((self.width, len(probe_times) * len(probed))),
        )  # fmt: skip
        self.state = State(counts=np.zeros(N_COUNTS, np.int64), bounds=np.zeros(8))
        self.state.counts[FREE], self.state.counts[PAUSE_AT] = END, NEVER
        self.ring = add_nodes(self.ring, self.state.counts, max(n, FIRST_ROOM))
        self.draw_inputs()
        packed = self.packed
        self.kernels.start(packed.rows, self.cells, packed.frame, packed.clock, packed.state)

    def find_shortest(self) -> float:
        """The shortest delay between neurons, in ticks."""
        return float(list_delays(self.network, self.rows).min(initial=np.inf))

    def gather(self, own: np.ndarray) -> np.ndarray:
        """Numbers of the neurons that are here, as those of all: they are the same."""
        return own

    def meet(self) -> None:
        """Tell others what the blocks found: there are none."""

    @property
    def all_probed(self) -> np.ndarray:
        """Neurons that are probed, those included that are elsewhere."""
        return self.probes.neurons

    def gather_probes(self) -> np.ndarray:
        """What was seen of `all_probed`."""
        return self.probes.coordinates.copy()

    def put_probes(self, coordinates: np.ndarray) -> None:
        """Go on with what was seen of `all_probed`."""
        self.probes.coordinates[:] = coordinates

    def pack(self) -> None:
        """Hand the arrays to compiled code, where they stay until they are replaced."""
        pack = self.models[0].pack
        self.packed = SimpleNamespace(**{name: pack(getattr(self, name)) for name in PACKED})

    def draw_inputs(self) -> None:
        """Add the next piece of input spikes to those that have not come."""
        end, times, sources = self.stream.draw_piece()
        more = list_inputs(self.rows, times, sources, self.network.duration)
        counts, own = self.state.counts, self.own.progress
        n_own_done = int(own[0, NEXT_OWN]) if len(own) else len(self.inputs.own_times)
        self.inputs = join_inputs(self.inputs, int(counts[NEXT_INPUT]), n_own_done, more)
        counts[NEXT_INPUT] = own[:, NEXT_OWN] = 0
        self.state.bounds[DRAWN] = end
        self.pack()

    def finish(self, on_advance: Callable[[Advance], bool] | None) -> Recording:
        """Run to the end; see `simulate`."""
        n_threads = min(get_thread_count(), self.n_blocks)
        restore(self)
        while True:
            p = self.packed
            status = self.kernels.run(
                p.clock, p.rows, self.cells, p.frame, p.own, p.inputs, p.ring, p.arrivals,
                p.scratch, p.found, p.spikes, p.probes, p.state, self.order, self.most_tracts,
                self.max_spikes - self.n_before, self.share, n_threads == 1,
            )  # fmt: skip
            if status == BLOCKS:
                status = self.push(n_threads)
            if status == FULL:
                self.make_room()
            if status == DRAW:
                self.draw_inputs()
            if status == MEET:
                self.meet()
            if status == LOST:
                self.raise_lost()
            if status in (DONE, PAUSED):
                self.hand_over(everything=status == DONE)
            if self.n_spikes > self.max_spikes:
                self.raise_runaway(float(self.state.bounds[LOW]))
            if status == DONE:
                return self.stop(self.network.duration)
            advance = Advance(
                time=float(self.state.bounds[LOW]), duration=self.network.duration,
                n_spikes=self.n_spikes, handed_until=self.handed_until,
            )  # fmt: skip
            if status != PAUSED:
                continue
            stops = on_advance is not None and on_advance(advance)
            if self.saver is None:
                self.state.counts[PAUSE_AT] = NEVER
            else:
                self.saver.look(self, at_once=stops)
            if stops:
                return self.stop(advance.time)

    @property
    def n_before(self) -> int:
        """Spikes that were handed over."""
        return 0 if self.kept is None else self.kept.n_spikes

    @property
    def n_spikes(self) -> int:
        """Spikes so far."""
        return self.n_before + int(self.state.counts[N_SPIKES])

    @property
    def handed_until(self) -> float:
        """All spikes before were handed over, if they are not kept here [time]."""
        low = float(self.state.bounds[LOW])
        return min(low, float(self.spikes.times[0])) if self.state.counts[N_SPIKES] else low

    def hand_over(self, *, everything: bool) -> None:
        """Let spikes go that are not kept here, and that all blocks know of."""
        if self.kept is None:
            return
        counts, expanded = self.state.counts, self.own.progress[:, EXPANDED]
        n = int(counts[N_SPIKES])
        done = n if everything else int(expanded.min(initial=n))
        if self.saver is not None and not everything:
            done = min(done, self.saver.count_past(self))
        self.kept.add(self.spikes.times[:done].copy(), self.spikes.neurons[:done].copy())
        for array in self.spikes:
            array[: n - done] = array[done:n].copy()
        counts[N_SPIKES] = n - done
        expanded -= done

    def push(self, n_threads: int) -> int:
        """Take all blocks through a pass on several threads; returns how that ended."""
        p = self.packed
        found = run_on_threads(
            lambda k: self.kernels.push_blocks(
                p.clock, p.rows, self.cells, p.frame, p.own, p.inputs, p.arrivals, p.found,
                p.spikes, p.state, self.order, k, self.n_blocks,
            ),
            self.n_blocks, n_threads,
        )  # fmt: skip
        if LOST_STATE in found:
            return LOST
        if NO_ROOM in found:
            return FULL
        self.state.counts[PHASE] = LOOK
        return BLOCKS

    def make_room(self) -> None:
        """Double what is full, or nearly."""
        counts, progress = self.state.counts, self.found.progress
        n = int(progress[:, N_FOUND].sum())
        if progress[:, N_FOUND].max() > self.max_spikes:
            self.raise_endless()
        room = self.found.times.shape[1]
        if max(progress[:, N_FOUND].max(), progress[:, N_DEFERRED].max()) >= room:
            self.found = grow(self.found, 2 * room)
        coming = self.kernels.count_arrivals(
            self.packed.inputs, self.packed.ring, self.packed.state
        )
        if max(n, coming) + 1 >= len(self.scratch.times):
            self.scratch = grow(self.scratch, 2 * (max(n, coming) + 1))
        if coming + 1 >= len(self.arrivals.times):
            self.arrivals = grow(self.arrivals, 2 * (coming + 1))
        n_spikes = int(counts[N_SPIKES]) + n
        if n_spikes > len(self.spikes.times):
            self.spikes = grow(self.spikes, 2 * n_spikes)
        self.make_room_for_own()
        lacking = n * self.most_tracts - int(counts[N_FREE])
        if lacking > 0:
            self.ring = add_nodes(self.ring, counts, lacking + len(self.ring.times))
        self.pack()

    def make_room_for_own(self) -> None:
        """The same for deliveries that are written out, where some could not be put in order."""
        progress, packed = self.own.progress, self.packed
        for block in np.flatnonzero(self.own.places >= 0):
            place = self.own.places[block]
            if (
                self.state.counts[PHASE] != PUSH
                or progress[place, GATHERED] > self.state.counts[WINDOW]
            ):
                continue
            n = self.linker.link(own_delays).count_deliveries(
                packed.rows, packed.own, packed.arrivals, packed.state, block
            )
            if n > self.own.sorted_times.shape[1]:
                self.own = add_sorted(self.own, 2 * n)
            else:
                self.own = add_chunks(self.own, self.own.following.shape[1])
            return

    def stop(self, time: float) -> Recording:
        """The record of a run up to ``time``, in which all states are numbers."""
        recording = self.close(time)
        if recording.lost_neuron is not None:
            raise StoppedError(self.describe_lost(recording.lost_neuron, time), recording)
        return recording

    def close(self, time: float) -> Recording:
        """The record of what was run up to ``time``."""
        self.hand_over(everything=True)
        n_spikes = int(self.state.counts[N_SPIKES])
        end, packed = np.zeros((self.width, self.network.n_neurons)), self.packed
        self.kernels.look_at_all(packed.rows, self.cells, packed.frame, packed.state, time, end)
        own = slice(self.rows.bounds[0], self.rows.bounds[-1])
        end = self.gather(end[:, own].T.reshape(-1)).reshape(-1, self.width).T
        probes = self.probes
        shape = (self.width, len(probes.times), len(probes.neurons))
        times, neurons = self.spikes.times[:n_spikes], self.spikes.neurons[:n_spikes]
        if self.kept is not None:
            times, neurons = self.kept.collect()
        return Recording(
            network=self.network, spike_time=times, spike_neuron=neurons,
            end=end, time=time, probe_times=probes.times, probed=probes.neurons,
            probed_coordinates=probes.coordinates.reshape(shape),
            recorded=None if self.kept is None else self.kept.recorded,
            counted=None if self.kept is None else self.kept.counts,
        )  # fmt: skip

    def raise_runaway(self, time: float) -> None:
        """Raise the error of a network that fires without bound."""
        recording = self.close(time)
        counts = recording.spike_counts
        fastest = int(counts.argmax())
        rate = f"{counts[fastest] / time:.3g} per unit of time"
        raise StoppedError(
            f"Expected at most {self.max_spikes} spikes but got more by t={time:g} of "
            f"T={self.network.duration:g}; neuron {fastest} of {self.name_of(fastest)} fires most, "
            f"{counts[fastest]} spikes ({rate}). Lower its excitation, or raise max_spikes.",
            recording,
        )

    def raise_endless(self) -> None:
        """Raise the error of a block whose neurons fire without bound within one window."""
        time, _, message = self.find_endless()
        raise StoppedError(message, self.close(time))

    def find_endless(self) -> tuple[float, int, str]:
        """Time, neuron and message of `raise_endless`."""
        block = int(self.found.progress[:, N_FOUND].argmax())
        n = int(self.found.progress[block, N_FOUND])
        neurons = self.found.neurons[block, :n]
        values, counts = np.unique(neurons, return_counts=True)
        fastest = int(values[counts.argmax()])
        time = float(self.state.bounds[LOW])
        width = float(self.state.bounds[UNTIL]) - time
        return time, fastest, (
            f"Expected at most {self.max_spikes} spikes but got more in the window from t={time:g} "
            f"of T={self.network.duration:g}; neuron {fastest} of {self.name_of(fastest)} fires "
            f"most, {counts.max()} spikes within {width:.3g} ({counts.max() / width:.3g} per unit "
            "of time). Lower its excitation, or raise max_spikes."
        )  # fmt: skip

    def raise_lost(self) -> None:
        """Raise the error of the first state that is no number any more."""
        time, _, message = self.find_lost()
        raise StoppedError(message, self.close(time))

    def find_lost(self) -> tuple[float, int, str]:
        """Time, neuron and message of `raise_lost`."""
        progress = self.found.progress
        blocks = np.flatnonzero(progress[:, LOST_NEURON])
        times = self.found.lost_at[blocks]
        first = blocks[np.lexsort((progress[blocks, LOST_NEURON], times))[0]]
        time = float(times.min())
        neuron = int(progress[first, LOST_NEURON]) - 1
        return time, neuron, self.describe_lost(neuron, time)

    def describe_lost(self, neuron: int, time: float) -> str:
        """The message about a state that is no number any more."""
        return (
            f"Expected finite states but neuron {neuron} of {self.name_of(neuron)} left the range "
            f"of the number format at t={time:g}; lower the weights of its inputs, or give times "
            "in another unit."
        )

    def name_of(self, neuron: int) -> str:
        """The population of a neuron."""
        return next(p.name for p, own in self.network.parts if neuron < own.stop)
