"""Run a recurrent network: the public face of `sim.events.loop`."""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from sim.events import loop
from sim.events.checkpoints import CHECKPOINTS, SHARES, Checkpoint, Checkpoints, number_senders
from sim.events.input_stream import InputStream, has_drawn, leave_out_drawn
from sim.events.kept_spikes import KeptSpikes, OnSpikes, check_recorded
from sim.events.link import link_network
from sim.events.loop import DONE, FULL, LOST_STATE, PAUSED, get_width, make_cells
from sim.events.recording import Advance, Recording, StoppedError
from sim.events.spike_queue import SpikeQueue, make_spike_queue
from sim.events.tape import (
    ARRIVALS,
    DELIVERIES,
    LOST_NEURON,
    N_ARRIVALS,
    N_DEFERRED,
    N_DELIVERIES,
    N_IN_FLIGHT,
    N_SCALES,
    N_SENT,
    N_SPIKES,
    NEXT_INPUT,
    SCALES,
    SPIKES,
    grow_in_flight,
    grow_tape,
    make_in_flight,
    make_tape,
)
from sim.network.network import Network
from sim.network.wiring import Wiring, wire
from spiketheory.errors import InputError, check_choice, check_finite
from spiketheory.memory import check_memory

MAX_SPIKES = 10_000_000
WHOLE = np.iinfo(np.int64).max
"""More arrivals than any run has."""
BYTES_PER_NEURON = 8 * 8 + 4 * 4 + 3 * 8
BYTES_PER_CONNECTION = 2 * (4 + 4 + 8 + 8) + 8


# Long: more than half of it says what it takes and returns.
def simulate(
    network: Network,
    *,
    record: bool | Literal["checkpoints"] = False,
    probe_times: Sequence[float] | np.ndarray = (),
    probed: Sequence[int] | np.ndarray | None = None,
    max_spikes: int = MAX_SPIKES,
    on_advance: Callable[[Advance], bool] | None = None,
    recorded: Sequence[int] | np.ndarray | None = None,
    on_spikes: OnSpikes | None = None,
    wiring: Wiring | None = None,
) -> Recording:
    """Run a network until its trial's end.

    Input spikes that are drawn (`sim.inputs.drawn_trains`) are drawn while it runs, but with
    ``record`` or ``wiring`` all at once.

    Args:
        network: The network and its inputs.
        record: Whether to keep what `sim.events.differentiate.differentiate` needs: with True
            every event, with ``"checkpoints"`` the states at some times, from which events are
            computed once more when they are gone back through.
        probe_times: Times at which to probe states; they may coincide with events, and then come
            after arrivals and before spikes [time].
        probed: Neurons to probe; None for all.
        max_spikes: More spikes than this stop the run.
        on_advance: Called every so often; the run stops if it returns True.
        recorded: Neurons whose spikes are kept; None for all.
        on_spikes: Called with times and neurons of the spikes that are to be kept, every so often
            before ``on_advance``; they are then not kept in memory.
        wiring: The network in flat arrays, if it was laid out before.

    Returns:
        The recording.

    Raises:
        InputError: If the probes are impossible, a run that is to be gone back through does not
            keep all spikes, or the network does not fit into memory.
        StoppedError: If the network fires without bound, or a state leaves the range of numbers.
    """
    if isinstance(record, str):
        check_choice("record", record, (CHECKPOINTS,))
    times, neurons = check_probes(network, probe_times, probed)
    chosen = check_recorded(network, recorded)
    if record and (chosen is not None or on_spikes is not None):
        raise InputError(
            "Expected all spikes to be kept with record but got recorded or on_spikes; leave "
            "these out to go back through a run."
        )
    check_memory(estimate_memory(network, record is True), "the network and its queue")
    stream = None
    if not record and wiring is None and has_drawn(network):
        wiring = wire(leave_out_drawn(network))
        stream = InputStream(network, wiring.wires.input_times, wiring.wires.input_sources)
    kept = None
    if chosen is not None or on_spikes is not None:
        kept = KeptSpikes(network.n_neurons, chosen, on_spikes)
    run = EventRun(
        network, times, neurons, record=record is True, max_spikes=max_spikes, wiring=wiring,
        stream=stream, kept=kept,
    )  # fmt: skip
    if record == CHECKPOINTS:
        run.checkpoints = Checkpoints(SHARES[run.backend])
        run.keep_state()
    return run.finish(on_advance)


