"""A training run on disk: configuration, metrics, checkpoint and figures in one folder."""

from pathlib import Path
from typing import Any

import numpy as np

from sim.batch import record_spikes, run_batch
from sim.checkpoint import load_checkpoint, save_checkpoint
from sim.config import TrainConfig, build_config, config_to_dict, write_config
from sim.report import RasterPanel, plot_learning_curves, plot_rasters, write_metrics_csv
from sim.train import Row, Trainer, TrainState, make_targets
from spiketheory.errors import CheckpointError, InputError

CHECKPOINT = "checkpoint.npz"
CONFIG = "config.toml"
METRICS = "metrics.csv"
CURVES = "learning_curves.png"
RASTERS = "rasters.png"


def open_folder(folder: Path, *, overwrite: bool) -> None:
    """Make a run's folder, and make sure that it can be written to before hours of training.

    Raises:
        InputError: If it holds a run already, or cannot be written to.
    """
    if (folder / CHECKPOINT).exists() and not overwrite:
        raise InputError(
            f"Expected a folder without a run but {folder} holds one; choose another with --out, "
            f"continue it with --resume {folder}, or allow replacing it with --overwrite."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".probe"
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as err:
        raise InputError(
            f"Expected to write into {folder} but the system said: {err.strerror or err}; "
            "choose a folder that can be written to and has room."
        ) from err


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
    missing = [name for name in ("epoch", "rows", "model", "digest") if name not in meta]
    if missing:
        raise CheckpointError(
            f"Expected a checkpoint of a training run but {path} lacks {missing[0]!r}; "
            "give the folder that train wrote."
        )
    return build_config(checkpoint.config), dict(checkpoint.arrays), meta


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
    return trainer.from_arrays(arrays, epoch=int(meta["epoch"]), rows=rows)


def draw_run(folder: Path, trainer: Trainer, state: TrainState) -> list[Path]:
    """Draw learning curves, and spike rasters before and after training.

    Returns:
        The files written.
    """
    plot_learning_curves(state.rows, folder / CURVES)
    sample = choose_sample(trainer, state)
    panels = [
        make_panel(trainer, trainer.start(), sample, "before training"),
        make_panel(trainer, state, sample, f"after {state.epoch} epochs"),
    ]
    plot_rasters(panels, folder / RASTERS)
    return [folder / CURVES, folder / RASTERS]


def choose_sample(trainer: Trainer, state: TrainState) -> int:
    """The first test sample that the trained network classifies correctly, else the first."""
    labels = trainer.dataset.test_labels[:100]
    targets = make_targets(trainer.config, labels, trainer.dataset.n_classes)
    events = trainer.test_events.take(np.arange(len(labels)))
    outcome, _ = run_batch(trainer.network(state), events, targets, trainer.loss)
    hits = outcome.output_times[:, :, 0].argmin(axis=1) == labels
    return int(np.argmax(hits))


def make_panel(trainer: Trainer, state: TrainState, sample: int, title: str) -> RasterPanel:
    """One sample's spikes."""
    events = trainer.test_events.take(np.array([sample]))
    label = trainer.dataset.test_labels[sample : sample + 1]
    targets = make_targets(trainer.config, label, trainer.dataset.n_classes)
    network = trainer.network(state)
    outcome, _ = run_batch(network, events, targets, trainer.loss)
    times, neurons = record_spikes(network, events).select(0)
    shape = trainer.dataset.image_shape
    image = None if shape is None else trainer.dataset.test_inputs[sample].reshape(shape)
    return RasterPanel(
        title=title,
        input_image=image,
        label=int(label[0]),
        spike_time=times,
        spike_neuron=neurons,
        layer_sizes=network.layer_sizes[1:],
        output_time=outcome.output_times[0, :, 0],
        T=network.duration,
    )
