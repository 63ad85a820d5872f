"""Event loops: one layer of neurons driven by a list of input events, exactly.

The functions here know no particular neuron. `build_engine` closes them over the generated
functions of a `CompiledModel`; Numba inlines those into the loops. No function makes an array:
all that they write to is in `sim.buffers`, so that nothing is allocated, and no reference
counted, from sample to sample.

Rules: input events of a layer come sorted by time; inputs at the same time act one after the
other, in their order. A spike counts when the state has passed the surface, so one that falls on
the very instant of an input comes after that input, and one on the trial's end T is the first
pseudospike. Spikes at the same time are ordered by neuron.

Layout of one layer's forward pass with K events and n neurons:

- ``states`` (K + 2, n_coordinates, n): row 0 is the initial state; row k is the state just before
  event k = 1..K; row K + 1 is the state at T. Coordinates come first, neurons last, so that the
  loops over neurons run through memory in order and become vector instructions.
- ``scales`` (K // EVENTS_PER_SCALING + 1, n): projective coordinates grow with inputs
  between spikes; every so many events large ones are divided by a power of two, kept here.
- ``steps`` (K + 1, n_numbers): the flow's propagator from each event to the next, which all
  neurons share.
- ``spikes``, a `sim.buffers.Spikes`, in the order found (by segment, then neuron, then time).

Loops over all neurons run in the precision of the buffers, with ``narrow``, the constants in that
precision; what happens to a single neuron when it spikes is computed in double precision.
"""

from functools import partial
from types import SimpleNamespace
from typing import Any

from sim.status import NO_ROOM, Status
from spiketheory.compile import CompiledModel

EVENTS_PER_SCALING = 32
LARGE_COORDINATE = 2.0**64
SCALING = 2.0**-128
LARGEST_COORDINATE = 1e150
"""Gradients square the coordinates; beyond, their squares leave the range of floats."""
LIMITS = {
    "float64": (LARGEST_COORDINATE, LARGE_COORDINATE),
    "float32": (1e15, 2.0**30),
}
"""Largest coordinate, and the one beyond which projective ones are scaled down, by precision."""
FLAGS_PER_WORD = 8
SMALL_SORT = 16


