import re

import numpy as np
import pytest

from sim.losses import (
    make_first_spike_in_time_loss,
    make_first_spike_loss,
    make_linear_loss,
    make_spike_trains_loss,
    make_target_time_loss,
    pad_spike_trains,
    prepare_targets,
)
from spiketheory.errors import InputError

DURATION, GAMMA = 2.0, 0.01


def evaluate(loss, times, target):
    """Loss and its derivatives."""
    times = np.array(times, dtype=float)
    gradient = np.full_like(times, np.nan)
    target = np.atleast_1d(np.array(target, dtype=float))
    return loss.function(times, target, loss.settings, gradient), gradient


def difference(loss, times, target):
    """Central differences."""
    times, slope = np.array(times, dtype=float), np.zeros_like(times)
    for place in np.ndindex(times.shape):
        step = np.zeros_like(times)
        step[place] = 1e-6
        up, down = (evaluate(loss, times + sign * step, target)[0] for sign in (1, -1))
        slope[place] = (up - down) / 2e-6
    return slope


TRAINS = pad_spike_trains([[1.0, 2.0], []])
TRAINS_LOSS = make_spike_trains_loss(n_required=3, silent_after=4.0, soften=2.0)
LOSSES = {
    "first_spike": (make_first_spike_loss(gamma=GAMMA, duration=DURATION), [[0.5], [2.7], [1]], 1),
    "first_spike_in_time": (
        make_first_spike_in_time_loss(sharpness=3.0, duration=DURATION),
        [[0.5], [2.7], [1]],
        1,
    ),
    "target_time": (make_target_time_loss(n_required=2), [[0.5, 3], [1, 2]], [1, 2, 3, 4]),
    "spike_trains": (TRAINS_LOSS, [[0.5, 3, 3.5], [1, 2, 3]], TRAINS.reshape(-1)),
    "linear": (make_linear_loss(n_required=2), [[0.5, 3], [1, 2]], [1, -2, 0, 4]),
}


@pytest.mark.parametrize("name", LOSSES)
def test_derivatives_agree_with_differences(name):
    loss, times, target = LOSSES[name]
    assert loss.name == name
    np.testing.assert_allclose(
        evaluate(loss, times, target)[1], difference(loss, times, target), atol=1e-8
    )


def test_the_first_spike_loss_is_cross_entropy_plus_a_bound_on_the_labels_time():
    times = np.array([0.3, 1.1, 4.0])
    loss, _ = evaluate(make_first_spike_loss(gamma=GAMMA, duration=DURATION), times[:, None], 1)
    softmax = np.exp(-times) / np.exp(-times).sum()
    assert loss == pytest.approx(-np.log(softmax[1]) + GAMMA * (np.exp(1.1 / DURATION) - 1))


def test_the_first_spike_loss_survives_very_late_spikes():
    loss, gradient = evaluate(
        make_first_spike_loss(gamma=0.0, duration=DURATION), [[1e-3], [900.0], [1400.0]], 0
    )
    assert loss == 0
    assert gradient.ravel().tolist() == [0, 0, 0]


def test_the_loss_in_time_is_cross_entropy_with_none_before_T_as_one_class_more():
    loss = make_first_spike_in_time_loss(sharpness=3.0, duration=DURATION)
    value, gradient = evaluate(loss, [[0.3], [1.1], [4.0]], 1)
    softmax = np.exp(-1.5 * np.array([0.3, 1.1, 4.0, DURATION]))
    softmax /= softmax.sum()
    assert value == pytest.approx(-np.log(softmax[1]), rel=1e-14)
    np.testing.assert_allclose(gradient[:, 0], 1.5 * ([0, 1, 0] - softmax[:3]), rtol=1e-14)


def test_a_label_that_is_first_but_after_T_is_wrong_for_the_loss_in_time_alone():
    # By spikes alone the first pseudospike is no answer: it must not cost less than guessing.
    in_time = make_first_spike_in_time_loss(sharpness=40.0, duration=DURATION)
    assert evaluate(in_time, [[2.5], [18.0]], 0)[0] == pytest.approx(10.0, abs=1e-4)
    assert evaluate(in_time, [[1.5], [1.9]], 0)[0] < 1e-3
    at_any_time = make_first_spike_loss(gamma=0.0, duration=DURATION)
    assert evaluate(at_any_time, [[2.5], [18.0]], 0)[0] < 1e-3


