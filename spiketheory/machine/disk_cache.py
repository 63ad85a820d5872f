"""Machine code on disk.

Numba keeps an index for each function, in which several processes may overwrite each other's
entries, so that one is given what another compiled; and it cannot tell two closures over different
compiled functions apart, nor see that a function they call has changed. Here each piece of machine
code has a file of its own, named after all that it depends on. Files of other versions of a package
are removed; those of models and losses that a user has changed stay. A file is sealed by a digest:
machine code with one bit changed would be run.
"""

import contextlib
import hashlib
import pickle
import re
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

from numba.core.caching import FunctionCache, IndexDataCacheFile

from spiketheory.errors import InputError
from spiketheory.files import replace_atomically

DIGEST_SIZE = hashlib.sha256().digest_size


class KeyedFiles(IndexDataCacheFile):
    """The files of one function.

    Attributes:
        stem: How the names of all of them begin.
        version: How they go on, twelve hexadecimal digits.
    """

    def __init__(self, folder: str, stem: str, version: str) -> None:
        super().__init__(folder, stem, None)
        self.stem = stem
        self.version = version

    def save(self, key: Any, data: Any) -> None:
        """Write the machine code of a key, behind the digest of itself."""
        remove_other_versions(self._cache_path, self.version)
        content = self._dump((str(key), data))
        with replace_atomically(Path(self._cache_path) / self.find_name(key)) as draft:
            draft.write_bytes(hashlib.sha256(content).digest() + content)

    def load(self, key: Any) -> Any:
        """The machine code of a key; None if there is none, or a bit of it has changed."""
        try:
            text = (Path(self._cache_path) / self.find_name(key)).read_bytes()
        except OSError:
            return None
        digest, content = text[:DIGEST_SIZE], text[DIGEST_SIZE:]
        if hashlib.sha256(content).digest() != digest:  # neither unpickled nor run
            return None
        kept, data = pickle.loads(content)
        return data if kept == str(key) else None

    def find_name(self, key: Any) -> str:
        """The name of a key's file."""
        digest = hashlib.sha256(str(key).encode()).hexdigest()
        return f"{self.stem}.{self.version}-{digest[:32]}.nbc"


@lru_cache(maxsize=256)
def remove_other_versions(folder: str, version: str) -> None:
    """Remove our files of other versions from a folder, for this version of Python; once."""
    tag = f"py{sys.version_info.major}{sys.version_info.minor}"
    ours = re.compile(rf".*\.{tag}\w*\.([0-9a-f]{{12}})-[0-9a-f]{{32}}\.nbc")
    for path in Path(folder).glob("*.nbc"):
        found = ours.fullmatch(path.name)
        if found and found[1] != version:
            with contextlib.suppress(OSError):  # another process was faster
                path.unlink()


class KeyedCache(FunctionCache):
    """The machine code of a function, for all types of arguments.

    Attributes:
        dispatcher: The function, compiled; its ``full_key`` is the hash of all texts that it
            depends on.
        wrapped: Whether the machine code meant is that which Python can call.
    """

    def __init__(self, dispatcher: Any, version: str) -> None:
        super().__init__(dispatcher.py_func)
        self._cache_file = KeyedFiles(self._cache_path, self._impl.filename_base, version)
        self.dispatcher = dispatcher
        self.wrapped = True

    def _index_key(self, sig: Any, codegen: Any) -> tuple[Any, ...]:
        return (sig, codegen.magic_tuple(), self.dispatcher.full_key, self.wrapped)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Read machine code; None if there is none that is of use."""
        for wrapped in (False, True) if self.dispatcher.asked_by_kernel else (True,):
            self.wrapped = wrapped
            try:
                found = super().load_overload(sig, target_context)
            except Exception:  # damaged, or of a module that is gone: compile and write it anew
                continue
            if found is not None:
                return found
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Write machine code, if it can be used by another process."""
        if data.library.has_dynamic_globals:  # holds addresses: it passes functions as values
            return
        self.wrapped = not self.dispatcher.asked_by_kernel
        with contextlib.suppress(OSError, InputError):  # a full disk costs time, not the result
            super().save_overload(sig, data)
