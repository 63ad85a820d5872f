"""Networks in time: the same spikes and derivatives as the event engine."""

import numpy as np
import pytest
from temporal_networks import draw_network, draw_readout, draw_trials, run_by_events

from derivations import compile_model, compile_readout
from sim.inputs.trials import Trials
from sim.network.network import Network, Population, Projection, SpikeTrains
from sim.temporal.batch import run_temporal
from sim.temporal.line import Line
from sim.temporal.logit_losses import make_cross_entropy, make_squared_error
from sim.temporal.readouts import LinearReadout
from sim.temporal.stack import read_temporal

CASES = {
    "forward, many in one instant": {"recurrent": False, "delays": False},
    "recurrent with delays": {"varied": True},
    "recurrent without delays": {"delays": False},
}


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
