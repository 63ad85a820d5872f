import dataclasses
import gzip
import hashlib
import os
import re
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import platformdirs
import pytest

from sim.speech.recordings import SPEECH_SETS
from sim.training import data
from sim.training.data import (
    DATASETS,
    IMAGE_SETS,
    MNIST_FILES,
    Dataset,
    load_dataset,
    read_idx,
    split_validation,
)
from spiketheory.commands.train_options import DATASET_NAMES
from spiketheory.errors import InputError

REPOSITORY = Path(__file__).parents[2]
DIGITS_DIGEST = "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22"
REAL_FOLDERS = [os.environ.get("SPIKETHEORY_DATA"), REPOSITORY / ".." / "shared" / "data"]


def idx_bytes(array):
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return header + array.astype(np.uint8).tobytes()


def write_idx(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    content = idx_bytes(array)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def write_mnist(folder, *, suffix="", brightness=255, n_train=6, n_test=4):
    raw = Path(folder) / "MNIST" / "raw"
    for part, n in (("train", n_train), ("t10k", n_test)):
        images = np.zeros((n, 3, 2))
        images[:, 0, 1] = brightness
        write_idx(raw / f"{part}-images-idx3-ubyte{suffix}", images)
        write_idx(raw / f"{part}-labels-idx1-ubyte{suffix}", np.arange(n))
    return raw


def make_dataset(**changes):
    fields = {
        "name": "toy",
        "train_inputs": np.array([[0.0, 1.0], [0.5, 0.25], [1.0, 0.0]]),
        "train_labels": np.array([0, 1, 1]),
        "test_inputs": np.array([[0.5, 0.5]]),
        "test_labels": np.array([1]),
        "n_classes": 2,
    }
    return Dataset(**(fields | changes))


@pytest.fixture
def user_folder(monkeypatch, tmp_path):
    """A user data folder that is empty, no SPIKETHEORY_DATA, and no torchvision."""
    folder = tmp_path / "user"
    monkeypatch.setattr(platformdirs, "user_data_path", lambda name: folder)
    monkeypatch.delenv("SPIKETHEORY_DATA", raising=False)
    monkeypatch.setitem(sys.modules, "torchvision", None)
    monkeypatch.setitem(sys.modules, "torchvision.datasets", None)
    return folder


@pytest.fixture
def fake_torchvision(monkeypatch, user_folder):
    """Let ``torchvision.datasets.MNIST`` be the function that the test hands in."""

    def install(function):
        package = types.ModuleType("torchvision")
        package.datasets = types.ModuleType("torchvision.datasets")
        package.datasets.MNIST = function
        monkeypatch.setitem(sys.modules, "torchvision", package)
        monkeypatch.setitem(sys.modules, "torchvision.datasets", package.datasets)

    return install


def find_real_mnist():
    for folder in filter(None, REAL_FOLDERS):
        if (Path(folder) / "MNIST" / "raw").is_dir():
            return folder
    reason = "MNIST is neither in $SPIKETHEORY_DATA nor in ../shared/data"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


# --- the record ----------------------------------------------------------------------------------


def test_a_dataset_brings_its_arrays_to_float32_and_int64():
    dataset = make_dataset(train_labels=np.array([0, 1, 1], dtype=np.uint8), image_shape=(1, 2))
    assert dataset.train_inputs.dtype == dataset.test_inputs.dtype == np.float32
    assert dataset.train_labels.dtype == dataset.test_labels.dtype == np.int64
    assert dataset.n_inputs == 2
    assert dataset.train_inputs.flags.c_contiguous


def test_a_dataset_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        make_dataset().name = "other"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_inputs": np.zeros(3)}, "Expected train_inputs of shape (any, any)"),
        ({"train_inputs": np.full((3, 2), 2)}, "but got train_inputs[0, 0]=2.0; scale them first"),
        ({"train_inputs": np.full((3, 2), np.nan)}, "intensities in [0, 1] but got"),
        ({"test_inputs": np.array([[0.0, -1.0]])}, "but got test_inputs[0, 1]=-1.0"),
        ({"train_inputs": np.zeros((0, 2))}, "at least one sample and one input in train_inputs"),
        ({"test_inputs": np.zeros((1, 0))}, "at least one sample and one input in test_inputs"),
        ({"test_inputs": np.zeros((1, 3))}, "Expected test_inputs of shape (any, 2)"),
        ({"train_labels": np.array([0, 1])}, "Expected train_labels of shape (3,)"),
        ({"train_labels": np.array([[0, 1, 1]])}, "Expected train_labels of shape (any,)"),
        ({"train_labels": np.zeros(3)}, "whole numbers in train_labels but got type float64"),
        ({"train_labels": np.array(["a", "b", "c"])}, "whole numbers in train_labels"),
        ({"test_labels": np.array([2])}, "Expected classes 0..1 in test_labels but got 0..2"),
        ({"test_labels": np.array([-1])}, "but got -1..0; number them from 0, or set n_classes"),
        ({"n_classes": 0}, "Expected n_classes to be a whole number from 1"),
        ({"validation_labels": np.array([1])}, "but got one of them; give both or neither"),
        (
            {"validation_inputs": np.zeros((1, 3)), "validation_labels": np.array([1])},
            "Expected validation_inputs of shape (any, 2)",
        ),
        ({"image_shape": (2, 2)}, "Expected image_shape with 2 pixels but got (2, 2)"),
    ],
)
def test_a_dataset_refuses_what_does_not_fit(changes, message):
    with pytest.raises(InputError, match=re.escape(message)):
        make_dataset(**changes)


