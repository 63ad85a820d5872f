"""What has to be the same on two machines for their numbers to be the same, bit for bit."""

import platform
from importlib.metadata import version
from typing import Any

from spiketheory.errors import WorkerError

PACKAGES = ("spiketheory", "numpy", "numba", "llvmlite", "scipy")
CPU, SYSTEM = "cpu", "system"


def describe_versions() -> dict[str, str]:
    """Versions of what computes, the system, and the processor that is compiled for.

    `$NUMBA_CPU_NAME` and `$NUMBA_CPU_FEATURES` name one that all machines have.
    """
    from llvmlite import binding
    from numba.core import config

    settings: Any = config
    cpu = settings.CPU_NAME or binding.get_host_cpu_name()
    features = settings.CPU_FEATURES
    if features is None:
        features = "" if settings.CPU_NAME else binding.get_host_cpu_features().flatten()
    found = {name: version(name) for name in PACKAGES}
    found["python"] = platform.python_version()
    found[SYSTEM] = f"{platform.system()} {platform.machine()}"
    found[CPU] = f"{cpu} {features}".strip()
    return found


def check_versions(
    wanted: dict[str, str],
    *,
    whose: str,
    own: dict[str, str] | None = None,
    client: str = "the client",
) -> None:
    """Raise `WorkerError` unless a worker has what its client has.

    Args:
        wanted: What `describe_versions` says of the client.
        whose: Who the worker is, for the message.
        own: What it says of the worker; None for this process.
        client: Who the client is.
    """
    found = describe_versions() if own is None else own
    for name, value in wanted.items():
        got = found.get(name, "none")
        if got == value:
            continue
        if name == CPU:
            raise WorkerError(
                f"Expected {whose} to compile for the processor of {client}, "
                f"{value.split()[0]}, but it compiles for {got.split()[0]}, or with other "
                "features; their numbers would differ in the last bit. Set NUMBA_CPU_NAME=generic "
                "and NUMBA_CPU_FEATURES='' for all of them."
            )
        remedy = f"pip install {name}=={value}" if name in PACKAGES else f"use {name} {value}"
        raise WorkerError(
            f"Expected {whose} to have {name} {value}, as {client} has, but got {got}; "
            f"{remedy} there."
        )
