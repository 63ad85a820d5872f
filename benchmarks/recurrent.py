"""Large sparse networks and the backward pass: ``python -m benchmarks.recurrent``.

One run measures, in CPU seconds of one core and in turns, (a) networks of N = 10^3, 10^4, 10^5
(with ``--large`` 10^6) neurons that hear 100 others each: synaptic events per second and cost per
network spike, beside Brian2 where it is installed; and (b) recording, going back, and going back
with derivatives by parameters, over about 10^5 spikes of 1,000 and 10,000 neurons, beside running
without recording. Theta and qif_delta neurons with a constant drive and inhibition -1/sqrt(100),
started at random; about 0.1 spikes per neuron and tau. Setting up is left out. Medians and ranges
of the rounds; ``--out`` keeps all as JSON with the machine and the commit, ``--figure`` draws (a).
"""

import argparse
import json
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.brian_peer import BrianNetwork, load_brian
from benchmarks.machine import describe_machine
from derivations import compile_model
from sim.events.differentiate import differentiate
from sim.events.recording import Recording
from sim.events.simulate import MAX_SPIKES, EventRun, estimate_memory, simulate
from sim.network.connect import connect_fixed_in_degree
from sim.network.network import Network, Population, Projection
from sim.network.wiring import Wiring, wire
from spiketheory.files import replace_atomically, write_text_atomically

IN_DEGREE = 100
DURATIONS = {1_000: 100.0, 10_000: 20.0, 100_000: 4.0, 1_000_000: 1.0}
BACKWARD = {1_000: 1_000.0, 10_000: 100.0}
DRIVES = {"theta": 1.25, "qif_delta": 1.25}
ROUNDS = 5
LARGE = 1_000_000
BRIAN = "Brian2"

Row = dict[str, Any]


def make_weights(n: int) -> Any:
    """Inhibition with a constant in-degree."""
    rng = np.random.default_rng(0)
    return connect_fixed_in_degree(n, n, IN_DEGREE, -1.0 / np.sqrt(IN_DEGREE), rng)


def make_circuit(model: str, n: int, duration: float, weights: Any = None) -> Network:
    """An inhibitory network, of `make_weights` if not said otherwise."""
    rng = np.random.default_rng(1)
    population = Population(
        name="n", model=compile_model(model), size=n, parameters={"I0": DRIVES[model]},
        initial={"V": rng.normal(0.5, 1.0, n)},
    )  # fmt: skip
    connections = Projection(
        pre="n", post="n", weights=make_weights(n) if weights is None else weights
    )
    return Network(populations=[population], projections=[connections], duration=duration)


def run_once(
    network: Network, *, record: bool = False, wiring: Wiring | None = None
) -> tuple[Recording, float]:
    """A run, and the CPU seconds of its loop, setting up left out."""
    run = EventRun(
        network, np.empty(0), np.empty(0, np.int64), record=record, max_spikes=MAX_SPIKES,
        wiring=wiring,
    )  # fmt: skip
    start = time.process_time()
    recording = run.finish(None)
    return recording, time.process_time() - start


def measure_scaling(sizes: Sequence[int], rounds: int, brian: Any) -> list[Row]:
    """Print and return events per second and cost per spike, by tool and size."""
    for model in DRIVES:
        simulate(make_circuit(model, 200, 1.0))
    rows = []
    for n in sizes:
        print(f"N = {n:,d}, {IN_DEGREE} synapses per neuron, {DURATIONS[n]:g} tau")
        rows += measure_size(n, rounds if n < LARGE else min(rounds, 2), brian)
    return rows


