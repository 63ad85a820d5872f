"""Batches of input spikes, and the forms in which they come."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from sim import BinnedInput, LatencyInput, Trials
from spiketheory.errors import InputError

TRAINS = [[[0.5, 0.1], []], [[], [0.3]], [[], []]]


def test_spikes_are_sorted_within_each_trial():
    trials = Trials.from_trains(TRAINS)
    assert len(trials) == 3
    assert trials.time.tolist() == [0.1, 0.5, 0.3]
    assert trials.channel.tolist() == [0, 0, 1]
    assert trials.offsets.tolist() == [0, 2, 3, 3]


def test_simultaneous_spikes_come_by_channel():
    trials = Trials(time=[0.2, 0.2], channel=[3, 1], offsets=[0, 2], n_channels=4)
    assert trials.channel.tolist() == [1, 3]


def test_padded_arrays_go_there_and_back():
    trials = Trials.from_trains(TRAINS)
    time, channel = trials.to_padded()
    assert time.tolist() == [[0.1, 0.5], [0.3, np.inf], [np.inf, np.inf]]
    assert channel.tolist() == [[0, 0], [1, -1], [-1, -1]]
    again = Trials.from_padded(time, channel, n_channels=2)
    for name in ("time", "channel", "offsets"):
        assert np.array_equal(getattr(again, name), getattr(trials, name))


def test_trials_are_taken_in_any_order():
    trials = Trials.from_trains(TRAINS).take([1, 0, 1])
    assert trials.time.tolist() == [0.3, 0.1, 0.5, 0.3]
    assert trials.offsets.tolist() == [0, 1, 3, 4]
    assert [t.tolist() for t in trials.select(1)] == [[0.1, 0.5], [0, 0]]


def test_compact_forms_are_kept_and_spelt_out():
    times = np.array([[0.2, np.inf, 0.1], [np.inf, 0.4, np.inf]])
    latencies = Trials.from_latencies(times)
    bins = Trials.from_bins([0.1, 0.4], np.array([[0, 2, 1]], np.uint8))
    assert isinstance(latencies.compact, LatencyInput)
    assert isinstance(bins.compact, BinnedInput)
    assert latencies.time.tolist() == [0.1, 0.2, 0.4]
    assert latencies.channel.tolist() == [2, 0, 1]
    assert latencies.offsets.tolist() == [0, 2, 3]
    assert (bins.time.tolist(), bins.channel.tolist()) == ([0.1, 0.4], [0, 2])
    assert isinstance(latencies.take([0]).compact, LatencyInput)


def make(**changes):
    fields = {"time": [0.1], "channel": [0], "offsets": [0, 1], "n_channels": 1}
    return Trials(**fields | changes)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"time": [-0.1]}, "Expected times >= 0"),
        ({"time": [np.inf]}, "finite numbers in time"),
        ({"channel": [1]}, "Expected channels 0 to 0"),
        ({"channel": [0.5]}, "Expected whole numbers in channel"),
        ({"channel": [0, 0]}, "channel"),
        ({"offsets": [0, 2]}, "Expected offsets that rise from 0 to the number of spikes, 1"),
        ({"offsets": [0, 1, 0, 1]}, "Expected offsets that rise"),
        ({"n_channels": 0}, "Expected n_channels to be a whole number from 1"),
        ({"n_channels": 1.5}, "Expected n_channels to be a whole number from 1"),
        ({"time": [], "channel": [], "offsets": [0]}, "Expected at least one trial but got none"),
    ],
)
def test_what_is_no_batch_is_refused(wrong, message):
    with pytest.raises(InputError, match=message):
        make(**wrong)


def test_trials_of_different_numbers_of_channels_are_refused():
    with pytest.raises(InputError, match="equally many channels"):
        Trials.from_trains([[[0.1]], [[0.1], []]])


def test_padding_must_agree():
    with pytest.raises(InputError, match="without the other"):
        Trials.from_padded([[0.1]], [[-1]], n_channels=1)


def list_spikes(trials):
    """Time and channel of each spike, trial by trial, sorted."""
    return [sorted(zip(*map(np.ndarray.tolist, trials.select(b)), strict=True))
            for b in range(len(trials))]  # fmt: skip


spike = st.tuples(st.sampled_from([0.0, 0.1, 0.25, 1.0]) | st.floats(0, 5), st.integers(0, 3))
batches = st.lists(st.lists(spike, max_size=6), min_size=1, max_size=4)


def make_pairs(spikes):
    return [(np.array([t for t, _ in s]), np.array([c for _, c in s], int)) for s in spikes]


@given(batches)
def test_pairs_padded_arrays_and_trains_hold_the_same_spikes(spikes):
    trials = Trials.from_pairs(make_pairs(spikes), n_channels=4)
    trains = [[[t for t, own in s if own == c] for c in range(4)] for s in spikes]
    assert list_spikes(trials) == [sorted(s) for s in spikes]
    assert list_spikes(Trials.from_trains(trains)) == [sorted(s) for s in spikes]
    again = Trials.from_padded(*trials.to_padded(), n_channels=4)
    for name in ("time", "channel", "offsets"):
        assert np.array_equal(getattr(again, name), getattr(trials, name))


@given(npst.arrays(np.uint8, (2, 5, 3), elements=st.integers(0, 2)))
def test_a_grid_can_be_counted_again(grid):
    trials = Trials.from_grid(grid, width=0.25)
    counted = np.zeros_like(grid)
    trial = np.repeat([0, 1], np.diff(trials.offsets))
    np.add.at(counted, (trial, (trials.time / 0.25).astype(int), trials.channel), 1)
    assert np.array_equal(counted, grid)
    assert trials.n_channels == 3


def test_a_count_is_so_many_spikes_at_one_instant():
    trials = Trials.from_grid([[[0, 1], [3, 0], [0, 0]]], width=0.1, start=0.05)
    assert trials.time.tolist() == [0.05, *[0.05 + 0.1] * 3]
    assert trials.channel.tolist() == [1, 0, 0, 0]


@pytest.mark.parametrize("width", [0.1, 1e-3])
def test_steps_of_a_grid_come_at_the_instants_of_the_same_decimals(width):
    grid = np.ones((1, 1000, 1), bool)
    wanted = [float(f"{k}e{-1 if width == 0.1 else -3}") for k in range(1000)]
    assert Trials.from_grid(grid, width=width).time.tolist() == wanted


@pytest.mark.parametrize("kind", [bool, np.int8, np.uint64, np.float16, np.float64])
def test_a_grid_may_have_any_type_of_numbers(kind):
    grid = np.array([[[0, 1], [1, 0]]], kind)
    assert Trials.from_grid(grid, width=1.0).channel.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ([[[0, -1]]], r"counts 0, 1, 2 .* got grid\[0, 0, 1\]=-1"),
        ([[[0, 0.5]]], r"got grid\[0, 0, 1\]=0.5"),
        ([[[np.nan, 0]]], r"got grid\[0, 0, 0\]=nan"),
        ([[[np.inf, 0]]], r"got grid\[0, 0, 0\]=inf"),
        ([[1, 0]], r"Expected grid of shape \(any, any, any\)"),
        (np.zeros((0, 2, 2)), "Expected at least one trial but got none"),
        (np.zeros((1, 2, 0)), "Expected n_channels to be a whole number from 1"),
        ([[["a"]]], "Expected an array of numbers for grid"),
    ],
)
def test_what_is_no_grid_of_counts_is_refused(grid, message):
    with pytest.raises(InputError, match=message):
        Trials.from_grid(grid, width=1.0)


def test_a_width_that_is_not_positive_is_refused():
    with pytest.raises(InputError, match="Expected width > 0"):
        Trials.from_grid([[[1]]], width=0.0)
    with pytest.raises(InputError, match="Expected times >= 0 but got -1"):
        Trials.from_grid([[[1]]], width=1.0, start=-1.0)


def test_times_in_half_precision_are_cast_before_they_are_used():
    times = np.array([0.1, 0.3], np.float16)
    trials = Trials.from_pairs([(times, [0, 1])], n_channels=2)
    assert trials.time.dtype == np.float64
    assert trials.time.tolist() == times.tolist()


@pytest.mark.parametrize(
    ("make_trials", "message"),
    [
        (lambda: Trials.from_trains([]), "at least one trial"),
        (lambda: Trials.from_pairs([], n_channels=1), "at least one trial"),
        (lambda: Trials.from_latencies(np.empty((0, 3))), "at least one trial"),
        (lambda: Trials.from_padded(np.empty((0, 1)), np.empty((0, 1), int), n_channels=1),
         "at least one trial"),
        (lambda: Trials.from_trains(TRAINS).take([]), "at least one trial"),
        (lambda: Trials.from_trains([[[np.nan]]]), "finite numbers in time"),
        (lambda: Trials.from_trains([[[[0.1]]]]), r"a train of shape \(any,\)"),
        (lambda: Trials.from_trains([[]]), "Expected n_channels"),
        (lambda: Trials.from_pairs([([0.1], [0, 1])], n_channels=2), r"channels of trial 0 of sh"),
        (lambda: Trials.from_pairs([([0.1], [0.5])], n_channels=2), "whole numbers in channels"),
        (lambda: Trials.from_pairs([([0.1], [2])], n_channels=2), "Expected channels 0 to 1"),
        (lambda: Trials.from_pairs([([-0.1], [1])], n_channels=2), "Expected times >= 0"),
        (lambda: Trials.from_padded([[np.nan]], [[0]], n_channels=1), r"got time\[0, 0\]=nan"),
        (lambda: Trials.from_padded([[-np.inf]], [[0]], n_channels=1), r"got time\[0, 0\]=-inf"),
        (lambda: Trials.from_padded([[0.1]], [[0.0]], n_channels=1), "whole numbers in channel"),
    ],
)  # fmt: skip
def test_what_makes_no_trials_is_refused_in_words(make_trials, message):
    with pytest.raises(InputError, match=message):
        make_trials()
