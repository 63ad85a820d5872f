"""Batches of trials through a network in time: forward, loss and backward, on all processors.

A batch is cut into blocks that depend on its size alone. Each block adds up its derivatives sample
by sample, and blocks are added in a fixed tree: so the result has the same bits on any number of
threads.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

import numpy as np

from sim.events.differentiate import Gradients, list_constants
from sim.inputs.merged import MergedTrials
from sim.inputs.trials import Trials
from sim.kernels.limits import LIMITS
from sim.kernels.sums import Blocks, list_arrays, run_blocks
from sim.layers.allocation import Shelf
from sim.network.readouts import LinearReadout
from sim.status import NO_ROOM, raise_status
from sim.temporal import clipping
from sim.temporal import sample as sample_kernels
from sim.temporal.allocation import FIRST_ROOM, estimate_memory, make_memory, make_sums
from sim.temporal.gradients import (
    TemporalGradients,
    collect_network,
)
from sim.temporal.logit_losses import LogitLoss
from sim.temporal.reading import Reading, check_margin, make_reading
from sim.temporal.records import Batch, DenseLayer, Found, Memory, Sums
from sim.temporal.stack import TemporalStack
from sim.threads import get_thread_count, run_on_threads
from spiketheory.errors import SimulationError
from spiketheory.memory import check_memory
from spiketheory.shown import Short

MOST_BLOCKS = 16
"""Into so many blocks a batch is cut at most; each has gradients of its own."""
SAMPLES_PER_BLOCK = 2
"""At least so many, but for the last: sums of few samples take as long as the samples."""
MOST_SETTINGS = 4
"""No readout has more numbers."""
MAX_SPIKES = 1_000_000
KEPT_BYTES = 2**27
"""More is not kept from batch to batch."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class TemporalOutcome(Short):
    """What a batch did.

    Attributes:
        logits: Shape (n_trials, n_outputs).
        loss: Loss of each trial, shape (n_trials,).
        counts: How often each neuron spiked, shape (n_trials, n_neurons).
        margin: Cost of each trial's maxima near the threshold, which is not in ``loss``; None
            unless asked for with the gradient.
        norms: Norm of each trial's gradient before it was shortened, shape (n_trials,); empty
            unless `Clip` was given.
    """

    logits: np.ndarray
    loss: np.ndarray
    counts: np.ndarray
    norms: np.ndarray
    margin: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True)
class Clip:
    """Shortens the gradient of each trial before they are added.

    Attributes:
        limit: To this norm, at most; inf only measures.
        units: What derivatives by the weights of each layer, by its recurrent weights, by the
            weights of the readout and by its bias are multiplied by in the norm: two numbers for
            each layer, then two. Other derivatives do not count but are shortened alike.
    """

    limit: float
    units: tuple[float, ...]


@dataclass(eq=False)
class Ready:
    """Memory of one thread, as kernels take it."""

    memory: Memory
    packed: Any
    room: int
    n_bytes: int


@dataclass(eq=False)
class Total:
    """Sums of one block, as kernels take them."""

    sums: Sums
    packed: Any
    arrays: list[np.ndarray]

    @property
    def n_bytes(self) -> int:
        """How large they are."""
        return sum(array.nbytes for array in self.arrays)


SPARE: Shelf[Ready] = Shelf(KEPT_BYTES)
"""Memory of earlier batches."""
TOTALS: Shelf[Total] = Shelf(KEPT_BYTES)
"""Sums of earlier batches."""


