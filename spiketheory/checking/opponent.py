"""An opponent of certificates: a search of its own for trials that a certificate excludes.

It knows neither the prover nor derivations nor generated code: trials run in floats straight from
the equations (`attack.swarm`), many at once, and what looks like a contradiction is confirmed in 60
digits or more (`attack.precise`) before it counts.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import sympy as sp

from spiketheory.certification.certificate import PROVED, Certificate
from spiketheory.checking.attack import continuity, kinks
from spiketheory.checking.attack.bench import Bench, Suspect
from spiketheory.checking.attack.continuity import describe_place
from spiketheory.checking.attack.contradiction import Contradiction
from spiketheory.checking.attack.ladder import DIGITS, Ladder
from spiketheory.checking.attack.pile_up import CountBound, confirm_runaway, find_pile_up
from spiketheory.checking.attack.precise_equations import Lost
from spiketheory.checking.attack.witnesses import find_false_witnesses
from spiketheory.errors import InputError
from spiketheory.language.model import NeuronModel

SPIKES_SHIFT = ("smooth", "continuous")
TIE_WORDS = ("at once", "simultaneous", "same time", "same instant", "one-sided")
"""What a note about two inputs at one instant speaks of."""
MOST_CONFIRMED = 4
"""Suspects of each search that are looked at in many digits."""
Show = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How much is tried in a round.

    Attributes:
        swaps: Trials whose spikes inputs are put beside.
        ties: Trials with two inputs at once.
        lines: Trials in which one number moves along a line.
        long: Long trials.
        steps: Steps in many digits that each search may take.
    """

    swaps: int = 48
    ties: int = 150
    lines: int = 80
    long: int = 48
    steps: int = 6000


QUICK = Effort(swaps=24, ties=60, lines=40, long=24, steps=4000)


@dataclass(frozen=True, kw_only=True)
class Attack:
    """What an attack found.

    Attributes:
        verdict: The verdict that was attacked.
        contradictions: One of each kind at most.
        trials: How many trials ran in floats.
        rounds: How many rounds there were.
        lost: Why suspects could not be confirmed, if any could not.
    """

    verdict: str
    contradictions: tuple[Contradiction, ...]
    trials: int
    rounds: int
    lost: tuple[str, ...] = ()


# Long: more than half of it says what it takes, returns and raises.
def attack(
    model: NeuronModel, certificate: Certificate, assumptions: Sequence[sp.Basic] = (), *,
    seed: int = 0, rounds: int = 1, effort: Effort | None = None, bound: CountBound | None = None,
    first: bool = False, show: Show | None = None,
) -> Attack:  # fmt: skip
    """Look for trials that contradict a certificate.

    Args:
        model: The model.
        certificate: What is claimed of it.
        assumptions: Relations beside the model's own, under which it is claimed.
        seed: Of everything that is drawn.
        rounds: How often to draw anew.
        effort: How much to draw in a round.
        bound: A bound on the number of spikes of a trial, if a lemma gives one.
        first: Whether one contradiction is enough.
        show: Called with what is being done.

    Returns:
        What was found. The attack on a kind of claim ends with the first contradiction.

    Raises:
        InputError: If it is unknown how the model's V blows up, if V goes on through the spike, or
            if it has a refractory period.
    """
    check_simulated(model)
    say = show or (lambda text: None)
    if model.refractory is not None:
        raise InputError(
            f"Expected a model without refractory period but got {model.name}; the attack does not "
            "know such periods yet: use `spiketheory check` on it."
        )
    bench = Bench(model, assumptions, seed=seed)
    found: dict[str, Contradiction] = {}
    if certificate.verdict == "refuted":
        say(f"Running the witnesses against {model.name} again")
        for hit in find_false_witnesses(bench, certificate):
            found.setdefault(hit.kind, hit)
    done = 0
    for number in range(rounds):
        searches = list_searches(bench, certificate, effort or Effort(), bound, found)
        if not searches:
            break
        for what, search in searches:
            if first and found:
                break
            say(f"Round {number + 1}: {what} of {model.name}")
            bench.allow_steps((effort or Effort()).steps)
            for hit in search():
                found.setdefault(hit.kind, hit)
                break
        done += 1
    return Attack(
        verdict=certificate.verdict, contradictions=tuple(found.values()), trials=bench.trials,
        rounds=done, lost=tuple(dict.fromkeys(bench.lost)),
    )  # fmt: skip


def check_simulated(model: NeuronModel) -> None:
    """Raise `InputError` for a model that the opponent's simulators do not know."""
    if model.is_crossing:
        does = "leads onto it" if model.lands_on_threshold else "leaves it alone"
        raise InputError(
            f"Expected a model whose reset takes {model.spike.variable} below its threshold but "
            f"that of {model.name} {does}, for which the opponent has no simulator; no such "
            "certificate says that spikes only shift."
        )


