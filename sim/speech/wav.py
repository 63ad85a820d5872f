"""WAV files as numbers."""

import math
import os
import stat
import warnings
from pathlib import Path

import numpy as np

from spiketheory.errors import InputError
from spiketheory.reading import DamagedError, catch_damage

MOST_BYTES = 2**28
"""Of a file: some 25 minutes of stereo at 44.1 kHz."""
REMEDY = "give a WAV file of whole numbers (8, 16, 24 or 32 bits) or floats"


def read_wav(path: str | os.PathLike[str]) -> tuple[np.ndarray, int]:
    """Read a recording as `read_sound` does, and refuse silence.

    Raises:
        InputError: As `read_sound`, or if all samples are equal.
    """
    mono, rate = read_sound(path)
    if is_silent(mono):
        raise InputError(
            f"Expected sound in {path} but all of its {len(mono):,} samples are equal; record it "
            "again, or leave the file out."
        )
    return mono, rate


def is_silent(samples: np.ndarray) -> bool:
    """Whether all samples are equal."""
    return bool(np.ptp(samples) == 0.0)


def read_sound(path: str | os.PathLike[str]) -> tuple[np.ndarray, int]:
    """Read a recording; several channels are averaged.

    Args:
        path: A WAV file of 8, 16, 24 or 32 bits, or of floats.

    Returns:
        Samples from -1 to 1 (beyond, if floats are), shape (n,), and how many there are in a
        second [Hz].

    Raises:
        InputError: If it cannot be read, is no such file, or has no samples.
    """
    try:
        with catch_damage():
            rate, samples = load(Path(path))
    except DamagedError as err:
        reason = str(err).rstrip(".")
        raise InputError(f"Expected a recording in {path} but got: {reason}; {REMEDY}.") from err
    if not samples.size:
        raise InputError(f"Expected sound in {path} but it has no samples; record it again.")
    if rate < 1:
        raise InputError(f"Expected a sample rate above 0 in {path} but got {rate}; {REMEDY}.")
    mono = scale(samples).reshape(len(samples), -1).mean(axis=1)
    if not np.isfinite(mono).all():
        raise InputError(f"Expected finite samples in {path} but got others; record it again.")
    return mono, rate


def load(path: Path) -> tuple[int, np.ndarray]:
    """Rate and samples as they stand in the file."""
    from scipy.io import wavfile

    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise DamagedError("no regular file")
    if found.st_size > MOST_BYTES:
        raise DamagedError(f"a file of more than {MOST_BYTES:,} bytes")
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("error", wavfile.WavFileWarning)
        warnings.filterwarnings("ignore", message="Chunk .non-data. not understood")
        try:
            rate, samples = wavfile.read(path)
        except wavfile.WavFileWarning as err:
            raise DamagedError(str(err)) from err
    return int(rate), samples


def scale(samples: np.ndarray) -> np.ndarray:
    """Samples of any type as float64; whole numbers from -1 to 1."""
    if samples.dtype.kind == "f":
        return samples.astype(np.float64)
    if samples.dtype == np.uint8:
        return (samples.astype(np.float64) - 128.0) / 128.0
    return samples.astype(np.float64) / float(-int(np.iinfo(samples.dtype).min))


def resample(samples: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    """Samples at another rate.

    Args:
        samples: Shape (n,).
        rate: How many there are in a second [Hz].
        wanted: How many there shall be [Hz].
    """
    if rate == wanted:
        return samples
    from scipy.signal import resample_poly

    common = math.gcd(rate, wanted)
    return np.asarray(resample_poly(samples, wanted // common, rate // common))
