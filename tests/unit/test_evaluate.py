import numpy as np
import pytest
from networks import latencies, network

from sim.inputs.encoding import LatencyInput
from sim.layers.batch import prepare_events, run_batch
from sim.losses import make_first_spike_loss
from sim.training import evaluate
from sim.training.evaluate import evaluate_network

LOSS = make_first_spike_loss(gamma=0.01, duration=2.0)


def run(built, inputs, labels):
    events = prepare_events(inputs, duration=built.duration)
    return evaluate_network(built, events, np.asarray(labels), np.asarray(labels), LOSS)


@pytest.fixture
def busy():
    """A network of which some neurons spike, 11 samples and labels."""
    rng = np.random.default_rng(3)
    weights = [rng.normal(0.5, 2, (4, 6)), rng.normal(0.5, 2, (6, 3))]
    inputs = LatencyInput(times=rng.uniform(0, 1.5, (11, 4)))
    return network(weights, duration=2.0), inputs, np.arange(11) % 3


@pytest.mark.parametrize("size", [1, 4, 11])
def test_evaluation_in_batches_equals_evaluation_at_once(size, busy, monkeypatch):
    whole = run(*busy)
    assert whole.spikes_per_hidden_neuron > 0
    monkeypatch.setattr(evaluate, "EVALUATION_BATCH", size)
    assert run(*busy) == whole


def test_metrics_agree_with_what_a_batch_returns(busy):
    built, inputs, labels = busy
    outcome, _ = run_batch(built, inputs, labels, LOSS)
    metrics = run(*busy)
    times = outcome.output_times[:, :, 0]
    assert metrics.loss == outcome.loss.mean()
    assert metrics.loss_ordinary == outcome.loss_ordinary.mean()
    assert metrics.accuracy == (times.argmin(axis=1) == labels).mean()
    assert metrics.spikes_per_hidden_neuron == outcome.hidden_spikes.mean() / 6
    assert metrics.silent_fraction == 1 - outcome.active[:6].mean()
    assert metrics.energy.synaptic_operations == outcome.synaptic_operations.mean()


def test_without_pseudospikes_a_sample_without_output_spikes_counts_as_wrong():
    # The input at 0.1 makes output 1 spike at once if it is strong, and nothing spikes if it is
    # weak: by pseudospikes output 1 is still the first.
    strong = network([[[0.0, 400.0]]], duration=2.0)
    weak = network([[[0.0, 0.1]]], duration=1.0)
    inputs = latencies([0.1], [0.1])
    assert run(strong, inputs, [1, 0]).accuracy_ordinary == 0.5
    assert run(strong, inputs, [1, 0]).accuracy == 0.5
    assert run(weak, inputs, [1, 1]).accuracy == 1.0
    assert run(weak, inputs, [1, 1]).accuracy_ordinary == 0.0
    assert run(weak, inputs, [0, 0]).accuracy_ordinary == 0.0


def test_one_ordinary_spike_decides_against_earlier_missing_ones():
    # Output 0 spikes before T in the first sample only.
    built = network([[[400.0, 0.0]]], duration=1.5)
    metrics = run(built, latencies([0.1], [np.inf]), [0, 0])
    assert metrics.accuracy_ordinary == 0.5


def test_a_network_without_hidden_layers_has_no_hidden_spikes():
    metrics = run(network([[[1.0, 2.0]]], duration=2.0), latencies([0.1]), [0])
    assert metrics.spikes_per_hidden_neuron == 0.0
    assert metrics.silent_fraction == 0.0


def test_a_neuron_that_spikes_in_one_sample_is_not_silent():
    built = network([[[400.0, 0.0]], [[0.0], [0.0]]], duration=1.5)
    assert run(built, latencies([0.1], [np.inf]), [0, 0]).silent_fraction == 0.5
    assert run(built, latencies([np.inf], [np.inf]), [0, 0]).silent_fraction == 1.0
