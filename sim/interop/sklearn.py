"""Estimators for scikit-learn: spiking networks that learn by exact gradients (docs/sklearn.md)."""

from collections.abc import Sequence
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import softmax
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from sim.inputs.trials import Trials
from sim.interop.estimator import SpikingEstimator
from sim.interop.feature_encoder import FeatureEncoder, standardise
from sim.interop.recorded_trials import list_trials
from spiketheory.errors import InputError

Table: TypeAlias = dict[str, float] | None


class OfFeatures(SpikingEstimator):
    """What takes features: a table with a row per sample."""

    steepness: float

    def read_inputs(self, X: ArrayLike, *, reset: bool) -> np.ndarray:
        """The table, checked."""
        found = validate_data(self, X, dtype=np.float64, reset=reset)
        return np.asarray(found)

    def read_both(self, X: ArrayLike, y: ArrayLike, *, reset: bool) -> tuple[np.ndarray, Any]:
        """The table and the targets, checked."""
        numeric = isinstance(self, RegressorMixin)
        table, targets = validate_data(
            self, X, y, dtype=np.float64, reset=reset, y_numeric=numeric, multi_output=numeric
        )
        return table, targets

    def start_encoding(self, inputs: np.ndarray, weight: np.ndarray) -> None:
        """Fit the encoder."""
        self.encoder_ = FeatureEncoder.fit(
            inputs, weight, steepness=self.steepness, window=WINDOW * self.duration
        )

    def encode(self, inputs: np.ndarray) -> Trials:
        """The table as trials."""
        return self.encoder_.encode(inputs)


WINDOW = 0.5
"""When the last input spike comes, in units of a trial."""


