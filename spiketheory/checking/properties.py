"""What must hold if spikes only shift: spike times. Gradients stand in `gradient_properties`.

Each property takes the model under test and what was drawn for it. It returns if it holds, raises
`PropertyFailure` if it does not, and `NotApplicable` if what was drawn says nothing.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import mpmath
from mpmath import mpf

from spiketheory.checking.failure import Failure, raise_failure
from spiketheory.checking.loop import Run
from spiketheory.checking.paths import (
    JUMP,
    KEEPS,
    LARGE_JUMP,
    Gap,
    Jump,
    confirm,
    disagrees,
    find_count_change,
    find_gap,
    find_suspect,
)
from spiketheory.checking.subject import (
    NotApplicable,
    Subject,
    in_digits,
    searches_roots,
    to_exact,
)
from spiketheory.checking.trial import Path, Place, Trial

NEXT = 1e-10
"""How far from a coincidence its two sides are; in units of the time scale."""
VERY_NEXT = mpf(10) ** -25
SAME = mpf(10) ** -12
ROUNDING = 1e-9
LEAST_MARGIN = 1e-6
MOST_SLOW_EVENTS = 12
SURVIVES_TIE = 1e-3
TIED_ULPS = 4
AMPLIFIED = 1e4


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How closely a search looks.

    Attributes:
        trust_floats: Whether large jumps count without 50 digits: while shrinking, which would
            take long otherwise. What it ends on is confirmed in any case.
    """

    trust_floats: bool = False


SEARCH, SHRINK = Effort(), Effort(trust_floats=True)


def describe(jump: Jump) -> str:
    """What a jump does, in one sentence."""
    gap, place = jump.gap, jump.place
    numbers = "".join(f"[{i}]" for i in place.index)
    before, after = gap.times
    spike = f"spike {gap.index + 1} of neuron {gap.neuron}"
    what = {
        "appears": f"{spike} appears at {after!r}",
        "vanishes": f"{spike} at {before!r} vanishes",
        "jumps": f"{spike} jumps from {before!r} to {after!r}",
    }[gap.kind]
    return (
        f"between {place.field}{numbers} = {jump.low!r} and {jump.high!r} {what} (T = "
        f"{jump.trial.duration:g})"
    )


def report(name: str, jump: Jump) -> Failure:
    """The failure that a jump is."""
    return Failure(
        name=name, text=describe(jump), trial=jump.trial, place=jump.place,
        values=(jump.low, jump.high), gap=jump.gap, proof=jump.proof,
    )  # fmt: skip


def judge(name: str, subject: Subject, jump: Jump | None, effort: Effort) -> None:
    """Fail if a suspected jump is one, or if floats are wrong beside it."""
    if jump is None:
        return
    trusted = effort.trust_floats and subject.exact is not None
    if trusted and jump.gap.size > LARGE_JUMP * subject.scales.time:
        raise_failure(report(name, jump))
    confirmed = confirm(subject, jump)
    if confirmed is not None:
        # While shrinking, what is reported stays what floats see: it is compared and printed.
        raise_failure(report(name, replace(jump, proof=confirmed.proof)))
    wrong = disagrees(subject, jump)
    if wrong is not None:
        trial, gap = wrong
        raise_failure(
            Failure(
                name=name, trial=trial, gap=gap, proof="in 50 digits",
                text=f"the compiled code and 50 digits disagree by {gap.size:.3g} about spike "
                f"{gap.index + 1} of neuron {gap.neuron}: {gap.times[0]!r} and {gap.times[1]!r}",
            )
        )  # fmt: skip


def check_continuity(subject: Subject, path: Path, effort: Effort = SEARCH) -> None:
    """Spike times are continuous along a path in parameter space."""
    judge("continuity", subject, find_suspect(subject, path), effort)


def check_counts(subject: Subject, path: Path, effort: Effort = SEARCH) -> None:
    """Along a path no spike appears or vanishes before T."""
    judge("counts", subject, find_count_change(subject, path), effort)


@dataclass(frozen=True, kw_only=True)
class Coincidence:
    """A trial in which two events may be made simultaneous.

    Attributes:
        trial: The trial.
        entry: The input spike that is moved; None if neuron 1 is moved past its twin, neuron 0.
        spike: Number of the spike that it is moved to; None for another input.
        other: The other input spike, if it is moved to one.
    """

    trial: Trial
    entry: int | None = None
    spike: int | None = None
    other: int | None = None

    def find(self, subject: Subject) -> tuple[Trial, Place, float]:
        """The trial, the parameter that is moved, and its value at the coincidence."""
        trial = self.trial
        if self.entry is None:
            place = Place("initial", (1, subject.scales.voltage))
            return trial, place, trial.read(place)
        place = Place("input_times", (self.entry,))
        if self.spike is None:
            if self.other is None or self.other == self.entry:
                raise NotApplicable
            return trial, place, trial.input_times[self.other]
        # Without this input first: the spike is then where the input is moved to.
        removed = trial.move(place, 2 * trial.duration)
        spikes = subject.run(removed).spikes
        if not spikes:
            raise NotApplicable
        return trial, place, spikes[self.spike % len(spikes)][0]


