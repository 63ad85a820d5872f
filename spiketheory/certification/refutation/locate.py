r"""The value at which a spike time jumps, to so many digits that the ladder leads to 1e-30.

A time at which an input is moved across something is the time of what it is moved across: a spike
of the trial without it, or another input. A weight that takes V to the threshold at once follows
from the state before the input. Everything else is closed in on from both sides: where the surface
is grazed the moved number is, as a function of the spike's time, a smooth function with an extremum
at the graze, so a polynomial through a few points predicts it; otherwise the interval is halved.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import mpmath
from mpmath import mpf

from spiketheory.certification.refutation.ladder import GAP, MOVED
from spiketheory.certification.refutation.ladder_runs import (
    NO_TRIAL,
    Runs,
    Spikes,
    find_time,
    list_spikes,
    make_neuron,
    run_trial,
)
from spiketheory.certification.refutation.trial import TIME_OF, WEIGHT_OF, Trial
from spiketheory.language.model import NeuronModel
from spiketheory.reference.neuron import BEFORE, DIGITS

CLOSE = mpf("1e-32")
"""The two sides are brought as close as this."""
MOST_HALVINGS = 40
POINTS = 5
"""Through so many the extremum is predicted."""
SPARE = 13
"""Digits of the arithmetic beyond those of the gap."""

Runner = Callable[[mpf, mpf], Spikes]


def locate(
    model: NeuronModel, trial: Trial, place: str, number: int, low: float, high: float
) -> str | None:
    """The critical value between two others, in decimal digits; None if it was not found.

    Args:
        model: The model.
        trial: The trial.
        place: What is moved: `Trial.moved`.
        number: Of which input.
        low: A value.
        high: A larger one; some spike time jumps between them.
    """
    with mpmath.workdps(DIGITS + SPARE):
        try:
            known = list_known(model, trial, place, number, low, high)
            for value in known:
                if low <= value <= high:
                    return mpmath.nstr(value, DIGITS)

            runs: dict[int, Runs] = {}

            def run(value: mpf, gap: mpf) -> Spikes:
                digits = min(int(-mpmath.log10(gap)) + SPARE, DIGITS)
                if digits not in runs:
                    runs[digits] = Runs(model, trial, place, number, mpf(low) - GAP, digits)
                return list_spikes(runs[digits].at(value))

            return close_in(run, mpf(low), mpf(high), mpf(trial.duration))
        except NO_TRIAL:
            return None


def list_known(
    model: NeuronModel, trial: Trial, place: str, number: int, low: float, high: float
) -> list[mpf]:
    """Values at which something is known to happen."""
    if place == TIME_OF:
        rest = [k for k in range(len(trial.times)) if k != number]
        others = [mpf(trial.times[k]) for k in rest]
        if any(low <= t <= high for t in others):
            return others
        without = Trial(
            parameters=trial.parameters, initial=trial.initial, duration=trial.duration,
            weights=tuple(trial.weights[k] for k in rest),
            times=tuple(trial.times[k] for k in rest),
        )  # fmt: skip
        return list_spikes(run_trial(model, without, DIGITS))
    if place == WEIGHT_OF and not model.spike.is_blowup:
        return list(find_touching_weight(model, trial, number, low, high))
    return []


def find_touching_weight(
    model: NeuronModel, trial: Trial, number: int, low: float, high: float
) -> list[mpf]:
    """The weight with which an input takes the state exactly to the threshold, if one does."""
    time = trial.times[number]
    order = sorted(range(len(trial.times)), key=lambda k: trial.times[k])
    visits = [v for v in run_trial(model, trial, DIGITS) if v.what == BEFORE]
    place = order.index(number)
    if place >= len(visits) or visits[place].time != time:
        return []
    state = list(visits[place].state)
    parameters = tuple((n, mpf(v)) for n, v in trial.parameters.items())
    neuron = make_neuron(model, parameters, DIGITS)

    def height(weight: mpf) -> mpf:
        jumped = neuron.jump_to([*state, weight])
        return jumped[neuron.index] - neuron.threshold(jumped)[0]

    first, last = height(mpf(low)), height(mpf(high))
    if not (first < 0 <= last or last < 0 <= first):
        return []
    return [mpmath.findroot(height, (mpf(low), mpf(high)), solver="anderson", tol=CLOSE**2)]


def close_in(run: Runner, low: mpf, high: mpf, end: mpf) -> str | None:
    """Bring two values together between which a spike time jumps.

    Args:
        run: Spike times at a value, to so many digits as a gap asks for.
        low: The one value.
        high: The other.
        end: The trial's end.
    """
    first, last = run(low, high - low), run(high, high - low)
    for _ in range(MOST_HALVINGS):
        if high - low <= CLOSE:
            return mpmath.nstr((low + high) / 2, DIGITS)
        index = find_jump(first, last, end)
        if index is None:
            return None
        ahead = find_time(first, index, end) < find_time(last, index, end)
        for near, far in predict(run, low, high, index, above=not ahead):
            one, other = run(near, far - near), run(far, far - near)
            if find_jump(one, other, end) == index:
                low, high, first, last = near, far, one, other
                break
        else:
            middle = (low + high) / 2
            between = run(middle, high - low)
            is_low = is_in_lower_half(first, between, last, end)
            if is_low is None:
                return None
            if is_low:
                high, last = middle, between
            else:
                low, first = middle, between
    return None


def is_in_lower_half(first: Spikes, between: Spikes, last: Spikes, end: mpf) -> bool | None:
    """Whether a spike jumps between the first two trials, not the last two; None if none does."""
    below, above = find_jump(first, between, end), find_jump(between, last, end)
    if below is None and above is None:
        return None
    return above is None or (below is not None and below <= above)


def find_jump(first: Spikes, last: Spikes, end: mpf) -> int | None:
    """The first spike that comes at different times; one that does not come is at T."""
    for index in range(max(len(first), len(last))):
        if abs(find_time(first, index, end) - find_time(last, index, end)) > MOVED:
            return index
    return None


def predict(
    run: Runner, low: mpf, high: mpf, index: int, *, above: bool
) -> Iterator[tuple[mpf, mpf]]:
    """Closer intervals around where the surface is grazed, from spike times on one side."""
    gap = high - low
    edge, side = (high, 1) if above else (low, -1)
    points: list[tuple[mpf, mpf]] = []
    for k in range(POINTS):
        value = edge + side * gap * (2**k - 1)
        spikes = run(value, gap**2)
        if len(spikes) <= index:
            return
        points.append((spikes[index], value))
    if len({t for t, _ in points}) < POINTS:
        return
    guesses = [find_extremum(points[:m]) for m in (POINTS - 1, POINTS)]
    if guesses[0] is None or guesses[1] is None or not low <= guesses[1] <= high:
        return
    spread = max(4 * abs(guesses[1] - guesses[0]), CLOSE / 8)
    for factor in (1, 1000):
        half = factor * spread
        if 4 * half < gap:
            yield max(low, guesses[1] - half), min(high, guesses[1] + half)


def find_extremum(points: Sequence[tuple[mpf, mpf]]) -> mpf | None:
    """The extremum next to the first of a few points on a smooth curve."""
    times = [t for t, _ in points]
    center, unit = times[0], times[1] - times[0]
    scaled = [(t - center) / unit for t in times]
    matrix = mpmath.matrix([[x**k for k in range(len(points))] for x in scaled])
    coefficients = mpmath.lu_solve(matrix, mpmath.matrix([v - points[0][1] for _, v in points]))
    slope = [k * coefficients[k] for k in range(1, len(points))]

    def fall(x: mpf) -> mpf:
        return mpmath.polyval(slope[::-1], x)

    grid = [mpf(-k) / 4 for k in range(33)]
    for right, left in pairwise(grid):
        if fall(left) * fall(right) < 0:
            x = mpmath.findroot(fall, (left, right), solver="anderson")
            value: mpf = points[0][1] + mpmath.polyval(list(coefficients)[::-1], x)
            return value
    return None
