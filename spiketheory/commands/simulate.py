"""The command ``simulate``."""

import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import click

from spiketheory.commands.common import (
    DERIVE_TIMEOUT_OPTION,
    JSON_OPTION,
    compile_in_time,
    end_stopped,
)
from spiketheory.commands.spread.cluster_options import CLUSTER_OPTION, SCHEDULER_OPTION, read_place

if TYPE_CHECKING:
    import numpy as np

    from sim.events.recording import Recording
    from sim.network.network import Network
    from spiketheory.commands.long_run import LongRun
    from spiketheory.machine.compile import CompiledModel


MOST_SPIKES = 10_000_000
"""Of a trial or network, if nothing else is asked for."""
OLD_NAMES = {"lazy": "events", "eager": "plain"}
"""What engines were called in earlier versions."""


class EngineChoice(click.Choice[str]):
    """Names of engines; earlier names are understood."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:  # fmt: skip
        """The engine of that name."""
        return super().convert(OLD_NAMES.get(value, value), param, ctx)


# Long: a third of it is the help text.
@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="Write the results to this .npz file, or .h5: those of a network come there as it runs.",
)
@click.option(
    "--trials",
    type=click.Path(path_type=Path),
    metavar="TRIALS.npz",
    help="Networks: run a batch, whose input spikes are in this trials file.  [default: one trial "
    "with the network's own inputs]",
)
@click.option(
    "--scan",
    multiple=True,
    metavar="NAME=FROM:TO:COUNT",
    help="Networks: run it for every value of a number in FILE, such as "
    "populations.cells.parameters.tau_m=0.5:2:20 (:log behind it spaces them by factors); "
    "repeatable.  [default: one run]",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Processes for --scan, or for a folder.  [default: one per core]",
)
@SCHEDULER_OPTION
@CLUSTER_OPTION
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    metavar="FILE.png",
    help="Trials and networks: draw spikes and membrane potentials.  [default: draw nothing]",
)
@click.option(
    "--record",
    multiple=True,
    metavar="NAME[=N|=FIRST:STOP]",
    help="Networks: keep the spikes of this population alone, of its first N neurons, or of some; "
    "repeatable.  [default: [record] of the file, or all]",
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
    help="numba: compiled (20 seconds the first time). numpy: the same code interpreted; "
    "starts at once, but runs slowly.",
)
@click.option(
    "--engine",
    type=EngineChoice(["auto", "layers", "windows", "events", "plain"]),
    default="auto",
    show_default=True,
    help="events: an event touches the neurons that it reaches; any network. layers: all neurons "
    "of a layer at once; feedforward batches. windows: large networks with delays "
    "between neurons. plain: an event advances all neurons; slow, a yardstick, any network. "
    "auto: layers for batches, events for trials and networks.",
)
@click.option(
    "--max-spikes",
    type=click.IntRange(min=1),
    help="Stop with an error when there are more spikes; of a feedforward batch, in one layer and "
    "sample.  [default: 10000000, of feedforward batches 1000000]",
)
@click.option(
    "--mpi",
    is_flag=True,
    help="Large networks, engine windows: mpirun -n 4 spiketheory simulate ... --mpi spreads the "
    "neurons over 4 processes.  [default: one process]",
)
@click.option(
    "--checkpoint-every",
    type=click.IntRange(min=1),
    metavar="WINDOWS",
    help="Engine windows: write OUT.checkpoint after so many windows of the shortest delay, and "
    "on Ctrl-C.  [default: never]",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Go on from OUT.checkpoint, with any number of processes and threads.  [default: begin]",
)
@DERIVE_TIMEOUT_OPTION
@JSON_OPTION
def simulate(
    file: Path,
    out: Path,
    trials: Path | None,
    scan: tuple[str, ...],
    workers: int | None,
    scheduler: str | None,
    cluster: Path | None,
    plot: Path | None,
    record: tuple[str, ...],
    model: str | None,
    backend: str,
    engine: str,
    max_spikes: int | None,
    mpi: bool,
    checkpoint_every: int | None,
    resume: bool,
    timeout: float,
    as_json: bool,
) -> None:
    """Simulate a network described by FILE, event by event and exactly.

    FILE is a network (.toml), a trial of a recurrent network (.npz), or a feedforward batch (.npz);
    .npz files are written by numpy.savez. docs/formats.md describes them; in short:

    Network: populations, inputs, projections and the duration. Results: spike_time, spike_neuron,
    the states at the end; with --trials also spike_trial, and the states trial by trial. With
    --scan, or if FILE is a folder of networks and trials, all runs in one file: .npz, or .h5, which
    xarray reads with its axes.

    Trial: model (its name), the model's parameters by name (defaults fill in), T (the trial's end),
    weights[post, pre], and if you like input_weights[post, channel], input_times, input_neurons,
    delays, initial values (V0, I0, ...) and functional_coef (a number per spike; asks for exact
    gradients of the sum of coefficient times spike time). Results: spike_time, spike_neuron, V_end,
    ..., grad_weights, ... Ctrl-C writes what was computed. If --out is FILE, it holds both.

    Feedforward batch: model, parameters, T, input_times (V increasing times), input_bins (for each
    sample and input the index of its time; V is no spike), weights W0 (inputs by neurons), W1, ...,
    and if you like phi0 (initial phases), labels and gamma (loss and exact gradients). Results:
    t_out (first spike of every output), spike_sample, spike_neuron, spike_time; loss, grad_W0, ...
    """
    from derivations import compile_model, compile_readout
    from sim.files.batch_file import (
        count_spikes_by_layer,
        drop_answers,
        read_arrays,
        read_batch_file,
        simulate_batch,
        write_arrays,
    )
    from sim.files.trial_file import (
        collect_results,
        drop_results,
        is_trial,
        read_trial_file,
    )
    from sim.layers.batch import MAX_SPIKES
    from spiketheory.commands.display import describe_simulation, format_json, format_simulation
    from spiketheory.files import check_apart, is_same_file

    most = max_spikes or MOST_SPIKES
    check_apart(out, trials, plot)
    check_apart(plot, file, trials)
    is_long = mpi or checkpoint_every is not None or resume
    if is_long and (scan or trials or file.suffix != ".toml"):
        raise click.UsageError(
            "Expected --mpi, --checkpoint-every and --resume with a single run of a network file "
            "(.toml); leave them out."
        )
    if scan or file.is_dir():
        from spiketheory.commands.spread.scan import run_scan

        if trials or plot or model or record:
            raise click.UsageError(
                "Expected --trials, --plot, --record and --model with a single run; leave them out."
            )
        check_apart(out, file)
        where = read_place(workers=workers, scheduler=scheduler, cluster=cluster)
        compile_quickly = partial(compile_model, backend=backend)
        run_scan(file, out, scan, engine=engine, max_spikes=most, workers=workers,
                 where=where, as_json=as_json, compile_model=compile_quickly,
                 compile_readout=compile_readout)  # fmt: skip
        return
    if workers or scheduler or cluster:
        raise click.UsageError(
            "Expected --workers, --scheduler and --cluster with --scan or a folder; leave them out."
        )

    compile_in_limit = compile_in_time(partial(compile_model, backend=backend), timeout)

    def compile_for(name: str) -> "CompiledModel":
        check_apart(out, models=[name])
        check_apart(plot, models=[name])
        return compile_in_limit(name)

    options: dict[str, Any] = {"engine": engine, "max_spikes": most, "as_json": as_json}
    if file.suffix == ".toml":
        check_apart(out, file)
        from sim.files.network_file import collect_network_results, read_network_file
        from sim.files.record_table import parse_record
        from spiketheory.commands.long_run import join_ranks, make_long_run

        if model is not None:
            raise click.UsageError("Expected --model with an .npz file but got a network file.")
        with join_ranks(mpi) as ranks:
            described = read_network_file(
                file, compile_model=compile_for, compile_readout=compile_readout
            )
            network = described.network
            if trials is not None:
                check_batch_options(plot, record)
                simulate_trials(network, trials, out, **options)
                return
            chosen = parse_record(record, network)
            options["recorded"] = described.recorded if chosen is None else chosen
            options["long"] = make_long_run(
                ranks, out, every=checkpoint_every, resume=resume, engine=engine
            )
            if out.suffix == ".h5":
                run_streamed(network, out, plot, **options)
            else:
                run_network(network, collect_network_results, out, plot, **options)
        return
    if record:
        raise click.UsageError("Expected --record with a network file (.toml) but got an .npz.")
    if trials is not None:
        raise click.UsageError("Expected --trials with a network file (.toml) but got an .npz.")
    arrays = read_arrays(file)
    if is_trial(arrays):
        trial = read_trial_file(file, arrays, compile_model=compile_for, model=model)
        collect = partial(collect_results, trial)
        kept = drop_results(trial, arrays) if is_same_file(file, out) else {}
        run_network(trial.network, collect, out, plot, record=trial.coefficients is not None,
                    beside=kept, **options)  # fmt: skip
        return
    if plot is not None or engine not in ("auto", "layers"):
        raise click.UsageError(
            "Expected --plot and --engine events or plain with a trial of a recurrent network but "
            "got a feedforward batch, which layers run; leave them out."
        )
    batch = read_batch_file(file, compile_model=compile_for, model=model, arrays=arrays)
    results = simulate_batch(batch, max_spikes=max_spikes or MAX_SPIKES)
    kept = drop_answers(arrays) if is_same_file(file, out) else {}
    write_arrays(out, {**kept, **results})
    counts = count_spikes_by_layer(batch.network, results["spike_neuron"])
    summary = describe_simulation(batch, results, counts, out)
    click.echo(format_json(summary) if as_json else format_simulation(summary))


def check_batch_options(plot: Path | None, record: tuple[str, ...]) -> None:
    """Raise if an option of single trials comes with a batch."""
    if plot is not None or record:
        raise click.UsageError(
            f"Expected {'--record' if record else '--plot'} with a single trial but got --trials; "
            "leave out one of them."
        )


def simulate_trials(
    network: "Network", path: Path, out: Path, *, engine: str, max_spikes: int, as_json: bool
) -> None:
    """Run a batch of trials, write what came out of it, and say so."""
    from sim.files.batch_file import write_arrays
    from sim.files.trials_file import collect_batch_results, read_trials_file
    from spiketheory.commands import network_run as session
    from spiketheory.commands.display import format_json
    from spiketheory.commands.terminal import make_console

    trials = read_trials_file(path).trials
    console = make_console(stderr=True, quiet=as_json or not sys.stderr.isatty())
    recording = session.run_trials(network, trials, console, engine=engine, max_spikes=max_spikes)
    if recording is None:
        end_stopped("Stopped; nothing was written.")
    results = collect_batch_results(recording)
    write_arrays(out, results)
    summary = session.describe_batch(recording, results, out)
    click.echo(format_json(summary) if as_json else session.format_batch(summary))


def run_network(
    network: "Network",
    collect: Callable[["Recording"], dict[str, Any]],
    out: Path,
    plot: Path | None,
    *,
    engine: str,
    max_spikes: int,
    as_json: bool,
    record: bool = False,
    recorded: "np.ndarray | None" = None,
    long: "LongRun | None" = None,
    beside: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Simulate, write what came out of it, also if it was stopped, and say so.

    ``beside`` is the question, if it is in the file that the answer is written to.
    """
    from sim.events.recording import StoppedError
    from sim.files.batch_file import write_arrays
    from spiketheory.commands import network_run as session
    from spiketheory.commands.display import format_json
    from spiketheory.commands.terminal import make_console

    error, is_first = None, long is None or long.is_first
    is_quiet = as_json or not is_first
    try:
        recording = session.run_network(
            network, make_console(stderr=True, quiet=is_quiet or not sys.stderr.isatty()),
            engine=engine, record=record, with_traces=plot is not None, max_spikes=max_spikes,
            recorded=recorded, line=choose_line(is_quiet), long=long,
        )  # fmt: skip
    except StoppedError as err:
        if not is_first:
            raise
        error, recording = err, err.recording
    if not is_first:
        return
    results = collect(recording)
    write_arrays(out, {**beside, **results})
    session.draw_if_asked(recording, plot)
    if error is not None:
        raise type(error)(f"{error} What ran up to then is in {out}.", recording)
    if long is not None:
        long.end(recording)
    summary = session.describe_recording(recording, results, out)
    click.echo(format_json(summary) if as_json else session.format_recording(summary))
    if not recording.is_complete:
        end_stopped()


