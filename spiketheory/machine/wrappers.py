"""Compiled functions without what Python and C would call them by, unless Python does call them.

Numba writes two wrappers for each function, and optimises and keeps them with it: a fifth of the
time of compiling. Most functions are only called by other compiled ones, which need neither.
"""

from typing import Any

from numba.core.compiler_lock import global_compiler_lock
from numba.core.sigutils import normalize_signature


def leave_out_wrappers(dispatcher: Any) -> Any:
    """Compile a function with a wrapper only where Python calls it; returns it.

    One that was compiled without is then compiled anew: Numba cannot add a wrapper later.
    """
    dispatcher.asked_by_kernel = False  # guarded by the compiler's lock
    compile_it, find = dispatcher.compile, dispatcher.get_call_template
    add, customize = dispatcher.add_overload, dispatcher._compiler._customize_flags

    def get_call_template(arguments: Any, named: Any) -> Any:
        with global_compiler_lock:
            before, dispatcher.asked_by_kernel = dispatcher.asked_by_kernel, True
            try:
                return find(arguments, named)
            finally:
                dispatcher.asked_by_kernel = before

    def compile_missing(signature: Any) -> Any:
        with global_compiler_lock:
            kinds = tuple(normalize_signature(signature)[0])
            found = dispatcher.overloads.get(kinds)
            if found is None or dispatcher.asked_by_kernel or has_wrapper(found):
                return compile_it(signature)
            del dispatcher.overloads[kinds]
            try:
                return compile_it(signature)
            finally:
                dispatcher.overloads.setdefault(kinds, found)  # if the compiler was interrupted

    def set_flags(flags: Any) -> Any:
        flags = customize(flags)
        flags.no_cpython_wrapper = dispatcher.asked_by_kernel
        flags.no_cfunc_wrapper = True
        return flags

    def add_overload(result: Any) -> None:
        if has_wrapper(result):
            add(result)
        else:  # a call from Python must not find it
            dispatcher.overloads[tuple(result.signature.args)] = result

    dispatcher.get_call_template = get_call_template
    dispatcher.compile = compile_missing
    dispatcher._compiler._customize_flags = set_flags
    dispatcher.add_overload = add_overload
    return dispatcher


def has_wrapper(result: Any) -> bool:
    """Whether Python can call what was compiled."""
    name = result.fndesc.llvm_cpython_wrapper_name
    return bool(result.library.get_pointer_to_function(name))
