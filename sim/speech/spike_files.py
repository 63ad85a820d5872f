"""HDF5 files of spike trains, in the layout of the Spiking Heidelberg Digits (SHD).

Of N samples: ``spikes/times`` (N,) has the times of each, float16 of variable length [s];
``spikes/units`` (N,) their channels, uint16 of variable length; ``labels`` (N,) classes from 0;
``extra/speaker`` (N,) who spoke, and ``extra/keys`` names of the classes, if there are any.

References:
    Cramer, Stradmann, Schemmel & Zenke, IEEE Trans. Neural Netw. Learn. Syst. 33, 2744 (2022).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sim.inputs.trials import Trials, list_offsets
from spiketheory.errors import InputError
from spiketheory.files import replace_atomically
from spiketheory.memory import check_memory
from spiketheory.reading import DamagedError, catch_damage, show

N_CHANNELS = 700
BYTES_PER_SPIKE = 12
"""In memory for each byte in the file, of which a spike takes four."""
TIMES, UNITS, LABELS, SPEAKERS, KEYS = (
    *("spikes/times", "spikes/units", "labels", "extra/speaker", "extra/keys"),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class SpikeFile:
    """Labelled spike trains.

    Attributes:
        trials: The spikes, N trials.
        labels: Classes, shape (N,), int64.
        speakers: Who spoke, shape (N,), int64; None if nobody knows.
        classes: Names of the classes.
    """

    trials: Trials
    labels: np.ndarray
    speakers: np.ndarray | None
    classes: tuple[str, ...]


def import_h5py() -> Any:
    """The library that reads HDF5."""
    try:
        import h5py
    except ImportError as err:
        raise InputError(
            "Expected the library h5py for HDF5 files but it is not installed; install it: "
            'pip install "spiketheory[events]", or pip install h5py.'
        ) from err
    return h5py


def read_spike_file(path: Path, *, n_classes: int) -> SpikeFile:
    """Read a file of spike trains.

    Times are float64 before anything is done with them: as float16 they lie on a grid of 0.24 to
    0.98 ms, so that many spikes are at one time.

    Args:
        path: The file.
        n_classes: Number of classes, if the file does not name them.

    Raises:
        InputError: If it cannot be read, lacks something, or a sample is not as it should be; the
            sample is named.
    """
    h5py = import_h5py()
    try:
        with catch_damage():
            check_memory(BYTES_PER_SPIKE * path.stat().st_size, f"the spikes of {path}")
            with h5py.File(path, "r") as file:
                return collect(file, path, n_classes)
    except DamagedError as err:
        raise InputError(
            f"Expected an HDF5 file of spike trains at {path} but got: {err}; fetch it again."
        ) from err


def collect(file: Any, path: Path, n_classes: int) -> SpikeFile:
    """The content of an open file."""
    labels = read_whole(file, LABELS, path)
    n = len(labels)
    times, units = (read_trains(file, name, n, path) for name in (TIMES, UNITS))
    for k, (time, unit) in enumerate(zip(times, units, strict=True)):
        check_sample(k, time, unit, path)
    classes = tuple(read_text(key) for key in file[KEYS][:]) if KEYS in file else ()
    classes = classes or tuple(map(str, range(n_classes)))
    wrong = np.flatnonzero((labels < 0) | (labels >= len(classes)))
    if len(wrong):
        raise InputError(
            f"Expected labels 0 to {len(classes) - 1} in {path} but sample {wrong[0]} has "
            f"{labels[wrong[0]]}; count classes from 0."
        )
    speakers = read_whole(file, SPEAKERS, path) if SPEAKERS in file else None
    if speakers is not None and len(speakers) != n:
        raise InputError(
            f"Expected {n} speakers in {path}, as there are labels, but got {len(speakers)}; fetch "
            "it again."
        )
    return SpikeFile(
        trials=Trials(
            time=np.concatenate(times), channel=np.concatenate(units),
            offsets=list_offsets([len(time) for time in times]), n_channels=N_CHANNELS,
        ),
        labels=labels, speakers=speakers, classes=classes,
    )  # fmt: skip


def find(file: Any, name: str, path: Path) -> Any:
    """A data set of a file."""
    if name not in file or not hasattr(file[name], "dtype"):
        there: list[str] = []
        file.visit(there.append)
        raise InputError(
            f"Expected the data set {name} in {path} but it has {', '.join(there[:8]) or 'none'}; "
            "write the layout of docs/speech.md, or fetch the file again."
        )
    return file[name]


def read_whole(file: Any, name: str, path: Path) -> np.ndarray:
    """Whole numbers of a data set, at least one."""
    values = np.asarray(find(file, name, path)[:])
    if values.dtype.kind not in "iu" or values.ndim != 1 or not len(values):
        raise InputError(
            f"Expected whole numbers in {name} of {path}, one for each sample, but got "
            f"{values.dtype} of shape {values.shape}; write integers."
        )
    return values.astype(np.int64)


def read_trains(file: Any, name: str, n: int, path: Path) -> list[np.ndarray]:
    """One array for each sample: float64, or int64 where the file has whole numbers."""
    found = find(file, name, path)
    base = import_h5py().check_vlen_dtype(found.dtype)
    kinds = "f" if name == TIMES else "iu"
    if base is None or base.kind not in kinds or found.shape != (n,):
        raise InputError(
            f"Expected {n} arrays of {'floats' if kinds == 'f' else 'whole numbers'} in {name} of "
            f"{path}, as there are labels, but got {found.dtype} of shape {found.shape}; write "
            "arrays of variable length."
        )
    kind = np.float64 if kinds == "f" else np.int64
    return [np.asarray(values, kind) for values in found[:]]


def check_sample(k: int, time: np.ndarray, unit: np.ndarray, path: Path) -> None:
    """Raise `InputError` unless sample k is a spike train."""
    wrong = ""
    if len(time) != len(unit):
        wrong = f"{len(time)} times and {len(unit)} channels"
    elif not len(time):
        wrong = "no spikes"
    elif not (np.isfinite(time).all() and time.min() >= 0.0):
        bad = time[~(np.isfinite(time) & (time >= 0.0))][0]
        wrong = f"a spike at {bad}"
    elif unit.min() < 0 or unit.max() >= N_CHANNELS:
        bad = unit[(unit < 0) | (unit >= N_CHANNELS)][0]
        wrong = f"a spike of channel {bad}"
    if wrong:
        raise InputError(
            f"Expected spikes at times >= 0 of channels 0 to {N_CHANNELS - 1} in every sample but "
            f"sample {k} of {path} has {wrong}; leave it out, or fetch the file again."
        )


def read_text(value: Any) -> str:
    """A name of a class."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    if not isinstance(text, str):
        raise DamagedError(f"{show(value)} in place of a name of a class")
    return text


def write_spike_file(path: Path, content: SpikeFile) -> None:
    """Write a file of spike trains, whole or not at all.

    Times are rounded to float16, as SHD has them.

    Raises:
        InputError: If h5py is missing, or there are more than 700 channels.
    """
    h5py = import_h5py()
    trials = content.trials
    if trials.n_channels > N_CHANNELS:
        raise InputError(
            f"Expected at most {N_CHANNELS} channels but got {trials.n_channels}; choose fewer "
            "bands."
        )
    with replace_atomically(path) as temporary, h5py.File(temporary, "w") as file:
        n = len(trials)
        times = file.create_dataset(TIMES, (n,), dtype=h5py.vlen_dtype(np.dtype(np.float16)))
        units = file.create_dataset(UNITS, (n,), dtype=h5py.vlen_dtype(np.dtype(np.uint16)))
        for k in range(n):
            time, channel = trials.select(k)
            times[k], units[k] = time.astype(np.float16), channel.astype(np.uint16)
        file[LABELS] = content.labels.astype(np.uint16)
        if content.speakers is not None:
            file[SPEAKERS] = content.speakers.astype(np.uint16)
        file[KEYS] = np.array([name.encode() for name in content.classes])
