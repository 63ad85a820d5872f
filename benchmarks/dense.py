"""A dense ReLU network of the same size, trained with PyTorch if it is installed, else NumPy.

The same step as ours: a batch of stored images, 2 % random flips, softmax cross entropy, gradient,
and an adaptive optimiser (Adam).
"""

from collections.abc import Callable
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import numpy as np

from sim.threads import get_thread_count
from sim.training.optim import make_optimiser

FLIP = 0.02


def find_library() -> str:
    """``torch`` or ``numpy``."""
    return "torch" if find_spec("torch") is not None else "numpy"


def make_dense(
    images: np.ndarray, labels: np.ndarray, sizes: tuple[int, ...], batch: int, precision: str
) -> tuple[Callable[[], object], Callable[[], object]]:
    """Functions that take one training step, and run one batch forward."""
    make = make_torch if find_library() == "torch" else make_numpy
    return make(images, labels, sizes, batch, precision)


def make_torch(
    images: np.ndarray, labels: np.ndarray, sizes: tuple[int, ...], batch: int, precision: str
) -> tuple[Callable[[], object], Callable[[], object]]:
    """The two functions in PyTorch."""
    import torch

    torch.set_num_threads(get_thread_count())
    torch.manual_seed(0)
    kind = getattr(torch, precision)
    layers: list[Any] = []
    for n, m in pairwise(sizes):
        layers += [torch.nn.Linear(n, m, dtype=kind), torch.nn.ReLU()]
    network = torch.nn.Sequential(*layers[:-1])
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-12)
    lossy = torch.nn.CrossEntropyLoss()
    inputs = torch.from_numpy(images > 0.5).to(kind)
    targets = torch.from_numpy(labels)

    def train() -> None:
        chosen = torch.randint(0, len(inputs), (batch,))
        x = inputs[chosen]
        flips = torch.rand(x.shape) < FLIP
        x = torch.where(flips, 1 - x, x)
        optimiser.zero_grad()
        lossy(network(x), targets[chosen]).backward()
        optimiser.step()

    def infer() -> None:
        with torch.no_grad():
            lossy(network(inputs[:batch]), targets[:batch])

    return train, infer


def make_numpy(
    images: np.ndarray, labels: np.ndarray, sizes: tuple[int, ...], batch: int, precision: str
) -> tuple[Callable[[], object], Callable[[], object]]:
    """The two functions in NumPy."""
    rng = np.random.default_rng(0)
    weights = [rng.normal(0, np.sqrt(2 / n), (n, m)).astype(precision) for n, m in pairwise(sizes)]
    inputs = (images > 0.5).astype(precision)
    optimiser = make_optimiser("adam")
    memory = optimiser.init(weights)

    def forward(x: np.ndarray, wanted: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
        layers = [x]
        for w in weights[:-1]:
            layers.append(np.maximum(layers[-1] @ w, 0))
        scores = layers[-1] @ weights[-1]
        scores -= scores.max(axis=1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=1, keepdims=True)
        return layers, scores

    def train() -> None:
        chosen = rng.integers(0, len(inputs), batch)
        x = inputs[chosen]
        flips = rng.random(x.shape, dtype=np.float32) < FLIP
        x = np.where(flips, 1 - x, x)
        layers, back = forward(x, labels[chosen])
        back[np.arange(batch), labels[chosen]] -= 1
        back /= batch
        gradients = []
        for layer, w in zip(reversed(layers), reversed(weights), strict=True):
            gradients.append(layer.T @ back)
            if layer is not x:
                back = (back @ w.T) * (layer > 0)
        optimiser.update(weights, gradients[::-1], memory, 1e-12)

    def infer() -> float:
        _, probabilities = forward(inputs[:batch], labels[:batch])
        return float(-np.log(probabilities[np.arange(batch), labels[:batch]]).mean())

    return train, infer
