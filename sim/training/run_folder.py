"""A training run on disk: configuration, metrics, checkpoint and figures in one folder."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from sim.analysis.training_figures import (
    plot_learning_curves,
    plot_rasters,
    write_metrics_csv,
)
from sim.speech.recordings import SPEECH_SETS
from sim.training.checkpoint import check_progress, load_checkpoint, save_checkpoint
from sim.training.config import TrainConfig, build_config, config_to_dict, write_config
from sim.training.data import Dataset, load_dataset
from sim.training.speech_data import load_speech
from sim.training.temporal_train import TemporalTrainer
from sim.training.train import Row, Trainer, TrainState, with_epochs
from sim.training.trial_data import TrialDataset, is_trial_dataset, load_trial_dataset
from spiketheory.errors import CheckpointError, InputError, ModelError
from spiketheory.files import is_file_name, remove_strays, replace_atomically
from spiketheory.folder_lock import FolderLock, is_locked
from spiketheory.interrupts import REQUESTS, Stop, catch_interrupt
from spiketheory.machine.compile import CompiledModel
from spiketheory.machine.readout import CompiledReadout
from spiketheory.reading import DamagedError, read_limited, show

CHECKPOINT = "checkpoint.npz"
CONFIG = "config.toml"
METRICS = "metrics.csv"
MODEL = "model.toml"
CURVES = "learning_curves.png"
RASTERS = "rasters.png"
RUNS = Path("runs")
METRIC_NAMES = (
    *("epoch", "seconds", "train_accuracy", "test_accuracy", "test_accuracy_ordinary"),
    *("spikes_per_hidden_neuron", "silent_fraction"),
)
"""Metrics that are drawn and printed."""


@dataclass(kw_only=True, eq=False)
class Run:
    """A training run: what is trained, where it stands, and where it is kept.

    Attributes:
        trainer: Data, network and optimiser.
        state: Where it stands.
        folder: Where it is kept.
        model_file: Content of the model file, to be kept with the run; None if the model is
            built in.
        saved_epoch: Epoch of the checkpoint in the folder; None if this run has written none.
        lock: Keeps other processes from writing to the folder; None if this run only reads.
    """

    trainer: Trainer
    state: TrainState
    folder: Path
    model_file: bytes | None = None
    saved_epoch: int | None = None
    lock: FolderLock | None = None

    def save(self) -> None:
        """Write configuration, metrics and checkpoint; the first time the model file too."""
        with catch_interrupt() as is_interrupted:  # what is said of the folder is true of it
            if self.saved_epoch is None:
                save_model_file(self.folder, self.model_file)
            save_run(self.folder, self.trainer, self.state)
            self.saved_epoch = self.state.epoch
        if is_interrupted():
            raise Stop(REQUESTS.number)

    def close(self) -> None:
        """Give the folder free; one that nothing was written into is removed."""
        close_folder(self.folder, self.lock)


def make_trainer(
    config: TrainConfig,
    *,
    compile_model: Callable[[str], CompiledModel],
    compile_readout: Callable[..., CompiledReadout] | None = None,
    root: Path | None = None,
    model: str | None = None,
) -> Trainer:
    """Load data and model of a configuration.

    Args:
        config: The configuration.
        compile_model: Turns a model's name into running code.
        compile_readout: The same for a readout and its parameters; needed for readouts of spike
            trains alone.
        root: Folder with data sets, see `sim.training.data.load_dataset`.
        model: What to compile in place of the model that the configuration names.

    Raises:
        InputError: If data are missing, or cannot be trained on with this configuration.
        ModelError: If the model is unknown or a parameter lies outside its domain.
    """
    compiled = compile_model(config.network.model if model is None else model)
    part = config.dataset
    options: dict[str, Any] = {"seed": config.seed, "validation": part.validation}
    dataset: Dataset | TrialDataset
    if part.name in SPEECH_SETS:
        dataset = load_speech(
            part.name, config.speech, duration=config.network.duration, root=root,
            validation=bool(part.validation),
        )  # fmt: skip
    elif is_trial_dataset(part.name):
        dataset = load_trial_dataset(
            Path(part.name), validation_groups=part.validation_groups,
            test_groups=part.test_groups, **options,
        )  # fmt: skip
    else:
        dataset = load_dataset(part.name, root=root, **options)
    if not config.reads_trains:
        return Trainer(config, dataset, compiled)
    if compile_readout is None:
        raise InputError(
            f"Expected compile_readout for the readout {config.readout.name} but got None; pass "
            "derivations.compile_readout."
        )
    readout = compile_readout(config.readout.name, **config.readout.parameters)
    return TemporalTrainer(config, dataset, compiled, readout)


def start_run(
    config: TrainConfig,
    *,
    compile_model: Callable[[str], CompiledModel],
    compile_readout: Callable[..., CompiledReadout] | None = None,
    root: Path | None = None,
    folder: Path | None = None,
    overwrite: bool = False,
) -> Run:
    """Begin a run: data, untrained network, and a folder that can be written to.

    Args:
        config: The configuration.
        compile_model: Turns a model's name into running code.
        compile_readout: The same for a readout and its parameters; needed for readouts of spike
            trains alone.
        root: Folder with data sets.
        folder: Folder of the run; None chooses `choose_folder`.
        overwrite: Whether a run in the folder may be replaced.

    Raises:
        InputError: If anything about it is not valid; the folder is made last.
        ModelError: If the model is unknown or a parameter lies outside its domain.
    """
    trainer = make_trainer(
        config, compile_model=compile_model, compile_readout=compile_readout, root=root
    )
    name = config.network.model
    model_file = read_model_file(name) if is_file_name(name) else None
    state = trainer.start()
    if folder is None:
        folder = choose_folder(config, trainer.model.name, overwrite=overwrite)
    lock = open_folder(folder, overwrite=overwrite)
    return Run(trainer=trainer, state=state, folder=folder, model_file=model_file, lock=lock)


def choose_folder(config: TrainConfig, model: str, *, overwrite: bool) -> Path:
    """``runs/DATASET-MODEL-seedSEED``, with -2, -3, ... behind it while that is in use."""
    first = RUNS / f"{Path(config.dataset.name).stem}-{model}-seed{config.seed}"
    if overwrite or not is_used(first):
        return first
    names = (first.with_name(f"{first.name}-{i}") for i in count(2))
    return next(folder for folder in names if not is_used(folder))


def is_used(folder: Path) -> bool:
    """Whether a folder holds a run, or one that has just begun."""
    return (folder / CHECKPOINT).exists() or is_locked(folder)


def load_run(
    folder: Path,
    *,
    compile_model: Callable[[str], CompiledModel],
    compile_readout: Callable[..., CompiledReadout] | None = None,
    root: Path | None = None,
    epochs: int | None = None,
) -> Run:
    """Load a run as its checkpoint left it.

    Args:
        folder: Folder of the run, or its checkpoint.
        compile_model: Turns a model's name into running code.
        compile_readout: The same for a readout and its parameters; needed for readouts of spike
            trains alone.
        root: Folder with data sets.
        epochs: Epochs in all; None keeps the configured number.

    Raises:
        CheckpointError: If there is no checkpoint, or it is damaged, foreign or of another model.
        InputError: If its data are missing.
    """
    config, arrays, meta = read_run(folder)
    if epochs is not None:
        config = with_epochs(config, epochs)
    place = folder if folder.is_dir() else folder.parent
    model = find_model(config, place)
    trainer = make_trainer(
        config, compile_model=compile_model, compile_readout=compile_readout, root=root, model=model
    )
    state = restore_state(trainer, arrays, meta)
    return Run(trainer=trainer, state=state, folder=place, saved_epoch=state.epoch)


def resume_run(
    folder: Path,
    *,
    compile_model: Callable[[str], CompiledModel],
    compile_readout: Callable[..., CompiledReadout] | None = None,
    root: Path | None = None,
    epochs: int | None = None,
) -> Run:
    """Load a run to train on.

    Args:
        folder: Folder of the run, or its checkpoint.
        compile_model: Turns a model's name into running code.
        compile_readout: The same for a readout and its parameters; needed for readouts of spike
            trains alone.
        root: Folder with data sets.
        epochs: Epochs in all; None keeps the configured number.

    Raises:
        CheckpointError: As `load_run`.
        InputError: As `load_run`; or if the run has more epochs behind it, or its folder cannot
            be written to.
    """
    with lock_run(folder):
        run = load_run(
            folder,
            compile_model=compile_model,
            compile_readout=compile_readout,
            root=root,
            epochs=epochs,
        )
        if run.state.epoch > run.trainer.config.schedule.epochs:
            raise InputError(
                f"Expected at least {run.state.epoch} epochs, which this run has behind it, but "
                f"got epochs={run.trainer.config.schedule.epochs}; give a larger number."
            )
        run.lock = open_folder(run.folder, overwrite=True)
    return run


@contextlib.contextmanager
def lock_run(folder: Path) -> Iterator[None]:
    """Have a run's folder while the run is read: no other process adds an epoch to it meanwhile.

    Args:
        folder: Folder of the run, or its checkpoint.

    Raises:
        InputError: If another process has it, or it cannot be written to.
    """
    place = folder if folder.is_dir() else folder.parent
    lock = FolderLock(place) if (place / CHECKPOINT).exists() else None
    try:
        yield
    finally:
        if lock is not None:
            lock.release()


def open_folder(folder: Path, *, overwrite: bool) -> FolderLock:
    """Make a run's folder, and make sure that it can be written to before hours of training.

    Returns:
        What keeps other processes from writing to it.

    Raises:
        InputError: If it holds a run already, if another process writes to it, or if it cannot be
            written to.
    """
    refuse_run(folder, overwrite=overwrite)
    lock = FolderLock(folder)
    try:
        refuse_run(folder, overwrite=overwrite)  # who had the lock until now may have written one
        probe_folder(folder)
    except InputError:
        close_folder(folder, lock)
        raise
    return lock


def close_folder(folder: Path, lock: FolderLock | None) -> None:
    """Give a folder free; an empty one is removed."""
    if lock is not None:
        lock.release()
    with contextlib.suppress(OSError):
        folder.rmdir()


def refuse_run(folder: Path, *, overwrite: bool) -> None:
    """Raise `InputError` if a folder holds a run that may not be replaced."""
    if (folder / CHECKPOINT).exists() and not overwrite:
        raise InputError(
            f"Expected a folder without a run but {folder} holds one; choose another with --out, "
            f"continue it with --resume {folder}, or allow replacing it with --overwrite."
        )


def probe_folder(folder: Path) -> None:
    """Raise `InputError` unless a folder can be written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_strays(folder)
        with tempfile.TemporaryFile(dir=folder, buffering=0) as probe:
            probe.write(b"x")
    except OSError as err:
        raise InputError(
            f"Expected to write into {folder} but the system said: {err.strerror or err}; "
            "choose a folder that can be written to and has room."
        ) from err


