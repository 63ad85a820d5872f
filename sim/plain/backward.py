"""Undo what `sim.plain.loop` wrote down, step by step: exact derivatives by all that went in.

Each neuron has an adjoint, the derivatives of the loss by its coordinates after its last event that
is not undone yet, and each event, input or spike, a derivative by its time. Undoing a step changes
the adjoints of the neurons that it touched as docs/mathematics.md, 3 and 12, says; when all that an
event caused is undone, the derivative by its time is complete.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod

from sim.plain.loop import INPUT, SPIKE, Arrival, Event, Look, Piece, PlainRun, Spike, rescale
from sim.plain.neuron import Input, Neuron, Number, State, dot


@dataclass(kw_only=True, eq=False)
class Slopes:
    """Derivatives of a loss; on the way back those by way of what is undone already.

    Attributes:
        states: By the coordinates of each neuron after its last event; in the end those at the
            start.
        ends: By its coordinates at the end.
        times: By the times of the inputs, and of the spikes; by kind of event.
        weights: By the weight of each connection.
        delays: By its delay.
        constants: By the derived constants of each neuron.
        given: By what each neuron's initial coordinates are made of.
        parameters: By each neuron's parameters; empty unless asked for.
    """

    states: list[State]
    ends: list[State]
    times: dict[int, list[Number]]
    weights: list[Number]
    delays: list[Number]
    constants: list[State]
    given: list[State] = field(default_factory=list)
    parameters: list[State] = field(default_factory=list)


def start_slopes(run: PlainRun) -> Slopes:
    """Derivatives of a loss that depends on nothing, to which others are added."""
    zero, network = 0 * run.now, run.network
    nothing = [tuple(zero for _ in state) for state in run.states]
    return Slopes(
        states=nothing,
        ends=list(nothing),
        times={INPUT: [zero] * len(network.inputs), SPIKE: [zero] * len(run.spikes)},
        weights=[zero] * len(network.connections),
        delays=[zero] * len(network.connections),
        constants=[() for _ in network.neurons],
    )


class Backward:
    """A backward pass.

    Args:
        run: The run.
        slopes: Derivatives by the coordinates at its end, the spike times, and what else the loss
            depends on directly; updated.
        by_probe: Those by the coordinates of each neuron at each probe.
        with_parameters: Whether to compute derivatives by the parameters.
    """

    def __init__(
        self, run: PlainRun, slopes: Slopes, *, by_probe: Sequence[Sequence[State]] = (),
        with_parameters: bool = False,
    ) -> None:  # fmt: skip
        self.run, self.slopes, self.by_probe = run, slopes, by_probe
        self.with_parameters = with_parameters
        self.neurons, self.connections = run.network.neurons, run.network.connections
        self.ties = find_ties(run)

    def go(self) -> Slopes:
        """Undo everything."""
        for place in reversed(range(len(self.run.steps))):
            step = self.run.steps[place]
            if isinstance(step, Arrival):
                self.undo_arrival(place, step)
            elif isinstance(step, Spike):
                self.undo_spike(step)
            else:
                self.undo_look(step)
        self.undo_start()
        return self.slopes

    def undo_pieces(self, i: int, pieces: Sequence[Piece], adjoint: State) -> State:
        """Neuron i was advanced, for times that do not change."""
        neuron = self.neurons[i]
        for start, duration in reversed(pieces):
            self.add(i, "flow", *start, duration, *neuron.constants, *adjoint)
            adjoint = neuron.after("flow_vjp", start, duration, *adjoint)
        return adjoint

    def undo_spike(self, step: Spike) -> None:
        """A neuron came to its spike, or was made to spike by an arrival, and was reset."""
        i, start = step.neuron, step.start
        neuron, adjoint = self.neurons[i], self.slopes.states[i]
        by_time = self.slopes.times[SPIKE][step.number]
        if step.cause is None:
            around = (*start, step.duration, *neuron.constants, *adjoint, by_time)
            self.add(i, "fire", *around)
            self.slopes.states[i] = neuron.after(
                "fire_vjp", start, step.duration, *adjoint, by_time
            )
            return
        # The spike moves with what caused it: the state follows F(s) longer and F(R s) shorter.
        self.add(i, "reset", *start, *neuron.constants, *adjoint)
        pulled = neuron.call("reset_vjp", *start, *neuron.constants, *adjoint)
        arriving = neuron.at("velocity", start)
        leaving = neuron.at("velocity", neuron.at("reset", start))
        event, connection = step.cause
        self.move(event, connection, by_time + dot(pulled, arriving) - dot(adjoint, leaving))
        self.slopes.states[i] = pulled

    def undo_arrival(self, place: int, step: Arrival) -> None:
        """An event arrived at a neuron."""
        connection = self.connections[step.connection]
        i = connection.target
        neuron = self.neurons[i]
        tie = self.ties.get(place)
        if tie is not None and place == tie[-1]:
            self.move_tied(tie)
        adjoint = rescale(self.slopes.states[i], neuron.model.projective, step.scale)
        if self.with_parameters and neuron.has_parameters:
            more = neuron.jump(step.before, connection.input, "_constants_vjp", adjoint)
            self.slopes.constants[i] = add(self.slopes.constants[i], more)
        *pulled, by_weight, by_time = neuron.jump(step.before, connection.input, "_vjp", adjoint)
        self.slopes.states[i] = self.undo_pieces(i, step.pieces, tuple(pulled))
        self.slopes.weights[step.connection] += by_weight
        if tie is None:
            self.move(step.event, step.connection, by_time)

    def undo_look(self, step: Look) -> None:
        """The states were looked at."""
        if step.probe < 0:
            found = self.slopes.ends
        elif self.by_probe:
            found = list(self.by_probe[step.probe])
        else:
            return
        for i, (pieces, slopes) in enumerate(zip(step.pieces, found, strict=True)):
            pulled = self.undo_pieces(i, pieces, slopes)
            self.slopes.states[i] = add(self.slopes.states[i], pulled)

    def undo_start(self) -> None:
        """The neurons were given their initial coordinates."""
        for i, (neuron, adjoint) in enumerate(zip(self.neurons, self.slopes.states, strict=True)):
            arguments = (*neuron.given, *neuron.constants, *adjoint)
            self.add(i, neuron.enter, *arguments)
            self.slopes.given.append(neuron.call(f"{neuron.enter}_vjp", *arguments))
            if self.with_parameters:
                self.slopes.parameters.append(pull_parameters(neuron, self.slopes.constants[i]))

    def add(self, i: int, name: str, *arguments: Number) -> None:
        """Add derivatives by the constants of neuron i by way of a generated function."""
        if self.with_parameters:
            more = self.neurons[i].pull(name, *arguments)
            self.slopes.constants[i] = add(self.slopes.constants[i], more)

    def move(self, event: Event, connection: int, by_time: Number) -> None:
        """Add a derivative by the time of an arrival: it moves with its event, and its delay."""
        self.slopes.times[event.kind][event.number] += by_time
        self.slopes.delays[connection] += by_time

    def move_tied(self, tie: Sequence[int]) -> None:
        """Add the derivatives by the times of simultaneous arrivals at one neuron.

        Their jumps commute; an arrival that comes a little earlier than the others, or later,
        changes what follows by two different slopes, of which the mean is taken. An event that
        arrives by several connections moves all of its arrivals; a delay moves the one alone.
        """
        arrivals = [s for s in map(self.run.steps.__getitem__, tie) if isinstance(s, Arrival)]
        inputs = [self.connections[a.connection].input for a in arrivals]
        i = self.connections[arrivals[0].connection].target
        neuron, state = self.neurons[i], arrivals[0].before
        scale = prod(a.scale for a in arrivals)
        adjoint = rescale(self.slopes.states[i], neuron.model.projective, scale)
        for k, arrival in enumerate(arrivals):
            others = inputs[:k] + inputs[k + 1 :]
            slope = self.find_mean_slope(neuron, state, [inputs[k]], others, adjoint)
            self.slopes.delays[arrival.connection] += slope
        for event in dict.fromkeys(a.event for a in arrivals):
            pairs = list(zip(arrivals, inputs, strict=True))
            own = [put for a, put in pairs if a.event == event]
            others = [put for a, put in pairs if a.event != event]
            slope = self.find_mean_slope(neuron, state, own, others, adjoint)
            self.slopes.times[event.kind][event.number] += slope

    def find_mean_slope(
        self, neuron: Neuron, state: State, own: Sequence[Input], others: Sequence[Input],
        adjoint: State,
    ) -> Number:  # fmt: skip
        """The derivative by the common time of inputs that meet others, the mean of both sides.

        Inputs later by dt follow F(s) longer and F(J s) shorter.
        """
        after_own = self.take(neuron, state, own)[-1]
        before_others, _ = self.undo(neuron, after_own, others, adjoint)
        _, ahead = self.undo(neuron, state, own, before_others)
        after_others = self.take(neuron, state, others)[-1]
        _, behind = self.undo(neuron, after_others, own, adjoint)
        return (ahead + behind) / 2

    def take(self, neuron: Neuron, state: State, inputs: Sequence[Input]) -> list[State]:
        """The state, and after each of some inputs; those that add up are one."""
        states = [state]
        for put in self.join(neuron, inputs):
            states.append(neuron.jump(states[-1], put))
        return states

    def undo(
        self, neuron: Neuron, state: State, inputs: Sequence[Input], adjoint: State
    ) -> tuple[State, Number]:
        """The adjoint before inputs at one time, and the derivative by that time."""
        by_time = neuron.number(0)
        joined = self.join(neuron, inputs)
        for before, put in reversed(
            list(zip(self.take(neuron, state, inputs), joined, strict=False))
        ):
            *covector, _, slope = neuron.jump(before, put, "_vjp", adjoint)
            adjoint, by_time = tuple(covector), by_time + slope
        return adjoint, by_time

    def join(self, neuron: Neuron, inputs: Sequence[Input]) -> Sequence[Input]:
        """Simultaneous inputs; one of the sum of their weights if they add up."""
        if neuron.model.inputs in ("commute", "ordered") or not inputs:
            return inputs
        return [Input(sum(put.weight for put in inputs), 0)]


def find_ties(run: PlainRun) -> dict[int, list[int]]:
    """Places of simultaneous arrivals at one neuron, by the place of each.

    A spike of the neuron ends a group. A group that carries the neuron across its threshold is left
    out: which arrival did it is a jump of the loss, not a kink; there the order that they had
    counts. So it does, always, in a neuron whose inputs do not commute.
    """
    found: dict[int, list[int]] = {}
    groups: dict[int, list[int]] = {}

    def close(neuron: int, causes_spike: bool) -> None:
        group = groups.pop(neuron, [])
        if len(group) > 1 and not causes_spike:
            found.update(dict.fromkeys(group, group))

    for place, step in enumerate(run.steps):
        if isinstance(step, Spike):
            close(step.neuron, step.cause is not None)
        elif isinstance(step, Arrival):
            target = run.network.connections[step.connection].target
            if target in groups:
                last = run.steps[groups[target][-1]]
                if isinstance(last, Arrival) and last.time != step.time:
                    close(target, causes_spike=False)
            if run.network.neurons[target].model.inputs != "ordered":
                groups.setdefault(target, []).append(place)
    for neuron in list(groups):
        close(neuron, causes_spike=False)
    return found


def add(left: State, right: State) -> State:
    """The sum of two lists of numbers, of which the first may be empty still."""
    return tuple(a + b for a, b in zip(left, right, strict=True)) if left else right


def pull_parameters(neuron: Neuron, by_constant: State) -> State:
    """From derivatives by the constants to those by the parameters."""
    if not by_constant:
        return tuple(neuron.number(0) for _ in neuron.parameters)
    return neuron.call("constants_vjp", *neuron.parameters, *by_constant)