def check_probes(
    network: Network, probe_times: Sequence[float] | np.ndarray, probed: object
) -> tuple[np.ndarray, np.ndarray]:
    """Return the times, sorted, and the neurons to probe."""
    times = np.sort(check_finite("probe_times", np.array(probe_times, dtype=np.float64)))
    if len(times) and (times[0] < 0 or times[-1] > network.duration):
        raise InputError(
            f"Expected probe_times between 0 and the duration {network.duration:g} but got "
            f"{times[0]:g} to {times[-1]:g}; leave out the others."
        )
    n = network.n_neurons
    neurons = np.arange(n) if probed is None else np.array(probed)
    if len(neurons) and (neurons.dtype.kind not in "iu" or neurons.min() < 0 or neurons.max() >= n):
        raise InputError(
            f"Expected neurons 0 to {n - 1} in probed but got {neurons.tolist()}; neurons are "
            "counted through the populations."
        )
    return times, neurons.astype(np.int64)


def estimate_memory(network: Network, record: bool) -> float:
    """Bytes that a run needs before its first spike, roughly."""
    steps = {c.name: len(c.times) for c in network.currents}
    n_connections = sum(steps.get(p.pre, 1) * p.n_expected for p in network.projections)
    n_bytes = network.n_neurons * BYTES_PER_NEURON + n_connections * BYTES_PER_CONNECTION
    return n_bytes + (1_000_000 if record else 0)


