"""The command `certify` end to end."""

import json

import pytest
from commands import run

EXIT = {"smooth": 0, "continuous": 0, "refuted": 1, "undecided": 3}


def test_a_smooth_model_exits_with_0_and_says_so():
    result = run("certify", "--model", "qif")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("Certificate of qif: smooth\n")
    for name in ("C1", "C2", "C3", "C4", "C5", "C6"):
        assert f"{name} proved" in result.stdout


def test_a_refuted_model_exits_with_1_and_its_json_can_be_checked_again(tmp_path):
    file = tmp_path / "lif.json"
    result = run("certify", "--model", "lif", "--format", "json", "--out", str(file))
    assert result.exit_code == 1, result.stderr
    content = json.loads(file.read_text())
    assert content["model"] == "lif"
    assert content["verdict"] == "refuted"
    assert list(content["conditions"]) == ["H", "C1", "C2", "C3", "C4", "C5", "C6"]
    witness = content["witnesses"][0]
    assert witness["condition"] == "C1"
    assert abs(witness["values"][1] - witness["values"][0]) < 1e-9
    assert len(witness["spikes"][0]) != len(witness["spikes"][1])
    assert set(witness["trial"]) >= {"model", "T", "weights", "input_weights", "input_times", "V0"}
    again = run("certify", "--recheck", str(file))
    assert again.exit_code == 0, again.stderr
    assert again.stdout.endswith("the verdict refuted follows\n")
    file.write_text(file.read_text().replace('"verdict": "refuted"', '"verdict": "smooth"'))
    forged = run("certify", "--recheck", str(file))
    assert forged.exit_code == 1
    assert "Check 'certificate' failed" in forged.stderr


def test_assumptions_change_the_verdict():
    result = run("certify", "--model", "nlif", "--assume", "w >= 0", "--assume", "I > 0", "--json")
    assert result.exit_code == 0, result.stderr
    content = json.loads(result.stdout)
    assert content["verdict"] in ("smooth", "continuous")
    assert content["assumptions"] == ["w >= 0", "I > 0"]


@pytest.mark.parametrize("style", ["markdown", "html"])
def test_other_formats_hold_the_verdict_and_the_trial(style):
    result = run("certify", "--model", "lif", "--format", style)
    assert result.exit_code == 1, result.stderr
    assert "Certificate of lif: refuted" in result.stdout
    assert "4.0000000002" in result.stdout
    assert ("<svg" in result.stdout) == (style == "html")


def test_a_model_whose_spike_is_no_regular_point_is_undecided(tmp_path):
    file = tmp_path / "model.toml"
    file.write_text(
        '[model]\nname = "odd"\nequations = """\ndV/dt = V**2 - u\ndu/dt = V - u\n"""\n'
        'spike = "V -> oo"\nreset = "V = -1"\ninput = "V += w"\nrest = {V = 0, u = 0}\n'
    )
    result = run("certify", "--model", str(file))
    assert result.exit_code == 3, result.stderr
    assert "Expected du/dt to stay finite at the spike" in " ".join(result.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("certify",), "Expected either --model or --recheck"),
        (("certify", "--model", "lif", "--recheck", __file__), "Expected either --model"),
        (("certify", "--model", "lif", "--assume", "w >"), "assumption"),
        (("certify", "--model", "lif", "--assume", "q > 0"), "q"),
        (
            ("certify", "--model", "lif", "--assume", "1 > 0"),
            "Expected a relation that mentions a name",
        ),
        (("certify", "--model", "lif", "--assume", "w > 1", "--assume", "w < 0"), "Expected assum"),
        (("certify", "--model", "nothing"), "Expected a built-in model"),
        (("certify", "--recheck", __file__), "Expected the JSON of a certificate"),
    ],
)
def test_bad_usage_exits_with_2(arguments, message):
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr
