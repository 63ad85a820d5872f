"""A check that fails is a fault of this package: say so, and keep what is needed to find it."""

import hashlib
import importlib.metadata
import platform
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs

from spiketheory.errors import InputError, UnsupportedError, VerificationError
from spiketheory.files import write_text_atomically
from spiketheory.language.model import NeuronModel

LIBRARIES = ("spiketheory", "sympy", "mpmath", "python-flint", "numpy", "numba")


@contextmanager
def report_faults(model: NeuronModel) -> Iterator[None]:
    """Turn the error of a failed check into one that speaks to the user of the model.

    Args:
        model: The model whose mathematics is checked inside the block.

    Raises:
        VerificationError: If a check failed; names the check and the file in which all of it is.
    """
    try:
        yield
    except UnsupportedError:  # says what the user may do
        raise
    except VerificationError as err:
        path = record_fault(model, err)
        check = str(err).partition(" failed:")[0]
        raise VerificationError(
            f"Expected every check of the mathematics of {model.name} to hold but "
            f"{check[:1].lower()}{check[1:]} failed; this is a fault of spiketheory, not of your "
            f"model; it is recorded in {path}. Report it with that file, please."
        ) from err


def record_fault(model: NeuronModel, err: VerificationError) -> Path:
    """Write the model, the check with its place and values, and the versions to a file.

    Returns:
        The file, in the user's cache folder, or in a temporary one if that cannot be written.
    """
    name = f"{model.name}_{hashlib.sha256(f'{model.digest}{err}'.encode()).hexdigest()[:12]}.txt"
    text = describe_fault(model, err)
    path = platformdirs.user_cache_path("spiketheory") / "faults" / name
    try:
        write_text_atomically(path, text)
    except InputError:
        path = Path(tempfile.mkdtemp(prefix="spiketheory-")) / name
        write_text_atomically(path, text)
    return path


def describe_fault(model: NeuronModel, err: VerificationError) -> str:
    """What whoever mends the fault wants to know."""
    parts = {
        "Check": str(err),
        "Model": model.to_toml(),
        "Digest": model.digest,
        "Versions": "\n".join([f"Python {platform.python_version()} on {platform.platform()}",
                               *map(name_version, LIBRARIES)]),
        "Where": "".join(traceback.format_exception(err)),
    }  # fmt: skip
    return "".join(
        f"{title}\n{'-' * len(title)}\n{text.rstrip()}\n\n" for title, text in parts.items()
    )


def name_version(library: str) -> str:
    """A library and its version."""
    try:
        return f"{library} {importlib.metadata.version(library)}"
    except importlib.metadata.PackageNotFoundError:
        return f"{library}: not installed"
