"""Output times of a network, pseudospikes included (docs/mathematics.md, 4 and 12).

At T the network is read as a rate network, component by component: the strongly connected
components of the graph of projections, senders first. A population without a path to itself gets
the pseudo input that the rates of its senders make, and its own rate follows from it. In a
component with a cycle that would be an equation for the rates; there they are computed without
drive, that is without pseudo input and with the input currents at T, if there are any, set to zero,
and the pseudo input that they make is used once, for the times of missing spikes. A spike that is
under way at T counts like one whose sender has the rate 1.

So output times are continuous where a spike leaves the trial and where one arrives at its end, if
inputs are currents: they change no rate without drive. A delta input does change the rate of its
neuron; in a component with a cycle, and behind it, that moves the output times of other neurons by
a little.
"""

from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse.csgraph

from sim.events.recording import Recording
from sim.network.network import Population, stack
from spiketheory.errors import InputError, check_finite, check_shape
from spiketheory.machine.compile import CompiledModel
from spiketheory.shown import Short

PSEUDO = -1


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Outputs(Short):
    """The first spikes of some neurons.

    Attributes:
        neurons: Shape (n_outputs,).
        times: Pseudospikes are later than T, or at it, shape (n_outputs, n_required) [time].
        spikes: Number of each ordinary spike in the recording, -1 for pseudospikes; shape as times.
        n_ordinary: Ordinary spikes among them, shape (n_outputs,).
        drive: Pseudo input of every neuron, shape (n_neurons,).
        rates: Pseudo rate of every neuron, shape (n_neurons,).
    """

    neurons: np.ndarray
    times: np.ndarray
    spikes: np.ndarray
    n_ordinary: np.ndarray
    drive: np.ndarray
    rates: np.ndarray


def find_outputs(recording: Recording, neurons: Any, n_required: int = 1) -> Outputs:
    """The first ``n_required`` spikes of some neurons, pseudospikes for those that are missing.

    Args:
        recording: A complete run.
        neurons: Their numbers, counted through the populations.
        n_required: How many spikes of each.

    Raises:
        InputError: If the run is not complete, or a model has no pseudospikes.
    """
    check_complete(recording)
    network = recording.network
    neurons = np.atleast_1d(np.asarray(neurons))
    if len(neurons) and not (neurons.min() >= 0 and neurons.max() < network.n_neurons):
        raise InputError(
            f"Expected output neurons 0 to {network.n_neurons - 1} but got {neurons.tolist()}; "
            "neurons are counted through the populations."
        )
    found = find_pseudodynamics(recording)
    delays, periods = found.delays, found.periods
    order = np.argsort(recording.spike_neuron, kind="stable")
    firsts = np.searchsorted(recording.spike_neuron[order], np.arange(network.n_neurons + 1))
    times = np.empty((len(neurons), n_required))
    spikes = np.full((len(neurons), n_required), PSEUDO)
    n_ordinary = np.zeros(len(neurons), np.int64)
    for row, i in enumerate(neurons):
        own = order[firsts[i] : firsts[i + 1]][:n_required]
        n = n_ordinary[row] = len(own)
        spikes[row, :n] = own
        times[row, :n] = recording.spike_time[own]
        missing = np.arange(n_required - n)
        times[row, n:] = network.duration + delays[i] + missing * periods[i]
    return Outputs(
        neurons=neurons, times=times, spikes=spikes, n_ordinary=n_ordinary, drive=found.drive,
        rates=found.rates,
    )  # fmt: skip


def check_complete(recording: Recording) -> None:
    """Raise `InputError` unless pseudospikes can follow a run."""
    if recording.counted is not None:
        raise InputError(
            "Expected a run that kept all its spikes but got one with recorded or on_spikes; leave "
            "these out to find outputs."
        )
    if not recording.is_complete:
        raise InputError(
            f"Expected a run up to T={recording.network.duration:g} but it stopped at "
            f"t={recording.time:g}; pseudospikes follow on the trial's end."
        )
    for population in recording.network.populations:
        model = population.model
        if not model.has_pseudospikes:
            raise InputError(
                f"Expected models with pseudospikes (see `spiketheory models`) but {model.name} "
                f"of {population.name} has none: {model.without_pseudospikes}. Choose models that "
                "have them, or use ordinary spikes alone."
            )


class Pseudodynamics(NamedTuple):
    """The rate network at T, shape (n_neurons,) each.

    Attributes:
        drive: Pseudo input.
        rates: Pseudo rate.
        delays: From T to the first missing spike [time].
        periods: From one missing spike to the next [time].
    """

    drive: np.ndarray
    rates: np.ndarray
    delays: np.ndarray
    periods: np.ndarray


