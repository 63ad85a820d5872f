"""The learning examples: each learns, writes its figures and results, and refuses bad input."""

import importlib
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from derivations import compile_model
from sim.training.networks.network_run import start_network_run
from sim.training.networks.network_train import train_described

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("single_neuron", "spike_film", "deep_silent_network")
STEPS = {name: "--steps" for name in NAMES}
STEPS |= {"deep_silent_network": "--epochs", "sparse_digits": "--epochs"}


@pytest.fixture
def load(monkeypatch):
    """Import an example as Python does that runs it."""
    monkeypatch.syspath_prepend(ROOT / "examples" / "learning")
    return importlib.import_module


@pytest.fixture
def run(load, tmp_path):
    """Run an example; returns its results, once all its files are there."""

    def run_example(name, *options):
        out = tmp_path / "new" / "folder"
        arguments = ["--out", str(out), *map(str, options)]
        done = CliRunner().invoke(load(name).main, arguments, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        assert str(out) in done.output
        suffixes = ["gif", "json", "png", "svg"] if name == "spike_film" else ["json", "png", "svg"]
        assert sorted(p.name for p in out.iterdir()) == [f"{name}.{s}" for s in suffixes]
        assert all(p.stat().st_size > 300 for p in out.iterdir())
        return json.loads((out / f"{name}.json").read_text(encoding="utf-8"))

    return run_example


def list_counts(results):
    """Numbers of spikes in the order in which they came."""
    return [results["spikes_at_first"], *(c["spikes"] for c in results["changes_of_number"])]


def assert_no_jump(counts):
    """Spikes come and go one by one."""
    assert np.all(np.abs(np.diff(counts)) == 1), counts


def test_a_first_spike_enters_the_trial_of_a_single_neuron(run):
    results = run("single_neuron", "--steps", 30, "--seed", 6, "--backend", "numpy")
    assert results["last_loss"] < 0.9 * results["first_loss"]
    assert results["steps"] == 30
    assert results["seed"] == 6
    assert list_counts(results) == [0, 1]
    assert results["first_spike_times"][0] > 10 > results["last_spike_times"][0]
    assert results["wall_seconds"] > 0


def test_the_film_shows_a_spike_leave(run, load, monkeypatch):
    module = load("spike_film")
    monkeypatch.setattr(module, "MOST_FRAMES", 3)
    monkeypatch.setattr(module, "FRAMES_PER_SECOND", 2)
    monkeypatch.setattr(module, "PROBE_TIMES", np.linspace(0, module.DURATION, 41))
    monkeypatch.setattr(module, "OUTWARD", 90)
    results = run("spike_film", "--steps", 30, "--backend", "numpy")
    assert list_counts(results)[:2] == [4, 3]
    assert_no_jump(list_counts(results))
    assert results["frames"] == 5


def test_a_deep_network_is_silent_at_first_and_begins_to_spike(run):
    results = run("deep_silent_network", "--epochs", 2)
    assert results["spikes_at_first"] == 0
    before, *_, after = results["silent_fraction_by_layer"]
    assert before == [1.0] * 7
    assert after[0] < 1.0
    assert len(results["test_accuracy"]) == 3


@pytest.mark.parametrize("name", [*NAMES, "sparse_digits"])
def test_bad_input_is_refused_before_anything_is_computed(load, tmp_path, name):
    taken = tmp_path / "taken"
    taken.write_text("mine", encoding="utf-8")
    main = load(name).main
    for options, message in (
        (["--out", str(taken)], "Expected --out to be a folder"),
        (["--out", str(tmp_path / "new"), STEPS[name], "0"], f"'{STEPS[name]}'"),
        (["--out", str(tmp_path / "new"), "--seed", "-1"], "'--seed'"),
        ([], "'--out'"),
    ):
        done = CliRunner().invoke(main, options)
        assert done.exit_code == 2
        assert message in done.stderr
        assert "Traceback" not in done.stderr
    assert taken.read_text(encoding="utf-8") == "mine"
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [3, 4, 6])
def test_a_single_neuron_learns_two_spike_times(run, seed):
    results = run("single_neuron", "--seed", seed)
    assert results["largest_distance"] < 1e-3
    assert results["spikes_at_last"] == 2
    assert list_counts(results) == [0, 1, 2]


@pytest.mark.slow
def test_a_recurrent_network_reduces_its_loss_a_thousandfold(tmp_path):
    file = ROOT / "examples" / "learning" / "recurrent_network.toml"
    run = start_network_run(file, compile_model=compile_model, options={}, folder=tmp_path / "run")
    assert train_described(run.trainer, run.state)
    rows = run.state.rows
    assert len(rows) == 10_001
    assert rows[0]["loss"] > 1000 * rows[-1]["loss"]
    outcome, _ = run.trainer.compute(run.state, run.trainer.test, gradient=False)
    for times, targets in zip(outcome.output_times[0], run.trainer.table.targets, strict=True):
        wanted = targets[np.isfinite(targets)]
        assert times[: len(wanted)] == pytest.approx(wanted, abs=0.1)
        assert times[len(wanted)] > 10


@pytest.mark.slow
def test_all_spikes_of_the_film_leave_and_come_back_one_by_one(run):
    results = run("spike_film")
    counts = list_counts(results)
    assert counts == [4, 3, 2, 1, 0, 1, 2, 3, 4]
    assert results["largest_distance"] < 0.01


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_a_deep_silent_network_learns_digits(run, seed):
    results = run("deep_silent_network", "--seed", seed)
    assert results["spikes_at_first"] == 0
    assert results["last_test_accuracy"] > 0.9
    assert max(results["silent_fraction_by_layer"][-1][:-1]) < 1.0


@pytest.mark.slow
def test_more_spikes_buy_accuracy(run, load, monkeypatch, data_dir):
    monkeypatch.setenv("SPIKETHEORY_DATA", str(data_dir))
    monkeypatch.setattr(load("sparse_digits"), "WIDTHS", (5, 40))
    few, more = run("sparse_digits", "--epochs", 1)["points"]
    assert few["spikes_per_sample"] < more["spikes_per_sample"]
    assert few["accuracy"] < more["accuracy"]
