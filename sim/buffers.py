"""Memory of the batch kernels: each thread has its own for all samples, and batches hand it on.

Kernels make no arrays; they get these, as records (see `spiketheory.packed`). What belongs to a
layer is in a record of its own; what no two layers need at once is the same memory in all of them.
``real`` below is the precision of the network, float64 or float32; ``length`` that of a padded row
of neurons, see `pad`.
"""

from math import prod
from threading import Lock
from typing import Any, NamedTuple

import numpy as np

from sim.engine import EVENTS_PER_BLOCK, LATEST_STATES
from sim.flags import FLAGS_PER_WORD
from sim.pseudo import ROWS_AT_ONCE
from spiketheory.compile import CompiledModel

FIRST_ROOM = 256
"""Spikes per layer and sample that there is room for before buffers grow."""
ALL_STATES_BYTES = 2**22
"""For gradients, all states of a layer are kept if they need no more; else they are computed again
from a few, and memory grows by so much less with the number of spikes."""
KEPT_BYTES = 2**25
"""More is not kept from batch to batch."""


class Spikes(NamedTuple):
    """Spikes in the order found.

    Attributes:
        times: Spike times, shape (room,) [time].
        neurons: Their neurons.
        segments: Their segments; segment k runs from event k to event k + 1.
        waits: Duration of the interval that each ends [time].
        lefts: Time left to the segment's end; -1 if the neuron spikes again before [time]. In
            `sim.crossings`: -1 if the interval begins with the neuron's last spike, else 0.
        starts: Coordinates at the interval's start, shape (n_coordinates, room).
    """

    times: Any
    neurons: Any
    segments: Any
    waits: Any
    lefts: Any
    starts: Any


class Round(NamedTuple):
    """The neurons that spike in a segment, each with its next spike there; the first entries.

    Attributes:
        chosen: Scratch, and the neurons, shape (2, >= width).
        begins: Their states at the segment's beginning, or after the last spike, shape
            (n_coordinates, width).
        ends: Their states at the segment's end, if they do not spike again, same shape.
        again: Whether they do, shape (width,).
        times, waits, lefts: As in `Spikes`, but the time left whether or not they spike again;
            before the spike is found, the time that its interval starts at, and what is left.
    """

    chosen: Any
    begins: Any
    ends: Any
    again: Any
    times: Any
    waits: Any
    lefts: Any


class Source(NamedTuple):
    """The input events of a layer in one sample's trial.

    Attributes:
        times: Their times, sorted, shape (>= n_events,) [time].
        rows: Row of ``weights`` that each adds, shape (>= n_events,).
        n_events: Their number.
        weights: Shape (n_rows, length), real.
    """

    times: Any
    rows: Any
    n_events: int
    weights: Any


class LayerTrial(NamedTuple):
    """What is the same of a layer for all samples of a batch.

    Attributes:
        width: Number of neurons; what stands behind them in rows is never read.
        weights: Shape (n_pre, length), real.
        initial: Initial coordinates, shape (width,).
    """

    width: int
    weights: np.ndarray
    initial: np.ndarray


class Trial(NamedTuple):
    """What is the same for all samples of a batch.

    Attributes:
        times, rows, counts, bins: See `sim.batch.Events`.
        binned: Whether samples share their event times.
        layers: See `LayerTrial`.
        n_layers: Their number.
        constants: The model's derived constants.
        narrow: The same, real.
        limits: How large coordinates may be, an entry of `sim.engine.LIMITS`.
        duration: The trial's end T [time].
        max_spikes: More spikes of a layer in one sample are an error.
    """

    times: np.ndarray
    rows: np.ndarray
    counts: np.ndarray
    bins: np.ndarray
    binned: bool
    layers: list[LayerTrial]
    n_layers: int
    constants: tuple[float, ...]
    narrow: tuple[Any, ...]
    limits: tuple[float, float]
    duration: float
    max_spikes: int


