"""The readout `maximum`: the exact largest potential, and its derivatives."""

from itertools import pairwise

import mpmath
import numpy as np
import pytest
from temporal_networks import draw_network, draw_readout, draw_trials

from derivations import compile_model, compile_readout
from sim.engine.choose import differentiate, simulate
from sim.temporal.batch import run_temporal
from sim.temporal.linking import link_maximum
from sim.temporal.logit_losses import make_squared_error
from sim.temporal.stack import read_temporal

CONSTANTS = {
    "slow potential": (1.0, 0.3), "slow current": (0.3, 1.0), "equal": (0.5, 0.5),
    "nearly equal": (0.5, 0.5 * (1 + 1e-9)), "long": (30.0, 0.1), "short": (0.01, 0.02),
}  # fmt: skip
T = 2.0


def potential(t, times, weights, tau_m, tau_s):
    """V at t as a sum over spikes, in mpmath; equal constants as the limit."""
    total = mpmath.mpf(0)
    for time, weight in zip(times, weights, strict=True):
        u = t - time
        if u > 0 and tau_m == tau_s:
            total += weight * u / tau_m * mpmath.exp(-u / tau_m)
        elif u > 0:
            total += weight * tau_s / (tau_m - tau_s) * (
                mpmath.exp(-u / tau_m) - mpmath.exp(-u / tau_s)
            )  # fmt: skip
    return total


def maximise(times, weights, tau_m, tau_s, n=400):
    """Largest potential and its place: the best of a grid, refined by golden sections."""
    with mpmath.workdps(40):
        times, weights = ([mpmath.mpf(v) for v in values] for values in (times, weights))
        tau_m, tau_s = mpmath.mpf(tau_m), mpmath.mpf(tau_s)
        marks = sorted({mpmath.mpf(0), mpmath.mpf(T), *times})
        # finer behind each spike, where a fast rise may be
        grid = [a + (b - a) * mpmath.mpf(k) ** 3 / n**3 for a, b in pairwise(marks)
                for k in range(n)] + [marks[-1]]  # fmt: skip
        values = [potential(t, times, weights, tau_m, tau_s) for t in grid]
        k = max(range(len(grid)), key=lambda k: values[k])
        best, place = values[k], grid[k]
        for low, high in pairwise(grid[max(k - 1, 0) : k + 2]):
            for _ in range(80):
                third = (high - low) / 3
                left, right = low + third, high - third
                if potential(left, times, weights, tau_m, tau_s) < potential(
                    right, times, weights, tau_m, tau_s
                ):
                    low = left
                else:
                    high = right
            value = potential(low, times, weights, tau_m, tau_s)
            if value > best:
                best, place = value, low
        return best, place


def read(times, neurons, weights, constants, by_logit=None):
    """Maxima, their places, and derivatives by weights, spike times and constants."""
    readout = compile_readout("maximum", backend="numpy")
    kernels = link_maximum(compile_model("theta", backend="numpy"), readout.functions, True)
    times, weights = np.array(times), np.array(weights, float).T[:, None, :]
    order = np.argsort(times, kind="stable")
    n_outputs = weights.shape[2]
    states, peaks = np.zeros((3, n_outputs)), np.zeros(n_outputs)
    given = times, np.array(neurons), order, len(times), weights, T, constants
    kernels.find_peaks(*given, states, peaks)
    by_logit = np.ones(n_outputs) if by_logit is None else by_logit
    slopes = np.zeros(weights.shape), np.zeros(len(times)), np.zeros(2)
    kernels.peaks_vjp(*given, peaks, by_logit, *slopes)
    return states[2], peaks, slopes[0][:, 0, :].T, slopes[1], slopes[2]


@pytest.mark.parametrize("constants", CONSTANTS.values(), ids=CONSTANTS)
def test_the_maximum_is_that_of_40_digits(constants):
    rng = np.random.default_rng(1)
    for scale in (1.0, 0.05):
        times = np.sort(rng.uniform(0, T * scale, 5))
        weights = rng.normal(0.2, 1, 5)
        found, places, *_ = read(times, np.arange(5), weights[None], constants)
        value, place = maximise(times, weights, *constants)
        assert found[0] == pytest.approx(float(value), rel=1e-13, abs=1e-15)
        # the highest point is flat: half the digits of its place follow from its height
        assert places[0] == pytest.approx(float(place), abs=1e-12)


