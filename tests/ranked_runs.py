"""A program that ranks run, and what it runs: `python -m ranked_runs OUT.npz ...`, by mpirun."""

import itertools
import sys

import numpy as np
from networks import compiled

from sim.network.drawn import Drawn
from sim.network.network import Network, Population, Projection, SpikeTrains
from sim.windows.ranked import simulate_in_ranks
from sim.windows.ranks import open_ranks


def draw_network(backend="numpy"):
    """Models with and without a frame, parameters per neuron, inputs, delays per connection."""
    rng, size = np.random.default_rng(0), 16
    drive = {"theta": 6.6, "lif_delta": np.linspace(1.2, 1.5, size), "qif": 0.0}
    populations = [
        Population(
            name=name, model=compiled(name, backend), size=size,
            parameters={} if name == "qif" else {"I0": I0},
            initial={"phi0" if name == "theta" else "V": rng.uniform(0, 1, size)},
        )
        for name, I0 in drive.items()
    ]  # fmt: skip
    projections = [
        Projection(
            pre=pre, post=post, weights=Drawn(
                rule="in_degree", number=6, shape=(size, size), weight=rng.normal(0.02, 0.1),
                delay=0.1 if pre == post else 0.15, stream=stream,
            ),
        )
        for stream, (pre, post) in enumerate(itertools.product(drive, repeat=2))
    ]  # fmt: skip
    own = rng.uniform(0.1, 0.4, (size, size)).round(2)
    projections.append(
        Projection(pre="theta", post="qif", weights=np.full((size, size), 0.05), delays=own)
    )
    times = np.sort(rng.uniform(0, 4, 60)).round(2)
    trains = SpikeTrains(name="in", size=4, times=times, channels=rng.integers(0, 4, 60))
    projections += [
        Projection(pre="in", post="theta", weights=rng.normal(0.3, 0.1, (size, 4))),
        Projection(pre="in", post="qif", weights=np.full((size, 4), 0.2), delays=own[:, :4]),
    ]
    return Network(populations=populations, inputs=[trains], projections=projections, duration=4.0)


OPTIONS = {"probe_times": [0.5, 0.55, 2.0, 4.0], "probed": [40, 3, 17, 0, 33]}


def write(path, recording):
    np.savez(
        path, time=recording.spike_time, neuron=recording.spike_neuron, end=recording.end,
        probed=recording.probed_coordinates, counts=recording.spike_counts,
    )  # fmt: skip


def main(out):
    ranks = open_ranks()
    recording = simulate_in_ranks(draw_network(), ranks, block_size=10, **OPTIONS)
    assert len(recording.spike_time) == 0 or ranks.is_first
    if ranks.is_first:
        write(out, recording)


if __name__ == "__main__":
    main(*sys.argv[1:])
