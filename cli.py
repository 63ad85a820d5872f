"""Command line: arguments -> one library call -> print. No mathematics here.

Nothing heavier than click is imported until a command runs, so that ``--help`` answers at once.
"""

import errno
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sim.options import add_train_options, parse_parameters

if TYPE_CHECKING:
    from sim.circuit import Circuit
    from sim.recurrent import Recording
    from sim.run import Run

EXIT_CHECK_FAILED = 1
EXIT_BAD_INPUT = 2
EXIT_STOPPED = 130
EXIT_OF_VERDICT = {"smooth": 0, "continuous": 0, "refuted": 1, "undecided": 3}

MODEL_OPTION = click.option(
    "--model",
    required=True,
    metavar="NAME|FILE.toml",
    help="A built-in model (see `spiketheory models`) or a model file.",
)
OUT_OPTION = click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Write to this file.  [default: print to the terminal]",
)
DATA_OPTION = click.option(
    "--data",
    "root",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder that holds data sets, such as MNIST/raw, and the only one that is searched; "
    "digits and yinyang need none.  [default: $SPIKETHEORY_DATA, then your user data folder]",
)
JSON_OPTION = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON for programs.  [default: text for people]"
)
AS_JSON_OPTION = click.option(
    "--json", "as_json", is_flag=True, help="The same as --format json.  [default: --format]"
)
TIMEOUT_OPTION = click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    default=300,
    show_default=True,
    metavar="SECONDS",
    help="Give up after this long; 0 is never.",
)


