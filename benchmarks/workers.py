"""Data-parallel training: time per step over 1 and 2 workers, and from where on N workers pay.

    python -m benchmarks.workers --out FOLDER

Steps of training in one process with one thread, and over local workers, in turns. Other programs
on the machine make seconds of the clock longer, and more so for several processes; so a step over
workers is taken as what the client and the busiest worker, who wait for each other, take of the
processor; the clock's fastest steps stand beside. A model of three costs is fitted, and drawn is
for which networks and batches it says that workers pay.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from scipy.optimize import nnls

from benchmarks.machine import describe_machine
from derivations import compile_model, compile_readout
from sim.cluster.client import ClusterOptions, open_client
from sim.cluster.data_parallel import train_on_cluster
from sim.kernels.sums import Blocks, run_blocks, share_blocks
from sim.training.config import make_config
from sim.training.run_folder import Run, make_trainer

CASES = (  # hidden layers, batch
    ((10,), 20), ((10,), 1000), ((100,), 100), ((100,), 1000), ((1000,), 100), ((1000,), 1000),
)  # fmt: skip
IN_TIME = {"model": "lif", "readout": "leaky_integrator", "activity": {"count_jumps": 0}}
KINDS: dict[str, dict[str, Any]] = {"first spikes": {}, "in time": IN_TIME}
MOST_BLOCKS = {"first spikes": 4, "in time": 16}
NUMBERS = (1, 2)
FIGURE = "cluster_steps.png"


@dataclass(frozen=True, kw_only=True)
class Step:
    """What steps of one case take.

    Attributes:
        kind: Which kernels.
        hidden: Hidden layers.
        batch: Samples.
        weights: How many numbers are trained.
        blocks: Into how many blocks a batch is cut.
        alone: Seconds of the processor for a step in one process.
        in_blocks: Of these, seconds in the blocks, which workers share.
        shared: The same over 1, 2 workers: of the client, and of the busiest of them.
        clock: Seconds of the clock: in one process, and over 1, 2 workers.
    """

    kind: str
    hidden: tuple[int, ...]
    batch: int
    weights: int
    blocks: int
    alone: float
    in_blocks: float
    shared: tuple[float, ...]
    clock: tuple[float, ...]


class Timed:
    """Runs blocks here, and notes how long that takes."""

    def __init__(self) -> None:
        self.seconds, self.blocks = 0.0, 0

    def run(self, blocks: Blocks) -> list[tuple[int, int]]:
        """See `sim.kernels.sums.Share`."""
        started = time.process_time()
        ended = run_blocks(blocks, here=True)
        self.seconds, self.blocks = time.process_time() - started, len(blocks.sums)
        return ended


class Case:
    """A training whose steps are timed.

    Args:
        kind: Which kernels.
        hidden: Hidden layers.
        batch: Samples.
    """

    def __init__(self, kind: str, hidden: tuple[int, ...], batch: int, folder: Path) -> None:
        self.kind, self.hidden, self.batch = kind, hidden, batch
        options = {k: v for k, v in KINDS[kind].items() if k != "activity"}
        config = make_config(dataset="digits", hidden=list(hidden), batch=batch, **options)
        self.trainer = make_trainer(
            config, compile_model=compile_model, compile_readout=compile_readout
        )
        self.state = self.trainer.start()
        self.run = Run(trainer=self.trainer, state=self.state, folder=folder)
        n = len(self.trainer.dataset.train_labels)
        self.indices = np.arange(batch) % n
        self.timed = Timed()
        self.alone = self.in_blocks = float("inf")
        self.shared = [float("inf")] * len(NUMBERS)
        self.clock = [float("inf")] * (1 + len(NUMBERS))

    def step(self) -> float:
        """A step that changes nothing, since the learning rate is 0; seconds of the clock."""
        started = time.perf_counter()
        self.trainer.run_step(self.state, self.indices, 0.0, np.random.default_rng(0))
        return time.perf_counter() - started

    def time_alone(self, steps: int) -> None:
        """Time steps in this process."""
        for _ in range(steps):
            started = time.process_time()
            with share_blocks(self.timed):
                self.clock[0] = min(self.clock[0], self.step())
            self.alone = min(self.alone, time.process_time() - started)
            self.in_blocks = min(self.in_blocks, self.timed.seconds)

    def time_shared(self, clients: list[Any], steps: int) -> None:
        """Time steps over workers; the first makes their data and kernels."""
        for place, client in enumerate(clients):
            with train_on_cluster(self.run, client, root=None, compile_model=compile_model,
                                  compile_readout=compile_readout):  # fmt: skip
                self.step()
                before, started = client.run(time.process_time), time.process_time()
                clock = min(self.step() for _ in range(steps))
                own, after = time.process_time() - started, client.run(time.process_time)
            busiest = max(after[name] - before[name] for name in after)
            self.shared[place] = min(self.shared[place], (own + busiest) / steps)
            self.clock[place + 1] = min(self.clock[place + 1], clock)

    @property
    def found(self) -> Step:
        """What was measured."""
        return Step(
            kind=self.kind, hidden=self.hidden, batch=self.batch, blocks=self.timed.blocks,
            weights=sum(a.size for a in self.state.parameters), alone=self.alone,
            in_blocks=self.in_blocks, shared=tuple(self.shared), clock=tuple(self.clock),
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What a step over N workers costs beside its blocks.

    Attributes:
        latency: Seconds of a step.
        per_worker: Seconds for each worker's part.
        per_byte: Seconds for each byte of parameters, there and back.
    """

    latency: float
    per_worker: float
    per_byte: float

    def count(self, workers: int, weights: Any) -> Any:
        """Seconds of a step over so many workers."""
        return self.latency + workers * (self.per_worker + 16 * weights * self.per_byte)