class LayerBuffers(NamedTuple):
    """What a sample leaves behind in one layer on its way forward, and scratch.

    Attributes:
        width: Number of neurons.
        states: States before events, shape (n_rows, n_coordinates, length), see `sim.engine`.
        mask: Which rows of them are kept.
        checkpoints: States at the begin of each block, shape (n_blocks, n_coordinates, length), for
            gradients of a layer whose states are not all kept; else no rows.
        scales: Powers of two, shape (n_blocks, length).
        steps: Propagators, shape (n_numbers, > n_events).
        spikes: The spikes.
        order: Their indices in order of time, shape (room,).
        sorted_times, sorted_neurons: Spikes in order of time, shape (room,).
        starts: Initial states, shape (n_coordinates, length), real.
        by_start: Sum over samples of the derivatives by them.
        covectors: Derivatives by the states, real.
        rates: Pseudo rates of some samples, shape (`ROWS_AT_ONCE`, length), real.
        by_push: Derivatives by their pseudo inputs, same shape.
        pushes, by_rate: Pseudo inputs of one sample, and derivatives by the rates, shape
            (length,), real.
        flags, words: Neurons that spike in each segment of a block, as bytes, and the same memory
            as 64-bit words; see `sim.flags`. As all that follows, shared by all layers.
        found: Places of words with flags, shape (> number of words,).
        zeros: Weights of no event, real.
        round: See `Round`.
        spare: Scratch of the sort, shape (room,).
        by_spike, by_event: Derivatives by spike times and event times.
        unwound, pulled, kept, slips, unused: Scratch of the backward pass, real.
        pulls: The same, of each spike, shape (n_coordinates, room).
    """

    width: int
    states: np.ndarray
    mask: int
    checkpoints: np.ndarray
    scales: np.ndarray
    steps: np.ndarray
    spikes: Spikes
    order: np.ndarray
    sorted_times: np.ndarray
    sorted_neurons: np.ndarray
    starts: np.ndarray
    by_start: np.ndarray
    covectors: np.ndarray
    rates: np.ndarray
    by_push: np.ndarray
    pushes: np.ndarray
    by_rate: np.ndarray
    flags: np.ndarray
    words: np.ndarray
    found: np.ndarray
    zeros: np.ndarray
    round: Round
    spare: np.ndarray
    by_spike: np.ndarray
    by_event: np.ndarray
    unwound: np.ndarray
    pulled: np.ndarray
    pulls: np.ndarray
    kept: np.ndarray
    slips: np.ndarray
    unused: np.ndarray


class Buffers(NamedTuple):
    """Memory of one thread.

    Attributes:
        layers: See `LayerBuffers`.
        counts: Numbers of spikes of each layer, shape (n_layers,).
        inputs: Inputs that spike, bin by bin, if binned, shape (n_inputs,).
        bin_starts: Where those of each bin begin, shape (n_bins + 1,).
        listed: Scratch of the same shape as ``inputs``.
        summed, summed_gradient: Weights of all inputs in a bin, shape (n_bins, length), real.
        sources: Which spike each output time is, shape (n_outputs, n_required).
        by_time, clipped: Derivatives by output times, and these at most T; same shape.
    """

    layers: list[LayerBuffers]
    counts: np.ndarray
    inputs: np.ndarray
    bin_starts: np.ndarray
    listed: np.ndarray
    summed: np.ndarray
    summed_gradient: np.ndarray
    sources: np.ndarray
    by_time: np.ndarray
    clipped: np.ndarray


class Ready(NamedTuple):
    """Buffers as kernels take them.

    Attributes:
        buffers: The buffers.
        packed: The same, packed.
        n_bytes: Their memory.
    """

    buffers: Buffers
    packed: Any
    n_bytes: int


class LayerGradients(NamedTuple):
    """Sums of derivatives that one thread adds up.

    Attributes:
        weights: By the weights, shape (n_pre, length), real.
        initial: By the initial coordinates, shape (width,).
    """

    weights: np.ndarray
    initial: np.ndarray


