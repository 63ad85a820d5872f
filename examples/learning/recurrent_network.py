"""Two neurons of a recurrent network learn to spike at given times by gradient descent.

Ten qif neurons, each with an excitatory and an inhibitory Poisson input of rate 1 and weights 5 and
-5. The recurrent weights, 0 at first, and the initial states learn; targets are the spikes of two
neurons, Poisson trains with a dead time. The task, the loss and the optimiser are those of
Klos & Memmesheimer, Phys. Rev. Lett. 134, 027301 (2025), and of the code published with it
(github.com/chklos/spikegd), but for the optimiser's memory: beta2 = 0.99. Run it with

    python examples/learning/recurrent_network.py --out FOLDER
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse
from common import (
    descend,
    open_folder,
    program,
    read_entries,
    report,
    shade_pseudospikes,
    summarise,
)
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from derivations import compile_model
from sim.analysis.training_figures import BLUE, GREY, INK, STYLE, VERMILION
from sim.events.differentiate import differentiate
from sim.events.pseudospikes import Outputs, find_outputs
from sim.events.simulate import simulate
from sim.network.connect import draw_poisson
from sim.network.network import Network, Population, Projection, SpikeTrains
from sim.training.optim import AdaBelief, Exponential
from spiketheory.machine.compile import CompiledModel

DURATION, N = 10.0, 10
INPUT_RATE, INPUT_WEIGHT = 1.0, 5.0
TARGET_RATES, DEAD_TIME = (1.0, 0.5), 1.0
SILENT_AFTER = 1.1 * DURATION
"""The first spike after the last target is pushed beyond."""
SOFTEN = 2.0
"""Distances are divided by the target's time plus this."""
POST, PRE = np.nonzero(~np.eye(N, dtype=bool))
COLORS, PALE = (BLUE, VERMILION), "#c8c8c8"


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """What is to be learnt.

    Attributes:
        inputs: Spikes of ten excitatory, then ten inhibitory channels.
        targets: Target spike times of the first neurons [tau].
    """

    inputs: SpikeTrains
    targets: tuple[np.ndarray, ...]

    @property
    def n_required(self) -> int:
        """Spikes to be compared of each neuron: its targets, and one more."""
        return max(map(len, self.targets)) + 1


@dataclass(kw_only=True, eq=False)
class Learner:
    """What learns.

    Attributes:
        weights: From each neuron to each other one, in the order of PRE and POST, shape (90,).
        V, I: Initial states, shape (10,) each.
    """

    weights: np.ndarray
    V: np.ndarray
    I: np.ndarray  # noqa: E741 - the current's name


@dataclass(frozen=True, kw_only=True, eq=False)
class History:
    """A descent.

    Attributes:
        losses: Shape (steps + 1,).
        outputs: First spikes of the two neurons, shape (steps + 1, 2, n_required) [tau].
        before, after: Spike times of all neurons in the first and last step.
    """

    losses: np.ndarray
    outputs: np.ndarray
    before: Sequence[np.ndarray]
    after: Sequence[np.ndarray]


def make_task(seed: int) -> Task:
    """Draw inputs and targets."""
    rng = np.random.default_rng(seed)
    inputs = draw_poisson("world", 2 * N, INPUT_RATE, DURATION, rng)
    targets = []
    for rate in TARGET_RATES:
        intervals = rng.exponential(1 / rate, int(4 * DURATION))
        intervals[1:] += DEAD_TIME
        times = np.cumsum(intervals)
        targets.append(times[times < DURATION])
    return Task(inputs=inputs, targets=tuple(targets))


def make_circuit(task: Task, learner: Learner, model: CompiledModel) -> Network:
    """The network; a sparse matrix keeps connections of weight 0."""
    each = np.eye(N)
    recurrent = scipy.sparse.coo_array((learner.weights, (POST, PRE)), shape=(N, N))
    return Network(
        populations=[
            Population(name="net", model=model, size=N, initial={"V": learner.V, "I": learner.I})
        ],
        inputs=[task.inputs],
        projections=[
            Projection(pre="world", post="net", weights=INPUT_WEIGHT * np.hstack([each, -each])),
            Projection(pre="net", post="net", weights=recurrent),
        ],
        duration=DURATION,
    )


def compute_loss(outputs: Outputs, task: Task) -> tuple[float, np.ndarray]:
    """Mean squared relative distance to the targets, and its derivatives by the output times."""
    slopes, total = np.zeros_like(outputs.times), 0.0
    n_compared = sum(len(t) + 1 for t in task.targets)
    for row, targets in enumerate(task.targets):
        wanted, n = np.append(targets, SILENT_AFTER), len(targets)
        off = (outputs.times[row, : n + 1] - wanted) / (wanted + SOFTEN)
        off[n] = min(off[n], 0.0)
        total += float(off @ off)
        slopes[row, : n + 1] = 2 * off / (wanted + SOFTEN)
    return total / n_compared, slopes / n_compared


