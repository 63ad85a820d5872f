"""Losses of output spike times.

A loss is a function ``loss(times, target, settings, gradient) -> value`` of one sample that
Numba can compile: ``times`` (n_outputs, n_required) are the first spikes of every output neuron,
pseudospikes included; ``target`` (n_targets,) is what is wanted of this sample; ``settings`` are
the loss's numbers; the derivatives by ``times`` are written to ``gradient``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from spiketheory.errors import InputError, check_finite, check_shape
from spiketheory.machine.jit import Options, compile_function

Floats: TypeAlias = NDArray[np.floating]
Numbers: TypeAlias = tuple[float, ...]

LOSSES_OF_LABELS = ("first_spike", "first_spike_in_time")
"""Names of the losses whose targets are labels."""


@dataclass(frozen=True, kw_only=True)
class Loss:
    """A loss with its numbers.

    Attributes:
        name: Its name.
        function: The function of one sample, see the module's docstring.
        settings: Its numbers, passed to every call.
        n_required: How many spikes of each output neuron it needs.
    """

    name: str
    function: Callable[..., float]
    settings: tuple[float, ...]
    n_required: int = 1

    def __repr__(self) -> str:
        return f"Loss({self.name}, settings={self.settings}, n_required={self.n_required})"


def first_spike_loss(times: Floats, target: Floats, settings: Numbers, gradient: Floats) -> float:
    """Cross entropy of the softmax of minus the first spike times, plus a bound on the label's.

    loss = -log softmax(-t)_label + gamma (exp(t_label / T) - 1); settings are (gamma, T).
    """
    gamma, duration = settings
    label = int(target[0])
    n_outputs = times.shape[0]
    earliest = times[0, 0]
    for i in range(1, n_outputs):
        earliest = min(earliest, times[i, 0])
    total = 0.0
    for i in range(n_outputs):
        gradient[i, 0] = np.exp(earliest - times[i, 0])
        total += gradient[i, 0]
    for i in range(n_outputs):
        gradient[i, 0] = -gradient[i, 0] / total
    late = times[label, 0]
    gradient[label, 0] += 1.0 + gamma / duration * np.exp(late / duration)
    return float(late - earliest + np.log(total) + gamma * np.expm1(late / duration))


def first_spike_in_time_loss(
    times: Floats, target: Floats, settings: Numbers, gradient: Floats
) -> float:
    """Cross entropy of first spike times where "none before T" is one class more, of time T.

    loss = -log(exp(-s t_label / T) / (exp(-s) + sum_i exp(-s t_i / T))); settings are (s, T).
    Without the class more, a pseudospike that is first is as good as a spike.
    """
    sharpness, duration = settings
    rate = sharpness / duration
    label = int(target[0])
    n_outputs = times.shape[0]
    earliest = duration
    for i in range(n_outputs):
        earliest = min(earliest, times[i, 0])
    total = np.exp(rate * (earliest - duration))
    for i in range(n_outputs):
        gradient[i, 0] = np.exp(rate * (earliest - times[i, 0]))
        total += gradient[i, 0]
    for i in range(n_outputs):
        gradient[i, 0] = -rate * gradient[i, 0] / total
    gradient[label, 0] += rate
    return float(rate * (times[label, 0] - earliest) + np.log(total))


def target_time_loss(times: Floats, target: Floats, settings: Numbers, gradient: Floats) -> float:
    """Half the squared distance of spike times to target times; NaN-free targets of inf count not.

    Targets are listed output by output, ``n_required`` each; ``inf`` means "any time will do".
    """
    n_outputs, n_required = times.shape
    total = 0.0
    for i in range(n_outputs):
        for k in range(n_required):
            wanted = target[i * n_required + k]
            if np.isfinite(wanted):
                distance = times[i, k] - wanted
                total += 0.5 * distance * distance
                gradient[i, k] = distance
            else:
                gradient[i, k] = 0.0
    return float(total)


def spike_trains_loss(times: Floats, target: Floats, settings: Numbers, gradient: Floats) -> float:
    """Mean squared relative distance to spike trains; the spike after the last target comes late.

    loss = sum(((t - wanted) / (wanted + soften))^2) / n over all targets and, for each output, the
    first spike after its last target: that one wants to be at ``silent_after`` or later, where it
    counts 0. Targets are listed output by output, ``n_required`` each, filled up with ``inf``;
    settings are (silent_after, soften).
    """
    silent_after, soften = settings
    n_outputs, n_required = times.shape
    n_compared = 0
    total = 0.0
    for i in range(n_outputs):
        is_over = False
        for k in range(n_required):
            gradient[i, k] = 0.0
            if is_over:
                continue
            wanted = target[i * n_required + k]
            is_over = not np.isfinite(wanted)
            if is_over:
                wanted = silent_after
            off = (times[i, k] - wanted) / (wanted + soften)
            if is_over:
                off = min(off, 0.0)
            n_compared += 1
            total += off * off
            gradient[i, k] = 2 * off / (wanted + soften)
    for i in range(n_outputs):
        for k in range(n_required):
            gradient[i, k] /= n_compared
    return float(total / n_compared)


def linear_loss(times: Floats, target: Floats, settings: Numbers, gradient: Floats) -> float:
    """Weighted sum of spike times: pulls any given derivatives back through the network.

    For a loss of your own use `sim.engine.predict.pull_back`, which takes these derivatives and
    does not average over the trials once more.
    """
    n_outputs, n_required = times.shape
    total = 0.0
    for i in range(n_outputs):
        for k in range(n_required):
            gradient[i, k] = target[i * n_required + k]
            total += gradient[i, k] * times[i, k]
    return float(total)


def make_first_spike_loss(*, gamma: float, duration: float) -> Loss:
    """Time-to-first-spike cross entropy (docs/mathematics.md, 5); targets are labels."""
    return Loss(
        name="first_spike", function=first_spike_loss, settings=(float(gamma), float(duration))
    )


def make_first_spike_in_time_loss(*, sharpness: float, duration: float) -> Loss:
    """Cross entropy of first spikes that should come before T; targets are labels.

    Args:
        sharpness: How sharply times are told apart [1/T].
        duration: The trial's end T [time].
    """
    return Loss(
        name="first_spike_in_time", function=first_spike_in_time_loss,
        settings=(float(sharpness), float(duration)),
    )  # fmt: skip


def make_target_time_loss(*, n_required: int = 1) -> Loss:
    """Half the squared distance to target spike times."""
    return Loss(
        name="target_time", function=target_time_loss, settings=(0.0,), n_required=n_required
    )


def make_spike_trains_loss(*, n_required: int, silent_after: float, soften: float) -> Loss:
    """Mean squared relative distance to spike trains; targets are those of `pad_spike_trains`.

    Args:
        n_required: One more than the most targets of an output.
        silent_after: Where the spike after the last target is pushed to [time].
        soften: What is added to a target's time before the distance is divided by it [time].
    """
    return Loss(
        name="spike_trains", function=spike_trains_loss,
        settings=(float(silent_after), float(soften)), n_required=n_required,
    )  # fmt: skip


def pad_spike_trains(trains: Sequence[Sequence[float] | np.ndarray]) -> np.ndarray:
    """Target spike trains as an array, shape (n_outputs, most targets + 1), inf where none is.

    Args:
        trains: Target times of each output, increasing [time].
    """
    n_required = 1 + max(map(len, trains), default=0)
    padded = np.full((len(trains), n_required), np.inf)
    for row, train in zip(padded, trains, strict=True):
        row[: len(train)] = train
    return padded


def make_linear_loss(*, n_required: int = 1) -> Loss:
    """A weighted sum of spike times."""
    return Loss(name="linear", function=linear_loss, settings=(0.0,), n_required=n_required)


@lru_cache(maxsize=64)
def compile_function_once(function: Callable[..., float]) -> Callable[..., float]:
    """A loss's function, compiled."""
    return compile_function(function, key="", options=Options(allocates=False))


