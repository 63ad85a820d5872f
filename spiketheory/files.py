"""Files: writing them whole or not at all, sealing them, telling them from model names."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
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
        handle, name = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix
        )
        os.close(handle)
        temporary = Path(name)
        yield temporary
        temporary.chmod(0o666 & ~current_umask())
        temporary.replace(path)
    except OSError as err:
        raise InputError(
            f"Expected to write {path} but the system said: {err.strerror or err}; "
            "choose a folder that exists, can be written to and has room."
        ) from err
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


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
