"""Options that say where work is done."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from sim.cluster.client import ClusterOptions

WORKERS_OPTION = click.option(
    "--workers", type=click.IntRange(min=1), metavar="N",
    help="Worker processes on this machine.  [default: this process alone]",
)  # fmt: skip
FOLDER_WORKERS_OPTION = click.option(
    "--workers", type=click.IntRange(min=1), metavar="N",
    help="Of a folder: models at a time, each in a process of its own.  [default: 1]",
)  # fmt: skip
SCHEDULER_OPTION = click.option(
    "--scheduler", metavar="ADDRESS",
    help="A Dask scheduler that runs, such as tcp://10.0.0.1:8786.  [default: workers here]",
)  # fmt: skip
CLUSTER_OPTION = click.option(
    "--cluster", type=click.Path(path_type=Path), metavar="FILE.toml",
    help="A cluster that a queueing system starts (docs/cluster.md).  [default: workers here]",
)  # fmt: skip
MORE_OPTIONS = (
    click.option(
        "--threads", type=click.IntRange(min=1), metavar="N",
        help="Threads of each of them.  [default: 1]",
    ),
    click.option(
        "--memory", metavar="SIZE",
        help="Memory of each, such as 4GB; one that needs more is started anew.  "
        "[default: no limit]",
    ),
    SCHEDULER_OPTION,
    CLUSTER_OPTION,
)  # fmt: skip


def add_cluster_options(default: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add the options to a command, which gets them by name.

    Args:
        default: Who works if none of them is given.
    """
    workers = click.option(
        "--workers", type=click.IntRange(min=1), metavar="N",
        help=f"Worker processes on this machine.  [default: {default}]",
    )  # fmt: skip

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in (*reversed(MORE_OPTIONS), workers):
            command = option(command)
        return command

    return add


def read_cluster_options(
    *, workers: int | None, threads: int | None, memory: str | None, scheduler: str | None,
    cluster: Path | None,
) -> "ClusterOptions":  # fmt: skip
    """The options as one record.

    Raises:
        click.UsageError: If they contradict each other.
    """
    from sim.cluster.client import ClusterOptions
    from sim.threads import get_thread_count

    elsewhere = [n for n, v in (("--scheduler", scheduler), ("--cluster", cluster)) if v]
    here = [n for n, v in (("--workers", workers), ("--threads", threads), ("--memory", memory))
            if v]  # fmt: skip
    if len(elsewhere) > 1 or (elsewhere and here):
        raise click.UsageError(
            f"Expected workers here, --scheduler or --cluster but got {' and '.join(elsewhere)}"
            f"{' with ' + here[0] if here else ''}; choose one."
        )
    return ClusterOptions(
        workers=workers or get_thread_count(),
        threads=threads or 1,
        memory=memory,
        scheduler=scheduler,
        file=cluster,
    )


def read_place(
    *, workers: int | None, scheduler: str | None, cluster: Path | None
) -> "ClusterOptions | None":
    """Where a command that has processes of its own does its work; None for these.

    Raises:
        click.UsageError: If the options contradict each other.
    """
    if not (scheduler or cluster):
        return None
    return read_cluster_options(
        workers=workers, threads=None, memory=None, scheduler=scheduler, cluster=cluster
    )
