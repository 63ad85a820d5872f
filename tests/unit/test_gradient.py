"""Derivatives of spike times against formulas on paper; `properties/` compares whole networks."""

from dataclasses import replace

import numpy as np
import pytest
from networks import compiled, latencies, network, trains
from one_answer import GRADIENTS, TIMES, compare

from sim.inputs.encoding import BinnedInput
from sim.kernels.limits import LIMITS
from sim.layers import crossings
from sim.layers.allocation import Shelf, make_buffers
from sim.layers.batch import run_batch
from sim.layers.forward import EVENTS_PER_BLOCK
from sim.losses import make_linear_loss, make_target_time_loss
from sim.network.layer_stack import LayerStack

PERIOD = np.pi
NEVER = np.inf


def pull(built, inputs, by_time):
    """Outcome and gradients of sum(by_time * output times)."""
    by_time = np.array(by_time, dtype=float)
    loss = make_linear_loss(n_required=by_time.shape[-1])
    return run_batch(built, inputs, by_time, loss, gradient=True, input_times=True)


def test_gradients_are_computed_only_if_asked_for():
    built = network([[[1.0]]], duration=3.0)
    outcome, gradients = run_batch(
        built, latencies([0.5]), np.ones((1, 1)), make_target_time_loss()
    )  # fmt: skip
    assert gradients is None
    assert outcome.loss.shape == (1,)


@pytest.mark.parametrize("duration", [1.0, 4.0, 40.0])
def test_a_later_phase_is_an_earlier_spike_whether_ordinary_or_pseudo(duration):
    built = network([[[0.0]]], duration=duration, initial=[0.5])
    _, gradients = pull(built, latencies([NEVER]), [[[1, 10, 100]]])
    assert gradients.initial[0] == pytest.approx(-111, rel=1e-14)
    assert gradients.weights[0].tolist() == [[0]]


@pytest.mark.parametrize("w", [-3.0, 0.0, 0.7, 20.0])
def test_one_input_has_the_derivatives_of_the_formula_on_paper(w):
    # u jumps from tan(a) by w; t = t_in + pi/2 - atan(u + w), a = phase + t_in - pi/2
    phase, t_in = 1.0, 0.4
    u = np.tan(phase + t_in - PERIOD / 2)
    by_w = -1 / (1 + (u + w) ** 2)
    by_phase = by_w * (1 + u**2)
    built = network([[[w]]], duration=9.0, initial=[phase])
    _, gradients = pull(built, latencies([t_in]), [[[1.0]]])
    assert gradients.weights[0][0, 0] == pytest.approx(by_w, rel=1e-14)
    assert gradients.initial[0] == pytest.approx(by_phase, rel=1e-14)
    assert gradients.input_times[0, 0] == pytest.approx(1 + by_phase, rel=1e-14, abs=1e-15)


@pytest.mark.parametrize("model", ["theta", "qif_delta", "rapid_theta"])
def test_spikes_that_follow_each_other_without_an_input_have_the_event_engines_gradient(model):
    weights = ([[0.8, 1.4]], [[0.9, 0.2, 0.3], [0.4, 0.7, 0.1]])
    built = LayerStack(
        model=compiled(model), duration=12.0, weights=tuple(map(np.array, weights)),
        initial=np.linspace(0.1, 0.5, 5), parameters={"tau": 0.3, "I0": 1.25},
    )  # fmt: skip
    hidden, output = (len(trains(built, latencies([0.4]))[i]) for i in (0, 2))
    assert min(hidden, output) > 8
    by_time, by_gradient = compare(built, [0.4], 8)
    assert by_time < TIMES
    assert by_gradient < GRADIENTS


@pytest.mark.parametrize("model", ["theta", "qif_delta"])
def test_a_time_shift_leaves_only_the_initial_state_behind(model):
    # all times shift together: sum of dt/dt_in = 1 + rate of change of the initial value
    built = network([np.array([[0.7], [-0.4], [1.1]])], duration=9.0, model=model, initial=[1.0])
    _, gradients = pull(built, latencies([0.2, 0.9, 1.3]), [[[1.0]]])
    speed = 1.0 if model == "theta" else 1.0 * (1.0 - 1.0) + 1.25
    total = gradients.input_times.sum() - speed * gradients.initial[0]
    assert total == pytest.approx(1.0, rel=1e-13)