@pytest.mark.parametrize("constants", [(1.0, 0.3), (0.3, 1.0), (0.5, 0.5)])
def test_derivatives_are_differences_of_the_maximum_in_40_digits(constants):
    rng = np.random.default_rng(3)
    kinds = set()
    for _ in range(3):
        times, weights = np.sort(rng.uniform(0, T, 4)), rng.normal(0.3, 1, 4)
        _, places, by_weight, by_time, by_constant = read(
            times, np.arange(4), weights[None], constants
        )
        kinds.add("end" if places[0] == T else "spike" if places[0] in times else "between")
        step = mpmath.mpf("1e-12")

        def move(k, amount, times=times, weights=weights):
            given = [[mpmath.mpf(v) for v in values] for values in (times, weights, constants)]
            given[k[0]][k[1]] += amount
            return maximise(given[0], given[1], *given[2], n=12)[0]

        numbers = [(1, j) for j in range(4)] + [(0, j) for j in range(4)] + [(2, 0), (2, 1)]
        found = [*by_weight[0], *by_time, *by_constant]
        for k, value in zip(numbers, found, strict=True):
            if constants[0] == constants[1] and k[0] == 2:
                continue  # the sum of exponentials above cancels there
            with mpmath.workdps(40):
                slope = (move(k, step) - move(k, -step)) / (2 * step)
            assert value == pytest.approx(float(slope), abs=1e-9)
    assert "between" in kinds


def test_a_maximum_at_a_spike_moves_with_it():
    times, weights, constants = [0.1, 0.3], [1.0, -5.0], (1.0, 0.5)
    found, places, _, by_time, _ = read(times, [0, 1], [weights], constants)
    assert places[0] == 0.3
    rise = -np.exp(-0.2) + 2 * np.exp(-0.4)  # d/du (exp(-u) - exp(-2u)) at 0.2
    assert found[0] == pytest.approx(np.exp(-0.2) - np.exp(-0.4), rel=1e-14)
    assert by_time == pytest.approx([-rise, rise], rel=1e-13)


def test_two_spikes_at_the_maximum_share_the_mean_of_both_sides():
    times, weights, constants = [0.1, 0.3, 0.3], [1.0, -5.0, -0.2], (1.0, 0.5)
    _, _, _, by_time, _ = read(times, [0, 1, 2], [weights], constants)
    step, expected = 1e-7, []
    for j in (1, 2):
        values = []
        for sign in (-1, 0, 1):
            moved = np.array(times)
            moved[j] += sign * step
            values.append(read(moved, [0, 1, 2], [weights], constants)[0][0])
        expected.append((values[2] - values[0]) / (2 * step))
    assert by_time[1:] == pytest.approx(expected, abs=1e-6)
    assert expected[0] != pytest.approx(expected[1], abs=1e-3)


def test_of_equal_maxima_the_earliest_counts():
    _, places, by_weight, by_time, _ = read([0.01, 1.5], [0, 1], [[1.0, 1.0]], (0.01, 0.02))
    assert places[0] == pytest.approx(0.01 + 0.02 * np.log(2.0))
    assert by_weight[0, 0] > 0 == by_weight[0, 1]
    assert by_time[1] == 0.0


def test_an_inhibited_readout_is_0_and_has_no_gradient():
    found, places, by_weight, by_time, by_constant = read(
        [0.2, 0.4], [0, 1], [[-1.0, -2.0]], (1.0, 0.5)
    )
    assert found[0] == places[0] == 0.0
    for slopes in (by_weight, by_time, by_constant):
        assert not np.any(slopes)


def test_logits_and_gradients_of_a_network_are_those_of_its_spikes():
    rng = np.random.default_rng(5)
    network = draw_network("lif", [4, 3], rng)
    trials, targets = draw_trials(rng, n_trials=2), np.zeros((2, 3))
    readout = draw_readout(rng, 3, name="maximum", tau_m=0.7, tau_s=0.3)
    outcome, found = run_temporal(
        read_temporal(network), trials, targets, readout, make_squared_error(), parameters=True
    )
    recording = simulate(network, trials, engine="events", record=True)
    by_spike, by_bias, by_setting = np.zeros(len(recording.spike_time)), np.zeros(3), np.zeros(2)
    by_weight = np.zeros((3, 3))
    for b in range(2):
        own = np.flatnonzero((recording.spike_trial == b) & (recording.spike_neuron >= 4))
        times, neurons = recording.spike_time[own], recording.spike_neuron[own] - 4
        weights = readout.cube[:, :, 0]
        tops, *_ = read(times, neurons, weights, (0.7, 0.3))
        for o in range(3):
            top, _ = maximise(times, weights[o, neurons], 0.7, 0.3, n=60)
            assert outcome.logits[b, o] == pytest.approx(float(top) + readout.bias[o], rel=1e-12)
        slopes = read(times, neurons, weights, (0.7, 0.3), (tops + readout.bias) / 2)
        by_bias += (tops + readout.bias) / 2
        by_weight += slopes[2]
        by_spike[own] = slopes[3]
        by_setting += slopes[4]
    expected = differentiate(recording, spike_time=by_spike)
    assert np.abs(by_spike).max() > 0
    np.testing.assert_allclose(found.bias, by_bias, atol=1e-12)
    np.testing.assert_allclose(found.weights[:, :, 0], by_weight, atol=1e-12)
    np.testing.assert_allclose(list(found.settings.values()), by_setting, atol=1e-12)
    for own, other in zip(found.network.weights, expected.weights, strict=True):
        np.testing.assert_allclose(own, other, atol=1e-11 * np.abs(other).max())
