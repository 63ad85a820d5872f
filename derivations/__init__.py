"""The built-in neuron models and the way from a model's name or file to running code."""

import importlib
import pkgutil
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from spiketheory.errors import InputError, ModelError, check_choice
from spiketheory.files import is_file_name
from spiketheory.machine.compile import CompiledModel, load_compiled, read_number, with_ports
from spiketheory.machine.readout import CompiledReadout, load_readout

if TYPE_CHECKING:
    from spiketheory.generation.kernel_ir import VerifiedKernel

PACKAGE = Path(__file__).parent
MODELS = tuple(
    sorted(m.name for m in pkgutil.iter_modules([str(PACKAGE)]) if not m.ispkg),
)
"""Names of the built-in models: every file of this package is one."""
READOUTS = tuple(sorted(m.name for m in pkgutil.iter_modules([str(PACKAGE / "readouts")])))
"""Names of the built-in readouts: every file of `derivations.readouts` is one."""
SPIKE_READOUTS = ("first_spike", "target_times")
"""Those that are no neurons: they read spikes, and pseudospikes, of neurons of the network."""
__all__ = (
    "MODELS",
    "READOUTS",
    "compile_model",
    "compile_readout",
    "generate_source",
    "list_models",
    "read_neuron_model",
    "read_readout",
)


def list_models() -> list[str]:
    """Names of the built-in models."""
    return list(MODELS)


def read_neuron_model(model: str):  # type: ignore[no-untyped-def]
    """Return the `NeuronModel` of a built-in name or a model file.

    Args:
        model: Name of a built-in model, or path of a TOML file.

    Raises:
        ModelError: If there is no such model, or the file is malformed.
    """
    if is_file_name(model):
        from spiketheory.language.parse import read_model

        return read_model(model)
    check_name(model)
    return importlib.import_module(f"derivations.{model}").MODEL


def check_name(model: str) -> None:
    """Raise `ModelError` unless ``model`` is built in."""
    if model not in list_models():
        raise ModelError(
            f"Expected a built-in model ({', '.join(list_models())}) or the path of a .toml file "
            f"but got {model!r}; correct the name, or give the path of your model file."
        )


def compile_model(model: str, *, backend: str = "numba") -> CompiledModel:
    """Return the running code of a built-in name or a model file.

    Built-in models load their checked-in module and do not need sympy. A model file is derived,
    verified and generated once, and found in the user's cache folder from then on.

    Args:
        model: Name of a built-in model, or path of a TOML file.
        backend: ``numba`` or ``numpy``.

    Raises:
        ModelError: If there is no such model, or the file is malformed.
        DerivationError: If no method solves it.
        VerificationError: If its derivation fails a check.
    """
    if is_file_name(model):
        return load_once(generate_cached(model), backend, read_neuron_model(model).ports)
    check_name(model)
    return load_once(import_generated(model), backend)


def read_readout(readout: str):  # type: ignore[no-untyped-def]
    """Return the `spiketheory.language.readout.ReadoutModel` of a built-in readout.

    Raises:
        InputError: If there is none of this name.
    """
    check_choice("readout", readout, READOUTS)
    return importlib.import_module(f"derivations.readouts.{readout}").READOUT


def compile_readout(readout: str, *, backend: str = "numba", **values: float) -> CompiledReadout:
    """Return the running code of a built-in readout; sympy is not loaded.

    Args:
        readout: Its name, such as ``leaky_integrator``.
        backend: ``numba`` or ``numpy``.
        values: Parameters and settings by name; the others have their defaults.

    Raises:
        InputError: If there is no such readout, or it reads spikes.
        ModelError: If a name is unknown, or a value outside its domain.
    """
    check_choice("readout", readout, READOUTS)
    if readout in SPIKE_READOUTS:
        neurons = ", ".join(name for name in READOUTS if name not in SPIKE_READOUTS)
        raise InputError(
            f"Expected a readout with a neuron of its own ({neurons}) but got {readout!r}, which "
            "reads times of spikes; choose one of these, or a loss of `sim.losses`."
        )
    numbers = sorted((name, read_number(name, value)) for name, value in values.items())
    return load_readout_once(readout, backend, tuple(numbers))


@lru_cache(maxsize=64)
def load_readout_once(
    readout: str, backend: str, values: tuple[tuple[str, float], ...]
) -> CompiledReadout:
    """The compiled readout: the same object for the same values, for kernel caches."""
    module = importlib.import_module(f"derivations.generated.readouts.{readout}")
    return load_readout(module, dict(values), backend=backend)


def generate_readout_source(readout: str) -> str:
    """Derive, lower, verify and print a built-in readout's code."""
    from spiketheory.route.driver import generate_readout_module

    return generate_readout_module(read_readout(readout))


@lru_cache(maxsize=64)
def load_once(
    module: ModuleType, backend: str, ports: tuple[str, ...] = ("default",)
) -> CompiledModel:
    """The compiled model of a module: the same object for the same module, for kernel caches."""
    if ports == ("default",):
        return load_compiled(module, backend=backend)
    return with_ports(load_once(module, backend), ports)


def import_generated(model: str) -> ModuleType:
    """Import the checked-in module of a built-in model."""
    return importlib.import_module(f"derivations.generated.{model}")


def generate_cached(path: str) -> ModuleType:
    """Import the generated module of a model file, generating it if need be."""
    from spiketheory.route.model_cache import load_or_generate

    return load_or_generate(read_neuron_model(path))


def compile_verified(model: str, verified: "VerifiedKernel", *, backend: str) -> CompiledModel:
    """`compile_model` for a model that has just been verified: a file is not derived again."""
    if not is_file_name(model):
        return compile_model(model, backend=backend)
    from spiketheory.route.model_cache import load_or_generate

    neuron = verified.derivation.shown
    return load_once(load_or_generate(neuron, verified), backend, neuron.ports)


def generate_source(model: str, *, target: str = "module") -> str:
    """Derive, lower, verify and print a model's code."""
    from spiketheory.route.driver import generate_model

    return generate_model(read_neuron_model(model), target=target)