# Long: half of it says what it takes and returns.
def run_temporal(
    stack: TemporalStack, trials: Trials, targets: np.ndarray, readout: LinearReadout,
    loss: LogitLoss, *, gradient: bool = True, parameters: bool = False,
    input_times: bool = False, activity: np.ndarray | None = None,
    margin: tuple[float, float] | None = None, max_spikes: int = MAX_SPIKES,
    clip: Clip | None = None, total: bool = False,
    sample_weight: np.ndarray | None = None,
) -> tuple[TemporalOutcome, TemporalGradients | None]:  # fmt: skip
    """Run a batch, and go back through it if ``gradient``.

    Args:
        stack: The network.
        trials: The batch.
        targets: As the loss wants them.
        readout: What is read from the last population.
        loss: The loss of each trial's logits.
        gradient: Whether to compute derivatives of the mean loss.
        parameters: Whether to compute them by the neurons' parameters, too.
        input_times: Whether to compute them by the time of each input spike, too.
        activity: Derivatives of a regulariser by each neuron's sum of (T - t)/T over its spikes in
            a trial, shape (n_neurons,), which are added for each trial; None for none.
        margin: Weight and width of the cost of maxima near the threshold, whose derivatives are
            added for each trial (`sim.temporal.margin`); None for none.
        max_spikes: More spikes of a layer in one trial are an error.
        clip: How the gradient of each trial is shortened; None for not at all.
        total: Whether derivatives are those of the sum over the trials, not of the mean.
        sample_weight: What the loss of each trial is multiplied by, shape (n_trials,); None for 1.

    Returns:
        What each trial did, and the gradients (None unless asked for).

    Raises:
        InputError: If shapes do not fit, the model has no margin, or memory does not suffice.
        SimulationError: If a trial fires without bound or leaves the number range.
    """
    reading = make_reading(stack, len(trials), targets, readout, loss, sample_weight)
    run = Run(
        stack, trials, reading, parameters and gradient, activity,
        check_margin(stack.model, margin) if gradient else None, max_spikes,
        clip if gradient else None,
    )  # fmt: skip
    sums = run.run(gradient, input_times)
    n = 1 if total else len(trials)
    gradients = None if sums is None else collect(run, sums, readout, input_times, n)
    run.give_totals_back()
    found = run.found
    for trial in np.flatnonzero(~np.isfinite(found.losses))[:1]:
        check_loss(int(trial), found.losses[trial])
    for trial in np.flatnonzero(~np.isfinite(run.norms))[:1]:
        raise SimulationError(
            f"Expected a finite gradient but that of trial {trial} has the norm "
            f"{run.norms[trial]}; lower the weights or the learning rate."
        )
    outcome = TemporalOutcome(
        logits=found.logits, loss=found.losses, counts=found.counts, norms=run.norms,
        margin=found.margin if margin and gradient else None,
    )  # fmt: skip
    return outcome, gradients


def check_loss(trial: int, loss: float) -> None:
    """Raise `SimulationError` unless the loss of a trial is finite."""
    if not np.isfinite(loss):
        raise SimulationError(
            f"Expected a finite loss but trial {trial} has {loss}; lower the weights of the "
            "readout."
        )


def make_batch(
    stack: TemporalStack, layers: list[DenseLayer], merged: MergedTrials, *, max_spikes: int,
    reading: Reading | None = None, margin: tuple[float, float] | None = None,
) -> Batch:  # fmt: skip
    """A network and a batch as kernels get them, perhaps with nothing to read and no loss."""
    weights = np.zeros((1, 1, 1)) if reading is None else reading.weights
    settings = () if reading is None else reading.settings
    return Batch(
        layers=layers,
        n_layers=len(layers),
        duration=stack.network.duration,
        ticks=stack.ticks,
        limits=LIMITS["float64"],
        max_spikes=max_spikes,
        instant_times=merged.instant_time,
        instant_offsets=merged.instant_offsets,
        channels=merged.channel,
        spike_offsets=merged.spike_offsets,
        targets=np.zeros((1, 1)) if reading is None else reading.targets,
        read_weights=np.ascontiguousarray(np.moveaxis(weights, 0, -1)),
        bias=np.zeros(1) if reading is None else reading.bias,
        read_settings=(*settings, *(0.0,) * (MOST_SETTINGS - len(settings))),
        loss_settings=np.array(() if reading is None else reading.loss_settings, float),
        margin=margin or (0.0, 1.0),
    )


