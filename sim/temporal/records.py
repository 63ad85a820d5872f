"""What the kernels of networks in time are given: the network, a batch, memory, results.

Kernels make no arrays; they get these, as records (see `spiketheory.machine.packed`). ``length`` is
that of a padded row of neurons, see `sim.layers.allocation.pad`.
"""

from typing import NamedTuple

from sim.kernels.types import Flags, Floats, Ints, Numbers
from sim.layers.buffers import Spikes


class DenseLayer(NamedTuple):
    """One layer of neurons, the same for all samples.

    Attributes:
        width: Number of neurons; what stands behind them in rows is never read.
        weights: From the input or the layer before, shape (n_pre, length).
        recurrent: From the layer itself, shape (width, length); no rows if it is not recurrent.
        delays: How long each neuron's spikes are under way to the layer itself, shape (width,)
            [ticks].
        delays_out: The same to the next layer [ticks].
        starts: Initial coordinates, shape (n_coordinates, length).
        table: Constants of each neuron, shape (n_constants, length); one column where all share
            them.
        constants: Those of the first neuron.
    """

    width: int
    weights: Floats
    recurrent: Floats
    delays: Floats
    delays_out: Floats
    starts: Floats
    table: Floats
    constants: Numbers


class Batch(NamedTuple):
    """A network and a batch of samples.

    Attributes:
        layers: See `DenseLayer`.
        n_layers: Their number.
        duration: The trial's end T [time].
        ticks: How many ticks make a unit of time, see `sim.network.instants`.
        limits: How large coordinates may be, an entry of `sim.kernels.limits.LIMITS`.
        max_spikes: More spikes of a layer in one sample are an error.
        instant_times: Distinct times of the input spikes, sample after sample [time].
        instant_offsets: Where those of each sample begin, shape (n_samples + 1,).
        channels: Channels of the input spikes, instant after instant.
        spike_offsets: Where those of each instant begin.
        targets: What is wanted of each sample, shape (n_samples, n_targets).
        read_weights: Of the readout, shape (n_neurons, n_features, n_outputs).
        bias: Of the readout, shape (n_outputs,).
        read_settings: Numbers of the readout, and zeros behind them: so many for all readouts that
            kernels are compiled once for all.
        loss_settings: Numbers of the loss.
        margin: Weight and width of the cost of maxima near the threshold.
    """

    layers: list[DenseLayer]
    n_layers: int
    duration: float
    ticks: float
    limits: tuple[float, float]
    max_spikes: int
    instant_times: Floats
    instant_offsets: Ints
    channels: Ints
    spike_offsets: Ints
    targets: Floats
    read_weights: Floats
    bias: Floats
    read_settings: Numbers
    loss_settings: Floats
    margin: tuple[float, float]


class Events(NamedTuple):
    """Events that reach a layer from outside, sorted by time.

    Attributes:
        times: Shape (>= n_events,) [time].
        rows: Row of the layer's weights that each adds, or of ``drive`` in the first layer.
        spikes: Spike of the layer before that each is; unused in the first layer.
        by_time: Derivatives by their times.
    """

    times: Floats
    rows: Ints
    spikes: Ints
    by_time: Floats


class Pending(NamedTuple):
    """Spikes that are under way: a binary heap, the earliest arrival first.

    Attributes:
        times: Times of arrival, shape (room,) [time].
        spikes: Their spikes.
    """

    times: Floats
    spikes: Ints


class LayerMemory(NamedTuple):
    """What one sample leaves behind in one layer, segment by segment.

    A segment begins with an event (the first one with none) and lasts until the next.

    Attributes:
        states: Coordinates before the event of each segment, shape (room, n_coordinates, length).
        event_rows: The event: row of its weights if it comes from outside, `NO_EVENT` if there
            is none, else ``-1 - p`` for the arrival of the layer's own spike p.
        outside: The number of the event among those from outside, -1 if it is none of them.
        begins: When it is [time].
        durations: How long the segment lasts [time].
        firsts: Number of spikes before each segment.
        scales: Powers of two by which projective coordinates were divided after every so many
            segments, shape (n_blocks, length).
        spikes: Spikes in the order found.
        causes: Segment of the event that caused a spike at once, by carrying the neuron across its
            threshold; -1 for ordinary spikes, shape (room,).
        by_cause: What the time of the spike adds to the derivative by the time of that event.
        order, sorted_times, sorted_neurons: Spikes in order of time.
        by_spike: Derivatives by the spike times.
        adjoints: Derivatives by the states.
        events: Those that reach the layer from outside.
        zeros: Weights of no event, shape (length,).
        unused: Written to and never read, shape (length,).
    """

    states: Floats
    event_rows: Ints
    outside: Ints
    begins: Floats
    durations: Floats
    firsts: Ints
    scales: Floats
    spikes: Spikes
    causes: Ints
    by_cause: Floats
    order: Ints
    sorted_times: Floats
    sorted_neurons: Ints
    by_spike: Floats
    adjoints: Floats
    events: Events
    zeros: Floats
    unused: Floats