def measure_size(n: int, rounds: int, brian: Any) -> list[Row]:
    """All tools in turns at one size."""
    start = time.perf_counter()
    steps: dict[str, Callable[[], tuple[int, float]]] = {}
    weights = make_weights(n)
    networks = {model: make_circuit(model, n, DURATIONS[n], weights) for model in DRIVES}
    wiring = wire(next(iter(networks.values())))
    for model, network in networks.items():
        own = wiring if model == "theta" else rewire(network, wiring)
        steps[model] = lambda network=network, own=own: count_spikes(network, own)
    set_up = time.perf_counter() - start
    if brian is not None and n < LARGE:
        steps[BRIAN] = BrianNetwork(brian, networks["theta"]).run
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    spikes: dict[str, int] = {}
    for _ in range(rounds):
        for name, step in steps.items():
            spikes[name], took = step()
            seconds[name].append(took)
    rows = [make_row(name, n, spikes[name], seconds[name]) for name in steps]
    for row in rows:
        row["set_up_seconds"] = None if row["tool"] == BRIAN else set_up
        row["bytes_estimated"] = estimate_memory(networks["theta"], record=False)
        row["peak_bytes_of_process"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(format_row(row))
    if n == LARGE:
        peak = rows[-1]["peak_bytes_of_process"]
        print(f"  set up in {set_up:.0f} s; peak memory of the process {peak / 1e9:.1f} GB")
    return rows


def rewire(network: Network, wiring: Wiring) -> Wiring:
    """The wiring of a network that differs in its model alone."""
    bare = Network(populations=network.populations, projections=[], duration=network.duration)
    own = wire(bare)
    shared = ("source_groups", "group_edges", "group_delays", "ticks", "targets", "weights")
    edges = {name: getattr(wiring.wires, name) for name in shared}
    return own._replace(wires=own.wires._replace(**edges), places=wiring.places)


def count_spikes(network: Network, wiring: Wiring) -> tuple[int, float]:
    """Spikes of a run, and the seconds of its loop."""
    recording, seconds = run_once(network, wiring=wiring)
    return len(recording.spike_time), seconds


def make_row(tool: str, n: int, spikes: int, seconds: list[float]) -> Row:
    """What is kept of a tool at a size."""
    return {
        "tool": tool, "neurons": n, "duration": DURATIONS[n], "spikes": spikes,
        "seconds": seconds,
        "million_events_per_second": sorted(spikes * IN_DEGREE / s / 1e6 for s in seconds),
        "microseconds_per_spike": sorted(1e6 * s / spikes for s in seconds),
    }  # fmt: skip


def format_row(row: Row) -> str:
    """One line of text."""
    rates, costs = row["million_events_per_second"], row["microseconds_per_spike"]
    return (
        f"  {row['tool']:10s} {row['spikes']:8,d} spikes, {statistics.median(rates):5.1f} "
        f"({rates[0]:.1f} to {rates[-1]:.1f}) million synaptic events/s, "
        f"{statistics.median(costs):5.1f} ({costs[0]:.1f} to {costs[-1]:.1f}) us per spike"
    )


def measure_backward(rounds: int) -> list[Row]:
    """Print and return the time of the backward pass beside that of the forward pass."""
    names = ("forward", "recorded", "backward", "backward with parameters")
    rows = []
    recording, _ = run_once(make_circuit("theta", 200, 1.0), record=True)
    for parameters in (False, True):  # compiles
        differentiate(
            recording, spike_time=np.ones(len(recording.spike_time)), parameters=parameters
        )
    for n, duration in BACKWARD.items():
        network = make_circuit("theta", n, duration)
        wiring = wire(network)
        seconds: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(rounds):
            seconds["forward"].append(run_once(network, wiring=wiring)[1])
            recording, took = run_once(network, record=True, wiring=wiring)
            seconds["recorded"].append(took)
            slopes = np.ones(len(recording.spike_time))
            for name in names[2:]:
                start = time.process_time()
                differentiate(recording, spike_time=slopes, parameters=name != "backward")
                seconds[name].append(time.process_time() - start)
        ratios = {
            name: sorted(a / b for a, b in zip(seconds[name], seconds["forward"], strict=True))
            for name in names[1:]
        }
        rows.append(
            {"neurons": n, "spikes": len(slopes), "seconds": seconds, "over_forward": ratios}
        )
        text = "; ".join(
            f"{name} {statistics.median(r):.2f} ({r[0]:.2f} to {r[-1]:.2f}) times"
            for name, r in ratios.items()
        )
        print(f"theta, N = {n:,d}, {len(slopes):,d} spikes, beside the forward pass: {text}")
    return rows


def draw(rows: list[Row], path: str) -> None:
    """Draw the cost per spike over the number of neurons."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 3.6), layout="constrained", dpi=110)
    axes = figure.subplots()
    for tool in dict.fromkeys(row["tool"] for row in rows):
        own = [row for row in rows if row["tool"] == tool]
        sizes = [row["neurons"] for row in own]
        costs = [row["microseconds_per_spike"] for row in own]
        middle = [statistics.median(c) for c in costs]
        spread = [
            [m - c[0] for m, c in zip(middle, costs, strict=True)],
            [c[-1] - m for m, c in zip(middle, costs, strict=True)],
        ]
        label = f"{tool}, dt = tau/100, inexact" if tool == BRIAN else f"{tool}, exact"
        style = "s--" if tool == BRIAN else "o-"
        axes.errorbar(sizes, middle, yerr=spread, fmt=style, capsize=3, markersize=4, label=label)
    sizes = sorted({row["neurons"] for row in rows})
    first = statistics.median(rows[0]["microseconds_per_spike"])
    guide = first * np.log(sizes) / np.log(sizes[0])
    axes.plot(sizes, guide, ":", color="grey", label="grows like log N")
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("neurons N, 100 synapses each")
    axes.set_ylabel("µs per network spike")
    figure.legend(loc="outside upper center", ncols=2, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    with replace_atomically(path) as temporary:
        figure.savefig(temporary)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recurrent", description=__doc__)
    parser.add_argument("--large", action="store_true", help="10^6 neurons too (13 GB, minutes)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="turns, 2 at most for 10^6")
    parser.add_argument("--sizes", type=int, nargs="+", choices=DURATIONS, help="only these")
    parser.add_argument("--out", type=Path, help="keep the result as JSON")
    parser.add_argument("--figure", type=Path, help="draw cost per spike over neurons (PNG, SVG)")
    parser.add_argument("--no-backward", action="store_true", help="leave out (b)")
    parser.add_argument("--draw", type=Path, help="only draw the figure of such a JSON file")
    options = parser.parse_args(arguments)
    if options.draw is not None:
        if options.figure is None:
            parser.error("--draw needs --figure, the file to draw to")
        draw(json.loads(options.draw.read_text(encoding="utf-8"))["scaling"], str(options.figure))
        return
    brian, line = load_brian()
    print(line)
    machine = describe_machine()
    sizes = options.sizes or [n for n in DURATIONS if n < LARGE or options.large]
    rows = measure_scaling(sizes, options.rounds, brian)
    backward = [] if options.no_backward else measure_backward(options.rounds)
    if options.out is not None:
        result = {
            "format": "spiketheory recurrent benchmark", "version": 1, "machine": machine,
            "brian2": line, "in_degree": IN_DEGREE, "rounds": options.rounds, "scaling": rows,
            "backward": backward,
        }  # fmt: skip
        write_text_atomically(options.out, json.dumps(result, indent=1) + "\n")
    if options.figure is not None:
        draw(rows, str(options.figure))


if __name__ == "__main__":
    main()
