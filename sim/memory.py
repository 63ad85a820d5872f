"""Refuse what cannot fit into memory before it is allocated."""

import os

from spiketheory.errors import InputError


def get_memory_size() -> int | None:
    """Bytes of physical memory; None where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def check_memory(n_bytes: int, what: str) -> None:
    """Raise `InputError` if ``what`` needs more memory than this machine has.

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
