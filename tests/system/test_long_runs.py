"""Runs whose spikes go to HDF5, of some neurons; progress and its estimate."""

import json
from datetime import datetime
from pathlib import Path

import h5py
import numpy as np
import pytest
from commands import run, run_ok

import spiketheory.commands.run_progress as run_progress
from sim.events.recording import Advance
from sim.files.result_file import read_result
from spiketheory.reading import read_npz

pytestmark = pytest.mark.usefixtures("own_folder")

NETWORK = """
version = 2
[network]
duration = 20.0
[populations.left]
model = "theta"
size = 6
parameters = {I0 = {uniform = [1.0, 2.0]}}
[populations.right]
model = "theta"
size = 4
parameters = {I0 = 0.3}
[inputs.noise]
size = 4
process = "poisson"
rate = [[0.0, 1.0], [10.0, 5.0]]
[[projections]]
pre = "noise"
post = "right"
connect = "one_to_one"
weight = 0.5
[record]
left = "0:2"
right = [3]
"""
SIMULATE = ("simulate", "network.toml", "--backend", "numpy")


@pytest.fixture(autouse=True)
def network_file(own_folder):
    Path("network.toml").write_text(NETWORK)


def test_a_run_to_hdf5_holds_what_an_npz_does():
    run_ok(*SIMULATE, "--out", "a.npz")
    stdout = run_ok(*SIMULATE, "--out", "a.h5").stdout
    one, other = read_result(Path("a.h5")), read_result(Path("a.npz"))
    assert one.recorded.tolist() == other.recorded.tolist() == [0, 1, 9]
    assert len(one.times) > 10
    assert np.array_equal(one.times, other.times)
    assert np.array_equal(one.neurons, other.neurons)
    assert "6 theta neurons (left)" in stdout
    assert "The spikes of 3 neurons were kept." in stdout
    with h5py.File("a.h5") as file:
        assert set(file) > {"spike_time", "left_V_end", "spike_count"}
        counts = file["spike_count"][()]
    assert f"(left): {counts[:6].sum()} spikes" in stdout
    assert np.array_equal(np.bincount(one.neurons, minlength=10)[[0, 1, 9]], counts[[0, 1, 9]])


def test_an_option_says_whose_spikes_are_kept():
    run_ok(*SIMULATE, "--out", "a.npz", "--record", "right", "--record", "left=1")
    assert read_result(Path("a.npz")).recorded.tolist() == [0, 6, 7, 8, 9]


def test_a_run_that_is_ended_by_its_spikes_keeps_them():
    result = run(*SIMULATE, "--out", "a.h5", "--max-spikes", "20")
    assert result.exit_code == 2
    assert "What ran up to then is in a.h5" in result.stderr
    found = read_result(Path("a.h5"))
    assert 0 < found.time < 20.0
    with h5py.File("a.h5") as file:
        assert file["spike_count"][()].sum() == 21


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--out", "a.h5", "--plot", "a.png"), "Expected --plot with an .npz"),
        (("--out", "a.npz", "--record", "middle"), "Expected --record with one of left, right"),
    ],
)
def test_options_that_do_not_fit_are_refused(arguments, message):
    result = run(*SIMULATE, *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not Path("a.h5").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("left = ", "middle = ", "left, right in [record]"),
        ('"0:2"', '"0:7"', '"all", a number n'),
        ("[3]", "[4]", '"all", a number n'),
    ],
)
def test_records_that_do_not_fit_are_refused(old, new, message):
    Path("network.toml").write_text(NETWORK.replace(old, new))
    result = run(*SIMULATE, "--out", "a.npz")
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())


def test_the_end_is_estimated_from_what_has_run_since_the_first_event():
    seconds = iter([0.0, 50.0, 60.0, 80.0])
    estimate = run_progress.Estimate(clock=lambda: next(seconds))
    advances = [Advance(time=t, duration=100.0, n_spikes=7) for t in (0.0, 5.0, 20.0)]
    # 10 s for the first 5, then 30 s for 20: 95 and 80 are left
    rests = [estimate.find_rest(one) for one in advances]
    assert rests == [None, pytest.approx(190.0), pytest.approx(120.0)]


def test_a_line_says_how_far_a_run_is_and_when_it_ends():
    noon = datetime(2026, 11, 30, 12, 0)
    advance = Advance(time=20.0, duration=80.0, n_spikes=1234)
    line = run_progress.write_line(advance, 90 * 60.0, noon)
    assert line == "t = 20 of 80 (25.0%), 1234 spikes, ends 13:30"
    assert run_progress.tell_end(13 * 3600.0, noon) == ", ends 2026-12-01 01:00"
    assert run_progress.tell_end(30.0, noon) == run_progress.tell_end(None, noon) == ""
    assert run_progress.tell_end(1e300, noon) == ", ends in more than a life"


def test_a_log_gets_a_line_a_minute(monkeypatch):
    monkeypatch.setattr(run_progress, "MINUTE", 0.0)
    result = run(*SIMULATE, "--out", "a.npz")
    assert "t = " in result.stderr
    assert " of 20 (" in result.stderr
    assert "t = " not in run(*SIMULATE, "--out", "a.npz", "--json").stderr


def test_stats_tells_the_same_of_both_files():
    for name in ("a.npz", "a.h5"):
        run_ok(*SIMULATE, "--out", name, "--record", "left", "--record", "right")
    told = [
        json.loads(run_ok("stats", name, "--json", "--start", "5", "--second", "10").stdout)
        for name in ("a.npz", "a.h5")
    ]
    assert told[0]["populations"] == told[1]["populations"]
    left, right = told[0]["populations"]
    spikes = read_npz(Path("a.npz"))
    late = spikes["spike_neuron"][spikes["spike_time"] >= 5.0]
    assert left["spikes"] == np.count_nonzero(late < 6)
    assert left["rate"] == pytest.approx(10 * left["spikes"] / (6 * 15.0))
    assert right["size"] == 4
    table = run_ok("stats", "a.npz", "--start", "5").stdout
    assert f"{left['rate'] / 10:.4g}" in table


def test_stats_writes_arrays_and_a_figure():
    run_ok(*SIMULATE, "--out", "a.npz", "--record", "left")
    result = run_ok("stats", "a.npz", "--out", "b.npz", "--plot", "b.svg", "--bin", "1")
    assert "Wrote b.npz." in result.stderr
    found = read_npz(Path("b.npz"))
    assert found["left_rate"].shape == (20,)
    assert found["left_rates"].shape == (6,)
    assert set(found) > {"left_cv", "left_fano", "left_correlations", "left_spectrum"}
    assert Path("b.svg").read_text().startswith("<?xml")


def test_stats_of_something_else_is_refused():
    np.savez("a.npz", spike_time=np.zeros(1))
    result = run("stats", "a.npz")
    assert result.exit_code == 2
    assert "Expected the results of one run of a network in a.npz" in result.stderr
    assert run("stats", "missing.h5").exit_code == 2


def test_a_scan_keeps_the_spikes_that_the_file_asks_for():
    scan = ("--scan", "populations.right.parameters.I0=0.3:0.5:2", "--workers", "1")
    run_ok(*SIMULATE, "--out", "a.npz", *scan)
    found = read_npz(Path("a.npz"))
    assert set(found["spike_neuron"]) <= {0, 1, 9}
    assert found["spike_count"].shape == (2, 10)
    assert found["spike_count"].sum() > len(found["spike_time"]) > 0