# --- names, seeds and validation -----------------------------------------------------------------


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match=r"one of digits, .*mnist, yinyang but got 'cifar'"):
        load_dataset("cifar")


@pytest.mark.parametrize("seed", [-1, 0.5, None])
def test_a_seed_that_is_no_whole_number_is_refused(seed):
    with pytest.raises(InputError, match="seeds are not negative"):
        load_dataset("yinyang", seed=seed)


@pytest.mark.parametrize("name", ["digits", "yinyang"])
def test_the_seed_changes_neither_training_nor_test_part(name):
    first, second = load_dataset(name, seed=1), load_dataset(name, seed=2)
    for field in ("train_inputs", "train_labels", "test_inputs", "test_labels"):
        np.testing.assert_array_equal(getattr(first, field), getattr(second, field))


def test_validation_samples_leave_the_training_part_and_the_test_part_stays():
    whole = load_dataset("digits")
    split = load_dataset("digits", validation=137, seed=3)
    assert len(split.train_labels) == 1300
    assert len(split.validation_labels) == 137
    np.testing.assert_array_equal(split.test_inputs, whole.test_inputs)
    together = np.concatenate([split.train_inputs, split.validation_inputs])
    np.testing.assert_array_equal(
        np.unique(together, axis=0), np.unique(whole.train_inputs, axis=0)
    )


def test_validation_samples_are_drawn_from_a_validation_part_if_there_is_one():
    inputs = np.array([[0.25, 0.0], [0.5, 0.0], [0.75, 0.0]])
    whole = make_dataset(n_classes=3, validation_inputs=inputs, validation_labels=[2, 0, 1])
    split = split_validation(whole, 2, seed=1)
    np.testing.assert_array_equal(split.train_inputs, whole.train_inputs)
    labels = {0.25: 2, 0.5: 0, 0.75: 1}
    drawn = [labels[x] for x in split.validation_inputs[:, 0].tolist()]
    assert drawn == split.validation_labels.tolist()
    assert len(drawn) == 2
    np.testing.assert_array_equal(split.test_inputs, whole.test_inputs)
    everything = split_validation(whole, 3)
    assert everything.validation_labels.tolist() == [2, 0, 1]
    with pytest.raises(InputError, match=r"from 0 to 3 but got .*so many samples has the valid"):
        split_validation(whole, 4)


def test_the_seed_chooses_the_validation_samples():
    splits = [load_dataset("digits", validation=50, seed=seed) for seed in (1, 1, 2)]
    first, again, other = (split.validation_inputs for split in splits)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_no_validation_leaves_the_dataset_as_it_is():
    dataset = make_dataset()
    assert split_validation(dataset, 0) is dataset


