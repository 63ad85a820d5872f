"""Losses of logits, and their derivatives."""

import numpy as np
import pytest

from sim.temporal.logit_losses import (
    LogitLoss,
    make_cross_entropy,
    make_squared_error,
    prepare_logit_targets,
)
from spiketheory.errors import InputError


@pytest.mark.parametrize("smoothing", [0.0, 0.25])
def test_the_slopes_of_the_cross_entropy_keep_their_digits_where_the_answer_is_sure(smoothing):
    loss, gradient = make_cross_entropy(smoothing=smoothing), np.zeros(2)
    value = loss.function(np.array([30.0, 0.0]), np.array([0.0, 1.0]), loss.settings, gradient)
    p = np.exp(-30.0) / (1.0 + np.exp(-30.0))  # of the other one
    wanted = smoothing / 2
    assert value == pytest.approx(np.log1p(np.exp(-30.0)) + 30.0 * wanted, rel=1e-15, abs=1e-14)
    np.testing.assert_allclose(gradient, [wanted - p, p - wanted], rtol=1e-14)


def test_slopes_of_the_cross_entropy_are_differences():
    loss = make_cross_entropy(smoothing=0.1, class_weights=[1.0, 2.0, 3.0])
    logits, target, gradient = np.array([0.3, -1.2, 0.9]), np.array([1.0, 2.0]), np.zeros(3)
    unused, step = np.zeros(3), 1e-6
    loss.function(logits, target, loss.settings, gradient)
    for o in range(3):
        ends = [
            loss.function(logits + s * step * np.eye(3)[o], target, loss.settings, unused)
            for s in (1, -1)
        ]
        assert gradient[o] == pytest.approx((ends[0] - ends[1]) / (2 * step), abs=1e-9)


@pytest.mark.parametrize(
    ("loss", "targets"),
    [(make_cross_entropy(), np.array([0, 1])), (make_squared_error(), np.eye(2))],
)
def test_a_trial_of_weight_3_counts_three_times(loss, targets):
    logits, found = np.array([0.3, -1.2]), {}
    for weights in (None, np.array([3.0, 0.0])):
        rows = prepare_logit_targets(loss, targets, 2, 2, sample_weight=weights)
        gradients = np.zeros((2, 2))
        values = [
            loss.function(logits, row, loss.settings, gradient)
            for row, gradient in zip(rows, gradients, strict=True)
        ]
        found[weights is None] = np.array(values), gradients
    for plain, weighted in zip(found[True], found[False], strict=True):
        np.testing.assert_allclose(weighted[0], 3.0 * plain[0], rtol=1e-15)
        np.testing.assert_array_equal(weighted[1], 0.0 * plain[1])
    assert np.all(found[True][0] > 0)


def test_weights_of_trials_that_do_not_fit_are_refused():
    for loss, weights, message in (
        (make_cross_entropy(), [1.0, -2.0], "Expected sample_weight >= 0 but got -2.0"),
        (LogitLoss(name="own", function=len, settings=()), [1.0, 1.0], "with the loss own"),
    ):
        with pytest.raises(InputError, match=message):
            prepare_logit_targets(
                loss, np.eye(2) if loss.name == "own" else np.array([0, 1]), 2, 2,
                sample_weight=np.array(weights),
            )  # fmt: skip
