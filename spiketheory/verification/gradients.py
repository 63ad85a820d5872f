"""The vector-Jacobian products of a derivation against central differences of composed maps.

Coordinates of a projective chart are defined up to a positive multiple, so what is differentiated
is a function of them that does not depend on it.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import mpmath
from mpmath import mpf

from spiketheory.symbolic.derivation import Check
from spiketheory.verification.places import (
    DIFFERENCE_DIGITS,
    Place,
    Vector,
    differentiate_numerically,
    stretch,
)
from spiketheory.verification.tally import Tally, format_number, resolve, show

WEIGHTS = (mpf("0.7"), mpf("-1.3"), mpf(10) ** 4, -(mpf(10) ** 4))
DURATIONS = tuple(mpf(k) for k in ("0.6", "1e-12", "2.5", "1e3"))
CURRENTS = (mpf(0), mpf("0.8"), mpf("-1.7"), mpf(10) ** 4)
AFTER = mpf("0.9")
EARLY = mpf("0.3")
MOST_STATES = 3
LONGEST_DELAY = mpf(10) ** 9
"""Beyond, a pseudospike's gradient may have faded below any number of digits."""
TIME_BAR = mpf("0.37")
DELAY_BAR = (mpf(1), mpf(0), mpf(0))
BARS = (mpf("0.8"), mpf("-0.3"), mpf("1.7"))


class Observer:
    """A smooth function of the chart's coordinates, and its gradient.

    A ratio of two linear functions of the projective coordinates, plus a linear and a quadratic
    one of the others.
    """

    def __init__(self, place: Place) -> None:
        chart = place.derivation.chart
        self.shared = [c in chart.projective for c in chart.coordinates]
        count = len(chart.coordinates)
        first, second = (
            [mpf(place.draw.uniform(0.5, 1.5)) for _ in range(count)] for _ in range(2)
        )
        # Alternating signs: neither vector is a multiple of the other.
        first = [-v if i % 2 else v for i, v in enumerate(first)]
        self.ratio = [[v if s else mpf(0) for v, s in zip(row, self.shared, strict=True)]
                      for row in (first, second)]  # fmt: skip
        self.plain = [[mpf(0) if s else v for v, s in zip(row, self.shared, strict=True)]
                      for row in (first, second)]  # fmt: skip

    def value(self, state: Sequence[mpf]) -> mpf:
        """The function."""
        above, below = (dot(row, state) for row in self.ratio)
        linear, root = (dot(row, state) for row in self.plain)
        return (above / below if any(self.shared) else 0) + linear + root**2 / 2

    def gradient(self, state: Sequence[mpf]) -> Vector:
        """Its derivatives by the coordinates."""
        above, below = (dot(row, state) for row in self.ratio)
        root = dot(self.plain[1], state)
        return [
            (p * below - r * above) / below**2 if shared else q + s * root
            for shared, p, r, q, s in zip(self.shared, *self.ratio, *self.plain, strict=True)
        ]


def dot(left: Sequence[mpf], right: Sequence[mpf]) -> mpf:
    """The scalar product."""
    return sum((a * b for a, b in zip(left, right, strict=True)), mpf(0))


def largest(vector: Sequence[mpf]) -> mpf:
    """The largest absolute value."""
    return max(map(abs, vector))


def check_wait_gradient(places: Sequence[Place]) -> Iterator[Check]:
    """The gradient of the time to spike against differences of the closed form."""
    tally = Tally("gradient of the spike time", "correct time_to_spike_gradient", "gradients")
    for place in places:
        for state in spiking_states(place):
            resolve(partial(compare_wait, tally, place, state), tally)
    yield from tally.report()


def compare_wait(tally: Tally, place: Place, state: Vector) -> None:
    """Compare the gradient of the time to spike from one state."""
    wait = place.wait(state)
    if not mpmath.isfinite(wait):  # in fewer digits there was a spike
        return
    zero = [mpf(0)] * len(state)
    got = place.run("fire_vjp", *state, *place.run("propagator", wait), after=[*zero, mpf(1)])
    want = differentiate_all(lambda *s: place.wait(list(s)), state)
    tally.compare(f"the gradient from {place.show(state)}", got, want)


