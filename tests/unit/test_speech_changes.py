from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sim.inputs.trials import Trials
from sim.speech import image_cache
from sim.speech.augment import (
    Augmentation,
    change_spikes,
    encode_changed,
    read_augmentation,
    tilt_images,
)
from sim.speech.hair_cells import encode
from sim.speech.recordings import Recordings
from sim.speech.settings import EncoderSettings
from sim.speech.splits import split_recordings
from spiketheory.errors import InputError

SMALL = EncoderSettings(bands=7, duration=0.2)


def draw_images(n=4, seed=0):
    rng = np.random.default_rng(seed)
    images = np.zeros((n, SMALL.n_frames, SMALL.bands), np.float32)
    images[:, 10:30, 2:5] = rng.uniform(0.5, 1, (n, 20, 3))
    return images


def spread_of(trials):
    return np.array([trials.select(k)[0].mean() for k in range(len(trials))])


def place_of(trials):
    return np.array([trials.select(k)[1].mean() for k in range(len(trials))])


def test_no_change_changes_nothing():
    images = draw_images()
    plain, changed = (
        encode(images, SMALL),
        encode_changed(images, SMALL, Augmentation(), np.random.default_rng(0)),
    )
    np.testing.assert_array_equal(plain.time, changed.time)
    np.testing.assert_array_equal(plain.channel, changed.channel)


def test_images_are_shifted_in_channels_and_in_time():
    images = np.repeat(draw_images(1), 200, axis=0)
    rng = np.random.default_rng(0)
    shifted = place_of(encode_changed(images, SMALL, Augmentation(shift=0.5), rng))
    assert shifted.std() == pytest.approx(0.5, rel=0.15)
    later = spread_of(encode_changed(images, SMALL, Augmentation(time=0.007), rng))
    assert later.std() == pytest.approx(0.007, rel=0.15)
    faster = spread_of(encode_changed(images, SMALL, Augmentation(stretch=0.05), rng))
    assert faster.std() == pytest.approx(0.05 * 0.1, rel=0.2)


def test_spikes_are_dropped_and_neurons_start_anywhere():
    images = np.repeat(draw_images(1), 100, axis=0)
    rng = np.random.default_rng(1)
    plain = len(encode(images, SMALL).time)
    assert len(encode_changed(images, SMALL, Augmentation(drop=0.1), rng).time) == pytest.approx(
        0.9 * plain, rel=0.02
    )
    firsts = [
        trials.select(k)[0][0]
        for trials in [encode_changed(images, SMALL, Augmentation(phase=1), rng)]
        for k in range(100)
    ]
    assert len(set(firsts)) == 100


def test_changes_are_the_same_on_any_number_of_threads(monkeypatch):
    images, change = draw_images(40), Augmentation(shift=1, warp=0.02, stretch=0.1, drop=0.1)
    found = []
    for threads in ("1", "3"):
        monkeypatch.setenv("SPIKETHEORY_THREADS", threads)
        found.append(encode_changed(images, SMALL, change, np.random.default_rng([3, 1, 2])))
    np.testing.assert_array_equal(found[0].time, found[1].time)
    np.testing.assert_array_equal(found[0].channel, found[1].channel)


def test_changed_images_keep_equal_counts():
    settings = replace(SMALL, equal_counts=3)
    change = Augmentation(shift=1, warp=0.02, time=0.01, stretch=0.1, gain=0.1, phase=1)
    trials = encode_changed(draw_images(), settings, change, np.random.default_rng(0))
    for k in range(4):
        assert np.bincount(trials.select(k)[1], minlength=7).tolist() == [3] * 7


def test_a_tilt_is_the_same_in_all_frames_smooth_over_bands_and_leaves_silence():
    images = np.full((400, 5, 16), 0.5)
    images[:, 2] = 0.0
    found = tilt_images(images, Augmentation(tilt=0.02), np.random.default_rng(0))
    assert not found[:, 2].any()
    np.testing.assert_array_equal(found[:, 0], found[:, 4])
    change, k = found[:, 0] - 0.5, np.arange(1, 5)
    cosines = np.cos(np.outer(np.linspace(0.0, np.pi, 16), k))
    sizes, left = np.linalg.lstsq(cosines, change.T, rcond=None)[:2]
    assert left.max() < 1e-20
    np.testing.assert_allclose(sizes.std(axis=1), 0.02 / np.sqrt(k), rtol=0.15)


def test_contrast_changes_how_far_loudness_is_below_full():
    images = np.tile(np.array([0.2, 0.6, 1.0]), (50, 2, 1))
    found = tilt_images(images, Augmentation(contrast=0.1), np.random.default_rng(0))
    np.testing.assert_allclose(found[..., 2], 1.0)
    np.testing.assert_allclose(1.0 - found[..., 0], 2.0 * (1.0 - found[..., 1]))
    assert 0.03 < (found[:, 0, 1] - 0.6).std() < 0.05  # 0.1 of 0.4


PAIRS = [([0.1, 0.2, 0.3], [0, 1, 2]), ([0.15, 0.25], [3, 4]), ([0.05], [9])]
TRAINS = Trials.from_pairs(PAIRS, n_channels=10)
LABELS = np.array([0, 0, 1])


