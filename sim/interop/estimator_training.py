"""Training as estimators need it: weights of samples, numbers as targets, and no test set."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.inputs.trials import Trials
from sim.temporal.batch import TemporalOutcome
from sim.temporal.logit_losses import make_squared_error
from sim.training.config import TrainConfig
from sim.training.temporal_train import EVALUATION_BATCH, TemporalTrainer
from sim.training.train import TrainState
from sim.training.trial_data import TrialDataset
from spiketheory.machine.compile import CompiledModel
from spiketheory.machine.readout import CompiledReadout


@dataclass(frozen=True, kw_only=True, eq=False)
class Samples:
    """What an estimator learns from.

    Attributes:
        trials: Encoded inputs.
        targets: Classes 0.., shape (n,), whole numbers; or shape (n, n_outputs), numbers.
        weight: Of each sample, shape (n,).
    """

    trials: Trials
    targets: np.ndarray
    weight: np.ndarray

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, indices: np.ndarray) -> "Samples":
        """Those at ``indices``."""
        return Samples(
            trials=self.trials.take(indices), targets=self.targets[indices],
            weight=self.weight[indices],
        )  # fmt: skip


class EstimatorTrainer(TemporalTrainer):
    """Trains on samples with weights, for classes or numbers."""

    def __init__(
        self, config: TrainConfig, samples: Samples, n_outputs: int, model: CompiledModel,
        readout: CompiledReadout,
    ) -> None:  # fmt: skip
        self.samples = samples
        self.weight = samples.weight / samples.weight.mean()
        dataset = TrialDataset(
            name="samples", train_inputs=samples.trials, train_labels=samples.targets,
            test_inputs=samples.trials, test_labels=samples.targets, n_classes=n_outputs,
        )  # fmt: skip
        super().__init__(config, dataset, model, readout)
        if self.is_regression:
            self.logit_loss = self.plain_loss = make_squared_error()

    @property
    def is_regression(self) -> bool:
        """Whether targets are numbers."""
        return self.samples.targets.ndim == 2

    def find_sample_weights(self, indices: np.ndarray) -> np.ndarray | None:
        """What the losses of training samples are multiplied by."""
        return np.asarray(self.weight[indices])

    def count_hits(self, logits: np.ndarray, labels: np.ndarray) -> int:
        """How many samples are right; none if targets are numbers."""
        return 0 if self.is_regression else super().count_hits(logits, labels)

    def run(
        self, arrays: dict[str, np.ndarray], scales: dict[str, float], trials: Trials,
        labels: np.ndarray, **options: Any,
    ) -> TemporalOutcome:  # fmt: skip
        """What the network does with trials; the loss is no one's."""
        if self.is_regression:
            labels = np.zeros((len(trials), self.dataset.n_classes))
        return super().run(arrays, scales, trials, labels, **options)

    def run_all(self, state: TrainState, trials: Trials) -> TemporalOutcome:
        """Logits and spike counts of any number of trials."""
        arrays, scales = self.read_state(state)
        labels, parts = np.zeros(len(trials), int), []
        for first in range(0, len(trials), EVALUATION_BATCH):
            chosen = np.arange(first, min(first + EVALUATION_BATCH, len(trials)))
            parts.append(self.run(arrays, scales, trials.take(chosen), labels[chosen]))
        return TemporalOutcome(
            logits=np.concatenate([part.logits for part in parts]),
            loss=np.concatenate([part.loss for part in parts]),
            counts=np.concatenate([part.counts for part in parts]),
            norms=np.empty(0),
        )

    def learn(self, state: TrainState, epochs: int) -> float:
        """One pass through the samples; returns their mean loss.

        Args:
            state: Changed in place.
            epochs: How many there are to be in all, for the learning rate.
        """
        rng = np.random.default_rng([self.config.seed, 1, state.epoch])
        batches, total = list(self.split_batches(rng)), 0.0
        for k, indices in enumerate(batches):
            rate = self.schedule(state.epoch + k / len(batches), epochs)
            total += self.run_step(state, indices, rate, rng)[0] * len(indices)
        state.epoch += 1
        return total / len(self.samples)


def copy_arrays(state: TrainState) -> list[np.ndarray]:
    """What has been learned."""
    return [array.copy() for array in state.parameters]


def train(
    trainer: EstimatorTrainer, state: TrainState, *, score: Callable[[], float] | None,
    patience: int, tolerance: float,
) -> tuple[list[float], list[float]]:  # fmt: skip
    """Train to the end, or until ``patience`` epochs bring no better score.

    Args:
        trainer: The trainer.
        state: Changed in place; with a score it ends at the best.
        score: Of samples that were set aside, larger is better; None if there are none.
        patience: So many epochs.
        tolerance: What counts as better.

    Returns:
        Loss and score of each epoch.
    """
    losses: list[float] = []
    scores: list[float] = []
    best, bar, kept, waited = -np.inf, -np.inf, copy_arrays(state), 0
    while state.epoch < trainer.config.schedule.epochs and waited < patience:
        losses.append(trainer.learn(state, trainer.config.schedule.epochs))
        if score is None:
            continue
        scores.append(score())
        waited += 1
        if scores[-1] > bar + tolerance:
            bar, waited = scores[-1], 0
        if scores[-1] > best:
            best, kept = scores[-1], copy_arrays(state)
    if score is not None:
        for array, value in zip(state.parameters, kept, strict=True):
            array[...] = value
    return losses, scores
