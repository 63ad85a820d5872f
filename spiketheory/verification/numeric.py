"""The checks of a derivation that compare numbers in 50 digits.

Random parameters and states from a fixed seed, and far corners: parameters 1e-6 and 100 from the
boundary of every case, potentials up to 1e8, weights up to 1e4, durations from 1e-12 to 1e3.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import mpmath
from mpmath import mpf

from spiketheory.reference.integrate import Reference
from spiketheory.symbolic.derivation import Check
from spiketheory.verification.cases import ROOT, Case, find_conditions
from spiketheory.verification.places import (
    DIFFERENCE_DIGITS,
    Place,
    Vector,
    compile_domains,
    differentiate_numerically,
    place_parameters,
    stretch,
)
from spiketheory.verification.tally import LEVELS, TOLERANCE, Tally, format_number, resolve, show

DURATIONS = tuple(mpf(10) ** (mpf(k) / 4) for k in (-48, -12, *range(-3, 9), 12))
FRACTIONS = tuple(mpf(k) / 10 for k in range(1, 10))
NEAR = mpf(10) ** -12
LONG = mpf(2)
LONGEST = mpf(10) ** 9
TINY = -40
"""A power of 10: what is next to nothing in `DIGITS`."""
TINY_ENOUGH = mpf(10) ** -25
FAR_ENOUGH = mpf(10) ** 6
SHORT = tuple(mpf(10) ** -k for k in (10, 20, 30))
CURRENTS = (mpf(0), mpf("0.8"), mpf("-1.7"), mpf(10) ** 4, -(mpf(10) ** 4))
NOISE = -40
"""A power of 10: what may be left of a height that tends to 0, in `DIGITS`."""
REFERENCE_LEVELS = LEVELS[:2]
REFERENCE_GUARD = 4
"""Digits that direct integration has more than what it is compared with."""
LEAST_SHRINKING = mpf(10) ** -6
"""What is left at the last of several distances from a seam of a difference at the first."""
SEAM = tuple(mpf(10) ** -k for k in (5, 15))
"""Square roots of the distances from a seam at which the branches on its sides are compared."""


def check_integration(ordinary: Sequence[Place]) -> Iterator[Check]:
    """Compare flow and time to spike with direct integration of the model's equation."""
    flow = Tally("flow against direct integration", "correct the flow", "states")
    spike = Tally("spike time against direct integration", "correct the time to spike", "spikes")
    for place in ordinary:
        finite = [s for s in place.states if all(abs(v) < LONGEST for v in place.to_state(s))]
        for state in (finite[0], finite[-1]):
            resolve(
                partial(compare_integration, flow, spike, place, state), flow, spike,
                levels=REFERENCE_LEVELS,
            )  # fmt: skip
    yield from flow.report()
    yield from spike.report()


def compare_integration(flow: Tally, spike: Tally, place: Place, state: Vector) -> None:
    """Integrate part of the way to the spike, then the rest of it."""
    digits = mpmath.mp.dps + REFERENCE_GUARD
    reference = Reference(place.derivation.model, place.parameters, digits=digits)
    wait = place.wait(state)
    duration = min(wait, LONG) * FRACTIONS[3]
    there, early = reference.follow(place.to_state(state), duration)
    where = f"after {format_number(duration)} from {place.show(state)}"
    spike.demand(early is None, f"no spike {where}", f"one after {early}")
    reached = place.to_state(place.flow(state, duration))
    flow.compare(f"the state {where}", reached, there, scale=1)
    if LONG <= wait < mpmath.inf:
        return
    more = reference.follow(there, min(wait, LONG))[1]
    name = f"the time to spike from {place.show(state)}"
    if mpmath.isinf(wait):
        spike.demand(more is None, f"{name} to be finite", "inf")
    else:
        spike.demand(more is not None, f"{name} to be more than {LONG}", format_number(wait))
        spike.compare(name, [wait], [duration + (more or 0)])


