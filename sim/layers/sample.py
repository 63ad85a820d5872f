"""One sample through all layers of a feedforward network, there and back, in compiled code.

Layer by layer, the sorted spikes of one are the input events of the next. What a sample leaves
behind is in `sim.layers.buffers.Buffers`.
"""

import numpy as np

from sim.kernels.types import Flags, Floats, Ints
from sim.layers.backward import backward_layer, backward_start
from sim.layers.buffers import Buffers, Results, Source, Trial
from sim.layers.forward import OK, copy_row, forward_layer, start_layer
from sim.layers.pseudospikes import (
    ROWS_AT_ONCE,
    add_inputs,
    add_products,
    backward_missing,
    backward_rates,
    forward_missing,
    forward_rates,
    inputs_vjp,
)
from sim.layers.spike_order import order_spikes
from spiketheory.machine.link import kernel


@kernel()
def run_one(trial: Trial, buffers: Buffers, sample: int) -> int:
    """Run one sample; its spikes are in the buffers."""
    start_layers(trial, buffers)
    status, _ = forward_sample(trial, buffers, sample)
    return status


@kernel()
def find_source(trial: Trial, buffers: Buffers, sample: int, layer: int) -> Source:
    """The `Source` of a layer: the sample's events, or the spikes of the layer before."""
    if layer > 0:
        before, weights = buffers.layers[layer - 1], trial.layers[layer].weights
        n_events = buffers.counts[layer - 1]
        return Source(before.sorted_times, before.sorted_neurons, n_events, weights)
    e = 0 if trial.binned else sample
    weights = buffers.summed if trial.binned else trial.layers[0].weights
    return Source(trial.times[e], trial.rows[e], trial.counts[e], weights)


@kernel()
def start_layers(trial: Trial, buffers: Buffers) -> None:
    """Compute the initial states of all layers once for all samples."""
    for k in range(trial.n_layers):
        layer = buffers.layers[k]
        start_layer(trial.layers[k].initial, layer.starts, trial.constants)
        by_start, unused = layer.by_start, layer.unused
        for c in range(by_start.shape[0]):
            for i in range(by_start.shape[1]):
                by_start[c, i] = 0.0
        for i in range(unused.shape[0]):
            unused[i] = 0.0


@kernel()
def finish_layers(trial: Trial, buffers: Buffers, results: Results) -> None:
    """Turn the sum of derivatives by the initial states into that by initial coordinates."""
    for k in range(trial.n_layers):
        backward_start(
            trial.layers[k].initial, trial.constants, buffers.layers[k].by_start,
            results.layers[k].initial,
        )  # fmt: skip


@kernel()
def list_inputs(bins: Flags, n_bins: int, inputs: Ints, starts: Ints, spare: Ints) -> int:
    """List the inputs that spike, bin by bin; returns their number.

    Those of bin v are ``inputs[starts[v] : starts[v + 1]]``.
    """
    listed = inputs if n_bins == 1 else spare
    place, one = np.uint64(0), np.uint64(1)  # a sign would be looked at, each time anew
    for m in range(bins.shape[0]):
        listed[place] = m
        place += one if bins[m] < n_bins else np.uint64(0)
    count = int(place)
    if n_bins == 1:
        starts[0], starts[1] = 0, count
        return count
    for v in range(n_bins + 1):
        starts[v] = 0
    for k in range(count):
        starts[bins[spare[k]] + 1] += 1
    for v in range(n_bins):
        starts[v + 1] += starts[v]
    for k in range(count):
        v = bins[spare[k]]
        inputs[starts[v]] = spare[k]
        starts[v] += 1
    for v in range(n_bins, 0, -1):
        starts[v] = starts[v - 1]
    starts[0] = 0
    return count


@kernel(disjoint=True)
def add_rows(a: Floats, b: Floats, c: Floats, d: Floats, target: Floats) -> None:
    """Add four arrays to a fifth, which is read and written only once."""
    for i in range(target.shape[0]):
        target[i] += (a[i] + b[i]) + (c[i] + d[i])


@kernel()
def gather_bins(inputs: Ints, starts: Ints, weights: Floats, summed: Floats) -> None:
    """Sum the weights of all inputs in each bin, shape (n_bins, n_post)."""
    for v in range(summed.shape[0]):
        target = summed[v]
        for i in range(target.shape[0]):
            target[i] = 0.0
        whole = starts[v] + (starts[v + 1] - starts[v]) // ROWS_AT_ONCE * ROWS_AT_ONCE
        for k in range(starts[v], whole, ROWS_AT_ONCE):
            add_rows(
                weights[inputs[k]], weights[inputs[k + 1]], weights[inputs[k + 2]],
                weights[inputs[k + 3]], target,
            )  # fmt: skip
        for k in range(whole, starts[v + 1]):
            source = weights[inputs[k]]
            for i in range(source.shape[0]):
                target[i] += source[i]


@kernel()
def scatter_bins(bins: Flags, inputs: Ints, count: int, summed: Floats, gradient: Floats) -> None:
    """Add each bin's gradient to the gradients of the inputs in it."""
    for k in range(count):
        target, source = gradient[inputs[k]], summed[bins[inputs[k]]]
        for i in range(source.shape[0]):
            target[i] += source[i]


