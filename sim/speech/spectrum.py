r"""Sound to loudness in bands of frequency, frame by frame.

1. Pre-emphasis: $s_k - a s_{k-1}$.
2. The power spectrum of windows of Hann's shape, one for each frame and centred on its beginning.
3. A bank of filters on it: triangles in mel, or the power responses of gammatone filters of fourth
   order, $(1 + ((f - f_c)/b)^2)^{-4}$ with $b = 1.019$ ERB. Power is a signal rectified and
   smoothed, as hair cells do.
4. Loudness $1 + \log_{10}(P/P_0)/D$, at least 0 and at most 1.1, with $P_0$ the quantile that is
   full loudness: recordings that differ by a factor have the same image.

References:
    Glasberg & Moore, Hear. Res. 47, 103 (1990): equivalent rectangular bandwidths (ERB).
"""

from functools import lru_cache
from typing import Any

import numpy as np

from sim.speech.settings import EncoderSettings
from sim.speech.wav import read_wav, resample
from spiketheory.errors import InputError

LOUDEST = 1.1


def read_image(path: object, settings: EncoderSettings) -> np.ndarray:
    """`log_mel` of a WAV file; its errors name the file."""
    samples, rate = read_wav(str(path))
    try:
        return log_mel(samples, rate, settings)
    except InputError as err:
        raise InputError(f"{path}: {err}") from err


def log_mel(samples: np.ndarray, rate: int, settings: EncoderSettings) -> np.ndarray:
    """Loudness of a recording by frame and band.

    Args:
        samples: Shape (n,).
        rate: Samples per second [Hz].
        settings: See `EncoderSettings`.

    Returns:
        From 0 to `LOUDEST`, shape (n_frames, bands), float32.

    Raises:
        InputError: If there is no sound within the duration.
    """
    samples = resample(np.asarray(samples, np.float64), rate, int(settings.sample_rate))
    if settings.fill:
        n_frames = max(-(-len(samples) // settings.n_hop), 1)
        return fit_word(measure_loudness(samples, n_frames, settings), settings)
    return measure_loudness(samples, settings.n_frames, settings)


def measure_loudness(samples: np.ndarray, n_frames: int, settings: EncoderSettings) -> np.ndarray:
    """Loudness of so many frames; samples are cut, or followed by silence."""
    n = n_frames * settings.n_hop
    samples = np.pad(samples[:n], (0, max(0, n - len(samples))))
    emphasised = samples - settings.emphasis * np.append(samples[:1], samples[:-1])
    spectra = find_powers(emphasised, n_frames, settings)
    powers = (make_sparse_filters(settings) @ spectra.T).T
    full = float(np.quantile(powers, settings.loudness)) or float(powers.max())
    if full <= 0.0:
        raise InputError(
            f"Expected sound in the first {n / settings.sample_rate:g} s but there is silence; cut "
            "the recording to the word, or raise duration."
        )
    with np.errstate(divide="ignore"):  # no power: loudness 0
        loudness = 1.0 + (np.log10(powers) - np.log10(full)) / settings.decades
    return np.clip(loudness, 0.0, LOUDEST).astype(np.float32)


def fit_word(loudness: np.ndarray, settings: EncoderSettings) -> np.ndarray:
    """What sounds, stretched to ``settings.fill`` in the middle of the duration.

    Args:
        loudness: Of all frames of a recording, shape (n, bands).
        settings: See `EncoderSettings`.

    Returns:
        Shape (n_frames, bands): frames read between those of the word, silence around them.
    """
    sounding = np.flatnonzero(loudness.max(axis=1) >= settings.trim)
    n = round(settings.fill / settings.hop)
    at = np.linspace(sounding[0], sounding[-1], n)
    low = np.floor(at).astype(int)
    high, part = np.minimum(low + 1, len(loudness) - 1), (at - low)[:, None]
    found = np.zeros((settings.n_frames, loudness.shape[1]), np.float32)
    first = (settings.n_frames - n) // 2
    found[first : first + n] = (1.0 - part) * loudness[low] + part * loudness[high]
    return found


def find_powers(samples: np.ndarray, n_frames: int, settings: EncoderSettings) -> np.ndarray:
    """Power spectrum of each window, shape (n_frames, n_frequencies)."""
    width = settings.n_window
    padded = np.pad(samples, (width // 2, width))
    windows = np.lib.stride_tricks.sliding_window_view(padded, width)[:: settings.n_hop]
    spectrum = np.fft.rfft(windows[:n_frames] * np.hanning(width), count_bins(settings))
    return np.asarray(spectrum.real**2 + spectrum.imag**2)


def count_bins(settings: EncoderSettings) -> int:
    """Length of the Fourier transform: a power of two, at least twice the window."""
    return 1 << (2 * settings.n_window - 1).bit_length()


@lru_cache(maxsize=16)
def make_filters(settings: EncoderSettings) -> np.ndarray:
    """The filters' responses, each with sum 1, shape (bands, n_frequencies)."""
    n = count_bins(settings)
    frequencies = np.arange(n // 2 + 1) * settings.sample_rate / n
    made = list_gammatones if settings.gammatone else list_triangles
    responses = made(frequencies, settings)
    return np.asarray(responses / responses.sum(axis=1, keepdims=True))


@lru_cache(maxsize=16)
def make_sparse_filters(settings: EncoderSettings) -> Any:
    """The same as a sparse matrix: few frequencies for each band, and no threads of a library."""
    from scipy.sparse import csr_array

    return csr_array(make_filters(settings))


def list_triangles(frequencies: np.ndarray, settings: EncoderSettings) -> np.ndarray:
    """Triangles at equal distances in mel, at least as wide as the spectrum resolves."""
    low, high = (2595.0 * np.log10(1.0 + f / 700.0) for f in (settings.lowest, settings.highest))
    edges = 700.0 * (10.0 ** (np.linspace(low, high, settings.bands + 2) / 2595.0) - 1.0)
    centres = edges[1:-1, None]
    widths = np.maximum(np.diff(edges)[1:], np.diff(edges)[:-1])
    widths = np.maximum(widths, frequencies[1])[:, None]
    return np.maximum(1.0 - np.abs(frequencies - centres) / widths, 0.0)


def list_gammatones(frequencies: np.ndarray, settings: EncoderSettings) -> np.ndarray:
    """Gammatone filters at equal distances in ERB."""
    low, high = (np.log1p(0.00437 * f) for f in (settings.lowest, settings.highest))
    centres = np.expm1(np.linspace(low, high, settings.bands))[:, None] / 0.00437
    widths = 1.019 * 24.7 * (1.0 + 0.00437 * centres)
    return np.asarray((1.0 + ((frequencies - centres) / widths) ** 2) ** -4)
