"""Trials files through the command line: simulate and train."""

import json
from pathlib import Path

import numpy as np
import pytest
from commands import assert_refused, list_files, run, run_ok

from derivations import compile_model
from sim.engine.choose import simulate
from sim.files.network_file import read_network_file
from sim.files.trials_file import TrialsFile, read_trials_file, write_trials_file
from sim.inputs.trials import Trials

pytestmark = pytest.mark.usefixtures("own_folder")

NETWORK = """
version = 2
[network]
duration = 4.0
[populations.net]
model = "qif"
size = 3
[inputs.world]
size = 2
[[projections]]
pre = "world"
post = "net"
weights = [[6.0, 0.0], [0.0, 5.0], [3.0, 3.0]]
[[projections]]
pre = "net"
post = "net"
edges = [[0, 1, 1.0], [1, 2, 0.5]]
delay = 0.1
"""


@pytest.fixture
def files():
    """A network and three trials of it."""
    Path("net.toml").write_text(NETWORK)
    trains = [[[0.2, 0.5, 1.0], [0.3]], [[], []], [[1.0], [0.1, 0.4, 2.0]]]
    write_trials(Trials.from_trains(trains), labels=np.array([0, 1, 0]))


def write_trials(trials, **options):
    write_trials_file(Path("t.npz"), TrialsFile(trials=trials, duration=4.0, **options))


SIMULATE = ("simulate", "net.toml", "--trials", "t.npz", "--out", "o.npz", "--backend", "numpy")


def test_a_batch_of_trials_is_simulated(files):
    summary = json.loads(run_ok(*SIMULATE, "--json").stdout)
    assert (summary["trials"], summary["engine"]) == (3, "events")
    network = read_network_file(
        Path("net.toml"), compile_model=lambda name: compile_model(name, backend="numpy")
    ).network
    wanted = simulate(network, read_trials_file(Path("t.npz")).trials)
    with np.load("o.npz") as found:
        assert found["spike_trial"].tolist() == wanted.spike_trial.tolist()
        assert set(found["spike_trial"].tolist()) == {0, 2}
        assert found["spike_time"] == pytest.approx(wanted.spike_time, rel=1e-12)
        assert found["spike_neuron"].tolist() == wanted.spike_neuron.tolist()
        assert found["net_V_end"].shape == (3, 3)
        assert found["population_size"].tolist() == [3]
    assert "3 trials by the engine 'events'" in run_ok(*SIMULATE).stdout
    summary = json.loads(run_ok(*SIMULATE, "--engine", "plain", "--json").stdout)
    assert summary["engine"] == "plain"
    with np.load("o.npz") as found:
        assert found["spike_time"] == pytest.approx(wanted.spike_time, rel=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--plot", "p.png"), "Expected --plot with a single trial but got --trials"),
        (("--trials", "none.npz"), "Expected a NumPy .npz file at none.npz"),
    ],
)
def test_what_does_not_fit_a_batch_is_refused(files, options, message):
    result = run(*SIMULATE, *options)
    assert result.exit_code == 2
    assert message in result.stderr.replace("\n", " ")
    assert list_files() == {"net.toml", "t.npz"}


def test_trials_of_other_channels_or_without_a_network_are_refused(files):
    write_trials(Trials.from_trains([[[0.1]]]))
    assert_refused(run(*SIMULATE), "Expected trials of 2 channels, as the network has, but got 1")
    result = run("simulate", "t.npz", "--trials", "t.npz", "--out", "o.npz")
    assert result.exit_code == 2
    assert "Expected --trials with a network file" in result.stderr
    assert list_files() == {"net.toml", "t.npz"}


def test_a_network_is_trained_on_trials_and_evaluated_again():
    rng = np.random.default_rng(1)
    labels = np.arange(60) % 2
    trains = [[rng.uniform(0, 4, 2), rng.uniform(0, 4, 3)] for _ in labels]
    for trial, label in zip(trains, labels, strict=True):
        trial[label] = np.append(trial[label], [0.1, 0.2])
    write_trials(Trials.from_trains(trains), labels=labels, groups=np.repeat([1, 2, 3], 20))
    options = ("--hidden", "5", "--epochs", "3", "--batch", "10", "--learning-rate", "0.05")
    trained = json.loads(run_ok("train", "--dataset", "t.npz", *options, "--json").stdout)
    assert trained["run"] == "runs/t-theta-seed0"
    assert trained["layer_sizes"] == [2, 5, 2]
    assert trained["samples"] == 20
    again = json.loads(run_ok("evaluate", "runs/t-theta-seed0", "--json").stdout)
    assert again == trained
    more = run_ok("train", "--resume", "runs/t-theta-seed0", "--epochs", "4", "--json").stdout
    assert json.loads(more)["epochs"] == 4


def test_a_trials_file_that_is_not_there_is_refused():
    assert_refused(run("train", "--dataset", "no.npz"), "Expected a NumPy .npz file at no.npz")
    assert list_files() == set()
