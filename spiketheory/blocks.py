"""The blocks of a document, independent of its format."""

from dataclasses import dataclass

from spiketheory.notation import Math

Cell = str | Math


@dataclass(frozen=True, kw_only=True)
class Heading:
    """A heading; level 1 is the title."""

    text: str
    level: int = 2


@dataclass(frozen=True, kw_only=True)
class Paragraph:
    """Running text."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Formula:
    """An equation of its own, or several cases of one.

    Attributes:
        left: The left-hand side; None for a statement such as a condition.
        cases: Right-hand side and condition, the first that holds counts; a condition of None
            leaves the case without one.
    """

    left: Math | None
    cases: tuple[tuple[Math, Math | None], ...]


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table with a header."""

    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Listing:
    """A list of short texts."""

    items: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Code:
    """Program text."""

    text: str


Block = Heading | Paragraph | Formula | Table | Listing | Code