class Group(click.Group):
    """Turns the errors that a user can cause into one paragraph and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; a traceback is left for what only we can have caused."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("Stopped.", err=True)
            ctx.exit(EXIT_STOPPED)
        except MemoryError as err:
            fail(
                ctx,
                f"Expected enough memory but ran out of it ({str(err) or 'no details'}); choose "
                "fewer neurons, fewer samples or a smaller --batch.",
            )
        except OSError as err:
            if err.errno == errno.EPIPE:  # the reader has gone, as in `| head`: click ends quietly
                raise
            fail(
                ctx,
                f"Expected to read and write files but the system said: {err}; "
                "check the path, its permissions and the room on the disk.",
            )
        except ValueError as err:
            from spiketheory.errors import SpiketheoryError, VerificationError

            if not isinstance(err, SpiketheoryError):
                raise
            failed = isinstance(err, VerificationError)
            fail(ctx, str(err), EXIT_CHECK_FAILED if failed else EXIT_BAD_INPUT)


def fail(ctx: click.Context, message: str, code: int = EXIT_BAD_INPUT) -> None:
    """Print an error and exit."""
    click.echo(f"Error: {message}", err=True)
    ctx.exit(code)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="spiketheory")
def main() -> None:
    """Neuron models whose spikes only shift: derive, compile, simulate, train.

    \b
    Start here:
      spiketheory train                       learn handwritten digits in seconds
      spiketheory models                      what is built in
      spiketheory derive --model theta        the mathematics, derived and verified

    \b
    Exit codes: 0 success, 1 a check failed, 2 bad usage or input.
    """  # noqa: D301


@main.command()
@JSON_OPTION
def models(as_json: bool) -> None:
    """List the built-in neuron models: equations, parameters, method, and which can be trained.

    Feedforward networks need a model with pseudospikes; --json says why others have none.
    """
    from derivations import import_generated, list_models, read_neuron_model
    from sim.display import describe_models, draw_models, format_json

    rows = describe_models((read_neuron_model(n), import_generated(n)) for n in list_models())
    print_either(format_json(rows) if as_json else draw_models(rows))


@main.command()
@MODEL_OPTION
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "latex", "markdown", "html", "json"]),
    default="text",
    show_default=True,
    help="How to print it; html is a page with figures that needs no network.",
)
@AS_JSON_OPTION
@click.option("--code", is_flag=True, help="Add the generated code.  [default: formulas only]")
@click.option(
    "--no-cache",
    is_flag=True,
    help="Derive and verify anew, also if this document was made before.  [default: look it up]",
)
@click.option(
    "--thorough",
    is_flag=True,
    help="Verify special functions in more places and far corners.  [default: in a few seconds]",
)
@TIMEOUT_OPTION
@OUT_OPTION
def derive(
    model: str,
    style: str,
    as_json: bool,
    code: bool,
    no_cache: bool,
    thorough: bool,
    timeout: float,
    out: Path | None,
) -> None:
    """Derive a model's flow, spike time and gradients, verify them, and show the steps.

    Exit code 1 if a check fails.

    \b
    Examples:
      spiketheory derive --model theta
      spiketheory derive --model theta --format html --out theta.html
      spiketheory derive --model my_neuron.toml --format markdown --out my_neuron.md
    """  # noqa: D301
    from spiketheory.store import find_document, keep_document, make_key

    style = "json" if as_json else style
    options = {"format": style, "code": code, "thorough": thorough}
    key = make_key(model, options)
    text = find_document(key) if key and not no_cache else None
    if text is None:
        text = write_document(model, style, code=code, thorough=thorough, timeout=timeout)
        if key and key == make_key(model, options):
            keep_document(key, text)
    write_output(text, out)


def write_document(model: str, style: str, *, code: bool, thorough: bool, timeout: float) -> str:
    """Derive, verify and explain a model; say what is going on if it takes a while."""
    with show_progress() as show:
        show(f"Deriving {model}")
        from derivations import compile_verified, read_neuron_model
        from spiketheory.codegen import generate
        from spiketheory.derive import derive as derive_model
        from spiketheory.document import document
        from spiketheory.lower import lower
        from spiketheory.timing import limit_time
        from spiketheory.verify import verify

        neuron = read_neuron_model(model)
        with limit_time(timeout, f"the derivation of {neuron.name}"):
            derivation = derive_model(neuron)
            show(f"Verifying {neuron.name} ({derivation.method})")
            verified = verify(derivation, thorough=thorough)
            show(f"Writing {style}")
            source = generate(lower(verified)) if code else None
            compiled = (
                compile_verified(model, verified, backend="numpy") if style == "html" else None
            )
            return document(verified, format=style, code=source, compiled=compiled)


PATIENCE = 1.0  # seconds without a word


@contextmanager
def show_progress() -> Iterator[Callable[[str], None]]:
    """Show on the terminal what is going on, from the second `PATIENCE` on.

    Yields:
        A function that takes what is going on now.
    """
    if not sys.stderr.isatty():
        yield lambda text: None
        return
    from threading import Timer

    from rich.console import Console

    status = Console(stderr=True).status("")
    timer = Timer(PATIENCE, status.start)
    timer.daemon = True
    timer.start()
    try:
        yield lambda text: status.update(f"{text} ...")
    finally:
        timer.cancel()
        timer.join()
        status.stop()


@main.command()
@click.option(
    "--model",
    metavar="NAME_OR_FILE",
    help="Built-in neuron model, or a TOML file.",
)
@click.option(
    "--assume",
    "assumptions",
    multiple=True,
    metavar="RELATION",
    help='Assume this of weights, states or parameters, such as "w >= 0"; may be repeated.',
)
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "json", "markdown", "html"]),
    default="text",
    show_default=True,
    help="How to print it; html is a page with a figure that needs no network.",
)
@AS_JSON_OPTION
@click.option(
    "--recheck",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Go through a certificate (JSON) again, in another arithmetic, instead.",
)
@TIMEOUT_OPTION
@OUT_OPTION
@click.pass_context
def certify(
    ctx: click.Context,
    model: str | None,
    assumptions: tuple[str, ...],
    style: str,
    as_json: bool,
    recheck: Path | None,
    timeout: float,
    out: Path | None,
) -> None:
    """Prove that spikes of a model only shift, or show a trial in which one vanishes.

    \b
    Exit codes: 0 smooth or continuous, 1 refuted, 2 bad usage or input, 3 undecided.

    \b
    Examples:
      spiketheory certify --model qif
      spiketheory certify --model nlif --assume "w >= 0" --assume "I > 0"
      spiketheory certify --model lif --format json --out lif.json
      spiketheory certify --recheck lif.json
    """  # noqa: D301
    if (model is None) == (recheck is None):
        raise click.UsageError("Expected either --model or --recheck; give one of them.")
    if recheck is not None:
        from spiketheory.recheck import recheck as go_through

        lines = go_through(recheck.read_text(encoding="utf-8"))
        write_output("\n".join(lines), out)
        return
    from derivations import read_neuron_model
    from spiketheory.certificate_document import write_certificate
    from spiketheory.certify import certify as certify_model
    from spiketheory.parse import parse_assumption
    from spiketheory.timing import limit_time

    with show_progress() as show:
        neuron = read_neuron_model(str(model))
        relations = [parse_assumption(text, neuron) for text in assumptions]
        with limit_time(timeout, f"the certificate of {neuron.name}"):
            certificate = certify_model(neuron, relations, show=show)
            text = write_certificate(certificate, format="json" if as_json else style)
    write_output(text, out)
    ctx.exit(EXIT_OF_VERDICT[certificate.verdict])


@main.command()
@MODEL_OPTION
@click.option(
    "--target",
    type=click.Choice(["module", "numba", "numpy"]),
    default="module",
    show_default=True,
    help="numba: functions of one neuron; numpy: functions of arrays; module: both, ready to "
    "import.",
)
@OUT_OPTION
def codegen(model: str, target: str, out: Path | None) -> None:
    """Print the code generated from a model's verified derivation.

    Exit code 1 if a check of the derivation fails.
    """
    from derivations import generate_source

    write_output(generate_source(model, target=target), out)


@main.command()
@MODEL_OPTION
@click.option("--states", type=click.IntRange(min=1), default=1000, show_default=True,
              help="How many random states that lead to a spike to look at.")  # fmt: skip
@click.option("--seed", default=0, show_default=True, help="Seed of the random states.")
@click.option("--param", "parameters", multiple=True, metavar="NAME=VALUE",
              callback=parse_parameters, help="Fix a parameter; repeatable.  "
              "[default: drawn within 30 % of the model's default]")  # fmt: skip
@click.option("--backend", type=click.Choice(["numba", "numpy"]), default="numba",
              show_default=True, help="numba: compiled; numpy: interpreted.")  # fmt: skip
@JSON_OPTION
def accuracy(
    model: str,
    states: int,
    seed: int,
    parameters: dict[str, float] | None,
    backend: str,
    as_json: bool,
) -> None:
    """Measure the errors of generated spike times and their derivatives.

    Evaluates them at random states and compares with 50-digit arithmetic (closed forms) or with
    integration to 30 digits (all others, a few seconds per state). What counts are states at which
    relative changes of state and parameters are amplified less than 100 times.
    """
    from rich.console import Console

    from derivations import compile_verified, read_neuron_model
    from sim.display import describe_accuracy, draw_accuracy, format_json, track
    from spiketheory.accuracy import measure_accuracy
    from spiketheory.derive import derive as derive_model
    from spiketheory.verify import verify

    verified = verify(derive_model(read_neuron_model(model)))
    compiled = compile_verified(model, verified, backend=backend)
    measured = measure_accuracy(verified, compiled, states=states, seed=seed, overrides=parameters)
    console = Console(stderr=True, quiet=as_json or not sys.stderr.isatty())
    results = track(measured, total=states, console=console)
    rows = describe_accuracy(verified.derivation.model.name, results)
    print_either(format_json(rows) if as_json else draw_accuracy(rows))


@main.command()
@click.option("--model", metavar="NAME|FILE.toml",
              help="A built-in model (see `spiketheory models`) or a model file.")  # fmt: skip
@click.option("--examples", type=click.IntRange(min=1), default=100, show_default=True,
              help="Trials to draw for each property.")  # fmt: skip
@click.option("--seed", default=0, show_default=True,
              help="Seed of the search; the same seed finds the same.")  # fmt: skip
@click.option("--assume", multiple=True, metavar="RELATION",
              help='Draw only what keeps to it, such as "w >= 0"; repeatable.  '
              "[default: the assumptions of the model file]")  # fmt: skip
@click.option("--param", "parameters", multiple=True, metavar="NAME=VALUE",
              callback=parse_parameters,
              help="Value of a parameter; repeatable.  [default: the model's]")  # fmt: skip
@click.option("--workers", type=click.IntRange(min=1), metavar="N",
              help="Number of processes; what is found does not depend on it.  "
              "[default: the number of cores]")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), metavar="FOLDER",
              help="Folder for the trials and figures of failures.  "
              "[default: checks]")  # fmt: skip
@click.option("--replay", type=click.Path(path_type=Path), metavar="FILE.npz",
              help="Look again at a failure that was found before.  "
              "[default: search]")  # fmt: skip
@JSON_OPTION
def check(
    model: str | None,
    examples: int,
    seed: int,
    assume: tuple[str, ...],
    parameters: dict[str, float] | None,
    workers: int | None,
    out: Path | None,
    replay: Path | None,
    as_json: bool,
) -> None:
    """Search for trials in which spikes do not only shift, or the code is wrong.

    Draws small networks, feedforward and recurrent, and moves their weights, input times and
    initial states. Reports smooth (every property holds), continuous (only gradients jump, where
    an input meets a spike) or broken. What fails is shrunk, written to a file and drawn.

    \b
    Exit codes: 0 smooth or continuous, 1 broken, 2 bad usage or input.

    \b
    Examples:
      spiketheory check --model lif
      spiketheory check --model my_neuron.toml --assume "w >= 0" --examples 2000
      spiketheory check --replay checks/lif-continuity.npz
    """  # noqa: D301
    if (model is None) == (replay is None):
        raise click.UsageError(
            "Expected either --model or --replay but got "
            f"{'both' if model else 'neither'}; give one of them."
        )
    if replay is not None:
        failed = replay_failure(replay, as_json=as_json)
    else:
        failed = search_failures(
            str(model), examples=examples, seed=seed, assume=assume, parameters=parameters,
            workers=workers, out=out or Path("checks"), as_json=as_json,
        )  # fmt: skip
    click.get_current_context().exit(EXIT_CHECK_FAILED if failed else 0)


def search_failures(
    model: str,
    *,
    examples: int,
    seed: int,
    assume: tuple[str, ...],
    parameters: dict[str, float] | None,
    workers: int | None,
    out: Path,
    as_json: bool,
) -> bool:
    """Check a model and print the report; True if it is broken."""
    from rich.console import Console

    from derivations import make_recipe
    from sim.display import format_json, track
    from spiketheory.checking.present import describe_report, format_report, write_failures
    from spiketheory.checking.runner import run_check

    recipe = make_recipe(model, parameters=parameters or {}, assume=assume)
    console = Console(stderr=True, quiet=as_json or not sys.stderr.isatty())
    steps = run_check(recipe, examples=examples, seed=seed, workers=workers)
    report = track(steps, total=count_examples(examples), console=console, what="examples")
    written = {}
    if any(r.failure for r in report.results):
        written = write_failures(report, recipe.build(), out)
    click.echo(
        format_json(describe_report(report, written)) if as_json else format_report(report, written)
    )
    return bool(report.verdict == "broken")


def count_examples(examples: int) -> int:
    """How many examples a check draws in all."""
    from spiketheory.checking.search import NAMES, plan_batches

    return sum(batch.examples for batch in plan_batches(list(NAMES), examples, 0))


def replay_failure(path: Path, *, as_json: bool) -> bool:
    """Look again at a failure from its file; True if the property still fails."""
    from sim.display import format_json
    from spiketheory.checking.files import read_failure
    from spiketheory.checking.present import describe_failure
    from spiketheory.checking.replay import replay
    from spiketheory.testing import load_subject

    neuron, parameters, assume, failure = read_failure(path)
    subject = load_subject(neuron, parameters=parameters, assume=assume)
    fails = replay(subject, failure)
    if as_json:
        found = {"model": neuron.name, "property": failure.name, "fails": fails}
        click.echo(format_json(found | {"failure": describe_failure(failure)}))
    else:
        said = "still fails" if fails else "does not fail any more"
        click.echo(f"{neuron.name}: {failure.name} {said}: {failure.text}")
    return fails


@main.group(cls=Group)
def plot() -> None:
    """Draw figures of any models; SVG or PNG by the file's suffix."""


