"""Compile generated source; with `machine.jit` and `ADDED_TO_NUMBA`, all that names Numba."""

import hashlib
import inspect
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from spiketheory.errors import ModelError, check_choice
from spiketheory.generation.interface import INTERFACE
from spiketheory.generation.templates import GENERATED_FORMAT
from spiketheory.machine import jit, link
from spiketheory.machine.generated_file import find_again
from spiketheory.machine.jit import (
    Options,
    compile_function,
    compile_undisturbed,
    hash_texts,
    is_interpreted,
)
from spiketheory.machine.link import Linker
from spiketheory.runtime import elementary
from spiketheory.runtime.branches import loop_over
from spiketheory.shown import shown_by

BACKENDS = ("numba", "numpy")
LAYOUT = (
    *("load", "store", "load_constants", "load_propagator", "store_propagator"),
    *("load_frame", "store_frame"),
)
"""Generated functions that read and write arrays but make none: they count no references."""
LIBRARIES = (
    "spiketheory.runtime.special",
    "spiketheory.runtime.special_half",
    "spiketheory.runtime.differences",
    "spiketheory.runtime.roots",
    "spiketheory.runtime.taylor",
    "spiketheory.runtime.crossing",
)
"""Modules whose functions generated code calls, compiled with it."""
LARGEST_PARAMETER = 1e75
"""Its fourth power is a float; closed forms and their derivatives have such powers."""
ADDED_TO_NUMBA = ("instructions", "disk_cache", "packed", "function_values", "wrappers")
"""Modules of this package that teach Numba what it lacks; imported when something is compiled."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CompiledModel:
    """A model's generated functions, ready to run.

    Attributes:
        name: Name of the model.
        digest: Digest of the model's mathematics.
        backend: ``numba`` (compiled) or ``numpy`` (the same source, interpreted).
        parameters: Names of the parameters.
        defaults: Their default values.
        domains: Their domains, as text.
        state: Names of the state variables.
        coordinates: Names of the chart's coordinates.
        initial: Name of the learnable initial coordinate.
        threshold_coordinate: Place of the coordinate that spikes at a finite threshold, which an
            input may carry it across; -1 if it spikes at infinity, which none reaches.
        projective: Places of the coordinates of which positive multiples are the same state.
        crosses_infinity: Whether the flow carries the state through the spike and its reset, which
            are one point at infinity then.
        has_pseudospikes: Whether the model has pseudodynamics after the trial's end.
        without_pseudospikes: Why it has none.
        functions: A module with the generated scalar functions, compiled if the backend is.
        module: The generated module.
        key: Hash of the source text, for caches.
        specialised: Whether its functions are those of `spiketheory.runtime.special_half`, see
            `at`.
        has_refractory_period: Whether it has one; the time left is the last coordinate.
        ports: Names of the ports that take input, of which the first has two names.
        inputs: ``add`` where simultaneous inputs add up, ``commute`` where they act one after the
            other in any order, ``ordered`` if their order counts, ``none`` if it takes none.
    """

    name: str
    digest: str
    backend: str
    parameters: tuple[str, ...]
    defaults: tuple[float, ...]
    domains: tuple[str, ...]
    state: tuple[str, ...]
    coordinates: tuple[str, ...]
    initial: str
    threshold_coordinate: int
    projective: tuple[int, ...]
    crosses_infinity: bool
    has_pseudospikes: bool
    without_pseudospikes: str
    functions: ModuleType
    module: ModuleType
    key: str
    specialised: bool = False
    ports: tuple[str, ...] = ("default",)
    inputs: str = "add"
    has_refractory_period: bool = False

    def __repr__(self) -> str:
        return f"CompiledModel({self.name}, {self.backend}, digest {self.digest[:12]})"

    _repr_latex_ = shown_by("spiketheory.checking.figures.shown_models.show_equations")
    _repr_html_ = shown_by("spiketheory.checking.figures.shown_models.show_facts")

    def __reduce__(self) -> tuple[Any, ...]:
        """By digest and back end: who unpickles it loads the compiled module again."""
        module = self.module
        place = module.__name__, str(module.__file__), self.digest
        return restore_model, (*place, self.backend, self.ports, self.specialised)

    def __deepcopy__(self, memo: dict[int, Any]) -> "CompiledModel":
        return self

    def at(self, constants: tuple[float, ...]) -> "CompiledModel":
        """The same model, compiled for these constants, where that is faster.

        Its functions must not be called with others. So far: special functions that are elementary
        for some order, see `spiketheory.runtime.special_half`.

        Args:
            constants: The derived constants, in the order of the generated module's.
        """
        from spiketheory.runtime import special_half

        names = {name for name in special_half.REPLACED if hasattr(self.module, name)}
        order = dict(zip(self.module.CONSTANTS, constants, strict=True)).get("nu")
        if self.backend != "numba" or not names or order != special_half.NU:
            return self
        return specialise(self)

    @property
    def n_ports(self) -> int:
        """Number of ports that take input; 1 also if the neuron takes none."""
        return len(getattr(self.module, "PORTS", ("default",)))

    @property
    def has_frame(self) -> bool:
        """Whether there are coordinates that do not change between events."""
        return not self.without_frame

    @property
    def without_frame(self) -> str:
        """Why there are none; nothing if there are."""
        found: str = self.module.WITHOUT_FRAME
        return found

    @property
    def factor_parameters(self) -> tuple[str, ...]:
        """Parameters that the frame's factors depend on, which its neurons must share."""
        found: tuple[str, ...] = getattr(self.module, "FACTOR_PARAMETERS", ())
        return found

    @property
    def current_ports(self) -> tuple[int, ...]:
        """Numbers of the ports at which steps of a current may arrive."""
        found: tuple[int, ...] = getattr(self.module, "CURRENT_PORTS", ())
        return found

    def find_port(self, name: str) -> int:
        """Number of a port.

        Raises:
            ModelError: If there is no such port.
        """
        if name not in self.ports and (self.ports or name != "default"):
            raise ModelError(
                f"Expected a port of {self.name} ({', '.join(self.ports) or 'it has none'}) but "
                f"got {name!r}; correct its name."
            )
        names: tuple[str, ...] = getattr(self.module, "PORTS", ())
        return names.index(name) if name in names else 0

    @property
    def is_looped(self) -> bool:
        """Whether passing a segment iterates, for each neuron apart from the others."""
        parts = {"jump", "flow", "will_spike"}
        return not self.specialised and not parts.isdisjoint(self.module.LOOPED)

    @property
    def defaults_of_constants(self) -> tuple[float, ...]:
        """The derived constants of the default parameters."""
        return tuple(self.module.constants(*self.defaults))

    def array_function(self, name: str) -> Callable[..., Any]:
        """Return the generated function ``name`` for NumPy arrays.

        Functions that iterate are called once per element, compiled if the backend is.
        """
        if name in self.module.LOOPED:
            return loop_over(getattr(self.functions, name))
        found: Callable[..., Any] = getattr(self.module, f"{name}_array", None) or getattr(
            self.module, name
        )
        return found

    def check_parameters(self, overrides: Mapping[str, float]) -> tuple[float, ...]:
        """Return all parameter values in order, defaults filled in.

        Args:
            overrides: Values by name.

        Returns:
            One value per parameter, in the order of `parameters`.

        Raises:
            ModelError: If a name is unknown, or a value is no number or outside its domain.
        """
        unknown = sorted(set(overrides) - set(self.parameters))
        if unknown:
            raise ModelError(
                f"Expected parameters of {self.name} ({', '.join(self.parameters)}) but got "
                f"{unknown[0]!r}; correct its name."
            )
        defaults = dict(zip(self.parameters, self.defaults, strict=True))
        values = tuple(read_number(p, overrides.get(p, defaults[p])) for p in self.parameters)
        valid = self.module.parameters_valid(*values)
        for name, value, domain, ok in zip(
            self.parameters, values, self.domains, valid, strict=True
        ):
            if not (ok and np.isfinite(value)):
                raise ModelError(
                    f"Expected {domain if domain != 'True' else f'a finite {name}'} but got "
                    f"{name}={value}; give a value inside the domain of {self.name}."
                )
            self.check_size(name, value)
        return values

    def check_size(self, name: str, values: np.ndarray | float) -> None:
        """Raise `ModelError` unless products of a few parameters stay within the range of floats.

        Args:
            name: Name of a parameter.
            values: Its values. One that may be 0 may be as small as it likes.
        """
        sizes = np.ravel(np.abs(values))
        too_small = sizes < 1 / LARGEST_PARAMETER if name not in self.vanishing else sizes < 0
        bad = sizes[(sizes > LARGEST_PARAMETER) | too_small]
        if len(bad):
            low = "0" if name in self.vanishing else f"{1 / LARGEST_PARAMETER:g}"
            raise ModelError(
                f"Expected {name} to be of a size from {low} to {LARGEST_PARAMETER:g} but got "
                f"{bad[0]:g}, whose powers leave the range of floats; choose units in which it is "
                "moderate."
            )

    @cached_property
    def vanishing(self) -> frozenset[str]:
        """Parameters that may be 0, with the others at their defaults."""
        found = []
        for k, name in enumerate(self.parameters):
            values = [0.0 if k == i else v for i, v in enumerate(self.defaults)]
            with np.errstate(all="ignore"):
                found += [name] if self.module.parameters_valid(*values)[k] else []
        return frozenset(found)

    def jit(
        self,
        function: Callable[..., Any],
        *,
        allocates: bool = True,
        reorders: bool = False,
        inlines: bool = False,
        disjoint: bool = False,
    ) -> Callable[..., Any]:
        """Compile ``function``, which may call the model's functions, for this backend.

        Args:
            function: The function.
            allocates: Whether it makes arrays; see `compile_function`.
            reorders: Whether its own sums may be added up in another order.
            inlines: Whether its text takes the place of calls of it.
            disjoint: Whether no array that it writes to shares memory with another that it is
                given; see `compile_function`.
        """
        if self.backend == "numpy":
            return function
        options = Options(
            allocates=allocates, reorders=reorders, inlines=inlines, disjoint=disjoint
        )
        return compile_function(function, key=self.key, options=options)

    @property
    def facts(self) -> dict[str, object]:
        """The facts of `spiketheory.generation.interface`."""
        return {
            "N_COORDINATES": len(self.coordinates),
            "SCALED": self.projective or (0,),
            "IS_PROJECTIVE": bool(self.projective),
            "FIRST_SCALED": min(self.projective, default=0),
            "LAST_SCALED": max(self.projective, default=0),
            "CROSSES_INFINITY": self.crosses_infinity,
            "ZEROS": (0.0,) * len(self.coordinates),
            "SIGN_PREDICTS": "will_spike" not in self.module.LOOPED,
            "IS_INTEGRATED": self.module.METHOD == "taylor",
            "HAS_THRESHOLD": self.threshold_coordinate >= 0,
            "THRESHOLD_PLACE": max(self.threshold_coordinate, 0),
            "N_PORTS": self.n_ports,
            "INPUTS_ADD_UP": self.inputs not in ("commute", "ordered"),
            "HAS_PARAMETERS": hasattr(self.functions, "constants_vjp"),
            "HAS_PEAK": hasattr(self.functions, "time_to_peak"),
            "HAS_FRAME": self.has_frame,
            "N_FACTORS": len(getattr(self.module, "FACTORS", ())),
            "N_PUSH": len(getattr(self.module, "PUSH", ())),
            "FRAME_KEEPS_TIME": getattr(self.module, "FRAME_KEEPS_TIME", False),
            "FRAME_CROSSES": getattr(self.module, "FRAME_CROSSES", False),
        }

    def link(self, module: ModuleType, **more: Any) -> ModuleType:
        """Kernels of a module, bound to the model's functions and facts, see `machine.link`.

        Args:
            module: The module.
            more: Further functions, by the name of their stub in ``module``.

        Returns:
            A copy of the module.
        """
        return make_model_linker(self, tuple(sorted(more.items()))).link(module)

    def pack(self, record: Any) -> Any:
        """A record of arrays as compiled functions get it, see `spiketheory.machine.packed`."""
        if self.backend == "numpy":
            return record
        from spiketheory.machine.packed import Packed

        return Packed(record)


