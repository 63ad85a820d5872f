"""Run a network for the command line: progress, Ctrl-C, results that survive an early end."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.analysis.trial_figure import choose_probes, plot_recording
from sim.engine.choose import AUTO, simulate
from sim.engine.records import BatchRecording
from sim.events.recording import Advance, Recording
from sim.files.spike_stream import SpikeStream
from sim.inputs.trials import Trials
from sim.network.network import Network
from spiketheory.commands.display import say_what_was_written
from spiketheory.commands.run_progress import show_run
from spiketheory.interrupts import catch_interrupt

if TYPE_CHECKING:
    from rich.console import Console


def run_network(
    network: Network,
    console: "Console",
    *,
    engine: str = AUTO,
    record: bool = False,
    with_traces: bool = False,
    max_spikes: int,
    recorded: np.ndarray | None = None,
    stream: SpikeStream | None = None,
    line: Callable[[str], None] | None = None,
) -> Recording:
    """Run a network with a progress bar; Ctrl-C ends it at the last event.

    Args:
        network: The network.
        console: Where to show progress.
        engine: See `sim.engine.choose.simulate`, as are the rest.
        record: Whether to keep what gradients need.
        with_traces: Whether to probe the states that a figure shows.
        max_spikes: More spikes than this stop the run.
        recorded: Neurons whose spikes are kept; None for all.
        stream: Takes the spikes while it runs.
        line: See `spiketheory.commands.run_progress.show_run`.
    """
    options: dict[str, Any] = {"max_spikes": max_spikes, "record": record}
    if recorded is not None:
        options["recorded"] = recorded
    if with_traces:
        times, neurons = choose_probes(network.duration, network.n_neurons)
        options |= {"probe_times": times, "probed": neurons}
    if stream is not None:
        options["on_spikes"] = stream.add
    with show_run(console, network.duration, line=line) as show, catch_interrupt() as is_stopped:

        def on_advance(advance: Advance) -> bool:
            if stream is not None:
                stream.advance(advance.time)
            show(advance)
            return is_stopped()

        return simulate(network, engine=engine, on_advance=on_advance, **options)


def run_trials(
    network: Network, trials: Trials, console: "Console", *, engine: str = AUTO, max_spikes: int
) -> BatchRecording | None:
    """Run a batch of trials with a progress bar; None if it was stopped by Ctrl-C.

    Args:
        network: The network.
        trials: The batch.
        console: Where to show progress.
        engine: See `sim.engine.choose.simulate`.
        max_spikes: More spikes than this in a trial (or layer) are an error.
    """
    from spiketheory.commands.display import make_progress

    total = len(trials) * network.duration
    with make_progress(console) as bar, catch_interrupt() as is_interrupted:
        task = bar.add_task("Simulating", total=total, note="")
        done, before = 0, 0.0

        def on_advance(advance: Advance) -> bool:
            nonlocal done, before
            done += advance.time < before  # the next trial has begun
            before = advance.time
            bar.update(task, completed=done * network.duration + advance.time)
            return is_interrupted()

        found = simulate(
            network, trials, engine=engine, max_spikes=max_spikes, on_advance=on_advance
        )
        stopped = any(not recording.is_complete for recording in found.recordings)
        return None if stopped or is_interrupted() else found


def describe_batch(
    recording: BatchRecording, results: dict[str, np.ndarray], out: Path
) -> dict[str, Any]:
    """What a batch did, as plain values."""
    network = recording.network
    counts = np.bincount(recording.spike_neuron, minlength=network.n_neurons)
    return {
        "populations": [
            {
                "name": p.name,
                "model": p.model.name,
                "size": p.size,
                "spikes": int(counts[network.slices[p.name]].sum()),
            }
            for p in network.populations
        ],
        "connections": network.n_connections,
        "trials": len(recording),
        "spikes": len(recording.spike_time),
        "duration": network.duration,
        "engine": recording.engine,
        "fields": list(results),
        "out": str(out),
    }


def format_batch(summary: dict[str, Any]) -> str:
    """The same in words."""
    lines = [f"{summary['trials']} trials by the engine {summary['engine']!r}."]
    lines += [
        f"{p['size']} {p['model']} neurons ({p['name']}): {p['spikes']} spikes."
        for p in summary["populations"]
    ]
    return say_what_was_written(lines, summary)


def describe_recording(
    recording: Recording, results: Mapping[str, np.ndarray] | Sequence[str], out: Path
) -> dict[str, Any]:
    """What a run did, as plain values."""
    network = recording.network
    by_neuron = recording.spike_counts
    counts = [int(by_neuron[own].sum()) for _, own in network.parts]
    summary = {
        "populations": [
            {"name": p.name, "model": p.model.name, "size": p.size, "spikes": count}
            for p, count in zip(network.populations, counts, strict=True)
        ],
        "connections": network.n_connections,
        "spikes": int(by_neuron.sum()),
        "time": recording.time,
        "duration": network.duration,
        "fields": list(results),
        "out": str(out),
    }
    if recording.recorded is not None:
        summary["recorded"] = len(recording.recorded)
    if isinstance(results, Mapping) and "functional" in results:
        summary["functional"] = float(results["functional"])
    return summary


def format_recording(summary: dict[str, Any]) -> str:
    """The same in words."""
    lines = [
        f"{p['size']} {p['model']} neurons ({p['name']}): {p['spikes']} spikes."
        for p in summary["populations"]
    ]
    if "recorded" in summary:
        lines.append(f"The spikes of {summary['recorded']} neurons were kept.")
    if summary["time"] < summary["duration"]:
        lines.append(f"Stopped at t = {summary['time']:.6g} of T = {summary['duration']:g}.")
    if "functional" in summary:
        lines.append(f"Functional {summary['functional']:.12g}.")
    return say_what_was_written(lines, summary)


def draw_if_asked(recording: Recording, plot: Path | None) -> None:
    """Write the figure of a run if there is a path for it."""
    if plot is not None:
        plot_recording(recording, plot)
