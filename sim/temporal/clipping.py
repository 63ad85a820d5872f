"""Shorten the gradient of each sample before it is added to those of the others.

Derivatives of one sample are summed apart, measured, and added times a factor, so that the result
has the same bits on any number of threads. What the factor is follows from the sample's own norm
and from a bound that was known before the batch.
"""

from sim.kernels.types import Floats
from sim.status import Status
from sim.temporal.records import Batch, Found, LayerSums, Memory, Sums
from sim.temporal.sample import run_block
from spiketheory.machine.link import kernel

OK = int(Status.OK)


@kernel()
def run_clipped(
    batch: Batch, memory: Memory, first: int, last: int, sums: Sums, own: Sums, found: Found,
    want_inputs: bool, limit: float, units: Floats, norms: Floats,
) -> tuple[int, int]:  # fmt: skip
    """Run the samples ``first`` to ``last``; returns the status and where it ended.

    Args:
        batch: The batch.
        memory: That of the thread.
        first: The first sample.
        last: One more than the last.
        sums: Of the block.
        own: Of one sample.
        found: What each sample does.
        want_inputs: Whether derivatives by the time of each input spike are wanted.
        limit: Longer gradients are shortened to this norm.
        units: By weights and by recurrent weights of each layer, by weights and bias of the
            readout: what derivatives are multiplied by when the norm is taken.
        norms: Where norms are written, shape (n_samples,).
    """
    for b in range(first, last):
        clear_sums(batch, own)
        status, _ = run_block(batch, memory, b, b + 1, own, found, True, want_inputs)
        if status != OK:
            return status, b
        norm = measure(batch, own, units) ** 0.5
        norms[b] = norm
        factor = limit / norm if norm > limit else 1.0
        add_sums(batch, sums, own, factor)
        if want_inputs:
            begin = batch.spike_offsets[batch.instant_offsets[b]]
            end = batch.spike_offsets[batch.instant_offsets[b + 1]]
            for s in range(begin, end):
                found.input_times[s] *= factor
    return OK, last


@kernel()
def measure(batch: Batch, own: Sums, units: Floats) -> float:
    """The squared norm of a sample's derivatives, each in its unit."""
    total = 0.0
    for k in range(batch.n_layers):
        width, layer = batch.layers[k].width, own.layers[k]
        total += units[2 * k] ** 2 * add_squares(layer.weights, width)
        total += units[2 * k + 1] ** 2 * add_squares(layer.recurrent, width)
    last = 2 * batch.n_layers
    weights = own.read_weights
    squares = 0.0
    for i in range(weights.shape[0]):
        squares += add_squares(weights[i], weights.shape[2])
    total += units[last] ** 2 * squares
    squares = 0.0
    for o in range(own.bias.shape[0]):
        squares += own.bias[o] * own.bias[o]
    return total + units[last + 1] ** 2 * squares


@kernel(reorders=True)
def add_squares(rows: Floats, width: int) -> float:
    """Sum of the squares of the first ``width`` columns."""
    total = 0.0
    for j in range(rows.shape[0]):
        for i in range(width):
            total += rows[j, i] * rows[j, i]
    return total


@kernel()
def clear_sums(batch: Batch, own: Sums) -> None:
    """No derivatives."""
    for k in range(batch.n_layers):
        clear_layer(own.layers[k])
    for i in range(own.read_weights.shape[0]):
        clear(own.read_weights[i])
    clear_row(own.bias)
    clear_row(own.read_settings)


@kernel()
def clear_layer(layer: LayerSums) -> None:
    """No derivatives by what belongs to a layer."""
    clear(layer.weights)
    clear(layer.recurrent)
    clear_row(layer.delays)
    clear_row(layer.delays_out)
    clear(layer.constants)
    clear(layer.initial)


@kernel()
def clear(rows: Floats) -> None:
    """Set all to 0."""
    for j in range(rows.shape[0]):
        clear_row(rows[j])


@kernel()
def clear_row(row: Floats) -> None:
    """Set all to 0."""
    for i in range(row.shape[0]):
        row[i] = 0.0


@kernel()
def add_sums(batch: Batch, sums: Sums, own: Sums, factor: float) -> None:
    """Add a sample's derivatives, times a factor, to those of its block."""
    for k in range(batch.n_layers):
        add_layer(sums.layers[k], own.layers[k], factor)
    for i in range(sums.read_weights.shape[0]):
        add(sums.read_weights[i], own.read_weights[i], factor)
    add_row(sums.bias, own.bias, factor)
    add_row(sums.read_settings, own.read_settings, factor)


@kernel()
def add_layer(sums: LayerSums, own: LayerSums, factor: float) -> None:
    """Add those by what belongs to a layer."""
    add(sums.weights, own.weights, factor)
    add(sums.recurrent, own.recurrent, factor)
    add_row(sums.delays, own.delays, factor)
    add_row(sums.delays_out, own.delays_out, factor)
    add(sums.constants, own.constants, factor)
    add(sums.initial, own.initial, factor)


@kernel()
def add(target: Floats, source: Floats, factor: float) -> None:
    """Add rows times a factor to others."""
    for j in range(target.shape[0]):
        add_row(target[j], source[j], factor)


@kernel(disjoint=True)
def add_row(target: Floats, source: Floats, factor: float) -> None:
    """Add an array times a factor to another."""
    for i in range(target.shape[0]):
        target[i] += factor * source[i]
