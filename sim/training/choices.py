"""What the names of a configuration stand for: loss, targets, input spikes, learning rate."""

from typing import Any

import numpy as np

from sim.inputs.encoding import encode_bins, encode_latency
from sim.inputs.trials import Trials
from sim.losses import (
    LOSSES_OF_LABELS,
    Loss,
    make_first_spike_in_time_loss,
    make_first_spike_loss,
    make_target_time_loss,
)
from sim.network.layer_stack import Input
from sim.training.config import TrainConfig
from sim.training.schedules import Schedule, WarmUp, make_schedule


def make_loss(config: TrainConfig) -> Loss:
    """The loss that a configuration names."""
    loss, duration = config.loss, config.network.duration
    if loss.name == "first_spike":
        return make_first_spike_loss(gamma=loss.gamma, duration=duration)
    if loss.name == "first_spike_in_time":
        return make_first_spike_in_time_loss(sharpness=loss.sharpness, duration=duration)
    return make_target_time_loss()


def make_targets(config: TrainConfig, labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Labels, or the target times that stand for them."""
    loss, duration = config.loss, config.network.duration
    if loss.name in LOSSES_OF_LABELS:
        return labels
    targets = np.full((len(labels), n_classes), loss.target_other * duration)
    targets[np.arange(len(labels)), labels] = loss.target_label * duration
    return targets


def encode_inputs(config: TrainConfig, inputs: np.ndarray | Trials) -> Input | Trials:
    """Turn intensities into input spikes; trials are spikes already."""
    if isinstance(inputs, Trials):
        return inputs
    how = config.encoding
    if how.name == "bins":
        return encode_bins(inputs, n_bins=how.n_bins, T=config.network.duration)
    return encode_latency(
        inputs, t_first=how.first_input, t_last=how.last_input, threshold=how.threshold
    )


def choose_schedule(config: TrainConfig) -> Schedule:
    """The learning rate that a configuration names."""
    wanted = config.schedule
    settings: dict[str, Any] = {"rate": config.optimiser.learning_rate}
    if wanted.name == "exponential":
        settings["decay_epochs"] = wanted.decay_epochs
    if wanted.name == "plateau":
        settings |= {"epochs": wanted.plateau_epochs, "factor": wanted.plateau_factor}
    schedule = make_schedule(wanted.name, **settings)
    return WarmUp(schedule=schedule, epochs=wanted.warm_up) if wanted.warm_up else schedule
