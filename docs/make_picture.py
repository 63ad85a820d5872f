"""Draw README's picture: a spike vanishes in one neuron and only shifts in the other.

Run from the repository's root: ``python docs/make_picture.py``.
"""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from derivations import compile_model
from spiketheory.machine.compile import CompiledModel

DURATION = 4.0
INPUT_TIME = 1.0
INPUT = np.array([0.8, 1.0, 1.2])
COLORS = ("#9ecae1", "#4292c6", "#08519c")
GREY, RED = "#555555", "#c0392b"


def trace_lif(weight: float, times: np.ndarray) -> tuple[np.ndarray, float]:
    """LIF with current input (tau_m = 2 tau_s = 1, threshold 1): potential and spike time.

    V(t) = I0 (a - a^2), a = exp(-t), has its maximum I0/4 at a = 1/2.
    """
    current = 4.0 * weight
    passed = np.maximum(times - INPUT_TIME, 0.0)
    decay = np.exp(-passed)
    potential = current * (decay - decay**2)
    if current < 4.0:
        return potential, np.inf
    root = (1.0 + np.sqrt(1.0 - 4.0 / current)) / 2.0
    spike = INPUT_TIME - float(np.log(root))
    after = times > spike
    left = current * root**2
    decay = np.exp(-(times[after] - spike))
    potential[after] = left * (decay - decay**2)
    return potential, spike


def trace_theta(model: CompiledModel, weight: float, times: np.ndarray) -> tuple[np.ndarray, float]:
    """Theta neuron: potential and spike time."""
    f = model.module
    constants = f.constants(6.0 / np.pi, 1.25)
    start = f.initial_state(1.5, *constants)
    before = f.flow(*start, *f.propagator(INPUT_TIME, *constants), *constants)
    jumped = f.jump(*before, weight, *constants)
    spike = INPUT_TIME + float(f.time_to_spike(*jumped, *constants))
    potential = np.empty_like(times)
    for k, time in enumerate(times):
        state, passed = (start, time) if time < INPUT_TIME else (jumped, time - INPUT_TIME)
        state = f.flow(*state, *f.propagator(passed, *constants), *constants)
        (potential[k],) = f.leave_chart(*state, *constants)
    return potential, spike


def draw_traces(axes: Axes, kind: str, model: CompiledModel) -> None:
    """Potentials for three weights."""
    times = np.linspace(0.0, DURATION, 2001)
    for weight, color in zip(INPUT, COLORS, strict=True):
        if kind == "lif":
            potential, spike = trace_lif(weight, times)
            top = 1.0
        else:
            potential, spike = trace_theta(model, 2.0 * weight, times)
            top = 4.0
        potential = np.where(np.abs(potential) > top, np.nan, potential)
        axes.plot(times, potential, color=color)
        if np.isfinite(spike):
            axes.plot([spike], [1.12 * top], "v", color=color, markersize=8, clip_on=False)
    axes.axvline(INPUT_TIME, color=GREY, linewidth=0.8, linestyle=":")
    axes.set_ylabel("membrane potential")
    axes.set_xlabel("time")


def draw_spike_times(axes: Axes, kind: str, model: CompiledModel) -> None:
    """Spike time against weight."""
    weights = np.linspace(0.6, 1.4, 801)
    if kind == "lif":
        spikes = np.array([trace_lif(w, np.zeros(1))[1] for w in weights])
    else:
        spikes = np.array([trace_theta(model, 2.0 * w, np.zeros(1))[1] for w in weights])
    axes.plot(weights, np.where(np.isfinite(spikes), spikes, np.nan), color="black")
    if kind == "lif":
        edge = weights[np.isfinite(spikes)][0]
        axes.axvspan(weights[0], edge, color=RED, alpha=0.12, linewidth=0)
        axes.text(0.8, 1.35, "no spike", color=RED, ha="center")
    for weight, color in zip(INPUT, COLORS, strict=True):
        spike = np.interp(weight, weights, spikes)
        if np.isfinite(spike):
            axes.plot([weight], [spike], "v", color=color, markersize=8)
    axes.set_xlim(weights[0], weights[-1])
    axes.set_xlabel("input weight (relative)")
    axes.set_ylabel("spike time")


def main() -> None:
    """Draw and write the picture."""
    model = compile_model("theta", backend="numpy")
    figure = Figure(figsize=(9.0, 4.6), dpi=150, layout="constrained")
    axes = figure.subplots(2, 2, width_ratios=(1.7, 1.0))
    titles = {
        "lif": "leaky integrate-and-fire: a little less weight, and the spike is gone",
        "theta": "theta neuron: the spike only shifts",
    }
    for row, kind in enumerate(("lif", "theta")):
        draw_traces(axes[row, 0], kind, model)
        draw_spike_times(axes[row, 1], kind, model)
        axes[row, 0].set_title(titles[kind], loc="left", fontsize=11, fontweight="bold", pad=14)
        for ax in axes[row]:
            ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(Path(__file__).parent / "spikes_only_shift.png")


if __name__ == "__main__":
    main()
