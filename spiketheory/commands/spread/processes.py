"""Where the work of a command is shared: processes of this machine, or of a cluster."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import click

if TYPE_CHECKING:
    from sim.cluster.client import ClusterOptions


class Pool(Protocol):
    """Processes that call functions."""

    def __enter__(self) -> Any: ...

    def __exit__(self, *error: Any) -> Any: ...

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> "Future[Any]":
        """Have one of them call a function."""
        ...

    def count(self) -> int:
        """How many calls run at a time."""
        ...


@contextmanager
def open_processes(
    where: "ClusterOptions | None",
    workers: int,
    prepare: Callable[..., None] | None = None,
    arguments: tuple[Any, ...] = (),
    *,
    remedy: str = "Begin anew.",
) -> Iterator[Pool]:
    """Processes for a command.

    Args:
        where: The cluster; None for processes of this machine.
        workers: How many of them there are.
        prepare: Called once in each; None for nothing.
        arguments: What it is called with.
        remedy: What to do if a cluster goes away.
    """
    if where is None:
        from spiketheory.workers import Workers

        with Workers(workers, prepare, arguments) as pool:
            yield pool
        return
    from sim.cluster.pool import open_pool

    with open_pool(where, prepare, arguments, remedy=remedy, say=say_aside) as found:
        yield found


def say_aside(text: str) -> None:
    """Say what is no result."""
    click.echo(text, err=True)


def run_ahead(
    pool: Pool, function: Callable[..., Any], tasks: Iterable[Any], *, ahead: int = 2
) -> Iterator[tuple[Any, Any]]:
    """Call a function for every task, some ahead of what is done.

    Args:
        pool: What calls it.
        function: The function, of a task.
        tasks: Its arguments; drawn as they are needed.
        ahead: Calls handed out for each that runs.

    Yields:
        Each task with what came of it, in the order of the tasks.
    """
    waiting: deque[tuple[Any, Future[Any]]] = deque()
    for task in tasks:
        waiting.append((task, pool.submit(function, task)))
        if len(waiting) >= ahead * pool.count():
            first, future = waiting.popleft()
            yield first, future.result()
    for first, future in waiting:
        yield first, future.result()
