"""Data sets for training: a frozen record, and the tasks that load by name.

Nothing here is downloaded unless it is asked for: ``digits`` lies beside this file, ``yinyang``
is generated, and ``mnist`` and its like are read from IDX files on disk if there are any.
"""

import gzip
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import platformdirs
from numpy.typing import ArrayLike, NDArray

from sim.inputs.encoding import check_integer, check_intensities
from sim.training.yinyang import N_CLASSES, SIZES, draw_yinyang
from spiketheory.errors import InputError, check_choice, check_shape
from spiketheory.reading import DamagedError, catch_damage
from spiketheory.shown import Short

DATA_VARIABLE = "SPIKETHEORY_DATA"
DIGITS = Path(__file__).with_name("digits.csv.gz")
MOST_PACKING = 1100
"""How many times smaller gzip makes anything, at most."""
MOST_PIXELS = 2**30
"""Bytes of an IDX file, unpacked; the largest of EMNIST has 0.55e9."""


@dataclass(frozen=True, kw_only=True)
class ImageSet:
    """Images and labels in four IDX files, where torchvision puts them.

    Attributes:
        title: Its name, and that of torchvision's class and folder.
        n_classes: Number of classes.
        split: Part of EMNIST; empty for others.
        first_label: What the labels count from.
    """

    title: str
    n_classes: int = 10
    split: str = ""
    first_label: int = 0

    @property
    def folder(self) -> str:
        """Folder of the files below that of the data sets."""
        return f"{self.title}/raw"

    @property
    def files(self) -> tuple[str, ...]:
        """Images and labels to train on, then those to test on."""
        tests = "test" if self.split else "t10k"
        start = f"emnist-{self.split}-" if self.split else ""
        return tuple(
            f"{start}{part}-{kind}-ubyte"
            for part in ("train", tests)
            for kind in ("images-idx3", "labels-idx1")
        )


IMAGE_SETS = {
    "mnist": ImageSet(title="MNIST"),
    "fashion-mnist": ImageSet(title="FashionMNIST"),
    "kmnist": ImageSet(title="KMNIST"),
    "emnist-balanced": ImageSet(title="EMNIST", split="balanced", n_classes=47),
    "emnist-byclass": ImageSet(title="EMNIST", split="byclass", n_classes=62),
    "emnist-bymerge": ImageSet(title="EMNIST", split="bymerge", n_classes=47),
    "emnist-digits": ImageSet(title="EMNIST", split="digits"),
    "emnist-letters": ImageSet(title="EMNIST", split="letters", n_classes=26, first_label=1),
    "emnist-mnist": ImageSet(title="EMNIST", split="mnist"),
}
"""Data sets of images that are read from files."""
MNIST_FILES = IMAGE_SETS["mnist"].files
DATASETS = ("digits", *IMAGE_SETS, "yinyang")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Dataset(Short):
    """Labelled samples: a part to train on, one to test on, and perhaps one to choose models with.

    Attributes:
        name: Name of the task.
        train_inputs: Intensities in [0, 1], shape (N, M), float32.
        train_labels: Classes 0..n_classes-1, shape (N,), int64.
        test_inputs: Intensities in [0, 1], shape (N_test, M), float32.
        test_labels: Classes 0..n_classes-1, shape (N_test,), int64.
        n_classes: Number of classes.
        image_shape: (rows, columns) with rows * columns = M, or None if inputs are no images.
        validation_inputs: As the others, shape (N_validation, M); None if the task has no such
            part.
        validation_labels: Their classes, shape (N_validation,).

    Raises:
        InputError: If shapes disagree, a part is empty, or a value is out of range.
    """

    name: str
    train_inputs: NDArray[np.float32]
    train_labels: NDArray[np.int64]
    test_inputs: NDArray[np.float32]
    test_labels: NDArray[np.int64]
    n_classes: int
    image_shape: tuple[int, int] | None = None
    validation_inputs: NDArray[np.float32] | None = None
    validation_labels: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        check_integer("n_classes", self.n_classes, low=1, high=2**31, hint="count the classes")
        if (self.validation_inputs is None) != (self.validation_labels is None):
            raise InputError(
                "Expected validation_inputs and validation_labels but got one of them; give both "
                "or neither."
            )
        parts = ("train", "test", *(() if self.validation_inputs is None else ("validation",)))
        for part in parts:
            inputs, labels = f"{part}_inputs", f"{part}_labels"
            self._set(inputs, _as_inputs(inputs, getattr(self, inputs)))
            self._set(labels, _as_labels(labels, getattr(self, labels), self.n_classes))
            check_shape(labels, getattr(self, labels), (len(getattr(self, inputs)),))
            check_shape(inputs, getattr(self, inputs), (None, self.n_inputs))
        if self.image_shape is not None and math.prod(self.image_shape) != self.n_inputs:
            raise InputError(
                f"Expected image_shape with {self.n_inputs} pixels but got "
                f"{self.image_shape}; give (rows, columns), or None if inputs are no images."
            )

    @property
    def n_inputs(self) -> int:
        """Number of inputs M."""
        return int(self.train_inputs.shape[1])

    def _set(self, name: str, value: NDArray) -> None:
        object.__setattr__(self, name, value)


