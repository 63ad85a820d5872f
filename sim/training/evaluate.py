"""How well a network does: loss, accuracy, activity and energy on any number of samples."""

from dataclasses import dataclass

import numpy as np

from sim.layers.batch import Events, run_batch
from sim.losses import Loss
from sim.network.layer_stack import LayerStack
from sim.training.energy import EnergyEstimate, estimate_energy

EVALUATION_BATCH = 2000
Row = dict[str, float]
"""Metrics of an epoch by name; what was not measured in it is NaN."""


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """How well a network does on a set of samples.

    Attributes:
        loss: Mean loss, missing output spikes replaced by pseudospikes.
        accuracy: Fraction of samples whose label's output spikes first, pseudospikes included.
        loss_ordinary: Mean loss with missing output spikes at T.
        accuracy_ordinary: The same with ordinary spikes alone; no output spike counts as wrong.
        spikes_per_hidden_neuron: Ordinary spikes per hidden neuron and sample.
        silent_fraction: Fraction of hidden neurons that spike in no sample.
        energy: Synaptic operations per sample and the energy estimate from them.
    """

    loss: float
    accuracy: float
    loss_ordinary: float
    accuracy_ordinary: float
    spikes_per_hidden_neuron: float
    silent_fraction: float
    energy: EnergyEstimate


def evaluate_network(
    network: LayerStack, events: Events, labels: np.ndarray, targets: np.ndarray, loss: Loss
) -> Metrics:
    """Metrics of a network on any number of samples, in batches.

    Args:
        network: The network.
        events: The samples.
        labels: Their labels, shape (n_samples,).
        targets: Their targets, as the loss wants them.
        loss: The loss.
    """
    outcomes = []
    for first in range(0, len(labels), EVALUATION_BATCH):
        indices = np.arange(first, min(first + EVALUATION_BATCH, len(labels)))
        outcome, _ = run_batch(network, events.take(indices), targets[indices], loss)
        outcomes.append(outcome)
    times = np.concatenate([o.output_times[:, :, 0] for o in outcomes])
    spiked = np.concatenate([o.n_ordinary for o in outcomes]) > 0
    ordinary = np.where(spiked, times, np.inf)
    decided = spiked.any(axis=1)
    hidden = network.n_hidden
    active = np.any([o.active for o in outcomes], axis=0)[:hidden]
    spikes = np.concatenate([o.hidden_spikes for o in outcomes])
    operations = np.concatenate([o.synaptic_operations for o in outcomes])
    return Metrics(
        loss=float(np.concatenate([o.loss for o in outcomes]).mean()),
        accuracy=float((times.argmin(axis=1) == labels).mean()),
        loss_ordinary=float(np.concatenate([o.loss_ordinary for o in outcomes]).mean()),
        accuracy_ordinary=float((decided & (ordinary.argmin(axis=1) == labels)).mean()),
        spikes_per_hidden_neuron=float(spikes.mean() / hidden) if hidden else 0.0,
        silent_fraction=float(1.0 - active.mean()) if hidden else 0.0,
        energy=estimate_energy(
            synaptic_operations=float(operations.mean()), layer_sizes=network.layer_sizes
        ),
    )


def name_metrics(part: str, metrics: Metrics) -> Row:
    """Loss and accuracy under their names in rows of metrics."""
    return {
        f"{part}_loss": metrics.loss,
        f"{part}_accuracy": metrics.accuracy,
        f"{part}_loss_ordinary": metrics.loss_ordinary,
        f"{part}_accuracy_ordinary": metrics.accuracy_ordinary,
    }


def separate_validation(row: Row) -> Row:
    """Metrics of a run with validation, which earlier versions called those of the test."""
    if "validation_loss" in row:
        return row
    found: Row = {}
    for name, value in row.items():
        found[name.replace("test_", "validation_")] = value
    return found | {name: float("nan") for name in row if name.startswith("test_")}


def find_watched(row: Row) -> str:
    """Whether validation or test samples are looked at after every epoch."""
    return "validation" if "validation_loss" in row else "test"
