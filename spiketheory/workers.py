"""Processes that share work, and end with the one that they work for, however that ends."""

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

from spiketheory.errors import ProcessError
from spiketheory.interrupts import ASKING, deliver_signals_after


class Workers:
    """A pool of fresh processes; a copy of this one could inherit locks that its threads hold.

    A block that ends with an exception ends the processes at once. They hear no signal of the
    terminal: this process does, and they end when their line to it is cut, by `kill -9` too.

    Args:
        number: How many there are at most.
        prepare: Called once in each.
        arguments: What it is called with.
    """

    def __init__(
        self,
        number: int,
        prepare: Callable[..., None] | None = None,
        arguments: tuple[Any, ...] = (),
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self.number = number
        self.line, self.end = context.Pipe(duplex=False)
        with block_signals():  # a process of multiprocessing's own is started, which counts locks
            self.pool = ProcessPoolExecutor(
                number, mp_context=context, initializer=begin,
                initargs=(self.line, prepare, arguments),
            )  # fmt: skip

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            self.end.close()
        try:
            self.pool.shutdown(cancel_futures=True)
        finally:
            self.end.close()
            self.line.close()

    def submit(self, function: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        """Have a process call a function.

        It may be started for that.
        """
        with block_signals():
            return self.pool.submit(function, *arguments)

    def count(self) -> int:
        """How many calls run at a time."""
        return self.number


@contextmanager
def block_signals(numbers: Iterable[int] = ASKING) -> Iterator[None]:
    """In the block no signal that asks to end interrupts the start of a process, or reaches it.

    What is blocked here is blocked there until it is ready.

    Args:
        numbers: The signals.
    """
    with deliver_signals_after():
        if not hasattr(signal, "pthread_sigmask"):
            yield
            return
        before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def begin(
    line: Connection, prepare: Callable[..., None] | None, arguments: tuple[Any, ...]
) -> None:
    """Make this process one of the workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ASKING)
    threading.Thread(target=end_with, args=(line,), daemon=True).start()
    if prepare is not None:
        prepare(*arguments)


def call_alone(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in the main thread of a process of its own, and wait.

    What takes all memory there, or crashes, takes no other work with it. The process ends with this
    one, however that ends.

    Returns:
        What the function returns; what it raises is raised.

    Raises:
        ProcessError: If the process dies.
    """
    end, line = os.pipe()
    code = f"from spiketheory.workers import answer; answer({end})"
    with block_signals():
        child = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, pass_fds=[end],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )  # fmt: skip
    try:
        said, errors = child.communicate(pickle.dumps((function, arguments)))
    finally:
        os.close(line)
        os.close(end)
        child.kill()
        child.wait()
    if child.returncode != 0:
        lines = errors.decode("utf-8", "replace").strip().splitlines()
        raise ProcessError(
            f"Expected the process of {function.__name__} to come to its end but it died, with "
            f"code {child.returncode} ({lines[-1] if lines else 'without a word'}); give it more "
            "memory, or leave it out."
        )
    is_good, value = pickle.loads(said)
    if not is_good:
        raise value
    return value


def answer(end: int) -> None:
    """Of a process of `call_alone`: read a call, and write what comes of it.

    Args:
        end: Of the line to the one that it works for.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ASKING)
    threading.Thread(target=end_with_line, args=(end,), daemon=True).start()
    out, sys.stdout = sys.stdout.buffer, sys.stderr  # whoever prints does not disturb
    function, arguments = pickle.load(sys.stdin.buffer)
    try:
        found = True, function(*arguments)
    except Exception as err:
        found = False, err
    out.write(pickle.dumps(found))
    out.flush()
    os._exit(0)


def end_with_line(end: int) -> None:
    """Wait until the other end of a line is closed, then end this process."""
    os.read(end, 1)
    os._exit(1)


def end_with(line: Connection) -> None:
    """Wait until the other end of the line is closed, then end this process."""
    try:
        line.recv_bytes()
    except (EOFError, OSError):
        os._exit(1)
