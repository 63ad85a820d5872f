"""What a person waits for: ``--help``, and the first training step of ``spiketheory train``.

Wall time of whole processes, the start of the interpreter included.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.processes import empty_cache, make_environment, run_child
from benchmarks.suite import Session
from benchmarks.timing import interleave


def measure(session: Session) -> None:
    """Help in turns with an empty program; a first run that compiles, and those after it."""
    rounds = session.options.rounds
    steps = {
        "--help": lambda: time_process("-m", "cli", "--help"),
        "an empty Python program": lambda: time_process("-c", "pass"),
    }
    for step in steps.values():
        step()
    for name, values in interleave(steps, rounds, show=session.show).items():
        session.add(name, values, "s", "lower" if name == "--help" else None)
    if session.options.tiny:
        return
    with empty_cache() as cache, tempfile.TemporaryDirectory() as folder:
        session.show("a first training run, which compiles")
        first = time_first_step(Path(folder) / "first", cache)
        session.add("first training step, nothing compiled", [first], "s", "lower")
        session.show("training runs that find kernels compiled")
        later = [time_first_step(Path(folder) / f"run{k}", cache) for k in range(rounds)]
        session.add("first training step, compiled before", later, "s", "lower")


def time_process(*arguments: str) -> float:
    """Seconds that a Python process lives."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], env=make_environment(), check=True,
                   capture_output=True)  # fmt: skip
    return time.perf_counter() - start


def time_first_step(folder: Path, cache: dict[str, str]) -> float:
    """Seconds from the start of ``spiketheory train`` on digits to the end of its first step."""
    return float(run_child("first_step", "--out", str(folder), env=cache)["first_step"])
