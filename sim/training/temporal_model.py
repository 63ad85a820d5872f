"""The network of a training in time: arrays that learn, and the network that they stand for.

What learns is kept in units in which a step of the optimiser means about the same for all of it:
weights in units of their size at the start, time constants and other positive parameters as
logarithms in steps of `LOG_UNIT`, delays by way of softplus, so that both stay in their domains.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from sim.inputs.trials import Trials
from sim.network.network import Network, Population, Projection, SpikeTrains
from sim.network.readouts import LinearReadout
from sim.speech.settings import read_settings
from sim.temporal.allocation import FIRST_ROOM
from sim.temporal.batch import MOST_BLOCKS, SAMPLES_PER_BLOCK, TemporalGradients
from sim.training.config import TrainConfig
from sim.training.decorrelate import mix
from spiketheory.errors import InputError
from spiketheory.machine.compile import CompiledModel
from spiketheory.machine.readout import CompiledReadout
from spiketheory.memory import Need

COPIES_OF_WEIGHTS = 6
"""Weights, the same as the engine takes them, two moments, gradient, optimiser step."""
LOG_UNIT = 0.1
"""A positive parameter grows by this fraction when its number grows by 1."""
Units = dict[str, Any]
"""Units of weights, by name; of a centred readout the centre of what it sums, and of a decorrelated
one what its weights are multiplied by (``mixing``)."""
INPUT, HIDDEN = "input", "hidden"
RECURRENT_SHARE = 0.3
"""Size of recurrent weights at the start, relative to those of the input, for equal fan-in."""
MEAN_WEIGHT = 0.3
"""Mean of the weights at the start, in units of their spread: more excitation than inhibition."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TemporalModel:
    """Hidden layers, their model, and what is read from the last one.

    Attributes:
        config: How it is trained.
        model: The compiled neuron model.
        readout: The compiled readout.
        n_inputs, n_outputs: Number of channels, and of classes.
    """

    config: TrainConfig
    model: CompiledModel
    readout: CompiledReadout
    n_inputs: int
    n_outputs: int

    def __post_init__(self) -> None:
        if not self.config.network.hidden:
            raise InputError(
                f"Expected hidden layers for the readout {self.config.readout.name} but got none; "
                "it reads the spikes of the last one. Give --hidden."
            )
        values = dict(
            zip(
                self.model.parameters,
                self.model.check_parameters(self.config.network.parameters),
                strict=True,
            )
        )
        for name in self.config.network.learn_parameters:
            if name not in values:
                raise InputError(
                    f"Expected parameters of {self.model.name} ({', '.join(values)}) to learn but "
                    f"got {name!r}; correct its name."
                )
            domain = self.model.domains[self.model.parameters.index(name)].replace(" ", "")
            if domain != f"{name}>0" and domain != "True":
                raise InputError(
                    f"Expected parameters that are positive or unbounded to learn but got {name} "
                    f"with {domain}; leave it fixed."
                )

    @property
    def sizes(self) -> tuple[int, ...]:
        """Numbers of channels and of neurons of each hidden layer."""
        return (self.n_inputs, *self.config.network.hidden)

    @property
    def learns_start(self) -> bool:
        """Whether initial phases learn: neurons that start at a state of rest keep it."""
        return self.model.initial.removesuffix("0") not in self.model.state

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the arrays that learn, in order."""
        found = []
        for k, _ in enumerate(self.config.network.hidden):
            found.append(f"W{k}")
            found += [f"R{k}"] if self.config.network.recurrent else []
            found += [f"delay{k}"] if self.config.network.learn_delays else []
            found += [f"{name}_{k}" for name in self.config.network.learn_parameters]
            found += [f"initial{k}"] if self.learns_start else []
        return (*found, "readout", "bias")

    def is_positive(self, name: str) -> bool:
        """Whether a parameter of the neuron must be positive."""
        return self.model.domains[self.model.parameters.index(name)] != "True"

    def start(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """The arrays before training."""
        arrays: dict[str, np.ndarray] = {}
        values = self.model.check_parameters(self.config.network.parameters)
        default = self.model.module.initial_bounds(*values)[2]
        for k, (n_pre, n) in enumerate(pairwise(self.sizes)):
            arrays[f"W{k}"] = rng.normal(MEAN_WEIGHT, 1.0, (n, n_pre))
            if k == 0 and self.config.network.smooth_start:
                arrays["W0"] = self.smooth(arrays["W0"])
            arrays[f"R{k}"] = rng.normal(0.0, 1.0, (n, n))
            if self.config.network.learn_delays:
                drawn = rng.uniform(0.0, 1.0, n)
                arrays[f"delay{k}"] = np.log(np.expm1(np.maximum(drawn, 0.01)))
            for name in self.config.network.learn_parameters:
                arrays[f"{name}_{k}"] = np.full(n, self.encode(name, self.find_value(name)))
            arrays[f"initial{k}"] = np.full(n, float(default))
        shape = (self.n_outputs, self.config.network.hidden[-1], self.readout.n_features)
        arrays["readout"] = rng.normal(0.0, 1.0 / self.config.optimiser.readout_rate, shape)
        arrays["bias"] = np.zeros(self.n_outputs)
        return {name: arrays[name] for name in self.names}

    def smooth(self, weights: np.ndarray) -> np.ndarray:
        """Weights of the input that are alike in neighbouring channels, of the same mean and size.

        Neighbours are channels of one line, and of one kind of encoding neuron.
        """
        from scipy.ndimage import gaussian_filter1d

        given = self.config.speech.encoder
        duration = {"duration": self.config.network.duration} if given else {}
        encoder = read_settings({**given, **duration})
        rows = encoder.n_channels // encoder.bands
        by_row = (weights - MEAN_WEIGHT).reshape(len(weights), rows, -1)
        width = self.config.network.smooth_start
        found = gaussian_filter1d(by_row, width, axis=2, mode="nearest").reshape(weights.shape)
        return np.asarray(found / found.std() + MEAN_WEIGHT)

    def fixed_delays(self) -> list[np.ndarray]:
        """Delays of each layer's neurons where they do not learn [time]."""
        rng = np.random.default_rng([self.config.seed, 3])
        return [rng.uniform(0.0, self.config.network.delay, n) for n in self.config.network.hidden]

    def find_value(self, name: str) -> float:
        """A parameter's value before training."""
        values = self.model.check_parameters(self.config.network.parameters)
        return values[self.model.parameters.index(name)]

    def encode(self, name: str, value: float) -> float:
        """A parameter as what learns."""
        return float(np.log(value)) / LOG_UNIT if self.is_positive(name) else value

    def build(self, arrays: dict[str, np.ndarray], scales: Units) -> tuple[Network, LinearReadout]:
        """The network and the readout that arrays stand for.

        Args:
            arrays: What learns, by name.
            scales: Units of weights, by name.
        """
        populations, projections, pre = [], [], INPUT
        fixed = self.fixed_delays()
        for k, n in enumerate(self.config.network.hidden):
            name = f"{HIDDEN}{k + 1}"
            start = {self.model.initial: arrays[f"initial{k}"]} if self.learns_start else {}
            parameters = dict(self.config.network.parameters) | self.read_parameters(arrays, k)
            populations.append(
                Population(
                    name=name, model=self.model, size=n, parameters=parameters, initial=start
                )
            )
            before = self.read_delays(arrays, fixed, k - 1) if k else None
            projections.append(
                Projection(
                    pre=pre, post=name, weights=arrays[f"W{k}"] * scales[f"W{k}"],
                    delays=spread(before, n),
                )
            )  # fmt: skip
            if self.config.network.recurrent:
                own = self.read_delays(arrays, fixed, k)
                projections.append(
                    Projection(
                        pre=name, post=name, weights=arrays[f"R{k}"] * scales[f"R{k}"],
                        delays=spread(own, n),
                    )
                )  # fmt: skip
            pre = name
        silent = np.empty(0)
        channels = SpikeTrains(
            name=INPUT, size=self.n_inputs, times=silent, channels=silent.astype(int)
        )
        network = Network(
            populations=populations, inputs=[channels], projections=projections,
            duration=self.config.network.duration,
        )  # fmt: skip
        weights = mix(arrays["readout"] * scales["readout"], scales.get("mixing"))
        bias = arrays["bias"]
        if "centre" in scales:
            bias = bias - np.tensordot(weights, scales["centre"], 2)
        readout = LinearReadout(compiled=self.readout, weights=weights, bias=bias)
        return network, readout

    def read_parameters(self, arrays: dict[str, np.ndarray], k: int) -> dict[str, Any]:
        """The parameters of a layer that learn."""
        return {
            name: np.exp(LOG_UNIT * arrays[f"{name}_{k}"])
            if self.is_positive(name)
            else arrays[f"{name}_{k}"]
            for name in self.config.network.learn_parameters
        }

    def read_delays(
        self, arrays: dict[str, np.ndarray], fixed: Sequence[np.ndarray], k: int
    ) -> np.ndarray | None:
        """The delays of a layer's neurons; None if there are none."""
        if not self.config.network.delay:
            return None
        if self.config.network.learn_delays:
            return np.asarray(self.config.network.delay * np.logaddexp(0.0, arrays[f"delay{k}"]))
        return fixed[k]

    def read_gradients(
        self, found: TemporalGradients, arrays: dict[str, np.ndarray], scales: Units
    ) -> list[np.ndarray]:
        """Derivatives by the arrays, in their order."""
        by: dict[str, np.ndarray] = {}
        weights, delays = iter(found.network.weights), iter(found.network.delays)
        by_delay = [np.zeros(n) for n in self.config.network.hidden]
        for k, n in enumerate(self.config.network.hidden):
            by[f"W{k}"] = np.asarray(next(weights)) * scales[f"W{k}"]
            before = next(delays)
            if k:
                by_delay[k - 1] += np.sum(np.asarray(before), axis=0)
            if self.config.network.recurrent:
                by[f"R{k}"] = np.asarray(next(weights)) * scales[f"R{k}"]
                by_delay[k] += np.sum(np.asarray(next(delays)), axis=0)
            for name in self.config.network.learn_parameters:
                assert found.network.parameters is not None
                slope = np.asarray(found.network.parameters[k][name])
                factor = LOG_UNIT * np.exp(LOG_UNIT * arrays[f"{name}_{k}"])
                by[f"{name}_{k}"] = slope * factor if self.is_positive(name) else slope
            if self.learns_start:
                by[f"initial{k}"] = found.network.initial[k][self.model.initial]
            del n
        for k, _ in enumerate(self.config.network.hidden):
            if self.config.network.learn_delays:
                theta = arrays[f"delay{k}"]
                by[f"delay{k}"] = by_delay[k] * self.config.network.delay / (1.0 + np.exp(-theta))
        by_weight = found.weights
        if "centre" in scales:
            by_weight = by_weight - np.multiply.outer(found.bias, scales["centre"])
        by["readout"] = mix(by_weight, scales.get("mixing")) * scales["readout"]
        by["bias"] = found.bias
        if self.config.network.freezes_hidden:
            by |= {name: np.zeros_like(arrays[name]) for name in self.names[:-2]}
        return [by[name] for name in self.names]

    def list_units(self, scales: Units) -> tuple[float, ...]:
        """By what derivatives are multiplied in norms, see `sim.temporal.batch.Clip`.

        Those by hidden weights alone count if these learn: their tails are heavy, while those of
        the readout are bounded and would hide them.
        """
        learns = not self.config.network.freezes_hidden
        found = []
        for k, _ in enumerate(self.config.network.hidden):
            found += [scales[f"W{k}"] * learns, scales.get(f"R{k}", 0.0) * learns]
        return (*found, 0.0, 0.0) if learns else (*found, scales["readout"], 1.0)

    def constrain(self, arrays: dict[str, np.ndarray]) -> None:
        """Keep initial phases within their bounds."""
        if not self.learns_start:
            return
        for k, _ in enumerate(self.config.network.hidden):
            values = [
                self.read_parameters(arrays, k).get(name, value)
                for name, value in zip(
                    self.model.parameters,
                    self.model.check_parameters(self.config.network.parameters), strict=True,
                )
            ]  # fmt: skip
            lower, upper, _ = self.model.module.initial_bounds(*values)
            np.clip(arrays[f"initial{k}"], lower, upper, out=arrays[f"initial{k}"])


