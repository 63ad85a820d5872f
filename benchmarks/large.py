"""Large networks with delays: our engines, and simulators that step in time.

N neurons hear 100 or 1,000 others each after tau/10, or after three delays, or after one of its own
for each connection, with one weight or one for each synapse; constant drive, weak inhibition, about
0.5 to 0.8 spikes per neuron and tau. Million synaptic events per second and core, set-up left out;
processor seconds of one thread, in turns. Beside them NEST with grid and precise neurons
(``--nest-python``) and Brian2's C++ (``--brian-python``), with steps of tau/100 and one refractory
step where they insist on it; and what such steps lose in spike times (`benchmarks.grid_error`).
"""

import time
from contextlib import ExitStack
from dataclasses import replace

from benchmarks import grid_error
from benchmarks.large_networks import Task, open_events, open_windows
from benchmarks.large_peers import list_peers, open_peer
from benchmarks.scaling import use_threads, with_threads
from benchmarks.suite import Session
from benchmarks.timing import Step, interleave
from sim.threads import get_thread_count

DURATIONS = {1_000: 100.0, 10_000: 20.0, 100_000: 4.0, 300_000: 2.0, 1_000_000: 1.0}
"""Of the trial, by neurons [tau]."""
SIZES = (1_000, 10_000, 100_000, 1_000_000)
SHORTER = {"qif": 4.0, "eif": 1.0, "adex": 1.0}
"""Of neurons without a frame, which take longer [tau]."""
MANY = 100_000_000
"""Connections from which on two rounds are enough: peers take minutes to be set up."""
ONE_WEIGHT = [
    Task(model=model, n=n, in_degree=in_degree)
    for in_degree, n_sizes in ((100, 4), (1_000, 3))
    for n in SIZES[:n_sizes]
    for model in ("lif_delta", "theta")
]
VARIANTS = [
    Task(model=model, n=n, **settings)
    for n in (10_000, 100_000)
    for settings in ({"weights": "float32"}, {"weights": "float64"}, {"delays": "classes"},
                     {"delays": "own"})
    for model in ("lif_delta", "theta")
]  # fmt: skip
OTHERS = [
    *(Task(model="lif", n=n) for n in (10_000, 100_000)),
    *(Task(model=model, n=10_000) for model in ("qif", "qif_delta", "eif", "adex")),
]
TINY = Task(model="theta", n=200, in_degree=20)
THREADED = [
    *(Task(model=model, n=100_000) for model in ("lif_delta", "theta", "lif")),
    *(Task(model=model, n=300_000) for model in ("lif_delta", "theta")),
]


def measure(session: Session) -> None:
    """All of it."""
    few = session.options.quick or session.options.tiny
    tasks = [TINY] if session.options.tiny else [*ONE_WEIGHT, *VARIANTS, *OTHERS]
    if few and not session.options.tiny:
        tasks = [task for task in ONE_WEIGHT[:4] if task.model == "theta"]
    match = session.options.match
    for task in tasks:
        if match in task.name:
            measure_task(session, task)
    if match in grid_error.NAME and not few:
        grid_error.measure(session)
    for task in [TINY] if few else THREADED:
        if match in task.name or match == "threads":
            measure_threads(session, task)


def measure_task(session: Session, task: Task) -> None:
    """One network: ours and peers, in turns on one core."""
    duration = 5.0 if session.options.tiny else max(DURATIONS[task.n] * 100 / task.in_degree, 1.0)
    duration = min(duration, SHORTER.get(task.model, duration))
    rounds = min(session.options.rounds, 2 if task.n * task.in_degree >= MANY else 5)
    task = replace(task, duration=duration)
    session.show(f"setting up {task.name}")
    with use_threads(1), ExitStack() as stack:
        steps: dict[str, Step] = {}
        begin = time.perf_counter()
        windows = open_windows(task)
        built = time.perf_counter() - begin
        steps["windows"] = windows
        if task.n <= 100_000 and task.in_degree == 100:
            steps["events"] = open_events(task)
        for python, peer in list_peers(session, task.model):
            session.show(f"setting up {task.name}, {peer.name}")
            opened = stack.enter_context(open_peer(session, python, peer, task.settings))
            if opened is not None:
                steps[peer.name] = opened.step
        for step in steps.values():
            step()
        seconds = interleave(steps, rounds, show=session.show)
    settings = {**task.settings, "spikes_per_neuron_and_tau": windows.rate, "built_seconds": built}
    for name, values in seconds.items():
        session.add(f"{task.name}: {name}", (windows.events / s / 1e6 for s in values),
                    "million/s", "higher" if name == "windows" else None, **settings)  # fmt: skip
    for name in list(seconds)[1:]:
        session.add_ratio(f"{task.name}: windows, times faster than {name}", seconds[name],
                          seconds["windows"], "higher")  # fmt: skip


def measure_threads(session: Session, task: Task) -> None:
    """The speed-up by threads, of seconds on the wall."""
    duration = 5.0 if session.options.tiny else 2 * DURATIONS[task.n]
    most = get_thread_count()
    run = open_windows(replace(task, duration=duration), clock=time.perf_counter)
    numbers = sorted({1, 2, most} if most > 1 else {1})
    steps = {str(n): with_threads(n, run) for n in numbers}
    for step in steps.values():
        step()
    seconds = interleave(steps, session.options.rounds, show=session.show)
    for number in numbers[1:]:
        session.add_ratio(f"{task.name}: speed-up by {number} threads", seconds["1"],
                          seconds[str(number)], "higher", **task.settings)  # fmt: skip
