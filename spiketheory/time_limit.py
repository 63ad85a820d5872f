"""A clear end for mathematics that takes too long."""

import signal
import threading
from types import FrameType, TracebackType

from spiketheory.errors import TimeLimitError

AGAIN = 0.1
"""Seconds after which a running block is told once more that its time is over."""


class OutOfTime(BaseException):
    """Says in the block that its time is over.

    No error, so that ``except Exception`` lets it pass; only `limit_time` catches it.
    """


class limit_time:
    """Raise `TimeLimitError` from the block if it takes longer.

    What a signal handler raises may be lost: in a callback of compiled code, in ``__del__``, or in
    an ``except`` that takes everything. So it is raised again until it has come through, and a
    block that lost it and came to an end all the same has failed, too.

    Blocks may be nested; the first time to be over counts.

    Args:
        seconds: How long it may take; 0 is no limit.
        what: What takes place, for the message.
        of_processor: Whether seconds of the processor count, so that a busy machine does not decide
            what takes too long; else those of the clock. The two kinds do not see each other.

    Raises:
        TimeLimitError: When the time is over. Outside the main thread, and on systems without
            interval timers, there is no limit.
    """

    def __init__(self, seconds: float, what: str, *, of_processor: bool = False) -> None:
        self.seconds, self.what = seconds, what
        self.clock = "PROF" if of_processor else "REAL"
        self.is_over = self.is_set = False

    def __enter__(self) -> None:
        usable = hasattr(signal, "setitimer") and (
            threading.current_thread() is threading.main_thread()
        )
        if not usable or self.seconds <= 0:
            return
        self.timer = getattr(signal, f"ITIMER_{self.clock}")
        self.number = signal.SIGPROF if self.clock == "PROF" else signal.SIGALRM
        outer, _ = signal.getitimer(self.timer)
        if 0 < outer <= self.seconds:
            return
        self.outer = outer
        self.before = signal.signal(self.number, self.stop)
        self.is_set = True
        signal.setitimer(self.timer, self.seconds, AGAIN)

    def stop(self, _: int, frame: FrameType | None) -> None:
        """Interrupt the block; not its beginning or end, which may be under way."""
        self.is_over = True
        if frame is None or frame.f_code not in (
            limit_time.__enter__.__code__, limit_time.__exit__.__code__
        ):  # fmt: skip
            raise OutOfTime

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, _: TracebackType | None
    ) -> None:
        if not self.is_set:
            return
        left, _again = signal.setitimer(self.timer, 0)
        signal.signal(self.number, self.before)
        if self.outer:
            passed = self.seconds - left if not self.is_over else self.seconds
            signal.setitimer(self.timer, max(self.outer - passed, AGAIN), AGAIN)
        if self.is_over and (err is None or isinstance(err, (Exception, OutOfTime))):
            raise TimeLimitError(
                f"Expected {self.what} to take at most {self.seconds:g} s but it is not done; "
                "simplify the model, give its parameters domains, or allow more time (--timeout)."
            ) from None