Search = Callable[[], Iterable[Contradiction]]


def list_searches(
    bench: Bench, certificate: Certificate, effort: Effort, bound: CountBound | None,
    found: dict[str, Contradiction],
) -> list[tuple[str, Search]]:  # fmt: skip
    """What there is to contradict and has not been."""
    shift = certificate.verdict in SPIKES_SHIFT
    grows = any(c.name == "C5" and c.status == PROVED for c in certificate.conditions)
    ties = not has_tie_note(certificate)
    searches: list[tuple[str, Search]] = []
    if (shift or grows) and not {"pile-up", "runaway"} & found.keys():
        searches.append(("long trials", lambda: search_growth(bench, effort, bound)))
    if shift and "jump" not in found:
        searches += [
            ("inputs at spikes", lambda: confirm_jumps(
                bench, continuity.find_swaps(bench, effort.swaps))),
            ("inputs at once", lambda: confirm_jumps(
                bench, continuity.find_ties(bench, effort.ties))),
            ("lines", lambda: confirm_jumps(
                bench, continuity.find_on_lines(bench, effort.lines))),
        ]  # fmt: skip
    if certificate.verdict == "smooth" and not {"kink", "jump"} & found.keys():
        searches += [
            ("slopes at swaps", lambda: confirm_kinks(
                bench, kinks.find_at_swaps(bench, effort.swaps, ties=ties), ties=ties)),
            ("slopes along lines", lambda: confirm_kinks(
                bench, kinks.find_on_lines(bench, effort.lines), ties=ties)),
        ]  # fmt: skip
    return searches


def has_tie_note(certificate: Certificate) -> bool:
    """Whether a certificate speaks of two inputs at one instant."""
    return any(word in note for note in certificate.notes for word in TIE_WORDS)


def search_growth(
    bench: Bench, effort: Effort, bound: CountBound | None
) -> Iterator[Contradiction]:
    """Spikes that pile up, and variables that run away."""
    piled, fleeing = find_pile_up(bench, effort.long, bound=bound)
    yield from piled
    for trial in fleeing[:MOST_CONFIRMED]:
        hit = confirm_runaway(bench, trial)
        if hit is not None:
            yield hit


def confirm_jumps(bench: Bench, suspects: Iterable[Suspect]) -> Iterator[Contradiction]:
    """Jumps that stay as two values are brought together to 1e-30."""
    for suspect in spread_out(suspects):
        try:
            hit = confirm_jump(bench, suspect)
        except Lost as err:
            bench.lost.append(f"{suspect.what}: {err}")
            continue
        if hit is not None:
            yield hit


def spread_out(suspects: Iterable[Suspect]) -> list[Suspect]:
    """The largest suspects, and the shortest trials among equals."""
    ordered = sorted(suspects, key=lambda s: (s.trial.duration, -s.size))
    return ordered[:: max(1, len(ordered) // MOST_CONFIRMED)][:MOST_CONFIRMED]


def confirm_jump(bench: Bench, suspect: Suspect) -> Contradiction | None:
    """The jump of one suspect, if it stays and keeps to the assumptions."""
    if not bench.admits(suspect.trial):
        return None
    ladder = Ladder(bench.get_precise, suspect.trial, suspect.place)
    step = ladder.climb(suspect.low, suspect.high)
    if step is None or not all(bench.keeps(states, p) for states, p in ladder.seen):
        return None
    trial = suspect.trial.move(suspect.place, float(step.values[0]))
    before, after = (f"[{', '.join(f'{t:.8g}' for t in s)}]" for s in step.spikes)
    return Contradiction(
        kind="jump",
        text=f"{suspect.what}: spikes {before} become {after} as "
        f"{describe_place(bench, suspect.place, trial)} passes {step.values[0][:18]}",
        claim="spikes only shift",
        trial=trial,
        place=suspect.place,
        values=step.values,
        spikes=step.spikes,
        proof=f"in {DIGITS} digits, the two values 1e-30 apart",
        facts={"size": step.size},
    )


def confirm_kinks(
    bench: Bench, suspects: Iterable[Suspect], *, ties: bool
) -> Iterator[Contradiction]:
    """Kinks whose one-sided slopes stay apart."""
    for suspect in spread_out(suspects):
        try:
            hit = kinks.confirm_kink(bench, suspect, ties=ties)
        except Lost as err:
            bench.lost.append(f"{suspect.what}: {err}")
            continue
        if hit is not None:
            yield hit
