"""Networks in time: the same spikes and derivatives as the event engine."""

import numpy as np
import pytest
from temporal_networks import draw_network, draw_readout, draw_trials, run_by_events

from derivations import compile_model, compile_readout
from sim.engine.choose import simulate
from sim.inputs.trials import Trials
from sim.network.network import Network, Population, Projection, SpikeTrains
from sim.network.readouts import LinearReadout
from sim.temporal import forward
from sim.temporal.batch import Run, run_temporal
from sim.temporal.line import Line
from sim.temporal.linking import link_model
from sim.temporal.logit_losses import make_cross_entropy, make_squared_error
from sim.temporal.reading import make_reading
from sim.temporal.stack import read_temporal
from spiketheory.errors import SimulationError

CASES = {
    "forward, many in one instant": {"recurrent": False, "delays": False},
    "recurrent with delays": {"varied": True},
    "recurrent without delays": {"delays": False},
    "delays of the input": {"delays": "all", "recurrent": False},
}

WITH_NEURON = (
    "count", "leaky_integrator", "linear_window", "maximum", "potential_at_end", "windows",
)  # fmt: skip


def agree(found, expected, what, tolerance=1e-11):
    found, expected = np.asarray(found, float), np.asarray(expected, float)
    size = max(np.abs(expected).max(initial=0.0), 1e-12)
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * size, err_msg=what)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    "model", ["theta", "qif_delta", "rapid_theta", "qif", "lif", "lif_delta", "nlif"]
)
def test_spikes_and_derivatives_are_those_of_the_event_engine(model, case):
    rng = np.random.default_rng(2)
    network = draw_network(model, [5, 4], rng, **CASES[case])
    trials, labels = draw_trials(rng), rng.integers(0, 3, 3)
    readout = draw_readout(rng, 4, tau_m=0.7, tau_s=0.3)
    outcome, found = run_temporal(
        read_temporal(network), trials, labels, readout, make_cross_entropy(), parameters=True,
        input_times=True,
    )  # fmt: skip
    recording, logits, losses, expected = run_by_events(network, trials, readout, labels)
    assert outcome.counts.sum() == len(recording.spike_time) > 5
    agree(outcome.logits, logits, "logits")
    agree(outcome.loss, losses, "losses")
    for k, projection in enumerate(network.projections):
        agree(found.network.weights[k], expected.weights[k], f"weights {projection.label}")
        if np.any(projection.edge_delays):
            delays = (np.sum(g, axis=0) for g in (found.network.delays[k], expected.delays[k]))
            agree(*delays, f"delays {projection.label}")
    for own, other in (
        *zip(found.network.initial, expected.initial, strict=True),
        *zip(found.network.parameters, expected.parameters, strict=True),
    ):
        for name in other:
            agree(own[name], other[name], name)
    agree(found.network.input_times[0], expected.input_times[0], "input times")


@pytest.mark.parametrize("delays", [[0.3, 0.3, 0.0], [0.0, 0.3, 0.0], [0.3, 0.0, 0.3]])
def test_neurons_that_spike_together_wait_for_those_alone_that_act_at_once(delays):
    weights = np.array([[-0.4, -0.2, -0.2], [-0.5, 0.1, -0.5], [0.8, 0.4, 0.2]])
    silent = np.empty(0)
    network = Network(
        populations=[
            Population(
                name="cells", model=compile_model("lif_delta", backend="numpy"), size=3,
                parameters={"I0": 2.0},
            )
        ],
        inputs=[SpikeTrains(name="in", size=1, times=silent, channels=silent.astype(int))],
        projections=[
            Projection(pre="in", post="cells", weights=np.ones((3, 1))),
            Projection(
                pre="cells", post="cells", weights=weights, delays=np.broadcast_to(delays, (3, 3))
            ),
        ],
        duration=3.0,
    )  # fmt: skip
    trials = Trials.from_trains([[[]]])
    one, other = (simulate(network, trials, engine=engine) for engine in ("layers", "plain"))
    assert len(other.spike_time) > 5
    for own, its in zip(one.trains(0), other.trains(0), strict=True):
        assert len(own) == len(its)
        agree(own, its, "spike times")


def run_with_threads(monkeypatch, number, *arguments):
    monkeypatch.setenv("SPIKETHEORY_THREADS", str(number))
    return run_temporal(*arguments, make_cross_entropy(), parameters=True, input_times=True)


def list_bits(value):
    """All numbers of results, as bytes."""
    if isinstance(value, dict):
        return [b for name in sorted(value) for b in list_bits(value[name])]
    if isinstance(value, list | tuple):
        return [b for part in value for b in list_bits(part)]
    if hasattr(value, "__dict__"):
        return list_bits(vars(value))
    return [np.asarray(value).tobytes()]


