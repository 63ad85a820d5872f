"""What a simulator that steps in time loses: its spike times beside exact ones.

A network of leaky neurons of `benchmarks.large`, by our engine and in steps of tau/100, by the rule
of simulators that do so (S. Rotter and M. Diesmann, Biol. Cybern. 81, 381, 1999): exact from step
to step, spikes and arrivals on the grid only.
"""

import numpy as np

from benchmarks.large_networks import DELAY, PARAMETERS, Task, make_network
from benchmarks.suite import Session
from sim import simulate
from sim.network.network import Network

TASK = Task(model="lif_delta", n=1_000, duration=20.0)
STEP = 0.01
"""Of the grid [tau]."""
NAME = "grid of tau/100"


def measure(session: Session) -> None:
    """How far spike times are off, and when the two are different networks."""
    network = make_network(TASK)
    exact = simulate(network, engine="windows")
    times, neurons = step_network(network, STEP)
    settings = {"n": TASK.n, "in_degree": TASK.in_degree, "step": STEP, "duration": TASK.duration}
    ours, theirs = (
        [np.sort(t[i == k]) for k in range(TASK.n)]
        for t, i in ((exact.spike_time, exact.spike_neuron), (times, neurons))
    )
    for number in (1, 3, 10):
        off = [abs(a[number - 1] - b[number - 1]) for a, b in zip(ours, theirs, strict=True)
               if min(len(a), len(b)) >= number]  # fmt: skip
        session.add(f"{NAME}: spike {number} of a neuron is off by, on average",
                    [float(np.mean(off))], "tau", None, **settings)  # fmt: skip
    other = np.mean([len(a) != len(b) for a, b in zip(ours, theirs, strict=True)])
    session.add(f"{NAME}: neurons with another number of spikes", [100 * float(other)], "%",
                None, **settings)  # fmt: skip
    session.add_ratio(f"{NAME}: spikes, of those that there are", [float(len(times))],
                      [float(len(exact.spike_time))], None, **settings)  # fmt: skip


def step_network(network: Network, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Spike times and neurons of the network on a grid [tau]."""
    (population,), (projection,) = network.populations, network.projections
    drive, decay = PARAMETERS["lif_delta"]["I0"], np.exp(-step)
    matrix = projection.matrix.tocsr()
    v = np.array(population.coordinates[0])
    ring = np.zeros((round(DELAY / step), population.size))
    times, neurons = [], []
    for k in range(1, round(network.duration / step) + 1):
        slot = k % len(ring)
        v = drive + (v - drive) * decay + ring[slot]
        spiking = v >= 1.0
        ring[slot] = matrix @ spiking
        v[spiking] = 0.0
        found = np.flatnonzero(spiking)
        times.append(np.full(len(found), k * step))
        neurons.append(found)
    return np.concatenate(times), np.concatenate(neurons)
