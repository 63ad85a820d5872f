"""The figure of a recording: waveform, loudness and spikes under each other."""

import os
from typing import TYPE_CHECKING

import numpy as np

from sim.analysis.training_figures import BLUE, INK, STYLE
from spiketheory.files import replace_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_speech(path: str | os.PathLike[str], **what: object) -> None:
    """Write the figure as a PNG, whole or not at all; see `draw_speech`."""
    import matplotlib as mpl

    figure = draw_speech(**what)  # type: ignore[arg-type]
    with replace_atomically(path) as temporary, mpl.rc_context(STYLE):
        figure.savefig(temporary, format="png")


def draw_speech(
    *, name: str, samples: np.ndarray, rate: int, image: np.ndarray, spikes: np.ndarray,
    channels: np.ndarray, duration: float, stretched: bool = False,
) -> "Figure":  # fmt: skip
    """Draw a recording.

    Args:
        name: Its name.
        samples: The sound, shape (n,).
        rate: Samples per second [Hz].
        image: Loudness, shape (n_frames, bands).
        spikes: Times of the spikes [s].
        channels: Their channels, of which each is a band, or a delay line of one.
        duration: How much is shown [s].
        stretched: Whether the word was stretched, so that the sound has a time of its own, and is
            shown whole.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    n_bands = image.shape[1]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8, 6.5), layout="constrained")
        wave, loudness, raster = figure.subplots(3, 1, gridspec_kw={"height_ratios": [1, 2, 2]})
        draw_sound(wave, samples, rate, None if stretched else duration)
        wave.set_title(name)
        picture = loudness.imshow(
            image.T, origin="lower", aspect="auto", extent=(0, duration, -0.5, n_bands - 0.5),
            cmap="magma", vmin=0.0, vmax=1.0, interpolation="nearest",
        )  # fmt: skip
        loudness.grid(visible=False)
        loudness.set_ylabel("band")
        figure.colorbar(picture, ax=loudness, label="loudness", pad=0.01)
        raster.set_axisbelow(True)
        raster.scatter(spikes, channels, s=2, color=INK, linewidths=0, rasterized=True)
        n_channels = max(n_bands, int(channels.max(initial=0)) + 1)  # more with delay lines
        raster.set_ylim(-0.5, n_channels - 0.5)
        raster.set_ylabel("channel")
        raster.set_title(f"{len(spikes):,} spikes")
        raster.set_xlim(0, duration)
        raster.set_xlabel("time of the network [s]" if stretched else "time [s]")
        loudness.tick_params(labelbottom=False)
        loudness.set_xlim(0, duration)
    return figure


def draw_sound(axes: "Axes", samples: np.ndarray, rate: int, duration: float | None) -> None:
    """Draw the waveform, of which so much is shown; with None all of it, on a time of its own."""
    times = np.arange(len(samples)) / rate
    shown = times <= (np.inf if duration is None else duration)
    axes.plot(times[shown], samples[shown], color=BLUE, linewidth=0.6)
    axes.set_ylabel("sound")
    axes.set_xlim(0, times[-1] if duration is None else duration)
    if duration is None:
        axes.set_xlabel("time in the recording [s]")
    else:
        axes.tick_params(labelbottom=False)
