"""Work on several processes of this machine by Dask: the numbers of one."""

import json
from pathlib import Path

import numpy as np
import pytest
from clusters import kill, read_arrays, start_cli, wait_for
from commands import run, run_ok

from sim.cluster.client import ClusterOptions, check_threads, open_client, read_cluster_file
from spiketheory.errors import InputError, WorkerError
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


@pytest.mark.parametrize(
    "options",
    [pytest.param(DIGITS, id="first_spikes"),
     pytest.param(IN_TIME, id="in_time", marks=pytest.mark.slow)],
)  # fmt: skip
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


SEARCH = """[base]
dataset = "digits"
hidden = [10]
epochs = 4
[search]
method = "halving"
runs = 5
[search.space]
learning_rate = {from = 1e-3, to = 1e-1, scale = "log"}
batch = {from = 50, to = 200, whole = true}
"""


@pytest.mark.slow
def test_a_search_stops_the_same_runs_on_any_number_of_workers_and_after_it_was_killed():
    pytest.importorskip("optuna")
    Path("sweep.toml").write_text(SEARCH)
    lines = run_ok("sweep", "sweep.toml", "--out", "one", "--workers", "1", "--log-json").stdout
    run_ok("sweep", "sweep.toml", "--out", "two", "--workers", "2", "--json")
    states = [one["status"] for one in list_runs("one")]
    assert sorted(json.loads(line)["number"] for line in lines.splitlines()) == list(range(5))
    assert {"done", "stopped"} == set(states)
    process = start_cli("sweep", "sweep.toml", "--out", "three", "--workers", "1")
    wait_for(lambda: any(Path("three/runs").glob("*/metrics.csv")))
    kill(process)
    run_ok("sweep", "--resume", "three", "--workers", "1", "--json")
    for other in ("two", "three"):
        assert [one["status"] for one in list_runs(other)] == states
        for a, b in zip(list_runs("one"), list_runs(other), strict=True):
            assert read_arrays(Path("one") / a["folder"]) == read_arrays(Path(other) / b["folder"])


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
    with pytest.raises(WorkerError, match=f"Expected the worker w to.*{remedy}"):
        check_versions({**describe_versions(), name: value}, whose="the worker w")


def test_a_worker_of_several_tasks_is_refused():
    check_threads(1, whose="the worker w")
    with pytest.raises(WorkerError, match=r"Expected the worker w to do one task .*--nthreads 1"):
        check_threads(4, whose="the worker w")


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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"memory": "much"}, "Expected a size such as 4GB for --memory but got 'much'"),
        ({"memory": "-1GB"}, "Expected a size such as 4GB"),
        ({"scheduler": "abc"}, "Expected a scheduler at 'abc' but got none .missing port"),
        ({"scheduler": "http://127.0.0.1:9"}, "unknown address scheme 'http'"),
    ],
)
def test_a_cluster_that_cannot_be_opened_says_why(options, message):
    with pytest.raises(InputError, match=message), open_client(ClusterOptions(**options)):
        pass


def test_jobs_are_submitted_where_the_program_for_it_is(monkeypatch):
    pytest.importorskip("dask_jobqueue")
    monkeypatch.setenv("PATH", "")
    Path("cluster.toml").write_text("kind = 'pbs'\nworkers = 2\n[options]\ncores = 1\n")
    options = ClusterOptions(file=Path("cluster.toml"))
    message = r"Expected the program qsub .*cluster\.toml but this machine has none"
    with pytest.raises(InputError, match=message), open_client(options):
        pass


def test_a_sweep_that_found_no_cluster_leaves_no_folder(monkeypatch):
    write_sweep()
    for _ in range(2):
        found = run("sweep", "sweep.toml", "--out", "swept", "--workers", "1", "--memory", "much")
        assert found.exit_code == 2
        assert "--memory" in found.stderr
        assert not Path("swept").exists()
