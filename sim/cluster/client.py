"""Open a cluster: on this machine, at an address, or one that a queueing system starts.

Dask has the scheduler, the transport and the recovery of lost workers; it is asked for here alone.
"""

import contextlib
import importlib
import logging
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spiketheory.errors import ClusterError, InputError, WorkerError
from spiketheory.machine.versions import check_versions, describe_versions
from spiketheory.reading import DamagedError, parse_toml, read_text, show
from spiketheory.workers import block_signals

QUEUES = {
    "htcondor": "HTCondorCluster", "lsf": "LSFCluster", "oar": "OARCluster", "pbs": "PBSCluster",
    "sge": "SGECluster", "slurm": "SLURMCluster", "kubernetes": "KubeCluster",
}  # fmt: skip
"""Kinds of clusters in a cluster file, and the classes of dask-jobqueue and dask-kubernetes."""
CONNECT_SECONDS = 30
THREADS = "SPIKETHEORY_THREADS"


@dataclass(frozen=True, kw_only=True)
class ClusterOptions:
    """Where work is done.

    Attributes:
        workers: Processes on this machine; ignored if there is a scheduler or a file.
        threads: Threads of each of them for its kernels.
        memory: Memory of each, such as ``4GB``; None for none of its own.
        scheduler: Address of a scheduler that runs, such as ``tcp://10.0.0.1:8786``.
        file: A cluster file, see `read_cluster_file`.
    """

    workers: int = 1
    threads: int = 1
    memory: str | None = None
    scheduler: str | None = None
    file: Path | None = None


def load_distributed() -> Any:
    """Dask's scheduler; an error that says how to install it."""
    try:
        distributed = importlib.import_module("distributed")
    except ImportError as err:
        raise InputError(
            f"Expected Dask for work on several processes but got none ({err}); install it with "
            "pip install 'spiketheory[cluster]'."
        ) from err
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # we say what it would
    logging.getLogger("distributed.nanny").addFilter(is_of_use)
    return distributed


def is_of_use(record: logging.LogRecord) -> bool:
    """Whether a line of Dask's is of use: not that a worker on a busy machine ends slowly."""
    return "still alive after" not in record.getMessage()


@contextlib.contextmanager
def open_client(options: ClusterOptions, say: Callable[[str], None] | None = None) -> Iterator[Any]:
    """A client of the cluster that ``options`` describe; one that was started here ends here.

    Args:
        options: Which cluster.
        say: Called with a text if there is no worker yet: a queueing system may take its time.

    Yields:
        A client of `distributed`; there is a worker.

    Raises:
        InputError: If Dask is missing, the file is none, or nobody answers at the address.
    """
    distributed = load_distributed()
    with contextlib.ExitStack() as stack:
        if options.scheduler:
            where: Any = options.scheduler
        elif options.file is not None:
            where = stack.enter_context(start_queued(options.file))
        else:
            where = stack.enter_context(start_local(distributed, options))
        try:
            client = stack.enter_context(distributed.Client(where, timeout=CONNECT_SECONDS))
        except (OSError, TimeoutError, ValueError) as err:
            said = str(err) if isinstance(err, ValueError) else type(err).__name__
            raise InputError(
                f"Expected a scheduler at {show(options.scheduler)} but got none ({said}); start "
                "one with `dask scheduler`, and give its address, such as tcp://10.0.0.1:8786."
            ) from err
        if say is not None and not client.nthreads():
            say("Waiting for a first worker of the cluster ...")
        client.wait_for_workers(1)
        yield client


def start_local(distributed: Any, options: ClusterOptions) -> Any:
    """Worker processes on this machine, one task each at a time; Ctrl-C does not reach them."""
    check_memory_size(options.memory)
    environment = {THREADS: str(options.threads), "MALLOC_TRIM_THRESHOLD_": "65536"}
    with block_signals([signal.SIGINT]):  # they end by others
        return distributed.LocalCluster(
            n_workers=options.workers, threads_per_worker=1, processes=True, env=environment,
            memory_limit=options.memory or 0, dashboard_address=":0", host="127.0.0.1",
        )  # fmt: skip


def check_memory_size(size: str | None) -> None:
    """Raise `InputError` unless a text is a number of bytes."""
    if size is None:
        return
    try:
        number = importlib.import_module("dask.utils").parse_bytes(size)
    except ValueError:
        number = 0
    if number <= 0:
        raise InputError(
            f"Expected a size such as 4GB for --memory but got {show(size)}; correct it."
        )


def start_queued(path: Path) -> Any:
    """The cluster that a cluster file describes, with as many workers as it says."""
    name, workers, settings = read_cluster_file(path)
    package = "dask_kubernetes.operator" if name == "KubeCluster" else "dask_jobqueue"
    try:
        kind = getattr(importlib.import_module(package), name)
        check_submission(kind, path)
        made = kind(**settings)
    except ImportError as err:
        raise InputError(
            f"Expected {package.split('.')[0]} for the cluster in {path} but got none; install it "
            f"with pip install {package.split('.')[0].replace('_', '-')}."
        ) from err
    except (TypeError, ValueError) as err:
        raise InputError(
            f"Expected options of {name} in {path} but it says: {err}; correct [options]."
        ) from err
    made.scale(workers)
    return made


