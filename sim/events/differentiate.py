"""Exact gradients of a run of a recurrent network: the public face of `sim.events.backward`."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sim.events import backward
from sim.events.backward import start_backward_pass
from sim.events.checkpoints import SHARES, Checkpoint, count_before
from sim.events.link import find_ties, link_network
from sim.events.loop import DONE
from sim.events.pseudospikes import Outputs, outputs_vjp
from sim.events.recording import Recording
from sim.events.simulate import EventRun
from sim.events.tape import Tape
from sim.network.bundles import find_slopes, merge_bundles
from sim.network.network import Given, Matrix, Network, Population
from sim.network.readouts import ReadoutGradients
from sim.network.wiring import order_edges
from spiketheory.errors import InputError, check_finite, check_shape
from spiketheory.machine.compile import CompiledModel
from spiketheory.memory import check_memory
from spiketheory.shown import Short

StateSlopes = Sequence[Mapping[str, Given]]
"""Per population by state variable derivatives of a loss, broadcast to the states' shape."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Gradients(Short):
    """Derivatives of a loss by what went into a run.

    Attributes:
        weights: One matrix per projection, of the kind of its weights.
        delays: The same by the delays. In layers those of an input follow from those by its times,
            and are None without.
        input_times: One array per input, as its times; 0 for those after T.
        initial: Per population by state variable, shape (size,); by the model's initial coordinate
            (such as ``phi0``) where the population starts at one.
        parameters: Per population by name a number, or one per neuron where the parameter is; the
            initial state is kept as it was given. None unless asked for.
        current_times: One array per current, by the times of its steps; 0 for those after T.
        current_values: The same by its values.
        readout: By what a readout of logits has; None where none was read.
    """

    weights: list[Matrix]
    delays: list[Matrix]
    input_times: list[np.ndarray]
    initial: list[dict[str, np.ndarray]]
    parameters: list[dict[str, Given]] | None
    current_times: list[np.ndarray] = field(default_factory=list)
    current_values: list[np.ndarray] = field(default_factory=list)
    readout: ReadoutGradients | None = None

    def with_input_times(self, input_times: list[np.ndarray]) -> "Gradients":
        """The same with other derivatives by the input times."""
        return replace(self, input_times=input_times)


def differentiate(
    recording: Recording,
    *,
    spike_time: np.ndarray | None = None,
    end: StateSlopes | None = None,
    probed_state: StateSlopes | None = None,
    outputs: tuple[Outputs, np.ndarray] | None = None,
    parameters: bool = False,
) -> Gradients:
    """Go back through a run with the derivatives of a loss by what came out of it.

    Args:
        recording: A run with ``record=True``.
        spike_time: Derivatives by the spike times, shape (n_spikes,).
        end: Derivatives by the state at the end, as `Recording.end_state`.
        probed_state: Derivatives by the states at the probes, as `Recording.probed_state`.
        outputs: Output times (`sim.events.pseudospikes.find_outputs`) and the derivatives by them.
        parameters: Whether to compute derivatives by the neurons' parameters, too.

    Returns:
        The gradients; what does not reach the loss has derivative 0.

    Raises:
        InputError: If the run was not recorded, or shapes do not fit.
    """
    return BackwardPass(recording, parameters).run(spike_time, end, probed_state, outputs)


