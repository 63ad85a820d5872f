import numpy as np
import pytest

from spiketheory.runtime.branches import choose_branches, loop_over


def root(x):
    return np.sqrt(x)


def logarithm(x):
    return np.log(-x)


def zero(x):
    return 0.0


def test_every_element_is_computed_by_its_own_branch_only():
    x = np.array([4.0, -1.0, 0.0])
    got = choose_branches((x > 0, x < 0, True), (root, logarithm, zero), (x,))
    np.testing.assert_array_equal(got, [2.0, 0.0, 0.0])


def test_the_first_condition_that_holds_counts():
    x = np.array([1.0, 2.0, 3.0])
    got = choose_branches((x > 1, x > 2, True), (lambda x: 1.0, lambda x: 2.0, zero), (x,))
    np.testing.assert_array_equal(got, [0.0, 1.0, 1.0])


def test_a_tuple_gives_a_tuple_of_arrays():
    x = np.array([1.0, -1.0])
    got = choose_branches((x > 0, True), (lambda x: (x, 1.0), lambda x: (2 * x, 0.0)), (x,))
    assert isinstance(got, tuple)
    np.testing.assert_array_equal(got, [[1.0, -2.0], [1.0, 0.0]])


def test_a_tuple_of_one_stays_a_tuple():
    x = np.array([1.0, -1.0])
    got = choose_branches((x > 0, True), (lambda x: (x,), lambda x: (-x,)), (x,))
    assert isinstance(got, tuple)
    np.testing.assert_array_equal(got[0], [1.0, 1.0])


def test_arguments_and_conditions_are_broadcast():
    x, y = np.arange(3.0)[:, None], np.arange(2.0)
    got = choose_branches((y > 0, True), (lambda x, y: x + y, lambda x, y: -x), (x, y))
    np.testing.assert_array_equal(got, np.where(y > 0, x + y, -x + 0 * y))


def test_numbers_give_an_array_without_axes():
    got = choose_branches((False, True), (lambda x: x, lambda x: 2 * x), (3.0,))
    assert np.shape(got) == ()
    assert got == 6.0


@pytest.mark.parametrize("shape", [(0,), (0, 3)])
def test_empty_arrays_give_empty_arrays(shape):
    x = np.zeros(shape)
    assert choose_branches((x > 0, True), (root, zero), (x,)).shape == shape


def test_the_arguments_are_left_alone():
    x = np.array([1.0, -1.0])
    choose_branches((x > 0, True), (root, logarithm), (x,))
    np.testing.assert_array_equal(x, [1.0, -1.0])


def test_a_function_of_numbers_is_called_once_for_every_element():
    seen = []

    def add(a, b):
        seen.append((a, b))
        return a + b

    got = loop_over(add)(np.array([1.0, 2.0])[:, None], np.array([10.0, 20.0, 30.0]))
    np.testing.assert_array_equal(got, [[11.0, 21.0, 31.0], [12.0, 22.0, 32.0]])
    assert len(seen) == 6
    assert all(type(value) is float for pair in seen for value in pair)


def test_a_function_of_numbers_that_returns_a_tuple_gives_a_tuple_of_arrays():
    total, product = loop_over(lambda a, b: (a + b, a * b))(np.array([1.0, 2.0]), 3.0)
    np.testing.assert_array_equal(total, [4.0, 5.0])
    np.testing.assert_array_equal(product, [3.0, 6.0])
    (alone,) = loop_over(lambda a: (a,))(np.array([1.0, 2.0]))
    np.testing.assert_array_equal(alone, [1.0, 2.0])


def test_numbers_give_arrays_without_axes_one_by_one_too():
    got = loop_over(lambda a: 2 * a)(3.0)
    assert np.shape(got) == ()
    assert got == 6.0