@pytest.mark.parametrize("factor", [0.5, 8.0])
def test_the_loss_in_time_does_not_care_for_the_unit_of_time(factor):
    times, T = np.array([[0.4], [0.6]]), 2.0
    loss, scaled = (
        make_first_spike_in_time_loss(sharpness=5.0, duration=duration)
        for duration in (T, factor * T)
    )
    value, gradient = evaluate(loss, times, 0)
    scaled_value, scaled_gradient = evaluate(scaled, factor * times, 0)
    assert scaled_value == pytest.approx(value, rel=1e-14)
    np.testing.assert_allclose(factor * scaled_gradient, gradient, rtol=1e-14)


def test_the_loss_in_time_survives_very_late_spikes():
    loss = make_first_spike_in_time_loss(sharpness=40.0, duration=DURATION)
    value, gradient = evaluate(loss, [[900.0], [1400.0]], 1)
    assert value == pytest.approx(20 * 1398, rel=1e-14)
    assert gradient.ravel().tolist() == [0, 20]


def test_a_target_of_inf_counts_nothing():
    loss = make_target_time_loss(n_required=2)
    value, gradient = evaluate(loss, [[1.0, 3.0]], [np.inf, 2.5])
    assert value == 0.125
    assert gradient.tolist() == [[0, 0.5]]


def test_the_loss_of_spike_trains_pushes_the_spike_after_the_last_target_out():
    times = [[1.5, 2.0, 3.4], [3.0, 3.5, 5.0]]
    loss, slopes = evaluate(TRAINS_LOSS, times, TRAINS.reshape(-1))
    off = np.array([0.5 / 3, 0.0, -0.6 / 6, -1.0 / 6])
    assert loss == pytest.approx((off**2).sum() / 4)
    wanted = np.array([[0.5 / 9, 0, -0.6 / 36], [-1.0 / 36, 0, 0]]) / 2
    np.testing.assert_allclose(slopes, wanted)
    late = [[1.0, 2.0, 4.1], [4.5, 5.0, 6.0]]
    assert evaluate(TRAINS_LOSS, late, TRAINS.reshape(-1))[0] == 0


def test_the_linear_loss_returns_the_derivatives_it_was_given():
    _, gradient = evaluate(make_linear_loss(), [[1.0], [2.0]], [3.0, -4.0])
    assert gradient.ravel().tolist() == [3, -4]


def test_labels_become_one_number_per_sample():
    loss = make_first_spike_loss(gamma=GAMMA, duration=DURATION)
    prepared = prepare_targets(loss, np.array([2, 0], dtype=np.uint8), n_samples=2, n_outputs=3)
    assert prepared.tolist() == [[2], [0]]
    assert prepared.dtype == np.float64


def test_targets_may_come_with_an_axis_for_the_spikes_or_without():
    loss = make_target_time_loss(n_required=2)
    flat = prepare_targets(loss, np.arange(8.0).reshape(2, 4), n_samples=2, n_outputs=2)
    deep = prepare_targets(loss, np.arange(8.0).reshape(2, 2, 2), n_samples=2, n_outputs=2)
    assert flat.tolist() == deep.tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1, 2], "Expected labels of shape (2,) but got shape (3,)"),
        ([[0], [1]], "Expected labels of shape (2,) but got shape (2, 1)"),
        ([0.0, 1.0], "Expected whole numbers as labels but got float64; convert them."),
        ([0, 3], "Expected labels from 0 to 2 but got 0 to 3; give one output neuron"),
        ([-1, 2], "Expected labels from 0 to 2 but got -1 to 2"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels, message):
    loss = make_first_spike_loss(gamma=GAMMA, duration=DURATION)
    with pytest.raises(InputError, match=re.escape(message)):
        prepare_targets(loss, np.array(labels), n_samples=2, n_outputs=3)


@pytest.mark.parametrize(
    ("loss", "targets", "message"),
    [
        (make_target_time_loss(), np.ones((2, 2)), "Expected targets of shape (2, 3)"),
        (make_target_time_loss(n_required=2), np.ones((2, 3)), "Expected targets of shape (2, 6)"),
        (make_target_time_loss(), np.full((2, 3), np.nan), "Expected target times but got NaN"),
        (make_linear_loss(), np.full((2, 3), np.inf), "Expected finite numbers in targets"),
    ],
)
def test_targets_that_do_not_fit_are_refused(loss, targets, message):
    with pytest.raises(InputError, match=re.escape(message)):
        prepare_targets(loss, targets, n_samples=2, n_outputs=3)


def test_targets_of_the_wrong_length_are_refused_by_an_input_error():
    with pytest.raises(InputError, match="Expected targets of shape"):
        prepare_targets(make_target_time_loss(), np.ones(5), n_samples=2, n_outputs=3)
