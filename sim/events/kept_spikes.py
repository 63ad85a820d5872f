"""Which spikes of a run are kept, and where: all on the tape, some of them, or handed on."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from sim.events.recording import Recording
from sim.events.tape import N_SPIKES, Tape
from sim.network.network import Network
from spiketheory.errors import InputError

OnSpikes = Callable[[np.ndarray, np.ndarray], None]
"""Is given times, sorted, and neurons of spikes."""

R = TypeVar("R", bound=Recording)


def check_recorded(
    network: Network, recorded: Sequence[int] | np.ndarray | None
) -> np.ndarray | None:
    """The neurons whose spikes are kept, rising; None for all.

    Raises:
        InputError: If they are none of the network's.
    """
    if recorded is None:
        return None
    neurons, n = np.array(recorded), network.n_neurons
    if len(neurons) == 0:
        return np.empty(0, np.int64)
    if neurons.dtype.kind not in "iu" or neurons.min() < 0 or neurons.max() >= n:
        raise InputError(
            f"Expected neurons 0 to {n - 1} in recorded but got values from {neurons.min()} to "
            f"{neurons.max()}; neurons are counted through the populations."
        )
    return np.unique(neurons).astype(np.int64)


class KeptSpikes:
    """Takes spikes from a run's tape every so often, so that it needs no room for them.

    Args:
        n_neurons: Number of neurons.
        recorded: Neurons whose spikes are kept; None for all.
        on_spikes: Is given these spikes; None keeps them here.
    """

    def __init__(
        self, n_neurons: int, recorded: np.ndarray | None, on_spikes: OnSpikes | None
    ) -> None:
        self.recorded, self.on_spikes, self.n_spikes = recorded, on_spikes, 0
        self.counts = np.zeros(n_neurons, np.int64)
        self.is_kept = np.ones(n_neurons, dtype=bool)
        if recorded is not None:
            self.is_kept[:] = False
            self.is_kept[recorded] = True
        self.parts: list[tuple[np.ndarray, np.ndarray]] = [(np.empty(0), np.empty(0, np.int64))]

    def take(self, tape: Tape) -> None:
        """Take the spikes from the tape of a run that is not gone back through."""
        n = int(tape.counts[N_SPIKES])
        self.add(tape.spike_times[:n], tape.spike_neurons[:n])
        tape.counts[N_SPIKES] = 0

    def add(self, times: np.ndarray, neurons: np.ndarray) -> None:
        """Take the next spikes; the arrays may change afterwards."""
        if not len(times):
            return
        self.n_spikes += len(times)
        self.counts += np.bincount(neurons, minlength=len(self.counts))
        own = self.is_kept[neurons]
        kept = times[own], neurons[own]
        if self.on_spikes is None:
            self.parts.append(kept)
        elif len(kept[0]):
            self.on_spikes(*kept)

    def collect(self) -> tuple[np.ndarray, np.ndarray]:
        """Times and neurons of the spikes that were kept here."""
        times, neurons = zip(*self.parts, strict=True)
        return np.concatenate(times), np.concatenate(neurons)


def keep_spikes(
    recording: R, recorded: Sequence[int] | np.ndarray | None, on_spikes: OnSpikes | None
) -> R:
    """A run that has all its spikes, with those alone that were to be kept.

    Args:
        recording: The run.
        recorded: Neurons whose spikes are kept; None for all.
        on_spikes: Is given these spikes; None keeps them in the recording.
    """
    chosen = check_recorded(recording.network, recorded)
    if chosen is None and on_spikes is None:
        return recording
    kept = KeptSpikes(recording.network.n_neurons, chosen, on_spikes)
    kept.add(recording.spike_time, recording.spike_neuron)
    times, neurons = kept.collect()
    return replace(
        recording, spike_time=times, spike_neuron=neurons, recorded=chosen, counted=kept.counts
    )
