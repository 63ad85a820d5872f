"""The inside of ``simulate --scan`` and of ``simulate FOLDER``: many runs, one file of results."""

import sys
from concurrent.futures import as_completed
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spiketheory.commands.spread.processes import open_processes

if TYPE_CHECKING:
    from sim.cluster.client import ClusterOptions

TASKS_PER_WORKER = 4
"""So that no worker waits long for another."""
TASKS_OF_CLUSTERS = 64
"""At least, so that workers that join later have some to do."""


# Long: it says what to do, step by step.
def run_scan(
    file: Path,
    out: Path,
    texts: tuple[str, ...],
    *,
    engine: str,
    max_spikes: int,
    workers: int | None,
    where: "ClusterOptions | None",
    as_json: bool,
    **how: Any,
) -> None:
    """Run a network for every combination of values, or every file of a folder."""
    from sim.files.scan import (
        check_settings,
        check_suffix,
        collect_scan,
        cut_tasks,
        list_settings,
        parse_axis,
        run_scan_task,
        write_scan,
    )
    from sim.threads import get_thread_count
    from spiketheory.commands.display import format_json, make_progress, say_what_was_written
    from spiketheory.commands.terminal import make_console

    check_suffix(out)
    axes = [parse_axis(text) for text in texts]
    settings = list_settings(file, axes)
    check_settings(file, axes)
    number = workers or get_thread_count()
    with open_processes(where, number) as pool:
        n_tasks = max(TASKS_PER_WORKER * pool.count(), 0 if where is None else TASKS_OF_CLUSTERS)
        tasks = cut_tasks(file, settings, n_tasks, engine=engine, max_spikes=max_spikes, **how)
        console = make_console(stderr=True, quiet=as_json or not sys.stderr.isatty())
        with make_progress(console) as bar:
            line = bar.add_task("Runs", total=len(settings), note="")
            futures = {pool.submit(run_scan_task, task): task for task in tasks}
            for future in as_completed(futures):
                future.result()
                bar.update(line, advance=len(futures[future].settings))
        results = [one for future in futures for one in future.result()]
    arrays, dims = collect_scan(file, axes, results)
    write_scan(out, arrays, dims)
    summary = {
        "runs": len(results), "axes": {a.name: len(a.values) for a in axes},
        "spikes": int(arrays["n_spikes"].sum()), "fields": list(arrays), "out": str(out),
    }  # fmt: skip
    said = [f"{summary['runs']} runs: {summary['spikes']} spikes."]
    click.echo(format_json(summary) if as_json else say_what_was_written(said, summary))
