"""Searches for grazes and for jumps across the surface (C1, C2)."""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator

import sympy as sp
from mpmath import mpf

from spiketheory.certification.certificate import Condition, Witness
from spiketheory.certification.refutation.bench import BESIDE, SIZES, Bench, Family
from spiketheory.certification.refutation.sample import Find, Values, compile_floats
from spiketheory.certification.refutation.swaps import DRAWN, SPANS, carry_back, list_driven
from spiketheory.certification.refutation.trial import TIME_OF, WEIGHT_OF
from spiketheory.language.symbols import WEIGHT
from spiketheory.reference.neuron import MARK

MOST_GRAZES = 8
MOST_PAIRS = 60
HALVINGS = 200
ROUNDING = 1e-9


def try_weights(bench: Bench, condition: Condition) -> Witness | None:
    """One input from rest with parameters at their defaults; its weight is moved."""
    return scan_weights(bench, condition, [bench.defaults])


def try_weights_at_edges(bench: Bench, condition: Condition) -> Witness | None:
    """The same where the condition is known to be false, and next to ends of domains."""
    points = filter(None, map(bench.complete_point, bench.list_points(condition)))
    found = [bench.name_parameters(p) for p in points]
    return scan_weights(bench, condition, [*found, *bench.sampler.list_edges()])


def scan_weights(
    bench: Bench, condition: Condition, parameters: Iterable[dict[str, float]]
) -> Witness | None:
    """One input from rest at several parameters; its weight is moved."""
    for values in parameters:
        rest = bench.find_rest(values)
        if rest is None:
            continue
        base = bench.make([1.0], [bench.find_scale(values) / 2], initial=rest, parameters=values)
        family = Family(base, WEIGHT_OF)
        weights = bench.signed_sizes()
        for side in ([w for w in weights if w > 0], [w for w in weights if w < 0]):
            witness = bench.scan(condition.name, family, side)
            if witness is not None or bench.is_spent:
                return witness
    return None


def try_inhibition(bench: Bench, condition: Condition) -> Witness | None:
    """An input that makes the neuron spike, and an opposite one whose time is moved."""
    for trial, spike in itertools.islice(list_driven(bench), 2):
        start, size = trial.times[0], trial.weights[0]
        for factor in (-2.0, -8.0):
            base = bench.make([size, factor * size], [start, start])
            if not bench.admits(base):
                continue
            family = Family(base, TIME_OF, 1)
            values = [(start + 3 * spike) / 4, (spike + 9 * base.duration) / 10]
            witness = bench.scan(condition.name, family, values)
            if witness is not None or bench.is_spent:
                return witness
    return None


def try_jump(bench: Bench, condition: Condition) -> Witness | None:
    """An input to a state from which V does not rise to the threshold; its weight is moved."""
    if bench.model.spike.is_blowup:
        return None
    finds = []
    for values in bench.sampler.draw(DRAWN):
        found = judge_jump(bench, values)
        if found is not None:
            finds.append(found)
    finds.sort(key=lambda f: (not bench.is_usual(f.values), -f.promise))
    for find, part in itertools.product(finds[:MOST_GRAZES], (2.0**-8, 2.0**-16)):
        witness = show_jump(bench, condition, find, part)
        if witness is not None or bench.is_spent:
            return witness
    return None


def judge_jump(bench: Bench, values: Values) -> Find | None:
    """A weight that takes a state exactly to the surface, where V falls."""
    weight = find_touching_weight(bench, values)
    if weight is None:
        return None
    jumped = bench.surface.jump({**values, WEIGHT: weight})
    if jumped is None:
        return None
    speed = bench.surface.speed(bench.surface.put(values, jumped))
    if speed is None or not speed[0] < -ROUNDING:
        return None
    return Find(rule="R2", size=-speed[0], values={**values, WEIGHT: weight})


def find_touching_weight(bench: Bench, values: Values) -> float | None:
    """A weight between the two of a point with which an input leads exactly to the surface."""
    surface = bench.surface

    def distance(weight: float) -> float:
        jumped = surface.jump({**values, WEIGHT: weight})
        found = None if jumped is None else surface.distance(surface.put(values, jumped))
        return math.nan if found is None else found[0]

    start = surface.distance(values)
    if start is None or not start[0] > 0:
        return None
    return find_zero(distance, values[WEIGHT], values[bench.second])


def find_zero(function: Callable[[float], float], first: float, last: float) -> float | None:
    """A zero between two places at which a function has different signs."""
    at_first, at_last = function(first), function(last)
    if not at_first * at_last < 0:
        return None
    for _ in range(HALVINGS):
        middle = (first + last) / 2
        value = function(middle)
        if math.isnan(value) or middle in (first, last):
            break
        if (value > 0) == (at_first > 0):
            first = middle
        else:
            last = middle
    return (first + last) / 2


