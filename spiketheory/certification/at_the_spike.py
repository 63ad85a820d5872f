r"""Obligations at the spike: lemmas L1 to L4 and L7 (docs/certificates.md).

With the charts of `spiketheory.certification.boundary`, rho the distance to the spike, F its field,
J an input and R the reset, on the spike surface Sigma where rho is 0:

- L1: $-\dot\rho > 0$ on Sigma, or (L1t) the first derivative of rho that does not vanish there is
  negative and of odd order.
- L2: $\rho(J s) > 0$ where $\rho(s) > 0$. L3: $\rho(J s) = 0$ on Sigma.
- L4: $R J s = J R s$ on Sigma, $J_v J_w s = J_w J_v s$ everywhere.
- L7: with $\delta_w(s) = \mathrm{D}J_w F(s) - F(J_w s)$: $\nabla\rho\,\delta_w(s) = 0$ (a) and
  $\delta_w(R s) = \mathrm{D}R(J_w s)\,\delta_w(s)$ on Sigma (b);
  $\delta_w(J_v s) = \mathrm{D}J_v(J_w s)\,\delta_w(s)$ everywhere (c).
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations

import sympy as sp

from spiketheory.certification.boundary import Boundary, split
from spiketheory.certification.claims import Claim, Obligation, Way, ask_for, tidy
from spiketheory.certification.region import Range, Region
from spiketheory.certification.regularity import apply_inputs, second_weight
from spiketheory.language.model import NeuronModel
from spiketheory.language.symbols import WEIGHT, constant_symbol

HIGHEST_ORDER = 7
"""Derivatives of rho that L1t looks at."""


def list_crossing(boundary: Boundary, region: Region) -> Iterator[Obligation]:
    """C1 by L1: the distance to the spike falls on the surface."""
    model = boundary.model
    for number, (expression, reason) in enumerate(boundary.requirements):
        yield ask_for(f"L1.chart.{number}", "C1", "L1", reason, expression, "> 0", region)
    speed = sp.factor(-boundary.arriving.velocity[0])
    words = f"{boundary.arriving.name} falls at the speed {speed} on the surface"
    if not boundary.requirements:
        words = f"{model.spike.variable} crosses {boundary.threshold} at the speed {speed}"
    claim = Claim(text=words, expression=speed, relation="> 0", region=region)
    ways = [Way(lemma="L1", claims=(claim,))]
    edge = list_edge(boundary, speed, region)
    if edge is not None:
        ways.append(Way(lemma="L1e", claims=edge))
    touching = list_touching(boundary, speed, region)
    if touching is not None:
        ways.append(Way(lemma="L1t", claims=touching, continuous_only=True))
    yield Obligation(key="L1.crossing", condition="C1", ways=tuple(ways))


def list_edge(boundary: Boundary, speed: sp.Expr, region: Region) -> tuple[Claim, ...] | None:
    """The claims of L1e, if the speed is a sum of distances to closed bounds."""
    model, V, theta = boundary.model, boundary.model.spike.variable, boundary.threshold
    gaps = find_gaps(model, region, speed)
    if model.spike.is_blowup or not gaps:
        return None
    written = region.express(speed)
    shifted = sp.expand(written.subs({g: place for g, (_, place, _) in gaps.items()}))
    dummies = [u for _, _, u in gaps.values()]
    if not shifted.is_polynomial(*dummies):
        return None
    polynomial = sp.Poly(shifted, *dummies)
    if polynomial.total_degree() != 1 or polynomial.eval(dict.fromkeys(dummies, 0)) != 0:
        return None
    claims = []
    used = [(g, *gaps[g]) for g in gaps if polynomial.degree(gaps[g][2]) == 1]
    on_edge = {g: place.subs(u, 0) for g, _, place, u in used}
    for _, distance, _, dummy in used:
        factor = polynomial.coeff_monomial(dummy)
        claims.append(Claim(text=f"the speed has the factor {factor} > 0 before {distance} >= 0",
                            expression=factor, relation="> 0", region=region))  # fmt: skip
        drift = sum(
            (distance.diff(s) * f for s, f in zip(model.state, model.derivatives, strict=True)),
            sp.S.Zero,
        ).subs(V, theta)
        stands = region.express(drift).subs(on_edge)
        claims.append(Claim(text=f"where the speed is 0 on the surface {distance} stands still",
                            expression=stands, relation="= 0", region=region))  # fmt: skip
        moved = distance.subs(dict(zip(model.state, model.jump, strict=True)), simultaneous=True)
        grows = (moved - distance).subs(V, theta)
        claims.append(Claim(text=f"an input does not lessen {distance}", expression=grows,
                            relation=">= 0", region=region))  # fmt: skip
    return tuple(claims)


def find_gaps(
    model: NeuronModel, region: Region, speed: sp.Expr
) -> dict[sp.Symbol, tuple[sp.Expr, sp.Expr, sp.Symbol]]:
    """Closed bounds of free symbols: distance in model symbols, symbol by distance, the distance.

    Of a gap that `build_region` made, the distance is what was bounded minus its bound, if that
    can be said without other gaps: a gap is no constant in time.
    """
    own = {*model.state, *(p.symbol for p in model.parameters)}
    found = {}
    for symbol in sorted(region.express(speed).free_symbols, key=str):
        span = region.ranges[symbol]
        distance = constant_symbol(f"distance_{symbol.name}", nonnegative=True)
        if span.low.is_finite and not span.low_open:
            owner = [(s, v) for s, v in region.values.items() if v.has(symbol)]
            if symbol in own:
                found[symbol] = (symbol - span.low, span.low + distance, distance)
            elif len(owner) == 1 and owner[0][1].diff(symbol) in (1, -1):
                whole, value = owner[0]
                sign = value.diff(symbol)
                gap = sign * (whole - value.subs(symbol, 0))
                if gap.free_symbols <= own:
                    found[symbol] = (gap, distance, distance)
        elif span.high.is_finite and not span.high_open and span.low == -sp.oo:
            found[symbol] = (span.high - symbol, span.high - distance, distance)
    return found


def list_touching(boundary: Boundary, speed: sp.Expr, region: Region) -> tuple[Claim, ...] | None:
    """The claims of L1t, if the zeros of the speed on the surface can be solved for."""
    model = boundary.model
    if model.spike.is_blowup or any(d.has(sp.Abs, sp.Piecewise) for d in model.derivatives):
        return None
    V, theta = model.spike.variable, boundary.threshold
    claims = [
        Claim(
            text=f"the speed {speed} is nowhere negative on the surface",
            expression=speed,
            relation=">= 0",
            region=region,
        )
    ]
    factors = [f.as_base_exp()[0] for f in sp.Mul.make_args(speed) if f.free_symbols]
    for factor in factors:
        zero = find_zero(factor, boundary.others)
        if zero is None:
            claims.append(
                Claim(
                    text=f"{factor} is positive", expression=factor, relation="> 0", region=region
                )
            )
            continue
        symbol, place = zero
        found = find_order(model, V - theta, {V: theta}, {symbol: place})
        if found is None:
            return None
        order, rise = found
        claims.append(
            Claim(
                text=f"at {symbol} = {place} the derivative of order {order} of {V} - {theta}, the "
                f"first that does not vanish, is {rise} > 0 and of odd order",
                expression=rise,
                relation="> 0",
                region=region,
            )
        )
    return tuple(claims)


def find_zero(factor: sp.Expr, symbols: Sequence[sp.Symbol]) -> tuple[sp.Symbol, sp.Expr] | None:
    """Where a factor that is linear in one of some symbols, with a number before it, is zero."""
    for symbol in symbols:
        slope = sp.expand(factor).diff(symbol)
        if slope.is_number and slope != 0:
            return symbol, sp.expand(-sp.expand(factor).subs(symbol, 0) / slope)
    return None


def find_order(
    model: NeuronModel, height: sp.Expr, *places: dict[sp.Symbol, sp.Expr]
) -> tuple[int, sp.Expr] | None:
    """The first derivative of the height in time that does not vanish, if it is of odd order."""
    for order in range(1, HIGHEST_ORDER + 1):
        height = sum(
            (height.diff(s) * f for s, f in zip(model.state, model.derivatives, strict=True)),
            sp.S.Zero,
        )
        value = height
        for place in places:
            value = value.subs(place, simultaneous=True)
        value = sp.factor(value)
        if value != 0:
            return (order, value) if order % 2 else None
    return None


def include_distance(boundary: Boundary, region: Region) -> Region:
    """The region with the distance to the spike as a positive variable."""
    return replace(region, ranges={**region.ranges, boundary.distance: Range(low=sp.S.Zero)})


def list_jump(boundary: Boundary, region: Region) -> Iterator[Obligation]:
    """C2 by L2: a positive distance stays positive."""
    rho, jumped = boundary.distance, boundary.distance_jumped
    if jumped is None:  # V, and what is added to it, are finite: H2
        return
    jumped = tidy(jumped)
    inside = include_distance(boundary, region)
    words = f"at a distance {rho} > 0 an input leaves the distance {jumped} > 0"
    if jumped == rho:
        words = "an input leaves the distance to the threshold alone"
    whole = Claim(text=words, expression=jumped, relation="> 0", region=inside)
    ways = [Way(lemma="L2", claims=(whole,))]
    start, slope = jumped.subs(rho, 0), tidy(jumped.diff(rho))
    if not slope.has(sp.Derivative):
        closed = replace(inside, ranges={
            **inside.ranges, rho: Range(low=sp.S.Zero, low_open=False),
        })  # fmt: skip
        touching = Claim(
            text=f"an input on the surface stays on it: {start} = 0", expression=start,
            relation="= 0", region=region,
        )  # fmt: skip
        rising = Claim(
            text=f"the distance after an input grows with that before it: {slope} > 0",
            expression=slope, relation="> 0", region=closed,
        )  # fmt: skip
        ways.append(Way(lemma="L2", claims=(touching, rising)))
    yield Obligation(key="L2.jump", condition="C2", ways=tuple(ways))


def list_neutral(boundary: Boundary, region: Region) -> Iterator[Obligation]:
    """C3 by L3: on the surface an input stays on the surface."""
    V = boundary.model.spike.variable
    if boundary.stretch is not None:
        yield ask_for(
            "L3.stretch", "C3", "L3", f"an input at a large {V} leaves it large: its factor "
            f"{boundary.stretch} is positive", boundary.stretch, "> 0", region,
        )  # fmt: skip
        return
    left = tidy(boundary.arriving.jumped[0])
    words = "an input on the surface leaves the state on it"
    if left != 0:
        words = f"an input on the surface moves the state away from it by {left} = 0"
    yield ask_for("L3.neutral", "C3", "L3", words, left, "= 0", region)


def apply_both(boundary: Boundary) -> tuple[tuple[sp.Expr, sp.Expr], ...]:
    """Coordinates after input then reset, and after reset then input."""
    model = boundary.model
    jumped = boundary.arriving.jumped
    if boundary.distance_jumped is None:
        first = tuple(boundary.move(e, jumped[1:]) for e in boundary.landing)
        return tuple(zip(first, boundary.leaving.jumped, strict=True))
    threshold = boundary.move(boundary.threshold, jumped[1:])
    state = dict(zip(boundary.others, jumped[1:], strict=True))
    state[model.spike.variable] = threshold - jumped[0]
    first = tuple(e.subs(state, simultaneous=True) for e in model.reset)
    return tuple(zip(first, boundary.leaving.jumped, strict=True))


def list_order(boundary: Boundary, region: Region) -> Iterator[Obligation]:
    """C4 by L4: input and reset commute, and so do two inputs."""
    for symbol, (first, second) in zip(list_leaving(boundary), apply_both(boundary), strict=True):
        words = f"{symbol} is {second} after reset and input in either order"
        if tidy(first - second) != 0:
            words = f"{symbol} is {first} after input and reset, {second} after reset and input"
        yield ask_for(f"L4.order.{symbol}", "C4", "L4", words, first - second, "= 0", region)
    model = boundary.model
    second_input, both = include_second(model, region)
    one = apply_inputs(model, WEIGHT, second_input)
    other = apply_inputs(model, second_input, WEIGHT)
    for symbol, first, last in zip(model.state, one, other, strict=True):
        difference = tidy(first - last)
        words = f"{symbol} is the same after two simultaneous inputs in either order"
        if difference != 0:
            words = f"{symbol} differs by {difference} between the orders of two inputs"
        yield ask_for(f"L4.inputs.{symbol}", "C4", "L4", words, first - last, "= 0", both)


def list_pairs(model: NeuronModel, region: Region) -> Iterator[Obligation]:
    """C4 by L4 for inputs at two ports: they commute."""
    second, both = include_second(model, region)
    for (left, early), (right, late) in combinations(model.jumps, 2):
        one = follow(model, early, WEIGHT, late, second)
        other = follow(model, late, second, early, WEIGHT)
        for symbol, first, last in zip(model.state, one, other, strict=True):
            difference = tidy(first - last)
            words = f"{symbol} is the same after inputs at {left} and {right} in either order"
            if difference != 0:
                words = f"{symbol} differs by {difference} between the orders of inputs at {left} "
                words += f"and {right}"
            yield ask_for(
                f"L4.inputs.{symbol}@{left},{right}", "C4", "L4", words, first - last, "= 0", both
            )


def follow(
    model: NeuronModel, first: Sequence[sp.Expr], weight: sp.Symbol, then: Sequence[sp.Expr],
    second: sp.Symbol,
) -> tuple[sp.Expr, ...]:  # fmt: skip
    """The state after one jump of some weight and then another."""
    before = dict(zip(model.state, (e.subs(WEIGHT, weight) for e in first), strict=True))
    return tuple(e.subs(WEIGHT, second).subs(before, simultaneous=True) for e in then)


def list_leaving(boundary: Boundary) -> tuple[sp.Symbol, ...]:
    """The coordinates in which a neuron leaves the spike, in their order."""
    if boundary.leaves_infinity:
        return (boundary.model.spike.variable, *boundary.others)
    return boundary.model.state


def include_second(model: NeuronModel, region: Region) -> tuple[sp.Symbol, Region]:
    """The weight of a second input, and the region with it."""
    second = second_weight(model)
    if WEIGHT in region.solved:  # an equality says what every weight is
        return second, replace(region, values={**region.values, second: region.values[WEIGHT]})
    ranges = {**region.ranges, second: region.ranges.get(WEIGHT, Range())}
    return second, replace(region, ranges=ranges)


def list_gap(boundary: Boundary, region: Region) -> Iterator[Obligation]:
    """C5, its first part: the reset lands before the surface."""
    if boundary.distance_jumped is None:
        return
    gap = find_gap(boundary)
    words = f"the reset lands at the distance {gap} > 0"
    yield ask_for("L5.gap", "C5", "L5", words, gap, "> 0", region)


def find_gap(boundary: Boundary) -> sp.Expr:
    """The distance to a threshold right after the reset, in terms of the state on the surface."""
    V = boundary.model.spike.variable
    reset, resets = split(boundary.model, boundary.model.reset)
    at = boundary.move(boundary.threshold, [r.subs(V, boundary.threshold) for r in resets])
    return tidy(at - reset.subs(V, boundary.threshold))


def list_swap(boundary: Boundary, region: Region) -> Iterator[Obligation]:
    """C6 by L7a and L7b: input and reset commute to first order."""
    jumped = boundary.arriving.jumped[1:]

    def after(expression: sp.Expr) -> sp.Expr:
        return boundary.move(expression, jumped)

    arrive, leave = sp.Matrix(boundary.arriving.velocity), sp.Matrix(boundary.leaving.velocity)
    shift = boundary.arriving.slope * arrive - arrive.applyfunc(after)
    yield ask_for(
        "L7a", "C6", "L7a", "the derivative of the spike's own time by an input's time is 0 just "
        f"before the spike, as it is behind it: {tidy(shift[0])} = 0", shift[0], "= 0",
        region,
    )  # fmt: skip
    behind = boundary.leaving.slope * leave - move_landing(boundary)
    before = boundary.landing_slope.applyfunc(after) * shift
    for symbol, first, second in zip(list_leaving(boundary), before, behind, strict=True):
        difference = second - first
        yield ask_for(
            f"L7b.{symbol}", "C6", "L7b", f"derivative of {symbol} after the swap by the input's "
            f"time: the two orders differ by {tidy(difference)}", difference, "= 0", region,
        )  # fmt: skip


def move_landing(boundary: Boundary) -> sp.Matrix:
    """Velocity after reset and input."""
    model = boundary.model
    if boundary.far_velocity is not None:
        far = boundary.leaving.jumped[1:]
        return sp.Matrix([boundary.move(v, far) for v in boundary.far_velocity])
    there = dict(zip(model.state, boundary.leaving.jumped, strict=True))
    return sp.Matrix([d.subs(there, simultaneous=True) for d in model.derivatives])


def list_simultaneous(model: NeuronModel, region: Region) -> Iterator[Obligation]:
    """L7c: whether derivatives by the times of two simultaneous inputs are one-sided."""
    second, both = include_second(model, region)
    moved = dict(zip(model.state, apply_inputs(model, second), strict=True))
    change = find_shift(model)
    jumped = dict(zip(model.state, model.jump, strict=True))
    slope = sp.Matrix(apply_inputs(model, second)).jacobian(model.state)
    slope = slope.subs(jumped, simultaneous=True)
    first = sp.Matrix([c.subs(moved, simultaneous=True) for c in change])
    last = slope * sp.Matrix(change)
    for symbol, one, other in zip(model.state, first, last, strict=True):
        difference = tidy(other - one)
        claim = Claim(
            text=f"derivatives of {symbol} by the times of two simultaneous inputs do not depend "
            "on their order", expression=difference, relation="= 0", region=both,
        )  # fmt: skip
        yield Obligation(
            key=f"L7c.{symbol}",
            condition="note",
            ways=(Way(lemma="L7c", claims=(claim,)),),
            text=f"Where two inputs of weights w and {second} reach the neuron at once, spike "
            "times are continuous, but their derivatives by the inputs' times are one-sided: "
            f"d{symbol}/dt differs by {difference} between the two orders.",
        )


def list_pair_notes(model: NeuronModel, region: Region) -> Iterator[Obligation]:
    """L7c for inputs at two ports: the first moves past the second."""
    second, both = include_second(model, region)
    for one, two in combinations(range(len(model.jumps)), 2):
        (left, moving), (right, staying) = model.jumps[one], model.jumps[two]
        change = find_shift(model.at_port(one))
        stays = [e.subs(WEIGHT, second) for e in staying]
        behind = dict(zip(model.state, stays, strict=True))
        ahead = dict(zip(model.state, moving, strict=True))
        slope = sp.Matrix(stays).jacobian(model.state).subs(ahead, simultaneous=True)
        first = [c.subs(behind, simultaneous=True) for c in change]
        for symbol, early, late in zip(model.state, slope * sp.Matrix(change), first, strict=True):
            difference = tidy(early - late)
            claim = Claim(
                text=f"derivatives of {symbol} by the times of simultaneous inputs at {left} and "
                f"{right} do not depend on their order", expression=difference, relation="= 0",
                region=both,
            )  # fmt: skip
            yield Obligation(
                key=f"L7c.{symbol}@{left},{right}",
                condition="note",
                ways=(Way(lemma="L7c", claims=(claim,)),),
                text=f"Where inputs of weights w at {left} and {second} at {right} reach the "
                "neuron at once, spike times are continuous, but their derivatives by the inputs' "
                f"times are one-sided: d{symbol}/dt differs by {difference} between the orders.",
            )


def find_shift(model: NeuronModel) -> tuple[sp.Expr, ...]:
    """What an input's being later by dt changes in the state behind it, divided by dt."""
    jumped = dict(zip(model.state, model.jump, strict=True))
    slope = sp.Matrix(model.jump).jacobian(model.state)
    early = slope * sp.Matrix(model.derivatives)
    late = [d.subs(jumped, simultaneous=True) for d in model.derivatives]
    return tuple(e - f for e, f in zip(early, late, strict=True))
