"""Trials of structured event arrays."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim import Trials
from spiketheory.errors import InputError

CAMERA = np.dtype([("x", np.int16), ("y", np.uint8), ("t", np.int64), ("p", bool)])
COCHLEA = np.dtype([("t", np.int64), ("x", np.int16), ("p", np.int8)])
WIDTH, HEIGHT = 200, 250


def make_events(rows, dtype=CAMERA):
    return np.array(rows, dtype)


event = st.tuples(
    st.integers(0, WIDTH - 1), st.integers(0, HEIGHT - 1), st.integers(0, 2**40), st.booleans()
)


@given(st.lists(st.lists(event, max_size=5), min_size=1, max_size=3))
def test_every_event_is_a_spike_whose_channel_tells_where_it_was(samples):
    """Small integers of the fields must not overflow, and channels must be told apart again."""
    trials = Trials.from_events([make_events(s) for s in samples], size=(WIDTH, HEIGHT, 2), unit=1)
    assert trials.n_channels == WIDTH * HEIGHT * 2
    for b, sample in enumerate(samples):
        times, channels = trials.select(b)
        rest, x = np.divmod(channels, WIDTH)
        p, y = np.divmod(rest, HEIGHT)
        found = zip(x.tolist(), y.tolist(), times.tolist(), p.tolist(), strict=True)
        assert sorted(found) == sorted(sample)


def test_the_channel_is_x_and_width_times_y_and_height_times_p():
    events = make_events([(3, 2, 7, True), (1, 0, 5, False)])
    trials = Trials.from_events([events], size=(4, 5, 2))
    assert trials.channel.tolist() == [1, 3 + 4 * (2 + 5 * 1)]
    assert trials.time.tolist() == [5e-6, 7e-6]


def test_a_cochlea_has_neither_height_nor_polarity():
    trials = Trials.from_events(
        [make_events([(1000, 699, 1), (500, 2, 1)], COCHLEA), make_events([], COCHLEA)],
        size=(700, 1, 1), unit=1e-3,
    )  # fmt: skip
    assert trials.channel.tolist() == [2, 699]
    assert trials.time.tolist() == [0.5, 1.0]
    assert trials.offsets.tolist() == [0, 2, 2]
    bare = np.array([(1, 4)], [("t", np.uint32), ("x", np.uint16)])
    assert Trials.from_events([bare], size=(700, 1, 1)).channel.tolist() == [4]


def test_times_in_half_precision_are_cast_before_they_are_multiplied():
    events = np.array([(np.float16(1.2), 0)], [("t", np.float16), ("x", np.uint16)])
    trials = Trials.from_events([events], size=(1, 1, 1), unit=1e6)  # 1.2e6 is inf in float16
    assert trials.time.tolist() == [float(np.float16(1.2)) * 1e6]


def test_channels_may_be_found_in_another_way():
    events = make_events([(1000, 699, 1), (500, 29, 1)], COCHLEA)
    trials = Trials.from_events([events], size=(70, 1, 1), channel=lambda e: e["x"] // 10)
    assert (trials.channel.tolist(), trials.n_channels) == ([2, 69], 70)


@given(st.lists(st.integers(0, 10**9), max_size=5), st.sampled_from([6, 3, 0]))
def test_times_are_the_floats_that_the_decimals_are_read_as(counts, digits):
    events = np.array([(t, 0) for t in counts], [("t", np.int64), ("x", np.int8)])
    trials = Trials.from_events([events], size=(1, 1, 1), unit=float(f"1e-{digits}"))
    assert trials.time.tolist() == sorted(float(f"{t}e-{digits}") for t in counts)


def test_units_that_are_no_fraction_multiply():
    events = np.array([(3, 0)], [("t", np.int64), ("x", np.int8)])
    assert Trials.from_events([events], size=(1, 1, 1), unit=2.5).time.tolist() == [7.5]
    assert Trials.from_events([events], size=(1, 1, 1), unit=0.3).time.tolist() == [3 * 0.3]


def read(*rows, dtype=CAMERA, size=(4, 5, 2), **options):
    return Trials.from_events([make_events(list(rows), dtype)], size=size, **options)


@pytest.mark.parametrize(
    ("make_trials", "message"),
    [
        (lambda: Trials.from_events([], size=(4, 5, 2)), "at least one trial"),
        (lambda: Trials.from_events([np.zeros(3)], size=(4, 5, 2)),
         r"structured array .* got no fields and shape \(3,\) in trial 0; Trials.from_pairs"),
        (lambda: Trials.from_events([[(1, 2)]], size=(4, 5, 2)), "got no fields and shape"),
        (lambda: read((4, 0, 0, 0)), "Expected x from 0 to 3 but got values from 4 to 4"),
        (lambda: read((0, 5, 0, 0)), "Expected y from 0 to 4 but got values from 5 to 5"),
        (lambda: read((-1, 0, 0, 0)), "Expected x from 0 to 3 but got values from -1"),
        (lambda: read((0, 0, -5, 0)), "Expected times >= 0"),
        (lambda: read((0, 0, 1, 0), (0, 0, 1, 1), size=(4, 5, 1)),
         "Expected one polarity, as size says, but got p from 0 to 1"),
        (lambda: read((0, 0, -1), dtype=COCHLEA, size=(4, 1, 2)), "p from 0 to 1 but got .* -1"),
        (lambda: read((0, 0, 0), dtype=COCHLEA), "Expected the field y in all trials but got t, x"),
        (lambda: read((0, 0), dtype=[("t", int), ("x", float)], size=(1, 1, 1)),
         "whole numbers in x but got the type float64"),
        (lambda: read((np.nan, 0), dtype=[("t", float), ("x", int)], size=(1, 1, 1)),
         "finite numbers in t"),
        (lambda: read(("a", 0), dtype=[("t", "U1"), ("x", int)], size=(1, 1, 1)), "numbers in t"),
        (lambda: read(size=(4, 5)), r"size \(width, height, polarities\) but got \(4, 5\)"),
        (lambda: read(size=700), r"size \(width, height, polarities\) but got 700"),
        (lambda: read(size=(4, 0, 2)), "Expected each number of size to be a whole number from 1"),
        (lambda: read(size=(2**16, 2**16, 2)), "Expected the number of channels to be"),
        (lambda: read((0, 0, 0, 0), unit=0.0), "Expected unit > 0"),
        (lambda: read((0, 0, 0, 0), channel=lambda e: 0), "channel for each of the 1 events"),
        (lambda: read((0, 0, 0, 0), channel=lambda e: e["x"] / 2), "whole numbers in channel"),
        (lambda: read((0, 0, 0, 0), channel=lambda e: e["x"] + 40), "Expected channels 0 to 39"),
    ],
)  # fmt: skip
def test_events_that_do_not_fit_are_refused_in_words(make_trials, message):
    with pytest.raises(InputError, match=message):
        make_trials()
