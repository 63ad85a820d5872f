"""Networks of the other trainable models: the gradient is the slope of the loss."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import compiled, latencies

from sim.layers.batch import run_batch
from sim.losses import make_first_spike_loss
from sim.network.layer_stack import LayerStack

GAMMA = 0.01
STEP = 1e-6
KINK = 1e-4
"""A larger difference of the one-sided slopes is a kink: a spike crosses the trial's end or
another one's time within the step."""
MODELS = {
    "qif": {"tau_m": 1.0, "tau_s": 0.5},
    "qif with another ratio": {"tau_m": 1.2, "tau_s": 0.9},
    "rapid_theta": {"tau": 1.1, "I0": 0.9, "r": 3.0},
    "rapid_theta with a slow onset": {"tau": 1.0, "I0": 1.3, "r": 0.6},
}


def make_network(name, seed):
    rng = np.random.default_rng(seed)
    model = compiled(name.split()[0])
    sizes = [3, int(rng.integers(2, 4)), 2]
    scale = rng.choice([1.0, 6.0])
    weights = tuple(rng.uniform(-0.5, 1.0, size) * scale for size in itertools.pairwise(sizes))
    initial = rng.uniform(0.1, 0.9, sum(sizes[1:]))
    inputs = latencies(rng.uniform(0.05, 1.5, 3))
    return model, MODELS[name], weights, initial, inputs


def compute(model, parameters, weights, initial, inputs, *, gradient=False):
    network = LayerStack(
        model=model, parameters=parameters, duration=4.0, weights=weights, initial=initial
    )
    loss = make_first_spike_loss(gamma=GAMMA, duration=4.0)
    outcome, gradients = run_batch(
        network, inputs, np.array([0]), loss, gradient=gradient, input_times=gradient
    )
    return float(outcome.loss[0]), gradients


def slopes(evaluate, start):
    """The central difference, and whether it can be trusted."""
    there, back, here = evaluate(start + STEP), evaluate(start - STEP), evaluate(start)
    forward, backward = (there - here) / STEP, (here - back) / STEP
    return (there - back) / (2 * STEP), abs(forward - backward) < KINK


def replaced(array, index, value):
    copy = np.array(array)
    copy[index] = value
    return copy


@pytest.mark.parametrize("name", MODELS)
@given(seed=st.integers(0, 10_000))
@settings(max_examples=12)
def test_the_gradient_is_the_slope_of_the_loss(name, seed):
    model, parameters, weights, initial, inputs = make_network(name, seed)
    _, gradients = compute(model, parameters, weights, initial, inputs, gradient=True)
    compared = 0

    def compare(evaluate, start, got):
        nonlocal compared
        slope, smooth = slopes(evaluate, start)
        if smooth:
            assert got == pytest.approx(slope, rel=1e-5, abs=1e-6)
            compared += 1

    for layer, matrix in enumerate(weights):
        for index in np.ndindex(matrix.shape):

            def by_weight(value, layer=layer, index=index):
                changed = list(weights)
                changed[layer] = replaced(weights[layer], index, value)
                return compute(model, parameters, tuple(changed), initial, inputs)[0]

            compare(by_weight, matrix[index], gradients.weights[layer][index])
    for i, value in enumerate(initial):
        compare(
            lambda v, i=i: compute(model, parameters, weights, replaced(initial, i, v), inputs)[0],
            value,
            gradients.initial[i],
        )
    times = inputs.times
    for i, value in enumerate(times[0]):
        compare(
            lambda v, i=i: compute(
                model, parameters, weights, initial, latencies(*replaced(times, (0, i), v))
            )[0],
            value,
            gradients.input_times[0, i],
        )
    assert compared > (sum(m.size for m in weights) + len(initial) + 3) // 2
