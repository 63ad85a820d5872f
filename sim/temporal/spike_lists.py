"""Batches through a network in time of which the last population's spikes are wanted."""

from functools import lru_cache

import numpy as np

from sim.events.differentiate import Gradients
from sim.inputs.trials import Trials
from sim.temporal import spike_times
from sim.temporal.batch import Run
from sim.temporal.linking import link_model, link_parameters
from sim.temporal.reading import Reading
from sim.temporal.spike_times import keep_slopes
from sim.temporal.stack import TemporalStack
from spiketheory.machine.compile import CompiledModel, extend_linker
from spiketheory.machine.link import Linker


@lru_cache(maxsize=16)
def link_spikes(model: CompiledModel, per_neuron: bool, parameters: bool, margin: bool) -> Linker:
    """Links the kernels of a batch so that they read spikes."""
    linked = link_model(model, per_neuron).link(spike_times)
    bound = {
        "read_out": linked.read_spikes,
        "read_out_vjp": linked.read_spikes_vjp,
        "loss_function": model.jit(keep_slopes, allocates=False),
        "WANT_READOUT": False,
    }
    return extend_linker(link_parameters(model, per_neuron, parameters, margin), bound)


def read_slopes(slopes: np.ndarray) -> Reading:
    """Derivatives by the first spikes of each trial, shape (n_trials, room)."""
    room = slopes.shape[1]
    return Reading(
        weights=np.zeros((2 * room, 1, 1)), bias=np.zeros(2 * room), settings=(0.0,),
        n_parameters=0, targets=np.ascontiguousarray(slopes, np.float64), loss_settings=(0.0,),
        link=link_spikes,
    )  # fmt: skip


def list_spikes(
    stack: TemporalStack, trials: Trials, room: int, *, max_spikes: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The first spikes of the last population, by time and then by neuron.

    Returns:
        Times, shape (n_trials, room), inf where there is none; neurons, -1 where there is none;
        and how many spikes each trial has in all.
    """
    run = Run(stack, trials, read_slopes(np.zeros((len(trials), room))), False,
              max_spikes=max_spikes)  # fmt: skip
    run.run(False, False)
    run.give_totals_back()
    last = stack.network.populations[-1].size
    found = run.found
    return (
        found.logits[:, :room].copy(), found.logits[:, room:].astype(np.int64),
        found.counts[:, -last:].sum(axis=1),
    )  # fmt: skip


def spikes_vjp(
    stack: TemporalStack, trials: Trials, slopes: np.ndarray, *, parameters: bool,
    input_times: bool, max_spikes: int,
) -> Gradients:  # fmt: skip
    """Derivatives by all that went in, from those by the spikes of `list_spikes`; no mean."""
    run = Run(stack, trials, read_slopes(slopes), parameters, max_spikes=max_spikes)
    sums = run.run(True, input_times)
    assert sums is not None
    gradients = run.collect(sums, input_times, 1)
    run.give_totals_back()
    return gradients
