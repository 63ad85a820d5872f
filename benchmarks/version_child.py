"""The steps that `benchmarks.versions` times, in one process, under this version or an older one.

``python version_child.py`` prints one line of JSON: seconds by step. It imports nothing of
this package, and looks for each name where the versions have it.
"""

import json
import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

PLACES = {
    "run_batch": ("sim.layers.batch", "sim.batch"),
    "BinnedInput": ("sim.inputs.encoding", "sim.encoding"),
    "make_first_spike_loss": ("sim.losses", "sim.loss"),
    "LayerStack": ("sim.network.layer_stack", "sim.network.layered.Network", "sim.records.Network"),
    "simulate": ("sim.events.simulate", "sim.recurrent"),
    "differentiate": ("sim.events.differentiate", "sim.differentiate"),
    "Network": ("sim.network.network", "sim.network.network.Circuit", "sim.circuit.Circuit"),
    "Population": ("sim.network.network", "sim.circuit"),
    "Projection": ("sim.network.network", "sim.circuit"),
    "connect_fixed_in_degree": ("sim.network.connect", "sim.connect"),
    "compile_model": ("derivations",),
}
"""Where versions have each name, newest first; where it had another name, that stands behind."""
SAMPLES, REPEATS, EVENT_REPEATS = 1000, 15, 3


def find(name: str) -> Any:
    """A name from the first place that has it."""
    for place in PLACES[name]:
        module, _, last = place.rpartition(".")
        renamed = last[:1].isupper()
        try:
            loaded = import_module(module if renamed else place)
        except ModuleNotFoundError:
            continue
        found = getattr(loaded, last if renamed else name, None)
        if found is not None:
            return found
    raise ModuleNotFoundError(name)


def time_median(step: Callable[[], object], repeats: int) -> float:
    """Median seconds of a step that ran once before."""
    step()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))


def make_layers() -> Callable[[bool], object]:
    """One step of the digit task, batch of `SAMPLES`: forward, and back if told so."""
    rng = np.random.default_rng(0)
    sizes = ((784, 100), (100, 100), (100, 10))
    network = find("LayerStack")(
        model=find("compile_model")("theta"),
        parameters={"tau": 6 / np.pi, "I0": 1.25},
        duration=2.0,
        weights=tuple(rng.uniform(-0.5, 0.5, s) / np.sqrt(s[0]) for s in sizes),
    )
    bins = (rng.uniform(size=(SAMPLES, 784)) > 0.19).astype(np.uint8)
    inputs = find("BinnedInput")(times=np.array([0.0201]), bins=bins)
    labels = rng.integers(0, 10, SAMPLES)
    loss = find("make_first_spike_loss")(gamma=0.01, duration=2.0)
    run_batch = find("run_batch")
    return lambda gradient: run_batch(network, inputs, labels, loss, gradient=gradient)


def make_events() -> tuple[Callable[[], Any], Callable[[Any], object]]:
    """A recurrent network of 1000 theta neurons: forward, and back."""
    rng = np.random.default_rng(0)
    model = find("compile_model")("theta")
    network = find("Network")(
        populations=[
            find("Population")(
                name="c", model=model, size=1000, initial={"V": rng.normal(0.5, 0.5, 1000)}
            )
        ],
        projections=[
            find("Projection")(
                pre="c", post="c",
                weights=find("connect_fixed_in_degree")(1000, 1000, 100, -0.01, rng),
            )
        ],
        duration=20.0,
    )  # fmt: skip
    simulate, differentiate = find("simulate"), find("differentiate")
    return (
        lambda: simulate(network, record=True),
        lambda r: differentiate(r, spike_time=np.ones(len(r.spike_time))),
    )


def measure() -> dict[str, float]:
    """Seconds by step; ``start`` is that of the first training step, compilation included."""
    begun = time.perf_counter()
    step = make_layers()
    step(True)
    found = {"start": time.perf_counter() - begun}
    found["training step"] = time_median(lambda: step(True), REPEATS)
    found["inference step"] = time_median(lambda: step(False), REPEATS)
    forward, backward = make_events()
    recording = forward()
    found["events forward"] = time_median(forward, EVENT_REPEATS)
    found["events backward"] = time_median(lambda: backward(recording), EVENT_REPEATS)
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure()) + "\n")
