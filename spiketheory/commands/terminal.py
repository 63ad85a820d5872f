"""What reaches the terminal: nothing that it would obey, and no letter that it cannot show.

All output of the program passes here, once: `protect_output` stands around every command. Text
from files (descriptions, units, names, quotes in errors) may hold control characters; they are
shown as escapes, those of JSON. Where standard output is not UTF-8, letters that its encoding
lacks are written in others. The escapes of colours and progress bars are rich's own, and are
written past the protection by `make_console`.
"""

import codecs
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from spiketheory.plain_text import escape_controls

if TYPE_CHECKING:
    from rich.console import Console

LETTERS = {
    "→": "->", "←": "<-", "⇒": "=>", "↦": "->", "∞": "oo", "√": "sqrt", "π": "pi", "≤": "<=",
    "≥": ">=", "≠": "!=", "≈": "~", "±": "+-", "∓": "-+", "·": "*", "⋅": "*", "×": "x", "−": "-",
    "–": "-", "—": "-", "…": "...", "‘": "'", "’": "'", "“": '"', "”": '"', "✓": "ok", "✗": "no",
    "∫": "int", "∂": "d", "∈": "in", "∧": "and", "∨": "or", "¬": "not", "ℝ": "R", "′": "'",
    "█": "#", "•": "*", "●": "*", "°": " deg", "µ": "u",
}  # fmt: skip
"""What stands for a letter that an encoding lacks; others are taken apart, or are called."""


class ProtectedStream:
    """A text stream that escapes control characters; everything else is the stream's own.

    Args:
        stream: What to write to.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write text with control characters escaped."""
        self.stream.write(escape_controls(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write texts one after the other."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        if name == "buffer":  # nobody goes around the protection
            raise AttributeError(name)
        return getattr(self.stream, name)


@contextmanager
def protect_output() -> Iterator[None]:
    """Let standard output and errors escape what a terminal would obey, inside of the block."""
    before = sys.stdout, sys.stderr
    errors = [getattr(stream, "errors", None) for stream in before]
    set_errors(before, [FALLBACK] * len(before))
    sys.stdout, sys.stderr = (_protect(stream) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
        set_errors(before, errors)


def set_errors(streams: Iterable[Any], errors: Iterable[str | None]) -> None:
    """Say what streams do with letters that their encodings lack, where that can be said."""
    for stream, kind in zip(streams, errors, strict=True):
        if kind is not None and hasattr(stream, "reconfigure") and not stream.closed:
            stream.reconfigure(errors=kind)


def _protect(stream: Any) -> Any:
    """A protected stream; None, which has no terminal behind it, stays None."""
    return stream if stream is None else ProtectedStream(stream)


def make_console(*, stderr: bool = False, quiet: bool = False) -> "Console":
    """A console of rich: its own escapes are written, those in the text that it shows are not."""
    from rich.console import Console
    from rich.segment import Segment

    class ProtectedConsole(Console):
        """Escapes control characters in what is rendered."""

        def render(self, *args: Any, **kwargs: Any) -> Iterable[Segment]:
            """Segments of text, in which nothing is a command."""
            for text, style, control in super().render(*args, **kwargs):
                yield Segment(text if control else escape_controls(text), style, control)

    stream = sys.stderr if stderr else sys.stdout
    return ProtectedConsole(file=getattr(stream, "stream", stream), quiet=quiet)


def replace_letters(err: UnicodeError) -> tuple[str, int]:
    """Write letters that an encoding lacks in those that it has; an error handler of `codecs`."""
    if not isinstance(err, UnicodeEncodeError):
        raise err
    found = "".join(map(spell_out, err.object[err.start : err.end]))
    return found, err.end


def spell_out(letter: str) -> str:
    """A letter in ASCII."""
    if letter in LETTERS:
        return LETTERS[letter]
    parts = unicodedata.normalize("NFKD", letter)
    plain = "".join(LETTERS.get(part, part if part.isascii() else "") for part in parts)
    if plain:
        return plain
    name = unicodedata.name(letter, "")
    if name.startswith("GREEK ") and " LETTER " in name:
        word = name.split(" LETTER ")[1].split()[0]
        return word.capitalize() if "CAPITAL" in name else word.lower()
    if name.startswith("BOX DRAWINGS LIGHT DIAGONAL"):
        return "/" if "UPPER RIGHT TO LOWER LEFT" in name else "\\"
    if name.startswith("BOX DRAWINGS"):
        across = "HORIZONTAL" in name and "VERTICAL" not in name
        return "-" if across else "|" if "HORIZONTAL" not in name else "+"
    for part, ascii_form in DRAWN:
        if part in name:
            return ascii_form
    return "?"


DRAWN = (
    ("RIGHT PARENTHESIS", ")"), ("LEFT PARENTHESIS", "("), ("RIGHT SQUARE BRACKET", "]"),
    ("LEFT SQUARE BRACKET", "["), ("RIGHT CURLY BRACKET", "}"), ("LEFT CURLY BRACKET", "{"),
    ("VERTICAL", "|"), ("HORIZONTAL", "-"), ("INTEGRAL", "|"), ("DIAGONAL", "/"),
    ("COMBINING", ""), ("SPACE", " "),
)  # fmt: skip
"""Parts of tall brackets and the like, by a part of their names."""

FALLBACK = "spiketheory.letters"
codecs.register_error(FALLBACK, replace_letters)