def spiking_states(place: Place) -> list[Vector]:
    """States inside the surface from which a spike comes."""
    waits = [(state, place.wait(state)) for state in place.states]
    return [s for s, wait in waits if wait > 0 and mpmath.isfinite(wait) and place.surface(s) > 0]


def differentiate_all(function: Callable[..., mpf], arguments: Sequence[mpf]) -> Vector:
    """Central differences by every argument."""
    size, indices = function(*arguments), range(len(arguments))
    return [differentiate_numerically(function, arguments, i, size=size) for i in indices]


def check_trial(places: Sequence[Place]) -> Iterator[Check]:
    """Flow, input and flow: derivatives by state, weight and input time."""
    tally = Tally("gradient of a trial", "correct flow, jump or field", "gradients")
    for place in places:
        observer = Observer(place)
        for number, state in enumerate(place.states):
            for k in (number, number + 3) if place.is_thorough else (number,):
                weight, after = WEIGHTS[k % 4], DURATIONS[k % 4]
                before = DURATIONS[(k + 1 + number // 2) % 4]
                if not place.derivation.chart.projective:
                    before, after = (min(d, place.wait(state) / 3) for d in (before, after))
                start = [*state, weight]
                resolve(partial(compare_trial, tally, place, observer, start, before, after), tally)
    yield from tally.report()


def compare_trial(
    tally: Tally, place: Place, observer: Observer, start: Vector, before: mpf, after: mpf
) -> None:
    """Compare one trial; ``start`` is the state and the weight."""
    total = before + after

    def run(*arguments: mpf) -> mpf:
        *at, w, time = arguments
        return observer.value(place.flow(place.jump(place.flow(at, time), w), total - time))

    *state, weight = start
    arrived = place.flow(state, before)
    jumped = place.jump(arrived, weight)
    end = place.flow(jumped, after)
    covector = place.flow_vjp(jumped, after, observer.gradient(end))
    *covector, by_weight, by_time = place.run("jump_vjp", *arrived, weight, after=covector)
    got = [*place.flow_vjp(state, before, covector), by_weight, by_time]
    want = differentiate_all(run, [*start, before])
    scale = largest(observer.gradient(end)) * largest(end)
    name = (
        f"from {place.show(state)} with w = {format_number(weight)} after {format_number(before)}"
    )
    for what, g, w in zip((*place.coordinate_names, "w", "time"), got, want, strict=True):
        tally.compare(f"the derivative by {what} {name}", [g], [w], scale=scale)


def check_fire(places: Sequence[Place]) -> Iterator[Check]:
    """Flow, spike and flow: derivatives by the state, of a later state and of the spike time."""
    tally = Tally("gradient through a spike", "correct reset, field or gradient", "gradients")
    for place in places:
        observer = Observer(place)
        for state in (*spiking_states(place), *place.beyond):
            resolve(partial(compare_fire, tally, place, observer, state), tally)
    yield from tally.report()


def compare_fire(tally: Tally, place: Place, observer: Observer, state: Vector) -> None:
    """Compare one spike, and the state at a fixed time after it."""
    wait = place.wait(state)
    if not mpmath.isfinite(wait):  # in fewer digits there was a spike
        return
    with mpmath.workdps(stretch(DIFFERENCE_DIGITS)):
        total = place.wait(state) + AFTER

    def run(*at: mpf) -> mpf:
        first = place.wait(list(at))
        end = place.flow(place.fire(list(at), first), total - first)
        return observer.value(end) + TIME_BAR * first

    fired = place.fire(state, wait)
    end = place.flow(fired, AFTER)
    covector = place.flow_vjp(fired, AFTER, observer.gradient(end))
    propagator = place.run("propagator", wait)
    got = place.run("fire_vjp", *state, *propagator, after=[*covector, TIME_BAR])
    tally.compare(f"the gradient from {place.show(state)}", got, differentiate_all(run, state))


def check_start(places: Sequence[Place]) -> Iterator[Check]:
    """Initial coordinate and flow: derivative by the coordinate."""
    tally = Tally("gradient of the initial state", "correct the initial coordinate", "gradients")
    for place in places:
        observer = Observer(place)
        for value in place.initial_values:
            resolve(partial(compare_start, tally, place, observer, value), tally)
    yield from tally.report()


def compare_start(tally: Tally, place: Place, observer: Observer, value: mpf) -> None:
    """Compare the derivative by the initial coordinate at one value of it."""

    def run(moved: mpf) -> mpf:
        return observer.value(place.run("initial_state", moved))

    covector = observer.gradient(place.run("initial_state", value))
    got = place.run("initial_state_vjp", value, after=covector)
    what = f"the derivative by {format_number(value)} at {place.name}"
    tally.compare(what, got, differentiate_all(run, [value]))


def check_pseudospike_gradient(places: Sequence[Place]) -> Iterator[Check]:
    """Delay, period and rate: derivatives by state and pseudo input, which do not vanish."""
    tally = Tally("gradient of a pseudospike", "correct the pseudodynamics", "gradients")
    for place in places:
        if place.derivation.pseudospike is None:
            continue
        inside = [state for state in place.states if place.surface(state) > 0]
        for number, state in enumerate(inside):
            for current in (CURRENTS[number % 4], CURRENTS[(number + 1) % 4]):
                resolve(partial(compare_pseudospike, tally, place, state, current), tally)
    yield from tally.report()


def compare_pseudospike(tally: Tally, place: Place, state: Vector, current: mpf) -> None:
    """Compare the gradient of a pseudospike from one state with one input."""

    def run(*at: mpf) -> mpf:
        return dot(BARS, place.run("pseudospike", *at))

    name = f"from {place.show(state)} with the input {format_number(current)}"
    got = place.run("pseudospike_vjp", *state, current, after=BARS)
    want = differentiate_all(run, [*state, current])
    for g, w in zip(got, want, strict=True):
        tally.compare(f"the gradient {name}", [g], [w])
    slopes = place.run("pseudospike_vjp", *state, current, after=DELAY_BAR)
    if place.run("pseudospike", *state, current)[0] < LONGEST_DELAY:
        steep = largest(slopes[:-1]) > 0 and slopes[-1] != 0
        tally.demand(steep, f"a gradient of the delay {name}", show(slopes))


def check_parameters(places: Sequence[Place]) -> Iterator[Check]:
    """Derivatives by the parameters: of a state after flow, input and spike, and of its time."""
    tally = Tally("gradient by the parameters", "correct constants, propagator or numbers")
    for place in places:
        if "constants_vjp" not in place.kernels.functions:
            continue
        observer = Observer(place)
        for state in spiking_states(place)[:MOST_STATES]:
            resolve(partial(compare_parameters, tally, place, observer, state), tally)
    yield from tally.report()


def compare_parameters(tally: Tally, place: Place, observer: Observer, state: Vector) -> None:
    """Compare one trial: part of the way, an input, then on to the spike."""
    with mpmath.workdps(stretch(DIFFERENCE_DIGITS)):
        before = place.wait(state) * EARLY
    if not mpmath.isfinite(before):  # in fewer digits there was a spike
        return
    start, weight = place.initial_bounds[2], WEIGHTS[0]

    def run(*values: mpf) -> mpf:
        moved = place.at(values)
        arrived = moved.jump(moved.flow(state, before), weight)
        first = moved.wait(arrived)
        end = moved.flow(moved.fire(arrived, first), before + AFTER - first)
        return (observer.value(end) + TIME_BAR * first
                + observer.value(moved.run("initial_state", start)))  # fmt: skip

    flown = place.flow(state, before)
    arrived = place.jump(flown, weight)
    wait = place.wait(arrived)
    if not mpmath.isfinite(wait) or place.surface(arrived) <= 0:
        return
    fired, rest = place.fire(arrived, wait), before + AFTER - wait
    if rest <= 0 or (place.wait(fired) <= rest and not place.derivation.chart.projective):
        return
    covector = observer.gradient(place.flow(fired, rest))
    parts = [place.run("flow_constants_vjp", *fired, rest, after=covector)]
    covector = place.flow_vjp(fired, rest, covector)
    parts.append(place.run("fire_constants_vjp", *arrived, wait, after=[*covector, TIME_BAR]))
    propagator = place.run("propagator", wait)
    covector = place.run("fire_vjp", *arrived, *propagator, after=[*covector, TIME_BAR])
    parts.append(place.run("jump_constants_vjp", *flown, weight, after=covector))
    covector = place.run("jump_vjp", *flown, weight, after=covector)[: len(state)]
    parts.append(place.run("flow_constants_vjp", *state, before, after=covector))
    covector = observer.gradient(place.run("initial_state", start))
    parts.append(place.run("initial_state_constants_vjp", start, after=covector))
    bars = [sum(column, mpf(0)) for column in zip(*parts, strict=True)]
    values = list(place.parameters.values())
    got = place.kernels.functions["constants_vjp"](*values, *bars)
    want = differentiate_all(run, values)
    scale = largest(bars)
    for parameter, g, w in zip(place.parameters, got, want, strict=True):
        what = f"the derivative by {parameter} from {place.show(state)}"
        tally.compare(what, [g], [w], scale=scale)


def check_maps(places: Sequence[Place]) -> Iterator[Check]:
    """Chart, reset and pseudospike: derivatives by what they take and by the parameters."""
    tally = Tally("gradient of the chart and the reset", "correct the chart or the reset")
    for place in places:
        inside = [state for state in place.states if place.surface(state) > 0]
        for number, state in enumerate(inside[:MOST_STATES]):
            at = place.run("leave_chart", *state)
            if not all(map(mpmath.isfinite, at)):
                continue
            arguments = {"leave_chart": state, "enter_chart": at, "reset": state}
            if place.derivation.pseudospike is not None:
                arguments["pseudospike"] = [*state, CURRENTS[number % 4]]
            resolve(partial(compare_maps, tally, place, arguments), tally)
    yield from tally.report()


def compare_maps(tally: Tally, place: Place, arguments: dict[str, Vector]) -> None:
    """Compare the maps at one state, then their sum by the parameters."""
    bars = {
        name: [BARS[k % 3] for k in range(len(place.run(name, *given)))]
        for name, given in arguments.items()
    }
    for name, given in arguments.items():
        if name != "pseudospike":
            got = place.run(f"{name}_vjp", *given, after=bars[name])
            want = differentiate_all(
                lambda *at, name=name: dot(bars[name], place.run(name, *at)), given
            )
            for g, w in zip(got, want, strict=True):
                tally.compare(f"the derivative of {name} at {show(given)}", [g], [w])
    if "constants_vjp" not in place.kernels.functions:
        return

    def run(*values: mpf) -> mpf:
        moved = place.at(values)
        parts = (dot(bars[n], moved.run(n, *given)) for n, given in arguments.items())
        return sum(parts, mpf(0))

    direct = [
        place.run(f"{name}_constants_vjp", *given, after=bars[name])
        for name, given in arguments.items()
    ]
    total = [sum(column, mpf(0)) for column in zip(*direct, strict=True)]
    values = list(place.parameters.values())
    got = place.kernels.functions["constants_vjp"](*values, *total)
    scale = max(mpf(1), largest(total) if total else mpf(1))
    for parameter, g, w in zip(place.parameters, got, differentiate_all(run, values), strict=True):
        what = f"the derivative of {', '.join(arguments)} by {parameter} at {place.name}"
        tally.compare(what, [g], [w], scale=scale)