@pytest.mark.parametrize("n_samples", [-1, 3, 1.5])
def test_a_validation_part_that_leaves_nothing_to_train_on_is_refused(n_samples):
    message = f"from 0 to 2 but got validation={n_samples}; leave at least one sample"
    with pytest.raises(InputError, match=re.escape(message)):
        split_validation(make_dataset(), n_samples)


# --- digits --------------------------------------------------------------------------------------


def test_digits_are_split_into_1437_and_360_with_every_class_sending_a_fifth():
    dataset = load_dataset("digits")
    assert dataset.train_inputs.shape == (1437, 64)
    assert dataset.test_inputs.shape == (360, 64)
    assert (dataset.n_classes, dataset.image_shape) == (10, (8, 8))
    train, test = np.bincount(dataset.train_labels), np.bincount(dataset.test_labels)
    assert np.abs(test - (train + test) / 5).max() < 1


def test_digits_are_scaled_to_one_and_keep_their_labels():
    dataset = load_dataset("digits")
    assert dataset.train_inputs.max() == 1
    assert set(np.unique(dataset.train_inputs * 16)) == set(range(17))
    first_zero = np.array([0, 0, 5, 13, 9, 1, 0, 0]) / 16  # the first image of the file, a 0
    np.testing.assert_array_equal(dataset.test_inputs[0, :8], first_zero)
    assert dataset.test_labels[0] == 0


def test_digits_are_the_file_that_scikit_learn_has():
    images, labels = data._read_digits()
    assert hashlib.sha256(data.DIGITS.read_bytes()).hexdigest() == DIGITS_DIGEST
    assert (images.shape, images.sum(), labels.dtype) == ((1797, 8, 8), 561718, np.int64)
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_digits_are_read_without_importing_scikit_learn():
    program = "import sys; from sim.training.data import load_dataset; load_dataset('digits'); "
    program += "print('sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    assert done.stdout.strip() == b"False"


# --- IDX files -----------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("shape", [(5,), (4, 3, 2)])
def test_an_idx_file_gives_back_what_was_written(tmp_path, suffix, shape):
    array = np.arange(np.prod(shape)).reshape(shape)
    path = write_idx(tmp_path / f"file{suffix}", array)
    np.testing.assert_array_equal(read_idx(path, n_axes=len(shape)), array)


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (idx_bytes(np.zeros(3)), "begins with bytes 00 00 08 01"),
        (b"\x89PNG....................", "begins with bytes 89 50 4e 47"),
        (b"", "begins with bytes (none)"),
        (idx_bytes(np.zeros((4, 3, 2)))[:10], "bytes of data in"),
        (idx_bytes(np.zeros((4, 3, 2)))[:-1], "Expected 4 x 3 x 2 bytes of data in"),
        (idx_bytes(np.zeros((4, 3, 2))) + b"\0", "as its header says, but got 25"),
        (bytes([0, 0, 8, 3]) + b"\xff" * 8 + bytes(4), "the file is damaged"),
    ],
)
def test_a_foreign_or_damaged_idx_file_is_refused(tmp_path, suffix, content, message):
    path = tmp_path / f"file{suffix}"
    path.write_bytes(gzip.compress(content) if suffix else content)
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        read_idx(path, n_axes=3)
    assert str(path) in str(caught.value)


def test_a_header_that_ends_early_is_refused_even_if_its_lengths_fit(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes([0, 0, 8, 3]))
    with pytest.raises(InputError, match="the file is damaged"):
        read_idx(path, n_axes=3)


@pytest.mark.parametrize("damage", ["foreign", "truncated", "corrupt"])
def test_a_damaged_gzip_file_is_refused(tmp_path, damage):
    whole = gzip.compress(idx_bytes(np.arange(256).repeat(9)))
    content = {
        "foreign": b"no gzip at all",
        "truncated": whole[:-12],
        "corrupt": whole[:20] + b"\xff" * 40 + whole[60:],
    }[damage]
    path = tmp_path / "labels.gz"
    path.write_bytes(content)
    with pytest.raises(
        InputError, match=r"Expected a readable IDX file at .*fetch it again"
    ) as caught:
        read_idx(path, n_axes=1)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("name", ["folder", "folder.gz"])
