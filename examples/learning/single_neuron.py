"""One neuron learns to spike at two given times by gradient descent; spikes enter through T.

A qif neuron receives 22 input spikes, of which two can be changed in weight and time. At first both
of these have the weight 0 and the neuron is silent: its first two spikes are pseudospikes after the
trial's end. Plain gradient descent moves them in, each continuously. The task is that of
Klos & Memmesheimer, Phys. Rev. Lett. 134, 027301 (2025). Run it with

    python examples/learning/single_neuron.py --out FOLDER
"""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from derivations import compile_model
from sim.analysis.spike_figures import find_changes, shade_pseudospikes, trace_potential
from sim.analysis.training_figures import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PURPLE,
    SKY,
    STYLE,
    VERMILION,
)
from sim.events.differentiate import differentiate
from sim.events.pseudospikes import find_outputs
from sim.events.recording import Recording
from sim.events.simulate import simulate
from sim.network.network import Network, Population, Projection, SpikeTrains
from sim.training.descent import summarise
from sim.training.learner import read_entries
from sim.training.optim import AdaBelief
from sim.training.schedules import Exponential
from spiketheory.commands.experiment import open_folder, program, report, show_descent
from spiketheory.machine.compile import CompiledModel

DURATION = 10.0
TARGETS = np.array([2.5, 7.5])
N_INPUTS, N_TRAINED = 22, 2
FIRST_TIMES = np.array([1.0, 9.0])
SILENT_AFTER = DURATION + 0.5
"""A third spike is pushed beyond; that of a neuron that receives nothing comes later."""
PROBE_TIMES = np.linspace(0.0, DURATION, 2001)
SPIKES, INPUTS, WEIGHTS = (BLUE, SKY), (VERMILION, ORANGE), (GREEN, PURPLE)


@dataclass(kw_only=True, eq=False)
class Inputs:
    """The input spikes; the first two learn.

    Attributes:
        times: Shape (22,) [tau].
        weights: Shape (22,).
    """

    times: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class History:
    """A descent.

    Attributes:
        losses: Mean squared distance to the targets, shape (steps + 1,) [tau^2].
        spikes: The first three spikes, pseudospikes included, shape (steps + 1, 3) [tau].
        counts: Spikes before T, shape (steps + 1,).
        times: Times of the two trained inputs, shape (steps + 1, 2) [tau].
        slopes: Derivatives of the loss by their times and weights, shape (steps + 1, 2, 2).
        before, after: Runs of the first and last step.
    """

    losses: np.ndarray
    spikes: np.ndarray
    counts: np.ndarray
    times: np.ndarray
    slopes: np.ndarray
    before: Recording
    after: Recording


def draw_inputs(seed: int) -> Inputs:
    """Random input spikes, and two of weight 0."""
    rng = np.random.default_rng(seed)
    n = N_INPUTS - N_TRAINED
    return Inputs(
        times=np.concatenate([FIRST_TIMES, rng.uniform(0, DURATION, n)]),
        weights=np.concatenate([np.zeros(N_TRAINED), rng.normal(0, 1, n)]),
    )


def make_circuit(inputs: Inputs, model: CompiledModel) -> Network:
    """The neuron and its inputs; a sparse matrix keeps connections of weight 0."""
    channels = np.arange(N_INPUTS)
    weights = scipy.sparse.coo_array(
        (inputs.weights, (np.zeros_like(channels), channels)), shape=(1, N_INPUTS)
    )
    trains = SpikeTrains(name="inputs", size=N_INPUTS, times=inputs.times, channels=channels)
    return Network(
        populations=[Population(name="neuron", model=model, size=1)],
        inputs=[trains],
        projections=[Projection(pre="inputs", post="neuron", weights=weights)],
        duration=DURATION,
    )


def learn(steps: int, seed: int, backend: str) -> History:
    """Gradient descent on the squared distances of two spikes to their targets."""
    model, inputs = compile_model("qif", backend=backend), draw_inputs(seed)
    weights, times = inputs.weights[:N_TRAINED], inputs.times[:N_TRAINED]  # views: they learn
    spikes, counts = np.empty((steps + 1, 3)), np.empty(steps + 1, np.int64)
    moved, slopes = np.empty((steps + 1, 2)), np.empty((steps + 1, 2, 2))

    def evaluate(step: int) -> tuple[float, list[np.ndarray]]:
        network = make_circuit(inputs, model)
        recording = simulate(network, record=True)
        outputs = find_outputs(recording, [0], n_required=3)
        found = outputs.times[0]
        off = np.append(found[:2] - TARGETS, min(found[2] - SILENT_AFTER, 0.0))
        gradients = differentiate(recording, outputs=(outputs, off[None, :]))  # of sum(off^2)/2
        by_weight = read_entries(network.projections[0], gradients.weights[0])[:N_TRAINED]
        by_time = gradients.input_times[0][:N_TRAINED]
        spikes[step], counts[step] = found, len(recording.spike_time)
        moved[step], slopes[step] = times, (by_time, by_weight)
        return float(np.mean(off[:2] ** 2)), [by_weight, by_time]

    before = simulate(make_circuit(inputs, model), probe_times=PROBE_TIMES)
    losses = show_descent(
        [weights, times], evaluate, optimiser=AdaBelief(beta2=0.99),
        schedule=Exponential(rate=0.02, decay_epochs=1000.0), steps=steps,
        constrain=lambda: np.clip(times, 0.0, DURATION, out=times),
    )  # fmt: skip
    after = simulate(make_circuit(inputs, model), probe_times=PROBE_TIMES)
    return History(
        losses=losses, spikes=spikes, counts=counts, times=moved, slopes=slopes, before=before,
        after=after,
    )  # fmt: skip