def read_model_file(path: str) -> bytes:
    """Content of a model file.

    Raises:
        ModelError: If it cannot be read.
    """
    try:
        return read_limited(path)
    except DamagedError as err:
        raise ModelError(
            f"Expected a model file at {path} but the system said: {err}; "
            "check the path, or list the built-in models."
        ) from err


def save_model_file(folder: Path, content: bytes | None) -> None:
    """Keep a model file with its run; None removes that of a run that was replaced."""
    if content is None:
        (folder / MODEL).unlink(missing_ok=True)
        return
    with replace_atomically(folder / MODEL) as draft:
        draft.write_bytes(content)


def find_model(config: TrainConfig, folder: Path) -> str:
    """What a run's model is loaded from: the file kept with it, else the configured name."""
    kept, name = folder / MODEL, config.network.model
    return str(kept) if is_file_name(name) and kept.is_file() else name


def save_run(folder: Path, trainer: Trainer, state: TrainState) -> None:
    """Write configuration, metrics and checkpoint; each file whole or not at all."""
    write_config(trainer.config, folder / CONFIG)
    write_metrics_csv(state.rows, folder / METRICS)
    save_checkpoint(
        folder / CHECKPOINT,
        config=config_to_dict(trainer.config),
        arrays=trainer.to_arrays(state),
        meta={
            "epoch": state.epoch,
            "rows": state.rows,
            "model": trainer.model.name,
            "digest": trainer.model.digest,
        },
    )


