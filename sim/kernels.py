"""One sample through all layers of a feedforward network, there and back, in compiled code.

`build_batch` closes `run_chunk` and `record` over a model and a loss. A chunk is a run of samples
that one thread takes one after the other; it keeps its buffers from sample to sample and adds its
gradients up in arrays of its own.

``layers`` is a tuple of lists with one entry per layer: states, scales, spike buffers, numbers of
spikes, the spikes' order in time, and their times and neurons in that order (see `sim.engine`).
"""

from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import numpy as np

from sim.engine import EVENTS_PER_SCALING, build_engine
from sim.gradient import build_gradient
from sim.pseudo import build_pseudo
from sim.status import Status
from spiketheory.compile import CompiledModel


@lru_cache(maxsize=32)
def build_batch(model: CompiledModel, loss: Any) -> SimpleNamespace:
    """Close the batch kernel over a model and a loss.

    Args:
        model: The compiled model.
        loss: The loss's function; None if only spikes are to be recorded.

    Returns:
        ``run_chunk`` (None without a loss) and ``record``, compiled for the model's backend.
    """
    network = build_network(model)
    record = build_record(model, network)
    run_chunk = None if loss is None else build_run_chunk(model, network, model.jit(loss))
    return SimpleNamespace(run_chunk=run_chunk, record=record)


