"""Hypothesis strategies: states, weights, spike trains, trials, paths; biased to dangerous places.

Everything shrinks towards one neuron at rest, one input at time 0 and round numbers.
"""

from dataclasses import replace
from functools import lru_cache
from typing import Any

from hypothesis import reject
from hypothesis import strategies as st

from spiketheory.checking.properties import Coincidence, Relabelling
from spiketheory.checking.state_properties import Wait
from spiketheory.checking.subject import (
    GRID,
    STRONG,
    NotApplicable,
    Subject,
    find_states_at_spikes,
    find_turning_weights,
    round_down,
)
from spiketheory.checking.trial import Path, Place, Rows, Trial

LARGEST_WEIGHT = 20
"""In steps of the weight's scale; some eight make a neuron at rest spike."""
SHORTEST, LONGEST = 4, 32
"""Of a trial, in steps of the time's scale."""
MOST_NEURONS, MOST_INPUTS, MOST_SPIKES = 3, 2, 5
HALVINGS = 12
MARGINS = (-13, -1)
"""Powers of ten of the relative distance to the weight that just makes a neuron spike."""

Draw = Any
remember = lru_cache(maxsize=256)
"""Strategies are remembered: to make and validate one takes longer than to draw from it."""


@remember
def on_grid(step: float, low: int, high: int) -> st.SearchStrategy[float]:
    """Whole multiples of a step."""
    return st.integers(low, high).map(lambda k: float(f"{k * step:.12g}"))


@remember
def weights(subject: Subject) -> st.SearchStrategy[float]:
    """Weights: round, arbitrary, next to the smallest that makes a neuron at rest spike, or strong.

    Strong ones make a neuron spike that has just spiked: what a reset does with an input is seen
    in the spikes that follow.
    """
    if not subject.neuron.takes_input:
        return st.just(0.0)
    scales = subject.scales
    step = scales.weight
    largest = LARGEST_WEIGHT * step
    # Where 0 is excluded a weight may multiply: one of 1e-200 would change what floats can show.
    has_zero = subject.assumptions.allow_weight(0.0)
    smallest = -largest if has_zero else step / 2**HALVINGS
    power, sign = st.integers(*MARGINS), st.sampled_from([1, -1])
    near = st.builds(lambda k, s: scales.critical * (1 + s * 10.0**k), power, sign)
    kinds = [
        on_grid(step, -LARGEST_WEIGHT, LARGEST_WEIGHT),
        on_grid(step, 4, LARGEST_WEIGHT),
        st.floats(smallest, largest),
        near,
    ]
    if scales.again > STRONG * scales.critical:
        kinds.append(on_grid(round_down(scales.again / GRID), GRID, LARGEST_WEIGHT))
    any_weight = st.one_of(kinds)
    return any_weight.map(lambda w: admit_weight(subject, w))


def admit_weight(subject: Subject, weight: float) -> float:
    """A weight that is assumed: itself, of the other sign, or smaller; another draw if none is."""
    smaller = (weight / 2**k for k in range(HALVINGS))
    for candidate in (sign * w for w in smaller for sign in (1, -1)):
        if subject.assumptions.allow_weight(candidate):
            return candidate
    reject()
    raise AssertionError("unreachable")


@remember
@st.composite
def states(draw: Draw, subject: Subject) -> tuple[float, ...]:
    """States of a neuron: at rest, anywhere, or next to the threshold."""
    scales = subject.scales
    state = list(scales.rest)
    if draw(st.booleans()):
        for c, step in enumerate(scales.state):
            if step:
                state[c] += draw(deviations(step))
        if scales.ceiling < float("inf") and draw(st.booleans()):
            below = 10.0 ** draw(st.integers(-9, -1))
            state[scales.voltage] = scales.ceiling - below * scales.state[scales.voltage]
    state = admit_state(subject, state)
    return tuple(float(f"{v:.15g}") for v in state)


@remember
def deviations(step: float) -> st.SearchStrategy[float]:
    """Distances of a state variable from rest."""
    return st.one_of(on_grid(step, -12, 16), st.floats(-12 * step, 16 * step))


