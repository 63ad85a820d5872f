"""One layer through one segment: an event, and what follows until the next one.

All neurons are advanced as one vector, as if none spiked, and those that do are flagged. These are
then followed spike by spike. If a spike reaches the layer itself before the segment's end, the
segment ends there.
"""

from sim.kernels.types import Flags, Floats, Ints, Numbers
from sim.layers.spike_flags import list_flagged
from sim.network.instants import find_arrival
from sim.temporal.records import NO_EVENT, DenseLayer, LayerMemory, LayerSums, Scratch
from spiketheory.generation.interface import (
    CROSSES_INFINITY,
    HAS_THRESHOLD,
    LAST_SCALED,
    SIGN_PREDICTS,
    THRESHOLD_PLACE,
    fire,
    flow,
    jump,
    load,
    load_constants,
    propagator,
    store,
    time_to_spike,
    turn,
    will_spike,
)
from spiketheory.machine.link import kernel

PER_NEURON = False
"""Whether neurons have constants of their own."""


@kernel(inlines=True)
def find_constants(layer: DenseLayer, i: int) -> Numbers:
    """The constants of a neuron."""
    if PER_NEURON:
        return load_constants(layer.table, i)
    return layer.constants


@kernel(disjoint=True)
def pass_segment(
    before: Floats, after: Floats, weights: Floats, table: Floats, constants: Numbers,
    duration: float, flags: Flags,
) -> None:  # fmt: skip
    """Pass an event and what follows as if no neuron spiked; flag those that do."""
    step = propagator(duration, *constants)
    for i in range(weights.shape[0]):
        if PER_NEURON:
            constants = load_constants(table, i)
            step = propagator(duration, *constants)
        state = jump(*load(before, i), weights[i], *constants)
        end = flow(*state, *step, *constants)
        flag = will_spike(*state, *step, *constants)
        if CROSSES_INFINITY:
            if not SIGN_PREDICTS:  # one of the two may say so alone, by rounding
                flag = flag or end[LAST_SCALED] < 0
            store(after, i, *turn(*end, end[LAST_SCALED] < 0))
        else:
            store(after, i, *end)
        flags[i] = flag


@kernel()
def find_waits(
    layer: DenseLayer, before: Floats, weights: Floats, chosen: Ints, n: int, waits: Floats,
    duration: float,
) -> None:  # fmt: skip
    """How long it takes the flagged neurons to their first spikes, at most the duration."""
    for p in range(n):
        i = chosen[p]
        constants = find_constants(layer, i)
        state = jump(*load(before, i), weights[i], *constants)
        waits[p] = min(max(time_to_spike(*state, *constants), 0.0), duration)


@kernel()
def arrive(layer: DenseLayer, i: int, time: float, ticks: float) -> float:
    """When a spike of neuron i reaches the layer itself."""
    delay = layer.delays[i]
    return time if delay == 0.0 else find_arrival(time, delay, ticks)


@kernel()
def cut_segment(
    layer: DenseLayer, scratch: Scratch, n: int, begin: float, duration: float, end: float,
    ticks: float,
) -> tuple[float, float, bool]:  # fmt: skip
    """Where the segment ends if its first spikes reach the layer itself before.

    Returns:
        Duration, end, and whether it ends with a spike that acts at once.
    """
    waits, chosen, at_once = scratch.waits, scratch.chosen, False
    for p in range(n):
        i = chosen[p]
        if layer.delays[i] == 0.0:
            if waits[p] < duration or (waits[p] == duration and not at_once):
                duration, end, at_once = waits[p], min(begin + waits[p], end), True
        else:
            arrival = arrive(layer, i, min(begin + waits[p], end), ticks)
            if arrival < end:
                duration, end, at_once = arrival - begin, arrival, False
    return duration, end, at_once


@kernel()
def flag_waiting(
    layer: DenseLayer, memory: LayerMemory, scratch: Scratch, k: int, weights: Floats, n: int,
    duration: float, at_once: bool,
) -> None:  # fmt: skip
    """Flag the neurons that are known to spike in a segment that became shorter.

    If it ends with spikes that act at once, the first such neuron spikes; those behind it wait for
    its effect if that moves what has a threshold, and else spike with it: the order does not
    matter.
    """
    waits, chosen, flags = scratch.waits, scratch.chosen, scratch.flags
    for p in range(n):
        i = chosen[p]
        if waits[p] < duration:
            flags[i] = 1
        elif at_once and waits[p] == duration:
            flags[i] = 1
            if HAS_THRESHOLD and waits_for_others(layer, memory, scratch, k, weights, p):
                flags[i] = 0
                if duration == 0.0 and scratch.crossed[i] != memory.begins[k]:
                    scratch.crossed[i], scratch.crossed_in[i] = memory.begins[k], k


