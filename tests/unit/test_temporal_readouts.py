"""Every readout with a kernel in the engine for networks in time, and its own derivatives."""

import dataclasses

import numpy as np
import pytest
from temporal_networks import draw_network, draw_readout, draw_trials, run_by_events

from derivations import compile_readout
from sim.temporal.batch import run_temporal
from sim.temporal.logit_losses import make_cross_entropy
from sim.temporal.stack import read_temporal

READOUTS = {
    "leaky_integrator": {"tau_m": 0.7, "tau_s": 0.3},
    "potential_at_end": {"tau_m": 0.7, "tau_s": 0.3},
    "maximum": {"tau_m": 0.7, "tau_s": 0.3},
    "linear_window": {},
    "count": {},
    "windows": {"n_windows": 3, "width": 1.5},
}


def run(name, **values):
    rng = np.random.default_rng(4)
    network, trials = draw_network("theta", [4, 3], rng), draw_trials(rng, n_trials=4)
    labels = rng.integers(0, 3, 4)
    readout = draw_readout(rng, 3, name=name, **READOUTS[name] | values)
    return network, trials, labels, readout


def lose(network, trials, labels, readout, **options):
    loss = make_cross_entropy()
    return run_temporal(read_temporal(network), trials, labels, readout, loss, **options)


@pytest.mark.parametrize("name", [name for name in READOUTS if name != "maximum"])
def test_logits_and_gradients_are_those_of_the_event_engine(name):
    given = run(name)
    outcome, found = lose(*given)
    recording, logits, losses, expected = run_by_events(
        given[0], given[1], given[3], labels=given[2]
    )
    assert np.ptp(logits) > 0.1
    assert len(recording.spike_time) > 20
    np.testing.assert_allclose(outcome.logits, logits, rtol=0, atol=1e-11 * np.abs(logits).max())
    np.testing.assert_allclose(outcome.loss, losses, rtol=0, atol=1e-11 * np.abs(logits).max())
    for own, other in zip(found.network.weights, expected.weights, strict=True):
        np.testing.assert_allclose(own, other, rtol=0, atol=1e-11 * np.abs(other).max())
    moves = np.abs(found.network.weights[0]).max() > 0
    assert moves == (name != "count")  # a count does not change where spikes move


@pytest.mark.parametrize("name", READOUTS)
def test_derivatives_by_what_the_readout_has_are_differences_of_the_loss(name):
    network, trials, labels, readout = run(name)
    _, found = lose(network, trials, labels, readout, parameters=True)
    step = 1e-6

    def slope(change):
        values = [
            lose(network, trials, labels, change(sign * step), gradient=False)[0].loss.mean()
            for sign in (1, -1)
        ]
        return (values[0] - values[1]) / (2 * step)

    def move(field, place):
        def change(amount):
            array = getattr(readout, field).copy()
            array[place] += amount
            return dataclasses.replace(readout, **{field: array})

        return change

    def retime(key):
        def change(amount):
            values = READOUTS[name] | {key: READOUTS[name][key] + amount}
            compiled = compile_readout(name, backend="numpy", **values)
            return dataclasses.replace(readout, compiled=compiled)

        return change

    last = tuple(n - 1 for n in readout.weights.shape)
    assert slope(move("weights", last)) == pytest.approx(found.weights[last], abs=1e-8)
    assert slope(move("bias", 1)) == pytest.approx(found.bias[1], abs=1e-8)
    assert set(found.settings) == {key for key in READOUTS[name] if key.startswith("tau")}
    for key, value in found.settings.items():
        assert slope(retime(key)) == pytest.approx(value, abs=1e-8)
        assert abs(value) > 1e-4
