"""Documents that were rendered before, kept in a cache folder.

Looking one up imports neither sympy nor matplotlib. The key of an entry holds everything that the
document depends on: the model, the options, the source of this program and the versions of the
libraries that do the mathematics.
"""

import contextlib
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import platformdirs

from spiketheory.errors import InputError
from spiketheory.files import break_seal, is_file_name, seal, write_text_atomically
from spiketheory.reading import read_limited
from spiketheory.route import versions

ENTRIES = 200
"""Documents that are kept; the ones that were not asked for the longest go first."""

LIBRARIES = (*versions.MATHEMATICS, "matplotlib", "latex2mathml")
PACKAGES = ("spiketheory", "derivations")


def find_document(key: str) -> str | None:
    """Return a stored document; None if there is none or its file is damaged.

    Args:
        key: What `make_key` returned.
    """
    path = place(key)
    try:
        text = break_seal(path.read_text(encoding="utf-8"))
        if text is not None:
            os.utime(path)
    except (OSError, ValueError):
        return None
    return text


def keep_document(key: str, text: str) -> None:
    """Store a document; a cache that cannot be written costs time, not the result.

    Args:
        key: What `make_key` returned.
        text: The document.
    """
    with contextlib.suppress(InputError):
        write_text_atomically(place(key), seal(text))
        remove_oldest(place(key).parent)


def make_key(model: str, options: Mapping[str, object]) -> str | None:
    """Hash of everything that a document depends on.

    Args:
        model: A built-in model's name, or the path of a model file.
        options: The options of the document by name.

    Returns:
        The key; None if the model is no file that can be read twice.
    """
    try:
        if is_file_name(model) and not Path(model).is_file():  # a pipe is empty the second time
            return None
        content = read_limited(model) if is_file_name(model) else model.encode()
    except (OSError, ValueError):
        return None
    parts = [
        b"file" if is_file_name(model) else b"built-in",
        content,
        repr(sorted(options.items())).encode(),
        hash_source().encode(),
        versions.read_versions(LIBRARIES).encode(),
    ]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def hash_source() -> str:
    """Hash of all source files that shape a document."""
    return versions.hash_source(Path(__file__).parents[2], PACKAGES)


def place(key: str) -> Path:
    """The file of an entry."""
    return platformdirs.user_cache_path("spiketheory") / "documents" / key


def remove_oldest(folder: Path) -> None:
    """Leave the `ENTRIES` files that were written or read last."""
    with contextlib.suppress(OSError):
        files = [p for p in folder.iterdir() if not p.name.startswith(".")]
        files.sort(key=lambda p: p.stat().st_mtime_ns, reverse=True)
        for path in files[ENTRIES:]:
            path.unlink(missing_ok=True)