def choose_line(as_json: bool) -> Callable[[str], None] | None:
    """Where lines about a long run go: nowhere if there is a bar, or a program reads."""
    if as_json or sys.stderr.isatty():
        return None
    return partial(click.echo, err=True)


def check_windows(network: "Network", engine: str, long: "LongRun | None") -> None:
    """Refuse a network that windows do not run, before a file that is there is replaced."""
    from sim.windows.simulate import check_network, check_room

    if long is not None and long.ranks is not None:
        check_network(network)
    elif long is not None or engine == "windows":
        check_room(network)


def run_streamed(
    network: "Network", out: Path, plot: Path | None, *, engine: str, max_spikes: int,
    as_json: bool, recorded: "np.ndarray | None", long: "LongRun | None" = None,
) -> None:  # fmt: skip
    """Simulate, write spikes to HDF5 on the way and the states at the end, and say so."""
    from sim.events.recording import StoppedError
    from sim.files.spike_stream import SpikeStream
    from spiketheory.commands import network_run as session
    from spiketheory.commands.display import format_json
    from spiketheory.commands.terminal import make_console

    if plot is not None:
        raise click.UsageError(
            "Expected --plot with an .npz but got an .h5, whose spikes are not kept in memory; "
            "draw them with spiketheory stats."
        )
    if long is not None and not long.is_first:
        session.run_network(
            network, make_console(stderr=True, quiet=True), max_spikes=max_spikes,
            recorded=recorded, long=long,
        )  # fmt: skip
        return
    check_windows(network, engine, long)
    stream = SpikeStream(out, network, recorded, 0 if long is None else long.n_written)
    error = None
    try:
        recording = session.run_network(
            network, make_console(stderr=True, quiet=as_json or not sys.stderr.isatty()),
            engine=engine, max_spikes=max_spikes, recorded=recorded, stream=stream,
            line=choose_line(as_json), long=long,
        )  # fmt: skip
        stream.finish(recording)
    except StoppedError as err:
        error, recording = err, err.recording
        stream.finish(recording)
    finally:
        stream.close()
    if error is not None:
        raise type(error)(f"{error} What ran up to then is in {out}.", recording)
    if long is not None:
        long.end(recording)
    summary = session.describe_recording(recording, stream.fields, out)
    click.echo(format_json(summary) if as_json else session.format_recording(summary))
    if not recording.is_complete:
        end_stopped()
