"""Trials of neurons that go on through their spikes: spike times and gradients, in every engine.

Spikes are those of an independent integration with a directional event, gradients those of
differences in 50 digits by `spiketheory.reference`, which knows the side of the threshold from V.
"""

import mpmath
import numpy as np
import pytest
from crossings import (
    connect,
    integrate,
    load,
    make_fitzhugh,
    make_lif,
    make_morris_lecar,
    make_resonator,
    make_stepped,
    print_module,
)
from mpmath import mpf

from sim.engine.choose import differentiate, simulate
from spiketheory.errors import SimulationError
from spiketheory.reference.neuron import Neuron

KICKED = ([0.0, 20.0, 22.5, 40.0, 41.0, 60.0], [6.0, 3.0, 3.25, 5.0, -4.0, 12.0], 80.0)
JUMPS = ([0.0, 5.0, 20.0, 30.0, 31.0], [1.5, -3.0, 6.0, -9.0, 9.5], 60.0)
TRIALS = {
    "steps of current": (
        make_stepped(), [0.0, 20.0, 40.0, 70.0, 85.0, 120.0], [2.0, -2.0, 2.0, -2.0, 2.5, -0.5],
        200.0,
    ),
    "decaying current": (make_lif(), *KICKED),
    "current that a spike raises": (make_lif(reset="I += 0.25"), *KICKED),
    "current that a spike turns": (make_lif(reset="I = -I"), *KICKED),
    "jumps of V": (make_lif(jump="V += w; I += w"), *JUMPS),
    "reset onto the threshold": (make_lif(reset="V = V_th; I = 0"), *KICKED),
    "reset onto the threshold, jumps of V": (
        make_lif(reset="V = V_th; I = 0", jump="V += w; I += w"), *JUMPS
    ),
    "resonance": (
        make_resonator(), [0.25 + 0.625 * k for k in range(4)], [2.5, 2.5, -1.0, 3.0], 3.0
    ),
}  # fmt: skip
LONG = {
    "FitzHugh-Nagumo": (make_fitzhugh(), [10.25, 40.0], [0.3, -1.0], 800.0),
    "FitzHugh-Nagumo with adaptation": (
        make_fitzhugh(reset="W += 0.3"), [10.25, 40.0], [0.3, -1.0], 800.0
    ),
    "Morris-Lecar I": (make_morris_lecar("I"), [50.0, 70.0], [10.0, -20.0], 2500.0),
    "Morris-Lecar II": (make_morris_lecar("II"), [50.0, 70.0], [10.0, -20.0], 2000.0),
}  # fmt: skip
ENGINES = ("events", "plain")


def run(compiled, times, weights, duration, engine):
    return simulate(connect(compiled, times, weights, duration), engine=engine, record=True)


def check_spikes(trial, folder, *, backend="numpy", at_least=3):
    """The first 20 spikes are those of DOP853, the same in each engine."""
    model, times, weights, duration = trial
    expected = integrate(model, times, weights, duration)
    compiled = load(print_module(model), folder, backend=backend)
    found = [run(compiled, times, weights, duration, e).spike_time for e in ENGINES]
    assert len(expected) >= at_least
    assert len(found[0]) == len(expected)
    np.testing.assert_allclose(found[0][:20], expected[:20], rtol=1e-9, atol=0)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-13)


