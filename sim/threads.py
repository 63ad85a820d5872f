"""Threads for compiled kernels, which release the interpreter's lock while they run."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import lru_cache
from typing import Any

from spiketheory.errors import InputError


def get_thread_count() -> int:
    """How many threads a batch is spread over: ``$SPIKETHEORY_THREADS``, else every core."""
    wanted = os.environ.get("SPIKETHEORY_THREADS")
    if wanted is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (
            os.cpu_count() or 1
        )  # fmt: skip
    if not wanted.isdecimal() or int(wanted) < 1:
        raise InputError(
            f"Expected SPIKETHEORY_THREADS to be a positive whole number but got {wanted!r}; "
            "set it to the number of cores to use, or unset it."
        )
    return int(wanted)


def run_on_threads(
    function: Callable[[int], Any], n_tasks: int, n_threads: int | None = None
) -> list[Any]:
    """Call ``function(0)`` to ``function(n_tasks - 1)``; whichever thread is free takes the next.

    Args:
        function: What is called.
        n_tasks: How often.
        n_threads: On so many threads, of which the caller's is one; by default one for each call.

    Returns:
        What the calls return.

    An exception of any call is raised here, when all threads are done. A kernel that is not
    compiled yet is compiled once: Numba's compiler holds a lock of its own.
    """
    results: list[Any] = [None] * n_tasks
    tasks = iter(range(n_tasks))

    def work() -> None:
        try:
            for task in tasks:
                results[task] = function(task)
        except BaseException:
            list(tasks)  # nobody begins another
            raise

    n_others = min(n_threads or n_tasks, n_tasks) - 1
    if n_others < 1:
        work()
        return results
    others = [make_pool(n_others).submit(work) for _ in range(n_others)]
    try:
        work()
    finally:
        wait(others)
    for other in others:
        other.result()
    return results


@lru_cache(maxsize=4)
def make_pool(n_threads: int) -> ThreadPoolExecutor:
    """A pool that lives as long as the process."""
    return ThreadPoolExecutor(n_threads, thread_name_prefix="spiketheory")


if hasattr(os, "register_at_fork"):  # a forked child inherits the pools but none of their threads
    os.register_at_fork(after_in_child=make_pool.cache_clear)
