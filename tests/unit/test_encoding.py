import re
import time

import numpy as np
import pytest

from sim.inputs.encoding import (
    BinnedInput,
    LatencyInput,
    bin_times,
    encode_bins,
    encode_latency,
    flip_bins,
    shift_images,
    transform_images,
)
from spiketheory.errors import InputError

BINS = np.array([[0, 1], [2, 1], [2, 2]], dtype=np.uint8)


def generator(seed=0):
    return np.random.default_rng(seed)


# --- records -------------------------------------------------------------------------------------


def test_a_binned_input_takes_whole_numbers_of_any_type():
    binned = BinnedInput(times=[1, 2], bins=BINS.astype(np.int64))
    assert binned.times.dtype == np.float64
    assert binned.bins.dtype == np.uint8
    assert (len(binned), binned.n_inputs) == (3, 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"times": [[1.0, 2.0]]}, "Expected times of shape (any,)"),
        ({"times": []}, "Expected 1 to 255 spike times but got 0"),
        ({"times": np.arange(256.0)}, "Expected 1 to 255 spike times but got 256"),
        ({"times": [2.0, 1.0]}, "strictly increasing order but got times=[2.0, 1.0]; sort them"),
        ({"times": [1.0, 1.0]}, "strictly increasing"),
        ({"times": [-1.0, 1.0]}, "Expected finite spike times >= 0"),
        ({"times": [0.0, np.inf]}, "leave out bins that do not spike"),
        ({"times": [np.nan, 1.0]}, "Expected finite spike times"),
        ({"times": ["early", "late"]}, "Expected an array of numbers for times but got list"),
        ({"bins": BINS[0]}, "Expected bins of shape (any, any)"),
        ({"bins": BINS.astype(float)}, "whole numbers in bins but got type float64"),
        ({"bins": BINS + 1}, "Expected bins in 0..2 but got bins[1, 0]=3; 2 itself means no spike"),
        ({"bins": BINS.astype(int) - 1}, "Expected bins in 0..2 but got bins[0, 0]=-1"),
        ({"bins": BINS.astype(int) + 256}, "Expected bins in 0..2 but got bins[0, 0]=256"),
    ],
)
def test_a_binned_input_refuses_what_does_not_fit(changes, message):
    with pytest.raises(InputError, match=re.escape(message)):
        BinnedInput(**({"times": [1.0, 2.0], "bins": BINS} | changes))


def test_a_latency_input_takes_inf_for_no_spike():
    latency = LatencyInput(times=[[0, np.inf, 1]])
    assert latency.times.dtype == np.float64
    assert (len(latency), latency.n_inputs) == (1, 3)


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([0.0, 1.0], "Expected times of shape (any, any)"),
        ([[0.0, -1.0]], "Expected spike times >= 0 but got times[0, 1]=-1.0; give inf"),
        ([[0.0], [np.nan]], "Expected spike times >= 0 but got times[1, 0]=nan"),
        ([[0.0], [1.0, 2.0]], "Expected an array of numbers for times"),
    ],
)
def test_a_latency_input_refuses_what_does_not_fit(times, message):
    with pytest.raises(InputError, match=re.escape(message)):
        LatencyInput(times=times)


@pytest.mark.parametrize("indices", [[2, 0, 0], [], [-1]])
def test_taking_samples_keeps_the_order_asked_for(indices):
    binned = BinnedInput(times=[1, 2], bins=BINS).take(indices)
    latency = LatencyInput(times=BINS).take(np.array(indices))
    np.testing.assert_array_equal(binned.bins, [BINS[i] for i in indices] or np.empty((0, 2)))
    np.testing.assert_array_equal(latency.times, binned.bins)
    assert binned.times.tolist() == [1, 2]
    assert len(binned) == len(latency) == len(indices)


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        ([3], "Expected sample indices below 3 but got 3..3; choose samples that exist"),
        ([[0]], "whole numbers of shape (n,) but got int64 of shape (1, 1)"),
        ([True, False, True], "np.flatnonzero turns a mask into indices"),
        ([0.5], "but got float64 of shape (1,)"),
    ],
)
def test_taking_samples_that_do_not_exist_is_refused(indices, message):
    for record in (BinnedInput(times=[1, 2], bins=BINS), LatencyInput(times=BINS)):
        with pytest.raises(InputError, match=re.escape(message)):
            record.take(np.array(indices))