def check_first_spike(places: Sequence[Place]) -> Iterator[Check]:
    """Nothing spikes before the time to spike, and the prediction agrees with it."""
    first = Tally(
        "first spike", "correct the time to spike, its branches and their order, or the reset"
    )
    predicted = Tally("spike prediction", "correct will_spike")
    crossed = Tally("crossing at spikes", "correct the surface or the field")
    for place in places:
        for state in place.states:
            compare = partial(compare_first_spike, first, predicted, crossed, place, state)
            resolve(compare, first, predicted, crossed)
    yield from first.report()
    yield from predicted.report()
    yield from crossed.report()


def compare_first_spike(
    first: Tally, predicted: Tally, crossed: Tally, place: Place, state: Vector
) -> None:
    """Look before the spike from one state, or far ahead if there is none, and at the spike."""
    wait = place.wait(state)
    first.demand(wait > 0, f"time_to_spike > 0 from {place.show(state)}", format_number(wait))
    if mpmath.isinf(wait):
        demand_silence(first, predicted, place, state, DURATIONS)
        return
    inside = [wait * f for f in (NEAR, *FRACTIONS, 1 - NEAR)]
    demand_silence(first, predicted, place, state, inside)
    demand_spike(first, predicted, crossed, place, state, wait)


def demand_silence(
    first: Tally, predicted: Tally, place: Place, state: Vector, durations: Sequence[mpf]
) -> None:
    """Demand that nothing spikes within ``durations``, and that none is predicted."""
    silent = mpmath.isinf(place.wait(state))
    names = [f"no spike within {format_number(d)} from {place.show(state)}" for d in durations]
    for name, duration in zip(names, durations, strict=True):
        reached = place.flow(state, duration)
        height = place.surface(reached)
        # A state that tends to the surface without reaching it is there in any number of digits.
        size = max(1, *map(abs, (*reached, *place.constants)))
        inside = height >= -size * mpf(10) ** stretch(NOISE) if silent else height > 0
        first.demand(inside, name, f"the surface at {format_number(height)}")
    for name, duration in zip(names, durations, strict=True):
        predicted.demand(not place.will_spike(state, duration), name, "one")


def demand_spike(
    first: Tally, predicted: Tally, crossed: Tally, place: Place, state: Vector, wait: mpf
) -> None:  # fmt: skip
    """Demand that the surface is crossed after ``wait``, also seen from part of the way."""
    name = place.show(state)
    left = place.wait(place.flow(state, wait * FRACTIONS[3]))
    what = f"the time to spike, part of the way from {name}"
    first.compare(what, [left], [wait * (1 - FRACTIONS[3])], scale=wait)
    speed = place.run("crossing", *place.flow(state, wait))[0]
    crossed.demand(speed < 0, f"the surface to fall at the spike from {name}", format_number(speed))
    for late in (wait * (1 + NEAR), wait * (1 + FRACTIONS[4]), 3 * wait, 30 * wait):
        what = f"a spike predicted within {format_number(late)} from {name}"
        predicted.demand(place.will_spike(state, late), what, "none")


def check_initial(places: Sequence[Place]) -> Iterator[Check]:
    """The initial coordinate is read back, its bounds are ordered, its default lies inside."""
    tally = Tally("initial bounds", "correct bounds, default, state or value of the coordinate")
    for place in places:
        resolve(partial(compare_initial, tally, place), tally)
    yield from tally.report()


def compare_initial(tally: Tally, place: Place) -> None:
    """Look at the initial coordinate at one place."""
    lower, upper, default = place.initial_bounds
    got = f"{format_number(lower)}, {format_number(default)}, {format_number(upper)}"
    ordered = lower <= default <= upper and lower < upper
    tally.demand(ordered, f"lower <= default <= upper at {place.name}", got)
    for value in place.initial_values:
        state = place.run("initial_state", value)
        what = f"the coordinate of the state with {format_number(value)} at {place.name}"
        tally.compare(what, place.run("initial_value", *state), [value], scale=1)
        height = place.surface(state)
        what = f"the surface at {format_number(value)}, {place.name} > 0"
        may_be_above = place.derivation.model.is_crossing
        tally.demand(height > 0 or may_be_above, what, format_number(height))


def check_pseudospike(places: Sequence[Place]) -> Iterator[Check]:
    """Delay, period and rate are in range, and continuous where a spike meets the trial's end."""
    tally = Tally("pseudospike values", "correct the pseudodynamics")
    places = [p for p in places if p.derivation.pseudospike is not None]
    for place in places:
        for state in place.states:
            resolve(partial(compare_pseudospike, tally, place, state), tally)
    yield from tally.report()


