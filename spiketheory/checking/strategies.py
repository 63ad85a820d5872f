"""Hypothesis strategies: states, weights, spike trains, trials, paths; biased to dangerous places.

Everything shrinks towards one neuron at rest, one input at time 0 and round numbers.
"""

from typing import Any

from hypothesis import reject
from hypothesis import strategies as st

from spiketheory.checking.properties import Coincidence, Relabelling, Wait
from spiketheory.checking.subject import NotApplicable, Subject
from spiketheory.checking.trial import Path, Place, Trial

LARGEST_WEIGHT = 24
"""In steps of the weight's scale; some eight make a neuron at rest spike."""
SHORTEST, LONGEST = 4, 40
"""Of a trial, in steps of the time's scale."""
MOST_NEURONS, MOST_INPUTS, MOST_SPIKES = 3, 2, 5
MARGINS = (-13, -1)
"""Powers of ten of the relative distance to the weight that just makes a neuron spike."""

Draw = Any


def on_grid(step: float, low: int, high: int) -> st.SearchStrategy[float]:
    """Whole multiples of a step."""
    return st.integers(low, high).map(lambda k: float(f"{k * step:.12g}"))


def weights(subject: Subject) -> st.SearchStrategy[float]:
    """Weights: round, arbitrary, or next to the smallest that makes a neuron at rest spike."""
    scales = subject.scales
    step = scales.weight
    largest = LARGEST_WEIGHT * step
    power, sign = st.integers(*MARGINS), st.sampled_from([1, -1])
    near = st.builds(lambda k, s: scales.critical * (1 + s * 10.0**k), power, sign)
    any_weight = st.one_of(
        on_grid(step, -LARGEST_WEIGHT, LARGEST_WEIGHT),
        on_grid(step, 4, LARGEST_WEIGHT),
        st.floats(-largest, largest),
        near,
    )
    return any_weight.map(lambda w: admit_weight(subject, w)).filter(lambda w: w is not None)


def admit_weight(subject: Subject, weight: float) -> float | None:
    """A weight that is assumed: itself, or of the other sign, or none."""
    allowed = (w for w in (weight, -weight) if subject.assumptions.allow_weight(w))
    return next(allowed, None)


@st.composite
def states(draw: Draw, subject: Subject) -> tuple[float, ...]:
    """States of a neuron: at rest, anywhere, or next to the threshold."""
    scales = subject.scales
    state = list(scales.rest)
    if draw(st.booleans()):
        for c, step in enumerate(scales.state):
            if step:
                state[c] += draw(st.one_of(
                    on_grid(step, -12, 16), st.floats(-12 * step, 16 * step)
                ))  # fmt: skip
        if scales.ceiling < float("inf") and draw(st.booleans()):
            below = 10.0 ** draw(st.integers(-9, -1))
            state[scales.voltage] = scales.ceiling - below * scales.state[scales.voltage]
    state = admit_state(subject, state)
    return tuple(float(f"{v:.15g}") for v in state)


def admit_state(subject: Subject, state: list[float]) -> list[float]:
    """A state that is assumed and has not spiked; variables may change their sign or move a step."""
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


def durations(subject: Subject) -> st.SearchStrategy[float]:
    """Lengths of trials [time]."""
    return on_grid(subject.scales.time, SHORTEST, LONGEST)