MODELS_OPTION = click.option(
    "--model", "models", multiple=True, required=True, metavar="NAME|FILE.toml",
    help="A built-in model or a model file; repeatable, one row each.",
)  # fmt: skip
FIGURE_OPTION = click.option(
    "--out", required=True, type=click.Path(path_type=Path), metavar="FILE",
    help="Write to this file, which ends in .svg, .png or .pdf.",
)  # fmt: skip


@plot.command()
@MODELS_OPTION
@FIGURE_OPTION
def continuity(models: tuple[str, ...], out: Path) -> None:
    """Draw where spikes vanish, and where they only shift.

    Membrane potential for three weights of an input, and the first spike over its weight and over
    the time of an inhibitory input.

    \b
    Example:
      spiketheory plot continuity --model qif --model lif --out continuity.svg
    """  # noqa: D301
    from spiketheory.continuity import draw_continuity

    subjects = build_subjects(models, out)
    with show_progress() as show:
        show("Drawing")
        panels = draw_continuity(out, subjects)
    for panel in panels:
        jumps = len(panel.by_weight.jumps) + len(panel.by_time.jumps)
        click.echo(f"{panel.subject.neuron.name}: {jumps or 'no'} jump{'s' * (jumps != 1)}")
    click.echo(f"Wrote {out}.", err=True)


