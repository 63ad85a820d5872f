"""Measuring in processes of their own: start-up, compilation, peak memory."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.machine import ROOT
from spiketheory.errors import SimulationError

START = "SPIKETHEORY_BENCHMARK_START"
"""Environment variable with the time, in nanoseconds, at which the parent started a child."""


def make_environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a child that imports this very source."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    start = {START: str(time.time_ns())}
    return {**os.environ, "PYTHONPATH": path, **start, **(changes or {})}


def run_child(task: str, *arguments: str, env: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Carry out a task of `benchmarks.child` in a new process; returns what it found.

    Raises:
        SimulationError: If the process fails; with the end of what it said.
    """
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.child", task, *arguments],
        env=make_environment(env), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise SimulationError(
            f"Expected the task {task} {' '.join(arguments)} to end well but it exited with "
            f"{done.returncode}: {done.stderr.strip()[-500:]}; run python -m benchmarks.child "
            "with these words to see all of it."
        )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@contextmanager
def empty_cache() -> Iterator[dict[str, str]]:
    """Environment of processes that find nothing compiled; they share what they compile."""
    with tempfile.TemporaryDirectory(prefix="spiketheory-bench-") as folder:
        yield {"NUMBA_CACHE_DIR": str(Path(folder) / "numba")}
