"""Accuracy, certificates of a folder, landscapes: the same, however many processes share them."""

import json
import shutil
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from clusters import Cluster
from commands import ROOT, assert_refused, run, run_ok

from derivations import compile_model, read_neuron_model
from spiketheory.checking.accuracy import chunks
from spiketheory.checking.figures import landscape_figure, landscape_parts
from spiketheory.commands.spread import certify_many, processes
from spiketheory.testing import load_subject

pytestmark = pytest.mark.usefixtures("own_folder")
MODEL = """[model]
equations = "dV/dt = -V + 2 : 1"
spike = "V = 1"
"""


class Here:
    """Processes that are this one: what they would do, at once."""

    def __init__(self):
        self.calls = []

    def count(self):
        return 3

    def submit(self, function, *arguments):
        self.calls.append(arguments)
        future = Future()
        try:
            future.set_result(function(*arguments))
        except Exception as err:
            future.set_exception(err)
        return future


@pytest.fixture
def pool(monkeypatch):
    """Work is shared with nobody, but in the same pieces."""
    found = Here()

    @contextmanager
    def open_here(where, workers, prepare=None, arguments=(), **_):
        if prepare is not None:
            prepare(*arguments)
        yield found

    monkeypatch.setattr(processes, "open_processes", open_here)
    return found


ACCURACY = ("accuracy", "--model", "lif", "--states", "5", "--backend", "numpy", "--json")


def test_accuracy_is_the_same_in_any_number_of_processes_and_goes_on(
    pool, monkeypatch, verify_once
):
    monkeypatch.setattr(chunks, "STATES_PER_CHUNK", 2)
    alone = run_ok(*ACCURACY).stdout
    kept = (*ACCURACY, "--workers", "2", "--resume", "lif.jsonl")
    assert run_ok(*kept).stdout == alone
    assert len(pool.calls) == 3
    lines = Path("lif.jsonl").read_text().splitlines(keepends=True)
    Path("lif.jsonl").write_text("".join(lines[:2]) + lines[2][:9])
    assert run_ok(*kept).stdout == alone
    assert len(pool.calls) == 5
    assert run_ok(*kept).stdout == alone
    assert len(pool.calls) == 5
    rows = json.loads(alone)
    assert all(row["states"] + row["ill_conditioned"] == 5 for row in rows)
    assert rows[0]["worst_at"].startswith("state (")
    assert_refused(run(*kept, "--seed", "1"), "Expected the journal lif.jsonl to be of this meas")


def test_chunks_have_states_of_their_own():
    first, second = chunks.plan_chunks(60, seed=3)
    assert (first.states, second.states) == (50, 10)
    assert first.draw.random() != second.draw.random()
    assert first.draw.random() == chunks.plan_chunks(1, seed=3)[0].draw.random()


@pytest.fixture
def folder(monkeypatch):
    """Models in a folder, each certified in this process."""
    Path("models").mkdir()
    shutil.copy(ROOT / "tests" / "models" / "no_input.toml", "models/quiet.toml")
    Path("models/broken.toml").write_text("[model]\nequations = 3\n")
    Path("models/notes.txt").write_text("no model")
    monkeypatch.setattr(certify_many, "certify_alone", certify_many.certify_file)
    return "models"


def test_a_folder_of_models_is_certified_and_what_is_none_is_a_row(folder, pool):
    found = run("certify", "--model", folder, "--out", "certs", "--json", "--resume", "c.jsonl")
    assert found.exit_code == 2, found.output
    broken, quiet = json.loads(found.stdout)
    assert (broken["file"], broken["verdict"]) == ("broken.toml", "refused")
    assert "Expected" in broken["reason"]
    assert (quiet["file"], quiet["verdict"]) == ("quiet.toml", "smooth")
    alone = run_ok("certify", "--model", f"{folder}/quiet.toml", "--json").stdout
    assert Path("certs/quiet.json").read_text() == alone.removesuffix("\n")
    assert run_ok("certify", "--recheck", "certs/quiet.json")
    Path("models/broken.toml").unlink()
    Path("models/late.toml").write_text(Path("models/quiet.toml").read_text())
    before = len(pool.calls)
    again = run_ok("certify", "--model", folder, "--json", "--resume", "c.jsonl")
    assert [row["verdict"] for row in json.loads(again.stdout)] == ["smooth", "smooth"]
    assert len(pool.calls) == before + 1
    table = run_ok("certify", "--model", folder, "--resume", "c.jsonl").stdout
    assert "2 smooth" in table


def test_the_worst_verdict_of_a_folder_is_the_exit_code():
    assert [code for _, code in certify_many.EXIT_CODES] == [1, 2, 2, 3]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--model", "empty"), "Expected model files"),
        (("--model", "empty", "--blame"), "Expected a single model for --blame"),
        (("--model", "lif", "--workers", "2"), "Expected a folder of models"),
    ],
)
def test_what_does_not_fit_a_folder_is_refused(arguments, message):
    Path("empty").mkdir()
    found = run("certify", *arguments)
    assert found.exit_code == 2
    assert message in " ".join(found.stderr.split())


@pytest.mark.slow
def test_campaigns_on_a_cluster_say_what_they_say_here():
    pytest.importorskip("distributed")
    Path("models").mkdir()
    for name in ("no_input", "qif_peak"):
        shutil.copy(ROOT / "tests" / "models" / f"{name}.toml", "models")
    Path("elsewhere").mkdir()
    commands = (
        (*ACCURACY[:4], "120", *ACCURACY[5:]),
        ("certify", "--model", "models", "--json"),
        ("plot", "landscape", "--model", "lif", "--grid", "3", "--out", "l.svg"),
    )
    alone = [say(command) for command in commands]
    cluster = Cluster()
    try:
        for _ in range(2):
            cluster.add_worker(folder="elsewhere", wait=True)
            where = ("--scheduler", cluster.address)
            assert [say(command + where) for command in commands] == alone
    finally:
        cluster.close()
    assert [say((*command, "--workers", "2")) for command in commands] == alone


def say(command):
    """What a command prints or draws, but for how long it took."""
    found = run(*command)
    assert found.exit_code in (0, 1), found.output
    if command[0] == "plot":
        return Path("l.svg").read_text()
    return [{**row, "seconds": 0} for row in json.loads(found.stdout)]


def test_a_landscape_in_parts_is_the_whole(pool, monkeypatch):
    monkeypatch.setattr(landscape_figure, "CELLS", 20)
    monkeypatch.setattr(landscape_figure, "NARROW", 0.05)
    lif = load_subject(read_neuron_model("lif"), compiled=compile_model("lif", backend="numpy"))
    alone = landscape_figure.explore(lif, seed=2, grid=3)
    monkeypatch.setattr(landscape_parts, "SUBJECTS", [lif])
    (parts,) = landscape_parts.explore_together([lif], pool.submit, seed=2, grid=3)
    assert len(pool.calls) == 4
    np.testing.assert_array_equal(parts.places, alone.places)
    np.testing.assert_array_equal(parts.losses, alone.losses)
    np.testing.assert_array_equal(parts.plane, alone.plane)
    assert parts.jumps == alone.jumps
    assert len(alone.jumps) > 0
    assert len(np.unique(alone.plane)) == 9
