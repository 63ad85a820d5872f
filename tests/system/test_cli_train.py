"""The command line: train and evaluate."""

import dataclasses
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from commands import (
    ROOT,
    SMALL,
    assert_refused,
    list_files,
    read_metrics,
    run,
    run_ok,
    write_batch,
)

import derivations
import sim.training.data
import sim.training.run_folder
from derivations import read_neuron_model
from sim.training.checkpoint import load_checkpoint
from spiketheory.commands.train import name_program

READ = ("--readout", "leaky_integrator")
RUN_FILES = {"config.toml", "metrics.csv", "checkpoint.npz", "learning_curves.png", "rasters.png"}
pytestmark = pytest.mark.usefixtures("own_folder")


def test_training_writes_a_run_that_evaluate_reproduces():
    result = run_ok("train", *SMALL, "--out", "run")
    assert {f"run/{name}" for name in RUN_FILES} == list_files()
    assert "Training 64-10-10 theta neurons on digits: 1200 samples" in result.stderr
    assert "237 for validation, 360 held out until the end." in result.stderr
    assert "spiketheory evaluate run" in result.stdout
    rows = read_metrics("run")
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    metrics = json.loads(run_ok("evaluate", "run", "--json").stdout)
    last = rows[-1]
    assert metrics["accuracy"] == float(last["test_accuracy"])
    assert metrics["loss"] == float(last["test_loss"])
    assert metrics["accuracy_ordinary"] == float(last["test_accuracy_ordinary"])
    assert metrics["validation"]["accuracy"] == float(last["validation_accuracy"])
    assert metrics["validation"]["samples"] == 237
    assert [row["test_accuracy"] for row in rows[:2]] == ["nan", "nan"]
    text = run_ok("evaluate", "run/checkpoint.npz").stdout
    assert f"{metrics['accuracy']:.2%}" in text
    assert text.strip().splitlines()[0].strip() in result.stdout
    assert {f"run/{name}" for name in RUN_FILES} == list_files()


def test_several_runs_are_asked_together():
    for k in (0, 1):
        run_ok("train", *SMALL, *READ, "--hidden", 10 + k, "--out", f"run{k}", "--json")
    alone = [json.loads(run_ok("evaluate", f"run{k}", "--json").stdout) for k in (0, 1)]
    row = json.loads(run_ok("evaluate", "run0", "run1", "--json").stdout)
    assert row["each"] == [one["accuracy"] for one in alone]
    assert row["validation"]["each"] == [one["validation"]["accuracy"] for one in alone]
    assert (row["samples"], row["validation"]["samples"]) == (360, 237)
    assert row["loss"] < sum(one["loss"] for one in alone) / 2  # -log is convex
    twice = json.loads(run_ok("evaluate", "run0", "run0", "--json").stdout)
    assert twice["accuracy"] == alone[0]["accuracy"]
    assert twice["loss"] == pytest.approx(alone[0]["loss"], rel=1e-12)
    text = run_ok("evaluate", "run0", "run1").stdout
    assert f"{row['accuracy']:.2%}" in text
    assert "run1 alone" in text


def test_runs_that_cannot_be_asked_together_are_refused():
    run_ok("train", *SMALL, "--out", "spikes", "--json")
    result = run("evaluate", "spikes", "spikes")
    assert result.exit_code == 2
    assert "but spikes reads first spikes; evaluate it alone" in " ".join(result.stderr.split())


def test_what_train_learns_without_options_is_right_with_and_without_pseudospikes():
    metrics = json.loads(run_ok("train", "--json").stdout)
    assert metrics["samples"] == 360
    assert metrics["accuracy"] >= 0.97
    assert metrics["accuracy_ordinary"] >= 0.97


def test_training_for_programs_prints_pure_json():
    result = run_ok("train", *SMALL, "--json")
    summary = json.loads(result.stdout)
    assert result.stderr == ""
    assert summary["run"] == "runs/digits-theta-seed0"
    assert (summary["epochs"], summary["samples"]) == (2, 360)
    again = json.loads(run_ok("evaluate", summary["run"], "--json").stdout)
    assert again == summary


def test_equal_seeds_give_equal_files_and_training_again_keeps_the_first_run():
    for _ in range(2):
        run_ok("train", *SMALL, "--json", "--param", "tau=1.8", "--encoding", "bins")
    first, second = (
        load_checkpoint(f"runs/digits-theta-seed0{end}/checkpoint.npz") for end in ("", "-2")
    )
    assert first.config == second.config
    assert first.config["parameters"] == {"tau": 1.8, "I0": 1.25}
    for name, array in first.arrays.items():
        np.testing.assert_array_equal(array, second.arrays[name])


