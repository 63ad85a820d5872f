"""Which kind of counterexample a jump of a spike time is (docs/certificates.md, R1 to R6)."""

from collections.abc import Sequence

from mpmath import mpf

from spiketheory.certification.refutation.ladder_runs import find_time, list_spikes
from spiketheory.certification.refutation.sample import Surface
from spiketheory.certification.refutation.trial import TIME_OF, Trial
from spiketheory.language.symbols import WEIGHT
from spiketheory.reference.neuron import ARRIVED, BEFORE, INPUT, Visit

NEARBY = mpf("1e-7")
"""Events closer together in the two trials are at one instant in the limit."""
SLOW = 1e-2
"""A spike grazes if its speed on the surface is so small, in sizes of the state per time."""

Sides = tuple[Sequence[Visit], Sequence[Visit]]


def classify(
    surface: Surface, trial: Trial, place: str, number: int, sides: Sides, index: int
) -> str:
    """The kind of a jump; "" if it is none that is known.

    Args:
        surface: What happens on the spike surface.
        trial: The trial at the lower of the two values.
        place: What is moved.
        number: Of which input.
        sides: States of the trials at the two values.
        index: The spike that jumps.
    """
    end = mpf(trial.duration)
    trains = [list_spikes(v) for v in sides]
    jump = min(find_time(t, index, end) for t in trains)
    if place == TIME_OF:
        moved = mpf(trial.times[number])
        others = [t for k, t in enumerate(trial.times) if k != number]
        if any(abs(mpf(t) - moved) < NEARBY for t in others):
            return "R3" if count_near(trains[0], moved) != count_near(trains[1], moved) else "R4"
        if any(count_near(train, moved) for train in trains):
            return classify_swap(surface, trial, sides, moved)
    else:
        inputs = {v.time for side in sides for v in side if v.what == BEFORE}
        for time in inputs:
            if abs(jump - time) < NEARBY:
                if any(time in train for train in trains):
                    return "R2"
                counts = [count_near(train, time) for train in trains]
                return "R3" if counts[0] != counts[1] else "R4"
    return "R1" if grazes(surface, trial, sides, jump) else ""


def count_near(spikes: Sequence[mpf], time: mpf) -> int:
    """Number of spikes at a time, in the limit."""
    return sum(abs(t - time) < NEARBY for t in spikes)


def classify_swap(surface: Surface, trial: Trial, sides: Sides, moved: mpf) -> str:
    """The kind of a jump where an input crosses a spike: first it comes before, then after it."""
    counts = [count_near(list_spikes(v), moved) for v in sides]
    if counts[0] >= counts[1]:
        return "R4"
    inputs = [v for v in sides[0] if v.what == INPUT]
    after = min(inputs, key=lambda v: abs(v.time - moved))
    if surface.model.spike.is_blowup:
        return "R3"
    values = name_values(surface, trial, after)
    distance = surface.distance(values)
    if distance is None:
        return ""
    size = 1 + abs(values[surface.V])
    return "R1t" if abs(distance[0]) < 1e-6 * size else "R3"


def grazes(surface: Surface, trial: Trial, sides: Sides, jump: mpf) -> bool:
    """Whether the spike that only one trial has then comes at almost no speed."""
    for side in sides:
        for visit in side:
            if visit.what == ARRIVED and abs(visit.time - jump) < NEARBY:
                speed = surface.speed(name_values(surface, trial, visit))
                span = max((abs(float(v.state[0])) for v in side[:1]), default=0.0)
                taus = [v for n, v in trial.parameters.items() if n.startswith("tau")]
                slow = SLOW * (1 + span) / min(taus, default=1.0)
                return speed is not None and abs(speed[0]) < slow
    return False


def name_values(surface: Surface, trial: Trial, visit: Visit) -> dict[object, float]:
    """Values by symbol at a state; V is 0 where it is infinite."""
    model = surface.model
    values: dict[object, float] = {p.symbol: float(trial.parameters[p.name])
                                   for p in model.parameters}  # fmt: skip
    for symbol, value in zip(model.state, visit.state, strict=True):
        infinite = symbol == surface.V and model.spike.is_blowup
        values[symbol] = 0.0 if infinite else float(value)
    return values | {WEIGHT: 0.0}
