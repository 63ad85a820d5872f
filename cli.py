"""Command line: arguments -> one library call -> print. No mathematics here."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from sim.train import Row, Trainer, TrainState

EXIT_CHECK_FAILED = 1
EXIT_BAD_INPUT = 2

MODEL_OPTION = click.option(
    "--model",
    required=True,
    metavar="NAME|FILE.toml",
    help="A built-in model (see `models`) or a model file.",
)
OUT_OPTION = click.option(
    "--out", type=click.Path(path_type=Path), help="Write to this file instead of the terminal."
)
DATA_OPTION = click.option(
    "--data",
    "root",
    type=click.Path(path_type=Path),
    help="Folder with data sets.  [default: $SPIKETHEORY_DATA, then the user's data folder]",
)
JSON_OPTION = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


class Group(click.Group):
    """Turns the library's errors into one paragraph and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; errors that a user can cause print without a traceback."""
        try:
            return super().invoke(ctx)
        except ValueError as err:
            from spiketheory.errors import SpiketheoryError, VerificationError

            if not isinstance(err, SpiketheoryError):
                raise
            click.echo(f"Error: {err}", err=True)
            failed = isinstance(err, VerificationError)
            ctx.exit(EXIT_CHECK_FAILED if failed else EXIT_BAD_INPUT)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="spiketheory")
def main() -> None:
    """Neuron models whose spikes only shift: derive, compile, simulate, train.

    \b
    Start here:
      spiketheory train                       learn handwritten digits in seconds
      spiketheory models                      what is built in
      spiketheory derive --model theta        the mathematics, derived and verified
    """  # noqa: D301


@main.command()
@JSON_OPTION
def models(as_json: bool) -> None:
    """List the built-in neuron models."""
    from derivations import list_models, read_neuron_model

    found = [read_neuron_model(name) for name in list_models()]
    if as_json:
        rows = [
            {
                "name": m.name,
                "description": m.description,
                "equations": m.source["equations"],
                "parameters": {p.name: p.default for p in m.parameters},
            }
            for m in found
        ]
        click.echo(json.dumps(rows, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("model", "equations", "parameters", "description")
    for m in found:
        parameters = "\n".join(f"{p.name} = {p.default:g}" for p in m.parameters)
        table.add_row(m.name, m.source["equations"].strip(), parameters, m.description)
    Console().print(table)


@main.command()
@MODEL_OPTION
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "latex", "markdown", "json"]),
    default="text",
    show_default=True,
    help="How to print it.",
)
@click.option("--code", is_flag=True, help="Add the generated code.")
@OUT_OPTION
def derive(model: str, style: str, code: bool, out: Path | None) -> None:
    """Derive a model's flow, spike time and gradients, verify them, and show the steps."""
    from spiketheory.verify import verify

    from derivations import read_neuron_model
    from spiketheory.codegen import generate
    from spiketheory.derive import derive as derive_model
    from spiketheory.document import document
    from spiketheory.lower import lower

    verified = verify(derive_model(read_neuron_model(model)))
    text = document(verified, format=style, code=generate(lower(verified)) if code else None)
    write_output(text, out)


@main.command()
@MODEL_OPTION
@click.option(
    "--target",
    type=click.Choice(["module", "numba", "numpy"]),
    default="module",
    show_default=True,
    help="numba: scalar functions; numpy: array functions; module: both, as compiled.",
)
@OUT_OPTION
def codegen(model: str, target: str, out: Path | None) -> None:
    """Print the code generated from a model's verified derivation."""
    from derivations import generate_source

    write_output(generate_source(model, target=target), out)


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Write the results to this .npz."
)
@click.option("--model", metavar="NAME|FILE.toml", help="Use this model, not the file's.")
@click.option(
    "--backend",
    type=click.Choice(["numba", "numpy"]),
    default="numba",
    show_default=True,
    help="numba: compiled. numpy: the same code interpreted; slow, but starts at once.",
)
@JSON_OPTION
def simulate(file: Path, out: Path, model: str | None, backend: str, as_json: bool) -> None:
    """Simulate a feedforward batch file (.npz); with labels, also loss and exact gradients."""
    import functools

    from derivations import compile_model
    from sim.batchfile import count_spikes_by_layer, read_batch_file, simulate_batch, write_arrays

    batch = read_batch_file(
        file, compile_model=functools.partial(compile_model, backend=backend), model=model
    )
    results = simulate_batch(batch)
    write_arrays(out, results)
    counts = count_spikes_by_layer(batch.network, results["spike_neuron"])
    summary: dict[str, Any] = {
        "samples": len(batch.inputs),
        "layer_sizes": list(batch.network.layer_sizes),
        "spikes_per_layer": counts,
        "fields": list(results),
        "out": str(out),
    }
    if "loss" in results:
        summary["loss"] = float(results["loss"])
    if as_json:
        click.echo(json.dumps(summary, indent=2))
        return
    click.echo(
        f"{summary['samples']} samples through {'-'.join(map(str, summary['layer_sizes']))} "
        f"{batch.network.model.name} neurons: {' + '.join(map(str, counts))} spikes by layer."
    )
    if "loss" in summary:
        click.echo(f"Mean loss {summary['loss']:.6g}.")
    click.echo(f"Wrote {', '.join(results)} to {out}.")


