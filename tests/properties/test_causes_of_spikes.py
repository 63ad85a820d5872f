"""Arrivals that meet and carry a neuron across: engines agree on which of them did."""

import numpy as np
import pytest

from derivations import compile_model, compile_readout
from sim.engine.choose import loss_and_gradient
from sim.inputs.trials import Trials
from sim.network.network import Network, Population, Projection, SpikeTrains
from sim.network.readouts import LinearReadout
from sim.temporal.logit_losses import make_squared_error

TRIALS = Trials.from_pairs([([0.5, 0.5, 0.5, 1.0, 1.0, 1.5], [0, 1, 2, 0, 2, 1])], n_channels=3)


def draw_network(rng, delays):
    """Spikes at 0.5 arrive at 1 with other inputs if the delay is 0.5."""
    silent = np.empty(0)
    projections = [Projection(pre="input", post="cells", weights=rng.uniform(-0.2, 0.9, (4, 3)))]
    if delays is not None:
        own = rng.uniform(-0.3, 0.6, (4, 4))
        projections.append(Projection(pre="cells", post="cells", weights=own, delays=delays))
    model = compile_model("lif_delta", backend="numpy")
    return Network(
        populations=[Population(name="cells", model=model, size=4)],
        inputs=[SpikeTrains(name="input", size=3, times=silent, channels=silent.astype(int))],
        projections=projections, duration=2.25,
    )  # fmt: skip


@pytest.mark.parametrize("delays", [None, 0.0, 0.5])
@pytest.mark.parametrize("seed", range(4))
def test_a_spike_moves_with_the_arrival_that_carries_its_neuron_across(seed, delays):
    rng = np.random.default_rng(seed)
    network = draw_network(rng, delays)
    readout = LinearReadout(
        compiled=compile_readout("linear_window", backend="numpy"),
        weights=rng.normal(size=(2, 4)), bias=[0.0, 0.0],
    )  # fmt: skip
    found = {}
    for engine in ("layers", "events", "plain"):
        outcome, gradients = loss_and_gradient(
            network, TRIALS, np.ones((1, 2)), make_squared_error(), engine=engine, readout=readout
        )
        assert outcome.counts.sum() > 0
        found[engine] = [*gradients.input_times[0], np.sum(gradients.delays[-1] if delays else 0)]
    np.testing.assert_allclose(found["layers"], found["events"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(found["layers"], found["plain"], rtol=0, atol=1e-12)


def test_of_two_inputs_that_meet_the_second_one_listed_carries_the_neuron_across():
    network = draw_network(np.random.default_rng(0), None)
    projection = Projection(pre="input", post="cells", weights=np.full((4, 3), 0.6))
    network = Network(
        populations=network.populations, inputs=network.inputs, projections=[projection],
        duration=2.25,
    )  # fmt: skip
    trials = Trials.from_pairs([([0.5, 0.5], [0, 1])], n_channels=3)
    kernel = compile_readout("linear_window", backend="numpy")
    readout = LinearReadout(compiled=kernel, weights=np.ones((1, 4)), bias=[0.0])
    for engine in ("layers", "events", "plain"):
        outcome, gradients = loss_and_gradient(
            network, trials, np.zeros((1, 1)), make_squared_error(), engine=engine, readout=readout
        )
        logit = 4 * (2.25 - 0.5) / 2.25
        assert outcome.logits[0, 0] == pytest.approx(logit, rel=1e-15)
        assert gradients.input_times[0] == pytest.approx([0.0, -logit * 4 / 2.25], rel=1e-12)
