"""Where trials are run in search of one that breaks a condition: in 13 digits, confirmed in 50."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import mpmath
import sympy as sp
from mpmath import mpf

from spiketheory.certification.boundary import Boundary
from spiketheory.certification.certificate import Condition, Witness
from spiketheory.certification.claims import Counterexample, Point
from spiketheory.certification.refutation.ladder import (
    BREAKS,
    MOVED,
    climb,
    describe_ladder,
    impose,
)
from spiketheory.certification.refutation.ladder_runs import (
    NO_TRIAL,
    Spikes,
    find_time,
    list_spikes,
    make_neuron,
    run_trial,
)
from spiketheory.certification.refutation.locate import find_jump, is_in_lower_half, locate
from spiketheory.certification.refutation.rule import classify
from spiketheory.certification.refutation.sample import Sampler, Surface, Values
from spiketheory.certification.refutation.trial import Trial
from spiketheory.certification.region import Region, choose_parameters
from spiketheory.certification.regularity import second_weight
from spiketheory.language.symbols import WEIGHT
from spiketheory.reference.neuron import DIGITS, Neuron, Visit

SEARCH_DIGITS = 13
BESIDE = 4e-10
"""The two values of a witness are so far apart."""
MOST_IN_SEARCH = 24
"""Trials of more spikes are not looked into."""

MOST_WORK = 4000
"""Integration steps that one search may take."""
MOST_CONFIRMED = 3
"""So many finds of one search are put to the ladder."""

SIZES = tuple(2.0**k for k in range(-3, 10))
LONG = 100.0
"""Within a few times of this a neuron without time constants must spike to tell its scale."""


@dataclass(frozen=True)
class Family:
    """Trials that differ in one number.

    Attributes:
        base: The trial at some value.
        place: ``weight``, ``time``, or the name of a state variable or of a parameter.
        number: Which input, from 0.
    """

    base: Trial
    place: str
    number: int = 0

    def at(self, value: float) -> Trial:
        """The trial at a value of the number."""
        return self.base.moved(self.place, self.number, value)


class Bench:
    """Runs and compares trials of one model.

    Args:
        boundary: The model on its spike surface.
        region: What is admissible.
    """

    def __init__(self, boundary: Boundary, region: Region) -> None:
        self.boundary, self.region, self.model = boundary, region, boundary.model
        self.work, self.confirmed = 0, 0
        self.second = second_weight(self.model)
        self.sampler = Sampler(boundary, region, self.second)
        self.surface = Surface(boundary, self.second)
        self.V = self.model.spike.variable.name
        self.defaults = choose_parameters(self.model, region)
        self.unit = 1.0
        if not self.list_scales(self.defaults):  # twice what a spike takes to come
            self.unit = LONG
            spiking = self.find_flow_spike(self.defaults, {}, 1.0)
            self.unit = 2 * spiking[1] if spiking else 1.0

    def list_scales(self, parameters: Mapping[str, float]) -> list[float]:
        """Time constants, as far as names tell."""
        return [v for n, v in parameters.items() if n.startswith("tau") and v > 0]

    def find_scale(self, parameters: Mapping[str, float]) -> float:
        """How long things take."""
        return min(self.list_scales(parameters), default=self.unit)

    @property
    def is_spent(self) -> bool:
        """Whether this search has taken as much work as it may."""
        return self.work > MOST_WORK or self.confirmed >= MOST_CONFIRMED

    def start(self) -> None:
        """Begin a search of its own amount of work."""
        self.work = self.confirmed = 0

    def get_neuron(self, parameters: Mapping[str, float], digits: int) -> Neuron:
        """The neuron at some parameters, made once."""
        return make_neuron(self.model, tuple((n, mpf(v)) for n, v in parameters.items()), digits)

    def visit(self, trial: Trial, digits: int = SEARCH_DIGITS) -> list[Visit] | None:
        """The states of a trial; None if it cannot be integrated, which shows nothing."""
        neuron = self.get_neuron(trial.parameters, digits)
        before = neuron.reference.steps
        try:
            return neuron.visit(
                trial.list_initial(self.model), trial.list_inputs(), mpf(trial.duration),
                most=MOST_IN_SEARCH,
            )  # fmt: skip
        except NO_TRIAL:
            return None
        finally:
            self.work += neuron.reference.steps - before + 10

    def run(self, trial: Trial) -> Spikes | None:
        """Spike times of a trial, the first few of them; None if it cannot be integrated."""
        visits = self.visit(trial)
        return None if visits is None else list_spikes(visits)

    def admits(self, trial: Trial) -> bool:
        """Whether a trial's own numbers obey the assumptions, as far as floats can tell."""
        values = self.name_values(trial.parameters, trial.initial)
        weights = trial.weights or (self.find_weight(),)
        return all(self.sampler.admits({**values, WEIGHT: w}) for w in weights)

    def find_weight(self) -> float:
        """Some admissible weight."""
        return next(iter(self.signed_sizes()), 0.0)

    def name_values(self, parameters: Mapping[str, float], initial: Mapping[str, float]) -> Values:
        """Values of parameters and states by symbol."""
        values = {p.symbol: float(parameters[p.name]) for p in self.model.parameters}
        return values | {s: float(initial[s.name]) for s in self.model.state}

    def find_threshold(
        self, initial: Mapping[str, float], parameters: Mapping[str, float]
    ) -> float | None:
        """The threshold where the other variables are those of a state."""
        values = self.name_values(parameters, initial) | {WEIGHT: 0.0}
        found = self.surface.threshold(values)
        return None if found is None else found[0]

    def rest(self, parameters: Mapping[str, float]) -> dict[str, float]:
        """The state at rest."""
        neuron = self.get_neuron(parameters, SEARCH_DIGITS)
        return {s.name: float(r) for s, r in zip(self.model.state, neuron.rest, strict=True)}

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
            duration=6 * self.find_scale(parameters) if duration is None else duration,
        )

    def find_flow_spike(
        self, parameters: Mapping[str, float], others: Mapping[str, float], distance: float
    ) -> tuple[Trial, float] | None:
        """A trial that starts at a distance from the surface and spikes; and when."""
        rest = self.rest(parameters)
        initial = {**rest, **others}
        if self.model.spike.is_blowup:
            initial[self.V] = rest[self.V] + 4 / (1 + distance)
        else:
            theta = self.find_threshold(initial, parameters)
            if theta is None:
                return None
            size = max(abs(theta - rest[self.V]), 1e-3)
            initial[self.V] = theta - distance / 3 * size
        scale = self.find_scale(parameters)
        trial = self.make(initial=initial, parameters=parameters, duration=10 * scale)
        if not self.admits(trial):
            return None
        spikes = self.run(trial)
        if not spikes or not 1e-6 * scale < spikes[0] < 3 * scale:
            return None
        return trial, float(spikes[0])

    def signed_sizes(self) -> list[float]:
        """Weights to try, in order, both signs where they are admissible by themselves."""
        sizes = [-s for s in reversed(SIZES)] + list(SIZES)
        found = [s for s in sizes if self.region.admits({WEIGHT: sp.Rational(s)})]
        low, high, _, _ = self.sampler.spans.get(WEIGHT, (-math.inf, math.inf, True, True))
        if math.isfinite(low) and math.isfinite(high):
            found += [low + (high - low) * part for part in (0.01, 0.5, 0.99)]
        return sorted(set(found))

    def list_points(self, condition: Condition) -> list[Point]:
        """Where the condition is known to be false."""
        return [
            e.finding.point for e in condition.evidence if isinstance(e.finding, Counterexample)
        ]

    def name_parameters(self, values: Values) -> dict[str, float]:
        """The parameters among values by symbol."""
        return {p.name: values[p.symbol] for p in self.model.parameters}

    def is_usual(self, values: Values) -> bool:
        """Whether all parameters are at their defaults."""
        return self.name_parameters(values) == self.defaults

    def complete_point(self, point: Point) -> Values | None:
        """A point as floats, with defaults and the state at rest for what it leaves out."""
        known = {s: float(v) for s, v in point.items()}
        parameters = {p.name: known.get(p.symbol, float(p.default)) for p in self.model.parameters}
        rest = self.find_rest(parameters)
        if rest is None:
            return None
        values = self.name_values(parameters, rest)
        weight = known.get(WEIGHT, self.find_weight())
        values |= {WEIGHT: weight, self.second: weight} | known
        return values if self.sampler.admits(values) else None

    def put_at_rest(self, values: Values) -> Values | None:
        """Values with the state at rest, if that is admissible."""
        parameters = self.name_parameters(values)
        if parameters != self.defaults:
            return None
        rest = self.find_rest(parameters)
        if rest is None:
            return None
        moved = values | self.name_values(parameters, rest)
        return moved if self.sampler.admits(moved) else None

    def find_rest(self, parameters: Mapping[str, float]) -> dict[str, float] | None:
        """The state at rest; None where it is not defined."""
        try:
            return self.rest(parameters)
        except NO_TRIAL:
            return None

    def try_family(self, condition: str, family: Family, low: float, high: float) -> Witness | None:
        """The witness that two values less than 1e-9 apart are, if they are one of a condition."""
        trials = [family.at(v) for v in (low, high)]
        if not all(map(self.admits, trials)):
            return None
        first, last = (self.visit(t) for t in trials)
        if first is None or last is None:
            return None
        end = mpf(family.base.duration)
        index = find_jump(list_spikes(first), list_spikes(last), end)
        if index is None or index >= MOST_IN_SEARCH:
            return None
        rule = classify(self.surface, trials[0], family.place, family.number, (first, last), index)
        if condition not in BREAKS.get(rule, ()):
            return None
        return self.confirm(condition, rule, family, low, high)

    def confirm(
        self, condition: str, rule: str, family: Family, low: float, high: float
    ) -> Witness | None:
        """The witness, if its jump stays on the ladder in 50 digits."""
        if self.is_spent:
            return None
        self.confirmed += 1
        base = shorten(self, family, low, high)
        for trial in (base, family.base) if base != family.base else (base,):
            critical = self.locate(replace_base(family, trial), low, high)
            if critical is None:
                continue
            witness = self.climb(condition, rule, replace_base(family, trial), critical)
            if witness is not None:
                return witness
        return None

    def locate(self, family: Family, low: float, high: float) -> str | None:
        """The critical value between two others; parameters obey equalities to all digits."""
        exact = impose(self.model, self.region.relations, family.base, family.place)
        if exact is None:
            return None
        return locate(self.model, exact, family.place, family.number, low, high)

    def climb(
        self, condition: str, rule: str, family: Family, critical: str, *, is_kink: bool = False
    ) -> Witness | None:
        """The witness at a critical value, if the difference stays."""
        values = surround(critical)
        ladder = climb(
            self.model, self.region.relations, family.base, family.place, family.number, values,
            critical, is_kink=is_kink,
        )  # fmt: skip
        if ladder is None:
            return None
        trials = [family.at(v) for v in values]
        spikes = [tuple(map(float, list_spikes(run_trial(self.model, t, DIGITS)))) for t in trials]
        return Witness(
            condition=condition,
            parameter=family.base.name_place(family.place, family.number),
            place=family.place,
            number=family.number,
            values=values,
            spikes=(spikes[0], spikes[1]),
            change=describe_ladder(ladder, trials[0], family.place, family.number),
            trial=trials[0],
            digits=DIGITS,
            rule=rule,
            ladder=ladder,
            from_rest=all(self.rest(t.parameters) == dict(t.initial) for t in trials),
        )

    def bisect(self, family: Family, low: float, high: float) -> tuple[float, float] | None:
        """Two values less than 1e-9 apart between which spikes jump, or None."""
        first, last = self.run(family.at(low)), self.run(family.at(high))
        end = mpf(family.base.duration)
        while high - low > BESIDE:
            middle = (low + high) / 2
            if self.is_spent or not low < middle < high or first is None or last is None:
                return None
            between = self.run(family.at(middle))
            if between is None:
                return None
            is_low = is_in_lower_half(first, between, last, end)
            if is_low is None:
                return None
            if is_low:
                high, last = middle, between
            else:
                low, first = middle, between
        return low, high

    def scan(
        self, condition: str, family: Family, values: Sequence[float], *, most: int = 3
    ) -> Witness | None:
        """Bisect wherever the number of spikes changes between neighbouring values."""
        last: tuple[float, Spikes] | None = None
        for value in values:
            if most == 0 or self.is_spent:
                return None
            trial = family.at(value)
            spikes = self.run(trial) if self.admits(trial) else None
            if spikes is None:
                continue
            if last is not None and len(last[1]) != len(spikes) < MOST_IN_SEARCH:
                most -= 1
                found = self.bisect(family, *sorted((last[0], value)))
                witness = self.try_family(condition, family, *found) if found is not None else None
                if witness is not None:
                    return witness
            last = value, spikes
        return None


def replace_base(family: Family, base: Trial) -> Family:
    """The same number moved in another trial."""
    return Family(base, family.place, family.number)


def surround(critical: str) -> tuple[float, float]:
    """Two floats around a critical value, as far apart as those of a witness."""
    with mpmath.workdps(DIGITS):
        center, half = mpf(critical), mpf(BESIDE) / 2
        return float(center - half), float(center + half)


def shorten(bench: Bench, family: Family, low: float, high: float) -> Trial:
    """The trial up to soon after the jump: what comes later costs time and shows nothing."""
    base = family.base
    found = [bench.run(family.at(v)) for v in (low, high)]
    trains = [t for t in found if t is not None]
    if len(trains) < len(found):
        return base
    end = mpf(base.duration)
    index = find_jump(trains[0], trains[1], end)
    if index is None:
        return base
    early, late = sorted(float(find_time(t, index, end)) for t in trains)
    scale = bench.find_scale(base.parameters)
    until = late + scale / 8 if late - early < scale / 2 else early + scale / 4
    until = min([until, *(float(t[-1]) for t in trains if len(t) >= MOST_IN_SEARCH)])
    if not max([early + 10 * float(MOVED), *base.times]) < until < base.duration:
        return base
    return replace(base, duration=until)
