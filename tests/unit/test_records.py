import re

import numpy as np
import pytest
from networks import compiled, network

from sim.network.layer_stack import LayerStack, Spikes, split_layers
from spiketheory.errors import InputError, ModelError

W0, W1 = np.ones((4, 3)), np.ones((3, 2))
PERIOD = np.pi


def test_a_network_knows_its_sizes():
    built = network([W0, W1], duration=2)
    assert built.layer_sizes == (4, 3, 2)
    assert (built.n_neurons, built.n_hidden) == (5, 3)


def test_a_single_layer_has_no_hidden_neurons():
    built = network([W0], duration=2)
    assert (built.layer_sizes, built.n_neurons, built.n_hidden) == ((4, 3), 3, 0)


def test_weights_become_contiguous_arrays_of_float64_whatever_came():
    built = network([W0], duration=2)
    mixed = LayerStack(
        model=built.model, duration=2, weights=[W0.astype(np.float32).T.copy().T, W1.astype(int)]
    )
    for w in mixed.weights:
        assert w.dtype == np.float64
        assert w.flags.c_contiguous


def test_missing_parameters_and_phases_take_the_models_defaults():
    built = LayerStack(model=compiled("theta"), duration=1.0, weights=(W0,))
    assert built.parameters == {"tau": 1.0, "I0": 1.25}
    np.testing.assert_allclose(built.initial, np.full(3, PERIOD / 2))
    assert built.values == (1.0, 1.25)


def test_the_phase_lies_between_two_spikes():
    lower, upper, default = network([W0], duration=1, tau=2.0).initial_bounds
    assert (lower, upper, default) == pytest.approx((0, 2 * PERIOD, PERIOD))


def test_a_membrane_potential_has_no_bounds():
    far = np.array([-1e9, 0, 1e9])
    assert np.array_equal(network([W0], duration=1, model="qif_delta", initial=far).initial, far)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"duration": 0.0}, "Expected duration > 0 but got duration=0.0"),
        ({"weights": (1e101 * W0,)}, "Expected weights of at most 1e+100 in W0 but got 1e+101"),
        ({"duration": -1.0}, "Expected duration > 0 but got duration=-1.0"),
        ({"duration": np.nan}, "Expected duration > 0 but got duration=nan"),
        ({"duration": np.inf}, "Expected duration > 0 but got duration=inf"),
        ({"weights": []}, "Expected at least one layer of weights but got none; add W0."),
        ({"weights": [W0[0]]}, "Expected W0 of shape (any, any) but got shape (3,)"),
        ({"weights": [W0, W0]}, "Expected W1 of shape (3, any) but got shape (4, 3)"),
        ({"weights": [W0[:, :0]]}, "Expected neurons on both sides of W0 but got shape (4, 0)"),
        ({"weights": [W0[:0]]}, "got shape (0, 3); remove the empty layer."),
        ({"weights": [W0, W1[:, :0]]}, "Expected neurons on both sides of W1"),
        ({"initial": np.ones(4)}, "Expected initial phi0 of shape (5,) but got shape (4,)"),
        ({"initial": np.ones((5, 1))}, "Expected initial phi0 of shape (5,)"),
        ({"initial": np.array([1, 1, 1, 1, 3.5])}, "between 0 and 3.14159 but got values from 1"),
        ({"initial": np.array([1, 1, 1, 1, -0.1])}, "from -0.1 to 1; clip them to that range."),
        ({"initial": np.array([1, 1, 1, 1, np.nan])}, "Expected finite numbers in initial phi0"),
    ],
)
def test_a_network_refuses_what_does_not_fit(changes, message):
    with pytest.raises(InputError, match=re.escape(message)):
        LayerStack(**({"model": compiled("theta"), "duration": 1.0, "weights": [W0, W1]} | changes))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_named(bad):
    broken = W1.copy()
    broken[2, 1] = bad
    message = f"Expected finite numbers in W1 but got W1[2, 1]={bad} (1 such); remove NaN"
    with pytest.raises(InputError, match=re.escape(message)):
        network([W0, broken], duration=1)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"Tau": 1.0}, "Expected parameters of theta (tau, I0) but got 'Tau'; correct its name."),
        ({"I0": 0.25}, "Expected I0 > 1/4 but got I0=0.25"),
        ({"I0": np.nan}, "got I0=nan"),
        ({"I0": np.inf}, "got I0=inf"),
        ({"tau": 0.0}, "Expected tau > 0 but got tau=0.0; give a value inside the domain of theta"),
        ({"tau": -1.0}, "Expected tau > 0 but got tau=-1.0"),
    ],
)
def test_parameters_outside_their_domain_are_refused(parameters, message):
    with pytest.raises(ModelError, match=re.escape(message)):
        network([W0], duration=1, **parameters)


def test_spikes_of_one_sample_are_selected():
    spikes = Spikes(
        sample=np.array([0, 0, 2]), neuron=np.array([1, 0, 3]), time=np.array([0.1, 0.2, 0.3]),
        end=[],
    )  # fmt: skip
    times, neurons = spikes.select(0)
    assert (times.tolist(), neurons.tolist()) == ([0.1, 0.2], [1, 0])
    assert [len(part) for part in spikes.select(1)] == [0, 0]
    assert spikes.select(2)[0].tolist() == [0.3]


def test_values_of_all_neurons_are_split_into_layers():
    parts = split_layers(np.arange(6), (3, 2, 1))
    assert [part.tolist() for part in parts] == [[0, 1, 2], [3, 4], [5]]


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_a_neuron_too_far_below_threshold_for_finite_pseudospikes_is_refused(backend):
    with pytest.raises(ModelError, match="Expected parameters of qif_delta for which pseudospikes"):
        network([W0], duration=1, model="qif_delta", I0=-1000.0, backend=backend)
    assert network([W0], duration=1, model="qif_delta", I0=-500.0).parameters["I0"] == -500.0
