"""Samples through all layers of a network in time, there and back, in compiled code."""

from sim.kernels.types import Floats
from sim.layers.sample import add_rows
from sim.layers.spike_order import order_spikes
from sim.network.instants import find_arrival
from sim.status import Status
from sim.temporal.backward import backward_layer
from sim.temporal.forward import forward_layer
from sim.temporal.pending import pop, push
from sim.temporal.readout import lose, press_activity, read_out, read_out_vjp
from sim.temporal.records import Batch, Found, LayerMemory, Memory, Scratch, Sums
from spiketheory.machine.link import kernel

OK = int(Status.OK)
ROWS_AT_ONCE = 4


@kernel()
def gather_drive(batch: Batch, scratch: Scratch, sample: int) -> None:
    """Sum the weights of the input spikes of each instant of a sample."""
    first, last = batch.instant_offsets[sample], batch.instant_offsets[sample + 1]
    weights, channels, offsets = batch.layers[0].weights, batch.channels, batch.spike_offsets
    for e in range(first, last):
        target = scratch.drive[e - first]
        for i in range(target.shape[0]):
            target[i] = 0.0
        begin, end = offsets[e], offsets[e + 1]
        whole = begin + (end - begin) // ROWS_AT_ONCE * ROWS_AT_ONCE
        for s in range(begin, whole, ROWS_AT_ONCE):
            add_rows(
                weights[channels[s]], weights[channels[s + 1]], weights[channels[s + 2]],
                weights[channels[s + 3]], target,
            )  # fmt: skip
        for s in range(whole, end):
            add_row(weights[channels[s]], target)


@kernel(disjoint=True)
def add_row(source: Floats, target: Floats) -> None:
    """Add one array to another."""
    for i in range(target.shape[0]):
        target[i] += source[i]


@kernel()
def scatter_drive(batch: Batch, scratch: Scratch, sample: int, gradient: Floats) -> None:
    """Add the derivatives by each instant's drive to those by the weights of its spikes."""
    first, last = batch.instant_offsets[sample], batch.instant_offsets[sample + 1]
    for e in range(first, last):
        source = scratch.drive_gradient[e - first]
        for s in range(batch.spike_offsets[e], batch.spike_offsets[e + 1]):
            add_row(source, gradient[batch.channels[s]])


@kernel()
def list_inputs(batch: Batch, memory: Memory, sample: int) -> int:
    """The events of the first layer: the sample's instants; returns their number."""
    first, last = batch.instant_offsets[sample], batch.instant_offsets[sample + 1]
    events = memory.layers[0].events
    for e in range(last - first):
        events.times[e], events.rows[e] = batch.instant_times[first + e], e
    return last - first


@kernel()
def hand_on(batch: Batch, memory: Memory, k: int) -> int:
    """Spikes of layer k as events of the next one, by time of arrival; returns their number."""
    layer, source, events = batch.layers[k], memory.layers[k], memory.layers[k + 1].events
    spikes, count, pending = source.spikes, memory.n_spikes[k], memory.scratch.pending
    order_spikes(
        spikes, count, source.order, memory.scratch.spare, source.sorted_times,
        source.sorted_neurons,
    )  # fmt: skip
    n_pending = 0
    for q in range(count):
        p = source.order[q]
        time, delay = spikes.times[p], layer.delays_out[spikes.neurons[p]]
        if delay != 0.0:
            time = find_arrival(time, delay, batch.ticks)
        if time <= batch.duration:
            n_pending = push(pending, n_pending, time, q)
    n_events = n_pending
    for e in range(n_events):
        n_pending = pop(pending, n_pending)
        p = source.order[pending.spikes[n_pending]]
        events.times[e], events.spikes[e] = pending.times[n_pending], p
        events.rows[e] = spikes.neurons[p]
    return n_events


@kernel(inlines=True)
def view_outside(batch: Batch, memory: Memory, k: int) -> Floats:
    """Weights of the events that reach layer k from outside."""
    return memory.scratch.drive if k == 0 else batch.layers[k].weights


@kernel()
def forward_sample(batch: Batch, memory: Memory, sample: int) -> int:
    """Run a sample through all layers; returns the status."""
    gather_drive(batch, memory.scratch, sample)
    status = OK
    for k in range(batch.n_layers):
        n_events = list_inputs(batch, memory, sample) if k == 0 else hand_on(batch, memory, k - 1)
        memory.n_events[k] = n_events
        status, n_segments, count = forward_layer(
            batch, batch.layers[k], memory.layers[k], memory.scratch,
            view_outside(batch, memory, k), n_events,
        )  # fmt: skip
        memory.n_segments[k], memory.n_spikes[k] = n_segments, count
        if status != OK:
            break
    return status


