"""The Lyapunov exponent of balanced networks: ``python -m benchmarks.lyapunov``.

Sparse random networks of inhibitory theta neurons in the balanced state, as in M. Monteforte and
F. Wolf, Phys. Rev. Lett. 105, 268104 (2010): tau V' = V^2 + I_ext between spikes, an input adds
-J0/sqrt(K) to V, every connection is there with probability K/N, and the drive I_ext is such that
the mean rate is as wanted. In the convention of this package that is I0 = I_ext + 1/4, and V is
shifted by 1/2. The drive is found by bisection for each network; then the leading exponent and its
standard error over parts of the run are printed, and the mean over networks.
"""

import argparse
from collections.abc import Sequence

import numpy as np
import scipy.sparse

from derivations import compile_model
from sim.analysis.lyapunov import Exponent, find_lyapunov_exponent
from sim.events.recording import Recording
from sim.events.simulate import simulate
from sim.network.network import Network, Population, Projection

TAU = 0.01
"""Membrane time constant [s]."""
STEPS = 12


def make_network(
    n: int, in_degree: float, drive: float, duration: float, seed: int, *, coupling: float = 1.0
) -> Network:
    """A random network; times in units of tau.

    Args:
        n: Number of neurons N.
        in_degree: Mean number of connections to a neuron, K.
        drive: External current above the rheobase, I_ext.
        duration: The trial's end T [tau].
        seed: Of connections and initial states.
        coupling: J0.
    """
    rng = np.random.default_rng(seed)
    connected = rng.random((n, n)) < in_degree / n
    np.fill_diagonal(connected, False)
    weights = scipy.sparse.coo_array(connected * (-coupling / np.sqrt(in_degree)))
    population = Population(
        name="n", model=compile_model("theta"), size=n, parameters={"I0": 0.25 + drive},
        initial={"V": rng.normal(0.5, 0.3, n)},
    )  # fmt: skip
    return Network(
        populations=[population],
        projections=[Projection(pre="n", post="n", weights=weights)],
        duration=duration,
    )


def measure_rate(recording: Recording, start: float) -> float:
    """Mean rate after ``start`` [1/tau]."""
    n_spikes = len(recording.spike_time) - int(np.searchsorted(recording.spike_time, start))
    return n_spikes / recording.network.n_neurons / (recording.time - start)


def find_drive(n: int, in_degree: float, rate: float, seed: int, *, spikes: float) -> float:
    """The drive that gives a mean rate [1/tau], by bisection.

    The balance of drive and inhibition alone would need sqrt(K) J0 rate.
    """
    low, high = 0.2 * np.sqrt(in_degree) * rate, 5.0 * np.sqrt(in_degree) * rate
    start = 10.0 / rate
    for _ in range(STEPS):
        drive = float(np.sqrt(low * high))
        network = make_network(n, in_degree, drive, start + spikes / rate, seed)
        if measure_rate(simulate(network), start) < rate:
            low = drive
        else:
            high = drive
    return float(np.sqrt(low * high))


def measure(
    n: int, in_degree: float, hertz: float, seed: int, *, spikes: float
) -> tuple[float, float, Exponent]:
    """Drive, rate [Hz] and exponent [1/tau] of one network, over so many spikes per neuron.

    Ten spikes per neuron before and ten after are left out.
    """
    rate = hertz * TAU
    margin = 10.0 / rate
    drive = find_drive(n, in_degree, rate, seed, spikes=spikes)
    network = make_network(n, in_degree, drive, spikes / rate + 2 * margin, seed)
    recording = simulate(network, record=True)
    exponent = find_lyapunov_exponent(recording, start=margin, settle=margin)
    return drive, measure_rate(recording, margin) / TAU, exponent


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lyapunov", description=__doc__)
    parser.add_argument("--neurons", type=int, default=2000)
    parser.add_argument("--in-degree", type=float, default=100)
    parser.add_argument("--rate", type=float, default=1.0, help="Hz")
    parser.add_argument("--spikes", type=float, default=40.0, help="spikes per neuron")
    parser.add_argument("--networks", type=int, default=3)
    options = parser.parse_args(arguments)
    values = []
    for seed in range(options.networks):
        drive, hertz, exponent = measure(
            options.neurons, options.in_degree, options.rate, seed, spikes=options.spikes
        )
        values.append(exponent.value / TAU)
        print(
            f"network {seed}: drive {drive:.4f}, rate {hertz:.3f} Hz, exponent "
            f"{values[-1]:.2f} +- {exponent.error / TAU:.2f} per second",
            flush=True,
        )
    if len(values) > 1:
        spread = np.std(values, ddof=1) / np.sqrt(len(values))
        print(f"mean of {len(values)} networks: {np.mean(values):.2f} +- {spread:.2f} per second")


if __name__ == "__main__":
    main()
