"""What ranks run in tests, a program of its own, `python ranked_runs.py FOLDER`; and starting them.

Each rank writes what became of every case to ``FOLDER/RANK.npz``.
"""

import dataclasses
import itertools
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from commands import ROOT
from networks import compiled

from sim.events.recording import StoppedError
from sim.network.drawn import Drawn
from sim.network.network import Network, Population, Projection, SpikeTrains
from sim.windows import ranks as module
from sim.windows.ranked import RankedRun, simulate_in_ranks
from sim.windows.ranks import Ranks, load_mpi, open_ranks
from sim.windows.saved import Saver
from spiketheory.errors import SpiketheoryError

OPTIONS = {"probe_times": [0.5, 0.55, 2.0], "probed": [40, 3, 17, 0, 33]}


def draw_network(drive=0.0, duration=2.0):
    """Models with and without a frame, parameters per neuron, inputs, delays per connection.

    The shortest delay is between neurons of the first rank.

    ``drive`` is what one neuron of the last rank gets more.
    """
    rng, size = np.random.default_rng(0), 16
    starts = {"qif": 0.0, "lif_delta": np.linspace(1.2, 1.5, size), "theta": 6.6}
    starts["lif_delta"][-1] += drive
    populations = [
        Population(
            name=name, model=compiled(name), size=size,
            parameters={} if name == "qif" else {"I0": I0},
            initial={"phi0" if name == "theta" else "V": rng.uniform(0, 1, size)},
        )
        for name, I0 in starts.items()
    ]  # fmt: skip
    projections = [
        Projection(
            pre=pre, post=post, weights=Drawn(
                rule="in_degree", number=4, shape=(size, size), weight=rng.normal(0.02, 0.1),
                delay=0.1 if pre == post == "qif" else 0.15, stream=stream,
            ),
        )
        for stream, (pre, post) in enumerate(itertools.product(starts, repeat=2))
    ]  # fmt: skip
    own = rng.uniform(0.1, 0.4, (size, size)).round(2)
    weights = np.full((size, size), 0.05)
    projections.append(Projection(pre="theta", post="qif", weights=weights, delays=own))
    times = np.sort(rng.uniform(0, duration, 30)).round(2)
    trains = SpikeTrains(name="in", size=4, times=times, channels=rng.integers(0, 4, 30))
    projections += [
        Projection(pre="in", post="theta", weights=rng.normal(0.3, 0.1, (size, 4))),
        Projection(pre="in", post="qif", weights=np.full((size, 4), 0.2), delays=own[:, :4]),
    ]
    return Network(
        populations=populations, inputs=[trains], projections=projections, duration=duration
    )


def lose_state():
    """The same, with inputs that no state of the last neuron survives."""
    network, times = draw_network(), 0.7 + 0.001 * np.arange(10)
    hits = SpikeTrains(name="hits", size=1, times=times, channels=np.zeros(10, int))
    more = Projection(pre="hits", post="theta", weights=1e100 * np.eye(16)[:, -1:], delays=0.2)
    return dataclasses.replace(
        network, inputs=[*network.inputs, hits], projections=[*network.projections, more]
    )


def fail_to_write(run, *_):
    """What stands in the place of `RankedRun.put_others` in the last rank."""
    if run.ranks.number < run.ranks.size - 1:
        return PUT_OTHERS(run, *_)
    raise MemoryError("no room")


PUT_OTHERS = RankedRun.put_others
ERRORS = {
    "lost": (lose_state, {}),
    "runaway": (draw_network, {"max_spikes": 40, "probe_times": [0.3], "probed": [1]}),
    "endless": (lambda: draw_network(1e9), {"max_spikes": 300}),
}
"""Runs that end early, by name: network and options."""


def note(function, *arguments, **options):
    """What became of a call: fields of a recording, and the error."""
    try:
        recording, error = function(*arguments, **options), ""
    except StoppedError as err:
        recording, error = err.recording, str(err)
    except (SpiketheoryError, MemoryError) as err:
        return SimpleNamespace(error=f"{type(err).__name__}: {err}")
    return SimpleNamespace(
        error=error, times=recording.spike_time, neurons=recording.spike_neuron,
        end=recording.end, probed=recording.probed_coordinates, counts=recording.spike_counts,
    )  # fmt: skip


def differ_in_versions(ranks):
    """The last rank says that it has another NumPy."""
    own = module.describe_versions
    if ranks.number == ranks.size - 1:
        module.describe_versions = lambda: own() | {"numpy": "1.0"}
    module.check_ranks(ranks)


def run_cases(folder, names):
    """All cases in one start of the ranks, which takes longer than these."""
    world, found = load_mpi().COMM_WORLD, {}
    run = simulate_in_ranks
    for name in names:
        ranks = open_ranks()
        if name == "whole":
            saves = []
            saver = Saver(5, saves.append)
            found[name] = note(run, draw_network(), ranks, block_size=10, saver=saver, **OPTIONS)
            found["saves"] = saves
        elif name == "goes on":
            saved = pickle.loads((folder / "saved.pickle").read_bytes())
            saver = Saver(None, print, saved)
            found[name] = note(run, draw_network(), ranks, saver=saver, **OPTIONS)
        elif name == "failed":
            RankedRun.put_others = fail_to_write
            found[name] = note(run, draw_network(), ranks)
            RankedRun.put_others = PUT_OTHERS
        elif name == "versions":
            found[name] = note(differ_in_versions, Ranks(world))
        else:
            draw, options = ERRORS[name]
            found[name] = note(run, draw(), ranks, **options)
    (folder / f"{world.Get_rank()}.pickle").write_bytes(pickle.dumps(found))


def find_mpirun():
    """The program that starts ranks, beside this interpreter or on the path; None without."""
    beside = Path(sys.executable).with_name("mpirun")
    return str(beside) if beside.exists() else shutil.which("mpirun")


def start_ranks(n, *arguments, **environment):
    """Start a Python program on ranks."""
    start = [find_mpirun(), "--allow-run-as-root", "--oversubscribe", "--bind-to", "none"]
    places = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    return subprocess.Popen(
        [*start, "-n", str(n), sys.executable, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": places, "SPIKETHEORY_THREADS": "1", **environment},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def run_in_ranks(n, folder, *names):
    """What became of cases, as each rank saw it."""
    process = start_ranks(n, __file__, folder, *names)
    _, stderr = process.communicate(timeout=240)
    assert process.returncode == 0, stderr
    return [pickle.loads((folder / f"{k}.pickle").read_bytes()) for k in range(n)]


if __name__ == "__main__":
    run_cases(Path(sys.argv[1]), sys.argv[2:])
