"""Allocate the buffers of `sim.layers.buffers`, and keep them from batch to batch."""

from math import prod
from threading import Lock
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import DTypeLike

from sim.kernels.types import Floats, Ints, Real
from sim.layers.buffers import Buffers, LayerBuffers, Ready, Round, Spikes
from sim.layers.forward import EVENTS_PER_BLOCK, LATEST_STATES
from sim.layers.pseudospikes import ROWS_AT_ONCE
from sim.layers.spike_flags import FLAGS_PER_WORD
from spiketheory.machine.compile import CompiledModel

T = TypeVar("T")

FIRST_ROOM = 256
"""Spikes per layer and sample that there is room for before buffers grow."""
ALL_STATES_BYTES = 2**22
"""For gradients, all states of a layer are kept if they need no more; else they are computed again
from a few, and memory grows by so much less with the number of spikes."""
KEPT_BYTES = 2**25
"""More is not kept from batch to batch."""
VECTOR_BYTES = 64


def pad(model: CompiledModel, width: int, real: Real) -> int:
    """The length of a row of neurons.

    Rows are whole vectors, since neurons that are left over would take as long as several vectors.
    What they are padded with are neurons without input, whose spikes nobody sees. Not so where each
    neuron is computed apart from the others.
    """
    if model.backend == "numpy" or model.is_looped:
        return width
    lanes: int = VECTOR_BYTES // np.dtype(real).itemsize
    return -(-width // lanes) * lanes


def make_aligned(shape: int | tuple[int, ...], kind: DTypeLike) -> np.ndarray:
    """An array of zeros that begins where a vector does, so that rows of them are whole vectors."""
    size = prod(np.atleast_1d(shape).tolist()) * np.dtype(kind).itemsize
    memory = np.zeros(size + VECTOR_BYTES, np.uint8)
    first = -memory.ctypes.data % VECTOR_BYTES
    return memory[first : first + size].view(kind).reshape(shape)


# Long: one record, field by field.
def make_buffers(
    model: CompiledModel,
    sizes: tuple[int, ...],
    *,
    n_events: int,
    n_bins: int,
    n_required: int,
    room: int,
    real: Real,
    gradient: bool,
) -> Buffers:
    """Allocate the buffers of one thread; long, since the records have many fields.

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
    shared = make_shared(
        max(widths), longest, len(model.coordinates), room, max(room, n_events), real
    )

    n_inputs, per_output = sizes[0] if n_bins else 0, (sizes[-1], n_required)
    return Buffers(
        layers=[
            make_layer(
                model,
                width,
                length,
                shared,
                n_events=room if k else n_events,
                room=room,
                real=real,
                gradient=gradient,
            )
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


def make_layer(
    model: CompiledModel,
    width: int,
    length: int,
    shared: "Shared",
    *,
    n_events: int,
    room: int,
    real: Real,
    gradient: bool,
) -> LayerBuffers:
    """Allocate the buffers of one layer; a long function, since the record has many fields."""
    n_numbers, states = len(model.module.PROPAGATOR), (len(model.coordinates), length)
    n_words = (length - 1) // FLAGS_PER_WORD + 1
    n_blocks = n_events // EVENTS_PER_BLOCK + 1
    size = (n_events + 2) * prod(states) * np.dtype(real).itemsize
    keeps_all = gradient and size <= ALL_STATES_BYTES
    return LayerBuffers(
        width=width,
        states=make_aligned((n_events + 2 if keeps_all else LATEST_STATES + 1, *states), real),
        mask=-1 if keeps_all else LATEST_STATES,
        checkpoints=make_aligned((n_blocks if gradient and not keeps_all else 0, *states), real),
        scales=make_aligned((n_blocks, length), real),
        steps=np.empty((n_numbers, n_events + 1)),
        spikes=make_spikes(room, len(model.coordinates)),
        order=np.empty(room, np.int64),
        sorted_times=np.empty(room),
        sorted_neurons=np.empty(room, np.int64),
        starts=make_aligned(states, real),
        by_start=make_aligned(states, np.float64),
        adjoints=make_aligned(states, real),
        rates=make_aligned((ROWS_AT_ONCE, length), real),
        pseudo_input_adjoints=make_aligned((ROWS_AT_ONCE, length), real),
        pseudo_inputs=make_aligned(length, real),
        by_rate=make_aligned(length, real),
        flags=view(shared.words, EVENTS_PER_BLOCK, n_words).view(np.uint8),
        words=view(shared.words, EVENTS_PER_BLOCK, n_words),
        found=shared.found,
        zeros=view(shared.zeros, length),
        round=shared.round,
        spare=shared.spare,
        by_spike=shared.by_spike,
        by_event=shared.by_event,
        spiking_adjoints=view(shared.spiking_adjoints, *states),
        adjoints_after=view(shared.adjoints_after, *states),
        spike_adjoints=shared.spike_adjoints,
        saved_gradient=view(shared.saved_gradient, length),
        time_gradients=view(shared.time_gradients, length),
        unused=view(shared.unused, length),
    )


def make_ready(model: CompiledModel, buffers: Buffers) -> Ready:
    """Pack buffers."""
    return Ready(buffers, model.pack(buffers), count_bytes(buffers))


class Shared(NamedTuple):
    """Memory that all layers share, as large as any of them needs; see `LayerBuffers`."""

    words: Ints
    found: Ints
    zeros: Floats
    round: Round
    spare: Ints
    by_spike: Floats
    by_event: Floats
    spiking_adjoints: Floats
    adjoints_after: Floats
    spike_adjoints: Floats
    saved_gradient: Floats
    time_gradients: Floats
    unused: Floats


def make_shared(
    widest: int, longest: int, n_coordinates: int, room: int, n_events: int, real: Real
) -> Shared:
    """Allocate what all layers share."""
    n_words = EVENTS_PER_BLOCK * ((longest - 1) // FLAGS_PER_WORD + 1)
    return Shared(
        words=np.zeros(n_words, np.int64),
        found=np.empty(n_words + 1, np.int64),
        zeros=make_aligned(longest, real),
        round=Round(
            chosen=np.empty((2, widest + FLAGS_PER_WORD), np.int64),
            begins=np.empty((n_coordinates, widest)),
            ends=np.empty((n_coordinates, widest)),
            again=np.empty(widest, np.uint8),
            times=np.empty(widest),
            waits=np.empty(widest),
            remaining=np.empty(widest),
        ),
        spare=np.empty(room, np.int64),
        by_spike=np.empty(room),
        by_event=np.empty(n_events),
        spiking_adjoints=make_aligned((n_coordinates, longest), real),
        adjoints_after=make_aligned((n_coordinates, longest), real),
        spike_adjoints=np.empty((n_coordinates, room)),
        saved_gradient=make_aligned(longest, real),
        time_gradients=make_aligned(longest, real),
        unused=make_aligned(longest, real),
    )


def view(memory: np.ndarray, *shape: int) -> np.ndarray:
    """The first entries of shared memory."""
    return memory.reshape(-1)[: prod(shape)].reshape(shape)


def make_spikes(room: int, n_coordinates: int) -> Spikes:
    """Empty spike buffers."""
    return Spikes(
        times=np.empty(room),
        neurons=np.empty(room, np.int64),
        segments=np.empty(room, np.int64),
        waits=np.empty(room),
        remaining=np.empty(room),
        starts=np.empty((n_coordinates, room)),
    )


def count_bytes(record: object) -> int:
    """Memory of the arrays in tuples and lists of them."""
    if isinstance(record, np.ndarray):
        return record.nbytes
    return sum(count_bytes(part) for part in record) if isinstance(record, tuple | list) else 0


class Shelf(Generic[T]):
    """What waits for the next batch of the same kind, so that no batch begins by allocating.

    Only what is of the latest kind is kept, and not more than so many bytes: where it is large,
    what a batch computes takes far longer than to allocate it.

    Args:
        most: Bytes that are kept at most.
    """

    def __init__(self, most: int = KEPT_BYTES) -> None:
        self._lock = Lock()
        self._most = most
        self._kind: object = None
        self._idle: list[tuple[T, int]] = []

    def take(self, kind: object) -> T | None:
        """Something of this kind that nobody else has; None if there is nothing."""
        with self._lock:
            if kind != self._kind:
                self._kind, self._idle = kind, []
            return self._idle.pop()[0] if self._idle else None

    def give_back(self, kind: object, item: T, n_bytes: int) -> None:
        """Keep it for whoever takes it next."""
        with self._lock:
            kept = sum(size for _, size in self._idle)
            if kind == self._kind and kept + n_bytes <= self._most:
                self._idle.append((item, n_bytes))
