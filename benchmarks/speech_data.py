"""Spoken digits as every method takes them: the same splits, the same random changes."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from sim.speech.augment import Augmentation, draw_normal, encode_changed, tilt_images
from sim.speech.hair_cells import STILL, encode, link_kernels
from sim.speech.image_cache import load_images_once
from sim.speech.recordings import Recordings, find_fsdd
from sim.speech.settings import EncoderSettings
from sim.speech.splits import Split, split_recordings

CHANGE = Augmentation(
    shift=0.75, warp=0.015, time=0.007, stretch=0.05, gain=0.015, phase=1, drop=0.1
)
"""How training samples are changed at random, for every method that has such data."""
FRAMES, BANDS = 20, 40
DECADES = EncoderSettings().decades
COPIES = 2
"""So many changed copies of each sample, where a method sees all data at once."""
BIN = 0.05
"""Spikes are counted in bins of this length [s]."""
STEP = 0.01
"""Step of networks that go through a recording [s]."""


@dataclass(eq=False)
class Words:
    """All recordings of the Free Spoken Digit Dataset.

    Attributes:
        recordings: The files and who says what.
        fine: Settings of images and spikes for networks (64 bands).
        coarse: Settings of images for classifiers of frames (40 bands).
    """

    recordings: Recordings
    fine: EncoderSettings
    coarse: EncoderSettings

    @property
    def labels(self) -> np.ndarray:
        """Digits, shape (n,)."""
        return self.recordings.labels

    @cached_property
    def images(self) -> np.ndarray:
        """Loudness, shape (n, n_frames, 64)."""
        return load_images_once(self.recordings, self.fine)

    @cached_property
    def coarse_images(self) -> np.ndarray:
        """Loudness, shape (n, n_frames, 40)."""
        return load_images_once(self.recordings, self.coarse)

    def split(self, fold: str) -> Split:
        """The official split, or one speaker left out."""
        return split_recordings(self.recordings, fold)


def load_words(root: Path | None, fill: float = 0.0, decades: float = DECADES) -> Words:
    """The data set; see `find_fsdd`, and `EncoderSettings` for ``fill`` and ``decades``."""
    return Words(
        recordings=find_fsdd(root),
        fine=EncoderSettings(fill=fill, decades=decades),
        coarse=EncoderSettings(bands=BANDS, fill=fill, decades=decades),
    )


def change_images(
    images: np.ndarray, settings: EncoderSettings, rng: np.random.Generator
) -> np.ndarray:
    """Images, each moved and stretched at random."""
    n, kernels = len(images), link_kernels()
    moves = np.tile(STILL, (n, 1))
    if CHANGE.tilt or CHANGE.contrast:
        images = tilt_images(images, CHANGE, rng)
    for column, spread in ((0, CHANGE.shift), (1, CHANGE.warp), (2, CHANGE.time / settings.hop),
                           (3, CHANGE.stretch), (4, CHANGE.gain)):  # fmt: skip
        moves[:, column] += draw_normal(rng, spread, n)
    found = np.empty(images.shape)
    for image, move, out in zip(images.astype(np.float64), moves, found, strict=True):
        kernels.warp_image(image, move, out)
    return found


def average_frames(images: np.ndarray) -> np.ndarray:
    """20 frames of equal length, shape (n, 20 * bands)."""
    n, _, bands = images.shape
    return np.asarray(images.reshape(n, FRAMES, -1, bands).mean(axis=2).reshape(n, -1))


def stretch_frames(images: np.ndarray) -> np.ndarray:
    """The same with each word stretched to the 20 frames."""
    found = np.empty((len(images), FRAMES, images.shape[2]))
    for image, out in zip(images, found, strict=True):
        sounding = np.flatnonzero(image.max(axis=1) > 0.0)
        n = int(sounding[-1]) + 1 if len(sounding) else len(image)
        sums = np.vstack(
            [np.zeros((1, image.shape[1])), np.cumsum(image[:n], axis=0, dtype=np.float64)]
        )
        edges = np.linspace(0, n, FRAMES + 1)
        low = np.minimum(edges.astype(int), n - 1)
        at = sums[low] + (edges - low)[:, None] * (sums[low + 1] - sums[low])
        out[...] = np.diff(at, axis=0) * FRAMES / n
    return found.reshape(len(images), -1)


def count_spikes(
    images: np.ndarray, settings: EncoderSettings, width: float,
    rng: np.random.Generator | None = None,
) -> np.ndarray:  # fmt: skip
    """Spikes in bins, shape (n, n_bins, bands); of changed recordings if there is an ``rng``."""
    trials = (
        encode(images, settings) if rng is None else encode_changed(images, settings, CHANGE, rng)
    )
    n_bins = round(settings.duration / width)
    place = np.minimum((trials.time / width).astype(np.int64), n_bins - 1)
    trial = np.repeat(np.arange(len(trials)), np.diff(trials.offsets))
    flat = (trial * n_bins + place) * settings.bands + trials.channel
    counts = np.bincount(flat, minlength=len(trials) * n_bins * settings.bands)
    return counts.reshape(len(trials), n_bins, settings.bands).astype(np.float32)
