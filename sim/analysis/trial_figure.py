"""Figures of a run of a recurrent network: spike raster and membrane traces.

Matplotlib is imported only when something is drawn, and only its object-oriented part.
"""

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.analysis.spike_figures import SpikePanel, draw_spike_panels
from sim.analysis.training_figures import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, STYLE, VERMILION
from sim.engine.records import BatchRecording
from sim.events.recording import Recording
from spiketheory.files import replace_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from spiketheory.documents.canvas import Figure

N_TRACES = 3
N_TIMES = 1000
MOST_SPIKES = 200_000
"""More would be a black area, and take minutes to draw."""
COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE)
MARGIN = 0.15
MOST_TRIALS = 3


def choose_probes(duration: float, n_neurons: int) -> tuple[np.ndarray, np.ndarray]:
    """Times and neurons to probe for the traces of a figure."""
    return np.linspace(0.0, duration, N_TIMES), np.arange(min(N_TRACES, n_neurons))


def plot_recording(recording: Recording, path: str | os.PathLike[str]) -> None:
    """Write raster and traces as a PNG, whole or not at all; see `draw_recording`."""
    import matplotlib as mpl

    figure = draw_recording(recording)
    with replace_atomically(path) as temporary, mpl.rc_context(STYLE):
        figure.savefig(temporary, format="png")


def draw_recording(recording: Recording) -> "Figure":
    """Draw the spikes of all neurons and, where states were probed, membrane potentials.

    Args:
        recording: A run; its probes become traces.
    """
    import matplotlib as mpl

    from spiketheory.documents.canvas import Figure

    traces = list_traces(recording)
    heights = [2.0, *([1.0] * len(traces))]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8, 1.4 * sum(heights)), layout="constrained")
        axes = figure.subplots(
            len(heights), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights}
        )[:, 0]
        draw_raster(axes[0], recording)
        for k, (name, values) in enumerate(traces):
            draw_trace(axes[k + 1], recording.probe_times, values, COLOURS[k % len(COLOURS)])
            axes[k + 1].set_ylabel(name)
        axes[-1].set_xlabel("time")
        axes[-1].set_xlim(0, recording.network.duration)
    return figure


def show_recording(recording: Recording) -> bytes:
    """The figure of a run as a PNG, for notebooks."""
    return draw_recording(recording)._repr_png_()


def show_batch(recording: BatchRecording) -> bytes:
    """Rasters of the first trials of a batch as a PNG, for notebooks."""
    return draw_batch(recording)._repr_png_()


def draw_batch(recording: BatchRecording) -> "Figure":
    """Draw the spikes of the first trials of a batch, side by side."""
    shown = range(min(len(recording), MOST_TRIALS))
    panels = [
        SpikePanel(
            title=f"trial {trial} of {len(recording)}", trains=recording.trains(trial),
            duration=recording.network.duration,
        )
        for trial in shown
    ]  # fmt: skip
    return draw_spike_panels(panels)


def list_traces(recording: Recording) -> list[tuple[str, np.ndarray]]:
    """Label and values of the first state variable of each probed neuron."""
    traces: list[tuple[str, np.ndarray]] = []
    if not len(recording.probe_times):
        return traces
    for (population, part), states in zip(
        recording.network.parts, recording.probed_state, strict=True
    ):
        own = recording.probed
        own = own[(own >= part.start) & (own < part.stop)] - part.start
        variable = population.model.state[0]
        traces += [
            (f"{variable} of {population.name} {i}", states[variable][:, k])
            for k, i in enumerate(own)
        ]
    return traces


def draw_raster(axes: "Axes", recording: Recording) -> None:
    """Draw each spike as a dot; of very many a regular selection."""
    from matplotlib.ticker import MaxNLocator

    step = -(-len(recording.spike_time) // MOST_SPIKES) or 1
    n = recording.network.n_neurons
    size: Any = 6 if n <= 100 else 1
    axes.scatter(
        recording.spike_time[::step], recording.spike_neuron[::step], s=size, color=INK,
        linewidths=0, rasterized=True,
    )  # fmt: skip
    for _, own in recording.network.parts[:-1]:
        axes.axhline(own.stop - 0.5, color=GREY, linewidth=0.8)
    axes.set_ylim(-0.5, n - 0.5)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylabel("neuron")
    shown = f", 1 in {step} shown" if step > 1 else ""
    axes.set_title(f"{len(recording.spike_time)} spikes of {n} neurons{shown}")


def draw_trace(axes: "Axes", times: np.ndarray, values: np.ndarray, colour: str) -> None:
    """Draw a membrane potential; where it runs to infinity it leaves through the frame."""
    axes.plot(times, values, color=colour, linewidth=1.2)
    finite = values[np.isfinite(values)]
    if len(finite):
        low, high = np.percentile(finite, [5, 95])
        room = max(MARGIN * (high - low), 0.1)
        axes.set_ylim(low - 3 * room, high + 3 * room)
