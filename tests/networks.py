"""Small networks for tests: how to write them down, draw them, run them and what is right.

A `Case` is plain numbers, so that Hypothesis can shrink it and print it as something to paste
into an ``@example``.
"""

import itertools
import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import oracle
from hypothesis import strategies as st

from derivations import compile_model
from sim.inputs.encoding import LatencyInput
from sim.layers.batch import record_spikes, run_batch
from sim.losses import make_first_spike_loss, make_target_time_loss
from sim.network.layer_stack import LayerStack

GAMMA = 0.01
CONTRACTION = 4.0
"""Largest kappa T of a drawn trial below threshold, where V0 is forgotten like exp(-2 kappa T)."""


@lru_cache(maxsize=8)
def compiled(model, backend="numpy"):
    return compile_model(model, backend=backend)


def network(weights, *, duration, model="theta", backend="numpy", initial=None, **parameters):
    """A network; theta has the period pi unless parameters say otherwise."""
    return LayerStack(
        model=compiled(model, backend),
        parameters={"tau": 1.0, "I0": 1.25} | parameters,
        duration=float(duration),
        weights=tuple(np.asarray(w, dtype=float) for w in weights),
        initial=initial,
    )


def latencies(*rows):
    return LatencyInput(times=np.array(rows, dtype=float))


def trains(network, inputs, sample=0):
    """Spike times of one sample, neuron by neuron."""
    times, neurons = record_spikes(network, inputs).select(sample)
    return [times[neurons == i].tolist() for i in range(network.n_neurons)]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A network, one sample and a loss.

    Attributes:
        weights: Per layer rows [pre][post].
        inputs: Time of each input's spike.
        label: Label of the time-to-first-spike loss; None for the target-time loss.
        targets: Per output ``n_required`` target times.
    """

    model: str = "theta"
    I0: float = 1.25
    tau: float = 1.0
    duration: float
    weights: tuple
    initial: tuple
    inputs: tuple
    n_required: int = 1
    label: int | None = None
    targets: tuple = ()

    def run(self, model):
        """LayerStack, outcome and gradients with a compiled model."""
        built = LayerStack(
            model=model,
            parameters={"tau": self.tau, "I0": self.I0},
            duration=self.duration,
            weights=tuple(np.array(w) for w in self.weights),
            initial=np.array(self.initial),
        )
        if self.label is None:
            loss, targets = make_target_time_loss(n_required=self.n_required), [self.targets]
        else:
            loss = make_first_spike_loss(gamma=GAMMA, duration=self.duration)
            targets = [self.label]
        inputs = latencies(self.inputs)
        outcome, gradients = run_batch(
            built, inputs, np.array(targets), loss, gradient=True, input_times=True
        )
        return built, outcome, gradients

    def make_trial(self):
        """The same for the oracle."""
        return oracle.Trial(
            model=self.model,
            **{
                name: oracle.exact(getattr(self, name))
                for name in ("tau", "I0", "duration", "weights", "initial", "inputs")
            },
        )

    def compute_loss(self, rows):
        """The loss in 50-digit arithmetic."""
        if self.label is None:
            return oracle.target_time_loss(rows, self.targets)
        return oracle.first_spike_loss(rows, self.label, GAMMA, oracle.exact(self.duration))


def draw_period(model, I0, tau):
    """Period of a theta neuron; a yardstick for others."""
    return math.pi * tau / math.sqrt(I0 - 0.25) if model == "theta" else tau


@st.composite
def cases(draw, models=("theta", "qif_delta")):
    """Networks of 1 to 4 layers of 1 to 3 neurons, from silent to saturated.

    A third of the inputs come at the same time as another; some come after the trial's end or
    never. Identical columns of weights and phases make neurons spike simultaneously.
    """
    model = draw(st.sampled_from(models))
    tau = draw(st.sampled_from([1.0, 0.5, 1.9]))
    below = st.sampled_from([-0.5, 0.0, 0.25, 1.25]) | st.floats(-0.5, 1.5)
    I0 = draw(st.floats(0.5, 2.5) if model == "theta" else below)
    longest = 9.0
    if I0 < 0.25:
        longest = min(longest, CONTRACTION / math.sqrt(0.25 - I0))
    duration = tau * draw(st.floats(0.25, longest))
    sizes = draw(st.lists(st.integers(1, 3), min_size=2, max_size=5))
    scale = draw(st.sampled_from([0.1, 1.0, 4.0]))
    weight = st.floats(-1, 1).map(lambda w: w * scale)
    weights = [
        [[draw(weight) for _ in range(n_post)] for _ in range(n_pre)]
        for n_pre, n_post in itertools.pairwise(sizes)
    ]
    fraction = st.floats(0.01, 0.99)
    value = st.floats(-2, 3)
    if model == "theta":
        period = draw_period(model, I0, tau)
        value = fraction.map(lambda f: f * period)
    initial = [draw(value) for _ in range(sum(sizes[1:]))]
    if sizes[1] > 1 and draw(st.booleans()):
        initial[1] = initial[0]
        for row in weights[0]:
            row[1] = row[0]
    time = st.floats(0, 0.95).map(lambda f: f * duration)
    first = draw(time)
    other = time | st.just(first) | st.sampled_from([1.2 * duration, math.inf])
    inputs = [first, *(draw(other) for _ in range(sizes[0] - 1))]
    n_required, label, targets = 1, None, ()
    if draw(st.booleans()):
        label = draw(st.integers(0, sizes[-1] - 1))
    else:
        n_required = draw(st.integers(1, 3))
        target = st.floats(0, 2).map(lambda f: f * duration)
        targets = tuple(tuple(draw(target) for _ in range(n_required)) for _ in range(sizes[-1]))
    return Case(
        model=model, I0=I0, tau=tau, duration=duration, weights=freeze(weights),
        initial=tuple(initial), inputs=tuple(inputs), n_required=n_required, label=label,
        targets=targets,
    )  # fmt: skip


def freeze(values):
    return tuple(freeze(v) for v in values) if isinstance(values, list) else values
