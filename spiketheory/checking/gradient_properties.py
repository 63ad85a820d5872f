"""What must hold of gradients and pseudospikes; see `properties`."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mpmath import mpf

from spiketheory.checking.failure import Failure, raise_failure
from spiketheory.checking.loop import Loop, Run
from spiketheory.checking.paths import Gap
from spiketheory.checking.properties import (
    SEARCH,
    Coincidence,
    Effort,
    has_ties,
    is_too_long,
)
from spiketheory.checking.subject import NotApplicable, Subject, in_digits, to_exact
from spiketheory.checking.trial import Number, Place, Trial

STEP = mpf(10) ** -20
TOLERANCE = 1e-8
NUDGE = 1e-13
AMPLIFIED = 1e3
ROUGH_STEP = 2.0**-11
ROUGH_TOLERANCE = 1e-4
"""Of gradients beside differences in double precision, relative to the sum of all parts."""
ROUGH_ENTRY = 1e-3
SWAP = 1e-7
SWAP_TOLERANCE = 1e-4
EXACT_SWAP = mpf(10) ** -20
EXACT_SWAP_TOLERANCE = mpf(10) ** -10
T_STEP = 1e-9
T_TOLERANCE = 1e-5
EXACT_T_STEP = mpf(10) ** -24
EXACT_T_TOLERANCE = mpf(10) ** -9
MORE = 2
"""How many pseudospikes of a neuron are looked at."""


def choose_coefficients(number: int) -> list[float]:
    """Coefficients of the spike times in the functional that is differentiated."""
    return [(-1) ** k * (1 + 0.25 * ((5 * k) % 7)) for k in range(number)]


def choose_direction(subject: Subject, trial: Trial) -> dict[Place, float]:
    """A direction in parameter space, in which every parameter moves as suits its size."""
    scales = subject.scales
    direction = {}
    for k, place in enumerate(trial.places()):
        factor = (-1) ** k * (1 + 0.25 * ((3 * k) % 5))
        if place.field == "initial":
            size = scales.state[place.index[1]]
        else:
            size = scales.time if place.field == "input_times" else scales.weight
        direction[place] = factor * size
    return direction


def move_along(trial: Trial, direction: dict[Place, float], step: Number) -> Trial:
    """The trial a step further in a direction."""
    for place, size in direction.items():
        if size:
            trial = trial.move(place, trial.read(place) + step * size)
    return trial


def weigh(run: Run, like: Run) -> Number:
    """The functional of the spike times.

    Raises:
        NotApplicable: If spikes are others, or in another order, than in ``like``.
    """
    if run.order != like.order:
        raise NotApplicable
    coefficients = choose_coefficients(len(run.spikes))
    return sum((c * t for c, (t, _) in zip(coefficients, run.spikes, strict=True)), 0)


def check_gradients(subject: Subject, trial: Trial, effort: Effort = SEARCH) -> None:
    """Exact gradients equal differences: in 50 digits, or extrapolated in double precision."""
    run = subject.run(trial)
    if not run.spikes or has_ties(subject, run) or is_too_long(subject, run):
        raise NotApplicable
    direction = choose_direction(subject, trial)
    got = project(subject.loop, run, direction)
    parts = measure_parts(subject.loop, run, direction)
    noise = measure_gradient_noise(subject, run, direction, got)
    if subject.exact is not None:
        want = differ_exactly(subject, run, direction)
        allowed = TOLERANCE * parts + AMPLIFIED * noise
    else:
        want = differ_roughly(subject, run, direction)
        allowed = ROUGH_TOLERANCE * parts + AMPLIFIED * noise
    if abs(got - want) <= allowed:
        return
    place, pair = find_wrong_entry(subject, run, direction)
    if subject.exact is None and abs(pair[0] - pair[1]) <= ROUGH_ENTRY * max(map(abs, pair)):
        return  # a path of all parameters is more curved than one of each
    raise_failure(Failure(
        name="gradients", trial=trial, place=place, values=None,
        proof="in 50 digits" if subject.exact else "in double precision",
        text=f"the derivative of a sum of spike times by {show(place)} is {pair[0]:.10g}, but "
        f"differences say {pair[1]:.10g}",
    ))  # fmt: skip


def show(place: Place | None) -> str:
    """A place in words."""
    return "" if place is None else place.field + "".join(f"[{i}]" for i in place.index)


def project(loop: Loop, run: Run, direction: dict[Place, float]) -> Number:
    """The derivative of the functional along a direction."""
    found = loop.pull(run, choose_coefficients(len(run.spikes)))
    return sum((value * direction[place] for place, value in found.items()), 0)


def measure_parts(loop: Loop, run: Run, direction: dict[Place, float]) -> float:
    """The sum of the sizes of all parts of `project`."""
    found = loop.pull(run, choose_coefficients(len(run.spikes)))
    return float(sum(abs(value * direction[place]) for place, value in found.items()))


def measure_gradient_noise(
    subject: Subject, run: Run, direction: dict[Place, float], got: float
) -> float:
    """What relative changes of the parameters of 1e-13 do to the derivative."""
    moved = run.trial
    for k, place in enumerate(direction):
        moved = moved.move(place, moved.read(place) * (1 + NUDGE * (-1) ** k))
    other = subject.run(moved)
    if other.order != run.order:
        raise NotApplicable
    return float(abs(project(subject.loop, other, direction) - got))


@in_digits
def differ_exactly(subject: Subject, run: Run, direction: dict[Place, float]) -> float:
    """Central difference in 50 digits; its error is of the order of the squared step, 1e-40."""
    exact = to_exact(run.trial)
    above, below = (
        weigh(subject.run_exactly(move_along(exact, direction, sign * STEP)), run)
        for sign in (1, -1)
    )
    return float((above - below) / (2 * STEP))


def differ_roughly(subject: Subject, run: Run, direction: dict[Place, float]) -> float:
    """Central differences in double precision, extrapolated to step 0."""
    slopes = []
    for step in (2 * ROUGH_STEP, ROUGH_STEP):
        sides = [move_along(run.trial, direction, sign * step) for sign in (1, -1)]
        if not all(subject.is_inside(state) for side in sides for state in side.initial):
            raise NotApplicable
        above, below = (weigh(subject.run(side), run) for side in sides)
        slopes.append((above - below) / (2 * step))
    if abs(slopes[0] - slopes[1]) > 0.05 * abs(slopes[1]):
        raise NotApplicable  # too curved for a difference
    return float((4 * slopes[1] - slopes[0]) / 3)


def find_wrong_entry(
    subject: Subject, run: Run, direction: dict[Place, float]
) -> tuple[Place | None, tuple[float, float]]:
    """The parameter whose derivative is furthest off, its derivative, and the difference."""
    differ = differ_exactly if subject.exact is not None else differ_roughly
    found = subject.loop.pull(run, choose_coefficients(len(run.spikes)))
    best: tuple[float, Place | None, tuple[float, float]] = (-1.0, None, (0.0, 0.0))
    for place, size in direction.items():
        if not size:
            continue
        try:
            want = differ(subject, run, {place: size}) / size
        except NotApplicable:
            continue
        got = float(found[place])
        if abs(got - want) * abs(size) > best[0]:
            best = (abs(got - want) * abs(size), place, (got, want))
    return best[1], best[2]


def list_gradients(loop: Loop, run: Run) -> list[Number]:
    """Derivatives of every spike time by every parameter."""
    number = len(run.spikes)
    values: list[Number] = []
    for k in range(number):
        found = loop.pull(run, [1.0 * (j == k) for j in range(number)])
        values += found.values()
    return values


def compare_gradients(
    loop: Loop, runs: Sequence[Run]
) -> tuple[Number, Number, tuple[Number, Number]]:
    """Largest difference between two runs' gradients, the largest entry, and the pair."""
    left, right = (list_gradients(loop, run) for run in runs)
    worst, pair, size = 0 * left[0], (left[0], right[0]), 0 * left[0]
    for a, b in zip(left, right, strict=True):
        size = max(size, abs(a), abs(b))
        if abs(a - b) > worst:
            worst, pair = abs(a - b), (a, b)
    return worst, size, pair


