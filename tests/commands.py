"""Running the command line in tests, and small files for it."""

import csv
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
from click.testing import CliRunner

from spiketheory.commands.main import main

ROOT = Path(__file__).resolve().parents[1]
SMALL = ("--hidden", "10", "--epochs", "2")


def run(*arguments):
    """Run a command in this process."""
    return CliRunner().invoke(main, [str(a) for a in arguments])


def run_ok(*arguments):
    """The same of a command that must succeed."""
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result


def hear_signals():
    """Ignore no signal that what started the tests ignores: a shell in the background, nohup."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def start_process(*arguments, code=None, **environment):
    """Start the program, or the given code, in a process of its own."""
    program = ["-c", code] if code else [str(ROOT / "cli.py")]
    return subprocess.Popen(
        [sys.executable, *program, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_signals,
    )


def run_process(*arguments, code=None, **environment):
    """Exit code, stdout and stderr of a process of its own."""
    process = start_process(*arguments, code=code, **environment)
    stdout, stderr = process.communicate(timeout=600)
    return process.returncode, stdout, stderr


def list_files():
    """All files in the working folder, hidden ones too."""
    return {p.relative_to(Path.cwd()).as_posix() for p in Path.cwd().rglob("*") if p.is_file()}


def assert_refused(result, message):
    """One paragraph on stderr that says what was expected, what came and what to do; code 2."""
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert re.search(message, result.stderr), result.stderr
    assert "Expected" in result.stderr
    assert "Traceback" not in result.stderr
    assert "\n\n" not in result.stderr.split("Error: ", 1)[1]


def write_batch(path="batch.npz", **changes):
    """3 samples through 3 inputs, 2 hidden neurons and 2 outputs."""
    arrays = {
        "model": "theta",
        "tau": 1.5,
        "T": 2.0,
        "gamma": 0.01,
        "input_times": np.array([0.1, 0.5]),
        "input_bins": np.array([[0, 1, 2], [1, 1, 0], [2, 2, 2]]),
        "labels": np.array([0, 1, 1]),
        "W0": np.array([[5.0, 1.0], [6.0, -1.0], [0.5, 0.1]]),
        "W1": np.array([[4.0, -2.0], [0.0, 3.0]]),
    }
    np.savez(path, **{k: v for k, v in {**arrays, **changes}.items() if v is not None})
    return path


def read_metrics(folder):
    with Path(folder, "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))