def admit_state(subject: Subject, state: list[float]) -> list[float]:
    """A state that is assumed and has not spiked: itself, of positive sign, or a step further."""
    scales = subject.scales
    moved = [v + (s or 1.0) for v, s in zip(state, scales.state, strict=True)]
    for candidate in (state, [abs(v) for v in state], moved):
        kept = list(candidate)
        if not kept[scales.voltage] < scales.ceiling:
            kept[scales.voltage] = scales.rest[scales.voltage]
        if subject.is_inside(kept) and subject.assumptions.allow_state(kept):
            return kept
    reject()
    raise AssertionError("unreachable")


@remember
def durations(subject: Subject) -> st.SearchStrategy[float]:
    """Lengths of trials [time]."""
    return on_grid(subject.scales.time, SHORTEST, LONGEST)


def spike_trains(
    subject: Subject, duration: float, *, least: int = 0
) -> st.SearchStrategy[tuple[float, ...]]:
    """Input times, in any order: round or arbitrary, often equal or next to each other."""
    return st.lists(input_times(subject), min_size=least, max_size=MOST_SPIKES).map(
        lambda drawn: place_times(subject, drawn, duration)
    )


@remember
def input_times(subject: Subject) -> st.SearchStrategy[tuple[str, float, int]]:
    """How an input time is chosen: see `place_times`."""
    step, other = subject.scales.time, st.integers(0, MOST_SPIKES - 1)
    none, power = st.just(0.0), st.integers(-9, -2).map(lambda k: 10.0**k * step)
    grid = on_grid(step, 0, LONGEST)
    return st.one_of(
        st.tuples(st.just("at"), grid, st.just(0)),
        st.tuples(st.just("at"), grid, st.just(0)),
        st.tuples(st.just("at"), st.floats(0, LONGEST * step), st.just(0)),
        st.tuples(st.just("after"), none, other),
        st.tuples(st.just("after"), power, other),
    )


def place_times(
    subject: Subject, drawn: list[tuple[str, float, int]], duration: float
) -> tuple[float, ...]:
    """Input times: at a time, taken modulo the duration, or some time after another input."""
    times: list[float] = []
    for kind, time, other in drawn:
        earlier = times[other % len(times)] if kind == "after" and times else 0.0
        placed = earlier + time
        times.append(placed if placed < duration else float(f"{placed % duration:.12g}"))
    return tuple(times)


def count_inputs(subject: Subject) -> int:
    """How many inputs a trial has: enough that there is one at every port."""
    return max(MOST_INPUTS, subject.loop.n_ports)


@remember
def input_spikes(subject: Subject, least: int) -> st.SearchStrategy[list[Any]]:
    """Lists of input spikes: how its time is chosen, and which input it comes from."""
    one = st.tuples(input_times(subject), st.integers(0, count_inputs(subject) - 1))
    return st.lists(one, min_size=least, max_size=MOST_SPIKES)


@remember
def neuron_lists(subject: Subject, most: int) -> st.SearchStrategy[list[Any]]:
    """Lists of neurons: weights of their inputs, and a state."""
    one = st.tuples(st.tuples(*[weights(subject)] * count_inputs(subject)), states(subject))
    return st.lists(one, min_size=1, max_size=most)


@remember
def wires(subject: Subject, n: int) -> st.SearchStrategy[list[Any]]:
    """Lists of connections between n neurons: to, from, weight."""
    place = st.integers(0, n - 1)
    return st.lists(st.tuples(place, place, weights(subject)), max_size=n * n)


@remember
@st.composite
def trials(
    draw: Draw,
    subject: Subject,
    *,
    most_neurons: int = MOST_NEURONS,
    least_inputs: int = 0,
    feedforward: bool = False,
) -> Trial:
    """Whole small networks and their inputs: feedforward or recurrent, also twins.

    Args:
        draw: Hypothesis's.
        subject: The model under test.
        most_neurons: Largest number of neurons.
        least_inputs: Smallest number of input spikes.
        feedforward: Whether a neuron may only drive those of a higher number.
    """
    duration = draw(durations(subject))
    drawn = draw(input_spikes(subject, least_inputs))
    neurons = draw(neuron_lists(subject, most_neurons))
    n, m = len(neurons), 1 + max((source for _, source in drawn), default=0)
    trial = Trial(
        duration=duration,
        weights=draw(connections(subject, n, feedforward=feedforward)),
        input_weights=tuple(row[:m] for row, _ in neurons),
        input_times=place_times(subject, [time for time, _ in drawn], duration),
        input_neurons=tuple(source for _, source in drawn),
        initial=tuple(state for _, state in neurons),
    )
    if n > 1 and draw(st.booleans()):
        trial = make_twins(trial, connected=False)
    if drawn and draw(st.booleans()):
        trial = draw(next_to_spike(subject, trial))
    if not subject.allows(trial):
        reject()
    return trial