def check_smooth_swaps(subject: Subject, drawn: Coincidence, effort: Effort = SEARCH) -> None:
    """Gradients are continuous where an input and a spike of the same neuron swap their order."""
    trial, place, value = drawn.find(subject)
    unit = subject.scales.time
    if not 1e-3 * unit < value < trial.duration - 1e-3 * unit:
        raise NotApplicable
    runs = [subject.run(trial.move(place, value + s * SWAP * unit)) for s in (-1, 1)]
    if is_unclear(subject, runs, place):
        raise NotApplicable
    worst, size, pair = compare_gradients(subject.loop, runs)
    if worst <= SWAP_TOLERANCE * size:
        return
    if subject.exact is not None:
        pair = compare_exact_swap(subject, trial, place, value)
    else:
        closer = [subject.run(trial.move(place, value + s * SWAP * unit / 16)) for s in (-1, 1)]
        if is_unclear(subject, closer, place):
            raise NotApplicable
        if compare_gradients(subject.loop, closer)[0] < 0.5 * worst:
            return
    if pair is None:
        return
    values = value - SWAP * unit, value + SWAP * unit
    raise_failure(Failure(
        name="smooth_swaps", trial=trial.move(place, values[0]), place=place, values=values,
        text=f"where {show(place)} passes a spike at {value:.10g}, the derivative of a spike time "
        f"jumps from {float(pair[0]):.10g} to {float(pair[1]):.10g}",
        proof="in 50 digits, values 2e-20 apart" if subject.exact else "in double precision",
    ))  # fmt: skip


