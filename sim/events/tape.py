"""What a run of a recurrent network leaves behind: its spikes, and what it takes to go back.

Three kinds of things happen, in one order. A *spike*; a *delivery* of an event to a range of
connections, that is one *arrival* per connection; and a *probe* of the states at a given time.
Events are numbered: spike k is event k, input spike j is event -1 - j. Before an arrival a neuron
has been alone since its arrival or spike before; of each the tape keeps the coordinates at the
start of that time and its duration, so that nothing is computed backwards.
"""

from typing import NamedTuple

import numpy as np

(
    N_SPIKES, N_DELIVERIES, N_ARRIVALS, N_SCALES, N_IN_FLIGHT, N_SENT, N_DEFERRED, NEXT_INPUT,
    NEXT_PROBE, N_PROBED, LOST_NEURON,
) = range(11)  # fmt: skip
"""Places in ``counts``."""
NO_CAUSE = -1
AT_ONCE = -1.0
"""Stands for a duration of 0 before a spike that an arrival caused by a jump."""


class Tape(NamedTuple):
    """Growing arrays; ``counts`` says how much of each is filled.

    Attributes:
        spike_times, spike_neurons: Shape (capacity,) [time, -].
        spike_waits: Duration since the neuron's event before, or AT_ONCE.
        spike_starts: Coordinates after that event, shape (width, capacity).
        spike_causes, spike_cause_edges: Of a spike AT_ONCE: the event and the connection by which
            it came; NO_CAUSE otherwise.
        delivery_events: The event that was delivered.
        delivery_edges: First connection of the range.
        delivery_arrivals: First arrival.
        delivery_spikes: How many spikes came before.
        arrival_starts: Coordinates after the neuron's event before, shape (width, capacity).
        arrival_waits: Duration since.
        scale_arrivals, scale_factors: Arrivals after which coordinates were multiplied by a power
            of two.
        probes: For each probe how many spikes and deliveries came before, shape (n_probes, 2).
        probe_starts: Coordinates after the event before, shape (width, n_probes * n_probed).
        probe_waits: Duration since.
        probed_coordinates: Coordinates at the probe, shape as probe_starts.
        counts: See the names in this module.
    """

    spike_times: np.ndarray
    spike_neurons: np.ndarray
    spike_waits: np.ndarray
    spike_starts: np.ndarray
    spike_causes: np.ndarray
    spike_cause_edges: np.ndarray
    delivery_events: np.ndarray
    delivery_edges: np.ndarray
    delivery_arrivals: np.ndarray
    delivery_spikes: np.ndarray
    arrival_starts: np.ndarray
    arrival_waits: np.ndarray
    scale_arrivals: np.ndarray
    scale_factors: np.ndarray
    probes: np.ndarray
    probe_starts: np.ndarray
    probe_waits: np.ndarray
    probed_coordinates: np.ndarray
    counts: np.ndarray


class InFlight(NamedTuple):
    """Spikes under way: a binary heap by time, then by the order in which they were sent.

    Attributes:
        times: Time of arrival [time].
        order: How many were sent before.
        events, groups: The event and the group of connections.
        deferred: Event and connection of arrivals that wait for their neuron to spike at this
            very instant, shape (2, capacity).
    """

    times: np.ndarray
    order: np.ndarray
    events: np.ndarray
    groups: np.ndarray
    deferred: np.ndarray


SPIKES = tuple(name for name in Tape._fields if name.startswith("spike_"))
DELIVERIES = tuple(name for name in Tape._fields if name.startswith("delivery_"))
ARRIVALS = ("arrival_starts", "arrival_waits")
SCALES = ("scale_arrivals", "scale_factors")
FLOATS = ("waits", "times", "starts", "factors")
TWO_DIMENSIONAL = ("spike_starts", "arrival_starts")


def make_tape(width: int, n_probes: int, n_probed: int, *, capacity: int) -> Tape:
    """An empty tape.

    Args:
        width: Most coordinates of any neuron.
        n_probes: Times at which states are probed.
        n_probed: Neurons to probe.
        capacity: Room to start with.
    """
    arrays = {}
    for name in (*SPIKES, *DELIVERIES, *ARRIVALS, *SCALES):
        shape = (width, capacity) if name in TWO_DIMENSIONAL else (capacity,)
        dtype = np.float64 if name.endswith(FLOATS) else np.int64
        arrays[name] = np.zeros(shape, dtype, order="F")
    wide = (width, n_probes * n_probed)
    return Tape(
        **arrays,
        probes=np.zeros((n_probes, 2), np.int64),
        probe_starts=np.zeros(wide, order="F"),
        probe_waits=np.zeros(wide[1]),
        probed_coordinates=np.zeros(wide, order="F"),
        counts=np.zeros(11, np.int64),
    )


def make_in_flight(capacity: int) -> InFlight:
    """Nothing under way."""
    return InFlight(
        times=np.zeros(capacity),
        order=np.zeros(capacity, np.int64),
        events=np.zeros(capacity, np.int64),
        groups=np.zeros(capacity, np.int64),
        deferred=np.zeros((2, capacity), np.int64, order="F"),
    )


def grow(array: np.ndarray, capacity: int) -> np.ndarray:
    """The same array with room for more along its last axis, zeros behind."""
    if array.shape[-1] >= capacity:
        return array
    larger = np.zeros((*array.shape[:-1], capacity), array.dtype, order="F")
    larger[..., : array.shape[-1]] = array
    return larger


def grow_tape(tape: Tape, names: tuple[str, ...], capacity: int) -> Tape:
    """The tape with room for more in some of its arrays."""
    return tape._replace(**{name: grow(getattr(tape, name), capacity) for name in names})


def grow_in_flight(in_flight: InFlight, capacity: int) -> InFlight:
    """The heap with room for more."""
    return InFlight(*(grow(array, capacity) for array in in_flight))
