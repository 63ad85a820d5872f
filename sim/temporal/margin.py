"""A cost of maxima of V near the threshold, which keeps spikes from appearing and vanishing.

Where a maximum of V passes through the threshold a spike appears or vanishes (docs/mathematics.md,
16). With x the height of a maximum above the threshold, in units of the width, it costs
weight (1 - |x|)^2 if |x| < 1. Maxima are

- those between two events at which V stops rising,
- events at which V, rising before, stops rising,
- of each spike the maximum that V would have reached without reset and further input.

V has no slope at a maximum of the first kind and of the last, which so changes with the state as if
its time were fixed. `time_to_peak` and the others are generated for models that have such maxima.
"""

import numpy as np

from sim.kernels.types import Floats, Numbers
from sim.temporal.forward import find_row
from sim.temporal.records import Batch, DenseLayer, LayerMemory, LayerSums, Scratch
from sim.temporal.segments import add, find_constants, find_last_meeting
from spiketheory.generation.interface import (
    HAS_PARAMETERS,
    N_COORDINATES,
    THRESHOLD_PLACE,
    excess,
    excess_constants_vjp,
    flow,
    flow_constants_vjp,
    flow_vjp,
    jump,
    jump_constants_vjp,
    jump_vjp,
    load,
    propagator,
    time_to_peak,
    velocity,
)
from spiketheory.machine.link import kernel

WANT_PARAMETERS = False
"""Whether derivatives by the constants are computed."""
WANT_MARGIN = False
"""Whether maxima near the threshold cost anything."""


@kernel()
def cost(margin: tuple[float, float], height: float) -> tuple[float, float]:
    """What a maximum so far above the threshold costs, and the derivative by its height."""
    weight, width = margin
    far = 1.0 - abs(height) / width
    if far <= 0.0:
        return 0.0, 0.0
    slope = 2.0 * weight / width * far
    if height == 0.0:
        slope = 0.0  # the mean of both sides
    return weight * far * far, -slope if height > 0.0 else slope


@kernel()
def press_peak(
    batch: Batch, scratch: Scratch, sums: LayerSums, i: int, constants: Numbers, state: Numbers,
    limit: float, target: Floats, place: int,
) -> float:  # fmt: skip
    """Cost of the next maximum from a state of neuron i, if it comes before the limit.

    Its derivatives by the state are added to a column of ``target``.
    """
    wait = time_to_peak(*state, *constants)
    if not wait < limit:
        return 0.0
    step = propagator(wait, *constants)
    top = flow(*state, *step, *constants)
    value, bar = cost(batch.margin, excess(*top, *constants))
    if bar != 0.0:
        scratch.unit[THRESHOLD_PLACE, 0] = bar
        by_top = load(scratch.unit, 0)
        add_column(target, place, flow_vjp(*state, *step, *constants, *by_top))
        if WANT_PARAMETERS and HAS_PARAMETERS:
            add(sums, i, flow_constants_vjp(*state, wait, *constants, *by_top))
            add(sums, i, excess_constants_vjp(*top, *constants, bar))
    return value


@kernel(inlines=True)
def add_column(target: Floats, place: int, values: Numbers) -> None:
    """Add numbers to a column."""
    for c in range(N_COORDINATES):
        target[c, place] += values[c]


@kernel()
def press_spike(
    batch: Batch, memory: LayerMemory, scratch: Scratch, sums: LayerSums, i: int, p: int,
    constants: Numbers,
) -> float:  # fmt: skip
    """Cost of the maximum that spike p, of neuron i, has cut off, and of one on the way to it.

    The adjoints of the neuron in ``scratch.spiking_adjoints`` are added to. The height of a maximum
    stays the same along the flow to it: it does not change with the time of the spike.
    """
    start, wait = load(memory.spikes.starts, p), memory.spikes.waits[p]
    step, adjoints = propagator(wait, *constants), scratch.spiking_adjoints
    there = flow(*start, *step, *constants)
    for c in range(N_COORDINATES):
        scratch.at_spike[c, 0] = 0.0
    value = press_peak(batch, scratch, sums, i, constants, there, np.inf, scratch.at_spike, 0)
    by_state = load(scratch.at_spike, 0)
    add_column(adjoints, i, flow_vjp(*start, *step, *constants, *by_state))
    if WANT_PARAMETERS and HAS_PARAMETERS:
        add(sums, i, flow_constants_vjp(*start, wait, *constants, *by_state))
    on_the_way = press_peak(batch, scratch, sums, i, constants, start, wait, adjoints, i)
    return value + on_the_way


