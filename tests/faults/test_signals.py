"""SIGINT, SIGTERM and SIGHUP: no process left, no half of a file, and the exit code of a shell."""

import random
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from commands import ROOT, list_files
from leftovers import Command

from sim.training.checkpoint import load_checkpoint

pytestmark = [
    pytest.mark.usefixtures("own_folder"),
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="needs signals of POSIX"),
    pytest.mark.skipif(not Path("/proc").exists(), reason="needs /proc"),
]

CODES = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129}
NETWORK = ROOT / "examples" / "learning" / "recurrent_network.toml"
LONG = {
    "train": "train --hidden 20 --epochs 100000 --out run --overwrite",
    "train a network": f"train --config {NETWORK} --epochs 100000 --out run --overwrite",
    "simulate": "simulate trial.npz --backend numpy --out out.npz",
    "derive": "derive --model qif --no-cache --out out.txt",
    "certify": "certify --model qif --out out.txt",
    "certify a map": "certify --model qif --map tau_m,tau_s --out map.png",
    "check": "check --model lif --examples 100000 --workers 2",
    "attack": "check --attack --model nlif --assume w>=0 --minutes 100",
    "attack random models": "check --attack --random 1000 --workers 2",
    "bench": "bench --quick --out bench/out.json",
}

SECONDS = ("derive", "certify", "certify a map")
"""Commands that may be done before a signal comes."""


def write_trial():
    """A recurrent network that takes long, interpreted."""
    rng = np.random.default_rng(0)
    np.savez("trial.npz", model="theta", T=1e6, weights=rng.normal(0, 0.01, (30, 30)), I0=1.0)


def stop(name, seconds, number, *, group):
    """Send a signal to a command after a while; nothing may be wrong with what is left.

    Returns whether it met the command. One that takes seconds may be done, with all that it was to
    write, or be about to end.
    """
    if name in SECONDS:
        Path(LONG[name].split()[-1]).unlink(missing_ok=True)
    command = Command(*LONG[name].split())
    time.sleep(seconds)
    command.signal(getattr(signal, number), group=group)
    code, _, stderr = command.end()
    assert not command.wait_for_none(), f"{name}, {number} after {seconds} s"
    # Before the program has its handlers, the system or Python ends it.
    early = seconds < 1 and code in (-getattr(signal, number), 1, 130)
    is_written = Path(LONG[name].split()[-1]).is_file()
    done = name in SECONDS and is_written and code in (0, -getattr(signal, number))
    assert code == CODES[number] or early or done, (name, number, seconds, code, stderr)
    assert "Traceback" not in stderr or early, stderr
    check_files()
    return not done


def check_files():
    """All files are whole; none is temporary."""
    for path in map(Path, list_files()):
        assert not path.name.startswith("."), path
        if path.name == "checkpoint.npz":
            load_checkpoint(path)
        elif path.suffix == ".npz":
            with np.load(path) as arrays:
                assert all(arrays[name].size >= 0 for name in arrays.files)


QUICK = [("derive", "SIGTERM", False, 1.5), ("check", "SIGHUP", True, 2.5)]


@pytest.mark.parametrize(("name", "number", "group", "seconds"), QUICK)
def test_a_signal_ends_a_command_and_all_that_it_started(name, number, group, seconds):
    assert stop(name, seconds, number, group=group)


def measure(name):
    """Seconds of a command that nobody stops; what it writes is removed again."""
    begin = time.monotonic()
    command = Command(*LONG[name].split())
    assert command.end()[0] == 0
    seconds = time.monotonic() - begin
    Path(LONG[name].split()[-1]).unlink()
    return seconds


@pytest.mark.slow
@pytest.mark.parametrize("name", LONG)
@pytest.mark.parametrize("number", CODES)
def test_signals_end_every_long_command_at_any_moment(name, number):
    write_trial()
    rng = random.Random(f"{name} {number}")
    longest = min(measure(name), 8) if name in SECONDS else 8
    met = [stop(name, rng.uniform(0.3, longest), number, group=k % 2 == 0) for k in range(4)]
    assert any(met)


def test_ctrl_c_while_workers_start_prints_no_traceback():
    command = Command("check", "--model", "lif", "--workers", 2)
    command.wait_for(lambda: len(command.list_processes()) > 2)  # the first worker
    command.signal(signal.SIGINT, group=True)
    code, stdout, stderr = command.end()
    assert (code, stdout, stderr) == (130, "", "Stopped.\n")


def test_workers_end_with_a_parent_that_is_killed():
    command = Command("check", "--model", "lif", "--examples", 10**5, "--workers", 2)
    command.wait_for(lambda: len(command.list_processes()) > 3)
    command.signal(signal.SIGKILL)
    command.end()  # nobody holds the pipes
    assert not command.wait_for_none()


IGNORING = """
import signal, sys
signal.signal(signal.SIGHUP, signal.SIG_IGN)
sys.argv = ["cli.py", *sys.argv[1:]]
from spiketheory.commands.main import main
main()
"""


def test_what_nohup_ignores_is_ignored():
    command = Command("models", "--json", code=IGNORING)
    time.sleep(0.5)
    command.signal(signal.SIGHUP)
    code, stdout, stderr = command.end()
    assert (code, stderr) == (0, "")
    assert stdout.startswith("[")


LOSING = """
import sys, time
from spiketheory import interrupts
interrupts.AGAIN, interrupts.PATIENCE = 0.2, 2.0
lost = 0
try:
    with interrupts.raise_stops():
        print("ready", flush=True)
        while True:
            try:
                time.sleep(60)
            except BaseException:
                lost += 1
                if lost > int(sys.argv[1]):
                    raise
except interrupts.Stop as stop:
    print(lost)
    sys.exit(100 + stop.number)
"""


@pytest.mark.parametrize(("times", "code", "printed"), [(2, 115, "3\n"), (1000, 143, "")])
def test_a_signal_that_is_lost_comes_again_until_the_process_is_ended(times, code, printed):
    command = Command(times, code=LOSING)
    assert command.process.stdout.readline() == "ready\n"
    time.sleep(0.3)  # it is in the loop
    begun = time.monotonic()
    command.signal(signal.SIGTERM)
    ended, stdout, stderr = command.end()
    assert time.monotonic() < begun + 10
    assert (ended, stdout) == (code, printed)
    assert stderr == ("Stopped.\n" if code == 143 else "")


def test_results_of_a_simulation_that_is_terminated_are_written():
    write_trial()
    command = Command("simulate", "trial.npz", "--backend", "numpy", "--out", "out.npz")
    time.sleep(3)
    command.signal(signal.SIGTERM)
    code, stdout, stderr = command.end()
    assert code == 143, stderr
    assert "Stopped at t" in stdout
    with np.load("out.npz") as arrays:
        assert len(arrays["spike_time"]) == len(arrays["spike_neuron"])
