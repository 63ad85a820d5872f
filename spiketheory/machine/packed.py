"""Records that compiled functions get by address.

A tuple of arrays is passed to a compiled function number by number: each array is seven or more,
and a record of forty arrays some hundreds, copied at every call and typed anew in every function. A
`Packed` record is passed as one pointer. Functions read its fields as they would a named tuple's.
"""

import hashlib
import operator
from functools import lru_cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel.models import PrimitiveModel
from numba.core.datamodel.registry import register_default as register_model
from numba.core.imputils import impl_ret_borrowed, lower_getattr_generic
from numba.core.pythonapi import NativeValue, unbox
from numba.core.typing.templates import AttributeTemplate, infer_getattr
from numba.core.typing.typeof import typeof_impl
from numba.extending import intrinsic, overload
from numba.np.numpy_support import from_dtype


class Packed:
    """A record in memory as compiled functions read it; arrays are shared, numbers copied.

    Attributes:
        record: The named tuple. Its fields are arrays, numbers, tuples of them, and lists of named
            tuples that are alike.
        kind: Its Numba type.
        address: Where its numbers begin.

    Raises:
        ValueError: If an array is not contiguous, or the entries of a list are not alike.
    """

    def __init__(self, record: Any) -> None:
        words: list[int] = []
        self._lists: list[np.ndarray] = []
        self.record = record
        self.kind = PackedType.of(describe(record, words, self._lists))
        self._words = np.array(words, np.int64)
        self.address = self._words.ctypes.data


def describe(value: Any, words: list[int], lists: list[np.ndarray]) -> Any:
    """What the type of ``value`` depends on; its numbers are appended to ``words``.

    Each number takes 64 bits, the narrower ones in their first bytes. Of a list, which holds
    records of one type, there is the address of theirs, which are appended to ``lists``.
    """
    if isinstance(value, list):
        inner: list[int] = []
        description, *others = {describe(part, inner, lists) for part in value}
        if others:
            raise ValueError(f"Expected a list of records of one type but got {value}.")
        lists.append(np.array(inner, np.int64))
        words.append(lists[-1].ctypes.data)
        return list, description
    if isinstance(value, np.ndarray):
        if not value.flags.c_contiguous:
            raise ValueError(f"Expected a contiguous array but got strides {value.strides}.")
        words += (value.size, value.itemsize, value.ctypes.data, *value.shape, *value.strides)
        return value.dtype, value.ndim
    if isinstance(value, tuple):
        return type(value), tuple([describe(part, words, lists) for part in value])
    if isinstance(value, np.generic | float | bool):
        kind = np.asarray(value)
    else:
        kind = np.asarray(value, np.int64)
    words.append(int.from_bytes(kind.tobytes().ljust(8, b"\0"), "little", signed=True))
    return kind.dtype, None


def make_type(description: Any) -> Any:
    """The Numba type of what is described."""
    first, second = description
    if not isinstance(first, type):
        kind = from_dtype(first)
        return kind if second is None else types.Array(kind, second, "C")
    if first is list:
        return PackedListType(PackedType.of(second))
    parts = [make_type(part) for part in second]
    return types.BaseTuple.from_types(parts, None if first is tuple else first)


def name_type(description: Any) -> str:
    """All that tells what is described from other types: Numba takes types of one name for one."""
    first, second = description
    if not isinstance(first, type):
        return f"{first.str} {second}"
    parts = (second,) if first is list else second
    fields = getattr(first, "_fields", "")
    inner = ", ".join(name_type(part) for part in parts)
    return f"{first.__module__}.{first.__qualname__} {fields} ({inner})"


def count_words(kind: Any) -> int:
    """How many words a value takes."""
    if isinstance(kind, types.Array):
        return 3 + 2 * kind.ndim
    if isinstance(kind, types.BaseTuple):
        return sum(count_words(part) for part in list_parts(kind))
    return 1


def list_parts(kind: Any) -> list[Any]:
    """The types of a tuple's entries (which Numba does not declare)."""
    return list(kind)


class PackedType(types.Type):
    """The type of `Packed` records with fields of the same types.

    Its name is short, since it becomes part of that of every function that takes one.
    """

    def __init__(self, record: Any, name: str) -> None:
        self.record = record
        super().__init__(name)

    @staticmethod
    @lru_cache(maxsize=256)
    def of(description: Any) -> "PackedType":
        """The type of a record that is so described."""
        digest = hashlib.sha256(name_type(description).encode()).hexdigest()
        return PackedType(make_type(description), f"{description[0].__name__}{digest[:16]}")


