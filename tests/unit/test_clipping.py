"""The gradient of each trial, shortened before they are added."""

import numpy as np
import pytest
from temporal_networks import draw_network, draw_readout, draw_trials

from sim.temporal.batch import Clip, run_temporal
from sim.temporal.logit_losses import make_cross_entropy
from sim.temporal.stack import read_temporal

UNITS = (2.0, 0.5, 3.0, 0.25, 1.5, 0.7)
"""Weights and recurrent weights of two layers, readout, bias."""


def draw_case(backend="numpy", model="qif", n_trials=5):
    rng = np.random.default_rng(3)
    network = draw_network(model, [6, 5], rng, backend=backend)
    readout = draw_readout(rng, 5, backend=backend, tau_m=0.7, tau_s=0.3)
    trials = draw_trials(rng, n_trials=n_trials)
    return read_temporal(network), trials, rng.integers(0, 3, n_trials), readout


def run(case, indices=None, **options):
    stack, trials, labels, readout = case
    if indices is not None:
        trials, labels = trials.take(indices), labels[indices]
    return run_temporal(
        stack, trials, labels, readout, make_cross_entropy(), parameters=True, input_times=True,
        **options,
    )  # fmt: skip


def list_gradients(found):
    """Derivatives that count in the norm, then all others."""
    by = found.network
    others = [found.weights * 0.0, *(d for d in by.delays if d is not None)]
    for own in (*by.initial, *by.parameters):
        others += list(own.values())
    return [*by.weights, found.weights, found.bias], [np.asarray(x, float) for x in others]


def expect_sum(case, limit):
    """The norm of each trial's gradient, and the mean of gradients that were shortened by hand."""
    n = len(case[2])
    norms, means, times = [], None, []
    for k in range(n):
        found = run(case, np.array([k]))[1]
        counted, others = list_gradients(found)
        norm = np.sqrt(sum(((u * g) ** 2).sum() for u, g in zip(UNITS, counted, strict=True)))
        factor = min(1.0, limit / norm)
        norms.append(norm)
        own = [factor * g / n for g in (*counted, *others)]
        means = own if means is None else [a + b for a, b in zip(means, own, strict=True)]
        times.append(factor * found.network.input_times[0] / n)
    return np.array(norms), means, np.concatenate(times)


@pytest.mark.parametrize("share", [0.5, 10.0])
def test_each_gradient_is_shortened_before_the_mean_is_taken(share):
    case = draw_case()
    limit = share * np.median(expect_sum(case, np.inf)[0])
    norms, means, times = expect_sum(case, limit)
    assert (norms > limit).sum() >= (3 if share == 0.5 else 0)
    outcome, found = run(case, clip=Clip(limit=limit, units=UNITS))
    np.testing.assert_allclose(outcome.norms, norms, rtol=1e-13)
    counted, others = list_gradients(found)
    for own, mean in zip((*counted, *others), means, strict=True):
        np.testing.assert_allclose(own, mean, rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(found.network.input_times[0], times, rtol=1e-11, atol=1e-14)


def test_without_a_limit_the_norms_are_measured_and_nothing_is_shortened():
    case = draw_case()
    plain, expected = run(case)
    outcome, found = run(case, clip=Clip(limit=np.inf, units=UNITS))
    assert len(plain.norms) == 0
    assert len(outcome.norms) == 5
    np.testing.assert_array_equal(outcome.logits, plain.logits)
    for own, other in zip(list_gradients(found)[0], list_gradients(expected)[0], strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-12, atol=1e-15)


def test_shortened_gradients_have_the_same_bits_on_any_number_of_threads(monkeypatch):
    case = draw_case("numba", n_trials=11)
    found = {}
    for threads in (1, 2, 4):
        monkeypatch.setenv("SPIKETHEORY_THREADS", str(threads))
        outcome, gradients = run(case, clip=Clip(limit=0.1, units=UNITS))
        bits = [
            outcome.norms.tobytes(),
            *(np.asarray(g).tobytes() for g in gradients.network.weights),
        ]
        found[threads] = [*bits, gradients.weights.tobytes()]
    assert found[1] == found[2] == found[4]
    interpreted = run(draw_case("numpy", n_trials=11), clip=Clip(limit=0.1, units=UNITS))[0]
    np.testing.assert_allclose(outcome.norms, interpreted.norms, rtol=1e-11)