def parse_hidden(ctx: click.Context, param: click.Parameter, value: str | None) -> Any:
    """``100,100`` to a tuple; the empty text is no hidden layer."""
    if value is None:
        return None
    try:
        return tuple(int(part) for part in value.split(",") if part.strip())
    except ValueError as err:
        raise click.BadParameter(
            f"Expected numbers of neurons such as 100,100 but got {value!r}; "
            "separate whole numbers by commas."
        ) from err


def parse_parameters(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> Any:
    """``tau=1.9`` pairs to a table."""
    pairs = {}
    for text in value:
        name, _, number = text.partition("=")
        try:
            pairs[name.strip()] = float(number)
        except ValueError as err:
            raise click.BadParameter(
                f"Expected NAME=NUMBER but got {text!r}; write for example tau=1.9."
            ) from err
    return pairs or None


def add_train_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options of `train` that are fields of the configuration."""
    options = [
        click.option("--dataset", type=click.Choice(["digits", "mnist", "yinyang"]),
                     help="What to learn.  [default: digits, which needs no download]"),
        click.option("--model", metavar="NAME|FILE.toml", help="Neuron model.  [default: theta]"),
        click.option("--param", "parameters", multiple=True, metavar="NAME=VALUE",
                     callback=parse_parameters, help="Value of a model parameter; repeatable."),
        click.option("--hidden", callback=parse_hidden, metavar="N,N,...",
                     help="Neurons of the hidden layers."),
        click.option("--epochs", type=int, help="Passes through the training set."),
        click.option("--batch", type=int, help="Samples per optimiser step."),
        click.option("--seed", type=int, help="Seed of weights, order and augmentation."),
        click.option("--encoding", type=click.Choice(["bins", "latency"]),
                     help="Input spikes at a few shared times, or each at its own."),
        click.option("--n-bins", type=int, help="Number of shared input spike times."),
        click.option("--duration", type=float, help="End T of each trial."),
        click.option("--loss", type=click.Choice(["first_spike", "target_time"]),
                     help="Cross entropy of first spikes, or distance to target times."),
        click.option("--optimiser", type=click.Choice(["adabelief", "adam", "sgd"])),
        click.option("--learning-rate", type=float),
        click.option("--schedule", type=click.Choice(["constant", "exponential", "cosine"]),
                     help="How the learning rate falls."),
        click.option("--flip", type=float, help="Probability of flipping an input, in training."),
        click.option("--shift", type=int, help="Largest random shift of training images, pixels."),
        click.option("--validation", type=int,
                     help="Test on this many held-out training samples, not on the test set."),
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@main.command()
@click.option("--preset", type=click.Choice(["paper"]),
              help="paper: the MNIST experiment of Klos & Memmesheimer (2025).")  # fmt: skip
@add_train_options
@DATA_OPTION
@click.option("--out", type=click.Path(path_type=Path),
              help="Folder of the run.  [default: runs/DATASET-MODEL-seedSEED]")  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace a run that is in the folder.")
@click.option("--resume", type=click.Path(path_type=Path), metavar="DIR",
              help="Continue this run; only --epochs may change.")  # fmt: skip
@JSON_OPTION
def train(
    preset: str | None,
    root: Path | None,
    out: Path | None,
    overwrite: bool,
    resume: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Train a network of spiking neurons by exact gradient descent.

    Without options it learns scikit-learn's 8x8 digits in a few seconds.
    """
    if resume is None:
        trainer, state, folder = start_run(preset, options, root, out, overwrite)
    else:
        given = sorted(k for k, v in {**options, "preset": preset, "out": out}.items() if v)
        trainer, state, folder = resume_run(resume, options.get("epochs"), given, root)
    train_with_progress(trainer, state, folder, quiet=as_json)
    print_result(trainer, state, folder, as_json=as_json)


def start_run(
    preset: str | None,
    options: dict[str, Any],
    root: Path | None,
    out: Path | None,
    overwrite: bool,
) -> tuple["Trainer", "TrainState", Path]:
    """A new run: configuration, data, untrained network, folder."""
    from sim.config import make_config
    from sim.run import open_folder

    config = make_config(preset=preset, **options)
    trainer = make_trainer(config, root)
    name = f"{config.dataset}-{trainer.model.name}-seed{config.seed}"
    folder = out or Path("runs") / name
    open_folder(folder, overwrite=overwrite or out is None)
    return trainer, trainer.start(), folder


def resume_run(
    folder: Path, epochs: int | None, given: list[str], root: Path | None
) -> tuple["Trainer", "TrainState", Path]:
    """A run that is continued where its checkpoint stands."""
    from sim.run import read_run, restore_state
    from sim.train import with_epochs
    from spiketheory.errors import InputError

    others = [name for name in given if name != "epochs"]
    if others:
        raise InputError(
            f"Expected only --epochs beside --resume but got --{others[0].replace('_', '-')}; "
            "a continued run keeps its configuration. Start a new run to change it."
        )
    config, arrays, meta = read_run(folder)
    if epochs is not None:
        config = with_epochs(config, epochs)
    trainer = make_trainer(config, root)
    state = restore_state(trainer, arrays, meta)
    if state.epoch > config.epochs:
        raise InputError(
            f"Expected --epochs of at least {state.epoch}, which this run has behind it, but got "
            f"{config.epochs}; give a larger number."
        )
    return trainer, state, folder if folder.is_dir() else folder.parent


def make_trainer(config: Any, root: Path | None) -> "Trainer":
    """Load data and model of a configuration."""
    from derivations import compile_model
    from sim.data import load_dataset
    from sim.train import Trainer

    dataset = load_dataset(
        config.dataset, seed=config.seed, root=root, validation=config.validation
    )
    return Trainer(config, dataset, compile_model(config.model))


def train_with_progress(
    trainer: "Trainer", state: "TrainState", folder: Path, *, quiet: bool
) -> None:
    """Train, show progress, and save after every epoch."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from sim.run import save_run
    from sim.train import train_network

    console = Console(stderr=True, quiet=quiet)
    config = trainer.config
    sizes = "-".join(map(str, trainer.sizes))
    console.print(
        f"Training {sizes} [bold]{trainer.model.name}[/] neurons on [bold]{config.dataset}[/]: "
        f"{len(trainer.dataset.train_labels)} samples, {len(trainer.dataset.test_labels)} held out."
    )
    with console.status("Compiling kernels (about 15 s the first time, then cached) ..."):
        trainer.compile(state)
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("batches"),
        TimeElapsedColumn(), TimeRemainingColumn(), TextColumn("{task.fields[note]}"),
    )  # fmt: skip
    with Progress(*columns, console=console) as bar:
        per_epoch = -(-len(trainer.dataset.train_labels) // config.batch)
        task = bar.add_task("Training", total=config.epochs * per_epoch, note="",
                            completed=state.epoch * per_epoch)  # fmt: skip

        def on_batch(progress: Any) -> None:
            bar.update(
                task,
                advance=1,
                description=f"Epoch {progress.epoch}/{progress.epochs}",
                note=f"loss {progress.loss:.3f}  accuracy {progress.accuracy:.1%}",
            )

        def on_epoch(state: "TrainState", row: "Row") -> None:
            save_run(folder, trainer, state)
            if should_print(state.epoch, config.epochs):
                bar.console.print(describe_row(row), highlight=False, soft_wrap=True)

        try:
            train_network(trainer, state, on_batch=on_batch, on_epoch=on_epoch)
        except KeyboardInterrupt:
            bar.stop()
            click.echo(
                f"Stopped. Everything up to epoch {state.epoch} is in {folder}; continue with\n"
                f"  spiketheory train --resume {folder}",
                err=True,
            )
            sys.exit(130)


def should_print(epoch: int, epochs: int) -> bool:
    """About ten lines per run."""
    return epoch in (0, 1, epochs) or epoch % max(1, epochs // 10) == 0


def describe_row(row: "Row") -> str:
    """One line of progress."""
    return (
        f"epoch {int(row['epoch']):3d}: {row['test_accuracy']:6.2%} of held-out samples correct, "
        f"{row['spikes_per_hidden_neuron']:.2f} spikes per hidden neuron, "
        f"{row['silent_fraction']:.0%} silent"
    )


def print_result(trainer: "Trainer", state: "TrainState", folder: Path, *, as_json: bool) -> None:
    """Draw the figures and say what came out."""
    from sim.run import draw_run

    figures = draw_run(folder, trainer, state)
    metrics = trainer.evaluate(state)
    if as_json:
        click.echo(json.dumps(describe_metrics(trainer, metrics, state, folder), indent=2))
        return
    seconds = sum(row["seconds"] for row in state.rows)
    click.echo(f"Trained for {state.epoch} epochs in {seconds:.1f} s.\n")
    print_metrics(trainer, metrics)
    click.echo(f"\nThe run is in {folder}: {', '.join(f.name for f in figures)}, metrics.csv,")
    click.echo("config.toml, checkpoint.npz. Try next:")
    click.echo(f"  spiketheory evaluate {folder}")


def describe_metrics(
    trainer: "Trainer", metrics: Any, state: "TrainState", folder: Path
) -> dict[str, Any]:
    """Metrics as plain values."""
    return {
        "run": str(folder),
        "dataset": trainer.config.dataset,
        "model": trainer.model.name,
        "epochs": state.epoch,
        "samples": len(trainer.dataset.test_labels),
        "accuracy": metrics.accuracy,
        "loss": metrics.loss,
        "accuracy_ordinary": metrics.accuracy_ordinary,
        "loss_ordinary": metrics.loss_ordinary,
        "spikes_per_hidden_neuron": metrics.spikes_per_hidden_neuron,
        "silent_fraction": metrics.silent_fraction,
        "synaptic_operations": metrics.energy.synaptic_operations,
        "spiking_pj": metrics.energy.spiking_pj,
        "dense_pj": metrics.energy.dense_pj,
        "training_seconds": sum(row["seconds"] for row in state.rows),
    }


def print_metrics(trainer: "Trainer", metrics: Any) -> None:
    """A table that a person understands."""
    from rich.console import Console
    from rich.table import Table

    n = len(trainer.dataset.test_labels)
    energy = metrics.energy
    table = Table(title=f"{n} held-out samples of {trainer.config.dataset}", show_header=False)
    table.add_row("classified correctly", f"{metrics.accuracy:.2%}")
    table.add_row("  by ordinary spikes alone", f"{metrics.accuracy_ordinary:.2%}")
    table.add_row("loss", f"{metrics.loss:.4f}")
    table.add_row("  by ordinary spikes alone", f"{metrics.loss_ordinary:.4f}")
    table.add_row("spikes per hidden neuron and sample", f"{metrics.spikes_per_hidden_neuron:.3f}")
    table.add_row("hidden neurons that never spike", f"{metrics.silent_fraction:.1%}")
    table.add_row("synaptic operations per sample", f"{energy.synaptic_operations:,.0f}")
    table.add_row(
        "energy of these operations (45 nm)",
        f"{energy.spiking_pj / 1e3:,.2f} nJ; dense network {energy.dense_pj / 1e3:,.2f} nJ",
    )
    Console().print(table)


@main.command()
@click.argument("run", type=click.Path(path_type=Path))
@DATA_OPTION
@JSON_OPTION
def evaluate(run: Path, root: Path | None, as_json: bool) -> None:
    """Test the network of a run (a folder that train wrote)."""
    from sim.run import read_run, restore_state

    config, arrays, meta = read_run(run)
    trainer = make_trainer(config, root)
    state = restore_state(trainer, arrays, meta)
    metrics = trainer.evaluate(state)
    if as_json:
        click.echo(json.dumps(describe_metrics(trainer, metrics, state, run), indent=2))
    else:
        print_metrics(trainer, metrics)


def write_output(text: str, out: Path | None) -> None:
    """Print, or write to a file whole or not at all."""
    if out is None:
        click.echo(text)
        return
    from spiketheory.files import write_text_atomically

    write_text_atomically(out, text if text.endswith("\n") else text + "\n")
    click.echo(f"Wrote {out}.", err=True)


if __name__ == "__main__":
    main()
