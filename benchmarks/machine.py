"""What the measurements were made on: processor, system, libraries, and the state of the source."""

import contextlib
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from sim.threads import get_thread_count

ROOT = Path(__file__).resolve().parents[1]
LIBRARIES = ("numpy", "numba", "llvmlite", "scipy", "sympy", "torch", "jax", "snntorch", "brian2")


def describe_machine() -> dict[str, Any]:
    """The machine as plain values; None where something cannot be found out."""
    return {
        "cpu": find_cpu(),
        "cores": os.cpu_count(),
        "threads": get_thread_count(),
        "memory_bytes": find_memory(),
        "load_average": find_load(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "blas": find_blas(),
        "libraries": {name: find_version(name) for name in LIBRARIES},
        "spiketheory": find_version("spiketheory"),
        **describe_commit(ROOT),
    }


def find_cpu() -> str:
    """Name of the processor."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def find_memory() -> int | None:
    """Bytes of memory."""
    with contextlib.suppress(AttributeError, OSError, ValueError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return None


def find_load() -> float | None:
    """Processes that ran on average in the last minute: on a quiet machine close to 0."""
    with contextlib.suppress(AttributeError, OSError):
        return round(os.getloadavg()[0], 2)
    return None


def find_blas() -> str | None:
    """The library that multiplies NumPy's matrices."""
    with contextlib.suppress(ImportError, KeyError, TypeError):
        from numpy import show_config

        found = show_config(mode="dicts")["Build Dependencies"]["blas"]
        return f"{found['name']} {found['version']}"
    return None


def find_version(package: str) -> str | None:
    """Version of an installed package, or None."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(package)
    return None


def describe_commit(folder: Path) -> dict[str, Any]:
    """The commit that is checked out in ``folder``, and whether files differ from it.

    None for both if the folder is no checkout, such as that of an installed package.
    """
    top = run_git(folder, "rev-parse", "--show-toplevel")
    if top is None or Path(top).resolve() != folder.resolve():
        return {"commit": None, "dirty": None}
    return {
        "commit": run_git(folder, "rev-parse", "HEAD"),
        "dirty": bool(run_git(folder, "status", "--porcelain")),
    }


def run_git(folder: Path, *arguments: str) -> str | None:
    """What git says about a folder, or None if it fails."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True, text=True, check=True, timeout=30,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
