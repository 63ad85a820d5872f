"""Classifiers of scikit-learn on frames of loudness and on spike counts."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.speech_data import (
    BIN,
    COPIES,
    Words,
    average_frames,
    change_images,
    count_spikes,
    stretch_frames,
)
from sim.speech.splits import Split
from sim.training.energy import MULTIPLY_ACCUMULATE_PJ


@dataclass(frozen=True, kw_only=True)
class Score:
    """What one training gave.

    Attributes:
        validation, test: Share of samples that are right.
        seconds: Of training.
        epoch_seconds: Of an epoch; NaN where there are none.
        picojoules: Arithmetic of one answer, a lower bound [pJ].
        settings: What was chosen on the validation part.
    """

    validation: float
    test: float
    seconds: float
    epoch_seconds: float
    picojoules: float
    settings: str


def make_logistic(seed: int, strength: float) -> Any:
    """Logistic regression."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=strength, max_iter=300)


def make_machine(seed: int, strength: float) -> Any:
    """A support vector machine with Gaussian kernels."""
    from sklearn.svm import SVC

    return SVC(C=strength)


def make_perceptron(seed: int, strength: float) -> Any:
    """One hidden layer of 128, trained until a tenth of the training part says stop."""
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier(
        (128,), alpha=strength, max_iter=60, early_stopping=True, random_state=seed
    )


MAKERS: dict[str, tuple[Callable[[int, float], Any], tuple[float, ...]]] = {
    "logistic regression": (make_logistic, (0.01, 0.1, 1.0)),
    "RBF-SVM": (make_machine, (1.0, 10.0)),
    "MLP": (make_perceptron, (1e-4, 0.1)),
}
"""Each with the strengths of which the validation part chooses."""
FEATURES = ("frames", "stretched frames", "spike counts")


def make_features(words: Words, kind: str, rng: np.random.Generator | None) -> np.ndarray:
    """Numbers of each recording, shape (n, n_features); changed ones if there is an ``rng``."""
    if kind == "spike counts":
        return count_spikes(words.images, words.fine, BIN, rng).reshape(len(words.images), -1)
    images = words.coarse_images
    if rng is not None:
        images = change_images(images, words.coarse, rng)
    return average_frames(images) if kind == "frames" else stretch_frames(images)


class Features:
    """Features of all recordings, made once."""

    def __init__(self, words: Words) -> None:
        self.words = words
        self.kept: dict[tuple[str, int], np.ndarray] = {}

    def find(self, kind: str, copy: int) -> np.ndarray:
        """Features; copy 0 is what was recorded, others are changed at random."""
        if (kind, copy) not in self.kept:
            rng = np.random.default_rng([7, copy]) if copy else None
            self.kept[kind, copy] = make_features(self.words, kind, rng)
        return self.kept[kind, copy]

    def stack(self, kind: str, chosen: np.ndarray, copies: int) -> tuple[np.ndarray, np.ndarray]:
        """Features and labels of some recordings and their changed copies."""
        parts = [self.find(kind, copy)[chosen] for copy in range(copies + 1)]
        return np.concatenate(parts), np.tile(self.words.labels[chosen], copies + 1)


def train_classifier(
    features: Features, name: str, kind: str, split: Split, seed: int, *, augmented: bool,
    refit: bool = False,
) -> Score:  # fmt: skip
    """Choose on the validation part, train, test.

    The strength and whether features are brought to mean 0 and spread 1 are chosen without
    augmentation.

    Args:
        features: Of all recordings.
        name: A key of `MAKERS`.
        kind: One of `FEATURES`.
        split: The parts.
        seed: Of the classifier.
        augmented: Whether changed copies are added to the training part.
        refit: Whether the validation part is trained on as well, once it has chosen.
    """
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    make, strengths = MAKERS[name]
    plain, labels = features.find(kind, 0), features.words.labels
    found = []
    for scaled in (False, True):
        for strength in strengths:
            model = make(seed, strength)
            model = make_pipeline(StandardScaler(), model) if scaled else model
            model.fit(plain[split.train], labels[split.train])
            right = model.predict(plain[split.validation]) == labels[split.validation]
            found.append((float(right.mean()), -len(found), scaled, strength, model))
    validation, _, scaled, strength, model = max(found, key=lambda one: one[:2])
    begin = time.perf_counter()
    if augmented or refit:
        chosen = np.concatenate([split.train, split.validation]) if refit else split.train
        x, y = features.stack(kind, chosen, COPIES if augmented else 0)
        model = make(seed, strength)
        model = make_pipeline(StandardScaler(), model) if scaled else model
        model.fit(x, y)
        if not refit:
            right = model.predict(plain[split.validation]) == labels[split.validation]
            validation = float(right.mean())
    seconds = time.perf_counter() - begin
    right = model.predict(plain[split.test]) == labels[split.test]
    last = model[-1] if scaled else model
    epochs = getattr(last, "n_iter_", 0) if name == "MLP" else 0
    return Score(
        validation=validation, test=float(right.mean()), seconds=seconds,
        epoch_seconds=seconds / epochs if epochs and augmented else float("nan"),
        picojoules=MULTIPLY_ACCUMULATE_PJ * count_multiplications(last, plain.shape[1]),
        settings=f"strength {strength:g}, {'scaled' if scaled else 'as they are'}",
    )  # fmt: skip


def count_multiplications(model: Any, n_features: int) -> int:
    """Multiplications of one answer."""
    if hasattr(model, "support_vectors_"):
        return int(len(model.support_vectors_) * (n_features + len(model.classes_) - 1))
    weights = model.coefs_ if hasattr(model, "coefs_") else [model.coef_]
    return int(sum(w.size for w in weights))
