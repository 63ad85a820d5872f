"""What a trained network does with its held-out samples."""

from dataclasses import dataclass

import numpy as np

from sim.inputs.trials import Trials
from sim.network.layer_stack import Spikes
from sim.network.readouts import LinearReadout
from sim.report.costs import GATES, Costs, count_dense, count_spiking
from sim.report.evidence import (
    POTENTIALS,
    Train,
    find_decision,
    make_grid,
    read_at,
    soften,
    trace_potentials,
)
from sim.temporal.batch import run_temporal
from sim.temporal.record import record_spikes
from sim.temporal.stack import TemporalStack
from sim.training.temporal_train import EVALUATION_BATCH, TemporalTrainer
from sim.training.train import TrainState
from spiketheory.machine.readout import CompiledReadout

BUDGETS = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
"""Numbers of spikes after which the readout is asked."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """What the network took each sample for, and when it knew.

    Attributes:
        labels: Shape (n,).
        logits: At the trial's end, shape (n, n_outputs).
        counts: Spikes of each hidden neuron, shape (n, n_neurons).
        grid: Times [time].
        accuracy: Share of samples that are right by then, shape as ``grid``.
        heard: Spikes of the last layer by then, on average, shape as ``grid``.
        settled: From when on the answer stays, shape (n,) [time].
        budgets: Numbers of spikes.
        accuracy_by_spikes: Share right after so many spikes, or at the end of trials of fewer.
    """

    labels: np.ndarray
    logits: np.ndarray
    counts: np.ndarray
    grid: np.ndarray
    accuracy: np.ndarray
    heard: np.ndarray
    settled: np.ndarray
    budgets: np.ndarray
    accuracy_by_spikes: np.ndarray

    @property
    def guesses(self) -> np.ndarray:
        """Classes, shape (n,)."""
        return np.asarray(self.logits.argmax(axis=1))


@dataclass(frozen=True, kw_only=True, eq=False)
class Story:
    """One sample through the layers.

    Attributes:
        label: Its class.
        input_times, input_channels: What comes in.
        n_channels: Number of channels.
        times, neurons: Spikes, neurons counted through the layers.
        widths: Neurons of each hidden layer.
        grid: Times at which the readout is looked at [time].
        probabilities: By the spikes until then, shape (n_grid, n_outputs).
        potentials: Of the readout's neurons, shape as ``probabilities``; None if it has none.
        settled: From when on the answer stays [time].
        duration: The trial's end T [time].
    """

    label: int
    input_times: np.ndarray
    input_channels: np.ndarray
    n_channels: int
    times: np.ndarray
    neurons: np.ndarray
    widths: tuple[int, ...]
    grid: np.ndarray
    probabilities: np.ndarray
    potentials: np.ndarray | None
    settled: float
    duration: float


class Reader:
    """The network of a run, and its held-out samples.

    Args:
        trainer: Of the run.
        state: Where it stands.
        potential: The readout ``maximum`` with the constants of the run's readout, if that is one
            of `POTENTIALS`; else None.
    """

    def __init__(
        self, trainer: TemporalTrainer, state: TrainState, potential: CompiledReadout | None
    ) -> None:
        self.trainer, self.state, self.potential = trainer, state, potential
        self.stack: TemporalStack
        self.readout: LinearReadout
        self.stack, self.readout = trainer.build(*trainer.read_state(state))
        self.widths = tuple(p.size for p in self.stack.network.populations)
        self.duration = trainer.config.network.duration
        self.grid = make_grid(self.duration)

    def answer(self) -> Answers:
        """Run all held-out samples."""
        trials, labels = self.trainer.test.events, self.trainer.dataset.test_labels
        n, most = len(labels), sum(self.widths)
        budgets, right = np.array(BUDGETS), np.zeros(len(self.grid))
        logits, counts = np.zeros((n, len(self.readout.bias))), np.zeros((n, most), np.int64)
        heard, settled = np.zeros(len(self.grid)), np.zeros(n)
        right_by_spikes, longest = np.zeros(len(budgets)), 0
        for first in range(0, n, EVALUATION_BATCH):
            chosen = np.arange(first, min(first + EVALUATION_BATCH, n))
            spikes = record_spikes(self.stack, trials.take(chosen))
            for b, sample in enumerate(chosen):
                counts[sample] = np.bincount(spikes.select(b)[1], minlength=most)
                train = self.hear(spikes, b)
                path = read_at(self.readout, train, self.grid)
                logits[sample] = path[-1]
                right += path.argmax(axis=1) == labels[sample]
                heard += np.searchsorted(train.times, self.grid, side="right")
                settled[sample] = self.grid[find_decision(path)]
                after = read_at(self.readout, train, self.find_places(train, budgets))
                right_by_spikes += after.argmax(axis=1) == labels[sample]
                longest = max(longest, len(train.times))
        shown = np.count_nonzero(budgets < longest) + 1
        return Answers(
            labels=labels, logits=logits, counts=counts, grid=self.grid, accuracy=right / n,
            heard=heard / n, settled=settled, budgets=budgets[:shown],
            accuracy_by_spikes=right_by_spikes[:shown] / n,
        )  # fmt: skip

    def run(self, trials: Trials) -> np.ndarray:
        """Logits of any trials, shape (n_trials, n_outputs)."""
        labels, loss = np.zeros(len(trials), int), self.trainer.plain_loss
        outcome, _ = run_temporal(self.stack, trials, labels, self.readout, loss, gradient=False)
        return outcome.logits

    def hear(self, spikes: Spikes, sample: int) -> Train:
        """What the readout hears of a sample."""
        times, neurons = spikes.select(sample)
        first = sum(self.widths[:-1])
        own = neurons >= first
        return Train(times=times[own], neurons=neurons[own] - first, duration=self.duration)

    def find_places(self, train: Train, budgets: np.ndarray) -> np.ndarray:
        """When so many spikes have come; before the first spike there is none."""
        times = np.concatenate([[-1.0], train.times, [self.duration]])
        return np.asarray(times[np.minimum(budgets, len(times) - 1)])

    def tell(self, sample: int) -> Story:
        """One held-out sample through the layers."""
        trials = self.trainer.test.events.take(np.array([sample]))
        spikes = record_spikes(self.stack, trials)
        times, neurons = spikes.select(0)
        train = self.hear(spikes, 0)
        path = read_at(self.readout, train, self.grid)
        heard_times, heard_channels = trials.select(0)
        potentials = None
        if self.potential is not None:
            potentials = trace_potentials(self.readout, self.potential, train, self.grid)
        return Story(
            label=int(self.trainer.dataset.test_labels[sample]), input_times=heard_times,
            input_channels=heard_channels, n_channels=trials.n_channels, times=times,
            neurons=neurons, widths=self.widths, grid=self.grid, probabilities=soften(path),
            potentials=potentials, settled=float(self.grid[find_decision(path)]),
            duration=self.duration,
        )  # fmt: skip

    def count_costs(self, counts: np.ndarray, steps: int) -> list[Costs]:
        """Costs of a sample, then those of dense recurrent networks."""
        trainer, network = self.trainer, self.stack.network
        trials = trainer.test.events
        arrays, _ = trainer.read_state(self.state)
        own = count_spiking(
            counts=counts, n_inputs=len(trials.time) / len(trials), widths=self.widths,
            n_outputs=len(self.readout.bias), n_features=self.readout.compiled.n_features,
            recurrent=trainer.config.network.recurrent, arrays=list(arrays.values()),
            weights=[p.dense for p in network.projections], steps=steps,
        )  # fmt: skip
        sizes = (trials.n_channels, *self.widths, len(self.readout.bias))
        return [own, *(count_dense(name, sizes, steps=steps) for name in GATES)]


def choose_potential(trainer: TemporalTrainer) -> dict[str, float] | None:
    """Constants of the readout's neurons; None if it reads no potential."""
    compiled = trainer.temporal.readout
    if compiled.name not in POTENTIALS:
        return None
    return dict(zip(compiled.parameters, compiled.values, strict=False))


def confuse(labels: np.ndarray, guesses: np.ndarray, n_classes: int) -> np.ndarray:
    """How often each class was taken for each, shape (n_classes, n_classes), labels first."""
    table = np.zeros((n_classes, n_classes), np.int64)
    np.add.at(table, (labels, guesses), 1)
    return table


def choose_sample(answers: Answers) -> int:
    """The sample that is right and whose answer settles in the middle of all."""
    right = np.flatnonzero(answers.guesses == answers.labels)
    if not len(right):
        return 0
    order = right[np.argsort(answers.settled[right], kind="stable")]
    return int(order[len(order) // 2])