@lru_cache(maxsize=32)
def build_network(model: CompiledModel) -> SimpleNamespace:
    """The passes of one sample through all layers."""
    engine, gradient, pseudo = build_engine(model), build_gradient(model), build_pseudo(model)
    jit = model.jit
    n_coordinates = len(model.coordinates)
    ok = int(Status.OK)
    start_layer, forward_layer = engine.start_layer, engine.forward_layer
    order_spikes, new_spikes = engine.order_spikes, engine.new_spikes
    backward_layer, backward_start = gradient.backward_layer, gradient.backward_start
    forward_rates, backward_rates = pseudo.forward_rates, pseudo.backward_rates
    add_inputs, pull_inputs = pseudo.add_inputs, pseudo.pull_inputs
    forward_missing, backward_missing = pseudo.forward_missing, pseudo.backward_missing

    @jit
    def view_weights(flat: Any, offsets: Any, sizes: Any, layer: int) -> Any:
        """The weights of a layer, or their gradient, as a matrix (n_pre, n_post)."""
        part = flat[offsets[layer] : offsets[layer + 1]]
        return part.reshape(sizes[layer], sizes[layer + 1])

    @jit
    def gather_bins(bins: Any, weights: Any, n_bins: int) -> Any:
        """Sum the weights of all inputs in each bin, shape (n_bins, n_post)."""
        summed = np.zeros((n_bins, weights.shape[1]))
        for m in range(bins.shape[0]):
            v = bins[m]
            if v < n_bins:
                target, source = summed[v], weights[m]
                for i in range(source.shape[0]):
                    target[i] += source[i]
        return summed

    @jit
    def scatter_bins(bins: Any, summed: Any, gradient: Any) -> None:
        """Add each bin's gradient to the gradients of the inputs in it."""
        for m in range(bins.shape[0]):
            v = bins[m]
            if v < summed.shape[0]:
                target, source = gradient[m], summed[v]
                for i in range(source.shape[0]):
                    target[i] += source[i]

    @jit
    def new_layers(sizes: Any) -> Any:
        """Buffers of all layers, empty."""
        n_layers = len(sizes) - 1
        states = [np.empty((2, n_coordinates, sizes[layer + 1])) for layer in range(n_layers)]
        scales = [np.empty((1, sizes[layer + 1])) for layer in range(n_layers)]
        spikes = [new_spikes() for _ in range(n_layers)]
        orders = [np.empty(0, np.int64) for _ in range(n_layers)]
        times = [np.empty(0) for _ in range(n_layers)]
        neurons = [np.empty(0, np.int64) for _ in range(n_layers)]
        return states, scales, spikes, np.zeros(n_layers, np.int64), orders, times, neurons

    @jit
    def forward_sample(
        event_times: Any, event_rows: Any, n_events: int, first_weights: Any, flat: Any,
        offsets: Any, sizes: Any, initial: Any, constants: Any, duration: float,
        max_spikes: int, layers: Any,
    ) -> int:  # fmt: skip
        """Run one sample through all layers; results are in the buffers."""
        states, scales, spikes, counts, orders, times, neurons = layers
        first = 0
        for layer in range(len(sizes) - 1):
            width = sizes[layer + 1]
            weights = first_weights
            if layer > 0:
                event_times, event_rows = times[layer - 1], neurons[layer - 1]
                n_events = counts[layer - 1]
                weights = view_weights(flat, offsets, sizes, layer)
            if states[layer].shape[0] < n_events + 2:
                states[layer] = np.empty((2 * (n_events + 2), n_coordinates, width))
                scales[layer] = np.empty((states[layer].shape[0] // EVENTS_PER_SCALING + 1, width))
            start_layer(initial[first : first + width], states[layer][0], constants)
            status, found, count = forward_layer(
                states[layer], scales[layer], event_times, event_rows, n_events, weights,
                duration, constants, spikes[layer], max_spikes,
            )  # fmt: skip
            spikes[layer] = found
            counts[layer] = count
            if status != ok:
                return status
            order = order_spikes(found, count)
            orders[layer] = order
            times[layer] = np.empty(count)
            neurons[layer] = np.empty(count, np.int64)
            for k in range(count):
                times[layer][k] = found[0][order[k]]
                neurons[layer][k] = found[1][order[k]]
            first += width
        return ok

    @jit
    def collect_outputs(times: Any, neurons: Any, order: Any, n_ordinary: Any,
                        output_times: Any, sources: Any) -> None:  # fmt: skip
        """Write the first spikes of every output neuron and which spikes they are."""
        required = output_times.shape[1]
        for k in range(times.shape[0]):
            i = neurons[k]
            if n_ordinary[i] < required:
                output_times[i, n_ordinary[i]] = times[k]
                sources[i, n_ordinary[i]] = order[k]
                n_ordinary[i] += 1

    @jit
    def forward_pseudo(
        layers: Any, n_events: int, flat: Any, offsets: Any, sizes: Any, constants: Any,
        duration: float, n_ordinary: Any, output_times: Any,
    ) -> Any:  # fmt: skip
        """Rates and pseudo inputs of all layers; fills the missing output times."""
        states, _, _, counts, _, _, _ = layers
        n_layers = len(sizes) - 1
        rates = [np.zeros(sizes[layer + 1]) for layer in range(n_layers)]
        inputs = [np.zeros(sizes[layer + 1]) for layer in range(n_layers)]
        for layer in range(n_layers):
            n = n_events if layer == 0 else counts[layer - 1]
            if layer > 0:
                weights = view_weights(flat, offsets, sizes, layer)
                add_inputs(rates[layer - 1], weights, inputs[layer])
            end = states[layer][n + 1]
            if layer < n_layers - 1:
                forward_rates(end, inputs[layer], constants, rates[layer])
            else:
                forward_missing(end, inputs[layer], constants, duration, n_ordinary, output_times)
        return rates, inputs

    @jit
    def backward_pseudo(
        layers: Any, n_events: int, rates: Any, inputs: Any, flat: Any, flat_gradient: Any,
        offsets: Any, sizes: Any, constants: Any, n_ordinary: Any, time_gradient: Any,
        covectors: Any,
    ) -> None:  # fmt: skip
        """Derivatives of the pseudospikes by weights and by the states at T."""
        states, _, _, counts, _, _, _ = layers
        n_layers = len(sizes) - 1
        rate_gradient = np.zeros(sizes[n_layers])
        for layer in range(n_layers - 1, -1, -1):
            n = n_events if layer == 0 else counts[layer - 1]
            end = states[layer][n + 1]
            input_gradient = np.zeros(sizes[layer + 1])
            if layer == n_layers - 1:
                backward_missing(
                    end, inputs[layer], constants, n_ordinary, time_gradient,
                    covectors[layer], input_gradient,
                )  # fmt: skip
            else:
                backward_rates(
                    end, inputs[layer], constants, rate_gradient, covectors[layer],
                    input_gradient,
                )  # fmt: skip
            if layer > 0:
                rate_gradient = np.empty(sizes[layer])
                pull_inputs(
                    rates[layer - 1],
                    view_weights(flat, offsets, sizes, layer),
                    input_gradient,
                    view_weights(flat_gradient, offsets, sizes, layer),
                    rate_gradient,
                )

    @jit
    def backward_sample(
        event_times: Any, event_rows: Any, n_events: int, first_weights: Any, first_gradient: Any,
        flat: Any, flat_gradient: Any, offsets: Any, sizes: Any, initial: Any,
        initial_gradient: Any, constants: Any, duration: float, layers: Any, covectors: Any,
        spike_gradient: Any, event_gradient: Any, want_times: bool,
    ) -> None:  # fmt: skip
        """Go back through all layers of one sample."""
        states, scales, spikes, counts, orders, times, neurons = layers
        first = len(initial)
        for layer in range(len(sizes) - 2, -1, -1):
            width = sizes[layer + 1]
            first -= width
            if layer > 0:
                by_event = np.empty(counts[layer - 1])
                backward_layer(
                    states[layer], scales[layer], times[layer - 1], neurons[layer - 1],
                    counts[layer - 1],
                    view_weights(flat, offsets, sizes, layer), duration, constants,
                    spikes[layer], counts[layer], spike_gradient, covectors[layer],
                    view_weights(flat_gradient, offsets, sizes, layer), by_event, True,
                )  # fmt: skip
                spike_gradient = np.empty(counts[layer - 1])
                for k in range(counts[layer - 1]):
                    spike_gradient[orders[layer - 1][k]] = by_event[k]
            else:
                backward_layer(
                    states[0], scales[0], event_times, event_rows, n_events, first_weights,
                    duration, constants, spikes[0], counts[0], spike_gradient, covectors[0],
                    first_gradient, event_gradient, want_times,
                )  # fmt: skip
            backward_start(
                initial[first : first + width], constants, covectors[layer],
                initial_gradient[first : first + width],
            )  # fmt: skip

    return SimpleNamespace(
        view_weights=view_weights,
        gather_bins=gather_bins,
        scatter_bins=scatter_bins,
        new_layers=new_layers,
        forward_sample=forward_sample,
        collect_outputs=collect_outputs,
        forward_pseudo=forward_pseudo,
        backward_pseudo=backward_pseudo,
        backward_sample=backward_sample,
    )


def build_record(model: CompiledModel, network: SimpleNamespace) -> Any:
    """The kernel that returns all spikes of one sample."""
    view_weights, gather_bins = network.view_weights, network.gather_bins
    new_layers, forward_sample = network.new_layers, network.forward_sample
    ok = int(Status.OK)

    def record(
        b: int, binned: bool, event_times: Any, event_rows: Any, event_counts: Any, bins: Any,
        flat: Any, offsets: Any, sizes: Any, initial: Any, constants: Any, duration: float,
        max_spikes: int,
    ) -> Any:  # fmt: skip
        e = 0 if binned else b
        first_weights = view_weights(flat, offsets, sizes, 0)
        if binned:
            first_weights = gather_bins(bins[b], first_weights, event_times.shape[1])
        layers = new_layers(sizes)
        status = forward_sample(
            event_times[e], event_rows[e], event_counts[e], first_weights, flat, offsets, sizes,
            initial, constants, duration, max_spikes, layers,
        )  # fmt: skip
        _, _, _, counts, _, times, neurons = layers
        all_times = np.empty(np.sum(counts))
        all_neurons = np.empty(np.sum(counts), np.int64)
        place, first = 0, 0
        for layer in range(len(sizes) - 1):
            if status == ok:
                for k in range(counts[layer]):
                    all_times[place] = times[layer][k]
                    all_neurons[place] = neurons[layer][k] + first
                    place += 1
            first += sizes[layer + 1]
        return status, all_times, all_neurons

    return model.jit(record)


def build_run_chunk(model: CompiledModel, network: SimpleNamespace, loss: Any) -> Any:
    """The kernel that runs a chunk of samples."""
    jit = model.jit
    n_coordinates = len(model.coordinates)
    view_weights, gather_bins = network.view_weights, network.gather_bins
    scatter_bins, new_layers = network.scatter_bins, network.new_layers
    forward_sample, collect_outputs = network.forward_sample, network.collect_outputs
    forward_pseudo, backward_pseudo = network.forward_pseudo, network.backward_pseudo
    backward_sample = network.backward_sample

    @jit
    def count_operations(layers: Any, sizes: Any, counters: Any, active: Any) -> None:
        """Count hidden spikes and the synaptic operations they cause; mark active neurons."""
        _, _, _, counts, _, _, neurons = layers
        first = 0
        for layer in range(len(sizes) - 1):
            if layer < len(sizes) - 2:
                counters[0] += counts[layer]
                counters[1] += counts[layer] * sizes[layer + 2]
            for i in neurons[layer]:
                active[first + i] = True
            first += sizes[layer + 1]

    @jit
    def run_chunk(
        first: int, last: int, binned: bool, event_times: Any, event_rows: Any,
        event_counts: Any, bins: Any, flat: Any, offsets: Any, sizes: Any, initial: Any,
        constants: Any, duration: float, targets: Any, settings: Any, want_gradient: bool,
        want_times: bool, max_spikes: int, output_times: Any, n_ordinary: Any, losses: Any,
        counters: Any, flat_gradient: Any, initial_gradient: Any, event_gradient: Any, active: Any,
        ended: Any,
    ) -> None:  # fmt: skip
        """Run the samples ``first`` to ``last`` one after the other."""
        layers = new_layers(sizes)
        n_layers = len(sizes) - 1
        n_events_max = event_times.shape[1]
        n_outputs, required = output_times.shape[1], output_times.shape[2]
        sources = np.empty((n_outputs, required), np.int64)
        time_gradient = np.empty((n_outputs, required))
        clipped = np.empty((n_outputs, required))
        weights = view_weights(flat, offsets, sizes, 0)
        for b in range(first, last):
            e = 0 if binned else b
            n_events = event_counts[e]
            first_weights = weights
            if binned:
                first_weights = gather_bins(bins[b], weights, n_events_max)
            status = forward_sample(
                event_times[e], event_rows[e], n_events, first_weights, flat, offsets, sizes,
                initial, constants, duration, max_spikes, layers,
            )  # fmt: skip
            if status != 0:
                ended[0], ended[1] = status, b
                return
            n_inputs = n_events
            if binned:
                n_inputs = 0
                for v in bins[b]:
                    n_inputs += v < n_events
            counters[b, 1] = n_inputs * sizes[1]
            count_operations(layers, sizes, counters[b], active)
            collect_outputs(
                layers[5][n_layers - 1], layers[6][n_layers - 1], layers[4][n_layers - 1],
                n_ordinary[b], output_times[b], sources,
            )  # fmt: skip
            missing = False
            for i in range(n_outputs):
                missing = missing or n_ordinary[b, i] < required
            if missing:
                rates, inputs = forward_pseudo(
                    layers, n_events, flat, offsets, sizes, constants, duration,
                    n_ordinary[b], output_times[b],
                )  # fmt: skip
            for i in range(n_outputs):
                for k in range(required):
                    clipped[i, k] = min(output_times[b, i, k], duration)
            losses[b, 1] = loss(clipped, targets[b], settings, time_gradient)
            losses[b, 0] = loss(output_times[b], targets[b], settings, time_gradient)
            if not want_gradient:
                continue
            covectors = [np.zeros((n_coordinates, sizes[k + 1])) for k in range(n_layers)]
            if missing:
                backward_pseudo(
                    layers, n_events, rates, inputs, flat, flat_gradient, offsets, sizes,
                    constants, n_ordinary[b], time_gradient, covectors,
                )  # fmt: skip
            spike_gradient = np.zeros(layers[3][n_layers - 1])
            for i in range(n_outputs):
                for k in range(n_ordinary[b, i]):
                    spike_gradient[sources[i, k]] = time_gradient[i, k]
            first_gradient = view_weights(flat_gradient, offsets, sizes, 0)
            summed = first_gradient
            if binned:
                summed = np.zeros((n_events_max, sizes[1]))
            backward_sample(
                event_times[e], event_rows[e], n_events, first_weights, summed, flat,
                flat_gradient, offsets, sizes, initial, initial_gradient, constants, duration,
                layers, covectors, spike_gradient, event_gradient[b], want_times,
            )  # fmt: skip
            if binned:
                scatter_bins(bins[b], summed, first_gradient)

    return run_chunk
