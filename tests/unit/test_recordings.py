import numpy as np
import pytest

from sim.speech.recordings import find_fsdd, find_wav_folder
from spiketheory.errors import InputError


def test_names_of_fsdd_say_digit_speaker_and_number(tmp_path):
    folder = tmp_path / "free-spoken-digit-dataset" / "recordings"
    folder.mkdir(parents=True)
    for name in ("7_theo_10.wav", "7_theo_9.wav", "0_george_0.wav", "README.md", "x_theo_1.wav"):
        (folder / name).touch()
    found = find_fsdd(tmp_path)
    assert [path.name for path in found.paths] == [
        "0_george_0.wav",
        "7_theo_9.wav",
        "7_theo_10.wav",
    ]
    np.testing.assert_array_equal(found.labels, [0, 7, 7])
    np.testing.assert_array_equal(found.indices, [0, 9, 10])
    assert found.speakers.tolist() == ["george", "theo", "theo"]
    assert found.n_classes == 10


def test_fsdd_is_complete(data_dir):
    found = find_fsdd(data_dir)
    assert len(found) == 3000
    assert np.unique(found.speakers).tolist() == [
        *("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
    ]
    assert np.bincount(found.labels).tolist() == [300] * 10
    assert np.count_nonzero(found.indices < 5) == 300


def test_where_fsdd_is_to_be_had_is_said_if_it_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("SPIKETHEORY_DATA", str(tmp_path / "named"))
    with pytest.raises(InputError, match=r"named.*or .*Jakobovski/free-spoken-digit-dataset"):
        find_fsdd()
    with pytest.raises(InputError, match=f"in {tmp_path}/free-spoken-digit-dataset/recordings but"):
        find_fsdd(tmp_path)


def test_folders_of_wav_files_are_classes(tmp_path):
    for name in ("no/ann_1.wav", "yes/bob-2.WAV", "yes/ann_1.wav", "yes/notes.txt", "empty/x.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = find_wav_folder(tmp_path)
    assert found.classes == ("no", "yes")
    np.testing.assert_array_equal(found.labels, [0, 1, 1])
    assert found.speakers.tolist() == ["ann", "ann", "bob"]
    with pytest.raises(InputError, match=r"Expected a folder for each class .* found 0 such"):
        find_wav_folder(tmp_path / "no")
