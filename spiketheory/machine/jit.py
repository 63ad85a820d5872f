"""Compile single functions with Numba, and know what their machine code depends on."""

import contextlib
import hashlib
import importlib.metadata
import inspect
import os
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from spiketheory.interrupts import deliver_signals_after


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a function is compiled.

    Attributes:
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

    allocates: bool = True
    reorders: bool = False
    inlines: bool = False
    disjoint: bool = False


PLAIN = Options()
SETTINGS = (
    *("OPT", "LOOP_VECTORIZE", "SLP_VECTORIZE", "BOUNDSCHECK", "ENABLE_AVX", "USING_SVML"),
    *("FULL_TRACEBACKS", "DEBUGINFO_DEFAULT"),
)
"""Settings of Numba that change the code; the processor is in its own key."""


def compile_function(
    function: Callable[..., Any], *, key: str, options: Options = PLAIN, linked: bool = False
) -> Callable[..., Any]:
    """Compile one function with Numba and keep the machine code on disk.

    It is kept by ``key``, the text of the whole package that the function is from, its options,
    and what it closes over, see `spiketheory.machine.disk_cache`. Where it cannot be read or
    written, the function is compiled anew. One that is neither linked nor closes over anything is
    not kept: its text may be anywhere.

    Args:
        function: The function; it may call other compiled functions.
        key: Hash of everything outside the function's own package that it depends on.
        options: How to compile it.
        linked: Whether its globals are those that ``key`` stands for.
    """
    import numba

    from spiketheory.machine.disk_cache import KeyedCache
    from spiketheory.machine.wrappers import leave_out_wrappers

    if is_interpreted():
        return function
    flags: dict[str, Any] = {
        "error_model": "numpy", "nogil": True, "_nrt": options.allocates,
    }  # fmt: skip
    if options.reorders:
        flags["fastmath"] = {"reassoc", "nsz", "contract"}
    if options.inlines:
        flags["inline"] = "always"
    if options.disjoint:
        flags["pipeline_class"] = make_disjoint()
    kept = linked or function.__closure__ is not None
    text = hash_package(inspect.getfile(function)) if kept else read_text(function)
    version = hash_texts(text, read_versions())
    name = f"{function.__module__}.{function.__qualname__} {function.__code__.co_firstlineno}"
    full_key = hash_texts(key, version, name, read_closed_values(function), str(options))
    if kept:
        function = name_after(function, full_key)
    dispatcher: Any = numba.njit(**flags)(function)
    leave_out_wrappers(compile_undisturbed(dispatcher))
    forget_literals(dispatcher)
    dispatcher.full_key = full_key
    if kept:
        with contextlib.suppress(RuntimeError):  # no folder for a cache can be written to
            dispatcher._cache = KeyedCache(dispatcher, version[:12])
    compiled: Callable[..., Any] = dispatcher
    return compiled


def name_after(function: Callable[..., Any], key: str) -> Callable[..., Any]:
    """A copy of a function whose machine code has a name that no other function's has.

    Numba names machine code after module, function and how many functions the process has met. So
    copies of one kernel for two models that two processes compiled may have the same name, and a
    third process that reads both would run one of them in the place of the other.
    """
    copy = types.FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__,
        function.__closure__,
    )  # fmt: skip
    copy.__kwdefaults__, copy.__dict__ = function.__kwdefaults__, dict(function.__dict__)
    copy.__module__, copy.__doc__ = function.__module__, function.__doc__
    copy.__qualname__ = f"{function.__qualname__}_{key[:16]}"
    return copy


def is_interpreted() -> bool:
    """Whether Numba was told to compile nothing, by ``NUMBA_DISABLE_JIT``."""
    from numba.core import config

    return bool(vars(config)["DISABLE_JIT"])


def hash_texts(*texts: str) -> str:
    """Hash of some texts."""
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def read_text(function: Callable[..., Any]) -> str:
    """The text of the file that a function is from; its bytecode where there is none."""
    try:
        return Path(inspect.getfile(function)).read_text(encoding="utf-8")
    except (OSError, TypeError):
        code = function.__code__
        return repr((code.co_code, code.co_consts, code.co_names))