class BackwardPass:
    """One backward pass."""

    def __init__(self, recording: Recording, parameters: bool) -> None:
        if not recording.can_go_back or recording.cells is None:
            raise InputError(
                "Expected a recorded run but got one without; call simulate(..., record=True)."
            )
        self.recording, self.parameters = recording, parameters
        self.network, self.wiring = recording.network, recording.wiring
        models, wires = self.wiring.models, self.wiring.wires
        n_edges, shape = len(wires.weights), recording.end.shape
        check_memory(16 * n_edges + 8 * shape[0] * shape[1], "the gradients")
        self.by_spike = np.zeros(len(recording.spike_time))
        self.by_input = np.zeros(len(wires.input_times))
        self.by_weight, self.by_delay = np.zeros(n_edges), np.zeros(n_edges)
        self.at_end = np.zeros(shape, order="F")
        self.adjoints = np.zeros(shape, order="F")
        n_constants = max(1, *(len(list_constants(m)) for m in models)) if parameters else 1
        self.by_constant = np.zeros((n_constants, wires.table.shape[1]), order="F")
        n_probed = recording.probed_coordinates[0].size
        self.by_probe = np.zeros((shape[0], n_probed), order="F")

    def run(
        self, spike_time: np.ndarray | None, end: StateSlopes | None,
        probed_state: StateSlopes | None, outputs: tuple[Outputs, np.ndarray] | None,
    ) -> Gradients:  # fmt: skip
        """See `differentiate`."""
        recording = self.recording
        if spike_time is not None:
            given = np.asarray(spike_time, dtype=np.float64)
            check_shape("derivatives by spike_time", given, self.by_spike.shape)
            self.by_spike += check_finite("derivatives by spike_time", given)
        if end is not None:
            everyone = np.arange(self.network.n_neurons)
            self.at_end += self.enter(end, recording.end, everyone)
        if probed_state is not None:
            self.by_probe += self.enter_probes(probed_state)
        if outputs is not None:
            by_spike, by_end, by_weight, by_constant = outputs_vjp(
                recording, *outputs, self.by_constant, self.parameters
            )
            self.by_spike += by_spike
            self.at_end += by_end
            self.by_weight += by_weight
            self.by_constant += by_constant
        self.run_backward()
        return self.collect()

    def run_backward(self) -> None:
        """Undo all events."""
        recording = self.recording
        kernels = link_network(self.wiring.models).link(backward)
        kernels.leave_end(
            self.wiring.wires, recording.cells, recording.time, self.at_end, self.adjoints,
            self.by_constant, self.parameters,
        )  # fmt: skip
        if recording.tape is not None:
            self.undo(recording.tape, self.by_spike, self.by_input, self.by_probe)
            return
        assert recording.checkpoints is not None
        ends = (recording.time, len(recording.spike_time), len(recording.probe_times))
        for checkpoint in reversed(recording.checkpoints.kept):
            ends = self.undo_stretch(checkpoint, *ends)

    def undo(
        self, tape: Tape, by_spike: np.ndarray, by_input: np.ndarray, by_probe: np.ndarray
    ) -> None:
        """Undo the events of a tape; derivatives by its spikes and by inputs are added."""
        wires, models = self.wiring.wires, self.wiring.models
        kernels = link_network(models).link(backward)
        left = start_backward_pass(tape)
        ties = find_ties(tape, wires, models)
        share = SHARES[models[0].backend]
        status = DONE + 1
        while status != DONE:
            status = kernels.run_backward(
                wires, tape, left, self.recording.probed, by_probe, by_spike, by_input,
                self.by_weight, self.by_delay, self.adjoints, self.by_constant, self.parameters,
                ties, share,
            )  # fmt: skip

    def undo_stretch(
        self, checkpoint: Checkpoint, end: float, spikes_end: int, probes_end: int
    ) -> tuple[float, int, int]:
        """Compute the events from a checkpoint on once more, and undo them.

        Args:
            checkpoint: The checkpoint.
            end: The last event before the next one, or the run's end [time].
            spikes_end: How many spikes came before that.
            probes_end: How many probes.

        Returns:
            The same of what is left.
        """
        recording, n_inputs = self.recording, len(self.by_input)
        n_spikes, n_probes = count_before(checkpoint)
        run = EventRun(
            self.network, recording.probe_times[n_probes:probes_end], recording.probed,
            record=True, max_spikes=spikes_end - n_spikes, wiring=self.wiring,
        )  # fmt: skip
        senders = run.restore(checkpoint, n_inputs)
        run.repeat(end)
        by_input = np.concatenate([self.by_input, self.by_spike[senders]])
        by_probe = self.by_probe[:, n_probes * len(recording.probed) :]
        by_probe = by_probe[:, : run.tape.probe_waits.shape[0]]
        self.undo(run.tape, self.by_spike[n_spikes:spikes_end], by_input, by_probe)
        self.by_input, self.by_spike[senders] = by_input[:n_inputs], by_input[n_inputs:]
        return checkpoint.time, n_spikes, n_probes

    def enter(
        self, slopes: StateSlopes, coordinates: np.ndarray, neurons: np.ndarray
    ) -> np.ndarray:
        """From derivatives by states to those by coordinates, shape of ``coordinates``."""
        found = np.zeros_like(coordinates)
        check_slopes(self.network, slopes)
        for (population, part), rows, by_state in zip(
            self.network.parts, self.wiring.first_rows, slopes, strict=True
        ):
            first = part.start
            inside = np.flatnonzero((neurons >= first) & (neurons < part.stop))
            if not len(inside) or not by_state:
                continue
            model, constants = (
                population.model,
                self.take_constants(population, neurons[inside] - first),
            )
            n = len(model.coordinates)
            own = coordinates[:n, inside]
            given = [
                np.broadcast_to(np.asarray(by_state.get(v, 0.0), np.float64), (len(inside),))
                for v in model.state
            ]
            adjoint = population.call("leave_chart_vjp", *own, *constants, *given)
            for c in range(n):
                found[c, inside] = adjoint[c]
            if self.parameters and list_constants(model):
                direct = population.call("leave_chart_constants_vjp", *own, *constants, *given)
                self.add_by_constant(population, rows, direct, neurons[inside] - first)
        return found

    def enter_probes(self, probed_state: StateSlopes) -> np.ndarray:
        """The same for all probes, in the shape of the tape."""
        recording = self.recording
        check_slopes(self.network, probed_state)
        width, n_probes, n_at = recording.probed_coordinates.shape
        found = np.zeros((width, n_probes, n_at))
        for k in range(n_probes):
            slopes = [
                {name: pick_probe(value, k) for name, value in by_state.items()}
                for by_state in probed_state
            ]
            found[:, k] = self.enter(slopes, recording.probed_coordinates[:, k], recording.probed)
        return found.reshape(width, n_probes * n_at)

    def take_constants(self, population: Population, members: np.ndarray) -> np.ndarray:
        """Constants of some neurons of a population."""
        return population.constants if population.is_uniform else population.constants[:, members]

    def add_by_constant(
        self, population: Population, row: int, values: Sequence[ArrayLike], members: np.ndarray
    ) -> None:
        """Add derivatives by the constants of some neurons of a population."""
        for c, value in enumerate(values):
            each = np.broadcast_to(value, (len(members),))
            if population.is_uniform:
                self.by_constant[c, row] += each.sum()
            else:
                self.by_constant[c, row + members] += each

    def collect(self) -> Gradients:
        """Sort the derivatives by what they belong to."""
        network, wiring = self.network, self.wiring
        by_weight, by_delay = (order_edges(wiring, v) for v in (self.by_weight, self.by_delay))
        times = np.zeros(count_inputs(network))
        times[wiring.inputs] = self.by_input
        initial = [
            self.collect_initial(population, part, row)
            for (population, part), row in zip(network.parts, wiring.first_rows, strict=True)
        ]
        return Gradients(
            **collect_connections(network, by_weight, by_delay),
            **collect_times(network, times),
            initial=initial,
            parameters=self.collect_parameters() if self.parameters else None,
        )

    def collect_initial(
        self, population: Population, part: slice, row: int
    ) -> dict[str, np.ndarray]:
        """Derivatives by the initial state of a population."""
        model, members = population.model, np.arange(population.size)
        own = self.adjoints[: len(model.coordinates), part]
        names: tuple[str, ...]
        if population.starts_at_phase:
            names, name, start = (model.initial,), "initial_state", [population.start_phase]
        else:
            names, name = model.state, "enter_chart"
            start = list(population.start_state.values())
        arguments = (*start, *population.constants, *own)
        slopes = population.call(f"{name}_vjp", *arguments)
        if self.parameters and list_constants(model):
            direct = population.call(f"{name}_constants_vjp", *arguments)
            self.add_by_constant(population, row, direct, members)
        return {
            n: np.array(np.broadcast_to(slope, (population.size,)))
            for n, slope in zip(names, slopes, strict=True)
        }

    def collect_parameters(self) -> list[dict[str, Given]]:
        """Derivatives by the parameters of each population."""
        found: list[dict[str, Given]] = []
        for population, row in zip(self.network.populations, self.wiring.first_rows, strict=True):
            model = population.model
            names = list_constants(model)
            n_rows = 1 if population.is_uniform else population.size
            if not names:
                found.append({name: 0.0 for name in model.parameters})
                continue
            by_constant = self.by_constant[: len(names), row : row + n_rows]
            slopes = population.call("constants_vjp", *population.values, *by_constant)
            found.append(
                {
                    name: np.array(np.broadcast_to(slope, (n_rows,)))
                    if np.ndim(population.parameters[name])
                    else float(np.sum(np.broadcast_to(slope, (n_rows,))))
                    for name, slope in zip(model.parameters, slopes, strict=True)
                }
            )
        return found


