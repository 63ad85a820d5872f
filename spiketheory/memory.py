"""Refuse what cannot fit into memory before it is allocated."""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from spiketheory.errors import InputError

GROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""Where Linux says what a container may use."""


def get_memory_size() -> int | None:
    """Bytes of memory that this process may use; None where the system does not tell."""
    known = [size for size in (find_physical(), find_process_limit(), find_group_limit()) if size]
    return min(known, default=None)


def find_physical() -> int | None:
    """Bytes of physical memory."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def find_process_limit() -> int | None:
    """What `ulimit -v` leaves to this process beside what it has mapped already."""
    try:
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit == resource.RLIM_INFINITY:
            return None
        mapped = int(Path("/proc/self/statm").read_text("ascii").split()[0])
        return max(1, limit - mapped * os.sysconf("SC_PAGE_SIZE"))
    except (ImportError, AttributeError, ValueError, OSError):
        return None


def find_group_limit() -> int | None:
    """What the container that this process runs in may use."""
    for path in GROUP_LIMITS:
        with contextlib.suppress(OSError, ValueError):  # not there, or "max"
            return int(Path(path).read_text("ascii"))
    return None


class Need(NamedTuple):
    """Part of the memory that something needs.

    Attributes:
        n_bytes: How much, roughly.
        what: What for, in the plural.
        instead: What to change for less.
    """

    n_bytes: float
    what: str
    instead: str


def check_needs(needs: Sequence[Need], whole: str) -> None:
    """Raise `InputError` if the parts of something need more memory than there is.

    Args:
        needs: The parts.
        whole: What they are parts of.
    """
    size, total = get_memory_size(), sum(need.n_bytes for need in needs)
    if size is None or total <= size:
        return
    largest = sorted(needs, key=lambda need: -need.n_bytes)
    parts = ", ".join(f"{need.n_bytes / 2**30:,.1f} GiB for {need.what}" for need in largest)
    raise InputError(
        f"Expected {whole} that fits into {size / 2**30:.1f} GiB of memory but it needs about "
        f"{total / 2**30:,.1f} GiB: {parts}; {largest[0].instead}."
    )


def check_memory(n_bytes: float, what: str) -> None:
    """Raise `InputError` if ``what`` needs more memory than there is.

    Args:
        n_bytes: What it needs, roughly.
        what: What needs it, in the plural.
    """
    size = get_memory_size()
    if size is not None and n_bytes > size:
        raise InputError(
            f"Expected a network that fits into {size / 2**30:.1f} GiB of memory but {what} need "
            f"about {n_bytes / 2**30:,.1f} GiB; choose fewer neurons or a machine with more memory."
        )