def test_inputs_that_never_come_or_come_too_late_have_no_gradient():
    built = network([np.full((3, 1), 0.5)], duration=2.0)
    _, gradients = pull(built, latencies([0.5, 2.5, NEVER]), [[[1.0, 1.0]]])
    assert gradients.weights[0][0, 0] != 0
    assert gradients.weights[0][1:, 0].tolist() == [0, 0]
    assert gradients.input_times[0, 1:].tolist() == [0, 0]


def test_inputs_after_the_last_required_spike_have_no_gradient():
    built = network([np.full((2, 1), 0.5)], duration=6.0, initial=[2.0])
    _, gradients = pull(built, latencies([0.5, 3.0]), [[[1.0]]])
    assert gradients.weights[0][0, 0] != 0
    assert gradients.weights[0][1, 0] == gradients.input_times[0, 1] == 0


def test_simultaneous_inputs_have_the_same_derivative_by_their_weights():
    built = network([np.array([[0.5], [-1.5], [2.0]])], duration=6.0)
    _, gradients = pull(built, latencies([0.5, 0.5, 0.5]), [[[1.0, -1.0]]])
    column = gradients.weights[0][:, 0]
    np.testing.assert_allclose(column, column[0], rtol=1e-13)


def test_simultaneous_inputs_may_come_while_coordinates_are_scaled_down(monkeypatch):
    """Some come before and some after, in the block of events that follows."""
    rng = np.random.default_rng(2)
    times = np.sort(np.concatenate([rng.uniform(0, 2, 20), np.full(25, 2.0), [2.5, 3.0]]))
    weights = rng.normal(size=(47, 3))
    weights[EVENTS_PER_BLOCK - 3] = 1e25
    built = network([weights], duration=9.0)
    found = []
    for largest, large in (LIMITS["float64"], (LIMITS["float64"][0], np.inf)):
        monkeypatch.setitem(LIMITS, "float64", (largest, large))
        found.append(pull(built, latencies(times), [[[1.0, -1.0]] * 3])[1].input_times[0])
    scaled, plain = found
    assert np.abs(plain[20:45]).min() > 0
    np.testing.assert_allclose(scaled, plain, rtol=1e-12)


def test_the_gradient_of_a_batch_is_the_mean_over_its_samples(backend):
    rng = np.random.default_rng(5)
    built = network(
        [rng.normal(size=(3, 4)), rng.normal(size=(4, 2))], duration=6.0, backend=backend
    )  # fmt: skip
    inputs, by_time = latencies(*rng.uniform(0, 7, (5, 3))), rng.normal(size=(5, 2, 2))
    _, together = pull(built, inputs, by_time)
    alone = [pull(built, inputs.take([b]), by_time[[b]])[1] for b in range(5)]
    for layer in range(2):
        np.testing.assert_allclose(
            together.weights[layer], np.mean([g.weights[layer] for g in alone], axis=0), atol=1e-13
        )
    np.testing.assert_allclose(
        together.initial, np.mean([g.initial for g in alone], axis=0), atol=1e-13
    )
    np.testing.assert_allclose(
        together.input_times, np.concatenate([g.input_times for g in alone]) / 5, atol=1e-13
    )


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("crosses", [True, False])
@pytest.mark.parametrize(
    ("name", "backend"),
    [
        ("theta", "numpy"),
        pytest.param("theta", "numba", marks=pytest.mark.slow),  # compiles four times
        ("qif", "numpy"),
    ],
)
def test_gradients_are_the_same_whether_states_are_kept_or_computed_again(
    name, backend, crosses, precision, monkeypatch
):
    """Both layers have several blocks of events, with spikes in them, some after large inputs.

    Also by the way of models whose flow does not cross infinity.
    """
    model = replace(compiled(name, backend), crosses_infinity=crosses)
    rng = np.random.default_rng(8)
    weights = [rng.normal(size=(150, 4)) + (name == "qif"), rng.normal(size=(4, 3))]
    large = 3e4 if precision == "float32" else 1e25
    weights[0][::75] *= large if name == "theta" else 3.0
    built = LayerStack(
        model=model, parameters={"I0": 1.25} if name == "theta" else {}, duration=60.0,
        weights=tuple(weights), initial=None, precision=precision,
    )  # fmt: skip
    inputs = latencies(*rng.uniform(0, 62, (2, 150)))
    by_time = rng.normal(size=(2, 3, 20))
    found = []
    for limit in (2**22, 0):
        monkeypatch.setattr("sim.layers.batch.BUFFERS", Shelf())
        monkeypatch.setattr("sim.layers.allocation.ALL_STATES_BYTES", limit)
        outcome, gradients = pull(built, inputs, by_time)
        found.append((outcome.output_times, *gradients.weights, gradients.input_times))
    assert outcome.hidden_spikes.min() > 2 * EVENTS_PER_BLOCK
    for kept, again in zip(*found, strict=True):
        assert np.abs(kept).max() > 0
        assert kept.tolist() == again.tolist()