@kernel()
def forward_sample(trial: Trial, buffers: Buffers, sample: int) -> tuple[int, int]:
    """Run one sample through all layers; returns status and number of input spikes."""
    n_inputs = trial.counts[0 if trial.binned else sample]
    if trial.binned:
        inputs, starts, n_bins = buffers.inputs, buffers.bin_starts, trial.counts[0]
        n_inputs = list_inputs(trial.bins[sample], n_bins, inputs, starts, buffers.listed)
        gather_bins(inputs, starts, trial.layers[0].weights, buffers.summed[:n_bins])
    status = OK
    for k in range(trial.n_layers):
        layer = buffers.layers[k]
        copy_row(layer.starts, layer.states[0])
        status, count = forward_layer(trial, layer, find_source(trial, buffers, sample, k))
        buffers.counts[k] = count
        if status != OK:
            break
        order_spikes(
            layer.spikes, count, layer.order, layer.spare, layer.sorted_times,
            layer.sorted_neurons,
        )  # fmt: skip
    return status, n_inputs


@kernel()
def backward_one_layer(
    trial: Trial, buffers: Buffers, sample: int, k: int, gradient: Floats, want_times: bool
) -> None:
    """Go back through one layer."""
    layer = buffers.layers[k]
    source = find_source(trial, buffers, sample, k)
    backward_layer(trial, layer, source, buffers.counts[k], gradient, want_times)
    by_start, adjoints = layer.by_start, layer.adjoints
    for c in range(by_start.shape[0]):
        for i in range(by_start.shape[1]):
            by_start[c, i] += adjoints[c, i]


@kernel()
def backward_sample(
    trial: Trial, buffers: Buffers, sample: int, n_inputs: int, results: Results, want_times: bool
) -> None:
    """Go back through all layers of one sample; what it adds to is its thread's own."""
    for k in range(trial.n_layers - 1, 0, -1):
        backward_one_layer(trial, buffers, sample, k, results.layers[k].weights, True)
        order, by_event = buffers.layers[k - 1].order, buffers.layers[k].by_event
        by_spike = buffers.layers[k - 1].by_spike
        for p in range(buffers.counts[k - 1]):
            by_spike[order[p]] = by_event[p]
    weight_gradient = results.layers[0].weights
    if not trial.binned:
        backward_one_layer(trial, buffers, sample, 0, weight_gradient, want_times)
        return
    gradient = buffers.summed_gradient
    for v in range(gradient.shape[0]):
        for i in range(gradient.shape[1]):
            gradient[v, i] = 0.0
    backward_one_layer(trial, buffers, sample, 0, gradient, want_times)
    scatter_bins(trial.bins[sample], buffers.inputs, n_inputs, gradient, weight_gradient)


@kernel(inlines=True)
def view_end(trial: Trial, buffers: Buffers, sample: int, k: int) -> Floats:
    """The states of a layer at T, shape (n_coordinates, length)."""
    n_events, layer = find_source(trial, buffers, sample, k).n_events, buffers.layers[k]
    return layer.states[(n_events + 1) & layer.mask]


@kernel()
def forward_pseudo(
    trial: Trial, buffers: Buffers, sample: int, slot: int, n_ordinary: Ints, output_times: Floats
) -> None:
    """Rates and pseudo inputs of all layers; fills the missing output times."""
    last = trial.n_layers - 1
    for k in range(last + 1):
        layer = buffers.layers[k]
        pseudo_inputs, rates = layer.pseudo_inputs, layer.rates[slot]
        if k == 0:
            for i in range(pseudo_inputs.shape[0]):
                pseudo_inputs[i] = 0.0
        else:
            before = buffers.layers[k - 1]
            add_inputs(before.rates[slot, : before.width], trial.layers[k].weights, pseudo_inputs)
        end = view_end(trial, buffers, sample, k)
        if k < last:
            forward_rates(end, pseudo_inputs, trial.real_constants, rates)
        else:
            forward_missing(
                end, pseudo_inputs, trial.constants, trial.duration, n_ordinary, output_times
            )


@kernel()
def backward_pseudo(
    trial: Trial, buffers: Buffers, sample: int, slot: int, n_ordinary: Ints
) -> None:
    """Derivatives of the pseudospikes by the pseudo inputs and by the states at T."""
    last = trial.n_layers - 1
    for k in range(last, -1, -1):
        layer = buffers.layers[k]
        pseudo_inputs, pseudo_input_adjoints, adjoints = (
            layer.pseudo_inputs,
            layer.pseudo_input_adjoints[slot],
            layer.adjoints,
        )
        end = view_end(trial, buffers, sample, k)
        if k == last:
            backward_missing(
                end,
                pseudo_inputs,
                trial.constants,
                n_ordinary,
                buffers.by_time,
                adjoints,
                pseudo_input_adjoints,
            )
        else:
            backward_rates(
                end,
                pseudo_inputs,
                trial.real_constants,
                layer.by_rate,
                adjoints,
                pseudo_input_adjoints,
            )
        for i in range(layer.width, pseudo_input_adjoints.shape[0]):
            pseudo_input_adjoints[i] = 0.0
        if k > 0:
            before = buffers.layers[k - 1]
            inputs_vjp(
                trial.layers[k].weights, pseudo_input_adjoints, before.by_rate[: before.width]
            )


@kernel()
def add_pseudo(trial: Trial, buffers: Buffers, n_slots: int, results: Results) -> None:
    """Derivatives by the weights, of several samples at once."""
    for k in range(1, trial.n_layers):
        before, layer = buffers.layers[k - 1], buffers.layers[k]
        for slot in range(n_slots, ROWS_AT_ONCE):
            before.rates[slot] = 0.0
            layer.pseudo_input_adjoints[slot] = 0.0
        add_products(
            before.rates[:, : before.width], layer.pseudo_input_adjoints, results.layers[k].weights
        )
