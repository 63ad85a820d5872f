"""Evaluate functions on arrays: every element by its own branch, or one by one."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


def choose_branches(
    conditions: Sequence[Any],
    bodies: Sequence[Callable[..., Any]],
    arguments: Sequence[Any],
) -> Any:
    """Evaluate each body where its condition is the first that holds.

    Args:
        conditions: Boolean arrays or numbers, broadcastable with the arguments; the last is True.
        bodies: One function per condition; takes the arguments, returns a value or a tuple.
        arguments: Arrays or numbers.

    Returns:
        An array of the broadcast shape, or a tuple of such arrays.
    """
    arrays = np.broadcast_arrays(*arguments)
    shape = arrays[0].shape
    flat = [a.reshape(-1) for a in arrays]
    todo = np.ones(flat[0].shape, dtype=bool)
    results: list[np.ndarray] = []
    single = False
    for condition, body in zip(conditions, bodies, strict=True):
        here = todo & np.broadcast_to(condition, shape).reshape(-1)
        todo &= ~here
        values = body(*(a[here] for a in flat))
        single = not isinstance(values, tuple)
        values = (values,) if single else values
        if not results:
            results = [np.empty(todo.shape) for _ in values]
        for result, value in zip(results, values, strict=True):
            result[here] = value
    shaped = tuple(r.reshape(shape) for r in results)
    return shaped[0] if single else shaped


def loop_over(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of arrays that calls ``function`` once for every element.

    Args:
        function: Takes numbers, returns a number or a tuple of them.

    Returns:
        A function of broadcastable arrays or numbers that returns an array or a tuple of arrays.
    """

    def call_each(*arguments: Any) -> Any:
        arrays = np.broadcast_arrays(*arguments)
        rows = zip(*(a.reshape(-1).tolist() for a in arrays), strict=True)
        results = [function(*row) for row in rows]
        if results and not isinstance(results[0], tuple):
            return np.array(results).reshape(arrays[0].shape)
        columns = zip(*results, strict=True)
        return tuple(np.array(column).reshape(arrays[0].shape) for column in columns)

    return call_each
