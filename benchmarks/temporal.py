"""Training in time: one sample there and back, beside the event engine.

256 neurons hear 700 channels that spike 5,000 times at 200 distinct instants, and spike about 2,050
times themselves: feedforward, recurrent with axonal delays of one to ten of the instants'
distances, recurrent without delays, with time constants of their own. CPU milliseconds of one core
for one sample of a batch, forward, loss and gradient by all weights, delays and initial states,
setting up the batch included; ratios to the event engine of this version and of an earlier one,
which run the same trial and go back. Then how the time grows with neurons and shrinks with threads,
and what other models take.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.machine import ROOT
from benchmarks.scaling import fit_line, use_threads, with_threads
from benchmarks.suite import Session
from benchmarks.temporal_networks import Task, set_activity
from benchmarks.temporal_peer import COMMIT, open_events, unpack_earlier
from benchmarks.timing import Step, interleave, time_calls
from sim.threads import get_thread_count

CASES: dict[str, dict[str, Any]] = {
    "feedforward": {},
    "recurrent with delays": {"recurrent": True, "delays": True},
    "recurrent": {"recurrent": True},
    "time constants of each neuron": {"varied": True},
}
MODELS = ("theta", "qif")
OTHERS = ("lif", "qif_delta", "rapid_theta", "lif_delta", "lif_alpha", "nlif")
INTEGRATED = ("eif", "adex", "izhikevich")
WIDTHS = (32, 64, 128, 256, 512, 1024)
TINY: dict[str, Any] = {
    "n": 8, "n_channels": 20, "n_spikes": 200, "n_instants": 20, "n_own": 64, "batch": 2,
}  # fmt: skip
FEW: dict[str, Any] = {"n": 16, "n_own": 128}
SPIKES_PER_NEURON = 8
SAMPLES_OF_THREADS = 64


def measure(session: Session) -> None:
    """All of it."""
    options = session.options
    sizes: dict[str, Any] = TINY if options.tiny else {}
    few = options.quick or options.tiny
    with tempfile.TemporaryDirectory(prefix="spiketheory-bench-") as folder:
        place = Path(folder)
        earlier = None if few else unpack_earlier(session, place)
        for model in MODELS[:1] if few else MODELS:
            for case, settings in CASES.items():
                if case == "feedforward" or not few:
                    task = Task(model=model, **{**sizes, **settings})
                    measure_case(session, f"{model}, {case}", task, place, earlier)
    measure_threads(session, Task(model="theta", **sizes))
    measure_widths(session, Task(model="theta", **sizes))
    if not few:
        for model in OTHERS + INTEGRATED:
            less: dict[str, Any] = FEW if model in INTEGRATED else {}
            measure_case(session, f"{model}, feedforward", Task(model=model, **less), None, None)


def describe(task: Task) -> dict[str, object]:
    """The settings of a figure."""
    return {
        "neurons": task.n, "channels": task.n_channels, "input_spikes": task.n_spikes,
        "instants": task.n_instants, "batch": task.batch,
    }  # fmt: skip


def time_sample(task: Task, least: float, clock: Callable[[], float]) -> Step:
    """A step that returns the seconds of one sample in a batch, forward and backward."""

    def once() -> float:
        begin = clock()
        task.run()
        return clock() - begin

    calls = max(1, round(least / max(once(), 1e-9)))
    return lambda: min(once() for _ in range(calls)) / task.batch


def measure_case(
    session: Session, name: str, task: Task, place: Path | None, earlier: Path | None
) -> None:
    """One network beside event engines, in turns on one core.

    Args:
        session: Where figures are added.
        name: Of the figure.
        task: The network, before its weights are scaled.
        place: Folder for files of the event engines; None leaves both out.
        earlier: Checkout of the earlier version, or None.
    """
    session.show(f"setting up {name}")
    versions = {"this version": ROOT, COMMIT: earlier}
    with use_threads(1), ExitStack() as stack:
        task = set_activity(task)
        spikes = task.run()
        steps = {name: time_sample(task, session.options.least, time.process_time)}
        for version, source in versions.items():
            if place is not None and source is not None:
                step, _ = stack.enter_context(open_events(source, task, place))
                steps[version] = step
        seconds = interleave(steps, session.options.rounds, show=session.show)
    settings = {**describe(task), "spikes": round(spikes)}
    session.add(name, (1e3 * s for s in seconds[name]), "ms/sample", "lower", **settings)
    for version in versions:
        if version in seconds:
            what = f"{name}: times faster than the event engine of {version}"
            session.add_ratio(what, seconds[version], seconds[name], "higher", **settings)


def measure_threads(session: Session, task: Task) -> None:
    """The speed-up by threads, of seconds on the wall."""
    tiny, most = session.options.tiny, get_thread_count()
    with use_threads(1):
        task = replace(set_activity(task), batch=2 if tiny else SAMPLES_OF_THREADS)
    step = time_calls(task.run, least=session.options.least)
    numbers = sorted({1, *(2**k for k in range(1, most.bit_length())), most})
    steps = {str(n): with_threads(n, step) for n in numbers}
    seconds = interleave(steps, session.options.rounds, show=session.show)
    for number in numbers[1:]:
        session.add_ratio(f"speed-up by {number} threads", seconds["1"], seconds[str(number)],
                          "higher", **describe(task))  # fmt: skip


def measure_widths(session: Session, task: Task) -> None:
    """How the time grows with the number of neurons."""
    few = session.options.quick or session.options.tiny
    widths = (8, 16) if session.options.tiny else (32, 256) if few else WIDTHS
    tasks, steps = {}, {}
    with use_threads(1):
        for n in widths:
            session.show(f"setting up {n} neurons")
            name = f"theta, feedforward, {n} neurons"
            tasks[name] = set_activity(replace(task, n=n, n_own=SPIKES_PER_NEURON * n))
            steps[name] = time_sample(tasks[name], session.options.least, time.process_time)
        seconds = interleave(steps, session.options.rounds, show=session.show)
    best = []
    for name, values in seconds.items():
        session.add(name, (1e3 * s for s in values), "ms/sample", "lower", **describe(tasks[name]))
        best.append(1e3 * statistics.median(values))
    if len(widths) > 2:
        start, slope, deviation = fit_line(widths, best)
        session.add("neurons: line, at none", [start], "ms/sample", None)
        session.add("neurons: line, slope", [1e3 * slope], "us/neuron", None)
        session.add("neurons: largest deviation from the line", [deviation], "relative", None)
