"""Batches of input spikes, and the forms in which they come."""

import numpy as np
import pytest

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
        ({"n_channels": 0}, "Expected channels"),
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