def test_a_run_can_be_repeated_from_its_configuration_file(trained):
    run_ok("train", "--config", "run/config.toml", "--out", "again", "--json")
    first, second = (load_checkpoint(f"{name}/checkpoint.npz") for name in ("run", "again"))
    assert first.config == second.config
    np.testing.assert_array_equal(first.arrays["W0"], second.arrays["W0"])


def test_resuming_goes_on_where_the_run_stands(trained):
    before = [row["test_loss"] for row in read_metrics("run")]
    result = run_ok("train", "--resume", "run", "--epochs", 4)
    after = [row["test_loss"] for row in read_metrics("run")]
    assert len(after) == 5
    assert after[:3] == before
    assert "epoch   4:" in result.stderr
    assert "epoch   2:" not in result.stderr


def test_resuming_a_finished_run_says_so_and_shows_the_result(trained):
    result = run_ok("train", "--resume", "run")
    assert "has all its 2 epochs behind it; give a larger --epochs" in result.stderr
    assert "classified correctly" in result.stdout


@pytest.mark.parametrize(
    ("options", "flag"),
    [
        (("--seed", 0), "--seed"),
        (("--hidden", "5"), "--hidden"),
        (("--param", "tau=1"), "--param"),
        (("--n-bins", 2), "--n-bins"),
        (("--preset", "paper"), "--preset"),
        (("--config", "c.toml"), "--config"),
        (("--out", "elsewhere"), "--out"),
        (("--overwrite",), "--overwrite"),
    ],
)
def test_a_resumed_run_keeps_its_configuration(options, flag):
    result = run("train", "--resume", "run", *options)
    assert_refused(result, f"Expected only --epochs, --data and --json beside .* but got {flag};")


def test_a_folder_that_holds_a_run_is_refused_without_overwrite(trained):
    before = (trained / "checkpoint.npz").read_bytes()
    result = run("train", *SMALL, "--seed", 1, "--out", "run")
    assert_refused(result, "Expected a folder without a run but run holds one; .* --resume run")
    assert (trained / "checkpoint.npz").read_bytes() == before
    run_ok("train", *SMALL, "--seed", 1, "--out", "run", "--overwrite", "--json")
    assert load_checkpoint("run/checkpoint.npz").config["seed"] == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--hidden", "ten"),
            "Expected numbers of neurons such as 100,100 but got 'ten'; separate",
        ),
        (("--hidden", "10,,10"), "Expected numbers of neurons such as 100,100 but got '10,,10'"),
        (("--hidden", "10,0"), "Expected every hidden layer to be a whole number of at least 1"),
        (("--hidden", "-5"), "Expected every hidden layer to be .* at least 1 but got -5"),
        (("--hidden", "1000000000"), "Expected a network that fits into .* need about"),
        (("--param", "tau"), "Expected NAME=NUMBER but got 'tau'; write for example tau=1.9"),
        (("--param", "tau=fast"), "Expected NAME=NUMBER but got 'tau=fast'"),
        (("--param", "tau=-1"), "Expected tau > 0 but got tau=-1.0"),
        (("--param", "tau=nan"), "Expected tau > 0 but got tau=nan"),
        (("--param", "rho=1"), r"Expected parameters of theta \(tau, I0\) but got 'rho'"),
        (("--flip", "0.1"), "Expected encoding = bins for flip > 0 but got latency"),
        (("--flip", "2", "--encoding", "bins"), "Expected a finite 0 <= flip <= 1 but got flip=2"),
        (("--shift", "1", "--dataset", "yinyang"), "Expected images for shift, turn or zoom > 0"),
        (("--turn", "1", "--dataset", "yinyang"), "Expected images for shift, turn or zoom > 0"),
        (("--shift", "8"), "Expected shift below 8, the size of the images of digits, but got"),
        (("--shift", "-1"), "Expected shift to be a whole number of at least 0 but got -1"),
        (("--epochs", "0"), "Expected epochs to be a whole number of at least 1 but got 0"),
        (("--epochs", "-4"), "Expected epochs to be a whole number of at least 1 but got -4"),
        (("--batch", "0"), "Expected batch to be a whole number of at least 1 but got 0"),
        (("--seed", "-1"), "Expected seed to be a whole number of at least 0 but got -1"),
        (("--n-bins", "64", "--encoding", "bins"), "Expected n_bins to be .* from 1 to 63 but got"),
        (("--duration", "0"), "Expected duration > 0 but got duration=0.0"),
        (("--duration", "inf"), "Expected duration > 0 but got duration=inf"),
        (("--learning-rate", "nan"), "Expected learning_rate > 0 but got learning_rate=nan"),
        (("--validation", "1437"), "Expected validation to be .* from 0 to 1436 but got"),
        (("--test-every", "-1"), "Expected test_every to be a whole number of at least 0 but got"),
        (("--validation-groups", "ann"), "Expected a trials file .* for validation_groups but got"),
        (("--test-groups", "ann"), "Expected a trials file .* for test_groups but got"),
        (("--warm-up", "-1"), "Expected a finite 0 <= warm_up but got warm_up=-1.0"),
        (("--smoothing", "0.1"), "Expected a readout of spike trains for smoothing but got first"),
        (("--clip-sample", "2"), "Expected a readout of spike trains for clip_sample but got"),
        ((*READ, "--clip-sample", "nan"), "Expected a finite 0 <= clip_sample but got"),
        (("--class-weights", "balanced"), "Expected a readout of spike trains for class_weights"),
        ((*READ, "--class-weights", "1,2"), "Expected 10 class_weights, one for each class of di"),
        ((*READ, "--class-weights", "1;2"), "Expected balanced or numbers such as 1,2.5,1 but got"),
        (("--freeze", "hidden", "--hidden", ""), "Expected hidden layers for freeze = hidden but"),
        (("--model", "hodgkin"), "Expected a built-in model .* but got 'hodgkin'"),
        (("--model", "nowhere.toml"), "Expected .*nowhere.toml"),
        (("--config", "nowhere.toml"), "Expected a training configuration in nowhere.toml but"),
        (("--preset", "paper", "--dataset", "digits"), "Expected dataset = mnist for the preset"),
        (("--preset", "paper", "--config", "c.toml"), "Expected a preset or a configuration file"),
    ],
)
def test_bad_options_are_refused_before_training_starts(options, message, monkeypatch):
    monkeypatch.setattr(
        "sim.training.run_folder.Trainer.run_epoch", lambda *a: pytest.fail("training started")
    )
    assert_refused(run("train", *options, "--out", "run"), message)
    assert list_files() == set()
    assert not Path("run").exists()


