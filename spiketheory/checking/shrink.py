"""Shrinking what was found: fewer neurons and inputs, states of rest, round numbers.

Hypothesis shrinks what it draws in a user's own tests. Here trials are shrunk by what they mean,
which ends on the same small trial from wherever it starts.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from spiketheory.checking.failure import Failure, PropertyFailure
from spiketheory.checking.properties import Coincidence
from spiketheory.checking.state_properties import Wait
from spiketheory.checking.strategies import LARGEST_WEIGHT
from spiketheory.checking.subject import NotApplicable, Subject
from spiketheory.checking.trial import Path, Place, Trial

ROUNDS = 12
MOST_CHANGES = 300
WIDTHS = (1.0, 0.1, 1e-3, 1e-6)
DURATION = 20
"""Length of a simple trial, in steps of the time's scale."""
CLEAR = 0.05
"""A jump that is shown should be larger than this fraction of the trial."""


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A trial, one parameter of it and the range over which it is moved.

    Attributes:
        trial: The trial.
        place: The parameter.
        low: Where it starts.
        high: Where it ends.
    """

    trial: Trial
    place: Place
    low: float
    high: float

    @property
    def path(self) -> Path:
        """The path."""
        start, end = (self.trial.move(self.place, v) for v in (self.low, self.high))
        return Path(start=start, end=end)


Thing = Any
"""A trial, or a record that holds one."""


def simplify(
    subject: Subject, drawn: Thing, failure: Failure, check: Callable[[Subject, Thing], None]
) -> Failure:
    """Make what was drawn simpler for as long as the property fails.

    Args:
        subject: The model under test.
        drawn: What the property failed on.
        failure: How it failed.
        check: The property.

    Returns:
        The failure of the simplest thing found.
    """
    starts = list_sweeps(subject, failure) if isinstance(drawn, Path) else [drawn]
    tried = ((start, find_failure(subject, start, check)) for start in starts)
    thing, best = next(((s, f) for s, f in tried if f is not None), (None, None))
    if best is None:
        return failure
    accepted = 0
    for _ in range(ROUNDS):
        before = thing
        for change in (drop_parts, switch_place, calm_down, round_off):
            # A change that succeeds is followed by the same kind of changes of what is left.
            candidates = change(subject, thing)
            while (candidate := next(candidates, None)) is not None:
                found = find_failure(subject, candidate, check)
                accepted += found is not None
                if accepted > MOST_CHANGES:  # a bug's trial may get simpler in circles
                    return best
                if found is not None and is_clear(found, best):
                    thing, best, candidates = candidate, found, change(subject, candidate)
        if thing == before:
            break
    return best


def is_clear(found: Failure, best: Failure) -> bool:
    """Whether a jump is large enough to be shown, or no smaller than before."""
    if found.gap is None or best.gap is None:
        return True
    return found.gap.size > min(best.gap.size, CLEAR * found.trial.duration) * 0.999


def find_failure(
    subject: Subject, thing: Thing, check: Callable[[Subject, Thing], None]
) -> Failure | None:
    """How the property fails; None if it holds or does not apply."""
    ends = (thing.path.start, thing.path.end) if isinstance(thing, Sweep) else list_trials(thing)
    if not all(subject.allows(end) for end in ends):
        return None
    try:
        check(subject, thing.path if isinstance(thing, Sweep) else thing)
    except PropertyFailure as err:
        return err.failure
    except NotApplicable:
        return None
    return None


def list_sweeps(subject: Subject, failure: Failure) -> Iterator[Sweep]:
    """The parameter of a failure, moved between the round numbers around it; or less far."""
    assert failure.place is not None
    assert failure.values is not None
    step = find_step(subject, failure.place)
    low, high = min(failure.values), max(failure.values)
    for width in WIDTHS:
        ends = floor_to(low, step * width), -floor_to(-high, step * width)
        yield Sweep(trial=failure.trial, place=failure.place, low=ends[0], high=ends[1])
    yield Sweep(trial=failure.trial, place=failure.place, low=low, high=high)


def floor_to(value: float, step: float) -> float:
    """The multiple of ``step`` below ``value``."""
    return float(f"{(value // step) * step:.12g}")


def find_step(subject: Subject, place: Place) -> float:
    """The step of a parameter's round numbers."""
    scales = subject.scales
    if place.field == "initial":
        return scales.state[place.index[1]] or 1.0
    return scales.time if place.field in ("input_times", "duration") else scales.weight


def list_trials(thing: Thing) -> tuple[Trial, ...]:
    """The trial of what was drawn, if it has one."""
    return () if isinstance(thing, Wait) else (get_trial(thing),)


def get_trial(thing: Thing) -> Trial:
    """The trial of what was drawn."""
    return thing if isinstance(thing, Trial) else thing.trial


def with_trial(thing: Thing, trial: Trial) -> Thing:
    """The same thing with another trial."""
    return trial if isinstance(thing, Trial) else replace(thing, trial=trial)