def learn(task: Task, steps: int, backend: str) -> History:
    """Gradient descent by recurrent weights and initial states."""
    model = compile_model("qif", backend=backend)
    learner = Learner(weights=np.zeros(len(PRE)), V=np.zeros(N), I=np.zeros(N))
    neurons = range(len(task.targets))
    outputs = np.empty((steps + 1, len(task.targets), task.n_required))

    def evaluate(step: int) -> tuple[float, list[np.ndarray]]:
        network = make_circuit(task, learner, model)
        recording = simulate(network, record=True)
        found = find_outputs(recording, neurons, task.n_required)
        loss, slopes = compute_loss(found, task)
        outputs[step] = found.times
        gradients = differentiate(recording, outputs=(found, slopes))
        by_weight = read_entries(network.projections[1], gradients.weights[1])
        return loss, [by_weight, gradients.initial[0]["V"], gradients.initial[0]["I"]]

    before = simulate(make_circuit(task, learner, model)).trains()
    losses = descend(
        [learner.weights, learner.V, learner.I], evaluate, optimiser=AdaBelief(beta2=0.99),
        schedule=Exponential(rate=0.02, decay_epochs=3000.0), steps=steps,
    )  # fmt: skip
    after = simulate(make_circuit(task, learner, model)).trains()
    return History(losses=losses, outputs=outputs, before=before, after=after)


def draw(history: History, task: Task) -> Figure:
    """Draw spikes before and after, spike times over the steps, and the loss."""
    with rc_context(STYLE):
        figure = Figure(figsize=(8.8, 6.6), layout="constrained")
        axes = figure.subplot_mosaic(
            [["r0"] * 3 + ["r1"] * 3, ["t0"] * 2 + ["t1"] * 2 + ["loss"] * 2],
            height_ratios=[1.25, 1.0],
        )
        steps = len(history.losses) - 1
        draw_raster(axes["r0"], history.before, task, "before the first step")
        draw_raster(axes["r1"], history.after, task, f"after {steps:,} steps")
        axes["r0"].set_ylabel("neuron")
        for neuron, targets in enumerate(task.targets):
            draw_times(axes[f"t{neuron}"], history, neuron, targets)
        draw_loss(axes["loss"], history.losses)
    return figure


def draw_raster(axes: Axes, trains: Sequence[np.ndarray], task: Task, title: str) -> None:
    """Draw the spikes of all neurons; targets are wide bars behind those that learn."""
    colors = [*COLORS, *[INK] * (N - len(COLORS))]
    offsets = np.arange(N, 0, -1)
    axes.eventplot(list(trains), colors=colors, lineoffsets=offsets, linelengths=0.7,
                   linewidths=1.6)  # fmt: skip
    for targets, offset in zip(task.targets, offsets, strict=False):
        axes.vlines(targets, offset - 0.42, offset + 0.42, color=PALE, linewidth=6, zorder=1,
                    label="target" if offset == N else None)  # fmt: skip
    axes.set(xlim=(0, DURATION), ylim=(0.3, N + 1.4), xlabel="time [tau]", title=title)
    axes.set_yticks(offsets, map(str, range(1, N + 1)))
    axes.grid(visible=False, axis="y")
    axes.legend(loc="upper right", borderaxespad=0.0)


def draw_times(axes: Axes, history: History, neuron: int, targets: np.ndarray) -> None:
    """Draw the spikes of a neuron over the steps, as many as it has targets, and one more."""
    steps, n = np.arange(1, len(history.losses) + 1), len(targets)
    axes.plot(steps, history.outputs[:, neuron, :n], color=COLORS[neuron], linewidth=1.2)
    axes.plot(steps, history.outputs[:, neuron, n], color=GREY, linewidth=1.0, linestyle="--")
    axes.plot(np.full(n, steps[-1]), targets, "D", color=INK, markersize=4.5, clip_on=False,
              zorder=5)  # fmt: skip
    shade_pseudospikes(axes, DURATION, 16.0)
    axes.set_xscale("log")
    axes.set(xlim=(1, steps[-1]), xlabel="steps + 1", title=f"spikes of neuron {neuron + 1}")
    axes.set_yticks(np.arange(0.0, DURATION + 1, 2.5))
    if neuron == 0:
        axes.set_ylabel("time [tau]")


def draw_loss(axes: Axes, losses: np.ndarray) -> None:
    """Draw the loss over the steps; a loss of exactly 0 is not on the scale."""
    axes.loglog(np.arange(1, len(losses) + 1), np.where(losses > 0, losses, np.nan), color=INK,
                linewidth=1.2)  # fmt: skip
    axes.set(xlim=(1, len(losses)), xlabel="steps + 1", title="loss")


@program(steps=10_000)
def main(out: Path, steps: int, seed: int, backend: str) -> None:
    """Let two neurons of a recurrent network learn target spike trains."""
    started = time.perf_counter()
    folder = open_folder(out)
    task = make_task(seed)
    history = learn(task, steps, backend)
    results = {
        "seed": seed,
        **summarise(history.losses, started),
        "reduced_by": float(history.losses[0] / max(history.losses[-1], np.finfo(float).tiny)),
        "targets": [t.tolist() for t in task.targets],
        "last_spike_times": [history.after[k].tolist() for k in range(len(task.targets))],
        "spikes_at_first": sum(map(len, history.before)),
        "spikes_at_last": sum(map(len, history.after)),
    }
    report(folder, "recurrent_network", results, draw(history, task))


if __name__ == "__main__":
    main()
