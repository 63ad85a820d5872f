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
- ``steps`` (n_numbers, K + 1): the flow's propagator from each event to the next, which all
  neurons share.
- ``spikes``, a `sim.buffers.Spikes`, in the order found, by segment. How they are found differs:
  `sim.crossings` is for models whose flow passes through the spike, `sim.rounds` for all others.

Loops over all neurons run in the precision of the buffers, with ``narrow``, the constants in that
precision; what happens to a single neuron when it spikes is computed in double precision.
"""

from functools import partial
from types import SimpleNamespace
from typing import Any

from sim.crossings import build_forward_crossings
from sim.ordering import build_order
from sim.rounds import build_forward_rounds
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
    build_forward = build_forward_crossings if model.crosses_infinity else build_forward_rounds
    parts = build_forward(model)
    advance, follow_flagged = parts.advance, parts.follow_flagged
    finish_spikes = parts.finish_spikes
    is_far, scale_down = build_range(model)
    write_steps, read_step = build_steps(model)

    @jit
    def start_layer(initial: Any, row: Any, constants: Any) -> None:
        """Write the initial states of a layer to ``row`` (n_coordinates, n)."""
        for i in range(initial.shape[0]):
            store(row, i, *initial_state(initial[i], *constants))

    @jit
    def forward_layer(
        states: Any, mask: int, scales: Any, steps: Any, event_times: Any, event_rows: Any,
        n_events: int, weights: Any, duration: float, constants: Any, narrow: Any, limits: Any,
        spikes: Any, max_spikes: int, scratch: Any,
    ) -> Any:  # fmt: skip
        """Run one layer through a trial.

        Args:
            states: Buffer; row 0 holds the initial states, the others are written.
            mask: Row k of the layout above is row ``k & mask`` of the buffer: -1 keeps all rows,
                1 the last two.
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
            scratch: Flags, the same as words, zeros, and a `sim.buffers.Round`.

        Returns:
            Status, and number of spikes. The status is `NO_ROOM` if the spike buffers are full.
        """
        flags, words, zeros, round_ = scratch
        largest, large = limits
        nothing = zeros[: states.shape[2]]
        count = 0
        start = 0.0
        write_steps(steps, event_times, n_events, duration, constants)
        for k in range(n_events + 1):
            end = event_times[k] if k < n_events else duration
            row = nothing if k == 0 else weights[event_rows[k - 1]]
            before, after = states[k & mask], states[(k + 1) & mask]
            advance(before, after, row, read_step(steps, k, zeros), narrow, flags)
            count = follow_flagged(
                before, after, row, read_step(steps, k, event_times), start, end, constants, k,
                spikes, count, max_spikes, flags, words, round_,
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
        finish_spikes(spikes, count, event_times, n_events, duration, constants)
        if is_far(states[(n_events + 1) & mask], largest):
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
    )


def build_steps(model: CompiledModel) -> tuple[Any, Any]:
    """Functions that compute all propagators of a layer, and read one in an array's precision.

    They are kept in an array of shape (n_numbers, >= n_events + 1), so that computing them
    becomes vector instructions.
    """
    jit = partial(model.jit, allocates=False)
    propagator = model.functions.propagator

    @jit
    def write_none(steps: Any, k: int, values: Any) -> None:
        pass

    @jit
    def read_none(steps: Any, k: int, like: Any) -> Any:
        return ()

    def extend(write_rest: Any, read_rest: Any, place: int) -> tuple[Any, Any]:
        @jit
        def write(steps: Any, k: int, values: Any) -> None:
            write_rest(steps, k, values)
            steps[place, k] = values[place]

        @jit
        def read(steps: Any, k: int, like: Any) -> Any:
            return (*read_rest(steps, k, like), like.dtype.type(steps[place, k]))

        return write, read

    write, read = write_none, read_none
    for place in range(len(model.module.PROPAGATOR)):
        write, read = extend(write, read, place)

    @jit
    def write_steps(
        steps: Any, event_times: Any, n_events: int, duration: float, constants: Any
    ) -> None:
        """Write the propagators from each event to the next, the first and last included."""
        first = event_times[0] if n_events > 0 else duration
        write(steps, 0, propagator(first, *constants))
        for k in range(1, n_events):
            write(steps, k, propagator(event_times[k] - event_times[k - 1], *constants))
        if n_events > 0:
            rest = duration - event_times[n_events - 1]
            write(steps, n_events, propagator(rest, *constants))

    return write_steps, read


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
