"""Batches of samples through a feedforward network: forward, loss and backward in one kernel.

Samples are cut into chunks, one per thread; a chunk keeps its buffers from sample to sample and
adds its gradients up in its own arrays, which are then added in order: the result depends on the
number of threads in its last bits, and on nothing else.
"""

from dataclasses import dataclass
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import numpy as np

from sim.encoding import BinnedInput, LatencyInput
from sim.engine import build_engine
from sim.gradient import build_gradient
from sim.loss import Loss, prepare_targets
from sim.pseudo import build_pseudo
from sim.records import Gradients, Input, Network, Outcome, Spikes
from sim.status import Status, raise_status
from sim.threads import get_thread_count, run_on_threads
from spiketheory.compile import CompiledModel
from spiketheory.errors import InputError

MAX_SPIKES = 1_000_000


@dataclass(frozen=True, kw_only=True, eq=False)
class Events:
    """Input events, sorted by time within each sample.

    Attributes:
        times: Shape (n_samples, n_events), or (1, n_events) if all samples share them.
        rows: Row of the first weights, or bin, that each event adds; shape as ``times``.
        counts: Number of events of each sample (of the first, if shared) before or at T.
        bins: Bin of each input, shape (n_samples, n_inputs); no columns if not binned.
        n_inputs: Number of inputs.
    """

    times: np.ndarray
    rows: np.ndarray
    counts: np.ndarray
    bins: np.ndarray
    n_inputs: int

    @property
    def binned(self) -> bool:
        """Whether samples share their event times."""
        return self.bins.shape[1] > 0

    def __len__(self) -> int:
        return len(self.bins)

    def take(self, indices: np.ndarray) -> "Events":
        """The samples at ``indices``."""
        if self.binned:
            return self.with_bins(self.bins[indices])
        return Events(
            times=self.times[indices],
            rows=self.rows[indices],
            counts=self.counts[indices],
            bins=self.bins[indices],
            n_inputs=self.n_inputs,
        )

    def with_bins(self, bins: np.ndarray) -> "Events":
        """The same bin times with other bins."""
        return Events(
            times=self.times, rows=self.rows, counts=self.counts, bins=bins, n_inputs=self.n_inputs
        )


def prepare_events(inputs: Input, *, duration: float) -> Events:
    """Sort the inputs of a batch by time; events after the trial's end are left out.

    Args:
        inputs: Binned or latency input.
        duration: The trial's end T [time].
    """
    if isinstance(inputs, BinnedInput):
        n_bins = len(inputs.times)
        return Events(
            times=inputs.times[None, :],
            rows=np.arange(n_bins)[None, :],
            counts=np.array([np.count_nonzero(inputs.times <= duration)]),
            bins=np.ascontiguousarray(inputs.bins),
            n_inputs=inputs.n_inputs,
        )
    assert isinstance(inputs, LatencyInput)
    counts = np.count_nonzero(inputs.times <= duration, axis=1)
    n_events = int(counts.max(initial=0))
    rows = np.argsort(inputs.times, axis=1, kind="stable")[:, :n_events]
    return Events(
        times=np.take_along_axis(inputs.times, rows, axis=1),
        rows=rows,
        counts=counts,
        bins=np.empty((len(inputs.times), 0), dtype=np.uint8),
        n_inputs=inputs.n_inputs,
    )


def run_batch(
    network: Network,
    inputs: Input | Events,
    targets: np.ndarray,
    loss: Loss,
    *,
    gradient: bool = False,
    max_spikes: int = MAX_SPIKES,
) -> tuple[Outcome, Gradients | None]:
    """Simulate a batch, and go back through it if ``gradient``.

    Args:
        network: The network.
        inputs: One sample per row.
        targets: As the loss wants them, see `sim.loss.prepare_targets`.
        loss: The loss of each sample's output times.
        gradient: Whether to compute derivatives of the mean loss.
        max_spikes: More spikes of a layer in one sample are an error.

    Returns:
        The outcome of every sample, and the gradients (None unless asked for).

    Raises:
        InputError: If shapes do not fit.
        SimulationError: If a sample fires without bound or leaves the number range.
    """
    events = inputs if isinstance(inputs, Events) else prepare_events(
        inputs, duration=network.duration
    )  # fmt: skip
    check_inputs(network, events)
    flat = np.concatenate([w.reshape(-1) for w in network.weights])
    work = make_work(network, events, loss, gradient)
    kernel = build_batch(network.model, loss.function)
    n_outputs = network.layer_sizes[-1]
    wanted = prepare_targets(loss, targets, n_samples=len(events), n_outputs=n_outputs)
    sizes = np.array(network.layer_sizes)

    def run_chunk(c: int) -> None:
        kernel.run_chunk(
            work.limits[c], work.limits[c + 1], events.binned, events.times, events.rows,
            events.counts, events.bins, flat, work.offsets, sizes, network.initial,
            network.constants, network.duration, wanted, loss.settings, gradient, max_spikes,
            work.output_times, work.n_ordinary, work.losses, work.counters, work.weights[c],
            work.initial[c], work.events, work.active[c], work.status[c],
        )  # fmt: skip

    run_on_threads(run_chunk, len(work.status))
    failed = np.flatnonzero(work.status[:, 0])
    if len(failed):
        status, sample = work.status[failed[0]]
        raise_status(int(status), sample=int(sample), limit=max_spikes)
    return collect_outcome(work), collect_gradients(network, events, work) if gradient else None


