"""Check the refractory period: the held flow, and what joins it with the free one, in 50 digits.

What is run is the whole text that is printed for mpmath. Where the free flow is integrated there
is none (`spiketheory.verification.taylor`).
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import mpmath
from mpmath import mpf

from spiketheory.generation.generate import print_source
from spiketheory.generation.kernel_ir import KernelIR
from spiketheory.symbolic.derivation import Check
from spiketheory.verification.gradients import Observer, differentiate_all, spiking_states
from spiketheory.verification.places import (
    DIFFERENCE_DIGITS,
    Place,
    Vector,
    differentiate_numerically,
    read_functions,
    stretch,
)
from spiketheory.verification.tally import Tally, resolve

PARTS = (mpf("0.4"), mpf("0.9"))
"""How much of the period is left at the start."""
SOON, LATER = mpf("0.3"), mpf("0.7")
WEIGHT = mpf("0.3")
TIME_BAR = mpf("0.37")
MOST_STATES = 2


def check_refractory(ir: KernelIR, places: Sequence[Place]) -> Iterator[Check]:
    """Run the checks; nothing if there is no refractory period.

    Args:
        ir: The kernel functions.
        places: Where to look; only the first two are used.
    """
    if ir.derivation.refractory is None:
        return
    flow = Tally("held flow", "correct the flow of the refractory period", "states")
    for place in places[:2]:
        for state in place.states[:MOST_STATES]:
            resolve(partial(compare_held_flow, flow, place, state), flow)
    yield from flow.report()
    whole = Tally("gradient through a refractory period", "correct what joins the flows",
                  "gradients")  # fmt: skip
    module = read_functions(print_source(ir, "mpmath"))
    for place in places[:2]:
        neuron = WholeNeuron(module, place)
        for state in spiking_states(place)[:MOST_STATES]:
            for part in (mpf(0), *PARTS):
                resolve(partial(neuron.compare_spike, whole, state, part), whole)
                resolve(partial(neuron.compare_input, whole, state, part), whole)
    yield from whole.report()


def after_reset(place: Place, state: Vector) -> Vector:
    """A state as a reset leaves it."""
    return place.run("reset", *state)


def compare_held_flow(tally: Tally, place: Place, state: Vector) -> None:
    """It begins where it should, and moves as its field says."""
    start = after_reset(place, state)
    what = f"from {place.show(start)}"
    tally.compare(f"the state after no time {what}", place.run("held_flow", *start, mpf(0)), start)
    for duration in (SOON, LATER):
        reached = place.run("held_flow", *start, duration)
        want = place.run("held_velocity", *reached)
        got = [
            differentiate_numerically(
                lambda t, i=i: place.run("held_flow", *start, t)[i], [duration], 0
            )
            for i in range(len(start))
        ]
        tally.compare(f"the velocity after {duration} {what}", got, want, scale=1)


class WholeNeuron:
    """The functions of the whole neuron at one place, on coordinates that end with the time left.

    Args:
        module: The names of the module in digits.
        place: The place.
    """

    def __init__(self, module: dict[str, Any], place: Place) -> None:
        self.module, self.place = module, place
        self.observer = Observer(place)

    @property
    def constants(self) -> Vector:
        """The derived constants, in the working precision."""
        return list(self.place.constants)

    @property
    def period(self) -> mpf:
        """How long the refractory period lasts."""
        return self.run("refractory_time")[0]

    def run(
        self, name: str, *before: mpf, after: Sequence[mpf] = (),
        constants: Sequence[mpf] | None = None,
    ) -> Vector:  # fmt: skip
        """Call a function, with the constants between its arguments."""
        between = self.constants if constants is None else constants
        found = self.module[name](*before, *between, *after)
        return list(found) if isinstance(found, tuple) else [found]

    def flow(self, state: Sequence[mpf], dt: mpf, constants: Sequence[mpf]) -> Vector:
        """The state after a time."""
        return self.run("flow", *state, dt, constants=constants)

    def look(self, end: Sequence[mpf]) -> tuple[mpf, Vector]:
        """A smooth function of the coordinates, and its gradient; the time left counts by 1/2."""
        *state, left = end
        return self.observer.value(state) + left / 2, [*self.observer.gradient(state), mpf(1) / 2]

    def compare(
        self, tally: Tally, what: str, function: Callable[..., mpf], arguments: Sequence[mpf],
        got: Sequence[mpf],
    ) -> None:  # fmt: skip
        """Compare derivatives with differences, each with itself and all with the largest."""
        want = differentiate_all(function, arguments)
        # A coordinate that is 0 since the period is over does not come from a period.
        tally.compare(what, got, want, scale=1)

    def compare_spike(self, tally: Tally, start: Vector, part: mpf) -> None:
        """From a held or free state through a spike to a state within the period and beyond."""
        state = [*(after_reset(self.place, start) if part else start), part * self.period]
        moved = self.list_moved(part)
        n = len(moved)
        wait = self.run("time_to_spike", *state)[0]
        if not mpmath.isfinite(wait):
            return
        for rest in (SOON * self.period, (1 + SOON) * self.period):
            with mpmath.workdps(stretch(DIFFERENCE_DIGITS)):
                total = self.run("time_to_spike", *state)[0] + rest

            def follow(*at: mpf, total: mpf = total) -> mpf:
                here = put(state, moved, at[:n])
                constants = self.vary(at[n:])
                first = self.run("time_to_spike", *here, constants=constants)[0]
                step = self.run("propagator", first, constants=constants)
                fired = self.run("fire", *here, *step, constants=constants)
                end = self.flow(fired, total - first, constants)
                return self.look(end)[0] + TIME_BAR * first

            fired = self.run("fire", *state, wait)
            covector = self.look(self.flow(fired, rest, self.constants))[1]
            back = self.run("flow_vjp", *fired, rest, after=covector)
            got = pick(self.run("fire_vjp", *state, wait, after=[*back, TIME_BAR]), moved)
            if self.parameters:
                got += self.by_parameters(
                    self.run("flow_constants_vjp", *fired, rest, after=covector),
                    self.run("fire_constants_vjp", *state, wait, after=[*back, TIME_BAR]),
                )
            arguments = [*pick(state, moved), *self.parameters]
            what = f"the gradient through a spike from {self.place.show(state)}"
            self.compare(tally, what, follow, arguments, got)

    def compare_input(self, tally: Tally, start: Vector, part: mpf) -> None:
        """An input in the period, and one after it, and the flow on to where the period is over."""
        state = [*(after_reset(self.place, start) if part else start), part * self.period]
        moved = self.list_moved(part)
        n = len(moved)
        wait = self.run("time_to_spike", *state)[0]
        left = state[-1]
        for before in (SOON * left, left + SOON * min(wait - left, self.period)):
            after = (left - before if before < left else mpf(0)) + SOON * self.period
            total = before + after
            if not 0 < before < wait:
                continue
            arrived = self.flow(state, before, self.constants)
            jumped = self.run("jump", *arrived, WEIGHT)
            if not self.run("time_to_spike", *jumped)[0] > after:
                continue

            def follow(*at: mpf, total: mpf = total) -> mpf:
                *inner, weight, time = at[: n + 2]
                constants = self.vary(at[n + 2 :])
                reached = self.flow(put(state, moved, inner), time, constants)
                jumped = self.run("jump", *reached, weight, constants=constants)
                return self.look(self.flow(jumped, total - time, constants))[0]

            covector = self.look(self.flow(jumped, after, self.constants))[1]
            back = self.run("flow_vjp", *jumped, after, after=covector)
            *by_state, by_weight, by_time = self.run("jump_vjp", *arrived, WEIGHT, after=back)
            by_start = self.run("flow_vjp", *state, before, after=by_state)
            got = [*pick(by_start, moved), by_weight, by_time]
            if self.parameters:
                got += self.by_parameters(
                    self.run("flow_constants_vjp", *jumped, after, after=covector),
                    self.run("jump_constants_vjp", *arrived, WEIGHT, after=back),
                    self.run("flow_constants_vjp", *state, before, after=by_state),
                )
            arguments = [*pick(state, moved), WEIGHT, before, *self.parameters]
            what = f"the gradient through an input from {self.place.show(state)}"
            self.compare(tally, what, follow, arguments, got)

    def list_moved(self, part: mpf) -> list[int]:
        """Places of the coordinates by which to differentiate.

        Without a period the time left is 0, and nothing depends on it. After a reset to infinity
        there is no state on the other side of the spike.
        """
        chart = self.place.derivation.chart
        if not part:
            return list(range(len(chart.coordinates)))
        kept = [i for i, c in enumerate(chart.coordinates) if c not in chart.projective]
        return [*kept, len(chart.coordinates)]

    @property
    def parameters(self) -> Vector:
        """Values of the parameters; none if nothing has derivatives by them."""
        return list(self.place.parameters.values()) if "constants_vjp" in self.module else []

    def vary(self, values: Sequence[mpf]) -> Vector:
        """The constants at other parameters."""
        return self.run("constants", *values, constants=()) if values else self.constants

    def by_parameters(self, *parts: Vector) -> Vector:
        """Derivatives by the parameters, from those by the constants that vary, added up."""
        total = [sum(values) for values in zip(*parts, strict=True)]
        return self.run("constants_vjp", *self.parameters, *total, constants=())


def pick(vector: Sequence[mpf], places: Sequence[int]) -> Vector:
    """Some of the numbers."""
    return [vector[i] for i in places]


def put(vector: Sequence[mpf], places: Sequence[int], values: Sequence[mpf]) -> Vector:
    """A copy with other numbers at some places."""
    copy = list(vector)
    for i, value in zip(places, values, strict=True):
        copy[i] = value
    return copy
