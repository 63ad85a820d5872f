"""Bind kernels to a neuron model, and compile them.

Kernels are plain functions of a module, marked by `kernel`. They call the stubs of
`spiketheory.generation.interface`, kernels of other modules that theirs imports by name, and read
facts. `link` makes a copy of a module in which those names are a model's functions and facts, and
the kernels are compiled: so one text serves every model, without closing over any. A branch on a
fact that does not hold is not compiled, as one on a global constant.
"""

import inspect
import sys
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, TypeVar

from spiketheory.machine.jit import Options, compile_function, hash_package, hash_texts

F = TypeVar("F", bound=Callable[..., Any])


def kernel(
    *,
    allocates: bool = False,
    reorders: bool = False,
    inlines: bool = False,
    disjoint: bool = False,
) -> Callable[[F], F]:
    """Mark a function as a kernel; it stays a plain function.

    Args:
        allocates: Whether it makes arrays. One that does not counts no references to those that
            it is given, which would take longer than a loop over a few neurons.
        reorders: Whether its own sums may be added up in another order, so that they become
            vector instructions; not those of the functions that it calls.
        inlines: Whether its text takes the place of calls of it. One that does not allocate may
            then return a part of an array, which it otherwise may not.
        disjoint: Whether no array that it writes to shares memory with another that it is given:
            its loops then need not find out, each time anew, whether they may be vector
            instructions.
    """
    options = Options(allocates=allocates, reorders=reorders, inlines=inlines, disjoint=disjoint)

    def mark(function: F) -> F:
        function.__dict__["options"] = options
        return function

    return mark


def is_kernel(value: object) -> bool:
    """Whether something is a function marked by `kernel`."""
    return inspect.isfunction(value) and isinstance(getattr(value, "options", None), Options)


def list_modules(module: ModuleType) -> list[ModuleType]:
    """A module, and those that it imports kernels from, however far."""
    found: dict[str, ModuleType] = {}
    todo = [module]
    while todo:
        new = todo.pop()
        found[new.__name__] = new
        names = {value.__module__ for value in vars(new).values() if is_kernel(value)}
        todo += [sys.modules[name] for name in sorted(names - found.keys())]
    return list(found.values())


@dataclass(frozen=True, kw_only=True)
class Linker:
    """Links modules of kernels with one set of functions and facts.

    Attributes:
        bound: Functions, compiled if the kernels are to be, and facts, by name.
        key: Hash of all that they depend on, for machine code on disk.
        compiles: Whether to compile; else the copies are interpreted.
        linked: The modules that are linked so far, by name.
        base: Links the modules that need none of the names in ``more``, so that they are linked,
            and compiled, once for all linkers with this base.
        more: Names that the base does not bind.
    """

    bound: Mapping[str, Any]
    key: str
    compiles: bool
    linked: dict[str, ModuleType] = field(default_factory=dict)
    base: "Linker | None" = None
    more: frozenset[str] = frozenset()

    def link(self, module: ModuleType) -> ModuleType:
        """A copy of ``module`` with the bound names in the place of its own, and its kernels bound.

        Args:
            module: A module with kernels. Those of other modules that it imports by name are
                linked with it.
        """
        if module.__name__ in self.linked:
            return self.linked[module.__name__]
        modules = list_modules(module)
        if self.base is not None and not any(self.more & vars(m).keys() for m in modules):
            return self.base.link(module)
        copy = self.linked[module.__name__] = ModuleType(module.__name__, module.__doc__)
        try:
            self.fill(copy, module, modules)
        except BaseException:  # Ctrl-C: a later call must not find half a module
            self.linked.pop(module.__name__, None)
            raise
        return copy

    def fill(self, copy: ModuleType, module: ModuleType, modules: list[ModuleType]) -> None:
        """Put the names of a module into its copy, and its kernels bound."""
        names = copy.__dict__
        names.update(vars(module))
        for name, value in vars(module).items():
            if name in self.bound:
                names[name] = self.bound[name]
            elif is_kernel(value) and value.__module__ != module.__name__:
                names[name] = getattr(self.link(sys.modules[value.__module__]), value.__name__)
        # Kernels of other packages may be called, whose text is not in `compile_function`'s key.
        packages = sorted({hash_package(inspect.getfile(m)) for m in modules})
        key = hash_texts(self.key, *packages)
        for name, value in vars(module).items():
            if is_kernel(value) and value.__module__ == module.__name__ and name not in self.bound:
                names[name] = self.bind(value, names, key)

    def bind(self, function: Callable[..., Any], names: dict[str, Any], key: str) -> Any:
        """One kernel with other globals, compiled."""
        plain = types.FunctionType(
            function.__code__, names, function.__name__, function.__defaults__
        )
        plain.__module__, plain.__doc__ = function.__module__, function.__doc__
        options: Options = function.__dict__["options"]
        if not self.compiles:
            return plain
        return compile_function(plain, key=key, options=options, linked=True)
