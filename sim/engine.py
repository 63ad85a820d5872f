"""Event loops: one layer of neurons driven by a list of input events, exactly.

The functions here know no particular neuron. `build_engine` closes them over the generated
functions of a `CompiledModel`; Numba inlines those into the loops.

Rules: input events of a layer come sorted by time; inputs at the same time act one after the
other, in their order. A spike counts when the state has passed the surface, so one that falls on
the very instant of an input comes after that input, and one on the trial's end T is the first
pseudospike. Spikes at the same time are ordered by neuron.

Layout of one layer's forward pass with K events and n neurons:

- ``states`` (K + 2, n_coordinates, n): row 0 is the initial state; row k is the state just before
  event k = 1..K; row K + 1 is the state at T.
- ``scales`` (K // EVENTS_PER_SCALING + 1, n): projective coordinates grow with inputs
  between spikes; every so many events large ones are divided by a power of two, kept here.
- spikes, in the order found (by segment, then neuron, then time): ``times``, ``neurons``,
  ``segments`` (segment k runs from event k to event k + 1), and per spike in ``chains`` the
  duration of the interval that it ends, the time left to the segment's end (-1 if the neuron
  spikes again before) and the coordinates at the interval's start.
"""

from types import SimpleNamespace
from typing import Any

import numpy as np

from sim.status import Status
from spiketheory.compile import CompiledModel

FIRST_CAPACITY = 64
EVENTS_PER_SCALING = 32
LARGE_COORDINATE = 2.0**64
SCALING = 2.0**-128
LARGEST_COORDINATE = 1e150
"""Gradients square the coordinates; beyond, their squares leave the range of floats."""
SMALL_SORT = 16


