"""Labelled recordings on disk: the Free Spoken Digit Dataset, and folders of WAV files."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import platformdirs

from sim.speech.settings import EncoderSettings
from sim.speech.spectrum import read_image
from spiketheory.errors import InputError

RECORDED = ("fsdd", "wav")
"""Data sets of recordings."""
SPEECH_SETS = (*RECORDED, "shd", "ssc", "events")
"""Those and data sets of spikes."""
DATA_VARIABLE = "SPIKETHEORY_DATA"
FSDD = Path("free-spoken-digit-dataset") / "recordings"
FSDD_SOURCE = "github.com/Jakobovski/free-spoken-digit-dataset (CC BY-SA 4.0)"
_FSDD_NAME = re.compile(r"^([0-9])_([a-z]+)_([0-9]+)\.wav$")


@dataclass(frozen=True, kw_only=True, eq=False)
class Recordings:
    """Recordings of words.

    Attributes:
        name: Name of the data set.
        paths: The files, N of them.
        labels: Class of each, 0..n_classes-1, shape (N,), int64.
        speakers: Who speaks, shape (N,); all the same text where nobody knows.
        indices: Number of the recording among those of a speaker and class, shape (N,), int64.
        classes: Name of each class.
    """

    name: str
    paths: tuple[Path, ...]
    labels: np.ndarray
    speakers: np.ndarray
    indices: np.ndarray
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.classes)


def load_images(paths: Sequence[Path], settings: EncoderSettings) -> np.ndarray:
    """Loudness of each recording, shape (N, n_frames, bands), float32; see `log_mel`."""
    found = np.empty((len(paths), settings.n_frames, settings.bands), np.float32)
    for k, path in enumerate(paths):
        found[k] = read_image(path, settings)
    return found


def list_data_folders(root: str | os.PathLike[str] | None) -> list[Path]:
    """Where data may lie: ``root`` alone if it is given, else what `load_dataset` says."""
    if root is not None:
        return [Path(root).expanduser()]
    user_folder = platformdirs.user_data_path("spiketheory")
    named = os.environ.get(DATA_VARIABLE)
    return [Path(named).expanduser(), user_folder] if named else [user_folder]


def find_fsdd(root: str | os.PathLike[str] | None = None) -> Recordings:
    """The Free Spoken Digit Dataset: ten digits, six speakers, 3,000 recordings at 8 kHz.

    Args:
        root: Folder that holds ``free-spoken-digit-dataset/recordings``, and the only one that is
            searched; by default ``$SPIKETHEORY_DATA``, then the user's data folder.

    Raises:
        InputError: If there are no such recordings.
    """
    folders = [folder / FSDD for folder in list_data_folders(root)]
    for folder in folders:
        found = sorted(
            (*parse_name(match), path)
            for path in (folder.iterdir() if folder.is_dir() else ())
            if (match := _FSDD_NAME.match(path.name))
        )
        if found:
            digits, speakers, indices, paths = zip(*found, strict=True)
            return Recordings(
                name="fsdd", paths=paths, labels=np.array(digits, np.int64),
                speakers=np.array(speakers), indices=np.array(indices, np.int64),
                classes=tuple("0123456789"),
            )  # fmt: skip
    places = " or ".join(map(str, folders))
    raise InputError(
        f"Expected recordings such as 7_theo_0.wav in {places} but found none; get them from "
        f"{FSDD_SOURCE}, and name the folder above free-spoken-digit-dataset by --data or "
        f"${DATA_VARIABLE}."
    )


def parse_name(match: re.Match[str]) -> tuple[int, str, int]:
    """Digit, speaker and number of a recording's name."""
    return int(match[1]), match[2], int(match[3])


def find_wav_folder(root: str | os.PathLike[str]) -> Recordings:
    """A folder of WAV files with labels: one folder for each class.

    The names of the folders are the classes, in sorted order. A file called ``SPEAKER_more.wav`` or
    ``SPEAKER-more.wav`` is by that speaker.

    Raises:
        InputError: If there are no two classes with recordings.
    """
    root = Path(root).expanduser()
    folders = sorted(p for p in root.iterdir() if p.is_dir()) if root.is_dir() else []
    found = [(folder, sorted(list_wavs(folder))) for folder in folders]
    found = [(folder, files) for folder, files in found if files]
    if len(found) < 2:
        raise InputError(
            f"Expected a folder for each class with WAV files in it, in {root}, but found "
            f"{len(found)} such folders; name the folder above them by --data."
        )
    sizes = [len(files) for _, files in found]
    paths = tuple(path for _, files in found for path in files)
    speakers = np.array([re.split("[_-]", path.stem)[0] for path in paths])
    return Recordings(
        name="wav", paths=paths, labels=np.repeat(np.arange(len(found)), sizes),
        speakers=speakers, indices=np.concatenate([np.arange(size) for size in sizes]),
        classes=tuple(folder.name for folder, _ in found),
    )  # fmt: skip


def list_wavs(folder: Path) -> list[Path]:
    """The WAV files of a folder."""
    return [p for p in folder.iterdir() if p.suffix.lower() == ".wav" and p.is_file()]