# --- bins ----------------------------------------------------------------------------------------


def test_one_bin_lets_pixels_above_127_spike_at_the_time_of_the_paper():
    pixels = np.arange(256)
    binned = encode_bins(pixels[None] / 255, n_bins=1, T=2.0)
    np.testing.assert_array_equal(binned.bins[0], np.where(pixels > 127, 0, 1))
    assert binned.times.tolist() == [pytest.approx(0.0201, abs=1e-5)]


@pytest.mark.parametrize("n_bins", [1, 2, 3, 10, 63])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_pixel_falls_into_the_bin_of_the_formula(n_bins, dtype):
    pixels = np.arange(256)
    inputs = (pixels / 255).astype(dtype)[None]
    expected = [min((255 - p) // (256 // (n_bins + 1)), n_bins) for p in range(256)]
    assert encode_bins(inputs, n_bins=n_bins, T=2.0).bins[0].tolist() == expected


def test_bin_times_are_those_of_the_levels():
    expected = [2 * np.log(c / (c - 0.03)) for c in (3, 2, 1)]
    np.testing.assert_allclose(bin_times(n_bins=3, T=2.0), expected, rtol=1e-14)


@pytest.mark.parametrize("n_bins", range(1, 64))
def test_bin_times_increase_and_end_before_the_trial(n_bins):
    times = bin_times(n_bins=n_bins, T=2.0)
    assert (np.diff(times) > 0).all()
    assert 0 < times[0] <= times[-1] < 2.0


def test_an_8_bit_number_of_bins_does_not_overflow():
    expected = encode_bins([[0.0, 0.5, 1.0]], n_bins=3, T=1.0)
    for number in (np.uint8(3), np.int8(3)):
        binned = encode_bins([[0.0, 0.5, 1.0]], n_bins=number, T=1.0)
        np.testing.assert_array_equal(binned.bins, expected.bins)
        np.testing.assert_array_equal(binned.times, expected.times)


@pytest.mark.parametrize("n_bins", [0, 64, 100, 1.5, "three"])
def test_a_number_of_bins_that_gives_no_time_in_the_trial_is_refused(n_bins):
    message = "Expected n_bins to be a whole number from 1 to 63 .* after T, from 100 on never"
    with pytest.raises(InputError, match=message):
        encode_bins(np.zeros((1, 2)), n_bins=n_bins, T=2.0)


@pytest.mark.parametrize("T", [0.0, -1.0, np.nan, np.inf])
def test_binning_needs_a_positive_trial_length(T):
    with pytest.raises(InputError, match="Expected T > 0"):
        encode_bins(np.zeros((1, 2)), n_bins=1, T=T)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (np.zeros(3), "Expected inputs of shape (any, any)"),
        ([[0, 255]], "but got inputs[0, 1]=255.0; scale them first (8-bit images: divide by 255)"),
        ([[0.0, np.nan]], "Expected intensities in [0, 1] but got inputs[0, 1]=nan"),
        ([[-0.1]], "Expected intensities in [0, 1] but got inputs[0, 0]=-0.1"),
        ([["white"]], "Expected an array of numbers for inputs"),
    ],
)
def test_encodings_refuse_what_is_no_intensity(inputs, message):
    with pytest.raises(InputError, match=re.escape(message)):
        encode_bins(inputs, n_bins=1, T=2.0)
    with pytest.raises(InputError, match=re.escape(message)):
        encode_latency(inputs, t_first=0.0, t_last=1.0, threshold=0.0)


# --- latencies -----------------------------------------------------------------------------------


def test_brighter_inputs_spike_earlier_and_dark_ones_never():
    latency = encode_latency([[1.0, 0.5, 0.2, 0.1]], t_first=0.5, t_last=1.5, threshold=0.2)
    assert latency.times[0, :2].tolist() == [0.5, 1.0]
    assert latency.times[0, 2] == pytest.approx(1.3)
    assert latency.times[0, 3] == np.inf


