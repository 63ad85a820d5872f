"""Schedulers and workers started by hand, that die, join late, or are not as they should be."""

import json
import re
from pathlib import Path

import pytest
from clusters import (
    Cluster,
    end_cli,
    kill,
    name_process,
    read_arrays,
    start_cli,
    take_all_memory,
    wait_for,
)
from commands import run, run_ok

from sim.cluster.client import ClusterOptions
from sim.cluster.pool import open_pool
from spiketheory.errors import ClusterError
from tests.extras import need

need("distributed", "cluster")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),  # other programs may have most of the machine
    pytest.mark.usefixtures("empty_folder"),
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore:Mismatched versions"
    ),
]
DIGITS = ("--hidden", "10", "--epochs", "2")
IN_TIME = ("--model", "lif", "--readout", "leaky_integrator", "--hidden", "10", "--recurrent",
           "--delay", "0.5", "--epochs", "1", "--clip-sample", "2", "--count-jumps", "0",
           )  # fmt: skip
OTHER_NUMPY = """
import importlib.metadata as metadata
true = metadata.version
metadata.version = lambda name: "0.0.1" if name == "numpy" else true(name)
"""
NO_SPIKETHEORY = "import sys; sys.modules['sim'] = None"
FULL_DISK = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, 8_000))
"""


@pytest.fixture
def empty_folder(tmp_path, monkeypatch):
    """An empty working folder; compiled kernels are shared with all other tests."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def cluster():
    found = Cluster()
    yield found
    found.close()


def write_sweep(*, epochs=1, rates="[0.01, -1.0]"):
    Path("sweep.toml").write_text(
        f"[base]\ndataset = 'digits'\nhidden = [10]\nepochs = {epochs}\n"
        f"[vary]\nlearning_rate = {rates}\nseed = [0, 1]\n"
    )


def start_sweep(cluster):
    return start_cli("sweep", "sweep.toml", "--out", "swept", "--scheduler", cluster.address)


def has_begun():
    return any(Path("swept/runs").glob("*/metrics.csv"))


def list_runs(folder="swept"):
    return json.loads((Path(folder) / "sweep.json").read_text())["runs"]


def list_states(folder="swept"):
    return [one["status"] for one in list_runs(folder)]