def fit_costs(steps: list[Step]) -> Costs:
    """The costs, all at least 0, whose relative errors are least."""
    rows, wanted = [], []
    for step in steps:
        for workers, seconds in zip(NUMBERS, step.shared, strict=True):
            beside = seconds - (step.alone - step.in_blocks) - share(step, workers)
            rows.append(np.array([1, workers, 16 * workers * step.weights]) / seconds)
            wanted.append(beside / seconds)
    scale = np.array([1, 1, 1e-6])
    found, _ = nnls(np.array(rows) * scale, np.array(wanted))
    return Costs(**dict(zip(("latency", "per_worker", "per_byte"), found * scale, strict=True)))


def share(step: Step, workers: int) -> float:
    """Seconds in the blocks of the worker that has most of them."""
    return step.in_blocks * -(-step.blocks // workers) / step.blocks


def predict(step: Step, workers: int, costs: Costs) -> float:
    """Seconds of a step over so many workers."""
    serial = step.alone - step.in_blocks
    return serial + share(step, workers) + costs.count(workers, step.weights)


def fit_compute(steps: list[Step]) -> tuple[float, float]:
    """Seconds in the blocks for a sample, and for a sample and weight."""
    rows = [np.array([s.batch, s.batch * s.weights]) / s.in_blocks for s in steps]
    scale = np.array([1e-6, 1e-9])
    found, _ = nnls(np.array(rows) * scale, np.ones(len(rows)))
    return float(found[0] * scale[0]), float(found[1] * scale[1])


@contextmanager
def open_clients() -> Iterator[list[Any]]:
    """Clients of clusters of 1 and 2 local workers, one after the other never at once busy."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        yield [stack.enter_context(open_client(ClusterOptions(workers=n))) for n in NUMBERS]


def draw(path: Path, steps: list[Step], costs: Costs) -> None:
    """From which batch on workers pay, over the number of weights; measured cases as dots."""
    from matplotlib import rc_context

    from sim.analysis.spike_figures import save_figure
    from sim.analysis.training_figures import STYLE
    from spiketheory.documents.canvas import Figure

    weights = np.geomspace(1e3, 1e7, 81)
    batches = np.geomspace(10, 1e5, 81)
    with rc_context(STYLE):
        figure = Figure(figsize=(9.0, 3.6), layout="constrained", dpi=150)
        for axes, kind in zip(figure.subplots(1, 2), KINDS, strict=True):
            own = [step for step in steps if step.kind == kind]
            per_sample, per_weight = fit_compute(own)
            most = MOST_BLOCKS[kind]
            compute = batches[:, None] * (per_sample + per_weight * weights)
            gains = np.array([
                compute / (compute * -(-most // n) / most + costs.count(n, weights))
                for n in range(2, most + 1)
            ])  # fmt: skip
            best = gains.max(axis=0)
            image = axes.contourf(weights, batches, best, [0, 1, 1.5, 2, 3, 4, 8, 16],
                                  cmap="YlGnBu")  # fmt: skip
            axes.contour(weights, batches, best, [1], colors="black", linewidths=1.4)
            axes.plot([s.weights for s in own], [s.batch for s in own], "o", color="black",
                      markersize=4)  # fmt: skip
            axes.set(xscale="log", yscale="log", xlabel="weights", ylabel="batch",
                     title=f"{kind}: at most {most} workers")  # fmt: skip
        figure.colorbar(image, ax=figure.axes, label="times as fast")
        save_figure(figure, path)


def describe(steps: list[Step], costs: Costs) -> str:
    """A table of what was measured, and what the model says."""
    head = ("kind", "hidden", "batch", "weights", "1 process",
            *(f"{n} worker{'s' * (n > 1)}, model, clock" for n in NUMBERS))  # fmt: skip
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for step in steps:
        cells = [
            f"{1e3 * seconds:.1f}, {1e3 * predict(step, n, costs):.1f}, {1e3 * clock:.1f}"
            for n, seconds, clock in zip(NUMBERS, step.shared, step.clock[1:], strict=True)
        ]
        hidden = "-".join(map(str, step.hidden))
        lines.append(
            f"| {step.kind} | {hidden} | {step.batch} | {step.weights:,} | {1e3 * step.alone:.1f} "
            f"| {' | '.join(cells)} |"
        )
    return "\n".join(lines)


@click.command()
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="FOLDER",
              help="Write cluster_steps.png and .json there.")  # fmt: skip
@click.option("--rounds", default=4, show_default=True, help="Turns of all cases.")
@click.option("--steps", default=5, show_default=True, help="Steps of each turn.")
def main(out: Path, rounds: int, steps: int) -> None:
    """Measure, fit and draw."""
    os.environ["SPIKETHEORY_THREADS"] = "1"
    out.mkdir(parents=True, exist_ok=True)
    cases = [Case(kind, *case, out) for kind in KINDS for case in CASES]
    with open_clients() as clients:
        for case in cases:
            case.time_alone(1)
        for k in range(rounds):
            for case in cases:
                case.time_alone(steps)
                case.time_shared(clients, steps)
            click.echo(f"round {k + 1} of {rounds}", err=True)
    found = [case.found for case in cases]
    costs = fit_costs(found)
    fits = {kind: fit_compute([s for s in found if s.kind == kind]) for kind in KINDS}
    draw(out / FIGURE, found, costs)
    written = {"machine": describe_machine(), "costs": asdict(costs), "compute": fits,
               "steps": [asdict(step) for step in found]}  # fmt: skip
    (out / "cluster_steps.json").write_text(json.dumps(written, indent=2, default=str) + "\n")
    click.echo(describe(found, costs))
    speed = 1e-6 / costs.per_byte if costs.per_byte else float("inf")
    click.echo(
        f"per step {1e3 * costs.latency:.2f} ms, per worker {1e3 * costs.per_worker:.2f} ms, "
        f"{speed:.0f} MB/s"
    )
    for kind, (sample, weight) in fits.items():
        click.echo(f"{kind}: {1e6 * sample:.2f} us a sample, {1e9 * weight:.3f} ns a weight of it")


if __name__ == "__main__":
    main()
