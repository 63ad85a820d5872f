"""Reading files that others wrote: how much at most, and what damage they can do.

Every reader of the project goes through here. Whatever is wrong with a file's bytes is a
`DamagedError`, whose text is the reason; who asked for the file says what should have been there.
Sizes are looked at before anything is allocated.
"""

import json
import math
import os
import re
import stat
import struct
import tokenize
import tomllib
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from spiketheory.errors import SpiketheoryError
from spiketheory.memory import get_memory_size

DAMAGE = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RuntimeError,  # RecursionError, too
    SyntaxError,
    TypeError,
    ValueError,  # UnicodeError, JSONDecodeError and TOMLDecodeError, too
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What zipfile, NumPy, json, tomllib and gzip may raise when they read damaged bytes."""

MOST_TEXT = 10_000_000
"""Bytes of a text that is read: network files, configurations, certificates."""
MOST_NAMES = 100
"""Parts of a dotted name in TOML; tomllib takes the square of it in time."""
MOST_UNPACKED = 2**29
"""Bytes of the arrays of an archive that is packed tightly; one that is not may be larger."""
USUAL_PACKING = 10
"""How many times smaller packing makes arrays of numbers, at most, if they are no bomb."""
MOST_MEMBERS = 10_000

_DOTTED = re.compile(rf"(?:(?<![\w-])[\w-]++\s*+\.\s*+)(?:[\w-]++\s*+\.\s*+){{{MOST_NAMES}}}")
_DOTTED_QUOTED = re.compile(rf"""(?:["']\s*+\.\s*+["'][^"'\n]*+){{{MOST_NAMES}}}""")


class DamagedError(ValueError):
    """The bytes of a file are not what its format says, or too many; the text is the reason."""


class ForeignError(DamagedError):
    """A file is of another format altogether."""


@contextmanager
def catch_damage() -> Iterator[None]:
    """Turn what damaged bytes raise into a `DamagedError`; the project's own errors pass."""
    try:
        yield
    except (DamagedError, SpiketheoryError):
        raise
    except DAMAGE as err:
        raise DamagedError(find_reason(err)) from err


def find_reason(err: BaseException) -> str:
    """What an exception says, in a few words."""
    return str(getattr(err, "strerror", None) or err or type(err).__name__)


def show(value: Any, most: int = 80) -> str:
    """The ``repr`` of something from a file, of bearable length, whatever it is."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # whole numbers of thousands of digits, deep nesting
        return f"{type(value).__name__} that is too long to show"
    return text if len(text) <= most else f"{text[:most]}..."


def read_limited(path: str | os.PathLike[str], *, most: int = MOST_TEXT) -> bytes:
    """Read a small file, or a pipe, without ever holding more than ``most`` bytes.

    Raises:
        DamagedError: If it cannot be read, or is larger.
    """
    with catch_damage(), Path(path).open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        content = b"" if size > most else file.read(most + 1)
        if max(size, len(content)) > most:
            raise DamagedError(f"it is larger than {most:,} bytes")
        return content


def read_text(path: str | os.PathLike[str], *, most: int = MOST_TEXT) -> str:
    """Read a small text in UTF-8, with or without a byte-order mark.

    Raises:
        DamagedError: If it cannot be read, is larger, or no such text.
    """
    content = read_limited(path, most=most)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        raise DamagedError(
            f"the byte 0x{err.object[err.start]:02x} at position {err.start} is no UTF-8"
        ) from err


def parse_toml(text: str) -> dict[str, Any]:
    """Parse TOML.

    Raises:
        DamagedError: If it is none, or nested beyond all measure.
    """
    if _DOTTED.search(text) or _DOTTED_QUOTED.search(text):
        raise DamagedError(f"a name of more than {MOST_NAMES} parts")
    with catch_damage():
        return tomllib.loads(text)


def parse_json(text: str | bytes, **hooks: Callable[..., Any]) -> Any:
    """Parse JSON; the hooks are those of ``json.loads``.

    Raises:
        DamagedError: If it is none, or nested beyond all measure.
    """
    with catch_damage():
        return json.loads(text, **hooks)  # type: ignore[arg-type]


def read_npz(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Read all arrays of an ``.npz`` file, none of which may hold Python objects.

    Raises:
        DamagedError: If it is no such file, damaged, or its arrays would not fit into memory.
    """
    with catch_damage():
        if stat.S_IFMT(Path(path).stat().st_mode) not in (stat.S_IFREG, stat.S_IFDIR):
            raise DamagedError("it is a device or a pipe, not a file")
        with Path(path).open("rb") as file:
            if file.read(4) not in (b"PK\x03\x04", b"PK\x05\x06"):
                raise ForeignError("it is not an .npz archive")
            with zipfile.ZipFile(file) as archive:
                check_members(archive, os.fstat(file.fileno()).st_size)
                return {
                    member.filename.removesuffix(".npy"): read_member(archive, member)
                    for member in archive.infolist()
                }


def check_members(archive: zipfile.ZipFile, packed: int) -> None:
    """Raise `DamagedError` unless an archive of arrays unpacks to what memory can hold.

    Args:
        archive: The archive.
        packed: Its size in bytes.
    """
    members = archive.infolist()
    names = [member.filename for member in members]
    if len(members) > MOST_MEMBERS or len(set(names)) < len(names):
        raise DamagedError(f"it has more than {MOST_MEMBERS:,} members, or two of one name")
    for member in members:
        if not member.filename.endswith(".npy"):
            raise DamagedError(f"{member.filename} is no array")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise DamagedError(f"{member.filename} is packed in a way that NumPy does not use")
    total, room = sum(member.file_size for member in members), get_memory_size()
    if total > max(MOST_UNPACKED, USUAL_PACKING * packed):
        raise DamagedError(
            f"its {packed:,} bytes unpack to {total:,}, more than {MOST_UNPACKED:,}; if that is "
            "meant, write it unpacked, with numpy.savez"
        )
    if room is not None and total > room:
        raise DamagedError(
            f"its arrays take {total / 2**30:,.1f} GiB, and there are {room / 2**30:.1f} GiB of "
            "memory"
        )


def read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    """Read one array, once its header is known to say what follows it; zipfile checks the CRC."""
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        readers = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }
        if version not in readers:
            raise DamagedError(f"{member.filename} is of an unknown version {version}")
        shape, _, dtype = readers[version](file)
        if dtype.hasobject:
            raise DamagedError(f"{member.filename} holds Python objects, which are not read")
        wanted = math.prod(shape) * dtype.itemsize
        if file.tell() + wanted != member.file_size or min(shape, default=0) < 0:
            raise DamagedError(
                f"{member.filename} has {member.file_size - file.tell():,} bytes of data in place "
                f"of {wanted:,}"
            )
    with archive.open(member) as file:
        array: np.ndarray = np.lib.format.read_array(file, allow_pickle=False)
        file.read(1)  # its end, where the CRC is compared
        return array
