"""`kill -9` at any moment: nothing that was written is lost, and the next call is as the first."""

import logging
import os
import random
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from commands import run_ok, run_process, start_process, write_batch
from leftovers import MODEL

from sim.training.checkpoint import load_checkpoint

pytestmark = [pytest.mark.usefixtures("own_folder"), pytest.mark.timeout(3600)]

LOG = logging.getLogger(__name__)
TRAIN = ("train", "--hidden", "10", "--epochs", "60", "--batch", "100", "--json")
IN_TIME = (
    *("train", "--readout", "leaky_integrator", "--model", "lif", "--hidden", "10", "--recurrent"),
    *("--batch", "100", "--epochs", "12", "--learning-rate", "0.005", "--delay", "0.2"),
    *("--learn-delays", "--clip-sample", "2", "--patience", "10", "--schedule", "plateau"),
    *("--optimiser", "adabelief", "--warm-up", "2", "--class-weights", "balanced"),
    *("--count-jumps", "8", "--json"),
)
CACHE = os.environ.get("XDG_CACHE_HOME")
"""Where the kernels of `IN_TIME` are: compiling them takes minutes."""


def kill_after(seconds, *arguments):
    """Start a command and kill it; returns whether it was still running."""
    process = start_process(*arguments)
    time.sleep(seconds)
    running = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return running


def time_command(*arguments):
    """Seconds that a command takes, which must succeed, and what it prints."""
    begun = time.monotonic()
    code, stdout, stderr = run_process(*arguments)
    assert code in (0, 1), stderr
    return time.monotonic() - begun, stdout


@pytest.fixture
def known_kernels(own_folder, monkeypatch):
    """Kernels that were compiled before, for what would wait for them."""
    if CACHE is None:
        monkeypatch.delenv("XDG_CACHE_HOME")
    else:
        monkeypatch.setenv("XDG_CACHE_HOME", CACHE)
    run_ok(*IN_TIME, "--epochs", "1", "--out", "first")


def read_arrays(folder):
    """What was learned, and in how many epochs."""
    found = load_checkpoint(Path(folder) / "checkpoint.npz")
    return found.meta["epoch"], {name: a.tobytes() for name, a in found.arrays.items()}


def kill_training(seconds, whole, *, since_first, train=TRAIN):
    """Kill a training, continue it, and compare with one that was left alone.

    Seconds count from the first checkpoint, or from the start.
    """
    process = start_process(*train, "--out", "run")
    while since_first and not Path("run/checkpoint.npz").exists() and process.poll() is None:
        time.sleep(0.005)
    time.sleep(seconds)
    running = process.poll() is None
    process.kill()
    process.communicate()
    if Path("run/checkpoint.npz").exists():
        before, _ = read_arrays("run")
        code, _, stderr = run_process("train", "--resume", "run", "--json")
        assert code == 0, stderr
    else:
        before = -1
        code, _, stderr = run_process(*train, "--out", "run")
        assert code == 0, stderr
    assert read_arrays("run") == whole
    expected = {"config.toml", "metrics.csv", "checkpoint.npz"}
    left = {p.name for p in Path("run").iterdir()} - expected
    shutil.rmtree("run")
    return running, before, left - {"learning_curves.png", "rasters.png"}


def kill_once(train):
    """Kill a training after its first checkpoint, and go on to the bits of one that was not."""
    run_process(*train, "--out", "whole")
    process = start_process(*train, "--out", "run")
    while not Path("run/checkpoint.npz").exists() and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert run_process("train", "--resume", "run", "--json")[0] == 0
    assert read_arrays("run") == read_arrays("whole")


def test_a_training_that_was_killed_goes_on_to_the_same_bits():
    kill_once(TRAIN)


@pytest.mark.slow
@pytest.mark.usefixtures("known_kernels")
def test_a_training_in_time_that_was_killed_goes_on_to_the_same_bits():
    kill_once(IN_TIME)


@pytest.mark.slow
@pytest.mark.usefixtures("known_kernels")
def test_a_training_in_time_has_the_same_bits_on_any_number_of_threads(monkeypatch):
    found = []
    for threads in ("1", "2", "4"):
        monkeypatch.setenv("SPIKETHEORY_THREADS", threads)
        code, _, stderr = run_process(*IN_TIME, "--epochs", "5", "--out", f"run{threads}")
        assert code == 0, stderr
        found.append(read_arrays(f"run{threads}"))
    assert found[0] == found[1] == found[2]


@pytest.mark.slow
def test_no_moment_of_a_training_loses_anything():
    kill_often(TRAIN, 100)


@pytest.mark.slow
@pytest.mark.usefixtures("known_kernels")
def test_no_moment_of_a_training_in_time_loses_anything():
    kill_often(IN_TIME, 40)


def kill_often(train, moments):
    """Kill a training at random moments, again and again."""
    run_process(*train, "--out", "warm")
    seconds, _ = time_command(*train, "--out", "whole")
    whole = read_arrays("whole")
    rng = random.Random(0)
    training = sum(row["seconds"] for row in load_checkpoint("whole/checkpoint.npz").meta["rows"])
    # Most where it trains and writes checkpoints, the others all over.
    found = [
        kill_training(rng.uniform(0, training), whole, since_first=True, train=train)
        if k % 5 else kill_training(rng.uniform(0, seconds), whole, since_first=False, train=train)
        for k in range(moments)
    ]  # fmt: skip
    running, kept, left = zip(*found, strict=True)
    strays = [names for names in left if names]
    LOG.info("%d of %d killed while running; epochs kept %s; left over %s",
             sum(running), len(found), sorted(kept), strays)  # fmt: skip
    assert sum(running) > moments / 2
    assert not any(left)


COMMANDS = {
    "simulate": "simulate batch.npz --backend numpy --out out.npz",
    "simulate a model file": "simulate batch.npz --backend numpy --model model.toml --out out.npz",
    "derive": "derive --model model.toml --out out.txt",
    "certify": "certify --model lif --format json --out out.json",
    "check": "check --model lif --examples 10 --workers 2 --json",
}
MOMENTS = 12


def list_all():
    """All files of the working folder and the user's, hidden ones too."""
    home = Path.cwd().parent
    return {
        p.relative_to(home).as_posix() for p in home.rglob("*")
        if p.is_file() and "matplotlib" not in p.parts and "fontconfig" not in p.parts
    }  # fmt: skip


def read_results():
    """The content of what a command wrote; arrays as their bytes."""
    found = {}
    for path in sorted(p for p in Path().rglob("*") if p.is_file() and p.suffix != ".toml"):
        if path.suffix == ".npz":
            with np.load(path) as arrays:
                found[str(path)] = {name: arrays[name].tobytes() for name in arrays.files}
        else:
            found[str(path)] = path.read_bytes()
    return found


def clear():
    """Begin anew: no results, no caches."""
    for path in (*Path().glob("out.*"), Path("checks"), Path("../home")):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_after_any_moment_a_second_call_gives_the_same(name):
    write_batch()
    Path("model.toml").write_text(MODEL, encoding="utf-8")
    arguments = COMMANDS[name].split()
    seconds, printed = time_command(*arguments)
    files, results = list_all(), read_results()
    rng, killed, left = random.Random(1), 0, []
    for _ in range(MOMENTS):
        clear()
        killed += kill_after(rng.uniform(0, seconds), *arguments)
        _, text = time_command(*arguments)
        assert text == printed
        assert read_results() == results
        left.append(sorted(list_all() - files))
    LOG.info("%s: %d of %d killed while running; left over %s", name, killed, MOMENTS,
             [names for names in left if names])  # fmt: skip
    assert not any(left)