def compare_pseudospike(tally: Tally, place: Place, state: Vector) -> None:
    """Look at the pseudospikes from one state, with every input, and just before its spike."""
    tiny = mpf(10) ** stretch(TINY)
    for current in CURRENTS:
        name = f"from {place.show(state)} with the input {format_number(current)}"
        delay, period, rate = place.run("pseudospike", *state, current)
        got = show([delay, period, rate])
        in_range = 0 < delay <= period * (1 + tiny) and -tiny <= rate <= 1 + tiny
        tally.demand(in_range, f"0 < delay <= period and 0 <= rate <= 1 {name}", got)
    wait = place.wait(state)
    if wait < LONGEST:
        near = place.flow(state, wait * (1 - tiny))
        delay, period, rate = place.run("pseudospike", *near, mpf(0))
        continuous = abs(delay / period) < TINY_ENOUGH and abs(rate - 1) < TINY_ENOUGH
        what = f"delay = 0 and rate = 1 just before the spike from {place.show(state)}"
        tally.demand(continuous, what, show([delay, period, rate]))


def check_seams(ordinary: Sequence[Place], cases: Sequence[Case]) -> Iterator[Check]:
    """State and time to spike, with their derivatives by the state, agree across branches."""
    tally = Tally("branch seams", "make the branches agree where they meet")
    here = ordinary[0]
    with mpmath.workdps(stretch(DIFFERENCE_DIGITS)):
        for number in range(len(find_conditions(here.derivation))):
            ways = [(case, approach_seam(here, case, number)) for case in cases]
            for (case, way), (other, on_seam) in itertools.product(ways, repeat=2):
                if case != other and len(on_seam) == 1 and are_near(way, on_seam):
                    for state in map(here.to_state, here.states[:4]):
                        resolve(partial(compare_seam, tally, way, on_seam, state), tally)
    for place in ordinary:
        resolve(partial(compare_spike_seams, tally, place), tally)
    yield from tally.report()


def are_near(way: Sequence[Place], on_seam: Sequence[Place]) -> bool:
    """Whether a way ends at a place on the seam, rather than at another solution of it."""
    return bool(way) and measure_distance(way[-1], on_seam[-1]) < NEAR


def measure_distance(here: Place, there: Place) -> mpf:
    """Largest difference of two places' parameters."""
    pairs = zip(here.parameters.values(), there.parameters.values(), strict=True)
    return max((abs(a - b) for a, b in pairs), default=mpf(0))


def compare_seam(
    tally: Tally, way: Sequence[Place], on_seam: Sequence[Place], state: Vector
) -> None:
    """Compare a way to a seam with the place on the seam, from one state.

    If only one of them spikes, the time to spike on the other must grow beyond all bounds.
    """
    with mpmath.workdps(stretch(DIFFERENCE_DIGITS)):
        waits = [
            [p.wait(p.run("enter_chart", *state)) for p in places] for places in (way, on_seam)
        ]
        last = [wait[-1] for wait in waits]
        duration = min(*last, LONG) * FRACTIONS[3]
        all_spike = all(map(mpmath.isfinite, (*waits[0], *waits[1])))
        first, near, on = (
            list(look_at_seam(place, state, duration, all_spike))
            for place in (way[0], way[-1], on_seam[-1])
        )
        # They are apart by as much as their parameters: they need not agree better. How much that
        # is shows where they are further apart; a jump would be the same at any distance.
        apart, start = (measure_distance(place, on_seam[-1]) for place in (way[-1], way[0]))
        shrinks = mpmath.sqrt(apart / start) if start else mpf(0)
        seen = max((abs(a - b) for a, b in zip(first, on, strict=True)), default=mpf(0))
        tolerance = max(TINY_ENOUGH, apart * FAR_ENOUGH, min(seen, mpf(1)) * shrinks)
        what = f"state, time to spike and derivatives from {show(state)} at {way[-1].name}"
        tally.compare(what, near, on, scale=1, tolerance=tolerance)
    if not all_spike:
        what = f"the time to spike from {show(state)} to grow beyond all bounds at {way[-1].name}"
        demand_growth(tally, what, waits)


