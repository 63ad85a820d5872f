"""Searches for what the order of an input and a spike, or of two inputs, changes (C3, C4, C6)."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

import mpmath
from mpmath import mpf

from spiketheory.certification.certificate import Condition, Trial, Witness
from spiketheory.certification.proofs import Counterexample, Point
from spiketheory.certification.regularity import second_weight
from spiketheory.certification.witness_bench import (
    MOST_IN_SEARCH,
    MOST_TRIALS,
    SEARCH_DIGITS,
    Bench,
    Family,
    Spikes,
    describe_change,
    make_witness,
)
from spiketheory.language.symbols import WEIGHT
from spiketheory.reference.neuron import DIGITS

BESIDE = 4e-10
"""Distance in time of an input from the spike that it is moved across."""

SWAP_DIFFERENCE = mpf("1e-6")
DIFFERENCE_STEP = mpf("1e-20")
ROUGH_STEP = mpf("1e-10")


def list_spiking(bench: Bench, condition: Condition) -> Iterator[tuple[Trial, float]]:
    """Trials in which the neuron spikes soon by its flow, and when."""
    for size in (2.0, 8.0, 32.0, 128.0):
        driven = bench.make([size], [bench.scale / 2])
        spikes = bench.try_to_run(driven) if bench.admits(driven) else None
        if spikes and spikes[0] > bench.scale * 0.52:
            yield driven, float(spikes[0])
            break
    points: list[Point] = [{}]
    for e in condition.evidence:
        if isinstance(e.finding, Counterexample):
            points.insert(0, e.finding.point)
    for parameters in bench.list_parameters(points):
        for point in points:
            others = {s.name: float(point[s]) for s in bench.boundary.others if s in point}
            for distance in (1.5, 0.5, 0.05):
                found = bench.find_flow_spike(parameters, others, distance)
                if found is not None:
                    yield found


def list_weights(bench: Bench, condition: Condition) -> list[float]:
    """Weights to try: those of the counterexamples first."""
    found = [
        float(e.finding.point[WEIGHT])
        for e in condition.evidence
        if isinstance(e.finding, Counterexample) and WEIGHT in e.finding.point
    ]
    usual = [w for w in bench.signed_sizes() if abs(w) in (0.5, 2.0, 8.0, 32.0)]
    return [*found, *usual]


def try_swap(bench: Bench, condition: Condition) -> Witness | None:
    """An input that is moved across a spike; a later input shows what became different."""
    return move_across_spikes(bench, condition, late=False)


def try_late_swap(bench: Bench, condition: Condition) -> Witness | None:
    """The same, but the spike itself comes in either order: a later one jumps."""
    return move_across_spikes(bench, condition, late=True)


def move_across_spikes(bench: Bench, condition: Condition, *, late: bool) -> Witness | None:
    """Move an input across a spike of the flow."""
    for trial, spike in itertools.islice(list_spiking(bench, condition), 6):
        weights = list_weights(bench, condition)[:6]
        if late:  # an input that raises V cannot take the spike away
            weights.sort(key=lambda w: w < 0)
        for weight in weights:
            witness = try_beside(bench, condition.name, trial, spike, [weight], late)
            if witness is not None:
                return witness
    return None


def try_beside(
    bench: Bench, condition: str, trial: Trial, spike: float, weights: Sequence[float], late: bool
) -> Witness | None:
    """Move input 1 across a spike, without and with an input after it."""
    later = spike + bench.scale / 2
    extra: list[tuple[list[float], list[float]]] = [([], [])]
    extra += [([w], [later]) for w in bench.signed_sizes() if abs(w) in (2.0, 16.0, 128.0)]
    for more, when in extra:
        if bench.trials > MOST_TRIALS:
            return None
        family = bench.move_across(trial, spike, [*weights, *more], when)
        values = (spike - BESIDE, spike + BESIDE)
        if not all(bench.admits(family.at(v)) for v in values):
            continue
        first, last = (bench.try_to_run(family.at(v)) for v in values)
        if first is None or last is None:
            continue
        if late and not both_spike(first, last, spike):
            continue
        if describe_change(first, last, family.base.duration):
            witness = bench.confirm(condition, family, values)
            if witness is not None:
                return witness
    return None


def try_swap_of_inputs(bench: Bench, condition: Condition) -> Witness | None:
    """Two inputs exchange their order; the one may make the neuron spike at once."""
    return swap_inputs(bench, condition, late=False)


def try_commuting_inputs(bench: Bench, condition: Condition) -> Witness | None:
    """Two inputs exchange their order, where that matters without a spike between them."""
    if not any(
        isinstance(e.finding, Counterexample) and second_weight(bench.model) in e.finding.point
        for e in condition.evidence
    ):
        return None
    return swap_inputs(bench, condition, late=False)


def try_late_swap_of_inputs(bench: Bench, condition: Condition) -> Witness | None:
    """The same, but that spike comes in either order: a later one jumps."""
    return swap_inputs(bench, condition, late=True)


def swap_inputs(bench: Bench, condition: Condition, *, late: bool) -> Witness | None:
    """Exchange the order of two inputs, without and with one after them."""
    time = bench.scale / 2
    weights = bench.signed_sizes()
    sizes = (0.5, 2.0, 16.0, 64.0)
    for one, other in itertools.product(
        [w for w in weights if abs(w) in sizes], [w for w in weights if abs(w) in sizes]
    ):
        if bench.trials > MOST_TRIALS:
            return None
        for more, when in (([], []), ([sizes[1]], [2 * time])):
            base = bench.make([one, other, *more], [time, time, *when])
            family = Family(base, "time of input 1", "time", 0)
            values = (time - BESIDE, time + BESIDE)
            if not all(bench.admits(family.at(v)) for v in values):
                continue
            first, last = (bench.try_to_run(family.at(v)) for v in values)
            if first is None or last is None:
                continue
            if late and not both_spike(first, last, time):
                continue
            if describe_change(first, last, base.duration):
                witness = bench.confirm(condition.name, family, values)
                if witness is not None:
                    return witness
    return None


def try_kink(bench: Bench, condition: Condition) -> Witness | None:
    """An input that is moved across a spike; derivatives by its time are compared."""
    for trial, spike in itertools.islice(list_spiking(bench, condition), 4):
        for weight in list_weights(bench, condition)[:4]:
            later = spike + bench.scale / 4
            extra: list[tuple[list[float], list[float]]] = [
                *(([w], [later]) for w in bench.signed_sizes() if w in (16.0, -16.0, 128.0)),
                ([], []),
            ]
            for more, when in extra:
                if bench.trials > MOST_TRIALS:
                    return None
                family = bench.move_across(trial, spike, [weight, *more], when)
                witness = show_kink(bench, family, spike)
                if witness is not None:
                    return witness
    return None


def show_kink(bench: Bench, family: Family, spike: float) -> Witness | None:
    """The witness of a kink, if derivatives of some spike differ on both sides of a swap."""
    values = (spike - BESIDE, spike + BESIDE)
    if not all(bench.admits(family.at(v)) for v in values):
        return None
    rough = compare_slopes(bench, family, values, SEARCH_DIGITS, ROUGH_STEP)
    if rough is None:
        return None
    which, _, _, (found, _) = rough
    duration = float(found[which - 1]) + bench.scale / 8  # no later spike is of interest
    family = replace(family, base=replace(family.base, duration=duration))
    compared = compare_slopes(bench, family, values, DIGITS, DIFFERENCE_STEP)
    if compared is None:
        return None
    which, before, behind, spikes = compared
    change = (
        f"the derivative of spike {which} by the input's time is {mpmath.nstr(before, 8)} "
        f"before the swap and {mpmath.nstr(behind, 8)} behind it"
    )
    return make_witness("C6", family, values, spikes, change)


def compare_slopes(
    bench: Bench, family: Family, values: tuple[float, float], digits: int, step: mpf
) -> tuple[int, mpf, mpf, tuple[Spikes, Spikes]] | None:
    """The first spike whose derivatives by the input's time differ, and the derivatives."""
    slopes, spikes = [], []
    with mpmath.workdps(digits):
        for value in values:
            found = [bench.run_exactly(family, mpf(value) + k * step, digits) for k in (-1, 1)]
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


def both_spike(first: Spikes, last: Spikes, time: float) -> bool:
    """Whether both spike trains have a spike at a time, and equally many before."""
    near = [
        [k for k, t in enumerate(s) if abs(t - mpf(time)) < 100 * BESIDE] for s in (first, last)
    ]
    return bool(near[0]) and near[0] == near[1]