def check_swaps(subject: Subject, drawn: Coincidence, effort: Effort = SEARCH) -> None:
    """Two events that swap their order, or are simultaneous, change no spike time abruptly."""
    trial, place, value = drawn.find(subject)
    step = NEXT * (subject.scales.time if place.field == "input_times" else 1 + abs(value))
    if place.field == "input_times" and not step < value < trial.duration - step:
        raise NotApplicable
    sides = [value - step, value, value + step]
    runs = [subject.run(trial.move(place, v)) for v in sides]
    for i, j in ((0, 2), (0, 1), (1, 2)):
        gap = find_gap(runs[i], runs[j])
        if gap.size > JUMP * subject.scales.time:
            jump = Jump(trial=trial.move(place, sides[i]), place=place, low=sides[i],
                        high=sides[j], gap=gap)  # fmt: skip
            if (i, j) == (0, 2):
                judge("swaps", subject, narrow(subject, jump), effort)
            else:
                judge_tie(subject, jump, value)


def narrow(subject: Subject, jump: Jump) -> Jump | None:
    """The same jump with values closer together, if it is still there in floats."""
    low, high = sorted((jump.low, jump.high))
    ends = (
        subject.run(jump.trial.move(jump.place, low)),
        subject.run(jump.trial.move(jump.place, high)),
    )
    path = Path(start=ends[0].trial, end=ends[1].trial)
    return find_count_change(subject, path) or find_suspect(subject, path)


def judge_tie(subject: Subject, jump: Jump, value: float) -> None:
    """Fail if events at the very same instant do something else than events next to each other."""
    proof = "in double precision"
    if subject.exact is not None:
        gap = compare_tie(subject, jump)
        if gap.size <= SURVIVES_TIE * jump.gap.size:
            return
        proof = "in 50 digits, values 1e-25 apart"
    else:
        step = TIED_ULPS * math.ulp(value)
        runs = [subject.run(jump.trial.move(jump.place, value + s * step)) for s in (-1, 0, 1)]
        size = max(find_gap(runs[1], runs[i]).size for i in (0, 2))
        if size < KEEPS * jump.gap.size:
            return
    raise_failure(report("swaps", replace(jump, proof=proof)))


@in_digits
def compare_tie(subject: Subject, jump: Jump) -> Gap:
    """The gap between a coincidence and its neighbourhood in 50 digits."""
    exact = to_exact(jump.trial)
    tied = find_tied_value(subject, exact, jump)
    runs = [subject.run_exactly(exact.move(jump.place, tied + s * VERY_NEXT)) for s in (-1, 0, 1)]
    return max((find_gap(runs[1], runs[i]) for i in (0, 2)), key=lambda gap: gap.size)


def find_tied_value(subject: Subject, exact: Trial, jump: Jump) -> mpf:
    """Where the coincidence is in 50 digits: another event's time, or the value itself."""
    value = mpf(jump.low) if abs(jump.low) < abs(jump.high) else mpf(jump.high)
    if jump.place.field != "input_times":
        other = jump.place.index
        return exact.read(Place("initial", (0, other[1])))
    away = exact.move(jump.place, 2 * exact.duration)
    times = [t for t, _ in subject.run_exactly(away).spikes]
    times += [t for k, t in enumerate(exact.input_times) if k != jump.place.index[0]]
    return min(times, key=lambda t: abs(t - value), default=value)


@dataclass(frozen=True, kw_only=True)
class Relabelling:
    """A trial and another order of its neurons and inputs.

    Attributes:
        trial: The trial.
        order: Place i is taken by the old neuron order[i].
        input_order: The same for inputs.
        shift: Fraction of the time to the first event that the trial begins later.
    """

    trial: Trial
    order: tuple[int, ...]
    input_order: tuple[int, ...]
    shift: float


def relabel(trial: Trial, order: tuple[int, ...], input_order: tuple[int, ...]) -> Trial:
    """The same network with its neurons and inputs in another order."""
    return replace(
        trial,
        weights=tuple(tuple(trial.weights[i][j] for j in order) for i in order),
        input_weights=tuple(tuple(trial.input_weights[i][j] for j in input_order) for i in order),
        input_neurons=tuple(input_order.index(j) for j in trial.input_neurons),
        initial=tuple(trial.initial[i] for i in order),
    )


