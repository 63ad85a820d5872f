"""Signals that ask a program to end: held back where they would do harm, heard in the end.

Python runs a signal's handler between two instructions of the main thread, and what it raises there
may break what is under way (compiled code half handed over) or get lost (a callback, ``__del__``,
an ``except`` that takes everything). So it is held back while something is compiled, and a program
of ours has a watcher: it raises again what was lost, and ends the process if nothing helps.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

ASKING = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
"""What asks a program to end: Ctrl-C, ``kill``, a terminal that closes."""
TIMERS = tuple(getattr(signal, name) for name in ("SIGALRM", "SIGPROF") if hasattr(signal, name))
"""What `spiketheory.time_limit` uses."""
AGAIN = 2.0
"""Seconds after which a program that goes on all the same is asked once more."""
PATIENCE = 10.0
"""Seconds after which it is ended."""


class Stop(KeyboardInterrupt):
    """A signal asked the program to end.

    Attributes:
        number: Of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Requests:
    """What this process was asked for.

    Attributes:
        number: Of the last signal that asked it to end; 0 if there was none.
        count: How often that was.
        is_open: Whether nobody has heard of the last one yet.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """A program begins."""
        self.number, self.count, self.is_open = 0, 0, False

    def note(self, number: int) -> None:
        """A signal's handler runs."""
        self.number, self.count, self.is_open = number, self.count + 1, True

    def hear(self) -> None:
        """Who can end the program knows of it."""
        self.is_open = False


REQUESTS = Requests()


def find_exit_code(number: int = 0) -> int:
    """What a program ends with that was asked to end; as shells have it.

    Args:
        number: Of the signal; 0 is the last that came, and Ctrl-C if there was none.
    """
    return 128 + (number or REQUESTS.number or signal.SIGINT)


def is_main_thread() -> bool:
    """Whether this is the thread that handlers run in."""
    return threading.current_thread() is threading.main_thread()


def raise_stop(number: int, _: FrameType | None) -> None:
    """The handler of a program of ours."""
    REQUESTS.note(number)
    raise Stop(number)


class Deferral:
    """Signals that came while something was under way.

    Attributes:
        handlers: What they would have called; empty if nothing is held back.
        waiting: Their numbers.
    """

    def __init__(self) -> None:
        self.handlers: dict[int, Callable[[int, FrameType | None], Any]] = {}
        self.waiting: list[int] = []

    def keep(self, number: int, _: FrameType | None) -> None:
        """The handler meanwhile."""
        if number not in self.waiting:
            self.waiting.append(number)

    def begin(self) -> None:
        """Hold back all that have a handler in Python."""
        for number in (*ASKING, *TIMERS):
            handler = signal.getsignal(number)
            if callable(handler):
                self.handlers[number] = handler
                signal.signal(number, self.keep)

    def end(self) -> None:
        """Hold back nothing more."""
        for number, handler in self.handlers.items():
            signal.signal(number, handler)
        self.handlers = {}

    def deliver(self, handlers: dict[int, Callable[[int, FrameType | None], Any]]) -> None:
        """Call the handlers of those that came; one may raise, the others come later."""
        while self.waiting:
            number = self.waiting.pop(0)
            handlers[number](number, None)


DEFERRAL = Deferral()


@contextmanager
def deliver_signals_after() -> Iterator[None]:
    """Hold signals back until the block is done; at the end of an inner block, too, they come.

    Handlers must not be changed in the block. In other threads than the main one nothing happens:
    no handler runs there.
    """
    if not is_main_thread():
        yield
        return
    is_outer = not DEFERRAL.handlers
    if is_outer:
        DEFERRAL.begin()
    handlers = dict(DEFERRAL.handlers)
    try:
        yield
    finally:
        if is_outer:
            DEFERRAL.end()
        DEFERRAL.deliver(handlers)


@contextmanager
def catch_interrupt() -> Iterator[Callable[[], bool]]:
    """Within the block the first request to end is remembered; a second one interrupts as ever.

    Yields:
        A function that says whether there was one.
    """
    asked = threading.Event()
    before = {n: signal.getsignal(n) for n in ASKING} if is_main_thread() else {}

    def remember(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            handler = before[number]
            assert callable(handler)
            handler(number, frame)
        REQUESTS.note(number)
        asked.set()

    def is_asked() -> bool:
        if asked.is_set():
            REQUESTS.hear()
        return asked.is_set()

    # What has no handler of Python's is ignored, or ends the process, as ever.
    caught = [number for number, handler in before.items() if callable(handler)]
    try:
        for number in caught:
            signal.signal(number, remember)
        yield is_asked
    finally:
        for number in caught:
            signal.signal(number, before[number])


@contextmanager
def raise_stops() -> Iterator[None]:
    """Within the block, that of a whole program, signals that ask it to end raise `Stop`.

    One that the program was told to ignore, as by ``nohup``, is ignored. A program that goes on all
    the same is asked again after `AGAIN` seconds, and ended after `PATIENCE`.
    """
    unused = (signal.SIG_DFL, signal.default_int_handler)
    before = {n: signal.getsignal(n) for n in ASKING if signal.getsignal(n) in unused}
    if not is_main_thread() or not before:
        yield
        return
    REQUESTS.clear()
    hook = sys.unraisablehook
    with watch():
        try:
            for number in before:
                signal.signal(number, raise_stop)
            sys.unraisablehook = lambda lost: None if is_stop(lost.exc_value) else hook(lost)
            yield
        finally:
            sys.unraisablehook = hook
            for number, handler in before.items():
                signal.signal(number, handler)


def is_stop(err: BaseException | None) -> bool:
    """Whether an exception is `Stop`, of which there is nothing to say where it is lost."""
    return isinstance(err, Stop)


@contextmanager
def watch() -> Iterator[None]:
    """Within the block a thread sees to it that requests are heard."""
    if not hasattr(signal, "pthread_kill"):
        yield
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    done = threading.Event()
    watcher = threading.Thread(target=insist, args=(reader, done), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        signal.set_wakeup_fd(before)
        os.close(writer)
        watcher.join()
        os.close(reader)


def insist(reader: int, done: threading.Event) -> None:
    """Wait for requests; raise again, and at last end the process, while one is not heard.

    The system writes a signal's number to the pipe at once, whatever the main thread is in.
    """
    main, earlier = threading.main_thread().ident, REQUESTS.count
    assert main is not None
    while numbers := os.read(reader, 256):
        asking = [number for number in numbers if number in ASKING]
        if not asking:
            continue
        for _ in range(round(PATIENCE / AGAIN)):
            if done.wait(AGAIN) or (REQUESTS.count > earlier and not REQUESTS.is_open):
                break
            signal.pthread_kill(main, asking[0])
        else:
            end_process(asking[0])
        earlier = REQUESTS.count


def hurry(code: int) -> None:
    """End a program that is over but waits for its threads; in `AGAIN` seconds."""
    timer = threading.Timer(AGAIN, os._exit, (code,))
    timer.daemon = True
    timer.start()


def end_process(number: int) -> None:
    """End this process and all that it started, without another word of theirs."""
    with contextlib.suppress(OSError):
        os.write(2, b"Stopped.\n")
    for child in list_children(os.getpid()):
        with contextlib.suppress(OSError):
            os.kill(child, signal.SIGKILL)
    os._exit(find_exit_code(number))


def list_children(process: int) -> list[int]:
    """All processes that one has started, however far; none where the system does not tell."""
    found = []
    for path in Path(f"/proc/{process}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(child) for child in path.read_text(encoding="ascii").split()]
    return found + [deeper for child in found for deeper in list_children(child)]
