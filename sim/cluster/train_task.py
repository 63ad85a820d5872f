"""One training as a task of a cluster: begin it, or go on where its folder says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sim.cluster.client import check_here
from sim.training.config import TrainConfig, build_config
from sim.training.run_folder import CHECKPOINT, Run, draw_run, read_run, resume_run, start_run
from sim.training.train import Row, train_network
from sim.training.trial_data import is_trial_dataset
from spiketheory.errors import SpiketheoryError
from spiketheory.files import is_file_name

DONE, FAILED, STOPPED = "done", "failed", "stopped"


@dataclass(frozen=True, kw_only=True)
class TrainTask:
    """A training that some worker does.

    Attributes:
        config: Its configuration as plain values.
        folder: The run's folder; all machines see it.
        epochs: Train so far; the configured number, or less of them.
        root: Folder with data sets.
        compile_model: Turns a model's name into running code.
        compile_readout: The same for a readout.
        versions: What the client computes with.
    """

    config: Mapping[str, Any]
    folder: Path
    epochs: int
    root: Path | None
    compile_model: Callable[..., Any]
    compile_readout: Callable[..., Any]
    versions: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class TrainEnd:
    """How a training ended.

    Attributes:
        status: ``done``, ``failed``, or ``stopped`` by the search that it is part of.
        reason: Why it failed.
        rows: Metrics by epoch, as far as it came.
    """

    status: str
    reason: str = ""
    rows: list[Row] = field(default_factory=list)


def train_task(task: TrainTask) -> TrainEnd:
    """Train, from the last checkpoint in the folder if there is one.

    What a user can cause is a failure of this training; anything else is raised.

    Raises:
        WorkerError: If this worker computes otherwise than the client.
    """
    check_here(task.versions)
    try:
        return train_on(task)
    except SpiketheoryError as err:
        reason = str(err)
    except OSError as err:
        reason = (
            f"Expected to write into {task.folder} but the system said: {err.strerror or err}; "
            "make room there, and go on with --resume."
        )
    return TrainEnd(status=FAILED, reason=reason, rows=read_rows(task.folder))


def train_on(task: TrainTask) -> TrainEnd:
    """Begin or continue a run, and train it."""
    config = build_config(task.config)
    how: dict[str, Any] = {
        "compile_model": task.compile_model, "compile_readout": task.compile_readout,
        "root": task.root,
    }  # fmt: skip
    if (task.folder / CHECKPOINT).exists():
        run = resume_run(task.folder, epochs=config.schedule.epochs, **how)
    else:
        run = start_run(config, folder=task.folder, **how)
    try:
        train_until(run, task.epochs)
        return TrainEnd(status=DONE, rows=list(run.state.rows))
    finally:
        run.close()


def train_until(run: Run, epochs: int) -> None:
    """Train, saving after each epoch, and draw the figures when it is over."""
    trainer, state = run.trainer, run.state
    if state.rows and (state.epoch >= epochs or trainer.is_over(state)):
        return
    trainer.compile(state)
    train_network(
        trainer, state, on_epoch=lambda *_: run.save(),
        is_enough=lambda: state.epoch >= epochs,
    )  # fmt: skip
    if trainer.is_over(state):
        draw_run(run.folder, trainer, state)


def name_in_full(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration with paths that are the same in any working folder: those of workers."""
    names = {
        name: str(Path(value).absolute())
        for name, value in config.items()
        if (name == "dataset" and is_trial_dataset(value))
        or (name == "model" and is_file_name(value))
    }
    return {**config, **names}


def read_rows(folder: Path) -> list[Row]:
    """The metrics of a run as far as it came; none if it has no checkpoint."""
    found = find_progress(folder)
    return [] if found is None else found[1]


def find_progress(folder: Path) -> tuple[TrainConfig, list[Row]] | None:
    """Configuration and metrics of the run in a folder; None if there is none that can be read."""
    if not (folder / CHECKPOINT).exists():
        return None
    try:
        config, _, meta = read_run(folder)
    except SpiketheoryError:
        return None
    return config, [dict(row) for row in meta["rows"]]
