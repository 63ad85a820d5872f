"""Calls in processes of their own, tasks handed out ahead, and journals of what is done."""

import json
import math
import os
import signal
import sys
import time
from concurrent.futures import Future

import pytest
from commands import start_process

from sim.cluster.train_task import name_in_full
from spiketheory.checking.journal import Lines
from spiketheory.commands.spread.processes import run_ahead
from spiketheory.errors import InputError, ProcessError
from spiketheory.workers import call_alone


def test_a_process_of_its_own_returns_raises_or_dies_in_words():
    assert call_alone(math.hypot, 3.0, 4.0) == 5.0
    with pytest.raises(ValueError, match="math domain error"):
        call_alone(math.sqrt, -1.0)
    with pytest.raises(ProcessError, match=r"Expected the process of _exit .* with code 3"):
        call_alone(os._exit, 3)


@pytest.mark.slow
def test_a_process_of_its_own_ends_with_the_one_that_it_works_for(tmp_path):
    code = (
        "import os, sys, time\nfrom spiketheory.workers import call_alone\n"
        "def work(path):\n    open(path, 'w').write(str(os.getpid()))\n    time.sleep(600)\n"
    )
    (tmp_path / "own.py").write_text(code)
    path = tmp_path / "pid"
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import own; own.call_alone(own.work, {str(path)!r})"  # noqa: E501
    process = start_process(code=program)
    while not (path.exists() and path.read_text()):
        time.sleep(0.05)
    child = int(path.read_text())
    process.send_signal(signal.SIGKILL)
    process.communicate()
    end = time.monotonic() + 30
    while is_alive(child):
        assert time.monotonic() < end
        time.sleep(0.05)


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().split()[2] != "Z"
    except OSError:
        return False


class Slow:
    """A pool of two whose calls are done only when somebody waits for the first."""

    def __init__(self):
        self.given = []

    def count(self):
        return 2

    def submit(self, function, task):
        self.given.append(task)
        future = Future()
        future.set_result(function(task))
        return future


def test_tasks_are_handed_out_ahead_but_not_all_and_come_back_in_order():
    pool, seen = Slow(), []
    for task, found in run_ahead(pool, lambda k: k * k, range(100), ahead=2):
        seen.append((task, found))
        assert len(pool.given) - len(seen) <= 3
    assert seen == [(k, k * k) for k in range(100)]


def test_names_of_files_are_those_of_any_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = {"dataset": "a/trials.npz", "model": "b.toml", "epochs": 3}
    assert name_in_full(given) == {
        "dataset": str(tmp_path / "a/trials.npz"), "model": str(tmp_path / "b.toml"), "epochs": 3,
    }  # fmt: skip
    assert name_in_full({"dataset": "digits", "model": "lif"}) == {
        "dataset": "digits", "model": "lif",
    }  # fmt: skip


def test_a_journal_is_read_again_without_a_line_that_is_not_whole(tmp_path):
    path, head = tmp_path / "new" / "j.jsonl", {"model": "lif", "seed": 1}
    lines = Lines(path, head, "check")
    assert lines.found == []
    lines.write([1, "a"])
    lines.write([2, "b"])
    path.write_text(path.read_text() + "[3, ")
    again = Lines(path, head, "check")
    assert again.found == [[1, "a"], [2, "b"]]
    again.write([3, "c"])
    assert [json.loads(line) for line in path.read_text().splitlines()[1:]] == [
        [1, "a"], [2, "b"], [3, "c"],
    ]  # fmt: skip
    with pytest.raises(InputError, match=r"Expected the journal .* to be of this check but it is"):
        Lines(path, {**head, "seed": 2}, "check")


def test_a_journal_of_a_million_examples_is_read(tmp_path):
    """Text of other files has a limit of 10 MB."""
    path, line = tmp_path / "j.jsonl", json.dumps(["continuity", 12345, 25, 0, 25, 0.123456789])
    lines = Lines(path, {"model": "lif"}, "check")
    count = 11_000_000 // (len(line) + 1)
    path.write_text(path.read_text() + f"{line}\n" * count)
    assert len(Lines(path, {"model": "lif"}, "check").found) == count
    assert lines.found == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs a file that is no folder")
def test_a_journal_where_nothing_can_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="Expected to keep what is done in"):
        Lines(tmp_path / "file" / "j.jsonl", {}, "check")