class Scratch(NamedTuple):
    """Memory of one thread that no two layers need at once.

    Attributes:
        drive: Summed weights of each instant's input spikes, shape (n_instants, length).
        drive_gradient: Derivatives by them.
        flags, words: Who spikes in a segment, as bytes and as words (`sim.layers.spike_flags`).
        found, rows, chosen: Scratch, and the neurons that are flagged.
        waits: How long it takes each of them to its first spike [time].
        pending: See `Pending`.
        spare: Scratch of the sort.
        spiking_adjoints: Derivatives by the states that a segment begins with, of the neurons that
            spike in it, shape (n_coordinates, length).
        adjoints_after: Derivatives by the states just after an event.
        saved_gradient, time_gradients, totals, spiked: Scratch of one row.
        pressed: Derivatives of the cost of maxima by the states just after an event.
        unit, at_spike: Coordinates of one neuron, shape (n_coordinates, 1); the former are 0 but
            for that with the threshold.
        crossed: When a neuron was carried across its threshold at an instant at which it waits for
            others to spike first, shape (length,) [time].
        crossed_in: In which segment.
        features, by_feature: Sums of the readout's kernel over the spikes of each neuron, shape
            (n_neurons, n_features), and derivatives by them.
        slopes: Derivatives of the readout's kernel by each spike time, shape (room, n_features).
        logits, by_logit: Shape (n_outputs,).
        maxima: Of the readout `sim.temporal.readout_maximum`, shape (4, n_outputs): potentials,
            currents, largest potentials and when they are.
    """

    drive: Floats
    drive_gradient: Floats
    flags: Flags
    words: Ints
    found: Ints
    rows: Ints
    chosen: Ints
    waits: Floats
    pending: Pending
    spare: Ints
    spiking_adjoints: Floats
    adjoints_after: Floats
    saved_gradient: Floats
    time_gradients: Floats
    totals: Floats
    pressed: Floats
    unit: Floats
    at_spike: Floats
    crossed: Floats
    crossed_in: Ints
    spiked: Flags
    features: Floats
    by_feature: Floats
    slopes: Floats
    logits: Floats
    by_logit: Floats
    maxima: Floats


class Memory(NamedTuple):
    """Memory of one thread.

    Attributes:
        layers: See `LayerMemory`.
        n_segments, n_spikes, n_events: Of each layer, shape (n_layers,).
        scratch: See `Scratch`.
    """

    layers: list[LayerMemory]
    n_segments: Ints
    n_spikes: Ints
    n_events: Ints
    scratch: Scratch


class LayerSums(NamedTuple):
    """Sums of derivatives over the samples of one block.

    Attributes:
        weights, recurrent: Shapes as in `DenseLayer`.
        delays, delays_out: Shape (width,) [per unit of time].
        constants: By the varied constants of each neuron, shape (n_varied, length); no rows unless
            they are wanted.
        initial: By the initial coordinates, shape (n_coordinates, length).
    """

    weights: Floats
    recurrent: Floats
    delays: Floats
    delays_out: Floats
    constants: Floats
    initial: Floats


class Sums(NamedTuple):
    """Sums of derivatives over the samples of one block.

    Attributes:
        layers: See `LayerSums`.
        read_weights, bias: Of the readout.
        read_settings: By the numbers of the readout, shape (n_settings,).
    """

    layers: list[LayerSums]
    read_weights: Floats
    bias: Floats
    read_settings: Floats


class Found(NamedTuple):
    """What is written down of each sample of a batch.

    Attributes:
        logits: Shape (n_samples, n_outputs).
        losses: Shape (n_samples,).
        counts: Number of spikes of each neuron, shape (n_samples, n_neurons).
        input_times: Derivatives by the time of each input spike; empty unless wanted.
        activity: Derivatives of the loss by each neuron's spike count that are added to those by
            the readout: every spike counts (T - t)/T, shape (n_neurons,).
        margin: Cost of maxima near the threshold, shape (n_samples,).
    """

    logits: Floats
    losses: Floats
    counts: Ints
    input_times: Floats
    activity: Floats
    margin: Floats


NO_EVENT = -(2**62)
"""In place of a row: the segment begins with no event."""
