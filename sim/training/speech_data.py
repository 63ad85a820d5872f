"""Data sets of speech as the trainer takes them: recordings that are encoded, or spikes."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from sim.inputs.trials import Trials
from sim.speech.augment import (
    Augmentation,
    change_spikes,
    encode_changed,
    read_augmentation,
)
from sim.speech.event_sets import SPIKE_SETS, EventSet, load_event_folder, load_spike_set
from sim.speech.hair_cells import encode
from sim.speech.image_cache import load_images_once
from sim.speech.recordings import RECORDED, Recordings, find_fsdd, find_wav_folder
from sim.speech.settings import EncoderSettings, read_settings
from sim.speech.spike_files import SpikeFile, import_h5py, write_spike_file
from sim.speech.splits import split_recordings
from sim.training.config_parts import SpeechPart
from sim.training.trial_data import TrialDataset
from spiketheory.errors import InputError


def load_speech(
    name: str, part: SpeechPart, *, duration: float, root: Path | None = None,
    validation: bool = False,
) -> TrialDataset:  # fmt: skip
    """Load a data set of speech.

    Args:
        name: One of `sim.speech.recordings.SPEECH_SETS`.
        part: How it is encoded, split and changed.
        duration: Length of the trials [s].
        root: Folder with the data; by default ``$SPIKETHEORY_DATA``, then the user's data folder.
        validation: Whether the validation part is held out; otherwise it is trained on, too.

    Raises:
        InputError: If data are missing or damaged, or a setting does not fit them.
    """
    if name not in RECORDED:
        change = read_augmentation(part.augment, images=False)
        return take_spikes(name, load_events(name, part, root), change, validation=validation)
    settings = read_settings({**part.encoder, "duration": duration})
    change = read_augmentation(part.augment, images=True)
    return encode_recordings(
        find_recordings(name, root), settings, change, fold=part.fold, validation=validation
    )


def load_events(name: str, part: SpeechPart, root: Path | None) -> EventSet:
    """A data set that is spikes already."""
    if part.fold:
        raise InputError(
            f"Expected recordings ({', '.join(RECORDED)}) for fold but got {name}, which has a "
            "split of its own; leave it out."
        )
    if name in SPIKE_SETS:
        return load_spike_set(name, root)
    return load_event_folder(need_folder(root))


def take_spikes(
    name: str, found: EventSet, change: Augmentation, *, validation: bool
) -> TrialDataset:
    """A data set of spikes; those to train on are changed anew whenever they are drawn."""
    trials, labels = found.train
    held: tuple[Trials | None, np.ndarray | None] = found.validation
    if not validation:
        trials = join_trials(trials, found.validation[0])
        labels, held = np.concatenate([labels, found.validation[1]]), (None, None)

    def draw(indices: np.ndarray, rng: np.random.Generator) -> Trials:
        return change_spikes(trials, labels, indices, change, rng)

    return TrialDataset(
        name=name, train_inputs=trials, train_labels=labels, test_inputs=found.test[0],
        test_labels=found.test[1], n_classes=found.n_classes, validation_inputs=held[0],
        validation_labels=held[1], draw=draw if change.changes else None,
    )  # fmt: skip


def join_trials(first: Trials, second: Trials) -> Trials:
    """Trials of both, of equally many channels."""
    return Trials(
        time=np.concatenate([first.time, second.time]),
        channel=np.concatenate([first.channel, second.channel]),
        offsets=np.append(first.offsets, first.offsets[-1] + second.offsets[1:]),
        n_channels=first.n_channels,
    )


def find_recordings(name: str, root: Path | None) -> Recordings:
    """The recordings of a data set by name."""
    if name == "fsdd":
        return find_fsdd(root)
    return find_wav_folder(need_folder(root))


def need_folder(root: Path | None) -> Path:
    """The folder of the user's own data."""
    if root is None:
        raise InputError("Expected the folder with your data but got none; name it by --data.")
    return root


def encode_recordings(
    recordings: Recordings, settings: EncoderSettings, change: Augmentation, *, fold: str,
    validation: bool,
) -> TrialDataset:  # fmt: skip
    """A data set of recordings; those to train on are encoded anew whenever they are drawn."""
    split = split_recordings(recordings, fold)
    train = split.train
    if not validation:
        train = np.sort(np.concatenate([split.train, split.validation]))
    images = load_images_once(recordings, settings)
    own = images[train]

    def draw(indices: np.ndarray, rng: np.random.Generator) -> Trials:
        return encode_changed(own[indices], settings, change, rng)

    return TrialDataset(
        name=recordings.name,
        train_inputs=encode(own, settings),
        train_labels=recordings.labels[train],
        test_inputs=encode(images[split.test], settings),
        test_labels=recordings.labels[split.test],
        n_classes=recordings.n_classes,
        validation_inputs=encode(images[split.validation], settings) if validation else None,
        validation_labels=recordings.labels[split.validation] if validation else None,
        draw=draw if change.changes else None,
    )


def export_recordings(
    name: str, encoder: Mapping[str, float], *, fold: str, root: Path | None, folder: Path
) -> list[tuple[Path, int]]:
    """Encode recordings and write them in SHD's layout.

    Args:
        name: One of `sim.speech.recordings.RECORDED`.
        encoder: Settings of the encoder by name.
        fold: Speaker who is left out for the test; empty for the data set's own split.
        root: Folder with the data.
        folder: Where ``shd_train.h5`` and ``shd_test.h5`` are written.

    Returns:
        The files, and how many recordings are in each.
    """
    import_h5py()
    settings, recordings = read_settings(encoder), find_recordings(name, root)
    split = split_recordings(recordings, fold)
    images = load_images_once(recordings, settings)
    numbers = np.unique(recordings.speakers, return_inverse=True)[1]
    train = np.sort(np.concatenate([split.train, split.validation]))
    written = []
    for part, chosen in (("train", train), ("test", split.test)):
        path = folder / SPIKE_SETS["shd"].files[part]
        content = SpikeFile(
            trials=encode(images[chosen], settings), labels=recordings.labels[chosen],
            speakers=numbers[chosen], classes=recordings.classes,
        )  # fmt: skip
        write_spike_file(path, content)
        written.append((path, len(chosen)))
    return written
