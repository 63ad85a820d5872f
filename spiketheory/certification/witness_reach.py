"""Searches for grazes, jumps across the surface and pile-ups (C1, C2, C5)."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace

import mpmath
import sympy as sp
from mpmath import mpf

from spiketheory.certification.certificate import Condition, Trial, Witness
from spiketheory.certification.proofs import Counterexample, draw_points
from spiketheory.certification.witness_bench import (
    GAP,
    SEARCH_DIGITS,
    SIZES,
    Bench,
    Family,
    Spikes,
    make_witness,
    number,
)
from spiketheory.certification.witness_swap import BESIDE, list_weights
from spiketheory.reference.integrate import extrapolate_step
from spiketheory.reference.neuron import DIGITS, MOST_SPIKES, Neuron


def try_weights(bench: Bench, condition: Condition) -> Witness | None:
    """One input from rest; its weight is moved."""
    base = bench.make([1.0], [bench.scale / 2])
    family = Family(base, "weight of input 1", "weight")
    weights = bench.signed_sizes()
    positive = [w for w in weights if w > 0]
    negative = [w for w in weights if w < 0]
    for side in (positive, negative):
        witness = bench.scan(condition.name, family, side)
        if witness is not None:
            return witness
    return None


def try_jump(bench: Bench, condition: Condition) -> Witness | None:
    """An input to a state from which V does not rise to the threshold; its weight is moved."""
    if bench.is_proved("C3") or bench.model.spike.is_blowup:
        return None
    for parameters, others in list_falling(bench):
        found = place_below(bench, parameters, others)
        if found is None:
            continue
        initial, height, wait = found
        base = bench.make(
            [1.0], [wait], initial=initial, parameters=parameters,
            duration=max(4 * wait, bench.scale / 32),
        )  # fmt: skip
        family = Family(base, "weight of input 1", "weight")
        for sign in (1.0, -1.0):
            weights = [sign * height * 2.0**k for k in (-1, 0, 1, 2, 3, 4)]
            witness = bench.scan(condition.name, family, weights)
            if witness is not None:
                return witness
    return None


def list_falling(bench: Bench) -> Iterator[tuple[dict[str, float], dict[str, float]]]:
    """Parameters and other variables at which V falls on the surface."""
    defaults = {p.symbol: number(p.default) for p in bench.model.parameters}
    speed = bench.boundary.arriving.velocity[0].subs(defaults)
    for symbol in bench.boundary.others:
        rest = {
            s: number(bench.rest(bench.defaults)[s.name])
            for s in bench.boundary.others if s != symbol
        }  # fmt: skip
        for root in solve_for(speed.subs(rest), symbol):
            for side in (-1, 1):
                beyond = root + side * sp.Max(abs(root), 1) / 2
                yield bench.defaults, {symbol.name: float(beyond)}
    for e in bench.found["C1"].evidence:
        if isinstance(e.finding, Counterexample):
            point = e.finding.point
            others = {s.name: float(point[s]) for s in bench.boundary.others if s in point}
            for parameters in itertools.islice(bench.list_parameters([point]), 2):
                for factor in (1.0, 4.0, 64.0):
                    yield parameters, {n: factor * v for n, v in others.items()}


def place_below(
    bench: Bench, parameters: Mapping[str, float], others: Mapping[str, float]
) -> tuple[dict[str, float], float, float] | None:
    """A state below the surface with V falling, its distance from it, and a short time."""
    initial = {**bench.rest(parameters), **others}
    values = bench.name_values(parameters, initial)
    fall = bench.boundary.arriving.velocity[0].subs(values)
    if not fall > 0:
        return None
    V = bench.model.spike.variable.name
    theta = bench.find_threshold(initial, parameters)
    height = max(abs(theta - bench.rest(parameters)[V]), 1e-3) / 16
    wait = min(bench.scale / 64, height / float(fall) / 4)
    return {**initial, V: theta - height}, height, wait


def try_inhibition(bench: Bench, condition: Condition) -> Witness | None:
    """An input that makes the neuron spike, and an opposite one whose time is moved."""
    if not bench.is_proved("C3"):  # it would show that an input delays a spike
        return None
    start = bench.scale / 2
    for size in SIZES[3:]:
        for sign in (1.0, -1.0):
            base = bench.make([sign * size], [start])
            if not bench.admits(base):
                continue
            spikes = bench.run(base)
            if not spikes or not start + bench.scale / 50 < spikes[0] < base.duration / 2:
                continue
            for factor in (-2.0, -8.0):
                trial = bench.make([sign * size, factor * sign * size], [start, start])
                if not bench.admits(trial):
                    continue
                family = Family(trial, "time of input 2", "time", 1)
                first = float(spikes[0])
                values = [(start + 3 * first) / 4, (first + 9 * base.duration) / 10]
                witness = bench.scan(condition.name, family, values)
                if witness is not None:
                    return witness
            return None
    return None


def try_graze(bench: Bench, condition: Condition) -> Witness | None:
    """A state carried back from where the surface is grazed; V at the start is moved."""
    if bench.model.spike.is_blowup:
        return None
    for count, (parameters, place) in enumerate(list_grazes(bench)):
        if count >= 6:
            return None
        neuron = bench.get_neuron(parameters, SEARCH_DIGITS)
        with mpmath.workdps(SEARCH_DIGITS):
            before = carry_back(bench, neuron, place)
        if before is None:
            continue
        state, span = before
        initial = {s.name: float(v) for s, v in zip(bench.model.state, state, strict=True)}
        base = bench.make(initial=initial, parameters=parameters, duration=3 * span)
        V = bench.model.spike.variable.name
        family = Family(base, f"{V}0", V)
        for reach in (1e-3, 1e-2, 1e-1):
            spread = reach * max(abs(initial[V]), abs(float(place[neuron.index])), 1e-3)
            witness = bench.scan(condition.name, family, [initial[V] - spread, initial[V] + spread])
            if witness is not None:
                return witness
    return None


def carry_back(bench: Bench, neuron: Neuron, place: list[mpf]) -> tuple[list[mpf], float] | None:
    """A state some time before a graze, below the surface, and the time."""
    field = neuron.reference.fields[False, True]
    for span in (bench.scale / 2, bench.scale / 8, bench.scale / 64):
        measured, rows = extrapolate_step(
            field, neuron.measure(place), mpf(-span), mpf(10) ** -SEARCH_DIGITS
        )
        if rows and measured[neuron.index] < neuron.reference.target:
            return neuron.restore(measured), span
    return None


def list_grazes(bench: Bench) -> Iterator[tuple[dict[str, float], list[mpf]]]:
    """Places on the surface where V stands still and turns down."""
    model, V = bench.model, bench.model.spike.variable
    rate = -bench.boundary.arriving.velocity[0]
    theta = bench.boundary.threshold
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
    symbols |= set(bench.boundary.others)
    defaults = {p.symbol: number(p.default) for p in model.parameters}
    states = [s for s in bench.boundary.others if rate.has(s)]
    for symbol in states:
        for point in itertools.islice(draw_points(bench.region, symbols), 40):
            values = {**point, **defaults}
            solutions = solve_for(rate.subs({k: v for k, v in values.items() if k != symbol}),
                                  symbol)  # fmt: skip
            for solution in solutions:
                values[symbol] = solution
                if not bench.region.admits({**values, V: theta.subs(values)}):
                    continue
                if not turn.subs(values).evalf(30) < 0:
                    continue
                place = [
                    mpf(sp.Float((theta if s == V else s).subs(values), 40)) for s in model.state
                ]
                yield bench.defaults, place


def try_pile_up(bench: Bench, condition: Condition) -> Witness | None:
    """Spikes that pile up: their number before T changes by many within 1e-9."""
    V = bench.model.spike.variable.name
    for weight in [0.0, *list_weights(bench, condition)]:
        base = bench.make([weight] if weight else [], [bench.scale / 4] if weight else [])
        if not bench.admits(base):
            continue
        for distance in (None, 0.3, 0.05):
            trial = base
            if distance is not None:
                found = find_start(bench, base, distance)
                if found is None:
                    continue
                trial = found
            spikes = bench.run(trial, most=MOST_SPIKES)
            if len(spikes) < MOST_SPIKES:
                continue
            witness = show_pile_up(bench, trial, spikes, V)
            if witness is not None:
                return witness
    return None


def find_start(bench: Bench, base: Trial, distance: float) -> Trial | None:
    """The trial from closer to the surface."""
    if bench.model.spike.is_blowup:
        return None
    theta = bench.find_threshold(base.initial, base.parameters)
    V = bench.model.spike.variable.name
    return replace(base, initial={**base.initial, V: theta - distance * max(1.0, abs(theta))})


def show_pile_up(bench: Bench, trial: Trial, spikes: Spikes, V: str) -> Witness | None:
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
        if not values[1] - values[0] < GAP or not all(bench.admits(family.at(v)) for v in values):
            continue
        first, last = (bench.run(family.at(v), DIGITS, most=MOST_SPIKES) for v in values)
        if abs(len(first) - len(last)) > 10:
            change = (
                f"spikes pile up: {len(first)} come before T at the first value, {len(last)} "
                f"at the second{' or more' if len(last) >= MOST_SPIKES else ''}"
            )
            return make_witness("C5", family, values, (first[:20], last[:20]), change)
    return None


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