@remember
@st.composite
def connections(draw: Draw, subject: Subject, n: int, *, feedforward: bool) -> Rows:
    """Weights between n neurons: none, some, self-connections included, or all."""
    allowed = subject.assumptions.allow_weight(0.0)
    rows = [[0.0 if allowed else draw(weights(subject)) for _ in range(n)] for _ in range(n)]
    for post, pre, weight in draw(wires(subject, n)):
        if pre < post or not feedforward:
            rows[post][pre] = weight
    return tuple(map(tuple, rows))


def make_twins(trial: Trial, *, connected: bool) -> Trial:
    """The trial with neuron 1 like neuron 0, also in what it receives from neurons if asked for."""
    names = ("input_weights", "initial", "weights") if connected else ("input_weights", "initial")
    for name in names:
        for c, value in enumerate(getattr(trial, name)[0]):
            trial = trial.move(Place(name, (1, c)), value)
    return trial


@remember
@st.composite
def next_to_spike(draw: Draw, subject: Subject, trial: Trial) -> Trial:
    """The trial with its last input moved to just before, onto or just after a spike."""
    place = Place("input_times", (len(trial.input_times) - 1,))
    number = draw(st.integers(0, 3))
    side = draw(st.sampled_from([0.0, -1.0, 1.0])) * 10.0 ** draw(st.integers(-12, -2))
    try:
        spikes = subject.run(trial.move(place, 2 * trial.duration)).spikes
    except NotApplicable:
        spikes = []
    if not spikes:
        return trial
    time = spikes[number % len(spikes)][0] + side * subject.scales.time
    return trial.move(place, float(min(max(time, 0.0), trial.duration)))


@remember
@st.composite
def paths(draw: Draw, subject: Subject) -> Path:
    """Straight paths in parameter space: one parameter moves, or all of them."""
    everything = draw(st.integers(0, 2)) == 2
    number = draw(st.integers(0, 11))
    trial = draw(trials(subject))
    places = [p for p in trial.places() if is_movable(subject, trial, p)]
    if not places:
        reject()
    end = trial
    for place in places if everything else [places[number % len(places)]]:
        end = end.move(place, draw(values_at(subject, trial, place)))
    if end == trial or not subject.allows(end):
        reject()
    return Path(start=trial, end=end)


def is_movable(subject: Subject, trial: Trial, place: Place) -> bool:
    """Whether a parameter does anything."""
    if place.field in ("weights", "input_weights") and not subject.neuron.takes_input:
        return False
    if place.field == "input_weights":
        return place.index[1] in trial.input_neurons
    return place.field != "initial" or bool(subject.scales.state[place.index[1]])


def values_at(subject: Subject, trial: Trial, place: Place) -> st.SearchStrategy[float]:
    """Other values of a parameter."""
    if place.field == "input_times":
        step = subject.scales.time
        return on_grid(step, 0, int(trial.duration / step) - 1)
    if place.field == "initial":
        return states(subject).map(lambda state: state[place.index[1]])
    return weights(subject)


@remember
@st.composite
def coincidences(
    draw: Draw, subject: Subject, *, most_neurons: int = MOST_NEURONS, feedforward: bool = False
) -> Coincidence:
    """Trials in which an input meets a spike or another input, or two neurons are twins."""
    kind = draw(st.integers(0, 2))
    entry, other = draw(st.integers(0, 5)), draw(st.integers(0, 5))
    trial = draw(trials(
        subject, most_neurons=most_neurons, least_inputs=1, feedforward=feedforward
    ))  # fmt: skip
    number = len(trial.input_times)
    if kind == 1 and trial.n_neurons > 1:
        return Coincidence(trial=make_twins(trial, connected=True))
    if kind == 2 and number > 1:
        return Coincidence(trial=trial, entry=entry % number, other=other % number)
    return Coincidence(trial=trial, entry=entry % number, spike=other)


@remember
def swaps(subject: Subject) -> st.SearchStrategy[Coincidence]:
    """`coincidences`, and in a third of the draws strong inputs at a spike."""
    if not subject.neuron.takes_input:
        return coincidences(subject)
    return st.one_of(coincidences(subject), coincidences(subject), inputs_at_spikes(subject))


