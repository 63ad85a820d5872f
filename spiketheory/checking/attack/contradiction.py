"""What an attack finds: a trial that a certificate excludes."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from spiketheory.checking.attack.swarm import Trials

FIELDS = ("parameters", "initial", "times", "weights")


@dataclass(frozen=True, kw_only=True)
class PlainTrial:
    """One trial as plain numbers.

    Attributes:
        parameters: In the model's order.
        initial: In the model's order.
        times: Of the inputs.
        weights: Of the inputs.
        duration: Its end.
    """

    parameters: tuple[float, ...]
    initial: tuple[float, ...]
    times: tuple[float, ...]
    weights: tuple[float, ...]
    duration: float

    def to_lanes(self) -> Trials:
        """The same as one lane of a swarm."""
        return Trials(
            parameters=np.array(self.parameters, float)[:, None],
            initial=np.array(self.initial, float)[:, None],
            times=np.array(self.times, float)[:, None],
            weights=np.array(self.weights, float)[:, None],
            duration=np.array([self.duration]),
        )

    def move(self, place: tuple[str, int], value: float) -> "PlainTrial":
        """The same trial with one number replaced."""
        values: dict[str, Any] = self.numbers()
        values[place[0]][place[1]] = value
        changed: dict[str, Any] = {place[0]: tuple(values[place[0]])}
        return replace(self, **changed)

    def numbers(self) -> dict[str, list[Any]]:
        """Lists of its numbers by field, to be changed."""
        return {name: list(getattr(self, name)) for name in FIELDS}


def list_lanes(chosen: np.ndarray) -> list[int]:
    """Numbers of the lanes for which something holds."""
    return [int(j) for j in np.flatnonzero(chosen)]


def take_trial(trials: Trials, lane: int) -> PlainTrial:
    """One lane of a swarm; inputs that never come are left out."""
    comes = np.isfinite(trials.times[:, lane])
    return PlainTrial(
        parameters=tuple(map(float, trials.parameters[:, lane])),
        initial=tuple(map(float, trials.initial[:, lane])),
        times=tuple(map(float, trials.times[comes, lane])),
        weights=tuple(map(float, trials.weights[comes, lane])),
        duration=float(trials.duration[lane]),
    )


@dataclass(frozen=True, kw_only=True)
class Contradiction:
    """A trial that cannot be, by a certificate.

    Attributes:
        kind: ``jump``, ``pile-up``, ``runaway``, ``kink`` or ``witness``.
        text: What happens, in one sentence.
        claim: What of the certificate it contradicts.
        trial: The trial.
        place: Field and index of the number that is moved; None if none is.
        values: Its two values, in decimal digits.
        spikes: Spike times at either.
        proof: How it was confirmed.
        facts: More numbers by name.
    """

    kind: str
    text: str
    claim: str
    trial: PlainTrial
    place: tuple[str, int] | None = None
    values: tuple[str, str] = ("", "")
    spikes: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())
    proof: str = "in double precision"
    facts: Mapping[str, Any] = field(default_factory=dict)
