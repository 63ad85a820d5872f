"""Where trials are run in search of one that breaks a condition: in 20 digits, confirmed in 50."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import mpmath
import sympy as sp
from mpmath import mpf

from spiketheory.certification.boundary import Boundary
from spiketheory.certification.certificate import PROVED, Condition, Trial, Witness
from spiketheory.certification.proofs import Point, draw_points
from spiketheory.certification.region import Region, choose_parameters
from spiketheory.errors import SpiketheoryError
from spiketheory.language.symbols import WEIGHT
from spiketheory.reference.neuron import DIGITS, Neuron

SEARCH_DIGITS = 20
GAP = 1e-9
MOVED = mpf("1e-3")
EXTRA = 1000
"""What a spike that only one of two trials has counts beside shifts."""

MOST_TRIALS = 400
MOST_IN_SEARCH = 24
"""Trials of more spikes are not looked into."""

SIZES = tuple(2.0**k for k in range(-3, 10))
LONG = 100.0
"""Within a few times of this a neuron without time constants must spike to tell its scale."""

Spikes = list[mpf]


@dataclass(frozen=True)
class Family:
    """Trials that differ in one parameter.

    Attributes:
        base: The trial at some value.
        parameter: What is moved, in words.
        place: ``weight``, ``time`` or the name of a state variable.
        number: Which input, from 0.
    """

    base: Trial
    parameter: str
    place: str
    number: int = 0

    def at(self, value: float) -> Trial:
        """The trial at a value of the parameter."""
        return self.base.moved(self.place, self.number, value)


class Bench:
    """Runs and compares trials of one model.

    Args:
        boundary: The model on its spike surface.
        region: What is admissible.
        found: What is known of the conditions.
    """

    def __init__(self, boundary: Boundary, region: Region, found: Mapping[str, Condition]) -> None:
        self.boundary, self.region, self.model = boundary, region, boundary.model
        self.found = dict(found)
        self.neurons: dict[tuple[tuple[float, ...], int], Neuron] = {}
        self.trials = 0
        self.defaults = choose_parameters(self.model, region)
        taus = [v for n, v in self.defaults.items() if n.startswith("tau")]
        self.scale = min(taus, default=LONG)
        if not taus:  # ten times what a spike takes to come
            spiking = self.find_flow_spike(self.defaults, {}, 1.0)
            self.scale = 10 * spiking[1] if spiking else 1.0

    def get_neuron(self, parameters: Mapping[str, float], digits: int) -> Neuron:
        """The neuron at some parameters, made once."""
        key = (tuple(parameters.values()), digits)
        if key not in self.neurons:
            self.neurons[key] = Neuron(
                self.model, {n: mpf(v) for n, v in parameters.items()}, digits=digits
            )
        return self.neurons[key]

    def run(
        self, trial: Trial, digits: int = SEARCH_DIGITS, *, most: int = MOST_IN_SEARCH
    ) -> Spikes:
        """Spike times of a trial, the first ``most`` of them."""
        self.trials += 1
        neuron = self.get_neuron(trial.parameters, digits)
        return neuron.run(
            trial.list_initial(self.model), trial.list_inputs(), mpf(trial.duration), most=most
        )[0]

    def run_exactly(self, family: Family, value: mpf, digits: int) -> Spikes:
        """Spike times with the moved number at a value of so many digits."""
        self.trials += 1
        trial = family.base.moved(family.place, family.number, value)
        neuron = self.get_neuron(trial.parameters, digits)
        return neuron.run(
            trial.list_initial(self.model), trial.list_inputs(), mpf(trial.duration),
            most=MOST_IN_SEARCH,
        )[0]  # fmt: skip

    def try_to_run(self, trial: Trial) -> Spikes | None:
        """Spike times of a trial; None if it cannot be integrated, which shows nothing."""
        try:
            return self.run(trial)
        except SpiketheoryError:
            return None

    def name_values(
        self, parameters: Mapping[str, float], initial: Mapping[str, float] | None = None
    ) -> Point:
        """Values of parameters, and of states, by symbol, as the rational numbers they are."""
        values = {p.symbol: number(parameters[p.name]) for p in self.model.parameters}
        states = {s: number(initial[s.name]) for s in self.model.state} if initial else {}
        return values | states

    def find_threshold(
        self, initial: Mapping[str, float], parameters: Mapping[str, float]
    ) -> float:
        """The threshold where the other variables are those of a state."""
        return float(self.boundary.threshold.subs(self.name_values(parameters, initial)))

    def admits(self, trial: Trial) -> bool:
        """Whether a trial obeys the assumptions, as far as its own numbers tell."""
        values = self.name_values(trial.parameters, trial.initial)
        if not self.region.admits(values):
            return False
        return all(self.region.admits({**values, WEIGHT: number(w)}) for w in trial.weights)

    def stays(self, trial: Trial) -> bool:
        """Whether a trial obeys the assumptions from input to input."""
        if not self.admits(trial):
            return False
        states = set(self.model.state)
        if not any(r.free_symbols & states for r in self.region.relations):
            return True
        neuron = self.get_neuron(trial.parameters, SEARCH_DIGITS)
        values = self.name_values(trial.parameters)
        initial, inputs = trial.list_initial(self.model), trial.list_inputs()
        for count, end in enumerate([t for t, _ in inputs] + [mpf(trial.duration)]):
            for before in {count, min(count + 1, len(inputs))}:
                _, state = neuron.run(initial, inputs[:before], end, most=MOST_IN_SEARCH)
                found = {
                    s: sp.Rational(str(v)) for s, v in zip(self.model.state, state, strict=True)
                    if mpmath.isfinite(v)
                }  # fmt: skip
                if not self.region.admits({**values, **found}):
                    return False
        return True

    def rest(self, parameters: Mapping[str, float]) -> dict[str, float]:
        """The state at rest."""
        values = {p.symbol: sp.Float(parameters[p.name], 30) for p in self.model.parameters}
        return {
            s.name: float(r.subs(values))
            for s, r in zip(self.model.state, self.model.rest, strict=True)
        }

    def make(
        self,
        weights: Sequence[float] = (),
        times: Sequence[float] = (),
        *,
        initial: Mapping[str, float] | None = None,
        parameters: Mapping[str, float] | None = None,
        duration: float | None = None,
    ) -> Trial:
        """A trial, from rest with default parameters unless something else is given."""
        parameters = dict(self.defaults if parameters is None else parameters)
        return Trial(
            parameters=parameters,
            initial=dict(self.rest(parameters) if initial is None else initial),
            weights=tuple(map(float, weights)),
            times=tuple(map(float, times)),
            duration=6 * self.scale if duration is None else duration,
        )

    def move_across(
        self, trial: Trial, spike: float, weights: Sequence[float], later: Sequence[float]
    ) -> Family:
        """Trials in which the first of more inputs is moved across a spike."""
        count = len(trial.weights)
        base = self.make(
            [*trial.weights, *weights], [*trial.times, spike, *later], initial=trial.initial,
            parameters=trial.parameters, duration=spike + 4 * self.scale,
        )  # fmt: skip
        return Family(base, f"time of input {count + 1}", "time", count)

    def find_flow_spike(
        self, parameters: Mapping[str, float], others: Mapping[str, float], distance: float
    ) -> tuple[Trial, float] | None:
        """A trial that starts at a distance from the surface and spikes; and when."""
        initial = {**self.rest(parameters), **others}
        V = self.model.spike.variable.name
        if self.model.spike.is_blowup:
            initial[V] = initial[V] + 4 / (1 + distance)
        else:
            theta = self.find_threshold(initial, parameters)
            size = max(abs(theta - self.rest(parameters)[V]), 1e-3)
            initial[V] = theta - distance / 3 * size
        scale = self.scale
        trial = self.make(initial=initial, parameters=parameters, duration=10 * scale)
        if not self.admits(trial):
            return None
        spikes = self.try_to_run(trial)
        if not spikes or not 1e-6 * scale < spikes[0] < 3 * scale:
            return None
        return trial, float(spikes[0])

    def list_parameters(self, points: Sequence[Point]) -> Iterator[dict[str, float]]:
        """Parameter values to try: the defaults, those of points, and some that spike."""
        yield self.defaults
        speed = -self.boundary.arriving.velocity[0]
        driven = [
            p for p in itertools.islice(draw_points(self.region, speed.free_symbols), 40)
            if speed.subs(p) > 0
        ]  # fmt: skip
        for point in [*points, *driven[:2]]:
            changed = {
                p.name: float(point[p.symbol]) for p in self.model.parameters if p.symbol in point
            }
            if changed:
                yield {**self.defaults, **changed}

    def signed_sizes(self) -> list[float]:
        """Weights to try, in order, both signs where they are admissible."""
        sizes = [-s for s in reversed(SIZES)] + list(SIZES)
        return [s for s in sizes if self.region.admits({WEIGHT: number(s)})]

    def is_proved(self, name: str) -> bool:
        """Whether another condition is known to hold."""
        return name in self.found and self.found[name].status == PROVED

    def bisect(self, family: Family, low: float, high: float) -> tuple[float, float] | None:
        """Two values less than 1e-9 apart between which spikes change, or None."""
        first, last = self.run(family.at(low)), self.run(family.at(high))
        duration = family.base.duration
        while high - low > GAP / 2:
            middle = (low + high) / 2
            if self.trials > MOST_TRIALS or not low < middle < high:
                return None
            between = self.run(family.at(middle))
            below, above = differ(first, between, duration), differ(between, last, duration)
            if below >= EXTRA or (below >= above and above < EXTRA):
                high, last = middle, between
            else:
                low, first = middle, between
            if differ(first, last, duration) < MOVED / 10:
                return None
        return (low, high) if describe_change(first, last, duration) else None

    def confirm(
        self, condition: str, family: Family, values: tuple[float, float]
    ) -> Witness | None:
        """The witness, if 50 digits say the same."""
        trials = [family.at(v) for v in values]
        if not all(map(self.stays, trials)) or not 0 < values[1] - values[0] < GAP:
            return None
        first, last = (self.run(t, DIGITS) for t in trials)
        change = describe_change(first, last, family.base.duration)
        if not change:
            return None
        return make_witness(condition, family, values, (first, last), change)

    def scan(
        self, condition: str, family: Family, values: Sequence[float], *, most: int = 3
    ) -> Witness | None:
        """Bisect wherever the number of spikes changes between neighbouring values."""
        last: tuple[float, Spikes] | None = None
        for value in values:
            if most == 0 or self.trials > MOST_TRIALS:
                return None
            trial = family.at(value)
            spikes = self.try_to_run(trial) if self.admits(trial) else None
            if spikes is None:
                continue
            if last is not None and len(last[1]) != len(spikes) < MOST_IN_SEARCH:
                most -= 1
                found = self.bisect(family, *sorted((last[0], value)))
                witness = self.confirm(condition, family, found) if found is not None else None
                if witness is not None:
                    return witness
            last = value, spikes
        return None


def number(value: float) -> sp.Expr:
    """A float as the rational number that it is."""
    return sp.Rational(value)


def differ(first: Spikes, last: Spikes, duration: float) -> mpf:
    """How far two spike trains differ: the largest shift, or more if the numbers differ."""
    shift = max((abs(a - b) for a, b in zip(first, last, strict=False)), default=mpf(0))
    longer = first if len(first) > len(last) else last
    extra = [t for t in longer[min(len(first), len(last)) :] if duration - t > MOVED]
    return shift + EXTRA * len(extra)


def describe_change(first: Spikes, last: Spikes, duration: float) -> str:
    """What happens in mid-trial between two spike trains; "" if spikes only shift."""
    if max(len(first), len(last)) >= MOST_IN_SEARCH:
        return ""
    for number_of, (a, b) in enumerate(zip(first, last, strict=False), start=1):
        if abs(a - b) > MOVED:
            if len(first) != len(last):
                break
            return f"spike {number_of} jumps from {mpmath.nstr(a, 10)} to {mpmath.nstr(b, 10)}"
    longer, shorter = (first, last) if len(first) > len(last) else (last, first)
    for index, time in enumerate(longer):
        matched = index < len(shorter) and abs(shorter[index] - time) <= MOVED
        if not matched:
            if len(longer) == len(shorter) or duration - time <= MOVED:
                return ""
            verb = "vanishes" if longer is first else "appears"
            return f"the spike at {mpmath.nstr(time, 10)} {verb}"
    return ""


def make_witness(
    condition: str, family: Family, values: tuple[float, float],
    spikes: tuple[Spikes, Spikes], change: str,
) -> Witness:  # fmt: skip
    """The record of a confirmed witness."""
    return Witness(
        condition=condition,
        parameter=family.parameter,
        place=family.place,
        number=family.number,
        values=values,
        spikes=(tuple(map(float, spikes[0])), tuple(map(float, spikes[1]))),
        change=change,
        trial=family.at(values[0]),
        digits=DIGITS,
    )
