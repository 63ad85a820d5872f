"""`report` end to end."""

import functools
import re
from pathlib import Path

import numpy as np
import pytest
from commands import run, run_ok

import derivations
from sim.files.trials_file import TrialsFile, write_trials_file
from sim.inputs.trials import Trials

pytestmark = pytest.mark.usefixtures("own_folder")
SECTIONS = (
    "Learning", "What is taken for what", "One sample", "When it knows", "What it costs",
    "Spikes that appear and vanish", "Seed and settings",
)  # fmt: skip


@pytest.fixture
def interpreted(monkeypatch):
    """Nothing is compiled: for a few neurons that takes longer than running them."""
    for name in ("compile_model", "compile_readout"):
        plain = functools.partial(getattr(derivations, name), backend="numpy")
        monkeypatch.setattr(derivations, name, plain)


def write_two_classes():
    """Twelve trials: early spikes on the first channel, or late ones on the second."""
    rng, labels = np.random.default_rng(0), np.arange(12) % 2
    trains = [
        [np.sort(rng.uniform(k, k + 1, 3)) if c == k else [] for c in range(2)] for k in labels
    ]
    content = TrialsFile(trials=Trials.from_trains(trains), duration=2.5, labels=labels)
    write_trials_file(Path("two.npz"), content)


@pytest.mark.usefixtures("interpreted")
def test_a_run_in_time_has_a_page_that_stands_on_its_own():
    write_two_classes()
    run_ok(
        *("train", "--dataset", "two.npz", "--readout", "leaky_integrator", "--model", "lif"),
        *("--hidden", "5", "--epochs", "2", "--out", "run"),
    )
    run_ok("report", "run")
    page = Path("run/report.html").read_text("utf-8")
    assert re.findall(r"<h2[^>]*>([^<]*)</h2>", page) == list(SECTIONS)
    assert page.count("<figure") == 5
    assert not re.search(r'(?:src|href)="(?!#|data:)', page)
    for name in ("effective ACs", "activation sparsity", "footprint", "GRU", "seed = 0"):
        assert name in page
    accuracy = re.search(r"([0-9.]+)% of held-out samples right \((\d+) of 2;", page)
    assert float(accuracy[1]) == pytest.approx(100 * int(accuracy[2]) / 2)


def test_a_run_of_first_spikes_says_what_it_has_not(trained):
    run_ok("report", trained, "--out", "page.html")
    page = Path("page.html").read_text("utf-8")
    assert "What is not here" in page
    assert "When it knows" not in page


def test_what_is_no_run_is_refused():
    result = run("report", "nothing")
    assert result.exit_code == 2
    assert "nothing" in result.output
