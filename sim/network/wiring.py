"""A network as flat arrays: the form in which the event loops read it.

Sources are the neurons, then the channels of the inputs. The connections of a source stand one
after the other, sorted by delay (`sim.network.instants`), then by target; those of equal delay form
a group, which arrives at once.
"""

from typing import Any, NamedTuple

import numpy as np

from sim.network.bundles import list_bundles, list_steps
from sim.network.instants import choose_ticks, count_ticks
from sim.network.network import Network
from spiketheory.errors import InputError
from spiketheory.machine.compile import CompiledModel

MOST_INDEX = np.iinfo(np.int32).max


class Wires(NamedTuple):
    """Flat arrays of a network; nothing in them changes in a run.

    Attributes:
        kinds: Place of each neuron's model, shape (n_neurons,).
        rows: Column of ``table`` that holds each neuron's constants, shape (n_neurons,).
        table: Constants, shape (most constants, n_rows).
        source_groups: First group of each source, and the end, shape (n_sources + 1,).
        group_edges: First connection of each group, and the end, shape (n_groups + 1,).
        group_delays: In ticks; 0 for those that arrive within the event, shape (n_groups,).
        ticks: How many of them make a unit of time.
        targets: Neuron that each connection leads to, shape (n_connections,).
        weights: Shape (n_connections,).
        ports: Number of the port that each connection leads to, shape (n_connections,); empty where
            no model has several.
        input_times: Sorted, up to T, shape (n_inputs,) [time].
        input_sources: Source of each, shape (n_inputs,).
    """

    kinds: np.ndarray
    rows: np.ndarray
    table: np.ndarray
    source_groups: np.ndarray
    group_edges: np.ndarray
    group_delays: np.ndarray
    ticks: float
    targets: np.ndarray
    weights: np.ndarray
    ports: np.ndarray
    input_times: np.ndarray
    input_sources: np.ndarray


class Wiring(NamedTuple):
    """A network in flat arrays, and the way back.

    Attributes:
        models: The different models.
        wires: The arrays.
        places: Connection, counted through `sim.network.bundles.list_bundles`, of each entry of
            ``wires.targets``, shape (n_connections,).
        inputs: Input spike, counted through the network's inputs and then the steps of its
            currents, of each of ``input_times``.
        first_rows: First column of ``table`` of each population.
        start: Initial coordinates, shape (most coordinates, n_neurons).
    """

    models: tuple[CompiledModel, ...]
    wires: Wires
    places: np.ndarray
    inputs: np.ndarray
    first_rows: tuple[int, ...]
    start: np.ndarray


def wire(network: Network) -> Wiring:
    """Lay a network out in flat arrays."""
    models = tuple(dict.fromkeys(p.model for p in network.populations))
    if max(network.n_neurons, *(p.matrix.nnz for p in network.projections), 0) > MOST_INDEX:
        raise InputError(
            f"Expected at most {MOST_INDEX} neurons and connections per projection but got more; "
            "split the projection."
        )
    edges, places = sort_edges(network)
    times, sources, inputs = sort_inputs(network)
    table, rows, first_rows = collect_constants(network)
    kinds = [np.full(p.size, models.index(p.model), np.int8) for p in network.populations]
    width = max(len(m.coordinates) for m in models)
    start = np.zeros((width, network.n_neurons))
    for population, own in network.parts:
        start[: len(population.coordinates), own] = population.coordinates
    wires = Wires(
        kinds=np.concatenate(kinds), rows=rows, table=table, **edges,
        input_times=times, input_sources=sources,
    )  # fmt: skip
    return Wiring(
        models=models, wires=wires, places=places, inputs=inputs, first_rows=first_rows,
        start=start,
    )  # fmt: skip


def rewire(wiring: Wiring, network: Network) -> Wiring:
    """The same connections with the input spikes of a network that differs in these alone."""
    times, sources, inputs = sort_inputs(network)
    wires = wiring.wires._replace(input_times=times, input_sources=sources)
    return wiring._replace(wires=wires, inputs=inputs)


