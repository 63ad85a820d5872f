"""Trials of one neuron in 50-digit arithmetic, from the model's own equations.

Knows no closed form and no generated code: what is shown here does not depend on the rest.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from functools import lru_cache

import mpmath
import sympy as sp
from mpmath import mpf

from spiketheory.language.model import NeuronModel, SpikeCondition
from spiketheory.language.symbols import WEIGHT
from spiketheory.reference.integrate import Reference, Vector, bind

MOST_SPIKES = 400
DIGITS = 50

Inputs = Sequence[tuple[mpf, mpf]]


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
        with mpmath.workdps(self.digits):
            spikes: list[mpf] = []
            state, now = [mpf(v) for v in initial], mpf(0)
            for time, weight in [*inputs, (mpf(duration), None)]:
                while now < time:
                    near, wait = self.reference.arrive(self.measure(state), time - now)
                    if wait is None or now + wait >= time:
                        state = self.pass_time(state, time - now)
                        break
                    now += wait
                    spikes.append(now)
                    state = self.fire(near)
                    if len(spikes) >= most:
                        return spikes, state
                now = mpf(time)
                if weight is None:
                    break
                state = self.jump_to([*state, mpf(weight)])
                while self.is_beyond(state):
                    spikes.append(now)
                    state = self.reset_to(state)
                    if len(spikes) >= most:
                        return spikes, state
            return spikes, state

    def fire(self, near: Vector) -> Vector:
        """The state after the spike that the integrator arrived at."""
        if self.model.spike.is_blowup:
            near = [mpf(0) if i == self.index else v for i, v in enumerate(near)]
            return self.reset_to(near)
        if self.is_shifted:
            near = [mpf(0) if i == self.index else v for i, v in enumerate(near)]
        return self.reset_to(self.restore(near))

    def pass_time(self, state: Vector, duration: mpf) -> Vector:
        """The state after a duration without a spike."""
        end, _ = self.reference.follow(self.measure(state), duration)
        return self.restore(end)


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
