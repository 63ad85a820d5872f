"""A network as the plain engine reads it: lists of neurons, connections and input spikes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import numpy as np

from sim.network.bundles import list_bundles, list_steps
from sim.network.instants import choose_ticks, count_ticks, find_arrival
from sim.network.network import Network, Population
from sim.plain.neuron import FLOATS, Arithmetic, Input, Neuron, Number, make_neuron


class Connection(NamedTuple):
    """A connection.

    Attributes:
        source: A neuron, or the number of neurons plus a channel.
        target: A neuron.
        weight: Its weight.
        delay: Its delay, in ticks [1], or without any [time].
        port: Number of the port that it leads to.
    """

    source: int
    target: int
    weight: Number
    delay: Number
    port: int = 0

    @property
    def input(self) -> Input:
        """What it brings."""
        return Input(self.weight, self.port)


@dataclass(frozen=True, kw_only=True, eq=False)
class PlainNetwork:
    """A network and its input spikes.

    Attributes:
        neurons: The neurons.
        connections: In the order of `sim.network.bundles.list_bundles`.
        inputs: Time and source of each input spike, and of each step of a current.
        duration: The trial's end T [time].
        ticks: How many ticks make a unit of time; None if times are added up as they are, as they
            must be for differences in many digits.
        groups: Numbers of the neurons of each population.
        paths: Which population has a projection to which, whatever its weights.
    """

    neurons: Sequence[Neuron]
    connections: Sequence[Connection]
    inputs: Sequence[tuple[Number, int]]
    duration: Number
    ticks: float | None
    groups: Sequence[range]
    paths: frozenset[tuple[int, int]]

    def list_waves(self, source: int) -> list[tuple[Number, list[int]]]:
        """What a source sends out: for each delay the connections, by target."""
        own = [c for c, connection in enumerate(self.connections) if connection.source == source]
        own.sort(key=lambda c: (self.connections[c].delay, self.connections[c].target))
        waves = groupby(own, key=lambda c: self.connections[c].delay)
        return [(delay, list(wave)) for delay, wave in waves]

    def find_arrival(self, time: Number, delay: Number) -> Number:
        """When an event arrives that departs at ``time``, as in every engine: a float."""
        if self.ticks is None:
            return time + delay
        number = self.neurons[0].number
        return number(find_arrival(float(time), float(delay), self.ticks))


def read_network(network: Network, arithmetic: Arithmetic = FLOATS) -> PlainNetwork:
    """A network in plain numbers.

    Args:
        network: The network.
        arithmetic: The numbers to compute with.
    """
    number = arithmetic.number
    ticks = choose_ticks(network.duration, [p.edge_delays for p in network.projections])
    names = [p.name for p in network.populations]
    firsts = {p.name: network.slices[p.name].start for p in network.populations}
    inputs = [
        (number(time), network.n_neurons + network.slices[p.name].start + channel)
        for p in network.inputs
        for time, channel in zip(p.times.tolist(), p.channels.tolist(), strict=True)
    ]
    for times, sources in list_steps(network):
        inputs += list(zip(map(number, times.tolist()), sources.tolist(), strict=True))
    models = {p.name: p.model for p in network.populations}
    connections = [
        Connection(
            first + pre, start + post, number(weight) * number(factor), number(delay),
            models[p.post].find_port(p.port),
        )
        for _, p, first, start, factor in list_bundles(network)
        for pre, post, weight, delay in zip(
            p.matrix.col.tolist(), p.matrix.row.tolist(), p.matrix.data.tolist(),
            count_ticks(p.edge_delays, ticks).tolist(), strict=True,
        )
    ]  # fmt: skip
    return PlainNetwork(
        neurons=[m for p in network.populations for m in read_population(p, arithmetic)],
        connections=connections,
        inputs=inputs,
        duration=number(network.duration),
        ticks=ticks,
        groups=[range(firsts[p.name], firsts[p.name] + p.size) for p in network.populations],
        paths=frozenset(
            (names.index(p.pre), names.index(p.post)) for p in network.projections if p.pre in names
        ),
    )


def read_population(population: Population, arithmetic: Arithmetic) -> Iterator[Neuron]:
    """The neurons of a population."""

    def spread(value: float | np.ndarray) -> list[float]:
        found: list[float] = np.broadcast_to(value, (population.size,)).tolist()
        return found

    if population.starts_at_phase:
        enter, given = "initial_state", [spread(population.start_phase)]
    else:
        enter, given = "enter_chart", [spread(v) for v in population.start_state.values()]
    parameters = [spread(v) for v in population.values]
    for k in range(population.size):
        yield make_neuron(
            population.model, arithmetic, tuple(v[k] for v in parameters), enter,
            tuple(v[k] for v in given),
        )  # fmt: skip
