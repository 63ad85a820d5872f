"""Settings as plain values: what a file or a command line gives, converted and checked."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from spiketheory.errors import InputError
from spiketheory.reading import show


def check_at_least(name: str, value: int, least: int) -> None:
    """Raise `InputError` unless ``value`` is a whole number and not below ``least``."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(
            f"Expected {name} to be a whole number of at least {least} but got {show(value)}; "
            "choose such a number."
        )


def check_range(name: str, value: float, low: float, high: float) -> None:
    """Raise `InputError` unless ``value`` is finite and between ``low`` and ``high``."""
    if not (np.isfinite(value) and low <= value <= high):
        wanted = [f"{low:g} <= "] if np.isfinite(low) else [""]
        wanted += [f" <= {high:g}"] if np.isfinite(high) else [""]
        raise InputError(
            f"Expected a finite {wanted[0]}{name}{wanted[1]} but got {name}={value}; "
            "give a number in that range."
        )


def convert_int(value: Any) -> int:
    """A whole number; refuses what would be rounded."""
    if isinstance(value, bool | str) or int(value) != value:
        raise ValueError(value)
    return int(value)


def convert_float(value: Any) -> float:
    """A number; refuses True and False."""
    if isinstance(value, bool | str):
        raise TypeError(value)
    return float(value)


def convert_text(value: Any) -> str:
    """A text."""
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def convert_list(value: Any) -> tuple[int, ...]:
    """Whole numbers; refuses a text, which Python would take apart."""
    if not isinstance(value, list | tuple):
        raise TypeError(value)
    return tuple(convert_int(v) for v in value)


def convert_weights(value: Any) -> str | tuple[float, ...]:
    """A text, or numbers."""
    if isinstance(value, str):
        return value
    if not isinstance(value, list | tuple):
        raise TypeError(value)
    return tuple(convert_float(v) for v in value)


def convert_names(value: Any) -> tuple[str, ...]:
    """Texts; refuses a single one, which Python would take apart."""
    if not isinstance(value, list | tuple):
        raise TypeError(value)
    return tuple(convert_text(v) for v in value)


def convert_flag(value: Any) -> bool:
    """True or false; refuses numbers."""
    if not isinstance(value, bool):
        raise TypeError(value)
    return value


def convert_table(value: Any) -> dict[str, float]:
    """Numbers by name."""
    if not isinstance(value, Mapping):
        raise TypeError(value)
    return {str(name): convert_float(number) for name, number in value.items()}


CONVERTERS: dict[Any, Any] = {
    int: convert_int,
    float: convert_float,
    str: convert_text,
    bool: convert_flag,
    tuple[int, ...]: convert_list,
    tuple[str, ...]: convert_names,
    str | tuple[float, ...]: convert_weights,
    Mapping[str, float]: convert_table,
}

DESCRIPTIONS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    str: "a text",
    bool: "true or false",
    tuple[int, ...]: "a list of whole numbers",
    tuple[str, ...]: "a list of texts",
    str | tuple[float, ...]: "a text or a list of numbers",
    Mapping[str, float]: "a table of numbers",
}
