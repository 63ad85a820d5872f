"""What scikit-learn's estimators have in common: parameters, fit, going on, outputs."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from derivations import compile_model, compile_readout
from sim.inputs.trials import Trials
from sim.interop.estimator_training import EstimatorTrainer, Samples, train
from sim.training.config import TrainConfig
from sim.training.config_parts import (
    ActivityPart,
    LossPart,
    NetworkPart,
    OptimiserPart,
    ReadoutPart,
    SchedulePart,
)
from sim.training.train import TrainState
from spiketheory.errors import InputError, check_finite, check_shape

MOST_SILENT = 0.5
"""More silent neurons are worth a warning."""
THETA = {"tau": 6.0 / np.pi, "I0": 1.25}
"""A theta neuron that spikes every 6 units of time if nothing comes in."""


class SpikingEstimator(ABC, BaseEstimator):
    """A network with a readout of spike trains that scikit-learn can fit."""

    def __init__(
        self, *, hidden: Sequence[int] | int, model: str, model_parameters: dict[str, float] | None,
        readout: str, duration: float, start_rate: float, max_iter: int, batch_size: int,
        learning_rate: float, early_stopping: bool, validation_fraction: float,
        n_iter_no_change: int, tol: float, random_state: Any,
    ) -> None:  # fmt: skip
        self.hidden = hidden
        self.model = model
        self.model_parameters = model_parameters
        self.readout = readout
        self.duration = duration
        self.start_rate = start_rate
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.random_state = random_state

    @abstractmethod
    def read_inputs(self, X: Any, *, reset: bool) -> Any:
        """Inputs, checked; ``reset`` for those that the estimator is fitted to."""

    @abstractmethod
    def read_both(self, X: Any, y: ArrayLike, *, reset: bool) -> tuple[Any, np.ndarray]:
        """Inputs and targets, checked."""

    @abstractmethod
    def start_encoding(self, inputs: Any, weight: np.ndarray) -> None:
        """Choose units of the inputs."""

    @abstractmethod
    def encode(self, inputs: Any) -> Trials:
        """Inputs as trials."""

    @abstractmethod
    def start_targets(self, y: np.ndarray, classes: ArrayLike | None, weight: np.ndarray) -> None:
        """Choose classes, or units of targets."""

    @property
    @abstractmethod
    def n_outputs(self) -> int:
        """Number of outputs."""

    @abstractmethod
    def read_targets(self, y: np.ndarray) -> np.ndarray:
        """Targets as the trainer wants them."""

    @abstractmethod
    def find_losses(self, logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Loss of each sample."""

    @abstractmethod
    def describe_failure(self, logits: np.ndarray, targets: np.ndarray, weight: np.ndarray) -> str:
        """Why nothing was learned, and what helps; empty if something was."""

    def fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train a new network.

        Args:
            X: The inputs.
            y: Their targets.
            sample_weight: Weight of each sample; None for 1. Samples of weight 0 are left out.
        """
        samples = self.start_samples(X, y, None, sample_weight)
        rng = check_random_state(self.random_state)
        self.seed_ = int(rng.randint(2**31 - 1))
        score = None
        if self.early_stopping:
            samples, held_out = self.split(samples)
        trainer = self.make_trainer(samples, schedule="cosine")
        state = trainer.start()
        if self.early_stopping:
            score = partial(self.score_held_out, trainer, state, held_out)
        losses, scores = train(
            trainer, state, score=score, patience=self.n_iter_no_change, tolerance=self.tol
        )  # fmt: skip
        self.state_, self.loss_curve_, self.n_iter_ = state, losses, state.epoch
        self.validation_losses_ = [-score for score in scores]
        self.look_back(trainer, samples)
        return self

    def go_on(
        self, X: Any, y: ArrayLike, classes: ArrayLike | None, sample_weight: ArrayLike | None
    ) -> Self:
        """One pass through samples."""
        if self.is_started:
            samples = self.read_samples(X, y, sample_weight)
        else:
            samples = self.start_samples(X, y, classes, sample_weight)
            self.seed_ = int(check_random_state(self.random_state).randint(2**31 - 1))
        trainer = self.make_trainer(samples, schedule="constant")
        state = self.state_ if self.is_started else trainer.start()
        loss = trainer.learn(state, self.max_iter)
        self.loss_curve_ = [*getattr(self, "loss_curve_", []), loss]
        self.state_, self.n_iter_ = state, state.epoch
        return self

    @property
    def is_started(self) -> bool:
        """Whether there is a network."""
        return hasattr(self, "state_")

    def start_samples(
        self, X: Any, y: ArrayLike, classes: ArrayLike | None, sample_weight: ArrayLike | None
    ) -> Samples:
        """Samples, with units that are chosen by them."""
        inputs, targets = self.read_both(X, y, reset=True)
        weight = read_weight(sample_weight, len(targets))
        self.start_targets(targets[weight > 0], classes, weight[weight > 0])
        self.start_encoding(take(inputs, weight > 0), weight[weight > 0])
        return self.make_samples(inputs, targets, weight)

    def read_samples(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None) -> Samples:
        """Samples in the units that were chosen before."""
        inputs, targets = self.read_both(X, y, reset=False)
        return self.make_samples(inputs, targets, read_weight(sample_weight, len(targets)))

    def make_samples(self, inputs: Any, targets: np.ndarray, weight: np.ndarray) -> Samples:
        """What is trained on: those of weight 0 play no part."""
        there = weight > 0
        return Samples(
            trials=self.encode(take(inputs, there)), targets=self.read_targets(targets[there]),
            weight=weight[there],
        )  # fmt: skip

    def split(self, samples: Samples) -> tuple[Samples, Samples]:
        """Samples to train on, and those that are set aside."""
        kept, held_out = train_test_split(
            np.arange(len(samples)), test_size=self.validation_fraction, random_state=self.seed_,
            stratify=samples.targets if is_classifier(self) else None,
        )  # fmt: skip
        return samples.take(np.sort(kept)), samples.take(np.sort(held_out))

    def make_trainer(self, samples: Samples, *, schedule: str) -> EstimatorTrainer:
        """A trainer of the network."""
        hidden = (self.hidden,) if isinstance(self.hidden, int | np.integer) else self.hidden
        config = TrainConfig(
            network=NetworkPart(
                model=self.model, parameters=self.find_parameters(), duration=self.duration,
                hidden=tuple(map(int, hidden)),
            ),
            loss=LossPart(smoothing=getattr(self, "smoothing", 0.0)),
            readout=ReadoutPart(name=self.readout),
            activity=ActivityPart(start_rate=self.start_rate, count_jumps=0),
            optimiser=OptimiserPart(
                name="adam", learning_rate=self.learning_rate, batch=self.batch_size
            ),
            schedule=SchedulePart(name=schedule, epochs=self.max_iter, warm_up=0.0),
            seed=self.seed_,
        )  # fmt: skip
        return EstimatorTrainer(
            config, samples, self.n_outputs, compile_model(self.model),
            compile_readout(self.readout),
        )  # fmt: skip

    def find_parameters(self) -> dict[str, float]:
        """Values of the model's parameters."""
        if self.model_parameters is not None:
            return self.model_parameters
        return dict(THETA) if self.model == "theta" else {}

    def score_held_out(
        self, trainer: EstimatorTrainer, state: TrainState, held_out: Samples
    ) -> float:
        """How well the network does on the samples that were set aside; larger is better."""
        logits = trainer.run_all(state, held_out.trials).logits
        losses = self.find_losses(logits, held_out.targets)
        return -float(held_out.weight @ losses / held_out.weight.sum())

    def look_back(self, trainer: EstimatorTrainer, samples: Samples) -> None:
        """Say how active neurons are, and warn if nothing was learned."""
        outcome = trainer.run_all(self.state_, samples.trials)
        self.spikes_per_neuron_ = float(outcome.counts.mean())
        self.silent_fraction_ = float((outcome.counts.sum(axis=0) == 0).mean())
        name = type(self).__name__
        if self.silent_fraction_ > MOST_SILENT:
            warnings.warn(
                f"{self.silent_fraction_:.0%} of the hidden neurons of this {name} spike in no "
                f"training sample; raise start_rate (now {self.start_rate:g}) or duration (now "
                f"{self.duration:g}), or lower learning_rate.",
                ConvergenceWarning, stacklevel=3,
            )  # fmt: skip
        failure = self.describe_failure(outcome.logits, samples.targets, samples.weight)
        if failure:
            warnings.warn(
                f"This {name} {failure} (max_iter={self.max_iter}, "
                f"learning_rate={self.learning_rate:g}).",
                ConvergenceWarning, stacklevel=3,
            )  # fmt: skip

    def find_outputs(self, X: Any) -> np.ndarray:
        """Logits, shape (n_samples, n_outputs)."""
        check_is_fitted(self, "state_")
        trials = self.encode(self.read_inputs(X, reset=False))
        n, n_outputs = len(trials), self.n_outputs
        targets = np.zeros(n, int) if is_classifier(self) else np.zeros((n, n_outputs))
        samples = Samples(trials=trials, targets=targets, weight=np.ones(n))
        return self.make_trainer(samples, schedule="constant").run_all(self.state_, trials).logits


def read_weight(sample_weight: ArrayLike | None, n_samples: int) -> np.ndarray:
    """Weights of samples, 1 unless they are given.

    Raises:
        InputError: If they do not fit, one is negative, or all are 0.
    """
    if sample_weight is None:
        return np.ones(n_samples)
    weight = np.asarray(sample_weight, np.float64)
    check_finite("sample_weight", check_shape("sample_weight", weight, (n_samples,)))
    if np.any(weight < 0) or not np.any(weight):
        raise InputError(
            "Expected sample_weight >= 0 and not all 0 but got "
            f"{weight.min() if np.any(weight < 0) else 'zeros alone'}; give some weight to what is "
            "to be learned."
        )
    return weight


def take(inputs: Any, there: np.ndarray) -> Any:
    """The inputs of some samples."""
    if there.all():
        return inputs
    return inputs.take(np.flatnonzero(there)) if isinstance(inputs, Trials) else inputs[there]
