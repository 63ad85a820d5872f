"""Where spike times jump along a path in parameter space, told from where they are merely steep.

Spikes are matched neuron by neuron in their order, and times are cut off at the trial's end, so
that a spike that leaves or enters through T changes nothing. Where times differ most the path is
halved again and again: a steep place gets flat, a jump stays. What is left in floats is halved
further in 50 digits.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath
from mpmath import mpf

from spiketheory.checking.loop import Run
from spiketheory.checking.subject import DIGITS, NotApplicable, Subject, in_digits, to_exact
from spiketheory.checking.trial import Number, Path, Place, Trial

SMALLEST = 1e-12
"""Distance in parameters down to which floats halve."""
FLAT = 1e-8
"""Smaller differences of spike times are not halved further; in units of the time scale."""
JUMP = 1e-6
"""Larger differences at the smallest distance are suspected to be jumps."""
LARGE_JUMP = 1e-3
GRID = 12
FOLLOWED = 2
"""How many of the steepest pieces of a path are halved."""
SHORT, DEEP = mpf(10) ** -17, mpf(10) ** -30
"""Distances in parameters down to which 50 digits halve: in the search, and for a report."""
PADDING = 1e-10
ULPS = 4
LEAST = 1e-3
"""Size of the parameters below which no smaller distances are resolved."""
KEEPS = 0.95
"""A jump keeps more than this of its size from the distance `PADDING` down to the smallest.

