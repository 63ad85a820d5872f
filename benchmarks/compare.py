"""Two results side by side: what changed by more than the measurements scatter."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.records import Figure, Result

SAME_MACHINE = ("cpu", "cores", "threads", "python", "libraries")


@dataclass(frozen=True, kw_only=True)
class Change:
    """One figure in two results.

    Attributes:
        benchmark: The benchmark that measured it.
        name: What it is.
        unit: Unit of the values.
        before: Median in the first result.
        after: Median in the second.
        ratio: Median after over median before; None if that is 0.
        low: Smallest ratio that the ranges of values allow.
        high: Largest.
        verdict: ``better``, ``worse`` (both beyond the spread: the ranges do not overlap),
            ``changed`` (beyond the spread, and neither is better), ``within the spread``, or ``one
            value`` (a result has a single value, so that nothing is known of its spread).
        slowdown: How much worse the median is, as a fraction; negative if better; 0 if neither
            direction is better.
    """

    benchmark: str
    name: str
    unit: str
    before: float
    after: float
    ratio: float | None
    low: float | None
    high: float | None
    verdict: str
    slowdown: float


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two results side by side.

    Attributes:
        changes: Figures that both have, measured with the same settings.
        unmatched: What only one has, or both with other settings, in words.
        warnings: Differences between the machines, in words.
    """

    changes: tuple[Change, ...]
    unmatched: tuple[str, ...]
    warnings: tuple[str, ...]

    def list_slower(self, percent: float) -> list[Change]:
        """Changes for the worse, beyond the spread and by more than so many percent."""
        return [c for c in self.changes if c.verdict == "worse" and c.slowdown > percent / 100]


def compare_results(before: Result, after: Result) -> Comparison:
    """Compare figure by figure."""
    changes, unmatched = [], []
    theirs = {f.key: f for f in after.figures}
    for figure in before.figures:
        other = theirs.pop(figure.key, None)
        label = f"{figure.benchmark}: {figure.name}"
        if other is None:
            unmatched.append(f"{label}: in the first result only")
        elif (figure.unit, figure.settings) != (other.unit, other.settings):
            unmatched.append(f"{label}: measured with other settings")
        else:
            changes.append(compare_figures(figure, other))
    unmatched += [f"{f.benchmark}: {f.name}: in the second result only" for f in theirs.values()]
    return Comparison(
        changes=tuple(changes),
        unmatched=tuple(unmatched),
        warnings=tuple(list_differences(before, after)),
    )


def compare_figures(before: Figure, after: Figure) -> Change:
    """One figure in two results."""
    return Change(
        benchmark=before.benchmark,
        name=before.name,
        unit=before.unit,
        before=before.median,
        after=after.median,
        ratio=divide(after.median, before.median),
        low=divide(after.lowest, before.highest),
        high=divide(after.highest, before.lowest),
        verdict=judge(before, after),
        slowdown=find_slowdown(before, after),
    )


def divide(a: float, b: float) -> float | None:
    """A / b, or None if b is 0."""
    return a / b if b else None


def judge(before: Figure, after: Figure) -> str:
    """Whether the ranges of values overlap, and if not, which is better."""
    if before.values == after.values:
        return "within the spread"
    if 1 in (len(before.values), len(after.values)):
        return "one value"
    if after.lowest <= before.highest and before.lowest <= after.highest:
        return "within the spread"
    if before.better is None:
        return "changed"
    is_higher = after.lowest > before.highest
    return "better" if is_higher == (before.better == "higher") else "worse"


def find_slowdown(before: Figure, after: Figure) -> float:
    """How much worse the median is, as a fraction: 1 is twice the time or half the rate."""
    if before.better == "lower" and before.median:
        return after.median / before.median - 1
    if before.better == "higher" and after.median:
        return before.median / after.median - 1
    return 0.0


def list_differences(before: Result, after: Result) -> Iterable[str]:
    """What makes the two results hard to compare."""
    for name in SAME_MACHINE:
        first, second = before.machine.get(name), after.machine.get(name)
        if isinstance(first, dict) and isinstance(second, dict):
            yield from (
                f"{k}: {first.get(k)} and {second.get(k)}"
                for k in sorted({*first, *second})
                if first.get(k) != second.get(k)
            )
        elif first != second:
            yield f"{name}: {first} and {second}"
    if before.quick or after.quick:
        yield "a quick run is a smoke test: few rounds, small sizes"
    if not (before.complete and after.complete):
        yield "a run was stopped before its end"


def describe_comparison(comparison: Comparison) -> dict[str, Any]:
    """A comparison as plain values."""
    return asdict(comparison)
