"""One network in several engines: how to hand it to each, and how far their answers are apart."""

import numpy as np
import scipy.sparse
from networks import latencies

from sim.engine.choose import differentiate, find_outputs, loss_and_gradient, simulate
from sim.layers.batch import record_spikes, run_batch
from sim.losses import make_linear_loss
from sim.network.network import Network, Population, Projection, SpikeTrains
from sim.temporal.logit_losses import make_squared_error

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
    return run_single(network, times, n_required, "events")


def run_plain(network, times, n_required):
    """The plain engine's answer."""
    return run_single(network, times, n_required, "plain")


def run_single(network, times, n_required, engine):
    """The answer of an engine that runs one trial."""
    circuit = make_circuit(network, times)
    recording = simulate(circuit, engine=engine, record=True)
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


def compare(network, times, n_required=1, *, one=run_layers, other=run_events):
    """Largest differences: of times relative to T or later ones, of gradients to their largest."""
    times = np.asarray(times, dtype=float)
    left, right = one(network, times, n_required), other(network, times, n_required)
    assert [len(t) for t in left.trains] == [len(t) for t in right.trains]
    pairs = [*zip(left.trains, right.trains, strict=True), (left.outputs, right.outputs)]
    errors = [np.abs(a - b) / np.maximum(network.duration, np.abs(a)) for a, b in pairs]
    by_time = max(np.max(e, initial=0.0) for e in errors)
    return float(by_time), compare_gradients(left.gradients, right.gradients)


def compare_gradients(one, other):
    """Largest difference of arrays by name, relative to the largest entry of each."""
    largest = max(np.abs(g).max(initial=0.0) for g in one.values())
    return max(
        float(np.abs(a - other[name]).max(initial=0.0))
        / max(np.abs(a).max(initial=0.0), NEGLIGIBLE * largest, np.finfo(float).tiny)
        for name, a in one.items()
    )


def compare_recurrent(circuit):
    """Largest differences between the event engine and the plain one, of any network.

    Returns:
        Of spike times, relative to T; of gradients of all spike times, states at the end and, where
        the models have them, pseudospikes, by everything, relative to the largest of their array.
    """
    answers = [run_circuit(circuit, engine) for engine in ("events", "plain")]
    (one, by_one), (other, by_other) = answers
    pairs = list(zip(one.trains(), other.trains(), strict=True))
    assert [len(a) for a, _ in pairs] == [len(b) for _, b in pairs]
    by_time = max(np.max(np.abs(a - b), initial=0.0) for a, b in pairs) / circuit.duration
    return float(by_time), compare_gradients(by_one, by_other)


def compare_in_time(network, trials, targets, other="plain"):
    """Largest differences between layers in time and another engine, with a readout of logits.

    Returns:
        Of spike times, relative to T; of gradients of a squared error by everything, relative to
        the largest of their array. Derivatives by delays are those by a neuron's delay.
    """
    recordings = [simulate(network, trials, engine=engine) for engine in ("layers", other)]
    one, two = (sorted_by_neuron(recording) for recording in recordings)
    assert np.array_equal(one[1:], two[1:])
    found = [
        loss_and_gradient(
            network, trials, targets, make_squared_error(), engine=engine, parameters=True
        )
        for engine in ("layers", other)
    ]
    by_time = np.max(np.abs(one[0] - two[0]), initial=0.0) / network.duration
    return float(by_time), compare_gradients(*(name_gradients(g) for _, g in found))


def sorted_by_neuron(recording):
    """Times, neurons and trials of spikes, neuron by neuron."""
    order = np.lexsort((recording.spike_time, recording.spike_neuron, recording.spike_trial))
    return np.array([recording.spike_time, recording.spike_neuron, recording.spike_trial], float)[
        :, order
    ]


def name_gradients(found):
    """Gradients by name; those by delays summed over the targets of each neuron."""
    named = {f"weights {k}": g for k, g in enumerate(found.weights)}
    named |= {f"delays {k}": np.sum(g, axis=0) for k, g in enumerate(found.delays)}
    named |= {"read": found.readout.weights, "bias": found.readout.bias}
    named |= {"input times": found.input_times[0]}
    named |= {f"read {k}": np.asarray(v) for k, v in found.readout.parameters.items()}
    for kind in ("initial", "parameters"):
        for k, table in enumerate(getattr(found, kind)):
            named |= {f"{kind} {k} {name}": np.asarray(v) for name, v in table.items()}
    return named


def run_circuit(circuit, engine):
    """A recording and its gradients by name."""
    recording = simulate(circuit, engine=engine, record=True)
    options = {}
    # Spikes of one neuron after the other: simultaneous ones may stand in another order.
    numbers = np.argsort(recording.spike_neuron, kind="stable")
    slopes = np.empty(len(numbers))
    slopes[numbers] = np.cos(1.0 + np.arange(len(numbers)))
    if all(p.model.has_pseudospikes for p in circuit.populations):
        outputs = find_outputs(recording, np.arange(circuit.n_neurons), 2)
        weights = np.sin(1.0 + np.arange(outputs.times.size)).reshape(outputs.times.shape)
        options["outputs"] = (outputs, weights)
    found = differentiate(recording, spike_time=slopes, parameters=True, **options)
    named = {f"input times {k}": g for k, g in enumerate(found.input_times)}
    for kind in ("weights", "delays"):
        for k, matrix in enumerate(getattr(found, kind)):
            named[f"{kind} {k}"] = matrix.toarray() if scipy.sparse.issparse(matrix) else matrix
    for kind in ("initial", "parameters"):
        for k, table in enumerate(getattr(found, kind)):
            named |= {f"{kind} {k} {name}": np.asarray(v) for name, v in table.items()}
    return recording, named
