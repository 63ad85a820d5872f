"""What is written down of a sample between its passes."""

from sim.kernels.types import Flags, Floats, Ints
from sim.layers.buffers import Buffers, Trial
from spiketheory.machine.link import kernel


@kernel()
def count_operations(trial: Trial, buffers: Buffers, counters: Ints, active: Flags) -> None:
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


@kernel()
def collect_outputs(trial: Trial, buffers: Buffers, n_ordinary: Ints, output_times: Floats) -> bool:
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


@kernel()
def start_backward(trial: Trial, buffers: Buffers, n_ordinary: Ints) -> None:
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


@kernel()
def clip_times(output_times: Floats, duration: float, clipped: Floats) -> None:
    """Write the output times with T in the place of pseudospikes."""
    for i in range(output_times.shape[0]):
        for k in range(output_times.shape[1]):
            clipped[i, k] = min(output_times[i, k], duration)
