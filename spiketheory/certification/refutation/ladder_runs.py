"""Trials that differ in one number, in high precision."""

from collections.abc import Sequence
from functools import lru_cache

import mpmath
from mpmath import mpf

from spiketheory.certification.refutation.trial import TIME_OF, WEIGHT_OF, Trial
from spiketheory.errors import SpiketheoryError
from spiketheory.language.model import NeuronModel
from spiketheory.reference.neuron import SPIKE, Neuron, Visit

MOST_SPIKES = 50
"""Trials of so many spikes are not compared."""
DENSE_MARKS = 150
"""Where states are assumed to keep to something: between events it is looked at so often."""
MARKS = 12
"""Times at which states are noted, for comparison and for what is assumed of them."""
GUARD = 10
NO_TRIAL = (SpiketheoryError, ArithmeticError, TypeError)
"""What the integration of a trial raises that leads out of where the model is defined."""

Spikes = list[mpf]


@lru_cache(maxsize=64)
def make_neuron(model: NeuronModel, parameters: tuple[tuple[str, mpf], ...], digits: int) -> Neuron:
    """The neuron at some parameters, made once."""
    return Neuron(model, dict(parameters), digits=digits)


def run_trial(
    model: NeuronModel, trial: Trial, digits: int, marks: Sequence[mpf] = ()
) -> list[Visit]:
    """The states that a trial goes through."""
    with mpmath.workdps(digits + GUARD):
        return get_neuron(model, trial, digits).visit(
            trial.list_initial(model), trial.list_inputs(), mpf(trial.duration),
            most=MOST_SPIKES, marks=marks,
        )  # fmt: skip


def get_neuron(model: NeuronModel, trial: Trial, digits: int) -> Neuron:
    """The neuron of a trial."""
    parameters = tuple((n, mpf(v)) for n, v in trial.parameters.items())
    return make_neuron(model, parameters, digits)


class Runs:
    """Trials that differ in one number; what comes before it matters is integrated once.

    Args:
        model: The model.
        trial: The trial at some value.
        place: What is moved: `Trial.moved`.
        number: Of which input.
        lowest: No value is smaller.
        digits: Digits of the arithmetic.
        marks: Number of times at which states are noted.
    """

    def __init__(
        self, model: NeuronModel, trial: Trial, place: str, number: int, lowest: mpf, digits: int,
        marks: int = MARKS,
    ) -> None:  # fmt: skip
        self.marks = marks
        self.model, self.trial, self.digits = model, trial, digits
        self.place, self.number = place, number
        self.split = mpf(0)
        if place == TIME_OF:
            self.split = min(max(lowest, mpf(0)), mpf(trial.duration))
        elif place == WEIGHT_OF:
            self.split = mpf(trial.times[number])
        self.before: list[Visit] = []
        if self.split > 0:
            inputs = [i for i in self.list_inputs(trial) if i[0] < self.split]
            self.before = get_neuron(model, trial, digits).visit(
                trial.list_initial(model), inputs, self.split, most=MOST_SPIKES,
                marks=list_marks(trial, marks),
            )  # fmt: skip

    def list_inputs(self, trial: Trial) -> list[tuple[mpf, mpf]]:
        """Inputs of a trial; the one that is moved in time is left to the second part."""
        return [
            pair for k, pair in enumerate(zip(map(mpf, trial.times), map(mpf, trial.weights),
                                              strict=True))
            if self.place != TIME_OF or k != self.number
        ]  # fmt: skip

    def at(self, value: mpf, marks: Sequence[mpf] = ()) -> list[Visit]:
        """The states that the trial goes through at a value."""
        trial = self.trial.moved(self.place, self.number, value)
        if not self.before or len(list_spikes(self.before)) >= MOST_SPIKES:
            return run_trial(self.model, trial, self.digits, marks)
        split = self.split
        inputs = [(t - split, w) for t, w in trial.list_inputs() if t >= split]
        behind = get_neuron(self.model, trial, self.digits).visit(
            list(self.before[-1].state), inputs, mpf(trial.duration) - split,
            most=MOST_SPIKES - len(list_spikes(self.before)),
            marks=[m - split for m in marks if m > split],
        )  # fmt: skip
        return [*self.before, *(v._replace(time=v.time + split) for v in behind[1:])]


def list_marks(trial: Trial, count: int = MARKS) -> list[mpf]:
    """Times at which states are noted: odd fractions of a trial, where no event is likely to be."""
    return [mpf(trial.duration) * (k + mpf("0.4142")) / count for k in range(count)]


def list_spikes(visits: Sequence[Visit]) -> Spikes:
    """Spike times of a trial."""
    return [v.time for v in visits if v.what == SPIKE]


def find_time(spikes: Spikes, index: int, end: mpf) -> mpf:
    """Time of a spike; the trial's end if it does not come."""
    return spikes[index] if index < len(spikes) else end