LOADED: WeakValueDictionary[tuple[Any, ...], CompiledModel] = WeakValueDictionary()
"""Models of this process by module, back end, ports and whether they are specialised."""


def remember_model(model: CompiledModel) -> CompiledModel:
    """The model of this process that is the same; kernels are kept by model."""
    kind = model.key, model.backend, model.ports, model.specialised
    known = LOADED.get(kind)
    if known is not None and known.module is model.module and has_same_functions(known, model):
        return known
    LOADED[kind] = model
    return model


def has_same_functions(known: CompiledModel, model: CompiledModel) -> bool:
    """Whether two models of one module have the very same functions."""
    functions = vars(model.functions)
    return all(getattr(known.functions, name, None) is f for name, f in functions.items()
               if callable(f))  # fmt: skip


def with_ports(model: CompiledModel, ports: tuple[str, ...]) -> CompiledModel:
    """The model with other names of its ports."""
    return model if ports == model.ports else remember_model(replace(model, ports=ports))


def restore_model(
    name: str, file: str, digest: str, backend: str, ports: tuple[str, ...], specialised: bool
) -> CompiledModel:
    """The model that was pickled; see `CompiledModel.__reduce__`.

    Raises:
        ModelError: If its generated module is not on this machine.
    """
    model = with_ports(load_compiled(find_again(name, file, digest), backend=backend), ports)
    return specialise(model) if specialised and model.backend == "numba" else model


