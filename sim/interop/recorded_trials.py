"""Lists of recordings or spike trains as trials."""

from typing import Any

import numpy as np

from sim.events.recording import Recording
from sim.inputs.trials import Trials
from spiketheory.errors import InputError


def list_trials(inputs: Any, n_channels: int | None) -> Trials:
    """Trials of a list of recordings, pairs or spike trains.

    Args:
        inputs: `Trials`, or an entry per trial: a `Recording`, a tuple (times, channels), or the
            spike times of each channel.
        n_channels: Number of channels; None counts them.

    Raises:
        InputError: If an entry is none of these, or has other channels.
    """
    if isinstance(inputs, Trials):
        return inputs
    pairs = [read_entry(entry, k) for k, entry in enumerate(inputs)]
    if n_channels is None:
        n_channels = max((n for _, _, n in pairs), default=0)
    return Trials.from_pairs([(t, c) for t, c, _ in pairs], n_channels=max(n_channels, 1))


def read_entry(entry: Any, k: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Times, channels, and how many channels there are."""
    if isinstance(entry, Recording):
        return entry.spike_time, entry.spike_neuron, entry.network.n_neurons
    if isinstance(entry, tuple) and len(entry) == 2:
        times, channels = np.asarray(entry[0], float), np.asarray(entry[1])
        if not channels.size:
            channels = channels.astype(np.int64)
        return times, channels, int(channels.max(initial=-1)) + 1
    try:
        trains = [np.asarray(train, float).reshape(-1) for train in entry]
    except (TypeError, ValueError) as err:
        raise InputError(
            f"Expected a Recording, a tuple (times, channels) or a list of spike trains but entry "
            f"{k} is a {type(entry).__name__}; give one of these for each trial."
        ) from err
    times = np.concatenate([np.empty(0), *trains])
    return times, np.repeat(np.arange(len(trains)), [len(t) for t in trains]), len(trains)