def test_a_batch_larger_than_the_data_is_the_whole_data():
    run_ok("train", *SMALL, "--batch", 10**9, "--out", "run", "--json")
    assert len(read_metrics("run")) == 3


def test_no_hidden_layer_is_written_as_nothing():
    result = run_ok("train", "--hidden", "", "--epochs", 1, "--out", "run")
    assert load_checkpoint("run/checkpoint.npz").config["hidden"] == []
    assert "hidden neuron" not in result.stdout + result.stderr
    assert "Trained for 1 epoch in" in result.stdout


def test_the_command_to_try_next_works_as_typed():
    path = os.path.relpath(ROOT / "cli.py")
    done = subprocess.run(
        [sys.executable, path, "train", *SMALL, "--out", "my run"],
        capture_output=True, text=True, timeout=120, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    command = done.stdout.split("Try next: ")[1].strip()
    assert command == f"{sys.executable} {path} evaluate 'my run'"
    assert subprocess.run(command, shell=True, capture_output=True, timeout=120).returncode == 0


@pytest.mark.parametrize(
    ("called", "typed"),
    [
        (".venv/bin/spiketheory", ".venv/bin/spiketheory"),
        ("my tools/spiketheory", "'my tools/spiketheory'"),
        ("bin/spiketheory", "spiketheory"),
        ("/usr/bin/pytest", "spiketheory"),
        ("./cli.py", "python3 ./cli.py"),
    ],
)
def test_the_program_is_named_as_it_was_called(called, typed, monkeypatch):
    Path("bin").mkdir()
    Path("bin/spiketheory").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(Path("bin").absolute()))
    monkeypatch.setattr(sys, "argv", [called, "train"])
    monkeypatch.setattr(sys, "orig_argv", ["python3", called, "train"])
    assert name_program() == typed


@pytest.fixture
def interpreted(monkeypatch):
    """A few digits, and no machine code: that of a model of one's own takes 15 seconds."""
    digits = sim.training.data.load_dataset("digits")
    few = dataclasses.replace(
        digits,
        train_inputs=digits.train_inputs[:40], train_labels=digits.train_labels[:40],
        test_inputs=digits.test_inputs[:20], test_labels=digits.test_labels[:20],
    )  # fmt: skip
    monkeypatch.setattr("sim.training.data._load_digits", lambda: few)
    numpy = partial(derivations.compile_model, backend="numpy")
    monkeypatch.setattr("derivations.compile_model", numpy)


