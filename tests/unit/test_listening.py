"""What says whether a sound is a word; files that keep it."""

import numpy as np
import pytest
from scipy.io import wavfile

from derivations import compile_model, compile_readout
from sim.report.judge_file import read_judge, write_judge
from sim.report.listening import (
    OTHER_SOUNDS,
    Corpus,
    Ear,
    Judge,
    find_temperature,
    measure_rates,
    teach,
)
from sim.report.measure import Reader
from sim.speech.recordings import find_wav_folder
from sim.speech.splits import split_recordings
from sim.training.config import make_config
from sim.training.run_folder import make_trainer
from spiketheory.errors import InputError
from tests.extras import need

need("sklearn", "sklearn")

RATE = 4000
SETTINGS = {
    "hidden": (12,), "duration": 0.2, "count_jumps": 0, "validation": 1, "epochs": 1,
    "encoder": {"bands": 6, "sample_rate": RATE, "highest": 1900.0, "hop": 0.01, "rate": 60.0},
}  # fmt: skip


def write_sweeps(root, n=30):
    """Two classes: tones that rise from low, and from high; played backwards they fall."""
    rng = np.random.default_rng(0)
    time = np.arange(int(0.2 * RATE)) / RATE
    for name, low in (("high", 900.0), ("low", 200.0)):
        (root / name).mkdir(parents=True)
        for k in range(n):
            pitch = low * rng.uniform(0.9, 1.1) + 2500.0 * time
            tone = np.sin(2 * np.pi * np.cumsum(pitch) / RATE) * (0.2 + 0.8 * time / 0.2)
            samples = 8000 * tone + rng.normal(0, 20, len(time))
            wavfile.write(root / name / f"a-{k:02}.wav", RATE, samples.astype(np.int16))


@pytest.fixture(scope="module")
def ear_and_corpus(tmp_path_factory):
    root = tmp_path_factory.mktemp("sweeps")
    write_sweeps(root)
    config = make_config(dataset="wav", parameters={"tau": 0.05, "I0": 0.3}, **SETTINGS)
    trainer = make_trainer(
        config, root=root, compile_model=lambda name: compile_model(name, backend="numpy"),
        compile_readout=lambda name, **v: compile_readout(name, backend="numpy", **v),
    )  # fmt: skip
    recordings = find_wav_folder(root)
    corpus = Corpus(recordings=recordings, split=split_recordings(recordings))
    return Ear(Reader(trainer, trainer.start(), None), config), corpus


def test_other_sounds_are_rejected_and_words_are_not(ear_and_corpus):
    ear, corpus = ear_and_corpus
    judge = teach(ear, corpus)
    rates = measure_rates(ear, corpus, judge)
    assert rates.words <= 0.4, rates  # of ten
    assert all(rates.others[kind] >= 0.9 for kind in OTHER_SOUNDS), rates
    blind = Judge(**{**vars(judge), "weights": np.zeros_like(judge.weights)})
    assert measure_rates(ear, corpus, blind).words in (0.0, 1.0)


def test_the_threshold_is_chosen_without_the_test_part(ear_and_corpus):
    ear, corpus = ear_and_corpus
    elsewhere = Corpus(
        recordings=corpus.recordings,
        split=type(corpus.split)(
            train=corpus.split.train, validation=corpus.split.validation,
            test=corpus.split.train[:1],
        ),
    )  # fmt: skip
    assert teach(ear, corpus).threshold == teach(ear, elsewhere).threshold


def test_a_network_that_learned_no_recordings_does_not_listen(ear_and_corpus):
    with pytest.raises(InputError, match="learned digits"):
        Ear(ear_and_corpus[0].reader, make_config(readout="leaky_integrator"))


def test_the_temperature_of_probabilities_that_are_true_is_1():
    rng = np.random.default_rng(0)
    logits = rng.normal(0.0, 2.0, (4000, 3))
    likely = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (rng.random((4000, 1)) > likely.cumsum(axis=1)).sum(axis=1)
    assert find_temperature(logits, labels) == pytest.approx(1.0, rel=0.1)
    assert find_temperature(4.0 * logits, labels) == pytest.approx(4.0, rel=0.1)


def test_a_judge_is_kept_with_its_network_and_no_other(tmp_path):
    path, arrays = tmp_path / "listen.npz", {"W0": np.ones(3)}
    kept = Judge(
        supports=np.array([[1.0, 2.0], [0.0, 1.0], [3.0, 0.0]]), weights=np.array([1.0, -1.0, 2.0]),
        spread=np.array([1.0, 2.0]), gamma=0.5, bias=0.5, threshold=-0.25, temperature=2.0,
    )  # fmt: skip
    expected = 0.5 + 1.0 - np.exp(-0.5 * 1.25) + 2.0 * np.exp(-0.5 * 5.0)
    assert kept.score(np.array([[1.0, 2.0]])) == pytest.approx([expected])
    assert read_judge(path, arrays) is None
    write_judge(path, kept, arrays)
    found = read_judge(path, arrays)
    for name, value in vars(kept).items():
        np.testing.assert_array_equal(getattr(found, name), value)
    assert read_judge(path, {"W0": np.zeros(3)}) is None
    path.write_bytes(path.read_bytes()[:-40])
    assert read_judge(path, arrays) is None
