"""The plain engine behind the common face: slow, and written to be read; trial by trial."""

from collections.abc import Callable
from typing import Any

from sim.engine.single_trials import TrialEngine
from sim.events.recording import Recording
from sim.network.network import Network
from sim.plain.recording import differentiate_plainly, find_plain_outputs, simulate_plainly


def prepare(network: Network) -> Callable[..., Recording]:
    """What runs a network with other input spikes; it always writes down everything."""

    def run(own: Network, *, record: bool = True, **options: Any) -> Recording:
        return simulate_plainly(own, **options)

    return run


PLAIN = TrialEngine("plain", prepare, find_plain_outputs, differentiate_plainly)
"""Advances all neurons at every event: the yardstick of the others."""