def test_a_folder_in_place_of_an_idx_file_is_refused(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(InputError, match="Expected a readable IDX file at"):
        read_idx(tmp_path / name, n_axes=1)


def test_a_missing_idx_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="got: No such file or directory"):
        read_idx(tmp_path / "nowhere", n_axes=1)


# --- mnist ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_mnist_is_read_from_idx_files_without_torch(user_folder, tmp_path, suffix):
    write_mnist(tmp_path, suffix=suffix, brightness=51)
    dataset = load_dataset("mnist", root=tmp_path)
    assert (dataset.name, dataset.n_classes, dataset.image_shape) == ("mnist", 10, (3, 2))
    assert dataset.train_inputs.shape == (6, 6)
    np.testing.assert_array_equal(dataset.test_inputs[0], np.float32([0, 0.2, 0, 0, 0, 0]))
    assert dataset.train_labels.tolist() == [0, 1, 2, 3, 4, 5]
    assert dataset.test_labels.tolist() == [0, 1, 2, 3]


def test_mnist_is_looked_for_in_the_variable_then_the_user_folder(
    user_folder, tmp_path, monkeypatch
):
    def brightness(root=None):
        return load_dataset("mnist", root=root).train_inputs.max() * 255

    write_mnist(user_folder, brightness=1)
    assert brightness() == 1
    monkeypatch.setenv("SPIKETHEORY_DATA", "")
    assert brightness() == 1
    monkeypatch.setenv("SPIKETHEORY_DATA", str(tmp_path / "variable"))
    write_mnist(tmp_path / "variable", brightness=2)
    assert brightness() == 2
    write_mnist(tmp_path / "root", brightness=3)
    assert brightness() == 2
    assert brightness(tmp_path / "root") == 3


@pytest.mark.parametrize("name", ["root", "."])
def test_a_folder_that_is_named_is_the_only_one_searched(
    name, fake_torchvision, user_folder, tmp_path, monkeypatch
):
    fake_torchvision(lambda root, *, download: pytest.fail("downloaded"))
    write_mnist(user_folder)
    monkeypatch.setenv("SPIKETHEORY_DATA", str(user_folder))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"MNIST/raw has no MNIST file, and no other folder was s"):
        load_dataset("mnist", root=name)


def test_a_folder_with_only_some_of_the_files_is_passed_over(user_folder, tmp_path, monkeypatch):
    write_mnist(user_folder, brightness=1)
    raw = write_mnist(tmp_path / "variable", brightness=2)
    (raw / "t10k-labels-idx1-ubyte").unlink()
    monkeypatch.setenv("SPIKETHEORY_DATA", str(tmp_path / "variable"))
    assert load_dataset("mnist").train_inputs.max() == np.float32(1 / 255)