def drop_parts(subject: Subject, thing: Thing) -> Iterator[Thing]:
    """Leave out a neuron, an input spike, or an input without spikes."""
    if not isinstance(thing, Trial | Sweep | Coincidence):
        return
    trial = get_trial(thing)
    place = thing.place if isinstance(thing, Sweep) else None
    for i in reversed(range(trial.n_neurons if trial.n_neurons > 1 else 0)):
        if isinstance(thing, Coincidence) and thing.entry is None and i < 2:
            continue
        moved = drop_index(place, {"weights": (0, 1), "input_weights": (0,), "initial": (0,)}, i)
        if place is None or moved is not None:
            yield put_place(with_trial(thing, drop_neuron(trial, i)), moved)
    for k in reversed(range(len(trial.input_times))):
        moved = drop_index(place, {"input_times": (0,)}, k)
        entries = drop_entry(thing, k)
        if entries is not None and (place is None or moved is not None):
            yield put_place(with_trial(entries, drop_spike(trial, k)), moved)
    for m in reversed(range(len(trial.input_weights[0]))):
        moved = drop_index(place, {"input_weights": (1,)}, m)
        unused = m not in trial.input_neurons and len(trial.input_weights[0]) > 1
        if unused and (place is None or moved is not None):
            yield put_place(with_trial(thing, drop_input(trial, m)), moved)


def put_place(thing: Thing, place: Place | None) -> Thing:
    """The same sweep of a renumbered place."""
    return thing if place is None else replace(thing, place=place)


def drop_index(place: Place | None, axes: dict[str, tuple[int, ...]], dropped: int) -> Place | None:
    """The place after something else was left out; None if it is left out itself."""
    if place is None:
        return None
    index = list(place.index)
    for axis in axes.get(place.field, ()):
        if index[axis] == dropped:
            return None
        index[axis] -= index[axis] > dropped
    return Place(place.field, tuple(index))


def drop_entry(thing: Thing, k: int) -> Thing | None:
    """A coincidence after input spike k was left out; None if it takes part."""
    if not isinstance(thing, Coincidence) or thing.entry is None:
        return thing
    if k in (thing.entry, thing.other):
        return None
    other = thing.other
    return replace(
        thing, entry=thing.entry - (thing.entry > k),
        other=None if other is None else other - (other > k),
    )  # fmt: skip


def leave_out(values: tuple, i: int) -> tuple:
    """A tuple without entry i."""
    return (*values[:i], *values[i + 1 :])


def drop_neuron(trial: Trial, i: int) -> Trial:
    """The trial without neuron i."""
    return replace(
        trial,
        weights=tuple(leave_out(row, i) for row in leave_out(trial.weights, i)),
        input_weights=leave_out(trial.input_weights, i),
        initial=leave_out(trial.initial, i),
    )


def drop_spike(trial: Trial, k: int) -> Trial:
    """The trial without input spike k."""
    return replace(
        trial,
        input_times=leave_out(trial.input_times, k),
        input_neurons=leave_out(trial.input_neurons, k),
    )


def drop_input(trial: Trial, m: int) -> Trial:
    """The trial without input m, which never spikes."""
    return replace(
        trial,
        input_weights=tuple(leave_out(row, m) for row in trial.input_weights),
        input_neurons=tuple(j - (j > m) for j in trial.input_neurons),
    )


def switch_place(subject: Subject, thing: Thing) -> Iterator[Thing]:
    """Move an input weight from 0 up instead: in the plainest trial of all, or in this one."""
    high = float(f"{LARGEST_WEIGHT * subject.scales.weight:.12g}")
    if not isinstance(thing, Sweep) or is_plain(thing, high):
        return
    trial = thing.trial
    if not trial.input_times:
        trial = replace(trial, input_times=(0.0,), input_neurons=(0,))
    for one in (make_plain(subject), trial):
        for source in sorted(set(one.input_neurons)):
            for i in range(one.n_neurons):
                yield Sweep(trial=one, place=Place("input_weights", (i, source)), low=0.0,
                            high=high)  # fmt: skip


def is_plain(sweep: Sweep, high: float) -> bool:
    """Whether an input weight is moved from 0 up already."""
    return (sweep.place.field, sweep.low, sweep.high) == ("input_weights", 0.0, high)


def make_plain(subject: Subject) -> Trial:
    """One neuron at rest that receives one input at time 0."""
    return Trial(
        duration=float(f"{DURATION * subject.scales.time:.12g}"), weights=((0.0,),),
        input_weights=((0.0,),), input_times=(0.0,), input_neurons=(0,),
        initial=(subject.scales.rest,),
    )  # fmt: skip


def calm_down(subject: Subject, thing: Thing) -> Iterator[Thing]:
    """Set weights and times to 0, states to rest, and the duration to a simple one."""
    if isinstance(thing, Wait):
        calmer = (replace(thing, weight=0.0), replace(thing, state=subject.scales.rest))
        yield from (candidate for candidate in calmer if candidate != thing)
        return
    trial = get_trial(thing)
    duration = float(f"{DURATION * subject.scales.time:.12g}")
    if trial.duration != duration:
        yield with_trial(thing, replace(trial, duration=duration))
    for place in trial.places():
        if isinstance(thing, Sweep) and place == thing.place:
            continue
        value = subject.scales.rest[place.index[1]] if place.field == "initial" else 0.0
        if trial.read(place) != value:
            yield with_trial(thing, trial.move(place, value))


def round_off(subject: Subject, thing: Thing) -> Iterator[Thing]:
    """Round parameters to their steps, to more digits if need be."""
    if isinstance(thing, Wait):
        return
    trial = get_trial(thing)
    for place in trial.places():
        if isinstance(thing, Sweep) and place == thing.place:
            continue
        value, step = trial.read(place), find_step(subject, place)
        for fine in (4.0, 1.0, 0.1):
            rounded = float(f"{round(value / (step * fine)) * step * fine:.12g}")
            if rounded == value:
                break
            if len(repr(rounded)) < len(repr(value)) or fine >= 1.0:
                yield with_trial(thing, trial.move(place, rounded))
