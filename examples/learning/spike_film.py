"""A film: gradient descent moves a neuron's spikes out through the trial's end, and in again.

A qif neuron receives ten input spikes of trainable weights and spikes four times. At first every
spike is pushed to times after T, then four spikes are pulled to given times. No spike appears or
vanishes in mid-trial: each becomes a pseudospike at T, and comes back there. After Klos &
Memmesheimer, Phys. Rev. Lett. 134, 027301 (2025). Run it with

    python examples/learning/spike_film.py --out FOLDER
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
from matplotlib import rc_context
from matplotlib.animation import FuncAnimation, PillowWriter
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from derivations import compile_model
from sim.analysis.spike_figures import find_changes, shade_pseudospikes, trace_potential
from sim.analysis.training_figures import BLUE, GREEN, GREY, INK, PURPLE, SHADE, STYLE, VERMILION
from sim.events.differentiate import differentiate
from sim.events.pseudospikes import find_outputs
from sim.events.recording import Recording
from sim.events.simulate import simulate
from sim.network.network import Network, Population, Projection, SpikeTrains
from sim.training.descent import summarise
from sim.training.learner import read_entries
from sim.training.optim import AdaBelief
from sim.training.schedules import Constant, Exponential, Schedule
from spiketheory.commands.experiment import open_folder, program, report, show_descent
from spiketheory.files import replace_atomically
from spiketheory.machine.compile import CompiledModel

DURATION = 10.0
INPUT_TIMES = np.arange(0.5, DURATION, 1.0)
FIRST_WEIGHT, SPREAD = 3.6, 0.3
TARGETS = np.array([2.0, 4.0, 6.0, 8.0])
SILENT_AFTER = DURATION + 0.3
LATEST = 15.0
OUTWARD = 30
"""Percentage of the steps in which spikes are pushed out."""
PROBE_TIMES = np.linspace(0.0, DURATION, 1001)
COLORS = (BLUE, VERMILION, GREEN, PURPLE)
MOST_FRAMES, FRAMES_PER_SECOND, DPI = 90, 12, 72


@dataclass(frozen=True, kw_only=True, eq=False)
class History:
    """Two descents, one after the other.

    Attributes:
        n_out: Steps in which spikes are pushed out.
        losses: Mean squared distance, shape (steps + 1,) [tau^2].
        spikes: First four spikes, pseudospikes included, shape (steps + 1, 4) [tau].
        counts: Spikes before T, shape (steps + 1,).
        weights: Input weights, shape (steps + 1, 10).
    """

    n_out: int
    losses: np.ndarray
    spikes: np.ndarray
    counts: np.ndarray
    weights: np.ndarray


def make_circuit(weights: np.ndarray, model: CompiledModel) -> Network:
    """The neuron and its inputs."""
    channels = np.arange(len(weights))
    entries = (np.zeros_like(channels), channels)
    matrix = scipy.sparse.coo_array((weights, entries), shape=(1, len(weights)))
    trains = SpikeTrains(name="inputs", size=len(weights), times=INPUT_TIMES, channels=channels)
    return Network(
        populations=[Population(name="neuron", model=model, size=1)],
        inputs=[trains],
        projections=[Projection(pre="inputs", post="neuron", weights=matrix)],
        duration=DURATION,
    )


def learn(steps: int, seed: int, model: CompiledModel) -> History:
    """Move the spikes out, then in."""
    rng = np.random.default_rng(seed)
    weights = FIRST_WEIGHT + rng.normal(0, SPREAD, len(INPUT_TIMES))
    rows: list[tuple[np.ndarray, int, np.ndarray]] = []

    def evaluate(is_inward: bool) -> tuple[float, list[np.ndarray]]:
        network = make_circuit(weights, model)
        recording = simulate(network, record=True)
        outputs = find_outputs(recording, [0], n_required=len(TARGETS))
        times = outputs.times[0]
        off = times - TARGETS if is_inward else np.minimum(times - SILENT_AFTER, 0.0)
        gradients = differentiate(recording, outputs=(outputs, off[None, :]))  # of sum(off^2)/2
        rows.append((times, len(recording.spike_time), weights.copy()))
        return float(np.mean(off**2)), [read_entries(network.projections[0], gradients.weights[0])]

    def run(is_inward: bool, schedule: Schedule, n: int) -> np.ndarray:
        return show_descent(
            [weights], lambda _: evaluate(is_inward), optimiser=AdaBelief(beta2=0.95),
            schedule=schedule, steps=n,
        )  # fmt: skip

    n_out = OUTWARD * steps // 100
    out = run(False, Constant(rate=0.01), n_out)
    rows.pop()  # the second descent starts where the first ends
    into = run(True, Exponential(rate=0.05, decay_epochs=200.0), steps - n_out)
    spikes, counts, moved = zip(*rows, strict=True)
    return History(
        n_out=n_out, losses=np.concatenate([out[:-1], into]), spikes=np.array(spikes),
        counts=np.array(counts), weights=np.array(moved),
    )  # fmt: skip


def draw(history: History) -> Figure:
    """Draw spike times and number of spikes over the steps."""
    with rc_context(STYLE):
        figure = Figure(figsize=(7.4, 5.4), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        draw_times(above, history, len(history.counts))
        above.legend(loc="upper right", ncols=4, fontsize=8.5)
        below.step(np.arange(len(history.counts)), history.counts, where="post", color=INK)
        below.set(xlabel="steps", ylabel="spikes in\nthe trial", ylim=(-0.3, 5.3))
    return figure


def draw_times(axes: Axes, history: History, shown: int) -> None:
    """Draw the spike times of the first steps, and the targets where they are pulled to."""
    half, steps = history.n_out, np.arange(len(history.counts))
    for k, color in enumerate(COLORS):
        axes.plot(steps[:shown], history.spikes[:shown, k], color=color, label=f"spike {k + 1}")
    axes.hlines(TARGETS, half, steps[-1], color=GREY, linewidth=1.0, linestyle=(0, (3, 3)))
    axes.axvline(half, color=GREY, linewidth=0.8)
    shade_pseudospikes(axes, DURATION, LATEST, side="left")
    for x, text in ((half / 2, "pushed out"), ((half + steps[-1]) / 2, "pulled to targets")):
        axes.text(x, 0.4, text, color=GREY, ha="center", fontsize=9)
    axes.set(xlim=(0, steps[-1]), ylabel="spike time [tau]")
    axes.set_yticks(np.arange(0.0, DURATION + 1, 2.0))


def film(history: History, model: CompiledModel, path: Path) -> int:
    """Write the film as a GIF; returns its number of frames."""
    total = len(history.counts)
    frames = np.unique(np.linspace(0, total - 1, min(total, MOST_FRAMES)).astype(int))
    frames = np.append(frames, [frames[-1]] * FRAMES_PER_SECOND)  # the end stays for a second
    with rc_context({**STYLE, "figure.dpi": DPI, "font.size": 10}):
        figure = Figure(figsize=(7.4, 5.6), layout="constrained")
        axes = figure.subplots(3, 1, height_ratios=[2, 0.8, 1.8])

        def show(step: Any) -> list[Any]:
            for one in axes:
                one.clear()
            draw_frame(axes, history, int(step), model)
            return []

        moving = FuncAnimation(figure, show, frames=frames, init_func=list, cache_frame_data=False)
        with replace_atomically(path) as temporary:
            moving.save(temporary, writer=PillowWriter(fps=FRAMES_PER_SECOND), dpi=DPI)
    return len(frames)


def draw_frame(axes: np.ndarray, history: History, step: int, model: CompiledModel) -> None:
    """Draw the potential with its spikes, the input weights, and spike times so far."""
    recording = simulate(make_circuit(history.weights[step], model), probe_times=PROBE_TIMES)
    draw_trial(axes[0], recording, history.spikes[step])
    count = len(recording.spike_time)
    axes[0].set_title(f"step {step}: {count} spike{'' if count == 1 else 's'} in the trial")
    axes[1].bar(INPUT_TIMES, history.weights[step], width=0.12, color=INK)
    axes[1].axhline(0, color=INK, linewidth=0.6)
    low, high = min(history.weights.min(), 0.0), history.weights.max()
    axes[1].set(xlim=(0, LATEST), ylim=(1.1 * low, 1.1 * high), ylabel="input\nweights",
                xlabel="time [tau]")  # fmt: skip
    draw_times(axes[2], history, step + 1)
    axes[2].set_xlabel("steps")


def draw_trial(axes: Axes, recording: Recording, spikes: np.ndarray) -> None:
    """Draw the potential, spikes as lines, and pseudospikes in the shade after T."""
    axes.axvspan(DURATION, LATEST, color=SHADE, linewidth=0, zorder=0)
    axes.axvline(DURATION, color=GREY, linewidth=0.8)
    axes.plot(*trace_potential(recording), color=INK, linewidth=1.2)
    for spike, color in zip(spikes, COLORS, strict=True):
        axes.axvline(spike, color=color, linestyle="-" if spike < DURATION else (0, (2, 2)))
    axes.set(xlim=(0, LATEST), ylim=(-5, 7), ylabel="potential V")
    axes.text(DURATION + 0.1, 6.8, "pseudospikes", va="top", color=GREY, fontsize=8.5)


@program(steps=600)
def main(out: Path, steps: int, seed: int, backend: str) -> None:
    """Film how a neuron's spikes leave the trial through its end, and come in again."""
    started = time.perf_counter()
    folder = open_folder(out)
    model = compile_model("qif", backend=backend)
    history = learn(steps, seed, model)
    n_frames = film(history, model, folder / "spike_film.gif")
    results = {
        "seed": seed,
        **summarise(history.losses, started),
        "targets": TARGETS.tolist(),
        "last_spike_times": history.spikes[-1].tolist(),
        "largest_distance": float(np.abs(history.spikes[-1] - TARGETS).max()),
        "spikes_at_first": int(history.counts[0]),
        "fewest_spikes": int(history.counts.min()),
        "spikes_at_last": int(history.counts[-1]),
        "changes_of_number": find_changes(history.counts),
        "frames": n_frames,
    }
    report(folder, "spike_film", results, draw(history))


if __name__ == "__main__":
    main()