A spike that goes to infinity like the logarithm of the distance loses a part in every decade, but
leaves through T only at distances that floats do not resolve."""
SURVIVES = 0.5
"""Floats and 50 digits disagree about a jump if they differ by more than this of its size."""

Trains = list[list[Number]]


@dataclass(frozen=True, kw_only=True)
class Gap:
    """The largest difference between the spike trains of two trials.

    Attributes:
        size: The difference, spikes after T counting as at T [time].
        neuron: The neuron.
        index: Which of its spikes, from 0.
        times: The two times; None where there is no spike before T.
    """

    size: float
    neuron: int = 0
    index: int = 0
    times: tuple[float | None, float | None] = (None, None)

    @property
    def kind(self) -> str:
        """What happens to the spike."""
        before, after = self.times
        return "appears" if before is None else "vanishes" if after is None else "jumps"


def find_gap(left: Run, right: Run) -> Gap:
    """The largest difference between the spike trains of two runs."""
    best = Gap(size=0.0)
    pairs = zip(left.trains, right.trains, strict=True)
    ends = left.trial.duration, right.trial.duration
    for neuron, (one, other) in enumerate(pairs):
        for k in range(max(len(one), len(other))):
            a = one[k] if k < len(one) else None
            b = other[k] if k < len(other) else None
            size = abs((ends[0] if a is None else a) - (ends[1] if b is None else b))
            if size > best.size:
                times = (None if a is None else float(a), None if b is None else float(b))
                best = Gap(size=float(size), neuron=neuron, index=k, times=times)
    return best


@dataclass(frozen=True, kw_only=True)
class Jump:
    """Two values of one parameter, next to each other, between which spike times jump.

    Attributes:
        trial: The trial, with the parameter at ``low``.
        place: The parameter.
        low: One value.
        high: The other value.
        gap: The difference of the spike times.
        proof: How it was confirmed.
    """

    trial: Trial
    place: Place
    low: float
    high: float
    gap: Gap
    proof: str = "in double precision"


def halve(
    low: Number, high: Number, ends: tuple[Run, Run], run: Callable[[Number], Run], width: Number,
    flat: float,
) -> tuple[Number, Number, Gap]:  # fmt: skip
    """Halve an interval towards the larger difference until it is narrow or flat."""
    left, right = ends
    gap = find_gap(left, right)
    while abs(high - low) > width and gap.size > flat:
        middle = (low + high) / 2
        if middle in (low, high):
            break
        inner = run(middle)
        first, second = find_gap(left, inner), find_gap(inner, right)
        if first.size > second.size:
            high, right, gap = middle, inner, first
        else:
            low, left, gap = middle, inner, second
    return low, high, gap


def find_suspect(subject: Subject, path: Path) -> Jump | None:
    """The largest jump that floats see along a path; None if there is none."""
    unit = subject.scales.time
    length = path.length
    if not length:
        return None

    def run(s: float) -> Run:
        return subject.run(path.at(s))

    places = [k / GRID for k in range(GRID + 1)]
    runs = [run(s) for s in places]
    gaps = [find_gap(runs[k], runs[k + 1]).size for k in range(GRID)]
    best: Jump | None = None
    for k in sorted(range(GRID), key=lambda k: -gaps[k])[:FOLLOWED]:
        if gaps[k] <= JUMP * unit:
            continue
        low, high, gap = halve(
            places[k], places[k + 1], (runs[k], runs[k + 1]), run, SMALLEST / length, FLAT * unit
        )
        if gap.size > JUMP * unit and (best is None or gap.size > best.gap.size):
            best = isolate(subject, path, low, high)
    return best


def find_count_change(subject: Subject, path: Path) -> Jump | None:
    """Where the number of some neuron's spikes changes other than through T; None if nowhere.

    Halves towards the change of the number itself, however small the differences in time are.
    """
    length = path.length
    if not length:
        return None
    ends = subject.run(path.start), subject.run(path.end)
    counts = [[len(t) for t in run.trains] for run in ends]
    changed = [i for i, (a, b) in enumerate(zip(*counts, strict=True)) if a != b]
    if not changed:
        return None
    i = changed[0]
    low, high = 0.0, 1.0
    while (high - low) * length > SMALLEST:
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if len(subject.run(path.at(middle)).trains[i]) == counts[0][i]:
            low = middle
        else:
            high = middle
    jump = isolate(subject, path, low, high)
    return jump if jump and jump.gap.size > JUMP * subject.scales.time else None


def isolate(subject: Subject, path: Path, low: float, high: float) -> Jump | None:
    """The one parameter whose step from ``low`` to ``high`` makes spike times jump most.

    The step is taken one parameter after another; one of these small steps holds a jump.
    """
    trial, target = path.at(low), path.at(high)
    before = subject.run(trial)
    best: Jump | None = None
    for place in path.moved:
        moved = trial.move(place, target.read(place))
        after = subject.run(moved)
        gap = find_gap(before, after)
        if best is None or gap.size > best.gap.size:
            values = trial.read(place), target.read(place)
            best = Jump(trial=trial, place=place, low=values[0], high=values[1], gap=gap)
        trial, before = moved, after
    return best


@in_digits
def confirm(subject: Subject, jump: Jump, *, width: mpf = SHORT) -> Jump | None:
    """Look for the jump in 50 digits around the place where floats see it.

    Args:
        subject: The model under test; without 50 digits floats halve as far as they can.
        jump: What floats saw.
        width: Distance of the two values at which to stop.

    Returns:
        The jump, with what was found; None if spike times are continuous there.
    """
    if subject.exact is None:
        return confirm_in_floats(subject, jump)
    exact = to_exact(jump.trial)

    def run(value: mpf) -> Run:
        return subject.run_exactly(exact.move(jump.place, value))

    low, high = widen(jump, PADDING)
    ends = run(low), run(high)
    before = find_gap(*ends)
    if before.size <= JUMP * subject.scales.time:
        return None
    low, high, gap = halve(low, high, ends, run, width, 1e-3 * JUMP * subject.scales.time)
    if gap.size < KEEPS * before.size:
        return None
    if gap.size <= JUMP * subject.scales.time / 10:
        return None
    digits = int(-mpmath.log10(abs(high - low)))
    proof = f"in 50 digits, values 1e-{digits} apart around {mpmath.nstr(low, 20)}"
    return Jump(trial=jump.trial, place=jump.place, low=jump.low, high=jump.high, gap=gap,
                proof=proof)  # fmt: skip


def confirm_in_floats(subject: Subject, jump: Jump) -> Jump | None:
    """The jump, if it keeps its size where floats halve down to their last digits."""

    def run(value: float) -> Run:
        return subject.run(jump.trial.move(jump.place, value))

    with mpmath.workdps(DIGITS):
        low, high = sorted(map(float, widen(jump, PADDING)))
    width = ULPS * math.ulp(max(abs(low), abs(high), LEAST))
    ends = run(low), run(high)
    before = find_gap(*ends)
    low, high, gap = halve(low, high, ends, run, width, 0.0)
    if gap.size < KEEPS * before.size or gap.size <= JUMP * subject.scales.time / 10:
        return None
    proof = f"in double precision, values {high - low:.1g} apart"
    return Jump(trial=jump.trial, place=jump.place, low=jump.low, high=jump.high, gap=gap,
                proof=proof)  # fmt: skip


def widen(jump: Jump, padding: float) -> tuple[mpf, mpf]:
    """The two values, a little further apart; no input moves to before the trial."""
    values = [mpf(jump.low), mpf(jump.high)]
    extra = padding * (1 + abs(values[0]))
    low, high = min(values) - extra, max(values) + extra
    if jump.place.field == "input_times" and low < 0:
        low = mpf(0)
    return (low, high) if values[0] < values[1] else (high, low)


@in_digits
def disagrees(subject: Subject, jump: Jump) -> tuple[Trial, Any] | None:
    """A trial beside a jump that 50 digits do not see, in which floats have other spike times.

    Returns:
        The trial and the gap, or None: then the place is steep, not a jump, as far as one can
        tell; without 50 digits there is nothing to disagree with.
    """
    if subject.exact is None:
        return None
    exact = to_exact(jump.trial)
    for value in widen(jump, PADDING):
        near = jump.trial.move(jump.place, float(value))
        want = subject.run_exactly(exact.move(jump.place, mpf(float(value))))
        try:
            got = subject.run(near)
        except NotApplicable:
            continue
        gap = find_gap(got, want)
        if gap.size > SURVIVES * jump.gap.size:
            return near, gap
    return None
