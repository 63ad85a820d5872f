"""Schedulers and workers of Dask in processes of their own, started as by hand on loopback."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from commands import ROOT, hear_signals

ENVIRONMENT = {
    "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
    "SPIKETHEORY_THREADS": "1",
}


class Cluster:
    """A scheduler, its address, and workers as they are asked for."""

    def __init__(self):
        self.file = Path("scheduler.json").absolute()
        self.workers = []
        self.scheduler = start_dask("scheduler", "--host", "127.0.0.1", "--port", "0",
                                    "--no-dashboard", "--scheduler-file", self.file)  # fmt: skip
        wait_for(self.file.exists)
        self.address = json.loads(self.file.read_text())["address"]

    def add_worker(self, *options, code=None, folder=None, wait=False, **environment):
        """A worker; ``wait`` until it is there."""
        name = f"w{len(self.workers)}"
        given = ("worker", self.address, "--no-dashboard", "--name", name, *options)
        given += () if "--nthreads" in options else ("--nthreads", "1")
        given += () if "--nanny" in options else ("--no-nanny",)
        self.workers.append(start_dask(*given, code=code, folder=folder, **environment))
        if wait:
            wait_for(lambda: self.count() == len(self.workers))
        return self.workers[-1]

    def count(self):
        """How many workers are there."""
        from distributed import Client

        with Client(self.address, timeout=60) as client:
            return len(client.scheduler_info(n_workers=-1)["workers"])

    def close(self):
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()


def start_dask(*arguments, code=None, folder=None, **environment):
    """A process of Dask's; ``code`` is run first in it."""
    kind = {"scheduler": "dask_scheduler", "worker": "dask_worker"}[arguments[0]]
    program = f"{code or ''}\nfrom distributed.cli.{kind} import main; main()"
    with Path(f"{arguments[0]}-{time.monotonic_ns()}.log").open("w") as log:
        return subprocess.Popen(
            [sys.executable, "-c", program, *map(str, arguments[1:])],
            env={**os.environ, **ENVIRONMENT, **environment}, cwd=folder, stdout=log,
            stderr=subprocess.STDOUT,
        )  # fmt: skip


def start_cli(*arguments, **environment):
    """The program, in a process of its own."""
    return subprocess.Popen(
        [sys.executable, str(ROOT / "cli.py"), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=hear_signals,
    )  # fmt: skip


def end_cli(process, code=0):
    """What a program says by the time it ends, with an exit code."""
    out, err = process.communicate(timeout=600)
    assert process.returncode == code, out + err
    return out, " ".join(err.split())


def kill(process):
    """Signal 9."""
    process.send_signal(signal.SIGKILL)
    process.wait()


def wait_for(condition, seconds=400):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def read_arrays(folder):
    """What a checkpoint holds, but for how long it took."""
    with np.load(Path(folder) / "checkpoint.npz") as file:
        return {name: file[name].tobytes() for name in file if name.startswith("array.")}


def take_all_memory():
    """Take memory until this process is ended; at most 3 GB."""
    taken = []
    for _ in range(100):
        taken.append(np.ones(4_000_000))
        time.sleep(0.02)
    return len(taken)


def name_process(_):
    """Which process this is."""
    time.sleep(0.1)
    return os.getpid()
