from dataclasses import replace

import numpy as np
import pytest
from scipy.io import wavfile

from sim.speech.hair_cells import HAIR_CELL, describe_encoder, drive_cells, encode, find_drive
from sim.speech.settings import EncoderSettings, read_settings
from sim.speech.spectrum import log_mel, make_filters, read_image
from sim.speech.wav import read_wav, resample
from spiketheory.errors import InputError

RATE = 8000


def tone(frequency, seconds=0.4, rate=RATE):
    return 0.5 * np.sin(2 * np.pi * frequency * np.arange(int(seconds * rate)) / rate)


def write(path, samples, rate=RATE):
    wavfile.write(path, rate, samples)
    return path


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float32])
def test_samples_of_every_kind_lie_between_minus_one_and_one(tmp_path, dtype):
    wave = tone(440)
    stored = {
        np.uint8: np.round(128 + 127 * wave), np.int16: np.round(32767 * wave),
        np.int32: np.round((2**31 - 1) * wave), np.float32: wave,
    }[dtype].astype(dtype)  # fmt: skip
    samples, rate = read_wav(write(tmp_path / "tone.wav", stored))
    assert rate == RATE
    np.testing.assert_allclose(samples, wave, atol=1 / 100 if dtype is np.uint8 else 1e-4)


def test_samples_of_24_bits_are_read(tmp_path):
    import wave

    path = tmp_path / "tone.wav"
    values = [0, 2**22, -(2**23), 2**23 - 1]
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(3)
        file.setframerate(RATE)
        file.writeframes(b"".join(v.to_bytes(3, "little", signed=True) for v in values))
    np.testing.assert_array_equal(read_wav(path)[0], np.array(values) / 2**23)


def test_channels_of_stereo_are_averaged(tmp_path):
    both = np.array([[0, 16384], [8192, 8192], [-16384, 0]], np.int16)
    samples, _ = read_wav(write(tmp_path / "stereo.wav", both))
    np.testing.assert_array_equal(samples, [0.25, 0.25, -0.25])


@pytest.mark.parametrize("rate", [16000, 44100, 6000])
def test_a_tone_of_another_rate_lies_in_the_same_band(rate):
    settings = EncoderSettings(highest=2900)
    loudest = [
        log_mel(tone(1000, rate=r), r, settings)[20:60].mean(axis=0).argmax() for r in (RATE, rate)
    ]
    assert loudest[0] == loudest[1]
    assert len(resample(tone(1000, rate=rate), rate, RATE)) == pytest.approx(0.4 * RATE, abs=2)


@pytest.mark.parametrize("gammatone", [0, 1])
def test_higher_tones_lie_in_higher_bands(gammatone):
    settings = EncoderSettings(gammatone=gammatone)
    bands = [
        log_mel(tone(f), RATE, settings)[20:60].mean(axis=0).argmax()
        for f in (200, 500, 1000, 2000, 3500)
    ]
    assert bands == sorted(set(bands))
    centres = make_filters(settings).argmax(axis=1) * RATE / 512
    assert centres[bands[2]] == pytest.approx(1000, abs=60)


def test_an_image_does_not_depend_on_how_loud_the_recording_is():
    wave = tone(700)
    settings = EncoderSettings()
    np.testing.assert_allclose(
        log_mel(wave, RATE, settings), log_mel(wave / 64, RATE, settings), atol=1e-6
    )


def test_a_power_a_hundred_times_smaller_is_two_decades_less_loud():
    quiet = np.concatenate([tone(700, 0.4), 0.1 * tone(700, 0.4)])
    image = log_mel(quiet, RATE, EncoderSettings(decades=4.0))
    band = image[40].argmax()
    assert image[40, band] - image[120, band] == pytest.approx(0.5, abs=0.01)


def test_a_word_fills_the_same_frames_wherever_it_lies_and_however_long_it_is():
    settings = EncoderSettings(fill=0.6)
    rise = np.concatenate([tone(400, 0.2), tone(1500, 0.1)])
    slow = np.concatenate([tone(400, 1.2), tone(1500, 0.6)])
    late = np.concatenate([np.zeros(RATE), rise, np.zeros(RATE // 2)])
    images = [log_mel(wave, RATE, settings) for wave in (rise, late, slow)]
    for image in images:
        assert image.shape == (160, 64)
        assert np.flatnonzero(image.max(axis=1)).tolist() == list(range(20, 140))
        steps = image[20:140].argmax(axis=1)
        assert abs(int(np.argmax(steps > steps[:40].max() + 5)) - 80) <= 4  # two thirds of 120


@pytest.mark.parametrize("fill", [-0.1, 0.9, 0.001])
def test_words_fill_at_least_a_frame_and_at_most_the_trial(fill):
    with pytest.raises(InputError, match=r"Expected fill to be 0, or from hop=0.005 to dur"):
        EncoderSettings(fill=fill)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "Expected a recording in .*bad.wav"),
        (b"RIFX nonsense", "Expected a recording in .*bad.wav"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "Expected a recording in .*bad.wav"),
    ],
)
def test_what_is_no_wav_is_refused_with_its_name(tmp_path, content, message):
    path = tmp_path / "bad.wav"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_wav(path)