def test_missing_mnist_says_where_it_was_looked_for_and_what_to_do(
    user_folder, tmp_path, monkeypatch
):
    monkeypatch.setenv("SPIKETHEORY_DATA", str(tmp_path / "variable"))
    (write_mnist(tmp_path / "variable") / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(InputError) as caught:
        load_dataset("mnist")
    message = str(caught.value)
    assert f"{tmp_path / 'variable' / 'MNIST' / 'raw'} has no t10k-labels-idx1-ubyte" in message
    assert f"{user_folder / 'MNIST' / 'raw'} has no MNIST file" in message
    assert "set SPIKETHEORY_DATA to the folder that holds MNIST/raw" in message
    assert 'pip install ".[mnist]" in the source folder' in message
    assert "\n" not in message


def test_images_and_labels_of_different_number_are_refused(user_folder, tmp_path):
    raw = write_mnist(tmp_path)
    write_idx(raw / "train-labels-idx1-ubyte", np.arange(5))
    with pytest.raises(
        InputError, match=r"one label per image but got 6 images in .* and 5 labels"
    ):
        load_dataset("mnist", root=tmp_path)


def test_torchvision_downloads_mnist_into_the_user_folder(fake_torchvision, user_folder):
    calls = []

    def download(root, *, download):
        calls.append((root, download))
        write_mnist(root)

    fake_torchvision(download)
    assert len(load_dataset("mnist").train_labels) == 6
    assert calls == [(str(user_folder), True)]


def test_a_failed_download_is_an_input_error_with_its_cause(fake_torchvision, user_folder):
    def download(root, *, download):
        raise RuntimeError("no route to host")

    fake_torchvision(download)
    with pytest.raises(InputError, match="torchvision said: no route to host; try again") as caught:
        load_dataset("mnist")
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_a_download_that_leaves_files_out_is_an_input_error(fake_torchvision, user_folder):
    fake_torchvision(lambda root, *, download: None)
    with pytest.raises(InputError, match=r"Expected torchvision to put MNIST into .*by hand"):
        load_dataset("mnist")


def test_importing_the_data_module_imports_neither_torch_nor_sympy_nor_sklearn():
    code = (
        "import sys, sim.training.data; "
        "sys.exit(bool({'torch', 'torchvision', 'sympy', 'sklearn'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False).returncode == 0


def test_the_real_mnist_has_its_known_sizes_and_class_counts():
    dataset = load_dataset("mnist", root=find_real_mnist())
    assert dataset.train_inputs.shape == (60000, 784)
    assert dataset.image_shape == (28, 28)
    assert np.bincount(dataset.train_labels)[:3].tolist() == [5923, 6742, 5958]
    assert np.bincount(dataset.test_labels)[:3].tolist() == [980, 1135, 1032]
    assert dataset.train_inputs.mean() == pytest.approx(0.1307, abs=1e-4)


def test_the_real_mnist_gives_up_validation_samples():
    dataset = load_dataset("mnist", root=find_real_mnist(), validation=10000)
    assert len(dataset.train_labels) == 50000
    assert len(dataset.test_labels) == 10000


def test_every_name_has_a_loader(user_folder, tmp_path):
    write_mnist(tmp_path)
    for name in ("digits", "mnist", "yinyang"):
        assert load_dataset(name, root=tmp_path).name == name


@pytest.mark.parametrize("name", [n for n in IMAGE_SETS if n != "mnist"])
def test_the_like_of_mnist_is_found_where_torchvision_puts_it(tmp_path, user_folder, name):
    images = IMAGE_SETS[name]
    raw = tmp_path / images.folder
    raw.mkdir(parents=True)
    assert raw.parts[-2:] == (images.title, "raw")
    for old, new in zip(MNIST_FILES, images.files, strict=True):
        content = (write_mnist(tmp_path) / old).read_bytes()
        if "labels" in new:
            last = images.first_label + images.n_classes - 1
            content = content[:8] + bytes([images.first_label, last]) + content[10:]
            content = content[:10] + bytes([last] * (len(content) - 10))
        (raw / new).write_bytes(content)
    found = load_dataset(name, root=tmp_path)
    assert (found.name, found.n_classes, len(found.train_labels)) == (name, images.n_classes, 6)
    assert found.train_labels.tolist() == [0, *[images.n_classes - 1] * 5]
    assert found.image_shape == ((2, 3) if images.split else (3, 2))
    plain = load_dataset("mnist", root=tmp_path)
    turned = plain.train_inputs.reshape(6, 3, 2).swapaxes(1, 2).reshape(6, 6)
    wanted = turned if images.split else plain.train_inputs
    assert np.array_equal(found.train_inputs, wanted)


def test_labels_of_another_set_are_named_with_what_can_be_done_about_it(tmp_path, user_folder):
    raw = write_mnist(tmp_path)
    labels = raw / "train-labels-idx1-ubyte"
    labels.write_bytes(labels.read_bytes()[:8] + bytes([46] * 6))
    with pytest.raises(InputError, match=r"classes 0 to 9 of MNIST in .* got 46 to 46; .*emnist-b"):
        load_dataset("mnist", root=tmp_path)


def test_the_command_line_knows_all_data_sets():
    assert (*DATASETS, *SPEECH_SETS) == DATASET_NAMES


def test_an_idx_file_that_promises_more_than_it_can_hold_is_not_unpacked(tmp_path):
    path = tmp_path / "bomb.gz"
    head = bytes([0, 0, 8, 3]) + b"\xff\xff\xff\xff" * 3
    path.write_bytes(gzip.compress(head + bytes(10_000_000)))
    with pytest.raises(InputError, match="the file is damaged"):
        read_idx(path, n_axes=3)
