"""Batches of trials through a network in time: forward, loss and backward, on all processors.

A batch is cut into blocks that depend on its size alone. Each block adds up its derivatives sample
by sample, and blocks are added in a fixed tree: so the result has the same bits on any number of
threads.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from sim.events.differentiate import Gradients, list_constants
from sim.inputs.merged import MergedTrials, merge_instants
from sim.inputs.trials import Trials
from sim.kernels.limits import LIMITS
from sim.layers.allocation import Shelf
from sim.status import NO_ROOM, raise_status
from sim.temporal import sample as sample_kernels
from sim.temporal.allocation import FIRST_ROOM, estimate_memory, make_memory, make_sums
from sim.temporal.logit_losses import LogitLoss, prepare_logit_targets
from sim.temporal.readouts import LinearReadout
from sim.temporal.records import Batch, Found, Memory, Sums
from sim.temporal.stack import TemporalStack
from sim.threads import get_thread_count, run_on_threads
from spiketheory.errors import InputError, SimulationError
from spiketheory.generation.interface import INTERFACE
from spiketheory.machine.compile import CompiledModel, make_linker
from spiketheory.machine.readout import CompiledReadout
from spiketheory.memory import check_memory

MOST_BLOCKS = 16
"""Into so many blocks a batch is cut at most; each has gradients of its own."""
MAX_SPIKES = 1_000_000


@dataclass(frozen=True, kw_only=True, eq=False)
class TemporalOutcome:
    """What a batch did.

    Attributes:
        logits: Shape (n_trials, n_outputs).
        loss: Loss of each trial, shape (n_trials,).
        counts: How often each neuron spiked, shape (n_trials, n_neurons).
    """

    logits: np.ndarray
    loss: np.ndarray
    counts: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class TemporalGradients:
    """Derivatives of the mean loss of a batch.

    Attributes:
        network: By what belongs to the network.
        weights: By the readout's weights, in their shape.
        bias: By its bias.
        settings: By its parameters, by name.
    """

    network: Gradients
    weights: np.ndarray
    bias: np.ndarray
    settings: dict[str, float]


@dataclass(eq=False)
class Ready:
    """Memory of one thread, as kernels take it."""

    memory: Memory
    packed: Any
    room: int


SPARE: Shelf[Ready] = Shelf()
"""Memory of earlier batches."""


@lru_cache(maxsize=64)
def link_kernels(
    model: CompiledModel, readout: CompiledReadout, loss: Callable[..., float], per_neuron: bool,
    parameters: bool,
) -> Any:  # fmt: skip
    """The kernels of `sim.temporal.sample`, bound to a model, a readout and a loss."""
    names = ("kernel_and_slope", "kernel_vjp")
    further = {name: getattr(readout.functions, name) for name in names}
    further["loss_function"] = model.jit(loss, allocates=False)
    own = {n: getattr(model.functions, n) for n in INTERFACE if hasattr(model.functions, n)}
    facts = {**model.facts, "PER_NEURON": per_neuron, "WANT_PARAMETERS": parameters,
             "WANT_READOUT": parameters and bool(readout.parameters)}  # fmt: skip
    return make_linker((model,), {**own, **facts, **further}).link(sample_kernels)


# Long: half of it says what it takes and returns.
def run_temporal(
    stack: TemporalStack, trials: Trials, targets: np.ndarray, readout: LinearReadout,
    loss: LogitLoss, *, gradient: bool = True, parameters: bool = False,
    input_times: bool = False, activity: np.ndarray | None = None, max_spikes: int = MAX_SPIKES,
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
        max_spikes: More spikes of a layer in one trial are an error.

    Returns:
        What each trial did, and the gradients (None unless asked for).

    Raises:
        InputError: If shapes do not fit, or memory does not suffice.
        SimulationError: If a trial fires without bound or leaves the number range.
    """
    run = Run(stack, trials, targets, readout, loss, parameters and gradient, activity, max_spikes)
    sums = run.run(gradient, input_times)
    found = run.found
    if not np.isfinite(found.losses).all():
        sample = int(np.argmin(np.isfinite(found.losses)))
        raise SimulationError(
            f"Expected a finite loss but trial {sample} has {found.losses[sample]}; lower the "
            "weights of the readout."
        )
    outcome = TemporalOutcome(logits=found.logits, loss=found.losses, counts=found.counts)
    return outcome, None if sums is None else run.collect(sums, input_times)


