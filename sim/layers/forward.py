"""Event loops: one layer of neurons driven by a list of input events, exactly.

The functions here know no particular neuron. `build_engine` closes them over the generated
functions of a `CompiledModel`; Numba inlines those into the loops. No function makes an array:
all that they write to is in `sim.layers.buffers`, so that nothing is allocated, and no reference
counted, from sample to sample.

Rules: input events of a layer come sorted by time; inputs at the same time act one after the
other, in their order. A spike counts when the state has passed the surface, so one that falls on
the very instant of an input comes after that input, and one on the trial's end T is the first
pseudospike. Spikes at the same time are ordered by neuron.

Layout of one layer's forward pass with K events and n neurons:

- ``states`` (K + 2, n_coordinates, n): row 0 is the initial state; row k is the state just before
  event k = 1..K; row K + 1 is the state at T. Row k is entry ``k & mask`` of the array: the mask is
  -1 where all are kept, for gradients, else `LATEST_STATES`. Coordinates come first, neurons last,
  so that the loops over neurons run through memory in order and become vector instructions; rows
  are padded with neurons that nobody sees, see `sim.layers.allocation.pad`.
- ``checkpoints`` (n_blocks, n_coordinates, n): the state that each block of segments begins with.
  Where states are many, gradients compute those of a block once more from there.
- ``scales`` (K // EVENTS_PER_BLOCK + 1, n): projective coordinates grow with inputs
  between spikes; every so many events large ones are divided by a power of two, kept here.
- ``steps`` (n_numbers, K + 1): the flow's propagator from each event to the next, which all
  neurons share.
- ``spikes``, a `sim.layers.buffers.Spikes`, in the order found, by segment. How they are found
differs:
  `sim.layers.crossings` is for models whose flow passes through the spike, `sim.layers.rounds` for
  all others.

Loops over all neurons run in the precision of the buffers, with ``real_constants``, the constants
in that precision; what happens to a single neuron when it spikes is computed in double precision.
"""

from functools import lru_cache, partial
from types import SimpleNamespace
from typing import Any

from sim.layers.crossings import build_forward_crossings
from sim.layers.propagators import build_steps
from sim.layers.rounds import build_forward_rounds
from sim.layers.spike_order import build_order
from sim.status import NO_ROOM, Status
from spiketheory.machine.compile import CompiledModel

EVENTS_PER_BLOCK = 32
"""Segments that are passed before the spikes in them are listed, and large coordinates scaled."""
LATEST_STATES = 2 * EVENTS_PER_BLOCK - 1
"""The mask, see above, that keeps as many states as a block needs."""
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
    run_block, finish_spikes = parts.run_block, parts.finish_spikes
    is_far, scale_down = build_range(model)
    write_steps, _ = build_steps(model)
    copy_row = build_copy(model)

    @jit
    def start_layer(initial: Any, row: Any, constants: Any) -> None:
        """Write the initial states of a layer to ``row`` (n_coordinates, >= n).

        What the row is padded with starts like the first neuron.
        """
        for i in range(row.shape[1]):
            first = initial[i if i < initial.shape[0] else 0]
            store(row, i, *initial_state(first, *constants))

    @jit
    def forward_layer(trial: Any, layer: Any, source: Any) -> Any:
        """Run one layer through a trial.

        Args:
            trial: A `sim.layers.buffers.Trial`.
            layer: A `sim.layers.buffers.LayerBuffers`; row 0 of its states holds the initial ones.
            source: A `sim.layers.buffers.Source`.

        Returns:
            Status, and number of spikes. The status is `NO_ROOM` if the spike buffers are full.
        """
        states, spikes, mask = layer.states, layer.spikes, layer.mask
        largest, large = trial.limits
        n_segments = source.n_events + 1
        count = 0
        write_steps(layer.steps, source.times, source.n_events, trial.duration, trial.constants)
        for first in range(0, n_segments, EVENTS_PER_BLOCK):
            last = min(first + EVENTS_PER_BLOCK, n_segments)
            if layer.checkpoints.shape[0] > 0:
                copy_row(states[first & mask], layer.checkpoints[first // EVENTS_PER_BLOCK])
            count = run_block(trial, layer, source, first, last, count)
            if count > trial.max_spikes:
                return too_many, count
            if count >= spikes.times.shape[0]:
                return NO_ROOM, count
            if last % EVENTS_PER_BLOCK == 0:
                if is_far(states[last & mask], layer.width, largest):
                    return not_finite, count
                if is_projective:
                    scale_down(
                        states[last & mask], layer.scales[last // EVENTS_PER_BLOCK - 1], large
                    )
        finish_spikes(trial, layer, source, count)
        if is_far(states[n_segments & mask], layer.width, largest):
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


@lru_cache(maxsize=32)
def build_copy(model: CompiledModel) -> Any:
    """The function that copies a row of states."""

    def copy_row(row: Any, target: Any) -> None:
        """Write the row (n_coordinates, length) to another."""
        for c in range(row.shape[0]):
            for i in range(row.shape[1]):
                target[c, i] = row[c, i]

    return model.jit(copy_row, allocates=False)


def build_range(model: CompiledModel) -> tuple[Any, Any]:
    """Functions that keep coordinates within the range of floats."""
    jit = partial(model.jit, allocates=False)
    scaled = model.projective or (0,)

    @jit
    def is_far(row: Any, width: int, largest: float) -> bool:
        """Whether a coordinate is NaN or so large that gradients would lose it."""
        far = False
        for c in range(row.shape[0]):
            for i in range(width):
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