@remember
@st.composite
def inputs_at_spikes(draw: Draw, subject: Subject) -> Coincidence:
    """A neuron of which an input of its own meets a spike: one that turns it away, or any strong.

    Weights are sized by the field on the threshold (`find_turning_weights`). A neuron that
    would not spike is started close to its threshold.
    """
    number, side, size = draw(st.integers(0, 3)), draw(st.booleans()), draw(st.integers(0, 7))
    margin = 1 + 10.0 ** draw(st.integers(-4, 1))
    trial = draw(trials(subject, most_neurons=1, feedforward=True))
    trial = replace(
        trial,
        input_weights=tuple((*row, 0.0) for row in trial.input_weights),
        input_times=(*trial.input_times, 2 * trial.duration),
        input_neurons=(*trial.input_neurons, len(trial.input_weights[0])),
    )
    spikes = find_spikes(subject, trial)
    if not spikes:
        near = admit_state(subject, start_near_spike(subject, 0.5 ** (size + 1)))
        trial = replace(trial, initial=(tuple(near),))
        spikes = find_spikes(subject, trial)
    if not spikes:
        reject()
    neuron, state = spikes[number % len(spikes)]
    turning = find_turning_weights(subject, state)
    strong = (-1 if side else 1) * subject.scales.weight * 2.0**size
    weight = turning[size % len(turning)] * margin if turning and size % 4 else strong
    place = Place("input_weights", (neuron, len(trial.input_weights[0]) - 1))
    trial = trial.move(place, admit_weight(subject, float(f"{weight:.12g}")))
    if not subject.allows(trial):
        reject()
    return Coincidence(trial=trial, entry=len(trial.input_times) - 1, spike=number)


def find_spikes(subject: Subject, trial: Trial) -> list[tuple[int, list[float]]]:
    """Neurons and states of a trial's spikes; none if it says nothing."""
    try:
        return find_states_at_spikes(subject, subject.run(trial))
    except NotApplicable:
        return []


def start_near_spike(subject: Subject, part: float) -> list[float]:
    """A state close to the threshold, or above rest; all else at rest."""
    scales = subject.scales
    state, step = list(scales.rest), scales.state[scales.voltage]
    above = scales.ceiling < float("inf")
    state[scales.voltage] = scales.ceiling - part * step if above else state[scales.voltage] + step
    return state


@remember
@st.composite
def meetings(draw: Draw, subject: Subject) -> Coincidence:
    """One neuron without connections whose input meets one of its spikes."""
    entry, spike = draw(st.integers(0, 5)), draw(st.integers(0, 5))
    trial = draw(trials(subject, most_neurons=1, least_inputs=1, feedforward=True))
    return Coincidence(trial=trial, entry=entry % len(trial.input_times), spike=spike)


@remember
def wait_durations(subject: Subject) -> st.SearchStrategy[float]:
    """Durations without events [time]."""
    step = subject.scales.time
    return st.one_of(on_grid(step, 1, LONGEST), st.floats(step * 1e-3, step * LONGEST))


@remember
@st.composite
def waits(draw: Draw, subject: Subject) -> Wait:
    """States of one neuron, an input, and two durations."""
    duration = wait_durations(subject)
    return Wait(
        state=draw(states(subject)), weight=draw(weights(subject)),
        durations=(draw(duration), draw(duration)),
    )  # fmt: skip


def keep_ports(order: list[int], n_ports: int) -> tuple[int, ...]:
    """A permutation of sources in which each keeps its port, see `Loop.n_ports`."""
    waiting = [[k for k in order if k % n_ports == port] for port in range(n_ports)]
    return tuple(waiting[place % n_ports].pop(0) for place in range(len(order)))


@remember
@st.composite
def relabellings(draw: Draw, subject: Subject) -> Relabelling:
    """Trials and another order of neurons and inputs."""
    trial = draw(trials(subject))
    inputs, n_ports = len(trial.input_weights[0]), subject.loop.n_ports
    order = draw(st.permutations(range(trial.n_neurons)))
    return Relabelling(
        trial=trial,
        order=keep_ports(order, n_ports),
        input_order=keep_ports(draw(st.permutations(range(inputs))), n_ports),
        shift=draw(st.sampled_from([0.5, 0.25, 0.9])),
    )
