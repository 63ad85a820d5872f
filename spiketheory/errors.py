"""The errors a user can meet, and the validators that raise them.

Every message says what was expected, what came and what to do. Each class is also a
``ValueError``, so that callers who know nothing of spiketheory can catch it.
"""

from collections.abc import Collection

import numpy as np


class SpiketheoryError(ValueError):
    """Base of every error that spiketheory raises on purpose."""


class ModelError(SpiketheoryError):
    """A neuron model is malformed, or a parameter lies outside its domain."""


class ParseError(ModelError):
    """A text of a model file could not be read; the message points at the place."""


class DerivationError(SpiketheoryError):
    """No method can derive what was asked of the model."""


class TimeLimitError(SpiketheoryError):
    """Mathematics took longer than it was allowed to."""


class VerificationError(SpiketheoryError):
    """A derivation failed one of its checks; the message names the step."""


class UnsupportedError(VerificationError):
    """A derivation cannot be checked for this model; the message says what to write instead."""


class InputError(SpiketheoryError):
    """A network, a data set, an option or a file is not what it should be."""


class CheckpointError(InputError):
    """A checkpoint is truncated, foreign or from another version."""


class SimulationError(SpiketheoryError):
    """A simulation could not be carried to its end."""


class ClusterError(SpiketheoryError):
    """The scheduler or the workers that share the work have gone."""


class ProcessError(SpiketheoryError):
    """A process that did part of the work has died."""


class WorkerError(InputError):
    """A worker of a cluster would not compute as its client does."""


def check_choice(name: str, value: str, choices: Collection[str]) -> str:
    """Return ``value`` if it is one of ``choices``, else raise `InputError`."""
    if value not in choices:
        raise InputError(
            f"Expected {name} to be one of {', '.join(sorted(choices))} but got {value!r}; "
            "choose one of these names."
        )
    return value


def check_positive(name: str, value: float) -> float:
    """Return ``value`` if it is finite and positive, else raise `InputError`."""
    if not (np.isfinite(value) and value > 0):
        raise InputError(f"Expected {name} > 0 but got {name}={value}; give a positive number.")
    return value


def check_shape(name: str, array: np.ndarray, shape: tuple[int | None, ...]) -> np.ndarray:
    """Return ``array`` if its shape matches (``None`` fits any length), else raise."""
    if array.ndim != len(shape) or any(
        want is not None and want != got for want, got in zip(shape, array.shape, strict=True)
    ):
        lengths = ["any" if n is None else str(n) for n in shape]
        wanted = f"({lengths[0]},)" if len(lengths) == 1 else f"({', '.join(lengths)})"
        raise InputError(
            f"Expected {name} of shape {wanted} but got shape {array.shape}; "
            "check the order and the lengths of its axes."
        )
    return array


def check_finite(name: str, array: np.ndarray) -> np.ndarray:
    """Return ``array`` if all its entries are finite, else raise `InputError`."""
    if not np.isfinite(array).all():
        bad = np.argwhere(~np.isfinite(array))
        where = tuple(int(i) for i in bad[0])
        raise InputError(
            f"Expected finite numbers in {name} but got {name}[{', '.join(map(str, where))}]="
            f"{array[where]} ({len(bad)} such); remove NaN and inf before you pass it."
        )
    return array
