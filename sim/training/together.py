"""Several trained networks asked together: the mean of their probabilities."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sim.training.run_folder import Run
from sim.training.temporal_train import TemporalTrainer
from sim.training.train import HeldOut
from spiketheory.errors import InputError

LEAST_PROBABILITY = 1e-300
"""Smaller ones count as this in the loss."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """What one network says to samples that it did not learn from.

    Attributes:
        source: What the samples are: equal for runs with the same ones.
        labels: Classes of the samples, shape (n,).
        probabilities: Shape (n, n_classes).
    """

    source: tuple[object, ...]
    labels: np.ndarray
    probabilities: np.ndarray

    @property
    def accuracy(self) -> float:
        """Share of samples whose most probable class is right."""
        return float(np.mean(self.probabilities.argmax(axis=1) == self.labels))

    @property
    def loss(self) -> float:
        """Mean cross entropy."""
        right = self.probabilities[np.arange(len(self.labels)), self.labels]
        return float(-np.log(np.maximum(right, LEAST_PROBABILITY)).mean())


@dataclass(frozen=True, kw_only=True, eq=False)
class Asked:
    """One run's answers on the test part, and on the validation part if it held one out."""

    test: Answers
    validation: Answers | None


def ask(run: Run) -> Asked:
    """Ask the network of a run.

    Raises:
        InputError: If its readout gives no probabilities.
    """
    trainer = run.trainer
    if not isinstance(trainer, TemporalTrainer):
        raise InputError(
            f"Expected runs with a readout of spike trains to ask together but {run.folder} reads "
            "first spikes; evaluate it alone, or train with --readout."
        )

    def ask_about(part: HeldOut) -> Answers:
        config = trainer.config
        return Answers(
            source=(part.name, config.dataset.name, config.speech.fold, config.dataset.test_groups),
            labels=part.labels, probabilities=trainer.find_probabilities(run.state, part),
        )  # fmt: skip

    validates = trainer.watched is not trainer.test
    return Asked(
        test=ask_about(trainer.test),
        validation=ask_about(trainer.watched) if validates else None,
    )


def average(answers: Sequence[Answers]) -> Answers | None:
    """The mean of the probabilities; None unless all were asked about the same samples."""
    first = answers[0]
    for other in answers[1:]:
        if other.source != first.source or not np.array_equal(other.labels, first.labels):
            return None
    mean = np.mean([one.probabilities for one in answers], axis=0)
    return Answers(source=first.source, labels=first.labels, probabilities=mean)


def ask_together(
    folders: Sequence[object], load: Callable[[int], Run]
) -> tuple[list[Asked], Answers, Answers | None]:
    """Ask several runs, one after the other.

    Args:
        folders: What they are called in errors.
        load: Loads the k-th run; only one is in memory at a time.

    Returns:
        What each said, and the mean on the test part and on the validation part; the latter is None
        unless all held the same samples out.

    Raises:
        InputError: If they do not test with the same samples.
    """
    asked = []
    for k, folder in enumerate(folders):
        asked.append(ask(load(k)))
        if average([asked[0].test, asked[-1].test]) is None:
            raise InputError(
                f"Expected runs that test with the same samples but {folders[0]} and {folder} do "
                "not; give runs of one data set and one fold."
            )
    test = average([one.test for one in asked])
    assert test is not None
    held = [one.validation for one in asked if one.validation is not None]
    return asked, test, average(held) if len(held) == len(asked) else None
