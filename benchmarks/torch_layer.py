"""MNIST by the module of PyTorch and by `spiketheory train`, epoch by epoch in one run.

`python -m benchmarks.torch_layer --samples 60000 --epochs 6`
"""

import argparse
import time
from dataclasses import replace
from typing import Any

import torch

from derivations import compile_model
from sim.inputs.encoding import encode_bins
from sim.interop.torch import SpikingNetwork
from sim.network.layered import layered
from sim.training.config import make_config
from sim.training.data import Dataset, load_dataset
from sim.training.train import Trainer

GAMMA = 0.01


class Learner:
    """The same network, batches and loss by PyTorch.

    Args:
        trainer: The run of the product, untrained.
        data: The data set.
    """

    def __init__(self, trainer: Trainer, data: Dataset) -> None:
        start = trainer.network(trainer.start())
        weights = [w.T for w in start.weights]
        network = layered(
            start.model, weights, duration=start.duration, parameters=start.parameters
        )
        self.duration, self.model = start.duration, SpikingNetwork(network)
        self.optimiser = torch.optim.Adam(self.model.parameters(), lr=4e-3)
        self.model.project_after(self.optimiser)
        train, test = (
            encode_bins(x, n_bins=1, T=start.duration)
            for x in (data.train_inputs, data.test_inputs)
        )
        self.times, self.bins = torch.tensor(train.times), torch.tensor(train.bins)
        self.labels, self.test_bins = torch.tensor(data.train_labels), torch.tensor(test.bins)
        self.test_labels = torch.tensor(data.test_labels)

    def run_epoch(self, batch: int) -> None:
        """Learn from all samples once."""
        for chosen in torch.randperm(len(self.labels)).split(batch):
            spikes, label = self.model(self.times, self.bins[chosen]), self.labels[chosen]
            late = torch.expm1(spikes.gather(1, label[:, None]) / self.duration).mean()
            loss = torch.nn.functional.cross_entropy(-spikes, label) + GAMMA * late
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()

    def measure_accuracy(self) -> float:
        """Fraction of the test samples that are right."""
        with torch.no_grad():
            guesses = self.model(self.times, self.test_bins).argmin(dim=1)
        return float((guesses == self.test_labels).double().mean())


def measure(run: Any) -> tuple[float, float]:
    """Seconds of the clock and of the processors."""
    wall, busy = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - wall, time.process_time() - busy


def main() -> None:
    """Print a line per epoch."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=60_000)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--data", default=None, help="folder that holds MNIST/raw")
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    whole = load_dataset("mnist", root=given.data)
    data = replace(
        whole, train_inputs=whole.train_inputs[: given.samples],
        train_labels=whole.train_labels[: given.samples],
    )  # fmt: skip
    config = make_config(dataset="mnist")
    trainer = Trainer(config, data, compile_model("theta"))
    state, learner = trainer.start(), Learner(trainer, data)
    trainer.compile(state)
    learner.model(learner.times, learner.bins[:2]).sum().backward()
    print("epoch  accuracy: train, torch  seconds: train, torch, ratio  processors: ratio")
    for epoch in range(given.epochs):
        _, busy = measure(lambda: trainer.run_epoch(state))
        row = state.rows[-1]
        busy -= measure(lambda: trainer.evaluate(state))[1]
        wall_torch, busy_torch = measure(lambda: learner.run_epoch(config.optimiser.batch))
        print(
            f"{epoch + 1:5}  {row['test_accuracy']:.4f} {learner.measure_accuracy():.4f}  "
            f"{row['seconds']:.2f} {wall_torch:.2f} {wall_torch / row['seconds']:.2f}  "
            f"{busy_torch / busy:.2f}"
        )


if __name__ == "__main__":
    main()