def test_spikes_move_in_channels_and_time_and_leave_at_the_edges():
    many = np.zeros(300, np.int64)
    rng = np.random.default_rng(0)
    moved = change_spikes(TRAINS, LABELS, many, Augmentation(move=4), rng)
    firsts = np.array([moved.select(k)[1][-1] for k in range(300) if len(moved.select(k)[1])])
    assert set(firsts.tolist()) == set(range(0, 7))
    assert len(moved.time) < 900  # moved to channel -1 and below
    faster = change_spikes(TRAINS, LABELS, many, Augmentation(stretch=0.1), rng)
    gaps = np.array([np.diff(faster.select(k)[0]) for k in range(300)])
    np.testing.assert_allclose(gaps[:, 0], gaps[:, 1])
    assert gaps[:, 0].std() == pytest.approx(0.01, rel=0.2)
    later = change_spikes(TRAINS, LABELS, many, Augmentation(time=0.01), rng)
    np.testing.assert_allclose(np.diff(later.select(0)[0]), [0.1, 0.1])


def test_blends_take_half_of_the_spikes_of_two_samples_of_a_class():
    rng = np.random.default_rng(0)
    blended = change_spikes(TRAINS, LABELS, np.repeat([0, 2], 200), Augmentation(blend=1), rng)
    sizes = np.diff(blended.offsets)
    assert sizes[:200].mean() == pytest.approx((3 + 2.5) / 2, rel=0.1)
    channels = set(blended.channel[: blended.offsets[200]].tolist())
    assert channels == {0, 1, 2, 3, 4}
    assert set(blended.channel[blended.offsets[200] :].tolist()) == {9}


def test_settings_of_augmentation_that_do_not_fit_are_refused():
    for values, images, message in (
        ({"drop": 1.0}, True, "Expected drop to be a number from 0 to 0.999"),
        ({"move": 1.5}, False, "Expected move to be a whole number"),
        ({"blend": 0.5}, True, "Expected augmentation that recordings have but got blend"),
        ({"warp": 0.1}, False, "Expected augmentation that spikes have but got warp"),
        ({"turn": 1}, True, "Expected settings of augmentation among"),
    ):
        with pytest.raises(InputError, match=message):
            read_augmentation(values, images=images)
    assert not Augmentation().changes
    assert read_augmentation({"shift": 0.75, "phase": 1.0}, images=True).phase == 1


def make_recordings(n_each=12, name="fsdd", speakers=("ann", "bob", "cid")):
    n = len(speakers) * n_each
    return Recordings(
        name=name, paths=tuple(Path(f"{k}.wav") for k in range(n)),
        labels=np.arange(n) % 2, speakers=np.repeat(speakers, n_each),
        indices=np.tile(np.arange(n_each), len(speakers)), classes=("0", "1"),
    )  # fmt: skip


def test_the_first_five_recordings_test_and_the_next_five_validate():
    found = make_recordings()
    split = split_recordings(found)
    np.testing.assert_array_equal(np.unique(found.indices[split.test]), np.arange(5))
    np.testing.assert_array_equal(np.unique(found.indices[split.validation]), np.arange(5, 10))
    np.testing.assert_array_equal(np.unique(found.indices[split.train]), [10, 11])
    everything = np.sort(np.concatenate([split.train, split.validation, split.test]))
    np.testing.assert_array_equal(everything, np.arange(36))


def test_a_fold_tests_with_one_speaker_and_validates_with_the_next():
    found = make_recordings()
    split = split_recordings(found, "cid")
    assert set(found.speakers[split.test]) == {"cid"}
    assert set(found.speakers[split.validation]) == {"ann"}
    assert set(found.speakers[split.train]) == {"bob"}


def test_splits_that_are_not_possible_are_refused():
    with pytest.raises(InputError, match=r"Expected fold .* \(ann, bob, cid\) but got 'dan'"):
        split_recordings(make_recordings(), "dan")
    with pytest.raises(InputError, match="to train with but got none of 30"):
        split_recordings(make_recordings(10))
    assert len(split_recordings(make_recordings(name="wav")).test) == 6


@pytest.fixture
def recordings(tmp_path, monkeypatch):
    from scipy.io import wavfile

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    found = make_recordings(1)
    paths = []
    for k in range(3):
        path = tmp_path / f"{k}.wav"
        wave = np.sin(2 * np.pi * (300 + 200 * k) * np.arange(800 + 400 * k) / 8000)
        wavfile.write(path, 8000, wave.astype(np.float32))
        paths.append(path)
    return replace(found, paths=tuple(paths))


def test_images_are_kept_and_read_again(recordings, monkeypatch):
    made = image_cache.load_images_once(recordings, SMALL)
    monkeypatch.setattr(image_cache, "load_images", None)
    kept = image_cache.load_images_once(recordings, replace(SMALL, rate=7.0))
    np.testing.assert_array_equal(made, kept)
    assert made.any(axis=(1, 2)).all()


def test_other_settings_other_files_and_damaged_caches_make_them_anew(recordings, monkeypatch):
    image_cache.load_images_once(recordings, SMALL)
    (kept,) = image_cache.find_cache().glob("*.npz")
    made = []
    monkeypatch.setattr(
        image_cache, "load_images", lambda p, s: made.append(s) or np.ones((3, s.n_frames, 7))
    )
    image_cache.load_images_once(recordings, replace(SMALL, decades=3.0))
    recordings.paths[0].write_bytes(recordings.paths[0].read_bytes() + b"\0")
    image_cache.load_images_once(recordings, SMALL)
    assert len(made) == 2
    recordings.paths[0].write_bytes(recordings.paths[0].read_bytes()[:-1])
    image_cache.load_images_once(recordings, SMALL)
    assert len(made) == 2
    kept.write_bytes(kept.read_bytes()[:200])
    image_cache.load_images_once(recordings, SMALL)
    assert len(made) == 3


def test_few_images_are_kept(recordings):
    for decades in range(1, 12):
        image_cache.load_images_once(recordings, replace(SMALL, decades=float(decades)))
    assert len(list(image_cache.find_cache().glob("*"))) == image_cache.MOST_KEPT
