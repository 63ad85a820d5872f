"""The networks that are measured: the digit task's, in a state that does not change.

Weights are random and scaled, layer by layer, so that hidden neurons spike as often as after
training; the learning rate is so small that training steps, complete as they are, leave them there.
"""

import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.timing import Step, time_calls
from derivations import compile_model
from sim.layers.batch import run_batch
from sim.network.layer_stack import LayerStack
from sim.training.config import make_config
from sim.training.data import Dataset, load_dataset
from sim.training.train import Trainer, TrainState

ACTIVITY = 0.417
"""Spikes per hidden neuron and sample of the trained network of Klos & Memmesheimer (2025)."""

ON = 0.13
"""Fraction of MNIST's pixels above 127."""

RATE = 1e-12
PROBE = 200
"""Samples on which the activity of a small network is set and its operations are counted."""


def list_precisions() -> list[str]:
    """Number formats that training can be asked for."""
    return ["float64", "float32"]


def make_images(samples: int, data: Path | None = None) -> Dataset:
    """Images of 28 x 28 pixels and their labels: MNIST's from a folder, else random ones."""
    if data is not None:
        real = load_dataset("mnist", root=data)
        chosen = np.arange(samples) % len(real.train_labels)
        train, labels = real.train_inputs[chosen], real.train_labels[chosen]
    else:
        rng = np.random.default_rng(1)
        train = (rng.random((samples, 784), dtype=np.float32) < ON).astype(np.float32)
        labels = rng.integers(0, 10, samples)
    few = slice(0, min(samples, 100))
    return Dataset(
        name="mnist" if data else "random images", train_inputs=train, train_labels=labels,
        test_inputs=train[few], test_labels=labels[few], n_classes=10, image_shape=(28, 28),
    )  # fmt: skip


def make_trainer(
    model: str,
    *,
    hidden: tuple[int, ...],
    samples: int,
    batch: int,
    precision: str = "float64",
    data: Path | None = None,
) -> Trainer:
    """A training run of the paper's digit task: one bin, 2 % flips, AdaBelief."""
    config = make_config(
        dataset="mnist",
        model=model,
        hidden=hidden,
        batch=batch,
        learning_rate=RATE,
        precision=precision,
    )
    return Trainer(config, make_images(samples, data), compile_model(model))


def run_forward(network: LayerStack, trainer: Trainer) -> Any:
    """Outcome of the first training samples: so many as large networks do in a second."""
    samples = int(np.clip(60_000 // max(1, sum(trainer.config.network.hidden)), 30, PROBE))
    chosen = np.arange(min(samples, len(trainer.train_events)))
    targets = np.zeros(len(chosen), dtype=np.int64)
    return run_batch(network, trainer.train_events.take(chosen), targets, trainer.loss)[0]


def set_activity(trainer: Trainer, activity: float = ACTIVITY) -> TrainState:
    """A state in which the neurons of each hidden layer spike so often on average.

    Where that is out of reach, as for a layer that can spike at most once, as often as can be.
    """
    state = trainer.start()
    *weights, _ = state.parameters
    gain, earlier = 1.0, 0.0
    for k in range(len(weights) - 1):
        width = weights[k].shape[1]
        probe = [*weights[: k + 1], np.zeros((width, 1))]
        plain, low, high = weights[k].copy(), 0.01, 1e4
        for _ in range(14):
            gain = float(np.sqrt(low * high))
            weights[k][...] = gain * plain
            spikes = run_forward(trainer.make_network(probe, None), trainer).hidden_spikes
            low, high = (gain, high) if spikes.mean() - earlier < activity * width else (low, gain)
        earlier = float(spikes.mean())
    weights[-1] *= gain
    return state


def count_activity(trainer: Trainer, state: TrainState) -> float:
    """Spikes per hidden neuron and sample."""
    network = trainer.network(state)
    outcome = run_forward(network, trainer)
    return float(outcome.hidden_spikes.mean() / max(1, network.n_hidden))


def count_operations(trainer: Trainer, state: TrainState) -> float:
    """Weights added to neurons, per sample: spikes times fan-out."""
    outcome = run_forward(trainer.network(state), trainer)
    return float(outcome.synaptic_operations.mean())


def time_training(trainer: Trainer, state: TrainState) -> Step:
    """A step that trains for an epoch and returns the seconds per sample.

    It ends with the epoch's last batch: the test that follows is left out.
    """
    n_samples = len(trainer.train_events)

    def train() -> float:
        ends = []
        start = time.perf_counter()
        trainer.run_epoch(state, lambda progress: ends.append(time.perf_counter()))
        return (ends[-1] - start) / n_samples

    train()
    return train


def time_inference(trainer: Trainer, state: TrainState, batch: int, *, least: float) -> Step:
    """A step that runs a batch forward, loss included, and returns the seconds per sample."""
    network = trainer.network(state)
    chosen = np.arange(batch)
    events, labels = trainer.train_events.take(chosen), trainer.dataset.train_labels[chosen]
    step = time_calls(lambda: run_batch(network, events, labels, trainer.loss), least=least)
    return lambda: step() / batch


def time_gradient(trainer: Trainer, state: TrainState, batch: int, *, least: float) -> Step:
    """The same with the gradient, without augmentation and optimiser."""
    network = trainer.network(state)
    chosen = np.arange(batch)
    events, labels = trainer.train_events.take(chosen), trainer.dataset.train_labels[chosen]
    step = time_calls(
        lambda: run_batch(network, events, labels, trainer.loss, gradient=True), least=least
    )
    return lambda: step() / batch
