"""Bringing two values of a number together to 1e-30: a jump stays, slopes and logarithms do not.

A later version may take `spiketheory.certification.ladder`; this one shares nothing with it.
"""

from dataclasses import dataclass

import mpmath
from mpmath import mpf

from spiketheory.checking.attack.contradiction import PlainTrial
from spiketheory.checking.attack.precise import Lost, PreciseNeuron

RUNGS = (10, 20, 30)
JUMP = mpf("1e-3")
STEADY = mpf("1e-9")
SHRINKS = mpf("0.1")
DIGITS = 60
FOUND_WITHIN = 1e-6
MOST = 60


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
    """Runs one trial with one number moved, in 60 digits.

    Args:
        neuron: The model.
        trial: The trial.
        place: What is moved.
        most: Spikes after which a run ends.
    """

    def __init__(
        self, neuron: PreciseNeuron, trial: PlainTrial, place: tuple[str, int], *, most: int = MOST
    ) -> None:
        self.neuron, self.trial, self.place, self.most = neuron, trial, place, most
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
        found = self.neuron.run(
            numbers["parameters"], numbers["initial"], inputs, self.trial.duration, most=self.most
        )
        if found.escaped is not None:
            raise Lost("Expected a trial that stays finite.")
        self.seen.append((found.states, tuple(map(float, numbers["parameters"]))))
        return found.spikes

    def differ(self, first: list[mpf], last: list[mpf]) -> mpf:
        """The largest difference of spike times, those after T counting as at T."""
        T = mpf(self.trial.duration)
        longest = max(len(first), len(last))
        one, other = (s + [T] * (longest - len(s)) for s in (first, last))
        gaps = [abs(min(a, T) - min(b, T)) for a, b in zip(one, other, strict=True)]
        return max(gaps, default=mpf(0))

    def find_center(self, low: mpf, high: mpf) -> mpf | None:
        """Where the jump is: at another event, or by halving; None if it dissolves."""
        with mpmath.workdps(DIGITS + 8):
            if self.place[0] == "times":
                near = [mpf(t) for i, t in enumerate(self.trial.times) if i != self.place[1]]
                near += self.run(low, without=True)
                middle = (low + high) / 2
                near = [t for t in near if abs(t - middle) < FOUND_WITHIN]
                if near:
                    return min(near, key=lambda t: abs(t - middle))
            return self.halve(low, high)

    def halve(self, low: mpf, high: mpf) -> mpf | None:
        """Halve towards the larger difference down to less than the last rung."""
        first, last = self.run(low), self.run(high)
        size = self.differ(first, last)
        while abs(high - low) > mpf(10) ** -(RUNGS[-1] + 2):
            if size < JUMP:
                return None
            middle = (low + high) / 2
            inner = self.run(middle)
            below, above = self.differ(first, inner), self.differ(inner, last)
            if below > above:
                high, last, size = middle, inner, below
            else:
                low, first, size = middle, inner, above
        return (low + high) / 2

    def climb(self, low: float, high: float) -> Step | None:
        """The jump between two values, if it stays as they come together.

        Raises:
            Lost: If a trial cannot be followed.
        """
        with mpmath.workdps(DIGITS + 8):
            center = self.find_center(mpf(low), mpf(high))
            if center is None:
                return None
            sizes, ends = [], None
            for power in RUNGS:
                half = mpf(10) ** -power / 2
                values = (center - half, center + half)
                runs = [self.run(v) for v in values]
                sizes.append(self.differ(*runs))
                ends = (values, runs)
                if sizes[-1] < JUMP:
                    return None
            if not stays(sizes):
                return None
            values, runs = ends
            return Step(
                size=float(sizes[-1]),
                values=(mpmath.nstr(values[0], 45), mpmath.nstr(values[1], 45)),
                spikes=(tuple(map(float, runs[0])), tuple(map(float, runs[1]))),
            )


def stays(sizes: list[mpf]) -> bool:
    """Whether differences at smaller and smaller distances come to rest."""
    changes = [abs(a - b) for a, b in zip(sizes, sizes[1:], strict=False)]
    return all(
        late < STEADY or late <= SHRINKS * early
        for early, late in zip(changes, changes[1:], strict=False)
    ) and (len(changes) > 1 or changes[0] < STEADY)
