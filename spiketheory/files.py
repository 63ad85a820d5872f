"""Files: writing them whole or not at all, sealing them, telling them from model names."""

import contextlib
import errno
import hashlib
import os
import platform
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from spiketheory.errors import InputError


def is_file_name(model: str) -> bool:
    """Whether ``model`` names a file rather than a built-in model."""
    return model.endswith(".toml") or "/" in model or "\\" in model


@contextmanager
def replace_atomically(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it onto ``path`` when the block succeeds.

    Args:
        path: The file to write. Missing parent folders are created.

    Yields:
        The temporary file to write to. It is removed if the block raises.

    Raises:
        InputError: If the folder cannot be created or the file cannot be written.
    """
    path = Path(path)
    if path.exists() and not path.is_file() and not path.is_dir():
        raise InputError(  # renaming onto /dev/null would remove the device
            f"Expected a regular file to write to but {path} is a device or a pipe; choose another "
            "path, or leave it out to print."
        )
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_strays(path.parent)
        handle, name = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.name}.{OWNER}-{os.getpid()}-", suffix=path.suffix
        )
        os.close(handle)
        temporary = Path(name)
        yield temporary
        temporary.chmod(0o666 & ~current_umask())
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)
    except OSError as err:
        raise InputError(
            f"Expected to write {path} but the system said: {err.strerror or err}; "
            "choose a folder that exists, can be written to and has room."
        ) from err
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk and survive a power cut."""
    try:
        handle = os.open(path, os.O_RDONLY if path.is_dir() or os.name != "nt" else os.O_RDWR)
    except PermissionError:  # Windows opens no folders
        return
    try:
        os.fsync(handle)
    except OSError as err:
        if err.errno not in (errno.EINVAL, errno.ENOTSUP):  # a file system that knows no fsync
            raise
    finally:
        os.close(handle)


def remove_strays(folder: Path) -> None:
    """Remove temporary files of `replace_atomically` whose process was killed on this machine."""
    if os.name == "nt":  # no harmless way to ask whether a process lives
        return
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            found = STRAY.search(entry.name)
            if found and found[1] == OWNER and not is_alive(int(found[2])):
                Path(entry.path).unlink(missing_ok=True)


def is_alive(process: int) -> bool:
    """Whether a process of this machine runs."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # it is somebody else's
        return True
    return True


def name_owner() -> str:
    """What tells apart processes of equal numbers: the machine, its start, and the container."""
    facts = [platform.node()]
    for place in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        with contextlib.suppress(OSError):
            link = os.path.islink(place)
            facts.append(os.readlink(place) if link else Path(place).read_text("ascii"))
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:8]


OWNER = name_owner()
STRAY = re.compile(r"^\..+\.([0-9a-f]{8})-([0-9]{1,9})-[a-z0-9_]{8}(?:\.[^.]*)?$")
"""The name of a temporary file of `replace_atomically`."""


def is_same_file(one: str | os.PathLike[str], other: str | os.PathLike[str]) -> bool:
    """Whether two paths lead to one file, which need not exist."""
    with contextlib.suppress(OSError, ValueError):
        return os.path.samefile(one, other)
    return os.path.realpath(one) == os.path.realpath(other)


def check_apart(
    out: str | os.PathLike[str] | None,
    *others: str | os.PathLike[str] | None,
    models: Iterable[str | None] = (),
) -> None:
    """Raise `InputError` if what would be written to is a file that is read or written, too.

    Args:
        out: Where to write; None is nowhere.
        others: The other files; None is none.
        models: Models that are read; names of built-in ones are no files.
    """
    for other in (*others, *(m for m in models if m is not None and is_file_name(m))):
        if out is not None and other is not None and is_same_file(out, other):
            raise InputError(
                f"Expected to write to another file than {other} but got {out}, which is the "
                "same; it would be lost. Choose another name."
            )


def write_text_atomically(path: str | os.PathLike[str], text: str) -> None:
    """Write ``text`` to ``path`` in UTF-8, whole or not at all; see `replace_atomically`."""
    with replace_atomically(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


SEAL = "# sha256 of the lines above: "


def seal(source: str) -> str:
    """Text with the hash of itself as its last line."""
    return f"{source}{SEAL}{hashlib.sha256(source.encode()).hexdigest()}\n"


def is_sealed(text: str) -> bool:
    """Whether ``text`` is what `seal` returned, whole and unchanged."""
    source, mark, _ = text.rpartition(SEAL)
    return bool(mark) and seal(source) == text


def break_seal(text: str) -> str | None:
    """What `seal` was given; None if ``text`` is not what it returned."""
    return text.rpartition(SEAL)[0] if is_sealed(text) else None


def current_umask() -> int:
    """Return the process's umask (reading it means setting it and setting it back)."""
    umask = os.umask(0)
    os.umask(umask)
    return umask
