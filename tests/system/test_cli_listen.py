"""`listen` end to end: what it says, and what it refuses. What it hears: unit/test_listening.py."""

import json

import numpy as np
import pytest
from commands import run, run_ok
from scipy.io import wavfile

pytestmark = pytest.mark.usefixtures("own_folder")


@pytest.fixture
def heard(monkeypatch):
    """An ear that hears 7 in everything, and a judge that takes loud beginnings for words."""
    from sim.report.listening import Heard
    from spiketheory.commands.trained import listen, report

    class Ear:
        def __init__(self, *_):
            pass

        def hear(self, sounds):
            loud = [float(np.abs(samples[: len(samples) // 2]).max()) for samples, _ in sounds]
            return Heard(logits=np.log([[1, 1, 2]] * len(loud)), features=np.array(loud)[:, None])

    class Judge:
        threshold, temperature = 0.2, 1.0

        def score(self, features):
            return features[:, 0]

    class Loaded:
        class trainer:
            config = None

    monkeypatch.setattr(report, "load", lambda *_: Loaded)
    monkeypatch.setattr(report, "make_reader", lambda *_: object())
    monkeypatch.setattr("sim.report.listening.Ear", Ear)
    monkeypatch.setattr(listen, "find_judge", lambda *_: Judge())


def write(name, *parts, rate=8000):
    samples = np.concatenate(parts)
    wavfile.write(name, rate, (20000 * samples).astype(np.int16))


TONE, PAUSE = np.sin(np.arange(2400)), np.zeros(4000)


@pytest.mark.usefixtures("heard")
def test_words_have_a_digit_with_its_probability_and_others_are_rejected():
    write("two.wav", TONE, PAUSE, 0.1 * TONE)
    words = json.loads(run_ok("listen", "run", "two.wav", "--json").stdout)["words"]
    assert [word["digit"] for word in words] == [2, None]
    assert words[0]["probability"] == pytest.approx(0.5)
    assert words[1]["rejected"] == "no word"
    assert words[1]["begin"] == pytest.approx(0.75, abs=0.03)
    text = run_ok("listen", "run", "two.wav").stdout
    assert "2  (50.0% sure)" in text
    assert "rejected: no word" in text


@pytest.mark.usefixtures("heard")
def test_silence_is_rejected_and_no_error():
    write("silent.wav", PAUSE)
    words = json.loads(run_ok("listen", "run", "silent.wav", "--json").stdout)["words"]
    assert [(word["digit"], word["rejected"]) for word in words] == [(None, "no sound")]


@pytest.mark.usefixtures("heard")
def test_what_is_no_recording_is_refused():
    with open("text.wav", "w", encoding="utf-8") as file:
        file.write("seven")
    result = run("listen", "run", "text.wav")
    assert result.exit_code == 2
    assert "text.wav" in result.output


def test_a_file_or_check_is_needed():
    assert run("listen", "run").exit_code == 2
