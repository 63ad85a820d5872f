import numpy as np
import pytest

from spiketheory import errors
from spiketheory.errors import (
    InputError,
    SpiketheoryError,
    check_choice,
    check_finite,
    check_positive,
    check_shape,
)


def all_errors() -> list[type[Exception]]:
    return [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, Exception)]


@pytest.mark.parametrize("error", all_errors())
def test_every_error_can_be_caught_as_the_base_class_and_as_a_value_error(error):
    assert issubclass(error, SpiketheoryError)
    assert issubclass(error, ValueError)
    assert error.__doc__


def test_a_parse_error_is_a_model_error_and_a_checkpoint_error_is_an_input_error():
    assert issubclass(errors.ParseError, errors.ModelError)
    assert issubclass(errors.CheckpointError, errors.InputError)


def test_a_choice_among_the_names_is_returned():
    assert check_choice("backend", "numpy", ("numba", "numpy")) == "numpy"


def test_a_wrong_choice_is_told_the_names_in_order():
    with pytest.raises(InputError) as info:
        check_choice("backend", "jax", ("numpy", "numba"))
    assert str(info.value) == (
        "Expected backend to be one of numba, numpy but got 'jax'; choose one of these names."
    )


@pytest.mark.parametrize("value", [1, 0.5, 5e-324, np.float64(2)])
def test_a_positive_number_is_returned(value):
    assert check_positive("tau", value) == value


@pytest.mark.parametrize("value", [0, -0.0, -1.0, float("nan"), float("inf"), -float("inf")])
def test_a_number_that_is_not_finite_and_positive_is_refused(value):
    with pytest.raises(InputError, match=rf"Expected tau > 0 but got tau={value}; give a positive"):
        check_positive("tau", value)


def test_an_array_of_the_right_shape_is_returned_itself():
    array = np.zeros((2, 3))
    assert check_shape("w", array, (2, 3)) is array
    assert check_shape("w", array, (None, 3)) is array


@pytest.mark.parametrize("shape", [(3, 2), (2,), (2, 3, 1), (None, 4)])
def test_an_array_of_another_shape_is_refused(shape):
    with pytest.raises(InputError, match=r"Expected w of shape \(.*\) but got shape \(2, 3\)"):
        check_shape("w", np.zeros((2, 3)), shape)


def test_a_shape_of_one_axis_is_written_as_python_writes_it():
    with pytest.raises(InputError, match=r"of shape \(28,\) but got shape \(2,\)"):
        check_shape("w", np.zeros(2), (28,))
    with pytest.raises(InputError, match=r"of shape \(any,\) but got shape \(2, 3\)"):
        check_shape("w", np.zeros((2, 3)), (None,))


def test_a_shape_message_says_any_where_every_length_fits():
    with pytest.raises(InputError, match=r"of shape \(any, 4\) but"):
        check_shape("w", np.zeros((2, 3)), (None, 4))


def test_a_finite_array_is_returned_itself():
    for array in (np.zeros((2, 2)), np.zeros(0), np.arange(3)):
        assert check_finite("w", array) is array


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_the_first_entry_that_is_not_finite_is_named_and_all_are_counted(bad):
    array = np.zeros((2, 3))
    array[1, 0] = array[1, 2] = bad
    with pytest.raises(InputError) as info:
        check_finite("w", array)
    assert f"w[1, 0]={bad} (2 such)" in str(info.value)
