"""The numbers behind a document's figures, computed by a model's generated functions.

Everything follows from one experiment, which every model allows: a neuron at rest receives an
input of weight w at time 0.
"""

import math
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from spiketheory.machine.compile import CompiledModel

POINTS = 160
"""Weights at which a spike time is computed."""

SAMPLES = 120
"""Times at which a trajectory is computed."""

TIMES_DIVERGED = 5.0
"""A gradient diverges if it grows by more than this while the distance falls to a hundredth."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Neuron:
    """One neuron with its parameters: scalar calls of the generated functions.

    Attributes:
        functions: The generated functions of one neuron.
        constants: Derived constants.
        rest: Coordinates at rest.
        known: Spike times that were computed, by weight.
    """

    functions: types.ModuleType
    constants: tuple[float, ...]
    rest: tuple[float, ...]
    known: dict[float, float] = field(default_factory=dict, repr=False)

    def receive(self, weight: float) -> tuple[float, ...]:
        """Coordinates just after an input at rest."""
        return widen(self.functions.jump(*self.rest, np.float64(weight), *self.constants))

    def wait(self, coordinates: Sequence[float]) -> float:
        """Time to the spike; ``inf`` if there is none, also where the formula has no value."""
        time = float(self.functions.time_to_spike(*coordinates, *self.constants))
        return math.inf if math.isnan(time) else time

    def advance(self, coordinates: Sequence[float], duration: float) -> tuple[float, ...]:
        """Coordinates a duration later, without events."""
        numbers = widen(self.functions.propagator(np.float64(duration), *self.constants))
        return widen(self.functions.flow(*coordinates, *numbers, *self.constants))

    def read_state(self, coordinates: Sequence[float]) -> tuple[float, ...]:
        """The model's state variables."""
        return widen(self.functions.leave_chart(*coordinates, *self.constants))

    def spike_time(self, weight: float) -> float:
        """Spike time after an input at rest."""
        weight = float(weight)
        if weight not in self.known:
            self.known[weight] = self.wait(self.receive(weight))
        return self.known[weight]

    def spike_time_D_w(self, weight: float) -> float:
        """Its derivative by the weight; nan if there is no spike, 0 if it is at once."""
        coordinates, time = self.receive(weight), self.spike_time(weight)
        if not 0 < time < math.inf:
            return math.nan if time else 0.0
        numbers = widen(self.functions.propagator(np.float64(time), *self.constants))
        nothing = [0.0] * len(coordinates)
        covector = self.functions.fire_vjp(*coordinates, *numbers, *self.constants, *nothing, 1.0)
        pulled = self.functions.jump_vjp(
            *self.rest, np.float64(weight), *self.constants, *covector[: len(coordinates)]
        )
        return float(pulled[len(coordinates)])


def widen(values: Sequence[float]) -> tuple[float, ...]:
    """NumPy's numbers, which divide by zero as IEEE says and do not raise."""
    return tuple(np.float64(value) for value in values)


def make_neuron(compiled: CompiledModel, rest: Sequence[float]) -> Neuron:
    """A neuron with the model's default parameters.

    Args:
        compiled: The model, with the backend ``numpy``.
        rest: Its state at rest.
    """
    functions = compiled.functions
    constants = widen(functions.constants(*widen(compiled.defaults)))
    return Neuron(
        functions=functions,
        constants=constants,
        rest=widen(functions.enter_chart(*widen(rest), *constants)),
    )


@dataclass(frozen=True, kw_only=True)
class Boundary:
    """A weight on one side of which there is no spike.

    Attributes:
        weight: Where it is.
        diverges: Whether the gradient grows without bound towards it.
        late: Whether the spike time grows without bound, too.
        at_once: Whether the spike comes with the input itself.
        spikes_above: Whether larger weights make spikes, not smaller ones.
    """

    weight: float
    diverges: bool
    late: bool
    at_once: bool
    spikes_above: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Response:
    """Spike times and their gradients over a range of weights.

    Attributes:
        weights: Increasing, shape (P,).
        times: ``inf`` where there is no spike, shape (P,).
        gradients: nan where there is no spike, shape (P,).
        boundaries: Where spikes appear and vanish.
        unit: The weight that makes a neuron spike, or spike in half the time.
    """

    weights: np.ndarray
    times: np.ndarray
    gradients: np.ndarray
    boundaries: tuple[Boundary, ...]
    unit: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Trajectory:
    """What a neuron does up to its spike.

    Attributes:
        weight: Weight of the input at time 0.
        spike_time: ``inf`` if it does not spike.
        times: Shape (S,).
        states: State variables, shape (n_state, S); not finite where the neuron spikes.
    """

    weight: float
    spike_time: float
    times: np.ndarray
    states: np.ndarray = field(repr=False)


