"""How records are shown: a short text, and what a notebook displays.

Pictures and formulas are made elsewhere, by what knows matplotlib or sympy; it is imported when a
notebook asks, as public names are when they are first asked for.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import fields
from importlib import import_module
from typing import Any

import numpy as np

LONGEST = 40
"""Texts and numbers that take more are told by their kind."""


class Short:
    """A record whose text says of what kind and size its parts are, not what is in them."""

    def __repr__(self) -> str:
        parts = [
            f"{f.name}={describe(getattr(self, f.name))}"
            for f in fields(self)  # type: ignore[arg-type]
            if f.repr
        ]
        return f"{type(self).__name__}({', '.join(parts)})"


def describe(value: Any) -> str:
    """A value in a few letters."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{list(value.shape)}"
    if hasattr(value, "nnz"):
        return f"sparse{list(value.shape)} with {value.nnz} entries"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k}: {describe(v)}" for k, v in value.items()) + "}"
    if isinstance(value, Collection) and not isinstance(value, str | bytes):
        shown = ", ".join(describe(v) for v in value)
        return f"[{shown}]" if len(shown) <= 2 * LONGEST else f"{len(value)} parts"
    text = repr(value)
    return text if len(text) <= LONGEST or isinstance(value, Short) else type(value).__name__


def shown_by(function: str) -> Callable[[Any], Any]:
    """A method that hands the object to a function of another module and returns what it returns.

    Args:
        function: Module and name, with dots.
    """
    module, _, name = function.rpartition(".")

    def show(self: Any) -> Any:
        return getattr(import_module(module), name)(self)

    show.__doc__ = f"What a notebook displays; see `{function}`."
    return show
