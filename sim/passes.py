"""One sample through all layers of a feedforward network, there and back, in compiled code.

Layer by layer, the sorted spikes of one are the input events of the next. What a sample leaves
behind is in `sim.buffers.Buffers`.
"""

from functools import lru_cache, partial
from types import SimpleNamespace
from typing import Any

from sim.buffers import Layer, Spikes
from sim.engine import build_engine
from sim.gradient import build_gradient
from sim.pseudo import ROWS_AT_ONCE, build_pseudo
from sim.status import Status
from spiketheory.compile import CompiledModel


@lru_cache(maxsize=32)
def build_network(model: CompiledModel) -> SimpleNamespace:
    """The passes of one sample through all layers."""
    views = build_views(model)
    bins = build_bins(model)
    pseudo = build_pseudo_passes(model, views)
    start_layers, finish_layers = build_starts(model, views)
    return SimpleNamespace(
        start_layers=start_layers,
        finish_layers=finish_layers,
        forward_sample=build_forward(model, views, bins),
        backward_sample=build_backward(model, views, bins),
        forward_pseudo=pseudo.forward_pseudo,
        backward_pseudo=pseudo.backward_pseudo,
        add_pseudo=pseudo.add_pseudo,
    )


def build_views(model: CompiledModel) -> SimpleNamespace:
    """Functions that show a part of flat memory as the array of one layer."""
    jit = partial(model.jit, allocates=False, inlines=True)
    n_coordinates = len(model.coordinates)

    @jit
    def view_weights(flat: Any, trial: Any, layer: int) -> Any:
        """The weights of a layer, or their gradient, as a matrix (n_pre, n_post)."""
        part = flat[trial.offsets[layer] : trial.offsets[layer + 1]]
        return part.reshape(trial.sizes[layer], trial.lengths[layer + 1])

    @jit
    def view_states(buffers: Any, layer: int, width: int) -> Any:
        """The states of a layer before all events, shape (n_rows, n_coordinates, width)."""
        offsets = buffers.state_offsets
        part = buffers.states[offsets[layer] : offsets[layer + 1]]
        return part.reshape(part.shape[0] // (n_coordinates * width), n_coordinates, width)

    @jit
    def view_scales(buffers: Any, layer: int, width: int) -> Any:
        """The powers of two of a layer, shape (n_rows, width)."""
        offsets = buffers.scale_offsets
        part = buffers.scales[offsets[layer] : offsets[layer + 1]]
        return part.reshape(part.shape[0] // width, width)

    @jit
    def view_layer(flat: Any, first: int, width: int) -> Any:
        """Coordinates, or derivatives by them, of a layer, shape (n_coordinates, width)."""
        part = flat[n_coordinates * first : n_coordinates * (first + width)]
        return part.reshape(n_coordinates, width)

    @jit
    def count_events(trial: Any, buffers: Any, sample: int, layer: int) -> int:
        """Number of events that a layer receives."""
        if layer > 0:
            return buffers.counts[layer - 1]
        return trial.counts[0 if trial.binned else sample]

    @jit
    def view_end(trial: Any, buffers: Any, sample: int, layer: int) -> Any:
        """The states of a layer at T, shape (n_coordinates, width)."""
        states = view_states(buffers, layer, trial.lengths[layer + 1])
        return states[(count_events(trial, buffers, sample, layer) + 1) & trial.mask]

    return SimpleNamespace(
        view_weights=view_weights,
        view_states=view_states,
        view_scales=view_scales,
        view_layer=view_layer,
        view_end=view_end,
    )


def build_starts(model: CompiledModel, views: SimpleNamespace) -> tuple[Any, Any]:
    """Initial states, which all samples share, and derivatives by the initial coordinates."""
    jit = partial(model.jit, allocates=False)
    start_layer, backward_start = (
        build_engine(model).start_layer,
        build_gradient(model).backward_start,
    )
    view_layer = views.view_layer

    @jit
    def start_layers(trial: Any, buffers: Any) -> None:
        """Compute the initial states of all layers once for all samples."""
        first = begin = 0
        for layer in range(len(trial.sizes) - 1):
            end = begin + trial.sizes[layer + 1]
            starts = view_layer(buffers.starts, first, trial.lengths[layer + 1])
            start_layer(trial.initial[begin:end], starts, trial.constants)
            first += trial.lengths[layer + 1]
            begin = end

    @jit
    def finish_layers(trial: Any, buffers: Any, gradient: Any) -> None:
        """Turn the sum of derivatives by the initial states into that by initial coordinates."""
        first = begin = 0
        for layer in range(len(trial.sizes) - 1):
            end = begin + trial.sizes[layer + 1]
            by_start = view_layer(buffers.by_start, first, trial.lengths[layer + 1])
            backward_start(trial.initial[begin:end], trial.constants, by_start, gradient[begin:end])
            first += trial.lengths[layer + 1]
            begin = end

    return start_layers, finish_layers


def build_bins(model: CompiledModel) -> SimpleNamespace:
    """The first layer's product with inputs of which few spike, and its gradient."""
    jit = partial(model.jit, allocates=False)

    @jit
    def list_inputs(bins: Any, n_bins: int, inputs: Any, starts: Any, spare: Any) -> int:
        """List the inputs that spike, bin by bin; returns their number.

        Those of bin v are ``inputs[starts[v] : starts[v + 1]]``.
        """
        count = 0
        for m in range(bins.shape[0]):
            spare[count] = m
            count += bins[m] < n_bins
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


def build_forward(model: CompiledModel, views: SimpleNamespace, bins: SimpleNamespace) -> Any:
    """The forward pass of one sample."""
    jit = partial(model.jit, allocates=False)
    engine = build_engine(model)
    forward_layer, order_spikes = engine.forward_layer, engine.order_spikes
    view_weights, view_scales, view_layer = (
        views.view_weights, views.view_scales, views.view_layer,
    )  # fmt: skip
    list_inputs, gather_bins = bins.list_inputs, bins.gather_bins
    ok = int(Status.OK)
    view_trial = build_view_trial(model, views)

    @jit
    def forward_one_layer(
        trial: Any, buffers: Any, layer: int, first: int, times: Any, rows: Any, n_events: int,
        weights: Any,
    ) -> int:  # fmt: skip
        """Run one layer and sort its spikes."""
        length = trial.lengths[layer + 1]
        viewed = view_trial(trial, buffers, layer, times, rows, n_events, weights)
        starts = view_layer(buffers.starts, first, length)
        for c in range(starts.shape[0]):
            for i in range(length):
                viewed.states[0, c, i] = starts[c, i]
        scales = view_scales(buffers, layer, length)
        status, count = forward_layer(viewed, scales, trial.limits)
        buffers.counts[layer] = count
        if status == ok:
            order_spikes(
                viewed.spikes, count, buffers.orders[layer], buffers.order,
                buffers.sorted_times[layer], buffers.sorted_neurons[layer],
            )  # fmt: skip
        return status

    @jit
    def forward_sample(trial: Any, buffers: Any, sample: int) -> Any:
        """Run one sample through all layers; returns status and number of input spikes."""
        e = 0 if trial.binned else sample
        n_inputs = trial.counts[e]
        weights = view_weights(trial.weights, trial, 0)
        if trial.binned:
            own = trial.bins[sample]
            inputs, starts, n_bins = buffers.inputs, buffers.bin_starts, trial.counts[0]
            n_inputs = list_inputs(own, n_bins, inputs, starts, buffers.listed)
            gather_bins(inputs, starts, weights, buffers.summed[:n_bins])
            weights = buffers.summed
        status = forward_one_layer(
            trial, buffers, 0, 0, trial.times[e], trial.rows[e], trial.counts[e], weights
        )
        first = 0
        for layer in range(1, len(trial.sizes) - 1):
            if status != ok:
                break
            first += trial.lengths[layer]
            status = forward_one_layer(
                trial, buffers, layer, first, buffers.sorted_times[layer - 1],
                buffers.sorted_neurons[layer - 1], buffers.counts[layer - 1],
                view_weights(trial.weights, trial, layer),
            )  # fmt: skip
        return status, n_inputs

    return forward_sample


def build_view_trial(model: CompiledModel, views: SimpleNamespace) -> Any:
    """The function that shows what the passes through one layer need."""
    view_states = views.view_states

    def view_trial(
        trial: Any, buffers: Any, layer: int, times: Any, rows: Any, n_events: int, weights: Any
    ) -> Any:
        """A `Layer` whose events come at these times, with these rows of the weights."""
        all_spikes = buffers.spikes
        spikes = Spikes(
            all_spikes.times[layer], all_spikes.neurons[layer], all_spikes.segments[layer],
            all_spikes.waits[layer], all_spikes.lefts[layer], all_spikes.starts[layer],
        )  # fmt: skip
        return Layer(
            view_states(buffers, layer, trial.lengths[layer + 1]), trial.mask,
            buffers.steps[layer], times, rows, n_events, weights, trial.sizes[layer + 1],
            trial.duration, trial.constants, trial.narrow, spikes, trial.max_spikes,
            buffers.scratch,
        )  # fmt: skip

    return model.jit(view_trial, allocates=False, inlines=True)


def build_backward(model: CompiledModel, views: SimpleNamespace, bins: SimpleNamespace) -> Any:
    """The backward pass of one sample."""
    jit = partial(model.jit, allocates=False)
    gradient = build_gradient(model)
    backward_layer = gradient.backward_layer
    view_weights, view_scales, view_layer = (
        views.view_weights, views.view_scales, views.view_layer,
    )  # fmt: skip
    view_trial = build_view_trial(model, views)
    scatter_bins = bins.scatter_bins

    @jit
    def backward_one_layer(
        trial: Any, buffers: Any, layer: int, first: int, times: Any, rows: Any, n_events: int,
        weights: Any, weight_gradient: Any, want_times: bool,
    ) -> None:  # fmt: skip
        """Go back through one layer."""
        width = trial.lengths[layer + 1]
        covectors = view_layer(buffers.covectors, first, width)
        backward_layer(
            view_trial(trial, buffers, layer, times, rows, n_events, weights),
            view_scales(buffers, layer, width), buffers.counts[layer], buffers.by_spike, covectors,
            weight_gradient, buffers.by_event, want_times,
            (buffers.unwound, buffers.pulled, buffers.pulls, buffers.kept, buffers.slips,
             buffers.unused),
        )  # fmt: skip
        by_start = view_layer(buffers.by_start, first, width)
        for c in range(by_start.shape[0]):
            for i in range(width):
                by_start[c, i] += covectors[c, i]

    @jit
    def backward_sample(
        trial: Any, buffers: Any, sample: int, n_inputs: int, flat_gradient: Any,
        want_times: bool,
    ) -> None:  # fmt: skip
        """Go back through all layers of one sample; what it adds to is its thread's own."""
        first = trial.lengths[1:].sum()
        for layer in range(len(trial.sizes) - 2, 0, -1):
            first -= trial.lengths[layer + 1]
            before = layer - 1
            backward_one_layer(
                trial, buffers, layer, first, buffers.sorted_times[before],
                buffers.sorted_neurons[before], buffers.counts[before],
                view_weights(trial.weights, trial, layer),
                view_weights(flat_gradient, trial, layer), True,
            )  # fmt: skip
            for k in range(buffers.counts[before]):
                buffers.by_spike[buffers.orders[before, k]] = buffers.by_event[k]
        e = 0 if trial.binned else sample
        weights = view_weights(trial.weights, trial, 0)
        weight_gradient = view_weights(flat_gradient, trial, 0)
        gradient = weight_gradient
        if trial.binned:
            weights, gradient = buffers.summed, buffers.summed_gradient
            for v in range(gradient.shape[0]):
                for i in range(gradient.shape[1]):
                    gradient[v, i] = 0.0
        backward_one_layer(
            trial, buffers, 0, 0, trial.times[e], trial.rows[e], trial.counts[e], weights,
            gradient, want_times,
        )  # fmt: skip
        if trial.binned:
            scatter_bins(trial.bins[sample], buffers.inputs, n_inputs, gradient, weight_gradient)

    return backward_sample


def build_pseudo_passes(model: CompiledModel, views: SimpleNamespace) -> SimpleNamespace:
    """Pseudospikes of one sample, layer by layer, there and back."""
    jit = partial(model.jit, allocates=False)
    pseudo = build_pseudo(model)
    forward_rates, backward_rates = pseudo.forward_rates, pseudo.backward_rates
    add_inputs, pull_inputs = pseudo.add_inputs, pseudo.pull_inputs
    add_products = pseudo.add_products
    forward_missing, backward_missing = pseudo.forward_missing, pseudo.backward_missing
    view_weights, view_end = views.view_weights, views.view_end
    view_layer = views.view_layer

    @jit
    def forward_pseudo(
        trial: Any, buffers: Any, sample: int, slot: int, n_ordinary: Any, output_times: Any
    ) -> None:
        """Rates and pseudo inputs of all layers; fills the missing output times."""
        all_rates = buffers.rates[slot]
        n_layers = len(trial.sizes) - 1
        first = 0
        for i in range(trial.lengths[1]):
            buffers.pushes[i] = 0.0
        for layer in range(n_layers):
            last = first + trial.lengths[layer + 1]
            pushes = buffers.pushes[first:last]
            if layer > 0:
                before = first - trial.lengths[layer]
                rates = all_rates[before : before + trial.sizes[layer]]
                add_inputs(rates, view_weights(trial.weights, trial, layer), pushes)
            end = view_end(trial, buffers, sample, layer)
            if layer < n_layers - 1:
                forward_rates(end, pushes, trial.narrow, all_rates[first:last])
            else:
                forward_missing(
                    end, pushes, trial.constants, trial.duration, n_ordinary, output_times
                )
            first = last

    @jit
    def backward_pseudo(trial: Any, buffers: Any, sample: int, slot: int, n_ordinary: Any) -> None:
        """Derivatives of the pseudospikes by the pseudo inputs and by the states at T."""
        n_layers = len(trial.sizes) - 1
        last = buffers.pushes.shape[0]
        for layer in range(n_layers - 1, -1, -1):
            first = last - trial.lengths[layer + 1]
            pushes, by_push = buffers.pushes[first:last], buffers.by_push[slot, first:last]
            end = view_end(trial, buffers, sample, layer)
            covectors = view_layer(buffers.covectors, first, last - first)
            if layer == n_layers - 1:
                backward_missing(
                    end, pushes, trial.constants, n_ordinary, buffers.by_time, covectors, by_push
                )
            else:
                backward_rates(
                    end, pushes, trial.narrow, buffers.by_rate[first:last], covectors, by_push
                )
            for i in range(trial.sizes[layer + 1], last - first):
                by_push[i] = 0.0
            if layer > 0:
                before = first - trial.lengths[layer]
                pull_inputs(
                    view_weights(trial.weights, trial, layer), by_push,
                    buffers.by_rate[before : before + trial.sizes[layer]],
                )  # fmt: skip
            last = first

    @jit
    def add_pseudo(trial: Any, buffers: Any, n_slots: int, flat_gradient: Any) -> None:
        """Derivatives by the weights, of several samples at once."""
        first = 0
        for slot in range(n_slots, ROWS_AT_ONCE):
            buffers.by_push[slot] = 0.0
        for layer in range(1, len(trial.sizes) - 1):
            middle = first + trial.lengths[layer]
            last = middle + trial.lengths[layer + 1]
            add_products(
                buffers.rates[:, first : first + trial.sizes[layer]],
                buffers.by_push[:, middle:last], view_weights(flat_gradient, trial, layer),
            )  # fmt: skip
            first = middle

    return SimpleNamespace(
        forward_pseudo=forward_pseudo, backward_pseudo=backward_pseudo, add_pseudo=add_pseudo
    )
