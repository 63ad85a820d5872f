import threading
import time

import pytest

from sim.threads import get_thread_count, run_on_threads
from spiketheory.errors import InputError


def test_without_the_variable_every_usable_core_counts(monkeypatch):
    monkeypatch.delenv("SPIKETHEORY_THREADS", raising=False)
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 2, 5}, raising=False)
    assert get_thread_count() == 3


def test_a_system_without_affinity_counts_its_cores(monkeypatch):
    monkeypatch.delenv("SPIKETHEORY_THREADS", raising=False)
    monkeypatch.delattr("os.sched_getaffinity", raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: None)
    assert get_thread_count() == 1


def test_the_variable_sets_the_number_of_threads(monkeypatch):
    monkeypatch.setenv("SPIKETHEORY_THREADS", "7")
    assert get_thread_count() == 7


@pytest.mark.parametrize("value", ["", "0", "-2", "two", "1.5", "²"])
def test_a_variable_that_is_no_positive_whole_number_is_refused(value, monkeypatch):
    monkeypatch.setenv("SPIKETHEORY_THREADS", value)
    with pytest.raises(InputError, match="Expected SPIKETHEORY_THREADS to be a positive") as caught:
        get_thread_count()
    assert repr(value) in str(caught.value)
    assert "unset it" in str(caught.value)


def test_every_task_runs_once_and_all_at_the_same_time():
    barrier = threading.Barrier(4, timeout=10)  # breaks unless four threads wait for each other
    done = []

    def task(i):
        barrier.wait()
        done.append(i)

    run_on_threads(task, 4)
    assert sorted(done) == [0, 1, 2, 3]


def test_a_free_thread_takes_what_is_left():
    """One task waits until all others are done, which then the other thread must have done."""
    rest_is_done = threading.Event()
    done = []

    def task(i):
        if i == 0:
            assert rest_is_done.wait(timeout=10)
        done.append(i)
        if len(done) == 8:
            rest_is_done.set()
        return i * i

    assert run_on_threads(task, 9, 2) == [i * i for i in range(9)]
    assert done == [*range(1, 9), 0]


def test_one_thread_does_all_tasks_in_turn():
    seen = []
    run_on_threads(lambda i: seen.append((i, threading.current_thread())), 3, 1)
    assert seen == [(i, threading.current_thread()) for i in range(3)]


def test_an_error_is_raised_when_all_threads_are_done():
    begun, failed, other_done = threading.Event(), threading.Event(), threading.Event()

    def task(i):
        if threading.current_thread() is threading.main_thread():
            assert begun.wait(timeout=10)
            failed.set()
            raise KeyError("of this thread")
        begun.set()
        failed.wait(timeout=10)
        time.sleep(0.05)
        other_done.set()

    with pytest.raises(KeyError, match="of this thread"):
        run_on_threads(task, 2)
    assert other_done.is_set()


def test_after_an_error_nothing_else_is_begun():
    begun = []

    def task(i):
        begun.append(i)
        if i == 0:
            raise KeyError("of the first task")
        time.sleep(0.01)

    with pytest.raises(KeyError, match="of the first task"):
        run_on_threads(task, 100, 2)
    assert len(begun) < 50


def test_a_single_task_runs_on_the_callers_thread():
    seen = []
    run_on_threads(lambda i: seen.append((i, threading.current_thread())), 1)
    assert seen == [(0, threading.current_thread())]


@pytest.mark.parametrize("n_tasks", [1, 3])
def test_an_error_of_any_task_reaches_the_caller(n_tasks):
    def task(i):
        if i == n_tasks - 1:
            raise KeyError("of the last task")

    with pytest.raises(KeyError, match="of the last task"):
        run_on_threads(task, n_tasks)
