"""The plain event loop, the yardstick of `sim.events.loop`: every event advances all neurons.

It obeys the same rules for simultaneous events, in other words: it shares with `sim.events.loop`
what happens to one neuron, and nothing of how events are found.
"""

import heapq
from collections.abc import Callable
from typing import Any

import numpy as np

from sim.events.interface import CROSSED, DEFERRED, LOST
from sim.events.link import link_neurons
from sim.events.loop import get_width
from sim.events.recording import Advance, Recording, StoppedError
from sim.network.network import Network
from sim.network.wiring import wire


def simulate_plainly(
    network: Network,
    probe_times: np.ndarray,
    probed: np.ndarray,
    max_spikes: int,
    on_advance: Callable[[Advance], bool] | None,
) -> Recording:
    """Run a network until its trial's end; see `sim.events.simulate.simulate`."""
    return PlainRun(network, probe_times, probed, max_spikes).finish(on_advance)


class PlainRun:
    """A run under way."""

    def __init__(
        self, network: Network, probe_times: np.ndarray, probed: np.ndarray, max_spikes: int
    ) -> None:
        self.network, self.wiring, self.max_spikes = network, wire(network), max_spikes
        self.functions = link_neurons(self.wiring.models)
        self.states = np.asfortranarray(self.wiring.start)
        self.waits = [self.call("find_wait", i) for i in range(network.n_neurons)]
        self.at_once = [False] * network.n_neurons
        self.now = 0.0
        self.under_way: list[tuple[float, int, int]] = []
        self.n_sent = 0
        self.deferred: list[int] = []
        self.probe_times, self.probed = probe_times, probed
        self.spikes: list[tuple[float, int]] = []
        self.probed_coordinates: list[np.ndarray] = []

    def call(self, name: str, i: int, *arguments: Any) -> Any:
        """Call a function of one neuron."""
        wires = self.wiring.wires
        kind, row = int(wires.kinds[i]), int(wires.rows[i])
        return self.functions[name](kind, self.states, i, wires.table, row, *arguments)

    def advance(self, duration: float, spiker: int) -> None:
        """Advance all neurons but the one that spikes."""
        for i in range(self.network.n_neurons):
            if i != spiker and duration > 0 and not self.at_once[i]:
                self.call("probe", i, duration, self.states, i)
                self.waits[i] = self.call("find_wait", i)
        self.now += duration

    def deliver(self, first: int, end: int) -> None:
        """An event arrives by a range of connections."""
        wires = self.wiring.wires
        for edge in range(first, end):
            i = int(wires.targets[edge])
            pending = self.at_once[i]
            wait, happened, _ = self.call("receive", i, 0.0, wires.weights[edge], pending)
            if happened == LOST:
                raise StoppedError(
                    f"Expected finite states but neuron {i} left the range of the number format at "
                    f"t={self.now:g}; lower the weights of its inputs.",
                    self.close(self.now),
                )
            if happened == DEFERRED:
                self.deferred.append(edge)
                self.waits[i] = 0.0
                continue
            self.waits[i] = wait
            self.at_once[i] = happened == CROSSED or (pending and wait == 0.0)

    def emit(self, source: int) -> None:
        """An event leaves its source."""
        wires = self.wiring.wires
        for group in range(wires.source_groups[source], wires.source_groups[source + 1]):
            delay = float(wires.group_delays[group])
            if delay == 0.0:
                self.deliver(int(wires.group_edges[group]), int(wires.group_edges[group + 1]))
            else:
                heapq.heappush(self.under_way, (self.now + delay, self.n_sent, group))
                self.n_sent += 1

    def spike(self, i: int) -> None:
        """A neuron spikes, and what had to wait for that arrives."""
        self.spikes.append((self.now, i))
        self.waits[i] = self.call("spike", i, self.waits[i], self.at_once[i])
        self.at_once[i] = False
        self.emit(i)
        waiting = [edge for edge in self.deferred if self.wiring.wires.targets[edge] == i]
        self.deferred = [edge for edge in self.deferred if edge not in waiting]
        for edge in waiting:
            self.deliver(edge, edge + 1)

    def finish(self, on_advance: Callable[[Advance], bool] | None) -> Recording:
        """Run to the end."""
        wires, duration = self.wiring.wires, self.network.duration
        inputs = list(zip(wires.input_times.tolist(), wires.input_sources.tolist(), strict=True))
        probes = self.probe_times.tolist()
        while True:
            spiker = int(np.argmin(self.waits))
            at_input = inputs[0][0] if inputs else np.inf
            at_arrival = self.under_way[0][0] if self.under_way else np.inf
            at_probe = probes[0] if probes else np.inf
            first = min(at_input, at_arrival, at_probe)
            at_spike = self.now + self.waits[spiker]
            if first > duration and at_spike >= duration:
                self.advance(duration - self.now, -1)
                return self.close(duration)
            if at_spike < first:
                self.advance(self.waits[spiker], spiker)
                self.now = at_spike
                self.spike(spiker)
                if len(self.spikes) > self.max_spikes:
                    raise StoppedError(
                        f"Expected at most {self.max_spikes} spikes but got more by "
                        f"t={self.now:g}; lower the excitation, or raise max_spikes.",
                        self.close(self.now),
                    )
            else:
                self.advance(first - self.now, -1)
                self.now = first
                if first == at_input:
                    self.emit(inputs.pop(0)[1])
                elif first == at_arrival:
                    group = heapq.heappop(self.under_way)[2]
                    self.deliver(int(wires.group_edges[group]), int(wires.group_edges[group + 1]))
                else:
                    probes.pop(0)
                    self.probed_coordinates.append(self.states[:, self.probed].copy())
            progress = Advance(time=self.now, duration=duration, n_spikes=len(self.spikes))
            if on_advance is not None and on_advance(progress):
                return self.close(self.now)

    def close(self, time: float) -> Recording:
        """The record of what was run up to ``time``."""
        found = np.zeros((get_width(self.wiring.models), len(self.probe_times), len(self.probed)))
        for k, states in enumerate(self.probed_coordinates):
            found[:, k] = states
        times, neurons = zip(*self.spikes, strict=True) if self.spikes else ((), ())
        return Recording(
            network=self.network, wiring=self.wiring, spike_time=np.array(times, np.float64),
            spike_neuron=np.array(neurons, np.int64), end=self.states, time=time,
            probe_times=self.probe_times, probed=self.probed, probed_coordinates=found,
            under_way=np.array([group for _, _, group in self.under_way], np.int64),
        )  # fmt: skip