def test_a_wav_that_is_cut_off_is_refused(tmp_path):
    path = write(tmp_path / "cut.wav", (32767 * tone(440)).astype(np.int16))
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(InputError, match=r"cut.wav"):
        read_wav(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"Expected a recording in .*none.wav but got: No such"):
        read_wav(tmp_path / "none.wav")


def test_silence_and_nothing_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"silent.wav but all of its 800 samples are equal"):
        read_wav(write(tmp_path / "silent.wav", np.full(800, 7, np.int16)))
    with pytest.raises(InputError, match=r"empty.wav but it has no samples"):
        read_wav(write(tmp_path / "empty.wav", np.empty(0, np.int16)))
    late = np.concatenate([np.zeros(RATE), tone(440)]).astype(np.float32)
    with pytest.raises(InputError, match=r"late.wav: Expected sound in the first 0.8 s"):
        read_image(write(tmp_path / "late.wav", late), EncoderSettings())


SMALL = EncoderSettings(bands=5, duration=0.1, rate=700.0, phase=0.25)


def draw_images(n=3, seed=0):
    rng = np.random.default_rng(seed)
    images = rng.uniform(0, 1, (n, SMALL.n_frames, SMALL.bands))
    images[:, ::4] = 0.0
    return images


@pytest.mark.parametrize("onset", [0.0, 0.01])
def test_spikes_are_those_of_the_encoder_as_a_network(tmp_path, onset):
    from derivations import compile_model
    from sim import simulate

    (tmp_path / "hair_cell.toml").write_text(HAIR_CELL)
    model = compile_model(str(tmp_path / "hair_cell.toml"), backend="numpy")
    settings = replace(SMALL, bands=3, duration=0.06, onset=onset)
    images = draw_images(2)[:, : settings.n_frames, :3]
    trials = encode(images, settings)
    for k, image in enumerate(images):
        recording = simulate(describe_encoder(image, settings, model))
        times, channels = trials.select(k)
        np.testing.assert_array_equal(channels, recording.spike_neuron)
        np.testing.assert_allclose(times, recording.spike_time, rtol=0, atol=1e-12)
        assert len(times) > 25


def test_a_constant_drive_spikes_in_equal_distances():
    settings = EncoderSettings(bands=1, duration=0.1)
    times, channels = drive_cells(np.full((20, 1), 100.0), np.array([0.5]), settings)
    np.testing.assert_allclose(times, 0.005 + 0.01 * np.arange(10), atol=1e-14)
    assert not channels.any()


def test_each_spike_stands_for_one_unit_of_drive():
    images = draw_images(1)
    trials = encode(images, SMALL)
    charge = np.cumsum(find_drive(images[0], SMALL), axis=0) * SMALL.hop
    for channel in range(SMALL.bands):
        times = trials.time[trials.channel == channel]
        ends = np.arange(1, SMALL.n_frames + 1) * SMALL.hop
        reached = np.interp(times, np.append(0, ends), np.append(0, charge[:, channel]))
        np.testing.assert_allclose(reached, np.arange(len(times)) + 0.75, atol=1e-12)


def test_spikes_are_the_same_on_any_number_of_threads(monkeypatch):
    images = draw_images(40)
    found = []
    for threads in ("1", "3"):
        monkeypatch.setenv("SPIKETHEORY_THREADS", threads)
        found.append(encode(images, SMALL))
    np.testing.assert_array_equal(found[0].time, found[1].time)
    np.testing.assert_array_equal(found[0].channel, found[1].channel)


def test_with_equal_counts_only_timing_is_left():
    settings = EncoderSettings(bands=5, duration=0.1, equal_counts=7)
    images = draw_images(4)
    images[2, :, 3] = 0.0
    trials = encode(images, settings)
    counts = [np.bincount(trials.select(k)[1], minlength=5) for k in range(4)]
    np.testing.assert_array_equal(counts, np.full((4, 5), 7))
    assert len(np.unique(trials.time)) > 4 * 5 * 7 - 20


