"""Work on several processes by Dask: the same numbers, whoever does it, dies, or joins."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from commands import ROOT, run, run_ok

from sim.cluster.client import ClusterOptions, open_client, read_cluster_file
from spiketheory.errors import InputError
from spiketheory.machine.versions import check_versions, describe_versions
from tests.extras import need

need("distributed", "cluster")

pytestmark = [
    pytest.mark.usefixtures("empty_folder"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]


@pytest.fixture
def empty_folder(tmp_path, monkeypatch):
    """An empty working folder; compiled kernels are shared with all other tests."""
    monkeypatch.chdir(tmp_path)


DIGITS = ("--hidden", "10", "--epochs", "2")
IN_TIME = ("--model", "lif", "--readout", "leaky_integrator", "--hidden", "10", "--recurrent",
           "--delay", "0.5", "--epochs", "1", "--clip-sample", "2", "--count-jumps", "0",
           )  # fmt: skip


def read_arrays(folder):
    """What a checkpoint holds, but for how long it took."""
    with np.load(Path(folder) / "checkpoint.npz") as file:
        return {name: file[name].tobytes() for name in file if name.startswith("array.")}


def train_alone(folder, *options, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setenv("SPIKETHEORY_THREADS", "1")
        run_ok("train", *options, "--out", folder, "--json")
    return read_arrays(folder)


def write_sweep(*, epochs=1, more=""):
    Path("sweep.toml").write_text(
        f"[base]\ndataset = 'digits'\nhidden = [10]\nepochs = {epochs}\n"
        f"[vary]\nlearning_rate = [0.01, -1.0]\nseed = [0, 1]\n{more}"
    )


def list_runs(folder):
    return json.loads((Path(folder) / "sweep.json").read_text())["runs"]


def test_a_sweep_gives_the_numbers_of_single_runs_and_what_fails_is_a_row(monkeypatch):
    write_sweep()
    said = run_ok("sweep", "sweep.toml", "--out", "swept", "--workers", "2").output
    runs = list_runs("swept")
    assert [one["status"] for one in runs] == ["done", "done", "failed", "failed"]
    assert "learning_rate" in runs[2]["reason"]
    assert "Run 2 failed: Expected" in said
    alone = train_alone("alone", "--hidden", "10", "--epochs", "1", "--learning-rate", "0.01",
                        "--seed", "1", monkeypatch=monkeypatch)  # fmt: skip
    assert read_arrays(Path("swept") / runs[1]["folder"]) == alone
    table = json.loads(Path("swept/sweep.json").read_text())
    accuracies = [one["validation_accuracy"] for one in runs[:2]]
    assert table["best"]["mean"] == pytest.approx(np.mean(accuracies), abs=1e-15)
    assert table["best"]["spread"] == pytest.approx(np.std(accuracies, ddof=1), abs=1e-15)
    assert [s["failed"] for s in table["settings"]] == [0, 2]
    assert Path("swept/sweep.png").read_bytes()[:4] == b"\x89PNG"
    again = run("sweep", "sweep.toml", "--out", "swept")
    assert again.exit_code == 2
    assert "--resume swept" in again.output
    before = Path("swept", runs[0]["folder"], "checkpoint.npz").stat().st_mtime_ns
    run_ok("sweep", "--resume", "swept", "--workers", "1")
    assert Path("swept", runs[0]["folder"], "checkpoint.npz").stat().st_mtime_ns == before
    assert list_runs("swept") == runs


@pytest.mark.parametrize("options", [DIGITS, IN_TIME], ids=["first_spikes", "in_time"])
def test_training_on_workers_gives_the_bits_of_one_thread(options, monkeypatch):
    alone = train_alone("alone", *options, monkeypatch=monkeypatch)
    run_ok("train", *options, "--out", "shared", "--workers", "2", "--json")
    assert read_arrays("shared") == alone


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("options", [DIGITS, IN_TIME], ids=["first_spikes", "in_time"])
def test_any_number_of_workers_and_threads_gives_these_bits(options, workers, threads, monkeypatch):
    alone = train_alone("alone", *options, monkeypatch=monkeypatch)
    run_ok("train", *options, "--out", "shared", "--workers", workers, "--threads", threads)
    assert read_arrays("shared") == alone


# --- processes that are started by hand ----------------------------------------------------------


def start_dask(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "dask", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "SPIKETHEORY_THREADS": "1"},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.fixture
def cluster():
    """A scheduler, its address, and workers as they are asked for."""

    class Cluster:
        def __init__(self):
            self.file = Path("scheduler.json").absolute()
            self.scheduler = start_dask("scheduler", "--host", "127.0.0.1", "--port", "0",
                                        "--no-dashboard", "--scheduler-file", self.file,
                                        )  # fmt: skip
            wait_for(self.file.exists)
            self.address = json.loads(self.file.read_text())["address"]
            self.workers = []

        def add_worker(self, *options):
            self.workers.append(start_dask("worker", self.address, "--nthreads", "1",
                                           "--no-nanny", "--no-dashboard", *options))  # fmt: skip
            return self.workers[-1]

    found = Cluster()
    yield found
    for process in (*found.workers, found.scheduler):
        process.kill()
        process.wait()


def wait_for(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def start_cli(*arguments):
    return subprocess.Popen(
        [sys.executable, str(ROOT / "cli.py"), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.slow
def test_a_sweep_survives_a_worker_that_is_killed(cluster, monkeypatch):
    write_sweep(epochs=6)
    first = cluster.add_worker()
    cluster.add_worker()
    process = start_cli("sweep", "sweep.toml", "--out", "swept", "--scheduler", cluster.address)
    wait_for(lambda: any(Path("swept/runs").glob("*/metrics.csv")))
    first.send_signal(signal.SIGKILL)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, out + err
    runs = list_runs("swept")
    assert [one["status"] for one in runs] == ["done", "done", "failed", "failed"]
    for seed in (0, 1):
        alone = train_alone(f"alone{seed}", "--hidden", "10", "--epochs", "6", "--learning-rate",
                            "0.01", "--seed", seed, monkeypatch=monkeypatch)  # fmt: skip
        assert read_arrays(Path("swept") / runs[seed]["folder"]) == alone


@pytest.mark.slow
@pytest.mark.parametrize("options", [DIGITS, IN_TIME], ids=["first_spikes", "in_time"])
def test_training_survives_a_worker_that_is_killed_and_takes_one_that_joins(
    options, cluster, monkeypatch
):
    alone = train_alone("alone", *options, monkeypatch=monkeypatch)
    first = cluster.add_worker()
    cluster.add_worker()
    process = start_cli("train", *options, "--out", "shared", "--scheduler", cluster.address)
    wait_for(lambda: Path("shared/checkpoint.npz").exists())
    first.send_signal(signal.SIGKILL)
    cluster.add_worker()
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, out + err
    assert read_arrays("shared") == alone


@pytest.mark.slow
def test_a_scheduler_that_goes_away_ends_a_sweep_which_goes_on_elsewhere(cluster):
    write_sweep(epochs=30)
    cluster.add_worker()
    process = start_cli("sweep", "sweep.toml", "--out", "swept", "--scheduler", cluster.address)
    wait_for(lambda: any(Path("swept/runs").glob("*/metrics.csv")))
    cluster.scheduler.kill()
    out, err = process.communicate(timeout=300)
    assert process.returncode == 2, out + err
    assert "--resume swept" in err
    for worker in cluster.workers:
        worker.kill()
        worker.wait()
    run_ok("sweep", "--resume", "swept", "--workers", "1")
    assert [one["status"] for one in list_runs("swept")][:2] == ["done", "done"]


@pytest.mark.slow
def test_a_check_finds_the_same_failure_on_one_and_two_workers(cluster):
    options = ("check", "--model", "lif", "--examples", "40", "--json")
    alone = run(*options, "--workers", "1")
    cluster.add_worker()
    one = run(*options, "--scheduler", cluster.address)
    cluster.add_worker()
    two = run(*options, "--scheduler", cluster.address)
    assert alone.exit_code == one.exit_code == two.exit_code == 1
    assert json.loads(alone.output) == json.loads(one.output) == json.loads(two.output)


def test_a_check_goes_on_where_it_was_stopped():
    options = ("check", "--model", "theta", "--examples", "5", "--json", "--workers", "1")
    whole = run(*options)
    first = run(*options, "--resume", "theta.jsonl")
    lines = Path("theta.jsonl").read_text().splitlines(keepends=True)
    Path("theta.jsonl").write_text("".join(lines[:4]) + lines[4][:7])  # in mid-write
    again = run(*options, "--resume", "theta.jsonl")
    assert json.loads(whole.output) == json.loads(first.output) == json.loads(again.output)
    assert len(Path("theta.jsonl").read_text().splitlines()) == len(lines)
    other = run("check", "--model", "theta", "--examples", "6", "--resume", "theta.jsonl")
    assert other.exit_code == 2
    assert "Expected the journal theta.jsonl to be of this check" in other.output


# --- what is refused -----------------------------------------------------------------------------


def test_an_address_where_nobody_answers_is_refused(monkeypatch):
    monkeypatch.setattr("sim.cluster.client.CONNECT_SECONDS", 1)
    write_sweep()
    found = run("sweep", "sweep.toml", "--scheduler", "tcp://127.0.0.1:9")
    assert found.exit_code == 2
    assert "Expected a scheduler at" in found.output


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [("numba", "0.1", r"pip install numba==0\.1"), ("cpu", "other +avx", "NUMBA_CPU_NAME=generic"),
     ("python", "2.7", r"use python 2\.7")],
)  # fmt: skip
def test_a_worker_that_computes_otherwise_is_refused(name, value, remedy):
    check_versions(describe_versions(), whose="the worker w")
    with pytest.raises(InputError, match=f"Expected the worker w to.*{remedy}"):
        check_versions({**describe_versions(), name: value}, whose="the worker w")


@pytest.mark.parametrize(
    "text",
    ["kind = 'slurm'", "kind = 'punched cards'\nworkers = 2", "kind = 'slurm'\nworkers = 0",
     "kind = 'slurm'\nworkers = 2\noptions = 3", "kind = 'slurm'\nworkers = 2\nqueue = 'a'", "a ="],
)  # fmt: skip
def test_a_cluster_file_that_is_none_is_refused(text):
    Path("cluster.toml").write_text(text)
    with pytest.raises(InputError, match=r"cluster\.toml"):
        read_cluster_file(Path("cluster.toml"))


def test_options_that_contradict_each_other_are_refused():
    write_sweep()
    both = run("sweep", "sweep.toml", "--workers", "2", "--scheduler", "tcp://127.0.0.1:9")
    assert both.exit_code == 2
    assert not Path("runs").exists()
    assert run("sweep").exit_code == 2
    Path("cluster.toml").write_text("kind = 'slurm'\nworkers = 2\n[options]\ncores = 1\n")
    with (
        pytest.raises(InputError, match=r"dask_jobqueue|Expected"),
        open_client(ClusterOptions(file=Path("cluster.toml"))),
    ):
        pass