def find_unit(neuron: Neuron) -> float | None:
    """The weight at which a silent neuron begins to spike, or halves the time of another.

    Returns:
        The weight; None if no positive weight up to a million does it.
    """
    without = neuron.spike_time(0.0)

    def acts(weight: float) -> bool:
        time = neuron.spike_time(weight)
        return math.isfinite(time) if math.isinf(without) else time < without / 2

    weights = (2.0**k for k in range(-10, 21))
    found = next((w for w in weights if acts(w)), None)
    return None if found is None else bisect(acts, 0.0, found)


def bisect(holds: Callable[[float], bool], low: float, high: float) -> float:
    """The last number, seen from ``high`` towards ``low``, at which ``holds`` does not change."""
    wanted = holds(high)
    for _ in range(54):
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) == wanted else (middle, high)
    return high


def respond(neuron: Neuron, unit: float) -> Response:
    """Spike times and gradients over a range of weights around zero."""
    silent = math.isinf(neuron.spike_time(0.0))
    low, high = (-unit, 4 * unit) if silent else (-4 * unit, 4 * unit)
    coarse = np.linspace(low, high, POINTS)
    spikes = [math.isfinite(neuron.spike_time(w)) for w in coarse]
    extra: list[float] = []
    boundaries = []
    for i in range(POINTS - 1):
        if spikes[i] != spikes[i + 1]:
            silent_side, spiking = (i, i + 1) if spikes[i + 1] else (i + 1, i)
            edge = find_edge(neuron, coarse[silent_side], coarse[spiking])
            away = math.copysign(high - low, coarse[spiking] - coarse[silent_side])
            boundaries.append(study_boundary(neuron, edge, away))
            extra += [edge, *(edge + away * 10.0**-k for k in np.arange(1.5, 9, 0.25))]
    weights = np.unique(np.concatenate([coarse, np.clip(extra, low, high)]))
    return Response(
        weights=weights,
        times=np.array([neuron.spike_time(w) for w in weights]),
        gradients=np.array([neuron.spike_time_D_w(w) for w in weights]),
        boundaries=tuple(boundaries),
        unit=unit,
    )


def find_edge(neuron: Neuron, silent: float, spiking: float) -> float:
    """The last weight that still makes a spike, seen from ``spiking``."""
    return bisect(lambda w: math.isfinite(neuron.spike_time(w)), silent, spiking)


def study_boundary(neuron: Neuron, edge: float, away: float) -> Boundary:
    """What the gradient does towards the edge; ``away`` points to where there are spikes."""
    near, far = edge + 1e-6 * away, edge + 1e-4 * away
    slopes = abs(neuron.spike_time_D_w(near)), abs(neuron.spike_time_D_w(far))
    nearer = neuron.spike_time(edge + 1e-8 * away) - neuron.spike_time(near)
    return Boundary(
        weight=edge,
        diverges=bool(slopes[0] > TIMES_DIVERGED * slopes[1]),
        late=bool(nearer > 0.5 * (neuron.spike_time(near) - neuron.spike_time(far)) > 0),
        at_once=neuron.spike_time(near) == 0,
        spikes_above=away > 0,
    )


def choose_weights(response: Response) -> tuple[float, ...]:
    """Weights whose trajectories show what there is: below, just above and far above an edge."""
    if response.boundaries:
        return tuple(response.unit * f for f in (-0.6, 0.0, 0.5, 0.9, 1.05, 1.4, 2.2, 3.6))
    return tuple(response.unit * f for f in (-3.0, -1.5, -0.5, 0.0, 0.5, 1.5, 3.0))


def follow(neuron: Neuron, weights: Sequence[float]) -> tuple[Trajectory, ...]:
    """Trajectories up to the spike; those without one end somewhat after the last spike."""
    times = [neuron.spike_time(w) for w in weights]
    longest = max((t for t in times if math.isfinite(t)), default=1.0)
    return tuple(
        follow_one(neuron, weight, time, 1.15 * longest)
        for weight, time in zip(weights, times, strict=True)
    )


def follow_one(neuron: Neuron, weight: float, spike_time: float, horizon: float) -> Trajectory:
    """One trajectory; times lie denser towards the spike."""
    end = min(spike_time, horizon)
    fractions = np.linspace(0, 1, SAMPLES)
    if math.isfinite(spike_time):
        fractions = np.unique([*fractions[:-1], *(1 - np.logspace(-2, -11, SAMPLES // 3))])
    start = neuron.receive(weight)
    states = [neuron.read_state(neuron.advance(start, end * f)) for f in fractions]
    return Trajectory(
        weight=weight,
        spike_time=spike_time,
        times=end * fractions,
        states=np.array(states).T,
    )
