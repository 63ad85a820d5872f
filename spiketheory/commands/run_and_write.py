"""Run what `simulate` was given, write what came out of it, and say so."""

import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import click

from spiketheory.commands.common import end_stopped

if TYPE_CHECKING:
    import numpy as np

    from sim.events.recording import Recording
    from sim.network.network import Network
    from spiketheory.commands.long_run import LongRun


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