class Component(NamedTuple):
    """Populations that reach each other.

    Attributes:
        members: Their places among the network's populations.
        has_cycle: Whether one of them reaches itself.
        edges: Connections that lead to them, places in the wires.
    """

    members: tuple[int, ...]
    has_cycle: bool
    edges: np.ndarray


def find_components(recording: Recording) -> list[Component]:
    """The strongly connected components of the graph of projections, senders first.

    Projections count, whatever the values of their weights.
    """
    network, targets = recording.network, recording.wiring.wires.targets
    names = [p.name for p in network.populations]
    pairs = {
        (names.index(p.pre), names.index(p.post)) for p in network.projections if p.pre in names
    }
    graph = np.zeros((len(names), len(names)), dtype=bool)
    for pre, post in pairs:
        graph[pre, post] = True
    n, labels = scipy.sparse.csgraph.connected_components(graph, connection="strong")
    follows: dict[int, set[int]] = {c: set() for c in range(n)}
    for pre, post in pairs:
        if labels[pre] != labels[post]:
            follows[int(labels[post])].add(int(labels[pre]))
    sizes = [p.size for p in network.populations]
    of_edge = np.repeat(labels, sizes)[targets]
    return [
        Component(
            members=tuple(np.flatnonzero(labels == c).tolist()),
            has_cycle=any(labels[a] == labels[b] == c for a, b in pairs),
            edges=np.flatnonzero(of_edge == c),
        )
        for c in TopologicalSorter(follows).static_order()
    ]


def find_pseudodynamics(recording: Recording) -> Pseudodynamics:
    """Run the rate network: the rates of all neurons, and what they make of each other."""
    network, wires = recording.network, recording.wiring.wires
    n = network.n_neurons
    found = Pseudodynamics(*np.zeros((4, n)))
    sources, under_way = list_senders(recording)
    sent = np.zeros(network.n_sources)  # channels and currents have the rate 0
    parts = network.parts
    for component in find_components(recording):
        own = [parts[k] for k in component.members]
        if component.has_cycle:
            for population, part in own:
                rates = call_pseudospike(recording, population, part, None)[2]
                found.rates[part] = sent[part] = rates
        e = component.edges
        strengths = sent[sources[e]] + under_way[e]
        drive = np.bincount(wires.targets[e], wires.weights[e] * strengths, minlength=n)
        for population, part in own:
            found.drive[part] = drive[part]
            delays, periods, rates = call_pseudospike(recording, population, part, found.drive)
            found.delays[part], found.periods[part] = delays, periods
            if not component.has_cycle:
                found.rates[part] = sent[part] = rates
    return found


def call_pseudospike(
    recording: Recording, population: Population, part: slice, drive: np.ndarray | None
) -> np.ndarray:
    """Delay, period and rate of a population, shape (3, size); None is no drive at all."""
    arguments = list_arguments(recording, population, part, drive)
    return stack(population.call("pseudospike", *arguments), population.size)


def list_arguments(
    recording: Recording, population: Population, part: slice, drive: np.ndarray | None
) -> list[np.ndarray]:
    """Coordinates at T, pseudo input and constants of a population."""
    model = population.model
    own = recording.end[: len(model.coordinates), part].copy()
    if drive is None:
        own[list_currents(model)] = 0.0
        drive = np.zeros(recording.network.n_neurons)
    return [*own, drive[part], *population.constants]


def list_currents(model: CompiledModel) -> list[int]:
    """Places of the coordinates beside a projective pair: input currents."""
    n = len(model.coordinates)
    return [c for c in range(n) if c not in model.projective] if model.projective else []


def list_senders(recording: Recording) -> tuple[np.ndarray, np.ndarray]:
    """Source of every connection, and how many spikes are under way on it at T."""
    wires = recording.wiring.wires
    ends = wires.group_edges[wires.source_groups]
    sources = np.repeat(np.arange(len(ends) - 1), np.diff(ends))
    under_way = np.zeros(len(sources))
    for group in recording.under_way:
        under_way[wires.group_edges[group] : wires.group_edges[group + 1]] += 1
    return sources, under_way


def find_strengths(recording: Recording, rates: np.ndarray) -> np.ndarray:
    """Pseudo rate that each connection transmits, spikes under way included."""
    sources, under_way = list_senders(recording)
    padded = np.zeros(max(len(rates), int(sources.max(initial=0)) + 1))
    padded[: len(rates)] = rates
    return padded[sources] + under_way


