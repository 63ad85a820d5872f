"""Output times of a recurrent network, pseudospikes included (docs/mathematics.md, 12).

At T the network is read as a rate network. Every neuron has a pseudo rate, computed without drive:
without pseudo input, and with the input currents that it has at T, if it has any, set to zero. A
neuron that lacks spikes gets the pseudo input that these rates send it, once. A spike that is under
way at T counts like one whose sender has the rate 1. So output times are continuous where a spike
leaves the trial and where one arrives at its end, if inputs are currents: they change no rate. A
delta input does change the rate of its neuron, and with that, by a little, the output times of the
neurons after it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.events.recording import Recording
from sim.network.network import Circuit, Population, stack
from spiketheory.errors import InputError, check_finite, check_shape
from spiketheory.machine.compile import CompiledModel

PSEUDO = -1


@dataclass(frozen=True, kw_only=True, eq=False)
class Outputs:
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
    circuit = recording.circuit
    neurons = np.atleast_1d(np.asarray(neurons))
    if len(neurons) and not (neurons.min() >= 0 and neurons.max() < circuit.n_neurons):
        raise InputError(
            f"Expected output neurons 0 to {circuit.n_neurons - 1} but got {neurons.tolist()}; "
            "neurons are counted through the populations."
        )
    rates = gather(recording, None)[2]
    drive = find_drive(recording, rates)
    delays, periods, _ = gather(recording, drive)
    order = np.argsort(recording.spike_neuron, kind="stable")
    firsts = np.searchsorted(recording.spike_neuron[order], np.arange(circuit.n_neurons + 1))
    times = np.empty((len(neurons), n_required))
    spikes = np.full((len(neurons), n_required), PSEUDO)
    n_ordinary = np.zeros(len(neurons), np.int64)
    for row, i in enumerate(neurons):
        own = order[firsts[i] : firsts[i + 1]][:n_required]
        n = n_ordinary[row] = len(own)
        spikes[row, :n] = own
        times[row, :n] = recording.spike_time[own]
        missing = np.arange(n_required - n)
        times[row, n:] = circuit.duration + delays[i] + missing * periods[i]
    return Outputs(
        neurons=neurons, times=times, spikes=spikes, n_ordinary=n_ordinary, drive=drive,
        rates=rates,
    )  # fmt: skip


def check_complete(recording: Recording) -> None:
    """Raise `InputError` unless pseudospikes can follow a run."""
    if not recording.is_complete:
        raise InputError(
            f"Expected a run up to T={recording.circuit.duration:g} but it stopped at "
            f"t={recording.time:g}; pseudospikes follow on the trial's end."
        )
    for population in recording.circuit.populations:
        model = population.model
        if not model.has_pseudospikes:
            raise InputError(
                f"Expected models with pseudospikes (see `spiketheory models`) but {model.name} "
                f"of {population.name} has none: {model.without_pseudospikes}. Choose models that "
                "have them, or use ordinary spikes alone."
            )


def gather(recording: Recording, drive: np.ndarray | None) -> np.ndarray:
    """Delay, period and rate of every neuron, shape (3, n_neurons); None is no drive at all."""
    found = np.empty((3, recording.circuit.n_neurons))
    for population, part in split(recording.circuit):
        arguments = list_arguments(recording, population, part, drive)
        found[:, part] = stack(population.call("pseudospike", *arguments), population.size)
    return found


def list_arguments(
    recording: Recording, population: Population, part: slice, drive: np.ndarray | None
) -> list[np.ndarray]:
    """Coordinates at T, pseudo input and constants of a population."""
    model = population.model
    own = recording.end[: len(model.coordinates), part].copy()
    if drive is None:
        own[list_currents(model)] = 0.0
        drive = np.zeros(recording.circuit.n_neurons)
    return [*own, drive[part], *population.constants]


def list_currents(model: CompiledModel) -> list[int]:
    """Places of the coordinates beside a projective pair: input currents."""
    n = len(model.coordinates)
    return [c for c in range(n) if c not in model.projective] if model.projective else []


def split(circuit: Circuit) -> list[tuple[Population, slice]]:
    """Each population and its neurons."""
    parts, first = [], 0
    for population in circuit.populations:
        parts.append((population, slice(first, first + population.size)))
        first += population.size
    return parts


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


def find_drive(recording: Recording, rates: np.ndarray) -> np.ndarray:
    """Pseudo input of every neuron; channels of inputs have the rate 0."""
    wires = recording.wiring.wires
    strengths = find_strengths(recording, rates)
    return np.bincount(wires.targets, wires.weights * strengths, minlength=len(rates))


def pull_outputs(
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
    bars = np.zeros((3, len(outputs.drive)))
    np.add.at(bars[0], outputs.neurons, pseudo.sum(axis=1))
    np.add.at(bars[1], outputs.neurons, (pseudo * rank).sum(axis=1))
    by_end, by_drive, by_constant = pull(recording, outputs.drive, bars, like, with_constants)
    wires = recording.wiring.wires
    by_weight = by_drive[wires.targets] * find_strengths(recording, outputs.rates)
    sources, _ = list_senders(recording)
    inner = sources < len(by_drive)
    sent = wires.weights * by_drive[wires.targets]
    bars = np.zeros_like(bars)
    bars[2] = np.bincount(sources[inner], sent[inner], minlength=len(by_drive))
    by_rate, _, by_constant_too = pull(recording, None, bars, like, with_constants)
    return by_spike, by_end + by_rate, by_weight, by_constant + by_constant_too


def pull(
    recording: Recording,
    drive: np.ndarray | None,
    bars: np.ndarray,
    like: np.ndarray,
    with_constants: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pull derivatives by delay, period and rate back to coordinates, pseudo input, constants."""
    by_end, by_drive = np.zeros(recording.end.shape), np.zeros(bars.shape[1])
    by_constant = np.zeros(like.shape)
    for (population, part), row in zip(
        split(recording.circuit), recording.wiring.first_rows, strict=True
    ):
        model = population.model
        arguments = (*list_arguments(recording, population, part, drive), *bars[:, part])
        *slopes, by_input = population.call("pseudospike_vjp", *arguments)
        frozen = list_currents(model) if drive is None else []
        for c in range(len(model.coordinates)):
            by_end[c, part] = 0.0 if c in frozen else slopes[c]
        by_drive[part] = by_input
        if hasattr(model.module, "pseudospike_constants_vjp") and with_constants:
            direct = population.call("pseudospike_constants_vjp", *arguments)
            for c, slope in enumerate(direct):
                each = np.broadcast_to(slope, (population.size,))
                if population.is_uniform:
                    by_constant[c, row] += each.sum()
                else:
                    by_constant[c, row : row + population.size] += each
    return by_end, by_drive, by_constant
