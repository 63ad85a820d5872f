"""Large sparse networks and the backward pass: ``python -m benchmarks.recurrent [PICTURE.png]``.

One run measures, in CPU seconds of one core, (a) networks of N = 10^3, 10^4, 10^5 (with ``--large``
10^6) neurons that hear 100 others each: synaptic events per second and cost per network spike; and
(b) recording, going back, and going back with derivatives by parameters, over about 10^5 spikes of
1,000 and 10,000 neurons, beside running without recording. Theta and qif_delta neurons with a
constant drive and inhibition -1/sqrt(100), started at random; about 0.1 spikes per neuron and tau.
Medians of interleaved rounds.
"""

import statistics
import sys
import time

import numpy as np

from derivations import compile_model
from sim.circuit import Circuit, Population, Projection
from sim.connect import connect_fixed_in_degree
from sim.differentiate import differentiate
from sim.recurrent import MAX_SPIKES, LazyRun, Recording, simulate

IN_DEGREE = 100
DURATIONS = {1_000: 100.0, 10_000: 20.0, 100_000: 4.0, 1_000_000: 1.0}
BACKWARD = {1_000: 1_000.0, 10_000: 100.0}
DRIVES = {"theta": 1.25, "qif_delta": 1.25}
ROUNDS = 3


def make_circuit(model: str, n: int, duration: float) -> Circuit:
    """An inhibitory network of constant in-degree."""
    rng = np.random.default_rng(0)
    weights = connect_fixed_in_degree(n, n, IN_DEGREE, -1.0 / np.sqrt(IN_DEGREE), rng)
    population = Population(
        name="n", model=compile_model(model), size=n, parameters={"I0": DRIVES[model]},
        initial={"V": rng.normal(0.5, 1.0, n)},
    )  # fmt: skip
    connections = Projection(pre="n", post="n", weights=weights)
    return Circuit(populations=[population], projections=[connections], duration=duration)


def run_once(circuit: Circuit, *, record: bool = False) -> tuple[Recording, float]:
    """A run, and the CPU seconds of its loop, setting up left out."""
    run = LazyRun(circuit, np.empty(0), np.empty(0, np.int64), record=record, max_spikes=MAX_SPIKES)
    start = time.process_time()
    recording = run.finish(None)
    return recording, time.process_time() - start


def measure_scaling(sizes: list[int]) -> dict[str, list[float]]:
    """Print events per second for each size; returns microseconds per network spike."""
    costs: dict[str, list[float]] = {}
    for model in DRIVES:
        simulate(make_circuit(model, 200, 1.0))
        print(f"{model}, {IN_DEGREE} synapses per neuron")
        for n in sizes:
            circuit = make_circuit(model, n, DURATIONS[n])
            rounds = [run_once(circuit) for _ in range(ROUNDS)]
            n_spikes = len(rounds[0][0].spike_time)
            seconds = statistics.median(s for _, s in rounds)
            events = n_spikes * circuit.n_connections / n
            costs.setdefault(model, []).append(1e6 * seconds / n_spikes)
            print(
                f"  N = {n:9,d}: {n_spikes:7,d} spikes, {events / seconds / 1e6:5.1f} million "
                f"synaptic events/s, {1e6 * seconds / n_spikes:5.1f} us per spike"
            )
    return costs


def measure_backward() -> None:
    """Print the time of the backward pass beside that of the forward pass."""
    for n, duration in BACKWARD.items():
        circuit = make_circuit("theta", n, duration)
        rows: list[list[float]] = []
        for _ in range(ROUNDS):
            _, plain = run_once(circuit)
            recording, recorded = run_once(circuit, record=True)
            slopes = np.ones(len(recording.spike_time))
            times = [plain, recorded]
            for parameters in (False, True):
                start = time.process_time()
                differentiate(recording, spike_time=slopes, parameters=parameters)
                times.append(time.process_time() - start)
            rows.append(times)
        plain, recorded, back, more = (
            statistics.median(column) for column in zip(*rows, strict=True)
        )
        print(
            f"theta, N = {n:,d}, {len(slopes):,d} spikes: forward {plain:.2f} s, recorded "
            f"{recorded:.2f} s; backward {back:.2f} s ({back / plain:.2f} times the forward pass), "
            f"with parameters {more:.2f} s ({more / plain:.2f} times)"
        )


def draw(sizes: list[int], costs: dict[str, list[float]], path: str) -> None:
    """Draw the cost per spike over the number of neurons."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for model, cost in costs.items():
        axes.plot(sizes, cost, "o-", label=model)
    first = next(iter(costs.values()))[0]
    axes.plot(sizes, first * np.log(sizes) / np.log(sizes[0]), ":", color="grey", label="log N")
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("neurons")
    axes.set_ylabel("microseconds per network spike")
    axes.legend()
    figure.savefig(path)


def main() -> None:
    """Measure and print."""
    arguments = [a for a in sys.argv[1:] if a != "--large"]
    sizes = [n for n in DURATIONS if n < 1_000_000 or "--large" in sys.argv]
    costs = measure_scaling(sizes)
    measure_backward()
    if arguments:
        draw(sizes, costs, arguments[0])


if __name__ == "__main__":
    main()
