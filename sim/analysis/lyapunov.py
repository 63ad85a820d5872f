"""The leading Lyapunov exponent of a network from its exact single-spike Jacobians.

A perturbation of the states that is carried through a run grows on average like exp(lambda t). The
transposed product of Jacobians has the same exponents, and the backward pass applies just that: a
adjoint at the end, pulled back through the run, grows like exp(lambda T) for almost every choice.
It is pulled back piece by piece and normalised in between. Spike times move with the states, as
the saltation matrices say; the inputs' times are fixed.

Projective coordinates (x, y) and c (x, y) are one state, and |(x, y)| grows without bound while a
neuron does not spike. An adjoint is therefore measured by its product with |(x, y)|, which is its
size by the neuron's phase whatever c is.
"""

from dataclasses import dataclass

import numpy as np

from sim.events import backward
from sim.events.backward import (
    DELIVERIES_LEFT,
    SPIKES_LEFT,
    start_backward_pass,
)
from sim.events.link import find_ties, link_network
from sim.events.loop import PAUSED, get_width
from sim.events.recording import Recording
from sim.events.tape import N_ARRIVALS, N_DELIVERIES
from sim.network.network import Network
from spiketheory.errors import InputError

N_BLOCKS = 20
"""Parts of a run whose exponents' spread gives the error: long beside the correlation time."""


@dataclass(frozen=True, kw_only=True)
class Exponent:
    """A Lyapunov exponent.

    Attributes:
        value: The exponent; > 0 is chaos [1/time].
        error: Standard error of the mean over parts of the run; it leaves out how networks and
            runs differ from each other [1/time].
        growth: Logarithm of the growth up to each normalisation, backwards in time.
        times: Where these are, from the end on [time].
    """

    value: float
    error: float
    growth: np.ndarray
    times: np.ndarray


def find_lyapunov_exponent(
    recording: Recording, *, start: float = 0.0, settle: float = 0.0, seed: int = 0,
    n_pieces: int = 200,
) -> Exponent:  # fmt: skip
    """Leading Lyapunov exponent of a run.

    Args:
        recording: A run with ``record=True``, complete and without delays.
        start: End of the transient that is left out [time].
        settle: How long the adjoint turns towards the leading direction, at the end of the run,
            before its growth counts [time].
        seed: Of the adjoint at the end.
        n_pieces: Normalisations.

    Raises:
        InputError: If the run has delays, no tape or too few spikes.
    """
    first, last = check_recording(recording, start, settle)
    spikes = recording.spike_time
    edges = np.linspace(last, first, n_pieces + 1).astype(np.int64)
    backward = AdjointPass(recording, seed)
    backward.go_back(int(edges[0]))
    growth, times, total = [0.0], [spikes[min(last, len(spikes) - 1)]], 0.0
    for edge in edges[1:]:
        total += backward.go_back(int(edge))
        growth.append(total)
        times.append(spikes[edge])
    span = times[0] - times[-1]
    places = np.linspace(0, n_pieces, min(N_BLOCKS, n_pieces) + 1).astype(np.int64)
    steps, spans = np.diff(np.array(growth)[places]), -np.diff(np.array(times)[places])
    kept = spans > 0
    rates = steps[kept] / spans[kept]
    error = float(rates.std(ddof=1) / np.sqrt(len(rates))) if len(rates) > 1 else np.inf
    return Exponent(
        value=total / span, error=error, growth=np.array(growth[1:]), times=np.array(times[1:])
    )


def check_recording(recording: Recording, start: float, settle: float) -> tuple[int, int]:
    """Return the first spike that counts and the one after the last, or raise an error."""
    if recording.tape is None or not len(recording.spike_time):
        raise InputError(
            "Expected a recorded run with spikes but got one without; call "
            "simulate(..., record=True) and drive the network."
        )
    if any(np.any(p.edge_delays) for p in recording.network.projections):
        raise InputError(
            "Expected a network without delays but got delays: spikes under way belong to its "
            "state. Leave them out."
        )
    spikes = recording.spike_time
    first = int(np.searchsorted(spikes, start))
    last = int(np.searchsorted(spikes, recording.time - settle))
    if not (first < last and spikes[first] < spikes[min(last, len(spikes) - 1)]):
        raise InputError(
            f"Expected spikes at different times between start={start:g} and settle={settle:g} "
            f"before the end t={recording.time:g} but got none; simulate for longer."
        )
    return first, last