@kernel()
def count_spikes(batch: Batch, memory: Memory, sample: int, found: Found) -> None:
    """Write down how often each neuron spiked."""
    counts, first = found.counts[sample], 0
    for k in range(batch.n_layers):
        layer = memory.layers[k]
        for p in range(memory.n_spikes[k]):
            counts[first + layer.spikes.neurons[p]] += 1
        first += batch.layers[k].width


@kernel()
def take_back(
    batch: Batch, memory: Memory, k: int, first_neuron: int, sums: Sums, found: Found
) -> None:
    """Derivatives by the spike times of layer k, from those by the events of the next layer."""
    layer, count = memory.layers[k], memory.n_spikes[k]
    press_activity(batch, found, first_neuron, layer, count, k == batch.n_layers - 1)
    if k == batch.n_layers - 1:
        return
    events, by_delay = memory.layers[k + 1].events, sums.layers[k].delays_out
    for e in range(memory.n_events[k + 1]):
        p = events.spikes[e]
        layer.by_spike[p] += events.by_time[e]
        by_delay[layer.spikes.neurons[p]] += events.by_time[e]


@kernel()
def backward_sample(
    batch: Batch, memory: Memory, sample: int, sums: Sums, found: Found, want_inputs: bool
) -> None:
    """Go back through all layers of one sample."""
    last, scratch = batch.n_layers - 1, memory.scratch
    read_out_vjp(batch, memory.layers[last], scratch, memory.n_spikes[last], sums)
    first_neuron = found.activity.shape[0]
    first_instant = batch.instant_offsets[sample]
    drive_gradient = scratch.drive_gradient
    for e in range(memory.n_events[0]):
        row = drive_gradient[e]
        for i in range(row.shape[0]):
            row[i] = 0.0
    for k in range(last, -1, -1):
        layer = memory.layers[k]
        first_neuron -= batch.layers[k].width
        take_back(batch, memory, k, first_neuron, sums, found)
        clear(layer)
        gradient = drive_gradient if k == 0 else sums.layers[k].weights
        found.margin[sample] += backward_layer(
            batch, batch.layers[k], layer, scratch, view_outside(batch, memory, k), gradient,
            memory.n_segments[k], sums.layers[k], k == 0, want_inputs and k == 0, first_instant,
            found.input_times,
        )  # fmt: skip
    scatter_drive(batch, scratch, sample, sums.layers[0].weights)


@kernel()
def clear(layer: LayerMemory) -> None:
    """No derivatives by the states at T."""
    adjoints = layer.adjoints
    for c in range(adjoints.shape[0]):
        for i in range(adjoints.shape[1]):
            adjoints[c, i] = 0.0


@kernel()
def read_sample(batch: Batch, memory: Memory, sample: int, found: Found) -> None:
    """Read a sample that ran forward, and write down what it did."""
    final = batch.n_layers - 1
    read_out(batch, memory.layers[final], memory.scratch, memory.n_spikes[final])
    for o in range(batch.bias.shape[0]):
        found.logits[sample, o] = memory.scratch.logits[o]
    count_spikes(batch, memory, sample, found)


@kernel()
def run_forward(batch: Batch, memory: Memory, sample: int, found: Found) -> int:
    """Run a sample that is gone back through later; returns the status."""
    status = forward_sample(batch, memory, sample)
    if status == OK:
        read_sample(batch, memory, sample, found)
    return status


@kernel()
def run_back(
    batch: Batch, memory: Memory, sample: int, sums: Sums, found: Found, want_inputs: bool
) -> None:
    """Go back through a sample that `run_forward` ran with this memory."""
    lose(batch, memory.scratch, sample)
    backward_sample(batch, memory, sample, sums, found, want_inputs)


@kernel()
def run_block(
    batch: Batch, memory: Memory, first: int, last: int, sums: Sums, found: Found,
    want_gradient: bool, want_inputs: bool,
) -> tuple[int, int]:  # fmt: skip
    """Run the samples ``first`` to ``last``; returns the status and where it ended."""
    for b in range(first, last):
        status = forward_sample(batch, memory, b)
        if status != OK:
            return status, b
        read_sample(batch, memory, b, found)
        found.losses[b] = lose(batch, memory.scratch, b)
        if want_gradient:
            backward_sample(batch, memory, b, sums, found, want_inputs)
    return OK, last