def check_submission(kind: Any, path: Path) -> None:
    """Raise `InputError` unless jobs can be given to a queueing system from this machine."""
    command = getattr(getattr(kind, "job_cls", None), "submit_command", "")
    program = command.split()[0] if command else ""
    if program and shutil.which(program) is None:
        raise InputError(
            f"Expected the program {program} for the cluster in {path} but this machine has none; "
            "give the command where jobs are submitted."
        )


def read_cluster_file(path: Path) -> tuple[str, int, Mapping[str, Any]]:
    """The class, number of workers and options of a cluster file.

    It is TOML with ``kind`` (``slurm``, ``pbs``, ``kubernetes``, ...), ``workers``, and a table
    ``[options]`` with what the class of dask-jobqueue or dask-kubernetes takes.
    """
    try:
        values = parse_toml(read_text(path))
    except DamagedError as err:
        raise InputError(
            f"Expected a cluster file in {path} but reading it failed: {err}; "
            "write kind, workers and [options]."
        ) from err
    unknown = sorted(set(values) - {"kind", "workers", "options"})
    kind, workers, settings = (values.get(n) for n in ("kind", "workers", "options"))
    is_number = isinstance(workers, int) and not isinstance(workers, bool) and workers > 0
    if unknown or kind not in QUEUES or not is_number or not isinstance(settings or {}, Mapping):
        came = f"{unknown[0]!r}" if unknown else f"kind = {show(kind)}, workers = {show(workers)}"
        raise InputError(
            f"Expected kind (one of {', '.join(QUEUES)}), workers >= 1 and a table [options] in "
            f"{path} but got {came}; correct the cluster file."
        )
    assert isinstance(workers, int)
    return QUEUES[kind], workers, settings or {}


def check_workers(client: Any) -> None:
    """Raise `WorkerError` unless all workers that are there compute as this process does.

    Those that join later are looked at by each task, see `check_here`.
    """
    own = describe_versions()
    answers = client.run(describe_worker, on_error="return")
    for where, found in sorted(answers.items()):
        if isinstance(found, Exception):
            raise explain_missing(found, whose=f"the worker {where}")
        versions, threads = found
        check_versions(own, whose=f"the worker {where}", own=versions)
        check_threads(threads, whose=f"the worker {where}")


def explain_missing(err: BaseException, *, whose: str = "a worker that joined") -> WorkerError:
    """What is raised where a worker does not know what it is asked for."""
    own = describe_versions()["spiketheory"]
    return WorkerError(
        f"Expected {whose} to have spiketheory {own} but it says: {err}; install it there with "
        f"pip install 'spiketheory[cluster]=={own}'."
    )


def describe_worker(dask_worker: Any = None) -> tuple[dict[str, str], int]:
    """What a worker computes with, and how many tasks it does at a time."""
    return describe_versions(), int(dask_worker.state.nthreads)


def check_here(wanted: dict[str, str]) -> None:
    """Raise `WorkerError` unless this process, a worker, computes as its client does.

    Args:
        wanted: What `describe_versions` says of the client.
    """
    try:
        worker = load_distributed().get_worker()
    except ValueError:  # no worker: the client itself
        return
    check_versions(wanted, whose=f"the worker {worker.address}")
    check_threads(int(worker.state.nthreads), whose=f"the worker {worker.address}")


def check_threads(threads: int, *, whose: str) -> None:
    """Raise `WorkerError` unless a worker does one task at a time.

    The precision of mpmath, and a trainer's state, are those of a whole process.
    """
    if threads != 1:
        raise WorkerError(
            f"Expected {whose} to do one task at a time but it does {threads}; start it with "
            f"--nthreads 1, and say by {THREADS} how many threads its kernels have."
        )


def list_gone() -> tuple[type[BaseException], ...]:
    """What is raised when the scheduler or all workers have gone."""
    distributed = load_distributed()
    return (
        OSError, TimeoutError, CancelledError, distributed.comm.CommClosedError,
        distributed.client.FutureCancelledError,
    )  # fmt: skip


def explain_gone(err: BaseException, remedy: str) -> ClusterError:
    """What is raised when the scheduler has gone away."""
    said = f"{type(err).__name__}: {err}" if str(err) else type(err).__name__
    return ClusterError(
        f"Expected the scheduler to stay but it has gone ({said}); start it again. {remedy}"
    )


def explain_killed(err: BaseException) -> str:
    """Why several workers died over one piece of work, as far as that can be known."""
    task = getattr(err, "task", "")
    return (
        f"Expected the workers to live but several died over the same piece of work ({task}), as "
        "they do where memory is short; look at their logs, and give them more with --memory, or "
        "as their cluster does."
    )
