"""The spikes of a run, as statistics take them: from memory or from a file."""

from dataclasses import dataclass

import numpy as np

from sim.events.recording import Recording
from spiketheory.shown import Short


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class SpikeData(Short):
    """The spikes of a run.

    Attributes:
        times: Sorted, shape (n_spikes,) [time].
        neurons: Counted through the populations, shape (n_spikes,).
        names: Names of the populations.
        sizes: Numbers of their neurons.
        recorded: Neurons whose spikes are here, rising, shape (n_recorded,).
        time: How far the run got [time].
    """

    times: np.ndarray
    neurons: np.ndarray
    names: tuple[str, ...]
    sizes: tuple[int, ...]
    recorded: np.ndarray
    time: float

    @classmethod
    def of_recording(cls, recording: Recording) -> "SpikeData":
        """The spikes that a run has in memory."""
        network = recording.network
        every = np.arange(network.n_neurons)
        return cls(
            times=recording.spike_time, neurons=recording.spike_neuron,
            names=tuple(p.name for p in network.populations),
            sizes=tuple(p.size for p in network.populations),
            recorded=every if recording.recorded is None else recording.recorded,
            time=recording.time,
        )  # fmt: skip

    def select(self, place: int, start: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Spikes of a population from a time on.

        Args:
            place: Which population.
            start: Spikes before are left out [time].

        Returns:
            Times; for each spike the place of its neuron among those that were recorded; and these,
            counted through the populations.
        """
        first = sum(self.sizes[:place])
        low, high = np.searchsorted(self.recorded, [first, first + self.sizes[place]])
        own = self.recorded[low:high]
        begin = np.searchsorted(self.times, start)
        times, neurons = self.times[begin:], self.neurons[begin:]
        inside = (neurons >= first) & (neurons < first + self.sizes[place])
        return times[inside], np.searchsorted(own, neurons[inside]), own
