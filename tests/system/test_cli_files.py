"""Commands keep the files that they read."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from commands import ROOT, assert_refused, run, run_ok, write_batch

OLD = ROOT / "tests" / "data" / "old_formats"
FAST = ("--backend", "numpy")


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def read(path):
    with np.load(path) as file:
        return dict(file)


@pytest.mark.parametrize("make", [lambda: shutil.copy(OLD / "trial.npz", "t.npz"),
                                  lambda: write_batch("t.npz")])  # fmt: skip
def test_simulate_into_its_own_input_keeps_the_question_beside_the_answer(make):
    make()
    question = read("t.npz")
    run_ok("simulate", "t.npz", "--out", "other.npz", *FAST)
    for _ in range(2):  # the second time it holds both
        run_ok("simulate", "t.npz", "--out", "./t.npz", *FAST)
        found, answer = read("t.npz"), read("other.npz")
        assert found.keys() == question.keys() | answer.keys()
        for name, array in (question | answer).items():
            np.testing.assert_array_equal(found[name], array)


NETWORK = 'version = 2\n[network]\nduration = 1.0\n[populations.a]\nmodel = "m.toml"\nsize = 1\n'


@pytest.mark.parametrize(
    "command",
    [
        "simulate n.toml --out n.toml", "simulate n.toml --out m.toml",
        "simulate n.toml --out x.npz --plot n.toml", "simulate n.toml --out x --plot x",
        "simulate n.toml --trials t.npz --out t.npz", "derive --model m.toml --out m.toml",
        "codegen --model ./m.toml --out m.toml", "certify --model m.toml --out m.toml",
        "certify --recheck c.json --out c.json", "train --config run/config.toml --out run",
        "plot continuity --model ./m.svg --out m.svg",
    ],
)  # fmt: skip
def test_other_commands_refuse_to_write_to_what_they_read(tmp_path, command):
    shutil.copy(ROOT / "docs" / "my_neuron.toml", "m.toml")
    shutil.copy("m.toml", "m.svg")
    (tmp_path / "n.toml").write_text(NETWORK)
    (tmp_path / "c.json").write_text("{}")
    (tmp_path / "t.npz").write_bytes(b"")
    shutil.copytree(OLD / "run", "run")
    (tmp_path / "run" / "checkpoint.npz").unlink()
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    options = FAST if command.startswith("simulate") else ()
    assert_refused(run(*command.split(), *options), "it would be lost")
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_a_built_in_model_is_no_file():
    run_ok("codegen", "--model", "lif_delta", "--out", "lif_delta")
    assert 'NAME = "lif_delta"' in Path("lif_delta").read_text("utf-8")