@pytest.mark.parametrize("n_events", [5_000, 50_000])
def test_memory_for_gradients_grows_with_spikes_far_less_than_all_states_would(n_events):
    buffers = make_buffers(
        compiled("theta", "numba"), (10, 1000, 1000), n_events=n_events, n_bins=0, n_required=1,
        room=n_events, real=np.float64, gradient=True,
    )  # fmt: skip
    states = n_events * 2 * 1000 * 8
    for layer in buffers.layers:
        assert layer.states.nbytes < 2**21
        assert layer.checkpoints.nbytes + layer.scales.nbytes < states / 20


def test_the_gradient_of_a_bins_time_is_the_sum_over_its_inputs():
    rng = np.random.default_rng(6)
    built = network([rng.normal(size=(6, 3)), rng.normal(size=(3, 2))], duration=5.0)
    times, bins = np.array([0.3, 1.1, 4.0, 6.0]), rng.integers(0, 5, (4, 6))
    by_time = rng.normal(size=(4, 2, 1))
    _, binned = pull(built, BinnedInput(times=times, bins=bins), by_time)
    own = np.append(times, NEVER)[bins]
    _, latency = pull(built, latencies(*own), by_time)
    for a, b in zip(binned.weights, latency.weights, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-13)
    summed = [latency.input_times[bins == v].sum() for v in range(4)]
    np.testing.assert_allclose(binned.input_times, summed, atol=1e-13)
    assert binned.input_times[3] == 0


def test_many_periods_of_one_neuron_keep_the_gradient_exact(backend):
    built = network([[[0.8]]], duration=300 * PERIOD, initial=[1.0], backend=backend)
    by_time = np.zeros((1, 1, 290))
    by_time[0, 0, [0, -1]] = [1, -1]
    _, gradients = pull(built, latencies([0.5]), by_time)
    # first and last spike move together
    assert abs(gradients.weights[0][0, 0]) < 1e-12
    assert abs(gradients.initial[0]) < 1e-12


MANY = [(-2.0, 0.1), (-3.0, 0.125), (-300.0, 0.005), (-1000.0, 0.005)]
"""Weights of thousands of inputs, and the time from one to the next."""


@pytest.mark.parametrize(
    ("model", "backend", "drive", "weight", "gap"),
    [
        *(("theta", "numba", 1.25, *case) for case in MANY),
        *(("theta", "numpy", 1.25, *case) for case in MANY),
        ("qif_delta", "numpy", 0.0, 0.1, 5.0),
        ("qif_delta", "numpy", 1.25, -30.0, 0.02),
    ],
)
def test_thousands_of_inputs_without_a_spike_neither_overflow_nor_spoil_the_gradient(
    model, backend, drive, weight, gap
):
    # each of these leaves the range of floats unless the coordinates are scaled down on the way
    times = gap * np.arange(1, 3001)
    weights = np.full((3000, 1), weight)

    def run(change):
        changed = weights.copy()
        changed[-1] += change
        built = network(
            [changed], duration=times[-1] + gap / 2, model=model, backend=backend, I0=drive
        )
        return run_batch(
            built, latencies(times), np.ones((1, 1)), make_linear_loss(), gradient=True
        )

    outcome, gradients = run(0.0)
    step = 1e-5 * max(1.0, abs(weight))
    difference = (run(step)[0].loss[0] - run(-step)[0].loss[0]) / (2 * step)
    assert np.isfinite(outcome.output_times).all()
    assert difference != 0
    assert gradients.weights[0][-1, 0] == pytest.approx(difference, rel=1e-5)


@pytest.mark.parametrize("y", [0.0, 1e-17, -1e-17])
@pytest.mark.parametrize("left", [0.0, 1e-17])
@pytest.mark.parametrize("side", [1.0, -1.0])
def test_whether_a_spike_turned_a_state_is_not_left_to_rounding(backend, y, left, side):
    """The way back may compute y with another last bit, and another sign, than the way there."""
    is_turned = compiled("theta", backend).link(crossings).is_turned
    assert is_turned((1.0, y), (side, left)) == (side < 0)
