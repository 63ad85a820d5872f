"""The window engine for batches: large networks with delays; trial by trial."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sim.engine.records import AnyLoss
from sim.engine.single_trials import TrialEngine
from sim.events.differentiate import differentiate
from sim.events.pseudospikes import find_outputs
from sim.events.recording import Recording
from sim.network.network import Network
from sim.network.rows import build_rows
from sim.windows.plan import why_no_windows
from sim.windows.simulate import choose_block_size, simulate
from spiketheory.errors import InputError

NO_TAPE = "windows keep nothing to go back through"


def simulate_in_windows(network: Network, *, record: bool = False, **options: Any) -> Recording:
    """Run one trial; see `sim.windows.simulate.simulate`."""
    if record:
        raise InputError(
            f"Expected record=False with the engine 'windows' but got True: {NO_TAPE}; choose the "
            "engine 'events'."
        )
    return simulate(network, **options)


def prepare(network: Network) -> Callable[..., Recording]:
    """What runs a network with other input spikes; its connections are laid out once for all."""
    rows = build_rows(network, block_size=choose_block_size(network))

    def run(own: Network, **options: Any) -> Recording:
        return simulate_in_windows(own, rows=rows, **options)

    return run


@dataclass(frozen=True)
class WindowEngine(TrialEngine):
    """Takes blocks of neurons through windows of the shortest delay."""

    def why_not(self, network: Network, loss: AnyLoss | None = None) -> str:
        """Why it cannot run a network, or not with a loss; empty if it can."""
        return NO_TAPE if loss is not None else why_no_windows(network)


WINDOWS = WindowEngine("windows", prepare, find_outputs, differentiate)
"""Within the shortest delay neurons do not act on each other."""
