"""A clear end for mathematics that takes too long."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from spiketheory.errors import DerivationError


@contextmanager
def limit_time(seconds: float, what: str) -> Iterator[None]:
    """Raise `DerivationError` in the block if it takes longer.

    Args:
        seconds: How long it may take; 0 is no limit.
        what: What takes place, for the message.

    Raises:
        DerivationError: When the time is over. Outside the main thread, and on systems without
            interval timers, there is no limit.
    """
    usable = hasattr(signal, "setitimer") and (
        threading.current_thread() is threading.main_thread()
    )
    if not usable or seconds <= 0:
        yield
        return

    def stop(_: int, __: FrameType | None) -> None:
        raise DerivationError(
            f"Expected {what} to take at most {seconds:g} s but it is not done; simplify the "
            "model, give its parameters domains, or allow more time (--timeout)."
        )

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