def compile_loss(loss: Loss, *, backend: str) -> Callable[..., float]:
    """The function of a loss as a backend calls it from Python."""
    return compile_function_once(loss.function) if backend == "numba" else loss.function


def prepare_targets(
    loss: Loss, targets: np.ndarray, *, n_samples: int, n_outputs: int
) -> np.ndarray:
    """Check targets and bring them to shape (n_samples, n_targets).

    Args:
        loss: The loss that they are for.
        targets: Labels, shape (n_samples,), for `LOSSES_OF_LABELS`; else numbers of shape
            (n_samples, n_outputs) or (n_samples, n_outputs, n_required).
        n_samples: Number of samples.
        n_outputs: Number of output neurons.

    Returns:
        Float array that the loss's function takes, one row per sample.

    Raises:
        InputError: If shapes or labels do not fit.
    """
    if loss.name in LOSSES_OF_LABELS:
        labels = check_shape("labels", np.asarray(targets), (n_samples,))
        if not np.issubdtype(labels.dtype, np.integer):
            raise InputError(
                f"Expected whole numbers as labels but got {labels.dtype}; convert them."
            )
        if np.any((labels < 0) | (labels >= n_outputs)):
            raise InputError(
                f"Expected labels from 0 to {n_outputs - 1} but got {labels.min()} to "
                f"{labels.max()}; give one output neuron to every class."
            )
        return labels.astype(np.float64)[:, None]
    flat = np.asarray(targets, dtype=np.float64)
    if flat.ndim == 3:
        check_shape("targets", flat, (n_samples, n_outputs, loss.n_required))
        flat = flat.reshape(n_samples, -1)
    check_shape("targets", flat, (n_samples, n_outputs * loss.n_required))
    if loss.name == "linear":
        check_finite("targets", flat)
    elif np.any(np.isnan(flat)):
        raise InputError("Expected target times but got NaN; use inf where any time will do.")
    return np.ascontiguousarray(flat)
