"""Arrivals of the inputs, all known before they come."""

import numpy as np

from sim.network.instants import list_arrivals
from sim.network.rows import BlockRows
from sim.windows.records import Inputs


def make_inputs() -> Inputs:
    """None."""
    none, places = np.empty(0), np.empty(0, np.int64)
    return Inputs(
        times=none, sent=none, tracts=places, rows=places, own_times=none, own_tracts=places,
        own_rows=places,
    )  # fmt: skip


def list_inputs(
    rows: BlockRows, times: np.ndarray, sources: np.ndarray, duration: float
) -> Inputs:  # fmt: skip
    """What input spikes send, up to T, sorted by time; ties as `sim.windows.arrivals` says.

    Args:
        rows: The connections.
        times: Of the spikes, sorted [time].
        sources: Source of each.
        duration: T [time].
    """
    senders = np.searchsorted(rows.senders, sources, side="right") - 1
    counts = np.diff(rows.sender_tracts)[senders]
    events = np.repeat(np.arange(len(times)), counts)
    within = np.arange(len(events)) - np.repeat(np.cumsum(counts) - counts, counts)
    tracts = rows.sender_tracts[senders][events] + within
    places = sources[events] - rows.tract_sources[tracts]
    own = rows.tract_own_delays[tracts]
    delays, sent = rows.tract_delays[tracts], times[events]
    arrivals = np.where(delays == 0, sent, list_arrivals(sent, delays, rows.ticks))
    keys = np.where(delays == 0, -np.inf, sent)
    order = find_order(arrivals, keys)
    order = order[(arrivals[order] <= duration) & ~own[order]]
    return Inputs(
        times=arrivals[order], sent=keys[order], tracts=tracts[order], rows=places[order],
        own_times=sent[own], own_tracts=tracts[own], own_rows=places[own],
    )  # fmt: skip


def join_inputs(left: Inputs, n_done: int, n_own_done: int, more: Inputs) -> Inputs:
    """Inputs of which some have come, and others written out, with those of later spikes."""
    firsts = [n_own_done if name.startswith("own") else n_done for name in Inputs._fields]
    joined = [np.concatenate([a[n:], b]) for a, b, n in zip(left, more, firsts, strict=True)]
    order = find_order(joined[0], joined[1])
    return Inputs(*[a[order] for a in joined[:4]], *joined[4:])


def find_order(times: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """The order by time, then by key; of what has both the same as it came."""
    later = times[1:] > times[:-1]
    if (later | ((times[1:] == times[:-1]) & (keys[1:] >= keys[:-1]))).all():  # as it mostly is
        return np.arange(len(times))
    return np.lexsort((keys, times))
