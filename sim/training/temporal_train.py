"""Train a network in time: hidden spike trains, read by a readout without spikes of its own."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from sim.analysis.training_figures import RasterPanel
from sim.engine.choose import simulate
from sim.inputs.encoding import BinnedInput, LatencyInput
from sim.inputs.trials import Trials
from sim.layers.batch import prepare_events
from sim.network.readouts import LinearReadout
from sim.temporal.batch import MAX_SPIKES, Clip, TemporalOutcome, run_temporal
from sim.temporal.line import Line
from sim.temporal.logit_losses import make_cross_entropy
from sim.temporal.reading import check_margin
from sim.temporal.stack import TemporalStack, read_temporal
from sim.threads import get_thread_count
from sim.training.config import TrainConfig
from sim.training.config_parts import BALANCED, EQUAL
from sim.training.data import Dataset
from sim.training.decorrelate import decorrelate
from sim.training.energy import estimate_energy
from sim.training.evaluate import Metrics
from sim.training.jumps import count_jumps
from sim.training.norms import Kept, find_median, median_above_zero, remember, start_norms
from sim.training.temporal_model import RECURRENT_SHARE, TemporalModel, Units, estimate_run
from sim.training.train import HeldOut, Progress, Row, Trainer, TrainState, raise_diverged
from sim.training.trial_data import TrialDataset
from spiketheory.errors import InputError, SimulationError
from spiketheory.machine.compile import CompiledModel
from spiketheory.machine.readout import CompiledReadout
from spiketheory.memory import check_needs

EVALUATION_BATCH = 500
CALIBRATION_TRIALS = 64
COORDINATE_TRIALS = 600
"""On so many trials centre and correlations of what the readout sums are measured."""
LOGIT_SPREAD = 0.3
"""Spread of the logits before training."""
AVERAGING = 0.1
"""Weight of the last batch in the running average of each neuron's rate."""
SILENT = 0.02
"""A neuron with fewer spikes per sample is silent, and its input weights are lifted."""


