"""A plain event loop over a model's functions, forwards and backwards, in any arithmetic.

The networks are small and may be recurrent, so the loop is written to be read. Its rules are
those of `sim.layers.forward`: inputs come before own spikes at the very same instant, inputs at the
same time act in their order, a spike at exactly T does not count, and spikes at the same time are
ordered by neuron. Waiting times are carried from event to event, not recomputed from large absolute
times.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from spiketheory.checking.trial import Number, Place, Trial
from spiketheory.errors import SimulationError

MAX_EVENTS = 120
BEYOND = 1.001
"""How far beyond the time that is asked for spikes are looked for, so that rounding loses none."""
State = tuple[Number, ...]


class OutOfRange(SimulationError):
    """A trial has too many events, or numbers that are not finite; it says nothing of the model."""


@contextmanager
def refuse_overflow() -> Iterator[None]:
    """`OutOfRange` where plain floats overflow or divide by zero; NumPy's would be infinite."""
    try:
        yield
    except (OverflowError, ZeroDivisionError) as err:
        raise OutOfRange(
            f"Expected numbers in the range of floats but got others ({err}); choose smaller ones."
        ) from err


@dataclass(frozen=True, kw_only=True, eq=False)
class Event:
    """One event of a trial.

    Attributes:
        time: When it happens [time].
        duration: Time since the event before it [time].
        neuron: The neuron that spikes; None for an input.
        entry: Index of the input spike; None for a spike.
        starts: Coordinates of every neuron just after the event before.
        before: Coordinates just before the weights act; a spiking neuron is already reset.
        cause: For a spike that an input or another spike causes at once: the event that does.
    """

    time: Number
    duration: Number
    neuron: int | None
    entry: int | None
    starts: list[State]
    before: list[State]
    cause: int | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """What happened in a trial.

    Attributes:
        trial: The trial.
        events: Everything that happened, in order.
        ends: Coordinates at T.
        last: Coordinates just after the last event.
        left: Time from the last event to T.
        has_periods: Whether there are refractory periods, whose time left is the last coordinate.
    """

    trial: Trial
    events: list[Event]
    ends: list[State]
    last: list[State]
    left: Number
    has_periods: bool = False

    @property
    def spikes(self) -> list[tuple[Number, int]]:
        """Times and neurons of all spikes."""
        return [(as_number(e.time), e.neuron) for e in self.events if e.neuron is not None]

    @property
    def trains(self) -> list[list[Number]]:
        """Spike times of each neuron."""
        found: list[list[Number]] = [[] for _ in self.trial.initial]
        for time, neuron in self.spikes:
            found[neuron].append(time)
        return found

    @property
    def order(self) -> list[tuple[Number, ...]]:
        """Which neurons and inputs spike, in order; and who is refractory then, if any may be."""
        if not self.has_periods:
            return [(e.neuron, e.entry) for e in self.events]
        return [(e.neuron, e.entry, *(bool(s[-1] > 0) for s in e.before)) for e in self.events]


