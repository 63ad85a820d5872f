"""Machine code on disk.

Numba keeps an index for each function, in which several processes may overwrite each other's
entries, so that one is given what another compiled; and it cannot tell two closures over different
compiled functions apart, nor see that a function they call has changed. Here each piece of machine
code has a file of its own, named after all that it depends on.
"""

import contextlib
import glob
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba.core.caching import FunctionCache, IndexDataCacheFile


class KeyedFiles(IndexDataCacheFile):
    """The files of one function.

    Attributes:
        stem: How the names of all of them begin.
        version: How those of the current version go on; others are removed when one is written.
    """

    def __init__(self, folder: str, stem: str, version: str) -> None:
        super().__init__(folder, stem, None)
        self.stem = stem
        self.version = version

    def save(self, key: Any, data: Any) -> None:
        """Write the machine code of a key."""
        current = f"{self.stem}.{self.version}-"
        for path in Path(self._cache_path).glob(f"{glob.escape(self.stem)}.*"):
            if not path.name.startswith(current):
                with contextlib.suppress(OSError):  # another process was faster
                    path.unlink()
        self._save_data(self.find_name(key), (str(key), data))

    def load(self, key: Any) -> Any:
        """The machine code of a key; None if there is none."""
        try:
            kept, data = self._load_data(self.find_name(key))
        except FileNotFoundError:
            return None
        return data if kept == str(key) else None

    def find_name(self, key: Any) -> str:
        """The name of a key's file."""
        digest = hashlib.sha256(str(key).encode()).hexdigest()
        return f"{self.stem}.{self.version}-{digest[:32]}.nbc"


class KeyedCache(FunctionCache):
    """The machine code of a function, for all types of arguments.

    Attributes:
        full_key: Hash of all texts that it depends on.
    """

    def __init__(self, function: Callable[..., Any], version: str, full_key: str) -> None:
        super().__init__(function)
        self._cache_file = KeyedFiles(self._cache_path, self._impl.filename_base, version)
        self.full_key = full_key

    def _index_key(self, sig: Any, codegen: Any) -> tuple[Any, ...]:
        return (sig, codegen.magic_tuple(), self.full_key)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Read machine code; None if there is none that is of use."""
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # damaged, or of a module that is gone: compile and write it anew
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Write machine code, if it can be used by another process."""
        if data.library.has_dynamic_globals:  # holds addresses: it passes functions as values
            return
        with contextlib.suppress(OSError):  # a full disk costs time, not the result
            super().save_overload(sig, data)
