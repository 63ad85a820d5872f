"""Pseudospikes of a plain run: what would come after T (docs/mathematics.md, 4).

At T the network is read as a rate network, component by component: populations that reach each
other, senders first. In a component without a cycle a neuron's rate follows from the rates that it
receives; in one with a cycle rates are those without any drive, and what they make of each other is
used once, for the times of missing spikes.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sim.plain.backward import Slopes, add
from sim.plain.loop import SPIKE, PlainRun
from sim.plain.neuron import Number, State
from sim.plain.plain_network import PlainNetwork


class Component(NamedTuple):
    """Populations that reach each other.

    Attributes:
        neurons: All of their neurons.
        has_cycle: Whether they reach themselves.
    """

    neurons: list[int]
    has_cycle: bool


def list_components(network: PlainNetwork) -> list[Component]:
    """The components of the graph of populations, senders first."""
    n = range(len(network.groups))
    reach = set(network.paths)
    for via in n:
        reach |= {(a, b) for a in n for b in n if (a, via) in reach and (via, b) in reach}
    senders = {b: frozenset({b, *(a for a in n if (a, b) in reach)}) for b in n}
    found = []
    for k in sorted(n, key=lambda k: len(senders[k])):
        members = [k, *(a for a in n if a != k and {(a, k), (k, a)} <= reach)]
        if k == min(members):
            neurons = [i for a in members for i in network.groups[a]]
            found.append(Component(neurons, (k, k) in reach))
    return found


class Rates:
    """The rate network at T.

    Args:
        run: A complete run of models that have pseudospikes.

    Attributes:
        drive: Pseudo input of each neuron.
        rates: Pseudo rate of each.
        delays: From T to its first missing spike [time].
        periods: From one missing spike to the next [time].
    """

    def __init__(self, run: PlainRun) -> None:
        self.run, self.network = run, run.network
        n, zero = len(self.network.neurons), 0 * run.now
        self.drive, self.rates = [zero] * n, [zero] * n
        self.delays, self.periods = [zero] * n, [zero] * n
        self.n_under_way = [0] * len(self.network.connections)
        for *_, connections in run.under_way:
            for c in connections:
                self.n_under_way[c] += 1
        self.components = list_components(self.network)
        for component in self.components:
            if component.has_cycle:
                for i in component.neurons:
                    self.rates[i] = self.call(i, "pseudospike", has_drive=False)[2]
            for c in self.list_inward(component):
                connection = self.network.connections[c]
                self.drive[connection.target] += connection.weight * self.find_strength(c)
            for i in component.neurons:
                self.delays[i], self.periods[i], rate = self.call(i, "pseudospike")
                if not component.has_cycle:
                    self.rates[i] = rate

    def list_inward(self, component: Component) -> Iterator[int]:
        """The connections that lead to a component."""
        inside = set(component.neurons)
        for c, connection in enumerate(self.network.connections):
            if connection.target in inside:
                yield c

    def find_strength(self, c: int) -> Number:
        """What a connection transmits: its sender's rate, and the spikes under way on it."""
        source = self.network.connections[c].source
        rate = self.rates[source] if source < len(self.rates) else 0 * self.run.now
        return rate + self.n_under_way[c]

    def list_frozen(self, i: int) -> list[int]:
        """Coordinates of neuron i that are input currents, which are drive."""
        projective = self.network.neurons[i].model.projective
        return [c for c in range(len(self.run.states[i])) if projective and c not in projective]

    def list_arguments(self, i: int, has_drive: bool) -> State:
        """What the generated functions take of neuron i, with or without drive."""
        zero, state = 0 * self.run.now, self.run.states[i]
        if has_drive:
            own = (*state, self.drive[i])
        else:
            frozen = self.list_frozen(i)
            own = (*(zero if c in frozen else v for c, v in enumerate(state)), zero)
        return (*own, *self.network.neurons[i].constants)

    def call(self, i: int, name: str, *more: Number, has_drive: bool = True) -> State:
        """Call a generated function of neuron i."""
        return self.network.neurons[i].call(name, *self.list_arguments(i, has_drive), *more)

    def list_times(self, i: int, n_required: int) -> list[Number]:
        """The first spikes of neuron i, pseudospikes included."""
        own = [time for time, neuron in self.run.spikes if neuron == i][:n_required]
        first = self.network.duration + self.delays[i]
        return own + [first + k * self.periods[i] for k in range(n_required - len(own))]

    def pull(
        self, by_output: Sequence[tuple[int, Sequence[Number]]], slopes: Slopes,
        with_parameters: bool = False,
    ) -> None:  # fmt: skip
        """Add derivatives by way of output times.

        Args:
            by_output: Neurons, and derivatives by the times of `list_times`.
            slopes: Derivatives by spike times, states at T, weights and constants are added.
            with_parameters: Whether to add those by the constants.
        """
        zero = 0 * self.run.now
        by_call = [[zero, zero, zero] for _ in self.rates]
        for i, values in by_output:
            spikes = [k for k, (_, neuron) in enumerate(self.run.spikes) if neuron == i]
            for k, value in enumerate(values):
                if k < len(spikes):
                    slopes.times[SPIKE][spikes[k]] += value
                else:
                    by_call[i][0] += value
                    by_call[i][1] += (k - len(spikes)) * value
        for component in reversed(self.components):
            by_drive = {}
            for i in component.neurons:
                by_delay, by_period, by_rate = by_call[i]
                # In a cycle the rate comes from a call of its own.
                own = by_delay, by_period, zero if component.has_cycle else by_rate
                by_drive[i] = self.pull_call(i, own, slopes, with_parameters, has_drive=True)
            for c in self.list_inward(component):
                source, target, weight, _, _ = self.network.connections[c]
                slopes.weights[c] += by_drive[target] * self.find_strength(c)
                if source < len(self.rates):
                    by_call[source][2] += weight * by_drive[target]
            if component.has_cycle:
                for i in component.neurons:
                    own = zero, zero, by_call[i][2]
                    self.pull_call(i, own, slopes, with_parameters, has_drive=False)

    def pull_call(
        self, i: int, by_result: tuple[Number, ...], slopes: Slopes, with_parameters: bool, *,
        has_drive: bool,
    ) -> Number:  # fmt: skip
        """Undo a call of neuron i; returns the derivative by its drive."""
        *pulled, by_drive = self.call(i, "pseudospike_vjp", *by_result, has_drive=has_drive)
        for c in [] if has_drive else self.list_frozen(i):
            pulled[c] = 0 * pulled[c]
        slopes.ends[i] = add(slopes.ends[i], tuple(pulled))
        if with_parameters:
            arguments = (*self.list_arguments(i, has_drive), *by_result)
            more = self.network.neurons[i].pull("pseudospike", *arguments)
            slopes.constants[i] = add(slopes.constants[i], more)
        return by_drive
