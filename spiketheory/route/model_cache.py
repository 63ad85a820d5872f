"""Generated modules of the user's own models, kept in a cache folder.

The last line of a cached file holds a hash of what stands above it. A file that was cut off or
changed, or that does not import, is generated again.
"""

import hashlib
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import platformdirs

from spiketheory.errors import InputError
from spiketheory.files import is_sealed, seal, write_text_atomically
from spiketheory.generation.generate import generate
from spiketheory.generation.kernel_ir import VerifiedKernel
from spiketheory.generation.templates import GENERATED_FORMAT
from spiketheory.language.model import NeuronModel
from spiketheory.machine.generated_file import import_file, name_module
from spiketheory.route import versions
from spiketheory.route.driver import verify_model

LIBRARIES = versions.MATHEMATICS


def load_or_generate(model: NeuronModel, verified: VerifiedKernel | None = None) -> ModuleType:
    """Return the generated module of ``model``, from the cache if it is there.

    The file's name holds a hash of the model, of the source of this package and of the versions of
    the libraries, so that no version of the generator runs code of another.

    Args:
        model: The model.
        verified: Its verified kernel functions, if there are some already.

    Raises:
        DerivationError: If no method solves it.
        VerificationError: If its derivation fails a check.
    """
    key = hashlib.sha256(f"{model.name}{model.digest}{hash_generator()}".encode()).hexdigest()
    path = platformdirs.user_cache_path("spiketheory") / "models" / f"{model.name}_{key[:16]}.py"
    if name_module(path) in sys.modules:
        return sys.modules[name_module(path)]
    return import_cached(path, model) or generate_file(path, verified or verify_model(model))


def import_cached(path: Path, model: NeuronModel) -> ModuleType | None:
    """Import a cached file; None if there is none, it is damaged, or it is of another model."""
    try:
        if not is_sealed(path.read_text(encoding="utf-8")):
            return None
        module = import_file(path)
    except Exception:  # a damaged file can fail in any way; generating it again mends them all
        return None
    found = (getattr(module, "FORMAT", None), getattr(module, "DIGEST", None))
    if found == (GENERATED_FORMAT, model.digest):
        return module
    del sys.modules[module.__name__]
    return None


def generate_file(path: Path, verified: VerifiedKernel) -> ModuleType:
    """Generate a model's code, write it to ``path`` and import it."""
    source = seal(generate(verified))
    try:
        write_text_atomically(path, source)
    except InputError:  # a cache that cannot be written costs time, not the result
        path = Path(tempfile.mkdtemp(prefix="spiketheory-")) / path.name
        write_text_atomically(path, source)
    return import_file(path)


def hash_generator() -> str:
    """Hash of all that generated code depends on beside the model: this program, the libraries."""
    source = versions.hash_source(Path(__file__).parents[1], (".",))
    return hashlib.sha256(f"{source} {versions.read_versions(LIBRARIES)}".encode()).hexdigest()