def count_fan_out(wiring: Wiring) -> np.ndarray:
    """How many connections each source has, shape (n_sources,)."""
    wires = wiring.wires
    return np.diff(wires.group_edges[wires.source_groups])


def sort_edges(network: Network) -> tuple[dict[str, Any], np.ndarray]:
    """The connections by source, delay and target, in groups of equal delay."""
    bundles = list_bundles(network)
    empty = np.empty(0, np.int32)
    columns = [b.projection.matrix.col.astype(np.int32) + b.first_source for b in bundles]
    rows = [b.projection.matrix.row.astype(np.int32) + b.first_target for b in bundles]
    sources, targets = np.concatenate([empty, *columns]), np.concatenate([empty, *rows])
    data = [(b.projection.matrix.data, b.factor) for b in bundles]
    weights = np.concatenate([np.empty(0), *(d if f == 1.0 else d * f for d, f in data)])
    given = [b.projection.edge_delays for b in bundles]
    ticks = choose_ticks(network.duration, given)
    delays = count_ticks(np.concatenate([np.empty(0), *given]), ticks)
    models = {p.name: p.model for p in network.populations}
    ports = [
        np.full(p.matrix.nnz, models[p.post].find_port(p.port), np.int8)
        for p in (b.projection for b in bundles)
    ]
    if np.any(delays):
        places = np.lexsort((targets, delays, sources))
    else:
        keys = sources.astype(np.int64) * network.n_neurons + targets
        places = np.argsort(keys, kind="stable")
    sources, delays = sources[places], delays[places]
    first = np.ones(len(places), dtype=bool)
    first[1:] = (np.diff(sources) != 0) | (np.diff(delays) != 0)
    starts = np.flatnonzero(first)
    edges = {
        "source_groups": np.searchsorted(sources[starts], np.arange(network.n_sources + 1)),
        "group_edges": np.append(starts, len(places)),
        "group_delays": delays[starts],
        "ticks": ticks,
        "targets": targets[places].astype(np.int32),
        "weights": weights[places],
        "ports": np.concatenate([np.empty(0, np.int8), *ports])[places]
        if any(model.n_ports > 1 for model in models.values())
        else np.empty(0, np.int8),
    }
    return edges, places


def sort_inputs(network: Network) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times and sources of the input spikes up to T, sorted; simultaneous ones in their order."""
    channels = [
        p.channels + network.n_neurons + network.slices[p.name].start for p in network.inputs
    ]
    steps = list_steps(network)
    times = np.concatenate(
        [np.empty(0), *(p.times for p in network.inputs), *(t for t, _ in steps)]
    )
    sources = np.concatenate([np.empty(0, np.int64), *channels, *(s for _, s in steps)])
    order = np.argsort(times, kind="stable")
    order = order[: np.count_nonzero(times <= network.duration)]
    return times[order], sources[order], order


def collect_constants(network: Network) -> tuple[np.ndarray, np.ndarray, tuple[int, ...]]:
    """The table of constants, each neuron's column, and each population's first column."""
    tables = [p.constants for p in network.populations]
    height = max(1, max(len(t) for t in tables))
    table = np.zeros((height, sum(t.shape[1] for t in tables)))
    rows, first_rows, first = [], [], 0
    for population, part in zip(network.populations, tables, strict=True):
        table[: len(part), first : first + part.shape[1]] = part
        own = np.zeros(population.size) if part.shape[1] == 1 else np.arange(population.size)
        rows.append((first + own).astype(np.int32))
        first_rows.append(first)
        first += part.shape[1]
    return np.asfortranarray(table), np.concatenate(rows), tuple(first_rows)


def order_edges(wiring: Wiring, values: np.ndarray) -> np.ndarray:
    """Values per connection in the order of `sim.network.bundles.list_bundles`."""
    by_place = np.empty(len(values))
    by_place[wiring.places] = values
    return by_place
