"""The trials file (docs/formats.md, 13): a batch of trials of input spikes, an ``.npz``."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sim.engine.records import BatchRecording
from sim.files.batch_file import check_numbers, read_arrays, read_scalar, write_arrays
from sim.inputs.trials import Trials
from spiketheory.errors import InputError, check_positive, check_shape

REQUIRED = ("time", "channel", "offsets", "n_channels", "duration")
OPTIONAL = ("label", "group")


@dataclass(frozen=True, kw_only=True, eq=False)
class TrialsFile:
    """What a trials file holds.

    Attributes:
        trials: The trials.
        duration: How long each is [time].
        labels: Class of each trial, shape (n_trials,); None if there are none.
        groups: What each trial belongs to, whole numbers or texts, shape (n_trials,); None if the
            file does not say.
    """

    trials: Trials
    duration: float
    labels: np.ndarray | None = None
    groups: np.ndarray | None = None

    def __post_init__(self) -> None:
        check_positive("duration", self.duration)
        n = len(self.trials)
        if n == 0:
            raise InputError("Expected at least one trial but got none; add trials.")
        for name, values, kinds, wanted in (
            ("label", self.labels, "iu", "whole numbers"),
            ("group", self.groups, "iuU", "whole numbers or texts"),
        ):
            if values is None:
                continue
            check_shape(name, values, (n,))
            if values.dtype.kind not in kinds:
                raise InputError(
                    f"Expected {wanted} in {name} but got the type {values.dtype}; store one per "
                    "trial."
                )
        if self.labels is not None and self.labels.min() < 0:
            raise InputError(
                f"Expected labels >= 0 but got {self.labels.min()}; count the classes from 0."
            )


def is_trials_file(arrays: Mapping[str, np.ndarray]) -> bool:
    """Whether arrays are those of a trials file."""
    return all(name in arrays for name in REQUIRED)


def read_trials_file(path: Path) -> TrialsFile:
    """Read a trials file.

    Raises:
        InputError: If it cannot be read, or a field is missing, unknown or malformed.
    """
    arrays = read_arrays(path)
    missing = [name for name in REQUIRED if name not in arrays]
    if missing:
        raise InputError(
            f"Expected the fields {', '.join(REQUIRED)} in {path} but {', '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} missing; add them."
        )
    unknown = [name for name in arrays if name not in (*REQUIRED, *OPTIONAL)]
    if unknown:
        raise InputError(
            f"Expected fields among {', '.join((*REQUIRED, *OPTIONAL))} in {path} but got "
            f"{unknown[0]!r}; correct its name or remove it."
        )
    n_channels = read_scalar(arrays, "n_channels")
    if arrays["n_channels"].dtype.kind not in "iu":
        raise InputError(
            f"Expected a whole number for n_channels in {path} but got {n_channels}; store an "
            "integer."
        )
    try:
        return TrialsFile(
            trials=Trials(
                time=check_numbers("time", arrays["time"]), channel=arrays["channel"],
                offsets=arrays["offsets"], n_channels=n_channels,
            ),
            duration=float(read_scalar(arrays, "duration")),
            labels=arrays.get("label"),
            groups=arrays.get("group"),
        )  # fmt: skip
    except InputError as err:
        raise InputError(f"{str(err).rstrip('.')} (in {path}).") from err


def write_trials_file(path: Path, content: TrialsFile) -> None:
    """Write a trials file, whole or not at all."""
    trials = content.trials
    arrays = {
        "time": trials.time,
        "channel": trials.channel,
        "offsets": trials.offsets,
        "n_channels": np.array(trials.n_channels),
        "duration": np.array(float(content.duration)),
    }
    for name, values in (("label", content.labels), ("group", content.groups)):
        if values is not None:
            arrays[name] = values
    write_arrays(path, arrays)


def collect_batch_results(recording: BatchRecording) -> dict[str, np.ndarray]:
    """The result fields of docs/formats.md, 13."""
    populations = recording.network.populations
    results = {
        "spike_trial": recording.spike_trial,
        "spike_time": recording.spike_time,
        "spike_neuron": recording.spike_neuron,
        "population_name": np.array([p.name for p in populations]),
        "population_size": np.array([p.size for p in populations]),
    }
    for population, state in zip(populations, recording.end_state, strict=True):
        results |= {f"{population.name}_{name}_end": value for name, value in state.items()}
    return results