@plot.command()
@MODELS_OPTION
@FIGURE_OPTION
@click.option("--seed", default=2, show_default=True, help="Seed of the network.")
@click.option("--grid", type=click.IntRange(min=2), default=61, show_default=True,
              help="Points along each axis of the plane.")  # fmt: skip
def landscape(models: tuple[str, ...], out: Path, seed: int, grid: int) -> None:
    """Draw the loss of a small network in weight space, with its jumps found and counted.

    The loss along a line and on a plane through the same starting point; the same network for
    every model, in its own units of weight and time.

    \b
    Example:
      spiketheory plot landscape --model qif --model lif --out landscape.png
    """  # noqa: D301
    from spiketheory.landscape import draw_landscape

    subjects = build_subjects(models, out)
    with show_progress() as show:
        show("Computing losses")
        found = draw_landscape(out, subjects, seed=seed, grid=grid)
    for one in found:
        jumps = len(one.jumps)
        click.echo(f"{one.subject.neuron.name}: {jumps or 'no'} jump{'s' * (jumps != 1)}")
    click.echo(f"Wrote {out}.", err=True)


def build_subjects(models: tuple[str, ...], out: Path) -> list[Any]:
    """The models of a figure, once its file name is known to be one of a figure."""
    from derivations import make_recipe
    from spiketheory.errors import check_choice

    check_choice("the suffix of --out", out.suffix.lower(), (".svg", ".png", ".pdf"))
    return [make_recipe(model, parameters={}, assume=()).build() for model in models]


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="Write the results to this .npz file.",
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    metavar="FILE.png",
    help="Trials and networks: draw spikes and membrane potentials.  [default: draw nothing]",
)
@click.option(
    "--model",
    metavar="NAME|FILE.toml",
    help="A built-in model or a model file.  [default: the one that FILE names]",
)
@click.option(
    "--backend",
    type=click.Choice(["numba", "numpy"]),
    default="numba",
    show_default=True,
    help="numba: compiled (half a minute the first time). numpy: the same code interpreted; "
    "starts at once, but runs slowly.",
)
@click.option(
    "--engine",
    type=click.Choice(["lazy", "eager"]),
    default="lazy",
    show_default=True,
    help="Trials and networks. lazy: an event touches the neurons that it reaches. eager: it "
    "advances all, a yardstick without gradients.",
)
@click.option(
    "--max-spikes",
    type=click.IntRange(min=1),
    default=10_000_000,
    show_default=True,
    help="Trials and networks: stop with an error when there are more spikes.",
)
@JSON_OPTION
def simulate(
    file: Path,
    out: Path,
    plot: Path | None,
    model: str | None,
    backend: str,
    engine: str,
    max_spikes: int,
    as_json: bool,
) -> None:
    """Simulate a network described by FILE, event by event and exactly.

    FILE is a network (.toml), a trial of a recurrent network (.npz), or a feedforward batch (.npz);
    .npz files are written by numpy.savez. docs/formats.md describes them; in short:

    Network: populations, inputs, projections and the duration. Results: spike_time, spike_neuron,
    the states at the end.

    Trial: model (its name), the model's parameters by name (defaults fill in), T (the trial's end),
    weights[post, pre], and if you like input_weights[post, channel], input_times, input_neurons,
    delays, initial values (V0, I0, ...) and functional_coef (a number per spike; asks for exact
    gradients of the sum of coefficient times spike time). Results: spike_time, spike_neuron, V_end,
    ..., grad_weights, ... Ctrl-C writes what was computed.

    Feedforward batch: model, parameters, T, input_times (V increasing times), input_bins (for each
    sample and input the index of its time; V is no spike), weights W0 (inputs by neurons), W1, ...,
    and if you like phi0 (initial phases), labels and gamma (loss and exact gradients). Results:
    t_out (first spike of every output), spike_sample, spike_neuron, spike_time; loss, grad_W0, ...
    """
    from functools import partial

    from derivations import compile_model
    from sim.batchfile import (
        count_spikes_by_layer,
        read_arrays,
        read_batch_file,
        simulate_batch,
        write_arrays,
    )
    from sim.display import describe_simulation, format_json, format_simulation
    from sim.trialfile import collect_results, is_trial, read_trial_file

    compile_for = partial(compile_model, backend=backend)
    options: dict[str, Any] = {"engine": engine, "max_spikes": max_spikes, "as_json": as_json}
    if file.suffix == ".toml":
        from sim.circuitfile import collect_circuit_results, read_circuit_file

        if model is not None:
            raise click.UsageError("Expected --model with an .npz file but got a network file.")
        circuit = read_circuit_file(file, compile_model=compile_for)
        run_circuit(circuit, collect_circuit_results, out, plot, **options)
        return
    arrays = read_arrays(file)
    if is_trial(arrays):
        trial = read_trial_file(file, arrays, compile_model=compile_for, model=model)
        record = trial.coefficients is not None
        collect = partial(collect_results, trial)
        run_circuit(trial.circuit, collect, out, plot, record=record, **options)
        return
    if plot is not None or engine != "lazy":
        raise click.UsageError(
            "Expected --plot and --engine with a trial of a recurrent network but got a "
            "feedforward batch; leave them out."
        )
    batch = read_batch_file(file, compile_model=compile_for, model=model, arrays=arrays)
    results = simulate_batch(batch)
    write_arrays(out, results)
    counts = count_spikes_by_layer(batch.network, results["spike_neuron"])
    summary = describe_simulation(batch, results, counts, out)
    click.echo(format_json(summary) if as_json else format_simulation(summary))