@lru_cache(maxsize=64)
def make_model_linker(
    model: CompiledModel, more: tuple[tuple[str, Callable[..., Any]], ...]
) -> Linker:
    """Links kernels with a model; see `CompiledModel.link`."""
    bound = {
        name: getattr(model.functions, name) for name in INTERFACE if hasattr(model.functions, name)
    }
    further = {name: model.jit(function) for name, function in more}
    keys = [f"{name} {getattr(function, 'full_key', '')}" for name, function in further.items()]
    return Linker(
        bound={**bound, **further, **model.facts},
        key=hash_texts(model.key, repr(model.facts), *keys),
        compiles=model.backend == "numba",
        base=make_model_linker(model, ()) if more else None,
        more=frozenset(further),
    )


def make_linker(models: Sequence[CompiledModel], bound: Mapping[str, Any]) -> Linker:
    """A linker for kernels that call functions of several models.

    Args:
        models: Models of one backend.
        bound: Functions, compiled if the backend is, and facts, by name.
    """
    key = hash_texts(*(model.key for model in models), *describe_bound(bound))
    return Linker(bound=bound, key=key, compiles=models[0].backend == "numba")


def extend_linker(base: Linker, more: Mapping[str, Any]) -> Linker:
    """A linker that binds more names; modules that need none of them are linked by ``base``."""
    return Linker(
        bound={**base.bound, **more},
        key=hash_texts(base.key, *describe_bound(more)),
        compiles=base.compiles,
        base=base,
        more=frozenset(more),
    )