@pytest.mark.usefixtures("interpreted")
def test_a_run_of_a_model_file_can_be_used_without_the_file(monkeypatch, verify_once):
    Path("mine.toml").write_text(read_neuron_model("theta").to_toml())
    options = ("--validation", 10, "--model", "mine.toml", "--out", "run", "--json")
    first = run_ok("train", *SMALL, *options)
    kept = Path("run/model.toml").read_bytes()
    assert kept == Path("mine.toml").read_bytes()
    assert 'model = "mine.toml"' in Path("run/config.toml").read_text()
    Path("mine.toml").unlink()
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    assert (
        json.loads(run_ok("evaluate", "../run", "--json").stdout)["accuracy"]
        == (json.loads(first.stdout)["accuracy"])
    )
    run_ok("train", "--resume", "../run", "--epochs", 3, "--json")
    assert Path("../run/model.toml").read_bytes() == kept


def test_missing_data_is_refused_with_the_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    monkeypatch.setitem(sys.modules, "torchvision.datasets", None)
    result = run("train", "--preset", "paper", "--data", "empty", "--out", "run")
    assert_refused(result, "MNIST files but empty/MNIST/raw has no MNIST file, and no other")
    assert "SPIKETHEORY_DATA" in result.stderr
    assert not Path("run").exists()


def test_a_training_that_diverges_keeps_its_last_checkpoint():
    with np.errstate(all="ignore"):
        result = run("train", *SMALL, "--learning-rate", 1e308, "--out", "run", "--json")
    assert_refused(result, "Expected training to stay in the range .* in epoch 1 .*lower the learn")
    assert load_checkpoint("run/checkpoint.npz").meta["epoch"] == 0


@pytest.mark.parametrize("command", [("evaluate",), ("train", "--resume")])
def test_a_truncated_foreign_or_missing_checkpoint_is_refused(command, trained):
    path = trained / "checkpoint.npz"
    whole = path.read_bytes()
    assert_refused(run(*command, "nowhere"), "Expected a checkpoint in nowhere but .* No such file")
    path.write_bytes(whole[: len(whole) // 2])
    assert_refused(run(*command, "run"), "Expected a whole checkpoint in run/checkpoint.npz but")
    np.savez(path, W0=np.ones(3))
    assert_refused(run(*command, "run"), "Expected a checkpoint in .* without the header")
    path.write_text("no archive")
    assert_refused(run(*command, "run"), "Expected a checkpoint in .* not an .npz archive")
    path.unlink()
    assert_refused(run(*command, "run"), "Expected a checkpoint in .* No such file")


def test_a_run_with_more_epochs_behind_it_is_refused(trained):
    result = run("train", "--resume", "run", "--epochs", 1)
    assert_refused(result, "Expected at least 2 epochs, which this run has .* but got epochs=1")


def test_a_run_stopped_before_its_first_checkpoint_leaves_no_folder(monkeypatch):
    def stop(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("sim.training.run_folder.Trainer.compile", stop)
    result = run("train", *SMALL, "--out", "run")
    assert result.exit_code == 130
    assert "Stopped before the first epoch; nothing was saved." in result.stderr
    assert not Path("run").exists()


def test_a_run_stopped_between_an_epoch_and_its_checkpoint_says_what_is_saved(monkeypatch):
    real = sim.training.run_folder.Run.save

    def save(self):
        if self.state.epoch == 2:
            raise KeyboardInterrupt
        real(self)

    monkeypatch.setattr("sim.training.run_folder.Run.save", save)
    result = run("train", *SMALL, "--out", "run")
    assert result.exit_code == 130
    assert (
        "Everything up to epoch 1 is in run; continue with\n  spiketheory train --resume run"
        in (result.stderr)
    )
    assert load_checkpoint("run/checkpoint.npz").meta["epoch"] == 1


def test_a_command_that_is_stopped_ends_with_130(monkeypatch):
    def stop(batch, **_):
        raise KeyboardInterrupt

    monkeypatch.setattr("sim.files.batch_file.simulate_batch", stop)
    result = run("simulate", write_batch(), "--out", "out.npz", "--backend", "numpy")
    assert (result.exit_code, result.stderr) == (130, "Stopped.\n")
    assert list_files() == {"batch.npz"}
