"""What a run of the suite found: figures, each with a value per round, and their file.

The file is JSON; docs/formats.md, 12, describes it.
"""

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from spiketheory.errors import InputError
from spiketheory.files import write_text_atomically

FORMAT = "spiketheory benchmark"
VERSION = 1
BETTER = ("lower", "higher", None)


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One quantity, measured once per round.

    Attributes:
        benchmark: The benchmark that measured it.
        name: What it is; unique within the benchmark.
        unit: Unit of the values.
        better: ``lower``, ``higher``, or None where it is neither.
        values: One value per round.
        settings: What it was measured with; figures with other settings are not compared.
    """

    benchmark: str
    name: str
    unit: str
    better: str | None
    values: tuple[float, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", tuple(float(v) for v in self.values))
        object.__setattr__(self, "settings", dict(self.settings))
        if self.better not in BETTER:
            raise InputError(
                f"Expected better to be lower, higher or null but got {self.better!r}; correct it."
            )
        if not self.values or not all(map(math.isfinite, self.values)):
            raise InputError(
                f"Expected finite values of {self.benchmark}: {self.name} but got {self.values}; "
                "measure again."
            )

    @property
    def key(self) -> tuple[str, str]:
        """What it is found by."""
        return self.benchmark, self.name

    @property
    def median(self) -> float:
        """The value in the middle."""
        return statistics.median(self.values)

    @property
    def lowest(self) -> float:
        """The smallest value."""
        return min(self.values)

    @property
    def highest(self) -> float:
        """The largest value."""
        return max(self.values)


@dataclass(frozen=True, kw_only=True)
class Result:
    """One run of the suite.

    Attributes:
        started: When it began, UTC, ISO 8601.
        seconds: How long it took.
        quick: Whether it was a smoke test with few rounds and small sizes.
        complete: Whether every benchmark that was asked for came to its end.
        machine: The machine and the libraries, see `benchmarks.machine`.
        notes: What was left out, and why.
        figures: What was measured.
    """

    started: str
    seconds: float
    quick: bool
    complete: bool
    machine: Mapping[str, Any]
    notes: Sequence[str]
    figures: Sequence[Figure]

    def find(self, benchmark: str, name: str) -> Figure | None:
        """A figure, or None if it was not measured."""
        return next((f for f in self.figures if f.key == (benchmark, name)), None)


def write_result(path: Path, result: Result) -> None:
    """Write a result as JSON, whole or not at all."""
    plain = {
        "format": FORMAT,
        "version": VERSION,
        **{name: getattr(result, name) for name in ("started", "seconds", "quick", "complete")},
        "machine": dict(result.machine),
        "notes": list(result.notes),
        "figures": [asdict(figure) for figure in result.figures],
    }
    write_text_atomically(path, json.dumps(plain, indent=1, allow_nan=False) + "\n")


def read_result(path: Path) -> Result:
    """Read what `write_result` wrote.

    Raises:
        InputError: If the file is missing or is something else.
    """
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as err:
        raise InputError(
            f"Expected the result of a benchmark run in {path} but reading it failed: {err}; give "
            "the JSON file that the suite wrote."
        ) from err
    if not isinstance(plain, dict) or plain.get("format") != FORMAT:
        raise InputError(
            f'Expected "format": "{FORMAT}" in {path} but it is something else; give the JSON file '
            "that the suite wrote."
        )
    if plain.get("version") != VERSION:
        raise InputError(
            f"Expected version {VERSION} in {path} but got {plain.get('version')!r}; compare with "
            "the version of spiketheory that wrote it."
        )
    try:
        figures = [Figure(**figure) for figure in plain["figures"]]
        names = ("started", "seconds", "quick", "complete", "machine", "notes")
        return Result(figures=figures, **{name: plain[name] for name in names})
    except (KeyError, TypeError, ValueError) as err:
        raise InputError(
            f"Expected a complete result in {path} but it is damaged ({err}); measure again."
        ) from err
