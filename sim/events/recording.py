"""What a run of a recurrent network did, how far it is, and why it stopped."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sim.events.checkpoints import Checkpoints
from sim.events.tape import Tape
from sim.network.instants import list_arrivals
from sim.network.network import Network
from sim.network.wiring import Wires, Wiring, wire
from spiketheory.errors import InputError, SimulationError
from spiketheory.shown import shown_by


@dataclass(frozen=True, kw_only=True)
class Advance:
    """How far a run is.

    Attributes:
        time: Time of the last event [time].
        duration: The trial's end T [time].
        n_spikes: Spikes so far.
    """

    time: float
    duration: float
    n_spikes: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Recording:
    """What a run of a network did.

    Attributes:
        network: The network.
        spike_time: Of the spikes that were kept, sorted, shape (n_spikes,) [time].
        spike_neuron: Neurons are counted through the populations, shape (n_spikes,).
        end: Coordinates at ``time``, shape (width, n_neurons).
        time: How far the run got: T, unless it was stopped [time].
        probe_times: Times at which states were probed, shape (n_probes,) [time].
        probed: Neurons whose states were probed, shape (n_probed,).
        probed_coordinates: Their coordinates, shape (width, n_probes, n_probed).
        laid_out: The network in flat arrays; None if the engine has them in another form.
        left_over: See `under_way`; None if it is to be found when it is asked for.
        tape: What it takes to go back; None unless asked for.
        cells: The neurons at the end (`sim.events.loop`).
        checkpoints: States from which events can be computed once more; None unless asked for.
        recorded: Neurons whose spikes were kept, rising; None for all.
        counted: Spikes of every neuron, shape (n_neurons,); None where all spikes are here.
    """

    network: Network
    spike_time: np.ndarray
    spike_neuron: np.ndarray
    end: np.ndarray
    time: float
    probe_times: np.ndarray
    probed: np.ndarray
    probed_coordinates: np.ndarray
    laid_out: Wiring | None = None
    left_over: np.ndarray | None = None
    tape: Tape | None = None
    cells: np.ndarray | None = None
    checkpoints: Checkpoints | None = None
    recorded: np.ndarray | None = None
    counted: np.ndarray | None = None

    def __repr__(self) -> str:
        kept = ", can be gone back through" if self.can_go_back else ""
        return (
            f"{type(self).__name__}({len(self.spike_time)} spikes of {self.network.n_neurons} "
            f"neurons, t={self.time:g} of {self.network.duration:g}{kept})"
        )

    _repr_png_ = shown_by("sim.analysis.trial_figure.show_recording")

    @cached_property
    def wiring(self) -> Wiring:
        """The network in flat arrays."""
        return wire(self.network) if self.laid_out is None else self.laid_out

    @cached_property
    def under_way(self) -> np.ndarray:
        """Groups of connections (`sim.network.wiring`) that a spike is under way on, one for each.

        In the order in which engines left them.
        """
        if self.left_over is not None:
            return self.left_over
        if self.counted is not None:
            raise InputError(
                "Expected a run that kept all its spikes, to know which are under way at its end, "
                "but got one with recorded or on_spikes; leave these out."
            )
        return list_under_way(self.wiring.wires, self.spike_time, self.spike_neuron, self.time)

    @property
    def spike_counts(self) -> np.ndarray:
        """Spikes of every neuron, those that were not kept included, shape (n_neurons,)."""
        if self.counted is not None:
            return self.counted
        return np.bincount(self.spike_neuron, minlength=self.network.n_neurons)

    @property
    def can_go_back(self) -> bool:
        """Whether what `sim.events.differentiate.differentiate` needs was kept."""
        return self.tape is not None or self.checkpoints is not None

    @property
    def is_complete(self) -> bool:
        """Whether the run reached the trial's end."""
        return self.time == self.network.duration

    @property
    def lost_neuron(self) -> int | None:
        """A neuron whose coordinates are no numbers at the end or at a probe; None if all are."""
        at_end = np.flatnonzero(~np.isfinite(self.end).all(axis=0))
        looked = self.probed[~np.isfinite(self.probed_coordinates).all(axis=(0, 1))]
        return next((int(i) for i in (*at_end, *looked)), None)

    @cached_property
    def end_state(self) -> list[dict[str, np.ndarray]]:
        """State at the end by variable, for each population; shape (size,) each.

        A membrane potential is infinite only at the very instant of a spike.
        """
        return self.leave_chart(self.end, np.arange(self.network.n_neurons))

    @cached_property
    def probed_state(self) -> list[dict[str, np.ndarray]]:
        """States at the probes by variable, for each population; (n_probes, n_probed) each."""
        found = [
            self.leave_chart(self.probed_coordinates[:, k], self.probed)
            for k in range(len(self.probe_times))
        ]
        return [
            {
                name: np.array([states[p][name] for states in found])
                for name in population.model.state
            }
            for p, population in enumerate(self.network.populations)
        ]

    def leave_chart(
        self, coordinates: np.ndarray, neurons: np.ndarray
    ) -> list[dict[str, np.ndarray]]:
        """States by variable of some neurons, for each population (empty where none is in it)."""
        states = []
        for population, part in self.network.parts:
            inside = (neurons >= part.start) & (neurons < part.stop)
            own = coordinates[: len(population.model.coordinates), inside]
            constants = population.constants
            if not population.is_uniform:
                constants = constants[:, neurons[inside] - part.start]
            with np.errstate(all="ignore"):
                values = population.call("leave_chart", *own, *constants)
            states.append(
                {
                    name: np.array(np.broadcast_to(value, (int(inside.sum()),)))
                    for name, value in zip(population.model.state, values, strict=True)
                }
            )
        return states

    def trains(self) -> list[np.ndarray]:
        """Spike times neuron by neuron."""
        order = np.argsort(self.spike_neuron, kind="stable")
        edges = np.searchsorted(self.spike_neuron[order], np.arange(1, self.network.n_neurons))
        return np.split(self.spike_time[order], edges)


def list_under_way(
    wires: Wires, times: np.ndarray, neurons: np.ndarray, end: float
) -> np.ndarray:  # fmt: skip
    """The groups of connections by which inputs and spikes arrive after the end."""
    inside = wires.input_times <= end
    sent = np.concatenate([wires.input_times[inside], times])
    sources = np.concatenate([wires.input_sources[inside], neurons])
    firsts = wires.source_groups[sources]
    counts = wires.source_groups[sources + 1] - firsts
    groups = np.repeat(firsts - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
    delays = wires.group_delays[groups]
    arrivals = list_arrivals(np.repeat(sent, counts), delays, wires.ticks)
    return groups[(delays > 0) & (arrivals > end)]


class StoppedError(SimulationError):
    """A run did not reach the trial's end; ``recording`` holds what it did.

    Attributes:
        recording: Everything up to the last event.
    """

    def __init__(self, message: str, recording: Recording) -> None:
        super().__init__(message)
        self.recording = recording
