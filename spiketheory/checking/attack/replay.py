"""Files of contradictions (docs/checking.md, The opponent), and looking at them again."""

import json
import math
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import mpmath
from mpmath import mpf

from spiketheory.checking.attack.bench import Bench, Suspect
from spiketheory.checking.attack.contradiction import Contradiction, PlainTrial
from spiketheory.checking.attack.kinks import confirm_kink
from spiketheory.checking.attack.ladder import DIGITS, JUMP, Ladder
from spiketheory.checking.attack.pile_up import (
    confirm_by_count,
    confirm_by_digits,
    confirm_runaway,
)
from spiketheory.checking.attack.precise_equations import Lost
from spiketheory.errors import InputError
from spiketheory.files import write_text_atomically
from spiketheory.language.model import NeuronModel, format_expression
from spiketheory.language.parse import parse_assumption, parse_model
from spiketheory.reading import DamagedError, catch_damage, parse_json, read_text, show

SCHEMA = "spiketheory contradiction 1"
KINDS = ("jump", "pile-up", "runaway", "kink", "witness")
BESIDE = 1e-9
"""From how far a kink is approached again."""


def write_contradiction(
    path: str | os.PathLike[str], bench_model: NeuronModel, assume: tuple[str, ...], verdict: str,
    found: Contradiction,
) -> None:  # fmt: skip
    """Write a contradiction to a JSON file, whole or not at all."""
    model = bench_model
    content = {
        "schema": SCHEMA,
        "model": model.name,
        "model_file": model.to_toml(),
        "assumptions": [*map(format_expression, model.assumptions), *assume],
        "verdict": verdict,
        "contradiction": {**asdict(found), "facts": dict(found.facts)},
    }
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text_atomically(path, json.dumps(content, indent=1) + "\n")


def read_contradiction(
    path: str | os.PathLike[str],
) -> tuple[NeuronModel, tuple[str, ...], Contradiction]:
    """Read what `write_contradiction` wrote: the model, what was assumed, and the contradiction.

    Raises:
        InputError: If the file is none of this kind.
    """
    try:
        with catch_damage():
            content = parse_json(read_text(path))
            if content["schema"] != SCHEMA:
                raise ValueError(f"the schema is {show(content['schema'])}")
            model = parse_model(content["model_file"], origin="the file of a contradiction")
            assume = tuple(content["assumptions"])
            for text in assume:
                parse_assumption(text, model)
            found = read_record(content["contradiction"])
            check_trial(found, model)
            return model, assume, found
    except DamagedError as err:
        raise InputError(
            f"Expected a file that `spiketheory check --attack` wrote at {path} but could not read "
            f"it ({err}); give the .json file of a contradiction."
        ) from err


def check_trial(found: Contradiction, model: NeuronModel) -> None:
    """Raise `ValueError` unless a trial is one of the model, and what is moved is part of it.

    A parameter outside its domain is a `ModelError`.
    """
    trial, numbers = found.trial, found.trial.numbers()
    every = [*(float(v) for values in numbers.values() for v in values), trial.duration]
    fits = (
        found.kind in KINDS
        and len(trial.parameters) == len(model.parameters)
        and len(trial.initial) == len(model.state)
        and len(trial.times) == len(trial.weights)
        and all(map(math.isfinite, every))
        and min(trial.times, default=0.0) >= 0
        and trial.duration > 0
    )
    if fits and found.place is not None:
        field, index = found.place
        fits = 0 <= index < len(numbers.get(field, ()))
        fits &= len(found.values) == 2 and all(math.isfinite(float(v)) for v in found.values)
    if not fits:
        raise ValueError(f"it is no trial of {model.name}")
    names = (p.name for p in model.parameters)
    model.check_parameters(dict(zip(names, map(float, trial.parameters), strict=True)))


def read_record(content: dict[str, Any]) -> Contradiction:
    """A contradiction from plain values."""
    values = dict(content)
    trial: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else float(v) for k, v in content["trial"].items()
    }
    place = content["place"]
    values["trial"] = PlainTrial(**trial)
    values["place"] = None if place is None else (str(place[0]), int(place[1]))
    values["values"] = tuple(content["values"])
    values["spikes"] = tuple(tuple(s) for s in content["spikes"])
    return Contradiction(**values)


def replay_contradiction(model: NeuronModel, assume: tuple[str, ...], found: Contradiction) -> bool:
    """Whether a trial still does what contradicts the certificate."""
    bench = Bench(model, [parse_assumption(text, model) for text in assume])
    try:
        if found.kind == "runaway":
            return confirm_runaway(bench, found.trial) is not None
        if found.kind == "pile-up":
            again = confirm_by_digits if "digits" in found.proof else confirm_by_count
            return again(bench, found.trial) is not None
        if found.place is None:
            return True
        if found.kind == "kink":
            with mpmath.workdps(DIGITS):
                center = float((mpf(found.values[0]) + mpf(found.values[1])) / 2)
            suspect = Suspect(trial=found.trial, place=found.place, low=center - BESIDE,
                              high=center + BESIDE, size=0.0, what="a number moved")  # fmt: skip
            return confirm_kink(bench, suspect, ties=True) is not None
        ladder = Ladder(bench.get_precise, found.trial, found.place)
        if found.kind == "witness":
            return ladder.climb(*map(float, found.values)) is None
        with mpmath.workdps(DIGITS + 8):
            runs = [ladder.run(mpf(v)) for v in found.values]
            return bool(ladder.differ(*runs) > JUMP)
    except Lost:
        return False
