"""The networks of `benchmarks.large`, and our engines with them."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.timing import Step
from derivations import compile_model
from sim.network.network import Network, Population, Projection

DELAY = 0.1
"""The shortest [tau]."""
CLASSES = (0.1, 0.15, 0.25)
LONGEST = 0.3
"""Of delays that each connection has its own of [tau]."""
STRENGTH = -0.3
"""Sum of the weights of a neuron's inputs, in units of its threshold."""
DRIVES = {"lif_delta": 1.35, "theta": 6.6, "qif_delta": 6.6, "lif": 1.35}


@dataclass(frozen=True, kw_only=True)
class Task:
    """A random network.

    Attributes:
        model: Of its neurons.
        n: How many.
        in_degree: Connections onto each.
        weights: ``one`` for all, or one for each synapse in ``float32`` or ``float64``.
        delays: ``one``, three ``classes``, or each synapse its ``own``.
        duration: Of the trial [tau].
    """

    model: str
    n: int
    in_degree: int = 100
    weights: str = "one"
    delays: str = "one"
    duration: float = 1.0

    @property
    def name(self) -> str:
        """What the figure is called."""
        more = [f"{self.weights} weights"] * (self.weights != "one")
        more += [f"{self.delays} delays"] * (self.delays != "one")
        return ", ".join([f"{self.model}, N = {self.n:,d}, {self.in_degree} synapses", *more])

    @property
    def settings(self) -> dict[str, Any]:
        """What peers are told."""
        delays = list(CLASSES) if self.delays == "classes" else [DELAY]
        return {
            "n": self.n, "in_degree": self.in_degree, "delays": delays,
            "drive": DRIVES.get(self.model, 0.0), "weight": STRENGTH / self.in_degree,
            "one_weight": self.weights == "one", "duration": self.duration, "threads": 1,
        }  # fmt: skip
