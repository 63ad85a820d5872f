"""Which networks windows suit, and how time is cut."""

from collections.abc import Sequence

import numpy as np

from sim.network.connections import Connections
from sim.network.instants import choose_ticks, count_ticks
from sim.network.network import Network, Population, Projection
from sim.network.rows import BlockRows
from sim.windows.records import Clock

MOST_WINDOWS = 1e9
"""Of one run: even windows in which nothing happens take a while."""


def why_no_windows(network: Network) -> str:
    """Why a network does not run in windows; empty if it does. No connection is drawn for that."""
    names = {p.name for p in network.populations}
    recurrent = [p for p in network.projections if p.pre in names and p.n_expected]
    delays = np.array([find_shortest(p) for p in recurrent])
    if not len(delays):
        return ""
    ticks = choose_ticks(network.duration, [delays])
    shortest = int(delays.argmin())
    if count_ticks(delays, ticks)[shortest] == 0:
        return f"{recurrent[shortest].label} has connections without a delay"
    if network.duration / delays[shortest] > MOST_WINDOWS:
        return (
            f"{recurrent[shortest].label} has delays of {delays[shortest]:g}, of which T="
            f"{network.duration:g} has more than {MOST_WINDOWS:.0e}"
        )
    return ""


def find_shortest(projection: Projection) -> float:
    """The shortest delay of a projection [time]."""
    given = projection.weights
    if isinstance(given, Connections):
        return given.shortest_delay
    if projection.has_delay_matrix:
        return float(projection.edge_delays.min())
    return projection.delay


def choose_clock(network: Network, rows: BlockRows, framed: Sequence[bool]) -> Clock:
    """Windows of the shortest delay between neurons, or shorter where a frame asks for that.

    Args:
        network: The network.
        rows: Its connections.
        framed: Which populations are in the frame.
    """
    delays = list_delays(network, rows)
    ticks = rows.ticks
    if any(framed):  # which are the same, but that there are some without delays, too
        ticks = choose_ticks(network.duration, [np.ones(1)])
    width = min(float(delays.min(initial=np.inf)), np.ceil(network.duration * ticks) + 1)
    reach = np.inf
    for population, is_framed in zip(network.populations, framed, strict=True):
        if is_framed:
            window, own = find_limits(population)
            width = min(width, np.floor(min(window, own / 2) * ticks))
            reach = min(reach, own)
    return Clock(width=int(width), ticks=ticks, duration=network.duration, reach=reach)


def has_frame(population: Population, duration: float) -> bool:
    """Whether neurons are taken through windows in the frame: all share one that reaches far."""
    if not (population.is_uniform and population.model.has_frame):
        return False
    window, reach = find_limits(population)
    ticks = choose_ticks(duration, [np.ones(1)])
    return bool(min(window, reach / 2) * ticks >= 1)


def find_limits(population: Population) -> tuple[float, float]:
    """Longest time between two looks at a neuron, and since the frame's origin [time]."""
    window, reach = population.call("frame_limits", *population.constants[:, 0])
    return float(window), float(reach)


def list_delays(network: Network, rows: BlockRows) -> np.ndarray:
    """Shortest delays of what neurons send, in ticks."""
    n_tracts = rows.sender_tracts[len(network.populations)]
    if n_tracts == 0 or len(rows.starts) == 0:
        return np.empty(0)
    firsts = rows.starts_at[:, :n_tracts]
    senders = np.searchsorted(rows.senders, rows.tract_sources[:n_tracts])
    sizes = np.diff(rows.senders)[senders]
    ends = np.where(firsts >= 0, firsts + sizes, -1)
    used = (rows.starts[ends] > rows.starts[firsts]).any(axis=0)
    return rows.tract_delays[:n_tracts][used]


def count_slots(network: Network, rows: BlockRows, clock: Clock) -> int:
    """How many windows a spike may be under way, and two more."""
    longest = np.ceil(network.duration * clock.ticks) + 1
    delays = rows.tract_longest
    most = min(float(delays[np.isfinite(delays)].max(initial=0.0)), longest)
    return int(most // clock.width) + 3


def count_tracts(network: Network, rows: BlockRows) -> int:
    """Most tracts by which a neuron sends."""
    return int(np.diff(rows.sender_tracts)[: len(network.populations)].max(initial=0))
