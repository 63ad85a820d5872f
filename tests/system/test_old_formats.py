"""Files that an earlier version wrote are read as it read them (tests/data/old_formats)."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from commands import ROOT, run_ok

from sim.training.config import make_config, read_config
from sim.training.run_folder import read_run

OLD = ROOT / "tests" / "data" / "old_formats"

pytestmark = pytest.mark.usefixtures("own_folder")


def load(path):
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def assert_equal_fields(found, wanted):
    assert list(found) == list(wanted)
    for name, values in wanted.items():
        assert found[name].dtype == values.dtype, name
        if values.dtype.kind == "f":
            np.testing.assert_allclose(found[name], values, rtol=1e-12, atol=1e-12, err_msg=name)
        else:
            assert found[name].tolist() == values.tolist(), name


@pytest.mark.parametrize("name", ["batch.npz", "trial.npz", "network.toml"])
def test_a_file_is_simulated_as_before(name):
    run_ok("simulate", str(OLD / name), "--out", "out.npz", "--backend", "numpy")
    assert_equal_fields(load("out.npz"), load(OLD / f"{name.split('.')[0]}_result.npz"))


def test_a_batch_file_may_hold_the_answers_of_the_version_that_wrote_them():
    both = load(OLD / "batch.npz") | load(OLD / "batch_result.npz")
    np.savez("both.npz", **both)
    run_ok("simulate", "both.npz", "--out", "out.npz", "--backend", "numpy")
    assert_equal_fields(load("out.npz"), load(OLD / "batch_result.npz"))


def test_a_run_is_evaluated_as_before():
    wanted = json.loads((OLD / "evaluation.json").read_text(encoding="utf-8"))
    found = json.loads(run_ok("evaluate", str(OLD / "run"), "--json").stdout)
    assert found.pop("run") == str(OLD / "run")
    assert list(found) == list(wanted)
    for name, value in wanted.items():
        wanted_value = pytest.approx(value, rel=1e-12) if isinstance(value, float) else value
        assert found[name] == wanted_value, name


def test_a_run_goes_on_as_it_would_have():
    shutil.copytree(OLD / "run", "run")
    run_ok("train", "--resume", "run", "--epochs", "3")
    config, arrays, meta = read_run(Path("run"))
    wanted = load(OLD / "resumed.npz")
    assert_equal_fields(dict(sorted(arrays.items())), dict(sorted(wanted.items())))
    assert config.schedule.epochs == meta["epoch"] == 3
    with open(OLD / "run" / "metrics.csv", newline="") as file:
        before = list(csv.DictReader(file))
    for row, kept in zip(meta["rows"], before, strict=False):
        np.testing.assert_equal(dict(row), {name: float(value) for name, value in kept.items()})


def test_a_configuration_is_read_as_before():
    path = OLD / "run" / "config.toml"
    config = read_config(path)
    assert config == read_run(OLD / "run")[0]
    assert (config.dataset.name, config.network.hidden) == ("digits", (4,))
    assert (config.schedule.epochs, config.seed) == (2, 3)
    assert make_config(file=path, epochs=5).schedule.epochs == 5
