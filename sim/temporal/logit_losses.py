"""Losses of a trial's logits.

A loss is a function ``loss(logits, target, settings, gradient) -> value`` of one trial that Numba
can compile; the derivatives by ``logits`` (n_outputs,) are written to ``gradient``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from spiketheory.errors import InputError, check_finite, check_shape

Floats: TypeAlias = NDArray[np.floating]
Numbers: TypeAlias = tuple[float, ...]
Settings: TypeAlias = Numbers | Floats


@dataclass(frozen=True, kw_only=True)
class LogitLoss:
    """A loss with its numbers.

    Attributes:
        name: Its name.
        function: The function of one trial, see the module's docstring.
        settings: Its numbers, passed to every call.
        class_weights: Weight of each class, where targets are labels; none for 1.
    """

    name: str
    function: Callable[..., float]
    settings: Numbers
    class_weights: Numbers = ()

    def __repr__(self) -> str:
        return f"LogitLoss({self.name}, settings={self.settings})"


def cross_entropy(logits: Floats, target: Floats, settings: Settings, gradient: Floats) -> float:
    """Cross entropy of the softmax of the logits; settings are (label smoothing,).

    Target is (label, weight of its class); with smoothing s the wanted probabilities are s / n, and
    1 - s more for the label.
    """
    smoothing = settings[0]
    label, weight = int(target[0]), target[1]
    n = logits.shape[0]
    highest = logits[0]
    for o in range(1, n):
        highest = max(highest, logits[o])
    others = 0.0
    for o in range(n):
        gradient[o] = np.exp(logits[o] - highest)
        if o != label:
            others += gradient[o]
    total = gradient[label] + others
    log_total = highest + np.log(total)
    value = 0.0
    for o in range(n):
        wanted = smoothing / n + (1.0 - smoothing if o == label else 0.0)
        value += wanted * (log_total - logits[o])
        if o == label:  # what it lacks is what others have: 1 minus a number near 1 loses digits
            gradient[o] = weight * (smoothing - smoothing / n - others / total)
        else:
            gradient[o] = weight * (gradient[o] / total - wanted)
    return float(weight * value)


def squared_error(logits: Floats, target: Floats, settings: Settings, gradient: Floats) -> float:
    """Half the squared distance of the logits to the targets; target ends with a weight."""
    value, weight = 0.0, target[logits.shape[0]]
    for o in range(logits.shape[0]):
        distance = logits[o] - target[o]
        gradient[o] = weight * distance
        value += 0.5 * weight * distance * distance
    return float(value)


def linear_in_logits(logits: Floats, target: Floats, settings: Numbers, gradient: Floats) -> float:
    """Weighted sum of the logits: pulls any given derivatives back through the network."""
    value = 0.0
    for o in range(logits.shape[0]):
        gradient[o] = target[o]
        value += target[o] * logits[o]
    return float(value)


def make_cross_entropy(
    *, smoothing: float = 0.0, class_weights: Sequence[float] | None = None
) -> LogitLoss:
    """Cross entropy; targets are labels.

    Args:
        smoothing: From 0 to below 1: how much of the wanted probability is spread over all classes.
        class_weights: Weight of each class; None for 1.

    Raises:
        InputError: If the numbers are out of range.
    """
    if not 0.0 <= smoothing < 1.0:
        raise InputError(
            f"Expected a label smoothing from 0 to below 1 but got {smoothing}; 0 is none."
        )
    weights = tuple(float(w) for w in class_weights or ())
    if any(not (np.isfinite(w) and w > 0) for w in weights):
        raise InputError(
            f"Expected class weights above 0 but got {min(weights)}; leave a class out by its data."
        )
    return LogitLoss(
        name="cross_entropy", function=cross_entropy, settings=(float(smoothing),),
        class_weights=weights,
    )  # fmt: skip


def make_squared_error() -> LogitLoss:
    """Half the squared distance; targets are numbers, one for each output."""
    return LogitLoss(name="squared_error", function=squared_error, settings=(0.0,))


def make_linear_logits() -> LogitLoss:
    """A weighted sum of the logits; targets are the weights."""
    return LogitLoss(name="linear_logits", function=linear_in_logits, settings=(0.0,))


def prepare_logit_targets(
    loss: LogitLoss, targets: np.ndarray, n_trials: int, n_outputs: int,
    sample_weight: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    """Targets as the loss's function takes them, one row for each trial.

    Args:
        loss: The loss.
        targets: Labels, or numbers for each output.
        n_trials: Number of trials.
        n_outputs: Number of outputs.
        sample_weight: What the loss of each trial is multiplied by, shape (n_trials,); None for 1.

    Raises:
        InputError: If shapes, labels or weights do not fit.
    """
    given = np.asarray(targets)
    weight_of_trial = check_sample_weight(loss, sample_weight, n_trials)
    if loss.name != "cross_entropy":
        wanted = check_finite("targets", check_shape("targets", given, (n_trials, n_outputs)))
        if loss.name == "squared_error":
            wanted = np.column_stack([wanted, weight_of_trial])
        return np.ascontiguousarray(wanted, float)
    labels = check_shape("labels", given, (n_trials,))
    if not np.issubdtype(labels.dtype, np.integer):
        raise InputError(f"Expected whole numbers as labels but got {labels.dtype}; convert them.")
    if len(labels) and (labels.min() < 0 or labels.max() >= n_outputs):
        raise InputError(
            f"Expected labels from 0 to {n_outputs - 1} but got {labels.min()} to "
            f"{labels.max()}; give one output to every class."
        )
    weights = np.array(loss.class_weights or (1.0,) * n_outputs)
    check_shape("class weights", weights, (n_outputs,))
    return np.column_stack([labels.astype(np.float64), weights[labels] * weight_of_trial])


def check_sample_weight(
    loss: LogitLoss, sample_weight: np.ndarray | None, n_trials: int
) -> np.ndarray:
    """Weights of the trials, 1 unless they are given.

    Raises:
        InputError: If they do not fit, one is negative, or the loss has no place for them.
    """
    if sample_weight is None:
        return np.ones(n_trials)
    if loss.name not in ("cross_entropy", "squared_error"):
        raise InputError(
            f"Expected no sample_weight with the loss {loss.name} but got some; write them into "
            "its targets."
        )
    weights = check_finite(
        "sample_weight", check_shape("sample_weight", sample_weight, (n_trials,))
    )
    if np.any(weights < 0):
        raise InputError(
            f"Expected sample_weight >= 0 but got {weights.min()}; 0 leaves a trial out."
        )
    return np.asarray(weights, np.float64)
