"""Batches of samples through a feedforward network: forward, loss and backward in one kernel.

Samples are cut into chunks, one per thread; a chunk keeps its buffers from sample to sample and
adds its gradients up in its own arrays, which are then added in order: the result depends on the
number of threads in its last bits, and on nothing else.
"""

from dataclasses import dataclass
from itertools import pairwise
from types import SimpleNamespace

import numpy as np

from sim.encoding import BinnedInput, LatencyInput
from sim.kernels import build_batch
from sim.loss import Loss, prepare_targets
from sim.records import Gradients, Input, Network, Outcome, Spikes
from sim.status import raise_status
from sim.threads import get_thread_count, run_on_threads
from spiketheory.errors import InputError, SimulationError

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
        rows=np.ascontiguousarray(rows),
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
    input_times: bool = False,
    max_spikes: int = MAX_SPIKES,
) -> tuple[Outcome, Gradients | None]:
    """Simulate a batch, and go back through it if ``gradient``.

    Args:
        network: The network.
        inputs: One sample per row.
        targets: As the loss wants them, see `sim.loss.prepare_targets`.
        loss: The loss of each sample's output times.
        gradient: Whether to compute derivatives of the mean loss.
        input_times: Whether to compute them by the input times, too.
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
            network.constants, network.duration, wanted, loss.settings, gradient, input_times,
            max_spikes,
            work.output_times, work.n_ordinary, work.losses, work.counters, work.weights[c],
            work.initial[c], work.events, work.active[c], work.status[c],
        )  # fmt: skip

    run_on_threads(run_chunk, len(work.status))
    failed = np.flatnonzero(work.status[:, 0])
    if len(failed):
        status, sample = work.status[failed[0]]
        raise_status(int(status), sample=int(sample), limit=max_spikes)
    outcome = collect_outcome(work)
    if not np.isfinite(outcome.loss).all():
        sample = int(np.argmin(np.isfinite(outcome.loss)))
        raise SimulationError(
            f"Expected a finite loss but sample {sample} has {outcome.loss[sample]}; its output "
            "times are too late or too many. Raise the drive or the weights, or lower gamma."
        )
    if not gradient:
        return outcome, None
    return outcome, collect_gradients(network, events, work, input_times)


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
    shapes = [n * m for n, m in pairwise(sizes)]
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


def collect_gradients(
    network: Network, events: Events, work: SimpleNamespace, input_times: bool
) -> Gradients:
    """Add up the chunks and divide by the number of samples."""
    n_samples = len(events)
    flat = work.weights.sum(axis=0) / n_samples
    weights = [
        part.reshape(w.shape)
        for part, w in zip(np.split(flat, work.offsets[1:-1]), network.weights, strict=True)
    ]
    gradients = Gradients(
        weights=tuple(weights),
        initial=work.initial.sum(axis=0) / n_samples,
        input_times=collect_input_times(events, work.events / n_samples) if input_times else None,
    )
    for name, values in (("weights", flat), ("initial coordinates", gradients.initial)):
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
    by_input = np.zeros((len(events), events.n_inputs))
    np.put_along_axis(by_input, events.rows, gradient, axis=1)
    return by_input


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