def build_engine(model: CompiledModel) -> SimpleNamespace:
    """Close the event loops over a model's functions.

    Args:
        model: The compiled model.

    Returns:
        ``start_layer``, ``forward_layer`` and ``order_spikes``, compiled for the model's backend.
    """
    f = model.functions
    jit = partial(model.jit, allocates=False)
    store, initial_state = f.store, f.initial_state
    n_coordinates = len(model.coordinates)
    ok, too_many = int(Status.OK), int(Status.TOO_MANY_SPIKES)
    not_finite = int(Status.NOT_FINITE)
    is_projective = bool(model.projective)
    advance, follow = build_advance(model), build_follow(model)
    is_far, scale_down = build_range(model)
    write_step, read_step = build_steps(model)
    load, jump = f.load, f.jump
    propagator = f.propagator

    @jit
    def start_layer(initial: Any, row: Any, constants: Any) -> None:
        """Write the initial states of a layer to ``row`` (n_coordinates, n)."""
        for i in range(initial.shape[0]):
            store(row, i, *initial_state(initial[i], *constants))

    @partial(jit, inlines=True)
    def follow_flagged(
        states: Any, after: Any, weights: Any, step: Any, start: float, end: float,
        constants: Any, segment: int, spikes: Any, count: int, max_spikes: int, flags: Any,
        words: Any,
    ) -> int:  # fmt: skip
        """Go through one segment again for the neurons that spike in it; returns the count."""
        for word in range((weights.shape[0] - 1) // FLAGS_PER_WORD + 1):
            if words[word] == 0:
                continue
            first = word * FLAGS_PER_WORD
            for i in range(first, min(first + FLAGS_PER_WORD, weights.shape[0])):
                if flags[i]:
                    state = jump(*load(states, i), weights[i], *constants)
                    state, count = follow(
                        state, step, start, end, constants, i, segment, spikes, count, max_spikes
                    )
                    store(after, i, *state)
        return count

    @jit
    def forward_layer(
        states: Any, scales: Any, steps: Any, event_times: Any, event_rows: Any, n_events: int,
        weights: Any, duration: float, constants: Any, narrow: Any, limits: Any, spikes: Any,
        max_spikes: int, scratch: Any,
    ) -> Any:  # fmt: skip
        """Run one layer through a trial.

        Args:
            states: Buffer; row 0 holds the initial states, the others are written.
            scales: Buffer of the powers of two that coordinates were multiplied by.
            steps: Buffer of the propagators.
            event_times: Times of the input events, sorted, shape (>= n_events,) [time].
            event_rows: Row of ``weights`` that each event adds, shape (>= n_events,).
            n_events: Number of events.
            weights: Shape (n_rows, n).
            duration: The trial's end T.
            constants: The model's derived constants.
            narrow: The same in the precision of the buffers.
            limits: An entry of `LIMITS`.
            spikes: Spike buffers of this layer.
            max_spikes: More spikes than this end the run.
            scratch: Flags, the same as words, and zeros.

        Returns:
            Status, and number of spikes. The status is `NO_ROOM` if the spike buffers are full.
        """
        n = states.shape[2]
        flags, words, zeros = scratch
        largest, large = limits
        nothing = zeros[:n]
        count = 0
        start = 0.0
        for k in range(n_events + 1):
            end = event_times[k] if k < n_events else duration
            step = propagator(end - start, *constants)
            write_step(steps, k, step)
            row = nothing if k == 0 else weights[event_rows[k - 1]]
            before, after = states[k], states[k + 1]
            advance(before, after, row, read_step(steps, k), narrow, flags)
            count = follow_flagged(
                before, after, row, step, start, end, constants, k, spikes, count, max_spikes,
                flags, words,
            )  # fmt: skip
            if count > max_spikes:
                return too_many, count
            if count >= spikes.times.shape[0]:
                return NO_ROOM, count
            if k % EVENTS_PER_SCALING == EVENTS_PER_SCALING - 1:
                if is_far(after, largest):
                    return not_finite, count
                if is_projective:
                    scale_down(after, scales[k // EVENTS_PER_SCALING], large)
            start = end
        if is_far(states[n_events + 1], largest):
            return not_finite, count
        for c in range(n_coordinates):
            for p in range(count):
                if not abs(spikes.starts[c, p]) <= largest:
                    return not_finite, count
        return ok, count

    return SimpleNamespace(
        start_layer=start_layer,
        forward_layer=forward_layer,
        order_spikes=build_order(model),
        read_step=read_step,
    )


def build_steps(model: CompiledModel) -> tuple[Any, Any]:
    """Functions that write a propagator to a row of an array, and read it as a tuple."""
    jit = partial(model.jit, allocates=False)

    @jit
    def write_none(rows: Any, k: int, values: Any) -> None:
        pass

    @jit
    def read_none(rows: Any, k: int) -> Any:
        return ()

    def extend(write_rest: Any, read_rest: Any, place: int) -> tuple[Any, Any]:
        @jit
        def write(rows: Any, k: int, values: Any) -> None:
            write_rest(rows, k, values)
            rows[k, place] = values[place]

        @jit
        def read(rows: Any, k: int) -> Any:
            return (*read_rest(rows, k), rows[k, place])

        return write, read

    write, read = write_none, read_none
    for place in range(len(model.module.PROPAGATOR)):
        write, read = extend(write, read, place)
    return write, read


def build_advance(model: CompiledModel) -> Any:
    """The loop over neurons, without branches."""
    f = model.functions
    jump, flow, will_spike, load, store = f.jump, f.flow, f.will_spike, f.load, f.store

    def advance(
        before: Any, after: Any, weights: Any, step: Any, constants: Any, flags: Any
    ) -> None:
        """Pass one event and the segment after it, as if no neuron spiked; flag those that do."""
        for i in range(weights.shape[0]):
            state = jump(*load(before, i), weights[i], *constants)
            flags[i] = will_spike(*state, *step, *constants)
            store(after, i, *flow(*state, *step, *constants))

    return model.jit(advance, allocates=False, inlines=True)


def build_follow(model: CompiledModel) -> Any:
    """What happens to a single neuron that spikes."""
    f = model.functions
    flow, fire, propagator, store = f.flow, f.fire, f.propagator, f.store
    will_spike, time_to_spike = f.will_spike, f.time_to_spike

    def follow(
        state: Any, step: Any, start: float, end: float, constants: Any, neuron: int,
        segment: int, spikes: Any, count: int, max_spikes: int,
    ) -> Any:  # fmt: skip
        """Follow one neuron through a segment in which it spikes.

        Returns the state at the segment's end and the number of spikes, at most the room that
        there is for them.
        """
        before = count
        left = end - start
        now = start
        limit = min(max_spikes + 1, spikes.times.shape[0])
        while count < limit and will_spike(*state, *step, *constants):
            wait = min(max(time_to_spike(*state, *constants), 0.0), left)
            now = min(now + wait, end)
            left -= wait
            spikes.times[count] = now
            spikes.neurons[count] = neuron
            spikes.segments[count] = segment
            spikes.waits[count] = wait
            spikes.lefts[count] = -1.0
            store(spikes.starts, count, *state)
            count += 1
            state = fire(*state, *propagator(wait, *constants), *constants)
            step = propagator(left, *constants)
        if count > before:
            spikes.lefts[count - 1] = left
        return flow(*state, *step, *constants), count

    return model.jit(follow, allocates=False, inlines=True)


def build_range(model: CompiledModel) -> tuple[Any, Any]:
    """Functions that keep coordinates within the range of floats."""
    jit = partial(model.jit, allocates=False)
    scaled = model.projective or (0,)

    @jit
    def is_far(row: Any, largest: float) -> bool:
        """Whether a coordinate is NaN or so large that gradients would lose it."""
        far = False
        for c in range(row.shape[0]):
            for i in range(row.shape[1]):
                far |= not abs(row[c, i]) <= largest
        return far

    @jit
    def scale_down(row: Any, scales: Any, large: float) -> None:
        """Divide large coordinates of a projective chart by a power of two, which is exact."""
        for i in range(row.shape[1]):
            size = 0.0
            for c in scaled:
                size = max(size, abs(row[c, i]))
            scale = 1.0
            while size * scale > large:
                scale /= large * large
            scales[i] = scale
            for c in scaled:
                row[c, i] *= scales[i]

    return is_far, scale_down


def build_order(model: CompiledModel) -> Any:
    """The sort of spikes by time."""
    jit = partial(model.jit, allocates=False)

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
    def order_spikes(spikes: Any, count: int, order: Any, spare: Any) -> None:
        """Write indices of all spikes in order of time; segments already are in order."""
        times, segments = spikes.times, spikes.segments
        for k in range(count):
            order[k] = k
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

    return order_spikes
