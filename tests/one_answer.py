"""One network in several engines: how to hand it to each, and how far their answers are apart."""

import numpy as np
import scipy.sparse
from networks import latencies

from sim.events.differentiate import differentiate
from sim.events.pseudospikes import find_outputs
from sim.events.simulate import simulate
from sim.layers.batch import record_spikes, run_batch
from sim.losses import make_linear_loss
from sim.network.network import Network, Population, Projection, SpikeTrains

TIMES, GRADIENTS = 1e-12, 1e-10
NEGLIGIBLE = 1e-5
"""Arrays this much smaller than the largest count as this large: they are sums that cancel."""


def connect_all(weights):
    """A matrix in which weights of zero are connections, too."""
    rows, columns = np.indices(weights.shape)
    return scipy.sparse.coo_array(
        (weights.ravel(), (rows.ravel(), columns.ravel())), shape=weights.shape
    )


def make_circuit(network, times):
    """A stack of layers as a graph of populations."""
    populations, first = [], 0
    for k, matrix in enumerate(network.weights):
        size = matrix.shape[1]
        own = network.initial[first : first + size]
        populations.append(
            Population(
                name=f"layer{k}", model=network.model, size=size, parameters=network.parameters,
                initial={network.model.initial: own},
            )
        )  # fmt: skip
        first += size
    names = ["inputs", *(p.name for p in populations)]
    spiking = np.flatnonzero(np.isfinite(times))
    return Network(
        populations=populations,
        inputs=[
            SpikeTrains(name="inputs", size=len(times), times=times[spiking], channels=spiking)
        ],
        projections=[
            Projection(pre=names[k], post=names[k + 1], weights=connect_all(matrix.T))
            for k, matrix in enumerate(network.weights)
        ],
        duration=network.duration,
    )


class Answer:
    """Spikes by neuron, output times, and gradients of a linear function of these by name."""

    def __init__(self, trains, outputs, gradients):
        self.trains, self.outputs, self.gradients = trains, outputs, gradients


def draw_slopes(network, n_required):
    """Derivatives by the output times that both engines go back with."""
    n_outputs = network.weights[-1].shape[1]
    return np.cos(1.0 + np.arange(n_outputs * n_required)).reshape(n_outputs, n_required)


def run_layers(network, times, n_required):
    """The layer engine's answer."""
    inputs = latencies(times)
    slopes = draw_slopes(network, n_required)
    outcome, gradients = run_batch(
        network, inputs, slopes[None], make_linear_loss(n_required=n_required), gradient=True,
        input_times=True,
    )  # fmt: skip
    spikes, neurons = record_spikes(network, inputs).select(0)
    trains = [spikes[neurons == i] for i in range(network.n_neurons)]
    found = {f"weights {k}": g for k, g in enumerate(gradients.weights)}
    found |= {"initial": gradients.initial, "input times": gradients.input_times[0]}
    return Answer(trains, outcome.output_times[0], found)


def run_events(network, times, n_required):
    """The event engine's answer."""
    circuit = make_circuit(network, times)
    recording = simulate(circuit, record=True)
    slopes = draw_slopes(network, n_required)
    outputs = find_outputs(
        recording, np.arange(circuit.n_neurons - len(slopes), circuit.n_neurons), n_required
    )
    gradients = differentiate(recording, outputs=(outputs, slopes))
    name = network.model.initial
    by_time = np.zeros(len(times))
    by_time[np.isfinite(times)] = gradients.input_times[0]
    found = {f"weights {k}": g.toarray().T for k, g in enumerate(gradients.weights)}
    found["initial"] = np.concatenate(
        [g[name if name in g else name.removesuffix("0")] for g in gradients.initial]
    )
    found["input times"] = by_time
    return Answer(recording.trains(), outputs.times, found)


def compare(network, times, n_required=1, *, events=run_events):
    """Largest differences: of times relative to T or later ones, of gradients to their largest."""
    times = np.asarray(times, dtype=float)
    one, other = run_layers(network, times, n_required), events(network, times, n_required)
    assert [len(t) for t in one.trains] == [len(t) for t in other.trains]
    pairs = [*zip(one.trains, other.trains, strict=True), (one.outputs, other.outputs)]
    errors = [np.abs(a - b) / np.maximum(network.duration, np.abs(a)) for a, b in pairs]
    by_time = max(np.max(e, initial=0.0) for e in errors)
    largest = max(np.abs(g).max() for g in one.gradients.values())
    by_gradient = max(
        np.abs(a - other.gradients[name]).max()
        / max(np.abs(a).max(), NEGLIGIBLE * largest, np.finfo(float).tiny)
        for name, a in one.gradients.items()
    )
    return float(by_time), float(by_gradient)


def compare_plain(circuit):
    """Largest differences of spike times and of states at the end between two event loops."""
    one, other = (simulate(circuit, engine=engine) for engine in ("lazy", "eager"))
    pairs = list(zip(one.trains(), other.trains(), strict=True))
    assert [len(a) for a, _ in pairs] == [len(b) for _, b in pairs]
    by_time = max(np.max(np.abs(a - b), initial=0.0) for a, b in pairs) / circuit.duration
    by_state = np.max(np.abs(one.end - other.end) / np.maximum(1.0, np.abs(one.end)), initial=0.0)
    return float(by_time), float(by_state)
