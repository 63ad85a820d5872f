"""Data sets that are spikes already: SHD, SSC, and folders of event arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sim.inputs.trials import Trials, list_offsets
from sim.speech.recordings import list_data_folders
from sim.speech.spike_files import SpikeFile, read_spike_file
from spiketheory.errors import InputError
from spiketheory.reading import DamagedError, catch_damage

SOURCE = "https://zenkelab.org/datasets"
HELD_OUT = 5
"""One of so many speakers, at least one, is held out for validation: the last ones."""
MICROSECONDS = 1e-6
EVENT_PARTS = 6
"""Of event files, one in so many of each class tests, and another validates."""


@dataclass(frozen=True, kw_only=True)
class SpikeSet:
    """A data set in SHD's layout.

    Attributes:
        files: File of each part; without a validation part, speakers are held out.
        n_classes: Number of classes.
        checksums: MD5 of the packed files, where they are known.
    """

    files: Mapping[str, str]
    n_classes: int
    checksums: Mapping[str, str]


SPIKE_SETS = {
    "shd": SpikeSet(
        files={"train": "shd_train.h5", "test": "shd_test.h5"},
        n_classes=20,
        checksums={
            "train": "f3252aeb598ac776c1b526422d90eecb",
            "test": "1503a5064faa34311c398fb0a1ed0a6f",
        },
    ),
    "ssc": SpikeSet(
        files={"train": "ssc_train.h5", "validation": "ssc_valid.h5", "test": "ssc_test.h5"},
        n_classes=35,
        checksums={},
    ),
}


@dataclass(frozen=True, kw_only=True, eq=False)
class EventSet:
    """Labelled spike trains in parts.

    Attributes:
        train, validation, test: Trials and labels of each part.
        n_classes: Number of classes.
    """

    train: tuple[Trials, np.ndarray]
    validation: tuple[Trials, np.ndarray]
    test: tuple[Trials, np.ndarray]
    n_classes: int


def load_spike_set(name: str, root: Path | None) -> EventSet:
    """SHD or SSC, from files on disk.

    Args:
        name: One of `SPIKE_SETS`.
        root: Folder of the files, or of the folder ``shd`` with them; by default
            ``$SPIKETHEORY_DATA``, then the user's data folder.

    Raises:
        InputError: If files are missing or damaged, or nobody can be held out.
    """
    known = SPIKE_SETS[name]
    folder = find_folder(name, root)
    parts = {
        part: read_spike_file(folder / file, n_classes=known.n_classes)
        for part, file in known.files.items()
    }
    train, test = parts["train"], parts["test"]
    if train.classes != test.classes:
        raise InputError(
            f"Expected the same classes in the files of {folder} but got {len(train.classes)} and "
            f"{len(test.classes)}, or other names; fetch them again."
        )
    if "validation" in parts:
        own = parts["validation"]
        return EventSet(
            train=(train.trials, train.labels), validation=(own.trials, own.labels),
            test=(test.trials, test.labels), n_classes=len(train.classes),
        )  # fmt: skip
    held_out = hold_out_speakers(train, folder)
    rest, held = np.flatnonzero(~held_out), np.flatnonzero(held_out)
    return EventSet(
        train=(train.trials.take(rest), train.labels[rest]),
        validation=(train.trials.take(held), train.labels[held]),
        test=(test.trials, test.labels), n_classes=len(train.classes),
    )  # fmt: skip


def find_folder(name: str, root: Path | None) -> Path:
    """The folder that holds all files of a data set."""
    known = SPIKE_SETS[name]
    roots = list_data_folders(root)
    for folder in (place for start in roots for place in (start, start / name)):
        if all((folder / file).is_file() for file in known.files.values()):
            return folder
    sums = "".join(f", MD5 of {part}: {value}" for part, value in known.checksums.items())
    packed = ", ".join(f"{SOURCE}/{file}.zip" for file in known.files.values())
    raise InputError(
        f"Expected {', '.join(known.files.values())} in {' or '.join(map(str, roots))}, or its "
        f"folder {name}, but found no such files; fetch and unpack {packed}{sums}."
    )


def hold_out_speakers(content: SpikeFile, folder: Path) -> np.ndarray:
    """Which samples are by the speakers that are held out for validation."""
    speakers = np.empty(0) if content.speakers is None else content.speakers
    known = np.unique(speakers)
    if len(known) < 2:
        raise InputError(
            f"Expected extra/speaker with two or more speakers in the training file of {folder} "
            f"but got {len(known)}; speakers are held out for validation."
        )
    return np.isin(speakers, known[-max(1, len(known) // HELD_OUT) :])


def load_event_folder(root: Path) -> EventSet:
    """Structured event arrays, one ``.npy`` for each sample, in one folder for each class.

    Arrays have the fields t [microseconds], x, and perhaps y and p, see `Trials.from_events`; the
    sensor is as large as the largest coordinates of all files. Every sixth file of a class tests,
    and the one after it validates.

    Raises:
        InputError: If there are no two classes, or a file is not such an array; it is named.
    """
    folders = sorted(p for p in root.iterdir() if p.is_dir()) if root.is_dir() else []
    found = [(folder, sorted(folder.glob("*.npy"))) for folder in folders]
    found = [(folder, files) for folder, files in found if files]
    if len(found) < 2:
        raise InputError(
            f"Expected a folder for each class with .npy files in it, in {root}, but found "
            f"{len(found)} such folders; name the folder above them by --data."
        )
    paths = [path for _, files in found for path in files]
    number = np.concatenate([np.arange(len(files)) for _, files in found]) % EVENT_PARTS
    labels = np.repeat(np.arange(len(found)), [len(files) for _, files in found])
    trials = read_events(paths)
    parts = [np.flatnonzero(part) for part in (number > 1, number == 1, number == 0)]
    if not all(len(part) for part in parts):
        raise InputError(
            f"Expected at least three files of a class in {root} but got fewer; add some."
        )
    train, validation, test = ((trials.take(part), labels[part]) for part in parts)
    return EventSet(train=train, validation=validation, test=test, n_classes=len(found))


def read_events(paths: Sequence[Path]) -> Trials:
    """Event arrays as trials; errors name the file."""
    events = [read_array(path) for path in paths]
    sizes = []
    for name in ("x", "y", "p"):
        own = [e[name].max(initial=0) for e in events if name in (e.dtype.names or ())]
        sizes.append(int(max(own, default=0)) + 1)
    trials = []
    for path, array in zip(paths, events, strict=True):
        try:
            trials.append(Trials.from_events([array], size=tuple(sizes), unit=MICROSECONDS))
        except InputError as err:
            raise InputError(f"{path}: {err}") from err
    return Trials(
        time=np.concatenate([t.time for t in trials]),
        channel=np.concatenate([t.channel for t in trials]),
        offsets=list_offsets([len(t.time) for t in trials]), n_channels=trials[0].n_channels,
    )  # fmt: skip


def read_array(path: Path) -> np.ndarray:
    """One structured array, with at least one event."""
    try:
        with catch_damage():
            array = np.load(path, allow_pickle=False)
    except DamagedError as err:
        raise InputError(
            f"Expected an array of events in {path} but got: {err}; write it with numpy.save."
        ) from err
    if not isinstance(array, np.ndarray) or not {"t", "x"} <= set(array.dtype.names or ()):
        raise InputError(
            f"Expected an array with the fields t and x in {path} but got {array.dtype}; write a "
            "structured array."
        )
    if not array.size:
        raise InputError(f"Expected events in {path} but it has none; leave the file out.")
    return array
