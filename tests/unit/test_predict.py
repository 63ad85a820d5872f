"""What a network makes of trials without a loss, and back from any derivatives."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse

import sim
from derivations import compile_model, compile_readout
from sim.network.network import Network, Population, Projection, SpikeTrains
from spiketheory.errors import InputError

DURATION, N_TRIALS, N_OUTPUTS = 4.5, 8, 3
LABELS = np.arange(N_TRIALS) % N_OUTPUTS
ENGINES = ["layers", "events"]


def make_network(**options) -> Network:
    rng = np.random.default_rng(3)
    weights = [rng.normal(0.5, 0.3, (6, 4)), rng.normal(0.3, 0.4, (N_OUTPUTS, 6))]
    model = compile_model("theta", backend="numpy")
    return sim.layered(model, weights, duration=DURATION, parameters={"I0": 1.25}, **options)


def with_logits(network: Network) -> Network:
    rng = np.random.default_rng(4)
    readout = sim.LinearReadout(
        compiled=compile_readout("leaky_integrator", backend="numpy"),
        weights=rng.normal(0.0, 1.0, (N_OUTPUTS, N_OUTPUTS)), bias=rng.normal(size=N_OUTPUTS),
    )  # fmt: skip
    return replace(network, readouts=[readout])


def make_trials() -> sim.Trials:
    return sim.Trials.from_latencies(np.random.default_rng(5).uniform(0, 1, (N_TRIALS, 4)))


def own_loss(scores: np.ndarray) -> tuple[float, np.ndarray]:
    """The mean cross entropy of a batch as any library gives it, and its derivatives."""
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares = shifted / shifted.sum(axis=1, keepdims=True)
    wanted = np.eye(N_OUTPUTS)[LABELS]
    return -np.log(shares[np.arange(N_TRIALS), LABELS]).mean(), (shares - wanted) / N_TRIALS


def list_derivatives(gradients: sim.Gradients) -> list[np.ndarray]:
    found = [*gradients.weights, *gradients.input_times]
    found += [array for table in gradients.initial for array in table.values()]
    if gradients.readout is not None:
        found += [gradients.readout.weights, gradients.readout.bias]
    return found


def assert_equal_derivatives(a: sim.Gradients, b: sim.Gradients) -> None:
    for one, other in zip(list_derivatives(a), list_derivatives(b), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_mean_loss_of_first_spikes_is_averaged_once(engine):
    network, trials = make_network(), make_trials()
    loss = sim.make_first_spike_loss(gamma=0.0, duration=DURATION)
    outcome, wanted = sim.loss_and_gradient(network, trials, LABELS, loss, engine=engine)
    found = sim.predict(network, trials, engine=engine)
    assert np.array_equal(found.output_times, outcome.output_times)
    assert np.array_equal(found.n_ordinary, outcome.n_ordinary)
    assert found.logits is None
    value, slopes = own_loss(-found.output_times[:, :, 0])
    assert value == pytest.approx(outcome.loss.mean(), rel=1e-12)
    assert_equal_derivatives(sim.pull_back(network, trials, -slopes, engine=engine), wanted)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_mean_loss_of_logits_is_averaged_once(engine):
    network, trials = with_logits(make_network()), make_trials()
    outcome, wanted = sim.loss_and_gradient(
        network, trials, LABELS, sim.make_cross_entropy(), engine=engine
    )
    found = sim.predict(network, trials, engine=engine)
    np.testing.assert_allclose(found.logits, outcome.logits, rtol=1e-13)
    assert np.array_equal(found.labels, outcome.logits.argmax(axis=1))
    assert found.output_times is None
    _, slopes = own_loss(found.logits)
    assert_equal_derivatives(sim.pull_back(network, trials, slopes, engine=engine), wanted)


def test_several_spikes_of_each_output_neuron_are_predicted_and_pulled_back():
    network, trials = make_network(n_spikes=2), make_trials()
    found = sim.predict(network, trials)
    assert found.output_times.shape == (N_TRIALS, N_OUTPUTS, 2)
    assert np.all(np.diff(found.output_times, axis=2) > 0)
    assert np.array_equal(found.labels, found.output_times[:, :, 0].argmin(axis=1))
    slopes = np.random.default_rng(6).normal(size=found.output_times.shape)
    a, b = (sim.pull_back(network, trials, slopes, engine=engine) for engine in ENGINES)
    assert_equal_derivatives(a, b)
    with pytest.raises(InputError, match=r"slopes of shape \(8, 3, 2\) but got"):
        sim.pull_back(network, trials, slopes[:, :, 0])


def test_all_spikes_of_the_last_population_are_listed_and_pulled_back_by_both_engines():
    network, trials = make_network(), make_trials()
    lists = [sim.list_spikes(network, trials, room=30, engine=engine) for engine in ENGINES]
    times, neurons = lists[0]
    assert np.array_equal(neurons, lists[1].neurons)
    np.testing.assert_allclose(times, lists[1].times, rtol=1e-13)
    counts = (neurons >= 0).sum(axis=1)
    assert counts.max() > N_OUTPUTS  # some neuron spikes twice
    recording = sim.simulate(network, trials, engine="events")
    own = recording.spike_neuron >= 6
    assert np.array_equal(lists[1].times[neurons >= 0], recording.spike_time[own])
    assert np.array_equal(neurons[neurons >= 0], recording.spike_neuron[own] - 6)
    assert np.all(np.isinf(times[neurons < 0]))
    slopes = np.random.default_rng(7).normal(size=times.shape)
    a, b = (sim.pull_back_spikes(network, trials, slopes, engine=engine) for engine in ENGINES)
    assert_equal_derivatives(a, b)
    assert all(np.any(values) for values in list_derivatives(a))


def test_spikes_that_no_input_parts_are_listed_by_time_and_pulled_back_to_their_neurons():
    weights = np.random.default_rng(9).normal(0.6, 0.5, (6, 4))
    model = compile_model("theta", backend="numpy")
    network = sim.layered(model, [weights], duration=3.0, parameters={"I0": 1.25})
    trials = sim.Trials.from_latencies(np.full((1, 4), 0.1))
    times, neurons = sim.list_spikes(network, trials, room=8, engine="layers")
    assert list(neurons[0]) != sorted(neurons[0])
    assert np.all(np.diff(times[neurons >= 0]) > 0)
    slopes = np.arange(1.0, 9.0)[None]
    a, b = (sim.pull_back_spikes(network, trials, slopes, engine=engine) for engine in ENGINES)
    assert_equal_derivatives(a, b)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_derivatives_by_listed_spikes_are_slopes(engine):
    network, trials, step = make_network(), make_trials(), 1e-6
    times, neurons = sim.list_spikes(network, trials, room=30, engine=engine)
    factors = np.random.default_rng(8).normal(size=times.shape) * (neurons >= 0)
    exact = sim.pull_back_spikes(network, trials, factors, engine=engine).weights[0]

    def total(change: float) -> float:
        first, last = network.projections
        moved = np.array(first.weights)
        moved[1, 2] += change
        changed = replace(network, projections=[replace(first, weights=moved), last])
        found = sim.list_spikes(changed, trials, room=30, engine=engine).times
        return float(np.sum(factors * np.where(neurons >= 0, found, 0.0)))

    slope = (total(step) - total(-step)) / (2 * step)
    assert exact[1, 2] == pytest.approx(slope, rel=1e-7)


@pytest.mark.parametrize("engine", ENGINES)
def test_too_little_room_is_an_error_that_says_how_much_is_needed(engine):
    network, trials = make_network(), make_trials()
    with pytest.raises(InputError, match=r"at most 2 spikes of output .*; make room for 6 or more"):
        sim.list_spikes(network, trials, room=2, engine=engine)


def make_silent(weights, mask=None) -> Network:
    """Inputs that lead nowhere yet: all weights are 0."""
    model = compile_model("theta", backend="numpy")
    return Network(
        populations=[Population(name="cells", model=model, size=3, parameters={"I0": 1.25})],
        inputs=[SpikeTrains(name="world", size=4, times=[], channels=np.empty(0, int))],
        projections=[Projection(pre="world", post="cells", weights=weights, mask=mask)],
        duration=DURATION,
    )


CONNECTED = np.array([[1, 0, 1, 1], [1, 1, 0, 1], [0, 1, 1, 1]], dtype=bool)


@pytest.mark.parametrize("engine", ENGINES)
def test_weights_that_start_at_0_have_derivatives(engine):
    network, trials = make_silent(np.zeros((3, 4))), make_trials()
    slopes = np.ones((N_TRIALS, 3))
    found = sim.pull_back(network, trials, slopes, engine=engine).weights[0]
    assert np.all(found != 0)


@pytest.mark.parametrize("kind", ["mask", "sparse"])
def test_what_is_not_connected_has_no_derivative_though_all_weights_are_0(kind):
    rows, columns = np.nonzero(CONNECTED)
    sparse = scipy.sparse.coo_array((np.zeros(len(rows)), (rows, columns)), shape=(3, 4))
    given = (np.zeros((3, 4)), CONNECTED) if kind == "mask" else (sparse, None)
    network = make_silent(*given)
    assert network.n_connections == 9
    found = sim.pull_back(network, make_trials(), np.ones((N_TRIALS, 3))).weights[0]
    dense = found.toarray() if scipy.sparse.issparse(found) else found
    assert np.array_equal(dense != 0, CONNECTED)
