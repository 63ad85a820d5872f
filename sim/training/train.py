"""Train a feedforward network by exact gradient descent."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NoReturn

import numpy as np

from sim.analysis.training_figures import RasterPanel
from sim.inputs.encoding import (
    BinnedInput,
    LatencyInput,
    flip_bins,
    shift_images,
    transform_images,
)
from sim.inputs.trials import Trials
from sim.layers.batch import Events, prepare_events, record_spikes, run_batch
from sim.layers.pseudospikes import check_pseudospikes
from sim.network.layer_stack import LARGEST_WEIGHTS, PRECISIONS, LayerStack
from sim.threads import get_thread_count
from sim.training.choices import choose_schedule, encode_inputs, make_loss, make_targets
from sim.training.config import TrainConfig, change_config
from sim.training.data import Dataset
from sim.training.evaluate import (
    Metrics,
    Row,
    evaluate_network,
    name_metrics,
    separate_validation,
)
from sim.training.optim import Optimiser, make_optimiser
from sim.training.trial_data import TrialDataset
from spiketheory.errors import CheckpointError, InputError, SimulationError
from spiketheory.machine.compile import CompiledModel
from spiketheory.memory import check_memory

COPIES_OF_WEIGHTS = 6
"""Weights, the same in one piece, two moments, gradient, optimiser step; then one per thread."""


@dataclass(kw_only=True, eq=False)
class TrainState:
    """Where a training run stands; everything that a checkpoint keeps.

    Attributes:
        parameters: Weights of all layers, then the initial coordinates; changed in place.
        optimiser_state: Named arrays of the optimiser; changed in place.
        kept: What else a trainer keeps from step to step, by name; changed in place.
        epoch: Completed epochs.
        rows: Metrics of the untrained network (epoch 0) and after every epoch.
    """

    parameters: list[np.ndarray]
    optimiser_state: dict[str, np.ndarray]
    kept: dict[str, np.ndarray] = field(default_factory=dict)
    epoch: int = 0
    rows: list[Row] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What a progress bar shows after every batch."""

    epoch: int
    epochs: int
    batch: int
    batches: int
    loss: float
    accuracy: float


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldOut:
    """Samples that are not learned from.

    Attributes:
        name: ``validation`` or ``test``.
        inputs: As the data set has them.
        labels: Their classes.
        events: Encoded, as the engine takes them.
    """

    name: str
    inputs: Any
    labels: np.ndarray
    events: Any


