"""The leading Lyapunov exponent of a network from its exact single-spike Jacobians.

A perturbation of the states that is carried through a run grows on average like exp(lambda t). The
transposed product of Jacobians has the same exponents, and the backward pass applies just that: a
covector at the end, pulled back through the run, grows like exp(lambda T) for almost every choice.
It is pulled back piece by piece and normalised in between. Spike times move with the states, as
the saltation matrices say; the inputs' times are fixed.
"""

from dataclasses import dataclass

import numpy as np

from sim.circuit import Circuit
from sim.differentiate import find_firsts
from sim.lazy import PAUSED, get_width
from sim.recurrent import Recording
from sim.rewind import DELIVERIES_LEFT, SPIKES_LEFT, build_rewind, start_rewinding
from spiketheory.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Exponent:
    """A Lyapunov exponent.

    Attributes:
        value: The exponent; > 0 is chaos [1/time].
        growth: Logarithm of the growth up to each normalisation, backwards in time.
        times: Where these are, from the end on [time].
    """

    value: float
    growth: np.ndarray
    times: np.ndarray


def find_lyapunov_exponent(
    recording: Recording, *, start: float = 0.0, seed: int = 0, n_pieces: int = 200
) -> Exponent:
    """Leading Lyapunov exponent of a run.

    Args:
        recording: A run with ``record=True``, complete and without delays.
        start: End of the transient that is left out [time].
        seed: Of the covector at the end.
        n_pieces: Normalisations.

    Raises:
        InputError: If the run has delays, no tape or no spikes.
    """
    tape, circuit = recording.tape, recording.circuit
    if tape is None or not len(recording.spike_time):
        raise InputError(
            "Expected a recorded run with spikes but got one without; call "
            "simulate(..., record=True) and drive the network."
        )
    if any(np.any(p.edge_delays) for p in circuit.projections):
        raise InputError(
            "Expected a network without delays but got delays: spikes under way belong to its "
            "state. Leave them out."
        )
    models, wires = recording.wiring.models, recording.wiring.wires
    kernel = build_rewind(models)
    shape = (get_width(models), circuit.n_neurons)
    covectors = np.zeros(shape, order="F")
    bars = np.zeros((1, wires.table.shape[1]), order="F")
    rng = np.random.default_rng(seed)
    seen = draw_covectors(circuit, recording.end, rng)
    kernel.leave_end(wires, recording.cells, recording.time, seen, covectors, bars, False)
    by_spike = np.zeros(len(recording.spike_time))
    by_input = np.zeros(len(wires.input_times))
    by_weight, by_delay = np.zeros(len(wires.weights)), np.zeros(len(wires.weights))
    left = start_rewinding(tape)
    first = int(np.searchsorted(recording.spike_time, start))
    unseen = np.zeros_like(tape.looked)
    edges = np.linspace(len(recording.spike_time), first, n_pieces + 1).astype(np.int64)
    growth, times, total = [], [], 0.0
    size = float(np.linalg.norm(covectors))
    covectors /= size
    for edge in edges[1:]:
        while left[SPIKES_LEFT] > edge or (
            left[DELIVERIES_LEFT] > 0 and tape.delivery_spikes[left[DELIVERIES_LEFT] - 1] > edge
        ):
            status = kernel.rewind(
                wires, tape, left, recording.looked_at, unseen, by_spike,
                by_input, by_weight, by_delay, covectors, bars, False, 1,
            )  # fmt: skip
            if status != PAUSED:
                break
        size = float(np.linalg.norm(covectors))
        total += np.log(size)
        covectors /= size
        by_spike /= size
        growth.append(total)
        times.append(recording.spike_time[min(edge, len(recording.spike_time) - 1)])
    span = recording.time - times[-1]
    return Exponent(value=total / span, growth=np.array(growth), times=np.array(times))


def draw_covectors(circuit: Circuit, end: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Random covectors; those of projective coordinates vanish on the coordinates themselves."""
    found = rng.normal(size=end.shape)
    for population, first in zip(circuit.populations, find_firsts(circuit), strict=True):
        part = slice(first, first + population.size)
        places = list(population.model.projective)
        found[len(population.model.coordinates) :, part] = 0.0
        if places:
            own = end[places, part]
            covector = found[places, part]
            along = (own * covector).sum(axis=0) / (own * own).sum(axis=0)
            found[places, part] = covector - along * own
    return np.asfortranarray(found)
