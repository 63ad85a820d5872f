"""One layer, event by event: what single neurons do."""

import numpy as np
import pytest
from networks import compiled, latencies, network, trains

from sim.layers import spike_order
from sim.layers.allocation import FIRST_ROOM, make_spikes
from sim.layers.batch import record_spikes, run_batch
from sim.layers.spike_order import SMALL_RANKING, SMALL_SORT
from sim.losses import make_target_time_loss
from sim.network.layer_stack import LARGEST_WEIGHT, LayerStack
from spiketheory.errors import SimulationError

PERIOD = np.pi
NEVER = np.inf


def fire(*, times, weights, duration, phase=1.0, **options):
    """Spikes of one neuron with inputs at these times."""
    built = network(
        [np.array(weights, dtype=float)[:, None]], duration=duration, initial=np.array([phase]),
        **options,
    )  # fmt: skip
    return trains(built, latencies(times))[0]


def kick(phase, w):
    """Phase after an input: H(phase, w) of the theta neuron with b = omega = 1."""
    return np.arctan(np.tan(phase - np.pi / 2) + w) + np.pi / 2


def first_spikes(built, inputs, n_required):
    """First spikes of the outputs, pseudospikes included, shape (n_outputs, n_required)."""
    shape = (1, built.layer_sizes[-1], n_required)
    loss = make_target_time_loss(n_required=n_required)
    return run_batch(built, inputs, np.zeros(shape), loss)[0].output_times[0]


# --- without input -------------------------------------------------------------------------------


def test_a_free_neuron_fires_once_per_period_for_fifty_periods(backend):
    built = network([[[0.0]]], duration=50 * PERIOD, initial=[PERIOD / 2], backend=backend)
    (train,) = trains(built, latencies([NEVER]))
    np.testing.assert_allclose(train, (np.arange(50) + 0.5) * PERIOD, rtol=1e-14)


@pytest.mark.parametrize("periods", [1, 2, 3, 1 / 3])
@pytest.mark.parametrize("phase", [0.0, 1e-16, 1.0, PERIOD])
def test_events_at_the_instants_of_spikes_neither_lose_nor_double_them(backend, periods, phase):
    """Rounding decides on which side of an event each spike falls; there is one of each."""
    at_once = phase == PERIOD
    inputs = np.arange(1, 40) * periods * PERIOD - min(phase, 1.0)
    built = network(
        [np.zeros((39, 1))], duration=20.5 * PERIOD, initial=np.array([phase]), backend=backend
    )
    (train,) = trains(built, latencies(inputs))
    wanted = np.arange(0 if at_once else 1, 21 + at_once) * PERIOD - (0 if at_once else phase)
    np.testing.assert_allclose(train, wanted[wanted <= 20.5 * PERIOD], atol=1e-13)


@pytest.mark.parametrize("ulps", [-2, -1, 0, 1, 2])
def test_nor_do_events_at_the_spikes_of_a_current_based_neuron(ulps):
    """Its prediction iterates, and may differ by rounding from the sign of the state."""
    for weight in np.linspace(50.0, 200.0, 40):
        options = {"model": compiled("qif"), "duration": 6.0}
        free = trains(LayerStack(weights=(np.array([[weight]]),), **options), latencies([0.1]))[0]
        assert len(free) > 1
        inputs = [0.1, *(t + ulps * np.spacing(t) for t in free)]
        weights = np.array([[weight], *([0.0] for _ in free)])
        cut = trains(LayerStack(weights=(weights,), **options), latencies(inputs))[0]
        np.testing.assert_allclose(cut, free, rtol=0, atol=1e-10)


def test_no_spike_is_lost_or_doubled_when_the_buffers_grow(backend):
    phases = np.array([0.5, 1.0, 3.0])
    built = network(
        [np.zeros((1, 3))], duration=1000 * PERIOD, initial=phases, backend=backend
    )  # fmt: skip
    for phase, train in zip(phases, trains(built, latencies([1.0])), strict=True):
        assert len(train) == 1000 > FIRST_ROOM
        np.testing.assert_allclose(train, (np.arange(1000) + 1) * PERIOD - phase, rtol=1e-12)


def test_buffers_grow_with_inputs_between_the_spikes(backend):
    built = network([np.full((40, 2), 0.3)], duration=100 * PERIOD, backend=backend)
    times = np.linspace(0, 99 * PERIOD, 40)
    first, second = trains(built, latencies(times))
    assert first == second
    assert 100 <= len(first) <= 105
    assert np.diff(first).min() > 0.5
    assert np.diff(first).max() < PERIOD + 1e-9


@pytest.mark.parametrize("n_periods", range(1, 13))
def test_a_trial_of_whole_periods_ends_with_a_spike_or_a_pseudospike_at_its_end(n_periods):
    built = network([[[0.0]]], duration=n_periods * PERIOD, initial=[0.0])
    (times,) = first_spikes(built, latencies([NEVER]), n_periods + 1)
    np.testing.assert_allclose(times, (np.arange(n_periods + 1) + 1) * PERIOD, rtol=1e-14)


