"""A trained network that hears recordings: a digit with certainty, or that it is none.

Whether a sound is a word is told by the same hidden spikes as the digit: those of the last layer,
each neuron's counted in windows of time. A support vector machine with Gaussian kernels learns it
from words of the training part and the sounds made of them that are none (reversed, noise,
silence); a weighted sum of counts tells far less. Its threshold is chosen on the validation part,
so that at least `WANTED` of each kind of other sound is rejected; the temperature of the digit's
probabilities too. The test part has no part in any of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sim.inputs.trials import Trials
from sim.report.evidence import soften
from sim.report.measure import Reader
from sim.report.sounds import OTHER_SOUNDS, make_other
from sim.speech.hair_cells import encode
from sim.speech.recordings import RECORDED, Recordings
from sim.speech.settings import EncoderSettings, read_settings
from sim.speech.spectrum import log_mel
from sim.speech.splits import Split, split_recordings
from sim.speech.wav import read_wav
from sim.temporal.record import record_spikes
from sim.training.config import TrainConfig
from sim.training.speech_data import find_recordings
from spiketheory.errors import InputError

WINDOWS = 10
"""Into so many windows of time spikes are counted."""
MOST_WORDS = 1600
"""So many words of the training part teach what a word is."""
WANTED = 0.97
"""Share of each kind of other sound that is rejected on the validation part."""
SPARED = 0.02
"""So many words of the validation part are rejected at least: where words and other sounds lie far
apart, the threshold is nearer to the words."""
STRENGTH = 3.0
"""Of the support vector machine: C."""
TEMPERATURES = np.geomspace(0.25, 8.0, 61)
BATCH = 250


@dataclass(frozen=True, kw_only=True, eq=False)
class Judge:
    """What says whether a sound is a word, and how sure a digit is.

    Attributes:
        supports: Counts in windows that others are compared with, shape (n_supports, n_features).
        weights: Of each of them, shape (n_supports,).
        spread: Counts are divided by it, shape (n_features,).
        gamma: Inverse squared width of the kernel exp(-gamma |x - y|^2), with x, y divided so.
        bias: Added.
        threshold: Sounds that score less are no words.
        temperature: Logits are divided by it.
    """

    supports: np.ndarray
    weights: np.ndarray
    spread: np.ndarray
    gamma: float
    bias: float
    threshold: float
    temperature: float

    def score(self, features: np.ndarray) -> np.ndarray:
        """How much sounds are like words, shape (n,)."""
        x, y = features / self.spread, self.supports / self.spread
        squares = np.square(x).sum(axis=1)[:, None] + np.square(y).sum(axis=1) - 2.0 * x @ y.T
        return np.asarray(np.exp(-self.gamma * squares) @ self.weights + self.bias)


@dataclass(frozen=True, kw_only=True, eq=False)
class Heard:
    """What the network made of sounds.

    Attributes:
        logits: Shape (n, n_classes).
        features: Spikes of each hidden neuron of the last layer by window, shape (n, n_features).
    """

    logits: np.ndarray
    features: np.ndarray


class Ear:
    """A trained network that hears.

    Args:
        reader: Its network.
        config: How it was trained.
    """

    def __init__(self, reader: Reader, config: TrainConfig) -> None:
        if config.dataset.name not in RECORDED:
            raise InputError(
                f"Expected a network that learned recordings ({', '.join(RECORDED)}) but this one "
                f"learned {config.dataset.name}; train it with --dataset fsdd."
            )
        self.reader, self.config = reader, config
        self.settings: EncoderSettings = read_settings(
            {**config.speech.encoder, "duration": config.network.duration}
        )

    def hear(self, sounds: Sequence[tuple[np.ndarray, int]]) -> Heard:
        """Run sounds, each samples and a rate, through the network."""
        images = np.array([log_mel(samples, rate, self.settings) for samples, rate in sounds])
        parts = [
            self.hear_trials(encode(images[first : first + BATCH], self.settings))
            for first in range(0, len(images), BATCH)
        ]
        return Heard(
            logits=np.concatenate([p.logits for p in parts]),
            features=np.concatenate([p.features for p in parts]),
        )

    def hear_trials(self, trials: Trials) -> Heard:
        """The same of spikes."""
        reader, n = self.reader, len(trials)
        spikes = record_spikes(reader.stack, trials)
        width = reader.widths[-1]
        first = sum(reader.widths[:-1])
        own = spikes.neuron >= first
        time, sample = spikes.time[own], spikes.sample[own]
        window = np.minimum((time * (WINDOWS / reader.duration)).astype(int), WINDOWS - 1)
        place = (sample * WINDOWS + window) * width + spikes.neuron[own] - first
        counts = np.bincount(place, minlength=n * WINDOWS * width)
        logits = reader.run(trials)
        return Heard(logits=logits, features=counts.reshape(n, -1).astype(np.float64))


@dataclass(frozen=True, kw_only=True, eq=False)
class Corpus:
    """Recordings and their parts.

    Attributes:
        recordings: The data set.
        split: Its parts.
    """

    recordings: Recordings
    split: Split

    def read(self, chosen: np.ndarray) -> list[tuple[np.ndarray, int]]:
        """Samples and rates of some recordings."""
        return [read_wav(self.recordings.paths[k]) for k in chosen]


def find_corpus(config: TrainConfig, root: Path | None) -> Corpus:
    """The recordings that a network learned from."""
    recordings = find_recordings(config.dataset.name, root)
    return Corpus(recordings=recordings, split=split_recordings(recordings, config.speech.fold))


def make_others(
    words: Sequence[tuple[np.ndarray, int]], kind: str, rng: np.random.Generator
) -> list[tuple[np.ndarray, int]]:
    """Sounds that are no words, one for each word."""
    return [(make_other(kind, samples, rng), rate) for samples, rate in words]


def teach(ear: Ear, corpus: Corpus, *, seed: int = 0) -> Judge:
    """Learn what a word is; see this module."""
    try:
        from sklearn.svm import SVC
    except ImportError as err:
        raise InputError(
            f"Expected scikit-learn for telling words from other sounds but got none ({err}); "
            "install it with pip install 'spiketheory[sklearn]'."
        ) from err

    rng = np.random.default_rng([seed, 6])
    train = corpus.split.train
    chosen = np.sort(rng.permutation(train)[:MOST_WORDS])
    words = corpus.read(chosen)
    few = words[:: len(OTHER_SOUNDS)]  # noise and silence are easily told
    groups = [ear.hear(words).features]
    for kind in OTHER_SOUNDS:
        groups.append(ear.hear(make_others(words if "words" in kind else few, kind, rng)).features)
    features = np.concatenate(groups)
    is_word = np.arange(len(features)) < len(groups[0])
    spread = features.std(axis=0)
    spread[spread == 0.0] = 1.0
    scaled = features / spread
    gamma = 1.0 / (features.shape[1] * float(scaled.var()))
    found = SVC(C=STRENGTH, gamma=gamma, class_weight="balanced").fit(scaled, is_word)
    judge = Judge(
        supports=features[found.support_], weights=found.dual_coef_[0], spread=spread, gamma=gamma,
        bias=float(found.intercept_[0]), threshold=0.0, temperature=1.0,
    )  # fmt: skip
    return calibrate(ear, corpus, judge, rng)


def calibrate(ear: Ear, corpus: Corpus, judge: Judge, rng: np.random.Generator) -> Judge:
    """Choose threshold and temperature on the validation part."""
    chosen = corpus.split.validation
    words = corpus.read(chosen)
    others = [
        float(np.quantile(judge.score(ear.hear(make_others(words, kind, rng)).features), WANTED))
        for kind in OTHER_SOUNDS
    ]
    heard, labels = ear.hear(words), corpus.recordings.labels[chosen]
    threshold = max(*others, float(np.quantile(judge.score(heard.features), SPARED)))
    return replace(
        judge, threshold=float(np.nextafter(threshold, np.inf)),
        temperature=find_temperature(heard.logits, labels),
    )  # fmt: skip


def find_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature at which the labels are most likely, of `TEMPERATURES`."""
    places = np.arange(len(labels))
    losses = [-np.log(soften(logits / t)[places, labels] + 1e-300).mean() for t in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(losses))])


