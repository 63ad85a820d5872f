"""What users of large networks ask of spike trains: rates, irregularity, synchrony."""

from dataclasses import dataclass

import numpy as np

from sim.analysis.spike_measures import measure_cv
from sim.events.recording import Recording
from spiketheory.errors import InputError


@dataclass(frozen=True, kw_only=True, eq=False)
class SpikeStatistics:
    """Statistics of the neurons of a run.

    Attributes:
        rates: Spikes per time, shape (n_neurons,) [1/time].
        cv: Coefficient of variation of the intervals between spikes, shape (n_neurons,); NaN for
            neurons of fewer than three spikes, which have no two intervals.
        synchrony: Strength of the synchrony of the whole network, 0 to 1 (`measure_synchrony`).
    """

    rates: np.ndarray
    cv: np.ndarray
    synchrony: float

    @property
    def mean_rate(self) -> float:
        """Mean over the neurons [1/time]."""
        return float(self.rates.mean())

    @property
    def mean_cv(self) -> float:
        """Mean over the neurons that have one; NaN if none has."""
        known = self.cv[np.isfinite(self.cv)]
        return float(known.mean()) if len(known) else float("nan")


def measure_statistics(recording: Recording, *, start: float = 0.0) -> SpikeStatistics:
    """Rates, CV of intervals and synchrony of the spikes after a transient.

    Args:
        recording: A run; of one that kept the spikes of some neurons, these are looked at alone.
        start: End of the transient that is left out [time].

    Raises:
        InputError: If nothing is left.
    """
    if not 0 <= start < recording.time:
        raise InputError(
            f"Expected a start from 0 to below {recording.time:g} but got {start:g}; leave out "
            "less of the run."
        )
    kept = recording.spike_time >= start
    times, neurons = recording.spike_time[kept], recording.spike_neuron[kept]
    n, span = recording.network.n_neurons, recording.time - start
    if recording.recorded is not None:
        n, neurons = len(recording.recorded), np.searchsorted(recording.recorded, neurons)
    return SpikeStatistics(
        rates=np.bincount(neurons, minlength=n) / span,
        cv=measure_cv(times, neurons, n),
        synchrony=measure_synchrony(times - start, neurons, n, span),
    )


def measure_synchrony(times: np.ndarray, neurons: np.ndarray, n_neurons: int, span: float) -> float:
    r"""Modulus of the mean phase factor, averaged over time: Kuramoto's order parameter.

    $\chi = \langle |\sum_i e^{2 \pi i \phi_i} / n| \rangle$ over the neurons between two of their
    spikes, the phase $\phi$ growing linearly from 0 to 1 between these. 1: all spike
    together; independent neurons give about $1/\sqrt n$. NaN if nobody spikes twice.
    """
    order = np.argsort(neurons, kind="stable")
    sorted_times, owners = times[order], neurons[order]
    instants = (np.arange(N_INSTANTS) + 0.5) * (span / N_INSTANTS)
    firsts = np.searchsorted(owners, np.arange(n_neurons + 1))
    total, n_active = np.zeros(N_INSTANTS, complex), np.zeros(N_INSTANTS)
    for i in range(n_neurons):
        own = sorted_times[firsts[i] : firsts[i + 1]]
        if len(own) < 2:
            continue
        place = np.searchsorted(own, instants, side="right") - 1
        active = (place >= 0) & (place < len(own) - 1)
        before, after = own[place[active]], own[place[active] + 1]
        phase = (instants[active] - before) / (after - before)
        total[active] += np.exp(2j * np.pi * phase)
        n_active += active
    seen = n_active > 0
    return float(np.mean(np.abs(total[seen]) / n_active[seen])) if seen.any() else float("nan")


N_INSTANTS = 200
"""Times at which phases are compared."""