def demand_growth(tally: Tally, what: str, waits: Sequence[Vector]) -> None:
    """Demand that each finite sequence of times grows."""
    for times in waits:
        if all(map(mpmath.isfinite, times)) and len(times) > 1:
            tally.demand(all(a < b for a, b in itertools.pairwise(times)), what, show(times))


def approach_seam(place: Place, case: Case, number: int) -> list[Place]:
    """Places of ``case`` ever nearer to where condition ``number`` changes; one if it is there."""
    sign = f"{ROOT}{number}"
    distances = SEAM if any(symbol.name == sign for symbol in case.free) else SEAM[-1:]
    is_admissible = compile_domains(place.derivation)
    places = []
    for distance in distances:
        free = {
            symbol: distance if symbol.name == sign else place.parameters.get(symbol, mpf(1))
            for symbol in case.free
        }
        parameters = place_parameters(case, free)
        if parameters is not None and is_admissible(parameters):
            places.append(Place(place.kernels, parameters, place.draw))
    return places


def look_at_seam(place: Place, state: Vector, duration: mpf, spikes: bool) -> Iterator[mpf]:
    """Values that must not jump: the state after ``duration``, time to spike, derivatives."""

    def follow(*at: mpf) -> Vector:
        return place.to_state(place.flow(place.run("enter_chart", *at), duration))

    def wait(*at: mpf) -> mpf:
        return place.wait(place.run("enter_chart", *at))

    functions = [lambda *at, i=i: follow(*at)[i] for i in range(len(state))]
    for function in [*functions, *([wait] if spikes else [])]:
        yield function(*state)
        yield from (differentiate_numerically(function, state, i) for i in range(len(state)))


def compare_spike_seams(tally: Tally, place: Place) -> None:
    """Across a seam between states, the time to spike agrees, or grows beyond all bounds."""

    def choose(state: Vector) -> int:
        return place.kernels.choose_spike_branch(*state, *place.constants)

    start = place.states[0]
    for end in place.states[1:]:
        if choose(start) == choose(end):
            continue
        inside, outside = bisect(choose, start, end)
        ways = [[move(inside, start, d) for d in SHORT], [move(outside, end, d) for d in SHORT]]
        waits = [[place.wait(state) for state in way] for way in ways]
        name = f"between {place.show(start)} and {show(end)}"
        if all(map(grows, waits)):
            continue  # beyond all bounds on both sides, each at its own pace
        if all(map(mpmath.isfinite, (*waits[0], *waits[1]))):
            # They differ by as much as the states do; a jump would be the same at any distance.
            seen = abs(waits[0][0] - waits[1][0]) / max(waits[0][0], waits[1][0])
            tolerance = max(TOLERANCE, min(seen, mpf(1)) * LEAST_SHRINKING)
            what = f"the time to spike at the seam {name}"
            tally.compare(what, waits[0][-1:], waits[1][-1:], tolerance=tolerance)
        else:
            what = f"the time to spike to grow beyond all bounds at the seam {name}"
            demand_growth(tally, what, waits)


def grows(times: Vector) -> bool:
    """Whether times grow beyond all bounds on the way to a seam, as its logarithm or faster."""
    if not all(map(mpmath.isfinite, times)):
        return False
    changes = [b - a for a, b in itertools.pairwise(times)]
    return changes[0] > 0 and all(b > a / 2 for a, b in itertools.pairwise(changes))


def bisect(
    choose: Callable[[Vector], int], start: Vector, end: Vector
) -> tuple[Vector, Vector]:  # fmt: skip
    """Narrow down where the branch changes between two states."""
    here, there = start, end
    while max(abs(a - b) for a, b in zip(here, there, strict=True)) > mpf(10) ** stretch(TINY):
        middle = move(here, there, mpf(1) / 2)
        if choose(middle) == choose(start):
            here = middle
        else:
            there = middle
    return here, there


def move(start: Vector, end: Vector, part: mpf) -> Vector:
    """A state on the way from one to another."""
    return [a + (b - a) * part for a, b in zip(start, end, strict=True)]
