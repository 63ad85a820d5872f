"""Memory of the batch kernels: allocated once per thread, shared by all samples.

Kernels make no arrays; they get these. Arrays that belong to several layers are flat or have the
layer as their first axis. ``real`` below is the precision of the network, float64 or float32.
"""

from typing import Any, NamedTuple

import numpy as np

from sim.engine import EVENTS_PER_BLOCK
from sim.flags import FLAGS_PER_WORD
from sim.pseudo import ROWS_AT_ONCE
from spiketheory.compile import CompiledModel

FIRST_ROOM = 256
"""Spikes per layer and sample that there is room for before buffers grow."""


class Spikes(NamedTuple):
    """Spikes in the order found; with the layer as first axis in `Buffers`, without in loops.

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


class Scratch(NamedTuple):
    """Scratch of the forward pass of one layer.

    Attributes:
        flags, words: Neurons that spike in each segment of a block, as bytes, and the same memory
            as 64-bit words, flat; see `sim.flags`.
        found: Words with flags, shape (2, > number of words).
        zeros: Weights of no event, real.
        round: See `Round`.
    """

    flags: Any
    words: Any
    found: Any
    zeros: Any
    round: Any


class Layer(NamedTuple):
    """One layer in one sample's trial, as the passes see it.

    Attributes:
        states, mask: Row k of the layout in `sim.engine` is row ``k & mask`` of the states.
        steps: Propagators from event to event.
        event_times: Times of the input events, sorted, shape (>= n_events,) [time].
        event_rows: Row of ``weights`` that each event adds, shape (>= n_events,).
        n_events: Number of events.
        weights: Shape (n_rows, >= width).
        width: Number of neurons; what stands behind them in arrays is never read.
        duration: The trial's end T [time].
        constants: The model's derived constants.
        narrow: The same in the precision of the states.
        spikes: Spike buffers.
        max_spikes: More spikes than this end the run.
        scratch: See `Scratch`.
    """

    states: Any
    mask: int
    steps: Any
    event_times: Any
    event_rows: Any
    n_events: int
    weights: Any
    width: int
    duration: float
    constants: Any
    narrow: Any
    spikes: Any
    max_spikes: int
    scratch: Any


class Trial(NamedTuple):
    """What is the same for all samples of a batch.

    Attributes:
        times, rows, counts, bins: See `sim.batch.Events`.
        binned: Whether samples share their event times.
        weights: Weights of all layers in one piece, real.
        offsets: Where each layer's begin, shape (n_layers + 1,).
        sizes: Numbers of neurons, inputs first, shape (n_layers + 1,).
        lengths: Lengths of rows of neurons, of the same shape, see `pad`.
        initial: Initial coordinates, shape (n_neurons,).
        constants: The model's derived constants.
        narrow: The same, real.
        limits: How large coordinates may be, an entry of `sim.engine.LIMITS`.
        duration: The trial's end T [time].
        max_spikes: More spikes of a layer in one sample are an error.
        mask: Which rows of states are kept, see `sim.engine`.
    """

    times: np.ndarray
    rows: np.ndarray
    counts: np.ndarray
    bins: np.ndarray
    binned: bool
    weights: np.ndarray
    offsets: np.ndarray
    sizes: np.ndarray
    lengths: np.ndarray
    initial: np.ndarray
    constants: tuple[float, ...]
    narrow: tuple[Any, ...]
    limits: tuple[float, float]
    duration: float
    max_spikes: int
    mask: int


class Buffers(NamedTuple):
    """What a sample leaves behind on its way forward, and scratch.

    Rows of neurons are padded, see `pad`; n_neurons here counts what they are padded with.

    Attributes:
        states, state_offsets: States of all layers before all events, flat, see `sim.engine`.
        scales, scale_offsets: Powers of two, flat.
        steps: Propagators, shape (n_layers, n_numbers, n_events + 1).
        spikes: Spikes of all layers.
        counts: Their numbers, shape (n_layers,).
        orders: Indices of the spikes in order of time, shape (n_layers, room).
        sorted_times, sorted_neurons: Spikes in order of time, shape (n_layers, room).
        inputs: Inputs that spike, bin by bin, if binned, shape (n_inputs,).
        bin_starts: Where those of each bin begin, shape (n_bins + 1,).
        listed: Scratch of the same shape as ``inputs``.
        summed, summed_gradient: Weights of all inputs in a bin, shape (n_bins, width), real.
        rates: Pseudo rates of some samples, shape (`ROWS_AT_ONCE`, n_neurons), real.
        by_push: Derivatives by their pseudo inputs, same shape.
        pushes, by_rate: Pseudo inputs of one sample, and derivatives by the rates, shape
            (n_neurons,), real.
        starts: Initial states of all layers, flat, real.
        by_start: Sum over samples of the derivatives by them, flat.
        covectors: Derivatives by the states, flat, real.
        by_spike, by_event: Derivatives by spike times and event times.
        sources: Which spike each output time is, shape (n_outputs, n_required).
        by_time, clipped: Derivatives by output times, and these at most T; same shape.
        order: Scratch of the sort.
        scratch: Scratch of the forward pass.
        unwound, pulled, kept, slips, unused: Scratch of the backward pass, real.
        pulls: The same, of each spike, shape (n_coordinates, room).
    """

    states: np.ndarray
    state_offsets: np.ndarray
    scales: np.ndarray
    scale_offsets: np.ndarray
    steps: np.ndarray
    spikes: Spikes
    counts: np.ndarray
    orders: np.ndarray
    sorted_times: np.ndarray
    sorted_neurons: np.ndarray
    inputs: np.ndarray
    bin_starts: np.ndarray
    listed: np.ndarray
    summed: np.ndarray
    summed_gradient: np.ndarray
    rates: np.ndarray
    pushes: np.ndarray
    by_rate: np.ndarray
    by_push: np.ndarray
    starts: np.ndarray
    by_start: np.ndarray
    covectors: np.ndarray
    by_spike: np.ndarray
    by_event: np.ndarray
    sources: np.ndarray
    by_time: np.ndarray
    clipped: np.ndarray
    order: np.ndarray
    scratch: Scratch
    unwound: np.ndarray
    pulled: np.ndarray
    pulls: np.ndarray
    kept: np.ndarray
    slips: np.ndarray
    unused: np.ndarray


class Results(NamedTuple):
    """What a batch leaves: of all samples, or of one thread's.

    Attributes:
        output_times: Output spikes, shape (n_samples, n_outputs, n_required).
        n_ordinary: How many are ordinary, shape (n_samples, n_outputs).
        losses: Loss with pseudospikes, and with T in their place, shape (n_samples, 2).
        counters: Hidden spikes and synaptic operations, shape (n_samples, 2).
        events: Derivatives by event times, shape (n_samples, n_events).
        weights: Sum of the derivatives by the weights, in one piece, real; the thread's own.
        initial: Sum of those by the initial coordinates, shape (n_neurons,); the thread's own.
        active: Whether a neuron spiked, shape (n_neurons,); the thread's own.
    """

    output_times: np.ndarray
    n_ordinary: np.ndarray
    losses: np.ndarray
    counters: np.ndarray
    events: np.ndarray
    weights: np.ndarray
    initial: np.ndarray
    active: np.ndarray


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
    size = int(np.prod(shape)) * np.dtype(kind).itemsize
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
    mask: int,
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
        mask: That of the trial.
    """
    widths = np.array([pad(model, width, real) for width in sizes[1:]])
    n_layers, n_neurons, widest = len(widths), int(widths.sum()), int(widths.max())
    n_coordinates, n_numbers = len(model.coordinates), len(model.module.PROPAGATOR)
    events = np.full(n_layers, room)
    events[0] = n_events
    n_rows = events + 2 if mask == -1 else mask + 1
    state_sizes = n_rows * n_coordinates * widths
    scale_sizes = (events // EVENTS_PER_BLOCK + 1) * widths
    per_spike, per_output = (n_layers, room), (sizes[-1], n_required)
    return Buffers(
        states=make_aligned(state_sizes.sum(), real),
        state_offsets=np.concatenate([[0], np.cumsum(state_sizes)]),
        scales=make_aligned(scale_sizes.sum(), real),
        scale_offsets=np.concatenate([[0], np.cumsum(scale_sizes)]),
        steps=np.empty((n_layers, n_numbers, max(room, n_events) + 1)),
        spikes=make_spikes(per_spike, n_coordinates),
        counts=np.zeros(n_layers, np.int64),
        orders=np.empty(per_spike, np.int64),
        sorted_times=np.empty(per_spike),
        sorted_neurons=np.empty(per_spike, np.int64),
        inputs=np.empty(sizes[0] if n_bins else 0, np.int64),
        bin_starts=np.empty(n_bins + 1, np.int64),
        listed=np.empty(sizes[0] if n_bins else 0, np.int64),
        summed=make_aligned((n_bins, widths[0]), real),
        summed_gradient=make_aligned((n_bins, widths[0]), real),
        rates=make_aligned((ROWS_AT_ONCE, n_neurons), real),
        pushes=make_aligned(n_neurons, real),
        by_rate=make_aligned(n_neurons, real),
        by_push=make_aligned((ROWS_AT_ONCE, n_neurons), real),
        starts=make_aligned(n_coordinates * n_neurons, real),
        by_start=make_aligned(n_coordinates * n_neurons, np.float64),
        covectors=make_aligned(n_coordinates * n_neurons, real),
        by_spike=np.empty(room),
        by_event=np.empty(max(room, n_events)),
        sources=np.empty(per_output, np.int64),
        by_time=np.empty(per_output),
        clipped=np.empty(per_output),
        order=np.empty(room, np.int64),
        scratch=make_scratch(widest, n_coordinates, real),
        unwound=make_aligned(n_coordinates * widest, real),
        pulled=make_aligned(n_coordinates * widest, real),
        pulls=np.empty((n_coordinates, room)),
        kept=make_aligned(widest, real),
        slips=make_aligned(widest, real),
        unused=make_aligned(widest, real),
    )


def make_scratch(widest: int, n_coordinates: int, real: Any) -> Scratch:
    """Empty scratch of the forward pass, for layers of at most ``widest`` neurons."""
    n_words = EVENTS_PER_BLOCK * ((widest - 1) // FLAGS_PER_WORD + 1)
    flags = np.zeros(n_words * FLAGS_PER_WORD, np.uint8)
    return Scratch(
        flags=flags,
        words=flags.view(np.int64),
        found=np.empty((2, n_words + 1), np.int64),
        zeros=make_aligned(widest, real),
        round=Round(
            chosen=np.empty((2, widest + FLAGS_PER_WORD), np.int64),
            begins=np.empty((n_coordinates, widest)),
            ends=np.empty((n_coordinates, widest)),
            again=np.empty(widest, np.uint8),
            times=np.empty(widest),
            waits=np.empty(widest),
            lefts=np.empty(widest),
        ),
    )


def make_spikes(shape: tuple[int, ...], n_coordinates: int) -> Spikes:
    """Empty spike buffers; the last number of ``shape`` is the room for spikes."""
    return Spikes(
        times=np.empty(shape),
        neurons=np.empty(shape, np.int64),
        segments=np.empty(shape, np.int64),
        waits=np.empty(shape),
        lefts=np.empty(shape),
        starts=np.empty((*shape[:-1], n_coordinates, shape[-1])),
    )
