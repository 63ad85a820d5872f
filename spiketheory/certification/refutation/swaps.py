"""Searches for what the order of an input and a spike, or of two inputs, changes (C1, C3, C4)."""

import itertools
from collections.abc import Iterator, Sequence

import mpmath
from mpmath import mpf

from spiketheory.certification.certificate import Condition, Witness
from spiketheory.certification.refutation.bench import BESIDE, SEARCH_DIGITS, Bench, Family
from spiketheory.certification.refutation.ladder import BREAKS
from spiketheory.certification.refutation.sample import Find, Values
from spiketheory.certification.refutation.trial import TIME_OF, Trial
from spiketheory.language.symbols import WEIGHT
from spiketheory.reference.integrate import extrapolate_step

DRAWN = 3000
"""Points of the region that are looked at."""
BEST = 4
"""Of those with parameters at their defaults, and of the others, so many are tried."""
SPANS = (1 / 8, 1 / 64, 1 / 1024)
"""How long before the spike a trial begins, in units of the model's scale."""

Later = tuple[list[float], list[float]]


def try_swaps(bench: Bench, condition: Condition) -> Witness | None:
    """An input that is moved across a spike of the flow, where that makes a difference."""
    finds = list_finds(bench, condition, across=True)
    weights = list(dict.fromkeys(f.values[WEIGHT] for f in finds))
    for trial, spike in itertools.islice(list_driven(bench), 2):  # from rest, if that does
        for weight in weights[:BEST]:
            witness = move_across(bench, condition.name, trial, spike, weight)
            if witness is not None or bench.is_spent:
                return witness
    for find in finds:
        parameters = bench.name_parameters(find.values)
        for trial, spike in list_arriving(bench, parameters, find.values):
            witness = move_across(bench, condition.name, trial, spike, find.values[WEIGHT])
            if witness is not None or bench.is_spent:
                return witness
            break
    return None


def list_finds(bench: Bench, condition: Condition, *, across: bool) -> list[Find]:
    """Points at which order matters, the most promising ones first.

    Args:
        bench: The model.
        condition: What they are to break.
        across: Whether an input and a spike, or two inputs, exchange their order.
    """
    judge = bench.surface.judge_swap if across else bench.surface.judge_inputs
    drawn = list(bench.sampler.draw(DRAWN))
    known = [p for p in map(bench.complete_point, bench.list_points(condition)) if p is not None]
    known += [p for p in (bench.put_at_rest(v) for v in drawn[:200]) if p is not None]
    chosen: list[Find] = []
    seen: set[tuple[float, ...]] = set()
    for points in (known, drawn):
        found = [
            f for f in map(judge, points) if f is not None and condition.name in BREAKS[f.rule]
        ]
        found.sort(key=lambda f: -f.promise)
        usual = [f for f in found if bench.is_usual(f.values)]
        rare = [f for f in found if not bench.is_usual(f.values)]
        for find in (*usual[:BEST], *rare[:BEST]):
            key = tuple(find.values.values())
            if key not in seen:
                seen.add(key)
                chosen.append(find)
    return chosen


def list_driven(bench: Bench) -> Iterator[tuple[Trial, float]]:
    """Trials from rest in which an input makes the neuron spike soon by its flow, and when."""
    scale = bench.find_scale(bench.defaults)
    for size in bench.signed_sizes():
        driven = bench.make([size], [scale / 2])
        spikes = bench.run(driven) if bench.admits(driven) else None
        if spikes and scale * 0.52 < spikes[0] < 4 * scale:
            yield driven, float(spikes[0])


def list_arriving(
    bench: Bench, parameters: dict[str, float], values: Values
) -> Iterator[tuple[Trial, float]]:
    """Trials that arrive at a state of the surface by the flow, and when."""
    scale = bench.find_scale(parameters)
    if bench.model.spike.is_blowup:
        others = {s.name: values[s] for s in bench.boundary.others}
        for distance in (1.5, 0.5, 0.05):
            found = bench.find_flow_spike(parameters, others, distance)
            if found is not None:
                yield found
        return
    at = bench.surface.place(values)
    if at is None:
        return
    place = [mpf(at[s]) for s in bench.model.state]
    for part in SPANS:
        state = carry_back(bench, parameters, place, part * scale)
        if state is None:
            continue
        initial = {s.name: float(v) for s, v in zip(bench.model.state, state, strict=True)}
        trial = bench.make(initial=initial, parameters=parameters, duration=2 * part * scale)
        spikes = bench.run(trial) if bench.admits(trial) else None
        if spikes and abs(float(spikes[0]) - part * scale) < 1e-6 * part * scale:
            yield trial, float(spikes[0])


def carry_back(
    bench: Bench, parameters: dict[str, float], place: Sequence[mpf], span: float
) -> list[mpf] | None:
    """The state some time before one on the surface, if that is below it."""
    neuron = bench.get_neuron(parameters, SEARCH_DIGITS)
    field = neuron.reference.fields[False, True]
    with mpmath.workdps(SEARCH_DIGITS):
        measured, rows = extrapolate_step(
            field, neuron.measure(list(place)), mpf(-span), mpf(10) ** -SEARCH_DIGITS
        )
        bench.work += 10
        if not rows or not measured[neuron.index] < neuron.reference.target:
            return None
        return neuron.restore(measured)


def move_across(
    bench: Bench, condition: str, trial: Trial, spike: float, weight: float
) -> Witness | None:
    """Move an input across a spike, without and with an input after it."""
    scale = bench.find_scale(trial.parameters)
    count = len(trial.weights)
    for more, when in list_later(bench, spike, scale):
        base = bench.make(
            [*trial.weights, weight, *more], [*trial.times, spike, *when],
            initial=trial.initial, parameters=trial.parameters, duration=spike + 4 * scale,
        )  # fmt: skip
        family = Family(base, TIME_OF, count)
        witness = bench.try_family(condition, family, spike - BESIDE / 2, spike + BESIDE / 2)
        if witness is not None or bench.is_spent:
            return witness
    return None


def list_later(bench: Bench, time: float, scale: float) -> Iterator[Later]:
    """No input, or one after an event, that shows what became different."""
    yield [], []
    weights = bench.signed_sizes()
    chosen = [w for w in weights if abs(w) in (2.0, 16.0, 128.0)] or weights[
        :: len(weights) // 4 + 1
    ]
    for weight in sorted(chosen, key=lambda w: (abs(w) != 16.0, w < 0)):
        yield [weight], [time + scale / 2]


def try_inputs(bench: Bench, condition: Condition) -> Witness | None:
    """Two inputs exchange their order, from a state in which that matters."""
    for find in list_finds(bench, condition, across=False):
        parameters = bench.name_parameters(find.values)
        scale = bench.find_scale(parameters)
        initial = {s.name: find.values[s] for s in bench.model.state}
        pair = [find.values[WEIGHT], find.values[bench.second]]
        for part in (1 / 64, 1 / 1024):
            time = part * scale
            for more, when in list_later(bench, time, scale):
                base = bench.make(
                    [*pair, *more], [time, time, *when], initial=initial, parameters=parameters,
                    duration=time + 4 * scale,
                )  # fmt: skip
                family = Family(base, TIME_OF, 0)
                witness = bench.try_family(
                    condition.name, family, time - BESIDE / 2, time + BESIDE / 2
                )
                if witness is not None or bench.is_spent:
                    return witness
    return None
