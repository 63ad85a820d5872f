"""The plain event loop: at every event all neurons are advanced, and everything is written down.

The next event is the first of all that could come next. Of simultaneous ones, inputs come first,
in their order; then spikes that arrive after a delay, in the order in which they were sent; then
probes of states; then spikes, by neuron (docs/mathematics.md, 12). A spike's connections without
delay arrive within it, before anything else. A spike at the trial's end T is none; an input at T
counts.

What arrives at a neuron at the instant of its own spike thus comes before it. At a finite threshold
that has two consequences. An arrival that carries the neuron across it, or on from it, makes it
spike at once; the spike then moves with the arrival. An arrival that finds the neuron on its
threshold and does not move the coordinate that has it (an input current) is deferred: it comes
after the spike.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sim.plain.neuron import Number, State
from sim.plain.plain_network import PlainNetwork

INPUT, ARRIVAL, PROBE, SPIKE, END = range(5)
"""What may come next, in the order of simultaneous events. The end comes last of those at T, but
that a spike at T does not come."""
LARGE = 2.0**64
"""Homogeneous coordinates beyond this are divided by a power of two, which changes nothing."""
SCALING = 2.0**-128
LARGEST = 1e150
"""Squares of larger numbers leave the range of floats."""


class Event(NamedTuple):
    """What sends something out.

    Attributes:
        kind: INPUT or SPIKE.
        number: Of the input spike, or of the spike.
    """

    kind: int
    number: int


class Piece(NamedTuple):
    """A neuron was advanced to the next event, which was not its own.

    Attributes:
        start: Its coordinates before.
        duration: For how long [time].
    """

    start: State
    duration: Number


class Arrival(NamedTuple):
    """An event arrives by a connection.

    Attributes:
        event: The event.
        connection: The connection.
        time: When [time].
        pieces: How its target was advanced to there.
        before: Coordinates of the target before.
        scale: What its homogeneous coordinates were multiplied by afterwards.
    """

    event: Event
    connection: int
    time: Number
    pieces: list[Piece]
    before: State
    scale: float


class Spike(NamedTuple):
    """A neuron spikes.

    Attributes:
        neuron: The neuron.
        number: Of the spike.
        start: Its coordinates after its own last event.
        duration: Time from there to the spike; nothing if it was caused at once [time].
        cause: The event and connection that did; None if it came by itself.
    """

    neuron: int
    number: int
    start: State
    duration: Number
    cause: tuple[Event, int] | None


class Look(NamedTuple):
    """All states are looked at.

    Attributes:
        probe: Number of the probe; -1 for the end.
        pieces: How each neuron was advanced to there.
    """

    probe: int
    pieces: list[list[Piece]]


Step = Arrival | Spike | Look


class StoppedPlainly(Exception):
    """The network fires without bound, or a state left the range of numbers.

    Attributes:
        remedy: What to do.
    """

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


@dataclass(kw_only=True, eq=False)
class PlainRun:
    """A run, under way or done.

    Attributes:
        network: The network.
        probe_times: When to look at all states, sorted [time].
        max_spikes: More spikes than this stop the run.
        now: How far it is [time].
        states: Coordinates of all neurons now.
        pieces: How each was advanced since its own last event, an arrival or a spike.
        waits: Time from that event to its next spike, without further input [time].
        due: When that is [time].
        causes: What made a neuron spike that is to spike at once.
        under_way: Spikes that arrive after a delay: when, number, event, connections.
        deferred: Arrivals that wait for the spike of their neuron.
        spikes: Time and neuron of each.
        probed: All coordinates at each probe.
        steps: All that happened.
        n_sent, n_inputs: How many spikes were sent on a way with a delay, and how many inputs came.
    """

    network: PlainNetwork
    probe_times: Sequence[Number] = ()
    max_spikes: int = 1_000_000
    now: Number = field(init=False)
    states: list[State] = field(init=False)
    pieces: list[list[Piece]] = field(init=False)
    waits: list[Number] = field(init=False)
    due: list[Number] = field(init=False)
    causes: list[tuple[Event, int] | None] = field(init=False)
    under_way: list[tuple[Number, int, Event, list[int]]] = field(default_factory=list, init=False)
    deferred: list[tuple[Event, int]] = field(default_factory=list, init=False)
    spikes: list[tuple[Number, int]] = field(default_factory=list, init=False)
    probed: list[list[State]] = field(default_factory=list, init=False)
    steps: list[Step] = field(default_factory=list, init=False)
    n_sent: int = field(default=0, init=False)
    n_inputs: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        neurons = self.network.neurons
        self.now = 0 * self.network.duration
        self.states = [neuron.start() for neuron in neurons]
        self.pieces = [[] for _ in neurons]
        self.waits = [neuron.wait(s) for neuron, s in zip(neurons, self.states, strict=True)]
        self.due = list(self.waits)
        self.causes = [None] * len(neurons)
        inputs = self.network.inputs
        self.order = sorted(range(len(inputs)), key=lambda k: inputs[k][0])
        sources = range(len(neurons) + max((source for _, source in inputs), default=0) + 1)
        self.waves = [self.network.list_waves(source) for source in sources]

    def run(self, on_advance: Callable[["PlainRun"], bool] | None = None) -> "PlainRun":
        """Run until T, or until ``on_advance``, called at every event, returns True.

        Raises:
            StoppedPlainly: If there are too many spikes, or a state is out of range.
        """
        while True:
            time, kind, which = self.find_next()
            self.advance(time)
            if kind == END:
                return self.close()
            if kind == INPUT:
                self.n_inputs += 1
                self.emit(Event(INPUT, which), self.network.inputs[which][1])
            elif kind == ARRIVAL:
                _, _, event, connections = self.under_way.pop(0)
                self.deliver(event, connections)
            elif kind == PROBE:
                self.look(len(self.probed))
                self.probed.append(list(self.states))
            else:
                self.spike(which)
            if on_advance is not None and on_advance(self):
                return self.close()

    def find_next(self) -> tuple[Number, int, int]:
        """Time and kind of the next event, and the input, neuron or probe that it is about."""
        coming = [(self.network.duration, END, 0)]
        if self.n_inputs < len(self.order):
            k = self.order[self.n_inputs]
            coming.append((self.network.inputs[k][0], INPUT, k))
        if self.under_way:
            coming.append((self.under_way[0][0], ARRIVAL, 0))
        if len(self.probed) < len(self.probe_times):
            coming.append((self.probe_times[len(self.probed)], PROBE, 0))
        at, neuron = min((time, i) for i, time in enumerate(self.due))
        if at < self.network.duration:
            coming.append((at, SPIKE, neuron))
        return min(coming)

    def advance(self, time: Number) -> None:
        """Let time pass for all neurons."""
        duration = time - self.now
        if duration > 0:
            for i, neuron in enumerate(self.network.neurons):
                self.pieces[i].append(Piece(self.states[i], duration))
                self.states[i] = neuron.after("flow", self.states[i], duration)
        self.now = time

    def look(self, probe: int) -> None:
        """Write down that all states are looked at."""
        self.steps.append(Look(probe, [list(pieces) for pieces in self.pieces]))

    def close(self) -> "PlainRun":
        """End the run."""
        self.look(-1)
        return self

    def change(self, i: int, state: State, wait: Number) -> None:
        """An event has changed neuron i, which waits for its next spike."""
        self.states[i], self.pieces[i] = state, []
        self.waits[i], self.due[i] = wait, self.now + wait

    def spike(self, i: int) -> None:
        """Neuron i spikes: it is reset, sends out its spike, and takes what has waited for it.

        The spike is that of its state after its own last event. How it was advanced from there does
        not matter: next to the threshold rounding may have carried it beyond.
        """
        neuron, cause, pieces = self.network.neurons[i], self.causes[i], self.pieces[i]
        start = pieces[0].start if pieces else self.states[i]
        self.steps.append(Spike(i, len(self.spikes), start, self.waits[i], cause))
        if cause is None:
            after = neuron.after("fire", start, self.waits[i])
        else:
            after = neuron.at("reset", start)
        self.causes[i] = None
        self.change(i, after, neuron.wait(after))
        event = Event(SPIKE, len(self.spikes))
        self.spikes.append((self.now, i))
        if len(self.spikes) > self.max_spikes:
            raise StoppedPlainly(
                f"at most {self.max_spikes} spikes but got more",
                "lower the excitation, or raise max_spikes",
            )
        self.emit(event, i)
        targets = self.network.connections
        waiting = [entry for entry in self.deferred if targets[entry[1]].target == i]
        self.deferred = [entry for entry in self.deferred if targets[entry[1]].target != i]
        for event, connection in waiting:
            self.deliver(event, [connection])

    def emit(self, event: Event, source: int) -> None:
        """An event leaves its source: it arrives at once, or sets out."""
        for delay, connections in self.waves[source]:
            if delay == 0:
                self.deliver(event, connections)
            else:
                arrival = self.network.find_arrival(self.now, delay)
                self.under_way.append((arrival, self.n_sent, event, connections))
                self.under_way.sort(key=lambda entry: entry[:2])
                self.n_sent += 1

    def deliver(self, event: Event, connections: list[int]) -> None:
        """An event arrives by some connections, one after the other."""
        for c in connections:
            self.arrive(event, c)

    def arrive(self, event: Event, c: int) -> None:
        """An event arrives by connection ``c``."""
        connection = self.network.connections[c]
        i = connection.target
        neuron, before = self.network.neurons[i], self.states[i]
        after = neuron.jump(before, connection.input)
        wait = neuron.wait(after)
        threshold = neuron.model.threshold_coordinate
        if threshold >= 0 and self.causes[i] is None:
            rise = after[threshold] - before[threshold]
            if rise > 0 and wait == 0:
                self.causes[i] = event, c
            elif rise <= 0 and (wait == 0 or (rise == 0 and self.due[i] == self.now)):
                self.waits[i] = sum((p.duration for p in self.pieces[i]), 0 * self.now)
                self.due[i] = self.now
                self.deferred.append((event, c))
                return
        elif wait > 0:
            self.causes[i] = None
        scale = self.find_scale(i, after)
        self.steps.append(Arrival(event, c, self.now, self.pieces[i], before, scale))
        self.change(i, rescale(after, neuron.model.projective, scale), wait)

    def find_scale(self, i: int, state: State) -> float:
        """A power of two that makes homogeneous coordinates of neuron i small again."""
        if not all(abs(value) <= LARGEST for value in state):
            raise StoppedPlainly(
                f"finite states but neuron {i} left the range of numbers",
                "lower the weights of its inputs",
            )
        size = max((abs(state[c]) for c in self.network.neurons[i].model.projective), default=0)
        scale = 1.0
        while size * scale > LARGE:
            scale *= SCALING
        return scale


def rescale(state: State, projective: Sequence[int], scale: float) -> State:
    """A state with its homogeneous coordinates multiplied by a number."""
    if scale == 1.0:
        return state
    return tuple(v * scale if c in projective else v for c, v in enumerate(state))
