"""Writes spikes to a file until it is killed, or has no room; spike k is at time k."""

import resource
import signal
import sys
from pathlib import Path

import numpy as np

from derivations import compile_model
from sim.files import spike_stream
from sim.network.network import Network, Population


def main(path: Path, limit: int) -> None:
    model = compile_model("theta", backend="numpy")
    network = Network(populations=[Population(name="a", model=model, size=7)], duration=1e12)
    spike_stream.PAUSE = 0.0  # each piece is written, however fast the machine is
    stream = spike_stream.SpikeStream(path, network, None)
    if limit:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    rng, n = np.random.default_rng(0), 0
    sys.stdout.write("begins\n")
    sys.stdout.flush()
    try:
        while True:
            times = np.arange(n, n + int(rng.integers(1, 50_000)), dtype=float)
            stream.add(times, times.astype(int) % 7)
            n += len(times)
            stream.advance(times[-1])
    finally:
        stream.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
