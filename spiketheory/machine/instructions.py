"""Machine instructions that Numba has no function for."""

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic


@intrinsic
def prefetch(typing_context: Any, array: Any, column: Any) -> Any:
    """Ask for an entry, or a column, of an array; see `machine.compile.make_prefetch`."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = signature.args[0]
        array = context.make_array(kind)(context, builder, arguments[0])
        column = context.cast(builder, arguments[1], signature.args[1], types.intp)
        place = [ir.Constant(column.type, 0)] * (kind.ndim - 1) + [column]
        pointer = cgutils.get_item_pointer(context, builder, kind, array, place, wraparound=False)
        address = builder.bitcast(pointer, ir.IntType(8).as_pointer())
        number = ir.IntType(32)
        declared = ir.FunctionType(ir.VoidType(), [address.type, number, number, number])
        function = builder.module.declare_intrinsic("llvm.prefetch", [address.type], declared)
        to_write, keep_all, data = (ir.Constant(number, n) for n in (1, 3, 1))
        builder.call(function, [address, to_write, keep_all, data])
        return context.get_dummy_value()

    return types.void(array, column), emit


@intrinsic
def where(typing_context: Any, condition: Any, yes: Any, no: Any) -> Any:
    """``np.where`` for numbers, as one instruction.

    A conditional expression would become a branch, into whose arms the compiler moves what only one
    of them needs: a loop over neurons then no longer becomes vector instructions.
    """

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wanted = (types.boolean, signature.return_type, signature.return_type)
        condition, yes, no = (
            context.cast(builder, argument, given, kind)
            for argument, given, kind in zip(arguments, signature.args, wanted, strict=True)
        )
        return builder.select(condition, yes, no)

    return typing_context.unify_types(yes, no)(condition, yes, no), emit