class Trainer:
    """One training run: data, network and optimiser, advanced epoch by epoch.

    Attributes:
        test: The test set.
        watched: What is looked at after every epoch: the validation part, or the test set if there
            is none.
    """

    def __init__(
        self, config: TrainConfig, dataset: Dataset | TrialDataset, model: CompiledModel
    ) -> None:
        self.config = config
        self.dataset = dataset
        self.model = model
        self.sizes = (dataset.n_inputs, *config.network.hidden, dataset.n_classes)
        self.loss = make_loss(config)
        self.check_feasible()
        self.optimiser: Optimiser = make_optimiser(config.optimiser.name)
        self.schedule = choose_schedule(config)
        self.train_inputs = encode_inputs(config, dataset.train_inputs)
        self.prepare_training()
        self.test = self.hold_out("test", dataset.test_inputs, dataset.test_labels)
        self.watched = self.test
        if config.dataset.validates:
            if dataset.validation_inputs is None or dataset.validation_labels is None:
                raise InputError(
                    f"Expected a validation part of {dataset.name} but it has none; load the data "
                    "set with validation, or set it to 0."
                )
            self.watched = self.hold_out(
                "validation", dataset.validation_inputs, dataset.validation_labels
            )

    def prepare_training(self) -> None:
        """Bring what is learned from to the form that the engine takes."""
        self.train_events = self.prepare(self.train_inputs)

    def prepare(self, inputs: Any) -> Any:
        """Bring encoded inputs to the form that the engine takes."""
        return prepare_events(inputs, duration=self.config.network.duration)

    def hold_out(self, name: str, inputs: Any, labels: np.ndarray) -> HeldOut:
        """Samples that are not learned from."""
        events = self.prepare(encode_inputs(self.config, inputs))
        return HeldOut(name=name, inputs=inputs, labels=labels, events=events)

    def check_feasible(self) -> None:
        """Find out now, not in an epoch, what cannot be trained.

        Raises:
            ModelError: If a parameter is unknown or outside its domain.
            InputError: If the network does not fit into memory, the model lacks pseudospikes, or
                the data are no images to move.
        """
        self.model.check_parameters(self.config.network.parameters)
        n_weights = sum(n * m for n, m in pairwise(self.sizes))
        copies = COPIES_OF_WEIGHTS + get_thread_count()
        check_memory(8 * copies * n_weights, f"the {n_weights:,} weights of these layers")
        self.check_model()
        change = self.config.augmentation
        if change.flip and isinstance(self.dataset.train_inputs, Trials):
            raise InputError(
                f"Expected flip = 0 with trials but got flip={change.flip}; a spike has no "
                "opposite. Set flip to 0."
            )
        if change.moves_images and change.shift >= min(self.image_shape):
            raise InputError(
                f"Expected shift below {min(self.image_shape)}, the size of the images of "
                f"{self.dataset.name}, but got shift={change.shift}; shift by a few pixels."
            )

    def check_model(self) -> None:
        """Raise `InputError` if the model cannot be trained."""
        check_pseudospikes(self.model)

    def start(self) -> TrainState:
        """The untrained network: uniform weights, default initial coordinates."""
        rng = np.random.default_rng([self.config.seed, 0])
        weights = []
        for fan_in, width in pairwise(self.sizes):
            bound = self.config.network.weight_scale / np.sqrt(fan_in)
            drawn = rng.uniform(-bound, bound, (fan_in, width))
            weights.append(drawn.astype(PRECISIONS[self.config.network.precision]))
        initial = self.make_network(weights, None).initial
        assert initial is not None
        parameters = [*weights, initial.copy()]
        return TrainState(
            parameters=parameters, optimiser_state=self.optimiser.init(parameters)
        )  # fmt: skip

    def make_network(self, weights: list[np.ndarray], initial: np.ndarray | None) -> LayerStack:
        """A network with these weights and initial coordinates."""
        return LayerStack(
            model=self.model,
            parameters=dict(self.config.network.parameters),
            duration=self.config.network.duration,
            weights=tuple(weights),
            initial=initial,
            precision=self.config.network.precision,
        )

    def network(self, state: TrainState) -> LayerStack:
        """The network that ``state`` stands for (it shares the arrays)."""
        return self.make_network(state.parameters[:-1], state.parameters[-1])

    def compile(self, state: TrainState) -> None:
        """Compile the kernels on one sample, so that no epoch's time includes it."""
        events, labels = self.train_events.take(np.arange(1)), self.dataset.train_labels[:1]
        targets = make_targets(self.config, labels, self.dataset.n_classes)
        run_batch(self.network(state), events, targets, self.loss, gradient=True)

    def is_over(self, state: TrainState) -> bool:
        """Whether training has come to its end."""
        return state.epoch >= self.config.schedule.epochs

    def run_epoch(
        self, state: TrainState, on_batch: Callable[[Progress], None] | None = None
    ) -> Row:
        """Train for one epoch and test; appends the metrics to ``state`` and returns them.

        Args:
            state: Changed in place.
            on_batch: Called after every batch.
        """
        started = time.perf_counter()
        rng = np.random.default_rng([self.config.seed, 1, state.epoch])
        losses, hits, seen = 0.0, 0, 0
        batches = list(self.split_batches(rng))
        rate, schedule = 0.0, self.schedule.adapt(self.list_losses(state))
        for k, indices in enumerate(batches):
            rate = schedule(state.epoch + k / len(batches), self.config.schedule.epochs)
            loss, correct = self.run_step(state, indices, rate, rng)
            losses, hits, seen = losses + loss * len(indices), hits + correct, seen + len(indices)
            if on_batch is not None:
                on_batch(
                    Progress(
                        epoch=state.epoch + 1,
                        epochs=self.config.schedule.epochs,
                        batch=k + 1,
                        batches=len(batches),
                        loss=losses / seen,
                        accuracy=hits / seen,
                    )
                )
        state.epoch += 1
        seconds = time.perf_counter() - started
        return self.add_row(state, losses / seen, hits / seen, rate, seconds)

    def list_losses(self, state: TrainState) -> list[float]:
        """The losses of the epochs behind, as a schedule looks at them."""
        if self.watched is not self.test:
            return [row["validation_loss"] for row in state.rows]
        return [row["train_loss"] for row in state.rows[1:]]

    def run_step(
        self, state: TrainState, indices: np.ndarray, rate: float, rng: np.random.Generator
    ) -> tuple[float, int]:
        """One optimiser step; returns the batch's mean loss and number of hits."""
        labels = self.dataset.train_labels[indices]
        targets = make_targets(self.config, labels, self.dataset.n_classes)
        network = self.network(state)
        try:
            outcome, gradients = run_batch(
                network, self.augment(indices, rng), targets, self.loss, gradient=True
            )
            assert gradients is not None
            slopes = [*gradients.weights, gradients.initial]
            if self.config.network.freezes_hidden:
                freeze(slopes, network.n_hidden)
            self.optimiser.update(state.parameters, slopes, state.optimiser_state, rate)
        except SimulationError as err:
            raise_diverged(state, f"it broke down ({str(err).split(';')[0]})", err)
        largest = LARGEST_WEIGHTS[self.config.network.precision]
        if not all(p.min() >= -largest and p.max() <= largest for p in state.parameters):  # or NaN
            raise_diverged(state, f"a weight left the range of +-{largest:g}")
        lower, upper, _ = network.initial_bounds
        np.clip(state.parameters[-1], lower, upper, out=state.parameters[-1])
        guesses = np.argmin(outcome.output_times[:, :, 0], axis=1)
        return float(outcome.loss.mean()), int(np.count_nonzero(guesses == labels))

    def split_batches(self, rng: np.random.Generator) -> Iterator[np.ndarray]:
        """The training samples in random order, cut into batches."""
        order = rng.permutation(len(self.dataset.train_labels))
        for first in range(0, len(order), self.config.optimiser.batch):
            yield order[first : first + self.config.optimiser.batch]

    def augment(self, indices: np.ndarray, rng: np.random.Generator) -> Events:
        """Inputs of the samples at ``indices``, changed at random."""
        change = self.config.augmentation
        if isinstance(self.train_inputs, BinnedInput):
            bins = self.train_events.bins[indices]
            if change.moves_images:
                bins = self.move(bins, rng, fill=len(self.train_inputs.times))
            if change.flip:
                bins = flip_bins(bins, len(self.train_inputs.times), change.flip, rng)
            return self.train_events.with_bins(bins)
        if not change.moves_images or isinstance(self.train_inputs, Trials):
            return self.train_events.take(indices)
        times = self.move(self.train_inputs.times[indices], rng, fill=np.inf)
        return prepare_events(LatencyInput(times=times), duration=self.config.network.duration)

    def move(self, values: np.ndarray, rng: np.random.Generator, *, fill: float) -> np.ndarray:
        """Images, shifted at random, and turned and scaled if wanted."""
        change = self.config.augmentation
        if not (change.turn or change.zoom):
            return shift_images(values, self.image_shape, change.shift, rng, fill=fill)
        return transform_images(
            values, self.image_shape, max_shift=change.shift, max_turn=change.turn,
            max_zoom=change.zoom, rng=rng, fill=fill,
        )  # fmt: skip

    @property
    def image_shape(self) -> tuple[int, int]:
        """Height and width of the images; an error if the data are none."""
        if self.dataset.image_shape is None:
            raise InputError(
                f"Expected images for shift, turn or zoom > 0 but {self.dataset.name} has none; "
                "set them to 0."
            )
        return self.dataset.image_shape

    def add_row(
        self, state: TrainState, loss: float, accuracy: float, rate: float, seconds: float
    ) -> Row:
        """Test the network and append a row of metrics to ``state``.

        What was not measured in this epoch is NaN.
        """
        metrics = self.evaluate(state)
        row = {"epoch": state.epoch, "train_loss": loss, "train_accuracy": accuracy}
        row |= name_metrics(self.watched.name, metrics)
        if self.watched is not self.test:
            row |= dict.fromkeys(name_metrics(self.test.name, metrics), float("nan"))
        row |= {
            "spikes_per_hidden_neuron": metrics.spikes_per_hidden_neuron,
            "silent_fraction": metrics.silent_fraction,
            "synaptic_operations": metrics.energy.synaptic_operations,
            "learning_rate": rate,
            "seconds": seconds,
        }
        state.rows.append(row)
        self.finish_epoch(state, row)
        every = self.config.dataset.test_every
        due = self.is_over(state) or (every and state.epoch % every == 0)
        if self.watched is not self.test and due:
            row |= name_metrics(self.test.name, self.evaluate(state, self.test))
        return row

    def finish_epoch(self, state: TrainState, row: Row) -> None:
        """What else is to be done before an epoch is over."""

    def evaluate(self, state: TrainState, part: HeldOut | None = None) -> Metrics:
        """Metrics of the network on samples that are held out; None for those that are watched."""
        part = part or self.watched
        targets = make_targets(self.config, part.labels, self.dataset.n_classes)
        return evaluate_network(self.network(state), part.events, part.labels, targets, self.loss)

    @property
    def array_names(self) -> tuple[str, ...]:
        """Names of the arrays that learn, in order."""
        return (*(f"W{i}" for i in range(len(self.sizes) - 1)), "initial")

    def draw_sample(self, state: TrainState, sample: int, title: str) -> RasterPanel:
        """What the network does with a sample that is held out."""
        events, labels = self.watched.events.take(np.array([sample])), self.watched.labels[[sample]]
        targets = make_targets(self.config, labels, self.dataset.n_classes)
        network = self.network(state)
        outcome, _ = run_batch(network, events, targets, self.loss)
        times, neurons = record_spikes(network, events).select(0)
        return RasterPanel(
            title=title,
            input_image=self.find_image(sample),
            label=int(labels[0]),
            spike_time=times,
            spike_neuron=neurons,
            layer_sizes=network.layer_sizes[1:],
            output_time=outcome.output_times[0, :, 0],
            T=network.duration,
        )

    def find_image(self, sample: int) -> np.ndarray | None:
        """A sample that is held out as an image; None if it is none."""
        shape, inputs = self.dataset.image_shape, self.watched.inputs
        if shape is None or isinstance(inputs, Trials):
            return None
        return np.asarray(inputs[sample].reshape(shape))

    def guess(self, state: TrainState, count: int) -> np.ndarray:
        """What the network takes the first samples for that are held out."""
        labels = self.watched.labels[:count]
        targets = make_targets(self.config, labels, self.dataset.n_classes)
        events = self.watched.events.take(np.arange(len(labels)))
        outcome, _ = run_batch(self.network(state), events, targets, self.loss)
        return np.asarray(outcome.output_times[:, :, 0].argmin(axis=1))

    def to_arrays(self, state: TrainState) -> dict[str, np.ndarray]:
        """The arrays of a checkpoint."""
        arrays = dict(zip(self.array_names, state.parameters, strict=True))
        arrays |= {f"optimiser_{name}": a for name, a in state.optimiser_state.items()}
        return arrays | {f"kept_{name}": a for name, a in state.kept.items()}

    def from_arrays(
        self, arrays: dict[str, np.ndarray], *, epoch: int, rows: list[Row]
    ) -> TrainState:
        """The state that a checkpoint's arrays hold.

        Raises:
            CheckpointError: If an array is missing or has another shape than this run's.
        """
        state = self.start()
        expected = self.to_arrays(state)
        foreign = sorted(set(arrays) - set(expected))
        if foreign:
            raise CheckpointError(
                f"Expected the arrays {', '.join(expected)} in the checkpoint but got also "
                f"{foreign[0]}; it belongs to another configuration."
            )
        for name, array in expected.items():
            got = arrays.get(name)
            if got is None or got.shape != array.shape or got.dtype != array.dtype:
                came = "nothing" if got is None else f"{got.dtype} of shape {got.shape}"
                raise CheckpointError(
                    f"Expected {name} of shape {array.shape} and type {array.dtype} in the "
                    f"checkpoint but got {came}; it belongs to another configuration."
                )
        parameters = [arrays[name].copy() for name in self.array_names]
        optimiser = {name: arrays[f"optimiser_{name}"].copy() for name in state.optimiser_state}
        kept = {name: arrays[f"kept_{name}"].copy() for name in state.kept}
        if self.watched is not self.test:
            rows = [separate_validation(row) for row in rows]
        return TrainState(
            parameters=parameters, optimiser_state=optimiser, kept=kept, epoch=epoch, rows=rows
        )


