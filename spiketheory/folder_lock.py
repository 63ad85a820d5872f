"""Folders that one process at a time writes to.

The lock is the system's, on a file in the folder, and ends with its process, however that ends. The
file says who holds it. One that is left over, as by `kill -9`, locks nothing.
"""

import contextlib
import os
import platform
from pathlib import Path

from spiketheory.errors import InputError

NAME = ".lock"
HELD: dict[Path, tuple[int, int]] = {}
"""Files that this process has locked: their descriptors, and how often they were asked for."""


class FolderLock:
    """A folder is this process's to write to, until `release`, or until nothing refers to this.

    A process that asks again has it twice. Where the system has no such locks there is none.

    Args:
        folder: The folder; it is made if there is none.
        name: What is locked, a file in it.
        demanded: Whether a folder that cannot be written to is an error; else it is not locked.

    Raises:
        InputError: If another process has it, or if the folder cannot be written to.
    """

    def __init__(self, folder: Path, name: str = NAME, *, demanded: bool = True) -> None:
        self.path = folder.absolute() / name
        self.is_held = False
        try:
            self.is_held = self.take()
        except OSError as err:
            if demanded:
                raise InputError(
                    f"Expected to write into {folder} but the system said: {err.strerror or err}; "
                    "choose a folder that can be written to and has room."
                ) from err

    def take(self) -> bool:
        """Take the lock; returns whether there is one."""
        if self.path in HELD:
            file, count = HELD[self.path]
            HELD[self.path] = file, count + 1
            return True
        while True:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            try:
                file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
            except FileNotFoundError:  # its last holder has just removed the folder
                continue
            if not lock_file(file, self.path):
                return False
            if is_same_file(file, self.path):  # else its last holder has just removed it
                break
            os.close(file)
        with contextlib.suppress(OSError):  # no room: nobody learns who it is
            os.ftruncate(file, 0)
            os.write(file, f"process {os.getpid()} on {platform.node()}".encode())
        HELD[self.path] = file, 1
        return True

    def release(self) -> None:
        """Give the folder free; once."""
        if not self.is_held or self.path not in HELD:
            return
        self.is_held = False
        file, count = HELD.pop(self.path)
        if count > 1:
            HELD[self.path] = file, count - 1
            return
        with contextlib.suppress(OSError):
            self.path.unlink()
        os.close(file)

    def __del__(self) -> None:
        self.release()


def lock_file(file: int, path: Path) -> bool:
    """Lock an open file; returns whether that is possible at all, else closes it.

    Raises:
        InputError: If another process has it.
    """
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(file, 200).decode(errors="replace") or "another process"
        os.close(file)
        raise InputError(
            f"Expected a folder that nobody else writes to but {holder} is writing to "
            f"{path.parent}; wait for it, stop it, or choose another folder."
        ) from None
    except (ImportError, OSError):
        os.close(file)
        return False
    return True


def is_same_file(file: int, path: Path) -> bool:
    """Whether an open file still has this path."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def is_locked(folder: Path, name: str = NAME) -> bool:
    """Whether another process has a folder."""
    path = folder.absolute() / name
    if path in HELD or not path.exists():
        return False
    try:
        FolderLock(folder, name, demanded=False).release()
    except InputError:
        return True
    return False


def forget_locks() -> None:
    """Let a forked child hold none of its parent's locks."""
    for file, _ in HELD.values():
        os.close(file)
    HELD.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget_locks)
