"""The commands about data sets of speech, from end to end."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

from sim.speech.recordings import FSDD
from tests.commands import run, run_ok

pytestmark = pytest.mark.usefixtures("own_folder")


def write_tone(path, pitch=500, n=4000, rate=8000):
    path.parent.mkdir(parents=True, exist_ok=True)
    wave = 0.5 * np.sin(2 * np.pi * pitch * np.arange(n) / rate)
    wavfile.write(path, rate, wave.astype(np.float32))
    return path


def test_a_recording_is_shown():
    path = write_tone(Path("tone.wav"), rate=16000)
    found = json.loads(run_ok("data", "show", path, "--encoder", "bands=20", "--json").output)
    assert (found["rate"], found["seconds"], found["bands"]) == (16000, 0.25, 20)
    assert found["spikes"] > 50
    said = run_ok("data", "show", path, "--plot").output
    assert "tone.wav: 0.250 s at 16000 Hz" in said
    figure = Path("tone.png").read_bytes()
    assert figure.startswith(b"\x89PNG")
    assert len(figure) > 10_000


def test_what_cannot_be_shown_is_refused_in_one_paragraph():
    Path("bad.wav").write_bytes(b"no sound")
    wavfile.write(Path("silent.wav"), 8000, np.zeros(100, np.int16))
    for name, message in (("bad.wav", "a recording in bad.wav"), ("silent.wav", "sound in silent")):
        result = run("data", "show", name)
        assert result.exit_code == 2
        assert f"Error: Expected {message}" in " ".join(result.output.split())
    result = run("data", "show", write_tone(Path("tone.wav")), "--encoder", "bands=1000")
    assert result.exit_code == 2
    assert "Expected 1 <= bands <= 700" in result.output


def test_recordings_are_exported():
    h5py = pytest.importorskip("h5py")
    for digit, speaker, number in np.ndindex(2, 2, 11):
        name = f"{digit}_{'ab'[speaker]}_{number}.wav"
        write_tone(FSDD / name, 500 + 900 * digit, n=800)
    command = ("data", "export", "--format", "shd", "--data", ".", "--out", "out")
    assert "Wrote 24 recordings to out/shd_train.h5." in run_ok(*command).output
    with h5py.File(Path("out") / "shd_test.h5") as file:
        assert file["labels"][:].tolist() == [0] * 10 + [1] * 10
        assert sorted(set(file["extra/speaker"][:].tolist())) == [0, 1]
    result = run(*command[:-4], "--data", "nowhere", "--out", "out")
    assert result.exit_code == 2
    assert "free-spoken-digit-dataset" in result.output
