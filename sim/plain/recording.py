"""The public face of the plain engine: networks in, recordings and gradients out, in floats."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.events.differentiate import (
    Gradients,
    StateSlopes,
    check_slopes,
    collect_connections,
    collect_times,
    pick_probe,
)
from sim.events.pseudospikes import PSEUDO, Outputs, check_complete
from sim.events.recording import Advance, Recording, StoppedError
from sim.events.simulate import MAX_SPIKES, check_probes
from sim.network.network import Network
from sim.network.wiring import Wiring, wire
from sim.plain.backward import Backward, Slopes, add, start_slopes
from sim.plain.loop import INPUT, SPIKE, PlainRun, StoppedPlainly
from sim.plain.neuron import State
from sim.plain.plain_network import read_network
from sim.plain.pseudospikes import Rates
from spiketheory.errors import check_finite, check_shape


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PlainRecording(Recording):
    """What a run of a network did, and all that it takes to go back.

    Attributes:
        run: The run in plain numbers.
    """

    run: PlainRun


def simulate_plainly(
    network: Network,
    *,
    probe_times: Sequence[float] | np.ndarray = (),
    probed: Sequence[int] | np.ndarray | None = None,
    max_spikes: int = MAX_SPIKES,
    on_advance: Callable[[Advance], bool] | None = None,
) -> PlainRecording:
    """Run a network until its trial's end.

    Args:
        network: The network and its inputs.
        probe_times: Times at which to probe states, see `sim.events.simulate.simulate` [time].
        probed: Neurons to probe; None for all.
        max_spikes: More spikes than this stop the run.
        on_advance: Called at every event; the run stops if it returns True.

    Raises:
        InputError: If the probes are impossible.
        StoppedError: If the network fires without bound, or a state leaves the range of numbers.
    """
    times, neurons = check_probes(network, probe_times, probed)
    with np.errstate(all="ignore"):
        run = PlainRun(
            network=read_network(network), probe_times=list(times), max_spikes=max_spikes
        )

        def advance(run: PlainRun) -> bool:
            progress = Advance(
                time=float(run.now), duration=network.duration, n_spikes=len(run.spikes)
            )
            return on_advance is not None and on_advance(progress)

        try:
            run.run(advance)
        except StoppedPlainly as err:
            raise StoppedError(
                f"Expected {err} by t={float(run.now):g}; {err.remedy}.",
                record(network, run, times, neurons),
            ) from None
    recording = record(network, run, times, neurons)
    if recording.lost_neuron is not None:
        raise StoppedError(
            f"Expected finite states but neuron {recording.lost_neuron} left the range of numbers "
            f"by t={recording.time:g}; lower the weights of its inputs, or give times in another "
            "unit.",
            recording,
        )
    return recording


def record(
    network: Network, run: PlainRun, probe_times: np.ndarray, probed: np.ndarray
) -> PlainRecording:
    """The recording of a run."""
    wiring = wire(network)
    width = max(len(p.model.coordinates) for p in network.populations)
    found = np.zeros((width, len(probe_times), len(probed)))
    for k, states in enumerate(run.probed):
        found[:, k] = fill([states[i] for i in probed], width)
    return PlainRecording(
        network=network,
        laid_out=wiring,
        spike_time=np.array([time for time, _ in run.spikes], np.float64),
        spike_neuron=np.array([neuron for _, neuron in run.spikes], np.int64),
        end=fill(run.states, width),
        time=float(run.now),
        probe_times=probe_times,
        probed=probed,
        probed_coordinates=found,
        left_over=find_groups(wiring, run),
        run=run,
    )


def fill(states: Sequence[State], width: int) -> np.ndarray:
    """Coordinates of some neurons as an array, shape (width, n)."""
    found = np.zeros((width, len(states)))
    for i, state in enumerate(states):
        found[: len(state), i] = state
    return found


def find_groups(wiring: Wiring, run: PlainRun) -> np.ndarray:
    """The groups of connections, as the wiring has them, that spikes are under way on."""
    wires, found = wiring.wires, []
    place = np.empty(len(wiring.places), np.int64)
    place[wiring.places] = np.arange(len(wiring.places))
    for *_, connections in run.under_way:
        found.append(np.searchsorted(wires.group_edges, place[connections[0]], side="right") - 1)
    return np.array(found, np.int64)


def find_plain_outputs(recording: PlainRecording, neurons: Any, n_required: int = 1) -> Outputs:
    """The first spikes of some neurons, pseudospikes included.

    See `sim.events.pseudospikes.find_outputs`.
    """
    check_complete(recording)
    neurons = np.atleast_1d(np.asarray(neurons))
    with np.errstate(all="ignore"):
        rates = Rates(recording.run)
        times = [rates.list_times(i, n_required) for i in neurons]
    spikes = np.full((len(neurons), n_required), PSEUDO)
    n_ordinary = np.zeros(len(neurons), np.int64)
    for row, i in enumerate(neurons):
        own = np.flatnonzero(recording.spike_neuron == i)[:n_required]
        n_ordinary[row] = len(own)
        spikes[row, : len(own)] = own
    return Outputs(
        neurons=neurons, times=np.array(times, np.float64).reshape(spikes.shape), spikes=spikes,
        n_ordinary=n_ordinary, drive=np.array(rates.drive, np.float64),
        rates=np.array(rates.rates, np.float64),
    )  # fmt: skip


def differentiate_plainly(
    recording: PlainRecording,
    *,
    spike_time: np.ndarray | None = None,
    end: StateSlopes | None = None,
    probed_state: StateSlopes | None = None,
    outputs: tuple[Outputs, np.ndarray] | None = None,
    parameters: bool = False,
) -> Gradients:
    """Go back through a run; see `sim.events.differentiate.differentiate`."""
    run, network = recording.run, recording.network
    slopes, everyone = start_slopes(run), list(range(network.n_neurons))
    by_probe = []
    with np.errstate(all="ignore"):
        if spike_time is not None:
            given = np.asarray(spike_time, dtype=np.float64)
            check_shape("derivatives by spike_time", given, (len(run.spikes),))
            slopes.times[SPIKE] = list(check_finite("derivatives by spike_time", given))
        if end is not None:
            entered = enter(network, run, end, run.states, everyone, slopes, parameters)
            slopes.ends = [add(a, b) for a, b in zip(slopes.ends, entered, strict=True)]
        for k, states in enumerate(run.probed if probed_state is not None else ()):
            assert probed_state is not None
            picked = [
                {name: pick_probe(value, k) for name, value in by_state.items()}
                for by_state in probed_state
            ]
            probed = recording.probed.tolist()
            by_probe.append(enter(network, run, picked, states, probed, slopes, parameters))
        if outputs is not None:
            neurons, shape = outputs[0].neurons, outputs[0].times.shape
            given = np.asarray(outputs[1], dtype=np.float64)
            check_shape("derivatives by output times", given, shape)
            check_finite("derivatives by output times", given)
            Rates(run).pull(list(zip(neurons, given, strict=True)), slopes, parameters)
        Backward(run, slopes, by_probe=by_probe, with_parameters=parameters).go()
    return collect(network, slopes, with_parameters=parameters)


def enter(
    network: Network, run: PlainRun, by_state: StateSlopes, states: Sequence[State],
    chosen: Sequence[int], slopes: Slopes, with_parameters: bool,
) -> list[State]:  # fmt: skip
    """From derivatives by the states of chosen neurons to those by the coordinates of all.

    Those by the constants are added to ``slopes``.
    """
    check_slopes(network, by_state)
    found = [tuple(0 * v for v in state) for state in states]
    for own, group in zip(by_state, run.network.groups, strict=True):
        inside = [i for i in chosen if i in group]
        for place, i in enumerate(inside if own else ()):
            neuron = run.network.neurons[i]
            given = [
                np.broadcast_to(np.asarray(own.get(v, 0.0), np.float64), (len(inside),))[place]
                for v in neuron.model.state
            ]
            arguments = (*states[i], *neuron.constants, *given)
            pulled = neuron.call("leave_chart_vjp", *arguments)
            found[i] = add(found[i], pulled)
            if with_parameters:
                more = neuron.pull("leave_chart", *arguments)
                slopes.constants[i] = add(slopes.constants[i], more)
    return found


def collect(network: Network, slopes: Slopes, *, with_parameters: bool) -> Gradients:
    """Derivatives sorted by what they belong to."""
    by_weight, by_delay, by_time = (
        np.array(values, np.float64)
        for values in (slopes.weights, slopes.delays, slopes.times[INPUT])
    )
    initial, parameters = [], []
    for population in network.populations:
        own = network.slices[population.name]
        names = (
            (population.model.initial,) if population.starts_at_phase else population.model.state
        )
        by_given = np.array(slopes.given[own], np.float64).T
        initial.append(dict(zip(names, by_given, strict=True)))
        if with_parameters:
            by_value = np.array(slopes.parameters[own], np.float64)
            columns = by_value.reshape(population.size, len(population.parameters)).T
            parameters.append(
                {
                    name: column if np.ndim(population.parameters[name]) else float(column.sum())
                    for name, column in zip(population.parameters, columns, strict=True)
                }
            )
    return Gradients(
        **collect_connections(network, by_weight, by_delay),
        **collect_times(network, by_time),
        initial=initial,
        parameters=parameters if with_parameters else None,
    )  # fmt: skip
