"""Two processes and one folder: the second is refused, and the lock ends with its process."""

import os
import signal
from pathlib import Path

import pytest
from commands import SMALL, assert_refused, list_files, run, run_ok
from leftovers import Command

from spiketheory import folder_lock
from spiketheory.errors import InputError
from spiketheory.folder_lock import FolderLock, is_locked

pytestmark = pytest.mark.usefixtures("own_folder")

HOLD = """
import sys, time
from pathlib import Path
from spiketheory.folder_lock import FolderLock
lock = FolderLock(Path(sys.argv[1]), *sys.argv[2:])
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder():
    """Starts a process that locks a folder; it is killed in the end."""
    started = []

    def start(*arguments):
        command = Command(*arguments, code=HOLD)
        started.append(command)
        assert command.process.stdout.readline() == "held\n"
        return command

    yield start
    for command in started:
        command.process.kill()
        command.end()


def test_a_second_process_is_refused_and_told_who_has_the_folder(holder):
    other = holder("run")
    assert is_locked(Path("run"))
    message = f"Expected a folder that nobody else writes to but process {other.process.pid} on"
    with pytest.raises(InputError, match=message):
        FolderLock(Path("run"))


def test_a_lock_ends_with_its_process(holder):
    other = holder("run")
    other.signal(signal.SIGKILL)
    other.end()
    assert Path("run/.lock").exists()
    assert not is_locked(Path("run"))
    FolderLock(Path("run")).release()
    assert list_files() == set()


def test_a_process_may_have_a_folder_twice():
    first, second = FolderLock(Path("run")), FolderLock(Path("run"))
    first.release()
    first.release()
    assert Path("run/.lock").exists()
    second.release()
    assert list_files() == set()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_has_none_of_its_parents_locks():
    lock = FolderLock(Path("run"))
    child = os.fork()
    if child == 0:
        os._exit(len(folder_lock.HELD))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert Path("run/.lock").exists()
    lock.release()


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", *SMALL, "--out", "run"),
        ("train", *SMALL, "--out", "run", "--overwrite"),
        ("check", "--model", "lif", "--workers", 1, "--out", "run"),
        ("check", "--attack", "--model", "lif", "--out", "run"),
        ("check", "--attack", "--random", 1, "--out", "run"),
        ("bench", "roofline", "--tiny", "--out", "run/out.json"),
    ],
)
def test_every_command_that_writes_a_folder_is_refused(arguments, holder):
    name = {"--model": ".lif.lock", "--random": ".random.lock"}
    found = [name[a] for a in arguments if a in name] or [".out.json.lock"]
    holder("run", ".lock" if arguments[0] == "train" else found[0])
    assert_refused(run(*arguments), "Expected a folder that nobody else writes to but process")
    assert not [f for f in list_files() if not f.endswith(".lock")]


def test_a_run_that_is_being_trained_is_not_resumed(trained, holder):
    before = Path("run/checkpoint.npz").read_bytes()
    holder("run")
    message = "Expected a folder that nobody else writes to"
    assert_refused(run("train", "--resume", "run", "--epochs", 3), message)
    assert Path("run/checkpoint.npz").read_bytes() == before
    run_ok("evaluate", "run", "--json")  # only reads


def test_a_run_without_a_name_takes_the_next_one(holder):
    holder("runs/digits-theta-seed0")
    run_ok("train", *SMALL, "--json")
    assert Path("runs/digits-theta-seed0-2/checkpoint.npz").exists()
    assert not Path("runs/digits-theta-seed0-2/.lock").exists()


def test_of_two_trainings_that_begin_at_once_none_is_lost():
    arguments = ("train", "--hidden", 5, "--epochs", 1, "--out", "run", "--json")
    both = [Command(*arguments), Command(*arguments)]
    ends = sorted((command.end(seconds=200)[::2] for command in both), key=lambda end: end[0])
    assert ends[0] == (0, "")
    assert ends[1][0] == 2
    assert "Expected a folder" in ends[1][1]
