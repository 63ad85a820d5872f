"""Trials files: written and read back, refused if malformed, and split for training."""

import re

import numpy as np
import pytest

from derivations import compile_model
from sim.files.trials_file import TrialsFile, read_trials_file, write_trials_file
from sim.inputs.trials import Trials
from sim.training.config import make_config, read_config, write_config
from sim.training.run_folder import choose_folder, make_trainer
from sim.training.train import train_network
from sim.training.trial_data import load_trial_dataset
from spiketheory.errors import InputError

TRIALS = Trials.from_trains([[[0.5, 0.1], []], [[], [0.3]], [[0.2], [0.2, 0.7]]])


def make_file(n=12, **options):
    """Two classes: channel 0 or 1 spikes early, and both spike once or twice later."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 2
    trains = [[rng.uniform(1.0, 2.0, 1 + k) for k in range(2)] for _ in range(n)]
    for trial, label in zip(trains, labels, strict=True):
        trial[label] = np.append(trial[label], 0.2)
    content = {"trials": Trials.from_trains(trains), "duration": 2.0, "labels": labels}
    return TrialsFile(**(content | options))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "trials.npz"


@pytest.mark.parametrize("groups", [None, np.array(["train", "a", "ü"]), np.array([2, 1, 2])])
def test_a_file_is_read_as_it_was_written(path, groups):
    written = TrialsFile(trials=TRIALS, duration=1.0, labels=np.array([0, 1, 0]), groups=groups)
    write_trials_file(path, written)
    found = read_trials_file(path)
    assert found.trials.time.tolist() == [0.1, 0.5, 0.3, 0.2, 0.2, 0.7]
    assert found.trials.channel.tolist() == [0, 0, 1, 0, 1, 1]
    assert found.trials.offsets.tolist() == [0, 2, 3, 6]
    assert (found.trials.n_channels, found.duration) == (2, 1.0)
    assert found.labels.tolist() == [0, 1, 0]
    assert (found.groups is None) == (groups is None)
    if groups is not None:
        assert found.groups.tolist() == groups.tolist()


PARTS = np.repeat(["test", "train", "validation"], 4)
SPEAKERS = np.repeat(["ann", "zoe", "bob"], 4)
REFUSED = [
    ({"time": None}, "Expected the fields time, channel, .* but time is missing; add them"),
    ({"time": np.array(["a"] * 6)}, r"Expected numbers in time .* \(in .*trials.npz\)\.$"),
    ({"time": np.array([np.nan] * 6)}, "Expected .*time.* finite|finite .*time"),
    ({"time": np.array([-1.0] * 6)}, "Expected times >= 0"),
    ({"time": np.array([None] * 6)}, "Expected a NumPy .npz file .* Python objects"),
    ({"channel": np.array([2] * 6)}, "Expected channels 0 to 1"),
    ({"channel": np.array([0.5] * 6)}, "Expected whole numbers in channel"),
    ({"offsets": np.array([0, 2, 1, 6])}, "Expected offsets that rise from 0"),
    ({"offsets": np.array([0, 5])}, "Expected offsets that rise from 0"),
    ({"n_channels": np.array(1.5)}, "Expected a whole number for n_channels"),
    ({"n_channels": np.array([2])}, "Expected n_channels to be one number"),
    ({"duration": np.array(0.0)}, "Expected duration > 0"),
    ({"label": np.array([0, 1])}, r"Expected label of shape \(3,\)"),
    ({"label": np.array([0, 1, -1])}, "Expected labels >= 0 but got -1"),
    ({"label": np.array([0.0, 1, 1])}, "Expected whole numbers in label"),
    ({"group": np.array([0.5, 1, 1])}, "Expected whole numbers or texts in group"),
    ({"groups": np.array([1, 1, 1])}, "Expected fields among .* but got 'groups'; correct"),
    ({"time": np.empty(0), "channel": np.empty(0, int), "offsets": np.array([0])}, "one trial"),
]


@pytest.mark.parametrize(("changes", "message"), REFUSED, ids=[m[:40] for _, m in REFUSED])
def test_a_malformed_file_is_refused(path, changes, message):
    write_trials_file(path, TrialsFile(trials=TRIALS, duration=1.0))
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files} | changes
    np.savez(path, **{name: a for name, a in arrays.items() if a is not None})
    with pytest.raises(InputError) as caught:
        read_trials_file(path)
    assert re.search(message, str(caught.value)), str(caught.value)


@pytest.mark.parametrize(
    ("groups", "options", "train", "validation", "test"),
    [
        (None, {}, range(10), None, [10, 11]),
        (PARTS, {}, range(4, 8), None, range(4)),
        (PARTS, {"validation": 1}, range(4, 8), range(8, 12), range(4)),
        (np.repeat([7, 3, 5], 4), {}, range(4, 12), None, range(4)),
        (np.repeat([7, 3, 5], 4), {"test_groups": ["3"]}, [*range(4), *range(8, 12)], None,
         range(4, 8)),
        (SPEAKERS, {}, [*range(4), *range(8, 12)], None, range(4, 8)),
        (SPEAKERS, {"validation_groups": ["ann"]}, range(8, 12), range(4), range(4, 8)),
        (SPEAKERS, {"validation_groups": ["zoe"]}, range(4), range(4, 8), range(8, 12)),
        (SPEAKERS, {"validation_groups": ["zoe"], "test_groups": ["ann"]}, range(8, 12),
         range(4, 8), range(4)),
    ],
)  # fmt: skip
def test_groups_say_what_is_trained_on(path, groups, options, train, validation, test):
    content = make_file(groups=groups)
    write_trials_file(path, content)
    found = load_trial_dataset(path, **options)
    parts = [(found.train_inputs, train), (found.test_inputs, test)]
    if validation is None:
        assert found.validation_inputs is found.validation_labels is None
    else:
        parts.append((found.validation_inputs, validation))
        assert found.validation_labels.tolist() == [k % 2 for k in validation]
    for part, wanted in parts:
        assert part.time.tolist() == content.trials.take(np.array(wanted)).time.tolist()
    assert found.test_labels.tolist() == [k % 2 for k in test]
    assert (found.n_inputs, found.n_classes, found.name) == (2, 2, "trials")


def test_trials_may_be_set_aside_at_random(path):
    write_trials_file(path, make_file())
    found = load_trial_dataset(path, validation=3, seed=5)
    parts = found.train_inputs, found.validation_inputs, found.test_inputs
    assert [len(part) for part in parts] == [7, 3, 2]
    again = load_trial_dataset(path, validation=3, seed=5)
    assert again.validation_inputs.time.tolist() == found.validation_inputs.time.tolist()
    whole = sorted(time for part in parts for time in part.time.tolist())
    assert whole == sorted(make_file().trials.time.tolist())


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({}, {"test_groups": ["ann"]}, "Expected groups of the trials in .* but it has none"),
        (
            {"groups": np.repeat([7, 3, 5], 4)},
            {"validation_groups": ["8"]},
            r"Expected groups of .* \(such as 3, 5, 7\) but got '8'",
        ),
        (
            {"groups": np.repeat([7, 3], 6)},
            {"test_groups": ["7", "3"]},
            "Expected trials to train on",
        ),
        ({"labels": None}, {}, "Expected labels of the trials in .* but it has none"),
        ({"groups": np.repeat(["train", "validation"], 6)}, {}, "Expected trials to test on in"),
        ({"groups": np.repeat(["test"], 12)}, {}, "Expected trials to train on in"),
        (
            {},
            {"validation": 10},
            "Expected validation below 10, the number of training trials, but got 10",
        ),
    ],
)
def test_a_file_that_cannot_be_trained_on_is_refused(path, changes, options, message):
    write_trials_file(path, make_file(**changes))
    with pytest.raises(InputError, match=message):
        load_trial_dataset(path, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"validation": 2, "validation_groups": ["a"]}, "Expected validation or validation_groups"),
        (
            {"validation_groups": ["a", "b"], "test_groups": ["b"]},
            "Expected other groups in validation_groups than in test_groups but got b in both",
        ),
    ],
)
def test_what_chooses_is_not_what_is_tested_on(path, options, message):
    write_trials_file(path, make_file())
    with pytest.raises(InputError, match=message):
        make_config(dataset=str(path), **options)


def test_a_trainer_learns_trials_with_several_spikes_per_channel(path, tmp_path):
    write_trials_file(path, make_file(24))
    config = make_config(dataset=str(path), hidden=(4,), epochs=2, batch=5)
    assert config.network.duration == 2.0
    write_config(config, tmp_path / "config.toml")
    assert read_config(tmp_path / "config.toml") == config
    assert choose_folder(config, "theta", overwrite=True).name == "trials-theta-seed0"
    trainer = make_trainer(config, compile_model=lambda name: compile_model(name, backend="numpy"))
    rows = train_network(trainer, trainer.start()).rows
    assert rows[-1]["train_loss"] < rows[0]["test_loss"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoding": "bins", "flip": 0.1}, "Expected flip = 0 with trials"),
        ({"shift": 1}, "Expected images for shift, turn or zoom > 0 but trials has none"),
    ],
)
def test_what_moves_images_is_refused_with_trials(path, changes, message):
    write_trials_file(path, make_file())
    config = make_config(dataset=str(path), hidden=(4,), **changes)
    with pytest.raises(InputError, match=message):
        make_trainer(config, compile_model=lambda name: compile_model(name, backend="numpy"))
