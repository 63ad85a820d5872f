"""Large networks over ranks: 1 and 2 processes of one thread in turns, and a model of more.

    python -m benchmarks.ranks --mpirun .venv/bin/mpirun --out ranks.png

Set-up is left out. Beside seconds by the clock, which others on the machine lengthen, processor
seconds of the rank that works longest, the wait for the other left out, plus what the exchange took
by itself.
The model adds up what is measured here, per synaptic event,
per spike (which every rank sorts and sends) and per window, and what a network between machines
takes, which is assumed.
"""

import argparse
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.large_networks import DELAY, Task, make_network
from benchmarks.machine import ROOT, find_load

TASKS = [
    Task(model="lif_delta", n=n, in_degree=k, duration=duration)
    for n, k, duration in (
        (100, 10, 400.0), (10_000, 100, 40.0), (10_000, 1_000, 20.0), (100_000, 100, 8.0),
        (100_000, 1_000, 3.0),
    )
]  # fmt: skip
LATENCIES = (1e-6, 5e-6)
"""Of a message between machines, assumed [s]."""
BYTES_PER_SECOND = 1e10
"""Between machines, assumed."""
BYTES_PER_SPIKE = 16
ROUNDS = 3


def run_child(settings: dict[str, Any]) -> None:
    """What a rank does: runs a network, and prints the shortest time if it is the first."""
    from sim.network.rows import build_rows
    from sim.windows.ranked import RankedRun, cut_neurons
    from sim.windows.ranks import Ranks, load_mpi
    from sim.windows.simulate import choose_block_size

    class Timed(Ranks):
        """Ranks that say how long they waited."""

        waited, n_calls = 0.0, 0

        def meet(self, *given: Any, **more: Any) -> Any:
            start = time.process_time()
            found = super().meet(*given, **more)
            self.waited += time.process_time() - start
            self.n_calls += 1
            return found

        def join(self, *given: Any, **more: Any) -> Any:
            start, before = time.process_time(), self.waited
            found = super().join(*given, **more)
            self.waited = before + time.process_time() - start
            self.n_calls += 1
            return found

    task, ranks = Task(**settings), Timed(load_mpi().COMM_WORLD)
    network = make_network(task)
    own = cut_neurons(network, ranks.size)[ranks.number]
    size = choose_block_size(network, own.stop - own.start)
    rows, n = build_rows(network, block_size=size, neurons=own), 0
    seconds: list[float] = []
    worked: list[float] = []
    for _ in range(3):
        nothing = np.empty(0)
        run = RankedRun(
            network, rows, nothing, nothing.astype(np.int64), ranks=ranks, max_spikes=10**9,
            kept=None, saver=None,
        )  # fmt: skip
        ranks.meet()
        ranks.waited, ranks.n_calls = 0.0, 0
        start, used = time.perf_counter(), time.process_time()
        n = len(run.finish(None).spike_time)
        own_seconds = time.process_time() - used - ranks.waited
        ranks.meet()
        seconds.append(time.perf_counter() - start)
        worked.append(max(ranks.tell(own_seconds)))
    calls = ranks.n_calls
    start = time.perf_counter()
    for _ in range(2000):
        ranks.meet()
    meeting = (time.perf_counter() - start) / 2000
    if ranks.is_first:
        found = {"seconds": min(seconds[1:]), "worked": min(worked[1:]), "calls": calls}
        print(json.dumps(found | {"spikes": n, "meeting": meeting}))


