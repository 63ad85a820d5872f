"""Train a described network of any connectivity by exact gradient descent."""

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from sim.engine.choose import AUTO, choose_engine, loss_and_gradient
from sim.engine.records import AnyOutcome
from sim.files.network_file import NetworkFile
from sim.files.tables import Table
from sim.inputs.trials import Trials
from sim.network.layer_stack import LARGEST_WEIGHT
from sim.network.network import Network
from sim.network.readouts import LinearReadout
from sim.temporal.batch import TemporalOutcome
from sim.temporal.logit_losses import LogitLoss
from sim.training.learner import Learner
from sim.training.networks.network_config import NetworkTraining
from sim.training.train import Row, TrainState
from sim.training.trial_data import TrialDataset
from spiketheory.errors import CheckpointError, InputError, ModelError, SimulationError


class Part(NamedTuple):
    """Trials with what is wanted of them.

    Attributes:
        trials: The trials.
        targets: As the loss wants them, see `sim.losses.prepare_targets`.
        labels: Class of each; None if the targets are no classes.
    """

    trials: Trials
    targets: np.ndarray
    labels: np.ndarray | None

    def take(self, indices: np.ndarray) -> "Part":
        """Some of the trials."""
        labels = None if self.labels is None else self.labels[indices]
        return Part(self.trials.take(indices), self.targets[indices], labels)


