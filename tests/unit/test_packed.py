"""Records in memory, read back by compiled functions."""

from collections import namedtuple
from typing import Any, NamedTuple

import numba
import numpy as np
import pytest
from networks import compiled

from spiketheory.machine.packed import Packed


class Inner(NamedTuple):
    values: Any
    number: Any


class Record(NamedTuple):
    flag: Any
    inner: Any
    pair: Any
    matrix: Any
    records: Any
    whole: Any
    narrow: Any
    last: Any


def make_record(**changes):
    record = Record(
        flag=True,
        inner=Inner(values=np.array([1.5, -2.5]), number=7),
        pair=(0.25, np.arange(3)),
        matrix=np.arange(6.0, dtype=np.float32).reshape(2, 3),
        records=[Inner(values=np.arange(k + 2.0) + 10 * k, number=-k) for k in range(3)],
        whole=np.int64(-(2**62)),
        narrow=np.float32(0.1),
        last=np.full((2, 1, 2), 9, np.uint8),
    )
    return record._replace(**changes)


def read(function, record):
    """What a compiled function makes of the record; the same must come of the tuple itself."""
    found = numba.njit(function)(Packed(record))
    plain = function(record)
    assert type(found) is type(plain) or isinstance(found, int | float)
    np.testing.assert_array_equal(found, plain)
    return found


@pytest.mark.parametrize("flag", [True, False])
def test_numbers_are_read_with_their_signs_and_in_their_precision(flag):
    record = make_record(flag=flag)
    assert read(lambda r: r.whole, record) == -(2**62)
    assert read(lambda r: not r.flag, record) is (not flag)
    assert read(lambda r: r.narrow * np.float32(1.0), record) == np.float32(0.1)
    assert read(lambda r: r.inner.number, record) == 7
    assert read(lambda r: r.pair[0], record) == 0.25


def test_arrays_are_those_of_the_record():
    record = make_record()

    @numba.njit
    def change(r):
        r.matrix[1, 2] += 1
        r.inner.values[0] = 4.0
        r.last[1, 0, 1] = 3
        r.pair[1][2] = -1

    change(Packed(record))
    assert record.matrix.tolist() == [[0, 1, 2], [3, 4, 6]]
    assert record.inner.values.tolist() == [4.0, -2.5]
    assert record.last.ravel().tolist() == [9, 9, 9, 3]
    assert record.pair[1].tolist() == [0, 1, -1]


def test_shapes_and_strides_of_arrays_are_known():
    record = make_record()
    assert read(lambda r: r.matrix.shape, record) == (2, 3)
    assert read(lambda r: r.last.size, record) == 4
    assert read(lambda r: r.matrix[:, 1].sum(), record) == 5
    assert read(lambda r: r.matrix[1:].reshape(3)[2], record) == 5


def test_entries_of_lists_are_found_by_number():
    record = make_record()

    @numba.njit
    def add_up(r, k):
        inner = r.records[k]
        return inner.values.sum() + inner.number

    for k in range(3):
        assert add_up(Packed(record), k) == record.records[k].values.sum() - k


def test_records_of_the_same_types_share_machine_code_and_others_do_not():
    function = numba.njit(lambda r: r.matrix[0, 1])
    assert function(Packed(make_record())) == 1
    assert function(Packed(make_record(matrix=np.full((4, 4), 8, np.float32)))) == 8
    assert len(function.overloads) == 1
    assert function(Packed(make_record(matrix=np.full((1, 2), 2.5)))) == 2.5
    assert len(function.overloads) == 2


def test_records_of_one_name_with_other_fields_are_not_taken_for_each_other():
    function = numba.njit(lambda r: r.first)
    for fields, wanted in ((("first", "second"), 1.0), (("second", "first"), 2.0)):
        kind = namedtuple("Same", fields)
        assert function(Packed(kind(1.0, 2.0))) == wanted
    assert len(function.overloads) == 2


def test_a_field_that_is_not_there_is_refused():
    with pytest.raises(numba.TypingError, match="Unknown attribute 'missing'"):
        numba.njit(lambda r: r.missing)(Packed(make_record()))


def test_an_array_with_gaps_is_refused():
    with pytest.raises(ValueError, match="contiguous array but got strides"):
        Packed(make_record(matrix=np.ones((3, 4))[:, ::2]))


def test_a_list_of_unlike_records_is_refused():
    mixed = [Inner(values=np.ones(1), number=1), Inner(values=np.ones(1), number=1.0)]
    with pytest.raises(ValueError, match="records of one type"):
        Packed(make_record(records=mixed))


def test_without_a_compiler_a_record_stays_what_it_is():
    record = make_record()
    assert compiled("theta", backend="numpy").pack(record) is record
    assert compiled("theta", backend="numba").pack(record).record is record
