"""Training on recordings and spikes: parts, what is drawn, resuming, threads, exports."""

import numpy as np
import pytest
from scipy.io import wavfile

from derivations import compile_model, compile_readout
from sim.speech.recordings import FSDD
from sim.training.config import make_config
from sim.training.run_folder import make_trainer
from sim.training.speech_data import export_recordings
from sim.training.train import train_network
from spiketheory.errors import InputError
from tests.toys import assert_same

SMALL = {
    "hidden": (3,), "duration": 0.1, "epochs": 2, "batch": 4, "start_rate": 1.0,
    "encoder": {"bands": 4, "rate": 60.0}, "parameters": {"tau": 0.02, "I0": 0.3},
}  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Two digits of two speakers, twelve times each: tones."""
    root = tmp_path_factory.mktemp("data")
    (root / FSDD).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for digit, speaker, number in np.ndindex(2, 3, 12):
        pitch = (400 + 1500 * digit) * (1 + 0.1 * speaker)
        wave = np.sin(2 * np.pi * pitch * np.arange(800) / 8000) + rng.normal(0, 0.1, 800)
        path = root / FSDD / f"{digit}_{'abc'[speaker]}_{number}.wav"
        wavfile.write(path, 8000, (8000 * wave).astype(np.int16))
    return root


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def make(root, dataset="fsdd", **options):
    return make_trainer(
        make_config(dataset=dataset, **SMALL | options), root=root,
        compile_model=lambda name: compile_model(name, backend="numpy"),
        compile_readout=lambda name, **values: compile_readout(name, backend="numpy", **values),
    )  # fmt: skip


def test_parts_are_those_of_the_split(root):
    dataset = make(root).dataset
    sizes = [len(dataset.train_labels), len(dataset.validation_labels), len(dataset.test_labels)]
    assert sizes == [2 * 3 * 2, 2 * 3 * 5, 2 * 3 * 5]
    assert len(make(root, validation=0).dataset.train_labels) == 2 * 3 * 7
    fold = make(root, fold="b").dataset
    assert [len(fold.train_labels), len(fold.test_labels)] == [24, 24]
    with pytest.raises(InputError, match="Expected fold"):
        make(root, fold="d")


def test_training_samples_are_drawn_anew_in_every_epoch_and_the_same_again(root):
    trainer = make(root)
    indices = np.arange(4)
    drawn = [
        trainer.draw_trials(indices, np.random.default_rng([0, 1, epoch])) for epoch in (0, 1, 0)
    ]
    assert drawn[0].time.tolist() == drawn[2].time.tolist()
    assert drawn[0].time.tolist() != drawn[1].time.tolist()
    still = make(root, augment=dict.fromkeys(trainer.config.speech.augment, 0.0))
    kept = still.draw_trials(indices, np.random.default_rng(0))
    np.testing.assert_array_equal(kept.time, still.train_trials.take(indices).time)


def test_a_run_that_is_resumed_has_the_same_bits_on_any_number_of_threads(root, monkeypatch):
    monkeypatch.setenv("SPIKETHEORY_THREADS", "1")
    trainer = make(root)
    whole = train_network(trainer, trainer.start())
    monkeypatch.setenv("SPIKETHEORY_THREADS", "3")
    again = make(root)
    state = again.start()
    again.run_epoch(state)
    resumed = make(root)
    rows = [whole.rows[0], *state.rows]
    half = resumed.from_arrays(again.to_arrays(state), epoch=state.epoch, rows=rows)
    assert_same(whole, train_network(resumed, half))
    assert whole.rows[-1]["train_loss"] < whole.rows[1]["train_loss"]


def test_smooth_weights_are_alike_within_a_line_and_a_kind_of_neuron_alone(root):
    encoder = {"bands": 20, "rate": 60.0, "lines": 2, "line_delay": 0.03, "onset": 0.01}
    trainer = make(root, hidden=(400,), smooth_start=1.5, encoder=encoder)
    weights = trainer.temporal.start(np.random.default_rng(0))["W0"]
    assert weights.shape == (400, 20 * 3 * 2)
    alike = [np.corrcoef(weights[:, c], weights[:, c + 1])[0, 1] for c in range(119)]
    ends = np.arange(19, 119, 20)
    assert np.abs(np.take(alike, ends)).max() < 0.2  # four standard errors
    assert np.delete(alike, ends).min() > 0.6


def test_recordings_are_exported_as_shd_and_learned_from_there(root, tmp_path):
    pytest.importorskip("h5py")
    encoder = {"bands": 5, "duration": 0.1, "rate": 60.0}
    written = export_recordings("fsdd", encoder, fold="", root=root, folder=tmp_path / "shd")
    assert [(path.name, n) for path, n in written] == [("shd_train.h5", 42), ("shd_test.h5", 30)]
    spikes = {"encoder": None, "augment": {"move": 1, "blend": 0.5, "drop": 0.1}}
    trainer = make(tmp_path, "shd", **spikes, epochs=1)
    assert trainer.dataset.n_classes == 10
    assert trainer.dataset.n_inputs == 700
    assert len(trainer.dataset.validation_labels) == 14  # the last speaker
    state = train_network(trainer, trainer.start())
    assert np.isfinite(state.rows[-1]["train_loss"])
    with pytest.raises(InputError, match=r"Expected recordings .* for fold but got shd"):
        make(tmp_path, "shd", encoder=None, fold="a")


def test_folders_of_recordings_need_to_be_named():
    with pytest.raises(InputError, match="Expected the folder with your data but got none"):
        make(None, "wav")