def test_on_a_grid_each_spike_waits_for_the_end_of_its_step():
    images = draw_images(3)
    exact, held = encode(images, SMALL), encode(images, replace(SMALL, grid=0.004))
    np.testing.assert_array_equal(exact.offsets, held.offsets)
    for k in range(3):
        (times, channels), (ends, owners) = exact.select(k), held.select(k)
        steps = np.array([int(time // 0.004) for time in times])
        order = np.lexsort((channels, steps))
        np.testing.assert_allclose(ends, 0.004 * (steps + 1), rtol=0, atol=1e-15)
        np.testing.assert_array_equal(owners, channels[order])
    assert len(np.unique(held.time)) == 20  # of 25, five of which lie in silent frames


def test_lines_deliver_the_same_spikes_later_on_channels_of_their_own():
    images = draw_images(2)
    alone = encode(images, SMALL)
    trials = encode(images, replace(SMALL, lines=3, line_delay=0.03))
    assert trials.n_channels == 15
    for k, line, band in np.ndindex(2, 3, 5):
        times, channels = alone.select(k)
        later = times[channels == band] + 0.03 * line
        arrived, owners = trials.select(k)
        assert len(later) > 5
        np.testing.assert_array_equal(arrived[owners == 5 * line + band], later[later <= 0.1])


def test_neurons_of_change_hear_by_how_much_it_is_louder_or_quieter():
    settings = EncoderSettings(bands=2, duration=0.03, rate=100.0, power=1.0, onset=0.01)
    steps = np.array([[0.5, 0.0], [0.5, 0.1], [0.5, 0.3], [0.2, 0.4], [0.0, 0.4], [0.0, 0.4]])
    rises = [[0.5, 0.0], [0.5, 0.1], [0.0, 0.3], [0.0, 0.3], [0.0, 0.1], [0.0, 0.0]]
    falls = [[0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.3, 0.0], [0.5, 0.0], [0.2, 0.0]]
    expected = 100.0 * np.hstack([steps, 2.0 * np.array(rises), 2.0 * np.array(falls)])
    np.testing.assert_allclose(find_drive(steps, settings), expected, rtol=0, atol=1e-12)
    assert settings.n_channels == 6


def test_loudness_is_heard_the_same_beside_change_and_on_every_line():
    images = draw_images(2)
    alone = encode(images, SMALL)
    trials = encode(images, replace(SMALL, onset=0.02, lines=2, line_delay=0.03))
    assert trials.n_channels == 30
    for k in range(2):
        times, channels = trials.select(k)
        np.testing.assert_array_equal(times[channels < 5], alone.select(k)[0])
        np.testing.assert_array_equal(channels[channels < 5], alone.select(k)[1])
        for channel in range(15):
            first, later = times[channels == channel], times[channels == channel + 15]
            assert len(first) > 2
            np.testing.assert_array_equal(later, first[first + 0.03 <= 0.1] + 0.03)


def test_on_a_grid_lines_share_its_instants():
    trials = encode(draw_images(2), replace(SMALL, grid=0.005, lines=3, line_delay=0.024))
    steps = np.round(trials.time / 0.005)
    np.testing.assert_array_equal(trials.time, steps * 0.005)
    for k in range(2):
        chosen = slice(trials.offsets[k], trials.offsets[k + 1])
        arrived, owners = steps[chosen], trials.channel[chosen]
        for line in (1, 2):
            first, own = arrived[owners < 5], arrived[owners // 5 == line]
            np.testing.assert_array_equal(own, (first + 5 * line)[first + 5 * line <= 20])


def test_settings_out_of_range_are_refused():
    for values, message in (
        ({"bands": 701}, "Expected 1 <= bands <= 700"),
        ({"highest": 5000}, "Expected 0 < lowest < highest <= 4000"),
        ({"bands": 6.5}, "Expected a whole number for bands"),
        ({"hop": 0.0}, "Expected hop > 0"),
        ({"band": 6}, "Expected settings of the encoder among .* but got 'band'"),
        ({"phase": 1.0}, "Expected 0 <= phase"),
        ({"onset": -0.01}, "Expected 0 <= onset <= 10"),
        ({"onset_gain": np.inf}, "Expected 0 <= onset_gain <= 100"),
        ({"grid": -0.1}, "Expected 0 <= grid <= 1"),
        ({"lines": 0}, "Expected 1 <= lines <= 100"),
        ({"window": 1e-5}, "Expected windows and frames of several samples"),
    ):
        with pytest.raises(InputError, match=message):
            read_settings(values)
    with pytest.raises(InputError, match="Expected phases from 0"):
        encode(draw_images(1), SMALL, phases=np.full((1, 5), 1.5))
