"""Batches of samples through a feedforward network: forward, loss and backward in one kernel.

Samples are cut into chunks, which threads take one after the other; a chunk keeps its buffers from
sample to sample and adds its gradients up in its own arrays, which are then added in a fixed tree.
Chunks depend on the number of samples alone, so that any number of threads gives the same bits.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np

from sim.inputs.encoding import BinnedInput
from sim.inputs.trials import Trials
from sim.kernels.limits import LIMITS
from sim.kernels.sums import Blocks, list_arrays, run_blocks
from sim.layers import chunk as chunk_kernels
from sim.layers import sample as sample_kernels
from sim.layers.allocation import (
    FIRST_ROOM,
    Shelf,
    count_bytes,
    make_aligned,
    make_buffers,
    make_ready,
    pad,
)
from sim.layers.buffers import LayerGradients, LayerTrial, Ready, Results, Trial
from sim.layers.forward import EVENTS_PER_BLOCK
from sim.layers.pseudospikes import check_pseudospikes
from sim.losses import Loss, prepare_targets
from sim.network.layer_stack import Input, LayerStack, Outcome, Spikes, StackGradients
from sim.status import NO_ROOM, raise_status
from sim.threads import get_thread_count, run_on_threads
from spiketheory.errors import InputError, SimulationError

MAX_SPIKES = 1_000_000
CHUNKS_PER_THREAD = 4
"""So that no thread waits long for another, where chunks have nothing of their own."""
LEAST_CHUNK = 64
MOST_SUMS = 4
"""Chunks with gradients of their own; more threads than these do not help to learn."""
LEAST_SUM = 100
"""Samples of one at least, but for the first two."""
KEPT_SUMS = 2**26
"""Bytes of gradients that are kept from batch to batch: fresh ones cost as much as the sums."""
BUFFERS: Shelf[Ready] = Shelf()
"""Buffers of earlier batches."""
WEIGHTS: Shelf[list[np.ndarray]] = Shelf()
"""Their weights in padded rows."""
SUMS: Shelf[list[list[LayerGradients]]] = Shelf(KEPT_SUMS)
"""The gradients of their chunks."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Events:
    """Input events, sorted by time within each sample.

    Attributes:
        times: Shape (n_samples, n_events), or (1, n_events) if all samples share them.
        rows: Row of the first weights, or bin, that each event adds; shape as ``times``.
        counts: Number of events of each sample (of the first, if shared) before or at T.
        bins: Bin of each input, shape (n_samples, n_inputs); no columns if not binned.
        n_inputs: Number of inputs.
        sizes: Number of spikes of each sample, those after T included; None unless an input may
            spike several times.
    """

    times: np.ndarray
    rows: np.ndarray
    counts: np.ndarray
    bins: np.ndarray
    n_inputs: int
    sizes: np.ndarray | None = None

    @property
    def binned(self) -> bool:
        """Whether samples share their event times."""
        return self.bins.shape[1] > 0

    @property
    def n_bins(self) -> int:
        """Number of bins; 0 if not binned."""
        return self.times.shape[1] if self.binned else 0

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
            sizes=None if self.sizes is None else self.sizes[indices],
        )

    def with_bins(self, bins: np.ndarray) -> "Events":
        """The same bin times with other bins."""
        return Events(
            times=self.times, rows=self.rows, counts=self.counts, bins=bins, n_inputs=self.n_inputs
        )


def prepare_events(inputs: Input | Trials, *, duration: float) -> Events:
    """Sort the inputs of a batch by time; events after the trial's end are left out.

    Args:
        inputs: Trials, or binned or latency input.
        duration: The trial's end T [time].
    """
    if isinstance(inputs, Trials):
        return prepare_trials(inputs, duration)
    if isinstance(inputs, BinnedInput):
        n_bins = len(inputs.times)
        return Events(
            times=inputs.times[None, :],
            rows=np.arange(n_bins, dtype=np.int64)[None, :],
            counts=np.array([np.count_nonzero(inputs.times <= duration)], np.int64),
            bins=np.ascontiguousarray(inputs.bins),
            n_inputs=inputs.n_inputs,
        )
    counts = np.count_nonzero(inputs.times <= duration, axis=1)
    n_events = int(counts.max(initial=0))
    rows = np.argsort(inputs.times, axis=1, kind="stable")[:, :n_events]
    return Events(
        times=np.take_along_axis(inputs.times, rows, axis=1),
        rows=np.ascontiguousarray(rows),
        counts=counts,
        bins=np.empty((len(inputs.times), 0), dtype=np.uint8),
        n_inputs=inputs.n_inputs,
    )