def estimate_run(model: TemporalModel, trials: Trials, n_threads: int) -> list[Need]:
    """What memory a training needs, roughly.

    Args:
        model: What is trained.
        trials: What is learned from.
        n_threads: Number of threads.
    """
    config, recurrent = model.config, model.config.network.recurrent
    pairs = list(pairwise(model.sizes))
    n_weights = sum(n_pre * n + (n * n if recurrent else 0) for n_pre, n in pairs)
    n_weights += pairs[-1][1] * model.readout.n_features * model.n_outputs
    blocks = min(-(-config.optimiser.batch // SAMPLES_PER_BLOCK), MOST_BLOCKS)
    copies = COPIES_OF_WEIGHTS + bool(config.schedule.patience) + blocks
    copies += n_threads if config.optimiser.clip_sample else 0
    busiest = int(np.argmax(np.diff(trials.offsets)))
    begin, end = trials.offsets[busiest], trials.offsets[busiest + 1]
    n_instants = len(np.unique(trials.time[begin:end]))
    n_coordinates, states, outside = len(model.model.coordinates), 0.0, n_instants
    for _, n in pairs:
        spikes = max(FIRST_ROOM, round(config.activity.start_rate * n))
        segments = outside + (spikes if recurrent else 0)
        states += segments * n_coordinates * n
        outside = spikes
    states += 2 * n_instants * pairs[0][1]
    return [
        Need(
            8.0 * copies * n_weights,
            f"{n_weights:,} weights, their moments, and their sums over the blocks of a batch",
            "choose fewer neurons with hidden, or a smaller batch",
        ),
        Need(
            8.0 * n_threads * states,
            f"the states of hidden neurons at up to {n_instants:,} instants of input, on each of "
            f"{n_threads} threads",
            "choose fewer neurons with hidden, trials with fewer instants, or fewer threads with "
            "SPIKETHEORY_THREADS",
        ),
    ]


def spread(delays: np.ndarray | None, n_post: int) -> np.ndarray | None:
    """Delays of senders as those of their connections, shape (n_post, n_pre)."""
    return None if delays is None else np.broadcast_to(delays, (n_post, len(delays)))
