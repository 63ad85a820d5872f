"""A trial of one neuron, with one number that can be moved."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from mpmath import mpf

from spiketheory.language.model import NeuronModel

WEIGHT_OF, TIME_OF = "weight", "time"


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A trial of one neuron.

    Attributes:
        parameters: Values by name.
        initial: Initial state by name of the variable.
        weights: Weight of each input, shape (n_inputs,).
        times: Time of each input, shape (n_inputs,).
        duration: The trial's end T.
    """

    parameters: Mapping[str, float]
    initial: Mapping[str, float]
    weights: tuple[float, ...]
    times: tuple[float, ...]
    duration: float

    def moved(self, place: str, number: int, value: float) -> "Trial":
        """The trial with one number changed.

        Args:
            place: ``weight`` or ``time`` of an input, or the name of a state variable, whose
                initial value it is, or of a parameter.
            number: Which input, from 0.
            value: The new value.
        """
        if place in (WEIGHT_OF, TIME_OF):
            values = list(self.weights if place == WEIGHT_OF else self.times)
            values[number] = value
            if place == WEIGHT_OF:
                return replace(self, weights=tuple(values))
            return replace(self, times=tuple(values))
        if place in self.parameters:
            return replace(self, parameters={**self.parameters, place: value})
        return replace(self, initial={**self.initial, place: value})

    def get(self, place: str, number: int) -> float:
        """The number that `moved` changes."""
        if place in (WEIGHT_OF, TIME_OF):
            return (self.weights if place == WEIGHT_OF else self.times)[number]
        return self.parameters[place] if place in self.parameters else self.initial[place]

    def name_place(self, place: str, number: int) -> str:
        """What `moved` changes, in words: ``time of input 2``, ``V0``, ``tau_m``."""
        if place in (WEIGHT_OF, TIME_OF):
            return f"{place} of input {number + 1}"
        return place if place in self.parameters else self.name_initial(place)

    def list_inputs(self) -> list[tuple[mpf, mpf]]:
        """Time and weight of every input in the order of time; equal times keep their order."""
        pairs = zip(map(mpf, self.times), map(mpf, self.weights), strict=True)
        return sorted(pairs, key=lambda pair: pair[0])

    def list_initial(self, model: NeuronModel) -> list[mpf]:
        """The initial state, in the model's order."""
        return [mpf(self.initial[s.name]) for s in model.state]

    def name_initial(self, variable: str) -> str:
        """Key of a variable's initial value: ``I0``; ``initial_I`` if that is a parameter."""
        return f"initial_{variable}" if f"{variable}0" in self.parameters else f"{variable}0"

    def to_arrays(self, model: str) -> dict[str, np.ndarray]:
        """The trial as a trial file holds it (docs/formats.md)."""
        arrays: dict[str, np.ndarray] = {"model": np.array(model), "T": np.array(self.duration)}
        arrays |= {name: np.array(value) for name, value in self.parameters.items()}
        arrays |= {self.name_initial(n): np.array([v]) for n, v in self.initial.items()}
        arrays["weights"] = np.zeros((1, 1))
        arrays["input_weights"] = np.array([self.weights]).reshape(1, -1)
        arrays["input_times"] = np.array(self.times)
        arrays["input_neurons"] = np.arange(len(self.times))
        return arrays
