import numpy as np
import pytest
from networks import latencies, network

from sim.layers.batch import run_batch
from sim.losses import make_linear_loss, make_target_time_loss

PERIOD = np.pi
NEVER = np.inf


def run(built, inputs, *, n_required=1, gradient=False):
    shape = (len(inputs), built.layer_sizes[-1], n_required)
    loss = make_linear_loss(n_required=n_required)
    return run_batch(built, inputs, np.ones(shape), loss, gradient=gradient)


def kick(phase, w):
    return np.arctan(np.tan(phase - np.pi / 2) + w) + np.pi / 2


def test_a_silent_output_without_pseudo_input_spikes_when_its_free_phase_is_full():
    outcome, _ = run(network([[[0.0]]], duration=1.0, initial=[0.5]), latencies([NEVER]))
    assert outcome.n_ordinary.tolist() == [[0]]
    assert outcome.output_times[0, 0, 0] == pytest.approx(PERIOD - 0.5, rel=1e-15)


def test_missing_spikes_follow_each_other_by_one_period():
    built = network([[[0.7]]], duration=3.0, initial=[2.0])
    outcome, _ = run(built, latencies([0.2]), n_required=4)
    (times,) = outcome.output_times[0]
    assert outcome.n_ordinary.tolist() == [[1]]
    assert times[0] < 3 < times[1]
    np.testing.assert_allclose(np.diff(times), PERIOD, rtol=1e-14)


def test_the_pseudo_input_is_the_weighted_sum_of_pseudo_rates():
    phases = np.array([0.5, 1.0, 0.3])
    built = network([[[0.0, 0.0]], [[0.8], [-1.7]]], duration=1.0, initial=phases)
    outcome, _ = run(built, latencies([NEVER]))
    rates = (phases[:2] + 1) / PERIOD
    phase = kick(phases[2] + 1, rates @ [0.8, -1.7])
    assert outcome.output_times[0, 0, 0] == pytest.approx(1 + PERIOD - phase, rel=1e-14)


def test_pseudo_rates_pass_through_every_layer():
    built = network([[[0.0]], [[0.8]], [[1.2]]], duration=1.0, initial=np.array([0.5, 1.0, 0.3]))
    outcome, _ = run(built, latencies([NEVER]))
    rate = kick(2.0, 0.8 * 1.5 / PERIOD) / PERIOD
    assert outcome.output_times[0, 0, 0] == pytest.approx(1 + PERIOD - kick(1.3, 1.2 * rate))


def test_the_first_layer_has_no_pseudo_input_from_the_inputs():
    spike = [
        run(network([[[w]]], duration=1.0), latencies([NEVER]))[0].output_times[0, 0, 0]
        for w in (0.0, 5.0)
    ]
    assert spike[0] == spike[1]


def test_a_qif_neuron_at_rest_gets_pseudospikes_by_a_softened_drive():
    built = network([[[0.0]]], duration=2.0, model="qif_delta", I0=0.0, initial=[0.0], tau=1.5)
    outcome, _ = run(built, latencies([NEVER]), n_required=2)
    width = np.sqrt(np.log1p(np.exp(-0.25)))
    delay = 1.5 * (np.pi / 2 + np.arctan(0.5 / width)) / width
    assert outcome.output_times[0, 0].tolist() == pytest.approx(
        [2 + delay, 2 + delay + 1.5 * np.pi / width]
    )


@pytest.mark.parametrize("model", ["theta", "qif_delta"])
@pytest.mark.parametrize("n_required", [1, 2, 3])
def test_times_and_gradients_go_on_smoothly_where_an_output_spike_leaves_the_trial(
    model, n_required
):
    times, derivatives = [], []
    inputs = latencies([0.5])
    weights = [[[1.2, 0.4]], [[0.9], [0.5]]]
    built = network(weights, duration=50.0, model=model, initial=np.full(3, 1.0))
    last = run(built, inputs, n_required=n_required)[0].output_times[0, 0, -1]
    for shift in (-1e-9, 1e-9):
        built = network(weights, duration=last + shift, model=model, initial=np.full(3, 1.0))
        outcome, gradients = run(built, inputs, n_required=n_required, gradient=True)
        assert outcome.n_ordinary[0, 0] == n_required - (shift < 0)
        times.append(outcome.output_times[0, 0])
        derivatives.append(np.concatenate([w.ravel() for w in gradients.weights]))
    np.testing.assert_allclose(times[0], times[1], rtol=0, atol=1e-8)
    np.testing.assert_allclose(derivatives[0], derivatives[1], rtol=0, atol=1e-7)


def test_a_tiny_change_of_weight_moves_a_spike_across_the_end_without_a_jump():
    def outcome(w):
        built = network([[[w]]], duration=1.7, initial=[1.0])
        return run(built, latencies([0.5]), gradient=True)

    low, high = 0.0, 5.0  # without a spike, with one
    while high - low > 1e-13:
        middle = 0.5 * (low + high)
        low, high = (low, middle) if outcome(middle)[0].n_ordinary[0, 0] else (middle, high)
    (silent, before), (spiking, after) = outcome(low), outcome(high)
    assert (silent.n_ordinary[0, 0], spiking.n_ordinary[0, 0]) == (0, 1)
    assert silent.output_times[0, 0, 0] == pytest.approx(spiking.output_times[0, 0, 0], abs=1e-12)
    assert before.weights[0][0, 0] == pytest.approx(after.weights[0][0, 0], rel=1e-11)
    assert before.initial[0] == pytest.approx(after.initial[0], rel=1e-11)


def test_a_silent_network_has_gradients_in_every_layer_but_none_of_its_unspiking_inputs():
    built = network([np.zeros((1, 2)), np.full((2, 2), 0.1), np.full((2, 1), 0.1)], duration=0.5)
    outcome, gradients = run(built, latencies([NEVER]), gradient=True)
    assert not outcome.active.any()
    assert np.all(gradients.weights[0] == 0)
    assert all(np.all(w < 0) for w in gradients.weights[1:])
    assert np.all(gradients.initial < 0)


def test_the_ordinary_loss_puts_missing_spikes_at_the_end_of_the_trial():
    built = network([[[0.0]]], duration=1.0, initial=[0.5])
    loss = make_target_time_loss()
    outcome, _ = run_batch(built, latencies([NEVER]), np.array([[0.25]]), loss)
    assert outcome.loss_ordinary.tolist() == [0.5 * 0.75**2]
    assert outcome.loss[0] == pytest.approx(0.5 * (PERIOD - 0.75) ** 2)


def test_pseudospikes_are_not_recorded_as_spikes():
    built = network([[[0.0]]], duration=1.0, initial=[0.5])
    outcome, _ = run(built, latencies([NEVER]), n_required=3)
    assert outcome.output_times.min() > 1
    assert not outcome.active.any()