def load_dataset(
    name: str,
    *,
    seed: int = 0,
    root: str | os.PathLike[str] | None = None,
    validation: int = 0,
) -> Dataset:
    """Load a data set by name.

    - ``digits``: 1,797 handwritten digits of 8x8 pixels; they come with the package.
    - ``mnist``: 70,000 handwritten digits of 28x28 pixels. The IDX files (plain or ``.gz``) are
      looked for under ``MNIST/raw`` in ``root`` alone if it is given, else in
      ``$SPIKETHEORY_DATA`` and in the user data folder; the first folder that holds all four is
      read. If none does and torchvision is installed, it downloads them into the user data
      folder, but never if ``root`` is given.
    - ``fashion-mnist``, ``kmnist``, ``emnist-balanced`` and the other parts of EMNIST: the same for
      ``FashionMNIST/raw``, ``KMNIST/raw`` and ``EMNIST/raw``, torchvision's folders.
    - ``yinyang``: 5,000 + 1,000 + 1,000 points in a yin-yang sign, generated.

    Training and test part are always the same; ``seed`` only chooses the validation samples.

    Args:
        name: One of `DATASETS`.
        seed: Chooses which samples are set aside for validation.
        root: Folder that holds ``MNIST/raw`` or the like; no other is searched. ``digits`` and
            ``yinyang`` need none.
        validation: If n > 0, n random samples are the validation part, out of the data set's own
            (``yinyang``: 1,000), or of the training part, which they leave, where there is none:
            choose models with them, and keep the test samples unseen until the end.

    Returns:
        The data set.

    Raises:
        InputError: If the name is unknown, an option out of range, or the data missing or damaged.
    """
    check_choice("name", name, DATASETS)
    check_integer("seed", seed, low=0, high=2**63, hint="seeds are not negative")
    loaders: dict[str, Callable[[], Dataset]] = {
        "digits": _load_digits,
        **{key: partial(_load_images, key, root) for key in IMAGE_SETS},
        "yinyang": _load_yinyang,
    }
    return split_validation(loaders[name](), validation, seed=seed)


def split_validation(dataset: Dataset, n_samples: int, *, seed: int = 0) -> Dataset:
    """Let ``n_samples`` random samples of the validation part be the validation part.

    Without a validation part they leave the training part. Drawn uniformly without replacement;
    all parts keep their order. 0 changes nothing.

    Raises:
        InputError: If there are not that many samples to spare.
    """
    inputs, labels = dataset.validation_inputs, dataset.validation_labels
    own = inputs is not None and labels is not None
    if inputs is None or labels is None:
        inputs, labels = dataset.train_inputs, dataset.train_labels
        spare, hint = len(labels) - 1, "leave at least one sample to train on"
    else:
        spare, hint = len(labels), "so many samples has the validation part"
    n_samples = check_integer("validation", n_samples, low=0, high=spare, hint=hint)
    if n_samples == 0:
        return dataset
    held_out = np.zeros(len(labels), dtype=bool)
    held_out[np.random.default_rng(seed).permutation(len(labels))[:n_samples]] = True
    if own:
        return replace(
            dataset, validation_inputs=inputs[held_out], validation_labels=labels[held_out]
        )
    return replace(
        dataset,
        train_inputs=inputs[~held_out],
        train_labels=labels[~held_out],
        validation_inputs=inputs[held_out],
        validation_labels=labels[held_out],
    )


