"""Comparing two checkouts: the ratio and its interval, and what is no checkout."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks import versions
from benchmarks.command import bench


def test_the_median_ratio_of_pairs_has_an_interval_around_it():
    rng = np.random.default_rng(0)
    drift = rng.uniform(1.0, 3.0, 40)  # of the machine: both processes of a pair feel it
    before, after = drift, 1.1 * drift * rng.normal(1.0, 0.02, 40)
    found = versions.summarise("step", before, after)
    assert found.low < found.ratio < found.high
    assert found.ratio == pytest.approx(1.1, abs=0.01)
    assert found.high - found.low < 0.03
    assert found.pairs == 40


def test_folders_that_are_no_checkouts_are_refused(tmp_path):
    result = CliRunner().invoke(bench, ["compare", str(tmp_path), str(tmp_path)])
    assert result.exit_code == 2
    assert result.output.startswith("Error: Expected a checkout with a pyproject.toml")


@pytest.mark.parametrize(("slower", "code"), [(1.2, 1), (1.0, 0)])
def test_checkouts_run_in_turns_and_a_slower_one_is_told(tmp_path, monkeypatch, slower, code):
    (tmp_path / "pyproject.toml").touch()
    order = []

    class Environment:
        def __init__(self, checkout, folder):
            self.name = folder.name

        def measure(self):
            order.append(self.name)
            seconds = slower if self.name == "new" else 1.0
            return {"start": 5.0, "training step": seconds}

    monkeypatch.setattr(versions, "Environment", Environment)
    words = ["compare", str(tmp_path), str(tmp_path), "--pairs", "4", "--json"]
    result = CliRunner().invoke(bench, [*words, "--fail-on-slower", "3"])
    assert result.exit_code == code
    (ratio,) = json.loads(result.stdout)["ratios"]
    assert ratio["ratio"] == slower
    assert order[:4] == ["old", "new", "old", "new"]
    assert order[4:] == ["old", "new", "new", "old"] * 2