def test_without_a_threshold_black_spikes_last():
    latency = encode_latency([[0.0, 1.0]], t_first=0.0, t_last=2.0, threshold=0.0)
    assert latency.times.tolist() == [[2.0, 0.0]]


def test_rounding_never_carries_a_latency_out_of_its_interval():
    rng = generator()
    for _ in range(200):
        t_first, t_last = np.sort(rng.random(2))
        inputs = np.append(rng.random(100), [0.0, 1.0])[None]
        times = encode_latency(inputs, t_first=t_first, t_last=t_last, threshold=0.0).times
        assert t_first <= times.min()
        assert times.max() <= t_last


@pytest.mark.parametrize(
    ("t_first", "t_last"), [(1.0, 0.5), (-1.0, 1.0), (0.0, np.inf), (np.nan, 1.0)]
)
def test_latencies_refuse_times_out_of_order(t_first, t_last):
    with pytest.raises(InputError, match="Expected 0 <= t_first <= t_last but got t_first="):
        encode_latency([[0.5]], t_first=t_first, t_last=t_last, threshold=0.0)


@pytest.mark.parametrize("threshold", [-0.1, 1.1, np.nan])
def test_latencies_refuse_a_threshold_that_is_no_intensity(threshold):
    with pytest.raises(InputError, match="Expected 0 <= threshold <= 1 but got threshold="):
        encode_latency([[0.5]], t_first=0.0, t_last=1.0, threshold=threshold)


# --- flips ---------------------------------------------------------------------------------------


def test_a_flip_mirrors_the_bin_and_leaves_its_argument_alone():
    bins = np.array([[0, 1, 2, 3]], dtype=np.uint8)
    assert flip_bins(bins, 3, 1.0, generator()).tolist() == [[3, 2, 1, 0]]
    assert flip_bins(bins, 3, 0.0, generator()).tolist() == [[0, 1, 2, 3]]
    assert bins.tolist() == [[0, 1, 2, 3]]


@pytest.mark.parametrize("probability", [0.02, 0.3, 0.5, 0.999, 1.0])
def test_flips_have_the_mean_and_the_spread_of_independent_trials(probability):
    bins = np.zeros((300, 1000), dtype=np.uint8)
    flips = flip_bins(bins, 1, probability, generator()).astype(float)
    deviation = np.sqrt(probability * (1 - probability) / flips.size)
    assert abs(flips.mean() - probability) <= 5 * deviation
    row_counts = flips.sum(axis=1)
    variance = 1000 * probability * (1 - probability)
    assert abs(row_counts.var() - variance) <= 5 * variance * np.sqrt(2 / 300)


def test_the_smallest_probability_flips_nothing_and_does_not_overflow():
    assert not flip_bins(np.zeros((300, 1000), dtype=np.uint8), 1, 5e-324, generator()).any()


def test_every_entry_flips_equally_often_the_first_and_the_last_included():
    rng, bins = generator(), np.zeros((2, 3), dtype=np.uint8)
    flips = np.array([flip_bins(bins, 1, 0.3, rng) for _ in range(4000)])
    assert np.abs(flips.mean(axis=0) - 0.3).max() < 5 * np.sqrt(0.21 / 4000)


def test_the_patterns_of_flips_have_the_probabilities_of_independent_trials():
    rng, bins, probability, n_trials = generator(), np.zeros((1, 4), dtype=np.uint8), 0.4, 8000
    patterns = np.concatenate([flip_bins(bins, 1, probability, rng) for _ in range(n_trials)])
    counts = np.bincount(patterns @ [8, 4, 2, 1], minlength=16)
    n_flips = np.array([pattern.bit_count() for pattern in range(16)])
    expected = n_trials * probability**n_flips * (1 - probability) ** (4 - n_flips)
    chi_square = ((counts - expected) ** 2 / expected).sum()
    assert chi_square < 45  # 15 degrees of freedom: exceeded with probability 8e-5


def test_neighbouring_flips_are_uncorrelated():
    flips = flip_bins(np.zeros((1, 400_000), dtype=np.uint8), 1, 0.1, generator())[0] - 0.1
    for distance in (1, 2, 3, 784):
        correlation = (flips[:-distance] * flips[distance:]).mean() / 0.09
        assert abs(correlation) < 5 / np.sqrt(400_000)


