"""Baselines of spoken digits: features, splits and the table."""

import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks.speech import Entry, list_speakers, write_table
from benchmarks.speech_classic import Features, Score, train_classifier
from benchmarks.speech_data import Words, average_frames, count_spikes, stretch_frames
from sim.speech.hair_cells import encode
from sim.speech.recordings import Recordings
from sim.speech.settings import EncoderSettings
from tests.extras import need

need("sklearn", "sklearn")


@pytest.fixture(scope="module")
def words():
    """Three speakers say two words 15 times each: loudness in the lower or the upper half."""
    speakers, labels, indices = (
        a.ravel() for a in np.meshgrid(list("abc"), [0, 1], np.arange(15), indexing="ij")
    )
    found = Words(
        recordings=Recordings(
            name="fsdd", paths=tuple(Path(f"{k}.wav") for k in range(90)), labels=labels,
            speakers=speakers, indices=indices, classes=("low", "high"),
        ),
        fine=EncoderSettings(bands=8), coarse=EncoderSettings(bands=8),
    )  # fmt: skip
    images = np.random.default_rng(0).uniform(0.0, 0.5, (90, 160, 8)).astype(np.float32)
    images[labels == 0, :80, :4] += 0.3
    images[labels == 1, :80, 4:] += 0.3
    images[:, 100:] = 0.0
    found.__dict__["images"] = found.__dict__["coarse_images"] = images
    return found


def test_frames_are_means(words):
    frames = average_frames(words.images[:2]).reshape(2, 20, 8)
    np.testing.assert_allclose(frames[1, 3], words.images[1, 24:32].mean(axis=0), rtol=1e-6)
    assert not frames[:, 13:].any()


def test_stretched_frames_end_with_the_word(words):
    frames = stretch_frames(words.images[:2]).reshape(2, 20, 8)  # 100 of 160 frames sound
    np.testing.assert_allclose(frames[1, 3], words.images[1, 15:20].mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(frames[1, 19], words.images[1, 95:100].mean(axis=0), rtol=1e-6)


def test_every_spike_is_counted_once(words):
    counts = count_spikes(words.images[:3], words.fine, 0.05)
    trials = encode(words.images[:3], words.fine)
    assert counts.shape == (3, 16, 8)
    assert counts.sum(axis=(1, 2)).tolist() == np.diff(trials.offsets).tolist()
    time, channel = trials.select(1)
    assert counts[1, 2, 5] == np.count_nonzero((channel == 5) & (time >= 0.1) & (time < 0.15))


@pytest.mark.parametrize("fold", ["", "b"])
@pytest.mark.parametrize("options", [{"augmented": False}, {"augmented": True},
                                     {"augmented": False, "refit": True}])  # fmt: skip
def test_classifiers_learn_and_are_tested_on_what_they_have_not_seen(words, fold, options):
    split = words.split(fold)
    assert not set(split.train) & set(split.test)
    score = train_classifier(
        Features(words), "logistic regression", "frames", split, 0, **options
    )  # fmt: skip
    assert score.test == score.validation == 1.0
    assert score.picojoules == pytest.approx(4.6 * 160)


def test_labels_at_random_are_at_chance(words):
    other = Words(recordings=words.recordings, fine=words.fine, coarse=words.coarse)
    other.__dict__["coarse_images"] = np.random.default_rng(1).permutation(words.images)
    score = train_classifier(
        Features(other), "logistic regression", "frames", other.split(""), 0, augmented=False
    )
    assert score.test < 0.8


def test_the_table_has_means_over_folds_and_the_spread_of_seeds():
    def enter(fold, seed, test):
        score = Score(validation=0.9, test=test, seconds=1.0, epoch_seconds=math.nan,
                      picojoules=2000.0, settings="")  # fmt: skip
        return Entry(method="ours", fold=fold, seed=seed, score=score)

    entries = [enter("", 0, 0.98), enter("", 1, 0.96), enter("a", 0, 0.5), enter("b", 0, 0.7),
               enter("a", 1, 0.6), enter("b", 1, 0.8)]  # fmt: skip
    row = write_table(entries).splitlines()[2]
    assert row == (
        "| ours | 97.00 ± 1.41 | 65.00 ± 7.07 | a 55.0 | 90.00 |  | 2.0 |"
    )  # fmt: skip
    assert list_speakers(entries).splitlines()[2] == "| ours | 55.0 | 75.0 |"