@st.composite
def spike_trains(draw: Draw, subject: Subject, duration: float, *, least: int = 0) -> tuple:
    """Input times, in any order: round or arbitrary, often equal or next to each other."""
    step = subject.scales.time
    last = int(duration / step) - 1
    times: list[float] = []
    for _ in range(draw(st.integers(least, MOST_SPIKES))):
        kind = draw(st.integers(0, 5)) if times else draw(st.integers(0, 3))
        if kind < 3:
            times.append(draw(on_grid(step, 0, last)))
        elif kind == 3:
            times.append(draw(st.floats(0, last * step)))
        elif kind == 4:
            times.append(draw(st.sampled_from(times)))
        else:
            times.append(draw(st.sampled_from(times)) + 10.0 ** draw(st.integers(-9, -2)) * step)
    return tuple(times)


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
        subject: The model under test.
        most_neurons: Largest number of neurons.
        least_inputs: Smallest number of input spikes.
        feedforward: Whether a neuron may only drive those of a higher number.
    """
    n = draw(st.integers(1, most_neurons))
    duration = draw(durations(subject))
    times = draw(spike_trains(subject, duration, least=least_inputs))
    m = draw(st.integers(1, MOST_INPUTS)) if len(times) > 1 else 1
    neurons = tuple(draw(st.integers(0, m - 1)) for _ in times)
    weight, state = weights(subject), states(subject)
    rows = [tuple(draw(weight) if times else 0.0 for _ in range(m)) for _ in range(n)]
    initial = [draw(state) for _ in range(n)]
    connected = n > 1 and draw(st.booleans())
    loops = draw(st.booleans()) if not feedforward and (connected or n == 1) else False
    none = 0.0 if subject.assumptions.allow_weight(0.0) else draw(weight)
    between = [
        [draw(weight) if is_wired(i, j, connected, loops) else none for j in range(n)]
        for i in range(n)
    ]
    if n > 1 and draw(st.booleans()):  # twins spike simultaneously
        rows[1], initial[1] = rows[0], initial[0]
    trial = Trial(
        duration=duration, weights=tuple(map(tuple, between)), input_weights=tuple(rows),
        input_times=times, input_neurons=neurons, initial=tuple(initial),
    )  # fmt: skip
    if times and draw(st.booleans()):
        trial = draw(next_to_spike(subject, trial))
    if not subject.allows(trial):
        reject()
    return trial


def is_wired(post: int, pre: int, connected: bool, loops: bool) -> bool:
    """Whether there is a connection: forward ones, or all."""
    return loops or (connected and pre < post)


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


@st.composite
def paths(draw: Draw, subject: Subject) -> Path:
    """Straight paths in parameter space: one parameter moves, or all of them."""
    trial = draw(trials(subject))
    places = [p for p in trial.places() if trial.input_times or p.field != "input_weights"]
    places = [p for p in places if p.field != "initial" or subject.scales.state[p.index[1]]]
    if not places:
        reject()
    alone = draw(st.sampled_from(places))
    chosen = [alone] if draw(st.integers(0, 2)) < 2 else places
    end = trial
    for place in chosen:
        end = end.move(place, draw(values_at(subject, trial, place)))
    if not subject.allows(end) or end == trial:
        reject()
    return Path(start=trial, end=end)


def values_at(subject: Subject, trial: Trial, place: Place) -> st.SearchStrategy[float]:
    """Other values of a parameter."""
    if place.field == "input_times":
        step = subject.scales.time
        return on_grid(step, 0, int(trial.duration / step) - 1)
    if place.field == "initial":
        return states(subject).map(lambda state: state[place.index[1]])
    return weights(subject)


@st.composite
def coincidences(
    draw: Draw, subject: Subject, *, most_neurons: int = MOST_NEURONS, feedforward: bool = False
) -> Coincidence:
    """Trials in which an input meets a spike or another input, or two neurons are twins."""
    trial = draw(trials(
        subject, most_neurons=most_neurons, least_inputs=1, feedforward=feedforward
    ))  # fmt: skip
    kind = draw(st.integers(0, 2))
    if kind == 1 and trial.n_neurons > 1:
        twin = trial
        for name in ("input_weights", "initial"):
            for c in range(len(getattr(trial, name)[0])):
                twin = twin.move(Place(name, (1, c)), getattr(trial, name)[0][c])
        for j in range(trial.n_neurons):
            twin = twin.move(Place("weights", (1, j)), trial.weights[0][j])
        return Coincidence(trial=twin)
    number = len(trial.input_times)
    entry = draw(st.integers(0, number - 1))
    if kind == 2 and number > 1:
        return Coincidence(trial=trial, entry=entry, other=draw(st.integers(0, number - 1)))
    return Coincidence(trial=trial, entry=entry, spike=draw(st.integers(0, 5)))


@st.composite
def meetings(draw: Draw, subject: Subject) -> Coincidence:
    """One neuron without connections whose input meets one of its spikes."""
    trial = draw(trials(subject, most_neurons=1, least_inputs=1, feedforward=True))
    number = len(trial.input_times)
    entry, spike = draw(st.integers(0, number - 1)), draw(st.integers(0, 5))
    return Coincidence(trial=trial, entry=entry, spike=spike)


@st.composite
def waits(draw: Draw, subject: Subject) -> Wait:
    """States of one neuron, an input, and two durations."""
    step = subject.scales.time
    fine = st.floats(step * 1e-3, step * LONGEST)
    duration = st.one_of(on_grid(step, 1, LONGEST), fine)
    return Wait(
        state=draw(states(subject)), weight=draw(weights(subject)),
        durations=(draw(duration), draw(duration)),
    )  # fmt: skip


@st.composite
def relabellings(draw: Draw, subject: Subject) -> Relabelling:
    """Trials and another order of neurons and inputs."""
    trial = draw(trials(subject))
    inputs = len(trial.input_weights[0])
    return Relabelling(
        trial=trial,
        order=tuple(draw(st.permutations(range(trial.n_neurons)))),
        input_order=tuple(draw(st.permutations(range(inputs)))),
        shift=draw(st.sampled_from([0.5, 0.25, 0.9])),
    )
