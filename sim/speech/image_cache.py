"""Loudness images that are kept from run to run, under a hash of files and settings."""

import hashlib
import inspect
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import numpy as np
import platformdirs
import scipy

from sim.speech import settings as settings_text
from sim.speech import spectrum, wav
from sim.speech.recordings import Recordings, load_images
from sim.speech.settings import EncoderSettings
from spiketheory.errors import InputError
from spiketheory.files import replace_atomically
from spiketheory.reading import DamagedError, read_npz

OF_SPIKES = (
    *("power", "rate", "onset", "onset_gain", "phase", "equal_counts", "grid", "lines"),
    "line_delay",
)
"""Settings that images do not depend on."""
MOST_KEPT = 8
"""The oldest beyond so many are removed."""


def load_images_once(recordings: Recordings, settings: EncoderSettings) -> np.ndarray:
    """What `load_images` returns, from the user's cache if it is there.

    The file's name holds a hash of the recordings' bytes and order, of the settings that images
    depend on, and of the code and libraries that make them.
    """
    path = find_cache() / f"{recordings.name}_{hash_images(recordings, settings)[:24]}.npz"
    kept = read_images(path, (len(recordings), settings.n_frames, settings.bands))
    if kept is not None:
        return kept
    images = load_images(recordings.paths, settings)
    lengths = find_lengths(images)
    used = np.concatenate([image[:n] for image, n in zip(images, lengths, strict=True)])
    with suppress(InputError), replace_atomically(path) as temporary:  # it costs time alone
        np.savez(temporary, loudness=used, lengths=lengths)
    forget_old(path.parent)
    return images


def find_cache() -> Path:
    """The folder of the cache."""
    return platformdirs.user_cache_path("spiketheory") / "speech"


def hash_images(recordings: Recordings, settings: EncoderSettings) -> str:
    """Hash of all that images depend on."""
    kept = {n: v for n, v in asdict(settings).items() if n not in OF_SPIKES}
    texts = [inspect.getsource(module) for module in (settings_text, spectrum, wav)]
    found = hashlib.sha256(repr([kept, texts, np.__version__, scipy.__version__]).encode())
    for path in recordings.paths:
        try:
            found.update(hashlib.sha256(path.read_bytes()).digest())
        except OSError as err:
            raise InputError(
                f"Expected to read {path} but the system said: {err.strerror or err}; look after "
                "the file."
            ) from err
    return found.hexdigest()


def find_lengths(images: np.ndarray) -> np.ndarray:
    """Number of frames of each image up to the last one that is not silent."""
    sounds = np.asarray(images > 0.0).max(axis=2)
    return np.where(sounds.max(axis=1), images.shape[1] - sounds[:, ::-1].argmax(axis=1), 0)


def read_images(path: Path, shape: tuple[int, int, int]) -> np.ndarray | None:
    """Images that were kept; None if there are none, or they are damaged."""
    try:
        arrays = read_npz(path)
        lengths, loudness = arrays["lengths"], arrays["loudness"]
        images = np.zeros(shape, np.float32)
        there = np.arange(shape[1]) < lengths[:, None]
        images[there] = loudness
    except (DamagedError, LookupError, ValueError, TypeError):
        return None
    return images


def forget_old(folder: Path) -> None:
    """Remove the images that were made longest ago."""
    with suppress(OSError):
        found = sorted(folder.glob("*.npz"), key=lambda path: path.stat().st_mtime)
        for path in found[:-MOST_KEPT]:
            path.unlink(missing_ok=True)
