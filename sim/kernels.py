"""Chunks of samples through a feedforward network, in compiled code.

`build_batch` closes `run_chunk` and `run_one` over a model and a loss. A chunk is a run of samples
that one thread takes one after the other, with buffers (see `sim.buffers`) and gradients of its
own.
"""

from functools import lru_cache, partial
from types import SimpleNamespace
from typing import Any

from sim.passes import build_network
from sim.pseudo import ROWS_AT_ONCE
from sim.status import Status
from spiketheory.compile import CompiledModel


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
    ok = int(Status.OK)

    @jit
    def count_operations(trial: Any, buffers: Any, counters: Any, active: Any) -> None:
        """Count hidden spikes and the synaptic operations they cause; mark active neurons."""
        n_layers = len(trial.sizes) - 1
        first = 0
        for layer in range(n_layers):
            count = buffers.counts[layer]
            if layer < n_layers - 1:
                counters[0] += count
                counters[1] += count * trial.sizes[layer + 2]
            for k in range(count):
                active[first + buffers.sorted_neurons[layer, k]] = True
            first += trial.sizes[layer + 1]

    @jit
    def collect_outputs(buffers: Any, n_ordinary: Any, output_times: Any) -> bool:
        """Write the first spikes of every output neuron; returns whether one lacks some."""
        n_outputs, required = output_times.shape
        last = buffers.counts.shape[0] - 1
        for i in range(n_outputs):
            n_ordinary[i] = 0
        for k in range(buffers.counts[last]):
            i = buffers.sorted_neurons[last, k]
            if n_ordinary[i] < required:
                output_times[i, n_ordinary[i]] = buffers.sorted_times[last, k]
                buffers.sources[i, n_ordinary[i]] = buffers.orders[last, k]
                n_ordinary[i] += 1
        missing = False
        for i in range(n_outputs):
            missing = missing or n_ordinary[i] < required
        return missing

    @jit
    def start_backward(buffers: Any, n_ordinary: Any) -> None:
        """Derivatives by the output spikes; none by anything else."""
        last = buffers.counts.shape[0] - 1
        for k in range(buffers.counts[last]):
            buffers.by_spike[k] = 0.0
        for i in range(buffers.sources.shape[0]):
            for k in range(n_ordinary[i]):
                buffers.by_spike[buffers.sources[i, k]] = buffers.by_time[i, k]
        for i in range(buffers.covectors.shape[0]):
            buffers.covectors[i] = 0.0

    @jit
    def clip_times(output_times: Any, duration: float, clipped: Any) -> None:
        """Write the output times with T in the place of pseudospikes."""
        for i in range(output_times.shape[0]):
            for k in range(output_times.shape[1]):
                clipped[i, k] = min(output_times[i, k], duration)

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
            counters[1] = n_inputs * trial.sizes[1]
            count_operations(trial, buffers, counters, results.active)
            n_ordinary, output_times = results.n_ordinary[b], results.output_times[b]
            missing = collect_outputs(buffers, n_ordinary, output_times)
            if missing:
                forward_pseudo(trial, buffers, b, slot, n_ordinary, output_times)
            clip_times(output_times, trial.duration, buffers.clipped)
            losses, by_time = results.losses[b], buffers.by_time
            losses[1] = loss(buffers.clipped, targets[b], settings, by_time)
            losses[0] = loss(output_times, targets[b], settings, by_time)
            if want_gradient:
                start_backward(buffers, n_ordinary)
                if missing:
                    backward_pseudo(trial, buffers, b, slot, n_ordinary)
                    slot += 1
                    if slot == ROWS_AT_ONCE:
                        add_pseudo(trial, buffers, slot, results.weights)
                        slot = 0
                backward_sample(trial, buffers, b, n_inputs, results.weights, want_times)
                if want_times:
                    for k in range(trial.counts[0 if trial.binned else b]):
                        results.events[b, k] = buffers.by_event[k]
        if slot > 0:
            add_pseudo(trial, buffers, slot, results.weights)
        finish_layers(trial, buffers, results.initial)
        return status, ended

    return run_chunk
