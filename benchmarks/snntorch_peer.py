"""snnTorch beside ours: leaky integrate-and-fire neurons of the same sizes, 25 time steps.

Not the same computation: it steps in time and its gradient is a surrogate. The settings are those
of its tutorials: 25 steps, beta = 0.95, constant input, cross entropy summed over the steps, Adam.
"""

import warnings
from collections.abc import Callable
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import numpy as np

from sim.threads import get_thread_count

STEPS = 25
BETA = 0.95
FLIP = 0.02


def is_installed() -> bool:
    """Whether snnTorch and PyTorch are."""
    return find_spec("snntorch") is not None and find_spec("torch") is not None


def make_snntorch(
    images: np.ndarray, labels: np.ndarray, sizes: tuple[int, ...], batch: int
) -> tuple[Callable[[], object], Callable[[], object]]:
    """Functions that take one training step, and run one batch forward; float32."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import snntorch

    torch.set_num_threads(get_thread_count())
    torch.manual_seed(0)
    linear = torch.nn.ModuleList([torch.nn.Linear(n, m) for n, m in pairwise(sizes)])
    leaky = torch.nn.ModuleList([snntorch.Leaky(beta=BETA) for _ in linear])
    optimiser = torch.optim.Adam(linear.parameters(), lr=1e-12)
    lossy = torch.nn.CrossEntropyLoss()
    inputs = torch.from_numpy((images > 0.5).astype(np.float32))
    targets = torch.from_numpy(labels)

    def run(x: Any, wanted: Any) -> Any:
        membranes = [neuron.init_leaky() for neuron in leaky]
        total = torch.zeros(())
        for _ in range(STEPS):
            spikes = x
            for k, (layer, neuron) in enumerate(zip(linear, leaky, strict=True)):
                spikes, membranes[k] = neuron(layer(spikes), membranes[k])
            total = total + lossy(membranes[-1], wanted)
        return total

    def train() -> None:
        chosen = torch.randint(0, len(inputs), (batch,))
        x = inputs[chosen]
        x = torch.where(torch.rand(x.shape) < FLIP, 1 - x, x)
        optimiser.zero_grad()
        run(x, targets[chosen]).backward()
        optimiser.step()

    def infer() -> None:
        with torch.no_grad():
            run(inputs[:batch], targets[:batch])

    return train, infer
