"""Chunks of samples through a feedforward network, in compiled code.

`build_batch` closes `run_chunk` and `run_one` over a model and a loss. A chunk is a run of samples
that one thread takes one after the other, with buffers (see `sim.layers.buffers`) of its own and,
if they are wanted, gradients.
"""

from functools import lru_cache, partial
from types import SimpleNamespace
from typing import Any

from sim.layers.pseudospikes import ROWS_AT_ONCE
from sim.layers.sample import build_network
from sim.status import Status
from spiketheory.machine.compile import CompiledModel


@lru_cache(maxsize=32)
def build_batch(model: CompiledModel, loss: Any) -> SimpleNamespace:
    """Close the batch kernels over a model and a loss.

    Args:
        model: The compiled model.
        loss: The loss's function; None if only spikes are wanted.

    Returns:
        ``run_chunk`` (None without a loss) and ``run_one``, compiled for the model's backend.
    """
    network = build_network(model)
    run_chunk = None if loss is None else build_run_chunk(model, network, model.jit(loss))
    return SimpleNamespace(run_chunk=run_chunk, run_one=build_run_one(model, network))


def build_run_one(model: CompiledModel, network: SimpleNamespace) -> Any:
    """The kernel that runs a single sample forward."""
    start_layers, forward_sample = network.start_layers, network.forward_sample

    def run_one(trial: Any, buffers: Any, sample: int) -> int:
        """Run one sample; its spikes are in the buffers."""
        start_layers(trial, buffers)
        status, _ = forward_sample(trial, buffers, sample)
        return status

    return model.jit(run_one, allocates=False)


def build_run_chunk(model: CompiledModel, network: SimpleNamespace, loss: Any) -> Any:
    """The kernel that runs a chunk of samples."""
    jit = partial(model.jit, allocates=False)
    forward_sample, backward_sample = network.forward_sample, network.backward_sample
    forward_pseudo, backward_pseudo = network.forward_pseudo, network.backward_pseudo
    add_pseudo = network.add_pseudo
    start_layers, finish_layers = network.start_layers, network.finish_layers
    records = build_records(model)
    count_operations, collect_outputs = records.count_operations, records.collect_outputs
    start_backward, clip_times = records.start_backward, records.clip_times
    ok = int(Status.OK)

    @jit
    def run_chunk(
        first: int, last: int, trial: Any, buffers: Any, targets: Any, settings: Any,
        want_gradient: bool, want_times: bool, results: Any,
    ) -> Any:  # fmt: skip
        """Run the samples ``first`` to ``last``; returns the status and where it ended."""
        status, ended, slot = ok, last, 0
        start_layers(trial, buffers)
        for b in range(first, last):
            status, n_inputs = forward_sample(trial, buffers, b)
            if status != ok:
                ended = b
                break
            counters = results.counters[b]
            counters[0] = 0
            counters[1] = n_inputs * buffers.layers[0].width
            count_operations(trial, buffers, counters, results.active)
            n_ordinary, output_times = results.n_ordinary[b], results.output_times[b]
            missing = collect_outputs(trial, buffers, n_ordinary, output_times)
            if missing:
                forward_pseudo(trial, buffers, b, slot, n_ordinary, output_times)
            clip_times(output_times, trial.duration, buffers.clipped)
            losses, by_time = results.losses[b], buffers.by_time
            losses[1] = loss(buffers.clipped, targets[b], settings, by_time)
            losses[0] = loss(output_times, targets[b], settings, by_time)
            if want_gradient:
                start_backward(trial, buffers, n_ordinary)
                if missing:
                    backward_pseudo(trial, buffers, b, slot, n_ordinary)
                    slot += 1
                    if slot == ROWS_AT_ONCE:
                        add_pseudo(trial, buffers, slot, results)
                        slot = 0
                backward_sample(trial, buffers, b, n_inputs, results, want_times)
                if want_times:
                    for k in range(trial.counts[0 if trial.binned else b]):
                        results.events[b, k] = buffers.layers[0].by_event[k]
        if slot > 0:
            add_pseudo(trial, buffers, slot, results)
        if want_gradient:
            finish_layers(trial, buffers, results)
        return status, ended

    return run_chunk


def build_records(model: CompiledModel) -> SimpleNamespace:
    """What is written down of a sample between its passes."""
    jit = partial(model.jit, allocates=False)

    @jit
    def count_operations(trial: Any, buffers: Any, counters: Any, active: Any) -> None:
        """Count hidden spikes and the synaptic operations they cause; mark active neurons."""
        first = 0
        for k in range(trial.n_layers):
            layer, count = buffers.layers[k], buffers.counts[k]
            if k < trial.n_layers - 1:
                counters[0] += count
                counters[1] += count * buffers.layers[k + 1].width
            neurons = layer.sorted_neurons
            for p in range(count):
                active[first + neurons[p]] = True
            first += layer.width

    @jit
    def collect_outputs(trial: Any, buffers: Any, n_ordinary: Any, output_times: Any) -> bool:
        """Write the first spikes of every output neuron; returns whether one lacks some."""
        n_outputs, required = output_times.shape
        layer, sources = buffers.layers[trial.n_layers - 1], buffers.sources
        times, neurons, order = layer.sorted_times, layer.sorted_neurons, layer.order
        for i in range(n_outputs):
            n_ordinary[i] = 0
        for p in range(buffers.counts[trial.n_layers - 1]):
            i = neurons[p]
            if n_ordinary[i] < required:
                output_times[i, n_ordinary[i]] = times[p]
                sources[i, n_ordinary[i]] = order[p]
                n_ordinary[i] += 1
        missing = False
        for i in range(n_outputs):
            missing = missing or n_ordinary[i] < required
        return missing

    @jit
    def start_backward(trial: Any, buffers: Any, n_ordinary: Any) -> None:
        """Derivatives by the output spikes; none by anything else."""
        last = trial.n_layers - 1
        by_spike, by_time, sources = buffers.layers[last].by_spike, buffers.by_time, buffers.sources
        for p in range(buffers.counts[last]):
            by_spike[p] = 0.0
        for i in range(sources.shape[0]):
            for k in range(n_ordinary[i]):
                by_spike[sources[i, k]] = by_time[i, k]
        for k in range(last + 1):
            adjoints = buffers.layers[k].adjoints
            for c in range(adjoints.shape[0]):
                for i in range(adjoints.shape[1]):
                    adjoints[c, i] = 0.0

    @jit
    def clip_times(output_times: Any, duration: float, clipped: Any) -> None:
        """Write the output times with T in the place of pseudospikes."""
        for i in range(output_times.shape[0]):
            for k in range(output_times.shape[1]):
                clipped[i, k] = min(output_times[i, k], duration)

    return SimpleNamespace(
        count_operations=count_operations,
        collect_outputs=collect_outputs,
        start_backward=start_backward,
        clip_times=clip_times,
    )
