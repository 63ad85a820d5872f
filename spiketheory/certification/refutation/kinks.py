"""Searches for kinks of spike times: where an input crosses a spike, or the field has one (C6)."""

import itertools
from collections.abc import Iterator
from dataclasses import replace

import sympy as sp
from mpmath import mpf
from sympy.core.relational import Relational

from spiketheory.certification.certificate import Condition, Witness
from spiketheory.certification.refutation.bench import Bench, Family, surround
from spiketheory.certification.refutation.ladder import MOVED
from spiketheory.certification.refutation.ladder_runs import Spikes
from spiketheory.certification.refutation.sample import Values, compile_floats
from spiketheory.certification.refutation.swaps import BEST, list_arriving, list_driven, list_later
from spiketheory.certification.refutation.trial import TIME_OF, Trial
from spiketheory.language.symbols import WEIGHT
from spiketheory.reference.neuron import DIGITS

STEPS = (1e-4, 1e-5)
"""Steps of difference quotients, in units of the model's scale."""
DIFFERENT = 1e-4
"""One-sided derivatives that differ by more are put to the ladder."""
MOST_DRAWN = 40


def try_kinks_of_swaps(bench: Bench, condition: Condition) -> Witness | None:
    """An input that is moved across a spike; derivatives by its time are compared."""
    drawn = [v for v in bench.sampler.draw(MOST_DRAWN) if bench.is_usual(v)]
    points = [p for p in map(bench.complete_point, bench.list_points(condition)) if p is not None]
    weights = [p[WEIGHT] for p in points]
    usual = [w for w in bench.signed_sizes() if abs(w) in (0.5, 2.0, 8.0)]
    weights += sorted(usual or bench.signed_sizes(), key=lambda w: (w < 0, w))
    starts = [*itertools.islice(list_driven(bench), 2)]
    for values in (*points, *drawn[:BEST]):
        starts += itertools.islice(list_arriving(bench, bench.name_parameters(values), values), 1)
    for trial, spike in starts:
        for weight in list(dict.fromkeys(weights))[: BEST + 2]:
            witness = show_swap(bench, condition, trial, spike, weight)
            if witness is not None or bench.is_spent:
                return witness
    return None


def show_swap(
    bench: Bench, condition: Condition, trial: Trial, spike: float, weight: float
) -> Witness | None:
    """The witness of an input that crosses a spike, without and with an input after it."""
    scale = bench.find_scale(trial.parameters)
    for more, when in list_later(bench, spike, scale):
        base = bench.make(
            [*trial.weights, weight, *more], [*trial.times, spike, *when],
            initial=trial.initial, parameters=trial.parameters, duration=spike + 2 * scale,
        )  # fmt: skip
        family = Family(base, TIME_OF, len(trial.weights))
        bent = find_kink(bench, family, spike)
        if bent is not None:
            around = surround(repr(spike))
            critical = bench.locate(bent, *around)
            witness = confirm_kink(bench, condition, bent, critical)
            if witness is not None or bench.is_spent:
                return witness
    return None


def confirm_kink(
    bench: Bench, condition: Condition, family: Family, critical: str | None
) -> Witness | None:
    """The witness of a kink at a critical value, if it stays."""
    if critical is None or bench.is_spent:
        return None
    bench.confirmed += 1
    return bench.climb(condition.name, "R6", family, critical, is_kink=True)


def find_kink(bench: Bench, family: Family, center: float) -> Family | None:
    """The trials up to the first spike with different derivatives on both sides, if there is one.

    They differ at either of two steps.
    """
    scale = bench.find_scale(family.base.parameters)
    until = 0.0
    for step in STEPS:
        found: list[Spikes] = []
        for k in (-2, -1, 1, 2):
            trial = family.at(center + k * step * scale)
            spikes = bench.run(trial) if bench.admits(trial) else None
            if spikes is None:
                return None
            found.append(spikes)
        if len({len(f) for f in found}) > 1:
            return None
        times = [
            float(d) for a, b, c, d in zip(*found, strict=True)
            if is_kink(*((x / (step * scale)) for x in (b - a, d - c)))
            and abs(c - b) < mpf("1e-2") * scale
        ]  # fmt: skip
        if not times:
            return None
        until = max(until, times[0])
    last = max([until + 10 * float(MOVED), until + scale / 32, *family.base.times])
    return Family(
        replace(family.base, duration=min(last, family.base.duration)), family.place, family.number
    )


def is_kink(before: mpf, behind: mpf) -> bool:
    """Whether two difference quotients are those of a kink."""
    return bool(abs(before - behind) > DIFFERENT * max(1, abs(before), abs(behind)))


def try_kinks(bench: Bench, condition: Condition) -> Witness | None:
    """A start at a kink of the equations: V at the start is moved."""
    for values in itertools.islice(list_kinks(bench), MOST_DRAWN):
        parameters = bench.name_parameters(values)
        scale = bench.find_scale(parameters)
        initial = {s.name: values[s] for s in bench.model.state}
        start = initial[bench.V]
        for more, when in ([], []), *([[w], [scale]] for w in bench.signed_sizes()):
            base = bench.make(
                more, when, initial=initial, parameters=parameters, duration=4 * scale
            )
            family = Family(base, bench.V)
            bent = find_kink(bench, family, start) if bench.admits(base) else None
            if bent is not None:
                exact = str(sp.Float(sp.Rational(start), DIGITS))
                witness = confirm_kink(bench, condition, bent, exact)
                if witness is not None or bench.is_spent:
                    return witness
            if bench.is_spent:
                return None
    return None


def list_kinks(bench: Bench) -> Iterator[Values]:
    """States at which an absolute value or a branch of the equations turns, by their V."""
    V = bench.model.spike.variable
    arguments: set[sp.Expr] = set()
    for rate in bench.model.derivatives:
        arguments |= {a.args[0] for a in rate.atoms(sp.Abs)}
        arguments |= {r.lhs - r.rhs for r in rate.atoms(Relational)}
    for argument in sorted(arguments, key=str):
        expanded = sp.expand(argument)
        slope = expanded.diff(V)
        if slope == 0 or slope.has(V):
            continue
        place = compile_floats(bench.surface.known, [-expanded.subs(V, 0) / slope])
        for drawn in bench.sampler.draw(MOST_DRAWN):
            for values in (bench.put_at_rest(drawn), drawn):
                found = None if values is None else place(values)
                if values is not None and found is not None:
                    moved = {**values, V: found[0]}
                    distance = bench.surface.distance(moved)
                    if bench.sampler.admits(moved) and distance and distance[0] > 0:
                        yield moved
