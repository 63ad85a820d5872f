"""Data sets of trials (docs/formats.md, 13): spikes in place of intensities."""

from collections.abc import Callable, Sequence
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
    """Labelled trials: a part to train on, one to test on, and perhaps one to choose models with.

    Attributes:
        name: Stem of the file.
        train_inputs: Trials to train on.
        train_labels: Classes 0..n_classes-1, shape (n_train,), int64.
        test_inputs: Trials that are held out.
        test_labels: Classes, shape (n_test,), int64.
        n_classes: Number of classes.
        image_shape: None: trials are no images.
        validation_inputs: Trials to choose models with; None if there are none.
        validation_labels: Their classes.
        draw: Makes the training trials with the given numbers, changed at random by a generator;
            None if they are taken as they are.
    """

    name: str
    train_inputs: Trials
    train_labels: np.ndarray
    test_inputs: Trials
    test_labels: np.ndarray
    n_classes: int
    image_shape: tuple[int, int] | None = None
    validation_inputs: Trials | None = None
    validation_labels: np.ndarray | None = None
    draw: Callable[[np.ndarray, np.random.Generator], Trials] | None = None

    @property
    def n_inputs(self) -> int:
        """Number of channels."""
        return self.train_inputs.n_channels


def is_trial_dataset(name: str) -> bool:
    """Whether a data set's name is the path of a trials file."""
    return name.endswith(SUFFIX)


# Long: half of it says what it takes.
def load_trial_dataset(
    path: Path,
    *,
    seed: int = 0,
    validation: int = 0,
    validation_groups: Sequence[str] = (),
    test_groups: Sequence[str] = (),
) -> TrialDataset:
    """Load a trials file as a data set.

    Groups called train, validation and test say what each trial is for. Of other groups
    ``test_groups`` are the test part, or if none are named the last sixth, each as a whole; without
    groups the last sixth of the trials.

    Args:
        path: The file.
        seed: Chooses which samples are set aside for validation.
        validation: If n > 0, the group validation, or if there is none n random training trials,
            are the validation part.
        validation_groups: Groups that are.
        test_groups: Groups that are the test part.

    Raises:
        InputError: If the file cannot be read, has no labels or not these groups, or a part would
            be empty.
    """
    content = read_trials_file(path)
    if content.labels is None:
        raise InputError(
            f"Expected labels of the trials in {path} but it has none; add the field label."
        )
    labels = content.labels.astype(np.int64)
    part = name_parts(path, content, validation_groups, test_groups)
    if validation and not np.any(part == VALIDATION):
        draw_validation(part, validation, seed)
    chosen = {name: np.flatnonzero(part == name) for name in (TRAIN, VALIDATION, TEST)}
    for what, name in (("to train on", TRAIN), ("to test on", TEST)):
        if not len(chosen[name]):
            raise InputError(
                f"Expected trials {what} in {path} but got none; name groups train and test, or "
                f"give at least {TEST_FRACTION} trials or two groups."
            )
    used = (TRAIN, TEST, *((VALIDATION,) if validation or validation_groups else ()))
    parts: dict[str, Any] = {f"{name}_inputs": content.trials.take(chosen[name]) for name in used}
    parts |= {f"{name}_labels": labels[chosen[name]] for name in used}
    return TrialDataset(name=path.stem, n_classes=int(labels.max()) + 1, **parts)


def draw_validation(part: np.ndarray, n_trials: int, seed: int) -> None:
    """Set random training trials aside for validation."""
    train = np.flatnonzero(part == TRAIN)
    if n_trials >= len(train):
        raise InputError(
            f"Expected validation below {len(train)}, the number of training trials, but got "
            f"{n_trials}; leave at least one to train on."
        )
    part[train[np.random.default_rng(seed).permutation(len(train))[:n_trials]]] = VALIDATION


def name_parts(
    path: Path, content: TrialsFile, validation_groups: Sequence[str], test_groups: Sequence[str]
) -> np.ndarray:
    """What each trial is for, shape (n_trials,)."""
    groups = content.groups
    if groups is None:
        if validation_groups or test_groups:
            raise InputError(
                f"Expected groups of the trials in {path} but it has none; add the field group, or "
                "set validation in place of validation_groups."
            )
        groups = np.arange(len(content.trials))
    known = np.unique(groups)
    texts = groups.astype(str)
    for name in (*validation_groups, *test_groups):
        if name not in texts:
            raise InputError(
                f"Expected groups of {path} (such as {', '.join(map(str, known[:5]))}) but got "
                f"{name!r}; choose from these."
            )
    part = np.full(len(groups), TRAIN, dtype="U10")
    if known.dtype.kind == "U" and set(known.tolist()) <= {TRAIN, VALIDATION, TEST}:
        part[:] = groups
    elif not test_groups:
        left = known[~np.isin(known.astype(str), validation_groups)]
        part[np.isin(groups, left[-max(1, len(known) // TEST_FRACTION) :])] = TEST
    part[np.isin(texts, test_groups)] = TEST
    part[np.isin(texts, validation_groups)] = VALIDATION
    return part


def suggest_settings(path: Path) -> dict[str, Any]:
    """Defaults for training on a trials file: a trial's end, and neurons that are slow enough.

    A theta neuron without input spikes after three trials. A group called validation is looked at
    after every epoch.
    """
    content = read_trials_file(path)
    duration, groups = content.duration, content.groups
    return {
        "model": "theta",
        "parameters": {"tau": 3 / np.pi * duration, "I0": 1.25},
        "duration": duration,
        "hidden": (100,),
        "encoding": "latency",
        "epochs": 40,
        "batch": 50,
        "schedule": "cosine",
        "validation": 0 if groups is None else int(np.count_nonzero(groups == VALIDATION)),
    }
