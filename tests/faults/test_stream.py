"""Spikes that go to HDF5 while a run goes on: `kill -9`, and a file that may grow no further."""

import random
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from sim.files.result_file import read_result

GROW = Path(__file__).with_name("grow_stream.py")


def start(path: Path, limit: int = 0) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, GROW, path, str(limit)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "begins\n"
    return process


def check_spikes(path: Path) -> int:
    """How many spikes a file holds, which must be those up to a time, and no others."""
    found = read_result(path)
    assert np.array_equal(found.times, np.arange(len(found.times)))
    assert np.array_equal(found.neurons, np.arange(len(found.times)) % 7)
    assert found.time == max(len(found.times) - 1, 0)
    return len(found.times)


def kill_at_moments(path: Path, n: int, seed: int) -> None:
    rng, most = random.Random(seed), 0
    for _ in range(n):
        process = start(path)
        time.sleep(rng.uniform(0.0, 1.0))
        process.kill()
        process.communicate()
        most = max(most, check_spikes(path))
    assert most > 100_000


def test_kill_9_leaves_a_file_with_all_spikes_up_to_a_time(tmp_path):
    kill_at_moments(tmp_path / "a.h5", 3, seed=1)


@pytest.mark.slow
def test_kill_9_at_many_moments_leaves_a_file_with_all_spikes_up_to_a_time(tmp_path):
    kill_at_moments(tmp_path / "a.h5", 60, seed=2)


def test_a_file_that_may_not_grow_is_closed_in_order(tmp_path):
    path = tmp_path / "a.h5"
    process = start(path, limit=4_000_000)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    n = check_spikes(path)
    assert f"the system said: File too large; what ran up to t={n - 1:g} of" in errors
    assert n > 20_000
    with h5py.File(path) as file:  # as any program opens it
        assert len(file["spike_time"]) == n