def run_circuit(
    circuit: "Circuit",
    collect: Callable[["Recording"], dict[str, Any]],
    out: Path,
    plot: Path | None,
    *,
    engine: str,
    max_spikes: int,
    as_json: bool,
    record: bool = False,
) -> None:
    """Simulate, write what came out of it, also if it was stopped, and say so."""
    from rich.console import Console

    from sim import session
    from sim.batchfile import write_arrays
    from sim.display import format_json
    from sim.recurrent import StoppedError

    error = None
    try:
        recording = session.run_circuit(
            circuit, Console(stderr=True, quiet=as_json or not sys.stderr.isatty()),
            engine=engine, record=record, with_traces=plot is not None, max_spikes=max_spikes,
        )  # fmt: skip
    except StoppedError as err:
        error, recording = err, err.recording
    results = collect(recording)
    write_arrays(out, results)
    session.draw_if_asked(recording, plot)
    if error is not None:
        raise type(error)(f"{error} What ran up to then is in {out}.", recording)
    summary = session.describe_recording(recording, results, out)
    click.echo(format_json(summary) if as_json else session.format_recording(summary))
    if not recording.is_complete:
        click.get_current_context().exit(EXIT_STOPPED)


@main.command()
@click.option("--preset", type=click.Choice(["paper"]),
              help="paper: the MNIST experiment of Klos & Memmesheimer (2025).  "
              "[default: values that suit the data set]")  # fmt: skip
