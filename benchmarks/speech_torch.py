"""Recurrent networks in PyTorch: a GRU on loudness, spiking neurons with surrogate gradients.

Both go through a recording in steps of 10 ms. The spiking ones hear the encoder's spikes, counted
in these steps.
"""

import copy
import math
import time
from importlib.util import find_spec
from typing import Any

import numpy as np

from benchmarks.speech_classic import Score
from benchmarks.speech_data import STEP, Words, change_images, count_spikes
from sim.speech.splits import Split
from sim.threads import get_thread_count
from sim.training.energy import ADD_PJ, MULTIPLY_ACCUMULATE_PJ

BATCH = 64
RATE = 4e-3
SMOOTHING = 0.05
TAU = 0.02
"""Time constant of the membranes [s]."""
NETWORKS = ("GRU", "surrogate gradient", "snnTorch")


def is_there(name: str) -> bool:
    """Whether what a network needs is installed."""
    needed = ("torch", "snntorch") if name == "snnTorch" else ("torch",)
    return all(find_spec(one) is not None for one in needed)


def make_gru(n_inputs: int, n_hidden: int, n_outputs: int) -> Any:
    """A GRU whose mean state over the recording is read."""
    import torch

    class Gru(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.hidden = torch.nn.GRU(n_inputs, n_hidden, batch_first=True)
            self.out = torch.nn.Linear(n_hidden, n_outputs)

        def forward(self, x: Any) -> tuple[Any, float]:
            states, _ = self.hidden(x)
            return self.out(states.mean(dim=1)), 0.0

    return Gru()


def make_spiking(n_inputs: int, n_hidden: int, n_outputs: int, *, peer: bool) -> Any:
    """A recurrent layer of leaky neurons with a surrogate slope, and a leaky readout.

    V <- b V + W x + R s - s,  s = [V > 1];  the slope of s is 1/(1 + 10 |V - 1|)^2

    Args:
        n_inputs: Channels.
        n_hidden: Hidden neurons.
        n_outputs: Classes.
        peer: Whether the neurons are snnTorch's.
    """
    import torch

    decay = math.exp(-STEP / TAU)

    class Spike(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, above: Any) -> Any:
            ctx.save_for_backward(above)
            return (above > 0).to(above.dtype)

        @staticmethod
        def backward(ctx: Any, *bars: Any) -> Any:
            (above,) = ctx.saved_tensors
            return bars[0] / (1.0 + 10.0 * above.abs()) ** 2

    class Spiking(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.into = torch.nn.Linear(n_inputs, n_hidden)
            self.own = torch.nn.Linear(n_hidden, n_hidden, bias=False)
            self.out = torch.nn.Linear(n_hidden, n_outputs)
            torch.nn.init.normal_(self.into.weight, 0.1 / math.sqrt(n_inputs), 1 / n_inputs**0.5)
            torch.nn.init.normal_(self.own.weight, 0.0, 0.3 / n_hidden**0.5)
            self.leaky = make_leaky() if peer else None

        def advance(self, v: Any, spikes: Any, current: Any) -> tuple[Any, Any]:
            if self.leaky is not None:
                fired, v = self.leaky(current, v)
                return v, fired
            v = decay * v + current - spikes
            return v, Spike.apply(v - 1.0)

        def forward(self, x: Any) -> tuple[Any, Any]:
            currents = self.into(x)
            v = spikes = torch.zeros_like(currents[:, 0])
            potential, total = torch.zeros_like(spikes), torch.zeros_like(spikes)
            count = torch.zeros(())
            for k in range(x.shape[1]):
                v, spikes = self.advance(v, spikes, currents[:, k] + self.own(spikes))
                potential = decay * potential + (1.0 - decay) * spikes
                total = total + potential
                count = count + spikes.sum()
            return self.out(total / x.shape[1] * 10.0), count / len(x)

    def make_leaky() -> Any:
        import snntorch

        slope = snntorch.surrogate.fast_sigmoid(slope=10)
        return snntorch.Leaky(beta=decay, spike_grad=slope, reset_mechanism="subtract")

    return Spiking()


class Hearing:
    """What networks hear of a recording in each step."""

    def __init__(self, words: Words, *, spiking: bool) -> None:
        self.words, self.spiking = words, spiking
        self.group = round(STEP / words.fine.hop)
        self.plain = self.make(words.images, None)

    def make(self, images: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """Shape (n, n_steps, bands), float32."""
        if self.spiking:
            return count_spikes(images, self.words.fine, STEP, rng)
        if rng is not None:
            images = change_images(images, self.words.fine, rng)
        n, frames, bands = images.shape
        grouped = images.reshape(n, frames // self.group, self.group, bands).mean(axis=2)
        return np.asarray(grouped, dtype=np.float32)


def train_network(
    hearing: Hearing, name: str, split: Split, seed: int, *, n_hidden: int, epochs: int
) -> Score:
    """Train with augmentation, keep the epoch that is best on the validation part, test."""
    import torch

    torch.manual_seed(seed)
    torch.set_num_threads(get_thread_count())
    labels, rng = hearing.words.labels, np.random.default_rng([seed, 5])
    sizes = hearing.words.fine.bands, n_hidden, 10
    network = make_gru(*sizes) if name == "GRU" else make_spiking(*sizes, peer=name == "snnTorch")
    optimiser = torch.optim.Adam(network.parameters(), lr=RATE)
    steps = epochs * -(-len(split.train) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    loss = torch.nn.CrossEntropyLoss(label_smoothing=SMOOTHING)
    best, kept, begin = -1.0, network.state_dict(), time.perf_counter()
    for _ in range(epochs):
        heard = hearing.make(hearing.words.images[split.train], rng)
        order = rng.permutation(len(split.train))
        for first in range(0, len(order), BATCH):
            own = order[first : first + BATCH]
            optimiser.zero_grad()
            logits, _ = network(torch.from_numpy(heard[own]))
            loss(logits, torch.from_numpy(labels[split.train[own]])).backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            schedule.step()
        right, _ = test_network(network, hearing, split.validation)
        if right >= best:
            best, kept = right, copy.deepcopy(network.state_dict())
    seconds = time.perf_counter() - begin
    network.load_state_dict(kept)
    right, spikes = test_network(network, hearing, split.test)
    return Score(
        validation=best, test=right, seconds=seconds, epoch_seconds=seconds / epochs,
        picojoules=estimate(hearing, name, n_hidden, spikes, split.test),
        settings=f"{n_hidden} hidden, {epochs} epochs",
    )  # fmt: skip


def test_network(network: Any, hearing: Hearing, chosen: np.ndarray) -> tuple[float, float]:
    """Share that is right, and hidden spikes of a sample."""
    import torch

    hits, spikes = 0, 0.0
    with torch.no_grad():
        for first in range(0, len(chosen), 250):
            own = chosen[first : first + 250]
            logits, count = network(torch.from_numpy(hearing.plain[own]))
            answers = logits.argmax(dim=1).numpy()
            hits += int(np.count_nonzero(answers == hearing.words.labels[own]))
            spikes += float(count) * len(own)
    return hits / len(chosen), spikes / len(chosen)


test_network.__test__ = False  # type: ignore[attr-defined]


def estimate(
    hearing: Hearing, name: str, n_hidden: int, spikes: float, chosen: np.ndarray
) -> float:
    """Arithmetic of one answer, a lower bound [pJ]."""
    n_steps, bands = hearing.plain.shape[1:]
    if name == "GRU":
        products = n_steps * 3 * (bands * n_hidden + n_hidden**2) + 10 * n_hidden
        return MULTIPLY_ACCUMULATE_PJ * products
    heard = float(hearing.plain[chosen].sum()) / len(chosen)
    return ADD_PJ * (heard * n_hidden + spikes * (n_hidden + 10))