@dataclass(frozen=True, kw_only=True, eq=False)
class Loop:
    """The event loop of one model with its parameters.

    Attributes:
        functions: The model's scalar functions by the names of a generated module.
        constants: Its derived constants.
        slopes: Derivatives of the coordinates by the state variables at a state, as rows; None
            if they are not known.
        most_events: A trial with more events is given up.
        has_periods: Whether there are refractory periods.
        n_ports: Number of ports. Spikes of input or neuron k arrive at port k modulo that, so that
            trials, which name no ports, have inputs at all.
    """

    functions: ModuleType
    constants: tuple[Number, ...]
    slopes: Callable[..., list[list[Number]]] | None = None
    most_events: int = MAX_EVENTS
    has_periods: bool = False
    n_ports: int = 1

    @refuse_overflow()
    def wait(self, state: State, *, within: Number = 0.0) -> Number:
        """Time to the next spike without input; 0 if the state is beyond the spike.

        Where spikes are found by integration, one that is later than ``within``, if that is given,
        need not be found: it counts as none.
        """
        if within > 0 and hasattr(self.functions, "spike_within"):
            wait = self.functions.spike_within(*state, BEYOND * within, *self.constants)
        else:
            wait = self.functions.time_to_spike(*state, *self.constants)
        if wait != wait:
            raise OutOfRange("Expected a spike time but got NaN; choose smaller numbers.")
        return wait if wait > 0 else 0 * wait

    @refuse_overflow()
    def step(self, name: str, state: State, duration: Number, *after: Number) -> State:
        """Call ``flow``, ``fire`` or one of their derivatives over a duration."""
        numbers = self.functions.propagator(duration, *self.constants)
        stepped = getattr(self.functions, name)(*state, *numbers, *self.constants, *after)
        return tuple(stepped)

    def enter(self, state: Sequence[Number]) -> State:
        """Coordinates of a state."""
        return tuple(self.functions.enter_chart(*state, *self.constants))

    def leave(self, state: State) -> State:
        """State of given coordinates."""
        # NumPy's floats divide by zero as IEEE says: the potential is infinite at a reset.
        wide = (np.float64(v) if isinstance(v, float) else v for v in state)
        return tuple(map(as_number, self.functions.leave_chart(*wide, *self.constants)))

    def jump(self, state: State, weight: Number, port: int = 0) -> State:
        """Coordinates after an input."""
        if self.n_ports == 1:
            return tuple(self.functions.jump(*state, weight, *self.constants))
        return tuple(self.functions.jump_at(*state, weight, port, *self.constants))

    def jump_vjp(self, state: State, weight: Number, port: int, covector: State) -> State:
        """Derivatives by the coordinates before an input, its weight and its time."""
        if self.n_ports == 1:
            return tuple(self.functions.jump_vjp(*state, weight, *self.constants, *covector))
        arguments = (*state, weight, port, *self.constants, *covector)
        return tuple(self.functions.jump_at_vjp(*arguments))

    @refuse_overflow()
    def run(self, trial: Trial) -> Run:
        """Run a trial.

        Raises:
            OutOfRange: If it has more than ``most_events`` events, or a number is NaN or overflows.
        """
        states = [self.enter(s) for s in trial.initial]
        waits = [self.wait(s, within=trial.duration) for s in states]
        causes: list[int | None] = [None] * len(states)
        entries = [k for k, t in enumerate(trial.input_times) if t <= trial.duration]
        entries.sort(key=lambda k: trial.input_times[k])
        times = [*(trial.input_times[k] for k in entries), trial.duration]
        events: list[Event] = []
        now, until, place = 0 * trial.duration, times[0], 0
        while True:
            spiker = min(range(len(waits)), key=waits.__getitem__)
            spikes = waits[spiker] < until
            if not spikes and place == len(entries):
                break
            entry = None if spikes else entries[place]
            neuron = spiker if spikes else None
            duration = waits[spiker] if spikes else until
            now = now + duration if spikes else times[place]
            before = self.pass_time(states, duration, neuron)
            event = Event(
                time=now, duration=duration, neuron=neuron, entry=entry, starts=states,
                before=before, cause=causes[spiker] if spikes else None,
            )  # fmt: skip
            events.append(event)
            if len(events) > self.most_events:
                raise OutOfRange(f"Expected at most {self.most_events} events; shorten the trial.")
            if spikes:
                until, causes[spiker] = until - duration, None
            else:
                place += 1
                until = times[place] - times[place - 1]
            waits = [w - duration for w in waits]
            states = self.act(trial, events, waits, causes)
        ends = self.pass_time(states, until, None)
        return Run(
            trial=trial, events=events, ends=ends, last=states, left=until,
            has_periods=self.has_periods,
        )  # fmt: skip

    def pass_time(self, states: list[State], duration: Number, neuron: int | None) -> list[State]:
        """Coordinates a duration later; those of ``neuron`` after its spike."""
        numbers = self.functions.propagator(duration, *self.constants)
        flow, fire = self.functions.flow, self.functions.fire
        return [
            tuple((fire if i == neuron else flow)(*state, *numbers, *self.constants))
            for i, state in enumerate(states)
        ]

    def act(
        self, trial: Trial, events: list[Event], waits: list[Number], causes: list[int | None]
    ) -> list[State]:
        """Let the last event act on every neuron; updates the waiting times."""
        event = events[-1]
        after, left = [], trial.duration - event.time
        port = find_source(trial, event) % self.n_ports
        for i, (state, weight) in enumerate(
            zip(event.before, list_weights(trial, event), strict=True)
        ):
            moved = self.jump(state, weight, port)
            if moved != state or i == event.neuron:
                wait = self.wait(moved, within=left)
                if i == event.neuron:
                    waits[i] = self.wait(state, within=left) if moved != state else wait
                # Beyond the spike now, but not before: this event makes the neuron spike.
                if not wait and waits[i] > 0:
                    causes[i] = len(events) - 1
                waits[i] = wait
            after.append(moved)
        return after

    @refuse_overflow()
    def pull(self, run: Run, coefficients: Sequence[Number]) -> dict[Place, Number]:
        """Derivatives of the sum of ``coefficients`` times spike times by every parameter.

        Args:
            run: What `run` returned.
            coefficients: One number per spike, in the order of ``run.spikes``.

        Returns:
            The derivatives by place. Those by the initial states only if ``slopes`` are known.
        """
        zero = 0 * run.trial.duration
        found = dict.fromkeys(run.trial.places(), zero)
        covectors: list[State] = [tuple(zero for _ in s) for s in run.ends]
        by_time = [zero] * len(run.events)
        left = list(coefficients)
        for number in range(len(run.events) - 1, -1, -1):
            event = run.events[number]
            if event.neuron is not None:
                by_time[number] += left.pop()
            covectors = self.pull_event(run, number, covectors, by_time, found)
            if event.entry is not None:
                found[Place("input_times", (event.entry,))] += by_time[number]
            elif event.cause is not None:
                by_time[event.cause] += by_time[number]
        return self.pull_start(run, covectors, found)

    def pull_event(
        self, run: Run, number: int, covectors: list[State], by_time: list[Number],
        found: dict[Place, Number],
    ) -> list[State]:  # fmt: skip
        """Carry the covectors from after an event to after the event before it."""
        event = run.events[number]
        weights = list_weights(run.trial, event)
        n, port = len(covectors[0]), find_source(run.trial, event) % self.n_ports
        pulled = []
        for i, (state, weight) in enumerate(zip(event.before, weights, strict=True)):
            values = self.jump_vjp(state, weight, port, covectors[i])
            place = (
                Place("weights", (i, event.neuron)) if event.neuron is not None
                else Place("input_weights", (i, run.trial.input_neurons[event.entry or 0]))
            )  # fmt: skip
            found[place] += values[n]
            by_time[number] += values[n + 1]
            pulled.append(tuple(values[:n]))
        back = []
        for i, (state, covector) in enumerate(zip(event.starts, pulled, strict=True)):
            if i != event.neuron:
                back.append(self.step("flow_vjp", state, event.duration, *covector))
                continue
            fired = self.step("fire_vjp", state, event.duration, *covector, by_time[number])
            if event.cause is not None:
                # The spike moves with its cause: DR F(s) - F(R s), which `fire_vjp` leaves out
                # beyond the surface (docs/mathematics.md, 3).
                velocity = self.functions.velocity
                before = dot(fired, velocity(*state, *self.constants))
                after = dot(covector, velocity(*event.before[i], *self.constants))
                by_time[number] += before - after
            back.append(fired)
        return back

    def pull_start(
        self, run: Run, covectors: list[State], found: dict[Place, Number]
    ) -> dict[Place, Number]:
        """Add the derivatives by the initial states, or take them out if nothing is known."""
        for i, (state, covector) in enumerate(zip(run.trial.initial, covectors, strict=True)):
            rows = self.slopes(*state) if self.slopes else None
            for c in range(len(state)):
                place = Place("initial", (i, c))
                if rows is None:
                    del found[place]
                else:
                    found[place] = dot(covector, [row[c] for row in rows])
        return found


def list_weights(trial: Trial, event: Event) -> list[Number]:
    """The weight by which an event acts on each neuron."""
    source = find_source(trial, event)
    rows = trial.input_weights if event.neuron is None else trial.weights
    return [row[source] for row in rows]


def find_source(trial: Trial, event: Event) -> int:
    """The neuron, or the input, that an event comes from."""
    if event.neuron is not None:
        return event.neuron
    return trial.input_neurons[event.entry or 0]


def as_number(value: Number) -> Number:
    """A plain float for one of NumPy's; mpmath numbers as they are."""
    return float(value) if isinstance(value, float) else value


def dot(left: Sequence[Number], right: Sequence[Number]) -> Number:
    """Scalar product."""
    return sum((a * b for a, b in zip(left, right, strict=True)), 0 * left[0])
