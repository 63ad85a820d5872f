"""Event loops: one layer of neurons driven by a list of input events, exactly.

The functions here know no particular neuron. They are linked with the generated functions of a
`CompiledModel` (see `spiketheory.machine.link`); Numba inlines those into the loops. No function
makes an array: all that they write to is in `sim.layers.buffers`, so that nothing is allocated,
and no reference counted, from sample to sample.

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

from sim.kernels.types import Floats, Numbers
from sim.layers.buffers import LayerBuffers, Source, Trial
from sim.layers.crossings import finish_spikes
from sim.layers.crossings import run_block as run_crossings
from sim.layers.propagators import write_steps
from sim.layers.rounds import run_block as run_rounds
from sim.status import NO_ROOM, Status
from spiketheory.generation.interface import (
    CROSSES_INFINITY,
    IS_PROJECTIVE,
    N_COORDINATES,
    SCALED,
    initial_state,
    store,
)
from spiketheory.machine.link import kernel

EVENTS_PER_BLOCK = 32
"""Segments that are passed before the spikes in them are listed, and large coordinates scaled."""
LATEST_STATES = 2 * EVENTS_PER_BLOCK - 1
"""The mask, see above, that keeps as many states as a block needs."""
OK, TOO_MANY_SPIKES, NOT_FINITE = (
    int(Status.OK), int(Status.TOO_MANY_SPIKES), int(Status.NOT_FINITE),
)  # fmt: skip


@kernel()
def start_layer(initial: Floats, row: Floats, constants: Numbers) -> None:
    """Write the initial states of a layer to ``row`` (n_coordinates, >= n).

    What the row is padded with starts like the first neuron.
    """
    for i in range(row.shape[1]):
        first = initial[i if i < initial.shape[0] else 0]
        store(row, i, *initial_state(first, *constants))


@kernel()
def forward_layer(trial: Trial, layer: LayerBuffers, source: Source) -> tuple[int, int]:
    """Run one layer through a trial; row 0 of its states holds the initial ones.

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
        if CROSSES_INFINITY:
            count = run_crossings(trial, layer, source, first, last, count)
        else:
            count = run_rounds(trial, layer, source, first, last, count)
        if count > trial.max_spikes:
            return TOO_MANY_SPIKES, count
        if count >= spikes.times.shape[0]:
            return NO_ROOM, count
        if last % EVENTS_PER_BLOCK == 0:
            if is_far(states[last & mask], layer.width, largest):
                return NOT_FINITE, count
            if IS_PROJECTIVE:
                scale_down(states[last & mask], layer.scales[last // EVENTS_PER_BLOCK - 1], large)
    if CROSSES_INFINITY:
        finish_spikes(trial, layer, source, count)
    if is_far(states[n_segments & mask], layer.width, largest):
        return NOT_FINITE, count
    for c in range(N_COORDINATES):
        for p in range(count):
            if not abs(spikes.starts[c, p]) <= largest:
                return NOT_FINITE, count
    return OK, count


@kernel()
def copy_row(row: Floats, target: Floats) -> None:
    """Write the row (n_coordinates, length) to another."""
    for c in range(row.shape[0]):
        for i in range(row.shape[1]):
            target[c, i] = row[c, i]


@kernel()
def is_far(row: Floats, width: int, largest: float) -> bool:
    """Whether a coordinate is NaN or so large that gradients would lose it."""
    far = False
    for c in range(row.shape[0]):
        for i in range(width):
            far |= not abs(row[c, i]) <= largest
    return far


@kernel()
def scale_down(row: Floats, scales: Floats, large: float) -> None:
    """Divide large coordinates of a projective chart by a power of two, which is exact."""
    for i in range(row.shape[1]):
        size = 0.0
        for c in SCALED:
            size = max(size, abs(row[c, i]))
        scale = 1.0
        while size * scale > large:
            scale /= large * large
        scales[i] = scale
        for c in SCALED:
            row[c, i] *= scales[i]