class NetworkTrainer:
    """One training run of a described network, advanced epoch by epoch.

    With the network's own trial an epoch is one step, and nothing is held out: a row of metrics
    says the loss before the step. With a data set a row says what the epoch led to.

    Args:
        file: What the network file holds.
        settings: How it is trained.
        dataset: Labelled trials; None for the network's own input spikes.

    Raises:
        InputError: If the file says not what is wanted or what learns, or data do not fit.
    """

    def __init__(
        self, file: NetworkFile, settings: NetworkTraining, dataset: TrialDataset | None
    ) -> None:
        if file.loss is None:
            raise InputError(
                "Expected [loss] in a network file to train but got none; say what is wanted of "
                "the network (docs/formats.md, 8)."
            )
        self.table, self.settings = file.loss, settings
        self.learner = Learner(file.network, file.learn)
        if isinstance(self.table.readout, LinearReadout):
            self.neurons = np.arange(len(self.table.readout.bias))
        else:
            self.neurons, _ = file.network.find_readout(self.table.readout)
        if dataset is None:
            self.train = self.make_part(read_own_trial(file.network), None)
            self.test = self.train
        else:
            self.train = self.make_part(dataset.train_inputs, dataset.train_labels)
            inputs, labels = dataset.validation_inputs, dataset.validation_labels
            if inputs is None:
                inputs, labels = dataset.test_inputs, dataset.test_labels
            self.test = self.make_part(inputs, labels)
        self.is_single = dataset is None
        self.optimiser, self.schedule = settings.make_optimiser(), settings.make_schedule()

    def make_part(self, trials: Trials, labels: np.ndarray | None) -> Part:
        """Trials with their targets."""
        n, table = len(trials), self.table
        if table.targets is not None:
            if labels is not None and table.targets.ndim == 0:
                return Part(trials, labels, labels)
            targets = np.broadcast_to(table.targets, (n, *table.targets.shape))
            return Part(trials, targets, targets if table.targets.ndim == 0 else None)
        if labels is None:
            raise InputError(
                "Expected labels but the network's own trial has none; add label (or targets) to "
                "[loss], or train on a trials file with --dataset."
            )
        if labels.max() >= len(self.neurons):
            raise InputError(
                f"Expected labels below {len(self.neurons)}, the number of neurons of the readout, "
                f"but got {labels.max()}; read one neuron for every class."
            )
        if table.label_times is None:
            return Part(trials, labels, labels)
        targets = np.full((n, len(self.neurons)), table.label_times[1])
        targets[np.arange(n), labels] = table.label_times[0]
        return Part(trials, targets, labels)

    def start(self) -> TrainState:
        """The untrained network."""
        arrays = self.learner.start()
        return TrainState(parameters=arrays, optimiser_state=self.optimiser.init(arrays))

    def network(self, state: TrainState) -> Network:
        """The network that ``state`` stands for."""
        return self.learner.build(state.parameters)

    def compute(
        self, state: TrainState, part: Part, *, gradient: bool
    ) -> tuple[AnyOutcome, list[np.ndarray]]:
        """Outcome of trials, and the derivatives of their mean loss by the arrays."""
        engine = self.settings.engine
        if engine == AUTO and self.learner.needs_delays:
            engine = "events"
        network, wanted = self.network(state), self.table.readout
        if wanted in self.learner.network.readouts:  # its weights may have been learned
            wanted = network.readouts[self.learner.network.readouts.index(wanted)]
        outcome, found = loss_and_gradient(
            network, part.trials, part.targets, self.table.loss, engine=engine, readout=wanted,
            gradient=gradient, parameters=gradient and self.learner.needs_parameters,
            input_times=False,
        )  # fmt: skip
        return outcome, [] if found is None else self.learner.read_gradients(found, network)

    def run_epoch(self, state: TrainState, on_batch: Callable[[float], None] | None = None) -> Row:
        """Train for one epoch; appends a row of metrics to ``state`` and returns it.

        Args:
            state: Changed in place.
            on_batch: Called after every step with the mean loss so far.
        """
        started = time.perf_counter()
        self.drop_last(state)
        rng = np.random.default_rng([self.settings.seed, 1, state.epoch])
        total, hits, seen, rate = 0.0, 0, 0, 0.0
        batches = list(self.split_batches(rng))
        row: Row = {"epoch": state.epoch}
        for k, indices in enumerate(batches):
            rate = self.schedule(state.epoch + k / len(batches), self.settings.epochs)
            outcome, hit = self.run_step(state, indices, rate, rng)
            total += float(outcome.loss.sum())
            hits, seen = hits + hit, seen + len(outcome.loss)
            if on_batch is not None:
                on_batch(total / seen)
        state.epoch += 1
        if self.is_single:
            row |= describe_outcome(outcome, self.train)
        else:
            row = {"epoch": state.epoch, "train_loss": total / seen}
            row |= {} if self.train.labels is None else {"train_accuracy": hits / seen}
            row |= self.test_network(state)
        row |= {"learning_rate": rate, "seconds": time.perf_counter() - started}
        state.rows.append(row)
        return row

    def run_step(
        self, state: TrainState, indices: np.ndarray, rate: float, _: np.random.Generator
    ) -> tuple[AnyOutcome, int]:
        """One optimiser step; returns what the batch did, and the number of hits."""
        part = self.train if self.is_single else self.train.take(indices)
        try:
            outcome, gradients = self.compute(state, part, gradient=True)
            norm = np.sqrt(sum(float(np.vdot(g, g)) for g in gradients))
            if norm > self.settings.clip:
                gradients = [g * (self.settings.clip / norm) for g in gradients]
            self.optimiser.update(state.parameters, gradients, state.optimiser_state, rate)
        except (SimulationError, ModelError) as err:
            raise SimulationError(
                f"Expected training to stay in the range of numbers but after {state.epoch} "
                f"{self.unit} it broke down ({str(err).split(';')[0]}); lower the learning rate."
            ) from err
        self.learner.constrain(state.parameters)
        if not all(np.all(np.abs(p) <= LARGEST_WEIGHT) for p in state.parameters):
            raise SimulationError(
                f"Expected training to stay in the range of numbers but after {state.epoch} "
                f"{self.unit} something that learns left +-{LARGEST_WEIGHT:g}; lower the learning "
                "rate."
            )
        return outcome, count_hits(outcome, part)

    @property
    def why_not_shared(self) -> str:
        """Why workers cannot run parts of its batches; empty if they can."""
        if self.is_single:
            return "it learns one trial"
        wants = self.learner.needs_parameters and not isinstance(self.table.loss, LogitLoss)
        if self.learner.needs_delays or wants:
            return "delays or parameters learn, which the engine 'events' does, trial by trial"
        found = choose_engine(self.learner.network, self.settings.engine, loss=self.table.loss)
        name, reason = found.engine.name, found.reason
        return "" if name == "layers" else f"the engine {name!r} runs it, since {reason}"

    @property
    def unit(self) -> str:
        """What epochs are called."""
        return "steps" if self.is_single else "epochs"

    def split_batches(self, rng: np.random.Generator) -> Iterator[np.ndarray]:
        """The training trials in random order, cut into batches."""
        order = rng.permutation(len(self.train.trials))
        for first in range(0, len(order), self.settings.batch):
            yield order[first : first + self.settings.batch]

    def test_network(self, state: TrainState) -> Row:
        """Metrics of the network on the trials that are held out."""
        outcome, _ = self.compute(state, self.test, gradient=False)
        found = describe_outcome(outcome, self.test)
        return found if self.is_single else {f"test_{k}": v for k, v in found.items()}

    def drop_last(self, state: TrainState) -> None:
        """Of a single trial: forget what `finish` added, since the next step says it again."""
        if self.is_single and state.rows and state.rows[-1]["epoch"] == state.epoch:
            state.rows.pop()

    def begin(self, state: TrainState) -> None:
        """Add the row of the untrained network, if a data set is to be tested on."""
        if self.is_single or state.rows:
            return
        row: Row = {"epoch": 0, "train_loss": np.nan}
        row |= {} if self.train.labels is None else {"train_accuracy": np.nan}
        state.rows.append(row | self.test_network(state) | {"learning_rate": 0.0, "seconds": 0.0})

    def finish(self, state: TrainState) -> None:
        """Add the row of the network after the last step, of a single trial."""
        if self.is_single:
            self.drop_last(state)
            row: Row = {"epoch": state.epoch} | self.test_network(state)
            state.rows.append(row | {"learning_rate": 0.0, "seconds": 0.0})

    def to_arrays(self, state: TrainState) -> dict[str, np.ndarray]:
        """The arrays of a checkpoint."""
        arrays = dict(zip(self.learner.names, state.parameters, strict=True))
        return arrays | {f"optimiser_{name}": a for name, a in state.optimiser_state.items()}

    def from_arrays(
        self, arrays: dict[str, np.ndarray], *, epoch: int, rows: list[Row]
    ) -> TrainState:
        """The state that a checkpoint's arrays hold.

        Raises:
            CheckpointError: If they are not those of this network.
        """
        state = self.start()
        expected = self.to_arrays(state)
        shapes = {name: array.shape for name, array in arrays.items()}
        if shapes != {name: array.shape for name, array in expected.items()}:
            raise CheckpointError(
                f"Expected the arrays {', '.join(expected)} in the checkpoint but got "
                f"{', '.join(shapes)}, or other shapes; it belongs to another network."
            )
        state.parameters = [arrays[name].copy() for name in self.learner.names]
        state.optimiser_state = {
            name: arrays[f"optimiser_{name}"].copy() for name in state.optimiser_state
        }
        state.epoch, state.rows = epoch, rows
        return state


