"""What results of an earlier time may depend on: this program's text, Python, the libraries."""

import hashlib
import importlib.metadata
import sys
from collections.abc import Sequence
from pathlib import Path

MATHEMATICS = ("sympy", "mpmath", "numpy", "python-flint", "scipy")
"""Libraries that derivations and checks are made with."""


def read_versions(libraries: Sequence[str]) -> str:
    """The versions of Python and of some libraries."""
    return " ".join([f"python {sys.version}", *(f"{n} {find_version(n)}" for n in libraries)])


def find_version(library: str) -> str:
    """The installed version of a library."""
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "none"


def hash_source(root: Path, packages: Sequence[str]) -> str:
    """Hash of all source files of packages in a folder, and of their names."""
    digest = hashlib.sha256()
    for package in packages:
        for path in sorted((root / package).rglob("*.py")):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{path.relative_to(root).as_posix()} {content}\n".encode())
    return digest.hexdigest()