def check_symmetry(subject: Subject, drawn: Relabelling, effort: Effort = SEARCH) -> None:
    """Neither the numbering of neurons and inputs nor the origin of time matters."""
    run = subject.run(drawn.trial)
    if has_ties(subject, run):
        raise NotApplicable
    other = subject.run(relabel(drawn.trial, drawn.order, drawn.input_order))
    trains = [other.trains[drawn.order.index(i)] for i in range(drawn.trial.n_neurons)]
    compare_trains(subject, run, trains, "another numbering", drawn)
    first = min([e.time for e in run.events] or [drawn.trial.duration])
    moved = shift_start(subject, drawn.trial, drawn.shift * first)
    if moved is not None:
        shift = drawn.shift * first
        trains = [[t + shift for t in train] for train in subject.run(moved).trains]
        compare_trains(subject, run, trains, "another origin of time", drawn)


def shift_start(subject: Subject, trial: Trial, shift: float) -> Trial | None:
    """The trial from ``shift`` on, before which nothing happens; None if it starts at infinity."""
    loop = subject.loop
    states = [loop.leave(loop.step("flow", loop.enter(s), shift)) for s in trial.initial]
    if not all(abs(v) < 1e6 for s in states for v in s):
        return None
    return replace(
        trial,
        duration=trial.duration - shift,
        input_times=tuple(t - shift for t in trial.input_times),
        initial=tuple(tuple(map(float, s)) for s in states),
    )


def has_ties(subject: Subject, run: Run) -> bool:
    """Whether events come so close together, or spikes so close to T, that rounding decides."""
    least = LEAST_MARGIN * subject.scales.time
    if any(run.trial.duration - t < least for t, _ in run.spikes):
        return True
    if any(
        subject.loop.wait(state, within=least) < least for state in run.ends
    ):  # spikes right after T
        return True
    for number, event in enumerate(run.events):
        if event.duration < least and number and event.cause != number - 1:
            return True
        # About to spike when another event comes, which may prevent it.
        others = (state for i, state in enumerate(event.before) if i != event.neuron)
        if any(subject.loop.wait(state, within=least) < least for state in others):
            return True
    return False


def is_too_long(subject: Subject, run: Run) -> bool:
    """Whether a trial would take seconds in 50 digits: where roots are searched for."""
    slow = subject.exact is not None and searches_roots(subject.compiled.module)
    return slow and len(run.events) > MOST_SLOW_EVENTS


def compare_trains(subject: Subject, run: Run, trains: list, what: str, drawn: Relabelling) -> None:
    """Fail unless spike trains are equal to rounding, as far as 50 digits say what rounding is."""
    T = run.trial.duration
    worst, neuron = 0.0, 0
    for i, (one, other) in enumerate(zip(run.trains, trains, strict=True)):
        size = (
            T
            if len(one) != len(other)
            else max((abs(a - b) for a, b in zip(one, other, strict=True)), default=0.0)
        )
        if size > worst:
            worst, neuron = size, i
    if worst <= ROUNDING * subject.scales.time:
        return
    if worst <= measure_noise(subject, run):
        return
    raise_failure(Failure(
        name="symmetry", trial=run.trial,
        extra=(("order", drawn.order), ("input_order", drawn.input_order),
               ("shift", (drawn.shift,))),
        text=f"with {what} spike times of neuron {neuron} differ by {worst:.3g}",
    ))  # fmt: skip


def measure_noise(subject: Subject, run: Run) -> float:
    """What rounding may do to spike times: the effect of relative changes of 1e-14, amplified."""
    places = [p for p in run.trial.places() if p.field != "input_times"]
    nudged = run.trial
    for k, place in enumerate(places):
        nudged = nudged.move(place, nudged.read(place) * (1 + 1e-14 * (-1) ** k) + 1e-15)
    try:
        return AMPLIFIED * find_gap(run, subject.run(nudged)).size
    except NotApplicable:
        return float(mpmath.inf)


def check_digits(subject: Subject, trial: Trial, effort: Effort = SEARCH) -> None:
    """The compiled code gives the spike times that 50 digits give."""
    run = subject.run(trial)
    if has_ties(subject, run) or subject.exact is None or not run.spikes:
        raise NotApplicable
    if is_too_long(subject, run):
        raise NotApplicable
    gap = compare_with_exact(subject, run)
    if gap.size <= ROUNDING * subject.scales.time or gap.size <= measure_noise(subject, run):
        return
    raise_failure(Failure(
        name="digits", trial=trial, gap=gap,
        text=f"spike {gap.index + 1} of neuron {gap.neuron} comes at {gap.times[0]!r}, but at "
        f"{gap.times[1]!r} in 50 digits",
    ))  # fmt: skip


@in_digits
def compare_with_exact(subject: Subject, run: Run) -> Gap:
    """The gap between a run and the same trial in 50 digits."""
    return find_gap(run, subject.run_exactly(to_exact(run.trial)))


Property = Callable[..., None]
