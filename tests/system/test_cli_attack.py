"""The command `check --attack` end to end."""

import json

import pytest
from commands import assert_refused, run

from derivations import read_neuron_model
from spiketheory.certification.certificate import PROVED, Certificate, Condition
from spiketheory.checking import campaign
from spiketheory.commands import attack as commands

FORGED = """
[model]
name = "forged"
equations = "dV/dt = 1"
spike = "V = 1"
reset = "V = 0"
input = "V += w"
rest = {V = 0}
"""


def forge(monkeypatch, verdict):
    """Let every certificate say what it is told to."""

    def certify(model, *_, **__):
        names = [f"C{k}" for k in range(1, 7)]
        conditions = tuple(Condition(name=n, status=PROVED, evidence=()) for n in names)
        return Certificate(
            model=model, assumptions=(), split=(), verdict=verdict, strength="forged",
            conditions=conditions,
        )  # fmt: skip

    monkeypatch.setattr("spiketheory.certification.certify.certify", certify)


def test_a_false_proof_is_written_to_a_file_and_found_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "forged.toml").write_text(FORGED)
    forge(monkeypatch, "continuous")
    result = run("check", "--attack", "--model", "forged.toml", "--minutes", 0, "--out", "found")
    assert result.exit_code == 1, result.output
    assert "forged: continuous" in result.stdout
    path = tmp_path / "found" / "forged-jump.json"
    content = json.loads(path.read_text())
    assert content["verdict"] == "continuous"
    assert content["contradiction"]["kind"] == "jump"
    again = run("check", "--replay", path)
    assert again.exit_code == 1
    assert "is still there" in again.stdout
    content["contradiction"]["trial"]["weights"] = [0.0] * len(
        content["contradiction"]["trial"]["weights"]
    )
    path.write_text(json.dumps(content))
    assert run("check", "--replay", path).exit_code == 0


@pytest.mark.slow
def test_random_models_do_not_depend_on_workers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    seeds = [3, 6]
    alone = list(campaign.run_campaign(seeds, workers=1))
    shared = list(campaign.run_campaign(seeds, workers=2))
    for one, other in zip(alone, shared, strict=True):
        assert (one.verdict, one.contradictions) == (other.verdict, other.contradictions)
    result = run("check", "--attack", "--random", 1, "--seed", 3, "--workers", 1)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1].split() == ["all", "1", "0"]


def test_bad_usage_is_refused():
    for options in (["--attack"], ["--random", 3], ["--attack", "--random", 3, "--model", "lif"]):
        assert_refused(run("check", *options), "Expected --attack with one of")


@pytest.mark.slow
def test_a_model_that_keeps_its_promise_exits_with_0(monkeypatch):
    monkeypatch.setattr(commands, "ROUNDS_PER_MINUTE", 1)
    result = run("check", "--attack", "--model", "nlif", "--assume", "w >= 0", "--assume", "I > 0",
                 "--minutes", 0, "--json")  # fmt: skip
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["contradictions"] == []
    assert read_neuron_model("nlif").name == json.loads(result.stdout)["model"]
