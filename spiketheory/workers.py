"""Processes that share work, and end with the one that they work for, however that ends."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

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


def end_with(line: Connection) -> None:
    """Wait until the other end of the line is closed, then end this process."""
    try:
        line.recv_bytes()
    except (EOFError, OSError):
        os._exit(1)
