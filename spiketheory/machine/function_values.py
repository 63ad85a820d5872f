"""Functions as arguments of other functions, in machine code that can be kept on disk.

Numba compiles a function anew for each function that it is given, and so never reads the one that
is passed. It passes its address in this process all the same, and takes machine code with such an
address for one that no other process can use. Here nothing is passed in its place.
"""

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.datamodel.models import OpaqueModel
from numba.core.datamodel.registry import register_default as register_model
from numba.core.imputils import lower_constant
from numba.core.registry import CPUDispatcher
from numba.core.typing.typeof import typeof_impl


class NamedFunctionType(types.Dispatcher):
    """The type of a function that is told by its type alone."""


register_model(NamedFunctionType)(OpaqueModel)


def tell_by_type(function: Any) -> Any:
    """Let a compiled function be passed to others without its address; returns it.

    No compiled function may return it to Python, or choose between it and another.
    """
    function.told_by_type = True
    return function


@typeof_impl.register(CPUDispatcher)
def find_type(function: Any, context: Any) -> Any:
    """The type of a function; Numba's own for all that are not `tell_by_type`."""
    kind = NamedFunctionType if hasattr(function, "told_by_type") else types.Dispatcher
    return kind(function)


@lower_constant(NamedFunctionType)
def emit_function(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    """A function as a value: nothing."""
    return ir.Constant(context.get_value_type(kind), None)
