"""The command ``simulate``."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spiketheory.commands.common import DERIVE_TIMEOUT_OPTION, JSON_OPTION, compile_in_time
from spiketheory.commands.run_and_write import run_network, run_streamed, simulate_trials
from spiketheory.commands.spread.cluster_options import CLUSTER_OPTION, SCHEDULER_OPTION, read_place

if TYPE_CHECKING:
    import numpy as np

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


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the command is asked: its argument and options, as click reads them."""

    file: Path
    out: Path
    trials: Path | None
    scan: tuple[str, ...]
    workers: int | None
    scheduler: str | None
    cluster: Path | None
    plot: Path | None
    record: tuple[str, ...]
    model: str | None
    backend: str
    engine: str
    max_spikes: int | None
    mpi: bool
    checkpoint_every: int | None
    resume: bool
    timeout: float
    as_json: bool

    @property
    def most(self) -> int:
        """How many spikes a trial or network may have."""
        return self.max_spikes or MOST_SPIKES

    @property
    def common(self) -> dict[str, Any]:
        """The options that all runs of trials and networks have, anew each time."""
        return {"engine": self.engine, "max_spikes": self.most, "as_json": self.as_json}


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
def simulate(**options: Any) -> None:
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
    asked = Asked(**options)
    check_places(asked)
    if asked.scan or asked.file.is_dir():
        simulate_many(asked)
        return
    if asked.workers or asked.scheduler or asked.cluster:
        raise click.UsageError(
            "Expected --workers, --scheduler and --cluster with --scan or a folder; leave them out."
        )
    if asked.file.suffix == ".toml":
        simulate_network(asked)
    else:
        simulate_arrays(asked)


def check_places(asked: Asked) -> None:
    """Raise if a file would be lost, or if options of long runs come with anything else."""
    from spiketheory.files import check_apart

    check_apart(asked.out, asked.trials, asked.plot)
    check_apart(asked.plot, asked.file, asked.trials)
    is_long = asked.mpi or asked.checkpoint_every is not None or asked.resume
    if is_long and (asked.scan or asked.trials or asked.file.suffix != ".toml"):
        raise click.UsageError(
            "Expected --mpi, --checkpoint-every and --resume with a single run of a network file "
            "(.toml); leave them out."
        )


def simulate_many(asked: Asked) -> None:
    """Simulate a network for every value of what is scanned, or every file of a folder."""
    from derivations import compile_model, compile_readout
    from spiketheory.commands.spread.scan import run_scan
    from spiketheory.files import check_apart

    if asked.trials or asked.plot or asked.model or asked.record:
        raise click.UsageError(
            "Expected --trials, --plot, --record and --model with a single run; leave them out."
        )
    check_apart(asked.out, asked.file)
    where = read_place(workers=asked.workers, scheduler=asked.scheduler, cluster=asked.cluster)
    compile_quickly = partial(compile_model, backend=asked.backend)
    run_scan(asked.file, asked.out, asked.scan, engine=asked.engine, max_spikes=asked.most,
             workers=asked.workers, where=where, as_json=asked.as_json,
             compile_model=compile_quickly, compile_readout=compile_readout)  # fmt: skip


def compile_apart(asked: Asked) -> "Callable[[str], CompiledModel]":
    """What compiles a model within the time that it has, and from no file that is written to."""
    from derivations import compile_model
    from spiketheory.files import check_apart

    compile_in_limit = compile_in_time(partial(compile_model, backend=asked.backend), asked.timeout)

    def compile_for(name: str) -> "CompiledModel":
        check_apart(asked.out, models=[name])
        check_apart(asked.plot, models=[name])
        return compile_in_limit(name)

    return compile_for


def simulate_network(asked: Asked) -> None:
    """Simulate the network of a network file: one trial, or a batch of them."""
    from derivations import compile_readout
    from sim.files.network_file import collect_network_results, read_network_file
    from sim.files.record_table import parse_record
    from spiketheory.commands.long_run import join_ranks, make_long_run
    from spiketheory.files import check_apart

    check_apart(asked.out, asked.file)
    if asked.model is not None:
        raise click.UsageError("Expected --model with an .npz file but got a network file.")
    out, plot, common = asked.out, asked.plot, asked.common
    with join_ranks(asked.mpi) as ranks:
        described = read_network_file(
            asked.file, compile_model=compile_apart(asked), compile_readout=compile_readout
        )
        network = described.network
        if asked.trials is not None:
            check_batch_options(plot, asked.record)
            simulate_trials(network, asked.trials, out, **common)
            return
        chosen = parse_record(asked.record, network)
        common["recorded"] = described.recorded if chosen is None else chosen
        common["long"] = make_long_run(
            ranks, out, every=asked.checkpoint_every, resume=asked.resume, engine=asked.engine
        )
        if out.suffix == ".h5":
            run_streamed(network, out, plot, **common)
        else:
            run_network(network, collect_network_results, out, plot, **common)


def simulate_arrays(asked: Asked) -> None:
    """Simulate what an .npz file describes: a trial of a recurrent network, or a batch."""
    from sim.files.batch_file import read_arrays
    from sim.files.trial_file import collect_results, drop_results, is_trial, read_trial_file
    from spiketheory.files import is_same_file

    if asked.record:
        raise click.UsageError("Expected --record with a network file (.toml) but got an .npz.")
    if asked.trials is not None:
        raise click.UsageError("Expected --trials with a network file (.toml) but got an .npz.")
    arrays = read_arrays(asked.file)
    if not is_trial(arrays):
        simulate_layers(asked, arrays)
        return
    trial = read_trial_file(
        asked.file, arrays, compile_model=compile_apart(asked), model=asked.model
    )
    collect = partial(collect_results, trial)
    kept = drop_results(trial, arrays) if is_same_file(asked.file, asked.out) else {}
    run_network(trial.network, collect, asked.out, asked.plot,
                record=trial.coefficients is not None, beside=kept, **asked.common)  # fmt: skip


def simulate_layers(asked: Asked, arrays: "dict[str, np.ndarray]") -> None:
    """Simulate a feedforward batch, write what came out of it, and say so."""
    from sim.files.batch_file import (
        count_spikes_by_layer,
        drop_answers,
        read_batch_file,
        simulate_batch,
        write_arrays,
    )
    from sim.layers.batch import MAX_SPIKES
    from spiketheory.commands.display import describe_simulation, format_json, format_simulation
    from spiketheory.files import is_same_file

    if asked.plot is not None or asked.engine not in ("auto", "layers"):
        raise click.UsageError(
            "Expected --plot and --engine events or plain with a trial of a recurrent network but "
            "got a feedforward batch, which layers run; leave them out."
        )
    batch = read_batch_file(
        asked.file, compile_model=compile_apart(asked), model=asked.model, arrays=arrays
    )
    results = simulate_batch(batch, max_spikes=asked.max_spikes or MAX_SPIKES)
    kept = drop_answers(arrays) if is_same_file(asked.file, asked.out) else {}
    write_arrays(asked.out, {**kept, **results})
    counts = count_spikes_by_layer(batch.network, results["spike_neuron"])
    summary = describe_simulation(batch, results, counts, asked.out)
    click.echo(format_json(summary) if asked.as_json else format_simulation(summary))


def check_batch_options(plot: Path | None, record: tuple[str, ...]) -> None:
    """Raise if an option of single trials comes with a batch."""
    if plot is not None or record:
        raise click.UsageError(
            f"Expected {'--record' if record else '--plot'} with a single trial but got --trials; "
            "leave out one of them."
        )