class PackedListType(types.Type):
    """The type of a list of records, which stand in memory one behind the other."""

    def __init__(self, item: PackedType) -> None:
        self.item = item
        super().__init__(f"list({item})")


@typeof_impl.register(Packed)
def find_type(value: Packed, context: Any) -> PackedType:
    """The type of an argument."""
    return value.kind


@register_model(PackedType)
@register_model(PackedListType)
class PackedModel(PrimitiveModel):
    """A pointer."""

    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, ir.IntType(64).as_pointer())


@unbox(PackedType)
def read_argument(kind: PackedType, value: Any, c: Any) -> Any:
    """The pointer in a `Packed` argument."""
    number = c.pyapi.object_getattr_string(value, "address")
    pointer = c.pyapi.long_as_voidptr(number)
    c.pyapi.decref(number)
    return NativeValue(
        c.builder.bitcast(pointer, ir.IntType(64).as_pointer()), is_error=c.pyapi.c_api_error()
    )


@infer_getattr
class PackedFields(AttributeTemplate):
    """The types of the fields."""

    key = PackedType

    def generic_resolve(self, kind: Any, name: str) -> Any:  # type: ignore[override]
        """The type of a field; None if there is none."""
        fields = kind.record.fields
        return list_parts(kind.record)[fields.index(name)] if name in fields else None


@lower_getattr_generic(PackedType)
def emit_field(context: Any, builder: Any, kind: PackedType, pointer: Any, name: str) -> Any:
    """Read a field."""
    place = kind.record.fields.index(name)
    *before, field = list_parts(kind.record)[: place + 1]
    first = sum(count_words(part) for part in before)
    value = emit_value(context, builder, field, pointer, first)
    return impl_ret_borrowed(context, builder, field, value)


@overload(operator.getitem)
def get_record(records: Any, place: Any) -> Any:
    """Entry ``place`` of a list of records; negative places do not count from the end."""
    if not isinstance(records, PackedListType):
        return None

    def get(records: Any, place: Any) -> Any:
        return find_record(records, place)  # type: ignore[call-arg]

    return get


@intrinsic
def find_record(typing_context: Any, records: Any, place: Any) -> Any:
    """The same as an instruction."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer, number = arguments
        number = context.cast(builder, number, signature.args[1], types.intp)
        size = ir.Constant(number.type, count_words(records.item.record))
        return builder.gep(pointer, [builder.mul(number, size)])

    return records.item(records, place), emit


def emit_value(context: Any, builder: Any, kind: Any, pointer: Any, first: int) -> Any:
    """Read a value whose words begin at ``first``."""
    if isinstance(kind, types.BaseTuple):
        parts = []
        for part in list_parts(kind):
            parts.append(emit_value(context, builder, part, pointer, first))
            first += count_words(part)
        return context.make_tuple(builder, kind, parts)
    if isinstance(kind, types.Array):
        array = context.make_array(kind)(context, builder)
        number = ir.IntType(64)
        data = array.data.type
        words = [
            emit_word(builder, pointer, first + k, data if k == 2 else number)
            for k in range(count_words(kind))
        ]
        n = kind.ndim
        array.meminfo = cgutils.get_null_value(array.meminfo.type)
        array.parent = cgutils.get_null_value(array.parent.type)
        array.nitems, array.itemsize, array.data = words[:3]
        array.shape = cgutils.pack_array(builder, words[3 : 3 + n], number)
        array.strides = cgutils.pack_array(builder, words[3 + n :], number)
        return array._getvalue()
    if isinstance(kind, PackedListType):
        return emit_word(builder, pointer, first, ir.IntType(64).as_pointer())
    stored = emit_word(builder, pointer, first, context.get_data_type(kind))
    return context.data_model_manager[kind].from_data(builder, stored)


def emit_word(builder: Any, pointer: Any, place: int, kind: Any) -> Any:
    """Read one number; the record never changes, so it may be read at any time."""
    word = builder.gep(pointer, [ir.Constant(ir.IntType(64), place)])
    loaded = builder.load(builder.bitcast(word, kind.as_pointer()))
    loaded.set_metadata("invariant.load", builder.module.add_metadata([]))
    return loaded