def test_a_period_without_a_spike_before_it_is_not_skipped():
    # one segment of 2.5 periods between inputs that do nothing
    train = fire(times=[0.1, 0.1 + 2.5 * PERIOD], weights=[0, 0], duration=9.0, phase=1.0)
    np.testing.assert_allclose(train, [PERIOD - 1, 2 * PERIOD - 1, 3 * PERIOD - 1], rtol=1e-14)


def test_the_time_constant_scales_all_times():
    times = np.array([0.4, 1.1])
    one = fire(times=times, weights=[1.5, -0.7], duration=20, phase=1.0)
    three = fire(times=3 * times, weights=[1.5, -0.7], duration=60, phase=3.0, tau=3.0)
    np.testing.assert_allclose(three, 3 * np.array(one), rtol=1e-14)


def test_an_undriven_qif_neuron_at_rest_stays_silent():
    assert fire(times=[1], weights=[0.9], duration=100, phase=0.0, model="qif_delta", I0=0.0) == []


def test_an_undriven_qif_neuron_spikes_once_if_it_gets_over_the_unstable_point():
    train = fire(times=[1], weights=[1.5], duration=100, phase=0.0, model="qif_delta", I0=0.0)
    np.testing.assert_allclose(train, [1 + np.log(3)], rtol=1e-14)


# --- inputs --------------------------------------------------------------------------------------


def test_an_input_moves_the_phase_by_the_textbooks_formula():
    (spike,) = fire(times=[0.5], weights=[0.8], duration=3, phase=1.0)
    assert spike == pytest.approx(0.5 + PERIOD - kick(1.5, 0.8), rel=1e-14)


def test_an_input_at_zero_changes_the_initial_phase():
    at_zero = fire(times=[0], weights=[1.3], duration=8, phase=1.0)
    np.testing.assert_allclose(
        at_zero, fire(times=[NEVER], weights=[0], duration=8, phase=kick(1.0, 1.3)), rtol=1e-14
    )


def test_simultaneous_inputs_act_like_their_sum(backend):
    split = fire(
        times=[0.5, 0.5, 0.5, 2.0], weights=[1, -3, 2.5, 1], duration=9, backend=backend
    )  # fmt: skip
    summed = fire(times=[0.5, 2.0], weights=[0.5, 1], duration=9, backend=backend)
    np.testing.assert_allclose(split, summed, rtol=1e-14)


def test_inputs_after_the_end_are_ignored():
    built = network([np.array([[1.0], [5.0]])], duration=1.0)
    alone, both = (
        first_spikes(built, latencies([0.5, late]), 2).tolist() for late in (NEVER, 1.0 + 1e-12)
    )
    assert alone == both


def test_an_input_at_the_end_counts():
    built = network([np.array([[1.0]])], duration=1.0)
    (at_end,) = first_spikes(built, latencies([1.0]), 1)
    (without,) = first_spikes(built, latencies([NEVER]), 1)
    assert at_end < without - 0.1


def test_a_strong_input_shortens_the_wait_but_never_makes_a_spike_itself():
    for w in (1e3, 1e6, 1e12):
        (spike, *_) = fire(times=[0.5], weights=[w], duration=3)
        assert spike + 1e-13 > 0.5
        assert spike - 0.5 == pytest.approx(1 / w, rel=0.01, abs=1e-12)


def test_inhibition_delays_a_spike_but_never_cancels_it():
    for w in (-1.0, -1e3, -1e9):
        (spike, *_) = fire(times=[2.0], weights=[w], duration=10, phase=1.0)
        assert 2.0 + PERIOD > spike > PERIOD - 1


@pytest.mark.parametrize("w", [-20.0, 3.0, 1e6])
def test_an_input_at_the_very_time_of_a_spike_changes_nothing(w, backend):
    (spike, *_) = free = fire(times=[NEVER], weights=[w], duration=8, backend=backend)
    for shift in (-1e-12, -4e-16, 0.0, 4e-16, 1e-12):
        met = fire(times=[spike + shift], weights=[w], duration=8, backend=backend)
        np.testing.assert_allclose(met, free, rtol=0, atol=1e-11)


def test_a_spike_on_an_exact_tie_comes_before_the_input():
    # I0 = 1/4, V = 3/2: the spike comes at exactly 1.0; after the reset the input does nothing
    train = fire(
        times=[1.0], weights=[7.0], duration=50, phase=1.5, model="qif_delta", I0=0.25
    )  # fmt: skip
    assert train == [1.0]


