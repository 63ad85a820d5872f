"""Chunks of samples through a feedforward network, in compiled code.

A chunk is a run of samples that one thread takes one after the other, with buffers (see
`sim.layers.buffers`) of its own and, if they are wanted, gradients. `loss_function` is a stub that
a loss is linked in the place of; all that knows no loss is in other modules, so that it is compiled
once for all of them.
"""

from sim.kernels.types import Floats, Numbers
from sim.layers.buffers import Buffers, Results, Trial
from sim.layers.forward import OK
from sim.layers.outputs import clip_times, collect_outputs, count_operations, start_backward
from sim.layers.pseudospikes import ROWS_AT_ONCE
from sim.layers.sample import (
    add_pseudo,
    backward_pseudo,
    backward_sample,
    finish_layers,
    forward_pseudo,
    forward_sample,
    start_layers,
)
from spiketheory.machine.link import kernel


def loss_function(times: Floats, target: Floats, settings: Numbers, gradient: Floats) -> float:
    """The loss of one sample, see `sim.losses`."""
    raise NotImplementedError("Expected a loss to be linked; see CompiledModel.link.")


@kernel()
def run_chunk(
    first: int, last: int, trial: Trial, buffers: Buffers, targets: Floats, settings: Numbers,
    want_gradient: bool, want_times: bool, results: Results,
) -> tuple[int, int]:  # fmt: skip
    """Run the samples ``first`` to ``last``; returns the status and where it ended."""
    status, ended, slot = OK, last, 0
    start_layers(trial, buffers)
    for b in range(first, last):
        status, n_inputs = forward_sample(trial, buffers, b)
        if status != OK:
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
        losses[1] = loss_function(buffers.clipped, targets[b], settings, by_time)
        losses[0] = loss_function(output_times, targets[b], settings, by_time)
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
