"""Trials that show a condition to fail: found in 20 digits, confirmed in 50.

A witness is a trial of one neuron with one parameter moved by less than 1e-9. What changes is
counted spike by spike: a spike that appears, vanishes or moves by more than 1e-3 in mid-trial. One
that comes or goes at the trial's end is none of these. Where a condition concerns derivatives
(C6) they are taken from central differences with a step of 1e-20.

Searches, each a family of trials: the weight of one input from rest; the time of an inhibitory
input; a state that is carried back from where the surface is grazed; an input that is moved across
a spike, which the flow or another input causes; two inputs that exchange their order.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import mpmath
import sympy as sp
from mpmath import mpf

from spiketheory.boundary import Boundary
from spiketheory.certificate import PROVED, Condition, Trial, Witness
from spiketheory.errors import SpiketheoryError
from spiketheory.precise_trial import DIGITS, MOST_SPIKES, Neuron
from spiketheory.proofs import Counterexample, Point, draw_points
from spiketheory.region import Region
from spiketheory.regularity import second_weight
from spiketheory.symbols import WEIGHT
from spiketheory.verify_reference import extrapolate_step

SEARCH_DIGITS = 20
GAP = 1e-9
BESIDE = 4e-10
"""Distance in time of an input from the spike that it is moved across."""

MOVED = mpf("1e-3")
EXTRA = 1000
"""What a spike that only one of two trials has counts beside shifts."""

SWAP_DIFFERENCE = mpf("1e-6")
DIFFERENCE_STEP = mpf("1e-20")
ROUGH_STEP = mpf("1e-10")
MOST_TRIALS = 400
MOST_IN_SEARCH = 24
"""Trials of more spikes are not looked into."""

SIZES = tuple(2.0**k for k in range(-3, 10))

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


class Searcher:
    """Looks for witnesses for one model.

    Args:
        boundary: The model on its spike surface.
        region: What is admissible.
    """

    def __init__(self, boundary: Boundary, region: Region) -> None:
        self.boundary, self.region, self.model = boundary, region, boundary.model
        self.neurons: dict[tuple[tuple[float, ...], int], Neuron] = {}
        self.trials = 0
        self.known: dict[str, Witness] = {}
        self.found: dict[str, Condition] = {}
        self.defaults = {p.name: p.default for p in self.model.parameters}
        taus = [v for n, v in self.defaults.items() if n.startswith("tau")]
        self.scale = min(taus) if taus else self.guess_scale()

    def guess_scale(self) -> float:
        """A time scale of a model without time constants: the time to pass its own length."""
        found = self.find_flow_spike(self.defaults, {}, 1.0)
        return 10 * found[1] if found else 1.0

    # Trials ------------------------------------------------------------------------------------

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
        order = sorted(range(len(trial.times)), key=lambda k: trial.times[k])
        inputs = [(mpf(trial.times[k]), mpf(trial.weights[k])) for k in order]
        initial = [mpf(trial.initial[s.name]) for s in self.model.state]
        return neuron.run(initial, inputs, mpf(trial.duration), most=most)[0]

    def try_to_run(self, trial: Trial) -> Spikes | None:
        """Spike times of a trial; None if it cannot be integrated, which shows nothing."""
        try:
            return self.run(trial)
        except SpiketheoryError:
            return None

    def admits(self, trial: Trial) -> bool:
        """Whether a trial obeys the assumptions, as far as its own numbers tell."""
        values = {p.symbol: number(trial.parameters[p.name]) for p in self.model.parameters}
        values |= {s: number(trial.initial[s.name]) for s in self.model.state}
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
        values = {p.symbol: number(trial.parameters[p.name]) for p in self.model.parameters}
        order = sorted(range(len(trial.times)), key=lambda k: trial.times[k])
        inputs = [(mpf(trial.times[k]), mpf(trial.weights[k])) for k in order]
        initial = [mpf(trial.initial[s.name]) for s in self.model.state]
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

    # Bisection ---------------------------------------------------------------------------------

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

    # Searches ----------------------------------------------------------------------------------

    def search(
        self, condition: Condition, found: Mapping[str, Condition] | None = None
    ) -> Witness | None:
        """Look for a trial that shows a refuted condition to fail.

        Args:
            condition: The condition.
            found: What is known of the others.
        """
        self.trials = 0
        self.found = dict(found or {})
        searches: dict[str, tuple[Callable[[Condition], Witness | None], ...]] = {
            "C1": (self.try_jump, self.try_weights, self.try_inhibition, self.try_graze),
            "C2": (self.try_jump, self.try_weights),
            "C3": (self.try_swap, self.try_swap_of_inputs),
            "C4": (
                self.try_late_swap,
                self.try_late_swap_of_inputs,
                self.try_commuting_inputs,
            ),
            "C5": (self.try_pile_up,),
            "C6": (self.try_kink,),
        }
        for attempt in searches[condition.name]:
            known = self.known.get(attempt.__name__)
            if known is not None:  # one trial may break several conditions
                return replace(known, condition=condition.name)
            try:
                witness = attempt(condition)
            except SpiketheoryError:  # a trial that cannot be integrated shows nothing
                witness = None
            if witness is not None:
                self.known[attempt.__name__] = witness
                return witness
        return None

    def signed_sizes(self) -> list[float]:
        """Weights to try, in order, both signs where they are admissible."""
        sizes = [-s for s in reversed(SIZES)] + list(SIZES)
        return [s for s in sizes if self.region.admits({WEIGHT: number(s)})]

    def try_weights(self, condition: Condition) -> Witness | None:
        """One input from rest; its weight is moved."""
        base = self.make([1.0], [self.scale / 2])
        family = Family(base, "weight of input 1", "weight")
        weights = self.signed_sizes()
        positive = [w for w in weights if w > 0]
        negative = [w for w in weights if w < 0]
        for side in (positive, negative):
            witness = self.scan(condition.name, family, side)
            if witness is not None:
                return witness
        return None

    def try_jump(self, condition: Condition) -> Witness | None:
        """An input to a state from which V does not rise to the threshold; its weight is moved."""
        if self.is_proved("C3") or self.model.spike.is_blowup or "C1" not in self.found:
            return None
        for parameters, others in self.list_falling():
            found = self.place_below(parameters, others)
            if found is None:
                continue
            initial, height, wait = found
            base = self.make(
                [1.0], [wait], initial=initial, parameters=parameters,
                duration=max(4 * wait, self.scale / 32),
            )  # fmt: skip
            family = Family(base, "weight of input 1", "weight")
            for sign in (1.0, -1.0):
                weights = [sign * height * 2.0**k for k in (-1, 0, 1, 2, 3, 4)]
                witness = self.scan(condition.name, family, weights)
                if witness is not None:
                    return witness
        return None

    def is_proved(self, name: str) -> bool:
        """Whether another condition is known to hold."""
        return name in self.found and self.found[name].status == PROVED

    def list_falling(self) -> Iterator[tuple[dict[str, float], dict[str, float]]]:
        """Parameters and other variables at which V falls on the surface."""
        defaults = {p.symbol: number(p.default) for p in self.model.parameters}
        speed = self.boundary.arriving.velocity[0].subs(defaults)
        for symbol in self.boundary.others:
            rest = {
                s: number(self.rest(self.defaults)[s.name])
                for s in self.boundary.others if s != symbol
            }  # fmt: skip
            for root in solve_for(speed.subs(rest), symbol):
                for side in (-1, 1):
                    beyond = root + side * sp.Max(abs(root), 1) / 2
                    yield self.defaults, {symbol.name: float(beyond)}
        for e in self.found["C1"].evidence:
            if isinstance(e.finding, Counterexample):
                point = e.finding.point
                others = {s.name: float(point[s]) for s in self.boundary.others if s in point}
                for parameters in itertools.islice(self.list_parameters([point]), 2):
                    for factor in (1.0, 4.0, 64.0):
                        yield parameters, {n: factor * v for n, v in others.items()}

    def place_below(
        self, parameters: Mapping[str, float], others: Mapping[str, float]
    ) -> tuple[dict[str, float], float, float] | None:
        """A state below the surface with V falling, its distance from it, and a short time."""
        initial = {**self.rest(parameters), **others}
        values = {p.symbol: number(parameters[p.name]) for p in self.model.parameters}
        values |= {s: number(initial[s.name]) for s in self.boundary.others}
        fall = self.boundary.arriving.velocity[0].subs(values)
        if not fall > 0:
            return None
        V = self.model.spike.variable.name
        theta = float(self.boundary.threshold.subs(values))
        height = max(abs(theta - self.rest(parameters)[V]), 1e-3) / 16
        wait = min(self.scale / 64, height / float(fall) / 4)
        return {**initial, V: theta - height}, height, wait

    def try_inhibition(self, condition: Condition) -> Witness | None:
        """An input that makes the neuron spike, and an opposite one whose time is moved."""
        if not self.is_proved("C3"):  # it would show that an input delays a spike
            return None
        start = self.scale / 2
        for size in SIZES[3:]:
            for sign in (1.0, -1.0):
                base = self.make([sign * size], [start])
                if not self.admits(base):
                    continue
                spikes = self.run(base)
                if not spikes or not start + self.scale / 50 < spikes[0] < base.duration / 2:
                    continue
                for factor in (-2.0, -8.0):
                    trial = self.make([sign * size, factor * sign * size], [start, start])
                    if not self.admits(trial):
                        continue
                    family = Family(trial, "time of input 2", "time", 1)
                    first = float(spikes[0])
                    values = [(start + 3 * first) / 4, (first + 9 * base.duration) / 10]
                    witness = self.scan(condition.name, family, values)
                    if witness is not None:
                        return witness
                return None
        return None

    def try_graze(self, condition: Condition) -> Witness | None:
        """A state carried back from where the surface is grazed; V at the start is moved."""
        if self.model.spike.is_blowup:
            return None
        for count, (parameters, place) in enumerate(self.list_grazes()):
            if count >= 6:
                return None
            neuron = self.get_neuron(parameters, SEARCH_DIGITS)
            with mpmath.workdps(SEARCH_DIGITS):
                before = self.carry_back(neuron, place)
            if before is None:
                continue
            state, span = before
            initial = {s.name: float(v) for s, v in zip(self.model.state, state, strict=True)}
            base = self.make(initial=initial, parameters=parameters, duration=3 * span)
            V = self.model.spike.variable.name
            family = Family(base, f"{V}0", V)
            for reach in (1e-3, 1e-2, 1e-1):
                spread = reach * max(abs(initial[V]), abs(float(place[neuron.index])), 1e-3)
                witness = self.scan(
                    condition.name, family, [initial[V] - spread, initial[V] + spread]
                )
                if witness is not None:
                    return witness
        return None

    def carry_back(self, neuron: Neuron, place: list[mpf]) -> tuple[list[mpf], float] | None:
        """A state some time before a graze, below the surface, and the time."""
        field = neuron.reference.fields[False, True]
        for span in (self.scale / 2, self.scale / 8, self.scale / 64):
            measured, rows = extrapolate_step(
                field, neuron.measure(place), mpf(-span), mpf(10) ** -SEARCH_DIGITS
            )
            if rows and measured[neuron.index] < neuron.reference.target:
                return neuron.restore(measured), span
        return None

    def list_grazes(self) -> Iterator[tuple[dict[str, float], list[mpf]]]:
        """Places on the surface where V stands still and turns down."""
        model, V = self.model, self.model.spike.variable
        rate = -self.boundary.arriving.velocity[0]
        theta = self.boundary.threshold
        height = V - theta
        speed = sum(
            (height.diff(s) * f for s, f in zip(model.state, model.derivatives, strict=True)),
            sp.S.Zero,
        )
        turn = sum(
            (speed.diff(s) * f for s, f in zip(model.state, model.derivatives, strict=True)),
            sp.S.Zero,
        ).subs(V, theta)
        symbols = rate.free_symbols | turn.free_symbols | theta.free_symbols
        symbols |= set(self.boundary.others)
        defaults = {p.symbol: number(p.default) for p in model.parameters}
        states = [s for s in self.boundary.others if rate.has(s)]
        for symbol in states:
            for point in itertools.islice(draw_points(self.region, symbols), 40):
                values = {**point, **defaults}
                solutions = solve_for(rate.subs({k: v for k, v in values.items() if k != symbol}),
                                      symbol)  # fmt: skip
                for solution in solutions:
                    values[symbol] = solution
                    if not self.region.admits({**values, V: theta.subs(values)}):
                        continue
                    if not turn.subs(values).evalf(30) < 0:
                        continue
                    place = [
                        mpf(sp.Float((theta if s == V else s).subs(values), 40))
                        for s in model.state
                    ]
                    yield self.defaults, place

    def list_spiking(self, condition: Condition) -> Iterator[tuple[Trial, float]]:
        """Trials in which the neuron spikes soon by its flow, and when."""
        for size in (2.0, 8.0, 32.0, 128.0):
            driven = self.make([size], [self.scale / 2])
            spikes = self.try_to_run(driven) if self.admits(driven) else None
            if spikes and spikes[0] > self.scale * 0.52:
                yield driven, float(spikes[0])
                break
        points: list[Point] = [{}]
        for e in condition.evidence:
            if isinstance(e.finding, Counterexample):
                points.insert(0, e.finding.point)
        for parameters in self.list_parameters(points):
            for point in points:
                others = {s.name: float(point[s]) for s in self.boundary.others if s in point}
                for distance in (1.5, 0.5, 0.05):
                    found = self.find_flow_spike(parameters, others, distance)
                    if found is not None:
                        yield found

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

    def find_flow_spike(
        self, parameters: Mapping[str, float], others: Mapping[str, float], distance: float
    ) -> tuple[Trial, float] | None:
        """A trial that starts at a distance from the surface and spikes; and when."""
        initial = {**self.rest(parameters), **others}
        V = self.model.spike.variable.name
        values = {p.symbol: number(parameters[p.name]) for p in self.model.parameters}
        values |= {s: number(initial[s.name]) for s in self.boundary.others}
        if self.model.spike.is_blowup:
            initial[V] = initial[V] + 4 / (1 + distance)
        else:
            theta = float(self.boundary.threshold.subs(values))
            size = max(abs(theta - self.rest(parameters)[V]), 1e-3)
            initial[V] = theta - distance / 3 * size
        scale = getattr(self, "scale", 100.0)
        trial = self.make(initial=initial, parameters=parameters, duration=10 * scale)
        if not self.admits(trial):
            return None
        try:
            spikes = self.run(trial)
        except SpiketheoryError:
            return None
        if not spikes or not 1e-6 * scale < spikes[0] < 3 * scale:
            return None
        return trial, float(spikes[0])

    def list_weights(self, condition: Condition) -> list[float]:
        """Weights to try: those of the counterexamples first."""
        found = [
            float(e.finding.point[WEIGHT])
            for e in condition.evidence
            if isinstance(e.finding, Counterexample) and WEIGHT in e.finding.point
        ]
        usual = [w for w in self.signed_sizes() if abs(w) in (0.5, 2.0, 8.0, 32.0)]
        return [*found, *usual]

    def try_swap(self, condition: Condition) -> Witness | None:
        """An input that is moved across a spike; a later input shows what became different."""
        return self.swap(condition, late=False)

    def try_late_swap(self, condition: Condition) -> Witness | None:
        """The same, but the spike itself comes in either order: a later one jumps."""
        return self.swap(condition, late=True)

    def swap(self, condition: Condition, *, late: bool) -> Witness | None:
        """Move an input across a spike of the flow."""
        for trial, spike in itertools.islice(self.list_spiking(condition), 6):
            weights = self.list_weights(condition)[:6]
            if late:  # an input that raises V cannot take the spike away
                weights.sort(key=lambda w: w < 0)
            for weight in weights:
                witness = self.try_beside(condition.name, trial, spike, [weight], late=late)
                if witness is not None:
                    return witness
        return None

    def try_beside(
        self, condition: str, trial: Trial, spike: float, weights: Sequence[float], *, late: bool
    ) -> Witness | None:
        """Move input 1 across a spike, without and with an input after it."""
        later = spike + self.scale / 2
        extra: list[tuple[list[float], list[float]]] = [([], [])]
        extra += [([w], [later]) for w in self.signed_sizes() if abs(w) in (2.0, 16.0, 128.0)]
        for more, when in extra:
            if self.trials > MOST_TRIALS:
                return None
            family = self.move_across(trial, spike, [*weights, *more], when)
            values = (spike - BESIDE, spike + BESIDE)
            if not all(self.admits(family.at(v)) for v in values):
                continue
            first, last = (self.try_to_run(family.at(v)) for v in values)
            if first is None or last is None:
                continue
            if late and not both_spike(first, last, spike):
                continue
            if describe_change(first, last, family.base.duration):
                witness = self.confirm(condition, family, values)
                if witness is not None:
                    return witness
        return None

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

    def try_swap_of_inputs(self, condition: Condition) -> Witness | None:
        """Two inputs exchange their order; the one may make the neuron spike at once."""
        return self.swap_inputs(condition, late=False)

    def try_commuting_inputs(self, condition: Condition) -> Witness | None:
        """Two inputs exchange their order, where that matters without a spike between them."""
        if not any(
            isinstance(e.finding, Counterexample) and second_weight(self.model) in e.finding.point
            for e in condition.evidence
        ):
            return None
        return self.swap_inputs(condition, late=False)

    def try_late_swap_of_inputs(self, condition: Condition) -> Witness | None:
        """The same, but that spike comes in either order: a later one jumps."""
        return self.swap_inputs(condition, late=True)

    def swap_inputs(self, condition: Condition, *, late: bool) -> Witness | None:
        """Exchange the order of two inputs, without and with one after them."""
        time = self.scale / 2
        weights = self.signed_sizes()
        sizes = (0.5, 2.0, 16.0, 64.0)
        for one, other in itertools.product(
            [w for w in weights if abs(w) in sizes], [w for w in weights if abs(w) in sizes]
        ):
            if self.trials > MOST_TRIALS:
                return None
            for more, when in (([], []), ([sizes[1]], [2 * time])):
                base = self.make([one, other, *more], [time, time, *when])
                family = Family(base, "time of input 1", "time", 0)
                values = (time - BESIDE, time + BESIDE)
                if not all(self.admits(family.at(v)) for v in values):
                    continue
                first, last = (self.try_to_run(family.at(v)) for v in values)
                if first is None or last is None:
                    continue
                if late and not both_spike(first, last, time):
                    continue
                if describe_change(first, last, base.duration):
                    witness = self.confirm(condition.name, family, values)
                    if witness is not None:
                        return witness
        return None

    def try_pile_up(self, condition: Condition) -> Witness | None:
        """Spikes that pile up: their number before T changes by many within 1e-9."""
        V = self.model.spike.variable.name
        for weight in [0.0, *self.list_weights(condition)]:
            base = self.make([weight] if weight else [], [self.scale / 4] if weight else [])
            if not self.admits(base):
                continue
            for distance in (None, 0.3, 0.05):
                trial = base
                if distance is not None:
                    found = self.find_start(base, distance)
                    if found is None:
                        continue
                    trial = found
                spikes = self.run(trial, most=MOST_SPIKES)
                if len(spikes) < MOST_SPIKES:
                    continue
                witness = self.show_pile_up(trial, spikes, V)
                if witness is not None:
                    return witness
        return None

    def find_start(self, base: Trial, distance: float) -> Trial | None:
        """The trial from closer to the surface."""
        if self.model.spike.is_blowup:
            return None
        values = {p.symbol: number(base.parameters[p.name]) for p in self.model.parameters}
        values |= {s: number(base.initial[s.name]) for s in self.boundary.others}
        theta = float(self.boundary.threshold.subs(values))
        V = self.model.spike.variable.name
        return replace(base, initial={**base.initial, V: theta - distance * max(1.0, abs(theta))})

    def show_pile_up(self, trial: Trial, spikes: Spikes, V: str) -> Witness | None:
        """The witness of a pile-up: a trial that ends in the midst of it."""
        gap = spikes[-1] - spikes[len(spikes) // 2]
        if gap > mpf(BESIDE) / 100:
            return None
        duration = float(spikes[-1]) - BESIDE / 4
        base = replace(trial, duration=duration)
        family = Family(base, f"{V}0", V)
        start = trial.initial[V]
        slope = max(abs(start), 1.0)
        for sign in (1, -1):
            values = (start - (BESIDE if sign > 0 else 0.0) * slope,
                      start + (0.0 if sign > 0 else BESIDE) * slope)  # fmt: skip
            if not values[1] - values[0] < GAP or not all(
                self.admits(family.at(v)) for v in values
            ):
                continue
            first, last = (self.run(family.at(v), DIGITS, most=MOST_SPIKES) for v in values)
            if abs(len(first) - len(last)) > 10:
                change = (
                    f"spikes pile up: {len(first)} come before T at the first value, {len(last)} "
                    f"at the second{' or more' if len(last) >= MOST_SPIKES else ''}"
                )
                return make_witness("C5", family, values, (first[:20], last[:20]), change)
        return None

    def try_kink(self, condition: Condition) -> Witness | None:
        """An input that is moved across a spike; derivatives by its time are compared."""
        for trial, spike in itertools.islice(self.list_spiking(condition), 4):
            for weight in self.list_weights(condition)[:4]:
                later = spike + self.scale / 4
                extra: list[tuple[list[float], list[float]]] = [
                    *(([w], [later]) for w in self.signed_sizes() if w in (16.0, -16.0, 128.0)),
                    ([], []),
                ]
                for more, when in extra:
                    if self.trials > MOST_TRIALS:
                        return None
                    family = self.move_across(trial, spike, [weight, *more], when)
                    witness = self.show_kink(family, spike)
                    if witness is not None:
                        return witness
        return None

    def show_kink(self, family: Family, spike: float) -> Witness | None:
        """The witness of a kink, if derivatives of some spike differ on both sides of a swap."""
        values = (spike - BESIDE, spike + BESIDE)
        if not all(self.admits(family.at(v)) for v in values):
            return None
        rough = self.compare_slopes(family, values, SEARCH_DIGITS, ROUGH_STEP)
        if rough is None:
            return None
        which, _, _, (found, _) = rough
        duration = float(found[which - 1]) + self.scale / 8  # no later spike is of interest
        family = replace(family, base=replace(family.base, duration=duration))
        compared = self.compare_slopes(family, values, DIGITS, DIFFERENCE_STEP)
        if compared is None:
            return None
        which, before, behind, spikes = compared
        change = (
            f"the derivative of spike {which} by the input's time is {mpmath.nstr(before, 8)} "
            f"before the swap and {mpmath.nstr(behind, 8)} behind it"
        )
        return make_witness("C6", family, values, spikes, change)

    def compare_slopes(
        self, family: Family, values: tuple[float, float], digits: int, step: mpf
    ) -> tuple[int, mpf, mpf, tuple[Spikes, Spikes]] | None:
        """The first spike whose derivatives by the input's time differ, and the derivatives."""
        slopes, spikes = [], []
        with mpmath.workdps(digits):
            for value in values:
                found = [self.run_exactly(family, mpf(value) + k * step, digits) for k in (-1, 1)]
                if len({len(f) for f in found}) > 1 or not 1 <= len(found[0]) < MOST_IN_SEARCH:
                    return None
                pairs = list(zip(*found, strict=True))
                spikes.append([(a + b) / 2 for a, b in pairs])
                slopes.append([(b - a) / (2 * step) for a, b in pairs])
            if len(slopes[0]) != len(slopes[1]):
                return None
            for which, (before, behind) in enumerate(zip(*slopes, strict=True), start=1):
                if abs(before - behind) > SWAP_DIFFERENCE * max(abs(before), mpf(10)):
                    return which, before, behind, (spikes[0], spikes[1])
        return None

    def run_exactly(self, family: Family, time: mpf, digits: int) -> Spikes:
        """Spike times with the moved input at a time of so many digits."""
        self.trials += 1
        trial = family.base
        neuron = self.get_neuron(trial.parameters, digits)
        times = [time if k == family.number else mpf(t) for k, t in enumerate(trial.times)]
        inputs = sorted(zip(times, map(mpf, trial.weights), strict=True), key=lambda i: i[0])
        initial = [mpf(trial.initial[s.name]) for s in self.model.state]
        return neuron.run(initial, inputs, mpf(trial.duration), most=MOST_IN_SEARCH)[0]


def number(value: float) -> sp.Expr:
    """A float as the rational number that it is."""
    return sp.Rational(value)


def solve_for(expression: sp.Expr, symbol: sp.Symbol) -> list[sp.Expr]:
    """Real roots of an expression in one symbol, as rational numbers close to them."""
    numerator = sp.fraction(sp.together(expression))[0]
    if not numerator.is_polynomial(symbol) or numerator.free_symbols - {symbol}:
        return []
    polynomial = sp.Poly(numerator, symbol)
    if polynomial.degree() < 1:
        return []
    roots = [complex(r) for r in polynomial.nroots(n=30, maxsteps=200)]
    return [sp.Rational(r.real) for r in roots if abs(r.imag) < 1e-12 * (1 + abs(r))]


def both_spike(first: Spikes, last: Spikes, time: float) -> bool:
    """Whether both spike trains have a spike at a time, and equally many before."""
    near = [
        [k for k, t in enumerate(s) if abs(t - mpf(time)) < 100 * BESIDE] for s in (first, last)
    ]
    return bool(near[0]) and near[0] == near[1]


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