def test_flips_follow_the_seed():
    bins = np.zeros((20, 50), dtype=np.uint8)
    first, same, other = (flip_bins(bins, 1, 0.1, generator(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)


def test_flipping_bins_that_are_not_contiguous_leaves_them_alone():
    bins = np.zeros((10, 8), dtype=np.uint8).T
    assert flip_bins(bins, 2, 1.0, generator()).tolist() == [[2] * 10] * 8
    assert not bins.any()


def test_flipping_no_samples_gives_no_samples():
    assert flip_bins(np.empty((0, 5), dtype=np.uint8), 1, 0.5, generator()).shape == (0, 5)


def test_flipping_a_batch_of_mnist_is_fast():
    bins = generator().integers(0, 2, (1000, 784), dtype=np.uint8)
    rng, durations = generator(), []
    for _ in range(20):
        start = time.perf_counter()
        flip_bins(bins, 1, 0.02, rng)
        durations.append(time.perf_counter() - start)
    assert min(durations) < 2e-3


@pytest.mark.parametrize(
    ("n_bins", "probability", "message"),
    [
        (2, -0.1, "Expected 0 <= probability <= 1 but got probability=-0.1"),
        (2, 2.0, "give a fraction, not percent"),
        (2, np.nan, "but got probability=nan"),
        (1, 0.1, "Expected bins in 0..1 but got bins[1, 0]=2"),
        (0, 0.1, "Expected n_bins to be a whole number from 1 to 255"),
        (256, 0.1, "but got n_bins=256; it is the number of spike times"),
    ],
)
def test_flips_refuse_what_is_out_of_range(n_bins, probability, message):
    with pytest.raises(InputError, match=re.escape(message)):
        flip_bins(BINS, n_bins, probability, generator())


# --- shifts --------------------------------------------------------------------------------------


def test_every_shifted_image_is_one_of_the_possible_shifts_and_all_are_equally_likely():
    image = np.arange(1.0, 13.0).reshape(3, 4)
    n_samples = 4500
    shifted = shift_images(np.tile(image.ravel(), (n_samples, 1)), (3, 4), 1, generator())
    padded = np.pad(image, 1)
    counts = []
    for top in range(3):
        for left in range(3):
            window = padded[top : top + 3, left : left + 4].ravel()
            counts.append(int((shifted == window).all(axis=1).sum()))
    assert sum(counts) == n_samples
    assert np.abs(np.array(counts) - n_samples / 9).max() < 5 * np.sqrt(n_samples / 9)


def test_shifted_bins_are_filled_with_the_bin_that_does_not_spike():
    bins = np.zeros((200, 4), dtype=np.uint8)
    shifted = shift_images(bins, (2, 2), 1, generator(), fill=3)
    assert shifted.dtype == np.uint8
    assert set(np.unique(shifted)) == {0, 3}
    assert (shifted == 0).any(axis=1).all()
    assert not bins.any()


def test_a_shift_of_zero_changes_nothing_and_returns_a_copy():
    values = generator().random((5, 6), dtype=np.float32)
    shifted = shift_images(values, (2, 3), 0, generator())
    np.testing.assert_array_equal(shifted, values)
    assert shifted.dtype == np.float32
    assert not np.shares_memory(shifted, values)


def test_an_8_bit_shift_does_not_overflow():
    values = np.ones((50, 100 * 100), dtype=np.uint8)
    shifted = [shift_images(values, (100, 100), n, generator()) for n in (90, np.int8(90))]
    np.testing.assert_array_equal(*shifted)


def test_shifts_follow_the_seed():
    values = generator().random((20, 16))
    first, same, other = (shift_images(values, (4, 4), 2, generator(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"max_shift": 2},
            "Expected max_shift to be a whole number from 0 to 1 but got max_shift=2",
        ),
        ({"max_shift": -1}, "a larger shift moves the whole image out of sight"),
        ({"max_shift": 0.5}, "but got max_shift=0.5"),
        ({"values": np.zeros((1, 5))}, "Expected values of shape (any, 6)"),
        ({"fill": 256}, "Expected fill to fit values of type uint8 but got fill=256"),
        ({"fill": -1}, "give a whole number from 0 to 255"),
        ({"fill": 0.5}, "but got fill=0.5"),
        ({"fill": np.nan}, "but got fill=nan"),
    ],
)
def test_shifts_refuse_what_does_not_fit(changes, message):
    options = {"values": np.zeros((1, 6), dtype=np.uint8), "max_shift": 1, "fill": 0} | changes
    with pytest.raises(InputError, match=re.escape(message)):
        shift_images(
            options["values"], (2, 3), options["max_shift"], generator(), fill=options["fill"]
        )


# --- turns and zooms -----------------------------------------------------------------------------


def move(values, shape, *, shift=0, turn=0.0, zoom=0.0, fill=0, seed=0):
    return transform_images(
        values, shape, max_shift=shift, max_turn=turn, max_zoom=zoom,
        rng=np.random.default_rng(seed), fill=fill,
    )  # fmt: skip


def test_without_turn_and_zoom_images_are_shifted_by_whole_pixels_that_are_equally_likely():
    n_samples = 9000
    point = np.zeros((n_samples, 5, 5), np.uint8)
    point[:, 2, 2] = 1
    moved = move(point.reshape(n_samples, 25), (5, 5), shift=1)
    assert (moved.sum(axis=1) == 1).all()
    counts = moved.sum(axis=0).reshape(5, 5)
    assert counts[1:4, 1:4].sum() == n_samples
    assert abs(counts[1:4, 1:4] - n_samples / 9).max() < 5 * np.sqrt(n_samples / 9)


def test_a_turned_line_stays_a_line_through_the_centre_and_turns_both_ways():
    line = np.zeros((200, 21, 21))
    line[:, 10, :] = 1.0
    moved = move(line.reshape(200, 441), (21, 21), turn=30.0).reshape(200, 21, 21)
    rows, columns = np.indices((21, 21)) - 10.0
    slopes = [np.sum(m * rows * columns) / np.sum(m * columns**2) for m in moved]
    assert max(slopes) > 0.4
    assert min(slopes) < -0.4
    assert max(np.abs(slopes)) < np.tan(np.deg2rad(36))


def test_zoomed_squares_grow_and_shrink_within_the_limits():
    square = np.zeros((400, 40, 40))
    square[:, 10:30, 10:30] = 1.0
    areas = move(square.reshape(400, 1600), (40, 40), zoom=0.2).sum(axis=1)
    assert 0.75**2 * 400 <= areas.min() < 330
    assert 480 < areas.max() <= 1.25**2 * 400


@pytest.mark.parametrize(("dtype", "fill"), [(np.uint8, 3), (np.float64, np.inf)])
def test_pixels_from_outside_are_filled_and_the_input_is_left_alone(dtype, fill):
    values = np.ones((50, 100), dtype)
    moved = move(values, (10, 10), shift=3, turn=20.0, zoom=0.3, fill=fill)
    assert moved.dtype == dtype
    assert set(np.unique(moved)) == {1, fill}
    assert (values == 1).all()


def test_equal_seeds_move_alike_whatever_the_number_of_threads(monkeypatch):
    values = np.random.default_rng(1).random((7, 64))
    first = move(values, (8, 8), shift=1, turn=10.0, zoom=0.1)
    for n_threads in ("1", "3", "20"):
        monkeypatch.setenv("SPIKETHEORY_THREADS", n_threads)
        np.testing.assert_array_equal(move(values, (8, 8), shift=1, turn=10.0, zoom=0.1), first)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"turn": -1.0}, "Expected 0 <= max_turn <= 180 but got max_turn=-1.0"),
        ({"zoom": 1.0}, "Expected 0 <= max_zoom <= 0.99 but got max_zoom=1.0"),
        ({"shift": 8}, "Expected 0 <= max_shift <= 7 but got max_shift=8"),
        ({"turn": np.nan}, "Expected 0 <= max_turn <= 180 but got max_turn=nan"),
    ],
)
def test_amounts_out_of_range_are_errors(options, message):
    with pytest.raises(InputError, match=message):
        move(np.zeros((2, 64)), (8, 8), **options)