def prepare_trials(trials: Trials, duration: float) -> Events:
    """The same for trials, which come sorted."""
    if trials.compact is not None:
        return prepare_events(trials.compact, duration=duration)
    times, channels = trials.to_padded()
    counts = np.count_nonzero(times <= duration, axis=1)
    n_events = int(counts.max(initial=0))
    return Events(
        times=np.ascontiguousarray(times[:, :n_events]),
        rows=np.ascontiguousarray(np.maximum(channels[:, :n_events], 0)),
        counts=counts,
        bins=np.empty((len(trials), 0), dtype=np.uint8),
        n_inputs=trials.n_channels,
        sizes=np.diff(trials.offsets),
    )


# Long: half of it says what it takes and returns.
def run_batch(
    network: LayerStack,
    inputs: Input | Trials | Events,
    targets: np.ndarray,
    loss: Loss,
    *,
    gradient: bool = False,
    input_times: bool = False,
    max_spikes: int = MAX_SPIKES,
    total: bool = False,
) -> tuple[Outcome, StackGradients | None]:
    """Simulate a batch, and go back through it if ``gradient``.

    Args:
        network: The network.
        inputs: One sample per row.
        targets: As the loss wants them, see `sim.losses.prepare_targets`.
        loss: The loss of each sample's output times.
        gradient: Whether to compute derivatives of the mean loss.
        input_times: Whether to compute them by the input times, too.
        max_spikes: More spikes of a layer in one sample are an error.
        total: Whether derivatives are those of the sum over the samples, not of the mean.

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
    n_outputs = network.layer_sizes[-1]
    wanted = prepare_targets(loss, targets, n_samples=len(events), n_outputs=n_outputs)
    kind = (network.model.at(network.constants), network.layer_sizes, network.precision)
    spare = WEIGHTS.take(kind)
    trial = make_trial(network, events, max_spikes, spare)
    n_chunks = count_chunks(len(events), gradient)
    of_sums = (*kind, n_chunks)
    sums = SUMS.take(of_sums) if gradient else None
    work = make_results(
        network, events, loss, trial, n_gradients=n_chunks if gradient else 0, spare=sums
    )  # fmt: skip
    chunks = run_chunks(
        network, events, trial, wanted, loss, work, n_chunks=n_chunks, gradient=gradient,
        input_times=input_times,
    )  # fmt: skip
    for status, sample in chunks:
        raise_status(status, sample=sample, limit=max_spikes)
    matrices = [layer.weights for layer in trial.layers]
    WEIGHTS.give_back(kind, matrices, count_bytes(matrices))
    outcome = collect_outcome(work[0])
    check_losses(outcome)
    if not gradient:
        return outcome, None
    n = 1 if total else len(events)
    gradients = collect_gradients(network, events, work, input_times, n)
    own = [results.layers for results in work]
    SUMS.give_back(of_sums, own, len(own) * count_bytes(own[0]))
    return outcome, gradients


def check_losses(outcome: Outcome) -> None:
    """Raise `SimulationError` unless all losses are finite."""
    if not np.isfinite(outcome.loss).all():
        sample = int(np.argmin(np.isfinite(outcome.loss)))
        raise SimulationError(
            f"Expected a finite loss but sample {sample} has {outcome.loss[sample]}; its output "
            "times are too late or too many. Raise the drive or the weights, or lower gamma."
        )


def count_chunks(n_samples: int, gradient: bool) -> int:
    """Into how many chunks a batch is cut; with gradients whatever the number of threads."""
    if gradient:
        return min(max(n_samples // LEAST_SUM, 2), MOST_SUMS, n_samples)
    n_threads = get_thread_count()
    most = min(n_samples // LEAST_CHUNK, n_threads * CHUNKS_PER_THREAD)
    return min(n_samples, max(n_threads, most))


# Long: it hands the arrays on that blocks share.
def run_chunks(
    network: LayerStack,
    events: Events,
    trial: Trial,
    targets: np.ndarray,
    loss: Loss,
    work: list[Results],
    *,
    n_chunks: int,
    gradient: bool,
    input_times: bool,
) -> list[tuple[int, int]]:
    """Run all samples; returns the status of each chunk, and the sample where it ended.

    Chunks adding up gradients have results of their own; all others share theirs.
    """
    model = network.model.at(network.constants)
    kernels = model.link(chunk_kernels, loss_function=loss.function)
    limits = np.linspace(0, len(events), n_chunks + 1).astype(np.int64)
    n_events = -(-events.times.shape[1] // EVENTS_PER_BLOCK) * EVENTS_PER_BLOCK
    make = partial(
        make_buffers, model, network.layer_sizes, n_events=n_events, n_bins=events.n_bins,
        n_required=loss.n_required, real=network.real, gradient=gradient,
    )  # fmt: skip
    kind = (model, network.layer_sizes, tuple(make.keywords.items()))
    packed_trial, packed_work = model.pack(trial), [model.pack(results) for results in work]
    room = FIRST_ROOM

    def run_samples(c: int, sample: int, last: int) -> tuple[int, int]:
        nonlocal room
        if gradient:
            for array in list_arrays(work[c].layers):
                array.fill(0)
        ready = BUFFERS.take(kind) or make_ready(model, make(room=room))
        while True:
            status, sample = kernels.run_chunk(
                sample, last, packed_trial, ready.packed, targets, loss.settings, gradient,
                input_times, packed_work[c if gradient else 0],
            )  # fmt: skip
            if status != NO_ROOM:
                BUFFERS.give_back(kind, ready, ready.n_bytes)
                return status, sample
            room = max(room, 2 * len(ready.buffers.layers[0].order))
            ready = make_ready(model, make(room=room))

    if not getattr(kernels.run_chunk, "signatures", True):
        run_samples(0, 0, 0)  # compiled by this thread, and no other, Ctrl-C ends it

    def run_chunk(c: int) -> tuple[int, int]:
        return run_samples(c, int(limits[c]), int(limits[c + 1]))

    if not gradient:
        return run_on_threads(run_chunk, n_chunks, get_thread_count())

    def list_rows(c: int) -> list[np.ndarray]:
        own = slice(int(limits[c]), int(limits[c + 1]))
        shared = work[0]
        return [
            array[own]
            for array in (shared.output_times, shared.n_ordinary, shared.losses, shared.counters)
        ]

    sums = [list_arrays(results.layers) for results in work]
    blocks = Blocks(run=run_chunk, sums=sums, rows=list_rows, flags=[work[0].active])
    return run_blocks(blocks, here=input_times)


def check_inputs(network: LayerStack, events: Events) -> None:
    """Raise `InputError` unless the network can run on the inputs."""
    if events.n_inputs != network.layer_sizes[0]:
        raise InputError(
            f"Expected {network.layer_sizes[0]} inputs (rows of W0) but got {events.n_inputs}; "
            "give the first layer one row per input."
        )
    if len(events) == 0:
        raise InputError("Expected at least one sample but got none; pass a batch with samples.")
    check_pseudospikes(network.model)


def make_trial(
    network: LayerStack, events: Events, max_spikes: int, spare: list[np.ndarray] | None = None
) -> Trial:
    """What the kernels need to know of a network and its inputs.

    Args:
        network: The network.
        events: Its inputs.
        max_spikes: More spikes of a layer in one sample are an error.
        spare: The padded weights of an earlier trial, which these may replace.
    """
    model = network.model.at(network.constants)
    assert network.initial is not None
    layers, first = [], 0
    for k, weights in enumerate(network.weights):
        n_pre, width = weights.shape
        shape = n_pre, pad(model, width, network.real)
        padded = spare[k] if spare else make_aligned(shape, network.real)
        padded[:, :width] = weights
        initial = np.ascontiguousarray(network.initial[first : first + width])
        layers.append(LayerTrial(width=width, weights=padded, initial=initial))
        first += width
    return Trial(
        times=np.ascontiguousarray(events.times),
        rows=np.ascontiguousarray(events.rows),
        counts=np.ascontiguousarray(events.counts),
        bins=np.ascontiguousarray(events.bins),
        binned=events.binned,
        layers=layers,
        n_layers=len(layers),
        constants=network.constants,
        real_constants=tuple(network.real(c) for c in network.constants),
        limits=LIMITS[network.precision],
        duration=network.duration,
        max_spikes=max_spikes,
    )


def make_results(
    network: LayerStack, events: Events, loss: Loss, trial: Trial, *, n_gradients: int,
    spare: list[list[LayerGradients]] | None = None,
) -> list[Results]:  # fmt: skip
    """Allocate the results of a batch, and for each chunk what is its own.

    Args:
        network: The network.
        events: The input.
        loss: The loss.
        trial: What `make_trial` made of them.
        n_gradients: How many chunks add up gradients; 0 if none are wanted.
        spare: Gradients of an earlier batch's chunks, which these may replace.
    """
    n_samples = len(events)
    shared = Results(
        output_times=np.full((n_samples, network.layer_sizes[-1], loss.n_required), np.inf),
        n_ordinary=np.zeros((n_samples, network.layer_sizes[-1]), dtype=np.int64),
        losses=np.zeros((n_samples, 2)),
        counters=np.zeros((n_samples, 2), dtype=np.int64),
        events=np.zeros((n_samples if n_gradients else 1, events.times.shape[1])),
        active=np.zeros(network.n_neurons, dtype=np.bool_),
        layers=[],
    )
    if n_gradients == 0:
        none = LayerGradients(weights=np.empty((0, 0), network.real), initial=np.empty(0))
        return [shared._replace(layers=[none])]
    own = spare or [
        [
            LayerGradients(
                weights=make_aligned(layer.weights.shape, network.real),
                initial=np.zeros(layer.width),
            )
            for layer in trial.layers
        ]
        for _ in range(n_gradients)
    ]
    return [shared._replace(layers=layers) for layers in own]


def collect_outcome(shared: Results) -> Outcome:
    """Make the public record of a batch."""
    return Outcome(
        output_times=shared.output_times,
        n_ordinary=shared.n_ordinary,
        loss=shared.losses[:, 0],
        loss_ordinary=shared.losses[:, 1],
        hidden_spikes=shared.counters[:, 0],
        synaptic_operations=shared.counters[:, 1],
        active=shared.active,
    )


def collect_gradients(
    network: LayerStack, events: Events, work: list[Results], input_times: bool, n: int
) -> StackGradients:
    """The chunks' shares, which are added up in those of the first, divided by n."""
    weights = [own.weights[:, : len(own.initial)] / n for own in work[0].layers]
    by_event = work[0].events / n
    gradients = StackGradients(
        weights=tuple(weights),
        initial=np.concatenate([own.initial / n for own in work[0].layers]),
        input_times=collect_input_times(events, by_event) if input_times else None,
    )
    for name, values in (
        *(("weights", w) for w in weights), ("initial coordinates", gradients.initial),
    ):  # fmt: skip
        if not np.isfinite(values).all():
            raise SimulationError(
                f"Expected finite derivatives by the {name} but got NaN or inf; the states left "
                "the range of the number format. Lower the weights."
            )
    return gradients


