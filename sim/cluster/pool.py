"""A cluster as a pool of processes for what is shared between processes anyway."""

from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from sim.cluster.client import (
    ClusterOptions,
    check_here,
    check_workers,
    explain_gone,
    explain_killed,
    explain_missing,
    list_gone,
    load_distributed,
    open_client,
)
from spiketheory.errors import ClusterError
from spiketheory.machine.versions import describe_versions


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """What a worker does before it works for a client.

    Attributes:
        function: Called once, and again after work for another client; None for nothing.
        arguments: What it is called with.
        versions: What the client computes with.
    """

    function: Callable[..., None] | None
    arguments: tuple[Any, ...]
    versions: dict[str, str]


PREPARATIONS: dict[str, Preparation] = {}
"""Of a worker: one for each client that it works for."""
CURRENT = {"key": ""}
"""Of a worker: whom it is prepared for."""


def keep(key: str, preparation: Preparation | None) -> None:
    """Keep what a worker does first for a client; None forgets it."""
    if preparation is None:
        PREPARATIONS.pop(key, None)
    else:
        PREPARATIONS[key] = preparation


def call_prepared(key: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a worker that is prepared, or is made so now.

    Raises:
        WorkerError: If the worker computes otherwise than the client.
    """
    if CURRENT["key"] != key:
        own = PREPARATIONS[key]
        check_here(own.versions)
        CURRENT["key"] = ""
        if own.function is not None:
            own.function(*own.arguments)
        CURRENT["key"] = key
    return function(*arguments)


class ClusterPool:
    """What `spiketheory.workers.Workers` is, on a cluster: call functions, get futures.

    Args:
        client: The cluster.
        key: Of the workers' `Preparation`.
        remedy: What to do if the cluster goes away.
    """

    def __init__(self, client: Any, key: str, remedy: str) -> None:
        self.client, self.key, self.remedy = client, key, remedy
        self.executor = client.get_executor(pure=False)

    def __enter__(self) -> "ClusterPool":
        return self

    def __exit__(self, *error: object) -> None:
        self.executor.shutdown(wait=False)

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Any:
        """Have a worker call a function; one that dies over it is replaced by another."""
        with explain_loss(self.remedy):
            return self.executor.submit(call_prepared, self.key, function, *arguments)

    def count(self) -> int:
        """How many calls run at a time: workers join and leave."""
        with explain_loss(self.remedy):
            return max(sum(self.client.nthreads().values()), 1)


@contextmanager
def explain_loss(remedy: str) -> Iterator[None]:
    """Say in words that the scheduler does not answer."""
    try:
        yield
    except list_gone() as err:
        raise explain_gone(err, remedy) from err


@contextmanager
# Long: half of it says what it takes.
def open_pool(
    options: ClusterOptions,
    prepare: Callable[..., None] | None = None,
    arguments: tuple[Any, ...] = (),
    *,
    remedy: str = "Begin anew.",
    say: Callable[[str], None] | None = None,
) -> Iterator[ClusterPool]:
    """A pool on a cluster.

    Args:
        options: Which cluster.
        prepare: Called once in each worker, also in those that join later; None for nothing.
        arguments: What it is called with.
        remedy: What to do if the cluster goes away.
        say: See `open_client`.

    Raises:
        ClusterError: If the cluster goes away, or workers die over a call again and again.
        WorkerError: If a worker computes otherwise than this process.
    """
    distributed = load_distributed()
    key, versions = uuid4().hex, describe_versions()

    class Prepare(distributed.WorkerPlugin):  # type: ignore[name-defined]
        """Brings to every worker what is to be done before its first call."""

        name = f"spiketheory-{key}"

        def setup(self, worker: Any) -> None:
            """Keep it for the first call."""
            keep(key, Preparation(function=prepare, arguments=arguments, versions=versions))

        def teardown(self, worker: Any) -> None:
            """Forget it."""
            keep(key, None)

    with open_client(options, say) as client:
        with explain_loss(remedy):
            check_workers(client)
            client.register_plugin(Prepare())
        try:
            yield ClusterPool(client, key, remedy)
        except distributed.scheduler.KilledWorker as err:
            raise ClusterError(f"{explain_killed(err)} {remedy}") from err
        except ImportError as err:
            raise explain_missing(err) from err
        except (CancelledError, distributed.client.FutureCancelledError) as err:
            raise explain_gone(err, remedy) from err
        finally:
            with suppress(Exception):  # the scheduler may have gone
                client.unregister_worker_plugin(Prepare.name)
