"""A training run of a described network on disk; docs/formats.md, 14."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import tomli_w

from sim.analysis.spike_figures import SpikePanel, plot_losses, plot_spike_panels
from sim.analysis.training_figures import write_metrics_csv
from sim.engine.choose import simulate
from sim.files.network_file import NetworkFile, read_network_tables, read_tables
from sim.files.readout_table import CompileReadout
from sim.files.tables import Table, TomlValue, read_toml
from sim.network.network import Network
from sim.network.readouts import LinearReadout
from sim.training.checkpoint import Checkpoint, check_progress, load_checkpoint, save_checkpoint
from sim.training.networks.network_config import read_training
from sim.training.networks.network_train import NetworkTrainer
from sim.training.run_folder import (
    CHECKPOINT,
    CONFIG,
    METRICS,
    RUNS,
    close_folder,
    open_folder,
    read_model_file,
)
from sim.training.train import TrainState
from sim.training.trial_data import load_trial_dataset
from spiketheory.errors import CheckpointError, InputError
from spiketheory.files import is_file_name, replace_atomically, write_text_atomically
from spiketheory.folder_lock import FolderLock
from spiketheory.machine.compile import CompiledModel

LOSS, SPIKES = "loss.png", "spikes.png"
KIND = "described network"
SAVE_EVERY = 5.0
"""Seconds from one checkpoint to the next, where an epoch is shorter."""


@dataclass(kw_only=True, eq=False)
class NetworkRun:
    """A training run of a described network.

    Attributes:
        trainer: Network, data and optimiser.
        state: Where it stands.
        folder: Where it is kept.
        tables: The network file as plain values, the names of model files those in the folder.
        model_files: Content of the model files by their names in the folder.
        saved_epoch: Epoch of the checkpoint in the folder; None if this run has written none.
        lock: Keeps other processes from writing to the folder; None if this run only reads.
    """

    trainer: NetworkTrainer
    state: TrainState
    folder: Path
    tables: Table
    model_files: Mapping[str, bytes] = field(default_factory=dict)
    saved_epoch: int | None = None
    saved_at: float = 0.0
    lock: FolderLock | None = None

    def save(self) -> None:
        """Write configuration, metrics and checkpoint; the first time model files too."""
        if self.saved_epoch is None:
            self.save_models()
        write_text_atomically(self.folder / CONFIG, tomli_w.dumps(self.tables))
        if self.state.rows:
            write_metrics_csv(self.state.rows, self.folder / METRICS)
        save_checkpoint(
            self.folder / CHECKPOINT,
            config=self.tables,
            arrays=self.trainer.to_arrays(self.state),
            meta={
                "kind": KIND,
                "epoch": self.state.epoch,
                "rows": self.state.rows,
                "digests": list_digests(self.trainer.learner.network),
            },
        )
        self.saved_epoch, self.saved_at = self.state.epoch, time.monotonic()

    def save_models(self) -> None:
        """Write the model files."""
        for name, content in self.model_files.items():
            with replace_atomically(self.folder / name) as draft:
                draft.write_bytes(content)

    def save_if_due(self) -> None:
        """Write them if it has been a while."""
        if not self.trainer.is_single or time.monotonic() - self.saved_at > SAVE_EVERY:
            self.save()

    def close(self) -> None:
        """Give the folder free; one that nothing was written into is removed."""
        close_folder(self.folder, self.lock)


def list_digests(network: Network) -> dict[str, str]:
    """Digests of the mathematics of all populations and readouts."""
    found = {p.name: p.model.digest for p in network.populations}
    return found | {
        f"readout {one.name}": one.compiled.digest
        for one in network.readouts
        if isinstance(one, LinearReadout)
    }


def is_network_config(path: Path) -> bool:
    """Whether a configuration describes a network, rather than naming layers."""
    try:
        tables = read_toml(path, "a network file")
    except InputError:
        return False  # who reads it as the other kind says what is wrong with it
    return "network" in tables or "version" in tables


def start_network_run(
    path: Path,
    *,
    compile_model: Callable[[str], CompiledModel],
    compile_readout: CompileReadout | None = None,
    options: Table,
    folder: Path | None = None,
    overwrite: bool = False,
) -> NetworkRun:
    """Begin a run of a described network.

    Args:
        path: The network file.
        compile_model: Turns a model's name into running code.
        compile_readout: The same for readouts of logits.
        options: Fields of ``[training]`` that override the file's; None is left out.
        folder: Folder of the run; None is ``runs/STEM-seedSEED``.
        overwrite: Whether a run in the folder may be replaced.

    Raises:
        InputError: If anything about it is not valid; the folder is made last.
        ModelError: If a model is unknown or a parameter lies outside its domain.
    """
    tables = dict(read_network_tables(path))
    if tables.get("version") != 2:
        raise InputError(
            f"Expected version = 2 in {path} to train a described network but got "
            f"{tables.get('version', 'none')}; write it at the top, and see docs/formats.md, 8."
        )
    tables["training"] = merge_training(path, tables.get("training", {}), options)
    trainer = make_trainer(path, tables, compile_model, compile_readout)
    kept, files = keep_model_files(path, tables)
    if folder is None:
        folder = RUNS / f"{path.stem}-seed{trainer.settings.seed}"
    lock = open_folder(folder, overwrite=overwrite)
    return NetworkRun(
        trainer=trainer, state=trainer.start(), folder=folder, tables=kept, model_files=files,
        lock=lock,
    )  # fmt: skip


def merge_training(path: Path, table: TomlValue, options: Table) -> Table:
    """The table ``[training]`` with options that override it, and a data set's path in full."""
    if not isinstance(table, dict):
        raise InputError(
            f"Expected [training] to be a table in {path} but got {table!r}; write names below it."
        )
    merged = dict(table)
    given = {name: value for name, value in options.items() if value is not None}
    if "epochs" in given or "dataset" in given:
        merged["epochs"] = given.get("epochs", merged.pop("steps", merged.get("epochs", 100)))
        merged.pop("steps", None)
    if isinstance(merged.get("dataset"), str):
        merged["dataset"] = str((path.parent / merged["dataset"]).absolute())
    if "dataset" in given:
        given["dataset"] = str(Path(given["dataset"]).absolute())
    return merged | given