@kernel()
def waits_for_others(
    layer: DenseLayer, memory: LayerMemory, scratch: Scratch, k: int, weights: Floats, p: int
) -> bool:
    """Whether a neuron that spikes with the p-th chosen one, and before it, acts on it at once."""
    waits, chosen = scratch.waits, scratch.chosen
    for q in range(p):
        j = chosen[q]
        acts = waits[q] == waits[p] and scratch.flags[j] and layer.delays[j] == 0.0
        if acts and is_moved(layer, memory.states[k], weights, j, chosen[p]):
            return True
    return False


@kernel()
def is_moved(layer: DenseLayer, before: Floats, weights: Floats, sender: int, i: int) -> bool:
    """Whether a spike of the sender moves the coordinate of neuron i that has the threshold."""
    constants = find_constants(layer, i)
    state = jump(*load(before, i), weights[i], *constants)
    moved = jump(*state, layer.recurrent[sender, i], *constants)
    found: bool = moved[THRESHOLD_PLACE] != state[THRESHOLD_PLACE]
    return found


@kernel()
def list_chosen(layer: DenseLayer, scratch: Scratch) -> int:
    """List the flagged neurons; returns their number."""
    return list_flagged(
        scratch.words, 1, layer.width, scratch.found, scratch.rows, scratch.chosen, 0
    )


@kernel()
def follow_chosen(
    layer: DenseLayer, memory: LayerMemory, scratch: Scratch, k: int, n: int, end: float,
    weights: Floats, count: int, limit: int,
) -> int:  # fmt: skip
    """Follow the flagged neurons through segment k, spike by spike.

    Returns the number of spikes; it is ``limit`` if there are as many or more.
    """
    before, after = memory.states[k], memory.states[k + 1]
    begin, duration = memory.begins[k], memory.durations[k]
    for p in range(n):
        i = scratch.chosen[p]
        constants = find_constants(layer, i)
        state = jump(*load(before, i), weights[i], *constants)
        now, left, is_first = begin, duration, True
        going = True
        while going:
            if count >= limit:
                return limit
            wait = min(max(time_to_spike(*state, *constants), 0.0), left)
            now = min(now + wait, end)
            note_spike(memory, count, i, k, now, wait, state)
            if HAS_THRESHOLD:
                memory.causes[count] = -1
                if is_first and wait == 0.0:
                    if scratch.crossed[i] == begin:
                        memory.causes[count] = scratch.crossed_in[i]
                    else:
                        first = find_first_at_once(memory, k)
                        if state[THRESHOLD_PLACE] > memory.states[first, THRESHOLD_PLACE, i]:
                            memory.causes[count] = k
            left -= wait
            state = fire(*state, *propagator(wait, *constants), *constants)
            step = propagator(left, *constants)
            landed = flow(*state, *step, *constants)
            going = will_spike(*state, *step, *constants)
            if CROSSES_INFINITY and not SIGN_PREDICTS:
                going = going or landed[LAST_SCALED] < 0
            memory.spikes.remaining[count] = -1.0 if going else left
            is_first = False
            count += 1
        store(after, i, *landed)
    return count


@kernel()
def find_first_at_once(memory: LayerMemory, k: int) -> int:
    """The first segment that begins at the instant at which segment k begins."""
    while k > 0 and memory.durations[k - 1] == 0.0:
        k -= 1
    return k


@kernel()
def follows_at_once(memory: LayerMemory, k: int) -> bool:
    """Whether the event of segment k meets the one before, without a spike between them."""
    if k < 2 or memory.event_rows[k] == NO_EVENT:
        return False
    return memory.durations[k - 1] == 0.0 and memory.firsts[k] == memory.firsts[k - 1]


@kernel()
def find_last_meeting(memory: LayerMemory, k: int, n_segments: int) -> int:
    """The last of the events that meet that of segment k, counted by segments."""
    while k + 1 < n_segments and follows_at_once(memory, k + 1):
        k += 1
    return k


@kernel(inlines=True)
def add(sums: LayerSums, i: int, values: Numbers) -> None:
    """Add derivatives by the constants of one neuron."""
    for c in range(len(values)):
        sums.constants[c, i] += values[c]


@kernel(inlines=True)
def note_spike(
    memory: LayerMemory, p: int, i: int, k: int, time: float, wait: float, state: Numbers
) -> None:
    """Write down spike p."""
    spikes = memory.spikes
    spikes.times[p], spikes.neurons[p], spikes.segments[p] = time, i, k
    spikes.waits[p] = wait
    store(spikes.starts, p, *state)