def describe_bound(bound: Mapping[str, Any]) -> list[str]:
    """Texts that tell what is bound to names."""
    texts = []
    for name, value in bound.items():
        texts += [name, getattr(value, "full_key", "") if callable(value) else repr(value)]
    return texts


def make_prefetch(models: Sequence[CompiledModel]) -> Callable[..., None]:
    """Return a function that asks for an entry, or a column, of an array ahead of its use.

    It reads nothing and waits for nothing: the processor brings the entry's cache line, or the
    first one of the column, while it goes on. With NumPy it does nothing at all.

    Args:
        models: Models of one backend.
    """
    if models[0].backend == "numpy":
        return lambda array, column: None
    from spiketheory.machine.instructions import prefetch

    found: Callable[..., None] = prefetch
    return found


def read_number(name: str, value: object) -> float:
    """Return ``value`` as a float, or raise `ModelError`."""
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError) as err:
        raise ModelError(
            f"Expected a number for {name} but got {name}={value!r}; "
            "give it as an integer or a float."
        ) from err


# Long: one record, field by field.
def load_compiled(module: ModuleType, *, backend: str = "numba") -> CompiledModel:
    """Make a `CompiledModel` of a generated module.

    Args:
        module: A module that `spiketheory.generation.generate.generate` wrote.
        backend: ``numba`` or ``numpy``; with ``NUMBA_DISABLE_JIT=1`` it is always ``numpy``.

    Returns:
        The compiled model. Numba compiles when a function is first called.

    Raises:
        ModelError: If the module was not generated by this version.
        InputError: If the backend is unknown.
    """
    check_choice("backend", backend, BACKENDS)
    if getattr(module, "FORMAT", None) != GENERATED_FORMAT:
        raise ModelError(
            f"Expected a generated module of format {GENERATED_FORMAT} but {module.__name__} has "
            f"format {getattr(module, 'FORMAT', None)}; generate it again."
        )
    names = [
        name
        for name, value in vars(module).items()
        if inspect.isfunction(value)
        and value.__module__ == module.__name__
        and not name.endswith("_array")
    ]
    # Machine code on disk refers to the module by name, so equal text under another name differs.
    parts = (module, elementary, sys.modules[__name__], jit, link, *list_libraries(module))
    texts = [inspect.getsource(part) for part in parts]
    texts += [Path(__file__).with_name(f"{n}.py").read_text("utf-8") for n in ADDED_TO_NUMBA]
    identity = "\n".join([module.__name__, *texts])
    key = hashlib.sha256(identity.encode()).hexdigest()
    functions = {name: getattr(module, name) for name in names}
    if backend == "numba" and is_interpreted():
        backend = "numpy"
    if backend == "numba":
        compiled = compile_module(module)
        functions = {name: compiled[name] for name in names}
    model = CompiledModel(
        name=module.NAME,
        digest=module.DIGEST,
        backend=backend,
        parameters=module.PARAMETERS,
        defaults=module.DEFAULTS,
        domains=module.DOMAINS,
        state=module.STATE,
        coordinates=module.COORDINATES,
        initial=module.INITIAL,
        threshold_coordinate=module.THRESHOLD_COORDINATE,
        projective=module.PROJECTIVE,
        crosses_infinity=module.CROSSES_INFINITY,
        has_pseudospikes=module.HAS_PSEUDOSPIKES,
        without_pseudospikes=module.WITHOUT_PSEUDOSPIKES,
        functions=make_module(module.__name__, functions),
        module=module,
        key=key,
        ports=tuple(dict.fromkeys(("default", *getattr(module, "PORTS", ())))),
        inputs=getattr(module, "INPUTS", "add"),
        has_refractory_period=getattr(module, "HAS_REFRACTORY_PERIOD", False),
    )
    return remember_model(model)