@dataclass(frozen=True, kw_only=True)
class Rates:
    """How often what is rejected, on the test part.

    Attributes:
        words: Share of real words that is rejected.
        others: The same of other sounds, by kind.
        accuracy: Share of real words that are right, rejected or not.
        accuracy_kept: Share of those that are not rejected that are right.
        n: Number of words.
    """

    words: float
    others: dict[str, float]
    accuracy: float
    accuracy_kept: float
    n: int


def measure_rates(ear: Ear, corpus: Corpus, judge: Judge, *, seed: int = 0) -> Rates:
    """Listen to the test part, and to sounds made of it that are no words.

    Shuffled words are among them, which nothing was chosen on.
    """
    rng = np.random.default_rng([seed, 7])
    words = corpus.read(corpus.split.test)
    labels = corpus.recordings.labels[corpus.split.test]
    heard = ear.hear(words)
    kept = judge.score(heard.features) >= judge.threshold
    right = heard.logits.argmax(axis=1) == labels
    others = {}
    for kind in (*OTHER_SOUNDS, "shuffled words"):
        scores = judge.score(ear.hear(make_others(words, kind, rng)).features)
        others[kind] = float((scores < judge.threshold).mean())
    return Rates(
        words=float(1.0 - kept.mean()), others=others, accuracy=float(right.mean()),
        accuracy_kept=float(right[kept].mean()) if kept.any() else float("nan"), n=len(words),
    )  # fmt: skip
