"""The networks of `benchmarks.large`, and our engines with them."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.machine import ROOT
from derivations import compile_model
from sim.events.simulate import EventRun
from sim.inputs.drawn_trains import DrawnTrains
from sim.network.distribution import Distribution
from sim.network.drawn import Drawn
from sim.network.network import Network, Population, Projection
from sim.network.rows import build_rows
from sim.network.wiring import wire
from sim.windows.simulate import WindowRun, choose_block_size

DELAY = 0.1
"""The shortest [tau]."""
CLASSES = (0.1, 0.15, 0.25)
LONGEST = 0.3
"""Of delays that each connection has its own of [tau]."""
STRENGTH = -0.3
"""Sum of the weights of a neuron's inputs, in units of its threshold."""
MAX_SPIKES = 100_000_000
PARAMETERS: dict[str, dict[str, float]] = {
    "lif_delta": {"I0": 1.35}, "theta": {"I0": 6.6}, "qif_delta": {"I0": 6.6}, "lif": {},
    "qif": {}, "eif": {}, "adex": {},
}  # fmt: skip
MODELS = {"lif": str(ROOT / "tests/corpus/models/lif_with_drive.toml")}
"""Files of models that are none of the built-in ones."""
DRIVE = 1.35
"""Of lif neurons, which begin below their threshold."""
START: dict[str, float] = {"theta": -1.0, "qif_delta": -1.0}
WIDTH: dict[str, float] = {"theta": 3.0, "qif_delta": 3.0}
"""Potentials begin between START and START + WIDTH."""
NOISE: dict[str, float] = {"qif": 1.0}
"""Weight of Poisson trains for neurons that nothing else drives."""
N_NOISE, NOISE_CHANNELS, NOISE_RATE = 20, 1000, 1.0
"""How many trains a neuron hears, of how many, and their rate [1/tau]."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """A random network.

    Attributes:
        model: Of its neurons.
        n: How many.
        in_degree: Connections onto each.
        weights: ``one`` for all, or one for each synapse in ``float32`` or ``float64``.
        delays: ``one``, three ``classes``, or each synapse its ``own``.
        duration: Of the trial [tau].
    """

    model: str
    n: int
    in_degree: int = 100
    weights: str = "one"
    delays: str = "one"
    duration: float = 1.0

    @property
    def name(self) -> str:
        """What the figure is called."""
        more = [f"{self.weights} weights"] * (self.weights != "one")
        more += [f"{self.delays} delays"] * (self.delays != "one")
        return ", ".join([f"{self.model}, N = {self.n:,d}, {self.in_degree} synapses", *more])

    @property
    def weight(self) -> float:
        """Of a connection, on average."""
        return STRENGTH / self.in_degree

    @property
    def noise_events(self) -> float:
        """Synaptic events of noise, for each neuron and tau."""
        return N_NOISE * NOISE_RATE if self.model in NOISE else 0.0

    @property
    def settings(self) -> dict[str, Any]:
        """What peers are told."""
        delays = {"classes": list(CLASSES), "own": [DELAY, LONGEST]}.get(self.delays, [DELAY])
        return {
            "n": self.n, "in_degree": self.in_degree, "delays": delays,
            "own_delays": self.delays == "own",
            "drive": PARAMETERS[self.model].get("I0", DRIVE), "weight": self.weight,
            "one_weight": self.weights == "one", "duration": self.duration, "threads": 1,
        }  # fmt: skip


def make_network(task: Task) -> Network:
    """The network, started at random."""
    rng = np.random.default_rng(0)
    model = compile_model(MODELS.get(task.model, task.model))
    population = Population(
        name="n", model=model, size=task.n, parameters=PARAMETERS[task.model],
        initial={"V": START.get(task.model, 0.0) + WIDTH.get(task.model, 1.0) * rng.random(task.n)},
    )  # fmt: skip
    weight: float | Distribution = task.weight
    if task.weights != "one":
        weight = Distribution(
            kind="uniform", numbers=sorted((0.5 * task.weight, 1.5 * task.weight))
        )
    delays: list[float | Distribution] = [DELAY]
    if task.delays == "classes":
        delays = list(CLASSES)
    elif task.delays == "own":
        delays = [Distribution(kind="uniform", numbers=(DELAY, LONGEST))]
    projections = [
        Projection(
            pre="n", post="n",
            weights=Drawn(
                rule="in_degree", number=task.in_degree // len(delays), shape=(task.n, task.n),
                weight=weight, delay=delay, seed=1, stream=k,
                precision="float32" if task.weights == "float32" else "float64",
            ),
        )
        for k, delay in enumerate(delays)
    ]  # fmt: skip
    inputs = []
    if task.model in NOISE:
        inputs = [
            DrawnTrains(
                name="noise", size=NOISE_CHANNELS, rates=NOISE_RATE, duration=task.duration, seed=1
            )
        ]
        drive = Drawn(
            rule="in_degree", number=N_NOISE, shape=(task.n, NOISE_CHANNELS),
            weight=NOISE[task.model], seed=1, stream=len(projections),
        )  # fmt: skip
        projections.append(Projection(pre="noise", post="n", weights=drive))
    return Network(
        populations=[population], inputs=inputs, projections=projections, duration=task.duration
    )


class Run:
    """One of our engines with a network that is laid out.

    Attributes:
        rate: Spikes per neuron and tau of the last run.
        events: Synaptic events per spike, those of noise included.
    """

    def __init__(self, task: Task, begin: Callable[[], Any], clock: Callable[[], float]) -> None:
        self.task, self.begin, self.clock, self.rate = task, begin, clock, 0.0
        self.events = float(task.in_degree)

    def __call__(self) -> float:
        """Seconds per spike of a run from the start."""
        run = self.begin()
        start = self.clock()
        recording = run.finish(None)
        seconds = self.clock() - start
        n = len(recording.spike_time)
        self.rate = n / self.task.n / self.task.duration
        if n > 0:
            self.events = self.task.in_degree + self.task.noise_events / self.rate
        return seconds / max(n, 1)


def open_windows(task: Task, clock: Callable[[], float] = time.process_time) -> Run:
    """The window engine."""
    network = make_network(task)
    rows = build_rows(network, block_size=choose_block_size(network))

    def begin() -> WindowRun:
        nothing = np.empty(0), np.empty(0, np.int64)
        return WindowRun(network, rows, *nothing, max_spikes=MAX_SPIKES)

    return Run(task, begin, clock)


def open_events(task: Task) -> Run:
    """The event engine."""
    network = make_network(task)
    wiring = wire(network)

    def begin() -> EventRun:
        nothing = np.empty(0), np.empty(0, np.int64)
        return EventRun(network, *nothing, record=False, max_spikes=MAX_SPIKES, wiring=wiring)

    return Run(task, begin, time.process_time)
