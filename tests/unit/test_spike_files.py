import numpy as np
import pytest

from sim.inputs.trials import Trials
from sim.speech.event_sets import load_event_folder, load_spike_set
from sim.speech.spike_files import SpikeFile, read_spike_file, write_spike_file
from spiketheory.errors import InputError

h5py = pytest.importorskip("h5py")


def write_layout(path, trains, labels, speakers=None, keys=None):
    """A file as zenkelab.org has it: arrays of variable length, float16 and uint16."""
    with h5py.File(path, "w") as file:
        n = len(trains)
        times = file.create_dataset("spikes/times", (n,), dtype=h5py.vlen_dtype(np.float16))
        units = file.create_dataset("spikes/units", (n,), dtype=h5py.vlen_dtype(np.uint16))
        for k, (time, unit) in enumerate(trains):
            times[k], units[k] = np.array(time, np.float16), np.array(unit, np.uint16)
        file["labels"] = np.array(labels, np.uint16)
        if speakers is not None:
            file["extra/speaker"] = np.array(speakers, np.uint16)
            file["extra/meta_info/gender"] = np.array([b"f"] * n)
        if keys is not None:
            file["extra/keys"] = np.array([key.encode() for key in keys])
    return path


TRAINS = [([0.5, 0.1, 0.1], [699, 3, 1]), ([0.2], [0]), ([0.75, 0.7502], [5, 5])]


def test_times_of_half_precision_are_doubles_on_its_grid(tmp_path):
    found = read_spike_file(write_layout(tmp_path / "a.h5", TRAINS, [0, 1, 19]), n_classes=20)
    assert found.trials.n_channels == 700
    times, channels = found.trials.select(0)
    assert times.dtype == np.float64
    assert times.tolist() == [0.0999755859375, 0.0999755859375, 0.5]
    assert channels.tolist() == [1, 3, 699]
    assert found.trials.select(2)[0].tolist() == [0.75, 0.75]  # a grid of 0.49 ms there
    assert found.labels.tolist() == [0, 1, 19]
    assert found.speakers is None
    assert len(found.classes) == 20


def test_what_is_written_is_read_again(tmp_path):
    content = SpikeFile(
        trials=Trials.from_pairs([([0.25, 0.5], [63, 2]), ([0.125], [7])], n_channels=64),
        labels=np.array([1, 0]), speakers=np.array([3, 4]), classes=("no", "yes"),
    )  # fmt: skip
    write_spike_file(tmp_path / "b.h5", content)
    found = read_spike_file(tmp_path / "b.h5", n_classes=20)
    np.testing.assert_array_equal(found.trials.time, content.trials.time)
    np.testing.assert_array_equal(found.trials.channel, content.trials.channel)
    assert found.labels.tolist() == [1, 0]
    assert found.speakers.tolist() == [3, 4]
    assert found.classes == ("no", "yes")
    with h5py.File(tmp_path / "b.h5") as file:
        assert h5py.check_vlen_dtype(file["spikes/times"].dtype) == np.float16
        assert h5py.check_vlen_dtype(file["spikes/units"].dtype) == np.uint16


@pytest.mark.parametrize(
    ("train", "what"),
    [
        (([], []), "no spikes"),
        (([0.1], [1, 2]), "1 times and 2 channels"),
        (([-0.5], [1]), "a spike at -0.5"),
        (([np.nan], [1]), "a spike at nan"),
        (([0.1], [700]), "a spike of channel 700"),
    ],
)
def test_a_sample_that_is_no_spike_train_is_named(tmp_path, train, what):
    path = write_layout(tmp_path / "bad.h5", [TRAINS[0], train], [0, 1])
    with pytest.raises(InputError, match=f"sample 1 of .*bad.h5 has {what}"):
        read_spike_file(path, n_classes=20)


def test_labels_out_of_range_are_refused(tmp_path):
    path = write_layout(tmp_path / "bad.h5", TRAINS, [0, 1, 20])
    with pytest.raises(InputError, match=r"labels 0 to 19 in .*bad.h5 but sample 2 has 20"):
        read_spike_file(path, n_classes=20)
    path = write_layout(tmp_path / "keys.h5", TRAINS, [0, 1, 2], keys=["no", "yes"])
    with pytest.raises(InputError, match=r"labels 0 to 1 in .* but sample 2 has 2"):
        read_spike_file(path, n_classes=20)


@pytest.mark.parametrize("missing", ["spikes/times", "spikes/units", "labels"])
def test_a_file_without_its_keys_is_refused(tmp_path, missing):
    path = write_layout(tmp_path / "bad.h5", TRAINS, [0, 1, 2])
    with h5py.File(path, "a") as file:
        del file[missing]
    with pytest.raises(InputError, match=f"Expected the data set {missing} in .*bad.h5 but it has"):
        read_spike_file(path, n_classes=20)


