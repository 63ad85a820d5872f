"""Compile the generated module of a readout."""

import hashlib
import inspect
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from types import ModuleType
from typing import Any

from spiketheory.errors import ModelError, check_choice
from spiketheory.generation.templates import READOUT_FORMAT
from spiketheory.machine import compile as compiling
from spiketheory.machine import jit
from spiketheory.machine.compile import (
    BACKENDS,
    LARGEST_PARAMETER,
    compile_module,
    list_libraries,
    make_module,
    read_number,
)
from spiketheory.machine.generated_file import find_again
from spiketheory.machine.jit import hash_texts, is_interpreted
from spiketheory.runtime import elementary

FUNCTIONS = (
    *("kernel", "kernel_slope", "kernel_and_slope", "kernel_vjp"),
    *("response", "response_slope", "response_vjp"),
)
"""What modules of readouts hold: the first four, or the others if there is no kernel."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CompiledReadout:
    """A readout's generated functions, with the values of its parameters.

    ``kernel(time, m, duration, *values)`` is what a hidden spike of weight 1 adds to feature m,
    ``kernel_slope`` (the same arguments) its derivative by the time, ``kernel_and_slope`` both,
    and ``kernel_vjp(..., bar)`` bar times its derivatives by ``parameters``. Without a kernel there
    are ``response(elapsed, *values)``, ``response_slope`` and ``response_vjp(..., bar)`` of the
    potential instead.

    Attributes:
        name: Name of the readout.
        digest: Digest of its mathematics.
        backend: ``numba`` (compiled) or ``numpy`` (the same source, interpreted).
        reads: ``integral``, ``end`` or ``maximum``.
        parameters: Names of the parameters, those with derivatives.
        settings: Names of the settings, which have none and come after them.
        values: Values of both, in this order.
        n_features: Features of each hidden neuron, each with weights of its own.
        has_kernel: Whether the output is a sum over hidden spikes of weight times kernel.
        value_at_end: The last feature's kernel just before the trial's end T, as text; "0" if a
            spike that leaves through T does so without a jump. "" without a kernel.
        slope_at_end: The same of the kernel's slope.
        curvature_at_end: The same of its second derivative.
        functions: A module with these functions, compiled if the backend is.
        module: The generated module.
        key: Hash of the source text, for caches.
    """

    name: str
    digest: str
    backend: str
    reads: str
    parameters: tuple[str, ...]
    settings: tuple[str, ...]
    values: tuple[float, ...]
    n_features: int
    has_kernel: bool
    value_at_end: str
    slope_at_end: str
    curvature_at_end: str
    functions: ModuleType
    module: ModuleType
    key: str

    def __repr__(self) -> str:
        names = (*self.parameters, *self.settings)
        said = ", ".join(f"{n}={v:g}" for n, v in zip(names, self.values, strict=True))
        return f"CompiledReadout({self.name}, {said or 'no parameters'}, {self.backend})"

    def __reduce__(self) -> tuple[Any, ...]:
        """By digest and back end, see `spiketheory.machine.compile.CompiledModel`."""
        module = self.module
        place = module.__name__, str(module.__file__), self.digest
        return restore_readout, (*place, self.backend, self.values)

    def __deepcopy__(self, memo: dict[int, Any]) -> "CompiledReadout":
        return self

    def with_values(self, values: Mapping[str, float]) -> "CompiledReadout":
        """The same readout with other values of some parameters.

        Raises:
            ModelError: If a name is unknown, or a value outside its domain.
        """
        names = (*self.parameters, *self.settings)
        merged = dict(zip(names, self.values, strict=True)) | dict(values)
        return replace(self, values=check_values(self.module, merged))

    @property
    def vanishes_at_end(self) -> bool:
        """Whether the kernel is 0 at T, so that spikes leave through T continuously."""
        return self.value_at_end == "0"

    @property
    def is_smooth_at_end(self) -> bool:
        """Whether its slope is 0 there as well."""
        return self.vanishes_at_end and self.slope_at_end == "0"


def load_readout(
    module: ModuleType, values: Mapping[str, float], *, backend: str = "numba"
) -> CompiledReadout:
    """Make a `CompiledReadout` of a generated module.

    Args:
        module: A module that `spiketheory.generation.readout.generate_readout` wrote.
        values: Values of parameters and settings by name; the others have their defaults.
        backend: ``numba`` or ``numpy``; with ``NUMBA_DISABLE_JIT=1`` it is always ``numpy``.

    Raises:
        ModelError: If a name is unknown, a value outside its domain, or the module of another
            version.
        InputError: If the backend is unknown.
    """
    check_choice("backend", backend, BACKENDS)
    if getattr(module, "FORMAT", None) != READOUT_FORMAT:
        raise ModelError(
            f"Expected a readout's module of format {READOUT_FORMAT} but {module.__name__} has "
            f"format {getattr(module, 'FORMAT', None)}; generate it again."
        )
    checked = check_values(module, values)
    if backend == "numba" and is_interpreted():
        backend = "numpy"
    libraries = list_libraries(module)
    libraries += [deeper for library in libraries for deeper in list_libraries(library)]
    parts = (module, elementary, compiling, jit, sys.modules[__name__], *libraries)
    identity = "\n".join([module.__name__, *map(inspect.getsource, parts)])
    key = hashlib.sha256(identity.encode()).hexdigest()
    return CompiledReadout(
        name=module.NAME,
        digest=module.DIGEST,
        backend=backend,
        reads=module.READS,
        parameters=module.PARAMETERS,
        settings=module.SETTINGS,
        values=checked,
        n_features=count_features(module, checked),
        has_kernel=module.HAS_KERNEL,
        value_at_end=module.VALUE_AT_END,
        slope_at_end=module.SLOPE_AT_END,
        curvature_at_end=module.CURVATURE_AT_END,
        functions=find_functions(module, backend, key),
        module=module,
        key=key,
    )


def restore_readout(
    name: str, file: str, digest: str, backend: str, values: tuple[float, ...]
) -> CompiledReadout:
    """The readout that was pickled."""
    module = find_again(name, file, digest)
    named = dict(zip((*module.PARAMETERS, *module.SETTINGS), values, strict=True))
    return load_readout(module, named, backend=backend)


@lru_cache(maxsize=64)
def find_functions(module: ModuleType, backend: str, key: str) -> ModuleType:
    """The functions of a module, compiled if the backend is: one module, whatever the values."""
    names = [name for name in FUNCTIONS if hasattr(module, name)]
    if backend == "numpy":
        return make_module(module.__name__, {name: getattr(module, name) for name in names})
    compiled = {name: compile_module(module)[name] for name in names}
    for name, function in compiled.items():
        function.full_key = hash_texts(key, name)  # what calls it is kept on disk by it
    return make_module(module.__name__, compiled)


def check_values(module: ModuleType, given: Mapping[str, float]) -> tuple[float, ...]:
    """All values in order, defaults filled in."""
    names = (*module.PARAMETERS, *module.SETTINGS)
    unknown = sorted(set(given) - set(names))
    if unknown:
        raise ModelError(
            f"Expected parameters of the readout {module.NAME} "
            f"({', '.join(names) or 'it has none'}) but got {unknown[0]!r}; correct its name."
        )
    defaults = dict(zip(names, module.DEFAULTS, strict=True))
    values = tuple(read_number(name, given.get(name, defaults[name])) for name in names)
    valid = module.parameters_valid(*values)
    for name, value, domain, ok in zip(names, values, module.DOMAINS, valid, strict=True):
        size = abs(value)
        if not (ok and math.isfinite(value) and 1 / LARGEST_PARAMETER <= size <= LARGEST_PARAMETER):
            raise ModelError(
                f"Expected {domain} and a size from {1 / LARGEST_PARAMETER:g} to "
                f"{LARGEST_PARAMETER:g} but got {name}={value}; give a value inside the domain of "
                f"the readout {module.NAME}."
            )
    return values


def count_features(module: ModuleType, values: tuple[float, ...]) -> int:
    """Number of features, which must be whole."""
    if not module.FEATURES:
        return 1
    names = (*module.PARAMETERS, *module.SETTINGS)
    count = values[names.index(module.FEATURES)]
    if count != int(count):
        raise ModelError(
            f"Expected a whole number for {module.FEATURES} but got {count}; round it."
        )
    return int(count)
