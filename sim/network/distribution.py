"""What the weights, or the delays, of connections are drawn from."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sim.network.random_kernels import CHOICE, NORMAL, UNIFORM, Spread
from spiketheory.errors import InputError, check_choice, check_finite
from spiketheory.shown import Short

KINDS = {"normal": NORMAL, "uniform": UNIFORM, "choice": CHOICE}
FINEST = 2**31
"""A delay is drawn in so many steps at most."""
MOST_DIGITS = 23
"""Powers of ten below this are floats."""
LEAST_KEPT = 0.01
"""So much of a distribution lies within its bounds at least."""
FARTHEST = 9.0
"""So many sd from the mean is farther than anything that 53 bits can draw."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Distribution(Short):
    """What the weights, or the delays, of connections are drawn from.

    Attributes:
        kind: ``normal``, ``uniform``, or ``choice`` among some numbers, all equally likely.
        numbers: Mean and sd; lower and upper bound; or the numbers.
        at_least: What is below is drawn again.
        at_most: What is above is drawn again.
        resolution: Delays are rounded to whole multiples of it, those above 0 to at least one; 0
            stands for a power of ten of which 2e8 to 2e9 make the longest.
    """

    kind: str
    numbers: Sequence[float]
    at_least: float = -math.inf
    at_most: float = math.inf
    resolution: float = 0.0

    def __post_init__(self) -> None:
        check_choice("kind of a distribution", self.kind, KINDS)
        numbers = check_finite("numbers of a distribution", np.array(self.numbers, np.float64))
        object.__setattr__(self, "numbers", tuple(numbers.tolist()))
        if self.kind == "choice":
            fits = numbers.ndim == 1 and len(numbers) > 0
        else:
            fits = numbers.shape == (2,) and numbers[1] >= (
                numbers[0] if self.kind == "uniform" else 0.0
            )
        if not fits:
            raise InputError(
                "Expected a mean and an sd >= 0 (normal), a lower and an upper bound (uniform), or "
                f"some numbers (choice) but got {self.kind} {self.numbers}; correct them."
            )
        if not self.at_least <= self.at_most or self.share < LEAST_KEPT:
            raise InputError(
                f"Expected bounds within which at least {LEAST_KEPT:.0%} of what is drawn lies but "
                f"got {self.at_least:g} to {self.at_most:g} for {self.kind} {self.numbers}; widen "
                "them."
            )
        bounded = math.isfinite(self.at_least) or math.isfinite(self.at_most)
        if self.kind == "choice" and (bounded or self.resolution):
            raise InputError(
                "Expected no bounds and no resolution of a choice but got "
                f"{self.at_least:g} to {self.at_most:g} and {self.resolution:g}; choose among "
                "other numbers."
            )
        if not 0 <= self.resolution < math.inf:
            raise InputError(
                f"Expected a resolution >= 0 but got {self.resolution:g}; give a positive number, "
                "or leave it out."
            )

    @property
    def share(self) -> float:
        """How much of what is drawn lies within the bounds."""
        a, b = self.numbers[0], self.numbers[-1]
        if self.kind == "choice":
            return 1.0
        if self.kind == "uniform":
            inside = min(b, self.at_most) - max(a, self.at_least)
            return inside / (b - a) if b > a else float(inside >= 0)
        if b == 0:
            return float(self.at_least <= a <= self.at_most)
        ends = [(x - a) / b / math.sqrt(2) for x in (self.at_least, self.at_most)]
        return 0.5 * (math.erf(ends[1]) - math.erf(ends[0]))

    @property
    def least(self) -> float:
        """No number is below."""
        lowest = -math.inf if self.kind == "normal" else min(self.numbers)
        return max(self.at_least, lowest)

    @property
    def most(self) -> float:
        """No number is above."""
        a, b = self.numbers[0], self.numbers[-1]
        return min(self.at_most, a + FARTHEST * b if self.kind == "normal" else max(self.numbers))

    @property
    def largest(self) -> float:
        """No number is larger, of either sign."""
        a, b = self.numbers[0], self.numbers[-1]
        below = a - FARTHEST * b if self.kind == "normal" else min(self.numbers)
        return max(abs(self.most), abs(max(self.at_least, below)))

    @property
    def step(self) -> float:
        """Delays are whole multiples of it."""
        if self.resolution or self.most <= 0:
            return self.resolution or 1.0
        return float(f"1e{math.ceil(math.log10(self.most / FINEST))}")

    @property
    def step_as_decimal(self) -> tuple[int, int]:
        """The step as a whole number over a power of ten; (0, 1) if it is none."""
        for exponent in range(MOST_DIGITS):
            found = self.step * 10.0**exponent
            if 0.5 < found < FINEST and math.isclose(found, round(found), rel_tol=1e-12):
                return round(found), 10**exponent
        return 0, 1

    def make_spread(self, key: np.ndarray) -> Spread:
        """What loops are given to draw from."""
        bounds = [self.numbers[0], self.numbers[-1], self.at_least, self.at_most]
        return Spread(key, KINDS[self.kind], np.array(bounds), np.array(self.numbers))
