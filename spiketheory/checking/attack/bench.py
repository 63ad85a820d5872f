"""What the attacks on one model share: its simulators and what is drawn."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import sympy as sp

from spiketheory.checking.attack.contradiction import PlainTrial
from spiketheory.checking.attack.draw import Drawer
from spiketheory.checking.attack.equations import Array, make_equations
from spiketheory.checking.attack.limits import read_limits
from spiketheory.checking.attack.precise import PreciseNeuron
from spiketheory.checking.attack.precise_equations import Lost
from spiketheory.checking.attack.swarm import Runs, Swarm, Trials
from spiketheory.language.model import NeuronModel

ENOUGH = 500
"""Steps after which a trial is given up: all others would wait for it."""
STRICT = 1e-15
"""By how much a state may leave the assumptions in a trial that contradicts a certificate."""


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """Two values of one number of a trial between which something may jump.

    Attributes:
        trial: The trial.
        place: Field and index of the number.
        low: One value.
        high: The other.
        size: What the difference was in floats.
        what: What is done, for people.
    """

    trial: PlainTrial
    place: tuple[str, int]
    low: float
    high: float
    size: float
    what: str


class Bench:
    """The model under attack.

    Args:
        model: The model.
        assumptions: Relations beside the model's own.
        seed: Of everything that is drawn.

    Raises:
        InputError: If it is unknown how V blows up.
    """

    def __init__(
        self, model: NeuronModel, assumptions: Sequence[sp.Basic] = (), *, seed: int = 0
    ) -> None:
        self.model, self.assumptions = model, tuple(assumptions)
        self.equations = make_equations(model)
        self.limits = read_limits(model, assumptions)
        self.rng = np.random.default_rng(seed)
        self.swarm = Swarm(self.equations, self.limits)
        self.drawer = Drawer(self.equations, self.limits, self.rng)
        self.precise: dict[int, PreciseNeuron] = {}
        self.budget = math.inf
        self.lost: list[str] = []
        self.trials = 0

    def run(self, trials: Trials, *, most: int = 24, most_steps: int = ENOUGH) -> Runs:
        """Run trials in floats."""
        self.trials += trials.count
        return self.swarm.run(trials, most=most, most_steps=most_steps)

    def get_precise(self, digits: int) -> PreciseNeuron:
        """The model in so many digits.

        Raises:
            Lost: If it cannot be had.
        """
        if digits not in self.precise:
            try:
                self.precise[digits] = PreciseNeuron(self.model, digits)
                self.precise[digits].budget = self.budget
            except NotImplementedError as err:
                raise Lost(str(err)) from err
        return self.precise[digits]

    def allow_steps(self, steps: float) -> None:
        """Set how many steps in many digits the search that follows may take, in each precision."""
        for neuron in self.precise.values():
            neuron.budget = steps
        self.budget = steps

    def keeps(self, states: Sequence[Sequence[float]], parameters: Sequence[float]) -> bool:
        """Whether states of a precise run keep to the assumptions."""
        if not states or not self.limits.of_state:
            return True
        found = np.array(states, float).T
        p = np.repeat(np.array(parameters, float)[:, None], found.shape[1], axis=1)
        return bool(self.limits.admit_states(found, p, slack=STRICT).all())

    def admits(self, trial: PlainTrial) -> bool:
        """Whether a trial's own numbers keep to domains and assumptions, exactly."""
        return bool(self.drawer.is_admitted(trial.to_lanes()).all())


def clip(runs: Runs, duration: Array) -> Array:
    """Spike times, those that are none counting as at T."""
    return np.minimum(runs.spikes, duration)


def measure(left: Array, right: Array) -> Array:
    """The largest difference of spike times in each lane."""
    with np.errstate(invalid="ignore"):
        return np.nan_to_num(np.abs(left - right).max(axis=0), nan=0.0)


def shorten(trial: PlainTrial, spikes: Sequence[Array], slack: float) -> PlainTrial:
    """A trial that ends soon after the first spike that differs."""
    one, other = spikes
    T = trial.duration
    one, other = np.minimum(one, T), np.minimum(other, T)
    k = int(np.argmax(np.abs(one - other) > 0.5 * np.abs(one - other).max()))
    early, late = sorted((float(one[k]), float(other[k])))
    end = late + slack if late < T else T
    return replace(trial, duration=min(T, max(end, early + slack)))
