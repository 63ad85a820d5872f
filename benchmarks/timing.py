"""Taking turns: steps are measured one after the other, round by round, on the same machine."""

import gc
import time
from collections.abc import Callable, Mapping

PAUSE = 0.1
"""Seconds between two measurements: threads of BLAS and OpenMP spin for a while after their work
and would slow what comes next."""

Step = Callable[[], float]
"""Does something once and returns the seconds that it took."""


def time_calls(function: Callable[[], object], *, least: float) -> Step:
    """A step that calls ``function`` as often as takes ``least`` seconds, and returns the mean.

    The function is called once before, to warm up, and then until the number of calls is known.
    """
    function()
    calls, took = 1, time_once(function, 1)
    while took < least / 2 and calls < 1_000_000:
        calls = max(2 * calls, round(calls * 0.8 * least / max(took, 1e-9)))
        took = time_once(function, calls)
    return lambda: time_once(function, calls) / calls


def time_once(function: Callable[[], object], calls: int) -> float:
    """Seconds of so many calls, without the collection of garbage."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        start = time.perf_counter()
        for _ in range(calls):
            function()
        return time.perf_counter() - start
    finally:
        if was_enabled:
            gc.enable()


def interleave(
    steps: Mapping[str, Step],
    rounds: int,
    *,
    pause: float = PAUSE,
    show: Callable[[str], None] = lambda text: None,
) -> dict[str, list[float]]:
    """Seconds of every step, one value per round.

    Args:
        steps: The steps by name; each must have warmed up.
        rounds: How often each takes its turn. Every second round goes through them backwards.
        pause: Seconds of sleep before each.
        show: Called with the name of what is measured.
    """
    names = list(steps)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for k in range(rounds):
        for name in names if k % 2 == 0 else names[::-1]:
            show(f"{name}, round {k + 1} of {rounds}")
            time.sleep(pause)
            seconds[name].append(steps[name]())
    return seconds
