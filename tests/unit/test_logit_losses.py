"""Losses of logits, and their derivatives."""

import numpy as np
import pytest

from sim.temporal.logit_losses import make_cross_entropy


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
