"""Input spikes of a run, piece by piece: those that are drawn need no memory but for one piece.

In the order of `sim.network.wiring.sort_inputs`: by time, and those of one time in the order of the
network's inputs, in which pieces are cut behind all spikes of an instant.
"""

from dataclasses import replace

import numpy as np

from sim.inputs.drawn_trains import DrawnTrains
from sim.network.network import Network, SpikeTrains

SPIKES_AT_ONCE = 1_000_000
"""About so many input spikes are drawn for a piece."""


def has_drawn(network: Network) -> bool:
    """Whether a network has inputs that are drawn."""
    return any(isinstance(p, DrawnTrains) for p in network.inputs)


def leave_out_drawn(network: Network) -> Network:
    """A network without the spikes of the inputs that are drawn."""
    none = np.empty(0), np.empty(0, np.int64)
    inputs = [
        SpikeTrains(name=p.name, size=p.size, times=none[0], channels=none[1])
        if isinstance(p, DrawnTrains)
        else p
        for p in network.inputs
    ]
    return replace(network, inputs=inputs)


class InputStream:
    """The input spikes of a network up to its end.

    Args:
        network: The network.
        times, sources: The spikes that are not drawn, sorted.
        at_once: About how many spikes a piece has.
    """

    def __init__(
        self, network: Network, times: np.ndarray, sources: np.ndarray,
        at_once: int = SPIKES_AT_ONCE,
    ) -> None:  # fmt: skip
        self.duration, self.time = network.duration, 0.0
        self.times, self.sources = times, sources
        self.done = 0
        ends = [network.n_neurons + network.slices[p.name].stop for p in network.inputs]
        self.edges = [network.n_neurons, *ends, network.n_sources]
        self.drawn = [p.open() if isinstance(p, DrawnTrains) else None for p in network.inputs]
        busiest = sum(s.trains.find_busiest() for s in self.drawn if s is not None)
        self.length = at_once / busiest if busiest > 0 else np.inf

    def draw_piece(self) -> tuple[float, np.ndarray, np.ndarray]:
        """The next piece: its end, and times and sources of its spikes.

        Spikes at the end are in it.
        """
        end = min(self.time + self.length, self.duration)
        last = int(np.searchsorted(self.times, end, side="right"))
        times, sources = self.times[self.done : last], self.sources[self.done : last]
        parts = []
        for k, source in enumerate([*self.drawn, None]):  # steps of currents come last
            first, stop = self.edges[k], self.edges[k + 1]
            if source is None:
                own = (sources >= first) & (sources < stop)
                parts.append((times[own], sources[own]))
            else:
                drawn, channels = source.draw_until(end)
                parts.append((drawn, channels + first))
        all_times = np.concatenate([p[0] for p in parts])
        order = np.argsort(all_times, kind="stable")
        self.time, self.done = end, last
        return end, all_times[order], np.concatenate([p[1] for p in parts])[order]