def is_unclear(subject: Subject, runs: Sequence[Run], place: Place) -> bool:
    """Whether spikes differ in number, other events coincide too, or nothing is swapped."""
    if not runs[0].spikes or [n for _, n in runs[0].spikes] != [n for _, n in runs[1].spikes]:
        return True
    if runs[0].order == runs[1].order:
        return True
    least = 1e-4 * subject.scales.time
    for run in runs:
        close = [i for i, e in enumerate(run.events) if i and e.duration < least]
        near_end = any(run.trial.duration - t < least for t, _ in run.spikes)
        if len(close) > 1 or near_end or any(e.cause is not None for e in run.events):
            return True
    return False


@in_digits
def compare_exact_swap(
    subject: Subject, trial: Trial, place: Place, value: float
) -> tuple[Number, Number] | None:
    """The pair of derivatives that jumps in 50 digits; None if none does."""
    loop = subject.exact
    assert loop is not None
    exact = to_exact(trial)
    away = exact.move(place, 2 * exact.duration)
    spikes = [t for t, _ in subject.run_exactly(away).spikes]
    if not spikes:
        return None
    there = min(spikes, key=lambda t: abs(t - value))
    runs = [subject.run_exactly(exact.move(place, there + s * EXACT_SWAP)) for s in (-1, 1)]
    if [n for _, n in runs[0].spikes] != [n for _, n in runs[1].spikes]:
        raise NotApplicable
    worst, size, pair = compare_gradients(loop, runs)
    return pair if worst > EXACT_SWAP_TOLERANCE * (1 + size) else None


