"""Large sparse networks and the backward pass: `benchmarks.recurrent`, as part of the suite."""

import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from benchmarks import recurrent
from benchmarks.suite import Session
from benchmarks.timing import Step, interleave
from sim.events.differentiate import differentiate
from sim.network.network import Network

BRIAN = "Brian2"
SIZES = {1_000: 100.0, 10_000: 20.0, 100_000: 4.0}
"""Neurons, and duration of the trial in units of tau."""

Run = Callable[[], tuple[int, float]]
"""Runs a network; returns the number of spikes and the seconds of its loop."""


def measure(session: Session) -> None:
    """Synaptic events per second, and the time of the backward pass over the forward pass."""
    options = session.options
    sizes = {200: 5.0} if options.tiny else dict(list(SIZES.items())[: 1 if options.quick else 3])
    models = ("theta",) if options.quick or options.tiny else tuple(recurrent.DRIVES)
    brian = load_brian(session)
    runs: dict[str, tuple[Network, Run]] = {}
    for model in models:
        session.show(f"compiling the event loop of {model}")
        recurrent.run_once(recurrent.make_circuit(model, 200, 1.0))
        for n, duration in sizes.items():
            network = recurrent.make_circuit(model, n, duration)
            runs[f"{model}, N = {n:,d}"] = network, partial(run_ours, network)
            if brian is not None and model == "theta":
                session.show(f"setting up Brian2, N = {n:,d}")
                runs[f"{BRIAN}, N = {n:,d}"] = network, brian(network)
    measure_forward(session, runs)
    n, duration = (200, 5.0) if options.tiny else (1000, 100.0 if options.quick else 1000.0)
    measure_backward(session, recurrent.make_circuit("theta", n, duration), n)


def load_brian(session: Session) -> Callable[[Network], Run] | None:
    """What makes a run of Brian2 of a network, or None with a note that says why."""
    if find_spec("brian2") is None or find_spec("benchmarks.brian_peer") is None:
        session.note("Brian2: left out, it is missing; pip install brian2.")
        return None
    peer: Any = import_module("benchmarks.brian_peer")
    brian, line = peer.load_brian()
    session.note(line)
    return None if brian is None else lambda network: peer.BrianNetwork(brian, network).run


def run_ours(network: Network) -> tuple[int, float]:
    """Spikes, and CPU seconds of the event loop."""
    recording, seconds = recurrent.run_once(network)
    return len(recording.spike_time), seconds


def measure_forward(session: Session, runs: dict[str, tuple[Network, Run]]) -> None:
    """Networks in turns, CPU seconds of the event loop alone."""
    spikes = {name: run()[0] for name, (_, run) in runs.items()}
    steps: dict[str, Step] = {name: partial(time_run, run) for name, (_, run) in runs.items()}
    seconds = interleave(steps, min(session.options.rounds, 5), show=session.show)
    for name, values in seconds.items():
        network = runs[name][0]
        n_events = spikes[name] * network.n_connections / network.populations[0].size
        settings = {"spikes": spikes[name], "duration": network.duration}
        better = None if name.startswith(BRIAN) else "higher"
        session.add(f"{name}: synaptic events", (n_events / s / 1e6 for s in values),
                    "million/s", better, **settings)  # fmt: skip
        session.add(f"{name}: per network spike", (1e6 * s / spikes[name] for s in values), "us",
                    better and "lower", **settings)  # fmt: skip
    for name in [k for k in seconds if k.startswith(BRIAN)]:
        ours = name.replace(BRIAN, "theta")
        theirs = [s / spikes[name] for s in seconds[name]]
        costs = [s / spikes[ours] for s in seconds[ours]]
        session.add_ratio(f"{ours}: times faster per spike than {BRIAN}", theirs, costs, "higher")


def time_run(run: Run) -> float:
    """Seconds of a run."""
    return run()[1]


def measure_backward(session: Session, network: Network, n: int) -> None:
    """Going back through the recorded spikes, beside running without recording."""
    recording, _ = recurrent.run_once(network, record=True)
    slopes = np.ones(len(recording.spike_time))

    def go_back() -> float:
        start = time.process_time()
        differentiate(recording, spike_time=slopes)
        return time.process_time() - start

    go_back()
    steps = {"forward": lambda: recurrent.run_once(network)[1], "backward": go_back}
    seconds = interleave(steps, min(session.options.rounds, 5), show=session.show)
    name = f"theta, N = {n:,d}: backward over forward pass"
    session.add_ratio(name, seconds["backward"], seconds["forward"], "lower", spikes=len(slopes))
