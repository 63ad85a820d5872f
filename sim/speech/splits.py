"""Which recordings are for training, for choosing settings, and for the test."""

from dataclasses import dataclass

import numpy as np

from sim.speech.recordings import Recordings
from spiketheory.errors import InputError

TESTED = 5
"""Recordings of each speaker and digit with which the Free Spoken Digit Dataset tests: 0 to 4."""
FOLDER_PARTS = 6
"""Of a folder, one recording in so many of each class tests, and another validates."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """Numbers of the recordings of each part, rising."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def split_recordings(recordings: Recordings, fold: str = "") -> Split:
    """Split a data set.

    Without ``fold`` the Free Spoken Digit Dataset tests with the recordings 0 to 4 of each speaker
    and digit, its own split, and validates with 5 to 9; of other folders every sixth recording of a
    class tests and the one after it validates. With ``fold``, the name of a speaker, that one
    tests, the next by name validates, and the others train.

    Raises:
        InputError: If there is no such speaker, or a part would be empty.
    """
    if fold:
        return split_speakers(recordings, fold)
    number, tested = recordings.indices, 1
    if recordings.name == "fsdd":
        tested = TESTED
    else:
        number = number % FOLDER_PARTS
    return make_split(recordings, number < tested, (number >= tested) & (number < 2 * tested))


def split_speakers(recordings: Recordings, fold: str) -> Split:
    """Leave one speaker out for the test, and the next for validation."""
    names = np.unique(recordings.speakers).tolist()
    if fold not in names or len(names) < 3:
        raise InputError(
            f"Expected fold to be one of at least three speakers of {recordings.name} "
            f"({', '.join(names)}) but got {fold!r}; choose one of them, or leave it out."
        )
    other = names[(names.index(fold) + 1) % len(names)]
    return make_split(recordings, recordings.speakers == fold, recordings.speakers == other)


def make_split(recordings: Recordings, test: np.ndarray, validation: np.ndarray) -> Split:
    """The split with these parts, none of which may be empty."""
    parts = [np.flatnonzero(part) for part in (~(test | validation), validation, test)]
    for name, part in zip(("train", "validate", "test"), parts, strict=True):
        if not len(part):
            raise InputError(
                f"Expected recordings of {recordings.name} to {name} with but got none of "
                f"{len(recordings)}; give more of each class."
            )
    train, validated, tested = parts
    return Split(train=train, validation=validated, test=tested)
