"""One sample through all layers of a feedforward network, there and back, in compiled code.

Layer by layer, the sorted spikes of one are the input events of the next. What a sample leaves
behind is in `sim.layers.buffers.Buffers`.
"""

from functools import lru_cache, partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from sim.layers.backward import build_gradient
from sim.layers.buffers import Source
from sim.layers.forward import build_copy, build_engine
from sim.layers.pseudospikes import ROWS_AT_ONCE, build_pseudo
from sim.status import Status
from spiketheory.machine.compile import CompiledModel


@lru_cache(maxsize=32)
def build_network(model: CompiledModel) -> SimpleNamespace:
    """The passes of one sample through all layers."""
    bins = build_bins(model)
    find_source = build_find_source(model)
    pseudo = build_pseudo_passes(model, find_source)
    start_layers, finish_layers = build_starts(model)
    return SimpleNamespace(
        start_layers=start_layers,
        finish_layers=finish_layers,
        forward_sample=build_forward(model, find_source, bins),
        backward_sample=build_backward(model, find_source, bins),
        forward_pseudo=pseudo.forward_pseudo,
        backward_pseudo=pseudo.backward_pseudo,
        add_pseudo=pseudo.add_pseudo,
    )


def build_find_source(model: CompiledModel) -> Any:
    """The function that finds the input events of a layer."""

    def find_source(trial: Any, buffers: Any, sample: int, layer: int) -> Any:
        """The `Source` of a layer: the sample's events, or the spikes of the layer before."""
        if layer > 0:
            before, weights = buffers.layers[layer - 1], trial.layers[layer].weights
            n_events = buffers.counts[layer - 1]
            return Source(before.sorted_times, before.sorted_neurons, n_events, weights)
        e = 0 if trial.binned else sample
        weights = buffers.summed if trial.binned else trial.layers[0].weights
        return Source(trial.times[e], trial.rows[e], trial.counts[e], weights)

    return model.jit(find_source, allocates=False)


def build_starts(model: CompiledModel) -> tuple[Any, Any]:
    """Initial states, which all samples share, and derivatives by the initial coordinates."""
    jit = partial(model.jit, allocates=False)
    start_layer, backward_start = (
        build_engine(model).start_layer,
        build_gradient(model).backward_start,
    )

    @jit
    def start_layers(trial: Any, buffers: Any) -> None:
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

    @jit
    def finish_layers(trial: Any, buffers: Any, results: Any) -> None:
        """Turn the sum of derivatives by the initial states into that by initial coordinates."""
        for k in range(trial.n_layers):
            backward_start(
                trial.layers[k].initial, trial.constants, buffers.layers[k].by_start,
                results.layers[k].initial,
            )  # fmt: skip

    return start_layers, finish_layers


def build_bins(model: CompiledModel) -> SimpleNamespace:
    """The first layer's product with inputs of which few spike, and its gradient."""
    jit = partial(model.jit, allocates=False)

    @jit
    def list_inputs(bins: Any, n_bins: int, inputs: Any, starts: Any, spare: Any) -> int:
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

    @partial(jit, disjoint=True)
    def add_rows(a: Any, b: Any, c: Any, d: Any, target: Any) -> None:
        """Add four arrays to a fifth, which is read and written only once."""
        for i in range(target.shape[0]):
            target[i] += (a[i] + b[i]) + (c[i] + d[i])

    @jit
    def gather_bins(inputs: Any, starts: Any, weights: Any, summed: Any) -> None:
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

    @jit
    def scatter_bins(bins: Any, inputs: Any, count: int, summed: Any, gradient: Any) -> None:
        """Add each bin's gradient to the gradients of the inputs in it."""
        for k in range(count):
            target, source = gradient[inputs[k]], summed[bins[inputs[k]]]
            for i in range(source.shape[0]):
                target[i] += source[i]

    return SimpleNamespace(
        list_inputs=list_inputs, gather_bins=gather_bins, scatter_bins=scatter_bins
    )


def build_forward(model: CompiledModel, find_source: Any, bins: SimpleNamespace) -> Any:
    """The forward pass of one sample."""
    jit = partial(model.jit, allocates=False)
    engine = build_engine(model)
    forward_layer, order_spikes = engine.forward_layer, engine.order_spikes
    list_inputs, gather_bins, copy_row = bins.list_inputs, bins.gather_bins, build_copy(model)
    ok = int(Status.OK)

    @jit
    def forward_sample(trial: Any, buffers: Any, sample: int) -> Any:
        """Run one sample through all layers; returns status and number of input spikes."""
        n_inputs = trial.counts[0 if trial.binned else sample]
        if trial.binned:
            inputs, starts, n_bins = buffers.inputs, buffers.bin_starts, trial.counts[0]
            n_inputs = list_inputs(trial.bins[sample], n_bins, inputs, starts, buffers.listed)
            gather_bins(inputs, starts, trial.layers[0].weights, buffers.summed[:n_bins])
        status = ok
        for k in range(trial.n_layers):
            layer = buffers.layers[k]
            copy_row(layer.starts, layer.states[0])
            status, count = forward_layer(trial, layer, find_source(trial, buffers, sample, k))
            buffers.counts[k] = count
            if status != ok:
                break
            order_spikes(
                layer.spikes, count, layer.order, layer.spare, layer.sorted_times,
                layer.sorted_neurons,
            )  # fmt: skip
        return status, n_inputs

    return forward_sample