class AdjointPass:
    """An adjoint on its way back through a run.

    Args:
        recording: The run.
        seed: Of the adjoint at the end.
    """

    def __init__(self, recording: Recording, seed: int) -> None:
        self.recording, self.wires = recording, recording.wiring.wires
        assert recording.tape is not None
        self.tape = recording.tape
        models = recording.wiring.models
        self.kernels = link_network(models).link(backward)
        self.left = start_backward_pass(self.tape)
        self.ties = find_ties(self.tape, recording.wiring.wires, models)
        network, wires = recording.network, self.wires
        self.adjoints = np.zeros((get_width(models), network.n_neurons), order="F")
        self.by_constant = np.zeros((1, wires.table.shape[1]), order="F")
        by_end = draw_adjoints(network, recording.end, np.random.default_rng(seed))
        self.kernels.leave_end(
            wires, recording.cells, recording.time, by_end, self.adjoints, self.by_constant, False
        )
        self.by_spike = np.zeros(len(recording.spike_time))
        self.by_input = np.zeros(len(wires.input_times))
        self.by_edge = np.zeros((2, len(wires.weights)))
        self.by_probe = np.zeros_like(self.tape.probed_coordinates)
        assert recording.cells is not None
        self.states = np.array(recording.cells[: get_width(models)])
        self.normalise()

    def go_back(self, edge: int) -> float:
        """Undo all down to spike number ``edge``, which is undone too; normalise.

        Returns:
            Logarithm of the growth.
        """
        tape, left = self.tape, self.left
        before = left.copy()
        while left[SPIKES_LEFT] > edge or (
            left[DELIVERIES_LEFT] > 0 and tape.delivery_spikes[left[DELIVERIES_LEFT] - 1] > edge
        ):
            status = self.kernels.run_backward(
                self.wires, tape, left, self.recording.probed, self.by_probe, self.by_spike,
                self.by_input, *self.by_edge, self.adjoints, self.by_constant, False, self.ties, 1,
            )  # fmt: skip
            if status != PAUSED:
                break
        self.find_states(before)
        return self.normalise()

    def normalise(self) -> float:
        """Divide by the size, and return its logarithm."""
        size = measure_size(self.recording.network, self.states, self.adjoints)
        self.adjoints /= size
        self.by_spike /= size
        return float(np.log(size))

    def find_states(self, before: np.ndarray) -> None:
        """Update each neuron's coordinates after its last event that has not been undone.

        These are the starts of its first event among those that have been.
        """
        tape, left = self.tape, self.left
        n = self.states.shape[1]
        deliveries = np.arange(left[DELIVERIES_LEFT], before[DELIVERIES_LEFT])
        spikes = np.arange(left[SPIKES_LEFT], before[SPIKES_LEFT])
        starts = tape.delivery_arrivals[: tape.counts[N_DELIVERIES]]
        ends = np.append(starts, tape.counts[N_ARRIVALS])
        sizes = ends[deliveries + 1] - ends[deliveries]
        arrivals = np.arange(*ends[[left[DELIVERIES_LEFT], before[DELIVERIES_LEFT]]])
        within = arrivals - np.repeat(ends[deliveries], sizes)
        neurons = self.wires.targets[np.repeat(tape.delivery_edges[deliveries], sizes) + within]
        touched, spiked = np.full(n, np.inf), np.full(n, np.inf)
        touched[neurons[::-1]] = 2.0 * np.repeat(tape.delivery_spikes[deliveries], sizes)[::-1]
        self.states[:, neurons[::-1]] = tape.arrival_starts[:, arrivals[::-1]]
        owners = tape.spike_neurons[spikes]
        spiked[owners[::-1]] = 2.0 * spikes[::-1] + 1.0
        is_first = spiked[owners] < touched[owners]
        self.states[:, owners[is_first][::-1]] = tape.spike_starts[:, spikes[is_first][::-1]]


def measure_size(network: Network, states: np.ndarray, adjoints: np.ndarray) -> float:
    """Length of an adjoint, by phases where coordinates are projective."""
    total = 0.0
    for population, part in network.parts:
        squares = adjoints[: len(population.model.coordinates), part] ** 2
        places = list(population.model.projective)
        if places:
            squares[places] *= (states[places, part] ** 2).sum(axis=0)
        total += float(squares.sum())
    return float(np.sqrt(total))


def draw_adjoints(network: Network, end: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Random adjoints of like size by phase; projective ones vanish on their own coordinates."""
    found = rng.normal(size=end.shape)
    for population, part in network.parts:
        places = list(population.model.projective)
        found[len(population.model.coordinates) :, part] = 0.0
        if places:
            own = end[places, part]
            adjoint = found[places, part]
            square = (own * own).sum(axis=0)
            along = (own * adjoint).sum(axis=0) / square
            found[places, part] = (adjoint - along * own) / np.sqrt(square)
    return np.asfortranarray(found)
