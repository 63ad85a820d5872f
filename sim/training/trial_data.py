"""Data sets of trials (docs/formats.md, 13): spikes in place of intensities."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sim.files.trials_file import TrialsFile, read_trials_file
from sim.inputs.trials import Trials
from spiketheory.errors import InputError
from spiketheory.shown import Short

SUFFIX = ".npz"
TRAIN, VALIDATION, TEST = "train", "validation", "test"
TEST_FRACTION = 6
"""One in so many trials, or groups, is held out if the file does not say which: the last ones."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class TrialDataset(Short):
    """Labelled trials, split into a part to train on and a part to test on.

    Attributes:
        name: Stem of the file.
        train_inputs: Trials to train on.
        train_labels: Classes 0..n_classes-1, shape (n_train,), int64.
        test_inputs: Trials that are held out.
        test_labels: Classes, shape (n_test,), int64.
        n_classes: Number of classes.
        image_shape: None: trials are no images.
    """

    name: str
    train_inputs: Trials
    train_labels: np.ndarray
    test_inputs: Trials
    test_labels: np.ndarray
    n_classes: int
    image_shape: tuple[int, int] | None = None

    @property
    def n_inputs(self) -> int:
        """Number of channels."""
        return self.train_inputs.n_channels


def is_trial_dataset(name: str) -> bool:
    """Whether a data set's name is the path of a trials file."""
    return name.endswith(SUFFIX)


def load_trial_dataset(path: Path, *, seed: int = 0, validation: int = 0) -> TrialDataset:
    """Load a trials file as a data set.

    Groups called train, validation and test say what each trial is for; the validation group is
    left alone unless ``validation`` > 0, which tests on it. Of other groups the last sixth is
    held out, each as a whole; without groups the last sixth of the trials.

    Args:
        path: The file.
        seed: Chooses which samples are set aside for validation.
        validation: If n > 0, the validation group, or if there is none n random training trials,
            take the place of the test part.

    Raises:
        InputError: If the file cannot be read, has no labels, or a part would be empty.
    """
    content = read_trials_file(path)
    if content.labels is None:
        raise InputError(
            f"Expected labels of the trials in {path} but it has none; add the field label."
        )
    labels = content.labels.astype(np.int64)
    train, test = split_trials(content, seed=seed, validation=validation)
    for what, part in (("to train on", train), ("to test on", test)):
        if not len(part):
            raise InputError(
                f"Expected trials {what} in {path} but got none; name groups train and test, or "
                f"give at least {TEST_FRACTION} trials or two groups."
            )
    return TrialDataset(
        name=path.stem,
        train_inputs=content.trials.take(train),
        train_labels=labels[train],
        test_inputs=content.trials.take(test),
        test_labels=labels[test],
        n_classes=int(labels.max()) + 1,
    )


def split_trials(
    content: TrialsFile, *, seed: int, validation: int
) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the trials to train on, and of those to test on."""
    part = name_parts(content)
    train, test = np.flatnonzero(part == TRAIN), np.flatnonzero(part == TEST)
    if not validation:
        return train, test
    held_out = np.flatnonzero(part == VALIDATION)
    if len(held_out):
        return train, held_out
    if validation >= len(train):
        raise InputError(
            f"Expected validation below {len(train)}, the number of training trials, but got "
            f"{validation}; leave at least one to train on."
        )
    chosen = np.sort(np.random.default_rng(seed).permutation(len(train))[:validation])
    return np.delete(train, chosen), train[chosen]


def name_parts(content: TrialsFile) -> np.ndarray:
    """What each trial is for, shape (n_trials,)."""
    groups = content.groups
    if groups is None:
        groups = np.arange(len(content.trials))
    known = np.unique(groups)
    if known.dtype.kind == "U" and set(known.tolist()) <= {TRAIN, VALIDATION, TEST}:
        return groups
    n_test = max(1, len(known) // TEST_FRACTION)
    return np.where(np.isin(groups, known[-n_test:]), TEST, TRAIN)


def suggest_settings(path: Path) -> dict[str, Any]:
    """Defaults for training on a trials file: a trial's end, and neurons that are slow enough.

    A theta neuron without input spikes after three trials.
    """
    duration = read_trials_file(path).duration
    return {
        "model": "theta",
        "parameters": {"tau": 3 / np.pi * duration, "I0": 1.25},
        "duration": duration,
        "hidden": (100,),
        "encoding": "latency",
        "epochs": 40,
        "batch": 50,
        "schedule": "cosine",
    }