def read_run(folder: Path) -> tuple[TrainConfig, dict[str, np.ndarray], dict[str, Any]]:
    """Read a run's checkpoint: configuration, arrays and what else is known.

    Raises:
        CheckpointError: If there is none, or it is damaged or foreign.
    """
    path = folder / CHECKPOINT if folder.is_dir() else folder
    checkpoint = load_checkpoint(path)
    meta = dict(checkpoint.meta)
    check_meta(path, meta)
    try:
        config = build_config(checkpoint.config)
    except InputError as err:
        raise CheckpointError(
            f"Expected the configuration of a training run in {path} but it is not valid ({err}); "
            "give the folder that this version's train wrote."
        ) from err
    return config, dict(checkpoint.arrays), meta


def check_meta(path: Path, meta: dict[str, Any]) -> None:
    """Raise `CheckpointError` unless ``meta`` is what `save_run` writes."""
    for name in ("model", "digest"):
        if not isinstance(meta.get(name), str):
            came = f"{name}={show(meta[name])}" if name in meta else f"no {name}"
            raise CheckpointError(
                f"Expected a checkpoint of a training run but {path} has {came}; "
                "give the folder that train wrote."
            )
    epoch, rows = check_progress(path, meta, METRIC_NAMES)
    epochs = [row["epoch"] for row in rows]
    if len(epochs) != epoch + 1 or epochs != list(range(epoch + 1)):
        raise CheckpointError(
            f"Expected metrics of the epochs 0 to {epoch} in {path} but got those of "
            f"{show(epochs)}; give the folder that train wrote."
        )