def outputs_vjp(
    recording: Recording,
    outputs: Outputs,
    slopes: np.ndarray,
    like: np.ndarray,
    with_constants: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Pull derivatives by output times back.

    Args:
        recording: The run.
        outputs: Its output times.
        slopes: Derivatives of a loss by them, shape of ``outputs.times``.
        like: Array of the shape of the derivatives by the constants.
        with_constants: Whether these are wanted.

    Returns:
        Derivatives by the spike times, the coordinates at T, the weights of all connections, and
        the constants.
    """
    name = "derivatives by output times"
    slopes = check_shape(name, np.asarray(slopes, dtype=np.float64), outputs.times.shape)
    check_finite(name, slopes)
    by_spike = np.zeros(len(recording.spike_time))
    ordinary = outputs.spikes != PSEUDO
    np.add.at(by_spike, outputs.spikes[ordinary], slopes[ordinary])
    rank = np.maximum(np.arange(slopes.shape[1]) - outputs.n_ordinary[:, None], 0)
    pseudo = np.where(ordinary, 0.0, slopes)
    by_output = np.zeros((3, len(outputs.drive)))
    np.add.at(by_output[0], outputs.neurons, pseudo.sum(axis=1))
    np.add.at(by_output[1], outputs.neurons, (pseudo * rank).sum(axis=1))
    backward = PseudodynamicsBackward(recording, outputs, like, with_constants)
    by_weight = backward.run(by_output)
    return by_spike, backward.by_end, by_weight, backward.by_constant


class PseudodynamicsBackward:
    """Derivatives on their way back through the rate network.

    Attributes:
        by_end: By the coordinates at T, shape (width, n_neurons).
        by_constant: By the constants, shape (n_constants, n_rows).
    """

    def __init__(
        self, recording: Recording, outputs: Outputs, like: np.ndarray, with_constants: bool
    ) -> None:
        self.recording, self.outputs, self.with_constants = recording, outputs, with_constants
        self.parts = recording.network.parts
        self.by_end = np.zeros(recording.end.shape)
        self.by_constant = np.zeros(like.shape)

    def run(self, by_output: np.ndarray) -> np.ndarray:
        """Go back component by component; returns derivatives by the weights.

        Args:
            by_output: Derivatives by delays, periods and rates, shape (3, n_neurons); those by the
                rates are added.
        """
        wires = self.recording.wiring.wires
        sources, _ = list_senders(self.recording)
        strengths = find_strengths(self.recording, self.outputs.rates)
        n = by_output.shape[1]
        by_drive, by_weight = np.zeros(n), np.zeros(len(wires.weights))
        for component in reversed(find_components(self.recording)):
            for k in component.members:
                part = self.parts[k][1]
                own = by_output[:, part].copy()
                if component.has_cycle:  # the rates come from a call of their own
                    own[2] = 0.0
                by_drive[part] = self.population_vjp(k, own, self.outputs.drive)
            e = component.edges
            arriving = by_drive[wires.targets[e]]
            by_weight[e] = arriving * strengths[e]
            inner = sources[e] < n
            sent = wires.weights[e] * arriving
            by_output[2] += np.bincount(sources[e][inner], sent[inner], minlength=n)
            if component.has_cycle:
                for k in component.members:
                    part = self.parts[k][1]
                    own = np.zeros((3, part.stop - part.start))
                    own[2] = by_output[2, part]
                    self.population_vjp(k, own, None)
        return by_weight

    def population_vjp(self, k: int, by_output: np.ndarray, drive: np.ndarray | None) -> np.ndarray:
        """Pull derivatives by delay, period and rate of population ``k`` back to its states.

        Returns:
            Derivatives by its pseudo input, shape (size,).
        """
        (population, part), row = self.parts[k], self.recording.wiring.first_rows[k]
        model = population.model
        arguments = (*list_arguments(self.recording, population, part, drive), *by_output)
        *slopes, by_input = population.call("pseudospike_vjp", *arguments)
        frozen = list_currents(model) if drive is None else []
        for c in range(len(model.coordinates)):
            if c not in frozen:
                self.by_end[c, part] += slopes[c]
        if hasattr(model.module, "pseudospike_constants_vjp") and self.with_constants:
            direct = population.call("pseudospike_constants_vjp", *arguments)
            for c, slope in enumerate(direct):
                each = np.broadcast_to(slope, (population.size,))
                if population.is_uniform:
                    self.by_constant[c, row] += each.sum()
                else:
                    self.by_constant[c, row : row + population.size] += each
        return np.broadcast_to(by_input, (population.size,))
