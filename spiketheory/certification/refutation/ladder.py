r"""The ladder: a jump of a spike time that stays as two trials are brought together to 1e-30.

Two floating-point numbers, less than 1e-9 apart, between which a spike time changes by more than
1e-3 prove nothing: a steep slope does that, and so does a spike that slides off to infinity like
$\log(1/g)$ with the gap g. So the two values are brought together around a critical value, to gaps
of 1e-10, 1e-15, ... 1e-30, in high precision. What is a jump keeps its size, and the spike times on
either side settle: like g where the order of two events swaps, like $\sqrt g$ where the surface is
grazed, so by a factor of 300 per rung at least. A logarithm changes by the same amount at every
rung, $g^\alpha$ with a small alpha by too similar ones, and both are rejected.

What is compared is $\min(t_k, T)$ of one spike k, which is continuous where spikes only shift. The
one-sided derivatives of a spike time are compared in the same way, as difference quotients between
neighbouring rungs.

A trial that is unstable for long enough could split its two sides gradually, though within less
than 1e-30. So the states on the way to the spike are compared as well: at fixed times before it
they must be the same at the first rung as at the last.
"""

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import Any

import mpmath
import sympy as sp
from mpmath import mpf
from sympy.core.relational import Relational

from spiketheory.certification.refutation.ladder_runs import (
    DENSE_MARKS,
    GUARD,
    MARKS,
    MOST_SPIKES,
    NO_TRIAL,
    Runs,
    Spikes,
    find_time,
    list_marks,
    list_spikes,
    run_trial,
)
from spiketheory.certification.refutation.trial import WEIGHT_OF, Trial
from spiketheory.certification.region import solve_equalities
from spiketheory.language.model import NeuronModel, conjuncts
from spiketheory.language.symbols import WEIGHT
from spiketheory.reference.neuron import BEFORE, DIGITS, MARK, Visit

GAP = 1e-9
"""The two values of a witness are closer than this."""
MOVED = mpf("1e-3")
"""A spike time jumps if it changes by more."""
RUNGS = (10, 15, 20, 25, 30)
"""Decimal exponents of the gaps."""
SHRINK = 10
"""Increments of spike times shrink by this factor per rung."""
SETTLED = mpf("1e-30")
"""Increments below this have settled."""
ROUNDED = mpf("1e-12")
"""Increments of derivatives below this, relative to their size, may be rounding."""
KINKED = mpf("1e-6")
"""One-sided derivatives differ if they do by more, relative to the larger one if it is above 1."""
SAME = mpf("1e-2")
"""How far those states may differ, relative to the range of the variable in the trial."""
BREAKS = {
    "R1": ("C1",), "R1t": ("C1",), "R2": ("C2", "C1"), "R3": ("C3",), "R4": ("C4",), "R6": ("C6",),
}  # fmt: skip
"""Which conditions a kind of counterexample breaks (R5, a pile-up, is proved without a trial)."""

EXACT = 100
"""Digits of parameters that equalities give."""

Pair = tuple[Spikes, Spikes]


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """A jump, or a kink, that stays as the two values are brought together.

    Attributes:
        critical: The value between the two at which the spike times jump, in decimal digits.
        spike: The spike that is compared, from 1.
        is_kink: Whether derivatives of its time are compared, not times.
        rungs: Gap between the two values, and difference of what is compared, from rung to rung.
        limits: The spike's time, or its derivative, on either side at the last rung; T if it does
            not come.
        digits: Digits of the arithmetic.
    """

    critical: str
    spike: int
    is_kink: bool
    rungs: tuple[tuple[float, float], ...]
    limits: tuple[float, float]
    digits: int


