"""Where words begin and end, and sounds that are no words."""

import numpy as np
import pytest

from sim.report.sounds import make_other, split_words
from spiketheory.errors import InputError

RATE = 1000


def tone(seconds):
    return np.sin(np.arange(round(seconds * RATE)) * 2.0)


def pause(seconds):
    return np.zeros(round(seconds * RATE))


def test_a_recording_without_a_pause_is_one_word_as_it_is():
    sound = np.concatenate([pause(0.2), tone(0.3), pause(0.2), tone(0.2), pause(0.1)])
    assert split_words(sound, RATE) == [(0, len(sound))]


def test_pauses_part_words_and_a_margin_is_kept():
    sound = np.concatenate([tone(0.3), pause(0.5), tone(0.2), pause(1.0)])
    assert split_words(sound, RATE) == [(0, 350), (750, 1050)]


def test_a_long_pause_before_a_word_is_left_out():
    assert split_words(np.concatenate([pause(2.0), tone(0.4)]), RATE) == [(1950, 2400)]


def test_an_offset_is_no_sound():
    sound = np.concatenate([tone(0.3), pause(0.5), tone(0.2)])
    assert split_words(sound + 5.0, RATE) == split_words(sound, RATE)


def test_other_sounds_are_as_long_as_words_and_none_of_them():
    rng, word = np.random.default_rng(0), np.arange(1.0, 101.0)
    np.testing.assert_array_equal(make_other("reversed words", word, rng), word[::-1])
    shuffled = make_other("shuffled words", word, rng)
    assert sorted(shuffled) == word.tolist()
    assert not np.array_equal(shuffled, word)
    assert make_other("white noise", word, rng).shape == word.shape
    assert np.abs(make_other("silence", word, rng)).max() < 10 / 32768
    with pytest.raises(InputError, match="kind"):
        make_other("music", word, rng)
