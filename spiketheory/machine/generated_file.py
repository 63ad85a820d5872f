"""Generated modules, imported from files of their own or found again by name."""

import importlib
import importlib.util
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from spiketheory.errors import ModelError
from spiketheory.files import is_sealed

PREFIX = "spiketheory_generated_"


def name_module(path: Path) -> str:
    """The name that a generated file is imported under; the file's name holds its key."""
    return f"{PREFIX}{path.stem}"


class TextLoader(SourceFileLoader):
    """Compiles a file's text at every import: nothing seals the bytecode that Python would keep."""

    def get_code(self, fullname: str) -> CodeType:
        """The file's code."""
        return self.source_to_code(self.get_data(self.path), self.path)


def import_file(path: Path) -> ModuleType:
    """Import a generated file; one that fails leaves no half of a module behind."""
    name = name_module(path)
    spec = importlib.util.spec_from_file_location(name, path, loader=TextLoader(name, str(path)))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def find_again(name: str, file: str, digest: str) -> ModuleType:
    """The generated module that an unpickled object had, imported if need be.

    Args:
        name: The name that it was imported under.
        file: The file that it was imported from.
        digest: Digest of its mathematics.

    Raises:
        ModelError: If it is not on this machine, or has other mathematics.
    """
    module, path = sys.modules.get(name), Path(file)
    if module is None and not name.startswith(PREFIX):
        module = importlib.import_module(name)
    elif module is None and path.is_file() and is_sealed(path.read_text(encoding="utf-8")):
        module = import_file(path)
    got = getattr(module, "DIGEST", None)
    if module is None or got != digest:
        came = f"one of digest {got}" if module else f"no file {file}"
        raise ModelError(
            f"Expected the generated module {name} of digest {digest} but got {came}; call "
            "compile_model with the model's file on this machine, and pickle again."
        )
    return module