def make_module(name: str, functions: Mapping[str, Any]) -> ModuleType:
    """A module with these functions and nothing else, so that they are read as those of any."""
    made = ModuleType(name)
    made.__dict__.update(functions)
    return made


@lru_cache(maxsize=32)
def specialise(model: CompiledModel) -> CompiledModel:
    """The model with the functions of `spiketheory.runtime.special_half`."""
    from spiketheory.runtime import special_half

    library = compile_module(special_half, inlines=True)
    replaced = {n: library[n] for n in special_half.REPLACED if hasattr(model.module, n)}
    functions = rebind_module(model.module, replaced, inlines=True)
    own = {n: functions[n] for n, value in vars(model.functions).items() if callable(value)}
    identity = model.key + inspect.getsource(special_half)
    return replace(
        model,
        functions=make_module(model.module.__name__, own),
        key=hashlib.sha256(identity.encode()).hexdigest(),
        specialised=True,
    )


def list_libraries(module: ModuleType) -> list[ModuleType]:
    """Libraries whose functions a generated module imports."""
    imported = {v.__module__ for v in vars(module).values() if inspect.isfunction(v)}
    return [sys.modules[name] for name in LIBRARIES if name in imported]


@lru_cache(maxsize=128)
def compile_module(module: ModuleType, *, inlines: bool = False) -> dict[str, Any]:
    """Compile every function of a module; they see each other, and libraries, compiled.

    Args:
        module: The module.
        inlines: Whether no call of its functions may be left, however long they are, nor of
            elementary functions: a loop with calls does not become vector instructions. It takes
            longer to compile.

    Returns:
        The module's names, with compiled functions in the place of its functions.
    """
    return rebind_module(module, {}, inlines=inlines)


def rebind_module(
    module: ModuleType, replaced: Mapping[str, Any], *, inlines: bool
) -> dict[str, Any]:
    """The same, with other compiled functions in the place of some that the module imports."""
    import numba

    from spiketheory.machine.function_values import tell_by_type
    from spiketheory.machine.wrappers import leave_out_wrappers

    names = {**vars(module), **replaced}
    names["np"] = make_choice() if module is elementary else make_numpy(inlines=inlines)
    own = {
        name: value
        for name, value in names.items()
        if inspect.isfunction(value) and value.__module__ == module.__name__
    }
    for name, value in names.items():
        if name not in own and inspect.isfunction(value) and value.__module__ in LIBRARIES:
            names[name] = compile_module(sys.modules[value.__module__])[name]
    for name, function in own.items():
        rebound = types.FunctionType(
            function.__code__, names, name, function.__defaults__, function.__closure__
        )
        rebound.__module__ = function.__module__
        # Said for each, since a function would inherit from the first that calls it.
        options: dict[str, Any] = {"_nrt": name not in LAYOUT}
        if module is elementary:
            options = {"_nrt": False, "fastmath": {"contract"}}
        if inlines or name == "frame_factors":  # of which a caller uses a part
            options["forceinline"] = True
        compile_it = numba.njit(error_model="numpy", nogil=True, **options)
        names[name] = tell_by_type(compile_it(rebound))
        leave_out_wrappers(compile_undisturbed(names[name]))
    return names


@lru_cache(maxsize=2)
def make_numpy(*, inlines: bool) -> ModuleType:
    """NumPy for compiled code: some functions are those of `spiketheory.runtime.elementary`."""
    replaced = ModuleType("numpy")
    replaced.__dict__.update(vars(make_choice()))
    compiled = compile_module(elementary, inlines=inlines)
    replaced.__dict__.update({name: compiled[name] for name in elementary.REPLACED})
    return replaced


@lru_cache(maxsize=1)
def make_choice() -> ModuleType:
    """NumPy with a ``where`` for numbers."""
    from spiketheory.machine.instructions import where

    replaced = ModuleType("numpy")
    replaced.__dict__.update(vars(np))
    replaced.__dict__["where"] = where
    return replaced
