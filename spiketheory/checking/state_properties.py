"""What must hold of one neuron's flow and of the prediction of its spike; see `properties`."""

import math
from dataclasses import dataclass

from mpmath import mpf

from spiketheory.checking.failure import Failure, raise_failure
from spiketheory.checking.loop import State
from spiketheory.checking.properties import AMPLIFIED, ROUNDING, SEARCH, Effort
from spiketheory.checking.subject import NotApplicable, Subject, in_digits
from spiketheory.checking.trial import Trial

FORTH = mpf(10) ** -20
"""Largest relative error of flows in 50 digits."""
ROUNDED = 4e-15


@dataclass(frozen=True, kw_only=True)
class Wait:
    """A state of one neuron and durations.

    Attributes:
        state: The state variables.
        weight: An input that comes first.
        durations: Two durations [time].
    """

    state: tuple[float, ...]
    weight: float
    durations: tuple[float, float]


def single(subject: Subject, drawn: Wait) -> Trial:
    """The trial of a failure that is about one neuron's state."""
    return Trial(
        duration=sum(drawn.durations), weights=((0.0,),), input_weights=((drawn.weight,),),
        input_times=(0.0,), input_neurons=(0,), initial=(drawn.state,),
    )  # fmt: skip


def check_prediction(subject: Subject, drawn: Wait, effort: Effort = SEARCH) -> None:
    """Whether a spike comes, and when, are never at odds."""
    loop = subject.loop
    trial = single(subject, drawn)
    subject.run(trial)
    state = loop.jump(loop.enter(drawn.state), drawn.weight)
    wait = find_wait(subject, state, sum(drawn.durations))
    noise = measure_wait_noise(subject, state, wait)
    ends = [*drawn.durations, *((wait * (1 - 1e-12), wait * (1 + 1e-12)) if wait < 1e9 else ())]
    for duration in ends:
        numbers = loop.functions.propagator(duration, *loop.constants)
        said = bool(loop.functions.will_spike(*state, *numbers, *loop.constants))
        if not abs(duration - wait) <= noise and said != (wait < duration):
            raise_failure(Failure(
                name="prediction", trial=trial, extra=(("durations", drawn.durations),),
                text=f"a spike within {duration!r} is {'' if said else 'not '}predicted, but the "
                f"time to the spike is {wait!r}",
            ))  # fmt: skip


def find_wait(subject: Subject, state: State, longest: float) -> float:
    """Time to the spike; one that is found only by integration is not looked for much later."""
    if math.isinf(subject.loop.wait(state, within=longest)):
        return math.inf
    return float(subject.loop.wait(state))


def nudge(state: State, size: float) -> State:
    """Coordinates changed by a relative size, up and down by turns."""
    return tuple(v * (1 + size * (-1) ** i) for i, v in enumerate(state))


def measure_wait_noise(subject: Subject, state: State, wait: float) -> float:
    """How exact a waiting time can be: what changes of the coordinates by rounding do to it."""
    if not wait < 1e9:
        return 0.0
    moved = [find_wait(subject, nudge(state, s), 2 * wait) for s in (ROUNDED, -ROUNDED)]
    return 1e-13 * wait + max(abs(m - wait) for m in moved)


def check_flow(subject: Subject, drawn: Wait, effort: Effort = SEARCH) -> None:
    """Flowing for a + b is flowing for a and then b; in 50 digits also backwards in time."""
    loop = subject.loop
    trial = single(subject, drawn)
    subject.run(trial)
    state = loop.jump(loop.enter(drawn.state), drawn.weight)
    wait = loop.wait(state, within=sum(drawn.durations))
    first, second = (d if d < wait else 0.4 * wait for d in drawn.durations)
    if first + second >= wait:
        first, second = 0.4 * wait, 0.3 * wait
    if not 0 < first + second < 1e9:
        raise NotApplicable
    halves = loop.step("flow", loop.step("flow", state, first), second)
    whole = loop.step("flow", state, first + second)
    error = compare_states(subject, halves, whole)
    if subject.exact is not None:
        error = max(compare_exact_flow(subject, drawn, first, second, (halves, whole)))
        limit = 1.0
    else:
        limit = 1e-8
    if error > limit:
        raise_failure(Failure(
            name="flow", trial=trial, extra=(("durations", drawn.durations),),
            text=f"flowing for {first!r}, then {second!r} does not lead where flowing for their "
            f"sum leads, or back: the states differ by {error:.3g} of what is allowed",
        ))  # fmt: skip


@in_digits
def compare_exact_flow(
    subject: Subject, drawn: Wait, first: float, second: float, reached: tuple
) -> list[float]:
    """Errors in units of what is allowed: semigroup, time reversal, and floats beside 50 digits."""
    loop = subject.exact
    assert loop is not None
    state = loop.jump(loop.enter([mpf(v) for v in drawn.state]), mpf(drawn.weight))
    a, b = mpf(first), mpf(second)
    halves = loop.step("flow", loop.step("flow", state, a), b)
    whole = loop.step("flow", state, a + b)
    back = loop.step("flow", whole, -(a + b))
    # Flowing backwards amplifies what rounding does to a contracting flow.
    rounded = tuple(v * (1 + mpf(10) ** -40 * (-1) ** i) for i, v in enumerate(whole))
    lost = compare_states(subject, loop.step("flow", rounded, -(a + b)), back)
    scaled = [
        float(compare_states(subject, halves, whole) / FORTH),
        float(compare_states(subject, back, state) / (FORTH + lost)),
    ]
    # How far rounding of the state goes.
    nudged = [v * (1 + mpf(10) ** -16 * (-1) ** i) for i, v in enumerate(state)]
    noise = compare_states(subject, loop.step("flow", tuple(nudged), a + b), whole)
    allowed = ROUNDING + AMPLIFIED * noise
    return [*scaled, *(float(compare_states(subject, r, whole) / allowed) for r in reached)]


def compare_states(subject: Subject, left: tuple, right: tuple) -> mpf:
    """Largest relative difference of coordinates; projective ones only up to a factor."""
    places = subject.compiled.projective
    sizes = [sum((abs(s[p]) for p in places), 0 * abs(s[0])) or 1 for s in (left, right)]
    worst = mpf(0)
    for c, (a, b) in enumerate(zip(left, right, strict=True)):
        if c in places:
            worst = max(worst, abs(a / sizes[0] - b / sizes[1]))
        else:
            worst = max(worst, abs(a - b) / (1 + abs(b)))
    return worst