@pytest.mark.parametrize("name", TRIALS)
def test_spikes_are_those_of_a_directional_event(name, tmp_path):
    check_spikes(TRIALS[name], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", LONG)
def test_twenty_spikes_of_published_models_are_those_of_a_directional_event(name, tmp_path):
    check_spikes(LONG[name], tmp_path, backend="numba", at_least=20)


def find_slopes(recording):
    """Derivatives of a sum of spike times by input times, weights and parameters."""
    bars = 1 + 0.5 * np.arange(len(recording.spike_time))
    found = differentiate(recording, spike_time=bars, parameters=True)
    (by_parameter,) = found.parameters
    parts = [found.input_times[0], found.weights[0], *by_parameter.values()]
    return list(by_parameter), np.concatenate([np.ravel(p) for p in parts])


def find_differences(model, times, weights, duration, names):
    """The same by central differences in 50 digits."""
    n, step = len(times), mpf(10) ** -15

    def loss(values):
        given = {p.name: mpf(p.default) for p in model.parameters}
        given |= dict(zip(names, values[2 * n :], strict=True))
        neuron = Neuron(model, given)
        inputs = sorted(zip(values[:n], values[n : 2 * n], strict=True))
        spikes, _ = neuron.run(neuron.rest, inputs, mpf(duration))
        return sum((1 + mpf(k) / 2) * time for k, time in enumerate(spikes))

    with mpmath.workdps(50):
        start = [*map(mpf, times), *map(mpf, weights)]
        start += [mpf(model.parameter(name).default) for name in names]
        slopes = []
        for i in range(len(start)):
            above, below = (
                loss([v + (s * step if i == k else 0) for k, v in enumerate(start)])
                for s in (1, -1)
            )
            slopes.append(float((above - below) / (2 * step)))
    return np.array(slopes)


def check_gradient(trial, folder):
    model, times, weights, duration = trial
    compiled = load(print_module(model), folder)
    names, found = find_slopes(run(compiled, times, weights, duration, "events"))
    _, plain = find_slopes(run(compiled, times, weights, duration, "plain"))
    expected = find_differences(model, times, weights, duration, names)
    size = 1 + np.abs(expected)
    np.testing.assert_allclose(found / size, expected / size, atol=1e-12)
    np.testing.assert_allclose(plain / size, found / size, atol=1e-13)
    return found


@pytest.mark.parametrize(
    "name",
    ["jumps of V",
     *(pytest.param(n, marks=pytest.mark.slow) for n in TRIALS if n != "jumps of V")],
)  # fmt: skip
def test_gradients_are_differences_in_50_digits(name, tmp_path):
    assert np.count_nonzero(check_gradient(TRIALS[name], tmp_path)) > 1


@pytest.mark.slow
@pytest.mark.parametrize("reset", ["", "W += 0.3"])
def test_gradients_of_an_integrated_model_are_differences_in_50_digits(reset, tmp_path):
    check_gradient((make_fitzhugh(reset=reset), [10.25, 40.0], [0.3, -1.0], 60.0), tmp_path)


def test_a_graze_has_a_gradient_that_diverges_as_one_over_the_root_of_the_distance(tmp_path):
    """V has its peak 1/6 of the current (tau = 10, tau_s = 4), at which it meets the threshold."""
    compiled = load(print_module(make_lif()), tmp_path)
    peak = (4 / 6) * (0.4 ** (4 / 6) - 0.4 ** (10 / 6))
    slopes = []
    for distance in (1e-6, 1e-8, 1e-10):
        recording = run(compiled, [0.0], [(1 + distance) / peak], 100.0, "events")
        assert len(recording.spike_time) == 1
        _, found = find_slopes(recording)
        slopes.append(abs(found[1]))
    assert slopes[1] / slopes[0] == pytest.approx(10.0, rel=1e-2)
    assert slopes[2] / slopes[1] == pytest.approx(10.0, rel=1e-2)
    assert run(compiled, [0.0], [(1 - 1e-10) / peak], 100.0, "events").spike_time.size == 0


TIMES = "if crossing_times(V, I, tau, tau_s, V_th)[0]"
RESET = "free_reset(V, I, tau, tau_s, V_th)\n    return (v0, v1,"
PLANTED = {
    "re-arming is forgotten": (f"else 0.0 {TIMES}", f"else 1.0 {TIMES}"),
    "a second spike on the surface": (f"{RESET} 1.0)", f"{RESET} 0.0)"),
}


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_seen_in_the_spikes(bug, tmp_path):
    model, times, weights, duration = TRIALS["decaying current"]
    text, (right, wrong) = print_module(model), PLANTED[bug]
    assert text.count(right) == 1
    expected = integrate(model, times, weights, duration)
    compiled = load(text.replace(right, wrong), tmp_path)
    network = connect(compiled, times, weights, duration)
    try:
        found = simulate(network, engine="events", max_spikes=50).spike_time
    except SimulationError:  # more than 50
        return
    assert len(found) != len(expected)