class EventRun:
    """A run under way: Python grows the arrays, compiled code fills them.

    Args:
        network: The network.
        probe_times: Times at which to probe states, sorted.
        probed: Neurons to probe.
        record: Whether to keep what it takes to go back.
        max_spikes: More spikes than this stop the run.
        wiring: The network in flat arrays, if it was laid out before.
        stream: Its input spikes, if they are not in ``wiring``.
        kept: Where spikes go that are not kept on the tape.
    """

    def __init__(
        self, network: Network, probe_times: np.ndarray, probed: np.ndarray, *, record: bool,
        max_spikes: int, wiring: Wiring | None = None, stream: InputStream | None = None,
        kept: KeptSpikes | None = None,
    ) -> None:  # fmt: skip
        self.network, self.wiring = network, wiring or wire(network)
        self.stream, self.kept, self.until = stream, kept, network.duration
        models = self.wiring.models
        self.kernels, self.width = link_network(models).link(loop), get_width(models)
        self.probe_times, self.probed = probe_times, probed
        self.record, self.max_spikes = record, max_spikes
        n = network.n_neurons
        self.cells = make_cells(models, n)
        self.cells[: self.width] = self.wiring.start
        edges = self.wiring.wires.group_edges[self.wiring.wires.source_groups]
        self.most_targets = int(np.diff(edges).max(initial=0))
        self.queue: SpikeQueue = make_spike_queue(n, network.duration, self.most_targets)
        self.in_flight = make_in_flight(64)
        self.tape = make_tape(self.width, len(probe_times), len(probed), capacity=64)
        self.causes = np.zeros((2, n), np.int64)
        self.now = 0.0
        self.checkpoints: Checkpoints | None = None
        self.kernels.start(self.wiring.wires, self.cells, self.queue)

    def finish(self, on_advance: Callable[[Advance], bool] | None) -> Recording:
        """Run to the end; see `simulate`."""
        if self.stream is not None:
            self.draw_inputs(self.stream)
        while True:
            status = self.advance()
            if self.kept is not None:
                self.kept.take(self.tape)
            if status == DONE:
                if self.until == self.network.duration:
                    return self.stop(self.network.duration)
                assert self.stream is not None
                self.draw_inputs(self.stream)
            if status == LOST_STATE:
                self.raise_lost(int(self.tape.counts[LOST_NEURON]) - 1, self.close(self.now))
            if status == PAUSED and self.checkpoints is not None:
                self.keep_state()
            if self.n_spikes > self.max_spikes:
                self.raise_runaway()
            advance = Advance(time=self.now, duration=self.network.duration, n_spikes=self.n_spikes)
            if on_advance is not None and on_advance(advance):
                return self.stop(self.now)

    @property
    def n_before(self) -> int:
        """Spikes that have left the tape."""
        return 0 if self.kept is None else self.kept.n_spikes

    @property
    def n_spikes(self) -> int:
        """Spikes so far."""
        return self.n_before + int(self.tape.counts[N_SPIKES])

    def draw_inputs(self, stream: InputStream) -> None:
        """Put the next piece of input spikes in the place of those that have come."""
        self.until, times, sources = stream.draw_piece()
        wires = self.wiring.wires._replace(input_times=times, input_sources=sources)
        self.wiring = self.wiring._replace(wires=wires)
        self.tape.counts[NEXT_INPUT] = 0

    def advance(self, until: float = np.inf, share: int = 0) -> int:
        """Run about ``share`` arrivals, the usual number if 0; returns how it ended.

        Args:
            until: What comes later is left out [time].
            share: About so many arrivals.
        """
        usual = self.checkpoints.share if self.checkpoints else SHARES[self.backend]
        status, self.now = self.kernels.run(
            self.wiring.wires, self.cells, self.queue, self.in_flight, self.tape, self.causes,
            self.probe_times, self.probed, self.until, self.now, self.record,
            self.max_spikes + 1 - self.n_before, share or usual, until,
        )  # fmt: skip
        if status == FULL:
            self.make_room()
        return int(status)

    def keep_state(self) -> None:
        """Add a checkpoint."""
        assert self.checkpoints is not None
        self.checkpoints.add(self.now, self.cells, self.in_flight, self.tape.counts)

    def restore(self, checkpoint: Checkpoint, n_inputs: int) -> np.ndarray:
        """Begin at a checkpoint, from which spikes and probes count.

        Returns:
            The spike that each further input stands for (`number_senders`).
        """
        self.now = checkpoint.time
        self.cells[...] = checkpoint.cells
        self.in_flight, senders = number_senders(checkpoint.in_flight, n_inputs)
        for place in (N_IN_FLIGHT, N_SENT, NEXT_INPUT):
            self.tape.counts[place] = checkpoint.counts[place]
        self.kernels.rebuild(self.queue, self.cells, self.now)
        return senders

    def repeat(self, end: float) -> None:
        """Run events up to ``end`` [time] that took place before without a fault."""
        status = FULL
        while status == FULL:
            status = self.advance(end, share=WHOLE)

    @property
    def backend(self) -> str:
        """How the kernels run."""
        return self.wiring.models[0].backend

    def stop(self, time: float) -> Recording:
        """The record of a run up to ``time``, in which all states are numbers."""
        recording = self.close(time)
        if recording.lost_neuron is not None:
            self.raise_lost(recording.lost_neuron, recording)
        return recording

    def make_room(self) -> None:
        """Double what is full, or nearly."""
        counts, tape = self.tape.counts, self.tape
        more = 3 * (self.most_targets + int(counts[N_DEFERRED])) + 64
        filled = [(SPIKES, N_SPIKES)]
        if self.record:
            filled += [(ARRIVALS, N_ARRIVALS), (DELIVERIES, N_DELIVERIES), (SCALES, N_SCALES)]
        for names, place in filled:
            capacity, needed = getattr(tape, names[-1]).shape[-1], int(counts[place]) + more
            if needed > capacity:
                wanted = max(2 * capacity, needed)
                check_memory(wanted * (self.width + 4) * 8, "the recorded events")
                tape = grow_tape(tape, names, wanted)
        self.tape = tape
        capacity = self.in_flight.times.shape[0]
        if int(counts[N_IN_FLIGHT]) + more > capacity:
            self.in_flight = grow_in_flight(self.in_flight, max(2 * capacity, capacity + more))

    def close(self, time: float) -> Recording:
        """The record of what was run up to ``time``."""
        n_spikes = int(self.tape.counts[N_SPIKES])
        times, neurons = self.tape.spike_times[:n_spikes], self.tape.spike_neurons[:n_spikes]
        if self.kept is not None:
            times, neurons = self.kept.collect()
        end = np.zeros((self.width, self.network.n_neurons), order="F")
        self.kernels.probe_all(self.wiring.wires, self.cells, time, end)
        shape = (self.width, len(self.probe_times), len(self.probed))
        return Recording(
            network=self.network, laid_out=self.wiring,
            spike_time=times, spike_neuron=neurons,
            end=end, time=time, probe_times=self.probe_times, probed=self.probed,
            probed_coordinates=self.tape.probed_coordinates.reshape(shape),
            left_over=self.in_flight.groups[: self.tape.counts[N_IN_FLIGHT]].copy(),
            tape=self.tape if self.record else None, cells=self.cells,
            recorded=None if self.kept is None else self.kept.recorded,
            counted=None if self.kept is None else self.kept.counts,
            checkpoints=self.checkpoints,
        )  # fmt: skip

    def raise_runaway(self) -> None:
        """Raise the error of a network that fires without bound."""
        recording = self.close(self.now)
        counts = recording.spike_counts
        fastest = int(counts.argmax())
        rate = f"{counts[fastest] / self.now:.3g} per unit of time" if self.now > 0 else "at once"
        raise StoppedError(
            f"Expected at most {self.max_spikes} spikes but got more by t={self.now:g} of "
            f"T={self.network.duration:g}; neuron {fastest} of {self.name_of(fastest)} fires most, "
            f"{counts[fastest]} spikes ({rate}). Lower its excitation, or raise max_spikes.",
            recording,
        )

    def raise_lost(self, neuron: int, recording: Recording) -> None:
        """Raise the error of a state that is no number any more."""
        raise StoppedError(
            f"Expected finite states but neuron {neuron} of {self.name_of(neuron)} left the range "
            f"of the number format at t={recording.time:g}; lower the weights of its inputs, "
            "or give times in another unit.",
            recording,
        )

    def name_of(self, neuron: int) -> str:
        """The population of a neuron."""
        return next(p.name for p, own in self.network.parts if neuron < own.stop)