# Long: its arguments are all that a witness states
def climb(
    model: NeuronModel,
    relations: Sequence[sp.Basic],
    trial: Trial,
    place: str,
    number: int,
    values: Sequence[float],
    critical: str,
    *,
    is_kink: bool = False,
    digits: int = DIGITS,
) -> Ladder | None:
    """Bring two trials together and see whether their difference stays.

    Args:
        model: The model.
        relations: What is assumed beside the model's own domains and assumptions.
        trial: The trial at some value of the number that is moved.
        place: What is moved: `Trial.moved`.
        number: Of which input.
        values: Two numbers less than 1e-9 apart.
        critical: A number between them, in as many decimal digits as it takes.
        is_kink: Whether derivatives are compared.
        digits: Digits of the arithmetic.

    Returns:
        The rungs; None if the difference does not stay, a trial is not admissible or cannot be
        integrated, or the values are not what they should be.
    """
    with mpmath.workdps(digits + GUARD):
        center = read_critical(values, critical)
        if center is None or not is_trial(model, trial, place, number):
            return None
        assumed = (*relations, *list_own(model))
        exact = impose(model, assumed, trial, place)
        if exact is None:
            return None
        steps = [mpf(10) ** -rung / 2 for rung in RUNGS]
        lowest = min(mpf(values[0]), center - steps[0])
        try:
            marks = count_marks(model, assumed)
            runs = Runs(model, exact, place, number, lowest, digits, marks)
            ends = measure(runs, assumed, list(map(mpf, values)), marked=False)
            low = measure(runs, assumed, [center - g for g in steps], marked=True)
            high = measure(runs, assumed, [center + g for g in steps], marked=True)
        except NO_TRIAL:
            return None
        if ends is None or low is None or high is None:
            return None
        pairs = [(list_spikes(a), list_spikes(b)) for a, b in zip(low, high, strict=True)]
        if any(len(train) >= MOST_SPIKES for pair in pairs for train in pair):
            return None
        if not may_be_admitted(runs, assumed, center):
            return None
        end = mpf(trial.duration)
        if is_kink:
            found = judge_kink(pairs, steps, end)
        else:
            found = judge_jump(pairs, end)
            spikes = [list_spikes(v) for v in ends]
            if found and abs(find_time(spikes[0], found[0], end)
                             - find_time(spikes[1], found[0], end)) <= MOVED:  # fmt: skip
                return None
        if found is None:
            return None
        index, differences, limits = found
        before = min(find_time(s, index, end) for s in pairs[-1])
        if not all(is_same_way(side[0], side[-1], before) for side in (low, high)):
            return None
        return Ladder(
            critical=critical, spike=index + 1, is_kink=is_kink, digits=digits,
            rungs=tuple(
                (float(2 * g), float(d)) for g, d in zip(steps, differences, strict=False)
            ),
            limits=(float(limits[0]), float(limits[1])),
        )  # fmt: skip


def read_critical(values: Sequence[float], critical: str) -> mpf | None:
    """The critical value, if the values are two numbers close to it and on its two sides."""
    if len(values) != 2 or not all(map(is_number, values)) or not isinstance(critical, str):
        return None
    low, high = values
    try:
        center = mpf(critical)
    except ValueError:
        return None
    if not mpmath.isfinite(center) or not 0 < high - low < GAP or not low <= center <= high:
        return None
    return center


