"""The event engine of an earlier version beside this one, in a process that takes its turn."""

import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import ROOT
from benchmarks.peer_process import read_answer
from benchmarks.suite import Session
from benchmarks.temporal_networks import Task
from benchmarks.timing import Step

COMMIT = "7472240"
"""The version that networks in time are measured against."""
SCRIPT = Path(__file__).with_name("temporal_child.py")


def unpack_earlier(session: Session, folder: Path) -> Path | None:
    """Write the earlier version to a folder; None with a note if it is not to be had."""
    done = subprocess.run(
        ["git", "archive", COMMIT], cwd=ROOT, capture_output=True, check=False
    )  # fmt: skip
    if done.returncode != 0:
        session.note(f"The event engine of {COMMIT}: left out; measure in a clone with history.")
        return None
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder / COMMIT, filter="data")
    return folder / COMMIT


def write_task(path: Path, task: Task) -> None:
    """A network with its first trial as arrays."""
    last = task.trials.offsets[1]
    arrays: dict[str, Any] = {"weights": task.weights, "duration": task.duration}
    if task.recurrent:
        arrays["recurrent"] = task.recurrent_weights
    if task.delays:
        arrays["delays"] = task.axonal_delays
    if task.varied:
        parameters = task.network.populations[0].parameters
        arrays |= {f"parameter_{k}": v for k, v in parameters.items() if np.ndim(v)}
    np.savez(path, times=task.trials.time[:last], channels=task.trials.channel[:last], **arrays)


@contextmanager
def open_events(source: Path, task: Task, folder: Path) -> Iterator[tuple[Step, int]]:
    """The event engine of a checkout with a task, compiled and waiting.

    Yields:
        A step that returns the CPU seconds of one trial, there and back; and its spikes.
    """
    path = folder / "task.npz"
    write_task(path, task)
    env = {**os.environ, "PYTHONPATH": str(source), "NUMBA_CACHE_DIR": str(folder / "numba")}
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), str(path), task.model], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True, env=env,
    )  # fmt: skip

    def step() -> float:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
        return float(read_answer(process)["seconds"])

    try:
        yield step, int(read_answer(process)["spikes"])
    finally:
        process.terminate()
        with suppress(BrokenPipeError):
            process.communicate()
