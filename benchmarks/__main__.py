"""Gradients and inference beside a dense network: ``python -m benchmarks``.

One run measures, in turns, (a) loss and gradient of a batch through 784-100-100-10 theta neurons,
(b) its forward pass, (c) loss and gradient and (d) the forward pass of a dense ReLU network of the
same size written with NumPy (float64, the same threads). Input is synthetic: 15 % of 784 pixels
are on, as in MNIST; weights are random, scaled so that about as many hidden neurons spike as after
training (0.4 per sample). Optimiser and augmentation, the same for both, are left out. Prints
medians, ranges and ratios.
"""

import statistics
import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np

from derivations import compile_model
from sim.batch import prepare_events, run_batch
from sim.encoding import BinnedInput, bin_times
from sim.loss import make_first_spike_loss
from sim.records import Network
from sim.threads import get_thread_count

SIZES = (784, 100, 100, 10)
BATCH = 1000
ROUNDS = 15
PAUSE = 0.1  # BLAS threads spin for a while after their work and would slow what comes next


def make_spiking_step(rng: np.random.Generator, *, gradient: bool) -> Callable[[], float]:
    """A batch through the spiking network; returns spikes per hidden neuron and sample."""
    weights = [
        rng.uniform(-0.5, 0.5, (n, m)) / np.sqrt(n) * scale
        for (n, m), scale in zip(pairwise(SIZES), (20.0, 12.0, 6.0), strict=True)
    ]
    network = Network(
        model=compile_model("theta"),
        parameters={"tau": 6 / np.pi, "I0": 1.25},
        duration=2.0,
        weights=tuple(weights),
    )
    bins = (rng.random((BATCH, SIZES[0])) > 0.15).astype(np.uint8)
    inputs = BinnedInput(times=bin_times(n_bins=1, T=2.0), bins=bins)
    events = prepare_events(inputs, duration=2.0)
    labels = rng.integers(0, SIZES[-1], BATCH)
    loss = make_first_spike_loss(gamma=0.01, duration=2.0)

    def step() -> float:
        outcome, _ = run_batch(network, events, labels, loss, gradient=gradient)
        return float(outcome.hidden_spikes.mean() / network.n_hidden)

    return step


def make_dense_step(rng: np.random.Generator, *, gradient: bool) -> Callable[[], float]:
    """A batch through a dense ReLU network with softmax cross entropy."""
    weights = [rng.normal(0, 1 / np.sqrt(n), (n, m)) for n, m in pairwise(SIZES)]
    inputs = (rng.random((BATCH, SIZES[0])) < 0.15).astype(np.float64)
    labels = rng.integers(0, SIZES[-1], BATCH)

    def step() -> float:
        layers = [inputs]
        for w in weights[:-1]:
            layers.append(np.maximum(layers[-1] @ w, 0.0))
        scores = layers[-1] @ weights[-1]
        scores -= scores.max(axis=1, keepdims=True)
        probabilities = np.exp(scores)
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        if gradient:
            back = probabilities.copy()
            back[np.arange(BATCH), labels] -= 1.0
            for layer, w in zip(reversed(layers), reversed(weights), strict=True):
                layer.T @ back
                if layer is not inputs:
                    back = (back @ w.T) * (layer > 0)
        return float(probabilities[np.arange(BATCH), labels].mean())

    return step


def measure(steps: dict[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Seconds of every step, one round after the other."""
    for step in steps.values():
        step()
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(ROUNDS):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            seconds[name].append(time.perf_counter() - start)
            time.sleep(PAUSE)
    return seconds


def main() -> None:
    """Measure and print."""
    rng = np.random.default_rng(0)
    steps = {
        "spiking, gradient": make_spiking_step(rng, gradient=True),
        "spiking, forward": make_spiking_step(rng, gradient=False),
        "dense, gradient": make_dense_step(rng, gradient=True),
        "dense, forward": make_dense_step(rng, gradient=False),
    }
    activity = steps["spiking, forward"]()
    seconds = measure(steps)
    print(f"{'-'.join(map(str, SIZES))}, batch {BATCH}, float64, {get_thread_count()} threads, "
          f"{activity:.2f} spikes per hidden neuron, {ROUNDS} interleaved rounds")  # fmt: skip
    for name, times in seconds.items():
        rates = sorted(BATCH / t for t in times)
        print(
            f"  {name:24s} {statistics.median(rates):10,.0f} samples/s"
            f"   ({rates[0]:,.0f} to {rates[-1]:,.0f})"
        )
    for kind in ("gradient", "forward"):
        pairs = zip(seconds[f"spiking, {kind}"], seconds[f"dense, {kind}"], strict=True)
        ratio = statistics.median(a / b for a, b in pairs)
        print(f"  {kind}: {ratio:.2f} times the time of the dense network")


if __name__ == "__main__":
    main()
