"""How the time per sample grows: threads, batch sizes, widths and depths.

Loss and gradient of a batch through theta neurons. Widths and depths are drawn over the synaptic
operations, that is spikes times fan-out, inputs included; every hidden layer spikes as often as in
a trained network of the paper's size.
"""

import os
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from benchmarks.networks import (
    count_operations,
    make_trainer,
    set_activity,
    time_gradient,
)
from benchmarks.suite import Session
from benchmarks.timing import Step, interleave
from sim.threads import get_thread_count

HIDDEN = (100, 100)
BATCHES = (1, 10, 100, 1000, 10_000, 60_000)
WIDTHS = (10, 30, 100, 300, 1000, 3000, 10_000)
DEPTHS = (1, 2, 3, 5, 10, 20)
THREADS = "SPIKETHEORY_THREADS"


def measure(session: Session) -> None:
    """All four."""
    measure_threads(session)
    measure_batches(session)
    measure_widths(session)
    measure_depths(session)


@contextmanager
def use_threads(number: int) -> Iterator[None]:
    """Run with so many threads."""
    before = os.environ.get(THREADS)
    os.environ[THREADS] = str(number)
    try:
        yield
    finally:
        if before is None:
            del os.environ[THREADS]
        else:
            os.environ[THREADS] = before


def with_threads(number: int, step: Step) -> Step:
    """The step with so many threads."""

    def run() -> float:
        with use_threads(number):
            return step()

    return run


def measure_threads(session: Session) -> None:
    """Numbers of threads in turns, and the speed-up over one."""
    tiny = session.options.tiny
    hidden, batch = ((5, 5), 20) if tiny else (HIDDEN, 1000)
    trainer = make_trainer("theta", hidden=hidden, samples=batch, batch=batch)
    state = set_activity(trainer)
    step = time_gradient(trainer, state, batch, least=session.options.least)
    most = get_thread_count()
    numbers = sorted({1, *(2**k for k in range(1, most.bit_length())), most})
    steps = {str(n): with_threads(n, step) for n in numbers}
    seconds = interleave(steps, session.options.rounds, show=session.show)
    settings = {"hidden": list(hidden), "batch": batch}
    for name, values in seconds.items():
        one = "" if name == "1" else "s"
        session.add(f"{name} thread{one}", (1e6 * s for s in values), "us/sample", "lower",
                    **settings)  # fmt: skip
        if name != "1":
            session.add_ratio(f"speed-up by {name} threads", seconds["1"], values, "higher",
                              **settings)  # fmt: skip


def measure_batches(session: Session) -> None:
    """Batch sizes in turns."""
    options = session.options
    sizes = (1, 5) if options.tiny else (1, 100, 10_000) if options.quick else BATCHES
    hidden = (5,) if options.tiny else HIDDEN
    trainer = make_trainer("theta", hidden=hidden, samples=max(sizes), batch=max(sizes))
    state = set_activity(trainer)
    steps = {
        f"batch {n}": time_gradient(trainer, state, n, least=options.least) for n in sizes
    }  # fmt: skip
    rounds = min(options.rounds, 3)
    for name, values in interleave(steps, rounds, show=session.show).items():
        session.add(name, (1e6 * s for s in values), "us/sample", "lower", hidden=list(hidden))


def measure_widths(session: Session) -> None:
    """One hidden layer of growing width."""
    options = session.options
    widths = (3, 5) if options.tiny else (10, 100, 1000) if options.quick else WIDTHS
    measure_sizes(session, {f"width {n}": (n,) for n in widths})


def measure_depths(session: Session) -> None:
    """A growing number of hidden layers of 100 neurons."""
    options = session.options
    depths = (1, 2) if options.tiny else (1, 5) if options.quick else DEPTHS
    width = 3 if options.tiny else 100
    measure_sizes(session, {f"depth {n}": (width,) * n for n in depths})


def measure_sizes(session: Session, networks: dict[str, tuple[int, ...]]) -> None:
    """Time per sample and per synaptic operation of networks in turns."""
    steps, operations = {}, {}
    for name, hidden in networks.items():
        session.show(f"setting up {name}")
        batch = 10 if session.options.tiny else 1000 if sum(hidden) <= 500 else 100
        trainer = make_trainer("theta", hidden=hidden, samples=batch, batch=batch)
        state = set_activity(trainer)
        operations[name] = count_operations(trainer, state)
        steps[name] = time_gradient(trainer, state, batch, least=session.options.least)
    rounds, medians = min(session.options.rounds, 3), []
    for name, values in interleave(steps, rounds, show=session.show).items():
        settings = {"hidden": list(networks[name])}
        session.add(f"{name}: synaptic operations", [operations[name]], "per sample", None,
                    **settings)  # fmt: skip
        session.add(name, (1e6 * s for s in values), "us/sample", "lower", **settings)
        session.add(f"{name}: per synaptic operation", (1e9 * s / operations[name] for s in values),
                    "ns", "lower", **settings)  # fmt: skip
        medians.append(1e6 * statistics.median(values))
    if len(medians) < 3:
        return
    start, slope, deviation = fit_line(list(operations.values()), medians)
    what = next(iter(networks)).split()[0]
    session.add(f"{what}: line, at no operation", [start], "us/sample", None)
    session.add(f"{what}: line, slope", [1e3 * slope], "ns/operation", None)
    session.add(f"{what}: largest deviation from the line", [deviation], "relative", None)


def fit_line(x: Sequence[float], y: Sequence[float]) -> tuple[float, float, float]:
    """Start, slope, and largest relative deviation of the line with the least relative squares."""
    places, values = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    columns = np.stack([1 / values, places / values], axis=1)
    (start, slope), *_ = np.linalg.lstsq(columns, np.ones(len(values)), rcond=None)
    deviations = np.abs((start + slope * places) / values - 1)
    return float(start), float(slope), float(deviations.max())