def check_inputs(network: Network, events: Events) -> None:
    """Raise `InputError` unless the inputs fit the network."""
    if events.n_inputs != network.layer_sizes[0]:
        raise InputError(
            f"Expected {network.layer_sizes[0]} inputs (rows of W0) but got {events.n_inputs}; "
            "give the first layer one row per input."
        )
    if len(events) == 0:
        raise InputError("Expected at least one sample but got none; pass a batch with samples.")


def make_work(network: Network, events: Events, loss: Loss, gradient: bool) -> SimpleNamespace:
    """Allocate the results of a batch and the chunks' buffers."""
    n_samples = len(events)
    n_chunks = min(get_thread_count(), n_samples)
    sizes = network.layer_sizes
    shapes = [n * m for n, m in zip(sizes[:-1], sizes[1:], strict=True)]
    n_weights = sum(shapes) if gradient else 0
    n_events = events.times.shape[1]
    return SimpleNamespace(
        limits=np.linspace(0, n_samples, n_chunks + 1).astype(np.int64),
        offsets=np.concatenate([[0], np.cumsum(shapes)]),
        output_times=np.full((n_samples, sizes[-1], loss.n_required), np.inf),
        n_ordinary=np.zeros((n_samples, sizes[-1]), dtype=np.int64),
        losses=np.zeros((n_samples, 2)),
        counters=np.zeros((n_samples, 2), dtype=np.int64),
        weights=np.zeros((n_chunks, n_weights)),
        initial=np.zeros((n_chunks, network.n_neurons)),
        events=np.zeros((n_samples if gradient else 1, n_events)),
        active=np.zeros((n_chunks, network.n_neurons), dtype=np.bool_),
        status=np.zeros((n_chunks, 2), dtype=np.int64),
    )


def collect_outcome(work: SimpleNamespace) -> Outcome:
    """Make the public record of a batch."""
    return Outcome(
        output_times=work.output_times,
        n_ordinary=work.n_ordinary,
        loss=work.losses[:, 0],
        loss_ordinary=work.losses[:, 1],
        hidden_spikes=work.counters[:, 0],
        synaptic_operations=work.counters[:, 1],
        active=work.active.any(axis=0),
    )


def collect_gradients(network: Network, events: Events, work: SimpleNamespace) -> Gradients:
    """Add up the chunks and divide by the number of samples."""
    n_samples = len(events)
    flat = work.weights.sum(axis=0) / n_samples
    weights = [
        part.reshape(w.shape)
        for part, w in zip(np.split(flat, work.offsets[1:-1]), network.weights, strict=True)
    ]
    if events.binned:
        input_times = work.events.sum(axis=0) / n_samples
    else:
        input_times = np.zeros((n_samples, events.n_inputs))
        np.put_along_axis(input_times, events.rows, work.events / n_samples, axis=1)
    return Gradients(
        weights=tuple(weights),
        initial=work.initial.sum(axis=0) / n_samples,
        input_times=input_times,
    )


