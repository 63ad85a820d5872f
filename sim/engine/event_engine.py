"""The event engine for batches: any graph, sparse or dense, with delays; trial by trial."""

from collections.abc import Callable
from typing import Any

from sim.engine.single_trials import TrialEngine
from sim.events.differentiate import differentiate
from sim.events.pseudospikes import find_outputs
from sim.events.recording import Recording
from sim.events.simulate import simulate
from sim.network.network import Network
from sim.network.wiring import rewire, wire


def prepare(network: Network) -> Callable[..., Recording]:
    """What runs a network with other input spikes; it is laid out once for all."""
    wiring = wire(network)

    def run(own: Network, **options: Any) -> Recording:
        return simulate(own, wiring=rewire(wiring, own), **options)

    return run


EVENTS = TrialEngine("events", prepare, find_outputs, differentiate)
"""Touches at an event only the neurons that it reaches."""
