"""Text from files as it may be shown: nothing in it is a command to a terminal."""

import math
import re
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

Kept = TypeVar("Kept")

CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 without tab and line feed, DEL, C1
    "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"  # what turns the direction of text, line ends
    "\ufeff\ufff9-\ufffb\ud800-\udfff]"  # byte-order marks, annotations, halves of letters
)


def escape_controls(text: str) -> str:
    r"""The text with control characters written out, as ``\u001b``; tab and line feed stay."""
    return CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def escape_all(value: Kept) -> Kept:
    """The same records, lists, tuples and texts with `escape_controls` applied to every text."""
    escaped: Kept = _escape(value)
    return escaped


def _escape(value: Any) -> Any:
    if isinstance(value, str):
        return escape_controls(value)
    if isinstance(value, list | tuple):
        return type(value)(map(_escape, value))
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: _escape(getattr(value, f.name)) for f in fields(value)})
    return value


def replace_nonfinite(value: Any) -> Any:
    """The same plain values with None for NaN and infinities, which JSON cannot hold."""
    if isinstance(value, dict):
        return {k: replace_nonfinite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [replace_nonfinite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