def compile_undisturbed(dispatcher: Any) -> Any:
    """Hold signals back while a function is compiled, but for those that it calls, one at a time.

    What a handler raises in the middle of it may be lost, leave a module half handed over to LLVM,
    or crash. Between two functions it is like any error of the compiler. Returns the dispatcher.
    """
    from numba.core.compiler_lock import global_compiler_lock

    if is_interpreted():
        return dispatcher
    hold_compiler_in_forks()
    compile_it = dispatcher.compile

    def compile_undisturbed(signature: Any) -> Any:
        with global_compiler_lock, deliver_signals_after():  # waiting for the lock is disturbed
            return compile_it(signature)

    dispatcher.compile = compile_undisturbed
    return dispatcher


@lru_cache(maxsize=1)
def hold_compiler_in_forks() -> None:
    """Let a fork wait until no other thread compiles: the child has none to open the lock again."""
    from numba.core.compiler_lock import global_compiler_lock as lock

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release
        )


def forget_literals(dispatcher: Any) -> None:
    """Compile a function for numbers alone, not also for those that are written out in a call.

    Numba would compile it for the number first and then, if the argument varies, for its type.
    """
    from numba.core import types as kinds

    find = dispatcher.get_call_template
    dispatcher.get_call_template = lambda arguments, named: find(
        [kinds.unliteral(kind) for kind in arguments],
        {name: kinds.unliteral(kind) for name, kind in named.items()},
    )


@lru_cache(maxsize=1)
def make_disjoint() -> type:
    """Numba's compiler for functions whose arrays share no memory."""
    from numba.core.compiler import Compiler

    class Disjoint(Compiler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            self.state.flags.noalias = True

    return Disjoint


def read_closed_values(function: Callable[..., Any]) -> str:
    """What ``function`` closes over, as text: keys of compiled functions, texts of others, numbers.

    Functions that are defined after it are left out; they stand in the same file. So is what a
    function reads from its module at run time and no text says.
    """
    lines = []
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            closed = cell.cell_contents
        except ValueError:  # still empty
            continue
        plain = getattr(closed, "py_func", closed)
        if hasattr(closed, "full_key"):
            lines.append(f"{name} = {closed.full_key}")
        elif inspect.isfunction(plain):
            lines.append(f"{name} = {plain.__module__}.{plain.__qualname__} {read_text(plain)}")
        elif isinstance(closed, bool | int | float | str | tuple | np.generic):
            lines.append(f"{name} = {type(closed).__name__} {closed!r}")
    return "\n".join(lines)


def hash_package(path: str) -> str:
    """Hash of the text of the whole package that ``path`` is in, as it was when first asked for."""
    return hash_folder(find_package(Path(path)))


@lru_cache(maxsize=16)
def hash_folder(folder: Path) -> str:
    """Hash of the text of all modules in a folder, however deep."""
    return hashlib.sha256(read_package_source(folder).encode()).hexdigest()


@lru_cache(maxsize=256)
def find_package(path: Path) -> Path:
    """The outermost package that a file is in; its folder if it is in none.

    A kernel may use constants of any folder of its package, and no text of its own says of which.
    """
    folder = path.parent
    while (folder / "__init__.py").is_file() and (folder.parent / "__init__.py").is_file():
        folder = folder.parent
    return folder


def read_package_source(folder: Path) -> str:
    """Concatenated text of all modules in a folder, however deep if it is a package."""
    pattern = "**/*.py" if (folder / "__init__.py").is_file() else "*.py"
    return "".join(p.read_text(encoding="utf-8") for p in sorted(folder.glob(pattern)))


@lru_cache(maxsize=1)
def read_versions() -> str:
    """The versions of what machine code is made by, and makes use of, and how it is told to."""
    from numba.core import config

    libraries = ("numba", "llvmlite", "numpy")
    versions = [f"{name} {importlib.metadata.version(name)}" for name in libraries]
    settings = [f"{name} {getattr(config, name)}" for name in SETTINGS]
    return " ".join([f"python {sys.version}", *versions, *settings])