class Results(NamedTuple):
    """What a batch leaves: of all samples, or of one thread's.

    Attributes:
        output_times: Output spikes, shape (n_samples, n_outputs, n_required).
        n_ordinary: How many are ordinary, shape (n_samples, n_outputs).
        losses: Loss with pseudospikes, and with T in their place, shape (n_samples, 2).
        counters: Hidden spikes and synaptic operations, shape (n_samples, 2).
        events: Derivatives by event times, shape (n_samples, n_events).
        active: Whether a neuron spiked, shape (n_neurons,).
        layers: The thread's own, see `LayerGradients`; without rows if no gradient is wanted.
    """

    output_times: np.ndarray
    n_ordinary: np.ndarray
    losses: np.ndarray
    counters: np.ndarray
    events: np.ndarray
    active: np.ndarray
    layers: list[LayerGradients]


VECTOR_BYTES = 64


def pad(model: CompiledModel, width: int, real: Any) -> int:
    """The length of a row of neurons.

    Rows are whole vectors, since neurons that are left over would take as long as several vectors.
    What they are padded with are neurons without input, whose spikes nobody sees. Not so where each
    neuron is computed apart from the others.
    """
    if model.backend == "numpy" or model.is_looped:
        return width
    lanes: int = VECTOR_BYTES // np.dtype(real).itemsize
    return -(-width // lanes) * lanes


def make_aligned(shape: Any, kind: Any) -> np.ndarray:
    """An array of zeros that begins where a vector does, so that rows of them are whole vectors."""
    size = prod(np.atleast_1d(shape).tolist()) * np.dtype(kind).itemsize
    memory = np.zeros(size + VECTOR_BYTES, np.uint8)
    first = -memory.ctypes.data % VECTOR_BYTES
    return memory[first : first + size].view(kind).reshape(shape)


def make_buffers(
    model: CompiledModel,
    sizes: tuple[int, ...],
    *,
    n_events: int,
    n_bins: int,
    n_required: int,
    room: int,
    real: Any,
    gradient: bool,
) -> Buffers:
    """Allocate the buffers of one thread.

    Args:
        model: The compiled model.
        sizes: Numbers of neurons, inputs first.
        n_events: Most input events of a sample.
        n_bins: Number of bins; 0 if not binned.
        n_required: Spikes of each output that the loss needs.
        room: Spikes per layer and sample that there is room for.
        real: float64 or float32.
        gradient: Whether they are for gradients, too.
    """
    widths = sizes[1:]
    lengths = [pad(model, width, real) for width in widths]
    n_layers, longest = len(widths), max(lengths)
    n_coordinates, n_numbers = len(model.coordinates), len(model.module.PROPAGATOR)
    shared = make_shared(max(widths), longest, n_coordinates, room, max(room, n_events), real)

    def view(name: str, *shape: int) -> np.ndarray:
        """The first entries of shared memory."""
        return shared[name].reshape(-1)[: prod(shape)].reshape(shape)

    def make_layer(width: int, length: int, n_events: int) -> LayerBuffers:
        n_words = (length - 1) // FLAGS_PER_WORD + 1
        states = (n_coordinates, length)
        n_blocks = n_events // EVENTS_PER_BLOCK + 1
        size = (n_events + 2) * prod(states) * np.dtype(real).itemsize
        keeps_all = gradient and size <= ALL_STATES_BYTES
        return LayerBuffers(
            width=width,
            states=make_aligned((n_events + 2 if keeps_all else LATEST_STATES + 1, *states), real),
            mask=-1 if keeps_all else LATEST_STATES,
            checkpoints=make_aligned(
                (n_blocks if gradient and not keeps_all else 0, *states), real
            ),
            scales=make_aligned((n_blocks, length), real),
            steps=np.empty((n_numbers, n_events + 1)),
            spikes=make_spikes(room, n_coordinates),
            order=np.empty(room, np.int64),
            sorted_times=np.empty(room),
            sorted_neurons=np.empty(room, np.int64),
            starts=make_aligned(states, real),
            by_start=make_aligned(states, np.float64),
            covectors=make_aligned(states, real),
            rates=make_aligned((ROWS_AT_ONCE, length), real),
            by_push=make_aligned((ROWS_AT_ONCE, length), real),
            pushes=make_aligned(length, real),
            by_rate=make_aligned(length, real),
            flags=view("words", EVENTS_PER_BLOCK, n_words).view(np.uint8),
            words=view("words", EVENTS_PER_BLOCK, n_words),
            found=shared["found"],
            zeros=view("zeros", length),
            round=shared["round"],
            spare=shared["spare"],
            by_spike=shared["by_spike"],
            by_event=shared["by_event"],
            unwound=view("unwound", *states),
            pulled=view("pulled", *states),
            pulls=shared["pulls"],
            kept=view("kept", length),
            slips=view("slips", length),
            unused=view("unused", length),
        )

    n_inputs, per_output = sizes[0] if n_bins else 0, (sizes[-1], n_required)
    return Buffers(
        layers=[
            make_layer(width, length, room if k else n_events)
            for k, (width, length) in enumerate(zip(widths, lengths, strict=True))
        ],
        counts=np.zeros(n_layers, np.int64),
        inputs=np.empty(n_inputs, np.int64),
        bin_starts=np.empty(n_bins + 1, np.int64),
        listed=np.empty(n_inputs, np.int64),
        summed=make_aligned((n_bins, lengths[0]), real),
        summed_gradient=make_aligned((n_bins, lengths[0]), real),
        sources=np.empty(per_output, np.int64),
        by_time=np.empty(per_output),
        clipped=np.empty(per_output),
    )


def make_ready(model: CompiledModel, buffers: Buffers) -> Ready:
    """Pack buffers."""
    return Ready(buffers, model.pack(buffers), count_bytes(buffers))


def make_shared(
    widest: int, longest: int, n_coordinates: int, room: int, n_events: int, real: Any
) -> dict[str, Any]:
    """Memory that all layers share, by name, as large as any of them needs."""
    n_words = EVENTS_PER_BLOCK * ((longest - 1) // FLAGS_PER_WORD + 1)
    return {
        "words": np.zeros(n_words, np.int64),
        "found": np.empty(n_words + 1, np.int64),
        "zeros": make_aligned(longest, real),
        "round": Round(
            chosen=np.empty((2, widest + FLAGS_PER_WORD), np.int64),
            begins=np.empty((n_coordinates, widest)),
            ends=np.empty((n_coordinates, widest)),
            again=np.empty(widest, np.uint8),
            times=np.empty(widest),
            waits=np.empty(widest),
            lefts=np.empty(widest),
        ),
        "spare": np.empty(room, np.int64),
        "by_spike": np.empty(room),
        "by_event": np.empty(n_events),
        "unwound": make_aligned((n_coordinates, longest), real),
        "pulled": make_aligned((n_coordinates, longest), real),
        "pulls": np.empty((n_coordinates, room)),
        "kept": make_aligned(longest, real),
        "slips": make_aligned(longest, real),
        "unused": make_aligned(longest, real),
    }


def make_spikes(room: int, n_coordinates: int) -> Spikes:
    """Empty spike buffers."""
    return Spikes(
        times=np.empty(room),
        neurons=np.empty(room, np.int64),
        segments=np.empty(room, np.int64),
        waits=np.empty(room),
        lefts=np.empty(room),
        starts=np.empty((n_coordinates, room)),
    )


def count_bytes(record: Any) -> int:
    """Memory of the arrays in tuples and lists of them."""
    if isinstance(record, np.ndarray):
        return record.nbytes
    return sum(count_bytes(part) for part in record) if isinstance(record, tuple | list) else 0


class Shelf:
    """What waits for the next batch of the same kind, so that no batch begins by allocating.

    Only what is of the latest kind is kept, and not more than `KEPT_BYTES`: where it is large, what
    a batch computes takes far longer than to allocate it.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._kind: Any = None
        self._idle: list[tuple[Any, int]] = []

    def take(self, kind: Any) -> Any:
        """Something of this kind that nobody else has; None if there is nothing."""
        with self._lock:
            if kind != self._kind:
                self._kind, self._idle = kind, []
            return self._idle.pop()[0] if self._idle else None

    def give_back(self, kind: Any, item: Any, n_bytes: int) -> None:
        """Keep it for whoever takes it next."""
        with self._lock:
            kept = sum(size for _, size in self._idle)
            if kind == self._kind and kept + n_bytes <= KEPT_BYTES:
                self._idle.append((item, n_bytes))