def make_trainer(
    path: Path, tables: Table, compile_model: Callable[[str], CompiledModel],
    compile_readout: CompileReadout | None = None,
) -> NetworkTrainer:  # fmt: skip
    """Network and data of a description."""
    file: NetworkFile = read_tables(
        path, tables, compile_model=compile_model, compile_readout=compile_readout
    )
    settings = read_training(path, file.training)
    dataset = None
    if settings.dataset:
        dataset = load_trial_dataset(
            Path(settings.dataset), seed=settings.seed, validation=settings.validation
        )
    return NetworkTrainer(file, settings, dataset)


def keep_model_files(path: Path, tables: Table) -> tuple[Table, dict[str, bytes]]:
    """The tables with model files named as in a run's folder, and their content by that name."""
    populations, files = {}, {}
    for k, (name, table) in enumerate(tables["populations"].items()):
        model = table["model"]
        if is_file_name(model):
            beside = path.parent / model
            kept = f"model{k}.toml"
            files[kept] = read_model_file(str(beside if beside.exists() else model))
            table = {**table, "model": kept}
        populations[name] = table
    return {**tables, "populations": populations}, files


def read_network_checkpoint(folder: Path) -> Checkpoint | None:
    """The checkpoint in a folder if it is that of a described network, else None.

    Raises:
        CheckpointError: If there is none, or it is damaged.
    """
    checkpoint = load_checkpoint(folder / CHECKPOINT if folder.is_dir() else folder)
    meta = checkpoint.meta
    return checkpoint if isinstance(meta, dict) and meta.get("kind") == KIND else None


def load_network_run(
    folder: Path,
    checkpoint: Checkpoint,
    *,
    compile_model: Callable[[str], CompiledModel],
    compile_readout: CompileReadout | None = None,
    epochs: int | None = None,
) -> NetworkRun:
    """A run of a described network as its checkpoint left it.

    Args:
        folder: Folder of the run, or its checkpoint.
        checkpoint: What `read_network_checkpoint` found.
        compile_model: Turns a model's name into running code.
        compile_readout: The same for readouts of logits.
        epochs: Epochs (steps) in all; None keeps the configured number.

    Raises:
        CheckpointError: If it does not fit its own description, or a model has changed.
        InputError: If its data are missing, or it has more epochs behind it.
    """
    place = folder if folder.is_dir() else folder.parent
    tables = dict(checkpoint.config)
    if epochs is not None:
        tables["training"] = merge_training(place / CONFIG, tables["training"], {"epochs": epochs})
    trainer = make_trainer(place / CONFIG, tables, compile_model, compile_readout)
    meta = checkpoint.meta
    if meta.get("digests") != list_digests(trainer.learner.network):
        raise CheckpointError(
            f"Expected the models that the run in {place} was trained with but their equations "
            "have changed; restore them, or train anew."
        )
    epoch, rows = check_progress(place / CHECKPOINT, meta, ("epoch", "seconds"))
    if epoch > trainer.settings.epochs:
        raise InputError(
            f"Expected at least {epoch} {trainer.unit}, which this run has behind it, but got "
            f"{trainer.settings.epochs}; give a larger number."
        )
    state = trainer.from_arrays(dict(checkpoint.arrays), epoch=epoch, rows=rows)
    return NetworkRun(trainer=trainer, state=state, folder=place, tables=tables, saved_epoch=epoch)


def draw_network_run(run: NetworkRun) -> list[Path]:
    """Draw the loss, and the spikes of a trial before and after training.

    Returns:
        The files written.
    """
    trainer = run.trainer
    steps = "steps" if trainer.is_single else "epochs"
    plot_losses(run.state.rows, run.folder / LOSS, unit=steps)
    table, panels = trainer.table, []
    targets = None
    if trainer.is_single and table.targets is not None and table.targets.ndim == 2:
        targets = dict(zip(trainer.neurons.tolist(), table.targets, strict=True))
    for title, state in (
        ("before training", trainer.start()),
        (f"after {run.state.epoch:,} {steps}", run.state),
    ):
        network = trainer.network(state)
        found = simulate(network, trainer.test.trials.take([0]))
        panels.append(
            SpikePanel(
                title=title, trains=found.trains(0), targets=targets or {},
                duration=network.duration,
            )
        )  # fmt: skip
    plot_spike_panels(panels, run.folder / SPIKES)
    return [run.folder / LOSS, run.folder / SPIKES]