def measure(mpirun: str, task: Task, n_ranks: int) -> dict[str, float]:
    """One start of the ranks."""
    command = [mpirun, "--allow-run-as-root", "--oversubscribe", "--bind-to", "none"]
    command += ["-n", str(n_ranks), "-x", "SPIKETHEORY_THREADS=1", "-x", "OMP_NUM_THREADS=1"]
    command += [sys.executable, "-m", "benchmarks.ranks", "--child", json.dumps(vars(task))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Seconds that things take.

    Attributes:
        event: A synaptic event.
        spike: A spike, in every rank.
        window: A window.
    """

    event: float
    spike: float
    window: float

    def find_seconds(
        self, n: float, in_degree: float, rate: float, ranks: float, latency: float
    ) -> float:
        """A stretch of tau of a network over ranks.

        Args:
            n: Neurons.
            in_degree: Connections onto each.
            rate: Spikes per neuron and tau.
            ranks: Each a core.
            latency: Of a message; two gather from all in steps that double.
        """
        spikes, windows = n * rate, 1 / DELAY
        steps = np.ceil(np.log2(ranks))
        sent = BYTES_PER_SPIKE * spikes * (1 - 1 / ranks) / BYTES_PER_SECOND
        own = spikes * (in_degree * self.event / ranks + self.spike)
        return float(own + windows * (self.window + 2 * steps * latency) + sent)


def fit(found: list[tuple[Task, float, float]]) -> Costs:
    """Costs from runs in one process: task, seconds and spikes of each."""
    table = np.array([
        [spikes * task.in_degree, spikes, task.duration / DELAY] for task, _, spikes in found
    ])  # fmt: skip
    seconds = np.array([s for _, s, _ in found])
    from scipy.optimize import nnls

    costs, _ = nnls(table / seconds[:, None], np.ones(len(found)))
    return Costs(event=costs[0], spike=costs[1], window=costs[2])


def draw(path: Path, costs: Costs, rate: float, points: list[tuple[float, int, float]]) -> None:
    """Time over ranks, by the model, and what was measured."""
    import matplotlib.pyplot as plt

    ranks = 2.0 ** np.arange(11)
    figure, axes = plt.subplots(figsize=(7, 4.5))
    for k, (n, in_degree) in enumerate(((1e5, 1e3), (1e6, 1e2), (1e6, 1e3), (1e7, 1e3))):
        low, high = (
            [costs.find_seconds(n, in_degree, rate, r, latency) for r in ranks]
            for latency in LATENCIES
        )
        label = f"{n * in_degree:.0e} synapses, {in_degree:.0f} per neuron".replace("e+", "e")
        axes.fill_between(ranks, low, high, color=f"C{k}", alpha=0.4)
        axes.plot(ranks, low, color=f"C{k}", label=label)
    for synapses, n_ranks, seconds in points:
        if synapses == 1e8:
            axes.plot(n_ranks, seconds, "o", color="C0")
    axes.set(xscale="log", yscale="log", xlabel="ranks, one core each",
             ylabel="seconds per membrane time constant")  # fmt: skip
    axes.set_xscale("log", base=2)
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=150)


def main() -> None:
    """Measure, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mpirun", default="mpirun")
    parser.add_argument("--out", type=Path, default=Path("ranks.png"))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--child")
    options = parser.parse_args()
    if options.child:
        run_child(json.loads(options.child))
        return
    fitted, points, rates, meeting = [], [], [], np.inf
    for task in TASKS:
        times: dict[int, list[float]] = {1: [], 2: []}
        clock: dict[int, list[float]] = {1: [], 2: []}
        spikes, calls = 0.0, 0.0
        for _, n_ranks in product(range(options.rounds), times):
            found = measure(options.mpirun, task, n_ranks)
            times[n_ranks].append(found["worked"])
            clock[n_ranks].append(found["seconds"])
            spikes = found["spikes"]
            if n_ranks == 2:
                meeting, calls = min(meeting, found["meeting"]), found["calls"]
        times[2] = [own + calls * meeting for own in times[2]]
        one, two = (float(np.median(own)) for own in times.values())
        ratios = np.array(times[1]) / np.array(times[2])
        by_clock = np.median(np.array(clock[1]) / np.array(clock[2]))
        fitted.append((task, one, spikes))
        rates.append(spikes / task.n / task.duration)
        points += [(task.n * task.in_degree, r, s / task.duration) for r, s in ((1, one), (2, two))]
        print(
            f"{task.name}: {spikes * task.in_degree / one / 1e6:.0f} million events per second on "
            f"one rank, {spikes * task.in_degree / two / 1e6:.0f} on two; ratio "
            f"{np.median(ratios):.2f} ({ratios.min():.2f} to {ratios.max():.2f}), "
            f"by the clock {by_clock:.2f}; "
            f"a meeting of two {1e6 * meeting:.1f} us; load {find_load()}"
        )
    costs, rate = fit(fitted), rates[-1]
    print(costs, f"{rate:.2f} spikes per neuron and tau")
    for task, one, spikes in fitted:
        said = spikes * (task.in_degree * costs.event + costs.spike)
        said += task.duration / DELAY * costs.window
        print(f"{task.name}: model {said:.3g} s, measured {one:.3g} s")
    for n_ranks, latency in product((1, 8, 64, 512), LATENCIES):
        seconds = costs.find_seconds(1e6, 1e3, rate, n_ranks, latency)
        print(f"1e9 synapses, {n_ranks} ranks, {1e6 * latency:.0f} us: {seconds:.3g} s per tau")
    draw(options.out, costs, rate, points)


if __name__ == "__main__":
    main()
