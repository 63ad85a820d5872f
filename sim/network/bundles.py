"""All connections of a network as the engines see them: in bundles of one factor.

A projection is a bundle, but one from a current in steps (`sim.network.currents`) is a bundle for
each step: every step of a channel is a source of its own, which spikes once, and a connection from
the current stands once for each step, its weight multiplied by the change.
"""

from typing import NamedTuple

import numpy as np

from sim.network.currents import CurrentSteps
from sim.network.network import Network, Projection


class Bundle(NamedTuple):
    """The connections of a projection, or those of one step of a current.

    Attributes:
        place: Of the projection.
        projection: The projection.
        first_source: Source of its first channel or neuron.
        first_target: Its first neuron.
        factor: What its weights are multiplied by.
    """

    place: int
    projection: Projection
    first_source: int
    first_target: int
    factor: float


def list_bundles(network: Network) -> list[Bundle]:
    """All connections as the engines see them, in the order of the projections, then of steps.

    Sources are the neurons, the channels of the inputs, then step by step the channels of each
    current.
    """
    n = network.n_neurons
    firsts = {p.name: network.slices[p.name].start for p in network.populations}
    firsts |= {p.name: n + network.slices[p.name].start for p in network.inputs}
    currents: dict[str, CurrentSteps] = {}
    first = n + network.n_channels
    for current in network.currents:
        currents[current.name], firsts[current.name] = current, first
        first += current.size * len(current.times)
    bundles = []
    for place, p in enumerate(network.projections):
        steps = currents.get(p.pre)
        factors = [1.0] if steps is None else steps.changes.tolist()
        size = 0 if steps is None else steps.size
        bundles += [
            Bundle(place, p, firsts[p.pre] + k * size, firsts[p.post], factor)
            for k, factor in enumerate(factors)
        ]
    return bundles


def list_steps(network: Network) -> list[tuple[np.ndarray, np.ndarray]]:
    """Times and sources of the steps of each current, step by step, channel by channel."""
    first, found = network.n_neurons + network.n_channels, []
    for current in network.currents:
        n = current.size * len(current.times)
        found.append((np.repeat(current.times, current.size), np.arange(first, first + n)))
        first += n
    return found


def merge_bundles(network: Network, values: np.ndarray, *, by_weight: bool) -> list[np.ndarray]:
    """Derivatives by weight or delay of the connections of all bundles, added up by projection."""
    if not network.currents:  # a bundle is a projection: no copy
        sizes = [p.matrix.nnz for p in network.projections]
        return np.split(values, np.cumsum(sizes)[:-1]) if sizes else []
    found = [np.zeros(p.matrix.nnz) for p in network.projections]
    first = 0
    for bundle in list_bundles(network):
        n = len(found[bundle.place])
        part = values[first : first + n]
        found[bundle.place] += part * bundle.factor if by_weight else part
        first += n
    return found


def find_slopes(network: Network, by_weight: np.ndarray) -> list[np.ndarray]:
    """Derivatives by the values of each current, from those by the weights of all bundles.

    A value enters the step to it, and with the other sign the step from it.
    """
    by_change = {c.name: [0.0] * len(c.times) for c in network.currents}
    first, steps = 0, dict.fromkeys(range(len(network.projections)), 0)
    for bundle in list_bundles(network):
        p = bundle.projection
        part = by_weight[first : first + p.matrix.nnz]
        if p.pre in by_change:
            by_change[p.pre][steps[bundle.place]] += float(part @ p.matrix.data)
            steps[bundle.place] += 1
        first += p.matrix.nnz
    return [-np.diff(np.array(slopes), append=0.0) for slopes in by_change.values()]
