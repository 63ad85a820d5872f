"""Threads for compiled kernels, which release the interpreter's lock while they run."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
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


def run_on_threads(function: Callable[[int], Any], n_tasks: int) -> list[Any]:
    """Call ``function(0)`` to ``function(n_tasks - 1)``, each on a thread of its own.

    Returns what they return.

    An exception of any call is raised here. A kernel that is not compiled yet is compiled once:
    Numba's compiler holds a lock of its own.
    """
    if n_tasks == 1:
        return [function(0)]
    return list(make_pool(n_tasks).map(function, range(n_tasks)))


@lru_cache(maxsize=4)
def make_pool(n_threads: int) -> ThreadPoolExecutor:
    """A pool that lives as long as the process."""
    return ThreadPoolExecutor(n_threads, thread_name_prefix="spiketheory")
