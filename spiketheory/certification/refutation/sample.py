"""Points of the region in floating point, and what inputs and resets do there.

Thousands of points are looked at before a trial is run: only those are tried at which an input or a
reset does something that spike times may notice. Nothing here is a proof.
"""

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sympy as sp
from sympy.core.relational import Relational

from spiketheory.certification.boundary import Boundary
from spiketheory.certification.region import Range, Region
from spiketheory.language.symbols import WEIGHT

SEED = 20250321
NEAR = 1e-3
"""Next to an end of a range: this far, relative to its length."""

Values = dict[sp.Symbol, float]
NOT_DEFINED = (ArithmeticError, ValueError, TypeError)
"""What an expression raises where it is not defined. A time limit is none of these."""


def compile_floats(
    symbols: Sequence[sp.Symbol], expressions: Sequence[sp.Expr]
) -> Callable[[Mapping[sp.Symbol, float]], list[float] | None]:
    """Expressions as a function of values by symbol; None where they are not finite numbers."""
    function = sp.lambdify(tuple(symbols), list(expressions), "math", cse=True, dummify=True)

    def evaluate(values: Mapping[sp.Symbol, float]) -> list[float] | None:
        try:
            found = [float(v) for v in function(*(values[s] for s in symbols))]
        except NOT_DEFINED:
            return None
        return found if all(map(math.isfinite, found)) else None

    return evaluate


class Sampler:
    """Draws points of a region: values of parameters, states and two weights, by symbol.

    Args:
        boundary: The model.
        region: What is admissible.
        second: The weight of a second input.
    """

    def __init__(self, boundary: Boundary, region: Region, second: sp.Symbol) -> None:
        self.model, self.region, self.second = boundary.model, region, second
        self.parameters = [p.symbol for p in self.model.parameters]
        self.defaults = {p.symbol: float(p.default) for p in self.model.parameters}
        self.symbols = (*self.parameters, *self.model.state, WEIGHT)
        self.free = sorted(region.ranges, key=str)
        self.write = compile_floats(self.free, [region.express(s) for s in self.symbols])
        self.spans = {s: read_span(r) for s, r in region.ranges.items()}
        self.ends = {s: end for s, end in self.spans.items() if s in self.defaults}
        known = set(self.symbols)
        self.tests = [
            compile_relation(r, self.symbols)
            for r in region.relations if r.free_symbols <= known
        ]  # fmt: skip

    def admits(self, values: Mapping[sp.Symbol, float]) -> bool:
        """Whether values of all symbols obey the assumptions, as far as floats can tell."""
        return all(test(values) for test in self.tests)

    def draw(self, count: int, seed: int = SEED) -> Iterator[Values]:
        """Points of the region, the first ones with parameters at their defaults."""
        source = random.Random(seed)
        for number in range(count):
            free = {s: draw_float(self.spans[s], source) for s in self.free}
            if number % 3 != 2:
                free |= {s: v for s, v in self.defaults.items() if s in free}
            point = self.complete(free)
            if point is None:
                continue
            again = dict(free)
            if WEIGHT in again:
                again[WEIGHT] = draw_float(self.spans[WEIGHT], source)
            other = self.complete(again)
            if other is not None:
                yield point | {self.second: other[WEIGHT]}

    def complete(self, free: Mapping[sp.Symbol, float]) -> Values | None:
        """All symbols at values of the free ones; None if they break an assumption."""
        found = self.write(free)
        if found is None:
            return None
        values = dict(zip(self.symbols, found, strict=True))
        return values if self.admits(values) else None

    def list_edges(self) -> Iterator[dict[str, float]]:
        """Parameters with one of them next to an end of its range, the others at their defaults."""
        defaults = {s.name: v for s, v in self.defaults.items()}
        for symbol, (low, high, low_open, high_open) in self.ends.items():
            value = self.defaults[symbol]
            size = high - low if math.isfinite(high - low) else max(abs(value), 1.0)
            for near in (NEAR, 1e-6):
                if math.isfinite(low):
                    yield {**defaults, symbol.name: low + near * size if low_open else low}
                if math.isfinite(high):
                    yield {**defaults, symbol.name: high - near * size if high_open else high}


def read_span(span: Range) -> tuple[float, float, bool, bool]:
    """Ends of a range, and whether they are left out."""
    return float(span.low), float(span.high), span.low_open, span.high_open


def compile_relation(
    relation: sp.Basic, symbols: Sequence[sp.Symbol]
) -> Callable[[Mapping[sp.Symbol, float]], bool]:
    """A relation as a test of values by symbol."""
    if not isinstance(relation, Relational):
        return lambda _: relation == sp.true
    function: Callable[..., Any] = sp.lambdify(tuple(symbols), relation, "math", dummify=True)

    def test(values: Mapping[sp.Symbol, float]) -> bool:
        try:
            return bool(function(*(values[s] for s in symbols)))
        except NOT_DEFINED:
            return False

    return test


def draw_float(span: tuple[float, float, bool, bool], source: random.Random) -> float:
    """A number of a range: in its midst, next to an end, at one, or far away."""
    low, high, low_open, high_open = span
    size = 2.0 ** source.uniform(-5, 9)
    kind = source.random()
    if math.isfinite(low) and math.isfinite(high):
        if kind < 0.15:
            return low + (NEAR * (high - low) if low_open else 0.0)
        if kind < 0.3:
            return high - (NEAR * (high - low) if high_open else 0.0)
        return low + (high - low) * source.random()
    if math.isfinite(low):
        return low if kind < 0.15 and not low_open else low + size
    if math.isfinite(high):
        return high if kind < 0.15 and not high_open else high - size
    return 0.0 if kind < 0.15 else source.choice((-1, 1)) * size