class OfClasses(ClassifierMixin, SpikingEstimator):
    """What tells classes."""

    def start_targets(self, y: np.ndarray, classes: ArrayLike | None, weight: np.ndarray) -> None:
        """Find the classes."""
        check_classification_targets(y)
        self.classes_ = np.unique(y if classes is None else np.asarray(classes))
        if len(self.classes_) < 2:
            raise InputError(
                f"Expected at least two classes but got 1 class, {self.classes_.tolist()[0]!r}; "
                "add samples of another."
            )

    @property
    def n_outputs(self) -> int:
        """One for each class."""
        return len(self.classes_)

    def read_targets(self, y: np.ndarray) -> np.ndarray:
        """Numbers of the classes."""
        check_classification_targets(y)
        found = np.searchsorted(self.classes_, y)
        found = np.minimum(found, len(self.classes_) - 1)
        unknown = self.classes_[found] != y
        if np.any(unknown):
            raise InputError(
                f"Expected classes {self.classes_.tolist()} but got {y[unknown].tolist()[0]!r}; "
                "name all classes at the first partial_fit."
            )
        return np.asarray(found)

    def find_losses(self, logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Cross entropy of each sample."""
        highest = logits.max(axis=1)
        total = highest + np.log(np.exp(logits - highest[:, None]).sum(axis=1))
        return np.asarray(total - logits[np.arange(len(targets)), targets])

    def describe_failure(self, logits: np.ndarray, targets: np.ndarray, weight: np.ndarray) -> str:
        """Why nothing was learned; empty if something was."""
        most = np.bincount(targets, weight).max() / weight.sum()
        right = float(weight @ (logits.argmax(axis=1) == targets) / weight.sum())
        if right > most or most == 1.0:
            return ""
        return (
            f"is right in {right:.3g} of the training samples and the most frequent class alone "
            f"would be in {most:.3g}; raise max_iter, or change learning_rate by a factor of 10"
        )

    def partial_fit(
        self, X: Any, y: ArrayLike, classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:  # fmt: skip
        """One pass through some samples, from where the network stands.

        Args:
            X: The inputs, as for `fit`. At the first call units of features and weights are chosen
                by these samples.
            y: Their classes.
            classes: All classes that there will be; needed at the first call.
            sample_weight: Weight of each sample; None for 1.
        """
        if not self.is_started and classes is None:
            raise InputError(
                "Expected classes at the first partial_fit but got none; name all that there will "
                "be."
            )
        return self.go_on(X, y, classes, sample_weight)

    def decision_function(self, X: Any) -> np.ndarray:
        """Logits, shape (n_samples, n_classes); of two classes the second's minus the first's."""
        logits = self.find_outputs(X)
        return logits if logits.shape[1] > 2 else np.asarray(logits[:, 1] - logits[:, 0])

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities of the classes, shape (n_samples, n_classes)."""
        return np.asarray(softmax(self.find_outputs(X), axis=1))

    def predict(self, X: Any) -> np.ndarray:
        """The most likely classes, shape (n_samples,)."""
        logits = self.find_outputs(X)
        return np.asarray(self.classes_[logits.argmax(axis=1)])


class SpikingClassifier(OfClasses, OfFeatures):
    """Tells classes by a table of features.

    Features become spike times (`sim.interop.feature_encoder`), hidden neurons answer with spikes,
    and the logits are read from these by a readout. Gradients are exact. The same ``random_state``
    gives the same bits on any number of threads.

    Args:
        hidden: Numbers of neurons of the hidden layers.
        model: A built-in neuron model, or the path of a model file.
        model_parameters: Values of its parameters; None for those of the digit experiment (theta)
            or its own.
        readout: One that is no ``first_spike`` (docs/learning.md).
        duration: Length of a trial [time].
        steepness: How sharply the encoder tells values around the mean apart.
        start_rate: Spikes of a hidden neuron per sample before training.
        smoothing: Label smoothing, from 0 to below 1.
        max_iter: Passes through the samples.
        batch_size: Samples per step.
        learning_rate: At the start; it falls to 0 by a cosine.
        early_stopping: Whether samples are set aside, and training ends when they no longer gain.
        validation_fraction: How many of them.
        n_iter_no_change: After so many passes without gain.
        tol: What counts as a gain of their loss.
        random_state: Seed of weights and order.

    Attributes:
        classes_: The classes.
        n_iter_: Passes that were made.
        loss_curve_: Mean loss of each.
        validation_losses_: Loss of the samples that were set aside, after each.
        spikes_per_neuron_: Mean number of spikes of a hidden neuron per training sample.
        silent_fraction_: Share of hidden neurons that spike in no training sample.
    """

    def __init__(
        self, *, hidden: Sequence[int] | int = (50,), model: str = "theta",
        model_parameters: Table = None, readout: str = "leaky_integrator", duration: float = 2.0,
        steepness: float = 1.0, start_rate: float = 1.0, smoothing: float = 0.0,
        max_iter: int = 100, batch_size: int = 32, learning_rate: float = 0.05,
        early_stopping: bool = False, validation_fraction: float = 0.1, n_iter_no_change: int = 10,
        tol: float = 1e-4, random_state: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(
            hidden=hidden, model=model, model_parameters=model_parameters, readout=readout,
            duration=duration, start_rate=start_rate, max_iter=max_iter, batch_size=batch_size,
            learning_rate=learning_rate, early_stopping=early_stopping,
            validation_fraction=validation_fraction, n_iter_no_change=n_iter_no_change, tol=tol,
            random_state=random_state,
        )  # fmt: skip
        self.steepness = steepness
        self.smoothing = smoothing


class SpikingRegressor(RegressorMixin, OfFeatures):
    """Predicts one number or several by a table of features.

    As `SpikingClassifier`, with squared errors in place of the cross entropy.

    Args:
        hidden, model, model_parameters, readout, duration, steepness, start_rate: As there.
        max_iter, batch_size, learning_rate, early_stopping, validation_fraction: As there.
        n_iter_no_change, tol, random_state: As there.
    """

    def __init__(
        self, *, hidden: Sequence[int] | int = (100,), model: str = "theta",
        model_parameters: Table = None, readout: str = "leaky_integrator", duration: float = 2.0,
        steepness: float = 1.0, start_rate: float = 1.0, max_iter: int = 30,
        batch_size: int = 32, learning_rate: float = 0.05, early_stopping: bool = False,
        validation_fraction: float = 0.1, n_iter_no_change: int = 10, tol: float = 1e-4,
        random_state: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(
            hidden=hidden, model=model, model_parameters=model_parameters, readout=readout,
            duration=duration, start_rate=start_rate, max_iter=max_iter, batch_size=batch_size,
            learning_rate=learning_rate, early_stopping=early_stopping,
            validation_fraction=validation_fraction, n_iter_no_change=n_iter_no_change, tol=tol,
            random_state=random_state,
        )  # fmt: skip
        self.steepness = steepness

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.single_output = True
        tags.target_tags.multi_output = True
        return tags

    def start_targets(self, y: np.ndarray, classes: ArrayLike | None, weight: np.ndarray) -> None:
        """Find the unit of the targets."""
        self.is_flat_ = y.ndim == 1
        columns = y.reshape(len(y), -1).astype(np.float64)
        self.target_mean_, self.target_spread_ = standardise(columns, weight)

    @property
    def n_outputs(self) -> int:
        """One for each number."""
        return len(self.target_mean_)

    def read_targets(self, y: np.ndarray) -> np.ndarray:
        """Targets in their unit, shape (n_samples, n_outputs)."""
        columns = y.reshape(len(y), -1)
        if columns.shape[1] != self.n_outputs:
            raise InputError(
                f"Expected {self.n_outputs} numbers per sample as targets but got "
                f"{columns.shape[1]}; call fit to begin anew."
            )
        return np.asarray((columns - self.target_mean_) / self.target_spread_)

    def find_losses(self, logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Half the squared distance of each sample."""
        return np.asarray(0.5 * np.sum((logits - targets) ** 2, axis=1))

    def describe_failure(self, logits: np.ndarray, targets: np.ndarray, weight: np.ndarray) -> str:
        """Why nothing was learned; empty if something was."""
        loss, alone = self.find_losses(logits, targets), self.find_losses(0 * targets, targets)
        if weight @ loss < weight @ alone or not np.any(alone):
            return ""
        return (
            "is no nearer to the training targets than their mean; raise max_iter, or change "
            "learning_rate by a factor of 10"
        )

    def partial_fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self:
        """One pass through some samples, from where the network stands.

        Args:
            X: Features. At the first call units of features, targets and weights are chosen by
                these samples.
            y: Their targets.
            sample_weight: Weight of each sample; None for 1.
        """
        return self.go_on(X, y, None, sample_weight)

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Targets, shape (n_samples,) or (n_samples, n_outputs)."""
        outputs = self.find_outputs(X)
        found = outputs * self.target_spread_ + self.target_mean_
        return found[:, 0] if self.is_flat_ else found


class SpikeTrainClassifier(OfClasses):
    """Tells classes by spike trains.

    Inputs are a list with an entry per trial: a `Recording`, a tuple (times, channels), or a list
    of each channel's spike times; or `Trials`.

    Args:
        recording_duration: Length of the recordings in their unit of time, which becomes
            ``duration``; None for the last spike of the training samples.
        n_channels: Number of channels; None counts those of the training samples.
        hidden, model, model_parameters, readout, duration, start_rate, smoothing: As for
            `SpikingClassifier`.
        max_iter, batch_size, learning_rate, early_stopping, validation_fraction: As there.
        n_iter_no_change, tol, random_state: As there.
    """

    def __init__(
        self, *, recording_duration: float | None = None, n_channels: int | None = None,
        hidden: Sequence[int] | int = (50,), model: str = "theta", model_parameters: Table = None,
        readout: str = "leaky_integrator", duration: float = 2.0, start_rate: float = 1.0,
        smoothing: float = 0.0, max_iter: int = 100, batch_size: int = 32,
        learning_rate: float = 0.05, early_stopping: bool = False,
        validation_fraction: float = 0.1, n_iter_no_change: int = 10, tol: float = 1e-4,
        random_state: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(
            hidden=hidden, model=model, model_parameters=model_parameters, readout=readout,
            duration=duration, start_rate=start_rate, max_iter=max_iter, batch_size=batch_size,
            learning_rate=learning_rate, early_stopping=early_stopping,
            validation_fraction=validation_fraction, n_iter_no_change=n_iter_no_change, tol=tol,
            random_state=random_state,
        )  # fmt: skip
        self.recording_duration = recording_duration
        self.n_channels = n_channels
        self.smoothing = smoothing

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        return tags

    def read_inputs(self, X: Any, *, reset: bool) -> Trials:
        """The spike trains as trials, in their own unit of time."""
        if not reset:
            return list_trials(X, self.n_channels_)
        trials = list_trials(X, self.n_channels)
        self.n_channels_: int = trials.n_channels
        return trials

    def read_both(self, X: Any, y: ArrayLike, *, reset: bool) -> tuple[Trials, np.ndarray]:
        """Trials and classes, checked."""
        trials, labels = self.read_inputs(X, reset=reset), np.asarray(y)
        if labels.shape != (len(trials),):
            raise InputError(
                f"Expected one label for each of {len(trials)} trials but got shape "
                f"{labels.shape}; give as many labels as trials."
            )
        return trials, labels

    def start_encoding(self, inputs: Trials, weight: np.ndarray) -> None:
        """Find the unit of time."""
        last = float(inputs.time.max(initial=0.0))
        length = self.recording_duration or last or 1.0
        self.time_unit_ = self.duration / length

    def encode(self, inputs: Trials) -> Trials:
        """The same trials in units of the network's time; what comes after its end is no input."""
        return Trials(
            time=inputs.time * self.time_unit_, channel=inputs.channel, offsets=inputs.offsets,
            n_channels=inputs.n_channels,
        )  # fmt: skip


__all__ = ("SpikeTrainClassifier", "SpikingClassifier", "SpikingRegressor")