def check_pseudospikes(subject: Subject, drawn: Any, effort: Effort = SEARCH) -> None:
    """Spike times are continuous where a spike leaves through T and becomes a pseudospike."""
    trial: Trial = drawn.trial
    spikes = subject.run(trial).spikes
    if not spikes:
        raise NotApplicable
    end = spikes[(drawn.spike or 0) % len(spikes)][0]
    unit = subject.scales.time
    if end < 0.01 * unit:
        raise NotApplicable
    step = T_STEP * unit
    runs = [subject.run(replace(trial, duration=end + s * step)) for s in (-1, 1)]
    if sum(len(t) for t in runs[1].trains) != sum(len(t) for t in runs[0].trains) + 1:
        raise NotApplicable  # two spikes leave at once
    gap = compare_pseudo(subject.loop, runs)
    if gap.size <= T_TOLERANCE * unit:
        return
    proof = "in double precision"
    if subject.exact is not None:
        gap = compare_exact_pseudo(subject, trial, end)
        if gap.size <= EXACT_T_TOLERANCE * unit:
            compare_pseudo_digits(subject, runs[0])
            return
        proof = "in 50 digits, values 2e-24 apart"
    place = Place("duration", ())
    raise_failure(Failure(
        name="pseudospikes", trial=runs[0].trial, place=place, gap=gap, proof=proof,
        values=(runs[0].trial.duration, runs[1].trial.duration),
        text=f"spike {gap.index + 1} of neuron {gap.neuron}, pseudospikes included, jumps from "
        f"{gap.times[0]!r} to {gap.times[1]!r} where a spike passes T = {end!r}",
    ))  # fmt: skip


@in_digits
def compare_pseudo_digits(subject: Subject, run: Run) -> None:
    """Fail if the compiled code's pseudospikes are not those of 50 digits."""
    loop = subject.exact
    assert loop is not None
    exact = subject.run_exactly(to_exact(run.trial))
    if exact.order != run.order:
        raise NotApplicable
    pairs = zip(list_pseudo(subject.loop, run), list_pseudo(loop, exact), strict=True)
    for neuron, (one, other) in enumerate(pairs):
        worst = max(abs(a - b) for a, b in zip(one, other, strict=True))
        if worst > T_TOLERANCE * subject.scales.time:
            raise_failure(Failure(
                name="digits", trial=run.trial, proof="in 50 digits",
                text=f"pseudospikes of neuron {neuron} differ by {float(worst):.3g} from those of "
                "50 digits",
            ))  # fmt: skip


def list_pseudo(loop: Loop, run: Run) -> list[list[Number]]:
    """Spike trains of a feedforward network, each with `MORE` pseudospikes."""
    trains: list[list[Number]] = []
    rates: list[Number] = []
    for i, (end, train) in enumerate(zip(run.ends, run.trains, strict=True)):
        pseudo = sum((run.trial.weights[i][j] * rates[j] for j in range(i)), 0 * run.left)
        delay, period, rate = loop.functions.pseudospike(*end, pseudo, *loop.constants)
        rates.append(rate)
        more = [run.trial.duration + delay + k * period for k in range(MORE)]
        trains.append([*train, *more])
    return trains


def compare_pseudo(loop: Loop, runs: Sequence[Run]) -> Gap:
    """The largest difference between spike times, pseudospikes included, of two runs."""
    best = Gap(size=0.0)
    pairs = zip(*(list_pseudo(loop, run) for run in runs), strict=True)
    for neuron, (one, other) in enumerate(pairs):
        for k, (a, b) in enumerate(zip(one, other, strict=False)):
            if abs(a - b) > best.size:
                best = Gap(size=float(abs(a - b)), neuron=neuron, index=k,
                           times=(float(a), float(b)))  # fmt: skip
    return best


@in_digits
def compare_exact_pseudo(subject: Subject, trial: Trial, end: float) -> Gap:
    """The same in 50 digits around the spike's exact time."""
    loop = subject.exact
    assert loop is not None
    exact = to_exact(trial)
    times = [t for t, _ in subject.run_exactly(exact).spikes]
    there = min(times, key=lambda t: abs(t - end))
    runs = [subject.run_exactly(replace(exact, duration=there + s * EXACT_T_STEP)) for s in (-1, 1)]
    return compare_pseudo(loop, runs)
