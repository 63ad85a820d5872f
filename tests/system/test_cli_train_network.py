"""`train`, `--resume` and `evaluate` for described networks, from end to end."""

import json
import shutil
from pathlib import Path

import pytest
from commands import ROOT, assert_refused, list_files, run, run_ok

pytestmark = pytest.mark.usefixtures("own_folder")

FILES = {"checkpoint.npz", "config.toml", "loss.png", "metrics.csv", "spikes.png"}


@pytest.fixture
def example():
    """The experiment of the paper, as a file in the folder."""
    shutil.copy(ROOT / "examples" / "learning" / "recurrent_network.toml", "paper.toml")
    return "paper.toml"


def test_a_described_network_is_trained_continued_and_evaluated(example):
    trained = run_ok("train", "--config", example, "--out", "r", "--epochs", "3", "--json")
    first = json.loads(trained.stdout)
    assert {p.name for p in Path("r").iterdir()} == FILES
    assert first["steps"] == 3
    assert first["loss"] == pytest.approx(0.46971113801651754, rel=1e-12)
    assert json.loads(run_ok("evaluate", "r", "--json").stdout) == first
    more = run_ok("train", "--resume", "r", "--epochs", "4")
    assert "After 4 steps, its own trial: loss 0.467355" in more.stdout
    assert "The run is in r: loss.png" in more.stdout
    assert "loss 0.467355" in run_ok("evaluate", "r").stdout
    rows = Path("r/metrics.csv").read_text().splitlines()
    assert rows[0] == "epoch,loss,loss_ordinary,learning_rate,seconds"
    assert [row.split(",")[0] for row in rows[1:]] == list("01234")
    again = run_ok(
        "train", "--config", "r/config.toml", "--out", "again", "--epochs", "3", "--json"
    )
    assert json.loads(again.stdout)["loss"] == first["loss"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--hidden", "5"), "Expected no --hidden with paper.toml, which describes a network"),
        (("--param", "tau=1"), "Expected no --param with paper.toml"),
        (("--preset", "paper"), "Expected no --preset with paper.toml"),
        (("--data", "x"), "Expected no --data with paper.toml"),
        (("--dataset", "digits"), "Expected a NumPy .npz file at"),
        (("--epochs", "0"), "Expected epochs to be a whole number of at least 1"),
        (("--dataset", "no.npz"), "Expected a NumPy .npz file at"),
    ],
)
def test_options_that_do_not_fit_a_described_network_are_refused(example, options, message):
    result = run("train", "--config", example, *options)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())
    assert list_files() == {"paper.toml"}


def test_a_file_of_another_version_is_refused(example):
    text = Path(example).read_text()
    Path(example).write_text(text.replace("version = 2", "version = 3"))
    assert_refused(run("train", "--config", example), "Expected version = 1 or 2 in paper.toml")
    Path(example).write_text(text.replace("version = 2", ""))
    assert_refused(run("train", "--config", example), "Expected version = 2 in paper.toml to train")
    assert list_files() == {"paper.toml"}


def test_a_run_is_not_replaced_unless_that_is_asked_for(example):
    run_ok("train", "--config", example, "--out", "r", "--epochs", "1")
    result = run("train", "--config", example, "--out", "r", "--epochs", "1")
    assert_refused(result, "Expected a folder without a run but r holds one")
    run_ok("train", "--config", example, "--out", "r", "--epochs", "1", "--overwrite")