def count_inputs(network: Network) -> int:
    """How many input spikes there are, steps of the channels of currents included."""
    n_steps = sum(c.size * len(c.times) for c in network.currents)
    return sum(len(p.times) for p in network.inputs) + n_steps


def collect_connections(
    network: Network, by_weight: np.ndarray, by_delay: np.ndarray
) -> dict[str, Any]:
    """Derivatives by weights, delays and values of currents, as fields of `Gradients`.

    Args:
        network: The network.
        by_weight: By the weights of all connections, in the order of their bundles.
        by_delay: By their delays.
    """
    weights = merge_bundles(network, by_weight, by_weight=True)
    delays = merge_bundles(network, by_delay, by_weight=False)
    pairs = list(zip(network.projections, weights, delays, strict=True))
    return {
        "weights": [p.shape_like(w) for p, w, _ in pairs],
        "delays": [p.shape_like(d) for p, _, d in pairs],
        "current_values": find_slopes(network, by_weight) if network.currents else [],
    }


def collect_times(network: Network, times: np.ndarray) -> dict[str, Any]:
    """Derivatives by the times of inputs, and of steps, as fields of `Gradients`."""
    sizes = [len(p.times) for p in network.inputs]
    sizes += [c.size * len(c.times) for c in network.currents]
    parts = np.split(times, np.cumsum(sizes, dtype=int)[:-1]) if sizes else []
    n = len(network.inputs)
    return {
        "input_times": parts[:n],
        "current_times": [
            part.reshape(len(c.times), c.size).sum(axis=1)
            for c, part in zip(network.currents, parts[n:], strict=True)
        ],
    }