@click.option("--config", "file", type=click.Path(path_type=Path), metavar="FILE.toml",
              help="Start from this configuration, such as the config.toml of another run.  "
              "[default: none]")  # fmt: skip
@add_train_options
@DATA_OPTION
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR",
              help="Folder of the run.  [default: runs/DATASET-MODEL-seedSEED, with -2, -3, ... "
              "if it holds a run]")  # fmt: skip
@click.option("--overwrite", is_flag=True,
              help="Replace a run that is in the folder.  [default: keep it]")  # fmt: skip
@click.option("--resume", type=click.Path(path_type=Path), metavar="DIR",
              help="Continue the run in this folder; only --epochs may change.  "
              "[default: start a new run]")  # fmt: skip
@JSON_OPTION
def train(
    root: Path | None,
    out: Path | None,
    overwrite: bool,
    resume: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Train a network of spiking neurons by exact gradient descent.

    Without options it learns scikit-learn's 8x8 digits in a few seconds. Every option overrides
    the default of the data set, preset or configuration file.

    \b
    Examples:
      spiketheory train --hidden 50,50 --epochs 20
      spiketheory train --preset paper --data FOLDER
      spiketheory train --resume runs/digits-theta-seed0 --epochs 60
    """  # noqa: D301
    from derivations import compile_model
    from sim.config import make_config
    from sim.run import resume_run, start_run

    if resume is None:
        config = make_config(**options)
        run = start_run(
            config, compile_model=compile_model, root=root, folder=out, overwrite=overwrite
        )
    else:
        check_resume_options({**options, "out": out, "overwrite": overwrite or None})
        run = resume_run(resume, compile_model=compile_model, root=root, epochs=options["epochs"])
    train_run(run, as_json=as_json)


def check_resume_options(options: dict[str, Any]) -> None:
    """Raise unless ``--epochs`` is the only option given."""
    flags = {"file": "--config", "parameters": "--param"}
    for name, value in options.items():
        if value is not None and name != "epochs":
            flag = flags.get(name, f"--{name.replace('_', '-')}")
            raise click.UsageError(
                f"Expected only --epochs, --data and --json beside --resume but got {flag}; "
                "a continued run keeps its configuration. Start a new run to change it."
            )


def train_run(run: "Run", *, as_json: bool) -> None:
    """Train, draw the figures, and say what came out."""
    from rich.console import Console

    from sim.display import format_end, format_stop, show_training
    from sim.run import draw_run

    try:
        show_training(run, Console(stderr=True, quiet=as_json))
    except KeyboardInterrupt:
        click.echo(format_stop(run, program=name_program()), err=True)
        click.get_current_context().exit(EXIT_STOPPED)
    finally:
        run.discard_if_empty()
    figures = draw_run(run.folder, run.trainer, run.state)
    print_metrics(run, as_json=as_json)
    if not as_json:
        click.echo(format_end(run, figures, program=name_program()))


def name_program() -> str:
    """What to type to run this program again: the way that it was called this time."""
    path = Path(sys.argv[0])
    if path.name == "cli.py":
        return shlex.join([sys.orig_argv[0], sys.argv[0]])
    found = shutil.which("spiketheory")
    if path.stem != "spiketheory" or (found and Path(found).absolute() == path.absolute()):
        return "spiketheory"
    return shlex.quote(sys.argv[0])


@main.command()
@click.argument("run", type=click.Path(path_type=Path))
@DATA_OPTION
@JSON_OPTION
def evaluate(run: Path, root: Path | None, as_json: bool) -> None:
    """Test the network in RUN, a folder that `spiketheory train` wrote.

    It is tested on the samples that were held out in training; nothing is written.
    """
    from derivations import compile_model
    from sim.run import load_run

    print_metrics(load_run(run, compile_model=compile_model, root=root), as_json=as_json)


def print_metrics(run: "Run", *, as_json: bool) -> None:
    """Print how well a run's network does."""
    from sim.display import describe_metrics, draw_metrics, format_json

    row = describe_metrics(run, run.trainer.evaluate(run.state))
    print_either(format_json(row) if as_json else draw_metrics(row))


def print_either(text: Any) -> None:
    """Print a text as it is, or a table as wide as the terminal."""
    if isinstance(text, str):
        click.echo(text)
        return
    from rich.console import Console

    Console().print(text)


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