def train_described(
    trainer: NetworkTrainer,
    state: TrainState,
    *,
    on_batch: Callable[[float], None] | None = None,
    on_epoch: Callable[[TrainState], bool] | None = None,
) -> bool:
    """Train until the configured number of epochs.

    Args:
        trainer: The run.
        state: Where it stands; changed in place.
        on_batch: Called after every step with the mean loss of the epoch so far.
        on_epoch: Called after every epoch; training stops if it returns True.

    Returns:
        Whether it came to its end.
    """
    trainer.begin(state)
    while state.epoch < trainer.settings.epochs:
        trainer.run_epoch(state, on_batch)
        if on_epoch is not None and on_epoch(state) and state.epoch < trainer.settings.epochs:
            trainer.finish(state)
            return False
    trainer.finish(state)
    return True


def read_own_trial(network: Network) -> Trials:
    """The spikes of a network's own inputs as a batch of one trial."""
    if not network.inputs:
        raise InputError(
            "Expected an input of spikes in a network file to train but got none; add "
            "[inputs.NAME] with times or a rate."
        )
    parts = [(p.times, p.channels + network.slices[p.name].start) for p in network.inputs]
    times, channels = (np.concatenate(values) for values in zip(*parts, strict=True))
    return Trials(
        time=times, channel=channels, offsets=[0, len(times)], n_channels=network.n_channels
    )


def count_hits(outcome: AnyOutcome, part: Part) -> int:
    """How many trials are classified correctly; 0 if there are no classes."""
    if part.labels is None:
        return 0
    if isinstance(outcome, TemporalOutcome):
        guesses = np.argmax(outcome.logits, axis=1)
    else:
        guesses = np.argmin(outcome.output_times[:, :, 0], axis=1)
    return int(np.count_nonzero(guesses == part.labels))


def describe_outcome(outcome: AnyOutcome, part: Part) -> Table:
    """Metrics of trials."""
    found = {"loss": float(outcome.loss.mean())}
    if isinstance(outcome, TemporalOutcome):
        found["spikes_per_neuron"] = float(outcome.counts.mean())
    else:
        found["loss_ordinary"] = float(outcome.loss_ordinary.mean())
    if part.labels is not None:
        found["accuracy"] = count_hits(outcome, part) / len(part.trials)
    return found