def show_jump(bench: Bench, condition: Condition, find: Find, part: float) -> Witness | None:
    """The witness of a jump onto the surface, from a short time after the start."""
    parameters = bench.name_parameters(find.values)
    scale = bench.find_scale(parameters)
    initial = {s.name: find.values[s] for s in bench.model.state}
    time = part * scale
    alone = bench.visit(bench.make(initial=initial, parameters=parameters, duration=time))
    if alone is None or any(v.what != MARK for v in alone[1:]):
        return None
    state = dict(zip(bench.model.state, map(float, alone[-1].state), strict=True))
    spread = 1e-2 * (1 + abs(find.values[WEIGHT]))
    near = {WEIGHT: find.values[WEIGHT] - spread, bench.second: find.values[WEIGHT] + spread}
    weight = find_touching_weight(bench, find.values | state | near)
    if weight is None:
        return None
    base = bench.make([weight], [time], initial=initial, parameters=parameters,
                      duration=time + 4 * scale)  # fmt: skip
    return bench.try_family(
        condition.name, Family(base, WEIGHT_OF), weight - BESIDE / 2, weight + BESIDE / 2
    )


def try_graze(bench: Bench, condition: Condition) -> Witness | None:
    """A state carried back from where the surface is grazed; V at the start is moved."""
    if bench.model.spike.is_blowup:
        return None
    for values in itertools.islice(list_grazes(bench, condition), MOST_GRAZES):
        parameters = bench.name_parameters(values)
        scale = bench.find_scale(parameters)
        place = [mpf(values[s]) for s in bench.model.state]
        for part in (1 / 2, *SPANS):
            state = carry_back(bench, parameters, place, part * scale)
            if state is None:
                continue
            initial = {s.name: float(v) for s, v in zip(bench.model.state, state, strict=True)}
            base = bench.make(initial=initial, parameters=parameters,
                              duration=part * scale + 4 * scale)  # fmt: skip
            family, start = Family(base, bench.V), initial[bench.V]
            witness = bench.try_family(
                condition.name, family, start - BESIDE / 2, start + BESIDE / 2
            )
            if witness is None:
                spread = 1e-3 * max(abs(start), abs(values[bench.model.spike.variable]), 1e-3)
                witness = bench.scan(condition.name, family, [start - spread, start + spread])
            if witness is not None or bench.is_spent:
                return witness
    return None


def list_grazes(bench: Bench, condition: Condition) -> Iterator[Values]:
    """Places on the surface where V stands still and turns down."""
    surface, model = bench.surface, bench.model
    height = model.spike.variable - bench.boundary.threshold
    turn = compile_floats(bench.surface.known, [find_rate(bench, find_rate(bench, height))])
    points = [*filter(None, map(bench.complete_point, bench.list_points(condition)))]
    rising: list[Values] = []
    falling: list[Values] = []
    for values in (*points, *bench.sampler.draw(DRAWN)):
        at = surface.place(values)
        speed = surface.speed(at) if at is not None else None
        if at is None or speed is None or not bench.sampler.admits(at):
            continue
        (rising if speed[0] > 0 else falling).append(at)
    for group in (falling, rising):
        group.sort(key=lambda v: not bench.is_usual(v))
    for one, other in itertools.islice(zip(rising, itertools.cycle(falling or [{}]), strict=False),
                                       MOST_PAIRS):  # fmt: skip
        found = find_standstill(bench, one, other) if other else None
        if found is None:
            continue
        bend = turn(found)
        if bend is not None and bend[0] < -ROUNDING:
            yield found


def find_rate(bench: Bench, expression: sp.Expr) -> sp.Expr:
    """The time derivative of an expression along the flow."""
    model = bench.model
    return sum(
        (expression.diff(s) * f for s, f in zip(model.state, model.derivatives, strict=True)),
        sp.S.Zero,
    )


def find_standstill(bench: Bench, one: Values, other: Values) -> Values | None:
    """A place on the surface between two others, where V rises and falls, at which it stands."""
    surface = bench.surface

    def between(part: float) -> Values | None:
        return surface.place({s: v + part * (other[s] - v) for s, v in one.items()})

    def speed(part: float) -> float:
        at = between(part)
        found = surface.speed(at) if at is not None else None
        return math.nan if found is None else found[0]

    part = find_zero(speed, 0.0, 1.0)
    at = between(part) if part is not None else None
    return at if at is not None and bench.sampler.admits(at) else None


def try_parameters(bench: Bench, condition: Condition) -> Witness | None:
    """A trial that is driven; one of its parameters is moved."""
    for trial, _ in itertools.islice(list_driven(bench), 1):
        for parameter in bench.model.parameters:
            low, high, _, _ = bench.sampler.ends.get(
                parameter.symbol, (-math.inf, math.inf, True, True)
            )
            value = float(parameter.default)
            sizes = [s * (abs(value) or 1.0) for s in SIZES[::2]]
            values = {value, *(v for s in sizes for v in (s, -s) if low < v < high)}
            values |= {v for v in (low, high) if math.isfinite(v)}
            witness = bench.scan(condition.name, Family(trial, parameter.name), sorted(values))
            if witness is not None or bench.is_spent:
                return witness
    return None