def train_alone(folder, *options, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setenv("SPIKETHEORY_THREADS", "1")
        run_ok("train", *options, "--out", folder, "--json")
    return read_arrays(folder)


# --- processes that die and join -----------------------------------------------------------------


def test_a_sweep_survives_a_worker_that_is_killed(cluster, monkeypatch):
    write_sweep(epochs=6)
    first = cluster.add_worker()
    Path("elsewhere").mkdir()
    cluster.add_worker(folder="elsewhere")
    process = start_sweep(cluster)
    wait_for(has_begun)
    kill(first)
    end_cli(process)
    assert list_states() == ["done", "done", "failed", "failed"]
    assert not [p for p in Path("elsewhere").iterdir() if p.suffix != ".log"]
    for seed in (0, 1):
        alone = train_alone(f"alone{seed}", "--hidden", "10", "--epochs", "6", "--learning-rate",
                            "0.01", "--seed", seed, monkeypatch=monkeypatch)  # fmt: skip
        assert read_arrays(Path("swept") / list_runs()[seed]["folder"]) == alone


@pytest.mark.parametrize("options", [DIGITS, IN_TIME], ids=["first_spikes", "in_time"])
def test_training_survives_a_worker_that_is_killed_and_takes_one_that_joins(
    options, cluster, monkeypatch
):
    alone = train_alone("alone", *options, monkeypatch=monkeypatch)
    first = cluster.add_worker()
    cluster.add_worker()
    process = start_cli("train", *options, "--out", "shared", "--scheduler", cluster.address)
    wait_for(lambda: Path("shared/checkpoint.npz").exists())
    kill(first)
    cluster.add_worker()
    end_cli(process)
    assert read_arrays("shared") == alone


def test_a_scheduler_that_goes_away_ends_a_sweep_which_goes_on_elsewhere(cluster):
    write_sweep(epochs=30)
    cluster.add_worker()
    process = start_sweep(cluster)
    wait_for(has_begun)
    kill(cluster.scheduler)
    _, said = end_cli(process, 2)
    assert "Expected the scheduler to stay" in said
    assert "go on with --resume swept" in said
    for worker in cluster.workers:
        kill(worker)
    run_ok("sweep", "--resume", "swept", "--workers", "1")
    assert list_states()[:2] == ["done", "done"]


def test_a_scheduler_that_goes_away_ends_a_check_and_a_training(cluster):
    cluster.add_worker(wait=True)
    checking = start_cli("check", "--model", "theta", "--examples", "4000", "--scheduler",
                         cluster.address, "--resume", "theta.jsonl")  # fmt: skip
    wait_for(lambda: count_lines("theta.jsonl") > 3)
    training = start_cli("train", "--hidden", "10", "--epochs", "500", "--out", "shared",
                         "--scheduler", cluster.address)  # fmt: skip
    wait_for(lambda: Path("shared/checkpoint.npz").exists())
    kill(cluster.scheduler)
    assert "What was done is in theta.jsonl" in end_cli(checking, 2)[1]
    assert "go on with --resume" in end_cli(training, 2)[1]
    assert count_lines("theta.jsonl") > 3


def count_lines(path):
    return len(Path(path).read_text().splitlines()) if Path(path).exists() else 0


def test_workers_that_join_late_get_work(cluster):
    cluster.add_worker(wait=True)
    with open_pool(ClusterOptions(scheduler=cluster.address)) as pool:
        assert pool.count() == 1
        first = pool.submit(name_process, 0).result()
        cluster.add_worker(wait=True)
        assert pool.count() == 2
        later = [pool.submit(name_process, k) for k in range(30)]
        assert {future.result() for future in later} > {first}


def test_a_campaign_that_is_killed_goes_on_with_the_same_totals(cluster):
    options = ("check", "--model", "theta", "--examples", "150", "--json")
    alone = run(*options, "--workers", "1")
    first = cluster.add_worker(wait=True)
    shared = (*options, "--scheduler", cluster.address, "--resume", "theta.jsonl")
    process = start_cli(*shared)
    wait_for(lambda: count_lines("theta.jsonl") > 8)
    cluster.add_worker(wait=True)
    kill(process)
    before = count_lines("theta.jsonl")
    kill(first)
    out, _ = end_cli(start_cli(*shared))
    assert before < count_lines("theta.jsonl")
    assert json.loads(out) == json.loads(alone.output)


def test_a_check_finds_the_same_failure_on_one_and_two_workers(cluster):
    options = ("check", "--model", "lif", "--examples", "40", "--json")
    alone = run(*options, "--workers", "1")
    cluster.add_worker(wait=True)
    one = run(*options, "--scheduler", cluster.address)
    cluster.add_worker(wait=True)
    two = run(*options, "--scheduler", cluster.address)
    assert alone.exit_code == one.exit_code == two.exit_code == 1
    assert json.loads(alone.output) == json.loads(one.output) == json.loads(two.output)


# --- workers that are not as they should be ------------------------------------------------------


def test_a_function_that_takes_all_memory_of_workers_ends_in_words(cluster):
    cluster.add_worker("--nanny", "--memory-limit", "600MB", wait=True)
    options = ClusterOptions(scheduler=cluster.address)
    message = "Expected the workers to live but several died over"
    with pytest.raises(ClusterError, match=message), open_pool(options) as pool:
        pool.submit(take_all_memory).result()
    with open_pool(options) as pool:  # the worker has been started anew
        assert pool.submit(name_process, 0).result()


def test_a_run_that_workers_die_over_is_a_row_that_says_why():
    write_sweep(rates="[0.01]")
    said = run_ok("sweep", "sweep.toml", "--out", "swept", "--workers", "1", "--memory", "150MB")
    assert list_states() == ["failed", "failed"]
    assert "give them more with --memory" in said.output
    run_ok("sweep", "--resume", "swept", "--workers", "1")
    assert list_states() == ["done", "done"]


def test_a_full_disk_fails_runs_in_words_and_they_are_done_where_there_is_room(cluster):
    write_sweep(rates="[0.01]")
    full = cluster.add_worker(code=FULL_DISK, wait=True)
    end_cli(start_sweep(cluster))
    assert list_states() == ["failed", "failed"]
    reason = list_runs()[0]["reason"]
    assert "Expected to write" in reason
    assert "File too large" in reason
    kill(full)
    cluster.add_worker()
    end_cli(start_cli("sweep", "--resume", "swept", "--scheduler", cluster.address))
    assert list_states() == ["done", "done"]


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ({"code": OTHER_NUMPY}, "to have numpy .* but got 0.0.1; pip install numpy=="),
        ({"code": NO_SPIKETHEORY}, "to have spiketheory .* install it there"),
        ({"NUMBA_CPU_NAME": "generic"}, "to compile for the processor of the client"),
    ],
    ids=["another_version", "no_spiketheory", "another_processor"],
)
def test_a_worker_that_computes_otherwise_is_refused(what, message, cluster):
    write_sweep()
    cluster.add_worker(wait=True, **what)
    for command in (
        ("sweep", "sweep.toml", "--out", "swept"),
        ("train", "--hidden", "10", "--epochs", "1", "--out", "shared"),
        ("check", "--model", "theta", "--examples", "2"),
    ):
        _, said = end_cli(start_cli(*command, "--scheduler", cluster.address), 2)
        assert "Traceback" not in said
        assert re.search(f"Expected the worker tcp://.* {message}", said), said


def test_a_worker_of_many_tasks_is_refused(cluster):
    cluster.add_worker("--nthreads", "3", wait=True)
    found = run("check", "--model", "theta", "--examples", "2", "--scheduler", cluster.address)
    assert found.exit_code == 2
    assert "to do one task at a time but it does 3; start it with --nthreads 1" in found.stderr


@pytest.mark.parametrize(
    ("code", "message"),
    [(OTHER_NUMPY, "to have numpy"), (NO_SPIKETHEORY, "to have spiketheory")],
    ids=["another_version", "no_spiketheory"],
)
def test_a_late_worker_that_computes_otherwise_ends_a_sweep_which_goes_on_without_it(
    code, message, cluster
):
    write_sweep(epochs=40, rates="[0.01, 0.02]")
    good = cluster.add_worker(wait=True)
    process = start_sweep(cluster)
    wait_for(has_begun)
    bad = cluster.add_worker(code=code)
    _, said = end_cli(process, 2)
    assert message in said
    assert "go on with --resume swept" in said
    kill(bad)
    assert good.poll() is None
    end_cli(start_cli("sweep", "--resume", "swept", "--scheduler", cluster.address))
    assert list_states() == ["done"] * 4


def test_where_processors_differ_all_may_compile_for_a_common_one(cluster):
    common = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    write_sweep(rates="[0.01]")
    cluster.add_worker(**common)
    end_cli(start_cli("sweep", "sweep.toml", "--out", "swept", "--scheduler", cluster.address,
                      **common))  # fmt: skip
    assert list_states() == ["done", "done"]
    end_cli(start_cli("train", "--hidden", "10", "--epochs", "1", "--learning-rate", "0.01",
                      "--out", "alone", SPIKETHEORY_THREADS="1", **common))  # fmt: skip
    assert read_arrays(Path("swept") / list_runs()[0]["folder"]) == read_arrays("alone")