def build_engine(model: CompiledModel) -> SimpleNamespace:
    """Close the event loops over a model's functions.

    Args:
        model: The compiled model.

    Returns:
        ``forward_layer``, ``start_layer`` and ``sort_spikes``, compiled for the model's backend.
    """
    f = model.functions
    jit = model.jit
    jump, flow, fire = f.jump, f.flow, f.fire
    will_spike, time_to_spike = f.will_spike, f.time_to_spike
    propagator, load, store, initial_state = f.propagator, f.load, f.store, f.initial_state
    n_coordinates = len(model.coordinates)
    ok, too_many = int(Status.OK), int(Status.TOO_MANY_SPIKES)
    not_finite = int(Status.NOT_FINITE)
    is_projective, scaled = bool(model.projective), model.projective or (0,)

    @jit
    def start_layer(initial: Any, row: Any, constants: Any) -> None:
        """Write the initial states of a layer to ``row`` (n_coordinates, n)."""
        for i in range(initial.shape[0]):
            store(row, i, *initial_state(initial[i], *constants))

    @jit
    def advance(
        before: Any, after: Any, weights: Any, step: Any, constants: Any, spiking: Any
    ) -> int:
        """Pass one event and the segment after it, as if no neuron spiked; say which do."""
        count = 0
        for i in range(weights.shape[0]):
            state = jump(*load(before, i), weights[i], *constants)
            spikes = will_spike(*state, *step, *constants)
            spiking[i] = spikes
            count += spikes
            store(after, i, *flow(*state, *step, *constants))
        return count

    @jit
    def follow(
        state: Any, start: float, end: float, duration: float, constants: Any,
        neuron: int, segment: int, spikes: Any, count: int, max_spikes: int,
    ) -> Any:  # fmt: skip
        """Follow one neuron through a segment in which it spikes; returns the state at its end."""
        before = count
        left = duration
        step = propagator(left, *constants)
        now = start
        while count <= max_spikes and will_spike(*state, *step, *constants):
            wait = min(max(time_to_spike(*state, *constants), 0.0), left)
            spikes = ensure_room(spikes, count)
            times, neurons, segments, chains = spikes
            now = min(now + wait, end)
            left -= wait
            times[count] = now
            neurons[count] = neuron
            segments[count] = segment
            chains[count, 0] = wait
            chains[count, 1] = -1.0
            store(chains[count : count + 1, 2:].T, 0, *state)
            count += 1
            state = fire(*state, *propagator(wait, *constants), *constants)
            step = propagator(left, *constants)
        if count > before:
            spikes[3][count - 1, 1] = left
        return flow(*state, *step, *constants), spikes, count

    @jit
    def is_far(row: Any) -> bool:
        """Whether a coordinate is NaN or so large that gradients would lose it."""
        for c in range(row.shape[0]):
            for i in range(row.shape[1]):
                if not abs(row[c, i]) <= LARGEST_COORDINATE:
                    return True
        return False

    @jit
    def scale_down(row: Any, scales: Any) -> None:
        """Divide large coordinates of a projective chart by a power of two, which is exact."""
        for i in range(row.shape[1]):
            largest = 0.0
            for c in scaled:
                largest = max(largest, abs(row[c, i]))
            scales[i] = 1.0
            while largest * scales[i] > LARGE_COORDINATE:
                scales[i] *= SCALING
            for c in scaled:
                row[c, i] *= scales[i]

    @jit
    def ensure_room(spikes: Any, count: int) -> Any:
        """Return the spike buffers, doubled if they are full."""
        times, neurons, segments, chains = spikes
        capacity = times.shape[0]
        if count < capacity:
            return spikes
        new_times = np.empty(2 * capacity)
        new_neurons = np.empty(2 * capacity, np.int64)
        new_segments = np.empty(2 * capacity, np.int64)
        new_chains = np.empty((2 * capacity, chains.shape[1]))
        for k in range(capacity):
            new_times[k] = times[k]
            new_neurons[k] = neurons[k]
            new_segments[k] = segments[k]
            for c in range(chains.shape[1]):
                new_chains[k, c] = chains[k, c]
        return new_times, new_neurons, new_segments, new_chains

    @jit
    def new_spikes() -> Any:
        """Empty spike buffers."""
        return (
            np.empty(FIRST_CAPACITY),
            np.empty(FIRST_CAPACITY, np.int64),
            np.empty(FIRST_CAPACITY, np.int64),
            np.empty((FIRST_CAPACITY, 2 + n_coordinates)),
        )

    @jit
    def sort_spikes(times: Any, order: Any, first: int, last: int) -> None:
        """Sort ``order[first:last]`` by time: insertion sort, which is stable."""
        for k in range(first + 1, last):
            moving = order[k]
            place = k
            while place > first and times[order[place - 1]] > times[moving]:
                order[place] = order[place - 1]
                place -= 1
            order[place] = moving

    @jit
    def merge_spikes(
        times: Any, order: Any, spare: Any, first: int, middle: int, last: int
    ) -> None:
        """Merge two sorted neighbouring runs of ``order`` by way of ``spare``; stable."""
        left, right = first, middle
        for k in range(first, last):
            if right >= last or (left < middle and times[order[left]] <= times[order[right]]):
                spare[k] = order[left]
                left += 1
            else:
                spare[k] = order[right]
                right += 1
        for k in range(first, last):
            order[k] = spare[k]

    @jit
    def order_spikes(spikes: Any, count: int) -> Any:
        """Indices of all spikes in order of time; segments already are in order."""
        times, _, segments, _ = spikes
        order = np.arange(count)
        spare = np.empty(count, np.int64)
        first = 0
        for last in range(1, count + 1):
            if last == count or segments[last] != segments[first]:
                for start in range(first, last, SMALL_SORT):
                    sort_spikes(times, order, start, min(start + SMALL_SORT, last))
                width = SMALL_SORT
                while width < last - first:
                    for start in range(first, last - width, 2 * width):
                        merge_spikes(
                            times, order, spare, start, start + width,
                            min(start + 2 * width, last),
                        )  # fmt: skip
                    width *= 2
                first = last
        return order

    @jit
    def forward_layer(
        states: Any, scales: Any, event_times: Any, event_rows: Any, n_events: int, weights: Any,
        duration: float, constants: Any, spikes: Any, max_spikes: int,
    ) -> Any:  # fmt: skip
        """Run one layer through a trial.

        Args:
            states: Buffer; row 0 holds the initial states, the others are written.
            scales: Buffer of the powers of two that coordinates were multiplied by.
            event_times: Times of the input events, sorted, shape (>= n_events,) [time].
            event_rows: Row of ``weights`` that each event adds, shape (>= n_events,).
            n_events: Number of events.
            weights: Shape (n_rows, n).
            duration: The trial's end T.
            constants: The model's derived constants.
            spikes: Spike buffers.
            max_spikes: More spikes than this end the run.

        Returns:
            Status, spike buffers (grown if need be) and number of spikes.
        """
        n = states.shape[2]
        spiking = np.empty(n, np.bool_)
        nothing = np.zeros(n)
        count = np.int64(0)
        start = 0.0
        for k in range(n_events + 1):
            end = event_times[k] if k < n_events else duration
            step = propagator(end - start, *constants)
            row = nothing if k == 0 else weights[event_rows[k - 1]]
            if advance(states[k], states[k + 1], row, step, constants, spiking) > 0:
                for i in range(n):
                    if spiking[i]:
                        state = jump(*load(states[k], i), row[i], *constants)
                        state, spikes, count = follow(
                            state, start, end, end - start, constants, i, k, spikes, count,
                            max_spikes,
                        )  # fmt: skip
                        store(states[k + 1], i, *state)
                if count > max_spikes:
                    return too_many, spikes, count
            if k % EVENTS_PER_SCALING == EVENTS_PER_SCALING - 1 and is_far(states[k + 1]):
                return not_finite, spikes, count
            if is_projective and k % EVENTS_PER_SCALING == EVENTS_PER_SCALING - 1:
                scale_down(states[k + 1], scales[k // EVENTS_PER_SCALING])
            start = end
        if is_far(states[n_events + 1]) or is_far(spikes[3][:count, 2:]):
            return not_finite, spikes, count
        return ok, spikes, count

    return SimpleNamespace(
        start_layer=start_layer,
        forward_layer=forward_layer,
        order_spikes=order_spikes,
        new_spikes=new_spikes,
    )