def collect_input_times(events: Events, gradient: np.ndarray) -> np.ndarray:
    """Derivatives by the input times, in the order of the inputs."""
    if events.binned:
        return np.asarray(gradient.sum(axis=0))
    if events.sizes is not None:
        padded = np.zeros((len(events), int(events.sizes.max(initial=0))))
        padded[:, : gradient.shape[1]] = gradient
        return np.asarray(padded[np.arange(padded.shape[1]) < events.sizes[:, None]])
    by_input = np.zeros((len(events), events.n_inputs))
    np.put_along_axis(by_input, events.rows, gradient, axis=1)
    return by_input


def record_spikes(
    network: LayerStack, inputs: Input | Trials | Events, *, max_spikes: int = MAX_SPIKES
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
    model = network.model.at(network.constants)
    run_one = model.link(sample_kernels).run_one
    trial = make_trial(network, events, max_spikes)
    packed_trial = model.pack(trial)
    make = partial(
        make_buffers, model, network.layer_sizes, n_events=events.times.shape[1],
        n_bins=events.n_bins, n_required=0, real=network.real, gradient=False,
    )  # fmt: skip
    first = np.concatenate([[0], np.cumsum(network.layer_sizes[1:])])
    samples, neurons, times = [], [], []
    ends: list[list[np.ndarray]] = [[] for _ in trial.layers]
    room, ready = FIRST_ROOM, None
    for b in range(len(events)):
        status = NO_ROOM
        while status == NO_ROOM:
            ready = ready or make_ready(model, make(room=room))
            layers, counts = ready.buffers.layers, ready.buffers.counts
            status = run_one(packed_trial, ready.packed, b)
            if status == NO_ROOM:
                room, ready = 2 * room, None
        raise_status(status, sample=b, limit=max_spikes)
        found = list(zip(layers, counts, first, strict=False))
        time = np.concatenate([layer.sorted_times[:n] for layer, n, _ in found])
        neuron = np.concatenate([layer.sorted_neurons[:n] + f for layer, n, f in found])
        order = np.lexsort((neuron, time))
        samples.append(np.full(len(time), b))
        neurons.append(neuron[order])
        times.append(time[order])
        for k, (layer, width) in enumerate(zip(layers, network.layer_sizes[1:], strict=True)):
            n_events = counts[k - 1] if k else trial.counts[0 if trial.binned else b]
            ends[k].append(layer.states[(n_events + 1) & layer.mask][:, :width].copy())
    return Spikes(
        sample=np.concatenate(samples),
        neuron=np.concatenate(neurons),
        time=np.concatenate(times),
        end=[np.array(end, dtype=np.float64) for end in ends],
    )
