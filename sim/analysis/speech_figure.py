"""The figure of a recording: waveform, loudness and spikes under each other."""

import os
from typing import TYPE_CHECKING

import numpy as np

from sim.analysis.training_figures import BLUE, INK, STYLE
from spiketheory.files import replace_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_speech(path: str | os.PathLike[str], **what: object) -> None:
    """Write the figure as a PNG, whole or not at all; see `draw_speech`."""
    import matplotlib as mpl

    figure = draw_speech(**what)  # type: ignore[arg-type]
    with replace_atomically(path) as temporary, mpl.rc_context(STYLE):
        figure.savefig(temporary, format="png")


# Long: half of it says what it takes.
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
        channels: Their channels: the bands, perhaps on several lines.
        duration: How much is shown [s].
        stretched: Whether the word was stretched, so that the sound has a time of its own, and is
            shown whole.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    n_bands, n_channels = image.shape[1], int(channels.max(initial=image.shape[1] - 1)) + 1
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8, 6.5), layout="constrained")
        wave, loudness, raster = figure.subplots(3, 1, gridspec_kw={"height_ratios": [1, 2, 2]})
        times = np.arange(len(samples)) / rate
        shown = times <= (np.inf if stretched else duration)
        wave.plot(times[shown], samples[shown], color=BLUE, linewidth=0.6)
        wave.set_ylabel("sound")
        wave.set_title(name)
        wave.set_xlim(0, times[-1] if stretched else duration)
        if stretched:
            wave.set_xlabel("time in the recording [s]")
        picture = loudness.imshow(
            image.T, origin="lower", aspect="auto", extent=(0, duration, -0.5, n_bands - 0.5),
            cmap="magma", vmin=0.0, vmax=1.0, interpolation="nearest",
        )  # fmt: skip
        loudness.grid(visible=False)
        loudness.set_ylabel("band")
        figure.colorbar(picture, ax=loudness, label="loudness", pad=0.01)
        raster.set_axisbelow(True)
        raster.scatter(spikes, channels, s=2, color=INK, linewidths=0, rasterized=True)
        raster.set_ylim(-0.5, n_channels - 0.5)
        raster.set_ylabel("channel")
        raster.set_title(f"{len(spikes):,} spikes")
        raster.set_xlim(0, duration)
        raster.set_xlabel("time of the network [s]" if stretched else "time [s]")
        if not stretched:
            wave.tick_params(labelbottom=False)
        loudness.tick_params(labelbottom=False)
        loudness.set_xlim(0, duration)
    return figure
