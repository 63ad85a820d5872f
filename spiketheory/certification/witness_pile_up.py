"""Searches for a proof that spikes pile up (C5): bounds are guessed, their claims are proved."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace

import sympy as sp
from mpmath import mpf

from spiketheory.certification.certificate import Condition, Evidence, Witness
from spiketheory.certification.ladder_runs import NO_TRIAL, Spikes, list_spikes
from spiketheory.certification.pile_up import (
    GROWS,
    PileUp,
    find_rank,
    is_enough,
    list_claims,
    name_distance,
)
from spiketheory.certification.proofs import Proof, prove
from spiketheory.certification.region import Range, Region
from spiketheory.certification.trial import Trial
from spiketheory.certification.witness_bench import BESIDE, SEARCH_DIGITS, Bench
from spiketheory.reference.neuron import DIGITS

MOST_DEGREE = 3
STARTS = (1.0, 8.0, 64.0)
"""Where variables of lower rank 1 start in a trial that is to show a pile-up."""
SHOWN = 12
"""Spikes of the trial that goes with a proof."""


def try_pile_up(bench: Bench, condition: Condition) -> Witness | None:
    """The witness that a proof of a pile-up is, with a trial that shows it."""
    for plan in list_plans(bench):
        evidence = prove_plan(bench, plan)
        if evidence is None:
            continue
        witness = show_pile_up(bench, condition, plan, evidence)
        if witness is not None:
            return witness
    return None


def make_region(bench: Bench, plan: PileUp) -> Region:
    """All variables that do not spike >= 0, the distance within the gap."""
    ranges = {s: Range(low=sp.S.Zero, low_open=False) for s in bench.boundary.others}
    if bench.model.spike.is_blowup:
        ranges[bench.model.spike.variable] = Range()
    else:
        ranges[name_distance(bench.model)] = Range(
            low=sp.S.Zero, high=plan.gap, low_open=False, high_open=False
        )
    return Region(ranges=ranges, values={}, relations=())


def prove_plan(bench: Bench, plan: PileUp) -> tuple[Evidence, ...] | None:
    """Proofs of all claims of a plan; None if one has none."""
    if not is_enough(plan):
        return None
    region, evidence = make_region(bench, plan), []
    for claim in list_claims(bench.model, bench.region.relations, plan):
        if not claim.expression.free_symbols <= set(region.ranges):
            return None
        finding = prove(claim.expression, claim.relation, region)
        if not isinstance(finding, Proof):
            return None
        evidence.append(
            Evidence(text=claim.text, expression=claim.expression, relation=claim.relation,
                     finding=finding)
        )  # fmt: skip
    return tuple(evidence)


def list_plans(bench: Bench) -> Iterator[PileUp]:
    """Bounds to try: what resets add, which product drives the speed."""
    model = bench.model
    V, others = model.spike.variable, bench.boundary.others
    parameters = {p.name: sp.Rational(p.default) for p in model.parameters}
    values = {p.symbol: parameters[p.name] for p in model.parameters}
    added = guess_added(bench, values)
    if added is None or not any(added.values()):
        return
    rates = dict(zip(model.state, model.derivatives, strict=True))
    decays = [guess_decay(rates[x].subs(values), x) for x in others]
    base = PileUp(
        parameters=parameters, decay=max([sp.S.Zero, *decays]), added=added,
        factor=sp.Rational(1, 4), speed=sp.S.One, driver={}, square=sp.S.Zero, gap=sp.S.One,
    )  # fmt: skip
    rate = sp.expand(rates[V].subs(values))
    square = rate.coeff(V, 2) if rate.is_polynomial(V) else sp.S.Zero
    growing = [x.name for x in others if find_rank(base, x.name)]
    speeds = [sp.Rational(1, 2**k) for k in (0, 1, 3, 6)]
    if model.spike.is_blowup:
        if square.is_Rational and square > 0:
            for driver, part, speed in itertools.product(
                list_drivers(growing), (1, sp.Rational(1, 2)), speeds
            ):
                yield change(base, driver=driver, square=square * part, speed=speed, gap=sp.S.Zero)
        return
    for x, speed in itertools.product(growing, speeds):
        yield change(base, shrinks=x, speed=speed)
    gaps = [sp.Integer(1), sp.Integer(4), sp.Integer(64)]
    for driver, speed, gap in itertools.product(list_drivers(growing), speeds, gaps):
        yield change(base, driver=driver, speed=speed, gap=gap)


def change(plan: PileUp, **values: object) -> PileUp:
    """The plan with other numbers."""
    return replace(plan, **values)  # type: ignore[arg-type]


def list_drivers(names: list[str]) -> Iterator[dict[str, int]]:
    """Products of powers of variables."""
    for degree in range(1, MOST_DEGREE + 1):
        for chosen in itertools.combinations_with_replacement(names, degree):
            yield {n: chosen.count(n) for n in dict.fromkeys(chosen)}


def guess_decay(rate: sp.Expr, x: sp.Symbol) -> sp.Rational:
    """A rate at which a variable falls at most."""
    slope = sp.expand(rate).coeff(x, 1)
    return -slope if slope.is_Rational and slope < 0 else sp.S.Zero


def guess_added(bench: Bench, values: Mapping[sp.Symbol, sp.Expr]) -> dict[str, str] | None:
    """What a reset adds to each variable at least; None if it takes something away."""
    model, others = bench.model, bench.boundary.others
    resets = dict(zip(model.state, model.reset, strict=True))
    added: dict[str, str] = {}
    for x in others:
        change_of = sp.expand(resets[x].subs(values) - x)
        if change_of.free_symbols - set(others) or not change_of.is_polynomial(*others):
            return None
        terms = sp.Poly(change_of, *others).terms()
        if any(c < 0 for _, c in terms):
            return None
        constant = change_of.subs(dict.fromkeys(others, 0))
        own = change_of.coeff(x, 1)
        linear = [z for z in others if z != x and change_of.coeff(z, 1).subs(
            dict.fromkeys(others, 0)) >= 1]  # fmt: skip
        if own.is_Rational and own >= sp.Rational(1, 4):
            added[x.name] = GROWS
        elif linear:
            added[x.name] = linear[0].name
        else:
            added[x.name] = str(constant) if constant > 0 else ""
    return added


def show_pile_up(
    bench: Bench, condition: Condition, plan: PileUp, evidence: tuple[Evidence, ...]
) -> Witness | None:
    """A trial whose spikes come ever faster, beside the proof."""
    V = bench.V
    parameters = {n: float(v) for n, v in plan.parameters.items()}
    for start in STARTS:
        initial = {x: start ** min(find_rank(plan, x), 3) if find_rank(plan, x) else 0.0
                   for x in plan.added}  # fmt: skip
        initial[V] = 0.0
        if not bench.model.spike.is_blowup:
            theta = bench.find_threshold(initial, parameters)
            if theta is None:
                return None
            initial[V] = theta - float(plan.gap)
        values = (initial[V] - BESIDE / 2, initial[V] + BESIDE / 2)
        trial = bench.make(initial=initial, parameters=parameters,
                           duration=10 * bench.find_scale(parameters))  # fmt: skip
        if len(run_many(bench, trial, SEARCH_DIGITS)) < SHOWN:
            continue
        trains = [run_many(bench, trial.moved(V, 0, v), DIGITS) for v in values]
        if min(map(len, trains)) < SHOWN:
            continue
        last = float(trains[0][-1])
        trial = replace(trial, duration=last)
        return Witness(
            condition=condition.name, parameter=trial.name_place(V, 0), place=V, number=0,
            values=values, spikes=(tuple(map(float, trains[0])), tuple(map(float, trains[1]))),
            change=f"spikes pile up: {SHOWN} come before {last:.10g}, and infinitely many in a "
            "finite time from some admissible states",
            trial=trial.moved(V, 0, values[0]), digits=DIGITS, rule="R5", ladder=None,
            from_rest=False, pile_up=plan, evidence=evidence,
        )  # fmt: skip
    return None


def run_many(bench: Bench, trial: Trial, digits: int) -> Spikes:
    """The first spikes of a trial without inputs; none if it cannot be integrated."""
    neuron = bench.get_neuron(trial.parameters, digits)
    start, end = trial.list_initial(bench.model), mpf(trial.duration)
    try:
        return list_spikes(neuron.visit(start, [], end, most=SHOWN))
    except NO_TRIAL:
        return []
