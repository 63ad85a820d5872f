"""Agreement with the answer key: automatic differentiation of another implementation, float64."""

import numpy as np
import pytest
from networks import network

from sim.inputs.encoding import BinnedInput
from sim.layers.batch import record_spikes, run_batch
from sim.losses import make_first_spike_loss

TOLERANCE = 1e-11
"""Both sides are float64 and agree to about 1e-14; 1e-9 would do for the digit task."""


@pytest.fixture(scope="module")
def key(reference_dir):
    path = reference_dir / "theta_feedforward.npz"
    assert path.is_file(), f"expected {path} beside the other reference files"
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


@pytest.fixture
def simulated(key, backend):
    layers = [key[f"W{k}"] for k in range(3)]
    built = network(
        layers, duration=key["T"], model=str(key["model"]), backend=backend,
        initial=key["phi0"], tau=float(key["tau"]), I0=float(key["I0"]),
    )  # fmt: skip
    inputs = BinnedInput(times=key["input_times"], bins=key["input_bins"])
    loss = make_first_spike_loss(gamma=float(key["gamma"]), duration=float(key["T"]))
    outcome, gradients = run_batch(
        built, inputs, key["labels"], loss, gradient=True, input_times=True
    )
    return outcome, gradients, record_spikes(built, inputs)


def test_the_reference_network_is_reproduced(key, simulated):
    outcome, gradients, spikes = simulated
    np.testing.assert_allclose(outcome.output_times[:, :, 0], key["t_out"], rtol=0, atol=TOLERANCE)
    assert outcome.loss.mean() == pytest.approx(float(key["loss"]), rel=TOLERANCE)
    assert spikes.sample.tolist() == key["spike_sample"].tolist()
    assert spikes.neuron.tolist() == key["spike_neuron"].tolist()
    np.testing.assert_allclose(spikes.time, key["spike_time"], rtol=0, atol=TOLERANCE)
    pairs = [(f"grad_W{k}", w) for k, w in enumerate(gradients.weights)]
    for name, got in [*pairs, ("grad_phi0", gradients.initial)]:
        largest = np.abs(key[name]).max()
        assert largest > 1e-4
        np.testing.assert_allclose(got, key[name], rtol=0, atol=TOLERANCE * largest, err_msg=name)


def test_the_reference_has_spikes_pseudospikes_and_silent_neurons(key, simulated):
    outcome, _, _ = simulated
    assert len(key["spike_time"]) > 100
    assert (key["t_out"] > key["T"]).any()
    assert (key["t_out"] < key["T"]).any()
    assert not outcome.active.all()
