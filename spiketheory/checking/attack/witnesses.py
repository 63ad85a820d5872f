"""Running the witnesses of a refuted certificate again, with nothing of the prover."""

from typing import Any

from mpmath import mpf

from spiketheory.certification.certificate import Certificate
from spiketheory.checking.attack.bench import Bench
from spiketheory.checking.attack.contradiction import Contradiction, PlainTrial
from spiketheory.checking.attack.ladder import DIGITS, Ladder
from spiketheory.checking.attack.precise_equations import Lost

JUMPS = ("C1", "C2", "C3", "C4")
FIELDS = {"weight": "weights", "time": "times"}


def find_false_witnesses(bench: Bench, certificate: Certificate) -> list[Contradiction]:
    """Witnesses of a verdict ``refuted`` that show nothing; pile-ups may be proved without one."""
    refuted = {c.name for c in certificate.conditions if c.status == "refuted"}
    found = []
    for witness in certificate.witnesses:
        if witness.condition in JUMPS and witness.condition in refuted:
            try:
                reason = find_fault(bench, witness)
            except Lost as err:
                bench.lost.append(f"witness of {witness.condition}: {err}")
                continue
            if reason:
                low, high = map(repr, witness.values)
                found.append(Contradiction(
                    kind="witness", text=f"the witness of {witness.condition} {reason}",
                    claim=f"refuted: {witness.condition}", trial=get_trial(bench, witness),
                    place=get_place(bench, witness), values=(low, high),
                    proof=f"in {DIGITS} digits",
                ))  # fmt: skip
    proved = any(e.lemma == "R5" for c in certificate.conditions for e in c.evidence)
    if not certificate.witnesses and not proved:
        empty = PlainTrial(parameters=tuple(bench.drawer.defaults), times=(), weights=(),
                           initial=tuple(bench.drawer.at_rest), duration=1.0)  # fmt: skip
        found.append(Contradiction(kind="witness", text="refuted without a witness",
                                   claim="refuted", trial=empty))  # fmt: skip
    return found


def get_trial(bench: Bench, witness: Any) -> PlainTrial:
    """The trial of a witness as plain numbers."""
    trial, model = witness.trial, bench.model
    return PlainTrial(
        parameters=tuple(float(trial.parameters[p.name]) for p in model.parameters),
        initial=tuple(float(trial.initial[s.name]) for s in model.state),
        times=tuple(map(float, trial.times)),
        weights=tuple(map(float, trial.weights)),
        duration=float(trial.duration),
    )


def get_place(bench: Bench, witness: Any) -> tuple[str, int]:
    """Field and index of what a witness moves."""
    if witness.place in FIELDS:
        return FIELDS[witness.place], witness.number
    names = [s.name for s in bench.model.state]
    if witness.place in names:
        return "initial", names.index(witness.place)
    return "parameters", [p.name for p in bench.model.parameters].index(witness.place)


def find_fault(bench: Bench, witness: Any) -> str:
    """Why a witness shows nothing; "" if it stands.

    Raises:
        Lost: If it cannot be run.
    """
    trial, place = get_trial(bench, witness), get_place(bench, witness)
    low, high = sorted(witness.values)
    for value in (low, high):
        moved = trial.move(place, value)
        if not bench.admits(moved):
            return "violates a domain or an assumption"
    if not 0 < high - low < 1e-9:
        return f"moves a number by {high - low:.3g}"
    ladder = Ladder(bench.get_precise, trial, place)
    step = ladder.climb(float(mpf(low)), float(mpf(high)))
    if not all(bench.keeps(states, p) for states, p in ladder.seen):
        return "leaves the assumptions on its way"
    return "" if step is not None else "dissolves: its jump shrinks as the two values come together"
