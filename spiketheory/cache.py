"""Generated modules of the user's own models, kept in a cache folder."""

import hashlib
import importlib.util
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import platformdirs

from spiketheory.codegen import generate
from spiketheory.derive import derive
from spiketheory.errors import InputError
from spiketheory.files import write_text_atomically
from spiketheory.lower import lower
from spiketheory.model import NeuronModel
from spiketheory.verify import verify


def load_or_generate(model: NeuronModel) -> ModuleType:
    """Return the generated module of ``model``, from the cache if it is there.

    The file's name holds a hash of the model and of the source of this package, so that a new
    version of the generator never runs code of an old one.

    Args:
        model: The model.

    Raises:
        DerivationError: If no method solves it.
        VerificationError: If its derivation fails a check.
    """
    key = hashlib.sha256(f"{model.name}{model.digest}{hash_generator()}".encode()).hexdigest()
    path = platformdirs.user_cache_path("spiketheory") / "models" / f"{model.name}_{key[:16]}.py"
    if name_module(path) in sys.modules:
        return sys.modules[name_module(path)]
    if not path.exists():
        source = generate(lower(verify(derive(model))))
        try:
            write_text_atomically(path, source)
        except InputError:  # a cache that cannot be written costs time, not the result
            path = Path(tempfile.mkdtemp(prefix="spiketheory-")) / path.name
            write_text_atomically(path, source)
    return import_file(path)


def hash_generator() -> str:
    """Hash of all source files that shape generated code."""
    folder = Path(__file__).parent
    files = sorted(folder.rglob("*.py"))
    return hashlib.sha256(b"".join(f.read_bytes() for f in files)).hexdigest()


def name_module(path: Path) -> str:
    """The name that a generated file is imported under; the file's name holds its key."""
    return f"spiketheory_generated_{path.stem}"


def import_file(path: Path) -> ModuleType:
    """Import a generated file."""
    name = name_module(path)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