class TemporalTrainer(Trainer):
    """One training run with a readout of spike trains, advanced epoch by epoch."""

    def __init__(
        self, config: TrainConfig, dataset: Dataset | TrialDataset, model: CompiledModel,
        readout: CompiledReadout,
    ) -> None:  # fmt: skip
        self.temporal = TemporalModel(
            config=config, model=model, readout=readout, n_inputs=dataset.n_inputs,
            n_outputs=dataset.n_classes,
        )  # fmt: skip
        self.logit_loss = make_cross_entropy(
            smoothing=config.loss.smoothing, class_weights=weigh_classes(config, dataset)
        )
        self.plain_loss = make_cross_entropy()
        self.before_step: list[np.ndarray] | None = None
        self.steps_left = 0
        wanted = config.activity
        self.margin = check_margin(
            model, (wanted.margin, wanted.margin_width) if wanted.margin else None
        )
        super().__init__(config, dataset, model)
        needs = estimate_run(self.temporal, self.train_trials, get_thread_count())
        check_needs(needs, "a training")

    def prepare_training(self) -> None:
        """Encoded inputs as trials."""
        self.train_trials = self.prepare(self.train_inputs)
        if not isinstance(self.train_inputs, Trials):
            duration = self.config.network.duration
            self.train_events = prepare_events(self.train_inputs, duration=duration)

    def check_model(self) -> None:
        """Every model trains: what cannot be run is refused by `read_temporal`."""

    def prepare(self, inputs: Any) -> Trials:
        """Encoded inputs as trials."""
        return inputs if isinstance(inputs, Trials) else Trials.of_compact(inputs)

    def start(self) -> TrainState:
        """The untrained network; weights have the size at which neurons spike as often as asked."""
        arrays = self.temporal.start(np.random.default_rng([self.config.seed, 0]))
        scales = self.find_scales(arrays)
        parameters = list(arrays.values())
        rates = np.full(sum(self.config.network.hidden), self.config.activity.start_rate)
        kept = {"rates": rates, **start_norms()}
        kept |= {f"unit_{name}": np.array(scale) for name, scale in scales.items()}
        if self.config.schedule.patience:
            kept |= {f"best_{name}": array.copy() for name, array in arrays.items()}
        return TrainState(
            parameters=parameters, optimiser_state=self.optimiser.init(parameters), kept=kept
        )

    def find_scales(self, arrays: dict[str, np.ndarray]) -> Units:
        """Units of weights: layer by layer, by halving, until neurons spike as often as asked."""
        rng = np.random.default_rng([self.config.seed, 2])
        n = len(self.dataset.train_labels)
        chosen = np.sort(rng.choice(n, min(n, CALIBRATION_TRIALS), replace=False))
        trials, hidden = self.train_trials.take(chosen), self.config.network.hidden
        scales: Units = {name: 0.0 for name in self.temporal.names if name[0] in "WR"}
        scales["readout"] = 1.0
        for k, width in enumerate(hidden):
            first = sum(hidden[:k])
            fan_in = self.temporal.sizes[k]
            low, high = 1e-6, 1e6
            for _ in range(24):
                scales[f"W{k}"] = float(np.sqrt(low * high))
                counts = self.count_safely(arrays, scales, trials)
                rate = np.inf if counts is None else counts[:, first : first + width].mean()
                low, high = (low, scales[f"W{k}"]) if rate > self.config.activity.start_rate else (
                    scales[f"W{k}"], high
                )  # fmt: skip
            if self.config.network.recurrent:
                share = RECURRENT_SHARE * np.sqrt(fan_in / width)
                scales[f"R{k}"] = float(min(share, 1.0) * scales[f"W{k}"])
        if self.config.readout.is_centred:
            scales |= self.find_coordinates(arrays, scales)
        outcome = self.run(arrays, scales, trials, np.zeros(len(trials), int))
        spread = float(np.std(outcome.logits))
        scales["readout"] = LOGIT_SPREAD / spread if spread > 0 else 1.0
        return scales

    def find_coordinates(self, arrays: dict[str, np.ndarray], scales: Units) -> Units:
        """Centre and mixing of what the readout sums over the spikes of each hidden neuron."""
        rng = np.random.default_rng([self.config.seed, 5])
        n, floor = len(self.dataset.train_labels), self.config.readout.decorrelate
        chosen = np.sort(rng.choice(n, min(n, COORDINATE_TRIALS), replace=False))
        shape = arrays["readout"].shape[1:]
        stack, readout = self.build(arrays, scales)
        each = np.eye(int(np.prod(shape))).reshape(-1, *shape)
        single = replace(readout, weights=each, bias=np.zeros(len(each)))
        outcome, _ = run_temporal(
            stack, self.train_trials.take(chosen), np.zeros(len(chosen), int), single,
            self.plain_loss, gradient=False,
        )  # fmt: skip
        features = outcome.logits.reshape(-1, *shape)
        found: Units = {"centre": features.mean(axis=0)}
        return found | ({"mixing": decorrelate(features, floor)} if floor else {})

    def count_safely(
        self, arrays: dict[str, np.ndarray], scales: Units, trials: Trials
    ) -> np.ndarray | None:
        """Spike counts; None if the network fires without bound."""
        most = 10 * (1 + int(self.config.activity.start_rate)) * max(self.config.network.hidden)
        try:
            labels = np.zeros(len(trials), int)
            return self.run(arrays, scales, trials, labels, max_spikes=most).counts
        except SimulationError:
            return None

    def build(
        self, arrays: dict[str, np.ndarray], scales: Units
    ) -> tuple[TemporalStack, LinearReadout]:
        """The network as its engine takes it."""
        network, readout = self.temporal.build(arrays, scales)
        stack = read_temporal(network)
        if isinstance(stack, str):
            raise InputError(
                f"Expected a network of {self.model.name} that trains in layers but {stack}; "
                "choose another model, or train a network file."
            )
        return stack, readout

    def run(
        self, arrays: dict[str, np.ndarray], scales: Units, trials: Trials,
        labels: np.ndarray, **options: Any,
    ) -> TemporalOutcome:  # fmt: skip
        """What the network does with trials."""
        stack, readout = self.build(arrays, scales)
        outcome, _ = run_temporal(
            stack, trials, labels, readout, self.plain_loss, gradient=False, **options
        )
        return outcome

    def read_state(self, state: TrainState) -> tuple[dict[str, np.ndarray], Units]:
        """Arrays and units of a state."""
        units = {n: a for n, a in state.kept.items() if n.startswith("unit_")}
        scales = {
            name.removeprefix("unit_"): float(unit) if unit.ndim == 0 else unit
            for name, unit in units.items()
        }
        return dict(zip(self.temporal.names, state.parameters, strict=True)), scales

    def compile(self, state: TrainState) -> None:
        """Compile the kernels on one sample, so that no epoch's time includes it."""
        stack, readout = self.build(*self.read_state(state))
        trials, labels = self.train_trials.take(np.arange(1)), self.dataset.train_labels[:1]
        run_temporal(
            stack, trials, labels, readout, self.logit_loss, parameters=self.wants_parameters
        )

    @property
    def wants_parameters(self) -> bool:
        """Whether derivatives by the neurons' parameters are needed."""
        return bool(self.config.network.learn_parameters)

    def finish_epoch(self, state: TrainState, row: Row) -> None:
        """Count jumps, and keep the best epoch."""
        if self.config.activity.count_jumps:
            row |= self.describe_jumps(state)
        if self.config.schedule.patience:
            self.keep_best(state)

    def keep_best(self, state: TrainState) -> None:
        """Keep the arrays of the best epoch so far, and go back to them when training ends."""
        best, kept = find_best(state), state.kept
        for name, array in zip(self.temporal.names, state.parameters, strict=True):
            if best == state.epoch:
                kept[f"best_{name}"] = array.copy()
            elif self.is_over(state):
                array[...] = kept[f"best_{name}"]

    def is_over(self, state: TrainState) -> bool:
        """Whether training ends with this epoch."""
        if not self.config.schedule.patience:
            return super().is_over(state)
        patience = self.config.schedule.patience
        return super().is_over(state) or state.epoch - find_best(state) >= patience

    def describe_jumps(self, state: TrainState) -> Row:
        """Spikes that appeared or vanished in the last step, on some training samples."""
        names = ("spikes_appeared", "spikes_vanished", "spikes_through_end", "resolution")
        if self.before_step is None:
            return dict.fromkeys(names, float("nan"))
        scales = self.read_state(state)[1]
        ends = [
            self.build(dict(zip(self.temporal.names, arrays, strict=True)), scales)[0]
            for arrays in (self.before_step, state.parameters)
        ]
        rng = np.random.default_rng([self.config.seed, 4])
        n = len(self.dataset.train_labels)
        chosen = np.sort(rng.choice(n, min(n, self.config.activity.count_jumps), replace=False))
        line = Line(ends[0], ends[1], self.train_trials.take(chosen), max_spikes=MAX_SPIKES)
        found = count_jumps(line, len(chosen))
        values = (found.appeared, found.vanished, found.through_end, found.resolution)
        return dict(zip(names, values, strict=True))

    def run_epoch(
        self, state: TrainState, on_batch: Callable[[Progress], None] | None = None
    ) -> Row:
        """Train for one epoch and test; see `Trainer.run_epoch`."""
        n_batches = -(-len(self.dataset.train_labels) // self.config.optimiser.batch)
        self.steps_left = n_batches
        row = super().run_epoch(state, on_batch)
        self.before_step = None
        return row

    def run_step(
        self, state: TrainState, indices: np.ndarray, rate: float, rng: np.random.Generator
    ) -> tuple[float, int]:
        """One optimiser step; returns the batch's mean loss and number of hits."""
        self.steps_left -= 1
        if self.steps_left == 0 and self.config.activity.count_jumps:
            self.before_step = [array.copy() for array in state.parameters]
        labels = self.dataset.train_labels[indices]
        arrays, scales = self.read_state(state)
        try:
            stack, readout = self.build(arrays, scales)
            batch = stack, self.draw_trials(indices, rng), labels, readout, self.logit_loss
            outcome, found = run_temporal(
                *batch, parameters=self.wants_parameters,
                activity=self.find_costs(state.kept["rates"]), margin=self.margin,
                clip=self.choose_clip(state.kept, scales, batch),
                sample_weight=self.find_sample_weights(indices),
            )  # fmt: skip
            assert found is not None
            remember(state.kept, "sample_norms", outcome.norms)
            gradients = self.temporal.read_gradients(found, arrays, scales)
            self.optimiser.update(
                state.parameters, self.shorten(gradients, state.kept), state.optimiser_state, rate
            )
        except SimulationError as err:
            raise_diverged(state, f"it broke down ({str(err).split(';')[0]})", err)
        self.after_step(state, arrays, outcome)
        return float(outcome.loss.mean()), self.count_hits(outcome.logits, labels)

    def find_sample_weights(self, indices: np.ndarray) -> np.ndarray | None:
        """What the losses of training samples are multiplied by; None for 1."""
        return None

    def count_hits(self, logits: np.ndarray, labels: np.ndarray) -> int:
        """How many samples are right."""
        return int(np.count_nonzero(logits.argmax(axis=1) == labels))

    def choose_clip(self, kept: Kept, scales: Units, batch: Any) -> Clip | None:
        """How the gradient of each sample is shortened.

        Before the first step the norms of its own samples are measured.
        """
        times = self.config.optimiser.clip_sample
        if not times:
            return None
        units, median = self.temporal.list_units(scales), find_median(kept, "sample_norms")
        if median is None:
            measured, _ = run_temporal(
                *batch, parameters=self.wants_parameters, activity=self.find_costs(kept["rates"]),
                clip=Clip(limit=np.inf, units=units),
            )  # fmt: skip
            median = median_above_zero(measured.norms)
        return Clip(limit=np.inf if median is None else times * median, units=units)

    def find_costs(self, rates: np.ndarray) -> np.ndarray | None:
        """Derivatives of the cost of too few or too many spikes, by each neuron's activity."""
        wanted = self.config.activity
        if not wanted.rate_cost:
            return None
        off = np.minimum(rates - wanted.rate_low, 0.0) + np.maximum(rates - wanted.rate_high, 0.0)
        return np.asarray(2.0 * wanted.rate_cost * off)

    def shorten(self, gradients: list[np.ndarray], kept: Kept) -> list[np.ndarray]:
        """Gradients, shortened if they are far longer than the last ones usually were."""
        norm = float(np.sqrt(sum(float(np.vdot(g, g)) for g in gradients)))
        median, times = find_median(kept, "norms"), self.config.optimiser.clip
        remember(kept, "norms", np.array([norm]))
        if not times or median is None or norm <= times * median or not np.isfinite(norm):
            return gradients
        return [g * (times * median / norm) for g in gradients]

    def after_step(
        self, state: TrainState, arrays: dict[str, np.ndarray], outcome: TemporalOutcome
    ) -> None:
        """Keep parameters in their bounds, follow the rates, lift the silent."""
        self.temporal.constrain(arrays)
        rates = state.kept["rates"]
        rates += AVERAGING * (outcome.counts.mean(axis=0) - rates)
        if self.config.activity.lift and not self.config.network.freezes_hidden:
            first = 0
            for k, width in enumerate(self.config.network.hidden):
                silent = rates[first : first + width] < SILENT
                arrays[f"W{k}"][silent] += self.config.activity.lift
                first += width
        if not all(np.isfinite(array).all() for array in arrays.values()):
            raise_diverged(state, "a number left the range of floats")

    def draw_trials(self, indices: np.ndarray, rng: np.random.Generator) -> Trials:
        """Inputs of the samples at ``indices``, changed at random."""
        draw = getattr(self.dataset, "draw", None)
        if draw is not None:
            found: Trials = draw(indices, rng)
            return found
        if not (self.config.augmentation.moves_images or self.config.augmentation.flip):
            return self.train_trials.take(indices)
        events = self.augment(indices, rng)
        if events.binned:
            return Trials.of_compact(BinnedInput(times=events.times[0], bins=events.bins))
        times = np.full((len(indices), events.n_inputs), np.inf)
        for row, (own, channels, n) in enumerate(
            zip(events.times, events.rows, events.counts, strict=True)
        ):
            times[row, channels[:n]] = own[:n]
        return Trials.of_compact(LatencyInput(times=times))

    def run_held_out(self, state: TrainState, part: HeldOut) -> list[TemporalOutcome]:
        """What the network does with samples that are held out, in batches."""
        arrays, scales = self.read_state(state)
        parts = []
        for first in range(0, len(part.labels), EVALUATION_BATCH):
            chosen = np.arange(first, min(first + EVALUATION_BATCH, len(part.labels)))
            parts.append(self.run(arrays, scales, part.events.take(chosen), part.labels[chosen]))
        return parts

    def find_probabilities(self, state: TrainState, part: HeldOut) -> np.ndarray:
        """Probability of each class for samples that are held out, shape (n, n_classes)."""
        logits = np.concatenate([one.logits for one in self.run_held_out(state, part)])
        likely = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(likely / likely.sum(axis=1, keepdims=True))

    def evaluate(self, state: TrainState, part: HeldOut | None = None) -> Metrics:
        """Metrics of the network on samples that are held out; None for those that are watched."""
        part = part or self.watched
        labels, parts = part.labels, self.run_held_out(state, part)
        logits = np.concatenate([part.logits for part in parts])
        counts = np.concatenate([part.counts for part in parts])
        loss = float(np.concatenate([part.loss for part in parts]).mean())
        accuracy = float((logits.argmax(axis=1) == labels).mean())
        n_inputs = len(part.events.time) / len(labels)
        return Metrics(
            loss=loss, accuracy=accuracy, loss_ordinary=loss, accuracy_ordinary=accuracy,
            spikes_per_hidden_neuron=float(counts.mean()),
            silent_fraction=float((counts.sum(axis=0) == 0).mean()),
            energy=estimate_energy(
                synaptic_operations=self.count_operations(counts, n_inputs),
                layer_sizes=self.sizes,
            ),
        )  # fmt: skip

    def count_operations(self, counts: np.ndarray, n_inputs: float) -> float:
        """Synaptic operations of a sample, on average."""
        hidden = self.config.network.hidden
        total, first = n_inputs * hidden[0], 0
        for k, width in enumerate(hidden):
            sent = float(counts[:, first : first + width].sum(axis=1).mean())
            fan_out = hidden[k + 1] if k + 1 < len(hidden) else self.dataset.n_classes
            total += sent * (fan_out + (width if self.config.network.recurrent else 0))
            first += width
        return total

    @property
    def array_names(self) -> tuple[str, ...]:
        """Names of the arrays that learn, in order."""
        return self.temporal.names

    def guess(self, state: TrainState, count: int) -> np.ndarray:
        """What the network takes the first samples for that are held out."""
        labels = self.watched.labels[:count]
        trials = self.watched.events.take(np.arange(len(labels)))
        logits = self.run(*self.read_state(state), trials, labels).logits
        return np.asarray(logits.argmax(axis=1))

    def draw_sample(self, state: TrainState, sample: int, title: str) -> RasterPanel:
        """What the network does with a sample that is held out."""
        stack, _ = self.build(*self.read_state(state))
        trials = self.watched.events.take(np.array([sample]))
        recording = simulate(stack.network, trials)
        label = self.watched.labels[[sample]]
        logits = self.run(*self.read_state(state), trials, label).logits[0]
        likely = np.exp(logits - logits.max())
        return RasterPanel(
            title=title,
            input_image=self.find_image(sample),
            label=int(label[0]),
            spike_time=recording.spike_time,
            spike_neuron=recording.spike_neuron,
            layer_sizes=(*self.config.network.hidden, self.dataset.n_classes),
            output_time=np.full(self.dataset.n_classes, np.inf),
            T=self.config.network.duration,
            probabilities=likely / likely.sum(),
        )


def find_best(state: TrainState) -> int:
    """The first epoch with the highest accuracy on the validation samples."""
    return int(np.argmax([row["validation_accuracy"] for row in state.rows]))


def weigh_classes(config: TrainConfig, dataset: Dataset | TrialDataset) -> tuple[float, ...] | None:
    """Weight of each class in the loss; None for 1.

    Raises:
        InputError: If there is not one for each class, or a class without samples is to be
            balanced.
    """
    wanted, n = config.loss.class_weights, dataset.n_classes
    if wanted == EQUAL:
        return None
    if wanted == BALANCED:
        counts = np.bincount(dataset.train_labels, minlength=n)
        if not counts.all():
            raise InputError(
                f"Expected training samples of every class for class_weights = {BALANCED} but "
                f"class {int(np.argmin(counts))} of {dataset.name} has none; give a list of "
                f"{n} weights."
            )
        return tuple((len(dataset.train_labels) / (n * counts)).tolist())
    if len(wanted) != n:
        raise InputError(
            f"Expected {n} class_weights, one for each class of {dataset.name}, but got "
            f"{len(wanted)}; give all."
        )
    return tuple(float(weight) for weight in wanted)