def is_number(value: Any) -> bool:
    """Whether a value is a finite real number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_trial(model: NeuronModel, trial: Trial, place: str, number: int) -> bool:
    """Whether a trial gives every number that it needs, and none else."""
    if set(trial.parameters) != {p.name for p in model.parameters}:
        return False
    if set(trial.initial) != {s.name for s in model.state}:
        return False
    if len(trial.weights) != len(trial.times) or not is_number(trial.duration):
        return False
    numbers = [*trial.parameters.values(), *trial.initial.values(), *trial.weights, *trial.times]
    if not all(map(is_number, numbers)) or not all(0 <= t <= trial.duration for t in trial.times):
        return False
    if place in ("weight", "time"):
        return isinstance(number, int) and 0 <= number < len(trial.times)
    return place in trial.parameters or place in trial.initial


def list_own(model: NeuronModel) -> tuple[sp.Basic, ...]:
    """The relations that a model itself states."""
    return (*(r for p in model.parameters for r in conjuncts(p.domain)), *model.assumptions)


def impose(
    model: NeuronModel, relations: Sequence[sp.Basic], trial: Trial, place: str
) -> Trial | None:
    """The trial with parameters that obey equalities to all digits, not as floats do.

    None if an equality cannot be solved for, or speaks of what is moved.
    """
    solved, unused, contradictory = solve_equalities(relations)
    known = {p.symbol: sp.Rational(trial.parameters[p.name]) for p in model.parameters}
    moved = {s.name for s, value in solved.items() for s in (s, *value.free_symbols)}
    if unused or contradictory or place in moved:
        return None
    parameters = dict(trial.parameters)
    for parameter in model.parameters:
        value = solved.get(parameter.symbol, known[parameter.symbol]).subs(known)
        if parameter.symbol in solved:
            if not value.is_number:
                return None
            with mpmath.workdps(EXACT):
                parameters[parameter.name] = mpf(sp.Float(value, EXACT))
    return replace(trial, parameters=parameters)


def count_marks(model: NeuronModel, relations: Sequence[sp.Basic]) -> int:
    """At how many times states are looked at between events: more where they are assumed of."""
    states = set(model.state)
    return DENSE_MARKS if any(r.free_symbols & states for r in relations) else MARKS


def measure(
    runs: Runs, relations: Sequence[sp.Basic], values: Sequence[mpf], *, marked: bool
) -> list[list[Visit]] | None:
    """The trials at several values; None if one is not admissible. First and last are marked."""
    found = []
    for count, value in enumerate(values):
        ends = marked and count in (0, len(values) - 1)
        visits = runs.at(value, list_marks(runs.trial, runs.marks) if ends else ())
        moved = runs.trial.moved(runs.place, runs.number, value)
        if not obeys(runs.model, relations, moved, visits):
            return None
        found.append(visits)
    return found


def admit(
    model: NeuronModel, relations: Sequence[sp.Basic], trial: Trial, *, digits: int = DIGITS
) -> bool:
    """Whether a trial obeys the assumptions: parameters, weights, and all states on its way.

    Looked at are the states at the start, before and after every event, at fixed times between,
    and at the end.

    Args:
        model: The model, whose own domains and assumptions count as well.
        relations: What else is assumed.
        trial: The trial.
        digits: Digits of the arithmetic.
    """
    if not is_trial(model, trial, model.state[0].name, 0):
        return False
    assumed = (*relations, *list_own(model))
    exact = impose(model, assumed, trial, WEIGHT_OF)
    try:
        return exact is not None and obeys(
            model, assumed, exact,
            run_trial(model, exact, digits, list_marks(trial, count_marks(model, assumed))),
        )  # fmt: skip
    except NO_TRIAL:
        return False


def may_be_admitted(runs: Runs, relations: Sequence[sp.Basic], value: mpf) -> bool:
    """Whether a trial obeys the assumptions, or its equations cannot be followed (a graze)."""
    try:
        visits = runs.at(value)
    except NO_TRIAL:
        return True
    return obeys(runs.model, relations, runs.trial.moved(runs.place, runs.number, value), visits)


def obeys(
    model: NeuronModel, relations: Sequence[sp.Basic], trial: Trial, visits: Sequence[Visit]
) -> bool:
    """Whether a trial starts before the spike, and all its numbers and states obey relations."""
    V = model.state.index(model.spike.variable)
    symbols = (*(p.symbol for p in model.parameters), *model.state, WEIGHT)
    parameters = [mpf(trial.parameters[p.name]) for p in model.parameters]
    weights = iter([w for _, w in trial.list_inputs()])
    placed = [(list(v.state), next(weights) if v.what == BEFORE else None) for v in visits]
    start = visits[0].state
    before = [model.spike.value - model.spike.variable > 0] if not model.spike.is_blowup else []
    if not mpmath.isfinite(start[V]):
        return False
    for relation in before:
        if not compile_relation(relation, symbols)(*parameters, *start, mpf(0)):
            return False
    for relation in relations:
        holds = compile_relation(relation, symbols)
        weighted = relation.has(WEIGHT)
        moving = weighted or bool(relation.free_symbols & set(model.state))
        for state, weight in placed if moving else placed[:1]:
            if weighted and weight is None:
                continue
            if not holds(*parameters, *state, mpf(0) if weight is None else weight):
                return False
    return True


@lru_cache(maxsize=256)
def compile_relation(relation: sp.Basic, symbols: tuple[sp.Symbol, ...]) -> Callable[..., bool]:
    """A relation as a function of numbers; no number obeys what is none."""
    if relation in (sp.true, sp.false):
        return lambda *_: bool(relation)
    if not isinstance(relation, Relational) or not relation.free_symbols <= set(symbols):
        return lambda *_: False
    compiled = sp.lambdify(symbols, [relation.lhs, relation.rhs], "mpmath", dummify=True)
    compare = {
        ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le,
        "==": lambda a, b: float(a) == float(b),  # of numbers of a trial, which are floats
    }.get(relation.rel_op, lambda *_: False)  # fmt: skip
    return lambda *numbers: bool(compare(*compiled(*numbers)))


Judged = tuple[int, list[mpf], tuple[mpf, mpf]]


def judge_jump(pairs: Sequence[Pair], end: mpf) -> Judged | None:
    """The first spike whose time jumps, by how much at every rung, and its times on either side.

    Args:
        pairs: Spike times on either side, rung by rung, the gap falling.
        end: The trial's end.

    Returns:
        Index of the spike, differences, limits; None if no jump stays.
    """
    index = next(
        (k for k in range(max(map(len, pairs[-1])))
         if abs(find_time(pairs[-1][0], k, end) - find_time(pairs[-1][1], k, end)) > MOVED),
        None,
    )  # fmt: skip
    if index is None:
        return None
    for k in range(index + 1):
        for side in (0, 1):
            if not settles([find_time(pair[side], k, end) for pair in pairs]):
                return None
    first, last = ([find_time(pair[side], index, end) for pair in pairs] for side in (0, 1))
    differences = [abs(a - b) for a, b in zip(first, last, strict=True)]
    if not all(d > MOVED for d in differences) or not stays(differences):
        return None
    return index, differences, (first[-1], last[-1])


def judge_kink(pairs: Sequence[Pair], steps: Sequence[mpf], end: mpf) -> Judged | None:
    """The first spike with different one-sided derivatives, their difference, and they themselves.

    Args:
        pairs: Spike times on either side, rung by rung.
        steps: Distance of either value from the critical one, rung by rung.
        end: The trial's end.
    """
    for k in range(min(len(spikes) for pair in pairs for spikes in pair)):
        times = [[find_time(pair[side], k, end) for pair in pairs] for side in (0, 1)]
        gaps = [abs(a - b) for a, b in zip(*times, strict=True)]
        if not all(map(settles, times)) or not settles(gaps) or gaps[-1] > GAP:
            return None
        slopes = [
            [sign * (t - u) / (g - h) for t, u, g, h in zip(
                side, side[1:], steps, steps[1:], strict=False)]
            for sign, side in zip((-1, 1), times, strict=True)
        ]  # fmt: skip
        differences = [abs(a - b) for a, b in zip(*slopes, strict=True)]
        size = max(1, *(abs(side[-1]) for side in slopes))
        if differences[-1] <= KINKED * size:
            continue
        scaled = [[v / size for v in values] for values in (*slopes, differences)]
        if not all(settles(values, ROUNDED) for values in scaled) or not stays(scaled[-1], ROUNDED):
            return None
        if not all(d > KINKED for d in scaled[-1]):
            return None
        return k, differences, (slopes[0][-1], slopes[1][-1])
    return None


def settles(values: Sequence[mpf], floor: mpf = SETTLED) -> bool:
    """Whether increments shrink from rung to rung, until nothing is left of them."""
    increments = [abs(b - a) for a, b in pairwise(values)]
    return all(late <= max(early / SHRINK, floor) for early, late in pairwise(increments))


def stays(differences: Sequence[mpf], floor: mpf = SETTLED) -> bool:
    """Whether differences settle at something that is not zero."""
    last = abs(differences[-1] - differences[-2])
    return settles(differences, floor) and SHRINK * last <= differences[-1]


def is_same_way(first: Sequence[Visit], last: Sequence[Visit], before: mpf) -> bool:
    """Whether two rungs lead through the same states at the marks before a time."""
    ways = [[v.state for v in visits if v.what == MARK and v.time < before]
            for visits in (first, last)]  # fmt: skip
    if len(ways[0]) != len(ways[1]):
        return False
    for coordinate, start in enumerate(first[0].state):
        values = [[state[coordinate] for state in way] for way in ways]
        known = [start, *values[0], *values[1]]
        span = max(known) - min(known)
        if any(abs(a - b) > SAME * span for a, b in zip(*values, strict=True)):
            return False
    return True


def describe_ladder(ladder: Ladder, trial: Trial, place: str, number: int) -> str:
    """What happens between the two values, in words."""
    low, high = ladder.limits
    if ladder.is_kink:
        what = trial.name_place(place, number)
        return (
            f"the derivative of spike {ladder.spike} by {what} is {low:.8g} below it and "
            f"{high:.8g} above it"
        )
    if max(low, high) < trial.duration:
        return f"spike {ladder.spike} jumps from {low:.10g} to {high:.10g}"
    verb = "vanishes" if low < high else "appears"
    return f"the spike at {min(low, high):.10g} {verb}"
