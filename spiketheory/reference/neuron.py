"""Trials of one neuron in 50-digit arithmetic, from the model's own equations.

Knows no closed form and no generated code: what is shown here does not depend on the rest.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import mpmath
import sympy as sp
from mpmath import mpf

from spiketheory.language.model import NeuronModel, SpikeCondition
from spiketheory.language.symbols import WEIGHT
from spiketheory.reference.integrate import Reference, Vector, bind

MOST_SPIKES = 400
DIGITS = 50

Inputs = Sequence[tuple[mpf, mpf]]

START, BEFORE, INPUT = "start", "before an input", "input"
ARRIVED, SPIKE, MARK = "before a spike", "spike", "mark"


class Visit(NamedTuple):
    """A state that a trial goes through.

    Attributes:
        time: When.
        what: The start; before or after an input or a spike; or a mark, the end among them.
        state: The state then, in the model's order.
    """

    time: mpf
    what: str
    state: tuple[mpf, ...]


class Neuron:
    """One neuron at one set of parameters.

    Args:
        model: The model.
        parameters: A value for every parameter, by name.
        digits: To how many digits it is integrated.
    """

    def __init__(
        self, model: NeuronModel, parameters: Mapping[str, mpf], *, digits: int = DIGITS
    ) -> None:
        self.model, self.digits = model, digits
        values = {p.symbol: mpf(parameters[p.name]) for p in model.parameters}
        self.index = model.state.index(model.spike.variable)
        self.is_shifted = has_moving_threshold(model)
        measured = shift_to_threshold(model) if self.is_shifted else model
        self.reference = Reference(measured, values, digits=digits)
        state = model.state
        self.reset_to = bind(state, values, list(model.reset))
        self.jump_to = bind((*state, WEIGHT), values, list(model.jump))
        self.rest = bind((), values, list(model.rest))([])
        self.held = Held(model, values, digits) if model.refractory is not None else None
        theta = sp.Integer(0) if model.spike.is_blowup else model.spike.value
        self.threshold = bind(state, values, [theta])

    def measure(self, state: Vector) -> Vector:
        """The state as the integrator counts it: V from the threshold if that moves."""
        if not self.is_shifted:
            return list(state)
        height = state[self.index] - self.threshold(state)[0]
        return [height if i == self.index else v for i, v in enumerate(state)]

    def restore(self, state: Vector) -> Vector:
        """Undo `measure`."""
        if not self.is_shifted:
            return list(state)
        place = [mpf(0) if i == self.index else v for i, v in enumerate(state)]
        V = state[self.index] + self.threshold(place)[0]
        return [V if i == self.index else v for i, v in enumerate(state)]

    def is_beyond(self, state: Vector) -> bool:
        """Whether a state is on the threshold or beyond it."""
        if self.model.spike.is_blowup:
            return False
        return bool(state[self.index] >= self.threshold(state)[0])

    def run(
        self, initial: Vector, inputs: Inputs, duration: mpf, *, most: int = MOST_SPIKES
    ) -> tuple[list[mpf], Vector]:
        """Simulate a trial.

        Args:
            initial: The state at time 0.
            inputs: Time and weight of each input, in the order of time.
            duration: The trial's end T.
            most: More spikes than this end the trial.

        Returns:
            Spike times and the state at T, or at the last spike if there were too many.
        """
        visits = self.visit(initial, inputs, duration, most=most)
        return [v.time for v in visits if v.what == SPIKE], list(visits[-1].state)

    def visit(
        self, initial: Vector, inputs: Inputs, duration: mpf, *, most: int = MOST_SPIKES,
        marks: Sequence[mpf] = (),
    ) -> list[Visit]:  # fmt: skip
        """Simulate a trial and note the states that it goes through.

        Args:
            initial: The state at time 0.
            inputs: Time and weight of each input, in the order of time.
            duration: The trial's end T.
            most: More spikes than this end the trial.
            marks: Further times at which the state is noted.

        Returns:
            The start, the states before and after every event, those at the marks, and the end.
        """
        with mpmath.workdps(self.digits):
            state = [mpf(v) for v in initial]
            visits = [Visit(mpf(0), START, tuple(state))]
            stops: list[tuple[mpf, mpf | None]] = [(mpf(t), mpf(w)) for t, w in inputs]
            stops += [(mpf(m), None) for m in marks if 0 < m < duration]
            stops.sort(key=lambda stop: stop[0])
            now, left, self.until = mpf(0), most, mpf(0)
            for time, weight in [*stops, (mpf(duration), None)]:
                state, now, left = self.pass_to(state, now, time, visits, left)
                if not left:
                    return visits
                visits.append(Visit(now, MARK if weight is None else BEFORE, tuple(state)))
                if weight is None:
                    continue
                is_above = self.model.is_crossing and self.is_beyond(state)
                state = self.take_input(state, weight, now)
                visits.append(Visit(now, INPUT, tuple(state)))
                is_held = self.held is not None and now < self.until
                while self.is_beyond(state) and not is_above and not is_held:
                    is_held = self.held is not None
                    is_above = self.model.is_crossing
                    state, left = self.reset_at(state, now), left - 1
                    visits.append(Visit(now, SPIKE, tuple(state)))
                    if not left:
                        return visits
            return visits

    def take_input(self, state: Vector, weight: mpf, now: mpf) -> Vector:
        """The state after an input; in a refractory period it does not move what is held."""
        after = self.jump_to([*state, weight])
        return self.held.keep(state, after) if self.held and now < self.until else after

    def reset_at(self, state: Vector, now: mpf) -> Vector:
        """The state after a spike, from where a refractory period begins if there is one."""
        if self.held:
            self.until = now + self.held.time
        return self.reset_to(state)

    def pass_to(
        self, state: Vector, now: mpf, time: mpf, visits: list[Visit], left: int
    ) -> tuple[Vector, mpf, int]:
        """Go on to a time, through spikes, ``left`` of them at most; returns what is left."""
        while now < time:
            if self.held and now < self.until:
                end = min(self.until, time)
                state, now = self.held.follow(state, end - now), end
                if now >= self.until and self.is_beyond(state):
                    state, left = self.reset_at(state, now), left - 1
                    visits.append(Visit(now, SPIKE, tuple(state)))
                    if not left:
                        return state, now, left
                continue
            near, wait = self.reference.arrive(self.measure(state), time - now)
            if wait is None:
                return self.restore(near), mpf(time), left
            if now + wait >= time:
                return self.pass_time(state, time - now), mpf(time), left
            now, left = now + wait, left - 1
            near = self.settle(near)
            visits.append(Visit(now, ARRIVED, tuple(near)))
            state = self.reset_at(near, now)
            visits.append(Visit(now, SPIKE, tuple(state)))
            if not left:
                return state, now, left
        return state, mpf(time), left

    def arrive(self, state: Vector, longest: mpf) -> tuple[Vector, mpf | None]:
        """The state at the next spike and its time; None if none comes within ``longest``."""
        near, wait = self.reference.arrive(self.measure(state), longest)
        return self.restore(near), wait

    def settle(self, near: Vector) -> Vector:
        """The state on the spike surface that the integrator arrived at; V may be infinite."""
        if self.model.spike.is_blowup:
            return [mpmath.inf if i == self.index else v for i, v in enumerate(near)]
        if self.is_shifted or self.model.is_crossing:
            target = mpf(0) if self.is_shifted else self.reference.target
            near = [target if i == self.index else v for i, v in enumerate(near)]
        return self.restore(near)

    def pass_time(self, state: Vector, duration: mpf) -> Vector:
        """The state after a duration without a spike."""
        end, _ = self.reference.follow(self.measure(state), duration)
        return self.restore(end)


class Held:
    """The refractory period of one neuron.

    Args:
        model: The model, which has one.
        parameters: A value for every parameter, by symbol.
        digits: To how many digits it is integrated.
    """

    def __init__(
        self, model: NeuronModel, parameters: Mapping[sp.Symbol, mpf], digits: int
    ) -> None:
        refractory = model.refractory
        assert refractory is not None
        self.is_held = [s in refractory.hold for s in model.state]
        self.time = bind((), parameters, [refractory.time])([])[0]
        free = [s for s in model.state if s not in refractory.hold]
        self.reference = None
        if free:
            still = dataclasses.replace(
                model,
                derivatives=tuple(
                    sp.S.Zero if s in refractory.hold else d
                    for s, d in zip(model.state, model.derivatives, strict=True)
                ),
                # Nothing spikes; the integrator wants a threshold all the same.
                spike=SpikeCondition(variable=free[0], value=sp.Integer(10) ** 40),
                reset=tuple(sp.S.Zero if s == free[0] else s for s in model.state),
                refractory=None,
            )
            self.reference = Reference(still, parameters, digits=digits)

    def keep(self, before: Vector, after: Vector) -> Vector:
        """What is held before an input, and the rest after it."""
        return [b if h else a for h, b, a in zip(self.is_held, before, after, strict=True)]

    def follow(self, state: Vector, duration: mpf) -> Vector:
        """The state after a time within the period."""
        if self.reference is None:
            return state
        # What is infinite is held, and nothing depends on it.
        finite = [mpf(0) if mpmath.isinf(v) else v for v in state]
        return self.keep(state, self.reference.follow(finite, duration)[0])


def has_moving_threshold(model: NeuronModel) -> bool:
    """Whether the spike is at a finite threshold that depends on the state."""
    threshold = model.spike.value
    return not model.spike.is_blowup and bool(threshold.free_symbols & set(model.state))


@lru_cache(maxsize=64)
def shift_to_threshold(model: NeuronModel) -> NeuronModel:
    """The model with V measured from its threshold, which depends on the state."""
    V, theta = model.spike.variable, model.spike.value
    away = {V: V + theta}
    derivatives = {s: f.subs(away) for s, f in zip(model.state, model.derivatives, strict=True)}
    derivatives[V] -= sum((theta.diff(s) * f for s, f in derivatives.items() if s != V), sp.S.Zero)
    return dataclasses.replace(
        model,
        derivatives=tuple(derivatives[s] for s in model.state),
        spike=SpikeCondition(variable=V, value=sp.S.Zero),
    )
