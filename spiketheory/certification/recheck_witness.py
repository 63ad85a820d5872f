"""Run a witness of a certificate again, with more digits, and up the whole ladder."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import sympy as sp
from mpmath import mpf

from spiketheory.certification.certificate import Witness
from spiketheory.certification.refutation.ladder import (
    BREAKS,
    climb,
    describe_ladder,
    list_spikes,
    run_trial,
)
from spiketheory.certification.refutation.trial import Trial
from spiketheory.errors import VerificationError
from spiketheory.language.model import NeuronModel
from spiketheory.reference.neuron import DIGITS as CONFIRMED
from spiketheory.reference.neuron import Neuron

DIGITS = 60
SAME = 1e-6
"""Relative difference of a ladder's numbers in 60 digits from those in 50."""


def check_witness(
    model: NeuronModel, assumptions: Sequence[sp.Basic], described: Mapping[str, Any]
) -> Witness:
    """The witness that a file describes, with all that can be worked out worked out anew.

    Raises:
        VerificationError: If its jump does not stay, or is not what is said.
    """
    trial = read_trial(model, described["trial"])
    place, number, values = described["place"], described["number"], described["values"]
    ladder = described["ladder"]
    if described["condition"] not in BREAKS.get(described["rule"], ()):
        raise wrong("a rule that breaks the condition", described["rule"])
    if ladder["is_kink"] is not (described["condition"] == "C6"):
        raise wrong("derivatives compared for C6, times for others", ladder["is_kink"])
    found = climb(
        model, assumptions, trial, place, number, values, ladder["critical"],
        is_kink=ladder["is_kink"], digits=DIGITS,
    )  # fmt: skip
    if found is None:
        raise wrong("a jump that stays up to 1e-30 in admissible trials", "none")
    for name, mine in (("rungs", found.rungs), ("limits", [found.limits])):
        rows = ladder[name] if name == "rungs" else [ladder[name]]
        if len(rows) != len(mine) or not all(map(is_close, rows, mine)):
            raise wrong(f"the ladder's {name} {mine}", ladder[name])
    spikes = [check_spikes(model, trial.moved(place, number, v), stated)
              for v, stated in zip(values, described["spikes"], strict=True)]  # fmt: skip
    recorded = replace(
        found, digits=CONFIRMED, rungs=tuple((g, d) for g, d in ladder["rungs"]),
        limits=(ladder["limits"][0], ladder["limits"][1]),
    )  # fmt: skip
    base = trial.moved(place, number, values[0])
    return Witness(
        condition=described["condition"],
        parameter=trial.name_place(place, number),
        place=place,
        number=number,
        values=(values[0], values[1]),
        spikes=(spikes[0], spikes[1]),
        change=describe_ladder(recorded, base, place, number),
        trial=base,
        digits=CONFIRMED,
        rule=described["rule"],
        ladder=recorded,
        from_rest=all(starts_from_rest(model, trial.moved(place, number, v)) for v in values),
    )


def wrong(what: str, got: object) -> VerificationError:
    """The error of a certificate that does not hold."""
    return VerificationError(
        f"Check 'certificate' failed: expected {what} but got {got}; certify the model again."
    )


def read_trial(model: NeuronModel, described: Mapping[str, Any]) -> Trial:
    """The trial, from the names of a trial file."""
    parameters = {p.name: described[p.name] for p in model.parameters}
    blank = Trial(parameters=parameters, initial={}, weights=(), times=(), duration=0.0)
    (weights,) = described["input_weights"]
    initial = {s.name: described[blank.name_initial(s.name)][0] for s in model.state}
    return replace(
        blank, initial=initial, weights=tuple(weights), times=tuple(described["input_times"]),
        duration=described["T"],
    )  # fmt: skip


def is_close(first: Sequence[float], last: Sequence[float]) -> bool:
    """Whether rows of numbers agree."""
    return len(first) == len(last) and all(
        abs(a - b) <= SAME * abs(b) for a, b in zip(first, last, strict=True)
    )


def check_spikes(model: NeuronModel, trial: Trial, stated: Sequence[float]) -> tuple[float, ...]:
    """The stated spike times, if they are those of the trial."""
    found = list_spikes(run_trial(model, trial, DIGITS))
    if len(found) != len(stated) or any(
        abs(a - mpf(b)) > mpf("1e-12") * max(1, abs(a)) for a, b in zip(found, stated, strict=True)
    ):
        raise wrong(f"spikes at {list(map(float, found))}", stated)
    return tuple(stated)


def starts_from_rest(model: NeuronModel, trial: Trial) -> bool:
    """Whether the initial state is that at rest."""
    neuron = Neuron(model, {n: mpf(v) for n, v in trial.parameters.items()}, digits=DIGITS)
    rest = {s.name: float(r) for s, r in zip(model.state, neuron.rest, strict=True)}
    return rest == dict(trial.initial)