class Run:
    """One batch."""

    def __init__(
        self, stack: TemporalStack, trials: Trials, reading: Reading, parameters: bool,
        activity: np.ndarray | None = None, margin: tuple[float, float] | None = None,
        max_spikes: int = MAX_SPIKES, clip: Clip | None = None,
    ) -> None:  # fmt: skip
        self.stack, self.trials, self.reading = stack, trials, reading
        self.parameters = parameters
        self.merged: MergedTrials = stack.merge(trials)
        self.layers = stack.layers
        self.batch = make_batch(
            stack, self.layers, self.merged, max_spikes=max_spikes, reading=reading, margin=margin
        )  # fmt: skip
        self.found = self.make_found(len(reading.bias), activity)
        self.varied = list_constants(stack.model) if parameters else []
        self.linker = reading.link(
            stack.compiled, not stack.is_uniform, parameters, margin is not None
        )
        self.max_spikes, self.clip = max_spikes, clip
        self.norms = np.zeros(len(trials) if clip else 0)
        self.instants = int(np.diff(self.merged.instant_offsets).max(initial=0))
        self.taken: list[tuple[Any, Total]] = []
        self.owns: list[Total] = []  # those of one sample that no thread has
        self.lock = Lock()
        sizes = tuple((layer.starts.shape, len(layer.recurrent)) for layer in self.layers)
        self.kind = stack.compiled, sizes, self.instants, self.batch.read_weights.shape

    def make_found(self, n_outputs: int, activity: np.ndarray | None) -> Found:
        """Where results of each sample go, all zero."""
        n, n_neurons = len(self.trials), self.stack.network.n_neurons
        return Found(
            logits=np.zeros((n, n_outputs)),
            losses=np.zeros(n),
            counts=np.zeros((n, n_neurons), np.int64),
            input_times=np.zeros(len(self.merged.channel)),
            activity=np.zeros(n_neurons) if activity is None else np.asarray(activity, float),
            margin=np.zeros(n),
        )

    def make_ready(self, room: int) -> Ready:
        """Memory of a thread with room for so many spikes of a layer."""
        n_bytes = estimate_memory(self.layers, self.instants, room)
        check_memory(get_thread_count() * n_bytes, "the batch")
        memory = make_memory(
            self.layers, n_instants=self.instants, room=room, shape=self.batch.read_weights.shape
        )
        return Ready(memory, self.stack.model.pack(memory), room, n_bytes)

    def take_total(self, gradient: bool) -> Total:
        """Sums of a block, or of a sample; without gradients they are never written to."""
        n_settings = max(1, self.reading.n_parameters)
        shape, n_varied = self.batch.read_weights.shape, len(self.varied)
        layers = self.layers if gradient else self.layers[:1]
        kind = (gradient, n_varied, n_settings, tuple(len(k.weights) for k in layers), *self.kind)
        total = TOTALS.take(kind)
        if total is None:
            sums = make_sums(layers, n_varied=n_varied, shape=shape, n_settings=n_settings)
            total = Total(sums, self.stack.model.pack(sums), list_arrays(sums))
        with self.lock:
            self.taken.append((kind, total))
        return total

    def give_totals_back(self) -> None:
        """Keep the sums for the next batch."""
        for kind, total in self.taken:
            TOTALS.give_back(kind, total, total.n_bytes)
        self.taken = []

    def run(self, gradient: bool, input_times: bool) -> Sums | None:
        """Run all samples; returns the sums of their derivatives."""
        n, step = len(self.trials), self.make_step(gradient, gradient and input_times)
        n_blocks = min(-(-n // SAMPLES_PER_BLOCK), MOST_BLOCKS)
        limits = np.linspace(0, n, n_blocks + 1).astype(np.int64).tolist()
        totals = [self.take_total(gradient) for _ in range(n_blocks if gradient else 1)]

        def run_samples(b: int, first: int, last: int) -> tuple[int, int]:
            total = totals[b if gradient else 0]
            if gradient:
                for array in total.arrays:
                    array.fill(0)
            ready = SPARE.take(self.kind) or self.make_ready(ROOMS.get(self.kind, FIRST_ROOM))
            while True:
                status, first = step(ready.packed, first, last, total.packed)
                if status != NO_ROOM:
                    SPARE.give_back(self.kind, ready, ready.n_bytes)
                    return status, first
                remember_room(self.kind, 2 * ready.room)
                ready = self.make_ready(ROOMS[self.kind])

        if not getattr(self.kernel, "signatures", True):
            run_samples(0, 0, 0)  # compiled by this thread, and no other, Ctrl-C ends it

        def run_block(b: int) -> tuple[int, int]:
            return run_samples(b, limits[b], limits[b + 1])

        def list_rows(b: int) -> list[np.ndarray]:
            own, found = slice(limits[b], limits[b + 1]), self.found
            arrays = (found.logits, found.losses, found.counts, found.margin, self.norms)
            return [array[own] for array in arrays]

        if gradient:
            sums = [total.arrays for total in totals]
            blocks = Blocks(run=run_block, sums=sums, rows=list_rows)
            ended = run_blocks(blocks, here=input_times)
        else:
            ended = run_on_threads(run_block, n_blocks, get_thread_count())
        for status, sample in ended:
            raise_status(status, sample=sample, limit=self.max_spikes)
        return totals[0].sums if gradient else None

    @property
    def kernel(self) -> Any:
        """What runs samples."""
        if self.clip is None:
            return self.linker.link(sample_kernels).run_block
        return self.linker.link(clipping).run_clipped

    def make_step(self, gradient: bool, input_times: bool) -> Callable[..., tuple[int, int]]:
        """What runs samples with a thread's memory, from one to another, into a block's sums."""
        kernel, pack = self.kernel, self.stack.model.pack
        batch, found = pack(self.batch), pack(self.found)
        if self.clip is None:
            return lambda memory, first, last, sums: kernel(
                batch, memory, first, last, sums, found, gradient, input_times
            )
        limit, units = float(self.clip.limit), np.array(self.clip.units)

        def run_clipped(memory: Any, first: int, last: int, sums: Any) -> tuple[int, int]:
            with self.lock:
                own = self.owns.pop() if self.owns else None
            own = own or self.take_total(gradient)
            status, sample = kernel(
                batch, memory, first, last, sums, own.packed, found, input_times, limit, units,
                self.norms,
            )  # fmt: skip
            with self.lock:
                self.owns.append(own)
            return status, sample

        return run_clipped

    def collect(self, sums: Sums, input_times: bool, n: int) -> Gradients:
        """The sums, divided by n, as derivatives by what belongs to the network."""
        by_channel = None
        if input_times:
            by_channel = np.bincount(
                self.merged.channel, self.found.input_times, minlength=self.trials.n_channels
            )
        gradients = collect_network(
            self.stack, sums, n, parameters=self.parameters, by_channel=by_channel
        )
        if input_times:
            times = np.zeros(len(self.trials.time))
            times[self.merged.source] = self.found.input_times / n
            gradients = replace(gradients, input_times=[times])
        return gradients


def collect(
    run: Run, sums: Sums, readout: LinearReadout, input_times: bool, n: int
) -> TemporalGradients:
    """The sums, divided by n, as derivatives by all that the network and its readout have."""
    by_setting = zip(readout.compiled.parameters, sums.read_settings / n, strict=False)
    return TemporalGradients(
        network=run.collect(sums, input_times, n),
        weights=np.moveaxis(sums.read_weights, -1, 0).reshape(readout.weights.shape) / n,
        bias=sums.bias / n,
        settings={name: float(value) for name, value in by_setting},
    )


ROOMS: dict[Any, int] = {}
"""For how many spikes of a layer earlier batches needed room."""
MOST_ROOMS = 16


def remember_room(kind: Any, room: int) -> None:
    """Keep in mind that so much room is needed."""
    if kind not in ROOMS and len(ROOMS) >= MOST_ROOMS:
        ROOMS.clear()
    ROOMS[kind] = max(room, ROOMS.get(kind, 0))
