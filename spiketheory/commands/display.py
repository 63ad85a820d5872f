"""What the command line shows: plain values for programs, tables and a progress bar for people.

Functions return what is to be printed; only `show_training` writes, to the console it is given.
"""

import json
import math
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.progress import (
    BarColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from spiketheory.plain_text import replace_nonfinite

if TYPE_CHECKING:
    import numpy as np
    from rich.console import Console

    from sim.files.batch_file import BatchFile
    from sim.training.evaluate import Metrics
    from sim.training.run_folder import Run
    from sim.training.together import Answers, Asked
    from sim.training.train import Progress as BatchProgress
    from sim.training.train import Row, Trainer, TrainState


def format_json(value: Any) -> str:
    """JSON text; a number that is not finite, which JSON does not know, becomes null."""
    return json.dumps(replace_nonfinite(value), indent=2, allow_nan=False)


def describe_models(models: Iterable[tuple[Any, Any]]) -> list[dict[str, Any]]:
    """Neuron models, each with its generated module, as plain values."""
    return [
        {
            "name": m.name,
            "description": m.description,
            "equations": m.source["equations"].strip(),
            "parameters": {p.name: p.default for p in m.parameters},
            "method": module.METHOD,
            "pseudospikes": module.HAS_PSEUDOSPIKES,
            "without_pseudospikes": module.WITHOUT_PSEUDOSPIKES,
        }
        for m, module in models
    ]


def draw_models(rows: list[dict[str, Any]]) -> Table:
    """A table of neuron models; those with pseudospikes can be trained."""
    table = Table("model", "equations", "parameters", "method", "trains")
    for row in rows:
        parameters = "\n".join(f"{name} = {value:g}" for name, value in row["parameters"].items())
        trains = "yes" if row["pseudospikes"] else "no"
        cells = (row["name"], row["equations"], parameters, row["method"], trains)
        table.add_row(*map(Text, cells))
    return table


def track(
    steps: Iterable[tuple[int, Any]], *, total: int, console: "Console", what: str = "states"
) -> Any:
    """Run through ``steps``, pairs of a number of ``what`` and a result, with a progress bar.

    Returns:
        The last result.
    """
    result = None
    with make_progress(console) as progress:
        task = progress.add_task(what, total=total, note="")
        for step in steps:
            done, result = step
            progress.update(task, completed=done)
    return result


def describe_accuracy(model: str, results: Iterable[Any]) -> list[dict[str, Any]]:
    """Errors of generated functions as plain values."""
    return [
        {
            "model": model,
            "quantity": r.name,
            "states": len(r.errors),
            "ill_conditioned": r.left_out,
            "median_relative_error": r.median,
            "worst_relative_error": r.worst,
            "worst_at": r.worst_at,
        }
        for r in results
    ]


def draw_accuracy(rows: list[dict[str, Any]]) -> Table:
    """A table of errors."""
    table = Table("quantity", "states", "left out", "median", "worst", title=rows[0]["model"])
    for row in rows:
        errors = (f"{row[f'{kind}_relative_error']:.1e}" for kind in ("median", "worst"))
        table.add_row(row["quantity"], str(row["states"]), str(row["ill_conditioned"]), *errors)
    return table


def describe_simulation(
    batch: "BatchFile", results: dict[str, "np.ndarray"], counts: list[int], out: Path
) -> dict[str, Any]:
    """What a simulation did, as plain values."""
    summary = {
        "model": batch.network.model.name,
        "samples": len(batch.inputs),
        "layer_sizes": list(batch.network.layer_sizes),
        "spikes_per_layer": counts,
        "fields": list(results),
        "out": str(out),
    }
    if "loss" in results:
        summary["loss"] = float(results["loss"])
    return summary


def format_simulation(summary: dict[str, Any]) -> str:
    """The same in words."""
    lines = [
        f"{summary['samples']} samples through {'-'.join(map(str, summary['layer_sizes']))} "
        f"{summary['model']} neurons: {' + '.join(map(str, summary['spikes_per_layer']))} spikes "
        "by layer."
    ]
    if "loss" in summary:
        lines.append(f"Mean loss {summary['loss']:.6g}.")
    return say_what_was_written(lines, summary)


def say_what_was_written(lines: list[str], summary: dict[str, Any]) -> str:
    """The lines about a simulation, and the fields of its file."""
    return "\n".join([*lines, f"Wrote {', '.join(summary['fields'])} to {summary['out']}."])


def show_training(run: "Run", console: "Console", *, log_json: bool = False) -> None:
    """Train to the end, show how it goes, and save after every epoch.

    Args:
        run: The run.
        console: Where it is shown.
        log_json: Whether the metrics of every epoch are printed as a line of JSON.
    """
    from sim.training.train import train_network

    config = run.trainer.config
    console.print(format_start(run), highlight=False, markup=False, soft_wrap=True)
    if run.saved_epoch == config.schedule.epochs:
        return
    with console.status("Compiling kernels (about 15 s the first time, then cached) ..."):
        run.trainer.compile(run.state)
    per_epoch = -(-len(run.trainer.dataset.train_labels) // config.optimiser.batch)
    say_once = JumpsNote(run.trainer.model.name, console)
    with make_progress(console) as bar:
        task = bar.add_task("Training", total=config.schedule.epochs * per_epoch, note="",
                            completed=run.state.epoch * per_epoch)  # fmt: skip

        def on_batch(progress: "BatchProgress") -> None:
            bar.update(
                task,
                advance=1,
                description=f"Epoch {progress.epoch}/{progress.epochs}",
                note=f"loss {progress.loss:.3f}  accuracy {progress.accuracy:.1%}",
            )

        def on_epoch(state: "TrainState", row: "Row") -> None:
            run.save()
            if log_json:
                click.echo(json.dumps(replace_nonfinite(dict(row)), allow_nan=False))
            if should_print(state.epoch, config.schedule.epochs):
                text = format_row(row, hidden=bool(config.network.hidden))
                console.print(text, highlight=False, markup=False, soft_wrap=True)
            say_once.look(row)

        train_network(run.trainer, run.state, on_batch=on_batch, on_epoch=on_epoch)


class JumpsNote:
    """Says once what it means that spikes appear or vanish in mid-trial."""

    def __init__(self, model: str, console: "Console") -> None:
        self.model, self.console, self.is_said = model, console, False

    def look(self, row: "Row") -> None:
        """See whether a row of metrics has jumps."""
        jumps = row.get("spikes_appeared", 0.0) + row.get("spikes_vanished", 0.0)
        if self.is_said or not jumps > 0:
            return
        self.is_said = True
        self.console.print(
            f"Spikes of {self.model} appear and vanish in mid-trial when weights change, and the "
            "loss jumps there; `spiketheory certify` says why. Jumps are counted per 1,000 hidden "
            "spikes, in the last step of an epoch.",
            highlight=False, markup=False, soft_wrap=True,
        )  # fmt: skip


def make_progress(console: "Console") -> Progress:
    """A progress bar that advances by batches and fits into 80 columns."""
    return Progress(
        TextColumn("{task.description}"), BarColumn(bar_width=20), TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"), console=console,
    )  # fmt: skip


def format_start(run: "Run") -> str:
    """What is trained, in words."""
    trainer, epochs = run.trainer, run.trainer.config.schedule.epochs
    if run.saved_epoch == epochs:
        return (
            f"The run in {run.folder} has all its {count_epochs(epochs)} behind it; give a larger "
            "--epochs to train on."
        )
    return (
        f"Training {'-'.join(map(str, trainer.sizes))} {trainer.model.name} neurons on "
        f"{trainer.config.dataset.name}: {len(trainer.dataset.train_labels)} samples, "
        f"{count_held_out(trainer)}."
    )


def count_held_out(trainer: "Trainer") -> str:
    """How many samples are held out, and what for."""
    if trainer.watched is trainer.test:
        return f"{len(trainer.test.labels)} held out"
    return (
        f"{len(trainer.watched.labels)} for validation, {len(trainer.test.labels)} held out until "
        "the end"
    )


def should_print(epoch: int, epochs: int) -> bool:
    """Whether an epoch gets a line: about ten per run."""
    return epoch in (0, 1, epochs) or epoch % max(1, epochs // 10) == 0


def count_epochs(number: int) -> str:
    """``1 epoch``, ``2 epochs``."""
    return f"{number} epoch" if number == 1 else f"{number} epochs"


def format_row(row: "Row", *, hidden: bool = True) -> str:
    """One line of progress; without hidden neurons nothing about them."""
    from sim.training.evaluate import find_watched

    watched = find_watched(row)
    what = "held-out" if watched == "test" else "validation"
    accuracy = row[f"{watched}_accuracy"]
    text = f"epoch {int(row['epoch']):3d}: {accuracy:6.2%} of {what} samples correct"
    if not hidden:
        return text
    text = (
        f"{text}, {row['spikes_per_hidden_neuron']:.2f} spikes per hidden neuron, "
        f"{row['silent_fraction']:.0%} silent"
    )
    jumps = row.get("spikes_appeared", float("nan")) + row.get("spikes_vanished", float("nan"))
    return text if math.isnan(jumps) else f"{text}, {jumps:.2g} jumps"


def format_stop(run: "Run", *, program: str = "spiketheory") -> str:
    """What is left of a run that was stopped, and how to go on with ``program``."""
    if run.saved_epoch is None:
        return "Stopped before the first epoch; nothing was saved."
    return (
        f"Stopped. Everything up to epoch {run.saved_epoch} is in {run.folder}; continue with\n"
        f"  {program} train --resume {shlex.quote(str(run.folder))}"
    )


def describe_metrics(run: "Run", metrics: "Metrics") -> dict[str, Any]:
    """How well a run's network does, as plain values."""
    return {
        "run": str(run.folder),
        "dataset": run.trainer.config.dataset.name,
        "model": run.trainer.model.name,
        "layer_sizes": list(run.trainer.sizes),
        "epochs": run.state.epoch,
        "samples": len(run.trainer.test.labels),
        "accuracy": metrics.accuracy,
        "loss": metrics.loss,
        "accuracy_ordinary": metrics.accuracy_ordinary,
        "loss_ordinary": metrics.loss_ordinary,
        "spikes_per_hidden_neuron": metrics.spikes_per_hidden_neuron,
        "silent_fraction": metrics.silent_fraction,
        "synaptic_operations": metrics.energy.synaptic_operations,
        "spiking_pj": metrics.energy.spiking_pj,
        "dense_pj": metrics.energy.dense_pj,
        "training_seconds": sum(row["seconds"] for row in run.state.rows),
        **describe_validation(run),
    }


def describe_validation(run: "Run") -> dict[str, Any]:
    """The same of the validation samples, as far as they are told apart; nothing without any."""
    trainer = run.trainer
    if trainer.watched is trainer.test:
        return {}
    metrics = trainer.evaluate(run.state)
    found = {
        "samples": len(trainer.watched.labels),
        "accuracy": metrics.accuracy,
        "loss": metrics.loss,
        "accuracy_ordinary": metrics.accuracy_ordinary,
        "loss_ordinary": metrics.loss_ordinary,
    }
    return {"validation": found}


def draw_metrics(row: dict[str, Any]) -> Table:
    """The same as a table that a person understands; hidden neurons only if there are any."""
    title = f"{row['samples']} held-out samples of {row['dataset']}"
    table = Table(title=title, show_header=False)
    table.add_row("classified correctly", f"{row['accuracy']:.2%}")
    table.add_row("  by ordinary spikes alone", f"{row['accuracy_ordinary']:.2%}")
    table.add_row("loss", f"{row['loss']:.4f}")
    table.add_row("  by ordinary spikes alone", f"{row['loss_ordinary']:.4f}")
    if "validation" in row:
        own = row["validation"]
        table.add_row(
            f"{own['samples']} validation samples classified correctly", f"{own['accuracy']:.2%}"
        )
    if len(row["layer_sizes"]) > 2:
        spikes = f"{row['spikes_per_hidden_neuron']:.3f}"
        table.add_row("spikes per hidden neuron and sample", spikes)
        table.add_row("hidden neurons that never spike", f"{row['silent_fraction']:.1%}")
    table.add_row("synaptic operations per sample", f"{row['synaptic_operations']:,.0f}")
    nanojoule, dense = row["spiking_pj"] / 1e3, row["dense_pj"] / 1e3
    energy = f"{nanojoule:,.2f} nJ; dense network {dense:,.2f} nJ"
    table.add_row("energy of these operations (45 nm)", energy)
    return table


def describe_together(
    runs: Sequence[Path], asked: "Sequence[Asked]", test: "Answers", validation: "Answers | None"
) -> dict[str, Any]:
    """How well several networks do together, as plain values."""
    row: dict[str, Any] = {
        "runs": [str(run) for run in runs],
        "dataset": test.source[1],
        "samples": len(test.labels),
        "accuracy": test.accuracy,
        "loss": test.loss,
        "each": [one.test.accuracy for one in asked],
    }
    if validation is not None:
        row["validation"] = {
            "samples": len(validation.labels),
            "accuracy": validation.accuracy,
            "loss": validation.loss,
            "each": [one.validation.accuracy for one in asked if one.validation is not None],
        }
    return row


def draw_together(row: dict[str, Any]) -> Table:
    """The same as a table that a person understands."""
    title = f"{row['samples']} held-out samples of {row['dataset']}, {len(row['runs'])} networks"
    table = Table(title=title, show_header=False)
    table.add_row("classified correctly together", f"{row['accuracy']:.2%}")
    table.add_row("loss together", f"{row['loss']:.4f}")
    for run, accuracy in zip(row["runs"], row["each"], strict=True):
        table.add_row(f"  {run} alone", f"{accuracy:.2%}")
    if "validation" in row:
        own = row["validation"]
        title = f"{own['samples']} validation samples classified correctly together"
        table.add_row(title, f"{own['accuracy']:.2%}")
    return table


def format_end(run: "Run", files: list[Path], *, program: str = "spiketheory") -> str:
    """Where the run is and what to try next with ``program``."""
    names = [f.name for f in files] + ["metrics.csv", "config.toml", "checkpoint.npz"]
    names += ["model.toml"] if run.model_file is not None else []
    seconds = sum(row["seconds"] for row in run.state.rows)
    return (
        f"Trained for {count_epochs(run.state.epoch)} in {seconds:.1f} s.\n\n"
        f"The run is in {run.folder}: {', '.join(names)}.\n"
        f"Try next: {program} evaluate {shlex.quote(str(run.folder))}"
    )
