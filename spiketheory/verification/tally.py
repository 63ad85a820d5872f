"""Comparisons of one check: how many, how far apart, and in how many digits.

Rounding errors grow with the condition number of what is compared. Instead of a bound for it, a
comparison that fails is made again in more digits: what rounding did goes away, a fault stays.
"""

from collections.abc import Callable, Iterator, Sequence

import mpmath
from mpmath import mpf

from spiketheory.errors import VerificationError
from spiketheory.symbolic.derivation import Check
from spiketheory.verification.cases import DIGITS, describe_failure

TOLERANCE = mpf(10) ** -25
LEVELS = (DIGITS, 2 * DIGITS, 4 * DIGITS, 8 * DIGITS)
"""Digits in which a comparison is made, one after another, as long as it fails.

The last is enough for a state next to the threshold after 600 time constants, exp(-600)."""
SAME = mpf(10) ** -6
"""Numbers that agree so well in two precisions are no matter of rounding."""


class Mismatch(VerificationError):
    """A comparison that failed, with its numbers.

    Args:
        message: What failed.
        numbers: What was got and wanted; none if a condition does not hold.
    """

    def __init__(self, message: str, numbers: Sequence[mpf] = ()) -> None:
        super().__init__(message)
        self.numbers = tuple(numbers)

    def is_settled(self, before: "Mismatch | None") -> bool:
        """Whether more digits have changed nothing, so that still more will not."""
        if before is None or not self.numbers or len(self.numbers) != len(before.numbers):
            return False
        return all(
            abs(new - old) <= SAME * abs(new)
            for new, old in zip(self.numbers, before.numbers, strict=True)
        )


class Tally:
    """Counts the comparisons of one check and keeps the worst.

    Args:
        name: The check's name.
        remedy: What to do if it fails.
        what: What is counted.
        digits: How many digits the comparison has.
    """

    def __init__(
        self, name: str, remedy: str, what: str = "values", *, digits: int = DIGITS
    ) -> None:
        self.name, self.remedy, self.what, self.digits = name, remedy, what, digits
        self.compared, self.demanded, self.worst = 0, 0, mpf(0)

    def compare(
        self,
        what: str,
        got: Sequence[mpf],
        want: Sequence[mpf],
        *,
        scale: mpf | int = 0,
        tolerance: mpf = TOLERANCE,
    ) -> None:
        """Compare two vectors, relative to the larger of ``want`` and ``scale``."""
        size = max([abs(scale), *map(abs, want)]) or mpf(1)
        same = len(got) == len(want)
        error = (
            max(abs(g - w) for g, w in zip(got, want, strict=True)) / size if same else mpmath.inf
        )
        if not error <= tolerance:
            message = describe_failure(
                self.name, f"{what} to be {show(want)}", show(got), self.remedy
            )
            raise Mismatch(message, [*got, *want])
        self.worst = max(self.worst, error)
        self.compared += 1

    def demand(self, holds: bool, expected: str, got: str) -> None:
        """Demand that something holds."""
        if not holds:
            raise Mismatch(describe_failure(self.name, expected, got, self.remedy))
        self.demanded += 1

    def report(self) -> Iterator[Check]:
        """The check, unless there was nothing to look at."""
        details = []
        if self.compared:
            # Numbers that agree in every digit say no more than that.
            exact = self.worst < mpf(10) ** -DIGITS
            error = f"below 1e-{DIGITS}" if exact else mpmath.nstr(self.worst, 2)
            details.append(f"worst relative error {error} over {self.compared} {self.what}")
        if self.demanded:
            details.append(f"{self.demanded} conditions hold")
        if details:
            yield Check(name=self.name, method=f"{self.digits} digits", detail=", ".join(details))


def resolve(compare: Callable[[], None], *tallies: Tally, levels: Sequence[int] = LEVELS) -> None:
    """Make the comparisons of one place in as many digits as its conditioning asks for.

    Args:
        compare: Makes them, in mpmath's working precision, from numbers that are exact.
        tallies: What counts them; what a failed attempt counted is forgotten.
        levels: The precisions to try.

    Raises:
        VerificationError: If they fail in every precision, or in two with the same numbers.
    """
    before: Mismatch | None = None
    for digits in levels:
        counted = [(t.compared, t.demanded, t.worst) for t in tallies]
        try:
            with mpmath.workdps(digits):
                compare()
        except Mismatch as failure:
            if digits == levels[-1] or failure.is_settled(before):
                raise
            before = failure
            for tally, (compared, demanded, worst) in zip(tallies, counted, strict=True):
                tally.compared, tally.demanded, tally.worst = compared, demanded, worst
        else:
            return


def format_number(value: mpf) -> str:
    """A number in words."""
    return str(mpmath.nstr(value, 8))


def show(vector: Sequence[mpf]) -> str:
    """Several numbers in words."""
    return ", ".join(map(format_number, vector))
