"""Memory of the batch kernels: each thread has its own for all samples, and batches hand it on.

Kernels make no arrays; they get these, as records (see `spiketheory.machine.packed`). What belongs
to a layer is in a record of its own; what no two layers need at once is the same memory in all of
them. ``real`` below is the precision of the network, float64 or float32; ``length`` that of a
padded row of neurons, see `sim.layers.allocation.pad`.
"""

from typing import NamedTuple

from sim.kernels.types import Flags, Floats, Ints, Numbers


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

    times: Floats
    neurons: Ints
    segments: Ints
    waits: Floats
    remaining: Floats
    starts: Floats


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

    chosen: Ints
    begins: Floats
    ends: Floats
    again: Flags
    times: Floats
    waits: Floats
    remaining: Floats


class Source(NamedTuple):
    """The input events of a layer in one sample's trial.

    Attributes:
        times: Their times, sorted, shape (>= n_events,) [time].
        rows: Row of ``weights`` that each adds, shape (>= n_events,).
        n_events: Their number.
        weights: Shape (n_rows, length), real.
    """

    times: Floats
    rows: Ints
    n_events: int
    weights: Floats


class LayerTrial(NamedTuple):
    """What is the same of a layer for all samples of a batch.

    Attributes:
        width: Number of neurons; what stands behind them in rows is never read.
        weights: Shape (n_pre, length), real.
        initial: Initial coordinates, shape (width,).
    """

    width: int
    weights: Floats
    initial: Floats


class Trial(NamedTuple):
    """What is the same for all samples of a batch.

    Attributes:
        times, rows, counts, bins: See `sim.layers.batch.Events`.
        binned: Whether samples share their event times.
        layers: See `LayerTrial`.
        n_layers: Their number.
        constants: The model's derived constants.
        real_constants: The same, real.
        limits: How large coordinates may be, an entry of `sim.kernels.limits.LIMITS`.
        duration: The trial's end T [time].
        max_spikes: More spikes of a layer in one sample are an error.
    """

    times: Floats
    rows: Ints
    counts: Ints
    bins: Flags
    binned: bool
    layers: list[LayerTrial]
    n_layers: int
    constants: Numbers
    real_constants: Numbers
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
        pseudo_input_adjoints: Derivatives by their pseudo inputs, same shape.
        pseudo_inputs, by_rate: Pseudo inputs of one sample, and derivatives by the rates, shape
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
    states: Floats
    mask: int
    checkpoints: Floats
    scales: Floats
    steps: Floats
    spikes: Spikes
    order: Ints
    sorted_times: Floats
    sorted_neurons: Ints
    starts: Floats
    by_start: Floats
    adjoints: Floats
    rates: Floats
    pseudo_input_adjoints: Floats
    pseudo_inputs: Floats
    by_rate: Floats
    flags: Flags
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
    counts: Ints
    inputs: Ints
    bin_starts: Ints
    listed: Ints
    summed: Floats
    summed_gradient: Floats
    sources: Ints
    by_time: Floats
    clipped: Floats


class Ready(NamedTuple):
    """Buffers as kernels take them.

    Attributes:
        buffers: The buffers.
        packed: The same, packed.
        n_bytes: Their memory.
    """

    buffers: Buffers
    packed: object
    n_bytes: int


class LayerGradients(NamedTuple):
    """Sums of derivatives that one thread adds up.

    Attributes:
        weights: By the weights, shape (n_pre, length), real.
        initial: By the initial coordinates, shape (width,).
    """

    weights: Floats
    initial: Floats


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

    output_times: Floats
    n_ordinary: Ints
    losses: Floats
    counters: Ints
    events: Floats
    active: Flags
    layers: list[LayerGradients]