@dataclass(frozen=True, kw_only=True)
class Find:
    """A point at which an input does something that spike times may notice.

    Attributes:
        rule: What kind of counterexample it may lead to.
        size: How strong the effect is.
        values: Parameters, state and weights by symbol.
    """

    rule: str
    size: float
    values: Values

    @property
    def promise(self) -> float:
        """The effect, less where numbers are extreme."""
        return min(self.size, 1.0) / (1 + sum(math.log2(1 + abs(v)) for v in self.values.values()))


class Surface:
    """What inputs and resets do on the spike surface and before it, in floats.

    Args:
        boundary: The model on its spike surface.
        second: The weight of a second input.
    """

    def __init__(self, boundary: Boundary, second: sp.Symbol) -> None:
        self.boundary, self.model, self.second = boundary, boundary.model, second
        model = self.model
        self.V, self.others = model.spike.variable, boundary.others
        self.known = (*(p.symbol for p in model.parameters), *model.state, WEIGHT)
        threshold = sp.S.Zero if model.spike.is_blowup else boundary.threshold
        velocity = boundary.arriving.velocity[0]
        self.threshold = compile_floats(self.known, [threshold])
        self.speed = compile_floats(self.known, [-velocity])
        stretch = sp.S.One if boundary.stretch is None else boundary.stretch
        self.stretch = compile_floats(self.known, [stretch])
        self.jump = compile_floats(self.known, model.jump)
        at_infinity = [sp.S.Zero if s == self.V else j
                       for s, j in zip(model.state, model.jump, strict=True)]  # fmt: skip
        self.jump_far = compile_floats(self.known, at_infinity)
        reset = [sp.S.Zero if r.has(sp.oo, -sp.oo) else r for r in model.reset]
        self.reset = compile_floats(self.known, reset)
        self.lands_far = any(r.has(sp.oo, -sp.oo) for r in model.reset)
        height = model.spike.value - self.V if not model.spike.is_blowup else sp.S.One
        self.distance = compile_floats(self.known, [height])

    def put(self, values: Values, state: Sequence[float]) -> Values:
        """Values with another state."""
        return {**values, **dict(zip(self.model.state, state, strict=True))}

    def place(self, values: Values) -> Values | None:
        """Values with V on the surface; 0 if that is at infinity."""
        found = self.threshold(values)
        return None if found is None else {**values, self.V: found[0]}

    def judge_swap(self, values: Values) -> Find | None:
        """What an input makes of a spike that comes at the same time (V is taken to be there)."""
        at = self.place(values)
        speed = self.speed(at) if at is not None else None
        stretch = self.stretch(at) if at is not None else None
        if at is None or speed is None or stretch is None or not speed[0] > 0:
            return None
        if stretch[0] <= 0:
            return Find(rule="R3", size=1.0, values=at)
        jumped = (self.jump_far if self.model.spike.is_blowup else self.jump)(at)
        if jumped is None:
            return None
        behind = self.put(at, jumped)
        distance = self.distance(behind)
        if distance is None:
            return None
        small = 1e-9 * (1 + abs(behind[self.V]))
        if not self.model.spike.is_blowup and distance[0] > small:
            return Find(rule="R3", size=distance[0], values=at)
        if self.model.spike.is_blowup or abs(distance[0]) <= small:
            turned = self.speed(behind)
            if turned is not None and turned[0] < -1e-9 * (1 + speed[0]):
                return Find(rule="R1t", size=-turned[0], values=at)
        first, landed = self.reset(behind), self.reset(at)
        if first is None or landed is None:
            return None
        jump = self.jump_far if self.lands_far else self.jump
        last = jump(self.put(at, landed))
        size = None if last is None else measure_difference(first, last)
        return None if not size else Find(rule="R4", size=size, values=at)

    def judge_inputs(self, values: Values) -> Find | None:
        """What the order of two simultaneous inputs changes."""
        one = self.apply(values, (WEIGHT, self.second))
        other = self.apply(values, (self.second, WEIGHT))
        distance = self.distance(values)
        if one is None or other is None or distance is None or not distance[0] > 0:
            return None
        if one[1] != other[1]:
            return Find(rule="R3", size=1.0, values=values)
        size = measure_difference(one[0], other[0])
        return None if not size else Find(rule="R4", size=size, values=values)

    def apply(self, values: Values, weights: Sequence[sp.Symbol]) -> tuple[list[float], int] | None:
        """The state after inputs and the spikes that they cause at once, and how many these are."""
        now, spikes = dict(values), 0
        for weight in weights:
            found = self.jump({**now, WEIGHT: values[weight]})
            if found is None:
                return None
            now = self.put(now, found)
            for _ in range(4):
                distance = self.distance(now)
                if distance is None:
                    return None
                if distance[0] > 0:
                    break
                landed = self.reset(now)
                if landed is None:
                    return None
                now, spikes = self.put(now, landed), spikes + 1
            else:
                return None
        return [now[s] for s in self.model.state], spikes


def measure_difference(first: Sequence[float], last: Sequence[float]) -> float:
    """The largest relative difference of two states; 0 if rounding may have made it."""
    size = max(abs(a - b) / (1 + abs(a) + abs(b)) for a, b in zip(first, last, strict=True))
    return size if size > 1e-9 else 0.0