class Run:
    """One batch."""

    def __init__(
        self, stack: TemporalStack, trials: Trials, targets: np.ndarray, readout: LinearReadout,
        loss: LogitLoss, parameters: bool, activity: np.ndarray | None, max_spikes: int,
    ) -> None:  # fmt: skip
        network, self.stack, self.trials, self.readout = stack.network, stack, trials, readout
        self.parameters = parameters
        self.merged: MergedTrials = merge_instants(trials, network.duration)
        weights = readout.cube
        n_last = network.populations[-1].size
        if weights.shape[1] != n_last:
            raise InputError(
                f"Expected a readout of {n_last} neurons, the last population, but got weights of "
                f"shape {weights.shape}; give one column for each neuron."
            )
        wanted = prepare_logit_targets(loss, targets, len(trials), len(weights))
        self.layers = stack.make_layers()
        self.batch = Batch(
            layers=self.layers,
            n_layers=len(self.layers),
            duration=network.duration,
            ticks=stack.ticks,
            limits=LIMITS["float64"],
            max_spikes=max_spikes,
            instant_times=self.merged.instant_time,
            instant_offsets=self.merged.instant_offsets,
            channels=self.merged.channel,
            spike_offsets=self.merged.spike_offsets,
            targets=wanted,
            read_weights=np.ascontiguousarray(np.moveaxis(weights, 0, -1)),
            bias=readout.bias,
            read_settings=readout.compiled.values,
            loss_settings=loss.settings,
        )
        n = len(trials)
        given = np.zeros(network.n_neurons) if activity is None else np.asarray(activity, float)
        self.found = Found(
            logits=np.zeros((n, len(weights))),
            losses=np.zeros(n),
            counts=np.zeros((n, network.n_neurons), np.int64),
            input_times=np.zeros(len(self.merged.channel)),
            activity=given,
        )
        self.varied = list_constants(stack.model) if parameters else []
        self.kernels = link_kernels(
            stack.compiled, readout.compiled, loss.function, not stack.is_uniform, parameters
        )
        self.max_spikes = max_spikes

    # Long: with what a thread does.
    def run(self, gradient: bool, input_times: bool) -> Sums | None:
        """Run all samples; returns the sums of their derivatives."""
        n, model = len(self.trials), self.stack.model
        n_blocks = min(n, MOST_BLOCKS)
        limits = np.linspace(0, n, n_blocks + 1).astype(np.int64)
        instants = int(np.diff(self.merged.instant_offsets).max(initial=0))
        shape = self.batch.read_weights.shape
        sums = [
            make_sums(
                self.layers if gradient else self.layers[:1], n_varied=len(self.varied),
                shape=shape, n_settings=max(1, len(self.readout.compiled.parameters)),
            )
            for _ in range(n_blocks if gradient else 1)
        ]  # fmt: skip
        batch, found = model.pack(self.batch), model.pack(self.found)
        packed = [model.pack(part) for part in sums]
        sizes = [layer.starts.shape for layer in self.layers]
        recurrent = [len(layer.recurrent) for layer in self.layers]
        kind = (model, tuple(sizes), tuple(recurrent), instants, shape)
        room = FIRST_ROOM

        def make(room: int) -> Ready:
            check_memory(
                get_thread_count() * estimate_memory(self.layers, instants, room), "the batch"
            )
            memory = make_memory(self.layers, n_instants=instants, room=room, shape=shape)
            return Ready(memory, model.pack(memory), room)

        def run_samples(b: int, first: int, last: int) -> tuple[int, int]:
            nonlocal room
            ready = SPARE.take(kind) or make(room)
            while True:
                status, first = self.kernels.run_block(
                    batch, ready.packed, first, last, packed[b if gradient else 0], found,
                    gradient, gradient and input_times,
                )  # fmt: skip
                if status != NO_ROOM:
                    SPARE.give_back(kind, ready, estimate_memory(self.layers, instants, ready.room))
                    return status, first
                room = max(room, 2 * ready.room)
                ready = make(room)

        if not getattr(self.kernels.run_block, "signatures", True):
            run_samples(0, 0, 0)  # compiled by this thread, and no other, Ctrl-C ends it
        ended = run_on_threads(
            lambda b: run_samples(b, int(limits[b]), int(limits[b + 1])), n_blocks,
            get_thread_count(),
        )  # fmt: skip
        for status, sample in ended:
            raise_status(status, sample=sample, limit=self.max_spikes)
        return add_in_tree(sums) if gradient else None

    def collect(self, sums: Sums, input_times: bool) -> TemporalGradients:
        """The sums as derivatives of the mean loss."""
        n, network = len(self.trials), self.stack.network
        weights: list[Any] = []
        delays: list[Any] = []
        for projection in network.projections:
            by_weight, by_delay = self.find_sums(sums, projection)
            matrix = projection.matrix
            weights.append(projection.shape_like(by_weight[matrix.col, matrix.row] / n))
            share = np.bincount(matrix.col, minlength=matrix.shape[1])[matrix.col]
            each = np.zeros(matrix.nnz) if by_delay is None else by_delay[matrix.col] / share
            delays.append(projection.shape_like(each / n))
        times = np.zeros(len(self.trials.time))
        times[self.merged.source] = self.found.input_times / n
        initial, parameters = zip(
            *(
                self.collect_population(k, layer)
                for k, layer in enumerate(sums.layers)
            ), strict=True,
        )  # fmt: skip
        gradients = Gradients(
            weights=weights, delays=delays, input_times=[times] if input_times else [],
            initial=list(initial), parameters=list(parameters) if self.parameters else None,
        )  # fmt: skip
        by_setting = dict(
            zip(self.readout.compiled.parameters, sums.read_settings / n, strict=False)
        )
        return TemporalGradients(
            network=gradients,
            weights=np.moveaxis(sums.read_weights, -1, 0).reshape(self.readout.weights.shape) / n,
            bias=sums.bias / n,
            settings={name: float(value) for name, value in by_setting.items()},
        )

    def find_sums(self, sums: Sums, projection: Any) -> tuple[np.ndarray, np.ndarray | None]:
        """Derivatives by a projection's weights (n_pre, n_post), and by the senders' delays."""
        stack = self.stack
        if projection in stack.recurrent:
            layer = sums.layers[stack.recurrent.index(projection)]
            return layer.recurrent, layer.delays
        k = stack.forward.index(projection)
        return sums.layers[k].weights, sums.layers[k - 1].delays_out if k else None

    def collect_population(
        self, k: int, layer: Any
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Derivatives by the initial states and by the parameters of a population."""
        population, n = self.stack.network.populations[k], len(self.trials)
        model, size = population.model, population.size
        adjoints = layer.initial[:, :size] / n
        names: tuple[str, ...]
        if population.starts_at_phase:
            names, name, start = (model.initial,), "initial_state", [population.start_phase]
        else:
            names, name = model.state, "enter_chart"
            start = list(population.start_state.values())
        arguments = (*start, *population.constants, *adjoints)
        slopes = population.call(f"{name}_vjp", *arguments)
        initial = {
            n_: np.array(np.broadcast_to(slope, (size,)))
            for n_, slope in zip(names, slopes, strict=True)
        }
        if not self.varied:
            return initial, dict.fromkeys(model.parameters, 0.0)
        by_constant = layer.constants[:, :size] / n
        direct = population.call(f"{name}_constants_vjp", *arguments)
        by_constant = by_constant + np.array([np.broadcast_to(d, (size,)) for d in direct])
        found = population.call("constants_vjp", *population.values, *by_constant)
        parameters = {
            name: np.array(np.broadcast_to(slope, (size,)))
            if np.ndim(population.parameters[name])
            else float(np.sum(np.broadcast_to(slope, (size,))))
            for name, slope in zip(model.parameters, found, strict=True)
        }
        return initial, parameters


def add_in_tree(sums: Sequence[Sums]) -> Sums:
    """Add the sums of blocks, neighbours first; the first one holds the result."""
    parts = list(sums)
    while len(parts) > 1:
        for a, b in zip(parts[::2], parts[1::2], strict=False):
            add_to(a, b)
        parts = parts[::2]
    return parts[0]


def add_to(target: Any, source: Any) -> None:
    """Add arrays of a record to those of another."""
    if isinstance(target, np.ndarray):
        target += source
        return
    for a, b in zip(target, source, strict=True):
        add_to(a, b)
