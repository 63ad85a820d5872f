"""Arrivals of the inputs: all are known before the run begins."""

import numpy as np

from sim.network.instants import list_arrivals
from sim.network.network import Network
from sim.network.rows import BlockRows
from sim.network.wiring import sort_inputs
from sim.windows.records import Inputs


def list_inputs(network: Network, rows: BlockRows) -> Inputs:
    """What the inputs send, sorted by time; simultaneous ones as `sim.windows.arrivals` says."""
    times, sources, _ = sort_inputs(network)
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
    order = np.lexsort((tracts, events, keys, arrivals))
    order = order[(arrivals[order] <= network.duration) & ~own[order]]
    return Inputs(
        times=arrivals[order], sent=keys[order], tracts=tracts[order], rows=places[order],
        own_times=sent[own], own_tracts=tracts[own], own_rows=places[own],
    )  # fmt: skip