def test_shifting_everything_in_time_shifts_the_spikes():
    times, shift = np.array([0.3, 1.7, 2.2]), 0.75
    early = fire(times=times, weights=[1, -2, 1.5], duration=12, phase=2.0)
    late = fire(times=times + shift, weights=[1, -2, 1.5], duration=12 + shift, phase=2.0 - shift)
    np.testing.assert_allclose(late, np.array(early) + shift, rtol=1e-13)


def test_an_input_cut_in_two_by_an_event_that_does_nothing_is_the_same():
    plain = fire(times=[0.5], weights=[2], duration=9)
    cut = fire(times=[0.5, 0.9, 4.0], weights=[2, 0, 0], duration=9)
    np.testing.assert_allclose(cut, plain, rtol=1e-14)


# --- phases at their bounds ----------------------------------------------------------------------


def test_a_neuron_at_the_end_of_its_period_spikes_at_once():
    train = fire(times=[NEVER], weights=[0], duration=4, phase=PERIOD)
    np.testing.assert_allclose(train, [0, PERIOD], atol=1e-15)


def test_a_neuron_that_just_spiked_ignores_an_input_at_once():
    train = fire(times=[0.0], weights=[1e6], duration=4, phase=0.0)
    np.testing.assert_allclose(train, [PERIOD], rtol=1e-14)


# --- what cannot be carried on -------------------------------------------------------------------


def test_more_spikes_than_allowed_are_an_error(backend):
    built = network([np.zeros((1, 2))], duration=10 * PERIOD, backend=backend)
    assert len(record_spikes(built, latencies([1.0]), max_spikes=20).time) == 20
    with pytest.raises(SimulationError, match="at most 19 spikes per layer and sample but sample"):
        record_spikes(built, latencies([1.0]), max_spikes=19)


def test_a_state_beyond_the_number_range_is_an_error(backend):
    built = network([np.full((5, 1), -1e100)], duration=3.0, backend=backend)
    with (
        np.errstate(all="ignore"),
        pytest.raises(SimulationError, match="sample 0 left the range of the number format"),
    ):
        record_spikes(built, latencies([0.5, 0.7, 0.9, 1.1, 1.3]))


def test_the_largest_weight_alone_is_simulated():
    assert fire(times=[0.5], weights=[LARGEST_WEIGHT], duration=1.0) == [0.5]


# --- order ---------------------------------------------------------------------------------------


def test_spikes_of_an_earlier_sample_are_not_counted():
    """Here one of them would make up for a tie, so that ranks would seem to be all different."""
    spikes = make_spikes(8, 2)
    spikes.times[:], spikes.neurons[:] = [0, 1, 1, 2, 1.5, 3, 3, 3], [0, 2, 1, 0, 0, 0, 0, 0]
    spikes.segments[:] = 0
    order, spare, sorted_neurons = np.empty((3, 8), np.int64)
    sort = compiled("theta").link(spike_order).order_spikes
    sort(spikes, 4, order, spare, np.empty(8), sorted_neurons)
    assert order[:4].tolist() == [0, 2, 1, 3]


@pytest.mark.parametrize("room", [0, 30])
@pytest.mark.parametrize("n_spikes", [0, 1, SMALL_SORT + 1, SMALL_RANKING, SMALL_RANKING + 1, 1000])
def test_spikes_are_ordered_by_segment_time_and_neuron_and_ties_stay_in_order(n_spikes, room):
    """Buffers may have room for more, where spikes of an earlier sample stand."""
    rng = np.random.default_rng(n_spikes)
    segments = np.sort(rng.integers(0, 1 + n_spikes // 60, n_spikes))
    times = segments + rng.integers(0, 20, n_spikes) / 20
    neurons = rng.integers(0, 3, n_spikes)
    spikes = make_spikes(n_spikes + room, 2)
    spikes.segments[:n_spikes], spikes.neurons[:n_spikes] = segments, neurons
    order, spare, sorted_neurons = np.empty((3, n_spikes + room), np.int64)
    sorted_times = np.empty(n_spikes + room)
    sort = compiled("theta").link(spike_order).order_spikes
    for all_times in (times, times + rng.random(n_spikes) / 100):  # with ties, and without
        spikes.times[:] = -1.0
        spikes.times[:n_spikes] = all_times
        sort(spikes, n_spikes, order, spare, sorted_times, sorted_neurons)
        wanted = np.lexsort((np.arange(n_spikes), neurons, all_times, segments))
        assert order[:n_spikes].tolist() == wanted.tolist()
        assert sorted_times[:n_spikes].tolist() == all_times[wanted].tolist()
        assert sorted_neurons[:n_spikes].tolist() == neurons[wanted].tolist()


def test_simultaneous_spikes_of_identical_neurons_come_in_the_order_of_neurons(backend):
    built = network([np.full((1, 30), 0.7)], duration=20.0, backend=backend)
    spikes = record_spikes(built, latencies([0.4]))
    assert len(spikes.time) % 30 == 0
    assert spikes.neuron.tolist() == list(range(30)) * (len(spikes.time) // 30)
