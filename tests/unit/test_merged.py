"""Spikes grouped by trial and instant."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sim import Trials
from sim.inputs.merged import merge_instants
from spiketheory.errors import InputError

T = 1.0
moment = st.sampled_from([0.0, 0.1, 0.1 + 2**-56, 0.5, T, np.nextafter(T, 2), 3.0])
batches = st.lists(
    st.lists(st.tuples(moment, st.integers(0, 3)), max_size=8), min_size=1, max_size=4
)


def group_plainly(trials):
    """For each trial a list of (time, [(channel, where the spike is in the trials)])."""
    found = []
    for b in range(len(trials)):
        own = {}
        for k in range(trials.offsets[b], trials.offsets[b + 1]):
            if trials.time[k] <= T:
                own.setdefault(float(trials.time[k]), []).append((int(trials.channel[k]), k))
        found.append([(time, sorted(own[time])) for time in sorted(own)])
    return found


def read_groups(merged):
    """The same from merged trials."""
    found = []
    for b in range(len(merged)):
        own = []
        for i in range(merged.instant_offsets[b], merged.instant_offsets[b + 1]):
            at = slice(merged.spike_offsets[i], merged.spike_offsets[i + 1])
            spikes = zip(merged.channel[at].tolist(), merged.source[at].tolist(), strict=True)
            own.append((float(merged.instant_time[i]), list(spikes)))
        found.append(own)
    return found


@given(batches)
@example([[], [(0.5, 1)], [], [(0.5, 0), (0.5, 0)], []])  # the same time in trials side by side
@example([[(3.0, 0)], [(T, 0)]])
def test_each_distinct_time_of_a_trial_is_one_instant(spikes):
    trials = Trials.from_pairs(
        [([t for t, _ in s], [c for _, c in s]) for s in spikes], n_channels=4
    )
    merged = merge_instants(trials, T)
    assert read_groups(merged) == group_plainly(trials)
    assert merged.spike_offsets[[0, -1]].tolist() == [0, len(merged.channel)]
    assert merged.instant_offsets[[0, -1]].tolist() == [0, len(merged.instant_time)]
    assert len(merged.spike_offsets) == len(merged.instant_time) + 1
    assert (merged.n_channels, len(merged)) == (4, len(spikes))


@pytest.mark.parametrize(
    "trials",
    [
        Trials.from_latencies([[0.5, np.inf, 0.5], [2.0, 0.1, T]]),
        Trials.from_bins([0.5, 2.0], np.array([[0, 2, 0], [1, 0, 0]], np.uint8)),
    ],
)
def test_compact_trials_are_grouped_like_others(trials):
    assert read_groups(merge_instants(trials, T)) == group_plainly(trials)


def test_a_channel_that_spikes_twice_at_once_is_there_twice():
    merged = merge_instants(Trials.from_grid([[[0, 2], [1, 1]]], width=0.5), T)
    assert merged.instant_time.tolist() == [0.0, 0.5]
    assert merged.channel.tolist() == [1, 1, 0, 1]
    assert merged.spike_offsets.tolist() == [0, 2, 4]


def test_trials_without_spikes_have_no_instants():
    merged = merge_instants(Trials.from_trains([[[]], [[]]]), T)
    assert merged.instant_offsets.tolist() == [0, 0, 0]
    assert merged.spike_offsets.tolist() == [0]


@pytest.mark.parametrize("duration", [0.0, -1.0, np.nan, np.inf])
def test_a_duration_that_is_no_end_is_refused(duration):
    with pytest.raises(InputError, match="Expected duration > 0"):
        merge_instants(Trials.from_trains([[[]]]), duration)
