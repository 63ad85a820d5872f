"""Large sparse networks and the backward pass: `benchmarks.recurrent`, as part of the suite."""

import time
from importlib.util import find_spec

import numpy as np

from benchmarks import recurrent
from benchmarks.suite import Session
from benchmarks.timing import interleave
from sim.circuit import Circuit
from sim.differentiate import differentiate

SIZES = {1_000: 100.0, 10_000: 20.0, 100_000: 4.0}
"""Neurons, and duration of the trial in units of tau."""


def measure(session: Session) -> None:
    """Synaptic events per second, and the time of the backward pass over the forward pass."""
    options = session.options
    if find_spec("brian2") is None:
        session.note("Brian2: left out, it is missing; pip install brian2.")
    else:
        session.note(
            "Brian2 beside recurrent networks: python -m benchmarks.recurrent says how to measure "
            "it."
        )
    sizes = {200: 5.0} if options.tiny else dict(list(SIZES.items())[: 1 if options.quick else 3])
    models = ("theta",) if options.quick or options.tiny else tuple(recurrent.DRIVES)
    circuits = {}
    for model in models:
        session.show(f"compiling the event loop of {model}")
        recurrent.run_once(recurrent.make_circuit(model, 200, 1.0))
        for n, duration in sizes.items():
            circuits[f"{model}, N = {n:,d}"] = recurrent.make_circuit(model, n, duration)
    measure_forward(session, circuits)
    n, duration = (200, 5.0) if options.tiny else (1000, 100.0 if options.quick else 1000.0)
    measure_backward(session, recurrent.make_circuit("theta", n, duration), n)


def measure_forward(session: Session, circuits: dict[str, Circuit]) -> None:
    """Networks in turns, CPU seconds of the event loop alone."""
    spikes = {name: len(recurrent.run_once(c)[0].spike_time) for name, c in circuits.items()}
    steps = {
        name: (lambda c=circuit: recurrent.run_once(c)[1]) for name, circuit in circuits.items()
    }
    seconds = interleave(steps, min(session.options.rounds, 5), show=session.show)
    for name, values in seconds.items():
        n_neurons = circuits[name].populations[0].size
        n_events = spikes[name] * circuits[name].n_connections / n_neurons
        settings = {"spikes": spikes[name], "duration": circuits[name].duration}
        session.add(f"{name}: synaptic events", (n_events / s / 1e6 for s in values),
                    "million/s", "higher", **settings)  # fmt: skip
        session.add(f"{name}: per network spike", (1e6 * s / spikes[name] for s in values), "us",
                    "lower", **settings)  # fmt: skip


def measure_backward(session: Session, circuit: Circuit, n: int) -> None:
    """Going back through the recorded spikes, beside running without recording."""
    recording, _ = recurrent.run_once(circuit, record=True)
    slopes = np.ones(len(recording.spike_time))

    def go_back() -> float:
        start = time.process_time()
        differentiate(recording, spike_time=slopes)
        return time.process_time() - start

    go_back()
    steps = {"forward": lambda: recurrent.run_once(circuit)[1], "backward": go_back}
    seconds = interleave(steps, min(session.options.rounds, 5), show=session.show)
    name = f"theta, N = {n:,d}: backward over forward pass"
    session.add_ratio(name, seconds["backward"], seconds["forward"], "lower", spikes=len(slopes))