def draw(history: History) -> Figure:
    """Draw trials before and after, spike times over the steps, and derivatives over their path."""
    with rc_context(STYLE):
        figure = Figure(figsize=(8.4, 7.0), layout="constrained")
        axes = figure.subplot_mosaic(
            [["v0", "v1"], ["i0", "i1"], ["times", "slopes"]], height_ratios=[2.0, 0.9, 2.4]
        )
        steps = len(history.losses) - 1
        axes["i1"].sharey(axes["i0"])
        for k, recording in enumerate((history.before, history.after)):
            draw_trial(axes[f"v{k}"], axes[f"i{k}"], recording)
            axes[f"v{k}"].set_title(f"{'after' if k else 'before'} {steps if k else 'the first'} "
                                    f"step{'s' if k else ''}")  # fmt: skip
        axes["v0"].set_ylabel("potential V")
        axes["i0"].set_ylabel("weights of\nthe inputs")
        axes["v0"].legend(loc="lower left", fontsize=8.5)
        axes["v1"].legend(loc="lower center", fontsize=8.5)
        draw_times(axes["times"], history)
        draw_slopes(axes["slopes"], history)
    return figure


def draw_trial(above: Axes, below: Axes, recording: Recording) -> None:
    """Draw the potential with spikes and targets, and the input spikes by weight."""
    above.plot(*trace_potential(recording), color=INK, linewidth=1.2)
    for k, target in enumerate(TARGETS):
        above.axvline(target, color=GREY, linewidth=4, alpha=0.35,
                      label="target" if k else None)  # fmt: skip
    for k, spike in enumerate(recording.spike_time):
        above.axvline(spike, color=SPIKES[k % 2], linewidth=1.4, linestyle=(0, (4, 2)),
                      label=f"spike {k + 1}")  # fmt: skip
    above.set(xlim=(0, DURATION), ylim=(-6, 8))
    above.tick_params(labelbottom=False)
    trains = recording.network.inputs[0]
    weights = recording.network.projections[0].matrix.data
    for k in range(N_INPUTS):
        trained = k < N_TRAINED
        color = INPUTS[k] if trained else GREY
        below.vlines(trains.times[k], 0, weights[k], color=color, linewidth=2.2 if trained else 1.2)
        below.plot(trains.times[k], weights[k], "o" if trained else ".", color=color, markersize=5)
    below.axhline(0, color=INK, linewidth=0.6)
    below.set(xlim=(0, DURATION), xlabel="time [tau]")


def draw_times(axes: Axes, history: History) -> None:
    """Draw spike times and input times over the steps."""
    steps = np.arange(len(history.losses))
    for k in range(2):
        axes.plot(steps, history.spikes[:, k], color=SPIKES[k], label=f"spike {k + 1}")
        axes.plot(steps, history.times[:, k], color=INPUTS[k], linewidth=1.2, linestyle="--",
                  label=f"trained input {k + 1}")  # fmt: skip
    for target in TARGETS:
        axes.plot(steps[-1], target, "D", color=INK, markersize=5, clip_on=False, zorder=5)
    shade_pseudospikes(axes, DURATION, 17.0)
    axes.set(xlabel="steps", ylabel="time [tau]", xlim=(0, steps[-1]))
    axes.set_xscale("symlog", linthresh=100)
    axes.set_xticks(ticks := [k for k in (0, 50, 100, 300, 1000, 3000) if k <= steps[-1]])
    axes.set_xticklabels(map(str, ticks))
    axes.set_yticks(np.arange(0.0, DURATION + 1, 2.5))
    axes.legend(loc="upper left", ncols=2, fontsize=8, columnspacing=1.0)
    axes.set_title("times (diamonds: targets)")


def draw_slopes(axes: Axes, history: History) -> None:
    """Draw the derivatives over the path of the spikes: they have no jumps either."""
    path = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(history.spikes[:, :2], axis=0)).sum(1))])
    names = (("time", INPUTS), ("weight", WEIGHTS))
    for what, (name, colors) in enumerate(names):
        for k in range(N_TRAINED):
            values = history.slopes[:, what, k]
            largest = np.abs(values).max()
            axes.plot(path, values / (largest if largest > 0 else 1.0), color=colors[k],
                      linewidth=1.4, label=f"by {name} {k + 1}")  # fmt: skip
    for change in find_changes(history.counts):
        axes.axvline(path[change["step"]], color=GREY, linewidth=0.9, linestyle=":")
    axes.set(xlabel="path of both spike times [tau]", ylabel="derivative of the loss / largest")
    axes.legend(ncols=2, fontsize=8)
    axes.set_title("derivatives (dotted: a spike enters)")


@program(steps=1500, seed=4)
def main(out: Path, steps: int, seed: int, backend: str) -> None:
    """Let one neuron learn two spike times, 2.5 and 7.5 of T = 10."""
    started = time.perf_counter()
    folder = open_folder(out)
    history = learn(steps, seed, backend)
    final = history.spikes[-1, :2]
    results = {
        "seed": seed,
        **summarise(history.losses, started),
        "targets": TARGETS.tolist(),
        "first_spike_times": history.spikes[0, :2].tolist(),
        "last_spike_times": final.tolist(),
        "largest_distance": float(np.abs(final - TARGETS).max()),
        "spikes_at_first": int(history.counts[0]),
        "spikes_at_last": int(history.counts[-1]),
        "changes_of_number": find_changes(history.counts),
    }
    report(folder, "single_neuron", results, draw(history))


if __name__ == "__main__":
    main()