def raise_diverged(state: TrainState, reason: str, err: Exception | None = None) -> NoReturn:
    """Say in which epoch a training broke down, and what helps."""
    raise SimulationError(
        f"Expected training to stay in the range of numbers but in epoch {state.epoch + 1} "
        f"{reason}; lower the learning rate."
    ) from err


def train_network(
    trainer: Trainer,
    state: TrainState,
    *,
    on_batch: Callable[[Progress], None] | None = None,
    on_epoch: Callable[[TrainState, Row], None] | None = None,
    is_enough: Callable[[], bool] = lambda: False,
) -> TrainState:
    """Train until the configured number of epochs.

    Args:
        trainer: The run.
        state: Where it stands; changed in place.
        on_batch: Called after every batch.
        on_epoch: Called after every epoch, and for epoch 0 before training.
        is_enough: Called before every epoch; training ends early if it returns True.
    """
    if not state.rows:
        metrics = trainer.evaluate(state)
        row = trainer.add_row(state, metrics.loss, metrics.accuracy, 0.0, 0.0)
        row["train_loss"] = row["train_accuracy"] = float("nan")
        if on_epoch is not None:
            on_epoch(state, row)
    while not (trainer.is_over(state) or is_enough()):
        row = trainer.run_epoch(state, on_batch)
        if on_epoch is not None:
            on_epoch(state, row)
    return state


def with_epochs(config: TrainConfig, epochs: int) -> TrainConfig:
    """The same configuration with another number of epochs."""
    return change_config(config, epochs=epochs)


def freeze(gradients: list[np.ndarray], n_hidden: int) -> None:
    """No slopes but those by the weights to the outputs and by how these begin."""
    for weights in gradients[:-2]:
        weights[...] = 0.0
    gradients[-1][:n_hidden] = 0.0