def read_idx(path: str | os.PathLike[str], *, n_axes: int) -> NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes, plain or gzip (by its ``.gz``).

    Args:
        path: The file.
        n_axes: Number of axes it must have: 1 for labels, 3 for images.

    Returns:
        The numbers, in the shape that the header states.

    Raises:
        InputError: If the file cannot be read, is no such IDX file, or is not as long as its
            header says.

    References:
        The IDX format: bytes 0, 0, type (8: unsigned byte), number of axes; then each length as
        a big-endian 32-bit number; then the data.
    """
    path = Path(path)
    header, body = _read_bytes(path, 4 + 4 * n_axes)
    if header[:4] != bytes([0, 0, 8, n_axes]):
        raise InputError(
            f"Expected an IDX file of unsigned bytes with {n_axes} axes at {path} but it begins "
            f"with bytes {header[:4].hex(' ') or '(none)'}; put the original file there."
        )
    starts = range(4, 4 + 4 * n_axes, 4)
    shape = tuple(int.from_bytes(header[start : start + 4], "big") for start in starts)
    too_long = math.prod(max(1, n) for n in shape) > MOST_PIXELS  # other lengths than one that is 0
    if len(header) != 4 + 4 * n_axes or len(body) != math.prod(shape) or too_long:
        raise InputError(
            f"Expected {' x '.join(map(str, shape))} bytes of data in {path}, as its header "
            f"says, but got {len(body)}; the file is damaged: delete it and fetch it again."
        )
    return np.frombuffer(body, dtype=np.uint8).reshape(shape)


def _read_bytes(path: Path, header_length: int) -> tuple[bytes, bytes]:
    """The header, and at most one byte more than it says that there is."""
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with catch_damage(), opener(path, "rb") as file:
            header = file.read(header_length)
            lengths = np.frombuffer(header[4:].ljust(header_length - 4, b"\0"), dtype=">u4")
            n_bytes = math.prod(map(int, lengths))
            if n_bytes > min(MOST_PIXELS, MOST_PACKING * path.stat().st_size):
                return header, b""
            return header, file.read(n_bytes + 1)
    except DamagedError as err:
        raise InputError(
            f"Expected a readable IDX file at {path} but got: {err}; delete it and fetch it again."
        ) from err


def _load_images(name: str, root: str | os.PathLike[str] | None) -> Dataset:
    images = IMAGE_SETS[name]
    folders = _data_folders() if root is None else [Path(root).expanduser()]
    for folder in folders:
        files = _find_files(folder, images)
        if len(files) == len(images.files):
            return _read_images(name, files)
    if root is not None:
        raise InputError(
            f"Expected the {images.title} files but {_missing(folders[0], images)}, and no other "
            f"folder was searched; name the folder that holds {images.folder}, or none (no --data) "
            f"to search ${DATA_VARIABLE} and your user data folder."
        )
    _download(folders, images)
    files = _find_files(folders[-1], images)
    if len(files) < len(images.files):
        raise InputError(
            f"Expected torchvision to put {images.title} into {folders[-1]} but "
            f"{_missing(folders[-1], images)}; fetch the files by hand and set {DATA_VARIABLE} to "
            f"the folder that holds {images.folder}."
        )
    return _read_images(name, files)


def _data_folders() -> list[Path]:
    """Where data may lie, in the order of the search; the last is where downloads go."""
    user_folder = platformdirs.user_data_path("spiketheory")
    named = os.environ.get(DATA_VARIABLE)
    return [Path(named).expanduser(), user_folder] if named else [user_folder]


def _find_files(folder: Path, images: ImageSet) -> dict[str, Path]:
    """The files that exist under ``folder``, by name; plain ones before ``.gz``."""
    raw = folder / images.folder
    found = {}
    for name in images.files:
        candidates = [raw / name, raw / f"{name}.gz"]
        existing = [path for path in candidates if os.path.exists(path)]
        if existing:
            found[name] = existing[0]
    return found


def _missing(folder: Path, images: ImageSet) -> str:
    missing = [name for name in images.files if name not in _find_files(folder, images)]
    all_of_them = len(missing) == len(images.files)
    what = f"no {images.title} file" if all_of_them else f"no {', '.join(missing)}"
    return f"{folder / images.folder} has {what}"


def _download(folders: list[Path], images: ImageSet) -> None:
    try:
        from torchvision import datasets

        download = getattr(datasets, images.title)
    except (ImportError, OSError, RuntimeError) as err:  # a broken torch raises the latter two
        raise InputError(
            f"Expected the {images.title} files but "
            f"{'; '.join(_missing(folder, images) for folder in folders)}; set "
            f"{DATA_VARIABLE} to the folder that holds {images.folder}, or let torchvision "
            f'download them: pip install ".[mnist]" in the source folder (it said: {err}).'
        ) from err
    try:
        split = {"split": images.split} if images.split else {}
        download(str(folders[-1]), download=True, **split)
    except Exception as err:  # network, disk, checksum: torchvision names no common class
        raise InputError(
            f"Expected to download {images.title} into {folders[-1]} but torchvision said: {err}; "
            f"try again, or set {DATA_VARIABLE} to a folder that holds {images.folder}."
        ) from err


def _read_images(name: str, files: dict[str, Path]) -> Dataset:
    images, names = IMAGE_SETS[name], IMAGE_SETS[name].files
    train_images, train_labels = _read_pair(files[names[0]], files[names[1]])
    test_images, test_labels = _read_pair(files[names[2]], files[names[3]])
    if images.split:  # EMNIST keeps images column by column
        train_images, test_images = train_images.swapaxes(1, 2), test_images.swapaxes(1, 2)
    for path, labels in ((files[names[1]], train_labels), (files[names[3]], test_labels)):
        _check_classes(path, labels, images)
    return Dataset(
        name=name,
        train_inputs=_scale_images(train_images, 255),
        train_labels=train_labels - images.first_label,
        test_inputs=_scale_images(test_images, 255),
        test_labels=test_labels - images.first_label,
        n_classes=images.n_classes,
        image_shape=(train_images.shape[1], train_images.shape[2]),
    )


def _check_classes(path: Path, labels: NDArray, images: ImageSet) -> None:
    last = images.first_label + images.n_classes - 1
    if labels.size and (labels.min() < images.first_label or labels.max() > last):
        raise InputError(
            f"Expected the classes {images.first_label} to {last} of {images.title} in {path} but "
            f"got {labels.min()} to {labels.max()}; these are the labels of another data "
            f"set: choose it (one of {', '.join(IMAGE_SETS)}), or fetch the files again."
        )


def _read_pair(images_path: Path, labels_path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    images = read_idx(images_path, n_axes=3)
    labels = read_idx(labels_path, n_axes=1)
    if len(images) != len(labels):
        raise InputError(
            f"Expected one label per image but got {len(images)} images in {images_path} and "
            f"{len(labels)} labels in {labels_path}; fetch both files again."
        )
    return images, labels.astype(np.int64)


def _scale_images(images: NDArray, maximum: int) -> NDArray[np.float32]:
    """Pixels 0..maximum, shape (n, rows, columns), to intensities, shape (n, rows * columns)."""
    flat = images.reshape(len(images), math.prod(images.shape[1:]))
    return np.divide(flat, maximum, dtype=np.float32)


def _load_digits() -> Dataset:
    """Every fifth image tests, counted through the images sorted by class (stable): 1437 + 360.

    So every class sends a fifth of its images, to within one.
    """
    images, labels = _read_digits()
    tests = np.zeros(len(labels), dtype=bool)
    tests[np.argsort(labels, kind="stable")[::5]] = True
    inputs = _scale_images(images, 16)
    return Dataset(
        name="digits",
        train_inputs=inputs[~tests],
        train_labels=labels[~tests],
        test_inputs=inputs[tests],
        test_labels=labels[tests],
        n_classes=10,
        image_shape=(8, 8),
    )


def _read_digits() -> tuple[NDArray, NDArray[np.int64]]:
    """Images (n, 8, 8), pixels 0..16, and labels; digits.txt says where they are from."""
    table = np.loadtxt(DIGITS, delimiter=",")
    return table[:, :-1].reshape(-1, 8, 8), table[:, -1].astype(np.int64)


def _load_yinyang() -> Dataset:
    (train, of_train), (validation, of_validation), (test, of_test) = map(draw_yinyang, SIZES)
    return Dataset(
        name="yinyang",
        train_inputs=train,
        train_labels=of_train,
        test_inputs=test,
        test_labels=of_test,
        n_classes=N_CLASSES,
        image_shape=None,
        validation_inputs=validation,
        validation_labels=of_validation,
    )


def _as_inputs(name: str, values: ArrayLike) -> NDArray[np.float32]:
    inputs = np.ascontiguousarray(check_intensities(name, values), dtype=np.float32)
    if inputs.size == 0:
        raise InputError(
            f"Expected at least one sample and one input in {name} but got shape "
            f"{inputs.shape}; give a part that is not empty."
        )
    return inputs


def _as_labels(name: str, values: ArrayLike, n_classes: int) -> NDArray[np.int64]:
    labels = np.asarray(values)
    check_shape(name, labels, (None,))
    if labels.dtype.kind not in "iu":
        raise InputError(
            f"Expected whole numbers in {name} but got type {labels.dtype}; "
            "number the classes from 0."
        )
    low, high = labels.min(initial=0), labels.max(initial=0)
    if low < 0 or high >= n_classes:
        raise InputError(
            f"Expected classes 0..{n_classes - 1} in {name} but got {low}..{high}; "
            "number them from 0, or set n_classes."
        )
    return labels.astype(np.int64)