def build_backward(model: CompiledModel, find_source: Any, bins: SimpleNamespace) -> Any:
    """The backward pass of one sample."""
    jit = partial(model.jit, allocates=False)
    backward_layer = build_gradient(model).backward_layer
    scatter_bins = bins.scatter_bins

    @jit
    def backward_one_layer(
        trial: Any, buffers: Any, sample: int, k: int, gradient: Any, want_times: bool
    ) -> None:
        """Go back through one layer."""
        layer = buffers.layers[k]
        source = find_source(trial, buffers, sample, k)
        backward_layer(trial, layer, source, buffers.counts[k], gradient, want_times)
        by_start, adjoints = layer.by_start, layer.adjoints
        for c in range(by_start.shape[0]):
            for i in range(by_start.shape[1]):
                by_start[c, i] += adjoints[c, i]

    @jit
    def backward_sample(
        trial: Any, buffers: Any, sample: int, n_inputs: int, results: Any, want_times: bool
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

    return backward_sample


def build_pseudo_passes(model: CompiledModel, find_source: Any) -> SimpleNamespace:
    """Pseudospikes of one sample, layer by layer, there and back."""
    jit = partial(model.jit, allocates=False)
    pseudo = build_pseudo(model)
    forward_rates, backward_rates = pseudo.forward_rates, pseudo.backward_rates
    add_inputs, inputs_vjp = pseudo.add_inputs, pseudo.inputs_vjp
    add_products = pseudo.add_products
    forward_missing, backward_missing = pseudo.forward_missing, pseudo.backward_missing

    @partial(jit, inlines=True)
    def view_end(trial: Any, buffers: Any, sample: int, k: int) -> Any:
        """The states of a layer at T, shape (n_coordinates, length)."""
        n_events, layer = find_source(trial, buffers, sample, k).n_events, buffers.layers[k]
        return layer.states[(n_events + 1) & layer.mask]

    @jit
    def forward_pseudo(
        trial: Any, buffers: Any, sample: int, slot: int, n_ordinary: Any, output_times: Any
    ) -> None:
        """Rates and pseudo inputs of all layers; fills the missing output times."""
        last = trial.n_layers - 1
        for k in range(last + 1):
            layer = buffers.layers[k]
            pushes, rates = layer.pushes, layer.rates[slot]
            if k == 0:
                for i in range(pushes.shape[0]):
                    pushes[i] = 0.0
            else:
                before = buffers.layers[k - 1]
                add_inputs(before.rates[slot, : before.width], trial.layers[k].weights, pushes)
            end = view_end(trial, buffers, sample, k)
            if k < last:
                forward_rates(end, pushes, trial.real_constants, rates)
            else:
                forward_missing(
                    end, pushes, trial.constants, trial.duration, n_ordinary, output_times
                )

    @jit
    def backward_pseudo(trial: Any, buffers: Any, sample: int, slot: int, n_ordinary: Any) -> None:
        """Derivatives of the pseudospikes by the pseudo inputs and by the states at T."""
        last = trial.n_layers - 1
        for k in range(last, -1, -1):
            layer = buffers.layers[k]
            pushes, by_push, adjoints = layer.pushes, layer.by_push[slot], layer.adjoints
            end = view_end(trial, buffers, sample, k)
            if k == last:
                backward_missing(
                    end, pushes, trial.constants, n_ordinary, buffers.by_time, adjoints, by_push
                )
            else:
                backward_rates(end, pushes, trial.real_constants, layer.by_rate, adjoints, by_push)
            for i in range(layer.width, by_push.shape[0]):
                by_push[i] = 0.0
            if k > 0:
                before = buffers.layers[k - 1]
                inputs_vjp(trial.layers[k].weights, by_push, before.by_rate[: before.width])

    @jit
    def add_pseudo(trial: Any, buffers: Any, n_slots: int, results: Any) -> None:
        """Derivatives by the weights, of several samples at once."""
        for k in range(1, trial.n_layers):
            before, layer = buffers.layers[k - 1], buffers.layers[k]
            for slot in range(n_slots, ROWS_AT_ONCE):
                before.rates[slot] = 0.0
                layer.by_push[slot] = 0.0
            add_products(before.rates[:, : before.width], layer.by_push, results.layers[k].weights)

    return SimpleNamespace(
        forward_pseudo=forward_pseudo, backward_pseudo=backward_pseudo, add_pseudo=add_pseudo
    )