def restore_state(
    trainer: Trainer, arrays: dict[str, np.ndarray], meta: dict[str, Any]
) -> TrainState:
    """The state a run's checkpoint holds, checked against the model.

    Raises:
        CheckpointError: If the model's equations have changed since, or arrays do not fit.
    """
    if meta["digest"] != trainer.model.digest:
        raise CheckpointError(
            f"Expected the model {trainer.model.name} with digest {str(meta['digest'])[:12]} but "
            f"its equations now have digest {trainer.model.digest[:12]}; restore the model that "
            "the run was trained with, or train anew."
        )
    rows: list[Row] = [dict(row) for row in meta["rows"]]
    return trainer.from_arrays(arrays, epoch=meta["epoch"], rows=rows)


def draw_run(folder: Path, trainer: Trainer, state: TrainState) -> list[Path]:
    """Draw learning curves, and spike rasters before and after training.

    Returns:
        The files written.
    """
    plot_learning_curves(state.rows, folder / CURVES)
    sample = choose_sample(trainer, state)
    panels = [
        trainer.draw_sample(trainer.start(), sample, "before training"),
        trainer.draw_sample(state, sample, f"after {state.epoch} epoch{'s' * (state.epoch != 1)}"),
    ]
    plot_rasters(panels, folder / RASTERS)
    return [folder / CURVES, folder / RASTERS]


def choose_sample(trainer: Trainer, state: TrainState) -> int:
    """The first test sample that the trained network classifies correctly, else the first."""
    guesses = trainer.guess(state, 100)
    return int(np.argmax(guesses == trainer.watched.labels[: len(guesses)]))
