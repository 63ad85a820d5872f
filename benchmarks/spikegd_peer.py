"""The paper's code, measured in a process of its own that `benchmarks.peer_process` talks to.

    python spikegd_peer.py CHECKOUT TASK.npz float64

Runs in an interpreter with JAX and optax, which need not have spiketheory. The network, its loss
and its simulation are imported from the checkout's MNIST experiment; its training step, which
stands inside a function there, is put together here of the same parts: random flips, gradient, an
AdaBelief update, phases clipped. What the experiment imports to load data and to draw is not needed
and replaced if it is missing.

Answers each line on the standard input, ``train`` or ``infer``, with the seconds that it took.
"""

import importlib.machinery
import json
import sys
import time
import types
from functools import partial
from pathlib import Path

NOT_NEEDED = (
    "torch", "torch.utils", "torch.utils.data", "torchvision", "torchvision.datasets", "tqdm",
    "tqdm.notebook", "matplotlib", "matplotlib.axes", "matplotlib.patches",
    "spikegd.utils.plotting",
)  # fmt: skip


class Absent(types.ModuleType):
    """Stands for a module that is not needed: every name in it is an empty class."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {"MNIST": type("MNIST", (), {})})


def replace_unneeded():
    """Put empty modules in the place of those that only load data and draw."""
    for name in NOT_NEEDED:
        module = Absent(name)
        module.__path__ = []
        module.__spec__ = importlib.machinery.ModuleSpec(name, None, is_package=True)
        sys.modules[name] = module


def main():
    """Load the task, compile both steps, and answer."""
    checkout, task, precision = sys.argv[1:4]
    sys.path[0] = str(Path(checkout))
    sys.path.append(str(Path(checkout) / "experiments" / "mnist"))
    import numpy as np

    replace_unneeded()
    import jax
    import jax.numpy as jnp
    import optax

    jax.config.update("jax_enable_x64", precision == "float64")
    import mnist
    from spikegd.theta import ThetaNeuron

    data = dict(np.load(task))
    n_layers = len([name for name in data if name.startswith("W")])
    config = {
        "Nin": 784, "Nin_virtual": 1, "Nhidden": data["W0"].shape[1], "Nlayer": n_layers,
        "Nout": 10, "T": 2.0, "K": int(data["capacity"]), "gamma": 0.01,
    }  # fmt: skip
    neuron = ThetaNeuron(6 / np.pi, 5 / 4, 1e-6)
    weights = [jnp.asarray(data[f"W{k}"].T, dtype=precision) for k in range(n_layers)]
    parameters = [weights, jnp.asarray(data["phi0"], dtype=precision)]
    images, labels = jnp.asarray(data["bins"].astype(np.int64)), jnp.asarray(data["labels"])
    optimiser = optax.adabelief(1e-12, b1=0.9, b2=0.999)

    @jax.jit
    def flip(key, x):
        key, subkey = jax.random.split(key)
        return key, jnp.where(jax.random.bernoulli(subkey, p=0.02, shape=x.shape), 1 - x, x)

    simulate = partial(mnist.simulatefn, neuron)

    @jax.jit
    def step(p, x, wanted, memory):
        run = jax.value_and_grad(lambda p: simulate(p, x, wanted, config), has_aux=True)
        (loss, hits), slopes = run(p)
        updates, memory = optimiser.update(slopes, memory)
        p = optax.apply_updates(p, updates)
        p[1] = jnp.clip(p[1], 0, neuron.Theta())
        return loss, hits, p, memory

    forward = jax.jit(lambda p, x, wanted: simulate(p, x, wanted, config))
    box = {"key": jax.random.PRNGKey(0), "p": parameters, "memory": optimiser.init(parameters)}

    def train():
        box["key"], x = flip(box["key"], images)
        loss, _, box["p"], box["memory"] = step(box["p"], x, labels, box["memory"])
        jax.block_until_ready(box["p"])
        return loss

    def infer():
        return jax.block_until_ready(forward(parameters, images, labels))[0]

    steps = {"train": train, "infer": infer}
    losses = {name: float(run()) for name, run in steps.items()}
    print(json.dumps({"ready": losses, "jax": jax.__version__}), flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        steps[line.strip()]()
        print(json.dumps(time.perf_counter() - start), flush=True)


if __name__ == "__main__":
    main()
