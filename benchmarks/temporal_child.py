"""The event engine of this version or an older one, for `benchmarks.temporal`.

``python temporal_child.py TASK.npz MODEL`` prints a line of JSON when it is ready, and one with the
CPU seconds of a trial for every line that it reads: running it and going back. It imports
nothing of this package, and looks for each name where the versions have it.
"""

import json
import sys
import time
from importlib import import_module
from typing import Any

import numpy as np

PLACES = {
    "simulate": ("sim.recurrent", "sim.events.simulate"),
    "differentiate": ("sim.differentiate", "sim.events.differentiate"),
    "Network": ("sim.circuit.Circuit", "sim.network.network.Network"),
    "Population": ("sim.circuit.Population", "sim.network.network.Population"),
    "Projection": ("sim.circuit.Projection", "sim.network.network.Projection"),
    "SpikeTrains": ("sim.circuit.SpikeTrains", "sim.network.network.SpikeTrains"),
    "compile_model": ("derivations",),
}
"""Where versions have each name, oldest first: one that is installed from its sources shows newer
modules to an older checkout, too."""


def find(name: str) -> Any:
    """A name from the first place that has it."""
    for place in PLACES[name]:
        module, _, last = place.rpartition(".")
        renamed = last[:1].isupper()
        try:
            return getattr(import_module(module if renamed else place), last if renamed else name)
        except ModuleNotFoundError:
            continue
    raise ModuleNotFoundError(name)


def make_network(task: Any, model: str) -> Any:
    """The network with the spikes of one trial."""
    n, n_channels = task["weights"].shape
    projections = [find("Projection")(pre="input", post="n", weights=task["weights"])]
    if "recurrent" in task:
        delays = np.broadcast_to(task["delays"], (n, n)).copy() if "delays" in task else None
        projections.append(
            find("Projection")(pre="n", post="n", weights=task["recurrent"], delays=delays)
        )
    varied = [name for name in task if name.startswith("parameter_")]
    population = find("Population")(
        name="n", model=find("compile_model")(model), size=n,
        parameters={name.removeprefix("parameter_"): task[name] for name in varied},
    )  # fmt: skip
    trains = find("SpikeTrains")(
        name="input", size=n_channels, times=task["times"], channels=task["channels"]
    )
    return find("Network")(
        populations=[population], inputs=[trains], projections=projections,
        duration=float(task["duration"]),
    )  # fmt: skip


def run(network: Any) -> int:
    """Run the trial and go back; returns the number of spikes."""
    recording = find("simulate")(network, record=True)
    count = len(recording.spike_time)
    find("differentiate")(recording, spike_time=np.ones(count))
    return count


def main(path: str, model: str) -> None:
    """Answer until there are no more lines."""
    network = make_network(dict(np.load(path)), model)
    answer: dict[str, float] = {"spikes": run(network)}
    while True:
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
        if not sys.stdin.readline():
            return
        start = time.process_time()
        run(network)
        answer = {"seconds": time.process_time() - start}


if __name__ == "__main__":
    main(*sys.argv[1:])
