"""Spikes that pile up, and variables that leave for infinity without a spike, in finite time."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from spiketheory.checking.attack.bench import Bench
from spiketheory.checking.attack.contradiction import (
    Contradiction,
    PlainTrial,
    list_lanes,
    take_trial,
)
from spiketheory.checking.attack.equations import Array
from spiketheory.checking.attack.ladder import DIGITS
from spiketheory.checking.attack.precise import PreciseNeuron
from spiketheory.checking.attack.precise_equations import Lost
from spiketheory.checking.attack.swarm import ESCAPED, FULL, STUCK, Trials

RATIO = 0.8
DOUBLINGS = 5
LENGTH = 20.0
FIRST, THOUSANDS = 256, 2048
FIRST_STEPS, MOST_STEPS = 4000, 40000
PROMISING = 0.9
MOST_FOLLOWED = 3
PRECISE_SPIKES, PRECISE_DIGITS = 128, 100
SETTLED = 8
"""Spikes after which ratios of a short run may be looked at."""

CountBound = Callable[[PlainTrial], float | None]
"""A lemma's bound on the number of spikes of a trial, if it gives one."""


def measure_ratios(spikes: Sequence[float], doublings: int = DOUBLINGS) -> list[float]:
    """Ratios of D_N = t_2N - t_N over the last doublings; below 1/2^s they add up to a finite time.

    Args:
        spikes: Spike times after the last input.
        doublings: How many ratios to return; fewer if there are fewer spikes.
    """
    count, steps = len(spikes), []
    while count >= 2 * SETTLED:
        half = count // 2
        steps.append(spikes[count - 1] - spikes[half - 1])
        count = half
    steps = steps[: doublings + 1][::-1]
    return [float(late / early) if early > 0 else np.inf
            for early, late in pairwise(steps)]  # fmt: skip


def after_inputs(trial: PlainTrial, spikes: Iterable[float]) -> list[float]:
    """Spikes after the last input that comes before the run's last spike."""
    spikes = list(spikes)
    last = spikes[-1] if spikes else 0.0
    late = max((t for t in trial.times if t < last), default=-1.0)
    return [t for t in spikes if t > late]


def find_pile_up(
    bench: Bench, n: int, *, bound: CountBound | None = None
) -> tuple[list[Contradiction], list[PlainTrial]]:
    """Long trials whose spikes pile up; and trials in which a variable seems to run away.

    Args:
        bench: The model.
        n: Trials to draw.
        bound: What a lemma allows; more spikes than that are a contradiction too.
    """
    base = bench.drawer.draw(n, 1, length=LENGTH)
    runs = bench.run(base, most=FIRST, most_steps=FIRST_STEPS)
    escaped = runs.admitted & (runs.status == ESCAPED)
    fleeing = [take_trial(base, j) for j in list_lanes(escaped)]
    found = check_counts(base, runs.count, runs.admitted, bound)
    scored: list[tuple[float, int]] = []
    for j in list_lanes(runs.admitted & np.isin(runs.status, (FULL, STUCK))):
        spikes = after_inputs(take_trial(base, j), runs.spikes[: min(runs.count[j], FIRST), j])
        ratios = measure_ratios(spikes, 2)
        score = 0.0 if runs.status[j] == STUCK else (max(ratios) if len(ratios) == 2 else np.inf)
        if score < PROMISING:
            scored.append((score, j))
    scored.sort()
    for score, j in scored[:MOST_FOLLOWED]:
        trial = take_trial(base, j)
        confirm = confirm_by_digits if score < RATIO / 2 else confirm_by_count
        hit = confirm(bench, trial)
        if hit is not None:
            found.append(hit)
            break
    return found, fleeing


def check_counts(
    base: Trials, count: Array, admitted: Array, bound: CountBound | None
) -> list[Contradiction]:
    """Trials with more spikes than a lemma allows."""
    if bound is None:
        return []
    for j in list_lanes(admitted):
        trial = take_trial(base, j)
        most = bound(trial)
        if most is not None and count[j] > most:
            text = f"{count[j]} spikes before {trial.duration:.6g}, where {most:.6g} are allowed"
            return [Contradiction(kind="pile-up", text=text, claim="C5", trial=trial,
                                  facts={"count": int(count[j])})]  # fmt: skip
    return []


def confirm_by_count(bench: Bench, trial: PlainTrial) -> Contradiction | None:
    """Thousands of spikes in floats, over which D_N keeps falling."""
    runs = bench.run(trial.to_lanes(), most=THOUSANDS, most_steps=MOST_STEPS)
    if runs.status[0] != FULL or not runs.admitted[0]:
        return None
    ratios = measure_ratios(after_inputs(trial, runs.spikes[:, 0]))
    if len(ratios) < DOUBLINGS or max(ratios) > RATIO:
        return None
    return report(trial, THOUSANDS, float(runs.spikes[-1, 0]), ratios, "in double precision")


def confirm_by_digits(bench: Bench, trial: PlainTrial) -> Contradiction | None:
    """Fewer spikes in many digits, where their intervals fall exponentially."""
    try:
        neuron = PreciseNeuron(bench.model, PRECISE_DIGITS)
        found = neuron.run(
            trial.parameters, trial.initial, list(zip(trial.times, trial.weights, strict=True)),
            trial.duration, most=PRECISE_SPIKES,
        )  # fmt: skip
    except (Lost, NotImplementedError) as err:
        bench.lost.append(str(err))
        return None
    if not bench.keeps(found.states, trial.parameters) or len(found.spikes) < PRECISE_SPIKES:
        return None
    ratios = measure_ratios(after_inputs(trial, found.spikes), 4)
    if len(ratios) < 3 or max(ratios) > RATIO:
        return None
    proof = f"in {PRECISE_DIGITS} digits"
    return report(trial, PRECISE_SPIKES, float(found.spikes[-1]), ratios, proof)


def report(
    trial: PlainTrial, count: int, last: float, ratios: Sequence[float], proof: str
) -> Contradiction:
    """The record of a pile-up."""
    return Contradiction(
        kind="pile-up",
        text=f"{count} spikes before {last:.10g}; t_2N - t_N falls by {max(ratios):.3g} or less "
        "with each doubling of N",
        claim="C5: no pile-up",
        trial=trial,
        proof=proof,
        facts={"count": count, "last": last, "ratios": list(ratios)},
    )


def confirm_runaway(bench: Bench, trial: PlainTrial) -> Contradiction | None:
    """A variable that leaves for infinity in finite time without a spike."""
    try:
        found = bench.get_precise(DIGITS).run(
            trial.parameters, trial.initial, list(zip(trial.times, trial.weights, strict=True)),
            trial.duration,
        )  # fmt: skip
    except Lost as err:
        bench.lost.append(str(err))
        return None
    if found.escaped is None or not bench.keeps(found.states, trial.parameters):
        return None
    last = found.states[-1]
    name = bench.model.state[int(np.argmax(np.abs(last)))].name
    shortened = replace(trial, duration=min(trial.duration, float(found.escaped) * 1.5))
    return Contradiction(
        kind="runaway",
        text=f"{name} leaves for {'-' if min(last) < -1e12 else ''}oo at "
        f"{float(found.escaped):.10g} without a spike",
        claim="C5: no variable becomes infinite between spikes",
        trial=shortened,
        proof=f"in {DIGITS} digits",
        facts={"time": float(found.escaped)},
    )
