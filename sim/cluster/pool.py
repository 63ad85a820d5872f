"""A cluster as a pool of processes for what is shared between processes anyway."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sim.cluster.client import ClusterOptions, check_workers, load_distributed, open_client


class ClusterPool:
    """What `spiketheory.workers.Workers` is, on a cluster: call functions, get futures.

    Args:
        client: The cluster.
    """

    def __init__(self, client: Any) -> None:
        self.executor = client.get_executor(pure=False)

    def __enter__(self) -> "ClusterPool":
        return self

    def __exit__(self, *error: object) -> None:
        self.executor.shutdown(wait=False)

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Any:
        """Have a worker call a function; one that dies over it is replaced by another."""
        return self.executor.submit(function, *arguments)


@contextmanager
def open_pool(
    options: ClusterOptions,
    prepare: Callable[..., None] | None = None,
    arguments: tuple[Any, ...] = (),
) -> Iterator[tuple[ClusterPool, int]]:
    """A pool on a cluster, and how many calls it runs at a time.

    Args:
        options: Which cluster.
        prepare: Called once in each worker, also in those that join later; None for nothing.
        arguments: What it is called with.
    """
    distributed = load_distributed()

    class Prepare(distributed.WorkerPlugin):  # type: ignore[name-defined]
        """Calls a function in every worker."""

        name = "spiketheory-prepare"

        def setup(self, worker: Any) -> None:
            """Call it; what it raises is told to the client by the first call."""
            if prepare is not None:
                prepare(*arguments)

    with open_client(options) as client:
        client.wait_for_workers(1)  # a queueing system may take its time
        check_workers(client)
        client.register_plugin(Prepare())
        yield ClusterPool(client), sum(client.nthreads().values())
