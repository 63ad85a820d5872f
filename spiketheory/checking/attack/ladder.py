"""Bringing two values of a number together to 1e-30: a jump stays, slopes and logarithms do not.

It shares nothing with `spiketheory.certification.refutation.ladder`, which it is to check.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import mpmath
from mpmath import mpf

from spiketheory.checking.attack.contradiction import PlainTrial
from spiketheory.checking.attack.precise import PreciseNeuron
from spiketheory.checking.attack.precise_equations import Lost

RUNGS = (10, 20, 30)
JUMP = mpf("1e-3")
STEADY = mpf("1e-9")
SHRINKS = mpf("0.1")
DIGITS = 50
FOUND_WITHIN = 1e-6
MOST = 60
FEW = ((mpf("1e-13"), 26), (mpf("1e-24"), 38))
"""Digits in which steps of at least these sizes are halved."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """A jump that stayed.

    Attributes:
        size: The difference of spike times at the smallest distance.
        values: The two values there.
        spikes: Spike times at either.
    """

    size: float
    values: tuple[str, str]
    spikes: tuple[tuple[float, ...], tuple[float, ...]]


class Ladder:
    """Runs one trial with one number moved, in many digits.

    Args:
        get_neuron: The model in so many digits.
        trial: The trial.
        place: What is moved.
        most: Spikes after which a run ends.
    """

    def __init__(
        self, get_neuron: Callable[[int], PreciseNeuron], trial: PlainTrial,
        place: tuple[str, int], *, digits: int = DIGITS, most: int = MOST,
    ) -> None:  # fmt: skip
        self.get_neuron, self.digits = get_neuron, digits
        self.trial, self.place, self.most = trial, place, most
        self.seen: list[tuple[list[list[float]], tuple[float, ...]]] = []

    def run(self, value: mpf | None, *, without: bool = False) -> list[mpf]:
        """Spike times with the moved number at a value; ``without`` leaves its input out."""
        numbers = self.trial.numbers()
        name, row = self.place
        if value is not None:
            numbers[name][row] = value
        inputs = list(zip(numbers["times"], numbers["weights"], strict=True))
        if without:
            del inputs[row]
        found = self.get_neuron(self.digits).run(
            numbers["parameters"], numbers["initial"], inputs, self.trial.duration, most=self.most
        )
        if found.escaped is not None:
            raise Lost("Expected a trial that stays finite.")
        if not without:  # which only tells where another event is
            self.seen.append((found.states, tuple(map(float, numbers["parameters"]))))
        return found.spikes

    def differ(self, first: list[mpf], last: list[mpf]) -> mpf:
        """The largest difference of spike times, those after T counting as at T."""
        T = mpf(self.trial.duration)
        longest = max(len(first), len(last))
        one, other = (s + [T] * (longest - len(s)) for s in (first, last))
        gaps = [abs(min(a, T) - min(b, T)) for a, b in zip(one, other, strict=True)]
        return max(gaps, default=mpf(0))

    def find_event(self, middle: mpf) -> mpf | None:
        """The time of another event next to a moved time; None if there is none."""
        if self.place[0] != "times":
            return None
        near = [mpf(t) for i, t in enumerate(self.trial.times) if i != self.place[1]]
        near += self.run(middle, without=True)
        near = [t for t in near if abs(t - middle) < FOUND_WITHIN]
        return min(near, key=lambda t: abs(t - middle)) if near else None

    def halve(self, low: mpf, high: mpf) -> mpf | None:
        """Halve towards the larger difference down to less than the last rung.

        A wider step needs fewer digits to be seen.
        """
        wanted, self.digits = self.digits, FEW[0][1]
        first, last = self.run(low), self.run(high)
        size = self.differ(first, last)
        while abs(high - low) > mpf(10) ** -(RUNGS[-1] + 2):
            self.digits = next((d for g, d in FEW if abs(high - low) > g), wanted)
            if size < JUMP:
                self.digits = wanted
                return None
            middle = (low + high) / 2
            inner = self.run(middle)
            below, above = self.differ(first, inner), self.differ(inner, last)
            if below > above:
                high, last, size = middle, inner, below
            else:
                low, first, size = middle, inner, above
        self.digits = wanted
        return (low + high) / 2

    def climb(self, low: float, high: float) -> Step | None:
        """The jump between two values, if it stays as they come together.

        It is looked for at another event next to them, then by halving.

        Raises:
            Lost: If a trial cannot be followed.
        """
        with mpmath.workdps(self.digits + 8):
            event = self.find_event((mpf(low) + mpf(high)) / 2)
            found = None if event is None else self.climb_to(event)
            if found is None:
                center = self.halve(mpf(low), mpf(high))
                found = None if center is None else self.climb_to(center)
        if found is None:
            return None
        sizes, step = found
        return step if stays(sizes) else None

    def climb_to(self, center: mpf) -> tuple[list[mpf], Step] | None:
        """Differences across a place at each rung; None if there is none to speak of."""
        sizes: list[mpf] = []
        step = None
        for power in RUNGS:
            half = mpf(10) ** -power / 2
            values = (center - half, center + half)
            runs = [self.run(v) for v in values]
            sizes.append(self.differ(*runs))
            if sizes[-1] < JUMP:
                return None
            step = Step(
                size=float(sizes[-1]),
                values=(mpmath.nstr(values[0], 45), mpmath.nstr(values[1], 45)),
                spikes=(tuple(map(float, runs[0])), tuple(map(float, runs[1]))),
            )
        assert step is not None
        return sizes, step


def stays(sizes: list[mpf]) -> bool:
    """Whether differences at smaller and smaller distances come to rest."""
    changes = [abs(a - b) for a, b in pairwise(sizes)]
    return all(late < STEADY or late <= SHRINKS * early for early, late in pairwise(changes))