def test_data_of_other_kinds_are_refused(tmp_path):
    path = write_layout(tmp_path / "bad.h5", TRAINS, [0, 1, 2], speakers=[1, 2, 3])
    for name, values, message in (
        ("spikes/units", np.zeros(3, np.uint16), "Expected 3 arrays of whole numbers in spikes"),
        ("labels", np.array([0.5, 1, 2]), "Expected whole numbers in labels"),
        ("labels", np.array([0, 1]), "Expected 2 arrays of floats in spikes/times"),
    ):
        copy = tmp_path / "copy.h5"
        copy.write_bytes(path.read_bytes())
        with h5py.File(copy, "a") as file:
            del file[name]
            file[name] = values
        with pytest.raises(InputError, match=message):
            read_spike_file(copy, n_classes=20)
    with h5py.File(path, "a") as file:
        del file["extra/speaker"]
        file["extra/speaker"] = np.array([1, 2])
    with pytest.raises(InputError, match="Expected 3 speakers"):
        read_spike_file(path, n_classes=20)


def test_what_is_no_hdf5_file_is_refused(tmp_path):
    path = tmp_path / "bad.h5"
    path.write_bytes(b"PK\x03\x04 a zip file")
    with pytest.raises(InputError, match=r"Expected an HDF5 file of spike trains at .*bad.h5"):
        read_spike_file(path, n_classes=20)
    good = write_layout(tmp_path / "good.h5", TRAINS, [0, 1, 2])
    path.write_bytes(good.read_bytes()[:-500])
    with pytest.raises(InputError, match=r"Expected an HDF5 file of spike trains at .*bad.h5"):
        read_spike_file(path, n_classes=20)


def test_the_last_speakers_are_held_out_for_validation(tmp_path):
    folder = tmp_path / "shd"
    folder.mkdir()
    speakers = [0, 1, 2, 3, 6, 7, 8, 9, 10, 11]
    write_layout(folder / "shd_train.h5", [TRAINS[0]] * 10, range(10), speakers)
    write_layout(folder / "shd_test.h5", TRAINS[:2], [0, 1], [4, 5])
    found = load_spike_set("shd", tmp_path)
    assert found.n_classes == 20
    assert found.train[1].tolist() == list(range(8))
    assert found.validation[1].tolist() == [8, 9]  # speakers 10 and 11
    assert len(found.test[0]) == 2
    write_layout(folder / "shd_train.h5", TRAINS, [0, 1, 2])
    with pytest.raises(InputError, match="Expected extra/speaker with two or more speakers"):
        load_spike_set("shd", folder)


def test_ssc_has_a_validation_part(tmp_path):
    for part, n in (("train", 3), ("valid", 2), ("test", 1)):
        write_layout(tmp_path / f"ssc_{part}.h5", TRAINS[:n], [34] * n)
    found = load_spike_set("ssc", tmp_path)
    sizes = [len(part[1]) for part in (found.train, found.validation, found.test)]
    assert sizes == [3, 2, 1]
    assert found.n_classes == 35


def test_where_shd_is_to_be_had_is_said(tmp_path):
    with pytest.raises(InputError, match=r"zenkelab.org/datasets/shd_train.h5.zip.*f3252aeb598ac"):
        load_spike_set("shd", tmp_path)


def make_events(times, x, y):
    array = np.zeros(len(times), dtype=[("t", "<i8"), ("x", "<i2"), ("y", "<i2"), ("p", "<i1")])
    array["t"], array["x"], array["y"] = times, x, y
    return array


def test_a_folder_of_event_arrays_is_a_data_set(tmp_path):
    for name in ("down", "up"):
        (tmp_path / name).mkdir()
        for k in range(7):
            np.save(tmp_path / name / f"{k}.npy", make_events([1000 * k, 2000], [1, 3], [0, 1]))
    found = load_event_folder(tmp_path)
    assert found.train[0].n_channels == 4 * 2
    assert [len(part[1]) for part in (found.train, found.validation, found.test)] == [8, 2, 4]
    times, channels = found.validation[0].select(0)
    np.testing.assert_allclose(times, [0.001, 0.002])
    assert channels.tolist() == [1, 7]
    np.save(tmp_path / "up" / "0.npy", np.zeros(3))
    with pytest.raises(InputError, match=r"the fields t and x in .*0.npy"):
        load_event_folder(tmp_path)
    np.save(tmp_path / "up" / "0.npy", make_events([], [], []))
    with pytest.raises(InputError, match=r"Expected events in .*0.npy"):
        load_event_folder(tmp_path)
    (tmp_path / "up" / "0.npy").write_bytes(b"nonsense")
    with pytest.raises(InputError, match=r"Expected an array of events in .*0.npy"):
        load_event_folder(tmp_path)
    np.save(tmp_path / "up" / "0.npy", make_events([-5], [0], [0]))
    with pytest.raises(InputError, match=r"0.npy: Expected"):
        load_event_folder(tmp_path)
    with pytest.raises(InputError, match="Expected a folder for each class"):
        load_event_folder(tmp_path / "up")