@kernel()
def press_segment(
    batch: Batch, layer: DenseLayer, memory: LayerMemory, scratch: Scratch, weights: Floats,
    sums: LayerSums, k: int,
) -> float:  # fmt: skip
    """Cost of the maxima in segment k of the neurons that do not spike in it.

    The derivatives by the states just after its event are written to ``scratch.pressed``.
    """
    total = 0.0
    states, duration, pressed = memory.states[k], memory.durations[k], scratch.pressed
    for i in range(layer.width):
        for c in range(N_COORDINATES):
            pressed[c, i] = 0.0
        if duration > 0.0 and not scratch.spiked[i]:
            constants = find_constants(layer, i)
            state = jump(*load(states, i), weights[i], *constants)
            total += press_peak(batch, scratch, sums, i, constants, state, duration, pressed, i)
    return total


@kernel()
def hand_on_pressed(
    layer: DenseLayer, memory: LayerMemory, scratch: Scratch, weights: Floats, gradient: Floats,
    sums: LayerSums, k: int,
) -> None:  # fmt: skip
    """Go back through the event of segment k with what `press_segment` found."""
    for i in range(layer.width):
        slopes = load(scratch.pressed, i)
        constants, before = find_constants(layer, i), load(memory.states[k], i)
        add_column(scratch.adjoints_after, i, slopes)
        if WANT_PARAMETERS and HAS_PARAMETERS:
            add(sums, i, jump_constants_vjp(*before, weights[i], *constants, *slopes))
        found = jump_vjp(*before, weights[i], *constants, *slopes)
        for c in range(N_COORDINATES):
            memory.adjoints[c, i] += found[c]
        gradient[i] += found[N_COORDINATES]
        scratch.time_gradients[i] += found[-1]


@kernel()
def find_turn(
    batch: Batch, layer: DenseLayer, memory: LayerMemory, outside: Floats, first: int, last: int,
    i: int,
) -> tuple[float, float]:  # fmt: skip
    """Cost of a maximum of neuron i at the events that meet, of segments ``first`` to ``last``.

    Returns:
        The cost, and its derivative by V there.
    """
    constants = find_constants(layer, i)
    before = load(memory.states[first], i)
    if velocity(*before, *constants)[THRESHOLD_PLACE] <= 0.0:
        return 0.0, 0.0
    weight = find_row(layer, memory, outside, last)[i]
    after = jump(*load(memory.states[last], i), weight, *constants)
    if velocity(*after, *constants)[THRESHOLD_PLACE] > 0.0:
        return 0.0, 0.0
    return cost(batch.margin, excess(*before, *constants))


@kernel()
def press_turns(
    batch: Batch, layer: DenseLayer, memory: LayerMemory, scratch: Scratch, outside: Floats,
    sums: LayerSums, k: int, n_segments: int,
) -> float:  # fmt: skip
    """Cost of the maxima at the events that begin with segment k; adds to the adjoints before."""
    total, last = 0.0, find_last_meeting(memory, k, n_segments)
    for i in range(layer.width):
        value, bar = find_turn(batch, layer, memory, outside, k, last, i)
        total += value
        if bar != 0.0:
            memory.adjoints[THRESHOLD_PLACE, i] += bar
            constants, before = find_constants(layer, i), load(memory.states[k], i)
            scratch.time_gradients[i] += bar * velocity(*before, *constants)[THRESHOLD_PLACE]
            if WANT_PARAMETERS and HAS_PARAMETERS:
                add(sums, i, excess_constants_vjp(*before, *constants, bar))
    return total


@kernel()
def turn_by_time(
    batch: Batch, layer: DenseLayer, memory: LayerMemory, outside: Floats, first: int, last: int,
    i: int, weight: float, rest: float,
) -> float:  # fmt: skip
    """Derivative of the cost of a maximum at events that meet by the time of one of them.

    One that comes earlier ends the rise or adds to it; one that comes later leaves it to the others
    to end the rise. The mean of both sides is taken.

    Args:
        batch: The batch.
        layer: The layer.
        memory: What the sample left behind.
        outside: Weights of the events from outside.
        first: Segment of the first of the events.
        last: That of the last.
        i: The neuron.
        weight: That of the event.
        rest: That of the others.
    """
    bar = find_turn(batch, layer, memory, outside, first, last, i)[1]
    if bar == 0.0:
        return 0.0
    constants, before = find_constants(layer, i), load(memory.states[first], i)
    rising = velocity(*before, *constants)[THRESHOLD_PLACE]
    ahead = velocity(*jump(*before, weight, *constants), *constants)[THRESHOLD_PLACE]
    behind = velocity(*jump(*before, rest, *constants), *constants)[THRESHOLD_PLACE]
    return 0.5 * bar * (rising - max(0.0, ahead) + max(0.0, behind))
