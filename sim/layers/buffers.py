"""Memory of the batch kernels: each thread has its own for all samples, and batches hand it on.

Kernels make no arrays; they get these, as records (see `spiketheory.machine.packed`). What belongs
to a layer is in a record of its own; what no two layers need at once is the same memory in all of
them. ``real`` below is the precision of the network, float64 or float32; ``length`` that of a
padded row of neurons, see `sim.layers.allocation.pad`.
"""

from typing import Any, NamedTuple

import numpy as np


class Spikes(NamedTuple):
    """Spikes in the order found.

    Attributes:
        times: Spike times, shape (room,) [time].
        neurons: Their neurons.
        segments: Their segments; segment k runs from event k to event k + 1.
        waits: Duration of the interval that each ends [time].
        remaining: Time left to the segment's end; -1 if the neuron spikes again before [time]. In
            `sim.layers.crossings`: -1 if the interval begins with the neuron's last spike, else 0.
        starts: Coordinates at the interval's start, shape (n_coordinates, room).
    """

    times: Any
    neurons: Any
    segments: Any
    waits: Any
    remaining: Any
    starts: Any


class Round(NamedTuple):
    """The neurons that spike in a segment, each with its next spike there; the first entries.

    Attributes:
        chosen: Scratch, and the neurons, shape (2, >= width).
        begins: Their states at the segment's beginning, or after the last spike, shape
            (n_coordinates, width).
        ends: Their states at the segment's end, if they do not spike again, same shape.
        again: Whether they do, shape (width,).
        times, waits, remaining: As in `Spikes`, but the time left whether or not they spike again;
            before the spike is found, the time that its interval starts at, and what is left.
    """

    chosen: Any
    begins: Any
    ends: Any
    again: Any
    times: Any
    waits: Any
    remaining: Any


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
        times, rows, counts, bins: See `sim.layers.batch.Events`.
        binned: Whether samples share their event times.
        layers: See `LayerTrial`.
        n_layers: Their number.
        constants: The model's derived constants.
        real_constants: The same, real.
        limits: How large coordinates may be, an entry of `sim.layers.forward.LIMITS`.
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
    real_constants: tuple[Any, ...]
    limits: tuple[float, float]
    duration: float
    max_spikes: int


class LayerBuffers(NamedTuple):
    """What a sample leaves behind in one layer on its way forward, and scratch.

    Attributes:
        width: Number of neurons.
        states: States before events, shape (n_rows, n_coordinates, length), see
        `sim.layers.forward`.
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
        adjoints: Derivatives by the states, real.
        rates: Pseudo rates of some samples, shape (`ROWS_AT_ONCE`, length), real.
        by_push: Derivatives by their pseudo inputs, same shape.
        pushes, by_rate: Pseudo inputs of one sample, and derivatives by the rates, shape
            (length,), real.
        flags, words: Neurons that spike in each segment of a block, as bytes, and the same memory
            as 64-bit words; see `sim.layers.spike_flags`. As all that follows, shared by all
            layers.
        found: Places of words with flags, shape (> number of words,).
        zeros: Weights of no event, real.
        round: See `Round`.
        spare: Scratch of the sort, shape (room,).
        by_spike, by_event: Derivatives by spike times and event times.
        spiking_adjoints: Derivatives by the states that a segment begins with, of the neurons that
            spike in it, real (`sim.layers.rounds`). This and what follows is scratch of the
            backward pass.
        adjoints_after: Derivatives by the states just after the event that starts a segment, real.
        spike_adjoints: Derivatives, by way of each spike's time, by the state that its interval
            starts with, shape (n_coordinates, room) (`sim.layers.crossings`).
        saved_gradient: The weights' derivatives before a segment was undone, real.
        time_gradients: Derivatives by the event's time, neuron by neuron, real.
        unused: Written to and never read, real.
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
    adjoints: np.ndarray
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
    spiking_adjoints: np.ndarray
    adjoints_after: np.ndarray
    spike_adjoints: np.ndarray
    saved_gradient: np.ndarray
    time_gradients: np.ndarray
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
