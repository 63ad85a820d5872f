"""Functions that only compiled ones call have no wrappers; Python can call them all the same."""

import pytest
from numba.core.errors import TypingError

from spiketheory.machine.jit import compile_function
from spiketheory.machine.wrappers import has_wrapper


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("numba.core.config.CACHE_DIR", str(tmp_path))


def make_adder(offset):
    def add(value):
        return value + offset

    return compile_function(add, key="wrappers")


def make_double(add):
    def double(value):
        return 2.0 * add(value)

    return compile_function(double, key="wrappers")


def list_wrapped(function):
    return [has_wrapper(result) for result in function.overloads.values()]


def count_hits(function):
    return sum(function.stats.cache_hits.values())


def test_only_what_python_calls_has_a_wrapper():
    add = make_adder(2.0)
    double = make_double(add)
    assert double(1.0) == 6.0
    assert list_wrapped(double) == [True]
    assert list_wrapped(add) == [False]


def test_python_can_call_what_was_compiled_for_another_function():
    add = make_adder(2.0)
    double = make_double(add)
    assert double(1.0) == 6.0
    assert add(1.0) == 3.0
    assert add(1) == 3.0
    assert list_wrapped(add) == [True, True]
    assert double(2.0) == 8.0
    assert make_double(add)(2.0) == 8.0


def test_what_python_called_first_is_not_compiled_again_for_another_function():
    add = make_adder(2.0)
    assert add(1.0) == 3.0
    (result,) = add.overloads.values()
    assert make_double(add)(1.0) == 6.0
    assert list(add.overloads.values()) == [result]


def test_machine_code_on_disk_is_told_apart_by_who_calls_it():
    assert make_double(make_adder(2.0))(1.0) == 6.0
    called_by_python = make_adder(2.0)
    assert called_by_python(1.0) == 3.0
    assert count_hits(called_by_python) == 0
    again = make_adder(2.0)
    assert again(1.0) == 3.0
    assert count_hits(again) == 1


def test_machine_code_that_python_called_serves_other_functions_too(tmp_path):
    assert make_adder(2.0)(1.0) == 3.0
    (file,) = tmp_path.rglob("*.nbc")
    add = make_adder(2.0)
    assert make_double(add)(1.0) == 6.0
    assert count_hits(add) == 1
    assert len(list(tmp_path.rglob("*.nbc"))) == 2  # that of the other function
    assert file.exists()


def test_a_compilation_that_fails_keeps_what_was_compiled(monkeypatch):
    add = make_adder(2.0)
    assert make_double(add)(1.0) == 6.0
    with pytest.raises(TypingError):
        add("text")
    (result,) = add.overloads.values()

    def refuse(*_):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(add._compiler, "compile", refuse)
        with pytest.raises(MemoryError):
            add(1.0)
    assert list(add.overloads.values()) == [result]
    assert add(1.0) == 3.0
