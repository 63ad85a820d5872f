"""The blocks of a document, independent of its format."""

from dataclasses import dataclass

from spiketheory.language.notation import Math

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


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a page says first; formats without a page leave it out.

    Attributes:
        rows: Labels and what they stand for.
        verdict: Outcome of the verification in one sentence.
        passed: Whether there were checks; a derivation that fails one never gets here.
    """

    rows: tuple[tuple[str, Cell], ...]
    verdict: str
    passed: bool


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A picture; formats of text leave it out.

    Attributes:
        svg: An ``svg`` element to stand inside a page; its ids occur in no other figure.
        caption: What is to be seen, in sentences.
        alt: The same for those who do not see it.
    """

    svg: str
    caption: str
    alt: str


Block = Heading | Paragraph | Formula | Table | Listing | Code | Summary | Figure