def record_spikes(
    network: Network, inputs: Input | Events, *, max_spikes: int = MAX_SPIKES
) -> Spikes:
    """Simulate a batch and return every ordinary spike of every neuron.

    Raises:
        InputError: If shapes do not fit.
        SimulationError: If a sample fires without bound or leaves the number range.
    """
    events = inputs if isinstance(inputs, Events) else prepare_events(
        inputs, duration=network.duration
    )  # fmt: skip
    check_inputs(network, events)
    record = build_batch(network.model, None).record
    flat = np.concatenate([w.reshape(-1) for w in network.weights])
    sizes = np.array(network.layer_sizes)
    offsets = np.concatenate([[0], np.cumsum(sizes[:-1] * sizes[1:])])
    samples, neurons, times = [], [], []
    for b in range(len(events)):
        status, time, neuron = record(
            b, events.binned, events.times, events.rows, events.counts, events.bins, flat,
            offsets, sizes, network.initial, network.constants, network.duration, max_spikes,
        )  # fmt: skip
        raise_status(status, sample=b, limit=max_spikes)
        order = np.lexsort((neuron, time))
        samples.append(np.full(len(time), b))
        neurons.append(neuron[order])
        times.append(time[order])
    return Spikes(
        sample=np.concatenate(samples),
        neuron=np.concatenate(neurons),
        time=np.concatenate(times),
    )


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
        """Buffers of all layers: states, spikes, their counts, orders, times and neurons."""
        n_layers = len(sizes) - 1
        states = [np.empty((2, n_coordinates, sizes[layer + 1])) for layer in range(n_layers)]
        spikes = [new_spikes() for _ in range(n_layers)]
        orders = [np.empty(0, np.int64) for _ in range(n_layers)]
        times = [np.empty(0) for _ in range(n_layers)]
        neurons = [np.empty(0, np.int64) for _ in range(n_layers)]
        return states, spikes, np.zeros(n_layers, np.int64), orders, times, neurons

    @jit
    def forward_sample(
        event_times: Any, event_rows: Any, n_events: int, first_weights: Any, flat: Any,
        offsets: Any, sizes: Any, initial: Any, constants: Any, duration: float,
        max_spikes: int, layers: Any,
    ) -> int:  # fmt: skip
        """Run one sample through all layers; results are in the buffers."""
        states, spikes, counts, orders, times, neurons = layers
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
            start_layer(initial[first : first + width], states[layer][0], constants)
            status, found, count = forward_layer(
                states[layer], event_times, event_rows, n_events, weights,
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
        states, _, counts, _, _, _ = layers
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
                forward_missing(
                    end, inputs[layer], constants, duration, n_ordinary, output_times
                )
        return rates, inputs

    @jit
    def backward_pseudo(
        layers: Any, n_events: int, rates: Any, inputs: Any, flat: Any, flat_gradient: Any,
        offsets: Any, sizes: Any, constants: Any, n_ordinary: Any, time_gradient: Any,
        covectors: Any,
    ) -> None:  # fmt: skip
        """Derivatives of the pseudospikes by weights and by the states at T."""
        states, _, counts, _, _, _ = layers
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
        spike_gradient: Any, event_gradient: Any,
    ) -> None:  # fmt: skip
        """Go back through all layers of one sample."""
        states, spikes, counts, orders, times, neurons = layers
        first = len(initial)
        for layer in range(len(sizes) - 2, -1, -1):
            width = sizes[layer + 1]
            first -= width
            if layer > 0:
                by_event = np.empty(counts[layer - 1])
                backward_layer(
                    states[layer], times[layer - 1], neurons[layer - 1], counts[layer - 1],
                    view_weights(flat, offsets, sizes, layer), duration, constants,
                    spikes[layer], counts[layer], spike_gradient, covectors[layer],
                    view_weights(flat_gradient, offsets, sizes, layer), by_event,
                )  # fmt: skip
                spike_gradient = np.empty(counts[layer - 1])
                for k in range(counts[layer - 1]):
                    spike_gradient[orders[layer - 1][k]] = by_event[k]
            else:
                backward_layer(
                    states[0], event_times, event_rows, n_events, first_weights, duration,
                    constants, spikes[0], counts[0], spike_gradient, covectors[0],
                    first_gradient, event_gradient,
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
        _, _, counts, _, times, neurons = layers
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
        _, _, counts, _, _, neurons = layers
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
        max_spikes: int, output_times: Any, n_ordinary: Any, losses: Any, counters: Any,
        flat_gradient: Any, initial_gradient: Any, event_gradient: Any, active: Any, ended: Any,
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
                layers[4][n_layers - 1], layers[5][n_layers - 1], layers[3][n_layers - 1],
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
            if not want_gradient:
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
            spike_gradient = np.zeros(layers[2][n_layers - 1])
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
                layers, covectors, spike_gradient, event_gradient[b],
            )  # fmt: skip
            if binned:
                scatter_bins(bins[b], summed, first_gradient)

    return run_chunk
