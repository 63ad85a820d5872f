"""Files of failures: a trial file (docs/formats.md, 10) with the parameter that is moved."""

import os
from typing import Any

import numpy as np

from spiketheory.checking.failure import Failure
from spiketheory.checking.subject import Subject
from spiketheory.checking.trial import Place, Trial
from spiketheory.errors import InputError
from spiketheory.files import replace_atomically
from spiketheory.language.model import NeuronModel
from spiketheory.language.parse import parse_model
from spiketheory.reading import DamagedError, catch_damage, read_npz, show

EXTRA = ("durations", "order", "input_order", "shift")


def write_failure(path: str | os.PathLike[str], subject: Subject, failure: Failure) -> None:
    """Write a failure to an ``.npz`` file, whole or not at all."""
    trial = failure.trial
    arrays: dict[str, Any] = {
        "model": subject.neuron.name,
        "model_file": subject.neuron.to_toml(),
        **subject.parameters,
        "T": trial.duration,
        "weights": np.array(trial.weights),
        "input_weights": np.array(trial.input_weights),
        "input_times": np.array(trial.input_times, dtype=float),
        "input_neurons": np.array(trial.input_neurons, dtype=np.int64),
        "property": failure.name,
        "text": failure.text,
        "proof": failure.proof,
        "assume": np.array(subject.assumptions.texts, dtype=str),
        **{name: np.array(values) for name, values in failure.extra},
    }
    for c, symbol in enumerate(subject.neuron.state):
        arrays[f"{symbol.name}0"] = np.array([state[c] for state in trial.initial])
    if failure.place is not None:
        arrays["moved"] = failure.place.field
        arrays["moved_index"] = np.array(failure.place.index, dtype=np.int64)
    if failure.values is not None:
        arrays["moved_values"] = np.array(failure.values)
    with replace_atomically(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)


def read_failure(
    path: str | os.PathLike[str],
) -> tuple[NeuronModel, dict[str, float], tuple[str, ...], Failure]:
    """Read what `write_failure` wrote.

    Returns:
        The model, its parameters, what was assumed, and the failure.

    Raises:
        InputError: If the file is none of this kind.
    """
    try:
        with catch_damage():
            return read_arrays(read_npz(path))
    except DamagedError as err:
        raise InputError(
            f"Expected a file that `spiketheory check` wrote at {path} but could not read it "
            f"({err}); give the .npz file of a failure."
        ) from err


def read_arrays(
    found: dict[str, np.ndarray],
) -> tuple[NeuronModel, dict[str, float], tuple[str, ...], Failure]:
    """The contents of a file."""
    neuron = parse_model(str(found["model_file"]), origin="the file of a failure")
    parameters = {p.name: float(found[p.name]) for p in neuron.parameters}
    components = [found[f"{s.name}0"] for s in neuron.state]
    trial = Trial(
        duration=float(found["T"]),
        weights=to_rows(found["weights"]),
        input_weights=to_rows(found["input_weights"]),
        input_times=tuple(map(float, found["input_times"])),
        input_neurons=tuple(map(int, found["input_neurons"])),
        initial=tuple(tuple(map(float, state)) for state in zip(*components, strict=True)),
    )
    check_sizes(trial)
    place = None
    if "moved" in found:
        place = Place(str(found["moved"]), tuple(map(int, found["moved_index"])))
        if place not in list(trial.places()):
            raise ValueError(f"no number of the trial is at {show(place)}")
    values = tuple(map(float, found["moved_values"])) if "moved_values" in found else None
    if values is not None and (place is None or len(values) != 2 or not np.isfinite(values).all()):
        raise ValueError(f"moved_values are {show(values)}")
    extra = tuple(
        (name, tuple(map(float, found[name].tolist()))) for name in EXTRA if name in found
    )  # fmt: skip
    check_extra(str(found["property"]), dict(extra), trial)
    failure = Failure(
        name=str(found["property"]), text=str(found["text"]), trial=trial, place=place,
        values=None if values is None else (values[0], values[1]), proof=str(found["proof"]),
        extra=extra,
    )  # fmt: skip
    return neuron, parameters, tuple(map(str, found["assume"])), failure


def check_extra(name: str, extra: dict[str, Any], trial: Trial) -> None:
    """Raise `ValueError` unless what a property needs besides the trial is there."""
    n, m = trial.n_neurons, len(trial.input_weights[0])
    numbers = [number for values in extra.values() for number in values]
    fits = bool(np.isfinite(np.array(numbers, dtype=float)).all())
    if name in ("flow", "prediction"):
        fits &= len(extra["durations"]) == 2 and min(extra["durations"]) >= 0 and m > 0
    elif name == "symmetry":
        fits &= sorted(extra["order"]) == list(range(n)) and len(extra["shift"]) == 1
        fits &= sorted(extra["input_order"]) == list(range(m))
    if not fits:
        raise ValueError(f"{name} does not fit {show(extra)}")


def to_rows(array: np.ndarray) -> tuple[tuple[float, ...], ...]:
    """A matrix as nested tuples."""
    return tuple(tuple(map(float, row)) for row in array)


def check_sizes(trial: Trial) -> None:
    """Raise `InputError` unless the arrays of a trial fit together."""
    n, m = trial.n_neurons, len(trial.input_weights[0]) if trial.input_weights else 0
    fits = (
        len(trial.weights) == len(trial.input_weights) == n
        and all(len(row) == n for row in trial.weights)
        and all(len(row) == m for row in trial.input_weights)
        and len(trial.input_times) == len(trial.input_neurons)
        and all(0 <= source < m for source in trial.input_neurons)
        and trial.duration > 0
        and np.isfinite([*trial.input_times, trial.duration]).all()
        and all(np.isfinite(r).all() for r in (*trial.weights, *trial.input_weights))
        and all(np.isfinite(r).all() for r in trial.initial)
    )
    if not fits or not n:
        raise InputError(
            f"Expected weights ({n}, {n}), input_weights ({n}, M) and input_neurons below M, one "
            f"for each of {len(trial.input_times)} input times, all finite, but got others; see "
            "docs/formats.md, 10."
        )
