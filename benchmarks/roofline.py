"""The least time that the machine could need for a training step, and how far above it we are.

Two limits are measured in the same run, with all threads: fused multiplications and additions per
second (a chain of them on numbers in registers), and bytes per second from memory (a triad on
arrays that no cache holds). The operations of a step are counted, not measured; a fused
multiplication and addition is one, and so is a lone addition, multiplication or comparison. What is
counted is what no implementation of the exact gradient can leave out:

- per input spike and neuron of the first layer one addition forward and one backward;
- per event and neuron that it reaches: forward 4 for the rotation, 1 for the input, 1 to see
  whether a spike comes; backward 4 for the adjoint's rotation, 1 for the input, 1 for the weight's
  derivative, 2 for the event time's; each layer has one event more, the end of the trial;
- per weight and batch 14 for AdaBelief (2 + 3 for the moments, 2 for their correction, 1 square
  root, 1 division, 5 others).

Not counted: cosine and sine of each event, the spikes' own times, pseudospikes, random numbers,
indices, and what the caches need. Bytes are those that must come from or go to memory: the images
once, the weights, gradients and moments once per batch.
"""

import time
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numba
import numpy as np

from benchmarks.networks import (
    PROBE,
    list_precisions,
    make_trainer,
    run_forward,
    set_activity,
    time_inference,
    time_training,
)
from benchmarks.suite import Session
from benchmarks.timing import Step, interleave
from sim.threads import get_thread_count, run_on_threads
from sim.training.train import Trainer, TrainState
from spiketheory.machine.jit import compile_undisturbed

HIDDEN = (100, 100)
BATCH = 1000
CHAIN = 16
FORWARD = 6
BACKWARD = 8
OPTIMISER = 14
ARRAYS_OF_WEIGHTS = 7
"""Weights and two moments are read and written, the gradient is read."""

KINDS = ("training step", "inference")


@dataclass(frozen=True, kw_only=True)
class Work:
    """What one sample takes at least.

    Attributes:
        operations: Arithmetic operations; a fused multiplication and addition is one.
        bytes: Bytes from and to memory.
    """

    operations: float
    bytes: float

    def floor(self, operations_per_second: float, bytes_per_second: float) -> float:
        """Least seconds on a machine that does arithmetic while it loads and stores."""
        return max(self.operations / operations_per_second, self.bytes / bytes_per_second)


def count_work(
    sizes: tuple[int, ...],
    *,
    input_spikes: float,
    hidden_updates: float,
    bins: int,
    batch: int,
    itemsize: int,
    training: bool,
) -> Work:
    """Operations and bytes per sample.

    Args:
        sizes: Neurons of each layer, inputs first.
        input_spikes: Input spikes per sample.
        hidden_updates: Hidden spikes times fan-out, per sample.
        bins: Input events per sample: inputs with the same time are one event.
        batch: Samples per optimiser step.
        itemsize: Bytes of a number.
        training: Whether to count the way back and the optimiser, too.
    """
    additions = input_spikes * sizes[1]
    ends = sum(sizes[1:])
    updates = bins * sizes[1] + hidden_updates + ends
    n_weights = sum(n * m for n, m in pairwise(sizes))
    operations = additions + FORWARD * updates
    moved = sizes[0] + itemsize * n_weights / batch
    if training:
        operations += additions + BACKWARD * updates + OPTIMISER * n_weights / batch
        moved += itemsize * (ARRAYS_OF_WEIGHTS - 1) * n_weights / batch
    return Work(operations=operations, bytes=moved)


def count_work_of(trainer: Trainer, state: TrainState, *, training: bool, itemsize: int) -> Work:
    """The same of a network in its state, counted on some samples."""
    events = trainer.train_events.take(np.arange(min(PROBE, len(trainer.train_events))))
    n_bins = events.times.shape[1]
    input_spikes = float((events.bins < n_bins).sum(axis=1).mean())
    outcome = run_forward(trainer.network(state), trainer)
    hidden = float(outcome.synaptic_operations.mean()) - input_spikes * trainer.sizes[1]
    return count_work(
        trainer.sizes, input_spikes=input_spikes, hidden_updates=hidden, bins=n_bins,
        batch=trainer.config.optimiser.batch, itemsize=itemsize, training=training,
    )  # fmt: skip


