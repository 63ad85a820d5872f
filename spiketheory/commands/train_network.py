"""`train` and `evaluate` for networks that a network file describes."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sim.training.networks.network_run import (
    NetworkRun,
    draw_network_run,
    load_network_run,
    read_network_checkpoint,
    start_network_run,
)
from sim.training.networks.network_train import train_described
from sim.training.run_folder import lock_run, open_folder
from spiketheory.commands.common import end_stopped
from spiketheory.commands.display import format_json, make_progress
from spiketheory.interrupts import catch_interrupt

if TYPE_CHECKING:
    from rich.console import Console

    from sim.training.train import Row, TrainState

OPTIONS = (
    *("dataset", "epochs", "batch", "seed", "optimiser", "learning_rate", "schedule"),
    "validation",
)
"""Options of `train` that are fields of ``[training]``, too."""


def start_described(
    file: Path,
    folder: Path | None,
    options: dict[str, Any],
    *,
    compile_model: Callable[[str], Any],
    compile_readout: Callable[..., Any],
    overwrite: bool,
) -> NetworkRun:
    """Begin the run of a network file, once no option is given that cannot count."""
    for name, value in options.items():
        if value is not None and name not in OPTIONS:
            flag = {"parameters": "--param", "root": "--data"}.get(
                name, f"--{name.replace('_', '-')}"
            )
            raise click.UsageError(
                f"Expected no {flag} with {file}, which describes a network, but got one; write it "
                "into the file."
            )
    return start_network_run(
        file, compile_model=compile_model, compile_readout=compile_readout,
        folder=folder, overwrite=overwrite,
        options={name: value for name, value in options.items() if name in OPTIONS},
    )  # fmt: skip


def find_described(
    folder: Path,
    *,
    compile_model: Callable[[str], Any],
    compile_readout: Callable[..., Any],
    epochs: int | None = None,
) -> NetworkRun | None:
    """The run in a folder if it is one of a described network."""
    checkpoint = read_network_checkpoint(folder)
    if checkpoint is None:
        return None
    return load_network_run(
        folder,
        checkpoint,
        compile_model=compile_model,
        compile_readout=compile_readout,
        epochs=epochs,
    )


def resume_described(
    folder: Path,
    *,
    compile_model: Callable[[str], Any],
    compile_readout: Callable[..., Any],
    epochs: int | None,
) -> NetworkRun | None:
    """The same, to train on: no other process may write to the folder."""
    with lock_run(folder):
        run = find_described(
            folder, compile_model=compile_model, compile_readout=compile_readout, epochs=epochs
        )
        if run is not None:
            run.lock = open_folder(run.folder, overwrite=True)
    return run


def train_run(run: NetworkRun, *, as_json: bool, program: str) -> None:
    """Train, draw the figures, and say what came out."""
    from spiketheory.commands.terminal import make_console

    console = make_console(stderr=True, quiet=as_json)
    try:
        finished = show_training(run, console)
    except BaseException:
        run.close()
        raise
    if not finished:
        run.close()
        end_stopped(
            f"Stopped. Everything up to {run.trainer.unit[:-1]} {run.state.epoch} is in "
            f"{run.folder}; continue with\n"
            f"  {program} train --resume {shlex.quote(str(run.folder))}"
        )
    figures = draw_network_run(run)
    run.close()
    print_run(run, as_json=as_json)
    if not as_json:
        names = [f.name for f in figures] + ["metrics.csv", "config.toml", "checkpoint.npz"]
        click.echo(f"The run is in {run.folder}: {', '.join(names)}.")


def show_training(run: NetworkRun, console: "Console") -> bool:
    """Train and show how it goes; returns whether it came to its end."""
    trainer, state = run.trainer, run.state
    total = trainer.settings.epochs
    n_trials = len(trainer.train.trials)
    console.print(
        f"Training what learns of {trainer.learner.network.n_neurons} neurons on "
        f"{n_trials} trial{'s' * (n_trials != 1)}: {total} {trainer.unit}.",
        highlight=False, markup=False, soft_wrap=True,
    )  # fmt: skip
    with make_progress(console) as bar, catch_interrupt() as is_interrupted:
        task = bar.add_task("Training", total=total, completed=state.epoch,
                            note="compiling")  # fmt: skip

        def on_batch(loss: float) -> None:
            bar.update(task, note=f"loss {loss:.4g}")

        def on_epoch(state: "TrainState") -> bool:
            bar.update(task, completed=state.epoch)
            run.save_if_due()
            return is_interrupted()

        finished = train_described(trainer, state, on_batch=on_batch, on_epoch=on_epoch)
        run.save()
    return finished


def describe_run(run: NetworkRun) -> dict[str, Any]:
    """How well a run's network does, as plain values."""
    trainer, state = run.trainer, run.state
    row: Row = trainer.test_network(state)
    network = trainer.learner.network
    return {
        "run": str(run.folder),
        "dataset": trainer.settings.dataset or None,
        "populations": {p.name: p.size for p in network.populations},
        trainer.unit: state.epoch,
        "trials": len(trainer.test.trials),
        **{name.removeprefix("test_"): value for name, value in row.items()},
        "training_seconds": sum(one["seconds"] for one in state.rows),
    }


def print_run(run: NetworkRun, *, as_json: bool) -> None:
    """Print how well a run's network does."""
    found = describe_run(run)
    if as_json:
        click.echo(format_json(found))
        return
    trials = "its own trial" if run.trainer.is_single else f"{found['trials']} held-out trials"
    parts = [f"loss {found['loss']:.6g}"]
    if "loss_ordinary" in found:
        parts = [f"{parts[0]} ({found['loss_ordinary']:.6g} by spikes alone)"]
    if "spikes_per_neuron" in found:
        parts.append(f"{found['spikes_per_neuron']:.3g} spikes per neuron and trial")
    if "accuracy" in found:
        parts.append(f"{found['accuracy']:.2%} correct")
    click.echo(f"After {run.state.epoch} {run.trainer.unit}, {trials}: {', '.join(parts)}.")