def list_constants(model: CompiledModel) -> list[str]:
    """The constants by which a model's functions have derivatives."""
    function = getattr(model.module, "constants_vjp", None)
    if function is None:
        return []
    return list(inspect.signature(function).parameters)[len(model.parameters) :]


def pick_probe(value: Given, k: int) -> Given:
    """Derivatives at one probe; a number stands for all."""
    return value if np.ndim(value) == 0 else np.asarray(value)[k]


def check_slopes(network: Network, slopes: StateSlopes) -> None:
    """Raise unless derivatives by states have one table per population, by its variables."""
    if len(slopes) != len(network.populations):
        raise InputError(
            f"Expected derivatives by states for {len(network.populations)} populations but got "
            f"{len(slopes)}; give one table per population, empty ones included."
        )
    for population, by_state in zip(network.populations, slopes, strict=True):
        unknown = [name for name in by_state if name not in population.model.state]
        if unknown:
            raise InputError(
                f"Expected derivatives by {', '.join(population.model.state)} for "
                f"{population.name} but got {unknown[0]!r}; correct its name."
            )


def find_jacobian(recording: Recording, **options: Any) -> list[Gradients]:
    """Derivatives of every spike time: the gradients of spike 0, of spike 1, ...

    The cost is one backward pass per spike; meant for small networks.

    Args:
        recording: A run with ``record=True``.
        options: As for `differentiate`.
    """
    units = np.eye(len(recording.spike_time))
    return [differentiate(recording, spike_time=unit, **options) for unit in units]