@compile_undisturbed
@numba.njit(fastmath=True, nogil=True, error_model="numpy")
def chain(x: Any, factor: Any, term: Any, repeats: int) -> None:
    """`CHAIN` fused multiplications and additions for each number, again and again."""
    for _ in range(repeats):
        for i in range(x.shape[0]):
            v = x[i]
            v = v * factor + term
            v = v * factor + term
            v = v * factor + term
            v = v * factor + term
            v = v * factor + term
            v = v * factor + term
            v = v * factor + term
            v = v * factor + term
            v = v * factor + term
            v = v * factor + term
            v = v * factor + term
            v = v * factor + term
            v = v * factor + term
            v = v * factor + term
            v = v * factor + term
            v = v * factor + term
            x[i] = v


@compile_undisturbed
@numba.njit(nogil=True, error_model="numpy")
def triad(a: Any, b: Any, c: Any, factor: Any) -> None:
    """Sum b and the factor times c into a."""
    for i in range(a.shape[0]):
        a[i] = b[i] + factor * c[i]


def time_arithmetic(precision: str, *, repeats: int) -> Step:
    """A step that returns seconds per operation, all threads together."""
    n, n_threads = 1024, get_thread_count()
    kind = np.dtype(precision).type
    arrays = [np.linspace(0, 1, n).astype(precision) for _ in range(n_threads)]
    factor, term = kind(0.999), kind(0.001)

    def run() -> float:
        start = time.perf_counter()
        run_on_threads(lambda k: chain(arrays[k], factor, term, repeats), n_threads)
        return (time.perf_counter() - start) / (n * CHAIN * repeats * n_threads)

    run()
    return run


def time_memory(*, n: int) -> Step:
    """A step that returns seconds per byte, all threads together; three arrays of n numbers."""
    n_threads = get_thread_count()
    a, b, c = np.ones((3, n_threads, n))
    factor = 0.5

    def run() -> float:
        start = time.perf_counter()
        run_on_threads(lambda k: triad(a[k], b[k], c[k], factor), n_threads)
        return (time.perf_counter() - start) / (3 * 8 * n * n_threads)

    run()
    return run


def measure(session: Session) -> None:
    """Limits and steps in turns; floors, and how far above them we are."""
    options = session.options
    tiny = options.tiny
    hidden, batch = ((5, 5), 20) if tiny else (HIDDEN, BATCH)
    session.show("measuring the machine")
    steps = {"memory": time_memory(n=1000 if tiny else 8_000_000)}
    works = {}
    for precision in list_precisions():
        steps[f"arithmetic, {precision}"] = time_arithmetic(
            precision, repeats=10 if tiny else 20_000
        )
        session.show(f"compiling theta, {precision}")
        epoch = batch * (1 if tiny else 5 if options.quick else 10)
        trainer = make_trainer(
            "theta", hidden=hidden, samples=epoch, batch=batch, precision=precision,
            data=options.data,
        )  # fmt: skip
        state = set_activity(trainer)
        itemsize = np.dtype(precision).itemsize
        names = [f"{kind}, {precision}" for kind in KINDS]
        steps[names[0]] = time_training(trainer, state)
        steps[names[1]] = time_inference(trainer, state, batch, least=options.least)
        for name, training in zip(names, (True, False), strict=True):
            works[name] = count_work_of(trainer, state, training=training, itemsize=itemsize)
    seconds = interleave(steps, options.rounds, show=session.show)
    add_limits(session, seconds)
    for name, work in works.items():
        precision = name.split(", ")[1]
        add_floor(session, name, work, seconds[f"arithmetic, {precision}"], seconds["memory"],
                  seconds[name])  # fmt: skip


def add_limits(session: Session, seconds: dict[str, list[float]]) -> None:
    """What the machine can do at best."""
    session.add("memory: triad", (1e-9 / s for s in seconds["memory"]), "GB/s", None)
    for precision in list_precisions():
        rates = (1e-9 / s for s in seconds[f"arithmetic, {precision}"])
        session.add(f"arithmetic, {precision}", rates, "10^9 FMA/s", None)


def add_floor(
    session: Session, name: str, work: Work, arithmetic: list[float], memory: list[float],
    measured: list[float],
) -> None:  # fmt: skip
    """The floor of one kind of step, by the best round of each limit; and the distance to it."""
    by_operations, by_bytes = work.operations * min(arithmetic), work.bytes * min(memory)
    floor = work.floor(1 / min(arithmetic), 1 / min(memory))
    session.add(f"{name}: operations", [work.operations], "per sample", None)
    session.add(f"{name}: bytes from memory", [work.bytes], "per sample", None)
    session.add(f"{name}: floor by operations", [1e6 * by_operations], "us/sample", None)
    session.add(f"{name}: floor by bytes", [1e6 * by_bytes], "us/sample", None)
    session.add(f"{name}: measured", (1e6 * s for s in measured), "us/sample", "lower")
    session.add(f"{name}: over the floor", (s / floor for s in measured), "times", "lower")