def test_compiled_kernels_agree_and_have_the_same_bits_on_any_number_of_threads(monkeypatch):
    found = {}
    for backend in ("numpy", "numba"):
        rng = np.random.default_rng(3)
        network = draw_network("qif", [6, 5], rng, backend=backend)
        readout = draw_readout(rng, 5, backend=backend, tau_m=0.7, tau_s=0.3)
        trials, labels = draw_trials(rng, n_trials=11), rng.integers(0, 3, 11)
        found[backend] = read_temporal(network), trials, labels, readout
    outcome, expected = run_with_threads(monkeypatch, 1, *found["numpy"])
    results = {n: run_with_threads(monkeypatch, n, *found["numba"]) for n in (1, 2, 4)}
    assert outcome.counts.sum() > 50
    np.testing.assert_array_equal(results[1][0].counts, outcome.counts)
    agree(results[1][0].logits, outcome.logits, "logits")
    for own, other in zip(results[1][1].network.weights, expected.network.weights, strict=True):
        agree(own, other, "weights")
    bits = {n: list_bits(result) for n, result in results.items()}
    assert len(bits[1]) > 10
    assert bits[1] == bits[2] == bits[4]


def test_kernels_that_need_no_readout_are_compiled_once_for_all():
    """They are compiled for the type of the batch."""
    rng = np.random.default_rng(3)
    stack = read_temporal(draw_network("qif", [6, 5], rng, backend="numba"))
    trials, labels, kinds = draw_trials(rng), np.zeros(3, int), {}
    for name in WITH_NEURON:
        readout = draw_readout(rng, 5, name=name, backend="numba")
        reading = make_reading(stack, 3, labels, readout, make_cross_entropy())
        batch = Run(stack, trials, reading, parameters=False).batch
        kinds.setdefault(stack.compiled.pack(batch).kind, []).append(name)
    assert len(kinds) == 1, kinds


def test_a_batch_of_another_size_after_it_begins_with_clean_sums():
    rng = np.random.default_rng(4)
    network, readout = draw_network("theta", [5], rng), draw_readout(rng, 5, tau_m=0.7, tau_s=0.3)
    trials, labels = draw_trials(rng, n_trials=7), rng.integers(0, 3, 7)
    stack, loss = read_temporal(network), make_cross_entropy()
    first = run_temporal(stack, trials, labels, readout, loss)[1]
    run_temporal(stack, draw_trials(rng), labels[:3], readout, loss)
    again = run_temporal(stack, trials, labels, readout, loss)[1]
    assert list_bits(first) == list_bits(again)


def test_of_simultaneous_spikes_those_that_act_at_once_do_not_wait_for_those_with_delays():
    """One input carries all three across; what the first one sends arrives later."""
    model = compile_model("lif_delta", backend="numpy")
    inputs = SpikeTrains(name="input", size=1, times=np.array([0.5]), channels=np.array([0]))
    network = Network(
        populations=[Population(name="layer", model=model, size=3)],
        inputs=[inputs],
        projections=[
            Projection(pre="input", post="layer", weights=np.full((3, 1), 1.1)),
            Projection(
                pre="layer", post="layer", delays=np.broadcast_to([0.25, 0.0, 0.0], (3, 3)),
                weights=np.array([[0.1, 0.0, 0.0], [0.5, 0.0, 0.0], [0.0, -0.5, 0.0]]),
            ),
        ],
        duration=2.0,
    )  # fmt: skip
    stack = read_temporal(network)
    line = Line(stack, stack, Trials.from_pairs([([0.5], [0])], n_channels=1), max_spikes=100)
    times, neurons = line.run(0.0, 0)
    # neuron 1 inhibits neuron 2 before it can spike, though neuron 0 spikes first
    assert neurons.tolist() == [0, 1]
    assert times.tolist() == [0.5, 0.5]


def test_an_input_that_meets_a_delayed_spike_and_carries_the_neuron_across_moves_its_spike():
    model = compile_model("lif_delta", backend="numpy")
    inputs = SpikeTrains(name="input", size=1, times=np.empty(0), channels=np.empty(0, int))
    network = Network(
        populations=[Population(name="layer", model=model, size=1)],
        inputs=[inputs],
        projections=[
            Projection(pre="input", post="layer", weights=[[1.1]]),
            Projection(pre="layer", post="layer", weights=[[0.1]], delays=0.5),
        ],
        duration=2.0,
    )
    trials = Trials.from_pairs([([0.5, 1.0], [0, 0])], n_channels=1)
    readout = LinearReadout(
        compiled=compile_readout("linear_window", backend="numpy"), weights=[[1.0]], bias=[0.0]
    )
    outcome, found = run_temporal(
        read_temporal(network), trials, np.zeros((1, 1)), readout, make_squared_error(),
        input_times=True,
    )  # fmt: skip
    # spikes at 0.5 and 1: the logit is 0.75 + 0.5, and each counts 1/2 less if it is later by 1
    assert outcome.logits[0, 0] == 1.25
    assert found.network.input_times[0].tolist() == [-0.625, -0.625]


def test_a_layer_that_waits_for_a_spike_that_does_not_come_is_an_error(monkeypatch):
    rng = np.random.default_rng(2)
    network = draw_network("lif", [5], rng, varied=True)
    stack = read_temporal(network)
    kernels = link_model(stack.compiled, not stack.is_uniform).link(forward)

    def halve_waits(layer, before, weights, chosen, n, waits, duration):
        find_waits(layer, before, weights, chosen, n, waits, duration)
        waits[:n] *= 0.5

    find_waits = kernels.find_waits
    monkeypatch.setattr(kernels, "find_waits", halve_waits)
    with pytest.raises(SimulationError, match="trial's end but it stopped before"):
        simulate(network, draw_trials(rng, n_steps=3), engine="layers")
